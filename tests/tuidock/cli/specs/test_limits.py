import pytest

from engine.options import DeviceRate, DeviceWeight, Ulimit
from tuidock.cli.specs import limits


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("nofile=1024", Ulimit("nofile", 1024, 1024)),
        ("nofile=1024:2048", Ulimit("nofile", 1024, 2048)),
        ("core=-1", Ulimit("core", -1, -1)),
        ("core=5:-1", Ulimit("core", 5, -1)),
    ],
)
def test_ulimits(text, found):
    assert limits.ulimit(text) == found


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("nofile", "invalid ulimit argument: nofile"),
        ("NOFILE=1", "invalid ulimit type: NOFILE"),
        ("nofile=a", 'strconv.ParseInt: parsing "a": invalid syntax'),
        ("nofile=1:2:3", "too many limit value arguments - 1:2:3, can only have up to two, `soft[:hard]`"),
        ("nofile=2:1", "ulimit soft limit must be less than or equal to hard limit: 2 > 1"),
        (
            "core=-1:5",
            "ulimit soft limit must be less than or equal to hard limit: soft: -1 (unlimited), hard: 5",
        ),
    ],
)
def test_ulimits_that_are_none(text, reason):
    with pytest.raises(ValueError) as caught:
        limits.ulimit(text)
    assert str(caught.value) == reason


def test_sysctls_may_be_empty_and_hold_what_they_like():
    assert limits.sysctl("net.ipv4.ip_forward=") == ("net.ipv4.ip_forward", "")
    assert limits.sysctl("kernel.sem=1 2 3=4") == ("kernel.sem", "1 2 3=4")


@pytest.mark.parametrize(
    "text", ["foo", "foo=1", "kernel.hostname=a", "net/ipv4/ip_forward=1", "=1", "net.a/b=1"]
)
def test_sysctls_of_the_host(text):
    with pytest.raises(ValueError, match=f"sysctl '{text}' is not allowed"):
        limits.sysctl(text)


def test_rates_and_weights_of_disks():
    assert limits.device_bytes("/dev/sda:1mb") == DeviceRate("/dev/sda", 1 << 20)
    assert limits.device_operations("/dev/sda:100") == DeviceRate("/dev/sda", 100)
    assert limits.device_weight("/dev/sda:500") == DeviceWeight("/dev/sda", 500)


@pytest.mark.parametrize(
    ("parse", "text", "reason"),
    [
        (limits.device_bytes, "/dev/sda", "bad format: /dev/sda"),
        (limits.device_bytes, "sda:1", "bad format for device path: sda:1"),
        (limits.device_bytes, "/dev/sda:x", "invalid rate for device: /dev/sda:x"),
        (limits.device_operations, "/dev/sda:1mb", "invalid rate for device: /dev/sda:1mb"),
        (limits.device_operations, "/dev/sda:-1", "invalid rate for device: /dev/sda:-1"),
        (limits.device_weight, "/dev/sda:5", "invalid weight for device: /dev/sda:5"),
        (limits.uint16, "70000", 'strconv.ParseUint: parsing "70000": value out of range'),
        (limits.uint16, "-1", 'strconv.ParseUint: parsing "-1": invalid syntax'),
    ],
)
def test_values_of_disks_that_are_none(parse, text, reason):
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert str(caught.value).startswith(reason)

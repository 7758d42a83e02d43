import pytest

from tuidock.cli.specs import ipam


def test_what_fits_together_passes():
    ipam.check(
        ("10.2.0.0/24", "fd00::/64"),
        ("10.2.0.0/28",),
        ("10.2.0.9", "fd00::9"),
        {"router": "10.2.0.5", "other": "fd00::5"},
    )


@pytest.mark.parametrize(
    ("subnets", "ranges", "gateways", "auxiliary", "reason"),
    [
        ((), (), ("10.2.0.1",), {}, "every ip-range or gateway must have a corresponding subnet"),
        ((), ("10.2.0.0/28",), (), {}, "every ip-range or gateway must have a corresponding subnet"),
        (("10.1",), (), (), {}, "invalid subnet 10.1: invalid CIDR address: 10.1"),
        (("10.1.0.0",), (), (), {}, "invalid subnet 10.1.0.0: invalid CIDR address: 10.1.0.0"),
        (
            ("10.2.0.0/24", "10.2.0.0/25"),
            (),
            (),
            {},
            "multiple overlapping subnet configuration is not supported",
        ),
        (
            ("10.2.0.0/24", "10.2.0.0/24"),
            (),
            (),
            {},
            "multiple overlapping subnet configuration is not supported",
        ),
        (("10.2.0.0/24",), (), ("10.3.0.1",), {}, "no matching subnet for gateway 10.3.0.1"),
        (("10.2.0.0/24",), (), ("x",), {}, "no matching subnet for gateway x"),
        (("10.2.0.0/24",), ("10.3.0.0/28",), (), {}, "no matching subnet for range 10.3.0.0/28"),
        (("10.2.0.0/24",), ("x",), (), {}, "invalid CIDR address: x"),
        (("10.2.0.0/24",), (), (), {"a": "10.3.0.1"}, "no matching subnet for aux-address 10.3.0.1"),
        (("10.2.0.0/24",), (), (), {"a": ""}, "no matching subnet for aux-address "),
        (
            ("10.2.0.0/24", "fd00::/64"),
            (),
            ("10.2.0.1", "10.2.0.2"),
            {},
            "cannot configure multiple gateways (10.2.0.2, 10.2.0.1) on the same subnet (10.2.0.0/24)",
        ),
        (
            ("10.2.0.0/24", "fd00::/64"),
            ("10.2.0.0/28", "10.2.0.16/28"),
            (),
            {},
            "cannot configure multiple ranges (10.2.0.16/28, 10.2.0.0/28) on the same subnet (10.2.0.0/24)",
        ),
    ],
)
def test_what_does_not_is_refused_in_dockers_words(subnets, ranges, gateways, auxiliary, reason):
    with pytest.raises(ValueError) as caught:
        ipam.check(subnets, ranges, gateways, auxiliary)
    assert str(caught.value) == reason

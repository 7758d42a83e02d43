from __future__ import annotations

import re

import pytest

from engine.options import DeviceSpec
from tuidock.cli.specs.devices import cgroup_rule, device


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("/dev/a", ("/dev/a", "/dev/a", "rwm")),
        ("/dev/a:r", ("/dev/a", "/dev/a", "r")),
        ("/dev/a:/dev/b", ("/dev/a", "/dev/b", "rwm")),
        ("/dev/a:/dev/b:rw", ("/dev/a", "/dev/b", "rw")),
        ("/dev/a:/dev//b/", ("/dev/a", "/dev/b", "rwm")),
    ],
)
def test_a_device_is_host_container_and_permissions(value, expected):
    host, name, permissions = expected
    assert device(value) == DeviceSpec(path_on_host=host, path_in_container=name, permissions=permissions)


def test_a_qualified_name_is_a_cdi_device():
    assert device("vendor.com/class=name-0") == "vendor.com/class=name-0"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (":", "bad format for path: :"),
        ("/dev/a:/b:r:x", "bad format for path: /dev/a:/b:r:x"),
        ("/dev/a:/b:q", "bad mode specified: q"),
        ("/dev/a:/b:rr", "bad mode specified: rr"),
        ("nosuch", "nosuch is not an absolute path"),
        ("/dev/a:x", "x is not an absolute path"),
        ("1vendor/class=x", "1vendor/class=x is not an absolute path"),
    ],
)
def test_what_is_no_device_is_refused_in_dockers_words(value, message):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        device(value)
    assert str(caught.value) == message


def test_a_rule_is_kept_as_it_is():
    assert cgroup_rule("c 10:* rwm") == "c 10:* rwm"


@pytest.mark.parametrize("value", ["c", "x 1:3 r", "c 1:3", "c 1:3 rwmr", "c 1:3 r\n"])
def test_what_is_no_rule_is_refused(value):
    with pytest.raises(ValueError, match="invalid device cgroup format"):
        cgroup_rule(value)

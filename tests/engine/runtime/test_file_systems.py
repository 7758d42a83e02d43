from __future__ import annotations

import pytest

from engine.errors import InvalidInput
from engine.runtime.file_systems import bind_flags, check_volume_options, mount_options, tmpfs_options


@pytest.mark.parametrize(
    ("options", "flags", "data"),
    [
        ((), ("nosuid", "nodev", "noexec"), ""),
        (("exec", "size=50%"), ("nosuid", "nodev"), "size=50%"),
        (("ro", "rw", "uid=5", "uid=6"), ("nosuid", "nodev", "noexec"), "uid=6"),
        (("mode=700", "suid"), ("nodev", "noexec"), "mode=700"),
    ],
)
def test_a_later_option_of_a_tmpfs_wins(options, flags, data):
    assert tmpfs_options(options, ("nosuid", "nodev", "noexec")) == (flags, data)


@pytest.mark.parametrize("option", ["foo", "size=x", "mode=9", "uid=a", "foo=1"])
def test_an_option_that_tmpfs_does_not_have_is_refused(option):
    with pytest.raises(InvalidInput, match="invalid tmpfs option"):
        tmpfs_options((option,))


def test_the_local_drivers_options_are_split_into_flags_and_data():
    assert mount_options({"o": "size=1m,noexec,uid=5,ro"}) == (("noexec", "ro"), "size=1m,uid=5")
    assert bind_flags({"o": "bind,ro"}) == ("bind", "ro")
    assert bind_flags({"o": "rbind"}) == ("rbind",)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"foo": "bar"}, 'create vol: invalid option: "foo"'),
        ({"type": "tmpfs"}, "missing device"),
        ({"device": "/x"}, "missing type"),
        ({"type": "nfs", "device": ":/x"}, "volumes of type nfs are not supported"),
        ({"o": "bind", "device": "rel", "type": "none"}, "must be an absolute path"),
    ],
)
def test_what_the_local_driver_cannot_do_is_refused(options, reason):
    with pytest.raises(InvalidInput, match=reason):
        check_volume_options("vol", options)

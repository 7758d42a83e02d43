import pytest

from engine.options import MountSpec
from tuidock.cli.specs import mounts

_RPRIVATE = (
    "option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be specified in conjunction"
)


def test_a_bind_makes_its_missing_source():
    assert mounts.volume("/a:/b") == MountSpec(
        type="bind", source="/a", target="/b", create_source=True, short=True
    )


def test_a_relative_source_is_taken_from_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert mounts.volume("./x:/b").source == f"{tmp_path}/x"


def test_a_name_is_a_volume():
    assert mounts.volume("data:/b:ro") == MountSpec(
        type="volume", source="data", target="/b", read_only=True, mode="ro", short=True
    )


def test_a_target_alone_is_an_anonymous_volume():
    assert mounts.volume("/data") == MountSpec(type="volume", target="/data", short=True)


def test_modes_may_be_combined():
    mount = mounts.volume("/a:/b:ro,rslave")
    assert (mount.read_only, mount.propagation) == (True, "rslave")


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (":/x", "invalid spec: :/x: empty section between colons"),
        ("/a:/b:ro:z", "invalid spec: /a:/b:ro:z: too many colons"),
        ("/a:b", "invalid volume specification: '/a:b': mount path must be absolute"),
        ("/a:/", "invalid volume specification: '/a:/': destination can't be '/'"),
        ("/a:/b:foo", "invalid mode: foo"),
        ("/a:/b:nocopy", "invalid mode: nocopy"),
    ],
)
def test_a_wrong_volume_is_refused_in_dockers_words(spec, reason):
    with pytest.raises(ValueError) as caught:
        mounts.volume(spec)
    assert str(caught.value) == reason


def test_a_volume_name_with_a_slash_points_to_the_absolute_path():
    with pytest.raises(ValueError, match="If you intended to pass a host directory, use absolute path"):
        mounts.volume("a/b:/x")


def test_a_mount_in_the_long_form():
    assert mounts.mount("type=bind,src=/a,dst=/b,readonly") == MountSpec(
        type="bind", source="/a", target="/b", read_only=True
    )


def test_a_tmpfs_in_the_long_form():
    assert mounts.mount("type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=700") == MountSpec(
        type="tmpfs", target="/t", tmpfs_size=1 << 20, tmpfs_mode=0o700
    )


def test_a_quoted_field_may_hold_commas():
    assert mounts.mount('type=bind,"src=/a,b",dst=/b').source == "/a,b"


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("foo", "invalid field 'foo' must be a key=value pair"),
        ("type=bind,src=/a", "target is required"),
        ("type=bind,src=/,foo=bar,target=/a", "unexpected key 'foo' in 'foo=bar'"),
        ("type=volume,target=/a,tmpfs-size=1", "cannot mix 'tmpfs-*' options with mount type 'volume'"),
        (
            "type=bind,src=/,target=/a,bind-recursive=writable",
            "option 'bind-recursive=writable' requires 'readonly' to be specified in conjunction",
        ),
        (
            "type=bind,src=/,target=/a,ro,bind-recursive=readonly",
            _RPRIVATE,
        ),
        ("type=tmpfs,target=/a,tmpfs-size=x", "invalid value for tmpfs-size: x"),
    ],
)
def test_a_wrong_mount_is_refused_in_dockers_words(spec, reason):
    with pytest.raises(ValueError) as caught:
        mounts.mount(spec)
    assert str(caught.value) == reason


def test_tmpfs_keeps_its_options_in_order():
    assert mounts.tmpfs("/t:size=64m,exec,uid=5") == MountSpec(
        type="tmpfs", target="/t", tmpfs_options=("size=64m", "exec", "uid=5"), short=True
    )


@pytest.mark.parametrize("option", ["foo", "foo=1", "size", "exec=1"])
def test_an_option_that_tmpfs_does_not_have_is_refused(option):
    with pytest.raises(ValueError, match=f'invalid tmpfs option "{option}"'):
        mounts.tmpfs(f"/t:{option}")


def test_a_volume_in_the_long_form_is_described_further():
    text = (
        "type=volume,src=vol,dst=/v,volume-subpath=a/b,volume-label=x=1,volume-opt=type=tmpfs,volume-opt=o=a"
    )
    assert mounts.mount(text) == MountSpec(
        type="volume",
        source="vol",
        target="/v",
        subpath="a/b",
        labels={"x": "1"},
        driver_options={"type": "tmpfs", "o": "a"},
    )


@pytest.mark.parametrize(
    ("spec", "reason"), [("a:zz", "invalid mode: zz"), ("a:ro,rw", "invalid mode: ro,rw")]
)
def test_volumes_from_takes_a_mode(spec, reason):
    assert mounts.volumes_from("a:ro,z") == "a:ro,z"
    with pytest.raises(ValueError, match=reason):
        mounts.volumes_from(spec)

from __future__ import annotations

import os
import subprocess

import pytest

from engine.errors import CommandNotFound, EngineError, InvalidInput, NotFound
from engine.options import CommitOptions, CreateVolumeOptions, MountSpec, RemoveContainerOptions
from tests.support.containers import run, sh, started

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("busybox_image")]


@pytest.fixture
def nested(short_folder):
    """A folder with a mount in it."""
    os.makedirs(f"{short_folder}/top/below")
    subprocess.run(["mount", "-t", "tmpfs", "none", f"{short_folder}/top/below"], check=True)
    yield f"{short_folder}/top"
    subprocess.run(["umount", f"{short_folder}/top/below"], check=True)


@pytest.mark.parametrize(
    ("recursive", "refused"),
    [("enabled", ["/m", "/m/below"]), ("readonly", ["/m", "/m/below"]), ("writable", ["/m"])],
)
async def test_how_far_a_bind_is_read_only(engine, nested, recursive, refused):
    mount = MountSpec(type="bind", source=nested, target="/m", read_only=True, recursive=recursive)
    script = "for d in /m /m/below; do touch $d/x 2>/dev/null || echo $d; done"
    assert (await run(engine, sh(script, mounts=(mount,))))[1].decode().split() == refused


async def test_a_bind_that_is_not_recursive_shows_the_top_alone(engine, nested):
    mount = MountSpec(type="bind", source=nested, target="/m", recursive="disabled")
    code, out, _ = await run(engine, sh("grep -c ' /m' /proc/mounts; ls /m", mounts=(mount,)))
    assert (code, out) == (0, b"1\nbelow\n")


async def test_mounts_travel_out_of_a_shared_bind_only(engine, short_folder):
    folder = f"{short_folder}/shared"
    os.mkdir(folder)
    mount = MountSpec(type="bind", source=folder, target="/m", propagation="rshared")
    subprocess.run(["mount", "--bind", "--make-private", folder, folder], check=True)
    try:
        with pytest.raises(
            InvalidInput, match=f"path {folder} is mounted on {folder} but it is not a shared"
        ):
            await started(engine, sh("true", mounts=(mount,)))
        subprocess.run(["mount", "--make-shared", folder], check=True)
        assert (
            await run(
                engine,
                sh(
                    "mkdir /m/in; mount -t tmpfs none /m/in",
                    mounts=(mount,),
                    cap_add=("SYS_ADMIN",),
                    apparmor="unconfined",
                ),
            )
        )[0] == 0
        assert os.path.ismount(f"{folder}/in")
    finally:
        subprocess.run(["umount", "-R", folder], check=True)


async def test_a_part_of_a_volume_is_mounted_and_no_link_leads_out_of_it(engine, short_folder):
    volume = MountSpec(type="volume", source="vol", target="/v")
    await run(
        engine, sh(f"mkdir -p /v/a/b; echo x > /v/a/b/f; ln -s {short_folder} /v/out", mounts=(volume,))
    )
    part = MountSpec(type="volume", source="vol", target="/p", subpath="a/b")
    assert (await run(engine, sh("cat /p/f", mounts=(part,))))[1] == b"x\n"
    for subpath in ("out", "missing"):
        part = MountSpec(type="volume", source="vol", target="/p", subpath=subpath)
        with pytest.raises(EngineError, match="no such file or directory"):
            await started(engine, sh("true", mounts=(part,)))
    with pytest.raises(InvalidInput, match="subpath must be a relative path within the volume"):
        await engine.containers.create(
            sh("true", mounts=(MountSpec(type="volume", source="vol", target="/p", subpath="../x"),))
        )


async def test_volumes_are_taken_from_other_containers(engine, short_folder):
    mounts = (
        MountSpec(type="volume", target="/anonymous"),
        MountSpec(type="volume", source="named", target="/named"),
        MountSpec(type="bind", source=short_folder, target="/bound", read_only=True),
        MountSpec(type="tmpfs", target="/memory", short=True),
    )
    first = await engine.containers.create(sh("echo 1 > /anonymous/f", mounts=mounts, name="first"))
    await engine.containers.start(first.id)
    await engine.containers.wait(first.id)
    own = (MountSpec(type="volume", source="other", target="/named"),)
    script = "cat /anonymous/f; ls /named /memory; touch /bound/x || echo ro; touch /anonymous/y"
    code, out, _ = await run(engine, sh(script, volumes_from=("first",), mounts=own))
    assert (code, out) == (0, b"1\n/named:\nro\n")
    assert (await run(engine, sh("touch /anonymous/z", volumes_from=("first:ro",))))[0] == 1
    with pytest.raises(NotFound, match="No such container: nope"):
        await engine.containers.create(sh("true", volumes_from=("nope",)))


async def test_an_anonymous_volume_goes_with_its_last_user(engine):
    mounts = (MountSpec(type="volume", target="/v"),)
    await engine.containers.create(sh("true", mounts=mounts, name="first"))
    await engine.containers.create(sh("true", volumes_from=("first",), name="second"))
    for name, left in (("first", 1), ("second", 0)):
        await engine.containers.remove(name, RemoveContainerOptions(volumes=True))
        assert len(await engine.volumes.list()) == left


async def test_a_tmpfs_takes_all_of_its_options(engine):
    options = ("size=1m", "uid=5", "gid=6", "mode=750", "exec")
    mount = MountSpec(type="tmpfs", target="/t", tmpfs_options=options, short=True)
    out = (await run(engine, sh("stat -c '%u %g %a' /t; grep ' /t ' /proc/mounts", mounts=(mount,))))[1]
    assert out.startswith(b"5 6 750\ntmpfs /t tmpfs rw,nosuid,nodev,relatime,size=1024k")


async def test_a_volume_may_be_a_file_system_or_another_folder(engine, short_folder):
    folder = f"{short_folder}/folder"
    os.mkdir(folder)
    volumes = {
        "memory": {"type": "tmpfs", "device": "tmpfs", "o": "size=1m,uid=5"},
        "elsewhere": {"type": "none", "device": folder, "o": "bind"},
    }
    for name, options in volumes.items():
        await engine.volumes.create(CreateVolumeOptions(name=name, driver_options=options))
    assert (await engine.volumes.inspect("memory"))["Options"] == volumes["memory"]
    mounts = tuple(MountSpec(type="volume", source=name, target=f"/{name}") for name in volumes)
    script = "grep -c '^tmpfs /memory tmpfs' /proc/mounts; stat -c %u /memory; touch /elsewhere/x"
    assert (await run(engine, sh(script, mounts=mounts)))[1] == b"1\n5\n"
    assert os.listdir(folder) == ["x"]


async def test_a_volume_of_its_own_is_described_at_the_mount(engine):
    mount = MountSpec(type="volume", source="vol", target="/v", labels={"a": "b"})
    await engine.containers.create(sh("true", mounts=(mount,)))
    assert (await engine.volumes.get("vol")).labels == {"a": "b"}


async def test_a_volume_is_not_mounted_over_a_file_of_the_image(engine):
    with pytest.raises(InvalidInput, match="cannot mount volume over existing file, file exists /etc/passwd"):
        await engine.containers.create(sh("true", mounts=(MountSpec(type="volume", target="/etc/passwd"),)))


async def test_a_missing_source_of_v_is_made_again_at_the_next_start(engine, short_folder):
    source = f"{short_folder}/made"
    mount = MountSpec(type="bind", source=source, target="/m", create_source=True)
    container = await engine.containers.create(sh("ls /m", mounts=(mount,)))
    os.rmdir(source)
    await engine.containers.start(container.id)
    assert await engine.containers.wait(container.id) == 0
    assert os.path.isdir(source)


async def test_mounts_inside_each_other_are_made_from_the_outside_in(engine):
    mounts = tuple(
        MountSpec(type="volume", source=name, target=target)
        for name, target in (("inner", "/a/b"), ("outer", "/a"))
    )
    assert (await run(engine, sh("touch /a/b/f; ls /a/b", mounts=mounts)))[1] == b"f\n"
    assert os.listdir((await engine.volumes.get("inner")).mountpoint) == ["f"]


async def test_inspect_shows_mounts_as_they_were_asked_for_and_as_they_are(engine, short_folder):
    mounts = (
        MountSpec(type="bind", source=short_folder, target="/b", read_only=True, mode="ro", short=True),
        MountSpec(type="volume", source="vol", target="/v", no_copy=True, labels={"a": "b"}),
        MountSpec(type="tmpfs", target="/t", tmpfs_options=("size=2m",), short=True),
        MountSpec(type="tmpfs", target="/u", tmpfs_size=1 << 20, tmpfs_mode=0o700),
    )
    await engine.containers.create(sh("true", mounts=mounts, name="box"))
    shown = await engine.containers.inspect("box")
    host = shown["HostConfig"]
    assert (host["Binds"], host["Tmpfs"]) == ([f"{short_folder}:/b:ro"], {"/t": "size=2m"})
    volume = {"NoCopy": True, "Labels": {"a": "b"}, "DriverConfig": {}}
    assert host["Mounts"] == [
        {"Type": "volume", "Source": "vol", "Target": "/v", "VolumeOptions": volume},
        {"Type": "tmpfs", "Target": "/u", "TmpfsOptions": {"SizeBytes": 1 << 20, "Mode": 0o700}},
    ]
    assert [(mount["Destination"], mount["Mode"], mount["RW"]) for mount in shown["Mounts"]] == [
        ("/b", "ro", False),
        ("/v", "z", True),
        ("/u", "", True),
    ]


async def test_an_images_volume_is_not_made_where_others_mount(engine):
    container = await engine.containers.create(sh("true"))
    await engine.containers.commit(
        container.id, CommitOptions(reference="voluminous", changes=("VOLUME /v",))
    )
    await engine.containers.create(sh("true", image="voluminous", name="first"))
    second = await engine.containers.create(sh("true", image="voluminous", volumes_from=("first",)))
    assert [point.target for point in second.mounts] == ["/v"]
    assert len(await engine.volumes.list()) == 1


async def test_a_fresh_volume_on_etc_has_the_engines_files(engine):
    mount = MountSpec(type="volume", source="etc", target="/etc", read_only=True)
    code, out, _ = await run(engine, sh("cat /etc/hostname; ls /etc", mounts=(mount,), hostname="here"))
    assert (code, out.split()[:3]) == (0, [b"here", b"group", b"hostname"])


async def test_a_create_that_was_refused_leaves_nothing_staged(engine, paths):
    mount = MountSpec(type="volume", source="v", target="/etc/passwd")
    with pytest.raises(InvalidInput):
        await engine.containers.create(sh("true", mounts=(mount,)))
    assert os.listdir(paths.staging) == []


async def test_a_part_of_a_volume_that_is_not_there_is_named(engine):
    mount = MountSpec(type="volume", source="vol", target="/v", subpath="nosuch")
    with pytest.raises(CommandNotFound, match=r"cannot access path .*/vol/_data/nosuch: no such file"):
        await started(engine, sh("true", mounts=(mount,)))

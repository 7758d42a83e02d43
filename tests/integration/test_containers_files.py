from __future__ import annotations

import io
import os
import tarfile

import pytest

from engine.errors import Conflict, InvalidInput, NotFound
from engine.options import (
    AttachOptions,
    CommitOptions,
    ContainerFilter,
    CreateVolumeOptions,
    MountSpec,
    PruneOptions,
    RemoveContainerOptions,
)
from tests.support.containers import run, sh, started

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("busybox_image")]


async def volume_image(engine) -> str:
    """An image with content in /data, which it declares as a volume."""
    container = await engine.containers.create(
        sh("mkdir -p /data/sub && echo seed > /data/sub/file && chown -R 7:8 /data && chmod 750 /data")
    )
    await engine.containers.start(container.id)
    assert await engine.containers.wait(container.id) == 0
    await engine.containers.commit(
        container.id, CommitOptions(reference="seeded", changes=("VOLUME /data", "ENV X=1"))
    )
    return "seeded"


async def test_a_bind_mount_shows_the_host_folder(engine, short_folder):
    os.mkdir(f"{short_folder}/shared")
    mount = MountSpec(type="bind", source=f"{short_folder}/shared", target="/mnt/deep/down")
    assert (await run(engine, sh("echo hello > /mnt/deep/down/file", mounts=(mount,))))[0] == 0
    with open(f"{short_folder}/shared/file") as file:
        assert file.read() == "hello\n"


async def test_a_read_only_bind_mount_cannot_be_written(engine, short_folder):
    os.mkdir(f"{short_folder}/shared")
    mount = MountSpec(type="bind", source=f"{short_folder}/shared", target="/mnt", read_only=True)
    code, _, err = await run(engine, sh("echo hello > /mnt/file", mounts=(mount,)))
    assert code != 0
    assert b"Read-only file system" in err


async def test_a_file_can_be_bound_over_a_file(engine, short_folder):
    with open(f"{short_folder}/conf", "w") as file:
        file.write("mine\n")
    mount = MountSpec(type="bind", source=f"{short_folder}/conf", target="/etc/hosts")
    assert (await run(engine, sh("cat /etc/hosts", mounts=(mount,))))[1] == b"mine\n"


async def test_a_missing_source_of_v_is_made_and_of_mount_refused(engine, short_folder):
    source = f"{short_folder}/new/folder"
    with pytest.raises(InvalidInput, match="bind source path does not exist"):
        await engine.containers.create(
            sh("true", mounts=(MountSpec(type="bind", source=source, target="/m"),))
        )
    assert not os.path.exists(f"{short_folder}/new")
    mount = MountSpec(type="bind", source=source, target="/m", create_source=True)
    assert (await run(engine, sh("touch /m/there", mounts=(mount,))))[0] == 0
    assert os.listdir(source) == ["there"]


async def test_two_mounts_on_one_target_are_refused(engine):
    mounts = (MountSpec(type="volume", target="/a"), MountSpec(type="volume", target="/a/"))
    with pytest.raises(InvalidInput, match="Duplicate mount point: /a"):
        await engine.containers.create(sh("true", mounts=mounts))


async def test_a_tmpfs_has_size_and_mode(engine):
    mount = MountSpec(type="tmpfs", target="/t", tmpfs_size=1 << 20, tmpfs_mode=0o700)
    out = (await run(engine, sh("stat -c %a /t; grep ' /t ' /proc/mounts", mounts=(mount,))))[1]
    assert out.startswith(b"700\n")
    assert b"size=1024k" in out


async def test_a_named_volume_outlives_its_containers(engine):
    mount = MountSpec(type="volume", source="keep", target="/v")
    await run(engine, sh("echo one > /v/file", mounts=(mount,), auto_remove=True))
    assert (await run(engine, sh("cat /v/file", mounts=(mount,))))[1] == b"one\n"
    assert [volume.name for volume in await engine.volumes.list()] == ["keep"]


async def test_a_volume_in_use_is_not_removed(engine):
    container = await engine.containers.create(
        sh("true", mounts=(MountSpec(type="volume", source="used", target="/v"),))
    )
    with pytest.raises(Conflict, match=f"volume is in use - \\[{container.id}\\]"):
        await engine.volumes.remove("used")
    await engine.containers.remove(container.id, RemoveContainerOptions(volumes=True))
    await engine.volumes.remove("used")
    assert await engine.volumes.list() == ()
    assert os.listdir(engine.paths.volumes) == []


async def test_a_fresh_volume_takes_what_the_image_has_there(engine):
    image = await volume_image(engine)
    out = (await run(engine, sh("cat /data/sub/file; stat -c '%u:%g %a' /data", image=image)))[1]
    assert out == b"seed\n7:8 750\n"


async def test_a_volume_of_the_users_takes_it_too_unless_nocopy(engine):
    image = await volume_image(engine)
    mount = MountSpec(type="volume", source="filled", target="/data")
    assert (await run(engine, sh("ls /data", image=image, mounts=(mount,))))[1] == b"sub\n"
    mount = MountSpec(type="volume", source="empty", target="/data", no_copy=True)
    assert (await run(engine, sh("ls /data", image=image, mounts=(mount,))))[1] == b""


async def test_a_volume_with_content_is_left_as_it_is(engine):
    image = await volume_image(engine)
    mount = MountSpec(type="volume", source="mine", target="/data")
    await run(engine, sh("echo x > /data/x", mounts=(mount,)))
    assert (await run(engine, sh("ls /data", image=image, mounts=(mount,))))[1] == b"x\n"


async def test_rm_v_removes_anonymous_volumes_and_rm_does_not(engine):
    for volumes, left in ((False, 1), (True, 1)):
        container = await engine.containers.create(
            sh("true", mounts=(MountSpec(type="volume", target="/v"),))
        )
        await engine.containers.remove(container.id, RemoveContainerOptions(volumes=volumes))
        assert len(await engine.volumes.list()) == left
    assert len((await engine.volumes.prune(PruneOptions())).removed) == 1


async def test_a_container_with_rm_takes_its_anonymous_volumes_along(engine):
    await run(engine, sh("true", auto_remove=True, mounts=(MountSpec(type="volume", target="/v"),)))
    assert await engine.containers.list(ContainerFilter(all=True)) == ()
    assert await engine.volumes.list() == ()
    assert os.listdir(engine.paths.volumes) == []


async def test_volumes_can_be_made_and_inspected(engine):
    volume = await engine.volumes.create(CreateVolumeOptions(name="v1", labels={"a": "b"}))
    assert os.path.isdir(volume.mountpoint)
    shown = await engine.volumes.inspect("v1")
    assert (shown["Name"], shown["Mountpoint"], shown["Labels"]) == ("v1", volume.mountpoint, {"a": "b"})
    with pytest.raises(InvalidInput, match="invalid characters for a local volume name"):
        await engine.volumes.create(CreateVolumeOptions(name="-bad/name"))
    with pytest.raises(NotFound, match="No such volume: v2"):
        await engine.volumes.get("v2")


async def test_commit_makes_an_image_of_what_the_container_changed(engine):
    container = await engine.containers.create(sh("echo new > /new; rm /bin/wget; echo x > /etc/hosts"))
    await engine.containers.start(container.id)
    assert await engine.containers.wait(container.id) == 0
    image = await engine.containers.commit(
        container.id,
        CommitOptions(reference="snap:1", author="me", message="why", changes=('CMD ["cat", "/new"]',)),
    )
    assert image.names == ("snap:1",)
    assert image.config.cmd == ("cat", "/new")
    history = await engine.images.history("snap:1")
    assert (history[0].comment, len(history)) == ("why", len(await engine.images.history("busybox")) + 1)
    assert (await run(engine, sh("cat /new; ls /bin/wget", image="snap:1")))[1] == b"new\n"
    assert await engine.containers.wait(container.id) == 0
    assert os.listdir(engine.paths.staging) == []


async def test_commit_of_a_running_container_leaves_it_running(engine):
    container = await started(engine, sh("echo a > /a; sleep 60"))
    image = await engine.containers.commit(container.id, CommitOptions())
    assert image.names == ()
    assert (await engine.containers.get(container.id)).state.status == "running"


async def test_export_writes_the_whole_tree(engine, short_folder):
    container = await engine.containers.create(sh("echo new > /new; rm /bin/wget"))
    await engine.containers.start(container.id)
    await engine.containers.wait(container.id)
    with open(f"{short_folder}/out.tar", "wb") as file:
        await engine.containers.export(container.id, file.fileno())
    with open(f"{short_folder}/out.tar", "rb") as file, tarfile.open(fileobj=io.BytesIO(file.read())) as tar:
        names = {name.removeprefix("./") for name in tar.getnames()}
    assert {"new", "bin/busybox", "etc/hosts", ".dockerenv"} <= names
    assert "bin/wget" not in names


async def test_the_engine_files_tell_the_container_who_it_is(engine):
    out = (await run(engine, sh("hostname; cat /etc/hostname; grep -c . /etc/hosts", hostname="box")))[1]
    assert out.splitlines()[:2] == [b"box", b"box"]


async def test_nothing_the_engine_adds_is_in_the_containers_own_layer(engine):
    container = await engine.containers.create(sh("true"))
    await engine.containers.start(container.id)
    await engine.containers.wait(container.id)
    assert os.listdir(engine.paths.container_upper(container.id)) == []


async def test_a_read_only_root_refuses_writes(engine):
    code, _, err = await run(engine, sh("touch /x", read_only=True))
    assert code != 0
    assert b"Read-only" in err


async def test_an_attached_start_of_a_container_with_every_option(engine, short_folder):
    mount = MountSpec(type="volume", target="/v")
    options = sh("id -u; pwd; echo $A", user="9", working_dir="/v", env=("A=b",), mounts=(mount,), init=True)
    container = await engine.containers.create(options)
    session = await engine.containers.start_attached(container.id, AttachOptions(stdin=False))
    texts = b""
    while (chunk := await session.read()) is not None:
        texts += chunk[1]
    assert (await session.wait(), texts) == (0, b"9\n/v\nb\n")

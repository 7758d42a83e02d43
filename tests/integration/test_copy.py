from __future__ import annotations

import asyncio
import io
import os
import shutil
import stat
import tarfile

import pytest

from engine.errors import Conflict, EngineError, InvalidInput, NotFound
from engine.options import (
    CommitOptions,
    CopyFromOptions,
    CopyToOptions,
    CreateOptions,
    ExecOptions,
    MountSpec,
    RemoveContainerOptions,
    RestartPolicy,
)
from tests.integration import cp_cases
from tests.support.containers import everything, run, sh, started

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("busybox_image")]

_CONTENT = """
mkdir -p /d/sub /e /deep; echo f1 >/d/f; echo s >/d/sub/g; echo file >/f; ln -s d /ld; ln -s f /lf
ln -s /nowhere /lbroken; ln -s /d/f /e/abs; chown -R 7:8 /d; mkfifo /fifo; chmod 640 /f; chown 5:6 /f; ln /f /hard
"""
_KINDS = {tarfile.REGTYPE: "f", tarfile.LNKTYPE: "f", tarfile.DIRTYPE: "d", tarfile.SYMTYPE: "l"}


@pytest.fixture
async def filled(engine):
    """The name of an image with the files that the cases copy."""
    container = await started(engine, sh(_CONTENT))
    assert await engine.containers.wait(container.id) == 0
    await engine.containers.commit(container.id, CommitOptions(reference="filled"))
    await engine.containers.remove(container.id, RemoveContainerOptions())
    return "filled"


def make_host(folder: str) -> None:
    """The host's side of the cases."""
    shutil.rmtree(folder, ignore_errors=True)
    for path in ("hd/hs", "dst"):
        os.makedirs(f"{folder}/{path}")
    for path, text in (("hf", "hostf\n"), ("hd/a", "a\n"), ("hd/hs/b", "b\n"), ("dst/old", "old\n")):
        with open(f"{folder}/{path}", "w", encoding="ascii") as file:
            file.write(text)
    os.chmod(f"{folder}/hf", 0o600)
    os.chown(f"{folder}/hf", 1234, 2345)
    os.chown(f"{folder}/hd/a", 1000, 1001)
    for link, target in (("hld", "hd"), ("hlf", "hf"), ("hlb", "nope"), ("hlnew", "dst/new")):
        os.symlink(target, f"{folder}/{link}")


def listed(root: str) -> list[str]:
    found = []
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            path = f"{folder}/{name}"
            status = os.lstat(path)
            kind = f"->{os.readlink(path)}" if stat.S_ISLNK(status.st_mode) else ""
            kind = "/" if stat.S_ISDIR(status.st_mode) else kind
            shown = os.path.relpath(path, root)
            found.append(f"{shown}{kind} {status.st_mode & 0o7777:o} {status.st_uid}:{status.st_gid}")
    return sorted(found)


async def members(engine, container: str) -> set[str]:
    """Everything in the container but its programs, as the tar of its root says."""
    with open(f"{engine.paths.root}/listing.tar", "w+b") as file:
        await engine.containers.copy_from(container, CopyFromOptions(path="/", fd=file.fileno()))
        file.seek(0)
        with tarfile.open(fileobj=file) as tar:
            return {
                f"{entry.name.lstrip('/')} {_KINDS.get(entry.type, 'p')} {entry.mode:o} {entry.uid}:{entry.gid}"
                for entry in tar
                if not entry.name.startswith("/bin")
            }


async def test_every_case_out_of_a_running_container_is_dockers(engine, filled, short_folder):
    await started(engine, sh("sleep 1000", image=filled, name="box"))
    host, found = f"{short_folder}/host", {}
    for flags, source, target, _ in cp_cases.OUT:
        make_host(host)
        before = set(listed(host))
        options = CopyFromOptions(path=source, target=f"{host}/{target}", follow_link=flags == "-L")
        try:
            await engine.containers.copy_from("box", options)
            outcome = tuple(line for line in listed(host) if line not in before)
        except EngineError as error:
            outcome = error.message.replace(host, "HOST")
        found[flags, source, target] = outcome
    assert found == {case[:3]: case[3] for case in cp_cases.OUT}


async def test_every_case_into_a_container_that_never_ran_is_dockers(engine, filled, short_folder):
    host, found = f"{short_folder}/host", {}
    make_host(host)
    await engine.containers.create(sh("true", image=filled, name="box"))
    before = await members(engine, "box")
    for flags, source, target, _ in cp_cases.IN:
        await engine.containers.remove("box", RemoveContainerOptions())
        await engine.containers.create(sh("true", image=filled, name="box"))
        options = CopyToOptions(path=target, source=f"{host}/{source}", follow_link=flags == "-L")
        try:
            await engine.containers.copy_to("box", options)
            outcome = tuple(sorted(await members(engine, "box") - before))
        except EngineError as error:
            outcome = error.message.replace(host, "HOST")
        found[flags, source, target] = outcome
    assert found == {case[:3]: case[3] for case in cp_cases.IN}


async def test_with_archive_owners_come_along(engine, filled, short_folder):
    await engine.containers.create(sh("true", image=filled, name="box"))
    options = CopyFromOptions(path="/d", target=f"{short_folder}/copy", archive=True)
    await engine.containers.copy_from("box", options)
    assert "copy/f 644 7:8" in listed(short_folder)


async def test_a_stream_goes_out_and_comes_in_again(engine, filled, short_folder):
    for name in ("from", "to"):
        await engine.containers.create(sh("true", image=filled, name=name))
    with open(f"{short_folder}/d.tar", "w+b") as file:
        await engine.containers.copy_from("from", CopyFromOptions(path="/d/.", fd=file.fileno()))
        file.seek(0)
        await engine.containers.copy_to("to", CopyToOptions(path="/deep", fd=file.fileno()))
        file.seek(0)
        with pytest.raises(InvalidInput, match='destination "to:/f" must be a directory'):
            await engine.containers.copy_to("to", CopyToOptions(path="/f", fd=file.fileno()))
    assert {"deep/f f 644 7:8", "deep/sub/g f 644 7:8"} <= await members(engine, "to")


async def test_holes_links_and_attributes_survive(engine, short_folder):
    source = f"{short_folder}/source"
    os.mkdir(source)
    with open(f"{source}/sparse", "wb") as file:
        file.truncate(1 << 36)
        os.pwrite(file.fileno(), b"end", (1 << 36) - 3)
    os.link(f"{source}/sparse", f"{source}/other")
    os.setxattr(source, "user.kept", b"yes")
    await engine.containers.create(sh("true", name="box"))
    await engine.containers.copy_to("box", CopyToOptions(path="/copy", source=source))
    await engine.containers.copy_from("box", CopyFromOptions(path="/copy", target=f"{short_folder}/back"))
    status = os.stat(f"{short_folder}/back/sparse")
    assert (status.st_size, status.st_nlink, os.getxattr(f"{short_folder}/back", "user.kept")) == (
        1 << 36,
        2,
        b"yes",
    )
    assert status.st_blocks < 100


@pytest.mark.parametrize("script", ["sleep 1000", None])
async def test_volumes_binds_and_files_of_the_engine_are_seen(engine, short_folder, script):
    os.mkdir(f"{short_folder}/bound")
    make_host(f"{short_folder}/host")
    mounts = (
        MountSpec(type="volume", source="vol", target="/v"),
        MountSpec(type="bind", source=f"{short_folder}/bound", target="/b"),
    )
    container = await engine.containers.create(sh(script or "true", mounts=mounts, name="box"))
    if script:
        await engine.containers.start(container.id)
    for target in ("/v", "/b"):
        await engine.containers.copy_to("box", CopyToOptions(path=target, source=f"{short_folder}/host/hf"))
    volume = await engine.volumes.get("vol")
    assert os.listdir(volume.mountpoint) == os.listdir(f"{short_folder}/bound") == ["hf"]
    await engine.containers.copy_from("box", CopyFromOptions(path="/b/hf", target=f"{short_folder}/seen"))
    assert os.path.exists(f"{short_folder}/seen")


async def test_what_is_read_only_is_refused_in_dockers_words(engine, short_folder):
    make_host(f"{short_folder}/host")
    mounts = (MountSpec(type="volume", source="vol", target="/v", read_only=True),)
    await engine.containers.create(sh("true", mounts=mounts, read_only=True, name="box"))
    for target, words in (("/v", "mounted volume is marked read-only"), ("/", "container rootfs is marked")):
        with pytest.raises(InvalidInput, match=words):
            await engine.containers.copy_to(
                "box", CopyToOptions(path=target, source=f"{short_folder}/host/hf")
            )


async def test_a_mount_of_a_running_container_is_not_replaced(engine, short_folder):
    make_host(f"{short_folder}/host")
    container = await started(engine, sh("sleep 1000"))
    options = CopyToOptions(path="/etc/hosts", source=f"{short_folder}/host/hf")
    with pytest.raises(EngineError, match="/etc/hosts: device or resource busy"):
        await engine.containers.copy_to(container.id, options)
    session = await engine.containers.exec(container.id, ExecOptions(command=("cat", "/etc/hosts")))
    assert b"localhost" in (await everything(session))[1]


async def test_a_file_does_not_take_a_folders_place(engine, filled, short_folder):
    make_host(f"{short_folder}/host")
    os.mkdir(f"{short_folder}/host/f")
    await engine.containers.create(sh("true", image=filled, name="box"))
    with pytest.raises(InvalidInput, match='cannot overwrite non-directory "/f" with directory "/"'):
        await engine.containers.copy_to("box", CopyToOptions(path="/", source=f"{short_folder}/host/f"))


async def test_no_link_of_a_container_leads_to_the_host(engine, short_folder):
    """CVE-2018-15664: a name is now a folder, now a link to where the host has a secret."""
    make_host(f"{short_folder}/host")
    os.mkdir(f"{short_folder}/secret")
    with open(f"{short_folder}/secret/word", "w", encoding="ascii") as file:
        file.write("secret")
    script = f"""
    mkdir -p /a/real; echo own > /a/real/word; mkdir /a/x; ln -s {short_folder}/secret /a/l; i=0
    while [ $i -lt 20000 ]; do mv -T /a/x /a/y; mv -T /a/l /a/x; mv -T /a/x /a/l; mv -T /a/y /a/x; i=$((i+1)); done
    """
    container = await started(engine, sh(script))
    for number in range(15):
        target = f"{short_folder}/out{number}"
        with pytest.raises(EngineError):
            await engine.containers.copy_from(container.id, CopyFromOptions(path="/a/x/word", target=target))
        assert not os.path.exists(target)
        try:
            await engine.containers.copy_to(
                container.id, CopyToOptions(path="/a/x/", source=f"{short_folder}/host/hf")
            )
        except EngineError:
            continue  # it was a link that leads to nothing in the container
    assert os.listdir(f"{short_folder}/secret") == ["word"]


async def test_links_of_an_archive_are_followed_inside_the_container_only(engine, short_folder):
    os.mkdir(f"{short_folder}/outside")
    container = await engine.containers.create(
        CreateOptions(image="busybox", command=("true",), network="none")
    )
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, f"{short_folder}/outside"
        tar.addfile(link)
        tar.addfile(tarfile.TarInfo("link/file"))
    with open(f"{short_folder}/evil.tar", "w+b") as file:
        file.write(content.getvalue())
        file.seek(0)
        with pytest.raises(EngineError):
            await engine.containers.copy_to(container.id, CopyToOptions(path="/tmp", fd=file.fileno()))
    assert os.listdir(f"{short_folder}/outside") == []


async def test_a_container_is_not_started_while_something_is_copied_into_it(engine, short_folder):
    container = await engine.containers.create(sh("test $(cat /big) = abc"))
    reading, writing = os.pipe()
    copying = asyncio.create_task(
        engine.containers.copy_to(container.id, CopyToOptions(path="/", fd=reading))
    )
    entry = tarfile.TarInfo("big")
    entry.size = 3
    content = entry.tobuf() + b"abc".ljust(512, b"\0") + bytes(1024)
    os.write(writing, content[:600])
    await asyncio.sleep(0.2)
    starting = asyncio.create_task(engine.containers.start(container.id))
    os.write(writing, content[600:])
    os.close(writing)
    await asyncio.gather(copying, starting, return_exceptions=True)
    os.close(reading)
    await engine.containers.start(container.id)
    assert await engine.containers.wait(container.id) == 0


async def test_nothing_is_copied_into_a_container_between_two_runs(engine, short_folder):
    make_host(f"{short_folder}/host")
    policy = RestartPolicy(name="always")
    container = await started(engine, sh("exit 1", restart=policy))
    async with asyncio.timeout(20):
        while (now := (await engine.containers.get(container.id)).state).status != "restarting" or (
            now.restart_count < 4  # from then on the pause is long enough
        ):
            await asyncio.sleep(0.01)
    with pytest.raises(Conflict, match="is restarting, nothing can be copied into it between two runs"):
        await engine.containers.copy_to(container.id, CopyToOptions(path="/", source=f"{short_folder}/host"))


async def test_a_path_that_is_not_there_is_told_as_docker_does(engine):
    await engine.containers.create(sh("true", name="box"))
    with pytest.raises(NotFound, match="Could not find the file /nope in container box"):
        await engine.containers.copy_from("box", CopyFromOptions(path="/nope", target="/tmp/never"))
    with pytest.raises(InvalidInput, match="path cannot be empty"):
        await engine.containers.copy_from("box", CopyFromOptions(path="", target="/tmp/never"))


async def test_diff_tells_what_docker_tells(engine, filled):
    script = """
    rm -rf /d; mkdir /d; echo n >/d/new; rm /f /lf; ln -s x /lf; chmod 700 /deep; mkdir -p /a/b; touch /a/b/f
    rm -rf /e; echo x > /etc/hosts; echo y>/etc/passwd; mkdir /tmp/x; rmdir /tmp/x; rm /fifo; mkdir /fifo
    """
    mounts = (MountSpec(type="volume", target="/vol/deep"),)
    container = await started(engine, sh(script, image=filled, mounts=mounts))
    assert await engine.containers.wait(container.id) == 0
    changes = await engine.containers.diff(container.id)
    assert " ".join(f"{change.kind}{change.path}" for change in changes) == (
        "A/a A/a/b A/a/b/f C/d D/d/f A/d/new D/d/sub C/deep D/e C/etc C/etc/passwd D/f C/fifo C/lf A/vol A/vol/deep"
    )


async def test_a_container_without_changes_has_no_diff(engine):
    container = await engine.containers.create(sh("true"))
    assert await engine.containers.diff(container.id) == ()
    assert (await run(engine, sh("true")))[0] == 0

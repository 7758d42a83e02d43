"""Docker and Podman read what is saved here, run it, and what they save is the same image here."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from engine.engine import Engine
from engine.events import ignore_progress
from engine.options import BootstrapOptions, BuildOptions, LoadOptions, RemoveImageOptions, SaveOptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from engine.paths import Paths
    from engine.records import Image

    Peer = Callable[..., str]

pytestmark = pytest.mark.root
DOCKERFILE = "FROM busybox\nRUN rm /bin/ls && rm -r /var && mkdir /var && echo hi > /var/made\nENV A=b\n"


def run(*command: object) -> str:
    result = subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True)
    return result.stdout


@pytest.fixture
def docker(short_folder: str) -> Iterator[Peer]:
    """A command line of a Docker daemon of the test's own; its sockets need short names."""
    if shutil.which("dockerd") is None or shutil.which("docker") is None:
        pytest.skip("NEEDS DOCKER: apt-get install docker.io")
    home, socket = f"{short_folder}/docker", f"unix://{short_folder}/docker.sock"
    command = ["dockerd", f"--data-root={home}/data", f"--exec-root={home}/exec", f"--pidfile={home}.pid"]
    command += ["-H", socket, "--bridge=none", "--iptables=false"]
    with (
        open(f"{short_folder}/log", "wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log) as daemon,
    ):
        try:
            for _ in range(300):
                asked = subprocess.run(["docker", "-H", socket, "version"], check=False, capture_output=True)
                if asked.returncode == 0:
                    break
                time.sleep(0.1)
            yield lambda *words: run("docker", "-H", socket, *words)
        finally:
            daemon.terminate()


@pytest.fixture
def podman(short_folder: str) -> Peer:
    """A command line of Podman on a store of the test's own."""
    if shutil.which("podman") is None:
        pytest.skip("NEEDS PODMAN: apt-get install podman")
    store = [
        "--root",
        f"{short_folder}/podman",
        "--runroot",
        f"{short_folder}/podman-run",
        "--storage-driver=vfs",
    ]
    return lambda *words: run("podman", *store, *words)


@pytest.fixture
async def built(paths: Paths, tmp_path: Path) -> AsyncIterator[tuple[Engine, Image]]:
    """An image of two layers, the second with deletions, built here."""
    (tmp_path / "context").mkdir()
    async with await Engine.open(paths) as engine:
        await engine.images.bootstrap(BootstrapOptions(name="busybox"), ignore_progress)
        options = BuildOptions(
            context=str(tmp_path / "context"),
            dockerfile_text=DOCKERFILE,
            tags=("example.com/x:1",),
            network="none",
        )
        await engine.builds.build(options, ignore_progress)
        yield engine, await engine.images.get("example.com/x:1")


# Docker's own store reads no archive that is an OCI layout alone.
@pytest.mark.parametrize(("peer", "form"), [("docker", "docker"), ("podman", "docker"), ("podman", "oci")])
async def test_there_and_back(built, tmp_path, request, form, peer):
    engine, image = built
    command = request.getfixturevalue(peer)
    there, back = str(tmp_path / "there.tar"), str(tmp_path / "back.tar")
    await engine.images.save(
        SaveOptions(references=("example.com/x:1",), path=there, format=form), ignore_progress
    )
    command("load", "-q", "-i", there)
    found = command("image", "inspect", "--format", "{{.Id}}", "example.com/x:1").strip()
    assert found.removeprefix("sha256:") == image.id.removeprefix("sha256:")
    if peer == "docker":
        script = "cat /var/made; test -e /bin/ls || echo gone; echo $A"
        shown = command("run", "--rm", "--network=none", "example.com/x:1", "sh", "-c", script)
        assert shown == "hi\ngone\nb\n"
    command("save", "-o", back, "example.com/x:1")
    await engine.images.remove("example.com/x:1", RemoveImageOptions())
    (again,) = await engine.images.load(LoadOptions(path=back), ignore_progress)
    assert (again.id, again.names) == (image.id, ("example.com/x:1",))
    assert os.listdir(engine.paths.staging) == []

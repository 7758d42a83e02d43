"""Archives that other tools write load here as they mean them, and ours load there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from engine.events import ignore_progress
from engine.images import Images
from engine.layer.merged import export
from engine.options import BootstrapOptions, LoadOptions, RemoveImageOptions, SaveOptions
from engine.runtime.launcher import Launcher
from engine.store.database import Database
from engine.store.journal import Journal
from tests.support.tars import listing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from engine.paths import Paths
    from engine.records import Image

pytestmark = pytest.mark.root


@pytest.fixture
def images(paths: Paths) -> Iterator[Images]:
    os.makedirs(paths.root)
    database, launcher = Database(paths.database), Launcher.open()
    yield Images(paths, database, launcher, Journal(paths.events))
    launcher.close()
    database.close()


def run(*command: object) -> str:
    result = subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True)
    return result.stdout


@pytest.fixture
def layered(tmp_path: Path) -> Path:
    """An OCI layout of three layers that umoci wrote, with deletions, and its root as umoci shows it."""
    for tool in ("umoci", "skopeo"):
        if shutil.which(tool) is None:
            pytest.skip(f"NEEDS {tool}: apt-get install {tool}")
    layout, bundle = tmp_path / "layout", tmp_path / "bundle"
    run("umoci", "init", "--layout", layout)
    run("umoci", "new", "--image", f"{layout}:x")
    root = bundle / "rootfs"
    run("umoci", "unpack", "--image", f"{layout}:x", bundle)
    for path in ("etc/old", "etc/kept", "usr/lib/a", "gone/deep/x", "turned"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path * 50)
    os.chmod(root / "etc", 0o2750)
    os.chown(root / "usr/lib/a", 123, 456)
    os.link(root / "usr/lib/a", root / "usr/b")
    os.symlink("usr/lib", root / "lib")
    os.mknod(root / "null", 0o20666, os.makedev(1, 3))
    os.setxattr(root / "usr/lib/a", "user.note", b"\x00\xff")
    repack(layout, bundle)
    shutil.rmtree(root / "gone")
    (root / "etc/old").unlink()
    (root / "turned").unlink()
    (root / "turned").mkdir()
    (root / "turned/inside").write_text("y")
    repack(layout, bundle)
    (root / "etc/late").write_text("z")
    repack(layout, bundle)
    return tmp_path


def repack(layout: Path, bundle: Path) -> None:
    for folder, folders, files in os.walk(bundle / "rootfs"):
        for name in folders + files:  # whole seconds: umoci rounds others up
            os.utime(os.path.join(folder, name), (1_600_000_000, 1_600_000_000), follow_symlinks=False)
    run("umoci", "repack", "--refresh-bundle", "--image", f"{layout}:x", bundle)


def merged(paths: Paths, image: Image, tmp_path: Path) -> str:
    """The image's layers in one tree, by our own export and GNU tar."""
    root = tmp_path / "merged"
    root.mkdir()
    with open(tmp_path / "merged.tar", "wb") as out:
        trees = [paths.layer(chain_id) for chain_id in reversed(image.chain_ids)]
        export({"trees": trees}, [out.fileno()])
    run("tar", "--xattrs", "--xattrs-include=*", "-C", root, "-xpf", tmp_path / "merged.tar")
    return str(root)


@pytest.mark.parametrize("form", ["oci-archive", "docker-archive"])
async def test_layers_that_others_wrote_mean_the_same_here(images, paths, layered, form):
    archive = layered / "image.tar"
    run("skopeo", "copy", "-q", f"oci:{layered}/layout:x", f"{form}:{archive}:example.com/x:1")
    (image,) = await images.load(LoadOptions(path=str(archive)), ignore_progress)
    assert image.names == ("example.com/x:1",)
    assert len(image.chain_ids) == 3
    root = merged(paths, image, layered)
    assert listing(root) == listing(f"{layered}/bundle/rootfs")
    assert os.getxattr(f"{root}/usr/b", "user.note") == b"\x00\xff"
    assert os.stat(f"{root}/usr/b").st_ino == os.stat(f"{root}/usr/lib/a").st_ino


async def test_the_kernels_overlay_shows_the_same(images, paths, layered):
    archive = layered / "image.tar"
    run("skopeo", "copy", "-q", f"oci:{layered}/layout:x", f"oci-archive:{archive}:x:1")
    (image,) = await images.load(LoadOptions(path=str(archive)), ignore_progress)
    lowers = ":".join(paths.layer(chain_id) for chain_id in reversed(image.chain_ids))
    script = (
        "mount -t overlay overlay -o lowerdir=$1 $2 && cd $2 && find . -printf '%P %y %m %U %G %T@\\n' | sort"
    )
    os.mkdir(layered / "mnt")
    seen = run("unshare", "-m", "sh", "-c", script, "sh", lowers, layered / "mnt")
    wanted = run(
        "sh", "-c", "cd $1 && find . -printf '%P %y %m %U %G %T@\\n' | sort", "sh", layered / "bundle/rootfs"
    )
    assert without_folder_times(seen) == without_folder_times(wanted)


def without_folder_times(found: str) -> list[list[str]]:
    """Folders that a layer's tar did not describe have times of their own in umoci; seconds count."""
    rows = [line.split(" ") for line in found.splitlines() if not line.startswith(" ")]
    return [row[:-1] if row[1] == "d" else [*row[:-1], row[-1].split(".")[0]] for row in rows]


@pytest.mark.parametrize(("form", "transport"), [("docker", "docker-archive"), ("oci", "oci-archive")])
@pytest.mark.parametrize("source", ["bootstrapped", "loaded"])
async def test_what_is_saved_here_is_read_there(images, layered, form, transport, source):
    if source == "bootstrapped":
        image = await images.bootstrap(BootstrapOptions(name="busybox", tag="x:1"), ignore_progress)
    else:
        run("skopeo", "copy", "-q", f"oci:{layered}/layout:x", f"oci-archive:{layered}/in.tar:x:1")
        (image,) = await images.load(LoadOptions(path=f"{layered}/in.tar"), ignore_progress)
    out = layered / "out.tar"
    await images.save(SaveOptions(references=("x:1",), path=str(out), format=form), ignore_progress)
    # skopeo verifies the digests of all that it copies, diff ids among them.
    reference = f"{out}:x:1" if form == "docker" else f"{out}:1"
    run("skopeo", "copy", "-q", f"{transport}:{reference}", f"oci:{layered}/copied:x")
    config = json.loads(run("skopeo", "inspect", "--config", "--raw", f"{transport}:{reference}"))
    assert len(config["rootfs"]["diff_ids"]) == len(image.chain_ids)
    run("umoci", "unpack", "--image", f"{layered}/copied:x", layered / "there")


async def test_a_round_through_our_own_archive_keeps_the_id(images, paths, layered):
    run("skopeo", "copy", "-q", f"oci:{layered}/layout:x", f"oci-archive:{layered}/in.tar:x:1")
    (before,) = await images.load(LoadOptions(path=f"{layered}/in.tar"), ignore_progress)
    await images.save(SaveOptions(references=("x:1",), path=f"{layered}/out.tar"), ignore_progress)
    await images.remove("x:1", RemoveImageOptions())
    assert os.listdir(paths.layers) == os.listdir(paths.blobs) == []
    (after,) = await images.load(LoadOptions(path=f"{layered}/out.tar"), ignore_progress)
    assert after.id == before.id

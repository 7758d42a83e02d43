"""A full disk under a container: one clear error before it starts, and no harm while it runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest

from engine import errors
from engine.shim.log import ContainerLog
from tests.engine.shim.conftest import box, launcher  # noqa: F401 - fixtures
from tests.support.leftovers import leftovers

pytestmark = pytest.mark.root


@pytest.fixture
def small_disk(short_folder):
    folder = f"{short_folder}/small"
    os.mkdir(folder)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def fill(folder: str) -> None:
    with open(f"{folder}/filler", "wb", buffering=0) as file:
        while shutil.disk_usage(folder).free:
            file.write(bytes(4096))


async def test_start_that_cannot_record_its_state_says_so_and_leaves_nothing(box, small_disk):  # noqa: F811
    fill(small_disk)
    bundle = box.bundle("sleep", "1000", state_path=f"{small_disk}/state.json")
    with pytest.raises(errors.RuntimeFailure, match="No space left on device"):
        await box.execute(bundle)
    assert not os.path.exists(bundle["run_dir"])
    assert leftovers(box.paths, [bundle["id"]]) == []


async def test_container_goes_on_when_its_log_is_full(box, small_disk):  # noqa: F811
    bundle = box.bundle(
        "sh", "-c", "dd if=/dev/zero bs=64k count=10 2>/dev/null; exit 5",
        log_path=f"{small_disk}/log", log_index_path=f"{small_disk}/log.idx",
    )  # fmt: skip
    assert (await box.execute(bundle))[0] == 5


async def test_the_end_is_recorded_on_a_full_disk(box, small_disk):  # noqa: F811
    bundle = box.bundle("sh", "-c", "read x; exit 6", stdin_open=True, state_path=f"{small_disk}/state.json")
    session = await box.launcher.supervise(bundle, attach=True, stdin=True)
    fill(small_disk)
    await session.end_input()
    assert await session.wait() == 6
    with open(bundle["state_path"]) as file:
        state = json.load(file)
    assert (state["status"], state["exit_code"], state["pid"]) == ("exited", 6, 0)
    assert sorted(os.listdir(small_disk)) == ["filler", "state.json"]


async def test_exit_code_arrives_when_the_end_cannot_be_recorded(box, small_disk):  # noqa: F811
    bundle = box.bundle("sh", "-c", "read x; exit 6", stdin_open=True, state_path=f"{small_disk}/state.json")
    session = await box.launcher.supervise(bundle, attach=True, stdin=True)
    os.unlink(bundle["state_path"])
    fill(small_disk)
    await session.end_input()
    assert await session.wait() == 6


async def test_container_that_removes_itself_does_so_on_a_full_disk(box, small_disk, tmp_path):  # noqa: F811
    (tmp_path / "tree" / "deep").mkdir(parents=True)
    bundle = box.bundle(
        "sh", "-c", "read x; exit 6", stdin_open=True, state_path=f"{small_disk}/state.json",
        auto_remove=True, remove_paths=[str(tmp_path / "tree")],
    )  # fmt: skip
    session = await box.launcher.supervise(bundle, attach=True, stdin=True)
    fill(small_disk)
    await session.end_input()
    assert await session.wait() == 6
    assert not (tmp_path / "tree").exists()


def test_a_log_leaves_the_last_of_a_disk_to_others(small_disk):
    subprocess.run(["mount", "-o", "remount,size=4m", small_disk], check=True)
    log = ContainerLog(f"{small_disk}/log", f"{small_disk}/log.idx")
    while log.append(1, bytes(4096)):
        pass
    log.close()
    least = shutil.disk_usage(small_disk).total // 20
    assert least <= shutil.disk_usage(small_disk).free < least + (64 << 10)

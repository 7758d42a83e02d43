from __future__ import annotations

import asyncio
import os
import time

import pytest

from engine.watch import FOLDER_CHANGES, Watch


async def test_a_written_file_wakes(tmp_path):
    path = tmp_path / "f"
    path.touch()
    with Watch() as watch:
        watch.add(str(path))
        path.write_text("x")
        assert await watch.changed(5)


async def test_what_changed_before_the_wait_is_not_missed_and_told_once(tmp_path):
    path = tmp_path / "f"
    path.touch()
    with Watch() as watch:
        watch.add(str(path))
        for _ in range(100):
            path.write_text("x")
        assert await watch.changed(5)
        assert not await watch.changed(0.01)


async def test_a_new_name_in_a_folder_wakes(tmp_path):
    with Watch() as watch:
        watch.add(str(tmp_path), FOLDER_CHANGES)
        (tmp_path / "new").touch()
        assert await watch.changed(5)


async def test_the_end_of_a_process_wakes_without_a_change():
    process = await asyncio.create_subprocess_exec("sleep", "0.1")
    descriptor = os.pidfd_open(process.pid)
    begin = time.monotonic()
    with Watch() as watch:
        assert not await watch.changed(process=descriptor)
    os.close(descriptor)
    await process.wait()
    assert time.monotonic() - begin < 5


async def test_a_cancelled_wait_leaves_the_loop_clean(tmp_path):
    with Watch() as watch:
        waiting = asyncio.ensure_future(watch.changed())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        watch.add(str(tmp_path), FOLDER_CHANGES)
        (tmp_path / "new").touch()
        assert await watch.changed(5)


def test_a_path_that_is_not_there_is_an_error(tmp_path):
    with Watch() as watch, pytest.raises(FileNotFoundError):
        watch.add(str(tmp_path / "absent"))

from __future__ import annotations

import gzip
import io
import os
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine.errors import BuildFailed, DockerfileSyntaxError
from engine.options import BuildOptions
from tests.support.building import Builder, open_builder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from engine.paths import Paths

pytestmark = pytest.mark.root


@pytest.fixture
async def builder(paths: Paths) -> AsyncIterator[Builder]:
    async with open_builder(paths) as opened:
        yield opened


async def test_a_dockerfile_that_is_no_text_is_one_clear_error(builder: Builder) -> None:
    text = b"FROM busybox\nRUN \xe9\xff\n".decode(errors="surrogateescape")
    with pytest.raises(DockerfileSyntaxError, match="Dockerfile:2: this line is not UTF-8 text"):
        await builder.builds.build(BuildOptions(dockerfile_text=text))


async def test_add_refuses_an_archive_that_is_cut_short(builder: Builder, tmp_path: Path) -> None:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        entry = tarfile.TarInfo("file")
        entry.size = 100_000
        archive.addfile(entry, io.BytesIO(os.urandom(entry.size)))
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(written.getvalue())[:50_000])
    with pytest.raises(BuildFailed, match="gzip data is corrupt or cut short"):
        await builder.build("FROM busybox\nADD a.tar.gz /d/\n", tmp_path)


@pytest.mark.parametrize("base", ["busybox", "scratch"])
async def test_a_base_for_another_platform_is_refused(builder: Builder, base: str) -> None:
    with pytest.raises(BuildFailed, match=rf"Dockerfile:1: FROM {base}: it is for \S+, not for linux/mips"):
        await builder.build(f"FROM --platform=linux/mips {base}\nLABEL a=b\n")
    await builder.build(f"FROM --platform=$BUILDPLATFORM {base}\nLABEL a=b\n")


async def test_a_build_removes_what_a_killed_one_left(builder: Builder) -> None:
    left = Path(builder.paths.staging) / "0123456789abcdef"
    (left / "0" / "upper").mkdir(parents=True)
    await builder.build("FROM busybox\nLABEL a=b\n")
    assert not left.exists()

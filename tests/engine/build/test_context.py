"""Which Dockerfile and .dockerignore a build reads, and that a context in a tar leads to no other file."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
from typing import TYPE_CHECKING

import pytest

from engine.build.context import open_context
from engine.errors import InvalidInput
from engine.options import BuildOptions
from engine.runtime.launcher import Launcher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from engine.build.context import Context

FILE, LINK, FIFO = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.FIFOTYPE


@pytest.fixture
async def launcher() -> AsyncIterator[Launcher]:
    opened = Launcher.open()
    yield opened
    opened.close()


async def unpacked(
    launcher: Launcher, folder: Path, *members: tuple[str, bytes, str], dockerfile: str | None = None
) -> Context:
    """The context of a tar with ``members``: name, type, and content or link target."""
    with tempfile.TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w") as archive:
            for name, kind, content in members:
                entry = tarfile.TarInfo(name)
                entry.type = kind
                entry.size = len(content) if kind == FILE else 0
                entry.linkname = content if kind == LINK else ""
                archive.addfile(entry, io.BytesIO(content.encode()))
        file.seek(0)
        options = BuildOptions(context_fd=file.fileno(), dockerfile=dockerfile)
        return await open_context(options, launcher, str(folder))


@pytest.mark.root
@pytest.mark.parametrize("up", ["", "../../../../../../../../../../../.."])
async def test_the_dockerfile_of_a_tar_is_no_file_of_the_host(
    launcher: Launcher, tmp_path: Path, up: str
) -> None:
    (tmp_path / "secret").write_text("secret")
    with pytest.raises(InvalidInput, match="open Dockerfile: no such file"):
        await unpacked(launcher, tmp_path, ("Dockerfile", LINK, f"{up}{tmp_path}/secret"))


@pytest.mark.root
async def test_the_dockerignore_of_a_tar_is_no_file_of_the_host(launcher: Launcher, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    ignore = (".dockerignore", LINK, f"{tmp_path}/secret")
    assert (await unpacked(launcher, tmp_path, ("Dockerfile", FILE, "FROM a"), ignore)).ignore == ()


@pytest.mark.root
async def test_a_link_inside_of_a_tar_is_followed(launcher: Launcher, tmp_path: Path) -> None:
    members = (("d/real", FILE, "FROM a"), ("Dockerfile", LINK, "/d/real"))
    assert (await unpacked(launcher, tmp_path, *members)).text == "FROM a"


@pytest.mark.root
async def test_a_name_with_dots_stays_in_the_tar(launcher: Launcher, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    with pytest.raises(InvalidInput, match="no such file"):
        await unpacked(launcher, tmp_path, ("a", FILE, ""), dockerfile="../secret")


@pytest.mark.root
@pytest.mark.parametrize("name", ["Dockerfile", ".dockerignore"])
async def test_a_fifo_in_a_tar_is_refused_and_not_waited_for(
    launcher: Launcher, tmp_path: Path, name: str
) -> None:
    other = "Dockerfile" if name == ".dockerignore" else ".dockerignore"
    with pytest.raises(InvalidInput, match="not a regular file"):
        await unpacked(launcher, tmp_path, (other, FILE, "FROM a"), (name, FIFO, ""))


async def test_a_fifo_in_a_folder_is_refused(launcher: Launcher, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "Dockerfile")
    with pytest.raises(InvalidInput, match=r"open .*Dockerfile: not a regular file"):
        await open_context(BuildOptions(context=str(tmp_path)), launcher, str(tmp_path))


async def test_a_dockerfile_may_be_the_pipe_of_a_shell(launcher: Launcher, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"FROM a")
    os.close(writing)
    options = BuildOptions(context=str(tmp_path), dockerfile=f"/dev/fd/{reading}")
    assert (await open_context(options, launcher, str(tmp_path))).text == "FROM a"
    os.close(reading)


async def test_the_dockerfiles_own_ignore_file_comes_first(launcher: Launcher, tmp_path: Path) -> None:
    for name, text in (("D", "FROM a"), ("D.dockerignore", "one"), (".dockerignore", "two")):
        (tmp_path / name).write_text(text)
    options = BuildOptions(context=str(tmp_path), dockerfile=str(tmp_path / "D"))
    assert (await open_context(options, launcher, str(tmp_path))).ignore == ("one",)

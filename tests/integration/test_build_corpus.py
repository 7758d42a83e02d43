"""Whole builds against what BuildKit made of the same input."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from engine.errors import EngineError
from engine.oci.config import decode_config
from engine.store.image_records import ImageRecords
from tests.integration.build_differences import UNCOMPARED, UNSUPPORTED
from tests.support.building import CORPORA, Builder, open_builder

if TYPE_CHECKING:
    from pathlib import Path

    from engine.oci.config import History, ImageConfig
    from engine.paths import Paths
    from engine.records import Image

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(
        not CORPORA.is_dir(), reason="TEST DATA MISSING: ../shared/corpora is not beside the checkout"
    ),
]
CONTEXT_TIME = 1485449953
SUITE_RAN = 1_795_000_000
"""Times later than this were made by the suite's own run."""


def corpus() -> list[dict[str, Any]]:
    if not CORPORA.is_dir():
        return []
    rows: list[dict[str, Any]] = json.loads((CORPORA / "builds.json").read_text(encoding="utf-8"))
    return rows


def make_context(row: dict[str, Any], folder: Path) -> str:
    """The row's context with the modes and times that the suite had: group-writable, one instant."""
    context = str(folder / "context")
    if row["context_dir"]:
        shutil.copytree(CORPORA / row["context_dir"], context, symlinks=True)
    else:
        os.mkdir(context)
    for parent, folders, files in os.walk(context):
        for name in (*folders, *files, "."):
            path = os.path.join(parent, name)
            if not os.path.islink(path):
                os.chmod(path, os.stat(path).st_mode & 0o7777 | 0o220)
            os.utime(path, (CONTEXT_TIME, CONTEXT_TIME), follow_symlinks=False)
    return context


async def base_image(builder: Builder, row: dict[str, Any]) -> Image:
    """A busybox as the suite's base was, under each name that the row builds on."""
    base = await builder.build('FROM busybox\nCMD ["/bin/sh"]\n')
    for name in (*row["bases"], *row["copy_from_images"]):
        if name != "scratch" and "@" not in name:
            await builder.images.tag(base.id, name)
    return base


def document(builder: Builder, image: Image) -> ImageConfig:
    return decode_config(ImageRecords(builder.paths, builder.database).raw_config(image.id))


def history_row(row: History) -> dict[str, Any]:
    shown = {"created_by": row.created_by, "comment": row.comment}
    return shown | {"empty_layer": True} if row.empty_layer else shown


def config_row(builder: Builder, image: Image) -> dict[str, Any]:
    raw = ImageRecords(builder.paths, builder.database).raw_config(image.id)
    config: dict[str, Any] = json.loads(raw)["config"]
    config.pop("ArgsEscaped", None)  # the suite's answers leave it out
    return config


def expected_file(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "mtime" or value < SUITE_RAN}


@pytest.mark.parametrize("row", corpus(), ids=lambda row: row["name"])
async def test_a_build_comes_out_as_by_buildkit(row: dict[str, Any], paths: Paths, tmp_path: Path) -> None:
    expected = row["expected"]
    text = (CORPORA / row["dockerfile"]).read_text(encoding="utf-8")
    async with open_builder(paths) as builder:
        base = await base_image(builder, row)
        context = make_context(row, tmp_path)
        if row["name"] in UNSUPPORTED or not expected["ok"]:
            with pytest.raises(EngineError):
                await builder.build(text, context, build_args=row["build_args"])
            return
        named = row["dockerfile_name_in_context"] or ""
        own = (
            {"dockerfile_text": None, "dockerfile": f"{context}/{named}"}
            if row["context_dir"] and named
            else {}
        )
        image = await builder.build(text, context, build_args=row["build_args"], **own)
        on_scratch = not (expected["history"] and expected["history"][0]["created_by"] == "synth")
        inherited = 0 if on_scratch else len(document(builder, base).history)
        history = [history_row(entry) for entry in document(builder, image).history[inherited:]]
        assert history == expected["history"][0 if on_scratch else 1 :]
        assert config_row(builder, image) == expected["config"]
        assert len(image.chain_ids) == expected["n_layers"]
        await compare_files(builder, row, base, image, on_scratch=on_scratch)


async def compare_files(
    builder: Builder, row: dict[str, Any], base: Image, image: Image, *, on_scratch: bool
) -> None:
    files = await builder.files(image)
    below = {} if on_scratch else await builder.files(base)
    wanted = {path: expected_file(file) for path, file in row["expected"]["fs"].items()}
    for path in UNCOMPARED.get(row["name"], ()):
        wanted.pop(path), files.pop(path)
    for path, file in wanted.items():
        found = files[path]
        assert {name: found.get(name) for name in file} == file, path
    changed = {
        path for path, file in files.items() if below.get(path, {}) | {"mtime": 0} != file | {"mtime": 0}
    }
    assert changed <= set(wanted)

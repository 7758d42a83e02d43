"""Whole builds on the real kernel: layers, cache, copies, failures, cancelling."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from engine.errors import BuildFailed, InvalidInput
from engine.events import BuildFinished, BuildPlanned, Message, StepFailed, StepOutput, StepStarted
from engine.options import BuildOptions, PruneOptions
from tests.support.building import Builder, open_builder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from engine.paths import Paths

pytestmark = pytest.mark.root


@pytest.fixture
async def builder(paths: Paths) -> AsyncIterator[Builder]:
    async with open_builder(paths) as opened:
        yield opened


async def file_of(
    builder: Builder, text: str, path: str, folder: object = None, **options: Any
) -> dict[str, Any]:
    return (await builder.files(await builder.build(text, folder, **options)))[path]


def archive(names: dict[str, bytes], mode: str = "w:gz") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:  # type: ignore[call-overload]
        for name, content in names.items():
            member = tarfile.TarInfo(name)
            member.size, member.uid, member.gid, member.mode = len(content), 7, 8, 0o640
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def running_commands() -> list[str]:
    commands = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
            commands.append(file.read().decode(errors="replace"))
    return commands


# -- run ---------------------------------------------------------------------------------------------
async def test_a_run_step_becomes_a_layer(builder: Builder) -> None:
    image = await builder.build("FROM busybox\nRUN echo x > /made\n")
    assert len(image.chain_ids) == 2
    assert os.listdir(builder.paths.layer(image.chain_ids[1])) == ["made"]


async def test_a_run_step_leaves_no_mount_points_behind(builder: Builder) -> None:
    image = await builder.build("FROM busybox\nRUN true\n")
    assert os.listdir(builder.paths.layer(image.chain_ids[1])) == []


async def test_a_removed_file_is_gone_from_the_image(builder: Builder) -> None:
    image = await builder.build("FROM busybox\nRUN echo > /gone\nRUN rm /gone\n")
    assert "/gone" not in await builder.files(image)


async def test_run_uses_user_and_workdir(builder: Builder) -> None:
    await builder.build("FROM busybox\nUSER 3:4\nWORKDIR /w\nRUN id -u; id -g; pwd\n")
    assert builder.output().split() == ["3", "4", "/w"]


async def test_run_output_is_reported_with_its_stream(builder: Builder) -> None:
    await builder.build("FROM busybox\nRUN echo out; echo err >&2\n")
    outputs = {fact.stream: fact.content for fact in builder.facts if isinstance(fact, StepOutput)}
    assert outputs == {"stdout": b"out\n", "stderr": b"err\n"}


async def test_network_none_has_only_loopback(builder: Builder) -> None:
    await builder.build("FROM busybox\nRUN --network=none ls /sys/class/net\n", network="bridge")
    assert builder.output().split() == ["lo"]


async def test_the_default_network_has_an_address(builder: Builder) -> None:
    await builder.build("FROM busybox\nRUN ls /sys/class/net; ip route\n", network="bridge")
    assert "default via" in builder.output()
    rows = builder.database.query("SELECT count(*) FROM lease")
    assert rows == [(0,)]


async def test_a_heredoc_with_an_interpreter_runs(builder: Builder) -> None:
    await builder.build("FROM busybox\nRUN <<EOF\n#!/bin/sh -e\necho script\nEOF\n")
    assert builder.output() == "script\n"


async def test_a_build_argument_reaches_run(builder: Builder) -> None:
    await builder.build("FROM busybox\nARG word=default\nRUN echo $word\n", build_args={"word": "given"})
    assert builder.output() == "given\n"


async def test_an_argument_that_nothing_takes_is_named(builder: Builder) -> None:
    await builder.build("FROM busybox\nARG used\n", build_args={"used": "1", "other": "2"})
    texts = [fact.text for fact in builder.facts if isinstance(fact, Message)]
    assert texts == ["[Warning] One or more build-args [other] were not consumed"]


# -- cache -------------------------------------------------------------------------------------------
async def test_the_same_build_again_runs_nothing(builder: Builder) -> None:
    text = 'FROM busybox\nRUN date +%N > /x\nWORKDIR /w\nCMD ["a"]\n'
    first = await builder.build(text)
    second = await builder.build(text)
    assert first.id == second.id
    assert builder.cached() == [True, True]


async def test_no_cache_runs_everything(builder: Builder) -> None:
    text = "FROM busybox\nRUN true\n"
    await builder.build(text)
    await builder.build(text, no_cache=True)
    assert builder.cached() == [False]


async def test_touching_a_file_alone_does_not_miss(builder: Builder, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    await builder.build("FROM busybox\nCOPY a /a\n", tmp_path)
    os.utime(tmp_path / "a", (1, 1))
    await builder.build("FROM busybox\nCOPY a /a\n", tmp_path)
    assert builder.cached() == [True]


@pytest.mark.parametrize("change", ["content", "mode", "name"])
async def test_a_changed_file_misses(builder: Builder, tmp_path: Path, change: str) -> None:
    (tmp_path / "a").write_text("x")
    await builder.build("FROM busybox\nCOPY . /a/\n", tmp_path)
    if change == "content":
        (tmp_path / "a").write_text("y")
    elif change == "mode":
        (tmp_path / "a").chmod(0o600)
    else:
        (tmp_path / "a").rename(tmp_path / "b")
    await builder.build("FROM busybox\nCOPY . /a/\n", tmp_path)
    assert builder.cached() == [False]


async def test_a_failed_build_goes_on_from_its_last_good_step(builder: Builder) -> None:
    with pytest.raises(BuildFailed):
        await builder.build("FROM busybox\nRUN true\nRUN false\n")
    await builder.build("FROM busybox\nRUN true\nRUN true || false\n")
    assert builder.cached() == [True, False]


async def test_two_builds_at_once_make_one_image(builder: Builder) -> None:
    text = "FROM busybox\nRUN echo x > /x\n"
    options = BuildOptions(dockerfile_text=text, network="none")
    results = await asyncio.gather(*(builder.builds.build(options) for _ in range(3)))
    assert len({result.image_id for result in results}) <= 3
    assert all([await builder.images.get(result.image_id) for result in results])


async def test_prune_forgets_the_cache(builder: Builder) -> None:
    text = "FROM busybox\nRUN true\n"
    await builder.build(text)
    pruned = await builder.builds.prune(PruneOptions(all=True))
    await builder.build(text)
    assert (len(pruned.removed), builder.cached()) == (1, [False])


# -- copy and add ------------------------------------------------------------------------------------
async def test_context_files_become_roots(builder: Builder, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    os.chown(tmp_path / "a", 5, 6)
    found = await file_of(builder, "FROM busybox\nCOPY a /d/\n", "/d/a", tmp_path)
    assert (found["uid"], found["gid"]) == (0, 0)


async def test_chown_names_are_the_images(builder: Builder, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    text = "FROM busybox\nRUN echo 'me:x:41:42::/:' >> /etc/passwd\nCOPY --chown=me --chmod=4711 a /a\n"
    found = await file_of(builder, text, "/a", tmp_path)
    assert (found["uid"], found["gid"], found["mode"]) == (41, 42, "0o4711")


async def test_an_unknown_chown_name_is_refused(builder: Builder, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    with pytest.raises(BuildFailed, match="no user nobodyhere"):
        await builder.build("FROM busybox\nCOPY --chown=nobodyhere a /a\n", tmp_path)


async def test_copy_from_a_stage_keeps_owners_and_links(builder: Builder) -> None:
    text = (
        "FROM busybox AS one\nRUN mkdir /d && echo x > /d/a && ln /d/a /d/b && ln -s a /d/c && chown 9:9 /d/a\n"
        "FROM scratch\nCOPY --from=one /d /e\n"
    )
    files = await builder.files(await builder.build(text))
    assert (files["/e/a"]["uid"], files["/e/b"]["type"], files["/e/c"]["link"]) == (9, "hardlink", "a")


async def test_copy_from_an_image(builder: Builder) -> None:
    found = await file_of(builder, "FROM scratch\nCOPY --from=busybox /bin/busybox /b\n", "/b")
    assert found["type"] == "file"


async def test_an_ignored_file_is_not_there(builder: Builder, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (tmp_path / ".dockerignore").write_text("secret\n")
    with pytest.raises(BuildFailed, match="COPY failed: file not found in build context") as caught:
        await builder.build("FROM busybox\nCOPY secret /\n", tmp_path)
    assert (caught.value.line, caught.value.instruction) == (2, "COPY secret /")


async def test_a_link_does_not_lead_out_of_the_context(builder: Builder, tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to("/etc/shadow")
    with pytest.raises(BuildFailed, match="file not found in build context"):
        await builder.build("FROM busybox\nCOPY out /x\n", tmp_path)


async def test_dots_do_not_lead_out_of_the_context(builder: Builder, tmp_path: Path) -> None:
    (tmp_path / "passwd").write_text("mine")
    found = await file_of(builder, "FROM busybox\nCOPY ../../passwd /x\n", "/x", tmp_path)
    assert found["size"] == 4


async def test_a_destination_link_stays_in_the_image(builder: Builder, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    text = "FROM busybox\nRUN ln -s /../../inside /l && mkdir /inside\nCOPY a /l/\n"
    assert "/inside/a" in await builder.files(await builder.build(text, tmp_path))


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
async def test_add_unpacks_archives_by_content(builder: Builder, tmp_path: Path, mode: str) -> None:
    (tmp_path / "anything").write_bytes(archive({"in/a": b"x"}, mode))
    found = await file_of(builder, "FROM busybox\nADD anything /d/\n", "/d/in/a", tmp_path)
    assert (found["uid"], found["gid"], found["mode"]) == (7, 8, "0o640")


async def test_add_follows_the_images_links_inside_the_image(builder: Builder, tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(archive({"link/a": b"x"}, "w"))
    text = "FROM busybox\nRUN mkdir /real && ln -s /../real /link\nADD a.tar /\n"
    files = await builder.files(await builder.build(text, tmp_path))
    assert ("/real/a" in files, files["/link"]["type"]) == (True, "symlink")


async def test_add_refuses_names_that_lead_out(builder: Builder, tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(archive({"../../out": b"x"}, "w"))
    with pytest.raises(BuildFailed, match="leads out of the tree"):
        await builder.build("FROM busybox\nADD a.tar /d/\n", tmp_path)


async def test_copy_does_not_unpack(builder: Builder, tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(archive({"a": b"x"}, "w"))
    assert "/d/a.tar" in await builder.files(await builder.build("FROM busybox\nCOPY a.tar /d/\n", tmp_path))


async def test_extended_attributes_are_kept(builder: Builder, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    os.setxattr(tmp_path / "a", "user.note", b"kept")
    image = await builder.build("FROM busybox\nCOPY a /a\n", tmp_path)
    assert os.getxattr(f"{builder.paths.layer(image.chain_ids[-1])}/a", "user.note") == b"kept"


async def test_the_context_may_be_a_tar_on_a_descriptor(builder: Builder, tmp_path: Path) -> None:
    (tmp_path / "c.tgz").write_bytes(archive({"Dockerfile": b"FROM busybox\nCOPY a /a\n", "a": b"x"}))
    descriptor = os.open(tmp_path / "c.tgz", os.O_RDONLY)
    try:
        result = await builder.builds.build(BuildOptions(context_fd=descriptor, network="none"))
    finally:
        os.close(descriptor)
    assert "/a" in await builder.files(await builder.images.get(result.image_id))


# -- failures ----------------------------------------------------------------------------------------
async def test_a_failing_step_says_everything(builder: Builder) -> None:
    with pytest.raises(BuildFailed) as caught:
        await builder.build("FROM busybox\nRUN echo why; exit 3\n")
    error = caught.value
    assert (error.path, error.line, error.exit_code) == ("Dockerfile", 2, 3)
    assert (error.instruction, error.output) == ("RUN echo why; exit 3", ("why",))
    assert "did not complete successfully: exit code: 3" in str(error)
    assert [fact.exit_code for fact in builder.facts if isinstance(fact, StepFailed)] == [3]


async def test_a_missing_program_is_exit_code_127(builder: Builder) -> None:
    with pytest.raises(BuildFailed) as caught:
        await builder.build('FROM busybox\nRUN ["/no/such"]\n')
    assert caught.value.exit_code == 127


async def test_an_unknown_base_names_its_line(builder: Builder) -> None:
    with pytest.raises(BuildFailed, match=r"Dockerfile:1: FROM 127.0.0.1:1/x: cannot reach 127.0.0.1:1"):
        await builder.build("FROM 127.0.0.1:1/x\n")


async def test_a_missing_dockerfile_is_one_clear_error(builder: Builder, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="failed to read dockerfile"):
        await builder.builds.build(BuildOptions(context=str(tmp_path)))


async def test_a_cancelled_build_kills_its_step_and_frees_its_address(builder: Builder) -> None:
    started = asyncio.Event()

    def progress(fact: object) -> None:
        if isinstance(fact, StepOutput):
            started.set()

    options = BuildOptions(dockerfile_text="FROM busybox\nRUN echo up; sleep 98765\n", network="bridge")
    task = asyncio.create_task(builder.builds.build(options, progress))
    await asyncio.wait_for(started.wait(), 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not any("98765" in command for command in running_commands())
    assert builder.database.query("SELECT count(*) FROM lease") == [(0,)]
    assert os.listdir(builder.paths.staging) == []


# -- what is reported, and the result ----------------------------------------------------------------
async def test_steps_are_planned_then_started_in_order(builder: Builder) -> None:
    await builder.build("FROM busybox AS one\nRUN true\nFROM one\nRUN true\n")
    (planned,) = [fact for fact in builder.facts if isinstance(fact, BuildPlanned)]
    assert [step.name for step in planned.steps] == [
        "[one 1/2] FROM busybox AS one",
        "[one 2/2] RUN true",
        "[stage-1 1/2] FROM one",
        "[stage-1 2/2] RUN true",
    ]
    started = [fact.index for fact in builder.facts if isinstance(fact, StepStarted)]
    assert started == [step.index for step in planned.steps]


async def test_tags_and_labels_are_given(builder: Builder) -> None:
    image = await builder.build("FROM busybox\nLABEL a=1\n", tags=("x:1", "y"), labels={"a": "2"})
    assert (image.names, image.labels) == (("x:1", "y:latest"), {"a": "2"})
    assert [fact.tags for fact in builder.facts if isinstance(fact, BuildFinished)] == [("x:1", "y:latest")]


async def test_onbuild_runs_in_the_next_build(builder: Builder) -> None:
    await builder.build("FROM busybox\nONBUILD RUN echo triggered\n", tags=("parent",))
    assert builder.output() == ""
    image = await builder.build("FROM parent\n")
    assert (builder.output(), image.config.on_build) == ("triggered\n", ())


async def test_a_long_chain_builds(builder: Builder) -> None:
    image = await builder.build(
        "FROM busybox\n" + "".join(f"WORKDIR /w{n}\n" for n in range(70)) + "RUN ls /w0\n"
    )
    assert len(image.chain_ids) == 72


async def test_the_good_steps_of_a_cancelled_build_are_kept(builder: Builder) -> None:
    started = asyncio.Event()

    def progress(fact: object) -> None:
        if isinstance(fact, StepOutput):
            started.set()

    text = "FROM busybox\nRUN true\nRUN echo up; sleep 98766\n"
    options = BuildOptions(dockerfile_text=text, network="none")
    task = asyncio.create_task(builder.builds.build(options, progress))
    await asyncio.wait_for(started.wait(), 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await builder.build("FROM busybox\nRUN true\n")
    assert builder.cached() == [True]


async def test_cancelling_a_copy_leaves_nothing(builder: Builder, tmp_path: Path) -> None:
    with (tmp_path / "big").open("wb") as file:
        for _ in range(64):
            file.write(os.urandom(1 << 20))
    options = BuildOptions(
        context=str(tmp_path), dockerfile_text="FROM busybox\nRUN true\nCOPY big /\n", network="none"
    )
    copying = asyncio.Event()

    def progress(fact: object) -> None:
        if isinstance(fact, StepStarted) and fact.index == 3:
            copying.set()

    task = asyncio.create_task(builder.builds.build(options, progress))
    await asyncio.wait_for(copying.wait(), 20)
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert os.listdir(builder.paths.staging) == []
    await builder.build("FROM busybox\nRUN true\n")
    assert builder.cached() == [True]

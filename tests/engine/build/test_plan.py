"""Dockerfiles as plans: whole values, nothing run."""

from __future__ import annotations

from typing import Any

import pytest

from engine.build.operations import CopyOperation, RunOperation, WorkdirOperation
from engine.build.plan import BuildPlan, build_plan
from engine.build.scope import platform_arguments, to_globals
from engine.build.stages import image_sources, needed_stages, stage_bases, target_index
from engine.dockerfile.parse import parse_dockerfile
from engine.errors import DockerfileSyntaxError, InvalidInput, NotFound
from engine.oci.config import ContainerConfig, HealthCheck, ImageConfig, RootFS
from engine.oci.platform import Platform

PATH = "PATH=/bin"
BASE = ImageConfig(
    architecture="amd64",
    os="linux",
    rootfs=RootFS(),
    config=ContainerConfig(env=(PATH,), cmd=("sh",), labels={"a": "base"}),
)


def plan(text: str, target: str | None = None, base: ImageConfig = BASE, **given: str) -> BuildPlan:
    dockerfile = parse_dockerfile(text)
    amd64 = Platform("linux", "amd64")
    fixed = to_globals(dockerfile.arguments, given, platform_arguments(amd64, amd64), dockerfile.escape)
    bases = stage_bases(dockerfile, fixed)
    index = target_index(bases, target)
    images = {one.image: base for one in bases if one.parent is None and one.image != "scratch"}
    return build_plan(dockerfile, bases, index, fixed, images)


def last(text: str, **given: str) -> Any:
    return plan(text, **given).stages[-1]


def run(text: str, **given: str) -> RunOperation:
    (operation,) = [step.operation for step in last(text, **given).operations]
    assert isinstance(operation, RunOperation)
    return operation


def rows(text: str, **given: str) -> list[str]:
    return [step.history.created_by for step in last(text, **given).steps]


def test_run_in_shell_form_uses_the_shell() -> None:
    assert run("FROM b\nRUN echo $x\n").args == ("/bin/sh", "-c", "echo $x")


def test_shell_changes_the_shell_of_what_follows() -> None:
    operation = run('FROM b\nSHELL ["/bin/bash", "-c"]\nRUN echo\n')
    assert operation.args == ("/bin/bash", "-c", "echo")


def test_run_sees_env_and_arguments() -> None:
    operation = run("FROM b\nARG v=1\nENV e=$v-2\nRUN true\n")
    assert operation.env == (PATH, "e=1-2", "v=1")


def test_env_wins_over_an_argument_of_its_name() -> None:
    operation = run("FROM b\nENV v=env\nARG v=arg\nRUN true\n")
    assert operation.env == (PATH, "v=env")


def test_an_env_instruction_sees_the_values_before_it() -> None:
    stage = last("FROM b\nENV a=1\nENV a=2 b=$a\n")
    assert stage.config.env == (PATH, "a=2", "b=1")


def test_a_global_argument_is_seen_only_where_it_is_named_again() -> None:
    text = "ARG v=global\nFROM b\nENV x=[$v]\nARG v\nENV y=[$v]\n"
    assert last(text).config.env == (PATH, "x=[]", "y=[global]")


def test_a_given_argument_wins_over_its_default() -> None:
    assert last("FROM b\nARG v=1\nENV x=$v\n", v="2").config.env == (PATH, "x=2")


def test_a_stage_inherits_its_parents_arguments() -> None:
    text = "FROM b AS one\nARG v=1\nFROM one\nENV x=$v\n"
    assert last(text).config.env == (PATH, "x=1")


def test_from_sees_global_arguments() -> None:
    assert plan("ARG v=tag\nFROM b:$v\n").stages[0].base.image == "b:tag"


def test_platform_arguments_need_no_default() -> None:
    assert last("FROM b\nARG TARGETARCH\nENV x=$TARGETARCH\n").config.env == (PATH, "x=amd64")


def test_proxies_reach_run_but_not_its_history() -> None:
    (step,) = last("FROM b\nRUN true\n", HTTP_PROXY="http://p").operations
    assert step.operation.proxies == ("HTTP_PROXY=http://p",)
    assert step.history.created_by == "RUN /bin/sh -c true # buildkit"


def test_stages_that_nothing_needs_are_skipped() -> None:
    text = "FROM b AS one\nFROM b AS two\nFROM b\nCOPY --from=one /x /y\n"
    assert [stage.index for stage in plan(text).stages] == [0, 2]


def test_the_target_may_be_a_name_or_a_number() -> None:
    text = "FROM b AS one\nFROM b AS two\n"
    assert [plan(text, target).target for target in ("one", "1", None)] == [0, 1, 1]


def test_an_unknown_target_is_refused() -> None:
    with pytest.raises(NotFound, match="No such build stage: three"):
        plan("FROM b AS one\n", "three")


def test_copy_from_a_name_that_is_no_stage_is_an_image() -> None:
    dockerfile = parse_dockerfile("FROM b\nCOPY --from=alpine /x /y\n")
    fixed = to_globals((), {}, {}, "\\")
    bases = stage_bases(dockerfile, fixed)
    assert image_sources(bases, needed_stages(bases, 0)) == ("alpine",)


def test_copy_from_a_later_stage_number_is_refused() -> None:
    with pytest.raises(DockerfileSyntaxError, match="invalid stage index 1"):
        plan("FROM b\nCOPY --from=1 /x /y\n")


def test_copy_goes_below_the_workdir() -> None:
    stage = last("FROM b\nWORKDIR /a\nWORKDIR b\nCOPY x y/\n")
    operations = [step.operation for step in stage.operations]
    assert operations[:2] == [WorkdirOperation(path="/a"), WorkdirOperation(path="/a/b")]
    assert isinstance(operations[2], CopyOperation)
    assert operations[2].destination == "/a/b/y/"


def test_several_sources_need_a_folder() -> None:
    with pytest.raises(DockerfileSyntaxError, match="must be a directory and end with a /"):
        plan("FROM b\nCOPY a b c\n")


def test_onbuild_triggers_run_first_and_are_gone() -> None:
    config = ContainerConfig(env=(PATH,), on_build=("ENV a=1", "RUN make"))
    base = ImageConfig(architecture="amd64", os="linux", rootfs=RootFS(), config=config)
    stage = plan("FROM b\nENV b=$a\n", base=base).stages[0]
    assert stage.config == ContainerConfig(env=(PATH, "a=1", "b=1"))


def test_entrypoint_drops_an_inherited_command() -> None:
    assert last('FROM b\nENTRYPOINT ["x"]\n').config.cmd == ()


def test_entrypoint_keeps_a_command_of_this_stage() -> None:
    assert last('FROM b\nCMD ["y"]\nENTRYPOINT ["x"]\n').config.cmd == ("y",)


def test_config_instructions_fill_the_config() -> None:
    text = (
        "FROM scratch\nUSER 1:2\nEXPOSE 80 53/udp 9000-9001\nVOLUME /a /b\nSTOPSIGNAL SIGINT\n"
        "LABEL k=v\nHEALTHCHECK --retries=3 CMD true\nONBUILD RUN x\nWORKDIR /w\n"
    )
    config = last(text).config
    assert config.user == "1:2"
    assert sorted(config.exposed_ports) == ["53/udp", "80/tcp", "9000/tcp", "9001/tcp"]
    assert sorted(config.volumes) == ["/a", "/b"]
    assert (config.stop_signal, config.labels, config.working_dir) == ("SIGINT", {"k": "v"}, "/w")
    assert config.healthcheck == HealthCheck(test=("CMD-SHELL", "true"), retries=3)
    assert config.on_build == ("RUN x",)


def test_history_rows_are_buildkits() -> None:
    text = (
        'FROM b\nARG v=1\nRUN x\nCOPY --chown=1 a /b\nENV e=f\nEXPOSE 80\nCMD ["a", "b c"]\n'
        'HEALTHCHECK --interval=90s --retries=3 CMD t\nSHELL ["s", "-c"]\nVOLUME /v\nWORKDIR /w\nMAINTAINER me\n'
    )
    assert rows(text) == [
        "ARG v=1",
        "RUN |1 v=1 /bin/sh -c x # buildkit",
        "COPY --chown=1 a /b # buildkit",
        "ENV e=f",
        "EXPOSE [80/tcp]",
        'CMD ["a" "b c"]',
        'HEALTHCHECK &{["CMD-SHELL" "t"] "1m30s" "0s" "0s" "0s" \'\\x03\'}',
        "SHELL [s -c]",
        "VOLUME [/v]",
        "WORKDIR /w",
        "MAINTAINER me",
    ]


def test_only_rows_without_a_layer_are_marked_empty() -> None:
    steps = last("FROM b\nRUN x\nENV a=b\nWORKDIR /w\n").steps
    assert [step.history.empty_layer for step in steps] == [False, True, False]


def test_a_heredoc_is_the_shells_script() -> None:
    assert run("FROM b\nRUN <<EOF\na\nb\nEOF\n").args == ("/bin/sh", "-c", "a\nb\n")


def test_a_heredoc_with_an_interpreter_becomes_a_file() -> None:
    operation = run("FROM b\nRUN <<EOF\n#!/bin/x\na\nEOF\n")
    assert (operation.args, operation.script) == (("/dev/pipes/EOF",), "#!/bin/x\na\n")


def test_a_heredoc_for_a_command_is_left_to_the_shell() -> None:
    assert run("FROM b\nRUN cat <<EOF > /x\na\nEOF\n").args[-1] == "cat <<EOF > /x\na\nEOF"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("RUN --mount=type=cache,target=/c x", "RUN --mount is not supported yet"),
        ("RUN --network=x y", "invalid network mode: x"),
        ("COPY --parents a b", "COPY --parents is not supported yet"),
        ("ADD https://example.org/x /y", "ADD of a remote source is not supported yet"),
        ("COPY --chmod=9 a b", "invalid chmod parameter"),
        ("EXPOSE 99999", "invalid containerPort: 99999"),
        ("STOPSIGNAL NOPE", "invalid signal: NOPE"),
        ('ENV a="${b:?is needed}"', "b: is needed"),
    ],
)
def test_refusals_name_the_line(line: str, reason: str) -> None:
    with pytest.raises(DockerfileSyntaxError) as caught:
        plan(f"FROM b\n{line}\n")
    assert caught.value.line == 2
    assert reason in str(caught.value)


def test_a_blank_base_is_refused() -> None:
    with pytest.raises(InvalidInput, match="base name should not be blank"):
        plan("ARG v\nFROM $v\n")

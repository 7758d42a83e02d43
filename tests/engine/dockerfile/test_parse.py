"""What a Dockerfile means, by BuildKit's own answers and by cases of our own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from engine.dockerfile.instructions import Copy, Env, From, Healthcheck, Onbuild, Run
from engine.dockerfile.parse import parse_dockerfile, parse_instruction, parse_nodes
from engine.errors import DockerfileSyntaxError, InvalidInput
from tests.support.building import CORPORA

if TYPE_CHECKING:
    from engine.dockerfile.instructions import Dockerfile
    from engine.dockerfile.nodes import Node

needs_corpora = pytest.mark.skipif(
    not CORPORA.is_dir(), reason="TEST DATA MISSING: ../shared/corpora is not beside the checkout"
)

DIFFERENCES = {
    # BuildKit keeps the rest of an unknown instruction's line as one empty argument. We keep none: the
    # instruction is refused by its name in both.
    "dockerfiles/unit-TestErrorCases-3.Dockerfile": "arguments of an unknown instruction",
}


def corpus() -> list[dict[str, Any]]:
    if not CORPORA.is_dir():
        return []
    with (CORPORA / "parse.jsonl").open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def words_of(node: Node) -> list[str]:
    if node.pairs:
        return [word for pair in node.pairs for word in (pair.name, pair.value, pair.separator)]
    if node.trigger:
        return [node.trigger.instruction, *words_of(node.trigger)]
    return list(node.arguments)


def expected_words(arguments: list[Any] | None) -> list[str]:
    words: list[str] = []
    for argument in arguments or []:
        if isinstance(argument, dict):
            words += [argument["instruction"], *expected_words(argument["args"])]
        else:
            words.append(argument)
    return [] if words == [""] else words


def node_row(node: Node) -> dict[str, Any]:
    return {
        "instruction": node.instruction,
        "flags": list(node.flags),
        "args": words_of(node),
        "json": node.json,
        "start": node.start,
        "end": node.end,
        "original": node.original,
        "prev_comment": list(node.comments),
        "heredocs": [
            {
                "Name": heredoc.name,
                "FileDescriptor": heredoc.file_descriptor,
                "Expand": heredoc.expand,
                "Chomp": heredoc.chomp,
                "Content": heredoc.content,
            }
            for heredoc in node.heredocs
        ],
    }


def expected_row(row: dict[str, Any]) -> dict[str, Any]:
    empty = {name: row[name] or [] for name in ("flags", "prev_comment", "heredocs")}
    return row | empty | {"args": expected_words(row["args"])}


def read(row: dict[str, Any]) -> str:
    return (CORPORA / row["path"]).read_bytes().decode()


@needs_corpora
@pytest.mark.parametrize("row", corpus(), ids=lambda row: row["path"])
def test_parse_tree_is_buildkits(row: dict[str, Any]) -> None:
    if "parse_error" in row:
        with pytest.raises(DockerfileSyntaxError) as caught:
            parse_nodes(read(row))
        assert caught.value.reason == row["parse_error"]
        return
    source, nodes = parse_nodes(read(row))
    assert source.escape == row["escape"]
    if row["path"] in DIFFERENCES:
        pytest.skip(f"EXPLAINED DIFFERENCE: {DIFFERENCES[row['path']]}")
    assert [node_row(node) for node in nodes] == [expected_row(expected) for expected in row["ast"]]


@needs_corpora
@pytest.mark.parametrize(
    "row", [row for row in corpus() if "parse_error" not in row], ids=lambda row: row["path"]
)
def test_instructions_are_accepted_and_refused_as_by_buildkit(row: dict[str, Any]) -> None:
    expected = row.get("instructions_error")
    if expected is None:
        stages = parse_dockerfile(read(row)).stages
        assert [stage.base.base for stage in stages] == [stage["base"] for stage in row["stages"]]
        return
    with pytest.raises(DockerfileSyntaxError) as caught:
        parse_dockerfile(read(row))
    error = caught.value
    shown = {error.reason.lower(), f"dockerfile parse error on line {error.line}: {error.reason}".lower()}
    assert expected.lower() in shown


def parse(text: str) -> Dockerfile:
    return parse_dockerfile(text)


def only(text: str) -> Any:
    return parse(f"FROM a\n{text}\n").stages[0].instructions[0]


def test_a_comment_inside_a_continuation_is_dropped() -> None:
    assert only("RUN a \\\n# no\n  b").command == ("a   b",)


def test_a_blank_line_inside_a_continuation_is_dropped() -> None:
    assert only("RUN a \\\n\n  b").command == ("a   b",)


def test_a_continuation_may_end_the_file() -> None:
    assert only("RUN a \\").command == ("a",)


def test_the_escape_directive_changes_the_continuation() -> None:
    text = "# escape=`\nFROM a\nRUN b `\n c\\\n"
    assert parse(text).stages[0].instructions[0].command == ("b  c\\",)  # type: ignore[attr-defined]


def test_a_doubled_escape_at_the_end_continues_nothing() -> None:
    instructions = parse("FROM a\nRUN b \\\\\nRUN c\n").stages[0].instructions
    assert len(instructions) == 2


def test_line_numbers_are_those_of_the_file() -> None:
    instruction = only("\n# c\nRUN a \\\n b")
    assert (instruction.line, instruction.end) == (4, 5)


def test_windows_line_ends_are_read() -> None:
    assert parse("FROM a\r\nRUN b\r\n").stages[0].instructions[0].command == ("b",)  # type: ignore[attr-defined]


def test_a_byte_order_mark_is_ignored() -> None:
    assert parse("\ufeffFROM a\n").stages[0].base.base == "a"


def test_from_with_everything() -> None:
    base = parse("FROM --platform=linux/amd64 debian:12 AS Build\n").stages[0].base
    assert (base.base, base.stage, base.platform) == ("debian:12", "build", "linux/amd64")


def test_shell_and_exec_form_are_told_apart() -> None:
    assert [only('RUN ["a", "b"]').shell_form, only("RUN [a, b]").shell_form] == [False, True]


def test_a_heredoc_is_set_aside() -> None:
    instruction = only("RUN <<EOF\nfirst\n# kept\nEOF")
    assert isinstance(instruction, Run)
    assert instruction.heredocs[0].content == "first\n# kept\n"


def test_copy_takes_several_heredocs() -> None:
    instruction = only("COPY <<a <<-'b' /d/\n1\na\n\t$2\n\tb")
    assert isinstance(instruction, Copy)
    assert [(doc.name, doc.text, doc.expand) for doc in instruction.contents] == [
        ("a", "1\n", True),
        ("b", "$2\n", False),
    ]


def test_copy_flags() -> None:
    instruction = only("COPY --from=0 --chown=1:2 --chmod=755 --link a b/ c/")
    assert (instruction.source_stage, instruction.chown, instruction.chmod, instruction.link) == (
        "0",
        "1:2",
        "755",
        True,
    )


def test_env_old_form_keeps_the_rest_of_the_line() -> None:
    instruction = only("ENV a b  c")
    assert isinstance(instruction, Env)
    assert [(pair.name, pair.value) for pair in instruction.pairs] == [("a", "b  c")]


def test_healthcheck_durations_are_nanoseconds() -> None:
    instruction = only("HEALTHCHECK --interval=1m30s --retries=2 CMD true")
    assert isinstance(instruction, Healthcheck)
    assert (instruction.health.interval, instruction.health.retries) == (90 * 10**9, 2)


def test_onbuild_keeps_the_trigger_as_written() -> None:
    instruction = only("ONBUILD   RUN  x")
    assert isinstance(instruction, Onbuild)
    assert instruction.expression == "RUN  x"


def test_arguments_before_from_are_the_files() -> None:
    assert [argument.name for argument in parse("ARG a=1\nFROM b\n").arguments[0].arguments] == ["a"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("FROM a\nRUNN b\n", "unknown instruction: RUNN (did you mean run?)"),
        ("FROM a\nCOPY --form=b c d\n", "unknown flag: --form (did you mean from?)"),
        ("FROM a\nCOPY b\n", "COPY requires at least two arguments"),
        ("FROM a b\n", "FROM requires either one or three arguments"),
        ("RUN a\n", "no build stage in current context"),
        ("FROM a\nRUN <<EOF\n", "unterminated heredoc"),
        ("FROM a\nENV b\n", "ENV must have two arguments"),
        ("# escape=x\nFROM a\n", "invalid escape token 'x' does not match ` or \\"),
        ("# escape=`\n# escape=`\nFROM a\n", "only one escape parser directive can be used"),
        ("FROM a\nSHELL b\n", "SHELL requires the arguments to be in JSON form"),
        ("FROM a\nCMD [1]\n", "when using JSON array syntax, arrays must be comprised of strings only"),
        ("FROM a\nHEALTHCHECK --interval=1 CMD b\n", 'time: invalid duration "1"'),
        ("", "file with no instructions"),
        ("FROM a\nRUN \x00\n", "a Dockerfile is text, this line has a NUL byte"),
    ],
)
def test_refusals_name_what_is_wrong(text: str, reason: str) -> None:
    with pytest.raises(DockerfileSyntaxError) as caught:
        parse(text)
    assert reason.lower() in caught.value.reason.lower()


def test_an_error_points_at_the_word() -> None:
    with pytest.raises(DockerfileSyntaxError) as caught:
        parse_dockerfile("FROM a\n  RUNN b\n", "web/Dockerfile")
    error = caught.value
    assert (error.path, error.line) == ("web/Dockerfile", 2)
    assert error.caret() == "  RUNN b\n  ^^^^"


def test_one_instruction_is_read_by_itself() -> None:
    instruction = parse_instruction("FROM x", "change", 7)
    assert isinstance(instruction, From)
    assert instruction.line == 7


def test_two_instructions_are_not_one() -> None:
    with pytest.raises(InvalidInput):
        parse_instruction("RUN a\nRUN b", "change")

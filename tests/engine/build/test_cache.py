"""What makes two steps the same, and what does not."""

from __future__ import annotations

from engine.build.cache import step_key
from engine.build.operations import CopyOperation, CopySource, RunOperation


def run(**changes: object) -> RunOperation:
    fields = {"args": ("a",), "env": ("b=c",), "cwd": "/", "user": "", "network": "default"} | changes
    return RunOperation(**fields)  # type: ignore[arg-type]


def copy(**changes: object) -> CopyOperation:
    fields = {"source": CopySource(kind="stage", stage=0), "sources": ("a",), "destination": "/"} | changes
    return CopyOperation(**fields)  # type: ignore[arg-type]


def test_equal_steps_have_equal_keys() -> None:
    assert step_key("p", run()) == step_key("p", run())


def test_each_part_of_a_run_makes_another_key() -> None:
    keys = {
        step_key("p", run()),
        step_key("q", run()),
        step_key("p", run(args=("x",))),
        step_key("p", run(env=())),
        step_key("p", run(cwd="/x")),
        step_key("p", run(user="1")),
        step_key("p", run(network="none")),
        step_key("p", run(script="#!")),
        step_key("p", run(), network="host"),
    }
    assert len(keys) == 9


def test_proxies_are_no_part_of_the_key() -> None:
    assert step_key("p", run(proxies=("HTTP_PROXY=x",))) == step_key("p", run())


def test_copied_content_makes_another_key() -> None:
    assert step_key("p", copy(), "one") != step_key("p", copy(), "two")


def test_where_equal_content_comes_from_does_not_matter() -> None:
    other = copy(source=CopySource(kind="stage", stage=3))
    assert step_key("p", copy(), "one") == step_key("p", other, "one")


def test_an_owner_makes_another_key() -> None:
    assert step_key("p", copy(chown="1"), "one") != step_key("p", copy(), "one")

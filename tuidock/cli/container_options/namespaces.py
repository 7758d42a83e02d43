"""Owns the flags of what a container shares with the host or another container, and of its users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuidock.cli.command import SpecError
from tuidock.cli.flags import many, text
from tuidock.cli.specs import variables

if TYPE_CHECKING:
    from tuidock.cli.command import Invocation

FLAGS = (
    many("annotation", "Add an annotation to the container"),
    text("cgroupns", "Cgroup namespace to use (host|private|container:<name|id>)"),
    text("domainname", "Container NIS domain name"),
    many("group-add", "Add additional groups to join"),
    text("ipc", "IPC mode to use (none|private|shareable|host|container:<name|id>)"),
    text("pid", "PID namespace to use (host|private|container:<name|id>)"),
    text("userns", "User namespace to use (host|auto[:size=N]|map:CONTAINER:HOST:SIZE,...)"),
    text("uts", "UTS namespace to use (host|private|container:<name|id>)"),
)
_MODES = ("", "host", "private")
_WORDS = {"pid": "PID", "uts": "UTS", "cgroupns": "CGROUP", "userns": "USER"}


def given(invocation: Invocation) -> dict[str, Any]:
    """The fields of CreateOptions that these flags set; SpecError in Docker's words for an unknown mode."""
    return {
        **{kind: _mode(kind, invocation.text(kind)) for kind in ("pid", "uts", "cgroupns", "userns")},
        "ipc": invocation.text("ipc"),
        "domainname": invocation.text("domainname"),
        "group_add": invocation.many("group-add"),
        "annotations": _annotations(invocation.many("annotation")),
    }


def _mode(kind: str, mode: str) -> str:
    if kind == "userns":
        valid = mode in {"", "host", "auto"} or mode.startswith(("auto:", "map:"))
    else:
        valid = mode in _MODES or (mode.startswith("container:") and mode != "container:")
    if not valid:
        raise SpecError(f"--{kind}: invalid {_WORDS[kind]} mode")
    return mode


def _annotations(pairs: tuple[str, ...]) -> dict[str, str]:
    annotations = variables.mapping((), pairs)
    if "" in annotations:
        raise SpecError("invalid Annotations: the empty string is not permitted as an annotation key")
    return annotations

"""Owns the instructions of a Dockerfile as values, variables not yet expanded; refuses parsing.

Every field holds what the file says; a plan expands the ones that the reference lists.
"""

from __future__ import annotations

import msgspec

from engine.dockerfile.lines import Heredoc
from engine.dockerfile.words import Pair
from engine.oci.config import HealthCheck


class Instruction(msgspec.Struct, frozen=True, kw_only=True):
    """Base: the text as written (continuations joined) and its first and last line, from 1."""

    original: str
    line: int
    end: int


class From(Instruction, frozen=True, kw_only=True):
    """``FROM [--platform] base [AS stage]``; the stage's name in lower case."""

    base: str
    stage: str = ""
    platform: str = ""


class Run(Instruction, frozen=True, kw_only=True):
    """``RUN``: one string for the shell, or the exec form's arguments."""

    command: tuple[str, ...]
    shell_form: bool
    mounts: tuple[str, ...] = ()
    network: str = ""
    security: str = ""
    heredocs: tuple[Heredoc, ...] = ()


class Cmd(Instruction, frozen=True, kw_only=True):
    """``CMD``."""

    command: tuple[str, ...]
    shell_form: bool


class Entrypoint(Instruction, frozen=True, kw_only=True):
    """``ENTRYPOINT``."""

    command: tuple[str, ...]
    shell_form: bool


class Env(Instruction, frozen=True, kw_only=True):
    """``ENV``."""

    pairs: tuple[Pair, ...]


class Label(Instruction, frozen=True, kw_only=True):
    """``LABEL``."""

    pairs: tuple[Pair, ...]


class ArgDefault(msgspec.Struct, frozen=True):
    """One name of an ARG; ``value`` None where no default is given."""

    name: str
    value: str | None = None


class Arg(Instruction, frozen=True, kw_only=True):
    """``ARG``."""

    arguments: tuple[ArgDefault, ...]


class Copy(Instruction, frozen=True, kw_only=True):
    """``COPY`` and ``ADD`` (``is_add``); ``contents`` are here-documents to be written as files."""

    is_add: bool
    sources: tuple[str, ...]
    destination: str
    contents: tuple[Heredoc, ...] = ()
    source_stage: str = ""
    chown: str = ""
    chmod: str = ""
    link: bool = False
    parents: bool = False
    exclude: tuple[str, ...] = ()
    checksum: str = ""
    keep_git_dir: bool | None = None
    unpack: bool | None = None


class Workdir(Instruction, frozen=True, kw_only=True):
    """``WORKDIR``."""

    path: str


class User(Instruction, frozen=True, kw_only=True):
    """``USER``."""

    user: str


class Volume(Instruction, frozen=True, kw_only=True):
    """``VOLUME``."""

    paths: tuple[str, ...]


class Expose(Instruction, frozen=True, kw_only=True):
    """``EXPOSE``."""

    ports: tuple[str, ...]


class StopSignal(Instruction, frozen=True, kw_only=True):
    """``STOPSIGNAL``."""

    signal: str


class Shell(Instruction, frozen=True, kw_only=True):
    """``SHELL``."""

    command: tuple[str, ...]


class Healthcheck(Instruction, frozen=True, kw_only=True):
    """``HEALTHCHECK``."""

    health: HealthCheck


class Onbuild(Instruction, frozen=True, kw_only=True):
    """``ONBUILD``: ``expression`` is the instruction's text for the images built on this one."""

    expression: str


class Maintainer(Instruction, frozen=True, kw_only=True):
    """``MAINTAINER``."""

    name: str


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """One build stage: its FROM and what follows."""

    base: From
    instructions: tuple[Instruction, ...]


class Dockerfile(msgspec.Struct, frozen=True, kw_only=True):
    """A whole Dockerfile; ``arguments`` are the ARGs before the first FROM."""

    path: str
    escape: str
    syntax: str
    check: str
    arguments: tuple[Arg, ...]
    stages: tuple[Stage, ...]
    text_lines: tuple[str, ...]

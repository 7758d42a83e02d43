"""Owns which stages a build needs and what each stands on; pure. Refuses looking at images.

A stage that neither the target nor what it needs refers to is skipped, with all its steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from engine.dockerfile.expand import expand_word
from engine.dockerfile.instructions import Copy, From, Run, Stage
from engine.dockerfile.lines import syntax_error
from engine.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from engine.build.scope import Globals
    from engine.dockerfile.instructions import Dockerfile, Instruction

SCRATCH = "scratch"


class StageBase(msgspec.Struct, frozen=True, kw_only=True):
    """One needed stage: ``parent`` is an earlier stage's index, else ``image`` (or scratch)."""

    index: int
    name: str
    stage: Stage
    parent: int | None = None
    image: str = ""
    platform: str = ""

    @property
    def shown(self) -> str:
        """The stage's name, or its place."""
        return self.name or f"stage-{self.index}"


def stage_bases(dockerfile: Dockerfile, fixed: Globals) -> tuple[StageBase, ...]:
    """What each stage stands on, the FROM words expanded with the global arguments only."""
    bases: list[StageBase] = []
    names: dict[str, int] = {}
    for index, stage in enumerate(dockerfile.stages):
        base = _expanded(dockerfile, stage.base, stage.base.base, fixed)
        if not base:
            raise _error(
                dockerfile, stage.base, "base name should not be blank", "give the ARG a default value"
            )
        platform = _expanded(dockerfile, stage.base, stage.base.platform, fixed)
        parent = names.get(base.lower())
        bases.append(
            StageBase(
                index=index,
                name=stage.base.stage,
                stage=stage,
                parent=parent,
                image="" if parent is not None else base,
                platform=platform,
            )
        )
        if stage.base.stage:
            names[stage.base.stage] = index
    return tuple(bases)


def target_index(bases: tuple[StageBase, ...], target: str | None) -> int:
    """The stage that ``--target`` means: a name, or a number; the last one without it."""
    if target is None or target == "":
        return len(bases) - 1
    for base in reversed(bases):
        if base.name == target.lower():
            return base.index
    if target.isdecimal() and int(target) < len(bases):
        return int(target)
    known = ", ".join(base.name for base in bases if base.name)
    raise NotFound(
        "build stage",
        target,
        remedy=f"the Dockerfile has {known}" if known else "name a stage with FROM … AS name",
    )


def source_stage(bases: tuple[StageBase, ...], current: int, name: str) -> int | None:
    """The index of the stage that ``--from=name`` means in stage ``current``; None: it is an image."""
    for base in reversed(bases[:current]):
        if base.name and base.name == name.lower():
            return base.index
    if name.isdecimal():
        if int(name) < current:
            return int(name)
        raise InvalidInput("", f"invalid stage index {name}: only earlier stages can be used")
    return None


def needed_stages(bases: tuple[StageBase, ...], target: int) -> tuple[int, ...]:
    """The stages that ``target`` needs, itself included, in the order of the file."""
    needed: set[int] = set()
    open_ = [target]
    while open_:
        index = open_.pop()
        if index in needed:
            continue
        needed.add(index)
        base = bases[index]
        if base.parent is not None:
            open_.append(base.parent)
        for instruction in base.stage.instructions:
            open_.extend(_referred(bases, index, instruction))
    return tuple(sorted(needed))


def image_sources(bases: tuple[StageBase, ...], needed: tuple[int, ...]) -> tuple[str, ...]:
    """The images that needed stages copy from, each once."""
    names: dict[str, None] = {}
    for index in needed:
        for instruction in bases[index].stage.instructions:
            for name in _from_names(instruction):
                if not name.isdecimal() and source_stage(bases, index, name) is None:
                    names[name] = None
    return tuple(names)


def _referred(bases: tuple[StageBase, ...], current: int, instruction: Instruction) -> list[int]:
    found: list[int] = []
    for name in _from_names(instruction):
        try:
            index = source_stage(bases, current, name)
        except InvalidInput:
            continue  # the step itself says so, with its line
        if index is not None:
            found.append(index)
    return found


def _from_names(instruction: Instruction) -> list[str]:
    if isinstance(instruction, Copy):
        return [instruction.source_stage] if instruction.source_stage else []
    if isinstance(instruction, Run):
        options = [option for mount in instruction.mounts for option in mount.split(",")]
        return [option.removeprefix("from=") for option in options if option.startswith("from=")]
    return []


def _expanded(dockerfile: Dockerfile, base: From, word: str, fixed: Globals) -> str:
    try:
        return expand_word(word, fixed.values, fixed.escape)
    except InvalidInput as error:
        raise _error(dockerfile, base, str(error), error.remedy) from error


def _error(dockerfile: Dockerfile, base: From, reason: str, remedy: str) -> InvalidInput:
    return syntax_error(
        dockerfile.path, dockerfile.text_lines, reason, base.line, span_of=base.base, remedy=remedy
    )

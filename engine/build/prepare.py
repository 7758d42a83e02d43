"""Owns what comes before the first step: the scopes, the base images, the plan, the checksums.

Refuses to know registries: what is missing is asked of ``Pull``; what that cannot bring fails the build at
its FROM.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from engine.build.bases import Bases, to_platform
from engine.build.executor import Base
from engine.build.operations import CopyOperation
from engine.build.plan import BuildPlan, build_plan
from engine.build.scope import PROXY_ARGUMENTS, platform_arguments, to_globals
from engine.build.stages import (
    SCRATCH,
    StageBase,
    image_sources,
    needed_stages,
    stage_bases,
    target_index,
)
from engine.dockerfile.instructions import Arg
from engine.dockerfile.lines import syntax_error
from engine.dockerfile.parse import parse_dockerfile
from engine.errors import BuildFailed, EngineError, InvalidInput, NotFound, RegistryError
from engine.oci import platform as platforms

if TYPE_CHECKING:
    from engine.build.context import Context
    from engine.build.scope import Globals
    from engine.build.workbench import Workbench
    from engine.dockerfile.instructions import Dockerfile
    from engine.oci.config import ImageConfig
    from engine.options import BuildOptions


_REMEDY = "tuidock images lists what is there; tuidock image bootstrap, load or build add more"


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A plan with the images that it stands on."""

    plan: BuildPlan
    bases: dict[str, Base]
    unused: tuple[str, ...] = ()
    """Build arguments that were given and that no ARG of the file names."""


async def prepare(options: BuildOptions, context: Context, bases: Bases) -> Prepared:
    """Parse, look the base images up, and plan."""
    dockerfile = parse_dockerfile(context.text, context.shown)
    fixed = _globals(dockerfile, options)
    stages = stage_bases(dockerfile, fixed)
    target = target_index(stages, options.target)
    needed = needed_stages(stages, target)
    configs: dict[str, ImageConfig] = {}
    found: dict[str, Base] = {}
    for stage in (stages[index] for index in needed):
        if stage.parent is None and stage.image != SCRATCH:
            base, config = await _stage_base(dockerfile, stage, bases, options)
            found[stage.image], configs[stage.image] = base, config
        elif stage.platform and not platforms.host().runs(_platform(dockerfile, stage)):
            raise _refused_base(dockerfile, stage, f"it is for {platforms.host()}, not for {stage.platform}")
    plan = build_plan(dockerfile, stages, target, fixed, configs)
    for name in image_sources(stages, needed):
        try:
            found[name], _ = await bases.find(name, options.platform)
        except (NotFound, RegistryError) as error:
            raise _unknown_source(plan, name, error) from error
    return Prepared(plan=plan, bases=found, unused=_unused_arguments(dockerfile, options))


async def _stage_base(
    dockerfile: Dockerfile, stage: StageBase, bases: Bases, options: BuildOptions
) -> tuple[Base, ImageConfig]:
    """What a stage stands on, for the platform that it or the build asks for."""
    wanted = str(_platform(dockerfile, stage)) if stage.platform else options.platform
    try:
        base, config = await bases.find(stage.image, wanted)
    except (NotFound, RegistryError) as error:
        raise _refused_base(dockerfile, stage, str(error), error.remedy) from error
    runs_on = to_platform(config)
    if wanted and not runs_on.runs(platforms.parse(wanted)):
        raise _refused_base(dockerfile, stage, f"it is for {runs_on}, not for {wanted}")
    return base, config


async def context_checksums(
    plan: BuildPlan, context: Context, workbench: Workbench
) -> dict[tuple[int, int], dict[str, str]]:
    """The checksum of what each step copies from the context, or what it misses.

    Steps are named by their stage and their place among its layers.
    """
    wanted: dict[tuple[int, int], tuple[str, ...]] = {}
    for stage in plan.stages:
        for position, step in enumerate(stage.operations):
            operation = step.operation
            if (
                isinstance(operation, CopyOperation)
                and operation.source.kind == "context"
                and operation.sources
            ):
                wanted[stage.index, position] = operation.sources
    if not wanted:
        return {}
    arguments = {
        "context": context.folder,
        "ignore": context.ignore,
        "selections": list(wanted.values()),
    }
    found = await workbench.work("checksums", arguments)
    return dict(zip(wanted, found, strict=True))


def _globals(dockerfile: Dockerfile, options: BuildOptions) -> Globals:
    host = platforms.host()
    target = platforms.parse(options.platform) if options.platform else host
    if not host.runs(target):
        raise InvalidInput(
            "--platform",
            f"this machine is {host} and cannot run {target}",
            remedy="build on a machine of that kind",
        )
    try:
        arguments = platform_arguments(host, target)
        return to_globals(dockerfile.arguments, options.build_args, arguments, dockerfile.escape)
    except InvalidInput as error:
        line = dockerfile.arguments[0].line
        raise syntax_error(dockerfile.path, dockerfile.text_lines, str(error), line) from error


def _unused_arguments(dockerfile: Dockerfile, options: BuildOptions) -> tuple[str, ...]:
    instructions = [*dockerfile.arguments]
    for stage in dockerfile.stages:
        instructions += [one for one in stage.instructions if isinstance(one, Arg)]
    named = {argument.name for instruction in instructions for argument in instruction.arguments}
    platform = platform_arguments(platforms.host(), platforms.host())
    return tuple(sorted(options.build_args.keys() - named - PROXY_ARGUMENTS - platform.keys()))


def _platform(dockerfile: Dockerfile, stage: StageBase) -> platforms.Platform:
    try:
        return platforms.parse(stage.platform)
    except InvalidInput as error:
        line = stage.stage.base.line
        raise syntax_error(dockerfile.path, dockerfile.text_lines, str(error), line) from error


def _refused_base(dockerfile: Dockerfile, stage: StageBase, reason: str, remedy: str = "") -> BuildFailed:
    line = stage.stage.base.line
    return BuildFailed(
        f"{dockerfile.path}:{line}: FROM {stage.image or stage.stage.base.base}: {reason}",
        path=dockerfile.path,
        line=line,
        instruction=stage.stage.base.original,
        remedy="; ".join(filter(None, (remedy, _REMEDY))),
    )


def _unknown_source(plan: BuildPlan, name: str, error: EngineError) -> BuildFailed:
    for stage in plan.stages:
        for step in stage.operations:
            operation = step.operation
            if isinstance(operation, CopyOperation) and operation.source.image == name:
                return BuildFailed(
                    f"{plan.dockerfile.path}:{step.line}: --from={name}: no stage, and no image: {error}",
                    path=plan.dockerfile.path,
                    line=step.line,
                    instruction=step.instruction,
                    remedy="name an earlier stage (FROM … AS name) or an image",
                )
    return BuildFailed(f"no image {name}: {error}", path=plan.dockerfile.path, line=0, instruction="")

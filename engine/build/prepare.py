"""Owns what comes before the first step: the scopes, the base images from the store, the plan, the checksums.

Refuses to pull: a base image is in the store, or the build fails at its FROM.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

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
from engine.errors import BuildFailed, InvalidInput, NotFound
from engine.oci import platform as platforms
from engine.oci.config import ImageConfig, decode_config
from engine.oci.digest import chain_ids
from engine.oci.instant import from_rfc3339

if TYPE_CHECKING:
    from engine.build.context import Context
    from engine.build.scope import Globals
    from engine.build.workbench import Workbench
    from engine.dockerfile.instructions import Dockerfile
    from engine.options import BuildOptions
    from engine.store.image_records import ImageRecords


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A plan with the images that it stands on."""

    plan: BuildPlan
    bases: dict[str, Base]
    unused: tuple[str, ...] = ()
    """Build arguments that were given and that no ARG of the file names."""


def prepare(options: BuildOptions, context: Context, images: ImageRecords) -> Prepared:
    """Parse, look the base images up, and plan."""
    dockerfile = parse_dockerfile(context.text, context.shown)
    fixed = _globals(dockerfile, options)
    stages = stage_bases(dockerfile, fixed)
    target = target_index(stages, options.target)
    needed = needed_stages(stages, target)
    configs: dict[str, ImageConfig] = {}
    bases: dict[str, Base] = {}
    for stage in (stages[index] for index in needed):
        runs_on = platforms.host()
        if stage.parent is None and stage.image != SCRATCH:
            base, config = _base(images, stage.image, options)
            if base is None or config is None:
                reason = "cannot be pulled: no registry is reachable" if options.pull else "not found"
                raise _refused_base(dockerfile, stage, f"image {reason}")
            bases[stage.image], configs[stage.image] = base, config
            runs_on = platforms.Platform(config.os, config.architecture, config.variant)
        if stage.platform and not runs_on.runs(_platform(dockerfile, stage)):
            raise _refused_base(dockerfile, stage, f"it is for {runs_on}, not for {stage.platform}")
    plan = build_plan(dockerfile, stages, target, fixed, configs)
    for name in image_sources(stages, needed):
        base, _ = _base(images, name, options)
        if base is None:
            raise _unknown_source(plan, name)
        bases[name] = base
    return Prepared(plan=plan, bases=bases, unused=_unused_arguments(dockerfile, options))


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


def _base(images: ImageRecords, name: str, options: BuildOptions) -> tuple[Base | None, ImageConfig | None]:
    if options.pull:
        return None, None
    try:
        image_id = images.resolve_id(name)
    except NotFound:
        return None, None
    config = decode_config(images.raw_config(image_id))
    diff_ids = config.rootfs.diff_ids
    base = Base(
        name=name,
        chain_ids=chain_ids(diff_ids),
        diff_ids=diff_ids,
        created=from_rfc3339(config.created),
        architecture=config.architecture,
    )
    return base, config


def _platform(dockerfile: Dockerfile, stage: StageBase) -> platforms.Platform:
    try:
        return platforms.parse(stage.platform)
    except InvalidInput as error:
        line = stage.stage.base.line
        raise syntax_error(dockerfile.path, dockerfile.text_lines, str(error), line) from error


def _refused_base(dockerfile: Dockerfile, stage: StageBase, reason: str) -> BuildFailed:
    line = stage.stage.base.line
    return BuildFailed(
        f"{dockerfile.path}:{line}: FROM {stage.image or stage.stage.base.base}: {reason}",
        path=dockerfile.path,
        line=line,
        instruction=stage.stage.base.original,
        remedy="tuidock images lists what is there; tuidock image bootstrap, load or build add more",
    )


def _unknown_source(plan: BuildPlan, name: str) -> BuildFailed:
    for stage in plan.stages:
        for step in stage.operations:
            operation = step.operation
            if isinstance(operation, CopyOperation) and operation.source.image == name:
                return BuildFailed(
                    f"{plan.dockerfile.path}:{step.line}: --from={name}: neither a stage nor an image here",
                    path=plan.dockerfile.path,
                    line=step.line,
                    instruction=step.instruction,
                    remedy="name an earlier stage (FROM … AS name) or an image that tuidock images lists",
                )
    return BuildFailed(f"no image {name}", path=plan.dockerfile.path, line=0, instruction="")

"""Owns the image document that a build ends with: config, history with times, layers; pure.

Times are those of the steps, also when they were found in the cache: the same build gives the same image id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from engine.oci.config import ImageConfig, RootFS
from engine.oci.instant import to_rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.build.executor import StageResult
    from engine.build.plan import BuildPlan, StagePlan
    from engine.oci.config import History


def image_document(
    plan: BuildPlan, result: StageResult, labels: Mapping[str, str], architecture: str
) -> ImageConfig:
    """The config of the image that the target stage became; ``labels`` come from ``--label``."""
    stage = plan.stage(plan.target)
    created = max((*result.created, result.base_created))
    config = replace(stage.config, labels={**stage.config.labels, **labels})
    return ImageConfig(
        architecture=result.architecture or architecture,
        os="linux",
        rootfs=RootFS(diff_ids=result.diff_ids),
        created=to_rfc3339(created),
        author=stage.author,
        config=config,
        history=_history(plan, stage, result),
    )


def _history(plan: BuildPlan, stage: StagePlan, result: StageResult) -> tuple[History, ...]:
    """The base's rows as they are, then each step's; a config row has the time of the layer below it."""
    family = [stage]
    while family[0].base.parent is not None:
        family.insert(0, plan.stage(family[0].base.parent))
    own = sum(len(one.steps) for one in family)
    inherited = len(stage.history) - own
    rows = list(stage.history[:inherited])
    instants = iter(result.created)
    now = result.base_created
    for row in stage.history[inherited:]:
        if not row.empty_layer:
            now = next(instants)
        rows.append(replace(row, created=to_rfc3339(now)))
    return tuple(rows)

"""Owns the order of a build: stages by their dependencies, steps by their parents, the cache before the work.

Stages come one after another; each waits only for the results that it names, so that independent ones can
run side by side later. Refuses to know how a layer is made.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import msgspec

from engine.build.cache import step_key
from engine.build.layers import ExitError, LayerMaker
from engine.build.made import MadeLayers
from engine.build.operations import CopyOperation, RunOperation
from engine.build.stages import SCRATCH
from engine.build.transfer import missing
from engine.errors import BuildFailed, CommandNotExecutable, CommandNotFound, EngineError
from engine.events import (
    BuildPlanned,
    BuildStep,
    StepFailed,
    StepFinished,
    StepOutput,
    StepStarted,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.build.operations import AnyOperation
    from engine.build.plan import BuildPlan, StagePlan, Step
    from engine.events import Progress
    from engine.store.build_records import BuildRecords, CachedStep

_TAIL = 16384
_TAIL_LINES = 20


class Base(msgspec.Struct, frozen=True, kw_only=True):
    """An image that a stage stands on or copies from: its chain, bottom first."""

    name: str
    chain_ids: tuple[str, ...] = ()
    diff_ids: tuple[str, ...] = ()
    created: int = 0
    architecture: str = ""


class StageResult(msgspec.Struct, frozen=True, kw_only=True):
    """The tree of a finished stage; ``created`` has the instant of each step that made a layer."""

    chain_ids: tuple[str, ...]
    diff_ids: tuple[str, ...]
    created: tuple[int, ...]
    base_created: int
    architecture: str


class Executor:
    """Runs one plan. ``contents`` are checksums of what COPY reads from the context, by step."""

    def __init__(  # noqa: PLR0913 - what a build consists of
        self,
        plan: BuildPlan,
        bases: Mapping[str, Base],
        maker: LayerMaker,
        records: BuildRecords,
        progress: Progress,
        *,
        network: str,
        use_cache: bool,
    ) -> None:
        self._plan = plan
        self._bases = bases
        self._maker = maker
        self._records = records
        self._made = MadeLayers(maker, records)
        self._progress = progress
        self._network = network
        self._use_cache = use_cache
        self._results: dict[int, StageResult] = {}
        self._hits: list[CachedStep] = []
        self._index = 0
        self._tail = b""

    async def run(self, contents: Mapping[tuple[int, int], dict[str, str]]) -> StageResult:
        """Carry the plan out; the result of its target stage."""
        self._progress(BuildPlanned(steps=planned_steps(self._plan), dockerfile=self._plan.dockerfile.path))
        try:
            for stage in self._plan.stages:
                self._results[stage.index] = await self._stage(stage, contents)
        except BaseException:
            # The good steps are kept; if even that fails, what failed first is what people need to read.
            with contextlib.suppress(EngineError):
                await self._made.record()
            raise
        await self._made.record()
        self._records.note_hits(self._hits)
        return self._results[self._plan.target]

    async def _stage(
        self, stage: StagePlan, contents: Mapping[tuple[int, int], dict[str, str]]
    ) -> StageResult:
        result = self._begin(stage)
        for position, step in enumerate(stage.operations):
            cached = await self._step(step, result, contents.get((stage.index, position), {}))
            result = msgspec.structs.replace(
                result,
                chain_ids=(*result.chain_ids, cached.chain_id),
                diff_ids=(*result.diff_ids, cached.diff_id),
                created=(*result.created, cached.created),
            )
        return result

    def _begin(self, stage: StagePlan) -> StageResult:
        self._index += 1
        self._progress(StepStarted(index=self._index))
        if stage.base.parent is not None:
            result = self._results[stage.base.parent]
        else:
            base = Base(name=SCRATCH) if stage.base.image == SCRATCH else self._bases[stage.base.image]
            result = StageResult(
                chain_ids=base.chain_ids,
                diff_ids=base.diff_ids,
                created=(),
                base_created=base.created,
                architecture=base.architecture,
            )
        self._progress(StepFinished(index=self._index, seconds=0.0, cached=True))
        return result

    async def _step(self, step: Step, below: StageResult, content: dict[str, str]) -> CachedStep:
        self._index += 1
        index, begin = self._index, time.monotonic()
        self._progress(StepStarted(index=index))
        try:
            cached, hit = await self._found_or_made(step, below, content, index)
        except EngineError as error:
            seconds = time.monotonic() - begin
            code = error.exit_code if isinstance(error, BuildFailed) else 1
            self._progress(StepFailed(index=index, seconds=seconds, exit_code=code, reason=str(error)))
            raise
        seconds = time.monotonic() - begin
        self._progress(StepFinished(index=index, seconds=seconds, cached=hit, layer=cached.chain_id))
        return cached

    async def _found_or_made(
        self, step: Step, below: StageResult, content: dict[str, str], index: int
    ) -> tuple[CachedStep, bool]:
        operation = step.operation
        assert operation is not None  # noqa: S101 - operations() has no others
        if "missing" in content and isinstance(operation, CopyOperation):
            error = missing(operation, content["missing"])
            raise self._failure(step, str(error), remedy=error.remedy)
        source = self._source_chain(step)
        digest = content.get("digest", "") or (source[-1] if source else "")
        parent = below.chain_ids[-1] if below.chain_ids else ""
        key = step_key(parent, operation, digest, self._network_of(operation))
        found = self._made.find(key) or (self._records.find(key) if self._use_cache else None)
        if found is not None:
            self._hits.append(found)
            return found, True
        self._tail = b""
        try:
            layer = await self._maker.make(
                operation,
                below.chain_ids,
                source,
                lambda stream, output: self._on_output(index, stream, output),
            )
        except ExitError as error:
            raise self._exit_failure(step, error.code) from None
        except (CommandNotFound, CommandNotExecutable) as error:
            code = 127 if isinstance(error, CommandNotFound) else 126
            raise self._failure(step, str(error), code=code, remedy=error.remedy) from error
        except EngineError as error:
            raise self._failure(step, str(error), remedy=error.remedy) from error
        return await self._made.add(key, layer), False

    def _network_of(self, operation: AnyOperation) -> str:
        """What the build's --network makes of a RUN that asks for none of its own."""
        is_default = isinstance(operation, RunOperation) and operation.network == "default"
        return self._network if is_default else ""

    def _source_chain(self, step: Step) -> tuple[str, ...]:
        operation = step.operation
        if not isinstance(operation, CopyOperation) or operation.source.kind == "context":
            return ()
        if operation.source.kind == "stage":
            return self._results[operation.source.stage].chain_ids
        return self._bases[operation.source.image].chain_ids

    def _on_output(self, index: int, stream: str, content: bytes) -> None:
        self._tail = (self._tail + content)[-_TAIL:]
        self._progress(StepOutput(index=index, stream=stream, content=content))

    def _exit_failure(self, step: Step, code: int) -> BuildFailed:
        args = step.operation.args if isinstance(step.operation, RunOperation) else ()
        reason = f'process "{" ".join(args)}" did not complete successfully: exit code: {code}'
        return self._failure(step, reason, code=code)

    def _failure(self, step: Step, reason: str, *, code: int = 1, remedy: str = "") -> BuildFailed:
        path = self._plan.dockerfile.path
        lines = self._tail.decode(errors="replace").splitlines()
        return BuildFailed(
            f"{path}:{step.line}: {reason}",
            path=path,
            line=step.line,
            instruction=step.instruction,
            exit_code=code,
            output=tuple(lines[-_TAIL_LINES:]),
            remedy=remedy,
        )


def planned_steps(plan: BuildPlan) -> tuple[BuildStep, ...]:
    """The rows that are shown, from 1: each stage's FROM and its steps that make layers."""
    rows: list[BuildStep] = []
    several = len(plan.dockerfile.stages) > 1
    for stage in plan.stages:
        total = len(stage.operations) + 1
        prefix = f"{stage.name} " if several or stage.base.name else ""
        shown = [(stage.base.stage.base.original, stage.base.stage.base.line)]
        shown += [(step.instruction, step.line) for step in stage.operations]
        for position, (instruction, line) in enumerate(shown, start=1):
            rows.append(
                BuildStep(
                    index=len(rows) + 1,
                    name=f"[{prefix}{position}/{total}] {' '.join(instruction.split())}",
                    stage=stage.name,
                    line=line,
                    instruction=instruction,
                )
            )
    return tuple(rows)

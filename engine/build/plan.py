"""Owns Dockerfile → plan: needed stages, their steps with every word expanded, and the configs; pure.

The configs of the base images come in as values. Refuses trees, the store and the network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from engine.build.edits import DEFAULT_PATH, edited, environment_of, exposed_ports, in_shell
from engine.build.history import COMMENT, copy_row, healthcheck_row, plain_list, quoted_list, run_row
from engine.build.operations import (
    AnyOperation,
    RunOperation,
    WorkdirOperation,
)
from engine.build.refusals import refuse_unbuilt
from engine.build.scope import Globals, Scope
from engine.build.stages import SCRATCH, StageBase, needed_stages
from engine.build.transfer import copy_operation
from engine.build.words import expanded
from engine.dockerfile.instructions import (
    Arg,
    Cmd,
    Copy,
    Dockerfile,
    Entrypoint,
    Env,
    Expose,
    Healthcheck,
    Instruction,
    Label,
    Maintainer,
    Onbuild,
    Run,
    Shell,
    StopSignal,
    User,
    Volume,
    Workdir,
)
from engine.dockerfile.lines import syntax_error
from engine.dockerfile.parse import parse_instruction
from engine.errors import DockerfileSyntaxError, InvalidInput
from engine.oci.config import ContainerConfig, History, ImageConfig, RootFS

if TYPE_CHECKING:
    from collections.abc import Mapping


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the build: an operation on the tree, or (None) an instruction for the config only."""

    line: int
    instruction: str
    """As the file says it, continuations joined."""
    history: History
    operation: AnyOperation | None = None


class StagePlan(msgspec.Struct, frozen=True, kw_only=True):
    """One needed stage: what it stands on, its steps, and the config that comes out."""

    index: int
    name: str
    base: StageBase
    steps: tuple[Step, ...]
    config: ContainerConfig
    author: str
    history: tuple[History, ...]
    """Of the whole image: the base's rows, then one a step."""
    arguments: dict[str, str | None]
    cmd_is_set: bool = False

    @property
    def operations(self) -> tuple[Step, ...]:
        """The steps that make layers."""
        return tuple(step for step in self.steps if step.operation is not None)


class BuildPlan(msgspec.Struct, frozen=True, kw_only=True):
    """All needed stages in an order in which each comes after those that it uses."""

    dockerfile: Dockerfile
    target: int
    stages: tuple[StagePlan, ...]

    def stage(self, index: int) -> StagePlan:
        """The plan of the stage with this place in the file."""
        return next(stage for stage in self.stages if stage.index == index)


EMPTY_CONFIG = ImageConfig(
    architecture="",
    os="linux",
    rootfs=RootFS(),
    config=ContainerConfig(env=(f"PATH={DEFAULT_PATH}",), working_dir="/"),
)
"""What FROM scratch begins with."""


def build_plan(
    dockerfile: Dockerfile,
    bases: tuple[StageBase, ...],
    target: int,
    fixed: Globals,
    images: Mapping[str, ImageConfig],
) -> BuildPlan:
    """The plan for stage ``target``; ``images`` are the configs of the base images, by FROM's words."""
    stages: dict[int, StagePlan] = {}
    for index in needed_stages(bases, target):
        stages[index] = _Planner(dockerfile, bases, index, fixed, stages, images).plan()
    return BuildPlan(dockerfile=dockerfile, target=target, stages=tuple(stages.values()))


class _Planner:
    """Walks one stage's instructions; its state is what the next instruction sees."""

    def __init__(
        self,
        dockerfile: Dockerfile,
        bases: tuple[StageBase, ...],
        index: int,
        fixed: Globals,
        stages: Mapping[int, StagePlan],
        images: Mapping[str, ImageConfig],
    ) -> None:
        self._dockerfile = dockerfile
        self._bases = bases
        self._index = index
        self._fixed = fixed
        self._base = bases[index]
        self._steps: list[Step] = []
        self._cmd_is_set = False
        if self._base.parent is None:
            image = EMPTY_CONFIG if self._base.image == SCRATCH else images[self._base.image]
            self._config, self._author, self._history = image.config, image.author, image.history
            self._scope = Scope(fixed)
        else:
            parent = stages[self._base.parent]
            self._config, self._author, self._history = parent.config, parent.author, parent.history
            self._scope = Scope(fixed, parent.arguments)

    def plan(self) -> StagePlan:
        triggers = self._config.on_build
        self._config = replace(self._config, on_build=())
        line = self._base.stage.base.line
        for trigger in triggers:
            self._add(parse_instruction(trigger, f"ONBUILD of {self._base.image or self._base.shown}", line))
        for instruction in self._base.stage.instructions:
            self._add(instruction)
        return StagePlan(
            index=self._index,
            name=self._base.shown,
            base=self._base,
            steps=tuple(self._steps),
            config=self._config,
            author=self._author,
            history=(*self._history, *(step.history for step in self._steps)),
            arguments=self._scope.arguments,
            cmd_is_set=self._cmd_is_set,
        )

    def _add(self, instruction: Instruction) -> None:
        try:
            self._steps.append(self._step(instruction))
        except DockerfileSyntaxError:
            raise
        except InvalidInput as error:
            raise syntax_error(
                self._dockerfile.path,
                self._dockerfile.text_lines,
                str(error),
                instruction.line,
                remedy=error.remedy,
            ) from error

    def _step(self, instruction: Instruction) -> Step:
        refuse_unbuilt(instruction)
        if isinstance(instruction, Arg):
            return self._plain(instruction, self._declared(instruction))
        environment = self._scope.environment(self._config.env)
        instruction = expanded(instruction, environment, self._fixed.escape)
        if isinstance(instruction, Run):
            return self._run(instruction)
        if isinstance(instruction, Copy):
            operation = copy_operation(instruction, self._config, self._bases, self._index)
            row = copy_row(
                operation,
                is_add=instruction.is_add,
                destination=instruction.destination,
                link=instruction.link,
            )
            return self._made(instruction, row, operation)
        self._config = edited(self._config, instruction, cmd_is_set=self._cmd_is_set)
        if isinstance(instruction, Workdir):
            return self._workdir(instruction)
        self._cmd_is_set |= isinstance(instruction, Cmd)
        if isinstance(instruction, Maintainer):
            self._author = instruction.name
        return self._plain(instruction, _row(instruction, self._config))

    def _declared(self, instruction: Arg) -> str:
        shown = []
        for argument in instruction.arguments:
            value = self._scope.declare(argument, self._config.env)
            shown.append(argument.name if value is None else f"{argument.name}={value}")
        return f"ARG {' '.join(shown)}"

    def _workdir(self, instruction: Workdir) -> Step:
        path = self._config.working_dir
        if path == "/":
            return self._plain(instruction, f"WORKDIR {path}")
        return self._made(instruction, f"WORKDIR {path}", WorkdirOperation(path=path))

    def _run(self, instruction: Run) -> Step:
        arguments = {
            name: value
            for name, value in self._scope.environment(self._config.env).items()
            if name in self._scope.arguments and self._scope.arguments[name] is not None
        }
        arguments = {name: arguments[name] for name in self._scope.arguments if name in arguments}
        args, script = self._run_command(instruction)
        own = environment_of(self._config.env)
        env = (
            *self._config.env,
            *(f"{name}={value}" for name, value in arguments.items() if name not in own),
        )
        operation = RunOperation(
            args=args,
            env=env,
            cwd=self._config.working_dir or "/",
            user=self._config.user,
            network=instruction.network or "default",
            proxies=tuple(item for item in self._fixed.proxies if item.partition("=")[0] not in arguments),
            script=script,
        )
        return self._made(instruction, run_row(args, arguments), operation)

    def _run_command(self, instruction: Run) -> tuple[tuple[str, ...], str]:
        """The arguments, and the text of a script file that they name."""
        command = instruction.command
        if not instruction.heredocs:
            return (in_shell(self._config, command) if instruction.shell_form else command), ""
        only = instruction.heredocs[0]
        alone = len(instruction.heredocs) == 1 and command[0].strip().lstrip("0").startswith("<<")
        if alone and len(command[0].split()) == 1:
            text = only.text
            if text.startswith("#!"):
                return (f"/dev/pipes/{only.name}",), text
            return in_shell(self._config, (text,)), ""
        bodies = "".join(f"\n{heredoc.content}{heredoc.name}" for heredoc in instruction.heredocs)
        return in_shell(self._config, (command[0] + bodies,)), ""

    def _made(self, instruction: Instruction, row: str, operation: AnyOperation) -> Step:
        return Step(
            line=instruction.line,
            instruction=instruction.original,
            history=History(created_by=row, comment=COMMENT),
            operation=operation,
        )

    def _plain(self, instruction: Instruction, row: str) -> Step:
        return Step(
            line=instruction.line,
            instruction=instruction.original,
            history=History(created_by=row, comment=COMMENT, empty_layer=True),
        )


def _row(instruction: Instruction, config: ContainerConfig) -> str:  # noqa: C901, PLR0911 - one case an instruction
    """The history row of an instruction that changed the config only."""
    match instruction:
        case Env() | Label():
            keyword = "ENV" if isinstance(instruction, Env) else "LABEL"
            return f"{keyword} {' '.join(f'{pair.name}={pair.value}' for pair in instruction.pairs)}"
        case Cmd():
            return f"CMD {quoted_list(config.cmd)}"
        case Entrypoint():
            return f"ENTRYPOINT {quoted_list(config.entrypoint)}"
        case Expose():
            return f"EXPOSE {plain_list(exposed_ports(instruction.ports))}"
        case Volume():
            return f"VOLUME {plain_list(instruction.paths)}"
        case User():
            return f"USER {instruction.user}"
        case StopSignal():
            return f"STOPSIGNAL {instruction.signal}"
        case Shell():
            return f"SHELL {plain_list(instruction.command)}"
        case Healthcheck():
            return healthcheck_row(instruction.health)
        case Onbuild():
            return f"ONBUILD {instruction.expression}"
        case Maintainer():
            return f"MAINTAINER {instruction.name}"
        case _:
            return instruction.original

"""Owns carrying one operation out: prepare its folder in staging, run it, make the change a layer.

A step's tree is made in staging and renamed into the store only when it is complete; what is left there
belongs to the build, which removes it. Refuses the cache and the order of steps.
"""

from __future__ import annotations

import os
import secrets
import time
from typing import TYPE_CHECKING, Any

import msgspec

from engine.build.operations import AnyOperation, CopyOperation, RunOperation
from engine.build.sandbox import HOSTNAME, StepPlace, step_bundle
from engine.runtime.cgroups import read_host
from engine.runtime.initlayer import make_container_folder
from engine.store.layers import Layer

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.build.context import Context
    from engine.paths import Paths
    from engine.runtime.attachment import Attachment, Attachments
    from engine.runtime.launcher import Launcher


class ExitError(Exception):
    """A RUN's process ended with ``code``, which is not 0."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class LayerMaker:
    """Makes the layers of one build below the folder ``staging``."""

    def __init__(
        self,
        paths: Paths,
        launcher: Launcher,
        networks: Attachments,
        staging: str,
        context: Context,
        network: str,
    ) -> None:
        self._paths = paths
        self._launcher = launcher
        self._networks = networks
        self._staging = staging
        self._context = context
        self._network = network
        self._count = 0
        self._build_id = secrets.token_hex(32)
        self._attachments: dict[str, Attachment] = {}

    async def make(
        self,
        operation: AnyOperation,
        chain_ids: tuple[str, ...],
        source_chain: tuple[str, ...],
        on_output: Callable[[str, bytes], None],
    ) -> Layer:
        """Carry ``operation`` out on the layers ``chain_ids`` (bottom first); the new layer is in place.

        ``source_chain`` are the layers of the stage or image that COPY reads. Raises ExitError.
        """
        folder = f"{self._staging}/{self._count}"
        self._count += 1
        lower = self._trees(chain_ids)
        make_container_folder(folder, lower)
        parent = chain_ids[-1] if chain_ids else None
        if isinstance(operation, RunOperation):
            committed = await self._run(operation, folder, lower, parent, on_output)
        else:
            committed = await self._change(operation, folder, lower, parent, source_chain)
        return Layer(
            chain_id=committed["chain_id"],
            parent=parent,
            diff_id=committed["diff_id"],
            size=committed["size"],
            created=time.time_ns(),
        )

    async def release(self) -> None:
        """Give the network back what steps had of it."""
        if self._attachments:
            await self._networks.release(self._build_id)

    async def _run(
        self,
        operation: RunOperation,
        folder: str,
        lower: tuple[str, ...],
        parent: str | None,
        on_output: Callable[[str, bytes], None],
    ) -> dict[str, Any]:
        place = await self._place(operation, folder, lower)
        code = await self._launcher.run_step(step_bundle(operation, place), on_output)
        if code:
            raise ExitError(code)
        wanted = {"tree": f"{folder}/upper", "layers": self._paths.layers, "parent": parent}
        committed: dict[str, Any] = await self._launcher.work("engine.layer.commit:commit", wanted)
        return committed

    async def _change(
        self,
        operation: AnyOperation,
        folder: str,
        lower: tuple[str, ...],
        parent: str | None,
        source_chain: tuple[str, ...],
    ) -> dict[str, Any]:
        arguments: dict[str, object] = {
            "operation": msgspec.to_builtins(operation),
            "lower": lower,
            "upper": f"{folder}/upper",
            "work": f"{folder}/work",
            "layers": self._paths.layers,
            "parent": parent,
        }
        call = "engine.build.steps:workdir_step"
        if isinstance(operation, CopyOperation):
            call = "engine.build.steps:copy_step"
            arguments |= {"context": self._context.folder, "ignore": self._context.ignore}
            if operation.source.kind != "context":
                arguments["source_trees"] = self._trees(source_chain)
                arguments["source_mount"] = self._source_mount(folder)
        committed: dict[str, Any] = await self._launcher.work(call, arguments)
        return committed

    def _source_mount(self, folder: str) -> tuple[str, str]:
        made = (f"{folder}/source", f"{folder}/source-work")
        for path in made:
            os.mkdir(path, 0o755)
        return made

    def _trees(self, chain_ids: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(self._paths.layer(chain_id) for chain_id in reversed(chain_ids))

    async def _place(self, operation: RunOperation, folder: str, lower: tuple[str, ...]) -> StepPlace:
        network = self._network if operation.network == "default" else operation.network
        attachment = await self._attachment(network)
        files = {
            "/etc/hosts": _write(f"{folder}/hosts", attachment.hosts),
            "/etc/resolv.conf": _write(f"{folder}/resolv.conf", attachment.resolv_conf),
        }
        if operation.script:
            script = _write(f"{folder}/script", operation.script)
            os.chmod(script, 0o755)  # noqa: S103 - any user of the image may execute it
        return StepPlace(
            step_id=secrets.token_hex(32),
            folder=folder,
            lower=lower,
            files=files,
            network=attachment.bundle,
            new_network=network != "host",
            cgroups=read_host(),
        )

    async def _attachment(self, network: str) -> Attachment:
        """The build's place in ``network``: one address for all its steps, as they run one by one."""
        if network not in self._attachments:
            self._attachments[network] = await self._networks.attach(
                self._build_id, f"build {self._build_id[:12]}", network, (), hostname=HOSTNAME
            )
        return self._attachments[network]


def _write(path: str, text: str) -> str:
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
    return path

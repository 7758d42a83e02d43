"""Owns carrying one operation out: prepare its folder in staging, run it, make the change a layer.

A step's tree is made in staging and renamed into the store only when it is complete; what is left there
belongs to the build, which removes it. Refuses the cache and the order of steps.

What only a step that runs needs is imported then: a build that finds everything in the cache is over sooner.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import msgspec

from engine.build.operations import AnyOperation, CopyOperation, RunOperation
from engine.store.layers import Layer

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.build.context import Context
    from engine.build.sandbox import StepPlace
    from engine.build.workbench import Workbench
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

    def __init__(  # noqa: PLR0913, PLR0917 - what a build has at hand
        self,
        paths: Paths,
        launcher: Launcher,
        networks: Callable[[], Attachments],
        staging: str,
        context: Context,
        workbench: Workbench,
        network: str,
    ) -> None:
        self._paths = paths
        self._launcher = launcher
        self._networks = networks
        self._staging = staging
        self._context = context
        self._workbench = workbench
        self._network = network
        self._count = 0

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
        from engine.runtime.initlayer import make_container_folder

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

    async def settle(self) -> None:
        """Make all layers so far survive a power cut: to be done before they are recorded."""
        await self._workbench.work("sync", {"layers": self._paths.layers})

    async def _run(
        self,
        operation: RunOperation,
        folder: str,
        lower: tuple[str, ...],
        parent: str | None,
        on_output: Callable[[str, bytes], None],
    ) -> dict[str, Any]:
        from engine.build.sandbox import HOSTNAME, step_bundle
        from engine.runtime.attachment import AttachmentRequest

        step_id = os.urandom(32).hex()
        networks = self._networks()
        attachment = await networks.attach(
            AttachmentRequest(
                owner=step_id,
                name=f"build step {step_id[:12]}",
                network=self._network_of(operation),
                hostname=HOSTNAME,
                found=False,
            )
        )
        try:
            place = self._place(operation, folder, lower, step_id, attachment)
            place = msgspec.structs.replace(place, seccomp=await self._seccomp())
            await self._workbench.start()
            code = await self._launcher.run_step(step_bundle(operation, place), on_output)
        finally:
            await networks.release(step_id)
        if code:
            raise ExitError(code)
        wanted = {"tree": f"{folder}/upper", "layers": self._paths.layers, "parent": parent, "sync": False}
        committed: dict[str, Any] = await self._workbench.work("commit", wanted)
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
            "sync": False,
        }
        call = "workdir"
        if isinstance(operation, CopyOperation):
            call = "copy"
            arguments |= {"context": self._context.folder, "ignore": self._context.ignore}
            if operation.source.kind != "context":
                arguments["source_trees"] = self._trees(source_chain)
                arguments["source_mount"] = self._source_mount(folder)
        committed: dict[str, Any] = await self._workbench.work(call, arguments)
        return committed

    def _source_mount(self, folder: str) -> tuple[str, str]:
        made = (f"{folder}/source", f"{folder}/source-work")
        for path in made:
            os.mkdir(path, 0o755)
        return made

    def _trees(self, chain_ids: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(self._paths.layer(chain_id) for chain_id in reversed(chain_ids))

    def _network_of(self, operation: RunOperation) -> str:
        return self._network if operation.network == "default" else operation.network

    async def _seccomp(self) -> dict[str, Any] | None:
        """The default filter, as Docker's builds have it."""
        from engine.runtime.capabilities import DEFAULT
        from engine.runtime.seccomp import seccomp_filter

        return await seccomp_filter(self._paths, self._launcher, "", DEFAULT)

    def _place(
        self,
        operation: RunOperation,
        folder: str,
        lower: tuple[str, ...],
        step_id: str,
        attachment: Attachment,
    ) -> StepPlace:
        from engine.build.sandbox import StepPlace
        from engine.runtime.cgroups import read_host

        files = {
            "/etc/hosts": _write(f"{folder}/hosts", attachment.hosts),
            "/etc/resolv.conf": _write(f"{folder}/resolv.conf", attachment.resolv_conf),
        }
        if operation.script:
            script = _write(f"{folder}/script", operation.script)
            os.chmod(script, 0o755)  # noqa: S103 - any user of the image may execute it
        return StepPlace(
            step_id=step_id,
            folder=folder,
            lower=lower,
            files=files,
            network=attachment.bundle,
            new_network=self._network_of(operation) != "host",
            cgroups=read_host(),
        )


def _write(path: str, text: str) -> str:
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
    return path

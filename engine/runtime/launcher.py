"""Owns the way from the event loop to forked processes: asks the spawner and speaks to its children.

Refuses to fork, and to know what a worker does or what a bundle means.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from typing import TYPE_CHECKING, Any, Self

import msgspec

from engine import errors, loop
from engine.runtime.frames import Frames
from engine.runtime.session import Session, to_error
from engine.shim import wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_PROGRAM = "import sys; sys.path[:0] = [sys.argv[1]]; from engine.shim.spawner import main; main(3)"


class Launcher:
    """The client of one spawner; ``spawner`` is its socket's descriptor, None: it is started when asked."""

    def __init__(self, spawner: int | None) -> None:
        self._spawner = None if spawner is None else socket.socket(fileno=spawner)
        self._pid = 0

    @classmethod
    def open(cls, spawner: int | None = None) -> Self:
        """A launcher on ``spawner`` (from ``fork_spawner``), or on one that is started now."""
        launcher = cls(spawner)
        if spawner is None:
            launcher._started()
        return launcher

    def close(self) -> None:
        """End the spawner and the workers; supervisors and sessions go on."""
        if self._spawner is not None:
            self._spawner.close()
        self._reap()

    async def work(
        self,
        call: str,
        arguments: Mapping[str, object],
        fds: Iterable[int] = (),
        on_report: Callable[[Any], None] | None = None,
    ) -> Any:
        """Run ``call`` ("package.module:function") in a worker process; returns its JSON result.

        The function gets ``arguments`` and duplicates of ``fds``. Its engine errors are raised here as
        themselves; ``on_report`` gets what it passes to ``engine.shim.worker.report``. When the calling
        task is cancelled the worker is killed, and has died when the cancellation is raised.
        """
        body = {"call": call, "arguments": arguments, "sys_path": sys.path}
        frames = self._request("work", body, fds)
        try:
            while True:
                frame = await frames.read()
                if frame is None:
                    raise errors.RuntimeFailure("worker", path=call, reason="it died before it had finished")
                kind, content = frame
                if kind == wire.RESULT:
                    return msgspec.json.decode(content)
                if kind == wire.ERROR:
                    raise to_error(content)
                if kind == wire.REPORT and on_report is not None:
                    on_report(msgspec.json.decode(content))
        finally:
            await frames.finish()

    async def session(
        self, argv: Sequence[str], env: Mapping[str, str], cwd: str, procs: Iterable[str] = ()
    ) -> tuple[int, int]:
        """Start ``argv`` in a session of its own; returns its pid and start time.

        It joins the cgroups whose ``cgroup.procs`` files are ``procs`` first, and outlives this process.
        """
        body = {"argv": argv, "env": env, "cwd": cwd, "procs": list(procs)}
        result = await self._result("session", body)
        return result["pid"], result["start_time"]

    async def supervise(
        self,
        bundle: Mapping[str, Any],
        *,
        attach: bool = False,
        stdin: bool = False,
        size: tuple[int, int] | None = None,
    ) -> Session | None:
        """Start the container that ``bundle`` describes, under a supervisor of its own.

        Returns when the container's command has been executed: with a session that was attached before
        the start if ``attach``, else None. Raises RuntimeFailure (CommandNotFound, CommandNotExecutable),
        NetworkFailure for a port in use, Conflict if it runs already; nothing is left behind then.
        """
        request = {"bundle": bundle, "attach": attach, "stdin": stdin, "size": size}
        frames = self._request("supervise", request)
        if attach:
            await loop.begin()  # who attends will want it: it is imported while the supervisor is at work
        try:
            await _until_ready(frames)
        except BaseException:
            frames.close()
            raise
        if not attach:
            await frames.finish()
            return None
        return Session(frames, tty=bool(bundle.get("tty")))

    async def run_step(self, bundle: Mapping[str, Any], on_output: Callable[[str, bytes], None]) -> int:
        """Run a build step's process to its end: ``on_output(stream, bytes)``; returns the exit code.

        Everything in it is dead, and its root unmounted, when this returns or raises.
        """
        request = {"bundle": {**bundle, "step": True}, "attach": True, "stdin": False, "size": None}
        frames = self._request("supervise", request)
        try:
            await _until_ready(frames)
            session = Session(frames, tty=bool(bundle.get("tty")))
            while (chunk := await session.read()) is not None:
                on_output(*chunk)
            return await session.wait()
        finally:
            await frames.finish()

    async def _result(self, name: str, body: Mapping[str, object]) -> Any:
        frames = self._request(name, body)
        try:
            frame = await frames.read()
        finally:
            await frames.finish()
        if frame is None:
            raise errors.RuntimeFailure(name, reason="the process died before it had answered")
        kind, content = frame
        if kind == wire.ERROR:
            raise to_error(content)
        return msgspec.json.decode(content)

    def _request(self, name: str, body: Mapping[str, object], fds: Iterable[int] = ()) -> Frames:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        memory = os.memfd_create("request", os.MFD_CLOEXEC)
        try:
            os.write(memory, msgspec.json.encode(body))
            descriptors = [memory, theirs.fileno(), *fds]
            try:
                socket.send_fds(self._spawner or self._started(), [name.encode()], descriptors)
            except (BrokenPipeError, ConnectionResetError):
                # It was killed: what it started may live on, so a new one takes its place.
                self.close()
                socket.send_fds(self._started(), [name.encode()], descriptors)
        except BaseException:
            ours.close()
            raise
        finally:
            os.close(memory)
            theirs.close()
        return Frames(ours)

    def _started(self) -> socket.socket:
        self._spawner, self._pid = _start_spawner()
        return self._spawner

    def _reap(self) -> None:
        if self._pid:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self._pid, 0)
            self._pid = 0


async def _until_ready(frames: Frames) -> None:
    frame = await frames.read()
    if frame is None:
        raise errors.RuntimeFailure("supervisor", reason="it died before the container had started")
    kind, content = frame
    if kind == wire.ERROR:
        await frames.finish()
        raise to_error(content)


def _start_spawner() -> tuple[socket.socket, int]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-I", "-S", "-c", _PROGRAM, _ROOT],
            {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"},
            file_actions=[(os.POSIX_SPAWN_DUP2, theirs.fileno(), 3)],
        )
    return ours, pid

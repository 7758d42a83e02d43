"""Owns one exec session: a fork of the supervisor that starts a process in the container, for one client.

Refuses to write logs, and to outlive the supervisor.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
from functools import partial

from engine.shim import linux, peers, sandbox, terminal, wire
from engine.shim.loop import HIGH, IN, READ_SIZE, Client, Input, Loop
from engine.shim.pipes import open_pipes
from engine.shim.refusal import Refusal, Stage

_CONTROLS = frozenset({"version", "op", "tty", "size", "stdin", "detach"})


def serve(bundle: dict, request: dict, pidfd: int, connection: socket.socket) -> None:  # type: ignore[type-arg]
    """Execute what ``request`` asks for beside the container's init ``pidfd``; does not return.

    Answers RESULT {"pid", "tty"} once the command is executed, or ERROR; then frames both ways, at last EXIT.
    """
    stage = Stage("exec")
    try:
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        linux.set_process_name("tuidock-exec")
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        keep = sorted((pidfd, connection.fileno()))
        os.closerange(3, keep[0])
        os.closerange(keep[0] + 1, keep[1])
        os.closerange(keep[1] + 1, 1 << 20)
        execution = Execution(bundle, request, pidfd, connection)
        execution.start(stage)
    except BaseException as error:
        connection.setblocking(True)
        try:
            connection.sendall(wire.pack(wire.ERROR, json.dumps(_explain(bundle, stage, error)).encode()))
        except OSError:
            pass
        os._exit(1)
    execution.run()
    os._exit(0)


def _explain(bundle: dict, stage: Stage, error: BaseException) -> dict[str, object]:  # type: ignore[type-arg]
    """The body of the ERROR frame; a namespace that is gone means that the container is."""
    body = stage.explain(error)
    fields = body["fields"]
    if isinstance(fields, dict) and fields.get("syscall") == "setns" and fields.get("errno_") == errno.ESRCH:
        name = bundle.get("name") or bundle["id"]
        return wire.failure(
            "Conflict", kind="container", name=name, reason=f"container {name} is not running"
        )
    return body


class Execution:
    """One process in the container and its client."""

    def __init__(self, bundle: dict, request: dict, pidfd: int, connection: socket.socket) -> None:  # type: ignore[type-arg]
        self._bundle = bundle
        self._request = request
        self._init = pidfd
        self._loop = Loop()
        self._client = Client(self._loop, connection)
        self._outputs: dict[int, int] = {}
        self._input = -1
        self._terminal = -1
        self._slave = -1
        self._pid = 0
        self._over = False
        self._writer = Input(self._loop, -1)

    def start(self, stage: Stage) -> None:
        """Start the process; returns when it has been executed."""
        tty = bool(self._request.get("tty"))
        defaults = self._bundle.get("exec_defaults") or {}
        asked = {
            name: value
            for name, value in self._request.items()
            if name not in _CONTROLS and value is not None
        }
        wanted = {**defaults, **asked, "tty": tty, "init": False}
        streams: list[int] = []
        if not tty:
            stdin = bool(self._request.get("stdin")) and not self._request.get("detach")
            streams, self._input, self._outputs = open_pipes(stdin=stdin)
        if self._bundle.get("userns"):
            from engine.shim import userns  # imported already by the supervisor that forked us

            userns.give_streams(self._bundle, streams)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if "pid" in peers.names_of(self._bundle):
            stage("joining the container's processes")
            linux.setns(self._init, linux.CLONE_NEWPID)
        self._pid = os.fork()
        if self._pid == 0:
            ours.close()
            sandbox.join(self._bundle, wanted, self._init, theirs, streams, self._request.get("size"))
        theirs.close()
        for fd in streams:
            os.close(fd)
        with ours:
            self._follow(ours)

    def _follow(self, channel: socket.socket) -> None:
        while True:
            packet, descriptors, _, _ = socket.recv_fds(channel, 65536, 4, socket.MSG_CMSG_CLOEXEC)
            if not packet:
                return
            message = json.loads(packet)
            if message["at"] == "failed":
                os.waitpid(self._pid, 0)  # the container's end waits until each of its processes is reaped
                raise Refusal(message["error"])
            self._terminal, self._slave = descriptors
            os.set_blocking(self._terminal, False)
            self._outputs[self._terminal] = 1
            if self._request.get("stdin"):
                self._input = os.dup(self._terminal)

    def run(self) -> None:
        """Serve the client until the process is over; without a client its output is dropped."""
        client, loop = self._client, self._loop
        self._writer = Input(loop, self._input)
        client.on_frame, client.on_drained = self._on_frame, self._on_drained
        client.send(
            wire.RESULT, json.dumps({"pid": self._pid, "tty": bool(self._request.get("tty"))}).encode()
        )
        if self._request.get("detach"):
            client.close()
        for fd in self._outputs:
            loop.watch(fd, IN, partial(self._on_output, fd))
        pidfd = os.pidfd_open(self._pid)
        loop.watch(pidfd, IN, self._on_exit)
        while not self._over:
            loop.turn()
        loop.forget(pidfd)
        for fd in list(self._outputs):
            while self._on_output(fd):
                pass
            loop.forget(fd)
        _, status = os.waitpid(self._pid, 0)
        code = os.waitstatus_to_exitcode(status)
        client.send(wire.EXIT, json.dumps({"exit_code": code if code >= 0 else 128 - code}).encode())
        while client.pending and not client.closed:
            loop.turn()

    def _on_exit(self, _events: int) -> None:
        self._over = True

    def _on_output(self, fd: int, _events: int = 0) -> bool:
        """Pass one read on; False when nothing more is there now."""
        try:
            content = os.read(fd, READ_SIZE)
        except BlockingIOError:
            return False
        except OSError:
            content = b""
        if not content:
            self._loop.forget(fd)
            self._outputs.pop(fd, None)
            return False
        self._client.send(wire.STDOUT if self._outputs[fd] == 1 else wire.STDERR, content)
        if self._client.pending > HIGH and not self._client.closed and not self._over:
            for output in self._outputs:
                self._loop.forget(output)
        return True

    def _on_drained(self, _client: Client) -> None:
        if not self._over:
            for fd in self._outputs:
                self._loop.watch(fd, IN, partial(self._on_output, fd))

    def _on_frame(self, client: Client, kind: int, body: bytes) -> None:
        if kind == wire.STDIN and self._request.get("stdin"):
            if not self._writer.write(body):
                client.listen(wanted=False)
                self._writer.when_drained(lambda: client.listen(wanted=True))
        elif kind == wire.STDIN_END and not self._request.get("tty"):
            self._writer.end()
        elif kind == wire.RESIZE and self._terminal >= 0:
            terminal.resize(self._terminal, json.loads(body))
        elif kind == wire.DETACHED:
            client.close()

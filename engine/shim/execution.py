"""Owns one exec session: a fork of the supervisor that starts a process in the container, and its clients.

The process outlives who has asked for it: what it writes then is kept in memory, for who joins the session
later, see ``engine.shim.executions``. Refuses to write logs, and to outlive the supervisor.
"""

from __future__ import annotations

import errno
import os

from engine.shim import json_text, linux, peers, sandbox, signals, sockets, state, terminal, wire
from engine.shim.loop import IN, READ_SIZE, Client, Input, Loop
from engine.shim.output import KINDS, SCROLLBACK, Output
from engine.shim.pipes import give_streams, open_pipes
from engine.shim.refusal import Refusal, Stage
from engine.shim.scrollback import Scrollback

_CONTROLS = frozenset({"version", "op", "exec_id", "tty", "size", "stdin", "detach"})


def serve(
    bundle: dict,  # type: ignore[type-arg]
    request: dict,  # type: ignore[type-arg]
    pidfd: int,
    connection: sockets.Socket,
    channel: sockets.Socket,
) -> None:
    """Execute what ``request`` asks for beside the container's init ``pidfd``; does not return.

    Answers RESULT {"pid", "tty", "exec_id"} once the command is executed, or ERROR; then frames both ways, at
    last EXIT. ``channel`` leads to the supervisor.
    """
    stage = Stage("exec")
    try:
        linux.prctl(linux.PR_SET_PDEATHSIG, signals.SIGKILL)
        linux.set_process_name("tuidock-exec")
        signals.signal(signals.SIGTERM, signals.SIG_DFL)
        signals.signal(signals.SIGHUP, signals.SIG_IGN)
        keep = sorted((2, pidfd, connection.fileno(), channel.fileno(), 1 << 20))
        for place, number in enumerate(keep[1:]):
            os.closerange(keep[place] + 1, number)
        execution = Execution(bundle, request, pidfd, connection, channel)
        execution.start(stage)
    except BaseException as error:
        connection.setblocking(True)
        try:
            connection.sendall(
                wire.pack(wire.ERROR, json_text.dumps(_explain(bundle, stage, error)).encode())
            )
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
    """One process in the container and its clients."""

    def __init__(
        self,
        bundle: dict,  # type: ignore[type-arg]
        request: dict,  # type: ignore[type-arg]
        pidfd: int,
        connection: sockets.Socket,
        channel: sockets.Socket,
    ) -> None:
        self._bundle = bundle
        self._request = request
        self._init = pidfd
        self._channel = channel
        self._loop = Loop()
        self._first = Client(self._loop, connection)
        self._clients: list[Client] = []
        kept = Scrollback(SCROLLBACK, "any" if request.get("tty") else "all")
        self._output = Output(self._loop, kept)
        self._outputs: dict[int, int] = {}
        self._input = -1
        self._terminal = -1
        self._slave = -1
        self._pid = 0
        self._over = False
        self._body = b""
        """Of EXIT, once the process has ended."""
        self._handed_over = True
        """Whether the supervisor may have handed over clients that are not taken yet."""
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
        give_streams(self._bundle, streams)
        ours, theirs = sockets.socketpair(sockets.AF_UNIX, sockets.SOCK_SEQPACKET)
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

    def _follow(self, channel: sockets.Socket) -> None:
        while True:
            packet, descriptors, _, _ = sockets.recv_fds(channel, 65536, 4, sockets.MSG_CMSG_CLOEXEC)
            if not packet:
                return
            message = json_text.loads(packet)
            if message["at"] == "failed":
                os.waitpid(self._pid, 0)  # the container's end waits until each of its processes is reaped
                raise Refusal(message["error"])
            self._terminal, self._slave = descriptors
            os.set_blocking(self._terminal, False)
            self._outputs[self._terminal] = 1
            if self._request.get("stdin"):
                self._input = os.dup(self._terminal)

    def run(self) -> None:
        """Serve the clients until the process is over, and until they have read the rest."""
        loop, output = self._loop, self._output
        self._writer = Input(loop, self._input)
        self._say(pid=self._pid)
        self._tell(f"exec_start: {' '.join(self._request['args'])}")
        if self._request.get("detach"):
            self._first.send(wire.RESULT, self._answer())
            self._first.close()
        else:
            self._attach(self._first, self._request)
        output.take(self._outputs, self._terminal)
        loop.watch(self._channel.fileno(), IN, self._on_client)
        pidfd = os.pidfd_open(self._pid)
        loop.watch(pidfd, IN, self._on_exit)
        while not self._over:
            loop.turn()
        loop.forget(pidfd)
        output.drain()
        _, status = os.waitpid(self._pid, 0)
        code = os.waitstatus_to_exitcode(status)
        self._finish(code if code >= 0 else 128 - code)

    def _finish(self, code: int) -> None:
        kept = "" if self._clients else self._keep()
        self._say(exit_code=code, kept=kept)
        # Who was handed over before this is served here, who comes later is told by the supervisor.
        self._channel.shutdown(sockets.SHUT_RD)
        self._body = json_text.dumps({"exit_code": code}).encode()
        for client in tuple(self._clients):
            self._bid_farewell(client)
        while self._handed_over or any(
            client.pending or self._output.lags(client) for client in self._clients
        ):
            self._loop.turn()

    def _bid_farewell(self, client: Client) -> None:
        client.on_drained = self._end
        self._end(client)

    def _end(self, client: Client) -> None:
        """The rest of the output, then EXIT."""
        self._output.feed(client)
        if client.waits and not self._output.lags(client):
            client.waits = False
            client.send(wire.EXIT, self._body)

    def _keep(self) -> str:
        """Nobody was there to see the end: what is held goes to a file, as frames; its path."""
        cursor, kept = self._output.since(replay=True), []
        while cursor < self._output.end:
            cursor, chunks = self._output.kept.read(cursor, READ_SIZE)
            kept += [wire.pack(KINDS[stream], content) for stream, content in chunks]
        path = f"{self._bundle['run_dir']}/exec-{os.urandom(6).hex()}"
        try:
            with open(path, "xb", opener=_private) as file:
                file.writelines(kept)
        except OSError:
            return ""  # the container has ended, and its run folder is gone
        return path

    def _on_exit(self, _events: int) -> None:
        self._over = True

    # -- clients -----------------------------------------------------------------------------------
    def _on_client(self, _events: int) -> None:
        """The supervisor hands one over, with its request."""
        packet, descriptors, _, _ = sockets.recv_fds(self._channel, 65536, 4, sockets.MSG_CMSG_CLOEXEC)
        if not packet:
            self._loop.forget(self._channel.fileno())
            self._handed_over = False
            return
        request = json_text.loads(packet)
        for descriptor in descriptors:
            client = Client(self._loop, sockets.Socket(fileno=descriptor))
            if request.get("size") and self._terminal >= 0:
                terminal.resize(self._terminal, request["size"])
            self._attach(client, request)
            if self._body:
                self._bid_farewell(client)

    def _attach(self, client: Client, request: dict) -> None:  # type: ignore[type-arg]
        client.on_frame, client.on_drained = self._on_frame, self._output.feed
        client.on_gone = self._on_gone
        client.input, client.waits = bool(request.get("stdin")), True
        self._clients.append(client)
        self._say(clients=len(self._clients))
        client.send(wire.RESULT, self._answer())
        self._output.attach(client, self._output.since(request.get("replay")))

    def _answer(self) -> bytes:
        told = {
            "pid": self._pid,
            "tty": bool(self._request.get("tty")),
            "exec_id": self._request.get("exec_id"),
        }
        return json_text.dumps(told).encode()

    def _on_frame(self, client: Client, kind: int, body: bytes) -> None:
        if kind == wire.STDIN and client.input:
            if not self._writer.write(body):
                client.listen(wanted=False)
                self._writer.when_drained(self._listen_again)
        elif kind == wire.STDIN_END:
            self._end_input(client)
        elif kind == wire.RESIZE and self._terminal >= 0:
            terminal.resize(self._terminal, json_text.loads(body))
        elif kind == wire.DETACHED:
            client.close()
            self._forget(client)
            self._tell("exec_detach")

    def _listen_again(self) -> None:
        for client in self._clients:
            client.listen(wanted=True)

    def _on_gone(self, client: Client) -> None:
        """As Docker: the process stays; without a terminal its input ends with who has typed into it."""
        self._end_input(client)
        self._forget(client)

    def _forget(self, client: Client) -> None:
        if client in self._clients:
            self._clients.remove(client)
            self._output.detach(client)
            self._say(clients=len(self._clients))

    def _end_input(self, client: Client) -> None:
        had, client.input = client.input, False
        if had and self._terminal < 0 and not any(other.input for other in self._clients):
            self._writer.end()

    # -- words -------------------------------------------------------------------------------------
    def _say(self, **facts: object) -> None:
        """To the supervisor; it is gone if it does not listen."""
        try:
            self._channel.send(json_text.dumps(facts).encode())
        except OSError:
            pass

    def _tell(self, action: str) -> None:
        try:
            state.append_event(self._bundle, action, execID=str(self._request.get("exec_id")))
        except OSError:
            pass  # a full disk


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)

"""Owns the process above one container: its output, its clients, its end; outlives whoever asked for it.

Single-threaded. It has imported all it needs before it reports READY, is in a session of its own, has left
its caller's cgroup, and holds the container's lock while the container lives. A build step has no log, and
dies with its one client. Refuses to interpret what passes through.
"""

from __future__ import annotations

import os

from engine.shim import cgroup, json_text, linux, rewiring, signals, sockets, state, terminal, wire, worker
from engine.shim.container import Container
from engine.shim.executions import Executions
from engine.shim.loop import IN, Client, Input, Loop
from engine.shim.output import Output, kept
from engine.shim.refusal import Refusal, refuse
from engine.shim.runs import Runs

_REST_SECONDS = 1.0
"""Until clients are taken again after there was no descriptor for one."""


def main(descriptors: list[int]) -> None:
    """Become the supervisor that a ``supervise`` request asks for; does not return."""
    body_fd, answer = descriptors[:2]
    os.setsid()
    request = worker.read_body(body_fd)
    os.closerange(3, answer)
    os.closerange(answer + 1, 1 << 20)
    linux.prctl(linux.PR_SET_DUMPABLE, 0)
    linux.set_process_name("tuidock-superv")
    connection = sockets.Socket(fileno=answer)
    bundle: dict = request["bundle"]  # type: ignore[type-arg, assignment]
    if request.get("size"):
        bundle["size"] = request["size"]
    container = Container(bundle)
    try:
        container.claim()
        supervisor = Supervisor(container)
        container.start(answer)
    except BaseException as error:
        body = json_text.dumps(container.stage.explain(error)).encode()
        container.undo()
        try:
            connection.sendall(wire.pack(wire.ERROR, body))
        except OSError:
            pass
        container.network.leave()
        os._exit(1)
    try:
        supervisor.run(connection, attach=bool(request.get("attach")), stdin=bool(request.get("stdin")))
    finally:
        os._exit(0)


class Supervisor:
    """The loop around one running container."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self._bundle = container.bundle
        self._loop = Loop()
        self._output = Output(self._loop, kept(container.bundle, container.stage))
        self._runs = Runs(self._loop, container)
        self._runs.on_begin, self._runs.on_end, self._runs.on_rest = self._begin, self._on_end, self._part
        self._first = self._output.end
        self._input = Input(self._loop, -1)
        self._clients: list[Client] = []
        self._executions = Executions(self._loop, self._bundle)
        self._paused = False
        self._pauser: Client | None = None
        self._sought = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def run(self, connection: sockets.Socket, *, attach: bool, stdin: bool) -> None:
        """Report READY on ``connection``, serve until init has ended, clean up, let clients read the rest."""
        self._loop.watch(self._sought, IN, self._on_sought)
        signals.signal(signals.SIGHUP, self._on_hangup)
        signals.signal(signals.SIGTERM, self._on_terminate)
        loop, container = self._loop, self._container
        asker = self._adopt(connection)
        asker.held = container.step
        asker.send(wire.READY)
        if attach:
            self._attach(asker, self._first, stdin=stdin)
        else:
            asker.close()
            self._clients.remove(asker)
        self._listen()
        self._begin()
        while not self._runs.over:
            loop.turn()
        self._finish()
        while self._executions.live or any(map(self._waits_for, self._clients)):
            loop.turn()
        container.network.leave()

    def _waits_for(self, client: Client) -> bool:
        return client.pending > 0 or self._output.lags(client)

    # -- each run of the container, and its end ------------------------------------------------
    def _begin(self) -> None:
        """The command has been executed."""
        container = self._container
        self._input = Input(self._loop, container.input)
        self._output.take(container.outputs, container.terminal)
        container.network.attend(self._loop)
        self._runs.watch()

    def _on_end(self) -> None:
        """All its processes are dead."""
        self._output.drain()
        self._input.end()
        self._paused, self._pauser = False, None

    def _on_terminate(self, _number: int, _frame: object) -> None:
        """The machine shuts down: the container is asked to stop as its image wants to be asked."""
        self._runs.cancel()
        try:
            self._container.signal(self._bundle.get("stop_signal") or signals.SIGTERM)
        except ProcessLookupError:
            pass  # it has ended, and its end is being recorded

    def _on_hangup(self, _number: int, _frame: object) -> None:
        """Somebody finds the container alive and its run folder gone; the loop sees to it."""
        os.eventfd_write(self._sought, 1)

    def _on_sought(self, _events: int) -> None:
        os.eventfd_read(self._sought)
        if not self._runs.over:
            try:
                self._container.claim_again()
            except OSError:
                pass  # there is no room: it is asked again

    def _finish(self) -> None:
        container = self._container
        if container.listener is not None:
            self._loop.forget(container.listener.fileno())
        container.release()
        if not container.step:
            self._runs.record_end()
        container.unclaim()
        self._part()

    def _part(self) -> None:
        """A run is over: who attended it gets the rest of its output and the exit code."""
        body = json_text.dumps({"exit_code": self._runs.exit_code, "again": self._runs.resting}).encode()
        for client in tuple(self._clients):
            client.on_drained = lambda client: self._end(body, client)
            self._end(body, client)

    def _end(self, body: bytes, client: Client) -> None:
        self._output.feed(client)
        if client.waits and not self._output.lags(client):
            client.waits = False
            self._output.detach(client)
            client.send(wire.EXIT, body)

    # -- clients ---------------------------------------------------------------------------------
    def _adopt(self, connection: sockets.Socket) -> Client:
        client = Client(self._loop, connection)
        client.on_frame, client.on_gone, client.on_drained = self._on_frame, self._on_gone, self._output.feed
        self._clients.append(client)
        return client

    def _listen(self) -> None:
        if self._container.listener is not None:  # it is closed at the end
            self._loop.watch(self._container.listener.fileno(), IN, self._on_connection)

    def _on_connection(self, _events: int) -> None:
        try:
            connection, _ = self._container.listener.accept()  # type: ignore[union-attr]
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError:  # no descriptor is left: not asked about again at once
            self._loop.forget(self._container.listener.fileno())  # type: ignore[union-attr]
            self._loop.after(_REST_SECONDS, self._listen)
            return
        self._adopt(connection)

    def _on_gone(self, client: Client) -> None:
        if client in self._clients:
            self._clients.remove(client)
        self._output.detach(client)
        self._end_input(client)
        if client is self._pauser and not self._runs.over:
            self._thaw()
        if self._container.step and not self._runs.over:
            self._container.signal(signals.SIGKILL)

    def _on_frame(self, client: Client, kind: int, body: bytes) -> None:
        if kind == wire.REQUEST:
            self._on_request(client, body)
        elif kind == wire.STDIN and client.input:
            if not self._input.write(body):
                client.listen(wanted=False)
                self._input.when_drained(self._listen_again)
        elif kind == wire.STDIN_END:
            self._end_input(client)
        elif kind == wire.RESIZE:
            self._resize(json_text.loads(body))
        elif kind == wire.DETACHED:
            client.close()
            self._clients.remove(client)
            self._output.detach(client)
            self._tell("detach")

    def _end_input(self, client: Client) -> None:
        """One that types is done, or gone: as Docker, that is the end of the input only if it is for one."""
        once = self._bundle.get("stdin_once", True)
        if client.input and once and self._container.terminal < 0:
            self._input.end()

    def _listen_again(self) -> None:
        for client in self._clients:
            client.listen(wanted=True)

    def _on_request(self, client: Client, body: bytes) -> None:
        try:
            request = json_text.loads(body)
            version = request.get("version")
            if version != wire.VERSION:
                raise refuse(
                    "supervisor", f"version {version} of the wire is not understood, only {wire.VERSION}"
                )
            operation = _OPERATIONS.get(request.get("op"))
            if operation is None:
                raise refuse("supervisor", f"unknown operation {request.get('op')!r}")
            result = operation(self, client, request)
        except Exception as error:
            self._container.stage("supervisor")
            client.send(wire.ERROR, json_text.dumps(self._container.stage.explain(error)).encode())
            return
        if result is not None:
            client.send(wire.RESULT, json_text.dumps(result).encode())
            if request["op"] == "attach":
                cursor = self._output.since(request.get("replay"))
                self._attach(client, cursor, stdin=request.get("stdin"))

    def _attach(self, client: Client, cursor: int, *, stdin: bool | None) -> None:
        client.input, client.waits = bool(stdin), True
        self._output.attach(client, cursor)

    def _resize(self, size: list[int]) -> None:
        if self._container.terminal >= 0:
            terminal.resize(self._container.terminal, size)
            self._tell("resize", height=str(size[0]), width=str(size[1]))

    def _tell(self, action: str, **attributes: str) -> None:
        try:
            state.append_event(self._bundle, action, **attributes)
        except OSError:
            pass  # a full disk

    # -- operations: each returns the body of its RESULT, or None if another process answers ------
    def _require_process(self) -> None:
        if self._runs.resting:
            container_id = self._bundle["id"]
            reason = f"Container {container_id} is restarting, wait until the container is running"
            raise Refusal(wire.failure("Conflict", kind="container", name=container_id, reason=reason))
        if self._runs.over:
            name = self._bundle.get("name") or self._bundle["id"]
            reason = f"container {name} is not running"
            raise Refusal(wire.failure("Conflict", kind="container", name=name, reason=reason))

    def _op_attach(self, _client: Client, request: dict) -> dict:  # type: ignore[type-arg]
        self._require_process()
        if request.get("size"):
            self._resize(request["size"])
        return {"tty": bool(self._bundle.get("tty"))}

    def _op_wait(self, client: Client, _request: dict) -> dict:  # type: ignore[type-arg]
        client.waits = True
        return {"tty": False}

    def _op_status(self, _client: Client, _request: dict) -> dict:  # type: ignore[type-arg]
        container = self._container
        return {
            "status": "paused" if self._paused else "restarting" if self._runs.resting else "running",
            "pid": container.pid,
            "pid_start_time": container.pid_start_time,
            "supervisor_pid": os.getpid(),
            "started_at": container.started_at,
            "tty": bool(self._bundle.get("tty")),
            "execs": self._executions.live,
        }

    def _op_signal(self, _client: Client, request: dict) -> dict:  # type: ignore[type-arg]
        number, runs = int(request["signal"]), self._runs
        runs.policy.stopped = runs.policy.stopped or bool(request.get("stopped"))
        resting = runs.resting
        if request.get("cancel"):
            runs.cancel()
        if resting:
            return {}
        self._container.signal(number)
        if number == signals.SIGKILL:
            self._paused, self._pauser = False, None
        return {}

    def _op_policy(self, _client: Client, request: dict) -> dict:  # type: ignore[type-arg]
        self._runs.policy.change(request["restart"])
        return {}

    def _op_limit(self, _client: Client, request: dict) -> dict:  # type: ignore[type-arg]
        container = self._container
        cgroup.change(container.cgroup, request["writes"], container.stage, live=not self._runs.resting)
        return {}

    def _op_rename(self, _client: Client, request: dict) -> dict:  # type: ignore[type-arg]
        self._bundle["name"] = request["name"]
        self._bundle.setdefault("event_attributes", {})["name"] = request["name"]
        self._container.network.rename(request["name"])
        state.write_json(f"{self._bundle['run_dir']}/bundle.json", self._bundle, durable=False)
        return {}

    def _op_network(self, _client: Client, request: dict) -> dict:  # type: ignore[type-arg]
        if self._runs.over:
            self._require_process()
        rewiring.change(self._container, request)
        return {}

    def _op_keep(self, _client: Client, _request: dict) -> dict:  # type: ignore[type-arg]
        """A --rm container is about to be restarted: it must not be removed when it ends this time."""
        self._bundle["auto_remove"] = False
        return {}

    def _op_resize(self, _client: Client, request: dict) -> dict:  # type: ignore[type-arg]
        self._resize(request["size"])
        return {}

    def _op_pause(self, client: Client, request: dict) -> dict:  # type: ignore[type-arg]
        pause = request["op"] == "pause"
        if pause:
            self._require_process()
        name = self._bundle.get("name") or self._bundle["id"]
        if pause == self._paused:
            reason = f"Container {name} is {'already' if pause else 'not'} paused"
            raise Refusal(wire.failure("Conflict", kind="container", name=name, reason=reason))
        freezer = self._container.cgroup.get("freezer")
        if not freezer:
            raise refuse(request["op"], "the container has no freezer cgroup")
        cgroup.freeze(freezer, frozen=pause)
        self._paused = pause
        if pause:
            self._runs.checks.stop()
        else:
            self._runs.checks.start()
        self._pauser = client if pause and request.get("held") else None
        self._container.write_state("paused" if pause else "running")
        return {}

    def _thaw(self) -> None:
        """Who paused it for the time of its connection is gone, killed maybe."""
        try:
            self._op_pause(self._pauser, {"op": "unpause"})  # type: ignore[arg-type]
        except (OSError, Refusal):
            pass  # it has ended meanwhile, or only the record could not be written

    def _op_exec(self, client: Client, request: dict) -> None:  # type: ignore[type-arg]
        """Hand the client over to a fork, which answers it."""
        self._require_process()
        if self._paused:
            name = self._bundle.get("name") or self._bundle["id"]
            reason = f"Container {name} is paused, unpause the container before exec"
            raise Refusal(wire.failure("Conflict", kind="container", name=name, reason=reason))
        self._executions.begin(client, request, self._container.pidfd)
        client.close()
        self._clients.remove(client)

    def _op_exec_attach(self, client: Client, request: dict) -> None:  # type: ignore[type-arg]
        if self._executions.join(client, request):
            client.close()
            self._clients.remove(client)

    def _op_exec_list(self, _client: Client, _request: dict) -> list:  # type: ignore[type-arg]
        return self._executions.told()


_OPERATIONS = {
    "attach": Supervisor._op_attach,  # noqa: SLF001 - the table belongs to the class
    "exec": Supervisor._op_exec,  # noqa: SLF001
    "exec_attach": Supervisor._op_exec_attach,  # noqa: SLF001
    "exec_list": Supervisor._op_exec_list,  # noqa: SLF001
    "keep": Supervisor._op_keep,  # noqa: SLF001
    "limit": Supervisor._op_limit,  # noqa: SLF001
    "network": Supervisor._op_network,  # noqa: SLF001
    "pause": Supervisor._op_pause,  # noqa: SLF001
    "policy": Supervisor._op_policy,  # noqa: SLF001
    "rename": Supervisor._op_rename,  # noqa: SLF001
    "resize": Supervisor._op_resize,  # noqa: SLF001
    "signal": Supervisor._op_signal,  # noqa: SLF001
    "status": Supervisor._op_status,  # noqa: SLF001
    "unpause": Supervisor._op_pause,  # noqa: SLF001
    "wait": Supervisor._op_wait,  # noqa: SLF001
}

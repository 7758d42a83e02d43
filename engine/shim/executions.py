"""Owns the exec sessions of one container, seen from its supervisor: who there is, and how each has ended.

Each is a fork (``engine.shim.execution``) with a channel, one JSON value a packet: to the fork the request of
a client whose connection comes along; from it {"pid"}, {"clients"}, {"exit_code", "kept"}. Refuses to carry
what their processes write.
"""

from __future__ import annotations

import os
from time import time_ns

from engine.shim import execution, json_text, sockets, state, wire
from engine.shim.loop import IN, Client, Loop
from engine.shim.refusal import Refusal, refuse

_FINISHED = 64
"""So many ended sessions are known by their exit code …"""
_KEPT = 16
"""… and of so many what nobody has seen of their output."""
_ARGUMENTS = 4096
"""Bytes of an ended session's command line."""
_PACKET = 65536
_KILLED = 137


class _Session:
    """One exec session; ``told`` is what clients are told of it."""

    __slots__ = ("channel", "fork", "kept", "pidfd", "told")

    def __init__(self, request: dict, fork: int, channel: sockets.Socket) -> None:  # type: ignore[type-arg]
        self.fork, self.channel = fork, channel
        self.pidfd = os.pidfd_open(fork)
        self.kept = ""
        self.told: dict[str, object] = {
            "id": str(request.get("exec_id") or os.urandom(32).hex()),
            "args": list(request["args"]),
            "tty": bool(request.get("tty")),
            "stdin": bool(request.get("stdin")),
            "user": request.get("user") or "",
            "privileged": bool(request.get("capabilities")),
            "started_at": time_ns(),
            "pid": 0,
            "clients": 0,
            "exit_code": None,
        }


class Executions:
    """All of one container: those that run, and the last that have ended."""

    __slots__ = ("_bundle", "_ended", "_live", "_loop")

    def __init__(self, loop: Loop, bundle: dict) -> None:  # type: ignore[type-arg]
        self._loop = loop
        self._bundle = bundle
        self._live: list[_Session] = []
        self._ended: list[_Session] = []

    @property
    def live(self) -> int:
        """How many forks there are."""
        return len(self._live)

    def begin(self, client: Client, request: dict, init: int) -> None:  # type: ignore[type-arg]
        """Fork a session beside the container's ``init`` (a pidfd); it is the one that answers ``client``."""
        ours, theirs = sockets.socketpair(sockets.AF_UNIX, sockets.SOCK_SEQPACKET)
        fork = os.fork()
        if fork == 0:
            try:
                execution.serve(self._bundle, request, init, client.sock, theirs)
            finally:
                os._exit(1)
        theirs.close()
        ours.setblocking(False)
        session = _Session(request, fork, ours)
        self._live.append(session)
        self._loop.watch(ours.fileno(), IN, lambda events: self._on_word(session, events))
        self._loop.watch(session.pidfd, IN, lambda events: self._on_over(session, events))

    def join(self, client: Client, request: dict) -> bool:  # type: ignore[type-arg]
        """One more client for a session: whether it is the session's now; else it has been told the end."""
        session = self._find(str(request.get("exec_id")))
        if session.told["exit_code"] is None:
            try:
                sockets.send_fds(session.channel, [json_text.dumps(request).encode()], [client.sock.fileno()])
            except OSError as error:
                self._on_word(session, IN)
                if session.told["exit_code"] is None:
                    raise refuse("exec", "the session does not answer") from error
            else:
                return True
        client.send(
            wire.RESULT, json_text.dumps({"tty": session.told["tty"], "exec_id": session.told["id"]}).encode()
        )
        for kind, body in _kept_frames(session.kept):
            client.send(kind, body)
        client.send(wire.EXIT, json_text.dumps({"exit_code": session.told["exit_code"]}).encode())
        return False

    def told(self) -> list[dict[str, object]]:
        """What is known of each, oldest first; those that could not begin are none."""
        return [session.told for session in (*self._ended, *self._live) if session.told["pid"]]

    def _find(self, start: str) -> _Session:
        found = [
            session
            for session in (*self._ended, *self._live)
            if str(session.told["id"]).startswith(start) and session.told["pid"]
        ]
        if len(found) > 1:
            raise refuse("exec", f"more than one exec instance begins with {start}")
        if not found:
            raise Refusal(wire.failure("NotFound", kind="exec instance", name=start))
        return found[0]

    def _on_word(self, session: _Session, _events: int) -> None:
        try:
            while packet := session.channel.recv(_PACKET):
                self._take(session, json_text.loads(packet))
        except BlockingIOError:
            return
        except OSError:
            pass
        self._loop.forget(session.channel.fileno())

    def _take(self, session: _Session, word: dict) -> None:  # type: ignore[type-arg]
        session.kept = word.pop("kept", session.kept)
        session.told.update(word)
        if "exit_code" in word:
            self._tell(session)

    def _on_over(self, session: _Session, _events: int) -> None:
        """Its fork is gone: killed, if it has not said how its process ended."""
        self._on_word(session, IN)
        self._loop.forget(session.channel.fileno())
        self._loop.forget(session.pidfd)
        os.waitpid(session.fork, 0)
        os.close(session.pidfd)
        session.channel.close()
        self._live.remove(session)
        if not session.told["pid"]:
            return
        session.told["clients"] = 0
        if session.told["exit_code"] is None:
            session.told["exit_code"] = _KILLED
            self._tell(session)
        arguments: list[str] = session.told["args"]  # type: ignore[assignment]
        if sum(map(len, arguments)) > _ARGUMENTS:
            session.told["args"] = [arguments[0][:_ARGUMENTS], "…"]
        self._ended.append(session)
        del self._ended[:-_FINISHED]
        for old in self._ended[:-_KEPT]:
            if old.kept:
                state.remove(old.kept)
                old.kept = ""

    def _tell(self, session: _Session) -> None:
        attributes = {"execID": str(session.told["id"]), "exitCode": str(session.told["exit_code"])}
        try:
            state.append_event(self._bundle, "exec_die", **attributes)
        except OSError:
            pass  # a full disk


def _kept_frames(path: str) -> list[tuple[int, bytes]]:
    if not path:
        return []
    try:
        with open(path, "rb") as file:
            return wire.FrameReader().feed(file.read())
    except OSError:
        return []

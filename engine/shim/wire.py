"""Owns what passes between the engine and the processes beside it; refuses to open or start anything.

Three conversations, each JSON inside, each versioned:

Spawner (``SOCK_SEQPACKET`` pair). One packet is one request: the operation's ASCII name, with
descriptors attached: first a memfd (or file) that holds the JSON body, second a socket on which the
child answers, then the ones that the body numbers. The spawner only forks; the child reads and answers.

    supervise   body = {"bundle": {…}, "attach": bool, "stdin": bool, "size": [rows, columns] | null}; becomes
                a supervisor. The answer socket is spoken to in frames, as if it had connected to the
                supervisor's socket and been attached before the start: first READY or ERROR, then, with
                "attach", STDOUT, STDERR and EXIT; without it the socket is closed after READY. A bundle
                with "step" has no lock, log, socket or state, and dies when the answer socket hangs up.
    work        body = {"call": "engine.layer.extract:extract", "arguments": {…}, "sys_path": […]};
                imports the function, calls it, answers RESULT or ERROR.
    session     body = {"argv": […], "env": {…}, "cwd": path}; a program in a session and cgroup of its
                own, standard streams on the null device; answers RESULT {"pid", "start_time"}.

Supervisor (``SOCK_STREAM`` at ``Paths.container_socket``). The client sends one REQUEST, the supervisor
answers RESULT or ERROR, and for attach and exec the connection then carries frames both ways: STDIN,
STDIN_END, RESIZE ([rows, columns]) and DETACHED from the client, STDOUT, STDERR and at last EXIT
({"exit_code", "again": whether another run follows}) to it. Nothing may be sent after an exec's REQUEST
before its answer has come.

    {"version": 1, "op": "attach", "stdin": bool, "replay": bool or bytes, "size": [rows, columns]}
    {"op": "exec", "tty", "size", "stdin", "detach", and the fields of a process, over exec_defaults}
                "exec_id" names it; RESULT {"pid", "tty", "exec_id"}. It outlives its clients
    {"op": "exec_attach", "exec_id": a unique prefix, and the fields of attach}
    {"op": "exec_list"}                 [{"id", "args", "tty", …, "pid", "clients", "exit_code": or null}]
    {"op": "wait"}                      EXIT when this run of the container is over
    {"op": "signal", "signal": number,  to init; "stopped": the user sent it, "cancel": and means the end,
     "stopped": bool, "cancel": bool}   so that no policy starts it again
    {"op": "policy", "restart": {…}}    another restart policy from now on
    {"op": "limit", "writes": [[path, value], …]}
                                        to cgroup files, all or none, and again before each later run
    {"op": "resize", "size"}, {"op": "unpause"}, {"op": "status"}
    {"op": "pause", "held": bool}       held: only as long as this connection is open
    {"op": "rename", "name": text}      what events, refusals and its networks call it from now on
    {"op": "network", "network": {…}, …} other networks from now on, all or nothing: docs/BUNDLE.md
    {"op": "keep"}                      forget auto_remove: the container is being restarted

ERROR has the body that ``failure`` makes. A supervisor may be older than its client: it answers an operation
that it does not know with ERROR.

Files. ``bundle.json`` is all that a supervisor needs (docs/BUNDLE.md has its fields), written into the run
folder by the one that holds the lock and kept while the container runs, so that whoever finds the lock free
can clean up after it. ``state.json`` holds the supervisor's facts, written by rename under the persistent
root; where the disk is full, over the facts before, for which it is padded with spaces: {"version": 1,
"status", "pid", "pid_start_time", "exit_code", "error", "oom_killed", "started_at" and "finished_at" in ns
since the epoch, "restart_count", "supervisor": [pid, start time]} and, where it is checked, "health":
{"status", "failing_streak", "log"}. SIGHUP to a supervisor whose run folder is gone makes it anew.
"""

from __future__ import annotations

import struct

VERSION = 1
"""Spoken by this release; the next two must still understand it."""

NETNS_FD = 200
"""Where the supervisor puts the container's network namespace before it sends the host's netlink
messages: they name this number (IFLA_NET_NS_FD), so that they can be compiled beforehand."""

HEADER = struct.Struct(">BBHI")
"""Frame header: version, kind, zero, length of the body in bytes."""

REQUEST, RESULT, ERROR, READY = 1, 2, 3, 4
STDIN, STDOUT, STDERR, STDIN_END = 10, 11, 12, 13
RESIZE, EXIT, DETACHED = 20, 21, 22
ADMITTED = b"admitted"
"""What the init of a container with a user namespace is sent: once when it may become its root, then with
each mount that is made for it. See ``engine.shim.userns``."""

REPORT = 5
"""From a worker while it works: any JSON value, see ``engine.shim.worker.report``."""

LOG_RECORD = struct.Struct("<QQIB3x")
"""One record of log.idx: time (ns since the epoch), offset in log, length in bytes, stream (1 stdout,
2 stderr); 24 bytes. Both files only grow; a record is appended after the bytes that it describes. Rotation
gives both another name (log.1 and log.idx.1 are the newest old ones), see ``engine.shim.log``."""

MAX_FRAME = 64 * 1024 * 1024
"""A longer body is refused: the other side does not speak this protocol."""


def pack(kind: int, body: bytes = b"") -> bytes:
    """One frame as bytes."""
    return HEADER.pack(VERSION, kind, 0, len(body)) + body


class FrameError(Exception):
    """The other side does not speak this protocol (version, length)."""


class FrameReader:
    """Bytes in, whole frames out; sans I/O."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, content: bytes) -> list[tuple[int, bytes]]:
        """Add ``content``; the frames (kind, body) that are complete now. Raises FrameError."""
        self._buffer += content
        frames: list[tuple[int, bytes]] = []
        while len(self._buffer) >= HEADER.size:
            version, kind, _, length = HEADER.unpack_from(self._buffer)
            if version != VERSION:
                raise FrameError(f"version {version} of the wire is not understood, only {VERSION}")
            if length > MAX_FRAME:
                raise FrameError(f"a frame of {length} bytes is too long")
            end = HEADER.size + length
            if len(self._buffer) < end:
                break
            frames.append((kind, bytes(self._buffer[HEADER.size : end])))
            del self._buffer[:end]
        return frames


def failure(error: str, **fields: object) -> dict[str, object]:
    """The body of an ERROR frame: a class of ``engine.errors`` and the arguments to make it with."""
    return {"error": error, "fields": fields}

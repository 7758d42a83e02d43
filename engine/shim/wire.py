"""Owns what passes between the engine and the processes beside it; refuses to open or start anything.

Three conversations, each JSON inside, each versioned:

Spawner (``SOCK_SEQPACKET`` pair). One packet is one request: the operation's ASCII name, with
descriptors attached: first a memfd (or file) that holds the JSON body, second a socket on which the
child answers, then the ones that the body numbers. The spawner only forks; the child reads and answers.

    supervise   body = {"bundle": path}; becomes a supervisor. The answer socket is spoken to in frames,
                as if it had connected to the supervisor's socket and been attached before the start:
                first READY or ERROR, then (if descriptors say so) STDOUT, STDERR and EXIT frames.
    work        body = {"call": "engine.layer.extract:extract", "arguments": {…}, "sys_path": […]};
                imports the function, calls it, answers RESULT or ERROR.
    session     body = {"argv": […], "env": {…}, "cwd": path}; a program in a session and cgroup of its
                own, standard streams on the null device; answers RESULT {"pid", "start_time"}.

Supervisor (``SOCK_STREAM`` at ``Paths.container_socket``). The client sends one REQUEST, the supervisor
answers RESULT or ERROR, and for attach and exec the connection then carries frames both ways.

Files. ``bundle.json`` is all that a supervisor needs, written by the engine before it asks; it is kept
in the run folder while the container runs, so that whoever finds the lock free can clean up after it.
``state.json`` holds the supervisor's facts, written by rename under the persistent root.
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

"""Owns the process that forks: supervisors, workers, sessions; refuses to do any of their work itself.

A front end calls ``fork_spawner`` first of all, having imported next to nothing, so that no thread exists
yet; the spawner imports the shim while its parent goes on importing. The engine as a library starts
one with ``python -I -S`` and calls ``main``.
"""

from __future__ import annotations

import os
import select

from engine.shim import signals, sockets

TYPE_CHECKING = False  # importing typing would cost every container half a megabyte
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PACKET = 64
_DESCRIPTORS = 253  # SCM_MAX_FD
_IDLE = 0.003
"""Seconds without a request before a child is forked in advance."""


def fork_spawner() -> int:
    """Fork the spawner; returns the socket on which it takes requests (``engine.shim.wire``), a descriptor.

    It ends when that is closed, or with this process.
    """
    ours, theirs = sockets.socketpair(sockets.AF_UNIX, sockets.SOCK_SEQPACKET)
    if os.fork() == 0:
        try:
            ours.close()
            main(theirs.detach())
        finally:
            os._exit(1)
    theirs.close()
    return ours.detach()


def main(socket_fd: int, *, again: bool = False) -> None:
    """Take requests on ``socket_fd`` until its other end is closed; does not return.

    Unless it has been executed ``again``, it is first, from a read-only clone of the interpreter.
    """
    _leave_terminal(socket_fd)
    # Imported after the fork, while the front end goes on with its own imports.
    from engine.shim import interpreter

    if not again and not interpreter.is_read_only():
        interpreter.execute_clone(socket_fd)
    import gc

    gc.enable()  # if it is not executed again, it has the front end's setting
    from engine.shim import linux, supervisor, worker

    handlers = {"supervise": supervisor.main, "work": worker.main, "session": worker.session_main}
    parent = os.getppid()
    linux.prctl(linux.PR_SET_PDEATHSIG, signals.SIGKILL)
    linux.set_process_name("tuidock-spawner")
    if os.getppid() != parent:
        os._exit(0)
    signals.signal(signals.SIGINT, signals.SIG_DFL)
    signals.signal(signals.SIGCHLD, signals.SIG_IGN)  # children are reaped by the kernel
    gc.collect()
    gc.freeze()  # a collection in a child would touch, and so copy, every shared page
    connection = sockets.Socket(fileno=socket_fd)
    spare: sockets.Socket | None = None
    while True:
        # The fork is made before anybody asks, but not while one request comes after the other.
        if spare is None and not select.select([connection], [], [], _IDLE)[0]:
            spare = _fork_spare(connection, handlers)
        flags = sockets.MSG_CMSG_CLOEXEC
        name, descriptors, _, _ = sockets.recv_fds(connection, _PACKET, _DESCRIPTORS, flags)
        if not name:
            os._exit(0)
        with spare or _fork_spare(connection, handlers) as child:
            spare = None
            try:
                sockets.send_fds(child, [name], descriptors)
            except OSError:
                pass  # it was killed: the asker finds its answer socket closed
        for descriptor in descriptors:
            os.close(descriptor)


def _fork_spare(
    connection: sockets.Socket, handlers: Mapping[str, Callable[[list[int]], None]]
) -> sockets.Socket:
    """A child that waits for one request, does it and ends; it ends at once when this process does."""
    ours, theirs = sockets.socketpair(sockets.AF_UNIX, sockets.SOCK_SEQPACKET)
    if os.fork() == 0:
        try:
            connection.close()
            ours.close()
            signals.signal(signals.SIGCHLD, signals.SIG_DFL)
            flags = sockets.MSG_CMSG_CLOEXEC
            name, descriptors, _, _ = sockets.recv_fds(theirs, _PACKET, _DESCRIPTORS, flags)
            theirs.close()
            handler = handlers.get(name.decode("ascii", "replace"))
            if handler is not None and len(descriptors) >= 2:
                handler(descriptors)
        finally:
            os._exit(1)
    theirs.close()
    return ours


def _leave_terminal(socket_fd: int) -> None:
    """No terminal signal and no output of ours may reach the front end's terminal; keep one descriptor."""
    try:
        os.setsid()
    except PermissionError:
        pass  # already the leader of a session of its own
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    os.set_inheritable(socket_fd, False)
    os.closerange(3, socket_fd)
    os.closerange(socket_fd + 1, 1 << 20)
    os.chdir("/")

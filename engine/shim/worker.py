"""Owns the worker process: one call of a named function, then death; refuses to outlive who asked.

The function is ``def name(arguments: dict, fds: list[int]) -> JSON``. It runs alone in a process, single
threaded, so it may fork, unshare and mount through ``engine.shim``. The process group is killed as soon as
the asking side shuts its end of the answer socket, or dies.
"""

from __future__ import annotations

import fcntl
import os
import select
import sys

from engine.shim import json_text, linux, signals, wire

_answer: int = -1


def report(value: object) -> None:
    """Send ``value`` (JSON) to whoever asked for this work, as progress; nothing outside a worker."""
    if _answer >= 0:
        send(_answer, wire.REPORT, value)


def send(fd: int, kind: int, value: object) -> None:
    """Write one frame with a JSON body, all of it, to a blocking descriptor."""
    view = memoryview(wire.pack(kind, json_text.dumps(value).encode()))
    while view:
        view = view[os.write(fd, view) :]


def read_body(fd: int) -> dict[str, object]:
    """The JSON object that a request's first descriptor (a memfd) holds; closes it."""
    size = os.fstat(fd).st_size
    with os.fdopen(fd, "rb") as file:
        file.seek(0)
        value = json_text.loads(file.read(size))
    if not isinstance(value, dict):
        raise TypeError("the body of a request must be a JSON object")
    return value


def describe(error: BaseException) -> dict[str, object]:
    """The body of an ERROR frame for ``error``: an engine error as itself, anything else explained."""
    if any(base.__module__ == "engine.errors" for base in type(error).__mro__):
        fields = {name: value for name, value in vars(error).items() if not name.startswith("_")}
        return {"error": type(error).__name__, "fields": fields}
    if isinstance(error, OSError):
        path = error.filename if isinstance(error.filename, str) else ""
        return wire.failure(
            "RuntimeFailure",
            stage="worker",
            syscall=str(getattr(error, "syscall", "")),
            errno_=error.errno or 0,
            path=path,
            reason="" if error.errno else str(error),
        )
    import traceback  # only for a defect of ours

    where = "".join(traceback.format_exception(error)[-3:]).strip()
    return wire.failure("RuntimeFailure", stage="worker", reason=f"{type(error).__name__}: {error}\n{where}")


def main(descriptors: list[int]) -> None:
    """Answer one ``work`` request; does not return."""
    global _answer  # noqa: PLW0603 - a worker has one asker, for as long as it lives
    body_fd, answer, *fds = descriptors
    _answer = answer
    _die_with_asker(answer)
    try:
        body = read_body(body_fd)
        sys.path[:] = body["sys_path"]  # type: ignore[call-overload]
        module, _, name = str(body["call"]).partition(":")
        from importlib import import_module  # a quarter of a megabyte that no container shall pay for

        value = getattr(import_module(module), name)(body["arguments"], fds)
        send(answer, wire.RESULT, value)
    except BrokenPipeError:
        os._exit(1)
    except BaseException as error:
        send(answer, wire.ERROR, describe(error))
        os._exit(1)
    os._exit(0)


def _die_with_asker(answer: int) -> None:
    """Kill the group when the asker is gone: SIGIO comes when the socket's state changes."""
    parent = os.getppid()
    os.setsid()
    linux.prctl(linux.PR_SET_PDEATHSIG, signals.SIGKILL)
    linux.set_process_name("tuidock-worker")

    poller = select.poll()
    poller.register(answer, select.POLLRDHUP)

    def on_change(_signal: int, _frame: object) -> None:
        if poller.poll(0):
            os.killpg(0, signals.SIGKILL)

    signals.signal(signals.SIGIO, on_change)
    fcntl.fcntl(answer, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(answer, fcntl.F_SETFL, fcntl.fcntl(answer, fcntl.F_GETFL) | os.O_ASYNC)
    on_change(0, None)  # it may have happened before the signal was asked for
    if os.getppid() != parent:
        os._exit(1)


def session_main(descriptors: list[int]) -> None:
    """Answer one ``session`` request: start a program that lives on by itself; does not return."""
    body_fd, answer = descriptors[:2]
    try:
        body = read_body(body_fd)
        for path in body.get("procs", ()):  # type: ignore[attr-defined]
            with open(path, "w", encoding="ascii") as procs:
                procs.write("0")
        send(answer, wire.RESULT, _start_session(body))
    except BaseException as error:
        send(answer, wire.ERROR, describe(error))
        os._exit(1)
    os._exit(0)


def _start_session(body: dict[str, object]) -> dict[str, int]:
    argv: list[str] = body["argv"]  # type: ignore[assignment]
    env: dict[str, str] = body["env"]  # type: ignore[assignment]
    read_end, write_end = os.pipe()  # closed by a successful exec, else it carries the errno
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            for number in (signals.SIGPIPE, signals.SIGXFSZ):
                signals.signal(number, signals.SIG_DFL)
            os.chdir(str(body["cwd"]))
            # socket.recv_fds ignores MSG_CMSG_CLOEXEC (CPython 3.11 to 3.13), and who asked waits for the
            # last copy of the answer's socket
            os.closerange(3, write_end)
            os.closerange(write_end + 1, 1 << 20)
            os.execvpe(argv[0], argv, env)
        except OSError as error:
            os.write(write_end, str(error.errno).encode())
        finally:
            os._exit(127)
    start_time = process_start_time(pid)
    os.close(write_end)
    failed = os.read(read_end, 16)
    if failed:
        raise OSError(int(failed), os.strerror(int(failed)), argv[0])
    return {"pid": pid, "start_time": start_time}


def process_start_time(pid: int) -> int:
    """Field 22 of /proc/PID/stat (proc_pid_stat(5)): with the pid it names one process for good."""
    with open(f"/proc/{pid}/stat", "rb") as stat:
        return int(stat.read().rpartition(b")")[2].split()[19])

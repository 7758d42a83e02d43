"""Owns the start of the program: forks the spawner first of all, then imports one front end and runs it."""

import gc
import os
import sys

_GROUPS = frozenset({"container", "image", "job", "network", "system", "volume"})
_FORKLESS = frozenset(
    "help --help -h --version -v attach events exec history images info inspect jobs kill list logs ls pause"
    " port ps rename stats stop tag top unpause update version wait".split()
)
"""What usually starts no process, and costs none then; should it have to, the engine starts a spawner."""


def main() -> int:
    """Run the terminal interface without arguments, else the command line; returns the exit code."""
    gc.disable()  # imports make no garbage to speak of; who stays longer enables it again
    _fill_standard_streams()
    root, arguments = _split_root(sys.argv[1:])
    interactive = not arguments and os.isatty(0) and os.isatty(1)
    spawner = None
    if interactive or (arguments and _forks(arguments)):
        # before anything else is imported: a fork of a process with threads is none to build on
        from engine.shim.spawner import fork_spawner

        spawner = fork_spawner()
    _import_msgspec()
    from engine.paths import default_paths

    paths = default_paths(os.environ, os.geteuid(), root)
    if interactive:
        from tuidock.app import main as front_end

        gc.freeze()
        gc.enable()
        code = front_end(paths, spawner)
    else:
        from tuidock.cli.main import main as command_line

        code = command_line(arguments, paths, spawner)
    _leave(code)
    return code


def _forks(arguments: list[str]) -> bool:
    verb = arguments[1] if arguments[0] in _GROUPS and len(arguments) > 1 else arguments[0]
    return verb not in _FORKLESS and "--help" not in arguments


def _import_msgspec() -> None:
    """Import msgspec without typing_extensions, which it takes where it finds it: a sixth of a start's time.

    The typing of Python 3.11 has all that it looks for there; later imports find the package again.
    """
    name = "typing_extensions"
    sys.modules[name] = None  # type: ignore[assignment] # how the import system is told that there is none
    import msgspec  # noqa: F401 - for its being loaded

    del sys.modules[name]


def _fill_standard_streams() -> None:
    """Put /dev/null where a standard stream is closed, or a file opened later gets its number and output."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _split_root(arguments: list[str]) -> tuple[str | None, list[str]]:
    """The value of a leading --root, and what follows; a --root without a value is left to the front end."""
    if arguments and arguments[0].startswith("--root="):
        return arguments[0].removeprefix("--root="), arguments[1:]
    if len(arguments) > 1 and arguments[0] == "--root":
        return arguments[1], arguments[2:]
    return None, arguments


def _leave(code: int) -> None:
    """End the process without the interpreter's own clean-up: everything that matters is on disk by now."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:  # it was closed when the interpreter started
                stream.flush()
        except (OSError, ValueError):
            continue
    os._exit(code)


if __name__ == "__main__":
    main()

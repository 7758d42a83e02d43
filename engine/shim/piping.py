"""Owns a worker's second process, which writes what the first one reads; refuses to outlive the worker.

It is of the worker's process group, which ends with whoever asked for the work.
"""

from __future__ import annotations

import os

from engine.shim import json_text
from engine.shim.worker import describe

TYPE_CHECKING = False  # the shim imports no typing
if TYPE_CHECKING:
    from collections.abc import Callable


class Writer:
    """A forked process that calls ``write(descriptor of a pipe)``; read its output from ``reading``."""

    __slots__ = ("_child", "_told", "reading")

    def __init__(self, write: Callable[[int], None]) -> None:
        self.reading, writing = os.pipe()
        self._told, telling = os.pipe()
        self._child = os.fork()
        if self._child == 0:
            os.close(self.reading)
            os._exit(_write_and_tell(write, writing, telling))
        os.close(writing)
        os.close(telling)

    def end(self) -> bytes:
        """Wait for its end; the body of an ERROR frame if it failed of itself, else nothing."""
        with open(self._told, "rb") as file:
            body = file.read()
        os.waitpid(self._child, 0)
        return body


def _write_and_tell(write: Callable[[int], None], writing: int, telling: int) -> int:
    try:
        write(writing)
    except BrokenPipeError:
        return 1  # the reader has failed, and knows why
    except BaseException as error:
        os.write(telling, json_text.dumps(describe(error)).encode())
        return 1
    return 0

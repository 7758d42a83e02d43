"""A program that makes system calls by number and prints what each returned: machine code, no compiler needed."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable

_BASE, _HEADERS = 0x400000, 64 + 56
_SYSCALL = (
    b"\x48\xb8",
    (b"\x48\xbf", b"\x48\xbe", b"\x48\xba", b"\x49\xba", b"\x49\xb8", b"\x49\xb9"),
    b"\x0f\x05",
)
_INT_80 = (b"\x48\xb8", (b"\x48\xbb", b"\x48\xb9", b"\x48\xba", b"\x48\xbe", b"\x48\xbf"), b"\xcd\x80")
"""How the number, each argument and the kernel are reached: as x86-64 (and x32), and as i386."""
_WRITE, _EXIT = 1, 60
_REAL = 0xFFFFFFFFFFFFFFFF

Call = tuple[str, int, tuple[int, ...]]
"""The ABI (x86_64 or i386), the number and the arguments."""


def _enter(how: tuple[bytes, tuple[bytes, ...], bytes], number: int, arguments: Iterable[int]) -> bytes:
    load, registers, gate = how
    code = load + struct.pack("<Q", number)
    for register, argument in zip(registers, arguments, strict=False):
        code += register + struct.pack("<Q", argument & _REAL)
    return code + gate


def write_probe(path: str, calls: list[Call]) -> None:
    """A static x86-64 program at ``path``: the results of ``calls``, 32 bits each, on its standard output."""
    results = _BASE + 0x10000
    code = b""
    for position, (abi, number, arguments) in enumerate(calls):
        code += _enter(_INT_80 if abi == "i386" else _SYSCALL, number, arguments)
        code += b"\x89\x04\x25" + struct.pack("<I", results + 4 * position)  # mov [result], eax
    code += _enter(_SYSCALL, _WRITE, (1, results, 4 * len(calls))) + _enter(_SYSCALL, _EXIT, (0,))
    entry = _BASE + _HEADERS
    header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, entry, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    size = _HEADERS + len(code)
    segment = struct.pack("<IIQQQQQQ", 1, 7, 0, _BASE, _BASE, size, 0x20000, 0x1000)
    with open(path, "wb") as file:
        file.write(header + segment + code)
    os.chmod(path, 0o755)


def results_of(output: bytes) -> list[int]:
    """What the calls returned: 0 and more, or a negative errno."""
    return [value for (value,) in struct.iter_unpack("<i", output)]

"""Owns the few machine instructions of which a tiny static program is made, for x86-64 and aarch64.

A program has variables (eight bytes each, zero at first) and statements on them; there is nothing else, no
stack and no libc. Each statement is compiled by itself: it loads what it needs and stores what comes out.
Refuses to run anything. Sources: ELF-64 object file format; Intel SDM volume 2; Arm ARM C6; syscall(2).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

ARCHITECTURES = ("x86_64", "aarch64")
CODE, VARIABLES = 0x400000, 0x600000
"""Where both are loaded; apart by more than the largest page."""
_HEADERS = 64 + 2 * 56
_PAGE = 0x10000
_RESULT = "result"
_EXECUTABLE, _READ_WRITE, _READ_EXECUTE = 2, 6, 5
_CALLS = {
    "x86_64": {
        "rt_sigprocmask": 14,
        "ioctl": 16,
        "getpid": 39,
        "clone": 56,
        "execve": 59,
        "wait4": 61,
        "kill": 62,
        "setpgid": 109,
        "rt_sigtimedwait": 128,
        "exit_group": 231,
    },
    "aarch64": {
        "ioctl": 29,
        "exit_group": 94,
        "kill": 129,
        "rt_sigprocmask": 135,
        "rt_sigtimedwait": 137,
        "setpgid": 154,
        "getpid": 172,
        "clone": 220,
        "execve": 221,
        "wait4": 260,
    },
}


class Ref(msgspec.Struct, frozen=True):
    """The address of a variable, as an argument of a call."""

    name: str


Operand = int | str | Ref
"""A number, the value of a variable, or the address of one."""


class Statement(msgspec.Struct, frozen=True):
    """One step: ``verb`` and what it takes (see ``_Machine``'s methods of that name)."""

    verb: str
    values: tuple[Operand, ...]


def let(target: str, *values: Operand) -> Statement:
    """Set ``target`` to the sum of ``values``."""
    return Statement("let", (target, *values))


def call(name: str, *arguments: Operand) -> Statement:
    """A system call; what it returns (negative: an error) is in the variable ``result``."""
    return Statement("call", (name, *arguments))


def fetch(target: str, address: str, offset: int) -> Statement:
    """Set ``target`` to the eight bytes at ``offset`` from the address in a variable."""
    return Statement("fetch", (target, address, offset))


def bits(target: str, source: str, shift: int, mask: int) -> Statement:
    """Set ``target`` to ``source`` shifted right and masked."""
    return Statement("bits", (target, source, shift, mask))


def jump(condition: str, left: Operand, right: Operand, label: str) -> Statement:
    """Go to ``label`` if ``left`` eq, ne or lt (signed) ``right``."""
    return Statement("jump", (condition, left, right, label))


def label(name: str) -> Statement:
    """A place to jump to."""
    return Statement("label", (name,))


def executable(program: Iterable[Statement], architecture: str) -> bytes:
    """``program`` as an ELF file; the variable ``stack`` holds the stack pointer that execve(2) gave it."""
    machine = {"x86_64": _X86, "aarch64": _Arm}[architecture]()
    machine.keep_stack()
    for statement in program:
        machine.add(statement)
    code = machine.finished()
    end, space = _HEADERS + len(code), 8 * len(machine.variables)
    return (
        struct.pack("<4s5B7x", b"\x7fELF", 2, 1, 1, 0, 0)  # 64 bits, little endian, version 1, System V
        + struct.pack("<HHIQQQ", _EXECUTABLE, machine.number, 1, CODE + _HEADERS, 64, 0)
        + struct.pack("<IHHHHHH", 0, 64, 56, 2, 0, 0, 0)
        + struct.pack("<IIQQQQQQ", 1, _READ_EXECUTE, 0, CODE, CODE, end, end, _PAGE)
        + struct.pack("<IIQQQQQQ", 1, _READ_WRITE, 0, VARIABLES, VARIABLES, 0, space, _PAGE)
        + code
    )


class _Machine:
    """Code that grows; each architecture says how a register is loaded, stored and compared."""

    architecture = ""
    number = 0
    arguments: tuple[int, ...] = ()
    first, second = 0, 1
    """Registers to work in."""

    def __init__(self) -> None:
        self.variables: dict[str, int] = {}
        self._code = bytearray()
        self._labels: dict[str, int] = {}
        self._jumps: list[tuple[int, str]] = []

    def add(self, statement: Statement) -> None:
        getattr(self, statement.verb)(*statement.values)

    def finished(self) -> bytes:
        for position, name in self._jumps:
            self.patch(position, self._labels[name] - position)
        return bytes(self._code)

    def let(self, target: str, *values: Operand) -> None:
        self.load(self.first, values[0])
        for value in values[1:]:
            self.load(self.second, value)
            self.sum()
        self.store(target)

    def call(self, name: str, *arguments: Operand) -> None:
        for register, argument in zip(self.arguments, arguments, strict=False):
            self.load(register, argument)
        self.enter(_CALLS[self.architecture][name])
        self.store(_RESULT)

    def fetch(self, target: str, address: str, offset: int) -> None:
        self.let(target, address, offset)
        self.follow()
        self.store(target)

    def bits(self, target: str, source: str, shift: int, mask: int) -> None:
        self.load(self.first, source)
        self.shift(shift)
        self.load(self.second, mask)
        self.mask()
        self.store(target)

    def jump(self, condition: str, left: Operand, right: Operand, name: str) -> None:
        self.load(self.first, left)
        self.load(self.second, right)
        self.compare()
        self._jumps.append((len(self._code), name))
        self.branch(condition)

    def label(self, name: str) -> None:
        self._labels[name] = len(self._code)

    def address(self, name: str) -> int:
        return VARIABLES + 8 * self.variables.setdefault(name, len(self.variables))

    # -- what an architecture adds ---------------------------------------------------------------
    def keep_stack(self) -> None:
        raise NotImplementedError

    def load(self, register: int, operand: Operand) -> None:
        raise NotImplementedError

    def store(self, name: str) -> None:
        raise NotImplementedError

    def sum(self) -> None:
        raise NotImplementedError

    def follow(self) -> None:
        raise NotImplementedError

    def shift(self, count: int) -> None:
        raise NotImplementedError

    def mask(self) -> None:
        raise NotImplementedError

    def enter(self, number: int) -> None:
        raise NotImplementedError

    def compare(self) -> None:
        raise NotImplementedError

    def branch(self, condition: str) -> None:
        raise NotImplementedError

    def patch(self, position: int, distance: int) -> None:
        raise NotImplementedError


class _X86(_Machine):
    """Works in rax and rcx; a variable is addressed by its 32-bit absolute address."""

    architecture, number = "x86_64", 62
    arguments = (7, 6, 2, 10, 8)  # rdi, rsi, rdx, r10, r8

    def keep_stack(self) -> None:
        self._code += b"\x48\x89\x24\x25" + struct.pack("<i", self.address("stack"))  # mov [stack], rsp

    def load(self, register: int, operand: Operand) -> None:
        high, low = register >> 3, register & 7
        if isinstance(operand, str):  # mov register, [address]
            modes = bytes((0x48 | high << 2, 0x8B, low << 3 | 4, 0x25))
            self._code += modes + struct.pack("<i", self.address(operand))
        else:  # mov register, number
            number = self.address(operand.name) if isinstance(operand, Ref) else operand
            self._code += bytes((0x48 | high, 0xC7, 0xC0 | low)) + struct.pack("<i", number)

    def store(self, name: str) -> None:
        self._code += b"\x48\x89\x04\x25" + struct.pack("<i", self.address(name))  # mov [address], rax

    def sum(self) -> None:
        self._code += b"\x48\x01\xc8"  # add rax, rcx

    def follow(self) -> None:
        self._code += b"\x48\x8b\x00"  # mov rax, [rax]

    def shift(self, count: int) -> None:
        self._code += b"\x48\xc1\xe8" + bytes((count,))  # shr rax, count

    def mask(self) -> None:
        self._code += b"\x48\x21\xc8"  # and rax, rcx

    def enter(self, number: int) -> None:
        self.load(0, number)
        self._code += b"\x0f\x05"  # syscall

    def compare(self) -> None:
        self._code += b"\x48\x39\xc8"  # cmp rax, rcx

    def branch(self, condition: str) -> None:
        self._code += b"\x0f" + {"eq": b"\x84", "ne": b"\x85", "lt": b"\x8c"}[condition] + bytes(4)

    def patch(self, position: int, distance: int) -> None:
        self._code[position + 2 : position + 6] = struct.pack("<i", distance - 6)


class _Arm(_Machine):
    """Works in x0 and x1, and has the address of a variable in x9."""

    architecture, number = "aarch64", 183
    arguments = (0, 1, 2, 3, 4)

    def keep_stack(self) -> None:
        self._emit(0x910003E0)  # mov x0, sp
        self.store("stack")

    def load(self, register: int, operand: Operand) -> None:
        if isinstance(operand, str):
            self._number(9, self.address(operand))
            self._emit(0xF9400120 | register)  # ldr register, [x9]
        else:
            self._number(register, self.address(operand.name) if isinstance(operand, Ref) else operand)

    def store(self, name: str) -> None:
        self._number(9, self.address(name))
        self._emit(0xF9000120)  # str x0, [x9]

    def sum(self) -> None:
        self._emit(0x8B010000)  # add x0, x0, x1

    def follow(self) -> None:
        self._emit(0xF9400000)  # ldr x0, [x0]

    def shift(self, count: int) -> None:
        self._emit(0xD340FC00 | count << 16)  # lsr x0, x0, count

    def mask(self) -> None:
        self._emit(0x8A010000)  # and x0, x0, x1

    def enter(self, number: int) -> None:
        self._number(8, number)
        self._emit(0xD4000001)  # svc 0

    def compare(self) -> None:
        self._emit(0xEB01001F)  # cmp x0, x1

    def branch(self, condition: str) -> None:
        self._emit(0x54000000 | {"eq": 0, "ne": 1, "lt": 11}[condition])

    def patch(self, position: int, distance: int) -> None:
        (word,) = struct.unpack_from("<I", self._code, position)
        struct.pack_into("<I", self._code, position, word | (distance // 4 & 0x7FFFF) << 5)

    def _number(self, register: int, number: int) -> None:
        if number < 0:
            self._emit(0x92800000 | ~number << 5 | register)  # movn register, ~number
            return
        self._emit(0xD2800000 | (number & 0xFFFF) << 5 | register)  # movz register, number
        if number >> 16:
            self._emit(0xF2A00000 | number >> 16 << 5 | register)  # movk register, number >> 16, lsl 16

    def _emit(self, word: int) -> None:
        self._code += struct.pack("<I", word)

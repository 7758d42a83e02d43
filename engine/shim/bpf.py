"""Owns the program that says which devices a cgroup v2 group may use: assembled, loaded, attached by bpf(2).

The rules are those of cgroup v1's devices.allow (``c 1:3 rwm``, ``b *:* m``, ``a *:* rwm``): what none of
them allows is refused. The program lives as long as the group does. Refuses to choose rules.
Sources: bpf(2), the kernel's instruction-set and prog_cgroup_device documents, linux/bpf.h.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import struct

from engine.shim import linux

_COMMAND_LOAD, _COMMAND_ATTACH = 5, 8
_PROGRAM_TYPE = 15  # BPF_PROG_TYPE_CGROUP_DEVICE
_ATTACH_TYPE = 6  # BPF_CGROUP_DEVICE
_ALLOW_MULTI = 2
_INSTRUCTION = struct.Struct("=BBhi")
_LOAD_WORD, _MOVE, _MOVE_VALUE, _AND_VALUE, _SHIFT_RIGHT = 0x61, 0xBC, 0xB7, 0x54, 0x74
_JUMP_UNLESS_VALUE, _JUMP_UNLESS, _EXIT = 0x55, 0x5D, 0x95
_RESULT, _CONTEXT, _TYPE, _ACCESS, _MAJOR, _MINOR = range(6)
_SCRATCH = _CONTEXT
"""The context is read once, and its register is free then."""
_TYPES = {"b": 1, "c": 2}
_ACCESSES = {"m": 1, "r": 2, "w": 4}
_ALL = 7


def device_program(rules: list[str]) -> bytes:
    """The instructions that answer 1 where a rule of ``rules`` allows all of an access, else 0."""
    program = [
        _instruction(_LOAD_WORD, _TYPE, _CONTEXT, 0),
        _instruction(_MOVE, _ACCESS, _TYPE),
        _instruction(_AND_VALUE, _TYPE, value=0xFFFF),
        _instruction(_SHIFT_RIGHT, _ACCESS, value=16),
        _instruction(_LOAD_WORD, _MAJOR, _CONTEXT, 4),
        _instruction(_LOAD_WORD, _MINOR, _CONTEXT, 8),
    ]
    for rule in rules:
        program += _rule(rule)
    program += [_instruction(_MOVE_VALUE, _RESULT, value=0), _instruction(_EXIT)]
    return b"".join(program)


def _rule(rule: str) -> list[bytes]:
    """The block of one rule: every test that fails jumps behind the block's end."""
    kind, numbers, letters = rule.split()
    major, _, minor = numbers.partition(":")
    allowed = sum(_ACCESSES[letter] for letter in set(letters))
    tests: list[list[tuple[int, ...]]] = []
    if kind != "a":
        tests.append([(_JUMP_UNLESS_VALUE, _TYPE, 0, _TYPES[kind])])
    if allowed != _ALL:
        tests.append(
            [
                (_MOVE, _SCRATCH, _ACCESS, 0),
                (_AND_VALUE, _SCRATCH, 0, allowed),
                (_JUMP_UNLESS, _SCRATCH, _ACCESS, 0),
            ]
        )
    tests += [
        [(_JUMP_UNLESS_VALUE, register, 0, int(number))]
        for register, number in ((_MAJOR, major), (_MINOR, minor))
        if number != "*"
    ]
    steps = [step for test in tests for step in test]
    end = len(steps) + 2
    made = []
    for at, (code, register, source, value) in enumerate(steps):
        jumps = code in (_JUMP_UNLESS_VALUE, _JUMP_UNLESS)
        made.append(_instruction(code, register, source, end - at - 1 if jumps else 0, value))
    return [*made, _instruction(_MOVE_VALUE, _RESULT, value=1), _instruction(_EXIT)]


def _instruction(code: int, register: int = 0, source: int = 0, offset: int = 0, value: int = 0) -> bytes:
    return _INSTRUCTION.pack(code, source << 4 | register, offset, value)


def guard_devices(directory: str, rules: list[str]) -> None:
    """Attach the program of ``rules`` to the v2 group ``directory``; OSError if the kernel has none."""
    program = _load(device_program(rules))
    try:
        group = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            linux.bpf(_COMMAND_ATTACH, struct.pack("=4I", group, program, _ATTACH_TYPE, _ALLOW_MULTI))
        finally:
            os.close(group)
    finally:
        os.close(program)


def _load(program: bytes) -> int:
    instructions = ctypes.create_string_buffer(program, len(program))
    licence = ctypes.create_string_buffer(b"Apache")
    attributes = struct.pack(
        "=2I2Q2IQ2I16s",
        _PROGRAM_TYPE,
        len(program) // _INSTRUCTION.size,
        ctypes.addressof(instructions),
        ctypes.addressof(licence),
        0,
        0,
        0,
        0,
        0,
        b"tuidock_devices",
    )
    try:
        return linux.bpf(_COMMAND_LOAD, attributes)
    except PermissionError:
        pass  # before Linux 5.11 a program counts as locked memory
    limits = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    try:
        return linux.bpf(_COMMAND_LOAD, attributes)
    except PermissionError as error:
        raise _needs_capability(error) from error
    finally:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, limits)


def _needs_capability(error: OSError) -> OSError:
    return OSError(error.errno or errno.EPERM, "device programs need CAP_BPF and CAP_NET_ADMIN")

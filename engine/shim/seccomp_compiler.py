"""Owns compiling a resolved profile into a BPF program through libseccomp; runs in a worker process.

What the library of this machine does not know is put before its program: ``engine.shim.seccomp_prologue``.
Refuses to load anything, and to decide what a profile means. Sources: seccomp_rule_add(3),
seccomp_export_bpf(3); runc libcontainer/seccomp for the rules by which Docker's profiles are compiled.
"""

from __future__ import annotations

import base64
import ctypes
import os

from engine.shim.seccomp_prologue import ENOSYS, Section, prologue
from engine.shim.syscall_numbers import number_of

_LIBRARY = "libseccomp.so.2"
_TOKENS = {
    "x86_64": 0xC000003E,
    "x86": 0x40000003,
    "x32": 0x4000003E,
    "aarch64": 0xC00000B7,
    "arm": 0x40000028,
    "riscv64": 0xC00000F3,
    "ppc64le": 0xC0000015,
    "ppc64": 0x80000015,
    "ppc": 0x00000014,
    "s390x": 0x80000016,
    "s390": 0x00000016,
    "loongarch64": 0xC0000102,
    "mips": 0x00000008,
    "mips64": 0x80000008,
    "mips64n32": 0xA0000008,
    "mipsel": 0x40000008,
    "mipsel64": 0xC0000008,
    "mipsel64n32": 0xE0000008,
    "parisc": 0x0000000F,
    "parisc64": 0x8000000F,
}
_CTL_OPTIMIZE, _BINARY_TREE = 8, 2
_WORTH_A_TREE = 32
"""Calls from which a binary tree pays; without any the library's tree is broken (2.5.4)."""
_ACTION = 0xFFFF0000
_QUIET = frozenset({0x7FFF0000, 0x7FFC0000, 0x7FF00000})
"""ALLOW, LOG and TRACE as the default: who asks for these wants new calls too."""
_MAX_INSTRUCTIONS = 4096
_INSTRUCTION_SIZE = 8


class _Comparison(ctypes.Structure):
    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operation", ctypes.c_int),
        ("value", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


def compile_filter(arguments: dict, _fds: list[int] | None = None) -> dict[str, object]:  # type: ignore[type-arg]
    """The program of a plan, as ``{"program": base64}``; ``{"missing": true}`` without libseccomp.

    ``arguments`` is ``{"architectures": [native first], "default_action": number, "rules": [[names, action,
    [[argument, comparison, value, second], …]], …]}``. What cannot be compiled is ``{"refused": why}``.
    """
    try:
        library = _open()
    except OSError:
        return {"missing": True}
    try:
        program = _compile(library, arguments)
    except ValueError as error:
        return {"refused": str(error)}
    return {"program": base64.b64encode(program).decode()}


def library_version() -> str:
    """As "2.5.4"; empty without libseccomp."""
    try:
        library = _open()
    except OSError:
        return ""
    library.seccomp_version.restype = ctypes.POINTER(ctypes.c_uint * 3)
    return ".".join(map(str, library.seccomp_version().contents))


def _open() -> ctypes.CDLL:
    library = ctypes.CDLL(_LIBRARY)
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = [ctypes.c_uint32]
    library.seccomp_release.argtypes = [ctypes.c_void_p]
    library.seccomp_arch_add.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
    library.seccomp_arch_remove.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
    library.seccomp_arch_native.restype = ctypes.c_uint32
    library.seccomp_attr_set.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32]
    library.seccomp_rule_add_array.argtypes = [
        ctypes.c_void_p,
        ctypes.c_uint32,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.c_void_p,
    ]
    library.seccomp_export_bpf.argtypes = [ctypes.c_void_p, ctypes.c_int]
    library.seccomp_syscall_resolve_name.argtypes = [ctypes.c_char_p]
    library.seccomp_syscall_resolve_name_arch.argtypes = [ctypes.c_uint32, ctypes.c_char_p]
    return library


def _compile(library: ctypes.CDLL, plan: dict) -> bytes:  # type: ignore[type-arg]
    default, rules = plan["default_action"], plan["rules"]
    tokens = {name: _token(name) for name in plan["architectures"]}
    context = library.seccomp_init(default)
    if not context:
        raise ValueError(f"libseccomp does not take {default:#x} as the default action")
    try:
        _set_architectures(library, context, tokens)
        if sum(len(names) for names, _, _ in rules) > _WORTH_A_TREE:
            library.seccomp_attr_set(context, _CTL_OPTIMIZE, _BINARY_TREE)  # since 2.5.0; slower without
        for names, action, conditions in rules:
            if action != default:
                for name in names:
                    _add(library, context, name, action, conditions)
        program = _export(library, context)
    finally:
        library.seccomp_release(context)
    sections = [_section(library, name, token, rules, default) for name, token in tokens.items()]
    enosys = default != ENOSYS and default & _ACTION not in _QUIET
    program = prologue(sections, default, enosys=enosys) + program
    if len(program) > _MAX_INSTRUCTIONS * _INSTRUCTION_SIZE:
        instructions = len(program) // _INSTRUCTION_SIZE
        raise ValueError(f"it becomes {instructions} instructions, and the kernel takes {_MAX_INSTRUCTIONS}")
    return program


def _token(architecture: str) -> int:
    token = _TOKENS.get(architecture)
    if token is None:
        raise ValueError(f"no filters are known for {architecture}")
    return token


def _set_architectures(library: ctypes.CDLL, context: int, tokens: dict[str, int]) -> None:
    native = library.seccomp_arch_native()
    for name, token in tokens.items():
        if token != native and library.seccomp_arch_add(context, token):
            raise ValueError(f"libseccomp does not filter {name} here")
    if native not in tokens.values():
        library.seccomp_arch_remove(context, native)


def _add(library: ctypes.CDLL, context: int, name: str, action: int, conditions: list[list[int]]) -> None:
    number = library.seccomp_syscall_resolve_name(name.encode())
    if number == -1:
        return  # the kernel's, but not this library's: the prologue has it
    for together in alternatives(conditions):
        array = (_Comparison * len(together))(*(_Comparison(*condition) for condition in together))
        failed = library.seccomp_rule_add_array(context, action, number, len(together), array)
        if failed:
            raise ValueError(f"the rule for {name}: {os.strerror(-failed).lower()}")


def alternatives(conditions: list[list[int]]) -> list[list[list[int]]]:
    """Conditions that hold together; where two ask one argument, each is a rule of its own (as runc)."""
    arguments = [condition[0] for condition in conditions]
    if len(set(arguments)) < len(arguments):
        return [[condition] for condition in conditions]
    return [conditions]


def _export(library: ctypes.CDLL, context: int) -> bytes:
    memory = os.memfd_create("filter", os.MFD_CLOEXEC)
    with os.fdopen(memory, "rb") as file:
        failed = library.seccomp_export_bpf(context, memory)
        if failed:
            raise ValueError(f"seccomp_export_bpf: {os.strerror(-failed).lower()}")
        file.seek(0)
        return file.read()


def _section(library: ctypes.CDLL, name: str, token: int, rules: list, default: int) -> Section:  # type: ignore[type-arg]
    section = Section(name, token)
    for calls, action, conditions in rules:
        for call in calls:
            number = library.seccomp_syscall_resolve_name_arch(token, call.encode())
            if number < 0:
                number = number_of(call, name)
                if number is None:
                    continue
                if action != default:
                    rows = [
                        [(a, b, c, d) for a, b, c, d in together] for together in alternatives(conditions)
                    ]
                    section.rules.setdefault(number, []).extend((action, row) for row in rows)
            section.numbers.add(number)
    return section

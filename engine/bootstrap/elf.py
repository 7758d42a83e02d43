"""Owns the smallest static Linux executables: one that prints a text; refuses to link or to run anything.

Sources: ELF-64 object file format; syscall numbers of x86-64 (write 1, exit 60) and aarch64
(write 64, exit 93).
"""

from __future__ import annotations

import struct

from engine.errors import InvalidInput

_LOAD_ADDRESS = 0x400000
_PAGE = 0x1000
_HEADERS = 64 + 56
_PT_LOAD, _PT_INTERP = 1, 3
_READ_EXECUTE = 5
_X86_64, _AARCH64 = 62, 183
_ELF_HEADER = struct.Struct("<4s5B7xHHIQQQIHHHHHH")
_PROGRAM_HEADER = struct.Struct("<IIQQQQQQ")


def printing_executable(text: bytes, architecture: str) -> bytes:
    """An ELF file that writes ``text`` to standard output and exits with 0; amd64 and arm64."""
    makers = {"amd64": (_X86_64, _x86_64_code), "arm64": (_AARCH64, _aarch64_code)}
    if architecture not in makers:
        raise InvalidInput("architecture", f"no executable can be written for {architecture}")
    machine, code_for = makers[architecture]
    code = code_for(len(text))
    size = _HEADERS + len(code) + len(text)
    return _elf_header(machine) + _load_segment(size) + code + text


def is_static_executable(beginning: bytes) -> bool:
    """Whether the first bytes of a file are an ELF-64 executable that asks for no interpreter."""
    if len(beginning) < _ELF_HEADER.size or not beginning.startswith(b"\x7fELF\x02\x01"):
        return False
    fields = _ELF_HEADER.unpack_from(beginning)
    table, entry_size, entries = int(fields[10]), int(fields[14]), int(fields[15])
    for index in range(entries):
        at = table + index * entry_size
        if at + _PROGRAM_HEADER.size > len(beginning):
            return False
        if _PROGRAM_HEADER.unpack_from(beginning, at)[0] == _PT_INTERP:
            return False
    return bool(entries)


def _elf_header(machine: int) -> bytes:
    identity = (b"\x7fELF", 2, 1, 1, 0, 0)  # 64 bits, little endian, version 1, System V
    kind = (2, machine, 1)  # ET_EXEC
    entry = _LOAD_ADDRESS + _HEADERS
    return _ELF_HEADER.pack(*identity, *kind, entry, 64, 0, 0, 64, 56, 1, 0, 0, 0)


def _load_segment(size: int) -> bytes:
    return _PROGRAM_HEADER.pack(_PT_LOAD, _READ_EXECUTE, 0, _LOAD_ADDRESS, _LOAD_ADDRESS, size, size, _PAGE)


def _x86_64_code(length: int) -> bytes:
    after_text_address = (
        b"\xba"
        + struct.pack("<I", length)  # mov edx, length
        + b"\x0f\x05"  # syscall
        + b"\xb8\x3c\x00\x00\x00"  # mov eax, 60 (exit)
        + b"\x31\xff"  # xor edi, edi
        + b"\x0f\x05"  # syscall
    )
    return (
        b"\xb8\x01\x00\x00\x00"  # mov eax, 1 (write)
        b"\xbf\x01\x00\x00\x00"  # mov edi, 1 (standard output)
        b"\x48\x8d\x35"
        + struct.pack("<i", len(after_text_address))  # lea rsi, [rip + text]
        + after_text_address
    )


def _aarch64_code(length: int) -> bytes:
    text_offset = 4 * 7  # from the adr instruction to the end of the code
    adr_x1 = 0x10000001 | (text_offset & 3) << 29 | (text_offset >> 2) << 5
    return struct.pack(
        "<9I",
        0xD2800808,  # mov x8, 64 (write)
        0xD2800020,  # mov x0, 1 (standard output)
        adr_x1,  # adr x1, text
        0xD2800002 | length << 5,  # mov x2, length
        0xD4000001,  # svc 0
        0xD2800BA8,  # mov x8, 93 (exit)
        0xD2800000,  # mov x0, 0
        0xD4000001,  # svc 0
        0xD503201F,  # nop: keeps the text aligned to four bytes
    )

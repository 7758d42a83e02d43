"""Running seccomp filters without a kernel: what a program decides of one call; and its decisions in words."""

from __future__ import annotations

import struct

X86_64, X86, AARCH64, ARM = 0xC000003E, 0x40000003, 0xC00000B7, 0x40000028
X32 = 0x40000000
ALLOW, EPERM, ENOSYS, KILL = 0x7FFF0000, 0x00050001, 0x00050026, 0
_INSTRUCTION = struct.Struct("=HBBI")
_JUMPS = {
    0x15: lambda a, k: a == k,
    0x25: lambda a, k: a > k,
    0x35: lambda a, k: a >= k,
    0x45: lambda a, k: bool(a & k),
}


class Filter:
    """A program as the kernel would run it (linux/bpf_common.h: the part that seccomp takes)."""

    def __init__(self, program: bytes) -> None:
        self.code = list(_INSTRUCTION.iter_unpack(program))

    def decide(self, audit: int, number: int, *arguments: int) -> int:
        """The SECCOMP_RET_ value for the call ``number`` of the architecture ``audit``."""
        call = struct.pack("=IIQ6Q", number, audit, 0, *(*arguments, *(0,) * 6)[:6])
        accumulator = position = 0
        while True:
            operation, yes, no, value = self.code[position]
            position += 1
            if operation == 0x20:
                (accumulator,) = struct.unpack_from("=I", call, value)
            elif operation == 0x54:
                accumulator &= value
            elif operation == 0x05:
                position += value
            elif operation == 0x06:
                return value
            else:
                position += yes if _JUMPS[operation](accumulator, value) else no

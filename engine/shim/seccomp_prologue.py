"""Owns the instructions that stand before libseccomp's filter: the system calls that it does not know.

They decide calls that are newer than the library, by rule, and answer ENOSYS for those that are newer than
the profile; all else falls through to what follows. Pure. Sources: linux/bpf_common.h, seccomp(2).
"""

from __future__ import annotations

import struct

from engine.shim.syscall_numbers import X32_BIT

ERRNO = 0x00050000
ENOSYS = ERRNO | 38
NE, LT, LE, EQ, GE, GT, MASKED_EQ = range(1, 8)
"""As libseccomp's enum scmp_compare."""
_LOAD, _AND, _RETURN = 0x20, 0x54, 0x06
_JUMP, _JEQ, _JGT, _JGE = 0x05, 0x15, 0x25, 0x35
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_INSTRUCTION = struct.Struct("=HBBI")
_LAST = 0xFFFFFFFF
_64_BIT = 0x80000000
"""Of an audit architecture: x32 is x86_64 to the kernel, and libseccomp's own word is without this bit."""
_APART = {"x32": X32_BIT | 512, "arm": 0x000F0000}
"""From here on an architecture numbers calls that are its own, far from where new ones come."""
_WIDE = frozenset({"x86_64", "aarch64", "riscv64", "ppc64le", "loongarch64"})

TYPE_CHECKING = False
if TYPE_CHECKING:
    Code = list[tuple[int, int, int, int]]
    """Instructions: operation, operand, how many to skip if true, and if not."""
    Condition = tuple[int, int, int, int]
    """Argument, comparison, value and second value."""
    Ruling = tuple[int, list[Condition]]
    """An action, and the conditions that all have to hold."""
    Steps = list[tuple[int, int, str, str]]
    """Instructions of a condition, whose jumps go on (""), or say "pass" or "fail"."""


class Section:
    """One architecture's part: the profile's numbers, and rules of those that the library does not know.

    ``rules`` holds, by number, actions with their conditions: the first whose conditions all hold decides.
    """

    __slots__ = ("architecture", "audit", "numbers", "rules")

    def __init__(self, architecture: str, audit: int) -> None:
        self.architecture = architecture
        self.audit = audit | _64_BIT if architecture == "x32" else audit
        self.numbers: set[int] = set()
        self.rules: dict[int, list[Ruling]] = {}

    def unknown(self) -> list[tuple[int, int]]:
        """The ranges of numbers that are newer than any that the profile names."""
        if not self.numbers:
            return []
        end = X32_BIT - 1 if self.architecture == "x86_64" else _LAST
        apart = _APART.get(self.architecture)
        if apart is None:
            return [(max(self.numbers) + 1, end)]
        shared = max((number for number in self.numbers if number < apart), default=apart - 1)
        return [(shared + 1, apart - 1), (max(*self.numbers, apart) + 1, end)]


def prologue(sections: list[Section], default: int, *, enosys: bool) -> bytes:
    """The program to put before the library's: it returns, or falls off its end."""
    by_audit: dict[int, dict[bool, Section]] = {}
    for section in sections:
        by_audit.setdefault(section.audit, {})[section.architecture == "x32"] = section
    code: Code = []
    for audit, parts in reversed(by_audit.items()):
        body, x32 = (_decisions(parts.get(wanted), default, enosys=enosys) for wanted in (False, True))
        if x32:
            body = [(_JGE, X32_BIT, 1, 0), (_JUMP, len(x32) + 1, 0, 0), *x32, (_JUMP, len(body), 0, 0), *body]
        body = [(_LOAD, _NUMBER, 0, 0), *body, (_JUMP, len(code), 0, 0)]
        code = [(_JEQ, audit, 1, 0), (_JUMP, len(body), 0, 0), *body, *code]
    code = [(_LOAD, _ARCHITECTURE, 0, 0), *code] if code else []
    return b"".join(_INSTRUCTION.pack(operation, yes, no, value) for operation, value, yes, no in code)


def _decisions(section: Section | None, default: int, *, enosys: bool) -> Code:
    """Code for the number that is loaded: returns, or falls through."""
    if section is None:
        return []
    found = [(low, high, _return(action)) for low, high, action in _runs(section)]
    found += [
        (number, number, _ruled(rules, default, wide=section.architecture in _WIDE))
        for number, rules in section.rules.items()
        if _single(rules) is None
    ]
    if enosys:
        found += [(low, high, _return(ENOSYS)) for low, high in section.unknown() if low <= high]
    code: Code = []
    for low, high, decided in sorted(found, key=lambda entry: entry[0]):
        test = [(_JEQ, low, 1, 0)] if low == high else [(_JGE, low, 0, 1), (_JGT, high, 0, 1)]
        code += [*test, (_JUMP, len(decided), 0, 0), *decided]
    lowest = min((low for low, _, _ in found), default=_LAST)
    return [(_JGE, lowest, 1, 0), (_JUMP, len(code), 0, 0), *code] if code else []


def _return(action: int) -> Code:
    return [(_RETURN, action, 0, 0)]


def _single(rules: list[Ruling]) -> int | None:
    """The action of a rule without conditions, which beats those with some, as in libseccomp."""
    return next((action for action, conditions in rules if not conditions), None)


def _runs(section: Section) -> list[tuple[int, int, int]]:
    """Neighbouring numbers of one unconditional action, joined."""
    runs: list[tuple[int, int, int]] = []
    for number in sorted(section.rules):
        action = _single(section.rules[number])
        if action is None:
            continue
        if runs and runs[-1][1:] == (number - 1, action):
            runs[-1] = (runs[-1][0], number, action)
        else:
            runs.append((number, number, action))
    return runs


def _ruled(rules: list[Ruling], default: int, *, wide: bool) -> Code:
    code: Code = []
    for action, conditions in rules:
        block = _return(action)
        for condition in reversed(conditions):
            block = _tested(condition, wide=wide, then=block)
        code += block
    return [*code, *_return(default)]


def _tested(condition: Condition, *, wide: bool, then: Code) -> Code:
    """``condition`` before the code ``then``, which is skipped where it does not hold."""
    steps = _comparison(condition, wide=wide)
    code: Code = []
    for position, (operation, value, yes, no) in enumerate(steps):
        left = len(steps) - position - 1
        skip = {"": 0, "pass": left, "fail": left + len(then)}
        code.append((operation, value, skip[yes], skip[no]))
    return [*code, *then]


def _comparison(condition: Condition, *, wide: bool) -> Steps:
    """Both halves of an argument, the high one first; the low one alone where registers have 32 bits."""
    index, comparison, value, second = condition
    low = (_LOAD, _ARGUMENTS + 8 * index, "", "")
    high = (_LOAD, _ARGUMENTS + 8 * index + 4, "", "")
    wanted = second if comparison == MASKED_EQ else value
    above, below = wanted >> 32, wanted & _LAST
    if comparison == MASKED_EQ:
        upper: Steps = [high, (_AND, value >> 32, "", ""), (_JEQ, above, "", "fail")]
        lower: Steps = [low, (_AND, value & _LAST, "", ""), (_JEQ, below, "", "fail")]
    elif comparison == EQ:
        upper = [high, (_JEQ, above, "", "fail")]
        lower = [low, (_JEQ, below, "", "fail")]
    elif comparison == NE:
        upper = [high, (_JEQ, above, "", "pass")]
        lower = [low, (_JEQ, below, "fail", "")]
    else:
        more, less = ("pass", "fail") if comparison in (GE, GT) else ("fail", "pass")
        upper = [high, (_JGT, above, more, ""), (_JEQ, above, "", less)]
        test = _JGE if comparison in (GE, LT) else _JGT
        lower = [low, (test, below, "", "fail") if more == "pass" else (test, below, "fail", "")]
    return [*upper, *lower] if wide else lower

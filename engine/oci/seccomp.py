"""Owns Docker's seccomp profile: its JSON as a value, and what of it holds on one machine; pure, no I/O.

Sources: Docker's documentation of seccomp profiles and moby profiles/seccomp (includes, excludes, archMap);
OCI runtime-spec config-linux.md (the rest). Refuses what a kernel would be asked to guess.
"""

from __future__ import annotations

import msgspec

from engine.errors import InvalidInput

_ERRNO, _TRACE = 0x00050000, 0x7FF00000
_ACTIONS = {
    "SCMP_ACT_KILL": 0x00000000,
    "SCMP_ACT_KILL_THREAD": 0x00000000,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_TRAP": 0x00030000,
    "SCMP_ACT_ERRNO": _ERRNO,
    "SCMP_ACT_TRACE": _TRACE,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_ALLOW": 0x7FFF0000,
}
_NOTIFY = "SCMP_ACT_NOTIFY"
_COMPARISONS = {
    f"SCMP_CMP_{name}": number
    for number, name in enumerate(("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"), 1)
}
_ARCHITECTURE = "SCMP_ARCH_"
_ARCHITECTURES = frozenset(
    "X86_64 X86 X32 AARCH64 ARM RISCV64 PPC64LE PPC64 PPC S390X S390 LOONGARCH64 MIPS MIPS64 MIPS64N32 "
    "MIPSEL MIPSEL64 MIPSEL64N32 PARISC PARISC64".split()
)
_FLAGS = {
    "SECCOMP_FILTER_FLAG_TSYNC": 0,  # the process that loads the filter has one thread
    "SECCOMP_FILTER_FLAG_LOG": 2,
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW": 4,
}
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "loongarch64": "loong64", "i686": "x86"}
"""What the kernel calls a machine, where Docker's profiles say it otherwise."""
_EPERM = 1
_ERRNO_LIMIT = 1 << 16
_ARGUMENTS = 6


class Argument(msgspec.Struct, frozen=True):
    """One comparison of a call's argument; ``valueTwo`` is what remains of MASKED_EQ."""

    index: int
    op: str
    value: int = 0
    valueTwo: int = 0  # noqa: N815 - the format's own word


class Condition(msgspec.Struct, frozen=True):
    """When a rule counts: all of ``caps`` held, the machine one of ``arches``, the kernel that new."""

    caps: tuple[str, ...] | None = None
    arches: tuple[str, ...] | None = None
    minKernel: str | None = None  # noqa: N815


class Rule(msgspec.Struct, frozen=True):
    """What happens to some calls."""

    action: str
    names: tuple[str, ...] | None = None
    name: str | None = None
    errnoRet: int | None = None  # noqa: N815
    args: tuple[Argument | None, ...] | None = None
    includes: Condition | None = None
    excludes: Condition | None = None


class ArchitectureMap(msgspec.Struct, frozen=True):
    """A machine's architecture and those that it runs besides."""

    architecture: str
    subArchitectures: tuple[str, ...] | None = None  # noqa: N815


class Profile(msgspec.Struct, frozen=True):
    """A whole profile; field names are the format's own. Members that it does not have are ignored."""

    defaultAction: str  # noqa: N815
    defaultErrnoRet: int | None = None  # noqa: N815
    architectures: tuple[str, ...] | None = None
    archMap: tuple[ArchitectureMap, ...] | None = None  # noqa: N815
    flags: tuple[str, ...] | None = None
    listenerPath: str | None = None  # noqa: N815
    syscalls: tuple[Rule, ...] | None = None


class Machine(msgspec.Struct, frozen=True):
    """What a profile asks of the machine and the container: ``kernel`` is (version, major revision)."""

    machine: str
    """As uname(2) says it."""
    kernel: tuple[int, int]
    capabilities: frozenset[str]
    """With CAP_: those in the bounding set."""


class Plan(msgspec.Struct, frozen=True):
    """What is compiled: see ``engine.shim.seccomp_compiler.compile_filter``."""

    architectures: tuple[str, ...]
    default_action: int
    rules: tuple[tuple[tuple[str, ...], int, tuple[tuple[int, int, int, int], ...]], ...]


def parse(text: str | bytes) -> Profile:
    """The profile in ``text``; InvalidInput says what is wrong in it, and where."""
    try:
        profile = msgspec.json.decode(text, type=Profile)
    except msgspec.DecodeError as error:
        raise _bad(str(error)) from error
    if profile.architectures and profile.archMap:
        raise _bad("both 'architectures' and 'archMap' are given, use one of them")
    if profile.listenerPath or _NOTIFY in _actions_of(profile):
        raise _bad(f"listenerPath and {_NOTIFY} need an agent that answers calls, which is not supported")
    _action(profile.defaultAction, profile.defaultErrnoRet)
    load_flags(profile)
    for names in (profile.architectures or (), *(_mapped(entry) for entry in profile.archMap or ())):
        for name in names:
            _architecture(name)
    for rule in profile.syscalls or ():
        _check_rule(rule)
    return profile


def load_flags(profile: Profile) -> int:
    """The flags of seccomp(2) that the profile asks for."""
    total = 0
    for flag in profile.flags or ():
        if flag not in _FLAGS:
            raise _bad(f"{flag} is not a flag (known: {', '.join(_FLAGS)})")
        total |= _FLAGS[flag]
    return total


def resolve(profile: Profile, machine: Machine) -> Plan:
    """What of the profile holds on ``machine``, in the compiler's words."""
    native = _MACHINES.get(machine.machine, machine.machine)
    rules = tuple(
        (_names(rule), _action(rule.action, rule.errnoRet), _conditions(rule))
        for rule in profile.syscalls or ()
        if _holds(rule, native, machine)
    )
    return Plan(
        architectures=_architectures(profile, machine.machine),
        default_action=_action(profile.defaultAction, profile.defaultErrnoRet),
        rules=rules,
    )


def _bad(reason: str) -> InvalidInput:
    return InvalidInput("seccomp profile", reason, remedy="see Docker's documentation of seccomp profiles")


def _actions_of(profile: Profile) -> set[str]:
    return {profile.defaultAction, *(rule.action for rule in profile.syscalls or ())}


def _action(name: str, errno: int | None) -> int:
    number = _ACTIONS.get(name)
    if number is None:
        raise _bad(f"{name!r} is not an action (known: {', '.join(_ACTIONS)})")
    if number not in (_ERRNO, _TRACE):
        return number
    value = _EPERM if errno is None else errno
    if not 0 <= value < _ERRNO_LIMIT:
        raise _bad(f"{value} is no errno that {name} can return")
    return number | value


def _mapped(entry: ArchitectureMap) -> tuple[str, ...]:
    return (entry.architecture, *(entry.subArchitectures or ()))


def _architecture(name: str) -> str:
    short = name.removeprefix(_ARCHITECTURE)
    if short not in _ARCHITECTURES or short == name:
        raise _bad(f"{name!r} is not an architecture (such as SCMP_ARCH_X86_64)")
    return short.lower()


def _architectures(profile: Profile, machine: str) -> tuple[str, ...]:
    """The machine's own first: a filter always has it."""
    native = "x86" if machine == "i686" else machine
    named = profile.architectures or ()
    for entry in profile.archMap or ():
        if _architecture(entry.architecture) == native:
            named = _mapped(entry)
            break
    return tuple(dict.fromkeys((native, *(_architecture(name) for name in named))))


def _check_rule(rule: Rule) -> None:
    if rule.name and rule.names:
        raise _bad("both 'name' and 'names' are given in a rule, use one of them")
    if not all(_names(rule)):
        raise _bad("a rule names no system call")
    _action(rule.action, rule.errnoRet)
    _conditions(rule)
    for condition in (rule.includes, rule.excludes):
        if condition is not None and condition.minKernel:
            _version(condition.minKernel)


def _names(rule: Rule) -> tuple[str, ...]:
    return (rule.name,) if rule.name else rule.names or ()


def _conditions(rule: Rule) -> tuple[tuple[int, int, int, int], ...]:
    found = []
    for argument in rule.args or ():
        if argument is None:
            raise _bad("null is not a comparison of an argument")
        comparison = _COMPARISONS.get(argument.op)
        if comparison is None:
            raise _bad(f"{argument.op!r} is not a comparison (known: {', '.join(_COMPARISONS)})")
        if not 0 <= argument.index < _ARGUMENTS:
            raise _bad(f"a call has no argument {argument.index}, they count from 0 to 5")
        if not 0 <= argument.value < 1 << 64 or not 0 <= argument.valueTwo < 1 << 64:
            raise _bad("an argument's value must be from 0 to 2^64-1")
        found.append((argument.index, comparison, argument.value, argument.valueTwo))
    return tuple(found)


def _holds(rule: Rule, native: str, machine: Machine) -> bool:
    excluded, included = rule.excludes, rule.includes
    if excluded is not None and (
        native in (excluded.arches or ())
        or machine.capabilities.intersection(excluded.caps or ())
        or (excluded.minKernel and machine.kernel >= _version(excluded.minKernel))
    ):
        return False
    return included is None or not (
        (included.arches and native not in included.arches)
        or not machine.capabilities.issuperset(included.caps or ())
        or (included.minKernel and machine.kernel < _version(included.minKernel))
    )


def _version(text: str) -> tuple[int, int]:
    version, _, revision = text.partition(".")
    if not (version.isdecimal() and revision.isdecimal()) or (int(version), int(revision)) == (0, 0):
        raise _bad(f'invalid kernel version: "{text}", expected "<kernel>.<major>"')
    return int(version), int(revision)

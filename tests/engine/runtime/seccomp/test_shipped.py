from __future__ import annotations

import os

import pytest

from engine.oci.seccomp import parse
from engine.runtime.capabilities import DEFAULT
from engine.runtime.seccomp.shipped import (
    ASKED,
    MACHINES,
    OLDEST_KERNEL,
    VARIANTS,
    made_now,
    read_default,
    shipped_path,
    shipped_program,
)
from engine.shim.seccomp_compiler import library_version
from tests.support.seccomp import AARCH64, ALLOW, ARM, ENOSYS, EPERM, X32, X86, X86_64, Filter

_MADE_WITH = "2.5.4"
_ABIS = {"x86_64": ((X86_64, 0), (X86, 0), (X86_64, X32)), "aarch64": ((AARCH64, 0), (ARM, 0))}
_ARGUMENTS = ((0,), (8,), (12,), (16,), (38,), (0x11,), (0x10000000,), (0xFFFFFFFF,), (1 << 32,))


def _default(machine: str = "x86_64", capabilities: frozenset[str] = DEFAULT) -> Filter:
    program = shipped_program(machine, capabilities)
    assert program is not None
    return Filter(program)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("capabilities", VARIANTS)
def test_what_is_shipped_is_what_the_compiler_makes_now(machine, capabilities):
    """After a change of the profile or the compiler: python -m engine.runtime.seccomp."""
    shipped, made = shipped_program(machine, capabilities), made_now(machine, capabilities)
    if library_version() == _MADE_WITH:
        assert shipped == made
        return
    old, new = Filter(shipped), Filter(made)  # another library may order its instructions otherwise
    for audit, bit in _ABIS[machine]:
        for number in range(bit, bit + 600):
            for arguments in _ARGUMENTS:
                assert old.decide(audit, number, *arguments) == new.decide(audit, number, *arguments), number


def test_nothing_is_shipped_that_nobody_makes():
    wanted = {os.path.basename(shipped_path(machine, names)) for machine in MACHINES for names in VARIANTS}
    assert set(os.listdir(os.path.dirname(shipped_path("x86_64", DEFAULT)))) == wanted


def test_the_default_profile_depends_on_these_capabilities_and_no_other():
    conditions = [c for rule in parse(read_default()).syscalls for c in (rule.includes, rule.excludes) if c]
    assert {name for c in conditions for name in c.caps or ()} == {f"CAP_{name}" for name in ASKED}


def test_the_default_profile_asks_for_no_kernel_that_is_newer_than_the_oldest():
    conditions = [c for rule in parse(read_default()).syscalls for c in (rule.includes, rule.excludes) if c]
    asked = [tuple(map(int, c.minKernel.split("."))) for c in conditions if c.minKernel]
    assert asked
    assert max(asked) <= OLDEST_KERNEL


def test_no_program_is_shipped_for_a_set_that_would_need_another_one():
    assert shipped_program("x86_64", DEFAULT | {"SYS_TIME"}) is None
    assert shipped_program("riscv64", DEFAULT) is None


def test_capabilities_that_the_profile_does_not_ask_for_share_a_program():
    assert shipped_program("x86_64", DEFAULT | {"NET_ADMIN"}) == shipped_program("x86_64", DEFAULT)


_DENIED = {
    "mount": (165, 21, 40),
    "umount2": (166, 52, 39),
    "pivot_root": (155, 217, 41),
    "swapon": (167, 87, 224),
    "reboot": (169, 88, 142),
    "init_module": (175, 128, 105),
    "kexec_load": (246, 283, 104),
    "add_key": (248, 286, 217),
    "keyctl": (250, 288, 219),
    "unshare": (272, 310, 97),
    "perf_event_open": (298, 336, 241),
    "setns": (308, 346, 268),
    "bpf": (321, 357, 280),
    "userfaultfd": (323, 374, 282),
    "io_uring_setup": (425, 425, 425),
    "open_tree": (428, 428, 428),
    "fsopen": (430, 430, 430),
}
"""Numbers on x86-64, i386 and aarch64."""


@pytest.mark.parametrize("name", _DENIED)
def test_the_default_refuses(name):
    wide, narrow, arm = _DENIED[name]
    usual = _default()
    found = (usual.decide(X86_64, wide), usual.decide(X86, narrow), usual.decide(X86_64, X32 | wide))
    if name == "kexec_load":  # x32 has another number, which nothing else has
        found = (*found[:2], usual.decide(X86_64, X32 | 528))
    assert (*found, _default("aarch64").decide(AARCH64, arm)) == (EPERM,) * 4


_ALLOWED = {
    "read": (0, 3, 63),
    "ptrace": (101, 26, 117),
    "chroot": (161, 61, 51),
    "openat": (257, 295, 56),
    "openat2": (437, 437, 437),
    "landlock_create_ruleset": (444, 444, 444),
    "fchmodat2": (452, 452, 452),
    "statmount": (457, 457, 457),
    "mseal": (462, 462, 462),
    "removexattrat": (466, 466, 466),
}


@pytest.mark.parametrize("name", _ALLOWED)
def test_the_default_allows(name):
    wide, narrow, arm = _ALLOWED[name]
    found = (_default().decide(X86_64, wide), _default().decide(X86, narrow))
    assert (*found, _default("aarch64").decide(AARCH64, arm)) == (ALLOW,) * 3


def test_new_namespaces_are_refused_and_new_threads_are_not():
    usual = _default()
    assert [usual.decide(X86_64, 56, flags) for flags in (0x11, 0x3D0F00, 0x10000011, 0x40000011)] == [
        ALLOW,
        ALLOW,
        EPERM,
        EPERM,
    ]


def test_clone3_does_not_exist_so_that_libraries_use_clone():
    assert [_default().decide(X86_64, 435), _default().decide(X86, 435)] == [ENOSYS, ENOSYS]


@pytest.mark.parametrize(
    ("family", "decided"), [(1, ALLOW), (2, ALLOW), (16, ALLOW), (38, EPERM), (40, EPERM)]
)
def test_sockets_of_the_kernel_s_cryptography_and_of_the_hypervisor_are_refused(family, decided):
    assert _default().decide(X86_64, 41, family) == decided


@pytest.mark.parametrize(
    ("persona", "decided"), [(0, ALLOW), (8, ALLOW), (0xFFFFFFFF, ALLOW), (0x40000, EPERM)]
)
def test_only_harmless_personalities_can_be_taken(persona, decided):
    assert _default().decide(X86_64, 135, persona) == decided


def test_calls_newer_than_the_profile_do_not_exist():
    usual = _default()
    numbers = ((X86_64, 467), (X86, 467), (X86_64, X32 | 467), (X86_64, 1000))
    assert {usual.decide(audit, number) for audit, number in numbers} == {ENOSYS}


@pytest.mark.parametrize(
    ("capability", "number"),
    [("SYS_ADMIN", 165), ("SYS_ADMIN", 272), ("SYS_ADMIN", 435), ("SYS_PTRACE", 312)],
)
def test_a_capability_opens_the_calls_that_it_is_for(capability, number):
    assert _default(capabilities=DEFAULT | {capability}).decide(X86_64, number) == ALLOW


def test_without_its_capability_chroot_is_refused():
    assert _default(capabilities=frozenset()).decide(X86_64, 161) == EPERM

from __future__ import annotations

import base64

from engine.shim.seccomp_compiler import compile_filter
from tests.support.seccomp import ALLOW, ENOSYS, EPERM, KILL, X32, X86, X86_64, Filter

_EQ = 4


def _compiled(*rules, default=EPERM, architectures=("x86_64", "x86", "x32")):
    made = compile_filter({"architectures": architectures, "default_action": default, "rules": rules})
    return Filter(base64.b64decode(made["program"]))


def test_a_call_is_allowed_by_each_architecture_s_own_number():
    found = _compiled((["read"], ALLOW, []), (["removexattrat"], ALLOW, []))
    assert [found.decide(X86_64, 0), found.decide(X86, 3), found.decide(X86_64, X32)] == [ALLOW] * 3
    assert [found.decide(X86_64, 3), found.decide(X86, 0), found.decide(X86_64, X32 | 3)] == [EPERM] * 3


def test_calls_that_the_library_may_not_know_have_their_numbers():
    found = _compiled((["mseal", "statmount", "uretprobe"], ALLOW, []))
    assert [found.decide(X86_64, number) for number in (335, 457, 462)] == [ALLOW] * 3
    assert [found.decide(X86, 457), found.decide(X86_64, X32 | 462), found.decide(X86_64, 458)] == [
        ALLOW,
        ALLOW,
        EPERM,
    ]


def test_a_condition_on_a_call_that_the_library_may_not_know():
    found = _compiled((["mseal"], ALLOW, [[1, _EQ, 4096, 0]]))
    assert [found.decide(X86_64, 462, 0, size) for size in (4096, 4097, 4096 | 1 << 32)] == [
        ALLOW,
        EPERM,
        EPERM,
    ]


def test_conditions_on_one_argument_are_alternatives():
    found = _compiled((["personality"], ALLOW, [[0, _EQ, 0, 0], [0, _EQ, 8, 0]]))
    assert [found.decide(X86_64, 135, value) for value in (0, 8, 4)] == [ALLOW, ALLOW, EPERM]


def test_conditions_on_several_arguments_hold_together():
    found = _compiled((["kill"], ALLOW, [[0, _EQ, 1, 0], [1, _EQ, 9, 0]]))
    assert [found.decide(X86_64, 62, *values) for values in ((1, 9), (1, 8), (2, 9))] == [ALLOW, EPERM, EPERM]


def test_a_permissive_default_passes_what_is_newer_than_the_profile():
    assert _compiled((["mkdir"], EPERM, []), default=ALLOW).decide(X86_64, 500) == ALLOW


def test_a_strict_default_says_that_what_is_newer_does_not_exist():
    assert _compiled((["mkdir"], ALLOW, []), default=KILL).decide(X86_64, 500) == ENOSYS


def test_another_architecture_is_killed():
    assert _compiled((["read"], ALLOW, []), architectures=("x86_64",)).decide(X86, 3) == KILL


def test_names_that_nobody_knows_are_left_out():
    assert _compiled((["read", "no_such_call"], ALLOW, [])).decide(X86_64, 0) == ALLOW


def test_the_first_of_two_rules_that_contradict_each_other_decides():
    found = _compiled((["read", "mseal"], ALLOW, []), (["read", "mseal"], 0x00050002, []))
    assert [found.decide(X86_64, number) for number in (0, 462)] == [ALLOW, ALLOW]


def test_a_program_that_no_kernel_takes_is_refused():
    rules = [(["personality"], ALLOW, [[0, _EQ, value, 0]]) for value in range(4100)]
    made = compile_filter({"architectures": ["x86_64"], "default_action": EPERM, "rules": rules})
    assert str(made["refused"]).endswith("instructions, and the kernel takes 4096")


def test_a_machine_that_libseccomp_has_no_word_for_is_refused():
    made = compile_filter({"architectures": ["vax"], "default_action": EPERM, "rules": []})
    assert made == {"refused": "no filters are known for vax"}

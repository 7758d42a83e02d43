from __future__ import annotations

from operator import eq, ge, gt, le, lt, ne

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.shim.seccomp_prologue import ENOSYS, EQ, GE, GT, LE, LT, MASKED_EQ, NE, Section, prologue
from tests.support.seccomp import AARCH64, ALLOW, ARM, EPERM, X32, X86, X86_64, Filter

_AFTER = b"\x06\x00\x00\x00\x07\x00\x00\x00"
"""Return 7: what the library's program, which follows, says."""
_WORDS = st.one_of(st.integers(0, (1 << 64) - 1), st.sampled_from([0, 1, 1 << 31, (1 << 32) - 1, 1 << 32]))
_HOLDS = {NE: ne, LT: lt, LE: le, EQ: eq, GE: ge, GT: gt}


def _section(architecture, audit, numbers=(), rules=None):
    section = Section(architecture, audit)
    section.numbers.update(numbers)
    section.rules = rules or {}
    return section


def _filter(*sections, enosys=True):
    return Filter(prologue(list(sections), EPERM, enosys=enosys) + _AFTER)


def _decides(architecture, audit, value, condition):
    rules = {462: [(ALLOW, [(2, *condition)])]}
    return _filter(_section(architecture, audit, {462}, rules)).decide(audit, 462, 0, 0, value) == ALLOW


@given(comparison=st.sampled_from(list(_HOLDS)), value=_WORDS, one=_WORDS)
def test_a_64_bit_argument_is_compared_as_one_number(comparison, value, one):
    assert _decides("x86_64", X86_64, value, (comparison, one, 0)) is _HOLDS[comparison](value, one)


@given(comparison=st.sampled_from(list(_HOLDS)), value=_WORDS, one=_WORDS)
def test_a_32_bit_machine_compares_the_low_half(comparison, value, one):
    low, wanted = one & 0xFFFFFFFF, value & 0xFFFFFFFF
    assert _decides("x86", X86, value, (comparison, one, 0)) is _HOLDS[comparison](wanted, low)


@given(value=_WORDS, mask=_WORDS, two=_WORDS)
def test_an_argument_is_masked_in_both_halves(value, mask, two):
    assert _decides("x86_64", X86_64, value, (MASKED_EQ, mask, value & mask))
    assert _decides("x86_64", X86_64, value, (MASKED_EQ, mask, two)) is (value & mask == two)


@given(first=_WORDS, second=_WORDS, wanted=st.lists(_WORDS, min_size=2, max_size=2))
def test_conditions_of_one_rule_all_have_to_hold(first, second, wanted):
    rules = {462: [(ALLOW, [(0, GE, wanted[0], 0), (1, NE, wanted[1], 0)])]}
    decided = _filter(_section("x86_64", X86_64, {462}, rules)).decide(X86_64, 462, first, second)
    assert (decided == ALLOW) is (first >= wanted[0] and second != wanted[1])


def test_the_first_rule_that_holds_decides_and_else_the_default():
    rules = {462: [(ALLOW, [(0, EQ, 1, 0)]), (ENOSYS, [(0, LT, 5, 0)])]}
    found = _filter(_section("x86_64", X86_64, {462}, rules))
    assert [found.decide(X86_64, 462, value) for value in (1, 2, 5)] == [ALLOW, ENOSYS, EPERM]


def test_a_rule_without_conditions_beats_those_with_some():
    rules = {462: [(ENOSYS, [(0, EQ, 1, 0)]), (ALLOW, [])]}
    assert _filter(_section("x86_64", X86_64, {462}, rules)).decide(X86_64, 462, 1) == ALLOW


def test_neighbours_share_a_range_and_gaps_are_the_library_s():
    rules = {number: [(ALLOW, [])] for number in (457, 458, 462)}
    found = _filter(_section("x86_64", X86_64, {462}, rules))
    assert [found.decide(X86_64, number) for number in (456, 457, 458, 459, 462)] == [
        7,
        ALLOW,
        ALLOW,
        7,
        ALLOW,
    ]


@pytest.mark.parametrize(
    ("architecture", "audit", "known", "newer"),
    [
        ("x86_64", X86_64, (0, 300, 466), (467, 1000, X32 - 1)),
        ("x86", X86, (0, 466), (467, 0xFFFFFFFF)),
        ("aarch64", AARCH64, (0, 466), (467, 0xFFFFFFFF)),
        ("arm", ARM, (466, 0xF0000, 0xF0005), (467, 0xEFFFF, 0xF0006)),
        (
            "x32",
            0x4000003E,
            (X32, X32 | 466, X32 | 512, X32 | 547),
            (X32 | 467, X32 | 511, X32 | 548, 0xFFFFFFFF),
        ),
    ],
)
def test_what_is_newer_than_the_profile_does_not_exist(architecture, audit, known, newer):
    found = _filter(_section(architecture, audit, known))
    audit = X86_64 if architecture == "x32" else audit
    assert {found.decide(audit, number) for number in known} == {7}
    assert {found.decide(audit, number) for number in newer} == {ENOSYS}


def test_newer_calls_are_the_library_s_where_the_default_lets_them_pass():
    assert _filter(_section("x86_64", X86_64, {1}), enosys=False).decide(X86_64, 500) == 7


def test_x32_calls_are_the_library_s_where_the_profile_has_no_x32():
    assert _filter(_section("x86_64", X86_64, {1})).decide(X86_64, X32 | 1) == 7


def test_architectures_do_not_mix():
    x32 = _section("x32", 0x4000003E, {X32 | 10}, {X32 | 10: [(ALLOW, [])]})
    found = _filter(_section("x86_64", X86_64, {20}), _section("x86", X86, {30}), x32)
    assert [found.decide(X86_64, 21), found.decide(X86, 21), found.decide(X86, 31)] == [ENOSYS, 7, ENOSYS]
    assert [found.decide(X86_64, X32 | 10), found.decide(ARM, 31)] == [ALLOW, 7]

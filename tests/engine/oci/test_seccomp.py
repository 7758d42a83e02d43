from __future__ import annotations

import json

import pytest

from engine.errors import InvalidInput
from engine.oci.seccomp import Machine, load_flags, parse, resolve

_ALLOW = 0x7FFF0000
_PLAIN = Machine("x86_64", (6, 1), frozenset({"CAP_CHOWN"}))


def _plan(machine=_PLAIN, **members):
    return resolve(parse(json.dumps({"defaultAction": "SCMP_ACT_ERRNO", **members})), machine)


def _calls(machine, *rules):
    return [
        names
        for names, _, _ in _plan(machine, syscalls=[{"action": "SCMP_ACT_ALLOW", **r} for r in rules]).rules
    ]


def test_actions_become_the_kernel_s_numbers_with_their_errno():
    wanted = {"KILL": 0, "KILL_THREAD": 0, "KILL_PROCESS": 0x80000000, "TRAP": 0x00030000, "LOG": 0x7FFC0000}
    wanted |= {"ERRNO": 0x00050001, "TRACE": 0x7FF00001, "ALLOW": _ALLOW}
    plan = _plan(syscalls=[{"name": "read", "action": f"SCMP_ACT_{action}"} for action in wanted])
    assert [action for _, action, _ in plan.rules] == list(wanted.values())


def test_the_default_s_errno_is_its_own_and_a_rule_s_its_own():
    plan = _plan(
        defaultErrnoRet=38, syscalls=[{"names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13}]
    )
    assert (plan.default_action, plan.rules[0][1]) == (0x00050026, 0x0005000D)


def test_arguments_are_compared_as_libseccomp_counts_them():
    argument = {"index": 1, "value": 7, "valueTwo": 3, "op": "SCMP_CMP_MASKED_EQ"}
    plan = _plan(syscalls=[{"names": ["kill"], "action": "SCMP_ACT_ALLOW", "args": [argument]}])
    assert plan.rules == ((("kill",), _ALLOW, ((1, 7, 7, 3),)),)


def test_a_rule_asks_for_all_its_capabilities():
    rule = {"names": ["mount"], "includes": {"caps": ["CAP_SYS_ADMIN", "CAP_CHOWN"]}}
    more = Machine("x86_64", (6, 1), frozenset({"CAP_CHOWN", "CAP_SYS_ADMIN"}))
    assert (_calls(_PLAIN, rule), _calls(more, rule)) == ([], [("mount",)])


def test_a_rule_is_left_out_for_any_capability_that_it_excludes():
    assert _calls(_PLAIN, {"names": ["clone"], "excludes": {"caps": ["CAP_SYS_ADMIN", "CAP_CHOWN"]}}) == []


def test_machines_are_called_as_docker_s_profiles_call_them():
    rule = {"names": ["set_tls"], "includes": {"arches": ["arm", "arm64"]}}
    assert (_calls(_PLAIN, rule), _calls(Machine("aarch64", (6, 1), frozenset()), rule)) == (
        [],
        [("set_tls",)],
    )


@pytest.mark.parametrize(("kernel", "held"), [((4, 7), False), ((4, 8), True), ((5, 0), True)])
def test_a_rule_waits_for_its_kernel(kernel, held):
    rule = {"names": ["ptrace"], "includes": {"minKernel": "4.8"}}
    assert bool(_calls(Machine("x86_64", kernel, frozenset()), rule)) is held


def test_a_rule_ends_with_the_kernel_that_it_excludes():
    rule = {"names": ["ptrace"], "excludes": {"minKernel": "4.8"}}
    assert (_calls(_PLAIN, rule), _calls(Machine("x86_64", (4, 7), frozenset()), rule)) == ([], [("ptrace",)])


def test_the_map_gives_the_machine_s_architectures_its_own_first():
    entries = [
        {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]},
        {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]},
    ]
    assert _plan(archMap=entries).architectures == ("x86_64", "x86", "x32")


def test_architectures_that_are_listed_come_beside_the_machine_s_own():
    assert _plan(architectures=["SCMP_ARCH_X86"]).architectures == ("x86_64", "x86")


def test_flags_add_up_and_tsync_is_for_programs_with_threads():
    flags = ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_TSYNC"]
    assert load_flags(parse(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "flags": flags}))) == 6


def test_members_that_the_format_does_not_have_and_nulls_are_no_mistake():
    plan = _plan(
        comment="mine", syscalls=[{"names": ["read"], "name": "", "args": None, "action": "SCMP_ACT_ALLOW"}]
    )
    assert plan.rules == ((("read",), _ALLOW, ()),)


_RULE = {"names": ["read"], "action": "SCMP_ACT_ALLOW"}


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"defaultAction": "SCMP_ACT_FOO"}, "'SCMP_ACT_FOO' is not an action"),
        ({"defaultAction": 5}, r"Expected `str`, got `int` - at `\$.defaultAction`"),
        ({"defaultErrnoRet": 1 << 16}, "65536 is no errno"),
        ({"architectures": ["SCMP_ARCH_Z80"]}, "'SCMP_ARCH_Z80' is not an architecture"),
        (
            {"architectures": ["SCMP_ARCH_ARM"], "archMap": [{"architecture": "SCMP_ARCH_ARM"}]},
            "use one of them",
        ),
        ({"listenerPath": "/run/agent.sock"}, "needs? an agent"),
        ({"defaultAction": "SCMP_ACT_NOTIFY"}, "needs? an agent"),
        ({"flags": ["FAST"]}, "FAST is not a flag"),
        ({"syscalls": [{**_RULE, "name": "write"}]}, "both 'name' and 'names'"),
        ({"syscalls": [{**_RULE, "names": [""]}]}, "names no system call"),
        ({"syscalls": [{**_RULE, "includes": {"minKernel": "4"}}]}, 'invalid kernel version: "4"'),
        ({"syscalls": [{**_RULE, "args": [{"index": 6, "op": "SCMP_CMP_EQ"}]}]}, "no argument 6"),
        (
            {"syscalls": [{**_RULE, "args": [{"index": 0, "op": "SCMP_CMP_IS"}]}]},
            "'SCMP_CMP_IS' is not a comp",
        ),
        (
            {"syscalls": [{**_RULE, "args": [{"index": 0, "op": "SCMP_CMP_EQ", "value": -1}]}]},
            "from 0 to 2.64-1",
        ),
    ],
)
def test_what_is_wrong_in_a_profile_is_named(members, reason):
    with pytest.raises(InvalidInput, match=reason):
        parse(json.dumps({"defaultAction": "SCMP_ACT_ERRNO", **members}))


@pytest.mark.parametrize("text", ["", "{bad", "[]", "{}"])
def test_text_that_is_no_profile_is_refused(text):
    with pytest.raises(InvalidInput, match="seccomp profile"):
        parse(text)

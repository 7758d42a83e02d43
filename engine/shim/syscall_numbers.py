"""Owns the numbers of system calls that an older libseccomp does not know; refuses those that all know.

From 424 on a call has one number on every architecture that Docker's profile names. Source: Linux,
scripts/syscall.tbl and arch/x86/entry/syscalls/*.tbl, up to Linux 7.0.
"""

from __future__ import annotations

X32_BIT = 0x40000000
_FIRST_SHARED = 424
_SHARED = (
    "pidfd_send_signal io_uring_setup io_uring_enter io_uring_register open_tree move_mount fsopen "
    "fsconfig fsmount fspick pidfd_open clone3 close_range openat2 pidfd_getfd faccessat2 "
    "process_madvise epoll_pwait2 mount_setattr quotactl_fd landlock_create_ruleset landlock_add_rule "
    "landlock_restrict_self memfd_secret process_mrelease futex_waitv set_mempolicy_home_node cachestat "
    "fchmodat2 map_shadow_stack futex_wake futex_wait futex_requeue statmount listmount "
    "lsm_get_self_attr lsm_set_self_attr lsm_list_modules mseal setxattrat getxattrat listxattrat "
    "removexattrat open_tree_attr file_getattr file_setattr listns rseq_slice_yield"
).split()
_OWN = {"x86_64": {"uretprobe": 335, "uprobe": 336}}
_ARCHITECTURES = frozenset({"x86_64", "x86", "x32", "aarch64", "arm", "riscv64", "ppc64le", "loongarch64"})


def number_of(name: str, architecture: str) -> int | None:
    """What ``name`` is called by on ``architecture`` (libseccomp's word); None if it is not in the table."""
    if architecture not in _ARCHITECTURES:
        return None
    own = _OWN.get(architecture, {}).get(name)
    if own is not None or name not in _SHARED:
        return own
    number = _FIRST_SHARED + _SHARED.index(name)
    return number | X32_BIT if architecture == "x32" else number

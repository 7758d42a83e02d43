"""Owns which namespaces a container makes, and which it shares with the host or another container; pure.

Source: moby api/types/container/hostconfig.go and daemon/oci_linux.go for what modes there are and mean.
Refuses to look for the other container: its record is given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.errors import Conflict, InvalidInput
from engine.records import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.options import CreateOptions
    from engine.records import Container
    from engine.runtime.attachment import Attachment

PEER = "container:"
"""How a mode begins that joins the namespace of another container."""

KINDS = ("pid", "ipc", "uts", "cgroupns")
"""The fields of CreateOptions that are modes of one namespace each."""

_KERNEL_NAMES = {"cgroupns": "cgroup"}
_WORDS = {"pid": "PID", "ipc": "IPC", "uts": "UTS", "cgroupns": "CGROUP"}
_OWN = frozenset({"", "private", "shareable", "none"})
_SHAREABLE = frozenset({"shareable", "host"})


class Join(Record, frozen=True, kw_only=True):
    """One namespace (in the bundle's word) of a live process that is joined, and whose process it is."""

    namespace: str
    container: str
    pid: int
    start_time: int


class Namespaces(Record, frozen=True, kw_only=True):
    """Those that are made, and those that are joined; every other one is the host's."""

    new: tuple[str, ...] = ("mount", "pid", "ipc", "uts", "cgroup", "net")
    joins: tuple[Join, ...] = ()

    def join(self, namespace: str) -> Join | None:
        """Whose ``namespace`` is joined."""
        return next((one for one in self.joins if one.namespace == namespace), None)


def peer_of(mode: str) -> str:
    """The container that ``mode`` names; "" if it names none."""
    return mode.removeprefix(PEER) if mode.startswith(PEER) else ""


def is_mode(kind: str, mode: str) -> bool:
    """Whether ``mode`` is one of the modes of ``kind``."""
    if mode.startswith(PEER):
        return bool(peer_of(mode))
    return mode in {"", "private", "host"} or (kind == "ipc" and mode in {"none", "shareable"})


def check_modes(options: CreateOptions) -> None:
    """InvalidInput for modes that there are not, or that contradict another option, in Docker's words."""
    for kind in KINDS:
        if not is_mode(kind, getattr(options, kind)):
            raise InvalidInput("", f"invalid {_WORDS[kind]} mode: {getattr(options, kind)}")
    for field in ("hostname", "domainname"):
        if getattr(options, field) and (options.uts == "host" or peer_of(options.uts)):
            raise InvalidInput("", f"conflicting options: {field} and the UTS mode")
        if getattr(options, field) and peer_of(options.network):
            raise InvalidInput("", f"conflicting options: {field} and the network mode")


def has_own_users(options: CreateOptions) -> bool:
    """Whether the container gets a user namespace."""
    return options.userns not in {"", "host"}


def namespaces_plan(
    options: CreateOptions, peers: Mapping[str, Container], attachment: Attachment
) -> Namespaces:
    """The plan; ``peers`` has the container of each field of ``options`` that names one.

    Conflict if it does not run, or does not share.
    """
    new, joins = ["mount"], []
    for kind in KINDS:
        mode = getattr(options, kind)
        name = _KERNEL_NAMES.get(kind, kind)
        if mode in _OWN:
            new.append(name)
        elif mode != "host":
            joins.append(_join(name, peers[kind]))
    if attachment.new_namespace:
        new.append("net")
    elif attachment.netns_of is not None:
        joins.append(_join("net", peers["network"]))
    return Namespaces(new=tuple(new), joins=tuple(joins))


def _join(namespace: str, peer: Container) -> Join:
    reason = ""
    if not peer.state.running or not peer.state.pid:
        reason = f"container {peer.id} is not running"
    elif namespace == "ipc" and peer.options.ipc not in _SHAREABLE and not peer_of(peer.options.ipc):
        reason = "non-shareable IPC (hint: use IpcMode:shareable for the donor container)"
    if reason:
        if namespace == "ipc":
            reason = f"can't join IPC of container {peer.id}: {reason}"
        remedy = f"tuidock start {peer.name}" if "not running" in reason else ""
        raise Conflict("container", peer.name, reason, remedy=remedy)
    return Join(
        namespace=namespace,
        container=peer.id,
        pid=peer.state.pid,
        start_time=peer.state.pid_start_time,
    )

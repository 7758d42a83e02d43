"""Owns the way from a fresh fork to the container's command: namespaces, root, terminal, execution.

``become_init`` runs in the process that becomes the container's pid 1, ``join`` in one that enters a running
container. Both speak to their parent on ``channel`` (a SOCK_SEQPACKET socket, one JSON object a packet):

    {"at": "namespaces"}        the network namespace exists (init only; sent if the parent waits for it);
                                the parent answers one byte when the network stands
    {"at": "terminal"} + fds    the terminal's master and slave
    {"at": "failed", "error": the body of an ERROR frame}
    end of file                 the command has been executed

Refuses to return: after any failure the process ends.
"""

from __future__ import annotations

import fcntl
import os
import stat
import struct

from engine.shim import (
    beneath,
    cgroup,
    json_text,
    linux,
    peers,
    process,
    rootfs,
    sealing,
    seccomp,
    signals,
    sockets,
    terminal,
    wire,
)
from engine.shim.refusal import Refusal, Stage

_SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x8913, 0x8914
_IFF_UP = 1
_PACKET = 65536
_APPARMOR = ("/proc/self/attr/apparmor/exec", "/proc/self/attr/exec")
_DESCRIPTORS = 1 << 20
"""As many as a process can have, unless fs.nr_open was raised."""
_KEYRING_PERMISSIONS = 0x3F1B0000
"""Everything to who possesses it; view, read, search and link to its owner: keyctl_setperm(3)."""


def become_init(bundle: dict, channel: sockets.Socket, streams: list[int]) -> None:  # type: ignore[type-arg]
    """Set the sandbox up around this process and execute the command. ``streams``: 0, 1, 2 or none."""
    stage = Stage("starting")
    try:
        linux.prctl(linux.PR_SET_PDEATHSIG, signals.SIGKILL)
        linux.prctl(linux.PR_SET_DUMPABLE, 0)
        os.setsid()
        os.umask(0o022)
        confined = seccomp.Filter(bundle["process"].get("seccomp"), stage)
        _confine(bundle["process"].get("apparmor"), stage)
        if bundle.get("userns"):
            _become_root(channel, stage)
        _enter_namespaces(bundle, stage)
        if bundle.get("network"):
            channel.send(b'{"at": "namespaces"}')
        _set_up_root(bundle, channel, stage)
        _finish_network(bundle, channel, stage)
        _set_streams(bundle, bundle.get("size"), channel, streams, stage)
        process.execute(bundle["process"], stage, confined, alive=channel.fileno(), first=True)
    except BaseException as error:
        _fail(channel, stage.explain(error))
    os._exit(1)


def join(
    bundle: dict,  # type: ignore[type-arg]
    wanted: dict,  # type: ignore[type-arg]
    pidfd: int,
    channel: sockets.Socket,
    streams: list[int],
    size: list[int] | None,
) -> None:
    """Enter the container of the process ``pidfd`` and execute ``wanted`` (a process) in it."""
    stage = Stage("joining the container")
    try:
        linux.prctl(linux.PR_SET_PDEATHSIG, signals.SIGKILL)
        linux.prctl(linux.PR_SET_DUMPABLE, 0)
        os.setsid()
        os.umask(0o022)
        cgroup.join((bundle.get("cgroup") or {}).get("procs", ()))
        confined = seccomp.Filter(wanted.get("seccomp"), stage)
        _confine(wanted.get("apparmor"), stage)
        _set_oom_score(wanted, stage)
        linux.setns(pidfd, peers.flags_of(peers.names_of(bundle), but="pid"))
        os.close(pidfd)
        if bundle.get("userns"):
            _take_root()
        _join_keyring(bundle)
        _set_streams({"tty": wanted.get("tty")}, size, channel, streams, stage)
        process.execute(wanted, stage, confined, alive=channel.fileno(), first=False)
    except BaseException as error:
        _fail(channel, stage.explain(error))
    os._exit(1)


def _fail(channel: sockets.Socket, error: dict[str, object]) -> None:
    try:
        channel.send(json_text.dumps({"at": "failed", "error": error}).encode())
    except OSError:
        pass  # the parent is gone: nobody is left to be told
    os._exit(1)


def _enter_namespaces(bundle: dict, stage: Stage) -> None:  # type: ignore[type-arg]
    if not bundle.get("userns"):
        stage("joining the cgroup")
        cgroup.join(
            (bundle.get("cgroup") or {}).get("procs", ())
        )  # before the cgroup namespace, whose root it becomes
    stage("joining the namespaces of another container")
    peers.enter(bundle, pid=False)
    stage("making namespaces")
    linux.unshare(peers.flags_of(bundle["namespaces"], but="pid"))
    _join_keyring(bundle)


def _confine(profile: str | None, stage: Stage) -> None:
    """Be confined by the AppArmor ``profile`` from the next execve(2) on: proc_pid_attr(5).

    Done while /proc is the host's: a container's may be whatever its image and user put there.
    """
    if not profile:
        return
    stage("applying the AppArmor profile", profile)
    path = next((path for path in _APPARMOR if os.path.exists(path)), _APPARMOR[-1])
    attribute = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    os.write(attribute, f"exec {profile}".encode())
    os.close(attribute)


def _join_keyring(bundle: dict) -> None:  # type: ignore[type-arg]
    """The container's own session keyring: what the caller's holds is not the container's to read.

    Its owner may search it, so that later processes of the container find it by its name, as runc's do.
    """
    try:
        keyring = linux.join_session_keyring(f"_ses.{bundle['id']}")
        linux.set_key_permissions(keyring, _KEYRING_PERMISSIONS)
    except OSError:
        pass  # a kernel without keys has none to leak


def _become_root(channel: sockets.Socket, stage: Stage) -> None:
    """Wait until the user namespace is mapped, then be its root (see ``userns.admit``)."""
    stage("entering the user namespace")
    if channel.recv(16) != wire.ADMITTED:
        os._exit(1)
    _take_root()
    linux.prctl(linux.PR_SET_PDEATHSIG, signals.SIGKILL)  # other credentials have cleared it


def _take_root() -> None:
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    linux.prctl(linux.PR_SET_DUMPABLE, 0)  # new credentials have set it to what fs.suid_dumpable says


def _set_up_root(bundle: dict, channel: sockets.Socket, stage: Stage) -> None:  # type: ignore[type-arg]
    prepared = None
    if bundle.get("userns"):
        stage("waiting for the host's mounts")
        prepared = _receive(channel, rootfs.count_prepared(bundle))
    else:
        _set_oom_score(bundle["process"], stage)
    null = sealing.clone_null()
    rootfs.enter(bundle, stage, prepared)
    if "uts" in bundle["namespaces"] and bundle.get("hostname"):
        stage("setting the hostname")
        linux.sethostname(bundle["hostname"])
    if "uts" in bundle["namespaces"] and bundle.get("domainname"):
        stage("setting the domain name")
        linux.setdomainname(bundle["domainname"])
    sealing.seal(bundle, null, stage)


def _receive(channel: sockets.Socket, count: int) -> list[int]:
    """The ``count`` detached mounts that ``userns.admit`` sends."""
    mounts: list[int] = []
    while len(mounts) < count:
        packet, descriptors, _, _ = sockets.recv_fds(channel, _PACKET, 1, sockets.MSG_CMSG_CLOEXEC)
        if not packet:
            os._exit(1)
        if packet != wire.ADMITTED:
            raise Refusal(json_text.loads(packet))
        mounts += descriptors
    return mounts


def _set_oom_score(wanted: dict, stage: Stage) -> None:  # type: ignore[type-arg]
    score = wanted.get("oom_score_adj")
    if score is None:
        return
    stage("setting oom_score_adj")
    with open("/proc/self/oom_score_adj", "w", encoding="utf-8") as file:
        file.write(str(score))


def _finish_network(bundle: dict, channel: sockets.Socket, stage: Stage) -> None:  # type: ignore[type-arg]
    if bundle.get("network"):
        stage("waiting for the network")
        if not channel.recv(1):
            os._exit(1)
    elif "net" in bundle["namespaces"]:
        stage("bringing up the loopback interface")
        _bring_up_loopback()


def _bring_up_loopback() -> None:
    with sockets.Socket(sockets.AF_INET, sockets.SOCK_DGRAM | sockets.SOCK_CLOEXEC) as probe:
        request = struct.pack("16sH14x", b"lo", 0)
        (flags,) = struct.unpack_from("H", fcntl.ioctl(probe, _SIOCGIFFLAGS, request), 16)
        fcntl.ioctl(probe, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | _IFF_UP))


def _set_streams(
    bundle: dict,  # type: ignore[type-arg]
    size: list[int] | None,
    channel: sockets.Socket,
    streams: list[int],
    stage: Stage,
) -> None:
    _keep_only(channel.fileno(), *streams)
    if not bundle.get("tty"):
        for standard, fd in enumerate(streams):
            os.dup2(fd, standard)
        _take_null()
        return
    stage("opening a terminal", "/dev/pts/ptmx")
    master, slave = terminal.open_terminal(size)
    if "namespaces" in bundle:
        rootfs.bind_console(slave)
    sockets.send_fds(channel, [b'{"at": "terminal"}'], [master, slave])
    os.close(master)
    terminal.take_terminal(slave)


def _take_null() -> None:
    """Read from the container's own null device instead of the host's, if it has one.

    Only so has the descriptor a name in there; else it stays the host's, by a mount that is read-only.
    """
    given = os.fstat(0)
    if given.st_rdev != sealing.NULL:
        return
    root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Whatever else a container has put there must not be waited for.
        own = beneath.resolve(root, os.devnull, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY, links=False)
    except OSError:
        return
    finally:
        os.close(root)
    found = os.fstat(own)
    if stat.S_ISCHR(found.st_mode) and found.st_rdev == sealing.NULL and found.st_dev != given.st_dev:
        os.set_blocking(own, True)
        os.dup2(own, 0)
    os.close(own)


def _keep_only(*descriptors: int) -> None:
    """Close what the supervisor holds, before a name is looked up that may lead through /proc/self/fd.

    So it was that a working directory led to the host (CVE-2024-21626).
    """
    first = 3
    for kept in sorted(descriptors):
        if kept > first:
            os.closerange(first, kept)
        first = max(first, kept + 1)
    os.closerange(first, _DESCRIPTORS)

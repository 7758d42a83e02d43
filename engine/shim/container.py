"""Owns what one container takes from the host: lock, ports, cgroup, init, network; gives all of it back.

Refuses to talk to clients: that is the supervisor's. A build step is the same without lock and socket.
"""

from __future__ import annotations

import errno
import os
import resource
import select
from time import time_ns

from engine.shim import (
    cgroup,
    interpreter,
    json_text,
    linux,
    lock,
    peers,
    sandbox,
    seccomp,
    signals,
    sockets,
    state,
    wire,
    worker,
)
from engine.shim.network import Network, reserve
from engine.shim.pipes import open_pipes
from engine.shim.refusal import Refusal, Stage, refuse

TYPE_CHECKING = False  # importing typing would cost every container half a megabyte
if TYPE_CHECKING:
    from types import ModuleType

_PACKET = 65536
_DESCRIPTORS = 1024
"""What a supervisor may open at least: its caller may be allowed less than its own needs (wire.NETNS_FD)."""


class Container:
    """One container, from its bundle to its end; ``outputs`` maps descriptors to streams (1, 2)."""

    def __init__(self, bundle: dict) -> None:  # type: ignore[type-arg]  # JSON
        self.bundle = bundle
        self.cgroup: dict = bundle.get("cgroup") or {}  # type: ignore[type-arg]
        self.network = Network(bundle.get("network"))
        self.step = bool(bundle.get("step"))
        self.stage = Stage("starting the container")
        self.pid = 0
        self.pidfd = -1
        self.pid_start_time = 0
        self.started_at = 0
        self.finished_at = 0
        self.restart_count = 0
        self.health: dict | None = None  # type: ignore[type-arg]
        self.oom_killed = False
        """Whether the kernel killed a process of this run for memory."""
        self.outputs: dict[int, int] = {}
        self.input = -1
        self.terminal = -1
        self.listener: sockets.Socket | None = None
        self._lock: int | None = None
        self._own_start_time = 0
        self._held: list[int] = []
        self._cgroup_made = False

    def start(self, asker: int) -> None:
        """Take the rest and execute the command; raises Refusal, OSError. ``asker`` hung up ends a step."""
        self.stage("keeping the interpreter from the container")
        if os.geteuid() == 0 and not interpreter.is_read_only():
            raise refuse(self.stage.name, "no read-only clone of it could be made (Linux 5.12 can)")
        self.stage("starting the container")
        _allow_descriptors(self.bundle)
        reserve()
        self.network.hold()
        self._cgroup_made = True
        cgroup.create(self.cgroup, self.stage)
        self.stage("leaving the caller's cgroup")
        cgroup.join(self.cgroup.get("supervisor_procs", ()))
        self._execute(asker)

    def start_again(self) -> None:
        """Execute the command once more, after ``release`` with the ports kept; raises as ``start`` does."""
        reserve()
        self._cgroup_made = True
        cgroup.create(self.cgroup, self.stage)
        self._execute(-1)

    def _execute(self, asker: int) -> None:
        self.oom_killed = False
        seccomp.keep(self.bundle["process"].get("seccomp"), self.stage)
        self.stage("starting the container")
        channel = self._fork_init()
        with channel:
            self._follow(channel, asker)
        self.started_at = time_ns()
        if not self.step:
            self.write_state("running")
            self._tell_start()  # here, so that no "die" can come before it

    def _tell_start(self) -> None:
        try:
            state.append_companions(self.bundle, "start")
            state.append_event(self.bundle, "start")
        except OSError:
            if not self.restart_count:  # a disk that has become full ends no container
                raise

    def claim(self) -> None:
        """The lock, then what only its holder may write: the bundle for who cleans up, the socket."""
        if self.step:
            return
        bundle, run_dir = self.bundle, self.bundle["run_dir"]
        self.stage("making the run folder", run_dir)
        self._own_start_time = worker.process_start_time(os.getpid())
        self._lock = lock.take_lock(bundle["lock_path"])
        if self._lock is None:
            name = bundle.get("name") or bundle["id"]
            reason = f"container {name} is already running"
            raise Refusal(wire.failure("Conflict", kind="container", name=name, reason=reason))
        state.write_json(f"{run_dir}/bundle.json", bundle, durable=False)
        self.listener = _listen(bundle["socket_path"])

    def claim_again(self) -> None:
        """As ``claim``, if somebody has removed the run folder of a container that lives.

        Who asks for it then finds it again; connections that there are stay.
        """
        held, bundle = self._lock, self.bundle
        if held is None or self.listener is None or lock.is_at(held, bundle["lock_path"]):
            return
        taken = lock.take_lock(bundle["lock_path"])
        if taken is None:
            return
        os.close(held)
        self._lock = taken
        state.write_json(f"{bundle['run_dir']}/bundle.json", bundle, durable=False)
        with _listen(bundle["socket_path"]) as listener:
            # In its place, as it is watched by its number.
            os.dup2(listener.fileno(), self.listener.fileno(), inheritable=False)
        self.network.publish()

    def _fork_init(self) -> sockets.Socket:
        """Fork the container's init; returns the channel on which it reports (see ``sandbox``)."""
        ours, theirs = sockets.socketpair(sockets.AF_UNIX, sockets.SOCK_SEQPACKET)
        streams: list[int] = []
        if not self.bundle.get("tty"):
            streams, self.input, self.outputs = open_pipes(stdin=bool(self.bundle.get("stdin_open")))
        self.pid = _fork(self.bundle)
        if self.pid == 0:
            ours.close()
            self.network.forget()  # or nothing could be opened under the limit that it gets back
            sandbox.become_init(self.bundle, theirs, streams)
        self.pidfd = os.pidfd_open(self.pid)
        self.pid_start_time = worker.process_start_time(self.pid)
        theirs.close()
        if self.bundle.get("userns"):
            _users().admit(self.bundle, self.pid, ours, streams, self.stage)
        for fd in streams:
            os.close(fd)
        return ours

    def _follow(self, channel: sockets.Socket, asker: int) -> None:
        """Do our part of the sandbox until the command is executed."""
        poller = select.poll()
        poller.register(channel, select.POLLIN)
        if self.step:
            poller.register(asker, select.POLLRDHUP)
        gone: OSError | None = None
        while True:
            if any(fd == asker for fd, _ in poller.poll()):
                raise BrokenPipeError(errno.EPIPE, "the build was cancelled")
            try:
                packet, descriptors, _, _ = sockets.recv_fds(channel, _PACKET, 4, sockets.MSG_CMSG_CLOEXEC)
            except ConnectionResetError:
                continue  # it died with our answer unread: what it said before is still to be had
            if not packet:
                if gone is not None:
                    raise gone
                return
            message = json_text.loads(packet)
            if message["at"] == "failed":
                raise Refusal(message["error"])
            if message["at"] == "terminal":
                self._take_terminal(descriptors)
            else:
                try:
                    self.network.connect(self.pid)
                    channel.send(b"1")
                except OSError as error:
                    gone = error  # while setting up its root; its last message says why

    def _take_terminal(self, descriptors: list[int]) -> None:
        self.terminal, slave = descriptors
        self._held.append(slave)  # a terminal that nobody has open hangs up; the next process opens it again
        os.set_blocking(self.terminal, False)
        self.outputs[self.terminal] = 1
        if self.bundle.get("stdin_open"):
            self.input = os.dup(self.terminal)

    def signal(self, number: int) -> None:
        """Send a signal to init; a frozen one is thawed to die. ProcessLookupError if there is none now."""
        if self.pidfd < 0:
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
        signals.pidfd_send_signal(self.pidfd, number)
        if number == signals.SIGKILL:
            cgroup.thaw(self.cgroup.get("kill", ()))

    def reap(self) -> int:
        """Wait for init; its exit code, 128 + n for a signal."""
        _, status = os.waitpid(self.pid, 0)
        os.close(self.pidfd)
        self.pid, self.pidfd = 0, -1
        code = os.waitstatus_to_exitcode(status)
        return code if code >= 0 else 128 - code

    def was_killed_for_memory(self) -> bool:
        """Whether the kernel killed a process of this container because its memory limit was reached."""
        return cgroup.oom_kills(self.cgroup.get("memory_events")) > 0

    def write_state(
        self, status: str, *, exit_code: int = 0, oom_killed: bool = False, error: str = ""
    ) -> None:
        """The facts, by rename (see DESIGN: only the supervisor writes them while it lives)."""
        lives = status in ("running", "paused")
        facts = {
            "version": 1,
            "status": status,
            "pid": self.pid if lives else 0,
            "pid_start_time": self.pid_start_time if lives else 0,
            "exit_code": exit_code,
            "error": error,
            "oom_killed": oom_killed or self.oom_killed,
            "started_at": self.started_at,
            "finished_at": self.finished_at,
            "restart_count": self.restart_count,
            "supervisor": [os.getpid(), self._own_start_time],
        }
        if self.health is not None:
            facts["health"] = self.health
        # What goes away at once need not survive a loss of power, and neither does what still lives.
        durable = status == "exited" and not self.bundle.get("auto_remove")
        state.write_facts(self.bundle["state_path"], facts, durable=durable)

    def kill_all(self) -> None:
        """SIGKILL to everything in the container that is left after its init; the cgroups are removed."""
        if self._cgroup_made:
            cgroup.destroy(self.cgroup.get("kill", ()))
            self._cgroup_made = False

    def release(self, *, keep_ports: bool = False) -> None:
        """Give network, devices and ports back; the lock is still held."""
        self.network.release(keep_ports=keep_ports)
        if self.terminal >= 0:
            self._held.append(self.terminal)
            self.terminal = -1
        for fd in self._held:
            os.close(fd)
        self._held = []

    def unclaim(self) -> None:
        """Remove the run folder and give the lock back: from now on the container can be started again."""
        if self.listener is not None:
            self.listener.close()
            self.listener = None
        if self._lock is not None:
            state.remove_run_dir(self.bundle["run_dir"])
            os.close(self._lock)
            self._lock = None

    def abandon(self) -> None:
        """After a start that failed: no process and nothing of the host is left; the lock is still held."""
        if self.pid:
            try:
                os.kill(self.pid, signals.SIGKILL)
                os.waitpid(self.pid, 0)
            except (ProcessLookupError, ChildProcessError):
                pass
            self.pid = 0
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1
        self.kill_all()
        self.release()

    def undo(self) -> None:
        """As ``abandon``, and nothing of the run tree is left either."""
        self.abandon()
        self.unclaim()


def _fork(bundle: dict) -> int:  # type: ignore[type-arg]
    """Fork init into the process namespace that the bundle asks for; 0 in it, which goes on as our copy."""
    if bundle.get("userns"):
        return int(_users().fork_init())
    own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    away = peers.enter(bundle, pid=True)
    if "pid" in bundle["namespaces"]:
        linux.unshare(linux.CLONE_NEWPID)
        away = True
    pid = os.fork()
    if pid and away:
        linux.setns(own, linux.CLONE_NEWPID)  # children of ours that follow are not the container's
    os.close(own)
    return pid


def _users() -> ModuleType:
    from engine.shim import userns  # what few containers ask for, the others pay no memory for

    return userns


def _listen(path: str) -> sockets.Socket:
    """A socket that has its name when it can be connected to."""
    listener = sockets.Socket(sockets.AF_UNIX, sockets.SOCK_STREAM | sockets.SOCK_NONBLOCK)
    unready = f"{path}.n"
    state.remove(unready)
    listener.bind(unready)
    os.chmod(unready, 0o600)
    listener.listen(64)
    os.rename(unready, path)
    return listener


def _allow_descriptors(bundle: dict) -> None:  # type: ignore[type-arg]
    """Let this process open what published ports and clients need; the container gets its caller's limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(hard, _DESCRIPTORS)
    if soft == wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
    except (ValueError, OSError) as error:  # without CAP_SYS_RESOURCE
        if hard <= wire.NETNS_FD:
            reason = f"its caller may open {hard} files, and {wire.NETNS_FD + 1} are needed (ulimit -n)"
            raise refuse("starting the container", reason) from error
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for process in (bundle["process"], bundle.setdefault("exec_defaults", {})):
        process["rlimits"] = [["nofile", soft, hard], *(process.get("rlimits") or ())]

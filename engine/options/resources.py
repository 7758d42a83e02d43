"""Owns the limits that callers ask for; see the package for what the values mean. Refuses checks."""

from engine.options.base import Options


class DeviceWeight(Options, frozen=True):
    """The share (10 to 1000) of one block device."""

    path: str
    weight: int


class DeviceRate(Options, frozen=True):
    """A bound for one block device: bytes or operations a second; 0 takes it away."""

    path: str
    rate: int


class Ulimit(Options, frozen=True):
    """One of setrlimit(2)'s, by its name there in lower case without RLIMIT_; -1 is unlimited."""

    name: str
    soft: int
    hard: int


class Resources(Options, frozen=True, kw_only=True):
    """Limits of the container; 0 means none. ``nano_cpus``: 10**9 is one CPU; times in microseconds."""

    memory: int = 0
    memory_swap: int = 0
    """Memory and swap together; -1 is unlimited, 0 is twice ``memory``."""
    memory_reservation: int = 0
    memory_swappiness: int | None = None
    """0 to 100; None is the host's."""
    oom_kill_disable: bool = False
    nano_cpus: int = 0
    cpu_shares: int = 0
    cpu_period: int = 0
    cpu_quota: int = 0
    cpu_realtime_period: int = 0
    cpu_realtime_runtime: int = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    pids_limit: int = 0
    blkio_weight: int = 0
    blkio_weight_device: tuple[DeviceWeight, ...] = ()
    device_read_bps: tuple[DeviceRate, ...] = ()
    device_write_bps: tuple[DeviceRate, ...] = ()
    device_read_iops: tuple[DeviceRate, ...] = ()
    device_write_iops: tuple[DeviceRate, ...] = ()
    ulimits: tuple[Ulimit, ...] = ()
    cgroup_parent: str = ""
    """The group below which the container's is made; empty is the engine's own."""

    @property
    def devices(self) -> tuple[str, ...]:
        """The paths of the block devices that the limits name."""
        rates = (self.device_read_bps, self.device_write_bps, self.device_read_iops, self.device_write_iops)
        named = [item.path for item in self.blkio_weight_device]
        return tuple(dict.fromkeys(named + [item.path for items in rates for item in items]))


class StatsOptions(Options, frozen=True, kw_only=True):
    """Whose use is told: ``containers`` by name, or all that run (with ``all`` those that do not, too)."""

    containers: tuple[str, ...] = ()
    all: bool = False
    stream: bool = True
    """Go on after the first answer, one every ``interval`` seconds."""
    interval: float = 1.0

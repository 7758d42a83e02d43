"""Owns what the engine answers: frozen records of containers, images, networks, volumes and jobs.

Instants are nanoseconds since the epoch (0: never), sizes bytes, ids 64 hex digits for containers
and ``sha256:<hex>`` for images.
Annotations are evaluated here, once: as text msgspec would compile each of them when a decoder is made.
"""

import msgspec

from engine.oci.config import ContainerConfig
from engine.options import CreateOptions


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every record: frozen, keyword only, and JSON by msgspec."""


class HealthResult(Record, frozen=True, kw_only=True):
    """One check; ``exit_code`` -1: it could not be run, or took too long."""

    start: int
    end: int
    exit_code: int
    output: str = ""


class HealthState(Record, frozen=True, kw_only=True):
    """``status`` is none, starting, healthy or unhealthy; ``log`` the last results, oldest first."""

    status: str = "none"
    failing_streak: int = 0
    log: tuple[HealthResult, ...] = ()


class ContainerState(Record, frozen=True, kw_only=True):
    """``status`` is created, running, paused, restarting, removing, exited or dead."""

    status: str = "created"
    pid: int = 0
    pid_start_time: int = 0
    """Field 22 of /proc/PID/stat: a pid means something only together with it."""
    exit_code: int = 0
    error: str = ""
    oom_killed: bool = False
    started_at: int = 0
    finished_at: int = 0
    restart_count: int = 0
    health: HealthState | None = None

    @property
    def running(self) -> bool:
        """Whether the container has live processes (paused and restarting count)."""
        return self.status in {"running", "paused", "restarting"}


class PortBinding(Record, frozen=True, kw_only=True):
    """A port of the container as it is published now."""

    container_port: int
    protocol: str = "tcp"
    host_ip: str = ""
    host_port: int = 0


class Endpoint(Record, frozen=True, kw_only=True):
    """The container's end in one network."""

    network: str
    network_id: str = ""
    address: str = ""
    prefix_length: int = 0
    gateway: str = ""
    mac_address: str = ""
    address6: str = ""
    prefix_length6: int = 0
    gateway6: str = ""
    interface: str = "eth0"
    """Its name inside the container."""
    host_interface: str = ""
    """The host's end; "" is the one named after the container alone."""
    driver: str = "bridge"
    """The network's, as events name it."""
    names: tuple[str, ...] = ()
    """What others in the network may call the container."""


class MountPoint(Record, frozen=True, kw_only=True):
    """A mount as the container sees it; ``name`` is the volume's."""

    type: str
    source: str
    target: str
    name: str = ""
    read_only: bool = False
    anonymous: bool = False
    propagation: str = "rprivate"
    tmpfs_size: int = 0
    tmpfs_mode: int = 0o1777
    recursive: str = "enabled"
    subpath: str = ""
    no_copy: bool = False
    driver_options: dict[str, str] = {}
    """Of a volume that is another folder, or a file system: the local driver's type, o and device."""
    tmpfs_options: tuple[str, ...] = ()
    mode: str = ""
    short: bool = False


class Container(Record, frozen=True, kw_only=True):
    """One container: intent (options, config) and facts (state), joined."""

    id: str
    name: str
    image: str
    """The reference as the user wrote it."""
    image_id: str
    created: int
    options: CreateOptions
    config: ContainerConfig
    """The image's config with the options applied: what is really run."""
    state: ContainerState = ContainerState()
    mounts: tuple[MountPoint, ...] = ()
    ports: tuple[PortBinding, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()

    @property
    def networks(self) -> tuple[str, ...]:
        """The names of those that it is in, or, if it does not run, is to be in; none if another one's."""
        options = self.options
        if options.network.startswith("container:"):
            return ()
        if self.state.running:
            return tuple(endpoint.network for endpoint in self.endpoints)
        if options.endpoints or options.detached:
            return tuple(wish.network for wish in options.endpoints)
        return ("bridge" if options.network == "default" else options.network,)

    @property
    def command_line(self) -> tuple[str, ...]:
        """The arguments that are executed: the entrypoint, then the command."""
        return (*self.config.entrypoint, *self.config.cmd)


class Image(Record, frozen=True, kw_only=True):
    """One image in the store; ``names`` are familiar references (busybox:latest)."""

    id: str
    names: tuple[str, ...]
    created: int
    size: int
    config: ContainerConfig
    architecture: str
    os: str
    chain_ids: tuple[str, ...]
    """Of each layer, bottom first."""
    digests: tuple[str, ...] = ()
    """What registries have it under: familiar references with a digest (busybox@sha256:…)."""
    labels: dict[str, str] = {}
    containers: int = 0


class HistoryEntry(Record, frozen=True, kw_only=True):
    """One row of ``history``, newest first; ``size`` 0 for instructions without a layer."""

    image_id: str
    created: int
    created_by: str
    size: int
    comment: str = ""
    tags: tuple[str, ...] = ()


class RemovedImage(Record, frozen=True, kw_only=True):
    """What ``rmi`` did: names untagged, images deleted, in the order done."""

    untagged: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()


class Change(Record, frozen=True, kw_only=True):
    """One path where a container differs from its image: ``kind`` is A added, C changed, D deleted."""

    kind: str
    path: str


class Pruned(Record, frozen=True, kw_only=True):
    """What a prune removed and how many bytes that freed."""

    removed: tuple[str, ...] = ()
    reclaimed: int = 0


class BuildResult(Record, frozen=True, kw_only=True):
    """The image that a build made."""

    image_id: str
    tags: tuple[str, ...] = ()


class Network(Record, frozen=True, kw_only=True):
    """One network; subnets in CIDR form, empty for host and none, and where IPv4 or IPv6 is off."""

    id: str
    name: str
    driver: str
    created: int
    subnet: str = ""
    gateway: str = ""
    bridge: str = ""
    """The name of the bridge interface."""
    adopted: bool = False  # the bridge was there before the network, and stays when that goes
    parent: str = ""
    parent_made: bool = False
    """What a macvlan or an ipvlan is made of; ours to remove (a VLAN's, a dummy's) if ``parent_made``."""
    internal: bool = False
    labels: dict[str, str] = {}
    ip_range: str = ""
    subnet6: str = ""
    gateway6: str = ""
    ip_range6: str = ""
    auxiliary: dict[str, str] = {}
    attachable: bool = False
    configured: bool = False
    """The user chose the subnet: only then may a container ask for an address of it."""
    options: dict[str, str] = {}
    """The driver's, as they were given."""
    ipam_options: dict[str, str] = {}


class Volume(Record, frozen=True, kw_only=True):
    """One volume; ``anonymous`` ones were named by the engine."""

    name: str
    mountpoint: str
    created: int
    labels: dict[str, str] = {}
    anonymous: bool = False
    options: dict[str, str] = {}
    """The local driver's: type, o and device."""


class ImageUsage(Record, frozen=True, kw_only=True):
    """Bytes of an image's layers that other images have too, and that none has."""

    image: Image
    shared: int
    unique: int


class ContainerUsage(Record, frozen=True, kw_only=True):
    """Bytes in a container's folder: what it wrote, its log and its records."""

    container: Container
    size: int


class VolumeUsage(Record, frozen=True, kw_only=True):
    """Bytes in a volume; ``links`` is how many containers use it."""

    volume: Volume
    links: int
    size: int


class CacheUsage(Record, frozen=True, kw_only=True):
    """One step of the build cache; ``shared``: an image has its layer too."""

    id: str
    size: int
    created: int
    used: int
    shared: bool


class DiskUsage(Record, frozen=True, kw_only=True):
    """What ``system df`` shows. Of images: the layers of all, each once, and what ``prune -a`` would free."""

    images: tuple[ImageUsage, ...] = ()
    images_size: int = 0
    images_reclaimable: int = 0
    containers: tuple[ContainerUsage, ...] = ()
    volumes: tuple[VolumeUsage, ...] = ()
    cache: tuple[CacheUsage, ...] = ()
    cache_size: int = 0
    """Of the layers that no image has."""


class Execution(Record, frozen=True, kw_only=True):
    """One exec session of a running container; ``exit_code`` None means that it runs.

    ``clients`` counts who is attached to it, ``pid`` is its process's (0: it is over).
    """

    id: str
    args: tuple[str, ...]
    tty: bool = False
    stdin: bool = False
    user: str = ""
    privileged: bool = False
    started_at: int = 0
    pid: int = 0
    clients: int = 0
    exit_code: int | None = None


class LogChunk(Record, frozen=True, kw_only=True):
    """Bytes that the container wrote to one stream at one instant."""

    time: int
    stream: str
    """stdout or stderr."""
    content: bytes


class ProcessTable(Record, frozen=True, kw_only=True):
    """What ``top`` shows: ps(1)'s titles, and a row of as many texts for each process."""

    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class ContainerStats(Record, frozen=True, kw_only=True):
    """What one container uses; ``cpu_percent`` is of one CPU, the counters are of its whole life."""

    id: str
    name: str
    time: int
    running: bool
    cpu_percent: float = 0.0
    memory: int = 0
    memory_limit: int = 0
    """The machine's memory where the container has no limit; 0 if it does not run."""
    network_received: int = 0
    network_sent: int = 0
    block_read: int = 0
    block_written: int = 0
    pids: int = 0

    @property
    def memory_percent(self) -> float:
        """Of the limit."""
        return 100.0 * self.memory / self.memory_limit if self.memory_limit else 0.0


class Job(Record, frozen=True, kw_only=True):
    """Long work in a session of its own; ``status`` is running, done, failed or cancelled."""

    id: str
    verb: str
    title: str
    status: str
    started_at: int
    finished_at: int = 0
    error: str = ""
    remedy: str = ""
    image_id: str = ""


class Finding(Record, frozen=True, kw_only=True):
    """What ``system check`` has found: ``what`` (of a ``kind``: interface, table, lease …) and ``why``.

    ``repaired`` says that it is not so any more; else ``remedy`` says what helps.
    """

    kind: str
    what: str
    why: str
    remedy: str = ""
    repaired: bool = False


class EngineInfo(Record, frozen=True, kw_only=True):
    """What ``info`` and ``version`` show."""

    version: str
    root: str
    containers: int
    containers_running: int
    containers_paused: int
    containers_stopped: int
    images: int
    kernel: str
    operating_system: str
    architecture: str
    cpus: int
    memory: int
    cgroup_version: str
    storage_driver: str
    python: str
    hostname: str
    security_options: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    """Limits that this machine cannot give, in Docker's words."""

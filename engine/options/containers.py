"""Owns what callers ask for about containers; see the package for what the values mean."""

from engine.options.base import Options
from engine.options.resources import Resources


class PortSpec(Options, frozen=True, kw_only=True):
    """One published port; ``host_port`` 0 lets the engine choose, ``host_ip`` "" means all addresses.

    With ``host_port_end`` the engine chooses the first free one from ``host_port`` on, that one included.
    """

    container_port: int
    host_port: int = 0
    host_port_end: int = 0
    host_ip: str = ""
    protocol: str = "tcp"


class DeviceSpec(Options, frozen=True, kw_only=True):
    """A device of the host, or a folder of them; ``permissions`` are of r, w and m (mknod)."""

    path_on_host: str
    path_in_container: str
    permissions: str = "rwm"


class EndpointOptions(Options, frozen=True, kw_only=True):
    """A container's end in one network, as the user wants it; "" and 0 leave the choice to the engine."""

    network: str
    """A name or an id, as the user wrote it."""
    aliases: tuple[str, ...] = ()
    """More names of the container in this network."""
    address: str = ""
    address6: str = ""
    mac_address: str = ""
    link_local: tuple[str, ...] = ()
    """Further addresses, of 169.254.0.0/16 or fe80::/64."""
    links: tuple[str, ...] = ()
    """``CONTAINER[:ALIAS]``: names that this container alone has for others."""
    driver_options: dict[str, str] = {}
    gateway_priority: int = 0
    """The default route goes through the network with the highest."""


class MountSpec(Options, frozen=True, kw_only=True):
    """One mount: ``type`` is bind, volume or tmpfs; an empty volume ``source`` is anonymous.

    ``create_source`` makes a missing bind source a folder, as ``-v`` does and ``--mount`` does not.
    """

    type: str
    target: str
    source: str = ""
    read_only: bool = False
    propagation: str = "rprivate"
    no_copy: bool = False
    create_source: bool = False
    tmpfs_size: int = 0
    tmpfs_mode: int = 0o1777
    recursive: str = "enabled"
    """Of a bind: enabled, disabled (the top alone), writable (only the top read-only), readonly (or fail)."""
    subpath: str = ""
    """Of a volume: the folder or file in it that is mounted."""
    labels: dict[str, str] = {}
    driver: str = ""
    driver_options: dict[str, str] = {}
    """Of a volume that does not exist yet."""
    tmpfs_options: tuple[str, ...] = ()
    mode: str = ""
    """The third part of ``-v`` as it was written."""
    short: bool = False
    """It was written as ``-v`` or ``--tmpfs``."""


class HealthOptions(Options, frozen=True, kw_only=True):
    """A health check as Docker's: ``test`` is ("NONE",), ("CMD", …) or ("CMD-SHELL", text)."""

    test: tuple[str, ...] = ()
    interval: float = 0
    timeout: float = 0
    start_period: float = 0
    start_interval: float = 0
    retries: int = 0


class RestartPolicy(Options, frozen=True, kw_only=True):
    """``name`` is no, always, unless-stopped or on-failure; ``maximum_retry_count`` 0 is no bound."""

    name: str = "no"
    maximum_retry_count: int = 0


class IdRange(Options, frozen=True, kw_only=True):
    """``size`` ids of a user namespace from ``container`` on, which are the host's from ``host`` on."""

    container: int
    host: int
    size: int


class CreateOptions(Options, frozen=True, kw_only=True):
    """Everything that ``create`` and ``run`` take about the container itself."""

    image: str
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    name: str | None = None
    hostname: str | None = None
    user: str | None = None
    working_dir: str | None = None
    env: tuple[str, ...] = ()
    """``NAME=value``; a front end has already resolved bare names and env files."""
    labels: dict[str, str] = {}
    tty: bool = False
    stdin_open: bool = False
    auto_remove: bool = False
    init: bool = False
    privileged: bool = False
    read_only: bool = False
    no_new_privileges: bool = False
    seccomp: str = ""
    """A profile's JSON, "unconfined" or "builtin"; "" is builtin, but for a privileged container none."""
    pid: str = ""
    """A process namespace: private (also ""), host, or container:NAME; ``uts`` and ``cgroupns`` likewise."""
    ipc: str = ""
    """none, private (also ""), shareable, host, or container:NAME of a container whose is shareable."""
    uts: str = ""
    cgroupns: str = ""
    userns: str = ""
    """host (also ""), auto[:size=N], or map:CONTAINER:HOST:SIZE[,…] for users and groups alike."""
    id_map: tuple[IdRange, ...] = ()
    """What ``userns`` comes to: ``create`` fills it in."""
    group_add: tuple[str, ...] = ()
    apparmor: str | None = None
    """The AppArmor profile: "unconfined", or the name of one that is loaded; None is the engine's own."""
    label: tuple[str, ...] = ()
    """SELinux's parts as Docker writes them (disable, type:T, …)."""
    systempaths_unconfined: bool = False
    """Whether nothing of /proc and /sys is masked or read-only."""
    domainname: str = ""
    annotations: dict[str, str] = {}
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    devices: tuple[DeviceSpec, ...] = ()
    device_cgroup_rules: tuple[str, ...] = ()
    """What the container's device controller allows besides: ``c 10:229 rwm``."""
    cdi_devices: tuple[str, ...] = ()
    """``vendor.com/class=name``, as a specification in /etc/cdi has it."""
    mounts: tuple[MountSpec, ...] = ()
    volumes_from: tuple[str, ...] = ()
    """``CONTAINER[:MODE]``: their volumes and binds too; ``mounts`` win."""
    ports: tuple[PortSpec, ...] = ()
    publish_all: bool = False
    expose: tuple[str, ...] = ()
    network: str = "bridge"
    """bridge, host, none, the name of a network, or container:NAME."""
    endpoints: tuple[EndpointOptions, ...] = ()
    """The networks that it is to be in, ``network`` first; () is ``network`` without any wish."""
    detached: bool = False
    """It was disconnected from all of them since: then () is none, whatever ``network`` says."""
    extra_hosts: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    stop_signal: str | None = None
    stop_timeout: int | None = None
    resources: Resources = Resources()
    shm_size: int = 0
    """Bytes of /dev/shm; 0 is Docker's 64 MiB."""
    sysctls: dict[str, str] = {}
    oom_score_adj: int = 0
    restart: RestartPolicy = RestartPolicy()
    health: HealthOptions | None = None
    log_driver: str = ""
    """json-file or local (both are the engine's own files) or none; "" is local."""
    log_opts: dict[str, str] = {}
    attach: tuple[str, ...] = ("stderr", "stdout")
    """The streams that the front end meant to be attached to: for ``inspect`` alone."""
    stdin_once: bool = True
    """The process's input ends with the first client that has typed into it: ``run -i`` without -d."""
    platform: str | None = None


class StartOptions(Options, frozen=True, kw_only=True):
    """``detach_keys`` as Docker writes them: ``ctrl-p,ctrl-q``."""

    attach: bool = False
    stdin: bool = False


class AttachOptions(Options, frozen=True, kw_only=True):
    """``replay`` first sends what was written before (as the API's ``attach`` with logs): all, or its end.

    ``size`` is (rows, columns) of the terminal that attaches; the last to say its size wins.
    """

    stdin: bool = True
    replay: bool | int = False
    size: tuple[int, int] | None = None


class ExecOptions(Options, frozen=True, kw_only=True):
    """One more process in a running container."""

    command: tuple[str, ...]
    env: tuple[str, ...] = ()
    working_dir: str | None = None
    user: str | None = None
    tty: bool = False
    stdin: bool = False
    detach: bool = False
    privileged: bool = False
    size: tuple[int, int] | None = None
    """(rows, columns) of the terminal to begin with."""


class LogOptions(Options, frozen=True, kw_only=True):
    """``tail`` None is all; ``since`` and ``until`` are inclusive instants."""

    follow: bool = False
    tail: int | None = None
    since: int | None = None
    until: int | None = None
    stdout: bool = True
    stderr: bool = True


class ContainerFilter(Options, frozen=True, kw_only=True):
    """Which containers ``list`` returns; values of one key are alternatives, keys all hold."""

    all: bool = False
    limit: int | None = None
    filters: dict[str, tuple[str, ...]] = {}
    """Docker's keys: id, name, label, status, ancestor, exited, publish, volume, network, since, before."""


class RemoveContainerOptions(Options, frozen=True, kw_only=True):
    """``volumes`` removes the container's anonymous volumes too."""

    force: bool = False
    volumes: bool = False


class CommitOptions(Options, frozen=True, kw_only=True):
    """``changes`` are Dockerfile instructions applied to the new image's config."""

    reference: str | None = None
    author: str = ""
    message: str = ""
    pause: bool = True
    changes: tuple[str, ...] = ()


class UpdateOptions(Options, frozen=True, kw_only=True):
    """Other limits for a container: of ``resources`` 0 and "" change nothing, None neither."""

    resources: Resources = Resources()
    pids_limit: int | None = None
    """0 and below is no limit."""
    restart: RestartPolicy | None = None


class CopyFromOptions(Options, frozen=True, kw_only=True):
    """``cp`` out of a container: to the absolute local path ``target``, or as a tar to ``fd``.

    ``archive`` keeps owners (without it files belong to the caller), ``follow_link`` copies what a link
    leads to.
    """

    path: str
    target: str | None = None
    fd: int | None = None
    archive: bool = False
    follow_link: bool = False


class CopyToOptions(Options, frozen=True, kw_only=True):
    """``cp`` into a container: the absolute local path ``source``, or the tar on ``fd``; owners are kept."""

    path: str
    source: str | None = None
    fd: int | None = None
    follow_link: bool = False

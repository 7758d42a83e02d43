"""Owns what callers ask for: one frozen options value a verb; refuses defaults that Docker lacks.

``None`` means "not given: take the image's or the engine's default"; an empty tuple or string that a
user gave on purpose is kept apart from it where Docker does so (``entrypoint``).
Durations are seconds, sizes bytes, instants nanoseconds since the epoch.
"""

from engine.options.base import Options
from engine.options.containers import (
    AttachOptions,
    CommitOptions,
    ContainerFilter,
    CopyFromOptions,
    CopyToOptions,
    CreateOptions,
    DeviceSpec,
    EndpointOptions,
    ExecOptions,
    HealthOptions,
    IdRange,
    LogOptions,
    MountSpec,
    PortSpec,
    RemoveContainerOptions,
    RestartPolicy,
    StartOptions,
    UpdateOptions,
)
from engine.options.resources import DeviceRate, DeviceWeight, Resources, StatsOptions, Ulimit

__all__ = [
    "AttachOptions",
    "BootstrapOptions",
    "BuildOptions",
    "CommitOptions",
    "ContainerFilter",
    "CopyFromOptions",
    "CopyToOptions",
    "CreateNetworkOptions",
    "CreateOptions",
    "CreateVolumeOptions",
    "DeviceRate",
    "DeviceSpec",
    "DeviceWeight",
    "EndpointOptions",
    "EventFilter",
    "ExecOptions",
    "HealthOptions",
    "IdRange",
    "ImageFilter",
    "ImportOptions",
    "LoadOptions",
    "LogOptions",
    "LoginOptions",
    "MountSpec",
    "Options",
    "PortSpec",
    "PruneOptions",
    "PullOptions",
    "PushOptions",
    "RemoveContainerOptions",
    "RemoveImageOptions",
    "Resources",
    "RestartPolicy",
    "SaveOptions",
    "StartOptions",
    "StatsOptions",
    "Ulimit",
    "UpdateOptions",
]


# -- images -------------------------------------------------------------------------------------
class ImageFilter(Options, frozen=True, kw_only=True):
    """Which images ``list`` returns; ``reference`` is Docker's positional REPOSITORY[:TAG]."""

    all: bool = False
    reference: str | None = None
    filters: dict[str, tuple[str, ...]] = {}


class BootstrapOptions(Options, frozen=True, kw_only=True):
    """``name`` is hello-world, busybox, debian:SUITE or ubuntu:SUITE; ``tag`` renames the result."""

    name: str
    tag: str | None = None
    host_ca: bool = False


class PushOptions(Options, frozen=True, kw_only=True):
    """Bring an image to its registry; ``compression`` is gzip or zstd, for layers that were made here."""

    reference: str
    all_tags: bool = False
    compression: str = "gzip"


class LoginOptions(Options, frozen=True, kw_only=True):
    """Who one is at a registry; ``server`` "" is Docker's."""

    server: str
    username: str
    password: str

    def __repr__(self) -> str:
        """Without the secret."""
        return f"LoginOptions(server={self.server!r}, username={self.username!r})"


class PullOptions(Options, frozen=True, kw_only=True):
    """Bring an image from a registry; ``all_tags`` brings every one of the repository."""

    reference: str
    all_tags: bool = False
    platform: str | None = None


class LoadOptions(Options, frozen=True, kw_only=True):
    """Read an archive from ``path`` (``None``: the file descriptor ``fd``)."""

    path: str | None = None
    fd: int | None = None


class SaveOptions(Options, frozen=True, kw_only=True):
    """Write images to an archive; ``format`` is docker or oci, ``compression`` none, gzip or zstd."""

    references: tuple[str, ...]
    path: str | None = None
    fd: int | None = None
    format: str = "docker"
    compression: str = "none"


class ImportOptions(Options, frozen=True, kw_only=True):
    """A root file system tar becomes an image of one layer."""

    path: str | None = None
    fd: int | None = None
    reference: str | None = None
    message: str = ""
    changes: tuple[str, ...] = ()
    platform: str | None = None


class RemoveImageOptions(Options, frozen=True, kw_only=True):
    """``force`` untags all names and detaches stopped containers."""

    force: bool = False
    prune_parents: bool = True


# -- builds -------------------------------------------------------------------------------------
class BuildOptions(Options, frozen=True, kw_only=True):
    """One ``build``: ``context`` is a folder or None for stdin (then ``context_fd`` carries a tar)."""

    context: str | None = None
    context_fd: int | None = None
    dockerfile: str | None = None
    """Path of the Dockerfile, absolute or relative to the caller's folder; None: context/Dockerfile."""
    dockerfile_text: str | None = None
    """The Dockerfile itself (``-f -`` or ``build -``); wins over ``dockerfile``."""
    tags: tuple[str, ...] = ()
    build_args: dict[str, str] = {}
    labels: dict[str, str] = {}
    target: str | None = None
    no_cache: bool = False
    pull: bool = False
    network: str = "bridge"
    platform: str | None = None


# -- networks, volumes, events, prune -----------------------------------------------------------
class CreateNetworkOptions(Options, frozen=True, kw_only=True):
    """A user-defined network."""

    name: str
    driver: str = "bridge"
    subnets: tuple[str, ...] = ()
    """CIDR, at most one of IPv4 and one of IPv6."""
    gateways: tuple[str, ...] = ()
    ip_ranges: tuple[str, ...] = ()
    """The parts of the subnets that addresses are chosen of."""
    auxiliary: dict[str, str] = {}
    """Addresses that are never chosen, by a name that means nothing to the engine."""
    ipv4: bool = True
    ipv6: bool = False
    internal: bool = False
    attachable: bool = False
    options: dict[str, str] = {}
    """The driver's: com.docker.network.bridge.name and the like, parent, macvlan_mode, ipvlan_mode."""
    ipam_options: dict[str, str] = {}
    labels: dict[str, str] = {}


class CreateVolumeOptions(Options, frozen=True, kw_only=True):
    """``name`` None makes an anonymous volume; ``driver_options`` are the local driver's type, o, device."""

    name: str | None = None
    labels: dict[str, str] = {}
    driver: str = "local"
    driver_options: dict[str, str] = {}


class PruneOptions(Options, frozen=True, kw_only=True):
    """``all`` takes unused images too, not only dangling ones."""

    all: bool = False
    volumes: bool = False
    filters: dict[str, tuple[str, ...]] = {}


class EventFilter(Options, frozen=True, kw_only=True):
    """Which events are returned; ``follow`` goes on after the last one on disk."""

    since: int | None = None
    until: int | None = None
    follow: bool = True
    filters: dict[str, tuple[str, ...]] = {}

"""Owns the Go types behind ``inspect --format``; refuses documents that no Go type is known for.

A template of Docker runs on Go values before it runs on the JSON document: a struct prints as its fields'
values in the order of their declaration, a field that the document leaves out has its zero value, and some
names differ (``ID``, ``NanoCPUs``, ``DNS``). Source: moby api/types.
"""

from __future__ import annotations

from typing import Any

from tuidock.cli.gotemplate.printing import plain
from tuidock.cli.gotemplate.template import Entries

_ZERO: dict[str, Any] = {"string": "", "int": 0, "bool": False}
_SECONDS = ((3600, "h"), (60, "m"))
_TEXTS = {
    "Ulimit": "{Name}={Soft}:{Hard}",
    "ThrottleDevice": "{Path}:{Rate}",
    "WeightDevice": "{Path}:{Weight}",
}
"""Types with a String method."""
_RESOURCES = """
CPUShares=CpuShares:int Memory:int NanoCPUs=NanoCpus:int CgroupParent BlkioWeight:int
BlkioWeightDevice:[]WeightDevice BlkioDeviceReadBps:[]ThrottleDevice BlkioDeviceWriteBps:[]ThrottleDevice
BlkioDeviceReadIOps:[]ThrottleDevice BlkioDeviceWriteIOps:[]ThrottleDevice CPUPeriod=CpuPeriod:int
CPUQuota=CpuQuota:int CPURealtimePeriod=CpuRealtimePeriod:int CPURealtimeRuntime=CpuRealtimeRuntime:int
CpusetCpus CpusetMems Devices:[]DeviceMapping DeviceCgroupRules:[]string DeviceRequests:[]DeviceRequest
KernelMemory:int KernelMemoryTCP:int MemoryReservation:int MemorySwap:int MemorySwappiness:*int
OomKillDisable:*bool PidsLimit:*int Ulimits:[]Ulimit CPUCount=CpuCount:int CPUPercent=CpuPercent:int
IOMaximumIOps:int IOMaximumBandwidth:int
"""
_HOST_CONFIG = """
Binds:[]string ContainerIDFile LogConfig:LogConfig NetworkMode PortBindings:{}[]PortBinding
RestartPolicy:RestartPolicy AutoRemove:bool VolumeDriver VolumesFrom:[]string ConsoleSize:[]int
Annotations:{}string CapAdd:[]string CapDrop:[]string CgroupnsMode DNS=Dns:[]string
DNSOptions=DnsOptions:[]string DNSSearch=DnsSearch:[]string ExtraHosts:[]string GroupAdd:[]string IpcMode
Cgroup Links:[]string OomScoreAdj:int PidMode Privileged:bool PublishAllPorts:bool ReadonlyRootfs:bool
SecurityOpt:[]string StorageOpt:{}string Tmpfs:{}string UTSMode UsernsMode ShmSize:int Sysctls:{}string
Runtime Isolation Resources:+Resources Mounts:[]any MaskedPaths:[]string ReadonlyPaths:[]string Init:*bool
"""
_CONFIG = """
Hostname Domainname User AttachStdin:bool AttachStdout:bool AttachStderr:bool ExposedPorts:{}Nothing
Tty:bool OpenStdin:bool StdinOnce:bool Env:[]string Cmd:[]string Healthcheck:*HealthConfig ArgsEscaped:bool
Image Volumes:{}Nothing WorkingDir Entrypoint:[]string NetworkDisabled:bool MacAddress OnBuild:[]string
Labels:{}string StopSignal StopTimeout:*int Shell:[]string
"""
_STRUCTS = {
    "Container": """
ID=Id Created Path Args:[]string State:*State Image ResolvConfPath HostnamePath HostsPath LogPath Name
RestartCount:int Driver Platform MountLabel ProcessLabel AppArmorProfile ExecIDs:[]string
HostConfig:*HostConfig GraphDriver:DriverData SizeRw:*int SizeRootFs:*int Mounts:[]MountPoint Config:*Config
NetworkSettings:*NetworkSettings
""",
    "State": """
Status Running:bool Paused:bool Restarting:bool OOMKilled:bool Dead:bool Pid:int ExitCode:int Error
StartedAt FinishedAt Health:*Health
""",
    "Health": "Status FailingStreak:int Log:[]HealthcheckResult",
    "HealthcheckResult": "Start End ExitCode:int Output",
    "HostConfig": _HOST_CONFIG,
    "Resources": _RESOURCES,
    "LogConfig": "Type Config:{}string",
    "RestartPolicy": "Name MaximumRetryCount:int",
    "PortBinding": "HostIP=HostIp HostPort",
    "DeviceMapping": "PathOnHost PathInContainer CgroupPermissions",
    "DeviceRequest": "Driver Count:int DeviceIDs:[]string Capabilities:[]any Options:{}string",
    "Ulimit": "Name Hard:int Soft:int",
    "ThrottleDevice": "Path Rate:int",
    "WeightDevice": "Path Weight:int",
    "MountPoint": "Type Name Source Destination Driver Mode RW:bool Propagation",
    "DriverData": "Data:{}string Name",
    "Config": _CONFIG,
    "HealthConfig": """
Test:[]string Interval:Duration Timeout:Duration StartPeriod:Duration StartInterval:Duration Retries:int
""",
    "Image": """
ID=Id RepoTags:[]string RepoDigests:[]string Parent Comment Created DockerVersion Author Config:*ImageConfig
Architecture Variant Os OsVersion Size:int VirtualSize:int GraphDriver:DriverData RootFS:RootFS Metadata:any
""",
    "ImageConfig": "ImageConfig:+OpenConfig DockerOCIImageConfigExt:+DockerConfig",
    "OpenConfig": """
User ExposedPorts:{}Nothing Env:[]string Entrypoint:[]string Cmd:[]string Volumes:{}Nothing WorkingDir
Labels:{}string StopSignal ArgsEscaped:bool
""",
    "DockerConfig": "Healthcheck:*HealthConfig OnBuild:[]string Shell:[]string",
    "Nothing": "",
    "RootFS": "Type Layers:[]string",
    "Volume": """
ClusterVolume:*any CreatedAt Driver Labels:{}string Mountpoint Name Options:{}string Scope Status:{}any
UsageData:*any
""",
    "NetworkSettings": """
NetworkSettingsBase:+NetworkSettingsBase DefaultNetworkSettings:+DefaultNetworkSettings
Networks:{}EndpointSettings
""",
    "NetworkSettingsBase": """
Bridge SandboxID SandboxKey Ports:{}[]PortBinding HairpinMode:bool LinkLocalIPv6Address
LinkLocalIPv6PrefixLen:int SecondaryIPAddresses:[]any SecondaryIPv6Addresses:[]any
""",
    "DefaultNetworkSettings": """
EndpointID Gateway GlobalIPv6Address GlobalIPv6PrefixLen:int IPAddress IPPrefixLen:int IPv6Gateway
MacAddress
""",
    "EndpointSettings": """
IPAMConfig:*any Links:[]string Aliases:[]string MacAddress DriverOpts:{}string GwPriority:int NetworkID
EndpointID Gateway IPAddress IPPrefixLen:int IPv6Gateway GlobalIPv6Address GlobalIPv6PrefixLen:int
DNSNames:[]string
""",
}
"""Fields as ``GoName[=JsonName][:type]``, strings where no type is given; ``+`` embeds a struct."""
_KINDS = {"HostConfig": "Container", "RootFS": "Image", "Mountpoint": "Volume"}
"""The member that tells of which kind a document is."""


class Typed:
    """A value with the part of the document that it came from, which ``json`` prints."""

    raw: Any


class Nil(Typed):
    """A pointer to nothing: false, and ``<nil>`` in print."""

    raw = None

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        return "<nil>"


class Struct(dict[str, Any], Typed):
    """A struct: fields by their Go names, those of embedded structs too."""

    def __init__(self, name: str, raw: dict[str, Any]) -> None:
        super().__init__()
        self.raw = raw
        self._text = _TEXTS.get(name)
        self._parts: list[Any] = []
        for field in _STRUCTS[name].split():
            names, _, kind = field.partition(":")
            go, _, json = names.partition("=")
            embedded = kind.startswith("+")
            self[go] = Struct(kind[1:], raw) if embedded else _value(kind or "string", raw.get(json or go))
            self._parts.append(self[go])
            if embedded:
                self.update((key, item) for key, item in self[go].items() if key not in self)

    def declared(self) -> str:
        """``%v``: the fields' values in their order, or what the type's String method gives."""
        if self._text is not None:
            return self._text.format_map(self.raw)
        return f"{{{' '.join(map(plain, self._parts))}}}"


class Map(Entries, Typed):
    """A map by names that people choose; without any it may be Go's nil map."""


class Items(list[Any], Typed):
    """A slice; without any element it may be Go's nil slice."""


class Duration(int):
    """Nanoseconds that print as Go's durations do: ``1m30s``, ``300ms``."""

    def __str__(self) -> str:
        if abs(self) < 1_000_000_000:  # noqa: PLR2004 - a second
            for size, unit in ((1_000_000, "ms"), (1_000, "µs"), (1, "ns")):
                if abs(self) >= size:
                    return f"{int(self) / size:.9g}{unit}"
            return "0s"
        text, rest = "-" if self < 0 else "", abs(self) / 1_000_000_000
        for size, unit in _SECONDS:
            if rest >= size or text.strip("-"):
                text += f"{int(rest // size)}{unit}"
                rest %= size
        return f"{text}{rest:.9g}s"


def typed(document: dict[str, Any]) -> Struct | None:
    """The document as the Go value that Docker's templates run on; None for one of another kind."""
    for member, name in _KINDS.items():
        if member in document:
            return Struct(name, document)
    return None


def _value(kind: str, raw: Any) -> Any:
    if kind.startswith("*"):
        return Nil() if raw is None else _value(kind[1:], raw)
    if kind.startswith(("[", "{")):
        return _collection(kind, raw)
    if kind in _STRUCTS:
        return Struct(kind, raw or {})
    if kind == "Duration":
        return Duration(raw or 0)
    return _ZERO.get(kind) if raw is None else raw


def _collection(kind: str, raw: Any) -> Any:
    if kind.startswith("{}"):
        entries = Map((key, _value(kind[2:], item)) for key, item in (raw or {}).items())
        entries.raw = raw
        return entries
    items = Items(_value(kind.partition("]")[2], item) for item in raw or ())
    items.raw = raw
    return items

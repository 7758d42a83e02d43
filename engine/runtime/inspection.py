"""Owns Docker's JSON shape of ``inspect`` for containers; pure, refuses look-ups.

Source: Docker Engine API, ContainerInspect: the members that people's ``--format`` templates read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from engine.oci.instant import to_rfc3339
from engine.runtime.log_config import NONE, log_driver
from engine.runtime.namespace_inspection import shown_namespaces
from engine.runtime.network_inspection import shown_network_options, shown_network_settings
from engine.runtime.resource_inspection import shown_resources

if TYPE_CHECKING:
    from engine.options import CreateOptions, MountSpec
    from engine.paths import Paths
    from engine.records import Container, MountPoint


def inspect_container(paths: Paths, container: Container, platform: str = "linux") -> dict[str, Any]:
    """The container as one element of what ``docker inspect`` prints."""
    command = container.command_line
    return {
        "Id": container.id,
        "Created": to_rfc3339(container.created),
        "Path": command[0] if command else "",
        "Args": list(command[1:]),
        "State": _state(container),
        "Image": container.image_id,
        "ResolvConfPath": paths.container_resolv_conf(container.id),
        "HostnamePath": paths.container_hostname(container.id),
        "HostsPath": paths.container_hosts(container.id),
        "LogPath": "" if log_driver(container.options) == NONE else paths.container_log(container.id),
        "Name": f"/{container.name}",
        "RestartCount": container.state.restart_count,
        "Driver": "overlay2",
        "Platform": platform,
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": container.options.apparmor or "",
        "ExecIDs": None,
        "HostConfig": _host_config(container),
        "GraphDriver": {
            "Name": "overlay2",
            "Data": {
                "UpperDir": paths.container_upper(container.id),
                "WorkDir": paths.container_work(container.id),
            },
        },
        "Mounts": [
            _mount(mount) for mount in container.mounts if not (mount.type == "tmpfs" and mount.short)
        ],
        "Config": _config(container),
        "NetworkSettings": shown_network_settings(container),
    }


def _state(container: Container) -> dict[str, Any]:
    state = container.state
    shown: dict[str, Any] = {
        "Status": state.status,
        "Running": state.running,
        "Paused": state.status == "paused",
        "Restarting": state.status == "restarting",
        "OOMKilled": state.oom_killed,
        "Dead": state.status == "dead",
        "Pid": state.pid,
        "ExitCode": state.exit_code,
        "Error": state.error,
        "StartedAt": to_rfc3339(state.started_at),
        "FinishedAt": to_rfc3339(state.finished_at),
    }
    if state.health is not None:
        shown["Health"] = {
            "Status": state.health.status,
            "FailingStreak": state.health.failing_streak,
            "Log": [
                {
                    "Start": to_rfc3339(result.start),
                    "End": to_rfc3339(result.end),
                    "ExitCode": result.exit_code,
                    "Output": result.output,
                }
                for result in state.health.log
            ],
        }
    return shown


def _config(container: Container) -> dict[str, Any]:
    config, options = container.config, container.options
    shown: dict[str, Any] = {
        "Hostname": config.hostname or container.id[:12],
        "Domainname": container.options.domainname,
        "User": config.user,
        "AttachStdin": "stdin" in options.attach,
        "AttachStdout": "stdout" in options.attach,
        "AttachStderr": "stderr" in options.attach,
        "Tty": options.tty,
        "OpenStdin": options.stdin_open,
        "StdinOnce": options.stdin_once,
        "Env": list(config.env),
        "Cmd": list(config.cmd) or None,
        "Image": container.image,
        "Volumes": {**config.volumes, **{target: {} for target in _anonymous(container)}} or None,
        "WorkingDir": config.working_dir,
        "Entrypoint": list(config.entrypoint) or None,
        "OnBuild": list(config.on_build) or None,
        "Labels": config.labels,
    }
    if config.exposed_ports:
        shown["ExposedPorts"] = config.exposed_ports
    if config.stop_signal:
        shown["StopSignal"] = config.stop_signal
    if config.stop_timeout is not None:
        shown["StopTimeout"] = config.stop_timeout
    if config.healthcheck is not None:
        shown["Healthcheck"] = msgspec.to_builtins(config.healthcheck)
    if config.shell:
        shown["Shell"] = list(config.shell)
    return shown


def _anonymous(container: Container) -> list[str]:
    """The targets of ``-v /target``, which Docker counts among the image's own."""
    mounts = container.options.mounts
    return [spec.target for spec in mounts if spec.short and spec.type == "volume" and not spec.source]


def _host_config(container: Container) -> dict[str, Any]:
    options = container.options
    return {
        "Binds": _binds(container) or None,
        "ContainerIDFile": "",
        "LogConfig": {"Type": log_driver(options), "Config": options.log_opts},
        **shown_network_options(container),
        "PortBindings": _port_bindings(container),
        "RestartPolicy": {
            "Name": options.restart.name,
            "MaximumRetryCount": options.restart.maximum_retry_count,
        },
        "AutoRemove": options.auto_remove,
        "CapAdd": _capabilities(options.cap_add),
        "CapDrop": _capabilities(options.cap_drop),
        "Devices": [
            {
                "PathOnHost": spec.path_on_host,
                "PathInContainer": spec.path_in_container,
                "CgroupPermissions": spec.permissions,
            }
            for spec in options.devices
        ],
        "DeviceCgroupRules": list(options.device_cgroup_rules) or None,
        "DeviceRequests": _cdi_requests(options.cdi_devices),
        **({"Init": True} if options.init else {}),
        "Privileged": options.privileged,
        "PublishAllPorts": options.publish_all,
        "ReadonlyRootfs": options.read_only,
        "SecurityOpt": _security_opt(options) or None,
        "Runtime": "tuidock",
        "Isolation": "",
        **shown_namespaces(options),
        **shown_resources(options),
        **_mounts_asked(options),
    }


def _capabilities(names: tuple[str, ...]) -> list[str] | None:
    """As Docker keeps them: ``ALL`` alone, or each once with its prefix, sorted."""
    known = {name.upper().removeprefix("CAP_") for name in names}
    return ["ALL"] if "ALL" in known else sorted(f"CAP_{name}" for name in known) or None


def _security_opt(options: CreateOptions) -> list[str]:
    """As Docker keeps them, but for their order; ``systempaths`` is shown by the paths themselves."""
    shown = ["no-new-privileges"] if options.no_new_privileges else []
    if options.seccomp:
        shown.append(f"seccomp={options.seccomp}")
    if options.apparmor is not None:
        shown.append(f"apparmor={options.apparmor}")
    return [*shown, *(f"label={part}" for part in options.label)]


def _cdi_requests(names: tuple[str, ...]) -> list[dict[str, Any]] | None:
    request = {"Driver": "cdi", "Count": 0, "DeviceIDs": list(names), "Capabilities": None, "Options": None}
    return [request] if names else None


def _port_bindings(container: Container) -> dict[str, list[dict[str, str]]]:
    shown: dict[str, list[dict[str, str]]] = {}
    for spec in container.options.ports:
        bindings = shown.setdefault(f"{spec.container_port}/{spec.protocol}", [])
        span = f"-{spec.host_port_end}" if spec.host_port_end > spec.host_port else ""
        host_port = f"{spec.host_port}{span}" if spec.host_port else ""
        bindings.append({"HostIp": spec.host_ip, "HostPort": host_port})
    return shown


def _mount(mount: MountPoint) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "Type": mount.type,
        "Source": mount.source,
        "Destination": mount.target,
        "Mode": mount.mode,
        "RW": not mount.read_only,
        "Propagation": mount.propagation if mount.type == "bind" else "",
    }
    if mount.type == "volume":
        shown = {"Type": mount.type, "Name": mount.name, **shown, "Driver": "local"}
    return shown


def _binds(container: Container) -> list[str]:
    """What ``-v`` named, as it was written."""
    return [
        ":".join(filter(None, (spec.source, spec.target, spec.mode)))
        for spec in container.options.mounts
        if spec.short and spec.type != "tmpfs" and spec.source
    ]


def _mounts_asked(options: CreateOptions) -> dict[str, Any]:
    """``--tmpfs``, ``--mount`` and ``--volumes-from``, absent where nobody asked, as Docker has them."""
    tmpfs = {
        spec.target: ",".join(spec.tmpfs_options)
        for spec in options.mounts
        if spec.short and spec.type == "tmpfs"
    }
    long = [_mount_asked(spec) for spec in options.mounts if not spec.short]
    return {
        "VolumesFrom": list(options.volumes_from) or None,
        **({"Tmpfs": tmpfs} if tmpfs else {}),
        **({"Mounts": long} if long else {}),
    }


def _mount_asked(spec: MountSpec) -> dict[str, Any]:
    shown: dict[str, Any] = {"Type": spec.type, "Source": spec.source, "Target": spec.target}
    shown |= {"ReadOnly": True} if spec.read_only else {}
    bind: dict[str, Any] = {"Propagation": spec.propagation} if spec.propagation != "rprivate" else {}
    bind |= {"NonRecursive": True} if spec.recursive == "disabled" else {}
    bind |= {"ReadOnlyNonRecursive": True} if spec.recursive == "writable" else {}
    bind |= {"ReadOnlyForceRecursive": True} if spec.recursive == "readonly" else {}
    bind |= {"CreateMountpoint": True} if spec.create_source else {}
    driver = {"Name": spec.driver, "Options": spec.driver_options} if spec.driver_options else {}
    volume: dict[str, Any] = {"NoCopy": True} if spec.no_copy else {}
    volume |= {"Labels": spec.labels} if spec.labels else {}
    volume |= {"Subpath": spec.subpath} if spec.subpath else {}
    volume |= {"DriverConfig": driver} if volume or driver else {}
    memory: dict[str, Any] = {"SizeBytes": spec.tmpfs_size} if spec.tmpfs_size else {}
    memory |= {"Mode": spec.tmpfs_mode} if spec.tmpfs_mode != 0o1777 else {}  # noqa: PLR2004 - the default
    parts = {"BindOptions": bind, "VolumeOptions": volume, "TmpfsOptions": memory}
    return {name: value for name, value in (shown | parts).items() if value}

"""Owns the flags that describe a container, and CreateOptions from their values; refuses every other flag."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from engine.options import CreateOptions, MountSpec, PortSpec, Resources
from tuidock.cli.command import Invocation, SpecError
from tuidock.cli.flags import many, number, switch, text
from tuidock.cli.specs import mounts, network, ports, scalars, variables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

CONTAINER_FLAGS = (
    many("add-host", "Add a custom host-to-IP mapping (host:ip)", convert=network.extra_host),
    many("cap-add", "Add Linux capabilities"),
    many("cap-drop", "Drop Linux capabilities"),
    number("cpu-shares", "CPU shares (relative weight)", "c"),
    text("cpus", "Number of CPUs", kind="decimal", convert=scalars.nano_cpus),
    text("cpuset-cpus", "CPUs in which to allow execution (0-3, 0,1)"),
    many("dns", "Set custom DNS servers", convert=network.name_server),
    text("entrypoint", "Overwrite the default ENTRYPOINT of the image"),
    many("env", "Set environment variables", "e", convert=variables.environment_variable),
    many("env-file", "Read in a file of environment variables"),
    many("expose", "Expose a port or a range of ports"),
    text("hostname", "Container host name", "h"),
    switch("init", "Run an init inside the container that forwards signals and reaps processes"),
    switch("interactive", "Keep STDIN open even if not attached", "i"),
    many("label", "Set meta data on a container", "l", convert=variables.label),
    many("label-file", "Read in a line delimited file of labels"),
    text("memory", "Memory limit", "m", kind="bytes", convert=scalars.size),
    text("memory-reservation", "Memory soft limit", kind="bytes", convert=scalars.size),
    text(
        "memory-swap",
        "Swap limit equal to memory plus swap: '-1' to enable unlimited swap",
        kind="bytes",
        convert=scalars.swap_size,
    ),
    many("mount", "Attach a filesystem mount to the container", kind="mount", convert=mounts.mount),
    text("name", "Assign a name to the container"),
    text("network", "Connect a container to a network", kind="network", default="bridge", aliases=("net",)),
    number("pids-limit", "Tune container pids limit (set -1 for unlimited)"),
    text("platform", "Refuse an image that is not for this platform (os[/arch[/variant]])"),
    switch("privileged", "Give extended privileges to this container"),
    many("publish", "Publish a container's port(s) to the host", "p"),
    switch("publish-all", "Publish all exposed ports to random ports", "P"),
    switch("read-only", "Mount the container's root filesystem as read only"),
    switch("rm", "Automatically remove the container and its associated anonymous volumes when it exits"),
    many("security-opt", "Security Options (no-new-privileges)"),
    text("stop-signal", "Signal to stop the container"),
    number("stop-timeout", "Timeout (in seconds) to stop a container"),
    many("tmpfs", "Mount a tmpfs directory"),
    switch("tty", "Allocate a pseudo-TTY", "t"),
    text("user", "Username or UID (format: <name|uid>[:<group|gid>])", "u"),
    many("volume", "Bind mount a volume", "v"),
    text("workdir", "Working directory inside the container", "w"),
)


def create_options(invocation: Invocation) -> CreateOptions:
    """What the command line asks for; SpecError names a value that cannot be used."""
    image, *command = invocation.arguments
    if not image:
        raise SpecError("invalid reference format")
    given = _Given(invocation)
    return CreateOptions(
        image=image,
        command=tuple(command) or None,
        entrypoint=given.entrypoint(),
        name=invocation.filled("name"),
        hostname=invocation.filled("hostname"),
        user=invocation.filled("user"),
        working_dir=invocation.filled("workdir"),
        env=given.environment(),
        labels=given.labels(),
        tty=invocation.switch("tty"),
        stdin_open=invocation.switch("interactive"),
        auto_remove=invocation.switch("rm"),
        init=invocation.switch("init"),
        privileged=invocation.switch("privileged"),
        read_only=invocation.switch("read-only"),
        no_new_privileges=given.no_new_privileges(),
        cap_add=invocation.many("cap-add"),
        cap_drop=invocation.many("cap-drop"),
        mounts=given.mounts(),
        ports=given.ports(),
        publish_all=invocation.switch("publish-all"),
        expose=given.exposed(),
        network=given.network(),
        extra_hosts=invocation.many("add-host"),
        dns=invocation.many("dns"),
        stop_signal=invocation.filled("stop-signal"),
        stop_timeout=invocation.number("stop-timeout"),
        resources=given.resources(),
        platform=invocation.filled("platform"),
    )


class _Given:
    """The values that take more than one flag or a parser of their own."""

    def __init__(self, invocation: Invocation) -> None:
        self._invocation = invocation

    def entrypoint(self) -> tuple[str, ...] | None:
        word = self._invocation.optional("entrypoint")
        if word is None:
            return None
        return (word,) if word else ()

    def environment(self) -> tuple[str, ...]:
        files, pairs = self._invocation.many("env-file"), self._invocation.many("env")
        try:
            return variables.environment(files, pairs, os.environ)
        except ValueError as error:
            raise SpecError(str(error)) from None

    def labels(self) -> dict[str, str]:
        files, pairs = self._invocation.many("label-file"), self._invocation.many("label")
        try:
            return variables.mapping(files, pairs)
        except ValueError as error:
            raise SpecError(str(error)) from None

    def mounts(self) -> tuple[MountSpec, ...]:
        found = (
            *_each(mounts.volume, self._invocation.many("volume")),
            *self._invocation.many("mount"),
            *_each(mounts.tmpfs, self._invocation.many("tmpfs")),
        )
        targets: set[str] = set()
        for mount in found:
            if mount.target in targets:
                raise SpecError(f"Duplicate mount point: {mount.target}")
            targets.add(mount.target)
        return found

    def ports(self) -> tuple[PortSpec, ...]:
        return tuple(
            port for several in _each(ports.published, self._invocation.many("publish")) for port in several
        )

    def exposed(self) -> tuple[str, ...]:
        return tuple(
            port for several in _each(ports.exposed, self._invocation.many("expose")) for port in several
        )

    def network(self) -> str:
        name = self._invocation.text("network")
        if not name:
            raise SpecError("no name set for network")
        return "bridge" if name == "default" else name

    def no_new_privileges(self) -> bool:
        wanted = False
        for option in self._invocation.many("security-opt"):
            name, value = option, "true"
            for separator in "=:":
                if separator in option:
                    name, _, value = option.partition(separator)
                    break
            if name != "no-new-privileges":
                raise SpecError(f'Invalid --security-opt: "{option}" (supported: no-new-privileges)')
            wanted = next(iter(_each(scalars.boolean, (value,))))
        return wanted

    def resources(self) -> Resources:
        value = self._invocation.value
        return Resources(
            memory=value("memory") or 0,
            memory_swap=value("memory-swap") or 0,
            memory_reservation=value("memory-reservation") or 0,
            nano_cpus=value("cpus") or 0,
            cpu_shares=value("cpu-shares") or 0,
            cpuset_cpus=self._invocation.text("cpuset-cpus"),
            pids_limit=value("pids-limit") or 0,
        )


def _each(parse: Callable[[str], Any], values: Iterable[str]) -> tuple[Any, ...]:
    try:
        return tuple(parse(value) for value in values)
    except ValueError as error:
        raise SpecError(str(error)) from None

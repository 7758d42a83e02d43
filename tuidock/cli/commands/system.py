"""Owns ``version`` and ``info``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuidock.cli import diagnostics, listing, output
from tuidock.cli.command import PROGRAM, Command, Invocation
from tuidock.cli.commands.inspect import check_format
from tuidock.cli.flags import text
from tuidock.sizes import binary_size

if TYPE_CHECKING:
    from engine.engine import Engine
    from engine.records import EngineInfo

_FORMAT = text("format", listing.INSPECT_FORMAT_HELP, "f")
_GO_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}


def version_line() -> str:
    """``tuidock version 0.1.0``."""
    from importlib.metadata import version

    return f"{PROGRAM} version {version(PROGRAM)}"


async def _version(engine: Engine, invocation: Invocation) -> int:
    found = await engine.info()
    architecture = _GO_ARCHITECTURES.get(found.architecture, found.architecture)
    document = {
        "Version": found.version,
        "PythonVersion": found.python,
        "Os": "linux",
        "Arch": architecture,
        "KernelVersion": found.kernel,
    }
    source = invocation.text("format")
    if source:
        # there is no daemon: the client is the engine, and scripts ask for either
        output.line(listing.rendered_document({"Client": document, "Server": document}, source))
        return 0
    rows = (
        ("Version:", found.version),
        ("Python version:", found.python),
        ("OS/Arch:", f"linux/{architecture}"),
        ("Kernel:", found.kernel),
    )
    output.lines([f"{PROGRAM}: no daemon, the engine runs in this process"])
    output.lines([f" {name:<17} {value}" for name, value in rows])
    return 0


async def _info(engine: Engine, invocation: Invocation) -> int:
    found = await engine.info()
    source = invocation.text("format")
    if source:
        output.line(listing.rendered_document(_document(found), source))
        return 0
    lines = [
        f"Containers: {found.containers}",
        f" Running: {found.containers_running}",
        f" Paused: {found.containers_paused}",
        f" Stopped: {found.containers_stopped}",
        f"Images: {found.images}",
        f"Engine Version: {found.version}",
        f"Storage Driver: {found.storage_driver}",
        f"Cgroup Version: {found.cgroup_version}",
        "Security Options:",
        *_security_lines(found.security_options),
        f"Kernel Version: {found.kernel}",
        f"Operating System: {found.operating_system}",
        "OSType: linux",
        f"Architecture: {found.architecture}",
        f"CPUs: {found.cpus}",
        f"Total Memory: {binary_size(found.memory)}",
        f"Name: {found.hostname}",
        f"Python Version: {found.python}",
        f"Root Dir: {found.root}",
    ]
    output.lines([line for line in lines if line != "Security Options:" or found.security_options])
    for warning in found.warnings:
        diagnostics.line(warning)
    return 0


def _security_lines(options: tuple[str, ...]) -> list[str]:
    """``name=seccomp,profile=builtin`` as Docker writes it: the name, and below it what is known of it."""
    lines = []
    for option in options:
        (_, name), *facts = (part.partition("=")[::2] for part in option.split(","))
        lines += [f" {name}", *(f"  {fact.capitalize()}: {value}" for fact, value in facts)]
    return lines


def _document(found: EngineInfo) -> dict[str, Any]:
    """The fields that Docker's info has too, under its names."""
    return {
        "Containers": found.containers,
        "ContainersRunning": found.containers_running,
        "ContainersPaused": found.containers_paused,
        "ContainersStopped": found.containers_stopped,
        "Images": found.images,
        "Driver": found.storage_driver,
        "CgroupVersion": found.cgroup_version,
        "KernelVersion": found.kernel,
        "OperatingSystem": found.operating_system,
        "OSType": "linux",
        "Architecture": found.architecture,
        "NCPU": found.cpus,
        "MemTotal": found.memory,
        "DockerRootDir": found.root,
        "Name": found.hostname,
        "ServerVersion": found.version,
        "SecurityOptions": list(found.security_options),
        "Warnings": list(found.warnings) or None,
    }


INFO = Command(usage="[OPTIONS]", run=_info, flags=(_FORMAT,), check=check_format)
VERSION = Command(usage="[OPTIONS]", run=_version, flags=(_FORMAT,), check=check_format)

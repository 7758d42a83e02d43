"""Owns the image config document as a value; refuses I/O and re-serialising what was fetched.

Source: OCI image-spec, config.md; HealthCheck, OnBuild, Shell and ArgsEscaped are Docker's
additions (moby, image/spec/v1.2).
"""

from typing import Any

import msgspec

from engine.errors import InvalidInput


class HealthCheck(msgspec.Struct, frozen=True, omit_defaults=True, rename="pascal"):
    """Docker's Healthcheck; durations are nanoseconds in the document, as Go writes them."""

    test: tuple[str, ...] = ()
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


class ContainerConfig(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, rename="pascal"):
    """The execution parameters of an image; ``null`` lists in documents read as empty ones."""

    user: str = ""
    exposed_ports: dict[str, dict[str, str]] = {}
    env: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    volumes: dict[str, dict[str, str]] = {}
    working_dir: str = ""
    labels: dict[str, str] = {}
    stop_signal: str = ""
    stop_timeout: int | None = None
    healthcheck: HealthCheck | None = None
    on_build: tuple[str, ...] = ()
    shell: tuple[str, ...] = ()
    hostname: str = ""
    args_escaped: bool = False


class RootFS(msgspec.Struct, frozen=True, kw_only=True):
    """The layers' diff ids, bottom first."""

    type: str = "layers"
    diff_ids: tuple[str, ...] = ()


class History(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One row of an image's history; ``created`` is RFC 3339."""

    created: str = ""
    created_by: str = ""
    author: str = ""
    comment: str = ""
    empty_layer: bool = False


class ImageConfig(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The image config document (application/vnd.oci.image.config.v1+json)."""

    architecture: str
    os: str
    rootfs: RootFS
    created: str = ""
    author: str = ""
    variant: str = ""
    config: ContainerConfig = ContainerConfig()
    history: tuple[History, ...] = ()


def decode_config(document: bytes) -> ImageConfig:
    """The parsed view of a raw config; ``null`` reads as absent, as Go's JSON has it.

    InvalidInput if it is not JSON or has members of the wrong type.
    """
    try:
        members = _without_nulls(msgspec.json.decode(document))
        if isinstance(members, dict):
            members = {"architecture": "", "os": "linux"} | members
        return msgspec.convert(members, ImageConfig)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInput("image config", str(error)) from error


def encode_config(config: ImageConfig) -> bytes:
    """The document of a config that was made here: sorted keys, no white space, so the same every time."""
    members = msgspec.to_builtins(config)
    # Docker and podman read an image without these as one from a broken builder.
    complete = {"config": {}, "history": [], "created": "0001-01-01T00:00:00Z"} | members
    return msgspec.json.encode(complete, order="deterministic")


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(member) for key, member in value.items() if member is not None}
    if isinstance(value, list):
        return [_without_nulls(member) for member in value if member is not None]
    return value

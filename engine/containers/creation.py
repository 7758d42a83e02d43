"""Owns ``create``: checks first, then the record, then the folders; what fails leaves nothing behind.

Source: moby daemon/create.go. Refuses to start anything.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

import msgspec

from engine.containers.deletion import delete_container
from engine.containers.folding import current, refreshed
from engine.containers.limits import adapted_options
from engine.containers.sharing import with_peer_ids
from engine.containers.users import with_id_map
from engine.errors import Conflict, InvalidInput, NotFound
from engine.events import Message, Warned, ignore_progress
from engine.oci import platform as platforms
from engine.records import Container, MountPoint
from engine.runtime.bundle import layer_trees
from engine.runtime.capabilities import capability_names
from engine.runtime.config import container_config, port_specs
from engine.runtime.confinement import check_confinement
from engine.runtime.init import find_init
from engine.runtime.initlayer import make_container_folder
from engine.runtime.log_config import check_log
from engine.runtime.mountpoints import make_bind_sources, make_volume_folder
from engine.runtime.namespaces import PEER, check_modes, has_own_users
from engine.runtime.naming import check_name, new_id, random_name
from engine.runtime.seccomp import check_profile
from engine.runtime.supervision import check_health, check_restart
from engine.store.locks import staging, store_failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.containers.parts import Parts
    from engine.events import Progress
    from engine.oci.config import ContainerConfig
    from engine.options import CreateOptions
    from engine.paths import Paths
    from engine.records import Image

_ATTEMPTS = 8


async def create(parts: Parts, options: CreateOptions, progress: Progress) -> Container:
    """A new container in the state created."""
    name = None if options.name is None else check_name(options.name)
    image = find_image(parts, options.image)
    config = container_config(image.config, options)
    _check_platform(image, options)
    await _check(parts, options, config)
    options = adapted_options(options, progress)
    if options.network == "host" and options.ports:
        progress(Warned(text="Published ports are discarded when using host network mode"))
    port_specs(options, config.exposed_ports)
    options = await with_peer_ids(parts, options)
    if name is not None:
        await require_free(parts, name)
    container_id = new_id()
    points = await _mounts(parts, options, config)
    made = make_bind_sources(options.mounts)
    container = Container(
        id=container_id,
        name=name or random_name(),
        image=options.image,
        image_id=image.id,
        created=time.time_ns(),
        options=options,
        config=config,
        mounts=points,
    )
    try:
        with with_id_map(parts, container) as mapped:
            container = _insert_with_volumes(parts, mapped, image, named=name is not None)
        await _make_or_delete(parts, container, layer_trees(parts.paths, image.chain_ids), progress)
    except BaseException:
        for folder in reversed(made):
            os.rmdir(folder)
        raise
    parts.announce("create", container)
    return container


async def _mounts(parts: Parts, options: CreateOptions, config: ContainerConfig) -> tuple[MountPoint, ...]:
    if not (options.mounts or options.volumes_from or config.volumes):
        return ()
    from engine.containers.mounting import planned_mounts  # most containers mount nothing

    return await planned_mounts(parts, options, config.volumes)


def find_image(parts: Parts, reference: str) -> Image:
    """The image to run; NotFound in Docker's words, with what to do on a machine without a registry."""
    try:
        return parts.images.resolve(reference)
    except NotFound as error:
        missing = NotFound(
            "image",
            error.name,
            remedy=f"make it: tuidock build -t {error.name}, tuidock image bootstrap, or tuidock load",
        )
        missing.message = f"Unable to find image '{error.name}' locally"
        raise missing from error


async def _check(parts: Parts, options: CreateOptions, config: ContainerConfig) -> None:
    capability_names(options.cap_add, options.cap_drop, privileged=options.privileged)
    check_profile(options.seccomp)
    check_modes(options)
    if has_own_users(options):
        from engine.runtime.userns import check_userns

        check_userns(options)
    check_confinement(options)
    if options.devices or options.device_cgroup_rules:
        from engine.runtime.devices import check_devices  # few containers have any

        check_devices(options)
    if options.endpoints or options.network.startswith(PEER):
        from engine.runtime.network_modes import check_networks  # most containers wish for nothing

        check_networks(options)
    if any(endpoint.links for endpoint in options.endpoints):
        from engine.containers.linking import check_links

        await check_links(parts, options)
    if options.network.startswith(PEER):
        await current(parts, options.network.removeprefix(PEER))
    if options.init:
        find_init(parts.paths)
    check_log(options)
    check_restart(options.restart, auto_remove=options.auto_remove)
    check_health(config.healthcheck)


def _check_platform(image: Image, options: CreateOptions) -> None:
    if options.platform is None:
        return
    wanted = platforms.parse(options.platform)
    if not wanted.runs(platforms.Platform(image.os, image.architecture)):
        raise InvalidInput(
            "",
            f"image with reference {options.image} was found but does not provide"
            f" the specified platform ({options.platform})",
            remedy=f"it is for {image.os}/{image.architecture}: leave --platform out, or load another image",
        )


async def require_free(parts: Parts, name: str) -> None:
    """Conflict if ``name`` is taken by a container that is still there."""
    holder = parts.records.name_holder(name)
    row = None if holder is None else parts.records.get(holder)
    if row is not None and await refreshed(parts, row) is not None:
        raise parts.records.name_conflict(name)


def _insert_with_volumes(parts: Parts, container: Container, image: Image, *, named: bool) -> Container:
    if not container.mounts:
        return _insert(parts, container, image, named=named)
    from engine.containers.mounting import record_volumes

    new = record_volumes(parts, container.options, container.mounts)
    container = _insert(parts, container, image, named=named)
    for volume in new:
        parts.announce_volume("create", volume)
    return container


def _insert(parts: Parts, container: Container, image: Image, *, named: bool) -> Container:
    top = image.chain_ids[-1] if image.chain_ids else None
    volumes = [(point.name, point.anonymous) for point in container.mounts if point.type == "volume"]
    for attempt in range(1, _ATTEMPTS):
        try:
            parts.records.insert(container, top, volumes)
        except Conflict:
            if named:
                raise
            container = _renamed(container, random_name(attempt))
        else:
            return container
    raise Conflict("container", container.name, "no free random name was found", remedy="give a --name")


def _renamed(container: Container, name: str) -> Container:
    return msgspec.structs.replace(container, name=name)


async def _make_or_delete(
    parts: Parts, container: Container, lower: tuple[str, ...], progress: Progress
) -> None:
    try:
        await make_folders(parts, container, lower, progress)
    except BaseException:
        await delete_container(parts, container, volumes=True, announce=False)
        raise


async def make_folders(
    parts: Parts, container: Container, lower: tuple[str, ...], progress: Progress = ignore_progress
) -> None:
    """The volumes, filled, then the container's folder by rename: where it is, all is.

    A create that was killed in between leaves a record alone; its first start calls this again.
    """
    wanted = [point for point in container.mounts if point.type == "volume"]
    try:
        for point in wanted:
            make_volume_folder(parts.paths, point.name)
        fresh = [point for point in wanted if _is_filled(point) and not os.listdir(point.source)]
        with _emptied(parts.paths) as folder:
            make_container_folder(f"{folder}/new", lower)
            if fresh and lower:
                await _copy_up(parts, (f"{folder}/new/init", *lower), fresh, progress)
            os.rename(f"{folder}/new", parts.paths.container(container.id))
    except OSError as error:
        raise store_failure(error.filename or parts.paths.containers, error) from error


def _is_filled(point: MountPoint) -> bool:
    """Whether the image's content may go there: not to a part of a volume, nor to a folder of the host's."""
    return not (point.no_copy or point.subpath or point.driver_options)


async def _copy_up(parts: Parts, lower: tuple[str, ...], fresh: list[MountPoint], progress: Progress) -> None:
    progress(Message(text=f"Filling volumes with the image's content: {', '.join(p.target for p in fresh)}"))
    with _emptied(parts.paths) as scratch:
        await parts.launcher.work(
            "engine.runtime.copyup:copy_up",
            {
                "lower": lower,
                "scratch": scratch,
                "volumes": [[point.target, point.source] for point in fresh],
            },
        )


@contextlib.contextmanager
def _emptied(paths: Paths) -> Iterator[str]:
    """A staging folder that is gone afterwards, with what a failure left in it."""
    with staging(paths) as folder:
        try:
            yield folder
            os.rmdir(folder)
        except BaseException:
            from engine.layer.tree import OPEN_FOLDER, remove_entry

            parent = os.open(paths.staging, OPEN_FOLDER)
            try:
                remove_entry(parent, os.path.basename(folder).encode())
            finally:
                os.close(parent)
            raise

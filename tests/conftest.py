"""Owns the fixtures that all tests share, and what happens to tests whose privilege is missing."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from engine.options import BootstrapOptions, ContainerFilter, EventFilter, RemoveContainerOptions
from engine.paths import Paths
from engine.store.journal import Journal
from tests.support.leftovers import bridges_of, leftovers, remove_bridges
from tests.support.network import why_no_network
from tests.support.trees import make_busybox_tree

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from engine.engine import Engine
    from engine.records import Image


settings.register_profile("untimed", deadline=None)  # a busy machine is no mistake of ours
settings.load_profile("untimed")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Without root a test is skipped loudly, and in CI (``CI`` is set) it fails: nothing goes untested."""
    if item.get_closest_marker("root") is not None and os.geteuid() != 0:
        if os.environ.get("CI"):
            pytest.fail("needs root, and CI must run as root", pytrace=False)
        pytest.skip("NEEDS ROOT: run make test as root to test this on the real kernel")
    if item.get_closest_marker("network") is not None and (reason := why_no_network()):
        pytest.skip(f"NEEDS THE NETWORK: {reason}")


@pytest.fixture
def short_folder() -> Iterator[str]:
    """A temporary folder with a short name: a socket's path has 108 bytes."""
    folder = tempfile.mkdtemp(prefix="td-", dir="/tmp")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def paths(short_folder: str) -> Iterator[Paths]:
    """A root of the test's own; the folders do not exist yet, and its bridges do not outlive it."""
    made = Paths(root=f"{short_folder}/root", run=f"{short_folder}/run")
    yield made
    remove_bridges(bridges_of(made))


@pytest.fixture
async def engine(paths: Paths) -> AsyncIterator[Engine]:
    """An engine on a root of its own; afterwards nothing of it may be left on the machine."""
    from engine.engine import Engine

    opened = await Engine.open(paths)
    try:
        yield opened
        for container in await opened.containers.list(ContainerFilter(all=True)):
            await opened.containers.remove(container.id, RemoveContainerOptions(force=True, volumes=True))
    finally:
        await opened.close()
    past = Journal(paths.events).read(EventFilter(follow=False))
    ids = {event.id async for event in past if event.type == "container"}
    assert leftovers(paths, ids) == []


@pytest.fixture
async def busybox_image(engine: Engine) -> Image:
    """The image busybox:latest in the ``engine`` fixture's store."""
    return await engine.images.bootstrap(BootstrapOptions(name="busybox"), lambda _fact: None)


@pytest.fixture(scope="session")
def busybox_tree() -> Iterator[str]:
    """A root file system with busybox; shared by all tests, so do not write to it."""
    folder = tempfile.mkdtemp(prefix="td-busybox-", dir="/tmp")
    yield make_busybox_tree(f"{folder}/rootfs")
    shutil.rmtree(folder)

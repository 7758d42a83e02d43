"""The examples, built and run for real: through the bridge, from Debian's and pip's own sources."""

from __future__ import annotations

import asyncio
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine.options import (
    AttachOptions,
    BootstrapOptions,
    BuildOptions,
    CreateOptions,
    PortSpec,
    RemoveContainerOptions,
)
from tests.support.network import forwards_to_mirror, mirror

if TYPE_CHECKING:
    from engine.engine import Engine
    from engine.records import Image

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


async def build(engine: Engine, name: str, network: str) -> None:
    options = BuildOptions(context=str(EXAMPLES / name), tags=(name,), network=network)
    await engine.builds.build(options)


async def run(engine: Engine, options: CreateOptions) -> tuple[int, str]:
    """The exit code and all output of one container, which is removed."""
    container = await engine.containers.create(options)
    session = await engine.containers.start_attached(container.id, AttachOptions(stdin=False))
    output = b""
    while (chunk := await session.read()) is not None:
        output += chunk[1]
    code = await session.wait()
    await engine.containers.remove(container.id, RemoveContainerOptions(force=True))
    return code, output.decode()


def read_page(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as page:  # noqa: S310 - the test's own container
        text: str = page.read().decode()
        return text


async def fetch(url: str) -> str:
    """The page at ``url``, as soon as something answers there."""
    for attempt in range(100):
        try:
            return await asyncio.to_thread(read_page, url)
        except OSError:
            if attempt == 99:
                raise
            await asyncio.sleep(0.1)
    raise AssertionError


@pytest.mark.root
async def test_hello_builds_without_a_network_and_runs(engine: Engine, busybox_image: Image) -> None:
    result = await engine.builds.build(
        BuildOptions(context=str(EXAMPLES / "hello"), tags=("hello",), network="none")
    )
    assert result.tags == ("hello:latest",)
    expected = "hello from an image that you built\nHELLO FROM AN IMAGE THAT YOU BUILT\n"
    assert await run(engine, CreateOptions(image="hello", network="none")) == (0, expected)


async def open_network(engine: Engine) -> str:
    """bridge, if a container reaches the mirror through it; host where nothing that is forwarded gets out."""
    host, port = mirror()
    connect = f"exec 3<>/dev/tcp/{host}/{port}"
    command = ("timeout", "30", "bash", "-c", connect)
    code, output = await run(engine, CreateOptions(image="debian:bookworm", command=command))
    if code == 0:
        return "bridge"
    assert not await asyncio.to_thread(forwards_to_mirror), f"only our bridge does not get out: {output}"
    return "host"


@pytest.mark.root
@pytest.mark.network
@pytest.mark.timeout(600)
async def test_squares_and_flask_on_debians_python(engine: Engine) -> None:
    # One test: the base takes a minute, and what it tests is the way from mirror to web page.
    await engine.images.bootstrap(BootstrapOptions(name="debian:bookworm", host_ca=True), lambda _fact: None)
    network = await open_network(engine)
    for name in ("python", "squares", "flask"):
        await build(engine, name, network)

    code, output = await run(engine, CreateOptions(image="squares"))
    assert code == 0
    assert "This is the squaring function\n" in output
    assert "100" in output

    ports = (PortSpec(container_port=3000, host_port=5000),)
    web = await engine.containers.create(CreateOptions(image="flask", ports=ports))
    await engine.containers.start(web.id)
    try:
        assert await fetch("http://127.0.0.1:5000/") == "Hello from a container\n"
    finally:
        await engine.containers.remove(web.id, RemoveContainerOptions(force=True))

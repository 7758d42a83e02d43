"""Containers go on while tuidock is upgraded: their supervisors speak as the release did that started them."""

from __future__ import annotations

import json
import os
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from engine.errors import SupervisorTooOld
from engine.options import Resources, UpdateOptions
from engine.shim import wire
from tests.support.containers import sh, started

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from engine.engine import Engine
    from engine.records import Container

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("busybox_image")]
REFUSED = {"exec_list", "exec_attach", "limit", "policy", "rename"}
"""What the first release's supervisors did not know."""


@pytest.fixture
async def old(engine: Engine) -> AsyncIterator[Container]:
    """A container whose supervisor is asked through one that refuses in that release's words."""
    container = await started(engine, sh("exec sleep 1000"))
    path = engine.paths.container_socket(container.id)
    os.rename(path, f"{path}.new")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        thread = threading.Thread(target=_serve, args=(listener, f"{path}.new"))
        thread.start()
        yield container
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    os.rename(f"{path}.new", path)


def _serve(listener: socket.socket, real: str) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        with client:
            request = client.recv(1 << 16)
            name = json.loads(request[wire.HEADER.size :])["op"]
            if name in REFUSED:
                fields = {"stage": "supervisor", "reason": f"unknown operation {name!r}"}
                body = json.dumps(wire.failure("RuntimeFailure", **fields)).encode()
                client.sendall(wire.pack(wire.ERROR, body))
                continue
            with socket.socket(socket.AF_UNIX) as upstream:
                upstream.connect(real)
                upstream.sendall(request)
                client.sendall(upstream.recv(1 << 16))


async def test_an_older_containers_facts_are_shown_and_its_name_changes(engine, old):
    assert await engine.containers.executions(old.id) == ()
    assert (await engine.containers.inspect(old.id))["ExecIDs"] is None
    await engine.containers.rename(old.id, "other")
    assert (await engine.containers.get("other")).id == old.id


async def test_what_it_cannot_do_is_told_with_what_helps(engine, old):
    wanted = UpdateOptions(resources=Resources(cpu_shares=512))
    with pytest.raises(
        SupervisorTooOld, match="started by an older tuidock, which does not know 'limit'"
    ) as told:
        await engine.containers.update(old.id, wanted)
    assert told.value.remedy == "Restart the container with this version of tuidock."

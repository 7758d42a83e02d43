"""Owns what runs inside a lab's namespaces: the engine's networks, a server and a client."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import time
import urllib.request
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

import msgspec

from engine.engine import Engine
from engine.networks import Networks
from engine.options import (
    BootstrapOptions,
    CreateNetworkOptions,
    CreateOptions,
    PortSpec,
    RemoveContainerOptions,
)
from engine.paths import Paths
from engine.runtime.attachment import AttachmentRequest
from engine.shim import netlink_send
from engine.shim.firewall import Firewall
from engine.shim.lock import lock_holder
from engine.shim.wire import NETNS_FD
from engine.store.database import Database
from engine.store.journal import Journal

_KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
_PATIENCE = 1.5


def networks(root: str) -> Networks:
    paths = Paths(root=f"{root}/root", run=f"{root}/run")
    os.makedirs(paths.root, exist_ok=True)
    return Networks(paths, Database(paths.database), Journal(paths.events))


def show(value: Any) -> None:
    print(msgspec.json.encode(value).decode())


def attach(root: str, owner: str, options: str, netns: str) -> None:
    wanted = json.loads(options)
    attachment = asyncio.run(
        networks(root).attach(
            msgspec.convert(
                {"owner": owner, "name": "name", "hostname": owner[:12], **wanted},
                AttachmentRequest,
            )
        )
    )
    descriptor = os.open(netns, os.O_RDONLY)
    os.dup2(descriptor, NETNS_FD)
    assert attachment.bundle is not None
    netlink_send.send(attachment.bundle["host"])
    Firewall(attachment.bundle["firewall"]).ensure()
    show(attachment)


def create(root: str, options: str) -> None:
    show(asyncio.run(networks(root).create(msgspec.json.decode(options, type=CreateNetworkOptions))))


def remove(root: str, ref: str) -> None:
    show(asyncio.run(networks(root).remove(ref)))


def listed(root: str) -> None:
    show(asyncio.run(networks(root).list()))


def inspected(root: str, ref: str) -> None:
    show(asyncio.run(networks(root).inspect(ref)))


def release(root: str, owner: str) -> None:
    asyncio.run(networks(root).release(owner))


def send(items: str) -> None:
    netlink_send.send(json.loads(items))


def leave(firewall: str) -> None:
    """What a supervisor does at its very end."""
    Firewall(json.loads(firewall)).leave()


async def _engine(root: str, verb: str) -> Any:
    async with await Engine.open(Paths(root=f"{root}/root", run=f"{root}/run")) as engine:
        if verb == "run":
            await engine.images.bootstrap(BootstrapOptions(name="busybox"), lambda _fact: None)
            script = "echo hello from $HOSTNAME > index.html; exec httpd -f -p 80"
            wanted = CreateOptions(
                image="busybox",
                name="web",
                hostname="web",
                command=("sh", "-c", script),
                ports=(PortSpec(container_port=80, host_port=8080),),
            )
            await engine.containers.start((await engine.containers.create(wanted)).id)
        elif verb == "start":
            await engine.containers.start("web")
        elif verb == "restart":
            await engine.containers.restart("web", 0)
        elif verb == "remove":
            return await engine.containers.remove("web", RemoveContainerOptions(force=True))
        elif verb == "repair":
            return await engine.check(repair=True)
        elif verb == "kill supervisor":
            pid = lock_holder(engine.paths.container_lock((await engine.containers.get("web")).id))
            assert pid
            os.kill(pid, signal.SIGKILL)
        return await engine.containers.get("web")


def engine(root: str, verb: str) -> None:
    show(asyncio.run(_engine(root, verb)))


def fetch(url: str) -> None:
    """Print the page; tried for a while, because the server needs a moment to listen."""
    deadline = time.monotonic() + 5
    while True:
        try:
            with urllib.request.urlopen(url, timeout=1) as answer:  # noqa: S310 - the lab's own server
                print(answer.read().decode())
                return
        except OSError as error:
            if time.monotonic() > deadline:
                raise SystemExit(str(error)) from error
            time.sleep(0.05)


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def serve(protocol: str, address: str, port: str) -> None:
    server = socket.socket(_family(address), _KINDS[protocol])
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((address, int(port)))
    if protocol == "tcp":
        server.listen()
    print("ready", flush=True)
    while True:
        if protocol == "tcp":
            connection, peer = server.accept()
            connection.sendall(peer[0].encode())
            connection.close()
        else:
            _, peer = server.recvfrom(100)
            server.sendto(peer[0].encode(), peer)


def ask(protocol: str, address: str, port: str) -> None:
    with socket.socket(_family(address), _KINDS[protocol]) as client:
        client.settimeout(_PATIENCE)
        try:
            client.connect((address, int(port)))
            if protocol == "udp":
                client.send(b"?")
            print(client.recv(100).decode())
        except OSError:
            print()


if __name__ == "__main__":
    verbs = {
        "engine": engine,
        "fetch": fetch,
        "attach": attach,
        "create": create,
        "remove": remove,
        "list": listed,
        "inspect": inspected,
        "release": release,
        "send": send,
        "leave": leave,
        "serve": serve,
        "ask": ask,
    }
    verbs[sys.argv[1]](*sys.argv[2:])

"""Owns ``network connect`` and ``network disconnect``: their flags, and what they make of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.options import EndpointOptions
from tuidock.cli.command import CannotStart, Command, Invocation
from tuidock.cli.flags import many, number, switch, text
from tuidock.cli.specs import network as written

if TYPE_CHECKING:
    from engine.engine import Engine


async def _connect(engine: Engine, invocation: Invocation) -> int:
    await engine.containers.connect(invocation.arguments[1], endpoint_options(invocation))
    return 0


async def _disconnect(engine: Engine, invocation: Invocation) -> int:
    network, container = invocation.arguments
    await engine.containers.disconnect(container, network, force=invocation.switch("force"))
    return 0


def endpoint_options(invocation: Invocation) -> EndpointOptions:
    """What is wished; CannotStart with Docker's reason for an option of the driver that is no pair."""
    options: dict[str, str] = {}
    for pair in invocation.flat("driver-opt"):
        try:
            options |= written.driver_option(pair)
        except ValueError:
            raise CannotStart("invalid key/value pair format in driver options") from None
    return EndpointOptions(
        network=invocation.arguments[0],
        aliases=invocation.flat("alias"),
        address=invocation.text("ip"),
        address6=invocation.text("ip6"),
        link_local=invocation.flat("link-local-ip"),
        links=invocation.many("link"),
        driver_options=options,
        gateway_priority=invocation.number("gw-priority") or 0,
    )


def _check_connect(invocation: Invocation) -> None:
    endpoint_options(invocation)


CONNECT = Command(
    usage="[OPTIONS] NETWORK CONTAINER",
    run=_connect,
    check=_check_connect,
    flags=(
        many(
            "alias", "Add network-scoped alias for the container", kind="strings", convert=written.split_csv
        ),
        many("driver-opt", "driver options for the network", kind="strings", convert=written.split_csv),
        number(
            "gw-priority",
            "Highest gw-priority provides the default gateway. Accepts positive and negative values.",
        ),
        text("ip", 'IPv4 address (e.g., "172.30.100.104")'),
        text("ip6", 'IPv6 address (e.g., "2001:db8::33")'),
        many("link", "Add link to another container", convert=written.link),
        many(
            "link-local-ip",
            "Add a link-local address for the container",
            kind="strings",
            convert=written.split_csv,
        ),
    ),
    fewest=2,
    most=2,
)
DISCONNECT = Command(
    usage="[OPTIONS] NETWORK CONTAINER",
    run=_disconnect,
    flags=(switch("force", "Force the container to disconnect from a network", "f"),),
    fewest=2,
    most=2,
)

"""Owns the plan of one container's end in a network; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.network.addresses import broadcast_address
from engine.network.plan.naming import container_table, veth_name
from engine.network.plan.operations import (
    AddAddress,
    AddDefaultRoute,
    AddVeth,
    DeleteTable,
    EndpointPlan,
    SetPort,
    SetUp,
    Unplug,
)
from engine.network.plan.published import published_plan

if TYPE_CHECKING:
    from engine.records import Endpoint, PortBinding

CONTAINER_INTERFACE = "eth0"


def endpoint_plan(
    owner_id: str, bridge: str, subnet: str, endpoint: Endpoint, ports: tuple[PortBinding, ...], mtu: int
) -> EndpointPlan:
    """One container's end in a bridge network; every host port is final."""
    veth, table = veth_name(owner_id), container_table(owner_id)
    container = (
        SetUp("lo"),
        AddAddress(CONTAINER_INTERFACE, endpoint.address, broadcast_address(subnet), endpoint.prefix_length),
        SetUp(CONTAINER_INTERFACE),
        *((AddDefaultRoute(endpoint.gateway),) if endpoint.gateway else ()),
    )
    return EndpointPlan(
        host=(
            AddVeth(veth, bridge, endpoint.mac_address, mtu),
            SetPort(veth),
            *(published_plan(table, endpoint.address, ports) if ports else ()),
        ),
        container=container,
        teardown=(*((DeleteTable(table),) if ports else ()), Unplug(veth)),
    )


def isolated_plan() -> EndpointPlan:
    """The network ``none``: a namespace with nothing but its loopback interface."""
    return EndpointPlan(container=(SetUp("lo"),))

"""Patched bytes are the bytes that pyroute2 would have made."""

from __future__ import annotations

import ipaddress

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from engine.network import netlink
from engine.network.plan import bridges, endpoints, naming
from engine.network.plan import operations as ops
from engine.network.template import Templates
from engine.records import Endpoint, Network, PortBinding

TEMPLATES = Templates("/nonexistent")  # single messages are neither read from disk nor written to it

ports = st.integers(1, 65535)
addresses = st.integers(1 << 24, (224 << 24) - 1).map(lambda number: str(ipaddress.IPv4Address(number)))
owners = st.text("0123456789abcdef", min_size=64, max_size=64)
bindings = st.builds(
    PortBinding,
    container_port=ports,
    host_port=ports,
    host_ip=st.one_of(st.sampled_from(["", "0.0.0.0", "127.0.0.1"]), addresses),
    protocol=st.sampled_from(["tcp", "udp", "sctp"]),
)


@st.composite
def endpoint_plans(draw: st.DrawFn) -> ops.EndpointPlan:
    address = draw(addresses)
    prefix = draw(st.integers(8, 30))
    subnet = ipaddress.IPv4Interface(f"{address}/{prefix}").network
    endpoint = Endpoint(
        network="n",
        address=address,
        prefix_length=prefix,
        gateway=draw(st.one_of(st.just(""), addresses)),
        mac_address=naming.mac_from_address(address),
    )
    network = Network(
        id="ab" * 32,
        name="n",
        driver="bridge",
        created=1,
        subnet=str(subnet),
        bridge=draw(st.sampled_from(["tuidock0", "br-0123456789ab"])),
    )
    mtu = draw(st.sampled_from([1280, 1400, 1500, 9000]))
    place = endpoints.Place(network=network, endpoint=endpoint, mtu=mtu)
    return endpoints.endpoint_plan(draw(owners), (place,), tuple(draw(st.lists(bindings, max_size=4))))


def check(operations: ops.Operations) -> None:
    for operation in operations:
        if isinstance(operation, ops.SetSysctl):
            continue  # no message of netlink's
        message, _ = TEMPLATES.message(operation)
        assert message == netlink.encode(operation), operation


@given(endpoint_plans())
def test_endpoint_is_patched_to_what_pyroute2_makes(made: ops.EndpointPlan) -> None:
    check(made.host + made.container + made.teardown)


@given(addresses, st.integers(8, 30), st.booleans(), st.sampled_from([1280, 1500]))
def test_bridge_is_patched_to_what_pyroute2_makes(
    address: str, prefix: int, internal: bool, mtu: int
) -> None:
    subnet = str(ipaddress.IPv4Interface(f"{address}/{prefix}").network)
    network = Network(
        id="ab", name="x", driver="bridge", created=1, internal=internal, bridge="br-0123456789ab"
    )
    for mine in (
        msgspec.structs.replace(network, subnet=subnet, gateway=address),
        msgspec.structs.replace(
            network, subnet6=f"fd00:5:{address.partition('.')[0]}::/64", gateway6="fd00:5::1"
        ),
    ):
        check(bridges.bridge_link_plan(mine, mtu))
        check(bridges.bridge_tables_plan(mine))


hosts6 = st.integers(1, (1 << 64) - 2).map(lambda number: str(ipaddress.IPv6Address((0xFD << 120) + number)))
names = st.from_regex(r"[a-z][a-z0-9.-]{0,13}[a-z0-9]", fullmatch=True)
operations = st.one_of(
    st.builds(ops.AddVlan, names, names, st.integers(1, 4094)),
    st.builds(ops.AddDummy, names),
    st.builds(ops.SetPort, names, st.booleans()),
    st.builds(
        ops.AddSubinterface,
        st.just("macvlan"),
        names,
        names,
        st.sampled_from(["bridge", "private"]),
        mac=st.sampled_from(["", "02:42:0a:00:00:01"]),
        mtu=st.sampled_from([0, 1400]),
    ),
    st.builds(
        ops.AddSubinterface,
        st.just("ipvlan"),
        names,
        names,
        st.sampled_from(["l2", "l3", "l3s"]),
        st.sampled_from(["", "bridge", "vepa"]),
    ),
    st.builds(ops.AddAddress, names, hosts6, st.just(""), st.integers(1, 128)),
    st.builds(ops.AddDefaultRoute, hosts6),
    st.builds(ops.AddRoute, st.just("::"), st.just(0), hosts6, st.sampled_from(["", "eth0"]), st.booleans()),
    st.builds(ops.DeleteRoute, st.just("0.0.0.0"), st.just(0)),
)


@given(operations)
def test_any_operation_is_patched_to_what_pyroute2_makes(operation: ops.Operation) -> None:
    check((operation,))

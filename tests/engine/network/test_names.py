"""What a container is called in its networks, and the way to its resolver, by value."""

from __future__ import annotations

import base64

import pytest

from engine.network.names import rewrite_items, rewrite_plan
from engine.network.plan.names import (
    Entry,
    Member,
    NamesPlan,
    NetworkNames,
    endpoint_names,
    has_names,
    names_plan,
    wants_qualified,
)
from engine.network.plan.operations import (
    AddChain,
    AddressMatch,
    AddRule,
    AddTable,
    PortMatch,
    ProtocolMatch,
    RewritePort,
)
from engine.network.template import Templates
from engine.records import Endpoint, Network

OWNER = ("f" * 64, "web", "/run/c/ffffffffffff/lock")


def network(name: str, **options) -> Network:
    return Network(id=f"id-of-{name}", name=name, driver="bridge", created=0, **options)


def member(name: str, *addresses: str, links: tuple[str, ...] = (), **options) -> Member:
    names = ("web", "svc", "ffffffffffff")
    address, address6 = [*addresses, "", ""][:2]
    end = Endpoint(network=name, address=address, address6=address6, names=names)
    return Member(network=network(name, **options), endpoint=end, links=links)


def test_a_container_in_two_networks():
    plan = names_plan(
        "/run/names",
        OWNER,
        (member("n1", "10.1.0.2", links=("db:store",)), member("n2", "10.2.0.2", "fd00::2")),
    )
    aliases = ("svc", "ffffffffffff")
    assert plan == NamesPlan(
        networks=(
            NetworkNames(
                network="n1",
                path=f"/run/names/id-of-n1/{OWNER[0]}",
                entry=Entry(name="web", aliases=aliases, addresses=("10.1.0.2",), lock=OWNER[2]),
                links={"store": "db"},
            ),
            NetworkNames(
                network="n2",
                path=f"/run/names/id-of-n2/{OWNER[0]}",
                entry=Entry(name="web", aliases=aliases, addresses=("10.2.0.2", "fd00::2"), lock=OWNER[2]),
            ),
        ),
        forward="host",
    )


@pytest.mark.parametrize(
    ("link", "links"),
    [
        ("web", {"web": "web"}),
        ("/web", {"web": "web"}),
        ("web:DB", {"db": "web"}),
        (f"{'a' * 64}:db", {"db": "a" * 12}),
    ],
)
def test_links(link, links):
    plan = names_plan("/run/names", OWNER, (member("n1", "10.1.0.2", links=(link,)),))
    assert plan.networks[0].links == links


def test_the_default_bridge_has_no_names():
    plan = names_plan("/run/names", OWNER, (member("bridge", "172.17.0.2"), member("n1", "10.1.0.2")))
    assert [one.network for one in plan.networks] == ["n1"]


@pytest.mark.parametrize("name", ["bridge", "host", "none"])
def test_docker_s_own_networks_have_no_names(name):
    assert (has_names(network(name)), has_names(network("n1"))) == (False, True)


def test_who_has_no_lock_is_not_found():
    plan = names_plan("/run/names", (OWNER[0], "build step", ""), (member("n1", "10.1.0.2"),))
    assert [one.entry for one in plan.networks] == [None]


@pytest.mark.parametrize(
    ("internal", "dns", "forward"),
    [
        ((False, False), (), "host"),
        ((True, False), (), "host"),
        ((True, True), (), "nowhere"),
        ((True, True), ("10.1.0.53",), "container"),
        ((False, False), ("9.9.9.9",), "container"),
    ],
)
def test_where_other_names_are_asked(internal, dns, forward):
    members = [member(f"n{place}", "10.1.0.2", internal=one) for place, one in enumerate(internal)]
    plan = names_plan("/run/names", OWNER, members, dns)
    assert (plan.forward, plan.servers) == (forward, dns)


@pytest.mark.parametrize(
    ("options", "qualified"),
    [((), False), (("ndots:0",), False), (("timeout:1", "ndots:2"), True), (("ndots:x",), False)],
)
def test_ndots_keeps_plain_names_at_home(options, qualified):
    assert wants_qualified(options) is qualified


def test_all_names_of_an_endpoint():
    assert endpoint_names("web", "f" * 64, "box", ("svc", "web")) == ("web", "svc", "ffffffffffff", "box")


def test_a_container_without_a_host_name_of_its_own_has_its_id_once():
    assert endpoint_names("web", "f" * 64, "f" * 12) == ("web", "f" * 12)


# -- the way to the resolver ---------------------------------------------------------------------------
def test_ports_are_changed_on_the_way_there_and_back():
    there, back = (AddressMatch(side, "127.0.0.11") for side in ("daddr", "saddr"))
    udp, tcp = ProtocolMatch("udp"), ProtocolMatch("tcp")
    assert rewrite_plan() == (
        AddTable("tuidock-names"),
        AddChain("tuidock-names", "input", "filter", 1000),
        AddRule("tuidock-names", "input", (there, udp, PortMatch(53)), RewritePort("dport", "udp", 0xF2D5)),
        AddRule("tuidock-names", "input", (there, tcp, PortMatch(53)), RewritePort("dport", "tcp", 0xE3B7)),
        AddTable("tuidock-named"),
        AddChain("tuidock-named", "output", "filter", -500),
        AddRule(
            "tuidock-named",
            "output",
            (back, udp, PortMatch(0xF2D5, "sport")),
            RewritePort("sport", "udp", 53),
        ),
        AddRule(
            "tuidock-named",
            "output",
            (back, tcp, PortMatch(0xE3B7, "sport")),
            RewritePort("sport", "tcp", 53),
        ),
    )


def test_the_sender_is_told_where_the_ports_belong(tmp_path):
    (item,) = rewrite_items(Templates(str(tmp_path)))
    message = base64.b64decode(item["message"])
    found = [(message[at : at + 2].hex(), protocol) for at, protocol in item["ports"]]
    assert found == [("f2d5", "udp"), ("f2d5", "udp"), ("e3b7", "tcp"), ("e3b7", "tcp")]

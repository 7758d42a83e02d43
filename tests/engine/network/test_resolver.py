"""The contents of /etc/hosts and /etc/resolv.conf by value."""

from __future__ import annotations

import pytest

from engine.errors import InvalidInput
from engine.network.resolver import (
    Wishes,
    asks_resolver,
    bridge_resolv_conf,
    host_hosts_text,
    host_resolv_conf,
    hosts_text,
    name_servers,
    named_resolv_conf,
)

STANDARD = """\
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""
HOST = "# made by hand\nnameserver 10.0.0.53\nsearch example.org\noptions edns0\noptions rotate\n"
NOTHING = Wishes()


def test_hosts_end_with_the_container():
    assert hosts_text("web", ["172.17.0.2"]) == STANDARD + "172.17.0.2\tweb\n"


def test_hosts_have_the_short_name_too():
    assert hosts_text("web.example.org", ["172.17.0.2"]).endswith("172.17.0.2\tweb.example.org web\n")


def test_hosts_have_a_line_for_each_address():
    assert hosts_text("web", ["172.17.0.2", "", "10.1.0.2", "fd00::2"]) == (
        STANDARD + "172.17.0.2\tweb\n10.1.0.2\tweb\nfd00::2\tweb\n"
    )


def test_hosts_without_an_address_have_no_own_line():
    assert hosts_text("", []) == STANDARD


@pytest.mark.parametrize(
    ("extra", "line"),
    [
        ("db:10.0.0.5", "10.0.0.5\tdb"),
        ("db=10.0.0.5", "10.0.0.5\tdb"),
        ("db:2001:db8::1", "2001:db8::1\tdb"),
        ("db:[2001:db8::1]", "2001:db8::1\tdb"),
        ("box:host-gateway", "172.17.0.1\tbox\nfd00::1\tbox"),
    ],
)
def test_extra_host(extra, line):
    assert hosts_text("", [], (extra,), ("172.17.0.1", "fd00::1")) == f"{STANDARD}{line}\n"


@pytest.mark.parametrize("extra", ["db", "db:", ":10.0.0.5", "db:ten", "box:host-gateway"])
def test_extra_host_that_cannot_be_is_refused(extra):
    with pytest.raises(InvalidInput, match="add-host"):
        hosts_text("", [], (extra,))


def test_hosts_of_the_host_s_network_are_the_host_s():
    assert host_hosts_text("127.0.0.1 localhost\n10.1.1.1 box\n", ("db:10.0.0.5",)) == (
        "127.0.0.1 localhost\n10.1.1.1 box\n10.0.0.5\tdb\n"
    )


# -- /etc/resolv.conf: a container with names --------------------------------------------------------
@pytest.mark.parametrize(
    ("wishes", "text"),
    [
        (NOTHING, "search example.org\noptions edns0 rotate ndots:0\n"),
        (Wishes(search=(".",)), "options edns0 rotate ndots:0\n"),
        (
            Wishes(search=("a.example", "b.example")),
            "search a.example b.example\noptions edns0 rotate ndots:0\n",
        ),
        (Wishes(options=("timeout:3",)), "search example.org\noptions timeout:3 ndots:0\n"),
        (Wishes(options=("ndots:2",)), "search example.org\noptions ndots:2\n"),
        (Wishes(servers=("9.9.9.9",)), "search example.org\noptions edns0 rotate ndots:0\n"),
    ],
)
def test_a_container_with_names_asks_its_own_resolver(wishes, text):
    assert named_resolv_conf(HOST, wishes) == f"nameserver 127.0.0.11\n{text}"


def test_the_last_search_counts():
    assert named_resolv_conf("search a\ndomain b\n", NOTHING) == (
        "nameserver 127.0.0.11\nsearch b\noptions ndots:0\n"
    )


@pytest.mark.parametrize("domain", ["", "a b", "a" * 254])
def test_a_search_domain_that_is_none_is_refused(domain):
    with pytest.raises(InvalidInput, match="is not a valid domain"):
        named_resolv_conf(HOST, Wishes(search=(domain,)))


# -- without names -------------------------------------------------------------------------------------
def test_on_the_default_bridge_it_is_the_host_s():
    assert bridge_resolv_conf(HOST, "", NOTHING) == (
        "nameserver 10.0.0.53\nsearch example.org\noptions edns0 rotate\n"
    )


def test_loopback_stub_is_replaced_by_its_upstream():
    upstream = "nameserver 10.0.0.53\nnameserver 10.0.0.54\nsearch lan\n"
    assert bridge_resolv_conf("nameserver 127.0.0.53\nsearch .\n", upstream, NOTHING) == (
        "nameserver 10.0.0.53\nnameserver 10.0.0.54\nsearch lan\n"
    )


def test_loopback_server_beside_another_is_left_out():
    text = "nameserver 127.0.0.1\nnameserver 10.0.0.53\n"
    assert bridge_resolv_conf(text, "", NOTHING) == "nameserver 10.0.0.53\n"


@pytest.mark.parametrize("server", ["127.0.0.1", "::1"])
def test_any_other_server_on_the_host_s_loopback_is_asked_by_the_container_s_resolver(server):
    made = bridge_resolv_conf(f"nameserver {server}\n", "", NOTHING)
    assert (made, asks_resolver(made)) == ("nameserver 127.0.0.11\n", True)


def test_a_host_without_servers_means_public_ones():
    made = bridge_resolv_conf("", "", NOTHING)
    assert (made, asks_resolver(made)) == ("nameserver 8.8.8.8\nnameserver 8.8.4.4\n", False)


@pytest.mark.parametrize(("ipv6", "servers"), [(True, ["fd00::53", "10.0.0.53"]), (False, ["10.0.0.53"])])
def test_a_server_in_ipv6_is_for_who_has_ipv6(ipv6, servers):
    text = "nameserver fd00::53\nnameserver fe80::1%eth0\nnameserver 10.0.0.53\n"
    assert bridge_resolv_conf(text, "", NOTHING, ipv6=ipv6) == "".join(f"nameserver {it}\n" for it in servers)


def test_asked_servers_replace_the_host_s_but_not_its_search():
    wishes = Wishes(servers=("9.9.9.9", "fd00::53"))
    assert bridge_resolv_conf("nameserver 10.0.0.53\nsearch lan\n", "", wishes) == (
        "nameserver 9.9.9.9\nnameserver fd00::53\nsearch lan\n"
    )


@pytest.mark.parametrize(
    "made", [named_resolv_conf, host_resolv_conf, lambda *it: bridge_resolv_conf("", *it)]
)
def test_asked_server_that_is_no_address_is_refused(made):
    with pytest.raises(InvalidInput, match="not an ip address"):
        made("", Wishes(servers=("dns.example.org",)))


def test_in_the_host_s_network_it_is_the_host_s():
    assert host_resolv_conf("# mine\nnameserver 127.0.0.53\n", NOTHING) == "# mine\nnameserver 127.0.0.53\n"


def test_in_the_host_s_network_wishes_count_too():
    assert host_resolv_conf(HOST, Wishes(search=("q.example",))) == (
        "nameserver 10.0.0.53\nsearch q.example\noptions edns0 rotate\n"
    )


def test_name_servers_are_the_ipv4_ones():
    assert name_servers("nameserver 10.0.0.53\nnameserver fe80::1\nnameserver\n") == ("10.0.0.53",)

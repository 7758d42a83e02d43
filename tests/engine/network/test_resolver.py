"""The contents of /etc/hosts and /etc/resolv.conf by value."""

from __future__ import annotations

import pytest

from engine.errors import InvalidInput
from engine.network.resolver import host_hosts_text, hosts_text, name_servers, resolv_conf_text

STANDARD = """\
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""


def test_hosts_end_with_the_container():
    assert hosts_text("web", "172.17.0.2") == STANDARD + "172.17.0.2\tweb\n"


def test_hosts_have_the_short_name_too():
    assert hosts_text("web.example.org", "172.17.0.2").endswith("172.17.0.2\tweb.example.org web\n")


def test_hosts_without_an_address_have_no_own_line():
    assert hosts_text("", "") == STANDARD


@pytest.mark.parametrize(
    ("extra", "line"),
    [
        ("db:10.0.0.5", "10.0.0.5\tdb"),
        ("db=10.0.0.5", "10.0.0.5\tdb"),
        ("db:2001:db8::1", "2001:db8::1\tdb"),
        ("db:[2001:db8::1]", "2001:db8::1\tdb"),
        ("box:host-gateway", "172.17.0.1\tbox"),
    ],
)
def test_extra_host(extra, line):
    assert hosts_text("", "", (extra,), "172.17.0.1") == f"{STANDARD}{line}\n"


@pytest.mark.parametrize("extra", ["db", "db:", ":10.0.0.5", "db:ten"])
def test_extra_host_that_cannot_be_is_refused(extra):
    with pytest.raises(InvalidInput, match="add-host"):
        hosts_text("", "", (extra,))


def test_hosts_of_the_host_s_network_are_the_host_s():
    assert host_hosts_text("127.0.0.1 localhost\n10.1.1.1 box\n", ("db:10.0.0.5",)) == (
        "127.0.0.1 localhost\n10.1.1.1 box\n10.0.0.5\tdb\n"
    )


def test_resolv_conf_is_the_host_s():
    host = "# made by hand\nnameserver 10.0.0.53\nsearch example.org\noptions ndots:2\n"
    assert resolv_conf_text(host, "") == "nameserver 10.0.0.53\nsearch example.org\noptions ndots:2\n"


def test_loopback_stub_is_replaced_by_its_upstream():
    upstream = "nameserver 10.0.0.53\nnameserver 10.0.0.54\nsearch lan\n"
    assert resolv_conf_text("nameserver 127.0.0.53\nsearch .\n", upstream) == (
        "nameserver 10.0.0.53\nnameserver 10.0.0.54\nsearch lan\n"
    )


def test_loopback_server_beside_another_is_left_out():
    assert resolv_conf_text("nameserver 127.0.0.1\nnameserver 10.0.0.53\n", "") == "nameserver 10.0.0.53\n"


def test_without_a_reachable_server_it_is_a_public_one():
    assert resolv_conf_text("nameserver 127.0.0.1\n", "") == "nameserver 8.8.8.8\nnameserver 8.8.4.4\n"


def test_asked_servers_replace_the_host_s_but_not_its_search():
    assert (
        resolv_conf_text("nameserver 10.0.0.53\nsearch lan\n", "", ("9.9.9.9",))
        == "nameserver 9.9.9.9\nsearch lan\n"
    )


def test_asked_server_that_is_no_address_is_refused():
    with pytest.raises(InvalidInput, match="not an ip address"):
        resolv_conf_text("", "", ("dns.example.org",))


def test_loopback_server_is_right_in_the_host_s_network():
    assert resolv_conf_text("nameserver 127.0.0.53\n", "", loopback=True) == "nameserver 127.0.0.53\n"


def test_name_servers_are_the_ipv4_ones():
    assert name_servers("nameserver 10.0.0.53\nnameserver fe80::1\nnameserver\n") == ("10.0.0.53",)

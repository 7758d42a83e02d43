"""What the kernel says of the host's routes, read."""

from __future__ import annotations

from engine.network import host

FIB_TRIE = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.0
           /8 host LOCAL
        |-- 127.0.0.1
           /32 host LOCAL
     +-- 192.0.2.0/24 2 0 1
        |-- 192.0.2.0
           /24 link UNICAST
        |-- 192.0.2.2
           /32 host LOCAL
Id 51820:
  +-- 10.8.0.0/16 2 0 2
     |-- 10.8.0.0
        /16 universe UNICAST
        /24 link UNICAST
"""
_ZERO, _TAIL = "0" * 32, "00000400 00000001 00000000 00000001"
IPV6_ROUTE = f"""\
fd000040000000000000000000000000 40 {_ZERO} 00 {_ZERO} {_TAIL}     eth0
20010db8000000000000000000000000 20 {_ZERO} 00 fd000040000000000000000000000001 {_TAIL}     eth0
fe800000000000000000000000000000 40 {_ZERO} 00 {_ZERO} {_TAIL}     eth0
{_ZERO} 00 {_ZERO} 00 fd000040000000000000000000000001 {_TAIL}     eth0
00000000000000000000000000000001 80 {_ZERO} 00 {_ZERO} {_TAIL}       lo
fd000040000000000000000000000002 80 {_ZERO} 00 {_ZERO} {_TAIL}     eth0
ff000000000000000000000000000000 08 {_ZERO} 00 {_ZERO} {_TAIL}     eth0
"""


def test_routes_are_read_from_every_table():
    assert host.routes_from_trie(FIB_TRIE) == (
        "192.0.2.0/24",
        "192.0.2.2/32",
        "10.8.0.0/16",
        "10.8.0.0/24",
    )


def test_routes_by_a_gateway_are_not_connected():
    assert host.routes_from_trie(FIB_TRIE, connected=True) == ("192.0.2.0/24", "192.0.2.2/32", "10.8.0.0/24")


def test_routes_of_ipv6_are_read():
    assert host.routes_from_table(IPV6_ROUTE) == ("fd00:40::/64", "2001:db8::/32", "fd00:40::2/128")


def test_ipv6_routes_by_a_gateway_are_not_connected():
    assert host.routes_from_table(IPV6_ROUTE, connected=True) == ("fd00:40::/64", "fd00:40::2/128")


def test_file_that_is_not_there_is_empty():
    assert not host.read_text("/proc/nothing/of/that/name")

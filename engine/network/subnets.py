"""Owns which subnets a network gets, and what of them is reserved; refuses the database and netlink.

Pools are Docker's defaults. A subnet is chosen only if it overlaps no route of the host (in any table, so
that policy routing of a VPN counts), no name server of the host, and no other network of ours. One that the
user names may lie in a route that leads elsewhere (10.0.0.0/8 by a router), but not in what the host is
connected to. IPv6 subnets are chosen of a /48 of this host's own (RFC 4193, section 3.2).
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

import msgspec

from engine.errors import InvalidInput, NetworkFailure
from engine.network.addresses import next_address

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from engine.options import CreateNetworkOptions

    _Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_POOLS = (
    ("172.17.0.0/16", 16),
    ("172.18.0.0/16", 16),
    ("172.19.0.0/16", 16),
    ("172.20.0.0/14", 16),
    ("172.24.0.0/14", 16),
    ("172.28.0.0/14", 16),
    ("192.168.0.0/16", 20),
)
_SHORTEST_ROUTE = {4: 8, 6: 3}
"""0.0.0.0/1 and the like are default routes in disguise (VPN clients set them): they exclude nothing."""
_FEWEST_ADDRESSES = 4
"""The subnet's own, the gateway's, one container's, the broadcast address."""
_OVERLAP = "Pool overlaps with other one on this address space"
"""Docker's words."""


class Taken(msgspec.Struct, frozen=True):
    """What a new subnet must not overlap, CIDR or plain addresses of both families."""

    routes: tuple[str, ...] = ()
    """Where the host's packets go, and its name servers."""
    connected: tuple[str, ...] = ()
    """The routes of these that lead to no gateway."""
    networks: tuple[str, ...] = ()
    """Subnets of other networks of ours."""


class Subnets(msgspec.Struct, frozen=True, kw_only=True):
    """A network's addresses, as its record has them."""

    subnet: str = ""
    gateway: str = ""
    ip_range: str = ""
    subnet6: str = ""
    gateway6: str = ""
    ip_range6: str = ""
    auxiliary: dict[str, str] = {}
    configured: bool = False


def to_subnets(options: CreateNetworkOptions, taken: Taken, seed: bytes) -> Subnets:
    """The subnets that the user asked for, the others chosen; ``seed`` names this host (5 bytes are used).

    InvalidInput, in Docker's words, where options do not fit each other; NetworkFailure if a subnet is taken.
    """
    asked = [_parsed(subnet) for subnet in options.subnets]
    four, six = _of_version(asked, 4, options.driver), _of_version(asked, 6, options.driver)
    _check_families(options, four, six)
    for network in asked:
        _check_free(network, taken)
    gateways = _by_subnet("gateway", options.gateways, asked)
    ranges = _by_subnet("range", options.ip_ranges, asked)
    for address in options.auxiliary.values():
        _by_subnet("aux-address", (address,), asked)
    if options.ipv4 and four is None:
        four = _parsed(choose_subnet((*taken.routes, *taken.networks)))
    if options.ipv6 and six is None:
        six = _parsed(choose_subnet6((*taken.routes, *taken.networks), seed))
    made = Subnets(
        subnet=str(four or ""),
        gateway=_gateway(four, gateways, ranges, options.auxiliary) if four else "",
        ip_range=ranges.get(four, "") if four else "",
        subnet6=str(six or ""),
        gateway6=_gateway(six, gateways, ranges, options.auxiliary) if six else "",
        ip_range6=ranges.get(six, "") if six else "",
        auxiliary={name: str(ipaddress.ip_address(address)) for name, address in options.auxiliary.items()},
        configured=bool(asked),
    )
    _check_auxiliary(made)
    return made


def choose_subnet(taken: Iterable[str]) -> str:
    """The first subnet of the default pools that overlaps none of ``taken``."""
    found = _first(_candidates(), taken)
    if found is None:
        raise NetworkFailure(
            "choose a subnet",
            "every default address pool overlaps a route of this host or another network",
            remedy="remove unused networks, or name a free one:"
            " tuidock network create --subnet 10.123.0.0/24 …",
        )
    return found


def choose_subnet6(taken: Iterable[str], seed: bytes) -> str:
    """The first /64 of the /48 that ``seed`` makes that overlaps none of ``taken``."""
    own = ipaddress.IPv6Network((b"\xfd" + seed[:5] + bytes(10), 48))
    found = _first(own.subnets(new_prefix=64), taken)
    if found is None:
        raise NetworkFailure(
            "choose an IPv6 subnet",
            f"every /64 of {own} overlaps a route of this host or another network",
            remedy="name a free one: tuidock network create --ipv6 --subnet fd00:123::/64 …",
        )
    return found


def first_free(preferred: str, taken: Iterable[str]) -> str:
    """``preferred`` if it overlaps none of ``taken``, else what ``choose_subnet`` says."""
    known = tuple(taken)
    return _first([_parsed(preferred)], known) or choose_subnet(known)


def check_free(subnet: str, taken: Taken) -> None:
    """NetworkFailure if ``subnet``, of a network that there is already, has been taken since."""
    _check_free(_parsed(subnet), taken)


def _check_families(options: CreateNetworkOptions, four: _Network | None, six: _Network | None) -> None:
    if not options.ipv4 and not options.ipv6:
        raise InvalidInput("", "IPv4 or IPv6 must be enabled", remedy="give --ipv6 with --ipv4=false")
    if four and not options.ipv4:
        raise InvalidInput(
            "", f"subnet {four}: IPv4 is not enabled for the network", remedy="leave out --ipv4=false"
        )
    if six and not options.ipv6:
        raise InvalidInput(
            "", f"subnet {six}: IPv6 is not enabled for the network", remedy="give --ipv6 as well"
        )
    if (options.gateways or options.ip_ranges) and not options.subnets:
        raise InvalidInput(
            "", "every ip-range or gateway must have a corresponding subnet", remedy="give --subnet as well"
        )


def _parsed(subnet: str) -> _Network:
    """A subnet that is written as one."""
    network = _range(subnet) if "/" in subnet else None
    if network is None:
        reason = f"invalid subnet {subnet}: invalid CIDR address: {subnet}"
        raise InvalidInput("", reason, remedy="write it like 10.123.0.0/24")
    if ipaddress.ip_address(subnet.partition("/")[0]) != network.network_address:
        raise InvalidInput("", f"invalid subnet {subnet}: it should be {network}")
    if network.num_addresses < _FEWEST_ADDRESSES:
        size = 8 * len(network.network_address.packed) - 2
        raise InvalidInput(
            "", f"subnet {subnet} has no room for a container", remedy=f"use /{size} or larger"
        )
    if network.is_multicast or network.is_loopback:
        raise InvalidInput("", f"invalid subnet {subnet}: no interface can have an address of it")
    return network


def _of_version(asked: list[_Network], version: int, driver: str) -> _Network | None:
    found = [network for network in asked if network.version == version]
    if any(one.overlaps(other) for place, one in enumerate(found) for other in found[place + 1 :]):
        raise InvalidInput("", "multiple overlapping subnet configuration is not supported")
    if len(found) > 1:
        reason = f"{driver} driver doesn't support multiple subnets"
        raise InvalidInput("", reason, remedy="give one of IPv4 and one of IPv6 at most")
    return found[0] if found else None


def _check_free(network: _Network, taken: Taken) -> None:
    for other in map(_network, (*taken.networks, *taken.connected)):
        if _matters(other) and network.overlaps(other):
            _refuse(network, other)
    for other in map(_network, taken.routes):
        if other.version == network.version and other.subnet_of(network):  # type: ignore[arg-type]
            _refuse(network, other)


def _refuse(network: _Network, other: _Network) -> None:
    raise NetworkFailure(
        f"use subnet {network}",
        f"{_OVERLAP}: {other}, which this host or another network has",
        remedy="see `ip route` and `tuidock network ls`, and choose another --subnet",
    )


def _by_subnet(what: str, texts: tuple[str, ...], asked: list[_Network]) -> dict[_Network, str]:
    """Each of ``texts`` (addresses or ranges) by the subnet that it is of; InvalidInput if there is none."""
    found: dict[_Network, str] = {}
    for text in texts:
        parsed = _range(text) if what == "range" else _host(text)
        home = next((network for network in asked if parsed and parsed.network_address in network), None)
        if parsed is None or home is None:
            raise InvalidInput("", f"no matching subnet for {what} {text}", remedy="give its --subnet")
        if parsed.prefixlen < home.prefixlen:
            raise InvalidInput(
                "", f"invalid ip-range {text}: CIDR block is bigger than its parent subnet {home}"
            )
        if home in found:
            raise InvalidInput(
                "", f"cannot configure multiple {what}s ({text}, {found[home]}) on a subnet ({home})"
            )
        found[home] = str(parsed) if what == "range" else str(parsed.network_address)
    return found


def _range(text: str) -> _Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _host(text: str) -> _Network | None:
    try:
        return ipaddress.ip_network(ipaddress.ip_address(text))
    except ValueError:
        return None


def _gateway(
    network: _Network, asked: dict[_Network, str], ranges: dict[_Network, str], auxiliary: dict[str, str]
) -> str:
    """The gateway that is asked for, else the first host address (of the range) that has no other purpose."""
    gateway = asked.get(network)
    if gateway is None:
        reserved = [str(ipaddress.ip_address(address)) for address in auxiliary.values()]
        mine = [address for address in reserved if (":" in address) == (":" in str(network))]
        return next_address(str(network), mine, ranges.get(network, ""))
    address = ipaddress.ip_address(gateway)
    last = network.broadcast_address if network.version == 4 else None  # noqa: PLR2004 - IPv6 has none
    if address in {network.network_address, last}:
        raise InvalidInput("", f"failed to allocate gateway ({address}): it is no host address of {network}")
    return gateway


def _check_auxiliary(made: Subnets) -> None:
    for name, address in made.auxiliary.items():
        if address in {made.gateway, made.gateway6}:
            reason = f"failed to allocate secondary ip address ({name}:{address}): Address already in use"
            raise InvalidInput("", reason, remedy="it is the gateway's")


def _candidates() -> Iterator[_Network]:
    for pool, size in _POOLS:
        yield from _network(pool).subnets(new_prefix=size)


def _first(candidates: Iterable[_Network], taken: Iterable[str]) -> str | None:
    avoid = [network for network in map(_network, taken) if _matters(network)]
    for candidate in candidates:
        if not any(candidate.overlaps(network) for network in avoid):
            return str(candidate)
    return None


def _matters(network: _Network) -> bool:
    return network.prefixlen >= _SHORTEST_ROUTE[network.version]


def _network(text: str) -> _Network:
    return ipaddress.ip_network(text, strict=False)

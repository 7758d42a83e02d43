"""Owns whether the subnets, gateways, ranges and reserved addresses of ``network create`` fit together; pure.

Source: docker/cli cli/command/network/create.go (createIPAMConfig). Refuses to judge a subnet by itself:
whether it is free, or large enough, is the engine's to say.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def check(
    subnets: tuple[str, ...],
    ranges: tuple[str, ...],
    gateways: tuple[str, ...],
    auxiliary: Mapping[str, str],
) -> None:
    """ValueError in Docker's words for the first thing that belongs to no subnet, or to one that has it."""
    if max(len(ranges), len(gateways)) > len(subnets):
        raise ValueError("every ip-range or gateway must have a corresponding subnet")
    _check_apart(tuple(map(_subnet, subnets)))
    networks = {subnet: _subnet(subnet) for subnet in subnets}
    for text in ranges:
        try:
            ipaddress.ip_interface(text if "/" in text else "")
        except ValueError:
            raise ValueError(f"invalid CIDR address: {text}") from None
    _check_placed(networks, ranges, "range", "ranges")
    _check_placed(networks, gateways, "gateway", "gateways")
    for address in auxiliary.values():
        if not any(_holds(network, address) for network in networks.values()):
            raise ValueError(f"no matching subnet for aux-address {address}")


def _subnet(text: str) -> _Network:
    try:
        if "/" in text:
            return ipaddress.ip_network(text, strict=False)
    except ValueError:
        pass
    raise ValueError(f"invalid subnet {text}: invalid CIDR address: {text}")


def _check_apart(networks: tuple[_Network, ...]) -> None:
    for position, network in enumerate(networks):
        for other in networks[:position]:
            if network.version == other.version and network.overlaps(other):
                raise ValueError("multiple overlapping subnet configuration is not supported")


def _check_placed(networks: Mapping[str, _Network], texts: Iterable[str], what: str, several: str) -> None:
    placed: dict[str, str] = {}
    for text in texts:
        subnet = next((name for name, network in networks.items() if _holds(network, text)), None)
        if subnet is None:
            raise ValueError(f"no matching subnet for {what} {text}")
        if subnet in placed:
            both = f"{text}, {placed[subnet]}"
            raise ValueError(f"cannot configure multiple {several} ({both}) on the same subnet ({subnet})")
        placed[subnet] = text


def _holds(network: _Network, text: str) -> bool:
    try:
        return ipaddress.ip_address(text.partition("/")[0]) in network
    except ValueError:
        return False

"""Owns the verbs of networks themselves; connecting containers to them is in ``connections``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from engine.errors import InvalidInput
from engine.options import CreateNetworkOptions
from tuidock.cli import listing, output
from tuidock.cli.command import CannotStart, Command, Invocation
from tuidock.cli.commands.each import Missing, each
from tuidock.cli.flags import many, switch, text
from tuidock.cli.specs import network as written
from tuidock.cli.specs import scalars, variables
from tuidock.cli.units import local_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.engine import Engine
    from engine.records import Network

_SHORT_ID = 12
_PREDEFINED = frozenset({"bridge", "host", "none"})
_LAYOUT = listing.Layout(
    titles={
        "ID": "NETWORK ID",
        "Name": "NAME",
        "Driver": "DRIVER",
        "Scope": "SCOPE",
        "IPv4": "IPV4",
        "IPv6": "IPV6",
        "Internal": "INTERNAL",
        "Labels": "LABELS",
        "Label": listing.label_title,
        "CreatedAt": "CREATED AT",
    },
    columns=("ID", "Name", "Driver", "Scope"),
    quiet="ID",
)
_FILTERS = ("dangling", "driver", "id", "label", "name", "scope", "type")
_TRUTHS = {"true": True, "1": True, "false": False, "0": False}


# -- create ---------------------------------------------------------------------------------------
async def _create(engine: Engine, invocation: Invocation) -> int:
    network = await engine.networks.create(network_options(invocation))
    output.line(network.id)
    return 0


def network_options(invocation: Invocation) -> CreateNetworkOptions:
    """What the command line asks for."""
    return CreateNetworkOptions(
        name=invocation.arguments[0],
        driver=invocation.text("driver"),
        subnets=invocation.flat("subnet"),
        gateways=invocation.flat("gateway"),
        ip_ranges=invocation.flat("ip-range"),
        auxiliary=variables.mapping((), invocation.many("aux-address")),
        ipv4=invocation.switch("ipv4"),
        ipv6=invocation.switch("ipv6"),
        internal=invocation.switch("internal"),
        attachable=invocation.switch("attachable"),
        options=variables.mapping((), invocation.many("opt")),
        ipam_options=variables.mapping((), invocation.many("ipam-opt")),
        labels=variables.mapping((), invocation.many("label")),
    )


def _check_create(invocation: Invocation) -> None:
    for flag in ("ingress", "config-only", "config-from"):
        if invocation.value(flag):
            raise CannotStart(f"--{flag} is for the networks of a swarm, which tuidock does not have")
    if invocation.text("scope") not in {"", "local"}:
        raise CannotStart(
            f"--scope {invocation.text('scope')}: tuidock has networks of this host (local) only"
        )
    if invocation.text("ipam-driver") != "default":
        raise CannotStart(f'plugin "{invocation.text("ipam-driver")}" not found')
    options = network_options(invocation)
    if not (options.subnets or options.ip_ranges or options.gateways or options.auxiliary):
        return
    from tuidock.cli.specs import ipam

    try:
        ipam.check(options.subnets, options.ip_ranges, options.gateways, options.auxiliary)
    except ValueError as error:
        raise CannotStart(str(error)) from None


# -- ls -------------------------------------------------------------------------------------------
async def _list(engine: Engine, invocation: Invocation) -> int:
    filters, truncate = invocation.filters(), not invocation.switch("no-trunc")
    _check_filters(filters)
    dangling = {_TRUTHS[value] for value in filters.get("dangling", ())}
    rows = [
        _row(network, truncate=truncate)
        for network in await engine.networks.list()
        if _passes(network, filters) and (not dangling or (await _is_dangling(engine, network)) in dangling)
    ]
    rows.sort(key=lambda row: listing.natural(row["Name"]))
    listing.show(rows, _LAYOUT, invocation.text("format"), quiet=invocation.switch("quiet"))
    return 0


def _check_filters(filters: Mapping[str, tuple[str, ...]]) -> None:
    for key in filters:
        if key not in _FILTERS:
            raise InvalidInput("", f"invalid filter '{key}'", remedy=f"filters are: {', '.join(_FILTERS)}")
    for value in filters.get("type", ()):
        if value not in {"custom", "builtin"}:
            raise InvalidInput("", f"invalid filter: 'type'='{value}'", remedy="it is custom or builtin")
    if len(set(filters.get("dangling", ()))) > 1 or not _TRUTHS.keys() >= set(filters.get("dangling", ())):
        raise InvalidInput(
            "",
            'invalid value for filter \'dangling\', must be "true" (or "1"), or "false" (or "0")',
        )


def _passes(network: Network, filters: Mapping[str, tuple[str, ...]]) -> bool:
    """As moby daemon/network/filter.go: names and ids are regular expressions, the others whole words."""
    words = {
        "driver": network.driver,
        "scope": "local",
        "type": "builtin" if network.name in _PREDEFINED else "custom",
    }
    return (
        all(words[key] in filters[key] for key in words if key in filters)
        and all(_matches(network.name, filters[key]) for key in ("name",) if key in filters)
        and all(_matches(network.id, filters[key]) for key in ("id",) if key in filters)
        and all(_has_label(network, value) for value in filters.get("label", ()))
    )


def _matches(field: str, patterns: tuple[str, ...]) -> bool:
    for pattern in patterns:
        try:
            if field == pattern or re.search(pattern, field):
                return True
        except re.error:
            continue
    return False


def _has_label(network: Network, wanted: str) -> bool:
    name, equals, value = wanted.partition("=")
    return name in network.labels and (not equals or network.labels[name] == value)


async def _is_dangling(engine: Engine, network: Network) -> bool:
    """Whether it is somebody's own, and no container is in it."""
    return network.name not in _PREDEFINED and not (await engine.networks.inspect(network.id))["Containers"]


def _row(network: Network, *, truncate: bool) -> dict[str, Any]:
    predefined = not network.subnet and not network.subnet6
    return {
        "ID": network.id[:_SHORT_ID] if truncate else network.id,
        "Name": network.name,
        "Driver": network.driver,
        "Scope": "local",
        "IPv4": _truth(bool(network.subnet) or predefined),
        "IPv6": _truth(bool(network.subnet6)),
        "Internal": _truth(network.internal),
        "Labels": ",".join(f"{name}={value}" for name, value in network.labels.items()),
        "Label": lambda name: network.labels.get(name, ""),
        "CreatedAt": local_time(network.created),
    }


def _truth(value: bool) -> str:
    return "true" if value else "false"


# -- rm -------------------------------------------------------------------------------------------
async def _remove(engine: Engine, invocation: Invocation) -> int:
    missing: Missing = "ignored" if invocation.switch("force") else "fails"
    return await each(invocation.arguments, engine.networks.remove, missing=missing)


def _check_list(invocation: Invocation) -> None:
    listing.check_format(invocation.text("format"))


CREATE = Command(
    usage="[OPTIONS] NETWORK",
    run=_create,
    check=_check_create,
    flags=(
        switch("attachable", "Enable manual container attachment"),
        many("aux-address", "Auxiliary IPv4 or IPv6 addresses used by Network driver", kind="map"),
        text("config-from", "The network from which to copy the configuration (needs a swarm)"),
        switch("config-only", "Create a configuration only network (needs a swarm)"),
        text("driver", "Driver to manage the Network", "d", default="bridge"),
        many(
            "gateway",
            "IPv4 or IPv6 Gateway for the master subnet",
            kind="strings",
            convert=written.split_csv,
        ),
        switch("ingress", "Create swarm routing-mesh network (needs a swarm)"),
        switch("internal", "Restrict external access to the network"),
        many("ip-range", "Allocate container ip from a sub-range", kind="strings", convert=written.split_csv),
        text("ipam-driver", "IP Address Management Driver", default="default"),
        many("ipam-opt", "Set IPAM driver specific options", kind="map"),
        switch("ipv4", "Enable or disable IPv4 address assignment", default=True),
        switch("ipv6", "Enable or disable IPv6 address assignment"),
        many("label", "Set metadata on a network", convert=variables.label),
        many("opt", "Set driver specific options", "o", kind="map"),
        text("scope", "Control the network's scope (local)"),
        many(
            "subnet",
            "Subnet in CIDR format that represents a network segment",
            kind="strings",
            convert=written.split_csv,
        ),
    ),
    fewest=1,
    most=1,
)
LIST = Command(
    usage="[OPTIONS]",
    run=_list,
    flags=(
        many(
            "filter",
            'Provide filter values (e.g. "driver=bridge")',
            "f",
            kind="filter",
            convert=scalars.key_value_filter,
        ),
        listing.format_flag(),
        switch("no-trunc", "Do not truncate the output"),
        switch("quiet", "Only display network IDs", "q"),
    ),
    check=_check_list,
)
REMOVE = Command(
    usage="NETWORK [NETWORK...]",
    run=_remove,
    flags=(switch("force", "Do not error if the network does not exist", "f"),),
    fewest=1,
    most=None,
)

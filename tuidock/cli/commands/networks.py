"""Owns the verbs of networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.options import CreateNetworkOptions
from tuidock.cli import listing, output
from tuidock.cli.command import Command, Invocation
from tuidock.cli.commands.each import each
from tuidock.cli.flags import many, switch, text
from tuidock.cli.selection import selected
from tuidock.cli.specs import scalars, variables
from tuidock.cli.units import local_time

if TYPE_CHECKING:
    from engine.engine import Engine
    from engine.records import Network

_SHORT_ID = 12
_LAYOUT = listing.Layout(
    titles={
        "ID": "NETWORK ID",
        "Name": "NAME",
        "Driver": "DRIVER",
        "Scope": "SCOPE",
        "Internal": "INTERNAL",
        "Labels": "LABELS",
        "CreatedAt": "CREATED AT",
        "Subnet": "SUBNET",
    },
    columns=("ID", "Name", "Driver", "Scope"),
    quiet="ID",
)


async def _create(engine: Engine, invocation: Invocation) -> int:
    network = await engine.networks.create(
        CreateNetworkOptions(
            name=invocation.arguments[0],
            driver=invocation.text("driver"),
            subnets=tuple(filter(None, (invocation.optional("subnet"),))),
            gateways=tuple(filter(None, (invocation.optional("gateway"),))),
            internal=invocation.switch("internal"),
            labels=variables.mapping((), invocation.many("label")),
        )
    )
    output.line(network.id)
    return 0


async def _list(engine: Engine, invocation: Invocation) -> int:
    filters, truncate = invocation.filters(), not invocation.switch("no-trunc")
    rows = [
        _row(network, truncate=truncate)
        for network in await engine.networks.list()
        if selected(
            filters,
            {"id": network.id, "name": network.name, "driver": network.driver},
            network.labels,
        )
    ]
    rows.sort(key=lambda row: row["Name"])
    listing.show(rows, _LAYOUT, invocation.text("format"), quiet=invocation.switch("quiet"))
    return 0


def _row(network: Network, *, truncate: bool) -> dict[str, Any]:
    return {
        "ID": network.id[:_SHORT_ID] if truncate else network.id,
        "Name": network.name,
        "Driver": network.driver,
        "Scope": "local",
        "Internal": "true" if network.internal else "false",
        "Labels": ",".join(f"{name}={value}" for name, value in network.labels.items()),
        "CreatedAt": local_time(network.created),
        "Subnet": network.subnet,
    }


async def _remove(engine: Engine, invocation: Invocation) -> int:
    return await each(
        invocation.arguments, engine.networks.remove, forgive_missing=invocation.switch("force")
    )


def _check(invocation: Invocation) -> None:
    listing.check_format(invocation.text("format"))


CREATE = Command(
    usage="[OPTIONS] NETWORK",
    run=_create,
    flags=(
        text("driver", "Driver to manage the Network", "d", default="bridge"),
        text("gateway", "IPv4 Gateway for the subnet"),
        switch("internal", "Restrict external access to the network"),
        many("label", "Set metadata on a network", convert=variables.label),
        text("subnet", "Subnet in CIDR format that represents a network segment"),
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
    check=_check,
)
REMOVE = Command(
    usage="NETWORK [NETWORK...]",
    run=_remove,
    flags=(switch("force", "Do not error if the network does not exist", "f"),),
    fewest=1,
    most=None,
)

"""Owns the verbs of volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.errors import InvalidInput
from engine.options import CreateVolumeOptions
from tuidock.cli import listing, output
from tuidock.cli.command import Command, Invocation
from tuidock.cli.commands.each import each
from tuidock.cli.flags import many, switch, text
from tuidock.cli.selection import selected
from tuidock.cli.specs import scalars, variables

if TYPE_CHECKING:
    from engine.engine import Engine
    from engine.records import Volume

_LAYOUT = listing.Layout(
    titles={
        "Driver": "DRIVER",
        "Name": "VOLUME NAME",
        "Scope": "SCOPE",
        "Mountpoint": "MOUNTPOINT",
        "Labels": "LABELS",
        "Label": listing.label_title,
    },
    columns=("Driver", "Name"),
    quiet="Name",
)


async def _create(engine: Engine, invocation: Invocation) -> int:
    volume = await engine.volumes.create(
        CreateVolumeOptions(
            name=next(iter(invocation.arguments), invocation.filled("name")),
            labels=variables.mapping((), invocation.many("label")),
            driver=invocation.text("driver"),
            driver_options=dict(option.partition("=")[::2] for option in invocation.many("opt")),
        )
    )
    output.line(volume.name)
    return 0


async def _list(engine: Engine, invocation: Invocation) -> int:
    filters = invocation.filters()
    dangling = filters.pop("dangling", ())
    unused = await engine.volumes.unused() if dangling else frozenset()
    rows = [
        _row(volume)
        for volume in await engine.volumes.list()
        if selected(filters, {"name": volume.name, "driver": "local"}, volume.labels)
        and all((volume.name in unused) == _truth(value) for value in dangling)
    ]
    rows.sort(key=lambda row: listing.natural(row["Name"]))
    listing.show(rows, _LAYOUT, invocation.text("format"), quiet=invocation.switch("quiet"))
    return 0


def _truth(value: str) -> bool:
    try:
        return scalars.boolean(value)
    except ValueError:
        raise InvalidInput("", f"invalid filter 'dangling=[{value}]'") from None


def _row(volume: Volume) -> dict[str, Any]:
    return {
        "Driver": "local",
        "Name": volume.name,
        "Scope": "local",
        "Mountpoint": volume.mountpoint,
        "Labels": ",".join(f"{name}={value}" for name, value in volume.labels.items()),
        "Label": lambda name: volume.labels.get(name, ""),
    }


async def _remove(engine: Engine, invocation: Invocation) -> int:
    force = invocation.switch("force")
    return await each(
        invocation.arguments,
        lambda name: engine.volumes.remove(name, force=force),
        missing="told" if force else "fails",
    )


def _check(invocation: Invocation) -> None:
    listing.check_format(invocation.text("format"))


CREATE = Command(
    usage="[OPTIONS] [VOLUME]",
    run=_create,
    flags=(
        text("driver", "Specify volume driver name", "d", default="local"),
        many("label", "Set metadata for a volume", convert=variables.label),
        text("name", "Specify volume name"),
        many("opt", "Set driver specific options", "o", kind="map"),
    ),
    most=1,
)
LIST = Command(
    usage="[OPTIONS]",
    run=_list,
    flags=(
        many(
            "filter",
            'Provide filter values (e.g. "name=data")',
            "f",
            kind="filter",
            convert=scalars.key_value_filter,
        ),
        listing.format_flag(),
        switch("quiet", "Only display volume names", "q"),
    ),
    check=_check,
)
REMOVE = Command(
    usage="[OPTIONS] VOLUME [VOLUME...]",
    run=_remove,
    flags=(switch("force", "Force the removal of one or more volumes", "f"),),
    fewest=1,
    most=None,
    description=("Remove one or more volumes. You cannot remove a volume that is in use by a container."),
)

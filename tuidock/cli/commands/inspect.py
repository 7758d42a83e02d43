"""Owns ``inspect`` in its five spellings: documents as JSON or through a template."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from engine.errors import EngineError, InvalidInput, NotFound
from tuidock.cli import diagnostics, listing, output
from tuidock.cli.command import CannotStart, Command, Invocation
from tuidock.cli.flags import UsageError, switch, text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from engine.engine import Engine

_TYPES = ("container", "image", "network", "volume")
_MAPS = frozenset(
    {
        "Labels",
        "ExposedPorts",
        "Ports",
        "PortBindings",
        "Networks",
        "Volumes",
        "Options",
        "DriverOpts",
        "Tmpfs",
        "Sysctls",
        "Containers",
        "Annotations",
    }
)
"""Fields whose keys people choose: an absent one has no value, where an absent field is an error."""
_FORMAT = text("format", listing.INSPECT_FORMAT_HELP, "f")
_SIZE = switch("size", "Display total file sizes if the type is container", "s")


def check_format(invocation: Invocation) -> None:
    """Refuse a template that does not parse before the engine opens."""
    try:
        listing.check_format(invocation.text("format"), of_rows=False)
    except UsageError as error:
        raise CannotStart(
            error.message.replace("failed to parse template", "template parsing error")
        ) from None


_FLAGS = {
    "container": (_FORMAT, _SIZE),
    # what there is more to say is of a swarm's networks, in Docker too
    "network": (_FORMAT, switch("verbose", "Verbose output for diagnostics", "v")),
}


def _inspect(kind: str, usage: str) -> Command:
    async def run(engine: Engine, invocation: Invocation) -> int:
        return await _show(engine, invocation, (kind,))

    return Command(
        usage=f"[OPTIONS] {usage} [{usage}...]",
        run=run,
        flags=_FLAGS.get(kind, (_FORMAT,)),
        fewest=1,
        most=None,
        check=check_format,
    )


async def _inspect_any(engine: Engine, invocation: Invocation) -> int:
    wanted = invocation.optional("type")
    return await _show(engine, invocation, (wanted,) if wanted else _TYPES)


def _check_any(invocation: Invocation) -> None:
    wanted = invocation.optional("type")
    if wanted is not None and wanted not in _TYPES:
        choices = ", ".join(f'"{name}"' for name in _TYPES)
        raise CannotStart(f'unknown type: "{wanted}": must be one of {choices}')
    check_format(invocation)


async def _inspect_image(engine: Engine, invocation: Invocation) -> int:
    if not invocation.switch("remote"):
        return await _show(engine, invocation, ("image",))
    platform = invocation.filled("platform")
    return await _show(engine, invocation, lambda name: engine.registries.inspect(name, platform))


def _check_image(invocation: Invocation) -> None:
    if invocation.text("platform") and not invocation.switch("remote"):
        raise CannotStart("--platform needs --remote: an image that is here is of one platform")
    check_format(invocation)


async def _show(
    engine: Engine,
    invocation: Invocation,
    of: tuple[str, ...] | Callable[[str], Awaitable[dict[str, Any]]],
) -> int:
    documents: list[dict[str, Any]] = []
    sized = bool(invocation.values.get("size"))
    failures: list[EngineError] = []
    for name in invocation.arguments:
        try:
            found = await (_find(engine, name, of) if isinstance(of, tuple) else of(name))
            documents.append(await _sized(engine, found) if sized else found)
        except EngineError as error:
            failures.append(error)
    source = invocation.text("format")
    if source:
        output.text("".join(f"{_rendered(found, source)}\n" for found in documents))
    else:
        output.documents(documents)
    for failure in failures:
        diagnostics.engine_error(failure)
    return diagnostics.FAILED if failures else 0


async def _sized(engine: Engine, found: dict[str, Any]) -> dict[str, Any]:
    """A container's document with the bytes that it wrote, and those with its image's."""
    if "HostConfig" not in found:
        return found
    (written,) = await engine.container_sizes([found["Id"]])
    try:
        image = (await engine.images.get(found["Image"])).size
    except NotFound:
        image = 0  # rmi -f took it
    return {**found, "SizeRw": written, "SizeRootFs": written + image}


async def _find(engine: Engine, name: str, kinds: tuple[str, ...]) -> dict[str, Any]:
    lookups: dict[str, Callable[[str], Awaitable[dict[str, Any]]]] = {
        "container": engine.containers.inspect,
        "image": engine.images.inspect,
        "network": engine.networks.inspect,
        "volume": engine.volumes.inspect,
    }
    for kind in kinds:
        try:
            return await lookups[kind](name)
        except NotFound:
            if len(kinds) == 1:
                raise
        except InvalidInput:
            # a name that one kind forbids may be another's; an ambiguous container id is an answer
            if len(kinds) == 1 or kind == "container":
                raise
    raise NotFound("object", name)


def _rendered(found: dict[str, Any], source: str) -> str:
    """Through the template on Docker's types, and where that fails on the document itself, as Docker does."""
    from tuidock.cli.gotemplate.structs import typed

    value = typed(found)
    if value is not None:
        with contextlib.suppress(CannotStart):
            return listing.rendered_document(value, source)
    return listing.rendered_document(_typed(found), source)


def _typed(value: Any, field: str = "") -> Any:
    """``value`` with the maps of people's own names marked, as Go's types mark them."""
    if isinstance(value, dict):
        items = {name: _typed(item, name) for name, item in value.items()}
        if field in _MAPS:
            from tuidock.cli.gotemplate.template import Entries

            return Entries(items)
        return items
    if isinstance(value, (list, tuple)):
        return [_typed(item) for item in value]
    return value


CONTAINER = _inspect("container", "CONTAINER")
IMAGE = Command(
    usage="[OPTIONS] IMAGE [IMAGE...]",
    run=_inspect_image,
    flags=(
        _FORMAT,
        text("platform", "With --remote: of which platform the image is to be (os[/arch[/variant]])"),
        switch("remote", "What a registry has under the name, without pulling it"),
    ),
    fewest=1,
    most=None,
    check=_check_image,
)
NETWORK = _inspect("network", "NETWORK")
VOLUME = _inspect("volume", "VOLUME")
ANY = Command(
    usage="[OPTIONS] NAME|ID [NAME|ID...]",
    run=_inspect_any,
    flags=(_FORMAT, _SIZE, text("type", "Only inspect objects of the given type")),
    fewest=1,
    most=None,
    check=_check_any,
)

"""Owns what changes when a container that runs joins or leaves networks; refuses to send it.

The container's supervisor does, all or nothing. What is leased here for it is given back by who asked, if
the supervisor refuses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.network.forwarding import filtered_families
from engine.network.plan import endpoints
from engine.network.plan.endpoints import Place, change_plan
from engine.networks.attaching import attachment, items, published
from engine.networks.naming import naming
from engine.networks.placing import looked_up, members, placed, standing
from engine.runtime.attachment import NetworkChange, wanted_endpoints

if TYPE_CHECKING:
    from engine.network.plan.names import Member
    from engine.networks.parts import Parts
    from engine.records import Endpoint, PortBinding
    from engine.runtime.attachment import Attachment, AttachmentRequest


def change(
    parts: Parts, request: AttachmentRequest, present: tuple[Endpoint, ...], ports: tuple[PortBinding, ...]
) -> NetworkChange:
    """See ``Attachments.change``."""
    wished = looked_up(parts, wanted_endpoints(request))
    before = standing(parts, present, wished)
    try:
        after, warnings = placed(parts, request, wished, tuple(place.endpoint for place in before))
        out = any(endpoints.published_addresses(after))
        bindings = (ports or published(parts, request.ports, wished)) if out else ()
        whole = attachment(parts, request, wished, after, bindings, warnings)
        joined, left = _without(after, before), _without(before, after)
        return NetworkChange(
            attachment=whole,
            body=_body(parts, request, whole, (before, after), (ports, members(before, wished))),
            joined=tuple(place.network.id for place in joined),
            left=tuple(place.network.id for place in left),
        )
    except BaseException:
        forget(parts, request.owner, tuple(one.network.id for one in wished), before)
        raise


def _body(
    parts: Parts,
    request: AttachmentRequest,
    whole: Attachment,
    places: tuple[tuple[Place, ...], tuple[Place, ...]],
    former: tuple[tuple[PortBinding, ...], tuple[Member, ...]],
) -> dict[str, Any]:
    """The request of its supervisor: from the first of ``places``, with the ``former`` ports and names."""
    (before, after), (ports, known) = places, former
    led = (ports, whole.ports) if "ip" in filtered_families() else ((), ())
    made = change_plan(request.owner, before, after, led)
    told = naming(parts, request, known)
    return {
        "network": whole.bundle,
        "host": items(parts, made.host),
        "container": items(parts, made.container),
        "after": items(parts, made.after),
        "undo": items(parts, made.undo),
        "undo_container": items(parts, made.undo_container),
        "hosts": _lines(told.hosts, whole.hosts, parts.paths.container_hosts(request.owner)),
        "resolv_conf": {
            "path": parts.paths.container_resolv_conf(request.owner),
            "before": told.resolv_conf,
            "after": whole.resolv_conf,
        },
        "events": [
            *(_event("disconnect", place, request.owner) for place in _without(before, after)),
            *(_event("connect", place, request.owner) for place in _without(after, before)),
        ],
    }


def forget(parts: Parts, owner: str, networks: tuple[str, ...], kept: tuple[Place, ...] = ()) -> None:
    """Give back the owner's addresses in ``networks``, but for those where it is."""
    there = {place.network.id for place in kept}
    for network_id in networks:
        if network_id not in there:
            parts.records.release_from(network_id, owner)


def _without(places: tuple[Place, ...], others: tuple[Place, ...]) -> tuple[Place, ...]:
    known = {place.network.id for place in others}
    return tuple(place for place in places if place.network.id not in known)


def _lines(before: str, after: str, path: str) -> dict[str, Any]:
    """The edit of /etc/hosts: what the container has written there itself is not touched."""
    old, new = before.splitlines(), after.splitlines()
    return {
        "path": path,
        "remove": [line for line in old if line not in new],
        "add": [line for line in new if line not in old],
    }


def _event(action: str, place: Place, owner: str) -> dict[str, Any]:
    network = place.network
    attributes = {"container": owner, "name": network.name, "type": network.driver}
    return {"type": "network", "action": action, "id": network.id, "attributes": attributes}

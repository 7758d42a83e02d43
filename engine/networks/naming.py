"""Owns how a container finds others and is found, in its files and its bundle; refuses to attach it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from engine.network import resolver
from engine.network.host import read_text
from engine.network.names import rewrite_items
from engine.network.plan.names import Member, has_names, names_plan

if TYPE_CHECKING:
    from engine.networks.parts import Parts
    from engine.runtime.attachment import AttachmentRequest


class Naming(msgspec.Struct, frozen=True, kw_only=True):
    """The texts of /etc/hosts and /etc/resolv.conf, and the bundle's ``network.names`` (None: none)."""

    hosts: str
    resolv_conf: str
    names: dict[str, Any] | None


def naming(parts: Parts, request: AttachmentRequest, members: tuple[Member, ...]) -> Naming:
    """Of a container whose networks are ``members``, in the order of its interfaces; () is none at all.

    Each ``endpoint.names`` is what ``engine.network.plan.names.endpoint_names`` gives.
    """
    wishes = wishes_of(request)
    host = read_text(resolver.RESOLV_CONF)
    named = any(has_names(member.network) for member in members)
    if named:
        resolv_conf = resolver.named_resolv_conf(host, wishes)
    else:
        upstream = read_text(resolver.UPSTREAM_RESOLV_CONF)
        ipv6 = any(member.endpoint.gateway6 for member in members)
        resolv_conf = resolver.bridge_resolv_conf(host, upstream, wishes, ipv6=ipv6)
    names = None
    if named or (members and resolver.asks_resolver(resolv_conf)):
        lock = parts.paths.container_lock(request.owner) if request.found else ""
        owner = (request.owner, request.name, lock)
        plan = names_plan(
            parts.paths.names, owner, members, wishes.servers, wishes.options, rewrite_items(parts.templates)
        )
        names = msgspec.to_builtins(plan)
    return Naming(hosts=_hosts(parts, request, members), resolv_conf=resolv_conf, names=names)


def wishes_of(request: AttachmentRequest) -> resolver.Wishes:
    """What the container wants of its resolv.conf."""
    return resolver.Wishes(servers=request.dns, search=request.dns_search, options=request.dns_options)


def full_hostname(request: AttachmentRequest) -> str:
    """The host name with its domain, as /etc/hosts has it."""
    return f"{request.hostname}.{request.domainname}" if request.domainname else request.hostname


def _hosts(parts: Parts, request: AttachmentRequest, members: tuple[Member, ...]) -> str:
    """With the addresses of each network; ``host-gateway`` is the host's on the first bridge."""
    addresses = [
        address for member in members for address in (member.endpoint.address, member.endpoint.address6)
    ]
    gateways: tuple[str, ...] = ()
    networks = [member.network for member in members if member.network.driver == "bridge"]
    if not networks and (default := parts.records.find("bridge")) is not None:
        networks = [default]  # the gateway of a macvlan is not this host
    for network in networks:
        gateways = gateways or tuple(filter(None, (network.gateway, network.gateway6)))
    return resolver.hosts_text(full_hostname(request), addresses, request.extra_hosts, gateways)

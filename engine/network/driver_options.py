"""Owns what a network's driver options mean (``--opt``); refuses those of a known name and an unknown value.

An option that no driver knows is kept in the network's record and shown, as Docker does. Source: Docker's
documentation of its bridge, macvlan and ipvlan drivers; the texts of refusals are its own.
"""

from __future__ import annotations

import re
import socket

import msgspec

from engine.errors import InvalidInput

_BRIDGE = "com.docker.network.bridge."
MTU = "com.docker.network.driver.mtu"
INTERFACE_PREFIX = "com.docker.network.container_iface_prefix"
BRIDGE_NAME = _BRIDGE + "name"
_GATEWAY_MODES = ("nat", "nat-unprotected", "routed", "isolated")
_MODES = {"macvlan": ("bridge", "private", "vepa", "passthru"), "ipvlan": ("l2", "l3", "l3s")}
_IPVLAN_FLAGS = ("bridge", "private", "vepa")
_TRUE, _FALSE = ("1", "t", "T", "TRUE", "true", "True"), ("0", "f", "F", "FALSE", "false", "False")
_INTERFACE = r"[^\s/:\x00-\x1f]{1,15}"
_LEAST_MTU, _MOST_MTU = 68, 65535


class BridgeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Of a bridge network."""

    name: str = ""
    """The interface's; "": after the network's id."""
    icc: bool = True
    """Containers of the network reach each other."""
    masquerade: bool = True
    host_binding: str = ""
    """Where ports are published that name no address."""
    gateway_mode: str = "nat"
    gateway_mode6: str = "nat"
    """nat, nat-unprotected (others may route to the containers), routed (no NAT), isolated (no gateway)."""
    inhibit_ipv4: bool = False
    """The bridge gets no IPv4 address: the gateway is somebody else."""
    trusted: tuple[str, ...] = ()
    """Interfaces of the host from which others may route to the containers."""
    source: str = ""
    source6: str = ""
    """What containers' addresses become instead of the outgoing interface's."""
    mtu: int = 0
    """0: the uplink's."""
    interface_prefix: str = "eth"


class SubinterfaceOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Of a macvlan or an ipvlan; ``parent`` "" is none: containers reach only each other."""

    parent: str = ""
    mode: str
    flag: str = ""
    mtu: int = 0
    """0: the parent's."""
    interface_prefix: str = "eth"


def bridge_options(options: dict[str, str], *, internal: bool = False) -> BridgeOptions:
    """The meaning of ``options``; InvalidInput if a known one has a value that it cannot have."""
    if not options:  # nearly always, and on the way of a container's start
        return BridgeOptions()
    if _boolean(options, _BRIDGE + "default_bridge", default=False):
        raise InvalidInput("", "the default bridge network cannot be made", remedy="it is there: bridge")
    return BridgeOptions(
        name=_interface(options, BRIDGE_NAME),
        icc=_boolean(options, _BRIDGE + "enable_icc", default=True),
        masquerade=_boolean(options, _BRIDGE + "enable_ip_masquerade", default=True),
        host_binding=_address(options, _BRIDGE + "host_binding_ipv4", socket.AF_INET),
        gateway_mode=_gateway_mode(options, _BRIDGE + "gateway_mode_ipv4", internal=internal),
        gateway_mode6=_gateway_mode(options, _BRIDGE + "gateway_mode_ipv6", internal=internal),
        inhibit_ipv4=_boolean(options, _BRIDGE + "inhibit_ipv4", default=False),
        trusted=tuple(filter(None, options.get(_BRIDGE + "trusted_host_interfaces", "").split(":"))),
        source=_address(options, "com.docker.network.host_ipv4", socket.AF_INET),
        source6=_address(options, "com.docker.network.host_ipv6", socket.AF_INET6),
        mtu=_mtu(options),
        interface_prefix=_interface_prefix(options),
    )


def subinterface_options(driver: str, options: dict[str, str]) -> SubinterfaceOptions:
    """As ``bridge_options``, of a ``driver`` macvlan or ipvlan."""
    modes = _MODES[driver]
    mode = options.get(f"{driver}_mode") or modes[0]
    if mode not in modes:
        raise InvalidInput(
            "",
            f"requested {driver} mode '{mode}' is not valid,"
            f" '{modes[0]}' mode is the {driver} driver default",
            remedy=f"modes are {', '.join(modes)}",
        )
    flag = options.get("ipvlan_flag") or "bridge" if driver == "ipvlan" else ""
    if flag and flag not in _IPVLAN_FLAGS:
        raise InvalidInput(
            "",
            f"requested ipvlan flag '{flag}' is not valid, 'bridge' is the ipvlan driver default flag",
            remedy=f"flags are {', '.join(_IPVLAN_FLAGS)}",
        )
    return SubinterfaceOptions(
        parent=_interface(options, "parent"),
        mode=mode,
        flag=flag,
        mtu=_mtu(options),
        interface_prefix=_interface_prefix(options),
    )


def _boolean(options: dict[str, str], key: str, *, default: bool) -> bool:
    text = options.get(key)
    if text is None:
        return default
    if text not in {*_TRUE, *_FALSE}:
        raise _unparsed(key, text, f'strconv.ParseBool: parsing "{text}": invalid syntax')
    return text in _TRUE


def _address(options: dict[str, str], key: str, family: socket.AddressFamily) -> str:
    text = options.get(key, "")
    if not text:
        return ""
    try:
        return socket.inet_ntop(family, socket.inet_pton(family, text))
    except OSError as error:
        raise _unparsed(key, text, "nil ip") from error


def _gateway_mode(options: dict[str, str], key: str, *, internal: bool) -> str:
    mode = options.get(key) or _GATEWAY_MODES[0]
    if mode not in _GATEWAY_MODES:
        raise InvalidInput(
            key, f"unknown gateway mode {mode}", remedy=f"modes are {', '.join(_GATEWAY_MODES)}"
        )
    if mode == "isolated" and not internal:
        reason = "gateway mode 'isolated' can only be used for an internal network"
        raise InvalidInput(key, reason, remedy="give --internal as well")
    return mode


def _mtu(options: dict[str, str]) -> int:
    text = options.get(MTU)
    if text is None:
        return 0
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise _unparsed(MTU, text, f'strconv.Atoi: parsing "{text}": invalid syntax')
    if int(text) and not _LEAST_MTU <= int(text) <= _MOST_MTU:
        raise InvalidInput("", f"invalid MTU number: {text}", remedy=f"use {_LEAST_MTU} to {_MOST_MTU}")
    return int(text)


def _interface_prefix(options: dict[str, str]) -> str:
    prefix = options.get(INTERFACE_PREFIX) or "eth"
    if not re.fullmatch(r"[^\s/:%\x00-\x1f]{1,12}", prefix):  # three digits follow
        raise _unparsed(INTERFACE_PREFIX, prefix, "no prefix of an interface's name")
    return prefix


def _interface(options: dict[str, str], key: str) -> str:
    name = options.get(key, "")
    if name and (not re.fullmatch(_INTERFACE, name) or name in {".", ".."}):
        raise _unparsed(key, name, "no name of an interface: 15 characters at most, without / and :")
    return name


def _unparsed(key: str, text: str, reason: str) -> InvalidInput:
    return InvalidInput("", f"failed to parse {key} value: {text} ({reason})")

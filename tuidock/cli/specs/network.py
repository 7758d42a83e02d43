"""Owns ``--add-host`` and ``--dns``: what users write, checked; refuses to resolve anything.

Source: docker/cli opts/hosts.go (ValidateExtraHost) and opts/opts.go (ValidateIPAddress).
"""

from __future__ import annotations


def extra_host(value: str) -> str:
    """``NAME:IP`` from ``NAME:IP`` or ``NAME=IP``; the address may be host-gateway."""
    separator = "=" if "=" in value else ":"
    name, found, address = value.partition(separator)
    if not found or not name:
        raise ValueError(f'bad format for add-host: "{value}"')
    if address != "host-gateway":
        try:
            address = _ip(address.removeprefix("[").removesuffix("]"))
        except ValueError:
            raise ValueError(f'invalid IP address in add-host: "{address}"') from None
    return f"{name}:{address}"


def name_server(value: str) -> str:
    """``value`` itself; ValueError if it is not an address."""
    try:
        return _ip(value.strip())
    except ValueError:
        raise ValueError(f"IP address is not correctly formatted: {value}") from None


def _ip(text: str) -> str:
    from ipaddress import ip_address

    return str(ip_address(text))

"""Owns what users write of a container's networks and names, checked; refuses to resolve anything.

Source: docker/cli opts/network.go (``--network``), opts/hosts.go (ValidateExtraHost), opts/opts.go
(ValidateIPAddress, ValidateLink, ValidateDNSSearch, ValidateMACAddress) and opts/parse.go.
"""

from __future__ import annotations

from engine.options import EndpointOptions
from tuidock.cli.specs import scalars

_ADVANCED = r"\w+=\w+"
"""What makes of a network's name the advanced syntax; anywhere in it, as Docker looks for it."""
_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = rf"({_LABEL}(?:\.{_LABEL})*)\.?\s*"
_LONGEST_DOMAIN = 254
_MAC = r"[0-9a-fA-F]{2}([:-])[0-9a-fA-F]{2}(?:\1[0-9a-fA-F]{2}){4}|[0-9a-fA-F]{4}(?:\.[0-9a-fA-F]{4}){2}"
_MAC_DIGITS = 12
_MOST_LINK_PARTS = 2
_FIELDS = {
    "name": "network",
    "alias": "aliases",
    "ip": "address",
    "ip6": "address6",
    "mac-address": "mac_address",
    "link-local-ip": "link_local",
    "driver-opt": "driver_options",
    "gw-priority": "gateway_priority",
}
_SEVERAL = frozenset({"aliases", "link_local"})


def attachment(value: str) -> EndpointOptions:
    """One ``--network``: a name, or ``name=NAME,alias=…,ip=…,…``; ValueError with Docker's reason."""
    import re

    if not re.search(_ADVANCED, value):
        return EndpointOptions(network=value)
    wishes: dict[str, object] = {}
    for field in split_csv(value):
        key, equals, text = field.partition("=")
        if not equals or not key:
            raise ValueError(f"invalid field {field}")
        _take(wishes, key.strip().lower(), text.strip())
    if not wishes.get("network"):
        raise ValueError("network name/id is not specified")
    return EndpointOptions(**wishes)  # type: ignore[arg-type]


def _take(wishes: dict[str, object], key: str, value: str) -> None:
    field = _FIELDS.get(key)
    if field is None:
        raise ValueError(f"invalid field key {key}")
    if field in _SEVERAL:
        known = wishes.get(field, ())
        wishes[field] = (*known, value)  # type: ignore[misc]
    elif field == "driver_options":
        known = wishes.get(field, {})
        wishes[field] = {**known, **driver_option(value)}  # type: ignore[dict-item]
    elif field == "gateway_priority":
        wishes[field] = _priority(value)
    else:
        wishes[field] = value


def driver_option(value: str) -> dict[str, str]:
    """``KEY=VALUE`` of a network's driver for one container."""
    key, equals, text = value.partition("=")
    if not equals or not key:
        raise ValueError("invalid key value pair format in driver options")
    return {key.strip(): text.strip()}


def split_csv(text: str) -> tuple[str, ...]:
    """The fields of one CSV record; a field in double quotes may hold commas."""
    if '"' not in text:
        return tuple(text.split(","))
    import csv

    return tuple(next(csv.reader([text])))


def mac_address(value: str) -> str:
    """Of six bytes, in any of Go's three notations, as ``02:42:ac:11:00:02``; "" stays."""
    import re

    if not value:
        return ""
    if not re.fullmatch(_MAC, value.strip()):
        raise ValueError(f"{value} is not a valid mac address")
    digits = re.sub(r"[:.-]", "", value.strip()).lower()
    return ":".join(digits[at : at + 2] for at in range(0, _MAC_DIGITS, 2))


def link(value: str) -> str:
    """``CONTAINER[:ALIAS]`` itself."""
    if not value:
        raise ValueError("empty string specified for links")
    if len(value.split(":")) > _MOST_LINK_PARTS:
        raise ValueError(f"bad format for links: {value}")
    return value


def search_domain(value: str) -> str:
    """A domain without its last dot; ``.`` stands for none at all."""
    import re

    domain = value.strip(" ")
    if domain == ".":
        return domain
    match = re.fullmatch(_DOMAIN, domain)
    if match is None or len(match[1]) > _LONGEST_DOMAIN or not re.search("[a-zA-Z]", domain):
        raise ValueError(f"{domain} is not a valid domain")
    return match[1]


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


def _priority(text: str) -> int:
    try:
        return scalars.integer(text)
    except ValueError as error:
        raise ValueError(f"invalid gw-priority ({text}): {str(error).rpartition(': ')[2]}") from None


def _ip(text: str) -> str:
    from ipaddress import ip_address

    return str(ip_address(text))

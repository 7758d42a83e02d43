"""Owns ``-p`` and ``--expose``: what users write as values; refuses to look whether a port is free.

Source: docker/go-connections nat/nat.go (ParsePortSpec) and nat/parse.go (ParsePortRange).
"""

from __future__ import annotations

from engine.options import PortSpec

_PROTOCOLS = frozenset({"tcp", "udp", "sctp"})
_LAST_PORT = 65535
_HOST_AND_CONTAINER = 2


def published(spec: str) -> tuple[PortSpec, ...]:
    """The ports of one ``[[IP:]HOST:]CONTAINER[/PROTO]``; ranges give several. ValueError as Docker's.

    As Docker also takes ``target=CONTAINER,published=HOST,protocol=PROTO``. A range of host ports for one
    container port gives one, of which the engine chooses the first that is free.
    """
    spec = _standard(spec) if "=" in spec else spec
    host_ip, host, container = _split(spec)
    container, protocol = _protocol(container)
    host_ip = _address(host_ip)
    if not container:
        raise ValueError(f"no port specified: {spec}<empty>")
    first, last = _range(container, "containerPort")
    if not host:
        return tuple(_spec(port, 0, host_ip, protocol) for port in range(first, last + 1))
    host_first, host_last = _range(host, "hostPort")
    if last - first != host_last - host_first:
        if first != last:
            raise ValueError(f"invalid ranges specified for container and host Ports: {container} and {host}")
        return (_spec(first, host_first, host_ip, protocol, host_last),)
    return tuple(
        _spec(first + offset, host_first + offset, host_ip, protocol) for offset in range(last - first + 1)
    )


def exposed(spec: str) -> tuple[str, ...]:
    """``--expose``: a port or a range, each as ``80/tcp``."""
    if ":" in spec:
        raise ValueError(f"invalid port format for --expose: {spec}")
    port, protocol = _protocol(spec)
    try:
        first, last = parse_range(port)
    except ValueError as error:
        raise ValueError(f"invalid range format for --expose: {spec}, error: {error}") from None
    return tuple(f"{number}/{protocol}" for number in range(first, last + 1))


def parse_range(text: str) -> tuple[int, int]:
    """First and last port of ``80`` or ``80-90``; ValueError with Go's reason."""
    if not text:
        raise ValueError("empty string specified for ports")
    low, *high = text.split("-")  # as Docker: what follows a third is not looked at
    first = port_number(low)
    last = port_number(high[0]) if high else first
    if last < first:
        raise ValueError(f"invalid range specified for port: {text}")
    return first, last


def port_number(text: str) -> int:
    """A number of 16 bits; ValueError with Go's reason."""
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f'strconv.ParseUint: parsing "{text}": invalid syntax')
    if int(text) > _LAST_PORT:
        raise ValueError(f'strconv.ParseUint: parsing "{text}": value out of range')
    return int(text)


def _spec(
    container_port: int, host_port: int, host_ip: str, protocol: str, host_port_end: int = 0
) -> PortSpec:
    return PortSpec(
        container_port=container_port,
        host_port=host_port,
        host_port_end=host_port_end,
        host_ip=host_ip,
        protocol=protocol,
    )


def _standard(spec: str) -> str:
    fields = {"published": "", "target": "", "protocol": "tcp"}
    for field in spec.split(","):
        key, equals, value = field.partition("=")
        if not (key and equals):
            raise ValueError(f"invalid publish opts format (should be name=value but got '{field}')")
        fields[key] = value
    return f"{fields['published']}:{fields['target']}/{fields['protocol']}"


def _split(spec: str) -> tuple[str, str, str]:
    parts = spec.split(":")
    if len(parts) == 1:
        return "", "", parts[0]
    if len(parts) == _HOST_AND_CONTAINER:
        return "", parts[0], parts[1]
    return ":".join(parts[:-2]), parts[-2], parts[-1]


def _protocol(port: str) -> tuple[str, str]:
    number, *protocol = port.split("/")
    lowered = protocol[0].lower() if protocol and protocol[0] else "tcp"
    if number and lowered not in _PROTOCOLS:
        raise ValueError(f"invalid proto: {protocol[0]}")
    return number, lowered


def _address(text: str) -> str:
    if text.startswith("["):
        bare, bracket, rest = text[1:].partition("]")
        if not bracket or rest:
            raise ValueError(f"invalid IP address {text}: address {text}:: missing ']' in address")
        text = bare
    if not text:
        return ""
    from ipaddress import ip_address

    try:
        address = ip_address(text)
    except ValueError:
        address = None
    if address is None or "%" in text:
        raise ValueError(f"invalid IP address: {text}")
    return str(address)


def _range(text: str, what: str) -> tuple[int, int]:
    try:
        return parse_range(text)
    except ValueError:
        raise ValueError(f"invalid {what}: {text}") from None

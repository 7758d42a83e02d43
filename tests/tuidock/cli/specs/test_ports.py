import pytest

from engine.options import PortSpec
from tuidock.cli.specs import ports


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("80", PortSpec(container_port=80)),
        ("8080:80", PortSpec(container_port=80, host_port=8080)),
        ("8080:80/udp", PortSpec(container_port=80, host_port=8080, protocol="udp")),
        ("127.0.0.1:8080:80", PortSpec(container_port=80, host_port=8080, host_ip="127.0.0.1")),
        ("127.0.0.1::80", PortSpec(container_port=80, host_ip="127.0.0.1")),
        ("[::1]:8080:80", PortSpec(container_port=80, host_port=8080, host_ip="::1")),
        ("80/TCP", PortSpec(container_port=80)),
        ("80/", PortSpec(container_port=80)),
        ("80/tcp/udp", PortSpec(container_port=80)),
        ("8080:80/sctp", PortSpec(container_port=80, host_port=8080, protocol="sctp")),
        ("[2001:db8::1]::80", PortSpec(container_port=80, host_ip="2001:db8::1")),
        ("::1:8080:80", PortSpec(container_port=80, host_port=8080, host_ip="::1")),
        ("[]:8080:80", PortSpec(container_port=80, host_port=8080)),
        ("8000-8010:80", PortSpec(container_port=80, host_port=8000, host_port_end=8010)),
        (
            "127.0.0.1:8000-8010:80/udp",
            PortSpec(
                container_port=80, host_port=8000, host_port_end=8010, host_ip="127.0.0.1", protocol="udp"
            ),
        ),
        ("target=80", PortSpec(container_port=80)),
        (
            "target=80,published=8080,protocol=udp,mode=ingress",
            PortSpec(container_port=80, host_port=8080, protocol="udp"),
        ),
    ],
)
def test_one_port(spec, expected):
    assert ports.published(spec) == (expected,)


def test_a_range_gives_one_port_each():
    found = ports.published("8000-8002:80-82")
    assert [(port.host_port, port.container_port) for port in found] == [(8000, 80), (8001, 81), (8002, 82)]


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("abc", "invalid containerPort: abc"),
        ("99999:80", "invalid hostPort: 99999"),
        ("1.2.3:80:80", "invalid IP address: 1.2.3"),
        ("80:80/foo", "invalid proto: foo"),
        ("localhost:80:80", "invalid IP address: localhost"),
        ("127.0.0.1:80", "invalid hostPort: 127.0.0.1"),
        ("::8080:80", "invalid IP address: :"),
        ("[fe80::1%eth0]:80:80", "invalid IP address: fe80::1%eth0"),
        ("[::1:80:80", "invalid IP address [::1: address [::1:: missing ']' in address"),
        ("/tcp", "no port specified: /tcp<empty>"),
        ("", "no port specified: <empty>"),
        ("80--90", "invalid containerPort: 80--90"),
        ("-1", "invalid containerPort: -1"),
        ("target=80,udp", "invalid publish opts format (should be name=value but got 'udp')"),
        ("published=80", "no port specified: 80:/tcp<empty>"),
        ("80:", "no port specified: 80:<empty>"),
        ("80-81:90-95", "invalid ranges specified for container and host Ports: 90-95 and 80-81"),
        ("90-80:80", "invalid hostPort: 90-80"),
    ],
)
def test_a_wrong_port_is_refused_in_dockers_words(spec, reason):
    with pytest.raises(ValueError) as caught:
        ports.published(spec)
    assert str(caught.value) == reason


def test_exposed_ports_may_be_a_range():
    assert ports.exposed("80-82/udp") == ("80/udp", "81/udp", "82/udp")


def test_a_wrong_exposed_port_is_refused_in_dockers_words():
    with pytest.raises(ValueError) as caught:
        ports.exposed("abc")
    assert str(caught.value) == (
        'invalid range format for --expose: abc, error: strconv.ParseUint: parsing "abc": invalid syntax'
    )

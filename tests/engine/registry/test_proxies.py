"""Which proxy the environment says, as Go's and curl's programs read it."""

from __future__ import annotations

import pytest

from engine.errors import InvalidInput
from engine.registry.proxies import Proxy, proxy_of

PROXY = Proxy("proxy.example", 3128)


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://proxy.example:3128"}, PROXY),
        ({"https_proxy": "proxy.example:3128"}, PROXY),
        ({"https_proxy": "proxy.example:3128", "HTTPS_PROXY": "other:1"}, PROXY),
        ({"ALL_PROXY": "http://proxy.example:3128/"}, PROXY),
        ({"HTTP_PROXY": "http://proxy.example:3128"}, None),
        ({"HTTPS_PROXY": "http://proxy.example"}, Proxy("proxy.example", 80)),
        (
            {"HTTPS_PROXY": "http://a%40b:c@proxy.example:3128"},
            Proxy("proxy.example", 3128, "Basic YUBiOmM="),
        ),
    ],
)
def test_the_environment_names_the_proxy(environ, found):
    assert proxy_of(environ, "https", "lab.example", 443) == found


@pytest.mark.parametrize(
    ("without", "direct"),
    [
        ("*", True),
        ("lab.example", True),
        ("example", True),
        (".example", True),
        ("*.example", True),
        ("lab.example:5000", True),
        ("lab.example:443", False),
        ("b.example", False),
        ("one, lab.example ,two", True),
        ("", False),
    ],
)
def test_names_that_need_none(without, direct):
    environ = {"HTTPS_PROXY": "http://proxy.example:3128", "NO_PROXY": without}
    assert (proxy_of(environ, "https", "lab.example", 5000) is None) == direct


@pytest.mark.parametrize(
    ("host", "without", "direct"),
    [
        ("localhost", "", True),
        ("127.9.9.9", "", True),
        ("::1", "", True),
        ("192.0.2.7", "192.0.2.0/24", True),
        ("192.0.2.7", "192.0.2.7:5000", True),
        ("192.0.2.7", "192.0.3.0/24", False),
        ("2001:db8::7", "[2001:db8::7]:5000", True),
        ("2001:db8::7", "2001:db8::/32", True),
    ],
)
def test_addresses_that_need_none(host, without, direct):
    environ = {"HTTPS_PROXY": "http://proxy.example:3128", "NO_PROXY": without}
    assert (proxy_of(environ, "https", host, 5000) is None) == direct


@pytest.mark.parametrize(
    "address", ["https://me:Hush@proxy", "socks5://me:Hush@proxy", "http://me:Hush@:1", "http://me:Hush@a:b"]
)
def test_what_is_no_proxy_is_refused_without_its_password(address):
    with pytest.raises(InvalidInput, match="https_proxy") as caught:
        proxy_of({"HTTPS_PROXY": address}, "https", "lab.example", 443)
    assert "Hush" not in str(caught.value)


def test_no_representation_shows_a_secret():
    found = proxy_of({"HTTPS_PROXY": "http://me:Hush@proxy"}, "https", "lab.example", 443)
    assert found is not None
    assert found.authorization not in repr(found)

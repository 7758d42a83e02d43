import pytest

from tuidock.cli.specs import network


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("db:10.0.0.1", "db:10.0.0.1"),
        ("db=10.0.0.1", "db:10.0.0.1"),
        ("host:host-gateway", "host:host-gateway"),
        ("six:::1", "six:::1"),
        ("six=[::1]", "six:::1"),
    ],
)
def test_extra_hosts(text, expected):
    assert network.extra_host(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [("foo", 'bad format for add-host: "foo"'), ("a:b", 'invalid IP address in add-host: "b"')],
)
def test_a_wrong_extra_host_is_refused_in_dockers_words(text, reason):
    with pytest.raises(ValueError) as caught:
        network.extra_host(text)
    assert str(caught.value) == reason


def test_a_wrong_name_server_is_refused_in_dockers_words():
    with pytest.raises(ValueError, match="IP address is not correctly formatted: foo"):
        network.name_server("foo")

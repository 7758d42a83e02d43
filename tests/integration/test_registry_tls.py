"""Registries over TLS by private authorities, and through proxies: who is trusted, who is known, which way it goes."""

from __future__ import annotations

import ssl

import pytest

from engine.errors import InvalidInput, RegistryError
from engine.options import PullOptions
from tests.support.registry import Registry
from tests.support.tars import member
from tests.support.tls import Authority
from tests.support.tunnels import Proxy

pytestmark = pytest.mark.root

ADDRESS = "127.0.0.1"


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls") / "authority")


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("DOCKER_CONFIG", "XDG_CONFIG_HOME", "http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def serve(authority, home):
    """Start a registry over TLS; ``asking`` for a certificate of who comes."""
    started = []

    def start(*, asking=False, address=ADDRESS):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.sign("server", address=address))
        if asking:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(authority.certificate)
        made = Registry(context).__enter__()
        started.append(made)
        made.put_image("team/app", "1", (member("one", b"1"),))
        return made

    yield start
    for one in started:
        one.__exit__()


def trust(home, authority, host):
    """The folder of certificates of ``host``, with the authority in it."""
    folder = home / ".config" / "containers" / "certs.d" / host
    folder.mkdir(parents=True)
    (folder / "ca.crt").write_bytes(authority.certificate.read_bytes())
    return folder


def settle(home, host, setting):
    folder = home / ".config" / "tuidock"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "registries.toml").write_text(f'[registry."{host}"]\n{setting}\n')


async def pull(engine, host):
    return await engine.images.pull(PullOptions(reference=f"{host}/team/app:1"), lambda _fact: None)


async def test_a_registry_on_this_machine_needs_no_certificate_that_is_known(engine, serve):
    assert await pull(engine, serve().host)


async def test_a_client_shows_its_certificate(engine, serve, home, authority):
    registry = serve(asking=True)
    folder = trust(home, authority, registry.host)
    certificate, key = authority.sign("client")
    (folder / "client.cert").write_bytes(certificate.read_bytes())
    (folder / "client.key").write_bytes(key.read_bytes())
    assert await pull(engine, registry.host)


async def test_a_certificate_without_its_key_is_named(engine, serve, home, authority):
    registry = serve()
    folder = trust(home, authority, registry.host)
    (folder / "client.cert").write_text("none")
    with pytest.raises(InvalidInput, match=r"client\.cert") as caught:
        await pull(engine, registry.host)
    assert "NAME.key beside it" in caught.value.remedy


async def test_a_tunnel_leads_to_a_registry_whose_certificate_is_checked(
    engine, serve, home, authority, monkeypatch
):
    port = serve(address="192.0.2.9").host.rpartition(":")[2]
    host = f"192.0.2.9:{port}"
    with Proxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:Hush-Hush@{proxy.host}")
        with pytest.raises(RegistryError, match="certificate") as caught:
            await pull(engine, host)
        assert caught.value.remedy.endswith(f"/etc/docker/certs.d/{host}/ca.crt")
        trust(home, authority, host)
        assert await pull(engine, host)
    assert set(proxy.asked) == {("CONNECT", host, "Basic bWU6SHVzaC1IdXNo")}


async def test_a_wrong_certificate_is_taken_where_that_is_configured(engine, serve, home, monkeypatch):
    port = serve(address="192.0.2.9").host.rpartition(":")[2]
    host = f"wrong.invalid:{port}"
    settle(home, host, "insecure = true")
    with Proxy() as proxy:
        monkeypatch.setenv("https_proxy", proxy.host)
        assert await pull(engine, host)


async def test_plain_http_goes_through_its_proxy_where_it_is_allowed(engine, home, monkeypatch):
    with Registry() as registry, Proxy() as proxy:
        registry.put_image("team/app", "1", (member("one", b"1"),))
        host = f"plain.invalid:{registry.host.rpartition(':')[2]}"
        settle(home, "far.invalid", f'mirrors = ["http://{host}"]')
        monkeypatch.setenv("http_proxy", proxy.host)
        assert await pull(engine, "far.invalid")
    assert proxy.asked[0][:2] == ("GET", f"http://{host}/v2/")


async def test_a_proxy_is_passed_by_where_no_proxy_says(engine, home, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", ".invalid")
    with pytest.raises(RegistryError, match=r"cannot reach far\.invalid: "):
        await pull(engine, "far.invalid")


async def test_a_proxy_that_is_not_there_is_named_without_its_password(engine, home, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://me:Hush-Hush@127.0.0.1:1")
    with pytest.raises(RegistryError, match=r"through the proxy 127\.0\.0\.1:1: ") as caught:
        await pull(engine, "far.invalid")
    assert "Hush" not in f"{caught.value} {caught.value.__cause__!r}"


async def test_a_proxy_that_is_not_spoken_to_by_http_is_refused(engine, home, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "socks5://me:Hush-Hush@127.0.0.1:1")
    with pytest.raises(InvalidInput, match="https_proxy") as caught:
        await pull(engine, "far.invalid")
    assert "Hush" not in str(caught.value)

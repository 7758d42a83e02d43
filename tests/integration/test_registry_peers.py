"""Images go between tuidock and skopeo, podman and docker by a registry, and run on the other side."""

from __future__ import annotations

import contextlib
import hashlib
import json

import pytest

from engine.options import LoginOptions, PullOptions, PushOptions, RemoveImageOptions
from tests.support.containers import run as run_container
from tests.support.containers import sh
from tests.support.docker_registry import DockerRegistry
from tests.support.peers import Docker, Podman, require, run
from tests.support.tls import Authority
from tests.support.token_server import TokenServer

pytestmark = pytest.mark.root


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("DOCKER_CONFIG", "XDG_CONFIG_HOME", "REGISTRY_AUTH_FILE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def host(tmp_path):
    with DockerRegistry(tmp_path / "registry") as registry:
        yield registry.host


async def push(engine, name, **options):
    (pushed,) = await engine.images.push(PushOptions(reference=name, **options), lambda _fact: None)
    return pushed.digest


async def pull(engine, name):
    (pulled,) = await engine.images.pull(PullOptions(reference=name), lambda _fact: None)
    return pulled


async def said(engine, image, script):
    code, out, error = await run_container(engine, sh(script, image=image))
    assert (code, error) == (0, b"")
    return out.decode().strip()


async def forget(engine, *names):
    for name in names:
        await engine.images.remove(name, RemoveImageOptions(force=True))


async def test_docker_and_tuidock_run_what_the_other_pushed(engine, busybox_image, host, short_folder):
    ours, theirs = f"{host}/box:ours", f"{host}/box:theirs"
    await engine.images.tag("busybox", ours)
    digest = await push(engine, ours)
    with Docker(short_folder, host) as docker:
        docker("pull", ours)
        assert docker("run", "--rm", "--network=none", ours, "echo", "hello") == "hello"
        assert docker("inspect", "--format={{index .RepoDigests 0}}", ours) == f"{host}/box@{digest}"
        docker("run", "--network=none", "--name=changed", ours, "sh", "-c", "echo changed >/new")
        docker("commit", "changed", theirs)
        docker("push", theirs)
        shown = docker("inspect", "--format={{index .RepoDigests 0}}", theirs)
    pulled = await pull(engine, theirs)
    assert shown.endswith(pulled.digest)
    assert await said(engine, theirs, "cat /new") == "changed"
    await engine.images.tag(theirs, f"{host}/again:1")
    assert await push(engine, f"{host}/again:1") == pulled.digest


async def test_podman_and_tuidock_run_what_the_other_pushed(
    engine, busybox_image, host, tmp_path, short_folder
):
    podman = Podman(short_folder)
    ours, theirs = f"{host}/box:ours", f"{host}/box:theirs"
    await engine.images.tag("busybox", ours)
    digest = await push(engine, ours, compression="zstd")
    podman("pull", "--tls-verify=false", ours)
    assert podman("run", "--rm", "--network=none", ours, "echo", "hello") == "hello"
    assert podman("inspect", "--format={{.Digest}}", ours) == digest
    podman("run", "--network=none", "--name=changed", ours, "sh", "-c", "echo changed >/new")
    podman("commit", "-q", "changed", theirs)
    podman("push", "--tls-verify=false", f"--digestfile={tmp_path}/digest", theirs)
    pulled = await pull(engine, theirs)
    assert pulled.digest == (tmp_path / "digest").read_text()
    assert await said(engine, theirs, "cat /new") == "changed"


@pytest.mark.parametrize("way", ["token", "tls"])
async def test_skopeo_copies_what_we_push_and_we_pull_what_it_copies(
    engine, busybox_image, tmp_path, home, way
):
    require("skopeo")
    authority = Authority(tmp_path / "authority")
    certificate, key = authority.sign("registry", address="127.0.0.1")
    with contextlib.ExitStack() as stack:
        auth, tls, secret = "", "", "--tls-verify=false"
        if way == "token":
            bundle, signing = authority.certificate, tmp_path / "authority" / "ca.key"
            auth = stack.enter_context(TokenServer(bundle, signing, "me:Hush-Hush")).auth
        else:
            tls = f", tls: {{certificate: {certificate}, key: {key}}}"
        host = stack.enter_context(DockerRegistry(tmp_path / "registry", auth=auth, tls=tls)).host
        if way == "tls":
            (tmp_path / "certs").mkdir()
            (tmp_path / "certs" / "ca.crt").write_bytes(authority.certificate.read_bytes())
            secret = f"--cert-dir={tmp_path}/certs"
        else:
            login = LoginOptions(server=host, username="me", password="Hush-Hush")
            await engine.registries.login(login)
        ours, theirs = f"{host}/team/box:ours", f"{host}/other/box:theirs"
        await engine.images.tag("busybox", ours)
        digest = await push(engine, ours)
        direction = secret.replace("--", "--src-"), secret.replace("--", "--dest-")
        run("skopeo", "copy", "--all", *direction, f"docker://{ours}", f"docker://{theirs}")
        await forget(engine, ours, "busybox")
        pulled = await pull(engine, theirs)
        assert (pulled.digest, pulled.image_id) == (digest, busybox_image.id)
        assert await said(engine, theirs, "echo hello") == "hello"
        await engine.images.tag(theirs, f"{host}/third/box:1")
        assert await push(engine, f"{host}/third/box:1") == digest


async def test_an_index_that_skopeo_pushed_comes_by_platform(engine, busybox_image, host, tmp_path):
    require("skopeo")
    one = f"{host}/box:one"
    await engine.images.tag("busybox", one)
    digest = await push(engine, one)
    layout = tmp_path / "layout"
    run("skopeo", "copy", "--src-tls-verify=false", f"docker://{one}", f"oci:{layout}:one")
    described = json.loads((layout / "index.json").read_text())["manifests"][0]
    assert described["digest"] == digest
    entries = [
        {**described, "platform": {"os": "linux", "architecture": machine}} for machine in ("s390x", "arm64")
    ]
    kind = "application/vnd.oci.image.index.v1+json"
    content = json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": entries}).encode()
    name = hashlib.sha256(content).hexdigest()
    (layout / "blobs" / "sha256" / name).write_bytes(content)
    top = {"mediaType": kind, "digest": f"sha256:{name}", "size": len(content)}
    top["annotations"] = {"org.opencontainers.image.ref.name": "many"}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [top]}))
    many = f"{host}/box:many"
    run("skopeo", "copy", "--all", "--dest-tls-verify=false", f"oci:{layout}:many", f"docker://{many}")
    options = PullOptions(reference=many, platform="linux/arm64")
    (pulled,) = await engine.images.pull(options, lambda _fact: None)
    assert (pulled.digest, pulled.image_id) == (f"sha256:{name}", busybox_image.id)

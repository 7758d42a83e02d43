"""Images to Debian's docker-registry and back: with skopeo as the witness of what is there."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import time

import pytest

from engine.errors import NotFound, RegistryError
from engine.events import LayerProgress
from engine.options import (
    BuildOptions,
    LoginOptions,
    PullOptions,
    PushOptions,
    RemoveImageOptions,
)

pytestmark = pytest.mark.root


@pytest.fixture
def serve(tmp_path, monkeypatch):
    """Start a docker-registry on a port of its own; its host."""
    if shutil.which("docker-registry") is None:
        pytest.skip("NEEDS A REGISTRY: apt-get install docker-registry")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("DOCKER_CONFIG", raising=False)
    with contextlib.ExitStack() as stack:

        def start(auth="", name="registry"):
            with socket.create_server(("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
            config = tmp_path / f"{name}.yml"
            config.write_text(
                f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {tmp_path}/{name}}}}}\n"
                f"http: {{addr: '127.0.0.1:{port}'}}\nlog: {{level: error}}\n{auth}"
            )
            log = stack.enter_context((tmp_path / f"{name}.log").open("wb"))
            process = subprocess.Popen(["docker-registry", "serve", str(config)], stdout=log, stderr=log)
            stack.callback(process.wait, 10)
            stack.callback(process.terminate)
            until_open(port)
            return f"127.0.0.1:{port}"

        yield start


def until_open(port):
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the registry does not listen")


def witness(host, name, *options):
    """What skopeo says that the registry has."""
    command = ["skopeo", "inspect", *options, "--tls-verify=false", f"docker://{host}/{name}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout)


async def push(engine, name, **options):
    (pushed,) = await engine.images.push(PushOptions(reference=name, **options), lambda _fact: None)
    return pushed


async def pull(engine, name):
    (pulled,) = await engine.images.pull(PullOptions(reference=name), lambda _fact: None)
    return pulled


async def built(engine, tmp_path, name):
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "Dockerfile").write_text('FROM scratch\nCOPY a /a\nCOPY b /b\nCMD ["/a"]\n')
    for file in "ab":
        (folder / file).write_bytes(file.encode() * 100_000)
    options = BuildOptions(context=str(folder), tags=(name,))
    return await engine.builds.build(options, lambda _fact: None)


async def test_what_is_pushed_is_there(engine, busybox_image, serve):
    host = serve()
    await engine.images.tag("busybox", f"{host}/team/box:1")
    pushed = await push(engine, f"{host}/team/box:1")
    assert witness(host, "team/box:1")["Digest"] == pushed.digest


async def test_what_is_pushed_comes_back_as_the_same_image(engine, busybox_image, serve):
    host = serve()
    name = f"{host}/team/box:1"
    await engine.images.tag("busybox", name)
    await push(engine, name)
    for gone in (name, "busybox"):
        await engine.images.remove(gone, RemoveImageOptions(force=True))
    assert (await pull(engine, name)).image_id == busybox_image.id


async def test_the_same_image_pushed_twice_has_the_same_digest(engine, tmp_path, serve):
    one, two = serve(name="one"), serve(name="two")
    await built(engine, tmp_path, f"{one}/app")
    await engine.images.tag(f"{one}/app", f"{two}/app")
    assert (await push(engine, f"{one}/app")).digest == (await push(engine, f"{two}/app")).digest


async def test_a_pulled_image_keeps_its_digest_when_it_is_pushed_elsewhere(engine, busybox_image, serve):
    one, two = serve(name="one"), serve(name="two")
    await engine.images.tag("busybox", f"{one}/box")
    first = await push(engine, f"{one}/box", compression="zstd")
    for gone in (f"{one}/box", "busybox"):
        await engine.images.remove(gone, RemoveImageOptions(force=True))
    await pull(engine, f"{one}/box")
    await engine.images.tag(f"{one}/box", f"{two}/box")
    assert (await push(engine, f"{two}/box")).digest == first.digest


async def test_layers_are_compressed_as_asked(engine, tmp_path, serve):
    host = serve()
    await built(engine, tmp_path, f"{host}/app")
    await push(engine, f"{host}/app", compression="zstd")
    types = {layer["mediaType"] for layer in witness(host, "app", "--raw")["layers"]}
    assert types == {"application/vnd.oci.image.layer.v1.tar+zstd"}


async def test_a_push_is_a_job(engine, busybox_image, serve):
    name = f"{serve()}/team/box:1"
    await engine.images.tag("busybox", name)
    job = await engine.jobs.start("push", PushOptions(reference=name), f"push {name}")
    facts = [fact async for fact in engine.jobs.follow(job.id)]
    assert (await engine.jobs.result(job.id)).error == ""
    assert [fact.phase for fact in facts if isinstance(fact, LayerProgress)][-1] == "pushed"


async def test_all_tags_of_a_repository_go_together(engine, busybox_image, serve):
    host = serve()
    for tag in "12":
        await engine.images.tag("busybox", f"{host}/box:{tag}")
    options = PushOptions(reference=f"{host}/box", all_tags=True)
    assert len(await engine.images.push(options, lambda _fact: None)) == 2
    assert sorted(witness(host, "box:2")["RepoTags"]) == ["1", "2"]


async def test_an_image_that_is_not_here_is_named(engine):
    with pytest.raises(NotFound, match=r"An image does not exist locally with the tag: 127.0.0.1:1/box"):
        await push(engine, "127.0.0.1:1/box")


async def test_a_push_needs_a_login_where_the_registry_does(engine, busybox_image, serve, tmp_path):
    if shutil.which("htpasswd") is None:
        pytest.skip("NEEDS HTPASSWD: apt-get install apache2-utils")
    users = tmp_path / "users"
    subprocess.run(["htpasswd", "-Bbc", str(users), "me", "secret"], check=True, capture_output=True)
    host = serve(f"auth: {{htpasswd: {{realm: tests, path: {users}}}}}\n")
    name = f"{host}/box"
    await engine.images.tag("busybox", name)
    with pytest.raises(RegistryError, match="denied"):
        await push(engine, name)
    await engine.registries.login(LoginOptions(server=host, username="me", password="secret"))
    assert await push(engine, name)

"""What the verbs on registries print, as Docker does."""

from __future__ import annotations

import base64
import json

import pytest

from tests.support.registry import INDEX, Registry
from tests.support.tars import member

pytestmark = pytest.mark.root

ONE, TWO = (member("etc/one", b"1"),), (member("etc/two", b"2"),)


@pytest.fixture
def registry(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with Registry() as made:
        yield made


@pytest.fixture
def box(registry):
    registry.digest = registry.put_image("team/box", "latest", ONE)["digest"]
    return f"{registry.host}/team/box"


def test_a_pull_says_what_came(tuidock, registry, box):
    run = tuidock("pull", box)
    assert run.stdout.splitlines() == [
        "Using default tag: latest",
        f"Digest: {registry.digest}",
        f"Status: Downloaded newer image for {box}:latest",
        f"{box}:latest",
    ]
    assert run.stderr.splitlines()[0] == "latest: Pulling from team/box"


def test_a_second_pull_says_that_nothing_is_newer(tuidock, registry, box):
    tuidock.ok("pull", box)
    run = tuidock("pull", f"{box}:latest")
    assert f"Status: Image is up to date for {box}:latest" in run.stdout
    assert "Already exists" not in run.stderr


def test_layers_that_are_here_are_told(tuidock, registry, box):
    registry.put_image("team/box", "2", ONE, TWO)
    tuidock.ok("pull", box)
    said = [line.partition(": ")[2] for line in tuidock("pull", f"{box}:2").stderr.splitlines()]
    assert said[:2] == ["Pulling from team/box", "Already exists"]
    assert said.count("Pull complete") == 1


def test_a_quiet_pull_says_the_name_alone(tuidock, box):
    run = tuidock("pull", "-q", box)
    assert (run.stdout, run.stderr) == (f"{box}:latest\n", "")


def test_a_pull_of_all_tags_ends_with_the_repository(tuidock, registry, box):
    registry.put_image("team/box", "2", TWO)
    lines = tuidock.ok("pull", "-a", box).splitlines()
    assert lines[2:] == [f"Status: Downloaded newer image for {box}", box]


def test_a_repository_that_one_may_not_see_is_said_as_docker_says_it(tuidock, registry, box):
    registry.basic = "me:secret"
    run = tuidock("pull", box)
    reason = "repository does not exist or may require 'tuidock login'"
    assert run.returncode == 1
    assert run.stderr.splitlines()[1].startswith(f"tuidock: pull access denied for {box}, {reason}: ")


def test_an_image_by_its_digest_is_listed_run_and_removed_by_it(tuidock, registry, box):
    name = f"{box}@{registry.digest}"
    assert tuidock("pull", name).stderr.splitlines()[0] == f"{name}: Pulling from team/box"
    _header, *rows = tuidock.ok("images", "--digests", box).splitlines()
    assert [row.split()[:3] for row in rows] == [[box, "<none>", registry.digest]]
    assert tuidock.ok("create", name)
    assert tuidock.ok("rmi", "-f", name).splitlines()[0] == f"Untagged: {name}"


def test_a_manifest_is_shown_as_it_is(tuidock, registry, box):
    _, content = registry.manifests["team/box", "latest"]
    shown = tuidock.ok("manifest", "inspect", box)
    assert (json.loads(shown), shown.splitlines()[1]) == (json.loads(content), '\t"schemaVersion": 2,')


def test_a_manifest_comes_with_its_platform_where_that_is_asked(tuidock, registry, box):
    media_type, content = registry.manifests["team/box", "latest"]
    assert json.loads(tuidock.ok("manifest", "inspect", "-v", box)) == {
        "Ref": f"{box}:latest",
        "Descriptor": {
            "mediaType": media_type,
            "digest": registry.digest,
            "size": len(content),
            "platform": {"os": "linux", "architecture": "amd64"},
        },
        "Raw": base64.b64encode(content).decode(),
        "OCIManifest": json.loads(content),
    }


def test_each_manifest_of_an_index_is_shown(tuidock, registry, box):
    described = registry.put_image("team/box", "arm", TWO, architecture="arm64")
    entry = {**described, "platform": {"os": "linux", "architecture": "arm64"}}
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}
    registry.put_manifest("team/box", "all", INDEX, index)
    assert json.loads(tuidock.ok("manifest", "inspect", f"{box}:all")) == index
    (shown,) = json.loads(tuidock.ok("manifest", "inspect", "-v", f"{box}:all"))
    assert (shown["Ref"], shown["Descriptor"]) == (f"{box}:all@{described['digest']}", entry)


def test_a_manifest_that_is_not_there_is_named(tuidock, box):
    run = tuidock("manifest", "inspect", f"{box}:none")
    assert (run.returncode, run.stderr.splitlines()[0]) == (1, f"tuidock: no such manifest: {box}:none")


def test_an_image_is_inspected_where_it_is(tuidock, registry, box):
    (remote,) = json.loads(tuidock.ok("image", "inspect", "--remote", box))
    assert tuidock("image", "inspect", box).returncode == 1
    tuidock.ok("pull", box)
    (here,) = json.loads(tuidock.ok("image", "inspect", box))
    assert remote.pop("Manifest") == json.loads(registry.manifests["team/box", "latest"][1])
    assert remote.pop("Size") == sum(layer["size"] for layer in _layers(registry))
    assert remote == {key: here[key] for key in remote}


def _layers(registry):
    return json.loads(registry.manifests["team/box", "latest"][1])["layers"]


def test_a_platform_is_of_an_image_elsewhere(tuidock, box):
    run = tuidock("image", "inspect", "--platform", "linux/arm64", box)
    assert "--platform needs --remote" in run.stderr


def test_create_pulls_what_is_missing_and_says_so(tuidock, registry, box):
    run = tuidock("create", box)
    lines = run.stderr.splitlines()
    assert (run.returncode, lines[0]) == (0, f"Unable to find image '{box}:latest' locally")
    assert lines[-1] == f"Status: Downloaded newer image for {box}:latest"

from __future__ import annotations

import tarfile

import pytest

from engine.bootstrap import authorities, busybox
from engine.bootstrap.make import make
from engine.errors import InvalidInput


def test_an_unknown_name_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(InvalidInput, match="hello-world, busybox, debian:SUITE, ubuntu:SUITE"):
        make({"name": "nosuch", "staging": str(tmp_path)}, [])


def test_hello_world_is_one_executable(tmp_path):
    result = make({"name": "hello-world", "staging": str(tmp_path)}, [])
    with tarfile.open(result["tar"]) as archive:
        assert [(member.name, member.mode) for member in archive] == [("hello", 0o755)]


def test_the_same_machine_makes_the_same_tar_twice(tmp_path):
    tars = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        result = make({"name": "busybox", "staging": str(tmp_path / name)}, [])
        with open(result["tar"], "rb") as file:
            tars.append(file.read())
    assert tars[0] == tars[1]


def test_busybox_has_a_shell_and_passwd(tmp_path):
    result = make({"name": "busybox:1", "staging": str(tmp_path)}, [])
    with tarfile.open(result["tar"]) as archive:
        names = archive.getnames()
    assert {"bin/sh", "etc/passwd", "tmp"} <= set(names)
    assert result["name"] == "busybox:1"


def test_a_dynamic_busybox_is_refused_with_the_package_to_install(tmp_path, monkeypatch):
    program = tmp_path / "busybox"
    program.write_bytes(b"#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InvalidInput) as caught:
        busybox.make("", str(tmp_path), host_ca=False)
    assert "busybox-static" in caught.value.remedy


def test_the_machines_bundle_comes_first_among_the_authorities():
    names = [entry.name for entry in authorities.entries()]
    assert names[2] == "./etc/ssl/certs/ca-certificates.crt"

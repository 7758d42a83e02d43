"""Where secrets of registries are looked for and kept, and that nothing shows them."""

from __future__ import annotations

import base64
import json
import os

import pytest

from engine.errors import InvalidInput, RuntimeFailure
from engine.registry import credentials
from engine.registry.credentials import Credentials, find, forget, keep

PAIR = base64.b64encode(b"me:Hush:Hush").decode()
ME = Credentials("me", "Hush:Hush")


@pytest.fixture
def environ(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / ".docker").mkdir()
    return {
        "HOME": str(tmp_path),
        "PATH": f"{tmp_path}/bin:{os.environ['PATH']}",
        "XDG_RUNTIME_DIR": str(tmp_path),
    }


def config(environ, content):
    with open(f"{environ['HOME']}/.docker/config.json", "w", encoding="utf-8") as file:
        file.write(content if isinstance(content, str) else json.dumps(content))


def helper(environ, script, name="tests"):
    path = f"{environ['HOME']}/bin/docker-credential-{name}"
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"#!/bin/sh\n{script}\n")
    os.chmod(path, 0o755)


@pytest.mark.parametrize(
    ("key", "domain"),
    [
        ("lab.example:5000", "lab.example:5000"),
        ("https://lab.example:5000", "lab.example:5000"),
        ("http://lab.example:5000/v1/", "lab.example:5000"),
        ("https://lab.example:5000/some/where", "lab.example:5000"),
        ("lab.example:5000/team", "lab.example:5000"),
        ("https://index.docker.io/v1/", "docker.io"),
        ("docker.io", "docker.io"),
    ],
)
def test_every_spelling_of_a_host_is_found(environ, key, domain):
    config(environ, {"auths": {key: {"auth": PAIR}}})
    assert find(domain, "team/app", environ) == ME


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        ({"auth": PAIR}, ME),
        ({"username": "me", "password": "Hush:Hush"}, ME),
        ({"auth": PAIR, "identitytoken": "token"}, Credentials(identity_token="token")),
        ({"registrytoken": "token"}, Credentials(registry_token="token")),
        ({}, Credentials()),
        ([], Credentials()),
        ({"auth": None, "email": 1}, Credentials()),
    ],
)
def test_every_form_of_an_entry_is_read(environ, entry, found):
    config(environ, {"auths": {"lab.example": entry}})
    assert find("lab.example", "app", environ) == found


@pytest.mark.parametrize("content", ["[]", "null", '{"auths": null}', '{"auths": [], "credHelpers": 1}'])
def test_a_file_without_logins_has_none(environ, content):
    config(environ, content)
    assert find("lab.example", "app", environ) == Credentials()


def test_a_broken_file_is_named(environ):
    config(environ, '{"auths": ')
    with pytest.raises(InvalidInput, match=r"config\.json.*not JSON"):
        find("lab.example", "app", environ)


@pytest.mark.parametrize(
    "auth", ["Hush", base64.b64encode(b"Hush").decode(), base64.b64encode(b"\xff\xfe").decode()]
)
def test_a_damaged_entry_is_named_and_not_shown(environ, auth):
    config(environ, {"auths": {"lab.example": {"auth": auth}}})
    with pytest.raises(InvalidInput, match=r"the entry of lab\.example is damaged") as caught:
        find("lab.example", "app", environ)
    assert auth not in str(caught.value)


def test_the_helper_of_a_host_comes_before_that_of_all(environ):
    helper(environ, 'read key; echo "{\\"Username\\":\\"me\\",\\"Secret\\":\\"of $key\\"}"', "one")
    config(environ, {"credHelpers": {"lab.example": "one"}, "credsStore": "gone"})
    assert find("lab.example", "app", environ) == Credentials("me", "of lab.example")


def test_a_helper_that_knows_nothing_is_no_failure(environ):
    helper(environ, "echo credentials not found in native keychain; exit 1")
    config(environ, {"credsStore": "tests"})
    assert find("lab.example", "app", environ) == Credentials()


def test_a_helper_gives_identity_tokens_too(environ):
    helper(environ, 'echo "{\\"Username\\":\\"<token>\\",\\"Secret\\":\\"token\\"}"')
    config(environ, {"credsStore": "tests"})
    assert find("lab.example", "app", environ) == Credentials(identity_token="token")


@pytest.mark.parametrize(
    ("script", "said"),
    [("echo Hush", "not that of a credential helper"), ("exec sleep 30", "did not answer")],
)
def test_a_helper_that_misbehaves_is_named(environ, monkeypatch, script, said):
    monkeypatch.setattr(credentials, "_HELPER_SECONDS", 0.5)
    helper(environ, script)
    config(environ, {"credsStore": "tests"})
    with pytest.raises(RuntimeFailure, match=f"docker-credential-tests.*{said}") as caught:
        find("lab.example", "app", environ)
    assert "Hush" not in str(caught.value)


def test_a_helper_that_is_not_there_is_named(environ):
    config(environ, {"credsStore": "gone"})
    with pytest.raises(RuntimeFailure, match=r"docker-credential-gone.*not found"):
        find("lab.example", "app", environ)


def test_a_helper_that_repeats_the_secret_is_not_quoted(environ):
    helper(environ, "cat; exit 1")
    config(environ, {"credsStore": "tests"})
    with pytest.raises(RuntimeFailure, match="exit code 1") as caught:
        keep("lab.example", ME, environ)
    assert "Hush" not in str(caught.value)


def test_what_is_kept_is_found_and_the_rest_of_the_file_stays(environ):
    config(environ, {"auths": None, "proxies": {"default": {}}})
    path = keep("lab.example", ME, environ)
    assert find("lab.example", "app", environ) == ME
    with open(path, encoding="utf-8") as file:
        assert json.load(file)["proxies"] == {"default": {}}
    assert (os.stat(path).st_mode & 0o777, os.listdir(os.path.dirname(path))) == (0o600, ["config.json"])


def test_a_file_that_is_a_link_stays_one(environ, tmp_path):
    (tmp_path / "dotfiles").mkdir()
    os.symlink(tmp_path / "dotfiles" / "docker.json", tmp_path / ".docker" / "config.json")
    keep("lab.example", ME, environ)
    assert os.path.islink(tmp_path / ".docker" / "config.json")
    assert find("lab.example", "app", environ) == ME
    assert forget("lab.example", environ)
    assert find("lab.example", "app", environ) == Credentials()


def test_no_representation_shows_a_secret():
    one = Credentials("me", "Hush", "Hush", "Hush")
    assert "Hush" not in f"{one!r} {one} {[one]}"

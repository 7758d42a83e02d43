"""Owns secrets of registries: found in Docker's and Podman's files and helpers, kept and forgotten there.

A secret is never on a command line, in an error or in a log: helpers get it on their standard input
(docker-credential-helpers' protocol), files are the user's alone.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import subprocess
from typing import TYPE_CHECKING, Any

import msgspec

from engine.errors import InvalidInput, RuntimeFailure

if TYPE_CHECKING:
    from collections.abc import Mapping

_DEFAULT = "docker.io"
_DEFAULT_KEY = "https://index.docker.io/v1/"
_TOKEN_USER = "<token>"  # noqa: S105 - the protocol's word for "the secret is an identity token"
_HELPER_SECONDS = 30


class Credentials(msgspec.Struct, frozen=True):
    """Who asks: a name and a password, or an identity token of an earlier login; all empty: nobody.

    ``registry_token`` is sent to the registry as it is.
    """

    username: str = ""
    password: str = ""
    identity_token: str = ""
    registry_token: str = ""

    def __repr__(self) -> str:
        """Without the secret."""
        return f"Credentials(username={self.username!r})"


class _Helped(msgspec.Struct, rename="pascal"):
    username: str = ""
    secret: str = ""

    def __repr__(self) -> str:
        """Without the secret."""
        return f"_Helped({self.username!r})"


def find(domain: str, repository: str, environ: Mapping[str, str]) -> Credentials:
    """What the files know of ``domain`` (Podman's may name a part of it: host/path); nobody if nothing."""
    for path in _files(environ):
        content = _read(path)
        keys = _keys(domain, repository)
        found = _helped(content, _key(domain), keys, environ) or _stored(content, keys, path)
        if found is not None:
            return found
    return Credentials()


def keep(domain: str, credentials: Credentials, environ: Mapping[str, str]) -> str:
    """Keep what a login proved, in a helper or in Docker's file; returns where, for the user to know."""
    path = _docker_file(environ)
    content, key = _read(path), _key(domain)
    helper = _helper_of(content, (key,))
    if helper:
        name, secret = credentials.username, credentials.password
        if credentials.identity_token:
            name, secret = _TOKEN_USER, credentials.identity_token
        _ask(helper, "store", {"ServerURL": key, "Username": name, "Secret": secret}, environ)
        entry = {}
    else:
        pair = f"{credentials.username}:{credentials.password}"
        entry = {"auth": base64.b64encode(pair.encode()).decode()}
        if credentials.identity_token:
            entry = {
                "auth": base64.b64encode(f"{credentials.username}:".encode()).decode(),
                "identitytoken": credentials.identity_token,
            }
    content["auths"] = {**_members(content, "auths"), key: entry}
    _write(path, content)
    return f"docker-credential-{helper}" if helper else path


def forget(domain: str, environ: Mapping[str, str]) -> bool:
    """Forget ``domain`` in Docker's file and its helper; False if nothing was known."""
    path = _docker_file(environ)
    content, keys = _read(path), _keys(domain, "")
    helper = _helper_of(content, keys)
    known = [key for key in keys if key in _members(content, "auths")]
    if helper:
        for key in known or keys[:1]:
            _ask(helper, "erase", key, environ)
    for key in known:
        del content["auths"][key]
    if known:
        _write(path, content)
    return bool(known)


def _files(environ: Mapping[str, str]) -> tuple[str, ...]:
    podman = environ.get("REGISTRY_AUTH_FILE")
    if not podman:
        run = environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
        podman = f"{run}/containers/auth.json"
    home = environ.get("HOME") or "/root"
    return (
        _docker_file(environ),
        podman,
        f"/run/containers/{os.getuid()}/auth.json",
        f"{home}/.config/containers/auth.json",
    )


def _docker_file(environ: Mapping[str, str]) -> str:
    folder = environ.get("DOCKER_CONFIG") or f"{environ.get('HOME') or '/root'}/.docker"
    return f"{folder}/config.json"


def _key(domain: str) -> str:
    return _DEFAULT_KEY if domain == _DEFAULT else domain


def _keys(domain: str, repository: str) -> tuple[str, ...]:
    """Under what a file may have them, the most particular first."""
    parts = repository.split("/") if repository else []
    particular = tuple(f"{domain}/{'/'.join(parts[:count])}" for count in range(len(parts), 0, -1))
    if domain == _DEFAULT:
        return (*particular, _DEFAULT_KEY, "index.docker.io", _DEFAULT)
    return (
        *particular,
        domain,
        f"https://{domain}",
        f"http://{domain}",
        f"https://{domain}/v1/",
        f"https://{domain}/v2/",
    )


def _members(content: dict[str, Any], name: str) -> dict[str, Any]:
    """The object ``name`` of a file; empty if there is none."""
    found = content.get(name)
    return found if isinstance(found, dict) else {}


def _stored(content: dict[str, Any], keys: tuple[str, ...], path: str) -> Credentials | None:
    auths = _members(content, "auths")
    # Old versions of Docker wrote whole addresses.
    for key in (*keys, *(one for one in auths if "://" in one and _named(one) in keys)):
        entry = auths.get(key)
        if not isinstance(entry, dict) or not entry:
            continue
        texts = {name: value for name, value in entry.items() if isinstance(value, str) and value}
        if "registrytoken" in texts:
            return Credentials(registry_token=texts["registrytoken"])
        if "identitytoken" in texts:
            return Credentials(identity_token=texts["identitytoken"])
        if "auth" in texts:
            try:
                pair = base64.b64decode(texts["auth"].strip(), validate=True).decode()
            except (binascii.Error, ValueError):
                pair = ""
            name, colon, password = pair.partition(":")
            if not colon:
                remedy = f"log in again: tuidock login {key}"
                raise InvalidInput(path, f"the entry of {key} is damaged", remedy=remedy)
            return Credentials(name, password.rstrip("\0"))
        if "username" in texts:
            return Credentials(texts["username"], texts.get("password", ""))
    return None


def _named(address: str) -> str:
    """The host of an address of a registry."""
    return address.partition("://")[2].partition("/")[0]


def _helper_of(content: dict[str, Any], keys: tuple[str, ...]) -> str:
    helpers = _members(content, "credHelpers")
    return str(next((helpers[key] for key in keys if key in helpers), content.get("credsStore") or ""))


def _helped(
    content: dict[str, Any], first: str, keys: tuple[str, ...], environ: Mapping[str, str]
) -> Credentials | None:
    helper = _helper_of(content, keys)
    if not helper:
        return None
    listed = _members(content, "auths")
    # What docker itself asks for, and whatever else a login has left its name of.
    for key in dict.fromkeys((first, *(key for key in keys if key in listed))):
        answer = _ask(helper, "get", key, environ, missing=True)
        if not answer:
            continue
        try:
            found = msgspec.json.decode(answer, type=_Helped)
        except (msgspec.DecodeError, UnicodeDecodeError):
            program, reason = f"docker-credential-{helper}", "its answer is not that of a credential helper"
            raise RuntimeFailure("credential helper", path=program, reason=reason) from None
        if found.username == _TOKEN_USER:
            return Credentials(identity_token=found.secret)
        if found.username:
            return Credentials(found.username, found.secret)
    return None


def _ask(
    helper: str, verb: str, what: str | dict[str, str], environ: Mapping[str, str], *, missing: bool = False
) -> bytes:
    program = f"docker-credential-{helper}"
    text = what if isinstance(what, str) else msgspec.json.encode(what).decode()
    try:
        done = subprocess.run(
            [program, verb],
            input=text.encode(),
            capture_output=True,
            env=dict(environ),
            check=False,
            timeout=_HELPER_SECONDS,
        )
    except (OSError, ValueError) as error:
        remedy = "install it, or take credsStore and credHelpers out of config.json"
        absent = isinstance(error, FileNotFoundError)
        reason = "not found" if absent else getattr(error, "strerror", None) or "no name of a program"
        raise RuntimeFailure("credential helper", path=program, reason=reason, remedy=remedy) from error
    except subprocess.TimeoutExpired:
        reason = f"it did not answer within {_HELPER_SECONDS} s"
        raise RuntimeFailure("credential helper", path=program, reason=reason) from None
    if done.returncode == 0:
        return done.stdout
    if missing:
        return b""
    reason = done.stdout.decode(errors="replace").strip()
    if not reason or (not isinstance(what, str) and what["Secret"] in reason):
        reason = f"exit code {done.returncode}"
    raise RuntimeFailure("credential helper", path=program, reason=reason[:200])


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            content = msgspec.json.decode(file.read())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise InvalidInput(path, os.strerror(error.errno or 0)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(path, f"not JSON ({error})", remedy="mend it, or move it away") from error
    return content if isinstance(content, dict) else {}


def _write(path: str, content: dict[str, Any]) -> None:
    path = os.path.realpath(path)
    temporary = f"{path}.{os.getpid()}-{os.urandom(4).hex()}"
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")
                file.flush()
                os.fsync(descriptor)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise InvalidInput(path, f"cannot be written: {os.strerror(error.errno or 0)}") from error

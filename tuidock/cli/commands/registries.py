"""Owns the verbs that speak to registries: pull, push, login, logout, manifest inspect."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

from engine.oci import reference as references
from engine.options import LoginOptions, PullOptions, PushOptions
from tuidock.cli import diagnostics, output
from tuidock.cli.command import Command, Invocation
from tuidock.cli.flags import switch, text
from tuidock.cli.progress import reporting
from tuidock.cli.pulled import pulled_lines

if TYPE_CHECKING:
    from engine.engine import Engine
    from engine.oci.reference import Reference

_STDIN = 0
_SECRET_LIMIT = 1 << 16


async def _pull(engine: Engine, invocation: Invocation) -> int:
    quiet, every = invocation.switch("quiet"), invocation.switch("all-tags")
    reference = _default_tag(invocation.arguments[0], every=every, quiet=quiet)
    options = PullOptions(
        reference=invocation.arguments[0],
        all_tags=every,
        platform=invocation.filled("platform"),
    )
    async with reporting("quiet" if quiet else "auto") as progress:
        pulled = await engine.images.pull(options, progress)
    if not quiet:
        newer = any(one.newer for one in pulled)
        output.lines(pulled_lines(reference.familiar, *(one.digest for one in pulled), newer=newer))
    output.line(reference.normalised)
    return 0


def _default_tag(text: str, *, every: bool, quiet: bool) -> Reference:
    """What the reference means, said where a tag is filled in."""
    reference = references.parse(text)
    if every:
        return reference
    if reference.tagged != reference and not quiet:
        output.line(f"Using default tag: {references.DEFAULT_TAG}")
    return reference.tagged


async def _push(engine: Engine, invocation: Invocation) -> int:
    quiet, every = invocation.switch("quiet"), invocation.switch("all-tags")
    reference = _default_tag(invocation.arguments[0], every=every, quiet=quiet)
    options = PushOptions(
        reference=invocation.arguments[0],
        all_tags=every,
        compression=invocation.text("compression"),
    )
    async with reporting("quiet" if quiet else "auto") as progress:
        pushed = await engine.images.push(options, progress)
    if quiet:
        output.line(reference.normalised)
    else:
        output.lines([f"{one.tag}: digest: {one.digest} size: {one.size}" for one in pushed])
    return 0


def _compression(value: str) -> str:
    if value not in {"gzip", "zstd"}:
        raise ValueError("must be gzip or zstd")
    return value


async def _login(engine: Engine, invocation: Invocation) -> int:
    server = next(iter(invocation.arguments), "")
    username, password = invocation.text("username"), invocation.text("password")
    from_stdin = invocation.switch("password-stdin")
    if password and from_stdin:
        return diagnostics.problem("--password and --password-stdin are mutually exclusive")
    if from_stdin and not username:
        return diagnostics.problem("Must provide --username with --password-stdin")
    if password:
        diagnostics.warn("Using --password via the CLI is insecure. Use --password-stdin.")
    if from_stdin:
        password = os.read(_STDIN, _SECRET_LIMIT).decode().removesuffix("\n").removesuffix("\r")
    if not password:
        if not os.isatty(_STDIN):
            return diagnostics.problem("Cannot perform an interactive login from a non TTY device")
        username, password = await _asked(engine, server, username)
    if not username or not password:
        return diagnostics.problem("username and password are required")
    where = await engine.registries.login(LoginOptions(server=server, username=username, password=password))
    if not where.startswith("docker-credential-"):
        diagnostics.warn(f"Your credentials are stored unencrypted in '{where}'.")
    output.line("Login Succeeded")
    return 0


async def _asked(engine: Engine, server: str, username: str) -> tuple[str, str]:
    """What the user types; the name is offered as it is known."""
    import getpass

    if not username:
        known = await engine.registries.username(server)
        sys.stderr.write(f"Username ({known}): " if known else "Username: ")
        sys.stderr.flush()
        username = sys.stdin.readline().strip() or known
    return username, getpass.getpass("Password: ")


async def _logout(engine: Engine, invocation: Invocation) -> int:
    server = next(iter(invocation.arguments), "")
    shown = server or "docker.io"
    if not await engine.registries.logout(server):
        output.line(f"Not logged in to {shown}")
        return 0
    output.line(f"Removing login credentials for {shown}")
    return 0


async def _manifest(engine: Engine, invocation: Invocation) -> int:
    found = await engine.registries.manifest(
        invocation.arguments[0], verbose=invocation.switch("verbose"), insecure=invocation.switch("insecure")
    )
    output.line(json.dumps(found, indent="\t", ensure_ascii=False))
    return 0


PULL = Command(
    usage="[OPTIONS] NAME[:TAG|@DIGEST]",
    run=_pull,
    flags=(
        switch("all-tags", "Download all tagged images in the repository", "a"),
        text("platform", "Set platform if server is multi-platform capable"),
        switch("quiet", "Suppress verbose output", "q"),
    ),
    fewest=1,
    most=1,
)
PUSH = Command(
    usage="[OPTIONS] NAME[:TAG]",
    run=_push,
    flags=(
        switch("all-tags", "Push all tags of an image to the repository", "a"),
        text(
            "compression",
            "Compress layers that were made here (gzip, zstd)",
            default="gzip",
            convert=_compression,
        ),
        switch("quiet", "Suppress verbose output", "q"),
    ),
    fewest=1,
    most=1,
)
LOGIN = Command(
    usage="[OPTIONS] [SERVER]",
    run=_login,
    flags=(
        text("password", "Password", "p"),
        switch("password-stdin", "Take the password from stdin"),
        text("username", "Username", "u"),
    ),
    most=1,
)
MANIFEST = Command(
    usage="[OPTIONS] MANIFEST",
    run=_manifest,
    flags=(
        switch("insecure", "Allow communication with an insecure registry"),
        switch("verbose", "Output additional info including layers and platform", "v"),
    ),
    fewest=1,
    most=1,
)
LOGOUT = Command(usage="[SERVER]", run=_logout, most=1)

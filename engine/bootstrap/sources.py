"""Owns reading the machine's apt sources and rewriting them for a suite; refuses to name a mirror itself.

Source: sources.list(5), one-line and deb822 style.
"""

from __future__ import annotations

import glob
import re
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

_OPTIONS = re.compile(r"\[([^\]]*)\]")
_ROLLING = {"sid", "unstable", "testing", "experimental"}


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One stanza of binary packages."""

    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str = ""


def configured_sources(folder: str = "/etc/apt") -> tuple[Source, ...]:
    """All enabled binary sources of the machine."""
    found: list[Source] = []
    for path in [f"{folder}/sources.list", *sorted(glob.glob(f"{folder}/sources.list.d/*.list"))]:
        found += _one_line_sources(_text_of(path))
    for path in sorted(glob.glob(f"{folder}/sources.list.d/*.sources")):
        found += _deb822_sources(_text_of(path))
    return tuple(found)


def codename(os_release: str) -> tuple[str, str]:
    """The distribution's id and code name in the text of /etc/os-release; empty where not said."""
    fields = dict(line.split("=", 1) for line in os_release.splitlines() if "=" in line)
    return fields.get("ID", "").strip('"'), fields.get("VERSION_CODENAME", "").strip('"')


def sources_for(suite: str, own: str, configured: tuple[Source, ...]) -> str:
    """The deb822 text for ``suite`` by the mirrors that serve the machine's ``own`` suite; may be empty.

    A rolling suite has neither updates nor security of its own, so only the main archive is kept.
    """
    stanzas: list[str] = []
    for source in configured:
        suites = [
            suite + name.removeprefix(own)
            for name in source.suites
            if name == own or (name.startswith(f"{own}-") and suite not in _ROLLING)
        ]
        if suites:
            stanzas.append(_deb822(source, suites))
    return "\n".join(stanzas)


def _deb822(source: Source, suites: list[str]) -> str:
    lines = [
        "Types: deb",
        f"URIs: {' '.join(source.uris)}",
        f"Suites: {' '.join(suites)}",
        f"Components: {' '.join(source.components)}",
    ]
    if source.signed_by:
        lines.append(f"Signed-By: {source.signed_by}")
    return "\n".join(lines) + "\n"


def _one_line_sources(text: str) -> Iterator[Source]:
    for raw in text.splitlines():
        line = raw.partition("#")[0].strip()
        options = _OPTIONS.search(line)
        words = _OPTIONS.sub(" ", line, count=1).split()
        if len(words) < 4 or words[0] != "deb":  # noqa: PLR2004 - type, URI, suite, component
            continue
        settings = dict(word.split("=", 1) for word in (options[1].split() if options else ()) if "=" in word)
        yield Source(
            uris=(words[1],),
            suites=(words[2],),
            components=tuple(words[3:]),
            signed_by=settings.get("signed-by", ""),
        )


def _deb822_sources(text: str) -> Iterator[Source]:
    for stanza in re.split(r"\n\s*\n", text):
        fields = _fields(stanza)
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes") == "no":
            continue
        signed_by = fields.get("signed-by", "")
        yield Source(
            uris=tuple(fields.get("uris", "").split()),
            suites=tuple(fields.get("suites", "").split()),
            components=tuple(fields.get("components", "").split()),
            signed_by=signed_by if signed_by.startswith("/") else "",
        )


def _fields(stanza: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    last = ""
    for line in stanza.splitlines():
        if line.startswith("#"):
            continue
        if line[:1].isspace() and last:
            fields[last] += "\n" + line.strip()
        elif ":" in line:
            name, _, value = line.partition(":")
            last = name.strip().lower()
            fields[last] = value.strip()
    return fields


def _text_of(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""

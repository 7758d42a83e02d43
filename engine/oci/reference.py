"""Owns image references: parsing, Docker's short-name rules and their printed forms; refuses look-ups.

Source: distribution/reference (grammar in reference.go, defaults in normalize.go).
"""

from __future__ import annotations

import re

import msgspec

from engine.errors import InvalidReference

DEFAULT_DOMAIN = "docker.io"
_LEGACY_DOMAIN = "index.docker.io"
_OFFICIAL = "library/"
DEFAULT_TAG = "latest"
_NAME_LIMIT = 255

_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_PATH = rf"{_COMPONENT}(?:/{_COMPONENT})*"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_REFERENCE = rf"(?:(?P<domain>{_DOMAIN})/)?(?P<path>{_PATH})(?::(?P<tag>{_TAG}))?(?:@(?P<digest>{_DIGEST}))?"
_IDENTIFIER = r"[a-f0-9]{64}"
_HEX_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}
_LOWER_HEX = r"[0-9a-f]+"


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed reference; ``tag`` and ``digest`` are empty when not given."""

    domain: str
    path: str
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """The repository with its domain: docker.io/library/busybox."""
        return f"{self.domain}/{self.path}" if self.domain else self.path

    @property
    def familiar_name(self) -> str:
        """The repository as people write it: busybox."""
        if self.domain != DEFAULT_DOMAIN:
            return self.name
        short = self.path.removeprefix(_OFFICIAL)
        return self.path if "/" in short else short

    @property
    def familiar(self) -> str:
        """The whole reference as people write it: busybox:latest."""
        return self.familiar_name + self._suffix

    @property
    def normalised(self) -> str:
        """The whole reference in full: docker.io/library/busybox:latest."""
        return self.name + self._suffix

    @property
    def tagged(self) -> Reference:
        """This reference with ``latest`` where neither tag nor digest was given."""
        if self.tag or self.digest:
            return self
        return msgspec.structs.replace(self, tag=DEFAULT_TAG)

    @property
    def _suffix(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{tag}@{self.digest}" if self.digest else tag


def parse(text: str) -> Reference:
    """Parse what a user wrote, with docker.io and library filled in; InvalidReference if it is none."""
    if re.fullmatch(_IDENTIFIER, text):
        raise _invalid(text, "a repository name cannot be 64 hexadecimal digits")
    domain, remainder = _split_domain(text)
    repository = remainder.partition("@")[0].partition(":")[0]
    if repository != repository.lower():
        raise _invalid(text, "repository name must be lowercase", f"write {text.lower()}")
    return parse_plain(f"{domain}/{remainder}", shown=text)


def parse_plain(text: str, *, shown: str | None = None) -> Reference:
    """Parse ``text`` by the grammar alone, nothing filled in; errors name ``shown``."""
    shown = text if shown is None else shown
    match = re.fullmatch(_REFERENCE, text)
    if match is None:
        lowered = re.fullmatch(_REFERENCE, text.lower())
        reason = "repository name must be lowercase" if lowered else "invalid reference format"
        raise _invalid(shown, reason)
    path = match["path"]
    if len(path) > _NAME_LIMIT:
        raise _invalid(shown, f"repository name must not be more than {_NAME_LIMIT} characters")
    digest = match["digest"] or ""
    if digest:
        _check_digest(shown, digest)
    return Reference(domain=match["domain"] or "", path=path, tag=match["tag"] or "", digest=digest)


def is_tag(text: str) -> bool:
    """Whether ``text`` is a tag as the distribution specification has them."""
    return re.fullmatch(_TAG, text) is not None


def _split_domain(text: str) -> tuple[str, str]:
    first, slash, rest = text.partition("/")
    is_domain = bool(slash) and (
        "." in first or ":" in first or first == "localhost" or first.lower() != first
    )
    domain, remainder = (first, rest) if is_domain else (DEFAULT_DOMAIN, text)
    if domain == _LEGACY_DOMAIN:
        domain = DEFAULT_DOMAIN
    if domain == DEFAULT_DOMAIN and "/" not in remainder:
        remainder = _OFFICIAL + remainder
    return domain, remainder


def _check_digest(shown: str, digest: str) -> None:
    algorithm, _, encoded = digest.partition(":")
    expected = _HEX_LENGTHS.get(algorithm)
    if expected is None:
        raise _invalid(shown, f"unsupported digest algorithm {algorithm}")
    if len(encoded) != expected or not re.fullmatch(_LOWER_HEX, encoded):
        raise _invalid(
            shown, f"invalid {algorithm} digest: {expected} lower-case hexadecimal digits are needed"
        )


def _invalid(shown: str, reason: str, remedy: str = "") -> InvalidReference:
    return InvalidReference(
        f'invalid reference "{shown}"',
        reason,
        remedy=remedy or "references look like name[:tag] or host/name[:tag]",
    )

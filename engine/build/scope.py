"""Owns which ARG and ENV values a Dockerfile's words see, and when; refuses reading the environment.

Source: the Dockerfile reference ("ARG", scope, predefined and platform arguments): a stage sees what it or
a parent stage declared, a global value only where ARG names it again, and ENV wins over ARG.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from engine.dockerfile.expand import expand_word

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.dockerfile.instructions import Arg, ArgDefault
    from engine.oci.platform import Platform

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
PROXY_ARGUMENTS = frozenset(name for proxy in _PROXIES for name in (proxy, proxy.lower()))
"""Predefined: reach RUN without an ARG, and stay out of history and cache keys."""


class Globals(msgspec.Struct, frozen=True, kw_only=True):
    """What is fixed for a whole build: arguments given by the caller, and those before the first FROM."""

    given: dict[str, str]
    values: dict[str, str]
    """Global ARGs and platform arguments: seen by FROM, and by stages that name them."""
    escape: str = "\\"

    @property
    def proxies(self) -> tuple[str, ...]:
        """``K=V`` of the predefined proxy arguments that were given."""
        return tuple(f"{name}={self.given[name]}" for name in sorted(PROXY_ARGUMENTS & self.given.keys()))


def platform_arguments(build: Platform, target: Platform) -> dict[str, str]:
    """BUILDPLATFORM, BUILDOS, … TARGETVARIANT, as BuildKit sets them."""
    arguments: dict[str, str] = {}
    for prefix, platform in (("BUILD", build), ("TARGET", target)):
        variant = f"/{platform.variant}" if platform.variant else ""
        arguments[f"{prefix}PLATFORM"] = f"{platform.os}/{platform.architecture}{variant}"
        arguments[f"{prefix}OS"] = platform.os
        arguments[f"{prefix}ARCH"] = platform.architecture
        arguments[f"{prefix}VARIANT"] = platform.variant
    return arguments


def to_globals(
    arguments: tuple[Arg, ...], given: Mapping[str, str], platform: Mapping[str, str], escape: str
) -> Globals:
    """The global scope after the ARGs before the first FROM; each sees those before it."""
    values = dict(platform)
    for name in platform.keys() & given.keys():
        values[name] = given[name]
    for instruction in arguments:
        for argument in instruction.arguments:
            if argument.name in given:
                values[argument.name] = given[argument.name]
            elif argument.value is not None:
                values[argument.name] = expand_word(argument.value, values, escape)
    return Globals(given=dict(given), values=values, escape=escape)


class Scope:
    """The arguments that one stage has declared so far, in order; ``env`` is passed in by the caller."""

    def __init__(self, fixed: Globals, inherited: Mapping[str, str | None] | None = None) -> None:
        self._fixed = fixed
        self.arguments: dict[str, str | None] = dict(inherited or {})
        """Declared names; None where no value was given."""

    def environment(self, env: tuple[str, ...]) -> dict[str, str]:
        """What words see: arguments, and above them the variables of ``env`` (``K=V``)."""
        seen = {name: value for name, value in self.arguments.items() if value is not None}
        seen.update(item.partition("=")[::2] for item in env)
        return seen

    def expand(self, word: str, env: tuple[str, ...]) -> str:
        """``word`` with this scope's values."""
        return expand_word(word, self.environment(env), self._fixed.escape)

    def declare(self, argument: ArgDefault, env: tuple[str, ...]) -> str | None:
        """Bring ``argument`` into scope; returns its value, None if it has none."""
        name = self.expand(argument.name, env)
        value = None if argument.value is None else self.expand(argument.value, env)
        if name in self._fixed.given:
            value = self._fixed.given[name]
        elif value is None:
            value = self._fixed.values.get(name)
        self.arguments[name] = value
        return value

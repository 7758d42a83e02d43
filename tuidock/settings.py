"""Owns what the terminal interface remembers between runs; refuses to fail when it cannot write.

One small TOML file: ``$XDG_CONFIG_HOME/tuidock/config.toml``, else ``~/.config/tuidock/config.toml``.
"""

from __future__ import annotations

import os
import tomllib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


_PULLED = 20


class Settings(NamedTuple):
    """``greeted``: the line that a first start shows was shown; ``pulled``: names, the last one first."""

    theme: str = ""
    greeted: bool = False
    pulled: tuple[str, ...] = ()

    def with_pulled(self, name: str) -> Settings:
        """The same, with ``name`` pulled last; the oldest is forgotten."""
        return self._replace(pulled=tuple(dict.fromkeys((name, *self.pulled)))[:_PULLED])


def settings_path(environ: Mapping[str, str]) -> str:
    """Where the settings are kept for the user whose environment is ``environ``."""
    home = environ.get("XDG_CONFIG_HOME") or os.path.join(environ.get("HOME") or "/root", ".config")
    return os.path.join(home, "tuidock", "config.toml")


def load(path: str) -> Settings:
    """The settings at ``path``; defaults for a file that is missing, unreadable or not ours."""
    try:
        with open(path, "rb") as file:
            document = tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        return Settings()
    theme, greeted = document.get("theme", ""), document.get("greeted", False)
    pulled = document.get("pulled", [])
    return Settings(
        theme=theme if isinstance(theme, str) else "",
        greeted=greeted is True,
        pulled=tuple(name for name in pulled if isinstance(name, str)) if isinstance(pulled, list) else (),
    )


def save(path: str, settings: Settings) -> bool:
    """Write ``settings`` by rename; False where the folder cannot be written (a read-only home)."""
    pulled = ", ".join(map(_quoted, settings.pulled))
    text = (
        f"theme = {_quoted(settings.theme)}\ngreeted = {str(settings.greeted).lower()}\npulled = [{pulled}]\n"
    )
    staged = f"{path}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(staged, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(staged, path)
    except OSError:
        return False
    return True


def _quoted(text: str) -> str:
    """A TOML string; names of themes and images are plain words."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'

"""Owns finding and reading the themes (one TOML file each); refuses a theme that lacks a variable.

In a checkout the files are in ``themes/`` at the top level, in an installed wheel in ``tuidock/themes``.
"""

from __future__ import annotations

import os
import tomllib
from typing import Any

from textual.theme import Theme

DEFAULT = "harbor"
_COLOURS = (
    "primary",
    "secondary",
    "accent",
    "foreground",
    "background",
    "surface",
    "panel",
    "success",
    "warning",
    "error",
)
VARIABLES = (
    "line",
    "muted",
    "cursor-background",
    "cursor-foreground",
    "mark",
    "key",
    "state-running",
    "state-paused",
    "state-created",
    "state-restarting",
    "state-exited",
    "state-failed",
)


class ThemeError(Exception):
    """A theme file that cannot be used; the text names the file and what it lacks."""


def themes_folder() -> str:
    """The folder that holds the theme files: of the wheel, else of the checkout."""
    package = os.path.dirname(os.path.abspath(__file__))
    inside = os.path.join(package, "themes")
    return inside if os.path.isdir(inside) else os.path.join(os.path.dirname(package), "themes")


def load_themes(folder: str | None = None) -> dict[str, Theme]:
    """Every theme by name, the default one first."""
    folder = folder or themes_folder()
    names = sorted(entry for entry in os.listdir(folder) if entry.endswith(".toml"))
    themes = [read_theme(os.path.join(folder, entry)) for entry in names]
    themes.sort(key=lambda theme: (theme.name != DEFAULT, theme.name))
    return {theme.name: theme for theme in themes}


def read_theme(path: str) -> Theme:
    """The theme in the file ``path``; ThemeError names what is missing."""
    try:
        with open(path, "rb") as file:
            document: dict[str, Any] = tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError) as error:
        message = f"{path}: {error}"
        raise ThemeError(message) from error
    colours, variables = document.get("colors", {}), document.get("variables", {})
    missing = [name for name in _COLOURS if name not in colours]
    missing += [f"variables.{name}" for name in VARIABLES if name not in variables]
    if missing:
        message = f"{path}: missing {', '.join(missing)}"
        raise ThemeError(message)
    optional: dict[str, Any] = {name: str(colours[name]) for name in _COLOURS if name != "primary"}
    return Theme(
        name=str(document.get("name") or os.path.basename(path).removesuffix(".toml")),
        dark=bool(document.get("dark", True)),
        variables={name: str(value) for name, value in variables.items()},
        primary=str(colours["primary"]),
        **optional,
    )

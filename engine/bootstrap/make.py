"""Owns the choice of a base image's recipe by its name; refuses to store what a recipe makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.bootstrap import busybox, debian, hello
from engine.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.bootstrap.recipe import Recipe

_RECIPES: dict[str, Callable[[str, str, bool], Recipe]] = {
    "hello-world": hello.make,
    "busybox": busybox.make,
    "debian": debian.make_debian,
    "ubuntu": debian.make_ubuntu,
}
NAMES = ("hello-world", "busybox", "debian:SUITE", "ubuntu:SUITE")


def make(arguments: dict[str, Any], fds: list[int]) -> dict[str, Any]:  # noqa: ARG001 - a worker's signature
    """Make the root file system ``name`` as a tar in the folder ``staging``; runs in a worker.

    ``host_ca`` puts the machine's certificate authorities in. Returns ``{"tar", "name", "created_by",
    "config", "architecture"}``: a path, a reference, the history's text and Docker's config fields.
    Raises InvalidInput for an unknown name and StoreFailure where the disk is full.
    """
    name, _, tag = str(arguments["name"]).partition(":")
    recipe = _RECIPES.get(name)
    if recipe is None:
        raise InvalidInput(
            "image bootstrap",
            f"{name!r} is none of {', '.join(NAMES)}",
            remedy="other images come from `tuidock load`, `tuidock import` or `tuidock build`",
        )
    return recipe(tag, arguments["staging"], bool(arguments.get("host_ca"))).to_result()

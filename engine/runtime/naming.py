"""Owns container ids and names: making them, checking them, finding who is meant; refuses look-ups."""

from __future__ import annotations

import os
import re

from engine.errors import InvalidInput

_NAME = r"/?[a-zA-Z0-9][a-zA-Z0-9_.-]+\Z"
_ID = r"[0-9a-f]{1,64}\Z"

_ADJECTIVES = (
    "able amber brave brisk calm candid clever cosmic crisp daring deft eager early easy elegant fair fancy "
    "fleet fond frank gentle glad golden grand happy hardy honest humble jolly keen kind lively loyal lucid "
    "mellow merry mild modest neat nimble noble patient placid plucky polite proud quick quiet rapid ready "
    "serene sharp shiny silent sleek smart snug solid spry steady stoic sturdy sunny swift tidy trusty "
    "upbeat vivid warm wise witty zealous zesty"
).split()
_NOUNS = (
    "anchor badger barge beacon bison brook canal canyon cedar cliff comet condor coral crane creek cutter "
    "delta dock dolphin dory dune eagle falcon fern ferry fjord galley gannet glacier harbor hawk heron "
    "island jetty kayak keel kelp ketch lagoon lantern lark lighthouse lynx maple marlin mast meadow mole "
    "otter owl pelican pier pine plover port puffin quay raft reef ridge river robin rudder sail schooner "
    "seal skiff sloop sparrow spruce tern thicket tide trawler tug valley walrus wharf whale willow wren yawl"
).split()


def new_id() -> str:
    """64 hex digits; the first twelve are not all decimal, or a shell could take them for a number."""
    while True:
        container_id = os.urandom(32).hex()
        if not container_id[:12].isdecimal():
            return container_id


def random_name(attempt: int = 0) -> str:
    """Two words, and from the third attempt a digit too, as there are only some thousand pairs."""
    name = f"{_any(_ADJECTIVES)}_{_any(_NOUNS)}"
    return name if attempt < 3 else f"{name}{_below(10 ** (attempt - 2))}"  # noqa: PLR2004 - three tries


def _any(words: list[str]) -> str:
    return words[_below(len(words))]


def _below(limit: int) -> int:
    """A random number; ``random`` and ``secrets`` take as long to import as the rest of a name's making."""
    return int.from_bytes(os.urandom(8), "big") % limit


def check_name(name: str) -> str:
    """``name`` without its leading slash; InvalidInput if Docker would refuse it."""
    if not re.match(_NAME, name):
        raise InvalidInput(
            "",
            f"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
            remedy="use at least two letters, digits, '_', '.' or '-', and begin with a letter or digit",
        )
    return name.removeprefix("/")


def is_id_prefix(text: str) -> bool:
    """Whether ``text`` can be a (shortened) id."""
    return re.match(_ID, text) is not None

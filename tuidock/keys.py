"""Owns the one table of actions: id, default keys, label, help and where each applies.

The footer, the help screen, the palette and the screens' bindings are read from it. It refuses keys that
terminals and multiplexers keep for themselves (ctrl-a, ctrl-b, ctrl-q, ctrl-space) and anything
destructive on ctrl-d or ctrl-k; ``tests/tuidock/test_keys.py`` holds that.
"""

from __future__ import annotations

from typing import NamedTuple

EVERYWHERE = "everywhere"
CONTAINERS = "containers"
IMAGES = "images"
BUILDS = "builds"
WELCOME = "welcome"

LISTS = (CONTAINERS, IMAGES, BUILDS)
PLACES = (CONTAINERS, IMAGES, BUILDS, WELCOME)


class Action(NamedTuple):
    """One thing that a user can do; ``weight`` orders the footer (0: not in the footer's first page)."""

    id: str
    keys: tuple[str, ...]
    label: str
    help: str
    where: tuple[str, ...]
    weight: int = 0
    group: str = "Act"

    def applies(self, place: str) -> bool:
        """Whether the action can be taken while ``place`` has the user's attention."""
        return EVERYWHERE in self.where or place in self.where


ACTIONS: tuple[Action, ...] = (
    Action("run", ("r",), "run", "Run an image: a form filled from its config", LISTS, 90),
    Action(
        "toggle", ("s",), "stop/start", "Stop a running container, start a stopped one", (CONTAINERS,), 85
    ),
    Action("restart", ("R",), "restart", "Stop the container and start it again", (CONTAINERS,), 40),
    Action("exec", ("e",), "exec", "Open a shell in the container (the real terminal)", (CONTAINERS,), 80),
    Action(
        "attach", ("a",), "attach", "Attach to the main process; ctrl-p ctrl-q leaves it", (CONTAINERS,), 35
    ),
    Action("logs", ("l",), "logs", "Show the output, following", (CONTAINERS,), 70),
    Action(
        "inspect", ("i",), "inspect", "Everything that the engine knows, as JSON", (CONTAINERS, IMAGES), 45
    ),
    Action("remove", ("d", "delete"), "remove", "Remove, after a confirmation", LISTS, 60),
    Action("build", ("b",), "build", "Build a folder with a Dockerfile into an image", (*LISTS, WELCOME), 75),
    Action("pull", ("p",), "pull", "Pull an image from a registry, in the background", (*LISTS, WELCOME), 72),
    Action("push", ("P",), "push", "Push the image to a registry, by any of its names", (IMAGES,), 62),
    Action("make", ("n",), "new image", "Make a base image here, without a registry", LISTS, 8),
    Action("cancel", ("x",), "cancel", "Cancel the running job", (BUILDS,), 55),
    Action("failure", ("f",), "failing step", "Jump to the step that failed", (BUILDS,), 50),
    Action(
        "mark", ("space",), "mark", "Mark the row; actions then take all marked rows", LISTS, 30, "Choose"
    ),
    Action("filter", ("slash",), "filter", "Show only rows that contain a text", LISTS, 65, "Choose"),
    Action("open", ("enter",), "open", "Go into the detail of the row", (*LISTS, WELCOME), 67, "Move"),
    Action("back", ("escape",), "back", "Go back one level; never quits", (EVERYWHERE,), 20, "Move"),
    Action("down", ("j", "down"), "down", "Move down", (EVERYWHERE,), 0, "Move"),
    Action("up", ("k", "up"), "up", "Move up", (EVERYWHERE,), 0, "Move"),
    Action("top", ("g", "home"), "top", "Go to the first row", (EVERYWHERE,), 0, "Move"),
    Action(
        "bottom", ("G", "end"), "bottom", "Go to the last row; logs follow again", (EVERYWHERE,), 0, "Move"
    ),
    Action("page_down", ("pagedown", "ctrl+f"), "page down", "Move down one page", (EVERYWHERE,), 0, "Move"),
    Action("page_up", ("pageup",), "page up", "Move up one page", (EVERYWHERE,), 0, "Move"),
    Action(
        "view_next", ("right_square_bracket",), "next view", "Next detail view", (EVERYWHERE,), 25, "Move"
    ),
    Action(
        "view_previous",
        ("left_square_bracket",),
        "previous view",
        "Previous detail view",
        (EVERYWHERE,),
        0,
        "Move",
    ),
    Action("left", ("left",), "left", "Scroll long lines back", (EVERYWHERE,), 0, "Move"),
    Action("right", ("right",), "right", "Scroll long lines", (EVERYWHERE,), 0, "Move"),
    Action("zoom", ("z",), "zoom", "Give the detail the whole width, or take it back", LISTS, 22, "Move"),
    Action("tab_containers", ("1",), "containers", "The Containers tab", (EVERYWHERE,), 0, "Move"),
    Action("tab_images", ("2",), "images", "The Images tab", (EVERYWHERE,), 0, "Move"),
    Action("tab_builds", ("3",), "builds", "The Builds tab: builds and other jobs", (EVERYWHERE,), 0, "Move"),
    Action(
        "tab_previous", ("less_than_sign",), "previous tab", "The tab to the left", (EVERYWHERE,), 0, "Move"
    ),
    Action("tab_next", ("greater_than_sign",), "next tab", "The tab to the right", (EVERYWHERE,), 0, "Move"),
    Action("theme", ("T",), "theme", "Change the theme; it is remembered", (EVERYWHERE,), 0, "Program"),
    Action(
        "palette", ("colon", "ctrl+p"), "commands", "Every command, by name", (EVERYWHERE,), 15, "Program"
    ),
    Action("help", ("question_mark", "f1"), "help", "This table of keys", (EVERYWHERE,), 95, "Program"),
    Action("quit", ("q",), "quit", "Leave; containers and jobs go on", (EVERYWHERE,), 10, "Program"),
)

BY_ID: dict[str, Action] = {action.id: action for action in ACTIONS}
GROUPS = ("Act", "Choose", "Move", "Program")

_SHOWN = {
    "slash": "/",
    "question_mark": "?",
    "colon": ":",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "space": "space",
    "enter": "⏎",
    "escape": "esc",
    "delete": "del",
    "pagedown": "pgdn",
    "pageup": "pgup",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
}


def shown(key: str) -> str:
    """The key as people write it: ``ctrl-p`` and ``?`` instead of ``ctrl+p`` and ``question_mark``."""
    return _SHOWN.get(key, key.replace("ctrl+", "ctrl-"))


def shown_keys(action: Action) -> str:
    """All keys of ``action`` as people write them."""
    return " ".join(shown(key) for key in action.keys)


def footer_actions(place: str) -> tuple[Action, ...]:
    """What the footer offers at ``place``, the most useful first; it shows as many as fit."""
    offered = [action for action in ACTIONS if action.weight and action.applies(place)]
    return tuple(sorted(offered, key=lambda action: -action.weight))


def help_actions() -> tuple[tuple[str, tuple[Action, ...]], ...]:
    """Every action, by group, in the order of the table."""
    return tuple((group, tuple(action for action in ACTIONS if action.group == group)) for group in GROUPS)


def palette_actions(place: str) -> tuple[Action, ...]:
    """What the palette lists at ``place``: every action that applies there, the most useful first."""
    listed = [action for action in ACTIONS if action.applies(place) and action.id != "palette"]
    return tuple(sorted(listed, key=lambda action: -action.weight))

"""Owns what ``--log-driver`` and ``--log-opt`` mean: which are taken, and the bound they come to; pure.

There is one format of our own (see ``engine.shim.log``), by the names of Docker's that are kept in files:
json-file and local; none keeps nothing. Refuses every other driver, and options that would change nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.options import CreateOptions

DEFAULT_DRIVER = "local"
NONE = "none"
_SIZE, _FILES = 20 * 1024 * 1024, 5
"""Docker's for its driver local, and here for json-file too: no log grows without a bound."""
_COMMON = frozenset({"max-size", "max-file", "compress", "mode"})
_DETAILS = frozenset({"labels", "labels-regex", "env", "env-regex", "tag"})
_TAKEN: Mapping[str, frozenset[str]] = {"json-file": _COMMON | _DETAILS, "local": _COMMON}
_HUMAN_SIZE = r"(?i)(\d+(?:\.\d+)?) ?([kmgtp]?)i?b?"
_UNITS = "kmgtp"
_FALSE = frozenset({"0", "f", "false"})
_NO_START = "failed to initialize logging driver: "


def log_driver(options: CreateOptions) -> str:
    """The driver's name as it was asked for, or the default."""
    return options.log_driver or DEFAULT_DRIVER


def check_log(options: CreateOptions) -> None:
    """Raise InvalidInput, in Docker's words, for a driver or an option that is not taken."""
    driver, given = log_driver(options), options.log_opts
    if driver == NONE:
        if given:
            raise InvalidInput("", "invalid logging opts for driver none")
        return
    taken = _TAKEN.get(driver)
    if taken is None:
        raise InvalidInput(
            "",
            f"logging driver {driver!r} is not supported",
            remedy="json-file, local and none are: tuidock keeps logs itself",
        )
    for name in given:
        if name not in taken:
            end = "json-file log driver" if driver == "json-file" else f"log driver {driver}"
            raise InvalidInput("", f"unknown log opt '{name}' for {end}")
    _check_unchanging(given)
    log_bound(options)
    if "labels-regex" in given or "env-regex" in given:
        _check_expressions(given)


def log_bound(options: CreateOptions) -> dict[str, Any] | None:
    """The bundle's ``log``: bytes of a file with its index, number of files; None keeps no log."""
    driver, given = log_driver(options), options.log_opts
    if driver == NONE:
        return None
    size = _size(given["max-size"]) if "max-size" in given else _SIZE
    files = 1 if driver == "json-file" and "max-size" in given else _FILES
    if "max-file" in given:
        files = _count(given["max-file"])
    return {"max_size": size, "max_files": files}


def _check_unchanging(given: Mapping[str, str]) -> None:
    if given.get("compress", "false").lower() not in _FALSE:
        raise InvalidInput(
            "",
            f"{_NO_START}compress is not supported: rotated logs stay readable as they are",
            remedy="leave compress out, or choose a smaller max-size or max-file",
        )
    mode = given.get("mode", "blocking")
    if mode == "non-blocking":
        raise InvalidInput(
            "",
            "logger: mode non-blocking is not supported: it would lose output, and here the log's writer"
            " waits for nobody",
            remedy="leave mode out",
        )
    if mode != "blocking":
        raise InvalidInput("", f"logger: logging mode not supported: {mode}")


def _check_expressions(given: Mapping[str, str]) -> None:
    import re

    for name in ("labels-regex", "env-regex"):
        try:
            re.compile(given.get(name, ""))
        except re.error as error:
            raise InvalidInput("", f"{_NO_START}error parsing regexp: {error}: `{given[name]}`") from None


def _size(text: str) -> int:
    """Bytes of a size as Docker reads it here: in powers of ten."""
    import re  # few containers have any options

    found = re.fullmatch(_HUMAN_SIZE, text)
    if found is None:
        raise InvalidInput("", f"{_NO_START}invalid size: '{text}'")
    number, unit = found.groups()
    size = int(float(number) * 1000 ** (_UNITS.index(unit.lower()) + 1 if unit else 0))
    if size <= 0:
        raise InvalidInput("", f"{_NO_START}max-size must be a positive number")
    return size


def _count(text: str) -> int:
    try:
        count = int(text)
    except ValueError:
        reason = f'strconv.Atoi: parsing "{text}": invalid syntax'
        raise InvalidInput("", f"{_NO_START}{reason}") from None
    if count < 1:
        raise InvalidInput("", f"{_NO_START}max-file cannot be less than 1")
    return count

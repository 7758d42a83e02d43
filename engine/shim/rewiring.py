"""Owns what a container's supervisor does when the container joins or leaves networks in its life.

A request brings the items to send now, and the whole of the bundle's ``network`` as it is from then on: the
next run of the container, and who cleans up after this process, go by that. Refuses to compose any of it.
"""

from __future__ import annotations

import os

from engine.shim import state

TYPE_CHECKING = False  # importing typing would cost every container half a megabyte
if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.shim.container import Container


def change(container: Container, request: dict) -> None:  # type: ignore[type-arg]  # JSON
    """Do what the request ``network`` says (docs/BUNDLE.md); Refusal, OSError: all is as it was."""
    bundle, new = container.bundle, request["network"]
    path = f"{bundle['run_dir']}/bundle.json"
    before = (bundle.get("network") or {}).get("teardown", [])
    # Should this process be killed meanwhile: all that can be there then is torn down.
    both = {**new, "teardown": [*before, *new["teardown"]]}
    state.write_json(path, {**bundle, "network": both}, durable=False)
    try:
        container.network.change(container.pid, request)
    except BaseException:
        state.write_json(path, bundle, durable=False)
        raise
    bundle["network"], bundle["companions"] = new, request["companions"]
    _tell(bundle, request, path)


def _tell(bundle: dict, request: dict, path: str) -> None:  # type: ignore[type-arg]
    """In every file that says so; a full disk changes nothing of where the container is by now."""
    steps: list[Callable[[], object]] = [
        lambda: state.write_json(path, bundle, durable=False),  # until then: what is torn down is too much
        lambda: _edit_hosts(request),
        lambda: _edit_resolv_conf(request),
        *(lambda event=event: state.append(bundle, event) for event in request["events"]),
    ]
    for step in steps:
        try:
            step()
        except OSError:
            pass


def _edit_hosts(request: dict) -> None:  # type: ignore[type-arg]
    """Take lines out and put others at the end; those that the container has written itself stay."""
    edit = request["hosts"]
    if not (edit["remove"] or edit["add"]):
        return
    with open(edit["path"], encoding="utf-8", errors="surrogateescape") as file:
        lines = file.read().splitlines()
    gone = set(edit["remove"])
    _write_over(edit["path"], [*(line for line in lines if line not in gone), *edit["add"]])


def _edit_resolv_conf(request: dict) -> None:  # type: ignore[type-arg]
    """Put ``after`` in the place of ``before``; one that the container has changed itself stays."""
    edit = request["resolv_conf"]
    if edit["before"] == edit["after"]:
        return
    with open(edit["path"], encoding="utf-8", errors="surrogateescape") as file:
        if file.read() != edit["before"]:
            return
    _write_over(edit["path"], edit["after"].splitlines())


def _write_over(path: str, lines: list[str]) -> None:
    """In place: the container, and those that joined it, have this inode bound."""
    content = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        os.ftruncate(fd, os.pwrite(fd, content, 0))
    finally:
        os.close(fd)

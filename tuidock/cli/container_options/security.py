"""Owns the flags of what a container may do: capabilities, security options, users, namespaces, devices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuidock.cli.command import SpecError
from tuidock.cli.flags import many, switch, text
from tuidock.cli.specs import scalars
from tuidock.cli.specs.every import every

if TYPE_CHECKING:
    from tuidock.cli.command import Invocation

FLAGS = (
    many("cap-add", "Add Linux capabilities"),
    many("cap-drop", "Drop Linux capabilities"),
    switch("privileged", "Give extended privileges to this container"),
    switch("read-only", "Mount the container's root filesystem as read only"),
    many("security-opt", "Security Options (no-new-privileges)"),
    text("user", "Username or UID (format: <name|uid>[:<group|gid>])", "u"),
)


def given(invocation: Invocation) -> dict[str, Any]:
    """The fields of CreateOptions that these flags set."""
    return {
        "cap_add": invocation.many("cap-add"),
        "cap_drop": invocation.many("cap-drop"),
        "privileged": invocation.switch("privileged"),
        "read_only": invocation.switch("read-only"),
        "no_new_privileges": _no_new_privileges(invocation),
        "user": invocation.filled("user"),
    }


def _no_new_privileges(invocation: Invocation) -> bool:
    wanted = False
    for option in invocation.many("security-opt"):
        name, value = option, "true"
        for separator in "=:":
            if separator in option:
                name, _, value = option.partition(separator)
                break
        if name != "no-new-privileges":
            raise SpecError(f'Invalid --security-opt: "{option}" (supported: no-new-privileges)')
        wanted = next(iter(every(scalars.boolean, (value,))))
    return wanted

"""Owns the flags of what a container may do: capabilities, security options, users, namespaces, devices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuidock.cli.container_options import security_options
from tuidock.cli.flags import many, switch, text

if TYPE_CHECKING:
    from tuidock.cli.command import Invocation

FLAGS = (
    many("cap-add", "Add Linux capabilities"),
    many("cap-drop", "Drop Linux capabilities"),
    switch("privileged", "Give extended privileges to this container"),
    switch("read-only", "Mount the container's root filesystem as read only"),
    many("security-opt", f"Security Options ({', '.join(security_options.NAMES)})"),
    text("user", "Username or UID (format: <name|uid>[:<group|gid>])", "u"),
)


def given(invocation: Invocation) -> dict[str, Any]:
    """The fields of CreateOptions that these flags set."""
    return {
        "cap_add": invocation.many("cap-add"),
        "cap_drop": invocation.many("cap-drop"),
        "privileged": invocation.switch("privileged"),
        "read_only": invocation.switch("read-only"),
        "user": invocation.filled("user"),
        **security_options.fields(invocation.many("security-opt")),
    }

"""Owns having the AppArmor profile in the kernel before a container starts that is to be confined by it.

Refuses to choose it: ``engine.runtime.confinement``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.runtime.confinement import DEFAULT_PROFILE, PARSERS, default_profile, profile_of

if TYPE_CHECKING:
    from engine.containers.parts import Parts
    from engine.records import Container


async def loaded_profile(parts: Parts, container: Container) -> str | None:
    """The name of the container's profile, the engine's own loaded; None where the kernel has no AppArmor."""
    profile = profile_of(container.options)
    if profile == DEFAULT_PROFILE:
        parser = next(path for path in PARSERS if os.path.exists(path))
        arguments = {"name": profile, "text": default_profile(), "parser": parser}
        await parts.launcher.work("engine.shim.apparmor:load", arguments)
    return profile

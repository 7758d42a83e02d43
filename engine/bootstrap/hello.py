"""Owns the hello-world image: one executable that the engine writes itself; needs nothing, refuses a tag."""

from __future__ import annotations

from engine.bootstrap.elf import printing_executable
from engine.bootstrap.recipe import PATH, Entry, Recipe, write_root
from engine.oci import platform

_TEXT = """\

Hello from tuidock!
If you can read this, the engine on this machine works.

What just happened:
 1. tuidock wrote a tiny static program and made an image of it, without any network.
 2. It gave the program namespaces, a root file system and a cgroup of its own.
 3. A supervisor of its own started it, kept these lines in its log and noted how it ended.

What to try next:
 $ tuidock image bootstrap busybox
 $ tuidock run -it busybox sh
 $ tuidock

"""


def make(tag: str, staging: str, host_ca: bool) -> Recipe:  # noqa: ARG001 - a recipe's signature
    """Write the image's tar into ``staging``."""
    architecture = platform.host().architecture
    executable = printing_executable(_TEXT.encode(), architecture)
    path = f"{staging}/hello-world.tar"
    write_root(path, [Entry(name="hello", mode=0o755, content=executable)])
    return Recipe(
        tar=path,
        name=f"hello-world:{tag or 'latest'}",
        created_by="tuidock image bootstrap hello-world",
        cmd=("/hello",),
        env=(PATH,),
    )

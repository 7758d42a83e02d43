"""Owns the table of verbs: every spelling, where its code is, and one line on it; refuses to import any.

A verb's module is imported only when it is used: ``tuidock ps`` never loads what ``build`` needs.
"""

from __future__ import annotations

import msgspec


class Verb(msgspec.Struct, frozen=True):
    """One verb: all ``spellings`` (the first of a group is the one it lists), module and attribute."""

    spellings: tuple[str, ...]
    module: str
    attribute: str
    summary: str


class Group(msgspec.Struct, frozen=True):
    """A word that has verbs below it."""

    name: str
    summary: str


GROUPS = (
    Group("builder", "Manage builds"),
    Group("container", "Manage containers"),
    Group("image", "Manage images"),
    Group("job", "Manage builds, pulls, loads and prunes that run by themselves"),
    Group("manifest", "Manage Docker image manifests and manifest lists"),
    Group("network", "Manage networks"),
    Group("system", "Manage tuidock"),
    Group("volume", "Manage volumes"),
)
COMMON = ("run", "exec", "ps", "build", "images", "version", "info")
"""The top-level verbs that help shows first, in this order."""

_ATTACH = "Attach local standard input, output, and error streams to a running container"
_COPY = "Copy files/folders between a container and the local filesystem"
_DIFF = "Inspect changes to files or directories on a container's filesystem"
_IMPORT = "Import the contents from a tarball to create a filesystem image"

VERBS = (
    Verb(("container run", "run"), "run", "RUN", "Create and run a new container from an image"),
    Verb(("container create", "create"), "run", "CREATE", "Create a new container"),
    Verb(("container start", "start"), "attached", "START", "Start one or more stopped containers"),
    Verb(("container attach", "attach"), "attached", "ATTACH", _ATTACH),
    Verb(("container exec", "exec"), "attached", "EXEC", "Execute a command in a running container"),
    Verb(("container execs",), "executions", "LIST", "List the exec sessions of a container"),
    Verb(("container stop", "stop"), "lifecycle", "STOP", "Stop one or more running containers"),
    Verb(("container kill", "kill"), "lifecycle", "KILL", "Kill one or more running containers"),
    Verb(("container restart", "restart"), "lifecycle", "RESTART", "Restart one or more containers"),
    Verb(
        ("container pause", "pause"),
        "lifecycle",
        "PAUSE",
        "Pause all processes within one or more containers",
    ),
    Verb(
        ("container unpause", "unpause"),
        "lifecycle",
        "UNPAUSE",
        "Unpause all processes within one or more containers",
    ),
    Verb(
        ("container wait", "wait"),
        "lifecycle",
        "WAIT",
        "Block until one or more containers stop, then print their exit codes",
    ),
    Verb(("container rm", "container remove", "rm"), "lifecycle", "REMOVE", "Remove one or more containers"),
    Verb(("container rename", "rename"), "lifecycle", "RENAME", "Rename a container"),
    Verb(("container ls", "container list", "container ps", "ps"), "containers", "LIST", "List containers"),
    Verb(("container logs", "logs"), "logs", "LOGS", "Fetch the logs of a container"),
    Verb(
        ("container port", "port"),
        "containers",
        "PORT",
        "List port mappings or a specific mapping for the container",
    ),
    Verb(
        ("container stats", "stats"),
        "stats",
        "STATS",
        "Display a live stream of container(s) resource usage statistics",
    ),
    Verb(("container top", "top"), "stats", "TOP", "Display the running processes of a container"),
    Verb(
        ("container update", "update"), "update", "UPDATE", "Update configuration of one or more containers"
    ),
    Verb(("container cp", "cp"), "copy", "COPY", _COPY),
    Verb(("container diff", "diff"), "containers", "DIFF", _DIFF),
    Verb(
        ("container commit", "commit"),
        "containers",
        "COMMIT",
        "Create a new image from a container's changes",
    ),
    Verb(
        ("container export", "export"),
        "archives",
        "EXPORT",
        "Export a container's filesystem as a tar archive",
    ),
    Verb(
        ("container inspect",),
        "inspect",
        "CONTAINER",
        "Display detailed information on one or more containers",
    ),
    Verb(("container prune",), "prune", "CONTAINERS", "Remove all stopped containers"),
    Verb(("image ls", "image list", "images"), "images", "LIST", "List images"),
    Verb(("image rm", "image remove", "rmi"), "images", "REMOVE", "Remove one or more images"),
    Verb(("image tag", "tag"), "images", "TAG", "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE"),
    Verb(("image history", "history"), "images", "HISTORY", "Show the history of an image"),
    Verb(
        ("image bootstrap",), "images", "BOOTSTRAP", "Make a base image on this machine, without a registry"
    ),
    Verb(("image inspect",), "inspect", "IMAGE", "Display detailed information on one or more images"),
    Verb(("image prune",), "prune", "IMAGES", "Remove unused images"),
    Verb(("image pull", "pull"), "registries", "PULL", "Download an image from a registry"),
    Verb(("image push", "push"), "registries", "PUSH", "Upload an image to a registry"),
    Verb(("manifest inspect",), "registries", "MANIFEST", "Display an image manifest, or manifest list"),
    Verb(("login",), "registries", "LOGIN", "Authenticate to a registry"),
    Verb(("logout",), "registries", "LOGOUT", "Log out from a registry"),
    Verb(("image load", "load"), "archives", "LOAD", "Load an image from a tar archive or STDIN"),
    Verb(
        ("image save", "save"),
        "archives",
        "SAVE",
        "Save one or more images to a tar archive (streamed to STDOUT by default)",
    ),
    Verb(("image import", "import"), "archives", "IMPORT", _IMPORT),
    Verb(("image build", "build", "builder build"), "build", "BUILD", "Build an image from a Dockerfile"),
    Verb(("builder prune",), "prune", "BUILDER", "Remove build cache"),
    Verb(("inspect",), "inspect", "ANY", "Return low-level information on tuidock objects"),
    Verb(("system info", "info"), "system", "INFO", "Display system-wide information"),
    Verb(("version",), "system", "VERSION", "Show the tuidock version information"),
    Verb(("system events", "events"), "events", "EVENTS", "Get real time events from the engine"),
    Verb(("system start",), "service", "START", "Start what should run by its restart policy, after a boot"),
    Verb(("system stop",), "service", "STOP", "Stop all containers, which 'system start' starts again"),
    Verb(
        ("system install-service",),
        "service",
        "INSTALL",
        "Write a systemd unit that starts containers with the machine",
    ),
    Verb(("system check",), "check", "CHECK", "Show what is left over, missing or damaged, and repair it"),
    Verb(("system df",), "usage", "DF", "Show tuidock disk usage"),
    Verb(("system prune",), "prune", "SYSTEM", "Remove unused data"),
    Verb(
        ("job ls", "job list", "jobs"),
        "jobs",
        "LIST",
        "List builds, pulls, loads and prunes in jobs of their own",
    ),
    Verb(("job follow",), "jobs", "FOLLOW", "Show a job's progress from its start to its end"),
    Verb(("job cancel",), "jobs", "CANCEL", "Cancel one or more running jobs"),
    Verb(("job rm", "job remove"), "jobs", "REMOVE", "Forget one or more finished jobs"),
    Verb(("network connect",), "connections", "CONNECT", "Connect a container to a network"),
    Verb(("network create",), "networks", "CREATE", "Create a network"),
    Verb(("network disconnect",), "connections", "DISCONNECT", "Disconnect a container from a network"),
    Verb(("network ls", "network list"), "networks", "LIST", "List networks"),
    Verb(("network rm", "network remove"), "networks", "REMOVE", "Remove one or more networks"),
    Verb(("network prune",), "prune", "NETWORKS", "Remove all unused networks"),
    Verb(("network inspect",), "inspect", "NETWORK", "Display detailed information on one or more networks"),
    Verb(("volume create",), "volumes", "CREATE", "Create a volume"),
    Verb(("volume ls", "volume list"), "volumes", "LIST", "List volumes"),
    Verb(("volume rm", "volume remove"), "volumes", "REMOVE", "Remove one or more volumes"),
    Verb(("volume inspect",), "inspect", "VOLUME", "Display detailed information on one or more volumes"),
    Verb(("volume prune",), "prune", "VOLUMES", "Remove unused local volumes"),
)


def by_spelling() -> dict[str, Verb]:
    """Every spelling and its verb."""
    return {spelling: verb for verb in VERBS for spelling in verb.spellings}


def group(name: str) -> Group | None:
    """The group called ``name``."""
    return next((found for found in GROUPS if found.name == name), None)


def canonical(spelling: str, verb: Verb) -> str:
    """The spelling that help shows for the one used: ``container ps`` is shown as ``container ls``."""
    word, space, _ = spelling.partition(" ")
    if not space:
        return spelling
    return next(known for known in verb.spellings if known.startswith(f"{word} "))

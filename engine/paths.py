"""Owns the name of every path on disk; refuses to create, open or list any of them.

Two trees: ``root`` is persistent (``/var/lib/tuidock``), ``run`` is gone after a reboot, on purpose.
"""

from __future__ import annotations

import os
import zlib
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHORT = 12


class Paths(msgspec.Struct, frozen=True):
    """All paths below one persistent ``root`` and one volatile ``run``; both absolute."""

    root: str
    run: str

    # persistent -----------------------------------------------------------------------------
    @property
    def database(self) -> str:
        return f"{self.root}/tuidock.db"

    @property
    def reserve(self) -> str:
        """Space kept back for what makes room on a full disk: see ``engine.store.reserve``."""
        return f"{self.root}/reserve"

    @property
    def events(self) -> str:
        """Append-only, one JSON object a line; supervisors and engines both write it."""
        return f"{self.root}/events.jsonl"

    @property
    def blobs(self) -> str:
        """OCI image-layout form: ``blobs/sha256/<hex>``."""
        return f"{self.root}/blobs/sha256"

    def blob(self, digest: str) -> str:
        return f"{self.root}/blobs/{digest.replace(':', '/', 1)}"

    @property
    def layers(self) -> str:
        return f"{self.root}/layers"

    def layer(self, chain_id: str) -> str:
        """One unpacked layer: an overlay lower directory, its root is the layer's root."""
        return f"{self.root}/layers/{chain_id.removeprefix('sha256:')}"

    @property
    def staging(self) -> str:
        """Half-made things, on the same file system as what they are renamed to; swept at open."""
        return f"{self.root}/staging"

    @property
    def downloads(self) -> str:
        return f"{self.root}/downloads"

    def download(self, digest: str) -> str:
        """What has come of a registry's blob so far; it outlives who fetched it, so that the next goes on."""
        return f"{self.downloads}/{digest.removeprefix('sha256:')}"

    @property
    def store_lock(self) -> str:
        """flock: shared by whoever makes layers and images, exclusive for the garbage collector."""
        return f"{self.root}/store.lock"

    @property
    def containers(self) -> str:
        return f"{self.root}/containers"

    def container(self, container_id: str) -> str:
        return f"{self.root}/containers/{container_id}"

    def container_upper(self, container_id: str) -> str:
        return f"{self.container(container_id)}/upper"

    def container_work(self, container_id: str) -> str:
        return f"{self.container(container_id)}/work"

    def container_init_layer(self, container_id: str) -> str:
        """Mount points that the engine adds (/etc/hosts …): a lower directory, never committed."""
        return f"{self.container(container_id)}/init"

    def container_log(self, container_id: str) -> str:
        """The container's raw output bytes, both streams in the order they were read."""
        return f"{self.container(container_id)}/log"

    def container_log_index(self, container_id: str) -> str:
        return f"{self.container(container_id)}/log.idx"

    def container_state(self, container_id: str) -> str:
        """The facts that the supervisor alone writes, by rename: see ``engine.shim.wire``."""
        return f"{self.container(container_id)}/state.json"

    def container_hosts(self, container_id: str) -> str:
        return f"{self.container(container_id)}/hosts"

    def container_hostname(self, container_id: str) -> str:
        return f"{self.container(container_id)}/hostname"

    def container_resolv_conf(self, container_id: str) -> str:
        return f"{self.container(container_id)}/resolv.conf"

    @property
    def volumes(self) -> str:
        return f"{self.root}/volumes"

    def volume(self, name: str) -> str:
        """The volume's data: what is mounted into containers."""
        return f"{self.root}/volumes/{name}/_data"

    @property
    def jobs(self) -> str:
        return f"{self.root}/jobs"

    def job(self, job_id: str) -> str:
        """Folder of one job: ``record.json``, ``progress.jsonl``, ``result.json``, ``lock``."""
        return f"{self.root}/jobs/{job_id}"

    # volatile -------------------------------------------------------------------------------
    @property
    def recovered(self) -> str:
        """The boot id of the kernel under which the store was put in order: ``engine.store.recovery``."""
        return f"{self.run}/recovered"

    def container_run(self, container_id: str) -> str:
        """Folder of one running container: ``bundle.json``, ``lock``, ``socket``.

        Named by the first 12 characters of the id, because a socket's path has 108 bytes.
        """
        return f"{self.run}/c/{container_id[:_SHORT]}"

    def container_bundle(self, container_id: str) -> str:
        return f"{self.container_run(container_id)}/bundle.json"

    def container_lock(self, container_id: str) -> str:
        """POSIX record lock that the supervisor holds while it lives."""
        return f"{self.container_run(container_id)}/lock"

    def container_socket(self, container_id: str) -> str:
        return f"{self.container_run(container_id)}/socket"

    @property
    def names(self) -> str:
        """Who is called what: a folder a network, in it a file a container; see ``engine.shim.names``."""
        return f"{self.run}/names"

    def network_names(self, network_id: str) -> str:
        return f"{self.run}/names/{network_id}"

    @property
    def network_templates(self) -> str:
        """Compiled netlink messages to be patched: see ``engine.network.template``."""
        return f"{self.run}/netlink"

    @property
    def seccomp(self) -> str:
        """Compiled system call filters, named by what they were made of: see ``engine.runtime.seccomp``."""
        return f"{self.run}/seccomp"


def default_paths(environ: Mapping[str, str], uid: int, root: str | None = None) -> Paths:
    """The paths for ``uid``: ``root`` (from --root) wins, then TUIDOCK_ROOT, then the defaults.

    A root of one's own gets a run tree of its own (``TUIDOCK_RUN`` or a folder named after it),
    so that two roots never share a lock or a socket.
    """
    chosen = root or environ.get("TUIDOCK_ROOT")
    if uid == 0:
        default_root, run_base = "/var/lib/tuidock", "/run"
    else:
        data_home = environ.get("XDG_DATA_HOME") or f"{environ.get('HOME', '/')}/.local/share"
        default_root = f"{data_home}/tuidock"
        run_base = environ.get("XDG_RUNTIME_DIR") or f"/tmp/tuidock-{uid}"  # noqa: S108 - the XDG fallback
    explicit_run = environ.get("TUIDOCK_RUN")
    if chosen is None or os.path.abspath(chosen) == default_root:
        return Paths(root=default_root, run=explicit_run or f"{run_base}/tuidock")
    absolute = os.path.abspath(chosen)
    slug = f"{os.path.basename(absolute)[-20:]}-{zlib.crc32(os.fsencode(absolute)):08x}"
    return Paths(root=absolute, run=explicit_run or f"{run_base}/tuidock-{slug}")

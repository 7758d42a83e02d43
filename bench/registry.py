"""Owns what is measured of images on their way: pull, push, save and load of one of 500 MB, and peak memory.

The registry is Debian's docker-registry on the loopback, its storage in memory, so that what is measured is
the engine. Each case is run with the engines' stores in memory and on disk.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING

from bench.image import write_archive
from bench.measure import Case
from bench.memory import process_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.peers import Peer

_LOADED = "bench/large:1"
_ROUNDS = 3
_SECONDS = 30.0
_SAMPLE_SECONDS = 0.01
_WHERE = {False: "store on disk", True: "store in memory"}


def registry_cases(folder: str) -> list[Case]:
    """Every case of the group; ``folder`` is the run's own."""
    server = Server(f"{folder}/memory/registry")
    cases = []
    for memory in (True, False):
        cases += _Large(folder, server, memory=memory).cases()
    return cases


class Server:
    """One docker-registry; started again, it is empty unless it is to keep what it has."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.host = ""
        self.filled = False

    def start(self) -> None:
        """Start it unless it runs."""
        if self._process is not None:
            return
        os.makedirs(self._folder, exist_ok=True)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.host = self.host or f"127.0.0.1:{free.getsockname()[1]}"
        config = f"{self._folder}/config.yml"
        with open(config, "w", encoding="utf-8") as file:
            file.write(
                "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
                f"storage: {{filesystem: {{rootdirectory: {self._folder}/storage}}}}\n"
                f"http: {{addr: '{self.host}'}}\n"
            )
        with open(f"{self._folder}/log", "wb") as log:
            try:
                self._process = subprocess.Popen(["docker-registry", "serve", config], stdout=log, stderr=log)
            except FileNotFoundError as error:
                raise RuntimeError("no docker-registry here: apt-get install docker-registry") from error
        atexit.register(self.stop)
        self._wait()

    def empty(self) -> None:
        """Start it anew with nothing in it."""
        self.stop()
        shutil.rmtree(f"{self._folder}/storage", ignore_errors=True)
        self.filled = False
        self.start()

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _wait(self) -> None:
        host, _, port = self.host.partition(":")
        deadline = time.monotonic() + _SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection((host, int(port))):
                return
            time.sleep(0.01)
        raise RuntimeError("docker-registry did not start")


class _Large:
    """The image, and the cases with it, in one kind of place."""

    def __init__(self, folder: str, server: Server, *, memory: bool) -> None:
        self._folder = f"{folder}/memory" if memory else folder
        self._archive = f"{self._folder}/large.tar"
        self._server = server
        self._memory = memory

    def cases(self) -> list[Case]:
        """The verbs, then what each takes of memory."""
        verbs = (
            ("pull", self._fill, self._forget, self._pull),
            ("push", self._load, self._empty, self._push),
            ("save", self._load, self._drop, self._save),
            ("load", self._write, self._forget, lambda _peer: ("load", "-i", self._archive)),
        )
        where = "memory" if self._memory else "disk"
        cases = [
            Case(
                f"{verb}-{where}",
                f"{verb} of an image of 500 MB, {_WHERE[self._memory]}",
                _ROUNDS,
                command,
                prepare,
                before,
                lambda _peer: self._server.stop(),
                memory=self._memory,
            )
            for verb, prepare, before, command in verbs
        ]
        if self._memory:
            cases += [self._peak(verb, *steps) for verb, *steps in verbs]
        return cases

    def _peak(
        self,
        verb: str,
        prepare: Callable[[Peer], None],
        before: Callable[[Peer], None],
        command: Callable[[Peer], Sequence[str]],
    ) -> Case:
        return Case(
            f"{verb}-peak",
            f"{verb} of an image of 500 MB: most memory (PSS) of all processes at once",
            2,
            prepare=prepare,
            before=before,
            finish=lambda _peer: self._server.stop(),
            timer=lambda peer: _peak_megabytes(peer, command(peer)),
            only="tuidock",
            unit="MB",
            memory=True,
        )

    # -- before the clock ------------------------------------------------------------------------
    def _write(self, _peer: Peer) -> None:
        self._server.start()
        if not os.path.exists(self._archive):
            write_archive(self._archive, _LOADED, seed=1)

    def _load(self, peer: Peer) -> None:
        self._write(peer)
        peer.call("load", "-i", self._archive)
        peer.call("tag", _LOADED, self._name())

    def _fill(self, peer: Peer) -> None:
        """The first of the peers brings it there for all."""
        self._server.start()
        if not self._server.filled:
            self._load(peer)
            peer.call(*self._push(peer))
            self._server.filled = True

    def _forget(self, peer: Peer) -> None:
        for name in (_LOADED, self._name()):
            peer.call("rmi", "-f", name, check=False)

    def _empty(self, _peer: Peer) -> None:
        self._server.empty()

    def _drop(self, peer: Peer) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._saved(peer))

    # -- what is measured ------------------------------------------------------------------------
    def _pull(self, peer: Peer) -> tuple[str, ...]:
        return ("pull", "-q", *_plain(peer), self._name())

    def _push(self, peer: Peer) -> tuple[str, ...]:
        return ("push", "-q", *_plain(peer), self._name())

    def _save(self, peer: Peer) -> tuple[str, ...]:
        return ("save", "-o", self._saved(peer), _LOADED)

    def _saved(self, peer: Peer) -> str:
        return f"{self._folder}/saved-{peer.name}.tar"

    def _name(self) -> str:
        return f"{self._server.host}/bench/large:1"


def _plain(peer: Peer) -> tuple[str, ...]:
    """What says that the registry speaks no TLS; the others know it of a loopback address."""
    return ("--tls-verify=false",) if peer.name == "podman" else ()


def _peak_megabytes(peer: Peer, arguments: Sequence[str]) -> float:
    """The most that the command's processes had in memory together, in units of 10**6 bytes."""
    mark = f"TUIDOCK_RUN={peer.env['TUIDOCK_RUN']}".encode()
    most = 0
    process = subprocess.Popen([*peer.command, *arguments], env=peer.environment(), stdout=subprocess.DEVNULL)
    while process.poll() is None:
        most = max(most, process_memory(mark))
        time.sleep(_SAMPLE_SECONDS)
    if process.returncode != 0:
        raise RuntimeError(f"{peer.name} {' '.join(arguments)}: exit code {process.returncode}")
    return most / 1e6

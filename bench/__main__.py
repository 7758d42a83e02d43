"""Owns one bench run: ``python -m bench [GROUP[,GROUP…]]`` as root, see ``make bench``."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from typing import TYPE_CHECKING

from bench.cases import groups, import_image
from bench.measure import measure
from bench.network import programs as network_programs
from bench.peers import open_peers, versions
from bench.report import OURS, print_case, write_results

if TYPE_CHECKING:
    from bench.measure import Case, Samples
    from bench.peers import Peer

_INSIDE = "TUIDOCK_BENCH_INSIDE"
_RESULTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "results")


def main() -> int:
    """Run the chosen groups of cases; 1 if one of them could not be measured."""
    if not os.environ.get(_INSIDE):
        # In a network namespace of its own: the peers' bridges and firewall rules meet neither each
        # other's leftovers nor the machine's, and end with it.
        os.environ[_INSIDE] = "1"
        again = ["unshare", "--net", "--", sys.executable, "-m", "bench", *sys.argv[1:]]
        os.execvp(again[0], again)  # noqa: S606 - there is no shell to want
    signal.signal(signal.SIGTERM, _end)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    chosen = [name for argument in sys.argv[1:] for name in argument.split(",")]
    folder = tempfile.mkdtemp(prefix="td-bench-", dir="/tmp")
    peers: list[Peer] = []
    try:
        return _run(folder, peers, _chosen(folder, chosen))
    finally:
        with ExitStack() as ending:  # one that does not end keeps none of the others
            for peer in peers:
                ending.callback(peer.stop)
        _unmount(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _end(number: int, _frame: object) -> None:
    """Leave by way of every clean-up: a peer's daemon must not outlive the bench."""
    raise SystemExit(128 + number)


def _chosen(folder: str, names: list[str]) -> list[Case]:
    known = groups(folder)
    if unknown := set(names) - set(known):
        raise SystemExit(f"bench: no group {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return [case for name, cases in known.items() if not names or name in names for case in cases]


def _run(folder: str, peers: list[Peer], cases: list[Case]) -> int:
    """Measure the cases; whoever is opened for it is in ``peers``."""
    results: list[tuple[Case, list[Samples]]] = []
    failed = False
    names: dict[str, str] = {}
    if any(case.memory for case in cases):
        os.makedirs(f"{folder}/memory")
        subprocess.run(["mount", "-t", "tmpfs", "bench", f"{folder}/memory"], check=True)
    try:
        for place, wanted in _by_place(cases).items():
            apart = place == "apart"
            opened = open_peers(f"{folder}/{place}", apart=apart)
            peers += opened
            if not names:
                names = versions(opened)
                print("\n".join(f"{name:<10}{version}" for name, version in names.items()))
            ready = import_image(opened, folder, network_programs() if apart else {})
            failed |= not any(peer.name == OURS for peer in ready)
            for case in wanted:
                samples, failures = measure(case, ready)
                print_case(case, samples, failures)
                failed |= OURS in failures
                results.append((case, samples))
    finally:
        if results:  # also of a run that somebody ended
            print(f"\nwritten to {os.path.relpath(write_results(_RESULTS, names, results))}")
    return int(failed)


def _by_place(cases: list[Case]) -> dict[str, list[Case]]:
    """The cases by the folder that the peers' stores are in."""
    places: dict[str, list[Case]] = {}
    for case in cases:
        place = "apart" if case.apart else "memory" if case.memory else "together"
        places.setdefault(place, []).append(case)
    return places


def _unmount(folder: str) -> None:
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        points = [line.split()[4] for line in file]
    for point in sorted((point for point in points if point.startswith(folder)), reverse=True):
        subprocess.run(["umount", "-l", point], check=False)


if __name__ == "__main__":
    sys.exit(main())

"""Owns what comes out: a table of medians, spreads and ratios for people, JSON for comparison over time."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.measure import Case, Samples

OURS = "tuidock"


def print_case(case: Case, samples: Sequence[Samples], failures: Mapping[str, str]) -> None:
    """Print one case: for each peer median and quartiles, and ours divided by theirs."""
    print(f"\n{case.what}  ({case.rounds} rounds)")
    ours = next((sample for sample in samples if sample.peer == OURS), None)
    scale, digits = (1000, 1) if case.unit == "ms" else (1, 2)
    for sample in samples:
        low, high = (scale * value for value in sample.quartiles)
        line = f"  {sample.peer:<10}{scale * sample.median:>12.{digits}f} {case.unit}"
        line += f"   [{low:.{digits}f} .. {high:.{digits}f}]"
        if ours is not None and sample is not ours:
            line += f"   {OURS}/{sample.peer} = {ours.median / sample.median:.2f}"
        print(line)
    for name, reason in failures.items():
        print(f"  {name:<10}    FAILED   {reason}")
    sys.stdout.flush()


def write_results(
    folder: str, versions: dict[str, str], results: Sequence[tuple[Case, Sequence[Samples]]]
) -> str:
    """Write everything that was measured as one JSON file; returns its path."""
    os.makedirs(folder, exist_ok=True)
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    document = {
        "time": stamp,
        "machine": {
            "kernel": platform.release(),
            "cpus": os.cpu_count(),
            "python": platform.python_version(),
        },
        "versions": versions,
        "cases": {
            case.name: {
                "what": case.what,
                "unit": "s" if case.unit == "ms" else case.unit,
                "samples": {sample.peer: list(sample.seconds) for sample in samples},
                "median": {sample.peer: sample.median for sample in samples},
            }
            for case, samples in results
        },
    }
    path = f"{folder}/{stamp}.json"
    with open(path, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)
    return path

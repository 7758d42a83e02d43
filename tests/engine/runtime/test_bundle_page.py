"""docs/BUNDLE.md tells of what a bundle has, and of nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from engine.oci.config import ContainerConfig, HealthCheck
from tests.engine.runtime.test_bundle import bundle
from tests.support.project import ROOT

PAGE = Path(ROOT, "docs", "BUNDLE.md").read_text()
FULL = bundle(ContainerConfig(cmd=("c",), healthcheck=HealthCheck(test=("CMD", "true"))))


def test_the_table_has_the_fields_of_a_bundle():
    first_columns = re.findall(r"^\| (`[^|]*) \|", PAGE, re.MULTILINE)
    named = [name for column in first_columns for name in re.findall(r"`(\w+)`", column)]
    assert sorted(named) == sorted(FULL)


def test_the_fields_of_what_is_in_it_are_named():
    parts = [FULL[name] for name in ("process", "rootfs", "cgroup", "health", "restart", "log")]
    parts += [*FULL["mounts"], *FULL["devices"]]
    assert {name for part in parts for name in part} <= set(re.findall(r"`(\w+)`", PAGE))

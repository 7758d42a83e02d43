"""docs/SECURITY.md promises nothing that no test holds."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.support.project import ROOT

PAGE = Path(ROOT, "docs", "SECURITY.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", PAGE)))


@pytest.mark.parametrize("path", sorted({path for path, _ in NAMED}))
def test_the_tests_that_the_page_names_are_there(path):
    text = Path(ROOT, path).read_text()
    there = set(re.findall(r"^(?:async )?def (test_\w+)", text, re.MULTILINE))
    assert {name for file, name in NAMED if file == path} <= there


def test_each_row_of_settings_and_escapes_names_a_test():
    rows = [line for line in PAGE.splitlines() if line.startswith("| ")]
    tables = [row for row in rows if "Reached how" not in row and "Tested by" not in row]
    silent = [row for row in tables if "`tests/" not in row]
    assert all("the clone" in row or "the host's file" in row for row in silent)
    assert len(tables) - len(silent) >= 28


def test_the_readme_leads_to_the_page():
    assert "docs/SECURITY.md" in Path(ROOT, "README.md").read_text()
    assert os.path.exists(os.path.join(ROOT, "docs", "SECURITY.md"))

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.support.project import ROOT
from tuidock.theming import DEFAULT, VARIABLES, ThemeError, load_themes, read_theme, themes_folder


def test_there_are_two_themes_at_least_and_the_default_comes_first():
    names = list(load_themes())
    assert len(names) >= 2
    assert names[0] == DEFAULT


def test_a_light_one_is_among_them():
    assert any(not theme.dark for theme in load_themes().values())


def test_themes_are_data_at_the_top_of_the_checkout():
    assert themes_folder() == os.path.join(ROOT, "themes")


def test_a_theme_that_lacks_a_variable_is_refused_by_name(tmp_path: Path):
    text = Path(themes_folder(), "harbor.toml").read_text(encoding="utf-8")
    broken = tmp_path / "broken.toml"
    broken.write_text(text.replace("state-running", "state-walking"), encoding="utf-8")
    with pytest.raises(ThemeError, match=r"broken\.toml: missing variables\.state-running"):
        read_theme(str(broken))


def test_a_file_that_is_no_toml_is_refused_by_name(tmp_path: Path):
    broken = tmp_path / "broken.toml"
    broken.write_text("name =", encoding="utf-8")
    with pytest.raises(ThemeError, match=r"broken\.toml"):
        read_theme(str(broken))


def test_the_readme_names_every_variable():
    text = Path(themes_folder(), "README.md").read_text(encoding="utf-8")
    assert [name for name in VARIABLES if name not in text] == []


def test_styles_use_only_variables_that_every_theme_has():
    known = set(VARIABLES) | {
        "primary", "secondary", "accent", "foreground", "background", "surface", "panel", "success", "warning", "error"
    }  # fmt: skip
    used = set()
    for path in Path(ROOT, "tuidock", "styles").glob("*.tcss"):
        used |= set(re.findall(r"\$([a-z-]+)", path.read_text(encoding="utf-8")))
    assert used <= known

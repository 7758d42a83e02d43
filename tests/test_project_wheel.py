from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.project import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel as pip would build it; hatchling is there, so no network is needed."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("COV_")}
    subprocess.run(command, cwd=ROOT, env=environ, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_packages_themes_and_styles_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if "dist-info" not in name} == {"tuidock", "engine"}
    sources = {path.name for path in Path(ROOT, "themes").glob("*.toml")}
    assert {
        Path(name).name for name in names if name.startswith("tuidock/themes/") and name.endswith(".toml")
    } == sources
    styles = {path.name for path in Path(ROOT, "tuidock/styles").glob("*.tcss")}
    assert {Path(name).name for name in names if name.endswith(".tcss")} == styles


def test_themes_and_engine_work_from_the_wheel_alone(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = (
        "import tuidock.theming as theming, engine.engine, sys\n"
        f"assert theming.__file__.startswith({str(tmp_path)!r}), theming.__file__\n"
        "print(len(theming.load_themes()))"
    )
    # -P and the extracted folder first: the checkout, which is installed too, must not be what is imported.
    run = subprocess.run(
        [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{code}"],
        cwd=tmp_path, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert (run.returncode, run.stderr) == (0, "")
    assert int(run.stdout) >= 2


def test_the_wheel_holds_the_default_seccomp_profile_and_its_programs(wheel):
    folder = Path(ROOT, "engine/runtime/seccomp")
    wanted = {
        str(path.relative_to(ROOT)) for path in (folder / "default.json", *folder.glob("compiled/*.bpf"))
    }
    assert len(wanted) > 1
    assert wanted <= set(zipfile.ZipFile(wheel).namelist())


def test_the_console_script_is_declared(wheel):
    archive = zipfile.ZipFile(wheel)
    entry_points = next(name for name in archive.namelist() if name.endswith("entry_points.txt"))
    assert "tuidock = tuidock.__main__:main" in archive.read(entry_points).decode()

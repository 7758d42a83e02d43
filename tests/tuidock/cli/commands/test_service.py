from __future__ import annotations

import configparser
import os
import shutil
import subprocess

import pytest

from engine.paths import Paths, default_paths
from tests.support.command_line import CommandLine
from tuidock.cli.commands.service import service_name, service_unit


def unit(paths: Paths, interpreter: str = "/usr/bin/python3") -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(service_unit(paths, interpreter))
    return parser


def test_the_unit_starts_after_the_network_and_stops_before_a_shutdown():
    parser = unit(default_paths({}, 0))
    program = "/usr/bin/python3 -P -m tuidock --root /var/lib/tuidock"
    assert parser["Service"]["ExecStart"] == f"{program} system start"
    assert parser["Service"]["ExecStop"] == f"{program} system stop"
    assert (parser["Service"]["Type"], parser["Service"]["RemainAfterExit"]) == ("oneshot", "yes")
    assert "network-online.target" in parser["Unit"]["After"]


def test_words_are_quoted_for_systemd():
    parser = unit(Paths(root='/a b/100%"', run="/run/x y"))
    assert parser["Service"]["ExecStart"].endswith('--root "/a b/100%%\\"" system start')
    assert parser["Service"]["Environment"] == '"TUIDOCK_RUN=/run/x y"'
    assert parser["Unit"]["RequiresMountsFor"] == '"/a b/100%%\\""'


def test_a_root_of_its_own_has_a_unit_of_its_own():
    assert service_name(default_paths({}, 0)) == "tuidock.service"
    other = service_name(default_paths({}, 0, "/srv/other"))
    assert other.startswith("tuidock-other-")
    assert other != service_name(default_paths({}, 0, "/opt/other"))


@pytest.mark.root
def test_the_unit_is_written_and_enabled(paths, tmp_path):
    tuidock = CommandLine(paths)
    path = tuidock.ok("system", "install-service", "--directory", str(tmp_path)).strip()
    with open(path, encoding="utf-8") as file:
        assert file.read() == tuidock.ok("system", "install-service", "--print")
    link = f"{tmp_path}/multi-user.target.wants/{os.path.basename(path)}"
    assert os.path.samefile(link, path)
    if analyse := shutil.which("systemd-analyze"):
        checked = subprocess.run([analyse, "verify", path], capture_output=True, text=True, check=False)
        assert os.path.basename(path) not in checked.stderr


@pytest.mark.root
def test_a_folder_that_cannot_be_written_is_an_error(paths, tmp_path):
    (tmp_path / "file").touch()
    run = CommandLine(paths)("system", "install-service", "--directory", f"{tmp_path}/file")
    assert run.returncode == 1
    assert "the unit cannot be written" in run.stderr

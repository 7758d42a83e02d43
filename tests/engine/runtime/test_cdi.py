from __future__ import annotations

import json

import pytest

from engine.errors import InvalidInput, RuntimeFailure
from engine.runtime.cdi import injected
from engine.runtime.mounts import Mount


def specification(folder, name: str = "vendor.json", **fields) -> str:
    content = {"cdiVersion": "0.6.0", "kind": "vendor.com/class", "devices": [], **fields}
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(content))
    return str(folder)


def device(name: str = "one", **edits) -> dict[str, object]:
    return {"name": name, "containerEdits": edits}


def test_a_device_brings_its_nodes_variables_mounts_and_groups(tmp_path):
    edits = {
        "env": ["ONE=1"],
        "deviceNodes": [{"path": "/dev/one", "hostPath": "/dev/zero", "permissions": "r"}],
        "mounts": [{"hostPath": "/opt/one", "containerPath": "/one", "options": ["ro", "nosuid", "bind"]}],
        "additionalGids": [44],
    }
    found = injected(["vendor.com/class=one"], [specification(tmp_path, devices=[device(**edits)])])
    assert [(node["path"], node["source"], node["minor"]) for node in found.nodes] == [
        ("/dev/one", "/dev/zero", 5)
    ]
    assert found.rules == ("c 1:5 r",)
    assert found.env == ("ONE=1",)
    assert found.mounts == (Mount("bind", "/opt/one", "/one", ("ro", "nosuid", "bind")),)
    assert found.groups == ("44",)


def test_the_files_own_edits_come_once_and_first(tmp_path):
    devices = [device("one", env=["A=1"]), device("two", env=["B=2"])]
    folder = specification(tmp_path, devices=devices, containerEdits={"env": ["ALL=0"]})
    assert injected(["vendor.com/class=one", "vendor.com/class=two"], [folder]).env == ("ALL=0", "A=1", "B=2")


def test_numbers_that_are_given_need_no_device_on_the_host(tmp_path):
    node = {"path": "/dev/made", "type": "b", "major": 8, "minor": 1, "fileMode": 0o640, "uid": 5, "gid": 6}
    folder = specification(tmp_path, devices=[device(deviceNodes=[node])])
    (made,) = injected(["vendor.com/class=one"], [folder]).nodes
    assert (made["type"], made["major"], made["minor"]) == ("b", 8, 1)
    assert (made["mode"], made["uid"], made["gid"]) == (0o640, 5, 6)


def test_the_second_folder_goes_before_the_first(tmp_path):
    folders = [
        specification(tmp_path / name, devices=[device(env=[f"FROM={name}"])]) for name in ("etc", "run")
    ]
    assert injected(["vendor.com/class=one"], folders).env == ("FROM=run",)


def test_yaml_is_read(tmp_path):
    (tmp_path / "vendor.yaml").write_text(
        "cdiVersion: 0.6.0\nkind: vendor.com/class\n"
        "devices:\n- name: one\n  containerEdits:\n    env:\n    - FROM=yaml\n"
    )
    assert injected(["vendor.com/class=one"], [str(tmp_path)]).env == ("FROM=yaml",)


def test_an_unknown_name_says_what_could_not_be_read(tmp_path):
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(RuntimeFailure, match="unresolvable CDI devices") as caught:
        injected(["vendor.com/class=one"], [str(tmp_path)])
    assert "broken.json" in caught.value.remedy


@pytest.mark.parametrize(
    "edits",
    [
        {"hooks": [{"hookName": "createContainer", "path": "/usr/bin/hook"}]},
        {"mounts": [{"hostPath": "/a", "containerPath": "/b", "options": ["exotic"]}]},
        {"intelRdt": {}},
    ],
)
def test_what_is_not_done_is_refused_not_left_out(tmp_path, edits):
    folder = specification(tmp_path, devices=[device(**edits)])
    with pytest.raises(InvalidInput):
        injected(["vendor.com/class=one"], [folder])

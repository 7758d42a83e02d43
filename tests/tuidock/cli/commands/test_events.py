from __future__ import annotations

import json

import pytest

from engine.events import Event
from tuidock.cli.commands.events import document
from tuidock.cli.listing import rendered_document

TIME = 1_795_228_975_714_895_036
STOP = Event(
    time=TIME, type="container", action="stop", id="c" * 64, attributes={"image": "busybox", "name": "box"}
)


def test_as_json_it_has_the_names_of_dockers_wire():
    assert json.loads(rendered_document(document(STOP), "json")) == {
        "status": "stop",
        "id": "c" * 64,
        "from": "busybox",
        "Type": "container",
        "Action": "stop",
        "Actor": {"ID": "c" * 64, "Attributes": {"image": "busybox", "name": "box"}},
        "scope": "local",
        "time": 1_795_228_975,
        "timeNano": TIME,
    }


def test_only_what_docker_had_first_has_the_old_fields():
    image = Event(time=TIME, type="image", action="tag", id="sha256:1", attributes={"name": "foo:latest"})
    network = Event(time=TIME, type="network", action="connect", id="1")
    assert {"status", "id"} <= set(document(image))
    assert "from" not in set(document(image))
    assert not {"status", "id", "from"} & set(document(network))


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{.Type}} {{.Action}} {{.Actor.ID}}", f"container stop {'c' * 64}"),
        ("{{.Status}} {{.From}} {{.Scope}}", "stop busybox local"),
        ("{{.Time}} {{.TimeNano}}", f"1795228975 {TIME}"),
        ("{{.Actor.Attributes.name}}{{.Actor.Attributes.none}}", "box<no value>"),
    ],
)
def test_templates_have_the_names_of_dockers_fields(source, text):
    assert rendered_document(document(STOP), source) == text

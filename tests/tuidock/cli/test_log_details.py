"""What ``logs --details`` puts before a line: taken from docker 28's answers."""

from __future__ import annotations

import pytest

from engine.oci.config import ContainerConfig
from engine.options import CreateOptions
from engine.records import Container
from tuidock.cli.log_details import details


def container(**log_opts: str) -> Container:
    config = ContainerConfig(labels={"a": "1", "b": "x y"}, env=("E=5", "PATH=/bin"))
    options = CreateOptions(
        image="bb", log_opts={name.replace("_", "-"): log_opts[name] for name in log_opts}
    )
    return Container(
        id="ab" * 32, name="n3", image="bb", image_id="sha256:cd", created=0, options=options, config=config
    )


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({}, b" "),
        ({"labels": "a,b", "env": "E,none", "tag": "x{{.Name}}"}, b"E=5,a=1,b=x+y,tag=xn3 "),
        ({"labels_regex": "^b", "env_regex": "A"}, b"PATH=%2Fbin,b=x+y "),
    ],
)
def test_details_are_what_the_options_name(options, shown):
    assert details(container(**options)) == shown

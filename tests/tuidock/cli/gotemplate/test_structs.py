from typing import Any

import pytest

from tuidock.cli.gotemplate.lexer import TemplateError
from tuidock.cli.gotemplate.structs import Duration, typed
from tuidock.cli.gotemplate.template import Template

_CONTAINER: dict[str, Any] = {
    "Id": "abc",
    "State": {"Status": "running", "Running": True},
    "HostConfig": {
        "Binds": None,
        "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 4},
        "LogConfig": {"Type": "local", "Config": {"max-size": "1m"}},
        "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]},
        "Ulimits": [{"Name": "nofile", "Hard": 200, "Soft": 100}],
        "BlkioDeviceReadBps": [{"Path": "/dev/sda", "Rate": 5}],
        "NanoCpus": 7,
        "PidsLimit": 50,
    },
    "Config": {
        "Cmd": None,
        "Labels": {"a": "b"},
        "ExposedPorts": {"80/tcp": {}},
        "Healthcheck": {"Test": ["CMD", "true"], "Interval": 90_000_000_000, "Retries": 2},
    },
    "NetworkSettings": {"IPAddress": "10.0.0.2"},
}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{.HostConfig.RestartPolicy}}", "{on-failure 4}"),
        ("{{.HostConfig.LogConfig}}", "{local map[max-size:1m]}"),
        ("{{.HostConfig.PortBindings}}", "map[80/tcp:[{ 8080}]]"),
        ("{{.HostConfig.Ulimits}}", "[nofile=100:200]"),
        ("{{.HostConfig.BlkioDeviceReadBps}}", "[/dev/sda:5]"),
        ("{{.HostConfig.Binds}} {{json .HostConfig.Binds}}", "[] null"),
        ("{{.HostConfig.Sysctls}} {{json .HostConfig.Sysctls}}", "map[] null"),
        ("{{.HostConfig.Init}} {{.HostConfig.PidsLimit}}", "<nil> 50"),
        ("{{.HostConfig.NanoCPUs}} {{.HostConfig.Resources.NanoCPUs}}", "7 7"),
        ("{{json .HostConfig.RestartPolicy}}", '{"Name":"on-failure","MaximumRetryCount":4}'),
        ("{{.State}}", "{running true false false false false 0 0    <nil>}"),
        ("{{if .State.Health}}checked{{else}}unchecked{{end}}", "unchecked"),
        ("{{.Config.Healthcheck}}", "{[CMD true] 1m30s 0s 0s 0s 2}"),
        ("{{.Config.ExposedPorts}} {{.Config.Volumes}}", "map[80/tcp:{}] map[]"),
        ("{{.Config.Labels.a}} {{.Config.Labels.nosuch}}", "b <no value>"),
        ("{{.ID}} {{.NetworkSettings.IPAddress}}", "abc 10.0.0.2"),
    ],
)
def test_a_container_is_shown_as_the_go_types_of_docker_are(source: str, expected: str) -> None:
    assert Template(source).render(typed(_CONTAINER)) == expected


@pytest.mark.parametrize("source", ["{{.Id}}", "{{.HostConfig.NanoCpus}}", "{{.State.Health.Status}}"])
def test_a_name_that_only_the_document_has_is_no_field(source: str) -> None:
    with pytest.raises(TemplateError):
        Template(source).render(typed(_CONTAINER))


def test_the_document_itself_is_what_json_prints() -> None:
    assert Template("{{json .Config.Healthcheck}}").render(typed(_CONTAINER)) == (
        '{"Test":["CMD","true"],"Interval":90000000000,"Retries":2}'
    )


def test_a_document_without_a_known_type_has_none() -> None:
    assert typed({"Id": "a network"}) is None


@pytest.mark.parametrize(
    ("nanoseconds", "expected"),
    [
        (0, "0s"),
        (1_500, "1.5µs"),
        (300_000_000, "300ms"),
        (1_500_000_000, "1.5s"),
        (90_000_000_000, "1m30s"),
        (3_600_000_000_000, "1h0m0s"),
        (-1_000_000_000, "-1s"),
    ],
)
def test_a_duration_is_shown_as_gos(nanoseconds: int, expected: str) -> None:
    assert str(Duration(nanoseconds)) == expected

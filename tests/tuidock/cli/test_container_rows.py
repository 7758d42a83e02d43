import pytest

from engine.oci.config import ContainerConfig
from engine.options import CreateOptions
from engine.records import Container, ContainerState, HealthState, PortBinding
from tuidock.cli.container_rows import LAYOUT, ports, row, status

_SECOND = 10**9
_NOW = 1_000_000 * _SECOND


def _container(**fields):
    values = {
        "id": "0123456789abcdef" * 4,
        "name": "quiet_fox",
        "image": "busybox:latest",
        "image_id": "sha256:" + "ab" * 32,
        "created": _NOW - 120 * _SECOND,
        "options": CreateOptions(image="busybox"),
        "config": ContainerConfig(
            entrypoint=("sh", "-c"), cmd=('echo "a long command"',), labels={"a": "1", "b": ""}
        ),
        "state": ContainerState(status="running", started_at=_NOW - 60 * _SECOND),
    }
    return Container(**(values | fields))


def test_a_row_has_dockers_fields():
    fields = row(_container(), _NOW, truncate=True)
    assert set(fields) == set(LAYOUT.titles)
    assert fields["ID"] == "0123456789ab"


def test_a_command_is_quoted_and_cut():
    plain = _container(config=ContainerConfig(cmd=("sleep", "infinity-and-a-lot-more")))
    assert row(plain, _NOW, truncate=True)["Command"] == '"sleep infinity-and-…"'


def test_no_trunc_keeps_everything():
    fields = row(_container(), _NOW, truncate=False)
    assert fields["ID"] == "0123456789abcdef" * 4
    assert fields["Command"] == '"sh -c \'echo \\"a long command\\"\'"'


def test_labels_are_joined_and_found():
    fields = row(_container(), _NOW, truncate=True)
    assert (fields["Labels"], fields["Label"]("a"), fields["Label"]("zzz")) == ("a=1,b=", "1", "")


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        (ContainerState(status="created"), "Created"),
        (ContainerState(status="running", started_at=_NOW - 60 * _SECOND), "Up About a minute"),
        (ContainerState(status="paused", started_at=_NOW - 5 * _SECOND), "Up 5 seconds (Paused)"),
        (
            ContainerState(status="running", started_at=_NOW, health=HealthState(status="healthy")),
            "Up Less than a second (healthy)",
        ),
        (
            ContainerState(status="exited", exit_code=137, finished_at=_NOW - 3 * _SECOND),
            "Exited (137) 3 seconds ago",
        ),
    ],
)
def test_a_status_is_dockers(state, shown):
    assert status(state, _NOW) == shown


def test_published_ports_name_their_address():
    container = _container(ports=(PortBinding(container_port=80, host_port=8080),))
    assert ports(container) == "0.0.0.0:8080->80/tcp"


def test_equal_ports_in_a_row_are_joined():
    bindings = tuple(
        PortBinding(container_port=port, host_port=port, host_ip="127.0.0.1") for port in (80, 81, 82)
    )
    assert ports(_container(ports=bindings)) == "127.0.0.1:80-82->80-82/tcp"


def test_both_families_show_each_with_its_address():
    bindings = tuple(PortBinding(container_port=80, host_port=8080, host_ip=ip) for ip in ("0.0.0.0", "::"))
    assert ports(_container(ports=bindings)) == "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp"


def test_exposed_ports_show_without_an_address():
    config = ContainerConfig(exposed_ports={"80/tcp": {}, "53/udp": {}})
    assert ports(_container(config=config)) == "53/udp, 80/tcp"


def test_a_stopped_container_has_no_ports():
    config = ContainerConfig(exposed_ports={"80/tcp": {}})
    assert ports(_container(config=config, state=ContainerState(status="exited"))) == ""

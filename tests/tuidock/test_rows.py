from __future__ import annotations

import pytest

from engine.oci.config import ContainerConfig
from engine.options import CreateOptions
from engine.records import Container, ContainerState, HealthState, Image, Job, PortBinding
from tuidock.rows import (
    CONTAINER_COLUMNS,
    age,
    container_row,
    container_rows,
    image_row,
    job_row,
    ports_text,
    seconds_text,
    state_text,
)
from tuidock.widgets.columns import fit

_SECOND = 1_000_000_000


def _container(number: int = 1, **changed: object) -> Container:
    values: dict[str, object] = {
        "id": f"{number:064x}",
        "name": f"c{number}",
        "image": "busybox",
        "image_id": "sha256:1",
        "created": number * _SECOND,
        "options": CreateOptions(image="busybox"),
        "config": ContainerConfig(cmd=("sleep", "1 h")),
    }
    return Container(**{**values, **changed})  # type: ignore[arg-type]


def test_a_container_s_row():
    row = container_row(_container(state=ContainerState(status="running")), 61 * _SECOND)
    assert row.cells == ("● running", "c1", "busybox", "sleep '1 h'", "", "1m")


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (ContainerState(status="exited"), "○ exited"),
        (ContainerState(status="exited", exit_code=137), "✗ exited 137"),
        (ContainerState(status="exited", exit_code=137, oom_killed=True), "✗ oom 137"),
        (ContainerState(status="paused"), "‖ paused"),
        (ContainerState(status="created"), "○ created"),
        (ContainerState(status="running", health=HealthState(status="unhealthy")), "● unhealthy"),
    ],
)
def test_every_state_has_a_sign_and_a_word(state: ContainerState, text: str):
    assert state_text(state)[0] == text


def test_live_containers_come_first_then_the_newest():
    running = ContainerState(status="running")
    rows = container_rows((_container(3), _container(1, state=running), _container(2, state=running)), 0)
    assert [row.cells[1] for row in rows] == ["c2", "c1", "c3"]


def test_a_name_that_looks_like_markup_or_an_escape_stays_text():
    row = container_row(_container(name="[/red]", image="\x1b[2Jx\x07"), 0)
    assert row.cells[1:3] == ("[/red]", "x^G")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "now"), (59, "now"), (60, "1m"), (7200, "2h"), (90000, "1d"), (4e7, "1y"), (-5, "now")],
)
def test_ages_are_short(seconds: float, text: str):
    assert age(0, int(seconds * _SECOND)) == text


@pytest.mark.parametrize(("seconds", "text"), [(0.26, "0.3s"), (42.4, "42s"), (724, "12m04s")])
def test_durations_are_short(seconds: float, text: str):
    assert seconds_text(seconds) == text


def test_ports_name_the_host_s_address_only_where_it_says_something():
    ports = (
        PortBinding(container_port=80, host_port=8080, host_ip="0.0.0.0"),
        PortBinding(container_port=80, host_port=8080, host_ip="::"),
        PortBinding(container_port=53, host_port=53, host_ip="127.0.0.1", protocol="udp"),
    )
    assert ports_text(ports) == "8080→80 127.0.0.1:53→53/udp"


def test_an_image_without_a_name_is_shown_as_docker_shows_it():
    image = Image(
        id=f"sha256:{'ab' * 32}",
        names=(),
        created=0,
        size=5,
        config=ContainerConfig(),
        architecture="amd64",
        os="linux",
        chain_ids=("a", "b"),
    )
    assert image_row(image, 0).cells == ("<none>", "abababababab", "2", "5B", "-", "")


def test_a_job_s_row_says_how_long_it_took():
    job = Job(id="1", verb="build", title="app:1", status="done", started_at=0, finished_at=3 * _SECOND)
    assert job_row(job, 100 * _SECOND).cells == ("✓ done", "app:1", "build", "3.0s", "1m")


@pytest.mark.parametrize(
    ("width", "titles"),
    [
        (36, ["STATE", "NAME"]),
        (46, ["STATE", "NAME", "AGE"]),
        (54, ["STATE", "NAME", "PORTS", "AGE"]),
        (76, ["STATE", "NAME", "IMAGE", "PORTS", "AGE"]),
        (116, ["STATE", "NAME", "IMAGE", "COMMAND", "PORTS", "AGE"]),
    ],
)
def test_columns_drop_in_the_order_command_image_ports_age(width: int, titles: list[str]):
    sizes = fit(CONTAINER_COLUMNS, [], width)
    assert [column.title for column, size in zip(CONTAINER_COLUMNS, sizes, strict=True) if size] == titles


@pytest.mark.parametrize("width", range(20, 200, 7))
def test_columns_fit_whatever_the_width(width: int):
    cells = [("● running", "a" * 50, "b" * 50, "c" * 90, "d" * 50, "1m")]
    sizes = [size for size in fit(CONTAINER_COLUMNS, cells, width) if size]
    assert sum(sizes) + len(sizes) - 1 <= max(width, 14)

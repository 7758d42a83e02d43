import pytest

from engine.records import ContainerStats
from tuidock.cli.commands.stats import LAYOUT, row
from tuidock.cli.listing import text_of

ID = "0123456789ab" + "c" * 52
STATS = ContainerStats(
    id=ID,
    name="web",
    time=0,
    running=True,
    cpu_percent=12.345,
    memory=512 << 10,
    memory_limit=6 << 20,
    network_received=1160,
    network_sent=586,
    block_read=20_500,
    block_written=0,
    pids=2,
)


def test_a_row_is_dockers():
    assert row(STATS, (), truncate=True) == {
        "BlockIO": "20.5kB / 0B",
        "CPUPerc": "12.35%",
        "Container": ID[:12],
        "ID": ID[:12],
        "MemPerc": "8.33%",
        "MemUsage": "512KiB / 6MiB",
        "Name": "web",
        "NetIO": "1.16kB / 586B",
        "PIDs": "2",
    }


@pytest.mark.parametrize("name", ["web", "/web", "0123"])
def test_the_container_is_called_as_the_user_did(name):
    assert row(STATS, ("other", name), truncate=True)["Container"] == name


def test_the_id_may_be_whole():
    assert row(STATS, (), truncate=False)["ID"] == ID


def test_a_container_that_does_not_run_is_a_row_of_zeros():
    shown = row(ContainerStats(id=ID, name="web", time=0, running=False), (), truncate=True)
    assert (shown["MemUsage"], shown["MemPerc"], shown["CPUPerc"]) == ("0B / 0B", "0.00%", "0.00%")


def test_the_titles_are_dockers():
    assert text_of([], LAYOUT, "").split("  ")[0] == "CONTAINER ID"
    assert text_of([], LAYOUT, "").split() == (
        "CONTAINER ID NAME CPU % MEM USAGE / LIMIT MEM % NET I/O BLOCK I/O PIDS".split()
    )

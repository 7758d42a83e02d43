"""Networks on a machine whose kernel has nf_tables: a guest does it, where ``TUIDOCK_GUEST`` names a program that boots one.

Such a program is described in ``tests/guest/test_cgroup_v2.py``.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import tempfile

import msgspec
import pytest

from tests.support.netlab_hosts import FAR, NEAR, NEAR6
from tests.support.netlab_servers import make_archive
from tests.support.project import ROOT

_LIBRARIES = os.path.dirname(os.path.dirname(os.path.abspath(msgspec.__file__)))
HERE, HERE6 = NEAR.format(1), NEAR6.format(1)


@pytest.fixture(scope="module")
def seen():
    """What ``network_program`` saw in the guest."""
    rig = os.environ.get("TUIDOCK_GUEST")
    if not rig:
        pytest.skip("NEEDS A GUEST: TUIDOCK_GUEST names a program that boots one with nf_tables")
    folder = tempfile.mkdtemp(prefix="td-", dir="/tmp")
    try:
        archive = make_archive(folder)
        path = f"PYTHONPATH=/share{ROOT}:/share{_LIBRARIES} PYTHONDONTWRITEBYTECODE=1"
        command = f"{path} python3 /share{ROOT}/tests/guest/network_program.py /share{archive}"
        done = subprocess.run(
            [*shlex.split(rig), "--share", "/", "--", command],
            stdout=subprocess.PIPE,
            text=True,
            timeout=280,
            check=True,
        )
    finally:
        shutil.rmtree(folder)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("way", "client"),
    [
        (f"client {HERE}", NEAR.format(2)),
        (f"client {HERE6}", NEAR6.format(2)),
        (f"far {FAR.format(1)}", FAR.format(2)),
    ],
)
def test_a_published_page_is_had_from_other_hosts_which_the_server_sees(seen, way, client):
    assert seen["pages"][way] == f"web {client}"


@pytest.mark.parametrize("address", [HERE, "127.0.0.1", "::1"])
def test_a_published_page_is_had_from_the_host_itself(seen, address):
    assert seen["pages"][f"engine {address}"].startswith("web ")


def test_datagrams_come_back_over_both_families(seen):
    assert seen["echoes"] == ["round trip"] * 2


def test_a_connection_outlives_a_partition(seen):
    assert seen["redis"] == ["+OK", ":2"]


def test_containers_reach_each_other_by_name(seen):
    assert seen["between"]["by name"] == "web"


def test_a_container_reaches_its_own_port_by_the_host_s_address(seen):
    assert seen["between"]["itself"] == "web"


def test_nothing_passes_the_border_of_an_internal_network(seen):
    ways = ("out of a shut network", "into a shut network")
    assert [seen["between"][way] for way in ways] == ["", ""]


def test_the_rules_are_there_again_after_a_reload(seen):
    assert seen["after a reload"] == f"web {NEAR6.format(2)}"


def test_nothing_is_left_after_a_kill_and_the_removal_of_the_rest(seen):
    assert [name for name in seen["left"] if name != "sit0"] == ["lo", "up0", "up1"]


def test_no_table_of_the_old_kind_was_made(seen):
    assert seen["tables of the old kind"] == []

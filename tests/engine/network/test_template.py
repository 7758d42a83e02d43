"""Templates: what is kept, where, and when pyroute2 is needed."""

from __future__ import annotations

import base64
import os
import subprocess
import sys

import msgspec
import pytest

from engine.errors import NetworkFailure
from engine.network import netlink, template
from engine.network.plan import operations as ops
from engine.network.template import Templates

VETH = ops.AddVeth("veth0123456789a", "tuidock0", "02:42:ac:11:00:02", 1500)
RULES = (
    ops.AddTable("tuidock-a"),
    ops.AddChain("tuidock-a", "forward", "filter", 0),
    ops.DeleteTable("tuidock-a"),
)


def test_bridge_s_index_is_left_to_the_sender(tmp_path):
    (item,) = Templates(str(tmp_path)).items((VETH,))
    assert [name for _, name in item.indexes] == ["tuidock0"]


def test_rules_in_a_row_are_one_transaction(tmp_path):
    items = Templates(str(tmp_path)).items(RULES[:2])
    assert [(item.family, item.expect_acks) for item in items] == [(12, 1)]


def test_deletion_is_a_transaction_of_its_own(tmp_path):
    items = Templates(str(tmp_path)).items(RULES)
    assert [item.ignore_errno for item in items] == [(), (2,)]


def test_another_process_finds_the_pieces_without_pyroute2(tmp_path):
    Templates(str(tmp_path)).items((VETH, *RULES))
    code = (
        "import sys; from engine.network.plan import operations as ops;"
        "from engine.network.template import Templates;"
        f"Templates({str(tmp_path)!r}).items((ops.{VETH!r}, ops.{RULES[0]!r}, ops.{RULES[1]!r}));"
        "raise SystemExit(int('pyroute2' in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_file_that_was_cut_short_is_made_again(tmp_path):
    first = Templates(str(tmp_path)).items((VETH,))
    (name,) = os.listdir(tmp_path)
    (tmp_path / name).write_bytes(b'{"x"')
    assert Templates(str(tmp_path)).items((VETH,)) == first


def test_pieces_of_others_are_kept(tmp_path):
    one, two = Templates(str(tmp_path)), Templates(str(tmp_path))
    one.items(())
    two.items(())
    one.items((VETH,))
    two.items(RULES)
    (name,) = os.listdir(tmp_path)
    kept = msgspec.json.decode((tmp_path / name).read_bytes())
    assert set(kept) == set(one._pieces) | set(two._pieces)


def test_sentinel_that_is_not_found_is_an_error():
    with pytest.raises(NetworkFailure, match="2 times, not 1"):
        template._occurrences(b"aXXbXXc", b"XX", 1, VETH)


def test_item_is_the_encoded_message(tmp_path):
    route = ops.AddDefaultRoute("172.17.0.1")
    (item,) = Templates(str(tmp_path)).items((route,))
    assert base64.b64decode(item.message) == netlink.encode(route)

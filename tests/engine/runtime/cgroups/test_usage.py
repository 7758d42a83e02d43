from __future__ import annotations

import json

from engine.runtime.cgroups.usage import read_members, read_usage


def write(folder, **files: str) -> str:
    folder.mkdir()
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return str(folder)


def test_v1_is_read_from_several_hierarchies(tmp_path):
    stat = "cache 9\ntotal_inactive_file 1000\n"
    members = (
        write(tmp_path / "memory", memory__usage_in_bytes="5000\n", memory__limit_in_bytes="9000\n",
              memory__stat=stat),
        write(tmp_path / "cpuacct", cpuacct__usage="77\n"),
        write(tmp_path / "pids", pids__current="3\n"),
        write(
            tmp_path / "blkio",
            blkio__throttle__io_service_bytes_recursive=(
                "8:0 Read 100\n8:0 Write 20\n8:0 Sync 120\n8:16 Read 1\nTotal 121\n"
            ),
        ),
    )  # fmt: skip
    usage = read_usage(members, 0, own_network=True)
    assert (usage.memory, usage.memory_limit, usage.cpu, usage.pids) == (4000, 9000, 77, 3)
    assert (usage.block_read, usage.block_written) == (101, 20)


def test_v2_is_read_from_one_group(tmp_path):
    own = write(
        tmp_path / "c1", cgroup__controllers="cpu\n", memory__current="5000\n", memory__max="max\n",
        memory__stat="anon 1\ninactive_file 6000\n", cpu__stat="usage_usec 5\nuser_usec 1\n",
        pids__current="3\n", io__stat="8:0 rbytes=7 wbytes=8 rios=1\n8:16 rbytes=1 wbytes=1\n",
    )  # fmt: skip
    usage = read_usage((own,), 0, own_network=True)
    assert (usage.memory, usage.memory_limit, usage.cpu, usage.pids) == (5000, 0, 5000, 3)
    assert (usage.block_read, usage.block_written) == (8, 9)


def test_the_loopback_is_no_network(tmp_path):
    own = write(tmp_path / "c1", cgroup__controllers="cpu\n")
    assert read_usage((own,), 0, own_network=True).received == 0


def test_a_container_that_has_ended_uses_nothing(tmp_path):
    assert read_members(str(tmp_path / "bundle.json")) == ()
    assert read_usage((), 0, own_network=True).memory == 0


def test_the_bundle_names_the_groups(tmp_path):
    (tmp_path / "bundle.json").write_text(json.dumps({"cgroup": {"kill": ["/a", "/b"]}, "id": "x"}))
    assert read_members(str(tmp_path / "bundle.json")) == ("/a", "/b")

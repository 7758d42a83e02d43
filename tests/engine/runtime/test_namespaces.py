from __future__ import annotations

import pytest

from engine.errors import Conflict, InvalidInput
from engine.oci.config import ContainerConfig
from engine.options import CreateOptions
from engine.records import Container, ContainerState
from engine.runtime.attachment import Attachment
from engine.runtime.namespaces import Join, Namespaces, check_modes, namespaces_plan

OWN = Attachment(hosts="", resolv_conf="")


def options(**modes: str) -> CreateOptions:
    return CreateOptions(image="busybox", **modes)


def peer(ipc: str = "", status: str = "running") -> Container:
    return Container(
        id="p1",
        name="peer",
        image="busybox",
        image_id="i",
        created=1,
        options=options(ipc=ipc),
        config=ContainerConfig(),
        state=ContainerState(status=status, pid=5 if status == "running" else 0, pid_start_time=9),
    )


def test_everything_is_new_by_default():
    assert namespaces_plan(options(), {}, OWN) == Namespaces(
        new=("mount", "pid", "ipc", "uts", "cgroup", "net")
    )


def test_what_is_the_hosts_is_neither_made_nor_joined():
    plan = namespaces_plan(options(pid="host", ipc="host", uts="host", cgroupns="host"), {}, OWN)
    assert plan == Namespaces(new=("mount", "net"))


def test_an_ipc_that_is_shared_or_empty_is_new_all_the_same():
    for mode in ("private", "shareable", "none"):
        assert "ipc" in namespaces_plan(options(ipc=mode), {}, OWN).new


def test_a_join_names_the_process_with_its_start():
    plan = namespaces_plan(options(cgroupns="container:peer"), {"cgroupns": peer()}, OWN)
    assert plan.joins == (Join(namespace="cgroup", container="p1", pid=5, start_time=9),)


def test_another_containers_network_is_joined_like_the_rest():
    attachment = Attachment(hosts="", resolv_conf="", new_namespace=False, netns_of=5)
    plan = namespaces_plan(options(network="container:peer"), {"network": peer()}, attachment)
    assert plan.join("net") == Join(namespace="net", container="p1", pid=5, start_time=9)
    assert "net" not in plan.new


@pytest.mark.parametrize("mode", ["shareable", "host", "container:other"])
def test_an_ipc_that_the_peer_shares_is_joined(mode):
    assert namespaces_plan(options(ipc="container:peer"), {"ipc": peer(mode)}, OWN).join("ipc")


@pytest.mark.parametrize("status", ["exited", "restarting"])
def test_a_peer_without_a_process_is_refused(status):
    with pytest.raises(Conflict, match="container p1 is not running"):
        namespaces_plan(options(pid="container:peer"), {"pid": peer(status=status)}, OWN)


@pytest.mark.parametrize(
    ("modes", "words"),
    [
        ({"pid": "shareable"}, "invalid PID mode: shareable"),
        ({"uts": "container:"}, "invalid UTS mode: container:"),
        ({"uts": "host", "domainname": "x"}, "conflicting options: domainname and the UTS mode"),
        ({"network": "container:x", "hostname": "x"}, "conflicting options: hostname and the network mode"),
    ],
)
def test_modes_that_cannot_be_are_refused(modes, words):
    with pytest.raises(InvalidInput, match=words):
        check_modes(options(**modes))

from __future__ import annotations

from engine.oci.config import ContainerConfig
from engine.options import CreateOptions, MountSpec, PortSpec
from engine.paths import Paths
from engine.records import Container
from engine.runtime.inspection import inspect_container


def shown(**options):
    container = Container(
        id="c" * 64,
        name="box",
        image="busybox",
        image_id="sha256:1",
        created=0,
        config=ContainerConfig(),
        options=CreateOptions(image="busybox", **options),
    )
    return inspect_container(Paths(root="/r", run="/n"), container)


def test_capabilities_have_their_prefix_each_once():
    host = shown(cap_add=("net_admin", "CAP_NET_ADMIN", "chown"), cap_drop=("all", "MKNOD"))["HostConfig"]
    assert (host["CapAdd"], host["CapDrop"]) == (["CAP_CHOWN", "CAP_NET_ADMIN"], ["ALL"])


def test_an_anonymous_volume_is_among_the_images_own():
    mounts = (
        MountSpec(type="volume", target="/a", short=True),
        MountSpec(type="volume", source="named", target="/b", short=True),
    )
    assert shown(mounts=mounts)["Config"]["Volumes"] == {"/a": {}}


def test_init_is_there_only_where_it_was_asked_for():
    assert shown(init=True)["HostConfig"]["Init"] is True
    assert "Init" not in shown()["HostConfig"]


def test_a_range_of_host_ports_is_shown_as_it_was_asked_for():
    asked = (PortSpec(container_port=80, host_port=8000, host_port_end=8010, host_ip="::1"),)
    assert shown(ports=asked)["HostConfig"]["PortBindings"] == {
        "80/tcp": [{"HostIp": "::1", "HostPort": "8000-8010"}]
    }

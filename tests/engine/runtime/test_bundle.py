from __future__ import annotations

import json
import signal

from engine.oci.config import ContainerConfig
from engine.options import CreateOptions
from engine.paths import Paths
from engine.records import Container
from engine.runtime.attachment import Attachment
from engine.runtime.bundle import Surroundings, container_bundle
from engine.runtime.cgroups import HostCgroups
from engine.runtime.namespaces import Join, Namespaces

PATHS = Paths(root="/r", run="/run/t")
ID = "0123456789ab" + "c" * 52


def bundle(
    config: ContainerConfig | None = None,
    attachment: Attachment | None = None,
    namespaces: Namespaces | None = None,
    **options: object,
):
    container = Container(
        id=ID,
        name="web",
        image="busybox",
        image_id="sha256:1",
        created=1,
        options=CreateOptions(image="busybox", **options),  # type: ignore[arg-type]
        config=config or ContainerConfig(entrypoint=("/e",), cmd=("c",), labels={"l": "v"}),
    )
    around = Surroundings(
        cgroups=HostCgroups(),
        lower=("/r/layers/top", "/r/layers/bottom"),
        hostname="box",
        attachment=attachment or Attachment(hosts="", resolv_conf=""),
        namespaces=namespaces or Namespaces(),
        size=(24, 80),
    )
    return container_bundle(PATHS, container, around)


def test_a_bundle_is_json():
    assert json.loads(json.dumps(bundle()))["version"] == 1


def test_the_init_layer_lies_on_top_of_the_image():
    assert bundle()["rootfs"]["lower"] == [f"/r/containers/{ID}/init", "/r/layers/top", "/r/layers/bottom"]


def test_only_what_goes_away_is_volatile():
    assert bundle()["rootfs"]["volatile"] is False
    assert bundle(auto_remove=True)["rootfs"]["volatile"] is True


def test_a_socket_has_a_short_path():
    assert bundle()["socket_path"] == "/run/t/c/0123456789ab/socket"


def test_the_entrypoint_comes_before_the_command():
    assert bundle()["process"]["args"] == ["/e", "c"]


def test_exec_begins_with_what_the_command_has():
    found = bundle(config=ContainerConfig(cmd=("x",), user="7", working_dir="/w"))
    assert (found["exec_defaults"]["user"], found["exec_defaults"]["cwd"]) == ("7", "/w")
    assert "args" not in found["exec_defaults"]


def test_events_say_labels_image_and_name():
    assert bundle()["event_attributes"] == {"l": "v", "image": "busybox", "name": "web"}


def test_a_container_that_joins_a_network_makes_no_namespace_for_one():
    assert "net" in bundle()["namespaces"]
    joined = bundle(
        attachment=Attachment(hosts="", resolv_conf="", new_namespace=False, netns_of=5, files_of="other"),
        namespaces=Namespaces(
            new=("pid",), joins=(Join(namespace="net", container="o", pid=5, start_time=9),)
        ),
    )
    assert joined["namespaces"] == ["pid"]
    assert joined["joins"] == [{"namespace": "net", "container": "o", "pid": 5, "start_time": 9}]
    assert "/r/containers/other/hosts" in [mount["source"] for mount in joined["mounts"]]


def test_the_stop_signal_is_the_images_or_term():
    assert bundle()["stop_signal"] == signal.SIGTERM
    assert bundle(config=ContainerConfig(cmd=("x",), stop_signal="3"))["stop_signal"] == signal.SIGQUIT


def test_the_terminal_begins_with_its_size():
    assert bundle(tty=True)["size"] == [24, 80]


def test_without_a_device_list_no_node_of_the_image_can_be_opened():
    assert bundle()["rootfs"]["nodev"] is True
    assert bundle(privileged=True)["rootfs"]["nodev"] is False

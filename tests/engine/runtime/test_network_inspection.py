import pytest

from engine.oci.config import ContainerConfig
from engine.options import CreateOptions, EndpointOptions
from engine.records import Container
from engine.runtime.network_inspection import shown_links, shown_network_settings


def _container(network, *links):
    wish = EndpointOptions(network=network, links=links)
    return Container(
        id="1" * 64,
        name="box",
        image="busybox",
        image_id="sha256:0",
        created=1,
        options=CreateOptions(image="busybox", network=network, endpoints=(wish,)),
        config=ContainerConfig(),
    )


def _end(container):
    return shown_network_settings(container)["Networks"][container.options.network]


def test_links_of_the_default_bridge_are_the_hosts_configs():
    container = _container("bridge", "db:store", "web")
    assert shown_links(container) == ["/db:/box/store", "/web:/box/web"]
    assert _end(container)["Links"] is None


def test_links_of_another_network_are_its_own():
    container = _container("net", "db:store")
    assert _end(container)["Links"] == ["db:store"]
    assert shown_links(container) is None


@pytest.mark.parametrize("network", ["bridge", "net"])
def test_without_links_there_are_none(network):
    container = _container(network)
    assert (shown_links(container), _end(container)["Links"]) == (None, None)

from __future__ import annotations

import pytest

from engine.errors import InvalidInput, NotFound
from engine.oci.config import ContainerConfig
from engine.options import CreateOptions
from engine.records import Container, ContainerState, Endpoint, MountPoint, PortBinding
from engine.runtime.filters import check_filters, check_prune_filters, is_pruned, passes, select

SECOND = 10**9


def container(name: str, **fields: object) -> Container:
    values = {
        "id": f"{name}00",
        "name": name,
        "image": "i",
        "image_id": "sha256:1",
        "created": 100 * SECOND,
        "options": CreateOptions(image="i"),
        "config": ContainerConfig(),
        **fields,
    }
    return Container(**values)  # type: ignore[arg-type]


def fits(one: Container, **filters: str) -> bool:
    wanted = {key: (value,) for key, value in filters.items()}
    check_filters(wanted)
    return passes(one, wanted)


def test_values_of_a_key_are_alternatives_and_keys_all_hold():
    one = container("web", state=ContainerState(status="exited", exit_code=3))
    assert passes(one, {"status": ("running", "exited")})
    assert not passes(one, {"status": ("exited",), "exited": ("4",)})


def test_labels_must_all_hold():
    one = container("web", config=ContainerConfig(labels={"a": "1", "b": ""}))
    assert passes(one, {"label": ("a=1", "b")})
    assert not passes(one, {"label": ("a=1", "c")})


def test_a_name_is_a_pattern_and_may_have_its_slash():
    assert fits(container("web-1"), name="^/web")
    assert fits(container("web-1"), name="eb-")
    assert not fits(container("web-1"), name="^eb")
    assert not fits(container("web-1"), name="(")


def test_volumes_networks_and_ports():
    one = container(
        "db",
        mounts=(MountPoint(type="volume", source="/s", target="/t", name="data"),),
        endpoints=(Endpoint(network="back", network_id="abcdef"),),
        ports=(PortBinding(container_port=80, host_port=8080),),
        config=ContainerConfig(exposed_ports={"443/tcp": {}}),
    )
    assert fits(one, volume="data")
    assert fits(one, volume="/t")
    assert fits(one, network="back")
    assert fits(one, network="abc")
    assert fits(one, publish="8000-9000")
    assert fits(one, publish="80/tcp")
    assert not fits(one, publish="80/udp")
    assert fits(one, expose="443")


def test_before_and_since_are_positions_in_the_list():
    newest_first = (container("c"), container("b"), container("a"))
    assert [one.name for one in select(newest_first, {"before": ("b",)}, frozenset())] == ["a"]
    assert [one.name for one in select(newest_first, {"since": ("b",)}, frozenset())] == ["c"]
    with pytest.raises(NotFound):
        select(newest_first, {"since": ("x",)}, frozenset())


def test_ancestors_are_image_ids():
    assert select((container("a"),), {"ancestor": ("i",)}, frozenset({"sha256:1"}))
    assert not select((container("a"),), {"ancestor": ("i",)}, frozenset())


@pytest.mark.parametrize(
    "filters", [{"colour": ("red",)}, {"status": ("sleepy",)}, {"exited": ("x",)}, {"health": ("ill",)}]
)
def test_unknown_filters_are_refused(filters):
    with pytest.raises(InvalidInput, match="invalid filter"):
        check_filters(filters)


@pytest.mark.parametrize(
    ("until", "pruned"),
    [("60s", True), ("1m40s", False), ("3h", False), ("150", True), ("1970-01-01T00:01:30Z", False)],
)
def test_prune_until(until, pruned):
    assert is_pruned(container("a"), {"until": (until,)}, 200 * SECOND) is pruned


def test_prune_by_label_and_its_opposite():
    one = container("a", config=ContainerConfig(labels={"keep": "yes"}))
    assert not is_pruned(one, {"label!": ("keep",)}, 0)
    assert is_pruned(one, {"label": ("keep=yes",)}, 0)
    with pytest.raises(InvalidInput, match="invalid filter 'name'"):
        check_prune_filters({"name": ("x",)})
    with pytest.raises(InvalidInput, match="until=soon"):
        is_pruned(one, {"until": ("soon",)}, 0)

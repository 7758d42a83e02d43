from __future__ import annotations

import time

import pytest
from msgspec.structs import replace

from engine.errors import InvalidInput
from engine.oci.config import ContainerConfig
from engine.options import ImageFilter
from engine.records import Image
from engine.store.image_filter import select


def image(created, *names, **labels):
    return Image(
        id=f"sha256:{created}",
        names=names,
        created=created,
        size=0,
        config=ContainerConfig(),
        architecture="amd64",
        os="linux",
        chain_ids=(),
        labels=labels,
    )


OLD = image(10**18, "busybox:1", "busybox:2", team="red")
NEW = image(time.time_ns(), "host:5000/a/b:latest", team="blue")
NAMELESS = image(5 * 10**17)
ALL = (NEW, OLD, NAMELESS)


def test_what_has_a_digest_alone_dangles_and_does_not():
    pulled = replace(NAMELESS, digests=(f"box@sha256:{0:064}",))
    for dangling in ("true", "false"):
        wanted = ImageFilter(filters={"dangling": (dangling,)})
        assert select((pulled,), wanted, lambda _text: OLD) == (pulled,)


def test_a_pattern_leaves_the_digests_that_fit():
    pulled = replace(NAMELESS, digests=(f"box@sha256:{0:064}", f"other@sha256:{0:064}"))
    (found,) = select((pulled,), ImageFilter(reference="box"), lambda _text: OLD)
    assert found.digests == (f"box@sha256:{0:064}",)


def chosen(**wanted):
    return select(ALL, ImageFilter(**wanted), lambda _text: OLD)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, ALL),
        ({"dangling": ("true",)}, (NAMELESS,)),
        ({"dangling": ("false",)}, (NEW, OLD)),
        ({"label": ("team",)}, (NEW, OLD)),
        ({"label": ("team=red",)}, (OLD,)),
        ({"label": ("team", "team=blue")}, (NEW,)),
        ({"before": ("x",)}, (NAMELESS,)),
        ({"since": ("x",)}, (NEW,)),
        ({"until": ("24h",)}, (OLD, NAMELESS)),
        ({"until": ("2000-01-01T00:00:00Z",)}, (NAMELESS,)),
    ],
)
def test_filters(filters, expected):
    assert chosen(filters=filters) == expected


@pytest.mark.parametrize("pattern", ["busybox", "busy*", "busybox:1", "docker.io/library/busybox:1"])
def test_a_reference_selects_by_pattern(pattern):
    (found,) = chosen(reference=pattern)
    assert found.id == OLD.id


def test_a_reference_leaves_the_names_that_fit():
    (found,) = chosen(reference="busybox:2")
    assert found.names == ("busybox:2",)


def test_a_star_does_not_cross_a_slash():
    assert chosen(reference="host:5000/*") == ()
    assert len(chosen(filters={"reference": ("host:5000/*/*", "busybox")})) == 2


@pytest.mark.parametrize("filters", [{"colour": ("red",)}, {"dangling": ("maybe",)}, {"until": ("soon",)}])
def test_a_filter_that_makes_no_sense_is_refused(filters):
    with pytest.raises(InvalidInput):
        chosen(filters=filters)

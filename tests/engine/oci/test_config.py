from __future__ import annotations

import pytest

from engine.errors import InvalidInput
from engine.oci.config import ContainerConfig, HealthCheck, ImageConfig, RootFS, decode_config, encode_config

DOCKER = b"""{"architecture":"amd64","config":{"Hostname":"","ExposedPorts":{"80/tcp":{}},"Env":["A=b"],"Cmd":null,
"Volumes":null,"Entrypoint":["/run"],"OnBuild":null,"Labels":null,"Healthcheck":{"Test":["CMD","x"],
"Interval":30000000000}},"container":"abc","docker_version":"20","created":"2024-01-01T00:00:00Z","os":"linux",
"history":[{"created":"2024-01-01T00:00:00Z","created_by":"/bin/sh -c #(nop) CMD","empty_layer":true}],
"rootfs":{"type":"layers","diff_ids":["sha256:1"]}}"""


def test_dockers_nulls_read_as_empty():
    config = decode_config(DOCKER).config
    assert (config.cmd, config.labels, config.volumes, config.on_build) == ((), {}, {}, ())
    assert (config.entrypoint, config.exposed_ports) == (("/run",), {"80/tcp": {}})
    assert config.healthcheck == HealthCheck(test=("CMD", "x"), interval=30_000_000_000)


def test_history_is_read():
    (row,) = decode_config(DOCKER).history
    assert (row.created_by, row.empty_layer) == ("/bin/sh -c #(nop) CMD", True)


def test_null_layers_are_an_image_without_any():
    document = (
        b'{"os":"linux","architecture":"arm64","rootfs":{"type":"layers","diff_ids":null},"history":null}'
    )
    assert decode_config(document).rootfs.diff_ids == ()


@pytest.mark.parametrize(
    "document", [b"", b"[]", b"{", b'{"rootfs":{"diff_ids":[1]}}', b'{"os":"linux"}', b"\xff"]
)
def test_what_is_no_config_is_refused(document):
    with pytest.raises(InvalidInput, match="image config"):
        decode_config(document)


def test_ours_are_written_the_same_every_time_and_read_back():
    config = ImageConfig(
        architecture="amd64",
        os="linux",
        rootfs=RootFS(diff_ids=("sha256:1",)),
        config=ContainerConfig(labels={"b": "2", "a": "1"}, stop_timeout=3),
    )
    document = encode_config(config)
    assert decode_config(document).config == config.config
    assert document.index(b'"a"') < document.index(b'"b"')
    assert b'"history":[]' in document

from __future__ import annotations

import pytest

from engine.errors import InvalidInput
from engine.oci.config import ContainerConfig, HealthCheck
from engine.options import CreateOptions, HealthOptions, PortSpec
from engine.runtime.config import (
    container_config,
    expand_port,
    merge_env,
    override_env,
    port_specs,
    process_env,
)

IMAGE = ContainerConfig(
    env=("PATH=/bin", "A=image"),
    entrypoint=("/entry",),
    cmd=("default",),
    user="7",
    working_dir="/srv",
    labels={"a": "image", "b": "image"},
    exposed_ports={"80/tcp": {}},
    stop_signal="SIGQUIT",
)


def merged(**options: object) -> ContainerConfig:
    return container_config(IMAGE, CreateOptions(image="i", **options))  # type: ignore[arg-type]


def test_nothing_given_is_the_image():
    config = merged()
    assert (config.entrypoint, config.cmd, config.user, config.working_dir) == (
        ("/entry",),
        ("default",),
        "7",
        "/srv",
    )
    assert config.stop_signal == "SIGQUIT"


def test_a_command_replaces_cmd_and_keeps_the_entrypoint():
    config = merged(command=("x", "y"))
    assert (config.entrypoint, config.cmd) == (("/entry",), ("x", "y"))


def test_an_entrypoint_forgets_the_images_cmd():
    config = merged(entrypoint=("/other",))
    assert (config.entrypoint, config.cmd) == (("/other",), ())


@pytest.mark.parametrize("empty", [(), ("",)])
def test_an_empty_entrypoint_resets_it(empty):
    config = merged(entrypoint=empty, command=("sh",))
    assert (config.entrypoint, config.cmd) == ((), ("sh",))


def test_nothing_to_run_is_refused():
    with pytest.raises(InvalidInput, match="no command specified"):
        container_config(ContainerConfig(), CreateOptions(image="i"))


def test_a_reset_entrypoint_without_a_command_is_refused():
    with pytest.raises(InvalidInput, match="no command specified"):
        merged(entrypoint=())


def test_the_callers_environment_comes_first_and_wins():
    assert merge_env(("A=mine", "B=2"), IMAGE.env) == ("A=mine", "B=2", "PATH=/bin")


def test_labels_of_the_caller_win():
    assert merged(labels={"b": "mine"}).labels == {"a": "image", "b": "mine"}


def test_published_and_exposed_ports_are_exposed():
    config = merged(ports=(PortSpec(container_port=53, protocol="udp"),), expose=("90-91",))
    assert set(config.exposed_ports) == {"80/tcp", "53/udp", "90/tcp", "91/tcp"}


def test_publish_all_publishes_what_is_not_published_yet():
    options = CreateOptions(image="i", publish_all=True, ports=(PortSpec(container_port=80, host_port=8080),))
    specs = port_specs(options, {"80/tcp": {}, "443/tcp": {}})
    assert [(spec.container_port, spec.host_port) for spec in specs] == [(80, 8080), (443, 0)]


def test_the_process_has_path_hostname_and_with_a_terminal_term():
    assert process_env(ContainerConfig(), "box", tty=True) == (
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOSTNAME=box",
        "TERM=xterm",
    )


def test_a_variable_without_a_value_is_removed():
    assert override_env(("A=1", "B=2"), ("A", "C=3")) == ("B=2", "C=3")


@pytest.mark.parametrize(
    ("text", "ports"),
    [("80", ((80, "tcp"),)), ("53/UDP", ((53, "udp"),)), ("1-3/tcp", ((1, "tcp"), (2, "tcp"), (3, "tcp")))],
)
def test_ports_expand(text, ports):
    assert expand_port(text) == ports


@pytest.mark.parametrize("text", ["", "x", "0", "65536", "9-8", "80/icmp", "80-"])
def test_what_is_no_port_is_refused(text):
    with pytest.raises(InvalidInput, match="invalid port"):
        expand_port(text)


def test_a_health_check_keeps_what_the_caller_left_out():
    image = ContainerConfig(cmd=("x",), healthcheck=HealthCheck(test=("CMD", "true"), retries=3))
    config = container_config(image, CreateOptions(image="i", health=HealthOptions(interval=1.5)))
    assert config.healthcheck == HealthCheck(test=("CMD", "true"), retries=3, interval=1_500_000_000)

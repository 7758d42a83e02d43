from __future__ import annotations

import pytest

from engine.errors import InvalidInput
from engine.oci.config import ContainerConfig
from engine.options import CreateOptions, MountSpec, PortSpec
from engine.records import Image
from tuidock.run_text import RunFields, command_text, prefilled, to_options


def test_fields_become_options():
    fields = RunFields(
        image="nginx",
        command="sh -c 'echo hi'",
        name="web",
        ports="8080:80 53:53/udp 127.0.0.1:90:9 [::1]:91:9 7",
        env="A=1 B='two words'",
        volumes="/srv:/data:ro cache:/var/cache",
        network="host",
        remove=True,
    )
    assert to_options(fields) == CreateOptions(
        image="nginx",
        command=("sh", "-c", "echo hi"),
        name="web",
        ports=(
            PortSpec(container_port=80, host_port=8080),
            PortSpec(container_port=53, host_port=53, protocol="udp"),
            PortSpec(container_port=9, host_port=90, host_ip="127.0.0.1"),
            PortSpec(container_port=9, host_port=91, host_ip="::1"),
            PortSpec(container_port=7),
        ),
        env=("A=1", "B=two words"),
        mounts=(
            MountSpec(type="bind", source="/srv", target="/data", read_only=True),
            MountSpec(type="volume", source="cache", target="/var/cache"),
        ),
        network="host",
        auto_remove=True,
    )


def test_the_command_is_left_to_the_image_when_it_is_the_image_s_own():
    fields = RunFields(image="nginx", command="nginx -g 'daemon off;'")
    assert to_options(fields, ("nginx", "-g", "daemon off;")).command is None


def test_an_interactive_run_has_a_terminal_and_its_input():
    options = to_options(RunFields(image="busybox", interactive=True))
    assert (options.tty, options.stdin_open) == (True, True)


@pytest.mark.parametrize(
    ("fields", "subject"),
    [
        (RunFields(image=" "), "image"),
        (RunFields(image="x", command="'"), "command"),
        (RunFields(image="x", ports="http"), "ports"),
        (RunFields(image="x", ports="80:0"), "ports"),
        (RunFields(image="x", ports="80:70000"), "ports"),
        (RunFields(image="x", ports="80:80/icmp"), "ports"),
        (RunFields(image="x", env="LANG"), "env"),
        (RunFields(image="x", volumes="/srv"), "volumes"),
        (RunFields(image="x", volumes="/srv:data"), "volumes"),
        (RunFields(image="x", volumes="/srv:/data:rx"), "volumes"),
    ],
)
def test_a_field_that_cannot_be_read_is_named(fields: RunFields, subject: str):
    with pytest.raises(InvalidInput) as caught:
        to_options(fields)
    assert caught.value.subject == subject


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (RunFields(image="busybox"), "tuidock run -d busybox"),
        (RunFields(image="busybox", interactive=True, remove=True), "tuidock run -it --rm busybox"),
        (RunFields(image="b", ports="127.0.0.1:8080:80 7"), "tuidock run -d -p 127.0.0.1:8080:80 -p 7 b"),
        (RunFields(image="b", ports="8000-8010:80/sctp"), "tuidock run -d -p 8000-8010:80/sctp b"),
        (RunFields(image="b", env="A='x y'"), "tuidock run -d -e 'A=x y' b"),
        (RunFields(image="b", volumes="/a:/b:ro"), "tuidock run -d -v /a:/b:ro b"),
        (
            RunFields(image="b", network="none", command="sh -c 'ls /'"),
            "tuidock run -d --network none b sh -c 'ls /'",
        ),
    ],
)
def test_the_equivalent_command(fields: RunFields, text: str):
    assert command_text(to_options(fields)) == text


def test_the_form_is_filled_from_the_image():
    config = ContainerConfig(cmd=("nginx", "-g", "daemon off;"), exposed_ports={"80/tcp": {}, "53/udp": {}})
    image = Image(
        id="sha256:1",
        names=("n:1",),
        created=0,
        size=0,
        config=config,
        architecture="amd64",
        os="linux",
        chain_ids=(),
    )
    assert prefilled(image, "n:1") == RunFields(
        image="n:1", command="nginx -g 'daemon off;'", ports="80:80 53:53/udp"
    )

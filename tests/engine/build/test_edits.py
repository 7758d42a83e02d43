"""Changes of an image's config by instructions."""

from __future__ import annotations

import pytest

from engine.build.edits import apply_changes, exposed_ports
from engine.errors import InvalidInput
from engine.oci.config import ContainerConfig


def test_changes_are_instructions() -> None:
    config = apply_changes(ContainerConfig(env=("a=1",)), ['CMD ["x"]', "ENV b=$a", "WORKDIR /w", "USER me"])
    assert config == ContainerConfig(
        env=("a=1", "b=1"), cmd=("x",), working_dir="/w", user="me", args_escaped=True
    )


def test_a_new_entrypoint_drops_the_command_unless_that_is_changed_too() -> None:
    old = ContainerConfig(cmd=("x",))
    config = apply_changes(old, ['ENTRYPOINT ["y"]'])
    assert (config.entrypoint, config.cmd) == (("y",), ())
    config = apply_changes(old, ['CMD ["z"]', 'ENTRYPOINT ["y"]'])
    assert (config.entrypoint, config.cmd) == (("y",), ("z",))


@pytest.mark.parametrize("change", ["RUN x", "FROM y", "COPY a b"])
def test_other_instructions_are_no_changes(change: str) -> None:
    with pytest.raises(InvalidInput, match="is not a valid change command"):
        apply_changes(ContainerConfig(), [change])


def test_port_ranges_are_spelt_out() -> None:
    assert exposed_ports(["80", "8000-8002/udp"]) == ("80/tcp", "8000/udp", "8001/udp", "8002/udp")

from __future__ import annotations

from engine.build.operations import RunOperation
from engine.build.sandbox import StepPlace, step_bundle
from engine.runtime.capabilities import capability_bits, capability_names
from engine.runtime.cgroups import Hierarchy, HostCgroups

UNIFIED = HostCgroups(unified="/sys/fs/cgroup")
WITH_DEVICES = HostCgroups(hierarchies=(Hierarchy("/sys/fs/cgroup/devices", ("devices",)),))


def step(host: HostCgroups):
    place = StepPlace(
        step_id="s" * 64, folder="/f", lower=("/l",), files={}, network=None, new_network=True, cgroups=host
    )
    return step_bundle(RunOperation(args=("true",), cwd="/", env=(), user="", network="default"), place)


def test_without_a_device_list_a_step_can_neither_make_nor_open_nodes():
    bundle = step(UNIFIED)
    assert bundle["rootfs"]["nodev"] is True
    assert bundle["process"]["capabilities"]["bounding"] == capability_bits(capability_names(drop=("MKNOD",)))


def test_with_a_device_list_a_step_has_dockers_capabilities():
    bundle = step(WITH_DEVICES)
    assert bundle["rootfs"]["nodev"] is False
    assert bundle["process"]["capabilities"]["bounding"] == capability_bits(capability_names())

from __future__ import annotations

import pytest

from engine.errors import InvalidInput
from engine.oci.config import ContainerConfig, HealthCheck
from engine.options import RestartPolicy
from engine.records import ContainerState
from engine.runtime.supervision import check_restart, health_bundle, starts_by_itself

SECOND = 10**9


def test_dockers_defaults_are_filled_in():
    assert health_bundle(ContainerConfig(healthcheck=HealthCheck(test=("CMD", "true", "x")))) == {
        "args": ["true", "x"],
        "interval": 30,
        "timeout": 30,
        "start_period": 0,
        "start_interval": 5,
        "retries": 3,
    }


def test_what_is_given_is_in_seconds():
    given = HealthCheck(
        test=("CMD-SHELL", "a b"),
        interval=SECOND // 2,
        timeout=2 * SECOND,
        start_period=3 * SECOND,
        start_interval=4 * SECOND,
        retries=6,
    )
    assert health_bundle(ContainerConfig(healthcheck=given)) == {
        "args": ["/bin/sh", "-c", "a b"],
        "interval": 0.5,
        "timeout": 2,
        "start_period": 3,
        "start_interval": 4,
        "retries": 6,
    }


def test_the_images_shell_runs_the_check():
    check = HealthCheck(test=("CMD-SHELL", "a"))
    config = ContainerConfig(healthcheck=check, shell=("/bin/ash", "-ec"))  # noqa: S604 - a field of the image
    assert (health_bundle(config) or {})["args"] == ["/bin/ash", "-ec", "a"]


@pytest.mark.parametrize("test", [(), ("NONE",), ("WHAT", "x")])
def test_no_command_is_no_check(test):
    assert health_bundle(ContainerConfig(healthcheck=HealthCheck(test=test))) is None


@pytest.mark.parametrize(
    ("name", "count", "words"),
    [
        ("never", 0, "unknown policy 'never'; use one of 'no', 'always', 'unless-stopped', or 'on-failure'"),
        ("always", 3, "maximum retry count can only be used with 'on-failure'"),
        ("always", -3, "maximum retry count can only be used with 'on-failure' and cannot be negative"),
        ("on-failure", -1, "maximum retry count cannot be negative"),
    ],
)
def test_policies_that_docker_refuses(name, count, words):
    with pytest.raises(InvalidInput, match=f"^invalid restart policy: {words}$"):
        check_restart(RestartPolicy(name=name, maximum_retry_count=count), auto_remove=False)


@pytest.mark.parametrize(
    ("policy", "exit_code", "restarts", "starts"),
    [
        (RestartPolicy(), 1, 0, False),
        (RestartPolicy(name="on-failure"), 0, 0, False),
        (RestartPolicy(name="on-failure"), 255, 7, True),
        (RestartPolicy(name="on-failure", maximum_retry_count=2), 1, 1, True),
        (RestartPolicy(name="on-failure", maximum_retry_count=2), 1, 2, False),
        (RestartPolicy(name="always"), 0, 0, True),
    ],
)
def test_what_starts_with_the_machine(policy, exit_code, restarts, starts):
    state = ContainerState(status="exited", exit_code=exit_code, restart_count=restarts)
    assert starts_by_itself(policy, state, stopped_by_user=False) is starts

from __future__ import annotations

import pytest

from engine.options import HealthOptions, RestartPolicy
from tuidock.cli.command import Invocation, SpecError
from tuidock.cli.container_options import CONTAINER_FLAGS, create_options
from tuidock.cli.flags import UsageError, parse


def options(*argv):
    parsed = parse([*argv, "busybox"], CONTAINER_FLAGS, interspersed=False)
    return create_options(
        Invocation(spelling="run", values=parsed.values, given=parsed.given, arguments=parsed.arguments)
    )


@pytest.mark.parametrize(
    ("value", "policy"),
    [
        ("no", RestartPolicy()),
        ("", RestartPolicy()),
        ("always", RestartPolicy(name="always")),
        ("unless-stopped", RestartPolicy(name="unless-stopped")),
        ("on-failure", RestartPolicy(name="on-failure")),
        ("on-failure:3", RestartPolicy(name="on-failure", maximum_retry_count=3)),
    ],
)
def test_restart_policies(value, policy):
    assert options("--restart", value).restart == policy


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("on-failure:x", "invalid restart policy format: maximum retry count must be an integer"),
        (":3", "invalid restart policy format: no policy provided before colon"),
    ],
)
def test_restart_policies_that_cannot_be_read(value, words):
    with pytest.raises(SpecError, match=words):
        options("--restart", value)


def test_restart_and_rm_contradict_each_other():
    with pytest.raises(SpecError, match="conflicting options: cannot specify both --restart and --rm"):
        options("--rm", "--restart", "always")


def test_nothing_said_of_health_leaves_it_to_the_image():
    assert options().health is None


def test_a_health_check_with_all_that_can_be_said_of_it():
    words = "--health-cmd true --health-interval 1m30s --health-timeout 500ms --health-retries 5"
    more = "--health-start-period 2h --health-start-interval 1s"
    assert options(*words.split(), *more.split()).health == HealthOptions(
        test=("CMD-SHELL", "true"),
        interval=90,
        timeout=0.5,
        retries=5,
        start_period=7200,
        start_interval=1,
    )


def test_a_part_of_it_keeps_the_images_command():
    assert options("--health-retries", "1").health == HealthOptions(retries=1)


def test_no_healthcheck_takes_the_images_away():
    assert options("--no-healthcheck").health == HealthOptions(test=("NONE",))


def test_no_healthcheck_contradicts_any_other():
    with pytest.raises(SpecError, match="--no-healthcheck conflicts with --health-\\* options"):
        options("--no-healthcheck", "--health-retries", "1")


@pytest.mark.parametrize("name", ["interval", "timeout", "retries", "start-period", "start-interval"])
def test_nothing_of_it_is_negative(name):
    with pytest.raises(SpecError, match=f"--health-{name} cannot be negative"):
        options(f"--health-{name}", "-1" if name == "retries" else "-1s")


def test_a_duration_that_is_none_is_refused_in_gos_words():
    with pytest.raises(UsageError, match='time: invalid duration "x"'):
        options("--health-interval", "x")

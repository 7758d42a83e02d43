"""Owns what a supervisor is told of restarts and health checks: checked, with Docker's defaults; pure.

Sources: moby daemon/container.go (validateHealthCheck), daemon/health.go, api/types/container.
Refuses to restart or check anything: that is the supervisor's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.errors import InvalidInput

if TYPE_CHECKING:
    from engine.oci.config import ContainerConfig, HealthCheck
    from engine.options import RestartPolicy
    from engine.records import ContainerState

POLICIES = ("no", "always", "unless-stopped", "on-failure")
_SHORTEST = 1_000_000
"""Nanoseconds that each of a health check's durations lasts at least."""
_SECOND = 1_000_000_000
_INTERVAL, _TIMEOUT, _START_INTERVAL, _RETRIES = 30, 30, 5, 3
_SHELL = ("/bin/sh", "-c")


def check_restart(policy: RestartPolicy, *, auto_remove: bool) -> None:
    """InvalidInput for a policy that Docker refuses."""
    if policy.name not in POLICIES:
        names = "', '".join(POLICIES[:-1])
        reason = f"unknown policy '{policy.name}'; use one of '{names}', or '{POLICIES[-1]}'"
        raise InvalidInput("", f"invalid restart policy: {reason}")
    reason = "invalid restart policy: maximum retry count "
    if policy.name != "on-failure" and policy.maximum_retry_count:
        reason += "can only be used with 'on-failure'"
        raise InvalidInput(
            "", f"{reason} and cannot be negative" if policy.maximum_retry_count < 0 else reason
        )
    if policy.maximum_retry_count < 0:
        raise InvalidInput("", f"{reason}cannot be negative")
    if policy.name != "no" and auto_remove:
        raise InvalidInput("", "conflicting options: cannot specify both --restart and --rm")


def check_health(check: HealthCheck | None) -> None:
    """InvalidInput for durations and counts that Docker refuses."""
    if check is None:
        return
    for name, duration in (
        ("Interval", check.interval),
        ("Timeout", check.timeout),
        ("StartPeriod", check.start_period),
        ("StartInterval", check.start_interval),
    ):
        if duration and duration < _SHORTEST:
            raise InvalidInput("", f"{name} in Healthcheck cannot be less than 1ms")
    if check.retries < 0:
        raise InvalidInput("", "Retries in Healthcheck cannot be negative")


def health_bundle(config: ContainerConfig) -> dict[str, Any] | None:
    """The bundle's ``health`` object, durations in seconds; None where nothing is to be checked."""
    check = config.healthcheck
    if check is None or not check.test:
        return None
    kind, *words = check.test
    if kind not in {"CMD", "CMD-SHELL"}:
        return None  # NONE, or a kind that only its image's builder knew
    return {
        "args": [*(config.shell or _SHELL), *words] if kind == "CMD-SHELL" else words,
        "interval": check.interval / _SECOND or _INTERVAL,
        "timeout": check.timeout / _SECOND or _TIMEOUT,
        "start_period": check.start_period / _SECOND,
        "start_interval": check.start_interval / _SECOND or _START_INTERVAL,
        "retries": check.retries or _RETRIES,
    }


def restart_bundle(policy: RestartPolicy) -> dict[str, Any]:
    """The bundle's ``restart`` object."""
    return {"name": policy.name, "maximum": policy.maximum_retry_count}


def starts_by_itself(policy: RestartPolicy, state: ContainerState, *, stopped_by_user: bool) -> bool:
    """Whether a container that does not run is started with the machine."""
    if policy.name == "unless-stopped":
        return not stopped_by_user
    if policy.name == "on-failure":
        most = policy.maximum_retry_count
        return state.exit_code != 0 and (not most or state.restart_count < most)
    return policy.name == "always"

"""Owns the flags of how a container is looked after: its init, its health, its restarts, its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.options import HealthOptions, RestartPolicy
from tuidock.cli.command import SpecError
from tuidock.cli.flags import number, switch, text
from tuidock.cli.specs import scalars

if TYPE_CHECKING:
    from tuidock.cli.command import Invocation

_SECOND = 1_000_000_000
_DURATIONS = ("health-interval", "health-timeout", "health-start-period", "health-start-interval")


def _duration(name: str, summary: str) -> Any:
    return text(name, f"{summary} (ms|s|m|h)", kind="duration", default="0s", convert=scalars.duration)


FLAGS = (
    text("health-cmd", "Command to run to check health"),
    _duration("health-interval", "Time between running the check"),
    number("health-retries", "Consecutive failures needed to report unhealthy"),
    _duration("health-start-interval", "Time between running the check during the start period"),
    _duration("health-start-period", "Start period for the container to initialize before counting failures"),
    _duration("health-timeout", "Maximum time to allow one check to run"),
    switch("init", "Run an init inside the container that forwards signals and reaps processes"),
    switch("no-healthcheck", "Disable any container-specified HEALTHCHECK"),
    text("restart", "Restart policy to apply when a container exits", default="no"),
    switch("rm", "Automatically remove the container and its associated anonymous volumes when it exits"),
    text("stop-signal", "Signal to stop the container"),
    number("stop-timeout", "Timeout (in seconds) to stop a container"),
)


def given(invocation: Invocation) -> dict[str, Any]:
    """The fields of CreateOptions that these flags set."""
    restart = restart_policy(invocation.text("restart"))
    if invocation.switch("rm") and restart.name != "no":
        raise SpecError("conflicting options: cannot specify both --restart and --rm")
    return {
        "init": invocation.switch("init"),
        "auto_remove": invocation.switch("rm"),
        "restart": restart,
        "health": _health(invocation),
        "stop_signal": invocation.filled("stop-signal"),
        "stop_timeout": invocation.number("stop-timeout"),
    }


def restart_policy(value: str) -> RestartPolicy:
    """``no``, ``always``, ``unless-stopped`` or ``on-failure[:max]``; the engine knows the names."""
    name, colon, count = value.partition(":")
    if colon and not name:
        raise SpecError("invalid restart policy format: no policy provided before colon")
    try:
        maximum = int(count or "0")
    except ValueError:
        reason = "maximum retry count must be an integer"
        raise SpecError(f"invalid restart policy format: {reason}") from None
    return RestartPolicy(name=name or "no", maximum_retry_count=maximum)


def _health(invocation: Invocation) -> HealthOptions | None:
    command, retries = invocation.filled("health-cmd"), invocation.number("health-retries") or 0
    durations = {name: int(invocation.value(name)) for name in _DURATIONS if name in invocation.given}
    some = bool(command or retries or any(durations.values()))
    if invocation.switch("no-healthcheck"):
        if some:
            raise SpecError("--no-healthcheck conflicts with --health-* options")
        return HealthOptions(test=("NONE",))
    for name in (*durations, "health-retries"):
        if durations.get(name, retries) < 0:
            raise SpecError(f"--{name} cannot be negative")
    if not some:
        return None
    seconds = {name: durations.get(name, 0) / _SECOND for name in _DURATIONS}
    return HealthOptions(
        test=("CMD-SHELL", command) if command else (),
        interval=seconds["health-interval"],
        timeout=seconds["health-timeout"],
        start_period=seconds["health-start-period"],
        start_interval=seconds["health-start-interval"],
        retries=retries,
    )

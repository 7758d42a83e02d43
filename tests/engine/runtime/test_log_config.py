"""Which log drivers and options are taken, and what they come to: Docker 28's words."""

from __future__ import annotations

import pytest

from engine.errors import InvalidInput
from engine.options import CreateOptions
from engine.runtime.log_config import check_log, log_bound, log_driver


def options(driver: str = "", **log_opts: str) -> CreateOptions:
    given = {name.replace("_", "-"): value for name, value in log_opts.items()}
    return CreateOptions(image="busybox", log_driver=driver, log_opts=given)


@pytest.mark.parametrize(
    ("given", "size", "files"),
    [
        (options(), 20 << 20, 5),
        (options("json-file"), 20 << 20, 5),
        (options("json-file", max_size="10m"), 10_000_000, 1),
        (options("json-file", max_file="2"), 20 << 20, 2),
        (options("local", max_size="1.5k", mode="blocking", compress="false"), 1500, 5),
        (options(max_size="3gb", max_file="3"), 3_000_000_000, 3),
    ],
)
def test_bounds(given, size, files):
    check_log(given)
    assert log_bound(given) == {"max_size": size, "max_files": files}


def test_none_keeps_nothing():
    given = options("none")
    check_log(given)
    assert (log_driver(given), log_bound(given)) == ("none", None)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (options(max_size="0"), "max-size must be a positive number"),
        (options(max_size="-1"), "invalid size: '-1'"),
        (options(max_size="10x"), "invalid size: '10x'"),
        (options(max_size=""), "invalid size: ''"),
        (options(max_file="0"), "max-file cannot be less than 1"),
        (options(max_file="x"), 'strconv.Atoi: parsing "x": invalid syntax'),
        (options("json-file", foo="1"), "unknown log opt 'foo' for json-file log driver"),
        (options("local", labels="a"), "unknown log opt 'labels' for log driver local"),
        (options("json-file", env_regex="("), "error parsing regexp"),
        (options("none", max_size="1m"), "invalid logging opts for driver none"),
        (options("syslog"), "logging driver 'syslog' is not supported"),
        (options(mode="x"), "logging mode not supported: x"),
        (options(mode="non-blocking"), "mode non-blocking is not supported"),
        (options(compress="true"), "compress is not supported"),
    ],
)
def test_refusals(given, reason):
    with pytest.raises(InvalidInput) as raised:
        check_log(given)
    assert reason in str(raised.value)

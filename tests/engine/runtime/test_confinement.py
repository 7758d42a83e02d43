from __future__ import annotations

import os
import subprocess

import pytest

from engine.errors import InvalidInput
from engine.options import CreateOptions
from engine.runtime.confinement import (
    PARSERS,
    apparmor_enabled,
    check_confinement,
    default_profile,
    profile_of,
)


def options(**fields: object) -> CreateOptions:
    return CreateOptions(image="busybox", **fields)


def test_the_default_profile_is_one():
    """As the parser sees it; the kernel need not have AppArmor."""
    parser = next(filter(os.path.exists, PARSERS), None)
    if parser is None:
        pytest.skip("no apparmor_parser on this machine")
    told = subprocess.run(
        [parser, "--skip-kernel-load", "--skip-cache"],
        input=default_profile(),
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0, told.stderr


def test_a_label_that_is_none_is_refused():
    with pytest.raises(InvalidInput, match='invalid --security-opt label: "nonsense"'):
        check_confinement(options(label=("nonsense",)))


def test_what_switches_confinement_off_is_always_taken():
    check_confinement(options(apparmor="unconfined", label=("disable",)))


def test_without_apparmor_there_is_no_profile():
    expected = None if not apparmor_enabled() else "tuidock-default"
    assert profile_of(options()) in {expected, None}

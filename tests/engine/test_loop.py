"""A coroutine begins without a loop and goes on with one."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from engine import loop

_PROLOGUE = """
import json, os, signal, sys
from engine import loop
"""


def printed(code: str) -> object:
    """What a program of its own prints as JSON: this process has imported everything already."""
    run = subprocess.run(
        [sys.executable, "-c", _PROLOGUE + code], check=False, capture_output=True, text=True, cwd=os.getcwd()
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_a_coroutine_that_waits_for_nothing_imports_no_asyncio():
    code = """
async def verb():
    return 7
print(json.dumps([loop.run(verb()), "asyncio" in sys.modules]))
"""
    assert printed(code) == [7, False]


def test_a_coroutine_waits_with_a_loop_once_it_has_begun():
    code = """
async def verb():
    before = loop.begun()
    await loop.begin()
    import asyncio
    async with asyncio.timeout(5):
        await asyncio.sleep(0)
    await loop.begin()
    return [before, loop.begun(), asyncio.current_task() is not None]
print(json.dumps(loop.run(verb())))
"""
    assert printed(code) == [False, True, True]


def test_asyncio_goes_without_tls_where_nothing_has_imported_it():
    code = """
async def verb():
    await loop.begin()
    import asyncio.base_events, ssl
    return [asyncio.base_events.ssl is None, ssl is not None]
print(json.dumps(loop.run(verb())))
"""
    assert printed(code) == [True, True]


def test_asyncio_has_tls_for_who_has_imported_it():
    code = """
import ssl
async def verb():
    await loop.begin()
    import asyncio.base_events
    return asyncio.base_events.ssl is ssl
print(json.dumps(loop.run(verb())))
"""
    assert printed(code) is True


def test_an_interrupt_before_the_loop_cancels_what_waits():
    code = """
seen = []
async def verb():
    signal.raise_signal(signal.SIGINT)
    seen.append("on")
    await loop.begin()
    import asyncio
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        seen.append("cancelled")
        raise
try:
    loop.run(verb())
except KeyboardInterrupt:
    seen.append("raised")
print(json.dumps(seen))
"""
    assert printed(code) == ["on", "cancelled", "raised"]


def test_an_interrupt_of_what_never_waits_is_raised_at_its_end():
    code = """
seen = []
async def verb():
    signal.raise_signal(signal.SIGINT)
    seen.append("done")
try:
    loop.run(verb())
except KeyboardInterrupt:
    seen.append("raised")
print(json.dumps(seen))
"""
    assert printed(code) == ["done", "raised"]


def test_the_second_interrupt_does_not_wait():
    code = """
seen = []
async def verb():
    signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)
    seen.append("done")
try:
    loop.run(verb())
except KeyboardInterrupt:
    seen.append("raised")
print(json.dumps(seen))
"""
    assert printed(code) == ["raised"]


def test_what_fails_without_a_loop_fails_as_itself():
    code = """
async def verb():
    raise LookupError("no such thing")
try:
    loop.run(verb())
except LookupError as error:
    print(json.dumps(str(error)))
"""
    assert printed(code) == "no such thing"


def test_waiting_without_having_begun_is_refused():
    code = """
import types
@types.coroutine
def other():
    yield "something"
try:
    loop.run(other())
except TypeError as error:
    print(json.dumps("begin comes first" in str(error)))
"""
    assert printed(code) is True


async def test_a_loop_that_runs_is_not_begun_again():
    await loop.begin()
    assert loop.begun()


@pytest.mark.parametrize("module", ["engine.runtime.launcher", "engine.containers", "tuidock.cli.main"])
def test_the_way_to_a_container_is_imported_without_asyncio(module):
    assert printed(f"import {module}\nprint(json.dumps('asyncio' in sys.modules))") is False

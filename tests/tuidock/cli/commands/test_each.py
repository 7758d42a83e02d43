import asyncio

from engine.errors import Conflict, NotFound
from tuidock.cli.commands.each import each


async def test_all_are_done_at_once_and_told_in_order(capfd):
    begun = asyncio.Barrier(2)

    async def do(name):
        await begun.wait()
        if name == "first":
            await asyncio.sleep(0.05)

    assert await each(("first", "second"), do) == 0
    assert capfd.readouterr().out == "first\nsecond\n"


async def test_a_failure_is_told_and_the_others_are_done(capfd):
    async def do(name):
        if name == "bad":
            raise Conflict("container", name, "it is running")

    assert await each(("a", "bad", "b"), do) == 1
    assert capfd.readouterr() == ("a\nb\n", "tuidock: it is running\n")


async def test_what_is_missing_may_be_forgiven(capfd):
    async def do(name):
        raise NotFound("container", name)

    assert await each(("a",), do, missing="told") == 0
    assert capfd.readouterr() == ("", "tuidock: No such container: a\n")


async def test_the_result_of_a_name_given_twice_is_shown_twice(capfd):
    async def do(name):
        return 7

    assert await each(("a", "a"), do, show_result=True) == 0
    assert capfd.readouterr().out == "7\n7\n"


async def test_a_name_given_twice_is_done_once():
    done = []

    async def do(name):
        done.append(name)

    await each(("a", "a"), do)
    assert done == ["a"]


async def test_leaving_cancels_what_is_under_way():
    cancelled = asyncio.Event()

    async def do(_name):
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    verb = asyncio.ensure_future(each(("a",), do))
    await asyncio.sleep(0.01)
    verb.cancel()
    await asyncio.gather(verb, return_exceptions=True)
    assert cancelled.is_set()

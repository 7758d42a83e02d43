"""Names: containers find each other at 127.0.0.11, and ask the host's servers for the rest."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest

from engine.options import ContainerFilter, CreateNetworkOptions, EndpointOptions, RestartPolicy
from engine.shim.lock import lock_holder
from engine.shim.network import within
from tests.support.command_line import CommandLine
from tests.support.containers import run, sh, started
from tests.support.dns_client import ask
from tests.support.name_server import BIG, NameServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.engine import Engine
    from engine.records import Container

pytestmark = pytest.mark.root
NOWHERE = ("127.0.0.1",)
"""Of the container's own loopback, where no server is: what its networks do not know is refused at once."""
UNKNOWN = [2, False, []]
A, PTR, AAAA = 1, 12, 28
_UNDER = 'mount --bind $1 /etc/resolv.conf && shift && exec "$@"'


@pytest.fixture
async def networks(engine: Engine, busybox_image: Any) -> None:
    for name in ("n1", "n2"):
        await engine.networks.create(CreateNetworkOptions(name=name))


async def member(engine: Engine, name: str, *wanted: str, **options: Any) -> Container:
    """A container that sleeps in networks, ``NETWORK[=ALIAS[,ALIAS]]`` each."""
    ends = []
    for one in wanted or ("n1",):
        network, _, aliases = one.partition("=")
        ends.append(EndpointOptions(network=network, aliases=tuple(filter(None, aliases.split(",")))))
    fields = {"dns": NOWHERE, "network": ends[0].network, "endpoints": tuple(ends), "name": name, **options}
    return await started(engine, sh("exec sleep 1000", **fields))


def address(container: Container, place: int = 0) -> str:
    return container.endpoints[place].address


def answers(container: Container, *questions: str) -> list[Any]:
    return ask(container.state.pid, *questions)


async def test_a_container_is_found_by_name_id_host_name_and_alias(engine, networks):
    web = await member(engine, "web", "n1=svc,Other", hostname="box")
    client = await member(engine, "client")
    names = ("web", "WEB", web.id[:12], "box", "svc", "other", "web.n1", "svc.n1")
    assert answers(client, *names) == [[0, False, [address(web)]]] * len(names)


async def test_a_container_finds_itself(engine, networks):
    web = await member(engine, "web")
    assert answers(web, "web", web.id[:12]) == [[0, False, [address(web)]]] * 2


async def test_a_name_is_there_before_the_first_instruction(engine, networks):
    web = await member(engine, "web")
    script = "nslookup -type=a web 127.0.0.11 | grep -c ^Name; cat /etc/resolv.conf"
    options = sh(script, network="n1", dns=NOWHERE, dns_search=(".",), dns_options=("timeout:1",))
    assert await run(engine, options) == (0, b"1\nnameserver 127.0.0.11\noptions timeout:1 ndots:0\n", b"")
    assert address(web)


async def test_programs_find_names_as_usual(engine, networks):
    await member(engine, "web")
    code, output, _ = await run(
        engine, sh("ping -c 1 -W 5 web", network="n1", dns=NOWHERE, dns_search=(".",))
    )
    assert (code, b"1 packets received" in output) == (0, True)


async def test_an_alias_of_three_is_all_of_them_each_first_in_turn(engine, networks):
    three = [await member(engine, f"w{place}", "n1=svc") for place in range(3)]
    client = await member(engine, "client")
    found = [answer[2] for answer in answers(client, "svc", "svc", "svc")]
    addresses = sorted(map(address, three))
    assert [sorted(one) for one in found] == [addresses] * 3
    assert sorted(one[0] for one in found) == addresses


async def test_a_link_is_a_name_that_one_container_has(engine, networks):
    web, other = await member(engine, "web"), await member(engine, "other")
    end = EndpointOptions(network="n1", links=("web:db",))
    client = await member(engine, "client", endpoints=(end,))
    assert answers(client, "db", "web") == [[0, False, [address(web)]]] * 2
    assert answers(other, "db") == [UNKNOWN]


async def test_an_address_has_a_name(engine, networks):
    web, client = await member(engine, "web"), await member(engine, "client")
    reverse = ".".join(reversed(address(web).split("."))) + ".in-addr.arpa"
    assert answers(client, f"{reverse}/{PTR}") == [[0, False, ["web.n1"]]]


async def test_a_container_without_ipv6_has_no_such_address(engine, networks):
    await member(engine, "web")
    client = await member(engine, "client")
    assert answers(client, f"web/{AAAA}", f"web/{AAAA}/tcp") == [[0, False, []]] * 2


async def test_a_network_answers_nothing_of_another(engine, networks):
    web, client = await member(engine, "web", "n1=svc"), await member(engine, "client", "n2")
    reverse = ".".join(reversed(address(web).split("."))) + ".in-addr.arpa"
    questions = ("web", "svc", "web.n1", web.id[:12], f"{reverse}/{PTR}")
    assert answers(client, *questions) == [UNKNOWN] * len(questions)


async def test_who_is_in_two_networks_is_found_in_each_by_its_address_there(engine, networks):
    both = await member(engine, "both", "n1=one", "n2=two")
    first, second = await member(engine, "first", "n1"), await member(engine, "second", "n2")
    assert answers(first, "both", "one", "two") == [[0, False, [address(both)]]] * 2 + [UNKNOWN]
    assert answers(second, "both", "one", "two") == [
        [0, False, [address(both, 1)]], UNKNOWN, [0, False, [address(both, 1)]],
    ]  # fmt: skip
    assert answers(both, "first", "second") == [[0, False, [address(it)]] for it in (first, second)]


async def test_the_default_bridge_has_no_names(engine, busybox_image):
    await member(engine, "web", "bridge")
    client = await member(engine, "client", "bridge", dns=("192.0.2.1",))
    path = engine.paths.container_resolv_conf(client.id)
    with open(path) as file:
        assert file.readline() == "nameserver 192.0.2.1\n"


async def test_a_new_name_counts_at_once_and_the_old_one_no_more(engine, networks):
    web, client = await member(engine, "web", "n1=svc"), await member(engine, "client")
    before = answers(client, "web")
    await engine.containers.rename("web", "app")
    found = [0, False, [address(web)]]
    assert (before, answers(client, "web", "app", "svc")) == ([found], [UNKNOWN, found, found])


async def test_joining_and_leaving_a_network_counts_at_once(engine, networks):
    web, client = await member(engine, "web", "n2"), await member(engine, "client")
    seen = answers(client, "web", "svc")
    await engine.containers.connect("web", EndpointOptions(network="n1", aliases=("svc",)))
    web = await engine.containers.get(web.id)
    seen += answers(client, "web", "svc")
    seen += answers(web, "client")
    await engine.containers.disconnect("web", "n1")
    seen += answers(client, "web", "svc")
    seen += answers(web, "client")
    found = [0, False, [address(web, 1)]]
    assert seen == [UNKNOWN, UNKNOWN, found, found, [0, False, [address(client)]], UNKNOWN, UNKNOWN, UNKNOWN]


async def test_a_container_of_the_default_bridge_that_joins_a_network_is_found_and_finds(engine, networks):
    web, client = await member(engine, "web", "bridge"), await member(engine, "client")
    await engine.containers.connect("web", EndpointOptions(network="n1"))
    web = await engine.containers.get(web.id)
    assert answers(client, "web") == [[0, False, [address(web, 1)]]]
    assert answers(web, "client") == [[0, False, [address(client)]]]


async def test_a_container_that_has_ended_is_found_no_more(engine, networks):
    web, client = await member(engine, "web"), await member(engine, "client")
    before = answers(client, "web")[0][0]
    await engine.containers.kill(web.id, "KILL")
    await engine.containers.wait(web.id)
    assert (before, answers(client, "web")) == (0, [UNKNOWN])


async def test_a_container_whose_supervisor_was_killed_is_found_no_more(engine, networks):
    web, client = await member(engine, "web"), await member(engine, "client")
    pid = lock_holder(engine.paths.container_lock(web.id))
    pidfd = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    await asyncio.get_running_loop().run_in_executor(None, _await_end, pidfd)
    assert answers(client, "web") == [UNKNOWN]
    await engine.containers.list(ContainerFilter(all=True))  # whoever looks cleans up
    folder = engine.paths.network_names((await engine.networks.get("n1")).id)
    assert os.listdir(folder) == [client.id]


async def test_who_has_removed_the_run_folder_has_removed_no_names(engine, networks):
    web, client = await member(engine, "web"), await member(engine, "client")
    shutil.rmtree(engine.paths.run)
    await engine.containers.list(ContainerFilter(all=True))  # whoever finds them alive tells them
    while not os.path.exists(f"{engine.paths.names}/{web.endpoints[0].network_id}/{web.id}"):
        await asyncio.sleep(0.02)
    assert answers(client, "web") == [[0, False, [address(web)]]]


def _await_end(pidfd: int) -> None:
    import select

    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    assert poller.poll(20_000)
    os.close(pidfd)


async def test_a_container_that_starts_again_finds_and_is_found(engine, networks):
    client = await member(engine, "client")
    script = "[ -e /again ] && exec sleep 1000; touch /again; exit 1"
    policy = RestartPolicy(name="on-failure", maximum_retry_count=2)
    web = await started(engine, sh(script, name="web", network="n1", dns=NOWHERE, restart=policy))
    while not (web.state.status == "running" and web.state.restart_count):
        await asyncio.sleep(0.02)
        web = await engine.containers.get(web.id)
    assert answers(client, "web") == [[0, False, [address(web)]]]
    assert answers(web, "client") == [[0, False, [address(client)]]]


async def test_a_process_that_joins_the_namespace_asks_the_same_server(engine, networks):
    web = await member(engine, "web")
    joined = sh("nslookup -type=a web 127.0.0.11 | grep -c ^Name", network=f"container:{web.id}")
    assert await run(engine, joined) == (0, b"1\n", b"")


# -- other names: the host's servers -------------------------------------------------------------------
class Host:
    """The program where /etc/resolv.conf is a file of the test's own."""

    def __init__(self, tuidock: CommandLine, folder: str) -> None:
        self.resolv_conf = f"{folder}/resolv.conf"
        self._tuidock = tuidock

    def name(self, *servers: str) -> None:
        # In place, as it is mounted.
        with open(self.resolv_conf, "w") as file:
            file.write("".join(f"nameserver {server}\n" for server in servers))

    def run(self, *arguments: str) -> str:
        command = ("run", "-d", *arguments, "busybox", "sleep", "1000")
        argv = [
            "unshare",
            "--mount",
            "sh",
            "-euc",
            _UNDER,
            "sh",
            self.resolv_conf,
            sys.executable,
            "-m",
            "tuidock",
        ]
        import subprocess

        done = subprocess.run(
            [*argv, *command], env=self._tuidock.environ, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture
def host(tuidock: CommandLine, tmp_path_factory: Any) -> Host:
    return Host(tuidock, str(tmp_path_factory.mktemp("host")))


@pytest.fixture
def server(host: Host) -> Iterator[NameServer]:
    """On the host's loopback, as systemd-resolved's stub is."""
    with NameServer() as made:
        host.name(made.address)
        yield made


async def test_other_names_are_asked_of_the_host_s_server_on_its_loopback(engine, networks, host, server):
    container = await engine.containers.get(host.run("--network", "n1"))
    assert answers(container, "web.example", "none.example", f"web.example/{A}/tcp") == [
        [0, False, ["192.0.2.1"]],
        [3, False, []],
        [0, False, ["192.0.2.1"]],
    ]
    assert server.asked == ["web.example", "none.example", "tcp:web.example"]


async def test_a_long_answer_comes_by_stream(engine, networks, host, server):
    container = await engine.containers.get(host.run("--network", "n1"))
    cut, whole = answers(container, "big.example", f"big.example/{A}/tcp")
    assert (cut, len(whole[2])) == ([0, True, []], BIG)


async def test_no_name_of_a_container_leaves_the_host(engine, networks, host, server):
    web = await engine.containers.get(host.run("--network", "n1", "--name", "web"))
    client = await engine.containers.get(host.run("--network", "n1"))
    reverse = ".".join(reversed(address(web).split("."))) + ".in-addr.arpa"
    answers(client, "web", f"web/{AAAA}", "web/15", "web/65", "web.n1", f"{reverse}/{PTR}")
    assert server.asked == []


async def test_another_server_of_the_host_counts_at_once(engine, networks, host, server):
    container = await engine.containers.get(host.run("--network", "n1"))
    answers(container, "one.example")
    with NameServer() as other:
        host.name(other.address)
        answers(container, "two.example")
    assert (server.asked, other.asked) == (["one.example"], ["two.example"])


async def test_an_internal_network_asks_nobody(engine, busybox_image, host, server):
    await engine.networks.create(CreateNetworkOptions(name="inside", internal=True))
    container = await engine.containers.get(host.run("--network", "inside"))
    assert (answers(container, "web.example"), server.asked) == ([UNKNOWN], [])


async def test_the_default_bridge_asks_a_server_on_the_host_s_loopback_too(
    engine, busybox_image, host, server
):
    container = await engine.containers.get(host.run())
    assert answers(container, "web.example") == [[0, False, ["192.0.2.1"]]]


async def test_a_server_of_the_container_s_own_holds_port_53(engine, networks):
    """While that of its network is asked at 127.0.0.11, others ask its own at its address."""
    web, client = await member(engine, "web"), await member(engine, "client")
    netns = os.open(f"/proc/{web.state.pid}/ns/net", os.O_RDONLY)
    own: list[NameServer] = []
    within(netns, lambda: own.append(NameServer("0.0.0.0")))
    os.close(netns)
    with own[0] as server:
        asked = ask(client.state.pid, "a.example", f"b.example/{A}/tcp", server=address(web))
        assert answers(web, "client", f"client/{A}/tcp") == [[0, False, [address(client)]]] * 2
    assert (asked, server.asked) == ([[0, False, ["192.0.2.1"]]] * 2, ["a.example", "tcp:b.example"])

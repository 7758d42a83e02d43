"""The command line of networks, with real containers on real bridges."""

from __future__ import annotations

import json
import secrets

import pytest

from engine.options import CreateNetworkOptions

pytestmark = pytest.mark.root


@pytest.fixture
def prefix():
    """Of the addresses of ``net``; other tests, at the same time, have others."""
    return f"10.231.{secrets.randbelow(256)}"


@pytest.fixture
async def net(engine, prefix):
    """A network with a subnet of its own."""
    options = CreateNetworkOptions(name="net", subnets=(f"{prefix}.0/24",), labels={"of": "tests"})
    return (await engine.networks.create(options)).name


def _sleeper(tuidock, name, *flags):
    return tuidock.ok("run", "-d", "--name", name, *flags, "busybox", "sleep", "1000").strip()


def test_containers_of_a_network_find_each_other_by_name_alias_and_address(tuidock, net, prefix):
    _sleeper(tuidock, "web", "--network", net, "--network-alias", "www", "--ip", f"{prefix}.9")
    script = f"for name in web www {prefix}.9; do ping -c1 -W2 -q $name | head -1; done"
    assert tuidock.ok("run", "--rm", "--network", net, "busybox", "sh", "-c", script) == (
        f"PING web ({prefix}.9): 56 data bytes\n"
        f"PING www ({prefix}.9): 56 data bytes\n"
        f"PING {prefix}.9 ({prefix}.9): 56 data bytes\n"
    )


def test_the_advanced_syntax_is_what_the_flags_are(tuidock, net, prefix):
    field = f"name={net},alias=www,ip={prefix}.9,mac-address=02:42:0a:00:00:09,link-local-ip=169.254.7.9"
    script = "cat /sys/class/net/eth0/address; ip -o -4 addr show eth0 | grep -o 'inet [0-9.]*'; nslookup www"
    shown = tuidock.ok("run", "--rm", "--network", field, "busybox", "sh", "-c", script)
    assert shown.splitlines()[:3] == ["02:42:0a:00:00:09", f"inet {prefix}.9", "inet 169.254.7.9"]
    assert f"Address: {prefix}.9" in shown


def test_connect_and_disconnect_change_what_a_running_container_has(tuidock, net, prefix):
    _sleeper(tuidock, "box")
    assert tuidock.ok("network", "connect", "--alias", "a,b", "--ip", f"{prefix}.8", net, "box") == ""
    assert f"{prefix}.8" in tuidock.ok("exec", "box", "ip", "-o", "-4", "addr", "show", "eth1")
    assert tuidock.ok("ps", "--filter", f"network={net}", "--format", "{{.Networks}}") == f"bridge,{net}\n"
    shown = json.loads(tuidock.ok("network", "inspect", net))[0]["Containers"]
    assert [one["IPv4Address"] for one in shown.values()] == [f"{prefix}.8/24"]
    assert tuidock.ok("network", "disconnect", net, "box") == ""
    assert "eth1" not in tuidock.ok("exec", "box", "ls", "/sys/class/net")
    assert tuidock.ok("ps", "-q", "--filter", f"network={net}") == ""


def test_a_link_is_a_name_that_one_container_has(tuidock, net):
    _sleeper(tuidock, "web", "--network", net)
    script = "nslookup store | grep Name"
    found = tuidock.ok("run", "--rm", "--network", net, "--link", "web:store", "busybox", "sh", "-c", script)
    assert found == "Name:\tstore\n"
    assert tuidock("run", "--rm", "--network", net, "busybox", "nslookup", "store").returncode == 1


def test_a_link_on_the_default_bridge_is_a_line_of_hosts_and_variables(tuidock, net):
    _sleeper(tuidock, "web", "-h", "host", "--expose", "80", "-e", "COLOUR=red")
    address = tuidock.ok("inspect", "-f", "{{.NetworkSettings.IPAddress}}", "web").strip()
    run = ("run", "--rm", "--name", "box", "--link", "web:s-t", "busybox")
    assert f"{address}\ts-t host web\n" in tuidock.ok(*run, "cat", "/etc/hosts")
    variables = [line for line in tuidock.ok(*run, "env").splitlines() if line.startswith("S_T_")]
    assert variables == [
        f"S_T_PORT=tcp://{address}:80",
        f"S_T_PORT_80_TCP=tcp://{address}:80",
        f"S_T_PORT_80_TCP_ADDR={address}",
        "S_T_PORT_80_TCP_PORT=80",
        "S_T_PORT_80_TCP_PROTO=tcp",
        "S_T_NAME=/box/s-t",
        "S_T_ENV_COLOUR=red",
    ]


def test_a_link_needs_a_container_that_runs_on_the_default_bridge(tuidock, net):
    _sleeper(tuidock, "far", "--network", net)
    tuidock.ok("create", "--name", "still", "busybox", "true")
    reasons = {
        name: tuidock("run", "--rm", "--name", "box", "--link", name, "busybox", "true").stderr.splitlines()[
            0
        ]
        for name in ("nope", "far", "still")
    }
    assert reasons == {
        "nope": "tuidock: could not get container for nope: No such container: nope",
        "far": "tuidock: Cannot link to /far, as it does not belong to the default network",
        "still": "tuidock: Cannot link to a non running container: /still AS /box/still",
    }


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (("--network", "nope"), "network nope not found"),
        (("--network", "net", "--ip", "x"), "invalid IPv4 address: x"),
        (
            ("--network", "container:nope", "-P"),
            "conflicting options: port publishing and the container type",
        ),
    ],
)
def test_a_wish_that_cannot_be_granted_is_refused_in_dockers_words(tuidock, net, argv, reason):
    run = tuidock("run", "--rm", *argv, "busybox", "true")
    assert run.returncode == 125
    assert run.stderr.startswith(f"tuidock: {reason}")
    assert tuidock.ok("ps", "-aq") == ""


def test_ls_filters_as_docker_does(tuidock, net):
    def names(*filters):
        flags = [word for one in filters for word in ("-f", one)]
        return tuidock.ok("network", "ls", *flags, "--format", "{{.Name}}").split()

    _sleeper(tuidock, "box", "--network", net)
    tuidock.ok("network", "create", "net10")
    tuidock.ok("network", "create", "net9")
    assert names() == ["bridge", "host", "net", "net9", "net10", "none"]
    assert names("type=builtin") == ["bridge", "host", "none"]
    assert names("driver=null") == ["none"]
    assert names("name=^net1") == ["net10"]
    assert names("label=of=tests") == ["net"]
    assert names("dangling=true") == ["net9", "net10"]
    assert names("dangling=false", "type=custom") == ["net"]
    assert names("scope=swarm") == []


def test_ls_as_json_has_dockers_fields(tuidock, net):
    rows = [json.loads(line) for line in tuidock.ok("network", "ls", "--format", "json").splitlines()]
    row = next(row for row in rows if row["Name"] == net)
    del row["ID"], row["CreatedAt"]
    assert row == {
        "Driver": "bridge",
        "IPv4": "true",
        "IPv6": "false",
        "Internal": "false",
        "Labels": "of=tests",
        "Name": net,
        "Scope": "local",
    }


def test_rm_names_what_is_not_there_unless_forced(tuidock, net):
    run = tuidock("network", "rm", "nope", net)
    assert (run.returncode, run.stdout) == (1, f"{net}\n")
    assert run.stderr.startswith("tuidock: network nope not found\n")
    run = tuidock("network", "rm", "-f", "nope")
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_prune_takes_what_nobody_uses_and_fits_the_filters(tuidock, net):
    tuidock.ok("network", "create", "--label", "keep", "kept")
    _sleeper(tuidock, "box", "--network", net)
    tuidock.ok("network", "create", "unused")
    assert tuidock.ok("network", "prune", "-f", "--filter", "until=1h") == ""
    assert tuidock.ok("network", "prune", "-f", "--filter", "label!=keep") == "Deleted Networks:\nunused\n\n"
    assert tuidock.ok("system", "prune", "-f").startswith("Deleted Networks:\nkept\n")


def test_events_tell_of_networks(tuidock, net):
    box = tuidock.ok("create", "--name", "box", "busybox", "sleep", "1000").strip()
    tuidock.ok("start", "box")
    tuidock.ok("network", "connect", net, "box")
    tuidock.ok("network", "disconnect", net, "box")
    template = "{{.Action}} {{.Actor.Attributes.container}}"
    flags = ("--since", "1h", "--until", "0s", "--filter", "type=network", "--filter", f"network={net}")
    assert tuidock.ok("events", *flags, "--format", template).splitlines()[1:] == [
        f"connect {box}",
        f"disconnect {box}",
    ]


def test_a_name_server_on_the_loopback_is_warned_of(tuidock):
    flags = ("--network", "none", "--dns", "9.9.9.9", "--dns", "127.0.0.1")
    run = tuidock("run", "--rm", *flags, "busybox", "true")
    assert (run.returncode, run.stderr) == (0, "WARNING: Localhost DNS (127.0.0.1) may fail in containers.\n")

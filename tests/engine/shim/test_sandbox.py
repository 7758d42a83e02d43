"""What a container is and sees: namespaces, root, users, capabilities, and what it is told when it cannot be."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from engine import errors
from engine.shim import beneath

pytestmark = pytest.mark.root


async def test_command_output_and_exit_code_arrive(box):
    assert await box.run("sh", "-c", "echo out; echo err >&2; exit 7") == (7, b"out\n", b"err\n")


async def test_exit_code_of_a_signal_is_128_and_its_number(box):
    assert (await box.run("sh", "-c", "kill -TERM $$"))[0] in {143, 0}
    assert (await box.run("sh", "-c", "sh -c 'kill -SEGV $$'; exit $?"))[0] == 139


async def test_command_is_pid_one_of_its_own_processes(box):
    _, out, _ = await box.run("sh", "-c", "echo $$; ls /proc | grep -c '^[0-9]'")
    pid, count = out.split()
    assert (pid, int(count) <= 4) == (b"1", True)


async def test_every_namespace_is_new(box):
    names = ("pid", "mnt", "uts", "ipc", "net", "cgroup")
    _, out, _ = await box.run("sh", "-c", "".join(f"readlink /proc/self/ns/{name};" for name in names))
    own = {os.readlink(f"/proc/self/ns/{name}") for name in names}
    assert len(out.split()) == 6
    assert not own & set(out.decode().split())


async def test_host_mounts_are_gone(box):
    _, out, _ = await box.run("cat", "/proc/self/mountinfo")
    roots = [line.split()[4] for line in out.decode().splitlines()]
    allowed = ("/", "/proc", "/dev", "/sys")
    assert all(root == "/" or root.startswith(allowed[1:]) for root in roots)


async def test_loopback_is_up_without_a_network(box):
    code, _, _ = await box.run("sh", "-c", "ip addr show lo | grep -q 'inet 127.0.0.1'")
    assert code == 0


async def test_hostname_is_set(box):
    assert (await box.run("hostname"))[1] == b"box\n"


async def test_docker_capabilities_and_no_more(box):
    _, out, _ = await box.run("grep", "-E", "^Cap(Prm|Eff|Bnd|Amb)", "/proc/self/status")
    assert out.split()[1::2] == [b"00000000a80425fb"] * 3 + [b"0000000000000000"]


async def test_user_has_no_capabilities(box):
    _, out, _ = await box.run("grep", "-E", "^Cap(Prm|Eff)", "/proc/self/status", process={"user": "1000"})
    assert out.split()[1::2] == [b"0000000000000000"] * 2


async def test_no_signal_is_ignored_or_blocked(box):
    _, out, _ = await box.run("grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status")
    assert out.split()[1::2] == [b"0000000000000000"] * 2


async def test_no_descriptor_but_the_streams_is_inherited(box):
    _, out, _ = await box.run("sh", "-c", "ls /proc/1/fd; true")
    assert set(out.split()) <= {b"0", b"1", b"2", b"10"}


async def test_no_new_privileges(box):
    _, out, _ = await box.run("grep", "NoNewPrivs", "/proc/self/status", process={"no_new_privileges": True})
    assert out.split()[1] == b"1"


async def test_masked_paths_are_empty(box):
    assert (await box.run("sh", "-c", "cat /proc/keys /proc/kcore; ls /sys/firmware"))[1] == b""


async def test_kernel_parameters_are_read_only(box):
    code, _, err = await box.run("sh", "-c", "echo x > /proc/sys/kernel/domainname")
    assert (code, b"Read-only file system" in err) == (1, True)


async def test_read_only_root(box):
    bundle = box.bundle("sh", "-c", "echo x > /new")
    bundle["rootfs"]["read_only"] = True
    assert (await box.execute(bundle))[0] == 1


async def test_writes_land_in_the_upper_directory(box):
    await box.run("sh", "-c", "echo x > /new")
    assert os.listdir(box.last["rootfs"]["upper"]) == ["new"] or "new" in os.listdir(
        box.last["rootfs"]["upper"]
    )


async def test_working_directory_is_made(box):
    assert (await box.run("pwd", process={"cwd": "/a/b"}))[1] == b"/a/b\n"


async def test_home_is_the_users(box):
    assert (await box.run("sh", "-c", "echo $HOME"))[1] == b"/root\n"


async def test_home_that_is_given_is_kept(box):
    env = ["PATH=/bin", "HOME=/elsewhere"]
    assert (await box.run("sh", "-c", "echo $HOME", process={"env": env}))[1] == b"/elsewhere\n"


@pytest.mark.parametrize(
    ("user", "expected"),
    [("1234", b"1234:0:0"), ("1234:5", b"1234:5:5"), ("root", b"0:0"), ("ann", b"1000:1000:1000 29"),
     ("ann:audio", b"1000:29:29"), ("1000", b"1000:1000:1000 29")],
)  # fmt: skip
async def test_user_is_resolved_in_the_image(box, user, expected):
    tree = _tree_with_users(box)
    bundle = box.bundle("sh", "-c", "echo $(id -u):$(id -g):$(id -G)", process={"user": user})
    bundle["rootfs"]["lower"].insert(0, tree)
    assert (await box.execute(bundle))[1].startswith(expected)


@pytest.mark.parametrize(
    ("user", "message"),
    [
        ("nobody-here", "unable to find user nobody-here: no matching entries in passwd file"),
        ("0:no-group", "unable to find group no-group: no matching entries in group file"),
        ("4294967295", "4294967295: uids and gids must be in range 0-2147483647"),
    ],
)
async def test_unknown_user_is_refused_in_dockers_words(box, user, message):
    with pytest.raises(errors.RuntimeFailure, match=message):
        await box.run("true", process={"user": user})


@pytest.mark.parametrize(
    ("args", "kind", "message"),
    [
        (["nosuch"], errors.CommandNotFound, 'exec: "nosuch": executable file not found in $PATH'),
        (["/no/such"], errors.CommandNotFound, 'exec: "/no/such": stat /no/such: no such file or directory'),
        (["/proc/version"], errors.CommandNotExecutable, 'exec: "/proc/version": permission denied'),
        (["/dev"], errors.CommandNotExecutable, 'exec: "/dev": is a directory'),
    ],
)
async def test_command_that_cannot_be_executed(box, args, kind, message):
    with pytest.raises(kind) as caught:
        await box.run(*args)
    assert str(caught.value) == message


async def test_failed_start_leaves_no_run_folder(box):
    with pytest.raises(errors.CommandNotFound):
        await box.run("nosuch")
    assert not os.path.exists(box.last["run_dir"])


async def test_bind_mount_is_seen_and_can_be_read_only(box, tmp_path):
    (tmp_path / "file").write_text("kept")
    mount = {
        "type": "bind",
        "source": str(tmp_path),
        "target": "/given/here",
        "flags": ["rbind", "ro", "rprivate"],
    }
    bundle = box.bundle("sh", "-c", "cat /given/here/file; echo x > /given/here/file")
    bundle["mounts"].append(mount)
    code, out, _ = await box.execute(bundle)
    assert (code, out) == (1, b"kept")


async def test_file_is_bound_on_a_new_file(box, tmp_path):
    (tmp_path / "file").write_text("kept")
    mount = {"type": "bind", "source": f"{tmp_path}/file", "target": "/etc/some/file", "flags": ["bind"]}
    bundle = box.bundle("cat", "/etc/some/file")
    bundle["mounts"].append(mount)
    assert (await box.execute(bundle))[1] == b"kept"


async def test_a_mount_that_fails_is_told_even_while_the_network_is_being_connected(box, tmp_path):
    (tmp_path / "file").touch()
    network = {"host": [], "container": [], "teardown": [], "ports": []}
    for _ in range(60):  # one of thirty lost the race
        bundle = box.bundle("true", network=network)
        bundle["mounts"].append(
            {"type": "bind", "source": f"{tmp_path}/file", "target": "/etc", "flags": ["bind"]}
        )
        with pytest.raises(errors.RuntimeFailure, match=r"mounting bind: /etc: \S+ is a file"):
            await box.execute(bundle)


async def test_link_of_the_image_does_not_lead_a_mount_to_the_host(box, tmp_path):
    outside, given = tmp_path / "outside", tmp_path / "given"
    outside.mkdir()
    given.mkdir()
    (given / "marker").touch()
    layer = tmp_path / "layer"
    layer.mkdir()
    (layer / "data").symlink_to(outside)
    bundle = box.bundle("ls", "/data")
    bundle["rootfs"]["lower"].insert(0, str(layer))
    bundle["mounts"].append({"type": "bind", "source": str(given), "target": "/data/x", "flags": ["bind"]})
    bundle["process"]["args"] = ["ls", "/data/x", str(outside)]
    assert await box.execute(bundle) == (0, f"/data/x:\nmarker\n\n{outside}:\nx\n".encode(), b"")
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("link", ["/far/away", "../far/away", "../../../far/away", "chain"])
@pytest.mark.parametrize("source", ["folder", "file"])
async def test_the_target_of_a_dangling_link_is_made_inside_the_root(box, tmp_path, link, source):
    layer = tmp_path / "layer"
    (layer / "d").mkdir(parents=True)
    (layer / "d" / "target").symlink_to(link)
    (layer / "d" / "chain").symlink_to("../far/./away")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("kept")
    bundle = box.bundle("ls", "-d", "/far/away")
    bundle["rootfs"]["lower"].insert(0, str(layer))
    mount = {"type": "bind", "source": f"{tmp_path}/{source}", "target": "/d/target", "flags": ["bind"]}
    bundle["mounts"].append(mount)
    assert await box.execute(bundle) == (0, b"/far/away\n", b"")


async def test_a_link_to_itself_is_no_target(box, tmp_path):
    layer = tmp_path / "layer"
    layer.mkdir()
    (layer / "loop").symlink_to("loop/x")
    bundle = box.bundle("true")
    bundle["rootfs"]["lower"].insert(0, str(layer))
    bundle["mounts"].append({"type": "tmpfs", "source": "", "target": "/loop", "flags": [], "data": ""})
    with pytest.raises(errors.RuntimeFailure, match="Too many levels of symbolic links"):
        await box.execute(bundle)


async def test_dev_may_be_a_dangling_link(box, tmp_path):
    layer = tmp_path / "layer"
    layer.mkdir()
    (layer / "dev").symlink_to("devices")
    bundle = box.bundle("sh", "-c", "echo x > /devices/null; test -c /dev/null")
    bundle["rootfs"]["lower"].insert(0, str(layer))
    assert await box.execute(bundle) == (0, b"", b"")


async def test_image_with_120_layers(box, tmp_path):
    layers = []
    for number in range(120):
        layer = tmp_path / f"{number:064}"
        layer.mkdir()
        (layer / f"file{number}").touch()
        layers.append(str(layer))
    bundle = box.bundle("sh", "-c", "ls -d /file* | wc -l")
    bundle["rootfs"]["lower"][:0] = layers
    assert (await box.execute(bundle))[1] == b"120\n"


async def test_names_with_the_characters_of_mount_options(box, tmp_path):
    layer = tmp_path / "a:b,c\\d"
    layer.mkdir()
    (layer / "here").touch()
    bundle = box.bundle("ls", "/here")
    bundle["rootfs"]["lower"].insert(0, str(layer))
    assert (await box.execute(bundle))[1] == b"/here\n"


async def test_limits_of_open_files(box):
    assert (await box.run("sh", "-c", "ulimit -n", process={"rlimits": [["nofile", 321, 321]]}))[
        1
    ] == b"321\n"


async def test_pids_limit_holds(box):
    bundle = box.bundle("sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do sleep 1 & done; wait")
    folder = next(path for path in bundle["cgroup"]["kill"] if "/pids/" in path or path.count("/") == 5)
    bundle["cgroup"]["writes"] = [[f"{folder}/pids.max", "5"]]
    assert b"can't fork" in (await box.execute(bundle))[2]


def _tree_with_users(box) -> str:
    tree = f"{box.paths.root}/users"
    os.makedirs(f"{tree}/etc")
    with open(f"{tree}/etc/passwd", "w") as file:
        file.write("# comment\nroot:x:0:0:root:/root:/bin/sh\nbroken\nann:x:1000:1000::/home/ann:/bin/sh\n")
    with open(f"{tree}/etc/group", "w") as file:
        file.write("root:x:0:\nann:x:1000:\naudio:x:29:bob,ann\n")
    return tree


async def test_nodes_of_an_image_can_be_opened_only_where_that_is_guarded(box, tmp_path):
    os.mkdir(tmp_path / "image")
    os.mknod(tmp_path / "image" / "zero", 0o20666, os.makedev(1, 5))
    read = []
    for nodev, read_only in ((False, False), (True, False), (True, True)):
        bundle = box.bundle("sh", "-c", "head -c 1 /zero >/dev/null")
        bundle["rootfs"]["lower"].insert(0, str(tmp_path / "image"))
        bundle["rootfs"] |= {"nodev": nodev, "read_only": read_only}
        read.append((await box.execute(bundle))[0] == 0)
    assert read == [True, False, False]


async def test_user_whose_number_means_no_change_is_refused(box, tmp_path):
    (tmp_path / "image" / "etc").mkdir(parents=True)
    (tmp_path / "image" / "etc" / "passwd").write_text("evil:x:4294967295:1000::/:/bin/sh\n")
    bundle = box.bundle("id", process={"user": "evil"})
    bundle["rootfs"]["lower"].insert(0, str(tmp_path / "image"))
    with pytest.raises(errors.RuntimeFailure, match="no ids that a process can have"):
        await box.execute(bundle)


def test_capabilities_that_cannot_be_dropped_are_no_success():
    program = (
        "import os, sys; sys.path[:0] = [os.getcwd()]\n"
        "from engine.shim import linux, process\n"
        "linux.capset(0, 0, 0)\n"
        "sets = dict.fromkeys(('bounding', 'permitted', 'effective'), 0)\n"
        "try:\n    process._set_credentials(sets, 0, 0, [])\n"
        "except PermissionError as error:\n    print(error.syscall)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "prctl\n"


def test_mount_target_is_found_while_the_machine_renames(tmp_path):
    (tmp_path / "run" / "lock").mkdir(parents=True)
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "run").symlink_to("../run")
    storm = (
        "import os, sys; os.chdir(sys.argv[1]); os.mkdir('a')\n"
        "while True: os.rename('a', 'b'); os.rename('b', 'a')\n"
    )
    root = os.open(tmp_path, os.O_PATH)
    (tmp_path / "storm").mkdir()
    with subprocess.Popen([sys.executable, "-c", storm, str(tmp_path / "storm")]) as process:
        try:
            while not os.listdir(tmp_path / "storm"):
                pass
            for _ in range(3000):
                os.close(beneath.make(root, "/var/run/lock", directory=True))
        finally:
            process.kill()
            os.close(root)

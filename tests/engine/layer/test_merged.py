from __future__ import annotations

import io
import os
import subprocess
import tarfile

import pytest

from engine.layer.merged import changes, export

pytestmark = pytest.mark.root


@pytest.fixture
def trees(tmp_path):
    low, top = tmp_path / "low", tmp_path / "top"
    for path in ("etc/old", "etc/kept", "gone/x", "fresh/before", "file"):
        (low / path).parent.mkdir(parents=True, exist_ok=True)
        (low / path).write_text(f"low {path}")
    for path in ("etc/new", "etc/old", "fresh/after"):
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_text(f"top {path}")
    os.mknod(top / "gone", 0o20000, 0)
    os.mknod(top / "file", 0o20000, 0)
    os.setxattr(top / "fresh", "trusted.overlay.opaque", b"y")
    return top, low


def test_export_shows_what_an_overlay_would(tmp_path, trees):
    top, low = trees
    with open(tmp_path / "out.tar", "wb") as out:
        export({"trees": [str(top), str(low)]}, [out.fileno()])
    with tarfile.open(tmp_path / "out.tar") as archive:
        assert archive.getnames() == [".", "etc", "fresh", "etc/kept", "etc/new", "etc/old", "fresh/after"]
        old = archive.extractfile("etc/old")
        assert old is not None
        assert old.read() == b"top etc/old"


def test_export_agrees_with_the_kernel(tmp_path, trees):
    top, low = trees
    for name in ("work", "mnt"):
        (tmp_path / name).mkdir()
    script = (
        f"mount -t overlay overlay -o lowerdir={low},upperdir={top},workdir={tmp_path}/work {tmp_path}/mnt"
        f" && cd {tmp_path}/mnt && find . -printf '%p %y %m %s\\n' | grep -v '^. ' | sort"
    )
    seen = subprocess.run(
        ["unshare", "-m", "sh", "-c", script], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    with open(tmp_path / "out.tar", "w+b") as out:
        export({"trees": [str(top), str(low)]}, [out.fileno()])
        out.seek(0)
        with tarfile.open(fileobj=io.BytesIO(out.read())) as archive:
            exported = {entry.name: (entry.isdir(), entry.mode) for entry in archive if entry.name != "."}
    kernel = {
        path.removeprefix("./"): (kind == "d", int(mode, 8))
        for path, kind, mode, _size in (line.rsplit(" ", 3) for line in seen)
    }
    assert exported == kernel


def test_changes_are_added_changed_and_deleted(trees):
    top, low = trees
    assert changes({"upper": str(top), "lowers": [str(low)]}, []) == [
        ["C", "/etc"],
        ["A", "/etc/new"],
        ["C", "/etc/old"],
        ["D", "/file"],
        ["C", "/fresh"],
        ["A", "/fresh/after"],
        ["D", "/fresh/before"],
        ["D", "/gone"],
    ]


def test_export_goes_on_when_a_running_container_removes_files(tmp_path):
    tree = tmp_path / "tree"
    (tree / "kept").mkdir(parents=True)
    churn = "while :; do mkdir -p t/a/b; for i in 1 2 3 4 5 6 7 8; do echo x > t/a/b/$i; done; rm -rf t; done"
    with subprocess.Popen(["sh", "-c", churn], cwd=tree) as process:
        try:
            for _ in range(100):
                with open(tmp_path / "out.tar", "wb") as out:
                    export({"trees": [str(tree)]}, [out.fileno()])
                with tarfile.open(tmp_path / "out.tar") as archive:
                    assert "kept" in archive.getnames()
        finally:
            process.kill()

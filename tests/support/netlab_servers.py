"""Owns the image that the network's tests run: nginx and Redis from Debian, with the machine's busybox."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tarfile

import pytest

from tests.support.network import why_no_network
from tests.support.trees import make_busybox_tree

IMAGE = "servers"
WEB = ("nginx", "-c", "/etc/nginx.conf")
"""Answers with the name of its host and the address of its client; its log is the container's."""
REDIS = ("redis-server", "--protected-mode", "no", "--save", "", "--bind", "*", "-::*")
ECHO = ("socat", "-T", "5", "UDP6-LISTEN:7,fork,reuseaddr", "PIPE")
"""Datagrams come back from port 7."""

_NGINX = """\
daemon off; user root; worker_processes 1; error_log stderr crit; pid /tmp/nginx.pid;
events { worker_connections 256; }
http {
  access_log /dev/stdout;
  client_body_temp_path /tmp/1; proxy_temp_path /tmp/2; fastcgi_temp_path /tmp/3; uwsgi_temp_path /tmp/4;
  scgi_temp_path /tmp/5; default_type text/plain;
  server { listen 80; listen [::]:80; location / { return 200 "$hostname $remote_addr\\n"; } }
}
"""


def make_archive(folder: str) -> str:
    """A tar of the image's files below ``folder``; skips the test if one of the servers cannot be had."""
    tree = make_busybox_tree(f"{folder}/servers")
    for program, source in (
        ("nginx", _nginx(folder)),
        # Debian's redis-server is this program by another name; redis-tools has it, and starts no service.
        ("redis-server", _found("redis-check-rdb", "redis-tools")),
        ("socat", _found("socat", "socat")),
    ):
        add_program(tree, source, program)
    with open(f"{tree}/etc/nginx.conf", "w", encoding="utf-8") as file:
        file.write(_NGINX)
    for path in ("var/log/nginx", "var/lib/nginx"):
        os.makedirs(f"{tree}/{path}")
    archive = f"{folder}/servers.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(tree, arcname=".")
    return archive


def add_program(tree: str, source: str, name: str) -> None:
    """Put a program of the machine into ``tree``, with the libraries that it loads."""
    shutil.copy2(source, f"{tree}/usr/bin/{name}")
    listed = subprocess.run(["ldd", source], capture_output=True, text=True, check=True, timeout=20).stdout
    for path in re.findall(r"(/\S+) \(0x", listed):
        os.makedirs(f"{tree}{os.path.dirname(path)}", exist_ok=True)
        shutil.copy2(path, f"{tree}{path}")


def _nginx(folder: str) -> str:
    if found := shutil.which("nginx", path="/usr/sbin:/usr/bin"):
        return found
    # Unpacked, not installed: the package would start a web server on this machine.
    if reason := why_no_network():
        pytest.skip(f"NEEDS NGINX: {reason}")
    subprocess.run(
        ["apt-get", "-q", "download", "nginx"], cwd=folder, check=True, capture_output=True, timeout=60
    )
    package = next(name for name in os.listdir(folder) if name.endswith(".deb"))
    subprocess.run(["dpkg-deb", "-x", f"{folder}/{package}", f"{folder}/nginx"], check=True, timeout=60)
    return f"{folder}/nginx/usr/sbin/nginx"


def _found(program: str, package: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"NEEDS {package}: apt-get install {package}")
    return found

"""Owns the answer to: can this machine reach the Debian mirror that it is configured for?"""

from __future__ import annotations

import functools
import subprocess


@functools.cache
def why_no_network() -> str:
    """Empty if apt can reach its first source, else one line for the skip's reason."""
    listing = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE)"], check=False, capture_output=True, text=True
    )
    sites = [site for site in listing.stdout.split() if site.startswith(("http://", "https://"))]
    if not sites:
        return "no Debian mirror is configured"
    # apt itself is asked, because it knows the proxy, the certificates and the authentication.
    probe = subprocess.run(
        ["apt-get", "-q", "download", "--print-uris", "base-files"],
        check=False,
        capture_output=True,
        text=True,
    )
    if probe.returncode != 0 or "http" not in probe.stdout:
        return f"apt does not know base-files: {probe.stderr.strip().splitlines()[-1:]}"
    return ""

"""Owns the builds of the corpus that come out differently here, each with its reason."""

from __future__ import annotations

_EXCLUDE = "COPY --exclude is refused with one clear error: issue 6 brings it"
_PARENTS = "COPY --parents is refused with one clear error: issue 6 brings it"
_MOUNT = "RUN --mount is refused with one clear error: issue 6 brings it"

UNSUPPORTED = {
    "copy--exclude-includes-dot-slash": _EXCLUDE,
    "copy--exclude-includes-slash": _EXCLUDE,
    "copy--form-and--exclude-subdir-under-source": _EXCLUDE,
    "copy--parents": _PARENTS,
    "copy--parents-directories": _PARENTS,
    "copy--parents-dir-with-links": _PARENTS,
    "copy--parents-directory-with-parent-directory": _PARENTS,
    "copy--parents-two-parent-directories": _PARENTS,
    "copy--parents-unknown-count-parent-directories": _PARENTS,
    "copy--parents-limit-parent-directories": _PARENTS,
    "multistage-copyback": _MOUNT,
    "mount-cache-by-ownership": _MOUNT,
}

UNCOMPARED = {
    # It writes its whole environment to a file: the suite's machine had proxy variables in it.
    "ci-pipeline-modified": ("/env-contents.txt",),
    # Our busybox has a /root of its own, mode 0700.
    "multi-stage-derived": ("/root",),
    # Our copy of the context has plain files where the suite has links.
    "copy-multiple-some-missing-glob": (
        "/subdir/subdir-f/file-a.txt",
        "/subdir/subdir-f/file-n.txt",
        "/subdir/subdir-f/subdir-g/subdir-b",
    ),
}
"""Paths that say nothing about the builder."""

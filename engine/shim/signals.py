"""Owns signals as numbers: ``signal`` makes enums of them, 0.8 MB in each supervisor.

The C module below it has the same functions (signal(7), pidfd_send_signal(2)), and plain integers.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from signal import (
        NSIG,
        SIG_DFL,
        SIG_IGN,
        SIG_SETMASK,
        SIGCHLD,
        SIGHUP,
        SIGINT,
        SIGIO,
        SIGKILL,
        SIGPIPE,
        SIGSTOP,
        SIGTERM,
        SIGXFSZ,
        pidfd_send_signal,
        pthread_sigmask,
        signal,
    )
else:
    from _signal import (
        NSIG,
        SIG_DFL,
        SIG_IGN,
        SIG_SETMASK,
        SIGCHLD,
        SIGHUP,
        SIGINT,
        SIGIO,
        SIGKILL,
        SIGPIPE,
        SIGSTOP,
        SIGTERM,
        SIGXFSZ,
        pidfd_send_signal,
        pthread_sigmask,
        signal,
    )

__all__ = [
    "NSIG",
    "SIGCHLD",
    "SIGHUP",
    "SIGINT",
    "SIGIO",
    "SIGKILL",
    "SIGPIPE",
    "SIGSTOP",
    "SIGTERM",
    "SIGXFSZ",
    "SIG_DFL",
    "SIG_IGN",
    "SIG_SETMASK",
    "pidfd_send_signal",
    "pthread_sigmask",
    "signal",
]

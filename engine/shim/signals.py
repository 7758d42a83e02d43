"""Owns signals as numbers: ``signal`` makes enums of them, 0.8 MB in each supervisor.

The C module below it has the same functions (signal(7), pidfd_send_signal(2)), and plain integers.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as plain
else:
    import _signal as plain

NSIG = plain.NSIG
SIG_DFL, SIG_IGN, SIG_SETMASK = plain.SIG_DFL, plain.SIG_IGN, plain.SIG_SETMASK
SIGCHLD, SIGHUP, SIGINT, SIGIO = plain.SIGCHLD, plain.SIGHUP, plain.SIGINT, plain.SIGIO
SIGKILL, SIGPIPE, SIGSTOP = plain.SIGKILL, plain.SIGPIPE, plain.SIGSTOP
SIGTERM, SIGXFSZ = plain.SIGTERM, plain.SIGXFSZ

pidfd_send_signal = plain.pidfd_send_signal
pthread_sigmask = plain.pthread_sigmask
signal = plain.signal

"""The client of the DNS cases: looks one name up many times, and prints the seconds. Standard library only.

Run in a container's network namespace: ``names.py SERVER NAME COUNT AT-ONCE``.
"""

from __future__ import annotations

import select
import socket
import struct
import sys
import time

_LOST_AFTER = 1.0


def main(server: str, name: str, count: int, at_once: int) -> float:
    """Seconds for ``count`` answers, with ``at_once`` questions on their way; a lost one is asked again."""
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    question = struct.pack("!HHHHH", 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", 1, 1)
    asking = []
    for number in range(at_once):
        asking.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        asking[-1].connect((server, 53))
        asking[-1].send(struct.pack("!H", number) + question)
    answered = 0
    begin = time.perf_counter()
    while answered < count:
        ready, _, _ = select.select(asking, [], [], _LOST_AFTER)
        for one in ready:
            answer = one.recv(600)
            if answer[3] & 15 or answer[6:8] == b"\0\0":
                raise SystemExit(f"{name} is not known: {answer!r}")
            answered += 1
        for one in ready or asking:
            one.send(struct.pack("!H", answered & 0xFFFF) + question)
    return time.perf_counter() - begin


if __name__ == "__main__":
    print(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))

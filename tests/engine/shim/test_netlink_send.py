"""The sender against the kernel's real answers; nothing is changed."""

from __future__ import annotations

import base64
import errno
import struct

import pytest

from engine.shim import netlink_send

RTM_GETLINK, RTM_DELLINK, ACK = 18, 17, 5


def item(kind, index=0, **changes):
    message = struct.pack("=IHHII", 32, kind, ACK, 1, 0) + struct.pack("=BxHiII", 0, 0, index, 0, 0)
    made = {"family": 0, "message": base64.b64encode(message).decode(), "expect_acks": 1, "ignore_errno": []}
    return {**made, **changes}


def test_request_that_is_granted_returns():
    assert netlink_send.send([item(RTM_GETLINK, 1, expect_acks=0)]) is None


def test_refusal_has_the_kernel_s_errno():
    with pytest.raises(OSError) as caught:
        netlink_send.send([item(RTM_GETLINK, 999_999)])
    assert caught.value.errno == errno.ENODEV


def test_ignored_refusal_passes():
    assert netlink_send.send([item(RTM_GETLINK, 999_999, ignore_errno=[errno.ENODEV])]) is None


def test_index_is_looked_up_by_name():
    assert netlink_send.send([item(RTM_GETLINK, 999_999, indexes=[[20, "lo"]], expect_acks=0)]) is None


def test_interface_that_is_not_there_is_named():
    with pytest.raises(OSError, match="no interface nothere0"):
        netlink_send.send([item(RTM_GETLINK, indexes=[[20, "nothere0"]])])


def test_teardown_goes_on_after_a_refusal():
    refused = netlink_send.send_all([item(RTM_GETLINK, 999_999), item(RTM_GETLINK, 999_998)])
    assert [error.errno for error in refused] == [errno.ENODEV, errno.ENODEV]


@pytest.mark.root
def test_datagram_beyond_a_socket_s_default_is_taken():
    content = bytes(1 << 20)
    nothing = struct.pack("=IHHII", 16 + len(content), 1, ACK, 1, 0) + content  # NLMSG_NOOP
    assert netlink_send.send([item(RTM_GETLINK, message=base64.b64encode(nothing).decode())]) is None


def test_error_behind_an_ack_is_found():
    answers = struct.pack("=IHHIIi", 20, 2, 0, 1, 0, 0) + struct.pack(
        "=IHHIIi", 20, 2, 0, 1, 0, -errno.EEXIST
    )
    assert netlink_send._answers(answers) == [(0, ""), (errno.EEXIST, "")]


def test_kernel_s_words_are_read():
    words = b"no such device\0"
    attribute = struct.pack("=HH", 4 + len(words), 1) + words
    error = struct.pack("=i", -errno.ENODEV) + bytes(16) + attribute
    answer = struct.pack("=IHHII", 16 + len(error), 2, 0x300, 1, 0) + error
    assert netlink_send._answers(answer) == [(errno.ENODEV, "no such device")]

"""DNS messages by value, and against whatever a container may send."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.shim import dns
from tests.support.name_server import a_record, encode_name, query

EDNS = b"\0" + struct.pack(">HHIH", 41, 4096, 0, 0)
ADDRESSES = [f"10.0.{place // 250}.{place % 250}" for place in range(300)]


def with_edns(packet: bytes, opt: bytes = EDNS) -> bytes:
    return packet[:10] + b"\0\1" + packet[12:] + opt


def read(packet: bytes) -> dns.Question:
    question = dns.read_question(packet)
    assert question is not None
    return question


def counts(packet: bytes) -> tuple[int, ...]:
    return struct.unpack_from(">HHHH", packet, 4)


def test_a_question():
    question = read(query("Web.Example.", dns.AAAA))
    assert (question.rcode, question.name, question.kind, question.klass, question.size, question.edns) == (
        dns.NOERROR, "web.example", dns.AAAA, dns.IN, 512, False,
    )  # fmt: skip


def test_a_question_with_edns():
    question = read(with_edns(query("web")))
    assert (question.rcode, question.size, question.edns) == (dns.NOERROR, 4096, True)


def test_edns_of_another_version():
    question = read(with_edns(query("web"), b"\0" + struct.pack(">HHIH", 41, 4096, 1 << 16, 0)))
    assert dns.answer(question, question.rcode, [], stream=False).endswith(
        b"\0" + struct.pack(">HHIH", 41, 1232, 1 << 24, 0)
    )


@pytest.mark.parametrize("packet", [b"", b"\x12\x34", query("web", flags=0x8180)])
def test_what_is_no_question_has_no_answer(packet):
    assert dns.read_question(packet) is None


@pytest.mark.parametrize(
    "packet",
    [
        query("web")[:-1],
        query("web")[:14],
        b"\x12\x34\1\0\0\2\0\0\0\0\0\0" + encode_name("web") + b"\0\1\0\1",
        b"\x12\x34\1\0\0\1\0\0\0\0\0\0" + b"\xc0\x0c" + b"\0\1\0\1",
        b"\x12\x34\1\0\0\1\0\0\0\0\0\0" + b"\x40" + b"a" * 64 + b"\0" + b"\0\1\0\1",
        query(".".join(["a" * 63] * 4)),
        with_edns(query("web"), b""),
        with_edns(query("web"), EDNS[:-1] + b"\x05"),
        with_edns(query("web"), b"\1a" + EDNS),
    ],
)
def test_a_malformed_question_is_answered_so(packet):
    question = read(packet)
    answer = dns.answer(question, question.rcode, [], stream=False)
    assert (question.rcode, answer[:2], dns.rcode_of(answer)) == (dns.FORMERR, packet[:2], dns.FORMERR)


def test_another_opcode_is_not_implemented():
    assert read(query("web", flags=0x2100)).rcode == dns.NOTIMP


def test_the_longest_name_is_read():
    name = ".".join(["a" * 63] * 3 + ["a" * 61])
    assert read(query(name)).name == name


def test_a_dot_in_a_label_divides_nothing():
    packet = b"\x12\x34\1\0\0\1\0\0\0\0\0\0" + b"\6web.n1\0" + b"\0\1\0\1"
    assert read(packet).name == "web\\.n1"


def test_an_answer_repeats_the_question_as_it_was_written():
    packet = query("wEb", number=0xBEEF)
    answer = dns.answer(read(packet), dns.NOERROR, [dns.address_record("10.0.0.2", 5)], stream=False)
    assert answer == b"\xbe\xef\x81\x80\0\1\0\1\0\0\0\0" + packet[12:] + a_record("10.0.0.2", 5)


def test_an_address_in_ipv6():
    record = dns.address_record("fd00::2", 5)
    assert record == b"\xc0\x0c" + struct.pack(">HHIH", 28, 1, 5, 16) + b"\xfd" + bytes(14) + b"\2"


@pytest.mark.parametrize(
    ("packet", "limit"), [(query("web"), 512), (with_edns(query("web")), 1232)], ids=["plain", "edns"]
)
def test_an_answer_too_long_for_a_datagram_is_cut_and_says_so(packet, limit):
    answer = dns.answer(read(packet), 0, [dns.address_record(it, 5) for it in ADDRESSES], stream=False)
    assert limit - 16 < len(answer) <= limit
    assert answer[2] & 2
    assert 0 < counts(answer)[1] < len(ADDRESSES)


def test_by_stream_it_is_whole():
    answer = dns.answer(read(query("web")), 0, [dns.address_record(it, 5) for it in ADDRESSES], stream=True)
    assert (answer[2] & 2, counts(answer)) == (0, (1, len(ADDRESSES), 0, 0))


def test_a_pointer_record():
    made = dns.pointer_record("web.n1", 5)
    assert made == b"\xc0\x0c" + struct.pack(">HHIH", 12, 1, 5, 8) + encode_name("web.n1")


@pytest.mark.parametrize("name", ["", "a..b", "a" * 64, ".".join(["a" * 60] * 5)])
def test_what_is_no_domain_name_is_pointed_to_by_nothing(name):
    with pytest.raises(ValueError, match="domain name"):
        dns.pointer_record(name, 5)


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("2.0.17.172.in-addr.arpa", "172.17.0.2"),
        ("2." + "0." * 23 + "1.0.0.0.0.0.d.f.ip6.arpa", "fd00:1::2"),
        ("17.172.in-addr.arpa", ""),
        ("256.0.17.172.in-addr.arpa", ""),
        ("x." + "0." * 31 + "ip6.arpa", ""),
        ("2.0.17.172", ""),
        ("", ""),
    ],
)
def test_a_reversed_address(name, address):
    assert dns.reversed_address(name) == address


QUESTION = read(query("Web.example", number=7))


@pytest.mark.parametrize(
    ("packet", "fits"),
    [
        (query("web.EXAMPLE", number=9, flags=0x8180), True),
        (query("web.example", number=8, flags=0x8180), False),
        (query("web.example", number=9), False),
        (query("web.example", kind=28, number=9, flags=0x8180), False),
        (query("other.example", number=9, flags=0x8180), False),
        (b"\0\x09\x81\x81\0\0\0\0\0\0\0\0", True),
        (b"\0\x09\x81\x83\0\0\0\0\0\0\0\0", False),
        (b"\0\x09\x81", False),
    ],
)
def test_what_answers_a_question(packet, fits):
    assert dns.answers_to(packet, 9, QUESTION) is fits


@given(st.binary(max_size=300))
def test_no_bytes_do_harm(packet):
    question = dns.read_question(packet)
    if question is not None:
        answer = dns.answer(question, question.rcode, [], stream=False)
        assert answer[:2] == packet[:2]
        assert len(answer) <= 512


@given(st.binary(max_size=120), st.integers(0, 255))
def test_no_tail_of_a_question_does_harm(tail, additionals):
    packet = query("web")
    question = read(packet[:10] + bytes((0, additionals)) + packet[12:] + tail)
    assert question.rcode in {dns.NOERROR, dns.FORMERR, dns.BADVERS}


@given(st.lists(st.text("abcXYZ0-_", min_size=1, max_size=63), min_size=1, max_size=3))
def test_any_name_is_read(labels):
    assert read(query(".".join(labels))).name == ".".join(labels).lower()


@given(st.text(max_size=80))
def test_no_name_is_an_address_by_accident(name):
    address = dns.reversed_address(name)
    assert not address or name.endswith((".in-addr.arpa", ".ip6.arpa"))


@given(st.binary(max_size=200))
def test_no_bytes_from_a_server_do_harm(packet):
    dns.answers_to(packet, 9, QUESTION)

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.errors import InvalidReference
from engine.oci import reference

CORPUS = Path(__file__).parents[4] / "shared" / "corpora" / "references.json"


def cases() -> list[dict]:
    if not CORPUS.exists():
        return []
    return json.loads(CORPUS.read_text())["cases"]


def fields(parsed: reference.Reference) -> dict[str, str]:
    return {
        "domain": parsed.domain,
        "path": parsed.path,
        "tag": parsed.tag,
        "digest": parsed.digest,
        "string": parsed.normalised,
    }


def disagreements(kind: str, parse) -> list[tuple]:
    wrong = []
    for case in cases():
        expected = case[kind]
        try:
            found = parse(case["input"])
        except InvalidReference:
            found = None
        if (found is None) != ("error" in expected) or (
            found is not None and any(found[key] != expected[key] for key in found)
        ):
            wrong.append((case["input"], expected, found))
    return wrong


@pytest.mark.skipif(not CORPUS.exists(), reason="the corpus of references is not beside this checkout")
def test_the_grammar_agrees_with_the_corpus():
    assert disagreements("parse", lambda text: fields(reference.parse_plain(text))) == []


@pytest.mark.skipif(not CORPUS.exists(), reason="the corpus of references is not beside this checkout")
def test_short_names_agree_with_the_corpus():
    def parse(text: str) -> dict[str, str]:
        parsed = reference.parse(text)
        return fields(parsed) | {"familiar": parsed.familiar}

    assert disagreements("normalized", parse) == []


def test_a_bare_name_gets_the_default_tag():
    assert reference.parse("busybox").tagged.normalised == "docker.io/library/busybox:latest"


def test_a_digest_keeps_the_tag_away():
    digest = "sha256:" + "a" * 64
    assert reference.parse(f"busybox@{digest}").tagged.familiar == f"busybox@{digest}"


def test_an_upper_case_name_is_refused_with_the_way_out():
    with pytest.raises(InvalidReference) as caught:
        reference.parse("BusyBox:1")
    assert "lowercase" in str(caught.value)
    assert caught.value.remedy == "write busybox:1"

from __future__ import annotations

from engine.bootstrap.sources import Source, codename, configured_sources, sources_for

MAIN = Source(
    uris=("http://mirror.test/debian",),
    suites=("bookworm", "bookworm-updates"),
    components=("main", "contrib"),
    signed_by="/usr/share/keyrings/key.gpg",
)


def test_deb822_sources_are_read(tmp_path):
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / "debian.sources").write_text(
        "Types: deb\n# a comment\nURIs: http://mirror.test/debian\nSuites: bookworm bookworm-updates\n"
        "Components: main contrib\nSigned-By: /usr/share/keyrings/key.gpg\n\n"
        "Types: deb-src\nURIs: http://other.test\nSuites: bookworm\nComponents: main\n\n"
        "Types: deb\nEnabled: no\nURIs: http://off.test\nSuites: bookworm\nComponents: main\n"
    )
    assert configured_sources(str(tmp_path)) == (MAIN,)


def test_one_line_sources_are_read(tmp_path):
    (tmp_path / "sources.list").write_text(
        "# comment\ndeb [signed-by=/k.gpg arch=amd64] http://mirror.test/debian bookworm main # end\n"
        "deb-src http://mirror.test/debian bookworm main\nnonsense\n"
    )
    assert configured_sources(str(tmp_path)) == (
        Source(
            uris=("http://mirror.test/debian",),
            suites=("bookworm",),
            components=("main",),
            signed_by="/k.gpg",
        ),
    )


def test_another_suite_keeps_the_mirror():
    text = sources_for("trixie", "bookworm", (MAIN,))
    assert "Suites: trixie trixie-updates\n" in text
    assert "URIs: http://mirror.test/debian\n" in text


def test_a_rolling_suite_has_no_updates():
    assert "Suites: sid\n" in sources_for("sid", "bookworm", (MAIN,))


def test_foreign_repositories_are_left_out():
    foreign = Source(uris=("http://foreign.test",), suites=("nodistro",), components=("main",))
    assert sources_for("bookworm", "bookworm", (foreign,)) == ""


def test_the_codename_is_read():
    assert codename('ID=debian\nVERSION_CODENAME="bookworm"\n') == ("debian", "bookworm")

from __future__ import annotations

from pathlib import Path

from tuidock.settings import Settings, load, save, settings_path


def test_what_is_saved_is_loaded(tmp_path: Path):
    path = str(tmp_path / "tuidock" / "config.toml")
    assert save(path, Settings(theme='a"b\\c', greeted=True))
    assert load(path) == Settings(theme='a"b\\c', greeted=True)


def test_a_missing_file_gives_the_defaults(tmp_path: Path):
    assert load(str(tmp_path / "none.toml")) == Settings()


def test_a_broken_file_gives_the_defaults(tmp_path: Path):
    path = tmp_path / "config.toml"
    path.write_bytes(b"\xff theme =")
    assert load(str(path)) == Settings()


def test_a_folder_that_cannot_be_made_is_no_failure(tmp_path: Path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert save(str(tmp_path / "file" / "config.toml"), Settings()) is False


def test_the_place_is_xdg_s():
    assert settings_path({"XDG_CONFIG_HOME": "/c", "HOME": "/h"}) == "/c/tuidock/config.toml"
    assert settings_path({"HOME": "/h"}) == "/h/.config/tuidock/config.toml"

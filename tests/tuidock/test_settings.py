from __future__ import annotations

from pathlib import Path

from tuidock.settings import Settings, load, save, settings_path


def test_what_is_saved_is_loaded(tmp_path: Path):
    path = str(tmp_path / "tuidock" / "config.toml")
    settings = Settings(theme='a"b\\c', greeted=True, pulled=("busybox", "host:5000/app:1"))
    assert save(path, settings)
    assert load(path) == settings


def test_names_that_were_pulled_are_kept_once_the_last_first_and_not_for_ever():
    settings = Settings()
    for name in (*map(str, range(30)), "7", "25"):
        settings = settings.with_pulled(name)
    assert settings.pulled[:3] == ("25", "7", "29")
    assert len(settings.pulled) == len(set(settings.pulled)) == 20


def test_what_is_no_list_of_names_is_none(tmp_path: Path):
    path = tmp_path / "config.toml"
    path.write_text('pulled = [1, "busybox"]', encoding="utf-8")
    assert load(str(path)).pulled == ("busybox",)
    path.write_text("pulled = 1", encoding="utf-8")
    assert load(str(path)).pulled == ()


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

from __future__ import annotations

from engine.paths import Paths, default_paths


def test_root_s_defaults():
    assert default_paths({}, 0) == Paths(root="/var/lib/tuidock", run="/run/tuidock")


def test_a_user_s_defaults_are_in_the_home():
    environ = {"HOME": "/home/u", "XDG_RUNTIME_DIR": "/run/user/7"}
    assert default_paths(environ, 7) == Paths(root="/home/u/.local/share/tuidock", run="/run/user/7/tuidock")


def test_the_root_option_wins_over_the_environment():
    assert default_paths({"TUIDOCK_ROOT": "/b"}, 0, "/a").root == "/a"


def test_two_roots_of_one_name_have_different_run_folders():
    assert default_paths({}, 0, "/a/x").run != default_paths({}, 0, "/b/x").run


def test_the_default_root_named_in_full_is_the_default():
    assert default_paths({}, 0, "/var/lib/tuidock/") == default_paths({}, 0)


def test_a_run_folder_can_be_given():
    assert default_paths({"TUIDOCK_RUN": "/r"}, 0, "/a").run == "/r"


def test_the_socket_of_a_long_root_still_fits_into_an_address():
    deep = "/srv/" + "long-folder-name/" * 20
    assert len(default_paths({}, 0, deep).container_socket("f" * 64)) < 108

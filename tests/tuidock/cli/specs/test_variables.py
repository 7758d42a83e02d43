import pytest

from tuidock.cli.specs import variables


def test_a_bare_name_takes_the_callers_value():
    assert variables.environment((), ("A", "B=2", "C"), {"A": "1"}) == ("A=1", "B=2")


def test_what_is_given_wins_over_files(tmp_path):
    path = tmp_path / "env"
    path.write_text("# comment\n\n  A=file\nB=with space \n")
    assert variables.environment([str(path)], ("A=given",), {}) == ("A=given", "B=with space ")


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path):
    path = tmp_path / "env"
    path.write_bytes(b"\xef\xbb\xbfA=1\n")
    assert variables.read_lines(str(path)) == ["A=1"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"=x\n", "no variable name on line '=x'"),
        (b"a b=x\n", "variable 'a b' contains whitespaces"),
        (b"A=\xff\n", "invalid utf8 bytes at line 1"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, content, reason):
    path = tmp_path / "env"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=reason):
        variables.read_lines(str(path))


def test_a_missing_file_is_named():
    with pytest.raises(ValueError, match="open /nonexistent: no such file or directory"):
        variables.read_lines("/nonexistent")


def test_a_bare_label_is_empty():
    assert variables.mapping((), ("a", "b=c=d")) == {"a": "", "b": "c=d"}


def test_a_variable_without_a_name_is_refused():
    with pytest.raises(ValueError, match="invalid environment variable: =a"):
        variables.environment_variable("=a")

import pytest

from tuidock.cli.specs import scalars


@pytest.mark.parametrize(
    ("text", "size"),
    [("512m", 512 << 20), ("1g", 1 << 30), ("1.5GiB", 3 << 29), ("100", 100), ("64k", 65536), ("10b", 10)],
)
def test_sizes_are_powers_of_1024(text, size):
    assert scalars.size(text) == size


@pytest.mark.parametrize("text", ["abc", "", "-1", "1x", "m"])
def test_a_size_that_is_none_is_refused_in_dockers_words(text):
    with pytest.raises(ValueError, match=f"invalid size: '{text}'"):
        scalars.size(text)


def test_swap_may_be_unlimited():
    assert scalars.swap_size("-1") == -1


@pytest.mark.parametrize(("text", "nano"), [("1.5", 1_500_000_000), ("2", 2 * 10**9), (".5", 5 * 10**8)])
def test_cpus_are_billionths(text, nano):
    assert scalars.nano_cpus(text) == nano


def test_cpus_that_are_no_number_are_refused():
    with pytest.raises(ValueError, match="failed to parse abc as a rational number"):
        scalars.nano_cpus("abc")


@pytest.mark.parametrize(("text", "number"), [("10", 10), ("-1", -1), ("0x1f", 31), ("010", 8), ("+3", 3)])
def test_integers_are_gos(text, number):
    assert scalars.integer(text) == number


def test_an_integer_out_of_range_is_refused():
    with pytest.raises(ValueError, match="value out of range"):
        scalars.integer("9223372036854775808")


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("10m", 600 * 10**9),
        ("1h30m", 5400 * 10**9),
        ("300ms", 3 * 10**8),
        ("1.5h", 5400 * 10**9),
        ("-2s", -2 * 10**9),
        ("0", 0),
    ],
)
def test_durations_are_gos(text, nanoseconds):
    assert scalars.duration(text) == nanoseconds


@pytest.mark.parametrize("text", ["10", "m", "1h foo", "", "1d"])
def test_a_duration_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match="invalid duration"):
        scalars.duration(text)


def test_a_switch_takes_gos_words():
    assert [scalars.boolean(word) for word in ("1", "T", "false", "F")] == [True, True, False, False]


def test_a_filter_without_a_value_is_refused():
    with pytest.raises(ValueError, match="bad format of filter"):
        scalars.key_value_filter("status")

import pytest

from tuidock.cli.flags import HelpWanted, UsageError, many, number, parse, switch, text

_FLAGS = (
    switch("interactive", "", "i"),
    switch("tty", "", "t"),
    switch("rm", ""),
    switch("pause", "", default=True),
    text("name", ""),
    text("network", "", aliases=("net",)),
    many("publish", "", "p"),
    number("timeout", "", "n"),
)


def _values(*argv, interspersed=True):
    return parse(list(argv), _FLAGS, interspersed=interspersed)


def test_switches_may_be_grouped():
    parsed = _values("-it")
    assert parsed.values["interactive"]
    assert parsed.values["tty"]


@pytest.mark.parametrize("argv", [("-p8080:80",), ("-p", "8080:80"), ("-p=8080:80",), ("--publish=8080:80",)])
def test_a_value_may_follow_in_four_ways(argv):
    assert _values(*argv).values["publish"] == ("8080:80",)


def test_a_group_may_end_in_a_value():
    parsed = _values("-itp80")
    assert (parsed.values["tty"], parsed.values["publish"]) == (True, ("80",))


def test_a_switch_takes_a_value_only_with_an_equals_sign():
    parsed = _values("--rm", "false")
    assert (parsed.values["rm"], parsed.arguments) == (True, ("false",))
    assert _values("--pause=false").values["pause"] is False


def test_the_last_of_single_values_counts():
    assert _values("--name", "a", "--name=b").values["name"] == "b"


def test_an_alias_sets_its_flag():
    assert _values("--net", "host").values["network"] == "host"


def test_options_may_stand_between_arguments():
    parsed = _values("a", "--rm", "b")
    assert (parsed.arguments, parsed.values["rm"]) == (("a", "b"), True)


def test_the_first_argument_may_end_the_options():
    parsed = _values("--rm", "image", "sh", "-c", "--rm", "--", interspersed=False)
    assert parsed.arguments == ("image", "sh", "-c", "--rm", "--")


def test_two_dashes_end_the_options():
    assert _values("--", "--rm").arguments == ("--rm",)


def test_one_dash_is_an_argument():
    assert _values("-").arguments == ("-",)


def test_an_empty_value_is_a_value():
    parsed = _values("--name=")
    assert (parsed.values["name"], parsed.given) == ("", {"name"})


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("--foo",), "unknown flag: --foo"),
        (("--foo=1",), "unknown flag: --foo"),
        (("-Z",), "unknown shorthand flag: 'Z' in -Z"),
        (("-iZx",), "unknown shorthand flag: 'Z' in -Zx"),
        (("--name",), "flag needs an argument: --name"),
        (("-p",), "flag needs an argument: 'p' in -p"),
        (("--=x",), "bad flag syntax: --=x"),
        (
            ("--rm=maybe",),
            'invalid argument "maybe" for "--rm" flag: strconv.ParseBool: parsing "maybe": invalid syntax',
        ),
        (
            ("-nabc",),
            'invalid argument "abc" for "-n, --timeout" flag: strconv.ParseInt: parsing "abc": invalid syntax',
        ),
    ],
)
def test_errors_are_pflags(argv, message):
    with pytest.raises(UsageError) as caught:
        _values(*argv)
    assert caught.value.message == message


def test_a_mistyped_flag_is_guessed():
    with pytest.raises(UsageError) as caught:
        _values("--nmae", "x")
    assert caught.value.suggestion == "did you mean --name?"


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help_is_wanted(word):
    with pytest.raises(HelpWanted):
        _values("--rm", word)


def test_help_after_the_first_argument_belongs_to_the_container():
    assert _values("image", "--help", interspersed=False).arguments == ("image", "--help")


def test_the_letter_h_may_be_a_flags_own():
    parsed = parse(["-h", "box"], (text("hostname", "", "h"),))
    assert parsed.values["hostname"] == "box"

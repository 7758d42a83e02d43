from tuidock.cli import help as pages
from tuidock.cli.flags import many, switch, text
from tuidock.cli.main import GLOBAL_FLAGS
from tuidock.cli.spellings import VERBS, by_spelling, canonical


def test_options_are_laid_out_as_dockers():
    flags = (
        switch("rm", "Remove it"),
        text("name", "Assign a name to the container"),
        many("env", "Set environment variables", "e"),
        switch("pause", "Pause it", "p", default=True),
    )
    assert pages.options(flags, 80) == (
        "  -e, --env list      Set environment variables\n"
        "      --name string   Assign a name to the container\n"
        "  -p, --pause         Pause it (default true)\n"
        "      --rm            Remove it"
    )


def test_long_options_are_wrapped_without_orphans():
    flag = text("user", "Username or UID (format: <name|uid>[:<group|gid>]) and a bit of more text", "u")
    assert pages.options((flag,), 60) == (
        "  -u, --user string   Username or UID (format:\n"
        "                      <name|uid>[:<group|gid>]) and a\n"
        "                      bit of more text"
    )


def test_the_top_page_names_every_verb():
    page = pages.top_page(GLOBAL_FLAGS)
    assert all(f"\n  {name} " in page for name in by_spelling() if " " not in name)


def test_a_group_page_names_its_verbs():
    from tuidock.cli.spellings import group

    found = group("builder")
    assert found is not None
    assert "  build  Build an image" in pages.group_page(found)


def test_an_alias_is_shown_by_its_canonical_name():
    assert canonical("container ps", by_spelling()["container ps"]) == "container ls"


def test_every_verb_of_the_table_exists_and_has_a_page():
    from importlib import import_module

    for verb in VERBS:
        command = getattr(import_module(f"tuidock.cli.commands.{verb.module}"), verb.attribute)
        page = pages.command_page(verb.spellings[0], verb, command)
        assert page.startswith(f"Usage:  tuidock {verb.spellings[0]}")


def test_no_verb_has_two_flags_of_one_letter():
    from importlib import import_module

    for verb in VERBS:
        command = getattr(import_module(f"tuidock.cli.commands.{verb.module}"), verb.attribute)
        letters = [flag.short for flag in command.flags if flag.short]
        names = [flag.name for flag in command.flags]
        assert len(letters) == len(set(letters)), verb.spellings
        assert len(names) == len(set(names)), verb.spellings

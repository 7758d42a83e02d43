from tuidock.cli.tabwriter import aligned, table


def test_columns_are_at_least_ten_wide():
    assert table([("A", "B"), ("c", "d")]) == "A         B\nc         d\n"


def test_columns_are_three_spaces_apart():
    assert table([("CONTAINER ID", "B"), ("x", "y")]) == "CONTAINER ID   B\nx              y\n"


def test_the_last_column_is_not_padded():
    assert table([("A", "LONGER THAN TEN"), ("c", "")]).split("\n")[1] == "c         "


def test_a_column_is_a_block_of_adjacent_lines():
    assert aligned("a\tb\nno cell\nlonger cell\tc\n") == "a         b\nno cell\nlonger cell   c\n"


def test_an_empty_table_is_its_header():
    assert table([("A", "B")]) == "A         B\n"

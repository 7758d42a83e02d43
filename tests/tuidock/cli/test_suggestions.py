from tuidock.cli.suggestions import edits, nearest


def test_swapped_letters_are_one_edit():
    assert edits("imgaes", "images") == 1


def test_the_nearest_word_is_found():
    assert nearest("contaner", ["container", "image"]) == "container"


def test_a_beginning_is_near():
    assert nearest("publ", ["publish", "pull"]) == "publish"


def test_a_far_word_is_not_guessed():
    assert nearest("foo", ["root", "run"]) == ""

"""Who a name is in an image whose passwd and group are not what they should be."""

from __future__ import annotations

import os

import pytest

from engine import errors

pytestmark = pytest.mark.root

ID = (
    "sh",
    "-c",
    "set -- $(grep Uid /proc/self/status); echo $2 $(grep Groups /proc/self/status | cut -f2) $HOME",
)
"""Without a look into the files themselves, as id(1) would: some are made to hold it up."""


@pytest.fixture
def image(box, tmp_path):
    """A layer of the test's own on top of busybox, and a run in it."""
    os.makedirs(tmp_path / "image" / "etc")

    async def run(user: str, groups: tuple[str, ...] = ()) -> str:
        bundle = box.bundle(*ID, process={"user": user, "groups": list(groups)})
        bundle["rootfs"]["lower"].insert(0, str(tmp_path / "image"))
        code, out, err = await box.execute(bundle)
        assert code == 0, err
        return out.decode().strip()

    run.etc = tmp_path / "image" / "etc"
    return run


async def test_a_number_is_compared_as_a_number(image):
    (image.etc / "passwd").write_text("ann:x:1000:1001::/home/ann:/bin/sh\n")
    assert await image("01000") == "1000 1001 /home/ann"


async def test_a_name_of_digits_is_a_name_first_come(image):
    (image.etc / "passwd").write_text("7:x:1000:1001::/seven:/bin/sh\nann:x:7:8::/ann:/bin/sh\n")
    assert await image("7") == "1000 1001 /seven"


async def test_a_link_to_the_outside_stays_inside(image):
    (image.etc / "passwd").symlink_to("/proc/1/root/etc/passwd")
    (image.etc / "group").symlink_to("../../../../../../etc/shadow")
    assert await image("1000") == "1000 0 /"


async def test_what_is_no_plain_file_holds_nobody_up(image):
    os.mkfifo(image.etc / "passwd")
    (image.etc / "group").mkdir()
    assert await image("1000", ("44",)) == "1000 0 44 /"


async def test_rows_that_make_no_sense_are_skipped(image):
    rows = "ann\nann:x:many:1:::\nann:x:\N{SUPERSCRIPT TWO}:1::/:/\n+:::::/x:\n:x:0:0::/y:/\n"
    (image.etc / "passwd").write_text(f"{rows}#ann:x:5:5::/:/\nann:x:3:4::/home/ann:/bin/sh\n")
    assert await image("ann") == "3 4 /home/ann"


async def test_a_vast_file_takes_little_memory(image, box):
    with open(image.etc / "passwd", "w") as file:
        file.write("ann:x:3:4::/home/ann:/bin/sh\n")
        file.truncate(1 << 34)
    assert await image("ann") == "3 4 /home/ann"


@pytest.mark.parametrize(("user", "groups"), [("-1", ()), ("99999999999", ()), ("0:-1", ()), ("", ("-1",))])
async def test_a_number_that_is_no_id_is_refused(image, user, groups):
    with pytest.raises(errors.RuntimeFailure, match="uids and gids must be in range 0-2147483647"):
        await image(user, groups)


async def test_an_extra_group_that_is_unknown_is_refused_in_dockers_words(image):
    with pytest.raises(errors.RuntimeFailure, match="Unable to find group nosuch: no matching entries"):
        await image("", ("nosuch",))

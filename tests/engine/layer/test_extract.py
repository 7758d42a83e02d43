from __future__ import annotations

import gzip
import hashlib
import os
import stat
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

from engine.errors import InvalidArchive
from engine.layer.extract import decode_names, encode_names, extract
from engine.layer.tar_pax import pax_record
from tests.support.tars import link, member, tar

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.root


def unpack(tmp_path: Path, content: bytes, **arguments: Any) -> tuple[Path, dict[str, Any]]:
    (tmp_path / "layer.tar").write_bytes(content)
    target = tmp_path / "tree"
    request = {"source": str(tmp_path / "layer.tar"), "target": str(target), "subject": "it", **arguments}
    return target, extract(request, [])


def refused(tmp_path: Path, content: bytes, **arguments: Any) -> str:
    with pytest.raises(InvalidArchive) as caught:
        unpack(tmp_path, content, **arguments)
    assert sorted(os.listdir(tmp_path)) in (["layer.tar"], ["layer.tar", "tree"])
    return str(caught.value)


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class TestFiles:
    def test_content_mode_owner_and_time_are_kept(self, tmp_path):
        mtime = 1_600_000_000
        tree, _ = unpack(tmp_path, tar(member("a", b"text", mode=0o640, uid=7, gid=9, mtime=mtime)))
        status = (tree / "a").stat()
        assert (tree / "a").read_bytes() == b"text"
        assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (0o640, 7, 9)
        assert status.st_mtime_ns == mtime * 10**9

    def test_times_keep_their_nanoseconds(self, tmp_path):
        tree, _ = unpack(tmp_path, tar(member("a", b"", pax_headers={"mtime": "1600000000.123456789"})))
        assert (tree / "a").stat().st_mtime_ns == 1600000000123456789

    def test_set_id_bits_survive_the_change_of_owner(self, tmp_path):
        tree, _ = unpack(tmp_path, tar(member("su", b"x", mode=0o6755, uid=5, gid=5)))
        assert stat.S_IMODE((tree / "su").stat().st_mode) == 0o6755

    def test_a_directory_keeps_its_time_although_it_is_filled_later(self, tmp_path):
        tree, _ = unpack(tmp_path, tar(member("d", mtime=1000), member("d/a", b"x")))
        assert (tree / "d").stat().st_mtime == 1000

    def test_the_root_entry_describes_the_tree_itself(self, tmp_path):
        tree, result = unpack(tmp_path, tar(member("./", mode=0o700, uid=3)))
        assert (stat.S_IMODE(tree.stat().st_mode), tree.stat().st_uid) == (0o700, 3)
        assert result["implied"] == []

    def test_extended_attributes_are_set(self, tmp_path):
        entry = member("a", b"", pax_headers={"SCHILY.xattr.user.note": "hello"})
        tree, _ = unpack(tmp_path, tar(entry))
        assert os.getxattr(tree / "a", "user.note") == b"hello"

    def test_marks_of_the_overlay_are_not_taken_from_an_archive(self, tmp_path):
        headers = {"SCHILY.xattr.trusted.overlay.redirect": "/etc", "SCHILY.xattr.user.note": "x"}
        tree, _ = unpack(tmp_path, tar(member("d", pax_headers=headers)))
        assert os.listxattr(tree / "d") == ["user.note"]

    def test_symbolic_links_may_point_anywhere(self, tmp_path):
        tree, _ = unpack(tmp_path, tar(link("l", "/etc/passwd"), link("m", "../../x")))
        assert (os.readlink(tree / "l"), os.readlink(tree / "m")) == ("/etc/passwd", "../../x")

    def test_hard_links_share_an_inode(self, tmp_path):
        tree, result = unpack(tmp_path, tar(member("a", b"12345"), link("d/b", "a", hard=True)))
        assert (tree / "a").stat().st_ino == (tree / "d/b").stat().st_ino
        assert result["size"] == 5

    def test_devices_and_fifos_are_made(self, tmp_path):
        entries = [
            member("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
            member("disk", type=tarfile.BLKTYPE, devmajor=8, devminor=1),
            member("pipe", type=tarfile.FIFOTYPE),
        ]
        tree, _ = unpack(tmp_path, tar(*entries))
        assert (tree / "null").stat().st_rdev == os.makedev(1, 3)
        assert stat.S_ISBLK((tree / "disk").stat().st_mode)
        assert stat.S_ISFIFO((tree / "pipe").stat().st_mode)

    def test_a_leading_slash_means_the_root_of_the_tree(self, tmp_path):
        tree, _ = unpack(tmp_path, tar(member("/ko-app/run", b"x")))
        assert (tree / "ko-app/run").read_bytes() == b"x"

    @pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
    def test_long_names_and_link_targets(self, tmp_path, form):
        name, target = "/".join(["d" * 60] * 5), "t" * 300
        tree, _ = unpack(tmp_path, tar(member(name, b"x"), link("l", target), form=form))
        assert (tree / name).read_bytes() == b"x"
        assert os.readlink(tree / "l") == target

    def test_names_that_are_not_unicode(self, tmp_path):
        name = b"caf\xe9"
        info, content = member(os.fsdecode(name), b"x")
        tree, _ = unpack(tmp_path, tar((info, content), form=tarfile.GNU_FORMAT))
        assert os.listdir(os.fsencode(tree)) == [name]

    def test_numbers_too_large_for_octal(self, tmp_path):
        tree, _ = unpack(tmp_path, tar(member("a", b"", uid=3_000_000), form=tarfile.GNU_FORMAT))
        assert (tree / "a").stat().st_uid == 3_000_000


class TestRepeats:
    def test_the_last_file_of_a_name_wins(self, tmp_path):
        tree, result = unpack(tmp_path, tar(member("a", b"one"), member("a", b"second")))
        assert (tree / "a").read_bytes() == b"second"
        assert result["size"] == 6

    def test_a_directory_again_keeps_what_is_in_it(self, tmp_path):
        tree, _ = unpack(tmp_path, tar(member("d"), member("d/a", b"x"), member("d", mode=0o700)))
        assert (tree / "d/a").exists()
        assert stat.S_IMODE((tree / "d").stat().st_mode) == 0o700

    def test_a_file_takes_the_place_of_a_directory(self, tmp_path):
        tree, result = unpack(tmp_path, tar(member("d"), member("d/a", b"xyz"), member("d", b"f")))
        assert (tree / "d").read_bytes() == b"f"
        assert result["size"] == 1

    def test_a_directory_takes_the_place_of_a_link_to_one(self, tmp_path):
        tree, _ = unpack(tmp_path, tar(link("d", "/tmp"), member("d"), member("d/a", b"x")))
        assert (tree / "d/a").read_bytes() == b"x"
        assert not (tree / "d").is_symlink()


class TestWhiteouts:
    def test_a_whiteout_becomes_the_overlays_mark(self, tmp_path):
        tree, _ = unpack(tmp_path, tar(member("d/.wh.gone", b"")))
        status = (tree / "d/gone").lstat()
        assert stat.S_ISCHR(status.st_mode)
        assert status.st_rdev == 0

    def test_an_opaque_mark_becomes_the_overlays(self, tmp_path):
        tree, _ = unpack(tmp_path, tar(member("d/.wh..wh..opq", b"")))
        assert os.getxattr(tree / "d", "trusted.overlay.opaque") == b"y"
        assert os.listdir(tree / "d") == []

    def test_a_whiteout_does_not_hide_what_the_same_layer_brings(self, tmp_path):
        tree, _ = unpack(tmp_path, tar(member("a", b"new"), member(".wh.a", b"")))
        assert (tree / "a").read_bytes() == b"new"

    @pytest.mark.parametrize("implied", [True, False])
    def test_a_directory_that_was_deleted_and_made_again_is_opaque(self, tmp_path, implied):
        entries = [member(".wh.d", b""), *([] if implied else [member("d")]), member("d/a", b"x")]
        tree, _ = unpack(tmp_path, tar(*entries))
        assert os.getxattr(tree / "d", "trusted.overlay.opaque") == b"y"

    def test_a_whiteout_after_its_directory_makes_it_opaque(self, tmp_path):
        tree, _ = unpack(tmp_path, tar(member("d"), member("d/a", b"x"), member(".wh.d", b"")))
        assert os.getxattr(tree / "d", "trusted.overlay.opaque") == b"y"

    def test_auf_leftovers_are_passed_over(self, tmp_path):
        tree, _ = unpack(tmp_path, tar(member(".wh..wh.plnk"), member("a", b"x")))
        assert os.listdir(tree) == ["a"]

    @pytest.mark.parametrize("name", [".wh.", ".wh..", ".wh..."])
    def test_a_whiteout_of_nothing_is_refused(self, tmp_path, name):
        assert "whiteout" in refused(tmp_path, tar(member(name, b"")))


class TestHostile:
    @pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/../evil", "a/.."])
    def test_names_with_dots_are_refused(self, tmp_path, name):
        assert ".." in refused(tmp_path, tar(member(name, b"x")))
        assert not (tmp_path / "evil").exists()

    @pytest.mark.parametrize("target", ["/etc", "..", "inside"])
    def test_no_link_is_followed_on_the_way(self, tmp_path, target):
        content = tar(member("inside"), link("l", target), member("l/evil", b"x"))
        assert "a symbolic link in the middle" in refused(tmp_path, content)
        assert not (tmp_path / "evil").exists()
        assert not os.path.exists("/etc/evil")

    def test_a_file_is_never_written_through_a_link_of_its_name(self, tmp_path):
        victim = tmp_path.parent / f"{tmp_path.name}-victim"
        victim.write_text("safe")
        tree, _ = unpack(tmp_path, tar(link("a", str(victim)), member("a", b"evil")))
        assert victim.read_text() == "safe"
        assert (tree / "a").read_bytes() == b"evil"
        victim.unlink()

    @pytest.mark.parametrize("target", ["../../etc/passwd", "/etc/shadow", "missing", "l/passwd", "d", ""])
    def test_hard_links_to_anything_but_files_of_the_archive_are_refused(self, tmp_path, target):
        content = tar(link("l", "/etc"), member("d"), link("h", target, hard=True))
        refused(tmp_path, content)

    def test_a_hard_link_to_itself_is_refused(self, tmp_path):
        assert "itself" in refused(tmp_path, tar(member("a", b"x"), link("a", "./a", hard=True)))

    def test_a_file_used_as_a_directory_is_refused(self, tmp_path):
        assert "no directory" in refused(tmp_path, tar(member("a", b"x"), member("a/b", b"y")))

    def test_the_root_cannot_be_a_link(self, tmp_path):
        refused(tmp_path, tar(link("./", "/etc")))

    def test_impossible_names_are_refused(self, tmp_path):
        refused(tmp_path, tar(member("x" * 256, b"")))
        refused(tmp_path, tar(member("x/" * 3000 + "y", b"")))

    def test_an_unknown_type_is_refused(self, tmp_path):
        assert "unknown type" in refused(tmp_path, tar(member("a", type=b"M")))


class TestDamage:
    content = tar(member("a", os.urandom(5000)), member("b", b"y" * 700))

    @pytest.mark.parametrize("length", [1, 511, 513, 3000, 5632 + 100, 6144 + 512])
    def test_a_cut_archive_is_refused(self, tmp_path, length):
        refused(tmp_path, self.content[:length])

    def test_a_broken_header_in_the_middle_is_refused(self, tmp_path):
        at = 512 + 5120
        broken = self.content[:at] + b"X" + self.content[at + 1 :]
        assert "checksum" in refused(tmp_path, broken)

    def test_noise_is_refused(self, tmp_path):
        refused(tmp_path, os.urandom(4096))

    @pytest.mark.parametrize("compress", [gzip.compress, zstandard.ZstdCompressor().compress])
    @pytest.mark.parametrize("cut", [10, 5, 1])
    def test_a_cut_compressed_archive_is_refused(self, tmp_path, compress, cut):
        packed = compress(self.content)
        refused(tmp_path, packed[: len(packed) * (cut - 1) // cut or 3])

    def test_damage_inside_a_compressed_archive_is_refused(self, tmp_path):
        packed = bytearray(gzip.compress(self.content))
        packed[len(packed) // 2] ^= 0xFF
        refused(tmp_path, bytes(packed), diff_id=digest(self.content))

    def test_a_huge_extended_header_is_refused_unread(self, tmp_path):
        header = bytearray(tar(member("a", b"x" * 600, type=b"x"))[:512])
        header[124:136] = b"%011o\0" % (1 << 32)
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        assert "extended header of 4294967296 bytes" in refused(tmp_path, bytes(header) + bytes(2048))

    def test_many_extended_headers_for_all_entries_are_held_to_the_room_of_one(self, tmp_path):
        records = [pax_record(f"comment{number}", b"x" * 300_000) for number in range(5)]
        content = tar(*(member("g", record, type=b"g") for record in records))
        assert "extended headers of" in refused(tmp_path, content)

    def test_a_damaged_extended_header_is_refused(self, tmp_path):
        content = tar(member("a", b"", pax_headers={"comment": "x" * 20}))
        refused(tmp_path, content.replace(b"32 comment", b"99 comment"))

    def test_an_empty_archive_is_an_empty_layer(self, tmp_path):
        _, result = unpack(tmp_path, bytes(1024))
        assert (result["entries"], result["size"], result["implied"]) == (0, 0, [""])


class TestDigests:
    @pytest.mark.parametrize("compress", [bytes, gzip.compress, zstandard.ZstdCompressor().compress])
    def test_both_digests_are_taken_on_the_way(self, tmp_path, compress):
        content = tar(member("a", b"x" * 100_000)) + bytes(5000)
        packed = compress(content)
        _, result = unpack(tmp_path, packed, digest=digest(packed), diff_id=digest(content))
        assert (result["digest"], result["diff_id"]) == (digest(packed), digest(content))

    @pytest.mark.parametrize("what", ["digest", "diff_id"])
    def test_another_digest_is_refused(self, tmp_path, what):
        message = refused(tmp_path, tar(member("a", b"x")), **{what: f"sha256:{'0' * 64}"})
        assert "was expected" in message

    def test_gzip_of_several_members_is_one_stream(self, tmp_path):
        content = tar(member("a", b"x"))
        packed = gzip.compress(content[:700]) + gzip.compress(content[700:])
        _, result = unpack(tmp_path, packed, diff_id=digest(content))
        assert result["entries"] == 1


class TestImplied:
    def test_the_same_tar_makes_the_same_tree(self, tmp_path):
        tree, _ = unpack(tmp_path, tar(member("a/b", b"x")))
        assert (tree.stat().st_mtime, (tree / "a").stat().st_mtime) == (0, 0)

    def test_directories_without_an_entry_are_told(self, tmp_path):
        _, result = unpack(tmp_path, tar(member("a/b/c", b"x"), member("a")))
        assert decode_names(result["implied"]) == [(), (b"a", b"b")]

    def test_names_pass_through_json_whatever_their_bytes(self):
        names = [(), (b"a", b"\xff\xe9"), (b"\xc3\xa9",)]
        assert decode_names(encode_names(names)) == names


class TestSparse:
    @pytest.mark.parametrize("form", ["gnu", "0.0", "0.1", "1.0"])
    def test_every_form_of_sparse_files(self, tmp_path, form):
        import subprocess

        source = tmp_path / "source"
        source.mkdir()
        with open(source / "f", "wb") as file:
            for at in range(0, 60 << 20, 1 << 20):  # more pieces than one header holds
                file.seek(at)
                file.write(b"data")
            file.truncate(64 << 20)
        options = ["--format=gnu"] if form == "gnu" else ["--format=posix", f"--sparse-version={form}"]
        command = ["tar", "-S", *options, "-C", str(source), "-cf", "-", "f"]
        packed = subprocess.run(command, check=True, capture_output=True).stdout
        assert len(packed) < 1 << 20
        tree, result = unpack(tmp_path, packed)
        assert (tree / "f").read_bytes() == (source / "f").read_bytes()
        assert (tree / "f").stat().st_blocks * 512 < 2 << 20
        assert result["size"] == 64 << 20

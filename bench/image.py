"""Owns the image that is pulled and pushed: 500 MB in 18,000 files in 6 layers, the same every time.

Sizes spread as in a real system (many small files, few large), content half text, the rest
what compresses less, or not at all. Written as an archive that every engine loads.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE, FILES = 500_000_000, 18_000
_SHARES = (0.30, 0.26, 0.20, 0.12, 0.08, 0.04)
"""Of each layer, bottom first."""
_POOL = 8 << 20
_IN_FOLDER = 14
_MTIME = 1_700_000_000
_OWNERS = (0, 0, 0, 1000)


def write_archive(path: str, name: str, seed: int) -> None:
    """Write the image ``name`` to ``path``, as ``docker save`` does; another ``seed`` is another image."""
    chance = random.Random(seed)  # noqa: S311 - the same every time
    pools = _pools(chance)
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        members, diff_ids = [], []
        for number, share in enumerate(_SHARES):
            layer = f"{path}.layer"
            _write_layer(layer, chance, pools, number, share)
            with open(layer, "rb") as file:
                diff_ids.append(f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}")
                members.append(f"{diff_ids[-1][7:]}/layer.tar")
                info = tarfile.TarInfo(members[-1])
                info.size = file.seek(0, os.SEEK_END)
                file.seek(0)
                archive.addfile(info, file)
            os.unlink(layer)
        config = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {"Cmd": ["true"]},
                "rootfs": {"type": "layers", "diff_ids": diff_ids},
                "history": [{"created_by": f"layer {number}"} for number in range(len(diff_ids))],
            }
        ).encode()
        named = f"{hashlib.sha256(config).hexdigest()}.json"
        _add(archive, named, config)
        manifest = [{"Config": named, "RepoTags": [name], "Layers": members}]
        _add(archive, "manifest.json", json.dumps(manifest).encode())


def _write_layer(
    path: str, chance: random.Random, pools: tuple[bytes, ...], number: int, share: float
) -> None:
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, size in _files(chance, number, round(FILES * share), round(SIZE * share)):
            info = tarfile.TarInfo(name)
            info.mtime = _MTIME + chance.randrange(10_000_000)
            if name.endswith("/"):
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(info)
                continue
            info.size = size
            info.mode = chance.choice((0o644, 0o644, 0o644, 0o755))
            info.uid = info.gid = chance.choice(_OWNERS)
            tar.addfile(info, io.BytesIO(_content(chance, pools, size)))


def _files(chance: random.Random, number: int, count: int, total: int) -> Iterator[tuple[str, int]]:
    """(name, size) of a layer's folders and files; a folder's name ends in a slash."""
    weights = [chance.lognormvariate(0, 1.8) for _ in range(count)]
    scale = total / sum(weights)
    top = f"layer-{number}"
    yield f"{top}/", 0
    for at, weight in enumerate(weights):
        folder = at // _IN_FOLDER
        place = f"{top}/package-{folder // 8:03}"
        if not at % (8 * _IN_FOLDER):
            yield f"{place}/", 0
        place += f"/part-{folder % 8}"
        if not at % _IN_FOLDER:
            yield f"{place}/", 0
        yield f"{place}/some_module_{at:05}.py", round(weight * scale)


def _content(chance: random.Random, pools: tuple[bytes, ...], size: int) -> bytes:
    pool = chance.choice(pools)
    start = chance.randrange(_POOL)
    piece = pool[start : start + size]
    while len(piece) < size:
        piece += pool[: size - len(piece)]
    return piece


def _pools(chance: random.Random) -> tuple[bytes, ...]:
    """Text (half of the files), something like machine code (three of eight), and noise."""
    letters = b"etaoinshrdlucmfwypvbgkjqxz_(). "
    words = [bytes(chance.choices(letters, k=chance.randrange(2, 14))) for _ in range(3000)]
    often = [1 / rank for rank in range(1, len(words) + 1)]
    text = b" ".join(chance.choices(words, often, k=_POOL // 7)).ljust(_POOL, b"\n")[:_POOL]
    codes = [chance.randbytes(chance.randrange(3, 12)) for _ in range(3000)]
    code = b"".join(chance.choices(codes, often, k=_POOL // 6)).ljust(_POOL, b"\0")[:_POOL]
    return text, text, text, text, code, code, code, chance.randbytes(_POOL)


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    archive.addfile(info, io.BytesIO(content))


if __name__ == "__main__":
    import sys

    write_archive(sys.argv[1], sys.argv[2], int(sys.argv[3]))

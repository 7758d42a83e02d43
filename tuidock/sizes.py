"""Owns sizes as Docker prints them, by humanize; refuses to round twice.

Source: docker/go-units, HumanSizeWithPrecision and BytesSize: humanize's forms without the space.
"""

from __future__ import annotations


def human_size(size: float, digits: int = 3) -> str:
    """``4.43MB``: powers of 1000, ``digits`` significant."""
    return _natural(size, digits, binary=False)


def binary_size(size: float) -> str:
    """``7.653GiB``: powers of 1024, four significant digits."""
    return _natural(size, 4, binary=True)


def _natural(size: float, digits: int, *, binary: bool) -> str:
    from humanize import naturalsize

    number, unit = naturalsize(size, binary=binary, format=f"%.{digits}g").split(" ")
    return number + ("B" if unit.startswith("Byte") else unit)

"""Owns what a look at a root brings back: findings, each with what mends it; refuses to look, or to mend."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from engine.records import Finding

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Mend = Callable[[], Awaitable[object]]


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A finding; ``mend`` is None where a person has to act. Two that mend the same way may share one."""

    finding: Finding
    mend: Mend | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it the same finding when it is looked for again."""
        return self.finding.kind, self.finding.what, self.finding.why


def found(kind: str, what: str, why: str, mend: Mend | None = None, remedy: str = "") -> Found:
    """``remedy`` is told while it is not mended."""
    remedy = remedy or "tuidock system check --repair"
    return Found(finding=Finding(kind=kind, what=what, why=why, remedy=remedy), mend=mend)

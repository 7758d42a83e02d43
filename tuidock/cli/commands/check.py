"""Owns ``system check``: a row for each thing that is wrong, and an exit code for scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuidock.cli import listing, output
from tuidock.cli.command import Command, Invocation
from tuidock.cli.flags import switch

if TYPE_CHECKING:
    from engine.engine import Engine
    from engine.records import Finding

_LAYOUT = listing.Layout(
    titles={"Kind": "KIND", "What": "WHAT", "Why": "WHY", "Repaired": "REPAIRED", "Remedy": "REMEDY"},
    columns=("Kind", "What", "Why", "Remedy"),
    quiet="What",
)
_REPAIRED = "repaired"


def _check(invocation: Invocation) -> None:
    listing.check_format(invocation.text("format"))


async def _run(engine: Engine, invocation: Invocation) -> int:
    findings = await engine.check(repair=invocation.switch("repair"))
    source = invocation.text("format")
    if findings or source:
        listing.show(
            [_row(finding) for finding in findings], _LAYOUT, source, quiet=invocation.switch("quiet")
        )
    elif not invocation.switch("quiet"):
        output.line("Nothing is left over, missing or damaged.")
    return int(any(not finding.repaired for finding in findings))


def _row(finding: Finding) -> dict[str, str]:
    return {
        "Kind": finding.kind,
        "What": finding.what,
        "Why": finding.why,
        "Repaired": str(finding.repaired).lower(),
        "Remedy": _REPAIRED if finding.repaired else finding.remedy,
    }


CHECK = Command(
    usage="[OPTIONS]",
    run=_run,
    flags=(
        listing.format_flag(),
        switch("quiet", "Only display what is wrong", "q"),
        switch("repair", "Repair what is found"),
    ),
    check=_check,
)

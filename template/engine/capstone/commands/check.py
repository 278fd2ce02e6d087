"""`capstone check`: what is done and what is open, before handing in."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from capstone.core.errors import CapstoneError


def check(
    final: Annotated[
        bool,
        typer.Option("--final", help="Before handing in: run the tests, fail on anything open."),
    ] = False,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="RULE", help="Check this rule alone; repeatable."),
    ] = None,
    json_: Annotated[
        bool, typer.Option("--json", help="Print one JSON object, for programs.")
    ] = False,
) -> None:
    """Say what is done and what is open. Exit code 2: harm was found, or --final and something is open."""
    from capstone.checks.project_state import Work
    from capstone.checks.rules import check as judge
    from capstone.commands.console import print_json
    from capstone.core.project import find_root

    findings = []
    for finding in judge(Work(find_root(), final), only):
        findings.append(finding)
        if not json_:
            print(finding.line(sys.stdout.encoding), flush=True)
    undone = [finding for finding in findings if finding.state == "open"]
    harmful = [finding for finding in undone if finding.harm]
    fails = bool(undone if final else harmful)
    if json_:
        told = {"passed": not fails, "final": final, "open": len(undone)}
        print_json(told | {"rules": [finding.as_json() for finding in findings]})
        raise typer.Exit(2 if fails else 0)
    done = sum(finding.state == "done" for finding in findings)
    print(f"\n{done} of {len(findings)} done, {len(undone)} open.")
    if fails:
        names = ", ".join(finding.rule for finding in (undone if final else harmful))
        raise CapstoneError(
            f"this must be mended{' before you hand in' if final else ' now'}: {names}."
        )

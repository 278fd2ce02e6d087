"""`capstone check`: what is done and what is open, before handing in."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from capstone.core.errors import CapstoneError
from capstone.core.text import say


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
    """See what is done and what is still open.

    Exit code 2: something must be mended now, or, with --final, is still open.
    """
    from capstone.checks.project_state import ProjectState
    from capstone.checks.rules import check_rules
    from capstone.commands.console import print_json
    from capstone.core.project import find_root

    outcomes = []
    for outcome in check_rules(ProjectState(find_root(), final), only):
        outcomes.append(outcome)
        if not json_:
            say(outcome.line(sys.stdout.encoding))
    undone = [outcome for outcome in outcomes if outcome.state == "open"]
    failing = undone if final else [outcome for outcome in undone if outcome.harm]
    if json_:
        summary = {"passed": not failing, "final": final, "open": len(undone)}
        print_json(summary | {"rules": [outcome.as_json() for outcome in outcomes]})
        raise typer.Exit(2 if failing else 0)
    done = sum(outcome.state == "done" for outcome in outcomes)
    say()
    say(f"{done} of {len(outcomes)} done, {len(undone)} open.")
    say(_what_next(len(undone), final))
    if failing:
        names = ", ".join(outcome.rule for outcome in failing)
        raise CapstoneError(
            f"this must be mended{' before you hand in' if final else ' now'}: {names}."
        )


def _what_next(undone: int, final: bool) -> str:
    if undone:
        return "Next: do what the arrows say, then `capstone check` again."
    return "Next: hand in." if final else "Next: `capstone check --final` runs the tests too."

"""`capstone check`: what is done and what is open, one line for each rule."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from capstone.checks.documents import (
    card_is_complete,
    data_is_documented,
    ethics_is_answered,
    numbers_are_the_runs,
    personal_data_is_addressed,
)
from capstone.checks.project_state import Harm, Open, Skip, Work
from capstone.checks.repository import (
    hooks_are_installed,
    no_large_file,
    no_secret,
    notebooks_hold_no_output,
    tests_pass,
)
from capstone.checks.run import (
    baselines_are_compared,
    no_column_gives_the_target_away,
    run_is_of_this_project,
    run_is_reproducible,
    seed_is_fixed,
    split_has_no_leak,
    test_part_is_spared,
)
from capstone.core.errors import CapstoneError, did_you_mean

# A rule returns what is fine, or raises Open, Harm, Skip, or a CapstoneError, which is open too.
RULES: dict[str, Callable[[Work], str]] = {
    "data": data_is_documented,
    "personal_data": personal_data_is_addressed,
    "run": run_is_of_this_project,
    "seed": seed_is_fixed,
    "split": split_has_no_leak,
    "leaks": no_column_gives_the_target_away,
    "baselines": baselines_are_compared,
    "test_looks": test_part_is_spared,
    "reproducible": run_is_reproducible,
    "card": card_is_complete,
    "numbers": numbers_are_the_runs,
    "ethics": ethics_is_answered,
    "notebooks": notebooks_hold_no_output,
    "secrets": no_secret,
    "large_files": no_large_file,
    "hooks": hooks_are_installed,
    "tests": tests_pass,
}
MARKS = {"done": "✓", "open": "✗", "aside": "–"}
PLAIN_MARKS = {"done": "+", "open": "x", "aside": "-"}  # for consoles that know no others


@dataclass(frozen=True)
class Finding:
    """What one rule found."""

    rule: str
    state: Literal["done", "open", "aside"]
    said: str
    to_do: str = ""
    harm: bool = False  # must never be: it fails a check that is not the final one too

    def line(self, encoding: str | None) -> str:
        """For people: `✗ card: 3 questions are open -> answer them`."""
        try:
            "".join(MARKS.values()).encode(encoding or "ascii")
            mark = MARKS[self.state]
        except (UnicodeEncodeError, LookupError):
            mark = PLAIN_MARKS[self.state]
        arrow = f" -> {self.to_do}" if self.to_do else ""
        return f"{mark} {self.rule}: {self.said}{arrow}"

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return asdict(self)


def check(work: Work, only: list[str] | None = None) -> Iterator[Finding]:
    """Judge the work by every rule, or by the named ones; each finding comes as soon as it is made.

    Raises CapstoneError when capstone.toml or the caller names a rule that does not exist.
    """
    off = work.settings.checks.off
    for name in (*off, *(only or ())):
        if name not in RULES:
            raise CapstoneError(f'There is no rule "{name}"{did_you_mean(name, RULES)}')
    for name in only or RULES:
        if name in off:
            yield Finding(name, "aside", f"switched off in capstone.toml: {off[name]}")
        else:
            yield _judge(name, work)


def _judge(name: str, work: Work) -> Finding:
    try:
        return Finding(name, "done", RULES[name](work))
    except Open as found:
        return Finding(name, "open", found.said, found.to_do, isinstance(found, Harm))
    except Skip as found:
        return Finding(name, "aside", str(found))
    except CapstoneError as error:
        return Finding(name, "open", str(error).rstrip("."))

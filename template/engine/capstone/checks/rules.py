"""`capstone check`: what is done and what is open, one line for each rule."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from capstone.checks.documents import (
    card_is_complete,
    data_is_documented,
    ethics_is_answered,
    numbers_are_the_runs,
    personal_data_is_addressed,
)
from capstone.checks.outcome import Harm, Open, Outcome, Skip
from capstone.checks.project_state import ProjectState
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
RULES: dict[str, Callable[[ProjectState], str]] = {
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


def check_rules(project: ProjectState, only: list[str] | None = None) -> Iterator[Outcome]:
    """Judge the project by every rule, or by the named ones.

    Parameters
    ----------
    project : ProjectState
        What to judge.
    only : list of str, optional
        Names of rules; all of them when it is None.

    Yields
    ------
    Outcome
        Of each rule, as soon as it is known.

    Raises
    ------
    CapstoneError
        When capstone.toml or the caller names a rule that does not exist.
    """
    off = project.settings.checks.off
    for name in (*off, *(only or ())):
        if name not in RULES:
            raise CapstoneError(f'There is no rule "{name}"{did_you_mean(name, RULES)}')
    for name in only or RULES:
        if name in off:
            yield Outcome(name, "aside", f"switched off in capstone.toml: {off[name]}")
        else:
            yield _judge(name, project)


def _judge(name: str, project: ProjectState) -> Outcome:
    try:
        return Outcome(name, "done", RULES[name](project))
    except Open as problem:
        harm = isinstance(problem, Harm)
        return Outcome(name, "open", problem.message, problem.remedy, harm)
    except Skip as reason:
        return Outcome(name, "aside", str(reason))
    except CapstoneError as error:
        return Outcome(name, "open", str(error).rstrip("."))

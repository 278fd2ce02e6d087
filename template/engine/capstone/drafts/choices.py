"""What a student has decided about a table: what `capstone use` asks for."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from capstone.core.errors import CapstoneError
from capstone.core.settings import Data
from capstone.data.kinds import feature_columns
from capstone.data.mends import Mend, find_mends
from capstone.data.spellings import class_to_detect
from capstone.data.validation import check_enough_rows, check_target
from capstone.profiling.suggestions import (
    Problem,
    suggest_id,
    suggest_leave_out,
    suggest_problem,
    suggest_sensitive,
    suggest_target,
)


@dataclass(frozen=True)
class Looked:
    """A table that was looked at.

    Parameters
    ----------
    raw, clean : DataFrame
        As it was read, and as `clean()` leaves it.
    mends : list of Mend
        What lies between the two.
    """

    raw: pd.DataFrame
    clean: pd.DataFrame
    mends: list[Mend]

    @classmethod
    def at(cls, raw: pd.DataFrame) -> Looked:
        """Find what is to be mended in a table."""
        clean, mends = find_mends(raw)
        return cls(raw, clean, mends)


@dataclass(frozen=True)
class Choices:
    """What the columns of a table are for.

    Parameters
    ----------
    path : str
        The table, seen from the project's folder.
    target : str
        The column to predict.
    problem : {"regression", "binary", "multiclass"}
        What kind of problem that is.
    positive : str
        Of two classes the one to detect.
    id : str
        The column that names a row; "" for none.
    leave_out, sensitive : list of str
        What no step may see, and groups to compare.
    """

    path: str
    target: str
    problem: Problem
    positive: str = ""
    id: str = ""
    leave_out: list[str] = field(default_factory=list)
    sensitive: list[str] = field(default_factory=list)

    @property
    def hidden(self) -> set[str]:
        """Columns that `clean()` does not get, or has no work with."""
        return {self.id, *self.leave_out}

    def as_data(self) -> Data:
        """Section [data] of the settings, with these choices."""
        return Data(
            path=self.path,
            target=self.target,
            problem=self.problem,
            positive=self.positive,
            id=self.id,
            leave_out=self.leave_out,
            sensitive=self.sensitive,
        )


def suggested(looked: Looked, path: str, target: str = "") -> tuple[Choices, dict[str, str]]:
    """All suggestions at once, and why columns are left out.

    Parameters
    ----------
    looked : Looked
        The table.
    path : str
        Where it lies, seen from the project's folder.
    target : str
        The column to predict, where it is known; else one is suggested.
    """
    table = looked.clean
    target = target or suggest_target(table)
    problem = suggest_problem(table[target])
    positive = class_to_detect(table[target])[0] if problem == "binary" else ""
    name = suggest_id(table, target)
    choices = Choices(path, target, problem, positive, name)
    reasons = suggest_leave_out(table, choices.as_data())
    sensitive = suggest_sensitive(table, {target, name, *reasons})
    return Choices(path, target, problem, positive, name, list(reasons), sensitive), reasons


def what_stops_a_run(looked: Looked, choices: Choices) -> str:
    """The sentence with which a run would end on this table as `clean()` leaves it; "" if none is known."""
    data = choices.as_data()
    table = looked.clean.drop(columns=data.leave_out).drop_duplicates()
    try:
        check_enough_rows(table, len(looked.raw))
        check_target(table[data.target], data)
        if not feature_columns(table, data):
            raise CapstoneError("No column is left to learn from.")
    except CapstoneError as error:
        return str(error)
    return ""

"""Invent how students fare in their first year; datasheet.md tells the same story in words.

From the repository's root: python -m includes.examples.student_outcomes.generate
"""

import numpy as np
import pandas as pd

from includes.examples.tables import RAW, as_csv, blank, days, plant, repeat, respell

SEED = 1088
ROWS = 3500
NOISE = 0.40  # scale of the logistic noise in the score
PASS, DISTINCTION = -1.1, 1.3  # below the first a student drops out, above the second excels
FIRST_GENERATION_LOSS = 0.7  # the planted disparity, in units of the score, at equal features

PROGRAMMES = {
    "arts": 0.17,
    "business": 0.26,
    "computing": 0.21,
    "engineering": 0.15,
    "health": 0.20,
    "music": 0.01,
}
HARDNESS = {"engineering": 0.5, "computing": 0.3, "health": 0.1}


def draw_students(rng: np.random.Generator) -> pd.DataFrame:
    """The students without their outcome, tidy and complete."""
    student = pd.DataFrame({"student_id": [f"S{number:05d}" for number in range(1, ROWS + 1)]})
    student["enrolled_on"] = days("2021-08-15", "2021-10-15", ROWS, rng)
    student["first_generation"] = np.where(rng.random(ROWS) < 0.32, "yes", "no")
    student["programme"] = rng.choice(list(PROGRAMMES), ROWS, p=list(PROGRAMMES.values()))
    student["entry_grade"] = pd.Series(rng.normal(68, 12, ROWS)).clip(35, 100).round(1)
    student["attendance_percent"] = (100 * rng.beta(5, 1.6, ROWS)).round().astype(int)
    student["study_hours"] = pd.Series(rng.gamma(4, 3.2, ROWS)).clip(0, 50).round(1)
    job = np.where(rng.random(ROWS) < 0.55, rng.gamma(4, 3.5, ROWS), 0)
    student["job_hours"] = job.clip(0, 40).round().astype(int)
    student["late_assignments"] = rng.poisson(rng.gamma(1.5, 1.2, ROWS))
    student["lives_on_campus"] = rng.random(ROWS) < 0.4
    commute = np.where(student["lives_on_campus"], 8, rng.gamma(3, 14, ROWS))
    student["commute_minutes"] = (commute + rng.uniform(0, 8, ROWS)).round().astype(int)
    student["locker_number"] = rng.integers(1, 401, ROWS)  # pure noise: nothing depends on it
    return student


def fair_score(student: pd.DataFrame) -> pd.Series:
    """The truth: how well a student of these features fares, if a parent studied before."""
    ability = (student["entry_grade"] - 68) / 12
    # Studying helps less and less, and helps most where the entry grade was weak.
    study = np.log1p(student["study_hours"]) - 2.5
    score: pd.Series = 1.0 * ability + study * (1.6 - 1.5 * ability).clip(lower=0)
    # A threshold: about 65 % of the classes are needed, and more than enough adds little.
    score += 3.0 / (1 + np.exp(-(student["attendance_percent"] - 65) / 4)) - 2.0
    # Job and way to class do no harm up to 20 hours a week; beyond, each hour does.
    busy_hours = student["job_hours"] + student["commute_minutes"] * 2 * 5 / 60
    score -= 0.20 * (busy_hours - 20).clip(lower=0)
    score -= 0.2 * student["late_assignments"]
    score -= student["programme"].map(HARDNESS).fillna(0)
    return score + 0.6


def make_table() -> pd.DataFrame:
    """The table as the student gets it."""
    rng = np.random.default_rng(SEED)
    student = draw_students(rng)
    loss = FIRST_GENERATION_LOSS * (student["first_generation"] == "yes")
    score = fair_score(student) - loss + rng.logistic(0, NOISE, ROWS)
    limits = [score < PASS, score > DISTINCTION]
    student["outcome"] = np.select(limits, ["dropout", "distinction"], "pass")

    commutes = ~student["lives_on_campus"]  # the survey went round on campus; others answered less
    student["study_hours"] = blank(student["study_hours"], commutes * 0.1 + 0.03, rng)
    student["entry_grade"] = blank(student["entry_grade"], 0.03, rng)
    student["programme"] = respell(blank(student["programme"], 0.01, rng), 70, rng)
    student["attendance_percent"] = plant(student["attendance_percent"], 999, 14, rng)
    student["study_hours"] = plant(student["study_hours"], 200, 8, rng)
    return repeat(student, 50, rng)


if __name__ == "__main__":
    (RAW / "student_outcomes.csv").write_bytes(as_csv(make_table()))

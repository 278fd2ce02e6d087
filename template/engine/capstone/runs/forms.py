"""What the JSON files of a run have to hold, as far as the engine reads it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from capstone.core.sealed_files import Form, Sha256

Baseline = Literal["dummy", "linear", "gradient_boosting"]
Problem = Literal["regression", "binary", "multiclass"]
Count = Annotated[int, Field(ge=0, lt=2**53)]
Seconds = Annotated[float, Field(ge=0, le=1e9)]
Share = Annotated[float, Field(ge=0, le=1)]
ABSENT: Any = Field(default=None)  # where a key is there, it holds no null


def _a_moment(text: str) -> str:
    datetime.fromisoformat(text)
    return text


Moment = Annotated[str, AfterValidator(_a_moment)]


class DataInfo(Form):
    """Which table it was."""

    path: str
    sha256: Sha256


class GitInfo(Form):
    """Which state of the project it was; None outside git."""

    commit: str | None
    dirty: bool | None


class PartInfo(Form):
    """Rows of each part; with several members there is no validation part."""

    __pydantic_extra__: dict[str, Count] = Field(init=False)
    train: Count
    test: Count


class RunInfo(Form):
    """run.json."""

    finished: Moment
    seed: Count
    data: DataInfo
    epochs: Count
    best_epoch: Count
    ended: str
    batch_size: Count
    git: GitInfo
    versions: dict[str, str]
    device: str
    processes: Count = 1
    threads: Count = 1
    rows: PartInfo
    seconds: dict[str, Seconds] = ABSENT
    health: list[str] = ABSENT
    quick: bool
    name: str = ""
    note: str = ""
    code: dict[str, Sha256] = ABSENT
    trained_from: str
    test_looks: Count
    streamed: bool = False
    sampled: PartInfo = ABSENT
    all_test_rows: Count = 0


class Score(Form):
    """A number with its 95% interval; None where it can't be computed."""

    value: float | None
    low: float | None
    high: float | None


class Interval(Form):
    """The same of a number that there always is."""

    value: float
    low: float
    high: float


class Intervals(Form):
    """How far a predicted number may be off, by its size."""

    level: Share
    edges: list[float]
    half_widths: Annotated[list[float], Field(min_length=1)]
    coverage: Interval


class Calibration(Form):
    """How far the probabilities are those that come true."""

    temperature: float
    ece: dict[str, float | None]


class ThresholdResult(Form):
    """What a threshold comes to."""

    cost: float
    precision: float | None
    recall: float | None


class Threshold(Form):
    """From which probability on acting pays."""

    value: float
    chosen_on: str
    cost_false_positive: float
    cost_false_negative: float
    test: ThresholdResult
    test_at_half: ThresholdResult


class Decisions(Form):
    """What following decisions.py would have cost."""

    unit: str
    nothing: str
    everyone: str
    actions: dict[str, Count]
    cost: dict[Literal["followed", "nothing", "everyone"], float]
    saved_against: dict[Literal["nothing", "everyone"], Interval]


class Doubt(Form):
    """Why the result is too good to be believed as it is."""

    kind: Literal["leak", "alone", "perfect"]
    columns: Annotated[list[str], Field(min_length=1)]
    score: float
    measure: str
    others: float = 0.0
    model: Literal["model"] | Baseline = "model"


class Explained(Form):
    """How many rows were explained together."""

    rows: Count


class Metrics(Form):
    """metrics.json."""

    problem: Problem
    primary_metric: str
    higher_is_better: bool
    model: dict[str, Score]
    baselines: dict[Baseline, dict[str, Score]]
    beats: dict[Baseline, Literal["better", "worse", "undecided"]]
    validation: dict[str, float | None]
    doubt: Doubt = ABSENT
    intervals: Intervals = ABSENT
    calibration: Calibration = ABSENT
    threshold: Threshold = ABSENT
    decisions: Decisions = ABSENT
    groups: dict[str, dict[str, Any]] = ABSENT
    slices: dict[str, Any] = ABSENT
    explanation: Explained = ABSENT

    @model_validator(mode="after")
    def the_metric_that_decides_is_there(self) -> Self:
        if self.primary_metric not in self.model:
            raise ValueError("primary_metric is none of the model's metrics")
        return self


class Verdict(Form):
    """reproduction.json, which `capstone reproduce` writes beside a run."""

    run: str = ""  # the SHA-256 of run.json; release 0.1.0 did not write it
    verdict: Literal["identical", "different"]
    checked: Moment
    differences: list[str]


class GraphColumn(Form):
    """One input of the graph."""

    kind: Literal["number", "boolean", "category", "date"]
    format: str | None


class Steps(Form):
    """How the student's clean() and engineer() are served."""

    tables: Literal["arrays", "pandas"]
    refused: str
    sha256: Sha256


class ServedProject(Form):
    """Whose model it is."""

    name: str
    question: str


class ServedMetric(Score):
    """The score that decides, as the page shows it."""

    name: str
    higher_is_better: bool


class ExplanationPlan(Form):
    """How the run explained its rows, so that a service explains them alike."""

    columns: list[str]
    exact: bool
    orders: Annotated[int, Field(ge=1)]
    seed: int
    rows: Count


class Serving(Form):
    """serving.json."""

    format: int
    problem: Problem
    target: str
    classes: list[str]
    columns: dict[str, GraphColumn]
    raw: dict[str, str]
    known: dict[str, Any]
    steps: Steps
    background: dict[str, Annotated[list[str | float | None], Field(min_length=1)]]
    explanation: ExplanationPlan = ABSENT
    project: ServedProject
    metric: ServedMetric


class RawColumn(Form):
    """A column of the raw table, as it was in training."""

    role: Literal["feature", "sensitive", "id"]
    missing: Share


class RawNumbers(RawColumn):
    """One of numbers; where its range is infinite, None stands for the end."""

    kind: Literal["number"]
    low: float | None
    high: float | None
    example: float | None


class RawDates(RawColumn):
    """One of dates; its range is written as ISO 8601 has it."""

    kind: Literal["date"]
    low: Moment
    high: Moment
    example: str


class RawCategories(RawColumn):
    """One of categories."""

    kind: Literal["category"]
    categories: list[str]
    complete: bool
    example: Any


class OtherRaw(RawColumn):
    """One of yes and no, of free text, or of nothing."""

    kind: Literal["boolean", "text", "empty"]


class Schema(Form):
    """schema.json: the columns by their names."""

    __pydantic_extra__: dict[
        str,
        Annotated[RawNumbers | RawDates | RawCategories | OtherRaw, Field(discriminator="kind")],
    ] = Field(init=False)

    @model_validator(mode="after")
    def there_is_a_feature(self) -> Self:
        if all(column.role != "feature" for column in (self.__pydantic_extra__ or {}).values()):
            raise ValueError("no column is a feature")
        return self

"""capstone.toml as a typed object: every key, its type, its range and its default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from capstone.core.text import setting_text

LONGEST_NAME, LONGEST_PATH = 255, 4000  # of a file, in bytes: no system takes longer ones


class Section(BaseModel):
    """A part of capstone.toml: unknown keys are refused, types are exact, nothing changes later."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Project(Section):
    """Who asks which question."""

    name: str = "My capstone"
    question: str = ""
    author: str = ""
    email: str = ""
    course: str = ""


class Data(Section):
    """Where the table is and what its columns are for."""

    path: str
    target: str = Field(min_length=1)
    problem: Literal["regression", "binary", "multiclass"]
    positive: str | bool | int | float = ""  # binary: the class to detect; "" for the likely one
    id: str = ""
    leave_out: list[str] = []
    sensitive: list[str] = []
    use_sensitive: bool = False
    drop_copies: bool = False
    delimiter: str = "auto"
    encoding: str = "auto"
    decimal: Literal["auto", ".", ","] = "auto"
    date_format: str = "auto"
    streaming: Literal["auto", "always", "never"] = "auto"

    @field_validator("path")
    @classmethod
    def path_can_be_one(cls, path: str) -> str:
        if "://" in path:
            raise ValueError(
                "path is an address: download the table, and give its place on the disk"
            )
        too_long = any(len(part.encode()) > LONGEST_NAME for part in path.split("/"))
        if not path.strip() or not path.isprintable() or too_long or len(path) > LONGEST_PATH:
            raise ValueError(
                f"path {setting_text(path)} can't be that of a file: set it to your table"
            )
        return path

    @model_validator(mode="after")
    def each_column_has_one_role(self) -> Self:
        roles = [self.target, *([self.id] if self.id else []), *self.leave_out, *self.sensitive]
        for name in roles:
            if roles.count(name) > 1:
                raise ValueError(
                    f'column "{name}" is named more than once; give it one role: '
                    "target, id, leave_out or sensitive"
                )
        return self


class Split(Section):
    """How rows are divided into training, validation and test parts."""

    method: Literal["random", "stratified", "group", "time"] = "random"
    test: float = Field(default=0.2, gt=0, lt=1)
    validation: float = Field(default=0.2, gt=0, lt=1)
    group_column: str = ""
    time_column: str = ""

    @model_validator(mode="after")
    def parts_and_columns_fit(self) -> Self:
        if self.test + self.validation > 0.9:
            raise ValueError("test + validation is more than 0.9, which leaves too little to train")
        if self.method == "group" and not self.group_column:
            raise ValueError(
                'method "group" needs group_column: the column whose rows stay together'
            )
        if self.method == "time" and not self.time_column:
            raise ValueError('method "time" needs time_column: the column that orders the rows')
        return self


class Preprocessing(Section):
    """How columns become numbers."""

    max_categories: int = Field(default=20, ge=2, le=1000)
    numbers: Literal["auto", "plain", "piecewise"] = "auto"


class Network(Section):
    """The shape of the neural network, and how many of it are trained side by side."""

    members: int = Field(default=8, ge=1, le=64)
    hidden: list[int] = Field(default=[64, 32], min_length=1, max_length=20)
    activation: Literal["relu", "leaky_relu", "silu", "tanh", "sigmoid"] = "silu"
    dropout: float = Field(default=0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def layers_have_a_sensible_size(self) -> Self:
        for size in self.hidden:
            if not 1 <= size <= 16384:
                raise ValueError(f"hidden has a layer of {size} neurons; give each 1 to 16384")
        return self


class Training(Section):
    """How the network learns."""

    epochs: str | int = "auto"
    batch_size: str | int = "auto"
    learning_rate: float = Field(default=0.003, gt=0, le=10)
    schedule: Literal["one_cycle", "constant"] = "one_cycle"
    weight_decay: float = Field(default=0.01, ge=0, le=10)
    patience: int = Field(default=20, ge=1)
    device: str = "auto"
    precision: Literal["float32", "tf32", "bf16"] = "float32"
    checkpoint_seconds: float = Field(default=10.0, ge=0)
    start_from: str = ""
    freeze: Literal["", "body"] = ""
    unfreeze_after: int = Field(default=0, ge=0)
    unfrozen_rate: float = Field(default=0.1, gt=0, le=1)

    def body_is_frozen(self, epoch: int) -> bool:
        """Whether only the head learns in this epoch (from 1)."""
        return self.freeze == "body" and (not self.unfreeze_after or epoch <= self.unfreeze_after)

    def notes(self, rows: int, quick: bool = False) -> list[str]:
        """What is allowed but has no effect when there are so many training rows.

        A quick run's few epochs are too few for early stopping, as they should be.
        """
        notes = []
        if not quick and isinstance(self.epochs, int) and self.patience >= self.epochs:
            notes.append(
                f"patience ({self.patience}) is not below epochs ({self.epochs}): no early stopping"
            )
        if isinstance(self.batch_size, int) and self.batch_size > rows:
            notes.append(
                f"batch_size ({self.batch_size:,}) is larger than the {rows:,} training rows: "
                f"each batch holds all {rows:,}"
            )
        return notes

    @model_validator(mode="after")
    def what_is_frozen_has_learnt_before(self) -> Self:
        if self.freeze and not self.start_from:
            raise ValueError('freeze = "body" needs start_from: a new body knows nothing to keep')
        return self

    @field_validator("batch_size", "epochs", mode="before")
    @classmethod
    def auto_or_a_count(cls, value: object, info: ValidationInfo) -> object:
        count = isinstance(value, int) and not isinstance(value, bool) and value >= 1
        if value != "auto" and not count:
            raise ValueError(
                f'{info.field_name} is {setting_text(value)}; give "auto" or a whole number from 1 up'
            )
        return value


class Evaluation(Section):
    """What is measured on the test part."""

    primary_metric: str = "auto"
    bootstrap: int = Field(default=1000, ge=20, le=100_000)
    explained_rows: int = Field(default=1000, ge=0, le=100_000)


class Decision(Section):
    """What wrong decisions cost, in any unit; binary problems only."""

    cost_false_positive: float = Field(default=1.0, gt=0, le=1e12)
    cost_false_negative: float = Field(default=1.0, gt=0, le=1e12)


class Tracking(Section):
    """Where runs are logged besides runs/."""

    tensorboard: bool = False
    mlflow: str = ""

    @field_validator("mlflow")
    @classmethod
    def mlflow_is_a_place_without_a_password(cls, place: str) -> str:
        if place not in ("", "local") and "://" not in place:
            raise ValueError(
                f'mlflow is "{place}"; give "", "local" or an address such as "http://127.0.0.1:5000"'
            )
        if "@" in place:
            raise ValueError(
                "mlflow holds a password; take it out and set MLFLOW_TRACKING_USERNAME and "
                "MLFLOW_TRACKING_PASSWORD in your environment instead"
            )
        return place


class Checks(Section):
    """What `capstone check` asks."""

    most_test_looks: int = Field(default=10, ge=1)
    off: dict[str, str] = {}

    @field_validator("off")
    @classmethod
    def each_rule_is_off_for_a_reason(cls, off: dict[str, str]) -> dict[str, str]:
        for rule, reason in off.items():
            if not reason.strip():
                raise ValueError(f'off names the rule "{rule}" without a reason; say why')
        return off


class Settings(Section):
    """All of capstone.toml."""

    seed: int = Field(default=42, ge=0, le=2**32 - 1)
    project: Project = Project()
    data: Data
    split: Split = Split()
    preprocessing: Preprocessing = Preprocessing()
    network: Network = Network()
    training: Training = Training()
    evaluation: Evaluation = Evaluation()
    decision: Decision = Decision()
    tracking: Tracking = Tracking()
    checks: Checks = Checks()

    @model_validator(mode="after")
    def sections_agree(self) -> Self:
        if self.split.method == "stratified" and self.data.problem == "regression":
            raise ValueError(
                '[split] method "stratified" needs classes; for regression use "random"'
            )
        return self


def flatten(sections: Mapping[str, Any]) -> dict[str, Any]:
    """Sections of settings as one dictionary: {"seed": 42, "training.epochs": 200, ...}."""
    flat: dict[str, Any] = {}
    for name, value in sections.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{key}": item for key, item in value.items()}
        else:
            flat[name] = value
    return flat

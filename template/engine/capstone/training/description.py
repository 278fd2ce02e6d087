"""What model.json has to hold."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from capstone.core.sealed_files import Form


class PiecesForm(Form):
    """The pieces of numbers: as many columns as starts and widths."""

    column: list[Annotated[int, Field(ge=0)]]
    start: list[float]
    width: list[float]


class ArchitectureForm(Form):
    """What it takes to build the network again; further keys are arguments of the student's."""

    inputs: int
    outputs: int
    members: Annotated[int, Field(ge=1, le=64)]
    hidden: list[Annotated[int, Field(ge=1, le=16384)]]
    pieces: PiecesForm | None


class TargetForm(Form):
    """What is predicted: the parameters of Target."""

    model_config = ConfigDict(extra="forbid")
    name: str
    problem: Literal["regression", "binary", "multiclass"]
    classes: list[str]
    mean: float
    scale: float
    temperature: Annotated[float, Field(gt=0)]


class LayerForm(Form):
    """A layer, for people."""

    layer: str
    outputs: int
    parameters: int


class ModelDescription(Form):
    """model.json."""

    architecture: ArchitectureForm
    target: TargetForm
    inputs: list[str]
    parameters: int
    layers: list[LayerForm]

    @model_validator(mode="after")
    def parts_agree(self) -> Self:
        """A network that is far too large would otherwise be built before its weights are seen not to fit."""
        if self.architecture.inputs != len(self.inputs):
            raise ValueError("inputs and the network's inputs are not as many")
        return self

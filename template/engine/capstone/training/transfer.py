"""Transfer learning: begin with the network of an earlier run, often of a related task with more rows."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from capstone.core.errors import CapstoneError
from capstone.core.settings import Settings
from capstone.runs.folder import LATEST, Run, read_run
from capstone.training.layers import linear_layers
from capstone.training.model import TrainedModel, one_member
from capstone.training.piecewise_linear import PiecewiseLinear


def name_the_start(settings: Settings, root: Path) -> Settings:
    """The settings with "runs/LATEST" as the run that it means now: `capstone reproduce` needs the same one."""
    place = settings.training.start_from
    if not place or Path(place).name != LATEST:
        return settings
    run = read_run(root / "runs")
    training = settings.training.model_copy(update={"start_from": f"runs/{run.id}"})
    return settings.model_copy(update={"training": training})


def start_from(
    network: nn.Module,
    number: int,
    names: list[str],
    source: TrainedModel,
) -> None:
    """Copy the body of an earlier run's network into this one, the one of that number among several.

    names  of this network's inputs. They are matched by name; one that the earlier network did not know
           starts at zero. The head (the last layer) stays new, since the task is another.
    """
    known = all_names(source.preprocessor.inputs, source.architecture["pieces"])
    layers = linear_layers(network)
    first, head = f"{layers[0]}.weight", f"{layers[-1]}."
    # When the earlier run had fewer members, they come again from the first.
    member = one_member(source.network, number % source.architecture["members"])[1]
    old, new = member.state_dict(), network.state_dict()
    body = {name: weights for name, weights in new.items() if not name.startswith(head)}
    for name, weights in body.items():
        same = name in old and old[name].shape[:1] == weights.shape[:1]
        if not same or (name != first and old[name].shape != weights.shape):
            raise CapstoneError(
                "[training] start_from: the network of that run has other layers; set [network] hidden "
                f"to {source.architecture['hidden']}, as it was there."
            )
        body[name] = old[name]
    matched = torch.zeros_like(new[first])
    for position, name in enumerate(names):
        if name in known:
            matched[:, position] = old[first][:, known.index(name)]
    network.load_state_dict({**new, **body, first: matched})


def load_source(run: Run, inputs: list[str], root: Path) -> TrainedModel:
    """The model of an earlier run. Raises CapstoneError when it has nothing in common with this one."""
    source = TrainedModel.load(run.folder, root)
    if not set(inputs) & set(source.preprocessor.inputs):
        raise CapstoneError(
            f"[training] start_from: {run.id} was trained on other columns; none has the same name."
        )
    return source


def adopt_pieces(inputs: list[str], source: TrainedModel) -> PiecewiseLinear | None:
    """The earlier run's pieces of those inputs that this one has too; None when it cut none."""
    pieces = source.architecture["pieces"]
    if not pieces:
        return None
    owners = [source.preprocessor.inputs[column] for column in pieces["column"]]
    shared = [number for number, owner in enumerate(owners) if owner in inputs]
    return PiecewiseLinear(
        [inputs.index(owners[number]) for number in shared],
        [pieces["start"][number] for number in shared],
        [pieces["width"][number] for number in shared],
    )


def all_names(inputs: list[str], pieces: dict[str, list[float]] | None) -> list[str]:
    """Names of what the network gets: the inputs, and then their pieces."""
    if not pieces:
        return inputs
    places = zip(pieces["column"], pieces["start"], strict=True)
    return inputs + [f"{inputs[int(column)]} from {start}" for column, start in places]

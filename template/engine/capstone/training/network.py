"""The student's network: built, checked, and put side by side with others behind an encoding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from capstone.core.errors import CapstoneError
from capstone.core.settings import Settings
from capstone.core.student_code import call_student, load_attribute, student_code
from capstone.data.preprocessing import Preprocessor
from capstone.training.devices import check_memory
from capstone.training.ensemble import Ensemble, build_ensemble
from capstone.training.network_check import check_scores, check_weights, network_place
from capstone.training.piecewise_linear import PiecewiseLinear
from capstone.training.seed import set_seed
from capstone.training.target import Target
from capstone.training.transfer import copy_body, input_names

if TYPE_CHECKING:
    from capstone.training.model import TrainedModel

OURS = ("members", "pieces")  # what an architecture holds besides the arguments of NeuralNetwork


@dataclass(frozen=True)
class NetworkBuilder:
    """Builds the student's NeuralNetwork as capstone.toml says: for one seed, always the same.

    Parameters
    ----------
    root : Path
        The project's folder.
    settings : Settings
        Its capstone.toml.
    preprocessor : Preprocessor
        Makes the matrix; it knows the names of its columns.
    target : Target
        What is predicted; it knows how many neurons the output layer has.
    source : TrainedModel, optional
        An earlier run's model to begin from (`[training] start_from`).
    """

    root: Path
    settings: Settings
    preprocessor: Preprocessor
    target: Target
    source: TrainedModel | None = None

    @property
    def inputs(self) -> list[str]:
        """Names of the columns of the matrix."""
        return self.preprocessor.inputs

    def architecture(self, encoding: PiecewiseLinear | None, members: int) -> dict[str, Any]:
        """What model.json says, to build the same network again."""
        return {
            "inputs": len(self.inputs),
            "outputs": self.target.outputs,
            **self.settings.network.model_dump(),
            "members": members,
            "pieces": encoding.pieces() if encoding else None,
        }

    def build(
        self, encoding: PiecewiseLinear | None, members: int, device: torch.device
    ) -> nn.Module:
        """As many networks as there are members, with fresh weights, or with those of the earlier run."""
        check_memory(
            lambda: build_model(self.root, self.architecture(encoding, 1), encoding),
            members,
            device,
        )
        set_seed(self.settings.seed)
        architecture = self.architecture(encoding, members)
        return build_model(self.root, architecture, encoding, self._copy_source(encoding)).to(
            device
        )

    def _copy_source(
        self, encoding: PiecewiseLinear | None
    ) -> Callable[[nn.Module, int], None] | None:
        """What copies the earlier run's body into a new member, if there is one to begin from."""
        if self.source is None:
            return None
        source, names = self.source, input_names(self.inputs, encoding)
        old_encoding, old_members = encoding_of(source.network), members_of(source.network)
        known = input_names(source.preprocessor.inputs, old_encoding)

        def copy_into(network: nn.Module, number: int) -> None:
            # When the earlier run had fewer members, they come again from the first.
            old = old_members[number % len(old_members)]
            copy_body(old, network, known, names)

        return copy_into


def build_model(
    root: Path,
    architecture: dict[str, Any],
    encoding: PiecewiseLinear | None = None,
    prepare: Callable[[nn.Module, int], None] | None = None,
) -> nn.Module:
    """As many of the student's networks as there are members, side by side, behind the encoding.

    prepare  is called with each of them and its number, from 0, e.g. to copy weights into it
    """
    arguments = {name: value for name, value in architecture.items() if name not in OURS}
    if encoding:
        arguments["inputs"] += len(encoding.column)
    network_class, place = load_attribute(root, "network", "NeuralNetwork"), network_place(root)
    networks = [
        build_network(network_class, arguments, place) for _ in range(architecture["members"])
    ]
    if prepare:
        for number, network in enumerate(networks):
            prepare(network, number)
    model = build_ensemble(networks, arguments["inputs"])
    return nn.Sequential(encoding, model) if encoding else model


def build_network(
    network_class: Callable[..., Any], architecture: dict[str, Any], place: str
) -> nn.Module:
    """The student's NeuralNetwork with these arguments, checked on two rows of zeros."""
    network = call_student(network_class, **architecture)
    if not isinstance(network, nn.Module):
        raise CapstoneError(f"{place} is no network: write `class NeuralNetwork(nn.Module):`.")
    with student_code(place):
        weights = list(network.parameters())
        if not weights:
            raise CapstoneError(
                f"{place} has no weights to train: give it a layer; a list of layers has to be an nn.ModuleList."
            )
        scores = network.eval()(torch.zeros(2, architecture["inputs"]))
        check_scores(scores, (2, architecture["outputs"]), place)
        check_weights(network, place)
    return network


def encoding_of(model: nn.Module) -> nn.Module:
    """What stands before the networks of a model: the encoding of numbers, or nothing."""
    return split_model(model)[0]


def members_of(model: nn.Module) -> list[nn.Module]:
    """The student's networks in a model; of an ensemble, copies that can be used alone."""
    network = split_model(model)[1]
    return network.members() if isinstance(network, Ensemble) else [network]


def split_model(model: nn.Module) -> tuple[nn.Module, nn.Module]:
    """The encoding of numbers, which may be nothing, and the network or the ensemble behind it."""
    if isinstance(model, nn.Sequential) and isinstance(model[0], PiecewiseLinear):
        return model[0], model[1]
    return nn.Identity(), model

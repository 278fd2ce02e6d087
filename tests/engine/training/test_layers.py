"""The parts of a network: body and head, what is frozen, and what batch norm asks of a batch."""

import pytest
from torch import nn

from capstone.core.errors import CapstoneError
from capstone.training.layers import body_and_head, check_batch, freeze, linear_layers


def network(*more: nn.Module) -> nn.Module:
    """Two linear layers, and what stands between them."""
    return nn.Sequential(nn.Linear(4, 3), *more, nn.Linear(3, 1))


def test_the_head_is_the_last_linear_layer() -> None:
    small = network(nn.LayerNorm(3))
    assert linear_layers(small) == ["0", "2"]
    body, head = body_and_head(small)
    assert [its.shape for its in head] == [(1, 3), (1,)]
    assert [its.shape for its in body] == [(3, 4), (3,), (3,), (3,)]


def test_a_network_without_a_body_has_nothing_to_keep() -> None:
    with pytest.raises(CapstoneError, match="needs a network of two linear layers or more"):
        body_and_head(nn.Sequential(nn.Linear(4, 1)))


def test_frozen_weights_get_no_gradient_until_they_are_set_free() -> None:
    small = network()
    body, head = body_and_head(small)
    for frozen in (True, False):
        freeze(body, frozen)
        assert [its.requires_grad for its in body] == [not frozen] * 2
        assert all(its.requires_grad for its in head)


def test_batch_norm_can_not_learn_from_one_row_at_a_time() -> None:
    check_batch(network(nn.BatchNorm1d(3)), rows=2)
    check_batch(network(nn.LayerNorm(3)), rows=1)
    with pytest.raises(CapstoneError, match="batch_size is 1, but your NeuralNetwork has batch"):
        check_batch(network(nn.BatchNorm1d(3)), rows=1)

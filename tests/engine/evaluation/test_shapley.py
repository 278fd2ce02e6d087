"""Shapley's formula: against its definition, its axioms, and itself in smaller blocks."""

import time
from itertools import permutations

import numpy as np
import pytest

from capstone.evaluation import shapley
from capstone.evaluation.shapley import Model, by_orders, exact, typical, typical_places

# Column "b" has two inputs, as a category has; nothing depends on the last.
INPUTS = [np.array(places) for places in ([0], [1, 2], [3], [4], [5])]


def network(matrix: np.ndarray) -> np.ndarray:
    """Two outputs; in the first, columns depend on each other, three of them at once."""
    first = (
        np.tanh(2 * matrix[:, 0] * matrix[:, 1] * matrix[:, 3])
        + matrix[:, 2] * matrix[:, 3]
        + matrix[:, 4]
    )
    return np.column_stack([first, matrix[:, 0] - matrix[:, 3] ** 2])


def brute_force(outputs: Model, row: np.ndarray, background: np.ndarray) -> np.ndarray:
    """The definition: every order of the columns, every background row. Shape (columns, outputs)."""
    orders = list(permutations(range(len(INPUTS))))
    total = np.zeros((len(INPUTS), outputs(background).shape[1]))
    for order in orders:
        mixed = background.copy()
        for column in order:
            before = outputs(mixed).mean(axis=0)
            mixed[:, INPUTS[column]] = row[INPUTS[column]]
            total[column] += outputs(mixed).mean(axis=0) - before
    return total / len(orders)


@pytest.fixture
def rows() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(8, 6))


@pytest.fixture
def background() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(60, 6))


def test_exact_values_are_those_of_the_definition(rows: np.ndarray, background: np.ndarray) -> None:
    found = exact(network, rows, background, INPUTS)
    truth = np.array([brute_force(network, row, background) for row in rows])
    assert found.shape == (8, 5, 2)
    np.testing.assert_allclose(found, truth, atol=1e-12)


def test_values_by_orders_come_near_to_them(rows: np.ndarray, background: np.ndarray) -> None:
    truth = exact(network, rows, background, INPUTS)
    errors = []
    for times in (1, 30):
        starts = np.repeat(background, times, axis=0)
        found, used = by_orders(network, rows, starts, INPUTS, np.random.default_rng(2))
        assert used == len(starts)
        errors.append(np.abs(found - truth).max() / np.abs(truth).max())
    assert errors[1] < 0.05 and errors[1] < errors[0]


@pytest.mark.parametrize("starts", [1, 7])
def test_the_values_of_a_row_add_up_to_its_prediction(
    rows: np.ndarray, background: np.ndarray, starts: int
) -> None:
    """However few orders there are: prediction less the mean prediction of the background."""
    few = background[:starts]
    gap = network(rows) - network(few).mean(axis=0)
    for values in (
        exact(network, rows, few, INPUTS),
        by_orders(network, rows, few, INPUTS, np.random.default_rng(3))[0],
    ):
        np.testing.assert_allclose(values.sum(axis=1), gap, atol=1e-12)


def test_a_column_that_nothing_depends_on_gets_nothing(
    rows: np.ndarray, background: np.ndarray
) -> None:
    np.testing.assert_allclose(exact(network, rows, background, INPUTS)[:, 4], 0, atol=1e-15)
    values, _ = by_orders(network, rows, background, INPUTS, np.random.default_rng(4))
    np.testing.assert_allclose(values[:, 4], 0, atol=1e-15)


def test_columns_that_play_the_same_part_get_the_same() -> None:
    row, background = np.array([[2.0, 2.0, 1.0]]), np.zeros((1, 3))
    inputs = [np.array([place]) for place in range(3)]
    values = exact(lambda matrix: matrix.prod(axis=1, keepdims=True), row, background, inputs)
    np.testing.assert_allclose(values[0, :, 0], [4 / 3] * 3)


def test_of_a_sum_each_column_gets_its_own_part(rows: np.ndarray, background: np.ndarray) -> None:
    slopes = np.array([[1.0], [-2.0], [0.5], [3.0], [0.0], [7.0]])
    moved = (rows - background.mean(axis=0)) * slopes[:, 0]
    truth = np.column_stack([moved[:, places].sum(axis=1) for places in INPUTS])
    values = exact(lambda matrix: matrix @ slopes, rows, background, INPUTS)
    np.testing.assert_allclose(values[:, :, 0], truth, atol=1e-12)


def test_a_large_matrix_is_computed_in_blocks_with_the_same_values(
    rows: np.ndarray, background: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    largest = []

    def watched(matrix: np.ndarray) -> np.ndarray:
        largest.append(matrix.size)
        return network(matrix)

    whole, _ = by_orders(watched, rows, background, INPUTS, np.random.default_rng(5))
    assert max(largest) == 8 * 6 * 6
    monkeypatch.setattr(shapley, "MOST_NUMBERS", 100)
    largest.clear()
    blocks, _ = by_orders(watched, rows, background, INPUTS, np.random.default_rng(5))
    assert max(largest) <= 100
    np.testing.assert_array_equal(blocks, whole)


def test_it_ends_at_the_deadline_but_not_before_the_first_order(
    rows: np.ndarray, background: np.ndarray
) -> None:
    rng = np.random.default_rng(6)
    values, used = by_orders(network, rows, background, INPUTS, rng, time.monotonic() - 1)
    assert used == 1
    gap = network(rows) - network(background[:1])
    np.testing.assert_allclose(values.sum(axis=1), gap, atol=1e-12)


def test_typical_rows_are_spread_over_the_predictions() -> None:
    rng = np.random.default_rng(7)
    rows = rng.lognormal(sigma=1.5, size=(1500, 1))
    places = typical_places(rows, 25)
    assert len(np.unique(places)) == 25
    assert abs(rows[places].mean() - rows.mean()) < 0.1 * rows.std()
    np.testing.assert_array_equal(typical(rows, lambda matrix: matrix, 25), rows[places])
    assert sorted(typical_places(rows[:10], 40)) == list(range(10))  # no row twice


def test_typical_rows_go_by_the_output_that_varies_most() -> None:
    predicted = np.column_stack([np.linspace(0, 1, 9), 5 * np.array([3, 1, 2, 9, 7, 8, 4, 6, 5])])
    assert predicted[typical_places(predicted, 3), 1].tolist() == [10, 25, 40]

"""Columns become numbers, and only the training part decides how."""

import numpy as np
import pandas as pd
import pytest

from capstone.core.errors import CapstoneError
from capstone.data.preprocessing import Preprocessor
from capstone.pipeline import CapstonePipeline

TABLE = pd.DataFrame(
    {
        "area": [50.0, 70.0, None, 90.0],
        "heating": ["gas", "oil", "gas", None],
        "garden": [True, False, True, True],
        "sold": ["2024-01-31", "2024-02-29", "2023-12-01", "2024-05-05"],
    }
)


def test_the_matrix_has_no_missing_value_and_a_name_for_each_column() -> None:
    preprocessor = Preprocessor().fit(TABLE)
    matrix = preprocessor.transform(TABLE)
    assert np.isfinite(matrix).all()
    assert matrix.shape == (4, len(preprocessor.inputs))
    assert {"area", "area missing", "garden", "heating = gas", "sold month"} <= set(
        preprocessor.inputs
    )
    assert set(preprocessor.origins) == {"area", "heating", "garden", "sold"}


def test_numbers_are_scaled_by_the_training_rows_mean_and_spread() -> None:
    preprocessor = Preprocessor().fit(TABLE)
    area = preprocessor.inputs.index("area")
    filled = np.array([50.0, 70.0, 70.0, 90.0])  # the median stands in for what is missing
    expected = (filled - filled.mean()) / filled.std()
    np.testing.assert_allclose(preprocessor.transform(TABLE)[:, area], expected, rtol=1e-6)


def test_values_never_seen_in_training_are_handled() -> None:
    new = pd.DataFrame(
        {"area": [None], "heating": ["solar"], "garden": [None], "sold": ["no date at all"]}
    )
    assert np.isfinite(Preprocessor().fit(TABLE).transform(new)).all()


def test_useless_columns_are_left_out_with_a_reason() -> None:
    table = TABLE.assign(constant=1, nothing=None, note=["a", "b", "c", "d"])
    assert set(Preprocessor().fit(table).left_out) == {"constant", "nothing"}


def test_nothing_left_to_learn_from_is_said() -> None:
    with pytest.raises(CapstoneError, match="No column is left"):
        Preprocessor().fit(pd.DataFrame({"constant": [1, 1, 1]}))


def test_other_test_rows_change_nothing_in_training(split_pipeline: CapstonePipeline) -> None:
    """The guard against the commonest leak: a mean or a category taken from the test part."""
    train = split_pipeline.table.loc[split_pipeline.parts["train"], split_pipeline.features]
    everything = split_pipeline.table[split_pipeline.features]
    fitted_right = Preprocessor().fit(train).transform(train)
    fitted_wrong = Preprocessor().fit(everything).transform(train)
    assert fitted_right.shape != fitted_wrong.shape or not np.array_equal(
        fitted_right, fitted_wrong
    )


def test_the_pipeline_fits_on_the_training_part_alone(finished: CapstonePipeline) -> None:
    train = finished.table.loc[finished.parts["train"], finished.features]
    own = Preprocessor(
        finished.settings.preprocessing.max_categories, finished.settings.data.date_format
    ).fit(train)
    np.testing.assert_array_equal(own.transform(train), finished.matrices["train"])

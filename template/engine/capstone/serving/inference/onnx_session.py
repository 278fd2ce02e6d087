"""model.onnx computed by onnxruntime: on one thread for a few rows, on every core for many."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import numpy as np

from capstone.core.errors import CapstoneError
from capstone.serving.inference.arrays import Arrays

BLOCK_ROWS = 1_000  # rows that are computed together: many more do not fit the processor's cache


class OnnxSession:
    """A model.onnx that is ready to predict.

    Parameters
    ----------
    model : bytes
        The content of model.onnx.

    Raises
    ------
    CapstoneError
        If it is no graph.
    """

    def __init__(self, model: bytes) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        providers = ["CPUExecutionProvider"]
        try:
            self.session = onnxruntime.InferenceSession(model, options, providers)
        except Exception as error:  # onnxruntime has many, and no base of its own
            raise CapstoneError(f"model.onnx can't be loaded ({type(error).__name__}).") from None

    def predict(self, inputs: Arrays) -> np.ndarray:
        """Predict all rows.

        Parameters
        ----------
        inputs : dict of str to ndarray
            One array per column, as arrays.arrays_for_graph() returns them.

        Returns
        -------
        ndarray of float64
            Numbers in the target's unit, shape (rows,), or probabilities, shape (rows, classes).

        Raises
        ------
        CapstoneError
            If a number is so large that the prediction is not finite.
        """
        return np.concatenate(list(self.predict_blocks(inputs)))

    def predict_blocks(self, inputs: Arrays) -> Iterator[np.ndarray]:
        """Yield predictions block by block: later blocks are computed while the first ones are in use."""
        rows = len(next(iter(inputs.values())))
        if rows <= BLOCK_ROWS:
            predictions = iter([self._run(inputs)])
        else:
            blocks = [
                {name: column[start : start + BLOCK_ROWS] for name, column in inputs.items()}
                for start in range(0, rows, BLOCK_ROWS)
            ]
            predictions = self._threads.map(self._run, blocks)
        for prediction in predictions:
            if not np.isfinite(prediction).all():
                raise CapstoneError(_too_large(inputs))
            yield prediction

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="onnx")

    def _run(self, inputs: Arrays) -> np.ndarray:
        result: Any = self.session.run(None, inputs)[0]
        return np.asarray(result)


def _too_large(inputs: Arrays) -> str:
    """The message that names the column with the largest number."""
    largest = {
        name: float(np.nan_to_num(np.abs(column), nan=0.0, posinf=np.inf).max())
        for name, column in inputs.items()
        if column.dtype.kind == "f"
    }
    name = max(largest, key=largest.__getitem__)
    return f'Column "{name}" holds a number too large for the model, {largest[name]:g}.'

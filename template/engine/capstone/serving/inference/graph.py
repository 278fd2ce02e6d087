"""model.onnx as onnxruntime computes it, on one thread for a row and on all for many."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import numpy as np

from capstone.core.errors import CapstoneError
from capstone.serving.inference.arrays import Arrays

FORMAT = 1  # of serving.json
AT_ONCE = 1_000  # rows that are computed at once: many more do not fit the processor's cache


class Graph:
    """From columns, see arrays.for_graph, to the prediction.

    model  the bytes of model.onnx
    """

    def __init__(self, model: bytes) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        providers = ["CPUExecutionProvider"]
        self.session = onnxruntime.InferenceSession(model, options, providers)

    def predict(self, columns: Arrays) -> np.ndarray:
        """Numbers in the target's unit, shape (rows,), or probabilities of shape (rows, classes)."""
        return np.concatenate(list(self.in_blocks(columns)))

    def in_blocks(self, columns: Arrays) -> Iterator[np.ndarray]:
        """The prediction, some rows at a time: the later ones are computed while the first ones are used."""
        rows = len(next(iter(columns.values())))
        if rows <= AT_ONCE:
            predictions = iter([self._block(columns)])
        else:
            blocks = [
                {name: column[start : start + AT_ONCE] for name, column in columns.items()}
                for start in range(0, rows, AT_ONCE)
            ]
            predictions = self._threads.map(self._block, blocks)
        for prediction in predictions:
            if not np.isfinite(prediction).all():
                raise CapstoneError(_too_large(columns))
            yield prediction

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="graph")

    def _block(self, columns: Arrays) -> np.ndarray:
        result: Any = self.session.run(None, columns)[0]
        return np.asarray(result)


def _too_large(columns: Arrays) -> str:
    """Which column holds the number that the model can't compute with."""
    largest = {
        name: float(np.nan_to_num(np.abs(column), nan=0.0, posinf=np.inf).max())
        for name, column in columns.items()
        if column.dtype.kind == "f"
    }
    name = max(largest, key=largest.__getitem__)
    return f'Column "{name}" holds a number too large for the model, {largest[name]:g}.'

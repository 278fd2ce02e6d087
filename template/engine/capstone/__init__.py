"""The capstone engine. What your own files and notebooks need comes from here:

    from capstone import load_settings, read_table

The other names change from release to release; these do not. Nothing heavy is imported before a name is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

# At once: a service needs these of all names.
from capstone.columns import Table, tidy_text, to_date, to_number, unify_text

if TYPE_CHECKING:  # for editors and type checkers
    from capstone.core.errors import CapstoneError
    from capstone.core.project import find_root
    from capstone.core.settings_file import load_settings
    from capstone.data.reading import fingerprint, read_table
    from capstone.data.user_steps import apply_step
    from capstone.evaluation.evaluate import evaluate_model
    from capstone.pipeline import CapstonePipeline
    from capstone.reporting.data_page import look_at
    from capstone.runs.folder import list_runs, read_run
    from capstone.training.model import TrainedModel
    from capstone.training.seed import set_seed

__all__ = [
    "CapstoneError",
    "CapstonePipeline",
    "Table",
    "TrainedModel",
    "apply_step",
    "evaluate_model",
    "find_root",
    "fingerprint",
    "list_runs",
    "load_settings",
    "look_at",
    "read_run",
    "read_table",
    "set_seed",
    "tidy_text",
    "to_date",
    "to_number",
    "unify_text",
]

# Where each name is, the same as above.
_MODULES = {
    "CapstoneError": "core.errors",
    "CapstonePipeline": "pipeline",
    "TrainedModel": "training.model",
    "apply_step": "data.user_steps",
    "evaluate_model": "evaluation.evaluate",
    "find_root": "core.project",
    "fingerprint": "data.reading",
    "list_runs": "runs.folder",
    "load_settings": "core.settings_file",
    "look_at": "reporting.data_page",
    "read_run": "runs.folder",
    "read_table": "data.reading",
    "set_seed": "training.seed",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__

"""What a run depended on: seed, data, code, versions, device. run.json and settings.toml."""

from __future__ import annotations

import hashlib
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import tomli_w
import torch

from capstone.core.git import git_state
from capstone.core.project import package_name
from capstone.core.settings import Settings, flatten
from capstone.training.devices import describe_device
from capstone.training.history import History

PACKAGES = (
    "torch",
    "numpy",
    "pandas",
    "scikit-learn",
    "pyarrow",
    "safetensors",
    "onnxruntime",
    "skops",
    "pydantic",
)


def describe_run(
    root: Path, settings: Settings, sha256: str, device: torch.device, history: History
) -> dict[str, Any]:
    """The contents of run.json, as far as the pipeline's steps don't know them themselves."""
    return {
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": settings.seed,
        "data": {"path": settings.data.path, "sha256": sha256},
        "epochs": len(history.epochs),
        "best_epoch": history.best_epoch,
        "ended": history.ended,
        "batch_size": history.batch_size,
        "git": git_state(root),
        "code": code_files(root),
        "versions": installed_versions(),
        **describe_device(device),
        "threads": history.threads,
    }


def what_was_sampled(info: dict[str, Any]) -> str:
    """Which rows a run on a table too large for memory used for what; "" for any other run."""
    if not info.get("streamed"):
        return ""
    rows, sampled = info["rows"], info["sampled"]
    return (
        f"The table was read in blocks: the network learnt from all {rows['train']:,} training rows, the simpler "
        f"models from {sampled['train']:,} of them, drawn at random; the scores are of {sampled['test']:,} of the "
        f"{info['all_test_rows']:,} test rows, drawn at random."
    )


def training_identity(root: Path, settings: Settings, sha256: str) -> dict[str, Any]:
    """What the weights depend on, by name: settings, data, and the student's own code."""
    sections = {"seed", "data", "split", "preprocessing", "network", "training"}
    values = settings.model_dump(mode="json", include=sections)
    for key in ("device", "checkpoint_seconds"):
        del values["training"][key]
    package = root / "src" / package_name(root)
    code = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(package.glob("*.py"))))
    names = {"the table's bytes": sha256, "your package's code": code.hexdigest()}
    return {**flatten(values), **names}


def code_files(root: Path) -> dict[str, str]:
    """The SHA-256 of each file of the student's package, by its name."""
    package = root / "src" / package_name(root)
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(package.glob("*.py"))
    }


def installed_versions() -> dict[str, str]:
    """Versions of Python, the system and the libraries that the numbers come from."""
    versions = {"python": platform.python_version(), "system": platform.platform()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def resolved_toml(settings: Settings) -> str:
    """All settings of a run, defaults and --set included, as TOML that capstone.toml could hold."""
    return tomli_w.dumps(settings.model_dump())

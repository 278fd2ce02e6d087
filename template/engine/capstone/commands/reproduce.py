"""`capstone reproduce`: the same run once more, compared byte for byte with the one on disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capstone.commands.options import NEWEST, RunArgument
from capstone.core.errors import CapstoneError
from capstone.core.git import git_state
from capstone.core.text import say

if TYPE_CHECKING:  # heavy libraries are imported where they are used
    from capstone.core.sealed_files import SealedFiles
    from capstone.runs.folder import Run

COMPARED = ("model.json", "metrics.json", "predictions.csv", "schema.json", "shap.csv")


@dataclass(frozen=True)
class Reproduction:
    """Whether a run was repeated bit by bit, and what differs."""

    identical: bool
    changed: list[str]  # what the run depended on and is otherwise now
    differences: list[str]  # what came out otherwise, and by how much


def reproduce(run_id: RunArgument = NEWEST) -> None:
    """Repeat a run: does every bit come out the same?"""
    from capstone.core.project import find_root
    from capstone.runs.folder import read_run

    root = find_root()
    run = read_run(root / "runs", run_id)
    result = run_again(root, run)
    for change in result.changed:
        say(f"Note: {change}.")
    if not result.identical:
        raise CapstoneError(f"{run.id} was not reproduced: {'; '.join(result.differences)}.")
    say(f"{run.id} is identical: the same weights, metrics and predictions, bit by bit.")
    say("Next: `capstone check` says what else is open.")


def run_again(root: Path, run: Run, say: Callable[[str], Any] = say) -> Reproduction:
    """Run again with the settings of `run`, in a temporary folder; write the verdict beside the run."""
    from capstone.core.files import check_writable, temporary_folder, write_json
    from capstone.pipeline import RunOptions
    from capstone.runs.folder import VERDICT, read_settings
    from capstone.streaming.pipeline import open_pipeline
    from capstone.training.devices import describe_device

    check_writable(run.folder / VERDICT)
    settings = read_settings(run)
    streamed = run.info.get("streamed", False)
    options = RunOptions(run.info["quick"], keep_checkpoints=False, streamed=streamed)
    pipeline = open_pipeline(settings, root, options, say)
    pipeline.load().clean().engineer().split().train().evaluate()
    here = describe_device(pipeline.device) | {"threads": pipeline.history.threads}
    changed = changes_since(root, run, here)
    with temporary_folder() as folder:
        pipeline.write_to(folder)
        differences = compare_files(run.files, folder)
    result = Reproduction(not differences, changed, differences)
    verdict = {
        "run": run.files.sha256,  # an edited run, or another one, gets nothing from it
        "verdict": "identical" if result.identical else "different",
        "checked": datetime.now(UTC).isoformat(timespec="seconds"),
        "changed": changed,
        "differences": differences,
    }
    write_json(run.folder / VERDICT, verdict)
    return result


def changes_since(root: Path, run: Run, here: dict[str, Any]) -> list[str]:
    """What the run depended on that is otherwise now: data, code, versions, and what is `here`: device,
    threads and processes."""
    from capstone.data.reading import fingerprint
    from capstone.runs.provenance import installed_versions

    changed = []
    path = root / run.info["data"]["path"]
    if path.exists() and fingerprint(path) != run.info["data"]["sha256"]:
        changed.append(f"the data in {path} are not those of the run")
    now, then = git_state(root), run.info["git"]
    if now["commit"] != then["commit"]:
        changed.append(f"the project is at commit {_commit(now)}, the run was at {_commit(then)}")
    if now["dirty"] or then["dirty"]:
        changed.append("files were changed since the commit, then or now")
    versions = installed_versions()
    for name, version in run.info["versions"].items():
        if versions.get(name) != version:
            changed.append(f"{name} is {versions.get(name)}, was {version}")
    for name, now_here in here.items():
        if run.info.get(name, now_here) != now_here:
            changed.append(
                f"{name}: {now_here} here, {run.info[name]} then, so the last digits may differ"
            )
    return changed


def compare_files(old: SealedFiles, new: Path) -> list[str]:
    """What differs between a run and the one made again, and by how much; nothing when all bytes are the same."""
    from capstone.training.model import WEIGHTS

    details = {WEIGHTS: _weights_apart, "metrics.json": _metrics_apart}
    differences = []
    for name in (WEIGHTS, *COMPARED):
        if name == "shap.csv" and not (new / name).exists() and name not in old.hashes:
            continue  # nothing was explained
        before, now = old.read(name), (new / name).read_bytes()
        if before != now:
            detail = details[name](before, now) if name in details else ""
            differences.append(f"{name} differs{detail}")
    return differences


def _weights_apart(old: bytes, new: bytes) -> str:
    from safetensors.numpy import load

    first, second = load(old), load(new)
    shapes = [{name: weights.shape for name, weights in each.items()} for each in (first, second)]
    if shapes[0] != shapes[1]:
        return ": the network has another shape"
    apart = max(float(abs(first[name] - second[name]).max()) for name in first)
    return f" by at most {apart:.2g} in a weight"


def _metrics_apart(old: bytes, new: bytes) -> str:
    import json

    first, second = (json.loads(content)["model"] for content in (old, new))
    apart = [
        f"{name} {first[name]['value']:.6g} was, {second[name]['value']:.6g} is"
        for name in first
        if name in second and first[name]["value"] != second[name]["value"]
    ]
    return f": {', '.join(apart)}" if apart else ""


def _commit(state: dict[str, Any]) -> str:
    return (state["commit"] or "none")[:8]

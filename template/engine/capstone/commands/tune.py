"""`capstone tune`: a search for better settings with Optuna, on the validation part alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from capstone.commands.options import SetOption
from capstone.core.errors import CapstoneError, TrainingDiverged
from capstone.core.files import database, told
from capstone.core.text import count, number, say, say_each

if TYPE_CHECKING:  # heavy libraries are imported where they are used
    import optuna
    from optuna.trial import FrozenTrial, Trial

    from capstone.core.settings import Settings
    from capstone.training.history import Epoch

STORE = "tuning.db"
# The few knobs that matter most for a small network, and what is tried for each.
HIDDEN = ["32", "64-32", "128-64", "256-128", "64-64-64"]
DROPOUT = (0.0, 0.5)
LEARNING_RATE = (1e-4, 3e-2)
WEIGHT_DECAY = (1e-4, 0.3)
PLACES = {
    "hidden": "network",
    "dropout": "network",
    "learning_rate": "training",
    "weight_decay": "training",
}


def tune(
    trials: Annotated[
        int, typer.Option("--trials", min=1, help="How many settings to try in all.")
    ] = 30,
    set_: SetOption = None,
) -> None:
    """Search for better settings on the validation part."""
    from capstone.core.project import find_root
    from capstone.core.settings_file import load_settings

    root = find_root()
    say_each(search(root, load_settings(root, set_ or ()), trials, say))


def search(root: Path, settings: Settings, trials: int, say: Callable[[str], Any]) -> list[str]:
    """Try settings until there are `trials` in all, those of an earlier search included.

    Returns the conclusion, line by line. Ctrl-C ends the search early; what was tried is kept.
    """
    import optuna

    from capstone.pipeline import RunOptions
    from capstone.streaming.pipeline import open_pipeline
    from capstone.training.loop import EachEpoch

    options = RunOptions(keep_checkpoints=False)
    pipeline = open_pipeline(settings, root, options, say=lambda line: None)
    pipeline.load().clean().engineer().split().prepare()  # a slip in network.py is told at once
    study = _study(root, settings, pipeline.sha256)
    if not study.trials:
        study.enqueue_trial(_knobs(settings))  # the settings as they are, to compare with
    done = len(_ended(study))
    if done:
        say(f"This search goes on from {count(done, 'earlier trial')}.")

    def objective(trial: Trial) -> float:
        pipeline.settings = with_knobs(settings, suggest(trial, settings))
        pipeline.callbacks = [EachEpoch(lambda epoch: _give_up_if_hopeless(trial, epoch))]
        try:
            pipeline.train()
        except TrainingDiverged:  # a rate so high that the loss is no longer a number
            raise optuna.TrialPruned from None
        return pipeline.history.best_loss

    def report(study: optuna.Study, trial: FrozenTrial) -> None:
        score = "given up" if trial.value is None else f"validation loss {trial.value:.4f}"
        knobs = ", ".join(f"{name} {_knob_text(value)}" for name, value in trial.params.items())
        say(f"trial {trial.number + 1:>3}: {score:<23} {knobs}")

    try:
        with told(root / "runs" / STORE, "then the same command goes on from here"):
            study.optimize(objective, n_trials=max(0, trials - done), callbacks=[report])
    except KeyboardInterrupt:
        say("Stopped; the same command goes on from here.")
    return _conclusion(study, settings)


def suggest(trial: Trial, settings: Settings) -> dict[str, Any]:
    """A value for each knob, chosen by Optuna."""
    return {
        "hidden": trial.suggest_categorical("hidden", _hidden_choices(settings)),
        "dropout": trial.suggest_float("dropout", *DROPOUT),
        "learning_rate": trial.suggest_float("learning_rate", *LEARNING_RATE, log=True),
        "weight_decay": trial.suggest_float("weight_decay", *WEIGHT_DECAY, log=True),
    }


def with_knobs(settings: Settings, knobs: dict[str, Any]) -> Settings:
    """The settings with these knobs turned."""
    from capstone.core.settings import Settings

    values = settings.model_dump()
    for section, changes in patch(knobs).items():
        values[section] |= changes
    return Settings.model_validate(values)


def patch(knobs: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The knobs as sections of capstone.toml, rounded to what matters."""
    sections: dict[str, dict[str, Any]] = {}
    for name, value in knobs.items():
        plain = (
            [int(size) for size in value.split("-")] if name == "hidden" else float(f"{value:.3g}")
        )
        sections.setdefault(PLACES[name], {})[name] = plain
    return sections


def _study(root: Path, settings: Settings, sha256: str) -> optuna.Study:
    """The search for these data and settings, new or as it was left, kept in runs/tuning.db."""
    import hashlib
    import json

    import optuna

    from capstone.runs.provenance import training_identity

    identity = training_identity(root, settings, sha256)
    identity = {key: value for key, value in identity.items() if key.split(".")[-1] not in PLACES}
    identity["choices"] = _hidden_choices(settings)
    name = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
    store = root / "runs" / STORE
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = f"sqlite:///{store.resolve().as_posix()}"
    try:
        with database(store):
            study = optuna.create_study(study_name=name, storage=storage, load_if_exists=True)
    except CapstoneError:
        raise
    except Exception as error:  # a damaged or locked file: SQLAlchemy has an error for each
        raise CapstoneError(
            f"{store} can't be used ({type(error).__name__}): move it away, and search again."
        ) from None
    study.sampler = optuna.samplers.TPESampler(seed=settings.seed + len(study.trials))
    study.pruner = optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=10)
    return study


def _give_up_if_hopeless(trial: Trial, epoch: Epoch) -> None:
    import optuna

    trial.report(epoch.validation_loss, epoch.epoch)
    if trial.should_prune():
        raise optuna.TrialPruned


def _conclusion(study: optuna.Study, settings: Settings) -> list[str]:
    finished = [trial for trial in _ended(study) if trial.value is not None]
    if not finished:
        return ["No trial was finished, so there is nothing to advise."]
    best, first = min(finished, key=lambda trial: trial.values[0]), finished[0]
    trials = count(len(_ended(study)), "trial")
    lines = [f"Best of {trials}: validation loss {best.value:.4f}."]
    if first.params == _knobs(settings):
        lines[0] = f"{lines[0][:-1]}; {first.value:.4f} with your settings."
        if first is best:
            return [
                *lines,
                "No trial was better than your settings: keep them. Next: `capstone run`.",
            ]
    lines += ["Next: `capstone run`, after you have put these settings into capstone.toml:"]
    for section, values in patch(best.params).items():
        lines += ["", f"[{section}]", *(f"{key} = {value}" for key, value in values.items())]
    return lines


def _ended(study: optuna.Study) -> list[FrozenTrial]:
    from optuna.trial import TrialState

    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def _knobs(settings: Settings) -> dict[str, Any]:
    """The knobs as they are set now, moved into the range that is searched."""
    network, training = settings.network, settings.training
    return {
        "hidden": "-".join(map(str, network.hidden)),
        "dropout": min(network.dropout, DROPOUT[1]),
        "learning_rate": min(max(training.learning_rate, LEARNING_RATE[0]), LEARNING_RATE[1]),
        "weight_decay": min(max(training.weight_decay, WEIGHT_DECAY[0]), WEIGHT_DECAY[1]),
    }


def _hidden_choices(settings: Settings) -> list[str]:
    own = "-".join(map(str, settings.network.hidden))
    return HIDDEN if own in HIDDEN else [*HIDDEN, own]


def _knob_text(value: Any) -> str:
    return value if isinstance(value, str) else number(value, ".3g")

"""The order of the steps, and what they have in common."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from capstone.core.errors import CapstoneError, is_out_of_memory, too_little_memory
from capstone.core.student_code import student_code

STEPS = ("load", "clean", "engineer", "split", "train", "evaluate", "save")


class HasSteps(Protocol):
    """What a pipeline needs: the seconds that its finished steps took, and how to say something.

    `show` is told what is under way, for a terminal; `say` gets the lines that stay.
    """

    seconds: dict[str, float]
    say: Callable[[str], object]
    show: Callable[[str], object]


Pipeline = TypeVar("Pipeline", bound=HasSteps)


def step(work: Callable[[Pipeline], str]) -> Callable[[Pipeline], Pipeline]:
    """Make a method a step: it runs in its turn, says what it did in one line, and returns self."""
    name = work.__name__

    @functools.wraps(work)
    def run_step(self: Pipeline) -> Pipeline:
        missing = [earlier for earlier in STEPS[: STEPS.index(name)] if earlier not in self.seconds]
        if missing:
            raise CapstoneError(
                f"{name}() needs {missing[0]}() first; the order is {', '.join(STEPS)}."
            )
        self.show(name)
        start = time.perf_counter()
        try:
            with student_code():  # network.py is called from within training, evaluation and export
                result = work(self)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            reason = str(error).splitlines()[:1] or [type(error).__name__]
            raise too_little_memory(
                f"{name}() ({reason[0][:200]})",
                "make [training] batch_size, [network] hidden or members, or max_categories smaller, "
                "or take fewer rows",
            ) from None
        self.seconds[name] = time.perf_counter() - start
        self.say(f"{name:<9} {result} ({self.seconds[name]:.1f} s)")
        return self

    return run_step

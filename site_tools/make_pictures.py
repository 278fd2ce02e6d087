"""Makes the pictures of the site and of the READMEs from the real thing: `nox -s pictures`, some minutes.

`nox -s pictures -- class` makes those of one stage alone; the stages are houses, gym and class.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page

from site_tools import gym, stage
from site_tools.camera import chromium, draw_terminal, scroll_to, take
from site_tools.pictures import FOLDER, fingerprint, record

REPORT = 1120  # as high as its first four charts


def main(chosen: list[str]) -> None:
    """The pictures of the chosen stages, or all of them, and what they were made from."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in chosen or STAGES:
        picture, scenes = STAGES[name]
        made_from = {
            scene: fingerprint(scene) for scene in scenes
        }  # as it is before, should it change meanwhile
        with tempfile.TemporaryDirectory() as folder, chromium() as browser:
            picture(browser, Path(folder))
        record(made_from)


def picture_houses(browser: Browser, folder: Path) -> None:
    """What the tutorial's first project shows."""
    project = stage.houses(folder / "my-capstone")
    draw(project, "data")
    take(browser, page(project, "data.html"), FOLDER / "data", scroll_to("h2:has-text('columns')"))
    draw(project, "run")
    run = project.newest()
    report = (run / "report.html").as_uri()
    take(browser, report, FOLDER / "report", phone=True, height=REPORT)
    project.run("explain", "--row", "H0001")
    take(browser, (run / "explain_H0001.html").as_uri(), FOLDER / "explanation")
    with project.serve() as address:
        take(browser, address, FOLDER / "service", predict, phone=True)
    project.run("card")
    draw(project, "check")
    project.run("run", "--set", "network.activation=relu", "--name", "relu")
    project.run("compare")
    take(browser, page(project, "compare.html"), FOLDER / "compare")


def picture_gym(browser: Browser, folder: Path) -> None:
    """From a messy table to a report, by two commands."""
    project = stage.houses(folder / "my-capstone")
    shutil.copy2(gym.FILE, folder)
    draw(project, "use", "../gym.csv", "--yes", until="--- capstone.toml")
    project.run("run")
    take(browser, (project.newest() / "report.html").as_uri(), FOLDER / "gym", height=REPORT)


def picture_class(browser: Browser, folder: Path) -> None:
    """The instructor's page."""
    take(browser, stage.a_class(folder).as_uri(), FOLDER / "class", phone=True)


STAGES = {
    "houses": (
        picture_houses,
        [
            *("data", "report", "explanation", "service", "compare"),
            *("terminal-data", "terminal-run", "terminal-check"),
        ],
    ),
    "gym": (picture_gym, ["gym", "terminal-use"]),
    "class": (picture_class, ["class"]),
}


def draw(project: stage.Project, *words: str, until: str | None = None) -> None:
    """A command and what it prints, all of it or the beginning."""
    printed = project.run(*words, fails=words[0] == "check")
    shown = printed.partition(until)[0] if until else printed
    more = "" if shown.rstrip() == printed.rstrip() else "\n…"
    target = FOLDER / f"terminal-{words[0]}"
    draw_terminal(f"capstone {' '.join(words)}", shown.rstrip() + more, target, stage.COLUMNS)


def page(project: stage.Project, name: str) -> str:
    """The address of a page among the runs."""
    return (project.folder / "runs" / name).as_uri()


def predict(shown: Page) -> None:
    """Ask the service's page for its answer, and wait for the reasons, which come last."""
    with shown.expect_response("**/v1/explain"):
        shown.get_by_role("button", name="Predict", exact=True).click()
    shown.get_by_role("heading", name="Answer").scroll_into_view_if_needed()


if __name__ == "__main__":
    main(sys.argv[1:])

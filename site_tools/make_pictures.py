"""Makes the pictures of the site and of the READMEs from the real thing: `nox -s pictures`, some minutes."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page

from site_tools import gym, pictures, stage
from site_tools.camera import chromium, draw_terminal, scroll_to, take
from site_tools.pictures import FOLDER


def main() -> None:
    """All pictures anew, and what they were made from."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        at = Path(folder)
        picture_houses(browser, stage.houses(at / "my-capstone"))
        picture_own_table(browser, stage.houses(at / "gym-members"), at / "gym.csv")
        (at / "class").mkdir()
        take(browser, stage.a_class(at / "class").as_uri(), FOLDER / "class")
    pictures.record()


def picture_houses(browser: Browser, project: stage.Project) -> None:
    """What the tutorial's first project shows."""
    draw(project, "data", lines=24)
    take(browser, page(project, "data.html"), FOLDER / "data", scroll_to("h2:has-text('columns')"))
    project.run("run", "--quick")
    draw(project, "run")
    run = project.newest()
    take(browser, (run / "report.html").as_uri(), FOLDER / "report")
    draw(project, "explain", "--row", "H0001")
    take(browser, (run / "explain_H0001.html").as_uri(), FOLDER / "explanation")
    with project.serve() as address:
        take(browser, address, FOLDER / "service", predict)
    project.run("card")
    draw(project, "check")
    project.run("run", "--set", "network.activation=relu")
    project.run("compare")
    take(browser, page(project, "compare.html"), FOLDER / "compare")


def picture_own_table(browser: Browser, project: stage.Project, table: Path) -> None:
    """From a messy table to a report, by two commands."""
    shutil.copy(gym.FILE, table)
    draw(project, "use", "../gym.csv", "--yes", until="--- capstone.toml")
    project.run("run")
    take(browser, (project.newest() / "report.html").as_uri(), FOLDER / "gym")


def draw(
    project: stage.Project, *words: str, lines: int | None = None, until: str | None = None
) -> None:
    """A command and what it prints, all of it or the beginning."""
    printed = project.run(*words, fails=words[0] == "check")
    shown = printed.partition(until)[0] if until else "\n".join(printed.splitlines()[:lines])
    more = "" if shown.rstrip() == printed.rstrip() else "\n…"
    target = FOLDER / f"terminal-{words[0]}"
    draw_terminal(f"capstone {' '.join(words)}", shown.rstrip() + more, target, stage.COLUMNS)


def page(project: stage.Project, name: str) -> str:
    """The address of a page among the runs."""
    return (project.folder / "runs" / name).as_uri()


def predict(shown: Page) -> None:
    """Ask the service's page for its answer."""
    shown.get_by_role("button", name="Predict", exact=True).click()
    shown.wait_for_load_state("networkidle")


if __name__ == "__main__":
    main()

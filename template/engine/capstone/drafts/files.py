"""Which files a draft changes, and whether a student's own work is among them."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from capstone.core.errors import CapstoneError
from capstone.core.files import write_text
from capstone.core.git import git
from capstone.core.project import package_name
from capstone.core.settings_file import FILE_NAME
from capstone.core.toml import read_toml
from capstone.drafts.choices import Choices, Looked
from capstone.drafts.draft import (
    draft_datasheet,
    draft_decisions,
    draft_features,
    draft_settings,
)
from capstone.reporting.card.datasheet import DATASHEET

SECONDS = 10.0  # in which Copier writes a project


@dataclass(frozen=True)
class Draft:
    """A new text for one file.

    Parameters
    ----------
    path : Path
        The file, seen from the project's folder.
    old, new : str
        Its text now, and after.
    yours : bool
        Whether someone has worked on it since the project was made.
    """

    path: Path
    old: str
    new: str
    yours: bool

    def diff(self) -> str:
        """What changes, as `git diff` shows it; "" where nothing does."""
        name = self.path.as_posix()
        lines = difflib.unified_diff(
            self.old.splitlines(),
            self.new.splitlines(),
            f"{name} (now)",
            f"{name} (draft)",
            "",
            "",
            2,
            "",
        )
        return "\n".join(lines)


def make_drafts(root: Path, looked: Looked, choices: Choices, personal: bool) -> list[Draft]:
    """The four files that a table needs, of those that a draft changes.

    Parameters
    ----------
    root : Path
        The project's folder.
    looked : Looked
        The table, and what is to be mended in it.
    choices : Choices
        What its columns are for.
    personal : bool
        Whether the table is about people.
    """
    package = Path("src", package_name(root))
    settings = Path(FILE_NAME)
    new = {
        settings: draft_settings(read_toml(root / settings, "put it back")[1], choices),
        package / "features.py": draft_features(looked, choices),
        package / "decisions.py": draft_decisions(choices),
        DATASHEET: draft_datasheet(looked, choices, personal),
    }
    drafts = [
        Draft(path, _read(root / path), text, is_changed(root, path)) for path, text in new.items()
    ]
    return [draft for draft in drafts if draft.old != draft.new]


def is_changed(root: Path, path: Path) -> bool:
    """Whether a file was worked on: it differs from the last commit, or has been committed more than once."""
    if not (root / path).exists():
        return False
    if git(root, "ls-files", "--error-unmatch", "--", path.as_posix()) is None:
        # Not in git yet: as old as the project itself, or someone has saved it since.
        made = root / ".copier-answers.yml"
        return not made.exists() or _saved(root / path) - _saved(made) > SECONDS
    commits = git(root, "rev-list", "--count", "HEAD", "--", path.as_posix())
    return bool(git(root, "status", "--porcelain", "--", path.as_posix())) or commits not in (
        "0",
        "1",
    )


def _saved(path: Path) -> float:
    return path.stat().st_mtime


def write_drafts(root: Path, drafts: list[Draft]) -> None:
    """Write them, each whole or not at all."""
    for draft in drafts:
        write_text(root / draft.path, draft.new)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise CapstoneError(
            f"{path} can't be read ({type(error).__name__}): mend it first."
        ) from None

"""docs/data_ethics.md: which of the 21 questions are answered, and whether the evidence exists."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from capstone.core.errors import CapstoneError, short_list
from capstone.reporting.card.markdown_blocks import FENCED, read_document

CHECKLIST = Path("docs", "data_ethics.md")
# Five groups, as in deon: collection, storage, analysis, modelling, deployment.
GROUPS = {"A": 4, "B": 3, "C": 5, "D": 5, "E": 4}
ITEMS = [f"{group}.{number}" for group, size in GROUPS.items() for number in range(1, size + 1)]
HEADING = re.compile(r"^#{2,4}[ \t]+(?:\*\*)?([A-E]\.\d)\b.*$", re.MULTILINE)
NOT_APPLICABLE = re.compile(
    r"^[ \t>*+-]*(?:\[[ xX]\][ \t]*)?\**N/A\**:\**[ \t]*(.*)$", re.MULTILINE
)
TICKED = re.compile(r"^[ \t]*[*+-][ \t]+\[[xX]\]", re.MULTILINE)
LINK = re.compile(
    r"\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)|<(https?://[^>\s]+)>|(https?://[^\s<>)\]`]+)"
)
FEWEST_WORDS = 3  # of a reason


def open_items(root: Path) -> list[str]:
    """What is still open, one phrase for each of the 21 questions that is; nothing when all are answered.

    Raises CapstoneError when the checklist or one of its questions is not there.
    """
    answers = _answers(read_document(root / CHECKLIST), root / CHECKLIST)
    return [f"{item} {wrong}" for item in ITEMS if (wrong := _what_is_open(answers[item], root))]


def _answers(text: str, path: Path) -> dict[str, str]:
    """What is written below each question's heading."""
    headings = list(HEADING.finditer(text))
    names = [heading[1] for heading in headings]
    for item in ITEMS:
        if names.count(item) != 1:
            there = "is missing" if item not in names else "is there twice"
            raise CapstoneError(
                f'{path}: question {item} {there}: it needs one heading "### {item} ..." with its answer '
                f"(`git log -p -- {path.as_posix()}` shows how it was)."
            )
    ends = [heading.start() for heading in headings[1:]] + [len(text)]
    return {
        heading[1]: re.split(
            r"^##?[ \t]", text[heading.end() : end], maxsplit=1, flags=re.MULTILINE
        )[0]
        for heading, end in zip(headings, ends, strict=True)
    }


def _what_is_open(answer: str, root: Path) -> str:
    """A few words on what this answer lacks; "" when it is complete."""
    if reason := NOT_APPLICABLE.search(answer):
        return "" if len(reason[1].split()) >= FEWEST_WORDS else "says N/A: without a reason"
    if not TICKED.search(answer):
        return "is not answered"
    targets = [next(filter(None, groups)) for groups in LINK.findall(answer)]
    if not targets:
        return "is ticked without a link to its evidence"
    missing = [target for target in targets if not _exists(target, root)]
    return f"names {short_list(missing)}, which does not exist" if missing else ""


def _exists(target: str, root: Path) -> bool:
    """Whether a link leads somewhere: a file of the project (and a heading in it), or a web address.

    Web addresses are not opened: a check must give the same answer without the network.
    """
    try:
        parts = urlsplit(target)
        if parts.scheme:
            return parts.scheme in ("http", "https") and "." in (parts.hostname or "")
        # A link is read from the checklist's folder, as Markdown does, or from the project's.
        for start in (root / CHECKLIST.parent, root):
            path = start / unquote(parts.path) if parts.path else root / CHECKLIST
            if path.resolve().is_relative_to(root.resolve()) and path.exists():
                return not parts.fragment or _has_heading(path, parts.fragment)
    except (ValueError, OSError):  # no address, or a name that no system can hold
        pass
    return False


def _has_heading(path: Path, fragment: str) -> bool:
    """Whether a Markdown file has the heading that #fragment names, spelled as GitHub and GitLab do."""
    if path.suffix != ".md":
        return path.is_file()
    text = FENCED.sub("", read_document(path))
    slugs = {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
        for heading in re.findall(r"^#{1,6}[ \t]+(.*?)[ \t#]*$", text, re.MULTILINE)
    }
    return unquote(fragment).lower() in slugs

"""The claim that every command is held to: exit code 0 or 2, one sentence that names the thing, nothing lost."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from tests.support.helpers import call

# A command that ends well may write a whole new run, and what is made anew from files that stay.
MAY_WRITE = re.compile(
    r"runs/\d{8}T\d{6}Z-[0-9a-f]{8}(-\d+)?(/|$)|reports?/|dist/|(.*/)?[^/]*predictions\.csv$|\.capstone/|"
    r"runs/(LATEST|seeds\.csv|plotly\.min\.js|\w+\.html|tuning\.db)$|(docs/model_card|data/README)\.md$"
)
NEVER = re.compile(
    r"Traceback \(most recent call last\)|\bNoneType\b|\b(Timestamp|Timedelta|Decimal|datetime\.\w+)\(|"
    r"\bnp\.(u?int|float|complex|bool|str|bytes|datetime|timedelta)\w*\("  # np.where() may stand in advice
)
# What Python says of an error in a student's file is quoted as it is.
QUOTED = re.compile(r": \w+: .{1,300} \((in .{1,200}; )?--traceback shows the whole story\)")
LONGEST = 1_000


@dataclass(frozen=True)
class Outcome:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


def command(project: Path, *arguments: str) -> Outcome:
    """Run a command in this process. An error that nobody foresaw ends it with code 1, which breaks the claim."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="replace", write_through=True)
    err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="replace", write_through=True)
    with redirect_stdout(out), redirect_stderr(err):
        code = call(project, *arguments)
    said = [stream.buffer.getvalue().decode("utf-8", "replace") for stream in (out, err)]
    return Outcome(code, *said)


def keep_promise(
    project: Path, *arguments: str, names: Sequence[str] = (), code: int | None = None
) -> Outcome:
    """Run a command and hold it to the claim.

    Parameters
    ----------
    project : Path
        The project's folder.
    *arguments : str
        The command's words, such as "run", "--quick".
    names : sequence of str
        What the sentence of an error has to name: a file, a column, a key, a line.
    code : int, optional
        How it has to end, where only one of 0 and 2 is right.

    Returns
    -------
    Outcome
        For what else a test wants to look at.
    """
    before = digests(project)
    ended = command(project, *arguments)
    told = f"capstone {' '.join(arguments)} ended with {ended.code}\n{ended.out}\n{ended.err}"
    assert ended.code in ((0, 2) if code is None else (code,)), told
    assert not NEVER.search(QUOTED.sub("", ended.out + ended.err)), told
    if ended.code == 2:
        *notes, sentence = ended.err.strip().split("\n")
        assert all(note.startswith("Note: ") for note in notes), told
        assert sentence.startswith("Error"), told
        assert len(sentence) <= LONGEST, told
        for name in names:
            assert name in sentence, f"{name!r} is not named: {told}"
    after = digests(project)
    lost = [name for name in before if name not in after]
    changed = [name for name in after if before.get(name) != after[name]]
    allowed = MAY_WRITE if ended.code == 0 else re.compile(r"(?!)")
    assert not lost, f"lost {lost}: {told}"
    wrong = [name for name in changed if not allowed.match(name)]
    assert not wrong, f"changed {wrong}: {told}"
    return ended


def digests(project: Path) -> dict[str, str]:
    """Every file of a project that is a plain file, with its SHA-256; what Python and git keep aside."""
    return {
        path.relative_to(project).as_posix(): digest(path)
        for path in sorted(project.rglob("*"))
        if path.is_file() and not {".git", "__pycache__"} & set(path.parts)
    }


def digest(path: Path) -> str:
    """The SHA-256 of a file; of one that is larger than memory, its size."""
    size = path.stat().st_size
    return sha256(path.read_bytes()).hexdigest() if size < 2**30 else f"{size} bytes"

"""Run folders, changed as somebody might who edits one."""

import json
from hashlib import sha256
from pathlib import Path

from capstone.core.sealed_files import HASHED_BEFORE

INFO = "run.json"


def reseal(folder: Path) -> None:
    """Note the SHA-256 of all files as they are now: what somebody does who covers up an edit."""
    info = json.loads((folder / INFO).read_text(encoding="utf-8"))
    info["files"] = {
        name: sha256((folder / name).read_bytes()).hexdigest()
        for name in info["files"]
        if (folder / name).is_file() and (folder / name).stat().st_size < 2**30
    }
    (folder / INFO).write_text(json.dumps(info), encoding="utf-8")


def as_release_0_1_0(folder: Path) -> None:
    """Make the folder what release 0.1.0 left, which hashed three files."""
    info = json.loads((folder / INFO).read_text(encoding="utf-8"))
    info["files"] = {
        name: sha256((folder / name).read_bytes()).hexdigest() for name in sorted(HASHED_BEFORE)
    }
    (folder / INFO).write_text(json.dumps(info), encoding="utf-8")

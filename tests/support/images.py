"""A Dockerfile carried out without Docker: on Linux as root, with this machine's own files as the base image.

Each stage is a layer over them (overlayfs). Its RUN lines are run in it by chroot; what comes of it is started as the
USER of the file, on a read-only file system, without any of root's rights.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

TOOLS = ("mount", "unshare", "chroot", "setpriv")
SYSTEM = ("proc", "sys", "dev")


@dataclass
class Stage:
    """What one FROM begins: a layer, and what was said of it."""

    layer: Path
    work: str = "/"
    env: dict[str, str] = field(default_factory=dict)
    user: str = "0:0"
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)

    def path(self, name: str) -> Path:
        """A path of the image, in the layer."""
        return self.layer / os.path.join(self.work, name).lstrip("/")


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    """Each instruction with its words; comments left out, lines that go on put together."""
    lines = [line for line in dockerfile.splitlines() if not line.lstrip().startswith("#")]
    whole = re.sub(r"\\\n\s*", "", "\n".join(lines))
    pairs = [line.partition(" ") for line in whole.splitlines() if line.strip()]
    return [(name, words.strip()) for name, _, words in pairs]


@contextmanager
def small_computer(folder: Path) -> Iterator[Path]:
    """A folder in memory for layers, where this machine lets us mount one."""
    missing = [name for name in TOOLS if shutil.which(name) is None]
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "mode=755", "none", str(folder)]
    if missing or os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root on Linux can carry out a Dockerfile without Docker")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--recursive", str(folder)], check=True)


def build(dockerfile: str, context: Path, folder: Path) -> Stage:
    """Carry out the whole file; returns the last stage."""
    stages: dict[str, Stage] = {}
    current = None
    for number, (name, words) in enumerate(instructions(dockerfile)):
        if name == "ARG":
            continue  # only which Python, and that is this machine's
        if name == "FROM":
            title = words.partition(" AS ")[2] or str(number)
            current = stages[title] = Stage(_layer(folder / title))
            continue
        assert current is not None, f"{name} before FROM"
        if name == "WORKDIR":
            current.work = words
            current.path("").mkdir(parents=True, exist_ok=True)
        elif name == "COPY":
            _copy(words.split(), context, current, stages)
        elif name == "RUN":
            _run(current, words)
        elif name == "ENV":
            current.env |= dict(pair.split("=", 1) for pair in shlex.split(words))
        elif name == "USER":
            current.user = words
        elif name == "HEALTHCHECK":
            current.health = json.loads(words.partition("CMD ")[2])
        elif name == "ENTRYPOINT":
            current.entrypoint = json.loads(words)
        elif name == "CMD":
            current.command = json.loads(words)
        else:
            assert name == "EXPOSE", f"{name} is not known here"
    assert current is not None
    return current


def _layer(layer: Path) -> Path:
    layer.mkdir()
    for parent in reversed(Path(sys.base_prefix).parents):  # a Python below /root must be readable
        place = layer / str(parent).lstrip("/")
        place.mkdir(exist_ok=True, mode=0o755)
    return layer


def _copy(words: list[str], context: Path, stage: Stage, stages: dict[str, Stage]) -> None:
    if words[0].startswith("--from="):
        source = stages[words.pop(0).partition("=")[2]].path(words[0])
    else:
        source = context / words[0]
    target = stage.path(words[1])
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
    else:
        shutil.copy2(source, target)  # into a folder, where that is one


def _run(stage: Stage, command: str) -> None:
    """A RUN line, as root, in the layer over this machine's files."""
    work = stage.layer.with_name(f"{stage.layer.name}-work")
    work.mkdir(exist_ok=True)
    mounted = f"lowerdir=/,upperdir={stage.layer},workdir={work}"
    done = subprocess.run(
        in_layer(stage, mounted, [], ["sh", "-ec", command], {}), capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def started(stage: Stage, words: list[str], env: dict[str, str]) -> list[str]:
    """The command line that runs words in the finished image: its user, no rights, nothing to be written."""
    user, _, group = stage.user.partition(":")
    who = ["setpriv", "--reuid", user, "--regid", group, "--clear-groups", "--no-new-privs"]
    return in_layer(stage, f"lowerdir={stage.layer}:/", [*who, "--bounding-set=-all"], words, env)


def in_layer(
    stage: Stage, options: str, who: list[str], words: list[str], env: dict[str, str]
) -> list[str]:
    """The command line for words in the layer; it ends when the one who started it does."""
    merged = stage.layer.with_name(f"{stage.layer.name}-merged")
    merged.mkdir(exist_ok=True)
    own = f"{sys.base_prefix}/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    variables = {name: value.replace("$PATH", own) for name, value in stage.env.items()}
    keep = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    variables = {"PATH": own, "HOME": "/", **(keep if not who else {}), **variables, **env}
    inside = shlex.join(["cd", stage.work]) + " && exec " + shlex.join([*who, *words])
    clean = ["env", "-i", *(f"{name}={value}" for name, value in variables.items())]
    script = [shlex.join(["mount", "-t", "overlay", "overlay", "-o", options, str(merged)])]
    script += [f"mount --rbind /{one} {shlex.quote(str(merged))}/{one}" for one in SYSTEM]
    script += ["exec " + shlex.join(["chroot", str(merged), *clean, "sh", "-c", inside])]
    return ["unshare", "--mount", "sh", "-ec", "\n".join(script)]

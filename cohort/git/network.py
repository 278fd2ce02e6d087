"""Git commands that talk to a server, with the instructor's own login, proxy and certificates.

They see the instructor's environment and the system's and the instructor's git configuration, as the instructor's own
git does. So a credential helper, `gh auth setup-git`, `http.proxy`, `url.*.insteadOf` or `core.sshCommand` work
without a word from us. Nothing of a student's is read here either: GIT_DIR is a bare repository of ours.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from cohort.git.process import EVERYWHERE, GitError, executable

SECONDS = 120  # for one connection
PROTOCOLS = ("https", "ssh")
# What would lead git to another repository than ours; the list is that of `git rev-parse --local-env-vars`.
OTHER_REPOSITORY = frozenset(
    (
        *("GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR", "GIT_CONFIG", "GIT_DIR"),
        *(
            "GIT_GRAFT_FILE",
            "GIT_IMPLICIT_WORK_TREE",
            "GIT_INDEX_FILE",
            "GIT_INTERNAL_SUPER_PREFIX",
        ),
        *("GIT_NAMESPACE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX", "GIT_REPLACE_REF_BASE"),
        *("GIT_SHALLOW_FILE", "GIT_WORK_TREE"),
    )
)
# What holds whatever the instructor's configuration says: `git -c` wins over every file and variable.
SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    "color.ui=false",
    "credential.interactive=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "fetch.fsckObjects=true",
    "fetch.unpackLimit=1",
    "fetch.writeCommitGraph=false",
    "fetch.recurseSubmodules=false",
    "push.followTags=false",
    "push.gpgSign=false",
    "push.recurseSubmodules=no",
    "submodule.recurse=false",
)
SSH = "ssh -o BatchMode=yes -o ConnectTimeout=20"
LONGEST_REASON = 800
# What is worth another try; anything else is not mended by waiting.
PASSING = re.compile(
    r"timed out|could not resolve|connection|early eof|hung up|returned error: (429|5\d\d)",
    re.IGNORECASE,
)
LIMITED = re.compile(r"returned error: (403|429|5\d\d)")
NO_LOGIN = re.compile(
    r"could not read (username|password)|authentication failed|permission denied \(|returned error: 401",
    re.IGNORECASE,
)
ADVICE = (
    "Log in to that server first, with `gh auth login` and `gh auth setup-git`, `glab auth login`, "
    "a git credential helper, or an ssh key."
)
RETRY_AFTER = re.compile(r"recv header: retry-after: ([^\r\n]{1,40})", re.IGNORECASE)


class ServerError(GitError):
    """A server could not be reached, or said no. `wait`: seconds after which it may be asked again."""

    def __init__(self, sentence: str, *, passing: bool, wait: float | None = None) -> None:
        super().__init__(sentence)
        self.passing, self.wait = passing, wait


def own_environment() -> dict[str, str]:
    """The instructor's environment, in which nothing asks questions and git answers in English."""
    own = {name: value for name, value in os.environ.items() if name not in OTHER_REPOSITORY}
    return {"GCM_INTERACTIVE": "never"} | own | EVERYWHERE | {"LC_ALL": "C"}


def contact(git_dir: Path, *arguments: str, files: bool = False, seconds: float = SECONDS) -> bytes:
    """Run a git command that talks to a server; returns what it printed. Raises ServerError.

    `files`: may the server be a folder (file://)?
    """
    env = own_environment() | {"GIT_DIR": str(git_dir)}
    env["GIT_ALLOW_PROTOCOL"] = ":".join((*PROTOCOLS, "file") if files else PROTOCOLS)
    env |= _quiet_ssh(env)
    what = f"git {arguments[0]}"
    settings = [word for setting in SETTINGS for word in ("-c", setting)]
    with tempfile.TemporaryDirectory(prefix="cohort-") as folder:
        # The one way to a server's Retry-After. git leaves passwords out of it, and it is gone at once.
        headers = Path(folder) / "headers"
        env |= {"GIT_TRACE_CURL": str(headers), "GIT_TRACE_CURL_NO_DATA": "1"}
        env |= {"GIT_TRACE_REDACT": "1"}
        try:
            done = subprocess.run(
                [executable(), *settings, *arguments],
                cwd=git_dir,
                env=env,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=seconds,
                check=False,
                preexec_fn=_without_memory_limit(),
            )
        except subprocess.TimeoutExpired:
            sentence = f"{what} took more than {seconds:g} seconds and was stopped."
            raise ServerError(sentence, passing=True) from None
        if done.returncode == 0:
            return done.stdout
        waits = _retry_after(headers)
    said = _reason(done.stdout, done.stderr) or f"code {done.returncode}"
    advice = f" {ADVICE}" if NO_LOGIN.search(said) else ""
    without_addresses = re.sub(r"'[^']*'", "", said)
    wait = waits if LIMITED.search(without_addresses) else None
    if wait is not None:
        advice = f" The server asks for a pause of {wait:.0f} seconds."
    passing = wait is not None or PASSING.search(without_addresses) is not None
    raise ServerError(f"{what} failed: {said}{advice}", passing=passing, wait=wait)


def _without_memory_limit() -> Callable[[], None] | None:
    """In a process that works on projects: credential helpers in Go or .NET claim more memory than they use."""
    if sys.platform != "linux":
        return None
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    return None if soft == hard else lambda: resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def _quiet_ssh(env: dict[str, str]) -> dict[str, str]:
    """ssh without questions, unless the instructor has said how it is run: then that is used."""
    if "GIT_SSH_COMMAND" in env or "GIT_SSH" in env:
        return {}
    command = [executable(), "config", "--get", "core.sshCommand"]
    own = subprocess.run(command, env=env, capture_output=True, timeout=SECONDS, check=False)
    return {} if own.returncode == 0 else {"GIT_SSH_COMMAND": SSH}


def _reason(stdout: bytes, stderr: bytes) -> str:
    """Why it failed: the branches that a push could not write, the server's words, then git's."""
    refused = re.findall(r"^!\t\S+\t(.+)$", stdout.decode(errors="replace"), re.MULTILINE)
    lines = [line.strip() for line in stderr.decode(errors="replace").splitlines()]
    lines.sort(key=lambda line: not line.startswith("remote:"))
    said = " ".join(" ".join([*refused, *lines]).split())
    return without_password(said)[:LONGEST_REASON]


def without_password(text: str) -> str:
    """A text in which no address has a name or a password in front of its host."""
    return re.sub(r"(https?://)[^/@\s]+@", r"\1", text)


def _retry_after(headers: Path) -> float | None:
    """The seconds to wait, if the server's last answer named them."""
    if not headers.exists():
        return None
    found = RETRY_AFTER.findall(headers.read_text(encoding="utf-8", errors="replace"))
    return seconds_until(found[-1]) if found else None


def seconds_until(retry_after: str) -> float | None:
    """A Retry-After header, which has seconds or a date; None when it has neither."""
    if retry_after.strip().isdecimal():
        return float(retry_after)
    import email.utils  # takes as long as the rest of this module

    try:
        return max(0.0, email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, TypeError):
        return None


def http_settings(url: str) -> dict[str, str]:
    """What the instructor's git configuration says of an address: `http.proxy`, `http.sslcainfo` and so on."""
    said = _ask_git("config", "--null", "--get-urlmatch", "http", url)
    entries = (entry.partition("\n") for entry in said.split("\0") if entry)
    return {name: value for name, _, value in entries}


def password_for(host: str) -> str | None:
    """What the instructor's git logs in to a host with, if a credential helper knows it."""
    said = _ask_git("credential", "fill", asked=f"protocol=https\nhost={host}\n\n")
    found = re.search(r"^password=(.+)$", said, re.MULTILINE)
    return found[1] if found else None


def _ask_git(*arguments: str, asked: str = "") -> str:
    """A question about the instructor's configuration, in no repository at all; "" if git knows nothing."""
    try:
        done = subprocess.run(
            [executable(), "-c", "credential.interactive=false", *arguments],
            env=own_environment() | {"GIT_DIR": os.devnull},
            input=asked,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout if done.returncode == 0 else ""

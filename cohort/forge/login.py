"""The token with which an instructor is logged in to a forge.

A roster may hold addresses that students gave. So a token from the environment, which belongs to no host by itself,
goes to hosts that the instructor named; any other host gets only what gh, glab or git keep for exactly that host.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess

from cohort.git.network import own_environment, password_for

SECONDS = 30
GITHUB = "github.com"
COMMANDS = {
    "github": ("gh", "auth", "token", "--hostname"),
    "gitlab": ("glab", "config", "get", "token", "--host"),
}
# The variable that says which host a token in the environment belongs to.
HOSTS = {"github": "GH_HOST", "gitlab": "GITLAB_HOST"}


def variables(kind: str, host: str) -> tuple[str, ...]:
    """Return the variables that may hold a token for a host, as gh and glab read them."""
    if kind == "gitlab":
        return ("GITLAB_TOKEN", "GITLAB_ACCESS_TOKEN", "OAUTH_TOKEN")
    if host == GITHUB or host.endswith(".ghe.com"):
        return ("GH_TOKEN", "GITHUB_TOKEN")
    return ("GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN")


def token_for(kind: str, host: str, named: frozenset[str]) -> str | None:
    """Return the token for a host, or None. `named`: the hosts that the instructor named."""
    of_environment = variables(kind, host)
    if host in named | _hosts_of_environment(kind):
        for name in of_environment:
            if token := os.environ.get(name):
                return token
    return _kept_token(COMMANDS[kind], host, of_environment) or password_for(host)


def _hosts_of_environment(kind: str) -> set[str]:
    own = os.environ.get(HOSTS[kind], "").removeprefix("https://").rstrip("/")
    if kind == "gitlab":
        return {own or "gitlab.com"}
    return {GITHUB, own}


def _kept_token(command: tuple[str, ...], host: str, without: tuple[str, ...]) -> str | None:
    """Return the token that gh or glab have stored for a host; both would return one from the environment for any."""
    if shutil.which(command[0]) is None:
        return None
    env = {name: value for name, value in own_environment().items() if name not in without}
    try:
        done = subprocess.run(
            [*command, host],
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    said = done.stdout.strip()
    return said if done.returncode == 0 and re.fullmatch(r"\S+", said) else None

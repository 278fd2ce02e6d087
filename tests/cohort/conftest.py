"""A forge on this machine, and an instructor with a home of their own."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cohort.classroom import stores
from tests.support.forge_server import Forge, Proxy, forge_server, proxy_to

# What of the environment of whoever runs the tests would be a login or a way to a server.
OWN = ("GH_", "GITHUB_", "GITLAB_", "GLAB_", "XDG_", "SSH_", "GIT_SSH", "GIT_SSL", "GIT_ASKPASS")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The instructor's home: no login, no proxy, no configuration but what a test puts there."""
    for name in list(os.environ):
        if name.startswith(OWN) or name.lower().endswith("_proxy") or name == "SSL_CERT_FILE":
            monkeypatch.delenv(name)
    monkeypatch.delenv("GIT_CONFIG_GLOBAL")
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    who = "[user]\nname = Ines\nemail = ines@example.org\n[init]\ndefaultBranch = main\n"
    (folder / ".gitconfig").write_text(who, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `made_once` keeps the repositories of a class, and cohort's folder beside them."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def forge(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Forge]:
    """A forge behind TLS, whose certificate the instructor's programs trust. Nobody has logged in."""
    if sys.platform == "win32":
        pytest.skip("git's http-backend needs a server of POSIX")
    monkeypatch.setattr(stores, "PAUSE", 0.01)
    with forge_server(tmp_path / "forge") as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.authority))
        monkeypatch.setenv("GIT_SSL_CAINFO", str(server.authority))
        yield server


@pytest.fixture
def proxy(forge: Forge) -> Iterator[Proxy]:
    """A university's proxy, behind which every host is the forge."""
    with proxy_to(forge) as server:
        yield server


@pytest.fixture
def gh() -> str:
    """GitHub's own command."""
    found = shutil.which("gh")
    if found is None:
        pytest.skip("GitHub's gh is not installed; on Debian: apt-get install gh")
    return found

"""Which token goes to which host."""

import sys
from pathlib import Path

import pytest

from cohort.forge.login import token_for
from tests.support.classes import write

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs scripts of POSIX")
NAMED = frozenset({"git.example.edu"})


@pytest.mark.parametrize(
    ("kind", "name", "host", "goes"),
    [
        ("github", "GH_TOKEN", "github.com", True),
        ("github", "GITHUB_TOKEN", "github.com", True),
        ("github", "GH_TOKEN", "uni.ghe.com", False),
        ("github", "GH_TOKEN", "git.example.edu", False),
        ("github", "GH_ENTERPRISE_TOKEN", "git.example.edu", True),
        ("github", "GITHUB_ENTERPRISE_TOKEN", "git.example.edu", True),
        ("github", "GH_ENTERPRISE_TOKEN", "github.com", False),
        ("github", "GH_ENTERPRISE_TOKEN", "evil.example.org", False),
        ("gitlab", "GITLAB_TOKEN", "gitlab.com", True),
        ("gitlab", "GITLAB_ACCESS_TOKEN", "git.example.edu", True),
        ("gitlab", "GITLAB_TOKEN", "evil.example.org", False),
    ],
)
def test_a_token_of_the_environment_goes_where_the_instructor_said(
    home: Path, monkeypatch: pytest.MonkeyPatch, kind: str, name: str, host: str, goes: bool
) -> None:
    """Also where gh is installed, which would give its token for any host."""
    monkeypatch.setenv(name, "secret")
    assert token_for(kind, host, NAMED) == ("secret" if goes else None)


@pytest.mark.parametrize(("kind", "name"), [("github", "GH_HOST"), ("gitlab", "GITLAB_HOST")])
def test_the_environment_may_name_the_host(
    home: Path, monkeypatch: pytest.MonkeyPatch, kind: str, name: str
) -> None:
    monkeypatch.setenv("GITLAB_TOKEN", "secret")
    monkeypatch.setenv("GH_ENTERPRISE_TOKEN", "secret")
    monkeypatch.setenv(name, "other.example.edu")
    assert token_for(kind, "other.example.edu", NAMED) == "secret"
    assert kind == "github" or token_for(kind, "gitlab.com", NAMED) is None


def test_the_token_that_glab_keeps_is_that_of_the_host(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script stands for glab, of which Debian 12 has no package: like glab, it prefers the environment."""
    text = """\
import os, sys
assert sys.argv[1:5] == ["config", "get", "token", "--host"]
kept = {"git.example.edu": "kept-for-edu"}.get(sys.argv[5], "")
print(os.environ.get("GITLAB_TOKEN") or kept)
"""
    write(home / "bin", {"glab": f"#!{sys.executable}\n{text}"})
    (home / "bin" / "glab").chmod(0o755)
    monkeypatch.setenv("PATH", str(home / "bin"), prepend=":")
    monkeypatch.setenv("GITLAB_TOKEN", "secret")
    assert token_for("gitlab", "git.example.edu", frozenset()) == "kept-for-edu"
    assert token_for("gitlab", "evil.example.org", frozenset()) is None


def test_what_git_knows_of_the_host_is_the_last_resort(home: Path) -> None:
    write(home, {".git-credentials": "https://teacher:kept-by-git@git.example.edu\n"})
    settings = (home / ".gitconfig").read_text()
    write(home, {".gitconfig": f"{settings}[credential]\nhelper = store\n"})
    for kind in ("github", "gitlab"):
        assert token_for(kind, "git.example.edu", frozenset()) == "kept-by-git"
        assert token_for(kind, "evil.example.org", frozenset()) is None

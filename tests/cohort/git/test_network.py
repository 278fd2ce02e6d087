"""The instructor's own login, proxy and settings reach a server; nothing else of theirs, or a student's, is used."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from cohort.errors import CohortError
from cohort.git import network, process
from tests.support.classes import Cohort, git, make_class, write
from tests.support.forge_server import TOKEN, Fault, Forge, Proxy
from tests.support.helpers import must_run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs scripts of POSIX")
BRANCH = "template/v2.0.0"


def configure(home: Path, *settings: str) -> None:
    """Settings of the instructor's, as `git config --global` writes them."""
    for setting in settings:
        name, _, value = setting.partition("=")
        must_run("git", "config", "--global", "--add", name, value, cwd=home)


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def classroom(small: Path, forge: Forge, tmp_path: Path, url: str = "") -> Path:
    """A class of one, whose repository is on the forge."""
    forge.make("uni/ada")
    settings = f'remote = "{url or forge.url}/uni/{{student}}.git"'
    return make_class(tmp_path / "class", small, ["ada"], **{"class": settings})


def makes_and_updates(cohort: Cohort, folder: Path, forge: Forge) -> None:
    """The whole way: create pushes, status fetches, update pushes a branch."""
    said = cohort(folder, "create", "--to", "v1.0.0")
    assert said.code == 0, said.out
    assert cohort(folder, "status", "--json").projects["ada"]["behind"] == 1
    said = cohort(folder, "update", "--push", "--json")
    assert said.code == 0 and said.projects["ada"]["pushed"], said.out
    assert forge.has_branch("uni/ada", BRANCH)


# ---- How an instructor may have logged in -----------------------------------------------------------


def login_with_the_store(home: Path, forge: Forge, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(home, "credential.helper=store")
    address = forge.url.replace("https://", f"https://teacher:{TOKEN}@")
    write(home, {".git-credentials": f"{address}\n"})


def login_with_the_xdg_store(home: Path, forge: Forge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "settings"))
    address = forge.url.replace("https://", f"https://teacher:{TOKEN}@")
    files = {"git/config": "[credential]\nhelper = store\n", "git/credentials": f"{address}\n"}
    write(home / "settings", files)


def login_with_a_helper(home: Path, forge: Forge, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that wants a variable of the instructor's, as a keyring wants that of the desktop."""
    monkeypatch.setenv("MY_KEYRING", TOKEN)
    configure(
        home, """credential.helper=!f() { echo username=t; echo "password=$MY_KEYRING"; }; f"""
    )


def login_with_askpass(home: Path, forge: Forge, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = script(home / "ask", f'case "$1" in User*) echo teacher;; *) echo {TOKEN};; esac')
    monkeypatch.setenv("GIT_ASKPASS", str(ask))


def login_with_a_header(home: Path, forge: Forge, monkeypatch: pytest.MonkeyPatch) -> None:
    """As GitHub's own checkout leaves it for the steps of a workflow."""
    configure(home, f"http.{forge.url}/.extraHeader=Authorization: Bearer {TOKEN}")


def login_with_variables(home: Path, forge: Forge, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"http.{forge.url}/.extraHeader",
        "GIT_CONFIG_VALUE_0": f"Authorization: Bearer {TOKEN}",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)


def login_with_a_netrc(home: Path, forge: Forge, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home, {".netrc": f"machine localhost login teacher password {TOKEN}\n"})


Login = Callable[[Path, Forge, pytest.MonkeyPatch], None]
LOGINS: tuple[Login, ...] = (
    *(login_with_the_store, login_with_the_xdg_store, login_with_a_helper, login_with_askpass),
    *(login_with_a_header, login_with_variables, login_with_a_netrc),
)


@pytest.mark.parametrize("login", LOGINS)
def test_a_login_of_the_instructors_is_used(
    cohort: Cohort,
    small: Path,
    forge: Forge,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    login: Login,
) -> None:
    login(home, forge, monkeypatch)
    makes_and_updates(cohort, classroom(small, forge, tmp_path), forge)


@pytest.mark.parametrize("how", ["setup-git", "login"])
def test_what_gh_has_set_up_is_used(
    cohort: Cohort,
    small: Path,
    forge: Forge,
    proxy: Proxy,
    home: Path,
    tmp_path: Path,
    gh: str,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    """GitHub Enterprise, with the real gh: a token in the environment, or kept by `gh auth login`."""
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    host = "ghe.example.org"
    if how == "login":
        words = [gh, "auth", "login", "--hostname", host, "--with-token"]
        subprocess.run(words, input=TOKEN.encode(), check=True, capture_output=True)
    else:
        monkeypatch.setenv("GH_HOST", host)
        monkeypatch.setenv("GH_ENTERPRISE_TOKEN", TOKEN)
    must_run(gh, "auth", "setup-git", "--hostname", host, cwd=home)
    makes_and_updates(cohort, classroom(small, forge, tmp_path, f"https://{host}"), forge)
    assert set(proxy.asked) == {f"{host}:443"}


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "http.proxy"])
def test_the_universitys_proxy_is_used(
    cohort: Cohort,
    small: Path,
    forge: Forge,
    proxy: Proxy,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    if name == "http.proxy":
        configure(home, f"http.proxy={proxy.url}")
    else:
        monkeypatch.setenv(name, proxy.url)
    login_with_a_helper(home, forge, monkeypatch)
    folder = classroom(small, forge, tmp_path, "https://gitlab.example.org")
    makes_and_updates(cohort, folder, forge)
    assert proxy.asked


def test_without_a_login_nothing_waits_for_an_answer(
    cohort: Cohort, small: Path, forge: Forge, tmp_path: Path
) -> None:
    folder, start = classroom(small, forge, tmp_path), time.monotonic()
    said = cohort(folder, "status", "--json")
    message = said.projects["ada"]["message"]
    assert said.code == 3 and "Log in to that server first, with `gh auth login`" in message
    assert time.monotonic() - start < 20


def test_a_wrong_password_is_said_and_is_in_no_message(
    cohort: Cohort, small: Path, forge: Forge, tmp_path: Path
) -> None:
    folder = classroom(small, forge, tmp_path, forge.url.replace("//", "//teacher:secret@"))
    said = cohort(folder, "update", "--push", "--json")
    message = said.projects["ada"]["message"]
    assert said.code == 3 and "Authentication failed" in message and "Log in" in message
    assert "secret" not in said.out


# ---- ssh --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["core.sshCommand", "GIT_SSH_COMMAND", "GIT_SSH", "insteadOf"])
def test_the_instructors_ssh_is_used(
    cohort: Cohort,
    small: Path,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    """A script stands for ssh: it runs the server's command here, and notes that it was asked."""
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", "server/ada.git")
    last = "for last; do :; done\n"
    ssh = script(home / "my ssh" / "ssh", f'{last}echo "$@" >>"$HOME/asked"\nexec sh -c "$last"')
    remote = f"ssh://server{tmp_path}/server/{{student}}.git"
    if how in ("core.sshCommand", "insteadOf"):
        configure(home, f"core.sshCommand={shlex.quote(str(ssh))}")
    else:
        value = shlex.quote(str(ssh)) if how == "GIT_SSH_COMMAND" else str(ssh)
        monkeypatch.setenv(how, value)
    if how == "insteadOf":
        configure(home, f"url.ssh://server{tmp_path}/.insteadOf=https://git.example.org/")
        remote = "https://git.example.org/server/{student}.git"
    folder = make_class(tmp_path / "class", small, ["ada"], **{"class": f'remote = "{remote}"'})
    said = cohort(folder, "create", "--to", "v1.0.0")
    assert said.code == 0, said.out
    assert cohort(folder, "status").code == 0
    assert "BatchMode" not in (home / "asked").read_text(), "as the instructor wrote it"


def test_another_ssh_is_told_to_ask_nothing(
    cohort: Cohort, small: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(home / "bin" / "ssh", 'echo "$@" >>"$HOME/asked"\nexit 255')
    monkeypatch.setenv("PATH", str(home / "bin"), prepend=":")
    monkeypatch.setattr("cohort.classroom.stores.PAUSE", 0.0)
    settings = {"class": 'remote = "git@git.example.org:uni/{student}.git"'}
    folder = make_class(tmp_path / "class", small, ["ada"], **settings)
    assert cohort(folder, "status").code == 3
    assert "-o BatchMode=yes" in (home / "asked").read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux alone")
def test_a_credential_helper_may_claim_more_memory_than_a_project(
    cohort: Cohort, small: Path, forge: Forge, home: Path, tmp_path: Path
) -> None:
    """As those in .NET do. `create` pushes from the processes that work on projects."""
    configure(
        home,
        f"credential.helper=!f() {{ ulimit -v >>limits; echo username=t; echo password={TOKEN}; }}; f",
    )
    folder = classroom(small, forge, tmp_path)
    assert cohort(folder, "create", "--to", "v1.0.0").code == 0
    limits = [path.read_text() for path in (folder / ".cohort").rglob("limits")]
    own = subprocess.run(["sh", "-c", "ulimit -v"], capture_output=True, text=True).stdout
    assert limits and set("".join(limits).split()) == {own.strip()}


# ---- Servers on a bad day ---------------------------------------------------------------------------


@pytest.mark.parametrize("status", [403, 429, 503])
def test_a_server_that_says_when_is_asked_then(
    cohort: Cohort,
    small: Path,
    forge: Forge,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
) -> None:
    waited: list[float] = []
    monkeypatch.setattr("cohort.classroom.stores.time", SimpleNamespace(sleep=waited.append))
    login_with_a_helper(home, forge, monkeypatch)
    folder = classroom(small, forge, tmp_path)
    assert cohort(folder, "create", "--to", "v1.0.0").code == 0
    forge.faults.append(Fault("GET .*receive-pack", status, {"Retry-After": "7"}))
    said = cohort(folder, "update", "--push", "--json")
    assert said.code == 0 and said.projects["ada"]["pushed"], said.out
    assert waited == [7.0]


@pytest.mark.parametrize(("status", "header"), [(403, {}), (429, {"Retry-After": "3600"})])
def test_a_server_that_says_no_is_not_asked_for_ever(
    cohort: Cohort,
    small: Path,
    forge: Forge,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    header: dict[str, str],
) -> None:
    login_with_a_helper(home, forge, monkeypatch)
    folder = classroom(small, forge, tmp_path)
    assert cohort(folder, "create", "--to", "v1.0.0").code == 0
    forge.faults.append(Fault("GET .*receive-pack", status, header, times=99))
    before = forge.count("receive-pack")
    said = cohort(folder, "update", "--push", "--json")
    assert said.code == 3 and f"returned error: {status}" in said.projects["ada"]["message"]
    assert forge.count("receive-pack") == before + 1
    asks = "asks for a pause of 3600 seconds" in said.projects["ada"]["message"]
    assert asks == ("Retry-After" in header)


def test_a_status_in_a_name_is_no_status(tmp_path: Path, home: Path) -> None:
    """A student called "connection-429" is no reason to try again."""
    folder = process.make_bare(tmp_path / "cache.git")
    with pytest.raises(network.ServerError) as failed:
        network.contact(folder, "ls-remote", "--", "file:///connection-429")
    assert not failed.value.passing


def test_a_slow_server_is_left(tmp_path: Path, forge: Forge, home: Path) -> None:
    forge.faults.append(Fault("upload-pack", delay=5))
    folder, start = process.make_bare(tmp_path / "cache.git"), time.monotonic()
    with pytest.raises(network.ServerError, match="took more than 1 seconds") as failed:
        network.contact(folder, "ls-remote", "--", f"{forge.url}/uni/ada.git", seconds=1)
    assert failed.value.passing and time.monotonic() - start < 4


def test_a_protected_branch_is_named(
    cohort: Cohort,
    small: Path,
    forge: Forge,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    login_with_a_helper(home, forge, monkeypatch)
    folder = classroom(small, forge, tmp_path)
    assert cohort(folder, "create", "--to", "v1.0.0").code == 0
    script(forge.folder("uni/ada") / "hooks" / "update", "echo GH013: protected >&2; exit 1")
    said = cohort(folder, "update", "--push", "--json")
    message = said.projects["ada"]["message"]
    assert said.code == 3 and "hook declined" in message and "remote: GH013: protected" in message


# ---- What stays closed ------------------------------------------------------------------------------


def test_only_what_talks_to_a_server_sees_the_instructors_environment(
    cohort: Cohort,
    small: Path,
    forge: Forge,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every git that cohort starts writes down its command and whether it saw a secret of the instructor's."""
    real = shutil.which("git")
    log = tmp_path / "log"
    program = f"""\
import json, os, sys
with open({str(log)!r}, "a") as file:
    file.write(json.dumps([sys.argv[1:], os.environ.get("GH_TOKEN"), os.environ["HOME"]]) + "\\n")
os.execv({real!r}, ["git", *sys.argv[1:]])
"""
    write(tmp_path / "bin", {"git": f"#!{sys.executable}\n{program}"})
    (tmp_path / "bin" / "git").chmod(0o755)
    login_with_a_helper(home, forge, monkeypatch)
    folder = classroom(small, forge, tmp_path)
    monkeypatch.setenv("GH_TOKEN", "secret")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    makes_and_updates(cohort, folder, forge)
    for name in ("plan", "verify", "audit", "report"):
        cohort(folder, name)
    open_: set[str] = set()
    closed: set[str] = set()
    for line in log.read_text().splitlines():
        words, token, where = json.loads(line)
        while words[0] == "-c":
            del words[:2]
        assert (token == "secret") == (where == str(home)), words
        (open_ if token else closed).add(words[0])
    open_.discard("rev-parse")  # the test's own
    assert open_ == {"fetch", "ls-remote", "push", "config"}, "config: is there a core.sshCommand?"
    assert {"cat-file", "for-each-ref"} <= closed and "push" not in closed


def test_what_a_configuration_could_run_or_add_is_off(
    cohort: Cohort,
    small: Path,
    forge: Forge,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    login_with_a_helper(home, forge, monkeypatch)
    trap = script(home / "trap", 'echo "$0 $*" >>"$HOME/sprung"')
    for hook in ("pre-push", "reference-transaction", "post-update"):
        script(home / "hooks" / hook, 'echo "$0" >>"$HOME/sprung"')
    configure(
        home,
        f"core.hooksPath={home / 'hooks'}",
        f"core.fsmonitor={trap}",
        f"filter.trap.clean={trap}",
        "push.followTags=true",
        "push.gpgSign=true",
        "fetch.writeCommitGraph=true",
        "submodule.recurse=true",
        "color.ui=always",
    )
    makes_and_updates(cohort, classroom(small, forge, tmp_path), forge)
    assert not (home / "sprung").exists()


@pytest.mark.parametrize("name", ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR"])
def test_another_repository_in_the_environment_is_not_ours(
    cohort: Cohort,
    small: Path,
    forge: Forge,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    """As in a hook of git's, or after `export GIT_DIR=...`."""
    login_with_a_helper(home, forge, monkeypatch)
    folder = classroom(small, forge, tmp_path)
    monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    said = cohort(folder, "create", "--to", "v1.0.0")
    assert said.code == 0, said.out
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    "settings", [(), ("protocol.file.allow=always", "protocol.ext.allow=always")]
)
@pytest.mark.parametrize(
    "address", ["file:///tmp/x.git", "ext::sh -c id", "http://localhost/x.git"]
)
def test_other_ways_to_a_server_are_refused(
    tmp_path: Path, home: Path, settings: tuple[str, ...], address: str
) -> None:
    configure(home, *settings)
    folder = process.make_bare(tmp_path / "cache.git")
    with pytest.raises(CohortError, match=r"transport '[a-z]+' not allowed"):
        network.contact(folder, "ls-remote", "--", address)


def test_an_address_is_not_turned_into_a_folder(tmp_path: Path, home: Path) -> None:
    configure(home, f"url.file://{tmp_path}/.insteadOf=https://git.example.org/")
    folder = process.make_bare(tmp_path / "cache.git")
    with pytest.raises(CohortError, match="transport 'file' not allowed"):
        network.contact(folder, "ls-remote", "--", "https://git.example.org/cache.git")


@pytest.mark.parametrize("value", ["7", "Wed, 21 Oct 2099 07:28:00 GMT", "soon", ""])
def test_both_ways_to_write_retry_after(value: str) -> None:
    wait = network.seconds_until(value)
    assert {"7": wait == 7.0, "soon": wait is None, "": wait is None}.get(value, (wait or 0) > 1e8)


def test_the_environment_is_the_instructors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://x")
    monkeypatch.setenv("GITLAB_TOKEN", "t")
    env = network.own_environment()
    assert env["HOME"] == os.environ["HOME"] and env["ALL_PROXY"] == "socks5://x"
    assert env["GITLAB_TOKEN"] == "t" and env["GIT_TERMINAL_PROMPT"] == "0"


# ---- The template on a server -----------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["git", "copier"])
def test_a_template_that_needs_a_login(
    cohort: Cohort,
    small: Path,
    forge: Forge,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    engine: str,
) -> None:
    """From `init`, which lists its tags, to an update; copier itself renders what cohort has fetched."""
    login_with_a_helper(home, forge, monkeypatch)
    git(tmp_path, "clone", "--quiet", "--bare", str(small), str(forge.folder("uni/template")))
    template = f"{forge.url}/uni/template.git"
    folder = tmp_path / "class"
    said = cohort(folder, "init", template)
    assert said.code == 0 and "2 allowed releases" in said.out, said.err
    write(folder, {"class.csv": "student,title\nada,My work\n"})
    said = cohort(folder, "create", "--to", "v1.0.0")
    assert said.code == 0, said.out
    said = cohort(folder, "update", "--engine", engine, "--json")
    assert said.code == 0 and said.projects["ada"]["wrote"], said.out
    assert f"_src_path: {template}" in git(
        folder / "students" / "ada", "show", f"{BRANCH}:.copier-answers.yml"
    )

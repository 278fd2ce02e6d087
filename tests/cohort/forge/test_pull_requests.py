"""Pull requests that are looked after, on a forge of this machine that knows its branches."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from cohort.classroom.outcome import PullRequest
from cohort.forge import api, pull_requests
from cohort.forge.github import GitHub
from tests.support.classes import Cohort, commit_all, git, made_once, make_class, write
from tests.support.forge_server import TOKEN, Fault, Forge, Proxy
from tests.support.helpers import ROOT

BRANCH = "template/v2.0.0"
NAMES = ["ada", "bob"]
KINDS = ["github", "gitlab"]
PATHS = {"github": "uni", "gitlab": "uni/course/term"}
CREATES = {"github": "POST .*/pulls$", "gitlab": "POST .*/merge_requests$"}
ASKS = {"github": r"GET .*/pulls\?", "gitlab": r"GET .*/merge_requests\?"}
TOKENS = {"github": "GH_ENTERPRISE_TOKEN", "gitlab": "GITLAB_TOKEN"}


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long cohort waited for a forge; here it does not wait."""
    times: list[float] = []

    def sleep(seconds: float) -> None:
        if seconds > 0:
            times.append(round(seconds, 1))

    for module in (api, pull_requests):
        own = {name: getattr(time, name) for name in ("time", "monotonic", "strftime", "localtime")}
        monkeypatch.setattr(module, "time", SimpleNamespace(sleep=sleep, **own))
    return times


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def log_in(kind: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """git by a credential file, the API by a token in the environment."""
    monkeypatch.setenv(TOKENS[kind], TOKEN)
    git_logs_in(home)


def git_logs_in(home: Path) -> None:
    helper = f'"!f() {{ echo username=teacher; echo password={TOKEN}; }}; f"'
    settings = (home / ".gitconfig").read_text()
    write(home, {".gitconfig": f"{settings}[credential]\n\thelper = {helper}\n"})


@pytest.fixture
def classroom(
    cohort: Cohort,
    small: Path,
    forge: Forge,
    home: Path,
    tmp_path: Path,
    kind: str,
    kept: Path,
    waited: list[float],
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A class on a forge, whose instructor has logged in."""
    log_in(kind, home, monkeypatch)
    settings = {
        "class": f'remote = "{forge.url}/{PATHS[kind]}/{{student}}.git"',
        "forge": f'kind = "{kind}"',
    }
    folder = make_class(tmp_path / "class", small, NAMES, **settings)

    def create() -> None:
        forge.make(*(f"{PATHS[kind]}/{name}" for name in NAMES))
        said = cohort(folder, "create", "--to", "v1.0.0")
        assert said.code == 0, said.out

    made_once(kept / f"{kind}-forge", [forge.root, folder / ".cohort"], create)
    return folder


def push(cohort: Cohort, folder: Path, code: int = 0) -> dict[str, dict[str, object]]:
    """`update --push`; gives each student's pull request."""
    said = cohort(folder, "update", "--push", "--json")
    assert said.code == code, said.out
    return {name: one["pull_request"] or {} for name, one in said.projects.items()}


# ---- The usual way ----------------------------------------------------------------------------------


def test_each_new_branch_gets_one(
    cohort: Cohort, classroom: Path, forge: Forge, kind: str, waited: list[float]
) -> None:
    requests = push(cohort, classroom)
    assert [one["state"] for one in requests.values()] == ["open", "open"]
    assert waited == [1.0], "one a second"
    ada = forge.of(f"{PATHS[kind]}/ada", BRANCH)[0]
    assert ada["title"] == "Update the template from v1.0.0 to v2.0.0"
    assert "keeps every line of yours" in ada["text"]
    assert str(requests["ada"]["url"]).endswith(f"/{ada['number']}")
    assert push(cohort, classroom) == requests, "nothing new"
    assert forge.count(CREATES[kind]) == 2


def test_it_is_shown_wherever_one_looks(
    cohort: Cohort, classroom: Path, forge: Forge, kind: str
) -> None:
    url = str(push(cohort, classroom)["ada"]["url"])
    assert cohort(classroom, "status", "--json").projects["ada"]["pull_request"]["url"] == url
    assert "open" in cohort(classroom, "status").out
    forge.of(f"{PATHS[kind]}/ada", BRANCH)[0]["state"] = "merged"
    status = cohort(classroom, "status", "--json").projects
    assert status["ada"]["pull_request"]["state"] == "merged"
    assert status["bob"]["pull_request"]["state"] == "open"
    forge.of(f"{PATHS[kind]}/bob", BRANCH)[0]["state"] = "closed"
    report = cohort(classroom, "report", "--json").projects
    assert report["bob"]["pull_request"]["state"] == "closed"
    assert report["ada"]["pull_request"] == status["ada"]["pull_request"]
    assert url in cohort(classroom, "history", "ada").out
    steps = json.loads(cohort(classroom, "history", "ada", "--json").out)["steps"]
    assert steps[0]["step"] == "pull request" and steps[0]["about"]["pull_request"]["url"] == url
    asked = forge.count(ASKS[kind])
    cohort(classroom, "status")
    assert forge.count(ASKS[kind]) == asked, "what is merged or closed is not asked for again"


@pytest.mark.parametrize("kind", ["github"], indirect=True)
def test_a_closed_one_is_the_students_answer(
    cohort: Cohort, classroom: Path, forge: Forge, kind: str
) -> None:
    push(cohort, classroom)
    forge.of(f"{PATHS[kind]}/ada", BRANCH)[0]["state"] = "closed"
    assert push(cohort, classroom)["ada"]["state"] == "closed"
    assert forge.count(CREATES[kind]) == 2


def test_after_a_rollback_there_is_a_new_one(
    cohort: Cohort, classroom: Path, forge: Forge, kind: str
) -> None:
    """A forge closes the pull request of a branch that is deleted: nobody has said no."""
    first = push(cohort, classroom)
    assert cohort(classroom, "rollback", "--push").code == 0
    second = push(cohort, classroom)
    assert [one["state"] for one in second.values()] == ["open", "open"]
    assert second["ada"]["number"] != first["ada"]["number"]


@pytest.mark.parametrize("kind", ["github"], indirect=True)
def test_a_conflict_shows_its_pull_request_too(
    cohort: Cohort, classroom: Path, forge: Forge, kind: str, tmp_path: Path
) -> None:
    server = forge.folder(f"{PATHS[kind]}/ada")
    git(tmp_path, "clone", "--quiet", str(server), "clone")
    engine = (tmp_path / "clone" / "engine.py").read_text()
    write(tmp_path / "clone", {"engine.py": engine.replace("line 5 ", "my line 5 ")})
    commit_all(tmp_path / "clone", "Mine")
    git(tmp_path / "clone", "push", "--quiet")
    said = cohort(classroom, "update", "--push")
    said_again = cohort(classroom, "update", "--push", "--json").projects["ada"]
    assert said.code == 2 and said_again["state"] == "conflict"
    text = "".join(said.out.split())
    assert str(said_again["pull_request"]["url"]) in text and "engine.py" in text


# ---- What goes wrong, and is made good later --------------------------------------------------------


def test_what_the_forge_refused_is_missing_and_opened_later(
    cohort: Cohort, classroom: Path, forge: Forge, kind: str
) -> None:
    forge.faults.append(Fault(CREATES[kind].replace(".*", ".*ada.*"), 403, message="not for you"))
    requests = push(cohort, classroom, code=3)
    assert requests["ada"]["state"] == "missing" and "not for you" in str(requests["ada"]["why"])
    assert requests["bob"]["state"] == "open"
    shown = cohort(classroom, "status", "--json").projects["ada"]["pull_request"]
    assert shown == requests["ada"]
    assert push(cohort, classroom)["ada"]["state"] == "open"
    assert forge.count(CREATES[kind]) == 3


@pytest.mark.parametrize("kind", ["github"], indirect=True)
def test_a_failure_is_in_the_table_and_in_the_sum(
    cohort: Cohort, classroom: Path, forge: Forge, kind: str
) -> None:
    forge.faults.append(Fault(CREATES[kind], 403, message="not for you"))
    said = cohort(classroom, "update", "--push")
    assert said.code == 3 and "pull request missing" in said.out
    assert "Pull requests: 1 missing, 1 open." in said.out
    page = classroom / "class.html"
    row = cohort(classroom, "report", "--json", "--html", str(page)).projects["ada"]
    assert "pull request missing" in row["help"]


def test_without_a_login_the_branch_is_pushed_and_the_rest_comes_later(
    cohort: Cohort,
    classroom: Path,
    forge: Forge,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
    home: Path,
) -> None:
    """git may go in by an ssh key, where the API has no token at all."""
    monkeypatch.delenv(TOKENS[kind])
    settings = (home / ".gitconfig").read_text()
    header = f'[http]\n\textraHeader = "Authorization: Bearer {TOKEN}"\n'
    write(home, {".gitconfig": settings.partition("[credential]")[0] + header})
    requests = push(cohort, classroom, code=3)
    command = {"github": "gh", "gitlab": "glab"}[kind]
    assert f"run `{command} auth login --hostname localhost:{forge.port}`" in str(
        requests["ada"]["why"]
    )
    assert all(forge.has_branch(f"{PATHS[kind]}/{name}", BRANCH) for name in NAMES)
    assert forge.count("/api/") == 0
    monkeypatch.setenv(TOKENS[kind], TOKEN)
    assert [one["state"] for one in push(cohort, classroom).values()] == ["open", "open"]


def test_the_password_that_git_knows_serves_the_api_too(
    cohort: Cohort, classroom: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(TOKENS[kind])
    assert [one["state"] for one in push(cohort, classroom).values()] == ["open", "open"]


def test_retry_after_is_honoured(
    cohort: Cohort, classroom: Path, forge: Forge, kind: str, waited: list[float]
) -> None:
    forge.faults.append(Fault(CREATES[kind], 403, {"Retry-After": "60"}, message="too quickly"))
    assert [one["state"] for one in push(cohort, classroom).values()] == ["open", "open"]
    assert 60.0 in waited


@pytest.mark.parametrize("kind", ["github"], indirect=True)
def test_a_limit_without_a_time_is_a_minute(
    cohort: Cohort, classroom: Path, forge: Forge, kind: str, waited: list[float]
) -> None:
    message = "You have exceeded a secondary rate limit."
    forge.faults.append(Fault(CREATES[kind], 403, message=message))
    push(cohort, classroom)
    assert 60 in waited


def test_a_long_pause_is_not_waited_for_and_nobody_else_asks(
    cohort: Cohort, classroom: Path, forge: Forge, kind: str, waited: list[float]
) -> None:
    name = {"github": "X-RateLimit", "gitlab": "RateLimit"}[kind]
    reset = {f"{name}-Remaining": "0", f"{name}-Reset": str(int(time.time()) + 3600)}
    forge.faults.append(Fault(CREATES[kind], 429, reset, message="API rate limit exceeded"))
    requests = push(cohort, classroom, code=3)
    assert [one["state"] for one in requests.values()] == ["missing", "missing"]
    assert all("run this again after" in str(one["why"]) for one in requests.values())
    assert "API rate limit exceeded" in str(requests["ada"]["why"])
    assert forge.count(CREATES[kind]) == 1 and all(seconds < 10 for seconds in waited)
    assert [one["state"] for one in push(cohort, classroom).values()] == ["open", "open"]


def test_an_answer_that_was_lost_is_no_second_one(
    cohort: Cohort, classroom: Path, forge: Forge, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The forge opens it, and the line breaks before its answer: asked again, it says there is one."""
    really = forge.open

    def open_and_break(*about: str) -> dict[str, object] | None:
        made = really(*about)
        if made is not None and about[0].endswith("ada"):
            raise ConnectionAbortedError
        return made

    monkeypatch.setattr(forge, "open", open_and_break)
    assert push(cohort, classroom)["ada"]["state"] == "open"
    assert len(forge.of(f"{PATHS[kind]}/ada", BRANCH)) == 1


@pytest.mark.parametrize("kind", ["github"], indirect=True)
@pytest.mark.parametrize("status", [500, 503])
def test_a_bad_moment_passes(
    cohort: Cohort, classroom: Path, forge: Forge, kind: str, status: int
) -> None:
    forge.faults.append(Fault(ASKS[kind], status, times=2))
    assert [one["state"] for one in push(cohort, classroom).values()] == ["open", "open"]


@pytest.mark.parametrize("kind", ["github"], indirect=True)
def test_one_that_is_there_is_not_missing_when_the_forge_is_down(
    cohort: Cohort, classroom: Path, forge: Forge, kind: str
) -> None:
    requests = push(cohort, classroom)
    forge.faults.append(Fault("/api/", 500, times=999))
    again = push(cohort, classroom)
    assert again["ada"]["state"] == "open" and again["ada"]["url"] == requests["ada"]["url"]
    assert "the last known state" in str(again["ada"]["why"])


@pytest.mark.parametrize("kind", ["github"], indirect=True)
def test_an_answer_that_is_none_of_a_forge_is_one_sentence(
    cohort: Cohort, classroom: Path, forge: Forge, kind: str
) -> None:
    forge.faults.append(Fault(ASKS[kind], 200, times=99))
    why = str(push(cohort, classroom, code=3)["ada"]["why"])
    assert "did not answer like a forge" in why


@pytest.mark.parametrize("kind", ["github"], indirect=True)
def test_whatever_goes_wrong_with_one_the_others_are_opened(
    cohort: Cohort, classroom: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = GitHub.find

    def break_for_ada(forge: GitHub, project: str, branch: str) -> PullRequest | None:
        if project.endswith("ada"):
            raise ZeroDivisionError("as it happens")
        return find(forge, project, branch)

    monkeypatch.setattr(GitHub, "find", break_for_ada)
    requests = push(cohort, classroom, code=3)
    assert requests["bob"]["state"] == "open"
    assert "(ZeroDivisionError: as it happens)" in str(requests["ada"]["why"])


@pytest.mark.parametrize("kind", ["github"], indirect=True)
@pytest.mark.parametrize("command", [("update", "--push"), ("update", "--push", "--resume")])
def test_killed_between_push_and_request_it_is_opened_later(
    cohort: Cohort, classroom: Path, forge: Forge, kind: str, command: tuple[str, ...]
) -> None:
    forge.faults.append(Fault("/api/", delay=60, times=99))
    words = [sys.executable, "-m", "cohort", *command, "--jobs", "1", "--class", str(classroom)]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 60
    while not forge.count("/api/") and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert all(forge.has_branch(f"{PATHS[kind]}/{name}", BRANCH) for name in NAMES)
    assert not forge.pulls
    shown = cohort(classroom, "status", "--json").projects["ada"]["pull_request"]
    assert shown["state"] == "missing"
    forge.faults.clear()
    said = cohort(classroom, *command, "--json")
    assert said.code == 0 and len(forge.pulls) == 2
    assert said.projects["ada"]["pull_request"]["state"] == "open"


# ---- Places -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["github"], indirect=True)
def test_machines_that_share_a_class_share_the_limit(
    cohort: Cohort, classroom: Path, waited: list[float]
) -> None:
    write(classroom, {"class.csv": "student\nada\nx\nbob\n"})
    cohort(classroom, "update", "--push", "--part", "1/2")
    assert waited == [2.0]


@pytest.mark.parametrize("kind", ["github"], indirect=True)
def test_the_login_of_gh_is_used(
    cohort: Cohort,
    classroom: Path,
    forge: Forge,
    proxy: Proxy,
    home: Path,
    gh: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`gh auth login` to GitHub Enterprise, behind the university's proxy; git and the API by that login."""
    monkeypatch.delenv("GH_ENTERPRISE_TOKEN")
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    (home / ".gitconfig").write_text("[user]\nname = Ines\nemail = ines@example.org\n")
    settings = (classroom / "class.toml").read_text()
    host = "ghe.example.org"
    write(classroom, {"class.toml": settings.replace(forge.url, f"https://{host}")})
    login = [gh, "auth", "login", "--hostname", host, "--with-token"]
    subprocess.run(login, input=TOKEN.encode(), check=True, capture_output=True)
    subprocess.run([gh, "auth", "setup-git", "--hostname", host], check=True, capture_output=True)
    assert [one["state"] for one in push(cohort, classroom).values()] == ["open", "open"]
    assert set(proxy.asked) == {f"{host}:443"}


@pytest.mark.parametrize("kind", ["github"], indirect=True)
def test_github_as_the_pages_workflow_uses_it(
    cohort: Cohort,
    classroom: Path,
    proxy: Proxy,
    home: Path,
    gh: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """GH_TOKEN and `gh auth setup-git`, for github.com: behind this proxy that is the forge here."""
    monkeypatch.delenv("GH_ENTERPRISE_TOKEN")
    monkeypatch.setenv("GH_TOKEN", TOKEN)
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    (home / ".gitconfig").write_text("[user]\nname = Ines\nemail = ines@example.org\n")
    address = f'remote = "https://github.com/{PATHS["github"]}/{{student}}.git"'
    settings = (classroom / "class.toml").read_text()
    write(classroom, {"class.toml": re.sub("remote = .*", address, settings)})
    subprocess.run([gh, "auth", "setup-git"], check=True, capture_output=True)
    assert [one["state"] for one in push(cohort, classroom).values()] == ["open", "open"]
    assert set(proxy.asked) == {"github.com:443", "api.github.com:443"}


@pytest.mark.parametrize("kind", ["gitlab"], indirect=True)
def test_a_forge_below_the_top_of_its_host(
    cohort: Cohort, classroom: Path, forge: Forge, kind: str
) -> None:
    """https://example.edu/gitlab/uni/course/term/ada: the project's path begins after `gitlab`."""
    settings = (classroom / "class.toml").read_text().replace(forge.url, f"{forge.url}/gitlab")
    settings += f'api = "{forge.url}/gitlab/api/v4"\n'
    write(classroom, {"class.toml": settings})
    (forge.root / "gitlab").symlink_to(forge.root)
    assert [one["state"] for one in push(cohort, classroom).values()] == ["open", "open"]


def test_a_token_goes_to_no_host_that_a_student_named(
    cohort: Cohort,
    classroom: Path,
    forge: Forge,
    kind: str,
    proxy: Proxy,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Bob gave the address of a server of his own for the roster."""
    secret = "a-token-for-the-universitys-forge"
    monkeypatch.setenv(TOKENS[kind], secret)
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", "localhost")
    header = f'[http]\n\textraHeader = "Authorization: Bearer {TOKEN}"\n'
    write(home, {".gitconfig": header})
    where = f"https://gitlab.example.org/{PATHS[kind]}/bob.git"
    write(classroom, {"class.csv": f"student,repository\nbob,{where}\n"})
    requests = push(cohort, classroom, code=3)
    assert "nobody is logged in to gitlab.example.org" in str(requests["bob"]["why"])
    assert secret not in forge.tokens_seen and forge.has_branch(f"{PATHS[kind]}/bob", BRANCH)
    write(classroom, {"class.csv": "student\nada\n"})
    push(cohort, classroom, code=3)
    assert secret in forge.tokens_seen, "to the host that class.toml names it goes"


# ---- Teams ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["github"], indirect=True)
def test_a_team_is_one_job(
    cohort: Cohort, classroom: Path, forge: Forge, kind: str, tmp_path: Path
) -> None:
    """Three rows with one repository, spelt in two ways, and one of its own."""
    base = f"{forge.url}/{PATHS[kind]}"
    rows = [f"ada,{base}/ada.git", f"cem,{base}/ada", f"bob,{base}/bob.git", f"dua,{base}/ada.git/"]
    write(classroom, {"class.csv": "student,repository\n" + "\n".join(rows) + "\n"})
    forge.asked.clear()
    said = cohort(classroom, "update", "--push", "--json")
    assert said.code == 0, said.out
    assert forge.count(r"ada(\.git)?/info/refs\?service=git-upload-pack") <= 2, "one fetch"
    assert forge.count(r"POST .*git-receive-pack") == 2, "one push each"
    assert len(forge.pulls) == 2
    cem, ada = said.projects["cem"], said.projects["ada"]
    assert cem["same_as"] == said.projects["dua"]["same_as"] == "ada" and ada["same_as"] == ""
    assert cem["pull_request"] == ada["pull_request"] and cem["commit"] == ada["commit"]
    out = " ".join(cohort(classroom, "update", "--push").out.split())
    assert "2 merged cleanly" in out and "the same repository as ada" in out
    assert "Pull requests: 2 open." in out
    assert "2 of 2 repositories read, 2 behind." in cohort(classroom, "status").out
    assert cohort(classroom, "history", "dua").out.startswith("20")
    assert "2 projects" in cohort(classroom, "report", "--html", str(tmp_path / "c.html")).out
    said = cohort(classroom, "rollback", "--push", "--json")
    assert {one["state"] for one in said.projects.values()} == {"rolled back"}


def test_a_team_on_this_disk_is_one_job(cohort: Cohort, small: Path, tmp_path: Path) -> None:
    folder = make_class(tmp_path / "class", small, ["ada", "bob"])
    assert cohort(folder, "create", "--to", "v1.0.0").code == 0
    rows = "ada,students/ada\ncem,students/../students/ada/\nbob,students/bob\n"
    write(folder, {"class.csv": f"student,repository\n{rows}"})
    said = cohort(folder, "plan", "--json")
    assert said.projects["cem"]["same_as"] == "ada" and said.code == 0
    assert "2 merged cleanly. 2 branches written." in cohort(folder, "update").out
    assert cohort(folder, "update", "--part", "1/2", "--json").projects.keys() == {"ada", "cem"}


def test_the_forges_libraries_are_loaded_only_for_a_forge(
    cohort: Cohort, small: Path, tmp_path: Path
) -> None:
    folder = make_class(tmp_path / "class", small, ["ada"])
    program = (
        "import sys\nfrom cohort.cli import main\n"
        f"sys.argv = ['cohort', 'status', '--class', {str(folder)!r}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('httpx', 'truststore') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stdout + done.stderr

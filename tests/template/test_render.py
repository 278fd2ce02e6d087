"""What is rendered: exactly the files that were asked for, and each of them sound."""

import itertools
import json
import re
import tomllib
from pathlib import Path, PurePosixPath
from typing import Any

import copier
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.helpers import PROBLEMS, Render, must_run, tool
from tests.support.helpers import files_of as files

EXAMPLES = {
    "regression": "house_prices",
    "binary": "customer_churn",
    "multiclass": "student_outcomes",
}
CYCLES: dict[str, list[Any]] = {
    "ci": ["github", "gitlab", "none"],
    "license": ["mit", "bsd-3-clause", "apache-2.0", "none"],
    "torch_build": ["default", "cpu", "cuda"],
    "slurm": [False, True, False],
    "deployment": ["none", "compose", "kubernetes", "both"],
}
# Every problem with every kind of data, with and without Docker; the rest takes turns.
MATRIX: list[dict[str, Any]] = [
    {"problem": problem, "data_source": source, "docker": docker}
    | {name: choices[turn % len(choices)] for name, choices in CYCLES.items()}
    for turn, (problem, source, docker) in enumerate(
        itertools.product(PROBLEMS, ["example", "own"], [False, True])
    )
]
ALWAYS = {
    ".copier-answers.yml",
    ".editorconfig",
    ".gitattributes",
    ".gitignore",
    ".pre-commit-config.yaml",
    ".secrets.baseline",
    "README.md",
    "capstone.toml",
    "data/README.md",
    "deploy/.dockerignore",
    "deploy/Dockerfile",
    "docs/data_ethics.md",
    "docs/model_card.md",
    "notebooks/explore.ipynb",
    "notebooks/from_scratch.ipynb",
    "pyproject.toml",
    "src/my_capstone/__init__.py",
    "src/my_capstone/decisions.py",
    "src/my_capstone/features.py",
    "src/my_capstone/network.py",
    "tests/test_features.py",
}
# Texts that Hypothesis thinks of: what is tried in the default suite, and in `nox -s long`.
SUITE, LONG = 15, 0
HOSTILE = [
    "it's \"quoted\" 'twice'",
    "back\\slash \\n \\u0041 \\",
    "- leading dash",
    "# hash",
    "{{ 7*7 }} {% raw %} {# no #}",
    "Ünïcödé 日本語 עברית",
    "emoji 🏠👩‍🔬",
    "<script>alert(1)</script> &amp;",
    "100% %s %(x)s $HOME ${x} `id`",
    "key: value, [list] {map} | > & *anchor !tag @at",
    "true",
    "null",
    "0123",
    "'''\"\"\"",
    " blanks around ",
    "[link](x) **bold** _it_ ~~no~~ # | cell |",
]


def id_of(answers: dict[str, Any]) -> str:
    return "-".join(
        "docker" if value is True else str(value) for value in answers.values() if value
    )


@pytest.fixture(params=MATRIX, ids=id_of)
def answers(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = request.param
    return found


@pytest.fixture(scope="session")
def engine(template: Path) -> dict[str, bytes]:
    """Our files, the same in every project, with their bytes. None of them has Jinja in it."""
    root = template / "template"
    paths = (root / "engine").rglob("*")
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in paths
        if path.is_file() and not {"__pycache__", ".mypy_cache"} & set(path.parts)
    }


def test_the_files_are_exactly_those_asked_for(
    render: Render, engine: dict[str, bytes], answers: dict[str, Any]
) -> None:
    expected = ALWAYS | set(engine)
    if answers["data_source"] == "example":
        expected.add(f"data/raw/{EXAMPLES[answers['problem']]}.csv")
    if answers["license"] != "none":
        expected.add("LICENSE")
    if answers["docker"]:
        expected |= {"Dockerfile", ".dockerignore"}
    if answers["deployment"] in ("compose", "both"):
        expected.add("deploy/docker-compose.yml")
    if answers["deployment"] in ("kubernetes", "both"):
        expected.add("deploy/kubernetes.yaml")
    if answers["slurm"]:
        expected.add("train.sbatch")
    expected |= {"github": {".github/workflows/ci.yml"}, "gitlab": {".gitlab-ci.yml"}}.get(
        answers["ci"], set()
    )
    assert files(render(**answers)) == expected


def test_the_engine_is_the_same_in_every_project(
    render: Render, engine: dict[str, bytes], answers: dict[str, Any]
) -> None:
    project = render(**answers)
    assert engine
    for name, content in engine.items():
        assert (project / name).read_bytes() == content, name


def test_the_student_gets_the_examples_own_steps(
    render: Render, template: Path, answers: dict[str, Any]
) -> None:
    example = EXAMPLES[answers["problem"]] if answers["data_source"] == "example" else "own_table"
    source = template / "includes" / "examples" / example
    project = render(**answers)
    features = (project / "src" / "my_capstone" / "features.py").read_bytes()
    assert features == (source / "features.py").read_bytes()
    if example != "own_table":  # that one asks about people only where there are some
        datasheet = (project / "data" / "README.md").read_bytes()
        assert datasheet == (source / "datasheet.md").read_bytes()


def test_no_braces_of_the_template_are_left(
    render: Render, engine: dict[str, bytes], answers: dict[str, Any]
) -> None:
    project = render(**answers)
    for name in files(project) - set(engine):
        if name.endswith((".csv", ".ipynb")):  # copied as they are; notebooks are JSON and Python
            continue
        text = (project / name).read_text(encoding="utf-8")
        text = re.sub(r"\$\{\{.*?\}\}", "", text)  # GitHub's own
        text = re.sub(r":[^{}\n]*%\}", "}", text)  # a share in an f-string, such as {chance:.0%}
        assert not re.search(r"\{\{|\{%|\{#|#\}|%\}|\}\}", text), name


def test_text_is_utf_8_with_lf_and_one_final_newline(
    render: Render, answers: dict[str, Any]
) -> None:
    project = render(**answers)
    for name in files(project):
        content = (project / name).read_bytes()
        content.decode("utf-8")
        assert b"\r" not in content, name
        assert re.search(rb"[^\n]\n\Z", content) or not content, name
        if not name.endswith(".csv"):
            assert not re.search(rb"[ \t]\n", content), name


def test_names_can_be_written_on_every_system(render: Render, answers: dict[str, Any]) -> None:
    names = files(render(**answers))
    assert len({name.lower() for name in names}) == len(names)
    for name in names:
        assert len(name) <= 100
        for part in PurePosixPath(name).parts:
            assert re.fullmatch(r"[A-Za-z0-9._-]+", part), name
            assert not re.match(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", part, re.IGNORECASE), name
            assert part[-1] not in ". ", name


def test_data_files_can_be_parsed(render: Render, answers: dict[str, Any]) -> None:
    project = render(**answers)
    for name in files(project):
        text = (project / name).read_text(encoding="utf-8")
        if name.endswith(".toml"):
            tomllib.loads(text)
        elif name.endswith((".yml", ".yaml")):
            list(yaml.safe_load_all(text))
        elif name.endswith((".json", ".baseline")):
            json.loads(text)


def test_formatter_and_linter_have_nothing_to_say(render: Render, answers: dict[str, Any]) -> None:
    project = render(**answers)
    must_run(tool("ruff"), "format", "--check", "--no-cache", ".", cwd=project)
    must_run(tool("ruff"), "check", "--no-cache", ".", cwd=project)


@pytest.mark.parametrize("package", ["a", "d", "zz", "x" * 40])
def test_the_package_name_does_not_disturb_formatter_or_linter(
    render: Render, package: str
) -> None:
    project = render(package_name=package)
    must_run(tool("ruff"), "format", "--check", "--no-cache", ".", cwd=project)
    must_run(tool("ruff"), "check", "--no-cache", ".", cwd=project)


@pytest.mark.slow
@pytest.mark.parametrize("answers", [*({"problem": p} for p in PROBLEMS), {"data_source": "own"}])
def test_types_are_sound(
    copy_of: Render, answers: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    cache = tmp_path_factory.getbasetemp() / "mypy-cache"  # torch and pandas are read only once
    must_run(tool("mypy"), "--cache-dir", cache, cwd=copy_of(**answers))


def test_the_same_answers_give_the_same_bytes(template: Path, tmp_path: Path) -> None:
    first, other = tmp_path / "first", tmp_path / "Another Folder (2)"
    for folder in (first, other):
        copier.run_copy(str(template), folder, defaults=True, quiet=True)
    assert files(first) == files(other)
    for name in files(first):
        assert (first / name).read_bytes() == (other / name).read_bytes(), name


def texts(text: str) -> dict[str, Any]:
    """Answers with this text wherever free text is asked for."""
    column = text.replace(",", ";").strip()
    return {
        "project_name": text,
        "package_name": "my_capstone",
        "author_name": text,
        "course_name": text,
        "question": text,
        "data_source": "own",
        "target_column": text,
        "leave_out_columns": f"{column} 1, {column} 2",
        "sensitive_columns": f"{column} 3",
    }


def assert_text_is_kept(project: Path, text: str) -> None:
    """The text is read back from TOML and YAML as it was given."""
    given = texts(text)
    described = metadata(project)["project"]
    assert described["description"] == text
    assert described["authors"] == [{"name": text}]
    found = tomllib.loads((project / "capstone.toml").read_text(encoding="utf-8"))
    assert found["project"]["name"] == found["project"]["author"] == text
    assert found["project"]["question"] == found["project"]["course"] == text
    assert found["data"]["target"] == text
    assert ", ".join(found["data"]["leave_out"]) == given["leave_out_columns"].strip()
    assert ", ".join(found["data"]["sensitive"]) == given["sensitive_columns"].strip()
    remembered = yaml.safe_load((project / ".copier-answers.yml").read_text(encoding="utf-8"))
    assert {name: remembered[name] for name in given} == given


@pytest.mark.parametrize("text", HOSTILE)
def test_any_text_survives(render: Render, text: str) -> None:
    project = render(**texts(text))
    assert_text_is_kept(project, text)
    readme = (project / "README.md").read_text(encoding="utf-8")
    assert readme.startswith("# ")
    assert text.strip() in re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", readme)  # as Markdown shows it
    assert "<script>" not in readme.replace(r"\<", "")


ANY_TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Zl", "Zp", "Cn", "Cs"]),
    min_size=1,
    max_size=40,
).filter(lambda text: text.strip(" ,") and text == text.strip())


@settings(max_examples=SUITE, deadline=None, database=None)
@given(text=ANY_TEXT)
def test_no_text_is_found_that_does_not_survive(
    template: Path, tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    folder = tmp_path_factory.mktemp("text") / "project"
    answers = texts(text)
    others = ["/src", "/data", "/tests", ".*.yaml", "/.git*"]
    copier.run_copy(str(template), folder, data=answers, defaults=True, quiet=True, exclude=others)
    assert_text_is_kept(folder, text)


def metadata(project: Path) -> dict[str, Any]:
    """pyproject.toml, read."""
    return tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))


def test_a_licence_names_the_author_and_no_year(render: Render) -> None:
    for license, words in {"mit": "MIT License", "bsd-3-clause": "BSD 3-Clause License"}.items():
        text = (render(license=license, author_name="Ada L.") / "LICENSE").read_text(
            encoding="utf-8"
        )
        assert text.startswith(words)
        assert "Copyright (c) Ada L.\n" in text
        assert not re.search(r"\b20\d\d\b", text)
    apache = (render(license="apache-2.0") / "LICENSE").read_text(encoding="utf-8")
    assert "Version 2.0, January 2004" in apache
    assert len(apache.splitlines()) > 200


def test_without_a_licence_none_is_claimed(render: Render) -> None:
    metadata = tomllib.loads(
        (render(license="none") / "pyproject.toml").read_text(encoding="utf-8")
    )
    assert not {"license", "license-files"} & set(metadata["project"])


@pytest.mark.parametrize(("build", "index"), [("default", None), ("cpu", "cpu"), ("cuda", "cu130")])
def test_uv_takes_the_build_of_torch_that_was_chosen(
    render: Render, build: str, index: str | None
) -> None:
    uv = metadata(render(torch_build=build))["tool"].get("uv")
    if index is None:
        assert uv is None
    else:
        assert uv["index"][0]["url"] == f"https://download.pytorch.org/whl/{index}"
        assert uv["index"][0]["explicit"] is True
        assert uv["sources"]["torch"]["index"] == uv["index"][0]["name"]


def test_the_e_mail_address_is_written_when_given(render: Render) -> None:
    project = render(author_email="ada@example.org")
    assert metadata(project)["project"]["authors"][0]["email"] == "ada@example.org"

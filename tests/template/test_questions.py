"""The questions: few, answered by Enter, and what can't be is refused in plain words."""

import importlib.metadata
import keyword
import sys
import tomllib
from pathlib import Path
from typing import Any

import copier
import pytest
import yaml

from tests.support.helpers import ROOT, Render

QUESTIONS: dict[str, Any] = {
    name: question
    for name, question in yaml.safe_load((ROOT / "copier.yml").read_text(encoding="utf-8")).items()
    if not name.startswith("_")
}
ASKED = {
    name: question for name, question in QUESTIONS.items() if question.get("when") is not False
}
RESERVED = (
    (ROOT / "includes" / "questions" / "reserved_names.txt").read_text(encoding="utf-8").split()
)
OWN = {"data_source": "own"}


def test_nothing_in_the_template_needs_trust() -> None:
    config = yaml.safe_load((ROOT / "copier.yml").read_text(encoding="utf-8"))
    assert not {"_tasks", "_migrations", "_jinja_extensions"} & set(config)


@pytest.mark.parametrize("name", ASKED)
def test_every_question_is_a_sentence_with_a_default(name: str) -> None:
    question = ASKED[name]
    assert "default" in question
    assert "?" in question["help"]
    assert question["help"].rstrip()[-1] in ".?"


def test_an_own_table_brings_no_question_that_capstone_use_asks_better() -> None:
    """Without "Show all options" a project with an own table is asked what every other one is asked."""
    own = [question for question in ASKED.values() if "own" in str(question.get("when", ""))]
    assert len(own) == 5
    assert all("(show_all or" in question["when"] for question in own)


def test_it_is_said_once_what_typing_does_to_an_answer_that_stands_there() -> None:
    config = yaml.safe_load((ROOT / "copier.yml").read_text(encoding="utf-8"))
    said = config["_message_before_copy"]
    assert "Enter takes it" in said and "added to its end" in said and "Ctrl+U" in said


def test_only_a_few_questions_are_asked_of_everyone() -> None:
    for_everyone = [name for name, question in ASKED.items() if "when" not in question]
    assert len(for_everyone) <= 8


@pytest.mark.parametrize(
    ("title", "package"),
    [
        ("My Capstone", "my_capstone"),
        ("Ärger mit Öl & Größe", "aerger_mit_oel_groesse"),
        ("Prévision des loyers", "prevision_des_loyers"),
        ("2026: a space house", "project_2026_a_space_house"),
        ("  a--b__c!  ", "a_b_c"),
        ("torch", "torch_project"),
        ("Con", "con_project"),
        ("日本の家", "my_capstone"),
        ("🏠", "my_capstone"),
        ("{{ 7*7 }}", "project_7_7"),
        ("x" * 70, "x" * 32),
        ("A study of how people move between cities", "a_study_of_how_people_move"),
        ("Wer kündigt? Abwanderung bei Mobilfunk", "wer_kuendigt_abwanderung_bei"),
    ],
)
def test_the_package_name_comes_from_the_title(render: Render, title: str, package: str) -> None:
    assert (render(project_name=title) / "src" / package / "features.py").is_file()


def test_no_package_name_of_python_or_a_library_can_be_taken() -> None:
    lowercase = {name for name in sys.stdlib_module_names if name.islower() and name[0] != "_"}
    lowercase |= {word for word in [*keyword.kwlist, *keyword.softkwlist] if word.islower()}
    assert lowercase - {"_"} <= set(RESERVED)


def test_no_package_name_of_a_dependency_can_be_taken(render: Render) -> None:
    project = tomllib.loads((render() / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["dev"]
    names = {line.split("~")[0].split("=")[0].lower().replace("-", "_") for line in wanted}
    modules = importlib.metadata.packages_distributions()
    imported = {
        module
        for module, owners in modules.items()
        if {owner.lower().replace("-", "_") for owner in owners} & names
        and module.isidentifier()
        and module.islower()
        and module[0] != "_"
    }
    assert names | imported <= set(RESERVED)


REFUSED = [
    ({"project_name": ""}, "can't be empty"),
    ({"project_name": "   "}, "can't be empty"),
    ({"project_name": "two\nlines"}, "Write it on one line"),
    ({"project_name": "a\u2028b"}, "Write it on one line"),
    ({"project_name": "bell\x07"}, "Write it on one line"),
    ({"project_name": "half \ud800"}, "Write it on one line"),
    ({"project_name": "turned \u202e round"}, "Write it on one line"),
    ({"project_name": "x" * 81}, "81 characters long; keep it to 80"),
    ({"question": "x" * 501}, "keep it to 500"),
    ({"author_name": "\t"}, "can't be empty"),
    ({"author_email": "nobody"}, "does not look like an e-mail address"),
    ({"author_email": "a b@example.org"}, "does not look like an e-mail address"),
    ({"author_email": '"x"@example.org'}, "does not look like an e-mail address"),
    ({"seed": -1}, "whole number from 0 to 4294967295"),
    ({"seed": 2**32}, "whole number from 0 to 4294967295"),
    ({"seed": "007"}, "whole number from 0 to 4294967295"),
    ({"seed": "many"}, "whole number from 0 to 4294967295"),
    *(
        ({"package_name": name}, "Use small letters, digits and single underscores")
        for name in (
            "",
            "My_Capstone",
            "my-capstone",
            "my capstone",
            "1st",
            "_x",
            "x_",
            "a__b",
            "ä",
            "a\n",
        )
    ),
    ({"package_name": "ä"}, "Use small letters"),
    ({"package_name": "a\n"}, "Use small letters"),
    *(
        ({"package_name": name}, "Taken by Python, a library")
        for name in ("class", "match", "test", "tests", "json", "torch", "sklearn", "scikit_learn")
    ),
    *(
        ({"package_name": name}, "Taken by Python, a library")
        for name in ("capstone", "src", "data", "runs", "con", "nul", "com1", "lpt9", "mlflow")
    ),
    ({"package_name": "x" * 41}, "keep it to 40"),
    ({**OWN, "data_path": ""}, "can't be empty"),
    *(
        ({**OWN, "data_path": path}, "must lie inside the project")
        for path in ("/etc/passwd", "../x.csv", "data/../../x.csv", "C:/x.csv", "~/x.csv", "..")
    ),
    *(
        ({**OWN, "data_path": f"data/raw/my_table.csv{typed}"}, "looks like two paths")
        for typed in ("data/raw/x.csv", "/home/me/x.csv", "C:\\x.xlsx", "x.parquet", " y.csv")
    ),
    ({**OWN, "data_path": "data\\raw\\x.csv"}, "forward slashes: data/raw/x.csv"),
    *(
        ({**OWN, "data_path": path}, "Not every system can use this path")
        for path in (
            "data/a:b.csv",
            "data/what?.csv",
            "data/NUL.csv",
            "data/x. /y",
            "-rf",
            "a//b",
            "a`b",
        )
    ),
    ({**OWN, "data_path": "d/" * 50 + "x"}, "keep it to 100"),
    ({**OWN, "target_column": " "}, "can't be empty"),
    ({**OWN, "leave_out_columns": "a,,b"}, "a comma too many"),
    ({**OWN, "leave_out_columns": "a,"}, "a comma too many"),
    ({**OWN, "leave_out_columns": "a, b, a"}, '"a" is named twice'),
    ({**OWN, "target_column": "y", "leave_out_columns": "x, y"}, '"y" is the column to predict'),
    ({**OWN, "target_column": "y", "sensitive_columns": "y"}, '"y" is the column to predict'),
    (
        {**OWN, "leave_out_columns": "a", "sensitive_columns": "b,a"},
        '"a" is already among the columns',
    ),
    ({"problem": "clustering"}, "Invalid choice"),
]


@pytest.mark.parametrize(("answers", "words"), REFUSED, ids=lambda value: ascii(value)[:60])
def test_what_cannot_be_is_refused(
    template: Path, tmp_path: Path, answers: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError) as refusal:
        copier.run_copy(str(template), tmp_path / "p", data=answers, defaults=True, quiet=True)
    assert words in str(refusal.value)
    assert not (tmp_path / "p").exists()


def test_a_choice_given_once_is_remembered_without_show_all(render: Render) -> None:
    answers = (render(license="none", seed=7) / ".copier-answers.yml").read_text(encoding="utf-8")
    assert yaml.safe_load(answers)["license"] == "none"
    assert yaml.safe_load(answers)["seed"] == "7"

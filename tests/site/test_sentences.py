"""Commands inside the sentences of the READMEs and of the site are run by tests, as those in blocks are."""

import itertools
import re
import shlex

import pytest

from tests.site.test_site_commands import ELSEWHERE, PAGES, exists, lines_of, page
from tests.support.helpers import ROOT, Render
from tests.template.test_readme import blocks, readme_of

TOOLS = (
    "capstone|cohort|copier|gh|git|nox|pip|pipx|pytest|python3?|sbatch|tensorboard|torchrun|uvx?"
)
BENCH = "nox -s bench -- "
# What runs each command that stands in no block; the text before the first word in capitals or quotes is enough.
RUN_BY = {
    "capstone --help": "engine/test_engine.py::test_help_imports_no_heavy_library",
    "capstone check --final": "engine/checks/test_cards.py::test_a_project_in_which_everything_is_done_passes",
    "capstone check --json > ada.json": "cohort/commands/test_class.py::test_the_report_shows_what_students_committed",
    "capstone run --resume": "engine/training/test_resume.py::test_resumed_training_gives_the_bits_of_a_whole_one",
    "capstone run --seeds": "engine/commands/test_seeds.py::test_several_seeds_make_one_table",
    "capstone use": "engine/drafts/test_use.py::test_one_command_more_and_there_is_a_run",
    "cohort adopt": "cohort/commands/test_class.py::test_a_lost_answers_file_is_made_again",
    "cohort history": "cohort/projects/test_faults.py::test_history_says_what_was_done",
    "cohort report --checks": "cohort/commands/test_class.py::test_the_report_shows_what_students_committed",
    "cohort rollback": "cohort/projects/test_update.py::test_rollback_deletes_what_update_made",
    "cohort verify": "cohort/commands/test_class.py::test_verify_notices_a_changed_branch",
    "cohort update --markers": "cohort/projects/test_update.py::test_markers_come_only_on_request",
    "copier copy --d": "template/test_render.py::test_the_files_are_exactly_those_asked_for",
    "copier update": "template/test_update.py::test_an_update_gives_what_a_fresh_copy_gives",
    "gh auth login": "cohort/forge/test_pull_requests.py::test_the_login_of_gh_is_used",
    "gh auth setup-git": "cohort/git/test_network.py::test_what_gh_has_set_up_is_used",
    "git checkout --ours": "template/test_update.py::test_a_conflict_is_resolved_as_the_page_says",
    "git checkout --theirs": "template/test_update.py::test_a_conflict_is_resolved_as_the_page_says",
    "git diff docs/": (
        "engine/checks/test_cards.py::test_a_clone_without_runs_says_what_to_do_and_is_satisfied_by_running_again"
    ),
    "git diff --name-only --diff-filter=U": "template/test_update.py::test_a_conflict_is_resolved_as_the_page_says",
    "git reset --hard": "template/test_update.py::test_a_conflict_is_resolved_as_the_page_says",
    "git merge template/": "cohort/projects/test_update.py::test_once_merged_the_project_is_up_to_date",
    "nox -s pictures": "site/test_pictures.py::test_no_picture_is_older_than_what_it_shows",
    "nox -s record": "template/test_update.py::test_a_project_of_a_recorded_release_becomes_as_a_fresh_one",
    'pip install -e ".[dev]"': "template/test_readme.py::test_with_pip_every_command_works_as_written",
    'python -m pip install -e ".[dev]" --extra-index-url': (
        "template/test_readme.py::test_pip_finds_torch_where_the_readme_says"
    ),
    'python -m pip install -e ".[tracking]"': "template/test_readme.py::test_with_pip_every_command_works_as_written",
    "python -X importtime -m capstone --help": "engine/test_engine.py::test_help_imports_no_heavy_library",
    "python -m pip install copier": "template/test_render.py::test_the_files_are_exactly_those_asked_for",
    "python -m nox -s docs": "site/test_site.py::test_every_link_leads_somewhere",
    "python -m site_tools.links": "site/test_site.py::test_every_link_leads_somewhere",
    "sbatch train.sbatch": "engine/training/test_processes.py::test_the_script_for_a_cluster_starts_training",
    "tensorboard --logdir runs/tensorboard": (
        "engine/commands/test_tracking.py::test_tensorboard_reads_what_was_logged_for_it"
    ),
    "uv sync --extra tracking": "template/test_readme.py::test_with_uv_one_command_sets_everything_up",
    "uv run capstone run": "template/test_readme.py::test_with_uv_one_command_sets_everything_up",
    'uvx --from "capstone-template @ git+': (
        "site/test_site_commands.py::test_pip_installs_cohort_from_the_templates_address"
    ),
    'uv tool install "capstone-template @ git+': (
        "site/test_site_commands.py::test_pip_installs_cohort_from_the_templates_address"
    ),
    'uvx "mlflow~=': "engine/commands/test_tracking.py::test_the_pages_of_mlflow_open_as_the_readme_says",
    'pipx run "mlflow~=': "engine/commands/test_tracking.py::test_the_pages_of_mlflow_open_as_the_readme_says",
    "uv pip compile": "engine/export/test_deployment.py::test_hashes_are_written_by_the_line_of_the_page",
    "pipx run copier update": "template/test_update.py::test_an_update_gives_what_a_fresh_copy_gives",
    "torchrun --nproc-per-node 2 -m capstone run": (
        "engine/training/test_processes.py::test_two_processes_learn_what_one_does"
    ),
}
# Parts of other tools that a page speaks of; no reader is to type them.
NAMED_ONLY = {
    *("gh repo create my-class/ada --private", "git fetch"),
    *("copier check-update", "git cat-file", "git diff-tree", "git fast-import", "git merge-tree"),
    *("uv add", "uv sync", "uv sync --extra"),
}


def commands_in(text: str) -> set[str]:
    """Commands between single backticks, and those of text blocks."""
    prose = re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)
    found = set(re.findall(rf"`((?:{TOOLS}) [^`\n=]*(?: [^`\n]*)?)`", prose))
    for block in re.findall(r"^ *```text\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL):
        lines = [re.sub(r"\s+# .*$", "", line).strip() for line in block.splitlines()]
        found |= {line for line in lines if re.match(rf"({TOOLS}) ", line)}
    return found


@pytest.fixture(scope="module")
def texts(render: Render) -> dict[str, str]:
    """Every page of ours: the site's, both READMEs, and the page for contributors."""
    ours = {
        name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "CONTRIBUTING.md")
    }
    return {
        **{name: page(name) for name in PAGES},
        **ours,
        "the student's README and guide": readme_of(render(docker=True, slurm=True)),
    }


def test_each_command_is_run_by_a_test(texts: dict[str, str]) -> None:
    in_blocks = {line for text in texts.values() for line in lines_of(text)} | set(ELSEWHERE)
    in_blocks |= set("".join(blocks(texts["the student's README and guide"], "bash")).splitlines())
    untested = {
        f"{name}: {command}"
        for name, text in texts.items()
        for command in commands_in(text)
        if not command.startswith((BENCH, *RUN_BY))
        and command not in NAMED_ONLY
        and not command.startswith("pytest ")
        # "capstone data" in a sentence names what a block runs, perhaps with more behind it.
        if not any(line == command or line.startswith(f"{command} ") for line in in_blocks)
    }
    assert not untested, "\n".join(sorted(untested))


def test_the_commands_that_are_looked_for_are_found(texts: dict[str, str]) -> None:
    found = {command for text in texts.values() for command in commands_in(text)}
    unused = [start for start in RUN_BY if not any(command.startswith(start) for command in found)]
    assert unused == [] and len(found) > 60


@pytest.mark.parametrize("where", sorted(set(RUN_BY.values())))
def test_the_tests_that_are_named_exist(where: str) -> None:
    assert exists(where)


def test_the_tests_that_a_page_names_exist(texts: dict[str, str]) -> None:
    named = [c for text in texts.values() for c in commands_in(text) if c.startswith("pytest ")]
    files = {word for line in named for word in shlex.split(line) if word.endswith(".py")}
    assert len(files) >= 3
    assert [name for name in files if not (ROOT / name).is_file()] == []
    for line in named:
        for chosen in re.findall(r"-k (\w+)", line):
            assert chosen in "".join((ROOT / name).read_text("utf-8") for name in files), line


def test_each_benchmark_takes_the_words_that_a_page_gives_it(texts: dict[str, str]) -> None:
    """By the benchmark's source, for its peers are not installed where the tests run."""
    given = {c for text in texts.values() for c in commands_in(text) if c.startswith(BENCH)}
    given |= {line for text in texts.values() for line in lines_of(text) if line.startswith(BENCH)}
    assert len(given) > 5
    for line in sorted(given):
        words = shlex.split(line.removeprefix(BENCH))
        sources = [ROOT / "benchmarks" / f"bench_{word}.py" for word in words]
        source = "".join(path.read_text(encoding="utf-8") for path in sources if path.is_file())
        assert source, line
        for word in words:
            if word.startswith("--"):
                assert re.search(rf'add_argument\(\s*"{word}"', source), f"{line}: no {word}"
        if "--tables" in words:
            tables = itertools.takewhile(
                lambda word: not word.startswith("-"), words[words.index("--tables") + 1 :]
            )
            assert [name for name in tables if f'"{name}"' not in source] == [], line

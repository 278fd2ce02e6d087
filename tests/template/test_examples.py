"""The bundled examples: tables are as their datasheets say, the two doors keep their promises."""

import ast
import importlib
import re
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from includes.examples.customer_churn import generate as churn
from includes.examples.house_prices import generate as houses
from includes.examples.student_outcomes import generate as students
from includes.examples.tables import RAW, as_csv
from tests.support.helpers import PROBLEMS, ROOT, Render

EXAMPLES = {"house_prices": houses, "customer_churn": churn, "student_outcomes": students}
SECTIONS = ["Motivation", "Composition", "Collection process", "Preprocessing", "Uses"]
SECTIONS += ["Distribution", "Maintenance"]

BLIND = [  # what a model that does not see the group gets wrong, and in which group
    ("house_prices", None, "Riverside"),
    ("customer_churn", "yes", churn.SENIORS),
    ("student_outcomes", "dropout", "yes"),
]

each_example = pytest.mark.parametrize("name", EXAMPLES)


def raw(name: str) -> pd.DataFrame:
    """The table as the pipeline reads it: the index is the row's number."""
    return pd.read_csv(RAW / f"{name}.csv").rename_axis("row")


def doors(name: str) -> ModuleType:
    """features.py of an example, with clean() and engineer()."""
    return importlib.import_module(f"includes.examples.{name}.features")


def datasheet(name: str) -> str:
    return (ROOT / "includes" / "examples" / name / "datasheet.md").read_text(encoding="utf-8")


def role(name: str, what: str) -> str:
    """The column that the datasheet calls the "id", "sensitive", the "target" or "pure noise"."""
    found = re.search(rf"^[|*]+ ?`(\w+)`.*\b{what}\b", datasheet(name), re.MULTILINE)
    assert found, what
    return found[1]


def counted(name: str, cells: str) -> dict[str, int]:
    """What the datasheet counts: {the row's other cells: its last cell}."""
    found = re.finditer(rf"^\| ({cells}) \| (\d+) \|$", datasheet(name), re.MULTILINE)
    return {row[1]: int(row[2]) for row in found}


def cleaned(name: str) -> pd.DataFrame:
    """After clean(), without copies: [data] drop_copies leaves them out in a run."""
    return doors(name).clean(raw(name)).drop_duplicates()


@each_example
def test_the_generator_makes_the_bundled_file_byte_for_byte(name: str) -> None:
    made = as_csv(EXAMPLES[name].make_table())
    assert made == (RAW / f"{name}.csv").read_bytes()
    assert b"\r" not in made
    assert len(made) < 400_000


@each_example
def test_the_columns_are_those_of_the_datasheet(name: str) -> None:
    table = raw(name)
    meanings = datasheet(name).split("| Column |")[1].split("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", meanings, re.MULTILINE) == list(table)
    assert 10 <= table.shape[1] <= 14
    assert f"{len(table):,} rows, of which {EXAMPLES[name].ROWS:,} are" in datasheet(name)


@each_example
def test_every_fault_is_counted_in_the_datasheet(name: str) -> None:
    table = raw(name)
    copies = table.duplicated()
    once, mended = table[~copies], cleaned(name)
    faults = {"exact copy | all": copies.sum()}
    for column in table:
        missing, now_missing = once[column].isna(), mended[column].isna()
        respelled = (once[column] != mended[column]) & ~now_missing
        faults[f"missing | `{column}`"] = missing.sum()
        faults[f"impossible | `{column}`"] = (now_missing & ~missing).sum()
        faults[f"other spelling | `{column}`"] = respelled.sum()
    there = {fault: rows for fault, rows in faults.items() if rows}
    assert there == counted(name, r"(?:missing|impossible|other spelling|exact copy) \| \S+")
    assert len({fault.split(" |")[0] for fault in there}) == 4  # every kind is there
    assert 0.01 < copies.mean() < 0.02


@each_example
def test_groups_and_classes_are_as_large_as_the_datasheet_says(name: str) -> None:
    table = cleaned(name)
    groups = table[role(name, "sensitive")].value_counts()
    assert counted(name, "|".join(groups.index)) == groups.to_dict()
    assert groups.min() >= 150
    if name != "house_prices":
        classes = table[role(name, "target")].value_counts()
        assert all(f"{label} ({rows:,}" in datasheet(name) for label, rows in classes.items())
        assert classes.min() > 0.2 * len(table)


@each_example
def test_a_table_holds_an_id_a_boolean_a_date_and_a_rare_category(name: str) -> None:
    table = cleaned(name)
    assert table[role(name, "id")].is_unique
    assert table[role(name, "target")].notna().all()
    assert (table.dtypes == "bool").sum() == 1
    assert table[role(name, "date")].str.fullmatch(r"\d{4}-\d\d-\d\d").all()
    few = [table[column].value_counts(normalize=True) for column in table]
    assert min(shares.min() for shares in few if len(shares) < 10) < 0.02


def test_houses_in_riverside_cost_less_and_vary_more_at_equal_features() -> None:
    house = cleaned("house_prices").dropna()
    noise = (house["price"] / houses.fair_price(house)).apply(np.log)
    by_district = noise.groupby(house["district"])
    mean, spread = by_district.mean(), by_district.std()
    assert mean.pop("Riverside") == pytest.approx(np.log(1 - houses.DISCOUNT), abs=0.03)
    assert spread.pop("Riverside") == pytest.approx(houses.DISCOUNT_NOISE, rel=0.1)
    assert mean.to_list() == pytest.approx([0, 0, 0, 0], abs=0.02)
    assert spread.to_list() == pytest.approx([houses.NOISE] * 4, rel=0.1)
    assert f"price is {houses.DISCOUNT * 100:g}% lower at equal" in datasheet("house_prices")


def test_seniors_churn_more_at_equal_features() -> None:
    customer = cleaned("customer_churn").dropna()
    truth, senior = churn.fair_log_odds(customer), customer["age_group"] == churn.SENIORS
    slope, planted = log_odds_of(customer["churned"] == "yes", truth, senior)
    assert slope == pytest.approx(1, abs=0.1)
    assert planted == pytest.approx(churn.SENIOR_LOG_ODDS, abs=0.25)
    assert f"get {churn.SENIOR_LOG_ODDS} more at equal features" in datasheet("customer_churn")


@pytest.mark.parametrize("better", [["pass", "distinction"], ["distinction"]])
def test_first_generation_students_fare_worse_at_equal_features(better: list[str]) -> None:
    student = cleaned("student_outcomes").dropna()
    truth, first = students.fair_score(student), student["first_generation"] == "yes"
    slope, planted = log_odds_of(student["outcome"].isin(better), truth, first)
    assert slope == pytest.approx(1 / students.NOISE, rel=0.1)
    loss = students.FIRST_GENERATION_LOSS
    assert planted / slope == pytest.approx(-loss, abs=0.1)
    assert f"get {loss} less at equal features" in datasheet("student_outcomes")


def log_odds_of(happens: pd.Series, truth: pd.Series, group: pd.Series) -> np.ndarray:
    """How much one unit of the truth, and belonging to the group, add to the log-odds."""
    return LogisticRegression(C=np.inf).fit(np.column_stack([truth, group]), happens).coef_[0]


@pytest.mark.parametrize(("name", "label", "group"), BLIND)
def test_a_model_blind_to_the_group_errs_there(name: str, label: str | None, group: str) -> None:
    table = doors(name).engineer(cleaned(name))
    target = table[role(name, "target")]
    truth = (target if label is None else target == label).astype(float)
    hidden = [role(name, what) for what in ("id", "date", "sensitive", "target")]
    inputs = pd.get_dummies(table.drop(columns=hidden))
    learnt, tested = train_test_split(table.index, test_size=0.2, random_state=0)
    model = HistGradientBoostingRegressor(max_leaf_nodes=8, learning_rate=0.05)
    predicted = model.fit(inputs.loc[learnt], truth[learnt]).predict(inputs.loc[tested])
    errors = (predicted - truth[tested]).groupby(table[role(name, "sensitive")]).mean().abs()
    assert errors.idxmax() == group
    assert errors[group] > 0.1 * truth.std()


@each_example
def test_the_noise_column_tells_nothing(name: str) -> None:
    table = cleaned(name)
    answers = pd.get_dummies(table[[role(name, "target")]], dtype=float)
    correlations = answers.corrwith(table[role(name, "pure noise")])
    assert correlations.abs().max() < 2 / np.sqrt(len(table))  # what chance alone gives


@each_example
def test_clean_leaves_nothing_to_mend(name: str) -> None:
    table = cleaned(name)
    assert not (table.select_dtypes("number") < 0).any(axis=None)
    for words in (table[column].dropna() for column in table if table[column].dtype == "str"):
        assert words.nunique() == words.str.strip().str.lower().nunique()
    assert doors(name).clean(table).equals(table)


@each_example
@pytest.mark.parametrize("own", [False, True], ids=["its own doors", "the doors for any table"])
def test_the_doors_keep_row_numbers_and_leave_their_input_alone(name: str, own: bool) -> None:
    room = doors("own_table" if own else name)
    for table in as_new_data_may_come(name, raw(name)):
        for step in (room.clean, room.engineer):
            before = table.copy()
            result = step(table)
            assert table.equals(before) and list(table) == list(before)
            assert result.index.name == "row"
            assert result.index.isin(table.index).all() and result.index.is_unique
            assert set(table) <= set(result)
            table = result


def as_new_data_may_come(name: str, table: pd.DataFrame) -> list[pd.DataFrame]:
    """The whole table, no target, features alone, one row, and every word missing."""
    hidden = [role(name, what) for what in ("target", "id", "sensitive")]
    wordless = table.assign(**{str(c): np.nan for c in table if table[c].dtype == "str"})
    return [table, table.drop(columns=hidden[0]), table.drop(columns=hidden), table[:1], wordless]


@each_example
def test_engineer_adds_finite_columns_made_from_the_row_alone(name: str) -> None:
    before = cleaned(name)
    after = doors(name).engineer(before)
    new = after.drop(columns=list(before))
    assert new.shape[1] >= 2 and np.isfinite(new.dropna()).all(axis=None)
    some = before.sample(50, random_state=0)  # the rest of the table makes no difference
    assert doors(name).engineer(some).equals(after.loc[some.index])


def test_the_doors_for_any_table_mend_what_is_safe_to_mend() -> None:
    table = pd.DataFrame({"word": ["a", " a ", "  ", "b"], "number": [1, 1, 2, 3]})
    mended = doors("own_table").clean(table.rename_axis("row"))
    assert mended["word"].dropna().to_list() == ["a", "a", "b"]
    assert mended["number"].equals(table["number"])


@pytest.mark.parametrize("name", [*EXAMPLES, "own_table"])
def test_a_datasheet_has_the_seven_sections_and_no_jinja_but_on_people(name: str) -> None:
    text = datasheet(name)
    assert re.findall(r"^## \d\. (.+)$", text, re.MULTILINE) == SECTIONS
    assert re.search(r"\S\n\Z", text)
    # Of an own table, the questions on people are asked only where it is about people.
    jinja = {"{%- if about_people %}", "{%- endif %}"} if name == "own_table" else set()
    assert set(re.findall(r"\{[{%#].*", text)) == jinja
    assert ("[More Information Needed]" in text) == (name == "own_table")
    assert ("This table is synthetic" in text) == (name != "own_table")


@pytest.mark.parametrize(("problem", "name"), [*zip(PROBLEMS, EXAMPLES, strict=True)])
def test_a_project_gets_the_datasheet_and_the_doors_of_its_example(
    render: Render, problem: str, name: str
) -> None:
    own = render(problem=problem, data_source="own")
    for project, example in [(render(problem=problem), name), (own, "own_table")]:
        ours = ROOT / "includes" / "examples" / example
        features = project / "src" / "my_capstone" / "features.py"
        assert features.read_bytes() == (ours / "features.py").read_bytes()
        given = (project / "data" / "README.md").read_text(encoding="utf-8")
        assert given == re.sub(r"\n\{%.*", "", datasheet(example))


def test_the_questions_on_people_are_asked_only_where_there_are_people(render: Render) -> None:
    asked = {}
    for people in (True, False):
        project = render(data_source="own", about_people=people)
        asked[people] = (project / "data" / "README.md").read_text(encoding="utf-8").splitlines()
    more = [line for line in asked[True] if line not in asked[False]]
    assert len(set(asked[False]) - set(asked[True])) == 0
    assert sum("?" in line for line in more) == 4
    assert any("did they agree" in line for line in more)


def test_the_doors_of_all_examples_explain_themselves_in_the_same_words() -> None:
    """A student reads one of them: no jinja puts a shared text into a file that is linted as it lies."""
    files = (ROOT / "includes" / "examples").glob("*/features.py")
    texts = [ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "" for path in files]
    same = {re.sub(r"without (a|an|the) \w+, for", "without it, for", text) for text in texts}
    assert len(texts) == 4 and len(same) == 1

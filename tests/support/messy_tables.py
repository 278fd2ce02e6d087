"""Tables as people send them, from many countries: each with what a first look has to find out about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

ROWS = 160


@dataclass(frozen=True)
class Expected:
    """What `capstone use` has to suggest, and what `clean()` has to make of the table."""

    target: str
    problem: str
    positive: str = ""
    id: str = ""
    left_out: tuple[str, ...] = ()
    sensitive: tuple[str, ...] = ()
    numbers: dict[str, float] = field(default_factory=dict)  # a column's first value after clean()
    classes: dict[str, set[str]] = field(
        default_factory=dict
    )  # a column's categories after clean()


@dataclass(frozen=True)
class Messy:
    """A table, how it is written to a file, and what is expected of it."""

    table: pd.DataFrame
    expected: Expected
    sep: str = ","
    encoding: str = "utf-8"

    def write(self, folder: Path, name: str) -> Path:
        """The file, as someone downloads it."""
        path = folder / f"{name}.csv"
        self.table.to_csv(path, sep=self.sep, index=False, encoding=self.encoding)
        return path


class Chance:
    """Random columns, the same for every test."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)

    def numbers(self, low: float, high: float) -> np.ndarray:
        return self.random.uniform(low, high, ROWS)

    def whole(self, low: int, high: int) -> np.ndarray:
        return self.random.integers(low, high, ROWS)

    def words(self, *words: str) -> np.ndarray:
        """Each at random, the earlier ones more often."""
        return np.array(words, dtype=object)[self.places(len(words))]

    def places(self, many: int) -> np.ndarray:
        weights = 0.5 ** np.arange(many)
        return self.random.choice(many, ROWS, p=weights / weights.sum())

    def answers(self, signal: np.ndarray, yes: list[str], no: list[str]) -> list[str]:
        """Yes where the signal is large and chance agrees, each spelt in one of several ways."""
        is_yes = signal + self.random.normal(0, signal.std(), ROWS) > np.quantile(signal, 0.7)
        ways = {True: self.places(len(yes)), False: self.places(len(no))}
        return [(yes if one else no)[ways[bool(one)][i]] for i, one in enumerate(is_yes)]

    def some(self, column: list[str], other: str, every: int = 9) -> list[str]:
        """The same with a word in every ninth cell, but not in the first."""
        return [other if i and i % every == 0 else text for i, text in enumerate(column)]

    def days(self, form: str) -> list[str]:
        days = pd.Timestamp("2021-01-13") + pd.to_timedelta(self.whole(0, 900), unit="D")
        return list(days.strftime(form))


def german(value: float) -> str:
    """1.986,90"""
    return f"{value:,.2f}".translate(str.maketrans(",.", ".,"))


def germany() -> Messy:
    chance = Chance(1)
    months, sales = chance.whole(1, 72), chance.numbers(300, 2500)
    table = pd.DataFrame(
        {
            "Kundennr": [f"K{100 + i}" for i in range(ROWS)],
            "Umsatz": ["1.986,90", *map(german, sales[1:])],
            "Gebühr": chance.some([f"€ {v:.2f}" for v in chance.numbers(1, 9)], "k.A."),
            "Rabatt": [f"{v} %" for v in chance.whole(0, 40)],
            "Laufzeit": months,
            "Alter": np.where(np.arange(ROWS) % 20 == 3, 999, chance.whole(18, 85)),
            "Geschlecht": chance.words("m", "w", "d", "W"),
            "gekündigt": chance.answers(
                -months, ["ja", "Ja", "JA", "j"], ["nein", "nein", "Nein", "N"]
            ),
        }
    )
    expected = Expected(
        *("gekündigt", "binary", "ja", "Kundennr"),
        sensitive=("Alter", "Geschlecht"),
        numbers={"Umsatz": 1986.9},
        classes={"gekündigt": {"ja", "nein"}, "Geschlecht": {"m", "w", "d"}},
    )
    return Messy(table, expected, ";", "cp1252")


def france() -> Messy:
    chance = Chance(2)
    area = chance.numbers(15, 120)
    rent = area * 14 + chance.numbers(-80, 80)
    table = pd.DataFrame(
        {
            "surface": [f"{v:.1f}".replace(".", ",") for v in area],
            "ville": chance.some(
                list(chance.words("Lyon", "lyon ", "Nîmes", "Nimes")), "non renseigné"
            ),
            "meublé": chance.words("oui", "Oui", "non"),
            "loyer": [
                "1\u202f234,50 €",
                *(f"{v:,.2f} €".replace(",", "\u202f").replace(".", ",") for v in rent[1:]),
            ],
        }
    )
    expected = Expected(
        "loyer", "regression", numbers={"loyer": 1234.5}, classes={"meublé": {"oui", "non"}}
    )
    return Messy(table, expected, ";")


def united_states() -> Messy:
    chance = Chance(3)
    area = chance.whole(500, 4000)
    price = area * 210 + chance.numbers(-9e4, 9e4)
    table = pd.DataFrame(
        {
            "HouseID": [f"H{i:04d}" for i in range(ROWS)],
            "SqFt": ["1,204", *(f"{v:,}" for v in area[1:])],
            "Pool": chance.words("Yes", "No", "Y", "N"),
            "ListDate": chance.days("%m/%d/%Y"),
            "YearBuilt": np.where(np.arange(ROWS) % 30 == 4, 9999, chance.whole(1900, 2021)),
            "Price": ["$254,300.00", *(f"${v:,.2f}" for v in price[1:])],
        }
    )
    expected = Expected(
        *("Price", "regression", "", "HouseID"),
        numbers={"Price": 254300.0, "SqFt": 1204.0},
        classes={"Pool": {"Yes", "No"}},
    )
    return Messy(table, expected)


def switzerland() -> Messy:
    chance = Chance(4)
    years = chance.whole(0, 30)
    salary = 60_000 + years * 2100 + chance.numbers(-9000, 9000)
    table = pd.DataFrame(
        {
            "Dienstjahre": years,
            "Kanton": chance.words("ZH", "BE", "VD"),
            "Salary": ["CHF 61'200.50", *(f"CHF {v:,.2f}".replace(",", "'") for v in salary[1:])],
        }
    )
    return Messy(table, Expected("Salary", "regression", numbers={"Salary": 61200.5}), ";")


def brazil() -> Messy:
    chance = Chance(5)
    fee = chance.numbers(20, 4000)
    table = pd.DataFrame(
        {
            "mensalidade": ["R$ 1.234,56", *(f"R$ {german(v)}" for v in fee[1:])],
            "sexo": chance.words("F", "M"),
            "plano": chance.some(list(chance.words("básico", "Basico", "ouro")), "não informado"),
            "cancelado": chance.answers(fee, ["sim", "Sim"], ["não", "nao", "NÃO"]),
        }
    )
    expected = Expected(
        *("cancelado", "binary", "sim"),
        sensitive=("sexo",),
        numbers={"mensalidade": 1234.56},
        classes={"cancelado": {"sim", "não"}},
    )
    return Messy(table, expected, ";", "cp1252")


def poland() -> Messy:
    chance = Chance(6)
    delay = chance.numbers(0, 90)
    table = pd.DataFrame(
        {
            "opóźnienie": ["12,5", *(f"{v:.1f}".replace(".", ",") for v in delay[1:])],
            "kwota": chance.some(
                [f"{v:.2f} zł".replace(".", ",") for v in chance.numbers(5, 900)], "brak danych"
            ),
            "wiek": chance.whole(18, 90),
            "wynik": chance.answers(delay, ["tak", "TAK"], ["nie", "Nie"]),
        }
    )
    expected = Expected(
        *("wynik", "binary", "tak"), sensitive=("wiek",), numbers={"opóźnienie": 12.5}
    )
    return Messy(table, expected, ";", "utf-8-sig")


def spain() -> Messy:
    chance = Chance(7)
    visits = chance.whole(0, 40)
    table = pd.DataFrame(
        {
            "visitas": visits,
            "edad": chance.some([str(v) for v in chance.whole(18, 80)], "s/d"),
            "ciudad": chance.words("Málaga", "Malaga", "MÁLAGA", "Cádiz"),
            "abandono": chance.answers(-visits, ["Sí", "SI", "si"], ["No", "no"]),
        }
    )
    expected = Expected(*("abandono", "binary", "Sí"), sensitive=("edad",))
    return Messy(table, expected)


def india() -> Messy:
    chance = Chance(8)
    years = chance.whole(0, 25)
    pay = (300_000 + years * 90_000 + chance.numbers(-5e4, 5e4)).astype(int)

    def lakhs(value: int) -> str:
        head, tail = divmod(value, 1000)
        text = f"{head % 100:02d},{tail:03d}" if head >= 100 else f"{head},{tail:03d}"
        return f"{head // 100},{text}" if head >= 100 else text

    table = pd.DataFrame(
        {
            "experience": years,
            "city": chance.words("Pune", "pune", "Delhi"),
            "salary": ["₹4,50,000", *(f"₹{lakhs(int(v))}" for v in pay[1:])],
        }
    )
    return Messy(table, Expected("salary", "regression", numbers={"salary": 450_000.0}))


def japan() -> Messy:
    chance = Chance(9)
    use = chance.whole(0, 300)
    table = pd.DataFrame(
        {
            "利用回数": use,
            "性別": chance.words("男", "女"),
            "地域": chance.some(list(chance.words("東京", "大阪")), "不明"),
            "解約": chance.answers(-use, ["はい"], ["いいえ"]),
        }
    )
    expected = Expected(
        *("解約", "binary", "はい"), sensitive=("性別",), classes={"地域": {"東京", "大阪"}}
    )
    return Messy(table, expected)


def sweden() -> Messy:
    chance = Chance(10)
    income = chance.numbers(9000, 60000)
    table = pd.DataFrame(
        {
            "inkomst": [
                "31 250,5",
                *(f"{v:,.1f}".replace(",", " ").replace(".", ",") for v in income[1:]),
            ],
            "ålder": chance.whole(18, 80),
            "godkänd": chance.answers(income, ["ja", "Ja"], ["nej", "Nej"]),
        }
    )
    expected = Expected(
        *("godkänd", "binary", "ja"), sensitive=("ålder",), numbers={"inkomst": 31250.5}
    )
    return Messy(table, expected, "\t")


def great_britain() -> Messy:
    chance = Chance(11)
    hours = chance.numbers(0, 30)
    grade = pd.cut(hours + chance.numbers(-4, 4), [-99, 8, 18, 99], labels=["C", "B", "A"]).astype(
        str
    )
    table = pd.DataFrame(
        {
            "student_no": [f"S-{i:03d}" for i in range(ROWS)],
            "attendance": ["85%", *(f"{v}%" for v in chance.whole(30, 100)[1:])],
            "hours": np.where(np.arange(ROWS) % 25 == 7, -1, np.round(hours, 1)),
            "first_generation": chance.words("yes", "no"),
            "grade": [text.lower() if i % 6 == 5 else text for i, text in enumerate(grade)],
        }
    )
    expected = Expected(
        *("grade", "multiclass", "", "student_no"),
        sensitive=("first_generation",),
        numbers={"attendance": 85.0},
        classes={"grade": {"A", "B", "C"}},
    )
    return Messy(table, expected)


def a_spreadsheet() -> Messy:
    chance = Chance(12)
    cost = chance.numbers(10, 90)
    days = chance.days("%Y-%m-%d")
    table = pd.DataFrame(
        {
            "cost": chance.some([f"{v:.2f}" for v in cost], "#DIV/0!"),
            "ordered": [
                f"{d[8:]}.{d[5:7]}.{d[:4]}" if i % 3 == 1 else d for i, d in enumerate(days)
            ],
            "remark": [
                f"call {chance.random.integers(1_000_000)} back, then {i}" for i in range(ROWS)
            ],
            "empty": [None] * ROWS,
            "version": ["v1"] * ROWS,
            "returned": chance.answers(cost, ["1"], ["0"]),
        }
    )
    expected = Expected("returned", "binary", "1", left_out=("remark", "empty", "version"))
    return Messy(table, expected)


def with_a_leak() -> Messy:
    chance = Chance(13)
    usage = chance.numbers(0, 9)
    answer = chance.answers(usage, ["stayed"], ["left"])
    table = pd.DataFrame(
        {
            "usage": np.round(usage, 2),
            "exit_code": [
                0 if word == "stayed" else int(chance.random.integers(3, 9)) for word in answer
            ],
            "status": answer,
        }
    )
    return Messy(table, Expected("status", "binary", "stayed", left_out=("exit_code",)))


TABLES: dict[str, Callable[[], Messy]] = {
    make.__name__: make
    for make in (
        *(germany, france, united_states, switzerland, brazil, poland, spain, india, japan, sweden),
        *(great_britain, a_spreadsheet, with_a_leak),
    )
}

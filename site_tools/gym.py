"""The messy table of the tutorial: `python -m site_tools.gym` writes docs/assets/gym.csv, the same bytes each time.

The members are made up. What is wrong with the table is what is wrong with tables that people send.
"""

from __future__ import annotations

import csv
import io
import random
from datetime import date, timedelta

from site_tools.project import ROOT

FILE = ROOT / "docs" / "assets" / "gym.csv"
MEMBERS = 900
FIRST = (
    "Ada",
    "Ben",
    "Chloe",
    "Dev",
    "Ella",
    "Femi",
    "Grace",
    "Hari",
    "Isla",
    "Jack",
    "Kofi",
    "Lena",
)
LAST = (
    "Ahmed",
    "Brown",
    "Clarke",
    "Davies",
    "Evans",
    "Green",
    "Hughes",
    "Jones",
    "Khan",
    "Lewis",
    "Patel",
    "Smith",
)
YES, NO = ("yes", "yes", "Yes", "Y"), ("no", "no", "no", "No", "N")


def table() -> str:
    """The whole table as CSV."""
    chance = random.Random(23)
    members = [_member(chance, number) for number in range(MEMBERS)]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(members[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(members)
    return text.getvalue()


def _member(chance: random.Random, number: int) -> dict[str, object]:
    """One member. Who comes rarely, pays much or joined lately cancels more often."""
    age, visits, fee = chance.randint(18, 79), max(0.0, chance.gauss(6, 4)), chance.gauss(38, 8)
    months, discount = chance.randint(1, 60), chance.choice((0, 0, 10, 20, 30))
    club = chance.choice(("Harbour", "Harbour", "Station", "Old Town"))
    risk = 0.9 - 0.33 * visits + 0.05 * (fee - 38) - 0.03 * months - 0.03 * discount
    risk += 0.8 * (club == "Station") + chance.gauss(0, 1.5)
    cancels = risk > -0.9
    joined = date(2025, 6, 30) - timedelta(days=30 * months + chance.randint(0, 29))
    left = date(2025, 7, 1) + timedelta(days=chance.randint(0, 90))
    return {
        "member_no": f"M{number + 1:04d}",
        "email": f"{chance.choice(FIRST)}.{chance.choice(LAST)}{number + 1}@example.org".lower(),
        "age": 999 if chance.random() < 0.03 else age,
        "gender": chance.choice(("f", "f", "m", "m", "F", "M", "x")),
        "club": chance.choice((club, club, club, club.lower(), f"{club} ")),
        "joined": joined.strftime("%d/%m/%Y"),
        "visits_a_month": f"{visits:.1f}".replace(".", ","),
        "fee": "n/a" if chance.random() < 0.04 else f"£ {fee:.2f}",
        "discount": f"{discount} %",
        "cancelled_on": left.isoformat() if cancels else "",
        "cancelled": chance.choice(YES if cancels else NO),
    }


if __name__ == "__main__":
    FILE.write_text(table(), encoding="utf-8", newline="\n")

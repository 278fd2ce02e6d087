"""Invent the house prices; datasheet.md tells the same story in words.

From the repository's root: python -m includes.examples.house_prices.generate
"""

import numpy as np
import pandas as pd

from includes.examples.tables import RAW, as_csv, blank, days, plant, repeat, respell

SEED = 1907
ROWS = 3000
NOISE = 0.14  # standard deviation of the log price at equal features
DISCOUNT_DISTRICT = "Riverside"
DISCOUNT = 0.14  # the planted disparity: this much less is paid there at equal features
DISCOUNT_NOISE = 0.24  # and prices vary more there

DISTRICTS = {"Harbour": 0.22, "Hillside": 0.24, "Old Town": 0.16, "Uptown": 0.20, "Riverside": 0.18}
TYPES = {"flat": 0.36, "terraced": 0.30, "semi-detached": 0.21, "detached": 0.13}
TYPICAL_AREA = {"flat": 70, "terraced": 100, "semi-detached": 120, "detached": 150}
TYPE_FACTOR = {"flat": 0.95, "terraced": 1.0, "semi-detached": 1.05, "detached": 1.15}
GARDEN_SHARE = {"flat": 0.15, "terraced": 0.7, "semi-detached": 0.9, "detached": 0.95}
HEATING = {"gas": 0.53, "oil": 0.20, "heat pump": 0.15, "electric": 0.11, "wood": 0.01}


def draw_houses(rng: np.random.Generator) -> pd.DataFrame:
    """The houses without their prices, tidy and complete."""

    def pick(shares: dict[str, float]) -> pd.Series:
        return pd.Series(rng.choice(list(shares), ROWS, p=list(shares.values())))

    house = pd.DataFrame({"house_id": [f"H{number:04d}" for number in range(1, ROWS + 1)]})
    house["listed_on"] = days("2021-01-01", "2024-12-31", ROWS, rng)
    house["district"] = pick(DISTRICTS)
    house["house_type"] = pick(TYPES)
    typical = house["house_type"].map(TYPICAL_AREA)
    house["living_area_m2"] = (typical * np.exp(rng.normal(0, 0.25, ROWS))).round().astype(int)
    rooms = house["living_area_m2"] / 27 + rng.normal(0, 0.8, ROWS)
    house["rooms"] = rooms.round().clip(1, 10).astype(int)
    house["year_built"] = (1890 + 134 * rng.beta(2.0, 1.4, ROWS)).astype(int)
    house["heating"] = pick(HEATING)
    energy = 70 + 1.3 * (2024 - house["year_built"]) - 40 * (house["heating"] == "heat pump")
    house["energy_kwh_m2"] = (energy + rng.normal(0, 30, ROWS)).clip(15, 400).round().astype(int)
    house["has_garden"] = rng.random(ROWS) < house["house_type"].map(GARDEN_SHARE)
    house["distance_km"] = pd.Series(rng.gamma(1.6, 3.0, ROWS)).clip(0.2, 25).round(1)
    house["house_number"] = rng.integers(1, 181, ROWS)  # pure noise: nothing depends on it
    return house


def fair_price(house: pd.DataFrame) -> pd.Series:
    """The truth: euros paid for a house of these features, without noise, in any other district."""
    centre = np.exp(-house["distance_km"] / 4)  # 1 in the centre, near 0 far out
    per_m2 = 1700 + 3300 * centre
    age = 1 + 0.25 * ((house["year_built"] - 1965) / 50) ** 2  # old charm or new; 1965 is cheapest
    energy = 1 - 0.10 * (house["energy_kwh_m2"] - 120).clip(lower=0) / 100
    cramped = 1 - 0.10 * (house["living_area_m2"] / house["rooms"] < 23)
    trend = 1 + 0.05 * (pd.to_datetime(house["listed_on"]).dt.year - 2021)
    building = house["living_area_m2"] * per_m2 * house["house_type"].map(TYPE_FACTOR)
    garden = 90_000 * centre * house["has_garden"]
    price: pd.Series = (building * age * energy * cramped + garden) * trend
    return price


def make_table() -> pd.DataFrame:
    """The table as the student gets it."""
    rng = np.random.default_rng(SEED)
    house = draw_houses(rng)
    discounted = house["district"] == DISCOUNT_DISTRICT
    noise = rng.normal(0, 1, ROWS) * np.where(discounted, DISCOUNT_NOISE, NOISE)
    price = fair_price(house) * np.where(discounted, 1 - DISCOUNT, 1) * np.exp(noise)
    house["price"] = price.round(-2).astype(int)

    old = house["year_built"] < 1950  # an old house often has no energy certificate
    house["energy_kwh_m2"] = blank(house["energy_kwh_m2"], old * 0.25 + 0.04, rng)
    house["rooms"] = blank(house["rooms"], 0.03, rng)
    house["heating"] = respell(blank(house["heating"], 0.02, rng), 60, rng)
    house["living_area_m2"] = plant(house["living_area_m2"], -1, 12, rng)
    house["year_built"] = plant(house["year_built"], 9999, 6, rng)
    return repeat(house, 45, rng)


if __name__ == "__main__":
    (RAW / "house_prices.csv").write_bytes(as_csv(make_table()))

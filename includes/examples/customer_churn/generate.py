"""Invent the customers who stay or leave; datasheet.md tells the same story in words.

From the repository's root: python -m includes.examples.customer_churn.generate
"""

import numpy as np
import pandas as pd

from includes.examples.tables import RAW, as_csv, blank, days, plant, repeat, respell

SEED = 1492
ROWS = 4000
SENIORS = "65 and over"
SENIOR_LOG_ODDS = 1.2  # the planted disparity: seniors leave more at equal features

AGE_GROUPS = {"18 to 29": 0.23, "30 to 44": 0.30, "45 to 64": 0.28, SENIORS: 0.19}
APP_SHARE = {"18 to 29": 0.75, "30 to 44": 0.7, "45 to 64": 0.6, SENIORS: 0.45}
CONTRACTS = {"monthly": 0.52, "one year": 0.28, "two years": 0.20}
PAYMENTS = {"card": 0.42, "direct debit": 0.40, "invoice": 0.168, "voucher": 0.012}


def draw_customers(rng: np.random.Generator) -> pd.DataFrame:
    """The customers without what became of them, tidy and complete."""

    def pick(shares: dict[str, float]) -> pd.Series:
        return pd.Series(rng.choice(list(shares), ROWS, p=list(shares.values())))

    numbers = rng.choice(np.arange(100_000, 1_000_000), ROWS, replace=False)
    customer = pd.DataFrame({"customer_id": numbers})
    customer["joined_on"] = days("2019-01-01", "2024-12-31", ROWS, rng)
    customer["age_group"] = pick(AGE_GROUPS)
    customer["contract"] = pick(CONTRACTS)
    customer["payment_method"] = pick(PAYMENTS)
    customer["monthly_fee_eur"] = pd.Series(rng.gamma(6, 4, ROWS) + 12).clip(12, 95).round(2)
    customer["data_gb"] = pd.Series(rng.gamma(1.7, 9, ROWS)).clip(0, 150).round(1)
    customer["support_calls"] = rng.poisson(rng.gamma(1.2, 1.3, ROWS))
    unhappy = 0.5 * customer["support_calls"] + rng.normal(0, 1.8, ROWS)
    customer["satisfaction"] = (7.6 - unhappy).round().clip(1, 10).astype(int)
    customer["late_payments"] = rng.poisson(0.5, ROWS)
    customer["uses_app"] = rng.random(ROWS) < customer["age_group"].map(APP_SHARE)
    customer["invoice_day"] = rng.integers(1, 29, ROWS)  # pure noise: nothing depends on it
    return customer


def fair_log_odds(customer: pd.DataFrame) -> pd.Series:
    """The truth: log-odds that a customer of these features leaves, in the other age groups."""
    monthly = customer["contract"] == "monthly"
    years = 2025 - pd.to_datetime(customer["joined_on"]).dt.year
    # 0 where the use suits the fee, below 0 where it is too small, above 0 where it is too large
    use_per_euro = (customer["data_gb"] + 3) / customer["monthly_fee_eur"]
    misfit = np.log(use_per_euro / 0.5)
    score: pd.Series = -5.2 + 0.6 * monthly - 0.7 * (customer["contract"] == "two years")
    score += customer["support_calls"] * np.where(monthly, 1.0, 0)  # only they can leave at once
    score += 0.8 * (6 - customer["satisfaction"]).clip(lower=0)  # 6 to 10 is all the same
    score += 2.5 * misfit.abs()
    score += 1.0 * customer["late_payments"] * (customer["payment_method"] == "invoice")
    score += 1.2 / years  # the first year is the riskiest
    return score - 0.6 * customer["uses_app"]


def make_table() -> pd.DataFrame:
    """The table as the student gets it."""
    rng = np.random.default_rng(SEED)
    customer = draw_customers(rng)
    score = fair_log_odds(customer) + SENIOR_LOG_ODDS * (customer["age_group"] == SENIORS)
    leaves = rng.random(ROWS) < 1 / (1 + np.exp(-score))
    customer["churned"] = np.where(leaves, "yes", "no")

    no_app = ~customer["uses_app"]  # the survey is asked in the app; few answer it by letter
    customer["satisfaction"] = blank(customer["satisfaction"], no_app * 0.2 + 0.04, rng)
    customer["data_gb"] = blank(customer["data_gb"], 0.03, rng)
    customer["payment_method"] = blank(customer["payment_method"], 0.02, rng)
    customer["contract"] = respell(customer["contract"], 80, rng)
    customer["monthly_fee_eur"] = plant(customer["monthly_fee_eur"], -1, 15, rng)
    customer["satisfaction"] = plant(customer["satisfaction"], 99, 10, rng)
    return repeat(customer, 60, rng)


if __name__ == "__main__":
    (RAW / "customer_churn.csv").write_bytes(as_csv(make_table()))

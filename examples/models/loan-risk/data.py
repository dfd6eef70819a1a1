"""Invented loans: who asks for one, and whether it went bad. Made from rules and chance; no record of a real person is in it.

The rules: the logit of going bad rises with the share of income that the instalment takes (slowly at first, steeply above a
third), with late payments in the past (more so for who has worked less than two years), and with short employment; it falls
with savings, an own home and, up to 45, with age. Then one in twenty outcomes is chance. So no model can be always right.
"""
import numpy as np

FEATURES = ["age_years", "income_monthly", "amount", "term_months", "employed_years", "late_payments", "savings", "owns_home"]
CLASSES = ["repaid", "went_bad"]


def loans(count, seed):
    """Features as float32 (count, 8) and outcomes as int64 (count): 0 repaid, 1 went bad."""
    r = np.random.default_rng(seed)
    age = r.integers(18, 75, count)
    income = np.round(np.exp(r.normal(7.9, 0.45, count)), -1)
    term = r.choice([12, 24, 36, 48, 60, 84], count)
    amount = np.round(np.clip(income * r.gamma(2.0, 2.2, count), 500, 80000), -2)
    employed = np.round(np.minimum(r.gamma(1.5, 4.0, count), age - 17), 1)
    late = r.poisson(r.choice([0.1, 0.5, 2.5], count, p=[0.6, 0.25, 0.15]))
    savings = np.round(income * r.gamma(0.8, 3.0, count), -1)
    home = r.random(count) < np.clip((age - 20) / 60, 0.05, 0.7)
    burden = amount * 1.1 / term / income
    logit = (
        -1.7
        + 3.0 * burden
        + 14.0 * np.maximum(burden - 0.33, 0)
        + late * np.where(employed < 2, 1.3, 0.7)
        + 0.9 * (employed < 1)
        - 0.35 * np.minimum(savings / income, 6)
        - 0.7 * home
        - 0.04 * (np.minimum(age, 45) - 30)
    )
    bad = r.random(count) < 1 / (1 + np.exp(-1.6 * logit))
    chance = r.random(count) < 0.05
    bad = np.where(chance, r.random(count) < 0.5, bad)
    rows = np.stack([age, income, amount, term, employed, late, savings, home], 1).astype(np.float32)
    return rows, bad.astype(np.int64)

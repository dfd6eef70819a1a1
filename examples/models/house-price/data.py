"""Invented houses and their prices, made from rules and chance; no real sale is in it.

The rules: a price for each square metre that falls with the distance from the centre (steeply near it) and with energy class,
a bonus for a garden that is greater far out, a floor that is worth something only with a lift, old houses that are dear again
before 1920, noise that is worse the nearer the railway is; then chance of about 8 % up or down.
"""
import numpy as np

FEATURES = ["area_m2", "rooms", "year_built", "distance_km", "railway_km", "floor", "has_lift", "has_garden", "energy_class"]


def houses(count, seed):
    """Features as float32 (count, 9) and prices in thousands as float32 (count, 1)."""
    r = np.random.default_rng(seed)
    area = np.round(np.clip(r.gamma(5.0, 20.0, count), 18, 350), 1)
    rooms = np.clip(np.round(area / 26 + r.normal(0, 0.7, count)), 1, 12)
    year = np.where(r.random(count) < 0.2, r.integers(1870, 1930, count), r.integers(1930, 2026, count))
    distance = np.round(r.gamma(2.0, 4.0, count), 2)
    railway = np.round(r.gamma(1.5, 0.8, count), 2)
    floor = np.where(r.random(count) < 0.4, 0, r.integers(1, 9, count))
    lift = (floor > 0) & (r.random(count) < 0.2 + 0.08 * floor)
    garden = (floor == 0) & (r.random(count) < 0.7)
    energy = np.clip(np.round((2026 - year) / 20 + r.normal(0, 1.2, count)), 0, 6)  # 0 is A, 6 is G
    metre = 1.6 + 5.2 * np.exp(-distance / 5)
    metre *= 1 - 0.035 * energy + np.where(year < 1920, 0.16, 0)
    metre *= 1 + np.where(lift, 0.018 * floor, -0.02 * np.maximum(floor - 1, 0))
    metre *= 1 - 0.15 * np.exp(-railway / 0.3)
    price = metre * area**0.97 + garden * (12 + 2.2 * np.minimum(distance, 15)) + 4 * (rooms - area / 26)
    price *= np.exp(r.normal(0, 0.08, count))
    rows = np.stack([area, rooms, year, distance, railway, floor, lift, garden, energy], 1).astype(np.float32)
    return rows, price.astype(np.float32)[:, None]

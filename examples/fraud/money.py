"""What alerts are worth: money, and cards found by the few alerts that can be looked at in a day."""

from __future__ import annotations

import numpy as np


def cost(y: np.ndarray, alert: np.ndarray, amount: np.ndarray, fee: float, weight: np.ndarray) -> float:
    """A missed fraud costs its amount, an alert a fee."""
    alert = np.asarray(alert, dtype=bool)
    return float(np.sum(weight * np.where(alert, fee, amount * y)))


def saved(y: np.ndarray, alert: np.ndarray, *, amount: np.ndarray, fee: float, sample_weight: np.ndarray) -> float:
    """How much less that costs than without any alert."""
    nothing = np.zeros(len(y), dtype=bool)
    return cost(y, nothing, amount, fee, sample_weight) - cost(y, alert, amount, fee, sample_weight)


def card_precision(k: int, y: np.ndarray, score: np.ndarray, day: np.ndarray, card: np.ndarray) -> float:
    """Share of compromised cards among the k most suspicious of a day, mean over days.

    A card is as suspicious as its worst payment of the day; a card found on one day is blocked, and left out on the
    days that follow. Card precision top-k of the Fraud Detection Handbook, section 4.4,
    https://fraud-detection-handbook.github.io/fraud-detection-handbook/Chapter_4_PerformanceMetrics/TopKBased.html
    """
    blocked = np.array([], dtype=card.dtype)
    precisions = []
    for today in np.unique(day):
        rows = np.flatnonzero((day == today) & ~np.isin(card, blocked))
        cards, place = np.unique(card[rows], return_inverse=True)
        suspicion, compromised = np.full(len(cards), -np.inf), np.zeros(len(cards), dtype=bool)
        np.maximum.at(suspicion, place, score[rows])
        np.logical_or.at(compromised, place, y[rows] == 1)
        top = np.argsort(-suspicion, kind="stable")[:k]
        found = cards[top[compromised[top]]]
        precisions.append(len(found) / k)
        blocked = np.concatenate([blocked, found])
    return float(np.mean(precisions))

"""Medians with their intervals, by order statistics: nothing is assumed of the distribution, nothing is drawn."""

from math import comb


def median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) / 2


def interval(values):
    """The 95% interval of the median: (low, high, coverage). Fewer than six values have none; then it is their range,
    and the coverage says how little that is worth."""
    ordered = sorted(values)
    count = len(ordered)
    tail = 0.0
    rank = 0  # how many values are left out at each end
    for below in range(count // 2):
        tail += comb(count, below) / 2 ** count
        if 2 * tail > 0.05:
            break
        rank = below
    outside = 2 * sum(comb(count, below) for below in range(rank + 1)) / 2 ** count
    return ordered[rank], ordered[count - 1 - rank], max(0.0, 1 - outside)


def summary(values):
    """{"median", "low", "high", "coverage", "rounds"} of some values, or None of none."""
    values = [value for value in values if value is not None]
    if not values:
        return None
    low, high, coverage = interval(values)
    return {"median": median(values), "low": low, "high": high, "coverage": coverage, "rounds": len(values)}


def paired(values, base):
    """The summary of value/base, round by round; rounds in which either is missing are left out."""
    return summary([value / other for value, other in zip(values, base) if value is not None and other])

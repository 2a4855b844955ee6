"""The targets that httpsrv is held against, and the word for how it does: met, missed or undecided.

A ratio is met when the upper end of its interval is under the target, missed when the lower end is over it, and
undecided when the interval straddles the target; then instructions and system calls decide. Nothing passes or fails
here: the benchmark says how it is.
"""

from . import servers
from .stats import paired, summary

SUBJECT = "httpsrv"

# workload, figure, against what, at most
TARGETS = [
    ("W1", "instructions", None, 2500),
    ("W1", "syscalls", None, 2.03),
    ("W1", "cpu_us", servers.RIVAL, 0.80),
    ("W1", "cpu_us", servers.LIMIT, 1.10),
    ("W1", "p99_us", servers.LIMIT, 1.15),
    ("W2", "instructions", None, 5500),
    ("W2", "cpu_us", servers.RIVAL, 0.85),
    ("W2b", "cpu_us", servers.RIVAL, 1.00),
    ("W3", "cpu_us", None, 1.0),
    ("W3", "cpu_us", servers.RIVAL, 0.12),
    ("W3", "syscalls", None, 0.2),
    ("W4", "cpu_us", "best", 1.03),
    ("W5a", "cpu_us", "best", 1.03),
    ("W5b", "cpu_us", "best", 1.03),
    ("W6", "cpu_us", servers.LIMIT, 1.15),
    ("WB", "instructions", "W1", 2.2),
]
LOG_LINE = 250  # instructions that a line of the access log may add
NAMES = {"cpu_us": "CPU", "p99_us": "p99", "instructions": "user instructions", "syscalls": "system calls"}
UNITS = {"cpu_us": " µs", "p99_us": " µs"}


def word(found, limit):
    """How a summary stands against what it may be at most."""
    if found["high"] <= limit:
        return "met"
    return "missed" if found["low"] > limit else "undecided"


def values(entry, figure):
    """A figure of each round of one server on one workload."""
    return [row and row.get(figure) for row in entry.get("rounds", [])]


def best_of(entries, subject=SUBJECT):
    """The name of the server with the least CPU, the subject and those that are no bound left out."""
    rivals = {name: entry["cpu_us"]["median"] for name, entry in entries.items()
              if name != subject and servers.BY_NAME[name].bound and entry.get("cpu_us")}
    return min(rivals, key=rivals.get) if rivals else None


def _exact(value):
    return None if value is None else {"median": value, "low": value, "high": value}


def _find(results, workload, figure, against, subject):
    """The summary that a target is about and the name of what it was compared with."""
    entries = results["workloads"].get(workload, {}).get("servers", {})
    mine = entries.get(subject)
    if not mine:
        return None, against
    if figure == "syscalls":
        return _exact(mine.get("syscalls", {}).get("total")), None
    if figure == "instructions":
        if against is None:
            return _exact(mine.get("instructions")), None
        other = results["workloads"].get(against, {}).get("servers", {}).get(subject, {}).get("instructions")
        return (_exact(mine["instructions"] / other) if other and mine.get("instructions") else None), against
    if against is None:
        return summary(values(mine, figure)), None
    if against == "best":
        against = best_of(entries, subject)
    if against not in entries:
        return None, against
    return paired(values(mine, figure), values(entries[against], figure)), against


def evaluate(results, subject=SUBJECT):
    """One dictionary per target: what it says, what was found, and the word for it."""
    lines = []
    for workload, figure, against, limit in TARGETS:
        found, other = _find(results, workload, figure, against, subject)
        text = f"{NAMES[figure]} at most {limit:g}"
        text += UNITS.get(figure, "") if against is None else f" × {other or against}'s"
        if against == "best":
            text = f"{NAMES[figure]} at most {limit:g} × the best's" + (f" ({other})" if other else "")
        lines.append({"workload": workload, "target": text, "limit": limit, "found": found,
                      "verdict": word(found, limit) if found else "not measured"})
    return lines + _access_log(results, subject)


def _access_log(results, subject):
    """What the access log adds, where httpsrv was run with it too."""
    entries = results["workloads"].get("W1", {}).get("servers", {})
    counts = [entries.get(name, {}).get("instructions") for name in (subject, "httpsrv_log")]
    if None in counts:
        return []
    found = _exact(counts[1] - counts[0])
    return [{"workload": "W1", "target": f"user instructions of the access log at most {LOG_LINE:g}", "limit": LOG_LINE,
             "found": found, "verdict": word(found, LOG_LINE)}]

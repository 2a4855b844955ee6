"""Curves: the cost per request at several points, and whether it is flat. User instructions decide where they were counted: they
have no noise. CPU time, measured in interleaved rounds, has the kernel's part in it and that of caches."""

from dataclasses import dataclass, field

from . import env, load, report, targets, workloads
from .stats import paired, summary

FLAT = 1.15  # the last point of a curve costs at most this much more than its first


@dataclass
class Point:
    """A point of a curve: a workload on a running server. `unit` divides the cost (MiB of the answer, say); a point
    that is left out of the comparison has compared = False."""
    label: str
    process: object = field(repr=False)
    workload: object = field(repr=False)
    requests: int = 0          # an exact number instead of a time
    counts: tuple = None       # requests to count instructions over, instead of the workload's
    unit: float = 1.0
    compared: bool = True
    rounds: list = field(default_factory=list)
    instructions: float = None


def _measure(point, seconds):
    workload = point.workload
    if not point.requests:
        figures = load.closedloop(point.process, workload, seconds)
    else:
        with load.ClosedLoop(point.process.port, workload.request_file(), workload.connections) as running:
            before = point.process.cpu()
            result = running.requests(point.requests)
            figures = load.cost(point.process, before, result)
        load.expect(result)
    return figures["cpu_us"] / point.unit


def check(points):
    """Looks at one answer of each point; those that are wrong are dropped, with the reason."""
    good = []
    for point in points:
        answer, wrong = workloads.verify(point.workload, point.process.port)
        if answer is None:
            env.note(f"bench: {point.label}: {wrong}")
        else:
            good.append(point)
    return good


def measure(points, rounds, seconds):
    """Measures all points, round by round."""
    for _ in range(rounds):
        for point in points:
            try:
                point.rounds.append(_measure(point, seconds))
            except (load.LoadError, OSError) as error:
                env.note(f"bench: {point.label}: {error}")
                point.rounds.append(None)


def result(title, points, unit="request"):
    """The curve as a dictionary, with the ratio of each point to the first that is compared."""
    compared = [point for point in points if point.compared and any(value is not None for value in point.rounds)]
    base = compared[0] if compared else None
    rows = []
    for point in points:
        ratio = paired(point.rounds, base.rounds) if base and point.compared else None
        rows.append({"label": point.label, "cpu_us": summary(point.rounds), "ratio": ratio, "rounds": point.rounds,
                     "instructions": point.instructions})
    last = rows[points.index(compared[-1])]["ratio"] if len(compared) > 1 else None
    counted = [point for point in points if point.compared and point.instructions]
    grows_by = counted[-1].instructions / counted[0].instructions if len(counted) > 1 else None
    if grows_by:
        verdict = "met" if grows_by <= FLAT else "missed"
    else:
        verdict = targets.word(last, FLAT) if last else "not measured"
    return {"title": title, "unit": unit, "points": rows, "last": last, "instructions": grows_by, "verdict": verdict}


def text(curve):
    """The curve as a table."""
    rows = []
    for row in curve["points"]:
        found = row["cpu_us"]
        rows.append([row["label"],
                     f"{report.number(found['median'])} [{report.number(found['low'])}–{report.number(found['high'])}]"
                     if found else "–", report.ratio(row["ratio"]), report.number(row["instructions"])])
    grows_by = f" (× {curve['instructions']:.2f} in instructions)" if curve["instructions"] else ""
    words = {"met": "flat", "missed": "grows", "undecided": "undecided", "not measured": "not measured"}
    table = report.table(["", f"CPU µs per {curve['unit']}", "× first", "instr."], rows)
    return f"\n{curve['title']}: {words[curve['verdict']]}{grows_by}\n{table}"

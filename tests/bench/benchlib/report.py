"""The results as text for a terminal."""

from . import servers

LIMIT, RIVAL = servers.LIMIT, servers.RIVAL


def number(value, digits=3):
    """Three significant digits, no exponent."""
    if value is None:
        return "–"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    for places in (2, 3, 4):
        if abs(value) >= 10 ** (digits - 1 - places):
            return f"{value:.{places - 1 if abs(value) >= 10 else places}f}"
    return f"{value:.4f}"


def ratio(found):
    if not found:
        return "–"
    return f"{found['median']:.2f} [{found['low']:.2f}–{found['high']:.2f}]"


def table(header, rows):
    """Columns aligned, the first to the left and the others to the right."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    lines = []
    for row in [header, *rows]:
        cells = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


HEADER = ["", "CPU µs", "user", "system", f"× {LIMIT}", f"× {RIVAL}", "req/s", "p50 µs", "p99 µs", "instr.", "syscalls",
          "answer B"]


def row(name, entry):
    label = servers.BY_NAME[name].label if name in servers.BY_NAME else name
    if "error" in entry:
        return [label, entry["error"]] + [""] * (len(HEADER) - 2)
    middle = lambda key: entry[key]["median"] if entry.get(key) else None  # noqa: E731
    return [label, number(middle("cpu_us")), number(entry.get("user_us")), number(entry.get("system_us")),
            ratio(entry.get("to_limit")), ratio(entry.get("to_rival")), number(middle("rps")), number(middle("p50_us")),
            number(middle("p99_us")), number(entry.get("instructions")),
            number(entry.get("syscalls", {}).get("total")), entry.get("answer", "")]


def preface(results):
    machine = results["machine"]
    lines = [
        f"httpsrv benchmark, {results['mode']} mode, {machine['when']}",
        f"{machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}; servers on core {machine['server_core']}"
        f" (one worker each), load on core {machine['load_core']}; load average before: {machine['load_average']:.2f}",
        results["congestion"],
        f"load: {results['generator']}, {results['seconds']:g} s a time, {results['rounds']} interleaved rounds"
        f" (asked for {results['rounds_wanted']}); keep-alive, no access logs",
        "CPU µs: server CPU time per request, median; ratios: median of the paired ratios of the rounds, and its"
        f" {results['coverage']:.0%} interval",
    ]
    for name, why in results["missing"].items():
        lines.append(f"not here: {servers.BY_NAME[name].label}: {why}")
    return "\n".join(lines)


def workload(key, entry):
    rows = [row(name, found) for name, found in entry["servers"].items()]
    return f"\n{key}: {entry['title']} ({entry['bytes']})\n{table(HEADER, rows)}"


def memory(results):
    rows = [[servers.BY_NAME[name].label] + [f"{entry[key] / 1048576:.1f}" for key in
                                             ("rss_start", "uss_start", "rss_end", "uss_end")]
            for name, entry in results["memory"].items()]
    return "\nmemory, MiB\n" + table(["", "RSS at start", "USS at start", "RSS at end", "USS at end"], rows)


def targets(results):
    rows = []
    for line in results["targets"]:
        found = line["found"]
        if found is None:
            text = "–"
        elif found["low"] == found["high"]:
            text = number(found["median"])
        else:
            text = f"{found['median']:.3f} [{found['low']:.3f}–{found['high']:.3f}]"
        rows.append([f"{line['workload']:4}{line['target']}", text, line["verdict"]])
    return "\ntargets of httpsrv\n" + table(["", "measured", ""], rows)


def full(results):
    parts = [preface(results)]
    parts += [workload(key, entry) for key, entry in results["workloads"].items()]
    parts += [memory(results), targets(results)]
    parts += [f"\nnote: {text}" for text in results["notes"]]
    return "\n".join(parts)

"""The results as one page that needs nothing else: plots as inline SVG, tables, and the raw figures behind them."""

from html import escape
from math import log

from . import report, servers, targets
from .stats import summary

STYLE = """
:root { color-scheme: light dark; --ink: #1d2430; --dim: #667085; --line: #d5dae3; --paper: #ffffff;
  --user: #2f6fdb; --system: #a9c4f2; --own: #d9622b; --own2: #f2c3a9; --dot: #667085; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --dim: #98a2b3; --line: #344054; --paper: #14181f;
  --user: #6ea0f5; --system: #31507f; --own: #f08a55; --own2: #7a4327; --dot: #98a2b3; } }
body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 1060px;
  margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin: 2em 0 .2em; }
p { margin: .3em 0; } .dim { color: var(--dim); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; margin: .6em 0; font-variant-numeric: tabular-nums; }
th, td { padding: .25em .7em; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th { font-weight: 600; } th:first-child, td:first-child { text-align: left; }
.met { color: #12803c; } .missed { color: #c4320a; } .undecided { color: #a15c07; }
svg { display: block; width: 100%; height: auto; } svg text { font: 12px system-ui, sans-serif; fill: var(--ink); }
svg .dim { fill: var(--dim); } svg line { stroke: var(--line); }
"""

ROW = 26
LABELS, BARS, GAP, DOTS = 190, 430, 110, 300


def _class(name):
    return ("var(--own)", "var(--own2)") if name == targets.SUBJECT else ("var(--user)", "var(--system)")


def _ticks(top):
    """Four or so round numbers up to top."""
    step = 10.0 ** len(str(int(top))) / 100 if top >= 1 else 0.1
    while top / step > 5:
        step *= 2 if str(step).lstrip("0.")[:1] in "15" else 2.5
    return [step * count for count in range(int(top / step) + 1)]


def _bars(entries, top):
    parts = []
    for at, (name, found) in enumerate(entries):
        y = at * ROW + 4
        user, system = (found[key] * BARS / top for key in ("user_us", "system_us"))
        dark, light = _class(name)
        label = servers.BY_NAME[name].label
        parts.append(f'<text x="{LABELS - 10}" y="{y + 14}" text-anchor="end">{escape(label)}</text>')
        parts.append(f'<rect x="{LABELS}" y="{y}" width="{user:.1f}" height="{ROW - 8}" fill="{dark}"/>')
        parts.append(f'<rect x="{LABELS + user:.1f}" y="{y}" width="{system:.1f}" height="{ROW - 8}" fill="{light}"/>')
        parts.append(f'<text x="{LABELS + user + system + 6:.1f}" y="{y + 14}">'
                     f'{report.number(found["cpu_us"]["median"])} µs</text>')
    return parts


def _dots(entries, base, base_name):
    """The ratio to the base of each round, and the interval of its median, on a logarithmic axis."""
    left = LABELS + BARS + GAP
    ratios = {}
    for name, found in entries:
        pairs = zip(targets.values(found, "cpu_us"), base)
        ratios[name] = [value / other for value, other in pairs if value is not None and other]
    every = [value for values in ratios.values() for value in values]
    low, high = min(0.8, *every), max(1.25, *every)

    def place(value):
        return left + log(value / low) / log(high / low) * DOTS
    height = len(entries) * ROW
    parts = [f'<line x1="{place(1):.1f}" x2="{place(1):.1f}" y1="0" y2="{height}"/>']
    for tick in (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100) if high / low > 6 else (0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4):
        if low <= tick <= high:
            parts.append(f'<text class="dim" x="{place(tick):.1f}" y="{height + 14}" text-anchor="middle">{tick:g}</text>')
    parts.append(f'<text class="dim" x="{left}" y="{height + 30}">× {escape(servers.BY_NAME[base_name].label)}:'
                 f' rounds, and interval of the median</text>')
    for at, (name, found) in enumerate(entries):
        y = at * ROW + ROW / 2 - 1
        colour = "var(--own)" if name == targets.SUBJECT else "var(--dot)"
        for value in ratios[name]:
            parts.append(f'<circle cx="{place(value):.1f}" cy="{y}" r="2" fill="{colour}" fill-opacity=".45"/>')
        middle = summary(ratios[name])
        if middle:
            parts.append(f'<rect x="{place(middle["low"]):.1f}" y="{y - 5}" height="10" fill="{colour}" fill-opacity=".35"'
                         f' width="{max(1.5, place(middle["high"]) - place(middle["low"])):.1f}"/>')
            parts.append(f'<rect x="{place(middle["median"]) - 1:.1f}" y="{y - 7}" width="2" height="14" fill="{colour}"/>')
    return parts


def _plot(workload):
    entries = [(name, found) for name, found in workload["servers"].items() if found.get("cpu_us")]
    if not entries:
        return ""
    entries.sort(key=lambda item: item[1]["cpu_us"]["median"])
    top = max(found["cpu_us"]["median"] for _, found in entries) * 1.02
    height = len(entries) * ROW
    parts = []
    for tick in _ticks(top):
        x = LABELS + tick * BARS / top
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height}"/>')
        parts.append(f'<text class="dim" x="{x:.1f}" y="{height + 14}" text-anchor="middle">{tick:g}</text>')
    parts += _bars(entries, top)
    parts.append(f'<text class="dim" x="{LABELS}" y="{height + 30}">CPU µs per request: user (dark), system (light)</text>')
    for name in (servers.LIMIT, servers.RIVAL):
        base = workload["servers"].get(name)
        if base and base.get("cpu_us"):
            parts += _dots(entries, targets.values(base, "cpu_us"), name)
            break
    return (f'<svg viewBox="0 0 {LABELS + BARS + GAP + DOTS + 20} {height + 36}" role="img"'
            f' aria-label="CPU time per request">{"".join(parts)}</svg>')


def _table(header, rows):
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'


def _workload(key, workload):
    rows = [[escape(cell) for cell in report.row(name, found)] for name, found in workload["servers"].items()]
    return (f"<h2>{escape(key)}: {escape(workload['title'])}</h2><p class=dim>{escape(workload['bytes'])}</p>"
            + _plot(workload) + _table(report.HEADER, rows))


def _targets(results):
    rows = []
    for line in results["targets"]:
        found = line["found"]
        text = "–"
        if found:
            text = report.number(found["median"])
            if found["low"] != found["high"]:
                text = f"{found['median']:.3f} [{found['low']:.3f}–{found['high']:.3f}]"
        rows.append([escape(f"{line['workload']}: {line['target']}"), text,
                     f'<span class="{line["verdict"].split()[0]}">{line["verdict"]}</span>'])
    return "<h2>Targets of httpsrv</h2>" + _table(["target", "measured", ""], rows)


def _memory(results):
    rows = [[escape(servers.BY_NAME[name].label)] + [f"{entry[key] / 1048576:.1f}" for key in
                                                     ("rss_start", "uss_start", "rss_end", "uss_end")]
            for name, entry in results["memory"].items()]
    return "<h2>Memory, MiB</h2>" + _table(["", "RSS at start", "USS at start", "RSS at end", "USS at end"], rows)


def page(results):
    """The whole page as text."""
    lines = report.preface(results).split("\n")
    parts = [f"<h1>{escape(lines[0])}</h1>"]
    parts += [f"<p class=dim>{escape(line)}</p>" for line in lines[1:]]
    parts.append(_targets(results))
    parts += [_workload(key, workload) for key, workload in results["workloads"].items()]
    parts.append(_memory(results))
    versions = "; ".join(f"{servers.BY_NAME[name].label}: {text}" for name, text in results["versions"].items() if text)
    parts.append(f"<h2>Versions</h2><p class=dim>{escape(versions)}</p>")
    if results["notes"]:
        parts.append("<h2>Notes</h2><ul>" + "".join(f"<li>{escape(text)}</li>" for text in results["notes"]) + "</ul>")
    return ("<!doctype html><html lang=en><meta charset=utf-8><title>httpsrv benchmark</title>"
            "<meta name=viewport content='width=device-width'>"
            f"<style>{STYLE}</style><body>{''.join(parts)}</body></html>\n")

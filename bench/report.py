# SPDX-License-Identifier: GPL-2.0-or-later
"""RESULTS.md and its plots from the samples that were kept, one file per row."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import plots
from node import DEBIAN, OLDER, OURS
from rows import OLD, ROWS, Figure, Row, Target

Samples = list[dict[str, Any]]


def load(results: Path, row: Row) -> dict[str, Any]:
	"""With what spoils a figure: see `proof` in Row."""
	path = results / f"{row.name}.json"
	kept = json.loads(path.read_text()) if path.exists() else {"samples": []}
	for figures in (s["figures"] for s in kept["samples"]):
		for proof, keys in row.proof.items():
			if figures.get(proof):
				what = next(f.label for f in row.figures if f.key == proof)
				for key in keys:
					figures.setdefault("lost", {}).setdefault(key, f"{number(figures[proof])} {what}")
	return kept


def values(samples: Samples, which: str, key: str) -> list[float]:
	return [s["figures"][key] for s in samples if s["which"] == which and key in s["figures"]]


def lost(samples: Samples, which: str, key: str) -> list[str]:
	return [s["figures"]["lost"][key] for s in samples if s["which"] == which and key in s["figures"].get("lost", {})]


def number(value: float) -> str:
	if value == int(value) or abs(value) >= 1000:
		return f"{value:,.0f}"
	return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def cell(samples: Samples, which: str, key: str, unit: str) -> str:
	"""Median, and the whole spread in brackets; what was lost."""
	v = values(samples, which, key)
	if not v:
		return "not measured"
	text = number(statistics.median(v))
	if min(v) != max(v):
		text += f" ({number(min(v))} to {number(max(v))})"
	n = len(lost(samples, which, key))
	return text + (f" **lost something in {n} of {len(v)}**" if n and unit != "flows" else "")


def verdict(samples: Samples, f: Figure) -> tuple[str, str]:
	"""What is to be reached, and whether it is."""
	if not f.target:
		return "", ""
	want, reached = against(samples, f, f.target)
	if f.target.other:
		want_other, other = against(samples, f, f.target.other)
		want += f", or {want_other}"
		reached = other if other.startswith("yes") and not reached.startswith("yes") else reached
	return want, reached


def against(samples: Samples, f: Figure, t: Target) -> tuple[str, str]:
	"""The same for one bound."""
	unit = {"": "", OLD: f" of {OLD}"}.get(t.of, f" x {t.floor}")
	beside = f"{OLD}'s" if t.of == OLD else f"beside {t.floor}"
	want = f"at most {number(t.most)}{unit}" if t.most is not None else f"no less than {beside}, less 2 % for noise"
	want += ", in every round" if t.always and t.most else ""
	ours = values(samples, OURS, f.key)
	of = values(samples, DEBIAN, f.key) if t.of == OLD else values(samples, "floor", t.of) if t.of else [1.0]
	if not ours or not of:
		return want, "?"
	median, base = max(ours) if t.always else statistics.median(ours), statistics.median(of)
	if lost(samples, OURS, f.key):
		return want, "does not count: lost"
	if t.least is not None:
		return want, "yes" if median >= t.least * base * 0.98 else f"**no** ({median / base:.2f})"
	good = median <= (t.most or 0) * base
	shown = f"{median / base:.2f}" if t.of and base else number(median)
	if t.of and base and not good and float(shown) <= (t.most or 0):
		shown = f"{median / base:.3f}"	# not reached, however little is missing
	return want, f"yes ({shown})" if good else f"**no** ({shown})"


def ratio(samples: Samples, key: str, unit: str) -> str:
	ours, old = values(samples, OURS, key), values(samples, DEBIAN, key)
	if not ours or not old or statistics.median(old) == 0:
		return ""
	if len(lost(samples, DEBIAN, key)) == len(old) and unit == "s":
		return ""	# it never came to an end
	return f"{statistics.median(ours) / statistics.median(old):.2f}"


ROUNDS = 5


def command(row: Row, kept: dict[str, Any]) -> str:
	"""What makes these samples again."""
	n = len({s["round"] for s in kept["samples"] if s["which"] == OURS})
	quick = kept.get("quick")
	rounds = f" --rounds {n}" if n != (1 if quick else ROUNDS) else ""
	return f"`bench/run{' --quick' if quick else ''}{rounds} {row.name}`"


def told_rounds(kept: dict[str, Any]) -> str:
	ours, old = ({s["round"] for s in kept["samples"] if s["which"] == which} for which in (OURS, DEBIAN))
	text = f"{len(ours)} round{'s' * (len(ours) != 1)}"
	if ours != old:
		text = f"{text} of this one, {len(old)} of {OLD}"
	failed = kept.get("failed", [])
	return text + (f", and {len(failed)} that FAILED ({failed[0]['which']}: {failed[0]['why']})" if failed else "")


def section(row: Row, kept: dict[str, Any]) -> list[str]:
	samples: Samples = kept["samples"]
	lines = [f"## {row.title}", ""]
	size = " **Quick: a tenth of the flows.**" if kept.get("quick") else ""
	lines += [f"{command(row, kept)}, {told_rounds(kept)}.{size} {row.note}".strip(), "",
		  "| figure | unit | this one | 1.4.7 | ratio | to reach | reached |", "|---|---|---|---|---|---|---|"]
	for f in row.figures:
		if not values(samples, OURS, f.key) and not values(samples, DEBIAN, f.key):
			continue
		want, reached = verdict(samples, f)
		lines.append(f"| {f.label} | {f.unit} | {cell(samples, OURS, f.key, f.unit)} | "
			     f"{cell(samples, DEBIAN, f.key, f.unit)} | {ratio(samples, f.key, f.unit)} | {want} | {reached} |")
	lines.append("")
	floors = sorted({key for s in samples if s["which"] == "floor" for key in s["figures"]})
	if floors:
		told = [f"{key.replace('_', ' ')} {cell(samples, 'floor', key, '')}" for key in floors]
		lines += ["Floor, µs of CPU per event or datagram where not said otherwise: " + ", ".join(told) + ".", ""]
	for which, name in ((OURS, "this one"), (DEBIAN, OLD)):
		said = sorted({f"{f.label}: {lost(samples, which, f.key)[0]}" for f in row.figures
			       if lost(samples, which, f.key)})
		if said:
			lines += [f"Lost by {name} (first of the rounds):", "", *[f"* {text}" for text in said], ""]
	return lines


def against_older(rows: list[Row], results: Path) -> list[str]:
	"""Two builds of ours side by side (bench/run --against): medians and least values, and the ratios of both. The least is
	what a machine that does other things beside disturbs least."""
	lines: list[str] = []
	for row in rows:
		samples: Samples = load(results, row)["samples"]
		told = {which: {s["conditions"]["this one" if which == OURS else "the other build"] for s in samples if s["which"] == which}
			for which in (OURS, OLDER)}
		if not all(told.values()):
			continue
		rounds = len({s["round"] for s in samples})
		lines += [f"## {row.title}", "", f"{rounds} rounds; this build: {', '.join(told[OURS])}; the other: {', '.join(told[OLDER])}.", "",
			  "| figure | unit | this build | the other | ratio | ratio of the least |", "|---|---|---|---|---|---|"]
		for f in row.figures:
			new, old = values(samples, OURS, f.key), values(samples, OLDER, f.key)
			if new and old:
				ratios = [f"{of(new) / of(old):.2f}" if of(old) else "" for of in (statistics.median, min)]
				lines.append(f"| {f.label} | {f.unit} | {cell(samples, OURS, f.key, f.unit)} | "
					     f"{cell(samples, OLDER, f.key, f.unit)} | {' | '.join(ratios)} |")
		lines.append("")
	return lines


INSTRUCTIONS = {
	"send_instructions": "kernel message -> record -> datagram (active node), instructions per event",
	"acknowledged_instructions": "acknowledgements of the peer (active node), instructions per event",
	"receive_instructions": "datagram -> record (replica), instructions per event",
	"link_bytes": "bytes on the link per event, UDP payload",
	"internal_bytes": "bytes per flow, 1M flows, internal cache",
	"external_bytes": "bytes per flow, 1M flows, external cache",
}


def instructions(results: Path) -> list[str]:
	"""What callgrind counted, beside the budget that `make check` holds it against."""
	path = results / "instructions.json"
	if not path.exists():
		return ["Not measured here: instructions.", ""]
	figures = json.loads(path.read_text())["figures"]
	budget = dict(line.split() for line in (Path(__file__).parent / "budget").read_text().splitlines()
		      if line and not line.startswith("#"))
	return ["## Instructions and bytes of the hot path", "",
		"`bench/instructions.sh BUILD-DIR`: counted by callgrind on deterministic input, whatever else the machine does; gcc 12 "
		"`-O2`, x86_64. TCP/IPv4, one third each NEW, UPDATE, DESTROY, 64 events a turn. `make check` fails above the budget.", "",
		"| figure | value | budget |", "|---|---|---|",
		*[f"| {label} | {figures[key]} | {budget.get(key, '')} |" for key, label in INSTRUCTIONS.items() if key in figures], ""]


HEADLINE = [
	("packets", "active", "CPU per event, active node, forwarded packets flat out"),
	("packets", "replica", "CPU per event, replica, the same"),
	("rates", "active_20000", "CPU per event, active node, 20,000 events/s"),
	("memory", "internal", "memory per flow, internal cache, 1M TCP/IPv4 flows"),
	("memory", "external", "memory per flow, external cache, the same"),
	("losses", "off_100000", "entries off after 100,000 events/s, no buffer options"),
	("burst", "missing_2s_whole", "missing in the replica 2 s after a burst of 1M flows"),
	("commit", "seconds", "commit of 1M flows"),
	("commit", "ask_ms", "slowest `conntrackd -s` meanwhile"),
	("dump", "i", "`conntrackd -i` of 1M flows, beside 5,000 events/s"),
	("resync", "seconds", "full resync of 1M flows to a restarted replica"),
	("outage", "off", "missing 5 s after the sync link was dead while 200k flows were born"),
	("rates", "bytes_20000", "bytes per event on the link, 20,000 events/s"),
	("latency", "p99_us_60000", "99th percentile from the kernel's event to the datagram, 60,000 events/s"),
]
BEGIN, END = "<!-- begin of what bench/run writes -->", "<!-- end of what bench/run writes -->"


def headline(results: Path) -> list[str]:
	"""The figures of the README, as far as they are measured, with their conditions."""
	table, last, made = [], {}, set()
	for name, key, label in HEADLINE:
		row = next(row for row in ROWS if row.name == name)
		figure = next(f for f in row.figures if f.key == key)
		kept = load(results, row)
		if kept["samples"] and not kept.get("quick"):
			table.append(f"| {label} | {cell(kept['samples'], OURS, key, figure.unit)} {figure.unit} | "
				     f"{cell(kept['samples'], DEBIAN, key, figure.unit)} {figure.unit} |")
			last = kept
			made |= {(s.get("conditions") or {}).get("this one", "not recorded") for s in kept["samples"] if s["which"] == OURS}
	if len(table) < len(HEADLINE):
		raise SystemExit(f"bench/run: README's table stays as it is: {len(HEADLINE) - len(table)} of its figures are not measured")
	where = last["samples"][-1].get("conditions") or last["conditions"]
	return ["| | this one | 1.4.7 |", "|---|---|---|", *table, "",
		f"Medians, the spread in brackets, both alternating{' (not all rows with the same program)' * (len(made) > 1)} on {where['processors']}, Linux {where['kernel']}, the same file, "
		"`SCHED_OTHER` for both, FTFW over multicast. All figures, and what was lost where: `bench/RESULTS.md`."]


def write_readme(results: Path, readme: Path) -> None:
	"""The table between the two marks."""
	before, _, rest = readme.read_text().partition(BEGIN + "\n")
	old, _, after = rest.partition(END)
	if not after:
		raise SystemExit(f"bench/run: {readme} has no marks for the table")
	readme.write_text(before + BEGIN + "\n" + "\n".join(headline(results)) + "\n" + END + after)


OTHERS = "<!-- what follows is written by hand and stays -->"


def by_hand(page: Path) -> str:
	"""The end of the page as it is: what other programs have measured."""
	old = page.read_text() if page.exists() else ""
	at = old.find(OTHERS)
	return "\n" + old[at:] if at >= 0 else ""


def write(results: Path, page: Path) -> None:
	"""The page, and the plots beside it. Rows without samples are named as not measured."""
	lines = ["# Measured", "",
		 "Written by `bench/run`; the commands that make each table stand above it. Medians, the whole spread in brackets; "
		 "this one and Debian's conntrackd 1.4.7 alternating, with the same file (FTFW, multicast, SCHED_OTHER "
		 "for both, looked up after the start), TCP over IPv4 through ctnetlink unless said otherwise. A figure counts only "
		 "if the caches equal the kernel's table as sets; where something was lost the table says so. Where nothing may be "
		 "lost, or a bound holds throughout, every round must reach it. CPU is that of `/proc/PID/task/*/schedstat`: where "
		 "the kernel does not account interrupts apart (see the conditions), it contains the soft interrupts that ran in the "
		 "daemon's time, of both firewalls' kernels, as all namespaces share the processors. The sync link is a pair of "
		 "virtual devices, which take a piece of several datagrams whole, as a card does that can cut it; the row `flatout` "
		 "shows a device that cannot.", ""]
	missing, told, loads, builds = [], set(), [], {}
	for row in ROWS:
		kept = load(results, row)
		if not kept["samples"]:
			missing.append(row.name)
			continue
		for s in kept["samples"]:
			where = dict(s.get("conditions") or kept.get("conditions", {}))
			if "load before" in where:
				loads.append(float(where.pop("load before")))
			if s["which"] == OURS:
				builds.setdefault(where.get("this one", "not recorded"), []).append(row.name)
			where.pop("this one", None)
			told.add(json.dumps(where, sort_keys=True))
	merged: dict[str, set[str]] = {}
	for text in told:
		for key, value in json.loads(text).items():
			merged.setdefault(key, set()).add(value)
	if loads:
		merged["load before"] = {f"{min(loads):.2f} to {max(loads):.2f}"}
	for made, names in builds.items():
		merged.setdefault("this one", set()).add(made if len(builds) == 1 else f"{made}: {', '.join(dict.fromkeys(names))}")
	if merged:
		lines += ["| condition | |", "|---|---|",
			  *[f"| {key} | {'; '.join(sorted(value))} |" for key, value in sorted(merged.items())], ""]
	drawn = plots.draw({row.name: load(results, row)["samples"] for row in ROWS}, page.parent)
	lines += [f"![{title}]({name})" for name, title in drawn] + [""] * bool(drawn)
	for row in ROWS:
		kept = load(results, row)
		if kept["samples"]:
			lines += section(row, kept)
	if missing:
		lines += [f"Not measured here: {', '.join(missing)}.", ""]
	lines += instructions(results)
	page.write_text("\n".join(lines) + by_hand(page))

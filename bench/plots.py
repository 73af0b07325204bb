# SPDX-License-Identifier: GPL-2.0-or-later
"""Plots as SVG, without a library: lines over logarithmic axes."""

from __future__ import annotations

import math
import statistics
from pathlib import Path
from typing import Any

from node import DEBIAN, OURS

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 400, 70, 170, 40, 50
Curve = tuple[str, list[tuple[float, float]], str, bool]	# name, points, colour, dashed


def short(value: float) -> str:
	for unit, name in ((1e6, "M"), (1e3, "k")):
		if value >= unit:
			return f"{value / unit:g}{name}"
	return f"{value:g}"


def ticks(low: float, high: float) -> list[float]:
	marks = [m * 10.0 ** e for e in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1) for m in (1, 2, 5)]
	inside = [t for t in marks if low <= t <= high]
	return inside if len(inside) <= 9 else [t for t in inside if math.log10(t) % 1 < 1e-9]


def svg(title: str, x_label: str, y_label: str, curves: list[Curve]) -> str:
	xs = [x for c in curves for x, _ in c[1]]
	ys = [y for c in curves for _, y in c[1]]
	x0, x1, y0, y1 = min(xs), max(xs), min(ys) * 0.8, max(ys) * 1.25

	def at(x: float, y: float) -> tuple[float, float]:
		fx = (math.log(x) - math.log(x0)) / ((math.log(x1) - math.log(x0)) or 1)
		fy = (math.log(y) - math.log(y0)) / (math.log(y1) - math.log(y0))
		return LEFT + fx * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - fy * (HEIGHT - TOP - BOTTOM)

	out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="12">',
	       f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
	       f'<text x="{LEFT}" y="22" font-size="15">{title}</text>',
	       f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 12}" text-anchor="middle">{x_label}</text>',
	       f'<text x="16" y="{HEIGHT / 2:.0f}" text-anchor="middle" transform="rotate(-90 16 {HEIGHT / 2:.0f})">{y_label}</text>']
	for x in sorted(set(xs)):
		px, _ = at(x, y0)
		out += [f'<line x1="{px:.1f}" x2="{px:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="#eee"/>',
			f'<text x="{px:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{short(x)}</text>']
	for y in ticks(y0, y1):
		_, py = at(x0, y)
		out += [f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{py:.1f}" y2="{py:.1f}" stroke="#ddd"/>',
			f'<text x="{LEFT - 6}" y="{py + 4:.1f}" text-anchor="end">{short(y)}</text>']
	for i, (name, points, colour, dashed) in enumerate(curves):
		dash = ' stroke-dasharray="6 4"' if dashed else ""
		path = " ".join("{:.1f},{:.1f}".format(*at(*p)) for p in sorted(points))
		out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
		out += ['<circle cx="{:.1f}" cy="{:.1f}" r="3" fill="{}"/>'.format(*at(*p), colour) for p in points]
		ly = TOP + 10 + 18 * i
		out += [f'<line x1="{WIDTH - RIGHT + 12}" x2="{WIDTH - RIGHT + 36}" y1="{ly}" y2="{ly}" stroke="{colour}" stroke-width="2"{dash}/>',
			f'<text x="{WIDTH - RIGHT + 42}" y="{ly + 4}">{name}</text>']
	return "\n".join(out + ["</svg>", ""])


def curve(samples: list[dict[str, Any]], which: str, prefix: str, name: str, colour: str, dashed: bool) -> Curve | None:
	"""The medians of all figures prefix_NUMBER over that number."""
	points: dict[float, list[float]] = {}
	for s in samples:
		if s["which"] != which:
			continue
		for key, value in s["figures"].items():
			head, _, tail = key.rpartition("_")
			if head == prefix and tail.isdigit() and value > 0:
				points.setdefault(float(tail), []).append(value)
	return (name, [(x, statistics.median(v)) for x, v in points.items()], colour, dashed) if points else None


def by_row(samples: dict[str, list[dict[str, Any]]], which: str, rows: dict[str, int], key: str, name: str, colour: str,
	   dashed: bool) -> Curve | None:
	"""The medians of one figure of several rows, which differ in the number of flows."""
	points = []
	for row, n in rows.items():
		v = [s["figures"][key] for s in samples[row] if s["which"] == which and s["figures"].get(key, 0) > 0]
		if v:
			points.append((float(n), statistics.median(v)))
	return (name, points, colour, dashed) if points else None


def draw(samples: dict[str, list[dict[str, Any]]], folder: Path) -> list[tuple[str, str]]:
	"""Writes what there are figures for; file names and titles."""
	blue, red, green, grey = "#1b6ca8", "#c1440e", "#5a8f3c", "#777777"

	def both(row: str) -> list[Curve | None]:
		return [curve(samples[row], OURS, "active", "active", blue, False), curve(samples[row], OURS, "replica", "replica", blue, True),
			curve(samples[row], DEBIAN, "active", "1.4.7 active", red, False),
			curve(samples[row], DEBIAN, "replica", "1.4.7 replica", red, True)]

	commits = {"commit100k": 100_000, "commit": 1_000_000}
	wanted = {
		"cpu-over-rate.svg": ("CPU per event over the rate", "events/s", "µs/event", both("rates") + [
			curve(samples["rates"], "floor", "batched", "listener, batched", grey, True),
			curve(samples["rates"], "floor", "single", "listener, one by one", grey, False)]),
		"cpu-over-flows.svg": ("CPU per event over the size of the table", "flows", "µs/event", both("scale")),
		"memory-over-flows.svg": ("Resident memory over the number of flows", "flows", "MB", [
			curve(samples["scale"], OURS, "internal", "internal", blue, False),
			curve(samples["scale"], OURS, "external", "external", blue, True),
			curve(samples["scale"], DEBIAN, "internal", "1.4.7 internal", red, False),
			curve(samples["scale"], DEBIAN, "external", "1.4.7 external", red, True)]),
		"commit-over-flows.svg": ("Commit over the number of flows", "flows", "s", [
			by_row(samples, OURS, commits, "seconds", "commit", blue, False),
			by_row(samples, DEBIAN, commits, "seconds", "1.4.7 commit", red, False),
			by_row(samples, OURS, commits, "injector", "bare injector", grey, True)]),
		"dump-over-flows.svg": ("Dump, start and resync over the number of flows", "flows", "s", [
			curve(samples["scale"], OURS, "dump", "-i", blue, False), curve(samples["scale"], DEBIAN, "dump", "1.4.7 -i", red, False),
			curve(samples["scale"], OURS, "dumpe", "-e", green, False), curve(samples["scale"], DEBIAN, "dumpe", "1.4.7 -e", red, True),
			curve(samples["scale"], OURS, "start", "start", blue, True),
			curve(samples["scale"], OURS, "resync", "resync", green, True)]),
	}
	drawn = []
	for name, (title, x_label, y_label, curves) in wanted.items():
		there = [c for c in curves if c and len(c[1]) > 1]
		if there:
			(folder / name).write_text(svg(title, x_label, y_label, there))
			drawn.append((name, title))
	return drawn

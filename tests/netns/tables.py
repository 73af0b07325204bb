# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables of flows as sets, from the text that conntrack(8) and conntrackd(8) print.

Both print the same words in the same order, the first only with a timeout and a
use count more, so one reader does for both, and what is compared has gone
through somebody else's eyes: conntrack(8) is not ours.
"""

from __future__ import annotations

import re
from typing import Iterable, NamedTuple

from netlab import Lab, run

LEAD = re.compile(r"^(\S+)\s+(\d+) (?:(\d+) )?(?:([A-Z][A-Z_0-9]*) )?(?=src=)")
TUPLE_KEYS = ("src", "dst", "sport", "dport", "type", "code", "id", "srckey", "dstkey")

Tuple = tuple[tuple[str, str], ...]


class Flow(NamedTuple):
	"""What one line says. `reply` is empty where the table does not show it (external caches of 1.4.x)."""
	proto: str
	state: str
	orig: Tuple
	reply: Tuple
	flags: frozenset[str]
	mark: int
	zone: str

	def __str__(self) -> str:
		words = [f"{k}={v}" for k, v in self.orig + self.reply]
		return " ".join([self.proto, self.state, *words, *sorted(self.flags), f"mark={self.mark}", self.zone])


def parse_line(line: str) -> Flow:
	"""One line of either program. Raises ValueError if it is not one."""
	lead = LEAD.match(line)
	if not lead:
		raise ValueError(f"not a flow: {line!r}")
	proto, _, _, state = lead.groups()
	sides: list[list[tuple[str, str]]] = []
	flags: set[str] = set()
	mark, zone = 0, ""
	for word in line[lead.end():].split():
		key, eq, value = word.partition("=")
		if key == "src":
			sides.append([])
		if eq and key in TUPLE_KEYS:
			sides[-1].append((key, value))
		elif key == "mark":
			mark = int(value)
		elif key.startswith("zone"):
			zone += word
		elif word in ("[ASSURED]", "[UNREPLIED]"):
			flags.add(word)
	reply = tuple(sides[1]) if len(sides) > 1 else ()
	return Flow(proto, state or "", tuple(sides[0]), reply, frozenset(flags), mark, zone)


def parse(text: str) -> set[Flow]:
	return {parse_line(line) for line in text.splitlines() if line.strip()}


def kernel(lab: Lab, part: str) -> set[Flow]:
	"""The kernel's table in a namespace, both address families."""
	text = "".join(run("ip", "netns", "exec", lab.ns(part), "conntrack", "-L", "-f", family, "-o", "labels").stdout
		       for family in ("ipv4", "ipv6"))
	return parse(text)


def one_way(flows: Iterable[Flow]) -> set[Flow]:
	"""Without the reply tuples, for comparing with a table that has none."""
	return {flow._replace(reply=()) for flow in flows}


def difference(want: set[Flow], have: set[Flow], limit: int = 10) -> str:
	"""Empty if equal; else what is missing and what is too many, readable."""
	def show(title: str, flows: set[Flow]) -> str:
		lines = sorted(str(f) for f in flows)
		more = f"\n  ... {len(lines) - limit} more" if len(lines) > limit else ""
		return f"{title} ({len(lines)}):\n  " + "\n  ".join(lines[:limit]) + more if lines else ""

	return "\n".join(filter(None, (show("missing", want - have), show("too many", have - want))))

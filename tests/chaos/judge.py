# SPDX-License-Identifier: GPL-2.0-or-later
"""The verdicts: on each connection, on the tables after a quiet time, on each line of the logs, on memory.

A connection is judged against the time in which its packets had no way: from the moment the addresses moved (or the node
died) until the new node's -c had ended. A connection that the new node did not know when the addresses moved may be gone
(it was too young, or the daemons could not hear each other); that the new node knew too few is seen by the tables. One
that began after the addresses had moved may never be lost.
"""

from __future__ import annotations

import itertools
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from logs import unexpected
from netlab import HOST
from world import CACHE_TIMEOUT, OTHER, OTHERS, PORT, Change, Key, Table, World

# Seconds beyond a cut after which silence is one: the client's kernel sends again once a second.
AFTER_CUT = 2.0
SILENCE = 2.2
BEGINNING = 6.0			# to the first answer
QUIET = 20.0			# seconds until the tables have to be what was promised
LOOKS = 3			# at the tables, at least: with big ones each takes many seconds
MEMORY_KIB = 60000		# a daemon may grow by that much beyond what it had when its tables were full for the first time


@dataclass
class Connection:
	id: int
	kind: str
	target: int
	port: int
	begin: float
	up: float | None = None
	end: float | None = None
	how: str = ""
	silences: list[tuple[float, float]] = field(default_factory=list)


def read_talk(path: Path) -> tuple[dict[int, Connection], list[tuple[float, float]], int]:
	"""Connections by number, the times in which the client program was not run, how often no port was free."""
	found: dict[int, Connection] = {}
	late: list[tuple[float, float]] = []
	busy = 0
	open_since: dict[int, tuple[float, float]] = {}
	for line in path.read_text().splitlines():
		words = line.split()
		at, what = float(words[0]) / 1000, words[1]
		if what == "late":
			late.append((at - float(words[2]) / 1000, at))
			continue
		if what == "busy":
			busy += int(words[2])
			continue
		number = int(words[2])
		if what == "begin":
			found[number] = Connection(number, words[3], int(words[4]), int(words[5]), at)
			continue
		c = found[number]
		if what == "up":
			c.up = at
		elif what == "silent":
			open_since[number] = (float(words[3]) / 1000, at)
		elif what == "again":
			c.silences.append((float(words[3]) / 1000, at))
			open_since.pop(number, None)
		elif what == "end":
			c.end, c.how = at, words[3]
			since = float(words[4]) / 1000
			if since:
				c.silences.append((since, at))
			open_since.pop(number, None)
		if what == "up":
			if number in open_since:
				c.silences.append((c.begin, at))
				open_since.pop(number)
	for number, silence in open_since.items():
		found[number].silences.append(silence)
	return found, late, busy


class Syn(NamedTuple):
	"""That the server saw: when, and from which address and port."""
	time: float
	address: str
	port: str


def read_syns(path: Path) -> list[Syn]:
	return [Syn(float(at) / 1000, address, port) for at, address, port in map(str.split, path.read_text().splitlines())]


def steady(first: Table, last: Table) -> Table:
	"""What has not changed between two looks."""
	return {key: value for key, value in first.items() if last.get(key) == value}


class Judge:
	def __init__(self, world: World):
		self.world = world
		self.wrong: list[str] = world.wrong
		self.syns: list[Syn] = []
		self.reasons: dict[str, int] = {}	# why connections could be lost, and how many were

	# --- connections ------------------------------------------------------------

	def key(self, c: Connection) -> Key:
		address = self.world.lab.targets()[c.target]
		here = f"fd00:10::{HOST:x}" if ":" in address else f"10.10.0.{HOST}"
		return "udp" if c.kind == "udp" else "tcp", here, address, str(c.port), str(PORT)

	def excused(self, c: Connection, end: float) -> str:
		"""Why it may be gone; empty: it may not."""
		for begin, until, why in self.world.orders:
			if c.begin < until and end > begin:
				return why
		for change in self.world.changes:
			if c.begin < change.moved and end > change.moved - 0.2:
				if (c.up is None or c.up > change.looked - 1.5 or self.key(c) not in change.known):
					return f"{change.new} did not know it"
				if self.port_was_taken(c, change):
					return "its port was free on the new node before the -c, and another connection took it"
		return ""

	def port_was_taken(self, c: Connection, change: Change) -> bool:
		"""The new node's kernel knows of no translated port before the -c, and may choose the same one for a connection that begins
		there. Its SYN comes to the server out of the middle of the older connection, is answered by a challenge ACK (RFC 5961), and
		the reset with which the client answers that ends the older one at the server. The server's log has this SYN."""
		_, address, _, port = change.known[self.key(c)]
		return (address, port) != (self.key(c)[1], self.key(c)[3]) and any(
			change.looked <= syn.time <= change.committed and (syn.address, syn.port) == (address, port) for syn in self.syns)

	def forgive(self, c: Connection, end: float) -> bool:
		why = self.excused(c, end)
		if why:
			self.reasons[why] = self.reasons.get(why, 0) + 1
		return bool(why)

	def silent_beyond(self, c: Connection, silence: tuple[float, float], in_the_way: bool) -> float:
		"""The longest part of a silence that no cut explains. Who began after the addresses had moved was never cut; only what the
		new node still has of an earlier connection may be in the way of a beginning, until the -c has ended."""
		holes = sorted([(begin - 0.1, until + AFTER_CUT) for begin, moved, until in self.world.cuts
				if c.begin < moved + 0.05 or (in_the_way and c.begin < until)] +
			       [(begin, until + AFTER_CUT) for begin, until in self.late])
		at, end = silence
		longest = 0.0
		for begin, until in holes:
			if until <= at:
				continue
			longest = max(longest, min(begin, end) - at)
			at = max(at, until)
			if at >= end:
				return longest
		return max(longest, end - at)

	def where(self, at: float) -> str:
		"""The time in words: since the last change of roles."""
		last = [c for c in self.world.changes if c.moved <= at]
		text = f"at {at - self.world.began:.2f} s"
		if last:
			text += f", {at - last[-1].moved:.2f} s after the addresses went to {last[-1].new}"
			if last[-1].asked <= at:
				text += f", {at - last[-1].asked:.2f} s after its -c"
		return text

	def connections(self) -> dict[str, object]:
		world = self.world
		found, self.late, busy = read_talk(world.talk_log)
		self.syns = read_syns(world.syn_log)
		count: dict[str, object] = {"connections": len(found), "excused": self.reasons, "reset": 0, "silent": 0, "busy": busy}
		said: list[tuple[float, str]] = []
		last: dict[Key, Connection] = {}
		for c in found.values():
			before = last.get(self.key(c))
			last[self.key(c)] = c
			now = c.end or time.monotonic()
			text = (f"{c.kind} connection {c.id} ({' '.join(self.key(c))}), begun {self.where(c.begin)}"
				f"{'' if c.up else ', never answered'}")
			timed_out = c.how == "error-110"
			if c.how in ("reset", "closed", "wrong") or (c.how.startswith("error") and not timed_out):
				if self.forgive(c, now):
					continue
				count["reset"] += 1
				said.append((now, f"{c.how}: {text}: {self.where(now)}"))
				continue
			for silence in c.silences:
				if c.how == "hasty" and silence[1] == c.end:
					continue
				# Who takes the place of a connection that its server still has may have to try again and again.
				beginning = not c.up or silence[0] < c.begin + 0.01
				beyond = self.silent_beyond(c, silence, beginning and before is not None)
				if beyond < (BEGINNING if beginning else SILENCE) or (beginning and before and before.how != "done"):
					continue
				if not self.forgive(c, silence[1]):
					count["silent"] += 1
					said.append((silence[0], f"silent for {silence[1] - silence[0]:.1f} s, {beyond:.1f} s without a reason: {text}: "
						     f"since {self.where(silence[0])}"))
				break
		said.sort()
		self.wrong += [text for _, text in said[:25]]
		if len(said) > 25:
			self.wrong.append(f"... {len(said) - 25} more connections")
		return count

	# --- tables -----------------------------------------------------------------------

	def told(self, rows: Table) -> Table:
		"""What the filter lets through, of the flows of the test."""
		s = self.world.settings
		out = {}
		for key, value in rows.items():
			if key[2] != OTHERS and key[1] not in (f"10.10.0.{HOST}", f"fd00:10::{HOST:x}"):
				continue
			if s["filter"] == "v6" and ":" in key[1]:
				continue
			if s["filter"] == "kernel" and key[0] != "tcp":
				continue
			# An end of what is in the cache passes the filter: states that it does not let in may be there or not.
			if s["filter"] == "states" and key[0] == "tcp" and value[0] not in ("ESTABLISHED",):
				continue
			out[key] = value
		return out

	def difference(self, title: str, want: Table, have: Table, extra: bool = True, reply: bool = False, ever: Table | None = None) -> list[str]:
		"""ever: what may be there, too."""
		def show(keys: list[Key], rows: Table) -> str:
			return "; ".join(f"{' '.join(k)} {rows[k][0]} {' '.join(rows[k][1])}" for k in sorted(keys)[:4])

		out = []
		missing = [k for k in want if k not in have]
		if missing:
			out.append(f"{title}: {len(missing)} of {len(want)} missing: {show(missing, want)}")
		more = [k for k in have if k not in want and k not in (ever or {})]
		if more and extra:
			out.append(f"{title}: {len(more)} too many ({len(want)} wanted): {show(more, have)}")
		other = [k for k in want if k in have and (want[k][0] != have[k][0] or (reply and want[k][1] != have[k][1]))]
		if other:
			out.append(f"{title}: {len(other)} otherwise: {show(other, want)} -- {show(other, have)}")
		return out

	def compare(self) -> list[str]:
		"""What is not as this mode, role and limit promise."""
		w, s = self.world, self.world.settings
		a, b = w.active, OTHER[w.active]
		out = []
		first_a, first_b = self.told(w.kernel(a)), self.told(w.kernel(b))
		own_a, own_b = self.told(w.cache(a, "-i")), self.told(w.cache(b, "-i"))
		if s["limit"]:
			return self.compare_limited(first_a, own_a)
		told_b = self.told(w.cache(b, "-e")) if s["external"] == "on" else {}
		# To read big tables takes seconds, and connections end meanwhile: what counts is what was there all the time.
		last_a, last_b = self.told(w.kernel(a)), self.told(w.kernel(b))
		kernel_a, kernel_b = steady(first_a, last_a), steady(first_b, last_b)
		ever_a, ever_b = {**first_a, **last_a}, {**first_b, **last_b}
		out += self.difference(f"{a} (active): kernel and internal cache", kernel_a, own_a, reply=True, ever=ever_a)
		# States that were injected are the peer's, and not in the internal cache.
		if s["external"] == "on":
			out += self.difference(f"{b} (backup): kernel and internal cache", kernel_b, own_b, reply=True, ever=ever_b)
			out += self.difference(f"{a}'s kernel and {b}'s external cache", kernel_a, told_b, ever=ever_a)
			# What a flush of the peer's kernel took away is no end: it stays known here until -f, or until it is asked for.
			stale = {k: v for k, v in self.told(w.cache(a, "-e")).items() if k not in own_b}
			if stale and w.changes and "-f" in w.changes[-1].script:
				out += self.difference(f"{b}'s internal and {a}'s external cache", {}, stale)
		else:
			out += self.difference(f"{a}'s and {b}'s kernel", kernel_a, last_b, reply=True, ever=ever_a)
		return out

	def missing(self, fw: str, which: str) -> int | None:
		"""How many flows the cache (internal, external) says it had no place for."""
		done = self.world.node[fw].ctl("-s", "cache")
		found = re.search(rf"^{which} cache: (?:.*?(\d+) flows could not be stored)?", done.stdout, re.M)
		return int(found[1] or 0) if found else None

	def compare_limited(self, kernel: Table, own: Table) -> list[str]:
		"""A cache holds as many as it may; what is missing is what it says is missing."""
		w, limit = self.world, self.world.settings["limit"]
		a, b = w.active, OTHER[w.active]
		told = self.told(w.cache(b, "-e"))
		out = self.difference(f"{a}'s kernel and internal cache", own, kernel, extra=False, reply=True)
		for fw, which, want, have in ((a, "internal", kernel, own), (b, "external", own, told)):
			lost, said = len([k for k in want if k not in have]), self.missing(fw, which)
			if len(have) > limit:
				out.append(f"{fw}: {len(have)} in the {which} cache, HashLimit is {limit}")
			if lost and len(have) < limit - limit // 20 - 1:	# that much room is left until it is worth a repair
				out.append(f"{fw}: {lost} flows are not in the {which} cache, which has {len(have)}, HashLimit is {limit}")
			if lost != said:
				out.append(f"{fw}: {lost} flows are not in the {which} cache, and it says {said}")
		return out

	def tables(self) -> None:
		"""Nothing is typed and nothing begins; after a while all must be equal, and stay so."""
		began, s = time.monotonic(), self.world.settings
		# In ALARM what a scheduled flush has taken away is known to the other node for CacheTimeout more.
		patience = QUIET + (s["purge"] + CACHE_TIMEOUT if s["mode"] == "ALARM" else 0)
		self.world.quiet()
		self.world.sleep(3 + s["purge"])
		for look in itertools.count(1):
			differences = self.compare()
			if not differences or (time.monotonic() - began > patience and look >= LOOKS):
				break
			self.world.sleep(1)
		self.world.tell(f"tables {'differ' if differences else 'equal'} after {time.monotonic() - began:.0f} s")
		self.wrong += [f"tables at {time.monotonic() - self.world.began:.0f} s: {text}" for text in differences]
		self.world.check_alive()

	# --- the rest -----------------------------------------------------------------------

	def logs(self) -> None:
		said = unexpected(self.world)
		self.wrong += said[:20]
		if len(said) > 20:
			self.wrong.append(f"... {len(said) - 20} more lines of the logs")

	def memory(self) -> dict[str, int]:
		most = {}
		for fw, samples in self.world.memory.items():
			most[fw] = max(samples, default=0)
			first = max(samples[:max(3, len(samples) // 3)], default=0)
			if most[fw] > first + MEMORY_KIB:
				self.wrong.append(f"memory: {fw}: {first} KiB in the first third, {most[fw]} KiB later")
		return most

# SPDX-License-Identifier: GPL-2.0-or-later
"""What a seed stands for: the settings of a pair of firewalls, and what happens to it.

Each setting is drawn by itself, so one that is given on the command line changes neither the others nor the schedule. The
schedule knows nothing of the run: who is active at a step is decided when it is done.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, Callable, Iterator, NamedTuple

# --- settings -----------------------------------------------------------------

# name: (value, weight), ...
SETTINGS: dict[str, list[tuple[object, float]]] = {
	"mode": [("FTFW", 3), ("NOTRACK", 2), ("ALARM", 1)],
	# without: DisableExternalCache (states are injected into the kernel), DisableInternalCache (NOTRACK only)
	"external": [("on", 3), ("off", 2)],
	"internal": [("on", 3), ("off", 1)],
	"link": [("Multicast", 2), ("UDP", 2), ("TCP", 2)],
	"family": [(4, 2), (6, 1)],
	"window": [("off", 3), ("on", 1)],		# TCPWindowTracking
	"purge": [(1, 1), (2, 2), (4, 1), (8, 1)],		# PurgeTimeout
	"nat": [("random", 5), ("few", 3), ("keep", 2), ("none", 1), ("masquerade", 1)],
	"dnat": [("yes", 1), ("no", 1)],		# some connections to the firewall's address, translated to the server's
	"v6": [("yes", 1), ("no", 1)],			# some connections of IPv6, not translated
	"filter": [("none", 4), ("v6", 1), ("states", 1), ("kernel", 1)],
	"limit": [(0, 6), (150, 1)],			# HashLimit; 0: plenty
	"loose": [(0, 2), (1, 1)],			# nf_conntrack_tcp_loose
	"time_wait": [(2, 2), (10, 1), (30, 1)],	# the kernel's timeouts of what has ended
	"fin_wait": [(3, 1), (10, 1), (30, 1)],
	"acct": [(0, 1), (1, 1)],
	"long": [(200, 1)],
	"streams": [(20, 1)],
	"ports": [(20, 1), (40, 1), (80, 1)],		# of the client, for short connections
	"rate": [(80, 1), (160, 1)],			# short connections per second
	"fill": [(0, 3), (40000, 1), (120000, 1), (220000, 0.3)],	# flows of others, in the table from the beginning
}


def settings(seed: int, given: dict[str, str]) -> dict[str, Any]:
	"""Drawn, but for what is given."""
	out: dict[str, Any] = {}
	for name, choice in SETTINGS.items():
		values = [value for value, _ in choice]
		if name in given:
			kind = type(values[0])
			out[name] = kind(given[name])
		else:
			out[name] = random.Random(f"{seed} {name}").choices(values, [weight for _, weight in choice])[0]
	for name in given:
		if name not in SETTINGS:
			raise SystemExit(f"no setting \"{name}\": there are {' '.join(SETTINGS)}")
	# What the configuration language does not have, or what the run could not judge.
	if out["mode"] == "ALARM":
		out["external"] = "on"
	if out["mode"] != "NOTRACK":
		out["internal"] = "on"
	if out["internal"] == "off" or out["external"] == "off":
		out["limit"] = 0
	return out


# --- schedule -----------------------------------------------------------------

class Step(NamedTuple):
	"""After `pause` seconds do `name`."""
	pause: float
	name: str
	args: dict[str, Any]

	def __str__(self) -> str:
		words = [f"{k}={v}" for k, v in self.args.items()]
		return " ".join([f"+{self.pause:.1f}", self.name, *words])


ACTIVE, STANDBY = "active", "standby"
FLUSH = "flush"
PRIMARY = [("-c -f -R -B", 6), ("-c", 2), ("-c -R -B", 1), ("-c -f", 2)]
BACKUP = [("-t -n", 6), ("-t", 1), ("-n -t", 1), ("", 1)]

LOOK = ["-s", "-s network", "-s cache", "-s runtime", "-s link", "-s rsqueue", "-s process", "-s queue", "-s ct", "-s expect",
	"-s peers", "-i", "-i ct", "-i expect", "-i -x", "-i --json", "-e", "-e ct", "-e expect", "-e -x", "-e --json", "-v", "-h",
	"--statistics", "--internal", "--external -x", "-s net", "-s c"]
WRONG = ["-z", "-i foo", "-c foo", "-s foo", "stop", "-f foo", "-i -k"]
# What disturbs nobody on either node, whatever the role is.
HARMLESS = ["-f", "-f internal", "-f external", "-f", "-f internal", "-R", "-R ct", "-R expect", "-B", "-n", "-c", "-c ct",
	    "-c expect", "--flush", "--commit", "--resync-kernel", "--send-bulk", "--request-resync", "-F expect"]
# On a node that forwards nothing only: they empty its kernel table.
EMPTYING = ["-F", "-F ct", "-t", "--flush-kernel", "--schedule-flush"]


def pick(r: random.Random, rows: list[tuple[Any, float]]) -> Any:
	return r.choices([value for value, _ in rows], [weight for _, weight in rows])[0]


def seconds(r: random.Random, low: float, high: float) -> float:
	return round(r.uniform(low, high), 2)


def change(r: random.Random) -> dict[str, Any]:
	"""What belongs to each change of roles."""
	return {
		"before": pick(r, [(0, 1), (0.3, 2), (seconds(r, 1, 3), 3), (seconds(r, 3, 7), 2)]),	# addresses first, then -c
		"script": pick(r, PRIMARY),
		"forget": pick(r, [(0, 3), (seconds(r, 0.1, 3), 1)]),	# -f on the new node, so long afterwards
		"gap": pick(r, [(0, 3), (0.5, 1), (2, 1)]),		# between the commands
		# For so long the old node does not hear the new one, which hears the ends of the old one's connections.
		"deaf": pick(r, [(0, 5), (seconds(r, 2, 8), 1)]),
		"old": pick(r, BACKUP),
		"old_after": pick(r, [(0, 3), (seconds(r, 1, 4), 1)]),
		"again": pick(r, [(0, 3), (seconds(r, 0.5, 4), 1)]),	# the script runs once more
	}


def node(r: random.Random) -> str:
	return r.choice((ACTIVE, STANDBY))


def typed(r: random.Random) -> dict[str, Any]:
	where = node(r)
	command = r.choice(pick(r, [(LOOK, 2), (WRONG, 1), (HARMLESS, 6), *([(EMPTYING, 2)] if where == STANDBY else [])]))
	return {"node": where, "command": command, "kill": r.random() < 0.12}


ACTIONS: dict[str, tuple[float, Callable[[random.Random], dict[str, Any]]]] = {
	# weight, arguments
	"move": (5, change),
	# There, and back when the flush that -t asked for is near or has begun; with FLUSH, -c in the moment when it begins.
	"flap": (3, lambda r: {**change(r), "old": "-t -n", "again": 0, "old_after": 0, "forget": 0, "late": seconds(r, -0.3, 0.9),
			       "back": pick(r, PRIMARY), "back_before": pick(r, [(0.1, 1), (seconds(r, 0.3, 1.5), 1), (FLUSH, 2)])}),
	"death": (2, lambda r: {**change(r), "down": seconds(r, 1, 4)}),
	"type": (12, typed),
	# Several commands of the two nodes one after the other, without a pause.
	"burst": (4, lambda r: {"commands": [typed(r) for _ in range(r.randint(2, 6))]}),
	# A flush, and what makes the other node ask or this one tell, with time for something to happen in between.
	"forget": (3, lambda r: {"node": node(r), "command": r.choice(("-f", "-f internal", "-f external")),
				 "wait": pick(r, [(0, 1), (seconds(r, 0.2, 2), 1)]),
				 "then": r.choice(("-n there", "-B", "restart there", "cable", "-R", "-B there", "nothing")),
				 "look": r.random() < 0.5}),
	"calm": (1.5, lambda r: {}),
	# The active node is told to become the backup, and not, after all.
	"reprieve": (1, lambda r: {"script": pick(r, PRIMARY), "part": seconds(r, 0, 0.6)}),
	"kill": (1.5, lambda r: {"node": node(r), "down": pick(r, [(0, 1), (seconds(r, 0.2, 3), 1)])}),
	"end": (1, lambda r: {"node": node(r), "how": r.choice(("TERM", "-k")), "down": seconds(r, 0, 2)}),
	"stop": (1.5, lambda r: {"node": node(r), "seconds": seconds(r, 0.3, 4)}),
	"hup": (0.7, lambda r: {"node": node(r)}),
	"cable": (2, lambda r: {"node": node(r), "seconds": pick(r, [(seconds(r, 0.2, 2), 2), (seconds(r, 5, 14), 1)])}),
	"lossy": (1.5, lambda r: {"node": node(r), "percent": r.choice((5, 30, 100)), "seconds": seconds(r, 1, 5)}),
	"others": (1, lambda r: {"flows": r.choice((2000, 20000)), "delete": r.random() < 0.6}),
}


def schedule(seed: int) -> Iterator[Step]:
	"""Without end."""
	r = random.Random(f"{seed} schedule")
	names = list(ACTIONS)
	while True:
		name = r.choices(names, [ACTIONS[n][0] for n in names])[0]
		yield Step(pick(r, [(0.1, 2), (seconds(r, 0.3, 1.5), 3), (seconds(r, 1.5, 4), 1)]), name, ACTIONS[name][1](r))

# SPDX-License-Identifier: GPL-2.0-or-later
"""Which lines of a daemon's log have a reason. Everything at warning or above that no row explains is a failure."""

from __future__ import annotations

import re
from typing import NamedTuple

from world import World

SERIOUS = re.compile(r"\[(warning|ERROR|error|err|crit|alert|emerg)\]|runtime error|Sanitizer", re.I)


class Row(NamedTuple):
	"""A line that matches is expected while one of these faults, on this firewall or on both, is or was there lately."""
	line: str
	faults: str		# words of World.fault(); * is any time


EXPECTED = [
	Row(r"the kernel dropped events", "stop others start restart typed busy"),
	Row(r"peer \S+ has fallen silent", "cable lossy stop death kill restart start busy"),
	Row(r"peer \S+ is (heard but has acknowledged nothing|behind)|something that peer \S+ has sent is missing",
	    "cable lossy stop death kill restart start busy"),
	Row(r"peer \S+ has asked for our full table \d+ times", "cable lossy stop death kill restart start busy"),
	Row(r"nothing was ever heard on it|no message of a peer within", "busy"),
	Row(r"link: datagrams cannot be sent: (Network|No route|No such device|Invalid|Cannot assign)", "cable death restart start"),
	Row(r"TCP link: no connection to", "cable lossy stop death kill restart start"),
	Row(r"(sync0|link: .*) is down|no dedicated links available|Network is (down|unreachable)", "cable death"),
	Row(r"no way to", "cable death restart start"),
	Row(r"IPv6_interface is obsolete and ignored", "*"),
	Row(r"(internal|external) cache is full", "limit"),
	Row(r"flows are uncertain: their owner fell silent", "cable lossy death stop kill restart start"),
	# Two nodes that choose ports from one range choose the same one now and then.
	Row(r"\d+ entries can't be committed|of them: another flow of this node has its addresses and ports", "few random"),
	# The other node's news of a connection whose tuple has a newer one here, established by packets.
	Row(r"a flow of the peer cannot be put into the kernel: (a newer connection|another flow) of this node has", "move restart"),
	# What the other node has heard of the daemon that ran here before.
	Row(r"acknowledges or misses numbers we never sent", "restart kill start death"),
	# A TCP link takes a moment to be connected again: the RESYNC with which the new daemon tells that it is another one is lost.
	Row(r"numbers of peer \S+ do not fit any more", "restart kill start death"),
	# The new daemon's numbers begin with the time of day, and the one before had sent more messages than seconds have passed since.
	Row(r"two different messages of peer \S+ have number", "restart kill start death"),
	# Both are, when one was made active while the other did not hear of the change, or was stopped before its own.
	Row(r"peer \S+ is active, and so is this node, for", "*"),
	Row(r"ignoring flush command, commit still in progress", "typed"),
]


def unexpected(world: World) -> list[str]:
	out = []
	for said in world.log:
		if not SERIOUS.search(said.text) and said.text.startswith("["):
			continue
		reasons = {what for begin, until, fw, what in world.faults if begin - 1 <= said.time <= until and fw in ("all", said.fw)}
		reasons |= {"*", world.settings["nat"], *(["limit"] if world.settings["limit"] else [])}
		if not any(re.search(row.line, said.text) and reasons & set(row.faults.split()) for row in EXPECTED):
			out.append(f"log of {said.fw} at {said.time - world.began:.1f} s: {said.text}")
	return out

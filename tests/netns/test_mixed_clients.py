# SPDX-License-Identifier: GPL-2.0-or-later
"""A package upgrade exchanges the program while the daemon runs: the new client talks to the old daemon, and after
a restart the old client, still in somebody's script, to the new one."""

from __future__ import annotations

import re
from typing import Callable

import pytest

import scenario
import tables
from netlab import Lab, wait_until
from node import DEBIAN, OURS, Node, wait_replicated

OTHER = {OURS: DEBIAN, DEBIAN: OURS}
mixed = pytest.mark.parametrize("daemon", [OURS, DEBIAN])

READS = [("-s",), ("-s", "ct"), ("-s", "network"), ("-s", "cache"), ("-s", "runtime"), ("-s", "link"), ("-s", "multicast"),
	 ("-s", "rsqueue"), ("-s", "queue"), ("-s", "process"), ("-s", "expect"), ("-i",), ("-e",), ("-i", "-x"),
	 ("-e", "-x"), ("-i", "expect"), ("-e", "expect")]


def lines(text: str) -> list[str]:
	"""Without what goes on changing: ages, keepalives and their acknowledgements."""
	text = re.sub(r"(?m)^control -> .*\n", "", text)
	text = re.sub(r"\[active since \d+s\]|len=\d+", "#", text)
	text = re.sub(r"(?m)^ *\d+ (Bytes|Pckts) sent +\d+ (Bytes|Pckts) recv$", r"\1", text)
	return re.sub(r"(current elements|allocated queue nodes):\t\t +\d+", r"\1", text).splitlines()


@mixed
def test_what_it_says(pair: Callable, daemon: str) -> None:
	"""Either client prints the same of either daemon, with status 0."""
	one, two = pair(daemon, daemon)
	for first, node in ((0, one), (100, two)):
		scenario.inject(node.lab, node.fw, 20, first=first)
	wait_replicated(one, two)
	wait_replicated(two, one)
	for options in READS:
		said = {}
		for client in (daemon, OTHER[daemon]):
			one.use(client)
			done = one.ctl(*options)
			assert done.returncode == 0, (client, options, done.stderr)
			said[client] = lines(done.stdout)
		assert said[OURS] == said[DEBIAN], options
	one.use(daemon)
	assert len(one.internal()) == len(one.external()) == 20


@mixed
def test_what_it_does(lab: Lab, pair: Callable, daemon: str) -> None:
	"""Each command of the other client has its effect, and -k returns when the daemon has gone."""
	one, two = pair(daemon, daemon)
	for first, node in ((0, one), (100, two)):
		scenario.inject(lab, node.fw, 20, first=first)
	wait_replicated(one, two)
	wait_replicated(two, one)
	client = OTHER[daemon]
	one.use(client), two.use(client)

	def table(node: Node, which: str) -> int:
		return len(getattr(node, which)())

	def becomes(node: Node, which: str, n: int) -> None:
		wait_until(lambda: table(node, which) == n, 10, f"{node.fw}: {n} flows in {which}, not {table(node, which)}")

	# 1.4.7 forgets; ours compares with the kernel, and asks the peer at once, so that the cache is full again by itself.
	forgets, kept = daemon == DEBIAN, 0 if daemon == DEBIAN else 20
	two.ok("-f", "external")
	if forgets:
		becomes(two, "external", 0)
	two.ok("-n")
	becomes(two, "external", 20)
	two.ok("-f", "external")
	one.ok("-B")
	becomes(two, "external", 20)
	one.ok("-f", "internal")
	becomes(one, "internal", kept)
	one.ok("-R", "ct")
	becomes(one, "internal", 20)
	one.ok("-f")
	becomes(one, "internal", kept)
	becomes(one, "external", kept)
	one.ok("-R")
	becomes(one, "internal", 20)
	two.ok("-c")
	# both return when the states are in the kernel
	assert table(two, "kernel") == 40
	assert tables.one_way(one.kernel()) <= tables.one_way(two.kernel())
	one.ok("-F")
	becomes(one, "kernel", 0)
	two.ok("-t")
	assert table(two, "kernel") == 40
	becomes(two, "kernel", 0)
	for node in (one, two):
		node.ok("-k")
		assert not node.socket.exists() and not node.lock.exists()
		node.wait_end(2)


@mixed
def test_take_over_script(lab: Lab, pair: Callable, daemon: str) -> None:
	"""The commands of the cluster manager's script, by the other client: none of them fails."""
	one, two = pair(daemon, daemon)
	scenario.inject(lab, "fw1", 50)
	wait_replicated(one, two)
	one.use(OTHER[daemon]), two.use(OTHER[daemon])
	scenario.switch_over(lab, one, two)
	assert len(two.kernel()) == 50
	wait_until(lambda: len(two.internal()) == 50, 5, "-R has read them")
	wait_until(lambda: not one.kernel(), 10, "-t has emptied the old one's kernel")


def test_what_an_old_daemon_cannot(pair: Callable) -> None:
	"""--strict, --json and -s peers are refused with a word why, and before anything happens."""
	one, two = pair(DEBIAN, DEBIAN)
	scenario.inject(one.lab, "fw1", 5)
	wait_replicated(one, two)
	two.use(OURS)
	for options, name in ((("-c", "--strict"), "--strict"), (("-e", "--json"), "--json"),
			      (("-s", "peers"), "-s peers")):
		done = two.ctl(*options)
		assert done.returncode == 1 and not done.stdout
		assert done.stderr == f"conntrackd: the running daemon is a 1.4.x, which knows no {name}: nothing was done\n"
	assert not two.kernel() and "committing" not in two.log.read_text()
	two.ok("-c")
	assert len(two.kernel()) == 5

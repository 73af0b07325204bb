# SPDX-License-Identifier: GPL-2.0-or-later
"""--role: the whole change as one command, beside the letters of 1.4.x, under two clients, over a restart."""

from __future__ import annotations

import json
import random
import re
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import Callable

import scenario
from netlab import Lab, wait_until
from node import Node, wait_replicated
from test_json import hold, no_doubles


def role(node: Node, *words: str) -> dict:
	"""The document of --role, held against its page."""
	d = json.loads(node.ctl("--role", *words, "--json").stdout, object_pairs_hook=no_doubles)
	hold(d, "role")
	return d


def now(node: Node) -> str:
	"""The first word of what --role prints."""
	return node.ok("--role").split()[0].rstrip(":")


def test_both_ways(lab: Lab, pair: Callable) -> None:
	"""A whole take-over and back with one command each; what is said in words and as JSON."""
	one, two = pair(mode_options={"PurgeTimeout": 600})
	assert now(one) == now(two) == "unknown"
	scenario.inject(lab, "fw1", 50)
	assert re.fullmatch(r"primary: 0 flows committed, 0 refused, in \d+ ms\n", one.ok("--role", "primary"))
	assert two.ok("--role", "backup") == "backup\n"
	wait_replicated(one, two)
	assert two.ok("--wait-sync", "20").startswith("CONNTRACKD READY")
	assert one.ok("--role", "faulty") == "faulty\n"
	said = two.ok("--role", "primary")
	assert re.fullmatch(r"primary: 50 flows committed, 0 refused, in \d+ ms\n", said)
	lines = two.ok("--role").splitlines()
	assert re.fullmatch(r"primary \d+ s ago by --role", lines[0])
	assert re.fullmatch(r"change to primary, by --role, \d+ s ago: done in \d+ ms; 50 flows committed, 0 refused", lines[1])
	d = role(two)
	assert d["role"]["role"] == "primary" and d["role_change"]["state"] == "done" and d["role_change"]["committed"] == 50
	assert role(one)["role"]["by"] == "--role" and role(one)["role"]["role"] == "faulty"
	# All that the script does has been done: the external cache is empty, and the peer was told everything.
	assert not two.ok("-e").strip()
	wait_until(lambda: len(one.ok("-e").splitlines()) == 50, 20, "fw1 has the states of the new primary")
	again = role(two, "primary")
	assert again["role"]["role"] == "primary" and again["role_change"]["state"] == "done"


LETTERS = {"-c": "primary", "-t": "backup", "-n": "backup"}


def test_letters_and_restarts(lab: Lab, pair: Callable) -> None:
	"""Any sequence of words, letters and restarts: the role is what was said last."""
	one, two = pair(mode_options={"PurgeTimeout": 600})
	scenario.inject(lab, "fw2", 20)
	wait_replicated(two, one)
	pick = random.Random(20261130)
	said = "unknown"
	for _ in range(40):
		what = pick.choice(["primary", "backup", "faulty", *LETTERS, "-f", "-B", "restart", "kill"])
		if what in LETTERS:
			one.ok(what)
			said = LETTERS[what]
		elif what == "restart":
			one.stop()
			one.start()
		elif what == "kill":
			one.stop(signal.SIGKILL)
			one.start()
		elif what.startswith("-"):
			one.ok(what)
		else:
			assert one.ok("--role", what).split(":")[0].strip() == what
			said = what
		assert now(one) == said, what
	assert role(one)["role"]["role"] == said


def test_two_clients(lab: Lab, pair: Callable) -> None:
	"""At once and against each other: each gets an answer, and the node is what was said last."""
	one, two = pair(mode_options={"PurgeTimeout": 600})
	scenario.inject(lab, "fw2", 2000)
	wait_replicated(two, one)
	pick = random.Random(1130)
	for _ in range(6):
		words = [pick.choice(["primary", "backup", "faulty"]) for _ in range(4)]
		with ThreadPoolExecutor(4) as pool:
			done = list(pool.map(lambda word: one.ctl("--role", word), words))
		for word, each in zip(words, done):
			assert each.stdout.count("\n") == 1, each
			if each.returncode == 0:
				assert each.stdout.split(":")[0].strip() == word, each
			else:
				assert "overtaken by --role" in each.stdout, each
		assert now(one) in words
	one.ok("--role", "primary")
	assert len(one.kernel()) == 2000		# whatever it has been through


def test_no_daemon(pair: Callable) -> None:
	"""What is said while none runs counts at its next start."""
	one, _ = pair(mode_options={"PurgeTimeout": 600})
	one.ok("--role", "primary")
	one.stop()
	assert one.ctl("--role", "backup").returncode == 1
	one.start()
	assert now(one) == "backup"


def test_wait_sync(pair: Callable) -> None:
	"""Not ready until the time is over; 0 when it is."""
	one, two = pair()
	two.stop()
	one.stop()
	one.start()
	done = one.ctl("--wait-sync", "1")
	assert done.returncode == 1 and done.stdout.startswith("CONNTRACKD NOT READY")
	assert one.ok("--wait-sync", "60").startswith("CONNTRACKD READY")		# nobody else could carry them

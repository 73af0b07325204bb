# SPDX-License-Identifier: GPL-2.0-or-later
"""--health, --ready, --live: each answer and each exit status, with daemons to which it happens."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from typing import Callable

import pace
import scenario
from keepalived import alive, finish
from netlab import SNAT4, Lab, run, wait_until
from node import OURS, Node, wait_replicated
from scenario import Traffic
from test_every_command import STATS
from test_json import hold, no_doubles
from test_peers_state import REFUSE, nft

OK, WARNING, CRITICAL, UNKNOWN = range(4)
WORDS = {"health": ["OK", "WARNING", "CRITICAL", "UNKNOWN"], "ready": ["READY", "NOT READY"], "live": ["LIVE", "NOT LIVE"]}


def ask(node: Node, question: str, *more: str) -> tuple[int, str]:
	"""Status and the one line."""
	done = node.ctl(f"--{question}", *more)
	assert done.stdout.count("\n") == 1, done
	word, _, text = done.stdout.removeprefix("CONNTRACKD ").rstrip("\n").partition(" - ")
	assert done.stdout.startswith("CONNTRACKD ") and word == WORDS[question][done.returncode], done
	return done.returncode, text


def document(node: Node, question: str, *more: str) -> dict:
	"""The same as JSON, held against its page, with the exit status of the command."""
	done = node.ctl(f"--{question}", "--json", *more)
	d = json.loads(done.stdout, object_pairs_hook=no_doubles)
	assert done.stdout.count("\n") == 1 and d["schema"] == 1 and d["kind"] == question
	hold(d, question)
	assert d["verdict"]["status"] == done.returncode and d["verdict"]["word"] == WORDS[question][done.returncode]
	return d


def reasons(node: Node, question: str = "health") -> set[str]:
	return {each["name"] for each in document(node, question)["reasons"]}


def wait_health(node: Node, status: int, *names: str, timeout: float = 60) -> str:
	"""Until the status is that, for exactly these reasons. Gives the text."""
	seen: list[object] = []

	def there() -> bool:
		d = document(node, "health")
		seen[:] = [d]
		return d["verdict"]["status"] == status and {each["name"] for each in d["reasons"]} == set(names)

	try:
		wait_until(there, timeout, "", 0.3)
	except AssertionError:
		raise AssertionError(f"{node.fw}: {seen}, not {status} {names}") from None
	return seen[0]["verdict"]["text"]


def test_a_pair(lab: Lab, pair: Callable) -> None:
	"""Nothing is wrong; then the backup dies, and the lonely survivor may carry the addresses."""
	active, backup = pair()
	scenario.inject(lab, "fw1", 50)
	wait_replicated(active, backup)
	active.ok("-c")
	backup.ok("-n")
	for node in (active, backup):
		wait_health(node, OK)
		assert ask(node, "ready")[0] == ask(node, "live")[0] == 0
		assert document(node, "ready")["reasons"] == document(node, "live")["reasons"] == []
	assert re.fullmatch(r"active for \d+ s, 1 peer in sync", ask(active, "health")[1])
	assert ask(backup, "health")[1] == "not active, 1 peer in sync"
	backup.stop(signal.SIGKILL)
	text = wait_health(active, WARNING, "peer_silent")
	assert re.fullmatch(r"peer 10\.30\.0\.12: silent for \d+ s", text)
	assert ask(active, "ready")[0] == 0
	backup.start()
	wait_health(active, OK)
	active.stop(signal.SIGKILL)
	wait_health(backup, WARNING, "peer_silent")
	assert ask(backup, "ready") == (0, "what the peers have told is here")


def test_no_daemon(lab: Lab, make: Callable) -> None:
	"""Whoever asks is answered all the same, and an active node stays ready."""
	node = make("fw1")
	status, text = ask(node, "health")
	assert status == CRITICAL and "no such socket" in text
	assert document(node, "health")["reasons"][0]["name"] == "not_running"
	assert ask(node, "ready")[0] == ask(node, "live")[0] == 1
	node.start()
	node.ok("-c")
	node.stop(signal.SIGKILL)
	status, text = ask(node, "health")
	assert status == CRITICAL and "has died" in text
	assert ask(node, "live")[0] == 1
	status, text = ask(node, "ready")
	assert status == 0 and text.startswith("this node is active; but ")
	node.ctl("-t")		# which the daemon does not hear: the file does
	assert ask(node, "ready")[0] == 1


def test_daemon_that_hangs(lab: Lab, make: Callable) -> None:
	"""Bounded by --timeout, with what is sent first for --json included."""
	node = make("fw1")
	node.start()
	wait_until(lambda: ask(node, "ready")[0] == 0, 30, "nobody else is there")
	os.kill(node.pid, signal.SIGSTOP)
	try:
		for more in ((), ("--json",)):
			for question, status in (("health", CRITICAL), ("ready", 1), ("live", 1)):
				began = time.monotonic()
				done = node.ctl(f"--{question}", "--timeout", "1", *more)
				assert done.returncode == status and "does not answer within 1 s" in done.stdout, done
				assert 1 <= time.monotonic() - began < pace.seconds(1.9)
		assert document(node, "health", "--timeout", "1")["reasons"][0]["name"] == "not_answering"
	finally:
		os.kill(node.pid, signal.SIGCONT)
	assert ask(node, "live")[0] == 0
	node.ok("-c")
	os.kill(node.pid, signal.SIGSTOP)
	try:
		assert ask(node, "ready", "--timeout", "1")[0] == 0
	finally:
		os.kill(node.pid, signal.SIGCONT)


def test_cannot_be_found_out(lab: Lab, make: Callable) -> None:
	"""Words, configuration, permission: UNKNOWN, which is no state of the daemon."""
	node = make("fw1")
	node.start()
	for words in (("--health", "--nonsense"), ("-z", "--health"), ("--health", "-s"), ("--health", "--timeout", "no")):
		done = node.ctl(*words)
		assert done.returncode == UNKNOWN and done.stdout.startswith("CONNTRACKD UNKNOWN - "), (words, done)
	done = node.ctl("--health", "--json", "--nonsense")
	d = json.loads(done.stdout)
	hold(d, "health")
	assert done.returncode == UNKNOWN and d["reasons"][0]["name"] == "not_known"
	for question, status in (("health", UNKNOWN), ("ready", 1), ("live", 1)):
		done = subprocess.run([node.program, "-C", "/nowhere", f"--{question}"], capture_output=True, text=True)
		assert done.returncode == status and done.stdout.count("\n") == 1, done
	os.chmod(lab.scratch, 0o755), os.chmod(node.dir, 0o755), os.chmod(node.conf, 0o644)
	done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *node.argv("--health")[4:]],
			      capture_output=True, text=True)
	assert done.returncode == UNKNOWN and "permission denied" in done.stdout, done


def test_statistics_mode(lab: Lab, make: Callable) -> None:
	node = make("fw1")
	node.conf.write_text(STATS.format(dir=node.dir, log=node.log, lock=node.lock, socket=node.socket))
	node.start()
	assert ask(node, "health")[1].startswith("statistics mode, up for ")
	assert ask(node, "ready")[0] == ask(node, "live")[0] == 0


def test_events_and_limits(lab: Lab, make: Callable) -> None:
	"""What makes a node blind, or full, is critical for as long as it lasts."""
	node = make("fw1")
	node.configure(general={"HashLimit": 100})
	node.start()
	lab.sysctl("fw1", {"net/netfilter/nf_conntrack_events": 0})
	text = wait_health(node, CRITICAL, "events_off", "no_peer", "link_deaf")
	assert text.startswith("kernel events: net.netfilter.nf_conntrack_events is 0, for ")	# the worst first
	lab.sysctl("fw1", {"net/netfilter/nf_conntrack_events": 1})
	wait_health(node, WARNING, "no_peer", "link_deaf")
	scenario.inject(lab, "fw1", 200)
	assert "internal cache: full (HashLimit)" in wait_health(node, CRITICAL, "cache_full", "no_peer", "link_deaf")
	scenario.inject(lab, "fw1", 200, delete=True)
	wait_health(node, WARNING, "no_peer", "link_deaf", timeout=90)


def test_link(lab: Lab, pair: Callable) -> None:
	"""One direction only; datagrams that a rule refuses; a cable that is pulled."""
	active, backup = pair()
	scenario.inject(lab, "fw1", 100)
	wait_replicated(active, backup)
	for node in (active, backup):
		wait_health(node, OK)
	nft(lab, "fw1", REFUSE)
	scenario.inject(lab, "fw1", 500, first=100)
	text = wait_health(active, WARNING, "link_unsent", "peer_deaf")
	assert "datagrams cannot be sent on link sync0: Operation not permitted" in text
	assert re.search(r"peer 10\.30\.0\.12: does not acknowledge for \d+ s, \d{3,} messages", text)
	wait_health(backup, WARNING, "peer_silent")
	assert ask(backup, "ready")[0] == 0
	nft(lab, "fw1", "delete table inet refuse")
	for node in (active, backup):
		wait_health(node, OK)
	run("ip", "-n", lab.ns("fw1"), "link", "set", "sync0", "down")
	wait_health(active, WARNING, "link_down", "peer_silent")
	run("ip", "-n", lab.ns("fw1"), "link", "set", "sync0", "up")
	wait_health(active, OK)


def test_modes_that_differ(lab: Lab, make: Callable) -> None:
	"""Nobody's table can come: neither node waits for that for ever, or nobody would have the addresses."""
	one, two = make("fw1"), make("fw2")
	two.configure(mode="NOTRACK")
	for node in (one, two):
		node.start()
	for node in (one, two):
		assert "speaks another mode" in wait_health(node, WARNING, "peer_other_mode")
		wait_until(lambda node=node: ask(node, "ready")[0] == 0, 100, f"{node.fw} waits no longer")


def test_ready_when_the_table_has_come(lab: Lab, pair: Callable) -> None:
	"""A backup that has started is ready when it has the active node's flows, and not before."""
	active, backup = pair()
	scenario.inject(lab, "fw1", 20000)
	wait_replicated(active, backup)
	backup.stop()
	lab.lossy("fw2", 100)
	backup.start()
	assert ask(backup, "ready")[0] == 1 and reasons(backup, "ready") == {"listening"}
	lab.lossy("fw2", 0)
	wait_until(lambda: ask(backup, "ready")[0] == 0, 60, "it is ready", 0.02)
	assert len(backup.external()) == 20000


READY = """#!/bin/sh
"$CONNTRACKD" -C "$CONNTRACKD_CONF" --QUESTION --timeout 1 >>"$ROLE_DIR/ready" 2>&1
"""
VRRP_SCRIPT = """vrrp_script ready {
	script "SCRIPT"
	interval 1
	timeout 3
	fall 2
	rise 1
}

vrrp_sync_group firewall {
	track_script {
		ready
	}
"""


def tracked(lab: Lab, question: str = "ready") -> tuple[str, str]:
	"""The change to the examples of keepalived.conf, as doc/operation.md has it."""
	script = lab.scratch / "ready.sh"
	script.write_text(READY.replace("QUESTION", question))
	script.chmod(0o755)
	return "vrrp_sync_group firewall {\n", VRRP_SCRIPT.replace("SCRIPT", str(script))


def test_keepalived_keeps_the_addresses(cluster: Callable, lab: Lab) -> None:
	"""The peer of the active node dies, and after it the daemon: who forwards goes on forwarding. The node that comes back
	is the backup when it has everything.
	"""
	pair = cluster(OURS, OURS, tracked(lab))
	pair.start()
	scenario.serve(lab)
	traffic = [Traffic(lab, SNAT4, 20, 2)]
	pair.wait_equal("fw1")
	one, manager = pair.nodes["fw1"], pair.managers["fw1"]
	pair.cut("fw2")
	wait_health(one, WARNING, "peer_silent", "link_no_carrier")
	for _ in range(10):
		pace.sleep(0.5)
		assert manager.active()
	alive(traffic, "fw2: cut")
	one.stop(signal.SIGKILL)
	for _ in range(10):
		pace.sleep(0.5)
		assert manager.active()
	said = (manager.dir / "ready").read_text().splitlines()
	since = max(i for i, line in enumerate(said) if "NOT READY" in line or i == 0)
	assert len(said) - since > 15 and said[-1].startswith("CONNTRACKD READY - this node is active; but "), said
	alive(traffic, "fw1: no daemon")
	one.start()
	pair.reboot("fw2")
	wait_until(lambda: pair.managers["fw2"].said() == "backup", 40, "fw2 is the backup")
	assert manager.active() and not pair.managers["fw2"].owns()
	pair.wait_equal("fw1")
	finish(traffic)


def test_cable_that_comes_and_goes(lab: Lab, pair: Callable) -> None:
	"""Named while it is out, over soon after it has stayed, nothing is missing then, and the log is no flood."""
	active, backup = pair()
	scenario.inject(lab, "fw1", 50)
	wait_replicated(active, backup)
	active.ok("-c")
	backup.ok("-n")
	wait_health(active, OK)
	seen: set[str] = set()
	for i in range(10):
		lab.ip("fw1", "link set sync0 down")
		scenario.inject(lab, "fw1", 20, first=50 + 20 * i)
		seen |= reasons(active)
		lab.ip("fw1", "link set sync0 up")
		pace.sleep(0.1)
	assert "link_down" in seen or "link_no_carrier" in seen, seen
	wait_replicated(active, backup)
	for node in (active, backup):
		wait_health(node, OK)
		assert ask(node, "ready")[0] == 0
	assert len(active.log.read_text().splitlines()) < 120

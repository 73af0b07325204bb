# SPDX-License-Identifier: GPL-2.0-or-later
"""NOTRACK and ALARM with real kernels: the replica is the kernel table, fail-over works, losses are repaired."""

from __future__ import annotations

import re
import signal
from typing import Callable

import pytest

import pace
import scenario
from conftest import PAIRS
from netlab import Lab, run, wait_until
from node import DEBIAN, OURS, Node, wait_replicated

MB = 1 << 20

MODES: dict[str, dict[str, object]] = {"NOTRACK": {}, "ALARM": {"RefreshTime": 2, "CacheTimeout": 12}}

each_mode = pytest.mark.parametrize("mode", MODES)
each_pair = pytest.mark.parametrize("active,replica", PAIRS)


def start(pair: Callable, mode: str, active: str = OURS, replica: str = OURS) -> tuple[Node, Node]:
	return pair(active, replica, mode=mode, mode_options=MODES[mode])


def lose(lab: Lab, percent: int) -> None:
	"""So much of what the sync link carries, in both directions."""
	for fw in ("fw1", "fw2"):
		lab.lossy(fw, percent)


@each_mode
@each_pair
def test_connections_survive(lab: Lab, pair: Callable, mode: str, active: str, replica: str) -> None:
	nodes = start(pair, mode, active, replica)
	scenario.serve(lab)
	out = scenario.failover(lab, *nodes, scenario.Plan(download_size=8 * MB))
	assert out.commit_difference == ""
	assert out.lines["alive"] == out.lines["connections"] == 200, out
	assert out.download["hash_good"], out
	assert out.udp["alive"] == 1, out


@each_mode
@each_pair
def test_replica_learns_what_was_there_before(lab: Lab, make: Callable, mode: str, active: str, replica: str) -> None:
	"""Flows older than the daemons, and new ones; then they end, and the replica forgets them."""
	if active == DEBIAN:	# flows born unheard report no end unless somebody listens in any namespace; ours sets it itself
		lab.sysctl("fw1", {"net/netfilter/nf_conntrack_events": 1})
	scenario.inject(lab, "fw1", 500)
	nodes = make("fw1", active), make("fw2", replica)
	for node in nodes:
		node.configure(mode=mode, mode_options=MODES[mode])
		node.start()
	wait_replicated(*nodes, timeout=30)
	scenario.inject(lab, "fw1", 300, first=500)
	wait_replicated(*nodes)
	scenario.inject(lab, "fw1", 400, first=200, delete=True)
	wait_replicated(*nodes)


@each_mode
def test_restart_of_the_replica(lab: Lab, pair: Callable, mode: str) -> None:
	active, replica = start(pair, mode)
	scenario.inject(lab, "fw1", 300)
	wait_replicated(active, replica)
	replica.stop()
	scenario.inject(lab, "fw1", 100, first=300)
	scenario.inject(lab, "fw1", 100, delete=True)
	replica.start()
	wait_replicated(active, replica, timeout=30)


@each_mode
def test_restart_of_the_active_one(lab: Lab, pair: Callable, mode: str) -> None:
	"""What ended while it was down has to go at the replica, though nobody says so."""
	active, replica = start(pair, mode)
	scenario.inject(lab, "fw1", 300)
	wait_replicated(active, replica)
	active.stop()
	scenario.inject(lab, "fw1", 100, first=300)
	scenario.inject(lab, "fw1", 100, delete=True)
	active.start()
	wait_replicated(active, replica, timeout=40)


@each_mode
def test_loss_then_quiet(lab: Lab, pair: Callable, mode: str) -> None:
	active, replica = start(pair, mode)
	lose(lab, 5)
	for i in range(10):
		scenario.inject(lab, "fw1", 400, first=400 * i)
		if i >= 2:
			scenario.inject(lab, "fw1", 300, first=400 * (i - 2), delete=True)
		pace.sleep(0.3)
	lose(lab, 0)
	wait_replicated(active, replica, timeout=90)


@each_mode
def test_link_away(lab: Lab, pair: Callable, mode: str) -> None:
	active, replica = start(pair, mode)
	scenario.inject(lab, "fw1", 300)
	wait_replicated(active, replica)
	lab.ip("fw1", "link set sync0 down")
	scenario.inject(lab, "fw1", 500, first=300)
	scenario.inject(lab, "fw1", 200, delete=True)
	pace.sleep(4)
	lab.ip("fw1", "link set sync0 up")
	wait_replicated(active, replica, timeout=60)


@each_mode
def test_there_and_back(lab: Lab, pair: Callable, mode: str) -> None:
	"""Two planned changes of roles with the commands of a cluster manager's script, none of which may fail."""
	nodes = start(pair, mode)
	scenario.serve(lab)
	talk = scenario.lines(lab, 50)
	wait_replicated(*nodes)
	for old, new in (nodes, nodes[::-1]):
		scenario.switch_over(lab, old, new)
		said = talk.ask("alive", 10)
		assert said["alive"] == 50, f"{old.fw} -> {new.fw}: {said}"
		wait_until(lambda: not old.kernel(), 30, "the old one's scheduled flush")	# PurgeTimeout
		wait_replicated(new, old, 40)
	talk.end()


@each_mode
def test_commit_timeout(lab: Lab, pair: Callable, mode: str) -> None:
	active, replica = pair(mode=mode, mode_options={**MODES[mode], "CommitTimeout": 1000})
	scenario.inject(lab, "fw1", 50)
	wait_replicated(active, replica)
	replica.ok("-c")
	rows = run("ip", "netns", "exec", lab.ns("fw2"), "conntrack", "-L").stdout.splitlines()
	left = [int(row.split()[2]) for row in rows]
	assert len(left) == 50 and 900 < min(left) <= max(left) <= 1000, left


def test_alarm_expires(lab: Lab, pair: Callable) -> None:
	"""Nobody repeats the entries of a dead firewall; until they go they say for how long they stay."""
	active, replica = start(pair, "ALARM")
	scenario.inject(lab, "fw1", 100)
	wait_replicated(active, replica)
	for seconds in (0, 5):	# repetitions keep them
		pace.sleep(seconds)
		left = [int(line.split("[expires in ")[1].split("s]")[0]) for line in replica.ok("-e").splitlines()]
		assert len(left) == 100 and min(left) >= 12 - 4 and max(left) <= 12, left
	assert "expires" not in active.ok("-i")
	active.stop(signal.SIGKILL)
	pace.sleep(4)
	assert len(replica.external()) == 100
	wait_until(lambda: not replica.external(), 60, "the entries expire")


def test_alarm_has_nothing_to_ask(lab: Lab, make: Callable) -> None:
	node = make("fw1")
	node.configure(mode="ALARM")
	node.start()
	for option in ("-n", "-B"):
		done = node.ctl(option)
		assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done
		assert re.fullmatch(rf"{option}: nothing to do, .*ALARM.*\n", node.says(option))
	done = node.ctl("-s", "rsqueue")
	assert done.returncode == 0 and done.stdout == "", done
	said = node.ok("-s", "queue")
	assert "queue txqueue:" in said and "queue errorq:" in said and "rsqueue" not in said


@pytest.mark.parametrize("one,other", [("ALARM", "NOTRACK"), ("ALARM", "FTFW"), ("NOTRACK", "FTFW")])
def test_another_mode_is_said_once(lab: Lab, make: Callable, one: str, other: str) -> None:
	nodes = make("fw1"), make("fw2")
	for node, mode in zip(nodes, (one, other)):
		node.configure(mode=mode)
		node.start()
	wait_until(lambda: "speaks another mode" in nodes[0].log.read_text(), 20, "the log of " + one)
	pace.sleep(3)
	assert nodes[0].log.read_text().count("speaks another mode") == 1


PEER = r"received: yes\nheard: %s\npeer 10\.30\.0\.%d: in sync for \d+ s\n\tlast heard (\d+) ms ago, number \d+\n\treceived: yes\n\theard: %s\n"


@pytest.mark.parametrize("mode,heard,more", [
	("FTFW", ("yes", r"yes(?:, but for the last \d+ messages)?"),
	 r"\tresync from it: no, bulk send to it: no, open requests to repeat: 0\n"),
	("NOTRACK", ("not known in this mode",) * 2, r"\tresync from it: no\n"),
	("ALARM", ("not known in this mode",) * 2, "")], ids=("FTFW", "NOTRACK", "ALARM"))
def test_peers_are_shown(lab: Lab, pair: Callable, mode: str, heard: tuple[str, str], more: str) -> None:
	nodes = pair(mode=mode, mode_options=MODES.get(mode))
	for fw in ("fw1", "fw2"):
		scenario.inject(lab, fw, 10)	# ALARM has nothing to say otherwise

	def shown() -> bool:
		texts = [node.ok("-s", "peers") for node in nodes]
		said = [re.fullmatch(PEER % (heard[0], n, heard[1]) + more, text) for n, text in zip((12, 11), texts)]
		return all(said) and all(int(one[1]) < 4000 for one in said)

	wait_until(shown, 20, "each node shows the other one")


def test_silence_is_said(lab: Lab, pair: Callable) -> None:
	"""The peer dies, and is there again: a line each, and no more."""
	active, replica = pair()
	wait_until(lambda: "new peer" in active.log.read_text(), 10)
	replica.stop(signal.SIGKILL)
	wait_until(lambda: "fallen silent" in active.log.read_text(), 100, "the silence is noticed")
	pace.sleep(3)
	replica.start()
	wait_until(lambda: "heard again" in active.log.read_text(), 100, "the return is noticed")
	pace.sleep(2)
	said = re.findall(r"peer 10\.30\.0\.12 (?:has fallen silent: nothing heard for [1-9]\d+ s|is heard again, after [1-9]\d+ s)\n",
			  active.log.read_text())
	assert len(said) == 2 and len(re.findall(r"10\.30\.0\.12 (?:has fallen|is |ack)", active.log.read_text())) == 2, active.log.read_text()
	assert "silent" not in replica.log.read_text()

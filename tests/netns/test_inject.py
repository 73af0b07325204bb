# SPDX-License-Identifier: GPL-2.0-or-later
"""DisableExternalCache: what a peer says goes straight into the kernel."""

from __future__ import annotations

import os
import re
import signal
from typing import Callable

import pytest

import pace
import scenario
import tables
from conftest import PAIRS
from netlab import DNAT4, PLAIN6, SNAT4, Lab, run, wait_until
from node import OURS, Node, wait_replicated

each_pair = pytest.mark.parametrize("active,replica", PAIRS)
each_mode = pytest.mark.parametrize("mode", ("FTFW", "NOTRACK"))
INJECT = {"DisableExternalCache": "on"}
TARGETS = (SNAT4, DNAT4, PLAIN6)


def injected(node: Node) -> dict[str, tuple[int, int]]:
	"""created, updated, destroyed: done and failed."""
	block = re.search(r"external inject:\n((?:connections .*\n){3})\n", node.ok("-s"))
	assert block, node.ok("-s")
	return {word: (int(done), int(failed)) for word, done, failed in
		re.findall(r"connections (\w+):\t\t +(\d+)\tfailed:\t +(\d+)", block[1])}


def change_roles(old: Node, new: Node) -> None:
	"""The commands of keepalived's script. 1.4.x loses the peer's states with its own at the scheduled flush."""
	for option in ("-c", "-f", "-R", "-B"):
		new.ok(option)
	for option in ("-t", "-n") if old.which == OURS else ("-n",):
		old.ok(option)
	if old.which == OURS:
		wait_until(lambda: "flushing kernel conntrack table (scheduled)" in old.log.read_text(), 10)


def same_kernels(one: Node, other: Node) -> str:
	return tables.difference(one.kernel(), other.kernel())


@each_mode
@each_pair
def test_takeover_without_commit(lab: Lab, pair: Callable, mode: str, active: str, replica: str) -> None:
	"""The states are in the other kernel all the time: take the addresses, and every connection lives on, and back."""
	nodes = pair(active, replica, mode=mode, mode_options=INJECT)
	scenario.serve(lab)
	programs = [scenario.lines(lab, 20, target) for target in TARGETS]
	load = scenario.download(lab, 40 << 20, 1 << 20)	# for longer than both changes take
	stream = scenario.udp_stream(lab)
	wait_until(lambda: not same_kernels(*nodes), 20, "the same kernel tables", 0.3)
	for old, new in (nodes, nodes[::-1]):
		lab.addresses_to(new.fw)
		change_roles(old, new)
		wait_until(lambda: not same_kernels(*nodes), 20, "the same kernel tables after the change", 0.3)
		for program, count in (*((p, 20) for p in programs), (stream, 1)):
			said = program.ask("alive", 10)
			assert said["alive"] == count, f"{old.which} -> {new.which}: {said}"
	assert load.ask("finish", 20)["hash_good"]


@pytest.mark.parametrize("tracking,moves,old_types", (("off", 2, ()), ("on", 2, ()), ("on", 4, ("-t",))))
def test_there_and_back_before_the_purge(lab: Lab, pair: Callable, tracking: str, moves: int, old_types: tuple) -> None:
	"""The entries of the node that gets its connections back stand where those were when they left, and each packet of today is
	invalid to their windows. Established TCP is silent, so the peer has told nothing meanwhile: -c itself has to see to it."""
	nodes = pair(mode_options={**INJECT, "PurgeTimeout": 600}, options={"TCPWindowTracking": tracking})
	scenario.serve(lab)
	programs = [scenario.lines(lab, 20, target, 0.2) for target in TARGETS]
	wait_until(lambda: not same_kernels(*nodes), 20, "the same kernel tables", 0.3)
	for move in range(moves):
		old, new = nodes[move % 2], nodes[1 - move % 2]
		lab.addresses_to(new.fw)
		assert "states of the peer are in the kernel already" in new.says("-c")
		for option in old_types:
			old.ok(option)
		pace.sleep(2.4)
	for program in programs:
		said = program.ask("alive", 10)
		assert said["alive"] == 20, said
	assert "take-over, their windows judge no longer" in nodes[0].log.read_text()


@each_mode
def test_news_after_the_takeover(lab: Lab, pair: Callable, mode: str) -> None:
	"""Connections that began while the link was broken are told when the new node has taken over and -R has looked for what is to be
	its own. Then the old node empties its table: the new one has to keep them, and to tell them."""
	old, new = pair(mode=mode, mode_options=INJECT)
	scenario.serve(lab)
	early = scenario.lines(lab, 5)
	wait_until(lambda: len(new.kernel()) == 5, 10)
	lab.lossy("fw2", 100)
	late = [scenario.lines(lab, 5, target) for target in (SNAT4, PLAIN6)]
	pace.sleep(0.5)
	lab.addresses_to("fw2")
	for option in ("-c", "-f", "-R", "-B"):
		new.ok(option)
	assert len(new.kernel()) == 5
	lab.lossy("fw2", 0)
	wait_until(lambda: len(new.kernel()) == 15, 20, "the news of the old node")
	old.ok("-t"), old.ok("-n")
	wait_until(lambda: "scheduled flush of the kernel table: " in old.log.read_text(), 10)
	wait_until(lambda: len(new.internal()) == 15 and not same_kernels(old, new), 20, "all are the new node's, and told", 0.3)
	lab.addresses_to("fw1")
	old.ok("-c")
	for program, count in ((early, 5), *((p, 5) for p in late)):
		said = program.ask("alive", 10)
		assert said["alive"] == count, said


@each_mode
def test_an_end_that_crosses_an_adoption(lab: Lab, pair: Callable, mode: str) -> None:
	"""The backup makes its own what it was told, and tells it, while the same flows end on the active node: what it tells comes
	after the end, and must not bring them back."""
	active, backup = pair(mode=mode, mode_options=INJECT)
	scenario.inject(lab, "fw1", 20)
	wait_until(lambda: len(backup.kernel()) == 20, 10)
	wait_until(lambda: "the table of peer" in active.log.read_text() and "the table of peer" in backup.log.read_text(), 30)
	os.kill(active.pid, signal.SIGSTOP)
	backup.ok("-R")
	wait_until(lambda: len(backup.internal()) == 20, 10)
	pace.sleep(0.5)
	scenario.inject(lab, "fw1", 20, delete=True)
	assert not active.kernel()
	os.kill(active.pid, signal.SIGCONT)
	wait_until(lambda: not active.kernel() and not backup.kernel() and not backup.internal(), 20, "ended everywhere")
	pace.sleep(1)
	assert not active.kernel() and not backup.kernel()


@each_pair
def test_figures_and_commands(lab: Lab, pair: Callable, active: str, replica: str) -> None:
	one, two = pair(active, replica, mode_options=INJECT)
	scenario.inject(lab, "fw1", 30)
	wait_until(lambda: len(two.kernel()) == 30, 10)
	assert injected(two)["created"] == (30, 0)
	scenario.inject(lab, "fw1", 10, delete=True)
	pace.sleep(1)
	assert two.ok("-e") == "" and two.ok("-i") == ""
	assert "cache external" not in two.ok("-s") and "external inject" in two.ok("-s", "cache") + two.ok("-s")
	for options in (("-c",), ("-f", "external")):
		assert two.ctl(*options).returncode == 0
	two.ok("-f")
	assert len(two.kernel()) >= 20, "-f is no flush of the kernel table"


def test_what_is_about_the_external_cache_says_so(lab: Lab, pair: Callable) -> None:
	_, two = pair(OURS, OURS, mode_options=INJECT)
	for args in (("-e",), ("-e", "-x"), ("-c",), ("-c", "ct"), ("-f", "external")):
		done = two.ctl(*args)
		assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done
		assert "nothing to do, states of the peer are in the kernel already (DisableExternalCache)" in two.says(*args)


def test_end_of_a_flow_in_use(lab: Lab, pair: Callable) -> None:
	"""The active node forwards; an entry of the other node ends (removed by hand): the live one stays, and nothing stalls."""
	active, other = pair(mode_options=INJECT)
	scenario.serve(lab)
	talk = scenario.lines(lab, 10)
	wait_until(lambda: len(other.kernel()) == 10, 10)
	# the other node takes them for its own, and then somebody removes them there
	other.ok("-R")
	wait_until(lambda: len(other.internal()) == 10, 20)
	run("ip", "netns", "exec", lab.ns("fw2"), "conntrack", "-D", "-p", "tcp")
	wait_until(lambda: not other.internal(), 10)
	pace.sleep(1)
	assert len(active.kernel()) == 10
	assert talk.ask("alive", 10)["alive"] == 10
	# and one that has ended goes
	talk.end()
	wait_until(lambda: not active.kernel() and not other.kernel(), 60, "all have ended", 0.5)


def test_news_do_not_set_back(lab: Lab, pair: Callable) -> None:
	"""A peer's old news about a flow that is established here leave it as it is, with the mark that was set here."""
	active, other = pair(mode_options=INJECT)
	scenario.serve(lab)
	scenario.lines(lab, 5)
	wait_until(lambda: len(other.kernel()) == 5, 10)
	run("ip", "netns", "exec", lab.ns("fw1"), "nft", "insert rule inet fw forward tcp dport 7001 ct mark set 9")
	wait_until(lambda: {flow.mark for flow in other.kernel()} == {9}, 10, "a change arrives")
	other.ok("-R"), other.ok("-B")	# the other node tells everything it has, as old as it may be
	pace.sleep(1)
	assert {(flow.state, flow.mark) for flow in active.kernel()} == {("ESTABLISHED", 9)}
	assert not same_kernels(active, other)


@each_mode
@each_pair
def test_loss_then_quiet(lab: Lab, pair: Callable, mode: str, active: str, replica: str) -> None:
	one, two = pair(active, replica, mode=mode, mode_options=INJECT)
	lab.lossy("fw2", 10)
	scenario.inject(lab, "fw1", 2000)
	pace.sleep(1)
	lab.lossy("fw2", 0)
	if mode == "NOTRACK" and two.which != OURS:
		two.ok("-n")		# 1.4.x does not ask by itself
	wait_until(lambda: not same_kernels(one, two), 30, "the same kernel tables", 0.5)

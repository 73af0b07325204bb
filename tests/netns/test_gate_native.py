# SPDX-License-Identifier: GPL-2.0-or-later
"""The gate with rules of the daemon's own: they stay where others remove theirs, and hold nothing where nobody is at work.

Needs a kernel with the queue of nftables: tests/guest/check runs it.
"""

from __future__ import annotations

import os
import signal

import pytest

import pace
import scenario
from netlab import FW, SNAT4, Lab, run, wait_until
from node import OURS, Node, wait_replicated
from test_gate import POLICIES, QUEUE, told, with_gate

TABLE = f"inet conntrackd-gate-{QUEUE}"


def nft(lab: Lab, fw: str, *command: str, check: bool = True) -> str:
	return run("ip", "netns", "exec", lab.ns(fw), "nft", *command, check=check).stdout


def elements(lab: Lab, fw: str) -> bool:
	"""Are packets queued?"""
	return "expires" in nft(lab, fw, "list", "set", *TABLE.split(), "closed")


def start(lab: Lab) -> tuple[Node, Node]:
	for fw in FW:
		probe = f"table inet probe {{ chain c {{ queue num {QUEUE}\n}}\n}}"
		if run("ip", "netns", "exec", lab.ns(fw), "nft", "-f", "-", stdin=probe, check=False).returncode:
			pytest.skip("this kernel has no queue in nftables")
		nft(lab, fw, "delete", "table", "inet", "probe")
		run("ip", "netns", "exec", lab.ns(fw), "nft", "-f", "-", stdin=POLICIES["reject"])
	nodes = Node(lab, "fw1", OURS), Node(lab, "fw2", OURS)
	for node in nodes:
		node.configure(mode_options={"PurgeTimeout": 60})
		with_gate(node, Rules="native", Deadline=20000)		# an emulated machine is slow
		node.start()
	nodes[0].ok("-c")
	nodes[1].ok("-n")
	wait_until(lambda: elements(lab, "fw2"), 20, "the gate is closed")
	assert not elements(lab, "fw1")
	return nodes


def test_native_rules(lab: Lab) -> None:
	"""The addresses move, all rules but the daemon's own are removed and come back, and then the commit comes."""
	one, two = start(lab)
	with told(one, two):
		scenario.serve(lab)
		talk = scenario.lines(lab, 20, SNAT4, interval=0.1)
		wait_replicated(one, two)
		assert nft(lab, "fw2", "delete", "table", *TABLE.split(), check=False) == "" and elements(lab, "fw2")
		lab.addresses_to("fw2")
		pace.sleep(0.2)
		rules = nft(lab, "fw2", "list", "table", "inet", "fw")
		nft(lab, "fw2", "flush", "ruleset")
		assert elements(lab, "fw2")
		run("ip", "netns", "exec", lab.ns("fw2"), "nft", "-f", "-", stdin=rules)
		one.ok("-n")
		for option in ("-c", "-f", "-R", "-B"):
			two.ok(option)
		said = talk.ask("alive", 20)
		assert said["alive"] == 20 and said["errors"] == [], said
		wait_until(lambda: "gate: open; " in two.log.read_text(), 20, "the gate is open")
		assert not elements(lab, "fw2") and "hook prerouting" in nft(lab, "fw2", "list", "table", *TABLE.split())
		wait_until(lambda: elements(lab, "fw1"), 20, "the other one is closed")


def test_nobody_at_work(lab: Lab) -> None:
	"""A daemon that is stopped holds nothing new after a second; one that is killed leaves no rules behind."""
	_, two = start(lab)
	os.kill(two.pid, signal.SIGSTOP)
	wait_until(lambda: not elements(lab, "fw2"), 20, "nothing is queued any more")
	os.kill(two.pid, signal.SIGCONT)
	wait_until(lambda: elements(lab, "fw2"), 20, "packets are queued again")
	two.stop(signal.SIGKILL)
	wait_until(lambda: TABLE not in nft(lab, "fw2", "list", "tables"), 20, "the rules are gone")
	two.start()
	wait_until(lambda: elements(lab, "fw2"), 20, "the gate is closed again")

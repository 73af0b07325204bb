# SPDX-License-Identifier: GPL-2.0-or-later
"""What a pair says of itself: in the log of both nodes when it gets worse and when it gets better, and in -s peers at any time."""

from __future__ import annotations

import re
from typing import Callable

import pytest

import pace
import scenario
from netlab import Lab, run, wait_until
from node import Link, Node, wait_replicated


def state(node: Node) -> str:
	"""That of the only peer, in words."""
	found = re.search(r"^peer \S+: (.*) for \d+ s$", node.ok("-s", "peers"), re.M)
	return found[1] if found else ""


def node_says(node: Node) -> tuple[str, str]:
	"""Received and heard, of all peers together."""
	text = node.ok("-s", "peers")
	return re.search(r"^received: (\w+)", text, re.M)[1], re.search(r"^heard: (.*)", text, re.M)[1]


def wait_in_sync(*nodes: Node) -> None:
	for node in nodes:
		wait_until(lambda node=node: state(node) == "in sync", 60, f"{node.fw} is in sync")


def lines(node: Node, level: str, pattern: str = "") -> list[str]:
	return [line for line in node.log.read_text().splitlines() if f"[{level}]" in line and re.search(pattern, line)]


def wait_line(node: Node, level: str, pattern: str, timeout: float = 60) -> re.Match[str]:
	wait_until(lambda: lines(node, level, pattern), timeout, f"{node.fw}: [{level}] {pattern}")
	return re.search(pattern, lines(node, level, pattern)[-1])


def nft(lab: Lab, fw: str, rules: str) -> None:
	run("ip", "netns", "exec", lab.ns(fw), "nft", "-f", "-", stdin=rules)


REFUSE = """
table inet refuse {
	chain out {
		type filter hook output priority filter;
		oifname "sync0" udp dport 3780 reject
	}
}
"""


def test_way_is_broken_in_one_direction(lab: Lab, pair: Callable) -> None:
	"""After a good start what the active node sends arrives nowhere, and it hears the other one as before."""
	active, replica = pair()
	scenario.inject(lab, "fw1", 200)
	wait_replicated(active, replica)
	wait_in_sync(active, replica)
	assert node_says(active) == node_says(replica) == ("yes", "yes")
	assert not lines(active, "warning", "peer") and not lines(replica, "warning", "peer")

	lab.lossy("fw2", 100)
	scenario.inject(lab, "fw1", 2000, first=200)
	said = wait_line(active, "warning", r"peer 10\.30\.0\.12 is heard but has acknowledged nothing for (\d+) s, (\d+) messages")
	assert int(said[1]) >= 10 and int(said[2]) >= 2000
	assert state(active) == "does not acknowledge"
	assert node_says(active) == ("yes", "no")
	assert re.search(r"\theard: no, 2\d\d\d messages are not acknowledged, the oldest for \d\d s\n", active.ok("-s", "peers"))
	wait_line(replica, "warning", r"peer 10\.30\.0\.11 has fallen silent")
	assert state(replica) == "silent"
	assert node_says(replica)[1] == "no"

	lab.lossy("fw2", 0)
	wait_in_sync(active, replica)
	wait_replicated(active, replica)
	said = wait_line(active, "notice", r"peer 10\.30\.0\.12 acknowledges what it is told again, after (\d+) s; up to (\d+) messages")
	assert int(said[1]) >= 10 and int(said[2]) >= 2000
	wait_line(replica, "notice", r"peer 10\.30\.0\.11 is heard again, after \d+ s")
	assert node_says(active) == node_says(replica) == ("yes", "yes")
	for node in (active, replica):
		assert len(lines(node, "warning")) == 1, lines(node, "warning")


def test_restart_ends_with_a_line(lab: Lab, pair: Callable) -> None:
	"""A restarted node says when it has everything, and how much that was; no node says anything worse."""
	active, replica = pair()
	scenario.inject(lab, "fw1", 3000)
	wait_replicated(active, replica)
	wait_in_sync(active, replica)
	replica.stop()
	replica.log.unlink()
	scenario.inject(lab, "fw1", 2000, first=3000)
	replica.start()
	scenario.inject(lab, "fw1", 2000, first=5000)
	wait_replicated(active, replica)
	said = wait_line(replica, "notice", r"the table of peer 10\.30\.0\.11 has come: (\d+) states, in \d+ ms")
	assert int(said[1]) >= 3000
	said = wait_line(active, "notice", r"everything was sent to peer 10\.30\.0\.12: (\d+) flows, in \d+ ms")
	wait_in_sync(active, replica)
	assert not lines(active, "warning") and not lines(replica, "warning")


@pytest.mark.parametrize("mode", ("FTFW", "NOTRACK"))
def test_losses_are_repaired_and_counted(lab: Lab, pair: Callable, mode: str) -> None:
	active, replica = pair(mode=mode)
	wait_in_sync(active, replica)
	lab.lossy("fw2", 20)
	for i in range(10):
		scenario.inject(lab, "fw1", 100, first=100 * i)
	lab.lossy("fw2", 0)
	wait_replicated(active, replica)
	wait_in_sync(replica)
	said = wait_line(replica, "notice", r"(\d+) messages of peer 10\.30\.0\.11 were lost on the way, and have been repaired")
	assert int(said[1]) > 0
	lost, repaired = re.search(r"\tlost: (\d+) of its messages, repaired: (\d+)\n", replica.ok("-s", "peers")).groups()
	assert lost == repaired != "0"
	assert re.search(rf"Packets lost:\t+ +{lost}\n", replica.ok("-s", "network"))
	assert re.search(rf"Packets repaired:\t+ +{repaired}\n", replica.ok("-s", "network"))


def test_own_rule_refuses_what_goes_out(lab: Lab, pair: Callable) -> None:
	"""The error is named with its likely cause, once, and so is its end."""
	active, replica = pair()
	scenario.inject(lab, "fw1", 100)
	wait_replicated(active, replica)
	wait_in_sync(active, replica)
	nft(lab, "fw1", REFUSE)
	scenario.inject(lab, "fw1", 1000, first=100)
	wait_line(active, "warning", r"multicast link: datagrams cannot be sent: Operation not permitted: a rule of this machine")
	assert "\tdatagrams cannot be sent: Operation not permitted\n" in active.ok("-s", "link")
	nft(lab, "fw1", "delete table inet refuse")
	wait_replicated(active, replica)
	said = wait_line(active, "notice", r"multicast link: datagrams leave again, after \d+ s; (\d+) could not")
	assert int(said[1]) >= 5
	assert "cannot be sent" not in active.ok("-s", "link")
	assert len(lines(active, "warning")) == 1, lines(active, "warning")


def test_modes_that_differ(lab: Lab, make: Callable) -> None:
	"""Both say it, and that it is over when one of them has been put right."""
	one, two = make("fw1"), make("fw2")
	two.configure(mode="NOTRACK")
	for node in (one, two):
		node.start()
	wait_line(one, "warning", r"peer 10\.30\.0\.12 speaks another mode: it sends what FTFW does not know")
	wait_line(two, "warning", r"peer 10\.30\.0\.11 speaks another mode: it sends what NOTRACK does not know")
	for node in (one, two):
		wait_until(lambda node=node: state(node) == "speaks another mode", 10, f"{node.fw} shows it")
		assert len(lines(node, "warning")) == 1, lines(node, "warning")
	one.ok("-c")	# a take-over with what there is: said
	wait_line(one, "notice", r"what was committed is not all that the peers have: .*missing \(-s peers\)")
	two.stop()
	two.configure()
	two.start()
	wait_in_sync(one, two)
	one.ok("-c")
	assert len(lines(one, "notice", "what was committed is not all")) == 1
	wait_line(one, "notice", r"peer 10\.30\.0\.12 sends nothing any more that FTFW does not know, after \d+ s")


@pytest.mark.parametrize("mode", ("FTFW", "NOTRACK"))
def test_alarm_on_the_other_node(lab: Lab, make: Callable, mode: str) -> None:
	"""ALARM says nothing that the other modes do not know, but for this: both nodes name what is wrong."""
	one, two = make("fw1"), make("fw2")
	one.configure(mode=mode)
	two.configure(mode="ALARM", mode_options={"RefreshTime": 1, "CacheTimeout": 15})
	for node in (one, two):
		node.start()
	scenario.inject(lab, "fw2", 20)
	wait_line(one, "warning", r"peer 10\.30\.0\.12 speaks another mode: it is in ALARM")
	wait_line(two, "warning", r"peer 10\.30\.0\.11 speaks another mode: it sends what ALARM does not know")
	for node in (one, two):
		wait_until(lambda node=node: state(node) == "speaks another mode", 10, f"{node.fw} shows it")
		assert len(lines(node, "warning")) == 1, lines(node, "warning")


def test_what_is_not_sent_has_not_left(lab: Lab, pair: Callable) -> None:
	"""In ALARM a node says nothing between its news: that no datagram was refused for a while is no end."""
	active, _ = pair(mode="ALARM", mode_options={"RefreshTime": 600, "CacheTimeout": 700})
	nft(lab, "fw1", REFUSE)
	scenario.inject(lab, "fw1", 1)
	wait_line(active, "warning", r"multicast link: datagrams cannot be sent: Operation not permitted")
	pace.sleep(6)
	assert not lines(active, "notice", "leave again")
	assert "\tdatagrams cannot be sent: Operation not permitted\n" in active.ok("-s", "link")
	nft(lab, "fw1", "delete table inet refuse")
	scenario.inject(lab, "fw1", 1, first=1)
	wait_line(active, "notice", r"multicast link: datagrams leave again")
	assert "cannot be sent" not in active.ok("-s", "link")


@pytest.mark.parametrize("mode", ("FTFW", "NOTRACK"))
def test_mtu_that_differs(lab: Lab, pair: Callable, mode: str) -> None:
	"""Both say it once, show it, and say when it is over."""
	lab.ip("fw2", "link set sync0 mtu 1400")
	nodes = pair(mode=mode)
	wait_in_sync(*nodes)
	for node, peer, there, here in zip(nodes, (12, 11), (1400, 1500), (1500, 1400)):
		wait_line(node, "warning", rf"peer 10\.30\.0\.{peer} has an MTU of {there} on the link to us, and we have {here}:")
		assert f"\tMTU: {there} there, {here} here\n" in node.ok("-s", "peers")
	lab.ip("fw2", "link set sync0 mtu 1500")
	for node in nodes:
		wait_until(lambda node=node: node.ok("-n") is not None and "MTU" not in nodes[1 - nodes.index(node)].ok("-s", "peers"), 30,
			   "the other one hears of the change", 1.5)
	for node in nodes:
		wait_line(node, "notice", r"has the same MTU on the link to us now: 1500")
		assert len(lines(node, "warning", "MTU")) == 1


def test_named_by_the_address_that_speaks(lab: Lab, make: Callable) -> None:
	"""fw1 was told another address than that from which its peer speaks, and that nobody has."""
	one, two = make("fw1"), make("fw2")
	for node in (one, two):
		node.configure(link=Link("UDP"))
	one.conf.write_text(one.conf.read_text().replace("Destination_Address 10.30.0.12", "Destination_Address 10.30.0.99"))
	for node in (one, two):
		node.start()
	wait_line(one, "notice", r"new peer 10\.30\.0\.12$")
	assert "peer 10.30.0.12: " in one.ok("-s", "peers")
	assert not re.search(r"peer 10\.30\.0\.99", one.log.read_text() + one.ok("-s", "peers"))


@pytest.mark.parametrize("mode", ("NOTRACK", "ALARM"))
def test_other_modes(lab: Lab, pair: Callable, mode: str) -> None:
	active, replica = pair(mode=mode, mode_options={"RefreshTime": 1, "CacheTimeout": 15} if mode == "ALARM" else {})
	scenario.inject(lab, "fw1", 50)
	wait_replicated(active, replica)
	wait_until(lambda: state(replica) == "in sync", 30, "the replica is in sync")
	assert node_says(replica) == ("yes", "not known in this mode")

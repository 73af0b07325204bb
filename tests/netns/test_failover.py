# SPDX-License-Identifier: GPL-2.0-or-later
"""One firewall dies, the other takes over, live connections carry on. And without the commit they do not."""

from __future__ import annotations

import signal
from typing import Callable

import pytest

import pace
import scenario
from conftest import PAIRS
from netlab import Lab
from node import wait_replicated
from repeats import only_long

MB = 1 << 20

each_pair = pytest.mark.parametrize("old,new", PAIRS)


@each_pair
def test_connections_survive(lab: Lab, pair: Callable, old: str, new: str) -> None:
	active, survivor = pair(old, new)
	scenario.serve(lab)
	out = scenario.failover(lab, active, survivor, scenario.Plan(download_size=8 * MB))
	assert out.commit_difference == ""
	assert out.lines["alive"] == out.lines["connections"] == 200, out
	assert out.download["hash_good"], out
	assert out.udp["alive"] == 1, out
	assert out.lines["stall_ms"] < pace.seconds(5) * 1000, out


@pytest.mark.parametrize("old,new", PAIRS[:1] + only_long(PAIRS[1:]))		# no daemon does anything here
def test_without_commit_all_die(lab: Lab, pair: Callable, old: str, new: str) -> None:
	"""The control: what survives above does so because of the commit and of nothing else."""
	active, survivor = pair(old, new)
	scenario.serve(lab)
	out = scenario.failover(lab, active, survivor, scenario.Plan(with_commit=False))
	assert out.lines["alive"] == 0 and out.lines["connections"] == 200, out
	assert not out.download["finished"], out
	assert out.udp["alive"] == 0, out


@each_pair
def test_udp_stream_older_than_its_timeout(lab: Lab, pair: Callable, old: str, new: str) -> None:
	"""A busy stream sends no event while its timeout passes several times over."""
	for fw in ("fw1", "fw2"):
		lab.sysctl(fw, {"net/netfilter/nf_conntrack_udp_timeout": 2,
				"net/netfilter/nf_conntrack_udp_timeout_stream": 2})
	active, survivor = pair(old, new)
	scenario.serve(lab)
	out = scenario.failover(lab, active, survivor,
				scenario.Plan(connections=5, download_size=20 * MB, warm_up=8))
	assert out.udp["alive"] == 1, out
	assert out.udp["stall_ms"] < pace.seconds(2) * 1000, out
	assert out.lines["alive"] == 5 and out.download["hash_good"], out


@pytest.mark.parametrize("first,second", PAIRS)
def test_there_and_back_before_the_purge(lab: Lab, pair: Callable, first: str, second: str) -> None:
	"""The roles change back while the first kernel still has its old entries (-t has not fired yet).

	Their window tracking stands where the connections were when they left: whoever keeps such an
	entry at the commit has to keep it from judging the packets of today by the numbers of then.
	"""
	nodes = pair(first, second, mode_options={"PurgeTimeout": 60})
	scenario.serve(lab)
	talk = scenario.lines(lab, 50)
	load = scenario.download(lab, 60 * MB, 8 * MB)
	wait_replicated(*nodes)
	for old, new in (nodes, nodes[::-1]):
		scenario.switch_over(lab, old, new)
		said = talk.ask("alive", 10)
		assert said["alive"] == 50, f"{old.fw} -> {new.fw}: {said}"
		wait_replicated(new, old)
	said = load.ask("finish", 10)
	assert said["hash_good"], said


@pytest.mark.parametrize("missed", ["daemon was dead", "never typed"])
def test_a_change_of_roles_that_was_missed(lab: Lab, pair: Callable, missed: str) -> None:
	"""The first node is never told that the other one has taken over: its -t finds no daemon, or its scripts type none. It
	believes that it has been active all the time, and takes over again with old entries."""
	one, two = pair(mode_options={"PurgeTimeout": 600})
	for node in (one, two):		# an entry lapses while its packets take the other way
		lab.sysctl(node.fw, {"net/netfilter/nf_conntrack_udp_timeout_stream": 4, "net/netfilter/nf_conntrack_udp_timeout": 4})
	scenario.serve(lab)
	talk, stream = scenario.lines(lab, 20, interval=0.2), scenario.udp_stream(lab, streams=2)
	wait_replicated(one, two)
	one.ok("-c")
	pace.sleep(3)		# the take-over itself is over
	if missed == "daemon was dead":
		one.stop(signal.SIGKILL)
		assert one.ctl("-t").returncode == 1
	for option in ("-c", "-f", "-R", "-B"):
		two.ok(option)
	lab.addresses_to("fw2")
	pace.sleep(1)
	if missed == "daemon was dead":
		one.start()
	pace.sleep(6)		# longer than the life of the UDP entries
	assert talk.ask("alive", 10)["alive"] == 20
	two.ok("-B")
	wait_replicated(two, one)
	for option in ("-c", "-f", "-R", "-B"):
		one.ok(option)
	lab.addresses_to("fw1")
	assert talk.ask("alive", 10)["alive"] == 20
	assert stream.ask("alive", 10)["alive"] == 2

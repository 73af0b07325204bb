# SPDX-License-Identifier: GPL-2.0-or-later
"""The replica's external cache is the active firewall's kernel table, whatever happens in between."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Callable

import pytest

import pace
import scenario
import tables
from conftest import PAIRS
from netlab import DNAT4, ECHO_PORT, PLAIN6, SNAT4, Lab, inside, run, wait_until
from node import DEBIAN, OURS, Node, wait_replicated

each_pair = pytest.mark.parametrize("active,replica", PAIRS)
ours_active = pytest.mark.parametrize("active,replica", [(OURS, OURS), (OURS, DEBIAN)])

EVENTS = "net/netfilter/nf_conntrack_events"
ECHO = ("dport", str(ECHO_PORT))


def echo_flows(flows: set[tables.Flow]) -> set[tables.Flow]:
	"""Those of the interactive connections."""
	return {f for f in flows if ECHO in f.orig}


def wait_gone(active: Node, replica: Node, timeout: float = 40) -> None:
	"""The interactive connections have ended: in the kernel, then at the replica."""
	wait_until(lambda: not echo_flows(active.kernel()), 20, f"{active.fw}: the flows end in the kernel", 0.3)
	wait_until(lambda: not echo_flows(replica.external()), timeout, f"{replica.fw}: the flows end at the replica", 0.3)
	wait_replicated(active, replica)


def kernel_default(lab: Lab, fw: str) -> None:
	"""nf_conntrack_events as every kernel starts with: flows born unheard never report their end."""
	lab.sysctl(fw, {EVENTS: 2})
	with inside(lab.ns(fw)):
		assert Path("/proc/sys", EVENTS).read_text().strip() == "2"


# --- equal after traffic --------------------------------------------------


@each_pair
def test_replica_equals_kernel_table(lab: Lab, pair: Callable, active: str, replica: str) -> None:
	"""IPv4 with either translation, IPv6, TCP and UDP, marks, connections that end."""
	one, two = pair(active, replica)
	scenario.serve(lab)
	talks = [scenario.lines(lab, 30, target) for target in (SNAT4, DNAT4, PLAIN6)]
	for target in (SNAT4, DNAT4, PLAIN6):
		scenario.udp_stream(lab, target, 3)
	run("ip", "netns", "exec", lab.ns("client"), "ping", "-c", 2, "-i", "0.2", SNAT4.address)
	wait_replicated(one, two)
	assert (len(echo_flows(two.external())), sum(f.mark == 42 for f in two.external())) == (90, 9)
	run("ip", "netns", "exec", lab.ns("fw1"), "nft", f"insert rule inet fw forward tcp dport {ECHO_PORT} ct mark set 7")
	wait_until(lambda: sum(f.mark == 7 for f in one.kernel()) == 90, 5, "all connections are marked anew")
	wait_replicated(one, two)
	talks[0].ask("close")
	talks[1].ask("reset")
	wait_until(lambda: len(echo_flows(one.kernel())) == 30, 20, "two thirds end")
	wait_replicated(one, two)
	assert len(echo_flows(two.external())) == 30
	assert tables.difference(one.kernel(), one.internal()) == ""


@each_pair
def test_commit_makes_the_same_kernel_table(lab: Lab, pair: Callable, active: str, replica: str) -> None:
	"""Tuples of both directions, state, mark; nothing of it comes back to the peer as news."""
	one, two = pair(active, replica)
	scenario.serve(lab)
	for target in (SNAT4, DNAT4, PLAIN6):
		scenario.lines(lab, 10, target)
		scenario.udp_stream(lab, target)
	wait_replicated(one, two)
	pace.sleep(4)		# the tables that nodes send each other when they meet are through
	two.ok("-c")
	assert tables.difference(one.kernel(), two.kernel()) == ""
	# 1.4.7 learns of its own commit from the kernel's events, a moment later
	wait_until(lambda: not tables.difference(two.kernel(), two.internal()), 5, "the committed flows are in -i")
	pace.sleep(1.5)		# longer than either daemon keeps news back
	assert one.external() == set()


# --- loss -------------------------------------------------------------------


@pytest.mark.parametrize("percent", [5, 20])
@each_pair
def test_loss_then_quiet(lab: Lab, pair: Callable, active: str, replica: str, percent: int) -> None:
	"""Births, changes and ends while the sync link loses datagrams in both directions."""
	one, two = pair(active, replica)
	scenario.serve(lab)
	if DEBIAN in (active, replica):
		pace.sleep(3)		# the handshake: every HELLO makes 1.4.7 forget what it was to send again
	for node in (one, two):
		lab.lossy(node.fw, percent)
	for turn in range(4):
		talk = scenario.lines(lab, 50)
		scenario.inject(lab, "fw1", 500, first=500 * turn)
		if turn % 2:
			scenario.inject(lab, "fw1", 250, first=500 * turn, delete=True)
			talk.ask("reset")
		pace.sleep(1)
	assert lab.dropped("fw2") > 0
	for node in (one, two):
		lab.lossy(node.fw, 0)
	wait_replicated(one, two)


# --- what no event tells ------------------------------------------------------


@ours_active
def test_flows_older_than_the_daemon(lab: Lab, make: Callable, active: str, replica: str) -> None:
	scenario.serve(lab)
	kernel_default(lab, "fw1")
	talk = scenario.lines(lab, 20)
	one, two = make("fw1", active), make("fw2", replica)
	two.start()
	one.start()
	wait_replicated(one, two)
	assert len(echo_flows(two.external())) == 20
	talk.ask("close")
	wait_gone(one, two)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
@ours_active
def test_flows_born_while_the_daemon_was_down(lab: Lab, pair: Callable, active: str, replica: str,
					      how: signal.Signals) -> None:
	one, two = pair(active, replica)
	scenario.serve(lab)
	one.stop(how)
	kernel_default(lab, "fw1")
	talk = scenario.lines(lab, 20)
	one.start()
	wait_replicated(one, two)
	assert len(echo_flows(two.external())) == 20
	talk.ask("reset")
	wait_gone(one, two)


# --- restarts, outages: nobody types anything -----------------------------------


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("active,replica,restarted", [
	(OURS, OURS, "active"), (OURS, OURS, "replica"), (OURS, OURS, "both"),
	(OURS, DEBIAN, "replica"), (OURS, DEBIAN, "active"), (DEBIAN, OURS, "replica")])
def test_restart(lab: Lab, pair: Callable, active: str, replica: str, restarted: str, how: signal.Signals) -> None:
	"""Flows are born, and between two of ours also end, while a daemon is away."""
	one, two = pair(active, replica)
	scenario.serve(lab)
	scenario.lines(lab, 30)
	scenario.inject(lab, "fw1", 2000)
	wait_replicated(one, two)
	nodes = {"active": [one], "replica": [two], "both": [one, two]}[restarted]
	for node in nodes:
		node.stop(how)
	scenario.lines(lab, 30)
	scenario.inject(lab, "fw1", 1000, first=10000)
	if (active, replica) == (OURS, OURS) or replica == OURS:
		# 1.4.7 keeps what ended unheard: it has no sweep
		scenario.inject(lab, "fw1", 1500, delete=True)
	for node in nodes:
		node.start()
	wait_replicated(one, two)


@pytest.mark.parametrize("queue,seconds", [(131072, 10), (2000, 10), (500, 40)])
def test_sync_link_away(lab: Lab, pair: Callable, queue: int, seconds: float) -> None:
	"""Changes while the cable is out: as many as the resend queue holds, more, many more.

	With 500 messages and a window of 300 there is little to send ahead of an acknowledgement.
	"""
	one, two = pair(mode_options={"ResendQueueSize": queue})
	scenario.serve(lab)
	talk = scenario.lines(lab, 30)
	scenario.inject(lab, "fw1", 2000)
	wait_replicated(one, two)
	lab.ip("fw1", "link set sync0 down")
	scenario.inject(lab, "fw1", 4000, first=10000)
	scenario.inject(lab, "fw1", 1500, delete=True)
	talk.ask("reset")
	pace.sleep(3)
	lab.links("fw1", up=True)
	wait_replicated(one, two, seconds)


# --- bursts ---------------------------------------------------------------------


def test_commit_while_a_flush_runs(lab: Lab, pair: Callable) -> None:
	"""What the commit creates must not be what the flush deletes; and a second commit cancels a -t too."""
	one, two = pair(mode_options={"PurgeTimeout": 1})
	scenario.inject(lab, "fw1", 20000)
	wait_replicated(one, two, 15)
	two.ok("-c")
	flush = threading.Thread(target=two.ctl, args=("-F",))	# status 1 if the commit stops it
	flush.start()
	pace.sleep(0.02)
	first = threading.Thread(target=two.ok, args=("-c",))
	first.start()
	two.ok("-t")
	two.ok("-c")
	flush.join()
	first.join()
	pace.sleep(2)		# a -t that is still pending would fire
	assert tables.difference(one.kernel(), two.kernel()) == ""


def test_burst(lab: Lab, pair: Callable) -> None:
	"""50,000 births, a commit of them, 50,000 ends, each as fast as the kernel can; no buffer options given."""
	one, two = pair(general={"NetlinkBufferSize": None, "NetlinkBufferSizeMaxGrowth": None})
	scenario.inject(lab, "fw1", 50000)
	wait_replicated(one, two, 15)
	assert "netlink overrun:\t\t           0" in one.ok("-s", "runtime")
	two.ok("-c")
	assert tables.difference(one.kernel(), two.kernel()) == ""
	assert tables.difference(two.kernel(), two.internal()) == ""
	scenario.inject(lab, "fw1", 50000, delete=True)
	wait_replicated(one, two, 15)
	assert two.external() == set()


# --- commands ---------------------------------------------------------------------

PRIMARY, BACKUP = ("-c", "-f", "-R", "-B"), ("-t", "-n")


@each_pair
def test_script_sequences(lab: Lab, pair: Callable, active: str, replica: str) -> None:
	"""keepalived's script on either node, any moment: every single call has status 0."""
	nodes = pair(active, replica)
	for node in nodes:		# right after the start, nothing known yet
		for option in (*PRIMARY, *BACKUP, "-t", *PRIMARY, "-t"):
			node.ok(option)
	scenario.serve(lab)
	talk = scenario.lines(lab, 30)
	for node in (*nodes, *reversed(nodes)):		# traffic, and a flush on its way
		for option in (*BACKUP, *PRIMARY):
			node.ok(option)
	assert talk.ask("alive", 5)["alive"] == 30


@each_pair
def test_what_the_script_does(lab: Lab, pair: Callable, active: str, replica: str) -> None:
	"""Each step of a planned change of roles, looked at from both sides."""
	one, two = pair(active, replica)
	scenario.serve(lab)
	scenario.lines(lab, 30, interval=60)		# silent ones, so that the tables stand still
	wait_replicated(one, two)
	flows = one.kernel()
	lab.addresses_to("fw2")
	two.ok("-c")
	assert tables.difference(flows, two.kernel()) == ""
	two.ok("-f")	# 1.4.x is blind from here to the end of -R; ours only compares its internal cache with the kernel
	assert (two.external(), two.internal()) == (set(), set() if replica == DEBIAN else flows)
	two.ok("-R")
	wait_until(lambda: not tables.difference(flows, two.internal()), 5, "-R reads the kernel table")
	two.ok("-B")
	wait_replicated(two, one, 5)
	one.ok("-t")
	assert one.kernel() == flows		# PurgeTimeout is 2 s
	wait_until(lambda: not one.kernel() and not one.internal(), 6, "-t flushes kernel and internal cache")
	one.ok("-n")
	wait_replicated(two, one)
	assert two.kernel() == flows		# nothing of all that reached the new active one


@pytest.mark.parametrize("which", [OURS, DEBIAN])
def test_commit_cancels_the_scheduled_flush(lab: Lab, make: Callable, which: str) -> None:
	node = make("fw1", which)
	node.start()
	scenario.inject(lab, "fw1", 10)
	for cancelling in ("-c", "-f"):
		node.ok("-t")
		node.ok(cancelling)
		pace.sleep(3)
		assert len(node.kernel()) == 10, cancelling
	node.ok("-t")
	wait_until(lambda: not node.kernel(), 6, "the flush when nothing cancels it")


@each_pair
def test_kernel_flush_is_not_announced(lab: Lab, pair: Callable, active: str, replica: str) -> None:
	"""A peer may be forwarding what we flush. Ours drops the rest at the next complete resync."""
	one, two = pair(active, replica)
	scenario.inject(lab, "fw1", 100)
	wait_replicated(one, two)
	one.ok("-F")
	wait_until(lambda: not one.kernel(), 5, "-F empties the kernel table")
	pace.sleep(1.5)
	assert len(two.external()) == 100
	if replica == OURS:
		two.ok("-n")
		wait_until(lambda: not two.external(), 10, "the sweep after the resync")


# --- filter ------------------------------------------------------------------------

FILTER = """	Filter From Userspace {
		Protocol Accept {
			TCP
		}
		Address Ignore {
			IPv4_address 127.0.0.1
			IPv6_address fd00:20::/64
		}
		State Accept {
			ESTABLISHED for TCP
		}
	}
"""


@ours_active
def test_filter(lab: Lab, pair: Callable, active: str, replica: str) -> None:
	"""What is filtered is never seen; what is in the cache leaves it whatever state it ends in."""
	one, two = pair(active, replica, extra=FILTER)
	scenario.serve(lab)
	talk = scenario.lines(lab, 20)
	ignored = scenario.lines(lab, 20, PLAIN6)
	scenario.udp_stream(lab)
	for node, table in ((one, "-i"), (two, "-e")):
		wait_until(lambda: len(tables.parse(node.ok(table))) == 20, 5, f"{node.fw} {table}: 20 flows")
	assert {f.proto for f in one.internal()} == {"tcp"}
	assert not any(":" in f.orig[0][1] for f in one.internal())
	for program in (talk, ignored):
		program.ask("reset")
	for node, table in ((one, "-i"), (two, "-e")):
		# the kernel takes its time to remove what has expired, but a listing does it at once
		wait_until(lambda: (one.kernel(), not node.ok(table))[1], 60, f"{node.fw} {table}: empty")

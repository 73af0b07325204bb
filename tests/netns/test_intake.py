# SPDX-License-Identifier: GPL-2.0-or-later
"""How the kernel's flows come in: filters in the kernel and in user space, reliable delivery, polling."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from typing import Callable

import pytest

import pace
import scenario
import tables
from netlab import DNAT4, PLAIN6, Lab, run, wait_until
from node import DEBIAN, OURS, Node, wait_replicated

each_place = pytest.mark.parametrize("place", ["Userspace", "Kernelspace"])


def filter_block(place: str, *sets: str) -> str:
	return f"\tFilter From {place} {{\n" + "".join(f"\t\t{s}\n" for s in sets) + "\t}\n"


def received(node: Node) -> int:
	return int(re.search(r"events received:\t +(\d+)", node.ok("-s", "runtime"))[1])


def protocols(flows: set[tables.Flow]) -> set[str]:
	return {flow.proto for flow in flows}


@each_place
def test_same_meaning(lab: Lab, pair: Callable, place: str) -> None:
	"""Protocol and address, with both translations and IPv6: what passes does not depend on where it is decided."""
	active, replica = pair(extra=filter_block(
		place, "Protocol Ignore {\n UDP\n }",
		"Address Accept {\n IPv4_address 10.10.0.0/24\n IPv6_address fd00:10::2\n }"))
	scenario.serve(lab)
	programs = [scenario.lines(lab, 5), scenario.lines(lab, 5, DNAT4), scenario.lines(lab, 5, PLAIN6)]
	scenario.udp_stream(lab)
	scenario.inject(lab, "fw1", 20)		# from addresses that are not listed
	wait_until(lambda: len(active.internal()) >= 15, 10)
	pace.sleep(0.5)
	known = active.internal()
	assert len(known) == 15 and protocols(known) == {"tcp"}, known
	wait_until(lambda: len(replica.external()) == 15, 10)
	assert f"using {place[:-5].lower()}-space event filtering" in active.log.read_text()
	# what is not wanted costs nothing in the kernel, and is counted in user space
	filtered = int(re.search(r"events filtered:\t +(\d+)", active.ok("-s", "runtime"))[1])
	assert (filtered == 0) == (place == "Kernelspace"), filtered
	for program in programs:
		program.end()
	# a flow that was known ends: the end is never filtered
	wait_until(lambda: not active.internal() and not replica.external(), 60, "all have ended", 0.5)


@each_place
def test_end_is_never_filtered(lab: Lab, pair: Callable, place: str) -> None:
	"""A list of states without the final ones: flows must not stay for ever (1.4.x keeps them)."""
	active, replica = pair(extra=filter_block(place, "State Accept {\n ESTABLISHED for TCP\n }"))
	scenario.serve(lab)
	talk = scenario.lines(lab, 10)
	wait_until(lambda: len(replica.external()) == 10, 10)
	talk.end()
	wait_until(lambda: not active.kernel(), 60, "the kernel table is empty", 0.5)
	wait_until(lambda: not active.internal() and not replica.external(), 10)


def test_too_long_for_the_kernel(lab: Lab, make: Callable) -> None:
	"""Thousands of networks: said once, decided in user space, the same meaning."""
	nets = [f"IPv4_address 172.{16 + i // 250}.{i % 250}.0/24" for i in range(1500)]
	node = make("fw1")
	node.configure(extra=filter_block("Kernelspace", "Address Accept {\n" + "\n".join(nets) + "\nIPv4_address 10.10.0.2\n }"))
	node.start()
	assert "too long for a socket filter" in node.log.read_text()
	scenario.serve(lab)
	scenario.lines(lab, 3)
	scenario.inject(lab, "fw1", 10)
	wait_until(lambda: len(node.internal()) == 3, 10)


def test_filter_protects_from_flush(lab: Lab, make: Callable) -> None:
	node = make("fw1")
	node.configure(extra=filter_block("Kernelspace", "Protocol Accept {\n TCP\n }"))
	node.start()
	scenario.serve(lab)
	stream = scenario.udp_stream(lab)
	scenario.inject(lab, "fw1", 10)
	wait_until(lambda: len(node.internal()) == 10, 10)
	node.ok("-F")
	assert protocols(node.kernel()) == {"udp"}
	assert stream.ask("alive", 5)["alive"] == 1


def test_reliable_delivery(lab: Lab, make: Callable) -> None:
	"""The daemon sleeps with a buffer for a handful of events: the kernel drops packets and no event is lost.

	The connections that come up after it woke are all known, without a comparison with the kernel table.
	"""
	node = make("fw1")
	node.configure(general={"NetlinkEventsReliable": "on", "NetlinkBufferSize": 8192, "NetlinkBufferSizeMaxGrowth": 8192})
	node.start()
	assert "reliable ctnetlink event delivery is ENABLED" in node.log.read_text()
	scenario.serve(lab)
	os.kill(node.pid, signal.SIGSTOP)
	wake = threading.Timer(2.5, os.kill, (node.pid, signal.SIGCONT))
	wake.start()
	began = time.monotonic()
	try:
		scenario.lines(lab, 100)	# ready when all are connected
	finally:
		wake.join()
	assert time.monotonic() - began > 2, "the kernel should have dropped packets"
	wait_until(lambda: len(node.internal()) == 100, 20)
	assert tables.difference(node.kernel(), node.internal()) == ""
	runtime = node.ok("-s", "runtime")
	assert re.search(r"netlink overrun:\t+ +0\n", runtime), runtime
	assert re.search(r"resync with kernel table:\t +0\n", runtime), runtime


@pytest.mark.parametrize("active,replica", [(OURS, OURS), (OURS, DEBIAN)])
def test_polling(lab: Lab, make: Callable, active: str, replica: str) -> None:
	"""No events: new, changed and ended flows are found by looking, and announced."""
	node, peer = make("fw1", active), make("fw2", replica)
	node.configure(general={"PollSecs": 1})
	peer.start(), node.start()
	assert "running in polling mode" in node.log.read_text()
	scenario.serve(lab)
	talk = scenario.lines(lab, 20)
	scenario.inject(lab, "fw1", 50)
	wait_until(lambda: len(node.internal()) == 70, 15)
	wait_replicated(node, peer)
	scenario.inject(lab, "fw1", 30, delete=True)
	wait_until(lambda: len(node.internal()) == 40, 15)
	wait_replicated(node, peer)
	run("ip", "netns", "exec", lab.ns("fw1"), "nft", "insert rule inet fw forward tcp dport 7001 ct mark set 9")
	wait_until(lambda: sum("mark=9" in line for line in peer.ok("-e").splitlines()) == 20, 15)
	assert received(node) == 0
	sent = int(re.search(r"(\d+) Pckts sent", node.ok("-s", "network"))[1])
	pace.sleep(4)
	more = int(re.search(r"(\d+) Pckts sent", node.ok("-s", "network"))[1])
	assert more - sent < 20, "what did not change is not sent again"
	talk.end()
	wait_until(lambda: len(node.internal()) == len(node.kernel()) == 20, 60)
	wait_replicated(node, peer)

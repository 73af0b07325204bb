# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables that are full: what found no place is repaired when there is room again, and a table that is not whole is never
taken for the whole.
"""

from __future__ import annotations

import re
import signal
from typing import Callable

import pytest

import pace
import scenario
import tables
from machine import LOWEST, at_most
from netlab import Lab, run, wait_until
from node import DEBIAN, OURS, Node, missing_at_replica, wait_replicated

each_mode = pytest.mark.parametrize("mode", ("FTFW", "NOTRACK"))


def completeness(node: Node, cache: str) -> str:
	"""What -s cache says about it: "complete", or since when and why not."""
	said = re.search(rf"^{cache}[^:\n]*: (.*)$", node.ok("-s", "cache"), re.M)
	return said[1] if said else "nothing"


def wait_complete(node: Node, cache: str, timeout: float = 30) -> None:
	wait_until(lambda: completeness(node, cache) == "complete", timeout, f"{node.fw}: the {cache} is complete", 0.2)


def own_is_kernel(node: Node) -> bool:
	return tables.one_way(node.internal()) == tables.one_way(node.kernel())


def logged(node: Node, words: str) -> int:
	return len(re.findall(words, node.log.read_text()))


@each_mode
@pytest.mark.parametrize("full", ("internal", "external"))
def test_repaired_when_there_is_room(lab: Lab, make: Callable, mode: str, full: str) -> None:
	"""The limit is reached on one node, and its table has room again when most of what it holds has ended."""
	one, two = make("fw1"), make("fw2")
	small = one if full == "internal" else two
	for node in (one, two):
		node.configure(mode=mode, general={"HashLimit": 30} if node is small else None)
		node.start()
	wait_until(lambda: "new peer" in two.log.read_text(), 10)
	scenario.inject(lab, "fw1", 50)
	wait_until(lambda: len(two.external()) == 30, 20, "as many as fit")
	said = completeness(small, f"{full} cache")
	scenario.inject(lab, "fw1", 25, delete=True)	# they were there first, so all of them have a place
	wait_replicated(one, two, 30)
	assert own_is_kernel(one) and len(two.external()) == 25
	assert re.fullmatch(r"incomplete for \d+ s: HashLimit reached; 20 flows could not be stored", said), said
	assert logged(small, rf"\[warning\] the {full} cache is full: .* HashLimit is 30") == 1
	wait_complete(small, f"{full} cache")
	assert logged(small, rf"\[notice\] the {full} cache is complete again: 20 flows could not be stored") == 1


@each_mode
def test_an_incomplete_cache_is_not_the_whole(lab: Lab, pair: Callable, mode: str) -> None:
	"""A node that begins anew with a limit below what its kernel has: its answer ends nothing at its peer, until it is
	complete.
	"""
	one, two = pair(mode=mode)
	scenario.inject(lab, "fw1", 60)
	wait_replicated(one, two)
	one.stop(signal.SIGKILL)
	one.configure(mode=mode, general={"HashLimit": 20})
	one.start()
	wait_until(lambda: "new peer" in one.log.read_text(), 10)
	pace.sleep(4)	# the answer is long here
	assert len(two.external()) == 60
	two.ok("-n")
	pace.sleep(2)
	assert len(two.external()) == 60
	assert completeness(one, "internal cache").startswith("incomplete")
	assert completeness(two, "external cache") == "waits for the rest of a full answer of a peer"
	# Data is acknowledged as ever.
	assert mode != "FTFW" or int(re.search(r"len=(\d+)", one.ok("-s", "rsqueue"))[1]) < 10
	scenario.inject(lab, "fw1", 45, delete=True)
	wait_complete(one, "internal cache")
	wait_replicated(one, two, 30)
	wait_complete(two, "external cache")
	assert len(two.external()) == 15 and own_is_kernel(one)


def test_flows_that_have_ended_keep_nobody_out(lab: Lab, pair: Callable) -> None:
	"""Nobody acknowledges their end, because the peer is away: 32,000 of them at a limit of 20,000."""
	one, two = pair(general={"HashLimit": 20000})
	wait_until(lambda: "new peer" in one.log.read_text() and "new peer" in two.log.read_text(), 10)
	lab.links("fw2", up=False)
	for first in range(0, 32000, 8000):
		scenario.inject(lab, "fw1", 8000, first=first)
		scenario.inject(lab, "fw1", 8000, first=first, delete=True)
	scenario.inject(lab, "fw1", 2000, first=1000000)
	wait_until(lambda: own_is_kernel(one), 20, "the node knows those that live")
	assert len(one.kernel()) == 2000
	assert completeness(one, "internal cache") == "complete"
	assert logged(one, "flows that have ended and whose end no peer has acknowledged") >= 1
	lab.links("fw2", up=True)
	wait_replicated(one, two, 40)


def injected(node: Node) -> set[tables.Flow]:
	"""Of a large kernel table, those of the other node."""
	text = run("ip", "netns", "exec", node.lab.ns(node.fw), "conntrack", "-L", "--orig-src", "10.66.0.0", "-o", "labels").stdout
	return tables.one_way(tables.parse(text))


def test_a_full_kernel_is_told_again(lab: Lab, make: Callable) -> None:
	"""States injected, and the replica's kernel refuses 20 of them."""
	limit = LOWEST
	one, two = make("fw1"), make("fw2")
	# What fills the other kernel is nothing to tell about.
	two.configure(mode_options={"DisableExternalCache": "on"},
		      extra="\tFilter From Userspace {\n\t\tAddress Ignore {\n\t\t\tIPv4_address 10.66.0.0/16\n\t\t}\n\t}\n")
	scenario.inject(lab, "fw2", limit, first=1000000)
	for node in (one, two):
		node.start()
	wait_until(lambda: "new peer" in one.log.read_text() and "new peer" in two.log.read_text(), 10)
	with at_most(limit):
		scenario.inject(lab, "fw1", 20)
		wait_until(lambda: re.search(r"created:\t\t +0\tfailed:\t +20\n", two.ok("-s")), 20, "refused")
		said = completeness(two, "copy of the peers' flows")
		scenario.inject(lab, "fw2", 1000, first=1000000, delete=True)
		wait_until(lambda: injected(two) == tables.one_way(one.kernel()), 30, "they are told again")
	wait_complete(two, "copy of the peers' flows")
	assert len(injected(two)) == 20
	assert re.fullmatch(r"incomplete for \d+ s: the kernel's table is full; 20 flows could not be stored", said), said
	assert logged(two, r"complete again: 20 flows could not be stored") == 1


def test_a_sweep_on_the_word_of_1_4_x_is_put_off(lab: Lab, pair: Callable) -> None:
	"""It does not know that its cache is incomplete, and answers as if it were not."""
	one, two = pair(DEBIAN, OURS)
	scenario.inject(lab, "fw1", 300)
	wait_replicated(one, two)
	one.stop(signal.SIGKILL)
	one.configure(general={"HashLimit": 50})
	one.start()
	wait_until(lambda: logged(two, "lacks 2.. of its 300 entries: not removed yet, it is asked again in 10 s"), 30)
	assert len(two.external()) == 300
	before = logged(one, "resync requested by other node")
	one.stop(signal.SIGKILL)
	one.configure()
	one.start()
	wait_until(lambda: logged(one, "resync requested by other node") > before, 30, "it is asked again")
	pace.sleep(2)
	assert not missing_at_replica(one, two)

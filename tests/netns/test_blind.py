# SPDX-License-Identifier: GPL-2.0-or-later
"""Never blind in silence: the kernel keeps its table to itself, in each of the ways there are. It is said, what can be
compared is compared, so that the replica has the table all the same, and the end is said as well."""

from __future__ import annotations

import re
import socket
from typing import Any, Callable

import pytest

import pace
import scenario
from cells import in_background
from netlab import PLAIN6, RULES, Lab, inside, run, wait_until
from node import OURS, Node, missing_at_replica, wait_replicated

EVENTS = "net/netfilter/nf_conntrack_events"
PATIENCE = 40		# a comparison begins within five seconds

# A container's view of /proc/sys. Its client may have the same.
READ_ONLY = """#!/bin/sh
exec unshare -m sh -c 'mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && exec "$0" "$@"' {program} "$@"
"""


def logged(node: Node, words: str) -> int:
	return len(re.findall(words, node.log.read_text()))


def until_logged(node: Node, words: str, times: int = 1) -> None:
	wait_until(lambda: logged(node, words) >= times, PATIENCE, f"the log says: {words}")


def status(node: Node) -> str:
	"""What -s runtime says of it; nothing while the kernel tells everything."""
	found = re.search(r"kernel events: (.*)", node.ok("-s", "runtime"))
	return found[1] if found else ""


def ready(lab: Lab) -> tuple[Node, Node]:
	nodes = Node(lab, "fw1", OURS), Node(lab, "fw2", OURS)
	nodes[1].start()
	return nodes


def off(lab: Lab, node: Node, replica: Node) -> None:
	"""Off at the start, on, off while it runs, on."""
	lab.sysctl("fw1", {EVENTS: 0})
	node.start()
	until_logged(node, r"\[warning\] .*nf_conntrack_events is 0")
	assert "is 0" in status(node) and "comparing" in status(node)
	scenario.inject(lab, "fw1", 40)
	wait_replicated(node, replica, PATIENCE)
	scenario.inject(lab, "fw1", 10, delete=True)
	wait_replicated(node, replica, PATIENCE)
	scenario.inject(lab, "fw1", 20, first=100)
	lab.sysctl("fw1", {EVENTS: 1})
	until_logged(node, "nf_conntrack_events is not 0 any more")
	wait_replicated(node, replica, PATIENCE)
	assert status(node) == ""
	lab.sysctl("fw1", {EVENTS: 0})
	until_logged(node, r"\[warning\] .*nf_conntrack_events is 0", 2)
	scenario.inject(lab, "fw1", 20, first=200)
	scenario.inject(lab, "fw1", 20, first=100, delete=True)
	wait_replicated(node, replica, PATIENCE)
	lab.sysctl("fw1", {EVENTS: 2})		# 2 is set to 1 while the daemon runs, too
	until_logged(node, "nf_conntrack_events is not 0 any more", 2)
	assert logged(node, "is 0") == 2 and len(replica.external()) == 50


def read_only(lab: Lab, node: Node, replica: Node) -> None:
	"""2 that cannot be set: what began before the daemon listened never reports its end."""
	program = node.program
	scenario.inject(lab, "fw1", 40)
	wrapper = lab.scratch / "read-only"
	wrapper.write_text(READ_ONLY.format(program=program))
	wrapper.chmod(0o755)
	node.program = str(wrapper)
	node.start()
	node.program = program
	until_logged(node, r"\[warning\] .*nf_conntrack_events is 2 and cannot be set to 1 \(Read-only file system\)")
	assert "cannot be set" in status(node)
	wait_replicated(node, replica, PATIENCE)
	scenario.inject(lab, "fw1", 20, delete=True)
	scenario.inject(lab, "fw1", 20, first=100)
	wait_replicated(node, replica, PATIENCE)
	lab.sysctl("fw1", {EVENTS: 0})
	until_logged(node, r"\[warning\] .*nf_conntrack_events is 0")
	scenario.inject(lab, "fw1", 20, first=200)
	wait_replicated(node, replica, PATIENCE)
	lab.sysctl("fw1", {EVENTS: 1})
	until_logged(node, "is not 0 any more")
	assert len(replica.external()) == 60 and logged(node, r"\[warning\]") == 2


def untracked(lab: Lab, node: Node, replica: Node) -> None:
	"""No rule makes the kernel track: packets pass, and no flow is known."""
	node.start()
	run("ip", "netns", "exec", lab.ns("fw1"), "nft", "flush", "ruleset")
	scenario.serve(lab)
	stream = scenario.udp_stream(lab, PLAIN6, 2)
	run("ip", "netns", "exec", lab.ns("fw1"), "conntrack", "-F")
	until_logged(node, r"\[warning\] packets are forwarded, and connection tracking sees none of them")
	assert status(node).startswith("nothing is tracked")
	run("ip", "netns", "exec", lab.ns("fw1"), "nft", "-f", "-", stdin=RULES)
	until_logged(node, "connection tracking sees flows again")
	wait_replicated(node, replica, PATIENCE)
	assert stream.ask("alive", 15)["alive"] == 2 and len(replica.external()) >= 2 and status(node) == ""


def deaf(lab: Lab, node: Node, replica: Node) -> None:
	"""A rule restricts what flows report: their beginning is not told."""
	lab.sysctl("fw1", {"net/netfilter/nf_conntrack_udp_timeout": 300})
	node.start()
	run("ip", "netns", "exec", lab.ns("fw1"), "nft", "insert rule inet fw forward ct event set label")
	with inside(lab.ns("client")):
		s = [socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) for _ in range(200)]

	def one_more() -> bool:
		s.pop().sendto(b"x", (PLAIN6.address, 9))
		return logged(node, r"\[warning\] the kernel table has changed and no event told of it") > 0

	wait_until(one_more, PATIENCE, "the log says that events are missing", 0.5)
	assert status(node).startswith("events are missing") and "comparing" in status(node)
	wait_replicated(node, replica, PATIENCE)
	assert not missing_at_replica(node, replica) and len(replica.external()) >= 10


STORIES: dict[str, Callable[[Lab, Node, Node], None]] = {f.__name__: f for f in (off, read_only, untracked, deaf)}


def live(cell: tuple[str, ...]) -> Any:
	with Lab() as lab:
		lab.addresses_to("fw1")
		nodes = ready(lab)
		try:
			STORIES[cell[0]](lab, *nodes)
		except Exception as e:
			raise AssertionError("\n".join([f"{cell[0]}: {e}", *[node.describe() for node in nodes]])) from e


outcome = in_background(live, "test_blind", ("story",), 4)


@pytest.mark.parametrize("story", STORIES)
def test_blind(outcome: Callable, story: str) -> None:
	outcome((story,))

# SPDX-License-Identifier: GPL-2.0-or-later
"""Full datagrams are filled up to one length, with an attribute repeated, so that the kernel can cut them from one piece. A peer
of either make takes them for what they say."""

from __future__ import annotations

import re
from typing import Callable

import pytest

import scenario
from netlab import Lab, run, wait_until
from node import DEBIAN, OURS, Link, Node, wait_met, wait_replicated

COUNT = 1500
LIMIT = {4: 1500 - 28 - 4, 6: 1500 - 48 - 4}	# the largest payload, a multiple of four below the MTU without headers


SIZES = """
table netdev sizes {{
	chain in {{
		type filter hook ingress device "sync0" priority 0;
		meta l4proto udp udp length {full} counter
		meta l4proto udp udp length > 500 counter
	}}
}}
"""


def watch_sizes(lab: Lab, limit: int) -> None:
	"""Counts in fw2 the datagrams of fw1 that are exactly full, and those that are long; each on its own."""
	lab.ip("fw1", "link set sync0 gso_max_segs 1")
	run("ip", "netns", "exec", lab.ns("fw2"), "nft", "-f", "-", stdin=SIZES.format(full=limit + 8))


def sizes(lab: Lab) -> tuple[int, int]:
	text = run("ip", "netns", "exec", lab.ns("fw2"), "nft", "list table netdev sizes").stdout
	full, long = (int(n) for n in re.findall(r"counter packets (\d+)", text))
	return full, long


def malformed(node: Node) -> int:
	return int(re.search(r"(\d+) Malformed msgs", node.ok("-s"))[1])


@pytest.mark.parametrize("replica", [OURS, DEBIAN])
@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("link", ["Multicast", "UDP"])
@pytest.mark.parametrize("mode", ["FTFW", "NOTRACK"])
def test_filled(lab: Lab, pair: Callable, mode: str, link: str, family: int, replica: str) -> None:
	one, two = pair(OURS, replica, mode=mode, link=Link(link, family))
	wait_met(one, two)
	for flows in (4, 6):
		scenario.inject(lab, "fw1", COUNT, family=flows)
	wait_replicated(one, two)
	two.ok("-f", "external")
	watch_sizes(lab, LIMIT[family])
	one.ok("-B")
	wait_replicated(one, two)
	wait_until(lambda: sizes(lab)[1] > 2 * COUNT * 60 // LIMIT[family], 10, "everything was sent again")
	full, long = sizes(lab)
	assert full > 0.9 * long, (full, long)		# all but the last of a round
	for flows in (4, 6):
		scenario.inject(lab, "fw1", COUNT, delete=True, family=flows)
	wait_until(lambda: not two.external(), 20, "all have ended")
	assert malformed(two) == 0

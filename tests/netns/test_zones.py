# SPDX-License-Identifier: GPL-2.0-or-later
"""Zones of one direction, as a router distribution builds its VRFs: version 1 of the protocol cannot say them. Such flows are
counted, said and kept to this node; nothing of them stands in another zone of the peer, where it would be in the way."""

from __future__ import annotations

import re
from typing import Callable

import pytest

import events
import pace
import scenario
from netlab import PLAIN6, UDP_PORT, Lab, run, wait_until
from node import DEBIAN, OURS, Node

RULES = f"""
table inet zones {{
	chain zones {{
		type filter hook prerouting priority raw;
		iifname "lan0" udp dport {UDP_PORT} ct original zone set 7
	}}
}}
"""
WARNING = r"a zone of one direction"


def zones(lab: Lab) -> None:
	for fw in ("fw1", "fw2"):
		run("ip", "netns", "exec", lab.ns(fw), "nft", "-f", "-", stdin=RULES)


def counted(node: Node) -> tuple[int, int]:
	found = re.findall(r"Zones of one direction (?:now|so far):\s*(\d+)", node.ok("-s", "network"))
	return tuple(int(n) for n in found) or (0, 0)


def said(node: Node) -> int:
	return len(re.findall(rf"\[warning\] .*{WARNING}", node.log.read_text()))


def own(node: Node) -> list[str]:
	"""The lines of -e about flows to the zoned port."""
	return [line for line in node.ok("-e").splitlines() if f"dport={UDP_PORT}" in line]


@pytest.mark.parametrize("replica", [OURS, DEBIAN])
def test_a_stream_goes_on(lab: Lab, pair: Callable, replica: str) -> None:
	"""What the peer is not told begins anew in its kernel. An entry without the zone would hold the answers' direction; the kernel
	gives the new one another port then, and the stream stands still for as long as the wrong entry lives."""
	zones(lab)
	one, two = pair(OURS, replica)
	scenario.serve(lab)
	stream = scenario.udp_stream(lab, PLAIN6)
	wait_until(lambda: "zone-orig=7" in one.ok("-i"), 10, "the zone is known")
	scenario.inject(lab, "fw1", 5)
	wait_until(lambda: len(two.external()) >= 5, 20, "other flows are replicated")
	pace.sleep(1)
	assert own(two) == []
	assert counted(one) == (1, 1) and said(one) == 1
	one.cut()
	two.ok("-c")
	lab.addresses_to("fw2")
	assert stream.ask("alive", 10)["alive"] == 1
	assert said(one) == 1


def tell(lab: Lab, first: int) -> None:
	"""Three flows with one original tuple: in the default zone, and in two zones of the original direction. The
	translation of each is its own, or their answers would be the same in the kernel."""
	for zone, to in (("", "10.20.0.1"), ("--orig-zone 6", "10.20.0.3"), ("--orig-zone 9", "10.20.0.4")):
		events.conntrack(lab, "fw1", f"-I -p udp {events.ports(first)} -u SEEN_REPLY,ASSURED -n {to} {zone}")


@pytest.mark.parametrize("mode,options", [("FTFW", {}), ("NOTRACK", {"DisableInternalCache": "on"}), ("FTFW", {"DisableExternalCache": "on"})],
			 ids=["caches", "no-internal", "inject"])
def test_same_tuple_in_other_zones(lab: Lab, pair: Callable, mode: str, options: dict[str, object]) -> None:
	"""Only what the protocol can say reaches the peer, before the start as after; ends of the others remove nothing there; and
	what a flush or an end is about is that one entry."""
	tell(lab, 70)		# before the start
	one, two = pair(mode=mode, mode_options=options)
	tell(lab, 71)
	inject = "DisableExternalCache" in options

	def there() -> list[str]:
		text = run("ip", "netns", "exec", lab.ns("fw2"), "conntrack", "-L", "-p", "udp").stdout if inject else two.ok("-e")
		return sorted(re.findall(r"sport=(2007[01]) dport=80 ", re.sub(r"(?m) src=\S+ dst=10\.20\.0\.\d .*", " ", text)))

	two.ok("-n")
	wait_until(lambda: there() == ["20070", "20071"], 20, "one of each three")
	assert "zone" not in (run("ip", "netns", "exec", lab.ns("fw2"), "conntrack", "-L", "-p", "udp").stdout if inject else two.ok("-e"))
	assert said(one) == 1
	if "DisableInternalCache" not in options:
		assert counted(one) == (4, 4)
		assert len(re.findall("zone-orig=6|zone-orig=9", one.ok("-i"))) == 4
	for zone in ("--orig-zone 6", "--orig-zone 9"):
		run("ip", "netns", "exec", lab.ns("fw1"), "conntrack", "-D", "-p", "udp", "--sport", "20070", *zone.split())
	wait_until(lambda: one.ok("-i").count("sport=20070") == 1, 10, "the two have ended here")
	pace.sleep(1)
	assert there() == ["20070", "20071"]
	run("ip", "netns", "exec", lab.ns("fw1"), "conntrack", "-D", "-p", "udp", "--sport", "20071", "-q", "10.20.0.1")
	wait_until(lambda: there() == ["20070"], 20, "an end that is told")
	assert one.ok("-i").count("sport=20071") == 2
	if not inject:
		two.ok("-c")
		assert "zone" not in run("ip", "netns", "exec", lab.ns("fw2"), "conntrack", "-L").stdout


def test_a_commit_leaves_them(lab: Lab, pair: Callable) -> None:
	"""The peer's flow of the default zone, and one of ours with the same tuple in a zone of one direction: two entries."""
	one, two = pair()
	events.conntrack(lab, "fw1", f"-I -p udp {events.ports(72)} -u SEEN_REPLY,ASSURED -n 10.20.0.1")
	events.conntrack(lab, "fw2", f"-I -p udp {events.ports(72)} -u SEEN_REPLY,ASSURED -n 10.20.0.3 --orig-zone 6")
	wait_until(lambda: len(two.external()) == 1, 20, "it is replicated")
	two.ok("-c")
	text = run("ip", "netns", "exec", lab.ns("fw2"), "conntrack", "-L", "-p", "udp").stdout
	assert text.count("sport=20072 dport=80") == 2 and text.count("zone-orig=6") == 1, text
	one.ok("-F")
	two.ok("-F")
	assert two.kernel() == set()

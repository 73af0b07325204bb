# SPDX-License-Identifier: GPL-2.0-or-later
"""Unicast links are defined by addresses and routes, not by a device, in the settings that people run.

Each test says in its first line what has to happen; 1.4.x runs all of them. Whole files of the field are test_field.py's.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import Any, Callable

import pytest

import pace
import scenario
from conftest import PAIRS
from netlab import FW, SYNC_PORT, Lab, run, wait_until
from node import DEBIAN, OURS, Link, Links, Node, wait_connected, wait_met, wait_replicated


@dataclass(frozen=True)
class Routed:
	"""A unicast link as a file of the field says it. Addresses by firewall; None: the line is missing."""
	kind: str
	mine: dict[str, str | None]
	peer: dict[str, str]
	device: str
	default: bool = False
	port: int = SYNC_PORT

	def block(self, fw: str) -> str:
		family = 6 if ":" in self.peer[fw] else 4
		local = [f"IPv{family}_address {self.mine[fw]}"] if self.mine[fw] else []
		lines = [*local, f"IPv{family}_Destination_Address {self.peer[fw]}", f"Port {self.port}", f"Interface {self.device}",
			 "Checksum on"]
		return f"{self.kind}{' Default' if self.default else ''} {{\n\t\t" + "\n\t\t".join(lines) + "\n\t}"


def between(kind: str, one: str, two: str, device: str, local: bool = True, default: bool = False,
	    port: int = SYNC_PORT) -> Routed:
	"""A link whose ends have these addresses."""
	return Routed(kind, {"fw1": one, "fw2": two} if local else {"fw1": None, "fw2": None}, {"fw1": two, "fw2": one}, device,
		      default, port)


Pair = tuple[Node, Node]


@pytest.fixture
def pairs(make: Callable[..., Node]) -> Callable[..., list[Pair]]:
	"""pairs((link of a port, active, replica), ...): several pairs of daemons on the two firewalls, each with its port."""
	def build(*cells: tuple[Callable[[int], Any], str, str], **configuration: object) -> list[Pair]:
		made = []
		for n, (link, active, replica) in enumerate(cells):
			nodes = tuple(make(fw, which, f"{fw}-{n}") for fw, which in (("fw1", active), ("fw2", replica)))
			for node in nodes:
				node.configure(link=link(SYNC_PORT + n), **configuration)
				node.start()
			made.append(nodes)
		return made
	return build


def other(fw: str) -> str:
	return "fw2" if fw == "fw1" else "fw1"


def far(family: int, fw: str) -> str:
	"""An address that is on no link."""
	return f"10.255.0.{FW[fw]}" if family == 4 else f"fd00:255::{FW[fw]:x}"


def near(family: int, fw: str, cable: int = 0) -> str:
	"""Its address on a cable."""
	return f"10.{30 + cable}.0.{FW[fw]}" if family == 4 else f"fd00:{30 + cable}::{FW[fw]:x}"


def route_over(lab: Lab, family: int, cable: int) -> None:
	"""The far addresses are reached over this cable."""
	size = 32 if family == 4 else 128
	for fw in FW:
		peer = other(fw)
		lab.ip(fw, f"route replace {far(family, peer)}/{size} via {near(family, peer, cable)} dev sync{cable} "
			   f"src {far(family, fw)}")


def said(node: Node, text: str) -> int:
	return node.log.read_text().count(text)


def both_ways(lab: Lab, *pairs: Pair, first: int = 0) -> None:
	"""20 of 20 flows, from each to the other."""
	for pair in pairs:
		wait_met(*pair)
	for fw in FW:
		scenario.inject(lab, fw, 20, first=first + 1000 * FW[fw])
	for one, two in pairs:
		wait_replicated(one, two, 30)
		wait_replicated(two, one, 30)



# --- an address on lo ----------------------------------------------------------------


@pytest.mark.parametrize("active,replica", PAIRS)
def test_address_on_lo(lab: Lab, pairs: Callable, active: str, replica: str) -> None:
	"""Both nodes have their sync address on lo, the peer's is reached by a route over the link: 20 of 20 both ways. IPv4:
	test_field.py.
	"""
	for fw in FW:
		lab.ip(fw, f"addr add {far(6, fw)}/128 dev lo")
	route_over(lab, 6, 0)

	def link(kind: str) -> Callable[[int], Routed]:
		return lambda port: between(kind, far(6, "fw1"), far(6, "fw2"), "lo", port=port)

	both_ways(lab, *pairs(*[(link(kind), active, replica) for kind in ("UDP", "TCP")]))


# --- an address on an interface of its own ---------------------------------------------


@pytest.fixture
def own(lab: Lab) -> None:
	"""Both nodes have their address on a veth with nothing behind it."""
	lab.more_cables(1)
	for fw in FW:
		lab.ip(fw, "link add own type veth peer name nothing", "link set own up", "link set nothing up",
		       f"addr add {far(4, fw)}/32 dev own", f"addr add {far(6, fw)}/128 dev own nodad")
	for family in (4, 6):
		route_over(lab, family, 0)


def dead_behind_its_carrier(lab: Lab) -> None:
	"""The first cable: nothing comes through, and the interfaces do not notice."""
	for fw in FW:
		lab.lossy(fw, 100)


def test_route_moves(lab: Lab, pairs: Callable, own: None) -> None:
	"""20 of 20, and it goes on when the route moves to a second path while the first one is dead behind its carrier."""
	def link(kind: str, family: int, device: str) -> Callable[[int], Routed]:
		return lambda port: between(kind, far(family, "fw1"), far(family, "fw2"), device, port=port)

	nodes = pairs((link("UDP", 4, "own"), OURS, OURS), (link("UDP", 4, "sync0"), OURS, DEBIAN),
		      (link("UDP", 6, "own"), DEBIAN, OURS), (link("TCP", 4, "sync0"), OURS, OURS),
		      (link("TCP", 6, "own"), OURS, OURS))
	both_ways(lab, *nodes)
	dead_behind_its_carrier(lab)
	for family in (4, 6):
		route_over(lab, family, 1)
	both_ways(lab, *nodes, first=100)
	for node in itertools.chain(*nodes):
		if node.which == OURS:
			wait_until(lambda node=node: said(node, "leads through sync1 now") == 1, 20)


def test_interface_goes_and_the_peer_is_still_reached(lab: Lab, pair: Callable, own: None) -> None:
	"""Interface itself is taken down, and the routes lead elsewhere: the link is up, and nothing is "not available"."""
	links = Links([between("UDP", far(4, "fw1"), far(4, "fw2"), "sync0", default=True),
		       between("UDP", near(4, "fw1", 1), near(4, "fw2", 1), "sync1")])
	one, two = pair(link=links)
	both_ways(lab, (one, two))
	route_over(lab, 4, 1)
	for fw in FW:
		lab.ip(fw, "link set sync0 down")
	both_ways(lab, (one, two), first=100)
	for node in (one, two):
		assert "device=sync0 status=RUNNING role=ACTIVE" in node.ok("-s", "link")
		assert said(node, "becomes dedicated link") == 0


def test_nothing_leaves_through_the_default_route(lab: Lab, pairs: Callable) -> None:
	"""The peer was a neighbour, and its cable is gone: the states of all connections are not for the provider."""
	nodes = pairs(*[(lambda port, kind=kind: between(kind, near(4, "fw1"), near(4, "fw2"), "sync0", port=port), OURS, OURS)
			for kind in ("UDP", "TCP")])
	both_ways(lab, *nodes)
	lab.ip("fw1", "route add default via 10.20.0.2")
	run("ip", "netns", "exec", lab.ns("server"), "nft", "-f", "-", stdin=f"""
table inet leak {{
	chain in {{
		type filter hook prerouting priority -300;
		ip daddr {near(4, 'fw2')} counter drop
	}}
}}
""")
	lab.ip("fw1", "link set sync0 down")
	for turn in range(5):
		scenario.inject(lab, "fw1", 20, first=100 + 20 * turn)
		pace.sleep(0.4)
	assert "counter packets 0 " in run("ip", "netns", "exec", lab.ns("server"), "nft", "list table inet leak").stdout
	lab.cable("fw1", 0, up=True)
	for one, two in nodes:
		wait_replicated(one, two)


# --- destinations on this machine ---------------------------------------------------------


def test_redirect_on_loopback(lab: Lab, pairs: Callable) -> None:
	"""The destination is 127.0.0.1, and a rule of the firewall sends it to the peer: 20 of 20."""
	for fw in FW:
		# 1.4.x does not bind its sending socket, so it speaks from 127.0.0.1
		lab.sysctl(fw, {"net/ipv4/conf/all/route_localnet": 1, "net/ipv4/conf/sync0/route_localnet": 1})
		run("ip", "netns", "exec", lab.ns(fw), "nft", "-f", "-", stdin=f"""
table ip pass_on {{
	chain out {{
		type nat hook output priority -100;
		ip daddr 127.0.0.1 udp dport {SYNC_PORT}-{SYNC_PORT + 2} dnat to {near(4, other(fw))}
	}}
	chain source {{
		type nat hook postrouting priority 100;
		oifname "sync0" ip saddr 127.0.0.1 snat to {near(4, fw)}
	}}
	chain untracked {{
		type filter hook prerouting priority -350;
		iifname "sync0" notrack
	}}
}}
""")

	def link(port: int) -> Routed:
		return Routed("UDP", {fw: near(4, fw) for fw in FW}, {fw: "127.0.0.1" for fw in FW}, "sync0", port=port)

	ignore = "".join(f"\t\t\tIPv4_address {address}\n" for address in ("127.0.0.1", near(4, "fw1"), near(4, "fw2")))
	nodes = pairs(*[(link, *each) for each in PAIRS],
		      extra=f"\tFilter From Userspace {{\n\t\tAddress Ignore {{\n{ignore}\t\t}}\n\t}}\n")
	for fw in FW:
		scenario.inject(lab, fw, 20, first=1000 * FW[fw])
	for node in itertools.chain(*nodes):
		wait_until(lambda node=node: len(node.external()) == 20, 30, f"{node.dir.name} has 20 of 20 flows")


def test_own_address_as_destination(make: Callable) -> None:
	"""The distribution's package test, one node with a link to itself: it starts with a warning, answers -s, and ends. And
	a link on which nobody is ever heard is said, and shown.
	"""
	node = make("fw1", OURS)
	node.configure(link=Routed("TCP", {"fw1": "127.0.0.1"}, {"fw1": "127.0.0.1"}, "lo"), options={"TCPWindowTracking": None})
	node.start()
	assert "IPv4_Destination_Address is this node's own address: the peer's is expected" in node.console.read_text()
	scenario.inject(node.lab, "fw1", 20)
	assert "TCP traffic (active device=lo)" in node.ok("-s")
	wait_until(lambda: said(node, "TCP link: nothing was ever heard on it for 10 s, with the peer 127.0.0.1"), 30)
	assert "\tnothing was ever heard on this link\n" in node.ok("-s", "link")
	assert node.external() == set()		# its own flows are no other node's
	pace.sleep(2)
	assert said(node, "nothing was ever heard") == 1
	assert node.stop() == 0


# --- one port ---------------------------------------------------------------------------


def active_device(node: Node) -> str:
	return re.search(r"traffic \(active device=(\w+)\)", node.ok("-s"))[1]


def test_two_links_without_a_local_address(lab: Lab, pairs: Callable) -> None:
	"""Two links, one port, two destinations behind two interfaces: it starts, replicates, fails over and back. Over UDP, and
	beside 1.4.7: test_field.py.
	"""
	lab.more_cables(1)

	def links(port: int) -> Links:
		return Links([between("TCP", near(4, "fw1", i), near(4, "fw2", i), f"sync{i}", local=False, default=i == 0, port=port)
			      for i in range(2)])

	[ours] = pairs((links, OURS, OURS))

	def check(first: int) -> None:
		scenario.inject(lab, "fw1", 20, first=first)
		wait_replicated(*ours)

	wait_connected(*ours)
	check(0)
	for i, up in ((1, False), (0, True)):
		lab.cable("fw2", 0, up=up)
		for node in ours:
			wait_until(lambda node=node: active_device(node) == f"sync{i}", 30, f"{node.dir.name} sends on sync{i}")
		check(100 * (i + 1))
	for node in ours:
		assert said(node, "is refused") == 0


# --- not there yet ---------------------------------------------------------------------


def test_interface_comes_later(lab: Lab, pairs: Callable) -> None:
	"""Neither interface nor address are there when the nodes start: they start, say so, and meet when both appear."""
	lab.ip("fw1", "link del sync0")
	nodes = pairs(*[(lambda port, kind=kind, family=family: Link(kind, family, port), OURS, OURS)
			for kind in ("Multicast", "UDP", "TCP") for family in (4, 6)])
	for node in itertools.chain(*nodes):
		assert re.search(r"\[warning\].*Interface sync0 does not exist; this machine has: .*lan0", node.log.read_text())
	scenario.inject(lab, "fw1", 20)
	lab.ip("fw1", f"link add sync0 type veth peer name sync0 netns {lab.ns('fw2')}")
	for fw in FW:
		lab.sysctl(fw, {"net/ipv6/conf/sync0/accept_dad": 0})
		lab.links(fw, up=True)
	for one, two in nodes:
		wait_replicated(one, two)
	for node in itertools.chain(*nodes):
		wait_until(lambda node=node: said(node, "link: sync0 is up") == 1, 20)

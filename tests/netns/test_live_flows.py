# SPDX-License-Identifier: GPL-2.0-or-later
"""A live flow is never harmed by a commit, by news, by a late end; and what has ended stays ended. The stories from which the
decision table (entries.py) comes, each with the packets that tell whether the connection lives."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from dataclasses import replace
from typing import Callable, Iterator

import pytest

import ctnetlink
import pace
import scenario
import tables
from ctnetlink import ASSURED, REPLIED, Side, Writer
from netlab import ECHO_PORT, PLAIN6, SNAT4, Lab, inside, run, wait_until
from node import Node, wait_replicated
from packets import TCP, UDP, PacketLab, Talk, View, client_of, play_all, server_of, translated
from test_commit import Result, active_count, commit

INJECT = {"DisableExternalCache": "on"}
HANDSHAKE, UP = "c.S s.SA c.A", "c.S s.SA c.A c.P s.P"
ESTABLISHED, LAST_ACK, TIME_WAIT, CLOSE = 3, 6, 7, 8
SECOND = 1.2		# the kernel's timeouts, and with them the time of a last packet, are whole seconds


@pytest.fixture
def packet_lab(request: pytest.FixtureRequest) -> Iterator[PacketLab]:
	with PacketLab() as made:
		request.node.lab, request.node.nodes = made, []
		yield made


class Stage:
	"""fw1 tells, fw2 decides; what fw1's kernel has is written there."""

	def __init__(self, request: pytest.FixtureRequest, lab: PacketLab):
		self.request, self.lab = request, lab
		self.peer, self.here = Writer(lab, "fw1"), Writer(lab, "fw2")

	def start(self, **configuration: object) -> tuple[Node, Node]:
		self.one, self.two = Node(self.lab, "fw1", "ours"), Node(self.lab, "fw2", "ours")
		self.request.node.nodes += [self.one, self.two]
		configuration["mode_options"] = {"PurgeTimeout": 600, **configuration.get("mode_options", {})}
		self.one.configure(mode=configuration.get("mode", "FTFW"), mode_options={"PurgeTimeout": 600})
		self.two.configure(**configuration)
		for node in (self.one, self.two):
			node.start()
		wait_until(lambda: all("last heard" in node.ok("-s", "peers") for node in (self.one, self.two)), 30, "the two have met")
		return self.one, self.two

	def talks(self, n: int, nat: str = "snat", family: int = 4, first: int = 10000, proto: int = TCP, other: bool = False) -> list[Talk]:
		"""Connections of the peer, known as the server's side sees them."""
		found = []
		for port in range(first, first + n):
			lan = View(client_of(family), port, server_of(family, nat), 80)
			found.append(Talk(self.lab.wire, proto, lan, translated(lan, nat, other), 1_000_000, 2_000_000))
		return found

	@staticmethod
	def play(talks: list[Talk], script: str) -> None:
		wrong = play_all([(talk, script) for talk in talks])
		assert not wrong, wrong

	def begin(self, talks: list[Talk], script: str = UP) -> list[Talk]:
		"""The same client ports begin connections of their own through fw2."""
		new = [replace(talk, wan=None, cseq=3_000_000_000, sseq=4_000_000_000, sent=[]) for talk in talks]
		self.play(new, script)
		return new

	def told(self, talks: list[Talk], timeout: int = 600, state: int | None = ESTABLISHED) -> None:
		"""The peer's kernel has these, and its daemon tells; returns when fw2 knows."""
		for talk in talks:
			self.peer.create(*talk.sides(), REPLIED | ASSURED, timeout, state if talk.proto == TCP else None)
		self.wait_told()

	def wait_told(self) -> None:
		"""Whatever fw1 was to tell so far has arrived: a flow behind it has."""
		self.marker = getattr(self, "marker", 0) + 1
		orig = Side("10.99.0.1", "10.99.0.2", UDP, (self.marker, 9), 0)
		self.peer.create(orig, ctnetlink.opposite(orig), REPLIED | ASSURED, 600)
		word = f"src=10.99.0.1 dst=10.99.0.2 sport={self.marker} "
		wait_until(lambda: word in self.two.ok("-e") or orig in self.table(), 60, "all is told")

	def end(self, talks: list[Talk]) -> None:
		for talk in talks:
			self.peer.delete(talk.sides()[0])
		self.wait_told()

	def table(self) -> dict[Side, dict]:
		return {e["original"]: e for e in ctnetlink.table(self.lab, "fw2")}

	def live(self, talks: list[Talk]) -> list[View]:
		"""Those whose packets pass, both ways and with their translation."""
		# The server's first: what the client sends may begin a new flow, which then answers.
		numbers = [(talk, talk.send(f"s.{word}"), talk.send(f"c.{word}")) for talk in talks
			   for word in ("P" if talk.proto == TCP else "u",)]
		self.lab.wire.settle()

		def right(talk: Talk, back: int, there: int) -> bool:
			out, home = self.lab.wire.arrived(there), self.lab.wire.arrived(back)
			return (out is not None and home is not None
				and (out.src, out.ports[0], out.dst, out.ports[1]) == talk.wan
				and (home.dst, home.ports[1], home.src, home.ports[0]) == talk.lan)

		return [talk.lan for talk, back, there in numbers if right(talk, back, there)]

	def all_live(self, talks: list[Talk]) -> None:
		live = self.live(talks)
		assert len(live) == len(talks), f"{len(live)} of {len(talks)} connections live: {live}"


@pytest.fixture
def stage(request: pytest.FixtureRequest, packet_lab: PacketLab) -> Stage:
	return Stage(request, packet_lab)


def script(node: Node) -> Result:
	"""What the documented script does on the node that becomes active."""
	result = commit(node)
	for option in ("-f", "-R", "-B"):
		node.ok(option)
	return result


# --- a connection begun anew before the commit ---------------------------------------------


class Client:
	"""A real connection from one of few client ports."""

	def __init__(self, lab: Lab, port: int):
		self.lab, self.port = lab, port
		self.open()

	def open(self) -> None:
		with inside(self.lab.ns("client")):
			self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
		self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
		self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
		self.socket.bind(("", self.port))
		self.socket.settimeout(pace.seconds(20))
		self.socket.connect((SNAT4.address, ECHO_PORT))
		assert self.lives()

	def again(self) -> None:
		"""The client program died and was started anew: the same port."""
		self.socket.close()
		self.open()

	def lives(self) -> bool:
		with contextlib.suppress(OSError):
			self.socket.sendall(b"?\n")
			return self.socket.recv(10) == b"?\n"
		return False


@pytest.fixture
def clients(lab: Lab, pair: Callable) -> Iterator[tuple[Node, Node, list[Client]]]:
	one, two = pair(mode_options={"PurgeTimeout": 600})
	scenario.serve(lab)
	made = [Client(lab, 20000 + n) for n in range(10)]
	wait_replicated(one, two)
	yield one, two, made
	for client in made:
		client.socket.close()


def test_commit_after_the_addresses_have_moved(lab: Lab, clients: tuple) -> None:
	"""The addresses are there, the commit comes 5.8 s later. What began in between has another port by source NAT than the
	peer's older state of the same client port."""
	_, two, made = clients
	lab.addresses_to("fw2")
	for client in made[:4]:
		client.again()
	pace.sleep(5.8)
	result = commit(two)
	assert result.replaced == 0 and result.failed == 0, result.text
	assert [client.port for client in made if not client.lives()] == [], result.text
	pace.sleep(1)
	assert tables.difference(two.kernel(), two.internal()) == ""


def test_the_script_again_on_the_active_node(lab: Lab, clients: tuple) -> None:
	"""Active for a while, connections come and go; a flap runs the script once more, while the peer's old states are known."""
	one, two, made = clients
	lab.addresses_to("fw2")
	first = commit(two)
	assert first.created == 10, first.text
	for client in made[:4]:
		client.again()
	assert all(client.lives() for client in made)
	for _ in range(2):
		result = script(two)
		assert result.replaced == 0 and result.created == 0, result.text
		assert [client.port for client in made if not client.lives()] == [], result.text
		two.ok("-n")		# and the peer's old states are there again
		wait_replicated(one, two)


def test_what_comes_in_a_full_answer(stage: Stage) -> None:
	"""The daemon starts anew, and is told the peer's old states now. They have no age: what has had packets since is live, of
	the others nobody knows which is newer, and the peer's counts."""
	one, two = stage.start()
	talks = stage.talks(20, other=True)
	stage.told(talks)
	pace.sleep(2 * SECOND)
	fresh = stage.begin(talks)
	pace.sleep(2 * SECOND)
	two.stop()
	two.start()
	stage.wait_told()
	wait_until(lambda: active_count(two, "external") == 22, 30, "all is told again")
	pace.sleep(2 * SECOND)
	stage.all_live(fresh[:10])
	pace.sleep(2 * SECOND)
	result = commit(two)
	stage.all_live(fresh[:10])
	stage.all_live(talks[10:])
	assert result.replaced == 10, result.text
	assert tables.difference(two.kernel(), two.internal()) == ""


# --- late ends ---------------------------------------------------------------------------------


@pytest.fixture
def next_ones(stage: Stage) -> Callable[..., tuple[list[Talk], list[Talk]]]:
	"""The peer's connections are in our kernel, and close or are closed; then the next ones of the same tuples pass here. The
	ends of the old ones are still to come."""
	def build(n: int = 20) -> tuple[list[Talk], list[Talk]]:
		old = stage.talks(n, "plain")
		stage.told(old)
		for i, talk in enumerate(old):
			stage.peer.update(talk.sides()[0], state=(LAST_ACK, TIME_WAIT, CLOSE, ESTABLISHED)[i % 4], mark=i + 1)
		stage.wait_told()
		pace.sleep(2 * SECOND)
		new = stage.begin(old)
		pace.sleep(SECOND)
		return old, new
	return build


def test_late_end_after_a_flush(stage: Stage, next_ones: Callable) -> None:
	stage.start(mode_options=INJECT)
	old, new = next_ones()
	stage.two.ok("-f")
	stage.end(old)
	pace.sleep(1)
	stage.all_live(new)


def test_late_end_between_flush_and_resync(stage: Stage, next_ones: Callable) -> None:
	stage.start(mode_options=INJECT)
	old, new = next_ones()
	over = threading.Event()
	said: list[str] = []

	def repeat() -> None:
		while not over.is_set():
			said.extend((stage.two.ok("-f"), stage.two.ok("-R")))

	thread = threading.Thread(target=repeat)
	thread.start()
	try:
		for talk in old:
			stage.end([talk])
	finally:
		over.set()
		thread.join()
	assert len(said) >= 4
	pace.sleep(1)
	stage.all_live(new)


def test_late_end_at_the_limit(stage: Stage, next_ones: Callable) -> None:
	"""The internal cache is full and does not know the flows."""
	stage.start(mode_options=INJECT, general={"HashLimit": 20, "HashSize": 32})
	for port in range(40):
		orig = Side("10.10.1.9", "10.20.1.2", UDP, (20000 + port, 53), 0)
		stage.here.create(orig, ctnetlink.opposite(orig), REPLIED | ASSURED, 600)
	wait_until(lambda: active_count(stage.two, "internal") == 20, 20, "the internal cache is full")
	old, new = next_ones()
	assert active_count(stage.two, "internal") == 20
	stage.end(old)
	pace.sleep(1)
	stage.all_live(new)


# --- ends that are meant --------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["-D", "-F"])
def test_conntrack_deletes_on_both_nodes(stage: Stage, how: str) -> None:
	"""conntrack -D and -F on the node that forwards; nothing has passed the other one."""
	one, two = stage.start(mode_options=INJECT)
	flows = stage.talks(30) + stage.talks(30, "plain", family=6) + stage.talks(30, "dnat", proto=UDP)
	stage.told(flows)
	wanted = {talk.sides()[0] for talk in flows}
	assert wanted <= stage.table().keys()
	at = ["ip", "netns", "exec", stage.lab.ns("fw1"), "conntrack"]
	if how == "-F":
		run(*at, "-F")
	else:
		for family, proto in (("ipv4", "tcp"), ("ipv6", "tcp"), ("ipv4", "udp")):
			run(*at, "-D", "-f", family, "-p", proto, "--dport", 80)
	wait_until(lambda: not wanted & stage.table().keys(), 20, "they are removed there, too")


def test_connections_killed_on_the_node_that_forwards(lab: Lab, pair: Callable) -> None:
	"""Real ones, whose states came one after the other. Nothing of them has passed the other node, before its daemon was
	started anew either."""
	one, two = pair(mode_options=INJECT)
	scenario.serve(lab)
	scenario.lines(lab, 30, interval=0.2)
	scenario.lines(lab, 30, PLAIN6, interval=0.2)

	def here() -> int:
		return sum(("dport", str(ECHO_PORT)) in flow.orig and flow.state == "ESTABLISHED" for flow in two.kernel())

	wait_until(lambda: here() == 60, 20, "all are told")
	kill = ["ip", "netns", "exec", lab.ns("fw1"), "conntrack", "-D", "-p", "tcp", "--dport", ECHO_PORT, "-f"]
	run(*kill, "ipv4")
	wait_until(lambda: here() == 30, 20, "half of them are removed there, too")
	two.stop()
	two.start()
	pace.sleep(3)		# the peer has told again
	assert here() == 30
	run(*kill, "ipv6")
	wait_until(lambda: here() == 0, 20, "the others as well")


def test_made_and_deleted_fast(stage: Stage) -> None:
	"""20,000 flows live for a moment each; none of them stays at the node that was told."""
	one, two = stage.start(mode_options=INJECT)
	stage.told(stage.talks(5))
	for first in range(0, 20000, 2000):
		scenario.inject(stage.lab, "fw1", 2000, first=first)
		scenario.inject(stage.lab, "fw1", 2000, first=first, delete=True)
	wait_until(lambda: len(one.internal()) <= 7, 30, "the active node's daemon knows all ends")
	stage.wait_told()
	wait_until(lambda: sum(e.src.startswith("10.66.") for e in stage.table()) == 0, 20, "none is left")
	assert len(stage.table().keys() & {talk.sides()[0] for talk in stage.talks(5)}) == 5


def test_a_flow_that_both_nodes_forward(stage: Stage) -> None:
	"""It is killed with conntrack -D on both: the one that is told of an end still forwards."""
	one, two = stage.start(mode_options=INJECT)
	talk, = stage.talks(1, "plain")
	stage.told([talk])
	pace.sleep(2 * SECOND)
	stage.all_live([talk])
	pace.sleep(SECOND)
	stage.end([talk])
	pace.sleep(1)
	stage.all_live([talk])
	stage.here.delete(talk.sides()[0])
	pace.sleep(1)
	assert not stage.live([talk])
	assert talk.sides()[0] not in {e["original"] for part in ("fw1", "fw2") for e in ctnetlink.table(stage.lab, part)}


# --- packets that were here before the commit -----------------------------------------------------

FIRST = [("a stray SYN and the challenge to it", "c.S s.A", "snat"), ("a SYN", "c.S", "snat"), ("half a handshake", "c.S s.SA", "snat"),
	 ("the last connection in TIME_WAIT", f"{UP} c.F s.A s.F c.A", "snat"), ("the last connection, reset", f"{UP} c.R", "snat"),
	 ("a stray SYN, random port", "c.S s.A", "random"), ("half a handshake, random port", "c.S s.SA", "random"),
	 ("the last connection, random port", f"{UP} c.F s.A s.F c.A", "random")]


@pytest.mark.parametrize("told_first", [True, False], ids=["told first", "packets first"])
def test_packets_before_the_commit(stage: Stage, told_first: bool) -> None:
	"""The peer's connection lives on, whatever its client port has left on the new node; and a handshake that is genuine comes
	to be, at worst with its SYN sent again."""
	one, two = stage.start()
	old: dict[str, list[Talk]] = {what: stage.talks(3, nat, first=10000 + 10 * n) for n, (what, _, nat) in enumerate(FIRST)}
	genuine = {f"{what}, genuine": stage.talks(3, nat, first=12000 + 10 * n)
		   for n, (what, script, nat) in enumerate(FIRST) if script in ("c.S", "c.S s.SA")}
	everyone = [talk for talks in (*old.values(), *genuine.values()) for talk in talks]
	# TIME_WAIT of a connection that ended after the peer's last change is the newer word about it
	late = [what for what, *_ in FIRST if told_first and what.startswith("the last connection") and not what.endswith("random port")]
	old = {what: talks for what, talks in old.items() if what not in late}
	scripts = {what: script for what, script, _ in FIRST}
	if told_first:
		stage.told(everyone)
		pace.sleep(2 * SECOND)
	fresh = {what: stage.begin(talks, scripts[what.removesuffix(", genuine")])
		 for what, talks in {**old, **genuine}.items()}
	if not told_first:
		pace.sleep(2 * SECOND)
		stage.told(everyone)
		pace.sleep(2 * SECOND)
	commit(two)
	wrong = {what: 3 - len(live) for what, talks in old.items() if len(live := stage.live(talks)) != 3}
	assert not wrong, f"dead connections: {wrong}"
	for what, talks in genuine.items():
		for talk in fresh[what]:
			talk.wan, talk.cseq, talk.sseq = None, 3_000_000_000, 4_000_000_000
		stage.play(fresh[what], HANDSHAKE)
		stage.all_live(fresh[what])
	assert tables.difference(two.kernel(), two.internal()) == ""


# --- what has ended -----------------------------------------------------------------------------------


def test_commit_brings_nothing_back(stage: Stage) -> None:
	"""500 committed; 300 end here, by resets, by closing, by conntrack -D; the commit again creates none of them."""
	one, two = stage.start()
	stage.lab.sysctl("fw2", {f"net/netfilter/nf_conntrack_tcp_timeout_{name}": 2 for name in ("close", "time_wait")})
	flows = stage.talks(250) + stage.talks(250, "plain", family=6)
	stage.told(flows)
	assert commit(two).created == 501		# with the one that waits until all is told
	pace.sleep(SECOND)
	ended = flows[:150] + flows[250:400]
	stage.play(ended[::3], "c.P s.P c.F s.A s.F c.A")
	stage.play(ended[1::3], "c.P s.P c.R")
	for talk in ended[2::3]:
		stage.here.delete(talk.sides()[0])
	wait_until(lambda: len(stage.table()) == 201, 30, "300 have ended")
	wait_until(lambda: active_count(two, "internal") == 201, 30, "and this is known")
	result = commit(two)
	assert result.created == 0, result.text
	assert len(stage.table()) == 201
	assert not stage.live(ended[:20])
	# what the peer changes after that lives there
	anew = ended[:10]
	for talk in anew:
		stage.peer.update(talk.sides()[0], mark=9)
	stage.wait_told()
	result = commit(two)
	assert result.created == 11, result.text
	stage.all_live(anew)
	assert tables.difference(two.kernel(), two.internal()) == ""


# --- what is kept ---------------------------------------------------------------------------------------


def test_window_tracking_of_kept_entries(stage: Stage) -> None:
	"""TCPWindowTracking on: an entry with packets since keeps its windows, one without packets cannot have the right ones."""
	one, two = stage.start(options={"TCPWindowTracking": "on"})
	busy, idle = stage.talks(5), stage.talks(5, first=11000)
	newer = stage.begin(idle)
	assert all(talk.wan == new.wan for talk, new in zip(idle, newer))
	pace.sleep(2 * SECOND)
	stage.told(busy + idle)
	pace.sleep(2 * SECOND)
	busy = stage.begin(busy)
	pace.sleep(SECOND)
	result = commit(two)
	assert result.kept == 10, result.text
	wire = stage.lab.wire
	outside = [talk.send("c.P", 1 << 30) for talk in busy]
	wire.settle()
	assert not any(wire.arrived(number) for number in outside), "what is outside the window is invalid"
	stage.all_live(busy)
	stage.all_live(idle)		# far from what the entry has seen, as after a while on the other node


def test_kept_entry_with_seconds_left(stage: Stage) -> None:
	"""Left over from an earlier time and nearly over: the commit prolongs the life, as for what it creates."""
	one, two = stage.start()
	flows = stage.talks(10) + stage.talks(10, "plain", family=6) + stage.talks(10, proto=UDP)
	stage.told(flows)
	for talk in flows:
		stage.here.create(*talk.sides(), REPLIED | ASSURED, 5, ESTABLISHED if talk.proto == TCP else None)
	result = commit(two)
	assert result.kept == 30, result.text
	pace.sleep(6)
	stage.all_live(flows)


# By the cache of all but the first two nobody knows whether there is something left over.
LEFT_OVER = {
	"FTFW": {}, "FTFW, ended": {}, "NOTRACK": {"mode": "NOTRACK", "mode_options": {"DisableInternalCache": "on"}},
	"PollSecs": {"general": {"PollSecs": 300}},
	"states": {"extra": "\tFilter {\n\t\tState Accept { TIME_WAIT CLOSED for TCP }\n\t}\n"},
}


@pytest.mark.parametrize("which", LEFT_OVER)
def test_left_over_and_nobody_tells(stage: Stage, which: str) -> None:
	"""Entries of this node's last activity, whose purge is still to come. Their connections have ended on the other node, and the
	next ones of the same ports have begun there, of which no word has come: a cut cable, or the last word was the end of those
	before. To the windows that are left over each packet of the next ones is invalid, and so is what ends the half of one that its
	server still has."""
	_, two = stage.start(**LEFT_OVER[which])
	two.ok("-c")
	talks = [talk for nat, family in (("plain", 4), ("snat", 6), ("dnat", 4)) for talk in stage.talks(8, nat, family)]
	left = stage.begin(talks)
	assert all(talk.wan == old.wan for talk, old in zip(talks, left))
	two.ok("-t")
	two.ok("-n")
	pace.sleep(3 * SECOND)
	if which == "FTFW, ended":
		stage.told(talks, state=TIME_WAIT)
	result = commit(two)
	assert result.replaced == result.updated == 0, result.text
	assert tables.difference(two.kernel(), two.internal()) == "" or not which.startswith("FTFW")
	stage.all_live(talks[::2])
	half = talks[1::2]
	again = [replace(talk, cseq=500_000_000, sseq=700_000_000, sent=[]) for talk in half]
	stage.play([replace(talk, sent=[]) for talk in again], "c.S")
	stage.play(half, "s.A c.R")	# the server knows another connection, the client does not
	stage.play(again, UP)


# --- what is known of what was replaced -------------------------------------------------------------------


@pytest.mark.parametrize("cached", [True, False], ids=["internal cache", "without"])
def test_what_a_commit_displaces_has_ended(stage: Stage, cached: bool) -> None:
	"""Connections whose translated ports a peer's flow has by now: they go, from our cache and from the peer's."""
	one, two = stage.start(**({} if cached else LEFT_OVER["NOTRACK"]))
	flows = stage.talks(5) + stage.talks(5, family=6)
	old = [replace(talk, lan=talk.lan._replace(sport=talk.lan.sport + 1000)) for talk in flows]
	for talk in old:
		stage.here.create(*talk.sides(), REPLIED | ASSURED, 600, TIME_WAIT)
	wait_until(lambda: active_count(one, "external") == 10, 20, "the peer knows them")
	stage.told(flows)
	pace.sleep(2 * SECOND)	# the full tables of the start have come, which would hide it
	result = commit(two)
	assert result.replaced == 10, result.text
	assert not cached or tables.difference(two.kernel(), two.internal()) == ""
	stage.all_live(flows)
	two.ok("-B")
	wait_until(lambda: tables.one_way(one.external()) == tables.one_way(two.kernel()), 20, "and so has the peer")


def test_caches_after_a_replacement(stage: Stage) -> None:
	"""The kernel has the peer's port, so do the internal cache and what the peer is told."""
	one, two = stage.start()
	flows = stage.talks(5, other=True) + stage.talks(5, "dnat", family=6, other=True)
	stage.begin(flows, "c.S")
	pace.sleep(2 * SECOND)
	stage.told(flows)
	wait_until(lambda: active_count(one, "external") == 10, 20, "the peer knows the half-open ones")
	result = commit(two)
	assert result.replaced == 10, result.text
	stage.all_live(flows)
	assert tables.difference(two.kernel(), two.internal()) == ""
	two.ok("-B")

	def equal() -> bool:
		return tables.one_way(one.external()) == tables.one_way(two.kernel())

	wait_until(equal, 20, "the peer's external cache is our kernel's table")
	# The external cache shows no translation: the kernel does, once it is there.
	stage.peer.request(ctnetlink.DELETE, 0, socket.AF_UNSPEC, b"")
	commit(one)
	assert tables.difference(two.kernel(), one.kernel()) == ""

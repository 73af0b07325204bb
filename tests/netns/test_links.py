# SPDX-License-Identifier: GPL-2.0-or-later
"""Dedicated links of every kind and family, and who is heard on them."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from typing import Any, Callable

import pytest

import pace
import scenario
import tables
from conftest import PAIRS
from netlab import PLAIN6, SNAT4, SYNC_PORT, Lab, inside, run, wait_until
from node import DEBIAN, MODES, OURS, Link, Links, Node, wait_connected, wait_met, wait_replicated
from repeats import only_long

KINDS = {"udp4": Link("UDP", 4), "udp6": Link("UDP", 6), "multicast6": Link("Multicast", 6),
	 "tcp4": Link("TCP", 4), "tcp6": Link("TCP", 6)}

each_kind = pytest.mark.parametrize("kind", KINDS)
each_pair = pytest.mark.parametrize("active,replica", PAIRS)


@each_kind
@each_pair
def test_replica_equals_kernel_table(lab: Lab, pair: Callable, active: str, replica: str, kind: str) -> None:
	one, two = pair(active, replica, link=KINDS[kind])
	scenario.serve(lab)
	for target in (SNAT4, PLAIN6):
		scenario.lines(lab, 20, target)
		scenario.udp_stream(lab, target)
	for family in (4, 6):
		scenario.inject(lab, "fw1", 300, family=family)
		scenario.inject(lab, "fw1", 100, family=family, delete=True)
	wait_replicated(one, two)
	assert len(two.external()) >= 2 * (200 + 20 + 1)


@each_kind
@each_pair
def test_loss_then_quiet(lab: Lab, pair: Callable, active: str, replica: str, kind: str) -> None:
	one, two = pair(active, replica, link=KINDS[kind])
	if DEBIAN in (active, replica):
		pace.sleep(3)		# the handshake: every HELLO makes 1.4.7 forget what it was to send again
	for node in (one, two):
		lab.lossy(node.fw, 5)
	for turn in range(8):
		for family in (4, 6):
			scenario.inject(lab, "fw1", 500, first=500 * turn, family=family)
			scenario.inject(lab, "fw1", 250, first=500 * turn, family=family, delete=True)
		pace.sleep(0.3)
	assert lab.dropped("fw2") > 0
	for node in (one, two):
		lab.lossy(node.fw, 0)
	wait_replicated(one, two)


# --- who is heard -----------------------------------------------------------------


def malformed(node: Node) -> int:
	"""How many messages the daemon has heard that were none."""
	found = re.search(r"Malformed messages:\s+(\d+)", node.ok("-s", "network"))
	assert found
	return int(found[1])


def speak(lab: Lab, part: str, source: str, dest: str, count: int, device: str) -> None:
	"""Datagrams that are no messages, from any address."""
	with inside(lab.ns(part)):
		family = socket.AF_INET6 if ":" in dest else socket.AF_INET
		with socket.socket(family, socket.SOCK_DGRAM) as s:
			s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
			s.bind((source, 0))
			for _ in range(count):
				s.sendto(b"no message", (dest, SYNC_PORT))


def said(node: Node, text: str) -> int:
	return node.log.read_text().count(text)


def add_neighbour(lab: Lab, family: int) -> tuple[str, str, str]:
	"""fw1 gets one more address on the link, fw2 is reached from the client, too. fw2's address, the new one, the client's."""
	me, stranger, client, router = {4: ("10.30.0.12", "10.30.0.99", "10.10.0.2", "10.10.0.12"),
					6: ("fd00:30::c", "fd00:30::99", "fd00:10::2", "fd00:10::c")}[family]
	# deprecated, or 1.4.7 would speak from it: the kernel prefers the newest address
	lab.ip("fw1", f"addr add {stranger}/24 dev sync0" if family == 4 else
	       f"addr add {stranger}/64 dev sync0 nodad preferred_lft 0")
	lab.ip("client", f"route add {me} via {router}")
	run("ip", "netns", "exec", lab.ns("fw2"), "nft", f"insert rule inet fw input udp dport {SYNC_PORT} accept")
	return me, stranger, client


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("active", [OURS, DEBIAN])
def test_strangers_are_refused(lab: Lab, make: Callable, active: str, family: int) -> None:
	"""With StrictPeers, from another address of the sync net and from elsewhere: counted, shown, and hardly logged."""
	one, two = make("fw1", active), make("fw2", OURS)
	one.configure(link=Link("UDP", family))
	two.configure(link=Link("UDP", family), options={"StrictPeers": "on"})
	for node in (one, two):
		node.start()
	scenario.inject(lab, "fw1", 100, family=family)
	wait_replicated(one, two)
	assert "refused" not in two.ok("-s", "link")
	me, stranger, client = add_neighbour(lab, family)
	speak(lab, "fw1", stranger, me, 200, "sync0")
	wait_until(lambda: said(two, f"from {stranger} is refused: StrictPeers is on. The peer is {one_address(family)} "), 10)
	speak(lab, "client", client, me, 200, "eth0")
	speak(lab, "fw1", one_address(family), me, 1, "sync0")
	wait_until(lambda: malformed(two) > 0, 10, "the peer itself is heard")
	assert malformed(two) == 1
	assert said(two, "is refused") == 3
	assert "\trefused: 400 of others than the peer\n" in two.ok("-s", "link")
	scenario.inject(lab, "fw1", 100, first=100, family=family)
	wait_replicated(one, two)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("active", [OURS, DEBIAN])
def test_neighbours_are_heard(lab: Lab, pair: Callable, active: str, family: int) -> None:
	"""Without it neighbours on the link are heard, and the log says what to write; but not those on other interfaces."""
	one, two = pair(active, OURS, link=Link("UDP", family))
	scenario.inject(lab, "fw1", 100, family=family)
	wait_replicated(one, two)
	me, stranger, client = add_neighbour(lab, family)
	speak(lab, "client", client, me, 200, "eth0")
	wait_until(lambda: said(two, f"from {client} is refused: it is neither the peer nor a neighbour"), 10)
	assert malformed(two) == 0

	def heard() -> bool:
		speak(lab, "fw1", stranger, me, 1, "sync0")
		return malformed(two) > 0

	wait_until(heard, 20, "the neighbour is heard", 0.3)
	assert said(two, f'{stranger} speaks, which is not {one_address(family)} ') == 1
	assert said(two, f'"AcceptPeer {stranger}" in Options') == 1
	scenario.inject(lab, "fw1", 100, first=100, family=family)
	wait_replicated(one, two)


def one_address(family: int) -> str:
	"""Of fw1 on the sync link."""
	return "10.30.0.11" if family == 4 else "fd00:30::b"


class SecondAddress(Link):
	"""fw1 is meant to have another address on the link than the one it speaks from."""

	def block(self, fw: str) -> str:
		return super().block(fw).replace("10.30.0.11", "10.30.0.51")


@pytest.mark.parametrize("active", [DEBIAN, OURS])
def test_peer_speaks_from_another_address(lab: Lab, pair: Callable, active: str) -> None:
	"""1.4.7 does not bind the socket that sends, so the first address of the interface speaks. Ours does."""
	lab.ip("fw1", "addr add 10.30.0.51/24 dev sync0")
	one, two = pair(active, OURS, link=SecondAddress("UDP", 4))
	scenario.inject(lab, "fw1", 300)
	wait_replicated(one, two)
	assert said(two, 'write "IPv4_Destination_Address 10.30.0.11" here') == (1 if active == DEBIAN else 0)
	assert said(two, "is refused") == 0


def test_ports_are_not_shared(lab: Lab, make: Callable) -> None:
	"""A second daemon on the same address and port is told so, whoever the first is."""
	for first, second in ((OURS, OURS), (DEBIAN, OURS)):
		one, two = make("fw1", first), make("fw1", second)
		one.configure(link=Link("UDP", 4))
		one.start()
		two.socket, two.lock = two.dir / "ctl2", two.dir / "lock2"
		two.configure(link=Link("UDP", 4))
		done = two.start_background()
		assert done.returncode == 1
		assert "UDP address 10.30.0.11 (IPv4_address), port 3780 (Port): Address already in use" in done.stderr
		one.configure(link=Link("UDP", 4))
		one.stop()


# --- interfaces come and go -----------------------------------------------------------


def in_mode(mode: str, link: Link | Links) -> dict[str, Any]:
	"""For pair()."""
	return {"mode": mode, "mode_options": MODES[mode], "link": link}


# FTFW has all kinds; the other modes use the same links, so each meets one kind with connections and one without.
ANEW = [("FTFW", kind) for kind in ("multicast4", *KINDS)] + [
	("NOTRACK", "udp4"), ("NOTRACK", "tcp4"), ("ALARM", "multicast4"), ("ALARM", "tcp6")]


@pytest.mark.parametrize("mode,kind", ANEW)
def test_interface_is_made_anew(lab: Lab, pair: Callable, mode: str, kind: str) -> None:
	"""Somebody restarts the network: the same name and addresses, but another interface. Nobody types anything."""
	one, two = pair(**in_mode(mode, {"multicast4": Link("Multicast", 4), **KINDS}[kind]))
	scenario.inject(lab, "fw1", 300)
	wait_replicated(one, two)
	# With the same hardware addresses, as a VLAN or bond would have: over multicast a node is known by its address.
	macs = [re.search(r"link/ether (\S+)", lab.ip(fw, "link show sync0"))[1] for fw in ("fw1", "fw2")]
	lab.ip("fw1", "link del sync0", f"link add sync0 address {macs[0]} type veth "
					f"peer name sync0 address {macs[1]} netns {lab.ns('fw2')}")
	for fw in ("fw1", "fw2"):
		lab.links(fw, up=True)
	scenario.inject(lab, "fw1", 300, first=1000)
	scenario.inject(lab, "fw1", 100, delete=True)
	wait_replicated(one, two)
	for node in (one, two):		# without an interface in their definition, UDP and TCP links need no other sockets
		assert said(node, "sync0 was made anew") == kind.startswith("multicast")


# --- TCP: connections come and go -------------------------------------------------------

each_family = pytest.mark.parametrize("family", [4, 6])


def churn(lab: Lab, turn: int) -> None:
	"""Flows that begin and end."""
	scenario.inject(lab, "fw1", 500, first=500 * turn)
	scenario.inject(lab, "fw1", 250, first=500 * turn, delete=True)


def kill_connections(lab: Lab, fw: str) -> int:
	"""Both connections of the link, as an administrator or a firewall in between would; how many there were."""
	done = run("ip", "netns", "exec", lab.ns(fw), "ss", "-HtnK", f"( sport = :{SYNC_PORT} or dport = :{SYNC_PORT} )")
	return sum("ESTAB" in line for line in done.stdout.splitlines())


@each_family
def test_tcp_starts_with_the_link_down(lab: Lab, make: Callable, family: int) -> None:
	one, two = make("fw1", OURS), make("fw2", OURS)
	for node in (one, two):
		node.configure(link=Link("TCP", family))
		lab.ip(node.fw, "link set sync0 down")
		node.start()
	churn(lab, 0)
	assert "disconnected" in one.connections()
	assert said(one, "trying once a second") == 1
	for node in (one, two):
		lab.links(node.fw, up=True)
	wait_replicated(one, two)
	wait_connected(one, two)


@each_pair
def test_tcp_peer_restarts(lab: Lab, pair: Callable, active: str, replica: str) -> None:
	"""The replica's daemon ends, misses something, and starts again; then that of the active node."""
	one, two = pair(active, replica, link=Link("TCP", 4))
	churn(lab, 0)
	wait_replicated(one, two)
	for n, node in enumerate((two, one)):
		node.stop()
		churn(lab, 1 + 2 * n)
		node.start()
		churn(lab, 2 + 2 * n)
		if DEBIAN in (active, replica):
			wait_connected(*[x for x in (one, two) if x.which == OURS])
			two.ok("-n")		# 1.4.7 does not ask by itself
		wait_replicated(one, two)
	wait_connected(one, two)


@each_pair
def test_tcp_connections_are_killed(lab: Lab, pair: Callable, active: str, replica: str) -> None:
	"""Again and again in the middle of the stream; all is there when it ends."""
	one, two = pair(active, replica, link=Link("TCP", 4))
	wait_connected(*[x for x in (one, two) if x.which == OURS])
	killed = 0
	for turn in range(10):
		churn(lab, turn)
		killed += kill_connections(lab, "fw1")
		pace.sleep(0.4)
	if killed == 0:
		pytest.skip("this kernel does not let ss -K end connections")
	churn(lab, 10)
	pace.sleep(2)		# until both have noticed that the last ones are gone
	wait_met(one, two)
	if replica == DEBIAN:
		two.ok("-n")
	wait_replicated(one, two)


def test_tcp_dead_path(lab: Lab, pair: Callable) -> None:
	"""Nothing comes through, and nobody says so: noticed after a while, repaired when the path is back."""
	one, two = pair(link=Link("TCP", 4))
	churn(lab, 0)
	wait_replicated(one, two)
	for node in (one, two):
		lab.lossy(node.fw, 100)
	churn(lab, 1)
	for node in (one, two):
		wait_until(lambda node=node: node.connections() == "server=disconnected client=disconnected", 60)
	churn(lab, 2)
	assert one.ok("-s", "queue")
	for node in (one, two):
		lab.lossy(node.fw, 0)
	wait_replicated(one, two)
	wait_connected(one, two)


def test_tcp_stranger_cannot_take_the_place(lab: Lab, pair: Callable) -> None:
	"""Somebody else's connection is closed, the peer's stays."""
	one, two = pair(link=Link("TCP", 4), options={"StrictPeers": "on"})
	wait_connected(one, two)
	lab.ip("fw1", "addr add 10.30.0.99/24 dev sync0")
	with inside(lab.ns("fw1")):
		s = socket.socket()
	with s:
		s.settimeout(pace.seconds(10))
		s.bind(("10.30.0.99", 0))
		s.connect(("10.30.0.12", SYNC_PORT))
		with contextlib.suppress(ConnectionResetError):
			assert s.recv(1) == b""
	assert said(two, "a connection from 10.30.0.99 is refused") == 1
	churn(lab, 0)
	wait_replicated(one, two)
	assert said(two, "has ended") == 0


# --- several links ---------------------------------------------------------------------

MULTI = ["Multicast", "UDP", "TCP"]
each_multi = pytest.mark.parametrize("mode,kind", [("FTFW", kind) for kind in MULTI] + [
	("NOTRACK", "UDP"), ("NOTRACK", "TCP"), ("ALARM", "Multicast"), ("ALARM", "TCP")])
# The pairs with 1.4.7 share the kinds among them.
FOUR = [("FTFW", kind, OURS, OURS) for kind in MULTI] + [
	("FTFW", "Multicast", OURS, DEBIAN), ("FTFW", "UDP", DEBIAN, OURS), ("FTFW", "TCP", DEBIAN, OURS)] + [
	(mode, kind, *each) for mode in ("NOTRACK", "ALARM") for kind, each in zip(("UDP", "Multicast", "TCP"), PAIRS)]
FOUR += only_long(row for kind in MULTI for each in PAIRS if (row := ("FTFW", kind, *each)) not in FOUR)


def cables(kind: str, n: int, family: int = 4, apart: bool = False) -> Links:
	"""`apart`: each with a port of its own. 1.4.x binds its multicast receivers to the wildcard address, so each of its
	links hears what comes to the same port on any other, and in NOTRACK it then sends on the last one.
	"""
	return Links(Link(kind, family, SYNC_PORT + i if apart else SYNC_PORT, cable=i) for i in range(n))


def active_device(node: Node) -> str:
	found = re.search(r"traffic \(active device=(\w+)\)", node.ok("-s"))
	assert found
	return found[1]


def on_cable(i: int, *nodes: Node, timeout: float = 30) -> None:
	for node in nodes:
		wait_until(lambda node=node: active_device(node) == f"sync{i}", timeout, f"{node.fw} sends on sync{i}")


class Traffic:
	"""Flows come and go on fw1 as long as the block lasts."""

	def __init__(self, lab: Lab):
		self.lab, self.turn, self.end = lab, 0, threading.Event()
		self.thread = threading.Thread(target=self.run)

	def run(self) -> None:
		while not self.end.wait(pace.seconds(0.2)):
			churn(self.lab, self.turn % 100)
			self.turn += 1

	def __enter__(self) -> Traffic:
		self.thread.start()
		return self

	def __exit__(self, *exc: object) -> None:
		self.end.set()
		self.thread.join()


@pytest.mark.parametrize("mode,kind,active,replica", FOUR)
def test_four_links_fail_one_after_the_other(lab: Lab, pair: Callable, mode: str, kind: str, active: str,
					     replica: str) -> None:
	"""And return in the same order. The traffic never stops; nothing is missing at the end."""
	lab.more_cables(3)
	apart = mode == "NOTRACK" and DEBIAN in (active, replica)
	one, two = pair(active, replica, **in_mode(mode, cables(kind, 4, apart=apart)))
	ours = [node for node in (one, two) if node.which == OURS]
	with Traffic(lab):
		pace.sleep(3)
		for i in range(3):
			lab.cable("fw1" if i % 2 else "fw2", i, up=False)
			on_cable(i + 1, *ours)
			pace.sleep(1)
		lab.cable("fw1", 3, up=False)
		for node in ours:
			wait_until(lambda node=node: said(node, "no dedicated links available!"), 20)
		pace.sleep(1)
		for i in (3, 1, 2, 0):
			for fw in ("fw1", "fw2"):
				lab.cable(fw, i, up=True)
			pace.sleep(1.5)
		on_cable(0, *ours)
	if replica == DEBIAN:
		pace.sleep(3)
		if kind == "TCP" and mode != "ALARM":	# which has nothing to ask for
			wait_connected(one, two)
		two.ok("-n")
	if replica == DEBIAN and mode == "NOTRACK":	# it misses the ends that were under way, and nothing removes them
		wait_until(lambda: not tables.one_way(one.kernel()) - tables.one_way(two.external()), 90, "nothing is missing")
	else:
		wait_replicated(one, two, 90)


@each_multi
def test_address_goes(lab: Lab, pair: Callable, mode: str, kind: str) -> None:
	"""The cable is whole, but one end lost its address: that end moves at once, the other as it hears nothing there.
	In ALARM the replica never says anything, so only a TCP link tells the active one.
	"""
	lab.more_cables(1)
	one, two = pair(**in_mode(mode, cables(kind, 2)))
	hears = mode != "ALARM" or kind == "TCP"
	with Traffic(lab):
		pace.sleep(2)
		lab.ip("fw2", "addr del 10.30.0.12/24 dev sync0")
		on_cable(1, two, *([one] if hears else []))
		pace.sleep(4)
		assert active_device(one) == ("sync1" if hears else "sync0")	# whole as it looks from there
		lab.cable("fw2", 0, up=True)
		on_cable(0, one, two)
	wait_replicated(one, two)
	assert said(two, "sync0 has no address") == 1


@each_multi
def test_interface_of_one_link_is_made_anew(lab: Lab, pair: Callable, mode: str, kind: str) -> None:
	lab.more_cables(1)
	one, two = pair(**in_mode(mode, cables(kind, 2)))
	with Traffic(lab):
		pace.sleep(2)
		macs = [re.search(r"link/ether (\S+)", lab.ip(fw, "link show sync0"))[1] for fw in ("fw1", "fw2")]
		lab.ip("fw1", "link del sync0")
		on_cable(1, one, two)
		pace.sleep(2)
		lab.ip("fw1", f"link add sync0 address {macs[0]} type veth "
			      f"peer name sync0 address {macs[1]} netns {lab.ns('fw2')}")
		for fw in ("fw1", "fw2"):
			lab.cable(fw, 0, up=True)
		on_cable(0, one, two)
	wait_replicated(one, two)
	for node in (one, two):
		assert said(node, "sync0 was made anew") == (kind == "Multicast")


def test_default_and_roles(lab: Lab, pair: Callable) -> None:
	"""The link marked Default sends, and sends again when it is back; all are listed."""
	lab.more_cables(1)
	one, two = pair(link=Links([Link("UDP", 4), Link("UDP", 6, cable=1, default=True)]))
	on_cable(1, one, two)
	assert re.findall(r"device=(\w+) status=(\S+) role=(\w+):", one.ok("-s", "link")) == [
		("sync0", "RUNNING", "BACKUP"), ("sync1", "RUNNING", "ACTIVE")]
	lab.cable("fw2", 1, up=False)
	on_cable(0, one, two)
	assert "device=sync1 status=NO-CARRIER role=BACKUP" in one.ok("-s", "link")
	assert "device=sync1 status=DOWN role=BACKUP" in two.ok("-s", "link")
	churn(lab, 0)
	wait_replicated(one, two)
	lab.cable("fw2", 1, up=True)
	on_cable(1, one, two)
	assert said(one, "device `sync0' becomes dedicated link") == 1
	assert said(one, "device `sync1' becomes dedicated link") == 1


def test_stray_datagrams_do_not_switch(lab: Lab, pair: Callable) -> None:
	lab.more_cables(1)
	one, two = pair(link=cables("UDP", 2))
	for _ in range(20):
		with inside(lab.ns("fw1")), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
			s.bind(("10.31.0.11", 0))
			s.sendto(b"no message", ("10.31.0.12", SYNC_PORT))
		pace.sleep(0.1)
	assert malformed(two) == 20
	assert active_device(two) == "sync0"
	assert said(two, "becomes dedicated link") == 0

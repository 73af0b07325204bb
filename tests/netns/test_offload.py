# SPDX-License-Identifier: GPL-2.0-or-later
"""Flows that the kernel has handed to a flow table.

Packets of such a flow pass connection tracking by. A dump of the table shows neither the state nor the timeout of its entry
then, and the entry's life is lifted to a day. A daemon that learns a flow in that way knows less than one that has heard its
events, and must not tell the peer that there is no more to know.
"""

from __future__ import annotations

import re
import signal
import socket
import time
from typing import Callable, Iterator, NamedTuple

import pytest

import pace
import tables
from netlab import DNAT4, PLAIN6, SNAT4, Lab, Target, inside, run, wait_until
from node import Node, wait_met

TCP_PORT, UDP_PORT = 7101, 7102
TARGETS = (SNAT4, DNAT4, PLAIN6)
TCP, UDP = 20, 5

RULES = """
table inet fast {
	flowtable fast {
		hook ingress priority filter; devices = { lan0, wan0 };
	}
	chain forward {
		type filter hook forward priority filter + 10;
		meta l4proto { tcp, udp } ct state established flow add @fast
	}
}
"""
# The kernel's own timeouts of both firewalls: no number that stands for a day, or for nothing.
TIMEOUT = {"tcp": 7200, "udp": 240}
SYSCTL = {"net/netfilter/nf_conntrack_tcp_timeout_established": TIMEOUT["tcp"],
	  # A stream that is taken over by the flow table within two seconds is not assured.
	  "net/netfilter/nf_conntrack_udp_timeout": TIMEOUT["udp"], "net/netfilter/nf_conntrack_udp_timeout_stream": TIMEOUT["udp"]}
# A flow leaves the table when it is silent for so long. Of its time among the connections it then has what is over this one left,
# and with nothing left it is gone at once.
IN_TABLE = {"net/netfilter/nf_flowtable_tcp_timeout": 600, "net/netfilter/nf_flowtable_udp_timeout": 200}


class Talk(NamedTuple):
	"""A connection with its two ends; `peer` is where the server sees a UDP client."""
	client: socket.socket
	server: socket.socket
	peer: tuple | None = None

	def client_speaks(self) -> None:
		self.client.send(b"client")
		self.server.recv(100)

	def server_speaks(self) -> None:
		if self.peer:
			self.server.sendto(b"server", self.peer)
		else:
			self.server.send(b"server")
		self.client.recv(100)

	def lives(self, until: float) -> bool:
		"""The server says something, then the client."""
		for end in (self.client, self.server):
			end.settimeout(max(0.01, until - time.monotonic()))
		try:
			self.server_speaks()
			self.client_speaks()
		except OSError:
			return False
		return True


class Talks:
	"""TCP connections and UDP flows of the laboratory, over both families and both translations."""

	def __init__(self, lab: Lab):
		self.lab, self.open = lab, []
		self.listener = self.socket("server", socket.AF_INET6, socket.SOCK_STREAM)
		self.listener.bind(("::", TCP_PORT))
		self.listener.listen(TCP)
		self.receiver = self.socket("server", socket.AF_INET6, socket.SOCK_DGRAM)
		self.receiver.bind(("::", UDP_PORT))
		self.tcp = [self.connect(TARGETS[n % len(TARGETS)]) for n in range(TCP)]
		self.udp = [self.stream(TARGETS[n % len(TARGETS)]) for n in range(UDP)]

	def socket(self, part: str, family: int, kind: int) -> socket.socket:
		with inside(self.lab.ns(part)):
			made = socket.socket(family, kind)
		if family == socket.AF_INET6:
			made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
		made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
		made.settimeout(pace.seconds(5))
		self.open.append(made)
		return made

	def client(self, target: Target, kind: int, port: int) -> socket.socket:
		made = self.socket("client", socket.AF_INET6 if ":" in target.address else socket.AF_INET, kind)
		made.connect((target.address, port))
		return made

	def connect(self, target: Target) -> Talk:
		client = self.client(target, socket.SOCK_STREAM, TCP_PORT)
		server, _ = self.listener.accept()
		server.settimeout(pace.seconds(5))
		self.open.append(server)
		return Talk(client, server)

	def stream(self, target: Target) -> Talk:
		client = self.client(target, socket.SOCK_DGRAM, UDP_PORT)
		client.send(b"first")
		return Talk(client, self.receiver, self.receiver.recvfrom(100)[1])

	def converse(self) -> None:
		for talk in self.tcp + self.udp:
			talk.server_speaks()
			talk.client_speaks()

	def alive(self) -> dict[str, int]:
		"""How many answer within the same few seconds."""
		until = time.monotonic() + pace.seconds(10)
		return {"tcp": sum(talk.lives(until) for talk in self.tcp), "udp": sum(talk.lives(until) for talk in self.udp)}

	def close(self) -> None:
		for each in self.open:
			each.close()


def need_flow_table(lab: Lab, fw: str) -> None:
	done = run("ip", "netns", "exec", lab.ns(fw), "nft", "-f", "-", stdin=RULES, check=False)
	if "Could not process rule" in done.stderr:
		pytest.skip("this kernel has no flow tables (nft_flow_offload, nf_flow_table_inet)")
	assert done.returncode == 0, done.stderr


@pytest.fixture
def talks(lab: Lab) -> Iterator[Callable[[], Talks]]:
	made: list[Talks] = []

	def begin() -> Talks:
		made.append(Talks(lab))
		return made[0]

	need_flow_table(lab, "fw1")
	lab.sysctl("fw1", IN_TABLE)
	for fw in ("fw1", "fw2"):
		lab.sysctl(fw, SYSCTL)
	yield begin
	for each in made:
		each.close()


def listing(lab: Lab, fw: str) -> list[str]:
	"""The kernel's entries of the talks, as conntrack(8) prints them."""
	text = "".join(run("ip", "netns", "exec", lab.ns(fw), "conntrack", "-L", "-f", family).stdout for family in ("ipv4", "ipv6"))
	return [line for line in text.splitlines() if re.search(f" dport=({TCP_PORT}|{UDP_PORT}) ", line)]


def tuples(flows: set[tables.Flow]) -> set[tables.Tuple]:
	return {flow.orig for flow in flows}


def offloaded(lab: Lab, fw: str = "fw1") -> int:
	return sum("[OFFLOAD]" in line for line in listing(lab, fw))


def wrong(lab: Lab, fw: str) -> list[str]:
	"""Committed entries without the state, or without the life that this kernel gives to such flows."""
	def right(proto: str, life: int, state: str, line: str) -> bool:
		return TIMEOUT[proto] / 2 < life <= TIMEOUT[proto] and \
			(proto == "udp" or (state == "ESTABLISHED" and "[ASSURED]" in line))

	return [line for line in listing(lab, fw) if not right(line.split()[0], int(line.split()[2]), line.split()[3], line)]


def take_over(lab: Lab, old: Node, new: Node, talk: Talks) -> tuple[dict[str, int], list[str]]:
	"""What lives afterwards, and what was committed wrong."""
	old.stop(signal.SIGKILL)		# it hears nothing of what the next line does to the flow table
	old.cut()
	new.ok("-c")
	bad = wrong(lab, new.fw)
	lab.addresses_to(new.fw)
	return talk.alive(), bad


def nothing(active: Node, replica: Node) -> None:
	pass


def reads_again(active: Node, replica: Node) -> None:
	"""The state that is known from events is not overwritten by a dump that shows none."""
	active.ok("-R")
	active.ok("-B")


def restarts(active: Node, replica: Node) -> None:
	"""All that the daemon knows comes from the dump at its start."""
	active.stop()
	active.start()


def is_killed(active: Node, replica: Node) -> None:
	active.stop(signal.SIGKILL)
	active.start()


def both_restart(active: Node, replica: Node) -> None:
	"""Nobody has heard an event of these flows."""
	replica.stop()
	restarts(active, replica)
	replica.start()


@pytest.mark.parametrize("before", [nothing, reads_again, restarts, is_killed, both_restart], ids=lambda f: f.__name__)
def test_offloaded_flows_survive(lab: Lab, pair: Callable, talks: Callable, before: Callable) -> None:
	one, two = pair()
	talk = talks()
	talk.converse()
	talk.converse()
	wait_until(lambda: offloaded(lab) == TCP + UDP, 10, "all flows are in the flow table")
	before(one, two)
	wait_until(lambda: tuples(two.external()) == tuples(one.kernel()), 30, "the replica knows the flows")
	pace.sleep(2)		# longer than either daemon keeps news back
	assert offloaded(lab) == TCP + UDP, "a test of flows in the flow table"
	assert take_over(lab, one, two, talk) == ({"tcp": TCP, "udp": UDP}, [])


@pytest.mark.parametrize("before", [nothing, restarts], ids=lambda f: f.__name__)
def test_offloaded_flows_are_injected(lab: Lab, pair: Callable, talks: Callable, before: Callable) -> None:
	"""The other node's kernel has them all the time: what is told of them leaves the state there alone."""
	one, two = pair(mode_options={"DisableExternalCache": "on"})
	talk = talks()
	talk.converse()
	talk.converse()
	wait_until(lambda: offloaded(lab) == TCP + UDP, 10, "all flows are in the flow table")
	before(one, two)
	wait_until(lambda: tuples(two.kernel()) == tuples(one.kernel()), 30, "the other kernel has the flows")
	pace.sleep(2)
	assert offloaded(lab) == TCP + UDP, "a test of flows in the flow table"
	assert take_over(lab, one, two, talk) == ({"tcp": TCP, "udp": UDP}, [])


@pytest.mark.parametrize("before", [nothing, restarts], ids=lambda f: f.__name__)
def test_there_and_back(lab: Lab, pair: Callable, talks: Callable, before: Callable) -> None:
	"""Both firewalls have a flow table. The dead one comes back with an empty table, and takes over again."""
	one, two = pair()
	talk = talks()
	need_flow_table(lab, "fw2")
	lab.sysctl("fw2", IN_TABLE)
	for old, new in ((one, two), (two, one)):
		for _ in range(2):
			talk.converse()
		wait_until(lambda: offloaded(lab, old.fw) == TCP + UDP, 10, f"all flows are in the flow table of {old.fw}")
		before(old, new)
		wait_until(lambda: tuples(new.external()) >= tuples(old.kernel()), 30, "the replica knows the flows")
		pace.sleep(2)
		assert take_over(lab, old, new, talk) == ({"tcp": TCP, "udp": UDP}, [])
		old.reboot()
		old.start()
		# by tuples: what is in the flow table shows no state, which the replica knows
		wait_met(new, old)
		wait_until(lambda: tuples(old.external()) >= tuples(new.kernel()), 30, "the one that came back knows the flows")


TEN_MINUTES, SPEAKS = 600, 20		# seconds; at least so often somebody says something


def test_ten_minutes_without_an_event(lab: Lab, pair: Callable, talks: Callable) -> None:
	"""What is in the flow table is not heard of for longer than its time in the table of connections."""
	one, two = pair()
	talk = talks()
	for _ in range(2):
		talk.converse()
	wait_until(lambda: offloaded(lab) == TCP + UDP, 10, "all flows are in the flow table")
	pace.sleep(2)
	was = {re.sub(r" \[active since \d+s\]", "", line) for line in two.ok("-e").splitlines()}
	end = time.monotonic() + TEN_MINUTES
	while time.monotonic() < end:
		talk.converse()
		time.sleep(SPEAKS)
	assert offloaded(lab) == TCP + UDP, "a test of flows in the flow table"
	assert {re.sub(r" \[active since \d+s\]", "", line) for line in two.ok("-e").splitlines()} == was and len(was) == TCP + UDP
	assert take_over(lab, one, two, talk) == ({"tcp": TCP, "udp": UDP}, [])

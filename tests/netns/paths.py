# SPDX-License-Identifier: GPL-2.0-or-later
"""The laboratory with both firewalls active: which way packets take is decided by routes, nobody owns virtual addresses.

    asymmetric:  client -> fw1 -> server -> fw2 -> client
    symmetric:   the server's first address through fw1, its second one through fw2, both directions the same way
    through:     everything through one, after the other has died

No translation: a firewall can only translate back what it has seen being translated, so answers would have to find it.
The rules are those of netlab.py and strict: what begins is a SYN, the rest is ESTABLISHED, and INVALID is dropped.
Connections may begin on either side.

A delay is made by traffic/relay.py on the cable of a host.
"""

from __future__ import annotations

import socket
import struct
import subprocess
from typing import Iterator, NamedTuple

import scenario
from netlab import ECHO_PORT, FW, HOST, PLAIN6, UDP_PORT, Lab, Target, inside, run

PLAIN4 = Target("v4", f"10.20.0.{HOST}")
SECOND4, SECOND6 = Target("v4-second", "10.20.0.3"), Target("v6-second", "fd00:20::3")
BACK4, BACK6 = Target("v4-back", f"10.10.0.{HOST}"), Target("v6-back", f"fd00:10::{HOST:x}")	# from the server
SECOND_TABLE = 103

RULES = f"""
flush chain inet fw towards_server
flush chain inet fw from_client
table inet fw {{
	chain forward {{
		iifname "wan0" tcp dport {ECHO_PORT} tcp flags & (fin|syn|rst|ack) == syn ct state new accept
		iifname "wan0" udp dport {UDP_PORT} ct state new accept
	}}
}}
"""


def gateway(net: int, fw: str, target: Target) -> str:
	return f"fd00:{net}::{FW[fw]:x}" if ":" in target.address else f"10.{net}.0.{FW[fw]}"


class PathLab(Lab):
	"""Starts asymmetric. The relays are processes in our namespaces, so they go with them."""

	def _build(self) -> None:
		self.relays: dict[str, subprocess.Popen] = {}
		super()._build()
		for fw in FW:
			run("ip", "netns", "exec", self.ns(fw), "nft", "-f", "-", stdin=RULES)
		for host in ("client", "server"):
			self.ip(host, "route del default", "route del ::/0")
		# What the server says from its second address has a route of its own. It is never chosen as the source.
		self.ip("server", f"addr add {SECOND4.address}/24 dev eth0", f"addr add {SECOND6.address}/64 dev eth0 nodad preferred_lft 0")
		for family, address, net in (("-4", SECOND4.address, "10.10.0.0/24"), ("-6", SECOND6.address, "fd00:10::/64")):
			run("ip", "-n", self.ns("server"), family, "rule", "add", "from", address, "to", net, "lookup", SECOND_TABLE)
		self.asymmetric()

	# --- paths ------------------------------------------------------------

	def paths(self, client: tuple[str, str], server: tuple[str, str]) -> None:
		"""Through which firewall each side reaches the other: flows of the server's first address, of its second one."""
		lines = []
		for fw, *targets in ((client[0], PLAIN4, PLAIN6), (client[1], SECOND4, SECOND6)):
			lines += [f"route replace {t.address} via {gateway(10, fw, t)}" for t in targets]
		self.ip("client", *lines)
		self.ip("server", *[f"route replace {net} via {gateway(20, fw, t)} table {table}"
				    for fw, table in ((server[0], "main"), (server[1], SECOND_TABLE))
				    for net, t in (("10.10.0.0/24", PLAIN4), ("fd00:10::/64", PLAIN6))])

	def asymmetric(self) -> None:
		self.paths(("fw1", "fw1"), ("fw2", "fw2"))

	def symmetric(self) -> None:
		self.paths(("fw1", "fw2"), ("fw1", "fw2"))

	def through(self, fw: str) -> None:
		self.paths((fw, fw), (fw, fw))

	# --- delay ------------------------------------------------------------

	def delay(self, host: str, ms: float) -> None:
		"""Each packet from or to `host` is held for so long; 0 takes the relay away."""
		bridge = "lan" if host == "client" else "wan"
		port, near, far = f"{host}-{bridge}", f"{host}-a", f"{host}-b"
		old = self.relays.pop(host, None)
		if old:
			old.kill()
			old.wait()
			self.ip("lan", f"link del {near}", f"link set {port} master {bridge}")
		if not ms:
			return
		self.ip("lan", f"link set {port} nomaster", f"link add {near} type veth peer name {far}",
			f"link set {near} master {bridge}", f"link set {near} up", f"link set {far} up")
		relay = self.spawn("lan", scenario.PYTHON, "-B", scenario.TRAFFIC / "relay.py", port, far, ms,
				   log=self.scratch / "relay.log", stdout=subprocess.PIPE)
		assert relay.stdout.readline() == "ready\n", (self.scratch / "relay.log").read_text()
		self.relays[host] = relay


# --- packets ------------------------------------------------------------------

FIN, SYN, RST, ACK = 1, 2, 4, 16
SO_RCVBUFFORCE, SO_TIMESTAMPNS = 33, 35
PACKET_OUTGOING = 4


class Packet(NamedTuple):
	"""A TCP packet of IPv4 on the wire of a host."""
	time: float
	out: bool		# sent by the host
	port: int		# the client's
	flags: int
	length: int		# of the payload
	seq: int


class Sniffer:
	"""What passes the network card of a host; kept by the kernel until packets() reads it."""

	def __init__(self, lab: Lab, host: str, server_port: int = ECHO_PORT):
		self.server_port = server_port
		with inside(lab.ns(host)):
			self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
		self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 256 << 20)
		self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
		self.socket.bind(("eth0", 3))	# ETH_P_ALL: no other sees what goes out
		self.socket.setblocking(False)

	def packets(self) -> Iterator[Packet]:
		while True:
			try:
				data, control, _, source = self.socket.recvmsg(256, 64)
			except BlockingIOError:
				break
			at = (data[0] & 15) * 4
			if source[1] != 0x0800 or data[9] != socket.IPPROTO_TCP:
				continue
			sport, dport, seq, _, offset, flags = struct.unpack_from("!HHIIBB", data, at)
			if self.server_port not in (sport, dport):
				continue
			seconds, ns = struct.unpack("=qq", control[0][2])
			length = struct.unpack_from("!H", data, 2)[0] - at - (offset >> 4) * 4
			yield Packet(seconds + ns / 1e9, source[2] == PACKET_OUTGOING,
				     dport if sport == self.server_port else sport, flags, length, seq)
		dropped = struct.unpack("=II", self.socket.getsockopt(263, 6, 8))[1]	# SOL_PACKET, PACKET_STATISTICS
		self.socket.close()
		if dropped:
			raise RuntimeError(f"the sniffer missed {dropped} packets: nothing can be counted")


# --- measuring ----------------------------------------------------------------

class Count(NamedTuple):
	"""What became of handshakes, counted from the packets on the two hosts' cards."""
	handshakes: int
	again: int		# needed their SYN or SYN-ACK more than once
	request_again: int	# the first line had to be sent again
	synack_lost: int	# SYN-ACKs that the server sent and the client never saw: fw2 dropped them
	client_lost: int	# packets of the client without SYN that the server never saw: fw1 dropped them
	connect: dict[str, float]	# ms: median, p99, worst
	answer: dict[str, float]


def count_packets(client: list[Packet], server: list[Packet]) -> tuple[int, int, int, int]:
	def times(packets: list[Packet], out: bool, want: int) -> dict[int, int]:
		found: dict[int, int] = {}
		for p in packets:
			if p.out == out and p.flags & (SYN | ACK) == want:
				found[p.port] = found.get(p.port, 0) + 1
		return found

	syn, synack = times(client, True, SYN), times(server, True, SYN | ACK)
	again = {port for found in (syn, synack) for port, n in found.items() if n > 1}
	first: dict[int, int] = {}	# the sequence number of the request, by port
	requests: dict[int, int] = {}
	for p in client:
		if p.out and p.length > 0 and p.seq == first.setdefault(p.port, p.seq):
			requests[p.port] = requests.get(p.port, 0) + 1
	lost = [sum(times(sent, True, flags).values()) - sum(times(seen, False, flags).values())
		for sent, seen, flags in ((server, client, SYN | ACK), (client, server, ACK))]
	return len(again), sum(n > 1 for n in requests.values()), *lost


def handshakes(lab: Lab, count: int, rate: float, address: str) -> Count:
	"""So many connections one after the other; the server's programs run already."""
	program = scenario.Program(lab, "client", "handshakes.py", "--count", count, "--rate", rate, address, ECHO_PORT).ready()
	sniffers = [Sniffer(lab, host) for host in ("client", "server")]
	said = program.ask("run", count / rate + 70)
	program.end()
	client, server = [list(s.packets()) for s in sniffers]
	assert said["done"] == count, said
	return Count(count, *count_packets(client, server), said["connect"], said["answer"])

# SPDX-License-Identifier: GPL-2.0-or-later
"""What survives a take-over: each kind of flow, made with real packets, attribute by attribute.

The result is the table of doc/compatibility.md, word for word. UPDATE=1 writes it there.
"""

from __future__ import annotations

import os
import re
import socket
import struct
from pathlib import Path
from typing import Any, Callable, Iterator, NamedTuple

import pytest

import ctnetlink
import pace
from conftest import PAIRS, need
from netlab import DNAT4, Lab, inside, run, wait_until
from node import TOP, Node

DOC = TOP / "doc/compatibility.md"
BEGIN, END = "<!-- BEGIN what survives -->\n", "<!-- END what survives -->\n"

CLIENT, SERVER = "10.10.0.2", "10.20.0.2"
CLIENT6, SERVER6 = "fd00:10::2", "fd00:20::2"
FTP_ADDRESS = "10.20.0.111"		# longer than the client's own, so that the rewritten command is too
LITE, SCTP, GRE, DCCP, UNKNOWN = 136, 132, 47, 33, 253

RULES = """
table inet kinds {
	ct helper ftp { type "ftp" protocol tcp; l3proto ip; }
	chain zones {
		type filter hook prerouting priority raw;
		udp dport 7202 ct zone set 5
		udp sport 7202 ct zone set 5
		udp dport 7203 ct original zone set 6
		tcp dport 7320 tcp flags & (fin|syn|rst|ack) == syn notrack
	}
	chain kinds {
		type filter hook prerouting priority filter;
		udp dport 7201 ct label set 5
		tcp dport 21 ct helper set "ftp"
	}
	chain from_client {
		type nat hook postrouting priority srcnat - 10;
		oifname "wan0" tcp dport 21 snat ip to %s
		oifname "wan0" ip saddr 10.10.0.0/24 udp dport 7204 snat ip to 10.20.0.1
		oifname "wan0" ip6 saddr fd00:10::/64 udp dport 7205 snat ip6 to fd00:20::1
		oifname "wan0" ip6 saddr fd00:10::/64 udp dport 7206 snat ip6 to [fd00:20::1]:5000-6000
	}
	chain towards_server {
		type nat hook prerouting priority dstnat - 10;
		iifname "lan0" ip daddr 10.10.0.1 udp dport 7207 dnat ip to 10.20.0.2:7208
		iifname "lan0" ip6 daddr fd00:10::1 udp dport 7209 dnat ip6 to [fd00:20::2]:7210
	}
}
insert rule inet fw forward meta l4proto { 47, 132, 136, 33, 253 } accept
insert rule inet fw forward tcp dport 7320 ct state invalid,untracked synproxy mss 1460 wscale 7 timestamp sack-perm
""" % FTP_ADDRESS

# A checksum that a virtual cable leaves to the hardware is wrong for UDP-Lite.
SYSCTL = {"net/netfilter/nf_conntrack_checksum": 0} | {f"net/netfilter/nf_conntrack_{name}": 120
	    for name in ("tcp_timeout_time_wait", "tcp_timeout_close", "tcp_timeout_fin_wait", "tcp_timeout_last_ack",
			 "tcp_timeout_close_wait", "tcp_timeout_syn_recv", "tcp_timeout_syn_sent", "udp_timeout",
			 "icmp_timeout", "icmpv6_timeout", "generic_timeout", "gre_timeout")}


class Kind(NamedTuple):
	name: str
	proto: int
	dst: str
	port: int | None = None		# in the original direction
	state: int | None = None	# that it has to be in


KINDS = [
	*[Kind(f"TCP, {name}", 6, SERVER, port, state) for name, port, state in
	  (("SYN_SENT", 7301, 1), ("SYN_RECV", 7302, 2), ("ESTABLISHED", 7303, 3), ("FIN_WAIT", 7304, 4),
	   ("CLOSE_WAIT", 7305, 5), ("LAST_ACK", 7306, 6), ("TIME_WAIT", 7307, 7), ("CLOSE", 7308, 8))],
	Kind("TCP through SYNPROXY", 6, SERVER, 7320),
	Kind("FTP, port command rewritten", 6, SERVER, 21),
	Kind("FTP data, with its master", 6, FTP_ADDRESS),
	Kind("UDP, one direction", 17, SERVER, 7200), Kind("UDP, marked", 17, SERVER, 7003),
	Kind("UDP, labelled", 17, SERVER, 7201), Kind("UDP, zone", 17, SERVER, 7202),
	Kind("UDP, zone of one direction", 17, SERVER, 7203), Kind("UDP, source NAT", 17, SERVER, 7204),
	Kind("UDP, destination NAT with port", 17, DNAT4.address, 7207), Kind("UDP, IPv6 source NAT", 17, SERVER6, 7205),
	Kind("UDP, IPv6 source NAT with port", 17, SERVER6, 7206),
	Kind("UDP, IPv6 destination NAT with port", 17, "fd00:10::1", 7209),
	Kind("ICMP echo", 1, SERVER), Kind("ICMPv6 echo", 58, SERVER6), Kind("SCTP", SCTP, SERVER, 7401),
	Kind("GRE, with a key", GRE, SERVER), Kind("UDP-Lite", LITE, SERVER, 7501), Kind("DCCP", DCCP, SERVER, 7601),
	Kind("protocol 253", UNKNOWN, SERVER),
]
ATTRIBUTES = ("original", "reply", "replied", "assured", "state", "mark", "zone", "labels", "helper", "master", "adjustment",
	      "synproxy", "tags")


# --- making them -------------------------------------------------------------------------


class Maker:
	"""Sockets of both ends, kept open until the tables are compared."""

	def __init__(self, lab: Lab):
		self.lab, self.open = lab, []

	def socket(self, part: str, *what: int) -> socket.socket:
		with inside(self.lab.ns(part)):
			s = socket.socket(*what)
		s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
		s.settimeout(pace.seconds(5))
		self.open.append(s)
		return s

	def drop(self, part: str, rule: str) -> None:
		run("ip", "netns", "exec", self.lab.ns(part), "nft", "-f", "-", stdin=f"""
table inet block {{
	chain out {{
		type filter hook output priority 0;
		{rule} drop
	}}
}}
""")

	def udp(self, target: str, port: int, bound: int = 0, answer: bool = True, proto: int = 0) -> None:
		family = socket.AF_INET6 if ":" in target else socket.AF_INET
		server, client = [self.socket(part, family, socket.SOCK_DGRAM, proto) for part in ("server", "client")]
		server.bind(("", bound or port))
		client.connect((target, port))
		client.send(b"x")
		peer = server.recvfrom(100)[1]
		if answer:
			server.sendto(b"y", peer)
			client.recv(100)

	def tcp(self, port: int) -> tuple[socket.socket, socket.socket]:
		listener, client = [self.socket(part, socket.AF_INET, socket.SOCK_STREAM) for part in ("server", "client")]
		listener.bind(("", port))
		listener.listen()
		client.connect((SERVER, port))
		client.send(b"\n")
		server = listener.accept()[0]
		server.settimeout(pace.seconds(5))
		server.recv(1)
		self.open.append(server)
		return client, server

	def tcp_states(self) -> None:
		for port in (7301, 7302):
			self.drop("server" if port == 7301 else "client",
				  "tcp sport 7301" if port == 7301 else "tcp dport 7302 tcp flags & (syn|ack) == ack")
			listener, client = [self.socket(part, socket.AF_INET, socket.SOCK_STREAM) for part in ("server", "client")]
			listener.bind(("", port))
			listener.listen()
			client.setblocking(False)
			client.connect_ex((SERVER, port))
		self.tcp(7303)
		pairs = {port: self.tcp(port) for port in range(7304, 7309)}
		self.drop("server", "tcp sport 7304")		# no acknowledgement of the FIN
		for port in (7304, 7305, 7306, 7307):
			pairs[port][0].shutdown(socket.SHUT_WR)
			if port == 7304:
				self.drop("client", "tcp dport 7304")	# nor a FIN again: it would be LAST_ACK
		for port in (7306, 7307):
			pairs[port][1].recv(1)
		self.drop("client", "tcp dport 7306")		# nor of the second one
		for port in (7306, 7307):
			pairs[port][1].shutdown(socket.SHUT_WR)
		pairs[7308][0].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
		pairs[7308][0].close()

	def ftp(self) -> None:
		client, server = self.tcp(21)
		data = self.socket("client", socket.AF_INET, socket.SOCK_STREAM)
		data.bind((CLIENT, 40001))
		data.listen()
		client.send(b"PORT 10,10,0,2,156,65\r\n")
		said = server.recv(100)
		host = [int(n) for n in re.findall(rb"\d+", said)]
		assert ".".join(map(str, host[:4])) == FTP_ADDRESS, f"the helper has not rewritten the command: {said!r}"
		back = self.socket("server", socket.AF_INET, socket.SOCK_STREAM)
		back.connect((FTP_ADDRESS, host[4] * 256 + host[5]))
		self.open.append(data.accept()[0])
		server.send(b"200 ok\r\n")
		client.recv(100)

	def raw(self, proto: int, packets: list[tuple[str, bytes]]) -> None:
		"""Packets by turns, without anybody's protocol stack: ('client' or 'server', contents)."""
		ends = {part: self.socket(part, socket.AF_INET, socket.SOCK_RAW, proto) for part in ("client", "server")}
		peers = {"client": (SERVER, 0), "server": (CLIENT, 0)}
		for part, packet in packets:
			ends[part].sendto(packet, peers[part])
			ends["server" if part == "client" else "client"].recv(2000)

	def all(self) -> None:
		self.tcp_states()
		self.tcp(7320)
		self.ftp()
		self.udp(SERVER, 7200, answer=False)
		for port in (7003, 7201, 7202, 7203, 7204):
			self.udp(SERVER, port)
		self.udp(DNAT4.address, 7207, 7208)
		for target, port, bound in ((SERVER6, 7205, 0), (SERVER6, 7206, 0), ("fd00:10::1", 7209, 7210)):
			self.udp(target, port, bound)
		self.udp(SERVER, 7501, proto=LITE)
		for target in (SERVER, SERVER6):
			run("ip", "netns", "exec", self.lab.ns("client"), "ping", "-c", 1, target)
		self.raw(SCTP, sctp_handshake())
		gre = struct.pack("!HHI", 0x2000, 0x0800, 77) + b"\x45" + b"\0" * 19
		self.raw(GRE, [("client", gre), ("server", gre)])
		self.raw(DCCP, dccp_handshake())
		self.raw(UNKNOWN, [("client", b"x" * 20), ("server", b"y" * 20)])

	def close(self) -> None:
		for s in self.open:
			s.close()


def crc32c(data: bytes) -> int:
	crc = 0xffffffff
	for byte in data:
		crc ^= byte
		for _ in range(8):
			crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
	return crc ^ 0xffffffff


def sctp_handshake() -> list[tuple[str, bytes]]:
	def packet(sport: int, dport: int, tag: int, kind: int, body: bytes) -> bytes:
		head = struct.pack("!HHI", sport, dport, tag)
		chunk = struct.pack("!BBH", kind, 0, 4 + len(body)) + body
		return head + struct.pack("<I", crc32c(head + b"\0" * 4 + chunk)) + chunk

	def init(tag: int) -> bytes:
		return struct.pack("!IIHHI", tag, 65536, 1, 1, 1)

	return [("client", packet(5001, 7401, 0, 1, init(0x11111111))),
		("server", packet(7401, 5001, 0x11111111, 2, init(0x22222222))),
		("client", packet(5001, 7401, 0x22222222, 10, b"cook")),
		("server", packet(7401, 5001, 0x11111111, 11, b""))]


def dccp_handshake() -> list[tuple[str, bytes]]:
	"""Request, Response, Ack of the client, and one of the server's: what a kernel that knows the protocol calls OPEN.

	RFC 4340: the generic header with long sequence numbers, then what is acknowledged, then the service.
	"""
	def packet(sport: int, dport: int, kind: int, number: int, rest: bytes) -> bytes:
		return struct.pack("!HHBBHBBHI", sport, dport, 4 + len(rest) // 4, 0, 0, kind << 1 | 1, 0, 0, number) + rest

	def ack(number: int) -> bytes:
		return struct.pack("!HHI", 0, 0, number)

	service = struct.pack("!I", 42)
	return [("client", packet(5000, 7601, 0, 1000, service)),
		("server", packet(7601, 5000, 1, 2000, ack(1000) + service)),
		("client", packet(5000, 7601, 3, 1001, ack(2000))),
		("server", packet(7601, 5000, 3, 2001, ack(1001)))]


# --- comparing --------------------------------------------------------------------------------


def find(kind: Kind, entries: list[dict[str, Any]], any_port: bool = False) -> dict[str, Any] | None:
	for e in entries:
		o = e["original"]
		if (o.proto, o.dst) == (kind.proto, kind.dst) and \
		   (any_port or kind.port is None or o.ports[1:2] == (kind.port,)):
			return e
	return None


def verdict(name: str, old: dict[str, Any], new: dict[str, Any]) -> str:
	if name not in old:
		return "" if name not in new else "added"
	if name not in new:
		return "no"
	return "yes" if old[name] == new[name] else "changed"


def one_pair(active: str, replica: str) -> dict[str, dict[str, str] | str]:
	"""Per kind: what became of each attribute, or why there is no such flow."""
	with Lab() as lab:
		lab.addresses_to("fw1")
		for fw in ("fw1", "fw2"):
			run("ip", "netns", "exec", lab.ns(fw), "nft", "-f", "-", stdin=RULES)
			lab.sysctl(fw, SYSCTL)
		lab.ip("fw1", f"addr add {FTP_ADDRESS}/32 dev wan0")
		nodes = Node(lab, "fw1", active), Node(lab, "fw2", replica)
		maker = Maker(lab)
		try:
			for node in nodes:
				node.start()
			pace.sleep(2)		# the tables that nodes send each other when they meet are through
			maker.all()
			pace.sleep(1)		# retransmissions and what 1.4.7 keeps back
			nodes[0].ok("-R")	# what no event tells: FTP's sequence adjustment
			nodes[0].ok("-B")
			before = ctnetlink.table(lab, "fw1")
			seen: list[int] = []

			def settled() -> bool:
				seen.append(len(nodes[1].ok("-e").splitlines()))
				return len(seen) > 3 and len(set(seen[-3:])) == 1

			wait_until(settled, 30, "the external cache stands still", 1)
			nodes[1].ok("-c")
			after = ctnetlink.table(lab, "fw2")
			return {kind.name: compare(kind, before, after) for kind in KINDS}
		except BaseException as e:
			raise AssertionError(f"{e!r}\n{nodes[0].describe()}\n{nodes[1].describe()}") from e
		finally:
			maker.close()
			for node in nodes:
				node.stop()


def compare(kind: Kind, before: list[dict[str, Any]], after: list[dict[str, Any]]) -> dict[str, str] | str:
	old = find(kind, before)
	if old is None:
		return "this kernel does not track it by its ports" if find(kind, before, True) else "not in the kernel's table"
	if kind.state is not None and old.get("state") != kind.state:
		return f"its state is {old.get('state')} and not {kind.state}"
	new = find(kind, after) or find(kind, after, kind.proto == LITE)
	return {name: verdict(name, old, new or {}) for name in ATTRIBUTES}


def render(results: list[dict[str, dict[str, str] | str]]) -> str:
	"""One cell for all three pairs where they agree, else one word each."""
	out = [f"| kind | {' | '.join(ATTRIBUTES)} |", "|---" * (len(ATTRIBUTES) + 1) + "|"]
	for kind in KINDS:
		cells = [r[kind.name] for r in results]
		if any(isinstance(c, str) for c in cells):
			continue
		words = [[c[name] or "-" for c in cells] for name in ATTRIBUTES]
		row = ["" if set(w) == {"-"} else w[0] if len(set(w)) == 1 else ", ".join(w) for w in words]
		out.append(f"| {kind.name} | {' | '.join(row)} |")
	return "\n".join(out) + "\n"


def test_what_survives(capsys: pytest.CaptureFixture) -> None:
	need(*{make for pair in PAIRS for make in pair})
	results = [one_pair(*pair) for pair in PAIRS]
	missing = {kind.name: r[kind.name] for r in results for kind in KINDS if isinstance(r[kind.name], str)}
	with capsys.disabled():
		for name, why in missing.items():
			print(f"\nno flow of the kind '{name}': {why}", end="")
	have = render(results)
	text = DOC.read_text()
	head, rest = text.split(BEGIN)
	table, tail = rest.split(END)
	if os.environ.get("UPDATE"):
		DOC.write_text(head + BEGIN + have + END + tail)
		return
	# A kind that this kernel cannot make may stand in the page.
	want = "".join(line for line in table.splitlines(True) if line.split(" | ")[0][2:] not in missing)
	assert have == want, f"doc/compatibility.md says otherwise (UPDATE=1 writes this table):\n{have}"


# --- flows that are one on the wire ---------------------------------------------------------------


@pytest.fixture
def maker(lab: Lab) -> Iterator[Maker]:
	run("ip", "netns", "exec", lab.ns("fw1"), "nft", "-f", "-", stdin=RULES)
	lab.sysctl("fw1", SYSCTL)
	made = Maker(lab)
	yield made
	made.close()


def counted(node: Node) -> tuple[int, int]:
	text = node.ok("-s", "network")
	return tuple(int(n) for n in re.findall(r"Indistinct flows (?:now|so far):\s*(\d+)", text)) or (0, 0)


def lites(node: Node) -> int:
	return node.ok("-e").count("udplite")


@pytest.mark.parametrize("replica", ["ours", "debian"])
def test_flows_that_are_one_on_the_wire(pair: Callable, maker: Maker, replica: str) -> None:
	"""The first is replicated while it is alone; two are not; the one that is left is again. Nothing is removed."""
	one, two = pair("ours", replica)
	maker.udp(SERVER, 7501, proto=LITE)
	wait_until(lambda: lites(two) == 1, 10, "one is sent")
	assert counted(one) == (0, 0)
	maker.udp(SERVER, 7502, proto=LITE)
	wait_until(lambda: counted(one) == (2, 2), 10, "both are counted")
	assert "differ only in what the sync protocol cannot say" in one.log.read_text()
	assert lites(two) == 1		# what the peer has is not taken back: the flow lives
	if replica == "ours":
		two.ok("-n")
		wait_until(lambda: lites(two) == 0, 20, "a resync shows neither")
	run("ip", "netns", "exec", maker.lab.ns("fw1"), "conntrack", "-D", "-p", "udplite", "--dport", "7501")
	wait_until(lambda: counted(one) == (0, 2) and lites(two) == 1, 20, "the other one is sent")
	run("ip", "netns", "exec", maker.lab.ns("fw1"), "conntrack", "-D", "-p", "udplite", "--dport", "7502")
	wait_until(lambda: lites(two) == 0, 20, "and its end")

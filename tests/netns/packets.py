# SPDX-License-Identifier: GPL-2.0-or-later
"""A laboratory of hand-made packets: no host's protocol stack answers on its own, every packet is one that a test has sent.

    the test (client) --- lan0 fw2 wan0 --- the test (server)
                               : sync :
                              fw1

fw2 forwards and translates as a strict firewall: a SYN begins a connection, nothing else does, and what is INVALID is dropped.
fw1 forwards nothing: its kernel has what a test writes there, which is what its daemon tells fw2.

A packet carries a number (the identification of IPv4, the flow label of IPv6), which no firewall changes. So "has it come
through, and how was it translated?" has an exact answer for each packet.

    server's address the client uses   what the firewall does
    .1.2                               nothing
    .1.3                               source NAT, the port stays
    .1.4                               source NAT, a port of the firewall's choice
    .1.5                               destination NAT, to .1.6 (port 8080)
"""

from __future__ import annotations

import itertools
import select
import socket
import struct
import time
from dataclasses import dataclass, field, replace
from typing import Iterator, NamedTuple

import pace
from ctnetlink import Side
from netlab import FW, FW_SYSCTL, HOST, Lab, inside, load_modules, run

TCP, UDP, SCTP = socket.IPPROTO_TCP, socket.IPPROTO_UDP, 132
ICMP = {4: socket.IPPROTO_ICMP, 6: socket.IPPROTO_ICMPV6}
ECHO = {4: (8, 0), 6: (128, 129)}
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16

NET = {4: "10.{}.1.{}", 6: "fd00:{}:0:1::{}"}
NAT = {4: "10.20.0.1", 6: "fd00:20::1"}			# what source NAT makes of a client
SERVERS = {"plain": 2, "snat": 3, "random": 4, "dnat": 5}
DNAT_HOST, OTHER_HOST, DNAT_PORT = 6, 7, 8080
MARKED_PORT, ENTRY_MARK = 81, 5				# connections to this port get a mark here
MACS = {"lan0": 1, "wan0": 2, "client0": 0x0A, "server0": 0x0B}
DEVICES = {"c": "client0", "s": "server0"}

RULES = """
flush chain inet fw forward
flush chain inet fw towards_server
flush chain inet fw from_client
table inet fw {
	chain forward {
		ct state invalid counter drop
		meta l4proto tcp ct original proto-dst 81 ct mark set 5
		ct state established,related accept
		meta l4proto tcp tcp flags & (fin|syn|rst|ack) == syn ct state new accept
		iifname "lan0" meta l4proto { udp, sctp, icmp, ipv6-icmp } ct state new accept
		ct mark set 0
		jump loose
	}
	chain loose {
	}
	chain towards_server {
		iifname "lan0" ip daddr 10.20.1.5 meta l4proto { tcp, udp, sctp } dnat ip to 10.20.1.6:8080
		iifname "lan0" ip daddr 10.20.1.5 dnat ip to 10.20.1.6
		iifname "lan0" ip6 daddr fd00:20:0:1::5 meta l4proto { tcp, udp, sctp } dnat ip6 to [fd00:20:0:1::6]:8080
		iifname "lan0" ip6 daddr fd00:20:0:1::5 dnat ip6 to fd00:20:0:1::6
	}
	chain from_client {
		oifname "wan0" ip daddr 10.20.1.3 snat ip to 10.20.0.1
		oifname "wan0" ip daddr 10.20.1.4 meta l4proto { tcp, udp } snat ip to 10.20.0.1:40000-49999 fully-random
		oifname "wan0" ip6 daddr fd00:20:0:1::3 snat ip6 to fd00:20::1
		oifname "wan0" ip6 daddr fd00:20:0:1::4 meta l4proto { tcp, udp } snat ip6 to [fd00:20::1]:40000-49999 fully-random
	}
}
"""

# What has ended stays long enough to be looked at, and every timeout is longer than a test.
LIVES = {f"net/netfilter/nf_conntrack_{name}": seconds for name, seconds in {
	"tcp_timeout_time_wait": 300, "tcp_timeout_close": 300, "tcp_timeout_fin_wait": 300, "tcp_timeout_last_ack": 300,
	"tcp_timeout_close_wait": 300, "tcp_timeout_syn_sent": 300, "tcp_timeout_syn_recv": 300, "udp_timeout": 300,
	"udp_timeout_stream": 360, "icmp_timeout": 300, "icmpv6_timeout": 300}.items()}
SCTP_LIVES = {f"net/netfilter/nf_conntrack_sctp_timeout_{name}": 300 for name in ("closed", "cookie_wait", "cookie_echoed")}
LOOSE = "net/netfilter/nf_conntrack_tcp_loose"


def mac(device: str) -> bytes:
	return bytes([2, 0, 0, 0, 0, MACS[device]])


class PacketLab(Lab):
	"""The two firewalls; all that is on fw2's cables is in the namespace `lan`, without an address."""

	def _build(self) -> None:
		load_modules()
		for part in ("lan", *FW):
			run("ip", "netns", "add", self.ns(part))
			self.ip(part, "link set lo up")
		self.ip("fw1", f"link add sync0 type veth peer name sync0 netns {self.ns('fw2')}")
		for device, far in (("lan0", "client0"), ("wan0", "server0")):
			self.ip("fw2", f"link add {device} type veth peer name {far} netns {self.ns('lan')}")
			self.sysctl("lan", {f"net/ipv6/conf/{far}/disable_ipv6": 1})
			self.ip("fw2", f"link set {device} address {mac(device).hex(':')}")
			self.ip("lan", f"link set {far} address {mac(far).hex(':')}", f"link set {far} arp off up")
		for fw in FW:
			devices = {"sync0": 30} if fw == "fw1" else {"sync0": 30, "lan0": 10, "wan0": 20}
			self.sysctl(fw, {**FW_SYSCTL, **LIVES, "net/netfilter/nf_conntrack_checksum": 0,
					 **{f"net/ipv6/conf/{dev}/accept_dad": 0 for dev in ("all", *devices)}})
			run("ip", "netns", "exec", self.ns(fw), "nft", "-f", "-", stdin=self.rules())
			for dev, net in devices.items():
				self.ip(fw, f"link set {dev} up", f"addr add 10.{net}.0.{FW[fw]}/24 dev {dev}",
					f"addr add fd00:{net}::{FW[fw]:x}/64 dev {dev} nodad")
		for dev, far, net in (("lan0", "client0", 10), ("wan0", "server0", 20)):
			for host, hosts in ((f"10.{net}.0.{HOST}", f"10.{net}.1.0/24"), (f"fd00:{net}::{HOST}", f"fd00:{net}:0:1::/64")):
				self.ip("fw2", f"neigh replace {host} lladdr {mac(far).hex(':')} dev {dev} nud permanent",
					f"route add {hosts} via {host}")
		self.has_sctp = True
		try:
			self.sysctl("fw2", SCTP_LIVES)
		except FileNotFoundError:
			self.has_sctp = False
		self.wire = Wire(self)

	@staticmethod
	def rules() -> str:
		from netlab import RULES as usual
		return usual + RULES

	def loose(self, on: bool) -> None:
		"""Whether fw2 takes up connections in mid-stream, from either side."""
		self.sysctl("fw2", {LOOSE: int(on)})
		run("ip", "netns", "exec", self.ns("fw2"), "nft", "-f", "-",
		    stdin="flush chain inet fw loose\n" + ("add rule inet fw loose ct state new accept\n" if on else ""))

	def close(self) -> None:
		if not self.closed and hasattr(self, "wire"):
			self.wire.close()
		super().close()


# --- packets --------------------------------------------------------------------


def checksum(data: bytes) -> int:
	total = sum(struct.unpack(f"!{len(data) // 2}H", data))
	while total >> 16:
		total = (total & 0xffff) + (total >> 16)
	return ~total & 0xffff


def ip_packet(src: str, dst: str, proto: int, payload: bytes, number: int) -> bytes:
	if ":" in src:
		return (struct.pack("!IHBB", 6 << 28 | number, len(payload), proto, 64) + socket.inet_pton(socket.AF_INET6, src)
			+ socket.inet_pton(socket.AF_INET6, dst) + payload)
	head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), number, 0, 64, proto, 0) + socket.inet_aton(src) + socket.inet_aton(dst)
	return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


class Arrived(NamedTuple):
	"""A packet that came out of the firewall. `ports` of an echo: its id, twice."""
	src: str
	dst: str
	proto: int
	ports: tuple[int, int]
	flags: int		# TCP


def parse(frame: bytes) -> tuple[int, Arrived] | None:
	kind, p = frame[12:14], frame[14:]
	if kind == b"\x08\x00":
		number, proto, at = struct.unpack_from("!H", p, 4)[0], p[9], 20
		src, dst = socket.inet_ntoa(p[12:16]), socket.inet_ntoa(p[16:20])
	elif kind == b"\x86\xdd":
		number, proto, at = struct.unpack_from("!I", p)[0] & 0xfffff, p[6], 40
		src, dst = socket.inet_ntop(socket.AF_INET6, p[8:24]), socket.inet_ntop(socket.AF_INET6, p[24:40])
	else:
		return None
	if proto in ICMP.values():
		ports = struct.unpack_from("!H", p, at + 4) * 2
	else:
		ports = struct.unpack_from("!HH", p, at)
	return number, Arrived(src, dst, proto, ports, p[at + 13] if proto == TCP else 0)


class Wire:
	"""Both far ends of fw2's cables."""

	def __init__(self, lab: Lab):
		self.sockets: dict[str, socket.socket] = {}
		self.numbers = itertools.cycle(range(1, 65536))
		self.seen: dict[int, tuple[str, Arrived]] = {}
		for side, device in DEVICES.items():
			with inside(lab.ns("lan")):
				s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
			s.setsockopt(socket.SOL_SOCKET, 33, 32 << 20)		# SO_RCVBUFFORCE
			s.setsockopt(263, 23, 1)				# PACKET_IGNORE_OUTGOING
			with inside(lab.ns("lan")):
				s.bind((device, 3))
			s.setblocking(False)
			self.sockets[side] = s

	def close(self) -> None:
		for s in self.sockets.values():
			s.close()

	def send(self, side: str, src: str, dst: str, proto: int, payload: bytes) -> int:
		"""From the client ("c") or from the server ("s"); its number."""
		number = next(self.numbers)
		self.seen.pop(number, None)
		near = "lan0" if side == "c" else "wan0"
		kind = b"\x86\xdd" if ":" in src else b"\x08\x00"
		self.sockets[side].send(mac(near) + mac(DEVICES[side]) + kind + ip_packet(src, dst, proto, payload, number))
		return number

	def _read(self, timeout: float) -> bool:
		ready = select.select(list(self.sockets.values()), [], [], timeout)[0]
		for side, s in self.sockets.items():
			while s in ready:
				try:
					got = parse(s.recv(2048))
				except BlockingIOError:
					break
				if got:
					self.seen[got[0]] = (side, got[1])
		return bool(ready)

	def wait(self, number: int, end: float) -> Arrived | None:
		"""What became of a packet on the other side; None if it has not come when the clock says `end`."""
		while number not in self.seen:
			left = end - time.monotonic()
			if left <= 0:
				return None
			self._read(left)
		return self.seen[number][1]

	def settle(self, quiet: float = 0.5) -> None:
		"""Until nothing more comes."""
		while self._read(pace.seconds(quiet)):
			pass

	def arrived(self, number: int) -> Arrived | None:
		return self.seen[number][1] if number in self.seen else None


# --- flows ----------------------------------------------------------------------


class View(NamedTuple):
	"""A flow as one side of the firewall sees it: client's address and port, server's address and port."""
	client: str
	cport: int
	server: str
	sport: int


@dataclass
class Talk:
	"""One connection: how each side sees it (the server's side is learnt from the first packet), and how far it is."""
	wire: Wire
	proto: int
	lan: View
	wan: View | None = None
	cseq: int = 0
	sseq: int = 0
	tags: tuple[int, int] = (0, 0)			# SCTP: which client and server put into what they send
	sent: list[tuple[str, int]] = field(default_factory=list)

	@property
	def family(self) -> int:
		return 6 if ":" in self.lan.client else 4

	def copy(self) -> Talk:
		return replace(self, sent=[])

	def sides(self) -> tuple[Side, Side]:
		"""Both tuples, as an entry of this connection has them."""
		if self.proto in ICMP.values():
			ask, answer = ECHO[self.family]
			return (Side(self.lan.client, self.lan.server, self.proto, (self.lan.cport, ask, 0), 0),
				Side(self.wan.server, self.wan.client, self.proto, (self.wan.cport, answer, 0), 0))
		return (Side(self.lan.client, self.lan.server, self.proto, (self.lan.cport, self.lan.sport), 0),
			Side(self.wan.server, self.wan.client, self.proto, (self.wan.sport, self.wan.cport), 0))

	def send(self, word: str, ahead: int = 0) -> int:
		"""One packet: c.S is a SYN of the client, s.SA the server's answer, c.P data; u is a datagram, e an echo, of SCTP the
		words of payload_sctp(). `ahead`: so many octets further than the connection is, which does not count."""
		side, what = word.split(".")
		view = self.lan if side == "c" else self.wan
		if side == "c":
			src, dst, ports = view.client, view.server, (view.cport, view.sport)
		else:
			src, dst, ports = view.server, view.client, (view.sport, view.cport)
		payload = {TCP: self._tcp, UDP: self._udp, SCTP: self._sctp}.get(self.proto, self._echo)(side, what, ports, ahead)
		number = self.wire.send(side, src, dst, self.proto, payload)
		self.sent.append((word, number))
		return number

	def learn(self, got: Arrived) -> None:
		"""How the server's side sees the connection: from the first packet that comes out there."""
		self.wan = self.wan or View(got.src, got.ports[0], got.dst, got.ports[1])

	def play(self, script: str) -> None:
		"""Packet by packet; each has to come out at the other side."""
		wrong = play_all([(self, script)])
		assert not wrong, wrong[0]

	def _tcp(self, side: str, what: str, ports: tuple[int, int], ahead: int) -> bytes:
		flags = sum({"S": SYN, "A": ACK, "F": FIN | ACK, "R": RST | ACK, "P": PSH | ACK}[letter] for letter in what)
		seq, ack = (self.cseq, self.sseq) if side == "c" else (self.sseq, self.cseq)
		data = b"data" if "P" in what else b""
		if not ahead:
			step = len(data) + bool(flags & (SYN | FIN))
			if side == "c":
				self.cseq = (self.cseq + step) & 0xffffffff
			else:
				self.sseq = (self.sseq + step) & 0xffffffff
		return struct.pack("!HHIIBBHHH", *ports, (seq + ahead) & 0xffffffff, ack if flags & ACK else 0, 5 << 4, flags, 65000, 0, 0) + data

	@staticmethod
	def _udp(side: str, what: str, ports: tuple[int, int], ahead: int) -> bytes:
		return struct.pack("!HHHH", *ports, 12, 0) + b"data"

	def _echo(self, side: str, what: str, ports: tuple[int, int], ahead: int) -> bytes:
		kind = ECHO[self.family][0 if side == "c" else 1]
		return struct.pack("!BBHHH", kind, 0, 0, ports[0], 1) + b"data"

	def _sctp(self, side: str, what: str, ports: tuple[int, int], ahead: int) -> bytes:
		mine, theirs = self.tags if side == "c" else self.tags[::-1]
		kind, body = {"init": (1, struct.pack("!IIHHI", theirs, 65536, 1, 1, 1)),
			      "initack": (2, struct.pack("!IIHHI", theirs, 65536, 1, 1, 1)),
			      "cookie": (10, b"cook"), "cookieack": (11, b""),
			      "data": (0, struct.pack("!IHHI", 1, 1, 1, 0) + b"data"), "abort": (6, b"")}[what]
		return struct.pack("!HHII", *ports, 0 if what == "init" else mine, 0) + struct.pack("!BBH", kind, 3, 4 + len(body)) + body


def play_all(parts: list[tuple[Talk, str]], timeout: float = 5) -> dict[int, str]:
	"""The scripts of many connections beside each other, the first packet of all, the second of all. What has not come through,
	by the place in the list; nothing more is sent there. One by one they would each wait for a busy machine's turn."""
	wrong: dict[int, str] = {}
	scripts = [script.split() for _, script in parts]
	for step in range(max(map(len, scripts), default=0)):
		sent = [(i, parts[i][0].send(words[step])) for i, words in enumerate(scripts) if step < len(words) and i not in wrong]
		end = time.monotonic() + pace.seconds(timeout)
		for i, number in sent:
			talk, word = parts[i][0], scripts[i][step]
			got = talk.wire.wait(number, end)
			if got is None:
				wrong[i] = f"{word} of {talk.lan} has not come through"
			elif word[0] == "c":
				talk.learn(got)
	return wrong


def client_of(family: int, which: int = 2) -> str:
	return NET[family].format(10, which)


def server_of(family: int, nat: str) -> str:
	return NET[family].format(20, SERVERS[nat])


def translated(lan: View, nat: str, other: bool = False, port: int | None = None) -> View:
	"""What the server's side sees: as fw2's rules make it, or another translation of the same connection."""
	family = 6 if ":" in lan.client else 4
	if nat == "dnat":
		host = NET[family].format(20, OTHER_HOST if other else DNAT_HOST)
		return lan._replace(server=host, sport=DNAT_PORT if port is None else port)
	if nat == "plain" and not other:
		return lan
	client = NAT[family] if not other or nat == "random" else NAT[family].replace("20.0.1", "20.0.9").replace("20::1", "20::9")
	return lan._replace(client=client, cport=lan.cport + 20000 * other if port is None else port)


def every(n: int, items: list) -> Iterator[list]:
	for at in range(0, len(items), n):
		yield items[at:at + n]

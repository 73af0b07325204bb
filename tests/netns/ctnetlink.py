# SPDX-License-Identifier: GPL-2.0-or-later
"""A kernel's connection tracking table without anybody's library: every attribute of every entry, entries written, ends heard."""

from __future__ import annotations

import socket
import struct
from typing import Any, NamedTuple

from netlab import Lab, inside

NETLINK_NETFILTER = 12
NEW, GET, DELETE, REQUEST_DUMP = 0x100, 0x101, 0x102, 0x301
REQUEST, ACK, CREATE, EXCL = 0x1, 0x4, 0x400, 0x200
ERROR, DONE = 2, 3
GROUP_DESTROY = 3
REPLIED, ASSURED, EXPECTED, CONFIRMED, FIXED_TIMEOUT = 2, 4, 1, 8, 1 << 10
LIBERAL, SEEN = 0x08, 0x20	# of a TCP direction: windows are not checked; a packet has passed

# numbers of linux/netfilter/nfnetlink_conntrack.h
ORIG, REPLY, STATUS, PROTOINFO, HELP, MARK, ADJ_ORIG, ADJ_REPLY, MASTER = 1, 2, 3, 4, 5, 8, 15, 16, 14
NAT_SRC, TIMEOUT, NAT_DST, ZONE, LABELS, SYNPROXY = 6, 7, 13, 18, 22, 24
NESTED = 0x8000
TCP, SCTP = 1, 3		# in PROTOINFO


class Side(NamedTuple):
	src: str
	dst: str
	proto: int
	ports: tuple[int, ...]		# as the protocol has them: two ports, or id, type, code
	zone: int			# of this direction only


def attributes(data: bytes) -> dict[int, bytes]:
	out, at = {}, 0
	while at + 4 <= len(data):
		length, kind = struct.unpack_from("=HH", data, at)
		if length < 4:
			break
		out[kind & 0x3fff] = data[at + 4:at + length]
		at += (length + 3) & ~3
	return out


def number(data: bytes | None) -> int:
	return int.from_bytes(data or b"", "big")


def side(data: bytes) -> Side:
	parts = attributes(data)
	ip, proto = attributes(parts[1]), attributes(parts[2])
	family, first = (socket.AF_INET, 1) if 1 in ip else (socket.AF_INET6, 3)
	return Side(socket.inet_ntop(family, ip[first]), socket.inet_ntop(family, ip[first + 1]), number(proto[1]),
		    tuple(number(proto[k]) for k in sorted(proto) if k != 1), number(parts.get(3)))


def entry(data: bytes) -> dict[str, Any]:
	"""Empty values (no mark, zone 0, adjustments of nothing) count as absent."""
	has = attributes(data)
	status = number(has.get(STATUS))
	info = attributes(has.get(PROTOINFO, b""))
	protocol = attributes(next(iter(info.values()), b""))
	adjust = tuple(tuple(number(v) for _, v in sorted(attributes(has.get(k, b"")).items())) for k in (ADJ_ORIG, ADJ_REPLY))
	synproxy = tuple(number(v) for _, v in sorted(attributes(has.get(SYNPROXY, b"")).items()))
	values = {
		"original": side(has[ORIG]), "reply": side(has[REPLY]),
		"replied": bool(status & REPLIED), "assured": bool(status & ASSURED),
		"state": number(protocol.get(1)), "mark": number(has.get(MARK)), "zone": number(has.get(ZONE)),
		"timeout": number(has.get(TIMEOUT)),
		"flags": tuple(protocol[k][0] for k in (4, 5)) if TCP in info and 5 in protocol else (),
		"tags": tuple(number(protocol.get(k)) for k in (2, 3)) if SCTP in info else (),
		"labels": has.get(LABELS, b"").rstrip(b"\0"), "helper": attributes(has.get(HELP, b"")).get(1, b"").rstrip(b"\0"),
		"master": side(has[MASTER]) if MASTER in has else None,
		"adjustment": adjust if any(map(any, adjust)) else None, "synproxy": synproxy if any(synproxy) else None,
	}
	return {k: v for k, v in values.items() if v}


def open_socket(lab: Lab, part: str) -> socket.socket:
	with inside(lab.ns(part)):
		s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
	s.bind((0, 0))
	return s


def table(lab: Lab, part: str) -> list[dict[str, Any]]:
	found = []
	with open_socket(lab, part) as s:
		s.send(struct.pack("=IHHII BBH", 20, GET, REQUEST_DUMP, 1, 0, 0, 0, 0))
		while True:
			data, at = s.recv(1 << 20), 0
			while at + 16 <= len(data):
				length, kind = struct.unpack_from("=IH", data, at)
				if kind == DONE:
					return found
				if kind == ERROR:
					raise OSError(-struct.unpack_from("=i", data, at + 16)[0], "dump of the table")
				found.append(entry(data[at + 20:at + length]))
				at += (length + 3) & ~3


# --- writing ------------------------------------------------------------------


def attribute(kind: int, data: bytes) -> bytes:
	return struct.pack("=HH", len(data) + 4, kind) + data + b"\0" * (-len(data) % 4)


def family_of(address: str) -> int:
	return socket.AF_INET6 if ":" in address else socket.AF_INET


def addresses(first: int, *values: str) -> bytes:
	"""Attributes of addresses: the first of IPv4 has this number, those of IPv6 come behind both."""
	return b"".join(attribute(first + i + (2 if ":" in value else 0), socket.inet_pton(family_of(value), value))
			for i, value in enumerate(values))


def tuple_bytes(s: Side) -> bytes:
	if s.proto in (socket.IPPROTO_ICMP, socket.IPPROTO_ICMPV6):
		first = 4 if s.proto == socket.IPPROTO_ICMP else 7
		kinds = ((first, "!H"), (first + 1, "!B"), (first + 2, "!B"))
	else:
		kinds = ((2, "!H"), (3, "!H"))
	proto = attribute(1, bytes([s.proto])) + b"".join(attribute(kind, struct.pack(form, port))
							  for (kind, form), port in zip(kinds, s.ports))
	return attribute(1 | NESTED, addresses(1, s.src, s.dst)) + attribute(2 | NESTED, proto)


def opposite(s: Side) -> Side:
	"""The reply tuple of a flow without translation."""
	ports = s.ports[::-1]
	if len(s.ports) == 3:
		ports = (s.ports[0], {8: 0, 0: 8, 128: 129, 129: 128}[s.ports[1]], s.ports[2])
	return Side(s.dst, s.src, s.proto, ports, s.zone)


def translation(kind: int, address: str, port: int | None) -> bytes:
	"""What the kernel is to translate to. The first and the last address and port of a range of one."""
	ports = b"" if port is None else attribute(3 | NESTED, b"".join(attribute(k, struct.pack("!H", port)) for k in (1, 2)))
	ip = b"".join(attribute(k + (0 if ":" not in address else 3), socket.inet_pton(family_of(address), address))
		      for k in (1, 2))
	return attribute(kind | NESTED, ip + ports)


class Writer:
	"""Creates, changes and deletes entries, one request at a time. Errors are exceptions."""

	def __init__(self, lab: Lab, part: str):
		self.socket = open_socket(lab, part)

	def request(self, kind: int, flags: int, family: int, body: bytes) -> None:
		self.socket.send(struct.pack("=IHHII BBH", 20 + len(body), kind, REQUEST | ACK | flags, 1, 0, family, 0, 0) + body)
		error = -struct.unpack_from("=i", self.socket.recv(65536), 16)[0]
		if error:
			raise OSError(error, "ctnetlink")

	@staticmethod
	def values(proto: int, status: int | None, timeout: int | None, state: int | None, mark: int | None,
		   tags: tuple[int, ...], helper: str = "") -> bytes:
		out = attribute(HELP | NESTED, attribute(1, helper.encode() + b"\0")) if helper else b""
		if status is not None:
			out += attribute(STATUS, struct.pack("!I", status | CONFIRMED))
		if timeout is not None:
			out += attribute(TIMEOUT, struct.pack("!I", timeout))
		if mark is not None:
			out += attribute(MARK, struct.pack("!I", mark))
		if state is not None:
			info = attribute(1, bytes([state])) + b"".join(attribute(2 + i, struct.pack("!I", tag)) for i, tag in enumerate(tags))
			out += attribute(PROTOINFO | NESTED, attribute((SCTP if proto == socket.IPPROTO_SCTP else TCP) | NESTED, info))
		return out

	def create(self, orig: Side, reply: Side, status: int, timeout: int, state: int | None = None, mark: int | None = None,
		   tags: tuple[int, ...] = (), helper: str = "") -> None:
		"""A new entry. Where `reply` is not simply the opposite of `orig` the kernel is told to translate, as a rule would."""
		plain, nat = opposite(orig), b""
		has_port = len(orig.ports) == 2
		if (reply.dst, reply.ports[-1:]) != (plain.dst, plain.ports[-1:]) and has_port or reply.dst != plain.dst:
			nat += translation(NAT_SRC, reply.dst, reply.ports[1] if has_port else None)
		if (reply.src, reply.ports[:1]) != (plain.src, plain.ports[:1]) and has_port or reply.src != plain.src:
			nat += translation(NAT_DST, reply.src, reply.ports[0] if has_port else None)
		self.request(NEW, CREATE | EXCL, family_of(orig.src),
			     attribute(ORIG | NESTED, tuple_bytes(orig)) + attribute(REPLY | NESTED, tuple_bytes(plain)) + nat
			     + self.values(orig.proto, status, timeout, state, mark, tags, helper))

	def update(self, orig: Side, status: int | None = None, timeout: int | None = None, state: int | None = None,
		   mark: int | None = None) -> None:
		self.request(NEW, 0, family_of(orig.src), attribute(ORIG | NESTED, tuple_bytes(orig))
			     + self.values(orig.proto, status, timeout, state, mark, ()))

	def delete(self, orig: Side) -> None:
		self.request(DELETE, 0, family_of(orig.src), attribute(ORIG | NESTED, tuple_bytes(orig)))


class Ends:
	"""Hears the end of every entry from now on."""

	def __init__(self, lab: Lab, part: str):
		with inside(lab.ns(part)):
			self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
		self.socket.setsockopt(socket.SOL_SOCKET, 33, 32 << 20)		# SO_RCVBUFFORCE
		self.socket.bind((0, 1 << (GROUP_DESTROY - 1)))
		self.socket.setblocking(False)

	def heard(self) -> list[dict[str, Any]]:
		found = []
		while True:
			try:
				data, at = self.socket.recv(1 << 20), 0
			except BlockingIOError:
				return found
			while at + 20 <= len(data):
				length = struct.unpack_from("=I", data, at)[0]
				found.append(entry(data[at + 20:at + length]))
				at += (length + 3) & ~3

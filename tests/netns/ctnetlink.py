# SPDX-License-Identifier: GPL-2.0-or-later
"""A kernel's connection tracking table, read without anybody's library: every attribute of every entry."""

from __future__ import annotations

import socket
import struct
from typing import Any, NamedTuple

from netlab import Lab, inside

NETLINK_NETFILTER = 12
GET, REQUEST_DUMP = 0x101, 0x301
ERROR, DONE = 2, 3
REPLIED, ASSURED, EXPECTED = 2, 4, 1

# numbers of linux/netfilter/nfnetlink_conntrack.h
ORIG, REPLY, STATUS, PROTOINFO, HELP, MARK, ADJ_ORIG, ADJ_REPLY, MASTER = 1, 2, 3, 4, 5, 8, 15, 16, 14
ZONE, LABELS, SYNPROXY = 18, 22, 24


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
		"tags": tuple(number(protocol.get(k)) for k in (2, 3)) if 3 in info else (),
		"labels": has.get(LABELS, b"").rstrip(b"\0"), "helper": attributes(has.get(HELP, b"")).get(1, b"").rstrip(b"\0"),
		"master": side(has[MASTER]) if MASTER in has else None,
		"adjustment": adjust if any(map(any, adjust)) else None, "synproxy": synproxy if any(synproxy) else None,
	}
	return {k: v for k, v in values.items() if v}


def table(lab: Lab, part: str) -> list[dict[str, Any]]:
	found = []
	with inside(lab.ns(part)):
		s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
	with s:
		s.bind((0, 0))
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

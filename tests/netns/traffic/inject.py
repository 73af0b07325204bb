# SPDX-License-Identifier: GPL-2.0-or-later
"""Many flows into the kernel's table, or out of it, through ctnetlink, in batches.

    inject.py [--delete] [--ipv6] [--first N] COUNT

Established TCP flows from 10.66.x.y or fd00:66::x:y with mark 7, as fast as Python can: the
messages are one template in which addresses and ports are patched. Nothing is
acknowledged but errors; their number is printed, and is the exit status if not 0.
"""

from __future__ import annotations

import argparse
import socket
import struct
import sys

NETLINK_NETFILTER = 12
NEW, DELETE = 0x100, 0x102		# NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_*
REQUEST, CREATE, EXCL = 0x01, 0x400, 0x200
NESTED = 0x8000
TCP_ESTABLISHED = 3
CONFIRMED_REPLIED_ASSURED = 8 | 2 | 4
BATCH = 100


def attr(kind: int, data: bytes) -> bytes:
	return struct.pack("=HH", len(data) + 4, kind) + data + b"\0" * (-len(data) % 4)


SRC = {4: b"SRC.", 6: b"SRC............."}		# the holes for addresses
DST = {4: b"DST.", 6: b"DST............."}


def tuple_attr(kind: int, family: int) -> bytes:
	"""A tuple full of holes: source and destination address, then the ports."""
	ip = attr(1, SRC[4]) + attr(2, DST[4]) if family == 4 else attr(3, SRC[6]) + attr(4, DST[6])
	proto = attr(1, b"\x06") + attr(2, b"SP") + attr(3, b"DP")
	return attr(kind, attr(1 | NESTED, ip) + attr(2 | NESTED, proto))


def template(delete: bool, family: int) -> tuple[bytearray, list[list[int]]]:
	"""The message, and where the holes are in each direction."""
	body = struct.pack("=BBH", socket.AF_INET if family == 4 else socket.AF_INET6, 0, 0)
	body += tuple_attr(1 | NESTED, family)
	if not delete:
		body += tuple_attr(2 | NESTED, family)
		body += attr(3, struct.pack("!I", CONFIRMED_REPLIED_ASSURED)) + attr(7, struct.pack("!I", 3600))
		body += attr(8, struct.pack("!I", 7))
		body += attr(4 | NESTED, attr(1 | NESTED, attr(1, bytes([TCP_ESTABLISHED]))))
	kind, flags = (DELETE, REQUEST) if delete else (NEW, REQUEST | CREATE | EXCL)
	message = bytearray(struct.pack("=IHHII", 16 + len(body), kind, flags, 0, 0) + body)
	holes, at = [], 0
	for _ in range(1 if delete else 2):
		side = [message.index(hole, at) for hole in (SRC[family], DST[family], b"SP", b"DP")]
		# the ports are searched for behind the addresses: "SP" is no part of either
		holes.append(side)
		at = side[3] + 2
	return message, holes


def flow(n: int, family: int) -> tuple[bytes, bytes, bytes, bytes]:
	ports = struct.pack("!H", 10000 + n % 50000), struct.pack("!H", 80)
	if family == 4:
		return struct.pack("!I", 0x0A420000 + n // 50000), socket.inet_aton("10.77.0.1"), *ports
	return (socket.inet_pton(socket.AF_INET6, "fd00:66::")[:12] + struct.pack("!I", n // 50000),
		socket.inet_pton(socket.AF_INET6, "fd00:77::1"), *ports)


def main() -> int:
	args = argparse.ArgumentParser()
	args.add_argument("--delete", action="store_true")
	args.add_argument("--ipv6", action="store_true")
	args.add_argument("--first", type=int, default=0)
	args.add_argument("count", type=int)
	opt = args.parse_args()
	family = 6 if opt.ipv6 else 4
	message, holes = template(opt.delete, family)
	errors = 0
	with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as s:
		s.bind((0, 0))
		s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
		batch: list[bytes] = []
		for n in range(opt.first, opt.first + opt.count):
			src, dst, sport, dport = flow(n, family)
			sides = [(src, dst, sport, dport), (dst, src, dport, sport)]
			for side, values in zip(holes, sides):
				for at, value in zip(side, values):
					message[at:at + len(value)] = value
			batch.append(bytes(message))
			if len(batch) == BATCH or n == opt.first + opt.count - 1:
				s.sendto(b"".join(batch), (0, 0))
				batch.clear()
				errors += count_errors(s)
	print(errors)
	return 1 if errors else 0


def count_errors(s: socket.socket) -> int:
	errors = 0
	while True:
		try:
			data = s.recv(65536, socket.MSG_DONTWAIT)
		except BlockingIOError:
			return errors
		at = 0
		while at + 20 <= len(data):
			length, _, _, _, _, code = struct.unpack_from("=IHHIIi", data, at)
			if errors == 0:
				print(f"netlink error {code}", file=sys.stderr)
			errors += 1
			at += (length + 3) & ~3


sys.exit(main())

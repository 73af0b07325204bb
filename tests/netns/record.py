# SPDX-License-Identifier: GPL-2.0-or-later
"""What clients and servers say on the ports of helpers, as inputs of tests/fuzz/helper_fuzz.c.

With RECORD_SESSIONS=DIRECTORY the tests of helpers leave a file there for each protocol that was spoken: byte by byte what the
helper has seen, that is the client's side as it comes in at lan0 and the server's as it comes in at wan0, both before anybody has
translated them.
"""

from __future__ import annotations

import os
import re
import selectors
import socket
import struct
import threading
from pathlib import Path

from netlab import Lab, inside

# The numbers of the target: which helper, IPv6, the protocol where a helper has both, translation, the laboratory's addresses.
NAMES = ("amanda", "dhcpv6", "ftp", "mdns", "rpc", "sane", "slp", "ssdp", "tftp", "tns")
V6, STREAM, NAT, LABORATORY = 16, 32, 64, 128
REPLY, PIECE = 128, 126		# direction, and most bytes of one segment
LONGEST = 2048			# of a file

PACKET_OUTGOING = 4
TCP, UDP = socket.IPPROTO_TCP, socket.IPPROTO_UDP


def parts(packet: bytes) -> tuple[int, int, int, int, bytes] | None:
	"""IP version, protocol, ports, text."""
	if packet[0] >> 4 == 4:
		version, protocol, at, end = 4, packet[9], (packet[0] & 15) * 4, struct.unpack(">H", packet[2:4])[0]
	else:
		version, protocol, at, end = 6, packet[6], 40, 40 + struct.unpack(">H", packet[4:6])[0]
	if protocol not in (TCP, UDP):
		return None
	source, destination = struct.unpack_from(">HH", packet, at)
	return version, protocol, source, destination, packet[at + ((packet[at + 12] >> 4) * 4 if protocol == TCP else 8):end]


class Sessions:
	"""Listens at firewall `fw` until it is written."""

	def __init__(self, lab: Lab, fw: str, ports: dict[tuple[str, str], int]):
		self.names = {(TCP if proto == "tcp" else UDP, port): name for (name, proto), port in ports.items()}
		self.said: dict[tuple[str, int, int], bytearray] = {}
		self.waits = selectors.DefaultSelector()
		self.stop, wake = socket.socketpair()
		self.waits.register(wake, selectors.EVENT_READ, None)
		with inside(lab.ns(fw)):
			for device in ("lan0", "wan0"):
				s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
				s.bind((device, 3))
				self.waits.register(s, selectors.EVENT_READ, device)
		self.thread = threading.Thread(target=self.listen)
		self.thread.start()

	def listen(self) -> None:
		while True:
			for key, _ in self.waits.select():
				if key.data is None:
					return
				packet, (_, kind, passed, *_) = key.fileobj.recvfrom(65536)
				if passed != PACKET_OUTGOING and kind in (0x0800, 0x86dd):
					self.take(packet, key.data == "wan0")

	def take(self, packet: bytes, reply: bool) -> None:
		if not (read := parts(packet)):
			return
		version, protocol, source, destination, text = read
		name = self.names.get((protocol, source if reply else destination))
		if not name or not text:
			return
		out = self.said.setdefault((name, version, protocol), bytearray())
		# A datagram stays one, what is too long of it is left out.
		for at in range(0, len(text) if protocol == TCP else 1, PIECE):
			piece = text[at:at + PIECE]
			if len(out) + len(piece) < LONGEST:
				out += bytes([len(piece) | REPLY * reply]) + piece

	def write(self, directory: Path, test: str) -> None:
		self.stop.send(b"x")
		self.thread.join()
		for key in list(self.waits.get_map().values()):
			key.fileobj.close()
		self.stop.close()
		for (name, version, protocol), said in self.said.items():
			first = NAMES.index(name) | LABORATORY | V6 * (version == 6) | STREAM * (protocol == TCP)
			words = [name, f"v{version}", "tcp" if protocol == TCP else "udp", *re.findall(r"[\w-]+", test)]
			for nat in (0, NAT):
				file = directory / "-".join([*words, "nat" if nat else "plain"])
				file.write_bytes(bytes([first | nat]) + said)


def sessions(lab: Lab, ports: dict[tuple[str, str], int]) -> Sessions | None:
	return Sessions(lab, "fw1", ports) if "RECORD_SESSIONS" in os.environ else None

# SPDX-License-Identifier: GPL-2.0-or-later
"""A cable that holds each packet for a while, in both directions: for kernels without a network emulator.

    relay.py DEVICE DEVICE MILLISECONDS

Packets carry the virtio header between the two, so that checksums that only the
last network card would have made stay as they are.
"""

from __future__ import annotations

import collections
import select
import socket
import sys
import time

ETH_P_ALL, SOL_PACKET, PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING = 3, 263, 15, 23


def open_device(name: str) -> socket.socket:
	s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
	for option in (PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING):
		s.setsockopt(SOL_PACKET, option, 1)
	s.setsockopt(socket.SOL_SOCKET, 33, 32 << 20)	# SO_RCVBUFFORCE
	s.bind((name, ETH_P_ALL))
	s.setblocking(False)
	return s


def main() -> None:
	ends = [open_device(name) for name in sys.argv[1:3]]
	delay = float(sys.argv[3]) / 1000
	other = {ends[0]: ends[1], ends[1]: ends[0]}
	waiting: collections.deque[tuple[float, socket.socket, bytes]] = collections.deque()
	print("ready", flush=True)
	while True:
		wait = max(0, waiting[0][0] - time.monotonic()) if waiting else None
		for s in select.select(ends, [], [], wait)[0]:
			try:
				while True:
					waiting.append((time.monotonic() + delay, other[s], s.recv(70000)))
			except BlockingIOError:
				pass
		now = time.monotonic()
		while waiting and waiting[0][0] <= now:
			_, to, packet = waiting.popleft()
			try:
				to.send(packet)
			except OSError as e:	# the link is down, or its queue full: so is a cable's
				print(e, file=sys.stderr, flush=True)


main()

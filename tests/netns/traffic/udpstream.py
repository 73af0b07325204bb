# SPDX-License-Identifier: GPL-2.0-or-later
"""UDP streams: numbered datagrams at a steady pace, each answered by the server.

    udpstream.py [--streams N] [--interval SECONDS] [--stay] ADDRESS PORT

The server answers a stream only at the address and port it began from, so a
stream lives on only if its translation does. Says {"event": "ready"} when each
has had an answer. Commands on stdin:

    mark         begin counting, forget the gaps seen so far
    alive N      which streams get an answer to a datagram sent from now on, within N seconds
    quit
"""

from __future__ import annotations

import argparse
import asyncio

from commands import now_ms, say, serve, show, until


class Stream(asyncio.DatagramProtocol):
	"""`answered` is when the newest answered datagram was sent; gaps between answers are in ms."""

	def __init__(self, name: str, interval: float):
		self.name, self.interval = name, interval
		self.sent: list[float] = []
		self.begun = False
		self.received = 0
		self.counted_from = (0, 0)
		self.answered = 0.0
		self.at = now_ms()
		self.worst = 0.0

	def connection_made(self, transport) -> None:
		self.task = asyncio.create_task(self.run(transport))

	async def run(self, transport) -> None:
		while True:
			# number 0 begins the session; it is said once it was answered, never again
			number = len(self.sent) if self.begun else 0
			if number == 0:
				self.sent = []
			self.sent.append(now_ms())
			transport.sendto(f"{self.name} {number}".encode())
			await asyncio.sleep(self.interval)

	def datagram_received(self, data: bytes, addr: tuple) -> None:
		self.begun = True
		self.received += 1
		self.answered = max(self.answered, self.sent[int(data.split()[1])])
		self.worst = max(self.worst, now_ms() - self.at)
		self.at = now_ms()

	def error_received(self, exc: Exception) -> None:
		pass	# a refused or unreachable datagram is one more that is not answered

	def mark(self) -> None:
		self.worst, self.at = 0.0, now_ms()
		self.counted_from = (len(self.sent), self.received)


async def main() -> None:
	args = argparse.ArgumentParser()
	args.add_argument("--streams", type=int, default=1)
	args.add_argument("--interval", type=float, default=0.05)
	args.add_argument("--stay", action="store_true", help="no commands: say every second who is answered, until killed")
	args.add_argument("address")
	args.add_argument("port", type=int)
	opt = args.parse_args()
	streams = [Stream(f"s{n}", opt.interval) for n in range(opt.streams)]
	for stream in streams:
		await asyncio.get_running_loop().create_datagram_endpoint(lambda: stream, remote_addr=(opt.address, opt.port))

	async def mark(_: float) -> dict:
		for stream in streams:
			stream.mark()
		return {"streams": len(streams)}

	async def alive(seconds: float) -> dict:
		since = now_ms()
		await until(lambda: all(s.answered >= since for s in streams), seconds)
		living = [s for s in streams if s.answered >= since]
		return {"connections": len(streams), "alive": len(living),
			"stall_ms": round(max((s.worst for s in living), default=0)),
			"sent": sum(len(s.sent) - s.counted_from[0] for s in streams),
			"answered": sum(s.received - s.counted_from[1] for s in streams)}

	if not await until(lambda: all(s.received for s in streams), 10):
		say(event="failed", ready=sum(bool(s.received) for s in streams))
		return
	say(event="ready", connections=len(streams))
	if opt.stay:
		await show("UDP streams", streams)
	await serve({"mark": mark, "alive": alive})


asyncio.run(main())

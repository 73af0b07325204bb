# SPDX-License-Identifier: GPL-2.0-or-later
"""Many interactive connections: each sends a numbered line and waits for its echo, again and again.

    lines.py [--connections N] [--interval SECONDS] [--stay] ADDRESS PORT

Says {"event": "ready"} when every connection has had its first echo. Commands on stdin:

    mark         forget the stalls seen so far
    alive N      which connections get an answer to a line sent from now on, within N seconds
    close        end all connections properly (FIN)
    reset        end them at once (RST)
    quit
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import struct

from commands import now_ms, say, scaled, serve, show, until


class Talk:
	"""One connection. `answered` is when the last answered line was sent; stalls are in ms."""

	def __init__(self, address: str, port: int, interval: float):
		self.address, self.port, self.interval = address, port, interval
		self.lines = 0
		self.sent = self.answered = 0.0
		self.waiting = False
		self.worst = 0.0
		self.error = ""
		self.hurry = asyncio.Event()

	async def run(self) -> None:
		try:
			reader, self.writer = await asyncio.open_connection(self.address, self.port)
			while True:
				line = f"{self.port} line {self.lines}\n".encode()
				self.sent, self.waiting = now_ms(), True
				self.writer.write(line)
				if await reader.readline() != line:
					raise OSError("the echo is not the line" if not reader.at_eof() else "closed by the server")
				self.worst = max(self.worst, now_ms() - self.sent)
				self.answered, self.waiting = self.sent, False
				self.lines += 1
				try:
					await asyncio.wait_for(self.hurry.wait(), self.interval)
				except asyncio.TimeoutError:
					pass
				self.hurry.clear()
		except OSError as e:
			self.error = str(e) or type(e).__name__

	def mark(self) -> None:
		self.worst = 0.0

	def stall(self) -> float:
		"""The longest wait for an answer since the mark, one that goes on included."""
		return max(self.worst, now_ms() - self.sent if self.waiting else 0)


async def main() -> None:
	args = argparse.ArgumentParser()
	args.add_argument("--connections", type=int, default=1)
	args.add_argument("--interval", type=float, default=0.5)
	args.add_argument("--stay", action="store_true", help="no commands: say every second who is answered, until killed")
	args.add_argument("address")
	args.add_argument("port", type=int)
	opt = args.parse_args()
	talks = [Talk(opt.address, opt.port, opt.interval) for _ in range(opt.connections)]
	tasks = []
	for talk in talks:
		tasks.append(asyncio.create_task(talk.run()))
		await asyncio.sleep(0.002)	# spread them, as people are

	async def mark(_: float) -> dict:
		for talk in talks:
			talk.mark()
		return {"lines": sum(t.lines for t in talks)}

	async def alive(seconds: float) -> dict:
		since = now_ms()
		for talk in talks:
			talk.hurry.set()
		await until(lambda: all(t.answered >= since for t in talks), seconds)
		dead = [t for t in talks if t.answered < since]
		return {"connections": len(talks), "alive": len(talks) - len(dead),
			"stall_ms": round(max((t.stall() for t in talks if t not in dead), default=0)),
			"lines": sum(t.lines for t in talks), "errors": sorted({t.error for t in dead if t.error})}

	async def end(abruptly: bool) -> dict:
		for talk in talks:
			if abruptly:
				sock = talk.writer.get_extra_info("socket")
				sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
			talk.writer.close()
		await asyncio.wait(tasks, timeout=scaled(5))
		return {"closed": len(talks)}

	if not await until(lambda: all(t.lines or t.error for t in talks), 30) or any(t.error for t in talks):
		say(event="failed", ready=sum(bool(t.lines) for t in talks), errors=sorted({t.error for t in talks if t.error}))
		return
	say(event="ready", connections=len(talks))
	if opt.stay:
		await show("connections", talks)
	await serve({"mark": mark, "alive": alive, "close": lambda _: end(False), "reset": lambda _: end(True)})


asyncio.run(main())

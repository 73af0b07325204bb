# SPDX-License-Identifier: GPL-2.0-or-later
"""A download at a limited rate, its SHA-256 checked at the end.

    download.py [--size BYTES] [--rate BYTES_PER_SECOND] ADDRESS PORT

Says {"event": "ready"} at the first byte. Commands on stdin:

    mark         forget the stalls seen so far
    finish N     the rest without a limit; given up when no byte came for N seconds
    quit
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib

from commands import now_ms, say, scaled, serve, until


class Download:
	def __init__(self) -> None:
		self.bytes = 0
		self.at = now_ms()
		self.worst = 0.0
		self.done = False
		self.good = False
		self.error = ""
		self.writer: asyncio.StreamWriter | None = None

	async def run(self, address: str, port: int, size: int, rate: int) -> None:
		try:
			reader, self.writer = await asyncio.open_connection(address, port)
			self.writer.write(f"{size} {rate}\n".encode())
			want = (await reader.readline()).decode().strip()
			have = hashlib.sha256()
			self.at = now_ms()
			while data := await reader.read(65536):
				have.update(data)
				self.bytes += len(data)
				self.worst = max(self.worst, now_ms() - self.at)
				self.at = now_ms()
			self.good = self.bytes == size and have.hexdigest() == want
		except OSError as e:
			self.error = str(e)
		self.done = True

	def hurry(self) -> None:
		if self.writer:
			self.writer.write(b"\n")

	def silent_ms(self) -> float:
		return 0 if self.done else now_ms() - self.at


async def main() -> None:
	args = argparse.ArgumentParser()
	args.add_argument("--size", type=int, default=16 << 20)
	args.add_argument("--rate", type=int, default=2 << 20)
	args.add_argument("address")
	args.add_argument("port", type=int)
	opt = args.parse_args()
	load = Download()
	task = asyncio.create_task(load.run(opt.address, opt.port, opt.size, opt.rate))

	async def mark(_: float) -> dict:
		load.worst, load.at = 0.0, now_ms()
		return {"bytes": load.bytes, "done": load.done}

	async def finish(seconds: float) -> dict:
		load.hurry()
		while not load.done and load.silent_ms() < scaled(seconds) * 1000:
			await asyncio.sleep(0.1)
		return {"finished": load.done, "hash_good": load.good, "bytes": load.bytes, "size": opt.size,
			"stall_ms": round(max(load.worst, load.silent_ms())), "error": load.error}

	if not await until(lambda: load.bytes > 0 or load.done, 10) or load.error:
		say(event="failed", error=load.error)
		return
	say(event="ready", size=opt.size)
	await serve({"mark": mark, "finish": finish})
	task.cancel()


asyncio.run(main())

# SPDX-License-Identifier: GPL-2.0-or-later
"""Short connections at a steady rate: connect, one line and its echo, close.

    handshakes.py [--count N] [--rate PER_SECOND] ADDRESS PORT

Says {"event": "ready"}; command `run` makes them and answers with times in ms: `connect` until connect() returns,
`answer` from then until the echo is there.
"""

from __future__ import annotations

import argparse
import asyncio
import socket

from commands import now_ms, say, serve


def spread(values: list[float]) -> dict[str, float]:
	values = sorted(values) or [0.0]
	return {"median": round(values[len(values) // 2], 2), "p99": round(values[len(values) * 99 // 100], 2),
		"worst": round(values[-1], 2)}


async def main() -> None:
	args = argparse.ArgumentParser()
	args.add_argument("--count", type=int, default=1000)
	args.add_argument("--rate", type=float, default=100)
	args.add_argument("address")
	args.add_argument("port", type=int)
	opt = args.parse_args()
	connects: list[float] = []
	answers: list[float] = []
	errors: list[str] = []
	family = socket.AF_INET6 if ":" in opt.address else socket.AF_INET

	async def one() -> None:
		loop = asyncio.get_running_loop()
		s = socket.socket(family, socket.SOCK_STREAM)
		s.setblocking(False)
		try:
			began = now_ms()
			await asyncio.wait_for(loop.sock_connect(s, (opt.address, opt.port)), 60)
			connected = now_ms()
			await loop.sock_sendall(s, b"?\n")
			if await asyncio.wait_for(loop.sock_recv(s, 10), 60) != b"?\n":
				raise OSError("no echo")
			connects.append(connected - began)
			answers.append(now_ms() - connected)
		except (OSError, asyncio.TimeoutError) as e:
			errors.append(str(e) or type(e).__name__)
		finally:
			s.close()

	async def run(_: float) -> dict:
		began = asyncio.get_running_loop().time()
		tasks = []
		for i in range(opt.count):
			await asyncio.sleep(began + i / opt.rate - asyncio.get_running_loop().time())
			tasks.append(asyncio.create_task(one()))
		await asyncio.wait(tasks)
		return {"done": len(connects), "errors": sorted(set(errors)), "connect": spread(connects), "answer": spread(answers)}

	say(event="ready")
	await serve({"run": run})


asyncio.run(main())

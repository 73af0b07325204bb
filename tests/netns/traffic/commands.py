# SPDX-License-Identifier: GPL-2.0-or-later
"""What the traffic programs share: commands on stdin, one JSON answer per line on stdout.

End of stdin ends the program.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from typing import Any, Awaitable, Callable, Sequence

sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from pace import seconds as scaled		# noqa: E402

Handler = Callable[[float], Awaitable[dict[str, Any]]]


def now_ms() -> float:
	return time.monotonic() * 1000


def say(**answer: Any) -> None:
	print(json.dumps(answer), flush=True)


async def serve(handlers: dict[str, Handler]) -> None:
	"""Each line is `command [number]`; returns at `quit` or at the end of stdin."""
	reader = asyncio.StreamReader()
	await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
	while True:
		words = (await reader.readline()).decode().split()
		if not words or words[0] == "quit":
			return
		say(**await handlers[words[0]](float(words[1]) if len(words) > 1 else 0))


async def until(question: Callable[[], bool], seconds: float) -> bool:
	"""Ask often until true; the last answer after `seconds` (on a machine of usual speed)."""
	end = time.monotonic() + scaled(seconds)
	while not question() and time.monotonic() < end:
		await asyncio.sleep(0.05)
	return question()


async def show(what: str, parties: Sequence[Any]) -> None:
	"""For a person who watches: once a second, how many had an answer to what they sent in the last 2 s."""
	while True:
		await asyncio.sleep(1)
		living = sum(p.answered > now_ms() - 2000 for p in parties)
		print(f"{time.strftime('%H:%M:%S')}  {living} of {len(parties)} {what} answered", flush=True)

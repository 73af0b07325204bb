# SPDX-License-Identifier: GPL-2.0-or-later
"""What the two ends of a SIP conversation have in common: messages and sockets. Only what a helper of the kernel reads."""

from __future__ import annotations

import re
import socket
from typing import Any, Sequence

import commands


def udp(address: str, port: int) -> socket.socket:
	s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
	s.bind((address, port))
	return s


def even_pair(address: str) -> tuple[socket.socket, socket.socket]:
	"""For RTP, on an even port, and RTCP on the next."""
	for port in range(20000, 30000, 2):
		try:
			return udp(address, port), udp(address, port + 1)
		except OSError:
			continue
	raise OSError("no two ports")


def host(address: str) -> str:
	return f"[{address}]" if ":" in address else address


def message(first: str, headers: Sequence[str], body: str = "") -> bytes:
	lines = [first, *headers, *["Content-Type: application/sdp"] * bool(body), f"Content-Length: {len(body)}", "", body]
	return "\r\n".join(lines).encode()


def headers(text: str, *names: str) -> list[str]:
	return [line for line in text.split("\r\n") if line.split(":")[0] in names]


def header(text: str, name: str) -> str:
	return headers(text, name)[0].split(":", 1)[1].strip()


def uri_target(uri: str) -> tuple[str, int]:
	"""Of a contact with an address and a port."""
	found = re.search(r"@\[?([0-9a-f.:]+?)\]?:(\d+)>", uri)
	return found[1], int(found[2])


def description(address: str, port: int) -> str:
	kind = "IP6" if ":" in address else "IP4"
	return (f"v=0\r\no=- 1 1 IN {kind} {address}\r\ns=-\r\nc=IN {kind} {address}\r\nt=0 0\r\n"
		f"m=audio {port} RTP/AVP 0\r\n")


def media_target(text: str) -> tuple[str, int]:
	"""Where the other end wants its stream, from a description."""
	return re.search(r"\r\nc=IN IP[46] (\S+)", text)[1], int(re.search(r"\r\nm=audio (\d+)", text)[1])


def handlers(end: Any, names: Sequence[str], sockets: Sequence[socket.socket]) -> dict[str, commands.Handler]:
	"""The commands of an end: its methods."""
	def handler(name: str) -> commands.Handler:
		async def handle(seconds: float) -> dict[str, object]:
			for s in sockets:
				s.settimeout(commands.scaled(seconds or 10))
			try:
				return {"ok": True, "said": getattr(end, name)()}
			except OSError as e:
				return {"ok": False, "said": str(e)}
		return handle
	return {name: handler(name) for name in names}

# SPDX-License-Identifier: GPL-2.0-or-later
"""A small SIP telephone.

    sipc.py ADDRESS SERVER

Commands: `register` for an hour; `invite` makes a call; `speak` sends a
datagram to the stream that the server announced, `hear` waits for one. Requests
of others are answered at any time. Each answers {"ok": ..., "said": ...}.
"""

from __future__ import annotations

import asyncio
import queue
import sys
import threading

import commands
import sip


class Telephone:
	def __init__(self, address: str, server: str):
		self.address, self.server = address, server
		self.signalling = sip.udp(address, 5060)
		self.stream, _ = sip.even_pair(address)
		self.replies: queue.Queue[str] = queue.Queue()
		self.media = None
		self.n = 0
		threading.Thread(target=self.listen, daemon=True).start()

	def listen(self) -> None:
		while True:
			data, peer = self.signalling.recvfrom(8192)
			text = data.decode()
			if text.startswith("SIP/2.0"):
				self.replies.put(text)
			else:
				self.signalling.sendto(sip.message("SIP/2.0 200 OK", sip.headers(
					text, "Via", "From", "To", "Call-ID", "CSeq")), peer)

	def request(self, method: str, extra: list[str], body: str = "") -> str:
		self.n += 1
		me = sip.host(self.address)
		head = [f"Via: SIP/2.0/UDP {me}:5060;branch=z9hG4bK{self.n}", f"From: <sip:alice@{me}>;tag=1",
			f"To: <sip:bob@{sip.host(self.server)}>", f"Call-ID: {method}@{self.address}",
			f"CSeq: {self.n} {method}", "Max-Forwards: 70", f"Contact: <sip:alice@{me}:5060>", *extra]
		self.signalling.sendto(sip.message(f"{method} sip:{sip.host(self.server)} SIP/2.0", head, body),
				       (self.server, 5060))
		try:
			return self.replies.get(timeout=self.stream.gettimeout())
		except queue.Empty:
			raise OSError(f"no answer to {method}") from None

	def register(self) -> str:
		return self.request("REGISTER", ["Expires: 3600"]).splitlines()[0]

	def invite(self) -> str:
		reply = self.request("INVITE", [], sip.description(self.address, self.stream.getsockname()[1]))
		self.media = sip.media_target(reply)
		return f"{self.media}"

	def speak(self) -> str:
		self.stream.sendto(b"\x80\x00 from the telephone", self.media)
		return f"to {self.media}"

	def hear(self) -> str:
		return self.stream.recv(2048)[3:].decode()


async def main() -> None:
	telephone = Telephone(*sys.argv[1:3])
	print("ready", flush=True)
	await commands.serve(sip.handlers(telephone, ("register", "invite", "speak", "hear"), (telephone.stream,)))


asyncio.run(main())

# SPDX-License-Identifier: GPL-2.0-or-later
"""A small SIP registrar that is called itself, for helpers that read what is said.

    sipd.py ADDRESS

Registers who asks (port 5060), for half the time wanted, answers a call with a stream of its own, and
remembers what it was told. Commands: `call` sends a request to the registered
contact from another port and waits for the answer; `speak` sends a datagram to
the stream that the caller announced, `hear` waits for one. Each answers
{"ok": ..., "said": ...}.
"""

from __future__ import annotations

import asyncio
import sys
import threading

import commands
import sip


class Server:
	def __init__(self, address: str):
		self.address = address
		self.signalling = sip.udp(address, 5060)
		self.caller = sip.udp(address, 5070)
		self.stream, _ = sip.even_pair(address)
		self.contact = self.media = None
		threading.Thread(target=self.answer, daemon=True).start()

	def answer(self) -> None:
		while True:
			data, peer = self.signalling.recvfrom(8192)
			message = data.decode()
			method = message.split(" ", 1)[0]
			copied = sip.headers(message, "Via", "From", "To", "Call-ID", "CSeq")
			if method == "REGISTER":
				contact = sip.header(message, "Contact")
				self.contact = sip.uri_target(contact)
				copied += [f"Contact: {contact};expires={int(sip.header(message, 'Expires')) // 2}"]
				reply = sip.message("SIP/2.0 200 OK", copied)
			elif method == "INVITE":
				self.media = sip.media_target(message)
				copied += [f"Contact: <sip:bob@{sip.host(self.address)}:5060>"]
				reply = sip.message("SIP/2.0 200 OK", copied,
						    sip.description(self.address, self.stream.getsockname()[1]))
			else:
				continue
			self.signalling.sendto(reply, peer)

	def call(self) -> str:
		host, port = self.contact
		self.caller.sendto(sip.message(f"OPTIONS sip:alice@{sip.host(host)}:{port} SIP/2.0", [
			f"Via: SIP/2.0/UDP {sip.host(self.address)}:5070;branch=z9hG4bKopt",
			f"From: <sip:bob@{sip.host(self.address)}>;tag=7", f"To: <sip:alice@{sip.host(host)}>",
			f"Call-ID: options@{self.address}", "CSeq: 1 OPTIONS"]), (host, port))
		return self.caller.recv(8192).decode().splitlines()[0]

	def speak(self) -> str:
		self.stream.sendto(b"\x80\x00 from the server", self.media)
		return f"to {self.media}"

	def hear(self) -> str:
		return self.stream.recv(2048)[3:].decode()


async def main() -> None:
	server = Server(sys.argv[1])
	print("ready", flush=True)
	await commands.serve(sip.handlers(server, ("call", "speak", "hear"), (server.caller, server.stream)))


asyncio.run(main())

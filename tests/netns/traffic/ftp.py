# SPDX-License-Identifier: GPL-2.0-or-later
"""An FTP client with one control connection, and TFTP requests beside it.

    ftp.py [--epsv] ADDRESS FTP_PORT TFTP_PORT

Commands: `noop`; `pasv` or `port` prepare a passive or an active transfer and
`retr` carries it out, so that something can happen in between; `passive` and
`active` do both; `tftp` asks for a file and waits, `tftp_wait` asks for one
that comes when the server is told to, `tftp_take` waits for that. Each
answers {"ok": ..., "said": ...}.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import socket

import commands

SIZE = 20000


class Client:
	def __init__(self, address: str, port: int, tftp_port: int, epsv: bool):
		self.address, self.tftp_port = address, tftp_port
		self.control = socket.create_connection((address, port), commands.scaled(10))
		self.lines = self.control.makefile("rb")
		self.v6 = self.control.family == socket.AF_INET6
		self.epsv = epsv or self.v6
		self.target: tuple[str, int] | None = None
		self.listener: socket.socket | None = None
		self.datagrams: socket.socket | None = None
		self.read("220")
		self.noop()	# the kernel's helper does not look at the first line of either side

	def read(self, want: str) -> str:
		line = self.lines.readline().decode().strip()
		if not line.startswith(want):
			raise OSError(f"{want} wanted, got {line!r}")
		return line

	def ask(self, line: str, want: str) -> str:
		self.control.sendall(line.encode() + b"\r\n")
		return self.read(want)

	def noop(self) -> str:
		return self.ask("NOOP", "200")

	def pasv(self) -> str:
		self.listener = None
		if self.epsv:
			said = self.ask("EPSV", "229")
			self.target = (self.address, int(re.search(r"\|\|\|(\d+)\|", said)[1]))
			return said
		said = self.ask("PASV", "227")
		n = [int(word) for word in re.search(r"\(([\d,]+)\)", said)[1].split(",")]
		self.target = (".".join(map(str, n[:4])), n[4] << 8 | n[5])
		return said

	def port(self) -> str:
		own = self.control.getsockname()[0]
		self.target = None
		self.listener = socket.socket(self.control.family, socket.SOCK_STREAM)
		self.listener.bind((own, 0))
		self.listener.listen(1)
		self.listener.settimeout(self.control.gettimeout())
		port = self.listener.getsockname()[1]
		if self.epsv:
			return self.ask(f"EPRT |{2 if self.v6 else 1}|{own}|{port}|", "200")
		return self.ask(f"PORT {own.replace('.', ',')},{port >> 8},{port & 255}", "200")

	def retr(self) -> str:
		if self.target:
			conn = socket.create_connection(self.target, self.control.gettimeout())
			self.ask(f"RETR {SIZE}", "150")
		else:
			self.ask(f"RETR {SIZE}", "150")
			conn = self.listener.accept()[0]
		with conn:
			conn.settimeout(self.control.gettimeout())
			got = b""
			while chunk := conn.recv(65536):
				got += chunk
		self.read("226")
		if got != bytes(i * 7 % 251 for i in range(SIZE)):
			raise OSError(f"{len(got)} bytes, not what was sent")
		return f"{len(got)} bytes"

	def passive(self) -> str:
		return self.pasv() and self.retr()

	def active(self) -> str:
		return self.port() and self.retr()

	def tftp_ask(self, name: bytes) -> str:
		self.datagrams = socket.socket(self.control.family, socket.SOCK_DGRAM)
		self.datagrams.settimeout(self.control.gettimeout())
		self.datagrams.sendto(b"\0\1" + name + b"\0octet\0", (self.address, self.tftp_port))
		return "asked"

	def tftp_wait(self) -> str:
		return self.tftp_ask(b"wait")

	def tftp_take(self) -> str:
		return self.datagrams.recv(2048)[4:].decode()

	def tftp(self) -> str:
		return self.tftp_ask(b"name") and self.tftp_take()


async def main() -> None:
	parser = argparse.ArgumentParser()
	parser.add_argument("--epsv", action="store_true")
	parser.add_argument("address")
	parser.add_argument("port", type=int)
	parser.add_argument("tftp_port", type=int)
	args = parser.parse_args()
	client = Client(args.address, args.port, args.tftp_port, args.epsv)

	def handler(name: str) -> commands.Handler:
		async def handle(seconds: float) -> dict[str, object]:
			client.control.settimeout(commands.scaled(seconds or 10))
			try:
				return {"ok": True, "said": getattr(client, name)()}
			except OSError as e:
				return {"ok": False, "said": str(e)}
		return handle

	print("ready", flush=True)
	await commands.serve({name: handler(name) for name in (
		"noop", "pasv", "port", "retr", "passive", "active", "tftp", "tftp_wait", "tftp_take")})


asyncio.run(main())

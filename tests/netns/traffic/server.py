# SPDX-License-Identifier: GPL-2.0-or-later
"""The server's side of all traffic programs: echo of lines, a download, answers to a UDP stream.

    server.py ECHO_PORT DOWNLOAD_PORT UDP_PORT

Both address families. The download's size and rate come from its client, in one
line; the answer is a line with the SHA-256 and the bytes. With one more line from
the client the rest goes as fast as it can. The UDP side knows a
stream by the address it began from (datagram number 0) and answers nobody else,
as a server does that has sessions: a stream that comes from another address or
port all of a sudden gets no answer.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import socket
import sys

CHUNK_S = 0.02


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
	try:
		while line := await reader.readline():
			writer.write(line)
			await writer.drain()
	except OSError:
		pass
	finally:
		writer.close()


async def download(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
	hurry = None
	try:
		size, rate = (int(word) for word in (await reader.readline()).split())
		hurry = asyncio.ensure_future(reader.readline())
		data = random.Random(size).randbytes(size)
		writer.write(f"{hashlib.sha256(data).hexdigest()}\n".encode())
		step = max(1, int(rate * CHUNK_S))
		for at in range(0, size, step):
			writer.write(data[at:at + step])
			await writer.drain()
			await asyncio.sleep(0 if hurry.done() else CHUNK_S)
	except (OSError, ValueError):
		pass
	finally:
		if hurry and hurry.done():
			hurry.exception()	# a connection that was reset: looked at, nothing to tell
		elif hurry:
			hurry.cancel()
		writer.close()


class Answers(asyncio.DatagramProtocol):
	"""Datagrams are `session number`."""

	def __init__(self) -> None:
		self.sessions: dict[tuple, bytes] = {}

	def connection_made(self, transport) -> None:
		self.transport = transport

	def datagram_received(self, data: bytes, addr: tuple) -> None:
		session, _, number = data.partition(b" ")
		if number == b"0":
			self.sessions[addr] = session
		if self.sessions.get(addr) == session:
			self.transport.sendto(data, addr)


def dual(kind: int, port: int) -> socket.socket:
	"""One socket for IPv4 and IPv6."""
	s = socket.socket(socket.AF_INET6, kind)
	s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
	s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
	s.bind(("::", port))
	return s


async def main() -> None:
	echo_port, download_port, udp_port = (int(a) for a in sys.argv[1:4])
	await asyncio.start_server(echo, sock=dual(socket.SOCK_STREAM, echo_port), backlog=1024)
	await asyncio.start_server(download, sock=dual(socket.SOCK_STREAM, download_port))
	await asyncio.get_running_loop().create_datagram_endpoint(Answers, sock=dual(socket.SOCK_DGRAM, udp_port))
	print("ready", flush=True)
	await asyncio.Event().wait()


asyncio.run(main())

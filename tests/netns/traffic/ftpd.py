# SPDX-License-Identifier: GPL-2.0-or-later
"""A small FTP and TFTP server, for helpers that read what is said.

    ftpd.py FTP_PORT TFTP_PORT

FTP over both families: PASV, EPSV, PORT, EPRT, RETR size. An active transfer
comes from a port of the server's own choice, a passive one is accepted from
the address of the control connection's peer only, as careful servers do. TFTP
answers a read request with one block from a new port; one for "wait" is
answered when a line comes on stdin.
"""

from __future__ import annotations

import re
import socket
import sys
import threading

from commands import scaled

TFTP_DATA = b"a block of data"
waiting: list[tuple] = []	# whom to answer later


def data(size: int) -> bytes:
	return bytes(i * 7 % 251 for i in range(size))


class Session(threading.Thread):
	"""One control connection."""

	def __init__(self, control: socket.socket):
		super().__init__(daemon=True)
		self.control = control
		self.listener: socket.socket | None = None
		self.target: tuple[str, int] | None = None

	def say(self, line: str) -> None:
		self.control.sendall(line.encode() + b"\r\n")

	def run(self) -> None:
		self.say("220 ready")
		with self.control, self.control.makefile("rb") as lines:
			try:
				for line in lines:
					word, _, rest = line.decode().strip().partition(" ")
					getattr(self, word.lower(), self.unknown)(rest)
			except OSError:
				pass

	def unknown(self, rest: str) -> None:
		self.say("500 what?")

	def noop(self, rest: str) -> None:
		self.say("200 fine")

	def listen(self) -> int:
		family = self.control.family
		if self.listener:
			self.listener.close()
		self.listener = socket.socket(family, socket.SOCK_STREAM)
		self.listener.bind((self.control.getsockname()[0], 0))
		self.listener.listen(1)
		self.listener.settimeout(scaled(20))
		self.target = None
		return self.listener.getsockname()[1]

	def pasv(self, rest: str) -> None:
		port = self.listen()
		address = self.control.getsockname()[0].removeprefix("::ffff:").replace(".", ",")
		self.say(f"227 Entering Passive Mode ({address},{port >> 8},{port & 255})")

	def epsv(self, rest: str) -> None:
		self.say(f"229 Entering Extended Passive Mode (|||{self.listen()}|)")

	def port(self, rest: str) -> None:
		n = [int(word) for word in rest.split(",")]
		self.target = (".".join(map(str, n[:4])), n[4] << 8 | n[5])
		self.say(f"200 PORT {rest}")		# so that the client sees what the server got

	def eprt(self, rest: str) -> None:
		_, _, address, port, _ = re.split(r"\|", rest)
		self.target = (address, int(port))
		self.say(f"200 EPRT {rest}")

	def open_data(self) -> socket.socket:
		if self.target:
			return socket.create_connection(self.target, scaled(20))
		conn, peer = self.listener.accept()
		if peer[0] != self.control.getpeername()[0]:
			raise OSError("somebody else")
		return conn

	def retr(self, rest: str) -> None:
		self.say("150 here it comes")
		try:
			with self.open_data() as conn:
				conn.sendall(data(int(rest)))
		except OSError as e:
			self.say(f"425 {e}")
			return
		self.say("226 done")


def tftp(port: int) -> None:
	s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
	s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
	s.bind(("::", port))
	while True:
		request, peer = s.recvfrom(2048)
		# From an address of our own: the answer of a server that is asked at another one would not come through.
		if request.startswith(b"\0\1wait"):
			waiting.append(peer)
		else:
			tftp_answer(peer)


def tftp_answer(peer: tuple) -> None:
	with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as answer:
		answer.bind(("::", 0))
		answer.sendto(b"\0\3\0\1" + TFTP_DATA, peer)


def main() -> None:
	port, tftp_port = (int(a) for a in sys.argv[1:3])
	threading.Thread(target=tftp, args=[tftp_port], daemon=True).start()
	listeners = []
	for family, any_address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
		s = socket.socket(family, socket.SOCK_STREAM)
		s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
		if family == socket.AF_INET6:
			s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
		s.bind((any_address, port))
		s.listen(64)
		listeners.append(s)

	def accept(listener: socket.socket) -> None:
		while True:
			Session(listener.accept()[0]).start()

	threads = [threading.Thread(target=accept, args=[s]) for s in listeners]
	for thread in threads:
		thread.start()
	print("ready", flush=True)
	for _ in sys.stdin:
		while waiting:
			tftp_answer(waiting.pop())


main()

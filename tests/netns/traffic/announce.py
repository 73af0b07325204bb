# SPDX-License-Identifier: GPL-2.0-or-later
"""Both ends of protocols that announce connections, as far as a helper reads them.

    announce.py server ADDRESS...     serves on all of them
    announce.py client

The client's commands are `PROTOCOL ADDRESS [MULTICAST-INTERFACE]`; each carries out what was announced, at once:

    rpc-udp, rpc-tcp      GETPORT of the portmapper for TCP, then a connection there
    rpc4-udp, rpc4-tcp    the same with GETADDR of version 4, for UDP
    rpc-self              the portmapper says where the portmapper is; the next question goes there
    tns                   a connection that is redirected
    sane                  START, and the image from the port of its answer
    amanda                three connections to the ports of an answer
    subscribe             the device connects back to the callback (ssdp over TCP)
    ssdp, mdns, slp       a question to a multicast group, answered from the server's own address
    dhcpv6                SOLICIT from port 546
    ask-mdns/4            an mDNS responder that knows box.local

Each answers {"ok": ..., "said": ...}.
"""

from __future__ import annotations

import asyncio
import re
import selectors
import socket
import struct
import sys
import threading

import commands

GROUPS = {"ssdp": ("239.255.255.250", "ff05::c", 1900), "mdns": ("224.0.0.251", "ff05::fb", 5353),
	  "slp": ("239.255.255.253", "ff05::116", 427), "dhcpv6": (None, "ff05::1:3", 547)}
SAID = b"what was announced"


def family(address: str) -> int:
	return socket.AF_INET6 if ":" in address else socket.AF_INET


def listener(address: str, port: int = 0) -> socket.socket:
	s = socket.socket(family(address), socket.SOCK_STREAM)
	s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
	s.bind((address, port))
	s.listen(8)
	return s


def offer(address: str) -> int:
	"""A port on which the next connection is told something."""
	s = listener(address)
	s.settimeout(commands.scaled(60))

	def give() -> None:
		try:
			with s, s.accept()[0] as conn:
				conn.sendall(SAID)
		except OSError:
			pass

	threading.Thread(target=give, daemon=True).start()
	return s.getsockname()[1]


def offer_datagrams(address: str) -> int:
	s = socket.socket(family(address), socket.SOCK_DGRAM)
	s.bind((address, 0))
	s.settimeout(commands.scaled(60))

	def give() -> None:
		try:
			with s:
				s.sendto(SAID, s.recvfrom(100)[1])
		except OSError:
			pass

	threading.Thread(target=give, daemon=True).start()
	return s.getsockname()[1]


# ---- what is said ----


def xdr(text: str) -> bytes:
	return struct.pack(">I", len(text)) + text.encode() + bytes(-len(text) % 4)


PORTMAPPER, MOUNT = 100000, 100005


def rpc_call(address: str, version: int, program: int = MOUNT) -> bytes:
	head = struct.pack(">IIIIIIIIIIII", 4711, 0, 2, PORTMAPPER, version, 3, 0, 0, 0, 0, program, 3)
	if version == 2:
		return head + struct.pack(">II", socket.IPPROTO_TCP, 0)
	return head + xdr("udp6" if ":" in address else "udp") + xdr("") + xdr("me")


def rpc_answer(address: str, call: bytes) -> bytes:
	head = call[:4] + struct.pack(">IIIII", 1, 0, 0, 0, 0)
	version, program = struct.unpack(">I", call[16:20])[0], struct.unpack(">I", call[40:44])[0]
	if version == 2:
		return head + struct.pack(">I", 111 if program == PORTMAPPER else offer(address))
	port = offer_datagrams(address)
	return head + xdr(f"{address}.{port >> 8}.{port & 255}")


def record(message: bytes) -> bytes:
	return struct.pack(">I", 0x80000000 | len(message)) + message


def tns_redirect(address: str) -> bytes:
	text = f"(ADDRESS=(PROTOCOL=tcp)(HOST={address})(PORT={offer(address)}))".encode()
	return struct.pack(">HHBBHH", 10 + len(text), 0, 5, 0, 0, len(text)) + text


def amanda_answer(address: str) -> bytes:
	ports = [offer(address) for _ in range(3)]
	return ("Amanda 2.4 REP HANDLE 000-0 SEQ 1\nCONNECT DATA %d MESG %d INDEX %d\nOPTIONS ;\n" % tuple(ports)).encode()


# ---- the server ----


def serve_stream(conn: socket.socket, address: str, port: int) -> None:
	with conn:
		conn.settimeout(commands.scaled(60))
		while data := conn.recv(4096):
			if port == 111:
				conn.sendall(record(rpc_answer(address, data[4:])))
			elif port == 1521:
				conn.sendall(tns_redirect(address))
			elif port == 6566:
				conn.sendall(struct.pack(">III", 0, offer(address), 0x1234))
			elif port == 1400:
				host, to = re.search(rb"http://\[?([0-9a-f.:]+?)\]?:(\d+)/", data).groups()
				conn.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
				with socket.create_connection((host.decode(), int(to)), commands.scaled(20)) as back:
					back.sendall(SAID)


def serve_datagram(s: socket.socket, address: str, port: int) -> None:
	data, peer = s.recvfrom(4096)
	if port == 111:
		s.sendto(rpc_answer(address, data), peer)
	elif port == 10080:
		s.sendto(amanda_answer(address), peer)


def serve_group(s: socket.socket, addresses: list[str], name: str) -> None:
	"""Answered by another socket: the group is nobody's address."""
	data, peer = s.recvfrom(4096)
	own = next(a for a in addresses if family(a) == s.family)
	with socket.socket(s.family, socket.SOCK_DGRAM) as answer:
		answer.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
		answer.bind((own, GROUPS[name][2] if name in ("mdns", "slp") else 0))
		answer.sendto(SAID, peer)


def join_group(group: str, port: int, own: str) -> socket.socket:
	s = socket.socket(family(group), socket.SOCK_DGRAM)
	s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
	s.bind((group, port))
	if s.family == socket.AF_INET:
		s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + socket.inet_aton(own))
	else:
		s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP,
			     socket.inet_pton(socket.AF_INET6, group) + struct.pack("=I", socket.if_nametoindex("eth0")))
	return s


def server(addresses: list[str]) -> None:
	waits = selectors.DefaultSelector()
	for address in addresses:
		for port in (111, 1521, 6566, 1400):
			waits.register(listener(address, port), selectors.EVENT_READ, ("stream", address, port))
		for port in (111, 10080):
			s = socket.socket(family(address), socket.SOCK_DGRAM)
			s.bind((address, port))
			waits.register(s, selectors.EVENT_READ, ("datagram", address, port))
	for name, (v4, v6, port) in GROUPS.items():
		for group in (v4, v6):
			own = next((a for a in addresses if group and family(a) == family(group)), None)
			if own:
				waits.register(join_group(group, port, own), selectors.EVENT_READ, ("group", name, port))
	waits.register(sys.stdin, selectors.EVENT_READ, None)
	print("ready", flush=True)
	while True:
		for key, _ in waits.select():
			if key.data is None:
				return
			kind, what, port = key.data
			if kind == "stream":
				threading.Thread(target=serve_stream, args=(key.fileobj.accept()[0], what, port), daemon=True).start()
			elif kind == "datagram":
				serve_datagram(key.fileobj, what, port)
			else:
				serve_group(key.fileobj, addresses, what)


# ---- the client ----

streams: dict[tuple[str, int], socket.socket] = {}	# stay open, across a take-over


def stream(address: str, port: int) -> socket.socket:
	if (address, port) not in streams:
		streams[address, port] = socket.create_connection((address, port), commands.scaled(10))
	return streams[address, port]


def fetch(address: str, port: int) -> str:
	with socket.create_connection((address, port), commands.scaled(5)) as s:
		said = s.recv(100)
	if said != SAID:
		raise OSError(f"port {port} says {said!r}")
	return f"port {port}"


def fetch_datagram(address: str, port: int) -> str:
	with socket.socket(family(address), socket.SOCK_DGRAM) as s:
		s.settimeout(commands.scaled(5))
		s.sendto(b"?", (address, port))
		if s.recv(100) != SAID:
			raise OSError(f"port {port} says something else")
	return f"port {port}"


def ask_datagram(address: str, port: int, data: bytes, own_port: int = 0) -> bytes:
	with socket.socket(family(address), socket.SOCK_DGRAM) as s:
		s.bind(("", own_port))
		s.settimeout(commands.scaled(5))
		s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 4)
		if s.family == socket.AF_INET6:
			s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 4)
			s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex("eth0"))
		s.sendto(data, (address, port))
		return s.recv(4096)


def rpc(address: str, version: int, tcp: bool) -> str:
	call = rpc_call(address, version)
	if tcp:
		s = stream(address, 111)
		s.sendall(record(call))
		answer = s.recv(4096)[4:]
	else:
		answer = ask_datagram(address, 111, call)
	if version == 2:
		return fetch(address, struct.unpack(">I", answer[24:28])[0])
	text = answer[28:28 + struct.unpack(">I", answer[24:28])[0]].decode()
	host, high, low = text.rsplit(".", 2)
	return fetch_datagram(host, int(high) << 8 | int(low))


def rpc_self(address: str) -> str:
	"""As rpcinfo does, which asks for the portmapper's own port first."""
	def ask(s: socket.socket, program: int) -> int:
		s.sendall(record(rpc_call(address, 2, program)))
		return struct.unpack(">I", s.recv(4096)[28:32])[0]

	port = ask(stream(address, 111), PORTMAPPER)
	with socket.create_connection((address, port), commands.scaled(10)) as s:
		return fetch(address, ask(s, MOUNT))


def tns(address: str) -> str:
	s = stream(address, 1521)
	s.sendall(struct.pack(">HHBBH", 8, 0, 1, 0, 0))
	text = s.recv(4096)[10:].decode()
	host, port = re.search(r"HOST=([^)]+)\)\(PORT=(\d+)\)", text).groups()
	return fetch(host, int(port))


def sane(address: str) -> str:
	s = stream(address, 6566)
	s.sendall(struct.pack(">II", 7, 1))
	return fetch(address, struct.unpack(">III", s.recv(4096))[1])


def amanda(address: str) -> str:
	said = ask_datagram(address, 10080, b"Amanda 2.4 REQ HANDLE 000-0 SEQ 1\nSERVICE sendbackup\n").decode()
	ports = [int(p) for p in re.search(r"CONNECT DATA (\d+) MESG (\d+) INDEX (\d+)", said).groups()]
	return ", ".join(fetch(address, port) for port in ports)


def subscribe(address: str) -> str:
	s = stream(address, 1400)
	own = s.getsockname()[0]
	with listener(own) as back:
		back.settimeout(commands.scaled(10))
		host = f"[{own}]" if ":" in own else own
		s.sendall(f"SUBSCRIBE /e HTTP/1.1\r\nHOST: x\r\nCALLBACK: <http://{host}:{back.getsockname()[1]}/>\r\n\r\n".encode())
		s.recv(4096)
		with back.accept()[0] as conn:
			if conn.recv(100) != SAID:
				raise OSError("something else")
	return "called back"


def question(name: str, v6: bool) -> str:
	data = {"ssdp": b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nST: ssdp:all\r\n\r\n",
		"mdns": b"\0\0\0\0\0\1\0\0\0\0\0\0\5_http\4_tcp\5local\0\0\x0c\0\1", "slp": b"\2\1\0\0\x0e\0\0\0\0\0\0\1\0\0",
		"dhcpv6": b"\1abc\0\1\0\4abcd"}[name]
	group = GROUPS[name][1 if v6 else 0]
	if ask_datagram(group, GROUPS[name][2], data, 546 if name == "dhcpv6" else 0) != SAID:
		raise OSError("something else")
	return "answered"


def real_mdns() -> str:
	"""A question to whoever knows box.local."""
	question = b"\0\7\0\0\0\1\0\0\0\0\0\0\3box\5local\0\0\1\0\1"
	answer = ask_datagram("224.0.0.251", 5353, question)
	if answer[:2] != b"\0\7" or answer[2] & 0x80 == 0:
		raise OSError(f"no answer: {answer!r}")
	return "answered"


async def client() -> None:
	def handler(work) -> commands.Handler:
		async def handle(seconds: float) -> dict[str, object]:
			try:
				return {"ok": True, "said": await asyncio.to_thread(work)}
			except (OSError, AttributeError) as e:
				return {"ok": False, "said": repr(e)}
		return handle

	work = {}
	for address in sys.argv[2:]:
		for name, what in (("rpc-udp", lambda a: rpc(a, 2, False)), ("rpc-tcp", lambda a: rpc(a, 2, True)),
				   ("rpc4-udp", lambda a: rpc(a, 4, False)), ("rpc4-tcp", lambda a: rpc(a, 4, True)),
				   ("rpc-self", rpc_self), ("tns", tns), ("sane", sane), ("amanda", amanda), ("subscribe", subscribe)):
			work[f"{name}/{address}"] = lambda what=what, address=address: what(address)
	for name in GROUPS:
		for v6 in (False, True):
			work[f"{name}/{6 if v6 else 4}"] = lambda name=name, v6=v6: question(name, v6)
	work["ask-mdns/4"] = real_mdns
	print("ready", flush=True)
	await commands.serve({name: handler(each) for name, each in work.items()})


if __name__ == "__main__":
	server(sys.argv[2:]) if sys.argv[1] == "server" else asyncio.run(client())

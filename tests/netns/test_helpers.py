# SPDX-License-Identifier: GPL-2.0-or-later
"""Helpers in user space (section Helper): real clients and servers through stateful firewalls, before and after a take-over.

Needs a kernel with nfnetlink_cthelper and packet queues: tests/guest/check has one.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import struct
from dataclasses import replace
from pathlib import Path
from typing import Callable, Iterator

import pytest

import netlab
import pace
import record
from ctnetlink import ASSURED, CONFIRMED, FIXED_TIMEOUT, REPLIED, Side, Writer, table
from netlab import DNAT4, PLAIN6, SNAT4, Lab, inside, run, wait_until
from node import OURS, Node, wait_replicated
from scenario import Program
from test_expect import CASES, LONG4, LONG6, LONGER6, Case, good, kernel_expects, port_grew, wait_acknowledged
from test_field import ROWS, Stage, wait_told
from test_json import hold

SYNC = {"ExpectationSync": "on"}
FTP, TFTP = 21, 69
MODULES = ("nf_nat_ftp", "nf_nat_tftp", "nf_nat_sip", "nf_conntrack_ftp", "nf_conntrack_tftp", "nf_conntrack_sip",
	   "nf_nat_amanda", "nf_conntrack_amanda", "nf_conntrack_sane")

# name, family, protocol: each with a queue of its own
TYPES = [(name, family, proto) for name, families, protos in (
	("ftp", ("inet", "inet6"), ("tcp",)), ("tftp", ("inet", "inet6"), ("udp",)), ("rpc", ("inet", "inet6"), ("tcp", "udp")),
	("tns", ("inet", "inet6"), ("tcp",)), ("sane", ("inet", "inet6"), ("tcp",)), ("amanda", ("inet", "inet6"), ("udp",)),
	("ssdp", ("inet", "inet6"), ("tcp", "udp")), ("mdns", ("inet", "inet6"), ("udp",)), ("slp", ("inet", "inet6"), ("udp",)),
	("dhcpv6", ("inet6",), ("udp",))) for family in families for proto in protos]


def section(types: list[tuple[str, str, str]] = TYPES, setup: str = "Setup yes") -> str:
	rows = "".join(f"\tType {name} {family} {proto} {{ QueueNum {30 + i} }}\n" for i, (name, family, proto) in enumerate(types))
	return f"Helper {{\n\t{setup}\n{rows}}}\n"


RULES = """
table inet helpers {{
	{objects}
	chain assign {{
		type filter hook prerouting priority filter;
		{assign}
	}}
	# Nothing comes through on its own account but control connections and requests.
	chain strict {{
		type filter hook forward priority filter - 1;
		iifname "lan0" ct state new tcp dport {{ 21, 111, 1521, 6566, 1400 }} accept
		iifname "lan0" ct state new udp dport {{ 69, 111, 427, 547, 1900, 5353, 10080 }} accept
		ct state new meta l4proto {{ tcp, udp }} drop
	}}
	chain nat {{
		type nat hook postrouting priority srcnat - 1;
		{nat}
	}}
}}
"""
PORTS = {("ftp", "tcp"): 21, ("tftp", "udp"): 69, ("rpc", "tcp"): 111, ("rpc", "udp"): 111, ("tns", "tcp"): 1521,
	 ("sane", "tcp"): 6566, ("amanda", "udp"): 10080, ("ssdp", "tcp"): 1400, ("ssdp", "udp"): 1900, ("mdns", "udp"): 5353,
	 ("slp", "udp"): 427, ("dhcpv6", "udp"): 547}


# ---- the kernel's list of helpers ----

CTHELPER_NEW, CTHELPER_GET, CTHELPER_DEL = 0x900, 0x901, 0x902


def attribute(kind: int, value: bytes) -> bytes:
	return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def cthelper(command: int, flags: int, body: bytes = b"") -> list[bytes]:
	"""The messages that answer."""
	with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as s:
		s.settimeout(pace.seconds(5))
		s.send(struct.pack("=IHHII", 20 + len(body), command, 1 | 4 | flags, 1, 0) + bytes(4) + body)
		out = []
		while True:
			data = s.recv(65536)
			while data:
				length, kind = struct.unpack_from("=IH", data)
				if kind == 2 and (error := struct.unpack_from("=i", data, 16)[0]):
					raise OSError(-error, "cthelper")
				if kind in (2, 3):
					return out
				out.append(data[20:length])
				data = data[length + -length % 4:]


def attributes(data: bytes) -> dict[int, bytes]:
	out = {}
	while len(data) >= 4:
		length, kind = struct.unpack_from("=HH", data)
		out[kind & 0x3fff] = data[4:length]
		data = data[length + -length % 4:]
	return out


def kernel_helpers() -> dict[tuple[str, str, str], tuple[int, bool]]:
	"""(name, family, protocol): queue number, enabled."""
	out = {}
	for message in cthelper(CTHELPER_GET, 0x300):
		has = attributes(message)
		where = attributes(has[2])
		key = (has[1].rstrip(b"\0").decode(), "inet" if struct.unpack(">H", where[1])[0] == socket.AF_INET else "inet6",
		       "tcp" if where[2][0] == socket.IPPROTO_TCP else "udp")
		out[key] = (struct.unpack(">I", has[3])[0], struct.unpack(">I", has[6])[0] == 1)
	return out


def one_helper(kind: tuple[str, str, str]) -> bytes:
	name, family, proto = kind
	return attribute(1, name.encode() + b"\0") + attribute(0x8002, attribute(1, struct.pack(
		">H", socket.AF_INET if family == "inet" else socket.AF_INET6)) + attribute(2, bytes([6 if proto == "tcp" else 17])))


def add_helper(kind: tuple[str, str, str], private: int) -> None:
	"""As nfct(8) does: known, not enabled."""
	policy = attribute(1, kind[0].encode() + b"\0") + attribute(2, struct.pack(">I", 1)) + attribute(3, struct.pack(">I", 300))
	cthelper(CTHELPER_NEW, 0x400, one_helper(kind) + attribute(3, bytes(4)) + attribute(5, struct.pack(">I", private))
		 + attribute(0x8004, attribute(0x8002, policy) + attribute(1, struct.pack(">I", 1))) + attribute(6, bytes(4)))


# ---- the laboratory ----


@pytest.fixture(autouse=True)
def user_space_only(lab: Lab, request: pytest.FixtureRequest) -> Iterator[None]:
	"""The kernel's own helpers of these names are in the way of ours, and ours of them: both are for the whole kernel."""
	run("modprobe", "-q", "nfnetlink_cthelper", check=False)
	try:
		kernel_helpers()
	except OSError:
		pytest.skip("this kernel has no helpers in user space")
	run("modprobe", "-r", *MODULES, check=False)
	recorded = record.sessions(lab, PORTS)
	yield
	if recorded:
		recorded.write(Path(os.environ["RECORD_SESSIONS"]), request.node.name)
	for node in request.node.nodes:
		node.stop()
	for fw in ("fw1", "fw2"):
		run("ip", "netns", "exec", lab.ns(fw), "nft", "delete table inet helpers", check=False)
		run("ip", "netns", "exec", lab.ns(fw), "conntrack", "-F", check=False)
	def none_left() -> bool:
		for kind in kernel_helpers():
			try:
				cthelper(CTHELPER_DEL, 0, one_helper(kind))
			except OSError:
				return False
		return True
	wait_until(none_left, 20)
	for module in netlab.MODULES:		# for the tests that follow
		run("modprobe", "-q", module, check=False)


def start(pair: Callable, types: list[tuple[str, str, str]] = TYPES, setup: str = "Setup yes", **more: object) -> tuple[Node, Node]:
	"""Two nodes with helpers."""
	nodes = pair(**{"options": SYNC, **more})
	for node in nodes:
		node.stop()
		node.conf.write_text(node.conf.read_text() + section(types, setup))
		node.start()
	return nodes


def rules(lab: Lab, types: list[tuple[str, str, str]] = TYPES, nat: str = "", firewalls: tuple[str, ...] = netlab.FW) -> None:
	"""Connections to the known ports get their helper, where the daemons have made them."""
	kinds = dict.fromkeys((name, proto) for name, _, proto in types)
	objects = "\n\t".join(f'ct helper {name}-{proto} {{ type "{name}" protocol {proto}; }}' for name, proto in kinds)
	assign = "\n\t\t".join(f'{proto} dport {PORTS[name, proto]} ct helper set "{name}-{proto}"' for name, proto in kinds)
	for fw in firewalls:
		if nat == "plain":
			run("ip", "netns", "exec", lab.ns(fw), "nft", "flush chain inet fw from_client")
		run("ip", "netns", "exec", lab.ns(fw), "nft", "-f", "-",
		    stdin=RULES.format(objects=objects, assign=assign, nat=nat if nat != "plain" else ""))
	lab.ip("server", f"route add {LONG4}/32 via 10.20.0.1", f"route add {LONG6}/128 via fd00:20::1",
	       "route add 10.10.0.0/24 via 10.20.0.1")


def take_over(old: Node, new: Node, settles: float = 0.6) -> None:
	wait_replicated(old, new)
	pace.sleep(settles)
	old.cut()
	new.says("-c")
	old.lab.addresses_to(new.fw)


def figures(node: Node, kind: str) -> dict[str, int]:
	"""What -s helper says of "ftp inet tcp"; its document has the same."""
	text = node.ok("-s", "helper")
	block = text.split(f"helper {kind}:\n")[1].split("\n\n")[0]
	out = {key.strip(): int(value) for key, value in (line.rsplit(":", 1) for line in block.splitlines())}
	document = json.loads(node.ok("-s", "helper", "--json"))
	hold(document, "helpers")
	row = next(row for row in document["helpers"] if f"{row['name']} {row['family']} {row['protocol']}" == kind)
	assert (row["queue"], row["made"], row["refused"]) == (
		out["queue number"], out["expectations made"], out["expectations refused"]), row
	assert row["packets"] >= out["packets"] > 0, row	# an acknowledgement may come between the two
	return out


# ---- FTP and TFTP ----


@pytest.mark.parametrize("case", [*CASES, LONGER6], ids=lambda c: c.name)
def test_ftp(lab: Lab, pair: Callable, case: Case) -> None:
	"""The control connection is open; then the other firewall carries it, and its helper reads what is said."""
	active, survivor = start(pair)
	rules(lab, nat=case.nat)
	lab.server = Program(lab, "server", "ftpd.py", FTP, TFTP).ready()
	client = Program(lab, "client", "ftp.py", case.target.address, FTP, TFTP).ready()
	for command in ("noop", "passive", "active", "passive", "active", "tftp"):
		good(client, command)
	if case.grows:
		for _ in range(3):
			assert port_grew(good(client, "port"))
			good(client, "retr")
	wait_acknowledged(lab)
	take_over(active, survivor, case.settles)
	for command in ("noop", "passive", "active", "passive", "active", "noop", "tftp"):
		good(client, command)
	kind = f"ftp {'inet6' if ':' in case.target.address else 'inet'} tcp"
	said = figures(survivor, kind)
	assert said["expectations made"] == 4 and said["expectations refused"] == 0, said


# ---- the others ----

SERVER = (SNAT4.address, PLAIN6.address)
ASKED = ("rpc-udp", "rpc-tcp", "rpc4-udp", "rpc4-tcp", "rpc-self", "tns", "sane", "amanda", "subscribe")
OTHERS = [kind for kind in TYPES if kind[0] not in ("ftp", "tftp")]


def announce(lab: Lab, address: str) -> Program:
	lab.server = Program(lab, "server", "announce.py", "server", *SERVER).ready()
	return Program(lab, "client", "announce.py", "client", address).ready()


@pytest.mark.parametrize("case", [case for case in CASES if case.name != "v4-longer"], ids=lambda c: c.name)
def test_announced(lab: Lab, pair: Callable, case: Case) -> None:
	"""Portmapper, TNS, SANE, Amanda, GENA: what is announced arrives, translated as its flow is. Streams stay open over the
	take-over."""
	active, survivor = start(pair, OTHERS)
	rules(lab, OTHERS, case.nat)
	client = announce(lab, case.target.address)
	for name in ASKED:
		good(client, f"{name}/{case.target.address}")
	take_over(active, survivor)
	for name in ASKED:
		# The stream of a device that has called back is closed by nobody.
		good(client, f"{name}/{case.target.address}")


class Multicast:
	"""A firewall that forwards the groups from lan0 to wan0, as a multicast router would; as long as its sockets are open."""

	def __init__(self, lab: Lab, fw: str):
		with inside(lab.ns(fw)):
			self.four = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_IGMP)
			self.four.setsockopt(socket.IPPROTO_IP, 200, 1)
			self.six = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
			self.six.setsockopt(socket.IPPROTO_IPV6, 200, 1)
			for i, device in enumerate(("lan0", "wan0")):
				index = socket.if_nametoindex(device)
				self.four.setsockopt(socket.IPPROTO_IP, 202, struct.pack("=HBBIiI", i, 8, 1, 0, index, 0))
				self.six.setsockopt(socket.IPPROTO_IPV6, 202, struct.pack("=HBBHxxI", i, 0, 1, index, 0))
			for group in ("239.255.255.250", "224.0.0.251", "239.255.255.253"):
				self.four.setsockopt(socket.IPPROTO_IP, 204, struct.pack(
					"=4s4sH32sxxIIIi", socket.inet_aton("10.10.0.2"), socket.inet_aton(group), 0, b"\0\1" + bytes(30),
					0, 0, 0, 0))
			for group in ("ff05::c", "ff05::fb", "ff05::116", "ff05::1:3"):
				self.six.setsockopt(socket.IPPROTO_IPV6, 204, self.address6("fd00:10::2") + self.address6(group)
						    + struct.pack("=Hxx", 0) + struct.pack("=I", 2) + bytes(28))

	@staticmethod
	def address6(address: str) -> bytes:
		return struct.pack("=HHI16sI", socket.AF_INET6, 0, 0, socket.inet_pton(socket.AF_INET6, address), 0)

	def close(self) -> None:
		self.four.close()
		self.six.close()


@pytest.mark.parametrize("nat", ("plain", "snat"))
def test_asked_of_all(lab: Lab, pair: Callable, nat: str) -> None:
	"""SSDP, mDNS, SLP and DHCPv6: a question to a group, an answer from an address that nobody has asked."""
	active, survivor = start(pair, OTHERS)
	rules(lab, OTHERS, "plain" if nat == "plain" else "")
	if nat == "snat":
		run("modprobe", "nf_nat_sip")		# whose function translates what anybody may begin
	client = announce(lab, PLAIN6.address)
	for node in (active, survivor):
		router = Multicast(lab, node.fw)
		for question in ("ssdp/4", "slp/4", "ssdp/6", "mdns/6", "slp/6", "dhcpv6/6"):
			good(client, question)
		router.close()
		if node is active:
			take_over(active, survivor)


def test_asked_by_the_firewall(lab: Lab, pair: Callable) -> None:
	"""mDNS does not leave its link in IPv4: the firewall itself asks, and takes nothing else from there."""
	active, _ = start(pair, [("mdns", "inet", "udp"), ("ssdp", "inet", "udp")])
	run("ip", "netns", "exec", lab.ns("fw1"), "nft", "-f", "-", stdin="""
table inet helpers {
	ct helper mdns { type "mdns" protocol udp; }
	ct helper ssdp { type "ssdp" protocol udp; }
	chain assign {
		type filter hook output priority filter;
		udp dport 5353 ct helper set "mdns"
		udp dport 1900 ct helper set "ssdp"
	}
}
""")
	lab.ip("fw1", "route add 224.0.0.0/4 dev wan0")
	lab.server = Program(lab, "server", "announce.py", "server", *SERVER).ready()
	asks = Program(lab, "fw1", "announce.py", "client", SNAT4.address).ready()
	for question in ("mdns/4", "ssdp/4"):
		good(asks, question)
	assert figures(active, "mdns inet udp")["expectations made"] == 1


# ---- the other node ----


def test_replica_without_the_helper(lab: Lab, pair: Callable) -> None:
	"""Its kernel does not know the name: the flow is committed without. A connection without helper is better than none."""
	kind = ("tns", "inet", "tcp")		# the kernel has none of its own that it would load
	active, replica = pair()
	active.stop()
	active.conf.write_text(active.conf.read_text() + section([kind]))
	active.start()
	rules(lab, [kind], firewalls=("fw1",))

	def connections(fw: str) -> str:
		return run("ip", "netns", "exec", lab.ns(fw), "conntrack", "-L").stdout

	client = announce(lab, SNAT4.address)
	good(client, f"tns/{SNAT4.address}")
	assert "helper=tns" in connections("fw1")
	wait_replicated(active, replica)
	active.cut()
	for what in ("nft delete table inet helpers", "conntrack -F"):
		run("ip", "netns", "exec", lab.ns("fw1"), *what.split())
	cthelper(CTHELPER_DEL, 0, one_helper(kind))
	assert kind not in kernel_helpers()
	replica.says("-c")
	assert "dport=1521" in connections("fw2") and "helper=" not in connections("fw2")
	lab.addresses_to("fw2")
	good(client, f"tns/{SNAT4.address}")	# on the stream that was open


def test_file_of_a_distribution(lab: Lab) -> None:
	"""The file that a router distribution writes, as it is, after the calls of nfct(8) that belong to it: the helpers work, and
	work on at the other node."""
	kinds = {("rpc", "inet", "tcp"): 16, ("rpc", "inet", "udp"): 16, ("tns", "inet", "tcp"): 1}
	said = ("rpc-udp", "rpc-tcp", "tns")
	stage = Stage(lab, next(replace(row, says=()) for row in ROWS if row.file == "helper-rpc-and-tns"))
	alone = stage.start("fw1", OURS, stage.text("fw1"), "alone")
	assert alone.process.wait(pace.seconds(20)) == 1
	errors = [line for line in alone.console.read_text().splitlines() if "[ERROR]" in line]
	assert len(errors) == 1 and re.search(r"\.conf:\d+:\d+: helper rpc inet tcp: the kernel has no such helper: "
					      'type "nfct add helper rpc inet tcp"', errors[0]), errors
	for kind, private in kinds.items():
		add_helper(kind, private)
	try:
		pair, = stage.pairs((OURS, OURS))
		assert {kind: kernel_helpers()[kind] for kind in kinds} == dict(zip(kinds, ((3, True), (4, True), (5, True))))
		rules(lab, list(kinds))
		client = announce(lab, SNAT4.address)
		for name in said:
			good(client, f"{name}/{SNAT4.address}")
		wait_told(lab, pair)
		lab.links("fw1", up=False)
		pair[1].ok("-c")
		lab.addresses_to("fw2")
		for name in said:
			good(client, f"{name}/{SNAT4.address}")
		document = json.loads(pair[1].ok("-s", "helper", "--json"))
		assert [row["made"] for row in document["helpers"]] == [1, 1, 1], document
		for daemon in pair:
			daemon.end()
		assert not any(kernel_helpers()[kind][1] for kind in kinds)
	finally:
		for daemon in stage.daemons:
			if daemon.process.poll() is None:
				daemon.process.terminate()
				daemon.process.wait()


# ---- the kernel's side ----


def test_life(lab: Lab, make: Callable) -> None:
	"""Enabled from start to end; a crash leaves them enabled until --disable-helpers, and two daemons need them both."""
	kinds = [("ftp", "inet", "tcp"), ("rpc", "inet", "udp")]
	one, two = make("fw1"), make("fw2")
	for node in (one, two):
		node.conf.write_text(node.conf.read_text() + section(kinds))
		node.start()

	def enabled() -> set[bool]:
		return {kernel_helpers()[kind][1] for kind in kinds}

	assert {kind: kernel_helpers()[kind] for kind in kinds} == {kinds[0]: (30, True), kinds[1]: (31, True)}
	one.stop()
	assert enabled() == {True}
	assert "stays enabled: another conntrackd serves it" in one.log.read_text()
	two.stop()
	assert enabled() == {False}
	assert "helper ftp inet tcp disabled: its connections pass without it" in two.log.read_text()
	one.start()
	assert enabled() == {True}
	said = two.ok("--disable-helpers")
	assert said.count("is served by a conntrackd that runs") == 2 and enabled() == {True}
	one.stop(9)
	assert enabled() == {True}
	assert one.ok("--disable-helpers") == "helper ftp inet tcp disabled\nhelper rpc inet udp disabled\n"
	assert enabled() == {False}
	assert one.ok("--disable-helpers") == ""


def refused(node: Node) -> str:
	done = node.ctl()
	assert done.returncode == 1
	errors = [line for line in done.stderr.splitlines() if "[ERROR]" in line]
	assert len(errors) == 1, done.stderr
	return errors[0]


def test_refused(lab: Lab, make: Callable) -> None:
	"""One error, with its place in the file and what to type."""
	kind = ("ftp", "inet", "tcp")
	node, other = make("fw1"), make("fw1", name="other")
	plain = node.conf.read_text()
	node.conf.write_text(plain + section([kind], ""))
	place = f"{node.conf}:{len(plain.splitlines()) + 3}:2: helper ftp inet tcp: "
	assert place + 'the kernel has no such helper: type "nfct add helper ftp inet tcp"' in refused(node)
	add_helper(kind, 24)
	node.start()			# as with 1.4.7, after nfct(8)
	assert kernel_helpers()[kind] == (30, True)
	other.configure(link=type(other.link)(port=3999))
	other.conf.write_text(other.conf.read_text() + section([kind], ""))
	assert "helper ftp inet tcp: queue 30 is held by another program" in refused(other)
	assert kernel_helpers()[kind] == (30, True) and node.running()
	node.stop()
	cthelper(CTHELPER_DEL, 0, one_helper(kind))
	add_helper(kind, 8)
	assert place + "a helper of that name with other properties is in the way" in refused(node)
	cthelper(CTHELPER_DEL, 0, one_helper(kind))
	run("modprobe", "nf_conntrack_ftp")
	for setup in ("", "Setup yes"):
		node.conf.write_text(plain + section([kind], setup))
		assert place + "the kernel's own helper of that name is loaded and in the way: modprobe -r" in refused(node)
	run("modprobe", "-r", "nf_conntrack_ftp")
	node.conf.write_text(plain + "Helper {\n\tSetup yes\n\tType ftp inet tcp { Policy ftp { ExpectMax 256 } }\n}\n")
	assert "the kernel takes an ExpectMax of 255 at most, not 256" in node.ctl().stderr
	node.conf.write_text(plain + section([kind]))
	node.start()


@pytest.mark.parametrize("others", ("Stats {\n}\n", ""), ids=("stats", "alone"))
def test_without_sync(lab: Lab, make: Callable, others: str) -> None:
	"""Helpers beside the statistics mode, and with nothing else; and what the file says about queue and policy is what counts."""
	node = make("fw1")
	node.conf.write_text(f"General {{\n\tLogFile {node.log}\n\tLockFile {node.lock}\n\tUNIX {{ Path {node.socket} }}\n}}\n{others}"
			     "Helper {\n\tSetup yes\n"
			     "\tType ftp inet tcp {\n\t\tQueueNum 7\n\t\tPolicy ftp { ExpectMax 2 ExpectTimeout 77 }\n\t}\n"
			     "\tType tftp inet udp {\n\t\tQueueNum 8\n\t\tQueueLen 5\n\t}\n}\n")
	node.start()
	kinds = [("ftp", "inet", "tcp"), ("tftp", "inet", "udp")]
	assert [kernel_helpers()[kind] for kind in kinds] == [(7, True), (8, True)]
	rules(lab, kinds, firewalls=("fw1",))
	lab.server = Program(lab, "server", "ftpd.py", FTP, TFTP).ready()
	client = Program(lab, "client", "ftp.py", SNAT4.address, FTP, TFTP).ready()
	for command in ("passive", "active", "tftp"):
		good(client, command)
	for n in (1, 2, 2):
		good(client, "port")
		text = run("ip", "netns", "exec", lab.ns("fw1"), "conntrack", "-L", "expect").stdout
		lives = [int(line.split()[0]) for line in text.splitlines() if "proto=6" in line]
		assert len(lives) == n and all(60 < life <= 77 for life in lives), lives
	assert figures(node, "ftp inet tcp")["expectations made"] == 5
	# While it does not read, five requests wait, and the others are dropped.
	node.process.send_signal(signal.SIGSTOP)
	with inside(lab.ns("client")):
		sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(20)]
	for each in sockets:
		each.sendto(b"\0\1name\0octet\0", (SNAT4.address, TFTP))
	pace.sleep(0.5)
	node.process.send_signal(signal.SIGCONT)
	wait_until(lambda: figures(node, "tftp inet udp")["packets"] >= 6, 10)
	said = figures(node, "tftp inet udp")
	assert said["queue, dropped for its length"] == 15 and said["expectations made"] == 6, said


def test_unprivileged_container(lab: Lab, make: Callable) -> None:
	"""It may have queues of its own, and no say in what belongs to the whole kernel."""
	node = make("fw1")
	add_helper(("ftp", "inet", "tcp"), 24)		# or the kernel would look for the module
	node.conf.write_text(f"General {{\n\tLockFile {node.lock}\n\tUNIX {{ Path {node.socket} }}\n}}\n" + section([("ftp", "inet", "tcp")]))
	done = run("unshare", "-U", "-r", "-n", node.program, "-C", node.conf, check=False)
	assert done.returncode == 1
	assert f"{node.conf}:7:2: helper ftp inet tcp: not permitted: helpers belong to the whole kernel" in done.stderr


def test_new_connections_pass_without_daemon(lab: Lab, pair: Callable) -> None:
	"""A stopped daemon cuts nobody off."""
	active, survivor = start(pair, [("ftp", "inet", "tcp")])
	rules(lab, [("ftp", "inet", "tcp")])
	lab.server = Program(lab, "server", "ftpd.py", FTP, TFTP).ready()
	client = Program(lab, "client", "ftp.py", SNAT4.address, FTP, TFTP).ready()
	for node in (active, survivor):
		node.stop()
	good(client, "noop")
	again = Program(lab, "client", "ftp.py", SNAT4.address, FTP, TFTP).ready()
	good(again, "noop")
	active.start()
	for each in (client, again):	# born without it as well
		good(each, "noop")
	good(client, "active")


def test_taken_port(lab: Lab, pair: Callable) -> None:
	"""Two clients behind one address announce the same port: the second one gets another, and both transfers arrive."""
	active, _ = start(pair, [("ftp", "inet", "tcp")])
	rules(lab, [("ftp", "inet", "tcp")])
	lab.server = Program(lab, "server", "ftpd.py", FTP, TFTP).ready()
	lab.ip("client", "addr add 10.10.0.3/24 dev eth0")
	with inside(lab.ns("client")):
		sessions = []
		for own in ("10.10.0.2", "10.10.0.3"):
			control = socket.create_connection((SNAT4.address, FTP), pace.seconds(20), (own, 0))
			data = socket.create_server((own, 5001))
			data.settimeout(pace.seconds(20))
			sessions.append((control, control.makefile("rb"), data, own))
	for control, lines, _, own in sessions:
		assert lines.readline().startswith(b"220")
		control.sendall(b"PORT " + own.replace(".", ",").encode() + b",19,137\r\n")
		assert lines.readline().startswith(b"200")
	assert {re.search(r"dport=(500\d)", line)[1] for line in kernel_expects(lab, "fw1")} == {"5001", "5002"}
	for control, lines, data, _ in reversed(sessions):
		control.sendall(b"RETR 1000\r\n")
		assert lines.readline().startswith(b"150")
		with data.accept()[0] as conn:
			got = b""
			while part := conn.recv(4096):
				got += part
		assert len(got) == 1000
		assert lines.readline().startswith(b"226")
	said = figures(active, "ftp inet tcp")
	assert said["expectations made"] == 2 and said["mangled"] == 2, said


def test_nothing_is_written_back(lab: Lab, pair: Callable) -> None:
	"""What has changed in the flow while a packet waited for the daemon stays, with the text changed, too. What the daemon says
	of a flow with a verdict, private data among it, goes through one function (queue.c, put_flow())."""
	active, _ = start(pair, [("ftp", "inet", "tcp")])
	rules(lab, [("ftp", "inet", "tcp")])
	lab.server = Program(lab, "server", "ftpd.py", FTP, TFTP).ready()
	with inside(lab.ns("client")):
		control = socket.create_connection((SNAT4.address, FTP), pace.seconds(20))
	lines = control.makefile("rb")
	assert lines.readline().startswith(b"220")

	flow = Side("10.10.0.2", SNAT4.address, socket.IPPROTO_TCP, (control.getsockname()[1], FTP), 0)
	writer = Writer(lab, "fw1")
	for mark, command in ((7, b"NOOP\r\n"), (8, b"PORT 10,10,0,2,19,137\r\n"), (9, b"NOOP\r\n")):
		active.process.send_signal(signal.SIGSTOP)
		try:
			control.sendall(command)
			pace.sleep(0.3)
			writer.update(flow, mark=mark)
			if mark == 7:	# a fixed timeout is one that neither packets change, nor anybody any more
				writer.update(flow, timeout=7000, status=CONFIRMED | REPLIED | ASSURED | FIXED_TIMEOUT)
		finally:
			active.process.send_signal(signal.SIGCONT)
		assert lines.readline().startswith(b"200")
		row, = [row for row in table(lab, "fw1") if row["original"] == flow]
		assert row["mark"] == mark and row["replied"] and row["assured"], row
		assert 6000 < row["timeout"] <= 7000, row
	assert figures(active, "ftp inet tcp")["mangled"] >= 1	# again, if it was sent again
	control.close()


def test_split_command(lab: Lab, pair: Callable) -> None:
	"""A command in several segments, and two in one, with translation: the client is never kept waiting."""
	active, _ = start(pair, [("ftp", "inet", "tcp")])
	rules(lab, [("ftp", "inet", "tcp")], LONGER6.nat)
	lab.server = Program(lab, "server", "ftpd.py", FTP, TFTP).ready()
	for nodelay in (0, 1):
		with inside(lab.ns("client")):
			control = socket.create_connection((SNAT4.address, FTP), pace.seconds(20))
			data = socket.create_server(("10.10.0.2", 5001 + nodelay))
		control.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, nodelay)
		data.settimeout(pace.seconds(20))
		lines = control.makefile("rb")
		assert lines.readline().startswith(b"220")
		line = b"PORT 10,10,0,2,19,%d\r\n" % (137 + nodelay)
		for pieces in ([line[:9], line[9:]], [line[:2], line[2:17], line[17:]], [b"NOOP\r\n" + line[:15], line[15:]],
			       [b"NOOP\r\n" + line]):
			for piece in pieces:
				control.sendall(piece)
				pace.sleep(0.05)
			while LONG4.replace(".", ",").encode() not in (said := lines.readline()):
				assert said == b"200 fine\r\n"
			control.sendall(b"RETR 1000\r\n")
			assert lines.readline().startswith(b"150")
			with data.accept()[0] as conn:
				while conn.recv(4096):
					pass
			assert lines.readline().startswith(b"226")
		control.close()
		data.close()

# SPDX-License-Identifier: GPL-2.0-or-later
"""The gate: the addresses move first and the commit comes later, and no connection notices. Without a gate they die.

Each cell is a laboratory of its own. What the rules of a firewall do with a packet without state decides what becomes of a
connection without a gate; with one it must not matter.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import struct
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Callable, Iterator

import pytest

import cells
import pace
import scenario
from netlab import DNAT4, ECHO_PORT, FW, PLAIN6, SNAT4, Lab, Target, inside, run, wait_until
from node import OURS, Node, wait_replicated
from repeats import only_long
from test_json import hold

QUEUE = 3780
LATER = 0.3		# seconds from the addresses to the commit
CONNECTIONS = 100
TARGETS = {target.name: target for target in (SNAT4, DNAT4, PLAIN6)}

# In addition to the laboratory's: what happens to packets that belong to nothing. Without the chain `input` the firewall itself
# answers for an address that is its own.
POLICIES = {
	"drop": "flush chain inet fw input",
	"reject": """flush chain inet fw input
		flush chain inet fw forward
		add rule inet fw forward ct state established,related accept
		add rule inet fw forward iifname "lan0" tcp flags & (fin|syn|rst|ack) == syn ct state new accept
		add rule inet fw forward iifname "lan0" meta l4proto udp ct state new accept
		add rule inet fw forward meta l4proto tcp reject with tcp reset
		add rule inet fw forward reject""",
	"accept": """flush chain inet fw input
		flush chain inet fw forward
		add rule inet fw forward accept""",
}


def iptables(lab: Lab, fw: str, *rules: str) -> None:
	for program in ("iptables-legacy", "ip6tables-legacy"):
		for rule in rules:
			run("ip", "netns", "exec", lab.ns(fw), program, "-w", "-t", "raw", *rule.split())


def queue_rules(lab: Lab, fw: str) -> None:
	"""Those of conntrackd.conf(5)."""
	iptables(lab, fw, "-A PREROUTING -i lo -j RETURN", "-A PREROUTING -i sync0 -j RETURN",
		 f"-A PREROUTING -j NFQUEUE --queue-num {QUEUE} --queue-bypass")


def with_gate(node: Node, **options: object) -> None:
	"""A block Gate in the file that configure() has written."""
	rows = "".join(f"\t\t{key} {value}\n" for key, value in {"Rules": "external", "QueueNum": QUEUE, **options}.items())
	node.conf.write_text(node.conf.read_text().replace("\n\tOptions {", f"\n\tGate {{\n{rows}\t}}\n\tOptions {{", 1))


def start(lab: Lab, gate: bool = True, policy: str = "drop", loose: int = 0, **options: object) -> tuple[Node, Node]:
	"""fw1 active, fw2 backup."""
	nodes = Node(lab, "fw1", OURS), Node(lab, "fw2", OURS)
	for node in nodes:
		run("ip", "netns", "exec", lab.ns(node.fw), "nft", "-f", "-", stdin=POLICIES[policy])
		lab.sysctl(node.fw, {"net/netfilter/nf_conntrack_tcp_loose": loose})
		node.configure(mode_options={"PurgeTimeout": 60})
		if gate:
			with_gate(node, **options)
			queue_rules(lab, node.fw)
		node.start()
	nodes[0].ok("-c")
	nodes[1].ok("-n")
	return nodes


def take_over(lab: Lab, old: Node, new: Node, how: str, later: float = LATER) -> None:
	"""The addresses go first; the scripts run when packets have come for a while."""
	if how == "death":
		old.cut()
	lab.addresses_to(new.fw)
	time.sleep(later)
	if how != "death":
		old.ok("-n")
	for option in ("-c", "-f", "-R", "-B"):
		new.ok(option)


@contextlib.contextmanager
def told(*nodes: Node) -> Iterator[None]:
	"""A failure inside tells what the nodes have to say."""
	try:
		yield
	except BaseException as why:
		raise AssertionError(f"{why}\n" + "\n".join(node.describe() for node in nodes)) from why


def survive(gate: bool, target: str, policy: str, how: str, loose: int) -> dict[str, object]:
	"""What the client says at the end."""
	with Lab() as lab:
		lab.addresses_to("fw1")
		one, two = start(lab, gate, policy, loose)
		with told(one, two):
			scenario.serve(lab)
			talk = scenario.lines(lab, CONNECTIONS, TARGETS[target], interval=0.02)
			stream = scenario.udp_stream(lab, TARGETS[target], streams=5)
			wait_replicated(one, two)
			talk.ask("mark"), stream.ask("mark")
			take_over(lab, one, two, how)
			said = talk.ask("alive", 10 if gate else 4)
			shown = json.loads(two.ok("-s", "gate", "--json"))
			hold(shown, "gate")
			return {"gate": shown.get("gate"), "nothing": shown.get("nothing"), "alive": said["alive"], "errors": said["errors"], "stall_ms": said["stall_ms"],
				"streams": stream.ask("alive", 10 if gate else 1)["alive"],
				"log": two.log.read_text(), "node": two.describe()}


CELLS = [("v4-snat", "drop", "planned", "0"), ("v4-snat", "reject", "death", "0"), ("v4-snat", "accept", "planned", "1"),
	 ("v4-dnat", "drop", "death", "0"), ("v4-dnat", "reject", "planned", "0"), ("v6", "reject", "planned", "0")]
MORE = [(target, policy, how, loose) for target in TARGETS for policy in POLICIES for how in ("planned", "death")
	for loose in ("0", "1") if (target, policy, how, loose) not in CELLS]

outcome = cells.in_background(lambda cell: survive(True, *cell[:3], int(cell[3])), "test_all_live",
			      ("target", "policy", "how", "loose"), 2)
control = cells.in_background(lambda cell: survive(False, *cell[:3], int(cell[3])), "test_without_gate",
			      ("target", "policy", "how", "loose"), 2)


@pytest.mark.parametrize("target,policy,how,loose", CELLS + only_long(MORE))
def test_all_live(outcome: Callable, target: str, policy: str, how: str, loose: str) -> None:
	said = outcome((target, policy, how, loose))
	assert said["alive"] == CONNECTIONS and said["errors"] == [] and said["streams"] == 5, said["node"]
	assert "gate: closed" in said["log"] and "gate: open; " in said["log"]
	shown = said["gate"]
	assert shown["state"] == "open" and shown["held_now"] == 0 and shown["index_bytes"] == 0, shown
	assert shown["held"] >= CONNECTIONS / 2 and shown["failed"] == 0, shown


@pytest.mark.parametrize("target,policy,how,loose", [cell for cell in CELLS if cell[1] == "reject"])
def test_without_gate(control: Callable, target: str, policy: str, how: str, loose: str) -> None:
	"""The control: what lives above does so because of the gate and of nothing else."""
	said = control((target, policy, how, loose))
	assert said["alive"] < CONNECTIONS / 2, said
	assert said["gate"] is None and said["nothing"] == "there is no block Gate", said


# --- what else happens while packets wait -----------------------------------


def killed(lab: Lab, node: Node) -> None:
	"""What is held is lost. The next daemon knows from the state file that the node is backup."""
	node.stop(signal.SIGKILL)
	node.start()


def stopped(lab: Lab, node: Node) -> None:
	os.kill(node.pid, signal.SIGSTOP)
	pace.sleep(0.7)
	os.kill(node.pid, signal.SIGCONT)


def reloaded(lab: Lab, node: Node) -> None:
	"""The firewall's rules are removed and made anew: the kernel drops what is held."""
	rules = run("ip", "netns", "exec", lab.ns(node.fw), "nft", "list", "table", "inet", "fw").stdout
	run("ip", "netns", "exec", lab.ns(node.fw), "nft", "-f", "-", stdin=f"delete table inet fw\n{rules}")


def told_twice(lab: Lab, node: Node) -> None:
	"""Active and backup again within a moment."""
	node.ok("-c")
	node.ok("-n")


@pytest.mark.parametrize("happens", [killed, stopped, reloaded, told_twice])
def test_while_packets_wait(lab: Lab, happens: Callable) -> None:
	one, two = start(lab)
	with told(one, two):
		for node in (one, two):		# rules that answer nothing: while nobody holds packets, they are dropped
			lab.addresses_off(node.fw) if node is two else None
			run("ip", "netns", "exec", lab.ns(node.fw), "nft", "-f", "-", stdin="""
				add rule inet fw input ct state invalid counter drop
				add rule inet fw input iifname { "lan0", "wan0" } meta l4proto { tcp, udp } ct state new drop""")
		scenario.serve(lab)
		talk = scenario.lines(lab, 50, interval=0.05)
		load = scenario.download(lab, 20 << 20, 4 << 20)
		wait_replicated(one, two)
		lab.addresses_to("fw2")
		pace.sleep(0.2)
		happens(lab, two)
		pace.sleep(0.2)
		one.ok("-n")
		for option in ("-c", "-f", "-R", "-B"):
			two.ok(option)
		said = talk.ask("alive", 20)
		assert said["alive"] == 50 and said["errors"] == [], said
		assert load.ask("finish", 30)["hash_good"]


def test_nobody_commits(lab: Lab) -> None:
	"""Packets show that this node has to forward: after the deadline each flow is committed by itself."""
	one, two = start(lab, policy="reject", Deadline=200)
	with told(one, two):
		scenario.serve(lab)
		talk = scenario.lines(lab, 50, interval=0.05)
		wait_replicated(one, two)
		lab.addresses_to("fw2")
		pace.sleep(3)
		said = talk.ask("alive", 20)
		assert said["alive"] == 50 and said["errors"] == [], said
		assert "gate: open" not in two.log.read_text()
		# and the take-over that comes at last goes by what is there
		for option in ("-c", "-f", "-R", "-B"):
			two.ok(option)
		said = talk.ask("alive", 20)
		assert said["alive"] == 50 and said["errors"] == [], said


def say(conn: socket.socket, text: bytes) -> bool:
	"""One line, and its echo."""
	conn.sendall(text + b"\n")
	got = b""
	while not got.endswith(b"\n") and (part := conn.recv(100)):
		got += part
	return text in got


def nat_ports(text: str) -> set[str]:
	"""In what conntrack prints: where the server's answers go to."""
	return set(re.findall(rf"sport={ECHO_PORT} dport=(\d+)", text))


@pytest.mark.parametrize("commit", [True, False], ids=["commit", "deadline"])
def test_port_of_a_flow_that_waits(lab: Lab, commit: bool) -> None:
	"""Ten ports for NAT, eight of them are those of live connections that are silent: two new ones begin before the commit, or
	where none comes, and get the two that are left, at once. (One that got the port of a live connection would hear nothing but
	what the server says to that one, and were it only for a moment.)"""
	for fw in FW:
		run("ip", "netns", "exec", lab.ns(fw), "nft", "-f", "-", stdin="""
			flush chain inet fw from_client
			add rule inet fw from_client oifname "wan0" ip saddr 10.10.0.0/24 meta l4proto { tcp, udp } snat ip to 10.20.0.1:40000-40009""")
	one, two = start(lab, policy="accept", Deadline=1000 if commit else 200)
	with told(one, two):
		scenario.serve(lab)
		with inside(lab.ns("client")):
			conns = [socket.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(10)]
		for conn in conns:
			conn.settimeout(pace.seconds(10))
		old, new = conns[:8], conns[8:]
		for conn in old:
			conn.connect((SNAT4.address, ECHO_PORT))
			assert say(conn, b"before")
		wait_replicated(one, two)
		taken = nat_ports(run("ip", "netns", "exec", lab.ns("fw1"), "conntrack", "-L", "-p", "tcp").stdout)
		assert len(taken) == 8
		events = lab.scratch / "events"
		lab.spawn("fw2", "conntrack", "-E", "-e", "NEW", "-p", "tcp", "-b", "8388608", log=events)
		wait_until(lambda: "40" not in events.read_text() and len(lab.pids("fw2")) >= 2, 10, "events are listened to")
		pace.sleep(0.3)
		lab.addresses_to("fw2")
		with ThreadPoolExecutor(2) as pool:
			begun = [pool.submit(conn.connect, (SNAT4.address, ECHO_PORT)) for conn in new]
			time.sleep(LATER)
			if commit:
				one.ok("-n")
				for option in ("-c", "-f", "-R", "-B"):
					two.ok(option)
			for each in begun:
				each.result()
		for conn in new + old:
			assert say(conn, b"after")
		mine = {conn.getsockname()[1] for conn in new}
		began = [line for line in events.read_text().splitlines() if any(f" sport={port} " in line for port in mine)]
		assert began and not nat_ports("\n".join(began)) & taken, (began, taken)


MANY = 20000


def test_talkers_among_many(lab: Lab) -> None:
	"""The flows that talk are a few of many: they are committed first, and so is what a new connection could get in the way of.
	All the others follow, and none is committed twice."""
	one, two = start(lab)
	with told(one, two):
		scenario.serve(lab)
		scenario.inject(lab, "fw1", MANY)
		talk = scenario.lines(lab, 50, interval=0.02)
		wait_replicated(one, two)
		talk.ask("mark")
		lab.addresses_to("fw2")
		with ThreadPoolExecutor(1) as pool:
			new = pool.submit(scenario.lines, lab, 5, interval=0.05)
			time.sleep(LATER)
			one.ok("-n")
			for option in ("-c", "-f", "-R", "-B"):
				two.ok(option)
			said = talk.ask("alive", 20), new.result().ask("alive", 20)
		assert said[0]["alive"] == 50 and said[0]["errors"] == [] and said[1]["alive"] == 5, said
		shown = json.loads(two.ok("-s", "gate", "--json"))["gate"]
		assert shown["ahead"] >= 25 and shown["sweeps"] >= 1 and shown["failed"] == 0 and shown["state"] == "open", shown
		committed = sum(int(n) for n in re.findall(r"Committed (\d+) new entries", two.log.read_text()))
		assert committed + shown["flows"] >= MANY + 50 > committed, (committed, shown)


def test_flood_of_strangers(lab: Lab) -> None:
	"""Thousands of flows that nobody knows come before the commit. They find no room; those that are known do."""
	one, two = start(lab, QueueLen=1024)
	with told(one, two):
		scenario.serve(lab)
		talk = scenario.lines(lab, 50, interval=0.05)
		wait_replicated(one, two)
		lab.addresses_to("fw2")
		with inside(lab.ns("client")):
			sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(40)]
		for port in range(100):
			for s in sockets:
				s.sendto(b"stranger", (SNAT4.address, 20000 + port))
		pace.sleep(0.3)
		one.ok("-n")
		for option in ("-c", "-f", "-R", "-B"):
			two.ok(option)
		said = talk.ask("alive", 20)
		assert said["alive"] == 50 and said["errors"] == [], said


def checksum(data: bytes) -> int:
	total = sum(struct.unpack(f"!{len(data) // 2}H", data))
	while total >> 16:
		total = (total & 0xffff) + (total >> 16)
	return ~total & 0xffff


def test_icmp_error(lab: Lab) -> None:
	"""An error about a packet of a flow that waits for the commit: nothing else of it comes, and the error reaches the client,
	translated back."""
	one, two = start(lab)
	with told(one, two):
		with inside(lab.ns("client")):
			client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		with inside(lab.ns("server")):
			server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
			raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
		server.bind((SNAT4.address, 9000)), server.settimeout(pace.seconds(10))
		client.connect((SNAT4.address, 9000)), client.settimeout(pace.seconds(10))
		client.send(b"one")
		_, (shared, port) = server.recvfrom(100)
		wait_replicated(one, two)
		lab.addresses_to("fw2")
		inner = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 31, 1, 0, 64, 17, 0, socket.inet_aton(shared), socket.inet_aton(SNAT4.address))
		inner += struct.pack("!HHHH", port, 9000, 11, 0) + b"one"
		head = struct.pack("!BBHI", 3, 3, 0, 0)
		body = head + inner + b"\0" * (len(inner) % 2)
		raw.sendto(body[:2] + struct.pack("!H", checksum(body)) + body[4:], (shared, 0))
		time.sleep(LATER)
		one.ok("-n")
		for option in ("-c", "-f", "-R", "-B"):
			two.ok(option)
		with pytest.raises(ConnectionRefusedError):
			client.recv(100)


def test_rules_that_the_kernel_refuses(lab: Lab) -> None:
	"""No queue in nftables: that is said where it can be mended. (With one: test_gate_native.py.)"""
	node = Node(lab, "fw1", OURS)
	with_gate(node, Rules="native")
	probe = "table inet probe { chain c { queue num 1\n}\n}"
	if run("ip", "netns", "exec", lab.ns("fw1"), "nft", "-f", "-", stdin=probe, check=False).returncode == 0:
		pytest.skip("this kernel has it")
	done = subprocess.run(node.argv(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=pace.seconds(20))
	line = next(i for i, text in enumerate(node.conf.read_text().splitlines(), 1) if text.startswith("\tGate"))
	assert done.returncode == 1
	assert f"{node.conf}:{line}:2: gate: the kernel refuses the rules: " in done.stdout + done.stderr


def test_queue_of_another_program(lab: Lab) -> None:
	"""It is an error where it can be mended, and nothing of the daemon is left."""
	one, _ = start(lab, gate=False)
	other = Node(lab, "fw1", OURS, "other")
	other.configure(link=type(one.link)(port=3781))
	with_gate(other, QueueNum=77)
	first = Node(lab, "fw1", OURS, "first")
	first.configure(link=type(one.link)(port=3782))
	with_gate(first, QueueNum=77)
	first.start()
	first.ok("-n")
	wait_until(lambda: "gate: closed" in first.log.read_text(), 10, "the gate is closed")
	done = subprocess.run(other.argv(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=pace.seconds(20))
	line = next(i for i, text in enumerate(other.conf.read_text().splitlines(), 1) if text.startswith("\tGate"))
	assert done.returncode == 1
	assert f"{other.conf}:{line}:2: gate: queue 77 is held by another program" in done.stdout + done.stderr
	first.stop()

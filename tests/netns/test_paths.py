# SPDX-License-Identifier: GPL-2.0-or-later
"""Both nodes active, without external cache: asymmetric paths, and each flow through one of the two."""

from __future__ import annotations

import os
import re
import signal
from typing import Callable, Iterator

import pytest

import pace
import scenario
from netlab import DOWNLOAD_PORT, ECHO_PORT, FW, PLAIN6, UDP_PORT, Target, run, wait_until
from node import Node
from paths import BACK4, BACK6, PLAIN4, SECOND4, SECOND6, PathLab, handshakes

each_mode = pytest.mark.parametrize("mode", ("FTFW", "NOTRACK"))
each_way = pytest.mark.parametrize("way", ("asymmetric", "symmetric"))
PORTS = {str(port) for port in (ECHO_PORT, DOWNLOAD_PORT, UDP_PORT)}
INJECT = {"DisableExternalCache": "on"}


@pytest.fixture
def lab(request: pytest.FixtureRequest) -> Iterator[PathLab]:
	with PathLab() as made:
		request.node.lab, request.node.nodes = made, []
		yield made


def lines(lab: PathLab, part: str, target: Target, connections: int = 10) -> scenario.Program:
	return scenario.Program(lab, part, "lines.py", "--connections", connections, "--interval", 0.3, target.address,
				ECHO_PORT).ready()


FLOWS = 60 + 9 + 2		# of Traffic


class Traffic:
	"""Connections of every kind, begun on either side, over both of the server's addresses."""

	def __init__(self, lab: PathLab):
		for part in ("client", "server"):
			scenario.Program(lab, part, "server.py", ECHO_PORT, DOWNLOAD_PORT, UDP_PORT).ready()
		self.programs = [(lines(lab, "client", target), 10) for target in (PLAIN4, PLAIN6, SECOND4, SECOND6)]
		self.programs += [(lines(lab, "server", target), 10) for target in (BACK4, BACK6)]
		self.programs += [(scenario.udp_stream(lab, target, 3), 3) for target in (PLAIN4, PLAIN6)]
		self.programs += [(scenario.Program(lab, "server", "udpstream.py", "--streams", 3, BACK4.address, UDP_PORT).ready(), 3)]
		self.loads = [scenario.download(lab, 60 << 20, 100 << 10, target) for target in (PLAIN4, SECOND4)]

	def alive(self, when: str, patience: float = 20) -> None:
		for program, _ in self.programs:
			program.tell("alive", patience)
		wrong = [f"{program.name}: {said}" for program, count in self.programs
			 if (said := program.answer(patience))["alive"] != count]
		for load in self.loads:
			before = load.ask("mark")["bytes"]
			wait_until(lambda: load.ask("mark")["bytes"] > before, patience, f"{when}: the download goes on")
		assert not wrong, f"{when}: {wrong}"


def names(node: Node) -> set[tuple]:
	"""The flows of a kernel that live, by their two ends: an answer in UDP that was here before the state, and that the rules
	let begin a flow, has its sender in front. Not by what the two nodes see differently, each having one direction."""
	found = set()
	for flow in node.kernel():
		end = dict(flow.orig)
		if flow.state in ("", "ESTABLISHED") and {end.get("sport"), end.get("dport")} & PORTS:
			found.add((flow.proto, frozenset({(end["src"], end["sport"]), (end["dst"], end["dport"])})))
	return found


def wait_same(nodes: tuple[Node, ...], when: str) -> None:
	last: list[set] = []

	def same() -> bool:
		last[:] = [names(node) for node in nodes]
		return len(last[0]) >= FLOWS and last[0] == last[1]

	try:
		wait_until(same, 30, step=0.5)
	except AssertionError:
		raise AssertionError(f"{when}: {len(last[0])} and {len(last[1])} of {FLOWS} flows; only {nodes[0].fw}: "
				     f"{last[0] - last[1]}\nonly {nodes[1].fw}: {last[1] - last[0]}") from None


@each_way
@each_mode
def test_either_dies(lab: PathLab, pair: Callable, mode: str, way: str) -> None:
	"""One node dies, comes back with an empty table, and then the other one dies. Everything lives on, and nobody types
	anything: what the survivor forwards in place of the dead one the kernel does not say."""
	nodes = pair(mode=mode, mode_options=INJECT)
	getattr(lab, way)()
	traffic = Traffic(lab)
	traffic.alive("at the beginning")
	for dying, survivor in (nodes, nodes[::-1]):
		wait_same(nodes, f"before {dying.fw} dies")
		dying.cut()
		lab.through(survivor.fw)
		traffic.alive(f"{dying.fw} is dead")
		pace.sleep(2)		# whatever is going to be removed
		traffic.alive(f"{dying.fw} has been dead for a while")
		dying.reboot()
		dying.start()
		wait_same(nodes, f"{dying.fw} is back")
		getattr(lab, way)()
		traffic.alive(f"{dying.fw} forwards again")


@each_mode
def test_asymmetric_handshakes(lab: PathLab, pair: Callable, mode: str) -> None:
	"""Each connection comes to be, at once where the way to the server is longer than the way of the state, and ends on
	both nodes."""
	for fw in FW:
		lab.sysctl(fw, {"net/netfilter/nf_conntrack_tcp_timeout_close_wait": 10})	# whose entries are forgotten last
	nodes = pair(mode=mode, mode_options=INJECT)
	scenario.serve(lab)
	wait_until(lambda: all("last heard" in node.ok("-s", "peers") for node in nodes), 20, "the two have met")
	lab.delay("server", 200)	# each way: far longer than a busy machine needs to tell a state
	took = handshakes(lab, 100, 50, PLAIN4.address)
	assert took.connect["median"] < 950, took	# a SYN is sent again after 1000 ms
	assert took.synack_lost < 50, took	# its first ACK goes back at once, and may well be too early
	lab.delay("server", 0)
	handshakes(lab, 50, 50, PLAIN4.address)
	wait_until(lambda: not any(names(node) for node in nodes), 30, "all have ended")
	wait_until(lambda: not any(node.kernel() for node in nodes), 120, "and are forgotten", 1)


def injected(node: Node) -> dict[str, int]:
	block = re.search(r"injected flows:\n\tof the peers only:\s+(\d+)\n\tended there, in use here:\s+(\d+)\n", node.ok("-s", "cache"))
	assert block, node.ok("-s", "cache")
	return {"foreign": int(block[1]), "in_use": int(block[2])}


@each_mode
def test_whose_flow(lab: PathLab, pair: Callable, mode: str) -> None:
	"""Lost events do not make the peer's flows ours. A peer that starts anew makes them ours; then it is told."""
	small = {"NetlinkBufferSize": 8192, "NetlinkBufferSizeMaxGrowth": 8192}
	one, two = pair(mode=mode, mode_options=INJECT, general=small)
	scenario.inject(lab, "fw1", 500)
	wait_until(lambda: len(two.kernel()) == 500, 20)
	assert injected(two)["foreign"] == 500 and not two.internal()
	os.kill(two.pid, signal.SIGSTOP)
	scenario.inject(lab, "fw2", 400, family=6)
	os.kill(two.pid, signal.SIGCONT)
	wait_until(lambda: re.search(r"netlink overrun:\s+[1-9]", two.ok("-s", "runtime")), 20)
	wait_until(lambda: len(two.internal()) == 400, 20, "what was lost is found")
	wait_until(lambda: len(one.kernel()) == 900, 20, "and told")
	assert injected(two)["foreign"] == 500 and injected(one)["foreign"] == 400
	# the peer loses its table and starts anew
	one.stop()
	run("ip", "netns", "exec", lab.ns("fw1"), "conntrack", "-F")
	one.start()
	wait_until(lambda: len(one.kernel()) == 900, 30, "all of them come back")
	assert len(two.internal()) == 900 and injected(two)["foreign"] == 0


def test_polling(lab: PathLab, pair: Callable) -> None:
	"""No events: each poll sees the peer's flows in our kernel, and leaves them alone."""
	one, two = pair(mode_options=INJECT, general={"PollSecs": 1})
	scenario.inject(lab, "fw1", 300)
	wait_until(lambda: len(two.kernel()) == 300, 20)
	scenario.inject(lab, "fw2", 100, family=6)
	wait_until(lambda: len(one.kernel()) == 400, 20)
	pace.sleep(3)
	assert len(one.internal()) == 300 and len(two.internal()) == 100


@each_mode
def test_long_streams(lab: PathLab, pair: Callable, mode: str) -> None:
	"""UDP that goes on and on tells nothing, and nothing of it passes the other node; but that one's kernel keeps it."""
	for fw in FW:
		lab.sysctl(fw, {"net/netfilter/nf_conntrack_udp_timeout": 8, "net/netfilter/nf_conntrack_udp_timeout_stream": 8})
	nodes = pair(mode=mode, mode_options=INJECT)
	lab.symmetric()
	scenario.serve(lab)
	stream = scenario.udp_stream(lab, PLAIN4, 5)
	wait_until(lambda: len(names(nodes[1])) == 5, 20, "the other node has been told")
	for second in range(20):
		pace.sleep(1)
		assert len(names(nodes[1])) == 5, f"after {second} s"
	assert stream.ask("alive", 10)["alive"] == 5
	# and not for ever
	stream.end()
	wait_until(lambda: not names(nodes[0]), 80)
	wait_until(lambda: not names(nodes[1]), 80, "the other node forgets them, too")

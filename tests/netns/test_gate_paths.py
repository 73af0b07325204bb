# SPDX-License-Identifier: GPL-2.0-or-later
"""Both nodes active on asymmetric paths: a packet that is ahead of its state waits for it, if so wanted."""

from __future__ import annotations

import json
import socket
import struct
from typing import Callable, Iterator

import pytest

import scenario
from netlab import inside, run, wait_until
from node import OURS, Node
from paths import PLAIN4, PathLab, handshakes
from test_json import hold
from test_gate import QUEUE, iptables, with_gate

COUNT = 40


@pytest.fixture
def lab(request: pytest.FixtureRequest) -> Iterator[PathLab]:
	with PathLab() as made:
		request.node.lab, request.node.nodes = made, []
		yield made


def start(lab: PathLab, make: Callable[..., Node], gate: bool, **options: object) -> tuple[Node, ...]:
	nodes = make("fw1", OURS), make("fw2", OURS)
	for node in nodes:
		node.configure(mode_options={"DisableExternalCache": "on"})
		if gate:
			with_gate(node, Wait=1000, **options)	# milliseconds; some are enough but where a machine is busy
			iptables(lab, node.fw, "-A PREROUTING -i lo -j RETURN", "-A PREROUTING -i sync0 -j RETURN")
			for program in ("iptables-legacy", "ip6tables-legacy"):
				run("ip", "netns", "exec", lab.ns(node.fw), program, "-w", "-t", "raw", "-A", "PREROUTING", "-p", "tcp", "-j", "NFQUEUE",
					   "--queue-num", QUEUE, "--queue-bypass")
		node.start()
	wait_until(lambda: all("last heard" in node.ok("-s", "peers") for node in nodes), 20, "the two have met")
	return nodes


@pytest.mark.parametrize("gate", [True, False], ids=["waits", "control"])
def test_first_packets(lab: PathLab, make: Callable, gate: bool) -> None:
	"""Client and server are as near as can be, so each handshake loses both races without."""
	nodes = start(lab, make, gate)
	scenario.serve(lab)
	took = handshakes(lab, COUNT, 20, PLAIN4.address)
	if gate:
		documents = [json.loads(node.ok("-s", "gate", "--json")) for node in nodes]
		for document in documents:
			hold(document, "gate")
		shown = [document["wait"] for document in documents]
		assert sum(each["in_time"] for each in shown) > 0 and not any(each["late"] or each["held_now"] for each in shown), shown
		assert took.again == took.request_again == took.synack_lost == took.client_lost == 0, took
	else:
		assert took.again + took.request_again > COUNT / 2, took


def test_no_room(lab: PathLab, make: Callable) -> None:
	"""More packets of unknown connections than may wait: the others pass, and none is dropped."""
	one, _ = start(lab, make, True, QueueLen=64)
	with inside(lab.ns("client")):
		raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
	for port in range(20000, 20400):
		raw.sendto(struct.pack("!HHIIBBHHH", port, 9, 1, 1, 0x50, 0x10, 1000, 0, 0), (PLAIN4.address, 0))
	shown = json.loads(one.ok("-s", "gate", "--json"))["wait"]
	assert shown["no_room"] > 0 and shown["dropped_kernel"] == 0, shown

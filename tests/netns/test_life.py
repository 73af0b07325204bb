# SPDX-License-Identifier: GPL-2.0-or-later
"""How long a committed entry lives: as long as its state and its owner's silence allow, not as long as the last news were
good for. The rules stand in src/follow/entry_timeout.c, and its unit test has all of them."""

from __future__ import annotations

import re
import signal
import time
from typing import Callable

import pytest

import pace
import scenario
from netlab import SNAT4, UDP_PORT, Lab, run, wait_until
from node import Node, wait_replicated

OWN = {"udp_timeout_stream": 120, "tcp_timeout_established": 5000}

# name: protocol and port, conntrack(8)'s words, the timeout that is told
KINDS = {
	"udp": (7001, "-p udp -u SEEN_REPLY,ASSURED", 13),
	"udp, lifted to a day": (7002, "-p udp -u SEEN_REPLY,ASSURED", 86400),
	"established": (7003, "-p tcp --state ESTABLISHED -u SEEN_REPLY,ASSURED", 13),
	"syn sent, over": (7004, "-p tcp --state SYN_SENT", 13),
	"time wait, over": (7005, "-p tcp --state TIME_WAIT -u SEEN_REPLY,ASSURED", 13),
	"close, not yet": (7006, "-p tcp --state CLOSE -u SEEN_REPLY", 100),
}


def lives(lab: Lab, fw: str) -> dict[int, int]:
	"""Destination port of each entry: the seconds it has left."""
	rows = run("ip", "netns", "exec", lab.ns(fw), "conntrack", "-L").stdout.splitlines()
	return {int(re.search(r"dport=(\d+)", row)[1]): int(row.split()[2]) for row in rows}


def make(lab: Lab, fw: str, port: int, words: str, timeout_s: int, count: int = 1) -> None:
	for n in range(count):
		run("ip", "netns", "exec", lab.ns(fw), "conntrack", "-I", *words.split(), "-s", "10.10.1.1", "-d", "10.20.1.1",
		    "--sport", 20000 + n, "--dport", port, "-t", timeout_s)


def test_owner_is_silent(lab: Lab, pair: Callable) -> None:
	"""A quarter of a minute after the last word: a handshake is over, a flow that packets renew is not, whatever was told."""
	active, replica = pair()
	lab.sysctl("fw2", {f"net/netfilter/nf_conntrack_{name}": value for name, value in OWN.items()})
	told = time.monotonic()
	for port, words, timeout_s in KINDS.values():
		make(lab, "fw1", port, words, timeout_s)
	wait_replicated(active, replica)
	active.stop(signal.SIGKILL)
	silent = time.monotonic()
	pace.sleep(max(0.0, told + 15 - silent))
	text = replica.ok("-c")
	left = lives(lab, "fw2")
	silence, age = time.monotonic() - silent, time.monotonic() - told
	lost = silence - 10

	def about(name: str, life: float) -> None:
		"""Less for our haste; more for seconds that were cut off, and for a moment between the kernel and us."""
		port = KINDS[name][0]
		assert life - 15 <= left.get(port, 0) <= life + 4, f"{name}: {left.get(port)} s left, not {life:.0f}; {text}"

	about("udp", OWN["udp_timeout_stream"] - lost)
	about("udp, lifted to a day", OWN["udp_timeout_stream"] - lost)
	about("established", OWN["tcp_timeout_established"] - lost)
	about("close, not yet", 100 - age)
	assert left.keys() == {KINDS[name][0] for name in KINDS if not name.endswith("over")}, text
	assert "2 entries have ended since their owner told them" in replica.log.read_text()


def test_owner_is_there(lab: Lab, pair: Callable) -> None:
	"""A stream of which nothing was told for its whole life is forwarded: it gets a whole life here."""
	active, replica = pair()
	lab.sysctl("fw1", {"net/netfilter/nf_conntrack_udp_timeout": 8, "net/netfilter/nf_conntrack_udp_timeout_stream": 8})
	scenario.serve(lab)
	stream = scenario.udp_stream(lab, SNAT4, 3)
	wait_replicated(active, replica)
	pace.sleep(10)
	wait_replicated(active, replica)
	replica.ok("-c")
	assert min(lives(lab, "fw2").values()) > 100, lives(lab, "fw2")
	assert stream.ask("alive", 15)["alive"] == 3


@pytest.mark.parametrize("mode", ["FTFW", "NOTRACK"])
def test_owner_left_a_gap(lab: Lab, pair: Callable, mode: str) -> None:
	"""It fell silent while some of what it had sent was missing: the commit says of how many flows that makes it unsure."""
	active, replica = pair(mode=mode)
	make(lab, "fw1", 7001, "-p udp -u SEEN_REPLY,ASSURED", 600, 20)
	wait_replicated(active, replica)
	replica.ok("-c")
	assert "uncertain" not in replica.log.read_text()

	def cut(*chains: str) -> None:
		rules = "".join(f"chain {hook} {{ type filter hook {hook} priority -200; {way} \"sync*\" drop; }}\n"
				for hook, way in (("input", "iifname"), ("output", "oifname")) if hook in chains)
		run("ip", "netns", "exec", lab.ns("fw2"), "nft", "-f", "-",
		    stdin=f"table inet cut {{}}\ndelete table inet cut\ntable inet cut {{\n{rules}}}\n")

	lost = _lost(replica)
	cut("input", "output")
	make(lab, "fw1", 7002, "-p udp -u SEEN_REPLY,ASSURED", 600, 3)
	pace.sleep(0.5)
	cut("output")		# the gap shows, but nobody hears us ask
	wait_until(lambda: _lost(replica) > lost, 10, "the gap shows")
	active.stop(signal.SIGKILL)
	pace.sleep(3)
	replica.ok("-c")
	found = re.search(r"(\d+) flows are uncertain: their owner fell silent", replica.log.read_text())
	assert found and int(found[1]) == len(replica.external()), replica.log.read_text()


def _lost(node: Node) -> int:
	found = re.search(r"lost=?\s*:?\s*(\d+)|(\d+)\s+lost", node.ok("-s", "network") + node.ok("-s"))
	assert found, node.ok("-s", "network")
	return int(found[1] or found[2])

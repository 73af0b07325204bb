# SPDX-License-Identifier: GPL-2.0-or-later
"""NOTRACK with DisableInternalCache: what the kernel says goes straight on the wire."""

from __future__ import annotations

import os
import re
import time
from typing import Callable

import pytest

import pace
import scenario
from conftest import PAIRS
from netlab import DNAT4, SNAT4, Lab, run, wait_until
from node import DEBIAN, OURS, Node, wait_replicated
from test_inject import change_roles, same_kernels

each_pair = pytest.mark.parametrize("active,replica", PAIRS)
BYPASS = {"DisableInternalCache": "on"}
NO_CACHES = {**BYPASS, "DisableExternalCache": "on"}
MB = 1 << 20


def start(pair: Callable, active: str = OURS, replica: str = OURS, **more: object) -> tuple[Node, Node]:
	return pair(active, replica, **{"mode": "NOTRACK", "mode_options": BYPASS, **more})


def sent(node: Node) -> dict[str, int]:
	"""new, updated, destroyed: messages."""
	block = re.search(r"internal bypass:\n((?:connections .*\n){3})\n", node.ok("-s"))
	assert block, node.ok("-s")
	return {word: int(done) for word, done in re.findall(r"connections (\w+):\t\t *(\d+)\n", block[1])}


@each_pair
def test_replica_follows(lab: Lab, pair: Callable, active: str, replica: str) -> None:
	"""Flows that are born, change and end while the daemons run; nothing is left behind where they were sent."""
	one, two = start(pair, active, replica)
	scenario.inject(lab, "fw1", 500)
	scenario.inject(lab, "fw1", 50, family=6)
	scenario.serve(lab)
	scenario.lines(lab, 20)
	run("ip", "netns", "exec", lab.ns("fw1"), "nft", "insert rule inet fw forward tcp dport 7001 ct mark set 9")
	wait_until(lambda: sum(flow.mark == 9 for flow in two.external()) == 20, 20, "a change arrives")
	wait_replicated(one, two)
	scenario.inject(lab, "fw1", 300, first=100, delete=True)
	wait_replicated(one, two)
	assert len(two.external()) == 270
	if active == OURS:
		said = sent(one)
		assert said["destroyed"] == 300 and said["new"] >= 550 and said["updated"] >= 1, said
		assert "cache internal" not in one.ok("-s") + one.ok("-s", "cache")


@pytest.mark.parametrize("how", ("-n", "-B", "StartupResync", "by itself"))
@each_pair
def test_what_was_there_before(lab: Lab, make: Callable, active: str, replica: str, how: str) -> None:
	scenario.inject(lab, "fw1", 5000)
	nodes = one, two = make("fw1", active), make("fw2", replica)
	one.configure(mode="NOTRACK", mode_options=BYPASS)
	two.configure(mode="NOTRACK", mode_options={"StartupResync": "on" if how == "StartupResync" else None})
	for node in nodes:
		node.start()
	if how == "by itself" and OURS != active:
		pytest.skip("1.4.x sends only what it is asked for")
	if how.startswith("-"):
		(two if how == "-n" else one).ok(how)
	# And while they are told. The kernel reports no ends of those that were there before anybody listened.
	scenario.inject(lab, "fw1", 1000, first=5000)
	scenario.inject(lab, "fw1", 500, first=5200, delete=True)
	wait_replicated(*nodes, timeout=60)


@each_pair
def test_connections_survive(lab: Lab, pair: Callable, active: str, replica: str) -> None:
	"""The commit fills the kernel table without a cache that follows."""
	nodes = start(pair, active, replica)
	scenario.serve(lab)
	out = scenario.failover(lab, *nodes, scenario.Plan(download_size=8 * MB))
	assert out.commit_difference == ""
	assert out.lines["alive"] == out.lines["connections"] == 200, out
	assert out.download["hash_good"], out
	assert out.udp["alive"] == 1, out


@each_pair
def test_no_caches_at_all(lab: Lab, pair: Callable, active: str, replica: str) -> None:
	"""Straight from kernel to kernel: the addresses move there and back, and every connection lives on."""
	nodes = start(pair, active, replica, mode_options=NO_CACHES)
	scenario.serve(lab)
	programs = [scenario.lines(lab, 20, target) for target in (SNAT4, DNAT4)]
	wait_until(lambda: not same_kernels(*nodes), 20, "the same kernel tables", 0.3)
	for old, new in (nodes, nodes[::-1]):
		lab.addresses_to(new.fw)
		if new.which == OURS:
			change_roles(old, new)
		else:		# its -f would flush the kernel table; it takes everything anew, as liberal entries, at our -B
			old.ok("-B")
			pace.sleep(1)
		wait_until(lambda: not same_kernels(*nodes), 20, "the same kernel tables after the change", 0.3)
		for program in programs:
			assert program.ask("alive", 10)["alive"] == 20, f"{old.which} -> {new.which}"
	for program in programs:
		program.end()
	for node in nodes:
		if node.which == OURS:
			assert node.ctl("-c").returncode == 0 and node.ok("-e") == ""


def same_words(line: str) -> str:
	"""A line without what changes while one looks."""
	line = re.sub(r"^(\S+ +\d+ )\d+ ", r"\1T ", line)
	return re.sub(r"<timeout>\d+<", "<timeout>T<", line)


@pytest.mark.parametrize("accounting", (0, 1))
def test_dump_like_debian(lab: Lab, make: Callable, accounting: int) -> None:
	"""-i is the kernel's view, in the words of 1.4.7 and beside it on the same table."""
	lab.sysctl("fw1", {"net/netfilter/nf_conntrack_acct": accounting})
	scenario.serve(lab)
	talk = scenario.lines(lab, 3, interval=1000)
	scenario.inject(lab, "fw1", 2000)
	scenario.inject(lab, "fw1", 5, family=6)
	shown = {}
	for which in (OURS, DEBIAN):
		node = make("fw1", which, which)
		node.configure(mode="NOTRACK", mode_options=BYPASS)
		node.start()
		pace.sleep(0.5)
		shown[which] = sorted(map(same_words, node.ok("-i").splitlines()))
		if which == OURS:
			xml = node.ok("-i", "-x").splitlines()
			assert len(xml) == len(shown[which]) and all(
				re.match("<flow>.*<timeout>.*<use>.*</flow>$", x) for x in xml)
		node.stop()
	assert len(shown[OURS]) >= 2008
	assert shown[OURS] == shown[DEBIAN]
	talk.end()


def test_commands(lab: Lab, make: Callable) -> None:
	node = make("fw1")
	node.configure(mode="NOTRACK", mode_options=BYPASS)
	node.start()
	scenario.inject(lab, "fw1", 50)
	for options in (("-f",), ("-f", "internal"), ("-R",)):
		said = node.says(*options)
		also = ["flushing external cache"] if options == ("-f",) else []
		assert "nothing to do" in said and len(said.splitlines()) == 1 + len(also) and set(also) <= set(said.splitlines()), said
		done = node.ctl(*options)
		assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done
	assert len(node.kernel()) == 50
	node.ok("-t")
	node.ok("-c")
	pace.sleep(3)
	assert len(node.kernel()) == 50, "a commit takes the scheduled flush back"
	node.ok("-F")
	assert not node.kernel() and node.ok("-i") == ""


def test_at_once(lab: Lab, pair: Callable) -> None:
	"""Nothing waits for a keepalive: on the wire at the end of the turn. The quickest of several, for a busy machine."""
	one, two = start(pair)
	took = []
	for i in range(10):
		pace.sleep(0.2)
		scenario.inject(lab, "fw1", 1, first=i)
		began = time.monotonic()
		wait_until(lambda: len(two.external()) == i + 1, 10, step=0.01)
		took.append(time.monotonic() - began)
	assert min(took) < 0.3, took


@each_pair
def test_window_tracking(lab: Lab, pair: Callable, active: str, replica: str) -> None:
	"""Ends of TCP flows carry no window scales, and 1.4.7 dies of that: so it does not play the active one here."""
	if active == DEBIAN:
		pytest.skip("ends at the first end of a connection")
	one, two = start(pair, active, replica, options={"TCPWindowTracking": "on"})
	scenario.serve(lab)
	talk = scenario.lines(lab, 20)
	wait_replicated(one, two)
	talk.end()
	run("ip", "netns", "exec", lab.ns("fw1"), "conntrack", "-D", "-p", "tcp")
	wait_until(lambda: not two.external(), 20, "the ends arrive")
	assert one.running() and two.running() and sent(one)["destroyed"] >= 20


def test_filter(lab: Lab, pair: Callable) -> None:
	"""The end of a flow is told whatever its last state."""
	one, two = start(pair, extra="Filter {\n\tState Accept {\n\t\tESTABLISHED for TCP\n\t}\n}\n")
	scenario.serve(lab)
	talk = scenario.lines(lab, 10)
	wait_until(lambda: len(two.external()) == 10, 20)
	talk.end()
	wait_until(lambda: {f.state for f in one.kernel()} & {"TIME_WAIT", "CLOSE", "LAST_ACK"}, 20)
	run("ip", "netns", "exec", lab.ns("fw1"), "conntrack", "-D", "-p", "tcp")
	wait_until(lambda: not two.external(), 20, "the ends arrive")


@pytest.mark.parametrize("options", [(), ("-x",), ("--json",)], ids=" ".join)
def test_filter_holds_for_the_dump(lab: Lab, pair: Callable, options: tuple[str, ...]) -> None:
	"""There is no cache to print, but what the Filter excludes would not be in it."""
	one, _ = start(pair, extra="Filter {\n\tAddress Ignore {\n\t\tIPv4_address 10.66.0.0/24\n\t}\n}\n")
	scenario.inject(lab, "fw1", 300)		# 10.66.0.0, and from there on
	scenario.inject(lab, "fw1", 10, family=6)
	wait_until(lambda: len(one.kernel()) == 310, 10)
	shown = one.ok("-i", *options)
	assert "10.66.0." not in shown and len(re.findall(r"ESTABLISHED", shown)) >= 10


def rss_kb(pid: int) -> int:
	with open(f"/proc/{pid}/statm") as f:
		return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def test_nothing_grows(lab: Lab, pair: Callable) -> None:
	"""As many flows again and again, with full sends between them: no more memory than after the first time."""
	one, two = start(pair)
	size = []
	for _ in range(6):
		scenario.inject(lab, "fw1", 4000)
		one.ok("-B")
		wait_replicated(one, two)
		scenario.inject(lab, "fw1", 4000, delete=True)
		wait_replicated(one, two)
		size.append(rss_kb(one.pid))
	assert size[-1] - size[1] < 1024, size


def test_loss_then_quiet(lab: Lab, pair: Callable) -> None:
	one, two = start(pair)
	lab.lossy("fw2", 10)
	for i in range(5):
		scenario.inject(lab, "fw1", 400, first=400 * i)
		if i >= 2:
			scenario.inject(lab, "fw1", 300, first=400 * (i - 2), delete=True)
		pace.sleep(0.2)
	lab.lossy("fw2", 0)
	wait_replicated(one, two, timeout=90)


def test_overrun(lab: Lab, pair: Callable) -> None:
	"""The kernel drops events, births and ends: the peer is told everything anew, and forgets what has ended."""
	one, two = start(pair, general={"NetlinkBufferSize": 8192, "NetlinkBufferSizeMaxGrowth": 8192})
	scenario.inject(lab, "fw1", 3000)
	wait_replicated(one, two, timeout=30)
	os.kill(one.pid, 19)		# SIGSTOP
	scenario.inject(lab, "fw1", 3000, first=3000)
	scenario.inject(lab, "fw1", 3000, delete=True)
	os.kill(one.pid, 18)
	wait_replicated(one, two, timeout=60)
	assert "told all flows anew" in one.log.read_text()
	assert re.search(r"netlink overrun:\s+[1-9]", one.ok("-s", "runtime"))


def test_polling(lab: Lab, pair: Callable) -> None:
	"""No events at all: everything is told again and again, and what is missing in it goes."""
	one, two = start(pair, general={"PollSecs": 1})
	scenario.inject(lab, "fw1", 300)
	wait_replicated(one, two)
	scenario.inject(lab, "fw1", 200, delete=True)
	wait_replicated(one, two)

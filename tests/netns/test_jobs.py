# SPDX-License-Identifier: GPL-2.0-or-later
"""Long work: who stops whom, what goes on without its client, what a flush of a cache leaves, what a restart remembers."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Callable, Iterator

import pytest

import pace
import scenario
import tables
from machine import room_for
from netlab import Lab, inside, wait_until
from node import Node, wait_replicated
from test_stats import collector

SCRIPT = ("-c", "-f", "-R", "-B")	# of a new primary


def count(lab: Lab, fw: str) -> int:
	with inside(lab.ns(fw)):
		return int(Path("/proc/sys/net/netfilter/nf_conntrack_count").read_text())


def cached(node: Node, cache: str, what: str = "current active connections") -> int:
	"""A figure of -s about one of its caches."""
	found = re.search(rf"^cache {cache}:\n(?:.*\n)*?{what}:\s+(\d+)", node.ok("-s"), re.M)
	assert found, node.ok("-s")
	return int(found[1])


def told(node: Node) -> tuple[int, int]:
	"""Messages about flows that a peer has told so far: of flows that were new here, and of known ones."""
	return cached(node, "external", "connections created"), cached(node, "external", "connections updated")


def start(node: Node, *options: str) -> subprocess.Popen[str]:
	return subprocess.Popen(node.argv(*options), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
				stderr=subprocess.PIPE, text=True)


# --- A commit stops a flush ------------------------------------------------------


@pytest.fixture
def room(big: int) -> Iterator[None]:
	with room_for(big + 5000):
		yield


# So large that a flush takes seconds, and below the usual nf_conntrack_max.
@pytest.mark.parametrize("how, big", [("-F", 240000), ("-t", 120000)], ids=["-F", "-t"])
def test_a_commit_stops_a_flush(room: None, lab: Lab, make: Callable, how: str, big: int) -> None:
	"""One that has begun, at once: what is born from then on lives, and the one who asked for the flush hears of it."""
	one, two = make("fw1"), make("fw2")
	two.configure(mode_options={"PurgeTimeout": 1})
	for node in (one, two):
		node.start()
	scenario.inject(lab, "fw1", 1000)
	wait_until(lambda: cached(two, "external") == 1000, 60, "what is to be committed")
	os.kill(one.pid, signal.SIGSTOP)		# it would only take processors away
	scenario.inject(lab, "fw2", big, first=100000)
	wait_until(lambda: cached(two, "internal") == big, 60, "what is to be flushed")
	scenario.serve(lab)
	lab.addresses_to("fw2")
	flush = start(two, how)
	wait_until(lambda: count(lab, "fw2") < big - 2000, 20, "the flush has begun", 0.005)
	with ThreadPoolExecutor(1) as person:
		commit = person.submit(two.says, "-c")
		talk = scenario.lines(lab, 40, interval=0.1)	# born while the flush would run
	assert "1000 created" in commit.result()
	left = count(lab, "fw2")
	complaint = flush.communicate(timeout=pace.seconds(60))[1]
	pace.sleep(1)
	assert count(lab, "fw2") >= left > big // 10, "nothing more is deleted"
	assert talk.ask("alive", 10)["alive"] == 40
	if how == "-F":
		found = re.search(r"^(\d+) of (\d+) deleted, stopped by a commit$", complaint, re.M)
		assert flush.returncode == 1 and found and int(found[1]) < int(found[2]), complaint
	stopped = re.search(r"flush of the kernel table stopped by a commit: (\d+) of (\d+) flows deleted", two.log.read_text())
	assert stopped and int(stopped[1]) < int(stopped[2]) == big, two.log.read_text()
	wait_until(lambda: cached(two, "internal") == count(lab, "fw2"), 30, "the cache is the table")


def test_a_commit_stops_a_flush_where_states_are_injected(lab: Lab, make: Callable) -> None:
	"""There is nothing to commit, but the node is active all the same."""
	two = make("fw2")
	two.configure(mode_options={"DisableExternalCache": "on"})
	two.start()
	scenario.inject(lab, "fw2", 60000, first=100000)
	wait_until(lambda: cached(two, "internal") == 60000, 60)
	flush = start(two, "-F")
	wait_until(lambda: count(lab, "fw2") < 59000, 20, "the flush has begun", 0.005)
	two.ok("-c")
	assert "stopped by a commit" in flush.communicate(timeout=pace.seconds(60))[1] and flush.returncode == 1
	left = count(lab, "fw2")
	assert left > 5000
	pace.sleep(1)
	assert count(lab, "fw2") == left


def queued(node: Node, *commands: tuple[str, ...]) -> list[tuple[int, str]]:
	"""All are there when the daemon reads the first of them: each meets what those before it have begun. Status of each, and
	what a person is told."""
	os.kill(node.pid, signal.SIGSTOP)
	with ThreadPoolExecutor(len(commands)) as people:
		clients = []
		for options in commands:
			clients.append(people.submit(node.told, *options))
			pace.sleep(0.7)		# it has asked
		os.kill(node.pid, signal.SIGCONT)
		return [client.result() for client in clients]


def test_a_commit_stops_a_flush_of_the_external_cache(lab: Lab, pair: Callable) -> None:
	"""What is to be committed is not forgotten under it, and whoever asked for the flush hears of it."""
	_, two = pair(mode_options={"PurgeTimeout": 600})	# so long nobody is asked for what was forgotten
	scenario.inject(lab, "fw1", 60000)
	wait_until(lambda: cached(two, "external") == 60000, 60)
	(status, complaint), (committed, said) = queued(two, ("-f", "external"), ("-c",))
	left = cached(two, "external")
	assert committed == 0 and left > 20000 and f"{left} created" in said, (left, said)
	assert status == 1 and "stopped by a commit" in complaint, complaint
	pace.sleep(1)
	assert cached(two, "external") == left == count(lab, "fw2")


def test_what_the_log_tells_of_a_scheduled_flush(make: Callable) -> None:
	node = make("fw1")
	node.start()
	node.ok("-t")
	assert "flushing conntrack table in 2 secs" in node.log.read_text()
	assert "flush of the kernel table (-t):\tin " in node.ok("-s", "runtime")
	node.ok("-c")
	assert "the scheduled flush of the kernel table (-t) is cancelled by -c" in node.log.read_text()
	assert re.search(r"^\tactive:\t+for \d+ s$", node.ok("-s", "runtime"), re.M)
	node.ok("-t")
	node.ok("-f", "internal")
	assert "(-t) is cancelled by -f" in node.log.read_text()
	node.ok("-n")
	assert re.search(r"^\tactive:\t+no, by -n$", node.ok("-s", "runtime"), re.M)


def test_no_scheduled_flush_in_the_statistics_mode(lab: Lab, make: Callable) -> None:
	"""It does nothing, and says so; 1.4.7 does nothing silently. -f of the internal cache loses nothing."""
	node = collector(make("fw1"), "stats")
	node.start()
	scenario.inject(lab, "fw1", 10)
	wait_until(lambda: cached(node, "stats") == 10, 10)
	assert "nothing is scheduled in the statistics mode" in node.says("-t")
	log = node.log.read_text()
	assert "ignoring -t: nothing is scheduled in the statistics mode" in log and "flushing conntrack table" not in log
	assert "never in the statistics mode, 1 ignored" in node.ok("-s", "runtime")
	node.ok("-f", "internal")
	pace.sleep(0.5)
	assert cached(node, "stats") == 10


# --- Flushing the internal cache ---------------------------------------------------


@pytest.mark.parametrize("mode, ask", [("FTFW", "-n"), ("FTFW", "restart"), ("FTFW", "gap"), ("NOTRACK", "-n")])
def test_a_standby_keeps_all_when_the_active_one_flushes(lab: Lab, pair: Callable, mode: str, ask: str) -> None:
	"""-f there, then anything that makes the standby ask: its external cache is never less than the kernel of the active one."""
	one, two = pair(mode=mode, mode_options={"ResendQueueSize": 100} if mode == "FTFW" else {})
	scenario.inject(lab, "fw1", 5000)
	wait_replicated(one, two, 30)
	one.ok("-c")
	one.ok("-f")
	if ask == "-n":
		two.ok("-n")
	elif ask == "restart":
		two.stop()
		two.start()
	else:
		lab.ip("fw1", "link set sync0 down")
		scenario.inject(lab, "fw1", 500, first=50000)
		pace.sleep(1.5)
		lab.links("fw1", up=True)
	deadline = time.monotonic() + pace.seconds(2.5)
	while time.monotonic() < deadline:
		if ask != "restart":
			assert cached(two, "external") >= 5000
		pace.sleep(0.2)
	wait_replicated(one, two, 30)
	assert cached(one, "internal") == count(lab, "fw1")


def flows_without_an_end(lab: Lab, one: Node, two: Node) -> None:
	"""Both nodes know 400 flows of `one`; the kernel will not report the end of the first 300."""
	lab.sysctl("fw1", {"net/netfilter/nf_conntrack_events": 0})
	scenario.inject(lab, "fw1", 300)		# without the extension that reports an end
	lab.sysctl("fw1", {"net/netfilter/nf_conntrack_events": 1})
	scenario.inject(lab, "fw1", 100, first=1000)
	one.ok("-f", "internal")
	wait_until(lambda: cached(one, "internal") == 400 == cached(two, "external"), 20, "what the kernel has becomes known")


def test_what_the_kernel_has_not_goes(lab: Lab, pair: Callable) -> None:
	"""-f internal compares: flows whose end was never told are found out, here and at the peer; the others stay as they are."""
	one, two = pair()
	flows_without_an_end(lab, one, two)
	before = told(two)
	scenario.inject(lab, "fw1", 200, delete=True)
	one.ok("-f", "internal")
	wait_until(lambda: cached(one, "internal") == 200 == cached(two, "external"), 20, "what it has not any more goes")
	assert told(two) == before, "what stays is not told again"


def test_a_bulk_update_follows_a_comparison(lab: Lab, pair: Callable) -> None:
	"""-R, and -B while it works: what the comparison finds to be gone is not told before."""
	one, two = pair(mode_options={"PurgeTimeout": 600})
	flows_without_an_end(lab, one, two)
	two.ok("-c")
	two.ok("-f", "external")		# active: it stays empty
	assert cached(two, "external") == 0
	before = told(two)
	scenario.inject(lab, "fw1", 200, delete=True)
	(_, _), (status, said) = queued(one, ("-R",), ("-B",))
	assert status == 0 and "the bulk update follows what is still running" in said, said
	wait_until(lambda: cached(two, "external") == 200, 20, "what the kernel has is told")
	pace.sleep(1)
	assert (told(two)[0] - before[0], told(two)[1] - before[1]) == (200, 0)
	assert cached(one, "internal") == 200


@pytest.mark.parametrize("n", [50, 50000])
def test_the_script_tells_everything_once(lab: Lab, pair: Callable, n: int) -> None:
	"""-c -f -R -B in a row, small and so large that each follows while the one before still works."""
	one, two = pair()
	scenario.inject(lab, "fw1", n)
	scenario.serve(lab)
	scenario.lines(lab, 20, interval=60)
	wait_until(lambda: cached(two, "external") == n + 20, 60)
	flows = one.kernel() if n < 1000 else None
	lab.addresses_to("fw2")
	before = told(one)
	for option in SCRIPT:
		two.ok(option)
	wait_until(lambda: sum(told(one)) - sum(before) >= n + 20, 60, "everything is told")
	pace.sleep(1.5)
	assert (told(one)[0] - before[0], told(one)[1] - before[1]) == (n + 20, 0)
	assert cached(two, "internal") == n + 20 == cached(one, "external")
	if flows:
		assert tables.difference(flows, two.kernel()) == ""
		assert tables.difference(two.kernel(), two.internal()) == ""


TELL_S = 10		# after a commit that no -B follows


@pytest.mark.parametrize("script", ["-c -f", "-c -f -R -B"])
def test_what_a_commit_creates_is_told_once(lab: Lab, pair: Callable, script: str) -> None:
	"""The kernel's events of a commit are not told. A script that ends without -B must not leave its peer blind for good, and
	one that has told everything does not tell it again."""
	one, two = pair()
	scenario.inject(lab, "fw1", 500)
	wait_until(lambda: cached(two, "external") == 500, 60)
	before = told(one)
	for option in script.split():
		two.ok(option)
	wait_until(lambda: cached(one, "external") == 500, 60, "the new backup knows what was committed")
	pace.sleep(TELL_S + 2)
	assert (told(one)[0] - before[0], told(one)[1] - before[1]) == (500, 0)
	assert ("no -B has followed it" in two.log.read_text()) == ("-B" not in script)


# --- Flushing the external cache ---------------------------------------------------


def test_a_flush_goes_on_without_its_client(lab: Lab, pair: Callable) -> None:
	_, two = pair()
	two.ok("-c")		# active: it stays empty
	scenario.inject(lab, "fw1", 60000)
	wait_until(lambda: cached(two, "external") == 60000, 60)
	os.kill(two.pid, signal.SIGSTOP)
	client = start(two, "-f")
	pace.sleep(0.7)		# it has asked, and nobody has read that yet
	client.kill()
	client.wait(pace.seconds(10))
	os.kill(two.pid, signal.SIGCONT)
	wait_until(lambda: cached(two, "external") == 0, 20, "the cache is emptied to its end")


def test_a_backup_fills_again_by_itself(lab: Lab, pair: Callable) -> None:
	one, two = pair()
	scenario.inject(lab, "fw1", 3000)
	wait_replicated(one, two)
	for options in (("-f", "external"), ("-f",)):		# no role command so far
		two.ok(*options)
		wait_until(lambda: cached(two, "external") == 3000, 20, "it has asked for everything")
	two.ok("-c")
	two.ok("-t")
	two.ok("-n")
	pace.sleep(1)
	two.ok("-f", "external")
	wait_until(lambda: cached(two, "external") == 3000, 20, "a backup asks at once")
	assert "emptied" not in two.ok("-s", "cache")


def test_alarm_fills_with_the_repetitions(lab: Lab, pair: Callable) -> None:
	"""There is nobody to ask; active or not, RefreshTime brings everything, and -s tells that it is not complete until then."""
	one, two = pair(mode="ALARM", mode_options={"RefreshTime": 2, "CacheTimeout": 30})
	scenario.inject(lab, "fw1", 500)
	wait_until(lambda: cached(two, "external") == 500, 20)
	two.ok("-c")
	two.ok("-f", "external")
	assert "external cache: incomplete" in two.ok("-s", "cache")
	wait_until(lambda: cached(two, "external") == 500, 20, "repeated")
	wait_until(lambda: "external cache: complete" in two.ok("-s", "cache"), 30)


def fill_time(lab: Lab, one: Node, two: Node) -> None:
	"""Twice PurgeTimeout."""


def fill_role(option: str) -> Callable:
	def fill(lab: Lab, one: Node, two: Node) -> None:
		two.ok(option)
	return fill


def fill_peer(lab: Lab, one: Node, two: Node) -> None:
	one.stop(signal.SIGKILL)
	one.start()


def fill_link(lab: Lab, one: Node, two: Node) -> None:
	lab.ip("fw2", "link set sync0 down")
	pace.sleep(0.5)
	lab.links("fw2", up=True)


@pytest.mark.parametrize("fill, purge", [(fill_time, 2), (fill_role("-t"), 600), (fill_role("-n"), 600), (fill_peer, 600),
					 (fill_link, 600)], ids=["time", "-t", "-n", "peer", "link"])
def test_an_active_node_stays_empty_for_a_while(lab: Lab, pair: Callable, fill: Callable, purge: int) -> None:
	"""What the old primary still has is not fetched before its own purge; -s says why, and what ends it."""
	one, two = pair(mode_options={"PurgeTimeout": purge})
	scenario.inject(lab, "fw1", 1000)
	wait_replicated(one, two)
	wait_until(lambda: "the table of peer" in two.log.read_text(), 20, "the answer to what it has asked for at its start")
	two.ok("-c")
	two.ok("-f")
	began = time.monotonic()
	pace.sleep(1)
	assert cached(two, "external") == 0 and cached(two, "internal") == 1000
	assert "cache external emptied:" in two.ok("-s", "cache") and "this node is active" in two.ok("-s", "cache")
	assert "the external cache stays empty" in two.log.read_text()
	fill(lab, one, two)
	wait_until(lambda: cached(two, "external") == 1000, 30, "the peers were asked")
	assert "emptied" not in two.ok("-s", "cache")
	if fill is fill_time:
		assert time.monotonic() - began >= 2 * purge - 0.2


@pytest.mark.parametrize("mode", ("FTFW", "NOTRACK"))
def test_what_is_flushed_after_it_was_told_does_not_stay(lab: Lab, pair: Callable, mode: str) -> None:
	"""The old primary is told to flush later than twice PurgeTimeout after the -f of the new one, which has asked by then."""
	one, two = pair(mode=mode, mode_options={"PurgeTimeout": 2})
	scenario.inject(lab, "fw1", 1000)
	wait_replicated(one, two)
	wait_until(lambda: "the table of peer" in two.log.read_text(), 20, "the answer to what it has asked for at its start")
	for option in ("-c", "-f"):
		two.ok(option)
	wait_until(lambda: cached(two, "external") == 1000, 20, "twice PurgeTimeout is over")
	one.ok("-t")
	wait_until(lambda: "scheduled flush of the kernel table: 1000 of 1000" in one.log.read_text(), 20)
	wait_until(lambda: cached(two, "external") == 0, 30, "what is flushed is not kept")
	assert "asking the peers once more: 1000 flows have come" in two.log.read_text()
	assert count(lab, "fw2") == 1000, "nothing of it is in the kernel's way"


def test_flushes_without_one_of_the_caches(lab: Lab, make: Callable) -> None:
	"""The kernel table is never touched."""
	one, two = make("fw1"), make("fw2")
	one.configure(mode="NOTRACK", mode_options={"DisableInternalCache": "on"})
	two.configure(mode="NOTRACK", mode_options={"DisableExternalCache": "on"})
	for node in (one, two):
		node.start()
	scenario.inject(lab, "fw1", 200)
	scenario.inject(lab, "fw2", 100, first=1000)
	wait_until(lambda: cached(one, "external") == 100 and count(lab, "fw2") == 300, 20)
	for options in (("-f",), ("-f", "internal"), ("-f", "external")):
		two.ok(*options)
		one.ok(*options)
		wait_until(lambda: cached(one, "external") == 100, 20, "emptied, and filled again")
	assert (count(lab, "fw1"), count(lab, "fw2")) == (200, 300)
	assert cached(two, "internal") == 100


# --- What a restart remembers ------------------------------------------------------


def restart(node: Node, how: signal.Signals, pause: float = 0) -> None:
	node.stop(how)
	pace.sleep(pause)
	node.start()


def test_a_restart_forgets_no_scheduled_flush(lab: Lab, make: Callable) -> None:
	"""Due while the daemon runs again, and due while it was down: then at once. One node is killed, one ends in order."""
	nodes = {make("fw1"): signal.SIGKILL, make("fw2"): signal.SIGTERM}

	def everywhere(flows: int) -> bool:
		return all(count(lab, node.fw) == flows == cached(node, "internal") for node in nodes)

	for node in nodes:
		node.configure(mode_options={"PurgeTimeout": 3})
		node.start()
		scenario.inject(lab, node.fw, 500)
	for node in nodes:
		node.ok("-t")
	began = time.monotonic()
	for node, how in nodes.items():
		restart(node, how)
	pending = ["flush of the kernel table (-t):\tin " in node.ok("-s", "runtime") for node in nodes]
	assert everywhere(500)
	wait_until(lambda: everywhere(0), 30, "flushed")
	end = "[notice] scheduled flush of the kernel table: 500 of 500 flows deleted"
	wait_until(lambda: all(end in node.log.read_text() for node in nodes), 10, "the log tells the end")
	assert all(pending)
	assert time.monotonic() - began >= 2.8
	for node, how in nodes.items():
		scenario.inject(lab, node.fw, 500)
		restart(node, how)			# it has been done: nothing is pending
	pace.sleep(0.5)
	assert everywhere(500)
	for node, how in nodes.items():
		node.ok("-t")
		node.stop(how)
	pace.sleep(3.2)
	for node in nodes:
		node.start()
	wait_until(lambda: everywhere(0), 30, "due at once")


def test_a_take_over_without_a_daemon_cancels_the_scheduled_flush(lab: Lab, make: Callable) -> None:
	"""-t, the daemon dies, this node becomes active: what it forwards by the next start must not be flushed."""
	node = make("fw1")
	node.configure(mode_options={"PurgeTimeout": 1})
	node.start()
	scenario.inject(lab, "fw1", 100)
	node.ok("-t")
	node.stop(signal.SIGKILL)
	done = node.ctl("-c")
	assert done.returncode == 1 and "the next start would have made is cancelled" in done.stderr, done.stderr
	pace.sleep(1.2)
	node.start()
	pace.sleep(0.5)
	assert count(lab, "fw1") == 100
	assert re.search(r"^\tactive:\t+for \d+ s$", node.ok("-s", "runtime"), re.M)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["kill", "orderly"])
def test_a_restart_forgets_no_role(lab: Lab, pair: Callable, how: signal.Signals) -> None:
	one, two = pair(mode_options={"PurgeTimeout": 600})
	scenario.inject(lab, "fw1", 100)
	wait_replicated(one, two)
	two.ok("-t")
	two.ok("-c")
	restart(two, how)
	said = two.ok("-s", "runtime")
	wait_replicated(one, two)
	two.ok("-f", "external")
	pace.sleep(1)
	assert cached(two, "external") == 0, "an active node does not ask at once"
	assert re.search(r"^\tactive:\t+for \d+ s$", said, re.M) and "(-t)" not in said, "cancelled before"


def test_a_state_file_that_is_no_good(lab: Lab, make: Callable) -> None:
	"""Ignored with one warning, also where it cannot be written; a purge on its word would be worse than none."""
	node = make("fw1")
	state = Path(f"{node.socket}.state")
	state.write_text("conntrackd-state 1\nboot nonsense\n")
	node.start()
	scenario.inject(lab, "fw1", 10)
	assert node.log.read_text().count(f"{state}, which tells whether this node is active, is ignored: it is damaged") == 1
	node.ok("-c")
	node.stop()
	assert "role 1" in state.read_text()
	state.unlink()
	state.mkdir()
	node.start()
	node.ok("-c")
	node.ok("-t")
	node.ok("-c")
	assert node.log.read_text().count(f"cannot write {state}") == 1
	assert count(lab, "fw1") == 10

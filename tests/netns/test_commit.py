# SPDX-License-Identifier: GPL-2.0-or-later
"""What a commit does when the kernel has an entry already, with packets flowing: replaced, kept, left alone, failed.

The rules are written down in src/flow/judge.c, and test_entries.py tries
each row; here are live connections, which tell whether it was the right thing to do.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator

import pytest

import pace
import scenario
import tables
from machine import at_most, room_for
from netlab import DNAT4, DOWNLOAD_PORT, ECHO_PORT, PLAIN6, SNAT4, UDP_PORT, Lab, Target, inside, run, wait_until
from node import Node, wait_replicated

MB = 1 << 20

each_target = pytest.mark.parametrize("target", [SNAT4, DNAT4, PLAIN6], ids=lambda t: t.name)

# The survivor takes up connections in mid-stream, without NAT, and what it forwards gets nowhere: no packet of a server
# that wonders about an unknown address ends the connection before the commit. Its own TCP says nothing either.
PICKUP = """
flush chain inet fw forward
flush chain inet fw input
flush chain inet fw towards_server
flush chain inet fw from_client
add rule inet fw forward ct state new,established accept
table inet mute {
	chain out {
		type filter hook output priority raw
		tcp flags rst drop
	}
}
table netdev mute {
	chain lan {
		type filter hook egress device "lan0" priority 0
		meta l4proto tcp drop
	}
	chain wan {
		type filter hook egress device "wan0" priority 0
		meta l4proto tcp drop
	}
}
"""


@dataclass
class Result:
	"""The client's summary of a commit."""
	total: int
	created: int
	kept: int
	updated: int
	replaced: int
	failed: int
	text: str
	status: int

	def counts(self) -> tuple[int, int, int, int, int]:
		return self.created, self.kept, self.updated, self.replaced, self.failed


def commit(node: Node, *options: str, status: int = 0) -> Result:
	done = node.watched("-c", *options)
	text = done.stdout + done.stderr.replace("\r\n", "\n")
	assert done.returncode == status, text
	found = re.search(r"committed (\d+) flows in [\d.]+ s: (\d+) created, (\d+) kept .*?, (\d+) updated, (\d+) replaced, "
			  r"(\d+) failed", text)
	assert found, text
	return Result(*[int(n) for n in found.groups()], text, done.returncode)


def nft(lab: Lab, fw: str, script: str) -> None:
	run("ip", "netns", "exec", lab.ns(fw), "nft", "-f", "-", stdin=script)


def live(flows: set[tables.Flow], port: int = ECHO_PORT) -> set[tables.Flow]:
	"""Those to one of the server's ports."""
	return {f for f in flows if ("dport", str(port)) in f.orig}


def tuples(flows: set[tables.Flow]) -> set[tuple]:
	return {(f.orig, f.reply) for f in flows}


def insert(lab: Lab, fw: str, flow: tables.Flow, state: str, status: str, nat: str = "") -> None:
	"""An entry for the same connection into another kernel: its translation, or `nat` as its source."""
	orig, reply = dict(flow.orig), dict(flow.reply)
	argv = ["conntrack", "-I", "-p", "tcp", "-t", 300, "--state", state, "-u", status, "-s", orig["src"], "-d", orig["dst"],
		"--sport", orig["sport"], "--dport", orig["dport"]]
	if nat or reply["dst"] != orig["src"]:
		argv += ["--src-nat", nat or f"{reply['dst']}:{reply['dport']}"]
	if reply["src"] != orig["dst"]:
		argv += ["--dst-nat", f"{reply['src']}:{reply['sport']}"]
	run("ip", "netns", "exec", lab.ns(fw), *argv)


@contextlib.contextmanager
def no_flow_ends(lab: Lab, fw: str) -> Iterator[None]:
	"""conntrack -E sees no DESTROY within the block."""
	log = lab.scratch / "ends"
	log.write_text("")
	listener = lab.spawn(fw, "conntrack", "-E", "-e", "DESTROY", "-b", 8 * MB, log=log)
	probe = f"udp -s 10.99.0.1 -d 10.99.0.2 --sport 9 --dport 9".split()
	at = ["ip", "netns", "exec", lab.ns(fw), "conntrack"]

	def heard() -> bool:
		"""An entry of our own ends: does the listener say so?"""
		run(*at, "-I", "-p", *probe, "-t", 60)
		run(*at, "-D", "-p", *probe)
		return "10.99.0.1" in log.read_text()

	try:
		wait_until(heard, 10, "conntrack -E listens")
		yield
		pace.sleep(0.3)
		ends = [line for line in log.read_text().splitlines() if "[DESTROY]" in line and "10.99.0.1" not in line]
		assert not ends, f"{len(ends)} flows ended:\n" + "\n".join(ends[:10])
		assert listener.poll() is None, log.read_text()
	finally:
		listener.terminate()
		listener.wait(pace.seconds(5))


def details(lab: Lab, fw: str, port: int) -> dict[tuple, dict[str, int]]:
	"""Per original tuple: timeout, id, packets and mark of the kernel's entry."""
	found = {}
	for family in ("ipv4", "ipv6"):
		text = run("ip", "netns", "exec", lab.ns(fw), "conntrack", "-L", "-f", family, "-o", "id").stdout
		for line in text.splitlines():
			flow = tables.parse_line(line)
			if ("dport", str(port)) in flow.orig:
				found[flow.orig] = {
					"timeout": int(line.split()[2]), "mark": flow.mark,
					"id": int(re.search(r" id=(\d+)", line).group(1)),
					"packets": sum(int(n) for n in re.findall(r"packets=(\d+)", line))}
	return found


def retransmitted(lab: Lab) -> int:
	"""TCP segments sent again, by client and server."""
	total = 0
	for part in ("client", "server"):
		with inside(lab.ns(part)):
			names, values = [line.split() for line in Path("/proc/thread-self/net/snmp").read_text().splitlines()
					 if line.startswith("Tcp:")]
		total += int(values[names.index("RetransSegs")])
	return total


def invalid(lab: Lab, fw: str) -> int:
	"""Packets that connection tracking called invalid."""
	text = run("ip", "netns", "exec", lab.ns(fw), "nft", "list", "table", "inet", "fw").stdout
	return sum(int(n) for n in re.findall(r"ct state invalid counter packets (\d+)", text))


def active_count(node: Node, cache: str) -> int:
	text = node.ok("-s")
	return int(re.search(rf"cache {cache}:\ncurrent active connections:\s+(\d+)", text).group(1))


def take_over(lab: Lab, old: Node, new: Node) -> Result:
	"""Both run; `new` commits and gets the addresses. It keeps its external cache: no -f."""
	result = commit(new)
	lab.addresses_to(new.fw)
	assert old.running()
	return result


# --- the connection was here before the commit ----------------------------------


@each_target
def test_midstream_pickup(lab: Lab, pair: Callable, target: Target) -> None:
	"""Packets arrive first: the kernel begins entries of its own, without NAT, some from the server's side."""
	one, two = pair()
	scenario.serve(lab)
	talk = scenario.lines(lab, 30, target, interval=0.2)
	loads = [scenario.download(lab, 30 * MB, MB, target) for _ in range(3)]		# for longer than all of it takes
	pace.sleep(1)
	wait_replicated(one, two)
	want = tuples(one.kernel())
	one.cut()
	lab.sysctl("fw2", {"net/netfilter/nf_conntrack_tcp_loose": 1})
	nft(lab, "fw2", PICKUP)
	lab.addresses_to("fw2")
	wait_until(lambda: len(live(two.kernel())) == 30, 20, "every connection is picked up")
	downloads = ("sport", str(DOWNLOAD_PORT))
	wait_until(lambda: sum(downloads in f.orig for f in two.kernel()) == 3, 20, "the downloads from the server's side")
	assert not tuples(two.kernel()) & want or target is PLAIN6
	result = commit(two)
	# Where the tuples are equal nothing is destroyed; the downloads were picked up the other way round.
	assert result.counts() == ((0, 0, 30, 3, 0) if target is PLAIN6 else (0, 0, 0, 33, 0)), result.text
	assert tuples(two.kernel()) >= want
	nft(lab, "fw2", "delete table netdev mute")
	assert talk.ask("alive", 15)["alive"] == 30
	for load in loads:
		said = load.ask("finish", 60)		# TCP has waited longer and longer
		assert said["hash_good"], said


@each_target
def test_other_translation(lab: Lab, pair: Callable, target: Target) -> None:
	"""The kernel has the connections with a NAT of its own, seen in both directions even: the peer's counts."""
	one, two = pair()
	scenario.serve(lab)
	talk = scenario.lines(lab, 20, target)
	wait_replicated(one, two)
	here = "fd00:20::77" if target is PLAIN6 else "10.20.0.77"
	for n, flow in enumerate(sorted(live(one.kernel()))):
		insert(lab, "fw2", flow, "ESTABLISHED", "SEEN_REPLY,ASSURED", f"[{here}]:{5000 + n}" if ":" in here else f"{here}:{5000 + n}")
	assert not tuples(live(two.kernel())) & tuples(live(one.kernel()))
	result = take_over(lab, one, two)
	assert result.counts() == (0, 0, 0, 20, 0), result.text
	assert tables.difference(one.kernel(), two.kernel()) == ""
	assert talk.ask("alive", 15)["alive"] == 20


# What the survivor's kernel has of a connection that lives: does it take over the peer's ESTABLISHED?
KERNEL_HAS = [
	("SYN_SENT", "UNSET", True), ("SYN_RECV", "SEEN_REPLY", True), ("ESTABLISHED", "SEEN_REPLY", True),
	("ESTABLISHED", "SEEN_REPLY,ASSURED", False), ("FIN_WAIT", "SEEN_REPLY,ASSURED", False),
	("TIME_WAIT", "SEEN_REPLY,ASSURED", True), ("CLOSE", "SEEN_REPLY,ASSURED", True), ("CLOSE", "SEEN_REPLY", True)]


@each_target
def test_age_of_the_kernels_entry(lab: Lab, pair: Callable, target: Target) -> None:
	"""Same translation; the kernel is behind, as far, or has something that ended. The connection lives in any case."""
	one, two = pair()
	scenario.serve(lab)
	talk = scenario.lines(lab, 4 * len(KERNEL_HAS), target)
	wait_replicated(one, two)
	has = dict(zip(sorted(live(one.kernel())), 4 * KERNEL_HAS))
	for flow, (state, status, _) in has.items():
		insert(lab, "fw2", flow, state, status)
	assert tuples(two.kernel()) == tuples(one.kernel())
	assert {f.orig: f.state for f in two.kernel()} == {f.orig: state for f, (state, _, _) in has.items()}
	result = commit(two)
	updated = sum(updates for _, _, updates in has.values())
	assert result.counts() == (0, len(has) - updated, updated, 0, 0), result.text
	assert {f.orig: f.state for f in two.kernel()} == {f.orig: "ESTABLISHED" if updates else state
							   for f, (state, _, updates) in has.items()}
	assert tuples(two.kernel()) == tuples(one.kernel())
	lab.addresses_to("fw2")
	assert talk.ask("alive", 15)["alive"] == len(has)


# What the peer says of a connection that this kernel forwards; the last is whether with another port.
PEER_SAYS = [
	("SYN_SENT", "UNSET", False), ("ESTABLISHED", "SEEN_REPLY,ASSURED", False), ("FIN_WAIT", "SEEN_REPLY,ASSURED", False),
	("TIME_WAIT", "SEEN_REPLY,ASSURED", False), ("TIME_WAIT", "SEEN_REPLY,ASSURED", True),
	("CLOSE", "SEEN_REPLY,ASSURED", True)]


def test_age_of_the_peers_state(lab: Lab, pair: Callable) -> None:
	"""The kernel forwards; what the peer says is older, or about a connection that has ended."""
	one, two = pair()
	scenario.serve(lab)
	talk = scenario.lines(lab, 4 * len(PEER_SAYS), interval=0.05)
	wait_replicated(one, two)
	for n, (flow, (state, status, nat)) in enumerate(zip(live(one.kernel()), 4 * PEER_SAYS)):
		insert(lab, "fw2", flow, state, status, f"10.20.0.1:{900 + n}" if nat else "")
	wait_until(lambda: len(one.external()) == 4 * len(PEER_SAYS), 5, "the peer's view")
	before = one.kernel()
	with no_flow_ends(lab, "fw1"):
		result = commit(one)
		other = 4 * sum(nat for _, _, nat in PEER_SAYS)
		assert result.counts() == (0, 4 * len(PEER_SAYS) - other, 0, 0, 0), result.text
		assert f"{other} refused: a newer flow" in result.text
		assert talk.ask("alive", 15)["alive"] == 4 * len(PEER_SAYS)
	assert one.kernel() == before
	wait_until(lambda: one.internal() == before, 5, "the internal cache says what the kernel says")


def test_udp_before_the_commit(lab: Lab, pair: Callable) -> None:
	"""Streams that reach the survivor first get another port, which the server does not answer."""
	one, two = pair()
	scenario.serve(lab)
	stream = scenario.udp_stream(lab, SNAT4, 20)
	pace.sleep(3)		# assured
	wait_replicated(one, two)
	one.cut()
	lab.addresses_to("fw2")
	wait_until(lambda: len(live(two.kernel(), UDP_PORT)) == 20, 10, "the streams are here")
	result = commit(two)
	assert result.counts() == (0, 0, 0, 20, 0), result.text
	assert stream.ask("alive", 15)["alive"] == 20


@each_target
def test_commit_against_full_traffic(lab: Lab, pair: Callable, target: Target) -> None:
	"""The addresses come first, then the commit: each flow races with its own packets, in both directions."""
	one, two = pair()
	scenario.serve(lab)
	talk = scenario.lines(lab, 100, target, interval=0.01)
	loads = [scenario.download(lab, 60 * MB, 5 * MB, target) for _ in range(2)]		# for longer than all of it takes
	streams = scenario.udp_stream(lab, target, 50)
	scenario.inject(lab, "fw1", 30000)		# so that it takes a while
	pace.sleep(1)
	wait_replicated(one, two)
	if target is PLAIN6:	# without NAT the firewall may as well let connections pass in mid-stream
		lab.sysctl("fw2", {"net/netfilter/nf_conntrack_tcp_loose": 1})
		nft(lab, "fw2", "insert rule inet fw forward accept")
	one.cut()
	lab.addresses_to("fw2")
	result = commit(two)
	assert result.failed == 0 and result.total == 30000 + 152, result.text
	for program, count in ((talk, 100), (streams, 50)):
		said = program.ask("alive", 15)
		assert said["alive"] == count, f"{said}\n{result.text}"
	for load in loads:
		said = load.ask("finish", 15)
		assert said["hash_good"], f"{said}\n{result.text}"


# --- the kernel forwards it ------------------------------------------------------


@pytest.mark.parametrize("tracking", ["off", "on"])
@each_target
def test_forwarded_flow_is_left_alone(lab: Lab, pair: Callable, target: Target, tracking: str) -> None:
	"""Commits on the active node, packets flowing all the time: not one is lost, not one entry ends or begins anew."""
	one, two = pair(options={"TCPWindowTracking": tracking}, mode_options={"CommitTimeout": 100})
	lab.sysctl("fw2", {"net/netfilter/nf_conntrack_acct": 1})
	for fw in ("fw1", "fw2"):
		lab.sysctl(fw, {"net/netfilter/nf_conntrack_udp_timeout_stream": 180})
	for host in ("client", "server"):	# no tail loss probes: what is merely late would count as sent again
		lab.sysctl(host, {"net/ipv4/tcp_early_retrans": 0})
	nft(lab, "fw1", f"insert rule inet fw forward tcp dport {ECHO_PORT} ct mark set 7")
	scenario.serve(lab)
	talk = scenario.lines(lab, 40, target, interval=0.02)
	load = scenario.download(lab, 32 * MB, MB // 2, target)	# for longer than all of it takes
	streams = scenario.udp_stream(lab, target, 10)
	pace.sleep(3)
	wait_replicated(one, two)
	assert take_over(lab, one, two).created == 51
	for program, count in ((talk, 40), (streams, 10)):
		assert program.ask("alive", 15)["alive"] == count
	pace.sleep(1.5)		# what the change of roles cost is over
	ours, theirs = (sorted(live(two.kernel()))[part::2] for part in (0, 1))
	for flows, mark in ((ours, 99), (theirs, 0)):
		for flow in flows:
			orig = dict(flow.orig)
			run("ip", "netns", "exec", lab.ns("fw2"), "conntrack", "-U", "-p", "tcp", "-s", orig["src"], "-d", orig["dst"],
			    "--sport", orig["sport"], "--dport", orig["dport"], "--mark", mark)
	ports = (ECHO_PORT, DOWNLOAD_PORT, UDP_PORT)
	before = {port: details(lab, "fw2", port) for port in ports}
	assert [len(before[port]) for port in ports] == [40, 1, 10]
	again, bad = retransmitted(lab), invalid(lab, "fw2")
	streams.ask("mark")
	talk.ask("mark")
	with no_flow_ends(lab, "fw2"):
		for _ in range(5):
			result = commit(two)
			assert result.counts() == (0, 51, 0, 0, 0), result.text
			pace.sleep(0.2)
		for program, count in ((talk, 40), (streams, 10)):
			said = program.ask("alive", 15)
			assert said["alive"] == count and said["stall_ms"] < pace.seconds(1) * 1000, said
	assert said["sent"] - said["answered"] <= 10, said		# one of each stream may be on its way
	assert retransmitted(lab) == again
	assert invalid(lab, "fw2") == bad
	marks = {flow.orig: mark for flows, mark in ((ours, 99), (theirs, 7)) for flow in flows}
	for port in ports:
		after = details(lab, "fw2", port)
		assert after.keys() == before[port].keys()
		for orig, now in after.items():
			was = before[port][orig]
			assert now["id"] == was["id"]
			assert now["packets"] > was["packets"]
			assert now["timeout"] > 100, f"{orig}: {now}"
			assert now["mark"] == marks.get(orig, was["mark"])
	assert load.ask("finish", 15)["hash_good"]


# --- very many ---------------------------------------------------------------------


def test_hundred_thousand_that_all_exist(lab: Lab, pair: Callable) -> None:
	"""The second commit changes nothing, and the daemon does its other work meanwhile."""
	one, two = pair()
	scenario.inject(lab, "fw1", 100000)
	wait_until(lambda: active_count(two, "external") == 100000, 30, "all are replicated")
	assert commit(two).counts() == (100000, 0, 0, 0, 0)
	assert active_count(two, "internal") == 100000
	ids = run("ip", "netns", "exec", lab.ns("fw2"), "conntrack", "-L", "-o", "id").stdout
	with no_flow_ends(lab, "fw2"):
		results: list[Result] = []
		thread = threading.Thread(target=lambda: results.append(commit(two)))
		thread.start()
		answers = 0
		while thread.is_alive():
			assert 100000 <= active_count(two, "internal") <= 101000
			answers += 1
			if answers == 3:
				scenario.inject(lab, "fw1", 1000, first=200000)		# the peer goes on
		thread.join()
		assert results and results[0].counts()[2:] == (0, 0, 0), results
		assert results[0].kept == 100000 and results[0].created <= 1000, results[0].text
		assert answers >= 3
	wait_until(lambda: active_count(two, "external") == 101000, 10, "nothing of the peer is lost")
	assert re.search(r"Packets lost:\s+0$", two.ok("-s", "network"), re.M)
	assert ids_of(run("ip", "netns", "exec", lab.ns("fw2"), "conntrack", "-L", "-o", "id").stdout) >= ids_of(ids)
	wait_until(lambda: tables.difference(two.kernel(), two.internal()) == "", 5, "the internal cache is complete")
	# Progress is for people who watch, and goes away when it is over.
	text = two.watched("-c").stderr
	steps = [int(n) for n in re.findall(r"\r-c: (\d+) of 101000 \(\d+ %\)\x1b\[K", text)]
	assert steps and steps == sorted(steps) and steps[-1] <= 101000, text
	assert re.search(r"\r\x1b\[Kcommitted 101000 flows in ", text), text
	assert re.fullmatch(r"committed 101000 flows in [^\r\x1b]*\n", two.says("-c"))
	done = two.ctl("-c")
	assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done


def ids_of(text: str) -> set[str]:
	return set(re.findall(r" id=\d+", text))


def test_full_table(lab: Lab, pair: Callable) -> None:
	"""What finds no room fails and says why; what is there stays; when there is room again it is created."""
	limit, room, more = 150000, 10000, 20000
	one, two = pair()
	scenario.serve(lab)
	lab.addresses_to("fw2")
	talk = scenario.lines(lab, 20, PLAIN6, interval=0.1)
	scenario.inject(lab, "fw2", limit - room - 20, first=1000000)
	scenario.inject(lab, "fw1", room + more)
	wait_until(lambda: active_count(two, "external") == room + more, 30, "all are replicated")
	wait_until(lambda: active_count(two, "internal") == limit - room, 30, "all are known")
	with inside(lab.ns("fw2")):
		count = Path("/proc/sys/net/netfilter/nf_conntrack_count")
		here = int(count.read_text())
	assert here == limit - room
	with no_flow_ends(lab, "fw2"):
		with at_most(limit):
			full = commit(two)
			internal, strict = active_count(two, "internal"), commit(two, "--strict", status=1)
			health, status = two.ctl("--health"), two.ok("--status")
	assert full.counts() == (room, 0, 0, 0, more), full.text
	assert f"{more} failed: the kernel's table is full (nf_conntrack_max)" in full.text
	assert strict.counts() == (0, room, 0, 0, more), strict.text
	assert internal == active_count(two, "internal") == limit
	assert health.returncode == 2 and f"the kernel's table is full: {limit} of {limit}" in health.stdout, health
	assert re.search(rf"the last commit \(-c\), \d+ s ago: {more} of {room + more} flows failed: the kernel's table is full",
			 health.stdout), health
	assert re.search(rf"^commit .*: {room + more} flows in \d+ ms: 0 created, {room}\s+kept", status, re.M), status
	assert talk.ask("alive", 10)["alive"] == 20
	with room_for(limit + more):
		then = commit(two)
		assert then.counts() == (more, room, 0, 0, 0), then.text
		assert "last commit" not in two.ctl("--health").stdout
		assert active_count(two, "internal") == limit + more


def test_a_purge_asked_for_after_a_queued_commit(lab: Lab, pair: Callable) -> None:
	"""The commit that follows cancels what was pending when it was asked for, not what came after it."""
	_, replica = pair(mode_options={"PurgeTimeout": 1})
	scenario.serve(lab)
	scenario.lines(lab, 10)
	wait_until(lambda: len(replica.external()) == 10, 20)
	os.kill(replica.pid, signal.SIGSTOP)
	with ThreadPoolExecutor(3) as people:
		said = []
		for option in ("-c", "-c", "-t"):
			said.append(people.submit(replica.says, option))
			pace.sleep(0.3)
		os.kill(replica.pid, signal.SIGCONT)
		said = [client.result() for client in said]
	assert "another one follows" in said[1], said
	assert "10 created" in said[0] and "10 kept" in said[1], said
	wait_until(lambda: not replica.kernel(), 30, "-t purges the table")

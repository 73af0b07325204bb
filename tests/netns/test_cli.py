# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line, start and end of the daemon, on one node with a real kernel."""

from __future__ import annotations

import re
import signal
import socket
import struct
import subprocess
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Callable

import pytest

import pace
import scenario
import tables
from netlab import Lab, run, wait_until
from node import DEBIAN, OURS, Node, wait_replicated

both = pytest.mark.parametrize("which", [OURS, DEBIAN])


@pytest.fixture
def node(make: Callable[..., Node]) -> Node:
	"""One of ours, configured, not started."""
	return make("fw1", OURS)


def left(node: Node) -> list[Path]:
	"""Which of lock and socket are there."""
	return [p for p in (node.lock, node.socket) if p.exists()]


# --- start and end ---------------------------------------------------------


@both
def test_background(make: Callable, which: str) -> None:
	node = make("fw1", which)
	done = node.start_background()
	assert (done.returncode, done.stdout, done.stderr) == (0, "", "")	# the log has it
	assert "-- starting in daemon mode --" in node.log.read_text()
	assert len(left(node)) == 2 and node.pid
	# its parent is gone, it leads a session of its own
	fields = Path(f"/proc/{node.pid}/stat").read_text().rpartition(")")[2].split()
	assert int(fields[1]) == 1 and int(fields[3]) == node.pid
	node.ok("-s")
	node.ok("-k")
	# -k returns when it is over
	assert left(node) == []
	node.wait_end(2)
	assert node.ctl("-s").returncode == 1


@both
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_orderly_end(make: Callable, which: str, how: signal.Signals) -> None:
	node = make("fw1", which)
	node.start()
	assert len(left(node)) == 2
	assert node.stop(how) == 0
	assert left(node) == []


def test_started_again_after_a_crash(node: Node) -> None:
	"""Lock and socket of a killed daemon are no obstacle."""
	node.start()
	node.stop(signal.SIGKILL)
	assert len(left(node)) == 2
	assert node.ctl("-s").returncode == 1
	node.start()


def test_second_daemon_is_refused(node: Node) -> None:
	"""Same lock; then another lock but the same socket. The first one goes on undisturbed."""
	node.start()
	for other_lock in (node.lock, node.dir / "lock2"):
		second = node.dir / "second.conf"
		second.write_text(node.conf.read_text().replace(str(node.lock), str(other_lock)))
		for options in ((), ("-d",)):
			done = subprocess.run([*node.argv()[:-1], str(second), *options], capture_output=True, text=True,
					      stdin=subprocess.DEVNULL, timeout=pace.seconds(10))
			assert done.returncode == 1, (other_lock, options)
			if other_lock == node.lock:
				assert re.search(rf"\b{node.pid}\b", done.stderr), done.stderr
			assert str(node.dir) in done.stderr, done.stderr
			node.ok("-s")
	assert not (node.dir / "lock2").exists()


def test_hangup_reopens_the_log(node: Node) -> None:
	node.start()
	node.log.rename(node.dir / "log.1")
	node.process.send_signal(signal.SIGHUP)
	wait_until(node.log.exists, 5, "a new log file")
	node.ok("-s")
	assert node.running()


@pytest.mark.parametrize("background", [False, True])
def test_warnings_about_the_file_reach_the_log(node: Node, background: bool) -> None:
	"""The log is opened after the file was read. The terminal hears each of them once, and so does the log."""
	node.configure(general={"Nice": -20})
	node.conf.write_text(node.conf.read_text() + "Helper {\n\tType ftp inet tcp {\n\t\tQueueNum 3\n\t}\n}\n")
	if background:
		said = node.ctl("-d").stderr
		wait_until(lambda: node.ctl("-s").returncode == 0, 15, "it answers")
		node.pid = int(node.lock.read_text())
	else:
		node.start()
		said = node.console.read_text()
	log = node.log.read_text()
	for words in ("Nice is obsolete", "helper ftp inet tcp is not served"):
		assert said.count(words) == 1, said
		assert len(re.findall(rf"\[warning\] {node.conf}:\d+:\d+: .*{words}", log)) == 1, log


def test_restrictive_permissions(node: Node) -> None:
	node.start()
	assert node.socket.stat().st_mode & 0o777 == 0o600
	assert node.lock.stat().st_mode & 0o077 == 0


# --- a file that is not right -------------------------------------------------

BREAKS = {"a typing error": ("HashSize", "HashSzie"),
	  "a value that is no number": ("HashSize 32768", "HashSize many"),
	  "a brace too many": ("\tOptions {", "\t} Options {")}


@pytest.mark.parametrize("fault", BREAKS)
def test_broken_file(node: Node, fault: str) -> None:
	"""The daemon refuses it at the place; a running daemon still takes commands through it."""
	good, bad = BREAKS[fault]
	text = node.conf.read_text()
	assert good in text
	node.conf.write_text(text.replace(good, bad))
	done = subprocess.run(node.argv("-d"), capture_output=True, text=True, timeout=pace.seconds(10))
	assert done.returncode == 1
	assert re.search(rf"{re.escape(str(node.conf))}:\d+:\d+: error: ", done.stderr), done.stderr
	assert left(node) == [] and not node.log.exists()

	node.conf.write_text(text)
	node.start()
	scenario.inject(node.lab, "fw1", 5)
	node.conf.write_text(text.replace(good, bad))
	for option in ("-c", "-s"):
		done = node.ctl(option)
		assert done.returncode == 0, done.stderr
		assert sum("warning" in line for line in done.stderr.splitlines()) == 1, done.stderr
	# without a socket path there is nobody to ask: the daemon at the default path is another one
	node.conf.write_text(text.replace(good, bad).replace("Path", "Patch"))
	assert node.ctl("-c").returncode == 1


def test_missing_file(node: Node) -> None:
	node.conf.unlink()
	for options in ((), ("-d",), ("-s",)):
		done = node.ctl(*options, timeout=10)
		assert done.returncode == 1
		assert "No such file or directory" in done.stderr and str(node.conf) in done.stderr, done.stderr


# --- options ---------------------------------------------------------------------


@both
def test_help_and_version(make: Callable, which: str) -> None:
	node = make("fw1", which)
	node.conf.unlink()		# neither needs it
	for option, word in (("-h", "Usage"), ("-v", "GPLv2")):
		done = node.ctl(option)
		assert done.returncode == 0 and word.lower() in done.stdout.lower() and not done.stderr, done
	for option in "dCvhiecfFRBntks":
		assert re.search(rf"^\s*-{option}\b", node.ok("-h"), re.M), option


BAD = [("-z",), ("--nonsense",), ("stop",), ("-i", "-k"), ("-i", "foo"), ("-s", "nothing"), ("-f", "nothing"),
       ("-i", "-d"), ("-x",), ("",), ("-",)]


@pytest.mark.parametrize("options", BAD, ids=" ".join)
def test_bad_arguments(node: Node, options: tuple[str, ...]) -> None:
	"""Status 1, a word about it on stderr, and nothing happens to the daemon."""
	node.start()
	before = node.log.read_text()
	done = node.ctl(*options, timeout=10)
	assert done.returncode == 1 and done.stderr, done
	assert node.running()
	node.ok("-s")
	assert node.log.read_text() == before


def test_file_option_is_needed_with_a_name(node: Node) -> None:
	done = subprocess.run([*node.argv()[:-2], "-C"], capture_output=True, text=True, timeout=pace.seconds(10))
	assert done.returncode == 1 and done.stderr


def test_no_daemon(node: Node) -> None:
	"""Every client command says where it looked."""
	for option in ("-i", "-e", "-c", "-f", "-F", "-R", "-B", "-n", "-t", "-k", "-s"):
		done = node.ctl(option, timeout=10)
		assert done.returncode == 1, option
		assert str(node.socket) in done.stderr and not done.stdout, done


def test_silent_client_holds_nobody_up(node: Node) -> None:
	"""Connections without a request, more of them than are let in at a time."""
	node.start()
	clients = []
	for _ in range(70):
		client = socket.socket(socket.AF_UNIX)
		client.settimeout(pace.seconds(5))
		client.connect(str(node.socket))
		clients.append(client)
		if len(clients) % 10 == 0:
			began = time.monotonic()
			node.ok("-s")
			assert time.monotonic() - began < pace.seconds(0.5)
	# a request is expected within one second
	wait_until(lambda: all(hung_up(c) for c in clients), 5, "the silent ones are let go")


def hung_up(client: socket.socket) -> bool:
	try:
		return client.recv(1, socket.MSG_DONTWAIT) == b""
	except BlockingIOError:
		return False
	except ConnectionResetError:
		return True


# --- reports -----------------------------------------------------------------------

N = r" *\d+"
CACHE = rf"""current active connections:\t{N}
connections created:\t\t{N}\tfailed:\t{N}
connections updated:\t\t{N}\tfailed:\t{N}
connections destroyed:\t\t{N}\tfailed:\t{N}

"""
LINK = rf"""multicast traffic \(active device=sync0\):
{N} Bytes sent {N} Bytes recv
{N} Pckts sent {N} Pckts recv
{N} Error send {N} Error recv

"""
EXTENDED = rf"""\tactive objects:\t\t{N}
\tactive/total entries:\t\t{N}/{N}
\tcreation OK/failed:\t\t{N}/{N}
\t\tno memory available:\t{N}
\t\tno space left in cache:\t{N}
\tupdate OK/failed:\t\t{N}/{N}
\t\tentry not found:\t{N}
\tdeletion created/failed:\t{N}/{N}
\t\tentry not found:\t{N}

"""
REPORTS = {
	(): f"cache internal:\n{CACHE}cache external:\n{CACHE}traffic processed:\n{N} Bytes      {N} Pckts\n\n{LINK}"
	    f"message tracking:\n{N} Malformed msgs {N} Lost msgs\n\n",
	("network",): rf"""network statistics:
	recv:
		Malformed messages:	{N}
		Wrong protocol version:	{N}
		Malformed header:	{N}
		Malformed payload:	{N}
		Bad message type:	{N}
		Truncated message:	{N}
		Bad message size:	{N}
	send:
		Malformed messages:	{N}

sequence tracking statistics:
	recv:
		Packets lost:		{N}
		Packets before:		{N}

{LINK}""",
	("link",): rf"""multicast traffic device=sync0 status=RUNNING role=ACTIVE:
{N} Bytes sent {N} Bytes recv
{N} Pckts sent {N} Pckts recv
{N} Error send {N} Error recv

""",
	("rsqueue",): r"resent queue \(len=\d+\)\n(object -> seq:\d+\n|control -> seq:\d+ flags:\d+\n)*",
	("queue",): f"allocated queue nodes:\t\t{N}\n\n" + "".join(
		f"queue {name}:\ncurrent elements:\t\t{N}\nmaximum elements:\t\t{limit:12}\nnot enough space errors:\t{N}\n\n"
		for name, limit in (("txqueue", 2147483647), ("errorq", 128), ("rsqueue", 131072))),
	("process",): "",
	("cache",): "".join(f"cache:{name}" + EXTENDED for name in ("internal", "external")),
	("runtime",): rf"""daemon uptime: (\d+ days? )?(\d+ h )?\d+ min

netlink stats:
	events received:	{N}
	events filtered:	{N}
	events unknown type:		{N}
	catch event failed:		{N}
	dump unknown type:		{N}
	netlink overrun:		{N}
	flush kernel table:		{N}
	resync with kernel table:	{N}
	current buffer size \(in bytes\):	{N}

runtime stats:
	child process failed:		{N}
		child process segfault:	{N}
		child process termsig:	{N}
	select failed:			{N}
	wait failed:			{N}
	local read failed:		{N}
	local unknown request:		{N}

""",
}


@both
@pytest.mark.parametrize("subject", REPORTS, ids=lambda s: s[0] if s else "general")
def test_statistics(make: Callable, which: str, subject: tuple[str, ...]) -> None:
	"""Scripts read these: every tab and blank is meant. More may only follow, behind an empty line."""
	node = make("fw1", which)
	node.start()
	scenario.inject(node.lab, "fw1", 3)
	text = node.ok("-s", *subject)
	assert re.match(REPORTS[subject], text), text
	if which == DEBIAN:
		assert re.fullmatch(REPORTS[subject], text), text


def test_statistics_to_come(node: Node) -> None:
	"""A report that is not there yet says so."""
	node.start()
	done = node.watched("-s", "expect")
	assert done.returncode == 0 and not done.stdout and "ExpectationSync" in done.stderr
	node.ok("-s")


def test_long_names(node: Node) -> None:
	"""They reach the daemon as the letters do."""
	argv = ["ip", "netns", "exec", node.lab.ns(node.fw), node.program]
	done = subprocess.run([*argv, f"--config={node.conf}", "--daemon"], stdin=subprocess.DEVNULL, timeout=pace.seconds(30))
	assert done.returncode == 0
	node.pid = int(node.lock.read_text())
	scenario.inject(node.lab, "fw1", 3)

	def say(*options: str) -> str:
		return subprocess.run([*argv, "--config", str(node.conf), *options], capture_output=True, text=True,
				      check=True, timeout=pace.seconds(30)).stdout

	wait_until(lambda: len(say("--internal").splitlines()) == 3, 5, "three flows")
	assert say("--statistics", "cache") == say("--statistics=cache") == node.ok("-s", "cache")
	assert len(say("--internal", "--json").splitlines()) == len(say("--internal=ct", "--xml").splitlines()) == 3
	for options in (("--flush=internal",), ("--resync-kernel",), ("--send-bulk",), ("--request-resync",),
			("--commit", "--strict"), ("--flush-kernel", "ct"), ("--schedule-flush",), ("--external",)):
		say(*options)
	say("--kill")
	assert left(node) == []
	node.wait_end(2)


def test_long_resend_queue(node: Node) -> None:
	"""Nobody acknowledges anything: the queue is printed in full, and a reader that has fallen asleep holds nobody up."""
	node.configure(mode_options={"ResendQueueSize": 50000})
	node.start()
	for first in range(0, 40000, 20000):
		scenario.inject(node.lab, "fw1", 20000, first=first)
	wait_until(lambda: "current elements:\t\t       40000" in node.ok("-s", "queue"), 10, "all have been sent")
	sleeper = socket.socket(socket.AF_UNIX)
	sleeper.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
	sleeper.settimeout(pace.seconds(10))
	sleeper.connect(str(node.socket))
	sleeper.send(struct.pack("=i", 32))
	pace.sleep(0.3)
	lines = node.ok("-s", "rsqueue").splitlines()
	assert lines[0] == "resent queue (len=40000)" and len(lines) == 40001
	numbers = [int(re.fullmatch(r"object -> seq:(\d+)", line)[1]) for line in lines[1:]]
	assert all(0 < b - a < 2000 for a, b in zip(numbers, numbers[1:]))
	text = b""
	while piece := sleeper.recv(65536):
		text += piece
	assert text.decode().splitlines() == lines
	scenario.inject(node.lab, "fw1", 20000, first=40000)
	wait_until(lambda: "current elements:\t\t       50000" in node.ok("-s", "queue"), 10, "the queue is full")
	assert "not enough space errors:\t       10000" in node.ok("-s", "queue")


def test_statistics_count(node: Node, make: Callable) -> None:
	"""The figures are those of what happened."""
	peer = make("fw2", OURS)
	node.start(), peer.start()
	scenario.inject(node.lab, "fw1", 30)
	scenario.inject(node.lab, "fw1", 10, delete=True)
	wait_replicated(node, peer)

	def figures(which: Node, cache: str) -> tuple[int, ...]:
		block = which.ok("-s").split(f"cache {cache}:\n")[1].split("\n\n")[0]
		lines = block.splitlines()
		return tuple(int(line.split(":")[1].split()[0]) for line in (lines[0], lines[1], lines[3]))

	assert figures(node, "internal") == (20, 30, 10)
	assert figures(peer, "external")[0] == 20
	assert figures(node, "external") == figures(peer, "internal") == (0, 0, 0)


# --- dumps and flushes ---------------------------------------------------------------


@pytest.mark.parametrize("pair_of", [(OURS, OURS), (DEBIAN, DEBIAN)], ids=lambda p: p[0])
def test_dumps(lab: Lab, pair: Callable, pair_of: tuple[str, str]) -> None:
	"""One flow in text and XML, at its owner and at the peer."""
	one, two = pair(*pair_of)
	scenario.serve(lab)
	scenario.lines(lab, 1, interval=60)
	wait_replicated(one, two)
	orig = r"src=10\.10\.0\.2 dst=10\.20\.0\.2 sport=\d+ dport=7001"
	assert re.fullmatch(rf"tcp      6 ESTABLISHED {orig} src=10\.20\.0\.2 dst=10\.20\.0\.1 sport=7001 dport=\d+ "
			    r"\[ASSURED\] (mark=0 )?\[active since \d+s\]\n", one.ok("-i"))
	assert re.fullmatch(rf"tcp      6 ESTABLISHED {orig} \[ASSURED\] (mark=0 )?\[active since \d+s\]\n", two.ok("-e"))
	assert one.ok("-e") == two.ok("-i") == ""
	assert one.ok("-i", "ct") == one.ok("-i") and one.ok("-i", "expect") == ""
	for node, option in ((one, "-i"), (two, "-e")):
		lines = node.ok(option, "-x").splitlines()
		assert len(lines) == 1
		flow = ElementTree.fromstring(lines[0])
		metas = {m.get("direction"): m for m in flow.findall("meta")}
		assert flow.tag == "flow" and list(metas) == ["original", "reply", "independent"]
		assert metas["original"].findtext("layer3/src") == "10.10.0.2"
		assert metas["original"].findtext("layer4/dport") == "7001"
		assert metas["independent"].findtext("state") == "ESTABLISHED"
		assert metas["independent"].find("assured") is not None


@both
def test_options_of_our_own_beside_the_file(lab: Lab, make: Callable, which: str) -> None:
	"""conf.d: ours reads them, and the file itself stays one that 1.4.7 runs with."""
	node = make("fw1", which)
	node.configure()
	beside = Path(f"{node.conf}.d")
	beside.mkdir()
	(beside / "10-ours.conf").write_text("General {\n\tNetlinkEventsSysctl off\n}\n")
	(beside / "notes").write_text("not read {")
	lab.sysctl("fw1", {"net/netfilter/nf_conntrack_events": 2})
	node.start()
	events = run("ip", "netns", "exec", lab.ns("fw1"), "cat", "/proc/sys/net/netfilter/nf_conntrack_events").stdout
	assert events == "2\n" and "nf_conntrack_events set" not in node.log.read_text()
	if which == OURS:
		(beside / "20-wrong.conf").write_text("Sync {\n\tOptions {\n\t\tStrictPeers perhaps\n\t}\n}\n")
		done = node.ctl("-T")
		assert done.returncode == 1 and f"{beside}/20-wrong.conf:3:15: error: StrictPeers" in done.stderr
		assert node.ctl("-s").returncode == 0


def test_a_person_is_told_what_was_done(lab: Lab, node: Node) -> None:
	"""A line for each command that succeeds, where standard error is a terminal. A program reads nothing there."""
	node.configure(mode_options={"PurgeTimeout": 77})
	node.start()
	scenario.inject(lab, "fw1", 3)
	wait_until(lambda: len(node.internal()) == 3, 10)
	for options, said in (
		("-c", r"committed 0 flows in [\d.]+ s: .*"), ("-f", "flushing caches"), ("-f internal", "flushing internal cache"),
		("-f external", "flushing external cache"), ("-R", "resync with master conntrack table"), ("-B", "sending bulk update"),
		("-n", "resync requested"), ("-t", "flushing conntrack table in 77 secs"), ("-t", "a flush is scheduled already"),
		("-F", "deleted 3 flows from the kernel table, 0 could not be deleted"),
	):
		assert re.fullmatch(said + r"\n", node.says(*options.split())), options
	for options in ("-c", "-f", "-R", "-B", "-n", "-t", "-F"):
		done = node.ctl(options)
		assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done


@pytest.mark.parametrize("pair_of", [(OURS, OURS), (DEBIAN, DEBIAN)], ids=lambda p: p[0])
def test_flushes(lab: Lab, pair: Callable, pair_of: tuple[str, str]) -> None:
	"""-f with and without a word, -R, -B, -n, -F: which table is empty afterwards, and which is not."""
	one, two = pair(*pair_of)
	scenario.inject(lab, "fw1", 20)
	scenario.inject(lab, "fw2", 10, first=100)

	def sizes() -> list[int]:
		return [len(table) for table in (one.kernel(), one.internal(), one.external(),
						 two.kernel(), two.internal(), two.external())]

	def expect(*want: int) -> None:
		try:
			wait_until(lambda: sizes() == list(want), 5)
		except AssertionError:
			assert sizes() == list(want)

	expect(20, 20, 10, 10, 10, 20)
	one.ok("-f", "internal")
	# Ours keeps what the kernel has, and a node that is not active asks for what it has emptied.
	ours = pair_of[0] == OURS
	expect(20, 20 if ours else 0, 10, 10, 10, 20)
	one.ok("-R")
	expect(20, 20, 10, 10, 10, 20)
	one.ok("-f", "external")
	expect(20, 20, 10 if ours else 0, 10, 10, 20)
	one.ok("-n")
	expect(20, 20, 10, 10, 10, 20)
	two.ok("-f")
	expect(20, 20, 10, 10, 10 if ours else 0, 20 if ours else 0)
	one.ok("-B")
	expect(20, 20, 10, 10, 10 if ours else 0, 20)
	one.ok("-F")
	expect(0, 0, 10, 10, 10 if ours else 0, 20)
	assert tables.one_way(two.kernel()) == one.external()

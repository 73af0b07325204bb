# SPDX-License-Identifier: GPL-2.0-or-later
"""The statistics mode: the same cache, figures and flow log as Debian's daemon on the same kernel table, -S, rotation."""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path
from typing import Callable

import pytest

import pace
import scenario
from netlab import Lab, inside, run, wait_until
from node import DEBIAN, OURS, Node, binary

STATS = """Stats {{
	LogFile {dir}/flows
}}
General {{
	LogFile {dir}/log
	LockFile {dir}/lock
	UNIX {{
		Path {dir}/ctl
	}}
{extra}}}
"""


def collector(node: Node, name: str, extra: str = "") -> Node:
	"""`node`, collecting statistics, with files of its own."""
	node.dir = node.lab.scratch / name
	node.dir.mkdir(exist_ok=True)
	node.conf, node.lock, node.socket = node.dir / "conf", node.dir / "lock", node.dir / "ctl"
	node.log, node.console = node.dir / "log", node.dir / "console"
	node.conf.write_text(STATS.format(dir=node.dir, extra=extra))
	return node


def traffic(lab: Lab) -> None:
	"""Flows of several kinds through fw1, some of which end: the kernel counts packets and knows the time."""
	scenario.serve(lab)
	talk = scenario.lines(lab, 20)
	stream = scenario.udp_stream(lab)
	done = scenario.download(lab, 1 << 20, 4 << 20).ask("finish", 10)
	assert done["hash_good"]
	scenario.inject(lab, "fw1", 10)
	scenario.inject(lab, "fw1", 5, delete=True)
	pace.sleep(1)
	for program in (talk, stream):
		program.end()


def strip(text: str, pattern: str) -> list[str]:
	return sorted(re.sub(pattern, "", text, flags=re.M).splitlines())


def flows(node: Node) -> list[str]:
	return sorted(line.partition("\t")[2] for line in (node.dir / "flows").read_text().splitlines())


def test_equals_debian(lab: Lab, make: Callable) -> None:
	"""Two collectors on one kernel table: dumps, figures and the log of ended flows are the same to the letter."""
	lab.sysctl("fw1", {"net/netfilter/nf_conntrack_acct": 1, "net/netfilter/nf_conntrack_timestamp": 1})
	ours, theirs = collector(make("fw1", OURS), "ours"), collector(make("fw1", DEBIAN), "theirs")
	for node in (ours, theirs):
		node.start()
	traffic(lab)
	run("ip", "netns", "exec", lab.ns("fw1"), "conntrack", "-D", "-p", "udp")
	wait_until(lambda: len(flows(theirs)) > 5 and len(flows(ours)) == len(flows(theirs)), 20, "flows have ended")

	def compare(*options: str, without: str = r" \[active since \d+s\]") -> None:
		texts = [strip(node.ok(*options), without) for node in (ours, theirs)]
		assert texts[0] == texts[1], options

	# the kernel table has to stand still between the two questions
	wait_until(lambda: len(ours.kernel()) == len(ours.internal()) == len(theirs.internal()), 20)
	compare("-i"), compare("-i", "-x")
	compare("-s"), compare("-s", "cache", without=r"^statistics cache: complete\n"), compare("-s", "process")
	compare("-s", "runtime", without=r"\tcurrent buffer size.*|daemon uptime.*")
	for options in (("-e",), ("-s", "network"), ("-s", "link"), ("-s", "queue")):
		assert ours.ok(*options) == theirs.ok(*options) == ""
	assert flows(ours) == flows(theirs)
	assert any("packets=" in line and "delta-time=" in line for line in flows(ours))
	assert (ours.dir / "flows").stat().st_mode & 0o777 == 0o600


def test_polling_equals_debian(lab: Lab, make: Callable) -> None:
	"""With PollSecs an end is a flow that is missing: the same line from the cache, without counters, and no traffic."""
	lab.sysctl("fw1", {"net/netfilter/nf_conntrack_acct": 1, "net/netfilter/nf_conntrack_timestamp": 1})
	ours, theirs = (collector(make("fw1", which), which, "\tPollSecs 1\n") for which in (OURS, DEBIAN))
	for node in (ours, theirs):
		node.start()
	scenario.serve(lab)
	scenario.lines(lab, 5, interval=1000)
	scenario.inject(lab, "fw1", 10)
	wait_until(lambda: len(ours.internal()) == len(theirs.internal()) == 15, 20)
	run("ip", "netns", "exec", lab.ns("fw1"), "conntrack", "-D", "-p", "tcp")
	wait_until(lambda: len(flows(ours)) == len(flows(theirs)) == 15, 20, "the ends are found out")
	logs = [[re.sub(r" delta-time=\d+", "", line) for line in flows(node)] for node in (ours, theirs)]
	assert logs[0] == logs[1] and not any("packets=" in line for line in logs[0])
	for subject in ("ct", "cache"):		# how often each has looked is its own affair
		shown = [strip(node.ok("-s", subject), r"(update OK|connections updated).*|^statistics cache: complete\n") for node in (ours, theirs)]
		assert shown[0] == shown[1]
	assert re.search(r"\n +0 Bytes +0 Pckts\n", ours.ok("-s"))


def test_commands(lab: Lab, make: Callable) -> None:
	"""What has no meaning here says so and is no failure; the others do what they say."""
	node = collector(make("fw1", OURS), "ours")
	node.start()
	scenario.inject(lab, "fw1", 30)
	wait_until(lambda: len(node.internal()) == 30, 10)
	for options in (("-c",), ("-e",), ("-n",), ("-B",), ("-f", "external"), ("-s", "network"), ("-s", "peers")):
		done = node.watched(*options)
		assert (done.returncode, done.stdout) == (0, "") and "statistics mode" in done.stderr, options
	node.ok("-f")
	assert len(node.internal()) == 30 == len(node.kernel())		# what is alive there is not forgotten here
	node.ok("-R")
	assert len(node.internal()) == 30
	node.ok("-F")
	assert node.kernel() == set() and node.internal() == set()
	assert len(flows(node)) == 30		# each has ended, once
	node.ok("-k")
	node.wait_end(5)


def test_flow_log_rotation(lab: Lab, make: Callable) -> None:
	node = collector(make("fw1", OURS), "ours")
	node.start()
	scenario.inject(lab, "fw1", 10)
	wait_until(lambda: len(node.internal()) == 10, 10)
	scenario.inject(lab, "fw1", 4, delete=True)
	wait_until(lambda: len(flows(node)) == 4, 10)
	(node.dir / "flows").rename(node.dir / "flows.1")
	node.process.send_signal(signal.SIGHUP)
	wait_until((node.dir / "flows").exists, 5, "a new file")
	scenario.inject(lab, "fw1", 6, first=4, delete=True)
	wait_until(lambda: len(flows(node)) == 6, 10)
	assert len((node.dir / "flows.1").read_text().splitlines()) == 4


@pytest.mark.parametrize("which", [OURS, DEBIAN])
def test_filter_hides(lab: Lab, make: Callable, which: str) -> None:
	"""A flow that the filter hides is neither shown nor logged."""
	node = collector(make("fw1", which), "node", "\tFilter From Userspace {\n\t\tProtocol Accept {\n\t\t\tUDP\n\t\t}\n\t}\n")
	node.start()
	scenario.inject(lab, "fw1", 10)		# TCP
	scenario.inject(lab, "fw1", 10, delete=True)
	pace.sleep(1)
	assert node.ok("-i") == ""
	assert flows(node) == []


def both_sections(node: Node) -> None:
	node.conf.write_text(node.conf.read_text() + f"Stats {{\n\tLogFile {node.dir}/flows\n}}\n")


def test_both_sections(make: Callable) -> None:
	"""A file with Sync and Stats: Sync without -S, Stats with it; the one that is not used is named."""
	node = make("fw1", OURS)
	both_sections(node)
	node.start()
	assert "cache external" in node.ok("-s")
	assert re.search(r"\d+:1: warning: section Stats is not used", node.console.read_text())
	node.stop()
	node.process = node.lab.spawn(node.fw, node.program, "-S", "-C", node.conf, log=node.console)
	node.pid = node.process.pid
	wait_until(node._answers, 15)
	assert node.ok("-s").startswith("cache stats:")
	assert re.search(r":1:1: warning: section Sync is not used", node.console.read_text())


def test_stats_wanted_but_not_there(make: Callable) -> None:
	node = make("fw1", OURS)
	for options in (("-S",), ("-S", "-T")):
		done = node.ctl(*options)
		assert done.returncode == 1 and not done.stdout and "has no section Stats" in done.stderr, (options, done)
	assert node.ctl("-T").returncode == 0


def test_check_of_both_sections(make: Callable) -> None:
	"""-T says what a start with the same options would."""
	node = make("fw1", OURS)
	both_sections(node)
	for options, unused in ((("-T",), "Stats"), (("-S", "-T"), "Sync")):
		done = node.ctl(*options)
		assert done.returncode == 0 and done.stdout == f"{node.conf}: ok\n", (options, done)
		assert f"warning: section {unused} is not used" in done.stderr, (options, done)


def test_bare_machine(lab: Lab) -> None:
	"""`conntrackd -S -T && conntrackd -S -d && conntrackd -s` where there is no configuration file at all."""
	script = """
for dir in /etc /run /var/run /var/lock /var/log; do mount -t tmpfs none $dir 2>/dev/null; done
mkdir -p /run/lock
"$1" -T && exit 98
"$1" -S -T && "$1" -S -d && "$1" -s; status=$?
"$1" -k || status=99
ls /run /var/lock
exit $status
"""
	done = subprocess.run(["ip", "netns", "exec", lab.ns("fw1"), "unshare", "-m", "--propagation", "private", "sh", "-c", script,
			       "sh", binary(OURS)], capture_output=True, text=True, timeout=pace.seconds(60))
	assert done.returncode == 0, done.stdout + done.stderr
	assert done.stderr.count("statistics mode with built-in defaults") == 2, done.stderr
	assert done.stdout.startswith("built-in defaults: ok\n"), done.stdout
	assert re.search(r"cache stats:\ncurrent active connections:\t +\d+\n", done.stdout), done.stdout
	assert "conntrackd" not in done.stdout.rpartition("Pckts")[2]	# neither socket nor lock is left

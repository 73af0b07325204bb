# SPDX-License-Identifier: GPL-2.0-or-later
"""-T on a machine that is ready for the daemon, and on one that is not; what the daemon does then is what -T has said."""

from __future__ import annotations

import json
from typing import Callable

import scenario
from netlab import Lab
from node import OURS, Node
from test_json import hold, no_doubles


def said(node: Node, *more: str) -> tuple[int, list[str]]:
	"""Status, and the texts of the warnings and errors."""
	done = node.ctl("-T", *more)
	assert (done.stdout == f"{node.conf}: ok\n") == (done.returncode == 0), done
	return done.returncode, [line.split(": ", 1)[1] for line in done.stderr.splitlines()]


def document(node: Node, *more: str) -> dict:
	done = node.ctl("-T", "--json", *more)
	d = json.loads(done.stdout, object_pairs_hook=no_doubles)
	hold(d, "check")
	assert done.stdout.count("\n") == 1 and done.stderr == "" and d["ok"] == (done.returncode == 0)
	return d


def test_machine(lab: Lab, make: Callable) -> None:
	"""Nothing to say where all is there; then one thing after the other is not."""
	node = make("fw1", OURS)
	node.configure()
	text = node.conf.read_text().replace("HashLimit 65536", "")
	node.conf.write_text(text)
	lab.sysctl("fw1", {"net/netfilter/nf_conntrack_events": 1})
	scenario.inject(lab, "fw1", 3)
	assert said(node, "--strict") == (0, [])
	assert document(node, "--strict")["problems"] == []

	lab.ip("fw1", "link set sync0 down")
	lab.sysctl("fw1", {"net/netfilter/nf_conntrack_events": 0})
	status, lines = said(node)
	assert status == 0 and len(lines) == 2, lines
	assert lines[0].startswith("warning: interface sync0 is down") and lines[1].startswith("warning: net.netfilter.nf_conntrack_events is 0")
	assert said(node, "--strict")[0] == 1 and said(node, "--no-machine", "--strict") == (0, [])
	problems = document(node)["problems"]
	assert [each["severity"] for each in problems] == ["warning"] * 2 and "line" in problems[0] and "line" not in problems[1]
	assert text.splitlines()[problems[0]["line"] - 1].split() == ["Interface", "sync0"]

	node.conf.write_text(text.replace("Interface sync0", "Interface sync7"))
	assert said(node)[1][0].startswith("warning: there is no interface sync7 here")
	node.conf.write_text(text + "\nGeneral {\n\tPollSecs never\n}\n")
	assert said(node)[0] == 1 and document(node)["errors"] == 1


def test_the_file_of_the_other_node(make: Callable) -> None:
	"""Wrong filter, wrong mode: what the tables of a running pair only show flow by flow is said before the start."""
	one, two = make("fw1", OURS), make("fw2", OURS)
	for node in (one, two):
		node.configure()
	peer = ("--no-machine", "--peer", str(two.conf))
	assert said(one, *peer, "--strict") == (0, [])
	two.conf.write_text(two.conf.read_text() + "\nGeneral {\n\tFilter {\n\t\tProtocol Accept {\n\t\t\tTCP\n\t\t}\n\t}\n}\n")
	status, lines = said(one, *peer)
	assert status == 0 and len(lines) == 1 and lines[0].startswith(f"warning: the filter's Protocol is another one in {two.conf}")
	assert said(one, *peer, "--strict")[0] == 1
	two.configure(mode="NOTRACK")
	status, lines = said(one, *peer)
	assert status == 1 and lines[0].startswith(f"error: the mode is FTFW here and NOTRACK in {two.conf}")
	assert document(one, *peer)["problems"][0]["severity"] == "error"


def test_explained(make: Callable) -> None:
	"""Printed with where each value comes from, and read as the same again."""
	node = make("fw1", OURS)
	node.configure()
	first = node.ctl("-T", "--no-machine", "--explain").stdout
	assert f"\t# {node.conf}:" in first and "\t# default\n" in first
	node.conf.write_text(first)
	again = node.ctl("-T", "--no-machine", "--explain").stdout
	assert [line.split("\t#")[0] for line in first.splitlines()] == [line.split("\t#")[0] for line in again.splitlines()]
	node.start()
	assert node.ok("-s")


def test_words_that_do_not_fit(make: Callable) -> None:
	node = make("fw1", OURS)
	for words, text in ((("--explain",), "--explain needs -T"), (("-s", "--no-machine"), "--no-machine needs -T"),
			    (("-T", "--explain", "--json"), "not both --explain and --json"),
			    (("-T", "--count"), "--count needs"), (("-T", "--peer"), "--peer needs a value"),
			    (("--peer", "x"), "--peer needs")):
		done = node.ctl(*words)
		assert done.returncode == 1 and text in done.stderr, (words, done)


def test_log_level(make: Callable) -> None:
	"""LogLevel of the file, changed at runtime; the change itself and the start are said."""
	node = make("fw1", OURS)
	node.configure()
	node.start()
	assert f"starts by {node.conf}: FTFW, Multicast over sync0" in node.log.read_text()
	node.ok("--log-level", "warning")
	assert "lines below level warning are not written from now on" in node.log.read_text()
	before = node.log.read_text()
	node.ok("-B")
	assert node.log.read_text() == before
	node.ok("--log-level", "info")
	node.ok("-B")
	assert "sending bulk update" in node.log.read_text()[len(before):]
	node.stop()
	node.conf.write_text(node.conf.read_text() + "\nGeneral {\n\tLogLevel error\n}\n")
	node.log.unlink()
	node.start()
	assert not node.log.exists() or node.log.read_text() == ""

# SPDX-License-Identifier: GPL-2.0-or-later
"""--status: one page that fits a terminal and says what is, and the same and more as JSON."""

from __future__ import annotations

import json
import os
import re
import time
from typing import Callable

import scenario
from netlab import Lab, run, wait_until
from node import TOP, Link, Links, Node, wait_replicated
from test_every_command import STATS
from test_json import SCHEMA, SEEN, hold, no_doubles
from test_health import wait_health

ROWS, COLUMNS = 22, 80		# a terminal of 24 rows, with what watch(1) puts above


def page(node: Node) -> dict[str, list[str]]:
	"""Label -> what stands beside it, wrapped rows joined; several of one label in their order."""
	text = node.ok("--status")
	rows = text.splitlines()
	assert text.endswith("\n") and len(rows) <= ROWS and max(map(len, rows)) <= COLUMNS, text
	found: dict[str, list[str]] = {}
	label = ""
	for row in rows:
		if row[:10].strip():
			label = row[:10].strip()
			found.setdefault(label, []).append(row[10:])
		elif label == "log":
			found[label].append(row[10:])
		else:
			found[label][-1] += " " + row[10:]
	return found


def document(node: Node) -> dict:
	done = node.ctl("--status", "--json")
	assert (done.returncode, done.stderr) == (0, "") and done.stdout.count("\n") == 1, done
	d = json.loads(done.stdout, object_pairs_hook=no_doubles)
	assert d["schema"] == 1 and d["kind"] == "status"
	hold(d, "status")
	return d


def test_a_pair(lab: Lab, pair: Callable) -> None:
	"""Before and after a take-over, with losses that were repaired and a flush that waits."""
	one, two = pair(mode_options={"PurgeTimeout": 600})
	scenario.inject(lab, "fw1", 50)
	wait_replicated(one, two)
	for node in (one, two):
		wait_health(node, 0)
	wait_until(lambda: page(two)["in sync"] == ["received: yes, heard: yes"], 20, "in sync")
	p = page(two)
	assert re.fullmatch(r"2\.\d+\.\d+\S*, FTFW, up \d+ s, \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \w+", p["daemon"][0]), p
	assert p["node"] == ["unknown: it was not told a role (--role, -c, -t, -n) yet"]
	assert p["health"] == ["OK: not active, 1 peer in sync"]
	assert re.fullmatch(r"10\.30\.0\.11: in sync for \d+ s; heard \d\.\d s ago; lag \d+ messages, 0 s", p["peer"][0]), p
	assert re.fullmatch(r"sync0 multicast RUNNING ACTIVE: sent \d+, received \d+, errors 0", p["link"][0]), p
	assert re.fullmatch(r"0 to be sent, \d+ of 131072 not acknowledged", p["queues"][0]), p
	assert re.match(r"on: \d+ \(\d+ a second\), 0 overruns, \d+ comparisons", p["events"][0]), p
	assert re.fullmatch(r"kernel 0 of \d+, internal 0 of 524288, external 50 of 524288", p["tables"][0]), p
	assert p["commit"] == ["none (-c) since the start"]
	d = document(two)
	assert "commit" not in d and d["overview"]["mode"] == "FTFW" and d["overview"]["table"] == 0
	assert d["health"]["word"] == "OK" and d["reasons"] == []

	scenario.inject(lab, "fw2", 3)		# three of them are in its kernel already
	result = json.loads(two.ok("-c", "--json"), object_pairs_hook=no_doubles)
	hold(result, "commit_result")
	assert result["commit"]["created"] == 47 and result["refusals"] == []
	p, d = page(two), document(two)
	assert re.fullmatch(r"primary for \d+ s, by -c", p["node"][0]), p
	said = re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d, by -c: 50 flows in \d+ ms: (\d+) created, (\d+) kept, (\d+) updated, "
			    r"(\d+) replaced, 0 failed", p["commit"][0])
	assert said and [int(n) for n in said.groups()] == [d["commit"][n] for n in ("created", "kept", "updated", "replaced")], p
	assert d["commit"]["total"] == 50 == sum(d["commit"][n] for n in ("created", "kept", "updated", "replaced"))
	assert {**result["commit"], "ago_s": 0, "time_s": 0} == {**d["commit"], "ago_s": 0, "time_s": 0}
	assert d["commit"]["created"] == 47 and d["refusals"] == [] and d["node"]["active"]
	assert any("Committed" in line or "committing" in line for line in p["log"]), p
	assert [line["text"] for line in d["log"]] == [
		re.sub(r"^\[.*?\] \(pid=\d+\) \[\w+\] ", "", line) for line in two.log.read_text().splitlines() if "[info]" not in line][-5:]

	one.ok("-t")
	p = page(one)
	assert re.fullmatch(r"backup for \d+ s, by -t; flush of the kernel table \(-t\) in (9|10) min \d+ s", p["node"][0]), p
	lab.lossy("fw2", 30)
	for i in range(10):
		scenario.inject(lab, "fw1", 100, first=100 * (i + 1))
	lab.lossy("fw2", 0)
	wait_replicated(one, two)
	wait_until(lambda: re.match(r"lost [1-9]\d*, repaired [1-9]\d*, reordered \d+, in ", page(two)["messages"][0]), 20, "losses")


def test_everything_is_wrong(lab: Lab, make: Callable) -> None:
	"""Most of what can be said, at the same time: it still fits."""
	lab.more_cables(2)
	node = make("fw1")
	node.configure(general={"HashLimit": 100}, link=Links([Link("UDP", cable=0, port=3780), Link("UDP", cable=1, port=3781)]))
	node.start()
	lab.sysctl("fw1", {"net/netfilter/nf_conntrack_events": 0})
	node.ok("-c")
	run("ip", "-n", lab.ns("fw1"), "link", "set", "sync1", "down")
	scenario.inject(lab, "fw1", 300)
	wait_health(node, 2, "events_off", "cache_full", "no_peer", "link_deaf", "link_down")
	p = page(node)
	assert p["health"][0].startswith("CRITICAL: ") and p["health"][0].endswith("..."), p
	assert p["in sync"] == ["received: no (no peer was heard), heard: no"]
	assert "peer" not in p and len(p["link"]) == 2 and "sync1 UDP DOWN" in p["link"][1]
	assert p["events"][0].startswith("net.netfilter.nf_conntrack_events is 0: "), p
	assert len(p["log"]) >= 3
	document(node)


def test_modes(lab: Lab, pair: Callable) -> None:
	one, two = pair(mode="NOTRACK", mode_options={"DisableInternalCache": "on", "DisableExternalCache": "on"})
	scenario.inject(lab, "fw1", 20)
	wait_until(lambda: len(two.kernel()) == 20, 20)
	two.ok("-c")
	for node in (one, two):
		p = page(node)
		assert "NOTRACK" in p["daemon"][0] and p["in sync"][0].endswith("heard: not known in this mode")
		assert re.fullmatch(r"kernel \d+ of \d+", p["tables"][0])
		document(node)
	assert "the windows of 0 older entries judge no longer" in page(two)["commit"][0]
	assert document(two)["commit"]["loosened"] == 0
	result = json.loads(two.ok("-c", "--json"))
	hold(result, "commit_result")
	assert result["commit"]["loosened"] == 0


def test_statistics_mode(lab: Lab, make: Callable) -> None:
	node = make("fw1")
	node.conf.write_text(STATS.format(dir=node.dir, log=node.log, lock=node.lock, socket=node.socket))
	node.start()
	p = page(node)
	assert p["node"] == ["has no role in this mode"] and "peer" not in p and "commit" not in p
	assert "peers" not in document(node)
	result = json.loads(node.ok("-c", "--json"))
	hold(result, "commit_result")
	assert result["nothing"] == "this is the statistics mode"


def test_rate(lab: Lab, make: Callable) -> None:
	"""Events in a second, over the last ones; what has come in less than a second counts as that second's."""
	node = make("fw1")
	began = time.monotonic()
	node.start()
	scenario.inject(lab, "fw1", 500)
	counting = time.monotonic()
	for i in range(1, 12):
		scenario.inject(lab, "fw1", 500, first=500 * i)
	counted = time.monotonic()
	rate = document(node)["overview"]["events_per_s"]
	least, most = 6000 / max(1, time.monotonic() - began), 6000 / (counted - counting)
	assert least <= rate <= most
	wait_until(lambda: document(node)["overview"]["events_per_s"] == 0, 60, "it has passed", 1)


EXAMPLES = {"doc/operation.md": r"(?<=```\n)daemon    .*?\n(?=```)", "conntrackd.8": r"(?<=\.Bd -literal\n)daemon    .*?\n(?=\.Ed)"}


def shape(text: str) -> list[str]:
	"""Without numbers, and without the log, of which it depends on the moment what is in it."""
	return [re.sub(r"\d+", "N", row) for row in text.split("\nlog ")[0].splitlines()]


def test_the_pages_show_what_is(lab: Lab, pair: Callable) -> None:
	"""The examples in the documentation are a real page, of a node that has taken over. UPDATE=1 writes them."""
	one, two = pair()
	scenario.inject(lab, "fw1", 67)
	wait_replicated(one, two)
	for node in (one, two):
		wait_health(node, 0)
	one.ok("-t")
	two.ok("-c"), two.ok("-f"), two.ok("-R"), two.ok("-B")
	wait_until(lambda: len(one.external()) == 67, 20, "fw1 has everything")
	wait_health(two, 0)
	wait_until(lambda: "in sync for" in page(two)["peer"][0], 20, "its table has been sent")
	text = two.ok("--status").replace("10.30.0.", "172.16.0.").replace("sync0", "eth2")
	for name, block in EXAMPLES.items():
		path = TOP / name
		shown = re.search(block, path.read_text(), re.S)
		assert shown, name
		if os.environ.get("UPDATE"):
			path.write_text(path.read_text().replace(shown[0], text))
		else:
			assert shape(shown[0]) == shape(text), name


def test_every_name_was_seen() -> None:
	"""A name that no document has is a mistake of the page, or of the tests above."""
	rare = {("commit", "failed_whole")}
	rows = {(table, name) for table in ("overview", "commit", "line", "status") for name in SCHEMA[table]}
	if ("status", "inject") in SEEN and ("commit", "loosened") in SEEN:
		assert rows - SEEN - rare == {("status", "emptied"), ("status", "role_change")}	# test_roles.py

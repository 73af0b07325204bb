# SPDX-License-Identifier: GPL-2.0-or-later
"""--json: every line is as doc/json.md says, says what the text says, and is the truth where XML is not."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path
from typing import Callable

import pytest

import events
import scenario
import test_expect
from netlab import SNAT4, Lab, wait_until
from node import OURS, Node
from test_outputs import VECTORS, Feeder, settled, vectors

PAGE = Path(__file__).resolve().parents[2] / "doc" / "json.md"


def schema() -> dict[str, dict[str, tuple[str, bool]]]:
	"""The tables of the page: heading -> name -> type, always there."""
	tables: dict[str, dict[str, tuple[str, bool]]] = {}
	for part in PAGE.read_text().split("\n## ")[1:]:
		rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| ([^|]+) \|", part, re.M)
		if rows:
			tables[part.splitlines()[0]] = {name: (kind, there.strip() == "always") for name, kind, there in rows}
	return tables


SCHEMA = schema()
SEEN: set[tuple[str, str]] = set()	# table and name


def is_uint(value: object) -> bool:
	return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 64


def hold(value: object, table: str) -> None:
	"""An object against its table."""
	rows = SCHEMA[table]
	assert isinstance(value, dict) and set(value) <= set(rows), (table, set(value) - set(rows))
	assert {name for name, (_, always) in rows.items() if always} <= set(value), (table, value)
	for name, each in value.items():
		kind = rows[name][0]
		SEEN.add((table, name))
		if kind in SCHEMA:
			hold(each, kind)
		elif kind.endswith("_list"):
			assert isinstance(each, list), (table, name, each)
			for one in each:
				hold(one, kind[:-5])
		elif kind == "bool":
			assert isinstance(each, bool), (table, name, each)
		elif kind == "uints":
			assert isinstance(each, list) and all(is_uint(n) for n in each), (table, name, each)
		elif kind == "names":
			assert isinstance(each, list) and all(isinstance(n, str) for n in each), (table, name, each)
		else:
			assert is_uint(each) if kind == "uint" else isinstance(each, str), (table, name, kind, each)


def no_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
	assert len({name for name, _ in pairs}) == len(pairs), pairs
	return dict(pairs)


def lines(node: Node, *options: str) -> list[dict]:
	"""What a command prints, each line held against the page."""
	done = node.ctl(*options, "--json")
	assert (done.returncode, done.stderr) == (0, ""), done
	found = [json.loads(line, object_pairs_hook=no_doubles) for line in done.stdout.split("\n")[:-1]]
	for each in found:
		assert each["schema"] == 1
		hold(each, each["kind"])
		for bits in ("status", "flags"):
			assert (bits in each) == (f"{bits}_names" in each)
	return found


# --- the same as the text -------------------------------------------------------


def tuple_text(d: dict, which: str = "", counters: bool = True) -> str:
	parts = [f"src={d['src']} dst={d['dst']}"]
	parts += [f"{name}={d[name]}" for name in ("sport", "dport", "type", "code", "id") if name in d]
	parts += [f"{name}=0x{d[name]:x}" for name in ("srckey", "dstkey") if name in d]
	if "zone" in d:
		parts.append(f"zone-{which}={d['zone']}")
	parts += [f"{name}={d[name]}" for name in ("packets", "bytes") if name in d]
	return " ".join(parts)


def flow_text(f: dict) -> str:
	names = f.get("status_names", [])
	parts = [f"{f['proto']:<8} {f['protonum']}"]
	unknown = {"gre": ("srckey", "dstkey"), "udplite": ("sport", "dport")}.get(f["proto"], ())	# the library prints zeros
	f = {**f, "original": {**dict.fromkeys(unknown, 0), **f["original"]}}
	parts += [str(f[name]) for name in ("timeout", "state") if name in f]
	parts.append(tuple_text(f["original"], "orig"))
	if "status" in f and "SEEN_REPLY" not in names:
		parts.append("[UNREPLIED]")
	if "reply" in f:
		parts.append(tuple_text(f["reply"], "reply"))
	parts += [f"[{name}]" for name in ("HW_OFFLOAD", "OFFLOAD", "ASSURED") if name in names][:1]
	parts += [f"{name}={f[name]}" for name in ("mark", "zone") if name in f]
	parts += [f"delta-time={f['deltatime']}"] if "deltatime" in f else []
	parts += [f"{name}={f[name]}" for name in ("helper", "use") if name in f]
	parts += [f"[expires in {f['expires_s']}s]"] if "expires_s" in f else []
	parts += [f"[active since {f['active_s']}s]"] if "active_s" in f else []
	return " ".join(parts)


def still(text: str) -> str:
	"""Without what time and traffic change."""
	return re.sub(r"(since|in) \d+s|(delta-time|packets|bytes)=\d+", "#", re.sub(r"^(\w+ +\d+ )\d+ ", r"\1T ", text))


def same_as_text(node: Node, *options: str) -> list[dict]:
	"""Until both agree: between two dumps a kernel goes on."""
	found: list[dict] = []
	differ: list[set[str]] = []

	def agree() -> bool:
		found[:] = lines(node, *options)
		differ[:] = [{still(flow_text(f)) for f in found} ^ {still(line) for line in node.ok(*options).splitlines()}]
		return not differ[0]

	try:
		wait_until(agree, 15, "both agree", 0.3)
	except AssertionError:
		raise AssertionError("\n".join(sorted(differ[0]))) from None
	return found


def test_flows_of_the_kernel(lab: Lab, make: Callable) -> None:
	"""Every kind of flow that this kernel holds, as the internal cache and as the kernel itself have it."""
	for name in ("acct", "timestamp"):
		lab.sysctl("fw1", {f"net/netfilter/nf_conntrack_{name}": 1})
	node = make("fw1")
	node.start()
	scenario.serve(lab)
	events.happen(lab, "fw1")
	events.conntrack(lab, "fw1", f"-I -p udp {events.ports(95)} --orig-zone 7", f"-I -p udp {events.ports(96)} --reply-zone 8",
			 f"-I -p udp {events.ports(97)} -w 9")
	settled(node)
	cached = same_as_text(node, "-i")
	assert len(cached) > 100
	zones = {f["original"]["sport"]: (f["original"].get("zone"), f["reply"].get("zone"), f.get("zone"))
		 for f in cached if f["proto"] == "udp" and f["original"].get("sport") in (20095, 20096, 20097)}
	assert zones == {20095: (7, None, None), 20096: (None, 8, None), 20097: (None, None, 9)}
	assert any(f.get("labels") == [5] for f in cached) and any(f.get("helper") == "ftp" for f in cached)
	node.stop()
	node.configure("NOTRACK", {"DisableInternalCache": "on"})
	node.start()
	shown = same_as_text(node, "-i")
	assert len(shown) > 100 and all("timeout" in f and "active_s" not in f for f in shown)


def datagram(name: str) -> bytearray:
	text = (VECTORS / f"{name}.txt").read_text()
	return bytearray.fromhex("".join(line for line in text.splitlines() if not line.startswith("#")))


def dccp_message(state: int, feeder: Feeder) -> bytes:
	"""What a peer whose kernel tracks DCCP says of a connection: that of the vector, with a state (attribute 20)."""
	message = datagram("attr-dccp-stale-port") + struct.pack("!HHB3x", 5, 20, state)
	struct.pack_into("!H", message, 2, len(message))
	struct.pack_into("!I", message, 4, feeder.seq)
	feeder.seq += 1
	return bytes(message)


def test_flows_of_a_peer(lab: Lab, make: Callable) -> None:
	"""Every message that a 1.4.7 was ever seen to send, DCCP and SCTP by their own states."""
	node = make("fw1")
	node.configure(options={"ExpectationSync": "on"})
	node.start()
	feeder = Feeder(lab)
	for name in vectors("attr-*.txt") + vectors("flow-*.txt") + vectors("ftp*new.txt") + vectors("ftp*related*"):
		feeder.vector(name)
	feeder.send(dccp_message(4, feeder))
	flows = same_as_text(node, "-e")
	assert len(flows) > 30 and not any("reply" in f for f in flows)
	dccp = [f for f in flows if f["proto"] == "dccp"]
	xml = [line for line in node.ok("-e", "-x").splitlines() if 'protoname="dccp"' in line]
	assert [f["state"] for f in dccp] == ["OPEN"] and len(xml) == 1
	# XML keeps the word that scripts have been reading: TCP's, of the same number.
	assert "<state>FIN_WAIT</state>" in xml[0]
	assert {f["state"] for f in flows if f["proto"] == "sctp"} == {"ESTABLISHED", "SHUTDOWN_SENT"}
	assert any("master" in f for f in flows)
	feeder.vector("ftp-expectation-new")	# those above have come true
	expected = lines(node, "-e", "expect")
	assert len(expected) == len(node.ok("-e", "expect").splitlines()) > 0
	assert all(e["kind"] == "expectation" and e["helper"] == "ftp" for e in expected)


def test_names_of_hostile_bytes(lab: Lab, make: Callable) -> None:
	node = make("fw1")
	node.configure(options={"ExpectationSync": "on"})
	node.start()
	feeder = Feeder(lab)
	payload = datagram("ftp-expectation-new")
	at = payload.index(b"ftp\0")
	payload[at:at + 3] = b'"\\\x1b'
	feeder.send(bytes(payload))
	wait_until(lambda: len(lines(node, "-e", "expect")) == 1, 10, "the expectation is there")
	assert lines(node, "-e", "expect")[0]["helper"] == '"\\\x1b'
	assert "\x1b" not in node.ctl("-e", "expect", "--json").stdout


def test_flows_that_expire(lab: Lab, make: Callable) -> None:
	"""In ALARM an entry says when it goes."""
	node = make("fw1")
	node.configure("ALARM", {"RefreshTime": 60, "CacheTimeout": 600})
	node.start()
	Feeder(lab).vector("mcast4-alarm-tcp-new")
	wait_until(lambda: len(lines(node, "-e")) == 1, 10, "the flow is there")
	assert 590 <= same_as_text(node, "-e")[0]["expires_s"] <= 600


@pytest.mark.parametrize("bypass", [False, True], ids=["cache", "kernel"])
def test_expectations_of_the_kernel(lab: Lab, make: Callable, bypass: bool) -> None:
	test_expect.prepare(lab, test_expect.CASES[0])
	node = make("fw1")
	node.configure("NOTRACK", {"DisableInternalCache": "on"} if bypass else {}, options={"ExpectationSync": "on"})
	node.start()
	client = test_expect.ftp(lab, SNAT4)
	test_expect.good(client, "port")
	wait_until(lambda: len(lines(node, "-i", "expect")) == 1, 10, "the expectation is there")
	(found,) = lines(node, "-i", "expect")
	(text,) = node.ok("-i", "expect").splitlines()
	assert tuple_text(found["expected"]) in text and f"helper={found['helper']}" in text
	assert ("timeout" in found) == bypass and ("active_s" in found) == (not bypass)


def test_nothing_is_no_line(make: Callable) -> None:
	node = make("fw1", OURS)
	node.start()
	assert lines(node, "-e") == lines(node, "-i", "expect") == []


def test_every_row_of_the_page_was_seen() -> None:
	"""A name that no line has is a mistake of the page, or of the tests above."""
	if not {("flow", "expires_s"), ("flow", "master"), ("flow", "use"), ("expectation", "timeout")} <= SEEN:
		pytest.skip("not all tests above have run")
	tables = ("flow", "direction", "expectation", "tuple", "master")	# the others: test_json_statistics.py
	rows = {(table, name) for table in tables for name in SCHEMA[table]}
	# Helpers of the kernel expect TCP and UDP; a zone or a lapsing entry of an expectation needs what is not made here.
	rare = {(table, name) for table in ("tuple", "master") for name in ("type", "code", "id", "srckey", "dstkey")}
	assert rows - SEEN - rare <= {("expectation", "zone"), ("expectation", "expires_s")}

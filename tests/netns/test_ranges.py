# SPDX-License-Identifier: GPL-2.0-or-later
"""Borderline values of every option, started with both makes: what 1.4.7 starts with, ours starts with, and says what is unwise.
Where ours is stricter stands in STRICTER, and with its reason in doc/compatibility.md."""

from __future__ import annotations

import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pace
from conftest import need
from netlab import FW, Lab
from node import DEBIAN, OURS, binary

RUN, REFUSE = "runs", "refuses"


class Row(NamedTuple):
	what: str		# the lines, on one line
	place: str		# General, Mode, UDP, ...
	debian: str
	ours: str
	says: str = ""		# what ours warns of, or why it refuses
	instead: str = ""	# of which line of a link


def general(ours: str, *values: str, says: str = "", debian: str = RUN) -> list[Row]:
	return [Row(value, "General", debian, ours, says) for value in values]


MORE = "is more than is possible"
BIG = "4294967295"
SELF = "sends to this node itself"
PORT = "3780 is taken"
ROWS = [
	*general(RUN, "HashSize 0", "HashSize 1", "HashLimit 0", "HashLimit 1", f"HashLimit {BIG}", "NetlinkBufferSize 0",
		 "NetlinkBufferSize 2147483647", "NetlinkBufferSizeMaxGrowth 0", "NetlinkBufferSizeMaxGrowth 1", "NetlinkOverrunResync 0",
		 "EventIterationLimit 0", "Scheduler { Type FIFO }", "Scheduler { Priority 5 }", "Nice -20",
		 "Filter From Userspace { Protocol Ignore { } Address Ignore { } }"),
	*general(RUN, "NetlinkBufferSize 1", says="hold hardly one event"),
	*general(RUN, "Scheduler { Type RR Priority 0 }", says="Priority 0"),
	*general(RUN, "HashLimit 4294967296", f"NetlinkBufferSize {BIG}", "NetlinkOverrunResync 2147483648", f"EventIterationLimit {BIG}",
		 f"PollSecs {BIG}", says=MORE),
	*general(RUN, "HashSize 2147483647", "HashSize 99999999999", says=MORE, debian=REFUSE),
	*general(RUN, "Syslog local8", "Syslog kern", says="daemon is taken"),
	*general(REFUSE, "PollSecs 0", "Scheduler { Type RR Priority 100 }", "Scheduler { Type OTHER Priority 1 }", debian=REFUSE),
	*[Row(f"{name} {n}", "Mode", RUN, RUN, MORE if n == BIG else "")
	  for name in ("ResendQueueSize", "ACKWindowSize", "PurgeTimeout", "CommitTimeout") for n in ("0", "1", BIG)],
	*[Row(f"{name} {n}", "ALARM", RUN, RUN, MORE if n == BIG else "")
	  for name in ("RefreshTime", "CacheTimeout") for n in ("0", "1", BIG)],
	*[row for kind in ("UDP", "TCP") for row in (
		Row("Port 0", kind, RUN, RUN, PORT, "Port"), Row("", kind, RUN, RUN, PORT, "Port"),
		Row("", kind, RUN, RUN, SELF, "IPv4_Destination_Address"),
		Row("IPv4_Destination_Address 0.0.0.0", kind, RUN, RUN, SELF, "IPv4_Destination_Address"),
		Row("", kind, RUN, RUN, "receives on all addresses", "IPv4_address"),
		Row("IPv4_address 0.0.0.0", kind, RUN, RUN, "receives on all addresses", "IPv4_address"),
		Row("SndSocketBuffer 0", kind, RUN, RUN), Row(f"RcvSocketBuffer {BIG}", kind, RUN, RUN, MORE),
		Row("", kind, REFUSE, REFUSE, "Interface is missing", "Interface"),
		Row("IPv6_Destination_Address fd00:30::2", kind, REFUSE, REFUSE, "either IPv4 or IPv6"))],
	Row("ErrorQueueLength 0", "TCP", RUN, RUN),
	Row("Port 70000", "UDP", RUN, RUN, "4464 is taken", "Port"), Row("Group 70000", "Multicast", RUN, RUN, "4464 is taken", "Group"),
	*[Row("IPv4_address 10.30.0.500", kind, RUN, RUN, "receives on all addresses", "IPv4_address") for kind in ("UDP", "TCP")],
	*general(RUN, "Filter From Kernelspace { Protocol Accept { } }", says="warning: .*Accept list"),
	*general(RUN, "Filter From Userspace { Protocol Accept { TCP FOO } }", says="unknown protocol"),
	*general(RUN, *[f"Filter From Userspace {{ Address Ignore {{ IPv4_address {a} }} }}" for a in
			("10.0.0.0/33", "10.0.0.256", "fd00::1")], says="warning: IPv4_address"),
	*general(RUN, "Filter From Userspace { Protocol Accept { TCP } Protocol Ignore { UDP } }", says="warning: Protocol"),
	Row("Mode NOTRACK { }", "Sync", RUN, RUN, "warning: .*Mode"),
	Row("IPv4_Destination_Address 255.255.255.255", "UDP", RUN, RUN, "", "IPv4_Destination_Address"),
	Row("Group 0", "Multicast", RUN, RUN, PORT, "Group"), Row("", "Multicast", RUN, RUN, PORT, "Group"),
	*[Row(line, "Multicast", REFUSE, REFUSE, "", instead) for line, instead in (
		("", "Interface"), ("", "IPv4_interface"), ("", "IPv4_address"), ("IPv4_address 10.30.0.99", "IPv4_address"))],
]
# Each with the words of the row in doc/compatibility.md that gives the reason.
STRICTER = [
	(Row("Port 65536", "TCP", RUN, REFUSE, "out of range", "Port"), "a port of which those 16 bits are 0"),
	(Row("IPv4_Destination_Address 225.0.0.1", "UDP", RUN, REFUSE, "address of one peer", "IPv4_Destination_Address"),
	 "a multicast address in `UDP`"),
	*[(Row("IPv4_address 225.0.0.1", kind, RUN, REFUSE, "is a multicast address", "IPv4_address"), "a multicast address in `UDP`")
	  for kind in ("UDP", "TCP")],
	*[(Row(f"Filter From Userspace {{ {what} Accept {{ }} }}", "General", RUN, REFUSE, "Accept list is empty"), "an `Accept` list")
	  for what in ("Protocol", "Address")],
	(Row("", "only General", RUN, REFUSE, "nothing to do"), "a file without either"),
]


def text(row: Row, fw: str, where: Path) -> str:
	mine, peer = (f"10.30.0.{FW[name]}" for name in (fw, "fw2" if fw == "fw1" else "fw1"))
	link = {"IPv4_address": mine, "IPv4_Destination_Address": peer, "Port": "3780", "Interface": "sync0"}
	if row.place == "Multicast":
		link = {"IPv4_address": "225.0.0.50", "Group": "3780", "IPv4_interface": mine, "Interface": "sync0"}
	lines = re.sub(r"([{}]) ?", r"\1\n", re.sub(r" (Priority|Address|Protocol (?:Ignore)|FOO|[{}])", r"\n\1",
						    row.what).replace("\n{", " {"))
	link.pop(row.instead, None)
	inside = "".join(f"{k} {v}\n" for k, v in link.items()) + (lines + "\n" if row.place in ("UDP", "TCP", "Multicast") else "")
	mode = "ALARM" if row.place == "ALARM" else "FTFW"
	sync = (f"Sync {{\nMode {mode} {{\n{lines if row.place in ('Mode', 'ALARM') else ''}\n}}\n"
		f"{lines if row.place == 'Sync' else ''}\n"
		f"{row.place if row.place in ('TCP', 'Multicast') else 'UDP'} {{\n{inside}}}\n}}\n")
	return ((sync if row.place != "only General" else "") +
		f"General {{\n{lines if row.place == 'General' else ''}\nLogFile {where}/log\nLockFile {where}/lock\n"
		f"UNIX {{\nPath {where}/ctl\n}}\n}}\n")


def start(lab: Lab, fw: str, which: str, row: Row) -> tuple[str, str]:
	"""Whether it runs, and what it said."""
	where = lab.scratch / f"range-{which}"
	where.mkdir(exist_ok=True)
	for path in where.iterdir():
		path.unlink()
	file, console, log = where / "conf", where / "console", where / "log"
	file.write_text(text(row, fw, where))
	with open(console, "w") as out:
		process = subprocess.Popen(["ip", "netns", "exec", lab.ns(fw), binary(which), "-C", file], stdin=subprocess.DEVNULL,
					   stdout=out, stderr=subprocess.STDOUT)
	end = time.monotonic() + pace.seconds(20)
	try:
		while process.poll() is None and time.monotonic() < end:
			if log.exists() and "starting in console mode" in log.read_text():
				return RUN, console.read_text()
			pace.sleep(0.02)
		return (REFUSE, console.read_text()) if process.poll() is not None else ("hangs", console.read_text())
	finally:
		if process.poll() is None:
			process.kill()
		process.wait()


def wrong(lab: Lab, fw: str, which: str, rows: list[Row]) -> list[str]:
	found = []
	for row in rows:
		does, said = start(lab, fw, which, row)
		name = f"{row.place}: {row.what or 'no ' + row.instead}: {which}"
		if does != (row.ours if which == OURS else row.debian):
			found.append(f"{name} {does}: {said}")
		elif which == OURS and not re.search(row.says, said):
			found.append(f"{name} does not say {row.says!r}: {said}")
		elif which == OURS and row.ours == RUN and "ERROR" in said:
			found.append(f"{name} runs with an error: {said}")
	return found


def test_ranges(lab: Lab) -> None:
	need(DEBIAN)
	rows = ROWS + [row for row, _ in STRICTER]
	with ThreadPoolExecutor(2) as pool:
		found = [*pool.map(lambda side: wrong(lab, *side, rows), (("fw1", OURS), ("fw2", DEBIAN)))]
	assert found == [[], []], "\n".join(found[0] + found[1])


def test_what_is_stricter_has_its_reason() -> None:
	page = (Path(__file__).resolve().parents[2] / "doc" / "compatibility.md").read_text()
	assert [words for _, words in STRICTER if f"| {words}" not in page] == []

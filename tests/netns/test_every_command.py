# SPDX-License-Identifier: GPL-2.0-or-later
"""Every client command in every mode and cache setting: what our daemon answers and logs is what Debian's 1.4.7 does.

Ours on one firewall, 1.4.7 on the other, deaf to each other: both kernels are told the same flows, both daemons get the
same messages from a scripted peer, then the same commands. Compared are exit status, standard output and error, and the
lines of the log. What differs on purpose stands in ON_PURPOSE with its reason, and nothing else may differ.
"""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Callable, NamedTuple

import pytest

import events
import pace
import scenario
from conftest import need
from netlab import FW, SYNC_PORT, Lab
from node import DEBIAN, OURS, Link, Node
from test_outputs import Feeder, flows, masked, settled, vectors

PATIENCE = 5		# seconds until a difference is one: 1.4.7 flushes in a child process


@dataclass(frozen=True)
class Setting:
	name: str
	mode: str | None	# None: statistics
	mode_options: dict[str, object] = field(default_factory=dict)
	options: dict[str, object] = field(default_factory=dict)

	@property
	def bypass(self) -> bool:
		return "DisableInternalCache" in self.mode_options

	@property
	def inject(self) -> bool:
		return "DisableExternalCache" in self.mode_options


BYPASS, INJECT, COMMIT = {"DisableInternalCache": "on"}, {"DisableExternalCache": "on"}, {"CommitTimeout": 600}
SETTINGS = [
	Setting("FTFW", "FTFW", COMMIT),
	Setting("FTFW-inject", "FTFW", INJECT),
	Setting("FTFW-expect", "FTFW", COMMIT, {"ExpectationSync": "on"}),
	Setting("NOTRACK", "NOTRACK", COMMIT),
	Setting("NOTRACK-bypass", "NOTRACK", {**BYPASS, **COMMIT}),
	Setting("NOTRACK-inject", "NOTRACK", INJECT),
	Setting("NOTRACK-bypass-inject", "NOTRACK", {**BYPASS, **INJECT}),
	Setting("ALARM", "ALARM", {**COMMIT, "RefreshTime": 600, "CacheTimeout": 700}),
	Setting("statistics", None),
]

STATS = """Stats {{
	LogFile {dir}/flows
}}
General {{
	HashSize 32768
	HashLimit 524288
	LogFile {log}
	LockFile {lock}
	UNIX {{
		Path {socket}
	}}
	NetlinkBufferSize 2097152
	NetlinkBufferSizeMaxGrowth 8388608
}}
"""


class Row(NamedTuple):
	"""A difference that is meant. Lines that match are set aside, on the side that the row is about."""
	setting: str	# regular expression: the name of the setting
	command: str	# regular expression: phase and command
	# status, stdout, stderr, log. Of stdout, on both sides: figure: the numbers of these lines are masked; words: left out
	part: str
	ours: str
	debian: str
	why: str


ANY = ".*"
BYPASSED, CACHED = ".*bypass.*", r"(?!.*bypass).*"
AFTER = r"(commit|external|internal|kernel|no-cache): -s.*"
KEPT = "what the kernel has is kept, because it may be forwarded right now; 1.4.7 makes every entry anew"
SAYS = "a command that has nothing to do, or something to tell, says so"
HEARD = "whom it hears for the first time it asks for everything, by itself"


def figure(setting: str, command: str, lines: str, why: str) -> Row:
	return Row(setting, command, "figure", lines, lines, why)


ON_PURPOSE = [
	# --- the command line ---
	Row(ANY, r"args: (-z|--nonsense|-[iecFR] foo)", "status", "1", "0", "a mistake is a failure (1.4.9: also)"),
	Row(ANY, "args: -[vh]", "stdout", ".+", ".+", "the version, its licence, and the help with more options"),
	Row(ANY, r"args: (-z|--nonsense|-[iecFR] foo)", "stdout", "", ".*", "a mistake gets a line of usage on standard error"),
	Row(ANY, "args: .*", "stderr", ".*: (Unknown option: .*|unexpected argument .*|unknown parameter .*)|Usage: .*",
	    r"\[.*\] \(pid=\d+\) \[ERROR\] .*", "says what would be accepted, without date and process id"),
	Row(ANY, "args: -s multicast", "stderr", '.*: "-s multicast" is an old name, use "-s link"', r"\[.*\[warning\] use .*",
	    "in the form of other messages"),
	# --- what is said about a command ---
	Row("FTFW-expect", "commit: -c.*", "stderr", r"committed 1 expectations .* 1 failed|  1 failed: .*", "",
	    "a commit that is not whole says so to everybody"),
	# --- logs ---
	Row(ANY, ".*: -[cfnBtFR].*", "log", r"\[notice\] (-\w.*|internal cache): nothing to do.*|\[notice\] a flush is scheduled already",
	    "", SAYS),
	Row(ANY, "kernel: -F.*", "log", r"\[notice\] flush of the kernel table: \d+ of \d+ flows deleted", "", SAYS),
	Row("FTFW-expect", "kernel: -F.*", "log", r"\[notice\] \d+ expectations deleted from the kernel table, .*", "", SAYS),
	Row("(?!.*inject|statistics).*", "commit: -c.*", "log", r"\[notice\] \d+ entries are older than this take-over, and no peer .*", "",
	    "entries of another time judge by windows of that time"),
	Row(ANY, "start: ?", "log", r"\[notice\] conntrackd \S+ starts by .*", "", "which program, file, mode and links"),
	Row("statistics", "start: ", "log", r"\[warning\] nf_conntrack_acct is 0: .*", "", "figures that stay 0 look like a defect"),
	Row("statistics", "send: -t", "log", r"\[notice\] ignoring -t: .*", "", "1.4.7 does nothing either, in silence"),
	Row("(?!statistics).*", "commit: -c.*", "log", r"\[notice\] the scheduled flush of the kernel table \(-t\) is cancelled by -c",
	    "", "1.4.7 does the same, in silence"),
	Row("(?!.*inject).*", "(external|internal|no-cache): -f.*", "log", r"\[notice\] the external cache stays empty for \d+ secs: .*",
	    "", "it fills again by itself, and this tells when"),
	Row("statistics", "internal: -f", "log", r"\[notice\] flushing internal cache", "", "1.4.7 flushes nothing"),
	Row("statistics", "internal: -f internal", "log", r"\[notice\] flushing internal cache", r"\[notice\] flushing caches",
	    "there is one cache only"),
	Row(ANY, "commit: -c.*", "log", r"\[notice\] (Committed \d+ new entries|\d+ entries (are|were) in the kernel already .*)",
	    r"\[notice\] Committed \d+ new entries", KEPT),
	Row("(FTFW|NOTRACK).*", "commit: -c.*", "log", r"\[warning\] \d+ flows are uncertain: .*", "",
	    "the other node has not answered what it was asked for"),
	Row("(?!.*inject|statistics).*", "commit: -c.*", "log", r"\[notice\] what was committed is not all that the peers have: .*", "",
	    "the same, for all of the table; the peer of this test never answers"),
	Row("FTFW-expect", "commit: -c.*", "log", r"\[warning\] (1 expectations can't be committed|  1 of them: .*)",
	    r"\[ERROR\] commit-create: .*|.*\t300 proto=6 .*|\[notice\] 1 expectations can't be committed",
	    "one line per reason instead of two per entry, as a warning"),
	Row("FTFW.*|NOTRACK.*", "(?!send).*", "log", r"\[notice\] (the peers are told what the commit has created: .*|sending bulk update)",
	    "", "ten seconds after a commit, where no -B has followed it"),
	Row(".*inject", "commit: -c.*", "log", r"\[notice\] the states of the peer are in the kernel already; of \d+ entries there \d+ .*",
	    "", "entries older than a take-over judge by windows of another time"),
	Row(".*inject", "(commit|external): .*", "log", "", r"\[notice\] (committing .*|flushing external cache)", SAYS),
	Row("(FTFW|NOTRACK)-inject", "internal: -f", "log", r"\[notice\] flushing internal cache", r"\[notice\] flushing caches",
	    "there is one cache only"),
	Row(BYPASSED, "no-cache: -f.*", "log", r"\[notice\] flushing external cache", r"\[notice\] flushing (internal cache|caches)",
	    "1.4.7 flushes the kernel table, which kills what is forwarded"),
	Row(BYPASSED, "before: -i .*", "log", "", r"\[notice\] child process \(pid=\d+\) received signal \(6\)",
	    "no child processes; this one crashed"),
	Row(BYPASSED, "send: -B", "log", r"\[notice\] sending bulk update", "", "as with an internal cache"),
	Row("FTFW.*|NOTRACK.*|ALARM", ".*", "log", r"\[\w+\] peer \S+ (has fallen silent|is heard again|is heard but has acknowledged nothing).*"
	    r"|\[notice\] ((the table of peer \S+ has come|everything was sent to (the peers|peer \S+)): |\d+ messages of peer \S+ were lost).*", "",
	    "nothing tells otherwise whether the other node is there, hears us, and has everything"),
	# --- dumps ---
	Row(CACHED + "(?<!expect)", ".*: -[e] e.* -x", "stdout", "", "<flow>.*",
	    "without ExpectationSync there is no cache of expectations; 1.4.7 fills one and shows it as XML only"),
	Row(BYPASSED, ".*: -[e] e.* -x", "stdout", "", "<flow>.*", "as above"),
	Row(BYPASSED, ".*: -i.* -x", "stdout", "<flow>.*", r"\w+ +\d+ T .*", "XML was asked for"),
	Row(ANY, "(commit|external|internal|kernel): -i", "words", " mark=0", " mark=0",
	    "what was committed is known from the peer, who says nothing of a mark that is 0; 1.4.7 learns it from an event"),
	# --- figures ---
	figure("FTFW.*", ".*: -s rsqueue", r"resent queue \(len=\d+\)", HEARD),
	Row("FTFW.*", ".*: -s rsqueue", "stdout", "(control|object) -> .*", "(control|object) -> .*", HEARD),
	figure("FTFW.*", ".*: -s q.*", "allocated queue nodes:.*|current elements:.*", HEARD),
	figure("FTFW.*", ".*: -s c.*", "cache:internal\tactive objects:.*|\tactive/total entries:.*",
	       "ends wait for their acknowledgement, and nobody gives it"),
	figure(BYPASSED, ".*: -s.*", "connections new:.*", "the messages of a full send count, too; " + HEARD),
	figure(BYPASSED, ".*: -s.*", "connections updated:.*", "changes of a flow that wait together are one message"),
	Row(".*inject", ".*: -s c.*", "stdout", r"injected flows:|\t(of the peers only|ended there, in use here):\t.*|()", "()",
	    "not in 1.4.x, and behind everything else"),
	figure(BYPASSED, ".*: -s r.*", "\tchild process failed:.*", "no child processes"),
	Row(ANY, ".*: -s r.*", "stdout", r"this node:|\t(active|flush of the kernel table \(-t\)):\t.*|\t.*:\t(runs|waits|\d+ of \d+)|()", "()",
	    "not in 1.4.x, and behind everything else"),
	Row(ANY, ".*: -s c.*", "stdout", r"cache external emptied:.*|.*(cache|in our kernel): (complete|incomplete|waits) ?.*|()", "()",
	    "as above"),
	figure(ANY, AFTER, "connections (created|updated|destroyed):.*|\t(creation|update) OK/failed:.*|"
	       "\tdeletion created/failed:.*", KEPT),
	figure(ANY, AFTER, "\tevents received:.*", "what it does to the kernel itself comes back by no event"),
	figure(".*inject", ".*: -s r.*", "\tevents received:.*", "as above"),
]
USED: set[Row] = set()
DONE: set[str] = set()


def commands(s: Setting) -> list[tuple[str, str]]:
	"""Phase and command, in an order in which one changes for both daemons what the next one shows."""
	subjects = ["", " ct", " network", " cache", " runtime", " link", " rsqueue", " queue", " process", " expect"]
	words = ["", " ct", " expect"]
	if s.name == "NOTRACK":		# abbreviations: the same parser in all settings
		subjects += [" net", " n", " ca", " ru", " l", " rs", " q", " pr", " exp"]
		words += [" c", " e"]
	reports = [f"-s{word}" for word in subjects]
	dumps = [f"-{cache}{word}{x}" for cache in "ie" for word in words for x in ("", " -x")]
	look = ["-s", "-s cache", "-s runtime", "-i", "-e"]
	phases = {
		"before": [*reports, *dumps],
		"resync": ["-R", "-R ct", "-R expect", *look],
		"send": ["-B", "-n", "-t", "-t", "-s runtime"],
		"commit": ["-c", "-c ct", "-c c", "-c expect", *look],
		"external": ["-f external", *look],
		# Not what is shown between a flush and -R: the pass that looks for ends nobody reported fills the cache as well.
		"internal": [] if s.bypass else ["-f internal", "-R", *look, "-f", "-R", *look],
		"kernel": ["-F expect", "-F ct", *look, "-F", "-s runtime"],
		# 1.4.7 flushes the kernel table here, which is empty by now
		"no-cache": ["-f internal", "-f", *look] if s.bypass else [],
		"args": ["-v", "-h", "-s multicast", "-z", "--nonsense", *[f"-{option} foo" for option in "iecFRfs"]],
		"end": ["-k"],
	}
	return [(phase, command) for phase, some in phases.items() for command in some]


class Side:
	"""One of the two daemons."""

	def __init__(self, node: Node):
		self.node = node
		self.seen = 0		# of the log

	def log(self) -> list[str]:
		"""New lines, without time and process."""
		lines = self.node.log.read_bytes()[self.seen:].decode().splitlines()
		lines = [re.sub(r"^\[[^]]*\] \(pid=\d+\) ", "", line) for line in lines]
		return [re.sub(r"\d+\.\d{6} seconds", "S seconds", line) for line in lines]

	def log_read(self) -> None:
		self.seen = self.node.log.stat().st_size

	def do(self, command: str) -> dict[str, list[str]]:
		done = self.node.ctl(*command.split())
		subject = command.removeprefix("-s").strip()
		stdout = masked(subject, done.stdout)
		if command[:2] in ("-i", "-e"):
			stdout = flows(re.sub(r"<id>\d+|expires in \d+", "#", done.stdout))
			# the kernel's own view counts down
			stdout = sorted(re.sub(r"^(\w+ +\d+ )\d+ ", r"\1T ", line) for line in stdout)
		return {"status": [str(done.returncode)], "stdout": stdout, "stderr": done.stderr.splitlines()}


def aside(s: Setting, step: str, parts: dict[str, dict[str, list[str]]]) -> dict[str, dict[str, list[str]]]:
	"""Without what a row says of it."""
	for row in ON_PURPOSE:
		if not re.fullmatch(row.setting, s.name) or not re.fullmatch(row.command, step):
			continue
		for which, pattern in ((OURS, row.ours), (DEBIAN, row.debian)):
			part = "stdout" if row.part in ("figure", "words") else row.part
			left = []
			for line in parts[which].get(part, []):
				if row.part == "words":
					left.append(re.sub(pattern, "", line))
					if left[-1] != line:
						USED.add(row)
					continue
				if not pattern or not re.fullmatch(pattern, line):
					left.append(line)
					continue
				USED.add(row)
				if row.part == "figure":
					left.append(re.sub(r" *\d+", "#", line))
			if part in parts[which]:
				parts[which][part] = left
	return parts


def differences(parts: dict[str, dict[str, list[str]]]) -> list[str]:
	said = []
	for part in parts[OURS]:
		a, b = parts[OURS][part], parts[DEBIAN][part]
		if part == "log":
			a, b = sorted(a), sorted(b)	# two tables are looked at in another order
		if a != b:
			said += [f"{part}: only ours: {line}" for line in a if line not in b]
			said += [f"{part}: only 1.4.7: {line}" for line in b if line not in a]
			if len(said) == 0:
				said.append(f"{part}: {len(a)} lines and {len(b)} of the same")
	return said


def both_do(sides: dict[str, Side], command: str) -> dict[str, dict[str, list[str]]]:
	with ThreadPoolExecutor(2) as pool:
		return dict(zip(sides, pool.map(lambda side: side.do(command), sides.values())))


def compare(s: Setting, sides: dict[str, Side], phase: str, command: str) -> list[str]:
	"""One command at both. A report is asked for again while the two differ, within reason."""
	step, end = f"{phase}: {command}", time.monotonic() + pace.seconds(PATIENCE)
	answers = both_do(sides, command)
	while True:
		parts = {which: {**{k: list(v) for k, v in answers[which].items()}, "log": side.log()}
			 for which, side in sides.items()}
		said = differences(aside(s, step, parts))
		if not said or time.monotonic() > end:
			break
		pace.sleep(0.1)
		if command[:2] in ("-s", "-i", "-e"):
			answers = both_do(sides, command)
	for side in sides.values():
		side.log_read()
	return [f"{step}: {line}" for line in said]


def start(s: Setting, lab: Lab, make: Callable) -> dict[str, Side]:
	sides = {}
	for n, (fw, which) in enumerate(zip(FW, (OURS, DEBIAN))):
		# flows from before the start have to report their end to both
		lab.sysctl(fw, {"net/netfilter/nf_conntrack_events": 1})
		scenario.inject(lab, fw, 5, first=500)
		node = make(fw, which)
		if s.mode:
			node.configure(s.mode, {"PurgeTimeout": 600, **s.mode_options}, options=s.options,
				       link=Link(port=SYNC_PORT + n))
		else:
			node.conf.write_text(STATS.format(dir=node.dir, log=node.log, lock=node.lock, socket=node.socket))
		node.start()
		sides[which] = Side(node)
	return sides


def happen(s: Setting, lab: Lab, sides: dict[str, Side]) -> None:
	"""Flows are born, change and end in both kernels; a peer tells of its own."""
	names = [name for name in vectors("attr-*.txt") + vectors("flow-*.txt")
		 # collide in the kernel, or it has no room for what they say
		 if not re.search("dccp|gre|esp|udplite|icmp|direction|synproxy", name)]
	names += vectors(f"mcast4-{(s.mode or '').lower()}-tcp*.txt") + vectors("ftp-expectation-new.txt")
	if s.inject:	# 1.4.7 does not survive all of the others
		names = vectors(f"mcast4-{(s.mode or '').lower()}-tcp*.txt")
	feeders = [Feeder(lab, other, SYNC_PORT + n) for n, other in enumerate(("fw2", "fw1"))] if s.mode else []

	def tell(side: Side) -> None:
		fw = side.node.fw
		events.conntrack(lab, fw, *events.born())
		scenario.inject(lab, fw, 30)
		events.conntrack(lab, fw, *events.changed())
		scenario.inject(lab, fw, 10, delete=True)

	with ThreadPoolExecutor(4) as pool:
		jobs = [pool.submit(tell, side) for side in sides.values()]
		jobs += [pool.submit(lambda feeder=feeder: [feeder.vector(name) for name in names]) for feeder in feeders]
		for job in jobs:
			job.result()
	for side in sides.values():
		settled(side.node)


@pytest.mark.parametrize("s", SETTINGS, ids=lambda s: s.name)
def test_every_command(lab: Lab, make: Callable, s: Setting) -> None:
	need(DEBIAN)
	sides = start(s, lab, make)
	parts = {which: {"log": side.log()} for which, side in sides.items()}
	said = [f"start: {line}" for line in differences(aside(s, "start: ", parts))]
	for side in sides.values():
		side.log_read()
	happen(s, lab, sides)
	for side in sides.values():
		side.log_read()		# of the scripted peer: what ours says about it is no answer to a command
	for phase, command in commands(s):
		said += compare(s, sides, phase, command)
	for side in sides.values():
		assert side.node.wait_end(5) == 0
		assert not side.node.lock.exists() and not side.node.socket.exists()
	assert not said, "\n".join(said)
	DONE.add(s.name)


def test_every_difference_is_there() -> None:
	"""A row that no command needs has to go."""
	if DONE != {s.name for s in SETTINGS}:
		pytest.skip("not all settings have run")
	assert [row for row in ON_PURPOSE if row not in USED and not re.search("fallen silent|uncertain|peers are told", row.ours)] == []	# said after a while

# SPDX-License-Identifier: GPL-2.0-or-later
"""What watches a firewall reads `conntrackd -s`: expressions, positions of lines and columns, awk and cut in a shell.

Readers of each kind are written here as such tools read, and are let loose on the answers of ours and of 1.4.7, which stand
side by side on both firewalls, in every mode, and see the same flows. Each reader finds the same names in both, and the same
figures where the flows decide them. What ours has to say beyond that comes after all that 1.4.7 prints.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, field
from typing import Callable, Iterator, NamedTuple

import pytest

import pace
import scenario
from conftest import need
from netlab import FW, SYNC_PORT, Lab, run, wait_until
from node import DEBIAN, OURS, Link, Links, Node, wait_met
from test_every_command import STATS
from test_outputs import settled

MAKES = (OURS, DEBIAN)
SUBJECTS = ("", "ct", "network", "cache", "runtime", "link", "rsqueue", "queue", "process", "expect")


@dataclass(frozen=True)
class Setting:
	"""How a daemon is configured. Injecting pairs of two makes cannot share a kernel: they stand there one after the other."""
	name: str
	mode: str = "FTFW"
	mode_options: dict[str, object] = field(default_factory=dict)
	options: dict[str, object] = field(default_factory=dict)
	links: Callable[[int], Link | Links] = lambda port: Link(port=port)

	@property
	def stats(self) -> bool:
		return self.name == "statistics"

	@property
	def injects(self) -> bool:
		return "DisableExternalCache" in self.mode_options


def two_links(port: int) -> Links:
	return Links([Link("UDP", port=port, default=True), Link("UDP", port=port, cable=1)])


SETTINGS = [
	Setting("FTFW", options={"ExpectationSync": "on"}, links=two_links),
	Setting("NOTRACK", "NOTRACK", links=lambda port: Link("TCP", port=port)),
	Setting("ALARM", "ALARM", {"RefreshTime": 1, "CacheTimeout": 15}),
	Setting("NOTRACK-bypass", "NOTRACK", {"DisableInternalCache": "on"}),
	Setting("FTFW-inject", "FTFW", {"DisableExternalCache": "on"}),
	Setting("statistics"),
]


class Answer(NamedTuple):
	status: int
	text: str


# (setting, make, firewall, subject)
Answers = dict[tuple[str, str, str, str], Answer]


def ask(answers: Answers, s: Setting, nodes: list[Node]) -> None:
	for node in nodes:
		for subject in SUBJECTS:
			done = node.ctl("-s", *([subject] if subject else []))
			answers[s.name, node.which, node.fw, subject] = Answer(done.returncode, done.stdout)
		assert node.running()


def nodes_of(lab: Lab, s: Setting, which: str, port: int) -> list[Node]:
	nodes = []
	for fw in FW if not s.stats else ("fw1",):
		node = Node(lab, fw, which, f"{fw}-{s.name}-{which}")
		if s.stats:
			node.conf.write_text(STATS.format(dir=node.dir, log=node.log, lock=node.lock, socket=node.socket))
		else:
			node.configure(s.mode, s.mode_options, options=s.options, link=s.links(port))
		node.start()
		nodes.append(node)
	return nodes


def happen(lab: Lab) -> None:
	"""Flows that begin and end, some with packets that the kernel counts."""
	scenario.inject(lab, "fw1", 30)
	scenario.inject(lab, "fw2", 3, first=900)
	talk = scenario.lines(lab, 5, interval=0.2)
	assert talk.ask("alive", 10)["alive"] == 5
	pace.sleep(0.5)
	scenario.inject(lab, "fw1", 10, delete=True)
	run("ip", "netns", "exec", lab.ns("fw1"), "conntrack", "-D", "-p", "tcp", "--dport", "7001")
	talk.end()


@pytest.fixture(scope="module")
def answers() -> Iterator[Answers]:
	"""Every report of every daemon."""
	need(DEBIAN)
	found: Answers = {}
	for crowd in ([(s, which) for s in SETTINGS if not s.injects for which in MAKES],
		      *[[(s, which)] for s in SETTINGS if s.injects for which in MAKES]):
		with Lab() as lab:
			lab.addresses_to("fw1")
			lab.more_cables(1)
			for fw in FW:
				lab.sysctl(fw, {"net/netfilter/nf_conntrack_events": 1, "net/netfilter/nf_conntrack_acct": 1})
			scenario.serve(lab)
			standing = [(s, nodes_of(lab, s, which, SYNC_PORT + 2 * n)) for n, (s, which) in enumerate(crowd)]
			for s, nodes in standing:
				if not s.stats:
					wait_met(*nodes)
			happen(lab)
			for s, nodes in standing:
				if not s.stats and not s.injects:
					wait_until(lambda nodes=nodes: len(nodes[1].external()) == 20, 30, f"{s.name}: 20 flows at the replica")
				for node in nodes:
					if s.mode != "ALARM":		# repeats what it has
						settled(node)
					if s.mode == "FTFW" and not s.stats:	# what has ended stays until it is acknowledged
						wait_until(lambda node=node: re.search(r"len=\d\)", node.ok("-s", "rsqueue")), 30,
							   f"{s.name}, {node.which}: acknowledged")
				ask(found, s, nodes)
				for node in nodes:
					assert node.stop() == 0
	yield found


# --- readers ---------------------------------------------------------------------------------

Found = dict[str, str]


def shell(script: str) -> Callable[[str], Found]:
	"""A pipeline that prints lines `name value`."""
	def read(text: str) -> Found:
		done = subprocess.run(["sh", "-c", script], input=text, capture_output=True, text=True, check=True,
				      timeout=pace.seconds(20))
		return dict(line.split(None, 1) for line in done.stdout.splitlines())
	return read


def place(name: str, line: int, column: str = "NF") -> Callable[[str], Found]:
	return shell(f"printf '%s ' {name}; awk 'NR == {line} {{ print ${column} }}'")


def blocks(text: str) -> Found:
	"""As a collector does that knows no names: blocks between empty lines, a title, then `name: figures`."""
	found: Found = {}
	for n, block in enumerate(re.split(r"\n\n+", text.strip("\n"))):
		lines = block.splitlines()
		title = re.sub(r"\s*\d+", "", lines[0]).strip().rstrip(":")
		for line in lines[1:] if ":" not in lines[0].rstrip(":") else lines:
			name, colon, rest = line.partition(":")
			for m, figure in enumerate(re.findall(r"\d+", rest if colon else line)):
				found[f"{title}/{name.strip() if colon else re.sub('[0-9 ]+', '_', line.strip())}/{m}"] = figure
	return found


CACHE_LINE = re.compile(r"connections (?P<what>\w+):\s+(?P<done>\d+)\s+failed:\s+(?P<failed>\d+)")


def exporter(text: str) -> Found:
	"""As an exporter does: names with labels."""
	found: Found = {}
	for name, body in re.findall(r"^cache (\w+):\n((?:.+\n)+)", text, re.M):
		found[f'entries{{cache="{name}"}}'] = re.search(r"current active connections:\s+(\d+)", body)[1]
		for m in CACHE_LINE.finditer(body):
			found[f'{m["what"]}_total{{cache="{name}"}}'] = m["done"]
			found[f'{m["what"]}_failed_total{{cache="{name}"}}'] = m["failed"]
	for kind, device, sent, received in re.findall(
			r"^(\w+) traffic \(active device=(\S+)\).*:\n +\d+ Bytes sent +\d+ Bytes recv\n +(\d+) Pckts sent +(\d+) Pckts recv$",
			text, re.M):
		found[f'sent{{kind="{kind}",device="{device}"}}'] = sent
		found[f'received{{kind="{kind}",device="{device}"}}'] = received
	return found


def uptime(text: str) -> Found:
	m = re.match(r"daemon uptime: (?:(\d+) days? )?(?:(\d+) h )?(\d+) min\n\n", text)
	return {"minutes": str(int(m[1] or 0) * 1440 + int(m[2] or 0) * 60 + int(m[3]))} if m else {}


def links(text: str) -> Found:
	found: Found = {}
	for n, (kind, device, status, role, rest) in enumerate(re.findall(
			r"^(\w+) traffic device=(\S+) status=(\S+) role=(\S+?):\n((?: .+\n){3})\n", text, re.M)):
		found |= {f"{n} kind": kind, f"{n} device": device, f"{n} status": status, f"{n} role": role}
		for what, how in re.findall(r"(Bytes|Pckts|Error) (sent|recv|send)", rest):
			found[f"{n} {what} {how}"] = re.search(rf"(\d+) {what} {how}", rest)[1]
	return found


def resend_queue(text: str) -> Found:
	"""Every line of it is understood, and the first one says how many follow."""
	m = re.fullmatch(r"resent queue \(len=(\d+)\)\n((?:object -> seq:\d+\n|control -> seq:\d+ flags:\d+\n)*)", text)
	return {"length": m[1], "rows less": str(int(m[1]) - len(m[2].splitlines()))} if m else {}


MUNIN = shell("""awk '
	/^cache [a-z]*:$/ { c = $2; sub(":", "", c) }
	/^internal bypass:$/ || /^external inject:$/ { c = $2; sub(":", "", c) }
	/^current active connections:/ { print c "_active.value", $4 }
	/^connections (created|updated|destroyed|new):/ { s = $2; sub(":", "", s); print c "_" s ".value", $3 }
	/failed:/ { print c "_" s "_failed.value", $5 }'""")
NAGIOS = shell("""awk '
	/failed:/ { failed += $NF }
	/Malformed msgs/ { malformed = $1; lost = $4 }
	/Error send/ { errors = $1 + $4 }
	END { print "failed", failed + 0; print "malformed", malformed; print "lost", lost; print "errors", errors + 0 }'""")
ZABBIX = shell("""tr -d '\\t ' | awk -F: '
	/Malformedmessages/ { n++; print "malformed" n, $2 }
	/Wrongprotocolversion|Malformedheader|Malformedpayload|Badmessagetype|Truncatedmessage|Badmessagesize/ { print $1, $2 }
	/Packetslost|Packetsbefore/ { print $1, $2 }'""")
EXTENDED = shell("""awk -F: '
	/^cache:/ { c = $2; sub("[ \\t].*", "", c); print c "_objects", $3 + 0 }
	/active\\/total/ { split($2, v, "/"); print c "_active", v[1] + 0; print c "_total", v[2] + 0 }
	/OK\\/failed|created\\/failed/ { n = $1; gsub("[^a-z]", "", n); split($2, v, "/"); print c "_" n, v[1] + 0; print c "_" n "_f", v[2] + 0 }
	/no space left/ { print c "_nospace", $2 + 0 }'""")
NETLINK = shell("""awk -F: '/^\\t/ { n = $1; gsub("[^a-z]", "", n); print n, $2 + 0 }'""")
QUEUES = shell("""awk '
	/^allocated/ { print "nodes", $4 }
	/^queue / { q = $2; print "named_" q, "1" }
	/^current elements/ { print q "current", $3 }
	/^maximum elements/ { print q "maximum", $3 }
	/^not enough/ { print q "errors", $5 }'""")
GREP = shell("""grep -A1 'cache external' | tail -n 1 | tr -s ' \\t' ' ' | cut -d: -f2 | sed 's/^/external/'""")
CHILDREN = shell("""printf 'children '; grep -c '^PID=[0-9]* type=' || :""")


class Reader(NamedTuple):
	name: str
	subject: str
	read: Callable[[str], Found]
	# Regular expressions: the settings in which there is something to find, and the names of what may differ.
	where: str = ".*"
	free: str = "$."
	least: int = 1


CACHED = "FTFW|NOTRACK|ALARM"
SYNC = "(?!statistics).*"
# How the messages share datagrams, and which states share a message, is each sender's own choice.
CHANNEL = ".*(updated|update|[Bb]ytes|[Pp]ckts|sent|received|[Ll]ost).*"

READERS = [
	Reader("munin", "", MUNIN, free=".*updated.value", least=7),
	Reader("munin of expectations", "expect", MUNIN, where="FTFW", least=14),
	Reader("nagios", "", NAGIOS, where="FTFW|ALARM|NOTRACK.*", free="lost|errors", least=4),
	Reader("grep and cut", "", GREP, where=CACHED),
	Reader("second line", "", place("active", 2), where=f"{CACHED}|statistics"),
	Reader("third line, column", "", place("created", 3, "3"), where=f"{CACHED}|statistics"),
	Reader("eighth line", "ct", place("known", 8), where=CACHED),
	Reader("traffic's line", "", place("bytes", 14, "1"), where=CACHED),
	Reader("traffic's second column", "", place("packets", 14, "3"), where=CACHED),
	Reader("errors' line", "", place("errors", 19, "1"), where="FTFW|ALARM"),
	Reader("malformed, last line but one", "", shell("printf 'malformed '; tail -n 2 | awk 'NR == 1 { print $1 }'"), where=CACHED),
	Reader("blocks", "", blocks, free=CHANNEL, least=8),
	Reader("blocks", "network", blocks, where=SYNC, free=CHANNEL, least=14),
	Reader("blocks", "cache", blocks, free=".*(update|complete|objects|active/total).*", least=9),
	Reader("blocks", "runtime", blocks, free=".*(uptime|events received|buffer size).*", least=16),
	Reader("blocks", "queue", blocks, where=SYNC, free=".*(current elements|nodes).*", least=7),
	Reader("exporter", "", exporter, where=f"{CACHED}|statistics", free="(updated|sent|received).*", least=7),
	Reader("zabbix", "network", ZABBIX, where=SYNC, free="Packetslost", least=10),
	Reader("line of the network", "network", place("malformed", 3), where=SYNC),
	Reader("extended", "cache", EXTENDED, where=f"{CACHED}|statistics", free=".*update.*", least=10),
	Reader("uptime", "runtime", uptime, free="minutes"),
	Reader("netlink", "runtime", NETLINK, free="eventsreceived|currentbuffersizeinbytes", least=16),
	Reader("links", "link", links, where=SYNC, free=".*(Bytes|Pckts) .*", least=10),
	Reader("resend queue", "rsqueue", resend_queue, where="FTFW.*", free="length"),
	Reader("queues", "queue", QUEUES, where=SYNC, free="nodes|.*current", least=9),
	Reader("children", "process", CHILDREN),
]


# By mode, what each make counts in its own way. ALARM: 1.4.7 tells each repetition as a new flow, and makes the entry anew for
# it. Injecting: a flow that changes before it is told is told as a change.
COUNTED_OTHERWISE = {"ALARM": ".*(external.*(creat|destroy|delet)|(created|destroyed)_total.*external).*",
		     "FTFW-inject": ".*inject.*created.*"}


@pytest.mark.parametrize("reader,s", [
	pytest.param(reader, s, id=f"{s.name}-{reader.name}-s {reader.subject}".strip()) for reader in READERS for s in SETTINGS
	if re.fullmatch(reader.where, s.name)])
def test_reader(answers: Answers, reader: Reader, s: Setting) -> None:
	"""The same names in both, and the same figures."""
	for fw in FW if not s.stats else ("fw1",):
		texts = {which: answers[s.name, which, fw, reader.subject].text for which in MAKES}
		ours, debian = (reader.read(texts[which]) for which in MAKES)
		said = f"{fw}\n--- ours\n{texts[OURS]}\n--- 1.4.7\n{texts[DEBIAN]}"
		assert len(debian) >= reader.least, f"the reader is wrong: {debian}\n{said}"
		extra = [name for name in ours if name not in debian and reader.read is not blocks]
		assert not extra and debian.keys() <= ours.keys(), f"{sorted(ours.keys() ^ debian.keys())}\n{said}"
		assert list(debian) == list(ours)[:len(debian)], f"in another order\n{said}"
		for name, value in debian.items():
			if re.fullmatch(reader.free, name) or re.fullmatch(COUNTED_OTHERWISE.get(s.name, "$."), name):
				assert value.isdigit() == ours[name].isdigit(), f"{name}: {ours[name]}, {value}\n{said}"
			else:
				assert ours[name] == value, f"{name}: {ours[name]}, {value}\n{said}"


def shape(text: str) -> list[str]:
	"""Figures are masked where they stand in columns: the width counts."""
	text = re.sub(r"daemon uptime: .*", "daemon uptime: #", text)
	return [re.sub(r" *\d+(?!\d)", lambda m: "#" * len(m[0]), line) for line in text.splitlines()]


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda s: f"-s {s}".strip())
@pytest.mark.parametrize("s", SETTINGS, ids=lambda s: s.name)
def test_every_line_and_column(answers: Answers, s: Setting, subject: str) -> None:
	"""Ours begins with all lines of 1.4.7, each figure in its columns, and the exit status is the same."""
	for fw in FW if not s.stats else ("fw1",):
		(ours_status, ours), (status, debian) = (answers[s.name, which, fw, subject] for which in MAKES)
		assert ours_status == status == 0
		if subject == "rsqueue":	# as many lines as there are elements
			ours, debian = (text.partition("\n")[0] for text in (ours, debian))
		a, b = shape(ours), shape(debian)
		assert a[:len(b)] == b, f"{fw}\n--- ours\n{ours}\n--- 1.4.7\n{debian}"
		assert not a[len(b):] or not b or b[-1] == "", f"{fw}: what follows is part of the last block\n{ours}"


def test_figures_are_those_of_the_flows(answers: Answers) -> None:
	"""And not only the same: what the flows of this laboratory make of them."""
	for s in SETTINGS:
		for which in MAKES:
			text = answers[s.name, which, "fw1", ""].text
			found = MUNIN(text)
			if s.name in ("FTFW", "NOTRACK", "ALARM"):
				assert found["internal_active.value"] == "20", text
				assert found["external_active.value"] == "3", text
				assert int(found["internal_created.value"]) == 35 and int(found["internal_destroyed.value"]) == 15, text
			if s.name not in ("NOTRACK-bypass",):
				assert int(re.search(r"traffic processed:\n +(\d+) Bytes", text)[1]) > 1000, text

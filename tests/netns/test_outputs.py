# SPDX-License-Identifier: GPL-2.0-or-later
"""What our daemon prints and what Debian's prints about the same kernel table and the same messages: the same lines.

Both daemons stand on one firewall, so they see one kernel table and get the same events. Only what a clock, a sequence
number or a place in memory decides is masked, and what NOT_THE_SAME lists with its reason.
"""

from __future__ import annotations

import re
import socket
import struct
from pathlib import Path
from typing import Callable, Iterable

import pytest

import events
import pace
import scenario
from conftest import need
from netlab import FW, GROUP, SYNC_PORT, Lab, inside, wait_until
from node import DEBIAN, OURS, Link, Node

VECTORS = Path(__file__).resolve().parents[1] / "vectors"

# subject, words of the line, why the figures in it differ. "sent": only those on the left of the line.
NOT_THE_SAME = [
	("", "Bytes sent", "how many messages share a datagram, and what needs no sending, is each daemon's own choice"),
	("", "Pckts sent", "as above"),
	("network", "Packets lost", "1.4.7 counts each gap two too high, and takes a message that it refused for a lost one"),
	("", "Lost msgs", "as above"),
]

SUBJECTS = ["ct", "network", "cache", "runtime", "link", "rsqueue", "queue", "process"]


def blank(match: re.Match[str]) -> str:
	"""The figure is masked, its width is not."""
	return "#" * len(match[0])


# What ours says at the end of -s cache: whether each cache is complete.
COMPLETENESS = re.compile(r"^(?:internal cache|external cache|statistics cache|copy of the peers' flows in our kernel): .*\n", re.M)


# What ours says behind a link where something is wrong; here each node is alone on its own.
ALONE = "\tnothing was ever heard on this link\n\n"


# What it says behind the links where something was lost.
REPAIRED = re.compile(r"^sequence repair statistics:\n(?:\t.*\n)+\n", re.M)


def masked(subject: str, text: str, also: Iterable[str] = ()) -> list[str]:
	"""The lines of a report. `also`: words of lines of which every figure is masked."""
	lines = []
	for line in REPAIRED.sub("", COMPLETENESS.sub("", text)).replace(ALONE, "").splitlines():
		for where, words, _ in NOT_THE_SAME:
			if where in ("", subject) and words in line:
				front, back = line[:line.index(words)], line[line.index(words):]
				if words.endswith(("sent", "msgs")):	# the figure stands in front
					front = re.sub(r" *\d+ $", blank, front)
				else:
					back = re.sub(r" *\d+", blank, back)
				line = front + back
		if any(words in line for words in also):
			line = re.sub(r" *\d+", blank, line)
		line = re.sub(r"^daemon uptime: \d+ min", "daemon uptime: # min", line)	# one may have begun its next minute
		lines.append(re.sub(r"seq:\d+", "seq:#", line))
	return lines


def flows(text: str) -> list[str]:
	return sorted(re.sub(r"\[active since \d+s\]|delta-time=\d+|<deltatime>\d+", "#", line) for line in text.splitlines())


def same_flows(ours: Node, debian: Node, option: str) -> int:
	"""Text and XML of a cache are the same lines; how many."""
	count = 0
	for form in ((), ("-x",)):
		a, b = flows(ours.ok(option, *form)), flows(debian.ok(option, *form))
		assert a == b, "\n".join([f"{option} {form}: only ours", *sorted(set(a) - set(b)), "only 1.4.7",
					  *sorted(set(b) - set(a))])
		count = len(a)
	return count


def same_statistics(ours: Node, debian: Node, subjects: Iterable[str] = SUBJECTS, also: Iterable[str] = ()) -> None:
	for subject in subjects:
		a, b = [masked(subject, node.ok("-s", subject), also) for node in (ours, debian)]
		assert a == b, f"-s {subject}:\nours:\n" + "\n".join(a) + "\n1.4.7:\n" + "\n".join(b)


# The lines that say how many flows a cache has created, updated and ended.
COUNTED = ["connections created:", "connections updated:", "connections destroyed:",
	   "creation OK/failed:", "update OK/failed:", "deletion created/failed:"]


def counted(node: Node) -> list[int]:
	"""Created, updated, ended in the internal cache: -s and -s cache say the same, and that none failed."""
	short = re.findall(r"^connections \w+:\s+(\d+)\s+failed:\s+0$", node.ok("-s", "ct"), re.M)[:3]
	assert re.findall(r"^\t(?:creation OK|update OK|deletion created)/failed:\s+(\d+)/ +0$", node.ok("-s", "cache"), re.M)[:3] == short
	return [int(figure) for figure in short]


@pytest.fixture
def both(make: Callable[..., Node]) -> Callable[..., tuple[Node, Node]]:
	"""both(fw): one of ours and one of Debian's on one firewall, each with a link of its own, configured."""
	def build(fw: str, second_port: int = SYNC_PORT + 1, **configuration: object) -> tuple[Node, Node]:
		nodes = make(fw, OURS, f"{fw}-ours"), make(fw, DEBIAN, f"{fw}-debian")
		for node, port in zip(nodes, (SYNC_PORT, second_port)):
			node.configure(link=Link(port=port), **configuration)
		return nodes
	return build


def settled(node: Node) -> None:
	"""Until its statistics stand still: every event has been read."""
	seen = [""]

	def still() -> bool:
		seen.append("".join(node.ok("-s", subject) for subject in ("cache", "runtime")))
		return seen[-1] == seen[-2]

	wait_until(still, 20, f"{node.which}: no more events", 0.3)


# --- one kernel table ------------------------------------------------------------

FILTER = """	Filter From Userspace {
		Protocol Accept {
			TCP
			UDP
			ICMP
		}
		Address Ignore {
			IPv4_address 10.77.0.1
			IPv6_address fd00:20::101
		}
	}
"""


@pytest.mark.parametrize("extra", ["", FILTER], ids=["all", "filtered"])
@pytest.mark.parametrize("sysctl", [0, 1], ids=["plain", "acct"])
def test_one_kernel_table(lab: Lab, both: Callable, extra: str, sysctl: int) -> None:
	"""Flows from before the start and events after it: every line of -i, every figure of -s."""
	for name in ("acct", "timestamp"):
		lab.sysctl("fw1", {f"net/netfilter/nf_conntrack_{name}": sysctl})
	# By default a flow born while nobody listens never reports its end, and 1.4.7 keeps it after a flush: its defect,
	# not its output (ours: test_states, test_intake). Whether somebody listens is known to the kernel for the whole
	# machine, so other tests beside this one would decide.
	lab.sysctl("fw1", {"net/netfilter/nf_conntrack_events": 1})
	scenario.serve(lab)
	scenario.lines(lab, 3, interval=60)
	scenario.inject(lab, "fw1", 10, first=1000)
	events.conntrack(lab, "fw1", f"-I -p udp {events.ports(90)} -m 3", f"-I -p sctp {events.ports(91)} --state ESTABLISHED "
			 "--orig-vtag 1 --reply-vtag 2 -w 9")
	ours, debian = both("fw1", extra=extra)
	for node in (ours, debian):
		node.start()
	events.happen(lab, "fw1")
	for node in (ours, debian):
		settled(node)
	assert same_flows(ours, debian, "-i") > (30 if extra else 150)
	assert same_flows(ours, debian, "-e") == 0
	same_statistics(ours, debian)
	for options in (("-R",), ("-f", "internal"), ("-R",), ("-F",)):
		for node in (ours, debian):
			node.ok(*options)
			settled(node)
		if options == ("-f", "internal"):	# 1.4.7 forgets until -R; ours compares, and keeps what the kernel has
			assert flows(debian.ok("-i")) == []
			assert flows(ours.ok("-i")) == known
			forgotten = len(known)
		else:
			same_flows(ours, debian, "-i")
		known = flows(ours.ok("-i"))
	# Not what a flow under way carried between the moment it was read and the moment our own flush deleted it: our own
	# deletions come back to us by no event.
	same_statistics(ours, debian, ["ct"], also=["Bytes      ", *COUNTED])
	# Not "active objects", "total entries": a flush of ours forgets the ends that were still to be acknowledged.
	same_statistics(ours, debian, ["cache"], also=["active objects:", "active/total entries:", *COUNTED])
	created, updated, ended = counted(debian)
	assert counted(ours) == [created - forgotten, updated + forgotten, ended - forgotten]


@pytest.mark.parametrize("mode", ["NOTRACK"])
def test_other_modes(lab: Lab, both: Callable, mode: str) -> None:
	"""The modes that do not acknowledge: no resend queue in the reports."""
	ours, debian = both("fw1", mode=mode)
	for node in (ours, debian):
		node.start()
	scenario.inject(lab, "fw1", 50)
	scenario.inject(lab, "fw1", 20, delete=True)
	for node in (ours, debian):
		settled(node)
	assert same_flows(ours, debian, "-i") == 30
	same_statistics(ours, debian)


# --- the states of a peer ---------------------------------------------------------


@pytest.mark.parametrize("sender", [OURS, DEBIAN])
def test_states_of_a_peer(lab: Lab, make: Callable, both: Callable, sender: str) -> None:
	"""Two pairs with equal senders: what they tell looks the same at our replica and at Debian's."""
	need(DEBIAN)
	ours, debian = both("fw2")
	senders = [make("fw1", sender, f"sender{n}") for n in range(2)]
	for n, node in enumerate(senders):
		node.configure(link=Link(port=SYNC_PORT + n))
	for node in (ours, debian, *senders):
		node.start()
	pace.sleep(4)		# the tables that nodes send each other when they meet are through
	scenario.serve(lab)
	events.happen(lab, "fw1")
	for node in (*senders, ours, debian):
		settled(node)
	assert same_flows(ours, debian, "-e") > 150
	assert same_flows(ours, debian, "-i") == 0


# --- messages from a list -----------------------------------------------------------


class Feeder:
	"""A scripted node on `fw` that sends the same datagrams to all daemons of the other one, and is deaf."""

	def __init__(self, lab: Lab, fw: str = "fw2", port: int = SYNC_PORT):
		with inside(lab.ns(fw)):
			self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
			self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF,
					       socket.inet_aton(f"10.30.0.{FW[fw]}"))
		self.seq, self.port = 1795416000, port

	def send(self, payload: bytes) -> None:
		self.socket.sendto(payload, (GROUP, self.port))
		pace.sleep(0.03)	# longer than our allowance for reordering

	def vector(self, name: str) -> None:
		"""The datagram of a vector, its messages numbered from our next number on."""
		text = (VECTORS / f"{name}.txt").read_text()
		payload = bytearray.fromhex("".join(line for line in text.splitlines() if not line.startswith("#")))
		at = 0
		while at + 8 <= len(payload):
			struct.pack_into("!I", payload, at + 4, self.seq)
			self.seq += 1
			length = struct.unpack_from("!H", payload, at + 2)[0]
			if length < 8:
				break
			at += length
		self.send(bytes(payload))


def vectors(pattern: str) -> list[str]:
	return sorted(path.stem for path in VECTORS.glob(pattern))


@pytest.fixture
def fed(lab: Lab, both: Callable) -> tuple[Node, Node, Feeder]:
	"""Both daemons on one link, and the feeder."""
	ours, debian = both("fw1", second_port=SYNC_PORT)
	for node in (ours, debian):
		node.start()
	return ours, debian, Feeder(lab)


def test_flows_of_the_vectors(fed: tuple[Node, Node, Feeder]) -> None:
	"""Everything a 1.4.7 node was ever seen to send about flows: same external cache, same counters of what came in."""
	ours, debian, feeder = fed
	for name in vectors("attr-*.txt") + vectors("flow-*.txt") + vectors("mcast4-ftfw-tcp*.txt") + vectors("ftp*related*"):
		feeder.vector(name)
	assert same_flows(ours, debian, "-e") > 30
	same_statistics(ours, debian, ["ct", "network", "cache", "link"])


def test_bad_messages(fed: tuple[Node, Node, Feeder]) -> None:
	"""Each malformed datagram counts under the same name. Those that ours reads on purpose are left out."""
	ours, debian, feeder = fed
	names = [name for name in vectors("bad-*.txt")
		 if "expected-ours: as 1.4.7" in (VECTORS / f"{name}.txt").read_text()]
	assert len(names) > 30
	feeder.vector("mcast4-ftfw-udp-new")
	for name in names:
		feeder.vector(name)
		try:
			same_statistics(ours, debian, ["network"])
		except AssertionError as differ:
			raise AssertionError(f"after {name}: {differ}") from None
	same_flows(ours, debian, "-e")
	same_statistics(ours, debian, ["ct", "network", "cache", "link"])


def test_gaps_and_repetitions(fed: tuple[Node, Node, Feeder]) -> None:
	"""Missing numbers count once each (1.4.7: two too many per gap), old ones once each."""
	ours, debian, feeder = fed

	def lost(node: Node) -> int:
		return int(re.search(r"Packets lost:\t\t *(\d+)", node.ok("-s", "network"))[1])

	gaps = (1, 3, 20)
	for gap in gaps:
		feeder.vector("mcast4-ftfw-udp-new")
		feeder.seq += gap
	feeder.vector("mcast4-ftfw-tcp-new")
	pace.sleep(1.2)		# what fills a gap within a second was overtaken and not lost
	for back in (1, 2, 10):
		feeder.seq -= back
		feeder.vector("mcast4-ftfw-tcp-upd")
		feeder.seq += back - 1
	assert lost(ours) == sum(gaps) and lost(debian) == sum(gap + 2 for gap in gaps)
	same_flows(ours, debian, "-e")
	same_statistics(ours, debian, ["ct", "network", "cache", "link"])

# SPDX-License-Identifier: GPL-2.0-or-later
"""Files of the kinds that people run (field/*.conf), as they are: what each must do is in ROWS, and is done on two real nodes
by pairs of ours, of 1.4.7 and of both at once, on the same flows.

Adapted are the names of interfaces, addresses of the other node, and the port, as several pairs run side by side.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator

import pytest

import pace
import scenario
import tables
from asis import Daemon, wait_met
from conftest import need
from netlab import FW, SYNC_PORT, Lab, inside, run, wait_until
from node import DEBIAN, OURS, TOP

FIELD = Path(__file__).resolve().parent / "field"
# Where the files come from, on the machines that have them.
SOURCE = TOP.parent / "shared" / "field-configs"

PAIRS = [(OURS, OURS), (DEBIAN, DEBIAN), (OURS, DEBIAN), (DEBIAN, OURS)]
ALIKE = [(OURS, OURS), (DEBIAN, DEBIAN)]
INTERFACES = {"sync": "sync0", "eth1": "sync0", "eth2": "sync1", "wan0": "sync0"}
NODE = {"fw1": 1, "fw2": 2}		# the last part of an address in these files

Pair = tuple[Daemon, Daemon]


def conntrack(lab: Lab, fw: str, *argv: object) -> str:
	with inside(lab.ns(fw)):
		return run("conntrack", *argv).stdout


def kernel(lab: Lab, fw: str) -> set[tables.Flow]:
	return tables.parse(conntrack(lab, fw, "-L", "-f", "ipv4"))


def flush(lab: Lab, fw: str) -> None:
	conntrack(lab, fw, "-F")


def told(replica: Daemon) -> set[tables.Flow]:
	return tables.parse(replica.ok("-e"))


def wait_told(lab: Lab, *pairs: Pair) -> None:
	"""What each replica knows is what the kernel of the other node has: with both makes the same."""
	left = list(pairs)

	def all_are() -> bool:
		have = {fw: tables.one_way(kernel(lab, fw)) for fw in FW}
		while left and told(left[0][1]) == have[left[0][0].fw]:
			left.pop(0)
		return not left

	try:
		wait_until(all_are, 30, step=0.3)
	except AssertionError:
		one, two = left[0]
		missing = tables.difference(tables.one_way(kernel(lab, one.fw)), told(two))
		raise AssertionError(f"{one.which} to {two.which}, {two.file.name}: {missing}\n{one.console.read_text()}"
				     f"{two.console.read_text()}") from None


def other_way(pairs: list[Pair]) -> list[Pair]:
	return [pair[::-1] for pair in pairs]


# --- surroundings -------------------------------------------------------------------------


def plain(lab: Lab) -> None:
	"""The dedicated cable has the addresses of the files."""
	for fw, n in NODE.items():
		lab.ip(fw, f"addr add 192.168.100.{n}/24 dev sync0")


def routed(lab: Lab, net: str, cable: int = 0) -> None:
	"""The other node's address is reached by a route over this cable."""
	for fw, n in NODE.items():
		lab.ip(fw, f"route replace {net}.{3 - n}/32 via 10.{30 + cable}.0.{FW['fw2' if fw == 'fw1' else 'fw1']} "
		       f"dev sync{cable} src {net}.{n}")


def on_lo(lab: Lab) -> None:
	for fw, n in NODE.items():
		lab.ip(fw, f"addr add 10.255.0.{n}/32 dev lo")
	routed(lab, "10.255.0")


def on_its_own(lab: Lab) -> None:
	"""The address is on a veth with nothing behind it; there are two ways to the peer."""
	lab.more_cables(1)
	for fw, n in NODE.items():
		lab.ip(fw, "link add own type veth peer name nothing", "link set own up", "link set nothing up",
		       f"addr add 10.255.1.{n}/32 dev own")
	routed(lab, "10.255.1")


def two_cables(lab: Lab) -> None:
	lab.more_cables(1)
	for fw, n in NODE.items():
		lab.ip(fw, f"addr add 192.0.2.{n}/24 dev sync0", f"addr add 198.51.100.{n}/24 dev sync1")


def several_gateways(lab: Lab) -> None:
	lab.ip("fw1", "addr add 10.31.1.1/24 dev sync0")
	lab.ip("fw2", *[f"addr add 10.31.1.{n}/24 dev sync0" for n in GATEWAYS])


# --- what happens --------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
	"""What a file must do."""
	file: str
	must: Callable[[Stage], None]
	surroundings: Callable[[Lab], None]
	# Changes of the file that must do as well: (text, other text).
	also: tuple[tuple[str, str], ...] = ()
	# What ours says about the file, at the start and with -T, each once and nothing else.
	says: tuple[str, ...] = ()


class Stage:
	"""A laboratory for one row, and its daemons."""

	def __init__(self, lab: Lab, row: Row):
		self.lab, self.row = lab, row
		self.daemons: list[Daemon] = []
		self.ports = iter(range(SYNC_PORT, SYNC_PORT + 100))
		row.surroundings(lab)

	def text(self, fw: str, port: int = SYNC_PORT) -> str:
		text = (FIELD / f"{self.row.file}.conf").read_text()
		text = re.sub(r"\b(Interface )(\w+)", lambda m: m[1] + INTERFACES.get(m[2], m[2]), text)
		text = re.sub(r"\b(Port|Group) (\d+)", lambda m: f"{m[1]} {int(m[2]) + port - SYNC_PORT}", text)
		if fw == "fw2":
			text = re.sub(r"\b((?:192\.168\.100|10\.255\.[01]|192\.0\.2|198\.51\.100)\.)([12])\b",
				      lambda m: f"{m[1]}{3 - int(m[2])}", text)
		return text

	def start(self, fw: str, which: str, text: str, name: str) -> Daemon:
		file = self.lab.scratch / f"{fw}-{which}-{name}.conf"
		file.write_text(text)
		self.daemons.append(Daemon(self.lab, fw, which, file))
		return self.daemons[-1]

	def pairs(self, *makes: tuple[str, str], change: tuple[str, str] = ("", "")) -> list[Pair]:
		"""Running pairs, each with a port of its own."""
		made: list[Pair] = []
		for pair in makes:
			port = next(self.ports)
			made.append(tuple(self.start(fw, which, without_helpers(which, self.text(fw, port)).replace(*change), str(port))
					  for fw, which in zip(FW, pair)))
		for pair in made:
			for daemon in pair:
				daemon.wait()
				if daemon.which == OURS:
					self.says(daemon)
		for pair in made:
			wait_met(*pair)
		return made

	def says(self, daemon: Daemon) -> None:
		for text in (daemon.console.read_text(), daemon.ctl("-T", "--no-machine").stderr):
			lines = [line for line in text.splitlines() if line.startswith(f"{daemon.file}:")]
			assert len(lines) == len(self.row.says) and all(re.search(want, line)
									for want, line in zip(self.row.says, lines)), text


def without_helpers(which: str, text: str) -> str:
	"""1.4.7 needs a part of the kernel for them, which few have."""
	if which == OURS or "Helper {" not in text:
		return text
	run("modprobe", "-q", "nfnetlink_cthelper", check=False)
	return text if Path("/sys/module/nfnetlink_cthelper").exists() else text[:text.index("Helper {")]


def both_ways(stage: Stage, pairs: list[Pair], first: int = 0) -> None:
	"""20 of 20 flows, from each to the other; some of them end."""
	for fw in FW:
		scenario.inject(stage.lab, fw, 20, first=first + 1000 * NODE[fw])
	wait_told(stage.lab, *pairs, *other_way(pairs))


def fails_over(stage: Stage, pairs: list[Pair]) -> None:
	"""Some flows end, then all active nodes die, and each of the others commits: the dead one's table, entry by entry."""
	lab = stage.lab
	scenario.inject(lab, "fw1", 5, first=1000, delete=True)
	flush(lab, "fw2")
	wait_told(lab, *pairs, *other_way(pairs))
	for one, _ in pairs:
		one.process.send_signal(signal.SIGKILL)
		one.process.wait()
	for _, two in pairs:
		flush(lab, "fw2")
		two.ok("-c")
		left = tables.difference(kernel(lab, "fw1"), kernel(lab, "fw2"))
		assert not left, f"{two.file.name}: {left}"
		assert len(kernel(lab, "fw2")) >= 15


def replicates(stage: Stage) -> None:
	pairs = stage.pairs(*PAIRS)
	for change in stage.row.also:
		pairs += stage.pairs(*ALIKE, change=change)
	both_ways(stage, pairs)
	fails_over(stage, pairs)


def warns_of_helpers(stage: Stage) -> None:
	"""And in -s: a person who reads it sees that nobody serves them, on standard error."""
	replicates(stage)
	for daemon in stage.daemons:
		if daemon.which == OURS and daemon.fw == "fw2":
			said = daemon.watched("-s")
			assert daemon.ctl("-s").stderr == "" and "helper" not in said.stdout and said.stderr.count("helper ") == 3, said


def keeps_the_ordinary_policy(stage: Stage) -> None:
	"""With the filter of the file: of TCP flows in other states, and of UDP, neither make tells."""
	lab = stage.lab
	pairs = stage.pairs(*PAIRS)
	for daemon in stage.daemons:
		assert os.sched_getscheduler(daemon.process.pid) == os.SCHED_OTHER
	both_ways(stage, pairs)
	flow = "-s 10.10.1.1 -d 10.20.1.1 --dport 80 -t 600"
	states = ("SYN_SENT", "FIN_WAIT", "CLOSE", "TIME_WAIT", "CLOSE_WAIT")
	lines = [f"-p tcp {flow} --sport {n} --state {state} -u SEEN_REPLY,ASSURED" for n, state in enumerate(states, 1)]
	for line in (*lines, f"-p udp {flow} --sport 9 -u SEEN_REPLY"):
		conntrack(lab, "fw1", "-I", *line.split())
	for _, two in pairs:
		wait_until(lambda two=two: len(told(two)) == 23, 20, f"{two.file.name}: the states that are accepted")
		ports = {dict(flow.orig)["sport"] for flow in told(two)}
		assert {"3", "4", "5"} < ports and not {"1", "2", "9"} & ports, f"{two.file.name}: {sorted(ports)}"
	conntrack(lab, "fw1", "-D", "-p", "udp", "-s", "10.10.1.1")
	for n in (1, 2):
		conntrack(lab, "fw1", "-D", "-p", "tcp", "-s", "10.10.1.1", "--sport", n)
	fails_over(stage, pairs)


def follows_the_route(stage: Stage) -> None:
	"""And goes on when the route moves to a second path while the first is dead behind its carrier."""
	pairs = stage.pairs(*PAIRS) + stage.pairs(*ALIKE, change=("Interface own", "Interface sync0"))
	both_ways(stage, pairs)
	for fw in FW:
		stage.lab.lossy(fw, 100)
	routed(stage.lab, "10.255.1", 1)
	both_ways(stage, pairs, first=100)
	fails_over(stage, pairs)


def active_device(daemon: Daemon) -> str:
	return re.search(r"traffic \(active device=(\w+)\)", daemon.ok("-s"))[1]


def changes_links(stage: Stage) -> None:
	pairs = stage.pairs(*PAIRS)
	both_ways(stage, pairs)
	for device, state in (("sync1", "down"), ("sync0", "up")):
		stage.lab.ip("fw2", f"link set sync0 {state}")
		for daemon in stage.daemons:
			# 1.4.7 does not return to the Default link
			if daemon.which == OURS or state == "down":
				wait_until(lambda daemon=daemon: active_device(daemon) == device, 20, f"{daemon.file.name}: sends on {device}")
		scenario.inject(stage.lab, "fw1", 20, first=2000 if state == "down" else 3000)
		for one, two in pairs:
			if two.which == DEBIAN:		# what was on its way when the links changed is not asked for
				two.ok("-n")
		wait_told(stage.lab, *pairs)
	fails_over(stage, pairs)


def starts_answers_ends(stage: Stage) -> None:
	"""One node, with a link to itself."""
	for which in (OURS, DEBIAN):
		need(which)
		daemon = stage.start("fw1", which, stage.text("fw1", next(stage.ports)), "alone")
		daemon.wait()
		if which == OURS:
			stage.says(daemon)
		answer = daemon.ok("-s")
		assert re.match(r"cache internal:\ncurrent active connections:\t +\d+\n", answer), answer
		assert "TCP traffic (active device=lo) server=" in answer
		for option in ("-i", "-e", "-c", "-R", "-B", "-n"):
			daemon.ok(option)
		assert daemon.process.poll() is None
		daemon.end()


def injects(stage: Stage) -> None:
	"""What conntrack(8) removes on the active node goes on the other one as well, but for what passes there (1.4.7: all). The
	table that is full is test_limits.py's, which fills it.
	"""
	lab = stage.lab
	scenario.serve(lab)

	def equal() -> bool:
		return kernel(lab, "fw1") == kernel(lab, "fw2")

	for makes in ALIKE:	# mixed pairs: test_inject.py
		lab.addresses_to("fw1")
		for fw in FW:
			flush(lab, fw)
		[(one, two)] = stage.pairs(makes)
		name = f"{one.which} to {two.which}"
		scenario.inject(lab, "fw1", 20)
		talk = scenario.lines(lab, 5, interval=0.2)
		wait_until(lambda: equal() and len(kernel(lab, "fw2")) == 25, 20, f"{name}: injected")
		for port in (10000, 10007, 10019):
			conntrack(lab, "fw1", "-D", "-p", "tcp", "--sport", port)
		wait_until(lambda: equal() and len(kernel(lab, "fw2")) == 22, 20, f"{name}: -D is carried out")
		lab.addresses_to("fw2")
		assert two.ctl("-c").returncode == 0
		assert talk.ask("alive", 10)["alive"] == 5, f"{name}: taken over"
		pace.sleep(1)
		flush(lab, "fw1")
		passing = 5 if two.which == OURS else 0
		wait_until(lambda: len(kernel(lab, "fw2")) == passing, 20, f"{name}: -F is carried out, {passing} flows pass here")
		assert talk.ask("alive", 3)["alive"] == passing, name
		talk.end()
		for daemon in (one, two):
			daemon.end()


# --- a relay ---------------------------------------------------------------------------------

GATEWAYS = (2, 3, 4)


class Relay:
	"""A relay on 127.0.0.1 of a firewall: each datagram goes to several gateways."""

	def __init__(self, lab: Lab, fw: str, port: int):
		self.port, self.over = port, threading.Event()
		with inside(lab.ns(fw)):
			self.rx = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
			self.tx = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		self.rx.bind(("127.0.0.1", port))
		self.tx.bind(("10.31.1.1", 0))
		self.rx.settimeout(pace.seconds(0.2))
		self.thread = threading.Thread(target=self.run)

	def run(self) -> None:
		while not self.over.is_set():
			try:
				datagram = self.rx.recv(65536)
			except TimeoutError:
				continue
			for n in GATEWAYS:
				self.tx.sendto(datagram, (f"10.31.1.{n}", self.port))

	def __enter__(self) -> Relay:
		self.thread.start()
		return self

	def __exit__(self, *exc: object) -> None:
		self.over.set()
		self.thread.join()
		self.rx.close()
		self.tx.close()


def hears_every_gateway(stage: Stage) -> None:
	"""It sends to 127.0.0.1 over lo, and hears three gateways, not only the first."""
	lab = stage.lab
	for which, first in ((OURS, DEBIAN), (DEBIAN, OURS)):
		need(which)
		port = next(stage.ports)
		text = stage.text("fw1", port)
		one = stage.start("fw1", which, text, str(port))
		gateways = []
		for n in GATEWAYS:
			# The sending socket of 1.4.7 is not bound, so one of that make only: all would speak from the first address.
			theirs = re.sub(r"Disable\w+Cache on", "", text.replace("10.31.1.1", f"10.31.1.{n}"))
			theirs = re.sub(r"(Destination_Address) \S+", r"\1 10.31.1.1", theirs)
			gateways.append(stage.start("fw2", first if n == 2 else OURS, theirs, f"gateway{n}-{port}"))
		for daemon in (one, *gateways):
			daemon.wait()
		with Relay(lab, "fw1", port):
			scenario.inject(lab, "fw1", 20)
			for two in gateways:
				wait_until(lambda two=two: len(told(two)) == 20, 20, f"{which} to {two.which}, {two.file.name}: 20 of 20 flows")
			for n, two in zip(GATEWAYS, gateways):		# each is heard by itself
				scenario.inject(lab, "fw2", 20, first=1000 * n)
				wait_until(lambda: not tables.one_way(kernel(lab, "fw2")) - tables.one_way(kernel(lab, "fw1")), 20,
					   f"{which}: what the gateways tell is in the kernel")
		if which == OURS:
			assert len(re.findall(r"^peer ", one.ok("-s", "peers"), re.M)) >= 3
		for daemon in (one, *gateways):
			daemon.end()
		for fw in FW:
			flush(lab, fw)


# --- the table -------------------------------------------------------------------------------

NOT_SERVED = tuple(rf"warning: helper {what} is not served" for what in ("rpc inet tcp", "rpc inet udp", "tns inet tcp"))
NO_ADDRESS = "warning: IPv4_address is missing in this UDP block"
NO_EVENTS = ("warning: PollSecs turns the kernel's events off .*have no effect: "
	     "NetlinkEventsReliable, NetlinkOverrunResync, NetlinkBufferSize, NetlinkBufferSizeMaxGrowth, EventIterationLimit$")

MISTAKES = ("warning: Mode FTFW beside the Mode in line 4: there can be only one, FTFW is taken", '"4294967295" is more than is possible',
	    'IPv4_address: "192.168.100../24": no prefix length here, only an address. The link receives on all addresses',
	    r"warning: Port: \"\d+\" is out of range: 0 to 65535; \d+ is taken", '"4294967296" is more than is possible',
	    'Syslog: "kern" is not a usable facility, daemon is taken', '"99999999999" is more than is possible',
	    "Protocol: Accept and Ignore for the same set .*: Accept counts", 'unknown protocol "ICMPFOUR" has no effect',
	    '"10.0.0.0/33": .* This one has no effect', '"fd00::1" is an IPv6 address.* This one', '"300.1.1.1" is not .* This one')

ROWS = [
	Row("disable-external-cache-gateway", injects, plain),
	Row("helper-rpc-and-tns", warns_of_helpers, plain, says=NOT_SERVED),
	Row("mistakes-that-run", replicates, plain, says=MISTAKES),
	Row("pollsecs-turns-events-off", replicates, plain, says=("Nice is obsolete", "Backlog is obsolete", NO_EVENTS)),
	Row("scheduler-priority-0", keeps_the_ordinary_policy, plain, says=("warning: Priority 0: .* the ordinary policy",)),
	Row("tcp-own-address-as-destination", starts_answers_ends, plain,
	    says=("warning: IPv4_Destination_Address is this node's own address",)),
	Row("unicast-address-on-interface-of-its-own", follows_the_route, on_its_own),
	Row("unicast-address-on-lo", replicates, on_lo, also=(("UDP {", "TCP {"),)),
	Row("unicast-relay-on-loopback", hears_every_gateway, several_gateways),
	Row("unicast-two-links-no-local-address", changes_links, two_cables, says=(NO_ADDRESS, NO_ADDRESS)),
]


@pytest.fixture
def stage(request: pytest.FixtureRequest, lab: Lab) -> Iterator[Stage]:
	need(DEBIAN)
	stage = Stage(lab, request.param)
	yield stage
	for daemon in stage.daemons:
		if daemon.process.poll() is None:
			daemon.process.send_signal(signal.SIGKILL)
			daemon.process.wait()


@pytest.mark.parametrize("stage", ROWS, ids=lambda row: row.file, indirect=True)
def test_file(stage: Stage) -> None:
	stage.row.must(stage)


def bare(path: Path) -> list[str]:
	"""A file without its comments."""
	lines = [line.partition("#")[0].rstrip() for line in path.read_text().splitlines()]
	return [line for line in lines if line]


def test_every_file_has_a_row() -> None:
	"""Also those that come new into the collection that these are copies of, where that is at hand."""
	assert {row.file for row in ROWS} == {path.stem for path in FIELD.glob("*.conf")}
	for path in SOURCE.glob("*.conf"):
		assert (FIELD / path.name).exists(), f"{path}: new, it needs a row"
		assert bare(path) == bare(FIELD / path.name), f"{path}: has changed"

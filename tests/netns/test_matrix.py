# SPDX-License-Identifier: GPL-2.0-or-later
"""Every mode, kind of link, family of link, pair of programs, and kind of flow: a live fail-over, and the way back.

One run is a mode, a link and a pair; it carries all kinds of flows at once, and
each kind is a test of its own. The pairs with 1.4.x share the modes of a link among
them; each of the two meets every link and every mode. CHECK_LONG=1 makes all runs. One more test looks at the tables after quiet:
all that lived has ended, and nobody may still tell of it. Two runs go on at the
same time; nearly all of a run is waiting.

What 1.4.x cannot do, also between two of its kind, is asserted where it is met: it
keeps what its peer has forgotten (leftovers()), and it loses what it sends before a
TCP link stands (wait_met()).
"""

from __future__ import annotations

from typing import Callable

import pytest

import pace
import scenario
import tables
from cells import in_background
from conftest import PAIRS, need
from netlab import DNAT4, DOWNLOAD_PORT, ECHO_PORT, PLAIN6, SNAT4, UDP_PORT, Lab, wait_until
from node import DEBIAN, MODES, Link, Node, catch_up, missing_at_replica, wait_met, wait_replicated
from repeats import only_long
from scenario import Traffic

TARGETS = {target.name: target for target in (SNAT4, DNAT4, PLAIN6)}
LINKS = {f"{kind}-IPv{family}": Link(kind, family) for kind in ("Multicast", "UDP", "TCP") for family in (4, 6)}
CONNECTIONS, STREAMS = 40, 3
AT_ONCE = 2

Run = tuple[str, str, str, str]	# mode, name of the link, programs of fw1 and fw2


class Pair:
	"""Two nodes of one run. `stale` is what the tables hold that nobody has, when all is over. `revived` are connections
	that had ended when the survivor committed them: they get a minute if their time was up already.
	"""

	def __init__(self, lab: Lab, run: Run):
		self.lab = lab
		self.mode, link, *makes = run
		self.nodes = [Node(lab, fw, which) for fw, which in zip(("fw1", "fw2"), makes)]
		for node in self.nodes:
			node.configure(mode=self.mode, mode_options=MODES[self.mode], link=LINKS[link])
		self.stale: list[str] = []
		self.revived: set[tables.Tuple] = set()

	def start(self) -> None:
		for node in reversed(self.nodes):	# the one that sends first finds the other one there
			node.start()
		wait_met(*self.nodes)

	def take_over(self, old: Node, new: Node, traffic: list[Traffic]) -> None:
		"""Nobody waits for the replica: what is a second old has to be there."""
		when = f"{old.fw} ({old.which}) -> {new.fw} ({new.which})"
		for each in traffic:
			each.mark()
		old.cut()
		pace.sleep(0.5)		# somebody has to notice
		new.ok("-c")
		before, after = old.kernel(), new.kernel()
		self.lab.addresses_to(new.fw)
		self.revived = {f.orig for f in after if f.state == "TIME_WAIT"}
		for each in traffic:
			if difference := tables.difference(each.of(before), each.of(after)):
				each.wrong.append(f"{when}: committed is not what the dead kernel had:\n{difference}")
			if len(each.of(before)) < CONNECTIONS + STREAMS:
				each.wrong.append(f"{when}: {len(each.of(before))} flows are too few")
		scenario.check(traffic, when, 15)

	def come_back(self, active: Node, returned: Node) -> None:
		"""The dead one starts as the backup."""
		returned.reboot()
		returned.start()
		catch_up(active, returned)

	def quiet(self, active: Node, replica: Node, traffic: list[Traffic]) -> None:
		"""All ends; the tables are to say so."""
		self.lab.sysctl(active.fw, {"net/netfilter/nf_conntrack_udp_timeout_stream": 2})
		pace.sleep(0.3)		# the next datagram of each stream takes it over
		for each in traffic:
			each.end()
		wait_until(lambda: not [f for f in active.kernel() if is_ours(f) and f.orig not in self.revived], 30, "the flows end")
		try:
			wait_replicated(active, replica)
			self.leftovers(active, replica)
		except AssertionError as e:
			self.stale.append(str(e))

	def leftovers(self, active: Node, returned: Node) -> None:
		"""What the active one holds of the time before the other one died. 1.4.x keeps it until somebody flushes,
		but for ALARM, where it is not repeated.
		"""
		def held() -> str:
			return missing_at_replica(returned, active)

		if active.which == DEBIAN and self.mode != "ALARM":
			assert held(), "1.4.x has learned to remove what its peer has forgotten"
			active.ok("-f", "external")
		elif returned.which == DEBIAN and self.mode == "NOTRACK":
			# Nothing tells an answer of a 1.4.x that is all it has from one that got lost: without flows it
			# proves nothing, and what may live is not removed on that.
			active.ok("-f", "external")
		wait_until(lambda: not held(), 120, f"{active.fw} forgets")


def is_ours(flow: tables.Flow) -> bool:
	"""Whether it is one of the traffic's."""
	return ("dport", str(ECHO_PORT)) in flow.orig or ("dport", str(DOWNLOAD_PORT)) in flow.orig or \
		("dport", str(UDP_PORT)) in flow.orig


def streams_assured(node: Node, traffic: list[Traffic]) -> bool:
	"""Two seconds after its first datagram a stream becomes assured. A node that dies in just that moment cannot tell."""
	streams = [flow for flow in node.kernel() if flow.proto == "udp" and is_ours(flow)]
	return len(streams) >= STREAMS * len(traffic) and all("[ASSURED]" in flow.flags for flow in streams)


def there_and_back(run: Run) -> dict[str, list[str]]:
	"""Per kind of flow what went wrong. Raises when the run itself could not go on, with everything to know."""
	with Lab() as lab:
		lab.addresses_to("fw1")
		pair = Pair(lab, run)
		one, two = pair.nodes
		try:
			pair.start()
			scenario.serve(lab)
			traffic = [Traffic(lab, target, CONNECTIONS, STREAMS, size=7 << 20) for target in TARGETS.values()]
			wait_until(lambda: streams_assured(one, traffic), 30, "every stream is assured")
			pace.sleep(1)
			pair.take_over(one, two, traffic)
			pair.come_back(two, one)
			pair.take_over(two, one, traffic)
			pair.come_back(one, two)
			pair.quiet(one, two, traffic)
		except BaseException as e:
			raise AssertionError(f"{e}\n{one.describe()}\n{two.describe()}") from e
		wrong = {each.target.name: each.wrong for each in traffic} | {"stale": pair.stale}
		if any(wrong.values()):
			print(f"{run}\n{one.describe()}\n{two.describe()}")
		return wrong


ALL: list[Run] = [(mode, link, *makes) for mode in MODES for link in LINKS for makes in PAIRS]
SHARED = [(list(MODES)[(n + shift) % len(MODES)], link, *makes)
	  for shift, makes in enumerate(PAIRS[1:]) for n, link in enumerate(LINKS)]
USUAL = [run for run in ALL if DEBIAN not in run or run in SHARED]
RUNS = USUAL + only_long(run for run in ALL if run not in USUAL)

outcome = in_background(there_and_back, "test_cell", ("mode", "link", "old", "new"), AT_ONCE)


@pytest.mark.parametrize("what", [*TARGETS, "stale"])
@pytest.mark.parametrize("mode,link,old,new", RUNS)
def test_cell(outcome: Callable, mode: str, link: str, old: str, new: str, what: str) -> None:
	need(old, new)
	wrong = outcome((mode, link, old, new))[what]
	assert not wrong, "\n".join(wrong)

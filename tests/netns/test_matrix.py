# SPDX-License-Identifier: GPL-2.0-or-later
"""Every kind of link, family of link, kind of flow and pair of programs: a live fail-over, and the way back.

One run is a link and a pair; it carries all kinds of flows at once, and each
kind is a test of its own. Two runs go on at the same time.
"""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Callable, Iterator

import pytest

import scenario
import tables
from conftest import PAIRS, need
from netlab import DNAT4, PLAIN6, SNAT4, Lab
from node import DEBIAN, Link, Node, wait_replicated
from scenario import Traffic

TARGETS = {target.name: target for target in (SNAT4, DNAT4, PLAIN6)}
LINKS = {f"{kind}-IPv{family}": Link(kind, family) for kind in ("Multicast", "UDP") for family in (4, 6)}
CONNECTIONS, STREAMS = 40, 3
AT_ONCE = 2

Run = tuple[str, str, str]	# name of the link, programs of fw1 and fw2


def take_over(lab: Lab, old: Node, new: Node, traffic: list[Traffic]) -> None:
	when = f"{old.fw} ({old.which}) -> {new.fw} ({new.which})"
	for each in traffic:
		each.mark()
	wait_replicated(old, new)
	old.cut()
	time.sleep(0.5)		# somebody has to notice
	new.ok("-c")
	before, after = old.kernel(), new.kernel()
	lab.addresses_to(new.fw)
	for each in traffic:
		if difference := tables.difference(each.of(before), each.of(after)):
			each.wrong.append(f"{when}: committed is not what the dead kernel had:\n{difference}")
		if len(each.of(before)) < CONNECTIONS + STREAMS:
			each.wrong.append(f"{when}: {len(each.of(before))} flows are too few")
	scenario.check(traffic, when, 15)


def come_back(active: Node, returned: Node) -> None:
	"""The dead one starts as the backup."""
	returned.reboot()
	returned.start()
	if returned.which == DEBIAN:
		returned.ok("-n")	# ours asks by itself
	wait_replicated(active, returned)


def there_and_back(run: Run) -> dict[str, list[str]]:
	"""Per kind of flow what went wrong. Raises when the run itself could not go on, with everything to know."""
	link, *makes = run
	with Lab() as lab:
		lab.addresses_to("fw1")
		one, two = [Node(lab, fw, which) for fw, which in zip(("fw1", "fw2"), makes)]
		try:
			for node in (one, two):
				node.configure(link=LINKS[link])
				node.start()
			scenario.serve(lab)
			traffic = [Traffic(lab, target, CONNECTIONS, STREAMS) for target in TARGETS.values()]
			time.sleep(2)
			take_over(lab, one, two, traffic)
			come_back(two, one)
			take_over(lab, two, one, traffic)
			for each in traffic:
				each.finish()
		except BaseException as e:
			raise AssertionError(f"{e}\n{one.describe()}\n{two.describe()}") from e
		if any(each.wrong for each in traffic):
			print(f"{run}\n{one.describe()}\n{two.describe()}")
		return {each.target.name: each.wrong for each in traffic}


def wanted(items: list[pytest.Item]) -> list[Run]:
	"""The runs of the cells that are to be tested, in their order."""
	runs = [tuple(item.callspec.params[k] for k in ("link", "old", "new"))
		for item in items if getattr(item, "originalname", "") == test_cell.__name__]
	return list(dict.fromkeys(runs))


@pytest.fixture(scope="module")
def outcome(request: pytest.FixtureRequest) -> Iterator[Callable[[Run], dict[str, Any]]]:
	"""outcome(run): what became of it. The first one asked starts them all, in the background."""
	pool = ThreadPoolExecutor(AT_ONCE)
	futures: dict[Run, Future] = {}

	def ask(run: Run) -> dict[str, Any]:
		if not futures:
			futures.update({each: pool.submit(there_and_back, each) for each in wanted(request.session.items)})
		return futures[run].result(timeout=600)

	yield ask
	pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("flows", TARGETS)
@pytest.mark.parametrize("old,new", PAIRS)
@pytest.mark.parametrize("link", LINKS)
def test_cell(outcome: Callable, link: str, old: str, new: str, flows: str) -> None:
	need(old, new)
	wrong = outcome((link, old, new))[flows]
	assert not wrong, "\n".join(wrong)

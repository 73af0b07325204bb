# SPDX-License-Identifier: GPL-2.0-or-later
"""Every row of the decision table (entries.py), judged by packets that pass or do not.

All flows of one way are staged together, and the ways beside each other: they mostly wait. CHECK_LONG=1 does it in another
mode as well, and where the kernel counts packets.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Iterator

import pytest

import entries
import pace
from entries import Bench
from repeats import LONG

WAYS = ("standby", "tracking", "again", "active", "refreshed", "restarted", "news", "end")
SETTINGS = {"": ("FTFW", False)}
if LONG:
	SETTINGS |= {"NOTRACK ": ("NOTRACK", False), "ALARM ": ("ALARM", False), "counters ": ("FTFW", True)}
ALL = {setting + case.id: (setting, way, case.n) for setting in SETTINGS for way in WAYS
       if setting != "ALARM " or way not in ("news", "end") for case in entries.cases(way)}

Benches = dict[tuple[str, str], Future]


@pytest.fixture(scope="module")
def benches(request: pytest.FixtureRequest) -> Iterator[Benches]:
	"""Those of the tests that were chosen."""
	wanted = {ALL[item.callspec.params["which"]][:2]: None for item in request.session.items if item.path == request.path}
	with ThreadPoolExecutor(len(WAYS)) as pool:
		yield {(setting, way): pool.submit(stage, way, *SETTINGS[setting]) for setting, way in wanted}


def stage(*what: object) -> Bench | str:
	"""Or why it could not be staged: once for all the rows."""
	try:
		return Bench(*what).run()
	except Exception as e:
		return str(e)


@pytest.mark.parametrize("which", ALL)
def test_row(benches: Benches, which: str) -> None:
	setting, way, n = ALL[which]
	bench = benches[setting, way].result(timeout=pace.seconds(300))
	if isinstance(bench, str):
		pytest.fail(bench if n == 0 else "this way could not be staged: see its first row", pytrace=False)
	case = next((c for c in bench.cases if c.n == n), None)
	if case is None:
		pytest.skip("this kernel has no SCTP")
	entries.judge(case)

# SPDX-License-Identifier: GPL-2.0-or-later
"""How patient the tests are: one factor for every wait and every deadline.

TEST_TIME_FACTOR=4 is for a machine that is four times as slow as usual: emulated, under valgrind, with many neighbours.
Without the variable each number means what it says. What kernel and daemons are configured with (timeouts of flows,
PurgeTimeout, RefreshTime) does not change, nor the pace of the traffic: these are what is tested.

Nothing else in this directory waits by itself; test_pace.py looks.
"""

from __future__ import annotations

import os
import time

FACTOR = float(os.environ.get("TEST_TIME_FACTOR") or 1)


def seconds(usual: float) -> float:
	"""A deadline."""
	return usual * FACTOR


def sleep(usual: float) -> None:
	time.sleep(seconds(usual))

# SPDX-License-Identifier: GPL-2.0-or-later
"""What exists once for the whole machine, whatever namespace a test lives in: nf_conntrack_max, while other tests run beside.

A test that lowers the limit and a test whose namespace needs more than it would leave keep out of each other's way by a lock; so
do two that lower it, of which the one that ends last would else put back what the other one had set.
"""

from __future__ import annotations

import contextlib
import fcntl
from pathlib import Path
from typing import Iterator

import pytest

MAX = Path("/proc/sys/net/netfilter/nf_conntrack_max")
LOCK = Path("/run/conntrackd-tests.lock")
LOWEST = 150000		# nobody lowers the limit further: a namespace with fewer flows than this needs no room_for()


@contextlib.contextmanager
def _locked(how: int) -> Iterator[None]:
	with open(LOCK, "w") as lock:
		fcntl.flock(lock, how)
		yield


@contextlib.contextmanager
def at_most(flows: int) -> Iterator[None]:
	"""nf_conntrack_max of the whole machine, for a moment. Each namespace counts its own flows against it, so one that has
	very many is alone in reaching it."""
	assert flows >= LOWEST
	with _locked(fcntl.LOCK_EX):
		was = MAX.read_text()
		if int(was) < flows or int(was) > 1000000:
			pytest.skip(f"nf_conntrack_max is {was.strip()}: somebody needs it like this")
		MAX.write_text(str(flows))
		try:
			yield
		finally:
			MAX.write_text(was)


@contextlib.contextmanager
def room_for(flows: int) -> Iterator[None]:
	"""A namespace may have so many flows: nobody lowers nf_conntrack_max within the block."""
	with _locked(fcntl.LOCK_SH):
		limit = int(MAX.read_text())
		if limit < flows:
			pytest.skip(f"nf_conntrack_max is {limit}: {flows} flows do not fit")
		yield

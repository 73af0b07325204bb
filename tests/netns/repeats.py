# SPDX-License-Identifier: GPL-2.0-or-later
"""What repeats, with other values, what another test shows already: for `make check-long` (CHECK_LONG=1), not for every run."""

from __future__ import annotations

import os
from typing import Iterable, TypeVar

T = TypeVar("T")

LONG = bool(os.environ.get("CHECK_LONG"))


def only_long(rows: Iterable[T]) -> list[T]:
	"""Rows of a test that has others; none of them in a usual run. Never the only test of a promise (doc/reliability.md)."""
	return list(rows) if LONG else []

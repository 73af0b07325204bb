# SPDX-License-Identifier: GPL-2.0-or-later
"""The cells of a table, each with a laboratory of its own, several at a time: most of each is waiting."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Callable, Iterator

import pytest

import pace

Cell = tuple[str, ...]


def in_background(run: Callable[[Cell], Any], test: str, names: tuple[str, ...], at_once: int) -> Callable:
	"""A fixture for the module: outcome(cell) is what run(cell) has returned, or raises what it has raised.

	The first one that is asked for starts all that are to be tested. `names` are the parameters of the module's
	function `test` that make a cell.
	"""
	def wanted(request: pytest.FixtureRequest) -> list[Cell]:
		cells = [tuple(item.callspec.params[name] for name in names) for item in request.session.items
			 if getattr(item, "originalname", "") == test and item.module is request.module]
		return list(dict.fromkeys(cells))

	@pytest.fixture(scope="module")
	def outcome(request: pytest.FixtureRequest) -> Iterator[Callable[[Cell], Any]]:
		pool = ThreadPoolExecutor(at_once)
		futures: dict[Cell, Future] = {}

		def ask(cell: Cell) -> Any:
			if not futures:
				futures.update({each: pool.submit(run, each) for each in wanted(request)})
			return futures[cell].result(timeout=pace.seconds(600))

		yield ask
		pool.shutdown(cancel_futures=True)

	return outcome

# SPDX-License-Identifier: GPL-2.0-or-later
"""Every mode with every setting of the caches that the configuration language has for it.

What is said here about 1.4.7 was seen: the cells that plan() leaves out lose every connection.
"""

from __future__ import annotations

from dataclasses import dataclass

import tables
from netlab import HOST, wait_until
from node import DEBIAN, Node

OTHER = {"fw1": "fw2", "fw2": "fw1"}


def clients(flows: set[tables.Flow]) -> set[tables.Flow]:
	"""Those of the client, as every table shows them. The firewalls' own are filtered from the caches."""
	mine = {("src", f"10.10.0.{HOST}"), ("src", f"fd00:10::{HOST:x}")}
	return {f for f in tables.one_way(flows) if f.orig[0] in mine and f.proto in ("tcp", "udp")}


@dataclass(frozen=True)
class Setting:
	mode: str
	internal: bool = True		# whether there is this cache
	external: bool = True

	def options(self) -> dict[str, object]:
		"""Of the Mode block. ALARM repeats what it has more often than by default: a test has no minute."""
		if self.mode == "ALARM":
			return {"RefreshTime": 3, "CacheTimeout": 30}
		return {"StartupResync": "on",
			**({} if self.internal else {"DisableInternalCache": "on"}),
			**({} if self.external else {"DisableExternalCache": "on"})}

	def block(self, **more: object) -> str:
		"""The Mode block."""
		rows = "".join(f"\t\t{key} {value}\n" for key, value in {**self.options(), **more}.items())
		return f"Mode {self.mode} {{\n{rows}\t}}"

	def wait_equal(self, active: Node, replica: Node) -> None:
		"""Until the replica has all the client's connections, wherever it keeps what it is told."""
		def equal() -> bool:
			told = replica.external() if self.external else replica.kernel()
			return clients(active.kernel()) == clients(told)

		wait_until(equal, 60, f"{replica.fw} knows the client's connections through {active.fw}", 0.3)

	def forgets(self, which: str) -> bool:
		"""Whether a backup has nothing any more when the flush comes that -t has asked for.

		What the peer has told is in the kernel only, and goes with the rest. Ours asks for it anew.
		"""
		return which == DEBIAN and not self.external

	def purge(self, makes: dict[str, str]) -> int:
		"""PurgeTimeout: soon, so that it happens within a test; for a node that forgets, not before its end."""
		return 600 if any(self.forgets(which) for which in makes.values()) else 2

	def plan(self, makes: dict[str, str]) -> list[tuple[str, str]]:
		"""Which node fails, and how; the one in the first row has to be active at the beginning.

		1.4.7 without internal cache takes the -f of every cluster manager's script for a flush of its
		kernel table, right after the commit: it cannot take over.
		"""
		steps = [("fw1", "planned"), ("fw2", "death")]
		return [(fw, how) for fw, how in steps if self.internal or makes[OTHER[fw]] != DEBIAN]

	def wait_flushed(self, active: Node, backup: Node) -> None:
		"""The flush that the former active node was told to make has happened; it knows everything all the same."""
		wait_until(lambda: "flushing kernel conntrack table (scheduled)" in backup.log.read_text(), 60,
			   f"{backup.fw}: the scheduled flush")
		self.wait_equal(active, backup)


SETTINGS = {
	"FTFW": Setting("FTFW"),
	"FTFW, no external cache": Setting("FTFW", external=False),
	"NOTRACK": Setting("NOTRACK"),
	"NOTRACK, no external cache": Setting("NOTRACK", external=False),
	"NOTRACK, no internal cache": Setting("NOTRACK", internal=False),
	"NOTRACK, no caches": Setting("NOTRACK", internal=False, external=False),
	"ALARM": Setting("ALARM"),
}

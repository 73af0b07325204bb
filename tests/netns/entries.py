# SPDX-License-Identifier: GPL-2.0-or-later
"""The decision table as data: our kernel has an entry K, the peer tells a state S; what becomes of K, and whose packets pass?

K is made by packets through fw2 (packets.py) unless its name says "written". S is written into fw1's kernel, whose daemon
tells it to fw2's. K is the entry of a *new* connection of the same two ends where sequence numbers matter; S is of the *old*
one, which is far outside the windows that K's packets have opened.

A row holds for several ways to come to a decision (WAYS), each of which is one laboratory with all its flows at once: they
are staged, decided by one commit (or as the news arrive), and only then asked.
"""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass, field, replace
from typing import Any, Callable, NamedTuple

import ctnetlink
import pace
from ctnetlink import ASSURED, LIBERAL, REPLIED, Ends, Side, Writer
from netlab import wait_until
from node import OURS, Node
from packets import (ENTRY_MARK, ICMP, MARKED_PORT, SCTP, TCP, UDP, PacketLab, Talk, View, client_of, every, play_all,
		     server_of, translated)

PEER_MARK = 7
FRESH = 1.5		# what is newer than news: the daemon's own measure is two seconds, of whole ones
PEER_LIFE, WRITTEN_LIFE, RAISED = 600, 250, 300		# seconds; a busy machine needs a minute until it asks
HELPER = "ftp"

# --- how K comes to be --------------------------------------------------------------

UP = "c.S s.SA c.A c.P s.P"
FLOWS: dict[str, dict[str, str]] = {
	"tcp": {
		"SYN": "c.S", "stray SYN": "c.S s.A", "SYN and answer": "c.S s.SA", "established": UP,
		"FIN_WAIT": f"{UP} c.F", "CLOSE_WAIT": f"{UP} c.F s.A", "LAST_ACK": f"{UP} c.F s.A s.F",
		"TIME_WAIT": f"{UP} c.F s.A s.F c.A", "CLOSE": f"{UP} c.R",
		"pick-up": "c.P", "pick-up, answered": "c.P s.P", "pick-up of the server's": "s.P",
		"pick-up of the server's, answered": "s.P c.P", "pick-up of the server's, assured": "s.P c.P s.P c.P",
	},
	# assured is what goes on for more than two seconds: then there is a second part
	"udp": {"SYN": "c.u", "SYN and answer": "c.u s.u", "established": "c.u s.u|c.u s.u",
		"pick-up of the server's": "s.u", "pick-up of the server's, answered": "s.u c.u",
		"pick-up of the server's, assured": "s.u c.u|s.u c.u"},
	"icmp": {"SYN": "c.e", "SYN and answer": "c.e s.e"},
	"sctp": {"SYN": "c.init", "SYN and answer": "c.init s.initack", "established": "c.init s.initack c.cookie s.cookieack"},
}
# What passes after S was told, of S's connection or a new one; for what becomes of a flow whose end is told.
LATER: dict[str, dict[str, str]] = {
	"packets": {"tcp": "c.P s.P", "udp": "c.u s.u", "icmp": "c.e s.e", "sctp": "c.data s.data"},
	"a packet of the client's": {"tcp": "c.P", "udp": "c.u", "icmp": "c.e", "sctp": "c.data"},
	"a packet of the server's": {"tcp": "s.P", "udp": "s.u", "sctp": "s.data"},
	"packets and a reset": {"tcp": "c.P s.P c.R"},
	"packets and a close": {"tcp": "c.P s.P c.F s.A s.F c.A"},
	"the next connection": {"tcp": UP},
}
LOOSE = ("pick-up",)				# begins like this: a firewall that takes up connections in mid-stream
# How a connection that is being closed goes on to its end.
CLOSING = {"FIN_WAIT": "s.A s.P c.A s.F c.A", "CLOSE_WAIT": "s.P c.A s.F c.A", "LAST_ACK": "c.A"}
HANDSHAKES = ("SYN", "SYN and answer")		# of a connection that goes on here

TCP_STATES = {"SYN_SENT": (1, 0), "SYN_RECV": (2, REPLIED), "ESTABLISHED": (3, REPLIED | ASSURED), "FIN_WAIT": (4, REPLIED | ASSURED),
	      "LAST_ACK": (6, REPLIED | ASSURED), "TIME_WAIT": (7, REPLIED | ASSURED), "CLOSE": (8, REPLIED | ASSURED)}
SCTP_ESTABLISHED, SCTP_COOKIE_WAIT = 4, 2


class Want(NamedTuple):
	"""What is to be true afterwards. `entry`: K's as it was (kept), K's place with S's state (updated), S's instead of K's
	(replaced), S's (created), none (absent). `passes`: of which connection the packets pass, both ways."""
	entry: str
	passes: str = ""			# "old" (S's), "new" (K's), both of them in words; "again": K's, from its SYN on
	liberal: bool | None = None		# TCP: whether its windows are checked no more
	mark: int | None = None
	life: int | None = None			# at least so many seconds are left
	lower: bool = False			# its life was not raised
	strict: bool = False			# TCP: a segment outside K's window does not pass


@dataclass(frozen=True)
class Row:
	"""`order`: whether K's last packet ("K") or the peer's last change ("S") came first."""
	number: str
	name: str
	k: str
	s: str
	order: str
	ways: dict[str, Want]
	how: str = "same"			# S's tuples: same, other (translation), reversed, in the way (another client's)
	protos: tuple[str, ...] = ("tcp",)
	nats: tuple[str, ...] = ("plain", "snat", "dnat")
	k_mark: bool = False			# the firewall's rules give K a mark
	helper: bool = False			# S has one, which no update can give to an entry
	later: str = ""				# packets after S was told (LATER); with order "K" S changes after them


STANDBY = ("standby", "again", "tracking")	# never active; active once and no more; TCPWindowTracking on
COMMIT = (*STANDBY, "active")
# As standby, with something in between: the peer says all of it once more, which is no change; the daemon starts anew, and what
# it is told then has no age.
BETWEEN = {"refreshed": "S", "restarted": "K"}
ALL = ("tcp", "udp", "icmp", "sctp")
NATS = ("plain", "snat", "random", "dnat")


def of(ways: tuple[str, ...], want: Want) -> dict[str, Want]:
	return dict.fromkeys(ways, want)


def created() -> dict[str, Want]:
	made = Want("created", "old", mark=PEER_MARK, life=RAISED)
	# With window tracking liberal all the same: the entry that the peer tells of was written without window scales.
	return of((*COMMIT, "news"), made._replace(liberal=True))


def in_use(want: Want) -> dict[str, Want]:
	"""A commit leaves the windows of such an entry alone. News tell of packets on the other node, which those windows lack."""
	return {**of(COMMIT, want), "news": want._replace(liberal=True, strict=False)}


def left_over(k: str, want: Want, ways: tuple[str, ...] = COMMIT) -> dict[str, Want]:
	"""No peer tells of a flow that lives with the entry's original tuple: the entry stays. But where this node was the backup, the
	windows of a connection that was beyond its handshake judge no longer: the other node may have the next one of the tuple."""
	loose = {"again": want._replace(liberal=True)} if k in ("established", "FIN_WAIT") else {}
	return {**of(ways, want), **loose}


UPDATED = Want("updated", "old", liberal=True, mark=PEER_MARK)
KEPT = Want("kept", "new")
REPLACED = Want("replaced", "old", mark=PEER_MARK)
LEFT = Want("kept", "new", liberal=False)

ROWS: list[Row] = [
	# 1: our kernel has reported the end while this node is active. 2: else.
	Row("1", "ended here", "established", "ESTABLISHED", "S", {"active": Want("absent")}, protos=("tcp", "udp", "sctp")),
	Row("1", "ended here, before S", "established", "ESTABLISHED", "K", {"active": created()["active"]}, protos=("tcp", "udp", "sctp")),
	Row("1", "ended here, active once", "established", "ESTABLISHED", "S", {"again": created()["again"]}),
	Row("2", "nothing", "", "ESTABLISHED", "S", created(), protos=ALL, nats=NATS),
	# 3: S has ended, K has not
	*[Row("3", f"{k}, peer {s}", k, s, order, {**left_over(k, Want("kept", "new", liberal=False, mark=0)), **news})
	  for k in ("SYN", "SYN and answer", "established", "FIN_WAIT") for s in ("TIME_WAIT", "CLOSE")
	  for order, news in (("S", {"news": Want("kept", "new", liberal=False)}), ("K", {"news": Want("updated")}))],
	# 4: K has ended, S lives
	*[Row("4", k, k, "ESTABLISHED", "S", {**of(COMMIT, Want("kept")), "news": UPDATED}) for k in ("TIME_WAIT", "CLOSE")],
	*[Row("4", k, k, "ESTABLISHED", "K", {**of(STANDBY, UPDATED), "active": Want("kept"), "news": UPDATED})
	  for k in ("TIME_WAIT", "CLOSE")],
	# 5: not assured
	*[Row("5", k, k, "ESTABLISHED", order, of((*COMMIT, "news"), UPDATED), nats=("plain", "snat", "dnat"))
	  for k in ("SYN", "stray SYN", "SYN and answer", "written, not assured") for order in "KS"],
	*[Row("5", k, k, "ESTABLISHED", order, of((*COMMIT, "news"), UPDATED), nats=("plain",))
	  for k in ("pick-up", "pick-up, answered") for order in "KS"],
	*[Row("5", k, k, "ESTABLISHED", order, of((*COMMIT, "news"), Want("updated", "old", mark=PEER_MARK)), protos=("udp", "icmp", "sctp"))
	  for k in HANDSHAKES for order in "KS"],
	*[Row("5", f"a new handshake: {k}", k, "ESTABLISHED", order, of((*COMMIT, "news"), UPDATED._replace(passes="new")))
	  for k in HANDSHAKES for order in "KS"],
	*[Row("5", f"further on: {k}, peer {s}", k, s, order, of((*COMMIT, "news"), Want("", "new")))
	  for k, s in (("SYN and answer", "SYN_SENT"), ("established", "SYN_RECV"), ("established", "SYN_SENT")) for order in "KS"],
	# 6: assured, packets since
	Row("6", "established", "established", "ESTABLISHED", "S",
	    in_use(Want("kept", "new", liberal=False, mark=PEER_MARK, strict=True)), nats=NATS),
	Row("6", "established, marked", "established", "ESTABLISHED", "S",
	    in_use(Want("kept", "new", liberal=False, mark=ENTRY_MARK, strict=True)), k_mark=True),
	*[Row("6", k, k, "ESTABLISHED", "S", in_use(Want("kept", "new", liberal=False)))
	  for k in ("FIN_WAIT", "CLOSE_WAIT", "LAST_ACK")],
	Row("6", "established", "established", "ESTABLISHED", "S", of((*COMMIT, "news"), Want("kept", "new", mark=PEER_MARK, lower=True)),
	    protos=("udp", "sctp")),
	# 7: assured, no packet since
	Row("7", "established", "established", "ESTABLISHED", "K",
	    {**of(COMMIT, Want("kept", "old new", liberal=True, mark=PEER_MARK)), "news": UPDATED}, nats=NATS),
	Row("7", "established", "established", "ESTABLISHED", "K", {**of(COMMIT, Want("kept", "new", mark=PEER_MARK)),
								     "news": Want("updated", "old", mark=PEER_MARK)}, protos=("udp", "sctp")),
	Row("7", "established, peer FIN_WAIT", "established", "FIN_WAIT", "K",
	    {**of(STANDBY, Want("kept", "old", liberal=True)), "news": UPDATED}),
	*[Row("7", "written, nearly over", "written, not for long", "ESTABLISHED", order,
	      {**of(COMMIT, Want("kept", "old", liberal=True, life=RAISED)), "news": UPDATED}) for order in "KS"],
	*[Row("7", "written, nearly over", "written, not for long", "ESTABLISHED", order,
	      {**of(COMMIT, Want("kept", "old", life=RAISED)), "news": Want("updated", "old")}, protos=("udp", "sctp")) for order in "KS"],
	# a helper that K has not
	*[Row("5", f"{k}, peer with a helper", k, "ESTABLISHED", order, of((*COMMIT, "news"), REPLACED), helper=True)
	  for k in ("SYN", "SYN and answer") for order in "KS"],
	Row("6", "established, peer with a helper", "established", "ESTABLISHED", "S", in_use(Want("kept", "new", liberal=False)),
	    helper=True),
	Row("7", "established, peer with a helper", "established", "ESTABLISHED", "K", of(STANDBY, REPLACED), helper=True),
	# 8: other translation, established and since
	*[Row("8", k, k, "ESTABLISHED", "S", of((*COMMIT, "news"), Want("kept", "new", liberal=False)), how="other", nats=NATS)
	  for k in ("established", "FIN_WAIT")],
	*[Row("8", k, k, "ESTABLISHED", "S", of((*COMMIT, "news"), Want("kept", "new")), how="other",
	      protos=("udp", "icmp") if k == "SYN and answer" else ("udp", "sctp"), nats=NATS)
	  for k in ("SYN and answer", "established")],
	# 9: other translation, anything else
	*[Row("9", k, k, "ESTABLISHED", order, of((*COMMIT, "news"), REPLACED), how="other", nats=NATS if order == "K" else NATS[:2])
	  for k in ("SYN", "stray SYN", "SYN and answer", "TIME_WAIT", "CLOSE") for order in "KS"],
	*[Row("9", k, k, "ESTABLISHED", order, of((*COMMIT, "news"), REPLACED), how="other", nats=NATS[:2])
	  for k in ("written, assured", "written, not assured") for order in "KS"],
	Row("9", "established", "established", "ESTABLISHED", "K", {**of(STANDBY, REPLACED), "active": KEPT, "news": REPLACED},
	    how="other", nats=NATS),
	Row("9", "established", "established", "ESTABLISHED", "K", {**of(STANDBY, REPLACED), "active": KEPT, "news": REPLACED},
	    how="other", protos=("udp", "sctp"), nats=NATS),
	*[Row("9", "SYN", "SYN", "ESTABLISHED", order, of((*COMMIT, "news"), REPLACED), how="other", protos=("udp", "icmp", "sctp"))
	  for order in "KS"],
	*[Row("9", f"a new handshake: {k}", k, "ESTABLISHED", order, of((*COMMIT, "news"), REPLACED._replace(passes="again")), how="other",
	      nats=NATS) for k in HANDSHAKES for order in "KS"],
	# nor does what is over with the peer take the place of what is not
	*[Row("9", f"{k}, peer {s}", k, s, order, left_over(k, LEFT, (*COMMIT, "news")), how="other", nats=NATS[:3])
	  for k in ("SYN", "established") for s in ("TIME_WAIT", "CLOSE") for order in "KS"],
	# 10: K is S the other way round
	*[Row("10", k, k, "ESTABLISHED", order, of((*COMMIT, "news"), REPLACED), how="reversed", nats=("plain",),
	      protos=("tcp", "udp"))
	  for k in ("pick-up of the server's", "pick-up of the server's, answered") for order in "KS"],
	Row("10", "pick-up of the server's, assured", "pick-up of the server's, assured", "ESTABLISHED", "S",
	    {**of(COMMIT, Want("kept", "new", mark=PEER_MARK)), "news": KEPT}, how="reversed", nats=("plain",), protos=("tcp", "udp")),
	Row("10", "pick-up of the server's, assured", "pick-up of the server's, assured", "ESTABLISHED", "K",
	    {**of(STANDBY, Want("kept", "old", liberal=True, mark=PEER_MARK)), "active": Want("kept", "new", mark=PEER_MARK),
	     "news": Want("updated", "old")}, how="reversed", nats=("plain",), protos=("tcp", "udp")),
	# 11 and 12: another flow in the way
	Row("11", "established", "established", "ESTABLISHED", "S", left_over("established", LEFT, (*COMMIT, "news")), how="in the way",
	    nats=("snat",)),
	Row("11", "established", "established", "ESTABLISHED", "S", of((*COMMIT, "news"), Want("kept", "new")), how="in the way",
	    protos=("udp", "sctp"), nats=("snat",)),
	*[Row("11", f"{k}, peer {s}", k, s, order, left_over(k, LEFT, (*COMMIT, "news")), how="in the way", nats=("snat",))
	  for k in ("SYN and answer", "established") for s in ("TIME_WAIT", "CLOSE") for order in "KS"],
	*[Row("12", k, k, "ESTABLISHED", order, of((*COMMIT, "news"), REPLACED), how="in the way", nats=("snat",))
	  for k in ("SYN", "TIME_WAIT", "CLOSE", "written, not assured", "written, assured") for order in "KS"],
	Row("12", "SYN", "SYN", "ESTABLISHED", "K", of((*COMMIT, "news"), REPLACED), how="in the way", protos=("udp",), nats=("snat",)),
	# the end of S is told
	*[Row("end", f"no packet, {s}", "", s, "S", {"end": Want("absent")}) for s in TCP_STATES],
	Row("end", "no packet", "", "ESTABLISHED", "S", {"end": Want("absent")}, protos=("udp", "icmp", "sctp")),
	Row("end", "no packet, then a change", "", "ESTABLISHED", "K", {"end": Want("absent")}, protos=ALL),
	*[Row("end", name, "", "ESTABLISHED", "S", {"end": Want("kept", "old")}, protos=tuple(LATER[name]), later=name)
	  for name in ("packets", "a packet of the client's", "a packet of the server's")],
	*[Row("end", f"{name}, then a change", "", "ESTABLISHED", "K", {"end": Want("absent")}, protos=tuple(LATER[name]), later=name)
	  for name in ("packets", "a packet of the client's", "a packet of the server's")],
	*[Row("end", name, "", "ESTABLISHED", "S", {"end": Want("absent")}, later=name)
	  for name in ("packets and a reset", "packets and a close")],
	*[Row("end", f"the next connection, peer {s}", "", s, "S", {"end": Want("kept", "new")}, later="the next connection")
	  for s in ("ESTABLISHED", "FIN_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE")],
	Row("end", "born here, S later", "established", "ESTABLISHED", "S", {"end": Want("kept", "new")}, protos=("tcp", "udp", "sctp"),
	    nats=NATS),
	Row("end", "born here, S much later", "established", "ESTABLISHED", "K", {"end": Want("absent")}, protos=("tcp", "udp", "sctp"),
	    nats=NATS),
	Row("end", "written", "written, assured", "ESTABLISHED", "S", {"end": Want("absent")}, protos=("tcp", "udp", "sctp")),
	Row("end", "other translation", "established", "ESTABLISHED", "S", {"end": Want("kept", "new")}, protos=("tcp", "udp", "sctp"),
	    how="other", nats=NATS),
]


# --- one case -----------------------------------------------------------------------


@dataclass
class Case:
	"""One row, one way, one family, protocol and translation: what was staged, and what was seen."""
	row: Row
	way: str
	family: int
	proto: str
	nat: str
	n: int = 0
	turn: int = 0				# what came too late was staged once more, with ports of its own
	new: Talk | None = None			# K's connection
	old: Talk | None = None			# S's
	before: dict[str, Any] | None = None
	after: list[dict[str, Any]] = field(default_factory=list)
	ended: bool = False			# an entry with K's original tuple was destroyed
	known: str = ""				# how the internal cache differs from the kernel
	left: bool = False			# S is still in the external cache
	shaken: str = ""			# what one more commit has done
	passed: dict[str, bool] = field(default_factory=dict)
	asked: dict[str, int] = field(default_factory=dict)
	astray: str = ""			# packets that came through with another translation
	wrong: str = ""				# the staging itself failed

	@property
	def id(self) -> str:
		return f"{self.row.number} {self.row.name}-{self.row.order}-{self.way}-v{self.family}-{self.proto}-{self.row.how}-{self.nat}"

	@property
	def want(self) -> Want:
		return self.row.ways["standby" if self.way in BETWEEN else self.way]

	@property
	def script(self) -> list[str]:
		return FLOWS[self.proto].get(self.row.k, "").split("|")


def cases(way: str) -> list[Case]:
	def about(row: Row) -> bool:
		if way in BETWEEN:
			return "standby" in row.ways and (row.order == BETWEEN[way] or not row.k)
		return way in row.ways

	found = [Case(row, way, family, proto, nat) for row in ROWS if about(row)
		 for proto in row.protos for nat in row.nats for family in (4, 6)
		 if not (nat == "random" and (proto not in ("tcp", "udp") or row.order == "S" and row.how == "same" and row.k))]
	return [replace(case, n=n) for n, case in enumerate(found)]


def talk_pair(wire: Any, case: Case) -> None:
	"""The two connections of a case; those of all cases differ in their ports."""
	row, family = case.row, case.family
	proto = {"tcp": TCP, "udp": UDP, "sctp": SCTP, "icmp": ICMP[family]}[case.proto]
	port = 10000 + case.n + 1000 * case.turn
	if case.proto == "icmp":
		lan = View(client_of(family), port, server_of(family, case.nat), port)
	else:
		lan = View(client_of(family), port, server_of(family, case.nat), MARKED_PORT if row.k_mark else 80)
	case.new = Talk(wire, proto, lan, None, 3_000_000_000, 4_000_000_000, (0x33333333, 0x44444444))
	old = lan._replace(client=client_of(family, 3)) if row.how == "in the way" else lan
	case.old = Talk(wire, proto, old, translated(old, case.nat, row.how == "other", port if case.proto == "icmp" else None),
			1_000_000, 2_000_000, (0x11111111, 0x22222222))
	if case.row.k.startswith("pick-up of the server's"):
		case.new.wan = case.new.lan
	if row.k.startswith("written"):
		case.new.wan = translated(lan, case.nat)
		if case.nat == "random":
			case.new.wan = case.new.wan._replace(cport=45000 + case.n + 1000 * case.turn)


def same_connection(case: Case) -> bool:
	"""UDP and echoes have no sequence numbers, and K of another translation is a flow of its own all the same."""
	return case.row.how == "same" and case.proto in ("udp", "icmp")


class Bench:
	"""A laboratory with both daemons, and all the cases of one way."""

	def __init__(self, way: str, mode: str = "FTFW", counters: bool = False):
		self.way, self.mode, self.counters = way, mode, counters
		self.injected = way in ("news", "end")		# the peer's states go into the kernel at once
		self.cases = cases(way)
		self.said = ""
		self.text: dict[str, str] = {}

	def run(self) -> Bench:
		with PacketLab() as lab:
			self.lab, self.wire = lab, lab.wire
			lab.sysctl("fw2", {"net/netfilter/nf_conntrack_acct": int(self.counters)})
			self.cases = [c for c in self.cases if c.proto != "sctp" or lab.has_sctp]
			self.nodes = self.one, self.two = Node(lab, "fw1", OURS), Node(lab, "fw2", OURS)
			try:
				self.start()
				{"news": self.news, "end": self.end}.get(self.way, self.commit)()
			except BaseException as e:
				raise AssertionError(f"{e!r}\n{traceback.format_exc()}\n{self.one.describe()}\n{self.two.describe()}") from e
			finally:
				for node in self.nodes:
					node.stop()
		return self

	def start(self) -> None:
		options = {"PurgeTimeout": 600, **({"RefreshTime": 1, "CacheTimeout": 600} if self.mode == "ALARM" else {})}
		self.one.configure(mode=self.mode, mode_options=options)
		if self.injected:
			options["DisableExternalCache"] = "on"
		self.two.configure(mode=self.mode, mode_options=options, options={"TCPWindowTracking": "on" if self.way == "tracking" else "off"})
		self.there, self.here = Writer(self.lab, "fw1"), Writer(self.lab, "fw2")
		for node in self.nodes:
			node.start()
		if self.mode != "ALARM":	# which says nothing while there is nothing
			wait_until(lambda: all("last heard" in node.ok("-s", "peers") for node in self.nodes), 30,
				   "the two have met")
		for case in self.cases:
			talk_pair(self.wire, case)

	# --- staging ------------------------------------------------------------

	def each(self, which: list[Case], what: Callable[[Case], None]) -> None:
		for case in which:
			if not case.wrong:
				try:
					what(case)
				except Exception as e:
					case.wrong = f"{e!r}\n{traceback.format_exc()}"

	def play(self, which: list[Case], part: Callable[[Case], tuple[Talk, str]]) -> None:
		which = [case for case in which if not case.wrong]
		for i, said in play_all([part(case) for case in which]).items():
			which[i].wrong = said

	def make_k(self, which: list[Case], part: int = 0) -> None:
		"""By packets; `part` 1 is what comes seconds later."""
		written = [c for c in which if c.row.k.startswith("written")]
		played = [c for c in which if c not in written and len(c.script) > part]
		loose = [c for c in played if c.row.k.startswith(LOOSE) and part == 0]
		if part == 0:
			self.each(written, self.write_k)
		self.play([c for c in played if c not in loose], lambda case: (case.new, case.script[part]))
		if loose:
			self.lab.loose(True)
			self.play(loose, lambda case: (case.new, case.script[part]))
			self.lab.loose(False)

	def write_k(self, case: Case) -> None:
		orig, reply = case.new.sides()
		status = 0 if "not assured" in case.row.k else REPLIED | ASSURED
		state = {"tcp": 3, "sctp": SCTP_ESTABLISHED}.get(case.proto)
		self.here.create(orig, reply, status, WRITTEN_LIFE, state, tags=case.old.tags if case.proto == "sctp" else ())

	def tell(self, case: Case) -> None:
		"""S into the peer's kernel. Of equal tuples where the translation was the firewall's choice: K's."""
		if case.row.how == "same" and case.new.wan and case.row.k:
			case.old.wan = case.new.wan
		if case.row.how == "in the way":
			case.old.wan = case.old.lan._replace(client=case.new.wan.client if case.new.wan else translated(case.new.lan, case.nat).client)
		orig, reply = case.old.sides()
		state, status = TCP_STATES[case.row.s] if case.proto == "tcp" else (None, REPLIED | ASSURED)
		if case.proto == "sctp":
			state = SCTP_ESTABLISHED
		if case.proto == "icmp":
			status = REPLIED
		self.there.create(orig, reply, status, PEER_LIFE, state, PEER_MARK, case.old.tags if case.proto == "sctp" else (),
				  HELPER if case.row.helper else "")

	def wait_told(self) -> None:
		"""Until fw2 has all that was written in fw1: in order, so the last tells."""
		self.marker = getattr(self, "marker", 0) + 1
		orig = Side("10.99.0.1", "10.99.0.2", UDP, (self.marker, 9), 0)
		self.there.create(orig, ctnetlink.opposite(orig), REPLIED | ASSURED, PEER_LIFE)
		word = f"src=10.99.0.1 dst=10.99.0.2 sport={self.marker} "

		def told() -> bool:
			if self.injected:
				return orig in {e["original"] for e in ctnetlink.table(self.lab, "fw2")}
			return word in self.two.ok("-e")

		wait_until(told, 60, "the peer's states have arrived", 0.03)

	# --- the ways -----------------------------------------------------------

	def commit(self) -> None:
		if self.way in ("active", "again"):
			self.two.ok("-c")
		early = [c for c in self.cases if c.row.k and c.row.order == "K"]
		late = [c for c in self.cases if c.row.k and c.row.order == "S"]
		once = [c for c in self.cases if c.row.number == "1" and self.way == "again"]
		gone = [c for c in self.cases if c.row.number == "1"]
		self.make_k(early)
		pace.sleep(2.3)
		self.make_k(early, 1)
		self.end_here([c for c in early if c in gone])
		pace.sleep(2.3)
		self.each(self.cases, self.tell)
		self.wait_told()
		pace.sleep(2.3)
		self.make_k(once)
		self.end_here(once)
		if self.way == "again":
			self.two.ok("-t")
		rest = [c for c in late if c not in once]
		self.make_k(rest)
		pace.sleep(2.3)
		self.make_k(rest, 1)
		self.end_here([c for c in rest if c in gone])
		if self.way in BETWEEN:
			pace.sleep(2.3)
			if self.way == "refreshed":
				self.one.ok("-B")
			else:
				self.two.stop()
				self.two.start()
			self.wait_told()
			self.wait_complete()
			pace.sleep(2.3)
		self.note_before(self.cases)
		ends = Ends(self.lab, "fw2")
		self.said = self.two.ok("-c")
		self.note_after(ends)
		self.once_more("at once")
		self.probe()
		self.once_more("with packets since")

	def wait_complete(self) -> None:
		"""Until the external cache has every S."""
		def complete() -> bool:
			text = self.two.ok("-e")
			return all(f"sport={case.old.lan.cport} " in text or f"id={case.old.lan.cport} " in text for case in self.cases)

		wait_until(complete, 60, "all of the peer's states are there")

	def once_more(self, when: str) -> None:
		"""Another commit on a node that is active now changes nothing; but where K's connection has come to its end meanwhile, the
		peer's other translation may take the place of what is left of K."""
		before, ends = self.snapshot(), Ends(self.lab, "fw2")
		self.two.ok("-c")
		after, destroyed = self.snapshot(), {e["original"] for e in ends.heard()}

		def essence(table: dict[Side, dict[str, Any]], key: Side) -> tuple | None:
			return (table[key]["reply"], table[key].get("state")) if key in table else None

		def compare(case: Case) -> None:
			orig = case.old.sides()[0]
			for key in {orig, ctnetlink.opposite(orig), case.before["original"] if case.before else orig}:
				if essence(before, key) != essence(after, key) or key in destroyed:
					case.shaken += f"{when}: {essence(before, key)} became {essence(after, key)}\n"

		self.each([c for c in self.cases if not (c.row.how == "other" and c.row.k in CLOSING)], compare)

	def end_here(self, which: list[Case]) -> None:
		"""Somebody ends these flows in fw2's kernel; the daemon has heard it when this returns."""
		self.each(which, lambda case: self.here.delete(case.new.sides()[0]))
		if which:
			ports = [f"sport={case.new.lan.cport} " for case in which]
			wait_until(lambda: not any(port in self.two.ok("-i") for port in ports), 20, "the ends are known")

	def news(self) -> None:
		"""What is old was seen more than two seconds ago, what is fresh just now."""
		early = [c for c in self.cases if c.row.order == "K"]
		self.make_k([c for c in self.cases if c.row.k and (c in early or len(c.script) > 1)])
		pace.sleep(2.3)
		self.make_k(early, 1)
		pace.sleep(4)
		ends = Ends(self.lab, "fw2")
		self.note_before(early)
		self.tell_fresh([c for c in self.cases if c.row.order == "S"])
		self.each(early, self.tell)
		self.wait_told()
		pace.sleep(0.5)
		self.note_after(ends)
		self.probe()

	def tell_fresh(self, which: list[Case]) -> None:
		"""K's last packet and at once S, few at a time. What a busy machine has not told in time is staged once more."""
		for turn in range(8):
			late: list[Case] = []
			for some in every(20, which):
				begun = time.monotonic()
				self.make_k([c for c in some if c.row.k and len(c.script) == 1])
				self.make_k([c for c in some if c.row.k], 1)
				self.note_before(some)
				self.each(some, self.tell)
				self.wait_told()
				if time.monotonic() - begun > FRESH:
					late += [c for c in some if c.row.k]
			if not late:
				return
			for case in late:
				case.turn, case.before, case.wrong = turn + 1, None, ""
				talk_pair(self.wire, case)
			self.make_k([c for c in late if len(c.script) > 1])
			pace.sleep(2.3)
			which = late
		raise AssertionError(f"{len(which)} states could not be told within {FRESH} s of a packet: this machine is too busy")

	def end(self) -> None:
		"""S is told, packets pass or do not, S changes or does not; then its end is told."""
		early = [c for c in self.cases if c.row.k and c.row.order == "K"]
		self.make_k([c for c in self.cases if c.row.k and (c in early or len(c.script) > 1)])
		pace.sleep(2.3)
		self.make_k(early, 1)
		pace.sleep(4)
		self.tell_fresh([c for c in self.cases if c not in early])
		self.each(early, self.tell)
		self.wait_told()
		pace.sleep(3.3)

		def later(case: Case) -> tuple[Talk, str]:
			return case.new if case.row.later == "the next connection" else case.old, LATER[case.row.later][case.proto]

		self.play([c for c in self.cases if c.row.later], later)
		# what was born here goes on, if it is to be in use
		self.play([c for c in self.cases if c.row.k and c.row.order == "S" and not c.row.k.startswith("written")],
			  lambda case: (case.new, LATER["packets"][case.proto]))
		pace.sleep(3.3)
		self.each([c for c in self.cases if c.row.order == "K"], lambda case: self.there.update(case.old.sides()[0], mark=8))
		self.wait_told()
		pace.sleep(1)
		table = self.snapshot()
		for case in self.cases:
			case.before = table.get(case.old.sides()[0])
		ends = Ends(self.lab, "fw2")
		self.each(self.cases, lambda case: self.there.delete(case.old.sides()[0]))
		self.wait_told()
		pace.sleep(0.5)
		self.note_after(ends)
		self.probe()

	# --- looking ------------------------------------------------------------

	def snapshot(self) -> dict[Side, dict[str, Any]]:
		"""By the original tuple."""
		return {e["original"]: e for e in ctnetlink.table(self.lab, "fw2")}

	def note_before(self, which: list[Case]) -> None:
		table = self.snapshot()

		def note(case: Case) -> None:
			if not case.row.k or case.row.number == "1":
				return
			if case.new.wan is None:	# has not begun yet
				return
			orig, reply = case.new.sides()
			if case.row.k.startswith("pick-up of the server's"):
				orig, reply = reply, orig
			case.before = table.get(orig)
			assert case.before, f"there is no entry K {orig}"
			assert case.before["reply"] == reply, f"{case.before['reply']} instead of {reply}"

		self.each([c for c in which if c.before is None], note)

	def note_after(self, ends: Ends) -> None:
		table = self.snapshot()
		by_reply = {e["reply"]: e for e in table.values()}
		destroyed = {e["original"] for e in ends.heard()}
		internal, kernel = self.two.internal(), self.two.kernel()
		known, real = ({f.orig: f for f in flows} for flows in (internal, kernel))
		external = "" if self.injected else self.two.ok("-e")

		def note(case: Case) -> None:
			s_orig, s_reply = case.old.sides()
			k_orig = case.before["original"] if case.before else s_orig
			found = [e for key in {s_orig, k_orig, ctnetlink.opposite(s_orig)} if (e := table.get(key))]
			found += [e for e in (by_reply.get(s_reply),) if e and e not in found]
			case.after = found
			case.ended = k_orig in destroyed
			port = f"sport={case.new.lan.cport} "
			case.left = port in external

		self.each(self.cases, note)
		if self.injected:
			return		# what is only the peer's is in no cache

		def compare(case: Case) -> None:
			keys = [o for o in {*known, *real} if ("sport", str(case.new.lan.cport)) in o or ("dport", str(case.new.lan.cport)) in o
				or ("id", str(case.new.lan.cport)) in o]
			case.known = "; ".join(f"kernel: {real.get(key)}, internal cache: {known.get(key)}" for key in keys
					       if real.get(key) != known.get(key))

		self.each(self.cases, compare)

	def probe(self) -> None:
		"""Packets of either connection, all sent before one is looked for: first the old connection's, which a kept entry with
		windows calls invalid, then the new one's."""
		def data(case: Case, talk: Talk, name: str, ahead: int = 0) -> None:
			# The server's first: what the client sends may begin a new flow, which then answers.
			word = {"tcp": "P", "udp": "u", "icmp": "e", "sctp": "data"}[case.proto]
			for side in ("s",) if case.want.entry == "absent" and case.proto != "tcp" else ("s", "c"):
				case.asked[f"{name} {side}"] = talk.send(f"{side}.{word}", ahead)

		def ask(case: Case) -> None:
			want = case.want
			if want.strict:
				case.asked["outside"] = case.new.send("c.P", 1 << 30)
			if "old" in want.passes or want.entry == "absent":
				data(case, case.old, "old")
			if case.proto == "tcp" and "new" in want.passes and case.row.k in CLOSING:
				for word in CLOSING[case.row.k].split():
					case.asked[f"new {word} {word[0]}"] = case.new.send(word)
			elif "new" in want.passes:
				data(case, case.new, "new")

		# A connection of which only the handshake's beginning was seen has to come to be, at worst with the SYN sent again.
		going = [c for c in self.cases if c.proto == "tcp" and c.row.k in HANDSHAKES and "new" in c.want.passes]
		self.play(going, lambda case: (case.new, "s.SA c.A" if case.row.k == "SYN" else "c.A"))
		anew = [c for c in self.cases if c.want.passes == "again"]
		for case in anew:
			case.new.wan, case.new.cseq, case.new.sseq = None, 3_000_000_000, 4_000_000_000
		self.play(anew, lambda case: (case.new, "c.S s.SA c.A"))
		self.each(anew, lambda case: data(case, case.new, "new"))
		self.each(self.cases, ask)
		self.wire.settle()
		for case in self.cases:
			case.passed.update({name: self.wire.arrived(number) is not None for name, number in case.asked.items()})
			self.translated(case)

	def translated(self, case: Case) -> None:
		"""A packet that comes through with a wrong translation has not arrived anywhere."""
		for name, number in case.asked.items():
			got = self.wire.arrived(number)
			talk = case.old if name.startswith("old") else case.new
			if got is None or talk.wan is None:
				continue
			view = talk.wan if name.endswith(" c") else talk.lan
			ends = (view.client, view.cport), (view.server, view.sport)
			have = (got.src, got.ports[0]), (got.dst, got.ports[1])
			if name.endswith(" s"):
				ends = ends[::-1]
			if name[-2:] in (" c", " s") and have != ends:
				case.passed[name] = False
				case.astray += f"{name}: {have} instead of {ends}\n"


# --- judging ------------------------------------------------------------------------


def describe(case: Case) -> str:
	return (f"{case.id}\nK's connection {case.new.lan} -> {case.new.wan}\nS's {case.old.lan} -> {case.old.wan}\n"
		f"before: {case.before}\nafter: {case.after}\nended: {case.ended}\npassed: {case.passed}\n"
		f"{case.astray}wanted: {case.want}")


def judge(case: Case) -> None:
	"""Raises AssertionError where the case did not come out as the table says."""
	assert not case.wrong, f"{case.wrong}\n{describe(case)}"
	want, text = case.want, describe(case)
	s_tuples = case.old.sides()
	k_tuples = (case.before["original"], case.before["reply"]) if case.before else None
	if want.entry == "absent":
		assert not case.after and not any(case.passed.values()), text
		assert not case.left, f"the external cache still has the flow\n{text}"
		return
	if case.way == "end":
		assert case.before, f"there was nothing before the end\n{text}"
	assert len(case.after) == 1, text
	now = case.after[0]
	tuples = now["original"], now["reply"]
	if want.entry in ("kept", "updated") or not want.entry:
		assert tuples == k_tuples, f"K's tuples\n{text}"
		assert not case.ended, f"destroyed\n{text}"
	else:
		assert tuples == s_tuples, f"S's tuples\n{text}"
	if want.entry == "kept":
		assert now.get("state") == case.before.get("state"), f"K's state\n{text}"
	if want.entry in ("updated", "replaced", "created"):
		if case.proto == "tcp":
			assert now["state"] == TCP_STATES[case.row.s][0], f"S's state\n{text}"
		assert now.get("replied"), f"S has seen an answer\n{text}"
		assert case.proto == "icmp" or now.get("assured"), f"S is assured\n{text}"
	if want.liberal is not None and case.proto == "tcp":
		assert [bool(f & LIBERAL) for f in now["flags"]] == [want.liberal] * 2, f"liberal\n{text}"
	if want.mark is not None:
		assert now.get("mark", 0) == want.mark, f"mark\n{text}"
	if want.life is not None:
		assert now["timeout"] >= want.life, f"life\n{text}"
	if case.row.helper and want.entry == "replaced":
		assert now.get("helper") == HELPER.encode(), f"helper\n{text}"
	if want.lower:
		assert now["timeout"] <= case.before["timeout"], f"life untouched\n{text}"
	for name, passed in case.passed.items():
		assert passed == (name != "outside"), f"{name} {'passed' if passed else 'did not pass'}\n{text}"
	if want.passes:
		assert case.passed, text
	assert not case.shaken, f"one more commit {case.shaken}{text}"
	assert not case.known, f"the internal cache is not the kernel's table: {case.known}"

# SPDX-License-Identifier: GPL-2.0-or-later
"""What is measured: one function per row. Each runs one make once and returns its figures; `lost` among them says in words
what was not as it should be, by the figure that it spoils. A floor function measures what the kernel's interface itself
costs, in the same round."""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Iterator

from netlab import wait_until
from node import DEBIAN, OURS, Node
from rig import NO_BUFFERS, Asking, Bench, Cpu, rss, switches, timed

Figures = dict[str, Any]


@dataclass
class Context:
	tools: Path
	work: Path
	quick: bool
	round: int = 0

	def bench(self, which: str, **options: Any) -> Bench:
		return Bench(self.tools, self.work, which, **options)

	@property
	def million(self) -> int:
		return 100_000 if self.quick else 1_000_000

	def seconds(self, full: float) -> float:
		return full / 2 if self.quick else full


@dataclass
class Target:
	"""What to reach. `of` is what it is compared with: "1.4.7", a figure of the floor, or nothing (an absolute bound). It is
	the median that must reach it; with `always`, and where nothing may be lost, every round must. With `other` either of the
	two bounds will do."""
	most: float | None = None
	least: float | None = None
	of: str = ""
	always: bool = False
	floor: str = "the bare listener"	# what a figure of the floor is called
	other: Target | None = None

	def __post_init__(self) -> None:
		self.always = self.always or self.most == 0


@dataclass
class Figure:
	key: str
	label: str
	unit: str
	target: Target | None = None


@dataclass
class Row:
	name: str
	title: str
	note: str
	figures: list[Figure]
	measure: Callable[..., Any]	# (ctx, which) gives Figures; of a group (ctx, which, names) gives Figures by row
	floor: Callable[[Context], Figures] | None = None
	seconds: int = 30		# one make, one round, not --quick: for the estimate
	group: bool = False		# rows with the same `measure` share what it builds up
	proof: dict[str, tuple[str, ...]] = field(default_factory=dict)	# count only if this one is 0: those


def take(figures: Figures, key: str, value: float, lost: str = "") -> None:
	figures[key] = value
	if lost:
		figures.setdefault("lost", {})[key] = lost


def overruns(node: Node) -> int:
	return next(int(line.split()[-1]) for line in node.ok("-s", "runtime").splitlines() if "netlink overrun" in line)


HEADERS = 14 + 20 + 8	# Ethernet, IP, UDP


def link_sent(node: Node) -> tuple[int, int]:
	"""Bytes on the wire and datagrams so far, by the daemon's own count: the device counts datagrams of one piece as one."""
	lines = [line.split() for line in node.ok("-s").splitlines()]
	payload, datagrams = (next(int(line[0]) for line in lines if line[1:3] == [what, "sent"]) for what in ("Bytes", "Pckts"))
	return payload + HEADERS * datagrams, datagrams


def off_by(c: dict[str, int]) -> int:
	return c["missing"] + c["extra"]


def fill(b: Bench, n: int, *options: object, rate: int = 100_000, first: int = 0) -> str:
	"""n established flows in fw1's kernel, and in both caches when it returns; what was lost."""
	b.load("-n", n, "-f", first, "-r", rate, *options, "insert")
	b.settle()
	return b.lost()


LIVE, CHURN, CHURNS = 7_500_000, 5_000_000, 500_000	# numbers of flows apart from those that were there before


@contextlib.contextmanager
def churning(b: Bench, rate: int, use: int) -> Iterator[None]:
	"""Flows come and go on fw1 at so many events per second; those that were alive at the end stay. `use` tells the uses in
	one laboratory apart."""
	live = b.tool_begin("fw1", "ctload", "-n", CHURNS, "-k", 500, "-r", rate, "-f", CHURN + use * CHURNS, "churn")
	try:
		time.sleep(0.5)
		yield
		if live.poll() is not None:
			raise RuntimeError(f"there was no load meanwhile: {live.communicate()}")
	finally:
		live.terminate()
		live.communicate()


# --- CPU per event ---------------------------------------------------------------

RATES = (1000, 2000, 10_000, 20_000, 60_000)
BRIEF_RATES = (20_000, 60_000)	# of flows that end before anything else happens to them
EVENTS = {"churn": 3, "brief": 2}	# of a flow


def steady(ctx: Context, rate: int, use: int, load: str = "churn") -> tuple[object, ...]:
	"""What ctload needs for some seconds of load at this rate. `use` tells the loads of one laboratory apart."""
	n = int(rate * ctx.seconds(3)) // EVENTS[load]
	return "-n", n, "-k", min(1000, n // 2), "-r", rate, "-f", use * 1_000_000, load


def at_rate(b: Bench, figures: Figures, name: str, load: tuple[object, ...]) -> int:
	"""CPU per event of both nodes, and the rate that was reached, of this load; how many events there were."""
	cpu = Cpu(b.fw1, b.fw2)
	done = b.load(*load)
	b.settle()
	active, replica = cpu.us_per(done["taken"])
	take(figures, f"active_{name}", active)
	take(figures, f"replica_{name}", replica)
	take(figures, f"got_rate_{name}", done["taken"] / done["seconds"])
	return done["taken"]


def rates(ctx: Context, which: str) -> Figures:
	figures: Figures = {}
	with ctx.bench(which) as b:
		b.pair()
		loads = [(str(rate), rate, "churn") for rate in RATES] + [(f"brief_{rate}", rate, "brief") for rate in BRIEF_RATES]
		for use, (name, rate, load) in enumerate(loads):
			link = link_sent(b.fw1)
			events = at_rate(b, figures, name, steady(ctx, rate, use, load))
			now = link_sent(b.fw1)
			take(figures, f"bytes_{name}", (now[0] - link[0]) / events)
			take(figures, f"datagrams_{name}", (now[1] - link[1]) / events)
			if lost := b.lost():
				figures.setdefault("lost", {}).update({f"{what}_{name}": lost for what in ("active", "replica", "bytes", "datagrams")})
	return figures


def listeners(b: Bench, use: int, how: tuple[object, ...]) -> Figures:
	"""use: the how-manieth of this bench; each load begins with flows of its own, those of the one before stay."""
	figures: Figures = {}
	for i, kind in enumerate(("single", "batched")):
		with b.listener(kind, b.lab.SPARE) as heard:
			b.load(*how, "-f", (2 * use + i) * 100_000, "churn", part=b.lab.SPARE)
		if heard["overruns"]:
			raise RuntimeError("the bare listener was overrun")
		figures[kind] = heard["cpu_ns"] / 1000 / max(1, heard["events"])
	return figures


def rates_floor(ctx: Context) -> Figures:
	figures: Figures = {}
	with ctx.bench(DEBIAN) as b:
		for i, rate in enumerate(RATES):
			for kind, value in listeners(b, i, steady(ctx, rate, 0)[:-3]).items():
				figures[f"{kind}_{rate}"] = value
		for name, options in (("datagram_sent", ()), ("datagram_sent_segmented", ("-g",))):
			done = b.tool("fw1", "floor", "send", *options, 1400, 100_000, "10.30.0.12")
			figures[name] = done["cpu_ns"] / 1000 / done["datagrams"]
	return figures


INJECT_RATES = (2000, 20_000, 60_000)


def inject(ctx: Context, which: str) -> Figures:
	"""The states go straight into the replica's kernel, and both kernels' tables are compared as sets."""
	figures: Figures = {}
	with ctx.bench(which, mode_options={"DisableExternalCache": "On"}) as b:
		b.pair()
		for use, rate in enumerate(INJECT_RATES):
			at_rate(b, figures, str(rate), steady(ctx, rate, use))
			off = off_by(b.kernels())
			take(figures, f"off_{rate}", off)
			if off:
				figures.setdefault("lost", {})[f"replica_{rate}"] = f"{off} entries of the kernels differ"
	return figures


def inject_floor(ctx: Context) -> Figures:
	"""The same requests from the bare injector, beside a listener, so that the kernel makes events as it does there."""
	figures: Figures = {}
	with ctx.bench(DEBIAN) as b:
		for use, rate in enumerate(INJECT_RATES):
			with b.listener("batched", b.lab.SPARE):
				done = b.load(*steady(ctx, rate, use), part=b.lab.SPARE)
			figures[f"bare_{rate}"] = done["cpu_ns"] / 1000 / done["taken"]
	return figures


def flat_out(ctx: Context, which: str) -> Figures:
	"""Then once more over a device that takes no piece of several datagrams, as a card does that cannot cut them."""
	figures: Figures = {}
	n = ctx.million // 5
	with ctx.bench(which) as b:
		b.pair()
		for i, kind in enumerate(("", "_uncut")):
			if kind:
				b.lab.ip("fw1", "link set sync0 gso_max_segs 1")
			cpu = Cpu(b.fw1, b.fw2)
			done = b.load("-n", n, "-k", 2000, "-f", i * 1_000_000, "churn")
			b.settle()
			active, replica = cpu.us_per(done["taken"])
			lost = b.lost()
			take(figures, f"active{kind}", active, lost)
			take(figures, f"replica{kind}", replica, lost)
			take(figures, f"rate{kind}", done["taken"] / done["seconds"], lost)
	return figures


def packets(ctx: Context, which: str) -> Figures:
	"""TCP handshakes through the firewall: three packets, three events each."""
	figures: Figures = {}
	with ctx.bench(which) as b:
		b.lab.forwarding()
		b.pair()
		cpu, n = Cpu(b.fw1, b.fw2), ctx.million // 5
		done = b.packets("-n", n)
		b.settle()
		active, replica = cpu.us_per(3 * n)
		lost = b.lost()
		if done["forwarded"] != done["packets"]:
			lost += f"; {done['packets'] - done['forwarded']} packets were dropped on the way"
		take(figures, "active", active, lost)
		take(figures, "replica", replica, lost)
		take(figures, "rate", n / done["seconds"])
	return figures


def packets_floor(ctx: Context) -> Figures:
	figures: Figures = {}
	with ctx.bench(DEBIAN) as b:
		b.lab.forwarding()
		for i, kind in enumerate(("single", "batched")):
			n = ctx.million // 5
			with b.listener(kind, "fw1") as heard:
				b.packets("-n", n, "-f", i * n)
			figures[kind] = heard["cpu_ns"] / 1000 / heard["events"]
			figures["events_per_connection"] = heard["events"] / n
	return figures


def alone(ctx: Context, which: str) -> Figures:
	"""The daemon on one processor, the generator on the other, no peer."""
	figures: Figures = {}
	with ctx.bench(which) as b:
		b.start(b.fw1)
		b.settle()
		subprocess.run(["taskset", "-a", "-p", "-c", "1", str(b.fw1.pid)], check=True, stdout=subprocess.DEVNULL)
		cpu, n = Cpu(b.fw1), ctx.million // 3
		done = b.result(b.tool_begin("fw1", "ctload", "-n", n, "-k", 2000, "churn", cpu=0))
		b.settle()
		lost = b.lost()
		take(figures, "active", cpu.us_per(done["taken"])[0], lost)
		take(figures, "rate", done["taken"] / done["seconds"], lost)
	return figures


def alone_floor(ctx: Context) -> Figures:
	with ctx.bench(DEBIAN) as b:
		n = ctx.million // 3
		done = b.result(b.tool_begin(b.lab.SPARE, "ctload", "-n", n, "-k", 2000, "churn", cpu=0))
		figures = {"rate_nobody": done["taken"] / done["seconds"]}
		with b.listener("batched", b.lab.SPARE, cpu=1) as heard:
			done = b.result(b.tool_begin(b.lab.SPARE, "ctload", "-n", n, "-k", 2000, "-f", 1_000_000, "churn", cpu=0))
		return {**figures, "active": heard["cpu_ns"] / 1000 / heard["events"], "rate": done["taken"] / done["seconds"]}


# --- the packet path ---------------------------------------------------------------

MIXES = (0, 10, 100)	# data packets for each new connection


PATH_PAIRS = 8


def path(ctx: Context, which: str) -> Figures:
	"""What a processor does in a second drifts by a fifth within ten, so a long load with the daemons on and one without say
	less than many short ones by turns, each beside its neighbours. By turns the kernel is told to make events or none: the
	latter is what it does by itself when nobody listens, and daemons that hear nothing do nothing."""
	figures: Figures = {}
	with ctx.bench(which) as b:
		b.lab.forwarding()
		b.pair()

		def forwarded(n: int, mix: int, events: bool) -> tuple[float, str]:
			b.lab.sysctl("fw1", {"net/netfilter/nf_conntrack_events": int(events)})
			done, lost = b.packets("-n", n, "-x", mix), ""
			if events:
				b.settle()
				lost = b.lost()
			b.empty("fw1")
			if events:
				b.settle()
			return done["forwarded"] / done["seconds"], lost

		for mix in MIXES:
			n = (20_000 if ctx.quick else 50_000) // (1 + mix // 5)
			ratios, rates, lost = [], [], ""
			before, _ = forwarded(n, mix, False)
			for _ in range(3 if ctx.quick else PATH_PAIRS):
				on, wrong = forwarded(n, mix, True)
				after, _ = forwarded(n, mix, False)
				ratios.append(on / statistics.mean((before, after)))
				rates.append(on)
				before, lost = after, lost or wrong
			take(figures, f"ratio_{mix}", statistics.median(ratios), lost)
			take(figures, f"pps_{mix}", statistics.median(rates), lost)
	return figures


# --- losses ---------------------------------------------------------------------------

LOSS_RATES = (100_000, 150_000, 0)


def losses(ctx: Context, which: str) -> Figures:
	"""No buffer options: what is missing in, or wrong in, either cache 2 s after the load has ended."""
	figures: Figures = {}
	for rate in LOSS_RATES:
		name = rate or "flat_out"
		n = int((rate or 200_000) * ctx.seconds(4)) // 3
		with ctx.bench(which, buffers=NO_BUFFERS) as b:
			b.pair()
			done = b.load("-n", n, "-k", 10_000, *(("-r", rate) if rate else ()), "churn")
			time.sleep(2)
			off, lost = b.check()
			take(figures, f"off_{name}", off, lost)
			take(figures, f"overruns_{name}", overruns(b.fw1))
			take(figures, f"got_rate_{name}", done["taken"] / done["seconds"])
	return figures


def burst(ctx: Context, which: str) -> Figures:
	figures: Figures = {}
	for n, name in ((ctx.million // 2, "half"), (ctx.million, "whole")):
		with ctx.bench(which, buffers=NO_BUFFERS) as b:
			b.pair()
			b.load("-n", n, "insert")
			ended = time.monotonic()
			time.sleep(2)
			c = b.compare("fw1", b.fw2, "-e")
			take(figures, f"overruns_{name}", overruns(b.fw1))
			take(figures, f"missing_2s_{name}", off_by(c), b.lost() if off_by(c) else "")
			if ctx.round > 0 or ctx.quick:
				continue	# a minute each: in the first round only
			time.sleep(max(0.0, ended + 60 - time.monotonic()))
			c = b.compare("fw1", b.fw2, "-e")
			take(figures, f"missing_60s_{name}", off_by(c), b.lost() if off_by(c) else "")
	return figures


# --- a million flows: memory, dump, -R, resync, start, commit -----------------------------------


def memory6(ctx: Context, which: str) -> Figures:
	figures: Figures = {}
	n = ctx.million // 2
	with ctx.bench(which) as b:
		b.pair()
		before = rss(b.fw1.pid), rss(b.fw2.pid)
		lost = fill(b, n, "-6")
		take(figures, "internal", (rss(b.fw1.pid) - before[0]) / n, lost)
		take(figures, "external", (rss(b.fw2.pid) - before[1]) / n, lost)
	return figures


def to_null(node: Node, *options: str) -> float:
	return timed(lambda: subprocess.run(node.argv(*options), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
					    stderr=subprocess.DEVNULL, timeout=300, check=True))


def dump(b: Bench, lost: str) -> Figures:
	"""With 5,000 events/s meanwhile."""
	figures: Figures = {}
	with churning(b, 5000, 1):
		for key, node, options in (("i", b.fw1, ("-i",)), ("ix", b.fw1, ("-i", "-x")), ("e", b.fw2, ("-e",))):
			with Asking(node) as asking:
				take(figures, key, to_null(node, *options), lost)
			figures[f"ask_ms_{key}"] = asking.slowest_ms
	b.settle()
	take(figures, "off", b.check()[0])
	return figures


def one_relist(b: Bench) -> tuple[float, float, float, float]:
	"""The bare dump; `-R`, until the client has returned and the daemon answers again; the slowest `-s` meanwhile; CPU per flow."""
	floor, flows, cpu = b.tool("fw1", "floor", "dump")["seconds"], b.lab.flows("fw1"), Cpu(b.fw1)
	with Asking(b.fw1) as asking:
		took = timed(lambda: b.fw1.ok("-R", timeout=120))
		took += timed(lambda: b.fw1.ok("-s", timeout=120))	# 1.4.7 may answer first and work then
	return floor, took, asking.slowest_ms, cpu.us_per(flows)[0]


def relist(b: Bench, lost: str) -> Figures:
	"""Then again with 1,000 events/s, also beside the bare dump."""
	figures: Figures = {}
	for key in ("", "busy_"):
		with churning(b, 1000, 2) if key else contextlib.nullcontext():
			floor, took, slowest, cpu = one_relist(b)
		take(figures, f"{key}seconds", took, lost)
		take(figures, f"{key}to_dump", took / floor, lost)
		take(figures, f"{key}cpu", cpu, lost)
		figures[f"{key}ask_ms"] = slowest
		b.settle()
		take(figures, f"{key}off", off_by(b.compare("fw1", b.fw1, "-i")) + off_by(b.compare("fw1", b.fw2, "-e")))
	return figures


def start(b: Bench, n: int) -> Figures:
	figures: Figures = {}
	b.fw1.stop()
	floor = b.tool("fw1", "floor", "dump")["seconds"]
	took = b.start(b.fw1) + b.wait_cached(b.fw1, "internal", n, 60)
	b.settle()
	c = b.compare("fw1", b.fw1, "-i")
	lost = f"{off_by(c)} entries off" if off_by(c) else ""
	take(figures, "seconds", took, lost)
	take(figures, "to_dump", took / floor, lost)
	return figures


def restart_replica(b: Bench) -> float:
	b.fw2.stop()
	took = b.start(b.fw2)
	if b.which == DEBIAN:
		b.fw2.ok("-n")		# ours asks by itself
	return took


def until_all(b: Bench, figures: Figures, key: str, off: str, began: float, limit: float, lost: str = "") -> None:
	"""Seconds from `began` until the replica has all flows of fw1, as sets; at most `limit`."""
	b.wait_cached(b.fw2, "external", b.lab.flows("fw1"), max(0.0, began + limit - time.monotonic()))
	took = time.monotonic() - began
	n = off_by(b.compare("fw1", b.fw2, "-e"))
	if n and took >= limit:
		lost = f"not within {limit:.0f} s: {n} missing or stale"
	take(figures, key, took, lost)
	take(figures, off, n)


def resync(b: Bench, ctx: Context, lost: str) -> Figures:
	figures: Figures = {}
	limit = ctx.seconds(15)
	began = time.monotonic()
	restart_replica(b)
	until_all(b, figures, "seconds", "off", began, limit, lost)
	# What people type, after the replica was made to forget.
	for key, node, option in (("n", b.fw2, "-n"), ("b", b.fw1, "-B")):
		b.fw2.ok("-f", "external", timeout=60)
		b.settle()
		began = time.monotonic()
		node.ok(option, timeout=60)
		until_all(b, figures, f"{key}_seconds", f"{key}_off", began, limit)
	# Again, while flows are born at 1,000/s. The datagrams also hold flows of the bulk, which are not looked at.
	live = b.tool_begin("fw1", "latency", "-f", LIVE, 1000, ctx.seconds(6), "sync0")
	time.sleep(0.5)
	restart_replica(b)
	told = b.result(live)
	b.settle()
	take_latency(figures, told, "live_{}")
	take(figures, "live_off", off_by(b.compare("fw1", b.fw2, "-e")))
	return figures


def take_latency(figures: Figures, told: dict[str, Any], name: str, lost: str = "") -> None:
	if told["seen"] < told["sent"]:
		lost = f"{told['sent'] - told['seen']} of {told['sent']} never left; {lost}"
	for key in ("median_us", "p99_us", "max_us"):
		take(figures, name.format(key), told[key], lost)


def commit(b: Bench, n: int, lost: str) -> Figures:
	"""All that the replica has of n flows, beside the same n from the bare injector in the spare namespace."""
	figures: Figures = {}
	take(figures, "injector_alone", b.load("-n", n, "insert", part=b.lab.SPARE)["seconds"])
	b.empty(b.lab.SPARE)
	with b.listener("batched", b.lab.SPARE):
		take(figures, "injector", b.load("-n", n, "insert", part=b.lab.SPARE)["seconds"])
	b.empty(b.lab.SPARE)
	have, cpu = b.cached(b.fw2, "external"), Cpu(b.fw2)
	with churning(b, 1000, 0), Asking(b.fw2) as asking:
		took = timed(lambda: b.fw2.ok("-c", timeout=300))
		began = time.monotonic()
		with contextlib.suppress(AssertionError):
			# 1.4.7's client may return before the end
			wait_until(lambda: b.lab.flows("fw2") >= have, 30, step=0.02)
			took += time.monotonic() - began
		take(figures, "cpu", cpu.us_per(have)[0], lost)
	b.settle()
	missing = b.not_committed(CHURN)
	take(figures, "seconds", took, f"{missing} flows not in the kernel" if missing else lost)
	take(figures, "to_injector", took / figures["injector"], f"{missing} flows not in the kernel" if missing else lost)
	figures["ask_ms"] = asking.slowest_ms
	take(figures, "missing", missing)
	take(figures, "internal_off", off_by(b.compare("fw2", b.fw2, "-i")))
	take(figures, "peer_off", off_by(b.compare("fw1", b.fw2, "-e")))
	return figures


def commit100k(ctx: Context, which: str) -> Figures:
	with ctx.bench(which) as b:
		b.pair()
		return commit(b, ctx.million // 10, fill(b, ctx.million // 10))


MILLION = ("memory", "dump", "relist", "start", "resync", "commit")


def million(ctx: Context, which: str, names: set[str]) -> dict[str, Figures]:
	figures: dict[str, Figures] = {}
	n = ctx.million
	with ctx.bench(which) as b:
		b.pair()
		before = rss(b.fw1.pid), rss(b.fw2.pid)
		lost = fill(b, n)
		if "memory" in names:
			figures["memory"] = {}
			for key, node, was in (("internal", b.fw1, before[0]), ("external", b.fw2, before[1])):
				take(figures["memory"], key, (rss(node.pid) - was) / n, lost)
		if "commit" in names:
			figures["commit"] = commit(b, n, lost)
			b.empty("fw2")
			b.settle()
		if "dump" in names:
			figures["dump"] = dump(b, lost)
		if "relist" in names:
			figures["relist"] = relist(b, lost)
		if "resync" in names:
			figures["resync"] = resync(b, ctx, lost)
		if "start" in names:
			figures["start"] = start(b, b.lab.flows("fw1"))
	return figures


# --- outage, lossy link -----------------------------------------------------------------------------


def outage(ctx: Context, which: str) -> Figures:
	figures: Figures = {}
	n = ctx.million // 5
	with ctx.bench(which) as b:
		b.pair()
		fill(b, 1000)
		b.lab.cable("fw2", 0, up=False)
		b.load("-n", n, "-f", 10_000, "-r", 50_000, "insert")
		time.sleep(1)
		b.lab.cable("fw2", 0, up=True)
		took = b.wait_cached(b.fw2, "external", n + 1000, 5)
		figures["seconds"] = took
		time.sleep(max(0.0, 5 - took))
		off = off_by(b.compare("fw1", b.fw2, "-e"))
		take(figures, "off", off)
		if off:
			b.fw2.ok("-n")
			b.settle()
			time.sleep(5)
			off = off_by(b.compare("fw1", b.fw2, "-e"))
		take(figures, "off_after_n", off)
	return figures


PERCENT = (1, 5, 20)


def lossy(ctx: Context, which: str) -> Figures:
	"""20,000 events/s; this part of the datagrams thrown away in both directions."""
	figures: Figures = {}
	with ctx.bench(which) as b:
		b.pair()
		for i, percent in enumerate(PERCENT):
			for fw in ("fw1", "fw2"):
				b.lab.lossy(fw, percent)
			cpu = Cpu(b.fw1, b.fw2)
			done = b.load("-n", int(20_000 * ctx.seconds(4)) // 3, "-k", 2000, "-r", 20_000, "-f", i * 1_000_000, "churn")
			b.settle()
			active, replica = cpu.us_per(done["taken"])
			for fw in ("fw1", "fw2"):
				b.lab.lossy(fw, 0)
			time.sleep(2)
			off, lost = b.check()
			take(figures, f"active_{percent}", active, lost)
			take(figures, f"replica_{percent}", replica, lost)
			take(figures, f"off_{percent}", off, lost)
	return figures


# --- latency, statistics, idle --------------------------------------------------------------------

LATENCY_RATES = (100, 1000, 10_000, 20_000, 60_000)


def latency(ctx: Context, which: str) -> Figures:
	figures: Figures = {}
	with ctx.bench(which) as b:
		b.pair()
		for i, rate in enumerate(LATENCY_RATES):
			done = b.tool("fw1", "latency", "-f", i * 1_000_000, rate, ctx.seconds(3), "sync0")
			b.settle()
			take_latency(figures, done, f"{{}}_{rate}", b.lost())
	return figures


STATS_RATES = (10_000, 30_000)


def stats(ctx: Context, which: str) -> Figures:
	figures: Figures = {}
	with ctx.bench(which, stats=True) as b:
		b.start(b.fw1)
		for i, rate in enumerate(STATS_RATES):
			b.settle()
			cpu = Cpu(b.fw1)
			done = b.load("-n", int(rate * ctx.seconds(4)) // 3, "-k", 1000, "-r", rate, "-f", i * 1_000_000, "churn")
			b.settle()
			take(figures, f"active_{rate}", cpu.us_per(done["taken"])[0], b.lost())
	return figures


def stats_floor(ctx: Context) -> Figures:
	figures: Figures = {}
	with ctx.bench(DEBIAN) as b:
		for i, rate in enumerate(STATS_RATES):
			n = int(rate * ctx.seconds(4)) // 3
			for kind, value in listeners(b, i, ("-n", n, "-k", 1000, "-r", rate)).items():
				figures[f"{kind}_{rate}"] = value
	return figures


def idle(ctx: Context, which: str) -> Figures:
	seconds = ctx.seconds(10)
	with ctx.bench(which) as b:
		b.pair()
		lost = fill(b, 1000)
		time.sleep(2)
		pids = b.fw1.pid, b.fw2.pid
		cpu, before = Cpu(b.fw1, b.fw2), [switches(p) for p in pids]
		time.sleep(seconds)
		figures: Figures = {}
		for name, pid, was, us in zip(("active", "replica"), pids, before, cpu.us_per(1)):
			take(figures, f"{name}_wakeups", (switches(pid) - was) / seconds, lost)
			take(figures, f"{name}_us", us / seconds, lost)
	return figures


# --- scale ---------------------------------------------------------------------------------------------


SIZES = (10_000, 100_000, 1_000_000, 4_000_000)


def sizes(ctx: Context, which: str) -> tuple[int, ...]:
	if ctx.quick:
		return SIZES[:2]
	return SIZES if which == OURS or ctx.round == 0 else SIZES[:3]	# three minutes of 1.4.7 for 4M: once


def scale(ctx: Context, which: str) -> Figures:
	"""Changes of flows all over the table, in a scattered order."""
	figures: Figures = {}
	with ctx.bench(which) as b:
		b.pair()
		empty, have = (rss(b.fw1.pid), rss(b.fw2.pid)), 0
		for n in sizes(ctx, which):
			if have and which == OURS:
				heard(b, have)
			b.load("-n", n - have, "-f", have, "-r", 100_000, "insert")
			b.settle()
			have = n
			grown = [(rss(node.pid) - was) / 1e6 for node, was in zip((b.fw1, b.fw2), empty)]
			cpu = Cpu(b.fw1, b.fw2)
			events = scatter(b, n)
			b.settle()
			active, replica = cpu.us_per(events)
			lost = b.lost()
			take(figures, f"active_{n}", active, lost)
			take(figures, f"replica_{n}", replica, lost)
			take(figures, f"internal_{n}", grown[0], lost)
			take(figures, f"external_{n}", grown[1], lost)
			take(figures, f"dump_{n}", to_null(b.fw1, "-i"), lost)
			take(figures, f"dumpe_{n}", to_null(b.fw2, "-e"), lost)
			if which == OURS:
				restarts(b, n, figures)
	return figures


def restarts(b: Bench, n: int, figures: Figures) -> None:
	"""Each node once, beside the other. The next size is then that of restarted daemons that have grown."""
	for key, node, cache in (("start", b.fw1, "internal"), ("resync", b.fw2, "external")):
		node.stop()
		figures[f"{key}_{n}"] = b.start(node) + b.wait_cached(node, cache, n, 120)
		b.settle()
	if lost := b.lost():
		figures.setdefault("lost", {}).update({f"{key}_{n}": lost for key in ("start", "resync")})


def heard(b: Bench, n: int) -> None:
	"""A new mark for each. Of a flow that it only read from the kernel at its start a daemon does not know whether its end
	will be told, and reads the table again now and then (doc/architecture.md); that is no cost of an event."""
	b.load("-n", n, "-r", 100_000, "-m", 7, "update")
	b.settle(120)


def scatter(b: Bench, n: int) -> int:
	"""100,000 new marks at 30,000/s; small tables are gone over again and again."""
	events = 0
	while events < 100_000:
		events += b.load("-n", min(n, 100_000), "-o", n, "-r", 30_000, "-m", 1 + events, "update")["taken"]
	return events


# --- the table ----------------------------------------------------------------------------------------------

OLD = "1.4.7"


def each(values: tuple[Any, ...], make: Callable[[Any], list[Figure]]) -> list[Figure]:
	return [figure for value in values for figure in make(value)]


def shown(n: int) -> str:
	return f"{n:,}"


RATE_TARGET = {1000: None, 2000: Target(0.60, of=OLD), 10_000: None, 20_000: Target(0.45, of=OLD), 60_000: Target(0.40, of=OLD)}
BYTES_TARGET = {1000: Target(110), 20_000: Target(72)}

COMMIT_NOTE = ("1,000 changes/s on the peer meanwhile, `-s` every 50 ms (its time is that of the whole client program). The injector writes the same flows in batches, with the batched "
	       "listener beside it, in the same run.")
COMMIT = [
	Figure("seconds", "commit", "s"),
	Figure("cpu", "CPU of the daemon until its end, with `-s` and the changes of the peer", "µs/flow"),
	Figure("injector", "bare injector", "s"),
	Figure("injector_alone", "bare injector without a listener", "s"),
	Figure("to_injector", "commit over the injector", "ratio", Target(1.2)),
	Figure("ask_ms", "slowest `-s`", "ms", Target(100, always=True)),
	Figure("missing", "of the flows not in the kernel afterwards", "flows", Target(0)),
	Figure("internal_off", "off in the internal cache", "flows", Target(0)),
	Figure("peer_off", "off in the external cache", "flows", Target(0)),
]

COMMIT_PROOF = {key: ("seconds", "to_injector", "ask_ms") for key in ("missing", "internal_off", "peer_off")}

ROWS = [
	Row("rates", "CPU and bytes per event at a steady rate, pair",
	    "A third of the events each NEW, UPDATE (20 ms after it), DESTROY, in groups of what falls into 250 µs. Brief flows are removed as "
	    "they were made: half of the events each NEW and DESTROY. Bytes are those of Ethernet frames on the sync link, headers included.",
	    each(RATES, lambda r: [
		Figure(f"active_{r}", f"active, {shown(r)} events/s", "µs/event", RATE_TARGET[r]),
		Figure(f"replica_{r}", f"replica, {shown(r)} events/s", "µs/event", RATE_TARGET[r])]) +
	    each(BRIEF_RATES, lambda r: [
		Figure(f"active_brief_{r}", f"active, {shown(r)} events/s, brief flows", "µs/event", RATE_TARGET[r]),
		Figure(f"replica_brief_{r}", f"replica, {shown(r)} events/s, brief flows", "µs/event", RATE_TARGET[r]),
		Figure(f"bytes_brief_{r}", f"link, {shown(r)} events/s, brief flows", "bytes/event")]) +
	    each(RATES, lambda r: [Figure(f"bytes_{r}", f"link, {shown(r)} events/s", "bytes/event", BYTES_TARGET.get(r)),
				   Figure(f"datagrams_{r}", f"link, {shown(r)} events/s", "datagrams/event")]),
	    rates, rates_floor, 26),
	Row("inject", "CPU per event of a replica that puts the states into its kernel (DisableExternalCache)",
	    "The load of the first table. Bare: the same requests by a program that does nothing else, beside a listener, batched by what falls "
	    "into 250 µs; what the daemon receives in datagrams and looks at before it changes or removes an entry comes on top. Off: entries that "
	    "one of both kernels lacks, or has otherwise, afterwards.",
	    each(INJECT_RATES, lambda r: [
		    Figure(f"replica_{r}", f"replica, {shown(r)} events/s", "µs/event",
			   Target(0.60, of=OLD, other=Target(1.2, of=f"bare_{r}", floor="the bare requests"))),
		    Figure(f"off_{r}", f"off, {shown(r)} events/s", "flows", Target(0)),
		    Figure(f"active_{r}", f"active, {shown(r)} events/s", "µs/event"),
		    Figure(f"got_rate_{r}", f"rate reached, {shown(r)} events/s", "1/s")]), inject, inject_floor, 12),
	Row("flatout", "CPU per event, pair, events through ctnetlink, flat out",
	    "Uncut: the device takes no piece of several datagrams, so each passes the network stack by itself.",
	    [Figure("active", "active", "µs/event"), Figure("replica", "replica", "µs/event"),
	     Figure("rate", "events/s the generator reached", "1/s"),
	     Figure("active_uncut", "active, uncut", "µs/event"), Figure("replica_uncut", "replica, uncut", "µs/event"),
	     Figure("rate_uncut", "events/s the generator reached, uncut", "1/s")], flat_out, None, 10),
	Row("packets", "CPU per event, pair, events from forwarded packets, flat out",
	    "TCP handshakes through the active firewall: three packets some 10 ms apart, three events.",
	    [Figure("active", "active", "µs/event", Target(0.40, of=OLD)), Figure("replica", "replica", "µs/event", Target(0.40, of=OLD)),
	     Figure("rate", "new connections/s", "1/s")], packets, packets_floor, 8),
	Row("alone", "active node alone on a processor, saturated", "The generator has the other processor; no peer.",
	    [Figure("active", "CPU", "µs/event", Target(0.45, of=OLD)), Figure("rate", "events/s", "1/s", Target(least=1.0, of="rate"))], alone, alone_floor, 9),
	Row("path", "packets forwarded with the daemons on, over without",
	    "Flat out; new connections with this many data packets each. A round is the median of eight loads of a second (--quick: three); "
	    "without: the mean of one before and one after, in which the kernel makes no events, as when no daemon runs.",
	    each(MIXES, lambda m: [Figure(f"ratio_{m}", f"{m} data packets per new connection", "ratio", Target(least=1.0, of=OLD)),
				   Figure(f"pps_{m}", f"{m} data packets per new connection, with the daemon", "packets/s")]),
	    path, None, 110),
	Row("losses", "events lost, no buffer options given",
	    "Entries missing, stale or wrong in both caches together, 2 s after 4 s of load.",
	    each(tuple(r or "flat_out" for r in LOSS_RATES), lambda r: [
		    Figure(f"off_{r}", f"entries off at {str(r).replace('_', ' ')}", "flows", Target(0)),
		    Figure(f"overruns_{r}", f"overruns at {str(r).replace('_', ' ')}", "", Target(0)),
		    Figure(f"got_rate_{r}", f"rate reached at {str(r).replace('_', ' ')}", "1/s")]), losses, None, 26),
	Row("burst", "a burst of new flows at full speed, no buffer options given",
	    "Missing or wrong in the replica 2 s and 60 s after its end, the latter in the first round only.",
	    each((("half", "500k"), ("whole", "1M")), lambda s: [
		    Figure(f"missing_2s_{s[0]}", f"{s[1]} flows, after 2 s", "flows", Target(0)),
		    Figure(f"missing_60s_{s[0]}", f"{s[1]} flows, after 60 s", "flows", Target(0)),
		    Figure(f"overruns_{s[0]}", f"{s[1]} flows, overruns", "", Target(0))]), burst, None, 28),
	Row("memory", "memory per flow, 1M TCP/IPv4 flows", "Growth of the resident set over the number of flows. HashSize is 1048576 for both: ours "
	    "has those bucket heads, 4 bytes each, from the start, so they are not part of it.",
	    [Figure("internal", "internal cache", "bytes/flow", Target(112)), Figure("external", "external cache", "bytes/flow", Target(112))],
	    million, None, 18, group=True),
	Row("memory6", "memory per flow, 500k TCP/IPv6 flows", "",
	    [Figure("internal", "internal cache", "bytes/flow", Target(176)), Figure("external", "external cache", "bytes/flow", Target(176))],
	    memory6, None, 14),
	Row("commit100k", "commit of 100k flows into an empty kernel table", COMMIT_NOTE, COMMIT, commit100k, None, 9,
	    proof=COMMIT_PROOF),
	Row("commit", "commit of 1M flows into an empty kernel table", COMMIT_NOTE, COMMIT, million, None, 45, group=True,
	    proof=COMMIT_PROOF),
	Row("dump", "dump of 1M flows to /dev/null", "5,000 events/s meanwhile, `-s` every 50 ms (its time is that of the whole client program).",
	    each((("i", "-i", 1.2), ("ix", "-i -x", 2.0), ("e", "-e", 1.2)), lambda s: [
		    Figure(s[0], f"`{s[1]}`", "s", Target(s[2])), Figure(f"ask_ms_{s[0]}", f"slowest `-s` beside `{s[1]}`", "ms", Target(50, always=True))]) +
	    [Figure("off", "entries off in the caches afterwards", "flows", Target(0))], million, None, 30, group=True,
	    proof={"off": ("i", "ix", "e", "ask_ms_i", "ask_ms_ix", "ask_ms_e")}),
	Row("relist", "`-R` with 1M flows in the kernel",
	    "`-s` every 50 ms. Busy: with 1,000 events/s meanwhile, also beside the bare dump.",
	    each((("", ""), ("busy_", ", busy")), lambda s: [
		    Figure(f"{s[0]}seconds", f"`-R`{s[1]}", "s"),
		    Figure(f"{s[0]}to_dump", f"over the bare dump{s[1]}", "ratio", Target(1.3)),
		    Figure(f"{s[0]}cpu", f"CPU of the daemon{s[1]}, with `-s`", "µs/flow"),
		    Figure(f"{s[0]}ask_ms", f"slowest `-s` meanwhile{s[1]}", "ms", Target(100, always=True)),
		    Figure(f"{s[0]}off", f"entries off in both caches afterwards{s[1]}", "flows", Target(0))]), million, None, 30, group=True,
	    proof={f"{key}off": tuple(f"{key}{what}" for what in ("seconds", "to_dump", "ask_ms")) for key in ("", "busy_")}),
	Row("resync", "full resync of 1M flows to a replica that was restarted",
	    "Looked at after at most 15 s. 1.4.7 is told `-n` after its start. Then both are made to forget (`-f external`), and are told "
	    "`-n`, and `-B`. Then a restart once more with flows born at 1,000/s: from the event to the datagram.",
	    [Figure("seconds", "from its start until the replica has all", "s", Target(4)),
	     Figure("off", "missing or stale then", "flows", Target(0)),
	     Figure("n_seconds", "`-n` on the replica, until it has all", "s", Target(4)),
	     Figure("n_off", "missing or stale then", "flows", Target(0)),
	     Figure("b_seconds", "`-B` on the active node, until the replica has all", "s", Target(4)),
	     Figure("b_off", "missing or stale then", "flows", Target(0)),
	     Figure("live_median_us", "live changes meanwhile, median", "µs"), Figure("live_p99_us", "99th percentile", "µs"),
	     Figure("live_max_us", "maximum", "µs"), Figure("live_off", "missing or stale in the end", "flows", Target(0))],
	    million, None, 60, group=True,
	    proof={"off": ("seconds",), "n_off": ("n_seconds",), "b_off": ("b_seconds",),
		   "live_off": ("live_median_us", "live_p99_us", "live_max_us")}),
	Row("start", "start with 1M flows in the kernel", "Until it answers its client and the internal cache has all.",
	    [Figure("seconds", "start", "s"), Figure("to_dump", "over the bare dump", "ratio", Target(1.3))],
	    million, None, 16, group=True),
	Row("outage", "sync link dead while 200k flows are born, then back", "Nobody types anything for 5 s; then `-n`.",
	    [Figure("seconds", "until the replica has all (5: not within 5 s)", "s", Target(5)), Figure("off", "missing or stale after 5 s", "flows", Target(0)),
	     Figure("off_after_n", "and after `-n`", "flows", Target(0))], outage, None, 18,
	    proof={"off": ("seconds",)}),
	Row("lossy", "loss on the sync link, 20,000 events/s", "Datagrams dropped at random in both directions.",
	    each(PERCENT, lambda p: [Figure(f"active_{p}", f"active, {p} %", "µs/event", Target(0.5, of=OLD)),
				     Figure(f"replica_{p}", f"replica, {p} %", "µs/event", Target(0.5, of=OLD)),
				     Figure(f"off_{p}", f"off in both caches, {p} %", "flows", Target(0))]), lossy, None, 26),
	Row("latency", "from the kernel's event to the datagram", "",
	    each(LATENCY_RATES, lambda r: [
		    Figure(f"median_us_{r}", f"median, {shown(r)}/s", "µs", Target(1.0, of=OLD) if r <= 1000 else None),
		    Figure(f"p99_us_{r}", f"99th percentile, {shown(r)}/s", "µs", Target(2500) if r >= 10_000 else None),
		    Figure(f"max_us_{r}", f"maximum, {shown(r)}/s", "µs", Target(20_000, always=True) if r >= 10_000 else None)]), latency, None, 24),
	Row("stats", "statistics mode, CPU per event", "",
	    each(STATS_RATES, lambda r: [Figure(f"active_{r}", f"{shown(r)} events/s", "µs/event", Target(1.25, of=f"single_{r}"))]),
	    stats, stats_floor, 12),
	Row("idle", "an idle pair with 1,000 flows", "Context switches count every wake-up.",
	    [Figure("active_wakeups", "active", "switches/s"), Figure("replica_wakeups", "replica", "switches/s"),
	     Figure("active_us", "active", "µs of CPU/s"), Figure("replica_us", "replica", "µs of CPU/s")], idle, None, 16),
	Row("scale", "cost over the size of the table", "New marks in a scattered order, 30,000/s, of flows that have been heard of by an "
	    "event before. 1.4.7 with 4M flows in the first round only.",
	    each(SIZES, lambda n: [Figure(f"active_{n}", f"active, {shown(n)} flows", "µs/event"),
				   Figure(f"replica_{n}", f"replica, {shown(n)} flows", "µs/event"),
				   Figure(f"internal_{n}", f"internal cache, {shown(n)} flows", "MB", Target(512) if n == 4_000_000 else None),
				   Figure(f"external_{n}", f"external cache, {shown(n)} flows", "MB", Target(512) if n == 4_000_000 else None),
				   Figure(f"dump_{n}", f"`-i`, {shown(n)} flows", "s"), Figure(f"dumpe_{n}", f"`-e`, {shown(n)} flows", "s"),
				   Figure(f"start_{n}", f"start until it has all, {shown(n)} flows", "s"),
				   Figure(f"resync_{n}", f"the replica's start until it has all, {shown(n)} flows", "s")]),
	    scale, None, 125),
]

# SPDX-License-Identifier: GPL-2.0-or-later
"""The measuring place: two firewalls on one cable, a client and a server behind the first, a spare namespace for the
floor programs; the daemons of both makes with equal settings; their CPU, memory and tables.

Nothing is tracked on the firewalls but what a load puts there: without a rule that asks for connection tracking a
namespace has none, and forwarding() exempts the sync cable.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gzip
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable, Iterator

from netlab import PARTS, Lab, run
from node import DEBIAN, OLDER, OURS, Node

TOP = Path(__file__).resolve().parents[1]

MAKES = (OURS, DEBIAN)

# Both makes get the same file, but for the policy: 1.4.x cannot be told SCHED_OTHER in another way than by a request
# that the kernel refuses. policy() looks whether it worked.
ORDINARY = {OURS: "", OLDER: "", DEBIAN: "\tScheduler {\n\t\tType RR\n\t\tPriority 0\n\t}\n"}

HASH = {"HashSize": 1048576, "HashLimit": 8388608}
# With buffers large enough 1.4.7 loses nothing at the rates at which CPU is compared; without the lines each takes what it
# thinks right.
BIG_BUFFERS = {"NetlinkBufferSize": 67108864, "NetlinkBufferSizeMaxGrowth": 268435456}
NO_BUFFERS = {"NetlinkBufferSize": None, "NetlinkBufferSizeMaxGrowth": None}

FORWARDING = """
table inet bench {
	chain untracked {
		type filter hook prerouting priority raw;
		iifname "sync*" notrack
	}
	chain untracked_out {
		type filter hook output priority raw;
		oifname "sync*" notrack
	}
	chain forward {
		type filter hook forward priority filter; policy accept;
		ct state invalid counter drop
	}
}
"""


class Stopped(Exception):
	"""SIGTERM: end in good order, as after ^C."""


def log(text: str) -> None:
	print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


# --- the machine's settings -------------------------------------------------


class Machine:
	"""Settings of the whole machine that are raised for the measurement and put back at the end, whatever the end is. Kept
	in a file as well: after a kill -9 the next run puts them back first."""

	def __init__(self, work: Path):
		self.saved = work / "machine-settings.json"
		self.restore()
		atexit.register(self.restore)

	def at_least(self, name: str, value: int) -> None:
		path = Path("/proc/sys") / name
		was = int(path.read_text())
		if was >= value:
			return
		before = json.loads(self.saved.read_text()) if self.saved.exists() else {}
		before.setdefault(name, was)
		self.saved.write_text(json.dumps(before))
		path.write_text(str(value))

	def restore(self) -> None:
		if not self.saved.exists():
			return
		for name, value in json.loads(self.saved.read_text()).items():
			(Path("/proc/sys") / name).write_text(str(value))
		self.saved.unlink()


OLD_PACKAGE = "Debian's conntrackd"


@functools.cache
def build_of(program: Path) -> str:
	"""The commit of its sources, and the first of the SHA-256 of the program that ran."""
	config = program.parent / "Makefile"
	told = next((line.split("=")[1].strip() for line in config.read_text().splitlines() if line.startswith("abs_top_srcdir =")), TOP) \
		if config.exists() else TOP
	commit = subprocess.run(["git", "-C", told, "describe", "--always", "--dirty"], capture_output=True, text=True).stdout.strip()
	return f"{commit or 'no checkout'}, program {hashlib.sha256(program.read_bytes()).hexdigest()[:12]}"


@functools.cache
def package() -> str:
	return subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "conntrackd"], capture_output=True, text=True).stdout or "unknown"


@functools.cache
def irq_time() -> str:
	"""CONFIG_IRQ_TIME_ACCOUNTING of the running kernel."""
	for path, opener in (("/proc/config.gz", gzip.open), (f"/boot/config-{os.uname().release}", open)):
		with contextlib.suppress(OSError):
			with opener(path, "rt") as f:
				return "yes" if "CONFIG_IRQ_TIME_ACCOUNTING=y\n" in f.read() else "no"
	return "unknown"


def conditions() -> dict[str, str]:
	cpu = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
		    if line.startswith("model name")), "unknown")
	memory = Path("/proc/meminfo").read_text().split()[1]
	other = os.environ.get("OLDER_CONNTRACKD")
	return {"this one": build_of(Path(os.environ["CONNTRACKD"])),
		**({"the other build": build_of(Path(other))} if other else {OLD_PACKAGE: package()}),
		"interrupts accounted apart": irq_time(), "kernel": f"{os.uname().release} {os.uname().machine}", "processors": f"{os.cpu_count()} x {cpu}",
		"memory": f"{int(memory) // 1048576} GiB", "load before": f"{os.getloadavg()[0]:.2f}",
		"conntrack buckets": Path("/proc/sys/net/netfilter/nf_conntrack_buckets").read_text().strip()}


# --- namespaces ---------------------------------------------------------------


class BenchLab(Lab):
	SPARE = "lan"		# the floor programs' namespace

	def _build(self) -> None:
		for part in PARTS:
			run("ip", "netns", "add", self.ns(part))
			self.ip(part, "link set lo up")
		self.ip("fw1", f"link add sync0 type veth peer name sync0 netns {self.ns('fw2')}")
		for fw in ("fw1", "fw2"):
			self.cable(fw, 0, up=True)
		self.sysctl("fw1", {"net/ipv4/ip_forward": 1, "net/ipv4/conf/all/rp_filter": 0,
				    "net/ipv4/conf/default/rp_filter": 0})
		# The client and the server have no addresses: they answer nothing by themselves.
		for host, dev, net in (("client", "lan0", 10), ("server", "wan0", 20)):
			self.ip("fw1", f"link add {dev} type veth peer name eth0 netns {self.ns(host)}")
			self.sysctl(host, {"net/ipv6/conf/all/disable_ipv6": 1})
			self.sysctl("fw1", {f"net/ipv6/conf/{dev}/disable_ipv6": 1, f"net/ipv4/conf/{dev}/rp_filter": 0})
			self.ip(host, "link set eth0 up")
			self.ip("fw1", f"link set {dev} up", f"addr add 10.{net}.0.11/24 dev {dev}",
				f"neigh add 10.{net}.0.2 lladdr {self.mac(host, 'eth0')} dev {dev} nud permanent",
				f"route add 10.{net + 1}.0.0/16 via 10.{net}.0.2 dev {dev}")

	def mac(self, part: str, dev: str) -> str:
		out = run("ip", "-n", self.ns(part), "-j", "link", "show", dev).stdout
		return json.loads(out)[0]["address"]

	def forwarding(self) -> None:
		run("ip", "netns", "exec", self.ns("fw1"), "nft", "-f", "-", stdin=FORWARDING)

	def counters(self, part: str, dev: str) -> dict[str, int]:
		"""rx and tx, bytes and packets."""
		stats = json.loads(run("ip", "-n", self.ns(part), "-s", "-j", "link", "show", dev).stdout)[0]["stats64"]
		return {f"{way}_{what}": stats[way][what] for way in ("rx", "tx") for what in ("bytes", "packets")}

	def flows(self, part: str) -> int:
		"""How many the kernel has in this namespace."""
		return int(run("ip", "netns", "exec", self.ns(part), "cat", "/proc/sys/net/netfilter/nf_conntrack_count").stdout)


# --- the daemons -----------------------------------------------------------------


def cpu_ns(pid: int) -> int:
	"""On a processor so far: user, system, and the soft interrupts that ran in its time."""
	return sum(int(p.read_text().split()[0]) for p in Path(f"/proc/{pid}/task").glob("*/schedstat"))


def rss(pid: int) -> int:
	for line in Path(f"/proc/{pid}/status").read_text().splitlines():
		if line.startswith("VmRSS:"):
			return int(line.split()[1]) * 1024
	raise RuntimeError(f"no VmRSS of {pid}")


def switches(pid: int) -> int:
	return sum(int(line.split()[1]) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
		   if "ctxt_switches" in line)


def policy(pid: int) -> str:
	return {os.SCHED_OTHER: "SCHED_OTHER", os.SCHED_RR: "SCHED_RR", os.SCHED_FIFO: "SCHED_FIFO"}.get(
		os.sched_getscheduler(pid), "another policy")


class Bench:
	"""One measurement: a laboratory, a make, and the tools. A context manager."""

	def __init__(self, tools: Path, work: Path, which: str, buffers: dict[str, Any] | None = None,
		     mode: str = "FTFW", stats: bool = False, mode_options: dict[str, Any] | None = None):
		self.tools, self.work, self.which = tools, work, which
		self.lab = BenchLab()
		self.policies: set[str] = set()
		try:
			self.fw1, self.fw2 = (Node(self.lab, fw, which) for fw in ("fw1", "fw2"))
			for node in (self.fw1, self.fw2):
				node.configure(mode=mode, mode_options=mode_options, extra=ORDINARY[which],
					       general={**HASH, **(BIG_BUFFERS if buffers is None else buffers)})
			if stats:
				self._statistics()
		except BaseException:
			self.close()
			raise

	def _statistics(self) -> None:
		text = self.fw1.conf.read_text()
		self.fw1.conf.write_text("Stats {\n\tLogFile off\n}\n" + text[text.index("General {"):])

	def __enter__(self) -> Bench:
		return self

	def __exit__(self, *exc: object) -> None:
		self.close()

	def close(self) -> None:
		self.lab.close()

	# --- life ---

	def start(self, node: Node, timeout: float = 120) -> float:
		"""Seconds until it answers its client."""
		began = time.monotonic()
		node.start(timeout)
		took = time.monotonic() - began
		self.policies.add(policy(node.pid))
		if self.policies != {"SCHED_OTHER"}:
			raise RuntimeError(f"{node.which} does not run with SCHED_OTHER: {self.policies}")
		return took

	def pair(self) -> None:
		for node in (self.fw2, self.fw1):
			self.start(node)
		self.settle()

	def settle(self, timeout: float = 30, nodes: tuple[Node, ...] | None = None) -> None:
		"""Until the daemons have nothing to do: twice in a row less than 1 % of a processor."""
		nodes = nodes or tuple(n for n in (self.fw1, self.fw2) if n.pid)
		end, calm = time.monotonic() + timeout, 0
		before = [cpu_ns(n.pid) for n in nodes]
		while calm < 2 and time.monotonic() < end:
			time.sleep(0.2)
			after = [cpu_ns(n.pid) for n in nodes]
			calm = calm + 1 if all(b - a < 2e6 for a, b in zip(before, after)) else 0
			before = after

	# --- loads and floors ---

	def tool(self, part: str, name: str, *args: object, timeout: float = 600) -> dict[str, Any]:
		"""One of the programs in a namespace; what it printed."""
		return self.result(self.tool_begin(part, name, *args), timeout)

	def tool_begin(self, part: str, name: str, *args: object, cpu: int | None = None) -> subprocess.Popen[str]:
		pin = ["taskset", "-c", str(cpu)] if cpu is not None else []
		return subprocess.Popen(["ip", "netns", "exec", self.lab.ns(part), *pin, str(self.tools / name), *map(str, args)],
					stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

	@staticmethod
	def result(process: subprocess.Popen[str], timeout: float = 600) -> dict[str, Any]:
		out, err = process.communicate(timeout=timeout)
		if not out.strip().endswith("}"):
			raise RuntimeError(f"{' '.join(process.args)}: status {process.returncode}: {err}")
		return json.loads(out.strip().splitlines()[-1])

	def load(self, *args: object, part: str = "fw1") -> dict[str, Any]:
		done = self.tool(part, "ctload", *args)
		if done["refused"]:
			raise RuntimeError(f"ctload {args}: the kernel refused {done['refused']} requests")
		return done

	def packets(self, *args: object) -> dict[str, Any]:
		"""pktload; adds what arrived at the other side."""
		before = [self.lab.counters(p, "eth0")["rx_packets"] for p in ("client", "server")]
		done = self.result(subprocess.Popen(
			[str(self.tools / "pktload"), *map(str, args), self.lab.ns("client"), self.lab.ns("server"),
			 self.lab.mac("fw1", "lan0"), self.lab.mac("fw1", "wan0")],
			stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
		time.sleep(0.1)
		after = [self.lab.counters(p, "eth0")["rx_packets"] for p in ("client", "server")]
		done["forwarded"] = sum(after) - sum(before)
		return done

	@contextlib.contextmanager
	def listener(self, how: str, part: str = BenchLab.SPARE, cpu: int | None = None) -> Iterator[dict[str, Any]]:
		"""The bare listener beside what is done within; its figures are there afterwards."""
		figures: dict[str, Any] = {}
		process = self.tool_begin(part, "floor", "listen", how, cpu=cpu)
		assert process.stdout
		process.stdout.readline()
		try:
			yield figures
			time.sleep(0.5)
		finally:
			process.send_signal(signal.SIGTERM)
			figures.update(self.result(process, 30))

	def empty(self, part: str) -> None:
		run("ip", "netns", "exec", self.lab.ns(part), "conntrack", "-F")

	# --- tables ---

	def compare(self, of: str, node: Node, what: str) -> dict[str, int]:
		"""The kernel of `of` against what `node` prints with -i or -e."""
		path = node.dir / "table"
		with open(path, "w") as out:
			done = subprocess.run(node.argv(what), stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE, timeout=300)
		if done.returncode:
			raise RuntimeError(f"{node.which} {what}: status {done.returncode}: {done.stderr.decode()}")
		figures = self.tool(of, "ctset", "kernel", path)
		path.unlink()
		return figures

	def check(self) -> tuple[int, str]:
		"""The internal cache of fw1 and the external one of fw2 against fw1's kernel: how many entries are missing, stale or
		wrong, and the same in words; 0 and nothing if all is as it should be."""
		said, off = [], 0
		for node, what, name in ((self.fw1, "-i", "internal"), (self.fw2, "-e", "external")):
			if node.pid is None:
				continue
			c = self.compare("fw1", node, what)
			if c["missing"] or c["extra"]:
				said.append(f"{name}: {c['missing']} of {c['a']} missing or wrong, {c['extra']} stale or wrong")
				off += c["missing"] + c["extra"]
		return off, "; ".join(said)

	def lost(self) -> str:
		return self.check()[1]

	def kernels(self, *options: object) -> dict[str, int]:
		"""fw1's kernel against fw2's, as compare()."""
		path = self.fw2.dir / "table"
		with open(path, "w") as out:
			subprocess.run(["ip", "netns", "exec", self.lab.ns("fw2"), "conntrack", "-L"], stdin=subprocess.DEVNULL,
				       stdout=out, stderr=subprocess.DEVNULL, timeout=300, check=True)
		figures = self.tool("fw1", "ctset", *options, "kernel", path)
		path.unlink()
		return figures

	def not_committed(self, below: int) -> int:
		"""How many flows with a number below that fw1's kernel has, and fw2's has not."""
		return self.kernels("-f", below)["missing"]

	def cached(self, node: Node, which: str) -> int:
		"""How many flows the internal or external cache says it has."""
		section = ""
		for line in node.ok("-s").splitlines():
			if line.startswith("cache"):
				section = line
			if which in section and "active connections" in line:
				return int(line.split()[-1])
		raise RuntimeError(f"{node.which} -s has no line about the {which} cache")

	def wait_cached(self, node: Node, which: str, n: int, timeout: float) -> float:
		"""Seconds until the cache has n flows; the timeout if that never came."""
		began = time.monotonic()
		while time.monotonic() - began < timeout:
			if self.cached(node, which) == n:
				return time.monotonic() - began
			time.sleep(0.02)
		return timeout


class Cpu:
	"""CPU of daemons between two moments."""

	def __init__(self, *nodes: Node):
		self.nodes = nodes
		self.before = [cpu_ns(n.pid) for n in nodes]

	def us_per(self, events: int) -> list[float]:
		return [(cpu_ns(n.pid) - b) / 1000 / events for n, b in zip(self.nodes, self.before)]


class Asking:
	"""Asks `-s` every 50 ms from a thread; how long the slowest answer took, and how many came."""

	def __init__(self, node: Node):
		self.node = node
		self.slowest_ms, self.answers, self.failed, self.broken = 0.0, 0, 0, ""
		self.end = threading.Event()
		self.thread = threading.Thread(target=self._ask)

	def _ask(self) -> None:
		while not self.end.is_set():
			began = time.monotonic()
			try:
				done = self.node.ctl("-s", timeout=120)
			except (OSError, subprocess.SubprocessError) as e:
				self.broken = str(e)
				return
			self.slowest_ms = max(self.slowest_ms, (time.monotonic() - began) * 1000)
			self.answers += 1
			self.failed += done.returncode != 0
			self.end.wait(0.05)

	def __enter__(self) -> Asking:
		self.thread.start()
		return self

	def __exit__(self, kind: object, *exc: object) -> None:
		self.end.set()
		self.thread.join()
		if kind is None and (self.failed or not self.answers or self.broken):
			raise RuntimeError(f"-s: {self.answers} answers, {self.failed} of them refusals; {self.broken}")


def timed(what: Callable[[], Any]) -> float:
	began = time.monotonic()
	what()
	return time.monotonic() - began

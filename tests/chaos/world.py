# SPDX-License-Identifier: GPL-2.0-or-later
"""The pair under test: laboratory, daemons, traffic, and each action of a schedule.

What is done is noted with its time, because a verdict needs it: `cuts` are the times in which packets had no way,
`orders` those after which a flow may be gone because somebody ordered it, `changes` the changes of roles with what the
new node knew.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "netns"))

from netlab import DNAT4, FW, HOST, PLAIN6, SNAT4, Lab, run		# noqa: E402
from node import GENERAL, OURS, Link, Node		# noqa: E402

PORT = 7001
OTHER = {"fw1": "fw2", "fw2": "fw1"}
CLIENT4, CLIENT6 = f"src=10.10.0.{HOST} ", f"src=fd00:10::{HOST:x} "
OTHERS = "10.128.0.254"		# destination of the flows that nobody uses, of bench/ctload
BUSY = 4			# per processor: with so many others that want to run, no daemon keeps up
PATIENCE = 90			# seconds for a client command, on a machine that does much else

NAT = {
	"random": "snat ip to 10.20.0.1:1024-65535 fully-random",
	"few": "snat ip to 10.20.0.1:30000-30699 fully-random",	# both nodes choose the same ones now and then
	"keep": "snat ip to 10.20.0.1",
	"masquerade": "masquerade",
	"none": "",
}
FILTER = {
	"none": "",
	"v6": "\tFilter From Userspace {\n\t\tAddress Ignore {\n\t\t\tIPv6_address fd00:10::2\n\t\t}\n\t}\n",
	"states": "\tFilter From Userspace {\n\t\tState Accept {\n\t\t\tESTABLISHED CLOSED TIME_WAIT CLOSE_WAIT for TCP\n\t\t}\n\t}\n",
	"kernel": "\tFilter From Kernelspace {\n\t\tProtocol Accept {\n\t\t\tTCP\n\t\t}\n\t}\n",
}

CACHE_TIMEOUT = 15		# ALARM: seconds until what nobody tells any more is forgotten

FLUSH = "flushing kernel conntrack table (scheduled)"	# in the log
COMMIT = re.compile(r"committing all external caches|stopped by a commit")
LATE = 10.0			# seconds from the start of a client to what its daemon says, at most

LINE = re.compile(r"^(\w+)\s+\d+ (?:\d+ )?(?:([A-Z][A-Z_0-9]*) )?src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+)"
		  r"(?: packets=\d+ bytes=\d+)?( \[UNREPLIED\])?(?: src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+))?", re.M)

Key = tuple[str, str, str, str, str]		# protocol, source, destination, ports, as words
Table = dict[Key, tuple[str, tuple[str, ...]]]	# state, reply tuple (empty where the table shows none)


def table(text: str) -> Table:
	"""What conntrack -L, conntrackd -i and -e print. Of TCP and UDP only."""
	return {(m[0], *m[2:6]): (m[1], m[7:11] if m[7] else ()) for m in LINE.findall(text)}


@dataclass
class Change:
	"""A change of roles."""
	old: str
	new: str
	looked: float			# when the new node was asked what it knows
	moved: float			# when the addresses were there
	asked: float			# when its -c was begun
	committed: float		# when its -c had ended; infinite: it failed
	known: dict[Key, tuple[str, ...]]	# live and known to it, as the old node's kernel had them, with their reply tuples
	script: str
	dead: bool = False


@dataclass
class Said:
	"""A line of a daemon's log."""
	time: float
	fw: str
	text: str


@dataclass(order=True)
class Due:
	"""What ends by itself: a pause of a process, a cut cable."""
	time: float
	do: Callable[[], None] = field(compare=False)


class ChaosLab(Lab):
	"""The laboratory with the rules and the kernel settings that were drawn."""

	def __init__(self, settings: dict[str, Any]):
		self.settings = settings
		super().__init__()

	def _build(self) -> None:
		super()._build()
		s = self.settings
		rules = "flush chain inet fw from_client\n"
		if NAT[s["nat"]]:
			rules += ("table inet fw {\n\tchain from_client {\n\t\toifname \"wan0\" ct status dnat accept\n"
				  f"\t\toifname \"wan0\" ip saddr 10.10.0.0/24 meta l4proto {{ tcp, udp }} {NAT[s['nat']]}\n\t}}\n}}\n")
		for fw in FW:
			run("ip", "netns", "exec", self.ns(fw), "nft", "-f", "-", stdin=rules)
			self.sysctl(fw, {f"net/netfilter/nf_conntrack_{name}": value for name, value in (
				("tcp_loose", s["loose"]), ("tcp_timeout_time_wait", s["time_wait"]),
				("tcp_timeout_fin_wait", s["fin_wait"]), ("tcp_timeout_last_ack", s["fin_wait"]),
				("acct", s["acct"]))})
		self.sysctl("client", {"net/ipv4/tcp_tw_reuse": 1, "net/ipv4/ip_local_port_range": "20000 60000"})
		for host in ("client", "server"):
			with contextlib.suppress(OSError):	# Linux 6.15
				self.sysctl(host, {"net/ipv4/tcp_rto_max_ms": 1000})

	def targets(self) -> list[str]:
		s = self.settings
		return [SNAT4.address, *([DNAT4.address] if s["dnat"] == "yes" else []), *([PLAIN6.address] if s["v6"] == "yes" else [])]


class World:
	"""Brought up by its constructor: fw1 active, traffic running."""

	def __init__(self, settings: dict[str, Any], seed: int, talk: Path, load: Path, tell: Callable[[str], None], watch: bool = False):
		self.settings, self.load, self.say = settings, load, tell
		self.began = time.monotonic()
		self.lab = ChaosLab(settings)
		self.log: list[Said] = []
		self.seen: dict[Path, int] = {}
		self.cuts: list[list[float]] = []			# from, until the addresses moved, until -c had ended
		self.orders: list[tuple[float, float, str]] = []
		self.changes: list[Change] = []
		self.faults: list[tuple[float, float, str, str]] = []	# from, until, firewall, what
		self.wrong: list[str] = []
		self.memory: dict[str, list[int]] = {fw: [] for fw in FW}
		self.due: list[Due] = []
		self.stopped: set[str] = set()
		self.cable_cut = False
		self.asked_load, self.busy = 0.0, False
		self.first_other = 0
		self.node = {fw: Node(self.lab, fw, OURS) for fw in FW}
		for fw in FW if watch else ():
			self.lab.spawn(fw, "conntrack", "-E", "-o", "timestamp,id", "-b", 8 << 20, log=self.lab.scratch / f"events-{fw}")
		for host in ("client", "server") if watch else ():
			self.lab.spawn(host, "tcpdump", "-i", "eth0", "-s", 96, "-B", 16384, "-U", "-w", self.lab.scratch / f"packets-{host}",
				       "tcp", log=self.lab.scratch / f"tcpdump-{host}")
		for node in self.node.values():
			self.configure(node)
		self.lab.addresses_to("fw1")
		self.start(seed, talk)

	def configure(self, node: Node) -> None:
		s = self.settings
		mode: dict[str, object] = {"PurgeTimeout": s["purge"]}
		if s["mode"] == "ALARM":
			mode.update(RefreshTime=2, CacheTimeout=CACHE_TIMEOUT)
		if s["external"] == "off":
			mode["DisableExternalCache"] = "on"
		if s["internal"] == "off":
			mode["DisableInternalCache"] = "on"
		general = {**GENERAL, **({"HashLimit": s["limit"]} if s["limit"] else {})}
		node.configure(s["mode"], mode, general, {"TCPWindowTracking": s["window"]}, Link(s["link"], s["family"]), FILTER[s["filter"]])

	def start(self, seed: int, talk: Path) -> None:
		s = self.settings
		self.active = "fw1"
		if s["fill"]:
			self.others(s["fill"], delete=False)
		self.fault("all", "start", 20)
		for node in self.node.values():
			node.start(60)
		self.script("fw1", "-c -f -R -B", 0)
		self.script("fw2", "-t -n", 0)
		self.syn_log = self.lab.scratch / "syns"
		self.server = self.lab.spawn("server", talk, "serve", PORT, self.syn_log, log=self.lab.scratch / "server")
		self.sleep(0.5)
		self.talk_log = self.lab.scratch / "talk"
		self.client = self.lab.spawn("client", talk, "client", PORT, self.talk_log, seed % 2**32, s["long"], s["streams"], s["ports"],
					     *self.lab.targets(), log=self.lab.scratch / "client", stdin=subprocess.PIPE)
		self.short(s["rate"])
		self.sleep(2)

	# --- time and notes -----------------------------------------------------

	def tell(self, text: str) -> None:
		self.say(f"{time.monotonic() - self.began:7.2f} {text}")

	def sleep(self, seconds: float) -> None:
		"""Meanwhile what is due happens, and the logs are read."""
		end = time.monotonic() + seconds
		while True:
			self.turn()
			now = time.monotonic()
			if now >= end:
				return
			time.sleep(min(0.02, end - now))

	def turn(self) -> None:
		if time.monotonic() > self.asked_load + 1:
			self.asked_load = time.monotonic()
			self.busy = os.getloadavg()[0] > BUSY * (os.cpu_count() or 1)
			if self.busy:
				self.fault("all", "busy", 25)
		self.read_logs()
		self.due.sort()
		while self.due and self.due[0].time <= time.monotonic():
			self.due.pop(0).do()

	def later(self, seconds: float, do: Callable[[], None]) -> None:
		self.due.append(Due(time.monotonic() + seconds, do))

	def end_disturbances(self) -> None:
		while self.due:
			self.due.sort()
			self.due.pop(0).do()

	def fault(self, fw: str, what: str, seconds: float) -> None:
		"""From now on, for so long, this is a reason for lines in the log."""
		now = time.monotonic()
		self.faults.append((now, now + seconds, fw, what))

	def read_logs(self) -> None:
		now = time.monotonic()
		for fw, node in self.node.items():
			for path in (node.log, node.console):
				if not path.exists():
					continue
				with open(path, errors="replace") as file:
					file.seek(self.seen.get(path, 0))
					text = file.read()
				whole = text.rpartition("\n")[0]
				if whole:
					self.seen[path] = self.seen.get(path, 0) + len(whole.encode()) + 1
					# The console has the lines of the log once more; anything else there is not meant to be said.
					self.log += [Said(now, fw, line) for line in whole.split("\n") if path == node.log or line[:1] != "["]

	def said(self, fw: str, word: str, since: float) -> bool:
		self.read_logs()
		return any(line.fw == fw and line.time >= since and word in line.text for line in self.log)

	# --- commands -------------------------------------------------------------

	def command(self, fw: str, command: str) -> subprocess.CompletedProcess[str] | None:
		"""A client command; None if it was not answered in time, which is a hang."""
		node = self.node[fw]
		began = time.monotonic()
		out, err = self.lab.scratch / f"out-{fw}", self.lab.scratch / f"err-{fw}"
		with open(out, "w") as o, open(err, "w") as e:
			process = subprocess.Popen(node.argv(*command.split()), stdin=subprocess.DEVNULL, stdout=o, stderr=e)
		while process.poll() is None:
			self.turn()
			if time.monotonic() - began > self.patience():
				process.kill()
				self.wrong.append(f"hang: {fw}: {command} not answered after {self.patience()} s")
				return None
			time.sleep(0.005)
		took = time.monotonic() - began
		done = subprocess.CompletedProcess(command, process.returncode, out.read_text(errors="replace"), err.read_text(errors="replace"))
		lines = done.stdout.count("\n")
		words = (done.stderr.strip() or (done.stdout.strip() if lines < 3 else f"{lines} lines")).replace("\n", " | ")
		self.tell(f"  {fw} {command}: {done.returncode} after {took:.2f} s {words[:200]}")
		return done

	def patience(self) -> int:
		return PATIENCE * (4 if self.busy else 1)

	def kill_client(self, fw: str, command: str) -> None:
		"""The client is killed while it waits."""
		process = subprocess.Popen(self.node[fw].argv(*command.split()), stdin=subprocess.DEVNULL,
					   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
		self.sleep(0.01)
		process.kill()
		process.wait()
		self.tell(f"  {fw} {command}: its client killed")

	def must(self, fw: str, command: str) -> bool:
		"""A command that has to succeed."""
		done = self.command(fw, command)
		if done and done.returncode != 0 and fw not in self.stopped:
			self.wrong.append(f"{time.monotonic() - self.began:.1f} s: {fw}: conntrackd {command}: status {done.returncode}: "
					  f"{done.stderr.strip()[:300]}")
		return bool(done) and done.returncode == 0

	def script(self, fw: str, commands: str, gap: float) -> float:
		"""Returns when its -c had ended; infinite if it failed, or there is none."""
		committed = float("inf")
		for i, command in enumerate(commands.split()):
			if i:
				self.sleep(gap)
			ok = self.must(fw, command)
			if command == "-c" and ok:
				committed = time.monotonic()
		return committed

	# --- what is known ----------------------------------------------------------

	def kernel(self, fw: str) -> Table:
		text = "".join(run("ip", "netns", "exec", self.lab.ns(fw), "conntrack", "-L", "-f", family).stdout
			       for family in ("ipv4", "ipv6"))
		return table(text)

	def cache(self, fw: str, option: str) -> Table:
		done = self.node[fw].ctl(option, timeout=self.patience())
		if done.returncode != 0:
			self.wrong.append(f"{fw}: {option} gave status {done.returncode}: {done.stderr[:300]}")
		return table(done.stdout)

	def clients(self, fw: str, *argv: object) -> Table:
		"""Only the client's flows of what a command prints: the look at a change of roles must not last."""
		text = run("ip", "netns", "exec", self.lab.ns(fw), *argv).stdout
		return table("\n".join(line for line in text.split("\n") if CLIENT4 in line or CLIENT6 in line))

	def clients_in_kernel(self, fw: str) -> Table:
		return {**self.clients(fw, "conntrack", "-L", "-s", f"10.10.0.{HOST}"),
			**self.clients(fw, "conntrack", "-L", "-f", "ipv6", "-s", f"fd00:10::{HOST:x}")}

	def backup_knows(self, fw: str) -> Table:
		if self.settings["external"] == "off":
			return self.clients_in_kernel(fw)
		return self.clients(fw, self.node[fw].program, "-C", self.node[fw].conf, "-e")

	# --- processes ----------------------------------------------------------------

	def short(self, rate: float) -> None:
		self.client.stdin.write(f"short {rate}\n")
		self.client.stdin.flush()

	def resolve(self, who: str) -> str:
		return self.active if who == "active" else OTHER[self.active]

	def check_alive(self) -> None:
		for fw, node in self.node.items():
			if node.process and node.process.poll() is not None:
				self.wrong.append(f"crash: {fw}: the daemon has ended with status {node.process.returncode}")
				self.tell(f"CRASH {fw} status {node.process.returncode}")
				node.pid = node.process = None
				self.restart(fw)
			elif node.pid:
				with contextlib.suppress(OSError):
					text = Path(f"/proc/{node.pid}/status").read_text()
					self.memory[fw].append(int(re.search(r"VmRSS:\s+(\d+)", text)[1]))

	def restart(self, fw: str) -> None:
		self.fault("all", "restart", 25)
		self.node[fw].start(60)
		self.tell(f"  {fw}: the daemon runs again")

	def go_on(self, fw: str) -> None:
		if fw in self.stopped:
			os.kill(self.node[fw].pid, signal.SIGCONT)
			self.stopped.discard(fw)
			self.tell(f"  {fw} CONT")

	def cable_up(self) -> None:
		if not self.cable_cut:
			return
		for fw in FW:
			with contextlib.suppress(RuntimeError):
				self.lab.cable(fw, 0, up=True)
		self.cable_cut = False
		self.fault("all", "cable", 25)
		self.tell("  the cable is back")

	# --- actions --------------------------------------------------------------------

	def do(self, name: str, args: dict[str, Any]) -> None:
		getattr(self, "do_" + name)(**args)
		self.check_alive()

	def look(self, new: str, old: str) -> tuple[float, dict[Key, tuple[str, ...]]]:
		"""What the new node knows of what lives on the old one, and when it was asked."""
		looked = time.monotonic()
		there, here, told = self.clients_in_kernel(old), self.clients_in_kernel(new), self.backup_knows(new)
		live = ("ESTABLISHED", "")
		# A left-over entry with another translation gets the packets before the commit: that is beyond the daemon.
		return looked, {key: reply for key, (state, reply) in there.items() if state in live and key in told and told[key][0] in live
				and here.get(key, ("", reply))[1] == reply}

	def take_over(self, new: str, old: str, args: dict[str, Any], dead: bool = False) -> None:
		"""The addresses first, then the commands."""
		self.go_on(new)
		self.go_on(old)
		self.fault("all", "move", 60)
		# With a big table a look takes as long as the flush that is waited for.
		looked, known = self.look(new, old) if args["before"] != "flush" else (time.monotonic(), {})
		cut = [time.monotonic(), float("inf"), float("inf")]
		self.cuts.append(cut)
		if dead:
			self.fault("all", "death", 60)
			self.lab.links(old, up=False)
			self.node[old].stop(signal.SIGKILL)
			self.cable_cut = True
			self.sleep(0.3)
		elif args["deaf"]:
			self.deaf(old, 100, args["deaf"])
		self.lab.addresses_to(new)
		moved = cut[1] = time.monotonic()
		self.active = new
		change = Change(old, new, looked, moved, float("inf"), float("inf"), known, args["script"], dead)
		self.changes.append(change)
		self.tell(f"  addresses to {new}, it knows {len(known)} live flows")
		if args["before"] == "flush":
			end = moved + self.settings["purge"] + 5
			while not self.said(new, FLUSH, looked) and time.monotonic() < end:
				self.sleep(0.02)
		else:
			self.sleep(args["before"])
		asked = change.asked = time.monotonic()
		if self.said(new, FLUSH, looked - 0.5 - self.settings["fill"] / 40000):	# it takes its time
			self.orders.append((looked, asked, "the flush that -t had asked for, before the -c"))
		first, _, rest = args["script"].partition(" ")
		change.committed = cut[2] = self.script(new, first, 0)
		self.heard(new, asked)
		if self.settings["nat"] == "masquerade":
			self.orders.append((looked, change.committed, "translated to an address of the old node itself"))
		if rest:
			self.sleep(args["gap"])
			self.script(new, rest, args["gap"])
		if args["forget"]:
			self.sleep(args["forget"])
			self.command(new, "-f")
		if self.settings["external"] == "off" and "-R" not in rest:
			# What the peer has told is in no internal cache before; a script without it cannot be.
			self.later(6, lambda new=new: self.active == new and self.node[new].running() and self.command(new, "-R"))

	def heard(self, fw: str, asked: float) -> None:
		"""A flush goes on until the daemon has heard the -c, which its log tells: on a busy machine the client takes a while."""
		lines = [line.time for line in self.log if line.fw == fw and line.time >= asked and COMMIT.search(line.text)]
		if self.orders and self.orders[-1][1] == asked and lines:
			begin, _, why = self.orders[-1]
			self.orders[-1] = begin, min(lines[0], asked + LATE), why

	def backup(self, fw: str, commands: str, after: float) -> None:
		if commands:
			self.sleep(after)
			self.script(fw, commands, 0)

	def do_move(self, **args: Any) -> None:
		old, new = self.active, OTHER[self.active]
		self.take_over(new, old, args)
		self.backup(old, args["old"], args["old_after"])
		if args["again"]:
			self.sleep(args["again"])
			self.script(new, args["script"], 0)

	def do_flap(self, late: float, back: str, back_before: float, **args: Any) -> None:
		old = self.active
		self.do_move(**args)
		if back_before != "flush":
			self.sleep(max(0, self.settings["purge"] + late))
		self.take_over(old, self.active, {**args, "script": back, "before": back_before})
		self.backup(OTHER[old], "-t -n", 0)

	def do_death(self, down: float, **args: Any) -> None:
		old, new = self.active, OTHER[self.active]
		self.end_disturbances()
		self.take_over(new, old, args, dead=True)
		self.sleep(down)
		self.node[old].reboot()
		self.cable_cut = False
		self.restart(old)
		self.backup(old, args["old"], 0)
		if args["again"]:
			self.sleep(args["again"])
			self.script(new, args["script"], 0)

	def do_type(self, node: str, command: str, kill: bool) -> None:
		fw = self.resolve(node)
		self.fault(fw, "typed", 20)
		if kill:
			self.kill_client(fw, command)
		else:
			self.command(fw, command)

	def do_burst(self, commands: list[dict[str, Any]]) -> None:
		for each in commands:
			self.do_type(**each)

	def do_forget(self, node: str, command: str, wait: float, then: str, look: bool) -> None:
		fw = self.resolve(node)
		self.fault("all", "typed", wait + 20)
		self.command(fw, command)
		self.sleep(wait)
		if then == "restart there":
			self.do_end({self.active: "active"}.get(OTHER[fw], "standby"), "TERM", 0)
		elif then == "cable":
			self.do_cable(node, 0.5)
		elif then != "nothing":
			self.command(OTHER[fw] if "there" in then else fw, then.split()[0])
		if look:
			self.do_calm()

	def do_reprieve(self, script: str, part: float) -> None:
		if self.active in self.stopped:
			return
		self.script(self.active, "-t", 0)
		asked = time.monotonic()
		self.sleep(self.settings["purge"] * part)
		before = time.monotonic()
		if self.said(self.active, FLUSH, asked):
			self.orders.append((asked, before, "the flush that -t had asked for, before the -c"))
		self.script(self.active, script, 0)
		self.heard(self.active, before)

	def do_kill(self, node: str, down: float) -> None:
		fw = self.resolve(node)
		self.go_on(fw)
		self.fault("all", "kill", down + 25)
		self.node[fw].stop(signal.SIGKILL)
		self.sleep(down)
		self.restart(fw)

	def do_end(self, node: str, how: str, down: float) -> None:
		fw = self.resolve(node)
		self.go_on(fw)
		self.fault("all", "kill", down + 25)
		if how == "-k":
			self.must(fw, "-k")
			status = self.node[fw].wait_end(PATIENCE)
		else:
			status = self.node[fw].stop(signal.SIGTERM, PATIENCE)
		if status != 0:
			self.wrong.append(f"{fw}: {how} ended the daemon with status {status}")
		self.sleep(down)
		self.restart(fw)

	def do_stop(self, node: str, seconds: float) -> None:
		fw = self.resolve(node)
		if fw in self.stopped:
			return
		self.fault("all", "stop", seconds + 25)
		os.kill(self.node[fw].pid, signal.SIGSTOP)
		self.stopped.add(fw)
		self.later(seconds, lambda: self.go_on(fw))

	def do_hup(self, node: str) -> None:
		os.kill(self.node[self.resolve(node)].pid, signal.SIGHUP)

	def do_cable(self, node: str, seconds: float) -> None:
		if self.cable_cut:
			return
		self.fault("all", "cable", seconds + 25)
		self.lab.ip(self.resolve(node), "link set sync0 down")
		self.cable_cut = True
		self.later(seconds, self.cable_up)

	def do_lossy(self, node: str, percent: int, seconds: float) -> None:
		self.deaf(self.resolve(node), percent, seconds)

	def deaf(self, fw: str, percent: int, seconds: float) -> None:
		self.fault("all", "lossy", seconds + 25)
		self.lab.lossy(fw, percent)
		self.later(seconds, lambda: self.lab.lossy(fw, 0))

	def others(self, flows: int, delete: bool) -> None:
		"""Flows in the active node's table that no packet belongs to."""
		self.fault("all", "others", 25)
		argv = ["ip", "netns", "exec", self.lab.ns(self.active), self.load, "-n", flows, "-r", 40000, "-f", self.first_other]
		run(*argv, "insert", check=False)
		if delete:
			run(*argv, "delete", check=False)
		else:
			self.first_other += flows

	def do_others(self, flows: int, delete: bool) -> None:
		if self.first_other + flows <= 245000:	# nf_conntrack_max as it usually is
			self.others(flows, delete)

	def do_calm(self) -> None:
		"""The tables are looked at in between."""
		self.judge.tables()
		self.short(self.settings["rate"])

	# --- quiet ------------------------------------------------------------------------

	def quiet(self) -> None:
		"""No new connections, no disturbance; both daemons run."""
		self.end_disturbances()
		for fw in FW:
			self.go_on(fw)
		self.check_alive()
		self.short(0)
		self.tell("quiet")

	def close(self) -> None:
		self.end_disturbances()
		with contextlib.suppress(OSError):
			self.client.stdin.write("quit\n")
			self.client.stdin.close()
			self.client.wait(10)
		self.read_logs()
		self.lab.close()

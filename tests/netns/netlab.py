# SPDX-License-Identifier: GPL-2.0-or-later
"""The laboratory: namespaces, cables, addresses, firewall rules.

    client ---+--- fw1 ---+--- server
              |    : sync :
              +--- fw2 ---+

Both firewalls stand on both segments (two bridges in a namespace of their own,
the `lan` namespace, which plays the switches). Exactly one of them, the active
one, owns the virtual addresses: the gateway of the client, and the address the
client's connections get by source NAT. A dedicated cable joins the firewalls.

IPv4 and IPv6 addresses are always there, and the rules always hold source NAT,
destination NAT and plain IPv6, so that a test chooses by where its client
connects to (`Target`) and not by building another laboratory.

Everything carries a tag of this process in its name and is removed by close(),
which also runs at exit. Processes are ended by their id, and only those that
live in our own namespaces.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import functools
import itertools
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator, TypeVar

import pace

T = TypeVar("T")

CLONE_NEWNET = 0x40000000
ECHO_PORT, DOWNLOAD_PORT, UDP_PORT = 7001, 7002, 7003
GROUP, SYNC_PORT = "225.0.0.50", 3780
GROUP6 = "ff02::50:1"

# What nothing asks for by itself where it is a module: the sysctls of connection tracking are there with the first one, and
# a helper of the kernel translates addresses in what it reads only with the part for NAT. Built in is as good.
MODULES = ("nf_conntrack_netlink", "nf_nat_ftp", "nf_nat_tftp", "nf_nat_sip")

PARTS = ("lan", "client", "server", "fw1", "fw2")

# The last part of an address says who has it.
GATEWAY, HOST, FW = 1, 2, {"fw1": 11, "fw2": 12}

RULES = f"""
table inet fw {{
	chain untracked {{
		type filter hook prerouting priority raw;
		iifname "sync*" notrack
	}}
	chain untracked_out {{
		type filter hook output priority raw;
		oifname "sync*" notrack
	}}
	chain forward {{
		type filter hook forward priority filter; policy drop;
		udp dport {UDP_PORT} ct mark set 42
		ct state established,related accept
		ct state invalid counter drop
		iifname "lan0" tcp flags & (fin|syn|rst|ack) == syn ct state new accept
		iifname "lan0" meta l4proto {{ udp, icmp, ipv6-icmp }} ct state new accept
	}}
	chain input {{
		# Without this the firewall's own TCP answers a translated flow that it does not
		# know (the address is its own) with a reset, in the moment before the commit.
		type filter hook input priority filter;
		ct state invalid counter drop
		iifname {{ "lan0", "wan0" }} meta l4proto {{ tcp, udp }} ct state new drop
	}}
	chain towards_server {{
		type nat hook prerouting priority dstnat;
		iifname "lan0" ip daddr 10.10.0.1 meta l4proto {{ tcp, udp }} dnat ip to 10.20.0.2
	}}
	chain from_client {{
		type nat hook postrouting priority srcnat;
		oifname "wan0" ct status dnat accept
		# A port of the firewall's own choice: a flow that the other firewall
		# begins anew cannot pass for the old one by keeping its port.
		oifname "wan0" ip saddr 10.10.0.0/24 meta l4proto {{ tcp, udp }} snat ip to 10.20.0.1:1024-65535 fully-random
	}}
}}
"""

# Tests make packets of SCTP and DCCP by hand, at both ends. With these protocols' modules loaded the kernel of a host would
# break such a connection off, for it knows of none: with an ABORT (a chunk of type 6 behind the 12 bytes of the header), a
# Reset (type 7). What a socket of a test sends has an owner.
HOST_RULES = """
table inet host {
	chain answers {
		type filter hook output priority filter;
		meta skuid 0-4294967295 accept
		meta l4proto sctp @th,96,8 6 drop
		meta l4proto dccp @th,67,4 7 drop
	}
}
"""

# Strict firewalls, flows that end within seconds. nf_conntrack_events stays as the kernel has it.
FW_SYSCTL = {
	"net/ipv4/ip_forward": 1,
	"net/ipv6/conf/all/forwarding": 1,
	"net/ipv4/conf/all/rp_filter": 0,
	"net/ipv4/conf/default/rp_filter": 0,
	"net/netfilter/nf_conntrack_tcp_loose": 0,
	"net/netfilter/nf_conntrack_tcp_timeout_time_wait": 2,
	"net/netfilter/nf_conntrack_tcp_timeout_close": 2,
	"net/netfilter/nf_conntrack_tcp_timeout_fin_wait": 10,
	"net/netfilter/nf_conntrack_tcp_timeout_last_ack": 10,
	"net/netfilter/nf_conntrack_udp_timeout": 30,
	"net/netfilter/nf_conntrack_udp_timeout_stream": 120,
}


@dataclass(frozen=True)
class Target:
	"""Where a client connects to, and so which translation its flows get."""
	name: str
	address: str


SNAT4 = Target("v4-snat", f"10.20.0.{HOST}")
DNAT4 = Target("v4-dnat", f"10.10.0.{GATEWAY}")
PLAIN6 = Target("v6", f"fd00:20::{HOST:x}")


def wait_until(question: Callable[[], T], timeout: float, what: str = "", step: float = 0.1) -> T:
	"""Ask until the answer is true, at most `timeout` seconds (on a machine of usual speed). Returns the answer."""
	end = time.monotonic() + pace.seconds(timeout)
	while True:
		answer = question()
		if answer:
			return answer
		if time.monotonic() >= end:
			raise AssertionError(f"still not after {pace.seconds(timeout):g} s: {what or question}")
		time.sleep(step)


@contextlib.contextmanager
def inside(ns: str) -> Iterator[None]:
	"""This thread's sockets and /proc/sys/net are those of namespace `ns` within the block."""
	libc = ctypes.CDLL(None, use_errno=True)

	def setns(fd: int) -> None:
		if libc.setns(fd, CLONE_NEWNET) == -1:
			raise OSError(ctypes.get_errno(), "setns")

	with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{ns}") as there:
		setns(there.fileno())
		try:
			yield
		finally:
			setns(home.fileno())


def run(*argv: object, check: bool = True, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
	"""A short command; its output is part of the error if it fails."""
	done = subprocess.run([str(a) for a in argv], input=stdin, capture_output=True, text=True)
	if check and done.returncode != 0:
		raise RuntimeError(f"{' '.join(str(a) for a in argv)}: status {done.returncode}\n{done.stdout}{done.stderr}")
	return done


@functools.cache
def load_modules() -> None:
	"""Once per process. A kernel without modules has them built in, or not at all; then the test that needs one says so."""
	for module in MODULES:
		with contextlib.suppress(FileNotFoundError):
			run("modprobe", "-q", module, check=False)


def pids(ns: str) -> list[int]:
	"""The processes in a namespace; none if there is no such namespace."""
	return [int(p) for p in run("ip", "netns", "pids", ns, check=False).stdout.split()]


def exists(prefix: str) -> bool:
	"""Whether anything of a laboratory of this name is there."""
	return any(Path("/run/netns", f"{prefix}-{part}").exists() for part in PARTS)


def remove(prefix: str, scratch: Path) -> None:
	"""Take a laboratory away: its processes, its namespaces, its scratch directory."""
	for part in PARTS:
		for pid in pids(f"{prefix}-{part}"):
			with contextlib.suppress(ProcessLookupError):
				os.kill(pid, signal.SIGKILL)
	for part in PARTS:
		run("ip", "netns", "del", f"{prefix}-{part}", check=False)
	shutil.rmtree(scratch, ignore_errors=True)


class Lab:
	"""Owns the namespaces and the scratch directory. A context manager; close() may be called twice."""

	count = itertools.count(1)	# of this process; part of the names, also where threads make laboratories

	def __init__(self, prefix: str | None = None, scratch: Path | None = None):
		self.prefix = prefix or f"cd{os.getpid()}x{next(Lab.count)}"
		self.scratch = scratch or Path(tempfile.mkdtemp(prefix=f"{self.prefix}-"))
		self.scratch.mkdir(parents=True, exist_ok=True)
		self.active: str | None = None
		self.closed = False
		atexit.register(self.close)
		try:
			self._build()
		except BaseException:
			self.close()
			raise

	def __enter__(self) -> Lab:
		return self

	def __exit__(self, *exc: object) -> None:
		self.close()

	def ns(self, part: str) -> str:
		return f"{self.prefix}-{part}"

	# --- building -------------------------------------------------------

	def _build(self) -> None:
		load_modules()
		for part in PARTS:
			run("ip", "netns", "add", self.ns(part))
			self.ip(part, "link set lo up")
		self.ip("lan", *[line for name in ("lan", "wan") for line in
				 (f"link add {name} type bridge", f"link set {name} up")])
		self._cable("client", "eth0", "lan")
		self._cable("server", "eth0", "wan")
		for fw in FW:
			self._cable(fw, "lan0", "lan")
			self._cable(fw, "wan0", "wan")
		self.ip("fw1", f"link add sync0 type veth peer name sync0 netns {self.ns('fw2')}")
		for host, net in (("client", 10), ("server", 20)):
			self.sysctl(host, {"net/ipv6/conf/all/accept_dad": 0, "net/ipv6/conf/eth0/accept_dad": 0})
			self.ip(host, "link set eth0 up", f"addr add 10.{net}.0.{HOST}/24 dev eth0",
				f"addr add fd00:{net}::{HOST:x}/64 dev eth0 nodad",
				f"route add default via 10.{net}.0.{GATEWAY}",
				f"route add ::/0 via fd00:{net}::{GATEWAY:x}")
			run("ip", "netns", "exec", self.ns(host), "nft", "-f", "-", stdin=HOST_RULES)
		for fw in FW:
			self.sysctl(fw, {**FW_SYSCTL, **{f"net/ipv6/conf/{dev}/accept_dad": 0
							 for dev in ("all", "lan0", "wan0", "sync0")}})
			run("ip", "netns", "exec", self.ns(fw), "nft", "-f", "-", stdin=RULES)
			self.links(fw, up=True)

	def _cable(self, part: str, device: str, bridge: str) -> None:
		port = f"{part}-{bridge}"
		self.ip(part, f"link add {device} type veth peer name {port} netns {self.ns('lan')}")
		self.ip("lan", f"link set {port} master {bridge}", f"link set {port} up")

	def ip(self, part: str, *lines: str, check: bool = True) -> str:
		"""`ip` commands in one namespace, in one process."""
		force = [] if check else ["-force"]
		return run("ip", "-n", self.ns(part), *force, "-batch", "-", stdin="\n".join(lines) + "\n",
			   check=check).stdout

	def sysctl(self, part: str, values: dict[str, object]) -> None:
		with inside(self.ns(part)):
			for name, value in values.items():
				Path("/proc/sys", name).write_text(str(value))

	def more_cables(self, n: int) -> None:
		"""So many more cables between the firewalls: sync1 (10.31.0.0/24, fd00:31::/64), sync2, ..."""
		for i in range(1, n + 1):
			self.ip("fw1", f"link add sync{i} type veth peer name sync{i} netns {self.ns('fw2')}")
		for fw in FW:
			self.sysctl(fw, {f"net/ipv6/conf/sync{i}/accept_dad": 0 for i in range(1, n + 1)})
			for i in range(1, n + 1):
				self.cable(fw, i, up=True)

	def cable(self, fw: str, i: int, up: bool) -> None:
		"""One end of a cable between the firewalls. Its addresses come back with it."""
		self.ip(fw, f"link set sync{i} {'up' if up else 'down'}")
		if up:
			self.ip(fw, f"addr replace 10.{30 + i}.0.{FW[fw]}/24 dev sync{i}",
				f"addr replace fd00:{30 + i}::{FW[fw]:x}/64 dev sync{i} nodad")

	def links(self, fw: str, up: bool) -> None:
		"""All three links of a firewall at once. Its own addresses come back with the links."""
		devices = {"lan0": 10, "wan0": 20, "sync0": 30}
		self.ip(fw, *[f"link set {dev} {'up' if up else 'down'}" for dev in devices])
		if up:
			self.ip(fw, *[f"addr replace {address} dev {dev}{nodad}" for dev, net in devices.items()
				      for address, nodad in ((f"10.{net}.0.{FW[fw]}/24", ""),
							     (f"fd00:{net}::{FW[fw]:x}/64", " nodad"))])

	# --- the virtual addresses ------------------------------------------

	def addresses_to(self, fw: str) -> None:
		"""`fw` becomes the active one: it takes the virtual addresses and tells the neighbours."""
		other = "fw2" if fw == "fw1" else "fw1"
		self.addresses_off(other)
		self.ip(fw, *self.virtual("replace"))
		self.announce(fw)
		self.active = fw

	def addresses_off(self, fw: str) -> None:
		self.ip(fw, *self.virtual("del"), check=False)

	@staticmethod
	def virtual(verb: str) -> list[str]:
		return [f"addr {verb} {address} dev {dev}{nodad if verb == 'replace' else ''}"
			for dev, net in (("lan0", 10), ("wan0", 20))
			for address, nodad in ((f"10.{net}.0.{GATEWAY}/24", ""), (f"fd00:{net}::{GATEWAY:x}/64", " nodad"))]

	def announce(self, fw: str) -> None:
		"""Gratuitous ARP and unsolicited neighbour advertisement, as keepalived sends them."""
		with inside(self.ns(fw)):
			for dev, net in (("lan0", 10), ("wan0", 20)):
				with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
					s.bind((dev, 0x0806))
					mac = s.getsockname()[4]
					ip = socket.inet_aton(f"10.{net}.0.{GATEWAY}")
					s.send(b"\xff" * 6 + mac + b"\x08\x06" + struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1)
					       + mac + ip + b"\xff" * 6 + ip)
				with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as s:
					index = socket.if_nametoindex(dev)
					s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
					s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
					target = socket.inet_pton(socket.AF_INET6, f"fd00:{net}::{GATEWAY:x}")
					# type 136, flags router+override, option 2: our link-layer address
					s.sendto(struct.pack("!BBHI", 136, 0, 0, 0xA0000000) + target + b"\x02\x01" + mac,
						 ("ff02::1", 0, 0, index))

	# --- disturbances ----------------------------------------------------

	def lossy(self, fw: str, percent: int) -> None:
		"""Throw away this part of what `fw` receives on the sync link; 0 ends it. Each datagram is on its own meanwhile: a
		virtual cable would carry a piece of many uncut to the receiver."""
		other = "fw2" if fw == "fw1" else "fw1"
		self.ip(other, f"link set sync0 gso_max_segs {1 if percent else 65535}")
		run("ip", "netns", "exec", self.ns(fw), "nft", "delete table netdev loss", check=False)
		if percent:
			some = f"numgen random mod 100 < {percent}" if percent < 100 else ""
			run("ip", "netns", "exec", self.ns(fw), "nft", "-f", "-", stdin=f"""
table netdev loss {{
	chain in {{
		type filter hook ingress device "sync0" priority 0;
		meta l4proto {{ tcp, udp }} {some} counter drop
	}}
}}
""")

	def dropped(self, fw: str) -> int:
		"""How many datagrams lossy() has thrown away."""
		text = run("ip", "netns", "exec", self.ns(fw), "nft", "list table netdev loss").stdout
		return int(text.split("counter packets ")[1].split()[0])

	# --- processes --------------------------------------------------------

	def spawn(self, part: str, *argv: object, log: Path, **popen: object) -> subprocess.Popen[str]:
		"""A long-lived process in a namespace, its output to `log` where the caller takes none."""
		with open(log, "ab") as out:
			# A session of its own: neither Ctrl-C nor the end of a terminal reaches it but through us.
			settings = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": out, "text": True,
				    "start_new_session": True, **popen}
			return subprocess.Popen(["ip", "netns", "exec", self.ns(part), *[str(a) for a in argv]], **settings)

	def pids(self, part: str) -> list[int]:
		return pids(self.ns(part))

	def keep(self) -> None:
		"""Leave everything behind at the end of this process; remove() takes it away."""
		self.closed = True
		atexit.unregister(self.close)

	def close(self) -> None:
		"""End what lives in our namespaces, remove them and the scratch directory."""
		if not self.closed:
			self.keep()
			remove(self.prefix, self.scratch)

# SPDX-License-Identifier: GPL-2.0-or-later
"""What the link between the nodes may be made of: a cable, a VLAN, a port of a VRF, a bond, wireguard. On each of them datagrams
come late, in another order, or not at all. After a minute of traffic both tables are equal, and a take-over kills nothing.

And flows of protocols that the kernels of their ends speak by themselves: SCTP and DCCP.

Needs a kernel with netem and the devices: tests/guest/check has one.
"""

from __future__ import annotations

import os
import shutil
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import pytest

import pace
import scenario
from netlab import FW, GROUP, SNAT4, SYNC_PORT, Lab, inside, run
from node import wait_replicated

NETEM = "delay 20ms 5ms loss 2% reorder 25%"
CONNECTIONS, SECONDS = 20, 60


@dataclass(frozen=True)
class Over:
	"""A link over `device`, which has the addresses 10.40.0.0/24."""
	device: str
	kind: str = "Multicast"

	def block(self, fw: str) -> str:
		mine, theirs = (f"10.40.0.{FW[each]}" for each in (fw, "fw2" if fw == "fw1" else "fw1"))
		where = (f"IPv4_address {GROUP}\n\t\tGroup {SYNC_PORT}\n\t\tIPv4_interface {mine}" if self.kind == "Multicast" else
			 f"IPv4_address {mine}\n\t\tIPv4_Destination_Address {theirs}\n\t\tPort {SYNC_PORT}")
		return f"{self.kind} {{\n\t\t{where}\n\t\tInterface {self.device}\n\t\tChecksum on\n\t}}"


def tool(name: str) -> str:
	beside = Path(os.environ.get("DEBIAN_SERVERS", "/"), "usr/bin", name)
	return shutil.which(name) or (str(beside) if beside.exists() else pytest.skip(f"no {name}"))


def in_ns(lab: Lab, fw: str, *argv: object, stdin: str | None = None) -> str:
	return run("ip", "netns", "exec", lab.ns(fw), *argv, stdin=stdin).stdout


# Each gives the device that carries the link, and those on which packets have their troubles. What is named sync* is not tracked
# (netlab.RULES).


def cable(lab: Lab) -> tuple[Over, list[str]]:
	return Over("sync0"), ["sync0"]


def vlan(lab: Lab) -> tuple[Over, list[str]]:
	for fw in FW:
		lab.ip(fw, "link add link sync0 name sync9 type vlan id 7")
	return Over("sync9"), ["sync0"]


def vrf(lab: Lab) -> tuple[Over, list[str]]:
	for fw in FW:
		lab.ip(fw, "link add syncvrf type vrf table 7", "link set syncvrf up", "link set sync0 master syncvrf")
	return Over("sync0"), ["sync0"]


def vrf_udp(lab: Lab) -> tuple[Over, list[str]]:
	return Over("sync0", "UDP"), vrf(lab)[1]


def vrf_tcp(lab: Lab) -> tuple[Over, list[str]]:
	return Over("sync0", "TCP"), vrf(lab)[1]


def bond(lab: Lab) -> tuple[Over, list[str]]:
	lab.more_cables(1)
	for fw in FW:
		lab.ip(fw, "link add sync9 type bond mode active-backup miimon 100", "link set sync0 down", "link set sync1 down",
		       "link set sync0 master sync9", "link set sync1 master sync9")
	return Over("sync9"), ["sync0", "sync1"]


def wireguard(lab: Lab) -> tuple[Over, list[str]]:
	wg = tool("wg")
	keys = {fw: run(wg, "genkey").stdout for fw in FW}
	for fw, other in zip(FW, reversed(FW)):
		lab.ip(fw, "link add sync9 type wireguard")
		in_ns(lab, fw, wg, "set", "sync9", "private-key", "/dev/stdin", "listen-port", 51820, "peer",
		      run(wg, "pubkey", stdin=keys[other]).stdout.strip(), "endpoint", f"10.30.0.{FW[other]}:51820",
		      "allowed-ips", "10.40.0.0/24", stdin=keys[fw])
	return Over("sync9", "UDP"), ["sync0"]


def trouble(lab: Lab, devices: list[str]) -> None:
	for fw in FW:
		for device in devices:
			done = run("ip", "netns", "exec", lab.ns(fw), "tc", "qdisc", "add", "dev", device, "root", "netem", *NETEM.split(),
				   check=False)
			if "Specified qdisc" in done.stderr:
				pytest.skip("this kernel has no netem")
			assert done.returncode == 0, done.stderr


def troubled(lab: Lab, device: str) -> int:
	"""Packets that netem has lost."""
	return int(in_ns(lab, "fw1", "tc", "-s", "qdisc", "show", "dev", device).split("dropped ")[1].split(",")[0])


def made(lab: Lab, build: Callable[[Lab], tuple[Over, list[str]]]) -> tuple[Over, list[str]]:
	try:
		link, devices = build(lab)
	except AssertionError as e:
		if "Unknown device type" in str(e):
			pytest.skip(f"this kernel has no {build.__name__}")
		raise
	for fw in FW:
		lab.ip(fw, f"link set {link.device} up", f"addr add 10.40.0.{FW[fw]}/24 dev {link.device}")
	return link, devices


@pytest.mark.parametrize("build", (cable, vlan, vrf, bond, wireguard), ids=lambda f: f.__name__)
def test_link(lab: Lab, pair: Callable, build: Callable[[Lab], tuple[Over, list[str]]]) -> None:
	link, devices = made(lab, build)
	trouble(lab, devices)
	active, survivor = pair(link=link)
	scenario.serve(lab)
	talk = scenario.lines(lab, CONNECTIONS)
	end, first = time.monotonic() + SECONDS, 0
	while time.monotonic() < end:
		scenario.inject(lab, "fw1", 50, first=first)
		if first >= 100:
			scenario.inject(lab, "fw1", 50, first=first - 100, delete=True)
		first += 50
		if build is bond and first == 200:
			lab.ip("fw1", "link set sync0 down")
		pace.sleep(1)
	assert any(troubled(lab, device) > 0 for device in devices)
	wait_replicated(active, survivor, 20)
	talk.ask("mark")
	active.cut()
	survivor.says("-c")
	lab.addresses_to(survivor.fw)
	said = talk.ask("alive", 10)
	assert said["alive"] == CONNECTIONS, said


@pytest.mark.parametrize("build", (vrf, vrf_udp, vrf_tcp), ids=lambda f: f.__name__)
def test_vrf(lab: Lab, pair: Callable, build: Callable[[Lab], tuple[Over, list[str]]]) -> None:
	"""The sockets belong to the VRF of their interface: nobody has to set a sysctl, or to start the daemon in it."""
	link, _ = made(lab, build)
	active, survivor = pair(link=link)
	scenario.inject(lab, "fw1", 50)
	wait_replicated(active, survivor)


# ---- protocols of the kernels' own ----

KINDS = {"sctp": (socket.SOCK_STREAM, socket.IPPROTO_SCTP), "dccp": (6, 33)}		# SOCK_DCCP, IPPROTO_DCCP
DCCP, SERVICE, SERVICE_CODE = 269, 2, b"\0\0\0\x2a"


def endpoint(lab: Lab, part: str, name: str, family: int) -> socket.socket:
	with inside(lab.ns(part)):
		try:
			made = socket.socket(family, *KINDS[name])
		except OSError as e:
			pytest.skip(f"this kernel has no {name}: {e}")
	made.settimeout(pace.seconds(20))
	if name == "dccp":
		made.setsockopt(DCCP, SERVICE, SERVICE_CODE)
	return made


@pytest.mark.parametrize("name", KINDS)
def test_own_sockets(lab: Lab, pair: Callable, name: str) -> None:
	"""Connections between the kernels of two hosts live on through the other firewall."""
	run("modprobe", "-q", "sctp" if name == "sctp" else "dccp_ipv4", check=False)
	for fw in FW:
		in_ns(lab, fw, "nft", "insert rule inet fw forward iifname lan0 meta l4proto { sctp, dccp } ct state new accept")
	active, survivor = pair()
	listener = endpoint(lab, "server", name, socket.AF_INET)
	listener.bind((SNAT4.address, 7200))
	listener.listen(4)
	talks: list[tuple[socket.socket, socket.socket]] = []
	for _ in range(4):
		client = endpoint(lab, "client", name, socket.AF_INET)
		client.connect((SNAT4.address, 7200))
		talks.append((client, listener.accept()[0]))

	def speak() -> None:
		for client, server in talks:
			server.settimeout(pace.seconds(20))
			for one, other in ((client, server), (server, client)):
				one.send(b"hello")
				assert other.recv(100) == b"hello"

	speak()
	wait_replicated(active, survivor)
	assert sum(dict(f.orig).get("dport") == "7200" for f in survivor.external()) == 4
	active.cut()
	survivor.says("-c")
	lab.addresses_to(survivor.fw)
	speak()
	for each in (*sum(talks, ()), listener):
		each.close()

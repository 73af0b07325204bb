# SPDX-License-Identifier: GPL-2.0-or-later
"""A fixed list of things that happen to a firewall's connection tracking table: the same flows, states and ends in every
run, of every kind that a kernel without modules can hold."""

from __future__ import annotations

import socket
import struct

import pace
import scenario
from netlab import DNAT4, ECHO_PORT, PLAIN6, SNAT4, Lab, inside, run

TCP_STATES = ("SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE")
SCTP_STATES = ("COOKIE_WAIT", "COOKIE_ECHOED", "ESTABLISHED", "SHUTDOWN_SENT", "SHUTDOWN_RECD", "SHUTDOWN_ACK_SENT")


# Some connections get a helper, a label and a mark.
RULES = f"""
table ip extras {{
	ct helper ftp {{
		type "ftp" protocol tcp
	}}
	chain forward {{
		type filter hook forward priority -10;
		ip daddr {SNAT4.address} tcp dport {ECHO_PORT} ct helper set "ftp" ct label set 5
		ip daddr {SNAT4.address} tcp dport {ECHO_PORT} ct mark set 9
	}}
}}
"""


def conntrack(lab: Lab, fw: str, *lines: str) -> None:
	"""Commands of conntrack(8), each of which has to succeed."""
	for line in lines:
		run("ip", "netns", "exec", lab.ns(fw), "conntrack", *line.split())


def ports(n: int, family: int = 4, dport: int = 80) -> str:
	net = ("10.10.1.1", "10.20.1.1") if family == 4 else ("fd00:10::101", "fd00:20::101")
	return f"-s {net[0]} -d {net[1]} --sport {20000 + n} --dport {dport} -t 600"


def born() -> list[str]:
	"""Flows that conntrack(8) makes."""
	lines = [f"-I -p tcp {ports(n)} --state {state}" + (" -u ASSURED,SEEN_REPLY" if n > 1 else "")
		 for n, state in enumerate(TCP_STATES)]
	lines += [f"-I -p sctp {ports(n)} --state {state} --orig-vtag 7 --reply-vtag 9 -u SEEN_REPLY"
		  for n, state in enumerate(SCTP_STATES)]
	for family in (4, 6):
		lines += [f"-I -p tcp {ports(50, family, 443)} --state ESTABLISHED -u ASSURED,SEEN_REPLY -m 4294967295",
			  f"-I -p udp {ports(51, family, 53)}",
			  f"-I -p udp {ports(52, family, 53)} -u SEEN_REPLY -m 1",
			  f"-I -p udp {ports(53, family, 53)} -u ASSURED,SEEN_REPLY",
			  f"-I -p udplite {ports(54, family, 53)} -u SEEN_REPLY"]
	lines += ["-I -p icmp -s 10.10.1.1 -d 10.20.1.1 --icmp-type 8 --icmp-code 0 --icmp-id 4660 -t 600 -u SEEN_REPLY",
		  "-I -p icmpv6 -s fd00:10::101 -d fd00:20::101 --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id 17185 -t 600",
		  "-I -p gre -s 10.10.1.1 -d 10.20.1.1 --srckey 4097 --dstkey 4098 -t 600 -u SEEN_REPLY",
		  # translated: source, destination, with and without ports
		  f"-I -p tcp {ports(60)} --state ESTABLISHED -u ASSURED,SEEN_REPLY -n 10.20.0.1:1234",
		  f"-I -p tcp {ports(61)} --state ESTABLISHED -u ASSURED,SEEN_REPLY -g 10.20.0.9:8080",
		  f"-I -p udp {ports(62)} -u SEEN_REPLY -n 10.20.0.1 -g 10.20.0.9",
		  # in a zone
		  f"-I -p udp {ports(63)} -u SEEN_REPLY -w 5"]
	return lines


def changed() -> list[str]:
	"""What happens to some of them: marks, states, timeouts; and ends."""
	def of(line: str) -> str:
		return line.replace(" -t 600", "")

	return [f"-U -p tcp {of(ports(2))} -m 77",
		f"-U -p tcp {of(ports(1))} --state ESTABLISHED -u ASSURED,SEEN_REPLY",
		f"-U -p tcp {of(ports(50, 6, 443))} -m 0",
		f"-U -p udp {ports(52, 4, 53)} -m 2",
		f"-D -p tcp {of(ports(3))}",
		f"-D -p sctp {of(ports(0))}",
		f"-D -p udp {of(ports(53, 6, 53))}"]


def packets(lab: Lab, fw: str) -> None:
	"""Protocols the kernel tracks without knowing them: packets of the firewall itself."""
	with inside(lab.ns(fw)):
		for protocol, payload in ((2, b"\x16\0\0\0\xe0\0\0\x16"), (47, struct.pack("!HH", 0, 0x0800) + bytes(20)),
					  (50, bytes(24)), (253, bytes(20))):
			with socket.socket(socket.AF_INET, socket.SOCK_RAW, protocol) as s:
				s.sendto(payload, ("10.20.0.2", 0))
		with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
			s.sendto(b"?", ("10.20.0.2", 33333))


def echo(lab: Lab) -> None:
	"""One ping of either family from the client to the server, with its answer."""
	with inside(lab.ns("client")):
		for family, protocol, kind, address in ((socket.AF_INET, socket.IPPROTO_ICMP, 8, SNAT4.address),
							(socket.AF_INET6, socket.IPPROTO_ICMPV6, 128, PLAIN6.address)):
			with socket.socket(family, socket.SOCK_RAW, protocol) as s:
				# the kernel fills in the checksum of ICMPv6; this is the one of ICMP
				s.sendto(struct.pack("!BBHHH", kind, 0, 0xffff - (kind << 8) - 4660, 4660, 0), (address, 0))
				s.settimeout(pace.seconds(5))
				while s.recv(1500)[20 if kind == 8 else 0] != {8: 0, 128: 129}[kind]:
					pass


def happen(lab: Lab, fw: str) -> None:
	"""All of it: connections through the active firewall `fw` and flows made by hand."""
	run("ip", "netns", "exec", lab.ns(fw), "nft", "-f", "-", stdin=RULES)
	for target in (SNAT4, DNAT4, PLAIN6):
		scenario.lines(lab, 3, target, interval=60)
		scenario.udp_stream(lab, target)
	echo(lab)
	scenario.lines(lab, 4, interval=60).ask("close")
	scenario.lines(lab, 4, interval=60).ask("reset")
	packets(lab, fw)
	conntrack(lab, fw, *born())
	scenario.inject(lab, fw, 200)
	conntrack(lab, fw, *changed())
	scenario.inject(lab, fw, 50, delete=True)

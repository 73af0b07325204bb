#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Handshakes on asymmetric paths, this daemon and conntrackd 1.4.7 side by side: how many need a packet sent again.

    CONNTRACKD=build/src/conntrackd bench/asymmetric.py [--count N] [--rate PER_SECOND] [--rounds N] [--rtt MS,MS,...]
                                                        [--far HOST] [--mode FTFW] [--realtime] [--makes ours,debian]

client -> fw1 -> server -> fw2 -> client, in network namespaces, without NAT, strict rules (nf_conntrack_tcp_loose 0, INVALID is
dropped). Everything is counted from the packets on the cards of client and server. A relay on the cable of --far (half of
it on each with "both") makes the round-trip time. The makes take turns at each of them, some handshakes at a time, under the same scheduling policy.
Numbers of packets are those of all rounds, behind them the median of the rounds; times are medians of the rounds' figures
in ms. Needs root.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/netns"))

import scenario		# noqa: E402
from node import Node		# noqa: E402
from paths import PLAIN4, Count, PathLab, handshakes		# noqa: E402


class Pair:
	"""Two nodes of one make in a laboratory of their own."""

	def __init__(self, make: str, mode: str, realtime: bool):
		self.lab = PathLab()
		scenario.serve(self.lab)
		for fw in ("fw1", "fw2"):
			node = Node(self.lab, fw, make if make == "debian" else "ours")
			if make not in ("ours", "debian"):
				node.program = make		# a path: another build
			node.configure(mode=mode, mode_options={"DisableExternalCache": "on"})
			node.start()
			policy, priority = (os.SCHED_RR, 99) if realtime else (os.SCHED_OTHER, 0)
			os.sched_setscheduler(node.pid, policy, os.sched_param(priority))


def row(rtt: str, make: str, rounds: list[Count]) -> str:
	def packets(what: str) -> str:
		values = [getattr(c, what) for c in rounds]
		return f"{sum(values)} ({statistics.median(values):g})"

	def times(what: str) -> str:
		return " / ".join(f"{statistics.median(getattr(c, what)[k] for c in rounds):.1f}" for k in ("median", "p99", "worst"))

	return (f"| {rtt} ms | {make} | {packets('again')} | {packets('synack_lost')} | {times('connect')} | "
		f"{packets('client_lost')} | {packets('request_again')} | {times('answer')} |")


def main() -> None:
	signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))	# the laboratories go, too
	args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
	args.add_argument("--count", type=int, default=1000)
	args.add_argument("--rate", type=float, default=100)
	args.add_argument("--rounds", type=int, default=5)
	args.add_argument("--rtt", default="0,2,10,30")
	args.add_argument("--far", default="server", choices=("server", "client", "both"))
	args.add_argument("--mode", default="FTFW")
	args.add_argument("--realtime", action="store_true", help="both makes under SCHED_RR 99")
	args.add_argument("--makes", default="ours,debian", help="ours, debian, or paths of other builds")
	opt = args.parse_args()
	pairs = {make: Pair(make, opt.mode, opt.realtime) for make in opt.makes.split(",")}
	time.sleep(5)		# until the nodes know each other
	print(f"{opt.mode}, {'SCHED_RR' if opt.realtime else 'SCHED_OTHER'}, {opt.count} handshakes at {opt.rate:g}/s, delay at: "
	      f"{opt.far}, load {os.getloadavg()[0]:.1f}")
	print("| round trip | daemon | SYN or SYN-ACK again | SYN-ACKs lost | connect: median, p99, worst | "
	      "packets of the client lost | request again | answer: median, p99, worst |")
	print("|---|---|---|---|---|---|---|---|")
	for rtt in opt.rtt.split(","):
		seen: dict[str, list[Count]] = {make: [] for make in pairs}
		for pair in pairs.values():
			hosts = ("server", "client") if opt.far == "both" else (opt.far,)
			for host in hosts:
				pair.lab.delay(host, float(rtt) / 2 / len(hosts))
		for _ in range(opt.rounds):
			for make, pair in pairs.items():
				seen[make].append(handshakes(pair.lab, opt.count // opt.rounds, opt.rate, PLAIN4.address))
		for make, rounds in seen.items():
			print(row(rtt, make, rounds), flush=True)


main()

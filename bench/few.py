#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""One flow among many: how long `-i` with options that choose takes, beside a command that asks for nothing, and --count of
all. Needs root; sets nf_conntrack_max of the machine for as long as it runs.

	bench/few.py PROGRAM [FLOWS]
"""
import os
import re
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "netns"))
os.environ["CONNTRACKD"] = sys.argv[1]
import scenario					# noqa: E402
from netlab import Lab, wait_until		# noqa: E402
from node import OURS, Node			# noqa: E402

FLOWS = int(sys.argv[2]) if len(sys.argv) > 2 else 1000000
MAX = Path("/proc/sys/net/netfilter/nf_conntrack_max")


def ms(node: Node, *options: str) -> str:
	took = []
	for _ in range(11):
		began = time.perf_counter()
		node.ok(*options)
		took.append((time.perf_counter() - began) * 1000)
	return f"{statistics.median(took):.1f} ms ({min(took):.1f} to {max(took):.1f})"


before = MAX.read_text()
try:
	MAX.write_text(f"{FLOWS + FLOWS // 5}\n")
	with Lab() as lab:
		node = Node(lab, "fw1", OURS)
		node.configure()
		node.conf.write_text(re.sub(r"HashLimit \d+", f"HashLimit {FLOWS + FLOWS // 5}", node.conf.read_text()))
		scenario.inject(lab, "fw1", FLOWS)
		node.start(60)
		wait_until(lambda: int(node.ok("-i", "--count")) >= FLOWS, 60, "all are in the cache", 1)
		one = ("-i", "--src", "10.66.0.0", "--sport", "10017")
		assert node.ok(*one).count("\n") == 1
		print(f"{FLOWS} flows; one of them: {ms(node, *one)}; --live: {ms(node, '--live')}; -i --count: {ms(node, '-i', '--count')}")
		node.stop()
finally:
	MAX.write_text(before)

# SPDX-License-Identifier: GPL-2.0-or-later
"""What ./quickstart shows: the fail-over with and without the commit, or a pair to explore.

    demo.py run                  both scenarios; status 0 only if all lived with the commit and all died without
    demo.py keep DIRECTORY       bring a pair up and leave it up, its files in DIRECTORY
    demo.py end DIRECTORY        take it away
"""

from __future__ import annotations

import os
import signal
import stat
import sys
import time
from pathlib import Path

import pace
import scenario
from netlab import ECHO_PORT, PARTS, SNAT4, UDP_PORT, Lab, exists, pids, remove
from node import OURS, TOP, Node

KEPT = "quick"		# the kept pair's namespaces: quick-fw1 and so on
ELSEWHERE = ("A pair is up that was not made here. End it in its own checkout with ./quickstart end, or by hand:\n"
	     f"  for n in {' '.join(PARTS)}; do ip netns pids {KEPT}-$n | xargs -r kill; ip netns del {KEPT}-$n; done")
MB = 1 << 20


def teller():
	"""Says lines with the seconds since its making in front."""
	began = time.monotonic()

	def tell(line: str, *details: str) -> None:
		print(f"  {time.monotonic() - began:5.1f} s  {line}", flush=True)
		for detail in details:
			print(f"             {detail}", flush=True)
	return tell


def scene(with_commit: bool) -> tuple[scenario.Outcome, scenario.Plan]:
	plan = scenario.Plan(with_commit=with_commit, tell=teller())
	with Lab() as lab:
		lab.addresses_to("fw1")
		old, new = Node(lab, "fw1", OURS), Node(lab, "fw2", OURS)
		old.start()
		new.start()
		plan.tell("client, server and two firewalls are up; conntrackd runs on both; fw1 is active")
		scenario.serve(lab)
		try:
			return scenario.failover(lab, old, new, plan), plan
		except AssertionError:
			print(old.describe(15), new.describe(15), sep="\n", file=sys.stderr)
			raise


def run() -> int:
	print("\n1. fw1 dies, fw2 commits the states it has learned\n")
	kept, plan = scene(True)
	print("\n2. The control: the same without the commit\n")
	lost, _ = scene(False)

	def row(name: str, n: int, lived: int, stall: int, control: int) -> None:
		print(f"  {name:<24}{f'{int(lived)} of {n}':>12}{f'{stall} ms' if lived else '-':>16}"
		      f"{f'{int(control)} of {n}':>18}")

	n = plan.connections
	print("\nResult")
	print(f"\n  {'':<24}{'survived':>12}{'longest stall':>16}{'without commit':>18}")
	row("interactive connections", n, kept.lines["alive"], kept.lines["stall_ms"], lost.lines["alive"])
	row(f"download, {plan.download_size // MB} MB, SHA-256", 1, kept.download["hash_good"], kept.download["stall_ms"],
	    lost.download["finished"])
	row("UDP stream", 1, kept.udp["alive"], kept.udp["stall_ms"], lost.udp["alive"])
	print(f"\n  The stalls contain the {kept.outage_ms:.0f} ms from the cut to the take-over, of which the commit took "
	      f"{kept.commit_ms:.0f} ms.")
	lived = kept.lines["alive"] == n and kept.download["hash_good"] and kept.udp["alive"] == 1
	died = not (lost.lines["alive"] or lost.download["finished"] or lost.udp["alive"])
	if kept.commit_difference:
		print(f"\nThe commit did not make the same kernel table:\n{kept.commit_difference}")
	good = lived and died and not kept.commit_difference
	print("\nAs it should be: all live with the commit, all die without it." if good else
	      f"\nNOT as it should be: {'' if lived else 'not '}all lived with the commit, "
	      f"{'' if died else 'not '}all died without it.")
	return 0 if good else 1


# --- the pair to explore -----------------------------------------------------


def helper(path: Path, *argv: object) -> Path:
	"""A one-line script, so that nobody has to type what it holds."""
	path.write_text("#!/bin/sh\nexec " + " ".join(str(a) for a in argv) + ' "$@"\n')
	path.chmod(path.stat().st_mode | stat.S_IXUSR)
	return path


def takeover_script(lab: Lab) -> Path:
	"""Moves the virtual addresses to fw1 or fw2. The commands are plain, for reading."""
	lines = ["#!/bin/sh", "# Give the virtual addresses to fw1 or fw2 and tell the neighbours to ask anew.",
		 '[ "$1" = fw1 ] && other=fw2', '[ "$1" = fw2 ] && other=fw1',
		 '[ -n "$other" ] || { echo "usage: $0 fw1|fw2" >&2; exit 1; }']
	for verb, who in (("del", "$other"), ("replace", "$1")):
		lines += [f"ip -n {lab.prefix}-{who} {line} 2>/dev/null" if verb == "del" else f"ip -n {lab.prefix}-{who} {line}"
			  for line in Lab.virtual(verb)]
	lines += [f"ip -n {lab.ns(host)} neigh flush dev eth0" for host in ("client", "server")]
	path = lab.scratch / "addresses"
	path.write_text("\n".join(lines) + "\n")
	path.chmod(0o755)
	return path


def keep(directory: Path) -> int:
	if exists(KEPT):
		print("A pair is up already. End it with: ./quickstart end" if directory.exists() else ELSEWHERE, file=sys.stderr)
		return 1
	remove(KEPT, directory)		# files of one that died with the machine
	with Lab(KEPT, directory) as lab:
		lab.addresses_to("fw1")
		nodes = [Node(lab, fw, OURS) for fw in ("fw1", "fw2")]
		for node in nodes:
			node.configure(mode_options={"PurgeTimeout": 15})
			done = node.start_background()
			if done.returncode != 0:
				print(done.stderr, file=sys.stderr)
				return 1
		scenario.serve(lab)
		watched = []
		for script, port, count in (("lines.py", ECHO_PORT, "--connections"), ("udpstream.py", UDP_PORT, "--streams")):
			watched.append(lab.scratch / f"{script[:-3]}.log")
			lab.spawn("client", scenario.PYTHON, "-B", scenario.TRAFFIC / script, "--stay",
				  count, 20 if port == ECHO_PORT else 2, SNAT4.address, port, log=watched[-1])
		scripts = [helper(lab.scratch / f"{node.fw}-conntrackd", *node.argv()) for node in nodes]
		explain(lab, nodes, scripts, takeover_script(lab), watched)
		lab.keep()
	return 0


def explain(lab: Lab, nodes: list[Node], scripts: list[Path], addresses: Path, watched: list[Path]) -> None:
	def here(path: Path) -> str:
		return os.path.relpath(path, TOP)

	one, two = (here(s) for s in scripts)
	enter = {part: f"ip netns exec {lab.ns(part)}" for part in ("fw1", "fw2", "client")}
	commands = {
		"Every client command works on either node": [
			(f"{one} -s", "statistics; also -s network, -s cache, -s runtime"),
			(f"{one} -i", "fw1's own flows (-i -x: as XML)"),
			(f"{two} -e", "what fw2 has learned from fw1"),
			(f"{two} -n", "ask the other one to send everything again"),
			(f"{one} -h", "the others")],
		"Watch": [
			(f"tail -f {' '.join(here(w) for w in watched)}", "who is answered"),
			(f"watch -n 1 '{two} -e | tail -30'", "states arriving at the replica"),
			(f"{enter['fw1']} conntrack -E", "the kernel's own news"),
			(f"{enter['fw2']} conntrack -L", "the kernel table of fw2"),
			(f"tail -f {here(nodes[0].log)} {here(nodes[1].log)}", "the logs")],
		"More connections": [
			(f"{enter['client']} {scenario.PYTHON} -B {here(scenario.TRAFFIC / 'lines.py')} --stay --connections 100 "
			 f"{SNAT4.address} {ECHO_PORT}", ""),
			(f"{enter['client']} bash", "a shell at the client")],
		"Fail over by hand: fw1 dies, fw2 takes over": [
			(f"for l in lan0 wan0 sync0; do ip -n {lab.ns('fw1')} link set $l down; done", ""),
			(f"{two} -c", "commit: what it has learned goes into its kernel"),
			(f"{here(addresses)} fw2", "move the addresses (plain ip commands, read it)")],
		"Back again: fw1 returns as the backup, then takes over": [
			(f"for l in lan0 wan0 sync0; do ip -n {lab.ns('fw1')} link set $l up; done", ""),
			(f"for o in -f -R -B; do {two} $o; done", "fw2 is the primary now: what a fail-over script says"),
			(f"for o in -t -n; do {one} $o; done", "fw1 is the backup: forget the old, learn the new (15 s)"),
			(f"{one} -c && {here(addresses)} fw1", "planned, once fw1 -e shows the flows"),
			(f"for o in -f -R -B; do {one} $o; done", "the same for the roles as they are now,"),
			(f"for o in -t -n; do {two} $o; done", "so that fw2 is a replica again")],
		"End it, nothing stays": [("./quickstart end", "")],
	}
	print(f"""
The pair is up:

                    +-- fw1 (active) --+
  client 10.10.0.2 -+      : sync      +- server 10.20.0.2
                    +-- fw2 (backup) --+

20 interactive connections and 2 UDP streams run through it. All of it lives in
network namespaces ({", ".join(lab.ns(p) for p in ("client", "server", "fw1", "fw2"))}).
The configuration is {here(nodes[0].conf)} (fw2 likewise).
{one} is short for
  {" ".join(nodes[0].argv())}
""")
	for title, rows in commands.items():
		print(title)
		for command, why in rows:
			print(f"  {command}" + (f"\n      {why}" if why else ""))
		print()


def end(directory: Path) -> int:
	if not directory.exists():
		# The namespaces have one name per machine, the files are in the checkout that made them.
		print(ELSEWHERE if exists(KEPT) else "No pair is up.")
		return 1 if exists(KEPT) else 0
	for fw in ("fw1", "fw2"):
		for pid in pids(f"{KEPT}-{fw}"):
			os.kill(pid, signal.SIGTERM)
	pace.sleep(0.3)
	remove(KEPT, directory)
	print("The pair is gone: processes ended, namespaces and its files removed.")
	return 0


def main() -> int:
	signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
	match sys.argv[1:]:
		case ["run"]:
			return run()
		case ["keep", directory]:
			return keep(Path(directory).resolve())
		case ["end", directory]:
			return end(Path(directory).resolve())
	print(__doc__, file=sys.stderr)
	return 1


if __name__ == "__main__":
	try:
		sys.exit(main())
	except KeyboardInterrupt:
		sys.exit("interrupted")

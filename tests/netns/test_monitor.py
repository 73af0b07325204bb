# SPDX-License-Identifier: GPL-2.0-or-later
"""--monitor: what happens to a pair, while it happens, as lines and as JSON."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from typing import Callable

import pace
import scenario
from netlab import Lab, wait_until
from node import Node, wait_replicated
from test_json import hold, no_doubles


class Watched:
	"""A client that looks on."""

	def __init__(self, node: Node, *options: str):
		self.path = node.dir / f"monitor{len(options)}"
		with open(self.path, "w") as out:
			self.process = subprocess.Popen(node.argv("--monitor", *options), stdin=subprocess.DEVNULL, stdout=out,
							stderr=subprocess.STDOUT)

	def lines(self) -> list[str]:
		return self.path.read_text().splitlines()

	def wait(self, pattern: str, timeout: float = 60) -> None:
		wait_until(lambda: re.search(pattern, self.path.read_text()), timeout, pattern)


def test_life_of_a_pair(lab: Lab, pair: Callable) -> None:
	one, two = pair()
	text, lines = Watched(one), Watched(one, "--json")
	pace.sleep(1)
	scenario.inject(lab, "fw1", 200)
	wait_replicated(one, two)
	one.ok("-c")
	text.wait(r"\[notice\] committing all external caches\n")
	two.stop(signal.SIGKILL)
	text.wait(r"\[warning\] peer 10\.30\.0\.12 has fallen silent: nothing heard for 10 s\n")
	two.start()
	text.wait(r"\[notice\] peer 10\.30\.0\.12 is heard again, after \d+ s\n")
	one.ok("-t")
	text.wait(r"flush|secs")
	lab.ip("fw1", "link set sync0 down")
	text.wait(r"sync0.*down|no dedicated links available")
	pace.sleep(4)		# nothing to say for longer than a sign of life takes: none of these is a line
	assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \[(notice|warning|ERROR)\] \S", line) for line in text.lines()), text.lines()
	documents = [json.loads(line, object_pairs_hook=no_doubles) for line in lines.lines()]
	for d in documents:
		hold(d, "event")
	assert [d["text"] for d in documents] == [line.split("] ", 1)[1] for line in text.lines()]
	log = one.log.read_text()
	assert all(d["text"] in log for d in documents)
	text.process.terminate()
	assert text.process.wait(pace.seconds(10)) == -signal.SIGTERM
	assert one.running() and one.ok("--live")
	one.stop()
	assert lines.process.wait(pace.seconds(10)) == 1		# the daemon has gone

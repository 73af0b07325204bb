# SPDX-License-Identifier: GPL-2.0-or-later
"""A daemon whose configuration file is used as it is: lock, socket and log are at the paths that the file says, or that it
leaves to the default. /run and /var/log are empty file systems of each daemon's own.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pace
from netlab import Lab, wait_until
from node import binary, on_a_terminal

# Paths below /run come back empty, and nothing of it is seen outside of the daemon's own mount namespace.
ALONE = """for dir in /run /var/log; do mount -t tmpfs none $dir; done
mkdir -p /run/lock /run/field
exec "$@"
"""


class Daemon:
	"""One daemon on firewall `fw` with `file`, its files in a mount namespace of its own."""

	def __init__(self, lab: Lab, fw: str, which: str, file: Path):
		self.lab, self.fw, self.which, self.file = lab, fw, which, file
		self.text = file.read_text()
		self.console = lab.scratch / f"{fw}-{which}-{file.stem}.console"
		self.console.unlink(missing_ok=True)
		self.process = lab.spawn(fw, "sh", "-c", ALONE, "sh", binary(which), "-C", file, log=self.console)

	def path(self, keyword: str, default: str) -> Path:
		"""Where the file says, as seen from here: a link such as /var/run -> /run would lead into our own /run."""
		said = re.findall(rf"\b{keyword} (/\S+)", self.text)
		return Path(f"/proc/{self.process.pid}/root{os.path.realpath(said[-1] if said else default)}")

	@property
	def socket(self) -> Path:
		return self.path("Path", "/var/run/conntrackd.ctl")

	@property
	def lock(self) -> Path:
		return self.path("LockFile", "/var/lock/conntrackd.lock")

	def argv(self, *options: str) -> list[str]:
		return ["nsenter", "-t", str(self.process.pid), "-m", "-n", binary(self.which), "-C", str(self.file), *options]

	def ctl(self, *options: str) -> subprocess.CompletedProcess[str]:
		return subprocess.run(self.argv(*options), capture_output=True, text=True, timeout=pace.seconds(30))

	def watched(self, *options: str) -> subprocess.CompletedProcess[str]:
		"""The same for a person at a terminal."""
		return on_a_terminal(self.argv(*options), 30)

	def ok(self, *options: str) -> str:
		done = self.ctl(*options)
		assert done.returncode == 0, (self.which, options, done)
		return done.stdout

	def answers(self) -> bool:
		assert self.process.poll() is None, f"{self.which}: {self.process.returncode}\n{self.console.read_text()}"
		return self.ctl("-s").returncode == 0

	def wait(self) -> None:
		wait_until(self.answers, 15, f"{self.fw}: {self.which} answers with {self.file.name}")

	def end(self) -> None:
		"""With -k: it is gone when the client returns."""
		files = [(os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY), path.name) for path in (self.socket, self.lock)]
		for directory, name in files:
			assert name in os.listdir(directory)
		self.ok("-k")
		assert self.process.wait(pace.seconds(10)) == 0
		for directory, name in files:
			assert name not in os.listdir(directory)
			os.close(directory)


def wait_met(*daemons: Daemon) -> None:
	"""1.4.7 loses what it sends before a TCP link stands."""
	for daemon in daemons:
		if re.search(r"^\s*TCP\b.*\{", daemon.text, re.M):
			wait_until(lambda daemon=daemon: " server=connected client=connected:" in daemon.ok("-s"), 20,
				   f"{daemon.fw}: {daemon.which} is connected with {daemon.file.name}")

# SPDX-License-Identifier: GPL-2.0-or-later
"""The factor of TEST_TIME_FACTOR reaches every wait and every deadline of these tests."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest

import pace

HERE = Path(__file__).resolve().parent
FILES = [path for path in sorted([*HERE.glob("*.py"), *HERE.glob("traffic/*.py")]) if path.name != "pace.py"]

# Functions of Python's own library whose deadline is an argument: the place of that argument, or its name.
DEADLINES = {"run": "timeout", "check_output": "timeout", "communicate": "timeout", "wait": 0, "settimeout": 0,
	     "create_connection": 1, "result": "timeout"}


def bare(node: ast.AST | None) -> bool:
	"""A plain number, or an expression of such: what no pace.seconds() has seen."""
	return node is not None and any(isinstance(part, ast.Constant) and isinstance(part.value, (int, float)) and part.value
					for part in ast.walk(node)) and not isinstance(node, ast.Call)


def clock(node: ast.AST) -> bool:
	return any(isinstance(part, ast.Attribute) and part.attr == "monotonic" for part in ast.walk(node))


def complaints(tree: ast.AST) -> Iterator[tuple[int, str]]:
	for node in ast.walk(tree):
		if isinstance(node, ast.Compare) and clock(node) and any(map(bare, node.comparators)) and \
		   isinstance(node.ops[0], (ast.Lt, ast.LtE)):
			yield node.lineno, "a time that is measured is compared with a bare number: pace.seconds()"
		if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
			continue
		name, owner = node.func.attr, node.func.value
		if name == "sleep" and isinstance(owner, ast.Name) and owner.id == "time" and bare(node.args[0]):
			yield node.lineno, "time.sleep: pace.sleep()"
		if name in DEADLINES:
			where = DEADLINES[name]
			given = next((k.value for k in node.keywords if k.arg == "timeout"), None)
			if given is None and isinstance(where, int) and len(node.args) > where:
				given = node.args[where]
			if bare(given):
				yield node.lineno, f"the deadline of {name}() is a bare number: pace.seconds()"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_wait_knows_the_factor(path: Path) -> None:
	found = [f"{path.name}:{line}: {what}" for line, what in complaints(ast.parse(path.read_text()))]
	assert not found, "\n".join(found)


@pytest.mark.parametrize("line,right", [
	("time.sleep(3)", "pace.sleep(3)"),
	("subprocess.run(['x'], timeout=20)", "subprocess.run(['x'], timeout=pace.seconds(20))"),
	("process.wait(5)", "process.wait(pace.seconds(5))"),
	("s.settimeout(10)", "s.settimeout(pace.seconds(10))"),
	("assert time.monotonic() - began < 0.5", "assert time.monotonic() - began < pace.seconds(0.5)")])
def test_who_does_not_is_found(line: str, right: str) -> None:
	assert len(list(complaints(ast.parse(line)))) == 1 and not list(complaints(ast.parse(right)))


def patience(factor: str) -> tuple[float, float]:
	"""The factor that a test sees, and how long wait_until() waits in vain for what may take half a second."""
	program = ("import time, netlab\nbegan = time.monotonic()\ntry:\n\tnetlab.wait_until(lambda: False, 0.5)\n"
		   "except AssertionError:\n\tprint(netlab.pace.FACTOR, time.monotonic() - began)\n")
	environment = {k: v for k, v in os.environ.items() if k != "TEST_TIME_FACTOR"}
	done = subprocess.run([sys.executable, "-B", "-c", program], cwd=HERE, capture_output=True, text=True, check=True,
			      env=environment | ({"TEST_TIME_FACTOR": factor} if factor else {}), timeout=pace.seconds(60))
	seen, waited = done.stdout.split()
	return float(seen), float(waited)


def test_the_factor_scales() -> None:
	for given, factor in (("", 1), ("1", 1), ("4", 4)):
		seen, waited = patience(given)
		assert seen == factor and waited >= 0.5 * factor, given

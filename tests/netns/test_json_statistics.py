# SPDX-License-Identifier: GPL-2.0-or-later
"""-s with --json: one document per answer, as doc/json.md says, and with the numbers of the text: the text is built anew from
the document, by the layouts of 1.4.x as they are written down here, and has to be the same."""

from __future__ import annotations

import json
import re
from typing import Any, Callable

import pytest

import scenario
from netlab import Lab, wait_until
from node import OURS, Link, Node, wait_connected, wait_replicated
from test_every_command import STATS
from test_json import SCHEMA, SEEN, hold, no_doubles

SUBJECTS = ["ct", "network", "cache", "runtime", "link", "queue", "process", "peers", "rsqueue"]
KINDS = {"ct": "statistics", "process": "processes"}

CACHE = """cache {name}:
current active connections:\t{active:12}
connections created:\t\t{created:12}\tfailed:\t{create_failed:12}
connections updated:\t\t{updated:12}\tfailed:\t           0
connections destroyed:\t\t{destroyed:12}\tfailed:\t           0

"""
DETAIL = """cache:{name}\tactive objects:\t\t{records:12}
\tactive/total entries:\t\t{active:12}/{records:12}
\tcreation OK/failed:\t\t{created:12}/{create_failed:12}
\t\tno memory available:\t{create_failed_memory:12}
\t\tno space left in cache:\t{create_failed_limit:12}
\tupdate OK/failed:\t\t{updated:12}/           0
\t\tentry not found:\t           0
\tdeletion created/failed:\t{destroyed:12}/           0
\t\tentry not found:\t           0

"""
BYPASS = """internal bypass:
connections new:\t\t{created:12}
connections updated:\t\t{updated:12}
connections destroyed:\t\t{destroyed:12}

"""
INJECT = """external inject:
connections created:\t\t{created:12}\tfailed:\t{create_failed:12}
connections updated:\t\t{updated:12}\tfailed:\t{update_failed:12}
connections destroyed:\t\t{destroyed:12}\tfailed:\t{destroy_failed:12}

"""
INJECTED = "injected flows:\n\tof the peers only:\t\t{peers_only:12}\n\tended there, in use here:\t{in_use:12}\n\n"
TRAFFIC = "traffic processed:\n{bytes:20} Bytes      {packets:20} Pckts\n\n"
COUNTERS = """{sent_bytes:20} Bytes sent {recv_bytes:20} Bytes recv
{sent_packets:20} Pckts sent {recv_packets:20} Pckts recv
{sent_errors:20} Error send {recv_errors:20} Error recv

"""
TRACKING = "message tracking:\n{malformed:20} Malformed msgs {lost:20} Lost msgs\n\n"
RECEIVED = """network statistics:
\trecv:
\t\tMalformed messages:\t{malformed:20}
\t\tWrong protocol version:\t{bad_version:20}
\t\tMalformed header:\t{bad_header:20}
\t\tMalformed payload:\t{bad_payload:20}
\t\tBad message type:\t{bad_type:20}
\t\tTruncated message:\t{truncated:20}
\t\tBad message size:\t{bad_size:20}
\tsend:
\t\tMalformed messages:\t                   0

"""
SEQUENCE = """sequence tracking statistics:
\trecv:
\t\tPackets lost:\t\t{lost:20}
\t\tPackets before:\t\t{before:20}

"""
QUEUE = """queue {name}:
current elements:\t\t{length:12}
maximum elements:\t\t{max:12}
not enough space errors:\t{given_up:12}

"""
NETLINK = """netlink stats:
\tevents received:\t{received:20}
\tevents filtered:\t{filtered:20}
\tevents unknown type:\t\t{unknown_type:12}
\tcatch event failed:\t\t{read_failed:12}
\tdump unknown type:\t\t           0
\tnetlink overrun:\t\t{overruns:12}
\tflush kernel table:\t\t{kernel_flushes:12}
\tresync with kernel table:\t{resyncs:12}
\tcurrent buffer size (in bytes):\t{buffer_bytes:12}

"""
LOOP = """runtime stats:
\tchild process failed:\t\t           0
\t\tchild process segfault:\t           0
\t\tchild process termsig:\t           0
\tselect failed:\t\t\t{select_failed:12}
\twait failed:\t\t\t           0
\tlocal read failed:\t\t{no_request:12}
\tlocal unknown request:\t\t{unknown_request:12}

"""


def completeness(c: dict) -> str:
	if c["complete"]:
		return f"{c['cache']}: " + ("waits for the rest of a full answer of a peer\n" if c["waiting"] else "complete\n")
	stored = ""
	if "not_stored" in c:
		stored = f"; {'at least ' if c['not_stored_more'] else ''}{c['not_stored']} flows could not be stored"
	return (f"{c['cache']}: incomplete for {c['incomplete_s']} s: {', '.join(c['why'])}{stored}"
		+ ("; repair under way\n" if c["repairing"] else "\n"))


def active_link(d: dict) -> str:
	if "active_link" not in d:
		return ""
	link = d["active_link"]
	sides = "".join(f" {side}={link[side]}" for side in ("server", "client") if side in link)
	return f"{link['transport']} traffic (active device={link['device']}){sides}:\n" + COUNTERS.format(**link)


def caches(d: dict, layout: str) -> str:
	text = BYPASS.format(**d["bypass"]) if "bypass" in d else ""
	text += "".join(layout.format(**cache) for cache in d["caches"])
	return text + (INJECT.format(**d["inject"]) if "inject" in d else "")


def general(d: dict) -> str:
	return (caches(d, CACHE) + TRAFFIC.format(**d["traffic"]) + active_link(d)
		+ (TRACKING.format(**d["tracking"]) if "tracking" in d else ""))


def cache(d: dict) -> str:
	text = caches(d, DETAIL) + (INJECTED.format(**d["injected"]) if "injected" in d else "")
	text += "".join(completeness(c) for c in d["completeness"])
	if "emptied" in d:
		text += (f"cache external emptied:\t\t{d['emptied']['ago_s']:12} s ago (-f): this node is active, its peers are asked "
			 f"in {d['emptied']['asks_s']} s\n\n")
	return text


def network(d: dict) -> str:
	text = RECEIVED.format(**d["received"]) + SEQUENCE.format(**d["sequence"]) + active_link(d)
	if d["sequence"]["lost"] or d["repair"]["reordered"]:
		text += (f"sequence repair statistics:\n\trecv:\n\t\tPackets repaired:\t{d['repair']['repaired']:20}\n"
			 f"\t\tPackets reordered:\t{d['repair']['reordered']:20}\n\n")
	assert not d["not_replicated"]["indistinct_total"]	# not made here
	return text


def link(d: dict) -> str:
	text = ""
	for each in d["links"]:
		text += f"{each['transport']} traffic device={each['device']} status={each['status']} role={each['role']}:\n"
		text += COUNTERS.format(**each)
		trouble = "\tnothing was ever heard on this link\n" if each["deaf"] else ""
		for name, what in (("refused_source", "of others than the peer"), ("refused_interface", "on other interfaces"),
				   ("held_back", "of new nodes, until it was clear who they are"), ("own", "of this node itself")):
			trouble += f"\trefused: {each[name]} {what}\n" if each[name] else ""
		trouble += f"\tdatagrams cannot be sent: {each['unsent']}\n" if "unsent" in each else ""
		text += trouble + "\n" if trouble else ""
	return text


def queue(d: dict) -> str:
	return (f"allocated queue nodes:\t\t{d['nodes']['control']:12}\n\n"
		+ "".join(QUEUE.format(**each) for each in d["queues"]))


def runtime(d: dict) -> str:
	up = d["process"]["uptime_s"]
	text = "daemon uptime: " + (f"{up // 3600 % 24} h " if up >= 3600 else "") + f"{up // 60 % 60} min\n\n"
	text += NETLINK.format(**d["netlink"]) + LOOP.format(**d["loop"])
	for each in d["events"]:
		text += f"kernel events: {each['reason']}, for {each['for_s']} s"
		text += ": comparing with the kernel table\n" if each["comparing"] else "\n"
	node, lines = d["node"], ""
	if node["active"]:
		lines += f"\tactive:\t\t\t\tfor {node['active_s']} s\n"
	elif "by" in node:
		lines += f"\tactive:\t\t\t\tno, by {node['by']}\n"
	if "purge_s" in node:
		lines += "\tflush of the kernel table (-t):\t" + (f"in {node['purge_s']} s\n" if node["purge_s"] else "due\n")
	if node["purges_ignored"]:
		lines += f"\tflush of the kernel table (-t):\tnever in the statistics mode, {node['purges_ignored']} ignored\n"
	for job in d["jobs"]:
		lines += f"\t{job['name']}:\t" + (f"{job['done']} of {job['total']}\n" if "total" in job else f"{job['state']}\n")
	return text + (f"this node:\n{lines}\n" if lines else "")


def received(p: dict) -> str:
	words = {
		"time": ", it has not had time to tell everything once", "table": ", its table is to be asked for",
		"proof": ", nothing proves that its table is here whole; what it tells no more is kept",
		"answer": f", {p.get('table_states')} states of its table so far, in {p.get('table_s')} s",
		"rest": ", it has sent all it has, and its own cache is incomplete", "gap": f", a gap is open for {p.get('gap_s')} s",
	}
	text = "yes" if p["received"] else "no" + words[p["lacks"]]
	return text + (f"; it has failed to come whole {p['table_failed']} times" if p["table_failed"] else "")


def heard(p: dict) -> str:
	if "heard" not in p:
		return "not known in this mode"
	if p["heard"]:
		return "yes" + (f", but for the last {p['behind']} messages" if p["behind"] else "")
	if p["sending"] and not p["behind"]:
		return "no, our full table is on its way to it"
	return f"no, {p['behind']} messages are not acknowledged, the oldest for {p['lag_ms'] // 1000} s"


def peers(d: dict) -> str:
	node = d["standing"]
	why = ", no peer was heard" if not node["known"] else ", our own cache is incomplete (-s cache)" if not node["complete"] else \
		", part of what the peers have told found no place, or may have ended (-s cache; the log)" if not node["kept"] else ""
	text = f"received: {'yes' if node['received'] else 'no'}{why}\n"
	text += "heard: " + ("not known in this mode" if "heard" not in node else "yes" if node["heard"] else "no") + "\n"
	for p in d["peers"]:
		text += (f"peer {p['peer']}: {p['state']} for {p['state_s']} s\n\tlast heard {p['last_heard_ms']} ms ago, "
			 f"number {p['number']}\n\treceived: {received(p)}\n\theard: {heard(p)}\n")
		text += f"\tMTU: {p['mtu_there']} there, {p['mtu_here']} here\n" if "mtu_here" in p else ""
		text += f"\tlost: {p['lost']} of its messages, repaired: {p['repaired']}\n" if p["lost"] else ""
	return text + "".join(f"peer {s['peer']}: {s['state']} for {s['state_s']} s\n" for s in d["strangers"])


def rsqueue(d: dict) -> str:
	return f"resent queue (len={d['length']})\n" + "".join(
		f"{m['what']} -> seq:{m['seq']}" + (f" flags:{m['flags']}\n" if "flags" in m else "\n") for m in d["messages"])


# What moves between any two questions: how long ago the peer's last message was, and its number.
MOVES = re.compile(r"(?<=last heard )\d+(?= ms)|(?<=ms ago, number )\d+|\tresync from it: .*\n")

TEXT: dict[str, Callable[[dict], str]] = {
	"ct": general, "expect": general, "cache": cache, "network": network, "link": link, "queue": queue, "runtime": runtime,
	"peers": peers, "rsqueue": rsqueue,
	"process": lambda d: "",
}


def document(node: Node, subject: str) -> dict[str, Any]:
	"""The one line of the answer, held against the page."""
	done = node.ctl("-s", subject, "--json")
	assert (done.returncode, done.stderr) == (0, "") and done.stdout.count("\n") == 1, done
	d = json.loads(done.stdout, object_pairs_hook=no_doubles)
	assert d["schema"] == 1 and d["kind"] == KINDS.get(subject, subject)
	hold(d, d["kind"])
	return d


def same_as_text(node: Node, subject: str) -> dict[str, Any]:
	"""Until both agree: what counts goes on between two questions."""
	seen: list[Any] = []

	def agree() -> bool:
		d = document(node, subject)
		seen[:] = [d, node.ok("-s", subject), "" if "nothing" in d else TEXT[subject](d)]
		return MOVES.sub("", seen[1]) == MOVES.sub("", seen[2])

	try:
		wait_until(agree, 20, "both agree", 0.05)
	except AssertionError:
		raise AssertionError(f"{subject}: the text\n{seen[1]}\nthe document\n{seen[2]}\n{seen[0]}") from None
	return seen[0]


def test_a_pair(lab: Lab, pair: Callable) -> None:
	"""Flows on one node, active; what the other has received of them; a flush that waits."""
	one, two = pair(OURS, OURS, mode_options={"PurgeTimeout": 600})	# it waits, however long a page takes
	scenario.inject(lab, "fw1", 20)
	wait_replicated(one, two)
	scenario.inject(lab, "fw1", 5, delete=True)
	one.ok("-c")
	two.ok("-t")
	for node in (one, two):
		found = {subject: same_as_text(node, subject) for subject in SUBJECTS}
		assert {"internal", "external"} == {c["name"] for c in found["ct"]["caches"]}
		assert found["queue"]["queues"][-1]["name"] == "rsqueue"
	active, backup = (document(node, "runtime")["node"] for node in (one, two))
	wait_until(lambda: document(one, "peers")["standing"]["received"], 20, "the table of the other has come")
	wait_until(lambda: document(one, "peers")["peers"][0]["heard"], 20, "the other has acknowledged it")
	assert active["active"] and active["by"] == "-c" and "purge_s" not in active
	assert not backup["active"] and backup["by"] == "-t" and backup["purge_s"] > 0
	wait_until(lambda: document(two, "ct")["caches"][1]["active"] == 15, 10, "the ends have come")
	assert document(one, "ct")["caches"][0]["created"] == 20
	assert document(one, "network")["replication"]["sent"] > 20
	before = document(one, "rsqueue")
	two.cut()
	scenario.inject(lab, "fw1", 700, first=100)	# more than one step of the answer
	wait_until(lambda: document(one, "rsqueue")["length"] >= 700, 20, "what is not acknowledged stays")
	queue_now = same_as_text(one, "rsqueue")
	assert queue_now["length"] == len(queue_now["messages"]) >= 700 > before["length"]
	assert "object" in {m["what"] for m in queue_now["messages"]} <= {"object", "control"}
	wait_until(lambda: "answer" != document(one, "peers")["standing"].get("lacks"), 20)
	same_as_text(one, "peers")
	one.ok("-f", "external")
	assert "emptied" in same_as_text(one, "cache")
	one.ok("-n")
	wait_until(lambda: document(one, "peers")["standing"].get("lacks") == "answer", 20, "who is cut off does not answer")


def test_without_caches(lab: Lab, pair: Callable) -> None:
	one, two = pair(OURS, OURS, mode="NOTRACK", mode_options={"DisableInternalCache": "on", "DisableExternalCache": "on"})
	scenario.inject(lab, "fw1", 20)
	wait_until(lambda: len(two.kernel()) == 20, 20)
	for node in (one, two):
		found = {subject: same_as_text(node, subject) for subject in SUBJECTS}
		assert found["ct"]["caches"] == [] and "bypass" in found["ct"] and "inject" in found["cache"]
	assert document(two, "ct")["inject"]["created"] == 20


def test_expectations_over_tcp(lab: Lab, pair: Callable) -> None:
	one, two = pair(OURS, OURS, options={"ExpectationSync": "on"}, link=Link("TCP"))
	wait_connected(one, two)
	for node in (one, two):
		for subject in [*SUBJECTS, "expect"]:
			found = same_as_text(node, subject)
			if subject in ("ct", "expect", "network"):
				assert found["active_link"]["server"] == found["active_link"]["client"] == "connected"
	one.configure("NOTRACK", {"DisableInternalCache": "on", "DisableExternalCache": "on"}, options={"ExpectationSync": "on"})
	one.stop()
	one.start()
	assert "inject" in same_as_text(one, "expect")


def test_trouble(lab: Lab, make: Callable) -> None:
	"""Words that are there only while something is wrong."""
	lab.sysctl("fw1", {"net/netfilter/nf_conntrack_events": 0})
	node = make("fw1")
	node.configure(general={"HashLimit": 10})
	node.start()
	scenario.inject(lab, "fw1", 30)
	wait_until(lambda: document(node, "runtime")["events"], 15, "that nothing is told is said")
	wait_until(lambda: not document(node, "cache")["completeness"][0]["complete"], 30, "what found no place is said")
	for subject in ("cache", "runtime"):
		same_as_text(node, subject)
	broken = document(node, "cache")["completeness"][0]
	assert "HashLimit reached" in broken["why"] and broken["not_stored"] > 0


def test_statistics_mode(lab: Lab, make: Callable) -> None:
	"""A document where there is nothing, too, with the reason."""
	node = make("fw1")
	node.conf.write_text(STATS.format(dir=node.dir, log=node.log, lock=node.lock, socket=node.socket))
	node.start()
	scenario.inject(lab, "fw1", 3)
	node.ok("-t")
	for subject in SUBJECTS:
		same_as_text(node, subject)
	assert [c["name"] for c in document(node, "ct")["caches"]] == ["stats"]
	for subject in ("network", "link", "queue", "peers", "rsqueue"):
		assert document(node, subject)["nothing"] == "this is the statistics mode"
	assert document(node, "expect")["nothing"] == "expectations are not synchronised (ExpectationSync)"
	assert document(node, "runtime")["node"]["purges_ignored"] == 1


def test_every_row_of_the_page_was_seen() -> None:
	"""A name that no document has is a mistake of the page, or of the tests above."""
	if not {("inject", "created"), ("expect", "caches"), ("events", "reason"), ("node", "purges_ignored")} <= SEEN:
		pytest.skip("not all tests above have run")
	others = ("flow", "direction", "expectation", "tuple", "master",	# test_json.py
		  "helpers", "helper",						# test_helpers.py, in the guest
		  "gate", "packet_gate", "wait",				# test_gate.py, test_gate_paths.py
		  "health", "ready", "live", "verdict", "reason",		# test_health.py
		  "check", "problem",						# test_check.py
		  "role", "node_role", "role_change",				# test_roles.py
		  "commit_result", "count", "event", "status", "overview", "commit", "refusal", "line")		# test_select.py, test_status.py, test_monitor.py
	rows = {(table, name) for table in SCHEMA if table not in others for name in SCHEMA[table]}
	# A job that runs, and a link whose datagrams do not leave, are short, or take more to be made.
	rare = {row for row in rows if row[0] in ("job", "stranger")} | {("link_detail", "unsent"), ("message", "flags")}
	rare |= {("peer", name) for name in ("lacks", "gap_s", "table_s", "table_states", "mtu_there", "mtu_here")}
	assert rows - SEEN - rare == set()

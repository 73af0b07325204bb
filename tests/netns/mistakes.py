# SPDX-License-Identifier: GPL-2.0-or-later
"""Mistakes in a configuration file: a table for test_errors.py.

Each case is a small edit of a good file. `¶` in the new text marks the places where something must be said, in the
order of the file; the marks are taken out before the file is written. `says` has one regular expression per mark, for
the rest of the message behind "FILE:LINE:COLUMN: " (line and column in bytes). Nothing else may be said, but that
something "is not supported by this version yet": then the daemon does not start, of course.

A case whose messages are all warnings describes a file that is accepted. The numbers are those of the catalogue of
user errors, see COVERED in test_errors.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

MARK = "¶"
Edit = Callable[[str], str]

MODE = """\
	Mode FTFW {
		ResendQueueSize 131072
		PurgeTimeout 2
	}
"""
LINK = """\
	Multicast {
		IPv4_address 225.0.0.50
		Group 3780
		IPv4_interface 10.30.0.11
		Interface sync0
		Checksum on
	}
"""
GOOD = f"""\
Sync {{
{MODE}{LINK}	Options {{
		TCPWindowTracking off
	}}
}}
General {{
	HashSize 32768
	HashLimit 65536
	Syslog off
	LogFile @DIR@/log
	LockFile @DIR@/lock
	UNIX {{
		Path @DIR@/ctl
	}}
	NetlinkBufferSize 2097152
	NetlinkBufferSizeMaxGrowth 8388608
}}
"""
GENERAL = GOOD[GOOD.index("General"):]
ALIEN = r"\(accepted here: HashSize, HashLimit, LogFile, .*, Filter\)"
UDP = """\
	UDP {
		IPv4_address 10.30.0.11
		IPv4_Destination_Address 10.30.0.12
		Port 3780
		Interface sync0
	}
"""


def change(old: str, new: str) -> Edit:
	"""Replace the only occurrence."""
	def edit(text: str) -> str:
		assert text.count(old) == 1, (old, text.count(old))
		return text.replace(old, new)
	return edit


def general(*lines: str) -> Edit:
	"""More lines at the end of General."""
	return lambda text: text.removesuffix("}\n") + "".join(f"\t{line}\n" for line in lines) + "}\n"


def mode(text: str) -> Edit:
	return change(MODE, text)


def link(text: str) -> Edit:
	return change(LINK, text)


def mcast(old: str, new: str) -> Edit:
	return change(LINK, LINK.replace(old, new) if LINK.count(old) == 1 else f"no single {old}")


def udp(old: str, new: str) -> Edit:
	assert UDP.count(old) == 1, old
	return link(UDP.replace(old, new))


def whole(text: str) -> Edit:
	return lambda _: text


def helper(*lines: str) -> Edit:
	return whole("Helper {\n" + "".join(f"\t{line}\n" for line in lines) + "}\n" + GENERAL)


@dataclass(frozen=True)
class Mistake:
	rows: tuple[int, ...]
	name: str
	edit: Edit
	says: tuple[str, ...] = ()
	raw: Callable[[bytes], bytes] = bytes	# a last change of the bytes, after the marks are gone

	@property
	def refused(self) -> bool:
		return any(s.startswith("error") for s in self.says)

	def __str__(self) -> str:
		return f"{'+'.join(map(str, self.rows))}-{self.name.replace(' ', '-')}"


def case(rows: int | tuple[int, ...], name: str, edit: Edit, *says: str, raw: Callable[[bytes], bytes] = bytes) -> Mistake:
	return Mistake((rows,) if isinstance(rows, int) else rows, name, edit, says, raw)


NOTHING = "error: there is nothing to do: neither section Sync nor Stats nor Helper is there"
NUMBER = r"is not a number \(only digits, no sign, no unit\): "
PATH = "an absolute path is expected, without quotes"
SPACE = "keywords and values are separated by white space only"
FAC = r"\n\t\(accepted: on, off, yes, no, daemon, local0 to local7, in lower case\)"
STATES = r"\n\t\(accepted: SYN_SENT, .*, LISTEN, then \"for TCP\"\)"
PROTO = r"\n\t\(a name such as tcp, udp, .* is expected, or a number from 0 to 255\)"


def filter_(inner: str, head: str = "Filter From Userspace {") -> Edit:
	return general(head, *[f"\t{line}" for line in inner.split("\n")], "}")


THE_FILE = (
	case(4, "empty", whole(MARK), NOTHING),
	case(4, "only comments", whole(f"{MARK}# nothing\n\n"), NOTHING),
	case(5, "only General", whole(MARK + GENERAL), NOTHING),
	case(6, "byte order mark", whole(GOOD), raw=lambda b: b"\xef\xbb\xbf" + b),
	case(7, "high byte between sections", change("General {", f"{MARK}%\nGeneral {{"), "error: unexpected byte 0xE9",
	     raw=lambda b: b.replace(b"%", b"\xe9")),
	case(7, "NUL between sections", change("General {", f"{MARK}%\nGeneral {{"), "error: unexpected byte 0x00",
	     raw=lambda b: b.replace(b"%", b"\0")),
	case(8, "high byte in a section", change("HashSize 32768", f"HashSize {MARK}é"),
	     r"error: unexpected character U\+00E9: only ASCII is allowed outside of comments and paths"),
	case(9, "CRLF", whole(GOOD), raw=lambda b: b.replace(b"\n", b"\r\n")),
	case(10, "comment without newline", lambda text: text + "# end"),
	case(11, "Sync and Stats", lambda text: text + f"{MARK}Stats {{\n}}\n",
	     "warning: section Stats is not used: section Sync in line 1 is; with -S the statistics mode runs instead"),
	case(12, "unknown at the top", lambda text: text + f"{MARK}Foo {{\n}}\n",
	     r'error: unknown keyword "Foo" in the top level of the file\n\t\(accepted here: Sync, General, Stats, Helper, Role\)'),
	case(13, "typing error", change("HashSize", f"{MARK}HashSzie"),
	     rf'error: unknown keyword "HashSzie" in section General\n\tdid you mean "HashSize"\? {ALIEN}'),
	case(13, "unknown in General", general(f"{MARK}Xyzzy 5"),
	     rf'error: unknown keyword "Xyzzy" in section General\n\t{ALIEN}'),
	case(14, "general", change("General", f"{MARK}general"),
	     'error: unknown keyword "general": keywords are case-sensitive, write General'),
	case(14, "Unix and Lockfile", lambda t: t.replace("UNIX", f"{MARK}Unix").replace("LockFile", f"{MARK}Lockfile"),
	     'error: unknown keyword "Lockfile": keywords are case-sensitive, write LockFile',
	     'error: unknown keyword "Unix": keywords are case-sensitive, write UNIX'),
	case(14, "udp", link(UDP.replace("UDP", f"{MARK}udp")),
	     'error: unknown keyword "udp": keywords are case-sensitive, write UDP'),
	case(15, "closing brace missing", change("Path @DIR@/ctl\n\t}\n", f"Path @DIR@/ctl\n\t{MARK}Systemd on\n"),
	     'error: missing "}" before "Systemd": UNIX of line 23 is not closed'),
	case(15, "last closing brace missing", lambda text: text.removesuffix("}\n") + MARK,
	     'error: missing "}" at the end of the file: General of line 17 is not closed'),
	case(16, "closing brace too many", lambda text: text + f"{MARK}}}\n", 'error: unexpected "}": no block is open here'),
	case(17, "opening brace missing", change("Sync {\n\tMode", f"Sync\n\t{MARK}Mode"),
	     r'error: expected "\{" after Sync, found "Mode"'),
	case(18, "brace at a path", change("ctl\n\t}\n\tN", f"ctl{MARK}}}\n\t{MARK}N"),
	     'warning: "}" is part of the path here; put a space before it if it is not meant so',
	     'error: missing "}" before "NetlinkBufferSize": UNIX of line 23 is not closed'),
	case(19, "equals and semicolon", change("HashSize 32768", f"HashSize {MARK}= 32768{MARK};"),
	     f'error: unexpected "=": {SPACE}', f'error: unexpected ";": {SPACE}'),
	case(19, "comma", change("HashSize 32768", f"HashSize 32768{MARK},"), f'error: unexpected ",": {SPACE}'),
	case(19, "slashes", general(f"{MARK}// a comment"), 'error: comments start with "#", not with "//"'),
	case(19, "quoted value", change("Syslog off", f'Syslog {MARK}"local0"'),
	     'error: values are not quoted: write local0'),
	case(20, "form feed and vertical tab", change("HashSize 32768", "HashSize\f32768\v")),
	case(21, "FTFW", mode("\tMode FTFW {\n" + "".join(f"\t\t{MARK}{k}\n" for k in (
	     "RefreshTime 15", "DisableInternalCache on", "CacheTimeout 180")) + "\t}\n"),
	     r'error: "RefreshTime" is not available in Mode FTFW \(only in: Mode ALARM\)',
	     r'error: "DisableInternalCache" is not available in Mode FTFW \(only in: Mode NOTRACK\)',
	     r'error: "CacheTimeout" is not available in Mode FTFW \(only in: Mode ALARM\)'),
	case(21, "ALARM", mode("\tMode ALARM {\n" + "".join(f"\t\t{MARK}{k}\n" for k in (
	     "DisableExternalCache on", "StartupResync on", "ACKWindowSize 300", "ResendQueueSize 1")) + "\t}\n"),
	     *[f'error: "{k}" is not available in Mode ALARM \\(only in: Mode FTFW{other}\\)' for k, other in (
		("DisableExternalCache", ", Mode NOTRACK"), ("StartupResync", ", Mode NOTRACK"), ("ACKWindowSize", ""),
		("ResendQueueSize", ""))]),
	case(22, "Filter", change("\tOptions {", f"\t{MARK}Filter From Userspace {{\n\t}}\n\tOptions {{"),
	     r'error: "Filter" does not belong to section Sync \(only to: section General\)'),
	case(22, "Filter at the top", lambda text: text + f"{MARK}Filter From Userspace {{\n}}\n",
	     r'error: "Filter" does not belong to the top level of the file \(only to: section General\)'),
	case(22, "Options in Mode", mode(f"\tMode FTFW {{\n\t\t{MARK}Options {{\n\t\t}}\n\t}}\n"),
	     r'error: "Options" is not available in Mode FTFW \(only in: section Sync\)'),
	case(22, "Port in Multicast", mcast("Checksum on", f"{MARK}Port 3780"),
	     r'error: "Port" does not belong to block Multicast \(only to: block UDP, block TCP\)'),
	case(22, "in UDP", udp("Interface sync0", "Interface sync0\n" + "".join(f"\t\t{MARK}{k}\n" for k in (
	     "Group 3780", "IPv4_interface 10.30.0.11", "ErrorQueueLength 5"))[:-1]),
	     r'error: "Group" does not belong to block UDP \(only to: block Multicast, block UNIX, section Role\)',
	     r'error: "IPv4_interface" does not belong to block UDP \(only to: block Multicast\)',
	     r'error: "ErrorQueueLength" does not belong to block UDP \(only to: block TCP\)'),
	case(22, "NetlinkEventsReliable in Stats", whole(f"Stats {{\n\t{MARK}NetlinkEventsReliable on\n}}\n{GENERAL}"),
	     r'error: "NetlinkEventsReliable" does not belong to section Stats \(only to: section General\)'),
	case((22, 23), "Checksum in Sync", change("\tOptions {", f"\t{MARK}Checksum on\n\tOptions {{"),
	     "warning: Checksum is obsolete: write Checksum inside the link's block"),
	case(23, "obsolete in Mode", mode(f"\tMode ALARM {{\n\t\t{MARK}RelaxTransitions\n\t}}\n"),
	     "warning: RelaxTransitions is obsolete and ignored: remove the line"),
	case(23, "obsolete elsewhere", lambda t: general(f"{MARK}Family IPv4")(mcast("Checksum on", f"{MARK}Backlog 20")(t)),
	     "warning: Backlog is obsolete and ignored: remove the line",
	     "warning: Family is obsolete and ignored: IPv4 and IPv6 are always handled"),
	case((23, 40), "Nice", general(f"{MARK}Nice 20"),
	     r"warning: Nice is obsolete and ignored: use nice\(1\) or the Scheduler block"),
	case(24, "persistent", mode(f"\tMode {MARK}persistent {{\n\t}}\n"),
	     "warning: Mode persistent is obsolete: write Mode ALARM"),
	case(25, "STATS", mode(f"\tMode {MARK}STATS {{\n\t}}\n"),
	     r'error: unknown mode "STATS" \(accepted: FTFW, ALARM, NOTRACK\)'),
	case(25, "FT-FW", mode(f"\tMode {MARK}FT-FW {{\n\t}}\n"),
	     r'error: unknown mode "FT-FW", did you mean "FTFW"\? \(accepted: FTFW, ALARM, NOTRACK\)'),
	case(26, "Mode without braces", lambda t: t.replace(MODE + "\tMult", f"\tMode FTFW\n\t{MARK}Mult"),
	     r'error: expected "\{" after Mode FTFW, found "Multicast"'),
	case(27, "two modes", mode(f"{MODE}\t{MARK}Mode ALARM {{\n\t}}\n"),
	     "warning: Mode ALARM beside the Mode in line 2: there can be only one, FTFW is taken"),
	case(28, "no mode", lambda t: MARK + mode("")(t), "warning: section Sync has no Mode: FTFW is taken"),
	case(29, "no link", lambda t: MARK + link("")(t),
	     "error: section Sync needs at least one link: Multicast, UDP or TCP"),
	case(29, "empty Sync", whole(f"{MARK*2}Sync {{\n}}\n{GENERAL}"),
	     "warning: section Sync has no Mode: FTFW is taken",
	     "error: section Sync needs at least one link: Multicast, UDP or TCP"),
)

VALUES = (
	case(30, "booleans", general(*[f"Systemd {MARK}{v}" for v in ("true", "enabled", "1")]),
	     *[f'error: Systemd: "{v}" is not a boolean: use on, off, yes or no' for v in ("true", "enabled", "1")]),
	case(31, "numbers", general(*[f"EventIterationLimit {MARK}{v}" for v in ("-1", "0x10", "1k")]),
	     *[f'error: EventIterationLimit: "{v}" {NUMBER}0 to 2147483647 events' for v in ("-1", "0x10", "1k")]),
	case(32, "too large", general(f"EventIterationLimit {MARK}2147483648", f"NetlinkOverrunResync {MARK}{10**30}"),
	     'warning: EventIterationLimit: "2147483648" is more than is possible: taken as 2147483647 events',
	     f'warning: NetlinkOverrunResync: "{10**30}" is more than is possible: taken as 2147483647 seconds'),
	*[case(33 if n == "0" else 34, f"HashSize {n}", change("HashSize 32768", f"HashSize {n}")) for n in "01"],
	*[case(35 if n == 99999999999 else 36, f"HashSize {n}", change("HashSize 32768", f"HashSize {MARK}{n}"),
	       f'warning: HashSize: "{n}" is more than is possible: taken as 134217728 buckets')
	  for n in (99999999999, 1073741824, 2147483647)],
	case(39, "PollSecs", general(f"PollSecs {MARK}0"),
	     'error: PollSecs: "0" is out of range: 1 to 2147483647 seconds'),
	*[case(41, f"scheduler {n}", general(f"Scheduler {{ Type {MARK}{n} }}"),
	       f'error: Type: "{n}" is not a scheduler for this: use RR or FIFO') for n in ("OTHER", "BATCH")],
	case(42, "priority 100", general(f"Scheduler {{ Type RR Priority {MARK}100 }}"),
	     'error: Priority: "100" is out of range: 0 to 99'),
	case(42, "priority 0", general(f"Scheduler {{ Type RR {MARK}Priority 0 }}"),
	     "warning: Priority 0: real-time policies have 1 to 99, so the ordinary policy of the system is used"),
	case(43, "Type alone", general("Scheduler { Type FIFO }")),
	case(44, "Priority alone", general("Scheduler { Priority 5 }")),
	*[case(45, f"facility {n}", change("Syslog off", f"Syslog {MARK}{n}"),
	       f'warning: Syslog: "{n}" is not a usable facility, daemon is taken{near}{FAC}')
	  for n, near in (("kern", ""), ("LOCAL0", r'; did you mean "local0"\?'), ("local8", r'; did you mean "local0"\?'))],
	case(48, "no MaxGrowth", change("\tNetlinkBufferSizeMaxGrowth 8388608\n", "")),
	case(48, "above MaxGrowth", change("NetlinkBufferSizeMaxGrowth 8388608", f"{MARK}NetlinkBufferSizeMaxGrowth 5"),
	     "warning: NetlinkBufferSizeMaxGrowth is smaller than NetlinkBufferSize: 2097152 is taken"),
	case(49, "tiny buffer", change("NetlinkBufferSize 2097152", f"{MARK}NetlinkBufferSize 1"),
	     "warning: NetlinkBufferSize 1: the kernel makes 2304 bytes of it, which hold hardly one event"),
	case(50, "MaxGrown", change("NetlinkBufferSizeMaxGrowth", f"{MARK}NetlinkBufferSizeMaxGrown"),
	     'error: unknown keyword "NetlinkBufferSizeMaxGrown" in section General\n\t'
	     rf'did you mean "NetlinkBufferSizeMaxGrowth"\? {ALIEN}'),
	case(51, "zeros", lambda t: general("EventIterationLimit 0", "NetlinkOverrunResync 0")(
	     mode("\tMode FTFW {\n\t\tResendQueueSize 0\n\t\tACKWindowSize 0\n\t}\n")(t))),
	case(51, "zero in ALARM", mode("\tMode ALARM {\n\t\tRefreshTime 0\n\t}\n")),
	case(52, "CommitTimeout", mode(f"\tMode FTFW {{\n\t\tDisableExternalCache on\n\t\t{MARK}CommitTimeout 5\n\t}}\n"),
	     "warning: CommitTimeout has no effect with DisableExternalCache on"),
	case(53, "ExpectationSync", change("TCPWindowTracking off", f"ExpectationSync on\n\t\t{MARK}ExpectationSync off"),
	     "warning: ExpectationSync was already set in line 14; this value counts"),
	case(54, "expectation list", change("TCPWindowTracking off",
					    f'ExpectationSync {{\n\t\t\tftp{MARK}, {MARK}"sip" abc\n\t\t}}'),
	     f'error: unexpected ",": {SPACE}', "error: values are not quoted: write sip"),
	case(55, "empty expectation list", change("TCPWindowTracking off", f"{MARK}ExpectationSync {{ }}"),
	     "warning: the list of helpers is empty: expectations of all helpers are replicated; write ExpectationSync on "
	     "if that is meant"),
)

PATHS = (
	case(56, "relative path", change("LockFile @DIR@/lock", f"LockFile {MARK}run/lock"),
	     f'error: LockFile: "run/lock": {PATH}'),
	case(56, "quoted path", change("LockFile @DIR@/lock", f'LockFile {MARK}"/run/x.lock"'),
	     "error: paths are not quoted: write /run/x.lock"),
	case(58, "long socket path", change("Path @DIR@/ctl", f"Path {MARK}/{'x' * 107}"),
	     "error: Path: the path has 108 bytes, at most 107 are possible"),
	*[case(62, f"long {n}", change(f"{n} @DIR@/{f}", f"{n} {MARK}/{'x' * 256}"),
	       f"error: {n}: the path has 257 bytes, at most 256 are possible") for n, f in (("LockFile", "lock"), ("LogFile", "log"))],
	case(65, "LockFile on", change("LockFile @DIR@/lock", f"LockFile {MARK}on"), f'error: LockFile: "on": {PATH}'),
	case(67, "LogFile off", change("LogFile @DIR@/log", f"LogFile @DIR@/log\n\t{MARK}LogFile off"),
	     "warning: LogFile was already set in line 21; this value counts"),
)

LINKS = (
	case(69, "bad octet", mcast("225.0.0.50", f"{MARK}225.0.0.500"),
	     'error: IPv4_address: "225.0.0.500" is not an IPv4 address: its numbers must be at most 255'),
	case(70, "bad octet in UDP", udp("10.30.0.12", f"{MARK}10.30.0.256"),
	     'error: IPv4_Destination_Address: "10.30.0.256" is not an IPv4 address: its numbers must be at most 255'),
	case(70, "bad own address in UDP", udp("IPv4_address 10.30.0.11", f"IPv4_address {MARK}10.30.0.256"),
	     'warning: IPv4_address: "10.30.0.256" is not an IPv4 address: its numbers must be at most 255. The link receives on all '
	     "addresses"),
	case(71, "prefix length in UDP", udp("IPv4_address 10.30.0.11", f"IPv4_address {MARK}10.30.0.11/24"),
	     'warning: IPv4_address: "10.30.0.11/24": no prefix length here, only an address. The link receives on all addresses'),
	case(71, "prefix length", mcast("225.0.0.50", f"{MARK}225.0.0.50/24"),
	     'error: IPv4_address: "225.0.0.50/24": no prefix length here, only an address'),
	case(72, "not multicast", mcast("IPv4_address 225.0.0.50", f"{MARK}IPv4_address 10.0.0.1"),
	     r"error: IPv4_address is not a multicast address \(224.0.0.0/4\)"),
	case(73, "IPv6 in an IPv4 keyword", mcast("225.0.0.50", f"{MARK}ff02::50"),
	     'error: IPv4_address: "ff02::50" is an IPv6 address: use IPv6_address'),
	case(73, "IPv4 in an IPv6 keyword", udp("IPv4_Destination_Address 10.30.0.12",
					       f"{MARK}IPv6_Destination_Address {MARK}10.30.0.12"),
	     "error: IPv6_Destination_Address beside IPv4_address: a link is either IPv4 or IPv6",
	     'error: IPv6_Destination_Address: "10.30.0.12" is an IPv4 address: use IPv4_Destination_Address'),
	case(74, "host name", udp("10.30.0.12", f"{MARK}peer.example.org"),
	     'error: IPv4_Destination_Address: "peer.example.org" is not an IPv4 address: a numeric address is expected, '
	     "no names"),
	*[case(row, f"no {line.split()[0]}", lambda t, line=line: link(LINK.replace("\tM", f"\t{MARK}M").replace(
		f"\t\t{line}\n", ""))(t), f"{line.split()[0]} is missing in this Multicast block".join(around))
	  for row, line, around in ((75, "IPv4_interface 10.30.0.11", ("error: ", "")), (78, "Interface sync0", ("error: ", "")),
				    (82, "Group 3780", ("warning: ", ": 3780 is taken, which the other node has to use as well")))],
	case(82, "Group 0", mcast("Group 3780", f"{MARK}Group 0"),
	     "warning: Group 0: 3780 is taken, which the other node has to use as well"),
	*[case(row, f"no {line.split()[0]} in UDP", lambda t, line=line: link(UDP.replace("\tU", f"\t{MARK}U").replace(
		f"\t\t{line}\n", ""))(t), f"warning: {line.split()[0]} is missing{said}")
	  for row, line, said in (
		(82, "Port 3780", " in this UDP block: 3780 is taken, which the other node has to use as well"),
		(84, "IPv4_Destination_Address 10.30.0.12",
		 ": this UDP link sends to this node itself, and the other node hears nothing"),
		(85, "IPv4_address 10.30.0.11", " in this UDP block: it receives on all addresses"))],
	case(84, "destination of zeros", udp("IPv4_Destination_Address 10.30.0.12", f"{MARK}IPv4_Destination_Address 0.0.0.0"),
	     "warning: IPv4_Destination_Address is all zero: this UDP link sends to this node itself, and the other node hears nothing"),
	case(80, "long interface", mcast("sync0", MARK + "a" * 16),
	     'error: Interface: "a{16}" has 16 bytes, at most 15 are possible'),
	case(81, "label", mcast("sync0", f"{MARK}eth0:1"),
	     'error: Interface: "eth0:1" is the label of an address: write eth0'),
	case(81, "slash", mcast("sync0", f"{MARK}a/b"), 'error: Interface: "a/b" is not an interface name'),
	*[case(83, f"{what} 70000", edit("3780", f"{MARK}70000"), f'warning: {what}: "70000" is out of range: 0 to 65535; 4464 is taken, as 1.4.x does')
	  for what, edit in (("Group", mcast), ("Port", udp))],
	case(72, "multicast as local address", udp("IPv4_address 10.30.0.11", f"{MARK}IPv4_address 225.0.0.50"),
	     "error: IPv4_address is a multicast address"),
	case(87, "families mixed", udp("IPv4_Destination_Address 10.30.0.12", f"{MARK}IPv6_Destination_Address fd00::2"),
	     "error: IPv6_Destination_Address beside IPv4_address: a link is either IPv4 or IPv6"),
	*[case(88, name, link(UDP.replace("IPv4", "IPv6").replace("10.30.0.11", "fd00::1").replace("10.30.0.12", MARK + addr)),
	       f"error: IPv6_Destination_Address: {says}") for name, addr, says in (
		("zone", "fe80::1%sync0", '"fe80::1%sync0" has a zone: leave it out, the interface is named by Interface'),
		("brackets", "[fd00::2]", r'"\[fd00::2\]" is written in brackets: leave them out'),
		("IPv4 in IPv6", "::ffff:10.30.0.12",
		 '"::ffff:10.30.0.12" is an IPv4 address in IPv6 form: write it as IPv4 address'))],
	*[case(89, name, link("\tMulticast {\n\t\t" + "\n\t\t".join(lines) + "\n\t\tGroup 3780\n\t}\n"))
	  for lines in (("IPv6_address ff02::50:1", "Interface sync0"),) for name, lines in (
		("address first", lines), ("interface first", lines[::-1]))],
	case(97, "two kinds", link(f"{LINK}\t{MARK}{UDP.strip()}\n"),
	     "error: a UDP link beside the Multicast link in line 6: all links must be of one kind"),
	case(98, "five links", link("".join(
		LINK.replace("3780", str(3780 + n)).replace("\tM", f"\t{MARK}M" if n == 4 else "\tM") for n in range(5))),
	     "error: too many links: at most 4 are possible"),
	case(99, "two defaults", link(LINK.replace("Mu", "Mu", 1).replace("Multicast {", "Multicast Default {") +
				      LINK.replace("3780", "3781").replace("Multicast {", f"{MARK}Multicast Default {{")),
	     r"warning: a second link is marked Default \(the first is in line 6\): this one counts"),
	case(100, "the same link", link(LINK + LINK.replace("\tM", f"\t{MARK}M")),
	     "warning: this link is the same as the one in line 6: same group, port and interface, so it is no second way to the peer"),
)

FILTERS = (
	*[case(101, f"protocol {n}", filter_(f"Protocol Accept {{ TCP {MARK}{n} }}"),
	       f'warning: unknown protocol "{n}" has no effect.*{PROTO}')
	  for n in ("FOO", "spct")],
	case(102, "protocol numbers", filter_("Protocol Accept { 0 6 17 255 ICMPv6 }")),
	case(102, "protocol 256", filter_(f"Protocol Accept {{ {MARK}256 }}"), f'error: unknown protocol "256"{PROTO}'),
	case(103, "commas", filter_(f"Protocol Accept {{ TCP{MARK}, UDP }}"), f'error: unexpected ",": {SPACE}'),
	case(104, "no policy", filter_(f"{MARK}Protocol {{ TCP }}"), "error: Protocol needs a policy: Accept or Ignore"),
	case(104, "Drop", filter_(f"Address {MARK}Drop {{ }}"),
	     'error: Address: unknown policy "Drop": Accept or Ignore is expected'),
	case(105, "Accept and Ignore", filter_(f"Protocol Accept {{ TCP }}\n{MARK}Protocol Ignore {{ UDP }}"),
	     r"warning: Protocol: Accept and Ignore for the same set contradict each other \(see line 29\): Ignore counts, for what "
	     "both lists hold"),
	*[case(106, f"empty {n}", filter_(f"{MARK}{n} Accept {{ }}"),
	       f"error: {n}: the Accept list is empty: nothing would pass") for n in ("Protocol", "Address")],
	case(106, "empty State", filter_(f"{MARK}State Accept {{ }}"), "warning: State: the Accept list is empty: no TCP flow passes"),
	case(106, "empty in the kernel", filter_(f"{MARK}Protocol Accept {{ }}", "Filter From Kernelspace {"),
	     "warning: Protocol: the Accept list is empty: taken as if it were not there, as 1.4.x does From Kernelspace"),
	*[case(row, f"network {addr}", filter_(f"Address Ignore {{ {key} {MARK}{addr} }}"), f"warning: {key}: {says}. This one has no effect")
	  for row, key, addr, says in (
		(107, "IPv4_address", "10.0.0.0/33", '"10.0.0.0/33": the prefix length must be a number from 0 to 32'),
		(107, "IPv6_address", "fd00::/129", '"fd00::/129": the prefix length must be a number from 0 to 128'),
		(109, "IPv4_address", "10.0.0.256",
		 '"10.0.0.256" is not an IPv4 address: its numbers must be at most 255'),
		(111, "IPv4_address", "010.0.0.1", '"010.0.0.1" has a number with a leading zero, .*: leave it out'),
		(112, "IPv4_address", "fd00::1", '"fd00::1" is an IPv6 address: use IPv6_address'),
		(112, "IPv6_address", "10.0.0.1", '"10.0.0.1" is an IPv4 address: use IPv4_address'))],
	*[case(row, f"network {addr}", filter_(f"Address Ignore {{ {key} {MARK}{addr} }}"), f"error: {key}: {says}")
	  for row, key, addr, says in (
		(108, "IPv4_address", "10.0.0.0/255.0.0.0",
		 '"10.0.0.0/255.0.0.0": write the length of the mask, 10.0.0.0/8'),
		(110, "IPv4_address", "10.0.0", '"10.0.0" is not an IPv4 address: four numbers are expected'),
		(113, "IPv6_address", "1:2:3:4:5:6:7:8:9", '"1:2:3:4:5:6:7:8:9" is not an IPv6 address'),
		(113, "IPv6_address", "::ffff:10.0.0.1", ".*is an IPv4 address in IPv6 form: write it as IPv4 address"))],
	case(114, "network twice", filter_("Address Ignore {\nIPv4_address 127.0.0.0/8\nIPv4_address 127.0.0.0/8\n}")),
	case(115, "bare address", filter_(f"Address Ignore {{ {MARK}10.0.0.1 }}"),
	     'error: "10.0.0.1": write IPv4_address 10.0.0.1'),
	case(116, "no for", filter_(f"State Accept {{ {MARK}ESTABLISHED }}"), 'error: "for TCP" is missing after the states'),
	*[case(116, f"for {n}", filter_(f"State Accept {{ ESTABLISHED for {MARK}{n} }}"),
	       f'error: "for {n}": only TCP has states here, write "for TCP"') for n in ("tcp", "UDP")],
	*[case(116, f"state {n}", filter_(f"State Accept {{ {MARK}{n} for TCP }}"),
	       f'error: unknown TCP state "{n}"{near}{STATES}')
	  for n, near in (("established", r', did you mean "ESTABLISHED"\?'), ("FOO", ""))],
	case(117, "no final states", filter_(f"{MARK}State Accept {{ ESTABLISHED for TCP }}"),
	     "warning: State lets neither TIME_WAIT nor CLOSED pass: .*"),
	case(118, "From userspace", filter_("Protocol Accept { TCP }", f"Filter From {MARK}userspace {{"),
	     'error: "From userspace": Userspace or Kernelspace is expected'),
)

KNOWN = r"\n\t\(known: amanda udp, .*, tns tcp\)"
HELPERS = (
	case(121, "unknown helper", helper(f"Type {MARK}foo inet tcp {{ }}"), f'error: unknown helper "foo"{KNOWN}'),
	case(121, "ftp over udp", helper(f"Type ftp inet {MARK}udp {{ }}"),
	     "error: helper ftp does not exist for udp, only for tcp"),
	case(122, "l3", helper(f"Type ftp {MARK}ipv4 tcp {{ }}"),
	     'error: unknown layer 3 protocol "ipv4": use inet or inet6'),
	case(122, "l4", helper(f"Type ftp inet {MARK}sctp {{ }}"), 'error: unknown layer 4 protocol "sctp": use tcp or udp'),
	case(123, "TCP", helper("Type ftp inet TCP { QueueNum 1 }")),
	case(124, "unknown policy", helper("Type ftp inet tcp {", f"Policy {MARK}foo {{ }}", "}"),
	     'error: unknown policy "foo": helper ftp has only "ftp"'),
	case(125, "empty policy", helper("Type ftp inet tcp {", "Policy ftp { }", "}")),
	case(126, "long policy name", helper("Type ftp inet tcp {", f"Policy {MARK}{'x' * 17} {{ }}", "}"),
	     'error: Policy "x{17}": names have at most 16 bytes'),
	case(127, "half a policy", helper("Type ftp inet tcp {", "Policy ftp { ExpectMax 5 }", "}")),
	case(129, "QueueNum 65536", helper(f"Type ftp inet tcp {{ QueueNum {MARK}65536 }}"),
	     'error: QueueNum: "65536" is out of range: 0 to 65535'),
	case(129, "QueueNum twice", helper("Type ftp inet tcp { QueueNum 5 }", f"{MARK}Type tftp inet udp {{ QueueNum 5 }}"),
	     "error: helper tftp: queue number 5 is already taken by another helper; set QueueNum"),
)

MISTAKES = THE_FILE + VALUES + PATHS + LINKS + FILTERS + HELPERS

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables of what `-s` shows. A row is
 *
 *   kind(structure, member, name, unit, text for people, help)
 *
 * The texts, one behind the other, are the layouts of 1.4.x: monitoring scripts parse them, not a
 * byte may move (tests/unit/command/values_test.c has them written out once more). Counters of
 * 1.4.x that cannot occur here (child processes: there are none; "entry not found") are text with a
 * 0, so that a script finds its line. What 1.4.x does not have stands behind everything else, or
 * has no text: then it is in JSON only. */
#include "command/values.h"

#include <inttypes.h>

#include "base/value_rows.h"
#include "follow/blind.h"
#include "control/verdict.h"
#include "command/role_command.h"
#include "command/status.h"
#include "follow/external_flush.h"

#define ZERO "           0\n"

/* ---- caches ---- */

#define S struct cache_values

static const struct value_row cache_rows[] = {
	WORD(S, name, "name", "cache %:\n",
	     "`internal`: states of this node, `external`: of its peers, `stats`: of the "
	     "statistics mode"),
	GAUGE(S, active, "active", "entries", "current active connections:\t%12\n",
	      "entries that live"),
	COUNTER(S, stats.created, "created", "entries", "connections created:\t\t%12",
		"entries created"),
	COUNTER(S, create_failed, "create_failed", "entries", "\tfailed:\t%12\n",
		"entries that found no place or no memory"),
	COUNTER(S, stats.updated, "updated", "entries", "connections updated:\t\t%12",
		"changes of entries"),
	TEXT("\tfailed:\t" ZERO),
	COUNTER(S, stats.destroyed, "destroyed", "entries", "connections destroyed:\t\t%12",
		"entries that ended"),
	TEXT("\tfailed:\t" ZERO "\n"),
	VALUE_END
};
const struct value_group cache_group = { .name = "cache_summary",
					 .help = "A cache.",
					 .rows = cache_rows };

static const struct value_row cache_detail_rows[] = {
	WORD(S, name, "name", "cache:%", "as in `cache_summary`"),
	GAUGE(S, records, "records", "entries", "\tactive objects:\t\t%12\n",
	      "entries, with those that have ended and whose end is not acknowledged yet"),
	GAUGE(S, active, "active", "entries", "\tactive/total entries:\t\t%12",
	      "entries that live"),
	AGAIN(S, records, "/%12\n"),
	COUNTER(S, stats.created, "created", "entries", "\tcreation OK/failed:\t\t%12",
		"entries created"),
	COUNTER(S, create_failed, "create_failed", "entries", "/%12\n",
		"entries that found no place or no memory"),
	COUNTER(S, stats.create_failed_memory, "create_failed_memory", "entries",
		"\t\tno memory available:\t%12\n", "of these, for want of memory"),
	COUNTER(S, stats.create_failed_limit, "create_failed_limit", "entries",
		"\t\tno space left in cache:\t%12\n", "of these, for HashLimit"),
	COUNTER(S, stats.parts_lost_memory, "parts_lost_memory", "entries", NULL,
		"entries stored without helper, labels or the like for want of memory"),
	COUNTER(S, stats.updated, "updated", "entries", "\tupdate OK/failed:\t\t%12",
		"changes of entries"),
	TEXT("/" ZERO "\t\tentry not found:\t" ZERO),
	COUNTER(S, stats.destroyed, "destroyed", "entries", "\tdeletion created/failed:\t%12",
		"entries that ended"),
	TEXT("/" ZERO "\t\tentry not found:\t" ZERO "\n"),
	GAUGE_IF_KNOWN(S, memory, "memory", "bytes", NULL, "what the table of flows takes"),
	GAUGE_IF_KNOWN(S, ends_of_others, "ends_of_others", "messages", NULL,
		       "ends told by another peer than the one that told the entry, which stays: "
		       "a counter of the external cache"),
	VALUE_END
};
const struct value_group cache_detail_group = {
	.name = "cache_detail",
	.help = "A cache, in detail.",
	.rows = cache_detail_rows,
};
#undef S

#define S struct bypass_values
static const struct value_row bypass_rows[] = {
	TEXT("internal bypass:\n"),
	COUNTER(S, created, "created", "messages", "connections new:\t\t%12\n",
		"messages about new flows"),
	COUNTER(S, updated, "updated", "messages", "connections updated:\t\t%12\n",
		"messages about changes"),
	COUNTER(S, destroyed, "destroyed", "messages", "connections destroyed:\t\t%12\n\n",
		"messages about ends"),
	VALUE_END
};
const struct value_group bypass_group = {
	.name = "bypass",
	.help = "In place of the internal cache (DisableInternalCache): messages made.",
	.rows = bypass_rows,
};
#undef S

#define S struct ct_inject_stats
static const struct value_row inject_rows[] = {
	TEXT("external inject:\n"),
	COUNTER(S, created, "created", "entries", "connections created:\t\t%12",
		"entries of the kernel created"),
	COUNTER(S, create_failed, "create_failed", "entries", "\tfailed:\t%12\n",
		"entries that the kernel refused"),
	COUNTER(S, updated, "updated", "entries", "connections updated:\t\t%12",
		"entries that were there: changed, left as they were further on, or replaced"),
	COUNTER(S, update_failed, "update_failed", "entries", "\tfailed:\t%12\n",
		"changes that the kernel refused"),
	COUNTER(S, destroyed, "destroyed", "entries", "connections destroyed:\t\t%12",
		"entries removed"),
	COUNTER(S, destroy_failed, "destroy_failed", "entries", "\tfailed:\t%12\n\n",
		"removals that the kernel refused"),
	VALUE_END
};
const struct value_group inject_group = {
	.name = "inject",
	.help = "In place of the external cache (DisableExternalCache): what the kernel answered.",
	.rows = inject_rows,
};
#undef S

#define S struct injected_values
static const struct value_row injected_rows[] = {
	TEXT("injected flows:\n"),
	GAUGE(S, peer_flows, "peers_only", "flows", "\tof the peers only:\t\t%12\n",
	      "flows in the kernel that only a peer has told of"),
	COUNTER(S, stats.in_use, "in_use", "flows", "\tended there, in use here:\t%12\n\n",
		"ends that were not carried out because the flow is in use here"),
	VALUE_END
};
const struct value_group injected_group = {
	.name = "injected",
	.help = "Flows of the peers in our kernel (DisableExternalCache).",
	.rows = injected_rows,
};
#undef S

#define S struct external_flush_values
static const struct value_row emptied_rows[] = {
	GAUGE_IF_KNOWN(S, ago_s, "ago_s", "s",
		       "cache external emptied:\t\t%12 s ago (-f): this node is active, ",
		       "since `-f`"),
	GAUGE_IF_KNOWN(S, asks_s, "asks_s", "s", "its peers are asked in % s\n\n",
		       "until the peers are asked to fill it again"),
	VALUE_END
};
const struct value_group external_flush_group = {
	.name = "emptied",
	.help = "The external cache was emptied on purpose.",
	.rows = emptied_rows,
};
#undef S

/* ---- traffic, links ---- */

#define S struct pipeline_stats
static const struct value_row traffic_rows[] = {
	TEXT("traffic processed:\n"),
	COUNTER(S, traffic_bytes, "bytes", "bytes", "%20 Bytes      ",
		"bytes of flows that ended (`nf_conntrack_acct`)"),
	COUNTER(S, traffic_packets, "packets", "packets", "%20 Pckts\n\n",
		"packets of flows that ended"),
	VALUE_END
};
const struct value_group traffic_group = {
	.name = "traffic",
	.help = "What passed the firewall, known when a flow ends.",
	.rows = traffic_rows,
};
#undef S

#define S struct link_values
static const struct value_row link_counters[] = {
	COUNTER(S, stats.sent_bytes, "sent_bytes", "bytes", "%20 Bytes sent ", "bytes sent"),
	COUNTER(S, stats.recv_bytes, "recv_bytes", "bytes", "%20 Bytes recv\n", "bytes received"),
	COUNTER(S, stats.sent_pkts, "sent_packets", "datagrams", "%20 Pckts sent ",
		"datagrams sent"),
	COUNTER(S, stats.recv_pkts, "recv_packets", "datagrams", "%20 Pckts recv\n",
		"datagrams received"),
	COUNTER(S, stats.sent_errors, "sent_errors", "datagrams", "%20 Error send ",
		"datagrams that could not be sent"),
	COUNTER(S, stats.recv_errors, "recv_errors", "datagrams", "%20 Error recv\n\n",
		"datagrams that could not be received"),
	VALUE_END
};

static const struct value_row link_rows[] = {
	WORD(S, stats.kind, "transport", "% traffic", "`multicast`, `UDP`, `TCP`"),
	WORD(S, stats.ifname, "device", " device=%", "its interface"),
	WORD(S, status, "status", " status=%", "`RUNNING`, `NO-CARRIER`, `DOWN`"),
	WORD(S, role, "role", " role=%:\n", "`ACTIVE`: it sends; `BACKUP`"),
	GAUGE(S, stats.mtu, "mtu", "bytes", NULL, "MTU of the way to the peer"),
	WORD_IF_KNOWN(S, server, "server", NULL,
		      "TCP: `connected` if the peer is connected to us, else `disconnected`"),
	WORD_IF_KNOWN(S, client, "client", NULL,
		      "TCP: `connected` if we are connected to the peer, else `disconnected`"),
	ROWS(link_counters),
	QUIET_YES_NO(S, stats.deaf, "deaf", "\tnothing was ever heard on this link\n",
		     "it sends, and nothing was ever heard on it"),
	QUIET_COUNTER(S, stats.refused_source, "refused_source", "datagrams",
		      "\trefused: % of others than the peer\n", "refused: not from the peer"),
	QUIET_COUNTER(S, stats.refused_interface, "refused_interface", "datagrams",
		      "\trefused: % on other interfaces\n", "refused: on another interface"),
	QUIET_COUNTER(S, stats.held_back, "held_back", "datagrams",
		      "\trefused: % of new nodes, until it was clear who they are\n",
		      "refused: of a node that has just appeared, until it was clear who it is"),
	QUIET_COUNTER(S, stats.own, "own", "datagrams", "\trefused: % of this node itself\n",
		      "refused: of this node itself"),
	QUIET_WORD(S, unsent, "unsent", "\tdatagrams cannot be sent: %\n",
		   "why datagrams do not leave; only while they do not"),
	{ .text = "\n", .type = VALUE_BOOL, .quiet = true, VALUE_AT(S, trouble) },
	VALUE_END
};
const struct value_group link_group = { .name = "link_detail",
					.help = "A dedicated link.",
					.rows = link_rows };

static const struct value_row active_link_rows[] = {
	WORD(S, stats.kind, "transport", "% traffic", "as in `link_detail`"),
	WORD(S, stats.ifname, "device", " (active device=%)", "its interface"),
	QUIET_WORD(S, server, "server", " server=%", "as in `link_detail`"),
	QUIET_WORD(S, client, "client", " client=%", "as in `link_detail`"),
	TEXT(":\n"),
	ROWS(link_counters),
	VALUE_END
};
const struct value_group active_link_group = {
	.name = "active_link",
	.help = "The link that sends.",
	.rows = active_link_rows,
};
#undef S

/* ---- messages ---- */

#define S struct sync_stats
static const struct value_row tracking_rows[] = {
	TEXT("message tracking:\n"),
	COUNTER(S, wire.malformed, "malformed", "messages", "%20 Malformed msgs ",
		"messages refused"),
	COUNTER(S, lost, "lost", "messages", "%20 Lost msgs\n\n",
		"messages found missing by their numbers"),
	VALUE_END
};
const struct value_group tracking_group = {
	.name = "tracking",
	.help = "Messages of the peers.",
	.rows = tracking_rows,
};

static const struct value_row received_rows[] = {
	TEXT("network statistics:\n\trecv:\n"),
	COUNTER(S, wire.malformed, "malformed", "messages", "\t\tMalformed messages:\t%20\n",
		"messages refused, the sum of those below"),
	COUNTER(S, wire.bad_version, "bad_version", "messages",
		"\t\tWrong protocol version:\t%20\n", "of another version of the protocol"),
	COUNTER(S, wire.bad_header, "bad_header", "messages", "\t\tMalformed header:\t%20\n",
		"their header is no header"),
	COUNTER(S, wire.bad_payload, "bad_payload", "messages", "\t\tMalformed payload:\t%20\n",
		"what they say is not understood"),
	COUNTER(S, wire.bad_type, "bad_type", "messages", "\t\tBad message type:\t%20\n",
		"of an unknown type"),
	COUNTER(S, wire.truncated, "truncated", "messages", "\t\tTruncated message:\t%20\n",
		"longer than their datagram"),
	COUNTER(S, wire.bad_size, "bad_size", "messages", "\t\tBad message size:\t%20\n",
		"of a length that cannot be"),
	COUNTER(S, wire.unknown_attr, "unknown_attributes", "attributes", NULL,
		"attributes skipped, the rest of the message was taken"),
	TEXT("\tsend:\n\t\tMalformed messages:\t                   0\n\n"),
	VALUE_END
};
const struct value_group received_group = {
	.name = "received",
	.help = "What was refused of what came over the links.",
	.rows = received_rows,
};

static const struct value_row sequence_rows[] = {
	TEXT("sequence tracking statistics:\n\trecv:\n"),
	COUNTER(S, lost, "lost", "messages", "\t\tPackets lost:\t\t%20\n",
		"messages found missing by their numbers"),
	COUNTER(S, before, "before", "messages", "\t\tPackets before:\t\t%20\n\n",
		"messages with an old number, dropped"),
	VALUE_END
};
const struct value_group sequence_group = {
	.name = "sequence",
	.help = "Numbers of the messages of the peers.",
	.rows = sequence_rows,
};

static const struct value_row repair_rows[] = {
	TEXT("sequence repair statistics:\n\trecv:\n"),
	COUNTER(S, repaired, "repaired", "messages", "\t\tPackets repaired:\t%20\n",
		"messages that were lost and told again, by a repetition or in a full table"),
	COUNTER(S, reordered, "reordered", "messages", "\t\tPackets reordered:\t%20\n\n",
		"messages that were late, and in time"),
	VALUE_END
};
const struct value_group repair_group = {
	.name = "repair",
	.help = "What became of lost messages.",
	.rows = repair_rows,
};

static const struct value_row replication_rows[] = {
	COUNTER(S, sent_msgs, "sent", "messages", NULL, "messages sent"),
	COUNTER(S, recv_msgs, "received", "messages", NULL, "messages accepted"),
	COUNTER(S, resent, "resent", "messages", NULL,
		"messages sent again because a peer missed them"),
	COUNTER(S, unrepairable, "unrepairable", "requests", NULL,
		"requests to repeat what could not be repeated any more"),
	COUNTER(S, nack_sent, "nacks_sent", "messages", NULL, "requests to repeat something, ours"),
	COUNTER(S, nack_recv, "nacks_received", "messages", NULL,
		"requests to repeat something, of the peers"),
	COUNTER(S, resync_asked, "resyncs_asked", "requests", NULL, "full tables asked for, by us"),
	COUNTER(S, resync_done, "resyncs_done", "requests", NULL, "of these, answered in full"),
	COUNTER(S, resync_failed, "resyncs_failed", "requests", NULL,
		"of these, not answered in full"),
	COUNTER(S, bulk_started, "bulks_started", "sends", NULL, "full tables sent"),
	COUNTER(S, bulk_done, "bulks_done", "sends", NULL, "of these, to their end"),
	COUNTER(S, bulk_flows, "bulk_flows", "messages", NULL, "flows told in them"),
	COUNTER(S, restarts, "restarts", "lives", NULL,
		"peers that started again, or whose numbers had to be picked up anew"),
	COUNTER(S, other_mode, "other_mode", "messages", NULL,
		"messages of a peer that speaks another mode"),
	COUNTER(S, peers_refused, "peers_refused", "sources", NULL,
		"nodes beyond the number that can be kept apart"),
	VALUE_END
};
const struct value_group replication_group = {
	.name = "replication",
	.help = "What replication has done.",
	.rows = replication_rows,
};
#undef S

#define S struct unsent_values
static const struct value_row unsent_rows[] = {
	GAUGE_IF_KNOWN(S, indistinct, "indistinct", "flows", NULL,
		       "flows that a peer could not tell apart, now"),
	COUNTER(S, indistinct_total, "indistinct_total", "flows", NULL, "such flows so far"),
	COUNTER(S, helpers, "helper_names", "messages", NULL,
		"messages without the helper's name, which is too long for 1.4.x"),
	GAUGE_IF_KNOWN(S, zoned, "zoned", "flows", NULL, "flows with a zone of one direction, now"),
	COUNTER(S, zoned_total, "zoned_total", "flows", NULL, "such flows so far"),
	VALUE_END
};
#undef S

/* Only where there is something to say. */
static void unsent_prose(const void *of, struct text *out)
{
	const struct unsent_values *u = of;

	if (u->indistinct_total == 0 && u->zoned_total == 0 && u->helpers == 0)
		return;
	text_str(out, "not replicated:\n\tsend:\n");
	text_printf(out, "\t\tIndistinct flows now:\t%20" PRIu64 "\n",
		    u->indistinct < 0 ? 0 : (uint64_t)u->indistinct);
	text_printf(out, "\t\tIndistinct flows so far:%20" PRIu64 "\n", u->indistinct_total);
	text_printf(out, "\t\tLong helper names:\t%20" PRIu64 "\n", u->helpers);
	if (u->cached)
		text_printf(out, "\t\tZones of one direction now:\t%12" PRIu64 "\n",
			    (uint64_t)u->zoned);
	text_printf(out, "\t\tZones of one direction so far:\t%12" PRIu64 "\n\n", u->zoned_total);
}

const struct value_group unsent_group = {
	.name = "not_replicated",
	.help = "What the protocol cannot carry.",
	.rows = unsent_rows,
	.prose = unsent_prose,
};

/* ---- queues ---- */

#define S struct sync_queues
static const struct value_row queue_nodes_rows[] = { GAUGE(S, control, "control", "messages",
							   "allocated queue nodes:\t\t%12\n\n",
							   "control messages in all queues"),
						     VALUE_END };
const struct value_group queue_nodes_group = {
	.name = "queue_nodes",
	.help = "What waits besides states.",
	.rows = queue_nodes_rows,
};
#undef S

#define S struct queue_values
static const struct value_row queue_rows[] = {
	WORD(S, name, "name", "queue %:\n",
	     "`txqueue`: to be sent, `errorq`: waits for a TCP connection, `rsqueue`: not "
	     "acknowledged (FTFW)"),
	GAUGE(S, length, "length", "elements", "current elements:\t\t%12\n", "elements now"),
	GAUGE(S, max, "max", "elements", "maximum elements:\t\t%12\n", "elements at most"),
	COUNTER(S, refused, "given_up", "elements", "not enough space errors:\t%12\n\n",
		"elements given up for want of room"),
	VALUE_END
};
const struct value_group queue_group = { .name = "queue_detail",
					 .help = "A queue.",
					 .rows = queue_rows };
#undef S

/* ---- the process ---- */

static const struct value_row uptime_rows[] = { GAUGE_IF_KNOWN(struct uptime_values, seconds,
							       "uptime_s", "s", NULL,
							       "since the start of the daemon"),
						VALUE_END };

static void uptime_prose(const void *of, struct text *out)
{
	int64_t seconds = ((const struct uptime_values *)of)->seconds;
	int64_t days = seconds / 86400, hours = seconds / 3600 % 24, minutes = seconds / 60 % 60;

	text_str(out, "daemon uptime: ");
	if (days > 0)
		text_printf(out, "%" PRId64 " day%s ", days, days == 1 ? "" : "s");
	if (hours > 0)
		text_printf(out, "%" PRId64 " h ", hours);
	text_printf(out, "%" PRId64 " min\n\n", minutes);
}

const struct value_group uptime_group = {
	.name = "process",
	.help = "The process.",
	.rows = uptime_rows,
	.prose = uptime_prose,
};

#define S struct runtime_values
static const struct value_row netlink_rows[] = {
	TEXT("netlink stats:\n"),
	COUNTER(S, events.received, "received", "events", "\tevents received:\t%20\n",
		"events of the kernel read"),
	COUNTER(S, filtered, "filtered", "events", "\tevents filtered:\t%20\n",
		"events that Filter has left out"),
	COUNTER(S, events.unknown_type, "unknown_type", "events", "\tevents unknown type:\t\t%12\n",
		"events that are not understood"),
	COUNTER(S, events.malformed, "malformed", "events", NULL,
		"events without what every flow has"),
	COUNTER(S, events.read_failed, "read_failed", "reads", "\tcatch event failed:\t\t%12\n",
		"failed reads, overruns included"),
	TEXT("\tdump unknown type:\t\t" ZERO),
	COUNTER(S, events.overruns, "overruns", "overruns", "\tnetlink overrun:\t\t%12\n",
		"times the kernel dropped events because the buffer was full"),
	COUNTER(S, takeover.kernel_flushes, "kernel_flushes", "flushes",
		"\tflush kernel table:\t\t%12\n",
		"flushes of the kernel table: `-F`, or `-t` that was due"),
	COUNTER(S, resyncs, "resyncs", "comparisons", "\tresync with kernel table:\t%12\n",
		"comparisons with the kernel table, asked for or after an overrun"),
	COUNTER(S, reconcile.passes, "comparisons", "comparisons", NULL,
		"all comparisons with the kernel table"),
	COUNTER(S, reconcile.gone, "ended_unseen", "flows", NULL,
		"flows whose end only a comparison has shown"),
	GAUGE(S, events.buffer_bytes, "buffer_bytes", "bytes",
	      "\tcurrent buffer size (in bytes):\t%12\n\n",
	      "receive buffer of the event socket, as the kernel counts it"),
	VALUE_END
};
const struct value_group netlink_group = { .name = "netlink",
					   .help = "What the kernel tells.",
					   .rows = netlink_rows };

static const struct value_row loop_rows[] = {
	TEXT("runtime stats:\n"),
	TEXT("\tchild process failed:\t\t" ZERO),
	TEXT("\t\tchild process segfault:\t" ZERO),
	TEXT("\t\tchild process termsig:\t" ZERO),
	COUNTER(S, loop.turns, "turns", "turns", NULL, "turns of the event loop"),
	COUNTER(S, loop.select_failed, "select_failed", "calls", "\tselect failed:\t\t\t%12\n",
		"failures of `pselect()`"),
	TEXT("\twait failed:\t\t\t" ZERO),
	COUNTER(S, loop.slow_callbacks, "slow_callbacks", "calls", NULL,
		"pieces of work longer than 50 ms"),
	GAUGE(S, loop.worst_us, "worst_us", "us", NULL, "the longest piece of work so far"),
	COUNTER(S, socket.no_request, "no_request", "connections", "\tlocal read failed:\t\t%12\n",
		"connections to the control socket without a request"),
	COUNTER(S, socket.unknown_request, "unknown_request", "requests",
		"\tlocal unknown request:\t\t%12\n\n", "requests that are not known"),
	COUNTER(S, socket.refused, "refused", "requests", NULL,
		"changes asked for by one who may only read (`UNIX Group`)"),
	GAUGE(S, socket.clients, "clients", "connections", NULL,
	      "connections to the control socket now"),
	COUNTER(S, socket.no_place, "no_place", "connections", NULL,
		"users who may only read, when too many of them were being served"),
	VALUE_END
};
const struct value_group loop_group = { .name = "loop",
					.help = "The event loop and the control socket.",
					.rows = loop_rows };
#undef S

#define S struct node_values
static const struct value_row node_rows[] = {
	YES_NO(S, active, "active", NULL, "this node forwards: the last role command was `-c`"),
	GAUGE_IF_KNOWN(S, active_s, "active_s", "s", NULL, "since it is active"),
	WORD_IF_KNOWN(S, by, "by", NULL, "option of the last role command"),
	GAUGE_IF_KNOWN(S, purge_s, "purge_s", "s", NULL,
		       "until the flush of the kernel table that `-t` has scheduled; 0: it is due"),
	COUNTER(S, purges_ignored, "purges_ignored", "commands", NULL,
		"`-t` in the statistics mode, where nothing is scheduled"),
	VALUE_END
};
#undef S

static void node_prose(const void *of, struct text *out)
{
	const struct node_values *n = of;

	if (n->active)
		text_printf(out, "\tactive:\t\t\t\tfor %" PRId64 " s\n", n->active_s);
	else if (n->by)
		text_printf(out, "\tactive:\t\t\t\tno, by %s\n", n->by);
	if (n->purge_s > 0)
		text_printf(out, "\tflush of the kernel table (-t):\tin %" PRId64 " s\n",
			    n->purge_s);
	else if (n->purge_s == 0)
		text_str(out, "\tflush of the kernel table (-t):\tdue\n");
	if (n->purges_ignored > 0)
		text_printf(
			out,
			"\tflush of the kernel table (-t):\tnever in the statistics mode, %" PRIu64
			" ignored\n",
			n->purges_ignored);
}

const struct value_group node_group = {
	.name = "node",
	.help = "What this node is.",
	.rows = node_rows,
	.prose = node_prose,
};

#define S struct job_values
static const struct value_row job_rows[] = {
	WORD(S, name, "name", NULL, "what is done"),
	WORD(S, state, "state", NULL, "`runs`, `waits`"),
	GAUGE_IF_KNOWN(S, done, "done", "entries", NULL, "so many of them are done"),
	GAUGE_IF_KNOWN(S, total, "total", "entries", NULL, "entries to go through"), VALUE_END
};
#undef S

static void job_prose(const void *of, struct text *out)
{
	const struct job_values *j = of;

	if (j->total > 0)
		text_printf(out, "\t%s:\t%" PRId64 " of %" PRId64 "\n", j->name, j->done, j->total);
	else
		text_printf(out, "\t%s:\t%s\n", j->name, j->state);
}

const struct value_group job_group = {
	.name = "job",
	.help = "Long work that was asked for.",
	.rows = job_rows,
	.prose = job_prose,
};

/* ---- helpers ---- */

#define S struct helper_values
static const struct value_row helper_rows[] = {
	WORD(S, name, "name", "helper %", "of the helper"),
	WORD(S, family, "family", " %", "`inet`, `inet6`"),
	WORD(S, protocol, "protocol", " %:\n", "`tcp`, `udp`"),
	GAUGE(S, queue_num, "queue", "number", "\tqueue number:\t\t\t%12\n",
	      "number of its packet queue"),
	COUNTER(S, packets, "packets", "packets", "\tpackets:\t\t\t%12\n",
		"packets of connections that have it"),
	COUNTER(S, mangled, "mangled", "packets", "\t\tmangled:\t\t%12\n",
		"of these, left with another address or port"),
	COUNTER(S, unreadable, "unreadable", "packets", "\t\tnot readable:\t\t%12\n",
		"of these, neither whole nor of its protocol; they passed"),
	COUNTER(S, verdicts, "verdicts", "messages", "\tverdict messages:\t\t%12\n",
		"messages with verdicts; one may be for many packets"),
	COUNTER(S, made, "made", "expectations", "\texpectations made:\t\t%12\n",
		"connections that were announced"),
	COUNTER(S, refreshed, "refreshed", "expectations", "\texpectations refreshed:\t\t%12\n",
		"connections that were announced again"),
	COUNTER(S, refused, "refused", "expectations", "\texpectations refused:\t\t%12\n",
		"connections that were announced, and that the kernel does not expect"),
	QUIET_COUNTER(
		S, taken, "refused_taken", "expectations", "\t\tfor another one:\t%12\n",
		"of these, expected already for another connection, and no other port will do"),
	QUIET_COUNTER(S, full, "refused_full", "expectations", "\t\ttable full:\t\t%12\n",
		      "of these, because of nf_conntrack_expect_max"),
	QUIET_COUNTER(S, split, "refused_split", "expectations", "\t\tin pieces, with NAT:\t%12\n",
		      "of these, announced in so many pieces that part had left untranslated"),
	QUIET_COUNTER(
		S, no_nat, "refused_no_nat", "expectations", "\t\tno function for NAT:\t%12\n",
		"of these, for want of the kernel's function that translates them (nf_nat_sip)"),
	QUIET_COUNTER(S, other, "refused_other", "expectations", "\t\tother reasons:\t\t%12\n",
		      "of these, for other reasons"),
	GAUGE(S, waiting, "waiting", "packets", "\tqueue, waiting:\t\t\t%12\n",
	      "packets that wait for the daemon"),
	COUNTER(S, dropped_length, "dropped_length", "packets",
		"\tqueue, dropped for its length:\t%12\n",
		"packets dropped because as many as QueueLen waited"),
	COUNTER(S, dropped_socket, "dropped_socket", "packets",
		"\tqueue, dropped by the socket:\t%12\n\n",
		"packets dropped because the daemon did not read them in time"),
	VALUE_END
};
const struct value_group helper_group = {
	.name = "helper",
	.help = "A helper in user space.",
	.rows = helper_rows,
};
#undef S

/* ---- the gate ---- */

#define S struct gating_values
static const struct value_row gate_rows[] = {
	WORD(S, state, "state", "gate:\t\t\t\t%\n",
	     "`open`: nothing is held; `closed`: backup; `opening`: a commit runs; `draining`: "
	     "what has "
	     "waited passes"),
	GAUGE(S, holds, "held_now", "packets", "\tpackets held:\t\t\t%12\n",
	      "packets that are held at the moment"),
	GAUGE(S, holds_tuples, "tuples_now", "tuples", "\t\tof so many flows:\t%12\n",
	      "directions of flows that these belong to"),
	COUNTER(S, gate.packets, "packets", "packets", "\tpackets:\t\t\t%12\n",
		"packets that came to the queue"),
	COUNTER(S, gate.exempt, "exempt", "packets", "\t\tnever held:\t\t%12\n",
		"of these, to this node's own addresses, multicast and the like"),
	COUNTER(S, gate.held, "held", "packets", "\t\theld:\t\t\t%12\n", "of these, had to wait"),
	COUNTER(S, gate.passed_new, "passed_new", "packets", "\t\tof new flows:\t\t%12\n",
		"of these that were held, passed as flows that no node knew"),
	COUNTER(S, gate.ahead, "ahead", "commits", "\tcommitted ahead:\t\t%12\n",
		"times that the flow of a packet was committed before the others"),
	COUNTER(S, ahead.committed, "flows", "flows", "\t\tflows:\t\t\t%12\n",
		"flows that were committed so, with masters and those whose NAT ports a new flow "
		"could "
		"have taken"),
	COUNTER(S, ahead.failed, "failed", "flows", "\t\tfailed:\t\t\t%12\n",
		"flows that the kernel has refused then"),
	COUNTER(S, gate.sweeps, "sweeps", "sweeps", "\t\tfor new flows:\t\t%12\n",
		"times that flows were committed because of new ones"),
	COUNTER(S, gate.dropped_full, "dropped_full", "packets", "\tdropped, no room:\t\t%12\n",
		"packets dropped because of QueueLen"),
	COUNTER(S, gate.dropped_late, "dropped_late", "packets", "\tdropped, too late:\t\t%12\n",
		"packets dropped because their flow was not certain in time"),
	COUNTER(S, gate.dropped_refused, "dropped_refused", "packets",
		"\tdropped, flow refused:\t\t%12\n",
		"packets dropped because the kernel has refused their flow"),
	COUNTER(S, dropped_kernel, "dropped_kernel", "packets", "\tdropped by the kernel:\t\t%12\n",
		"packets dropped because the kernel's queue or its socket had no room"),
	GAUGE(S, gate.longest_ms, "longest_ms", "milliseconds", "\tlongest wait in ms:\t\t%12\n",
	      "the longest wait of a packet that has passed, since the gate was closed last"),
	GAUGE(S, ahead.index_bytes, "index_bytes", "bytes", "\tindex, bytes:\t\t\t%12\n",
	      "memory of the index by reply tuple; 0: the gate is open"),
	WORD_IF_KNOWN(S, lacks, "lacks", "\tcannot be closed: %\n",
		      "why the gate cannot be closed"),
	VALUE_END
};
const struct value_group gate_group = {
	.name = "packet_gate",
	.help = "The gate of this node.",
	.rows = gate_rows,
};
#undef S

#define S struct awaiting_values
static const struct value_row wait_rows[] = {
	GAUGE(S, holds, "held_now", "packets",
	      "gate, both nodes active:\n\tpackets held:\t\t\t%12\n",
	      "packets that wait at the moment"),
	COUNTER(S, await.packets, "packets", "packets", "\tpackets:\t\t\t%12\n",
		"packets that came to the queue"),
	COUNTER(S, await.asked, "asked", "questions", "\tquestions to the kernel:\t%12\n",
		"times that the kernel was asked for an entry"),
	COUNTER(S, await.waited, "waited", "packets", "\twaited:\t\t\t\t%12\n",
		"packets that were ahead of their state"),
	COUNTER(S, await.in_time, "in_time", "packets", "\t\tstate came in time:\t%12\n",
		"of these, passed because the state came"),
	COUNTER(S, await.late, "late", "packets", "\t\tstate did not:\t\t%12\n",
		"of these, passed after Wait, without it"),
	COUNTER(S, await.no_room, "no_room", "packets", "\tno room to wait:\t\t%12\n",
		"packets that passed at once because as many as QueueLen waited"),
	COUNTER(S, dropped_kernel, "dropped_kernel", "packets", "\tdropped by the kernel:\t\t%12\n",
		"packets dropped because the kernel's queue or its socket had no room"),
	VALUE_END
};
const struct value_group wait_group = {
	.name = "wait",
	.help = "Packets that are ahead of their states, where both nodes are active.",
	.rows = wait_rows,
};
#undef S

const struct value_group *const value_groups[] = {
	&cache_group,	       &cache_detail_group,   &bypass_group,
	&inject_group,	       &injected_group,	      &completeness_group,
	&external_flush_group, &traffic_group,	      &link_group,
	&active_link_group,    &tracking_group,	      &received_group,
	&sequence_group,       &repair_group,	      &replication_group,
	&unsent_group,	       &queue_nodes_group,    &queue_group,
	&helper_group,	       &gate_group,	      &wait_group,
	&uptime_group,	       &netlink_group,	      &loop_group,
	&blind_group,	       &node_group,	      &job_group,
	&standing_group,       &peer_group,	      &stranger_group,
	&verdict_group,	       &verdict_reason_group, &status_group,
	&commit_group,	       &refusal_group,	      &line_group,
	&role_group,	       &role_change_group,    NULL
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The layouts of -s, written out once more with a number of its own in each place: monitoring
 * scripts parse them, so not a byte may move. And what every table has to have. */
#include "command/values.h"

#include <string.h>

#include "follow/blind.h"
#include "follow/external_flush.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void shows(const struct value_group *g, const void *of, const char *want)
{
	struct text out = { 0 };
	struct values v;

	values_begin(&v, &values_text, "x", 1, &out);
	values_group(&v, "x", g, of);
	values_end(&v);
	assert_string_equal(out.buf ? out.buf : "", want);
	text_free(&out);
}

static void caches(void **state)
{
	const struct cache_values c = {
		.name = "internal",
		.active = 1,
		.records = 12,
		.create_failed = 7,
		.stats = { .created = 3,
			   .create_failed_limit = 4,
			   .create_failed_memory = 5,
			   .updated = 6,
			   .destroyed = 8 },
	};
	const struct bypass_values b = { 1, 22, 333 };
	const struct ct_inject_stats i = { 1, 2, 3, 4, 5, 6, 7 };
	const struct injected_values in = { 8, i };
	const struct external_flush_values e = { 9, 10 };

	(void)state;
	shows(&cache_group, &c,
	      "cache internal:\n"
	      "current active connections:\t           1\n"
	      "connections created:\t\t           3\tfailed:\t           7\n"
	      "connections updated:\t\t           6\tfailed:\t           0\n"
	      "connections destroyed:\t\t           8\tfailed:\t           0\n\n");
	shows(&cache_detail_group, &c,
	      "cache:internal\tactive objects:\t\t          12\n"
	      "\tactive/total entries:\t\t           1/          12\n"
	      "\tcreation OK/failed:\t\t           3/           7\n"
	      "\t\tno memory available:\t           5\n"
	      "\t\tno space left in cache:\t           4\n"
	      "\tupdate OK/failed:\t\t           6/           0\n"
	      "\t\tentry not found:\t           0\n"
	      "\tdeletion created/failed:\t           8/           0\n"
	      "\t\tentry not found:\t           0\n\n");
	shows(&bypass_group, &b,
	      "internal bypass:\n"
	      "connections new:\t\t           1\n"
	      "connections updated:\t\t          22\n"
	      "connections destroyed:\t\t         333\n\n");
	shows(&inject_group, &i,
	      "external inject:\n"
	      "connections created:\t\t           1\tfailed:\t           2\n"
	      "connections updated:\t\t           3\tfailed:\t           4\n"
	      "connections destroyed:\t\t           5\tfailed:\t           6\n\n");
	shows(&injected_group, &in,
	      "injected flows:\n"
	      "\tof the peers only:\t\t           8\n"
	      "\tended there, in use here:\t           7\n\n");
	shows(&external_flush_group, &e,
	      "cache external emptied:\t\t           9 s ago (-f): this node is active, its peers "
	      "are asked in 10 s\n\n");
}

static void links(void **state)
{
	struct link_values l = {
		.status = "NO-CARRIER",
		.role = "BACKUP",
		.stats = { .kind = "TCP",
			   .ifname = "eth1",
			   .sent_bytes = 1,
			   .recv_bytes = 2,
			   .sent_pkts = 3,
			   .recv_pkts = 4,
			   .sent_errors = 5,
			   .recv_errors = 6 },
	};
	const struct pipeline_stats p = { .traffic_bytes = 1, .traffic_packets = 2 };

	(void)state;
#define LINK_COUNTERS \
	"                   1 Bytes sent                    2 Bytes recv\n" \
	"                   3 Pckts sent                    4 Pckts recv\n" \
	"                   5 Error send                    6 Error recv\n\n"
	shows(&link_group, &l,
	      "TCP traffic device=eth1 status=NO-CARRIER role=BACKUP:\n" LINK_COUNTERS);
	shows(&active_link_group, &l, "TCP traffic (active device=eth1):\n" LINK_COUNTERS);
	l.server = "connected";
	l.client = "disconnected";
	shows(&active_link_group, &l,
	      "TCP traffic (active device=eth1) server=connected "
	      "client=disconnected:\n" LINK_COUNTERS);
	l.trouble = l.stats.deaf = true;
	l.stats.refused_source = 7;
	l.stats.refused_interface = 8;
	l.stats.held_back = 9;
	l.stats.own = 10;
	l.unsent = "No route to host";
	shows(&link_group, &l,
	      "TCP traffic device=eth1 status=NO-CARRIER role=BACKUP:\n" LINK_COUNTERS
	      "\tnothing was ever heard on this link\n"
	      "\trefused: 7 of others than the peer\n"
	      "\trefused: 8 on other interfaces\n"
	      "\trefused: 9 of new nodes, until it was clear who they are\n"
	      "\trefused: 10 of this node itself\n"
	      "\tdatagrams cannot be sent: No route to host\n\n");
	shows(&traffic_group, &p,
	      "traffic processed:\n                   1 Bytes                         2 Pckts\n\n");
}

static void messages(void **state)
{
	const struct sync_stats s = {
		.wire = { .malformed = 1,
			  .bad_version = 2,
			  .bad_header = 3,
			  .bad_payload = 4,
			  .bad_type = 5,
			  .truncated = 6,
			  .bad_size = 7 },
		.lost = 8,
		.before = 9,
		.repaired = 10,
		.reordered = 11,
	};
	struct unsent_values u = { .cached = true,
				   .indistinct = 1,
				   .indistinct_total = 2,
				   .helpers = 3,
				   .zoned = 4,
				   .zoned_total = 5 };

	(void)state;
	shows(&tracking_group, &s,
	      "message tracking:\n                   1 Malformed msgs                    8 Lost "
	      "msgs\n\n");
	shows(&received_group, &s,
	      "network statistics:\n\trecv:\n"
	      "\t\tMalformed messages:\t                   1\n"
	      "\t\tWrong protocol version:\t                   2\n"
	      "\t\tMalformed header:\t                   3\n"
	      "\t\tMalformed payload:\t                   4\n"
	      "\t\tBad message type:\t                   5\n"
	      "\t\tTruncated message:\t                   6\n"
	      "\t\tBad message size:\t                   7\n"
	      "\tsend:\n\t\tMalformed messages:\t                   0\n\n");
	shows(&sequence_group, &s,
	      "sequence tracking statistics:\n\trecv:\n"
	      "\t\tPackets lost:\t\t                   8\n"
	      "\t\tPackets before:\t\t                   9\n\n");
	shows(&repair_group, &s,
	      "sequence repair statistics:\n\trecv:\n"
	      "\t\tPackets repaired:\t                  10\n"
	      "\t\tPackets reordered:\t                  11\n\n");
	shows(&replication_group, &s, "");
	shows(&unsent_group, &u,
	      "not replicated:\n\tsend:\n"
	      "\t\tIndistinct flows now:\t                   1\n"
	      "\t\tIndistinct flows so far:                   2\n"
	      "\t\tLong helper names:\t                   3\n"
	      "\t\tZones of one direction now:\t           4\n"
	      "\t\tZones of one direction so far:\t           5\n\n");
	u = (struct unsent_values){ .indistinct = -1, .zoned = -1, .zoned_total = 5 };
	shows(&unsent_group, &u,
	      "not replicated:\n\tsend:\n"
	      "\t\tIndistinct flows now:\t                   0\n"
	      "\t\tIndistinct flows so far:                   0\n"
	      "\t\tLong helper names:\t                   0\n"
	      "\t\tZones of one direction so far:\t           5\n\n");
	u.zoned_total = 0;
	shows(&unsent_group, &u, "");
}

static void queues(void **state)
{
	const struct sync_queues q = { .control = 1 };
	const struct queue_values t = { "txqueue", 2, INT32_MAX, 3 };

	(void)state;
	shows(&queue_nodes_group, &q, "allocated queue nodes:\t\t           1\n\n");
	shows(&queue_group, &t,
	      "queue txqueue:\n"
	      "current elements:\t\t           2\n"
	      "maximum elements:\t\t  2147483647\n"
	      "not enough space errors:\t           3\n\n");
}

static void process(void **state)
{
	const struct runtime_values r = {
		.filtered = 2,
		.resyncs = 7,
		.events = { .received = 1,
			    .unknown_type = 3,
			    .read_failed = 4,
			    .overruns = 5,
			    .buffer_bytes = 8 },
		.takeover = { .kernel_flushes = 6 },
		.loop = { .select_failed = 9 },
		.socket = { .no_request = 10, .unknown_request = 11 },
	};
	struct uptime_values up = { 59 };
	struct node_values n = { .active = true, .active_s = 5, .by = "-c", .purge_s = -1 };

	(void)state;
	shows(&netlink_group, &r,
	      "netlink stats:\n"
	      "\tevents received:\t                   1\n"
	      "\tevents filtered:\t                   2\n"
	      "\tevents unknown type:\t\t           3\n"
	      "\tcatch event failed:\t\t           4\n"
	      "\tdump unknown type:\t\t           0\n"
	      "\tnetlink overrun:\t\t           5\n"
	      "\tflush kernel table:\t\t           6\n"
	      "\tresync with kernel table:\t           7\n"
	      "\tcurrent buffer size (in bytes):\t           8\n\n");
	shows(&loop_group, &r,
	      "runtime stats:\n"
	      "\tchild process failed:\t\t           0\n"
	      "\t\tchild process segfault:\t           0\n"
	      "\t\tchild process termsig:\t           0\n"
	      "\tselect failed:\t\t\t           9\n"
	      "\twait failed:\t\t\t           0\n"
	      "\tlocal read failed:\t\t          10\n"
	      "\tlocal unknown request:\t\t          11\n\n");
	shows(&uptime_group, &up, "daemon uptime: 0 min\n\n");
	up.seconds = 86400 + 3 * 3600 + 60;
	shows(&uptime_group, &up, "daemon uptime: 1 day 3 h 1 min\n\n");
	up.seconds = 2 * 86400 + 120;
	shows(&uptime_group, &up, "daemon uptime: 2 days 2 min\n\n");
	shows(&node_group, &n, "\tactive:\t\t\t\tfor 5 s\n");
	n = (struct node_values){ .active_s = -1, .by = "-t", .purge_s = 60 };
	shows(&node_group, &n,
	      "\tactive:\t\t\t\tno, by -t\n\tflush of the kernel table (-t):\tin 60 s\n");
	n = (struct node_values){ .active_s = -1, .purge_s = 0, .purges_ignored = 2 };
	shows(&node_group, &n,
	      "\tflush of the kernel table (-t):\tdue\n"
	      "\tflush of the kernel table (-t):\tnever in the statistics mode, 2 ignored\n");
	shows(&job_group, &(struct job_values){ "commit", "runs", 3, 4 }, "\tcommit:\t3 of 4\n");
	shows(&job_group, &(struct job_values){ "commit", "waits", -1, -1 }, "\tcommit:\twaits\n");
}

/* ---- every table ---- */

static void check_row(const struct value_group *g, const struct value_row *r)
{
	for (const char *p = r->name; p && *p; p++)
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789_", *p))
			fail_msg("%s.%s: a name like no other", g->name, r->name);
	if (r->name && (!r->help || !r->help[0] || r->help[strlen(r->help) - 1] == '.' ||
			strchr(r->help, '|')))
		fail_msg("%s.%s: its help is no line of the page", g->name, r->name);
	if (r->name && r->kind == VALUE_COUNTER && !r->unit)
		fail_msg("%s.%s: a counter of what?", g->name, r->name);
	if (r->type == VALUE_UINT && r->size != 8 && r->size != 4 && r->size != 2 && r->size != 1)
		fail_msg("%s.%s: no integer", g->name, r->name);
	if (r->unit && strcmp(r->unit, "s") == 0 &&
	    strcmp(r->name + strlen(r->name) - 2, "_s") != 0)
		fail_msg("%s.%s: seconds, and its name does not say so", g->name, r->name);
	if (r->text && strchr(r->text, '%') != strrchr(r->text, '%'))
		fail_msg("%s.%s: a second place for one value", g->name, r->name);
}

static void check_rows(const struct value_group *g, const struct value_row *r)
{
	for (; r->name || r->text || r->rows; r++) {
		if (r->rows)
			check_rows(g, r->rows);
		else
			check_row(g, r);
		for (const struct value_row *other = g->rows;
		     r->name && other != r && (other->name || other->text || other->rows); other++)
			if (other->name && strcmp(other->name, r->name) == 0)
				fail_msg("%s.%s: twice", g->name, r->name);
	}
}

static void every_table(void **state)
{
	(void)state;
	for (size_t i = 0; value_groups[i]; i++) {
		assert_non_null(value_groups[i]->name);
		assert_non_null(value_groups[i]->help);
		check_rows(value_groups[i], value_groups[i]->rows);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(value_groups[i]->name, value_groups[k]->name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(caches), cmocka_unit_test(links),   cmocka_unit_test(messages),
		cmocka_unit_test(queues), cmocka_unit_test(process), cmocka_unit_test(every_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

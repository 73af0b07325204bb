/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which facts are reasons of --health and --ready, and how bad; what is no reason is tried as
 * well. */
#include "command/health.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cache/whole.h"

#define S(n) ((struct mono){ .ns = (n)*MONO_NS_PER_S })
#define NOW  S(1000)

/* Exactly one reason, or, name NULL, none. */
static void is(const char *what, const struct verdict *v, enum verdict_status status,
	       const char *name, const char *text)
{
	if (!name && v->n == 0 && v->status == VERDICT_OK)
		return;
	if (!name || v->n != 1 || v->status != status || strcmp(v->reason[0].name, name) != 0 ||
	    !strstr(v->reason[0].text, text))
		fail_msg("%s: %zu reasons, status %d, %s: %s", what, v->n, (int)v->status,
			 v->n ? v->reason[0].name : "", v->n ? v->reason[0].text : "");
}

/* ---- peers ---- */

static void peers(void **state)
{
	static const struct {
		enum standing_state state;
		int for_s;
		const char *name, *text;
	} rows[] = {
		{ STANDING_UNKNOWN, 1, NULL, NULL },
		{ STANDING_IN_SYNC, 1, NULL, NULL },
		{ STANDING_SENDING, 59, NULL, NULL },
		{ STANDING_SENDING, 60, "peer_sending", "gets our full table for 60 s" },
		{ STANDING_UNPROVEN, 1, "peer_unproven", "not proven" },
		{ STANDING_RECEIVING, 1, "peer_receiving", "is coming for 1 s" },
		{ STANDING_UNSERVED, 1, "peer_unserved", "asks for" },
		{ STANDING_FAILING, 1, "peer_failing", "does not come whole" },
		{ STANDING_GAP, 6, "peer_gap", "is missing for 6 s" },
		{ STANDING_BEHIND, 12, "peer_behind", "behind for 12 s, 77 messages" },
		{ STANDING_DEAF, 12, "peer_deaf", "does not acknowledge for 12 s, 77 messages" },
		{ STANDING_OTHER_MODE, 1, "peer_other_mode", "another mode" },
		{ STANDING_SILENT, 10, "peer_silent", "peer fw2: silent for 10 s" },
		{ STANDING_OTHER_PROTOCOL, 1, "peer_other_protocol", "another protocol" },
		{ STANDING_TWO_ACTIVE, 12, "two_active", "peer fw2: active as well for 12 s" },
	};

	(void)state;
	assert_int_equal(sizeof(rows) / sizeof(rows[0]), STANDING_STATES + 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sync_peer_view p = {
			.name = "fw2",
			.standing = { .is = STANDING_IS(rows[i].state),
				      .state = rows[i].state,
				      .since = S(1000 - rows[i].for_s),
				      .behind = 77 },
		};
		struct verdict v = { .asked = CTL_ASKS_HEALTH };

		health_peer(&v, &p, NOW);
		is(standing_name(rows[i].state), &v,
		   rows[i].state == STANDING_TWO_ACTIVE ? VERDICT_CRITICAL : VERDICT_WARNING,
		   rows[i].name, rows[i].text);
		p.left = true; /* the same node, which speaks from another address now */
		v = (struct verdict){ .asked = CTL_ASKS_HEALTH };
		health_peer(&v, &p, NOW);
		is("left", &v, VERDICT_OK, NULL, NULL);
	}
}

static void no_peer(void **state)
{
	struct verdict v = { .asked = CTL_ASKS_HEALTH };

	(void)state;
	health_no_peer(&v, HEALTH_LISTEN_S - 1);
	is("at first", &v, VERDICT_OK, NULL, NULL);
	health_no_peer(&v, HEALTH_LISTEN_S);
	is("later", &v, VERDICT_WARNING, "no_peer", "10 s ago");
}

static void links(void **state)
{
	static const struct {
		bool up, running, deaf;
		int unsent;
		const char *name, *text;
	} rows[] = {
		{ true, true, false, 0, NULL, NULL },
		{ false, false, true, ENETUNREACH, "link_down", "link eth2 is down" },
		{ true, false, true, 0, "link_no_carrier", "link eth2 has no carrier" },
		{ true, true, true, 0, "link_deaf", "ever heard on link eth2" },
		{ true, true, false, EPERM, "link_unsent", "link eth2: Operation not permitted" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct channel_link_stats l = { .ifname = "eth2",
						.up = rows[i].up,
						.running = rows[i].running,
						.deaf = rows[i].deaf,
						.unsent_err = rows[i].unsent };
		struct verdict v = { .asked = CTL_ASKS_HEALTH };

		health_link(&v, &l);
		is("link", &v, VERDICT_WARNING, rows[i].name, rows[i].text);
	}
}

/* ---- caches, kernel ---- */

static void caches(void **state)
{
	static const struct {
		uint8_t why;
		bool active;
		enum verdict_status status;
		const char *name, *text;
	} rows[] = {
		{ 0, true, VERDICT_OK, NULL, NULL },
		{ WHOLE_START, false, VERDICT_WARNING, "starting", "is being read" },
		{ WHOLE_LIMIT, false, VERDICT_CRITICAL, "cache_full",
		  "a cache: full (HashLimit) for 5 s" },
		{ WHOLE_EXPECTS, true, VERDICT_CRITICAL, "cache_full", "full" },
		{ WHOLE_MEMORY, true, VERDICT_CRITICAL, "no_memory", "no memory" },
		{ WHOLE_KERNEL, true, VERDICT_CRITICAL, "table_refused", "no room for flows" },
		{ WHOLE_OVERRUN, true, VERDICT_CRITICAL, "events_lost", "dropped events" },
		{ WHOLE_FLUSHED, false, VERDICT_WARNING, "flushed", "flushed" },
		{ WHOLE_FLUSHED, true, VERDICT_OK, NULL, NULL }, /* the scripts do it */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct completeness_values c = { .cache = "a cache",
						 .complete = rows[i].why == 0,
						 .why = rows[i].why,
						 .for_s = 5 };
		struct verdict v = { .asked = CTL_ASKS_HEALTH };

		health_cache(&v, &c, rows[i].active);
		is("cache", &v, rows[i].status, rows[i].name, rows[i].text);
	}
}

static void events(void **state)
{
	static const struct {
		enum blind_reason why;
		enum verdict_status status;
		const char *name;
	} rows[BLIND_REASONS] = {
		{ BLIND_OFF, VERDICT_CRITICAL, "events_off" },
		{ BLIND_AUTOMATIC, VERDICT_WARNING, "events_automatic" },
		{ BLIND_UNTRACKED, VERDICT_CRITICAL, "untracked" },
		{ BLIND_DEAF, VERDICT_CRITICAL, "events_missing" },
	};

	(void)state;
	for (int i = 0; i < BLIND_REASONS; i++) {
		struct verdict v = { .asked = CTL_ASKS_HEALTH };

		health_events(&v, rows[i].why, 5);
		is("events", &v, rows[i].status, rows[i].name, ", for 5 s");
	}
}

static void table(void **state)
{
	static const struct {
		int64_t count, max;
		enum verdict_status status;
		const char *name;
	} rows[] = {
		{ -1, 100, VERDICT_OK, NULL },
		{ 5, -1, VERDICT_OK, NULL },
		{ 5, 0, VERDICT_OK, NULL },
		{ 0, 100, VERDICT_OK, NULL },
		{ 89, 100, VERDICT_OK, NULL },
		{ 90, 100, VERDICT_WARNING, "table_nearly_full" },
		{ 99, 100, VERDICT_WARNING, "table_nearly_full" },
		{ 100, 100, VERDICT_CRITICAL, "table_full" },
		{ 101, 100, VERDICT_CRITICAL, "table_full" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct verdict v = { .asked = CTL_ASKS_HEALTH };

		health_table(&v, rows[i].count, rows[i].max);
		is("table", &v, rows[i].status, rows[i].name, " of 100");
	}
}

/* ---- commits ---- */

static void commits(void **state)
{
	static const struct {
		const char *what;
		struct last_commit c;
		enum verdict_status status;
		const char *name, *text;
	} rows[] = {
		{ "none", { 0 }, VERDICT_OK, NULL, NULL },
		{ "whole",
		  { .any = true, .res = { .commit = { .total = 7, .created = 7 } } },
		  VERDICT_OK,
		  NULL,
		  NULL },
		{ "refused by rule",
		  { .any = true, .res = { .commit = { .total = 7, .newer = 1, .ended = 2 } } },
		  VERDICT_OK,
		  NULL,
		  NULL },
		{ "not begun",
		  { .any = true, .res = { .err = -ENOMEM } },
		  VERDICT_CRITICAL,
		  "commit_failed",
		  "90 s ago, failed: Cannot allocate" },
		{ "some failed",
		  { .any = true,
		    .res = { .commit = { .total = 7, .failed = 2, .reason = { { ENOMEM, 2 } } } } },
		  VERDICT_CRITICAL,
		  "commit_refused",
		  "90 s ago: 2 of 7 flows failed: " },
		{ "expectations",
		  { .any = true, .res = { .expects = { .total = 3, .failed = 1 } } },
		  VERDICT_WARNING,
		  "commit_expects",
		  "1 of 3 expectations" },
		{ "windows",
		  { .any = true, .in_kernel = true, .res = { .windows = { .err = -EINTR } } },
		  VERDICT_WARNING,
		  "commit_windows",
		  "could not look" },
		{ "some windows",
		  { .any = true, .in_kernel = true, .res = { .windows = { .failed = 4 } } },
		  VERDICT_WARNING,
		  "commit_windows",
		  "4 older entries" },
		{ "windows well", { .any = true, .in_kernel = true }, VERDICT_OK, NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct verdict v = { .asked = CTL_ASKS_HEALTH };
		struct last_commit c = rows[i].c;

		c.at = S(910);
		health_commit(&v, &c, NOW);
		is(rows[i].what, &v, rows[i].status, rows[i].name, rows[i].text);
	}
}

/* ---- ready ---- */

/* One peer: what it lacks, since when, and for how long it has been there. */
static const struct ready_row {
	const char *what;
	struct ready_facts f;
	enum standing_lack table;
	int wanted_s, there_s;
	bool silent, left;
	const char *name; /* of the reason against it */
} ready_rows[] = {
	{ "in sync",
	  { .filled = true, .up_s = 90, .peers = 1 },
	  STANDING_LACKS_NOTHING,
	  0,
	  80,
	  false,
	  false,
	  NULL },
	{ "start",
	  { .up_s = 1, .peers = 1 },
	  STANDING_LACKS_NOTHING,
	  0,
	  1,
	  false,
	  false,
	  "starting" },
	{ "wanted",
	  { .filled = true, .up_s = 9, .peers = 1 },
	  STANDING_LACKS_TABLE,
	  2,
	  3,
	  false,
	  false,
	  "receiving" },
	{ "asked",
	  { .filled = true, .up_s = 9, .peers = 1 },
	  STANDING_LACKS_ANSWER,
	  2,
	  3,
	  false,
	  false,
	  "receiving" },
	{ "asked for long",
	  { .filled = true, .up_s = 99, .peers = 1 },
	  STANDING_LACKS_ANSWER,
	  60,
	  80,
	  false,
	  false,
	  NULL },
	{ "asked, and silent",
	  { .filled = true, .up_s = 9, .peers = 1 },
	  STANDING_LACKS_ANSWER,
	  2,
	  3,
	  true,
	  false,
	  NULL },
	{ "asked, and left",
	  { .filled = true, .up_s = 9, .peers = 1 },
	  STANDING_LACKS_ANSWER,
	  2,
	  3,
	  false,
	  true,
	  NULL },
	{ "the peer has no more",
	  { .filled = true, .up_s = 9, .peers = 1 },
	  STANDING_LACKS_REST,
	  2,
	  3,
	  false,
	  false,
	  NULL },
	{ "unproven",
	  { .filled = true, .up_s = 9, .peers = 1 },
	  STANDING_LACKS_PROOF,
	  2,
	  3,
	  false,
	  false,
	  NULL },
	{ "a gap",
	  { .filled = true, .up_s = 9, .peers = 1 },
	  STANDING_LACKS_GAP,
	  2,
	  3,
	  false,
	  false,
	  NULL },
	{ "ALARM, at first",
	  { .filled = true, .up_s = 9, .peers = 1, .refresh_s = 60 },
	  STANDING_LACKS_TIME,
	  0,
	  60,
	  false,
	  false,
	  "receiving" },
	{ "ALARM, told once",
	  { .filled = true, .up_s = 90, .peers = 1, .refresh_s = 60 },
	  STANDING_LACKS_TIME,
	  0,
	  61,
	  false,
	  false,
	  NULL },
	{ "active, whatever is",
	  { .active = true, .active_s = 1, .up_s = 1, .peers = 1, .refresh_s = 60 },
	  STANDING_LACKS_ANSWER,
	  2,
	  3,
	  false,
	  false,
	  NULL },
};

static void ready(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ready_rows) / sizeof(ready_rows[0]); i++) {
		const struct ready_row *r = &ready_rows[i];
		struct sync_peer_view p = {
			.name = "fw2",
			.standing = { .is = r->silent ? STANDING_IS(STANDING_SILENT) : 0 },
			.left = r->left,
			.contact = S(1000 - r->there_s),
			.table = r->table,
			.table_since = S(1000 - r->wanted_s),
		};
		struct verdict v = { .asked = CTL_ASKS_READY };

		health_ready_peer(&v, &r->f, &p, NOW);
		health_ready(&v, &r->f);
		is(r->what, &v, VERDICT_NO, r->name, "");
	}
}

static void ready_alone(void **state)
{
	struct ready_facts f = { .filled = true,
				 .up_s = HEALTH_LISTEN_S - 1,
				 .listen_s = HEALTH_LISTEN_S };
	struct verdict v = { .asked = CTL_ASKS_READY };

	(void)state;
	health_ready(&v, &f);
	is("nobody yet", &v, VERDICT_NO, "listening", "9 s after the start");
	f.up_s++;
	v = (struct verdict){ .asked = CTL_ASKS_READY };
	health_ready(&v, &f);
	is("nobody", &v, VERDICT_YES, NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(peers),   cmocka_unit_test(no_peer), cmocka_unit_test(links),
		cmocka_unit_test(caches),  cmocka_unit_test(events),  cmocka_unit_test(table),
		cmocka_unit_test(commits), cmocka_unit_test(ready),   cmocka_unit_test(ready_alone),
	};

	return cmocka_run_group_tests_name("command/health", tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which entry stays: the table row by row, what every combination of facts must obey, and the
 * evidence of packets. What packets really leave in the kernel, and what becomes of connections,
 * tests/netns/test_entries.py shows. */
#include "flow/judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>

/* ---- the table ---- */

#define SAME (CT_SAME | CT_REVERSED)

/* doc/architecture.md, section 7, once more and in other words: what holds, what is left open, what
 * comes out. */
static const struct {
	const char *name;
	unsigned int tuples, holds, open;
	enum ct_verdict commit, news;
} spec[] = {
	{ "3 the peer's has ended, ours is in use", SAME, S_ENDED | SINCE | K_HIT,
	  K_ASSURED | K_ESTABLISHED | K_FURTHER, CT_LEAVE, CT_LEAVE },
	{ "3 the peer's has ended, ours is idle", SAME, S_ENDED,
	  K_ASSURED | K_ESTABLISHED | K_FURTHER | K_HIT, CT_LEAVE, CT_UPDATE },
	{ "4 ours has just ended", SAME, K_ENDED | SINCE | K_HIT, K_ASSURED | K_FURTHER | S_MORE,
	  CT_LEAVE, CT_NONE },
	{ "4 ours has ended long ago", SAME, K_ENDED, K_ASSURED | K_FURTHER | K_HIT, CT_UPDATE,
	  CT_UPDATE },
	{ "5 a handshake or pick-up", CT_SAME, 0, K_HIT | SINCE | K_ESTABLISHED, CT_UPDATE,
	  CT_UPDATE },
	{ "5 further on than the peer's", CT_SAME, K_FURTHER,
	  K_HIT | SINCE | K_ESTABLISHED | S_MORE, CT_KEEP, CT_KEEP },
	{ "5 a helper is missing", CT_SAME, S_MORE, K_HIT | SINCE | K_ESTABLISHED, CT_REPLACE,
	  CT_REPLACE },
	{ "6 forwarded", SAME, K_ASSURED | K_HIT | SINCE, K_ESTABLISHED | K_FURTHER | S_MORE,
	  CT_KEEP, CT_KEEP },
	{ "7 idle", SAME, K_ASSURED, K_HIT | K_ESTABLISHED, CT_RAISE, CT_UPDATE },
	{ "7 idle, a helper is missing", SAME, K_ASSURED | S_MORE,
	  K_HIT | K_ESTABLISHED | K_FURTHER, CT_REPLACE, CT_NONE },
	{ "8 a newer one", CT_TRANSLATED, K_HIT | K_ESTABLISHED | SINCE,
	  K_ASSURED | K_FURTHER | S_ENDED | S_MORE, CT_NEWER, CT_NEWER },
	{ "9 no packet since", CT_TRANSLATED, K_HIT | K_ESTABLISHED, K_ASSURED | K_FURTHER | S_MORE,
	  CT_REPLACE, CT_REPLACE },
	{ "9 a handshake", CT_TRANSLATED, K_HIT | SINCE, K_ASSURED | K_FURTHER | S_MORE, CT_REPLACE,
	  CT_REPLACE },
	{ "9 never hit", CT_TRANSLATED, 0, K_ASSURED | K_FURTHER | S_MORE, CT_REPLACE, CT_REPLACE },
	{ "10 the wrong direction", CT_REVERSED, 0,
	  K_HIT | SINCE | K_ESTABLISHED | K_FURTHER | S_MORE, CT_REPLACE, CT_REPLACE },
	{ "11 another one lives", CT_ANOTHER, K_HIT | K_ESTABLISHED,
	  K_ASSURED | K_FURTHER | SINCE | S_ENDED | S_MORE, CT_OTHER_FLOW, CT_OTHER_FLOW },
	{ "11 the peer's has ended", CT_ANOTHER, S_ENDED, (CT_FACTS & ~(unsigned int)S_ENDED),
	  CT_OTHER_FLOW, CT_OTHER_FLOW },
	{ "12 another one is not used", CT_ANOTHER, 0,
	  K_HIT | K_ASSURED | K_ENDED | K_FURTHER | SINCE | S_MORE, CT_REPLACE, CT_REPLACE },
};

/* Every combination that a row of the specification leaves open. */
static void rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(spec) / sizeof(spec[0]); i++) {
		for (unsigned int facts = 0; facts <= CT_FACTS; facts++) {
			if ((facts & ~spec[i].open) != spec[i].holds)
				continue;
			for (unsigned int tuples = 1; tuples < CT_ANY; tuples *= 2) {
				if (!(tuples & spec[i].tuples))
					continue;
				if (ct_judge_facts(CT_WAY_COMMIT, tuples, facts) != spec[i].commit)
					fail_msg("commit, %s: tuples %u facts %#x", spec[i].name,
						 tuples, facts);
				if (spec[i].news != CT_NONE &&
				    ct_judge_facts(CT_WAY_NEWS, tuples, facts) != spec[i].news)
					fail_msg("news, %s: tuples %u facts %#x", spec[i].name,
						 tuples, facts);
			}
		}
	}
}

/* The end of a flow: whatever the tuples are. */
static void ends(void **state)
{
	(void)state;
	for (unsigned int tuples = 1; tuples < CT_ANY; tuples *= 2) {
		for (unsigned int facts = 0; facts <= CT_FACTS; facts++) {
			bool used = !(facts & K_ENDED) && (facts & K_HIT) && (facts & SINCE);

			assert_int_equal(ct_judge_facts(CT_WAY_END, tuples, facts),
					 used ? CT_USED : CT_REMOVE);
		}
	}
}

/* Our own entry, of which nobody tells anything: it stays whatever it is, and what is not assured,
 * has ended or has become another one is not touched. */
static void own_entries(void **state)
{
	(void)state;
	for (unsigned int tuples = 1; tuples < CT_ANY; tuples *= 2) {
		for (unsigned int facts = 0; facts <= CT_FACTS; facts++) {
			bool wanted =
				tuples == CT_SAME && (facts & K_ASSURED) && !(facts & K_ENDED);

			assert_int_equal(ct_judge_facts(CT_WAY_OWN, tuples, facts),
					 !wanted       ? CT_LEAVE :
					 facts & SINCE ? CT_KEEP :
							 CT_RAISE);
		}
	}
}

static const struct ct_rule *rule_of(enum ct_way way, unsigned int tuples, unsigned int facts)
{
	for (size_t i = 0; i < ct_n_rules; i++) {
		const struct ct_rule *r = &ct_rules[i];

		if (r->verdict[way] && (r->tuples & tuples) && (facts & r->must) == r->must &&
		    !(facts & r->must_not))
			return r;
	}
	return NULL;
}

/* Each rule is of use, and each thing that it asks for makes a difference to somebody: the facts
 * beside it. */
static void neighbours(void **state)
{
	(void)state;
	for (size_t i = 0; i < ct_n_rules; i++) {
		unsigned int needed = 0, used = 0;

		for (enum ct_way way = 0; way < CT_WAYS; way++) {
			for (unsigned int tuples = 1; tuples < CT_ANY; tuples *= 2) {
				for (unsigned int facts = 0; facts <= CT_FACTS; facts++) {
					if (rule_of(way, tuples, facts) != &ct_rules[i])
						continue;
					used++;
					for (unsigned int fact = 1; fact < CT_FACTS; fact *= 2) {
						if ((ct_rules[i].must | ct_rules[i].must_not) &
							    fact &&
						    rule_of(way, tuples, facts ^ fact) !=
							    &ct_rules[i])
							needed |= fact;
					}
				}
			}
		}
		if (used == 0)
			fail_msg("rule %zu (row %u) never applies", i, ct_rules[i].row);
		if (needed != (unsigned int)(ct_rules[i].must | ct_rules[i].must_not))
			fail_msg("rule %zu (row %u) asks for more than it needs", i,
				 ct_rules[i].row);
	}
}

/* What no combination may lead to, whatever the table says. */
static void promises(void **state)
{
	(void)state;
	for (enum ct_way way = CT_WAY_COMMIT; way <= CT_WAY_NEWS; way++) {
		for (unsigned int tuples = 1; tuples < CT_ANY; tuples *= 2) {
			for (unsigned int facts = 0; facts <= CT_FACTS; facts++) {
				enum ct_verdict v = ct_judge_facts(way, tuples, facts);
				bool alive = !(facts & K_ENDED),
				     used = alive && (facts & SINCE) && (facts & K_HIT);

				assert_non_null(rule_of(way, tuples, facts));
				assert_true(v != CT_REMOVE && v != CT_USED && v != CT_NONE);
				/* A flow that is being forwarded is neither destroyed nor set
				 * back. */
				if (used && (facts & K_ASSURED) && (tuples & SAME))
					assert_true(v == CT_KEEP || v == CT_LEAVE);
				if (used && (facts & K_ESTABLISHED) &&
				    (tuples & (CT_TRANSLATED | CT_ANOTHER)))
					assert_true(v == CT_NEWER || v == CT_OTHER_FLOW);
				/* Equal tuples: destroyed for the sake of a helper only. */
				if (tuples == CT_SAME && !(facts & S_MORE))
					assert_int_not_equal(v, CT_REPLACE);
				/* What has ended takes nobody's place. */
				if (facts & S_ENDED)
					assert_true(v != CT_REPLACE && v != CT_RAISE &&
						    (v != CT_UPDATE || way == CT_WAY_NEWS));
			}
		}
	}
}

/* ---- evidence ---- */

static const struct ct_timeouts own = {
	.udp_s = 30,
	.udp_stream_s = 120,
	.icmp_s = 30,
	.generic_s = 600,
	.tcp_unacknowledged_s = 300,
	.tcp_max_retrans_s = 300,
	.tcp_s = { [TCP_CONNTRACK_SYN_SENT] = 120,
		   [TCP_CONNTRACK_SYN_RECV] = 60,
		   [TCP_CONNTRACK_ESTABLISHED] = 432000,
		   [TCP_CONNTRACK_FIN_WAIT] = 120,
		   [TCP_CONNTRACK_CLOSE_WAIT] = 60,
		   [TCP_CONNTRACK_LAST_ACK] = 30,
		   [TCP_CONNTRACK_TIME_WAIT] = 120,
		   [TCP_CONNTRACK_CLOSE] = 10 },
};

#define NOW	1000000u
#define REPLIED (IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED)
#define BIT	IP_CT_TCP_FLAG_MAXACK_SET
#define YES	true
#define NO	false

static const struct {
	const char *name;
	uint8_t l4, tcp_state;
	uint32_t status, left_s;
	uint8_t flags[2];
	struct ct_memory memory;
	enum ct_way way;
	uint32_t changed_s, active_s;
	bool original, reply, established, since;
} cases[] = {
	/* TCP's flags are exact for what was made by a request */
	{ "handshake of today",
	  6,
	  3,
	  REPLIED,
	  431999,
	  { 0x23, 0x23 },
	  { 0 },
	  CT_WAY_COMMIT,
	  NOW - 60,
	  0,
	  YES,
	  YES,
	  YES,
	  YES },
	{ "the peer has changed later",
	  6,
	  3,
	  REPLIED,
	  431900,
	  { 0x23, 0x23 },
	  { 0 },
	  CT_WAY_COMMIT,
	  NOW - 60,
	  0,
	  YES,
	  YES,
	  YES,
	  NO },
	{ "but it was in this activity",
	  6,
	  3,
	  REPLIED,
	  431900,
	  { 0x23, 0x23 },
	  { 0 },
	  CT_WAY_COMMIT,
	  NOW - 60,
	  NOW - 500,
	  YES,
	  YES,
	  YES,
	  YES },
	{ "made by us, liberal",
	  6,
	  3,
	  REPLIED,
	  431990,
	  { 0x08, 0x08 },
	  { CT_WRITTEN, 0, NOW + 431990, 0, 0 },
	  CT_WAY_COMMIT,
	  NOW - 60,
	  0,
	  NO,
	  NO,
	  NO,
	  NO },
	{ "made by us before a restart",
	  6,
	  3,
	  REPLIED,
	  431990,
	  { 0x08, 0x08 },
	  { 0 },
	  CT_WAY_COMMIT,
	  NOW - 60,
	  0,
	  YES,
	  YES,
	  YES,
	  YES },
	{ "made by us long before one",
	  6,
	  3,
	  REPLIED,
	  431000,
	  { 0x08, 0x08 },
	  { 0 },
	  CT_WAY_COMMIT,
	  NOW - 60,
	  0,
	  NO,
	  NO,
	  NO,
	  NO },
	{ "one direction",
	  6,
	  3,
	  REPLIED,
	  431999,
	  { 0x28, 0x08 },
	  { 0 },
	  CT_WAY_COMMIT,
	  NOW - 60,
	  0,
	  YES,
	  NO,
	  NO,
	  YES },
	{ "windows of another time",
	  6,
	  3,
	  REPLIED,
	  431999,
	  { 0x08, 0x08 },
	  { CT_WRITTEN, 0, NOW + 431000, 0, 0 },
	  CT_WAY_COMMIT,
	  NOW - 60,
	  0,
	  YES,
	  YES,
	  YES,
	  YES },
	{ "data without acknowledgement",
	  6,
	  3,
	  REPLIED,
	  299,
	  { 0x33, 0x23 },
	  { 0 },
	  CT_WAY_COMMIT,
	  NOW - 60,
	  0,
	  YES,
	  YES,
	  YES,
	  YES },
	{ "life longer than any packet gives",
	  6,
	  3,
	  REPLIED,
	  500000,
	  { 0x28, 0x28 },
	  { 0 },
	  CT_WAY_COMMIT,
	  NOW - 60,
	  0,
	  YES,
	  YES,
	  YES,
	  NO },
	{ "SYN",
	  6,
	  1,
	  IPS_CONFIRMED,
	  119,
	  { 0x03, 0 },
	  { CT_PACKETS, 0, 0, 0, 0 },
	  CT_WAY_COMMIT,
	  NOW - 60,
	  0,
	  YES,
	  NO,
	  NO,
	  YES },
	{ "SYN and answer",
	  6,
	  2,
	  IPS_CONFIRMED | IPS_SEEN_REPLY,
	  59,
	  { 0x03, 0x23 },
	  { 0 },
	  CT_WAY_COMMIT,
	  NOW - 60,
	  0,
	  NO,
	  YES,
	  NO,
	  YES },
	{ "ended",
	  6,
	  7,
	  REPLIED,
	  119,
	  { 0x23, 0x23 },
	  { 0 },
	  CT_WAY_COMMIT,
	  NOW - 60,
	  0,
	  YES,
	  YES,
	  NO,
	  YES },
	{ "half closed",
	  6,
	  4,
	  REPLIED,
	  119,
	  { 0x23, 0x23 },
	  { 0 },
	  CT_WAY_COMMIT,
	  NOW - 60,
	  0,
	  YES,
	  YES,
	  YES,
	  YES },
	/* others have the life and what is remembered */
	{ "stream, unknown",
	  17,
	  0,
	  REPLIED,
	  119,
	  { 0 },
	  { 0 },
	  CT_WAY_COMMIT,
	  NOW - 60,
	  0,
	  YES,
	  YES,
	  YES,
	  YES },
	{ "stream, unknown, idle",
	  17,
	  0,
	  REPLIED,
	  40,
	  { 0 },
	  { 0 },
	  CT_WAY_COMMIT,
	  NOW - 60,
	  0,
	  YES,
	  YES,
	  YES,
	  NO },
	{ "stream, made by us",
	  17,
	  0,
	  REPLIED,
	  100,
	  { 0 },
	  { CT_WRITTEN, 0, NOW + 100, 0, 0 },
	  CT_WAY_COMMIT,
	  NOW - 60,
	  0,
	  NO,
	  NO,
	  NO,
	  NO },
	{ "a packet since",
	  17,
	  0,
	  REPLIED,
	  112,
	  { 0 },
	  { CT_WRITTEN, 0, NOW + 100, 0, 0 },
	  CT_WAY_COMMIT,
	  NOW - 60,
	  0,
	  YES,
	  YES,
	  YES,
	  YES },
	{ "a packet has shortened it",
	  17,
	  0,
	  REPLIED,
	  112,
	  { 0 },
	  { CT_WRITTEN, 0, NOW + 600, 0, 0 },
	  CT_WAY_COMMIT,
	  NOW - 60,
	  0,
	  YES,
	  YES,
	  YES,
	  YES },
	{ "no answer",
	  17,
	  0,
	  IPS_CONFIRMED,
	  29,
	  { 0 },
	  { CT_PACKETS, 0, 0, 0, 0 },
	  CT_WAY_COMMIT,
	  NOW - 60,
	  0,
	  YES,
	  NO,
	  NO,
	  YES },
	/* news: a packet of the last two seconds is newer */
	{ "news, a packet just now",
	  6,
	  3,
	  REPLIED,
	  431998,
	  { 0x28, 0x28 },
	  { CT_PACKETS, 0, 0, 0, 0 },
	  CT_WAY_NEWS,
	  0,
	  0,
	  YES,
	  YES,
	  YES,
	  YES },
	{ "news, none for three seconds",
	  6,
	  3,
	  REPLIED,
	  431997,
	  { 0x28, 0x28 },
	  { CT_PACKETS, 0, 0, 0, 0 },
	  CT_WAY_NEWS,
	  0,
	  0,
	  YES,
	  YES,
	  YES,
	  NO },
	{ "news, just written",
	  17,
	  0,
	  REPLIED,
	  116,
	  { 0 },
	  { CT_WRITTEN, 0, 0, 0, NOW },
	  CT_WAY_NEWS,
	  0,
	  0,
	  NO,
	  NO,
	  NO,
	  NO },
	/* an end: later than the peer last told */
	{ "end, never hit",
	  17,
	  0,
	  REPLIED,
	  106,
	  { 0 },
	  { CT_WRITTEN, 0, 0, 0, NOW - 10 },
	  CT_WAY_END,
	  0,
	  0,
	  NO,
	  NO,
	  NO,
	  NO },
	{ "end, hit since",
	  17,
	  0,
	  REPLIED,
	  114,
	  { 0 },
	  { CT_WRITTEN, 0, 0, 0, NOW - 10 },
	  CT_WAY_END,
	  0,
	  0,
	  YES,
	  YES,
	  YES,
	  YES },
	{ "end, hit, but told later",
	  6,
	  3,
	  REPLIED,
	  431900,
	  { 0x28, 0x28 },
	  { CT_PACKETS, 0, 0, 0, NOW - 50 },
	  CT_WAY_END,
	  0,
	  0,
	  YES,
	  YES,
	  YES,
	  NO },
	{ "end, hit after that",
	  6,
	  3,
	  REPLIED,
	  431970,
	  { 0x28, 0x28 },
	  { CT_PACKETS, 0, 0, 0, NOW - 50 },
	  CT_WAY_END,
	  0,
	  0,
	  YES,
	  YES,
	  YES,
	  YES },
	{ "end of a flow that only we had",
	  6,
	  3,
	  REPLIED,
	  400000,
	  { 0x28, 0x28 },
	  { CT_PACKETS, 0, 0, 0, 0 },
	  CT_WAY_END,
	  0,
	  0,
	  YES,
	  YES,
	  YES,
	  YES },
	{ "end, the cache knows nothing",
	  6,
	  3,
	  REPLIED,
	  400000,
	  { 0x28, 0x28 },
	  { 0 },
	  CT_WAY_END,
	  0,
	  0,
	  YES,
	  YES,
	  YES,
	  YES },
	{ "end, nor does the kernel",
	  6,
	  3,
	  REPLIED,
	  400000,
	  { 0x08, 0x08 },
	  { 0 },
	  CT_WAY_END,
	  0,
	  0,
	  NO,
	  NO,
	  NO,
	  NO },
	/* our own entry: a packet of the last two seconds; a node that has missed a change of roles
	 * knows no better */
	{ "own, none since",
	  6,
	  3,
	  REPLIED,
	  431900,
	  { 0x23, 0x23 },
	  { CT_PACKETS, NOW - 500, 0, 0, 0 },
	  CT_WAY_OWN,
	  NOW - 60,
	  NOW - 60,
	  YES,
	  YES,
	  YES,
	  NO },
	{ "own, a packet since, but not lately",
	  6,
	  3,
	  REPLIED,
	  431950,
	  { 0x23, 0x23 },
	  { CT_PACKETS, NOW - 500, 0, 0, 0 },
	  CT_WAY_OWN,
	  NOW - 60,
	  NOW - 60,
	  YES,
	  YES,
	  YES,
	  NO },
	{ "own, a packet just now",
	  6,
	  3,
	  REPLIED,
	  431999,
	  { 0x23, 0x23 },
	  { CT_PACKETS, NOW - 500, 0, 0, 0 },
	  CT_WAY_OWN,
	  NOW - 60,
	  NOW - 60,
	  YES,
	  YES,
	  YES,
	  YES },
	{ "own, we only wrote it",
	  6,
	  3,
	  REPLIED,
	  431990,
	  { 0x08, 0x08 },
	  { CT_WRITTEN, 0, NOW + 431990, 0, 0 },
	  CT_WAY_OWN,
	  NOW - 60,
	  NOW - 60,
	  NO,
	  NO,
	  NO,
	  NO },
	{ "end, offloaded",
	  6,
	  3,
	  REPLIED | IPS_OFFLOAD,
	  86000,
	  { 0x28, 0x28 },
	  { CT_PACKETS, 0, 0, 0, NOW - 50 },
	  CT_WAY_END,
	  0,
	  0,
	  YES,
	  YES,
	  YES,
	  YES },
};

static void evidence(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ct_flow k = {
			.l3 = AF_INET,
			.l4 = cases[i].l4,
			.status = cases[i].status,
			.timeout_s = cases[i].left_s,
			.proto_state = cases[i].tcp_state,
			.has = FLOW_HAS_PORTS | FLOW_HAS_STATUS | FLOW_HAS_TIMEOUT |
			       (cases[i].tcp_state ? FLOW_HAS_PROTO_STATE : 0),
		};
		struct ct_question q = {
			.way = cases[i].way,
			.timeouts = &own,
			.memory = cases[i].memory,
			.now_s = NOW,
			.began_s = NOW - 600,
			.changed_s = cases[i].changed_s,
			.active_s = cases[i].active_s,
			.tcp_flags = { cases[i].flags[0], cases[i].flags[1] },
		};
		struct ct_evidence ev = ct_evidence(&k, &q);

		if (ev.packets[0] != cases[i].original || ev.packets[1] != cases[i].reply ||
		    ev.established != cases[i].established || ev.since != cases[i].since)
			fail_msg("%s: original %d reply %d established %d since %d", cases[i].name,
				 ev.packets[0], ev.packets[1], ev.established, ev.since);
	}
}

/* Whether the windows of an entry are those of today. */
static void windows(void **state)
{
	struct ct_flow k = {
		.l3 = AF_INET,
		.l4 = IPPROTO_TCP,
		.status = REPLIED,
		.timeout_s = 431999,
		.proto_state = TCP_CONNTRACK_ESTABLISHED,
		.has = FLOW_HAS_PORTS | FLOW_HAS_STATUS | FLOW_HAS_TIMEOUT | FLOW_HAS_PROTO_STATE,
	};
	struct ct_question q = {
		.way = CT_WAY_COMMIT,
		.timeouts = &own,
		.now_s = NOW,
		.changed_s = NOW - 60,
		.active_s = NOW,
		.took_over = true,
		.memory = { .last = CT_PACKETS, .born_s = NOW - 100 },
		.tcp_flags = { BIT, BIT },
	};

	(void)state;
	assert_true(ct_evidence(&k, &q).since);
	assert_false(ct_evidence(&k, &q).windows); /* there, and back before the purge */
	q.memory.born_s = NOW - 50;
	assert_true(ct_evidence(&k, &q).windows);
	q.memory = (struct ct_memory){ .last = CT_UNKNOWN };
	assert_false(ct_evidence(&k, &q).windows);
	q.active_s = NOW - 500;
	q.took_over = false;
	assert_true(ct_evidence(&k, &q).windows);
}

static void takes_over(void **state)
{
	(void)state;
	assert_true(ct_took_over(NOW, NOW));
	assert_true(ct_took_over(NOW - CT_TAKES_S, NOW));
	assert_false(ct_took_over(NOW - CT_TAKES_S - 1, NOW));
	assert_true(ct_way_takes_over(CT_WAY_COMMIT) && ct_way_takes_over(CT_WAY_OWN));
	assert_false(ct_way_takes_over(CT_WAY_NEWS) || ct_way_takes_over(CT_WAY_END));
}

/* Of two flows of the peer that claim one tuple the one that changed last gets it, whichever is
 * committed first. */
static void two_of_the_peer(void **state)
{
	struct ct_flow f = { .l3 = AF_INET,
			     .l4 = IPPROTO_UDP,
			     .has = FLOW_HAS_PORTS | FLOW_HAS_STATUS,
			     .orig = { 1, 2 } },
		       k = f;
	struct ct_question q = {
		.way = CT_WAY_COMMIT,
		.timeouts = &own,
		.now_s = NOW,
		.changed_s = NOW - 60,
		.memory = { .last = CT_WRITTEN },
	};
	struct ct_evidence ev = ct_evidence(&k, &q);

	(void)state;
	k.orig.sport = 3;
	k.has |= FLOW_HAS_REPLY;
	assert_int_equal(ct_judge(&k, &f, &q, &ev), CT_REPLACE);
	q.memory.peers_s = NOW - 70;
	assert_int_equal(ct_judge(&k, &f, &q, &ev), CT_REPLACE);
	q.memory.peers_s = NOW - 50;
	assert_int_equal(ct_judge(&k, &f, &q, &ev), CT_OTHER_FLOW);
}

/* Counters know more than a guess. */
static void counters(void **state)
{
	struct flow_rare rare = { .packets = { 5, 0 } };
	struct ct_flow k = {
		.l3 = AF_INET,
		.l4 = IPPROTO_UDP,
		.status = REPLIED,
		.timeout_s = 119,
		.rare = &rare,
		.has = FLOW_HAS_PORTS | FLOW_HAS_STATUS | FLOW_HAS_TIMEOUT | FLOW_HAS_COUNTERS,
	};
	struct ct_question q = { .way = CT_WAY_COMMIT, .timeouts = &own, .now_s = NOW };

	(void)state;
	assert_true(ct_evidence(&k, &q).packets[0]);
	assert_false(ct_evidence(&k, &q).packets[1]);
	rare.packets[1] = 1;
	assert_true(ct_evidence(&k, &q).established);
	rare.packets[0] = rare.packets[1] = 0;
	assert_false(ct_evidence(&k, &q).packets[0]);
	assert_false(ct_evidence(&k, &q).since);
}

/* A life that is too short to be written shorter shows no packet of the same seconds. A peer's news
 * of the next connection of a tuple are not kept out by what it told of the last one. */
static void short_life(void **state)
{
	const struct ct_timeouts fast = { .tcp_s = { [TCP_CONNTRACK_FIN_WAIT] = 3 } };
	struct ct_flow k = {
		.l3 = AF_INET,
		.l4 = IPPROTO_TCP,
		.status = REPLIED | IPS_ASSURED,
		.proto_state = TCP_CONNTRACK_FIN_WAIT,
		.orig = { 1, 2 },
		.reply = { 2, 1 },
		.has = FLOW_HAS_PORTS | FLOW_HAS_STATUS | FLOW_HAS_TIMEOUT | FLOW_HAS_PROTO_STATE |
		       FLOW_HAS_REPLY,
	};
	struct ct_question q = {
		.way = CT_WAY_NEWS,
		.timeouts = &fast,
		.now_s = NOW,
		.memory = { .last = CT_WRITTEN, .received_s = NOW },
	};
	struct ct_evidence ev;
	struct ct_flow f;

	(void)state;
	flow_copy(&f, &k);
	f.reply.dport = 3;
	f.proto_state = TCP_CONNTRACK_ESTABLISHED;
	for (uint32_t ago = 0; ago <= 3; ago++) {
		k.timeout_s = 3 - ago;
		q.memory.received_s = NOW - ago;
		ev = ct_evidence(&k, &q);
		assert_int_equal(ct_judge(&k, &f, &q, &ev), CT_REPLACE);
	}
	k.timeout_s = 3; /* a packet has just passed */
	ev = ct_evidence(&k, &q);
	assert_int_equal(ct_judge(&k, &f, &q, &ev), CT_NEWER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows),
		cmocka_unit_test(ends),
		cmocka_unit_test(own_entries),
		cmocka_unit_test(takes_over),
		cmocka_unit_test(neighbours),
		cmocka_unit_test(promises),
		cmocka_unit_test(evidence),
		cmocka_unit_test(windows),
		cmocka_unit_test(two_of_the_peer),
		cmocka_unit_test(counters),
		cmocka_unit_test(short_life),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

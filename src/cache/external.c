/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The external cache: flows received from peers. Each entry remembers which peer sent it last, and
 * the number of that peer's resync in which it was last refreshed.
 *
 * A resync is a number per peer: begin counts it up, so all entries of the peer become "not
 * refreshed" at once without being touched. Numbers have 16 bits; before they go round, all entries
 * of the peer are rewritten, so an entry from an ancient resync never looks like a fresh one (65534
 * resyncs of one peer apart, so the walk in one go does not matter).
 */
#include "cache/external.h"

#include <assert.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <stdlib.h>

#include "config.h"

#include "cache/reply_index.h"
#include "flow/peers.h"

#define STEP_IDS   256
#define PASS_FIRST 1u /* the number before the first resync */
#define PASS_OLD   0u /* older than every resync; also what a renumbered entry gets */

struct peer_pass {
	uint16_t now; /* entries with this number are refreshed */
	/* the running sweep removes what is older than this; 0 when there is none */
	uint16_t sweep;
};

struct external {
	struct flow_table *table;
	struct peer_pass peer[PEERS_MAX];
	uint64_t ends_of_others;
	struct hash_key key;
	struct reply_index *index; /* owned; NULL while nobody asks by reply tuple */
};

struct external *external_new(uint32_t buckets, uint32_t limit, const struct hash_key *key)
{
	struct external *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	for (size_t i = 0; i < sizeof(c->peer) / sizeof(c->peer[0]); i++)
		c->peer[i].now = PASS_FIRST;
	c->table = table_new(buckets, limit, key);
	if (!c->table) {
		free(c);
		return NULL;
	}
	c->key = *key;
	return c;
}

void external_free(struct external *c)
{
	if (!c)
		return;
	reply_index_free(c->index);
	table_free(c->table);
	free(c);
}

struct flow_table *external_table(struct external *c)
{
	return c->table;
}

int external_index_begin(struct external *c)
{
	if (!c->index)
		c->index = reply_index_new(c->table, &c->key);
	return c->index ? 0 : -ENOMEM;
}

void external_index_end(struct external *c)
{
#ifdef CONNTRACKD_DEBUG
	assert(!c->index || reply_index_check(c->index));
#endif
	reply_index_free(c->index);
	c->index = NULL;
}

struct reply_index *external_index(const struct external *c)
{
	return c->index;
}

static void take_out(struct external *c, uint32_t id)
{
	if (c->index)
		reply_index_remove(c->index, id);
	table_remove(c->table, id);
}

/* again: the flow has begun anew, so what our kernel has may be another one. */
static void indexed(struct external *c, uint32_t id, bool again)
{
	if (!c->index)
		return;
	reply_index_put(c->index, id);
	if (again)
		reply_index_set_placed(c->index, id, false);
}

uint64_t external_ends_of_others(const struct external *c)
{
	return c->ends_of_others;
}

bool external_is_fresh(const struct external *c, uint32_t id)
{
	const struct flow_rec *rec = table_rec(c->table, id);

	return rec->pass == c->peer[rec->from].now;
}

/* ---- messages ---- */

static void rec_refreshed(struct external *c, struct flow_rec *rec, uint8_t peer, struct mono now)
{
	rec->from = peer;
	rec->pass = c->peer[peer].now;
	rec->updated_s = mono_s(now);
}

/* A TCP connection without state, but assured: its node knows it as an offloaded flow only, and
 * only established connections are offloaded. */
static void settle_state(struct flow_rec *rec)
{
	struct ct_flow *f = &rec->flow;

	if (f->l4 != IPPROTO_TCP || (f->has & FLOW_HAS_PROTO_STATE) ||
	    !(f->has & FLOW_HAS_STATUS) || !(f->status & IPS_ASSURED))
		return;
	f->proto_state = TCP_CONNTRACK_ESTABLISHED;
	f->has |= FLOW_HAS_PROTO_STATE;
}

/* Does the message lack a state or timeout that is known? The peer's kernel does not report them
 * for an offloaded flow: then what was received before is still true. (With CommitTimeout a peer
 * never sends a timeout, so none is known before either.) */
static bool says_less(const struct ct_flow *known, const struct ct_flow *f)
{
	return (known->has & ~f->has & (FLOW_HAS_PROTO_STATE | FLOW_HAS_TIMEOUT)) &&
	       flow_same_translations(known, f);
}

/* Does the message change the record? A refresh and a bulk send repeat what is known. */
static bool says_new(const struct flow_rec *rec, const struct ct_flow *f)
{
	return rec->flow.status != f->status || rec->flow.proto_state != f->proto_state ||
	       !flow_equal_replicated(&rec->flow, f);
}

static int put_whole(struct external *c, uint8_t peer, const struct ct_flow *f, bool update,
		     struct mono now)
{
	bool inserted;
	int err = 0;
	uint32_t id = table_find_or_insert(c->table, f, mono_s(now), &inserted, &err);
	struct flow_rec *rec;

	if (id == FLOW_ID_NONE)
		return err;
	if (!inserted && says_less(&table_rec(c->table, id)->flow, f))
		return external_update(c, peer, f, now);
	rec = table_rec(c->table, id);
	/* The NEW of a known flow may be a repetition by a bulk send, unless the flow has ended
	 * here: then it is a new one. */
	if (inserted || (!update && rec->peer.ended_s) || says_new(rec, f))
		rec->peer.changed_s = mono_s(now);
	if (!inserted) {
		table_replace(c->table, id, f);
		table_set_state(c->table, id, update ? REC_ALIVE : REC_NEW);
		if (update)
			table_stats(c->table)->updated++;
		else
			table_count_replaced(c->table);
	}
	settle_state(rec);
	rec_refreshed(c, rec, peer, now);
	indexed(c, id, !inserted && !update);
	return 0;
}

int external_new_flow(struct external *c, uint8_t peer, const struct ct_flow *f, struct mono now)
{
	return put_whole(c, peer, f, false, now);
}

int external_replace(struct external *c, uint8_t peer, const struct ct_flow *f, struct mono now)
{
	return put_whole(c, peer, f, true, now);
}

int external_update(struct external *c, uint8_t peer, const struct ct_flow *f, struct mono now)
{
	bool inserted, changed;
	int err = 0;
	uint32_t id = table_find_or_insert(c->table, f, mono_s(now), &inserted, &err);

	if (id == FLOW_ID_NONE)
		return err;
	changed = inserted;
	if (!inserted) {
		table_merge(c->table, id, f, &changed);
		table_set_state(c->table, id, REC_ALIVE);
		table_stats(c->table)->updated++;
	}
	settle_state(table_rec(c->table, id));
	if (changed)
		table_rec(c->table, id)->peer.changed_s = mono_s(now);
	rec_refreshed(c, table_rec(c->table, id), peer, now);
	indexed(c, id, false);
	return 0;
}

void external_destroy(struct external *c, uint8_t peer, const struct ct_flow *f)
{
	uint32_t id = table_find(c->table, f);

	if (id == FLOW_ID_NONE)
		return;
	if (table_rec(c->table, id)->from == peer)
		take_out(c, id);
	else
		c->ends_of_others++;
}

void external_ended_here(struct external *c, const struct ct_flow *f, struct mono now)
{
	uint32_t id = table_find(c->table, f);

	if (id != FLOW_ID_NONE)
		table_rec(c->table, id)->peer.ended_s = mono_s(now);
}

bool external_has_ended_here(const struct flow_rec *rec, uint32_t active_s)
{
	return rec->peer.ended_s && rec->peer.ended_s >= rec->peer.changed_s &&
	       rec->peer.ended_s >= active_s;
}

void external_forget(struct external *c, uint32_t id)
{
	take_out(c, id);
}

/* ---- resync ---- */

/* Give all entries of a peer the oldest number and start counting again. A sweep under way ends:
 * its numbers mean nothing any more, and the resync that is about to begin has a sweep of its
 * own. */
static void peer_renumber(struct external *c, uint8_t peer)
{
	uint32_t ids[STEP_IDS];
	uint64_t pos = 0;
	size_t n;

	while ((n = table_walk(c->table, &pos, ids, STEP_IDS)) > 0) {
		for (size_t i = 0; i < n; i++) {
			struct flow_rec *rec = table_rec(c->table, ids[i]);

			if (rec->from == peer)
				rec->pass = PASS_OLD;
		}
	}
	c->peer[peer] = (struct peer_pass){ .now = PASS_FIRST };
}

void external_resync_begin(struct external *c, uint8_t peer)
{
	if (c->peer[peer].now == UINT16_MAX)
		peer_renumber(c, peer);
	c->peer[peer].now++;
}

bool external_sweep_step(struct external *c, uint8_t peer, uint64_t *pos, size_t n,
			 uint32_t *removed)
{
	struct peer_pass *p = &c->peer[peer];
	uint32_t ids[STEP_IDS];

	if (*pos == 0)
		p->sweep = p->now;
	/* Numbers below p->sweep: none if the sweep was ended by renumbering. */
	while (n > 0 && p->sweep > 0) {
		size_t got = table_walk(c->table, pos, ids, n < STEP_IDS ? n : STEP_IDS);

		if (got == 0) {
			p->sweep = 0;
			break;
		}
		for (size_t i = 0; i < got; i++) {
			const struct flow_rec *rec = table_rec(c->table, ids[i]);

			if (rec->from != peer || rec->pass >= p->sweep)
				continue;
			take_out(c, ids[i]);
			(*removed)++;
		}
		n -= got;
	}
	return p->sweep > 0;
}

bool external_answer_step(const struct external *c, uint32_t peers, struct mono began,
			  uint64_t *pos, size_t n, struct external_answer *a)
{
	uint32_t ids[STEP_IDS];

	while (n > 0) {
		size_t got = table_walk(c->table, pos, ids, n < STEP_IDS ? n : STEP_IDS);

		if (got == 0)
			return false;
		for (size_t i = 0; i < got; i++) {
			const struct flow_rec *rec = table_rec(c->table, ids[i]);
			bool fresh = rec->pass >= c->peer[rec->from].now;

			if (!(peers >> rec->from & 1))
				continue;
			a->all++;
			a->stale += !fresh;
			a->repeated += fresh && rec->peer.changed_s < mono_s(began);
		}
		n -= got;
	}
	return true;
}

bool external_flush_step(struct external *c, uint64_t *pos, size_t n)
{
	uint32_t ids[STEP_IDS];

	while (n > 0) {
		size_t got = table_walk(c->table, pos, ids, n < STEP_IDS ? n : STEP_IDS);

		if (got == 0)
			return false;
		for (size_t i = 0; i < got; i++)
			take_out(c, ids[i]);
		n -= got;
	}
	return true;
}

bool external_expire_step(struct external *c, uint64_t *pos, size_t n, uint32_t timeout_s,
			  struct mono now, uint32_t *oldest_s, uint32_t *removed)
{
	uint32_t ids[STEP_IDS];

	while (n > 0) {
		size_t got = table_walk(c->table, pos, ids, n < STEP_IDS ? n : STEP_IDS);

		if (got == 0)
			return false;
		for (size_t i = 0; i < got; i++) {
			uint32_t news_s = table_rec(c->table, ids[i])->updated_s;

			if (mono_s(now) - news_s > timeout_s) {
				take_out(c, ids[i]);
				(*removed)++;
			} else if (news_s < *oldest_s) {
				*oldest_s = news_s;
			}
		}
		n -= got;
	}
	return true;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Expectations between kernel, caches, sync and protocol; what pipeline.c is for flows.
 *
 * An expectation without its master is useless to a peer, so one is stored and sent only while
 * its master is in the internal cache; that also makes the user's Filter count for expectations.
 * The protocol cannot tell a zone, and in the wrong zone an expectation would let somebody
 * else's flow in, so those of other zones than the default are not sent.
 *
 * 1.4.x stores an update like a new one, and there is no event for a change: only EXP_NEW and
 * EXP_DEL leave.
 *
 * Without external cache (conf.inject) what peers say goes into the kernel, and the cache of
 * theirs is kept all the same, for the daemon's own use: it tells which of the kernel's
 * expectations are not ours. One can be in both: a flow that was taken over (pipeline_adopted())
 * takes what is expected of it along, and the peer may still tell its end. What a resync does
 * not refresh is no longer theirs, but stays in the kernel: a peer that comes back with an empty
 * table knows nothing of the telephones that have been registered through us since.
 *
 * Without internal cache (exp_path_set_reader()) a record lives from the event to its message,
 * as those of cache/bypass.c do. Whether the master is replicated was asked before
 * (expecting.c). A full send reads the kernel's expectations; each goes the way of an event, so
 * it is over when they are read and nothing is queued. */
#include "node/exp_path.h"

#include <stdlib.h>

#include "base/log.h"

#define STEP_IDS 64

/* The source: what becomes of that which our kernel tells of expectations. One row with an
 * internal cache, one without. e is borrowed; ids are those of the table. */
struct exp_source {
	/* Which table may have no room, and its name for people. */
	enum exp_cache cache;
	const char *name;
	/* May it be told, as far as its master is concerned? */
	bool (*has_master)(const struct exp_path *x, const struct ct_expect *e);
	/* Is it recorded that our kernel has it? */
	bool (*knows)(const struct exp_path *x, const struct ct_expect *e);
	/* Is a change of it told? */
	bool (*refreshes)(const struct exp_path *x, const struct ct_expect *e);
	/* It is about to end: there has to be a record if the peers are to hear of it. */
	void (*ending)(struct exp_path *x, const struct ct_expect *e, struct mono now);
	/* Our own commit has put it into the kernel. */
	void (*committed)(struct exp_path *x, const struct ct_expect *e, struct mono now);
	/* As sync_env's. */
	bool (*is_dead)(const struct exp_path *x, uint32_t id);
	void (*release)(struct expects *c, uint32_t id);
	size_t (*walk)(struct exp_path *x, uint64_t *pos, uint32_t *ids, size_t n);
};

static const struct exp_source source_cached, source_uncached;

struct exp_path {
	const struct exp_source *source;
	struct exp_path_conf conf;
	struct internal *masters;
	struct sync *sync;
	struct expects *internal, *external;
	struct exp_path_stats stats;
	void (*dump)(void *ctx);
	void *dump_ctx;
	bool zone_said;
	bool telling; /* without internal cache: a full send waits for the kernel's
				 * expectations */
};

struct exp_path *exp_path_new(const struct exp_path_conf *conf, struct internal *masters)
{
	struct exp_path *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->conf = *conf;
	x->masters = masters;
	x->source = masters ? &source_cached : &source_uncached;
	x->internal = expects_new(conf->limit_internal, &conf->key);
	x->external = expects_new(conf->limit_external, &conf->key);
	if (!x->internal || !x->external) {
		exp_path_free(x);
		return NULL;
	}
	return x;
}

void exp_path_free(struct exp_path *x)
{
	if (!x)
		return;
	expects_free(x->external);
	expects_free(x->internal);
	free(x);
}

void exp_path_set_sync(struct exp_path *x, struct sync *sync)
{
	x->sync = sync;
}

void exp_path_set_reader(struct exp_path *x, void (*dump)(void *ctx), void *ctx)
{
	x->dump = dump;
	x->dump_ctx = ctx;
}

void exp_path_set_limit(struct exp_path *x, uint32_t limit)
{
	expects_set_limit(x->internal, limit);
	expects_set_limit(x->external, limit);
}

struct expects *exp_path_internal(struct exp_path *x)
{
	return x->internal;
}

struct expects *exp_path_external(struct exp_path *x)
{
	return x->external;
}

struct exp_path_stats *exp_path_stats(struct exp_path *x)
{
	return &x->stats;
}

/* ---- our kernel -> internal cache -> sync ---- */

bool exp_path_named(const struct sync_expect_conf *conf, const struct ct_expect *e)
{
	bool named = conf->n_names == 0;

	for (uint32_t i = 0; i < conf->n_names && !named; i++)
		named = expect_helper_matches(e, conf->name[i]);
	return named;
}

bool exp_path_wants(struct exp_path *x, const struct ct_expect *e)
{
	bool named = exp_path_named(x->conf.expect, e);

	if (named && e->zone != 0 && !x->zone_said && x->conf.log)
		x->conf.log(x->conf.world, LOG_LVL_WARNING,
			    "expectations in zones other than the default cannot be "
			    "replicated: the protocol does not tell their zone");
	x->zone_said |= named && e->zone != 0;
	if (!named || e->zone != 0)
		x->stats.filtered++;
	return named && e->zone == 0;
}

static void full(struct exp_path *x, struct mono now)
{
	x->conf.full(x->conf.ctx, x->source->cache, x->source->name, now);
}

enum exp_verdict exp_path_put(struct exp_path *x, const struct ct_expect *e, bool announce,
			      struct mono now)
{
	uint32_t id;

	if (!exp_path_wants(x, e))
		return EXP_FILTERED;
	if (!x->source->has_master(x, e))
		return EXP_NO_MASTER;
	switch (expects_put(x->internal, e, now, &id)) {
	case EXPECTS_NOTHING:
		break;
	case EXPECTS_NEW:
		if (announce)
			sync_local_birth(x->sync, id | FLOW_ID_EXPECT, now);
		break;
	case EXPECTS_FULL:
		full(x, now);
		break;
	}
	return EXP_STORED;
}

void exp_path_refreshed(struct exp_path *x, const struct ct_expect *e, struct mono now)
{
	uint32_t id;

	if (!x->source->refreshes(x, e))
		return;
	if (expects_put(x->internal, e, now, &id) != EXPECTS_FULL)
		sync_local_change(x->sync, id | FLOW_ID_EXPECT, now);
}

void exp_path_born(struct exp_path *x, const struct ct_expect *e)
{
	uint32_t id = x->conf.inject ? expects_find(x->external, e) : FLOW_ID_NONE;

	if (id != FLOW_ID_NONE)
		expects_remove(x->external, id);
}

bool exp_path_theirs(const struct exp_path *x, const struct ct_expect *e)
{
	uint32_t id = x->conf.inject ? expects_find(x->external, e) : FLOW_ID_NONE;

	return id != FLOW_ID_NONE && expect_same_master(&expects_rec(x->external, id)->expect, e);
}

bool exp_path_knows(const struct exp_path *x, const struct ct_expect *e)
{
	return x->source->knows(x, e);
}

bool exp_path_ours(const struct exp_path *x, const struct ct_expect *e)
{
	uint32_t id = expects_find(x->internal, e);

	return exp_path_knows(x, e) &&
	       expect_same_master(&expects_rec(x->internal, id)->expect, e) &&
	       !exp_path_theirs(x, e);
}

void exp_path_end(struct exp_path *x, const struct ct_expect *e, struct mono now)
{
	uint32_t id;

	x->source->ending(x, e, now);
	if (expects_end(x->internal, e, &id))
		sync_local_change(x->sync, id | FLOW_ID_EXPECT, now);
}

void exp_path_committed(struct exp_path *x, const struct ct_expect *e, struct mono now)
{
	x->source->committed(x, e, now);
}

static void drop(struct exp_path *x, uint32_t id)
{
	sync_forget(x->sync, id | FLOW_ID_EXPECT);
	expects_remove(x->internal, id);
}

void exp_path_removed(struct exp_path *x, const struct ct_expect *e)
{
	uint32_t id = expects_find(x->internal, e);

	if (id != FLOW_ID_NONE && expects_rec(x->internal, id)->state != REC_DEAD)
		drop(x, id);
}

void exp_path_master_purged(struct exp_path *x, const struct ct_flow *f)
{
	uint32_t ids[STEP_IDS];
	uint64_t pos = 0;
	size_t n;

	if (expects_count(x->internal) == 0)
		return;
	while ((n = expects_walk(x->internal, &pos, ids, STEP_IDS)) > 0) {
		for (size_t i = 0; i < n; i++) {
			const struct expect_rec *rec = expects_rec(x->internal, ids[i]);

			if (rec->state != REC_DEAD && expect_is_master(&rec->expect, f))
				drop(x, ids[i]);
		}
	}
}

void exp_path_flush_internal(struct exp_path *x)
{
	uint32_t ids[STEP_IDS];
	uint64_t pos = 0;
	size_t n;

	while ((n = expects_walk(x->internal, &pos, ids, STEP_IDS)) > 0) {
		for (size_t i = 0; i < n; i++)
			if (expects_rec(x->internal, ids[i])->state != REC_DEAD)
				drop(x, ids[i]);
	}
}

void exp_path_flush_external(struct exp_path *x)
{
	uint32_t ids[STEP_IDS];
	uint64_t pos = 0;
	size_t n;

	if (x->conf.inject)
		return; /* it says what is in the kernel */
	while ((n = expects_walk(x->external, &pos, ids, STEP_IDS)) > 0) {
		for (size_t i = 0; i < n; i++)
			expects_remove(x->external, ids[i]);
	}
}

/* ---- for sync ---- */

static struct expect_rec *rec_of(const struct exp_path *x, uint32_t id)
{
	return expects_rec(x->internal, id & ~FLOW_ID_EXPECT);
}

struct flow_repl *exp_path_repl(struct exp_path *x, uint32_t id)
{
	return &rec_of(x, id)->repl;
}

bool exp_path_is_dead(const struct exp_path *x, uint32_t id)
{
	return x->source->is_dead(x, id);
}

int exp_path_encode(struct exp_path *x, uint32_t id, struct message *msg,
		    const struct proto_ops *proto, const struct proto_rules *rules,
		    struct writer *out)
{
	const struct expect_rec *rec = rec_of(x, id);
	bool dead = rec->state == REC_DEAD;
	int err;

	msg->kind = MSG_EXPECT;
	msg->change = dead ? MSG_END : MSG_NEW;
	err = proto->put_expect(out, msg, &rec->expect, rules);
	if (err == 0)
		(*(dead ? &x->stats.sent_end : &x->stats.sent_new))++;
	return err;
}

void exp_path_release(struct exp_path *x, uint32_t id)
{
	x->source->release(x->internal, id & ~FLOW_ID_EXPECT);
}

void exp_path_bulk_end(struct exp_path *x)
{
	x->telling = false;
}

size_t exp_path_walk(struct exp_path *x, uint64_t *pos, uint32_t *ids, size_t n)
{
	return x->source->walk(x, pos, ids, n);
}

/* ---- the source with an internal cache ---- */

static bool cached_master(const struct exp_path *x, const struct ct_expect *e)
{
	struct flow_table *t = internal_table(x->masters);
	struct ct_flow master;
	uint32_t id;

	expect_master_flow(e, &master);
	id = table_find(t, &master);
	return id != FLOW_ID_NONE && table_rec(t, id)->state != REC_DEAD;
}

static bool cached_knows(const struct exp_path *x, const struct ct_expect *e)
{
	uint32_t id = expects_find(x->internal, e);

	return id != FLOW_ID_NONE && expects_rec(x->internal, id)->state != REC_DEAD;
}

static void nothing(struct exp_path *x, const struct ct_expect *e, struct mono now)
{
	(void)x;
	(void)e;
	(void)now;
}

static void cached_committed(struct exp_path *x, const struct ct_expect *e, struct mono now)
{
	exp_path_put(x, e, false, now);
}

static bool cached_is_dead(const struct exp_path *x, uint32_t id)
{
	return rec_of(x, id)->state == REC_DEAD;
}

static size_t cached_walk(struct exp_path *x, uint64_t *pos, uint32_t *ids, size_t n)
{
	size_t got = expects_walk(x->internal, pos, ids, n);

	for (size_t i = 0; i < got; i++)
		ids[i] = expects_rec(x->internal, ids[i])->state == REC_DEAD ?
				 FLOW_ID_NONE :
				 ids[i] | FLOW_ID_EXPECT;
	return got;
}

static const struct exp_source source_cached = {
	.cache = EXP_CACHE_INTERNAL,
	.name = "internal expectation",
	.has_master = cached_master,
	.knows = cached_knows,
	.refreshes = cached_knows,
	.ending = nothing,
	.committed = cached_committed,
	.is_dead = cached_is_dead,
	.release = expects_release,
	.walk = cached_walk,
};

/* ---- the source without one ---- */

static bool yes(const struct exp_path *x, const struct ct_expect *e)
{
	(void)x;
	(void)e;
	return true;
}

static bool no(const struct exp_path *x, const struct ct_expect *e)
{
	return !yes(x, e);
}

/* Nobody knows here whether the peers have heard of it. */
static void uncached_ending(struct exp_path *x, const struct ct_expect *e, struct mono now)
{
	uint32_t id;

	if (expects_find(x->internal, e) == FLOW_ID_NONE &&
	    expects_put(x->internal, e, now, &id) == EXPECTS_FULL)
		full(x, now);
}

static bool uncached_is_dead(const struct exp_path *x, uint32_t id)
{
	(void)x;
	(void)id;
	return true;
}

/* There is nothing to walk over, but a full send is not over before the kernel's have been read. */
static size_t uncached_walk(struct exp_path *x, uint64_t *pos, uint32_t *ids, size_t n)
{
	(void)n;
	if (*pos == 0) {
		*pos = 1;
		x->telling = true;
		x->dump(x->dump_ctx);
	}
	ids[0] = FLOW_ID_NONE;
	return x->telling ? 1 : 0;
}

static const struct exp_source source_uncached = {
	.cache = EXP_CACHE_QUEUE,
	.name = "outgoing expectation",
	.has_master = yes, /* asked for before (expecting.c) */
	.knows = no,
	.refreshes = yes,
	.ending = uncached_ending,
	.committed = nothing, /* what we did ourselves is not told */
	.is_dead = uncached_is_dead,
	.release = expects_remove,
	.walk = uncached_walk,
};

/* ---- from the network ---- */

void exp_path_received(struct exp_path *x, uint8_t peer, bool gone, const struct ct_expect *e,
		       struct mono now)
{
	if (x->conf.inject) /* which asks whose the kernel's is, by what was known until now */
		x->conf.inject(x->conf.world, gone, e);
	if (gone)
		expects_peer_end(x->external, peer, e);
	else if (!(x->conf.inject && exp_path_ours(x, e)) &&
		 expects_peer_new(x->external, peer, e, now) < 0)
		x->conf.full(x->conf.ctx, EXP_CACHE_EXTERNAL, "external expectation", now);
}

void exp_path_resync_begin(struct exp_path *x, uint8_t peer)
{
	expects_resync_begin(x->external, peer);
}

uint32_t exp_path_resync_done(struct exp_path *x, uint8_t peer)
{
	return expects_resync_done(x->external, peer);
}

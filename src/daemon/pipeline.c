/* SPDX-License-Identifier: GPL-2.0-or-later */
/* THE DATA PATH ON ONE SCREEN.
 *
 *   kernel event --> pipeline_event ----> filter --> internal cache --> sync_local_change   (marked, queued once)
 *   end of turn ---> pipeline_turn -----> sync_transmit --> path_encode --> wire_put_flow --> channel datagram
 *   datagram ------> pipeline_datagram -> wire_next --> sync_recv --> path_apply --> external cache, or env.inject
 *
 * Expectations take the same way through exp_path.c, which the functions for sync below ask where an id names one.
 *
 * This file only connects: what an event means is decided in cache/, what is sent and when in sync/, what the bytes
 * are in wire/. It owns the two caches and the sync object. Long work (the sweep after a resync) is done in steps from
 * pipeline_turn().
 *
 * In the statistics mode there is no sync and no external cache: the path ends at the internal cache, whose ended flows are
 * handed to the flow log. Without internal cache (cache/bypass.c) a record lives until its message has been made, and a
 * full send walks over a dump of the kernel table: bypass_path.c.
 *
 * Nothing here depends on a socket or on the clock: the simulation in tests/sim links this very file. */
#include "daemon/pipeline.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "daemon/path.h"
#include "sync/sync_conf.h"

#define SILENCE_MS 30000	/* a peer says something once a second */
#define VERSION_LOG_MS 3600000
#define CLASH_LOG_MS 600000
#define CLASH_STEP 4096
#define WALK_EXPECTS (UINT64_C(1) << 63)	/* in the resume point of path_walk(): the flows are done */
#define SWEEP_STEP 4096	/* records looked at per turn: well under a millisecond */

static void path_log(struct pipeline *p, int level, const char *text)
{
	if (p->env.log)
		p->env.log(p->env.ctx, level, text);
}

/* Said once per ten seconds, because every further flow would say it again. */
void path_full(struct pipeline *p, uint64_t *counter, const char *cache, struct mono now)
{
	uint64_t suppressed;
	char line[160];

	(*counter)++;
	if (p->env.full && log_limit_pass(&p->full_call, 1, 1000, now, NULL))
		p->env.full(p->env.ctx);
	if (!log_limit_pass(&p->full_log, 1, 10000, now, &suppressed))
		return;
	snprintf(line, sizeof(line), "%s cache is full, %" PRIu64 " entries not stored so far: raise HashLimit", cache,
		 *counter);
	path_log(p, LOG_LVL_WARNING, line);
}

/* ---- our kernel -> internal cache -> sync ---- */

/* A flow that peers could not tell from another one: whatever waits to be sent about it is not. Only the end of one that
 * they may know is told: nobody else has spoken under its name since. */
static void path_hidden_changed(struct pipeline *p, enum internal_change change, uint32_t id, struct mono now)
{
	if (change != INTERNAL_DESTROY)
		sync_forget(p->sync, id);
	else if (clash_known(p->clash, id))
		sync_local_change(p->sync, id, now);
	else
		internal_release(p->internal, id);
}

/* The cache says that a flow which was sent until now is one of those. What a peer has of it stays there: it lives, and
 * a peer that injects would remove what its kernel may be forwarding. */
static void path_hidden(void *ctx, uint32_t id, struct mono now)
{
	struct pipeline *p = ctx;
	const struct ct_flow *f = &table_rec(internal_table(p->internal), id)->flow;
	char line[320], src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN];
	const uint8_t *addr = (const uint8_t *)&f->addr;

	sync_forget(p->sync, id);
	if (!log_limit_pass(&p->clash_log, 1, CLASH_LOG_MS, now, NULL))
		return;
	inet_ntop(f->l3, addr, src, sizeof(src));
	inet_ntop(f->l3, addr + (f->l3 == AF_INET ? 4 : 16), dst, sizeof(dst));
	snprintf(line, sizeof(line), "several flows of protocol %u (%s) from %s to %s differ only in what the sync protocol "
		 "cannot say (keys, UDP-Lite ports, zones of one direction): none of them is replicated, see "
		 "'conntrackd -s network'", f->l4, flow_l4_name(f->l4), src, dst);
	path_log(p, LOG_LVL_WARNING, line);
}

/* Flows that have become the only ones of their name are sent. */
static void path_clash_step(struct pipeline *p, struct mono now)
{
	uint32_t id;

	for (size_t i = 0; i < CLASH_STEP && clash_next(p->clash, &id); i++)
		sync_local_birth(p->sync, id, now);
}

void path_changed(struct pipeline *p, enum internal_change change, uint32_t id, struct mono now)
{
	if (p->clash && clash_hidden(p->clash) > 0 && id != FLOW_ID_NONE && change != INTERNAL_NOTHING &&
	    internal_is_hidden(p->internal, id)) {
		path_hidden_changed(p, change, id, now);
		return;
	}
	switch (change) {
	case INTERNAL_NOTHING:
		return;
	case INTERNAL_FULL:
		path_full(p, &p->stats.full_internal, p->bypass ? "outgoing" : "internal", now);
		p->lost = p->lost || p->bypass;
		return;
	case INTERNAL_NEW:
		if (p->sync)
			sync_local_birth(p->sync, id, now);
		return;
	case INTERNAL_UPDATE:
		if (p->sync)
			sync_local_change(p->sync, id, now);
		return;
	case INTERNAL_DESTROY:
		if (p->sync)
			sync_local_change(p->sync, id, now);
		else
			internal_release(p->internal, id);	/* nobody waits for a message about it */
		return;
	}
}

void path_ended(struct pipeline *p, const struct ct_flow *f)
{
	if (f->has & FLOW_HAS_COUNTERS) {
		p->stats.traffic_bytes += f->rare->bytes[0] + f->rare->bytes[1];
		p->stats.traffic_packets += f->rare->packets[0] + f->rare->packets[1];
	}
	if (p->env.ended)
		p->env.ended(p->env.ctx, f);
}

void pipeline_event(struct pipeline *p, enum pipeline_event what, const struct ct_flow *f, struct mono now)
{
	enum internal_change change = INTERNAL_NOTHING;
	uint32_t id = FLOW_ID_NONE;

	p->stats.events++;
	if (p->bypass) {
		bypass_path_event(p, what, f, now);
		return;
	}
	/* The end of a cached flow is never filtered: its last state may be one the filter does not want, and it would
	 * stay here and at the peers for ever. The cache itself ignores the end of what it does not know. */
	if (what == PIPELINE_FLOW_DESTROY) {
		change = internal_destroy(p->internal, f, now, &id);
		if (change == INTERNAL_DESTROY)
			path_ended(p, f);
		else if (!flow_filter_pass(p->filter, f))
			p->stats.filtered++;
	} else if (!flow_filter_pass(p->filter, f)) {
		p->stats.filtered++;
	} else if (what == PIPELINE_FLOW_NEW) {
		change = internal_new_flow(p->internal, f, now, &id);
	} else {
		change = internal_update(p->internal, f, now, &id);
	}
	path_changed(p, change, id, now);
}

void pipeline_dumped(struct pipeline *p, const struct ct_flow *f, bool announce, struct mono now)
{
	enum internal_change change;
	uint32_t id;

	if (!flow_filter_pass(p->filter, f))
		return;
	change = p->bypass ? bypass_new_flow(p->bypass, f, now, &id) : internal_dumped(p->internal, f, now, &id);
	if (announce || change == INTERNAL_FULL)
		path_changed(p, change, id, now);
}

void pipeline_verified(struct pipeline *p, const struct ct_flow *f, struct mono now)
{
	bool injecting = p->sync && !p->external;

	if (!injecting || table_find(p->own, f) != FLOW_ID_NONE)
		pipeline_dumped(p, f, true, now);
}

void pipeline_answered(struct pipeline *p, const struct ct_flow *f, struct mono now)
{
	enum internal_change change;
	uint32_t id;

	change = internal_answered(p->internal, f, now, &id);
	path_changed(p, change, id, now);
}

void pipeline_gone(struct pipeline *p, uint32_t id, struct mono now)
{
	enum internal_change change = internal_gone(p->internal, id, now);

	if (change == INTERNAL_DESTROY)
		path_ended(p, &table_rec(internal_table(p->internal), id)->flow);
	path_changed(p, change, id, now);
}

void pipeline_purged(struct pipeline *p, const struct ct_flow *f, struct mono now)
{
	uint32_t id;

	/* Also when the cache has been emptied already: the kernel is about to tell their end as an event. */
	if (p->expects)
		exp_path_master_purged(p->expects, f);
	if (p->bypass) {
		id = table_find(p->own, f);
		if (id != FLOW_ID_NONE)
			sync_forget(p->sync, id);
		bypass_purge(p->bypass, f, now);
		return;
	}
	if (internal_destroy(p->internal, f, now, &id) != INTERNAL_DESTROY)
		return;
	path_ended(p, f);
	if (p->sync)
		sync_forget(p->sync, id);
	internal_release(p->internal, id);
}

void pipeline_commit(struct pipeline *p, const struct ct_flow *f, struct mono now, uint32_t *id, bool *inserted)
{
	*id = FLOW_ID_NONE;
	*inserted = false;
	if (p->internal && internal_commit(p->internal, f, now, id, inserted) == INTERNAL_FULL)
		path_full(p, &p->stats.full_internal, "internal", now);
}

void pipeline_commit_undo(struct pipeline *p, uint32_t id)
{
	if (!internal_commit_undo(p->internal, id))
		return;
	sync_forget(p->sync, id);	/* a bulk send came across it */
	internal_release(p->internal, id);
}

/* ---- sync -> wire -> datagram ---- */

static struct flow_mark *path_mark(void *ctx, uint32_t id)
{
	struct pipeline *p = ctx;

	return flow_id_is_expect(id) ? exp_path_mark(p->expects, id) : &table_rec(p->own, id)->mark;
}

static bool path_is_dead(void *ctx, uint32_t id)
{
	struct pipeline *p = ctx;

	if (flow_id_is_expect(id))
		return exp_path_is_dead(p->expects, id);
	return p->bypass || table_rec(p->own, id)->state == REC_DEAD;
}

static enum wire_type path_type(const struct pipeline *p, const struct flow_rec *rec)
{
	if (rec->state == REC_DEAD)
		return WIRE_CT_DEL;
	if (p->bypass)	/* nobody knows what the peers have: only what is whole may replace it */
		return rec->state == REC_NEW ? WIRE_CT_NEW : WIRE_CT_UPD;
	if (rec->mark.bits & MARK_REPEAT)
		return WIRE_CT_UPD;
	return rec->state == REC_NEW || !(rec->mark.bits & MARK_KNOWN) ? WIRE_CT_NEW : WIRE_CT_UPD;
}

/* Said once: which names there are changes with the configuration only. */
static void path_helper_left_out(struct pipeline *p, const struct ct_flow *f)
{
	char line[200];

	if (p->stats.helpers_left_out++ > 0)
		return;
	snprintf(line, sizeof(line), "the helper name '%.*s' has more than %d characters: 1.4.x would refuse such flows, so "
		 "they are sent without it", FLOW_HELPER_MAX - 1, f->rare->helper, WIRE_HELPER_MAX);
	path_log(p, LOG_LVL_WARNING, line);
}

static int path_encode(void *ctx, uint32_t id, uint32_t seq, uint8_t flags, struct writer *out)
{
	struct pipeline *p = ctx;
	const struct flow_rec *rec;
	enum wire_type type;
	int err;

	if (flow_id_is_expect(id))
		return exp_path_encode(p->expects, id, seq, flags, &p->rules, out);
	rec = table_rec(p->own, id);
	type = path_type(p, rec);
	err = wire_put_flow(out, type, flags, seq, &rec->flow, &p->rules);

	if (err == 0 && p->bypass)
		p->stats.bypass[type]++;
	if (err == 0 && type != WIRE_CT_DEL && wire_helper_too_long(&rec->flow))
		path_helper_left_out(p, &rec->flow);
	return err;
}

static struct writer *path_datagram(void *ctx)
{
	struct pipeline *p = ctx;

	return p->env.datagram(p->env.ctx);
}

static void path_send(void *ctx)
{
	struct pipeline *p = ctx;

	p->env.send(p->env.ctx);
}

static void path_flush(void *ctx)
{
	struct pipeline *p = ctx;

	p->env.flush(p->env.ctx);
}

static void path_release(void *ctx, uint32_t id)
{
	struct pipeline *p = ctx;

	if (flow_id_is_expect(id))
		exp_path_release(p->expects, id);
	else if (p->bypass)
		bypass_release(p->bypass, id);
	else
		internal_release(p->internal, id);
}

static size_t path_walk_flows(struct pipeline *p, uint64_t *pos, uint32_t *ids, size_t n)
{
	struct flow_table *t = p->own;
	size_t got;

	if (p->bypass)
		return bypass_path_walk(p, pos, ids, n);
	got = table_walk(t, pos, ids, n);
	for (size_t i = 0; i < got; i++)
		if (table_rec(t, ids[i])->state == REC_DEAD || internal_is_hidden(p->internal, ids[i]))
			ids[i] = FLOW_ID_NONE;
	return got;
}

/* Flows, then expectations, so that a master arrives before what it expects. */
static size_t path_walk(void *ctx, uint64_t *pos, uint32_t *ids, size_t n)
{
	struct pipeline *p = ctx;
	size_t got = 0;
	uint64_t at;

	if (!(*pos & WALK_EXPECTS))
		got = path_walk_flows(p, pos, ids, n);
	if (got > 0 || !p->expects)
		return got;
	at = *pos & WALK_EXPECTS ? *pos & ~WALK_EXPECTS : 0;
	got = exp_path_walk(p->expects, &at, ids, n);
	*pos = WALK_EXPECTS | at;
	return got;
}

/* ---- datagram -> wire -> sync -> external cache ---- */

static void path_other_version(struct pipeline *p, const struct sync_source *from, uint8_t version, struct mono now)
{
	char line[160], addr[INET6_ADDRSTRLEN];

	if (!log_limit_pass(&p->version_log, 1, VERSION_LOG_MS, now, NULL))
		return;
	if (!inet_ntop(from->family, from->addr, addr, sizeof(addr)))
		snprintf(addr, sizeof(addr), "?");
	snprintf(line, sizeof(line), "%s sends messages of protocol version %u: they are ignored, only version %u is known",
		 addr, version, WIRE_VERSION);
	path_log(p, LOG_LVL_WARNING, line);
}

static void path_check_silence(struct pipeline *p, struct mono now)
{
	char line[240];

	if (!mono_is_set(p->silence_due) || mono_before(now, p->silence_due))
		return;
	p->silence_due = (struct mono){ 0 };
	snprintf(line, sizeof(line), "no message of a peer within %d s: does it run, with the same kind of link, the same "
		 "group or addresses and the same port, and do firewall rules let the link's traffic in?",
		 SILENCE_MS / 1000);
	path_log(p, LOG_LVL_WARNING, line);
}

void pipeline_datagram(struct pipeline *p, const struct sync_source *from, const uint8_t *bytes, size_t n,
		       struct mono now)
{
	struct cursor datagram = cur_init(bytes, n);

	while (datagram.left > 0) {
		struct wire_hdr hdr;
		struct cursor body;
		enum wire_err err = wire_next(&datagram, &hdr, &body);

		if (err == WIRE_OK) {
			p->silence_due = (struct mono){ 0 };
			sync_recv(p->sync, from, &hdr, body, now);
			continue;
		}
		sync_count_refused(p->sync, err);
		if (err != WIRE_BAD_VERSION)
			return;	/* its length cannot be trusted, so where the next message starts is unknown */
		path_other_version(p, from, hdr.version, now);
	}
}

static void path_apply(void *ctx, uint8_t peer, enum sync_change what, const struct ct_flow *flow, struct mono now)
{
	struct pipeline *p = ctx;
	int err = 0;

	if (!p->external) {
		p->env.inject(p->env.ctx, what, flow, now);
		return;
	}
	switch (what) {
	case SYNC_NEW:
		err = external_new_flow(p->external, peer, flow, now);
		break;
	case SYNC_REPLACE:
		err = external_replace(p->external, peer, flow, now);
		break;
	case SYNC_UPDATE:
		err = external_update(p->external, peer, flow, now);
		break;
	case SYNC_DESTROY:
		external_destroy(p->external, peer, flow);
		break;
	}
	if (err < 0)
		path_full(p, &p->stats.full_external, "external", now);
}

static void path_expect(void *ctx, uint8_t peer, bool gone, const struct ct_expect *e, struct mono now)
{
	struct pipeline *p = ctx;

	if (p->expects)
		exp_path_received(p->expects, peer, gone, e, now);
}

static void path_resync_begin(void *ctx, uint8_t peer)
{
	struct pipeline *p = ctx;

	if (!p->external)
		return;		/* what is in the kernel and stale goes by its timeout */
	/* A sweep still under way belongs to the resync before: what it has not reached is judged by the new one. */
	if (p->sweep_peers & (1u << peer)) {
		p->sweep_peers &= ~(1u << peer);
		p->sweep_pos = 0;
	}
	external_resync_begin(p->external, peer);
	if (p->expects)
		expects_resync_begin(exp_path_external(p->expects), peer);
}

static void path_resync_done(void *ctx, uint8_t peer)
{
	struct pipeline *p = ctx;

	if (!p->external)
		return;
	p->sweep_peers |= 1u << peer;
	p->sweep_pos = 0;
	if (p->expects)
		p->swept += expects_resync_done(exp_path_external(p->expects), peer);
}

static void path_sync_log(void *ctx, int level, const char *text)
{
	path_log(ctx, level, text);
}

/* One step of removing what a completed resync did not refresh. True while there is more. */
static bool path_sweep_step(struct pipeline *p)
{
	char line[96];
	uint8_t peer;

	if (p->sweep_peers == 0)
		return false;
	peer = (uint8_t)__builtin_ctz(p->sweep_peers);
	if (external_sweep_step(p->external, peer, &p->sweep_pos, SWEEP_STEP, &p->swept))
		return true;
	if (p->swept > 0) {
		snprintf(line, sizeof(line), "resync complete: %u stale entries removed from the external cache",
			 p->swept);
		path_log(p, LOG_LVL_NOTICE, line);
	}
	p->sweep_peers &= ~(1u << peer);
	p->sweep_pos = 0;
	p->swept = 0;
	return p->sweep_peers != 0;
}

/* One step of looking for entries that nobody has spoken of for too long. Between two walks lies the time that the oldest
 * entry has left, so a table that is refreshed regularly is hardly ever walked. True while there is more. */
static bool path_expire_step(struct pipeline *p, struct mono now)
{
	uint32_t removed = 0;	/* of no interest: that entries lapse is how the mode works */
	int64_t left_s;

	if (p->life_s == 0 || (!p->expiring && mono_before(now, p->expire_due)))
		return false;
	if (!p->expiring) {
		p->expire_pos = 0;
		p->oldest_s = UINT32_MAX;
		if (p->expects)
			expects_expire(exp_path_external(p->expects), p->life_s, now, &p->oldest_s);
	}
	p->expiring = external_expire_step(p->external, &p->expire_pos, SWEEP_STEP, p->life_s, now, &p->oldest_s,
					   &removed);
	if (p->expiring)
		return true;
	left_s = p->oldest_s == UINT32_MAX ? p->life_s : (int64_t)p->oldest_s + p->life_s - mono_s(now);
	p->expire_due = mono_add_ms(now, (left_s > 0 ? left_s + 1 : 1) * 1000);
	return false;
}

struct mono pipeline_turn(struct pipeline *p, struct mono now, bool *again)
{
	struct mono next = { 0 }, lost;
	bool more;

	*again = false;
	if (!p->sync)
		return next;
	if (p->clash)
		path_clash_step(p, now);
	lost = bypass_path_say_lost(p, now);
	next = mono_min(sync_tick(p->sync, now), lost);
	more = sync_transmit(p->sync, now);
	more = path_expire_step(p, now) || more;
	more |= p->clash && clash_pending(p->clash);	/* what was acknowledged or sent has made room */
	*again = path_sweep_step(p) || more;
	path_check_silence(p, now);
	return mono_min(next, mono_min(p->silence_due, p->expire_due));
}

/* ---- commands ---- */

static void path_drop(void *ctx, uint32_t id)
{
	struct pipeline *p = ctx;

	if (p->sync)
		sync_forget(p->sync, id);
}

bool pipeline_flush_internal_step(struct pipeline *p, uint64_t *pos, size_t n)
{
	return p->internal && internal_flush_step(p->internal, pos, n, path_drop, p);
}

bool pipeline_flush_external_step(struct pipeline *p, uint64_t *pos, size_t n)
{
	return external_flush_step(p->external, pos, n);
}

struct internal *pipeline_internal(struct pipeline *p)
{
	return p->internal;
}

struct flow_table *pipeline_own(struct pipeline *p)
{
	return p->own;
}

struct external *pipeline_external(struct pipeline *p)
{
	return p->external;
}

struct exp_path *pipeline_expects(struct pipeline *p)
{
	return p->expects;
}

struct sync *pipeline_sync(struct pipeline *p)
{
	return p->sync;
}

const struct pipeline_stats *pipeline_stats(const struct pipeline *p)
{
	return &p->stats;
}

/* ---- lifetime ---- */

static void path_expects_full(void *ctx, const char *cache, struct mono now)
{
	struct pipeline *p = ctx;

	path_full(p, &p->stats.full_expects, cache, now);
}

static const struct sync_env path_sync_env = {
	.mark = path_mark,
	.is_dead = path_is_dead,
	.encode = path_encode,
	.datagram = path_datagram,
	.send = path_send,
	.flush = path_flush,
	.apply = path_apply,
	.expect = path_expect,
	.release = path_release,
	.walk = path_walk,
	.resync_begin = path_resync_begin,
	.resync_done = path_resync_done,
	.log = path_sync_log,
};

/* Their caches are few bytes until they are used; the limit is that of the flows. */
static bool path_new_expects(struct pipeline *p, const struct pipeline_conf *conf)
{
	struct exp_path_conf xconf = {
		.expect = &conf->sync->expect,
		.limit_internal = conf->limit_internal,
		.limit_external = conf->limit_external,
		.key = conf->key,
		.full = path_expects_full,
		.log = path_sync_log,
		.ctx = p,
	};

	if (conf->sync->expect.on)
		p->expects = exp_path_new(&xconf, p->internal);
	return p->expects || !conf->sync->expect.on;
}

struct pipeline *pipeline_new(const struct pipeline_conf *conf, const struct pipeline_env *env, struct mono now)
{
	struct pipeline *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->filter = conf->filter;
	p->rules = conf->rules;
	p->env = *env;
	p->sync_env = path_sync_env;
	p->sync_env.ctx = p;
	if (conf->no_internal)
		p->bypass = bypass_new(conf->buckets, conf->limit_internal, &conf->key);
	else
		p->internal = internal_new(conf->buckets, conf->limit_internal, &conf->key);
	if (p->internal || p->bypass)
		p->own = p->bypass ? bypass_table(p->bypass) : internal_table(p->internal);
	if (conf->sync) {
		if (!conf->no_external)
			p->external = external_new(conf->buckets, conf->limit_external, &conf->key);
		if (p->internal && (p->external || conf->no_external) &&
		    internal_watch_clashes(p->internal, &conf->key, path_hidden, p) == 0)
			p->clash = internal_clash(p->internal);
		if ((p->clash || (p->bypass && (p->external || conf->no_external))) && path_new_expects(p, conf))
			p->sync = sync_open(&p->sync_env, conf->sync, conf->first_seq, now);
	}
	if (!p->own || (conf->sync && !p->sync)) {
		pipeline_free(p);
		return NULL;
	}
	if (p->expects)
		exp_path_set_sync(p->expects, p->sync);
	if (conf->sync && conf->sync->mode != SYNC_MODE_ALARM)	/* where a peer without flows is silent */
		p->silence_due = mono_add_ms(now, SILENCE_MS);
	if (conf->sync && conf->sync->mode == SYNC_MODE_ALARM) {
		p->life_s = conf->sync->cache_timeout_s;
		p->expire_due = mono_add_ms(now, 1000);
	}
	return p;
}

void pipeline_free(struct pipeline *p)
{
	if (!p)
		return;
	if (p->sync)
		sync_close(p->sync);	/* releases dead records, so the caches go after it */
	exp_path_free(p->expects);
	external_free(p->external);
	bypass_free(p->bypass);
	internal_free(p->internal);
	free(p);
}

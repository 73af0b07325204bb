/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pipeline as an object: made from its parts and taken apart, and access to them. What is in
 * it: node/path.h. */
#include "node/path.h"

#include <stdlib.h>

#include "cache/peer_flows.h"
#include "node/sink.h"
#include "node/source.h"
#include "sync/sync_conf.h"

/* ---- its parts ---- */

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

static void path_fill(void *ctx, struct writer *out)
{
	struct pipeline *p = ctx;

	if (p->proto->fill && p->env.out.even && p->env.out.even(p->env.out.ctx))
		p->proto->fill(out);
}

static void path_report(void *ctx, const struct sync_report *r)
{
	struct pipeline *p = ctx;

	if (p->env.report)
		p->env.report(p->env.ctx, r);
}

static void path_expect(void *ctx, uint8_t peer, bool gone, const struct ct_expect *e,
			struct mono now)
{
	struct pipeline *p = ctx;

	path_settle(p);
	if (p->expects)
		exp_path_received(p->expects, peer, gone, e, now);
}

static void path_expects_full(void *ctx, enum exp_cache cache, const char *name, struct mono now)
{
	struct pipeline *p = ctx;

	path_full(p, &p->stats.full_expects, name, now);
	if (cache != EXP_CACHE_QUEUE)
		complete_expects_full(p, cache == EXP_CACHE_INTERNAL, now);
}

static bool path_room(void *ctx, struct mono now)
{
	struct pipeline *p = ctx;

	return sync_make_room(p->sync, now);
}

static void path_peer_begins(void *ctx, uint8_t peer)
{
	struct pipeline *p = ctx;

	stale_peer_begins(p, peer);
	peers_flows_adopt(p);
	if (p->env.peer_begins)
		p->env.peer_begins(p->env.ctx);
}

static void path_resync_begin(void *ctx, uint8_t peer)
{
	struct pipeline *p = ctx;

	complete_answers_begin(p, p->now);
	if (p->expects)
		exp_path_resync_begin(p->expects, peer);
	p->sink->resync_begin(p, peer);
}

static bool path_active(void *ctx)
{
	const struct pipeline *p = ctx;

	return p->env.active && p->env.active(p->env.ctx);
}

static const struct sync_env path_sync_env = {
	.repl = record_repl,
	.has = record_has,
	.is_dead = record_is_dead,
	.encode = path_encode,
	.fill = path_fill,
	.expect = path_expect,
	.release = record_release,
	.walk = record_walk,
	.peer_begins = path_peer_begins,
	.peer_asks = peers_flows_peer_asks,
	.resync_begin = path_resync_begin,
	.whole = complete_internal_is,
	.kept = stale_kept,
	.active = path_active,
	.report = path_report,
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
		.ctx = p,
		.inject = conf->no_external ? p->env.inject_expect : NULL,
		.log = p->env.log,
		.world = p->env.ctx,
	};

	if (conf->sync->expect.on)
		p->expects = exp_path_new(&xconf, p->internal);
	return p->expects || !conf->sync->expect.on;
}

static bool new_source(struct pipeline *p, const struct pipeline_conf *conf)
{
	p->peer_flows = peer_flows_new(&conf->key);
	if (conf->no_internal) {
		p->source = &source_bypass;
		p->bypass = bypass_new(conf->buckets, conf->limit_internal, &conf->key);
		p->own = p->bypass ? bypass_table(p->bypass) : NULL;
		return p->own && p->peer_flows;
	}
	p->source = conf->sync ? &source_cache : &source_stats;
	p->internal = internal_new(conf->buckets, conf->limit_internal, &conf->key);
	if (!p->internal || !p->peer_flows)
		return false;
	p->own = p->in.table = internal_table(p->internal);
	p->in.name = p->source->cache;
	if (!conf->sync)
		return true;
	internal_set_room(p->internal, path_room, p);
	if (conf->no_external)
		internal_keep_received_timeout(p->internal);
	if (internal_watch_clashes(p->internal, &conf->key, ambiguous_hidden, p) < 0)
		return false;
	p->clash = internal_clash(p->internal);
	return true;
}

static bool new_sink(struct pipeline *p, const struct pipeline_conf *conf)
{
	p->sink = conf->no_external ? &sink_kernel : &sink_cache;
	p->ex.name = p->sink->cache;
	if (!conf->no_external) {
		p->external = external_new(conf->buckets, conf->limit_external, &conf->key);
		if (!p->external)
			return false;
		p->ex.table = external_table(p->external);
	}
	return true;
}

/* Where there are peers. */
static bool new_sync(struct pipeline *p, const struct pipeline_conf *conf, struct mono now)
{
	if (!new_sink(p, conf) || !path_new_expects(p, conf))
		return false;
	p->sync_env = path_sync_env;
	p->sync_env.ctx = p;
	p->sync_env.out = p->env.out;
	p->sync_env.proto = p->proto;
	if (conf->seal.ops &&
	    sealed_init(&p->sealed, &conf->seal, &p->env.out, &p->sync_env.out) < 0)
		return false;
	p->sync_env.apply = p->sink->apply;
	p->sync_env.resync_done = p->sink->resync_done;
	p->sync = sync_open(&p->sync_env, conf->sync, conf->first_seq, now);
	if (!p->sync)
		return false;
	if (p->expects)
		exp_path_set_sync(p->expects, p->sync);
	if (sync_can(conf->sync, SYNC_SPEAKS)) /* else a peer without flows is silent */
		p->silence_due = mono_add_ms(now, PATH_SILENCE_MS);
	if (sync_can(conf->sync, SYNC_EXPIRES)) {
		p->cache_timeout_s = conf->sync->cache_timeout_s;
		p->refresh_s = conf->sync->refresh_s;
		p->expire_due = mono_add_ms(now, 1000);
	}
	return true;
}

struct pipeline *pipeline_new(const struct pipeline_conf *conf, const struct pipeline_env *env,
			      struct mono now)
{
	struct pipeline *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->filter = conf->filter;
	p->proto = conf->proto;
	p->rules = conf->rules;
	p->env = *env;
	p->sink = &sink_none;
	p->zoned_said = !conf->sync; /* there is nobody who would miss those flows */
	if (!new_source(p, conf) || (conf->sync && !new_sync(p, conf, now))) {
		pipeline_free(p);
		return NULL;
	}
	return p;
}

void pipeline_set_reader(struct pipeline *p, const struct pipeline_reader *r)
{
	p->reader = *r;
}

void pipeline_free(struct pipeline *p)
{
	if (!p)
		return;
	if (p->sync)
		sync_close(p->sync); /* releases dead records, so the caches go after it */
	sealed_free(&p->sealed);
	exp_path_free(p->expects);
	peer_flows_free(p->peer_flows);
	external_free(p->external);
	bypass_free(p->bypass);
	internal_free(p->internal);
	free(p);
}

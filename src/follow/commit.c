/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commit's source: the external cache, flows first, expectations after their masters.
 *
 * The kernel events of a commit are dropped by the socket filter of the event socket (own port
 * ids), so a commit cannot overrun it and nothing of it goes back to the peers. The internal cache
 * therefore learns of it here: a flow is inserted before its request leaves, and taken out again if
 * the kernel refuses. */
#include "follow/commit.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cache/reply_index.h"
#include "follow/entry_timeout.h"
#include "flow/judge.h"
#include "kernel/ct_timeouts.h"
#include "sync/sync_conf.h"

/* A peer that has told flows, as it is known when the commit begins. */
struct origin {
	uint32_t silent_s;
	bool uncertain; /* it fell silent while something that it had sent was missing ... */
	bool asked;	/* ... but what it has told since we asked it for everything is whole */
};

struct commit {
	struct evloop *loop;
	const struct sync_conf *conf;
	const struct flow_filter *filter;
	const struct activity *activity;
	struct commit_cb cb;
	struct pipeline *p;
	struct ct_commit *flows;
	struct exp_commit *expects; /* NULL without ExpectationSync */
	enum commit_what what;	    /* of the one that runs */
	struct ct_commit_result flows_done;
	bool related; /* the first pass has seen a flow with a master */
	struct entry_timeout timeout;
	struct origin origin[PEERS_MAX];
	uint64_t uncertain; /* flows of the running commit */
	/* what had not been received when it began; NULL: nothing, or nobody was heard */
	struct mono looked; /* at the kernel's timeouts and at the origins */
	const char *lacks;
};

/* ---- the peers that sent the flows ---- */

/* Every peer says something each second, but in ALARM, where nothing is ever missing. */
#define FELL_SILENT_MS 1500

static const char *commit_lacks(const struct commit *c, struct mono now)
{
	struct sync_standing all;

	if (!pipeline_sync(c->p))
		return NULL;
	sync_standing(pipeline_sync(c->p), now, &all);
	if (all.peers == 0 || all.received)
		return NULL;
	if (all.lack != STANDING_LACKS_NOTHING)
		return "something that a peer has was missing (-s peers)";
	if (!all.kept)
		return "something that the peers have told had no place, or was emptied by -f (-s "
		       "cache)";
	return NULL; /* this node's own flows are missing somewhere: those are not committed */
}

static void origins_look(struct commit *c, struct mono now)
{
	c->lacks = commit_lacks(c, now);
	for (uint8_t i = 0; i < PEERS_MAX; i++) {
		struct sync_peer_view v;

		c->origin[i] = (struct origin){ 0 };
		if (!pipeline_sync(c->p) || !sync_peer_view(pipeline_sync(c->p), i, now, &v))
			continue;
		c->origin[i].silent_s = (uint32_t)(v.silent_ms / 1000);
		c->origin[i].uncertain =
			v.standing.lack >= STANDING_LACKS_TABLE && v.silent_ms >= FELL_SILENT_MS;
		c->origin[i].asked = v.fresh;
	}
}

static bool is_uncertain(const struct commit *c, uint32_t id)
{
	struct external *e = pipeline_external(c->p);
	const struct origin *o = &c->origin[table_rec(external_table(e), id)->from];

	return o->uncertain && !(o->asked && external_is_fresh(e, id));
}

/* ---- flows ---- */

static uint32_t timeout_kept_of(const struct commit *c, const struct flow_rec *rec, struct mono now)
{
	return entry_timeout_kept(&c->timeout, &rec->flow, mono_s(now) - rec->updated_s,
				  c->origin[rec->from].silent_s);
}

/* What is to be done about a flow of the external cache; what the kernel reports ended while this
 * node was active goes at once: the peer cannot know. */
static void look_at(struct commit *c, uint32_t id, struct ct_commit_flow *out, struct mono now)
{
	const struct flow_rec *rec = table_rec(external_table(pipeline_external(c->p)), id);
	struct mono active = activity_since(c->activity);
	uint32_t kept_s;

	if (mono_is_set(active) && external_has_ended_here(rec, mono_s(active))) {
		out->is = CT_COMMIT_ENDED_HERE;
		external_forget(pipeline_external(c->p), id);
		return;
	}
	kept_s = timeout_kept_of(c, rec, now);
	out->wish = (struct ct_wish){
		.f = &rec->flow,
		.timeout_s = entry_timeout_created(&c->timeout, kept_s),
		.kept_s = kept_s,
		.exact = c->timeout.commit_timeout_s > 0,
		.changed_s = rec->peer.changed_s,
	};
	out->is = out->wish.timeout_s == 0 ? CT_COMMIT_ENDED : CT_COMMIT_WANTED;
	c->uncertain += out->is == CT_COMMIT_WANTED && is_uncertain(c, id);
}

/* Each of the flows is about to be looked up in the internal cache (commit_sending()). */
static void look_ahead(const struct commit *c, const struct flow_table *table, const uint32_t *ids,
		       size_t n)
{
	const struct flow_table *own = pipeline_own(c->p);
	uint32_t hint[CT_COMMIT_LOOK];

	for (size_t i = 0; i < n; i++)
		hint[i] = table_prefetch_index(own, &table_rec(table, ids[i])->flow);
	for (size_t i = 0; i < n; i++)
		table_prefetch_rec(own, hint[i]);
}

bool commit_judges(const struct commit *c, const struct ct_flow *f, struct mono now)
{
	struct flow_table *table = external_table(pipeline_external(c->p));
	struct mono active = activity_since(c->activity);
	uint32_t id = table_find(table, f);
	const struct flow_rec *rec;

	if (id == FLOW_ID_NONE)
		return false;
	rec = table_rec(table, id);
	return rec->state != REC_DEAD && !ct_has_ended(&rec->flow) &&
	       entry_timeout_created(&c->timeout, timeout_kept_of(c, rec, now)) > 0 &&
	       !(mono_is_set(active) && external_has_ended_here(rec, mono_s(active)));
}

/* Put into the kernel ahead of the others already. */
static bool is_placed(const struct commit *c, uint32_t id)
{
	const struct reply_index *x = external_index(pipeline_external(c->p));

	return x && reply_index_is_placed(x, id);
}

static void set_placed(const struct commit *c, const struct ct_flow *f)
{
	struct reply_index *x = external_index(pipeline_external(c->p));
	uint32_t id = x ? table_find(external_table(pipeline_external(c->p)), f) : FLOW_ID_NONE;

	if (id != FLOW_ID_NONE)
		reply_index_set_placed(x, id, true);
}

static size_t commit_next(void *ctx, bool related, uint64_t *pos, struct ct_commit_flow *flows,
			  size_t n)
{
	struct commit *c = ctx;
	struct flow_table *table = external_table(pipeline_external(c->p));
	struct mono now = evloop_now(c->loop);
	uint32_t ids[CT_COMMIT_LOOK];
	size_t got;

	if (*pos == 0 && !related)
		c->related = false;
	if (related && !c->related)
		return 0; /* the first pass went by all flows, and none has a master */
	got = table_walk(table, pos, ids, n);
	look_ahead(c, table, ids, got);
	for (size_t i = 0; i < got; i++) {
		const struct flow_rec *rec = table_rec(table, ids[i]);
		bool has_master = rec->flow.has & FLOW_HAS_MASTER;

		c->related |= has_master;
		flows[i].is = CT_COMMIT_NOT_NOW;
		if (rec->state != REC_DEAD && has_master == related && !is_placed(c, ids[i]))
			look_at(c, ids[i], &flows[i], now);
	}
	return got;
}

/* The flow as our kernel will have it: with a reply tuple of its own (which so far only mirrors the
 * original one and the translations), confirmed, and no longer waiting for its master. */
static void as_in_kernel(struct ct_flow *out, const struct ct_flow *f)
{
	flow_copy(out, f);
	out->has = (out->has & ~FLOW_FROM_PEER_NAT) | FLOW_HAS_REPLY | FLOW_HAS_STATUS;
	if (!(f->has & FLOW_HAS_STATUS))
		out->status = 0;
	out->status = (out->status & ~IPS_EXPECTED) | IPS_CONFIRMED;
}

static uint64_t commit_sending(void *ctx, const struct ct_flow *f, struct mono now)
{
	struct commit *c = ctx;
	bool inserted = false;
	struct ct_flow ours;
	uint32_t id;

	as_in_kernel(&ours, f);
	if (!flow_filter_pass(c->filter, &ours))
		return 0;
	pipeline_commit(c->p, &ours, now, &id, &inserted);
	return inserted ? (uint64_t)id + 1 : 0;
}

/* The internal cache follows: after each outcome its record is what the kernel has. */
static void commit_settled(void *ctx, const struct ct_result *r, struct mono now)
{
	bool ours = r->outcome != CT_FAILED && (!r->entry || flow_same_key(r->entry, r->f));
	struct commit *c = ctx;
	struct ct_flow f;

	if (r->outcome != CT_FAILED)
		set_placed(c, r->f);
	if (r->token != 0 && ours)
		internal_commit_done(pipeline_internal(c->p), (uint32_t)(r->token - 1));
	else if (r->token != 0)
		pipeline_commit_undo(c->p, (uint32_t)(r->token - 1));
	/* The kernel's own entry is what is there, and the peers may not know it. */
	if (r->entry) {
		pipeline_commit_kept(c->p, r->entry, r->written, now);
	} else if (ours) {
		as_in_kernel(&f, r->f);
		if (flow_filter_pass(c->filter, &f))
			pipeline_committed(c->p, &f,
					   r->token ? (uint32_t)(r->token - 1) : FLOW_ID_NONE,
					   r->cleared, now);
	}
}

static void commit_removed(void *ctx, const struct ct_flow *entry, bool ended, struct mono now)
{
	struct commit *c = ctx;

	(void)ended;
	pipeline_displaced(c->p, entry, now);
}

static void commit_memory(void *ctx, const struct ct_flow *entry, struct ct_memory *m,
			  struct mono now)
{
	struct commit *c = ctx;

	pipeline_memory(c->p, entry, m, now);
}

static void commit_log_duration(int64_t us)
{
	log_notice("commit has taken %" PRId64 ".%06" PRId64 " seconds", us / 1000000,
		   us % 1000000);
}

const char *commit_reason(int err)
{
	switch (err) {
	case ENOMEM:
		return "the kernel's table is full (nf_conntrack_max), or it has no memory";
	case ENOSPC:
		return "too many flows in one place of the kernel's table (nf_conntrack_buckets is "
		       "too small)";
	case EEXIST:
		return "another flow of this node has its addresses and ports";
	case EPERM:
		return "not permitted (conntrackd needs CAP_NET_ADMIN)";
	default:
		return strerror(err);
	}
}

static void commit_log_result(const struct ct_commit_result *res)
{
	log_notice("Committed %" PRIu64 " new entries",
		   res->created + res->updated + res->replaced);
	if (res->kept > 0)
		log_notice("%" PRIu64 " entries are in the kernel already and were kept",
			   res->kept);
	if (res->updated > 0)
		log_notice(
			"%" PRIu64
			" entries were in the kernel already and have taken over the peer's state",
			res->updated);
	if (res->replaced > 0)
		log_notice("%" PRIu64 " entries replaced one in the kernel that was in their way",
			   res->replaced);
	if (res->newer > 0)
		log_notice("%" PRIu64 " entries were not committed: a newer flow of the same "
			   "addresses and ports is here",
			   res->newer);
	if (res->failed > 0)
		log_warnx("%" PRIu64 " entries can't be committed", res->failed);
	for (int i = 0; i < CT_COMMIT_REASONS && res->reason[i].count > 0; i++)
		log_warnx("  %" PRIu64 " of them: %s", res->reason[i].count,
			  commit_reason(res->reason[i].err));
	commit_log_duration(res->duration_us);
}

/* The flows are done: expectations follow their masters. */
static void commit_done(void *ctx, const struct ct_commit_result *res, struct mono now)
{
	const struct exp_commit_result none = { 0 };
	struct commit *c = ctx;
	int err = 0;

	commit_log_result(res);
	if (res->ended > 0)
		log_notice("%" PRIu64
			   " entries have ended since their owner told them and were not committed",
			   res->ended);
	if (res->ended_here > 0)
		log_notice("%" PRIu64 " entries have ended here while this node was active and "
			   "were not committed",
			   res->ended_here);
	if (c->uncertain > 0)
		log_warnx("%" PRIu64 " flows are uncertain: their owner fell silent while changes "
			  "it had sent were missing, or before it had told everything it was asked "
			  "for",
			  c->uncertain);
	if (c->lacks)
		log_notice("what was committed is not all that the peers have: when it began, %s",
			   c->lacks);
	c->flows_done = *res;
	if (c->expects && c->what & COMMIT_EXPECTS) {
		err = exp_commit_start(c->expects, now);
		if (err == 0)
			return;
		log_errx("committing expectations cannot start: %s", strerror(-err));
	}
	c->cb.done(c->cb.ctx, err, res, &none, now);
}

/* ---- expectations ---- */

static size_t expects_next(void *ctx, uint64_t *pos, struct ct_expect *out, size_t n)
{
	struct commit *c = ctx;
	struct expects *cache = exp_path_external(pipeline_expects(c->p));
	struct mono now = evloop_now(c->loop);
	uint32_t ids[CT_COMMIT_LOOK];

	n = expects_walk(cache, pos, ids, n < CT_COMMIT_LOOK ? n : CT_COMMIT_LOOK);
	for (size_t i = 0; i < n; i++) {
		const struct expect_rec *rec = expects_rec(cache, ids[i]);
		uint32_t age_s = mono_s(now) - rec->updated_s;

		out[i] = rec->expect;
		if (out[i].timeout_s > age_s)
			out[i].timeout_s -= age_s;
		else /* its owner says that it lives: as long as a new one */
			out[i].has &= ~EXPECT_HAS_TIMEOUT;
	}
	return n;
}

static void expects_created(void *ctx, const struct ct_expect *e, struct mono now)
{
	struct commit *c = ctx;

	exp_path_committed(pipeline_expects(c->p), e, now);
}

static void expects_done(void *ctx, const struct exp_commit_result *res, struct mono now)
{
	struct commit *c = ctx;

	log_notice("Committed %" PRIu64 " new expectations", res->created);
	if (res->kept > 0)
		log_notice("%" PRIu64 " expectations are in the kernel already and were kept",
			   res->kept);
	if (res->failed > 0)
		log_warnx("%" PRIu64 " expectations can't be committed", res->failed);
	for (int i = 0; i < EXP_COMMIT_REASONS && res->reason[i].count > 0; i++)
		log_warnx("  %" PRIu64 " of them: %s", res->reason[i].count,
			  exp_commit_reason(res->reason[i].err));
	commit_log_duration(res->duration_us);
	c->cb.done(c->cb.ctx, 0, &c->flows_done, res, now);
}

static void look_around(struct commit *c, struct mono now)
{
	ct_timeouts_read(&c->timeout.own);
	origins_look(c, now);
	c->looked = now;
}

#define LOOK_AROUND_MS 1000

enum ct_outcome commit_one(struct commit *c, uint32_t id, struct mono now)
{
	struct mono active = activity_since(c->activity);
	struct ct_commit_flow flow;

	if (!commit_running(c) &&
	    (!mono_is_set(c->looked) || mono_diff_ms(now, c->looked) >= LOOK_AROUND_MS))
		look_around(c, now);
	look_at(c, id, &flow, now);
	if (flow.is != CT_COMMIT_WANTED)
		return CT_GONE;
	flow.wish.active_s = mono_is_set(active) ? mono_s(active) : 0;
	flow.wish.took_over = ct_took_over(flow.wish.active_s, mono_s(now));
	return ct_commit_one(c->flows, &flow.wish, now);
}

int commit_start(struct commit *c, enum commit_what what, struct mono now)
{
	if (commit_running(c))
		return -EBUSY;
	c->what = what;
	c->flows_done = (struct ct_commit_result){ 0 };
	c->uncertain = 0;
	look_around(c, now);
	if (external_index(pipeline_external(c->p))) /* of an earlier time: it may have lapsed */
		reply_index_unplace(external_index(pipeline_external(c->p)));
	if (!(c->what & COMMIT_FLOWS))
		return exp_commit_start(c->expects, now);
	return ct_commit_start(c->flows, activity_since(c->activity), now);
}

bool commit_running(const struct commit *c)
{
	return ct_commit_running(c->flows) || (c->expects && exp_commit_running(c->expects));
}

const struct ct_commit_result *commit_progress(const struct commit *c)
{
	return ct_commit_progress(c->flows);
}

/* ---- lifetime ---- */

size_t commit_portids(const struct commit *c, uint32_t *ids)
{
	ids[0] = ct_commit_portid(c->flows);
	if (!c->expects)
		return 1;
	ids[1] = exp_commit_portid(c->expects);
	return 2;
}

struct exp_sock *commit_exp_sock(struct commit *c)
{
	return c->expects ? exp_commit_sock(c->expects) : NULL;
}

void commit_set_pipeline(struct commit *c, struct pipeline *p)
{
	c->p = p;
}

int commit_open(struct evloop *loop, const struct sync_conf *conf, const struct flow_filter *filter,
		const struct activity *activity, const struct commit_cb *cb, struct commit **out,
		struct text *err)
{
	struct commit *c = calloc(1, sizeof(*c));
	struct ct_commit_source src = {
		.ctx = c,
		.next = commit_next,
		.sending = commit_sending,
		.settled = commit_settled,
		.caller = { .ctx = c, .removed = commit_removed, .memory = commit_memory },
		.done = commit_done,
	};
	struct exp_commit_source exp_src = {
		.ctx = c,
		.next = expects_next,
		.created = expects_created,
		.done = expects_done,
	};
	int ret;

	if (!c)
		return -ENOMEM;
	c->loop = loop;
	c->conf = conf;
	c->timeout.commit_timeout_s = conf->commit_timeout_s;
	c->timeout.refresh_s = sync_can(conf, SYNC_EXPIRES) ? conf->refresh_s : 0;
	c->filter = filter;
	c->activity = activity;
	c->cb = *cb;
	ret = ct_commit_open(loop, &src, !conf->tcp_window_tracking, &c->flows, err);
	if (ret == 0 && conf->expect.on)
		ret = exp_commit_open(loop, &exp_src, &c->expects, err);
	if (ret < 0) {
		commit_close(c);
		return ret;
	}
	*out = c;
	return 0;
}

void commit_close(struct commit *c)
{
	if (!c)
		return;
	exp_commit_close(c->expects);
	ct_commit_close(c->flows);
	free(c);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which facts are reasons, and how bad.
 *
 *	WARNING		the node does its job, and something is not as it should be: a peer is
 *			silent, behind or not in sync, a link is down, the table is nearly full
 *	CRITICAL	it does not: events are lost or off, a table is full, a commit has failed
 *
 * Each reason ends by itself when its cause does: nothing here looks at counters, which never come
 * down. That of a commit ends with the next one, or when this node is active no longer. */
#include "command/health.h"

#include <inttypes.h>
#include <string.h>

#include "cache/whole.h"
#include "follow/commit.h"

#define LONG_MS	    60000 /* a full table that is on its way is news for so long */
#define NEARLY_FULL 90	  /* percent */

static int64_t seconds(struct mono since, struct mono now)
{
	return mono_is_set(since) ? mono_diff_ms(now, since) / 1000 : 0;
}

/* ---- peers, links ---- */

void health_peer(struct verdict *v, const struct sync_peer_view *p, struct mono now)
{
	static const char *const name[STANDING_STATES] = {
		[STANDING_SENDING] = "peer_sending",
		[STANDING_UNPROVEN] = "peer_unproven",
		[STANDING_RECEIVING] = "peer_receiving",
		[STANDING_UNSERVED] = "peer_unserved",
		[STANDING_FAILING] = "peer_failing",
		[STANDING_GAP] = "peer_gap",
		[STANDING_BEHIND] = "peer_behind",
		[STANDING_DEAF] = "peer_deaf",
		[STANDING_OTHER_MODE] = "peer_other_mode",
		[STANDING_SILENT] = "peer_silent",
		[STANDING_OTHER_PROTOCOL] = "peer_other_protocol",
		[STANDING_TWO_ACTIVE] = "two_active",
	};
	const struct standing *st = &p->standing;
	int64_t for_s = seconds(st->since, now);

	if (p->left || !name[st->state])
		return;
	if (st->state == STANDING_SENDING && for_s * 1000 < LONG_MS)
		return;
	if (STANDING_IS(st->state) & STANDING_IS_LATE)
		verdict_add(v, VERDICT_WARNING, name[st->state],
			    "peer %s: %s for %" PRId64 " s, %" PRIu32 " messages", p->name,
			    standing_name(st->state), for_s, st->behind);
	else
		verdict_add(v,
			    st->state == STANDING_TWO_ACTIVE ? VERDICT_CRITICAL : VERDICT_WARNING,
			    name[st->state], "peer %s: %s for %" PRId64 " s", p->name,
			    standing_name(st->state), for_s);
}

void health_no_peer(struct verdict *v, int64_t up_s)
{
	if (up_s >= HEALTH_LISTEN_S)
		verdict_add(v, VERDICT_WARNING, "no_peer",
			    "no peer was heard since the start, %" PRId64 " s ago", up_s);
}

void health_link(struct verdict *v, const struct channel_link_stats *l)
{
	if (!l->up || !l->running) { /* and the rest follows from that */
		verdict_add(v, VERDICT_WARNING, l->up ? "link_no_carrier" : "link_down",
			    l->up ? "link %s has no carrier" : "link %s is down", l->ifname);
		return;
	}
	if (l->deaf)
		verdict_add(v, VERDICT_WARNING, "link_deaf", "nothing was ever heard on link %s",
			    l->ifname);
	if (l->unsent_err)
		verdict_add(v, VERDICT_WARNING, "link_unsent",
			    "datagrams cannot be sent on link %s: %s", l->ifname,
			    strerror(l->unsent_err));
}

/* ---- caches, kernel ---- */

void health_cache(struct verdict *v, const struct completeness_values *c, bool active)
{
	if (c->complete)
		return;
	if (c->why & WHOLE_OVERRUN)
		verdict_add(v, VERDICT_CRITICAL, "events_lost",
			    "%s: the kernel dropped events, incomplete for %" PRId64 " s", c->cache,
			    c->for_s);
	if (c->why & (WHOLE_LIMIT | WHOLE_EXPECTS))
		verdict_add(v, VERDICT_CRITICAL, "cache_full",
			    "%s: full (HashLimit) for %" PRId64 " s", c->cache, c->for_s);
	if (c->why & WHOLE_MEMORY)
		verdict_add(v, VERDICT_CRITICAL, "no_memory", "%s: no memory for %" PRId64 " s",
			    c->cache, c->for_s);
	if (c->why & WHOLE_KERNEL)
		verdict_add(v, VERDICT_CRITICAL, "table_refused",
			    "the kernel's table had no room for flows of the peers, for %" PRId64
			    " s",
			    c->for_s);
	if (c->why & WHOLE_START)
		verdict_add(v, VERDICT_WARNING, "starting", "the kernel table is being read");
	if ((c->why & WHOLE_FLUSHED) && !active)
		verdict_add(v, VERDICT_WARNING, "flushed",
			    "%s: flushed (-f, -F, -t), incomplete for %" PRId64 " s", c->cache,
			    c->for_s);
}

void health_events(struct verdict *v, enum blind_reason why, int64_t for_s)
{
	static const char *const name[] = {
		[BLIND_OFF] = "events_off",
		[BLIND_AUTOMATIC] = "events_automatic",
		[BLIND_UNTRACKED] = "untracked",
		[BLIND_DEAF] = "events_missing",
	};
	bool harmless = why == BLIND_AUTOMATIC; /* what does not tell is looked for */

	verdict_add(v, harmless ? VERDICT_WARNING : VERDICT_CRITICAL, name[why],
		    "kernel events: %s, for %" PRId64 " s", blind_name(why), for_s);
}

void health_table(struct verdict *v, int64_t count, int64_t max)
{
	if (count < 0 || max <= 0)
		return;
	if (count >= max)
		verdict_add(v, VERDICT_CRITICAL, "table_full",
			    "the kernel's table is full: %" PRId64 " of %" PRId64
			    " (nf_conntrack_max)",
			    count, max);
	else if (count * 100 / max >= NEARLY_FULL)
		verdict_add(v, VERDICT_WARNING, "table_nearly_full",
			    "the kernel's table is nearly full: %" PRId64 " of %" PRId64
			    " (nf_conntrack_max)",
			    count, max);
}

/* ---- role, commits ---- */

void health_deaf_role(struct verdict *v)
{
	verdict_add(v, VERDICT_CRITICAL, "role_deaf",
		    "the FIFO of keepalived cannot be read: the log says why");
}

static void commit_in_kernel(struct verdict *v, const struct last_commit *c, int64_t ago_s)
{
	const struct windows_result *w = &c->res.windows;
	int err = c->res.err < 0 ? c->res.err : w->err;

	if (err < 0)
		verdict_add(v, VERDICT_WARNING, "commit_windows",
			    "the last -c, %" PRId64 " s ago, could not look at older entries: %s",
			    ago_s, strerror(-err));
	else if (w->failed > 0)
		verdict_add(v, VERDICT_WARNING, "commit_windows",
			    "after the last -c, %" PRId64 " s ago, %" PRIu64
			    " older entries still have their windows",
			    ago_s, w->failed);
}

void health_commit(struct verdict *v, const struct last_commit *c, struct mono now)
{
	const struct ct_commit_result *r = &c->res.commit;
	int64_t ago_s = seconds(c->at, now);

	if (!c->any)
		return;
	if (c->in_kernel) {
		commit_in_kernel(v, c, ago_s);
		return;
	}
	if (c->res.err < 0)
		verdict_add(v, VERDICT_CRITICAL, "commit_failed",
			    "the last commit (-c), %" PRId64 " s ago, failed: %s", ago_s,
			    strerror(-c->res.err));
	if (r->failed > 0)
		verdict_add(v, VERDICT_CRITICAL, "commit_refused",
			    "the last commit (-c), %" PRId64 " s ago: %" PRIu64 " of %" PRIu64
			    " flows failed: %s",
			    ago_s, r->failed, r->total, commit_reason(r->reason[0].err));
	if (c->res.expects.failed > 0)
		verdict_add(v, VERDICT_WARNING, "commit_expects",
			    "the last commit (-c), %" PRId64 " s ago: %" PRIu64 " of %" PRIu64
			    " expectations failed",
			    ago_s, c->res.expects.failed, c->res.expects.total);
}

/* ---- ready ---- */

void health_ready_peer(struct verdict *v, const struct ready_facts *f,
		       const struct sync_peer_view *p, struct mono now)
{
	bool gone = p->left || p->standing.is & STANDING_IS(STANDING_SILENT);
	bool asked = p->table == STANDING_LACKS_TABLE || p->table == STANDING_LACKS_ANSWER;
	int64_t there_s = seconds(p->contact, now), waited_s = seconds(p->table_since, now);

	if (f->active || gone)
		return;
	if (asked && waited_s < HEALTH_TABLE_S)
		verdict_add(v, VERDICT_NO, "receiving",
			    "the table of peer %s is not here: %" PRIu64
			    " states so far, in %" PRId64 " s",
			    p->name, p->states, waited_s);
	else if (p->table == STANDING_LACKS_TIME && there_s <= f->refresh_s)
		verdict_add(v, VERDICT_NO, "receiving",
			    "peer %s has not had time to tell everything once: %" PRId64
			    " of %" PRId64 " s (RefreshTime)",
			    p->name, there_s, f->refresh_s);
}

void health_ready(struct verdict *v, const struct ready_facts *f)
{
	if (f->active) {
		verdict_good(v, "this node is active, for %" PRId64 " s", f->active_s);
		return;
	}
	if (!f->filled)
		verdict_add(v, VERDICT_NO, "starting", "the kernel table is being read");
	else if (f->peers == 0 && f->up_s < f->listen_s)
		verdict_add(v, VERDICT_NO, "listening",
			    "no peer was heard yet, %" PRId64 " s after the start", f->up_s);
	verdict_good(v, f->peers == 0 ? "no peer is heard: nobody else could carry them" :
					"what the peers have told is here");
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Caches that are not complete (cache/whole.h): what is said about them, and their repair when
 * there is room again.
 *
 *              what is missing                        repaired by
 *   internal   flows of our kernel                    comparing with the kernel (reader.compare)
 *   external   flows of the peers, in the cache or,   asking the peers for everything; in ALARM
 *              with states injected, in our kernel    they tell it anyway, within RefreshTime
 *   both       expectations                           the same; ours are compared after the flows
 *
 * A repair costs a walk over a whole table, here or at the peers, so one begins only when there
 * is room for what is missing or for a twentieth of the table, at most every ten seconds, and
 * ever less often while it does not help. With less room, where one flow may still fit, once in
 * a minute. When memory was short nobody knows whether there is room: it is tried. */
#include "node/path.h"
#include "node/sink.h"

#include <stdio.h>

#include "base/value_rows.h"
#include "sync/sync_conf.h"

#define LOOK_MS	      1000  /* how often to look whether there is room */
#define REPAIR_MS     10000 /* least time between two repairs */
#define REPAIR_MAX_MS 320000
#define CRAMPED_MS    60000

/* ---- what is said ---- */

static void say_begin(struct pipeline *p, struct path_whole *w, enum whole_reason why,
		      struct mono now)
{
	char line[240];

	if (!log_limit_pass(&w->limit, 6, 60000, now, NULL))
		return;
	w->said = true;
	if (why == WHOLE_LIMIT)
		snprintf(line, sizeof(line),
			 "the %s is full: flows find no place in it, because HashLimit is %u; it "
			 "is repaired "
			 "when there is room again",
			 w->name, w->table ? table_limit(w->table) : 0);
	else if (why == WHOLE_MEMORY)
		snprintf(line, sizeof(line),
			 "no memory: flows find no place in the %s, or not all of them; it is "
			 "repaired when there is some",
			 w->name);
	else
		snprintf(line, sizeof(line),
			 "our kernel's table is full (nf_conntrack_max): it refuses flows of the "
			 "peers; they "
			 "are asked for again when there is room");
	path_log(p, LOG_LVL_WARNING, line);
}

static void say_end(struct pipeline *p, struct path_whole *w, struct mono now)
{
	char line[240];

	if (!w->said)
		return;
	w->said = false;
	snprintf(line, sizeof(line),
		 "the %s is complete again: %s%u flows could not be stored within %lld s; repaired",
		 w->name, w->whole.missed_more ? "at least " : "", w->whole.n_missed,
		 (long long)(mono_diff_ms(now, w->whole.since) / 1000));
	path_log(p, LOG_LVL_NOTICE, line);
}

/* ---- what is missing ---- */

static void lack(struct pipeline *p, struct path_whole *w, enum whole_reason why, struct mono now)
{
	struct mono soon = mono_add_ms(now, LOOK_MS);

	if (!whole_lack(&w->whole, why, now))
		return;
	if (!mono_is_set(w->due) || mono_before(w->due, soon))
		w->due = soon;
	if (why & WHOLE_NO_ROOM)
		say_begin(p, w, why, now);
}

/* A flow found no place: -ENOSPC at the limit, else for want of memory. */
static void no_room(struct pipeline *p, struct path_whole *w, bool limit, uint32_t hash,
		    struct mono now)
{
	if (limit && p->env.full && log_limit_pass(&p->full_call, 1, 1000, now, NULL))
		p->env.full(p->env.ctx);
	lack(p, w, limit ? WHOLE_LIMIT : WHOLE_MEMORY, now);
	whole_missed(&w->whole, hash);
}

void complete_internal_full(struct pipeline *p, struct mono now)
{
	uint32_t hash;
	bool limit = internal_refused(p->internal, &hash);

	p->stats.full_internal++;
	no_room(p, &p->in, limit, hash, now);
}

void complete_external_full(struct pipeline *p, bool limit, const struct ct_flow *f,
			    struct mono now)
{
	p->stats.full_external++;
	no_room(p, &p->ex, limit, table_prefetch_index(p->own, f), now);
}

void complete_expects_full(struct pipeline *p, bool internal, struct mono now)
{
	p->expects_missed |= internal;
	lack(p, internal ? &p->in : &p->ex, WHOLE_EXPECTS, now);
}

void complete_internal_found(struct pipeline *p, const struct ct_flow *f)
{
	if (p->in.whole.n_missing > 0)
		whole_found(&p->in.whole, table_prefetch_index(p->own, f));
}

void complete_external_found(struct pipeline *p, const struct ct_flow *f)
{
	if (p->ex.whole.n_missing > 0)
		whole_found(&p->ex.whole, table_prefetch_index(p->own, f));
}

void pipeline_refused(struct pipeline *p, const struct ct_flow *f, struct mono now)
{
	lack(p, &p->ex, WHOLE_KERNEL, now);
	whole_missed(&p->ex.whole, table_prefetch_index(p->own, f));
}

void pipeline_lack(struct pipeline *p, enum whole_reason why, struct mono now)
{
	lack(p, &p->in, why, now);
}

void pipeline_lack_external(struct pipeline *p, enum whole_reason why, struct mono now)
{
	lack(p, &p->ex, why, now);
}

bool pipeline_compares_all(const struct pipeline *p)
{
	return !p->sink->in_kernel;
}

const struct whole *pipeline_whole(const struct pipeline *p)
{
	return &p->in.whole;
}

bool complete_internal_is(void *ctx)
{
	const struct pipeline *p = ctx;

	return whole_is(&p->in.whole);
}

/* ---- repair ---- */

static void say_expects(struct pipeline *p, const struct path_whole *w)
{
	char line[160];

	snprintf(line, sizeof(line),
		 "the %s has room for expectations again: those that found no place "
		 "have been looked for; repaired",
		 w->name);
	path_log(p, LOG_LVL_NOTICE, line);
}

static void repaired(struct pipeline *p, struct path_whole *w, bool done, struct mono now)
{
	uint8_t lacked = w->whole.why;
	bool all = whole_repair_end(&w->whole, done);

	if (lacked & ~w->whole.why & WHOLE_EXPECTS)
		say_expects(p, w);
	if (!all)
		return;
	w->pause_ms = 0;
	say_end(p, w, now);
}

void pipeline_compare_begin(struct pipeline *p)
{
	whole_repair_begin(&p->in.whole);
}

void pipeline_compare_end(struct pipeline *p, bool all, struct mono now)
{
	if (p->in.whole.why & WHOLE_EXPECTS) /* they are compared after the flows */
		whole_lack(&p->in.whole, WHOLE_EXPECTS, now);
	repaired(p, &p->in, all, now);
}

void pipeline_expects_compare_begin(struct pipeline *p)
{
	p->expects_missed = false;
}

void pipeline_expects_compare_end(struct pipeline *p, bool all, struct mono now)
{
	if (!all || p->expects_missed || !(p->in.whole.why & WHOLE_EXPECTS))
		return;
	say_expects(p, &p->in);
	if (!whole_settle(&p->in.whole, WHOLE_EXPECTS))
		return;
	p->in.pause_ms = 0;
	say_end(p, &p->in, now);
}

/* Nobody counts which are missing: a twentieth of the table, or one place after a minute. */
static bool expects_have_room(const struct pipeline *p, const struct path_whole *w, struct mono now)
{
	const struct expects *x =
		w == &p->in ? exp_path_internal(p->expects) : exp_path_external(p->expects);
	uint32_t left = expects_room(x);

	return left > 0 && (left >= expects_limit(x) / 20 || !mono_is_set(w->tried) ||
			    mono_diff_ms(now, w->tried) >= CRAMPED_MS);
}

/* May a repair help now? */
static bool has_room(const struct path_whole *w, struct mono now)
{
	const struct flow_table *t = w->table;
	uint32_t used = table_count(t) - table_count_dead(t), limit = table_limit(t);
	uint32_t left = used < limit ? limit - used : 0;

	if (!(w->whole.why & WHOLE_LIMIT))
		return true;
	if (!w->whole.more && left >= w->whole.n_missing)
		return true; /* also when none is left and nothing is missing any more */
	if (left == 0)
		return false;
	return left >= limit / 20 || !mono_is_set(w->tried) ||
	       mono_diff_ms(now, w->tried) >= CRAMPED_MS;
}

/* The same for all that is missing. */
static bool may_help(const struct pipeline *p, const struct path_whole *w, uint8_t reasons,
		     struct mono now)
{
	if ((w->whole.why & WHOLE_EXPECTS) && expects_have_room(p, w, now))
		return true;
	if (!(w->whole.why & reasons & ~WHOLE_EXPECTS) || (w->table && !has_room(w, now)))
		return false;
	return !(w->whole.why & WHOLE_KERNEL) || !p->env.kernel_room ||
	       p->env.kernel_room(p->env.ctx, w->whole.more ? UINT32_MAX : w->whole.n_missing);
}

/* Is it time? Then the time of the next one is set. */
static bool repair_due(struct pipeline *p, struct path_whole *w, uint8_t reasons, struct mono now)
{
	if (!(w->whole.why & reasons) || w->whole.repairing || mono_before(now, w->due))
		return false;
	if ((w->whole.why & (WHOLE_LIMIT | WHOLE_EXPECTS)) && p->env.full)
		p->env.full(p->env.ctx); /* the limit may have been raised */
	if (!may_help(p, w, reasons, now)) {
		w->due = mono_add_ms(now, LOOK_MS);
		return false;
	}
	w->pause_ms = w->pause_ms == 0 ? REPAIR_MS : 2 * w->pause_ms;
	if (w->pause_ms > REPAIR_MAX_MS)
		w->pause_ms = REPAIR_MAX_MS;
	w->tried = now;
	w->due = mono_add_ms(now, w->pause_ms);
	return true;
}

/* The answers that come from now on are the repair. */
void complete_answers_begin(struct pipeline *p, struct mono now)
{
	if (whole_is(&p->ex.whole) || p->ex.whole.repairing)
		return;
	whole_repair_begin(&p->ex.whole);
	p->ex.answered = sync_stats(p->sync)->resync_done;
	p->ex.tried = now;
}

void pipeline_ask(struct pipeline *p, struct mono now)
{
	complete_answers_begin(p, now);
	sync_ask_resync(p->sync, now);
}

/* ALARM: everything has been told once more when a RefreshTime is over, ours being the peers'
 * too. */
static struct mono refresh_end(const struct pipeline *p)
{
	return mono_add_ms(p->ex.tried, ((int64_t)p->refresh_s + 2) * 1000);
}

static struct mono external_step(struct pipeline *p, struct mono now)
{
	struct path_whole *w = &p->ex;

	if (repair_due(p, w, WHOLE_SHORT, now))
		pipeline_ask(p, now);
	if (w->whole.repairing && p->refresh_s > 0) {
		if (mono_before(now, refresh_end(p)))
			return refresh_end(p);
		repaired(p, w, true, now);
	} else if (w->whole.repairing && !sync_resync_running(p->sync)) {
		repaired(p, w, sync_stats(p->sync)->resync_done > w->answered, now);
	}
	return (w->whole.why & WHOLE_SHORT) && !w->whole.repairing ? w->due : (struct mono){ 0 };
}

/* Lost events are compared by those who notice them, and as the configuration wants. */
#define COMPARED (WHOLE_SHORT | WHOLE_START | WHOLE_FLUSHED)

static struct mono internal_step(struct pipeline *p, struct mono now)
{
	if (repair_due(p, &p->in, COMPARED, now) && p->reader.compare)
		p->reader.compare(p->reader.ctx);
	return (p->in.whole.why & COMPARED) && !p->in.whole.repairing ? p->in.due :
									(struct mono){ 0 };
}

/* A flow was stored, but without its helper, labels or the like: the table counts that, and nobody
 * hears of it. */
static void check_parts(struct pipeline *p, struct path_whole *w, struct mono now)
{
	uint64_t lost = w->table ? table_stats(w->table)->parts_lost_memory : 0;

	if (lost == w->parts_lost)
		return;
	w->parts_lost = lost;
	lack(p, w, WHOLE_MEMORY, now);
}

struct mono complete_step(struct pipeline *p, struct mono now)
{
	struct mono next = { 0 };

	check_parts(p, &p->in, now);
	check_parts(p, &p->ex, now);
	if (!whole_is(&p->in.whole))
		next = internal_step(p, now);
	if (!whole_is(&p->ex.whole))
		next = mono_min(next, external_step(p, now));
	return next;
}

/* ---- what is shown ---- */

bool pipeline_completeness(const struct pipeline *p, unsigned int i, struct mono now,
			   struct completeness_values *out)
{
	const struct path_whole *w = i == 0 ? &p->in : &p->ex;
	bool is = whole_is(&w->whole);
	struct sync_standing peers = { 0 };

	if (!w->name)
		return false;
	if (i > 0)
		sync_standing(p->sync, now, &peers);
	*out = (struct completeness_values){
		.name = i > 0	? "external" :
			p->sync ? "internal" :
				  "stats",
		.cache = w->name,
		.complete = is,
		.answer_open = is && peers.lack >= STANDING_LACKS_TABLE &&
			       peers.lack != STANDING_LACKS_GAP,
		.gap_open = is && peers.lack == STANDING_LACKS_GAP,
		.for_s = is ? -1 : mono_diff_ms(now, w->whole.since) / 1000,
		.why = w->whole.why,
		.repairing = w->whole.repairing,
		.not_stored = w->whole.why & WHOLE_NO_ROOM ? (int64_t)w->whole.n_missing : -1,
		.more = w->whole.why & WHOLE_NO_ROOM ? (int8_t)w->whole.more : -1,
	};
	return true;
}

#define S struct completeness_values
static const struct value_row completeness_rows[] = {
	WORD(S, name, "name", NULL,
	     "which cache: `internal`, `external`, `stats`, as in `cache_detail`; without external "
	     "cache `external` is what our kernel has of the peers' flows"),
	WORD(S, cache, "cache", NULL, "the same in words"),
	YES_NO(S, complete, "complete", NULL, "it holds every flow that it should"),
	YES_NO(S, answer_open, "waiting", NULL, "for the rest of a full answer of a peer"),
	YES_NO(S, gap_open, "gap", NULL, "something that a peer has sent is missing"),
	GAUGE_IF_KNOWN(S, for_s, "incomplete_s", "s", NULL, "since it is not complete"),
	BITS(S, why, "why", whole_words, "what is the matter"),
	GAUGE_IF_KNOWN(S, not_stored, "not_stored", "flows", NULL, "flows that found no place"),
	YES_NO_IF_KNOWN(S, more, "not_stored_more", NULL, "there may be more of them"),
	YES_NO(S, repairing, "repairing", NULL, "a repair is under way"),
	VALUE_END
};
#undef S

static void completeness_prose(const void *of, struct text *out)
{
	const struct completeness_values *c = of;

	text_printf(out, "%s: ", c->cache);
	if (c->complete) {
		text_str(out, c->answer_open ? "waits for the rest of a full answer of a peer\n" :
			      c->gap_open    ? "waits for something that a peer has sent\n" :
					       "complete\n");
		return;
	}
	text_printf(out, "incomplete for %lld s: ", (long long)c->for_s);
	whole_reasons(c->why, out);
	if (c->not_stored >= 0)
		text_printf(out, "; %s%lld flows could not be stored",
			    c->more > 0 ? "at least " : "", (long long)c->not_stored);
	text_str(out, c->repairing ? "; repair under way\n" : "\n");
}

const struct value_group completeness_group = {
	.name = "completeness",
	.help = "Does a cache hold every flow that it should?",
	.rows = completeness_rows,
	.prose = completeness_prose,
};

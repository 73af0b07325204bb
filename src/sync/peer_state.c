/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The evidence of how each peer stands: gathered for standing/ once a second. What that says of a
 * peer is reported, and shown to who asks.
 *
 * A full table is reported when it has come, or has been sent; that one is on its way is a state
 * and no news. */
#include "sync/peer_state.h"

#include <string.h>

/* between two looks; no timer of its own, every mode wakes up often enough */
#define LOOK_MS	     1000
#define LOSS_LINE_MS 60000 /* between two lines about losses */
/* in ALARM a peer only repeats its flows, each within RefreshTime and a second */
#define SILENCE_MS  10000
#define PATIENCE_MS 10000 /* a peer of our kind acknowledges within a second or two */
/* even a busy 1.4.x does within this time, being solicited (ftfw.c) */
#define PATIENCE_OLD_MS 30000

/* ---- who says what we do not know ---- */

void peer_other_mode(struct sync *s, struct peer *p, const struct peer_addr *from,
		     enum sync_sign sign, struct mono now)
{
	char name[SOURCE_NAME];

	s->stats.other_mode++;
	if (!strangers_heard(&s->strangers, from, STANDING_OTHER_MODE, now))
		return;
	if (p)
		p->look_at = (struct mono){ 0 }; /* at once: the end of it may come soon */
	sync_report(s, NULL, now, SYNC_OTHER_MODE, .sign = sign,
		    .peer = sync_name_of(s, from, name));
}

void sync_other_protocol(struct sync *s, const struct peer_addr *from, struct mono now)
{
	strangers_heard(&s->strangers, from, STANDING_OTHER_PROTOCOL, now);
}

/* In this life p has said such a thing. */
static bool peer_is_strange(const struct sync *s, const struct peer *p, enum standing_state what,
			    struct mono now)
{
	for (unsigned int i = 0; i < PEERS_MAX; i++) {
		const struct stranger *g = &s->strangers.at[i];

		if (g->what == what && stranger_lately(g, now) &&
		    !mono_before(g->last, p->contact) && peer_has_source(p, &g->source))
			return true;
	}
	return false;
}

/* ---- MTU ---- */

uint32_t sync_mtu_note(const struct sync *s)
{
	const struct outlet *out = &s->env->out;
	struct outlet_mtu m = out->mtu ? out->mtu(out->ctx, -1) : (struct outlet_mtu){ 0 };

	return SYNC_MTU_NOTE | (uint32_t)(m.link & 0xf) << 20 | (m.bytes & SYNC_MTU_BYTES);
}

void peer_mtu(struct sync *s, struct peer *p, uint32_t link, uint32_t there, struct mono now)
{
	const struct outlet *out = &s->env->out;
	uint32_t here = out->mtu ? out->mtu(out->ctx, (int)link).bytes : 0;
	bool differ = there != 0 && here != 0 && there != here,
	     known = p->mtu_there == there && p->mtu_here == here;
	bool ended = !differ && p->mtu_there != 0;

	p->mtu_there = differ ? there : 0;
	p->mtu_here = differ ? here : 0;
	if (ended || (differ && !known))
		sync_report(s, p, now, ended ? SYNC_MTU_SAME : SYNC_MTU_DIFFERS, .from = there,
			    .to = here);
}

/* ---- the evidence ---- */

/* Where nobody asks, everything is told again within RefreshTime, ours being the peer's too. */
static bool waits_for_pass(const struct sync *s, const struct peer *p, struct mono now)
{
	return sync_does(s, SYNC_EXPIRES) && mono_before(now, p->pass_end);
}

static enum standing_lack table_lacks(const struct sync *s, const struct peer *p, struct mono now)
{
	switch (p->rs.state) {
	case RS_WANT:
		return STANDING_LACKS_TABLE;
	case RS_ASKED:
		return mono_is_set(p->rs.partial) ? STANDING_LACKS_REST : STANDING_LACKS_ANSWER;
	case RS_IDLE:
		if (p->rs.unproven)
			return STANDING_LACKS_PROOF;
	}
	return waits_for_pass(s, p, now) ? STANDING_LACKS_TIME : STANDING_LACKS_NOTHING;
}

static void peer_facts(const struct sync *s, const struct peer *p, struct standing_facts *f,
		       struct mono now)
{
	*f = (struct standing_facts){
		.silence_ms = SILENCE_MS +
			      (sync_does(s, SYNC_SPEAKS) ? 0 : 2000 * (int64_t)s->conf->refresh_s),
		.alive = peer_alive(p, now),
		.other_mode = peer_is_strange(s, p, STANDING_OTHER_MODE, now),
		.other_protocol = peer_is_strange(s, p, STANDING_OTHER_PROTOCOL, now),
		.heard = p->heard,
		.contact = p->contact,
		.two_active = !s->conf->active_active &&
			      sync_within(p->active_at, SYNC_ACTIVE_HOLDS_MS, now) &&
			      sync_active(s),
		.table = table_lacks(s, p, now),
		.failed = p->rs.tries,
		.wanted = p->rs.began,
		.open = p->nacks_out > 0 || p->track.reorder.n > 0 ||
			(p->track.unexpected.n > 0 && p->track.unexpected.doubt),
		.acks = sync_does(s, SYNC_ACKS),
		.sent = s->next - 1,
		.patience_ms = p->incarnation != 0 ? PATIENCE_MS : PATIENCE_OLD_MS,
		.asks = sync_within(p->asks.last, PEER_ASKS_MS, now) ? p->asks.n : 0,
		.asked = p->asks,
	};
	if (s->ops->facts)
		s->ops->facts(s, p, f);
}

void peer_repaired(struct sync *s, struct peer *p, uint64_t n)
{
	if (n > p->missing)
		n = p->missing;
	p->missing -= n;
	p->repaired += n;
	s->stats.repaired += n;
}

/* ---- reports ---- */

/* Whose states they are, for state_changed(). */
struct looked_at {
	struct sync *s;
	const struct peer *p;
	const struct standing_facts *f;
	struct mono now;
};

static void state_changed(void *ctx, const struct standing_news *news)
{
	const struct looked_at *at = ctx;
	enum sync_sign sign = at->f->confirmed ? SYNC_SIGN_ACKED :
			      at->f->same_mode ? SYNC_SIGN_SAME_MODE :
						 SYNC_SIGN_UNKNOWN;

	if (news->state == STANDING_DEAF && !news->over && sign == SYNC_SIGN_UNKNOWN)
		at->s->stats.other_mode++; /* perhaps */
	sync_report(at->s, at->p, at->now, news->over ? SYNC_STATE_OVER : SYNC_STATE_BEGAN,
		    .state = news->state, .sign = sign, .n = news->n, .ms = news->ms);
}

/* Losses that are repaired are nothing bad, but somebody may want to know of the link. */
static void report_losses(struct sync *s, struct peer *p, struct mono now)
{
	if (p->lost <= p->lost_said || p->missing > 0 ||
	    sync_within(p->lost_line, LOSS_LINE_MS, now))
		return;
	sync_report(s, p, now, SYNC_LOSSES_REPAIRED, .n = p->lost - p->lost_said);
	p->lost_said = p->lost;
	p->lost_line = now;
}

static void peer_look(struct sync *s, struct peer *p, struct mono now)
{
	struct standing_facts f;
	struct looked_at at = { .s = s, .p = p, .f = &f, .now = now };
	struct mono silent;

	if (p->standing.state == STANDING_SILENT)
		peer_pass(p, s->conf->cache_timeout_s, now);
	if (sync_does(s, SYNC_EXPIRES) && !waits_for_pass(s, p, now))
		peer_repaired(s, p, UINT64_MAX);
	peer_facts(s, p, &f, now);
	standing_look(&p->standing, &f, now);
	if (p->standing.state != STANDING_SILENT)
		sync_name_of(s, &p->source[0], p->name);
	standing_tell(&p->said, &p->standing, &f, now, state_changed, &at);
	report_losses(s, p, now);
	silent = mono_add_ms(p->heard, f.silence_ms);
	p->look_at = mono_add_ms(now, LOOK_MS);
	if (mono_before(now, silent))
		p->look_at = mono_min(p->look_at, silent);
}

void peer_look_all(struct sync *s, struct mono now)
{
	for (struct peer *p = NULL; (p = peer_next(s, p));)
		if (!mono_before(now, p->look_at))
			peer_look(s, p, now);
}

/* ---- for others ---- */

bool sync_peer_view(const struct sync *s, unsigned int peer, struct mono now,
		    struct sync_peer_view *out)
{
	const struct peer *p = &s->peer[peer];
	struct standing_facts f;

	*out = (struct sync_peer_view){ 0 };
	if (!p->used)
		return false;
	out->standing = p->standing;
	peer_facts(s, p, &f, now);
	standing_look(&out->standing, &f, now);
	strcpy(out->name, p->name);
	out->left = p->heir;
	out->contact = p->contact;
	out->silent_ms = mono_diff_ms(now, p->heard);
	out->number = p->track.last;
	out->acked = f.acked;
	out->table = f.table;
	out->fresh = !f.open && p->rs.state == RS_ASKED && !p->rs.stale;
	out->states = p->states - p->rs.states;
	out->table_since = p->rs.began;
	out->failed = p->rs.tries;
	out->sending = f.sending;
	out->nacks = p->nacks_out;
	out->lost = p->lost;
	out->repaired = p->repaired;
	out->mtu_there = p->mtu_there;
	out->mtu_here = p->mtu_here;
	return true;
}

/* Not one who is a peer as well. */
bool sync_stranger_view(const struct sync *s, unsigned int i, struct mono now,
			struct sync_peer_view *out)
{
	const struct stranger *g = &s->strangers.at[i];

	*out = (struct sync_peer_view){ .standing = { .state = g->what, .since = g->first } };
	for (const struct peer *p = NULL; (p = peer_next(s, p));)
		if (peer_has_source(p, &g->source))
			return false;
	sync_name_of(s, &g->source, out->name);
	return stranger_lately(g, now);
}

void sync_standing(const struct sync *s, struct mono now, struct sync_standing *out)
{
	*out = (struct sync_standing){
		.whole = sync_whole(s),
		.kept = !s->env->kept || s->env->kept(s->env->ctx),
		.heard = true,
		.acks = sync_does(s, SYNC_ACKS),
	};
	for (unsigned int i = 0; i < PEERS_MAX; i++) {
		struct sync_peer_view v;

		if (!sync_peer_view(s, i, now, &v) || v.left)
			continue;
		out->peers++;
		out->heard = out->heard && v.standing.heard == STANDING_HEARD;
		if (v.standing.lack > out->lack)
			out->lack = v.standing.lack;
	}
	out->received =
		out->peers > 0 && out->lack == STANDING_LACKS_NOTHING && out->whole && out->kept;
	out->heard = out->heard && out->peers > 0;
}

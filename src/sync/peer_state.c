/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How each peer stands: evidence from the engine goes into standing.c once a second, and what changes is logged. At
 * warning what got worse, at notice what got better, with how long it took and how much it was. An end is said whenever its
 * beginning was.
 *
 * Silence is logged by silence.c, because it is noticed with the message that ends it. A full table is logged when it has
 * come, or has been sent; that one is on its way is a state and no news. */
#include "sync/peer_state.h"

#include <inttypes.h>

#define LOSS_LINE_MS	60000	/* between two lines about losses */
#define STRANGE_MS	300000	/* a NOTRACK node that is not answered asks again within this time */
#define PATIENCE_MS	10000	/* a peer of our kind acknowledges within a second or two */
#define PATIENCE_OLD_MS	30000	/* even a busy 1.4.x does within this time, being solicited (ftfw.c) */

struct sync_source sync_speaks_from(const struct sync *s, const struct sync_source *from)
{
	struct sync_source source = *from;

	if (s->env->speaks_from)
		s->env->speaks_from(s->env->ctx, &source);
	return source;
}

/* ---- who says what we do not know ---- */

static bool stranger_lately(const struct stranger *g, struct mono now)
{
	return sync_within(g->last, STRANGE_MS, now);
}

/* True when that is news. */
static bool stranger_heard(struct sync *s, const struct sync_source *from, enum standing_state what, struct mono now)
{
	struct stranger *g = NULL;
	bool known;

	for (unsigned int i = 0; i < PEERS_MAX && !(g && stranger_lately(g, now) && source_same(&g->source, from)); i++)
		if (!stranger_lately(&s->stranger[i], now) || source_same(&s->stranger[i].source, from))
			g = &s->stranger[i];
	if (!g)		/* so many are shown, and all are said */
		return true;
	known = stranger_lately(g, now) && source_same(&g->source, from) && g->what == what;
	*g = (struct stranger){ .source = *from, .what = what, .first = known ? g->first : now, .last = now };
	return !known;
}

void peer_other_mode(struct sync *s, const struct sync_source *from, struct mono now)
{
	struct sync_source shown = sync_speaks_from(s, from);
	struct peer *p = peer_known(s, from);
	char name[SOURCE_NAME];

	s->stats.foreign_mode++;
	if (!stranger_heard(s, from, STANDING_OTHER_MODE, now))
		return;
	if (p)
		p->look_at = (struct mono){ 0 };	/* at once: the end of it may come soon */
	sync_log(s, &s->mode_log, now, LOG_LVL_WARNING, "peer %s speaks another mode: it sends what %s does not know",
		 source_name(&shown, name), s->ops->name);
}

void sync_other_protocol(struct sync *s, const struct sync_source *from, struct mono now)
{
	stranger_heard(s, from, STANDING_OTHER_PROTOCOL, now);
}

static bool peer_has_source(const struct peer *p, const struct sync_source *from)
{
	for (unsigned int k = 0; k < p->n_sources; k++)
		if (source_same(&p->source[k], from))
			return true;
	return false;
}

/* In this life p has said such a thing. */
static bool peer_is_strange(const struct sync *s, const struct peer *p, enum standing_state what, struct mono now)
{
	for (unsigned int i = 0; i < PEERS_MAX; i++) {
		const struct stranger *g = &s->stranger[i];

		if (g->what == what && stranger_lately(g, now) && !mono_before(g->last, p->contact) &&
		    peer_has_source(p, &g->source))
			return true;
	}
	return false;
}

/* ---- MTU ---- */

#define NOTE_BYTES	UINT32_C(0xfffff)	/* the link stands above them, in four bits */

uint32_t sync_mtu_note(const struct sync *s)
{
	struct sync_mtu m = s->env->mtu ? s->env->mtu(s->env->ctx, -1) : (struct sync_mtu){ 0 };

	return SYNC_MTU_NOTE | (uint32_t)(m.link & 0xf) << 20 | (m.bytes & NOTE_BYTES);
}

void peer_mtu(struct sync *s, struct peer *p, uint32_t note, struct mono now)
{
	uint32_t there = note & NOTE_BYTES, here = s->env->mtu ? s->env->mtu(s->env->ctx, note >> 20 & 0xf).bytes : 0;
	bool differ = there != 0 && here != 0 && there != here, known = p->mtu_there == there && p->mtu_here == here;
	bool ended = !differ && p->mtu_there != 0;
	char name[SOURCE_NAME];

	p->mtu_there = differ ? there : 0;
	p->mtu_here = differ ? here : 0;
	if (differ && !known)
		sync_log(s, &s->mode_log, now, LOG_LVL_WARNING, "peer %s has an MTU of %" PRIu32 " on the link to us, and we have %" PRIu32
			 ": what is larger than the smaller one may never arrive, and comes by repetition only. Make them the same",
			 peer_name(p, name), there, here);
	else if (ended)
		sync_log(s, &s->mode_log, now, LOG_LVL_NOTICE, "peer %s has the same MTU on the link to us now: %" PRIu32,
			 peer_name(p, name), here);
}

/* ---- the evidence ---- */

/* Where nobody asks, everything is told again within RefreshTime, ours being the peer's too. */
static bool waits_for_lap(const struct sync *s, const struct peer *p, struct mono now)
{
	return sync_does(s, SYNC_EXPIRES) && (!mono_is_set(p->met) ||
					      sync_within(p->met, ((int64_t)s->conf->refresh_s + 2) * 1000, now));
}

void peer_facts(const struct sync *s, const struct peer *p, struct standing_facts *f, struct mono now)
{
	*f = (struct standing_facts){
		.silent = p->silence.said,
		.alive = peer_alive(p, now),
		.other_mode = peer_is_strange(s, p, STANDING_OTHER_MODE, now),
		.other_protocol = peer_is_strange(s, p, STANDING_OTHER_PROTOCOL, now),
		.heard = p->heard,
		.contact = p->contact,
		.asked = p->rs.state != RS_IDLE || waits_for_lap(s, p, now),
		.open = sync_does(s, SYNC_ASKS) && (p->nacks_out > 0 || p->track.reorder.n > 0),
		.acks = sync_does(s, SYNC_ACKS),
		.told = s->next - 1,
		.patience_ms = p->life != 0 ? PATIENCE_MS : PATIENCE_OLD_MS,
	};
	if (s->ops->facts)
		s->ops->facts(s, p, f);
}

/* ---- the log ---- */

static long long seconds(struct mono since, struct mono now)
{
	return mono_is_set(since) ? (long long)mono_diff_ms(now, since) / 1000 : 0;
}

static void say_deaf(struct sync *s, struct peer *p, const struct standing_facts *f, struct mono now)
{
	long long lag = seconds(f->confirmed ? p->standing.mark_at : p->contact, now);
	char name[SOURCE_NAME];

	peer_name(p, name);
	if (f->confirmed) {
		sync_log(s, NULL, now, LOG_LVL_WARNING, "peer %s is heard but has acknowledged nothing for %lld s, %" PRIu32
			 " messages: it does not hear us. Is there a rule, a cable or a switch that stops what goes there?", name,
			 lag, p->standing.behind);
	} else if (f->same_mode) {
		sync_log(s, NULL, now, LOG_LVL_WARNING, "peer %s is heard and speaks %s but has acknowledged nothing for %lld s: it "
			 "does not hear us. Is there a rule, a cable or a switch that stops what goes there?", name, s->ops->name, lag);
	} else {
		s->stats.foreign_mode++;
		sync_log(s, NULL, now, LOG_LVL_WARNING, "peer %s is heard but has acknowledged nothing for %lld s: either it speaks "
			 "another mode (NOTRACK, ALARM), or it does not hear us", name, lag);
	}
}

/* True when it was said. */
static bool say_worse(struct sync *s, struct peer *p, const struct standing_facts *f, struct mono now)
{
	const struct standing *st = &p->standing;
	uint64_t suppressed;
	char name[SOURCE_NAME];

	if (st->state == STANDING_OTHER_MODE || st->state == STANDING_OTHER_PROTOCOL)	/* said with the message */
		return true;
	if (st->state != STANDING_GAP && st->state != STANDING_BEHIND && st->state != STANDING_DEAF)
		return false;
	if (!log_limit_pass(&p->state_log, 5, 10000, now, &suppressed))
		return false;
	if (st->state == STANDING_DEAF)
		say_deaf(s, p, f, now);
	else if (st->state == STANDING_BEHIND)
		sync_log(s, NULL, now, LOG_LVL_WARNING, "peer %s is behind: of what it was told %" PRIu32 " messages are not "
			 "acknowledged, the oldest for %lld s", peer_name(p, name), st->behind, seconds(st->mark_at, now));
	else
		sync_log(s, NULL, now, LOG_LVL_WARNING, "something that peer %s has sent is missing, for %lld s: it is asked for",
			 peer_name(p, name), seconds(st->gap_since, now));
	return true;
}

/* The state that was said to have begun is over. */
static void say_better(struct sync *s, struct peer *p, struct mono now)
{
	const struct standing *st = &p->standing;
	char name[SOURCE_NAME];

	if (st->state == STANDING_SILENT)	/* that is worse, and said */
		return;
	if (p->said.state == STANDING_OTHER_MODE || p->said.state == STANDING_OTHER_PROTOCOL)
		sync_log(s, NULL, now, LOG_LVL_NOTICE, "peer %s sends nothing any more that %s does not know, after %lld s",
			 peer_name(p, name), s->ops->name, seconds(p->said.began, now));
	else if (p->said.state == STANDING_GAP)
		sync_log(s, NULL, now, LOG_LVL_NOTICE, "what peer %s had sent and was missing has come, after %lld s",
			 peer_name(p, name), seconds(p->said.began, now));
	else
		sync_log(s, NULL, now, LOG_LVL_NOTICE, "peer %s acknowledges what it is told again, after %lld s; up to %" PRIu32
			 " messages had not been acknowledged", peer_name(p, name), seconds(p->said.began, now), p->said.most);
}

static bool is_late(enum standing_state state)
{
	return state == STANDING_BEHIND || state == STANDING_DEAF;
}

static struct mono began(const struct peer *p, const struct standing_facts *f)
{
	if (p->standing.state == STANDING_GAP)
		return p->standing.gap_since;
	if (!is_late(p->standing.state))
		return p->standing.since;
	return f->confirmed ? p->standing.mark_at : p->contact;
}

static void changed(struct sync *s, struct peer *p, const struct standing_facts *f, struct mono now)
{
	/* From one of the two to the other is no end, and worse only in one direction. */
	if (is_late(p->said.state) && is_late(p->standing.state))
		return;
	if (p->said.state != STANDING_UNKNOWN)
		say_better(s, p, now);
	p->said.state = STANDING_UNKNOWN;
	if (!say_worse(s, p, f, now))
		return;
	p->said.state = p->standing.state;
	p->said.began = began(p, f);
	p->said.most = 0;
}

/* Losses that are repaired are nothing bad, but somebody may want to know of the link. */
static void say_losses(struct sync *s, struct peer *p, struct mono now)
{
	char name[SOURCE_NAME];

	if (p->lost <= p->lost_said || p->missing > 0 || sync_within(p->lost_line, LOSS_LINE_MS, now))
		return;
	sync_log(s, NULL, now, LOG_LVL_NOTICE, "%" PRIu64 " messages of peer %s were lost on the way, and have been repaired",
		 p->lost - p->lost_said, peer_name(p, name));
	p->lost_said = p->lost;
	p->lost_line = now;
}

void peer_look(struct sync *s, struct peer *p, struct mono now)
{
	struct standing_facts f;

	if (mono_before(now, p->look_at))
		return;
	p->look_at = mono_add_ms(now, PEER_LOOK_MS);
	if (p->standing.state == STANDING_UNKNOWN || p->silence.said)
		p->met = now;
	peer_facts(s, p, &f, now);
	if (!f.silent)
		p->shown = sync_speaks_from(s, &p->source[0]);
	if (standing_look(&p->standing, &f, now))
		changed(s, p, &f, now);
	say_losses(s, p, now);
	if (p->standing.behind > p->said.most)
		p->said.most = p->standing.behind;
}

void peer_say_received(struct sync *s, struct peer *p, struct mono now)
{
	char name[SOURCE_NAME];

	sync_log(s, &s->table_log, now, LOG_LVL_NOTICE, "the table of peer %s has come: %" PRIu64 " states, in %lld ms",
		 peer_name(p, name), p->states - p->rs.states, (long long)mono_diff_ms(now, p->rs.began));
}

void peer_say_served(struct sync *s, const struct peer *p, uint64_t flows, struct mono since, struct mono now)
{
	char name[SOURCE_NAME];

	sync_log(s, &s->table_log, now, LOG_LVL_NOTICE, "everything was sent to %s%s: %" PRIu64 " flows, in %lld ms",
		 p ? "peer " : "the peers", p ? peer_name(p, name) : "", flows, (long long)mono_diff_ms(now, since));
}

/* ---- for others ---- */

void peer_repaired(struct sync *s, struct peer *p, uint64_t n)
{
	if (n > p->missing)
		n = p->missing;
	p->missing -= n;
	p->repaired += n;
	s->stats.repaired += n;
}

static void now_standing(const struct sync *s, const struct peer *p, struct standing *st, struct standing_facts *f,
			 struct mono now)
{
	*st = p->standing;
	peer_facts(s, p, f, now);
	standing_look(st, f, now);
}

bool sync_peer_view(const struct sync *s, uint8_t peer, struct mono now, struct sync_peer_view *out)
{
	const struct peer *p = &s->peer[peer];
	struct standing_facts f;

	if (peer >= PEERS_MAX || !p->used)
		return false;
	peer_facts(s, p, &f, now);
	*out = (struct sync_peer_view){
		.silent_ms = mono_diff_ms(now, p->heard),
		.missing = p->rs.state != RS_IDLE || f.open,
		.asked = !f.open && p->rs.state == RS_ASKED && !p->rs.stale,
	};
	return true;
}

void sync_standing(const struct sync *s, struct mono now, struct sync_standing *out)
{
	*out = (struct sync_standing){ .whole = sync_whole(s), .received = true, .heard = true, .acks = sync_does(s, SYNC_ACKS) };
	for (unsigned int i = 0; i < PEERS_MAX; i++) {
		struct standing_facts f;
		struct standing st;

		if (!s->peer[i].used || s->peer[i].heir)
			continue;
		now_standing(s, &s->peer[i], &st, &f, now);
		out->peers++;
		out->received = out->received && st.received;
		out->heard = out->heard && st.heard == STANDING_HEARD;
	}
	out->received = out->received && out->peers > 0 && out->whole;
	out->heard = out->heard && out->peers > 0;
}

/* ---- for people ---- */

static void report_node(const struct sync *s, struct mono now, struct text *out)
{
	struct sync_standing all;

	sync_standing(s, now, &all);
	text_printf(out, "received: %s", all.received ? "yes" : "no");
	if (all.peers == 0)
		text_str(out, ", no peer was heard");
	else if (!all.whole)
		text_str(out, ", our own cache is incomplete (-s cache)");
	text_printf(out, "\nheard: %s\n", !all.acks ? "not known in this mode" : all.heard ? "yes" : "no");
}

static void report_received(const struct peer *p, const struct standing *st, const struct standing_facts *f, struct mono now,
			    struct text *out)
{
	text_printf(out, "\treceived: %s", st->received ? "yes" : "no");
	if (f->asked && p->rs.state == RS_IDLE)
		text_str(out, ", it has not had time to tell everything once");
	else if (f->asked && mono_is_set(p->rs.partial))
		text_str(out, ", it has sent all it has, and its own cache is incomplete");
	else if (f->asked && p->rs.state == RS_ASKED)
		text_printf(out, ", %" PRIu64 " states of its table so far, in %lld s", p->states - p->rs.states,
			    seconds(p->rs.began, now));
	else if (f->asked)
		text_str(out, ", its table is to be asked for");
	else if (f->open)
		text_printf(out, ", a gap is open for %lld s", seconds(st->gap_since, now));
	text_str(out, "\n");
}

static void report_heard(const struct standing *st, struct mono now, struct text *out)
{
	switch (st->heard) {
	case STANDING_CANNOT_TELL:
		text_str(out, "\theard: not known in this mode\n");
		return;
	case STANDING_HEARD:
		text_str(out, "\theard: yes");
		if (st->behind > 0)
			text_printf(out, ", but for the last %" PRIu32 " messages", st->behind);
		text_str(out, "\n");
		return;
	case STANDING_NOT_HEARD:
		text_printf(out, "\theard: no, %" PRIu32 " messages are not acknowledged, the oldest for %lld s\n", st->behind,
			    (long long)standing_lag_ms(st, now) / 1000);
		return;
	}
}

/* Those of whom nothing was understood. */
static void report_strangers(const struct sync *s, struct mono now, struct text *out)
{
	char name[SOURCE_NAME];

	for (unsigned int i = 0; i < PEERS_MAX; i++) {
		const struct stranger *g = &s->stranger[i];
		struct sync_source source = sync_speaks_from(s, &g->source);
		bool shown = !stranger_lately(g, now);

		for (unsigned int k = 0; k < PEERS_MAX; k++)
			shown = shown || (s->peer[k].used && peer_has_source(&s->peer[k], &g->source));
		if (!shown)
			text_printf(out, "peer %s: %s for %lld s\n", source_name(&source, name), standing_name(g->what),
				    seconds(g->first, now));
	}
}

void sync_report(const struct sync *s, struct mono now, struct text *out)
{
	char name[SOURCE_NAME];

	report_node(s, now, out);
	for (unsigned int i = 0; i < PEERS_MAX; i++) {
		const struct peer *p = &s->peer[i];
		struct standing_facts f;
		struct standing st;

		if (!p->used)
			continue;
		now_standing(s, p, &st, &f, now);
		text_printf(out, "peer %s: %s for %lld s\n\tlast heard %" PRId64 " ms ago, number %" PRIu32 "\n", peer_name(p, name),
			    standing_name(st.state), seconds(st.since, now), mono_diff_ms(now, p->heard), p->track.last);
		report_received(p, &st, &f, now, out);
		report_heard(&st, now, out);
		if (p->mtu_there != 0)
			text_printf(out, "\tMTU: %" PRIu32 " there, %" PRIu32 " here\n", p->mtu_there, p->mtu_here);
		if (p->lost > 0)
			text_printf(out, "\tlost: %" PRIu64 " of its messages, repaired: %" PRIu64 "\n", p->lost, p->repaired);
		if (s->ops->report)
			s->ops->report(s, p, out);
	}
	report_strangers(s, now, out);
}

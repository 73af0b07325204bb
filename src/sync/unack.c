/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NOTRACK and ALARM: sending without acknowledgements. Nothing is kept of a message that was sent,
 * nor of the dead flow that it was about. */
#include "sync/unack.h"

#include <errno.h>

#include "sync/peer_state.h"
#include "sync/queue.h"

#define PACE_PER_MS 12 /* about 250 flows: a million in four seconds */
/* what was not used for longer is lost, or the next burst would overflow a socket */
#define PACE_SAVED 4

/* ---- a round ---- */

bool unack_put_flow(struct round *r, uint32_t id)
{
	return round_put_flow(r, id, 0) != -EAGAIN;
}

bool unack_put_live(struct round *r,
		    void (*sent)(struct sync *s, struct flow_repl *m, struct mono now))
{
	struct sync *s = r->s;
	uint32_t id;

	while ((id = txq_first(&s->live)) != FLOW_ID_NONE) {
		struct flow_repl *m = s->env->repl(s->env->ctx, id);

		if (!unack_put_flow(r, id))
			return false;
		if (queue_leave(s, &s->live, m, id))
			sent(s, m, r->now);
	}
	return true;
}

/* ---- pace ---- */

void pace_set(struct pace *p, uint32_t slow)
{
	p->n = PACE_PER_MS >> slow;
	p->every_ms = 1;
	for (; p->n == 0 && slow > 3; slow--)
		p->every_ms *= 2;
	if (p->n == 0)
		p->n = 1;
}

uint32_t pace_begin(struct pace *p, struct round *r, struct mono now)
{
	int64_t times = mono_is_set(p->at) ? mono_diff_ms(now, p->at) / p->every_ms : 1;
	uint32_t saved = p->n >= PACE_SAVED ? PACE_SAVED : 1, aside;

	if (times > 0) {
		p->at = times > saved || !mono_is_set(p->at) ?
				now :
				mono_add_ms(p->at, times * p->every_ms);
		p->tokens += (uint32_t)(times < saved ? times : saved) * p->n;
	}
	if (p->tokens > saved * p->n)
		p->tokens = saved * p->n;
	aside = r->left > p->tokens ? r->left - p->tokens : 0;
	r->left -= aside;
	p->tokens -= r->left; /* what is not used comes back */
	return aside;
}

void pace_end(struct pace *p, struct round *r, uint32_t aside)
{
	p->tokens += r->left;
	r->left += aside;
	if (r->left > 0)
		r->out_of_budget = false;
}

/* ---- receiving ---- */

enum sync_verdict unack_recv(struct sync *s, const struct peer_addr *from,
			     const struct message *msg, struct cursor body, struct mono now)
{
	struct peer *p = peer_find(s, from, msg, true, now);

	if (!p)
		return SYNC_DROPPED;
	peer_heard(s, p, now);
	return track_message(s, p, msg, body, now);
}

void unack_refuse(struct sync *s, const struct peer_addr *from, const struct message *msg,
		  bool meant_for_others, struct mono now)
{
	struct peer *p = peer_known(s, from);

	if (p)
		track_pass(s, p, msg->seq, now);
	if (!meant_for_others)
		peer_other_mode(s, p, from, SYNC_SIGN_UNKNOWN, now);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Filling datagrams: a message that does not fit any more begins the next one. */
#include "sync/round.h"

#include <errno.h>

/* There is a datagram to write to. False: the budget or the channel has none. */
static bool round_open(struct round *r)
{
	const struct sync_env *env = r->s->env;

	if (r->w)
		return true;
	if (r->left == 0) {
		r->out_of_budget = true;
		return false;
	}
	r->w = env->out.datagram(env->out.ctx);
	if (!r->w)
		return false;
	r->left--;
	if (env->proto->addressed && env->out.address)
		env->out.address(env->out.ctx,
				 r->whom == ROUND_TO_ALL ? NULL : &r->s->peer[r->whom].source[0]);
	return true;
}

/* The datagram under construction is finished. */
static void round_close(struct round *r)
{
	if (r->w && r->w->len > 0) {
		r->s->env->out.send(r->s->env->out.ctx);
		r->any = true;
	}
	r->w = NULL;
}

/* The next message does not fit. False: though there is none before it. */
static bool close_full(struct round *r)
{
	const struct sync_env *env = r->s->env;

	if (r->w->len == 0)
		return false;
	if (env->fill)
		env->fill(env->ctx, r->w);
	round_close(r);
	return true;
}

/* What follows is for this peer, or for all: the datagram under construction ends if it is for
 * somebody else. */
static void round_for(struct round *r, uint8_t whom)
{
	if (r->whom == whom)
		return;
	round_close(r);
	r->whom = whom;
}

static void round_number(struct round *r)
{
	r->s->next++;
	r->s->stats.sent_msgs++;
}

int round_put_flow(struct round *r, uint32_t id, uint8_t hello)
{
	const struct sync_env *env = r->s->env;

	round_for(r, ROUND_TO_ALL);
	while (round_open(r)) {
		if (env->encode(env->ctx, id, r->s->next, hello, r->w) == 0) {
			round_number(r);
			return 0;
		}
		if (!close_full(r)) {
			sync_report(r->s, NULL, r->now, SYNC_TOO_LARGE);
			return -EMSGSIZE;
		}
	}
	return -EAGAIN;
}

bool round_put_control(struct round *r, enum msg_kind kind, uint8_t hello, uint8_t whom,
		       uint32_t from, uint32_t to)
{
	struct message msg = {
		.kind = (uint8_t)kind, .hello = hello, .seq = r->s->next, .from = from, .to = to
	};

	round_for(r, r->s->env->proto->addressed ? whom : ROUND_TO_ALL);
	while (round_open(r)) {
		if (r->s->env->proto->put_control(r->w, &msg) == 0) {
			round_number(r);
			return true;
		}
		if (!close_full(r))
			return false;
	}
	return false;
}

bool round_end(struct round *r)
{
	round_close(r);
	if (r->any)
		r->s->env->out.flush(r->s->env->out.ctx);
	return r->any;
}

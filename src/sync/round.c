/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Filling datagrams: a message that does not fit any more begins the next one. */
#include "sync/round.h"

#include <errno.h>

bool round_open(struct round *r)
{
	if (r->w)
		return true;
	if (r->left == 0) {
		r->out_of_budget = true;
		return false;
	}
	r->w = r->env->datagram(r->env->ctx);
	if (r->w)
		r->left--;
	return r->w;
}

void round_close(struct round *r)
{
	if (r->w && r->w->len > 0) {
		r->env->send(r->env->ctx);
		r->any = true;
	}
	r->w = NULL;
}

/* The next message does not fit. */
static void close_full(struct round *r)
{
	if (r->env->fill)
		r->env->fill(r->env->ctx, r->w);
	round_close(r);
}

int round_put_flow(struct round *r, uint32_t id, uint32_t seq, uint8_t flags)
{
	while (round_open(r)) {
		if (r->env->encode(r->env->ctx, id, seq, flags, r->w) == 0)
			return 0;
		if (r->w->len == 0)
			return -EMSGSIZE;
		close_full(r);
	}
	return -EAGAIN;
}

int round_put_control(struct round *r, uint8_t flags, uint32_t seq, uint32_t from, uint32_t to)
{
	while (round_open(r)) {
		if (wire_put_control(r->w, flags, seq, from, to) == 0)
			return 0;
		if (r->w->len == 0)
			return -EMSGSIZE;
		close_full(r);
	}
	return -EAGAIN;
}

int round_put_complete(struct round *r, uint32_t seq, uint32_t since, uint32_t life)
{
	while (round_open(r)) {
		if (wire_put_complete(r->w, seq, since, life) == 0)
			return 0;
		if (r->w->len == 0)
			return -EMSGSIZE;
		close_full(r);
	}
	return -EAGAIN;
}

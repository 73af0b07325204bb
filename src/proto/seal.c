/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An outlet on top of another outlet: a datagram is filled up to the overhead of its seal, and
 * sealed in place when it is complete. Nothing is copied on the way out. */
#include "proto/seal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define DATAGRAM_MAX 65536 /* bytes; no link gives more at once */

static struct writer *sealed_datagram(void *ctx)
{
	struct sealed *s = ctx;

	if (s->under)
		return &s->filled;
	s->under = s->below.datagram(s->below.ctx);
	if (!s->under)
		return NULL;
	assert(s->under->cap > s->seal.ops->overhead);
	s->filled = wr_init(s->under->buf, s->under->cap - s->seal.ops->overhead);
	return &s->filled;
}

static void sealed_address(void *ctx, const struct peer_addr *to)
{
	struct sealed *s = ctx;

	s->for_one = to != NULL;
	if (to)
		s->to = *to;
	if (s->below.address)
		s->below.address(s->below.ctx, to);
}

static void sealed_send(void *ctx)
{
	struct sealed *s = ctx;

	s->under->len = s->seal.ops->seal(s->seal.ctx, s->for_one ? &s->to : NULL, s->under->buf,
					  s->filled.len);
	assert(s->under->len <= s->under->cap);
	s->under = NULL;
	s->for_one = false;
	s->below.send(s->below.ctx);
}

static bool sealed_even(void *ctx)
{
	struct sealed *s = ctx;

	return s->below.even && s->below.even(s->below.ctx);
}

static void sealed_flush(void *ctx)
{
	struct sealed *s = ctx;

	s->below.flush(s->below.ctx);
}

static void sealed_speaks_from(void *ctx, struct peer_addr *from)
{
	struct sealed *s = ctx;

	if (s->below.speaks_from)
		s->below.speaks_from(s->below.ctx, from);
}

static struct outlet_mtu sealed_mtu(void *ctx, int link)
{
	struct sealed *s = ctx;

	return s->below.mtu ? s->below.mtu(s->below.ctx, link) : (struct outlet_mtu){ 0 };
}

int sealed_init(struct sealed *s, const struct seal *seal, const struct outlet *below,
		struct outlet *out)
{
	*s = (struct sealed){ .seal = *seal, .below = *below };
	s->opened = malloc(DATAGRAM_MAX);
	if (!s->opened)
		return -ENOMEM;
	*out = (struct outlet){
		.ctx = s,
		.datagram = sealed_datagram,
		.even = sealed_even,
		.address = sealed_address,
		.send = sealed_send,
		.flush = sealed_flush,
		.speaks_from = sealed_speaks_from,
		.mtu = sealed_mtu,
	};
	return 0;
}

void sealed_free(struct sealed *s)
{
	free(s->opened);
	*s = (struct sealed){ 0 };
}

const uint8_t *sealed_open(struct sealed *s, const struct peer_addr *from, const uint8_t *bytes,
			   size_t *n)
{
	ssize_t len = -1;

	if (*n <= DATAGRAM_MAX)
		len = s->seal.ops->open(s->seal.ctx, from, bytes, *n, s->opened);
	if (len < 0)
		return NULL;
	*n = (size_t)len;
	return s->opened;
}

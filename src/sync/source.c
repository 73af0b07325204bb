/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses and whose they are, and the proof that numbers which do not fit are the peer's true
 * ones after all: they keep coming and continue each other, for longer than the network can hold
 * back a duplicated burst. */
#include "sync/source.h"

#include <arpa/inet.h>
#include <string.h>

#include "sync/mode.h"

#define UNEXPECTED_STEP	   1024 /* strays this close continue each other */
#define UNEXPECTED_MANY	   100
#define UNEXPECTED_MANY_MS 250	/* a duplicated burst is over within this time */
#define UNEXPECTED_MS	   2000 /* old numbers for this long: the tracking is wrong */

const char *sync_name_of(const struct sync *s, const struct peer_addr *from, char *out)
{
	struct peer_addr spoke = *from;

	_Static_assert(SOURCE_NAME >= INET6_ADDRSTRLEN, "an address has to fit");
	if (s->env->out.speaks_from)
		s->env->out.speaks_from(s->env->out.ctx, &spoke);
	if (!inet_ntop(spoke.family, spoke.addr, out, SOURCE_NAME))
		strcpy(out, "?");
	return out;
}

struct peer *peer_next(const struct sync *s, const struct peer *p)
{
	for (p = p ? p + 1 : s->peer; p < s->peer + PEERS_MAX; p++)
		if (p->used)
			return (struct peer *)p;
	return NULL;
}

bool peer_has_source(const struct peer *p, const struct peer_addr *from)
{
	for (unsigned int k = 0; k < p->n_sources; k++)
		if (peer_addr_same(&p->source[k], from))
			return true;
	return false;
}

struct peer *peer_known(struct sync *s, const struct peer_addr *from)
{
	struct peer *p = NULL;

	while ((p = peer_next(s, p)) && !peer_has_source(p, from))
		;
	return p;
}

bool unexpected_add(struct unexpected *s, uint32_t seq, struct mono now)
{
	if (s->n == 0 || seq - s->last - 1 >= UNEXPECTED_STEP) {
		*s = (struct unexpected){ .first = seq, .last = seq, .n = 1, .since = now };
		return false;
	}
	s->n++;
	s->last = seq;
	if (s->n >= UNEXPECTED_MANY && !sync_within(s->since, UNEXPECTED_MANY_MS, now))
		return true;
	return !sync_within(s->since, UNEXPECTED_MS, now);
}

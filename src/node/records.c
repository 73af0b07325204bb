/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What sync/ wants to know about the things it names by ids: flows of the internal cache, or of
 * what stands in for it, and expectations. */
#include "node/path.h"
#include "node/source.h"

#define WALK_EXPECTS (UINT64_C(1) << 63) /* in the resume point of a walk: the flows are done */

struct flow_repl *record_repl(void *ctx, uint32_t id)
{
	struct pipeline *p = ctx;

	return flow_id_is_expect(id) ? exp_path_repl(p->expects, id) : &table_rec(p->own, id)->repl;
}

bool record_has(void *ctx, uint32_t id)
{
	const struct pipeline *p = ctx;

	return !flow_id_is_expect(id) && p->source->has(p, id);
}

bool record_is_dead(void *ctx, uint32_t id)
{
	const struct pipeline *p = ctx;

	return flow_id_is_expect(id) ? exp_path_is_dead(p->expects, id) : p->source->is_dead(p, id);
}

void record_release(void *ctx, uint32_t id)
{
	struct pipeline *p = ctx;

	if (flow_id_is_expect(id))
		exp_path_release(p->expects, id);
	else
		p->source->release(p, id);
}

/* Flows, then expectations, so that a master arrives before what it expects. */
size_t record_walk(void *ctx, uint64_t *pos, uint32_t *ids, size_t n)
{
	struct pipeline *p = ctx;
	size_t got = 0;
	uint64_t at;

	if (!(*pos & WALK_EXPECTS))
		got = p->source->walk(p, pos, ids, n);
	if (got > 0 || !p->expects)
		return got;
	at = *pos & WALK_EXPECTS ? *pos & ~WALK_EXPECTS : 0;
	got = exp_path_walk(p->expects, &at, ids, n);
	*pos = WALK_EXPECTS | at;
	return got;
}

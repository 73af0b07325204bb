/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What sync/ wants to know about the things it names by ids: flows of the internal cache, or of
 * what stands in for it, and expectations. */
#include "node/path.h"

#define WALK_EXPECTS (UINT64_C(1) << 63) /* in the resume point of a walk: the flows are done */

struct flow_mark *sync_path_mark(void *ctx, uint32_t id)
{
	struct pipeline *p = ctx;

	return flow_id_is_expect(id) ? exp_path_mark(p->expects, id) : &table_rec(p->own, id)->mark;
}

bool sync_path_has(void *ctx, uint32_t id)
{
	const struct pipeline *p = ctx;

	return !flow_id_is_expect(id) && table_has_id(p->own, id) &&
	       !(p->internal && internal_is_hidden(p->internal, id));
}

bool sync_path_is_dead(void *ctx, uint32_t id)
{
	struct pipeline *p = ctx;

	if (flow_id_is_expect(id))
		return exp_path_is_dead(p->expects, id);
	return p->bypass || table_rec(p->own, id)->state == REC_DEAD;
}

void sync_path_release(void *ctx, uint32_t id)
{
	struct pipeline *p = ctx;

	if (flow_id_is_expect(id))
		exp_path_release(p->expects, id);
	else if (p->bypass)
		bypass_release(p->bypass, id);
	else
		internal_release(p->internal, id);
}

static size_t walk_flows(struct pipeline *p, uint64_t *pos, uint32_t *ids, size_t n)
{
	struct flow_table *t = p->own;
	size_t got;

	if (p->bypass)
		return bypass_path_walk(p, pos, ids, n);
	got = table_walk(t, pos, ids, n);
	for (size_t i = 0; i < got; i++)
		if (table_rec(t, ids[i])->state == REC_DEAD ||
		    internal_is_hidden(p->internal, ids[i]))
			ids[i] = FLOW_ID_NONE;
	return got;
}

/* Flows, then expectations, so that a master arrives before what it expects. */
size_t sync_path_walk(void *ctx, uint64_t *pos, uint32_t *ids, size_t n)
{
	struct pipeline *p = ctx;
	size_t got = 0;
	uint64_t at;

	if (!(*pos & WALK_EXPECTS))
		got = walk_flows(p, pos, ids, n);
	if (got > 0 || !p->expects)
		return got;
	at = *pos & WALK_EXPECTS ? *pos & ~WALK_EXPECTS : 0;
	got = exp_path_walk(p->expects, &at, ids, n);
	*pos = WALK_EXPECTS | at;
	return got;
}

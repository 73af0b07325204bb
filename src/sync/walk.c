/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The walk over our own flows. Invariant: a flow whose id is in id[at .. n) has REPL_BATCH, no
 * other flow has it. */
#include "sync/walk.h"

static void walk_put_back(const struct sync_env *env, uint32_t id)
{
	if (id != FLOW_ID_NONE)
		env->repl(env->ctx, id)->bits &= (uint8_t)~REPL_BATCH;
}

void walk_rewind(struct walk *w, const struct sync_env *env)
{
	for (uint32_t i = w->at; i < w->n; i++)
		walk_put_back(env, w->id[i]);
	*w = (struct walk){ 0 };
}

bool walk_load(struct walk *w, const struct sync_env *env)
{
	w->at = 0;
	w->n = (uint32_t)env->walk(env->ctx, &w->pos, w->id, WALK_BATCH);
	for (uint32_t i = 0; i < w->n; i++)
		if (w->id[i] != FLOW_ID_NONE)
			env->repl(env->ctx, w->id[i])->bits |= REPL_BATCH;
	return w->n > 0;
}

uint32_t walk_next(struct walk *w)
{
	while (w->at < w->n && w->id[w->at] == FLOW_ID_NONE)
		w->at++;
	return w->at < w->n ? w->id[w->at] : FLOW_ID_NONE;
}

void walk_done(struct walk *w, const struct sync_env *env)
{
	walk_put_back(env, w->id[w->at++]);
}

void walk_scrub(struct walk *w, struct flow_repl *m, uint32_t id)
{
	if (!(m->bits & REPL_BATCH))
		return;
	m->bits &= (uint8_t)~REPL_BATCH;
	for (uint32_t i = w->at; i < w->n; i++)
		if (w->id[i] == id)
			w->id[i] = FLOW_ID_NONE;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One question at a time about an entry of the kernel, which looks for either tuple, whatever it is
 * called in the question. */
#include "kernel/ct_ask.h"

#include <errno.h>
#include <stdlib.h>

#include "kernel/ct.h"

struct ct_ask {
	struct ct_batch *batch;
	bool found;
	struct ct_flow flow;
};

static void on_answer(void *ctx, enum ct_op op, uint64_t cookie, int err,
		      const struct ct_flow *found, struct mono now)
{
	struct ct_ask *a = ctx;

	(void)op;
	(void)cookie;
	(void)now;
	a->found = err == 0 && found;
	if (!a->found)
		return;
	flow_copy(&a->flow, found);
	a->flow.has &= ~(FLOW_RARE_PARTS | FLOW_HAS_SYNPROXY);
	a->flow.rare = NULL;
}

static void on_room(void *ctx, struct mono now)
{
	(void)ctx;
	(void)now;
}

const struct ct_flow *ct_ask_tuple(struct ct_ask *a, const struct ct_flow *tuple, struct mono now)
{
	a->found = false;
	if (ct_batch_add(a->batch, CT_OP_GET, tuple, NULL, 0) < 0)
		return NULL;
	ct_batch_run(a->batch, now);
	return a->found ? &a->flow : NULL;
}

int ct_ask_open(struct evloop *loop, struct ct_ask **out, struct text *err)
{
	struct ct_ask *a = calloc(1, sizeof(*a));
	struct ct_batch_cb cb = { .ctx = a, .answer = on_answer, .room = on_room };
	int rc;

	if (!a)
		return -ENOMEM;
	rc = ct_batch_open(loop, &cb, "questions about packets", &a->batch, err);
	if (rc < 0) {
		free(a);
		return rc;
	}
	*out = a;
	return 0;
}

void ct_ask_close(struct ct_ask *a)
{
	if (!a)
		return;
	ct_batch_close(a->batch);
	free(a);
}

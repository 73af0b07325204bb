/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -f: the caches forget what they know, in steps. */
#include "daemon/empty.h"

#include <stdlib.h>

#include "base/list.h"

#define EMPTY_STEP	4096

struct empty {
	struct control_job job;
	const struct daemon *d;
	bool internal, external, expects;	/* what is left to do */
	uint64_t pos;
};

static void empty_expects(struct exp_path *x)
{
	if (!x)
		return;
	exp_path_flush_internal(x);
	exp_path_flush_external(x);
}

static enum ctl_step empty_step(struct control_job *job, struct ctl_out *out, struct mono now)
{
	struct empty *e = container_of(job, struct empty, job);
	struct pipeline *p = e->d->pipeline;

	(void)now;
	if (e->external && takeover_committing(e->d->takeover)) {
		ctl_note(out, "refused: a commit has begun");
		ctl_end(out, 1);
		return CTL_DONE;
	}
	/* Their caches are small: at once, and before the masters. */
	if (e->expects)
		empty_expects(pipeline_expects(p));
	e->expects = false;
	if (e->internal) {
		if (!pipeline_flush_internal_step(p, &e->pos, EMPTY_STEP)) {
			e->internal = false;
			e->pos = 0;
		}
	} else if (e->external) {
		e->external = pipeline_flush_external_step(p, &e->pos, EMPTY_STEP);
	}
	return e->internal || e->external ? CTL_MORE : CTL_DONE;
}

static void empty_release(struct control_job *job, bool done)
{
	(void)done;
	free(container_of(job, struct empty, job));
}

static const struct control_job_ops empty_ops = { .name = "flush", .step = empty_step, .release = empty_release };

struct control_job *empty_caches(const struct daemon *d, bool internal, bool external)
{
	struct empty *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->job.ops = &empty_ops;
	e->d = d;
	e->internal = internal;
	e->external = external;
	e->expects = internal && external;	/* -f alone empties those too */
	return &e->job;
}

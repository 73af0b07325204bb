/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --status: what it has beside what -s has, gathered when somebody asks. The tables of these
 * values: status_values.c. */
#include "command/status.h"

#include <string.h>

#include "config.h"
#include "base/log.h"
#include "kernel/proc.h"
#include "kernel/ct.h"

static const char *mode_name(const struct command_env *d)
{
	static const char *const names[] = {
#define ROW(mode, ops, like) [SYNC_MODE_##mode] = #mode,
		SYNC_MODES(ROW)
#undef ROW
	};

	return pipeline_sync(d->pipeline) ? names[d->sync->mode] : "statistics";
}

void status_values(const struct command_env *d, struct status_values *s)
{
	int events = ct_events_value();

	*s = (struct status_values){
		.version = PACKAGE_VERSION,
		.mode = mode_name(d),
		.time_s = clock_wall_s(),
		.table = proc_number(PROC_CT_COUNT),
		.table_max = proc_number(PROC_CT_MAX),
		.nf_events = events < 0 ? -1 : events,
	};
	if (d->events)
		s->events_per_s = rate_per_s(d->intake, ct_events_stats(d->events)->received,
					     evloop_now(d->loop));
}

bool status_commit(const struct command_env *d, struct commit_values *c)
{
	const struct last_commit *last = d->last_commit;

	commit_values(&last->res, c);
	c->ago_s = mono_diff_ms(evloop_now(d->loop), last->at) / 1000;
	c->at_s = last->wall_s;
	return last->any;
}

bool status_line(unsigned int i, struct line_values *l)
{
	const struct log_kept *k = log_kept(i);

	if (k)
		*l = (struct line_values){ k->wall_s, log_level_word(k->level), k->text };
	return k;
}

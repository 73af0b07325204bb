/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The role of this node and its last change, as values and as the lines that --role prints. The
 * first word of those is the role, for scripts. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/value_rows.h"
#include "command/role_command.h"
#include "follow/role.h"

#define S struct role_values
static const struct value_row role_rows[] = {
	WORD(S, role, "role", NULL, "`primary`, `backup`, `faulty` or `unknown`"),
	GAUGE_IF_KNOWN(S, since_s, "since_s", "s", NULL, "since it was told"),
	WORD_IF_KNOWN(
		S, by, "by", NULL,
		"who has told it: `--role`, the letter of a script, or the line of keepalived"),
	WORD_IF_KNOWN(S, doubt, "doubt", NULL,
		      "why it is unknown although the file of an earlier daemon tells one"),
	VALUE_END
};
#undef S

static void role_prose(const void *of, struct text *out)
{
	const struct role_values *r = of;

	text_str(out, r->role);
	if (r->since_s < 0) {
		text_str(out, ": nobody has told this node one\n");
		return;
	}
	if (r->doubt)
		text_printf(out, ": %s; it was told", r->doubt);
	text_printf(out, " %" PRId64 " s ago by %s\n", r->since_s, r->by);
}

const struct value_group role_group = {
	.name = "node_role",
	.help = "What this node is.",
	.rows = role_rows,
	.prose = role_prose,
};

#define S struct role_change_values
static const struct value_row change_rows[] = {
	WORD(S, to, "to", NULL, "the role that was asked for"),
	WORD(S, by, "by", NULL, "by whom"),
	WORD(S, state, "state", NULL, "`running`, `done`, `failed` or `overtaken`"),
	WORD_IF_KNOWN(S, step, "step", NULL, "the part of it that runs, or has failed"),
	WORD_IF_KNOWN(S, why, "why", NULL, "it has failed, or what it was overtaken by"),
	GAUGE_IF_KNOWN(S, ago_s, "ago_s", "s", NULL, "since it began"),
	GAUGE_IF_KNOWN(S, took_ms, "took_ms", "ms", NULL, "it took so long"),
	GAUGE_IF_KNOWN(S, committed, "committed", "flows", NULL,
		       "of the peers that were looked at by its commit"),
	GAUGE_IF_KNOWN(S, failed, "failed", "flows", NULL, "of those, that the kernel refused"),
	VALUE_END
};
#undef S

static void change_prose(const void *of, struct text *out)
{
	const struct role_change_values *c = of;

	text_printf(out, "change to %s, by %s, %" PRId64 " s ago: %s", c->to, c->by, c->ago_s,
		    c->state);
	if (c->took_ms >= 0)
		text_printf(out, " in %" PRId64 " ms", c->took_ms);
	if (c->step)
		text_printf(out, ", %s", c->step);
	if (c->why)
		text_printf(out, ": %s", c->why);
	if (c->committed >= 0)
		text_printf(out, "; %" PRId64 " flows committed, %" PRId64 " refused", c->committed,
			    c->failed);
	text_str(out, "\n");
}

const struct value_group role_change_group = {
	.name = "role_change",
	.help = "The last change of the role as a whole: by `--role`, or by keepalived.",
	.rows = change_rows,
	.prose = change_prose,
};

static int64_t seconds(struct mono since, struct mono now)
{
	return mono_is_set(since) ? mono_diff_ms(now, since) / 1000 : -1;
}

void role_values(const struct command_env *d, struct role_values *r)
{
	const char *by = role_by(d->role);

	*r = (struct role_values){
		.role = role_name(role_now(d->role)),
		.by = by[0] ? by : NULL,
		.doubt = role_doubted(d->role),
		.since_s = seconds(role_since(d->role), evloop_now(d->loop)),
	};
}

bool role_change_values(const struct command_env *d, struct role_change_values *v)
{
	const struct role_change *c = role_change(d->role);
	bool over = mono_is_set(c->ended);

	if (c->number == 0)
		return false;
	*v = (struct role_change_values){
		.to = role_name(c->to),
		.by = c->by,
		.state = !over		      ? "running" :
			 c->err == 0	      ? "done" :
			 c->err == -ECANCELED ? "overtaken" :
						"failed",
		.step = c->step != ROLE_NOTHING ? role_step_name(c->step) : NULL,
		.why = !over || c->err == 0 ? NULL :
		       c->err == -ECANCELED ? c->overtaken_by :
					      strerror(-c->err),
		.ago_s = seconds(c->began, evloop_now(d->loop)),
		.took_ms = over ? mono_diff_ms(c->ended, c->began) : -1,
		.committed = c->committed ? (int64_t)c->commit.commit.total : -1,
		.failed = c->committed ? (int64_t)c->commit.commit.failed : -1,
	};
	return true;
}

void report_role(const struct command_env *d, struct values *v)
{
	struct role_change_values c;
	struct role_values r;

	role_values(d, &r);
	values_group(v, "role", &role_group, &r);
	if (role_change_values(d, &c))
		values_group(v, "role_change", &role_change_group, &c);
}

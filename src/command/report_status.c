/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --status: the page for people (status_page.c), or a document of all that -s has, and more. */
#include "command/report.h"

#include "control/verdict.h"
#include "command/ask.h"
#include "command/role_command.h"
#include "command/status.h"
#include "command/status_page.h"

static void log_lines(struct values *v)
{
	struct line_values l;

	values_list(v, "log");
	for (unsigned int i = 0; status_line(i, &l); i++)
		values_group(v, NULL, &line_group, &l);
	values_list_end(v);
}

void report_status(const struct command_env *d, struct values *v)
{
	struct status_values s;
	struct commit_values c;
	struct verdict health;

	if (values_for_people(v)) {
		status_page(d, v->out);
		return;
	}
	status_values(d, &s);
	values_group(v, "overview", &status_group, &s);
	ask_daemon(d, CTL_ASKS_HEALTH, &health);
	verdict_values(&health, "health", v);
	if (d->role)
		report_role(d, v);
	report_runtime(d, v);
	report_cache(d, v);
	if (pipeline_sync(d->pipeline)) {
		report_peers(d, v);
		report_link(d, v);
		report_queue(d, v);
	}
	if (status_commit(d, &c))
		commit_document(&c, v);
	log_lines(v);
}

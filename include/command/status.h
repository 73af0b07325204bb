/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_COMMAND_STATUS_H
#define CONNTRACKD_COMMAND_STATUS_H

#include "base/values.h"
#include "command/env.h"

/* What --status shows beside what -s has. */
struct status_values {
	const char *version, *mode;
	int64_t time_s;
	uint64_t events_per_s;
	int64_t table, table_max; /* entries of the kernel's table; -1: not known */
	int64_t nf_events;	  /* nf_conntrack_events; -1: not known */
};
void status_values(const struct command_env *d, struct status_values *s);

/* What came of a -c. */
struct commit_values {
	int64_t ago_s, at_s; /* -1: it is now */
	const char *failed;  /* why it failed as a whole; NULL: it did not */
	struct ct_commit_result flows;
	struct exp_commit_result expects;
	struct windows_result windows;
};
void commit_values(const struct job_result *res, struct commit_values *c);

struct refusal_values {
	const char *why;
	uint64_t count;
};
/* The i-th reason. False: there are no more. */
bool commit_refusal(const struct commit_values *c, int i, struct refusal_values *r);
/* Into a document: an object commit and a list refusals. */
void commit_document(const struct commit_values *c, struct values *v);
/* Of the last one. False: there was none. */
bool status_commit(const struct command_env *d, struct commit_values *c);

struct line_values {
	int64_t time_s;
	const char *level, *text;
};
/* The i-th of the last lines of the log, the oldest first. False: there are no more. */
bool status_line(unsigned int i, struct line_values *l);

extern const struct value_group status_group, commit_group, refusal_group, line_group;

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CHECK_RUN_H
#define CONNTRACKD_CHECK_RUN_H

#include "base/text.h"
#include "conf/conf.h"

/* conntrackd -T: all problems of a configuration in the order in which they are found, and an exit
 * status. Start from a zeroed struct with the options set; feed what reading the file reports into
 * check_run_report(), end with check_run_end(). */
struct check_run {
	bool strict;	  /* a warning is a failure */
	bool no_machine;  /* leave out what depends on this machine */
	bool explain;	  /* print the effective configuration */
	bool json;	  /* one document in place of all lines */
	const char *peer; /* file of the other node to compare with; NULL: none */
	FILE *out, *err;  /* borrowed; where problems go without json: err */
	/* private: */
	unsigned int errors, warnings;
	struct text problems; /* json: the elements so far */
	bool comma;
};

/* A conf_report_fn, with the struct check_run as its ctx. */
void check_run_report(void *ctx, enum conf_severity severity, const struct conf_place *place,
		      const char *text);

/* name: what was read. conf, source: what came of it; NULL: errors were reported, and nothing else
 * is looked at. Prints, frees what is private, gives the exit status. */
int check_run_end(struct check_run *r, const char *name, const struct conf *conf,
		  const struct conf_ctx *source);

#endif

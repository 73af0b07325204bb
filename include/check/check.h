/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CHECK_CHECK_H
#define CONNTRACKD_CHECK_CHECK_H

#include "conf/conf.h"

/* conntrackd -T beyond the language of the file: what a configuration without errors would do that
 * its author cannot have meant, what this machine would make of it, and whether the files of two
 * nodes make a pair. Reads and asks; nothing on the machine changes. Every problem goes to a
 * conf_report_fn, with its place in the file if one option is to blame. */
struct check {
	const struct conf *conf;
	const struct conf_ctx *source; /* of conf */
	const char *file;	       /* which that is, for messages */
	/* before each path of the kernel and its modules; "" but in tests */
	const char *root;
	conf_report_fn report;
	void *ctx;
};

/* What the file says and cannot mean, on any machine: warnings. */
void check_file(const struct check *c);

/* What the daemon would refuse or silently not do here and now: warnings, because files are checked
 * on other machines, too. */
void check_machine(const struct check *c);

/* Do both files make a pair? What keeps the nodes from understanding each other is an error, what
 * they would do differently a warning; both are told at the place in c->conf. */
void check_pair(const struct check *c, const struct check *other);

/* ---- for the files of this folder ---- */

/* The option of that name in that section, of links in link nr, is to blame. */
void check_say(const struct check *c, enum conf_severity severity, enum conf_section section,
	       const char *name, uint32_t nr, const char *fmt, ...)
	__attribute__((format(printf, 6, 7)));

/* The name that a link's local or remote address has in its block. */
const char *check_local_name(const struct channel_link_conf *l);
const char *check_dest_name(const struct channel_link_conf *l);

/* Parts of check_machine(). */
void check_links(const struct check *c);
void check_paths(const struct check *c);
void check_kernel(const struct check *c);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CLIENT_CLI_H
#define CONNTRACKD_CLIENT_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "control/args.h"
#include "control/command.h"

#define CLI_TIMEOUT_MAX 86400 /* seconds */

/* The command line of the whole program, daemon and client (conntrackd.8). Looks at nothing but the
 * words: no file is read here. */
enum cli_action {
	CLI_DAEMON,	     /* run, in the background or not */
	CLI_CLIENT,	     /* send cmd to the daemon */
	CLI_CHECK,	     /* -T: read the configuration file, report, exit */
	CLI_DISABLE_HELPERS, /* --disable-helpers: for a daemon that could not do it, then exit */
	CLI_HELP,
	CLI_VERSION,
	CLI_ERROR, /* error says what is wrong; exit status 1, or a question's own */
};

struct cli {
	enum cli_action action;
	const char *argv0;  /* borrowed from argv, like all pointers here */
	const char *config; /* -C; NULL: the default file */
	bool background;    /* -d */
	/* -S: the statistics mode; Stats counts where the file has Sync too, and defaults where
	 * there is no file. The caller sees to it */
	bool stats;
	const struct ctl_command *cmd; /* CLI_CLIENT */
	struct ctl_args args;	       /* of cmd: --strict, --json */
	enum ctl_question question;    /* that one of the words is, also with CLI_ERROR */
	bool json;		       /* one of them is --json */
	struct cli_check {
		bool strict;	  /* a warning is a failure */
		bool no_machine;  /* leave out what depends on this machine */
		bool explain;	  /* print the effective configuration */
		const char *peer; /* the other node's file; NULL: none */
	} check;		  /* CLI_CHECK */
	unsigned int timeout_s;	  /* --timeout, with a client command; 0: not given */
	char error[256];
	/* empty, or a line for standard error whatever the action */
	char warning[128];
};

/* Read the words. Always fills *cli; action tells how it went. */
void cli_parse(int argc, char **argv, struct cli *cli);

/* Print what the words alone call for: help and version to out; warning and error to err. Returns
 * the exit status for CLI_HELP, CLI_VERSION and CLI_ERROR, and 0 when the caller has more to do. */
int cli_report(const struct cli *cli, FILE *out, FILE *err);

#endif

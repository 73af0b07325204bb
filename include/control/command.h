/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CONTROL_COMMAND_H
#define CONNTRACKD_CONTROL_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Request numbers on the control socket: those of 1.4.x (doc/control.md), so that an old client
 * gets its answer and an old daemon understands us. Never renumber; numbers of our own start at
 * CTL_REQ_OWN. */
enum ctl_req {
	CTL_REQ_FLUSH_KERNEL_CT = 0,	/* -F ct */
	CTL_REQ_RESYNC_KERNEL_CT = 1,	/* -R ct */
	CTL_REQ_DUMP_INT_CT = 16,	/* -i */
	CTL_REQ_DUMP_EXT_CT = 17,	/* -e */
	CTL_REQ_COMMIT_CT = 18,		/* -c ct */
	CTL_REQ_FLUSH_CACHES_OLD = 19,	/* -f of very old clients: both flow caches */
	CTL_REQ_KILL = 20,		/* -k */
	CTL_REQ_STATS = 21,		/* -s, -s ct */
	CTL_REQ_BULK = 22,		/* -B */
	CTL_REQ_REQUEST_RESYNC = 23,	/* -n */
	CTL_REQ_DUMP_INT_CT_XML = 24,	/* -i -x */
	CTL_REQ_DUMP_EXT_CT_XML = 25,	/* -e -x */
	CTL_REQ_PURGE = 26,		/* -t */
	CTL_REQ_STATS_NETWORK = 28,	/* -s network */
	CTL_REQ_STATS_CACHE = 29,	/* -s cache */
	CTL_REQ_STATS_RUNTIME = 30,	/* -s runtime */
	CTL_REQ_STATS_LINK = 31,	/* -s link */
	CTL_REQ_STATS_RSQUEUE = 32,	/* -s rsqueue */
	CTL_REQ_FLUSH_INT_CT = 33,	/* -f internal */
	CTL_REQ_FLUSH_EXT_CT = 34,	/* -f external */
	CTL_REQ_STATS_PROCESS = 35,	/* -s process */
	CTL_REQ_STATS_QUEUE = 36,	/* -s queue */
	CTL_REQ_STATS_EXPECT = 37,	/* -s expect */
	CTL_REQ_FLUSH_KERNEL_EXP = 38,	/* -F expect */
	CTL_REQ_RESYNC_KERNEL_EXP = 39, /* -R expect */
	CTL_REQ_DUMP_INT_EXP = 40,	/* -i expect */
	CTL_REQ_DUMP_EXT_EXP = 41,	/* -e expect */
	CTL_REQ_COMMIT_EXP = 42,	/* -c expect */
	CTL_REQ_FLUSH_KERNEL = 43,	/* -F: flows and expectations */
	CTL_REQ_RESYNC_KERNEL = 44,	/* -R: flows and expectations */
	CTL_REQ_FLUSH_CACHES = 45,	/* -f: all caches */
	CTL_REQ_COMMIT = 46,		/* -c: flows, then expectations */
	CTL_REQ_DUMP_INT_EXP_XML = 47,	/* -i expect -x */
	CTL_REQ_DUMP_EXT_EXP_XML = 48,	/* -e expect -x */
	CTL_REQ_OWN = 1000,
	CTL_REQ_STATS_PEERS = CTL_REQ_OWN, /* -s peers */
	CTL_REQ_STATUS = 1001,		   /* --status */
	CTL_REQ_HEALTH = 1002,		   /* --health */
	CTL_REQ_READY = 1003,		   /* --ready */
	CTL_REQ_LIVE = 1004,		   /* --live */
	CTL_REQ_MONITOR = 1005,		   /* --monitor */
	CTL_REQ_STATS_HELPER = 1006,	   /* -s helper */
	CTL_REQ_ROLE = 1007,		   /* --role */
	CTL_REQ_ROLE_PRIMARY = 1008,	   /* --role primary */
	CTL_REQ_ROLE_BACKUP = 1009,	   /* --role backup */
	CTL_REQ_ROLE_FAULTY = 1010,	   /* --role faulty */
	CTL_REQ_WAIT_SYNC = 1011,	   /* --wait-sync SECONDS */
	CTL_REQ_STATS_GATE = 1012,	   /* -s gate */
	CTL_REQ_LOG_LEVEL = 1013,	   /* --log-level LEVEL */
};

/* What a request is about, where that is a choice. */
enum ctl_object {
	CTL_OBJ_NONE,
	CTL_OBJ_CT,	/* flows */
	CTL_OBJ_EXPECT, /* expectations */
	CTL_OBJ_BOTH,	/* flows and, if expectations are synchronised, those too */
};

/* Who may give a command where the control socket is open to a group (UNIX { Group }). The safe one
 * comes first: a row that says nothing changes something. */
enum ctl_right {
	CTL_CHANGES, /* root, and the user the daemon runs as */
	CTL_READS,   /* whoever can connect */
};

/* A question of a monitor or of a cluster manager: one line and an exit status that means
 * something, also where no daemon answers (control/verdict.h). */
enum ctl_question {
	CTL_ASKS_NOTHING, /* a command like any other */
	CTL_ASKS_HEALTH,
	CTL_ASKS_READY,
	CTL_ASKS_LIVE,
};

struct ctl_arg;

struct ctl_command {
	enum ctl_req number;
	char option;	 /* letter on the command line, 0: no client of ours sends it */
	const char *arg; /* its argument in full; NULL: the option without argument */
	bool xml;	 /* the variant for -x */
	enum ctl_object object;
	const char *text; /* as one types it, for messages: "-i expect -x"; the daemon's row has it
				 * too */
	enum ctl_right right;
	const struct ctl_arg *args; /* those it takes (control/args.h); NULL: none */
	const char *name; /* of a command of our own: its long option, without dashes; else NULL */
	const char *help; /* then: what it does, for --help */
	enum ctl_question question;
};

/* The command with this number, or NULL. */
const struct ctl_command *control_command_by_number(int32_t number);

/* The command for option letter, full argument word (NULL: none) and -x, or NULL when there is no
 * such command. */
const struct ctl_command *control_command_find(char option, const char *arg, bool xml);

/* The command of our own whose long option is the n bytes at name, or NULL; the one without a word
 * behind the option, where there are several. */
const struct ctl_command *control_command_by_name(const char *name, size_t n);
/* The one with that word behind it, as in "--role primary", or NULL. */
const struct ctl_command *control_command_with_word(const char *name, const char *word);
/* The words that may stand behind it: the i-th, or NULL after the last. */
const char *control_command_own_word(const char *name, size_t i);

/* The i-th row of the table, or NULL after the last. */
const struct ctl_command *control_command_at(size_t i);

/* The argument words of an option: the i-th word, or NULL after the last. Old names included. */
const char *control_command_word(char option, size_t i);

/* The full word for an abbreviation (at least one letter), or NULL when no word begins like that,
 * or several do and none of them is the whole of it: *ambiguous (may be NULL) then. An old name
 * gives the new word and sets *old_name (may be NULL) to the old one in full ("multicast" for
 * "link"). */
const char *control_command_expand(char option, const char *abbrev, const char **old_name,
				   bool *ambiguous);

#endif

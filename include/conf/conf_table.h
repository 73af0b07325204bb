/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CONF_CONF_TABLE_H
#define CONNTRACKD_CONF_CONF_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The table of all options. The reader accepts, conf_print() writes and the documentation lists the
 * same rows. */

/* What may stand inside a pair of braces. */
enum conf_section {
	CONF_TOP, /* the file itself */
	CONF_SYNC,
	CONF_FTFW, /* the three Mode blocks */
	CONF_ALARM,
	CONF_NOTRACK,
	CONF_MULTICAST, /* the three kinds of links */
	CONF_UDP,
	CONF_TCP,
	CONF_OPTIONS,
	CONF_GATE,
	CONF_EXPECT, /* list of helper names */
	CONF_GENERAL,
	CONF_UNIX,
	CONF_SCHEDULER,
	CONF_FILTER,
	CONF_FILTER_PROTO, /* list of protocols */
	CONF_FILTER_ADDR,
	CONF_FILTER_STATE, /* list of TCP states */
	CONF_STATS,
	CONF_HELPER,
	CONF_HELPER_TYPE,
	CONF_HELPER_POLICY,
	CONF_ROLE,
	CONF_JUNK, /* the inside of a block that is not understood */
	CONF_SECTIONS,
};

#define CONF_IN(section) (1u << (section))
#define CONF_IN_MODES	 (CONF_IN(CONF_FTFW) | CONF_IN(CONF_ALARM) | CONF_IN(CONF_NOTRACK))
#define CONF_IN_LINKS	 (CONF_IN(CONF_MULTICAST) | CONF_IN(CONF_UDP) | CONF_IN(CONF_TCP))

enum conf_type {
	CONF_T_BLOCK,		/* { ... }, with header words before the brace for some */
	CONF_T_NUMBER,		/* uint32_t */
	CONF_T_PORT,		/* uint16_t */
	CONF_T_BOOL,		/* bool */
	CONF_T_PATH,		/* char[max + 1] */
	CONF_T_LOGFILE,		/* bool or path, struct log_conf */
	CONF_T_FACILITY,	/* bool or facility, struct log_conf */
	CONF_T_SECONDS_OR_BOOL, /* uint32_t, 0: off */
	CONF_T_IPV4,		/* union channel_addr in a link */
	CONF_T_IPV6,
	CONF_T_NET4, /* one more entry of the Filter's address list */
	CONF_T_NET6,
	/* one more entry of the list of nodes whose datagrams are accepted, either family */
	CONF_T_PEER,
	CONF_T_IFNAME,	     /* char[IF_NAMESIZE] */
	CONF_T_NAME,	     /* char[max + 1]: a name that is not this program's; empty: none */
	CONF_T_NAMES,	     /* struct role_names: one more of it */
	CONF_T_SCHED,	     /* enum conf_sched_type */
	CONF_T_LEVEL,	     /* int, enum log_level */
	CONF_T_RULES,	     /* enum gate_rules */
	CONF_T_EXPECT,	     /* struct sync_expect_conf: a bool or a block of names */
	CONF_T_STATES,	     /* old: TCP states up to "for TCP", without braces */
	CONF_T_OLD_CHECKSUM, /* old: Checksum of the first link, directly in Sync */
	CONF_T_FLAG,	     /* old: a keyword without a value */
	CONF_T_WORD,	     /* any one word, not stored */
	CONF_TYPES,
};

/* Whether a keyword is current. */
enum conf_use {
	CONF_CURRENT,
	CONF_ALIAS,   /* another spelling of `instead`, accepted silently */
	CONF_RENAMED, /* likewise, with a warning */
	CONF_IGNORED, /* obsolete: warning, no effect */
};

struct conf_option {
	const char *name;
	uint32_t sections; /* where it may stand: CONF_IN() bits */
	enum conf_type type;
	enum conf_use use;
	/* not known to conntrackd 1.4: may stand in conntrackd.conf.d */
	bool ours;
	/* stands in a link's block, but is one setting for all links */
	bool shared;
	uint8_t header_words; /* blocks: most words between the name and the brace */
	/* blocks: what is inside; Mode: decided by the mode's name */
	enum conf_section child;
	/* numbers: range; paths: max is the longest length in bytes */
	uint32_t min, max;
	/* where the value goes, in the struct of its scope (enum conf_scope) */
	uint16_t at;
	const char *unit; /* of a number, plural; NULL: none */
	const char *init; /* default, as it would be written; NULL: not set */
	/* what "not set" means, if init is NULL and the option may be left out */
	const char *unset;
	const char *on_path; /* CONF_T_LOGFILE: the path that "on" means */
	const char *instead; /* aliases: the name in the same section; ignored: advice */
	const char *help;    /* for the documentation: whole sentences */
};

/* What a value belongs to, and so the struct in which `at` is the offset. */
enum conf_scope {
	CONF_SCOPE_FILE,   /* struct conf */
	CONF_SCOPE_LINK,   /* struct channel_link_conf */
	CONF_SCOPE_HELPER, /* struct conf_helper */
	CONF_SCOPE_POLICY, /* struct conf_helper_policy */
};

extern const struct conf_option conf_options[];
extern const size_t conf_n_options;

/* How a section is called in messages: "section General", "Mode FTFW", "block Multicast". */
const char *conf_section_title(enum conf_section section);

/* Is the inside of the section a list of words instead of options? */
bool conf_section_is_list(enum conf_section section);

/* The option of that name in that section, or NULL. Names are case-sensitive. */
const struct conf_option *conf_option_find(enum conf_section section, const char *name);

/* The current option behind an alias or an old name; any other option itself. */
const struct conf_option *conf_option_canonical(enum conf_section section,
						const struct conf_option *opt);

enum conf_scope conf_option_scope(const struct conf_option *opt);

/* The type as the documentation writes it: "number", "on|off", "path", ... */
const char *conf_type_name(enum conf_type type);

#endif

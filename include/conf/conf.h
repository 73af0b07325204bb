/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CONF_CONF_H
#define CONNTRACKD_CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/log_conf.h"
#include "cache/cache_conf.h"
#include "channel/channel_conf.h"
#include "conf/conf_table.h"
#include "control/control_conf.h"
#include "flow/filter_conf.h"
#include "gate/gate_conf.h"
#include "follow/role_conf.h"
#include "kernel/kernel_conf.h"
#include "stats/stats_conf.h"
#include "sync/sync_conf.h"

/*
 * The configuration file. Reading it touches nothing but the file: no socket, no interface
 * lookup, no name service. The language is described in conntrackd.conf(5) and doc/config.md;
 * names, types, ranges and defaults stand in one table, conf/conf_table.h.
 */

#define CONF_PATH_DEFAULT "/etc/conntrackd/conntrackd.conf"

enum conf_mode {
	CONF_MODE_SYNC,	       /* section Sync */
	CONF_MODE_STATS,       /* section Stats */
	CONF_MODE_HELPER_ONLY, /* neither, but section Helper */
};

enum conf_sched_type {
	CONF_SCHED_UNSET, /* no Scheduler block: stay with SCHED_OTHER */
	CONF_SCHED_RR,
	CONF_SCHED_FIFO,
};

struct conf_sched {
	enum conf_sched_type type;
	uint32_t priority; /* 1..99; meaningless if unset */
};

#define CONF_HELPER_POLICIES_MAX 4
#define CONF_POLICY_NAME_LEN	 16

struct conf_helper_policy {
	char name[CONF_POLICY_NAME_LEN + 1];
	uint32_t expect_max; /* expectations */
	uint32_t expect_timeout_s;
};

/* One Type block of section Helper. */
struct conf_helper {
	const char *name;   /* static text */
	uint8_t l3proto;    /* AF_INET or AF_INET6 */
	uint8_t l4proto;    /* IPPROTO_TCP or IPPROTO_UDP */
	uint32_t queue_num; /* 0..65535, unique in the file */
	uint32_t queue_len; /* packets; 0: the kernel's default */
	uint32_t n_policies;
	struct conf_helper_policy policy[CONF_HELPER_POLICIES_MAX];
	uint32_t line, column; /* of the block, for messages */
};

struct conf_helpers {
	bool present;	  /* there is a section Helper */
	bool setup;	  /* the daemon creates the helpers in the kernel */
	const char *file; /* the configuration file, for messages; borrowed from its reader */
	struct conf_helper *list; /* n entries in file order, owned */
	size_t n;
};

/* A configuration without contradictions, defaults filled in. Owned by the caller: conf_free(). */
struct conf {
	enum conf_mode mode;
	struct cache_conf cache;
	struct sync_conf sync;	     /* valid in CONF_MODE_SYNC */
	struct channel_conf channel; /* valid in CONF_MODE_SYNC: at least one link */
	struct gate_conf gate;	     /* on: valid in CONF_MODE_SYNC, with an external cache */
	struct role_conf role;	     /* without effect outside CONF_MODE_SYNC */
	struct kernel_conf kernel;
	struct filter_conf filter;
	struct control_conf control;
	struct log_conf log;
	struct stats_conf stats; /* valid in CONF_MODE_STATS */
	struct conf_helpers helper;
	struct conf_sched sched;
	char lockfile[LOG_CONF_PATH_MAX + 1]; /* absolute, never empty */
	bool systemd;			      /* report readiness to the service manager */
};

/* Where in a file. Lines and columns count from 1, columns in bytes. Line 0: the file as a
 * whole. */
struct conf_place {
	const char *file; /* borrowed from the caller of the reading function */
	uint32_t line;
	uint32_t column;
};

enum conf_severity {
	CONF_WARNING, /* reading goes on; the text says which value is used */
	CONF_ERROR,   /* the file is refused */
};

/*
 * Called for every problem, in the order of the file. place is NULL when the file could not be
 * read at all. text has no line end at its end; it may hold further lines, which start with
 * white space. Both are valid only during the call.
 */
typedef void (*conf_report_fn)(void *ctx, enum conf_severity severity,
			       const struct conf_place *place, const char *text);

/* A conf_report_fn: writes "file:line:column: error: text" to the FILE given as ctx. */
void conf_report_to_file(void *file, enum conf_severity severity, const struct conf_place *place,
			 const char *text);

/* Flag for -S on the command line: a file with both Sync and Stats is used for Stats; without the
 * flag for Sync. */
#define CONF_PREFER_STATS 1u

/*
 * Reads the file, then the files *.conf of the directory of the same name with ".d" behind it, in
 * the order of their names, which may hold only what conntrackd 1.4 does not know; and fills *out.
 * flags: CONF_*. All problems are handed to report (may be NULL: quiet), which gets ctx. Returns 0;
 * -EINVAL if errors were reported; another -errno, also reported, if the file could not be read
 * (-EISDIR: a directory, -EFBIG: more than CONF_FILE_MAX bytes). *out is untouched unless 0 is
 * returned, and borrows path, for messages.
 */
int conf_read(const char *path, unsigned int flags, struct conf *out, conf_report_fn report,
	      void *ctx) __attribute__((warn_unused_result));

/* Where the values of a configuration come from. Borrows the path as struct conf does; owned by the
 * caller: conf_source_free(), NULL is fine. */
struct conf_ctx;
/* As conf_read() and conf_parse(), and *source (may be NULL: not wanted), set if 0 is returned. */
int conf_read_source(const char *path, unsigned int flags, struct conf *out,
		     struct conf_ctx **source, conf_report_fn report, void *ctx)
	__attribute__((warn_unused_result));
int conf_parse_source(const char *name, const char *text, size_t len, unsigned int flags,
		      struct conf *out, struct conf_ctx **source, conf_report_fn report, void *ctx)
	__attribute__((warn_unused_result));
/* Where the option of that name in that section was set, of links in link number nr; also the
 * blocks of the Filter. False: nowhere. *out is valid as long as source. */
bool conf_source_of(const struct conf_ctx *source, enum conf_section section, const char *name,
		    uint32_t nr, struct conf_place *out);
void conf_source_free(struct conf_ctx *source);

#define CONF_FILE_MAX (4u << 20) /* bytes */

/* As conf_read() for len bytes at text, borrowed during the call. name stands in messages, and is
 * borrowed as path is. */
int conf_parse(const char *name, const char *text, size_t len, unsigned int flags, struct conf *out,
	       conf_report_fn report, void *ctx) __attribute__((warn_unused_result));

/*
 * Finds the path of the control socket for a client command. Every other problem of the file is
 * counted, not refused: if there is any error, report gets one warning at the first of them. A
 * file that says nothing about UNIX { Path } gives CONTROL_PATH_DEFAULT. out has room for len
 * bytes, of which CONTROL_PATH_MAX + 1 are needed. Returns 0; -EINVAL if just that part of the file
 * is not understood, so that the path is not known (all problems reported); or -errno if the file
 * could not be read (reported). out holds the default after an error.
 */
int conf_read_control_path(const char *path, char *out, size_t len, conf_report_fn report,
			   void *ctx) __attribute__((warn_unused_result));

/* The name of a mode, as in the file. */
const char *conf_mode_name(enum sync_mode mode);
/* The keyword of a link's block, and the section whose options the block takes. */
const char *conf_link_name(enum channel_type type);
enum conf_section conf_link_section(enum channel_type type);

/* Frees what conf holds, not conf itself, and clears it. NULL and an all-zero conf are fine. */
void conf_free(struct conf *conf);

/* Writes the configuration as understood, defaults included; reading the result gives an equal
 * configuration. */
void conf_print(const struct conf *conf, FILE *to);

/* The same, each value with a comment that says where it comes from: file and line, or that it is
 * the default. source may be NULL: everything is. */
void conf_explain(const struct conf *conf, const struct conf_ctx *source, FILE *to);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_CONTROL_ARGS_H
#define CONNTRACKD_CONTROL_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

/* The named, typed arguments of a request. A command declares those it takes in its row of the
 * table (control/command.c); on the command line they are its long options, on the socket they
 * travel behind the request (doc/control.md). Nothing that is not declared gets through: neither a
 * name, nor a type, nor a value. */
#define CTL_ARGS_MAX 16	  /* in one request */
#define CTL_ARGS_LEN 2048 /* their bytes on the socket */
#define CTL_WORD_MAX 255  /* bytes of a word */
#define CTL_NAME_MAX 32	  /* bytes of a name */

enum ctl_arg_type {
	CTL_ARG_FLAG = 1,   /* there or not: --strict */
	CTL_ARG_NUMBER = 2, /* from min to max: --count 10 */
	CTL_ARG_WORD = 3,   /* one of words; words NULL: any */
};

struct ctl_arg {
	const char *name; /* long option without dashes; NULL ends a list */
	enum ctl_arg_type type;
	uint64_t min, max;
	const char *const *words; /* ends with NULL */
	bool optional;		  /* a word that may be left out: --src-nat, --src-nat 10.0.0.1 */
	const char *help;	  /* for --help: what the argument does */
};

struct ctl_command;

/* Those that were given. */
struct ctl_args {
	size_t n;
	struct ctl_given {
		const struct ctl_arg *arg; /* borrowed from the table */
		uint64_t number;
		char word[CTL_WORD_MAX + 1];
	} given[CTL_ARGS_MAX];
};

/* The declaration of this name, or NULL: the command has none such. */
const struct ctl_arg *ctl_arg_find(const struct ctl_command *cmd, const char *name);

/* From the command line: value is NULL for a flag. False with one line in *err that names what is
 * accepted. */
bool ctl_args_add(struct ctl_args *args, const struct ctl_command *cmd, const char *name,
		  const char *value, struct text *err);

/* From the socket: n bytes that a client has sent, any bytes. False as above; *args is not to be
 * used then. */
bool ctl_args_decode(struct ctl_args *args, const struct ctl_command *cmd, const uint8_t *bytes,
		     size_t n, struct text *err);

/* For the socket: into out, which has room for CTL_ARGS_LEN bytes. Returns how many; SIZE_MAX: they
 * find no place. */
size_t ctl_args_encode(const struct ctl_args *args, uint8_t *out);

/* What was given. The command has to declare the name. */
bool ctl_flag(const struct ctl_args *args, const char *name);
/* False: not given, *value is as it was. */
bool ctl_number(const struct ctl_args *args, const char *name, uint64_t *value);
/* NULL: not given. Borrowed. */
const char *ctl_word(const struct ctl_args *args, const char *name);

#endif

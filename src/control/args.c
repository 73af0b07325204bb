/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Arguments of a request: between the command line, the socket and the command that declares them.
 * One argument on the socket, big-endian, one behind the other:
 *
 *   1 byte type, 1 byte length of the name, 2 bytes length of the value, name, value
 *
 * A flag has no value, a number 8 bytes, a word its bytes. Both sides check by the same rules: a
 * client of a newer version may ask for what this daemon does not know, and is told what it
 * knows. */
#include "control/args.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/writer.h"
#include "control/command.h"

#define HEAD_LEN 4

const struct ctl_arg *ctl_arg_find(const struct ctl_command *cmd, const char *name)
{
	for (const struct ctl_arg *a = cmd->args; a && a->name; a++)
		if (strcmp(a->name, name) == 0)
			return a;
	return NULL;
}

/* ---- what is not accepted ---- */

/* Bytes of somebody else, for a terminal. */
static void quote(struct text *out, const char *s)
{
	text_str(out, "\"");
	for (; *s; s++)
		text_printf(out, "%c", *s >= ' ' && *s < 0x7f ? *s : '?');
	text_str(out, "\"");
}

static bool unknown(struct text *err, const struct ctl_command *cmd, const char *name)
{
	const struct ctl_arg *a = cmd->args;

	text_printf(err, "%s: unknown argument ", cmd->text);
	quote(err, name);
	if (!a || !a->name) {
		text_str(err, ": the command takes none");
		return false;
	}
	text_str(err, " (known:");
	for (; a->name; a++)
		text_printf(err, " --%s%s", a->name, a[1].name ? "," : ")");
	return false;
}

static bool not_a_number(struct text *err, const struct ctl_arg *a, const char *value)
{
	text_printf(err, "--%s: ", a->name);
	quote(err, value);
	text_printf(err, " is no number from %" PRIu64 " to %" PRIu64, a->min, a->max);
	return false;
}

static bool not_a_word(struct text *err, const struct ctl_arg *a, const char *value)
{
	text_printf(err, "--%s: ", a->name);
	quote(err, value);
	text_str(err, " is none of:");
	for (size_t i = 0; a->words[i]; i++)
		text_printf(err, "%s %s", i ? "," : "", a->words[i]);
	return false;
}

static bool garbled(struct text *err, const struct ctl_command *cmd)
{
	text_printf(err, "%s: the arguments of the request are not understood", cmd->text);
	return false;
}

/* ---- one argument ---- */

/* A place for it; NULL: reported. */
static struct ctl_given *give(struct ctl_args *args, const struct ctl_command *cmd,
			      const struct ctl_arg *a, struct text *err)
{
	for (size_t i = 0; i < args->n; i++) {
		if (args->given[i].arg == a) {
			text_printf(err, "%s: --%s is given twice", cmd->text, a->name);
			return NULL;
		}
	}
	if (args->n == CTL_ARGS_MAX) {
		text_printf(err, "%s: more than %d arguments", cmd->text, CTL_ARGS_MAX);
		return NULL;
	}
	args->given[args->n] = (struct ctl_given){ .arg = a };
	return &args->given[args->n++];
}

static bool set_number(struct ctl_given *g, uint64_t number, const char *shown, struct text *err)
{
	if (number < g->arg->min || number > g->arg->max)
		return not_a_number(err, g->arg, shown);
	g->number = number;
	return true;
}

static bool set_word(struct ctl_given *g, const char *word, struct text *err)
{
	if (strlen(word) > CTL_WORD_MAX) {
		text_printf(err, "--%s: more than %d bytes", g->arg->name, CTL_WORD_MAX);
		return false;
	}
	for (size_t i = 0; g->arg->words; i++) {
		if (!g->arg->words[i])
			return not_a_word(err, g->arg, word);
		if (strcmp(g->arg->words[i], word) == 0)
			break;
	}
	strcpy(g->word, word);
	return true;
}

/* ---- command line ---- */

bool ctl_args_add(struct ctl_args *args, const struct ctl_command *cmd, const char *name,
		  const char *value, struct text *err)
{
	const struct ctl_arg *a = ctl_arg_find(cmd, name);
	struct ctl_given *g;
	size_t digits;

	if (!a)
		return unknown(err, cmd, name);
	g = give(args, cmd, a, err);
	if (!g)
		return false;
	switch (a->type) {
	case CTL_ARG_FLAG:
		return true;
	case CTL_ARG_NUMBER:
		digits = strspn(value, "0123456789");
		if (digits == 0 || digits > 19 || value[digits])
			return not_a_number(err, a, value);
		return set_number(g, strtoull(value, NULL, 10), value, err);
	case CTL_ARG_WORD:
		return set_word(g, value, err);
	}
	return false;
}

/* ---- socket ---- */

size_t ctl_args_encode(const struct ctl_args *args, uint8_t *out)
{
	struct writer w = wr_init(out, CTL_ARGS_LEN);

	for (size_t i = 0; i < args->n; i++) {
		const struct ctl_given *g = &args->given[i];
		size_t len = strlen(g->word);

		wr_u8(&w, (uint8_t)g->arg->type);
		wr_u8(&w, (uint8_t)strlen(g->arg->name));
		wr_be16(&w, (uint16_t)(g->arg->type == CTL_ARG_NUMBER ? 8 : len));
		wr_bytes(&w, g->arg->name, strlen(g->arg->name));
		if (g->arg->type == CTL_ARG_NUMBER) {
			wr_be32(&w, (uint32_t)(g->number >> 32));
			wr_be32(&w, (uint32_t)g->number);
		} else {
			wr_bytes(&w, g->word, len);
		}
	}
	return w.full ? SIZE_MAX : w.len;
}

/* n bytes at c as a string, cut to what fits. */
static void take_string(struct cursor *c, size_t n, char *out, size_t cap)
{
	size_t keep = n < cap ? n : cap - 1;

	cur_bytes(c, out, keep);
	cur_take(c, n - keep);
	out[keep] = '\0';
}

/* One argument, whose head says that all of it is there. */
static bool decode_one(struct ctl_args *args, const struct ctl_command *cmd, struct cursor *c,
		       struct text *err)
{
	uint8_t type = cur_u8(c), name_len = cur_u8(c);
	uint16_t len = cur_be16(c);
	char name[CTL_NAME_MAX + 1], word[CTL_WORD_MAX + 2];
	const struct ctl_arg *a;
	struct ctl_given *g;
	uint64_t number;

	if (c->bad || c->left < (size_t)name_len + len)
		return garbled(err, cmd);
	take_string(c, name_len, name, sizeof(name));
	a = ctl_arg_find(cmd, name);
	if (!a)
		return unknown(err, cmd, name);
	if (type != a->type || (type == CTL_ARG_FLAG && len > 0) ||
	    (type == CTL_ARG_NUMBER && len != 8)) {
		text_printf(err, "%s: --%s is of another type here", cmd->text, a->name);
		return false;
	}
	g = give(args, cmd, a, err);
	if (!g || type == CTL_ARG_FLAG)
		return g;
	if (type == CTL_ARG_WORD) {
		take_string(c, len, word, sizeof(word));
		return set_word(g, word, err);
	}
	number = (uint64_t)cur_be32(c) << 32;
	number |= cur_be32(c);
	snprintf(word, sizeof(word), "%" PRIu64, number);
	return set_number(g, number, word, err);
}

bool ctl_args_decode(struct ctl_args *args, const struct ctl_command *cmd, const uint8_t *bytes,
		     size_t n, struct text *err)
{
	struct cursor c = cur_init(bytes, n);

	args->n = 0;
	while (c.left > 0)
		if (!decode_one(args, cmd, &c, err))
			return false;
	return true;
}

/* ---- what was given ---- */

static const struct ctl_given *find(const struct ctl_args *args, const char *name)
{
	for (size_t i = 0; i < args->n; i++)
		if (strcmp(args->given[i].arg->name, name) == 0)
			return &args->given[i];
	return NULL;
}

bool ctl_flag(const struct ctl_args *args, const char *name)
{
	return find(args, name);
}

bool ctl_number(const struct ctl_args *args, const char *name, uint64_t *value)
{
	const struct ctl_given *g = find(args, name);

	if (g)
		*value = g->number;
	return g;
}

const char *ctl_word(const struct ctl_args *args, const char *name)
{
	const struct ctl_given *g = find(args, name);

	return g ? g->word : NULL;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of control requests: number, option, argument. The client finds the number for what was
 * typed, the daemon the row for a number; both read this one table. Source: command-line.md
 * sections 1, 2 and 7, replication.md 12.2. */
#include "control/command.h"

#include <string.h>

static const struct ctl_command commands[] = {
	{ CTL_REQ_FLUSH_KERNEL_CT, 'F', "ct", false, CTL_OBJ_CT, "-F ct" },
	{ CTL_REQ_RESYNC_KERNEL_CT, 'R', "ct", false, CTL_OBJ_CT, "-R ct" },
	{ CTL_REQ_DUMP_INT_CT, 'i', NULL, false, CTL_OBJ_CT, "-i" },
	{ CTL_REQ_DUMP_EXT_CT, 'e', NULL, false, CTL_OBJ_CT, "-e" },
	{ CTL_REQ_COMMIT_CT, 'c', "ct", false, CTL_OBJ_CT, "-c ct" },
	{ CTL_REQ_FLUSH_CACHES_OLD, 0, NULL, false, CTL_OBJ_CT, "-f" },
	{ CTL_REQ_KILL, 'k', NULL, false, CTL_OBJ_NONE, "-k" },
	{ CTL_REQ_STATS, 's', NULL, false, CTL_OBJ_CT, "-s" },
	{ CTL_REQ_BULK, 'B', NULL, false, CTL_OBJ_NONE, "-B" },
	{ CTL_REQ_REQUEST_RESYNC, 'n', NULL, false, CTL_OBJ_NONE, "-n" },
	{ CTL_REQ_DUMP_INT_CT_XML, 'i', NULL, true, CTL_OBJ_CT, "-i -x" },
	{ CTL_REQ_DUMP_EXT_CT_XML, 'e', NULL, true, CTL_OBJ_CT, "-e -x" },
	{ CTL_REQ_PURGE, 't', NULL, false, CTL_OBJ_NONE, "-t" },
	{ CTL_REQ_STATS_NETWORK, 's', "network", false, CTL_OBJ_NONE, "-s network" },
	{ CTL_REQ_STATS_CACHE, 's', "cache", false, CTL_OBJ_NONE, "-s cache" },
	{ CTL_REQ_STATS_RUNTIME, 's', "runtime", false, CTL_OBJ_NONE, "-s runtime" },
	{ CTL_REQ_STATS_LINK, 's', "link", false, CTL_OBJ_NONE, "-s link" },
	{ CTL_REQ_STATS_RSQUEUE, 's', "rsqueue", false, CTL_OBJ_NONE, "-s rsqueue" },
	{ CTL_REQ_FLUSH_INT_CT, 'f', "internal", false, CTL_OBJ_CT, "-f internal" },
	{ CTL_REQ_FLUSH_EXT_CT, 'f', "external", false, CTL_OBJ_CT, "-f external" },
	{ CTL_REQ_STATS_PROCESS, 's', "process", false, CTL_OBJ_NONE, "-s process" },
	{ CTL_REQ_STATS_QUEUE, 's', "queue", false, CTL_OBJ_NONE, "-s queue" },
	{ CTL_REQ_STATS_EXPECT, 's', "expect", false, CTL_OBJ_EXPECT, "-s expect" },
	{ CTL_REQ_FLUSH_KERNEL_EXP, 'F', "expect", false, CTL_OBJ_EXPECT, "-F expect" },
	{ CTL_REQ_RESYNC_KERNEL_EXP, 'R', "expect", false, CTL_OBJ_EXPECT, "-R expect" },
	{ CTL_REQ_DUMP_INT_EXP, 'i', "expect", false, CTL_OBJ_EXPECT, "-i expect" },
	{ CTL_REQ_DUMP_EXT_EXP, 'e', "expect", false, CTL_OBJ_EXPECT, "-e expect" },
	{ CTL_REQ_COMMIT_EXP, 'c', "expect", false, CTL_OBJ_EXPECT, "-c expect" },
	{ CTL_REQ_FLUSH_KERNEL, 'F', NULL, false, CTL_OBJ_BOTH, "-F" },
	{ CTL_REQ_RESYNC_KERNEL, 'R', NULL, false, CTL_OBJ_BOTH, "-R" },
	{ CTL_REQ_FLUSH_CACHES, 'f', NULL, false, CTL_OBJ_BOTH, "-f" },
	{ CTL_REQ_COMMIT, 'c', NULL, false, CTL_OBJ_BOTH, "-c" },
	{ CTL_REQ_DUMP_INT_EXP_XML, 'i', "expect", true, CTL_OBJ_EXPECT, "-i expect -x" },
	{ CTL_REQ_DUMP_EXT_EXP_XML, 'e', "expect", true, CTL_OBJ_EXPECT, "-e expect -x" },
	{ CTL_REQ_STATS_PEERS, 's', "peers", false, CTL_OBJ_NONE, "-s peers" },
};
#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

/* Argument words. 1.4.x takes the first one that begins as what was typed, so that `-s p` means
 * process. */
static const struct {
	char option;
	const char *word;
	const char *now; /* an old name: what it is called today */
} words[] = {
	{ 's', "network", NULL },     { 's', "cache", NULL },  { 's', "runtime", NULL },
	{ 's', "multicast", "link" }, { 's', "link", NULL },   { 's', "rsqueue", NULL },
	{ 's', "process", NULL },     { 's', "queue", NULL },  { 's', "ct", NULL },
	{ 's', "expect", NULL },      { 's', "peers", NULL },  { 'f', "internal", NULL },
	{ 'f', "external", NULL },    { 'i', "ct", NULL },     { 'i', "expect", NULL },
	{ 'e', "ct", NULL },	      { 'e', "expect", NULL }, { 'c', "ct", NULL },
	{ 'c', "expect", NULL },      { 'F', "ct", NULL },     { 'F', "expect", NULL },
	{ 'R', "ct", NULL },	      { 'R', "expect", NULL },
};
#define N_WORDS (sizeof(words) / sizeof(words[0]))

const struct ctl_command *control_command_by_number(int32_t number)
{
	size_t i;

	for (i = 0; i < N_COMMANDS; i++) {
		if ((int32_t)commands[i].number == number)
			return &commands[i];
	}
	return NULL;
}

/* The words that mean the same as no argument at all have no row of their own. */
static bool arg_is_default(char option, const char *arg)
{
	return (option == 'i' || option == 'e' || option == 's') && strcmp(arg, "ct") == 0;
}

const struct ctl_command *control_command_find(char option, const char *arg, bool xml)
{
	size_t i;

	if (!option)
		return NULL;
	if (arg && arg_is_default(option, arg))
		arg = NULL;
	for (i = 0; i < N_COMMANDS; i++) {
		const struct ctl_command *c = &commands[i];

		if (c->option != option || c->xml != xml || !c->arg != !arg)
			continue;
		if (!arg || strcmp(c->arg, arg) == 0)
			return c;
	}
	return NULL;
}

const char *control_command_word(char option, size_t i)
{
	size_t k;

	for (k = 0; k < N_WORDS; k++) {
		if (words[k].option == option && i-- == 0)
			return words[k].word;
	}
	return NULL;
}

const char *control_command_expand(char option, const char *abbrev, const char **old_name,
				   bool *ambiguous)
{
	const char *found = NULL, *old = NULL;
	size_t n = strlen(abbrev), i, fits = 0;
	bool whole = false;

	for (i = 0; n > 0 && i < N_WORDS && !whole; i++) {
		if (words[i].option != option || strncmp(words[i].word, abbrev, n) != 0)
			continue;
		fits++;
		whole = words[i].word[n] == '\0';
		found = words[i].now ? words[i].now : words[i].word;
		old = words[i].now ? words[i].word : NULL;
	}
	if (ambiguous)
		*ambiguous = fits > 1 && !whole;
	if (fits > 1 && !whole)
		found = old = NULL;
	if (old_name)
		*old_name = old;
	return found;
}

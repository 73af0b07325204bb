/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of control requests: number, option, who may give it, which arguments it takes. The
 * client finds the row for what was typed, the daemon the row for a number; both read this one
 * table. A command of our own is a row here, with a long option for its name, and one in
 * command/commands.c, which says what it does. The numbers of 1.4.x: doc/control.md. */
#include "control/command.h"

#include <string.h>

#include "control/args.h"

/* ---- arguments ---- */

#define ARG_JSON \
	{ \
		.name = "json", .type = CTL_ARG_FLAG, .help = "as JSON (doc/json.md)" \
	}

static const struct ctl_arg shown[] = { ARG_JSON, { .name = NULL } };

static const struct ctl_arg commit[] = {
	ARG_JSON,
	{ .name = "strict", .type = CTL_ARG_FLAG, .help = "fail if the kernel refuses an entry" },
	{ .name = NULL }
};

/* The value of the option itself is an argument of its name. */
static const struct ctl_arg wait_sync[] = { { .name = "wait-sync",
					      .type = CTL_ARG_NUMBER,
					      .min = 1,
					      .max = 86400,
					      .help = "how many seconds" },
					    ARG_JSON,
					    { .name = NULL } };

static const char help_role[] = "what this node is: primary, backup, faulty or unknown";
static const char help_primary[] =
	"this node takes over: all that a script of 1.4.x does by -c, -f, -R and -B";
static const char help_backup[] = "another node is the primary: -t and -n";
static const char help_faulty[] = "the same, and this node cannot take over: -t";
static const char *const level_words[] = { "info", "notice", "warning", "error", NULL };
static const struct ctl_arg log_level[] = { { .name = "log-level",
					      .type = CTL_ARG_WORD,
					      .words = level_words,
					      .help = "the lowest level of lines to be written" },
					    { .name = NULL } };
static const char help_log_level[] =
	"write lines of this level and above from now on: info, notice, warning, error";
static const char help_wait_sync[] =
	"wait at most so many seconds until --ready says yes: 0 it does, 1 not yet";
static const char help_status[] = "one page: what this node is, its peers, links, tables";
static const char help_monitor[] = "what happens, line by line, while it happens";
static const char help_health[] = "one line for monitoring: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN";
static const char help_ready[] =
	"one line for the cluster manager: 0 this node may have the addresses, 1 it may not";
static const char help_live[] = "one line for a watchdog: 0 the daemon answers, 1 it does not";

/* The long options of conntrack(8), as flow/select.c reads them. */
#define ARG_BY(what, h) \
	{ \
		.name = (what), .type = CTL_ARG_WORD, .help = (h) \
	}
#define ARG_NAT(what, h) \
	{ \
		.name = (what), .type = CTL_ARG_WORD, .optional = true, .help = (h) \
	}
#define ARGS_FLOWS \
	ARG_BY("family", "flows of this family, ipv4 or ipv6"), \
		ARG_BY("proto", "of this protocol"), \
		ARG_BY("src", "from this address or network, original direction"), \
		ARG_BY("orig-src", "the same"), \
		ARG_BY("dst", "to this address or network, original direction"), \
		ARG_BY("orig-dst", "the same"), \
		ARG_BY("reply-src", "from this address or network, reply direction"), \
		ARG_BY("reply-dst", "to this address or network, reply direction"), \
		ARG_BY("sport", "from this port, original direction"), \
		ARG_BY("orig-port-src", "the same"), \
		ARG_BY("dport", "to this port, original direction"), \
		ARG_BY("orig-port-dst", "the same"), \
		ARG_BY("reply-port-src", "from this port, reply direction"), \
		ARG_BY("reply-port-dst", "to this port, reply direction"), \
		ARG_BY("icmp-type", "ICMP of this type"), ARG_BY("icmp-code", "of this code"), \
		ARG_BY("icmp-id", "of this identifier"), \
		ARG_BY("state", "in this state: ESTABLISHED, ..."), \
		ARG_BY("status", "with these bits: ASSURED,SEEN_REPLY, ..."), \
		ARG_BY("mark", "with this mark, or MARK/MASK"), \
		ARG_BY("zone", "in this zone, 0: in none"), \
		ARG_NAT("src-nat", "whose source is translated, to this address"), \
		ARG_NAT("dst-nat", "whose destination is translated, to this address"), \
	{ \
		.name = "any-nat", .type = CTL_ARG_FLAG, .help = "translated" \
	}
#define ARG_COUNT \
	{ \
		.name = "count", .type = CTL_ARG_FLAG, .help = "only how many there are" \
	}

static const struct ctl_arg own_flows[] = { ARG_JSON, ARG_COUNT, ARGS_FLOWS, { .name = NULL } };
static const struct ctl_arg own_xml[] = { ARG_COUNT, ARGS_FLOWS, { .name = NULL } };
static const struct ctl_arg peers_flows[] = {
	ARG_JSON,
	ARG_COUNT,
	ARGS_FLOWS,
	ARG_BY("peer", "told by the peer with this address (-s peers)"),
	{ .name = NULL }
};
static const struct ctl_arg peers_xml[] = { ARG_COUNT,
					    ARGS_FLOWS,
					    ARG_BY("peer",
						   "told by the peer with this address (-s peers)"),
					    { .name = NULL } };

/* ---- commands ---- */

/* Number, option, its word, -x, what it is about, as one types it, arguments. One of our own has
 * .name and .help in place of option and word. */
#define COMMAND(r, n, o, w, x, what, t, a) \
	{ \
		.number = (n), .option = (o), .arg = (w), .xml = (x), .object = (what), \
		.text = (t), .right = (r), .args = (a) \
	}
#define ASKS(n, what, q, h) \
	{ \
		.number = (n), .name = (what), .text = "--" what, .help = (h), .question = (q), \
		.right = CTL_READS, .args = shown \
	}
/* A long option of our own with a word behind it. */
#define SETS(n, what, w, h) \
	{ \
		.number = (n), .name = (what), .arg = (w), .text = "--" what " " w, .help = (h), \
		.right = CTL_CHANGES, .args = shown \
	}
#define CHANGES(...) COMMAND(CTL_CHANGES, __VA_ARGS__)
#define READS(...)   COMMAND(CTL_READS, __VA_ARGS__)

static const struct ctl_command commands[] = {
	CHANGES(CTL_REQ_FLUSH_KERNEL_CT, 'F', "ct", false, CTL_OBJ_CT, "-F ct", NULL),
	CHANGES(CTL_REQ_RESYNC_KERNEL_CT, 'R', "ct", false, CTL_OBJ_CT, "-R ct", NULL),
	READS(CTL_REQ_DUMP_INT_CT, 'i', NULL, false, CTL_OBJ_CT, "-i", own_flows),
	READS(CTL_REQ_DUMP_EXT_CT, 'e', NULL, false, CTL_OBJ_CT, "-e", peers_flows),
	CHANGES(CTL_REQ_COMMIT_CT, 'c', "ct", false, CTL_OBJ_CT, "-c ct", commit),
	CHANGES(CTL_REQ_FLUSH_CACHES_OLD, 0, NULL, false, CTL_OBJ_CT, "-f", NULL),
	CHANGES(CTL_REQ_KILL, 'k', NULL, false, CTL_OBJ_NONE, "-k", NULL),
	READS(CTL_REQ_STATS, 's', NULL, false, CTL_OBJ_CT, "-s", shown),
	CHANGES(CTL_REQ_BULK, 'B', NULL, false, CTL_OBJ_NONE, "-B", NULL),
	CHANGES(CTL_REQ_REQUEST_RESYNC, 'n', NULL, false, CTL_OBJ_NONE, "-n", NULL),
	READS(CTL_REQ_DUMP_INT_CT_XML, 'i', NULL, true, CTL_OBJ_CT, "-i -x", own_xml),
	READS(CTL_REQ_DUMP_EXT_CT_XML, 'e', NULL, true, CTL_OBJ_CT, "-e -x", peers_xml),
	CHANGES(CTL_REQ_PURGE, 't', NULL, false, CTL_OBJ_NONE, "-t", NULL),
	READS(CTL_REQ_STATS_NETWORK, 's', "network", false, CTL_OBJ_NONE, "-s network", shown),
	READS(CTL_REQ_STATS_CACHE, 's', "cache", false, CTL_OBJ_NONE, "-s cache", shown),
	READS(CTL_REQ_STATS_RUNTIME, 's', "runtime", false, CTL_OBJ_NONE, "-s runtime", shown),
	READS(CTL_REQ_STATS_LINK, 's', "link", false, CTL_OBJ_NONE, "-s link", shown),
	READS(CTL_REQ_STATS_RSQUEUE, 's', "rsqueue", false, CTL_OBJ_NONE, "-s rsqueue", shown),
	CHANGES(CTL_REQ_FLUSH_INT_CT, 'f', "internal", false, CTL_OBJ_CT, "-f internal", NULL),
	CHANGES(CTL_REQ_FLUSH_EXT_CT, 'f', "external", false, CTL_OBJ_CT, "-f external", NULL),
	READS(CTL_REQ_STATS_PROCESS, 's', "process", false, CTL_OBJ_NONE, "-s process", shown),
	READS(CTL_REQ_STATS_QUEUE, 's', "queue", false, CTL_OBJ_NONE, "-s queue", shown),
	READS(CTL_REQ_STATS_EXPECT, 's', "expect", false, CTL_OBJ_EXPECT, "-s expect", shown),
	CHANGES(CTL_REQ_FLUSH_KERNEL_EXP, 'F', "expect", false, CTL_OBJ_EXPECT, "-F expect", NULL),
	CHANGES(CTL_REQ_RESYNC_KERNEL_EXP, 'R', "expect", false, CTL_OBJ_EXPECT, "-R expect", NULL),
	READS(CTL_REQ_DUMP_INT_EXP, 'i', "expect", false, CTL_OBJ_EXPECT, "-i expect", shown),
	READS(CTL_REQ_DUMP_EXT_EXP, 'e', "expect", false, CTL_OBJ_EXPECT, "-e expect", shown),
	CHANGES(CTL_REQ_COMMIT_EXP, 'c', "expect", false, CTL_OBJ_EXPECT, "-c expect", commit),
	CHANGES(CTL_REQ_FLUSH_KERNEL, 'F', NULL, false, CTL_OBJ_BOTH, "-F", NULL),
	CHANGES(CTL_REQ_RESYNC_KERNEL, 'R', NULL, false, CTL_OBJ_BOTH, "-R", NULL),
	CHANGES(CTL_REQ_FLUSH_CACHES, 'f', NULL, false, CTL_OBJ_BOTH, "-f", NULL),
	CHANGES(CTL_REQ_COMMIT, 'c', NULL, false, CTL_OBJ_BOTH, "-c", commit),
	READS(CTL_REQ_DUMP_INT_EXP_XML, 'i', "expect", true, CTL_OBJ_EXPECT, "-i expect -x", NULL),
	READS(CTL_REQ_DUMP_EXT_EXP_XML, 'e', "expect", true, CTL_OBJ_EXPECT, "-e expect -x", NULL),
	READS(CTL_REQ_STATS_PEERS, 's', "peers", false, CTL_OBJ_NONE, "-s peers", shown),
	ASKS(CTL_REQ_STATUS, "status", CTL_ASKS_NOTHING, help_status),
	ASKS(CTL_REQ_MONITOR, "monitor", CTL_ASKS_NOTHING, help_monitor),
	ASKS(CTL_REQ_HEALTH, "health", CTL_ASKS_HEALTH, help_health),
	ASKS(CTL_REQ_READY, "ready", CTL_ASKS_READY, help_ready),
	ASKS(CTL_REQ_LIVE, "live", CTL_ASKS_LIVE, help_live),
	READS(CTL_REQ_STATS_HELPER, 's', "helper", false, CTL_OBJ_NONE, "-s helper", shown),
	READS(CTL_REQ_STATS_GATE, 's', "gate", false, CTL_OBJ_NONE, "-s gate", shown),
	ASKS(CTL_REQ_ROLE, "role", CTL_ASKS_NOTHING, help_role),
	SETS(CTL_REQ_ROLE_PRIMARY, "role", "primary", help_primary),
	SETS(CTL_REQ_ROLE_BACKUP, "role", "backup", help_backup),
	SETS(CTL_REQ_ROLE_FAULTY, "role", "faulty", help_faulty),
	{ .number = CTL_REQ_WAIT_SYNC,
	  .name = "wait-sync",
	  .text = "--wait-sync",
	  .help = help_wait_sync,
	  .right = CTL_READS,
	  .args = wait_sync },
	{ .number = CTL_REQ_LOG_LEVEL,
	  .name = "log-level",
	  .text = "--log-level",
	  .help = help_log_level,
	  .right = CTL_CHANGES,
	  .args = log_level },
};
#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

/* Argument words. 1.4.x takes the first one that begins as what was typed, so that `-s p` means
 * process. */
static const struct {
	char option;
	const char *word;
	const char *now; /* an old name: what it is called today */
} words[] = {
	{ 's', "network", NULL },     { 's', "cache", NULL },	 { 's', "runtime", NULL },
	{ 's', "multicast", "link" }, { 's', "link", NULL },	 { 's', "rsqueue", NULL },
	{ 's', "process", NULL },     { 's', "queue", NULL },	 { 's', "ct", NULL },
	{ 's', "expect", NULL },      { 's', "peers", NULL },	 { 's', "helper", NULL },
	{ 's', "gate", NULL },	      { 'f', "internal", NULL }, { 'f', "external", NULL },
	{ 'i', "ct", NULL },	      { 'i', "expect", NULL },	 { 'e', "ct", NULL },
	{ 'e', "expect", NULL },      { 'c', "ct", NULL },	 { 'c', "expect", NULL },
	{ 'F', "ct", NULL },	      { 'F', "expect", NULL },	 { 'R', "ct", NULL },
	{ 'R', "expect", NULL },
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

static bool is_named(const struct ctl_command *c, const char *name, size_t n)
{
	return c->name && strlen(c->name) == n && memcmp(c->name, name, n) == 0;
}

const struct ctl_command *control_command_by_name(const char *name, size_t n)
{
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (is_named(&commands[i], name, n) && !commands[i].arg)
			return &commands[i];
	return NULL;
}

const struct ctl_command *control_command_with_word(const char *name, const char *word)
{
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (is_named(&commands[i], name, strlen(name)) && commands[i].arg &&
		    strcmp(commands[i].arg, word) == 0)
			return &commands[i];
	return NULL;
}

const char *control_command_own_word(const char *name, size_t i)
{
	for (size_t k = 0; k < N_COMMANDS; k++)
		if (is_named(&commands[k], name, strlen(name)) && commands[k].arg && i-- == 0)
			return commands[k].arg;
	return NULL;
}

const struct ctl_command *control_command_at(size_t i)
{
	return i < N_COMMANDS ? &commands[i] : NULL;
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

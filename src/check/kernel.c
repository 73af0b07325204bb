/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's side: does it track, does it tell, is there room for what it tells? */
#include "check/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define SYSCTLS "/proc/sys/net/netfilter/nf_conntrack_"

/* The number in a file; -1: there is none. */
static int64_t number(const struct check *c, const char *name)
{
	char path[256];
	int64_t n = -1;
	FILE *f;

	snprintf(path, sizeof(path), "%s" SYSCTLS "%s", c->root, name);
	f = fopen(path, "re");
	if (!f)
		return -1;
	if (fscanf(f, "%" SCNd64, &n) != 1)
		n = -1;
	fclose(f);
	return n;
}

static void say(const struct check *c, const char *text)
{
	check_say(c, CONF_WARNING, CONF_TOP, NULL, 0, "%s", text);
}

static void events(const struct check *c)
{
	int64_t events = number(c, "events");

	if (c->conf->kernel.poll_s)
		return;
	if (events == 0)
		say(c, "net.netfilter.nf_conntrack_events is 0: the kernel reports nothing that "
		       "happens to flows; set it to 1");
	else if (events == 2 && !c->conf->kernel.events_sysctl)
		check_say(c, CONF_WARNING, CONF_GENERAL, "NetlinkEventsSysctl", 0,
			  "net.netfilter.nf_conntrack_events is 2 and stays so: a flow that begins "
			  "while no daemon runs "
			  "never reports its end");
}

static void tracks(const struct check *c)
{
	int64_t max = number(c, "max"), count = number(c, "count");

	if (max == -1)
		say(c, "the module nf_conntrack is not loaded: nothing is tracked here yet");
	else if (count == 0)
		say(c, "the kernel's table is empty: unless no packet has come yet, no rule makes "
		       "the kernel track (nftables: a rule "
		       "with ct or nat; iptables: -m conntrack or the table nat), and there is "
		       "nothing to replicate");
}

static void room(const struct check *c)
{
	int64_t max = number(c, "max"), limit = c->conf->cache.hash_limit;

	if (limit && max > limit)
		check_say(c, CONF_WARNING, CONF_GENERAL, "HashLimit", 0,
			  "HashLimit %" PRId64
			  " is less than net.netfilter.nf_conntrack_max (%" PRId64
			  "): flows beyond it are not "
			  "replicated",
			  limit, max);
}

/* What the flow log would have in it. */
static void counts(const struct check *c)
{
	if (c->conf->mode != CONF_MODE_STATS)
		return;
	if (number(c, "acct") == 0)
		say(c,
		    "net.netfilter.nf_conntrack_acct is 0: the flow log has no bytes and packets");
	if (number(c, "timestamp") == 0)
		say(c, "net.netfilter.nf_conntrack_timestamp is 0: the flow log has no life of a "
		       "flow");
}

/* A word of a file of modules: between slash and dot, where - and _ are one. */
static bool names(const char *line, const char *module)
{
	const char *at = strrchr(line, '/');
	size_t n = strlen(module), i;

	at = at ? at + 1 : line;
	for (i = 0; i < n; i++)
		if ((at[i] == '-' ? '_' : at[i]) != module[i])
			return false;
	return at[n] == '.';
}

static bool listed(const struct check *c, const char *release, const char *file, const char *module)
{
	char path[512], line[4096];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "%s/lib/modules/%s/%s", c->root, release, file);
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f)) {
		line[strcspn(line, ":\n")] = '\0';
		found = names(line, module);
	}
	if (f)
		fclose(f);
	return found;
}

/* Loaded, built in, or there to be loaded? Where the kernel's modules are not known nothing can be
 * said. */
static void module(const struct check *c, const char *name, const char *what_for)
{
	struct utsname u;
	char path[512];

	snprintf(path, sizeof(path), "%s/sys/module/%s", c->root, name);
	if (access(path, F_OK) == 0 || uname(&u) == -1)
		return;
	snprintf(path, sizeof(path), "%s/lib/modules/%s/modules.dep", c->root, u.release);
	if (access(path, F_OK) == -1 || listed(c, u.release, "modules.builtin", name) ||
	    listed(c, u.release, "modules.dep", name))
		return;
	check_say(c, CONF_WARNING, CONF_TOP, NULL, 0,
		  "this kernel (%s) has no module %s, which is needed for %s", u.release, name,
		  what_for);
}

static void modules(const struct check *c)
{
	module(c, "nf_conntrack_netlink", "everything: the kernel tells of its flows through it");
	if (!c->conf->helper.present)
		return;
	module(c, "nfnetlink_cthelper", "section Helper");
	module(c, "nfnetlink_queue", "section Helper");
}

void check_kernel(const struct check *c)
{
	modules(c);
	if (c->conf->mode == CONF_MODE_HELPER_ONLY)
		return;
	tracks(c);
	events(c);
	room(c);
	counts(c);
}

void check_machine(const struct check *c)
{
	check_links(c);
	check_paths(c);
	check_kernel(c);
}

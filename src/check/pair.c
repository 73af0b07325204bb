/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The files of two nodes. Errors are what keeps the nodes from hearing or understanding each other;
 * warnings what they would do differently with the same flows, which shows at a take-over and not
 * before. Told at the place in the first file, with both values. */
#include "check/check.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

struct both {
	const struct check *c;
	const struct conf *a, *b;
	const char *file; /* of b */
};

static const char *mode_name(const struct conf *conf)
{
	return conf->mode == CONF_MODE_SYNC ? conf_mode_name(conf->sync.mode) : "no replication";
}

static bool modes(const struct both *p)
{
	bool same = p->a->mode == p->b->mode && p->a->sync.mode == p->b->sync.mode;

	if (!same || p->a->mode != CONF_MODE_SYNC)
		check_say(p->c, CONF_ERROR, CONF_SYNC, "Mode", 0,
			  "the mode is %s here and %s in %s: these nodes do not understand each "
			  "other",
			  mode_name(p->a), mode_name(p->b), p->file);
	return same && p->a->mode == CONF_MODE_SYNC;
}

/* ---- links ---- */

static bool same_addr(int family, const union channel_addr *a, const union channel_addr *b)
{
	return memcmp(a, b, family == AF_INET ? sizeof(a->v4) : sizeof(a->v6)) == 0;
}

static bool any_addr(int family, const union channel_addr *a)
{
	static const union channel_addr zero;

	return same_addr(family, a, &zero);
}

/* What one of them sends to has to be what the other one receives on. */
static void crossed(const struct both *p, uint32_t nr, bool ours)
{
	const struct channel_link_conf *a = &p->a->channel.link[nr], *b = &p->b->channel.link[nr];
	const union channel_addr *to = ours ? &a->dest : &b->dest,
				 *on = ours ? &b->local : &a->local;
	char to_text[INET6_ADDRSTRLEN], on_text[INET6_ADDRSTRLEN];

	if (same_addr(a->family, to, on) || any_addr(a->family, on))
		return;
	inet_ntop(a->family, to, to_text, sizeof(to_text));
	inet_ntop(a->family, on, on_text, sizeof(on_text));
	if (ours)
		check_say(p->c, CONF_ERROR, conf_link_section(a->type), check_dest_name(a), nr,
			  "this node sends to %s, and the other one receives on %s (%s)", to_text,
			  on_text, p->file);
	else
		check_say(p->c, CONF_ERROR, conf_link_section(a->type), check_local_name(a), nr,
			  "this node receives on %s, and the other one sends to %s (%s)", on_text,
			  to_text, p->file);
}

static void groups(const struct both *p, uint32_t nr)
{
	const struct channel_link_conf *a = &p->a->channel.link[nr], *b = &p->b->channel.link[nr];
	char here[INET6_ADDRSTRLEN], there[INET6_ADDRSTRLEN];

	inet_ntop(a->family, &a->dest, here, sizeof(here));
	inet_ntop(a->family, &b->dest, there, sizeof(there));
	if (!same_addr(a->family, &a->dest, &b->dest))
		check_say(p->c, CONF_ERROR, CONF_MULTICAST, check_dest_name(a), nr,
			  "the group is %s here and %s in %s", here, there, p->file);
	inet_ntop(a->family, &a->local, here, sizeof(here));
	if (a->family == AF_INET && same_addr(AF_INET, &a->local, &b->local))
		check_say(p->c, CONF_ERROR, CONF_MULTICAST, "IPv4_interface", nr,
			  "both nodes have %s on this link (%s)", here, p->file);
}

static void link(const struct both *p, uint32_t nr)
{
	const struct channel_link_conf *a = &p->a->channel.link[nr], *b = &p->b->channel.link[nr];
	enum conf_section section = conf_link_section(a->type);
	bool mcast = a->type == CHANNEL_MCAST;

	if (a->type != b->type || a->family != b->family) {
		check_say(p->c, CONF_ERROR, section, "Interface", nr,
			  "link %u is %s over IPv%c here and %s over IPv%c in %s", nr + 1,
			  conf_link_name(a->type), a->family == AF_INET ? '4' : '6',
			  conf_link_name(b->type), b->family == AF_INET ? '4' : '6', p->file);
		return;
	}
	if (a->port != b->port)
		check_say(p->c, CONF_ERROR, section, mcast ? "Group" : "Port", nr,
			  "the port of link %u is %u here and %u in %s", nr + 1, a->port, b->port,
			  p->file);
	if (mcast) {
		groups(p, nr);
		return;
	}
	crossed(p, nr, true);
	crossed(p, nr, false);
}

static void links(const struct both *p)
{
	uint32_t here = p->a->channel.n_links, there = p->b->channel.n_links;

	if (here != there)
		check_say(p->c, CONF_WARNING, CONF_SYNC, NULL, 0,
			  "there are %u links here and %u in %s: what one node sends over a link "
			  "that the other has not is lost",
			  here, there, p->file);
	for (uint32_t i = 0; i < here && i < there; i++)
		link(p, i);
}

/* ---- what they do with flows ---- */

static bool same_nets(const struct filter_conf *a, const struct filter_conf *b)
{
	if (a->n_nets != b->n_nets)
		return false;
	for (size_t i = 0; i < a->n_nets; i++)
		if (a->nets[i].family != b->nets[i].family ||
		    a->nets[i].prefix != b->nets[i].prefix ||
		    memcmp(&a->nets[i].addr, &b->nets[i].addr,
			   a->nets[i].family == AF_INET ? 4 : 16) != 0)
			return false;
	return true;
}

static void filter(const struct both *p)
{
	const struct filter_conf *a = &p->a->filter, *b = &p->b->filter;
	const struct {
		const char *name;
		bool same;
	} sets[] = {
		{ "Protocol", a->proto_policy == b->proto_policy &&
				      memcmp(a->proto, b->proto, sizeof(a->proto)) == 0 },
		{ "Address", a->addr_policy == b->addr_policy && same_nets(a, b) },
		{ "State", a->state_policy == b->state_policy && a->tcp_states == b->tcp_states },
	};

	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		if (!sets[i].same)
			check_say(p->c, CONF_WARNING, CONF_FILTER, sets[i].name, 0,
				  "the filter's %s is another one in %s: some flows are replicated "
				  "in one direction only, and are missing "
				  "after one of the take-overs",
				  sets[i].name, p->file);
}

static bool same_expects(const struct sync_expect_conf *a, const struct sync_expect_conf *b)
{
	if (a->on != b->on || a->n_names != b->n_names)
		return false;
	for (uint32_t i = 0; i < a->n_names; i++)
		if (strcasecmp(a->name[i], b->name[i]) != 0)
			return false;
	return true;
}

/* Options of numbers and yes or no: their values, in words. False: they are the same. */
static bool differ(const struct both *p, const struct conf_option *opt, char here[24],
		   char there[24])
{
	const char *a = (const char *)p->a + opt->at, *b = (const char *)p->b + opt->at;
	uint32_t x, y;

	if (opt->type == CONF_T_BOOL) {
		x = *(const bool *)a;
		y = *(const bool *)b;
		snprintf(here, 24, "%s", x ? "on" : "off");
		snprintf(there, 24, "%s", y ? "on" : "off");
	} else {
		memcpy(&x, a, sizeof(x));
		memcpy(&y, b, sizeof(y));
		snprintf(here, 24, "%u", x);
		snprintf(there, 24, "%u", y);
		if (!x)
			strcpy(here, "not set");
		if (!y)
			strcpy(there, "not set");
	}
	return x != y;
}

/* Each node may ask as it likes, and choose whom it hears. */
static bool is_own_business(const struct conf_option *opt)
{
	return !strcmp(opt->name, "StartupResync") || !strcmp(opt->name, "StrictPeers");
}

static void options(const struct both *p)
{
	uint32_t where = CONF_IN_MODES | CONF_IN(CONF_SYNC) | CONF_IN(CONF_OPTIONS);
	char here[24], there[24];

	for (size_t i = 0; i < conf_n_options; i++) {
		const struct conf_option *opt = &conf_options[i];
		bool wanted = opt->sections & where || !strcmp(opt->name, "HashLimit");

		if (!wanted || opt->use != CONF_CURRENT ||
		    (opt->type != CONF_T_NUMBER && opt->type != CONF_T_BOOL) ||
		    is_own_business(opt) || !differ(p, opt, here, there))
			continue;
		check_say(p->c, CONF_WARNING, (enum conf_section)__builtin_ctz(opt->sections),
			  opt->name, 0, "%s is %s here and %s in %s", opt->name, here, there,
			  p->file);
	}
	if (!same_expects(&p->a->sync.expect, &p->b->sync.expect))
		check_say(p->c, CONF_WARNING, CONF_OPTIONS, "ExpectationSync", 0,
			  "ExpectationSync is another one in %s", p->file);
}

void check_pair(const struct check *c, const struct check *other)
{
	struct both p = { .c = c, .a = c->conf, .b = other->conf, .file = other->file };

	if (!modes(&p))
		return;
	links(&p);
	filter(&p);
	options(&p);
}

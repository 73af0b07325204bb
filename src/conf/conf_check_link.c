/* SPDX-License-Identifier: GPL-2.0-or-later */
/* 
 * Rules for the dedicated links: everything a link needs is there, its addresses fit each other,
 * and two links are two. 1.4.x found out about most of this only when a socket failed, or not at
 * all. A configuration with which 1.4.x ran is no error here.
 */
#include "conf/conf_ctx.h"

#include <string.h>

#define PORT_USUAL 3780u

struct link_check {
	struct conf_ctx *ctx;
	uint32_t nr;
	struct channel_link_conf *link;
	struct conf_link_state *state;
};

static const struct conf_seen *link_seen(const struct link_check *c, const char *name)
{
	return conf_seen_in(c->ctx, conf_link_section(c->link->type), name, c->nr);
}

/* Reports that an option is missing, unless a part of the block was not understood, which may have
 * been that option. */
static void need(const struct link_check *c, const char *name)
{
	if (!link_seen(c, name)->given && !c->state->not_understood)
		conf_error(c->ctx, &c->state->at, "%s is missing in this %s block", name,
			   conf_link_name(c->link->type));
}

/* Without Port 1.4.x takes any port that is free, which no peer knows. */
static void need_port(const struct link_check *c, const char *name)
{
	const struct conf_seen *port = link_seen(c, name);

	if (c->link->port || port->bad || (!port->given && c->state->not_understood))
		return;
	c->link->port = PORT_USUAL;
	if (port->given)
		conf_warn(c->ctx, &port->at,
			  "%s 0: %u is taken, which the other node has to use as well", name,
			  PORT_USUAL);
	else
		conf_warn(c->ctx, &c->state->at,
			  "%s is missing in this %s block: %u is taken, which the other node has "
			  "to use as well",
			  name, conf_link_name(c->link->type), PORT_USUAL);
}

static bool addr_zero(const union channel_addr *a, int family)
{
	static const union channel_addr zero;

	return !memcmp(a, &zero, family == AF_INET ? sizeof(a->v4) : sizeof(a->v6));
}

static bool addr_equal(const union channel_addr *a, const union channel_addr *b, int family)
{
	return !memcmp(a, b, family == AF_INET ? sizeof(a->v4) : sizeof(a->v6));
}

static bool addr_multicast(const union channel_addr *a, int family)
{
	return family == AF_INET ? IN_MULTICAST(ntohl(a->v4.s_addr)) :
				   IN6_IS_ADDR_MULTICAST(&a->v6);
}

/* The family of the link by its address keywords. Without any it is IPv4: most people want that, so
 * its keywords are the ones called missing. -1 if they do not agree (reported). */
static int find_family(const struct link_check *c)
{
	static const char *const v4_names[] = { "IPv4_address", "IPv4_interface",
						"IPv4_Destination_Address" };
	static const char *const v6_names[] = { "IPv6_address", "IPv6_Destination_Address" };
	enum conf_section section = conf_link_section(c->link->type);
	const char *v4 = NULL, *v6 = NULL;

	for (size_t i = 0; i < 3; i++) {
		if (!v4 && conf_option_find(section, v4_names[i]) &&
		    link_seen(c, v4_names[i])->given)
			v4 = v4_names[i];
		if (i < 2 && !v6 && conf_option_find(section, v6_names[i]) &&
		    link_seen(c, v6_names[i])->given)
			v6 = v6_names[i];
	}
	if (v4 && v6) {
		conf_error(c->ctx, &link_seen(c, v6)->at,
			   "%s beside %s: a link is either IPv4 or IPv6", v6, v4);
		return -1;
	}
	return v6 ? AF_INET6 : AF_INET;
}

static void check_mcast(const struct link_check *c)
{
	const struct channel_link_conf *link = c->link;
	const char *name = link->family == AF_INET ? "IPv4_address" : "IPv6_address";
	const struct conf_seen *group = link_seen(c, name), *local = link_seen(c, "IPv4_interface");

	need_port(c, "Group");
	need(c, "Interface");
	need(c, name);
	if (group->given && !group->bad && !addr_multicast(&link->dest, link->family))
		conf_error(c->ctx, &group->at, "%s is not a multicast address (%s)", name,
			   link->family == AF_INET ? "224.0.0.0/4" : "ff00::/8");
	if (link->family == AF_INET6)
		return;
	need(c, "IPv4_interface");
	if (local->given && !local->bad &&
	    (addr_zero(&link->local, AF_INET) || addr_multicast(&link->local, AF_INET)))
		conf_error(c->ctx, &local->at,
			   "IPv4_interface must be the address of this node on the link");
}

/* No destination: 1.4.x runs and sends to itself, so no peer hears it, though it may hear one that
 * sends here. */
static void to_itself(const struct link_check *c, const char *dest_name,
		      const struct conf_seen *dest)
{
	struct channel_link_conf *link = c->link;

	if (!addr_zero(&link->local, link->family))
		link->dest = link->local;
	else if (link->family == AF_INET)
		link->dest.v4.s_addr = htonl(INADDR_LOOPBACK);
	else
		link->dest.v6 = in6addr_loopback;
	conf_warn(c->ctx, dest->given ? &dest->at : &c->state->at,
		  "%s is %s: this %s link sends to this node itself, and the other node hears "
		  "nothing",
		  dest_name, dest->given ? "all zero" : "missing", conf_link_name(link->type));
}

static void check_unicast(const struct link_check *c)
{
	const struct channel_link_conf *link = c->link;
	const char *local_name = link->family == AF_INET ? "IPv4_address" : "IPv6_address";
	const char *dest_name =
		link->family == AF_INET ? "IPv4_Destination_Address" : "IPv6_Destination_Address";
	const struct conf_seen *local = link_seen(c, local_name), *dest = link_seen(c, dest_name);

	need_port(c, "Port");
	need(c, "Interface");
	if (!local->given && !c->state->not_understood)
		conf_warn(c->ctx, &c->state->at,
			  "%s is missing in this %s block: it receives on all addresses",
			  local_name, conf_link_name(link->type));
	if (local->given && !local->bad && addr_zero(&link->local, link->family))
		conf_warn(c->ctx, &local->at,
			  "%s is all zero: this %s link receives on all addresses", local_name,
			  conf_link_name(link->type));
	if (local->given && !local->bad && addr_multicast(&link->local, link->family))
		conf_error(c->ctx, &local->at, "%s is a multicast address", local_name);
	if (dest->bad || (!dest->given && c->state->not_understood))
		return;
	if (addr_zero(&link->dest, link->family))
		to_itself(c, dest_name, dest);
	else if (addr_multicast(&link->dest, link->family))
		conf_error(c->ctx, &dest->at, "%s must be the address of one peer", dest_name);
	else if (local->given && !local->bad && addr_equal(&link->local, &link->dest, link->family))
		conf_warn(c->ctx, &dest->at,
			  "%s is this node's own address: the peer's is expected", dest_name);
}

static bool link_local(const struct channel_link_conf *l)
{
	return l->family == AF_INET6 &&
	       (IN6_IS_ADDR_LINKLOCAL(&l->dest.v6) || IN6_IS_ADDR_LINKLOCAL(&l->local.v6));
}

/* Two links are the same if both would receive the same datagrams. Links that only share a port are
 * distinguished by the sender's address. */
static bool same_link(const struct channel_link_conf *a, const struct channel_link_conf *b)
{
	if (a->type != b->type || a->family != b->family || a->port != b->port || !a->port)
		return false;
	if (a->type == CHANNEL_MCAST)
		return addr_equal(&a->dest, &b->dest, a->family) && !strcmp(a->ifname, b->ifname);
	return addr_equal(&a->local, &b->local, a->family) &&
	       addr_equal(&a->dest, &b->dest, a->family) &&
	       (!link_local(a) || !strcmp(a->ifname, b->ifname));
}

static void check_pairs(const struct link_check *c)
{
	const struct channel_conf *ch = &c->ctx->conf.channel;

	for (uint32_t i = 0; i < c->nr; i++) {
		if (same_link(&ch->link[i], c->link) && !c->state->not_understood) {
			conf_warn(c->ctx, &c->state->at,
				  "this link is the same as the one in line %u: %s, so it is no "
				  "second way to the peer",
				  ch->link[i].line,
				  c->link->type == CHANNEL_MCAST ?
					  "same group, port and interface" :
					  "same addresses and port");
			break;
		}
	}
	if (!c->link->is_default)
		return;
	for (uint32_t i = 0; i < c->nr; i++) {
		if (ch->link[i].is_default) {
			conf_warn(c->ctx, &c->state->at,
				  "a second link is marked Default (the first is in line %u): this "
				  "one counts",
				  ch->link[i].line);
			c->ctx->conf.channel.link[i].is_default = false;
		}
	}
}

/* Where the file sets an option; an option that the file does not set has no place. */
static struct channel_place place_of(const struct link_check *c, const char *name)
{
	const struct conf_seen *seen = link_seen(c, name);

	return (struct channel_place){ .line = seen->given ? seen->at.line : 0,
				       .column = seen->at.column };
}

static struct channel_place block_of(const struct link_check *c)
{
	return (struct channel_place){ .line = c->state->at.line, .column = c->state->at.column };
}

static void note_places(const struct link_check *c)
{
	struct channel_link_conf *l = c->link;
	bool v4 = l->family == AF_INET, mcast = l->type == CHANNEL_MCAST;
	const char *address = v4 ? "IPv4_address" : "IPv6_address";

	l->ifname_at = place_of(c, "Interface");
	l->port_at = place_of(c, mcast ? "Group" : "Port");
	if (!l->port_at.line)
		l->port_at = block_of(c);
	l->dest_at = place_of(c, mcast ? address :
				 v4    ? "IPv4_Destination_Address" :
					 "IPv6_Destination_Address");
	if (!l->dest_at.line)
		l->dest_at = block_of(c);
	if (!mcast || v4)
		l->local_at = place_of(c, mcast ? "IPv4_interface" : address);
}

void conf_check_links(struct conf_ctx *ctx)
{
	struct channel_conf *ch = &ctx->conf.channel;

	if (!ch->n_links && !ctx->sync_not_understood)
		conf_error(ctx, &ctx->sync_at,
			   "section Sync needs at least one link: Multicast, UDP or TCP");
	if (ctx->old_checksum_given && ch->n_links)
		ch->link[0].checksum = ctx->old_checksum;
	for (uint32_t i = 0; i < ch->n_links; i++) {
		struct link_check c = {
			.ctx = ctx, .nr = i, .link = &ch->link[i], .state = &ctx->link_state[i]
		};

		c.link->family = find_family(&c);
		if (c.link->family == -1)
			continue;
		if (c.link->type == CHANNEL_MCAST)
			check_mcast(&c);
		else
			check_unicast(&c);
		check_pairs(&c);
		note_places(&c);
	}
}

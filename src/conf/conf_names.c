/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Words that stand for values. Protocols come from a table of our own: the name service would read
 * other files and may open sockets while the configuration is still being checked, and a missing
 * database made every name unknown in 1.4.x. Numbers as assigned by IANA; names as in
 * /etc/protocols, plus a few that users expect.
 */
#include "conf/conf_ctx.h"

#include <string.h>
#include <strings.h>
#include <syslog.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct named {
	const char *name;
	int value;
};

/* The first name of a number is the one that is printed. */
/* clang-format off: several to a line */
static const struct named protocols[] = {
	{ "ip", 0 },	      { "hopopt", 0 },
	{ "icmp", 1 },	      { "igmp", 2 },
	{ "ggp", 3 },	      { "ipencap", 4 },
	{ "ip-encap", 4 },    { "st", 5 },
	{ "tcp", 6 },	      { "egp", 8 },
	{ "igp", 9 },	      { "pup", 12 },
	{ "udp", 17 },	      { "hmp", 20 },
	{ "xns-idp", 22 },    { "rdp", 27 },
	{ "iso-tp4", 29 },    { "dccp", 33 },
	{ "xtp", 36 },	      { "ddp", 37 },
	{ "idpr-cmtp", 38 },  { "ipv6", 41 },
	{ "ipv6-route", 43 }, { "ipv6-frag", 44 },
	{ "idrp", 45 },	      { "rsvp", 46 },
	{ "gre", 47 },	      { "esp", 50 },
	{ "ipsec-esp", 50 },  { "ah", 51 },
	{ "ipsec-ah", 51 },   { "skip", 57 },
	{ "ipv6-icmp", 58 },  { "icmpv6", 58 },
	{ "icmp6", 58 },      { "ipv6-nonxt", 59 },
	{ "ipv6-opts", 60 },  { "rspf", 73 },
	{ "cphb", 73 },	      { "vmtp", 81 },
	{ "eigrp", 88 },      { "ospf", 89 },
	{ "ospfigp", 89 },    { "ax.25", 93 },
	{ "ipip", 94 },	      { "etherip", 97 },
	{ "encap", 98 },      { "pim", 103 },
	{ "ipcomp", 108 },    { "vrrp", 112 },
	{ "carp", 112 },      { "l2tp", 115 },
	{ "isis", 124 },      { "sctp", 132 },
	{ "fc", 133 },	      { "mobility-header", 135 },
	{ "udplite", 136 },   { "mpls-in-ip", 137 },
	{ "manet", 138 },     { "hip", 139 },
	{ "shim6", 140 },     { "wesp", 141 },
	{ "rohc", 142 },      { "ethernet", 143 },
};
/* clang-format on */

static const struct named facilities[] = {
	{ "daemon", LOG_DAEMON }, { "local0", LOG_LOCAL0 }, { "local1", LOG_LOCAL1 },
	{ "local2", LOG_LOCAL2 }, { "local3", LOG_LOCAL3 }, { "local4", LOG_LOCAL4 },
	{ "local5", LOG_LOCAL5 }, { "local6", LOG_LOCAL6 }, { "local7", LOG_LOCAL7 },
};

/* Numbers: linux/netfilter/nf_conntrack_tcp.h. CLOSED comes first: that is the current name. */
static const struct named tcp_states[] = {
	{ "SYN_SENT", 1 },   { "SYN_RECV", 2 }, { "ESTABLISHED", 3 }, { "FIN_WAIT", 4 },
	{ "CLOSE_WAIT", 5 }, { "LAST_ACK", 6 }, { "TIME_WAIT", 7 },   { "CLOSED", 8 },
	{ "CLOSE", 8 },	     { "LISTEN", 9 },
};

static const char *name_of(const struct named *table, size_t n, int value)
{
	for (size_t i = 0; i < n; i++) {
		if (table[i].value == value)
			return table[i].name;
	}
	return NULL;
}

static int value_of(const struct named *table, size_t n, const char *name, bool any_case)
{
	for (size_t i = 0; i < n; i++) {
		if (any_case ? !strcasecmp(table[i].name, name) : !strcmp(table[i].name, name))
			return table[i].value;
	}
	return -1;
}

static const char *near(const struct named *table, size_t n, const char *name)
{
	const char *names[COUNT(protocols)]; /* the longest of the tables */

	for (size_t i = 0; i < n; i++)
		names[i] = table[i].name;
	return conf_nearest(name, names, n);
}

const char *conf_proto_name(uint8_t proto)
{
	return name_of(protocols, COUNT(protocols), proto);
}

int conf_proto_find(const char *name)
{
	return value_of(protocols, COUNT(protocols), name, true);
}

const char *conf_proto_near(const char *name)
{
	return near(protocols, COUNT(protocols), name);
}

const char *conf_facility_name(int facility)
{
	return name_of(facilities, COUNT(facilities), facility);
}

int conf_facility_find(const char *name)
{
	return value_of(facilities, COUNT(facilities), name, false);
}

const char *conf_facility_near(const char *name)
{
	return near(facilities, COUNT(facilities), name);
}

const char *conf_tcp_state_name(unsigned int nr)
{
	return name_of(tcp_states, COUNT(tcp_states), (int)nr);
}

int conf_tcp_state_find(const char *name)
{
	return value_of(tcp_states, COUNT(tcp_states), name, false);
}

const char *conf_tcp_state_near(const char *name)
{
	return near(tcp_states, COUNT(tcp_states), name);
}

bool conf_bool_find(const char *name, bool *value)
{
	*value = !strcasecmp(name, "on") || !strcasecmp(name, "yes");
	return *value || !strcasecmp(name, "off") || !strcasecmp(name, "no");
}

/* clang-format off */
static const struct named modes[] = {
#define ROW(mode, ops, like) { #mode, SYNC_MODE_##mode },
	SYNC_MODES(ROW)
#undef ROW
};
static const enum conf_section mode_section[] = {
#define ROW(mode, ops, like) [SYNC_MODE_##mode] = CONF_##like,
	SYNC_MODES(ROW)
#undef ROW
};
/* clang-format on */
static const struct named old_modes[] = {
	{ "NACK", SYNC_MODE_FTFW },
	{ "PERSISTENT", SYNC_MODE_ALARM },
};

const char *conf_mode_name(enum sync_mode mode)
{
	return name_of(modes, COUNT(modes), (int)mode);
}

enum conf_section conf_mode_section(enum sync_mode mode)
{
	return mode_section[mode];
}

int conf_mode_find(const char *name, bool *old)
{
	int mode = value_of(modes, COUNT(modes), name, true);
	int was = value_of(old_modes, COUNT(old_modes), name, true);

	*old = mode < 0 && was >= 0;
	return *old ? was : mode;
}

const char *conf_mode_near(const char *name)
{
	return near(modes, COUNT(modes), name);
}

/* clang-format off */
static const struct named link_types[] = {
#define ROW(type, keyword, like, ops, about) { #keyword, CHANNEL_##type },
	CHANNEL_TYPES(ROW)
#undef ROW
};
static const enum conf_section link_section[] = {
#define ROW(type, keyword, like, ops, about) [CHANNEL_##type] = CONF_##like,
	CHANNEL_TYPES(ROW)
#undef ROW
};
/* clang-format on */

const char *conf_link_name(enum channel_type type)
{
	return name_of(link_types, COUNT(link_types), (int)type);
}

enum conf_section conf_link_section(enum channel_type type)
{
	return link_section[type];
}

enum channel_type conf_link_type(const char *keyword)
{
	return (enum channel_type)value_of(link_types, COUNT(link_types), keyword, false);
}

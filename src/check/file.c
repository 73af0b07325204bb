/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a file says and cannot mean, whatever machine it is for. Each of these starts a daemon that
 * runs, and of which some flows are missing when they are needed. */
#include "check/check.h"

#include <linux/netfilter/nf_conntrack_tcp.h>
#include <string.h>

#define STATE(name)  (1u << TCP_CONNTRACK_##name)
#define STATES_FINAL (STATE(TIME_WAIT) | STATE(CLOSE))

/* Where options about events stand beside PollSecs the reader of the file has said it. */
static bool has_options_of_events(const struct check *c)
{
	static const char *const names[] = {
		"NetlinkEventsReliable",      "NetlinkOverrunResync", "NetlinkBufferSize",
		"NetlinkBufferSizeMaxGrowth", "EventIterationLimit",
	};
	struct conf_place at;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (conf_source_of(c->source, CONF_GENERAL, names[i], 0, &at))
			return true;
	return false;
}

static void polling(const struct check *c)
{
	uint32_t poll_s = c->conf->kernel.poll_s;

	if (poll_s && c->conf->mode == CONF_MODE_SYNC && !has_options_of_events(c))
		check_say(c, CONF_WARNING, CONF_GENERAL, "PollSecs", 0,
			  "PollSecs turns the kernel's events off: the peer hears of each change "
			  "up to %u s late, and never of a flow that is shorter",
			  poll_s);
}

/* Add one to what the net ends with. False: there is no address behind that. */
static bool behind(const struct filter_net *net, uint8_t next[16])
{
	unsigned int bytes = net->family == AF_INET ? 4 : 16;

	memcpy(next, &net->addr, bytes);
	for (unsigned int bit = net->prefix; bit < bytes * 8; bit++)
		next[bit / 8] |= (uint8_t)(0x80u >> bit % 8);
	while (bytes-- > 0)
		if (++next[bytes] != 0)
			return true;
	return false;
}

/* Do the nets of that family hold every address of it? They are in the order of their addresses. */
static bool covers_all(const struct filter_conf *f, uint8_t family)
{
	size_t len = family == AF_INET ? 4 : 16;
	uint8_t next[16] = { 0 }, end[16];

	for (size_t i = 0; i < f->n_nets; i++) {
		if (f->nets[i].family != family)
			continue;
		if (memcmp(&f->nets[i].addr, next, len) > 0)
			return false;
		if (!behind(&f->nets[i], end))
			return true;
		if (memcmp(end, next, len) > 0)
			memcpy(next, end, len);
	}
	return false;
}

static void addresses(const struct check *c)
{
	const struct filter_conf *f = &c->conf->filter;

	if (f->addr_policy != FILTER_IGNORE)
		return;
	if (covers_all(f, AF_INET))
		check_say(
			c, CONF_WARNING, CONF_FILTER, "Address", 0,
			"Address Ignore holds every IPv4 address: no IPv4 flow passes the filter");
	if (covers_all(f, AF_INET6))
		check_say(
			c, CONF_WARNING, CONF_FILTER, "Address", 0,
			"Address Ignore holds every IPv6 address: no IPv6 flow passes the filter");
}

/* Ends are never filtered, but the way to the end is: until the entry has gone from the kernel the
 * peer has a connection that is established. Of an empty list the reader of the file has told. */
static void states(const struct check *c)
{
	const struct filter_conf *f = &c->conf->filter;
	uint32_t passes = f->state_policy == FILTER_ACCEPT ? f->tcp_states : ~f->tcp_states;

	if (f->state_policy != FILTER_NONE && f->tcp_states && !(passes & STATES_FINAL))
		check_say(c, CONF_WARNING, CONF_FILTER, "State", 0,
			  "State lets neither TIME_WAIT nor CLOSED pass: the peer takes a TCP "
			  "connection that has been "
			  "closed for one that is established, until the kernel forgets the entry, "
			  "and a take-over brings it back");
}

/* DisableExternalCache alone may be hot standby, where one node is active at a time. */
static void windows(const struct check *c)
{
	const struct sync_conf *s = &c->conf->sync;
	struct conf_place at = { 0 };

	if (c->conf->mode != CONF_MODE_SYNC || !s->tcp_window_tracking || !s->active_active)
		return;
	if (c->source)
		conf_source_of(c->source, CONF_OPTIONS, "ActiveActive", 0, &at);
	if (at.line == 0)
		return;
	check_say(c, CONF_WARNING, CONF_OPTIONS, "TCPWindowTracking", 0,
		  "TCPWindowTracking with both nodes active: where a connection takes both paths "
		  "each node sees part of its packets, and takes others for invalid");
}

void check_file(const struct check *c)
{
	polling(c);
	addresses(c);
	states(c);
	windows(c);
}

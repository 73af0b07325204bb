/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a problem is told: at the option it comes from, or of the file as a whole where that option
 * has its default. */
#include "check/check.h"

#include <stdarg.h>
#include <stdio.h>

void check_say(const struct check *c, enum conf_severity severity, enum conf_section section,
	       const char *name, uint32_t nr, const char *fmt, ...)
{
	struct conf_place at = { .file = c->file };
	char said[512];
	va_list ap;

	if (name && c->source)
		conf_source_of(c->source, section, name, nr, &at);
	va_start(ap, fmt);
	vsnprintf(said, sizeof(said), fmt, ap);
	va_end(ap);
	c->report(c->ctx, severity, &at, said);
}

const char *check_local_name(const struct channel_link_conf *l)
{
	if (l->type == CHANNEL_MCAST)
		return "IPv4_interface";
	return l->family == AF_INET ? "IPv4_address" : "IPv6_address";
}

const char *check_dest_name(const struct channel_link_conf *l)
{
	if (l->type == CHANNEL_MCAST)
		return l->family == AF_INET ? "IPv4_address" : "IPv6_address";
	return l->family == AF_INET ? "IPv4_Destination_Address" : "IPv6_Destination_Address";
}

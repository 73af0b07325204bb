/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of helpers. Another protocol is a file with its parser, its name in helper/parse.h and
 * a row here. Policies and sizes of private data are those of 1.4.7: a helper that its nfct(8) has
 * made, or that it has left in the kernel, is used. */
#include "helper/helper.h"

#include <string.h>

#include "helper/parse.h"

static const struct helper helpers[] = {
	{ "amanda", .udp = true, .v4 = true, .v6 = true, .private_len = 0, .expect_max = 3,
	  .expect_timeout_s = 180, amanda_parse },
	{ "dhcpv6", .udp = true, .v6 = true, .private_len = 0, .expect_max = 1,
	  .expect_timeout_s = 300, dhcpv6_parse },
	{ "ftp", .tcp = true, .v4 = true, .v6 = true, .private_len = 24, .expect_max = 1,
	  .expect_timeout_s = 300, ftp_parse },
	{ "mdns", .udp = true, .v4 = true, .v6 = true, .private_len = 0, .expect_max = 8,
	  .expect_timeout_s = 30, mdns_parse },
	{ "rpc", .tcp = true, .udp = true, .v4 = true, .v6 = true, .private_len = 16,
	  .expect_max = 1, .expect_timeout_s = 300, rpc_parse },
	{ "sane", .tcp = true, .v4 = true, .v6 = true, .private_len = 4, .expect_max = 1,
	  .expect_timeout_s = 300, sane_parse },
	{ "slp", .udp = true, .v4 = true, .v6 = true, .private_len = 0, .expect_max = 8,
	  .expect_timeout_s = 16, slp_parse },
	{ "ssdp", .tcp = true, .udp = true, .v4 = true, .v6 = true, .private_len = 0,
	  .expect_max = 8, .expect_timeout_s = 300, ssdp_parse },
	{ "tftp", .udp = true, .v4 = true, .v6 = true, .private_len = 0, .expect_max = 1,
	  .expect_timeout_s = 300, tftp_parse },
	{ "tns", .tcp = true, .v4 = true, .v6 = true, .private_len = 1, .expect_max = 1,
	  .expect_timeout_s = 300, tns_parse },
};

const struct helper *helper_at(size_t i)
{
	return i < sizeof(helpers) / sizeof(helpers[0]) ? &helpers[i] : NULL;
}

const struct helper *helper_find(const char *name)
{
	const struct helper *h = NULL;

	for (size_t i = 0; (h = helper_at(i)); i++) {
		if (!strcmp(h->name, name))
			break;
	}
	return h;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_HELPER_HELPER_CONF_H
#define CONNTRACKD_HELPER_HELPER_CONF_H

/* The table of helpers. Another protocol is a file with its parser and a row here: name, of the
 * helper and of its one policy; the parser; over what; bytes of private data; most expectations
 * that wait at a time, and their life in seconds. Policies and private data are those of 1.4.7: a
 * helper that its nfct(8) has made, or that it has left in the kernel, is used. In the order of
 * names. */

#define HELPER_TCP 1u
#define HELPER_UDP 2u
#define HELPER_V4  4u
#define HELPER_V6  8u
#define HELPER_IP  (HELPER_V4 | HELPER_V6)

/* clang-format off */
#define HELPER_TABLE(ROW) \
	ROW(amanda, amanda_parse, HELPER_UDP | HELPER_IP,               0, 3, 180) \
	ROW(dhcpv6, dhcpv6_parse, HELPER_UDP | HELPER_V6,               0, 1, 300) \
	ROW(ftp,    ftp_parse,    HELPER_TCP | HELPER_IP,              24, 1, 300) \
	ROW(mdns,   mdns_parse,   HELPER_UDP | HELPER_IP,               0, 8,  30) \
	ROW(rpc,    rpc_parse,    HELPER_TCP | HELPER_UDP | HELPER_IP, 16, 1, 300) \
	ROW(sane,   sane_parse,   HELPER_TCP | HELPER_IP,               4, 1, 300) \
	ROW(slp,    slp_parse,    HELPER_UDP | HELPER_IP,               0, 8,  16) \
	ROW(ssdp,   ssdp_parse,   HELPER_TCP | HELPER_UDP | HELPER_IP,  0, 8, 300) \
	ROW(tftp,   tftp_parse,   HELPER_UDP | HELPER_IP,               0, 1, 300) \
	ROW(tns,    tns_parse,    HELPER_TCP | HELPER_IP,               1, 1, 300)
/* clang-format on */

#endif

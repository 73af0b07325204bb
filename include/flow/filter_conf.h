/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_FLOW_FILTER_CONF_H
#define CONNTRACKD_FLOW_FILTER_CONF_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a set of the Filter block does with the flows that it lists. */
enum filter_policy {
	FILTER_NONE,   /* the file does not have this set: every flow passes */
	FILTER_ACCEPT, /* only flows that are listed pass */
	FILTER_IGNORE, /* flows that are listed do not pass */
};

/* One network; host bits of addr are zero. A single address has prefix 32 or 128. */
struct filter_net {
	uint8_t family; /* AF_INET or AF_INET6 */
	uint8_t prefix; /* bits */
	union {
		struct in_addr v4; /* network byte order */
		struct in6_addr v6;
	} addr;
};

/* The Filter block. A flow passes if it passes all three sets. An ACCEPT set is never empty. */
struct filter_conf {
	bool kernelspace; /* From Kernelspace */
	enum filter_policy proto_policy;
	uint32_t proto[8]; /* layer 4 number n: bit n % 32 of word n / 32 */
	enum filter_policy addr_policy;
	/* n_nets entries without repetition; same owner as this struct */
	struct filter_net *nets;
	size_t n_nets;
	enum filter_policy state_policy;
	/* TCP states as bits 1 << TCP_CONNTRACK_x of linux/netfilter/nf_conntrack_tcp.h: SYN_SENT
	 * 1, SYN_RECV 2, ESTABLISHED 3, FIN_WAIT 4, CLOSE_WAIT 5, LAST_ACK 6, TIME_WAIT 7, CLOSE 8,
	 * LISTEN 9. Flows of other protocols pass this set. */
	uint32_t tcp_states;
};

/* Does the block have any set at all? */
static inline bool filter_conf_any(const struct filter_conf *conf)
{
	return conf->proto_policy != FILTER_NONE || conf->addr_policy != FILTER_NONE ||
	       conf->state_policy != FILTER_NONE;
}

/* Is layer 4 protocol number proto in the block's set of protocols? */
static inline bool filter_conf_has_proto(const struct filter_conf *conf, uint8_t proto)
{
	return conf->proto[proto / 32] >> (proto % 32) & 1;
}

#endif

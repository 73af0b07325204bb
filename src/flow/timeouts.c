/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which of the timeouts of connection tracking belongs to a flow.
 *
 * They answer two questions: which timeout does a flow received from a peer get here, and when did
 * an entry of our kernel see its last packet (its timeout counts down from this value). The rules
 * by which the kernel chooses:
 *
 *   UDP, UDP-Lite udp_timeout_stream for an assured flow (and for one that cannot become assured
 *                 after a clash of translations), udp_timeout before; also for an answered one that
 *                 is younger than two seconds
 *   GRE           gre_timeout_stream once answered, gre_timeout before
 *   TCP           that of the state; ESTABLISHED without an answer (picked up in mid-stream): at
 *                 most tcp_timeout_unacknowledged. Shorter for a while: data that nobody has
 *                 acknowledged (unacknowledged), retransmissions and a closed window (max_retrans)
 *   SCTP, DCCP    that of the state
 *   ICMP, ICMPv6  icmp_timeout, icmpv6_timeout
 *   others        generic_timeout
 *
 * A timeout policy of the ruleset (nft "ct timeout") overrides these values for single flows; no
 * message of the kernel reports that. The SYN_SENT of a simultaneous open has no sysctl.
 *
 * Sources: the kernel's Documentation/networking/nf_conntrack-sysctl.rst, the numbers of the states
 * from its headers, and measuring with packets. */
#include "flow/timeouts.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_sctp.h>
#include <linux/netfilter/nf_conntrack_tcp.h>

#define OFFLOADED (IPS_OFFLOAD | IPS_HW_OFFLOAD)
/* the bit that headers for programs still call IPS_UNTRACKED */
#define NAT_CLASH (1u << 12)

static uint32_t status_of(const struct ct_flow *f)
{
	return f->has & FLOW_HAS_STATUS ? f->status : 0;
}

static uint32_t tcp_of(const struct ct_timeouts *t, const struct ct_flow *f)
{
	uint32_t established = t->tcp_s[TCP_CONNTRACK_ESTABLISHED];

	if (!(f->has & FLOW_HAS_PROTO_STATE))
		return status_of(f) & OFFLOADED ? established : 0;
	if (f->proto_state >= CT_TIMEOUTS_STATES)
		return 0;
	if (f->proto_state == TCP_CONNTRACK_ESTABLISHED && !(status_of(f) & IPS_SEEN_REPLY) &&
	    t->tcp_unacknowledged_s > 0 && t->tcp_unacknowledged_s < established)
		return t->tcp_unacknowledged_s;
	return t->tcp_s[f->proto_state];
}

static uint32_t by_state(const uint32_t *timeouts, const struct ct_flow *f)
{
	return f->has & FLOW_HAS_PROTO_STATE && f->proto_state < CT_TIMEOUTS_STATES ?
		       timeouts[f->proto_state] :
		       0;
}

/* Does the timeout of streams apply? An offloaded flow counts as one: it was seen in both
 * directions. */
static bool udp_is_stream(const struct ct_flow *f)
{
	uint32_t status = status_of(f);

	return (status & OFFLOADED) ||
	       ((status & IPS_SEEN_REPLY) && (status & (IPS_ASSURED | NAT_CLASH)));
}

bool flow_packets_renew(const struct ct_flow *f)
{
	if (f->l4 != IPPROTO_TCP)
		return true;
	if (!(f->has & FLOW_HAS_PROTO_STATE))
		return status_of(f) & IPS_ASSURED;
	return f->proto_state == TCP_CONNTRACK_ESTABLISHED ||
	       f->proto_state == TCP_CONNTRACK_FIN_WAIT ||
	       f->proto_state == TCP_CONNTRACK_CLOSE_WAIT ||
	       f->proto_state == TCP_CONNTRACK_LAST_ACK;
}

uint32_t ct_timeouts_of(const struct ct_timeouts *t, const struct ct_flow *f)
{
	switch (f->l4) {
	case IPPROTO_TCP:
		return tcp_of(t, f);
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
		return udp_is_stream(f) ? t->udp_stream_s : t->udp_s;
	case IPPROTO_GRE:
		return status_of(f) & IPS_SEEN_REPLY ? t->gre_stream_s : t->gre_s;
	case IPPROTO_SCTP:
		return by_state(t->sctp_s, f);
	case IPPROTO_DCCP:
		return by_state(t->dccp_s, f);
	case IPPROTO_ICMP:
		return t->icmp_s;
	case IPPROTO_ICMPV6:
		return t->icmpv6_s;
	}
	return t->generic_s;
}

/* The shorter timeout is the better explanation if what is left of it fits. */
static uint32_t shorter(uint32_t timeout_s, uint32_t other_s, uint32_t left_s)
{
	return other_s >= left_s && other_s < timeout_s ? other_s : timeout_s;
}

uint32_t ct_timeouts_idle_s(const struct ct_timeouts *t, const struct ct_flow *f)
{
	uint32_t timeout_s = ct_timeouts_of(t, f), left_s = f->timeout_s;

	if (!(f->has & FLOW_HAS_TIMEOUT) || (status_of(f) & (OFFLOADED | IPS_FIXED_TIMEOUT)))
		return 0;
	if (f->l4 == IPPROTO_TCP) {
		timeout_s = shorter(timeout_s, t->tcp_unacknowledged_s, left_s);
		timeout_s = shorter(timeout_s, t->tcp_max_retrans_s, left_s);
	}
	return timeout_s > left_s ? timeout_s - left_s : 0;
}

uint32_t ct_timeouts_showing(const struct ct_timeouts *t, const struct ct_flow *f,
			     uint32_t timeout_s, uint32_t show_s)
{
	uint32_t own_s = ct_timeouts_of(t, f);

	return own_s > 2 * show_s && timeout_s <= own_s && timeout_s > own_s - show_s ?
		       own_s - show_s :
		       timeout_s;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_FLOW_TIMEOUTS_H
#define CONNTRACKD_FLOW_TIMEOUTS_H

#include "flow/flow.h"

/* The states of TCP, SCTP and DCCP that have a timeout have smaller numbers than this. */
#define CT_TIMEOUTS_STATES 10

/* The timeouts of this network namespace, in seconds: what the kernel sets an entry's timeout to
 * with each packet. 0: the kernel has no such timeout (or it could not be read). */
struct ct_timeouts {
	uint32_t udp_s, udp_stream_s;
	uint32_t icmp_s, icmpv6_s;
	uint32_t gre_s, gre_stream_s;
	uint32_t generic_s;
	uint32_t tcp_s[CT_TIMEOUTS_STATES]; /* by TCP_CONNTRACK_* */
	/* while data of a segment is not acknowledged, if shorter */
	uint32_t tcp_unacknowledged_s;
	/* with retransmissions and closed windows, if shorter */
	uint32_t tcp_max_retrans_s;
	uint32_t sctp_s[CT_TIMEOUTS_STATES]; /* by SCTP_CONNTRACK_* */
	uint32_t dccp_s[CT_TIMEOUTS_STATES]; /* by CT_DCCP_* */
};

/* The timeout of an entry of f's protocol in f's state right after a packet, in seconds; 0:
 * unknown. An offloaded TCP flow without state counts as ESTABLISHED, the only state in which TCP
 * is offloaded. */
uint32_t ct_timeouts_of(const struct ct_timeouts *t, const struct ct_flow *f);

/* Does each packet renew the timeout of an entry in f's state, so that an entry that expires shows
 * only that no packet has come? All but TCP, and TCP from ESTABLISHED until both halves are closed.
 * A TCP entry whose state is unknown: yes if it is assured. */
bool flow_packets_renew(const struct ct_flow *f);

/* f is an entry of our kernel as a GET or a dump reports it: how many seconds ago was its last
 * packet, if it was a packet that set the timeout? For one state the kernel may have chosen among
 * several timeouts (TCP: unacknowledged data, retransmissions): the shortest one that fits, so the
 * flow is never called idle for longer than is certain. 0 for an offloaded flow, whose packets the
 * entry does not see, for a fixed timeout, and for an unknown one. */
uint32_t ct_timeouts_idle_s(const struct ct_timeouts *t, const struct ct_flow *f);

/* The timeout to write into an entry instead of timeout_s, so that a later packet can be seen: each
 * packet sets the timeout of an entry to this kernel's value for its state. Where timeout_s is that
 * value, or up to show_s seconds less, the value less show_s is returned. */
uint32_t ct_timeouts_showing(const struct ct_timeouts *t, const struct ct_flow *f,
			     uint32_t timeout_s, uint32_t show_s);
/* What show_s is. A commit can afford more seconds than a flow injected at once, which the peer has
 * to send again before it expires here (follow/timeout_refresh.c). */
#define CT_SHOW_COMMIT_S 10u
#define CT_SHOW_NEWS_S	 4u

#endif

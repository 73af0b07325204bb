/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_FLOW_TIMEOUTS_H
#define CONNTRACKD_FLOW_TIMEOUTS_H

#include "flow/flow.h"

/* The states of TCP, SCTP and DCCP that have a timeout have smaller numbers than this. */
#define CT_TIMEOUTS_STATES 10

/* The timeouts of this network namespace, in seconds: what the kernel gives an entry anew with each
 * packet. 0: the kernel has no such timeout (or it could not be read). */
struct ct_timeouts {
	uint32_t udp_s, udp_stream_s;
	uint32_t icmp_s, icmpv6_s;
	uint32_t gre_s, gre_stream_s;
	uint32_t generic_s;
	uint32_t tcp_s[CT_TIMEOUTS_STATES]; /* by TCP_CONNTRACK_* */
	/* of a segment with data until its acknowledgement, if shorter */
	uint32_t tcp_unacknowledged_s;
	/* of retransmissions and closed windows, if shorter */
	uint32_t tcp_max_retrans_s;
	uint32_t sctp_s[CT_TIMEOUTS_STATES]; /* by SCTP_CONNTRACK_* */
	uint32_t dccp_s[CT_TIMEOUTS_STATES]; /* by CT_DCCP_* */
};

/* How long an entry of f's protocol, in f's state, lives after a packet, in seconds; 0: unknown. An
 * offloaded TCP flow without state counts as ESTABLISHED, the only state in which TCP is
 * offloaded. */
uint32_t ct_timeouts_of(const struct ct_timeouts *t, const struct ct_flow *f);

/* Does each packet renew the life of an entry in f's state, so that one that lapses tells only that
 * no packet came by? All but TCP, and TCP from ESTABLISHED until both halves are closed. Without a
 * state TCP is so if it is assured. */
bool flow_packets_renew(const struct ct_flow *f);

/* f is an entry of our kernel as a GET or a dump tells it: how many seconds ago would its last
 * packet have been, if it was a packet that set the timeout? For one state the kernel may have
 * chosen among several timeouts (TCP: unacknowledged data, retransmissions): the shortest one that
 * fits, so the flow is never called more idle than it can be told to be. 0 for an offloaded flow,
 * whose packets the entry does not see, for a fixed life, and for an unknown timeout. */
uint32_t ct_timeouts_idle_s(const struct ct_timeouts *t, const struct ct_flow *f);

/* A packet makes the life of an entry this kernel's timeout. So where a flow that is written is to
 * live as long as that, or up to show_s seconds less, it gets show_s less: then each later packet
 * shows. The life to write instead of life_s. */
uint32_t ct_timeouts_showing(const struct ct_timeouts *t, const struct ct_flow *f, uint32_t life_s,
			     uint32_t show_s);
/* A commit can afford more than news, whose sender has to tell a flow anew before it lapses here
 * (follow/renew.c). */
#define CT_SHOW_COMMIT_S 10u
#define CT_SHOW_NEWS_S	 4u

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The timeouts of this network namespace's connection tracking, and which of them belongs to a flow.
 *
 * They are the yardstick for two questions: how long does a flow live here that a peer tells about, and when did an entry of
 * our kernel see its last packet (its timeout counts down from this value). The rules by which the kernel chooses:
 *
 *	UDP, UDP-Lite	udp_timeout_stream for an assured flow (and for one that cannot become assured after a clash of
 *			translations), udp_timeout before; also for an answered one that is younger than two seconds
 *	GRE		gre_timeout_stream once answered, gre_timeout before
 *	TCP		that of the state; ESTABLISHED without an answer (picked up in mid-stream) at most
 *			tcp_timeout_unacknowledged. Shorter for a while: data that nobody has acknowledged
 *			(unacknowledged), retransmissions and a closed window (max_retrans)
 *	SCTP, DCCP	that of the state
 *	ICMP, ICMPv6	icmp_timeout, icmpv6_timeout
 *	others		generic_timeout
 *
 * A timeout policy of the ruleset (nft "ct timeout") overrides all that for single flows; no message of the kernel tells.
 * The SYN_SENT of a simultaneous open has no sysctl.
 *
 * Sources: the kernel's Documentation/networking/nf_conntrack-sysctl.rst, the numbers of the states from its headers, and
 * measuring with packets. */
#include "kernel/ct_timeouts.h"

#include <fcntl.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_sctp.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SYSCTL_DIR "/proc/sys/net/netfilter"
#define SYN_SENT2_S 120

#define OFFLOADED (IPS_OFFLOAD | IPS_HW_OFFLOAD)
#define NAT_CLASH (1u << 12)	/* the bit that headers for programs still call IPS_UNTRACKED */

#define AT(member) offsetof(struct ct_timeouts, member)

static const struct {
	const char *name;	/* after nf_conntrack_ */
	size_t at;
} sysctls[] = {
	{ "udp_timeout", AT(udp_s) },
	{ "udp_timeout_stream", AT(udp_stream_s) },
	{ "icmp_timeout", AT(icmp_s) },
	{ "icmpv6_timeout", AT(icmpv6_s) },
	{ "gre_timeout", AT(gre_s) },
	{ "gre_timeout_stream", AT(gre_stream_s) },
	{ "generic_timeout", AT(generic_s) },
	{ "tcp_timeout_syn_sent", AT(tcp_s[TCP_CONNTRACK_SYN_SENT]) },
	{ "tcp_timeout_syn_recv", AT(tcp_s[TCP_CONNTRACK_SYN_RECV]) },
	{ "tcp_timeout_established", AT(tcp_s[TCP_CONNTRACK_ESTABLISHED]) },
	{ "tcp_timeout_fin_wait", AT(tcp_s[TCP_CONNTRACK_FIN_WAIT]) },
	{ "tcp_timeout_close_wait", AT(tcp_s[TCP_CONNTRACK_CLOSE_WAIT]) },
	{ "tcp_timeout_last_ack", AT(tcp_s[TCP_CONNTRACK_LAST_ACK]) },
	{ "tcp_timeout_time_wait", AT(tcp_s[TCP_CONNTRACK_TIME_WAIT]) },
	{ "tcp_timeout_close", AT(tcp_s[TCP_CONNTRACK_CLOSE]) },
	{ "tcp_timeout_unacknowledged", AT(tcp_unacknowledged_s) },
	{ "tcp_timeout_max_retrans", AT(tcp_max_retrans_s) },
	{ "sctp_timeout_closed", AT(sctp_s[SCTP_CONNTRACK_CLOSED]) },
	{ "sctp_timeout_cookie_wait", AT(sctp_s[SCTP_CONNTRACK_COOKIE_WAIT]) },
	{ "sctp_timeout_cookie_echoed", AT(sctp_s[SCTP_CONNTRACK_COOKIE_ECHOED]) },
	{ "sctp_timeout_established", AT(sctp_s[SCTP_CONNTRACK_ESTABLISHED]) },
	{ "sctp_timeout_shutdown_sent", AT(sctp_s[SCTP_CONNTRACK_SHUTDOWN_SENT]) },
	{ "sctp_timeout_shutdown_recd", AT(sctp_s[SCTP_CONNTRACK_SHUTDOWN_RECD]) },
	{ "sctp_timeout_shutdown_ack_sent", AT(sctp_s[SCTP_CONNTRACK_SHUTDOWN_ACK_SENT]) },
	{ "sctp_timeout_heartbeat_sent", AT(sctp_s[SCTP_CONNTRACK_HEARTBEAT_SENT]) },
	{ "sctp_timeout_heartbeat_acked", AT(sctp_s[9]) },	/* the state after HEARTBEAT_SENT of older kernels */
	/* The states of DCCP stand in no header for programs. */
	{ "dccp_timeout_request", AT(dccp_s[1]) },
	{ "dccp_timeout_respond", AT(dccp_s[2]) },
	{ "dccp_timeout_partopen", AT(dccp_s[3]) },
	{ "dccp_timeout_open", AT(dccp_s[4]) },
	{ "dccp_timeout_closereq", AT(dccp_s[5]) },
	{ "dccp_timeout_closing", AT(dccp_s[6]) },
	{ "dccp_timeout_timewait", AT(dccp_s[7]) },
};

_Static_assert(TCP_CONNTRACK_SYN_SENT2 < CT_TIMEOUTS_STATES, "every state of an entry has its place");

static uint32_t sysctl_read(int dir, const char *name)
{
	char path[64] = "nf_conntrack_", value[16];
	int fd;
	ssize_t n;

	strncat(path, name, sizeof(path) - strlen(path) - 1);
	fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return 0;
	n = read(fd, value, sizeof(value) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	value[n] = '\0';
	return (uint32_t)strtoul(value, NULL, 10);
}

void ct_timeouts_read(struct ct_timeouts *t)
{
	int dir = open(SYSCTL_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	*t = (struct ct_timeouts){ .tcp_s[TCP_CONNTRACK_SYN_SENT2] = SYN_SENT2_S };
	if (dir == -1)
		return;
	for (size_t i = 0; i < sizeof(sysctls) / sizeof(sysctls[0]); i++) {
		uint32_t v = sysctl_read(dir, sysctls[i].name);

		memcpy((char *)t + sysctls[i].at, &v, sizeof(v));
	}
	close(dir);
}

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
	return f->has & FLOW_HAS_PROTO_STATE && f->proto_state < CT_TIMEOUTS_STATES ? timeouts[f->proto_state] : 0;
}

/* A flow is offloaded no earlier than when both directions have been seen. */
static bool udp_is_stream(const struct ct_flow *f)
{
	uint32_t status = status_of(f);

	return (status & OFFLOADED) || ((status & IPS_SEEN_REPLY) && (status & (IPS_ASSURED | NAT_CLASH)));
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

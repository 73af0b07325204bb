/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The timeouts of this network namespace's connection tracking, read from /proc/sys (what they
 * mean: flow/timeouts.c). */
#include "kernel/ct_timeouts.h"

#include <fcntl.h>
#include <linux/netfilter/nf_conntrack_sctp.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SYSCTL_DIR  "/proc/sys/net/netfilter"
#define SYN_SENT2_S 120

#define AT(member) offsetof(struct ct_timeouts, member)

static const struct {
	const char *name; /* after nf_conntrack_ */
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
	/* the state after HEARTBEAT_SENT of older kernels */
	{ "sctp_timeout_heartbeat_acked", AT(sctp_s[9]) },
	/* The states of DCCP stand in no header for programs. */
	{ "dccp_timeout_request", AT(dccp_s[1]) },
	{ "dccp_timeout_respond", AT(dccp_s[2]) },
	{ "dccp_timeout_partopen", AT(dccp_s[3]) },
	{ "dccp_timeout_open", AT(dccp_s[4]) },
	{ "dccp_timeout_closereq", AT(dccp_s[5]) },
	{ "dccp_timeout_closing", AT(dccp_s[6]) },
	{ "dccp_timeout_timewait", AT(dccp_s[7]) },
};

_Static_assert(TCP_CONNTRACK_SYN_SENT2 < CT_TIMEOUTS_STATES,
	       "every state of an entry has its place");

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

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages of this kernel about real traffic: sockets talk over the loopback of the caller's
 * namespace, whose rules give marks, labels, zones, translations and a helper; what loopback
 * traffic cannot show (sequence adjustment, relations, window scales of any size) is put in by
 * ctnetlink. All events are caught, then the table is dumped, then it is flushed, for the destroy
 * events with counters and time stamps.
 */
#include "unit/kernel/oracle.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit/kernel/support.h"

#define LEN(a)	  (sizeof(a) / sizeof((a)[0]))
#define N_CREATED 400

/* Ports that the rules below know. */
enum {
	PORT_PLAIN = 7000,
	PORT_MARK,
	PORT_LABEL,
	PORT_ZONE,
	PORT_ZONE_ORIG,
	PORT_ZONE_REPLY,
	PORT_DNAT,
	PORT_SNAT,
	PORT_BOTH,
	PORT_FTP,
	PORT_END,
};

/* Each line is a transaction of its own: what this kernel does not have is missing, the rest is
 * there. */
static const char *const rules[] = {
	"add table inet o",
	"add chain inet o early { type filter hook output priority raw; }",
	"add chain inet o out { type filter hook output priority filter; }",
	"add chain inet o there { type nat hook output priority -100; }",
	"add chain inet o back { type nat hook postrouting priority 100; }",
	"add rule inet o out ct state new counter",
	"add rule inet o early th dport 7003 ct zone set 5",
	"add rule inet o early th dport 7004 ct original zone set 6",
	"add rule inet o early th dport 7005 ct reply zone set 7",
	"add rule inet o out th dport 7001 ct mark set 0x2a",
	"add rule inet o out th dport 7002 ct label set 3",
	"add rule inet o there meta nfproto ipv4 meta l4proto { tcp, udp } th dport { 7006, 7008 } "
	"dnat ip to 127.0.0.9:7000",
	"add rule inet o there meta nfproto ipv6 meta l4proto { tcp, udp } th dport { 7006, 7008 } "
	"dnat ip6 to [::1]:7000",
	"add rule inet o back meta nfproto ipv4 meta l4proto { tcp, udp } ct original proto-dst { "
	"7007, 7008 } snat ip to 127.0.0.77",
	"add ct helper inet o ftp { type \"ftp\" protocol tcp; }",
	"add rule inet o out tcp dport 7009 ct helper set ftp",
};

static void prepare(void)
{
	static const char *const on[] = { "nf_conntrack_acct", "nf_conntrack_timestamp",
					  "nf_conntrack_events" };

	for (size_t i = 0; i < LEN(on); i++)
		run("echo 1 2>/dev/null >/proc/sys/net/netfilter/%s", on[i]);
	for (size_t i = 0; i < LEN(rules); i++) {
		if (run("nft '%s' 2>/dev/null", rules[i]) != 0)
			print_message("not in this kernel: %s\n", rules[i]);
	}
}

/* ---- traffic ---- */

struct sock_addr {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} a;
	socklen_t len;
};

static struct sock_addr loopback(int family, uint16_t port)
{
	struct sock_addr s = { 0 };

	if (family == AF_INET) {
		s.a.v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port) };
		s.a.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		s.len = sizeof(s.a.v4);
	} else {
		s.a.v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(port) };
		s.a.v6.sin6_addr = in6addr_loopback;
		s.len = sizeof(s.a.v6);
	}
	return s;
}

/* Where the rules lead. */
static struct sock_addr server_of(int family, uint16_t port)
{
	bool translated = port == PORT_DNAT || port == PORT_BOTH;
	struct sock_addr s = loopback(family, translated ? PORT_PLAIN : port);

	if (translated && family == AF_INET)
		s.a.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 8); /* 127.0.0.9 */
	return s;
}

/* One connection, ended by FIN or by RST. False if there is no such protocol or nobody answers. */
static bool stream(int family, int proto, uint16_t port, bool reset)
{
	struct sock_addr server = server_of(family, port), to = loopback(family, port);
	int l = socket(family, SOCK_STREAM, proto), c = socket(family, SOCK_STREAM, proto), s = -1,
	    one = 1;
	const struct linger hard = { .l_onoff = 1, .l_linger = 0 };
	const struct timeval patience = { .tv_usec = 200000 };
	char b[16];
	bool ok;

	setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	for (int i = 0; i < 2; i++) { /* an accepted socket inherits them */
		setsockopt(i ? l : c, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
		setsockopt(i ? l : c, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	}
	ok = l >= 0 && c >= 0 && bind(l, &server.a.any, server.len) == 0 && listen(l, 1) == 0 &&
	     connect(c, &to.a.any, to.len) == 0 && (s = accept(l, NULL, NULL)) >= 0 &&
	     send(c, "question", 8, 0) == 8 && recv(s, b, sizeof(b), 0) == 8 &&
	     send(s, "answer", 6, 0) == 6 && recv(c, b, sizeof(b), 0) == 6;
	if (reset && c >= 0)
		setsockopt(c, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	if (c >= 0)
		close(c);
	if (s >= 0)
		close(s);
	if (l >= 0)
		close(l);
	return ok;
}

static bool datagram(int family, int proto, uint16_t port)
{
	struct sock_addr server = server_of(family, port), to = loopback(family, port);
	struct sock_addr from = { .len = sizeof(from.a) };
	int l = socket(family, SOCK_DGRAM, proto), c = socket(family, SOCK_DGRAM, proto);
	const struct timeval patience = { .tv_usec = 200000 };
	char b[16];
	bool ok;

	setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(c, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	ok = l >= 0 && c >= 0 && bind(l, &server.a.any, server.len) == 0 &&
	     connect(c, &to.a.any, to.len) == 0 && send(c, "question", 8, 0) == 8;
	for (int i = 0; ok && i < 3; i++) { /* more than one round trip: assured */
		ok = recvfrom(l, b, sizeof(b), 0, &from.a.any, &from.len) == 8 &&
		     sendto(l, "answer", 6, 0, &from.a.any, from.len) == 6 &&
		     recv(c, b, sizeof(b), 0) == 6 && send(c, "question", 8, 0) == 8;
	}
	if (l >= 0)
		close(l);
	if (c >= 0)
		close(c);
	return ok;
}

static uint16_t checksum(const void *data, size_t n)
{
	const uint8_t *p = data;
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < n; i += 2)
		sum += (uint32_t)(p[i] << 8 | p[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static bool raw(int family, int proto, const void *payload, size_t n)
{
	struct sock_addr to = loopback(family, 0);
	int s = socket(family, SOCK_RAW, proto);
	bool ok = s >= 0 && sendto(s, payload, n, 0, &to.a.any, to.len) == (ssize_t)n;

	if (s >= 0)
		close(s);
	return ok;
}

static bool echo(int family)
{
	struct icmphdr v4 = { .type = ICMP_ECHO, .un.echo.id = htons(4660) };
	const struct icmp6_hdr v6 = { .icmp6_type = ICMP6_ECHO_REQUEST, .icmp6_id = htons(17185) };

	v4.checksum = checksum(&v4, sizeof(v4));
	if (family == AF_INET)
		return raw(family, IPPROTO_ICMP, &v4, sizeof(v4));
	return raw(family, IPPROTO_ICMPV6, &v6, sizeof(v6));
}

static void told(bool ok, const char *what, int port)
{
	if (!ok)
		print_message("no traffic of this kind here: %s %d\n", what, port);
}

static void traffic(void)
{
	static const int families[] = { AF_INET, AF_INET6 };
	/* GRE with protocol type IPv4; version 1 with a key as in PPTP. */
	static const uint8_t gre0[] = { 0, 0, 8, 0 },
			     gre1[] = { 0x20, 1, 0x88, 0x0b, 0, 0, 0x12, 0x34 };

	for (size_t i = 0; i < LEN(families); i++) {
		for (uint16_t port = PORT_PLAIN; port < PORT_END; port++) {
			told(stream(families[i], IPPROTO_TCP, port, false), "tcp", port);
			told(datagram(families[i], IPPROTO_UDP, port), "udp", port);
		}
		told(stream(families[i], IPPROTO_TCP, PORT_PLAIN, true), "tcp, reset", 0);
		told(stream(families[i], IPPROTO_SCTP, PORT_PLAIN, false), "sctp", 0);
		told(datagram(families[i], IPPROTO_UDPLITE, PORT_MARK), "udplite", 0);
		told(echo(families[i]), "icmp", 0);
		told(raw(families[i], IPPROTO_GRE, gre0, sizeof(gre0)), "gre", 0);
		told(raw(families[i], IPPROTO_GRE, gre1, sizeof(gre1)), "gre with key", 0);
		told(raw(families[i], 89, "hello, neighbour", 16), "ospf", 0);
	}
}

/* Flows that no traffic here makes. The kernel refuses some: a helper it does not have, a master
 * that is not there. */
static size_t create(void)
{
	uint64_t s = seed_get();
	struct kernel_hand hand;
	size_t n = 0;

	kernel_open(&hand);
	for (int i = 0; i < N_CREATED; i++) {
		struct flow_rare rare;
		struct ct_flow f;

		random_flow(&s, &f, &rare);
		f.has &= ~(FLOW_HAS_MASTER | FLOW_HAS_MASTER_PORTS | FLOW_HAS_HELPER);
		f.status &= 0xf;
		n += kernel_create(&hand, &f) == 0;
	}
	kernel_close(&hand);
	return n;
}

/* ---- listening ---- */

static struct mnl_socket *listener(void)
{
	struct mnl_socket *nl = mnl_socket_open(NETLINK_NETFILTER);
	int size = 32 << 20;

	assert_non_null(nl);
	assert_int_equal(mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID), 0);
	setsockopt(mnl_socket_get_fd(nl), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	for (int g = NFNLGRP_CONNTRACK_NEW; g <= NFNLGRP_CONNTRACK_DESTROY; g++)
		assert_int_equal(mnl_socket_setsockopt(nl, NETLINK_ADD_MEMBERSHIP, &g, sizeof(g)),
				 0);
	return nl;
}

/* Everything the socket has, until it is quiet or the dump ends. */
static void collect(struct mnl_socket *nl, struct oracle_list *out)
{
	_Alignas(struct nlmsghdr) static uint8_t buf[1 << 18];
	struct pollfd p = { .fd = mnl_socket_get_fd(nl), .events = POLLIN };

	while (poll(&p, 1, 200) == 1) {
		ssize_t got = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		int left = (int)got;

		assert_true(got > 0);
		for (const struct nlmsghdr *h = (const void *)buf; mnl_nlmsg_ok(h, left);
		     h = mnl_nlmsg_next(h, &left)) {
			if (h->nlmsg_type == NLMSG_DONE)
				return;
			if (h->nlmsg_type >> 8 == NFNL_SUBSYS_CTNETLINK)
				oracle_list_add(out, h, h->nlmsg_len);
		}
	}
}

static void ask(struct mnl_socket *nl, uint16_t type, uint16_t flags)
{
	char buf[64];
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);

	h->nlmsg_type = (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type);
	h->nlmsg_flags = NLM_F_REQUEST | flags;
	mnl_nlmsg_put_extra_header(h, sizeof(struct nfgenmsg));
	assert_true(mnl_socket_sendto(nl, h, h->nlmsg_len) > 0);
}

void oracle_live(struct oracle_list *out)
{
	struct mnl_socket *events, *dump = mnl_socket_open(NETLINK_NETFILTER);
	size_t n_events, n_created;

	prepare();
	events = listener();
	traffic();
	n_created = create();
	collect(events, out);
	n_events = out->n;
	assert_non_null(dump);
	assert_int_equal(mnl_socket_bind(dump, 0, MNL_SOCKET_AUTOPID), 0);
	ask(dump, IPCTNL_MSG_CT_GET, NLM_F_DUMP);
	collect(dump, out);
	print_message("%zu events, %zu entries of the table, of which %zu made by ctnetlink",
		      n_events, out->n - n_events, n_created);
	n_events = out->n;
	ask(dump, IPCTNL_MSG_CT_DELETE, 0);
	collect(events, out);
	print_message(", %zu events of their end\n", out->n - n_events);
	mnl_socket_close(events);
	mnl_socket_close(dump);
}

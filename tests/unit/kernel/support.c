/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of kernel/ share: random flows, comparison part by part, a namespace, single
 * requests. */
#include "unit/kernel/support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "kernel/ct.h"
#include "kernel/ct_sock.h"

uint64_t seed_get(void)
{
	const char *given = getenv("CT_SEED");
	uint64_t seed =
		given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL) << 16 ^ (uint64_t)getpid();

	print_message("seed: CT_SEED=%llu\n", (unsigned long long)seed);
	return seed * 2 + 1;
}

uint32_t rnd(uint64_t *state, uint32_t below)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (uint32_t)((*state * UINT64_C(0x2545F4914F6CDD1D)) >> 33) % below;
}

static void random_bytes(uint64_t *state, void *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((uint8_t *)p)[i] = (uint8_t)rnd(state, 256);
}

static void random_rare(uint64_t *s, struct ct_flow *f, struct flow_rare *r)
{
	static const char *const helpers[] = { "ftp", "sip", "a", "fifteen-letters" };

	random_bytes(s, r, sizeof(*r));
	memset(r->helper, 0, sizeof(r->helper));
	strcpy(r->helper, helpers[rnd(s, 4)]);
	r->synproxy[0] |= 1;
	r->synproxy_set = true;
	r->master_l4 = rnd(s, 2) ? IPPROTO_TCP : IPPROTO_UDP;
	f->has |= rnd(s, 256) * FLOW_HAS_SEQADJ &
		  (FLOW_HAS_SEQADJ | FLOW_HAS_HELPER | FLOW_HAS_LABELS | FLOW_HAS_SYNPROXY |
		   FLOW_HAS_VTAGS | FLOW_HAS_MASTER);
	if (f->has & FLOW_HAS_MASTER)
		f->has |= FLOW_HAS_MASTER_PORTS;
	if (f->l4 != IPPROTO_SCTP)
		f->has &= ~FLOW_HAS_VTAGS;
	f->rare = r;
}

void random_flow(uint64_t *s, struct ct_flow *f, struct flow_rare *rare)
{
	static const uint8_t l4s[] = {
		IPPROTO_TCP,  IPPROTO_TCP, IPPROTO_UDP,	    IPPROTO_ICMP, IPPROTO_ICMPV6,
		IPPROTO_SCTP, IPPROTO_GRE, IPPROTO_UDPLITE, 89,
	};

	*f = (struct ct_flow){ .l3 = rnd(s, 2) ? AF_INET : AF_INET6,
			       .l4 = l4s[rnd(s, sizeof(l4s))] };
	if (f->l4 == IPPROTO_ICMP || f->l4 == IPPROTO_ICMPV6)
		f->l4 = f->l3 == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	random_bytes(s, &f->addr, f->l3 == AF_INET ? 16 : 64);
	f->status = rnd(s, 1 << 16);
	f->timeout_s = 1 + rnd(s, 1000000);
	f->mark = rnd(s, UINT32_MAX);
	f->zone = (uint16_t)(1 + rnd(s, 65535));
	f->zone_dir = (uint8_t)rnd(s, 3);
	random_bytes(s, &f->orig, 2 * sizeof(f->orig));
	f->wscale[0] = (uint8_t)rnd(s, 15);
	f->wscale[1] = (uint8_t)rnd(s, 15);
	f->has = FLOW_HAS_STATUS | FLOW_HAS_TIMEOUT |
		 (rnd(s, 4096) * FLOW_HAS_MARK &
		  (FLOW_HAS_MARK | FLOW_FROM_PEER_NAT | FLOW_HAS_ZONE));
	if (f->l4 != 89)
		f->has |= FLOW_HAS_PORTS;
	if (f->l4 == IPPROTO_ICMP || f->l4 == IPPROTO_ICMPV6) {
		uint8_t type[2] = { f->l4 == IPPROTO_ICMP ? 8 : 128, 0 };

		memcpy(&f->orig.dport, type, 2);
	}
	if (f->l4 == IPPROTO_TCP && rnd(s, 4)) {
		f->proto_state = (uint8_t)rnd(s, 10);
		f->has |= FLOW_HAS_PROTO_STATE | (rnd(s, 2) ? FLOW_HAS_WSCALE : 0);
	}
	if (!flow_l4_has_ports(f->l4))
		f->has &= ~(FLOW_HAS_SPAT | FLOW_HAS_DPAT);
	if (rnd(s, 3) == 0)
		random_rare(s, f, rare);
	if (f->has & FLOW_HAS_VTAGS) {
		f->proto_state = (uint8_t)rnd(s, 8);
		f->has |= FLOW_HAS_PROTO_STATE;
	}
	if (!(f->has & (FLOW_RARE_PARTS | FLOW_HAS_SYNPROXY)))
		f->rare = NULL;
}

struct ct_flow tcp_flow(uint16_t sport)
{
	struct ct_flow f = {
		.has = FLOW_HAS_PORTS | FLOW_HAS_STATUS | FLOW_HAS_TIMEOUT | FLOW_HAS_PROTO_STATE,
		.l3 = AF_INET,
		.l4 = IPPROTO_TCP,
		.status = IPS_SEEN_REPLY | IPS_ASSURED | IPS_CONFIRMED,
		.timeout_s = 1000,
		.orig = { .sport = htons(sport), .dport = htons(80) },
		.proto_state = TCP_CONNTRACK_ESTABLISHED,
	};

	f.addr.v4.src = htonl(0x0a000001);
	f.addr.v4.dst = htonl(0x0a000002);
	return f;
}

#define DIFFERS(field) (memcmp(&(a->field), &(b->field), sizeof(a->field)) != 0)

static const char *rare_difference(const struct flow_rare *a, const struct flow_rare *b,
				   uint32_t has, size_t addr_len)
{
	if ((has & FLOW_HAS_SEQADJ) && DIFFERS(adj))
		return "sequence adjustment";
	if ((has & FLOW_HAS_HELPER) && strcmp(a->helper, b->helper) != 0)
		return "helper";
	if ((has & FLOW_HAS_LABELS) && DIFFERS(labels))
		return "labels";
	if ((has & FLOW_HAS_SYNPROXY) &&
	    (a->synproxy_set != b->synproxy_set || (a->synproxy_set && DIFFERS(synproxy))))
		return "synproxy";
	if ((has & FLOW_HAS_VTAGS) && DIFFERS(vtag))
		return "vtags";
	if ((has & FLOW_HAS_MASTER) &&
	    (memcmp(&a->master_src, &b->master_src, addr_len) != 0 ||
	     memcmp(&a->master_dst, &b->master_dst, addr_len) != 0 || a->master_l4 != b->master_l4))
		return "master";
	if ((has & FLOW_HAS_MASTER_PORTS) && (DIFFERS(master_sport) || DIFFERS(master_dport)))
		return "master ports";
	if ((has & FLOW_HAS_COUNTERS) && (DIFFERS(bytes) || DIFFERS(packets)))
		return "counters";
	if ((has & FLOW_HAS_TIMES) && (DIFFERS(start_ns) || DIFFERS(stop_ns)))
		return "times";
	if ((has & FLOW_HAS_DCCP_ROLE) && DIFFERS(dccp_role))
		return "DCCP role";
	if ((has & FLOW_HAS_REPLY_ZONE) && DIFFERS(reply_zone))
		return "reply zone";
	return NULL;
}

const char *flow_difference(const struct ct_flow *a, const struct ct_flow *b, uint32_t parts)
{
	uint32_t has = a->has & parts;
	size_t len = a->l3 == AF_INET ? 4 : 16;
	static char text[64];

	if (((a->has ^ b->has) & parts) != 0) {
		snprintf(text, sizeof(text), "presence %08x / %08x", a->has & parts,
			 b->has & parts);
		return text;
	}
	if (DIFFERS(l3) || DIFFERS(l4) || memcmp(&a->addr, &b->addr, 2 * len) != 0)
		return "original tuple";
	if ((has & FLOW_HAS_PORTS) && DIFFERS(orig))
		return "ports";
	if ((has & FLOW_HAS_REPLY) &&
	    memcmp((const char *)&a->addr + 2 * len, (const char *)&b->addr + 2 * len, 2 * len))
		return "reply addresses";
	if ((has & FLOW_HAS_REPLY) && (has & FLOW_HAS_PORTS) && DIFFERS(reply))
		return "reply ports";
	if ((has & FLOW_HAS_STATUS) && a->status != b->status) {
		snprintf(text, sizeof(text), "status %08x / %08x", a->status, b->status);
		return text;
	}
	if ((has & FLOW_HAS_TIMEOUT) &&
	    (a->timeout_s > b->timeout_s + 5 || b->timeout_s > a->timeout_s + 5)) {
		snprintf(text, sizeof(text), "timeout %u / %u", a->timeout_s, b->timeout_s);
		return text;
	}
	if ((has & FLOW_HAS_MARK) && DIFFERS(mark))
		return "mark";
	if ((has & FLOW_HAS_PROTO_STATE) && DIFFERS(proto_state))
		return "protocol state";
	if ((has & FLOW_HAS_WSCALE) && DIFFERS(wscale))
		return "window scales";
	if ((has & FLOW_HAS_ZONE) && (DIFFERS(zone) || DIFFERS(zone_dir)))
		return "zone";
	if ((has & FLOW_HAS_ID) && DIFFERS(id))
		return "id";
	if (!(has & (FLOW_RARE_PARTS | FLOW_HAS_SYNPROXY)) || (!a->rare && !b->rare))
		return NULL;
	if (!a->rare || !b->rare)
		return "one has no rare parts";
	return rare_difference(a->rare, b->rare, has, len);
}

bool netns_enter(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	struct text err = { 0 };
	bool ok;
	int fd;

	if (unshare(CLONE_NEWNET) == -1) {
		print_message("skipped: no network namespace: %s\n", strerror(errno));
		return false;
	}
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd == -1 || ioctl(fd, SIOCSIFFLAGS, &ifr) == -1)
		print_message("loopback stays down: %s\n", strerror(errno));
	close(fd);
	fd = ct_sock_open(NULL, &err);
	ok = fd >= 0 && ct_sock_probe(fd, &err) == 0;
	if (fd >= 0)
		close(fd);
	if (!ok)
		print_message("skipped: %s\n", err.buf ? err.buf : "no connection tracking");
	text_free(&err);
	return ok;
}

int run(const char *fmt, ...)
{
	char cmd[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	return system(cmd);
}

bool turn_until(struct evloop *loop, const bool *flag, int64_t max_ms)
{
	struct mono end = mono_add_ms(clock_now(), max_ms);

	while (!*flag && mono_before(clock_now(), end))
		evloop_turn(loop, NULL, 20);
	return *flag;
}

void turn_for(struct evloop *loop, int64_t ms)
{
	const bool never = false;

	turn_until(loop, &never, ms);
}

void kernel_open(struct kernel_hand *k)
{
	k->fd = ct_sock_open(&k->portid, NULL);
	assert_true(k->fd >= 0);
}

void kernel_close(struct kernel_hand *k)
{
	close(k->fd);
}

static ssize_t answer(struct kernel_hand *k, void *buf, size_t cap)
{
	struct pollfd p = { .fd = k->fd, .events = POLLIN };
	ssize_t n;

	assert_int_equal(poll(&p, 1, 5000), 1);
	n = recv(k->fd, buf, cap, 0);
	assert_true(n >= (ssize_t)(sizeof(struct nlmsghdr) + sizeof(int)));
	return n;
}

int kernel_request(struct kernel_hand *k, const void *req, size_t len)
{
	_Alignas(struct nlmsghdr) uint8_t buf[8192];
	int err;

	assert_true(len > 0);
	assert_int_equal(ct_sock_send(k->fd, req, len), 0);
	answer(k, buf, sizeof(buf));
	assert_int_equal(((struct nlmsghdr *)buf)->nlmsg_type, NLMSG_ERROR);
	memcpy(&err, buf + sizeof(struct nlmsghdr), sizeof(err));
	return err;
}

int kernel_create(struct kernel_hand *k, const struct ct_flow *f)
{
	const struct ct_build_opts o = { .timeout_s = 0 };
	uint8_t req[CT_BUILD_MAX];

	return kernel_request(k, req, ct_build_create(f, &o, 1, req, sizeof(req)));
}

int kernel_update(struct kernel_hand *k, const struct ct_flow *f)
{
	const struct ct_build_opts o = { .update = true };
	uint8_t req[CT_BUILD_MAX];

	return kernel_request(k, req, ct_build_create(f, &o, 1, req, sizeof(req)));
}

int kernel_destroy(struct kernel_hand *k, const struct ct_flow *f)
{
	uint8_t req[CT_BUILD_MAX];

	return kernel_request(k, req, ct_build_destroy(f, 1, req, sizeof(req)));
}

int kernel_get(struct kernel_hand *k, const struct ct_flow *f, struct ct_flow *out,
	       struct flow_rare *rare)
{
	_Alignas(struct nlmsghdr) uint8_t buf[8192];
	uint8_t req[CT_BUILD_MAX];
	enum ct_event what;
	ssize_t n;
	int err;

	assert_int_equal(ct_sock_send(k->fd, req, ct_build_get(f, 1, req, sizeof(req))), 0);
	n = answer(k, buf, sizeof(buf));
	if (((struct nlmsghdr *)buf)->nlmsg_type != NLMSG_ERROR)
		return ct_parse(buf, (size_t)n, &what, out, rare);
	memcpy(&err, buf + sizeof(struct nlmsghdr), sizeof(err));
	return err;
}

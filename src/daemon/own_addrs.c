/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses that have been there all the time: read once, and each that leaves is forgotten, though
 * it come back (rtnetlink tells when). When the kernel's messages found no room, what is there now
 * is compared with what is known. An address that is forgotten in error costs microseconds, one
 * that is kept in error costs connections. */
#include "daemon/own_addrs.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

struct own_addr {
	uint8_t l3;
	uint8_t bytes[16]; /* IPv4: the rest is zero */
};

struct own_addrs {
	struct evloop *loop;
	struct ev_io io;
	struct own_addr *list; /* owned; n in order */
	size_t n;
};

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct own_addr));
}

static struct own_addr addr_of(uint8_t l3, const void *bytes)
{
	struct own_addr a = { .l3 = l3 };

	memcpy(a.bytes, bytes, l3 == AF_INET ? 4 : 16);
	return a;
}

static bool of_sockaddr(const struct sockaddr *sa, struct own_addr *a)
{
	if (sa && sa->sa_family == AF_INET)
		*a = addr_of(AF_INET, &((const struct sockaddr_in *)sa)->sin_addr);
	else if (sa && sa->sa_family == AF_INET6)
		*a = addr_of(AF_INET6, &((const struct sockaddr_in6 *)sa)->sin6_addr);
	else
		return false;
	return true;
}

static int read_all(struct own_addr **list, size_t *n)
{
	struct ifaddrs *all, *i;
	size_t max = 0;

	*n = 0;
	if (getifaddrs(&all) == -1)
		return -errno;
	for (i = all; i; i = i->ifa_next)
		max++;
	*list = calloc(max + 1, sizeof(**list));
	for (i = all; *list && i; i = i->ifa_next)
		*n += of_sockaddr(i->ifa_addr, &(*list)[*n]);
	freeifaddrs(all);
	if (!*list)
		return -ENOMEM;
	qsort(*list, *n, sizeof(**list), compare);
	return 0;
}

int own_addrs_take(struct own_addrs *o)
{
	free(o->list);
	o->list = NULL;
	return read_all(&o->list, &o->n);
}

bool own_addrs_has(const struct own_addrs *o, uint8_t l3, const void *addr)
{
	const struct own_addr a = addr_of(l3, addr);

	return o->n > 0 && bsearch(&a, o->list, o->n, sizeof(a), compare);
}

/* ---- what leaves ---- */

static void forget(struct own_addrs *o, const struct own_addr *a)
{
	struct own_addr *at = o->n ? bsearch(a, o->list, o->n, sizeof(*a), compare) : NULL;
	size_t i;

	if (!at)
		return;
	i = (size_t)(at - o->list);
	memmove(at, at + 1, (o->n - i - 1) * sizeof(*at));
	o->n--;
}

/* Messages were lost: which of them are not there now? */
static void look_again(struct own_addrs *o)
{
	struct own_addr *now = NULL;
	size_t n, kept = 0;

	if (read_all(&now, &n) < 0)
		n = 0;
	for (size_t i = 0; i < o->n; i++) {
		if (n && bsearch(&o->list[i], now, n, sizeof(*now), compare))
			o->list[kept++] = o->list[i];
	}
	o->n = kept;
	free(now);
}

static void take_message(struct own_addrs *o, const struct nlmsghdr *h)
{
	const struct ifaddrmsg *m = NLMSG_DATA(h);
	unsigned int left;
	const struct rtattr *r;
	struct own_addr a;

	if (h->nlmsg_type != RTM_DELADDR || h->nlmsg_len < NLMSG_LENGTH(sizeof(*m)) ||
	    (m->ifa_family != AF_INET && m->ifa_family != AF_INET6))
		return;
	left = (unsigned int)IFA_PAYLOAD(h);
	for (r = IFA_RTA(m); RTA_OK(r, left); r = RTA_NEXT(r, left)) {
		if ((r->rta_type != IFA_LOCAL && r->rta_type != IFA_ADDRESS) ||
		    RTA_PAYLOAD(r) < (m->ifa_family == AF_INET ? 4 : 16))
			continue;
		a = addr_of(m->ifa_family, RTA_DATA(r));
		forget(o, &a);
	}
}

static void on_ready(void *ctx, unsigned int ready, struct mono now)
{
	_Alignas(struct nlmsghdr) uint8_t buf[16384];
	struct own_addrs *o = ctx;
	const struct nlmsghdr *h = (const struct nlmsghdr *)buf;
	ssize_t n = recv(o->io.fd, buf, sizeof(buf), MSG_DONTWAIT);
	unsigned int left;

	(void)ready;
	(void)now;
	if (n == -1 && errno == ENOBUFS)
		look_again(o);
	if (n <= 0)
		return;
	left = (unsigned int)n;
	for (; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left))
		take_message(o, h);
}

/* ---- lifetime ---- */

int own_addrs_open(struct evloop *loop, struct own_addrs **out, struct text *err)
{
	struct sockaddr_nl sa = { .nl_family = AF_NETLINK,
				  .nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR };
	struct own_addrs *o = calloc(1, sizeof(*o));
	int fd, rc = 0;

	if (!o)
		return -ENOMEM;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (fd == -1 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == -1)
		rc = -errno;
	o->loop = loop;
	o->io = (struct ev_io){
		.fd = fd, .want = EV_READ, .cb = on_ready, .ctx = o, .name = "addresses"
	};
	if (rc == 0)
		rc = ev_io_add(loop, &o->io);
	if (rc < 0) {
		text_printf(err, "gate: the kernel does not tell about addresses: %s",
			    strerror(-rc));
		if (fd != -1)
			close(fd);
		free(o);
		return rc;
	}
	*out = o;
	return 0;
}

void own_addrs_close(struct own_addrs *o)
{
	if (!o)
		return;
	ev_io_del(o->loop, &o->io);
	close(o->io.fd);
	free(o->list);
	free(o);
}

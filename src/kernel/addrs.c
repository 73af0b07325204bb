/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which addresses are here, and which have just left, by the messages of rtnetlink(7).
 *
 * The kernel tells that an address has gone before it deletes the flows that were masqueraded by
 * it. Where messages were lost all addresses are read anew, and what was here before and is no more
 * has left now. */
#include "kernel/addrs.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LEFT_MAX 64 /* the oldest is forgotten */

struct entry {
	int family;
	unsigned int ifindex;
	uint8_t addr[16];
	bool seen; /* by the dump that goes on */
};

struct left {
	int family;
	uint8_t addr[16];
	struct mono at; /* not set: no entry */
};

struct addrs {
	struct evloop *loop;
	struct ev_io io;
	struct entry *at;
	size_t n, cap;
	struct left left[LEFT_MAX];
	unsigned int next_left;
	bool dumping, again; /* messages were lost: a dump is to follow the one that goes on */
	bool partly;	     /* the dump that goes on does not show all */
	void (*changed)(void *ctx, struct mono now);
	void *ctx;
};

static size_t len_of(int family)
{
	return family == AF_INET ? 4 : 16;
}

static bool same(int family, const uint8_t *have, int other, const void *addr)
{
	return family == other && memcmp(have, addr, len_of(family)) == 0;
}

bool addrs_here(const struct addrs *a, int family, const void *addr)
{
	for (size_t i = 0; i < a->n; i++)
		if (same(a->at[i].family, a->at[i].addr, family, addr))
			return true;
	return false;
}

/* ---- changes ---- */

static struct entry *find(struct addrs *a, const struct entry *e)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->at[i].ifindex == e->ifindex &&
		    same(a->at[i].family, a->at[i].addr, e->family, e->addr))
			return &a->at[i];
	return NULL;
}

static void come(struct addrs *a, const struct entry *e)
{
	struct entry *old = find(a, e), *more;

	if (old) {
		old->seen = true;
		return;
	}
	if (a->n == a->cap) {
		more = reallocarray(a->at, a->cap ? a->cap * 2 : 16, sizeof(*more));
		if (!more)
			return;
		a->cap = a->cap ? a->cap * 2 : 16;
		a->at = more;
	}
	a->at[a->n] = *e;
	a->at[a->n++].seen = true;
}

static void leave(struct addrs *a, struct entry *e, struct mono now)
{
	struct entry gone = *e;
	struct left *l = &a->left[a->next_left];

	*e = a->at[--a->n];
	if (addrs_here(a, gone.family, gone.addr))
		return;
	*l = (struct left){ .family = gone.family, .at = now };
	memcpy(l->addr, gone.addr, sizeof(l->addr));
	a->next_left = (a->next_left + 1) % LEFT_MAX;
}

/* ---- messages ---- */

static bool entry_of(const struct nlmsghdr *h, struct entry *out)
{
	const struct ifaddrmsg *m = NLMSG_DATA(h);
	int left = (int)h->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*m));
	const struct rtattr *found = NULL;

	if (left < 0 || (m->ifa_family != AF_INET && m->ifa_family != AF_INET6))
		return false;
	*out = (struct entry){ .family = m->ifa_family, .ifindex = m->ifa_index };
	/* IFA_ADDRESS of a point-to-point interface is the other end's. */
	for (const struct rtattr *r = IFA_RTA(m); RTA_OK(r, left); r = RTA_NEXT(r, left))
		if (r->rta_type == IFA_LOCAL || (r->rta_type == IFA_ADDRESS && !found))
			found = r;
	if (!found || RTA_PAYLOAD(found) != len_of(out->family))
		return false;
	memcpy(out->addr, RTA_DATA(found), len_of(out->family));
	return true;
}

static int ask_all(struct addrs *a)
{
	struct {
		struct nlmsghdr h;
		struct ifaddrmsg m;
	} req = { .h = { .nlmsg_len = NLMSG_LENGTH(sizeof(req.m)),
			 .nlmsg_type = RTM_GETADDR,
			 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP } };
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

	a->again = a->partly = false;
	for (size_t i = 0; i < a->n; i++)
		a->at[i].seen = false;
	if (sendto(a->io.fd, &req, req.h.nlmsg_len, 0, (const struct sockaddr *)&kernel,
		   sizeof(kernel)) == -1)
		return -errno;
	a->dumping = true;
	return 0;
}

/* The dump has ended: what it has not shown is not here, unless it failed or addresses changed
 * under it. An address taken for one that has left would hide ends of flows. */
static void sweep(struct addrs *a, struct mono now)
{
	a->dumping = false;
	for (size_t i = a->n; i-- > 0 && !a->partly;)
		if (!a->at[i].seen)
			leave(a, &a->at[i], now);
	if (a->again)
		ask_all(a);
}

static void take(struct addrs *a, const struct nlmsghdr *h, struct mono now)
{
	struct entry e, *old;

	if (h->nlmsg_flags & NLM_F_DUMP_INTR)
		a->again = a->partly = true;
	if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR) {
		a->partly |= h->nlmsg_type == NLMSG_ERROR;
		sweep(a, now);
		return;
	}
	if ((h->nlmsg_type != RTM_NEWADDR && h->nlmsg_type != RTM_DELADDR) || !entry_of(h, &e))
		return;
	old = find(a, &e);
	if (h->nlmsg_type == RTM_NEWADDR)
		come(a, &e);
	else if (old)
		leave(a, old, now);
}

/* All that waits. True: something has come. */
static bool read_all(struct addrs *a, struct mono now)
{
	union {
		struct nlmsghdr h; /* for alignment */
		uint8_t bytes[16384];
	} buf;
	bool any = false;

	for (;;) {
		ssize_t n = recv(a->io.fd, &buf, sizeof(buf), MSG_DONTWAIT);
		size_t left = n > 0 ? (size_t)n : 0;

		if (n == -1 && errno == ENOBUFS) {
			a->again = true;
			if (!a->dumping)
				ask_all(a);
			continue;
		}
		if (n <= 0)
			return any;
		any = true;
		for (const struct nlmsghdr *h = &buf.h; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left))
			take(a, h, now);
	}
}

static void on_readable(void *ctx, unsigned int ready, struct mono now)
{
	struct addrs *a = ctx;

	(void)ready;
	if (read_all(a, now) && a->changed)
		a->changed(a->ctx, now);
}

static bool among_left(const struct addrs *a, int family, const void *addr, struct mono now)
{
	for (unsigned int i = 0; i < LEFT_MAX; i++) {
		const struct left *l = &a->left[i];

		if (mono_is_set(l->at) && mono_diff_ms(now, l->at) < ADDRS_LEFT_MS &&
		    same(l->family, l->addr, family, addr))
			return true;
	}
	return false;
}

bool addrs_left(struct addrs *a, int family, const void *addr, struct mono now)
{
	/* Of one that was never here, as of a pool, there is nothing to read. */
	if (!addrs_here(a, family, addr) && !among_left(a, family, addr, now))
		return false;
	read_all(a, now);
	return !addrs_here(a, family, addr) && among_left(a, family, addr, now);
}

/* ---- lifetime ---- */

static int open_socket(struct addrs *a)
{
	const struct sockaddr_nl own = { .nl_family = AF_NETLINK,
					 .nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
	int err;

	if (fd == -1)
		return -errno;
	a->io = (struct ev_io){
		.fd = fd, .want = EV_READ, .cb = on_readable, .ctx = a, .name = "addresses"
	};
	err = bind(fd, (const struct sockaddr *)&own, sizeof(own)) == -1 ? -errno : 0;
	if (err == 0)
		err = ev_io_add(a->loop, &a->io);
	if (err < 0) {
		close(fd);
		a->io.fd = -1;
	}
	return err;
}

int addrs_open(struct evloop *loop, void (*changed)(void *ctx, struct mono now), void *ctx,
	       struct addrs **out, struct text *err)
{
	struct addrs *a = calloc(1, sizeof(*a));
	int ret;

	if (!a)
		return -ENOMEM;
	a->loop = loop;
	a->changed = changed;
	a->ctx = ctx;
	a->io.fd = -1;
	ret = open_socket(a);
	if (ret == 0)
		ret = ask_all(a); /* the kernel has answered when that returns */
	if (ret < 0) {
		text_printf(err, "cannot read the addresses of this machine: %s", strerror(-ret));
		addrs_close(a);
		return ret;
	}
	read_all(a, clock_now());
	*out = a;
	return 0;
}

void addrs_close(struct addrs *a)
{
	if (!a)
		return;
	if (a->io.fd != -1) {
		ev_io_del(a->loop, &a->io);
		close(a->io.fd);
	}
	free(a->at);
	free(a);
}

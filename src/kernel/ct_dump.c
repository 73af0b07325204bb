/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel table as a stream of flows (or that of the expectations), in steps.
 *
 * The kernel makes each part of a dump while we read it (up to 32 KiB, some 130 flows, about half a
 * millisecond), so one read per turn of the loop is a step, and nothing happens while nobody reads:
 * pausing costs nothing. What a dump shows is not a snapshot: an entry that moves or is born
 * meanwhile may be missed or shown twice, also without NLM_F_DUMP_INTR.
 *
 *	state	on			action
 *	idle	start			send the request, read
 *	reading	part of the dump	flow() for each; wait pace_ms
 *	reading	NLMSG_DONE, error	idle, done()
 *	reading	pause			leave the descriptor alone until resumed
 */
#include "kernel/ct.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/ct_sock.h"
#include "kernel/exp.h"
#include "kernel/nl_attr.h"

/* The kernel fills what the reader offers up to 32 KiB; twice that leaves no doubt. */
#define READ_MAX (64u * 1024)
/* A part is only made when the one before has left more than half of the buffer free. */
#define RCVBUF_BYTES (1u << 20)

/* Flows that have been read but not handed on: the owner is told about each beforehand (cb.hints),
 * so that the cache misses of its lookups overlap. They never outlive a read. */
#define AHEAD 16u

struct parsed {
	struct ct_flow flow;
	struct flow_rare rare;
	struct ct_seen seen;
	uint32_t hint; /* of cb.hints.ahead */
};

struct ct_dump {
	struct evloop *loop;
	struct ct_dump_cb cb;
	struct ev_io io;
	struct ev_timer timer;
	int fd;
	uint32_t seq;
	uint32_t pace_ms;
	bool running, paused;
	bool interrupted; /* NLM_F_DUMP_INTR seen */
	struct parsed ahead[AHEAD];
	unsigned int n_ahead;
	uint8_t buf[READ_MAX];
};

static int send_request(struct ct_dump *d)
{
	const unsigned int type = d->cb.expect ?
					  NFNL_SUBSYS_CTNETLINK_EXP << 8 | IPCTNL_MSG_EXP_GET :
					  NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET;
	const struct nl_request req = nl_request(type, NLM_F_DUMP, AF_UNSPEC, d->seq);

	return ct_sock_send(d->fd, &req, sizeof(req));
}

static void read_more(struct ct_dump *d)
{
	ev_io_want(d->loop, &d->io,
		   d->running && !d->paused && !ev_timer_armed(&d->timer) ? EV_READ : 0);
}

/* The verdict of NLMSG_DONE or NLMSG_ERROR: 0 or -errno. */
static int end_code(const struct nlmsghdr *h, const uint8_t *msg)
{
	int code = 0;

	if (h->nlmsg_len >= sizeof(*h) + sizeof(code))
		memcpy(&code, msg + sizeof(*h), sizeof(code));
	else if (h->nlmsg_type == NLMSG_ERROR)
		code = -EPROTO;
	return code > 0 ? -code : code;
}

static void hand_on(struct ct_dump *d, struct mono now)
{
	for (unsigned int i = 0; i < d->n_ahead && d->cb.hints.next; i++)
		d->cb.hints.next(d->cb.hints.ctx, d->ahead[i].hint);
	for (unsigned int i = 0; i < d->n_ahead && d->cb.hints.chain; i++)
		d->cb.hints.chain(d->cb.hints.ctx, d->ahead[i].hint);
	for (unsigned int i = 0; i < d->n_ahead; i++) {
		if (d->cb.flow)
			d->cb.flow(d->cb.ctx, &d->ahead[i].flow, now);
		else
			d->cb.entry(d->cb.ctx, &d->ahead[i].flow, &d->ahead[i].seen, now);
	}
	d->n_ahead = 0;
}

/* One entry. What cannot be read is left out. */
static void take_entry(struct ct_dump *d, const uint8_t *msg, size_t n, struct mono now)
{
	struct parsed *p = &d->ahead[d->n_ahead];
	struct ct_expect x;
	enum ct_event what;

	if (d->cb.expect) {
		if (exp_parse(msg, n, &what, &x) == 0)
			d->cb.expect(d->cb.ctx, &x, now);
		return;
	}
	if (ct_read(msg, n, &what, &p->flow, &p->rare) != 0)
		return;
	if (d->cb.entry)
		ct_parse_seen(msg, n, &p->seen);
	if (d->cb.hints.ahead)
		p->hint = d->cb.hints.ahead(d->cb.hints.ctx, &p->flow);
	if (++d->n_ahead == AHEAD)
		hand_on(d, now);
}

/* Hand on the entries of one read. True at the end of the dump, with *err. */
static bool take(struct ct_dump *d, size_t n, int *err, struct mono now)
{
	const uint8_t *at = d->buf;
	struct nlmsghdr h;
	size_t step;

	for (; n >= sizeof(h); at += step, n -= step) {
		memcpy(&h, at, sizeof(h));
		if (h.nlmsg_len < sizeof(h) || h.nlmsg_len > n) {
			*err = -EPROTO;
			return true;
		}
		step = NLMSG_ALIGN(h.nlmsg_len);
		if (step > n)
			step = n;
		if (h.nlmsg_seq != d->seq)
			continue; /* the rest of an earlier dump */
		if (h.nlmsg_flags & NLM_F_DUMP_INTR)
			d->interrupted = true;
		if (h.nlmsg_type == NLMSG_DONE || h.nlmsg_type == NLMSG_ERROR) {
			*err = end_code(&h, at);
			return true;
		}
		take_entry(d, at, h.nlmsg_len, now);
	}
	return false;
}

static void finish(struct ct_dump *d, int err, struct mono now)
{
	if (!err && d->interrupted)
		err = -EINTR;
	d->running = false;
	ev_timer_del(d->loop, &d->timer);
	read_more(d);
	d->cb.done(d->cb.ctx, err, now); /* may start the next one, or close us */
}

static void on_readable(void *ctx, unsigned int ready, struct mono now)
{
	struct ct_dump *d = ctx;
	ssize_t n = recv(d->fd, d->buf, sizeof(d->buf), MSG_DONTWAIT | MSG_TRUNC);
	int err = 0;
	bool end;

	(void)ready;
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == -1) {
		finish(d, -errno, now);
		return;
	}
	if ((size_t)n > sizeof(d->buf)) {
		finish(d, -EMSGSIZE, now);
		return;
	}
	end = take(d, (size_t)n, &err, now);
	hand_on(d, now);
	if (d->cb.part)
		d->cb.part(d->cb.ctx, now);
	if (end) {
		finish(d, err, now);
		return;
	}
	if (d->pace_ms &&
	    ev_timer_set(d->loop, &d->timer, mono_add_ms(clock_now(), d->pace_ms)) != 0)
		d->pace_ms = 0; /* no memory for a timer: go on without pauses */
	read_more(d);
}

static void on_timer(void *ctx, struct mono now)
{
	(void)now;
	read_more(ctx);
}

static int open_socket(struct ct_dump *d, struct text *err)
{
	int rc;

	rc = ct_sock_open(NULL, err);
	d->fd = rc < 0 ? -1 : rc;
	if (rc < 0)
		return rc;
	ct_sock_set_rcvbuf(d->fd, RCVBUF_BYTES); /* a smaller one works too */
	d->io = (struct ev_io){
		.fd = d->fd, .prio = 4, .cb = on_readable, .ctx = d, .name = "kernel dump"
	};
	rc = ev_io_add(d->loop, &d->io);
	if (rc) {
		if (err)
			text_printf(err, "netlink dump socket: %s", strerror(-rc));
		close(d->fd);
		d->fd = -1;
	}
	return rc;
}

static void close_socket(struct ct_dump *d)
{
	if (d->fd == -1)
		return;
	ev_io_del(d->loop, &d->io);
	close(d->fd);
	d->fd = -1;
}

int ct_dump_open(struct evloop *loop, const struct ct_dump_cb *cb, struct ct_dump **out,
		 struct text *err)
{
	struct ct_dump *d = calloc(1, sizeof(*d));
	int rc;

	if (!d) {
		text_printf(err, "netlink dump socket: %s", strerror(ENOMEM));
		return -ENOMEM;
	}
	d->loop = loop;
	d->cb = *cb;
	d->timer = (struct ev_timer){ .cb = on_timer, .ctx = d, .name = "kernel dump (paced)" };
	rc = open_socket(d, err);
	if (rc) {
		free(d);
		return rc;
	}
	*out = d;
	return 0;
}

void ct_dump_close(struct ct_dump *d)
{
	if (!d)
		return;
	close_socket(d);
	ev_timer_del(d->loop, &d->timer);
	free(d);
}

/* The kernel would refuse the next dump (EBUSY) as long as the rest of this one waits on the
 * socket. */
void ct_dump_stop(struct ct_dump *d)
{
	if (!d->running)
		return;
	d->running = false;
	ev_timer_del(d->loop, &d->timer);
	close_socket(d);
}

int ct_dump_start(struct ct_dump *d, uint32_t pace_ms)
{
	int rc;

	if (d->running)
		return -EBUSY;
	if (d->fd == -1) { /* the last one was given up */
		rc = open_socket(d, NULL);
		if (rc)
			return rc;
	}
	d->seq++;
	rc = send_request(d);
	if (rc)
		return rc;
	d->running = true;
	d->paused = d->interrupted = false;
	d->pace_ms = pace_ms;
	read_more(d);
	return 0;
}

bool ct_dump_running(const struct ct_dump *d)
{
	return d->running;
}

void ct_dump_pause(struct ct_dump *d, bool pause)
{
	d->paused = pause;
	if (d->running)
		read_more(d);
}

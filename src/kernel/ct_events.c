/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The event socket: what the kernel reports about its flows.
 *
 * Nothing may get lost here, and little may be spent. So:
 * - Events are read many per system call into buffers that exist once.
 * - The receive buffer is as large as a burst of a million flows needs; it is a limit, not an
 *   allocation. With the sizes of the configuration it starts at the first and doubles up to the
 *   second while it is more than half full, that is before events are lost, not after.
 * - Under load, waking us up costs more than reading: the forwarding CPU pays for it with each
 *   packet. So while events come faster than one per wait, they gather (base/gather.h):
 *
 *	state		entered when			reads happen
 *	immediate	rate below the threshold	as soon as there is something
 *	gathering	rate above it			every GATHER_NS, by the timer;
 *							GATHER_MANY_NS when many come
 *	flat out	a pass ran into its budget	in each turn of the loop
 *
 * - An overrun (ENOBUFS) is told to the owner, who compares the tables. Until the queue is empty
 *   the kernel goes on dropping, and does not say so again: after one we read on without waiting,
 *   and tell the owner when we are through. A table read before that would lack what is dropped
 *   after it.
 *
 * Buffer sizes: NetlinkBufferSize in conntrackd.conf.5. */
#include "kernel/ct.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_compat.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "base/gather.h"
#include "base/log.h"
#include "flow/filter_conf.h"
#include "kernel/bpf_filter.h"
#include "kernel/ct_sock.h"
#include "kernel/exp.h"
#include "kernel/kernel_conf.h"

/* The kernel builds an event in a buffer of at most a page. The odd stride keeps the messages of a
 * batch from meeting in the same sets of the processor's first cache. */
#define EVENT_MAX    4096u
#define EVENT_STRIDE (EVENT_MAX + 5 * 64u)
#define BATCH	     64u

/* An event occupies this much of the receive buffer until it is read (seen: 1280 for TCP/IPv4). */
#define EVENT_COST   1280u
#define BURST_EVENTS 1000000u
#define BUFFER_MIN   (8u << 20)

#define GATHER_NS MONO_NS_PER_MS
/* Where a wait finds more than fill a datagram or two, a longer one makes fewer turns of the loop
 * and fuller datagrams; the 99th percentile from event to datagram is 2.2 ms then
 * (bench/RESULTS.md). Not where packets wait. */
#define GATHER_MANY    45
#define GATHER_MANY_NS (7 * MONO_NS_PER_MS / 4)
/* Gather from this rate on. Below it a wait would collect one event and only delay it. */
#define GATHER_PER_S	    1500
#define GATHER_PROMPT_PER_S 20000 /* where packets wait for what we tell */
/* A buffer smaller than this is emptied as fast as we can: a burst within one wait could fill
 * it. */
#define GATHER_BUFFER (2u << 20)

#define BUDGET_DEFAULT 1024u

#define SYSCTL_EVENTS "/proc/sys/net/netfilter/nf_conntrack_events"

/* Events that have been read but not handed on: the owner was told about each (cb.hints), so that
 * the cache misses of several lookups overlap. They never outlive a pass. */
#define AHEAD 16u

struct parsed {
	struct ct_flow flow;
	struct flow_rare rare;
	enum ct_event what;
	uint32_t hint; /* of cb.hints.ahead */
};

struct ct_events {
	struct evloop *loop;
	struct ct_events_cb cb;
	struct ev_io io;
	struct ev_timer timer; /* armed while gathering */
	int fd;
	uint32_t budget;       /* events per pass */
	uint32_t buffer_limit; /* the buffer may grow up to here */
	uint32_t drops_seen;   /* the kernel's drop counter when last looked at */
	bool overran;	       /* and the queue has not been empty since */
	uint32_t gather_per_s;
	struct gather gather;
	struct log_limit log;
	struct ct_events_stats stats;
	struct mmsghdr msgs[BATCH];
	struct iovec iov[BATCH];
	uint8_t *bufs; /* BATCH * EVENT_STRIDE */
	struct parsed ahead[AHEAD];
	unsigned int n_ahead;
};

/* ---- buffer size ---- */

/* Room for the burst of a million flows, but never more than a quarter of the machine's memory:
 * what is in the buffer cannot be swapped out. */
static uint32_t buffer_default(void)
{
	uint64_t want = (uint64_t)BURST_EVENTS * EVENT_COST, cap;
	struct sysinfo info;

	if (sysinfo(&info) == -1)
		return BUFFER_MIN;
	cap = (uint64_t)info.totalram * info.mem_unit / 4;
	if (want > cap)
		want = cap;
	return want < BUFFER_MIN ? BUFFER_MIN : (uint32_t)want;
}

/* Where the buffer starts and ends. Without a limit the given size is the limit; a limit alone
 * bounds our choice. */
static void buffer_choose(const struct kernel_conf *conf, uint32_t *start, uint32_t *limit)
{
	uint32_t def = buffer_default();

	*limit = conf->netlink_buffer_max ? conf->netlink_buffer_max :
		 conf->netlink_buffer	  ? conf->netlink_buffer :
					    def;
	*start = conf->netlink_buffer ? conf->netlink_buffer : def;
	if (*start > *limit)
		*start = *limit;
}

static int buffer_set(struct ct_events *e, uint32_t bytes)
{
	int64_t got = ct_sock_set_rcvbuf(e->fd, bytes);

	if (got < 0)
		return (int)got;
	e->stats.buffer_bytes = (uint32_t)got;
	return 0;
}

/* What the kernel says about the socket. */
static bool buffer_look(const struct ct_events *e, uint32_t *fill, uint32_t *drops)
{
	uint32_t mem[SK_MEMINFO_VARS] = { 0 };
	socklen_t len = sizeof(mem);

	if (getsockopt(e->fd, SOL_SOCKET, SO_MEMINFO, mem, &len) == -1)
		return false;
	*fill = mem[SK_MEMINFO_RMEM_ALLOC];
	*drops = mem[SK_MEMINFO_DROPS];
	return true;
}

static void buffer_double(struct ct_events *e)
{
	uint32_t old = e->stats.buffer_bytes;
	uint32_t bytes = old > e->buffer_limit / 2 ? e->buffer_limit : old * 2;

	if (bytes <= old)
		return;
	if (buffer_set(e, bytes) != 0 || e->stats.buffer_bytes <= old) {
		e->buffer_limit = old; /* the kernel gives no more */
		return;
	}
	log_notice("netlink event buffer grown from %u to %u bytes", old, e->stats.buffer_bytes);
}

/* Grow before it overflows. Costs a system call, so only where it can still grow. */
static void buffer_check(struct ct_events *e)
{
	uint32_t fill, drops;

	if (e->stats.buffer_bytes >= e->buffer_limit || !buffer_look(e, &fill, &drops))
		return;
	if (fill > e->stats.buffer_bytes / 2)
		buffer_double(e);
}

/* ---- reading ---- */

static void overrun(struct ct_events *e, struct mono now)
{
	uint64_t wanted = e->stats.buffer_bytes, skipped;
	uint32_t fill, drops;

	e->stats.overruns++;
	if (buffer_look(e, &fill, &drops)) {
		/* The kernel goes on dropping until we have emptied the queue, so this is rather
		 * too much. */
		wanted += (uint64_t)(drops - e->drops_seen) * EVENT_COST;
		e->drops_seen = drops;
	}
	if (wanted > INT32_MAX)
		wanted = INT32_MAX;
	if (wanted > e->stats.wanted_bytes)
		e->stats.wanted_bytes = (uint32_t)wanted;
	if (log_limit_pass(&e->log, 1, 60000, now, &skipped))
		log_warnx("the kernel dropped events: %u bytes of netlink buffer were too few, %u "
			  "would have done (NetlinkBufferSizeMaxGrowth)",
			  e->stats.buffer_bytes, e->stats.wanted_bytes);
	buffer_double(e);
	e->overran = true;
}

static int take_expect(struct ct_events *e, const uint8_t *msg, size_t n, struct mono now)
{
	struct ct_expect x;
	enum ct_event what;
	int err = exp_parse(msg, n, &what, &x);

	if (!err && e->cb.expect)
		e->cb.expect(e->cb.ctx, what, &x, now);
	return err;
}

/* One message that is not about a flow, or not readable. */
static void take_other(struct ct_events *e, const struct nlmsghdr *h, const uint8_t *msg,
		       struct mono now)
{
	unsigned int subsys = h->nlmsg_type >> 8, type = h->nlmsg_type & 0xff;

	if (subsys == NFNL_SUBSYS_CTNETLINK_EXP && type <= IPCTNL_MSG_EXP_DELETE) {
		if (take_expect(e, msg, h->nlmsg_len, now) < 0)
			e->stats.malformed++;
	} else if (subsys != NFNL_SUBSYS_CTNETLINK || type > IPCTNL_MSG_CT_DELETE) {
		e->stats.unknown_type++;
	} else {
		e->stats.malformed++;
	}
}

static void hand_on(struct ct_events *e, struct mono now)
{
	unsigned int n = e->n_ahead;

	e->n_ahead = 0;
	for (unsigned int i = 0; i < n && e->cb.hints.next; i++)
		e->cb.hints.next(e->cb.hints.ctx, e->ahead[i].hint);
	for (unsigned int i = 0; i < n; i++)
		e->cb.event(e->cb.ctx, e->ahead[i].what, &e->ahead[i].flow, now);
}

static void take_message(struct ct_events *e, const struct nlmsghdr *h, const uint8_t *msg,
			 struct mono now)
{
	struct parsed *p;

	if (e->n_ahead == AHEAD)
		hand_on(e, now);
	p = &e->ahead[e->n_ahead];
	if (ct_read(msg, h->nlmsg_len, &p->what, &p->flow, &p->rare) == 0) {
		if (h->nlmsg_pid != 0)
			p->what |= CT_EVENT_WRITTEN;
		e->n_ahead++;
		if (e->cb.hints.ahead)
			p->hint = e->cb.hints.ahead(e->cb.hints.ctx, &p->flow);
		return;
	}
	/* first things first: it may be about the expectation of one of those flows */
	hand_on(e, now);
	take_other(e, h, msg, now);
}

/* One datagram: one message as a rule, but several would be fine. */
static unsigned int take_datagram(struct ct_events *e, const uint8_t *buf, size_t n,
				  struct mono now)
{
	unsigned int events = 0;
	struct nlmsghdr h;
	size_t step;

	while (n >= sizeof(h)) {
		memcpy(&h, buf, sizeof(h));
		if (h.nlmsg_len < sizeof(h) || h.nlmsg_len > n)
			break;
		events++;
		e->stats.received++;
		take_message(e, &h, buf, now);
		step = NLMSG_ALIGN(h.nlmsg_len);
		if (step >= n)
			return events;
		buf += step;
		n -= step;
	}
	e->stats.malformed += n > 0;
	return events;
}

/* Read up to n datagrams. Returns how many there were; 0 when there is nothing (more), -1 after an
 * overrun: go on. */
static int read_batch(struct ct_events *e, unsigned int n, unsigned int *events, struct mono now)
{
	int got = recvmmsg(e->fd, e->msgs, n, MSG_DONTWAIT, NULL);

	if (got == -1) {
		if (errno == EAGAIN || errno == EINTR)
			return 0;
		e->stats.read_failed++;
		if (errno != ENOBUFS)
			return 0;
		overrun(e, now);
		return -1;
	}
	for (int i = 0; i < got; i++) {
		struct msghdr *m = &e->msgs[i].msg_hdr;

		if (m->msg_flags & MSG_TRUNC) {
			e->stats.malformed++; /* longer than anything the kernel sends */
			continue;
		}
		*events += take_datagram(e, m->msg_iov->iov_base, e->msgs[i].msg_len, now);
	}
	hand_on(e, now);
	return got;
}

/* ---- when to read ---- */

static bool may_gather(const struct ct_events *e)
{
	return e->gather.on && e->stats.buffer_bytes >= GATHER_BUFFER;
}

/* events: of this pass. */
static int64_t gather_ns(const struct ct_events *e, unsigned int events)
{
	bool prompt = e->gather_per_s == GATHER_PROMPT_PER_S;

	return events < GATHER_MANY || prompt ? GATHER_NS : GATHER_MANY_NS;
}

/* A pass: read until there is nothing left or the budget is used up. */
static void pass(struct ct_events *e, struct mono now)
{
	unsigned int left = e->budget, events = 0;
	bool empty = false;

	while (left > 0 && !empty) {
		unsigned int want = left < BATCH ? left : BATCH;
		int got = read_batch(e, want, &events, now);

		empty = got >= 0 && (unsigned int)got < want;
		left -= got > 0 ? (unsigned int)got : 1;
		if (!empty)
			buffer_check(e);
	}
	gather_count(&e->gather, events, e->gather_per_s, now);
	/* Before the callback: it may close us. */
	if (empty && may_gather(e) &&
	    ev_timer_set(e->loop, &e->timer, mono_add_ns(clock_now(), gather_ns(e, events))) == 0)
		ev_io_want(e->loop, &e->io, 0);
	else
		ev_io_want(e->loop, &e->io, EV_READ);
	if (empty && e->overran) {
		e->overran = false;
		e->cb.overrun(e->cb.ctx, now);
	}
	if (events > 0)
		e->cb.batch_end(e->cb.ctx, now);
}

static void on_readable(void *ctx, unsigned int ready, struct mono now)
{
	(void)ready;
	pass(ctx, now);
}

static void on_timer(void *ctx, struct mono now)
{
	pass(ctx, now);
}

/* ---- life ---- */

static int buffers_alloc(struct ct_events *e)
{
	e->bufs = malloc(BATCH * EVENT_STRIDE);
	if (!e->bufs)
		return -ENOMEM;
	for (unsigned int i = 0; i < BATCH; i++) {
		e->iov[i] = (struct iovec){ .iov_base = e->bufs + i * EVENT_STRIDE,
					    .iov_len = EVENT_MAX };
		e->msgs[i].msg_hdr = (struct msghdr){
			.msg_iov = &e->iov[i],
			.msg_iovlen = 1,
		};
	}
	return 0;
}

static int subscribe(int fd, bool expect)
{
	static const int groups[] = {
		NFNLGRP_CONNTRACK_NEW,
		NFNLGRP_CONNTRACK_UPDATE,
		NFNLGRP_CONNTRACK_DESTROY,
		/* the kernel never reports an update of an expectation */
		NFNLGRP_CONNTRACK_EXP_NEW,
		NFNLGRP_CONNTRACK_EXP_UPDATE,
		NFNLGRP_CONNTRACK_EXP_DESTROY,
	};

	for (size_t i = 0; i < (expect ? 6 : 3); i++) {
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i],
			       sizeof(groups[i])) == -1)
			return -errno;
	}
	return 0;
}

/* From now on nobody but the kernel reaches us, so that nobody has to be asked of each event who
 * sent it. (To our groups only who may change the table itself could send.) */
static int hear_the_kernel_only(int fd)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

	return connect(fd, (const struct sockaddr *)&kernel, sizeof(kernel)) == -1 ? -errno : 0;
}

/* The kernel retries undelivered events and drops packets instead; overruns are not reported
 * then. */
static int be_reliable(int fd)
{
	const int on = 1;

	if (setsockopt(fd, SOL_NETLINK, NETLINK_BROADCAST_ERROR, &on, sizeof(on)) == -1 ||
	    setsockopt(fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &on, sizeof(on)) == -1)
		return -errno;
	log_notice("reliable ctnetlink event delivery is ENABLED.");
	return 0;
}

/* flows: NULL leaves them all to user space. */
static int filter_attach(int fd, const struct filter_conf *flows, const uint32_t *own, size_t n_own)
{
	struct bpf_filter *b = malloc(sizeof(*b));
	int rc;

	if (!b)
		return -ENOMEM;
	bpf_filter_init(b);
	bpf_filter_own(b, own, n_own);
	if (flows)
		bpf_filter_flow(b, flows);
	bpf_filter_pass(b);
	rc = bpf_filter_attach(b, fd);
	free(b);
	return rc;
}

/* Own port ids, and the Filter block if it is to work in the kernel and there is room for it. The
 * verdict is the same in user space, where every event is looked at again anyway. */
static int filter_setup(int fd, const struct filter_conf *flows, const uint32_t *own, size_t n_own)
{
	int rc = filter_attach(fd, flows->kernelspace ? flows : NULL, own, n_own);

	/* -ENOMEM: within the limit of instructions, but above net.core.optmem_max */
	if (flows->kernelspace && (rc == -E2BIG || rc == -ENOMEM)) {
		log_notice("the Filter is too long for a socket filter: using user-space event "
			   "filtering");
		return filter_attach(fd, NULL, own, n_own);
	}
	if (rc == 0 && filter_conf_any(flows))
		log_notice("using %s-space event filtering",
			   flows->kernelspace ? "kernel" : "user");
	return rc;
}

/* The filter before the groups: no event may slip through between the two. */
static int sock_setup(struct ct_events *e, const struct kernel_conf *conf,
		      const struct filter_conf *flows, const uint32_t *own, size_t n_own,
		      struct text *err)
{
	const char *what = "socket filter";
	uint32_t start;
	int rc = filter_setup(e->fd, flows, own, n_own);

	if (!rc) {
		what = "connection to the kernel";
		rc = hear_the_kernel_only(e->fd);
	}
	if (!rc) {
		what = "receive buffer";
		buffer_choose(conf, &start, &e->buffer_limit);
		rc = buffer_set(e, start);
	}
	if (!rc && conf->events_reliable) {
		what = "reliable delivery";
		rc = be_reliable(e->fd);
	}
	if (!rc) {
		what = "event groups";
		rc = subscribe(e->fd, e->cb.expect);
	}
	if (rc)
		text_printf(err, "netlink event socket: %s: %s", what, strerror(-rc));
	return rc;
}

int ct_events_open(const struct kernel_conf *conf, const struct filter_conf *flows,
		   struct evloop *loop, const struct ct_events_cb *cb, const uint32_t *own_portids,
		   size_t n_own, struct ct_events **out, struct text *err)
{
	struct ct_events *e = calloc(1, sizeof(*e));
	int rc;

	if (!e || buffers_alloc(e) != 0) {
		free(e);
		text_printf(err, "netlink event socket: %s", strerror(ENOMEM));
		return -ENOMEM;
	}
	e->loop = loop;
	e->cb = *cb;
	e->budget = conf->event_iteration_limit ? conf->event_iteration_limit : BUDGET_DEFAULT;
	e->gather_per_s = GATHER_PER_S;
	e->fd = ct_sock_open(NULL, err);
	if (e->fd < 0) {
		rc = e->fd;
		goto free_all;
	}
	rc = ct_sock_probe(e->fd, err);
	if (rc)
		goto close_fd;
	rc = sock_setup(e, conf, flows, own_portids, n_own, err);
	if (rc)
		goto close_fd;
	e->timer =
		(struct ev_timer){ .cb = on_timer, .ctx = e, .name = "kernel events (gathered)" };
	e->io = (struct ev_io){
		.fd = e->fd,
		.want = EV_READ,
		.prio = 0,
		.cb = on_readable,
		.ctx = e,
		.name = "kernel events",
	};
	rc = ev_io_add(loop, &e->io);
	if (rc) {
		text_printf(err, "netlink event socket: %s", strerror(-rc));
		goto close_fd;
	}
	log_notice("netlink event socket buffer size has been set to %u bytes",
		   e->stats.buffer_bytes);
	*out = e;
	return 0;
close_fd:
	close(e->fd);
free_all:
	free(e->bufs);
	free(e);
	return rc;
}

void ct_events_close(struct ct_events *e)
{
	if (!e)
		return;
	ev_io_del(e->loop, &e->io);
	ev_timer_del(e->loop, &e->timer);
	close(e->fd);
	free(e->bufs);
	free(e);
}

void ct_events_set_prompt(struct ct_events *e)
{
	e->gather_per_s = GATHER_PROMPT_PER_S;
}

const struct ct_events_stats *ct_events_stats(const struct ct_events *e)
{
	return &e->stats;
}

int ct_events_value(void)
{
	char c = 0;
	int fd = open(SYSCTL_EVENTS, O_RDONLY | O_CLOEXEC), rc = 0;

	if (fd == -1)
		return -errno;
	if (read(fd, &c, 1) != 1)
		rc = -EIO;
	close(fd);
	return rc ? rc : c - '0';
}

int ct_events_ensure_enabled(void)
{
	int was = ct_events_value(), fd, rc = 0;

	if (was != 2)
		return was;
	fd = open(SYSCTL_EVENTS, O_WRONLY | O_CLOEXEC);
	if (fd == -1)
		return -errno;
	if (write(fd, "1", 1) != 1)
		rc = -errno;
	close(fd);
	return rc ? rc : was;
}

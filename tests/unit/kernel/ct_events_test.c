/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The event socket on a real kernel: everything arrives, nothing of our own does, an overrun is
 * told, the buffer grows in time. In a network namespace of its own; skipped where that is not
 * allowed. */
#include "kernel/ct.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/kernel_conf.h"
#include "flow/filter_conf.h"
#include "unit/kernel/support.h"

#define MANY 20000

static bool have_netns;
#define NEED_NETNS() \
	do { \
		if (!have_netns) { \
			skip(); \
		} \
	} while (0)

#define PROBE 50000u /* the source port of a flow that is born when an overrun is told */

struct bench {
	struct evloop *loop;
	struct ct_events *events;
	struct kernel_hand hand;
	size_t n[3]; /* by kind */
	size_t batches, overruns, wrong;
	size_t want; /* events in all */
	bool reached;
	uint8_t *seen; /* bits by kind, per source port */
};

static void on_event(void *ctx, enum ct_event what, const struct ct_flow *f, struct mono now)
{
	struct bench *b = ctx;
	struct ct_flow want = tcp_flow(ntohs(f->orig.sport));
	const char *diff;

	(void)now;
	assert_true(what & CT_EVENT_WRITTEN); /* all by requests here */
	what &= CT_EVENT_KIND;
	b->n[what]++;
	b->seen[ntohs(f->orig.sport)] |= (uint8_t)(1 << what);
	want.mark = ntohs(f->orig.sport);
	want.has |= FLOW_HAS_MARK | FLOW_HAS_REPLY;
	flow_mirror_reply(&want);
	if (what == CT_EVENT_DESTROY)
		want.has &= ~FLOW_HAS_TIMEOUT;
	diff = flow_difference(&want, f,
			       want.has & ~(what == CT_EVENT_DESTROY ? FLOW_HAS_STATUS : 0u));
	if (diff && b->wrong++ == 0)
		print_message("event %d: %s\n", what, diff);
	b->reached = b->n[0] + b->n[1] + b->n[2] >= b->want;
}

static void on_batch_end(void *ctx, struct mono now)
{
	(void)now;
	((struct bench *)ctx)->batches++;
}

static struct ct_flow numbered(uint16_t port)
{
	struct ct_flow f = tcp_flow(port);

	f.mark = port;
	f.has |= FLOW_HAS_MARK;
	return f;
}

static void create_range(struct kernel_hand *k, unsigned int from, unsigned int n)
{
	for (unsigned int i = from; i < from + n; i++) {
		struct ct_flow f = numbered((uint16_t)i);

		assert_int_equal(kernel_create(k, &f), 0);
	}
}

/* Whoever compares the tables now must be told about everything that happens from now on. */
static void on_overrun(void *ctx, struct mono now)
{
	struct bench *b = ctx;

	(void)now;
	if (b->overruns++ == 0)
		create_range(&b->hand, PROBE, 1);
}

static void bench_open(struct bench *b, const struct kernel_conf *conf, bool own)
{
	const struct ct_events_cb cb = {
		.ctx = b, .event = on_event, .batch_end = on_batch_end, .overrun = on_overrun
	};
	const struct filter_conf all = { .kernelspace = false };
	struct text err = { 0 };

	*b = (struct bench){ .loop = evloop_new(), .seen = calloc(65536, 1) };
	assert_non_null(b->loop);
	assert_non_null(b->seen);
	kernel_open(&b->hand);
	if (ct_events_open(conf, &all, b->loop, &cb, &b->hand.portid, own ? 1 : 0, &b->events,
			   &err) != 0)
		fail_msg("%s", err.buf);
	text_free(&err);
}

static void bench_close(struct bench *b)
{
	ct_events_close(b->events);
	kernel_close(&b->hand);
	evloop_free(b->loop);
	free(b->seen);
}

static void destroy_range(struct kernel_hand *k, unsigned int from, unsigned int n)
{
	for (unsigned int i = from; i < from + n; i++) {
		struct ct_flow f = numbered((uint16_t)i);

		assert_int_equal(kernel_destroy(k, &f), 0);
	}
}

/* A burst that nobody reads meanwhile, without any buffer option: all there, all right. */
static void burst_arrives(void **state)
{
	const struct kernel_conf conf = { .event_iteration_limit = 100 };
	struct bench b;

	(void)state;
	NEED_NETNS();
	bench_open(&b, &conf, false);
	b.want = 2 * MANY;
	create_range(&b.hand, 1, MANY);
	destroy_range(&b.hand, 1, MANY);
	assert_true(turn_until(b.loop, &b.reached, 10000));
	assert_int_equal(b.n[CT_EVENT_NEW], MANY);
	assert_int_equal(b.n[CT_EVENT_DESTROY], MANY);
	for (unsigned int i = 1; i <= MANY; i++)
		assert_int_equal(b.seen[i], 1 << CT_EVENT_NEW | 1 << CT_EVENT_DESTROY);
	assert_int_equal(b.wrong, 0);
	assert_int_equal(b.overruns, 0);
	assert_int_equal(ct_events_stats(b.events)->received, 2 * MANY);
	assert_int_equal(ct_events_stats(b.events)->malformed, 0);
	/* The limit on events per turn holds: many batches. */
	assert_true(b.batches >= 2 * MANY / 100);
	bench_close(&b);
}

/* The port id of the netlink socket of this namespace that listens to groups of netfilter. */
static uint32_t listener_portid(void)
{
	FILE *f = fopen("/proc/self/net/netlink", "re");
	uint32_t portid = 0, id, groups;
	int family;
	char line[256];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*s %d %u %x", &family, &id, &groups) == 3 &&
		    family == NETLINK_NETFILTER && groups != 0 && id != 0)
			portid = id;
	}
	fclose(f);
	return portid;
}

/* Whatever another process sends us does not get here: nobody looks at the sender of an event. */
static void only_the_kernel_is_heard(void **state)
{
	const struct kernel_conf conf = { .event_iteration_limit = 100 };
	struct sockaddr_nl to = { .nl_family = AF_NETLINK };
	struct nlmsghdr h = { .nlmsg_len = sizeof(h), .nlmsg_type = NLMSG_NOOP };
	struct bench b;
	int fd;

	(void)state;
	NEED_NETNS();
	bench_open(&b, &conf, false);
	to.nl_pid = listener_portid();
	assert_int_not_equal(to.nl_pid, 0);
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	assert_int_not_equal(fd, -1);
	assert_int_equal(sendto(fd, &h, sizeof(h), 0, (struct sockaddr *)&to, sizeof(to)), -1);
	assert_int_equal(errno, ECONNREFUSED);
	close(fd);
	b.want = 2;
	create_range(&b.hand, 1, 1);
	destroy_range(&b.hand, 1, 1);
	assert_true(turn_until(b.loop, &b.reached, 10000));
	bench_close(&b);
}

static void updates_are_updates(void **state)
{
	const struct kernel_conf conf = { .event_iteration_limit = 100 };
	struct ct_flow f = numbered(7);
	struct bench b;

	(void)state;
	NEED_NETNS();
	bench_open(&b, &conf, false);
	b.want = 2;
	create_range(&b.hand, 7, 1);
	assert_int_equal(kernel_update(&b.hand, &f), 0);
	turn_until(b.loop, &b.reached, 2000);
	assert_int_equal(b.n[CT_EVENT_NEW], 1);
	assert_int_equal(b.n[CT_EVENT_UPDATE], 1);
	destroy_range(&b.hand, 7, 1);
	bench_close(&b);
}

static void own_events_stay_out(void **state)
{
	const struct kernel_conf conf = { .event_iteration_limit = 100 };
	struct kernel_hand other;
	struct bench b;

	(void)state;
	NEED_NETNS();
	bench_open(&b, &conf, true);
	kernel_open(&other);
	b.want = 10;
	create_range(&b.hand, 1, 1000); /* ours */
	create_range(&other, 5000, 10);
	destroy_range(&b.hand, 1, 1000);
	turn_until(b.loop, &b.reached, 2000);
	turn_for(b.loop, 50);
	assert_int_equal(b.n[CT_EVENT_NEW], 10);
	assert_int_equal(b.n[CT_EVENT_DESTROY], 0);
	destroy_range(&other, 5000, 10);
	kernel_close(&other);
	bench_close(&b);
}

/* Filtered events do not fill the buffer either. */
static void own_events_cause_no_overrun(void **state)
{
	const struct kernel_conf conf = { .event_iteration_limit = 100, .netlink_buffer = 16384 };
	struct bench b;

	(void)state;
	NEED_NETNS();
	bench_open(&b, &conf, true);
	create_range(&b.hand, 1, 1000);
	destroy_range(&b.hand, 1, 1000);
	turn_for(b.loop, 50);
	assert_int_equal(b.overruns, 0);
	assert_int_equal(ct_events_stats(b.events)->received, 0);
	bench_close(&b);
}

static void overrun_is_told(void **state)
{
	const struct kernel_conf conf = { .event_iteration_limit = 100, .netlink_buffer = 65536 };
	const struct ct_events_stats *st;
	struct bench b;

	(void)state;
	NEED_NETNS();
	bench_open(&b, &conf, false);
	st = ct_events_stats(b.events);
	assert_int_equal(st->buffer_bytes, 65536); /* the size alone is its own limit */
	create_range(&b.hand, 1, 1000);
	turn_for(b.loop, 100);
	assert_int_equal(b.overruns, 1);
	assert_int_equal(st->overruns, 1);
	assert_int_equal(st->read_failed, 1);
	assert_int_equal(st->buffer_bytes, 65536);
	assert_true(b.n[CT_EVENT_NEW] > 10 && b.n[CT_EVENT_NEW] < 1000);
	assert_true(st->wanted_bytes > 65536);
	print_message("wanted: %u bytes, %zu of 1000 events in 65536\n", st->wanted_bytes,
		      b.n[CT_EVENT_NEW]);
	assert_true(b.seen[PROBE] & 1 << CT_EVENT_NEW);
	/* It goes on afterwards. */
	b.want = b.n[CT_EVENT_NEW] + 10;
	create_range(&b.hand, 2000, 10);
	b.reached = false;
	assert_true(turn_until(b.loop, &b.reached, 2000));
	destroy_range(&b.hand, 1, 1000);
	destroy_range(&b.hand, 2000, 10);
	destroy_range(&b.hand, PROBE, 1);
	bench_close(&b);
}

/* The size that the log names would really have held the burst. */
static void wanted_size_holds(void **state)
{
	struct kernel_conf conf = { .event_iteration_limit = 100, .netlink_buffer = 65536 };
	uint32_t wanted;
	struct bench b;

	(void)state;
	NEED_NETNS();
	bench_open(&b, &conf, false);
	create_range(&b.hand, 10000, 1000);
	turn_for(b.loop, 100);
	wanted = ct_events_stats(b.events)->wanted_bytes;
	destroy_range(&b.hand, 10000, 1000);
	bench_close(&b);
	conf.netlink_buffer = wanted;
	bench_open(&b, &conf, false);
	create_range(&b.hand, 10000, 1000);
	turn_for(b.loop, 100);
	assert_int_equal(b.n[CT_EVENT_NEW], 1000);
	assert_int_equal(b.overruns, 0);
	destroy_range(&b.hand, 10000, 1000);
	bench_close(&b);
}

/* Between reads the buffer fills more than half: it doubles, up to the limit, and nothing is lost
 * on the way. */
static void buffer_grows_in_time(void **state)
{
	const struct kernel_conf conf = {
		.event_iteration_limit = 10,
		.netlink_buffer = 65536,
		.netlink_buffer_max = 1 << 20,
	};
	struct bench b;

	(void)state;
	NEED_NETNS();
	bench_open(&b, &conf, false);
	for (unsigned int i = 0; i < 40; i++) {
		create_range(&b.hand, 20000 + i * 30, 30);
		evloop_turn(b.loop, NULL, 0);
	}
	turn_for(b.loop, 50);
	assert_int_equal(b.overruns, 0);
	assert_int_equal(b.n[CT_EVENT_NEW], 1200);
	assert_int_equal(ct_events_stats(b.events)->buffer_bytes, 1 << 20);
	destroy_range(&b.hand, 20000, 1200);
	bench_close(&b);
}

static void buffer_sizes(void **state)
{
	static const struct {
		const char *name;
		uint32_t size, max, want;
	} cases[] = {
		{ "size and limit", 131072, 262144, 131072 },
		{ "size alone", 131072, 0, 131072 },
		{ "limit alone", 0, 131072, 131072 },
		{ "as 1.4.x files have it", 2097152, 8388608, 2097152 },
	};
	struct bench b;

	(void)state;
	NEED_NETNS();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct kernel_conf conf = {
			.netlink_buffer = cases[i].size,
			.netlink_buffer_max = cases[i].max,
			.event_iteration_limit = 100,
		};

		bench_open(&b, &conf, false);
		if (ct_events_stats(b.events)->buffer_bytes != cases[i].want)
			fail_msg("%s: %u", cases[i].name, ct_events_stats(b.events)->buffer_bytes);
		bench_close(&b);
	}
	bench_open(&b, &(struct kernel_conf){ .event_iteration_limit = 100 }, false);
	print_message("without options: %u bytes\n", ct_events_stats(b.events)->buffer_bytes);
	assert_true(ct_events_stats(b.events)->buffer_bytes >= 8u << 20);
	bench_close(&b);
}

/* At a high rate reads are few and large; after it, a single event comes at once again. */
static void reads_gather(void **state)
{
	const struct kernel_conf conf = { .event_iteration_limit = 100 };
	struct bench b;
	struct mono start;
	int64_t us;

	(void)state;
	NEED_NETNS();
	bench_open(&b, &conf, false);
	for (unsigned int i = 0; i < 3000; i++) {
		create_range(&b.hand, 30000 + i, 1);
		evloop_turn(b.loop, NULL, 0);
	}
	turn_for(b.loop, 30);
	assert_int_equal(b.n[CT_EVENT_NEW], 3000);
	print_message("3000 events in %zu batches\n", b.batches);
	assert_true(b.batches < 1500);
	b.batches = 0;
	b.want = 3001;
	b.reached = false;
	create_range(&b.hand, 40000, 1);
	start = clock_now();
	assert_true(turn_until(b.loop, &b.reached, 1000));
	us = mono_diff_ns(clock_now(), start) / 1000;
	print_message("a single event after %lld us\n", (long long)us);
	destroy_range(&b.hand, 30000, 3000);
	destroy_range(&b.hand, 40000, 1);
	bench_close(&b);
}

static char sysctl_events(void)
{
	int fd = open("/proc/sys/net/netfilter/nf_conntrack_events", O_RDONLY | O_CLOEXEC);
	char c = '?';

	assert_true(fd >= 0);
	assert_int_equal(read(fd, &c, 1), 1);
	close(fd);
	return c;
}

static void events_are_enabled(void **state)
{
	char before;

	(void)state;
	NEED_NETNS();
	before = sysctl_events();
	assert_int_equal(ct_events_ensure_enabled(), before - '0');
	assert_int_equal(sysctl_events(), before == '2' ? '1' : before);
	assert_int_equal(ct_events_ensure_enabled(), before == '2' ? 1 : before - '0');
	assert_int_equal(run("echo 0 > /proc/sys/net/netfilter/nf_conntrack_events"), 0);
	assert_int_equal(ct_events_ensure_enabled(), 0); /* switched off on purpose: left alone */
	assert_int_equal(sysctl_events(), '0');
	assert_int_equal(run("echo 2 > /proc/sys/net/netfilter/nf_conntrack_events"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(burst_arrives),
		cmocka_unit_test(only_the_kernel_is_heard),
		cmocka_unit_test(updates_are_updates),
		cmocka_unit_test(own_events_stay_out),
		cmocka_unit_test(own_events_cause_no_overrun),
		cmocka_unit_test(overrun_is_told),
		cmocka_unit_test(wanted_size_holds),
		cmocka_unit_test(buffer_grows_in_time),
		cmocka_unit_test(buffer_sizes),
		cmocka_unit_test(reads_gather),
		cmocka_unit_test(events_are_enabled),
	};

	have_netns = netns_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

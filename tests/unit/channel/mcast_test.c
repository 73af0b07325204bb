/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IPv4 multicast on real sockets, in a network namespace of its own: two pairs of interfaces, one is the dedicated link.
 * Without the right to make one the test is skipped. */
#include "channel/channel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "channel/channel_conf.h"
#include "channel/link.h"

#define GROUP "225.0.0.50"
#define PORT 3780

static char skip_reason[256];

struct node {
	struct channel_conf conf;
	struct channel *c;
	unsigned int n;			/* datagrams heard */
	size_t last_len;
	uint8_t last[2048];
	struct channel_from from;
};

static struct evloop *loop;
static struct node a, b;		/* on dedi0 (10.9.0.1) and dedi1 (10.9.0.2) */

/* ---- the network ---- */

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd != -1 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd != -1)
		close(fd);
	return ok;
}

static bool sh(const char *command)
{
	return system(command) == 0;
}

/* A packet from one address of this machine to another through a wire is taken for a lie unless accept_local is on. */
static const char net_up[] =
	"{ ip link set lo up && ip link add dedi0 type veth peer name dedi1 && ip link add other0 type veth peer name other1 && "
	"ip addr add 10.9.0.1/24 dev dedi0 && ip addr add 10.9.0.2/24 dev dedi1 && "
	"ip addr add 10.9.1.1/24 dev other0 && ip addr add 10.9.1.2/24 dev other1 && ip addr add 10.9.0.7/24 dev dedi1 label dedi1:1 && "
	"for i in dedi0 dedi1 other0 other1; do ip link set $i up || exit 1; done; } >/dev/null 2>&1";

static bool enter_namespace(void)
{
	static const char *const sysctl[] = { "all", "default" };
	char path[128];

	if (unshare(CLONE_NEWNET) == -1 && unshare(CLONE_NEWUSER | CLONE_NEWNET) == -1) {
		snprintf(skip_reason, sizeof(skip_reason), "no network namespace: %s", strerror(errno));
		return false;
	}
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s/accept_local", sysctl[i]);
		if (!write_file(path, "1"))
			snprintf(skip_reason, sizeof(skip_reason), "cannot write %s", path);
		snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s/rp_filter", sysctl[i]);
		write_file(path, "0");
	}
	if (skip_reason[0] == '\0' && !sh(net_up))
		snprintf(skip_reason, sizeof(skip_reason), "cannot make interfaces with ip(8)");
	return skip_reason[0] == '\0';
}

/* ---- nodes ---- */

static struct channel_link_conf link_conf(const char *ifname, const char *local)
{
	struct channel_link_conf l = {
		.type = CHANNEL_MCAST, .family = AF_INET, .port = PORT, .checksum = true, .line = 12,
	};

	snprintf(l.ifname, sizeof(l.ifname), "%s", ifname);
	inet_pton(AF_INET, local, &l.local.v4);
	inet_pton(AF_INET, GROUP, &l.dest.v4);
	return l;
}

static void on_datagram(void *ctx, const struct channel_from *from, const uint8_t *bytes, size_t n, struct mono now)
{
	struct node *x = ctx;

	(void)now;
	assert_true(n <= sizeof(x->last));
	memcpy(x->last, bytes, n);
	x->last_len = n;
	x->from = *from;
	x->n++;
}

static void on_writable(void *ctx, struct mono now)
{
	(void)ctx, (void)now;
}

static void node_open(struct node *x, const char *ifname, const char *local)
{
	struct channel_cb cb = { .ctx = x, .datagram = on_datagram, .writable = on_writable };
	struct text err = { 0 };

	*x = (struct node){ .conf = { .n_links = 1 } };
	x->conf.link[0] = link_conf(ifname, local);
	if (channel_open(&x->conf, loop, &cb, &x->c, &err) != 0)
		fail_msg("%s", err.buf);
	text_free(&err);
}

static int setup(void **state)
{
	(void)state;
	if (skip_reason[0])
		return 0;
	loop = evloop_new();
	node_open(&a, "dedi0", "10.9.0.1");
	node_open(&b, "dedi1", "10.9.0.2");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (skip_reason[0])
		return 0;
	channel_close(a.c);
	channel_close(b.c);
	evloop_free(loop);
	return 0;
}

static void turns(int ms)
{
	struct mono end = mono_add_ms(clock_now(), ms);

	while (mono_before(clock_now(), end))
		evloop_turn(loop, NULL, 5);
}

static struct channel_link_stats stats(const struct node *x)
{
	struct channel_link_stats s;

	channel_link_stats(x->c, 0, &s);
	return s;
}

static void send_n(struct node *x, unsigned int n, size_t len)
{
	while (n-- > 0) {
		struct writer *w = channel_datagram(x->c);

		assert_non_null(w);
		memset(wr_take(w, len), (int)n & 0xff, len);
		channel_send(x->c);
	}
	channel_flush(x->c);
}

/* From a socket of our own, out of the interface with address `via`, with source address `source`. */
static void send_foreign(const char *source, const char *via, const char *to)
{
	struct sockaddr_in from = { .sin_family = AF_INET }, dst = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ip_mreqn mreq = { 0 };

	inet_pton(AF_INET, source, &from.sin_addr);
	inet_pton(AF_INET, to, &dst.sin_addr);
	inet_pton(AF_INET, via, &mreq.imr_address);
	assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
	assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &mreq, sizeof(mreq)), 0);
	assert_int_equal(sendto(fd, "hello", 5, 0, (struct sockaddr *)&dst, sizeof(dst)), 5);
	close(fd);
}

#define SKIP_WITHOUT_NAMESPACE() \
	do { \
		if (skip_reason[0]) \
			skip(); \
	} while (0)

/* ---- tests ---- */

static void test_there_and_back(void **state)
{
	static const uint8_t addr_a[16] = { 10, 9, 0, 1 };

	(void)state;
	SKIP_WITHOUT_NAMESPACE();
	send_n(&a, 3, 100);
	turns(50);
	assert_int_equal(b.n, 3);
	assert_int_equal(b.last_len, 100);
	assert_int_equal(b.from.family, AF_INET);
	assert_int_equal(b.from.link, 0);
	assert_memory_equal(b.from.addr, addr_a, sizeof(addr_a));
	assert_int_equal(a.n, 0);		/* it does not hear itself, */
	assert_int_equal(stats(&a).own, 0);	/* and the kernel does not even give it back */
	assert_int_equal(stats(&a).sent_pkts, 3);
	assert_int_equal(stats(&a).sent_bytes, 300);
	assert_int_equal(stats(&b).recv_pkts, 3);
	assert_int_equal(stats(&b).recv_bytes, 300);
	assert_true(stats(&a).up && stats(&a).running && stats(&a).active);
	assert_string_equal(stats(&a).kind, "multicast");
	assert_string_equal(stats(&a).ifname, "dedi0");
	send_n(&b, 1, 4);
	turns(50);
	assert_int_equal(a.n, 1);
}

/* More than the budget of one wake-up, more than the ring. The receive buffer holds them all. */
static void test_many(void **state)
{
	(void)state;
	SKIP_WITHOUT_NAMESPACE();
	send_n(&a, 1500, 1000);
	turns(100);
	assert_int_equal(b.n, 1500);
	assert_int_equal(b.last[0], 0);
}

static void test_who_may_speak(void **state)
{
	struct ip_mreqn join = { 0 };
	int other;

	(void)state;
	SKIP_WITHOUT_NAMESPACE();
	/* Somebody else on this machine is in the group on the other interface, so the kernel takes it there too. */
	inet_pton(AF_INET, GROUP, &join.imr_multiaddr);
	join.imr_ifindex = (int)if_nametoindex("other1");
	other = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(setsockopt(other, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, sizeof(join)), 0);
	send_foreign("10.9.0.1", "10.9.0.1", "10.9.0.2");	/* unicast to the port: bound to the group */
	send_foreign("10.9.1.1", "10.9.1.1", GROUP);		/* the group on another interface */
	turns(50);
	close(other);
	assert_int_equal(b.n, 0);
	assert_int_equal(stats(&b).refused_interface, 0);	/* not even given to us */
	send_foreign("10.9.0.2", "10.9.0.1", GROUP);		/* our own address */
	turns(50);
	assert_int_equal(b.n, 0);
	assert_int_equal(stats(&b).own, 1);
	assert_int_equal(stats(&b).recv_pkts, 0);
	send_foreign("10.9.0.1", "10.9.0.1", GROUP);		/* any source port will do */
	turns(50);
	assert_int_equal(b.n, 1);
	assert_int_equal(b.last_len, 5);
}

/* The same port with another group is another link's affair. */
static void test_other_group(void **state)
{
	struct node x = { .conf = { .n_links = 1 } };
	struct channel_cb cb = { .ctx = &x, .datagram = on_datagram, .writable = on_writable };
	struct text err = { 0 };

	(void)state;
	SKIP_WITHOUT_NAMESPACE();
	x.conf.link[0] = link_conf("dedi1", "10.9.0.2");
	inet_pton(AF_INET, "225.0.0.51", &x.conf.link[0].dest.v4);
	assert_int_equal(channel_open(&x.conf, loop, &cb, &x.c, &err), 0);
	send_n(&a, 1, 100);
	turns(50);
	assert_int_equal(b.n, 1);
	assert_int_equal(x.n, 0);
	channel_close(x.c);
}

static void test_payload(void **state)
{
	static const struct {
		unsigned int mtu;
		size_t cap;
	} cases[] = { { 1500, 1468 }, { 1280, 1248 }, { 1400, 1368 }, { 9000, 8968 }, { 576, 544 }, { 544, 512 }, { 100, 512 } };

	(void)state;
	SKIP_WITHOUT_NAMESPACE();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char command[64];

		print_message("MTU %u\n", cases[i].mtu);
		snprintf(command, sizeof(command), "ip link set dedi0 mtu %u", cases[i].mtu);
		assert_true(sh(command));
		channel_close(a.c);
		node_open(&a, "dedi0", "10.9.0.1");
		assert_int_equal(channel_datagram(a.c)->cap, cases[i].cap);
	}
	/* The last one does not fit the interface: it arrives in fragments. */
	b.n = 0;
	send_n(&a, 1, 512);
	turns(50);
	assert_int_equal(b.n, 1);
	assert_int_equal(b.last_len, 512);
	assert_true(sh("ip link set dedi0 mtu 1500"));
}

/* Nothing gets stuck while the interface is down, and it goes on by itself. */
static void test_interface_down(void **state)
{
	(void)state;
	SKIP_WITHOUT_NAMESPACE();
	assert_true(sh("ip link set dedi0 down"));
	send_n(&a, 200, 100);
	turns(20);
	assert_int_equal(b.n, 0);
	assert_int_equal(stats(&a).sent_errors, 200);
	assert_false(stats(&a).up);
	assert_true(sh("ip link set dedi0 up"));
	send_n(&a, 2, 100);
	turns(50);
	assert_int_equal(b.n, 2);
	send_n(&b, 1, 100);
	turns(50);
	assert_int_equal(a.n, 1);	/* the group is still joined */
}

static int option(int fd, int name)
{
	socklen_t len = sizeof(int);
	int v = -1;

	assert_int_equal(getsockopt(fd, SOL_SOCKET, name, &v, &len), 0);
	return v;
}

static void test_options(void **state)
{
	struct channel_link_conf conf;
	struct link l = { .tx = -1, .rx = -1 };
	struct text err = { 0 };

	(void)state;
	SKIP_WITHOUT_NAMESPACE();
	conf = link_conf("dedi0", "10.9.0.1");
	l.conf = &conf;
	assert_int_equal(mcast_ops.open(&l, &err), 0);
	assert_int_equal(option(l.tx, SO_NO_CHECK), 0);
	link_close(&l);
	conf.checksum = false;
	conf.snd_buffer = 65536;
	conf.rcv_buffer = 131072;
	assert_int_equal(mcast_ops.open(&l, &err), 0);
	assert_int_equal(option(l.tx, SO_NO_CHECK), 1);
	assert_int_equal(option(l.tx, SO_SNDBUF), 2 * 65536);	/* the kernel doubles what is asked */
	assert_int_equal(option(l.rx, SO_RCVBUF), 2 * 131072);
	assert_true(fcntl(l.tx, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(l.rx, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(l.rx, F_GETFD) & FD_CLOEXEC);
	link_close(&l);
}

static void test_open_errors(void **state)
{
	static const struct {
		const char *name, *ifname, *local, *group;
		int want;
		const char *says[3];
	} cases[] = {
		{ "no such interface", "eth77", "10.9.0.1", GROUP, -ENODEV, { "Interface eth77", "dedi0", "line 12" } },
		{ "no such address", "dedi0", "192.168.77.77", GROUP, -EADDRNOTAVAIL,
		  { "192.168.77.77", "IPv4_interface", "line 12" } },
		{ "not a group", "dedi0", "10.9.0.1", "10.9.0.99", -EINVAL,
		  { "10.9.0.99", "IPv4_address", "not a multicast address" } },
		{ "the other interface's address", "other0", "10.9.0.1", GROUP, 0, { 0 } },	/* a warning */
		{ "an address with a label", "dedi1", "10.9.0.7", GROUP, 0, { 0 } },
	};
	struct channel_cb cb = { .datagram = on_datagram, .writable = on_writable };

	(void)state;
	SKIP_WITHOUT_NAMESPACE();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct node x = { .conf = { .n_links = 1 } };
		struct text err = { 0 };

		print_message("%s\n", cases[i].name);
		x.conf.link[0] = link_conf(cases[i].ifname, cases[i].local);
		inet_pton(AF_INET, cases[i].group, &x.conf.link[0].dest.v4);
		assert_int_equal(channel_open(&x.conf, loop, &cb, &x.c, &err), cases[i].want);
		for (int k = 0; k < 3 && cases[i].says[k]; k++) {
			if (!strstr(err.buf, cases[i].says[k]))
				fail_msg("\"%s\" is not in \"%s\"", cases[i].says[k], err.buf);
		}
		channel_close(x.c);
		text_free(&err);
	}
}

/* An address that both interfaces have: Interface decides. */
static void test_address_on_two(void **state)
{
	struct channel_link_conf conf = link_conf("other0", "10.9.5.5");
	struct link l = { .tx = -1, .rx = -1, .conf = &conf };
	struct text err = { 0 };

	(void)state;
	SKIP_WITHOUT_NAMESPACE();
	assert_true(sh("ip addr add 10.9.5.5/32 dev dedi0 && ip addr add 10.9.5.5/32 dev other0 && "
		       "ip addr add 10.9.5.5/32 dev other1"));
	assert_int_equal(mcast_ops.open(&l, &err), 0);
	assert_int_equal(l.ifindex, if_nametoindex("other0"));
	link_close(&l);
}

/* A second daemon with the same link on the same machine is not refused (upstream's option), a busy port is named. */
static void test_port_taken(void **state)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	struct channel_cb cb = { .datagram = on_datagram, .writable = on_writable };
	struct node x = { .conf = { .n_links = 1 } };
	struct text err = { 0 };
	int fd;

	(void)state;
	SKIP_WITHOUT_NAMESPACE();
	channel_close(b.c);
	b.c = NULL;
	channel_close(a.c);
	a.c = NULL;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	x.conf.link[0] = link_conf("dedi0", "10.9.0.1");
	assert_int_equal(channel_open(&x.conf, loop, &cb, &x.c, &err), -EADDRINUSE);
	assert_non_null(strstr(err.buf, "3780"));
	assert_non_null(strstr(err.buf, "in use"));
	text_free(&err);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_there_and_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_who_may_speak, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_group, setup, teardown),
		cmocka_unit_test_setup_teardown(test_payload, setup, teardown),
		cmocka_unit_test_setup_teardown(test_interface_down, setup, teardown),
		cmocka_unit_test_setup_teardown(test_options, setup, teardown),
		cmocka_unit_test_setup_teardown(test_open_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_address_on_two, setup, teardown),
		cmocka_unit_test_setup_teardown(test_port_taken, setup, teardown),
	};

	if (!enter_namespace())
		print_message("skipped: %s\n", skip_reason);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

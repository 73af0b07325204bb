/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IPv4 multicast on real sockets (lab.h). Without the right to make a namespace the test is
 * skipped. */
#include "channel/channel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "lab.h"

#define GROUP "225.0.0.50"

static struct lab_node a, b; /* on dedi0 (10.9.0.1) and dedi1 (10.9.0.2) */

static struct channel_link_conf link_conf(const char *ifname, const char *local)
{
	return lab_link(CHANNEL_MCAST, ifname, local, GROUP);
}

static void node_open(struct lab_node *x, const char *ifname, const char *local)
{
	struct channel_link_conf link = link_conf(ifname, local);

	lab_open(x, &link);
}

static int setup(void **state)
{
	if (lab_begin(state) != 0)
		return -1;
	if (lab_missing[0])
		return 0;
	node_open(&a, "dedi0", "10.9.0.1");
	node_open(&b, "dedi1", "10.9.0.2");
	return 0;
}

/* ---- tests ---- */

static void test_there_and_back(void **state)
{
	static const uint8_t addr_a[16] = { 10, 9, 0, 1 };

	(void)state;
	SKIP_WITHOUT_LAB();
	lab_send(&a, 3, 100);
	lab_turns(50);
	assert_int_equal(b.n, 3);
	assert_int_equal(b.last_len, 100);
	assert_int_equal(b.from.family, AF_INET);
	assert_int_equal(b.from.link, 0);
	assert_memory_equal(b.from.addr, addr_a, sizeof(addr_a));
	assert_int_equal(a.n, 0);		/* it does not hear itself, */
	assert_int_equal(lab_stats(&a).own, 0); /* and the kernel does not even give it back */
	assert_int_equal(lab_stats(&a).sent_pkts, 3);
	assert_int_equal(lab_stats(&a).sent_bytes, 300);
	assert_int_equal(lab_stats(&b).recv_pkts, 3);
	assert_int_equal(lab_stats(&b).recv_bytes, 300);
	assert_true(lab_stats(&a).up && lab_stats(&a).running && lab_stats(&a).active);
	assert_string_equal(lab_stats(&a).kind, "multicast");
	assert_string_equal(lab_stats(&a).ifname, "dedi0");
	lab_send(&b, 1, 4);
	lab_turns(50);
	assert_int_equal(a.n, 1);
}

/* More than the budget of one wake-up, more than the ring. The receive buffer holds them all. */
static void test_many(void **state)
{
	(void)state;
	SKIP_WITHOUT_LAB();
	lab_send(&a, 1500, 1000);
	lab_turns(100);
	assert_int_equal(b.n, 1500);
	assert_int_equal(b.last[0], 0);
}

static void test_who_may_speak(void **state)
{
	struct ip_mreqn join = { 0 };
	int other;

	(void)state;
	SKIP_WITHOUT_LAB();
	/* Somebody else on this machine is in the group on the other interface, so the kernel takes
	 * it there too. */
	inet_pton(AF_INET, GROUP, &join.imr_multiaddr);
	join.imr_ifindex = (int)if_nametoindex("other1");
	other = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(setsockopt(other, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, sizeof(join)), 0);
	lab_stranger("10.9.0.1", "dedi0", "10.9.0.2"); /* unicast to the port: bound to the group */
	lab_stranger("10.9.1.1", "other0", GROUP);     /* the group on another interface */
	lab_turns(50);
	close(other);
	assert_int_equal(b.n, 0);
	assert_int_equal(lab_stats(&b).refused_interface, 0); /* not even given to us */
	lab_stranger("10.9.0.2", "dedi0", GROUP);	      /* our own address */
	lab_turns(50);
	assert_int_equal(b.n, 0);
	assert_int_equal(lab_stats(&b).own, 1);
	assert_int_equal(lab_stats(&b).recv_pkts, 0);
	lab_stranger("10.9.0.1", "dedi0", GROUP); /* any source port will do */
	lab_turns(50);
	assert_int_equal(b.n, 1);
	assert_int_equal(b.last_len, 5);
}

/* The same port with another group is another link's affair. */
static void test_other_group(void **state)
{
	struct channel_link_conf link = lab_link(CHANNEL_MCAST, "dedi1", "10.9.0.2", "225.0.0.51");
	static struct lab_node x;

	(void)state;
	SKIP_WITHOUT_LAB();
	lab_open(&x, &link);
	lab_send(&a, 1, 100);
	lab_turns(50);
	assert_int_equal(b.n, 1);
	assert_int_equal(x.n, 0);
	lab_close(&x);
}

static void test_payload(void **state)
{
	static const struct {
		unsigned int mtu;
		size_t cap;
	} cases[] = { { 1500, 1468 }, { 1280, 1248 }, { 1400, 1368 }, { 9000, 8968 },
		      { 576, 544 },   { 544, 512 },   { 100, 512 } };

	(void)state;
	SKIP_WITHOUT_LAB();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("MTU %u\n", cases[i].mtu);
		assert_true(lab_sh("ip link set dedi0 mtu %u", cases[i].mtu));
		lab_close(&a);
		node_open(&a, "dedi0", "10.9.0.1");
		assert_int_equal(channel_datagram(a.c)->cap, cases[i].cap);
	}
	/* The last one does not fit the interface: it arrives in fragments. */
	b.n = 0;
	lab_send(&a, 1, 512);
	lab_turns(50);
	assert_int_equal(b.n, 1);
	assert_int_equal(b.last_len, 512);
	assert_true(lab_sh("ip link set dedi0 mtu 1500"));
}

/* Nothing gets stuck while the interface is down, and it goes on by itself. */
static void test_interface_down(void **state)
{
	(void)state;
	SKIP_WITHOUT_LAB();
	assert_true(lab_sh("ip link set dedi0 down"));
	lab_send(&a, 200, 100);
	lab_turns(20);
	assert_int_equal(b.n, 0);
	assert_int_equal(lab_stats(&a).sent_errors, 200);
	assert_false(lab_stats(&a).up);
	assert_true(lab_sh("ip link set dedi0 up"));
	lab_send(&a, 2, 100);
	lab_turns(50);
	assert_int_equal(b.n, 2);
	lab_send(&b, 1, 100);
	lab_turns(50);
	assert_int_equal(a.n, 1); /* the group is still joined */
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
	SKIP_WITHOUT_LAB();
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
	assert_int_equal(option(l.tx, SO_SNDBUF), 2 * 65536); /* the kernel doubles what is asked */
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
		{ "no such interface", "eth77", "10.9.0.1", GROUP, 0, { 0 } }, /* waited for */
		{ "no such address", "dedi0", "192.168.77.77", GROUP, 0, { 0 } },
		{ "not a group",
		  "dedi0",
		  "10.9.0.1",
		  "10.9.0.99",
		  -EINVAL,
		  { "10.9.0.99", "IPv4_address", "not a multicast address" } },
		/* a warning */
		{ "the other interface's address", "other0", "10.9.0.1", GROUP, 0, { 0 } },
		{ "an address with a label", "dedi1", "10.9.0.7", GROUP, 0, { 0 } },
	};

	(void)state;
	SKIP_WITHOUT_LAB();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct channel_link_conf link =
			lab_link(CHANNEL_MCAST, cases[i].ifname, cases[i].local, cases[i].group);
		struct text err = { 0 };
		static struct lab_node x;

		print_message("%s\n", cases[i].name);
		assert_int_equal(lab_try(&x, &link, &err), cases[i].want);
		for (int k = 0; k < 3 && cases[i].says[k]; k++) {
			if (!strstr(err.buf, cases[i].says[k]))
				fail_msg("\"%s\" is not in \"%s\"", cases[i].says[k], err.buf);
		}
		lab_close(&x);
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
	SKIP_WITHOUT_LAB();
	assert_true(
		lab_sh("ip addr add 10.9.5.5/32 dev dedi0 && ip addr add 10.9.5.5/32 dev other0 && "
		       "ip addr add 10.9.5.5/32 dev other1"));
	assert_int_equal(mcast_ops.open(&l, &err), 0);
	assert_int_equal(l.ifindex, if_nametoindex("other0"));
	link_close(&l);
}

/* A second daemon with the same link on the same machine is not refused (upstream's option), a busy
 * port is named. */
static void test_port_taken(void **state)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(LAB_PORT) };
	struct channel_link_conf link = link_conf("dedi0", "10.9.0.1");
	struct text err = { 0 };
	static struct lab_node x;
	int fd;

	(void)state;
	SKIP_WITHOUT_LAB();
	lab_close(&b);
	lab_close(&a);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(lab_try(&x, &link, &err), -EADDRINUSE);
	assert_non_null(strstr(err.buf, "3780"));
	assert_non_null(strstr(err.buf, "in use"));
	text_free(&err);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_there_and_back, setup, lab_end),
		cmocka_unit_test_setup_teardown(test_many, setup, lab_end),
		cmocka_unit_test_setup_teardown(test_who_may_speak, setup, lab_end),
		cmocka_unit_test_setup_teardown(test_other_group, setup, lab_end),
		cmocka_unit_test_setup_teardown(test_payload, setup, lab_end),
		cmocka_unit_test_setup_teardown(test_interface_down, setup, lab_end),
		cmocka_unit_test_setup_teardown(test_options, setup, lab_end),
		cmocka_unit_test_setup_teardown(test_open_errors, setup, lab_end),
		cmocka_unit_test_setup_teardown(test_address_on_two, setup, lab_end),
		cmocka_unit_test_setup_teardown(test_port_taken, setup, lab_end),
	};

	lab_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The lines the daemon shows: its additions to the library's text (which print_oracle_test.c
 * compares), short buffers, names that came from a hostile peer.
 */
#include "flow/flow_print.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "flow_random.h"

typedef size_t print_fn(const struct ct_flow *, const struct flow_print_opts *, char *, size_t);

static void set_v4(struct ct_flow *f, const char *src, const char *dst)
{
	f->l3 = AF_INET;
	f->addr.v4.src = inet_addr(src);
	f->addr.v4.dst = inet_addr(dst);
	flow_mirror_reply(f);
}

static const struct flow_print_opts plain = { .active_s = -1, .expires_s = -1 };

/* Lines as 1.4.7 was seen to write them. */
static void lines_of_the_daemon(void **state)
{
	struct flow_rare rare = { .helper = "ftp", .packets = { 4, 3 }, .bytes = { 221, 169 } };
	struct flow_print_opts opts = { .active_s = 5, .expires_s = -1 };
	char line[FLOW_LINE_MAX];
	struct ct_flow f = {
		.has = FLOW_HAS_PORTS | FLOW_HAS_STATUS | FLOW_HAS_REPLY | FLOW_HAS_PROTO_STATE |
		       FLOW_HAS_MARK | FLOW_HAS_TIMEOUT | FLOW_HAS_ID,
		.l4 = IPPROTO_TCP,
		.status = 0xe,
		.proto_state = 3,
		.mark = 42,
		.timeout_s = 431781,
		.id = 2925028676,
		.orig = { htons(40002), htons(8080) },
		.rare = &rare,
	};

	(void)state;
	set_v4(&f, "192.168.10.2", "10.0.1.2");
	flow_print_text(&f, &opts, line, sizeof(line));
	assert_string_equal(
		line,
		"tcp      6 ESTABLISHED src=192.168.10.2 dst=10.0.1.2 sport=40002 dport=8080 "
		"src=10.0.1.2 dst=192.168.10.2 sport=8080 dport=40002 [ASSURED] mark=42 [active "
		"since 5s]");
	flow_print_xml(&f, &opts, line, sizeof(line));
	assert_string_equal(
		line,
		"<flow><meta direction=\"original\"><layer3 protonum=\"2\" "
		"protoname=\"ipv4\"><src>192.168.10.2</src><dst>10.0.1.2</dst></layer3><layer4 "
		"protonum=\"6\" "
		"protoname=\"tcp\"><sport>40002</sport><dport>8080</dport></layer4></meta><meta "
		"direction=\"reply\"><layer3 protonum=\"2\" "
		"protoname=\"ipv4\"><src>10.0.1.2</src><dst>192.168.10.2</dst></layer3><layer4 "
		"protonum=\"6\" "
		"protoname=\"tcp\"><sport>8080</sport><dport>40002</dport></layer4></meta><meta "
		"direction=\"independent\"><state>ESTABLISHED</state><mark>42</"
		"mark><id>2925028676</id><assured/></meta></flow>");

	f.has |= FLOW_HAS_COUNTERS;
	opts = (struct flow_print_opts){
		.active_s = -1, .expires_s = -1, .use = 1, .kernel_view = true
	};
	flow_print_text(&f, &opts, line, sizeof(line));
	assert_string_equal(line, "tcp      6 431781 ESTABLISHED src=192.168.10.2 dst=10.0.1.2 "
				  "sport=40002 dport=8080 packets=4 bytes=221 src=10.0.1.2 "
				  "dst=192.168.10.2 sport=8080 dport=40002 packets=3 bytes=169 "
				  "[ASSURED] mark=42 use=1");

	/* From a peer: the original tuple only. */
	f.has = FLOW_HAS_PORTS | FLOW_HAS_STATUS | FLOW_HAS_PROTO_STATE | FLOW_HAS_MARK |
		FLOW_HAS_TIMEOUT | FLOW_HAS_HELPER;
	f.mark = 0;
	f.orig = (struct flow_ports){ htons(40005), htons(21) };
	opts = (struct flow_print_opts){ .active_s = 2, .expires_s = 177 };
	flow_print_text(&f, &opts, line, sizeof(line));
	assert_string_equal(line, "tcp      6 ESTABLISHED src=192.168.10.2 dst=10.0.1.2 "
				  "sport=40005 dport=21 [ASSURED] mark=0 helper=ftp [expires in "
				  "177s] [active since 2s]");
	f.l4 = IPPROTO_UDP;
	f.has = FLOW_HAS_PORTS | FLOW_HAS_STATUS;
	f.status = 8;
	f.orig = (struct flow_ports){ htons(40009), htons(54) };
	opts = (struct flow_print_opts){ .active_s = 6, .expires_s = -1 };
	flow_print_text(&f, &opts, line, sizeof(line));
	assert_string_equal(line, "udp      17 src=192.168.10.2 dst=10.0.1.2 sport=40009 dport=54 "
				  "[UNREPLIED] [active since 6s]");
}

/* Whatever the room: terminated, cut and not changed. */
static void short_buffers_cut_the_line(void **state)
{
	static print_fn *const prints[] = { flow_print_text, flow_print_xml };
	struct flow_print_opts opts = { .active_s = 12345, .expires_s = 1 };
	struct rng r = rng_from_env("short buffers");

	(void)state;
	for (int i = 0; i < 60; i++) {
		struct flow_rare rare;
		struct ct_flow f;

		random_kernel_flow(&r, &f, &rare);
		for (size_t p = 0; p < 2; p++) {
			char whole[FLOW_LINE_MAX];
			size_t len = prints[p](&f, &opts, whole, sizeof(whole));

			for (size_t cap = 1; cap <= len + 2; cap++) {
				char *buf = malloc(cap);
				size_t n = prints[p](&f, &opts, buf, cap);

				assert_true(n < cap);
				assert_int_equal(strlen(buf), n);
				if (cap > len + 1)
					assert_string_equal(buf, whole);
				free(buf);
			}
		}
	}
}

/* Everything there is, in its longest form. */
static void the_longest_line_fits(void **state)
{
	struct flow_rare rare = {
		.packets = { UINT64_MAX, UINT64_MAX },
		.bytes = { UINT64_MAX, UINT64_MAX },
		.reply_zone = 65535,
		.start_ns = 1,
		.helper = "\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"",
	};
	struct flow_print_opts opts = { .active_s = INT64_MAX,
					.expires_s = INT64_MAX,
					.now_s = INT64_MAX / 1000000000,
					.use = UINT32_MAX,
					.kernel_view = true };
	struct ct_flow f = {
		.has = FLOW_HAS_ALL,
		.l3 = AF_INET6,
		.l4 = IPPROTO_SCTP,
		.zone = 65535,
		.zone_dir = FLOW_ZONE_ORIG,
		.status = 1u << 15,
		.timeout_s = UINT32_MAX,
		.mark = UINT32_MAX,
		.id = UINT32_MAX,
		.proto_state = 7,
		.orig = { 65535, 65535 },
		.reply = { 65535, 65535 },
		.rare = &rare,
	};
	char line[2 * FLOW_LINE_MAX];

	(void)state;
	memset(&f.addr, 0xff, sizeof(f.addr));
	assert_true(flow_print_text(&f, &opts, line, sizeof(line)) < FLOW_LINE_MAX - 100);
	memset(rare.helper, '<', 15);
	assert_true(flow_print_xml(&f, &opts, line, sizeof(line)) < FLOW_LINE_MAX - 100);
}

static void names_from_a_peer_are_made_harmless(void **state)
{
	struct flow_rare rare = { .helper = "a<b>&\"\\\n\033[1m\x80" };
	struct ct_flow f = { .has = FLOW_HAS_HELPER, .l4 = 50, .rare = &rare };
	char line[FLOW_LINE_MAX];

	(void)state;
	set_v4(&f, "1.2.3.4", "5.6.7.8");
	flow_print_text(&f, &plain, line, sizeof(line));
	assert_string_equal(line, "unknown  50 src=1.2.3.4 dst=5.6.7.8 helper=a<b>&\"\\??[1m?");
	flow_print_xml(&f, &plain, line, sizeof(line));
	assert_non_null(strstr(line, "<helper>a&lt;b&gt;&amp;\"\\??[1m?</helper>"));
	memset(rare.helper, 'x', sizeof(rare.helper)); /* no NUL: not read beyond its end */
	flow_print_text(&f, &plain, line, sizeof(line));
	assert_string_equal(line, "unknown  50 src=1.2.3.4 dst=5.6.7.8 helper=xxxxxxxxxxxxxxxx");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_the_daemon),
		cmocka_unit_test(short_buffers_cut_the_line),
		cmocka_unit_test(the_longest_line_fits),
		cmocka_unit_test(names_from_a_peer_are_made_harmless),
	};

	return cmocka_run_group_tests_name("flow print", tests, NULL, NULL);
}

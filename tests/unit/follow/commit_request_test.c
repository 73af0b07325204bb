/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A commit against that of 1.4.7: what its daemon asked the kernel for after a datagram
 * (tests/vectors/commit, made by capture.py there) is what ours asks for after the same datagram,
 * attribute for attribute.
 *
 * `unit_follow_commit_request_test payloads N` prints N random datagrams for capture.py.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "unit/flow/flow_random.h"
#include "unit/kernel/attrs.h"
#include "unit/kernel/commit_rules.h"
#include "unit/kernel/support.h"
#include "unit/proto/v1/recorded.h"
#include "proto/v1/attr.h"

#define FLOWS_MAX      64
#define HELPER_MAX_1_4 12 /* 1.4.7 refuses a message with a longer name (with its NUL) */
#define LINE_LEN       65536

struct datagram {
	char name[64];
	struct ct_flow flow[FLOWS_MAX];
	struct flow_rare rare[FLOWS_MAX];
	bool asked[FLOWS_MAX];
	size_t n;
	size_t n_wrong;
};

/* All differences are shown, then the test fails. */
static void wrong(struct datagram *d, const char *what, const char *more)
{
	print_error("%s: %s%s\n", d->name, what, more);
	d->n_wrong++;
}

static size_t unhex(uint8_t *to, size_t cap, const char *hex)
{
	size_t n = 0;

	for (; hex[0] > ' ' && hex[1] > ' '; hex += 2) {
		const char byte[3] = { hex[0], hex[1], '\0' };

		assert_true(n < cap);
		to[n++] = (uint8_t)strtoul(byte, NULL, 16);
	}
	return n;
}

/* A newer message about a flow adds to what is known of it. */
static void learn(struct datagram *d, const struct ct_flow *f, const struct flow_rare *rare)
{
	size_t i;

	for (i = 0; i < d->n && !flow_same_key(&d->flow[i], f); i++)
		;
	assert_true(i < FLOWS_MAX);
	if (i < d->n && flow_needs_rare(f) && !d->flow[i].rare)
		d->flow[i].rare = &d->rare[i];
	if (i < d->n) {
		flow_merge(&d->flow[i], f);
		return;
	}
	d->flow[i] = *f;
	d->rare[i] = *rare;
	d->flow[i].rare = f->rare ? &d->rare[i] : NULL;
	d->n++;
}

static void decode(struct datagram *d, const uint8_t *bytes, size_t n)
{
	struct cursor c = cur_init(bytes, n), body;
	struct proto_stats stats = { 0 };
	struct wire_hdr h;

	d->n = 0;
	memset(d->asked, 0, sizeof(d->asked));
	while (c.left > 0) {
		struct flow_rare rare;
		struct ct_flow f;

		if (wire_next(&c, &h, &body) != PROTO_OK)
			break; /* the rest of a stream */
		if (h.type > WIRE_CT_UPD)
			continue;
		assert_int_equal(wire_get_flow(body, &f, &rare, &stats), PROTO_OK);
		learn(d, &f, &rare);
	}
}

/* The time that passed between datagram and commit is theirs: up to 3 s less than what we would ask
 * for. */
static void settle_timeout(struct datagram *d, struct ct_flat *ours, struct ct_flat *theirs)
{
	static const char path[] = "CTA_TIMEOUT: ";
	unsigned long t[2] = { 0 };
	struct ct_flat *both[] = { ours, theirs };

	for (int k = 0; k < 2; k++) {
		for (size_t i = 0; i < both[k]->n; i++) {
			if (strncmp(both[k]->line[i], path, strlen(path)) == 0)
				t[k] = strtoul(both[k]->line[i] + strlen(path), NULL, 16);
		}
	}
	if (t[1] > t[0] || t[1] + 3 < t[0])
		wrong(d, "timeout", "");
	ct_flat_drop(ours, path);
	ct_flat_drop(theirs, path);
}

static bool same_tuple(const struct ct_flat *a, const struct ct_flat *b)
{
	static const char *const paths[] = { "CTA_TUPLE_ORIG", "CTA_ZONE" };
	struct ct_flat only[2] = { *a, *b };

	for (int k = 0; k < 2; k++) {
		size_t n = 0;

		for (size_t i = 0; i < only[k].n; i++) {
			if (strncmp(only[k].line[i], paths[0], strlen(paths[0])) == 0 ||
			    strncmp(only[k].line[i], paths[1], strlen(paths[1])) == 0)
				memmove(only[k].line[n++], only[k].line[i],
					sizeof(only[k].line[0]));
		}
		only[k].n = n;
	}
	return !ct_flat_difference(&only[0], &only[1]);
}

/* Find the flow this request of 1.4.7 is for, and compare. */
static void compare(struct datagram *d, const struct ct_build_opts *o,
		    const struct nlmsghdr *request)
{
	_Alignas(struct nlmsghdr) uint8_t buf[CT_BUILD_MAX];
	static struct ct_flat ours, theirs;
	const char *diff;

	ct_flatten(&theirs, request);
	for (size_t i = 0; i < d->n; i++) {
		size_t n = ct_build_create(&d->flow[i], o, 0, buf, sizeof(buf));

		assert_true(n > 0);
		ct_flatten(&ours, (const struct nlmsghdr *)buf);
		if (!same_tuple(&ours, &theirs))
			continue;
		assert_int_equal(((const struct nlmsghdr *)buf)->nlmsg_flags, request->nlmsg_flags);
		assert_int_equal(((const struct nlmsghdr *)buf)->nlmsg_type, request->nlmsg_type);
		assert_int_equal(buf[sizeof(struct nlmsghdr)],
				 ((const uint8_t *)request)[sizeof(struct nlmsghdr)]);
		commit_rules_apply(&d->flow[i], o, &ours, &theirs);
		settle_timeout(d, &ours, &theirs);
		diff = ct_flat_difference(&ours, &theirs);
		if (diff)
			wrong(d, "+ ours, - 1.4.7: ", diff);
		d->asked[i] = true;
		return;
	}
	wrong(d, "1.4.7 asks for a flow that we did not read: ", theirs.line[0]);
}

static void all_asked(struct datagram *d)
{
	for (size_t i = 0; i < d->n; i++) {
		if (!d->asked[i])
			wrong(d, "1.4.7 does not ask for ", flow_l4_name(d->flow[i].l4));
	}
}

static void requests_of(const char *file, const struct ct_build_opts *o)
{
	static struct datagram d;
	static char line[LINE_LEN];
	_Alignas(struct nlmsghdr) static uint8_t bytes[LINE_LEN];
	size_t n_requests = 0;
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/vectors/commit/%s", TESTS_SRCDIR, file);
	f = fopen(path, "r");
	if (!f)
		fail_msg("%s: cannot be read", path);
	d.n = d.n_wrong = 0;
	while (fgets(line, sizeof(line), f)) {
		size_t n = line[0] == '<' || line[0] == '>' ?
				   unhex(bytes, sizeof(bytes), line + 2) :
				   0;

		assert_non_null(strchr(line, '\n'));
		if (line[0] == '@') {
			all_asked(&d);
			snprintf(d.name, sizeof(d.name), "%.*s", (int)strcspn(line + 2, "\n"),
				 line + 2);
		} else if (line[0] == '<') {
			recorded_settle(bytes, n);
			decode(&d, bytes, n);
		} else if (line[0] == '>') {
			n_requests++;
			ct_settle_recorded(bytes, n);
			compare(&d, o, (const struct nlmsghdr *)bytes);
		}
	}
	all_asked(&d);
	fclose(f);
	print_message("%s: %zu requests\n", file, n_requests);
	assert_int_equal(d.n_wrong, 0);
	assert_true(n_requests > 100);
}

static void liberal(void **state)
{
	const struct ct_build_opts o = { .liberal = true, .timeout_s = 180 };

	(void)state;
	requests_of("liberal.txt", &o);
}

static void window_tracking(void **state)
{
	const struct ct_build_opts o = { .liberal = false };

	(void)state;
	requests_of("window.txt", &o);
}

static void every_rule_was_needed(void **state)
{
	(void)state;
	assert_int_equal(commit_rules_report(), 0);
}

static int print_payloads(int n)
{
	static const struct proto_rules rules = { .full = true, .wscale = true };
	struct rng r = { .state = 1 };

	for (int i = 0; i < n; i++) {
		uint8_t buf[WIRE_FLOW_MAX];
		struct writer w = wr_init(buf, sizeof(buf));
		struct flow_rare rare;
		struct ct_flow f;

		random_peer_flow(&r, &f, &rare);
		if ((f.has & FLOW_HAS_HELPER) && strlen(rare.helper) >= HELPER_MAX_1_4)
			f.has &= ~FLOW_HAS_HELPER;
		f.timeout_s &= INT32_MAX; /* 1.4.7 takes more for lapsed */
		if (wire_put_flow(&w, WIRE_CT_NEW, 0, (uint32_t)i + 1, &f, &rules) != 0)
			continue;
		printf("random-%d ", i);
		for (size_t k = 0; k < w.len; k++)
			printf("%02x", buf[k]);
		printf("\n");
	}
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(liberal),
		cmocka_unit_test(window_tracking),
		cmocka_unit_test(every_rule_was_needed),
	};

	if (argc == 3 && strcmp(argv[1], "payloads") == 0)
		return print_payloads(atoi(argv[2]));
	return cmocka_run_group_tests(tests, NULL, NULL);
}

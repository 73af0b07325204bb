/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text and XML against the library whose layouts they are: for thousands of random flows our line
 * equals what nfct_snprintf() writes for the same attributes.
 *
 * Counters, time stamps and the use count cannot be set in the library's object by hand; they come
 * in through a message as the kernel would send it.
 */
#include "flow/flow_print.h"

#include <arpa/inet.h>
#include <endian.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "flow_random.h"

#define N_FLOWS 20000

static void parse_counters(struct nlmsghdr *nlh, uint16_t type, uint64_t packets, uint64_t bytes)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, type);

	mnl_attr_put_u64(nlh, CTA_COUNTERS_PACKETS, htobe64(packets));
	mnl_attr_put_u64(nlh, CTA_COUNTERS_BYTES, htobe64(bytes));
	mnl_attr_nest_end(nlh, nest);
}

/* What only the kernel can set. */
static void parse_readonly(struct nf_conntrack *ct, const struct ct_flow *f,
			   const struct flow_print_opts *opts)
{
	char buf[1024];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nfg;

	nlh->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;
	nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	nfg->nfgen_family = f->l3;
	if (f->has & FLOW_HAS_COUNTERS) {
		parse_counters(nlh, CTA_COUNTERS_ORIG, f->rare->packets[0], f->rare->bytes[0]);
		parse_counters(nlh, CTA_COUNTERS_REPLY, f->rare->packets[1], f->rare->bytes[1]);
	}
	if (f->has & FLOW_HAS_TIMES) {
		struct nlattr *nest = mnl_attr_nest_start(nlh, CTA_TIMESTAMP);

		mnl_attr_put_u64(nlh, CTA_TIMESTAMP_START, htobe64(f->rare->start_ns));
		if (f->rare->stop_ns)
			mnl_attr_put_u64(nlh, CTA_TIMESTAMP_STOP, htobe64(f->rare->stop_ns));
		mnl_attr_nest_end(nlh, nest);
	}
	if (opts->kernel_view && opts->use)
		mnl_attr_put_u32(nlh, CTA_USE, htonl(opts->use));
	assert_int_equal(nfct_nlmsg_parse(nlh, ct), 0);
}

static void set_addresses(struct nf_conntrack *ct, const struct ct_flow *f)
{
	bool reply = f->has & FLOW_HAS_REPLY;

	nfct_set_attr_u8(ct, ATTR_L3PROTO, f->l3);
	nfct_set_attr_u8(ct, ATTR_L4PROTO, f->l4);
	if (reply) {
		nfct_set_attr_u8(ct, ATTR_REPL_L3PROTO, f->l3);
		nfct_set_attr_u8(ct, ATTR_REPL_L4PROTO, f->l4);
	}
	if (f->l3 == AF_INET) {
		nfct_set_attr_u32(ct, ATTR_IPV4_SRC, f->addr.v4.src);
		nfct_set_attr_u32(ct, ATTR_IPV4_DST, f->addr.v4.dst);
		if (reply) {
			nfct_set_attr_u32(ct, ATTR_REPL_IPV4_SRC, f->addr.v4.reply_src);
			nfct_set_attr_u32(ct, ATTR_REPL_IPV4_DST, f->addr.v4.reply_dst);
		}
		return;
	}
	nfct_set_attr(ct, ATTR_IPV6_SRC, f->addr.v6.src);
	nfct_set_attr(ct, ATTR_IPV6_DST, f->addr.v6.dst);
	if (reply) {
		nfct_set_attr(ct, ATTR_REPL_IPV6_SRC, f->addr.v6.reply_src);
		nfct_set_attr(ct, ATTR_REPL_IPV6_DST, f->addr.v6.reply_dst);
	}
}

static void set_proto(struct nf_conntrack *ct, const struct ct_flow *f)
{
	if (flow_is_icmp(f)) {
		nfct_set_attr_u8(ct, ATTR_ICMP_TYPE, flow_icmp_type(&f->orig));
		nfct_set_attr_u8(ct, ATTR_ICMP_CODE, flow_icmp_code(&f->orig));
		nfct_set_attr_u16(ct, ATTR_ICMP_ID, f->orig.sport);
	} else if (f->has & FLOW_HAS_PORTS) {
		nfct_set_attr_u16(ct, ATTR_PORT_SRC, f->orig.sport);
		nfct_set_attr_u16(ct, ATTR_PORT_DST, f->orig.dport);
		if (f->has & FLOW_HAS_REPLY) {
			nfct_set_attr_u16(ct, ATTR_REPL_PORT_SRC, f->reply.sport);
			nfct_set_attr_u16(ct, ATTR_REPL_PORT_DST, f->reply.dport);
		}
	}
	if (f->has & FLOW_HAS_PROTO_STATE) {
		nfct_set_attr_u8(ct,
				 f->l4 == IPPROTO_TCP  ? ATTR_TCP_STATE :
				 f->l4 == IPPROTO_SCTP ? ATTR_SCTP_STATE :
							 ATTR_DCCP_STATE,
				 f->proto_state);
	}
	if (f->has & FLOW_HAS_WSCALE) {
		nfct_set_attr_u8(ct, ATTR_TCP_WSCALE_ORIG, f->wscale[0]);
		nfct_set_attr_u8(ct, ATTR_TCP_WSCALE_REPL, f->wscale[1]);
	}
}

/* Parts that have no place in the output are set too: that they stay out is part of the claim. */
static void set_rare(struct nf_conntrack *ct, const struct ct_flow *f)
{
	if (f->has & FLOW_HAS_HELPER)
		nfct_set_attr(ct, ATTR_HELPER_NAME, f->rare->helper);
	if (f->has & FLOW_HAS_VTAGS) {
		nfct_set_attr_u32(ct, ATTR_SCTP_VTAG_ORIG, f->rare->vtag[0]);
		nfct_set_attr_u32(ct, ATTR_SCTP_VTAG_REPL, f->rare->vtag[1]);
	}
	if (f->has & FLOW_HAS_SYNPROXY) {
		nfct_set_attr_u32(ct, ATTR_SYNPROXY_ISN, 1);
		nfct_set_attr_u32(ct, ATTR_SYNPROXY_ITS, 2);
		nfct_set_attr_u32(ct, ATTR_SYNPROXY_TSOFF, 3);
	}
	if (f->has & FLOW_HAS_MASTER) {
		nfct_set_attr_u8(ct, ATTR_MASTER_L3PROTO, f->l3);
		nfct_set_attr_u8(ct, ATTR_MASTER_L4PROTO, f->rare->master_l4);
	}
	if (f->has & FLOW_HAS_LABELS) {
		struct nfct_bitmask *labels = nfct_bitmask_new(127);

		nfct_bitmask_set_bit(labels, 5);
		nfct_set_attr(ct, ATTR_CONNLABELS, labels); /* takes it */
	}
}

static struct nf_conntrack *library_flow(const struct ct_flow *f,
					 const struct flow_print_opts *opts)
{
	struct nf_conntrack *ct = nfct_new();

	assert_non_null(ct);
	parse_readonly(ct, f, opts);
	set_addresses(ct, f);
	set_proto(ct, f);
	set_rare(ct, f);
	if (f->has & FLOW_HAS_STATUS)
		nfct_set_attr_u32(ct, ATTR_STATUS, f->status);
	if ((f->has & FLOW_HAS_TIMEOUT) && opts->kernel_view)
		nfct_set_attr_u32(ct, ATTR_TIMEOUT, f->timeout_s);
	if (f->has & FLOW_HAS_MARK)
		nfct_set_attr_u32(ct, ATTR_MARK, f->mark);
	if (f->has & FLOW_HAS_ID)
		nfct_set_attr_u32(ct, ATTR_ID, f->id);
	if (f->has & FLOW_HAS_ZONE) {
		nfct_set_attr_u16(ct,
				  f->zone_dir == FLOW_ZONE_BOTH ? ATTR_ZONE :
				  f->zone_dir == FLOW_ZONE_ORIG ? ATTR_ORIG_ZONE :
								  ATTR_REPL_ZONE,
				  f->zone);
	}
	if (f->has & FLOW_HAS_REPLY_ZONE)
		nfct_set_attr_u16(ct, ATTR_REPL_ZONE, f->rare->reply_zone);
	return ct;
}

typedef size_t print_fn(const struct ct_flow *, const struct flow_print_opts *, char *, size_t);

/* Compare one flow in one format. The library reads the clock for the age of a flow: a second that
 * ends in between is no difference. */
static void compare(const struct ct_flow *f, struct flow_print_opts *opts, unsigned int format,
		    print_fn *print)
{
	char theirs[FLOW_LINE_MAX], ours[FLOW_LINE_MAX];

	for (int attempt = 0; attempt < 3; attempt++) {
		struct nf_conntrack *ct = library_flow(f, opts);
		size_t len;

		opts->now_s = time(NULL);
		nfct_snprintf(theirs, sizeof(theirs), ct, NFCT_T_UNKNOWN, format, 0);
		nfct_destroy(ct);
		len = print(f, opts, ours, sizeof(ours));
		assert_int_equal(len, strlen(ours));
		if (strcmp(ours, theirs) == 0)
			return;
	}
	fprintf(stderr, "ours:   %s\ntheirs: %s\n", ours, theirs);
	fail();
}

static void random_flows(struct rng *r,
			 void (*make)(struct rng *, struct ct_flow *, struct flow_rare *))
{
	for (int i = 0; i < N_FLOWS; i++) {
		struct flow_print_opts opts = { .active_s = -1,
						.expires_s = -1,
						.use = rng_below(r, 4) };
		struct flow_rare rare;
		struct ct_flow f;

		make(r, &f, &rare);
		opts.kernel_view = rng_one_in(r, 2);
		compare(&f, &opts, NFCT_O_PLAIN, flow_print_text);
		compare(&f, &opts, NFCT_O_XML, flow_print_xml);
	}
}

static void kernel_flows_print_as_the_library_does(void **state)
{
	struct rng r = rng_from_env("print_oracle kernel");

	(void)state;
	random_flows(&r, random_kernel_flow);
}

static void peer_flows_print_as_the_library_does(void **state)
{
	struct rng r = rng_from_env("print_oracle peer");

	(void)state;
	random_flows(&r, random_peer_flow);
}

static void every_state_number_has_the_librarys_name(void **state)
{
	static const uint8_t l4[] = { IPPROTO_TCP, IPPROTO_SCTP, IPPROTO_DCCP };

	(void)state;
	for (size_t p = 0; p < sizeof(l4); p++) {
		for (unsigned int s = 0; s < 256; s++) {
			struct flow_print_opts opts = { .active_s = -1, .expires_s = -1 };
			struct ct_flow f = { .has = FLOW_HAS_PORTS | FLOW_HAS_PROTO_STATE |
						    FLOW_HAS_REPLY,
					     .l3 = AF_INET,
					     .l4 = l4[p],
					     .proto_state = (uint8_t)s };

			compare(&f, &opts, NFCT_O_PLAIN, flow_print_text);
		}
	}
}

static void every_protocol_number_has_the_librarys_name(void **state)
{
	(void)state;
	for (unsigned int p = 0; p < 256; p++) {
		struct flow_print_opts opts = { .active_s = -1, .expires_s = -1 };
		struct ct_flow f = { .l3 = AF_INET, .l4 = (uint8_t)p };

		compare(&f, &opts, NFCT_O_PLAIN, flow_print_text);
		compare(&f, &opts, NFCT_O_XML, flow_print_xml);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kernel_flows_print_as_the_library_does),
		cmocka_unit_test(peer_flows_print_as_the_library_does),
		cmocka_unit_test(every_state_number_has_the_librarys_name),
		cmocka_unit_test(every_protocol_number_has_the_librarys_name),
	};

	return cmocka_run_group_tests_name("flow print against the library", tests, NULL, NULL);
}

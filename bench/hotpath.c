/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The hot path with deterministic input and nothing around it: from a kernel message through the
 * record to the datagram, and from a datagram to the record. For counting instructions under
 * callgrind, and bytes per flow (bench/instructions.sh).
 *
 *   hotpath send N    N flows, each NEW, UPDATE to ESTABLISHED, DESTROY, in batches of 64 events a
 *                     turn, and their datagrams into the external cache of another node
 *   hotpath memory N  N flows into the internal, then the external cache; prints the growth of the
 *                     resident set
 *
 * Only hot_send() and hot_receive() are to be collected. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/pipeline.h"
#include "kernel/ct.h"
#include "sync/sync_conf.h"

#define BATCH	64
#define AHEAD	16
#define MSG_MAX 512
#define PAYLOAD 1468

#define OUT_MAX 4096

struct node {
	struct pipeline *p;
	uint8_t (*out)[PAYLOAD]; /* datagrams that left, delivered outside of what is measured */
	size_t out_len[OUT_MAX];
	unsigned int n_out;
	struct writer w;
	bool open;
	uint64_t datagrams, bytes;
};

static struct mono now = { .ns = MONO_NS_PER_S };

static struct writer *node_datagram(void *ctx)
{
	struct node *n = ctx;

	if (n->n_out == OUT_MAX)
		return NULL;
	if (!n->open)
		n->w = wr_init(n->out[n->n_out], PAYLOAD);
	n->open = true;
	return &n->w;
}

static void node_send(void *ctx)
{
	struct node *n = ctx;

	n->open = false;
	n->datagrams++;
	n->bytes += n->w.len;
	n->out_len[n->n_out++] = n->w.len;
}

static void node_flush(void *ctx)
{
	(void)ctx;
}

/* As where the kernel cuts runs of datagrams: full ones are filled. */
static bool node_even(void *ctx)
{
	(void)ctx;
	return true;
}

static void node_open(struct node *n)
{
	static const struct sync_conf sync = {
		.mode = SYNC_MODE_FTFW,
		.resend_queue_size = 131072,
		.ack_window = 300,
	};
	struct pipeline_conf conf = {
		.proto = &proto_v1,
		.sync = &sync,
		.buckets = 65536,
		.limit_internal = 1u << 26,
		.limit_external = 1u << 26,
		.key = { 1, 2 },
		.first_seq = 1000,
	};
	struct pipeline_env env = {
		.ctx = n,
		.out = {
			.ctx = n,
			.datagram = node_datagram,
			.even = node_even,
			.send = node_send,
			.flush = node_flush,
		},
	};

	n->p = pipeline_new(&conf, &env, now);
	n->out = calloc(OUT_MAX, sizeof(*n->out));
	if (!n->p || !n->out)
		abort();
}

static void put_tuple(struct nlmsghdr *nlh, int type, uint32_t src, uint32_t dst, uint16_t sport,
		      uint16_t dport)
{
	struct nlattr *tuple = mnl_attr_nest_start(nlh, (uint16_t)type);
	struct nlattr *part = mnl_attr_nest_start(nlh, CTA_TUPLE_IP);

	mnl_attr_put_u32(nlh, CTA_IP_V4_SRC, htonl(src));
	mnl_attr_put_u32(nlh, CTA_IP_V4_DST, htonl(dst));
	mnl_attr_nest_end(nlh, part);
	part = mnl_attr_nest_start(nlh, CTA_TUPLE_PROTO);
	mnl_attr_put_u8(nlh, CTA_PROTO_NUM, IPPROTO_TCP);
	mnl_attr_put_u16(nlh, CTA_PROTO_SRC_PORT, htons(sport));
	mnl_attr_put_u16(nlh, CTA_PROTO_DST_PORT, htons(dport));
	mnl_attr_nest_end(nlh, part);
	mnl_attr_nest_end(nlh, tuple);
}

/* A message as the kernel sends it for flow i. */
static size_t build_event(void *buf, uint32_t i, enum ct_event what)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nfg;
	struct nlattr *info, *tcp;
	uint32_t src = 0x0a000000u + i / 60000, dst = 0x0a800001u;
	uint16_t sport = (uint16_t)(1024 + i % 60000);
	uint8_t state = what == CT_EVENT_NEW ? TCP_CONNTRACK_SYN_SENT : TCP_CONNTRACK_ESTABLISHED;
	struct nf_ct_tcp_flags flags = { .flags = 3 };

	nlh->nlmsg_type = (NFNL_SUBSYS_CTNETLINK << 8) |
			  (what == CT_EVENT_DESTROY ? IPCTNL_MSG_CT_DELETE : IPCTNL_MSG_CT_NEW);
	nlh->nlmsg_flags = what == CT_EVENT_NEW ? NLM_F_CREATE | NLM_F_EXCL : 0;
	nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	*nfg = (struct nfgenmsg){ .nfgen_family = AF_INET };
	put_tuple(nlh, CTA_TUPLE_ORIG, src, dst, sport, 80);
	put_tuple(nlh, CTA_TUPLE_REPLY, dst, src, 80, sport);
	mnl_attr_put_u32(nlh, CTA_ID, htonl(i + 1));
	mnl_attr_put_u32(nlh, CTA_STATUS, htonl(what == CT_EVENT_NEW ? IPS_CONFIRMED : 0xe));
	mnl_attr_put_u32(nlh, CTA_TIMEOUT, htonl(what == CT_EVENT_NEW ? 120 : 432000));
	info = mnl_attr_nest_start(nlh, CTA_PROTOINFO);
	tcp = mnl_attr_nest_start(nlh, CTA_PROTOINFO_TCP);
	mnl_attr_put_u8(nlh, CTA_PROTOINFO_TCP_STATE, state);
	mnl_attr_put_u8(nlh, CTA_PROTOINFO_TCP_WSCALE_ORIGINAL, 7);
	mnl_attr_put_u8(nlh, CTA_PROTOINFO_TCP_WSCALE_REPLY, 7);
	mnl_attr_put(nlh, CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, sizeof(flags), &flags);
	mnl_attr_put(nlh, CTA_PROTOINFO_TCP_FLAGS_REPLY, sizeof(flags), &flags);
	mnl_attr_nest_end(nlh, tcp);
	mnl_attr_nest_end(nlh, info);
	return nlh->nlmsg_len;
}

/* ---- what is measured ---- */

/* The profiler finds them by name, so the compiler must not make copies of its own. */
#ifdef __clang__
#define MEASURED __attribute__((noinline))
#else
#define MEASURED __attribute__((noipa))
#endif

static MEASURED void hot_send(struct node *n, const uint8_t (*msgs)[MSG_MAX], const size_t *len,
			      unsigned int count)
{
	static struct ct_flow f[AHEAD];
	static struct flow_rare rare[AHEAD];
	struct flow_hints hints = table_hints(pipeline_own(n->p));
	enum ct_event what[AHEAD];
	uint32_t hint[AHEAD];
	bool again;

	for (unsigned int at = 0; at < count; at += AHEAD) { /* as kernel/ct_events.c does */
		unsigned int k = count - at < AHEAD ? count - at : AHEAD;

		for (unsigned int i = 0; i < k; i++) {
			if (ct_parse(msgs[at + i], len[at + i], &what[i], &f[i], &rare[i]) < 0)
				abort();
			hint[i] = hints.ahead(hints.ctx, &f[i]);
		}
		for (unsigned int i = 0; i < k; i++)
			hints.next(hints.ctx, hint[i]);
		for (unsigned int i = 0; i < k; i++)
			pipeline_event(n->p, what[i], &f[i], now);
	}
	do
		pipeline_turn(n->p, now, &again);
	while (again);
}

static MEASURED void hot_receive(struct node *to, const uint8_t *bytes, size_t n)
{
	static const struct peer_addr from = { .family = AF_INET, .addr = { 10, 0, 0, 1 } };

	pipeline_datagram(to->p, &from, bytes, n, now);
}

/* What the peer's acknowledgements cost the active node. */
static MEASURED void hot_acknowledged(struct node *n, const uint8_t *bytes, size_t len)
{
	static const struct peer_addr from = { .family = AF_INET, .addr = { 10, 0, 0, 2 } };
	bool again;

	pipeline_datagram(n->p, &from, bytes, len, now);
	pipeline_turn(n->p, now, &again);
}

/* ---- driving it ---- */

/* Datagrams of both nodes to the other one until both are quiet: the receiver acknowledges on its
 * own, and without that the sender's ring fills and holds. */
static void exchange(struct node *a, struct node *b)
{
	bool again;

	while (a->n_out + b->n_out > 0) {
		for (unsigned int i = 0; i < a->n_out; i++)
			hot_receive(b, a->out[i], a->out_len[i]);
		a->n_out = 0;
		pipeline_turn(b->p, now, &again);
		for (unsigned int i = 0; i < b->n_out; i++)
			hot_acknowledged(a, b->out[i], b->out_len[i]);
		b->n_out = 0;
	}
}

/* A path that loses flows is a cheap one. */
static void all_there(const struct node *a, const struct node *b, uint32_t n)
{
	const struct flow_table *internal = internal_table(pipeline_internal(a->p));
	const struct flow_table *external = external_table(pipeline_external(b->p));

	if (table_count(internal) - table_count_dead(internal) == n &&
	    table_count(external) - table_count_dead(external) == n)
		return;
	fprintf(stderr,
		"of %" PRIu32 " flows the active node has %" PRIu32 ", the replica %" PRIu32 "\n",
		n, table_count(internal), table_count(external));
	exit(1);
}

static void drive(struct node *a, struct node *b, uint32_t flows, bool destroy)
{
	static uint8_t msgs[BATCH][MSG_MAX];
	size_t len[BATCH];

	for (uint32_t first = 0; first < flows; first += BATCH) {
		uint32_t n = flows - first < BATCH ? flows - first : BATCH;

		for (int what = CT_EVENT_NEW;
		     what <= (destroy ? CT_EVENT_DESTROY : CT_EVENT_UPDATE); what++) {
			for (uint32_t i = 0; i < n; i++)
				len[i] = build_event(msgs[i], first + i, (enum ct_event)what);
			hot_send(a, (const uint8_t(*)[MSG_MAX])msgs, len, n);
			exchange(a, b);
			if (destroy && what == CT_EVENT_UPDATE)
				all_there(a, b, n);
			now = mono_add_ms(now, 1);
		}
	}
}

static size_t resident_bytes(void)
{
	unsigned long size = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (!f || fscanf(f, "%lu %lu", &size, &resident) != 2)
		abort();
	fclose(f);
	return resident * (size_t)sysconf(_SC_PAGESIZE);
}

static void memory(uint32_t flows)
{
	struct node alone = { 0 };
	struct external *e;
	static uint8_t msg[1][MSG_MAX];
	size_t before;

	node_open(&alone);
	before = resident_bytes();
	for (uint32_t i = 0; i < flows; i++) {
		size_t len = build_event(msg[0], i, CT_EVENT_UPDATE);
		struct flow_rare rare;
		struct ct_flow f;
		enum ct_event what;
		uint32_t id;

		if (ct_parse(msg[0], len, &what, &f, &rare) < 0)
			abort();
		internal_update(pipeline_internal(alone.p), &f, now, &id);
	}
	printf("internal: %.1f bytes per flow (%" PRIu32 " flows)\n",
	       (double)(resident_bytes() - before) / flows,
	       table_count(internal_table(pipeline_internal(alone.p))));
	before = resident_bytes();
	e = pipeline_external(alone.p);
	for (uint32_t i = 0; i < flows; i++) {
		size_t len = build_event(msg[0], i, CT_EVENT_UPDATE);
		struct flow_rare rare;
		struct ct_flow f;
		enum ct_event what;

		if (ct_parse(msg[0], len, &what, &f, &rare) < 0)
			abort();
		external_update(e, 0, &f, now);
	}
	printf("external: %.1f bytes per flow (%" PRIu32 " flows)\n",
	       (double)(resident_bytes() - before) / flows, table_count(external_table(e)));
	pipeline_free(alone.p);
}

int main(int argc, char **argv)
{
	struct node a = { 0 }, b = { 0 };
	uint32_t flows = argc == 3 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0;

	if (flows == 0) {
		fprintf(stderr, "usage: hotpath send|memory FLOWS\n");
		return 1;
	}
	if (strcmp(argv[1], "memory") == 0) {
		memory(flows);
		return 0;
	}
	node_open(&a);
	node_open(&b);
	drive(&a, &b, flows, true);
	printf("%" PRIu32 " flows, %" PRIu32 " events, %" PRIu64 " datagrams, %" PRIu64
	       " bytes, left: %" PRIu32 " internal, %" PRIu32 " external\n",
	       flows, flows * 3, a.datagrams, a.bytes,
	       table_count(internal_table(pipeline_internal(a.p))),
	       table_count(external_table(pipeline_external(b.p))));
	pipeline_free(a.p);
	pipeline_free(b.p);
	return 0;
}

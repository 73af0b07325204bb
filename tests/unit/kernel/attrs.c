/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names, nesting and sizes of conntrack attributes; counting and comparing them. */
#include "unit/kernel/attrs.h"

#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit/kernel/support.h"

#define LEN(a)		 (sizeof(a) / sizeof((a)[0]))
#define ANY(t)		 [t] = { .name = #t }
#define EXACT(t, n)	 [t] = { .name = #t, .size = (n) }
#define NEST(t, table)	 [t] = { .name = #t, .sub = (table), .n_sub = LEN(table) }
#define UNREAD(t, table) [t] = { .name = #t, .sub = (table), .n_sub = LEN(table), .unread = true }
#define EXCUSED(t, why)	 [t] = { .name = #t, .excused = (why) }

static const struct ct_attr ip[] = {
	EXACT(CTA_IP_V4_SRC, 4),
	EXACT(CTA_IP_V4_DST, 4),
	EXACT(CTA_IP_V6_SRC, 16),
	EXACT(CTA_IP_V6_DST, 16),
};

static const struct ct_attr proto[] = {
	EXACT(CTA_PROTO_NUM, 1),	 EXACT(CTA_PROTO_SRC_PORT, 2),
	EXACT(CTA_PROTO_DST_PORT, 2),	 EXACT(CTA_PROTO_ICMP_ID, 2),
	EXACT(CTA_PROTO_ICMP_TYPE, 1),	 EXACT(CTA_PROTO_ICMP_CODE, 1),
	EXACT(CTA_PROTO_ICMPV6_ID, 2),	 EXACT(CTA_PROTO_ICMPV6_TYPE, 1),
	EXACT(CTA_PROTO_ICMPV6_CODE, 1),
};

static const struct ct_attr tuple[] = {
	NEST(CTA_TUPLE_IP, ip),
	NEST(CTA_TUPLE_PROTO, proto),
	EXACT(CTA_TUPLE_ZONE, 2),
};

static const struct ct_attr tcp[] = {
	EXACT(CTA_PROTOINFO_TCP_STATE, 1),	  EXACT(CTA_PROTOINFO_TCP_WSCALE_ORIGINAL, 1),
	EXACT(CTA_PROTOINFO_TCP_WSCALE_REPLY, 1), ANY(CTA_PROTOINFO_TCP_FLAGS_ORIGINAL),
	ANY(CTA_PROTOINFO_TCP_FLAGS_REPLY),
};

static const struct ct_attr dccp[] = {
	EXACT(CTA_PROTOINFO_DCCP_STATE, 1),
	EXACT(CTA_PROTOINFO_DCCP_ROLE, 1),
	ANY(CTA_PROTOINFO_DCCP_HANDSHAKE_SEQ),
	EXCUSED(CTA_PROTOINFO_DCCP_PAD, "padding"),
};

static const struct ct_attr sctp[] = {
	EXACT(CTA_PROTOINFO_SCTP_STATE, 1),
	EXACT(CTA_PROTOINFO_SCTP_VTAG_ORIGINAL, 4),
	EXACT(CTA_PROTOINFO_SCTP_VTAG_REPLY, 4),
};

static const struct ct_attr protoinfo[] = {
	NEST(CTA_PROTOINFO_TCP, tcp),
	NEST(CTA_PROTOINFO_DCCP, dccp),
	NEST(CTA_PROTOINFO_SCTP, sctp),
};

static const struct ct_attr help[] = { ANY(CTA_HELP_NAME), ANY(CTA_HELP_INFO) };

static const struct ct_attr protonat[] = { ANY(CTA_PROTONAT_PORT_MIN), ANY(CTA_PROTONAT_PORT_MAX) };

static const struct ct_attr nat[] = {
	ANY(CTA_NAT_V4_MINIP), ANY(CTA_NAT_V4_MAXIP), NEST(CTA_NAT_PROTO, protonat),
	ANY(CTA_NAT_V6_MINIP), ANY(CTA_NAT_V6_MAXIP),
};

static const struct ct_attr counters[] = {
	EXACT(CTA_COUNTERS_PACKETS, 8),
	EXACT(CTA_COUNTERS_BYTES, 8),
	EXCUSED(CTA_COUNTERS32_PACKETS, "no kernel since 3.10 sends them"),
	EXCUSED(CTA_COUNTERS32_BYTES, "no kernel since 3.10 sends them"),
	EXCUSED(CTA_COUNTERS_PAD, "padding"),
};

static const struct ct_attr seqadj[] = {
	EXACT(CTA_SEQADJ_CORRECTION_POS, 4),
	EXACT(CTA_SEQADJ_OFFSET_BEFORE, 4),
	EXACT(CTA_SEQADJ_OFFSET_AFTER, 4),
};

static const struct ct_attr secctx[] = { ANY(CTA_SECCTX_NAME) };

static const struct ct_attr timestamp[] = {
	EXACT(CTA_TIMESTAMP_START, 8),
	EXACT(CTA_TIMESTAMP_STOP, 8),
	EXCUSED(CTA_TIMESTAMP_PAD, "padding"),
};

static const struct ct_attr synproxy[] = {
	EXACT(CTA_SYNPROXY_ISN, 4),
	EXACT(CTA_SYNPROXY_ITS, 4),
	EXACT(CTA_SYNPROXY_TSOFF, 4),
};

static const struct ct_attr filter[] = { ANY(CTA_FILTER_ORIG_FLAGS), ANY(CTA_FILTER_REPLY_FLAGS) };

const struct ct_attr ct_attrs[] = {
	NEST(CTA_TUPLE_ORIG, tuple),
	NEST(CTA_TUPLE_REPLY, tuple),
	EXACT(CTA_STATUS, 4),
	NEST(CTA_PROTOINFO, protoinfo),
	NEST(CTA_HELP, help),
	UNREAD(CTA_NAT_SRC, nat),
	EXACT(CTA_TIMEOUT, 4),
	EXACT(CTA_MARK, 4),
	NEST(CTA_COUNTERS_ORIG, counters),
	NEST(CTA_COUNTERS_REPLY, counters),
	ANY(CTA_USE),
	EXACT(CTA_ID, 4),
	UNREAD(CTA_NAT_DST, nat),
	NEST(CTA_TUPLE_MASTER, tuple),
	NEST(CTA_SEQ_ADJ_ORIG, seqadj),
	NEST(CTA_SEQ_ADJ_REPLY, seqadj),
	EXCUSED(CTA_SECMARK, "obsolete since 2.6.37: CTA_SECCTX"),
	EXACT(CTA_ZONE, 2),
	UNREAD(CTA_SECCTX, secctx),
	NEST(CTA_TIMESTAMP, timestamp),
	ANY(CTA_MARK_MASK),
	ANY(CTA_LABELS),
	ANY(CTA_LABELS_MASK),
	NEST(CTA_SYNPROXY, synproxy),
	UNREAD(CTA_FILTER, filter),
	ANY(CTA_STATUS_MASK),
};
const size_t n_ct_attrs = LEN(ct_attrs);

const struct ct_attr *ct_attr_find(const struct ct_attr *table, size_t n, unsigned int type)
{
	return type < n && table[type].name ? &table[type] : NULL;
}

/* ---- recorded messages ---- */

static void settle16(uint8_t *p)
{
	uint16_t v = (uint16_t)(p[0] | p[1] << 8);

	memcpy(p, &v, sizeof(v));
}

static void settle32(uint8_t *p)
{
	uint32_t v = p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;

	memcpy(p, &v, sizeof(v));
}

static void settle_attrs(const struct ct_attr *table, size_t n, uint8_t *p, size_t len)
{
	while (len >= sizeof(struct nlattr)) {
		struct nlattr *a = (struct nlattr *)p;
		const struct ct_attr *known;
		uint8_t *value = p + sizeof(*a);
		size_t n_value, whole;

		settle16(p);
		settle16(p + 2);
		assert_in_range(a->nla_len, sizeof(*a), len);
		known = ct_attr_find(table, n, mnl_attr_get_type(a));
		n_value = a->nla_len - sizeof(*a);
		if (known && known->sub)
			settle_attrs(known->sub, known->n_sub, value, n_value);
		else if (table == ct_attrs && mnl_attr_get_type(a) == CTA_LABELS)
			for (size_t i = 0; i + 4 <= n_value; i += 4)
				settle32(value + i);
		whole = MNL_ALIGN(a->nla_len);
		if (whole > len)
			break;
		p += whole;
		len -= whole;
	}
}

void ct_settle_recorded(void *msg, size_t len)
{
	struct nlmsghdr *h = msg;
	uint8_t *p = msg;

	assert_true(len >= sizeof(*h) + sizeof(struct nfgenmsg));
	settle32(p + offsetof(struct nlmsghdr, nlmsg_len));
	settle16(p + offsetof(struct nlmsghdr, nlmsg_type));
	settle16(p + offsetof(struct nlmsghdr, nlmsg_flags));
	settle32(p + offsetof(struct nlmsghdr, nlmsg_seq));
	settle32(p + offsetof(struct nlmsghdr, nlmsg_pid));
	assert_int_equal(h->nlmsg_len, len);
	len -= sizeof(*h) + sizeof(struct nfgenmsg);
	settle_attrs(ct_attrs, n_ct_attrs, p + sizeof(*h) + sizeof(struct nfgenmsg), len);
}

/* ---- counting ---- */

struct ct_count {
	const struct ct_attr *attr;
	unsigned long seen;
	struct ct_count *sub; /* n_sub of them */
	size_t n_sub;
};

static struct ct_count *count_nodes(const struct ct_attr *table, size_t n)
{
	struct ct_count *c = calloc(n, sizeof(*c));

	assert_non_null(c);
	for (size_t i = 0; i < n; i++) {
		c[i].attr = &table[i];
		c[i].n_sub = table[i].n_sub;
		if (table[i].sub)
			c[i].sub = count_nodes(table[i].sub, table[i].n_sub);
	}
	return c;
}

struct ct_count *ct_count_new(void)
{
	return count_nodes(ct_attrs, n_ct_attrs);
}

static void free_nodes(struct ct_count *c, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (c[i].sub)
			free_nodes(c[i].sub, c[i].n_sub);
	}
	free(c);
}

void ct_count_free(struct ct_count *c)
{
	free_nodes(c, n_ct_attrs);
}

static void count_one(struct ct_count *c, size_t n, const struct nlattr *a)
{
	unsigned int type = mnl_attr_get_type(a);
	const struct nlattr *sub;

	if (type >= n)
		return;
	c[type].seen++;
	if (!c[type].sub)
		return;
	mnl_attr_for_each_nested(sub, a) count_one(c[type].sub, c[type].n_sub, sub);
}

void ct_count_message(struct ct_count *c, const struct nlmsghdr *h)
{
	const struct nlattr *a;

	mnl_attr_for_each(a, h, sizeof(struct nfgenmsg)) count_one(c, n_ct_attrs, a);
}

static size_t report_nodes(const struct ct_count *c, size_t n, const char *path)
{
	size_t missing = 0;

	for (size_t i = 0; i < n; i++) {
		char here[160];

		if (!c[i].attr->name)
			continue;
		snprintf(here, sizeof(here), "%s%s%s", path, *path ? "/" : "", c[i].attr->name);
		if (c[i].attr->excused)
			print_message("%10lu  %s (%s)\n", c[i].seen, here, c[i].attr->excused);
		else
			print_message("%10lu  %s%s\n", c[i].seen, here,
				      c[i].seen ? "" : ": NO CASE");
		missing += !c[i].attr->excused && !c[i].seen;
		if (c[i].sub)
			missing += report_nodes(c[i].sub, c[i].n_sub, here);
	}
	return missing;
}

size_t ct_count_report(const struct ct_count *c)
{
	return report_nodes(c, n_ct_attrs, "");
}

/* ---- comparing ---- */

static void flatten(struct ct_flat *out, const struct ct_attr *table, size_t n,
		    const struct nlattr *a, const char *path)
{
	const struct ct_attr *known = ct_attr_find(table, n, mnl_attr_get_type(a));
	const uint8_t *p = mnl_attr_get_payload(a);
	size_t len = mnl_attr_get_payload_len(a), at;
	const struct nlattr *sub;
	char here[160];

	if (known)
		snprintf(here, sizeof(here), "%s%s%s", path, *path ? "/" : "", known->name);
	else
		snprintf(here, sizeof(here), "%s/%u", path, mnl_attr_get_type(a));
	if (known && known->sub) {
		mnl_attr_for_each_nested(sub, a) flatten(out, known->sub, known->n_sub, sub, here);
		return;
	}
	assert_true(out->n < LEN(out->line));
	at = (size_t)snprintf(out->line[out->n], sizeof(out->line[0]), "%s: ", here);
	for (size_t i = 0; i < len && at < sizeof(out->line[0]) - 3; i++)
		at += (size_t)snprintf(out->line[out->n] + at, sizeof(out->line[0]) - at, "%02x",
				       p[i]);
	out->n++;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

void ct_flatten(struct ct_flat *out, const struct nlmsghdr *h)
{
	const struct nlattr *a;

	out->n = 0;
	mnl_attr_for_each(a, h, sizeof(struct nfgenmsg)) flatten(out, ct_attrs, n_ct_attrs, a, "");
	qsort(out->line, out->n, sizeof(out->line[0]), by_text);
}

void ct_flat_drop(struct ct_flat *f, const char *path_prefix)
{
	size_t n = 0, len = strlen(path_prefix);

	for (size_t i = 0; i < f->n; i++) {
		if (strncmp(f->line[i], path_prefix, len) != 0)
			memmove(f->line[n++], f->line[i], sizeof(f->line[0]));
	}
	f->n = n;
}

const char *ct_flat_difference(const struct ct_flat *a, const struct ct_flat *b)
{
	static char text[200];

	for (size_t i = 0, k = 0; i < a->n || k < b->n; i++, k++) {
		int c = i == a->n ? 1 : k == b->n ? -1 : strcmp(a->line[i], b->line[k]);

		if (c == 0)
			continue;
		snprintf(text, sizeof(text), "%c %s", c < 0 ? '+' : '-',
			 c < 0 ? a->line[i] : b->line[k]);
		return text;
	}
	return NULL;
}

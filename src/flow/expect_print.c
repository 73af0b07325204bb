/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An expectation as text and XML.
 *
 * Text and XML are byte for byte what libnetfilter_conntrack's nfexp_snprintf() writes
 * (tests/unit/flow compares them), with the age behind the text line. There are few expectations,
 * so this is written for the reader and not for speed. The line never overflows: what does not fit
 * is cut. */
#include "flow/expect.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "flow/flow_print.h"

struct out {
	char *buf;
	size_t len, cap;
};

static void put(struct out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void put(struct out *o, const char *fmt, ...)
{
	size_t room = o->cap - o->len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(o->buf + o->len, room, fmt, ap);
	va_end(ap);
	if (n > 0)
		o->len += (size_t)n < room ? (size_t)n : room - 1;
}

/* A name that came from a peer: nothing that a terminal or XML would act on. */
static void put_name(struct out *o, const char *name, size_t max)
{
	for (size_t i = 0; i < max && name[i] != '\0'; i++) {
		bool plain = name[i] > ' ' && name[i] < 0x7f && !strchr("<>&\"\\", name[i]);

		put(o, "%c", plain ? name[i] : '?');
	}
}

static const char *addr(uint8_t l3, const union flow_addr *a, char buf[INET6_ADDRSTRLEN])
{
	return inet_ntop(l3, a, buf, INET6_ADDRSTRLEN) ? buf : "";
}

static bool is_icmp(const struct expect_tuple *t)
{
	return t->l4 == IPPROTO_ICMP || t->l4 == IPPROTO_ICMPV6;
}

static bool has_ports(const struct expect_tuple *t)
{
	return flow_l4_has_ports(t->l4) || t->l4 == IPPROTO_UDPLITE;
}

static const char *text_flags(uint32_t flags)
{
	static const char *const words[] = {
		"",
		"PERMANENT",
		"INACTIVE",
		"PERMANENT,INACTIVE",
		"USERSPACE",
		"PERMANENT,USERSPACE",
		"INACTIVE,USERSPACE",
		"PERMANENT,INACTIVE,USERSPACE",
	};

	return words[flags & 7];
}

/* ---- text ---- */

static void text_tuple(struct out *o, const char *prefix, uint8_t l3, const struct expect_tuple *t)
{
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN];

	put(o, "%ssrc=%s %sdst=%s ", prefix, addr(l3, &t->src, src), prefix,
	    addr(l3, &t->dst, dst));
	if (has_ports(t))
		put(o, "sport=%u dport=%u ", ntohs(t->sport), ntohs(t->dport));
	else if (t->l4 == IPPROTO_GRE)
		put(o, "srckey=0x%x dstkey=0x%x ", ntohs(t->sport), ntohs(t->dport));
	else if (is_icmp(t))
		put(o, "type=%u code=%u id=%u ", ((const uint8_t *)&t->dport)[0],
		    ((const uint8_t *)&t->dport)[1], ntohs(t->sport));
}

size_t expect_print_text(const struct ct_expect *e, const struct expect_print_opts *opts, char *buf,
			 size_t cap)
{
	struct out o = { .buf = buf, .cap = cap };

	if (opts->timeout && (e->has & EXPECT_HAS_TIMEOUT))
		put(&o, "%" PRIu32 " ", e->timeout_s);
	put(&o, "proto=%u ", e->tuple.l4);
	text_tuple(&o, "", e->l3, &e->tuple);
	text_tuple(&o, "mask-", e->l3, &e->mask);
	text_tuple(&o, "master-", e->l3, &e->master);
	if (e->zone != 0)
		put(&o, "zone=%u ", e->zone);
	if ((e->has & EXPECT_HAS_FLAGS) && e->flags != 0)
		put(&o, "%s ", text_flags(e->flags));
	if (e->has & EXPECT_HAS_CLASS)
		put(&o, "class=%" PRIu32 " ", e->class);
	if (e->has & EXPECT_HAS_HELPER) {
		put(&o, "helper=");
		put_name(&o, e->helper, sizeof(e->helper));
		put(&o, " ");
	}
	if (opts->expires_s > 0)
		put(&o, "[expires in %" PRId64 "s] ", opts->expires_s);
	if (opts->active_s >= 0)
		put(&o, "[active since %" PRId64 "s] ", opts->active_s);
	if (o.len > 0 && o.buf[o.len - 1] == ' ')
		o.buf[--o.len] = '\0';
	return o.len;
}

/* ---- XML ---- */

static void xml_addrs(struct out *o, const char *name, uint8_t l3, const struct expect_tuple *t)
{
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN];

	put(o, "<%s><src>%s</src><dst>%s</dst></%s>", name, addr(l3, &t->src, src),
	    addr(l3, &t->dst, dst), name);
}

static void xml_ports(struct out *o, const char *name, const struct expect_tuple *t)
{
	put(o, "<%s>", name);
	if (has_ports(t))
		put(o, "<sport>%u</sport><dport>%u</dport>", ntohs(t->sport), ntohs(t->dport));
	else if (t->l4 == IPPROTO_GRE)
		put(o, "<srckey>0x%x</srckey><dstkey>0x%x</dstkey>", ntohs(t->sport),
		    ntohs(t->dport));
	put(o, "</%s>", name);
}

static void xml_meta(struct out *o, const struct ct_expect *e, bool timeout)
{
	put(o, "<meta>");
	if (e->has & EXPECT_HAS_HELPER) {
		put(o, "<helper-name>");
		put_name(o, e->helper, sizeof(e->helper));
		put(o, "</helper-name>");
	}
	if (timeout && (e->has & EXPECT_HAS_TIMEOUT))
		put(o, "<timeout>%" PRIu32 "</timeout>", e->timeout_s);
	if (e->has & EXPECT_HAS_CLASS)
		put(o, "<class>%" PRIu32 "</class>", e->class);
	if (e->zone != 0)
		put(o, "<zone>%u</zone>", e->zone);
	if (e->has & EXPECT_HAS_FLAGS)
		put(o, "%s%s%s", e->flags & EXPECT_F_PERMANENT ? "<permanent/>" : "",
		    e->flags & EXPECT_F_INACTIVE ? "<inactive/>" : "",
		    e->flags & EXPECT_F_USERSPACE ? "<userspace/>" : "");
	put(o, "</meta>");
}

size_t expect_print_xml(const struct ct_expect *e, const struct expect_print_opts *opts, char *buf,
			size_t cap)
{
	struct out o = { .buf = buf, .cap = cap };

	put(&o, "<flow><layer3 protonum=\"%u\" protoname=\"%s\">", e->l3,
	    e->l3 == AF_INET ? "ipv4" : "ipv6");
	xml_addrs(&o, "expected", e->l3, &e->tuple);
	xml_addrs(&o, "mask", e->l3, &e->mask);
	xml_addrs(&o, "master", e->l3, &e->master);
	put(&o, "</layer3><layer4 protonum=\"%u\" protoname=\"%s\">", e->tuple.l4,
	    flow_l4_name(e->tuple.l4));
	xml_ports(&o, "expected", &e->tuple);
	xml_ports(&o, "mask", &e->mask);
	xml_ports(&o, "master", &e->master);
	put(&o, "</layer4>");
	xml_meta(&o, e, opts->timeout);
	put(&o, "</flow>");
	return o.len;
}

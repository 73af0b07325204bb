/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flows and expectations as JSON, one object per line, with the right names where text and XML
 * follow the library (which names DCCP and SCTP states as if they were TCP's). doc/json.md is the
 * schema, and tests compare every line with it: a new name here needs a row there, and a name whose
 * meaning changes needs a higher JSON_SCHEMA. */
#include "flow/flow_json.h"

#include <netinet/in.h>

#include "base/json.h"

/* Bits with their names, in the order of the bits. */
struct bit_names {
	const char *const *name;
	size_t n;
};

#define BIT_NAMES(names) \
	{ \
		names, sizeof(names) / sizeof(names[0]) \
	}

/* enum ip_conntrack_status */
static const char *const status_names[] = {
	"EXPECTED",   "SEEN_REPLY",   "ASSURED",      "CONFIRMED",  "SRC_NAT",	     "DST_NAT",
	"SEQ_ADJUST", "SRC_NAT_DONE", "DST_NAT_DONE", "DYING",	    "FIXED_TIMEOUT", "TEMPLATE",
	"NAT_CLASH",  "HELPER",	      "OFFLOAD",      "HW_OFFLOAD",
};

/* NF_CT_EXPECT_* */
static const char *const flag_names[] = { "PERMANENT", "INACTIVE", "USERSPACE" };

static const struct bit_names status_bits = BIT_NAMES(status_names),
			      flag_bits = BIT_NAMES(flag_names);

static void bits(struct json *j, const char *name, uint32_t value, const struct bit_names *of)
{
	json_array(j, name);
	for (size_t i = 0; i < of->n; i++)
		if (value & 1u << i)
			json_str(j, NULL, of->name[i], SIZE_MAX);
	json_array_end(j);
}

static void address(struct json *j, const char *name, uint8_t l3, const void *a)
{
	char buf[FLOW_ADDRESS_MAX];

	flow_print_address(l3, a, buf);
	json_str(j, name, buf, sizeof(buf));
}

/* Begin a line: "schema", the kind of object ("flow" and others), family and protocol. */
static struct json line_begin(struct text *out, const char *kind, uint8_t l3, uint8_t l4)
{
	struct json j = json_begin(out);

	json_object(&j, NULL);
	json_uint(&j, "schema", JSON_SCHEMA);
	json_str(&j, "kind", kind, SIZE_MAX);
	json_str(&j, "family", l3 == AF_INET ? "inet" : "inet6", SIZE_MAX);
	json_str(&j, "proto", flow_l4_name(l4), SIZE_MAX);
	json_uint(&j, "protonum", l4);
	return j;
}

/* Ports, or what the protocol has in the place of ports. */
static void ports(struct json *j, uint8_t l4, const struct flow_ports *p)
{
	if (l4 == IPPROTO_ICMP || l4 == IPPROTO_ICMPV6) {
		json_uint(j, "type", flow_icmp_type(p));
		json_uint(j, "code", flow_icmp_code(p));
		json_uint(j, "id", ntohs(p->sport));
	} else if (l4 == IPPROTO_GRE) {
		json_uint(j, "srckey", ntohs(p->sport));
		json_uint(j, "dstkey", ntohs(p->dport));
	} else if (flow_l4_has_ports(l4) || l4 == IPPROTO_UDPLITE) {
		json_uint(j, "sport", ntohs(p->sport));
		json_uint(j, "dport", ntohs(p->dport));
	}
}

/* ---- flows ---- */

struct direction {
	const char *name;
	const void *src, *dst;
	const struct flow_ports *ports;
};

static void direction_addresses(const struct ct_flow *f, unsigned int dir, struct direction *d)
{
	if (f->l3 == AF_INET) {
		d->src = dir == 0 ? &f->addr.v4.src : &f->addr.v4.reply_src;
		d->dst = dir == 0 ? &f->addr.v4.dst : &f->addr.v4.reply_dst;
	} else {
		d->src = dir == 0 ? f->addr.v6.src : f->addr.v6.reply_src;
		d->dst = dir == 0 ? f->addr.v6.dst : f->addr.v6.reply_dst;
	}
}

/* Has this direction a zone of its own? */
static bool direction_zone(const struct ct_flow *f, unsigned int dir, uint16_t *zone)
{
	enum flow_zone_dir of = dir == 0 ? FLOW_ZONE_ORIG : FLOW_ZONE_REPLY;

	if ((f->has & FLOW_HAS_ZONE) && f->zone_dir == of) {
		*zone = f->zone;
		return true;
	}
	if (dir == 0 || !(f->has & FLOW_HAS_REPLY_ZONE) || !f->rare)
		return false;
	*zone = f->rare->reply_zone;
	return true;
}

static void direction(struct json *j, const struct ct_flow *f, unsigned int dir)
{
	struct direction d = { .name = dir == 0 ? "original" : "reply",
			       .ports = dir == 0 ? &f->orig : &f->reply };
	uint16_t zone;

	direction_addresses(f, dir, &d);
	json_object(j, d.name);
	address(j, "src", f->l3, d.src);
	address(j, "dst", f->l3, d.dst);
	if (f->has & FLOW_HAS_PORTS)
		ports(j, f->l4, d.ports);
	if (direction_zone(f, dir, &zone))
		json_uint(j, "zone", zone);
	if ((f->has & FLOW_HAS_COUNTERS) && f->rare) {
		json_uint(j, "packets", f->rare->packets[dir]);
		json_uint(j, "bytes", f->rare->bytes[dir]);
	}
	json_object_end(j);
}

static void labels(struct json *j, const struct flow_rare *rare)
{
	json_array(j, "labels");
	for (unsigned int n = 0; n < FLOW_LABEL_BYTES * 8; n++)
		if (rare->labels[n / 32] & 1u << n % 32)
			json_uint(j, NULL, n);
	json_array_end(j);
}

static void master(struct json *j, const struct ct_flow *f)
{
	struct flow_ports p = { f->rare->master_sport, f->rare->master_dport };

	json_object(j, "master");
	json_str(j, "proto", flow_l4_name(f->rare->master_l4), SIZE_MAX);
	json_uint(j, "protonum", f->rare->master_l4);
	address(j, "src", f->l3, &f->rare->master_src);
	address(j, "dst", f->l3, &f->rare->master_dst);
	if (f->has & FLOW_HAS_MASTER_PORTS)
		ports(j, f->rare->master_l4, &p);
	json_object_end(j);
}

static void rare_parts(struct json *j, const struct ct_flow *f, const struct flow_print_opts *opts)
{
	uint64_t lived_s;

	if ((f->has & FLOW_HAS_LABELS) && f->rare)
		labels(j, f->rare);
	if ((f->has & FLOW_HAS_HELPER) && f->rare && f->rare->helper[0])
		json_str(j, "helper", f->rare->helper, FLOW_HELPER_MAX);
	if ((f->has & FLOW_HAS_MASTER) && f->rare)
		master(j, f);
	if (flow_lived_s(f, opts, false, &lived_s))
		json_uint(j, "deltatime", lived_s);
}

void flow_print_json(const struct ct_flow *f, const struct flow_print_opts *opts, struct text *out)
{
	const char *state =
		f->has & FLOW_HAS_PROTO_STATE ? flow_state_name(f->l4, f->proto_state) : NULL;
	struct json j = line_begin(out, "flow", f->l3, f->l4);

	if (state)
		json_str(&j, "state", state, SIZE_MAX);
	direction(&j, f, 0);
	if (f->has & FLOW_HAS_REPLY)
		direction(&j, f, 1);
	if (f->has & FLOW_HAS_STATUS) {
		json_uint(&j, "status", f->status);
		bits(&j, "status_names", f->status, &status_bits);
	}
	if (opts->kernel_view && (f->has & FLOW_HAS_TIMEOUT))
		json_uint(&j, "timeout", f->timeout_s);
	if (f->has & FLOW_HAS_MARK)
		json_uint(&j, "mark", f->mark);
	if ((f->has & FLOW_HAS_ZONE) && f->zone_dir == FLOW_ZONE_BOTH)
		json_uint(&j, "zone", f->zone);
	if (f->has & FLOW_HAS_ID)
		json_uint(&j, "id", f->id);
	rare_parts(&j, f, opts);
	if (opts->kernel_view && opts->use > 0)
		json_uint(&j, "use", opts->use);
	if (opts->expires_s >= 0)
		json_int(&j, "expires_s", opts->expires_s);
	if (opts->active_s >= 0)
		json_int(&j, "active_s", opts->active_s);
	json_object_end(&j);
}

/* ---- expectations ---- */

static void expect_tuple(struct json *j, const char *name, uint8_t l3, const struct expect_tuple *t)
{
	const struct flow_ports p = { t->sport, t->dport };

	json_object(j, name);
	address(j, "src", l3, &t->src);
	address(j, "dst", l3, &t->dst);
	ports(j, t->l4, &p);
	json_object_end(j);
}

void expect_print_json(const struct ct_expect *e, const struct expect_print_opts *opts,
		       struct text *out)
{
	struct json j = line_begin(out, "expectation", e->l3, e->tuple.l4);

	expect_tuple(&j, "expected", e->l3, &e->tuple);
	expect_tuple(&j, "mask", e->l3, &e->mask);
	expect_tuple(&j, "master", e->l3, &e->master);
	if (opts->timeout && (e->has & EXPECT_HAS_TIMEOUT))
		json_uint(&j, "timeout", e->timeout_s);
	if (e->zone != 0)
		json_uint(&j, "zone", e->zone);
	if (e->has & EXPECT_HAS_FLAGS) {
		json_uint(&j, "flags", e->flags);
		bits(&j, "flags_names", e->flags, &flag_bits);
	}
	if (e->has & EXPECT_HAS_CLASS)
		json_uint(&j, "class", e->class);
	if (e->has & EXPECT_HAS_HELPER)
		json_str(&j, "helper", e->helper, sizeof(e->helper));
	if (opts->expires_s > 0)
		json_int(&j, "expires_s", opts->expires_s);
	if (opts->active_s >= 0)
		json_int(&j, "active_s", opts->active_s);
	json_object_end(&j);
}

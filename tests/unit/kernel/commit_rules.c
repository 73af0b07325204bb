/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where our requests differ from those of 1.4.x, and why. One table; a difference that is not in it
 * is a defect. */
#include "unit/kernel/commit_rules.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit/kernel/support.h"

static bool has_tuple_ports(const struct ct_flow *f)
{
	return (f->has & FLOW_HAS_PORTS) && flow_l4_has_ports(f->l4);
}

static bool source_port_kept(const struct ct_flow *f, const struct ct_build_opts *o)
{
	return !o->update && has_tuple_ports(f) && (f->has & FLOW_HAS_SNAT) &&
	       !(f->has & FLOW_HAS_SPAT);
}

static bool destination_port_kept(const struct ct_flow *f, const struct ct_build_opts *o)
{
	return !o->update && has_tuple_ports(f) && (f->has & FLOW_HAS_DNAT) &&
	       !(f->has & FLOW_HAS_DPAT);
}

static bool source_address_kept(const struct ct_flow *f, const struct ct_build_opts *o)
{
	return !o->update && !(f->has & FLOW_HAS_SNAT) && (f->has & FLOW_HAS_SPAT);
}

static bool destination_address_kept(const struct ct_flow *f, const struct ct_build_opts *o)
{
	return !o->update && !(f->has & FLOW_HAS_DNAT) && (f->has & FLOW_HAS_DPAT);
}

static bool source_kept(const struct ct_flow *f, const struct ct_build_opts *o)
{
	return !o->update && !(f->has & (FLOW_HAS_SNAT | FLOW_HAS_SPAT)) &&
	       (f->has & (FLOW_HAS_DNAT | FLOW_HAS_DPAT));
}

static bool newer_ports(const struct ct_flow *f, const struct ct_build_opts *o)
{
	return !o->update && (f->l4 == IPPROTO_SCTP || f->l4 == IPPROTO_DCCP) &&
	       (f->has & FLOW_FROM_PEER_NAT);
}

static bool scales(const struct ct_flow *f, const struct ct_build_opts *o)
{
	return !o->liberal && f->l4 == IPPROTO_TCP && (f->has & FLOW_HAS_WSCALE) &&
	       (f->has & FLOW_HAS_PROTO_STATE);
}

static bool half_a_state(const struct ct_flow *f, const struct ct_build_opts *o)
{
	(void)o;
	return (f->l4 == IPPROTO_SCTP && !(f->has & FLOW_HAS_VTAGS)) ||
	       (f->l4 == IPPROTO_DCCP && !(f->has & FLOW_HAS_DCCP_ROLE));
}

static bool no_synproxy(const struct ct_flow *f, const struct ct_build_opts *o)
{
	(void)o;
	return (f->has & FLOW_HAS_SYNPROXY) && !(f->rare && f->rare->synproxy_set);
}

static bool half_a_master(const struct ct_flow *f, const struct ct_build_opts *o)
{
	return !o->update && (f->has & FLOW_HAS_MASTER) && !ct_build_has_master(f);
}

static bool no_timeout(const struct ct_flow *f, const struct ct_build_opts *o)
{
	return !o->timeout_s && !(f->has & FLOW_HAS_TIMEOUT);
}

static bool liberal_sctp(const struct ct_flow *f, const struct ct_build_opts *o)
{
	return o->liberal && f->l4 == IPPROTO_SCTP;
}

static bool liberal_dccp(const struct ct_flow *f, const struct ct_build_opts *o)
{
	return o->liberal && f->l4 == IPPROTO_DCCP;
}

static bool no_status(const struct ct_flow *f, const struct ct_build_opts *o)
{
	(void)o;
	return !(f->has & FLOW_HAS_STATUS);
}

struct rule {
	bool (*applies)(const struct ct_flow *f, const struct ct_build_opts *o);
	const char *path; /* not compared then */
	const char *why;
};

static const struct rule rules[] = {
	{ source_port_kept, "CTA_NAT_SRC/CTA_NAT_PROTO",
	  "we name the port that is not translated: else the kernel may take the one of another "
	  "mapping" },
	{ destination_port_kept, "CTA_NAT_DST/CTA_NAT_PROTO", "the same" },
	{ source_address_kept, "CTA_NAT_SRC/CTA_NAT_V",
	  "we name the address that is not translated: a range without one is 0.0.0.0" },
	{ destination_address_kept, "CTA_NAT_DST/CTA_NAT_V", "the same" },
	{ source_kept, "CTA_NAT_SRC/",
	  "we name the source of a flow whose destination is translated: else the kernel may take "
	  "another port" },
	{ newer_ports, "CTA_NAT_SRC/CTA_NAT_PROTO",
	  "the library names ports of TCP and UDP only, the kernel takes these too" },
	{ newer_ports, "CTA_NAT_DST/CTA_NAT_PROTO", "the same" },
	{ scales, "CTA_PROTOINFO/CTA_PROTOINFO_TCP/CTA_PROTOINFO_TCP_FLAGS_",
	  "we set the flag without which the kernel ignores the scales" },
	{ no_status, "CTA_STATUS", "every flow in a table is confirmed; 1.4.x then says nothing" },
	{ liberal_sctp, "CTA_PROTOINFO/CTA_PROTOINFO_SCTP/CTA_PROTOINFO_SCTP_VTAG_",
	  "1.4.x writes its TCP flags over the tags; we send the tags as received" },
	{ liberal_dccp, "CTA_PROTOINFO/CTA_PROTOINFO_DCCP/CTA_PROTOINFO_DCCP_",
	  "1.4.x writes its TCP flags over state or role" },
	{ half_a_state, "CTA_PROTOINFO/", "the kernel would refuse the flow" },
	{ no_synproxy, "CTA_SYNPROXY/", "three zeros are what the kernel has anyway" },
	{ half_a_master, "CTA_TUPLE_MASTER/", "the kernel would refuse the flow" },
	{ no_timeout, "CTA_TIMEOUT", "the kernel would refuse the flow: we ask for 60 s at once" },
};
#define N_RULES (sizeof(rules) / sizeof(rules[0]))

static size_t used[N_RULES], not_dying;

/* The rules about a part of a value: no flow is born dying, the kernel would refuse it; nor in
 * another kernel's flow table. */
static void settle_dying(struct ct_flat *theirs)
{
	static const char path[] = "CTA_STATUS: ";

	for (size_t i = 0; i < theirs->n; i++) {
		unsigned long status;

		if (strncmp(theirs->line[i], path, strlen(path)) != 0)
			continue;
		status = strtoul(theirs->line[i] + strlen(path), NULL, 16);
		not_dying += (status & IPS_DYING) != 0;
		snprintf(theirs->line[i], sizeof(theirs->line[i]), "%s%08lx", path,
			 status & ~(unsigned long)(IPS_DYING | FLOW_STATUS_OFFLOAD));
	}
}

void commit_rules_apply(const struct ct_flow *f, const struct ct_build_opts *o,
			struct ct_flat *ours, struct ct_flat *theirs)
{
	settle_dying(theirs);
	for (size_t i = 0; i < N_RULES; i++) {
		size_t before = ours->n + theirs->n;

		if (!rules[i].applies(f, o))
			continue;
		ct_flat_drop(ours, rules[i].path);
		ct_flat_drop(theirs, rules[i].path);
		used[i] += ours->n + theirs->n < before;
	}
}

size_t commit_rules_report(void)
{
	size_t unused = not_dying == 0;

	print_message("%6zu requests of 1.4.x for a flow that is dying\n", not_dying);
	for (size_t i = 0; i < N_RULES; i++) {
		print_message("%6zu requests differ in %s: %s\n", used[i], rules[i].path,
			      rules[i].why);
		unused += used[i] == 0;
	}
	return unused;
}

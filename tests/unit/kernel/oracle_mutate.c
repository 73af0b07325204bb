/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Deliberate faults: bytes flipped, the end cut off, attributes at any depth doubled, removed,
 * swapped, of another size, and unknown ones in between.
 */
#include "unit/kernel/oracle.h"

#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#include "base/writer.h"
#include "unit/kernel/support.h"

#define HDR (sizeof(struct nlmsghdr) + sizeof(struct nfgenmsg))

enum fault { DOUBLE, REMOVE, SWAP, RESIZE, UNKNOWN, N_FAULTS };

struct edit {
	uint64_t *seed;
	enum fault fault;
	size_t at; /* number of the attribute it happens to, in order of their appearance */
	size_t seen;
	struct writer out;
};

static void put(struct writer *w, uint16_t type, const void *value, size_t len)
{
	const struct nlattr a = { .nla_type = type, .nla_len = (uint16_t)(sizeof(a) + len) };
	static const uint8_t zeros[4];

	wr_bytes(w, &a, sizeof(a));
	if (len > 0)
		wr_bytes(w, value, len);
	wr_bytes(w, zeros, -len & 3);
}

static void copy_level(struct edit *e, const struct ct_attr *table, size_t n_table,
		       const uint8_t *p, size_t n);

static void copy_attr(struct edit *e, const struct ct_attr *table, size_t n_table,
		      const struct nlattr *a)
{
	const struct ct_attr *known = ct_attr_find(table, n_table, mnl_attr_get_type(a));
	size_t begin = e->out.len, len = mnl_attr_get_payload_len(a);
	uint16_t nla_len;

	if (!known || !known->sub) {
		put(&e->out, a->nla_type, mnl_attr_get_payload(a), len);
		return;
	}
	put(&e->out, a->nla_type, NULL, 0);
	copy_level(e, known->sub, known->n_sub, mnl_attr_get_payload(a), len);
	nla_len = (uint16_t)(e->out.len - begin);
	if (!e->out.full)
		memcpy(e->out.buf + begin, &nla_len, sizeof(nla_len));
}

static void copy_with_fault(struct edit *e, const struct ct_attr *table, size_t n_table,
			    const struct nlattr *a)
{
	uint8_t value[256];
	size_t len = mnl_attr_get_payload_len(a), other = rnd(e->seed, 40);

	for (size_t i = 0; i < sizeof(value); i++)
		value[i] = (uint8_t)rnd(e->seed, 256);
	switch (e->fault) {
	case DOUBLE:
		copy_attr(e, table, n_table, a);
		copy_attr(e, table, n_table, a);
		break;
	case RESIZE:
		memcpy(value, mnl_attr_get_payload(a), len < sizeof(value) ? len : sizeof(value));
		put(&e->out, a->nla_type, value, other);
		break;
	case UNKNOWN:
		put(&e->out, (uint16_t)(100 + rnd(e->seed, 1000)), value, other);
		copy_attr(e, table, n_table, a);
		break;
	case REMOVE:
	case SWAP:
	case N_FAULTS:
		break;
	}
}

static void copy_level(struct edit *e, const struct ct_attr *table, size_t n_table,
		       const uint8_t *p, size_t n)
{
	const struct nlattr *all[64], *attr;
	size_t k = 0;

	mnl_attr_for_each_payload((const void *)p, n)
	{
		assert_true(k < 64);
		all[k++] = attr;
	}
	if (e->fault == SWAP && e->at >= e->seen && e->at < e->seen + k && k > 1) {
		size_t i = rnd(e->seed, (uint32_t)k), j = rnd(e->seed, (uint32_t)k);

		attr = all[i];
		all[i] = all[j];
		all[j] = attr;
	}
	for (size_t i = 0; i < k; i++) {
		if (e->seen++ == e->at && e->fault != SWAP)
			copy_with_fault(e, table, n_table, all[i]);
		else
			copy_attr(e, table, n_table, all[i]);
	}
}

static size_t edit_attrs(uint64_t *seed, const struct nlmsghdr *h, uint8_t *out)
{
	struct edit e = { .seed = seed,
			  .fault = (enum fault)rnd(seed, N_FAULTS),
			  .at = rnd(seed, 60) };
	uint32_t len;

	e.out = wr_init(out, ORACLE_MSG_MAX);
	wr_bytes(&e.out, h, HDR);
	copy_level(&e, ct_attrs, n_ct_attrs, (const uint8_t *)h + HDR, h->nlmsg_len - HDR);
	assert_false(e.out.full);
	len = (uint32_t)e.out.len;
	memcpy(out, &len, sizeof(len));
	return e.out.len;
}

size_t oracle_mutate(uint64_t *seed, const void *msg, void *out)
{
	uint32_t kind = rnd(seed, 8), len;
	uint8_t *bytes = out;
	size_t n;

	memcpy(&len, msg, sizeof(len));
	if (kind >= 3)
		return edit_attrs(seed, msg, out);
	memcpy(out, msg, len);
	n = len;
	if (kind == 0) { /* behind the netlink header, whose fields the kernel itself fills */
		len = (uint32_t)sizeof(struct nlmsghdr) +
		      rnd(seed, len - (uint32_t)sizeof(struct nlmsghdr));
		memcpy(out, &len, sizeof(len));
		return len;
	}
	for (uint32_t i = 1 + rnd(seed, 3); i > 0; i--) {
		size_t at = HDR + rnd(seed, (uint32_t)(n - HDR));

		bytes[at] = kind == 1 ? bytes[at] ^ (uint8_t)(1u << rnd(seed, 8)) :
					(uint8_t)rnd(seed, 256);
	}
	return n;
}

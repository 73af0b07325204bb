/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -F and expectations. As with flows, what the user's Filter excludes belongs to somebody else and
 * is left: the expectations of its flows would be missed by calls and transfers that go on. The
 * same holds for helpers that ExpectationSync does not name. So there is no request for all at
 * once: the kernel lists them, tells of each the master, and deletes one by one.
 *
 * All within one turn of the loop: the kernel carries each request out while it is sent, in 10 us,
 * and it keeps few expectations (nf_conntrack_expect_max, 1024 on most machines). The list is
 * complete before anything is deleted, because a list that is read on beside deletions may leave
 * entries out. */
#include "follow/exp_flush.h"

#include <errno.h>
#include <stdlib.h>

#include "node/exp_path.h"

struct list {
	struct ct_expect *e;
	size_t n, cap;
	bool no_memory;
};

static void collect(void *ctx, const struct ct_expect *e)
{
	struct list *l = ctx;

	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 64;
		struct ct_expect *p = reallocarray(l->e, cap, sizeof(*p));

		if (!p) {
			l->no_memory = true;
			return;
		}
		l->e = p;
		l->cap = cap;
	}
	l->e[l->n++] = *e;
}

/* Does its master pass? One that the kernel does not tell is judged by what the expectation says of
 * it. */
static bool master_passes(struct exp_sock *sock, const struct flow_filter *filter,
			  const struct ct_expect *e)
{
	struct flow_rare rare;
	struct ct_flow master;

	if (exp_sock_master(sock, e, &master, &rare) < 0)
		expect_master_flow(e, &master);
	return flow_filter_pass(filter, &master);
}

int exp_flush(struct exp_sock *sock, const struct flow_filter *filter,
	      const struct sync_expect_conf *conf, struct exp_flush_result *res)
{
	struct list l = { 0 };
	int first = exp_sock_list(sock, collect, &l), err;

	*res = (struct exp_flush_result){ 0 };
	if (first == 0 && l.no_memory)
		first = -ENOMEM;
	for (size_t i = 0; i < l.n; i++) {
		if (!exp_path_named(conf, &l.e[i]) || !master_passes(sock, filter, &l.e[i])) {
			res->left++;
			continue;
		}
		err = exp_sock_destroy(sock, &l.e[i]);
		if (err == 0)
			res->deleted++;
		else if (err != -ENOENT &&
			 first == 0) /* that one has come true, or its time was up */
			first = err;
	}
	free(l.e);
	return first;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rules of the gate.
 *
 * Whether packets are queued hangs on two elements of a set, one for each family, which time out: a
 * daemon that is stopped holds nothing new after that. To give an element its time again, the set
 * is emptied and filled in one transaction. The chain stays as long as the daemon runs: when a base
 * chain is removed the kernel drops what is in all queues of the namespace.
 *
 * The priority is between the putting together of fragments (-400) and the chains that mark packets
 * as not tracked (-300), which then see what has passed the queue. */
#include "queue/queue_rules.h"

#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#ifdef HAVE_NFTABLES
#include <nftables/libnftables.h>

#define TABLE "inet conntrackd-gate-%u"

struct queue_rules {
	struct nft_ctx *nft; /* its socket is the owner of the table */
	uint16_t num;
	bool table;
};

/* 0, or -EINVAL with the first line that was said. */
static int run(struct queue_rules *r, const struct text *cmd, struct text *err)
{
	const char *said;

	if (cmd->truncated)
		return -ENOMEM;
	if (nft_run_cmd_from_buffer(r->nft, cmd->buf) == 0)
		return 0;
	said = nft_ctx_get_error_buffer(r->nft);
	if (err && said)
		text_printf(err, "the kernel refuses the rules: %.*s", (int)strcspn(said, "\n"),
			    said);
	return -EINVAL;
}

static void put_rules(struct text *t, uint16_t num, const char *const *except, size_t n)
{
	text_printf(t, "table " TABLE " {\n\tflags owner\n", num);
	text_str(t, "\tset closed { type nf_proto; flags timeout; }\n"
		    "\tchain prerouting {\n"
		    "\t\ttype filter hook prerouting priority -310; policy accept;\n"
		    "\t\tiif \"lo\" return\n");
	for (size_t i = 0; i < n; i++)
		text_printf(t, "\t\tiifname \"%s\" return\n", except[i]);
	text_str(t, "\t\tmeta pkttype { broadcast, multicast } return\n"
		    "\t\ticmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, "
		    "nd-neighbor-advert, nd-redirect } return\n");
	text_printf(t, "\t\tmeta nfproto @closed queue num %u\n\t}\n}\n", num);
}

int queue_rules_open(uint16_t queue_num, const char *const *except, size_t n,
		     struct queue_rules **out, struct text *err)
{
	struct queue_rules *r = calloc(1, sizeof(*r));
	struct text cmd = { 0 };
	int rc;

	if (!r)
		return -ENOMEM;
	r->num = queue_num;
	r->nft = nft_ctx_new(NFT_CTX_DEFAULT);
	if (!r->nft || nft_ctx_buffer_error(r->nft) || nft_ctx_buffer_output(r->nft)) {
		queue_rules_close(r);
		return -ENOMEM;
	}
	put_rules(&cmd, queue_num, except, n);
	rc = run(r, &cmd, err);
	text_free(&cmd);
	r->table = rc == 0;
	if (rc < 0) {
		queue_rules_close(r);
		return rc;
	}
	*out = r;
	return 0;
}

int queue_rules_hold(struct queue_rules *r, bool on)
{
	struct text cmd = { 0 };
	int rc;

	text_printf(&cmd, "flush set " TABLE " closed\n", r->num);
	if (on)
		text_printf(&cmd,
			    "add element " TABLE
			    " closed { ipv4 timeout %ums, ipv6 timeout %ums }\n",
			    r->num, QUEUE_RULES_TIMEOUT_MS, QUEUE_RULES_TIMEOUT_MS);
	rc = run(r, &cmd, NULL);
	text_free(&cmd);
	return rc;
}

void queue_rules_close(struct queue_rules *r)
{
	struct text cmd = { 0 };

	if (!r)
		return;
	if (r->table) {
		text_printf(&cmd, "delete table " TABLE "\n", r->num);
		run(r, &cmd, NULL);
		text_free(&cmd);
	}
	if (r->nft)
		nft_ctx_free(r->nft);
	free(r);
}

#else

int queue_rules_open(uint16_t queue_num, const char *const *except, size_t n,
		     struct queue_rules **out, struct text *err)
{
	(void)queue_num;
	(void)except;
	(void)n;
	(void)out;
	text_str(err, "built without libnftables: write \"Rules external\", and the rules");
	return -EOPNOTSUPP;
}

int queue_rules_hold(struct queue_rules *r, bool on)
{
	(void)r;
	(void)on;
	return -EOPNOTSUPP;
}

void queue_rules_close(struct queue_rules *r)
{
	(void)r;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_QUEUE_QUEUE_RULES_H
#define CONNTRACKD_QUEUE_QUEUE_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

/* nftables rules of our own that queue packets before connection tracking: a table that belongs to
 * this process (flags owner), so nobody else can change it, "nft flush ruleset" leaves it, and it
 * goes with the process. Needs libnftables; built without it open gives -EOPNOTSUPP. */
struct queue_rules;

/* The rules, which queue nothing yet. except: n names of interfaces whose packets never are. 0, or
 * -errno with a line in *err. */
int queue_rules_open(uint16_t queue_num, const char *const *except, size_t n,
		     struct queue_rules **out, struct text *err);
/* The kernel drops what is in a queue when a base chain goes. NULL is harmless. */
void queue_rules_close(struct queue_rules *r);

/* From now on, for QUEUE_RULES_TIMEOUT_MS: packets are queued; repeated before that is over, they
 * go on being queued. on false: what is new passes. 0 or -errno. */
int queue_rules_hold(struct queue_rules *r, bool on);
#define QUEUE_RULES_TIMEOUT_MS 1000

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_KERNEL_SUPPORT_H
#define TESTS_UNIT_KERNEL_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/evloop.h"
#include "flow/flow.h"

/* What the tests of kernel/ share. */

/* A seed of this run, printed; CT_SEED repeats one. */
uint64_t seed_get(void);
uint32_t rnd(uint64_t *state, uint32_t below);

/* A flow as a peer may tell it, any parts, any values (ranges the kernel checks are kept). */
void random_flow(uint64_t *state, struct ct_flow *f, struct flow_rare *rare);

/* TCP, established and assured, 10.0.0.1:sport -> 10.0.0.2:80 unless changed afterwards. */
struct ct_flow tcp_flow(uint16_t sport);

/* The first difference between the parts in `parts` (FLOW_HAS_*, and the key) as text, NULL when
 * there is none. */
const char *flow_difference(const struct ct_flow *a, const struct ct_flow *b, uint32_t parts);

/* A network namespace of our own for this process, loopback up. False, with the reason printed,
 * when that is not allowed or the kernel lacks what `what` needs: the test is skipped. */
bool netns_enter(void);

/* Run commands through the shell; 0 when all went well. */
int run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Turn the loop until *flag or the time is up. */
bool turn_until(struct evloop *loop, const bool *flag, int64_t max_ms);
/* Turn it for so long. */
void turn_for(struct evloop *loop, int64_t ms);

/* Requests to the kernel one at a time, for preparing and checking tables. Own port id per call of
 * kernel_open(). */
struct kernel_hand {
	int fd;
	uint32_t portid;
};
void kernel_open(struct kernel_hand *k);
void kernel_close(struct kernel_hand *k);
int kernel_create(struct kernel_hand *k, const struct ct_flow *f);
int kernel_update(struct kernel_hand *k, const struct ct_flow *f);
int kernel_destroy(struct kernel_hand *k, const struct ct_flow *f);
int kernel_get(struct kernel_hand *k, const struct ct_flow *f, struct ct_flow *out,
	       struct flow_rare *rare);
/* One request with its own acknowledgement. */
int kernel_request(struct kernel_hand *k, const void *req, size_t len);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_TESTS_SIM_H
#define CONNTRACKD_TESTS_SIM_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "daemon/pipeline.h"
#include "flow/flow.h"
#include "sync/sync_conf.h"

/* Whole nodes over a simulated network, from a seed. What each file does:
 *
 *   sim.c       the world: time, who runs when; main
 *   scenario.c  a seed becomes a plan: who takes part, what goes wrong, when
 *   net.c       the sync link: loses, doubles, delays, reorders, breaks, fills up
 *   kernel.c    a firewall's connection table: the truth the caches are compared with
 *   node.c      a node of ours: the real pipeline
 *   old.c       a node of 1.4.7: a model after replication.md section 3
 *   judge.c     what must hold during and after
 */

#define SIM_NODES	3
#define SIM_TUPLES	400		/* flows a kernel can have */
#define SIM_MTU		1468
#define SIM_REFRESH_S	2	/* ALARM: so many repetitions are never lost in a row as fit into SIM_CACHE_S */
#define SIM_CACHE_S	40
#define SIM_MS		MONO_NS_PER_MS
#define SIM_S		MONO_NS_PER_S

struct sim;

/* ---- random numbers ---- */
struct rng {
	uint64_t state;
};
uint64_t rng_next(struct rng *r);
uint32_t rng_below(struct rng *r, uint32_t n);		/* 0 .. n - 1; 0 for n = 0 */
bool rng_chance(struct rng *r, uint32_t per_mille);

/* ---- kernel.c ---- */
struct sim_flow {
	bool alive;
	uint32_t life;		/* counts births of the tuple */
	struct ct_flow flow;	/* flow.rare points to rare */
	struct flow_rare rare;
	int64_t changed_ns;
	uint32_t seen_life[SIM_NODES];	/* judge: the life in which node n had it */
};

struct kernel {
	struct sim *sim;
	unsigned int node;	/* whose */
	uint32_t next_id;
	uint32_t n_tuples;
	struct sim_flow flow[SIM_TUPLES];
	struct {
		uint64_t born, changed, ended, reused;
	} n;
};

void kernel_init(struct kernel *k, struct sim *sim, unsigned int node, uint32_t n_tuples);
/* One random change, told to the node if it is up. */
void kernel_churn(struct kernel *k);
/* Many births at once. */
void kernel_burst(struct kernel *k, uint32_t n);
/* Flows end until no more than n are left. */
void kernel_drain(struct kernel *k, uint32_t n);
uint32_t kernel_count(const struct kernel *k);
/* The machine was switched off and on. */
void kernel_reboot(struct kernel *k);
/* Is an entry about this life of the flow? False also when it cannot be told. */
bool kernel_same_life(const struct sim_flow *sf, const struct ct_flow *entry);
/* Index of a flow by its tuple, and whose it is; -1: nobody's. */
int kernel_index(const struct ct_flow *f, unsigned int *node);

/* ---- node.c, old.c ---- */
struct node {
	struct sim *sim;
	unsigned int index;
	bool up, old;
	uint32_t limit_internal, limit_external;	/* HashLimit in this life */
	bool forgot;		/* its external cache was emptied in this life */
	int64_t compare_ns;	/* when the comparison with the kernel goes on; 0: there is none */
	unsigned int compare_at;	/* the next tuple of its dump */
	uint8_t link;		/* which of two it sends on: the others see another address */
	int64_t due_ns;		/* when to run next; INT64_MAX: only when something happens */
	uint32_t lives;
	struct kernel kernel;
	struct sync_conf conf;
	/* ours */
	struct pipeline *pipeline;
	struct pipeline_env env;
	uint8_t buf[SIM_MTU];
	struct writer writer;
	int64_t tx_slot_ns;	/* limited channel: what was sent in this millisecond */
	uint32_t tx_slot_n;
	bool tx_blocked;
	uint64_t turns;
	struct sync_stats ended;	/* of earlier lives */
	/* 1.4.7 */
	struct old *o;
};

void node_start(struct node *n);
void node_stop(struct node *n);
void node_event(struct node *n, enum pipeline_event what, const struct ct_flow *f);
/* From node `from`, by way of its link. */
void node_datagram(struct node *n, unsigned int from, uint8_t link, const uint8_t *bytes, size_t len);
void node_run(struct node *n);
/* Flow f of node `of` in the external cache; NULL when it is not there. */
const struct ct_flow *node_external(const struct node *n, const struct ct_flow *f);
uint32_t node_external_count(const struct node *n);
/* Calls cb for each external entry. */
void node_external_walk(const struct node *n, void (*cb)(void *ctx, const struct ct_flow *f), void *ctx);
struct sync_stats node_stats(const struct node *n);	/* all lives together */
void node_flush(struct node *n);			/* -f internal: compare */
void node_forget(struct node *n);			/* -f external */
/* Does all its kernel has, and all that the other one's has, fit into its caches? */
bool node_fits_own(const struct node *n);
bool node_fits(const struct node *holder, const struct node *owner);
bool node_busy(const struct node *n);			/* a bulk or resync is going on */

void old_start(struct node *n);
void old_stop(struct node *n);
void old_event(struct node *n, enum pipeline_event what, const struct ct_flow *f);
void old_datagram(struct node *n, const uint8_t *bytes, size_t len);
void old_run(struct node *n);
struct external *old_external(const struct node *n);
bool old_overflowed(const struct node *n);

/* ---- net.c ---- */
struct net_fault {
	uint32_t loss, dup;		/* per mille */
	uint32_t delay_us, jitter_us;	/* one way */
	uint32_t late;			/* per mille: delayed by up to late_ms more */
	uint32_t late_ms;
};

struct packet {
	int64_t due_ns;
	uint64_t order;
	unsigned int from, to;
	uint8_t link;
	size_t len;
	uint8_t *bytes;
};

struct net {
	struct sim *sim;
	struct net_fault fault;
	bool cut[SIM_NODES][SIM_NODES];	/* from, to */
	uint32_t rx_limit;		/* datagrams one node takes in a millisecond; 0: all */
	int64_t rx_slot_ns[SIM_NODES];
	uint32_t rx_slot_n[SIM_NODES];
	struct packet *heap;
	uint32_t n, cap;
	uint64_t order;
	struct {
		uint64_t sent, lost, doubled, overrun;
	} count;
};

void net_free(struct net *net);
void net_send(struct net *net, unsigned int from, const uint8_t *bytes, size_t len);
bool net_pop(struct net *net, struct packet *out);	/* the next one that is due; the bytes are the caller's */
int64_t net_due(const struct net *net);

/* ---- scenario.c ---- */
enum sim_kind {
	KIND_LIGHT,	/* loss, duplicates, reordering within the repair window: no resync but the first */
	KIND_ROUGH,	/* the same from the start, heavier */
	KIND_RESTART,	/* daemons and machines end and come back */
	KIND_OUTAGE,	/* links break, also one way, longer than the ring lasts */
	KIND_SMALL,	/* small rings, limited channel, bursts */
	KIND_FORGED,	/* messages nobody sent */
	KIND_OLD,	/* one node is a 1.4.7 */
	KIND_THREE,	/* three nodes */
	KIND_LIMIT,	/* HashLimit too small on either side, -f, start-up dumps with gaps */
	KIND_MAX,
};

enum action {
	ACT_CHURN, ACT_BURST, ACT_STOP, ACT_START, ACT_REBOOT, ACT_CUT, ACT_HEAL, ACT_FAULT, ACT_CALM, ACT_FORGE,
	ACT_BULK, ACT_ASK, ACT_FLUSH, ACT_FORGET, ACT_DRAIN, ACT_LINK,
};

struct step {
	int64_t at_ns;
	enum action what;
	unsigned int node, other;
	uint32_t n;
};

#define SIM_STEPS 4096

struct plan {
	enum sim_kind kind;
	unsigned int n_nodes;
	bool restarted;		/* some node ends and comes back */
	bool outage;		/* a link breaks */
	struct net_fault fault;	/* what ACT_FAULT puts in force */
	uint32_t tx_limit;	/* datagrams per millisecond a channel takes; 0: all */
	int64_t quiet_ns;	/* no disturbance from then on */
	int64_t patience_ns;	/* the caches must be equal this long after */
	uint32_t n_steps, at;
	struct step step[SIM_STEPS];
};

void plan_make(struct sim *sim);
/* A message that no node sent. */
void plan_forge(struct sim *sim, unsigned int from, unsigned int to);
extern const char *const kind_name[KIND_MAX];

/* ---- judge.c ---- */
void judge_watch(struct sim *sim);	/* every half second: nothing that lives has vanished */
bool judge_equal(struct sim *sim, bool explain);
void judge_end(struct sim *sim);	/* counters after everything */

/* ---- sim.c ---- */
struct sim {
	uint64_t seed;
	enum sync_mode mode;	/* of all nodes */
	int64_t now_ns;
	struct rng rng;
	struct plan plan;
	struct net net;
	struct node node[SIM_NODES];
	bool trace;
	bool failed;
	char why[512];
};

static inline struct mono sim_now(const struct sim *sim)
{
	return (struct mono){ .ns = sim->now_ns };
}
uint32_t sim_wall_s(const struct sim *sim);
void sim_fail(struct sim *sim, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sim_trace(const struct sim *sim, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif

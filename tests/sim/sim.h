/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_TESTS_SIM_H
#define CONNTRACKD_TESTS_SIM_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "node/pipeline.h"
#include "flow/filter_conf.h"
#include "flow/flow.h"
#include "sync/sync_conf.h"
#include "proto/v1/attr.h"

/* Whole nodes over a simulated network, from a seed. What each file does:
 *
 *   sim.c       the world: time, who runs when; main
 *   scenario.c  kind and seed become a plan: who takes part, what goes wrong, when
 *   forge.c     messages that nobody sent
 *   net.c       the sync link: loses, doubles, delays, reorders, breaks, fills up; or a stream
 *               (TCP)
 *   kernel.c    a firewall's connection table: the truth the caches are compared with
 *   node.c      a node of ours: the real pipeline, with or without each of its caches
 *   old.c       a node of 1.4.7: a model of what that program was seen to do
 *   watch.c     what must hold at every step
 *   truth.c     what a node says of itself is true
 *   judge.c     what must hold at the end
 */

#define SIM_NODES   3
#define SIM_TUPLES  400 /* flows a kernel can have, but for large tables */
#define SIM_LARGE   4000
#define SIM_EXPECTS 16	 /* expectations a kernel can have */
#define SIM_RING    4096 /* ResendQueueSize, where it is ample */
#define SIM_MTU	    1468
/* ALARM: so many repetitions are never lost in a row as fit into SIM_CACHE_S */
#define SIM_REFRESH_S 2
#define SIM_CACHE_S   40
#define SIM_MS	      MONO_NS_PER_MS
#define SIM_S	      MONO_NS_PER_S

struct sim;

/* ---- random numbers ---- */
struct rng {
	uint64_t state;
};
uint64_t rng_next(struct rng *r);
uint32_t rng_below(struct rng *r, uint32_t n); /* 0 .. n - 1; 0 for n = 0 */
bool rng_chance(struct rng *r, uint32_t per_mille);

/* ---- kernel.c ---- */
struct sim_flow {
	bool alive;
	uint32_t life;	     /* counts births of the tuple */
	uint32_t version;    /* counts changes within a life */
	struct ct_flow flow; /* flow.rare points to rare */
	struct flow_rare rare;
	/* watch.c: the owner's last message about it; what each holder was told last
	 * (kernel_stamp()) */
	int64_t born_ns, sent_ns;
	uint32_t sent_seq;
	uint32_t told[SIM_NODES];
	int64_t told_ns[SIM_NODES];
	/* truth.c: the owner's last message about it in this life of the owner */
	bool said, said_end;
	uint32_t said_seq, said_stamp;
	int64_t said_ns;
};

struct sim_expect {
	bool alive;
	struct ct_expect e;
};

struct kernel {
	struct sim *sim;
	unsigned int node; /* whose */
	uint32_t next_id;
	uint32_t n_tuples, n_alive;
	struct sim_flow *flow;
	bool stamp_marks;   /* marks hold the stamp (kernel.c) */
	uint32_t n_expects; /* 0: there are none */
	struct sim_expect expect[SIM_EXPECTS];
};

void kernel_init(struct kernel *k, struct sim *sim, unsigned int node, uint32_t n_tuples);
void kernel_free(struct kernel *k);
/* One random change, told to the node if it is up. */
void kernel_churn(struct kernel *k);
/* Many births at once. */
void kernel_burst(struct kernel *k, uint32_t n);
/* Flows end until no more than n are left. */
void kernel_drain(struct kernel *k, uint32_t n);
uint32_t kernel_count(const struct kernel *k);
/* The machine was switched off and on. */
void kernel_reboot(struct kernel *k);
/* Life and version of a flow, in one number that grows and travels with it. */
static inline uint32_t kernel_stamp(const struct sim_flow *sf)
{
	return 1000 * sf->life + sf->version;
}
uint32_t kernel_stamp_of(const struct ct_flow *entry);
/* Is an entry about this life of the flow? False also when it cannot be told. */
bool kernel_same_life(const struct sim_flow *sf, const struct ct_flow *entry);
/* Index of a flow by its tuple, and whose it is; -1: nobody's. */
int kernel_index(const struct ct_flow *f, unsigned int *node);

/* ---- node.c, old.c ---- */
struct node {
	struct sim *sim;
	unsigned int index;
	bool up, old;
	bool no_internal, no_external;
	uint32_t limit_internal, limit_external; /* HashLimit in this life */
	bool forgetting;			 /* its external cache is being emptied */
	bool compared;				 /* ... was asked for, in any of its lives */
	int64_t compare_ns;	 /* when the comparison with the kernel goes on; 0: there is none */
	unsigned int compare_at; /* the next tuple of its dump */
	int64_t dump_ns;	 /* the same for the dump of a full send without internal cache */
	unsigned int dump_at;
	bool dump_paused;
	uint8_t link;	 /* which of two it sends on: the others see another address */
	uint8_t address; /* it has had so many others before, on each link */
	int64_t due_ns;	 /* when to run next; INT64_MAX: only when something happens */
	int64_t started_ns;
	uint32_t lives;
	uint32_t first_seq; /* of the last life */
	struct kernel kernel;
	struct sync_conf conf;
	/* ours */
	struct pipeline *pipeline;
	struct pipeline_env env;
	struct flow_filter *filter;
	struct flow_table *injected; /* without external cache: the peers' flows in its kernel */
	uint8_t buf[SIM_MTU];
	struct writer writer;
	int64_t tx_slot_ns; /* limited channel: what was sent in this millisecond */
	uint32_t tx_slot_n;
	bool tx_blocked;
	uint64_t turns;
	struct sync_stats ended; /* of earlier lives */
	/* 1.4.7 */
	struct old *o;
};

void node_start(struct node *n);
void node_stop(struct node *n);
void node_end(struct node *n); /* for good */
void node_event(struct node *n, enum ct_event what, const struct ct_flow *f);
void node_expect_event(struct node *n, bool gone, const struct ct_expect *e);
/* From node `from`, by way of its link. */
void node_datagram(struct node *n, const struct peer_addr *from, const uint8_t *bytes, size_t len);
void node_run(struct node *n);
/* Flow f of another node in the external cache, or in the kernel where there is none; NULL when it
 * is not there. */
const struct ct_flow *node_external(const struct node *n, const struct ct_flow *f);
/* Calls cb for each external entry. */
void node_external_walk(const struct node *n, void (*cb)(void *ctx, const struct ct_flow *f),
			void *ctx);
/* Is it this table? */
bool node_has_external(const struct node *n, const struct flow_table *t);
struct sync_stats node_stats(const struct node *n); /* all lives together */
void node_flush(struct node *n);		    /* -f internal: compare */
void node_forget(struct node *n);		    /* -f external */
void node_ask(struct node *n);			    /* -n */
/* Does all its kernel has, and all that the other one's has, fit into its caches? */
bool node_fits_own(const struct node *n);
bool node_fits(const struct node *holder, const struct node *owner);
bool node_busy(const struct node *n); /* a bulk or resync is going on */
/* Does its filter want the flow? */
bool node_wants(const struct node *n, const struct ct_flow *f);

void old_start(struct node *n);
void old_stop(struct node *n);
void old_event(struct node *n, enum ct_event what, const struct ct_flow *f);
void old_datagram(struct node *n, const uint8_t *bytes, size_t len);
void old_run(struct node *n);
void old_ask(struct node *n);
/* Does the message at hand carry HELLO? Then its number is taken, whatever it is. */
bool old_hears_hello(const struct node *n);
struct external *old_external(const struct node *n);

/* ---- net.c ---- */
struct net_fault {
	uint32_t loss, dup;	      /* per mille */
	uint32_t delay_us, jitter_us; /* one way */
	uint32_t late;		      /* per mille: delayed by up to late_ms more */
	uint32_t late_ms;
};

struct packet {
	int64_t due_ns;
	uint64_t order;
	unsigned int from, to;
	uint32_t from_life;
	struct peer_addr source;
	size_t len;
	uint8_t *bytes;
};

#define SIM_PIPE 64 /* datagrams a broken stream keeps */

/* One direction of a stream. */
struct net_pipe {
	int64_t last_due_ns; /* nothing arrives before what was sent before it */
	int64_t cut_ns;	     /* since when it is broken */
	int64_t healed_ns;   /* when it was last mended */
	uint32_t n;
	struct packet kept[SIM_PIPE];
};

struct net {
	struct sim *sim;
	struct net_fault fault;
	bool stream;			/* TCP */
	bool cut[SIM_NODES][SIM_NODES]; /* from, to */
	struct net_pipe pipe[SIM_NODES][SIM_NODES];
	uint32_t rx_limit; /* datagrams one node takes in a millisecond; 0: all */
	int64_t rx_slot_ns[SIM_NODES];
	uint32_t rx_slot_n[SIM_NODES];
	struct packet *heap;
	uint32_t n, cap;
	uint64_t order;
	/* from, to: order of the last datagram that found nobody there */
	uint64_t missed[SIM_NODES][SIM_NODES];
	struct {
		uint64_t sent, lost, doubled, overrun;
	} count;
};

void net_free(struct net *net);
void net_send(struct net *net, unsigned int from, const uint8_t *bytes, size_t len);
void net_set_cut(struct net *net, unsigned int from, unsigned int to, bool cut);
/* The node has ended, and its connections with it. */
void net_closed(struct net *net, unsigned int node);
/* A stream that is broken, and has no room? */
bool net_blocked(const struct net *net, unsigned int from);
/* the next one that is due; the bytes are the caller's */
bool net_pop(struct net *net, struct packet *out);
int64_t net_due(const struct net *net);
void net_source(const struct node *n, struct peer_addr *out);

/* ---- scenario.c ---- */
enum sim_kind {
	/* loss, duplicates, reordering within the repair window: no resync but the first */
	KIND_LIGHT,
	KIND_ROUGH,   /* the same from the start, heavier */
	KIND_RESTART, /* daemons and machines end and come back, some with another address */
	KIND_OUTAGE,  /* links break, also one way, longer than the ring lasts */
	KIND_SMALL,   /* small rings, limited channel, bursts */
	KIND_FORGED,  /* control messages nobody sent */
	KIND_OLD,     /* one node is a 1.4.7 */
	KIND_THREE,   /* three nodes */
	KIND_LIMIT,   /* HashLimit too small on either side, -f, start-up dumps with gaps */
	/* delay and reordering, no loss: nothing is to be taken for lost; or some loss */
	KIND_JITTER,
	KIND_ADDRESS, /* a node has another address from now on, or after a restart */
	KIND_LONG,    /* partitions of minutes */
	KIND_LARGE,   /* tables of 4,000 flows, up to half of all datagrams lost */
	KIND_CROWD,   /* three nodes with large tables */
	KIND_DATA,    /* states nobody sent */
	/* Any of the disturbances of LIGHT to SMALL, and: */
	KIND_STREAM, /* TCP */
	KIND_INJECT, /* DisableExternalCache on one or both */
	KIND_DIRECT, /* DisableInternalCache on one or both */
	KIND_EXPECT, /* expectations */
	KIND_FILTER, /* by address, protocol or state */
	KIND_MAX,
};

enum action {
	ACT_CHURN,
	ACT_BURST,
	ACT_STOP,
	ACT_START,
	ACT_REBOOT,
	ACT_CUT,
	ACT_HEAL,
	ACT_FAULT,
	ACT_CALM,
	ACT_FORGE,
	ACT_BULK,
	ACT_ASK,
	ACT_FLUSH,
	ACT_FORGET,
	ACT_DRAIN,
	ACT_LINK,
	ACT_ADDRESS,
	ACT_FORGE_DATA,
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
	enum sim_kind disturb; /* the disturbances are those of this kind */
	unsigned int n_nodes;
	bool restarted; /* some node ends and comes back */
	bool outage;	/* a link breaks */
	bool moved;	/* some node gets another address */
	bool injects;	/* some node has no external cache, and tells of the peers' flows as well */
	bool lossless;	/* nothing is lost on the way, and no node ends */
	struct net_fault fault;	   /* what ACT_FAULT puts in force */
	uint32_t tx_limit;	   /* datagrams per millisecond a channel takes; 0: all */
	int64_t quiet_ns;	   /* no disturbance from then on */
	int64_t patience_ns;	   /* the caches must be equal this long after */
	struct filter_conf filter; /* of all nodes */
	struct filter_net net[2];  /* of filter */
	uint32_t n_steps, at;
	struct step step[SIM_STEPS];
};

void plan_make(struct sim *sim, enum sim_kind kind);
/* Is there such a kind in this mode? */
bool plan_exists(enum sim_kind kind, enum sync_mode mode);
extern const char *const kind_name[KIND_MAX];

/* ---- forge.c ---- */
/* A message that no node sent; data: about a flow. */
void forge(struct sim *sim, unsigned int from, unsigned int to, bool data);

/* ---- watch.c: at every step ---- */
struct watch {
	/* Numbers that have arrived, by receiver and sender: slot n holds the last number that is n
	 * modulo the size. */
#define WATCH_SLOTS 131072u
	uint32_t *arrived[SIM_NODES][SIM_NODES];
	/* Numbers of what was forged, by receiver. */
#define WATCH_FORGED 128
	struct {
		uint32_t n, seq[WATCH_FORGED];
	} forged[SIM_NODES];
	/* The last request for everything, by who was asked and who asks. */
	struct {
		bool open;
		uint32_t seq;
		int64_t at_ns;
	} asked[SIM_NODES][SIM_NODES];
	/* What a node said of its peers, by its places for them. */
	struct {
		bool received, heard;
		uint32_t number; /* it had reached when a node last started */
	} claims[SIM_NODES][PEERS_MAX];
	uint64_t looks;
	uint32_t keys; /* what the nodes took for chance so far */
	/* By node. */
	struct {
		uint64_t flows;	 /* messages about flows sent in this life */
		uint32_t seq;	 /* of its last message */
		uint64_t before; /* ... of these, before it last heard anything */
		/* of its kernel in this life, and of those before it last heard anything */
		uint64_t events;
		uint64_t events_before;
		int64_t event_ns; /* the last of them */
		int64_t slot_ns;
		uint32_t slot_n;	      /* datagrams in this millisecond */
		uint64_t all_flows, all_msgs; /* in all lives */
		uint64_t all_events;
	} node[SIM_NODES];
};

void watch_begin(struct sim *sim);
void watch_end(struct sim *sim);
void watch_started(struct sim *sim, unsigned int node);
void watch_event(struct sim *sim, unsigned int node);
/* A node of ours or of 1.4.7 sends; one has arrived, and is about to be read. */
void watch_sent(struct sim *sim, unsigned int from, const uint8_t *bytes, size_t len);
void watch_arrived(struct sim *sim, const struct packet *p);
void watch_forged(struct sim *sim, unsigned int to, const uint8_t *bytes, size_t len);
/* Has a forged message had the number of the owner's last one about the flow, which was lost on its
 * way to the holder? */
bool watch_swallowed(const struct sim *sim, unsigned int owner, unsigned int holder,
		     const struct sim_flow *sf);
/* The node has stored what it was told about a flow; is about to remove an entry. */
void watch_stored(struct node *holder, const struct ct_flow *entry);
void watch_removed(struct node *holder, const struct ct_flow *entry);

/* ---- truth.c ---- */
void truth_look(struct sim *sim);
void truth_started(struct sim *sim); /* a node is about to start */

/* ---- judge.c: at the end ---- */
bool judge_equal(struct sim *sim, bool explain);
bool judge_acknowledged(struct sim *sim, bool explain);
void judge_end(struct sim *sim); /* counters after everything */
/* Which flow, and what its owner thinks of it. */
const char *flow_text(const struct sim *sim, const struct ct_flow *f, char *out, size_t n);

/* ---- sim.c ---- */
struct sim {
	uint64_t seed;
	enum sync_mode mode; /* of all nodes */
	int64_t now_ns;
	struct rng rng;
	struct plan plan;
	struct net net;
	struct node node[SIM_NODES];
	struct watch watch;
	bool open; /* also what is known to fail */
	bool trace;
	bool failed;
	char why[512];
};

static inline struct mono sim_now(const struct sim *sim)
{
	return (struct mono){ .ns = sim->now_ns };
}
uint32_t sim_wall_s(const struct sim *sim);
/* A datagram leaves: it goes into the digest of what happens. */
void sim_sent(const struct sim *sim, unsigned int from, const uint8_t *bytes, size_t len);
void sim_fail(struct sim *sim, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sim_trace(const struct sim *sim, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif

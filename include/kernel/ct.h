/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_KERNEL_CT_H
#define CONNTRACKD_KERNEL_CT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/evloop.h"
#include "base/text.h"
#include "flow/ct_event.h"
#include "flow/expect.h"
#include "flow/flow.h"
#include "flow/hints.h"

/* Our side of ctnetlink. This folder is the only one that includes netlink headers. Every socket is
 * non-blocking and lives in the loop; long jobs run in steps and report their end through a
 * callback. Everything is for the network namespace in which it was opened. */

struct filter_conf; /* flow/filter_conf.h */
struct kernel_conf; /* kernel/kernel_conf.h */

/* ---- ct_convert: ctnetlink attributes <-> struct ct_flow (one table, both directions) ---- */

/* One ctnetlink conntrack message (struct nlmsghdr and what follows, n bytes, total over hostile
 * input). 0 with *what and *f filled (f->rare points to *rare if there are rare parts); -EPROTO
 * when the message is not a conntrack message or an attribute has a wrong size, or its tuples do
 * not fit each other; -ENOENT when it does not identify a flow. f is untouched on error. */
int ct_parse(const void *nlmsg, size_t n, enum ct_event *what, struct ct_flow *f,
	     struct flow_rare *rare);

/* The same, with the state and the life of an offloaded flow settled (flow_settle_offload()): for
 * everybody who asks about the flow and not about the message. */
int ct_read(const void *nlmsg, size_t n, enum ct_event *what, struct ct_flow *f,
	    struct flow_rare *rare);

/* What a dump tells of an entry beside the flow. */
struct ct_seen {
	uint32_t use;	      /* the kernel's use count, 0 if the message gives none */
	uint8_t tcp_flags[2]; /* ct_parse_tcp_flags() */
};
/* Of a message told whole (ct_parse() took it). */
void ct_parse_seen(const void *nlmsg, size_t n, struct ct_seen *seen);
/* TCP: the flags of window tracking (IP_CT_TCP_FLAG_*) of both directions, 0 where there are
 * none. */
void ct_parse_tcp_flags(const void *nlmsg, size_t n, uint8_t flags[2]);

/* How a flow is put into the kernel. */
struct ct_build_opts {
	/* change an existing entry: no CREATE|EXCL, original tuple only, no NAT, helper, master */
	bool update;
	/* change nothing but mark and labels of an existing entry, its life if timeout_s is
	 * given, and with liberal (TCP) let its window tracking no longer judge */
	bool annotate;
	bool liberal;  /* TCP: "be liberal" flags (TCPWindowTracking off) */
	bool expected; /* update: the entry was made with a master */
	/* TCP, existing entry: it has seen no packet so far, as far as its flags tell */
	bool forget;
	uint32_t timeout_s; /* instead of the flow's own; 0: the flow's own */
};
#define CT_BUILD_MAX 1024
/* Append one request with sequence number seq to buf. Returns its length, or 0 when cap is too
 * small. */
size_t ct_build_create(const struct ct_flow *f, const struct ct_build_opts *o, uint32_t seq,
		       void *buf, size_t cap);
/* with the id if known */
size_t ct_build_destroy(const struct ct_flow *f, uint32_t seq, void *buf, size_t cap);
size_t ct_build_get(const struct ct_flow *f, uint32_t seq, void *buf, size_t cap);
/* Will a create name a master? (Not when a part of its tuple is missing: the kernel would refuse
 * the flow.) */
bool ct_build_has_master(const struct ct_flow *f);

/* ---- ct_events: the event socket ---- */

struct ct_events;

struct ct_events_cb {
	void *ctx;
	struct flow_hints hints; /* events of these flows come soon */
	/* Borrows f and its rare parts. The only one that is given CT_EVENT_WRITTEN. */
	void (*event)(void *ctx, enum ct_event what, const struct ct_flow *f, struct mono now);
	/* The same for expectations, in the order in which the kernel told both (NEW or DESTROY,
	 * the kernel has no other). NULL: their events are not subscribed to. */
	void (*expect)(void *ctx, enum ct_event what, const struct ct_expect *e, struct mono now);
	/* A batch has been read: send what it changed. */
	void (*batch_end)(void *ctx, struct mono now);
	/* The kernel dropped events (ENOBUFS): begin a reconcile pass. */
	void (*overrun)(void *ctx, struct mono now);
};

struct ct_events_stats {
	uint64_t received; /* events read */
	uint64_t unknown_type;
	uint64_t malformed;
	uint64_t read_failed; /* read errors other than "no data", overruns included */
	uint64_t overruns;
	uint32_t buffer_bytes; /* as the kernel counts it */
	uint32_t wanted_bytes; /* size that would have held the last overrun, 0 while none */
};

/* Open and subscribe. Sets the receive buffer (kernel_conf or large enough for a burst of a million
 * flows), attaches the socket filter that drops events caused by the given port ids (our commit,
 * flush and injection sockets), joins the groups. With flows->kernelspace that filter also drops
 * what flow_filter_pass() would refuse, if the program is not too long for the kernel; nobody may
 * rely on it. Reading starts at once through the loop. 0, or -errno with a line in
 * *err. Borrows flows for the call. */
int ct_events_open(const struct kernel_conf *conf, const struct filter_conf *flows,
		   struct evloop *loop, const struct ct_events_cb *cb, const uint32_t *own_portids,
		   size_t n_own, struct ct_events **out, struct text *err);
void ct_events_close(struct ct_events *e);
/* Packets are waiting for what we tell (asymmetric paths): do not gather events until their rate is
 * so high that reading each of them at once would cost most of a processor. */
void ct_events_set_prompt(struct ct_events *e);
const struct ct_events_stats *ct_events_stats(const struct ct_events *e);

/* nf_conntrack_events of this namespace: if it is 2 ("automatic") set it to 1, so that flows born
 * from now on report their end. Returns the old value, or -errno. */
int ct_events_ensure_enabled(void);
/* The value as it is: 0, 1, 2, or -errno. */
int ct_events_value(void);

/* ---- ct_dump: the kernel table as a stream, in steps; never two at a time per object ---- */

struct ct_dump;

struct ct_dump_cb {
	void *ctx;
	struct flow_hints hints; /* these flows are given soon */
	/* One of the two; the other is NULL. */
	void (*flow)(void *ctx, const struct ct_flow *f, struct mono now);
	/* Not NULL: the table of expectations is read, and this is called instead. */
	void (*expect)(void *ctx, const struct ct_expect *e, struct mono now);
	void (*entry)(void *ctx, const struct ct_flow *f, const struct ct_seen *seen,
		      struct mono now);
	/* What one read has brought was given; when we read it the kernel made the part that comes
	 * next. May be NULL. */
	void (*part)(void *ctx, struct mono now);
	/* The end: 0; -EINTR when the kernel says the table changed under the dump in a way that
	 * may have hidden entries (NLM_F_DUMP_INTR); other -errno when it failed. */
	void (*done)(void *ctx, int err, struct mono now);
};

int ct_dump_open(struct evloop *loop, const struct ct_dump_cb *cb, struct ct_dump **out,
		 struct text *err);
void ct_dump_close(struct ct_dump *d);
/* Start one. pace_ms: pause between reads, 0 = as fast as one read per loop turn. 0, -EBUSY while
 * one runs, -errno. */
int ct_dump_start(struct ct_dump *d, uint32_t pace_ms);
bool ct_dump_running(const struct ct_dump *d);
/* Give up the one that runs: no further flow, and no done(). Not from a callback of the dump. */
void ct_dump_stop(struct ct_dump *d);
/* Stop reading, and go on. A read that has been started still delivers what it holds. Legal in the
 * flow callback. */
void ct_dump_pause(struct ct_dump *d, bool pause);
/* The most flows one read can deliver. */
#define CT_DUMP_READ_MAX 256

/* ---- ct_batch: many small requests, answers mapped back by sequence number ---- */

/* Requests are collected and sent a few hundred at a time; each answer (ACK, error, or the entry a
 * GET asks for) comes back with the caller's cookie. At most CT_BATCH_FLIGHT requests are
 * unanswered; ct_batch_room() says how many may be added now. ENOBUFS on the socket means "outcome
 * unknown": affected requests are answered with -ENOBUFS and the caller settles them by GET. */
struct ct_batch;
#define CT_BATCH_FLIGHT 512

enum ct_op {
	CT_OP_CREATE,
	CT_OP_UPDATE,
	CT_OP_DESTROY,
	CT_OP_GET,
};

struct ct_batch_cb {
	void *ctx;
	/* err 0 or the kernel's -errno; found is the entry for a GET that succeeded, else NULL
	 * (borrowed). May add requests. */
	void (*answer)(void *ctx, enum ct_op op, uint64_t cookie, int err,
		       const struct ct_flow *found, struct mono now);
	/* Room for more: go on with the job. */
	void (*room)(void *ctx, struct mono now);
};

int ct_batch_open(struct evloop *loop, const struct ct_batch_cb *cb, const char *name,
		  struct ct_batch **out, struct text *err);
void ct_batch_close(struct ct_batch *b);
uint32_t ct_batch_portid(const struct ct_batch *b);
/* In an answer with an entry: ct_parse_tcp_flags() of that one. */
void ct_batch_tcp_flags(const struct ct_batch *b, uint8_t flags[2]);
size_t ct_batch_room(const struct ct_batch *b);
size_t ct_batch_in_flight(const struct ct_batch *b);
/* 0, or -EAGAIN when there is no room. opts for CREATE and UPDATE, else NULL. It leaves from the
 * next turn of the loop on, a send's worth per turn: more at once would take the loop for too
 * long. */
int ct_batch_add(struct ct_batch *b, enum ct_op op, const struct ct_flow *f,
		 const struct ct_build_opts *opts, uint64_t cookie)
	__attribute__((warn_unused_result));
/* Add a destroy of old and a create of f so that they leave in the same send, with nothing between
 * them. Needs room for two; both answers carry the cookie. */
int ct_batch_add_replace(struct ct_batch *b, const struct ct_flow *old, const struct ct_flow *f,
			 const struct ct_build_opts *opts, uint64_t cookie)
	__attribute__((warn_unused_result));
/* What was added and has not left never does, and nobody is answered. Everything that has left is
 * answered already, unless this is called from an answer. */
void ct_batch_drop(struct ct_batch *b);
/* Everything that was added leaves now, and every answer has been given when this returns: for few
 * requests at a time. */
void ct_batch_run(struct ct_batch *b, struct mono now);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A packet of a flow that has a helper: what does it announce, and how do others have to reach it?
 *
 * Most packets announce nothing and pass in a batch. Else the expectations are made first, each
 * request with its answer, then the packet leaves with the addresses and ports that they have been
 * made for.
 *
 * Translation (the flow has SRC_NAT or DST_NAT): what an end says of itself is not what the other
 * one reaches it by. The expectation is made for the address by which the other end knows it, and
 * remembers the real port; the kernel's function nat-follow-master then translates the expected
 * flow as it translates this one. Taken is the same port if it is free, else one of the next. Where
 * anybody may come (multicast questions), that function would give whoever comes the address of the
 * group: the one of SIP does not, if its module is loaded.
 *
 * The first packet of a flow is looked at before its flow is in the table, so its expectation
 * travels with the verdict, which has no answer: it is looked for afterwards.
 *
 * What the kernel refuses never keeps a packet back. */
#include "daemon/helping.h"

#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <string.h>

#include "queue/packet.h"

#define PORTS_MAX	128 /* tried for one expectation */
#define HOLD_MS		(10 * 60 * 1000)
#define LOG_BURST	5
#define LOG_INTERVAL_MS 10000

#define FN_FOLLOW "nat-follow-master"
#define FN_ANYONE "sip"

/* One packet at work. */
struct work {
	struct helping_of *of;
	const struct queue_packet *packet;
	struct packet_parts parts;
	struct helper_tuple tuple[2];
	struct helper_packet p;
	struct helper_private was, priv;
	struct helper_result r;
	struct helper_place place[HELPER_EXPECTS];
	struct ct_expect travels; /* with the verdict */
	struct helping_stream *stream;
	struct helper_stream before; /* of it, if this segment continues something */
	size_t passed, held;
	bool nat, attach, early;
};

const char *helping_refusal_text(enum helping_refusal why)
{
	switch (why) {
	case HELPING_TAKEN:
		return "expected for another connection";
	case HELPING_FULL:
		return "table full";
	case HELPING_SPLIT:
		return "in pieces, with NAT";
	case HELPING_NO_NAT:
		return "no function for NAT";
	case HELPING_OTHER:
	case HELPING_REFUSALS:
		break;
	}
	return "other reasons";
}

static void refused(struct work *w, enum helping_refusal why, int err)
{
	struct helping *all = w->of->all;

	w->of->stats.refused[why]++;
	if (!log_limit_pass(&all->log, LOG_BURST, LOG_INTERVAL_MS, evloop_now(all->loop), NULL))
		return;
	if (why == HELPING_NO_NAT)
		log_warnx("helper %s: a connection from anybody cannot be translated without the "
			  "kernel's function for it (modprobe nf_nat_sip)",
			  w->of->helper->name);
	else
		log_warnx("helper %s: an expectation was not made: %s%s%s", w->of->helper->name,
			  helping_refusal_text(why), err ? ": " : "", err ? strerror(-err) : "");
}

/* ---- what is remembered of a flow ---- */

static void key_of(const struct work *w, uint64_t key[HELPER_KEY])
{
	const struct helper_tuple *t = &w->tuple[0];

	memcpy(key, &t->src, 16);
	memcpy(key + 2, &t->dst, 16);
	key[4] = (uint64_t)t->sport << 16 | t->dport;
	key[5] = (uint64_t)w->packet->ct.id << 32 | (uint64_t)w->packet->ct.zone << 16 |
		 (uint64_t)w->p.l3 << 8;
}

/* The private data travel with each packet, but for a flow with a master. */
static void recall(struct work *w)
{
	const struct queue_ct *ct = &w->packet->ct;
	uint64_t key[HELPER_KEY];

	if (ct->status & IPS_EXPECTED) {
		key_of(w, key);
		helper_memory_get(&w->of->all->memory, &w->of->all->hash, key, &w->priv);
	} else {
		memcpy(w->priv.bytes, ct->info, w->of->helper->private_len);
	}
	w->was = w->priv;
}

/* Has the kernel to be told? */
static bool remember(struct work *w)
{
	uint64_t key[HELPER_KEY];

	if (!memcmp(w->was.bytes, w->priv.bytes, w->of->helper->private_len))
		return false;
	if (!(w->packet->ct.status & IPS_EXPECTED))
		return true;
	key_of(w, key);
	helper_memory_put(&w->of->all->memory, &w->of->all->hash, key, &w->priv);
	return false;
}

/* ---- what was unfinished ---- */

static void stream_key(const struct work *w, uint64_t key[HELPER_KEY])
{
	key_of(w, key);
	key[5] |= w->p.reply;
}

/* Bytes that a receiver is still to get must not be forgotten. Whose sender has not sent the rest
 * after so long never will. */
static bool holds(const struct helping_stream *s, struct mono now)
{
	return helper_stream_holds(&s->s) && mono_diff_ms(now, s->at) < HOLD_MS;
}

/* Puts the text of the packet together with what it continues. */
static void join(struct work *w)
{
	struct helping *all = w->of->all;
	const uint8_t *text = w->packet->bytes + w->parts.text_at;
	uint64_t key[HELPER_KEY];

	w->p.text = text;
	w->p.len = w->parts.text_len;
	if (w->p.l4 != IPPROTO_TCP)
		return;
	stream_key(w, key);
	w->stream = &all->stream[hash_words(&all->hash, key, HELPER_KEY) % HELPING_STREAMS];
	if (memcmp(w->stream->key, key, sizeof(key))) {
		if (holds(w->stream, evloop_now(all->loop)))
			w->stream = NULL;
		return;
	}
	if (!helper_stream_continues(&w->stream->s, w->p.seq)) {
		/* What comes too early would be moved by a wrong number of bytes: once more,
		 * please. */
		w->early = holds(w->stream, evloop_now(all->loop)) &&
			   (int32_t)(w->p.seq - w->stream->s.next_seq) > 0;
		return;
	}
	w->before = w->stream->s;
	w->p.carried = w->stream->s.len;
	w->passed = w->stream->s.passed;
	memcpy(all->text, w->stream->s.text, w->p.carried);
	memcpy(all->text + w->p.carried, text, w->parts.text_len);
	w->p.text = all->text;
	w->p.len += w->p.carried;
}

static void keep(struct work *w)
{
	uint64_t key[HELPER_KEY];

	if (!w->stream)
		return;
	stream_key(w, key);
	if (memcmp(w->stream->key, key, sizeof(key))) {
		if (w->r.unfinished == 0)
			return;
		*w->stream = (struct helping_stream){ .s = { .len = 0 } };
		memcpy(w->stream->key, key, sizeof(key));
	}
	w->stream->at = evloop_now(w->of->all->loop);
	w->held = helper_stream_keep(&w->stream->s, &w->p, &w->r, w->passed, w->nat);
}

/* ---- expectations ---- */

/* Does the text say the port, so that it may say another one? */
static bool says_port(const struct work *w, size_t i)
{
	for (size_t k = 0; k < w->r.n_edits; k++) {
		if (w->r.edit[k].expect == i && w->r.edit[k].form != HELPER_HOST)
			return true;
	}
	return false;
}

static void fill(const struct work *w, const struct helper_expect *e, struct ct_expect *x)
{
	const struct helper_tuple *master = &w->tuple[0], *other = &w->tuple[!w->p.reply];
	const size_t addr = w->p.l3 == AF_INET ? 4 : 16;

	*x = (struct ct_expect){
		.has = EXPECT_HAS_FLAGS,
		.l3 = w->p.l3,
		.zone = w->packet->ct.zone,
		.master = { master->src, master->dst, master->sport, master->dport, w->p.l4 },
		.tuple = { .dst = e->elsewhere ? e->addr : other->dst,
			   .sport = htons(e->sport),
			   .l4 = e->l4 },
		.mask = { .dport = 0xffff, .sport = e->sport ? 0xffff : 0, .l4 = e->l4 },
		.flags = e->permanent ? EXPECT_F_PERMANENT : 0,
	};
	memset(&x->mask.dst, 0xff, addr);
	if (!e->anyone) {
		x->tuple.src = other->src;
		memset(&x->mask.src, 0xff, addr);
	}
	if (!w->nat || e->elsewhere)
		return;
	x->has |= EXPECT_HAS_NAT | EXPECT_HAS_FN;
	x->nat = (struct expect_tuple){ .src = *helper_own(&w->p),
					.sport = htons(e->port),
					.l4 = e->l4 };
	x->nat_dir = !w->p.reply;
	strcpy(x->fn, e->anyone ? FN_ANYONE : FN_FOLLOW);
}

/* Does the kernel expect just this already, for this flow? Then it has its whole time again. */
static bool refreshed(struct work *w, const struct ct_expect *x)
{
	struct ct_expect found;

	if (exp_sock_get(w->of->all->exp, x, &found) < 0 || !expect_same_master(x, &found) ||
	    found.tuple.dport != x->tuple.dport ||
	    ((x->has & EXPECT_HAS_NAT) && found.nat.sport != x->nat.sport))
		return false;
	found.timeout_s = w->of->expect_timeout_s;
	exp_sock_prolong(w->of->all->exp, &found);
	w->of->stats.refreshed++;
	return true;
}

static uint16_t next_port(uint16_t port)
{
	return port == 65535 || port < 1023 ? 1024 : (uint16_t)(port + 1);
}

/* Gives the port; 0: refused. */
static uint16_t make(struct work *w, struct ct_expect *x, uint16_t port, bool other_ports)
{
	int err = 0;

	for (int i = 0; i < (other_ports ? PORTS_MAX : 1); i++, port = next_port(port)) {
		x->tuple.dport = htons(port);
		err = exp_sock_create(w->of->all->exp, x);
		if (err == 0) {
			w->of->stats.made++;
			return port;
		}
		if (err == -EEXIST && refreshed(w, x))
			return port;
		if (err != -EEXIST && err != -EBUSY && err != -EALREADY)
			break;
	}
	if (err == -EEXIST || err == -EBUSY || err == -EALREADY)
		refused(w, HELPING_TAKEN, 0);
	else if (err == -EMFILE)
		refused(w, HELPING_FULL, 0);
	else if (err == -EINVAL && (x->has & EXPECT_HAS_FN) && !strcmp(x->fn, FN_ANYONE))
		refused(w, HELPING_NO_NAT, err);
	else
		refused(w, HELPING_OTHER, err);
	return 0;
}

/* Where the other end reaches it; what is refused stays as it was said. */
static void expect_one(struct work *w, size_t i)
{
	const struct helper_expect *e = &w->r.expect[i];
	const struct helper_place own = { e->elsewhere ? e->addr : *helper_own(&w->p), e->port };
	bool translated = w->nat && !e->elsewhere;
	struct ct_expect x;
	uint16_t port = translated && e->own_port ? ntohs(w->tuple[!w->p.reply].dport) : e->port;

	w->place[i] = own;
	for (size_t k = 0; translated && k < w->r.n_edits; k++) {
		if (w->r.edit[k].expect == i && w->r.edit[k].at < w->passed) {
			refused(w, HELPING_SPLIT, 0);
			return;
		}
	}
	fill(w, e, &x);
	if (!(w->packet->ct.status & IPS_CONFIRMED)) {
		x.tuple.dport = htons(port);
		w->travels = x;
		w->attach = true;
	} else {
		port = make(w, &x, port, translated && says_port(w, i));
	}
	if (port != 0 && translated)
		w->place[i] = (struct helper_place){ x.tuple.dst, port };
}

/* Was the one that has travelled with the verdict made? */
static void look_for_attached(struct work *w)
{
	struct ct_expect found;

	if (!w->attach)
		return;
	if (exp_sock_get(w->of->all->exp, &w->travels, &found) == 0 &&
	    expect_same_master(&found, &w->travels))
		w->of->stats.made++;
	else if (w->travels.has & EXPECT_HAS_FN && !strcmp(w->travels.fn, FN_ANYONE))
		refused(w, HELPING_NO_NAT, 0);
	else
		refused(w, HELPING_TAKEN, 0);
}

/* ---- the packet as it leaves ---- */

static bool places_differ(const struct work *w)
{
	for (size_t i = 0; i < w->r.n_expects; i++) {
		const struct helper_place *to = &w->place[i];

		if (w->r.expect[i].elsewhere)
			continue;
		if (to->port != w->r.expect[i].port ||
		    memcmp(&to->addr, helper_own(&w->p), w->p.l3 == AF_INET ? 4 : 16))
			return w->r.n_edits > 0;
	}
	return false;
}

/* The new packet, or nothing if it stays. */
static size_t rebuild(struct work *w)
{
	struct helping *all = w->of->all;
	const uint8_t *text = w->p.text;
	size_t len = w->p.len;

	if (places_differ(w)) {
		len = helper_rewrite(&w->p, &w->r, w->place, all->said, sizeof(all->said));
		text = all->said;
		if (len == 0)
			return 0;
		w->of->stats.mangled++;
	} else if (w->passed == w->p.carried && w->held == 0) {
		return 0;
	}
	return packet_build(&w->parts, w->packet->bytes, text + w->passed,
			    len - w->passed - w->held, all->packet, sizeof(all->packet));
}

/* TCP over IPv6 with a text of another length: see seqadj.c. False: the packet has to stay as it
 * is. */
static bool adjust(struct work *w, struct queue_change *change)
{
	const struct queue_ct *ct = &w->packet->ct;
	struct queue_adj a = ct->adj[w->p.reply];
	int32_t diff = (int32_t)change->len - (int32_t)w->packet->len;

	if (w->p.l3 != AF_INET6 || w->p.l4 != IPPROTO_TCP || diff == 0)
		return true;
	seqadj_next(&a, w->p.seq, diff);
	if (seqadj_set(w->of->all->seqadj, ct, w->p.reply, &a, change) < 0)
		return false;
	change->bare = true;
	return true;
}

static void verdict(struct work *w)
{
	struct queue_change change = { .info = w->priv.bytes,
				       .info_len = w->of->helper->private_len };

	change.len = rebuild(w);
	if (change.len > 0 && adjust(w, &change)) {
		change.bytes = w->of->all->packet;
	} else if (w->passed < w->p.carried) {
		/* once more, please: it would leave without what was held back before */
		w->stream->s = w->before;
		packet_queue_drop(w->of->queue, w->packet->id);
		return;
	} else if (w->held > 0) { /* it leaves as a whole */
		w->stream->s.passed = w->stream->s.len;
	}
	if (remember(w))
		change.helper = w->of->helper->name;
	if (w->attach)
		change.expect = &w->travels;
	if (!change.bytes && !change.helper && !change.expect) {
		packet_queue_pass(w->of->queue, w->packet->id);
		return;
	}
	packet_queue_pass_changed(w->of->queue, w->packet->id, w->packet->l3, &change);
	look_for_attached(w);
}

/* A flow that was itself expected carries data, even if a rule gives it a helper; but not one to
 * the port that its master goes to: a portmapper is asked where the portmapper is, a listener of
 * TNS redirects to another listener. */
static bool is_for(struct work *w)
{
	const struct queue_ct *ct = &w->packet->ct;

	if (!w->packet->has_ct ||
	    (ct->status & IPS_EXPECTED && ct->tuple[0].dport != ct->master_dport))
		return false;
	if (packet_parse(w->packet->l3, w->packet->bytes, w->packet->len, &w->parts) < 0 ||
	    w->parts.l4 != ct->l4) {
		w->of->stats.no_packet++;
		return false;
	}
	return w->parts.text_len > 0;
}

/* What is beyond the bound passes unread, and is the end of nothing. */
static void parse(struct work *w)
{
	const size_t len = w->p.len;

	if (len > HELPER_TEXT_MAX)
		w->p.len = HELPER_TEXT_MAX;
	w->of->helper->parse(&w->p, &w->priv, &w->r);
	if (len > HELPER_TEXT_MAX)
		w->r.unfinished = 0;
	w->p.len = len;
}

void helping_packet(void *ctx, const struct queue_packet *packet)
{
	struct helping_of *of = ctx;
	struct work w = { .of = of, .packet = packet };

	if (!is_for(&w)) {
		packet_queue_pass(of->queue, packet->id);
		return;
	}
	for (int i = 0; i < 2; i++)
		w.tuple[i] =
			(struct helper_tuple){ packet->ct.tuple[i].src, packet->ct.tuple[i].dst,
					       packet->ct.tuple[i].sport,
					       packet->ct.tuple[i].dport };
	w.p = (struct helper_packet){ .l3 = packet->l3,
				      .l4 = packet->ct.l4,
				      .reply = packet->reply,
				      .seq = w.parts.seq,
				      .tuple = w.tuple };
	w.nat = packet->ct.status & (IPS_SRC_NAT | IPS_DST_NAT);
	join(&w);
	if (w.early) {
		packet_queue_drop(of->queue, packet->id);
		return;
	}
	recall(&w);
	parse(&w);
	for (size_t i = 0; i < w.r.n_expects; i++)
		expect_one(&w, i);
	keep(&w);
	verdict(&w);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flows of ours that are one on the wire (doc/protocol.md section 3.1).
 *
 * The wire names a flow by less than the kernel does: GRE keys and UDP-Lite ports are not sent. A
 * flow that has them is *poor*. While there is a poor flow, its wire identity has a group, and
 * every record of the cache with that identity is a member: other poor ones, and the flow that
 * really has that identity.
 *
 *     members   0 ----> 1 --------> 2 or more
 *               |       sent        hidden: none is sent
 *               |       ^               |
 *               `-------+---------------' a record is freed
 *
 * A member leaves when its record is freed and not when the flow ends: until then its last message
 * may be sent again, and would remove at the peer what another one with the same identity has just
 * put there. The member that is left alone is returned by clash_next() later, because records are
 * freed while messages are being made.
 *
 * Groups are found through a flow table of their own, by wire identity: an index that grows without
 * a pause. What a group is lies beside that table, under the id of its record, in pieces that never
 * move. Its members need not be listed: the ids of all members, exclusive-ored, are the id of the
 * last one when it is alone.
 *
 * A zone of one direction is not sent either, and here it does not help that a flow is the only
 * one. At the peer it would stand in the default zone, where no packet of the original direction
 * finds it; the entry that the next packet makes, in the right zone, meets its answers' direction
 * and gets another port from the kernel, so the connection breaks. Without it the connection goes
 * on. So such a flow is hidden as long as it exists, and belongs to no group.
 */
#include "cache/clash.h"

#include <stdlib.h>
#include <string.h>

#include "cache/internal.h"

/* places of groups are allocated so many at a time, and never move */
#define SEG_GROUPS 256u

/* Records with one identity on the wire; found by the record of the same id in `groups`. */
struct group {
	uint32_t members;
	uint32_t ids;	/* of all members, exclusive-ored */
	uint32_t known; /* the member that peers may have received, FLOW_ID_NONE if none has */
	uint32_t next;	/* in the list of clash_next() */
	bool listed;
};

struct group_segs {
	struct group **seg; /* owned, with what they point to; NULL where there was no group */
	uint32_t n;
};

struct clash {
	struct flow_table *flows;  /* the internal cache, borrowed */
	struct flow_table *groups; /* index of the groups: one record each, by wire identity */
	struct group_segs segs[2]; /* by family, as ids are */
	uint32_t alone;		   /* list of groups to look at in clash_next() */
	uint32_t n_hidden;
	uint64_t total;
	uint32_t n_zoned; /* hidden for their zone */
	uint64_t zoned_total;
};

struct clash *clash_new(struct flow_table *flows, const struct hash_key *key)
{
	struct clash *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	*c = (struct clash){ .flows = flows,
			     .groups = table_new(64, UINT32_MAX - 1, key),
			     .alone = FLOW_ID_NONE };
	if (!c->groups) {
		free(c);
		return NULL;
	}
	return c;
}

void clash_free(struct clash *c)
{
	if (!c)
		return;
	for (size_t f = 0; f < 2; f++) {
		for (uint32_t i = 0; i < c->segs[f].n; i++)
			free(c->segs[f].seg[i]);
		free(c->segs[f].seg);
	}
	table_free(c->groups);
	free(c);
}

static struct group *group_at(const struct clash *c, uint32_t id)
{
	uint32_t slot = id & ~TABLE_ID_V6;

	return &c->segs[id != slot].seg[slot / SEG_GROUPS][slot % SEG_GROUPS];
}

/* A place for group id; false without memory. */
static bool group_room(struct clash *c, uint32_t id)
{
	uint32_t slot = id & ~TABLE_ID_V6, at = slot / SEG_GROUPS;
	struct group_segs *s = &c->segs[id != slot];

	if (at >= s->n) {
		uint32_t n = at < 16 ? 16 : 2 * at;
		struct group **seg = realloc(s->seg, n * sizeof(*seg));

		if (!seg)
			return false;
		memset(seg + s->n, 0, (n - s->n) * sizeof(*seg));
		*s = (struct group_segs){ .seg = seg, .n = n };
	}
	if (!s->seg[at])
		s->seg[at] = calloc(SEG_GROUPS, sizeof(**s->seg));
	return s->seg[at];
}

static bool is_poor(const struct ct_flow *f)
{
	return (f->has & FLOW_HAS_PORTS) && !flow_l4_has_ports(f->l4) && !flow_is_icmp(f) &&
	       (f->orig.sport | f->orig.dport) != 0;
}

/* The flow that a receiver takes f for; nothing but its key is set. */
static void wire_identity(const struct ct_flow *f, struct ct_flow *w)
{
	*w = (struct ct_flow){ 0 };
	flow_copy(w, f);
	w->has = 0;
	w->rare = NULL;
	if (flow_l4_has_ports(f->l4) || flow_is_icmp(f))
		w->has |= f->has & FLOW_HAS_PORTS;
	w->has |= f->has & FLOW_HAS_ZONE;
}

static void hide(struct clash *c, struct flow_rec *rec)
{
	rec->flags |= REC_I_CLASH;
	c->n_hidden++;
	c->total++;
}

static void show(struct clash *c, struct flow_rec *rec)
{
	if (!(rec->flags & REC_I_CLASH))
		return;
	rec->flags &= (uint8_t)~REC_I_CLASH;
	c->n_hidden--;
}

/* The group the flow belongs to, NULL if it has none. A poor flow gets one, with the flow that is
 * what the wire says as its first member. */
static struct group *group_of_new(struct clash *c, const struct ct_flow *f, bool poor)
{
	struct ct_flow w;
	uint32_t id, same;
	bool inserted;

	wire_identity(f, &w);
	if (!poor) {
		id = table_find(c->groups, &w);
		return id == FLOW_ID_NONE ? NULL : group_at(c, id);
	}
	id = table_find_or_insert(c->groups, &w, 0, &inserted, NULL);
	if (id == FLOW_ID_NONE)
		return NULL;
	if (inserted) {
		if (!group_room(c, id)) {
			table_remove(c->groups, id);
			return NULL;
		}
		same = table_find(c->flows, &w);
		*group_at(c, id) = (struct group){
			.members = same != FLOW_ID_NONE,
			.ids = same != FLOW_ID_NONE ? same : 0,
			.known = FLOW_ID_NONE,
		};
	}
	return group_at(c, id);
}

/* May a peer have received the flow? Certainly not if it waits for its first message; without
 * REPL_KNOWN a peer may have it (sync/transmit.c). To send the end of a flow that no peer has does
 * no harm, since no other flow was sent with its identity. */
static bool may_be_known(const struct flow_rec *rec)
{
	return rec->state != REC_NEW ||
	       (rec->repl.bits & (REPL_QUEUED | REPL_KNOWN | REPL_SENT)) != REPL_QUEUED;
}

uint32_t clash_add(struct clash *c, uint32_t id)
{
	struct flow_rec *rec = table_rec(c->flows, id), *first;
	struct group *g;
	bool poor = is_poor(&rec->flow);
	uint32_t other;

	if (flow_zone_is_partial(&rec->flow)) {
		rec->flags |= REC_I_CLASH;
		c->n_zoned++;
		c->zoned_total++;
		return FLOW_ID_NONE;
	}
	if (!poor && table_count(c->groups) == 0)
		return FLOW_ID_NONE;
	g = group_of_new(c, &rec->flow, poor);
	if (!g) {
		if (poor)
			hide(c, rec); /* no memory: flows with the same identity are unknown */
		return FLOW_ID_NONE;
	}
	other = g->ids;
	g->ids ^= id;
	if (++g->members == 1)
		return FLOW_ID_NONE;
	hide(c, rec);
	if (g->members > 2)
		return FLOW_ID_NONE;
	first = table_rec(c->flows, other);
	if (first->flags & REC_I_CLASH)
		return FLOW_ID_NONE; /* clash_next() has not returned it yet */
	hide(c, first);
	if (may_be_known(first))
		g->known = other;
	return first->state == REC_DEAD ? FLOW_ID_NONE : other;
}

void clash_remove(struct clash *c, uint32_t id)
{
	struct flow_rec *rec;
	struct group *g;
	struct ct_flow w;
	uint32_t group;

	if (!clash_any(c) && table_count(c->groups) == 0)
		return;
	rec = table_rec(c->flows, id);
	if (flow_zone_is_partial(&rec->flow)) {
		rec->flags &= (uint8_t)~REC_I_CLASH;
		c->n_zoned--;
		return;
	}
	show(c, rec);
	wire_identity(&rec->flow, &w);
	group = table_find(c->groups, &w);
	if (group == FLOW_ID_NONE)
		return;
	g = group_at(c, group);
	if (g->members == 0)
		return;
	g->ids ^= id;
	--g->members;
	if (g->known == id)
		g->known = FLOW_ID_NONE;
	if (g->members > 1 || g->listed)
		return;
	if (g->members == 0) {
		table_remove(c->groups, group);
		return;
	}
	g->listed = true;
	g->next = c->alone;
	c->alone = group;
}

bool clash_next(struct clash *c, uint32_t *id)
{
	while (c->alone != FLOW_ID_NONE) {
		uint32_t group = c->alone;
		struct group *g = group_at(c, group);
		struct flow_rec *rec;

		c->alone = g->next;
		g->listed = false;
		*id = g->ids;
		if (g->members == 0)
			table_remove(c->groups, group);
		else if (g->members == 1 && table_has_id(c->flows, *id)) {
			rec = table_rec(c->flows, *id);
			if (!(rec->flags & REC_I_CLASH))
				continue;
			show(c, rec);
			if (rec->state != REC_DEAD)
				return true;
		}
	}
	return false;
}

bool clash_pending(const struct clash *c)
{
	return c->alone != FLOW_ID_NONE;
}

bool clash_known(const struct clash *c, uint32_t id)
{
	struct ct_flow w;
	uint32_t group;

	if (flow_zone_is_partial(&table_rec(c->flows, id)->flow))
		return false;
	wire_identity(&table_rec(c->flows, id)->flow, &w);
	group = table_find(c->groups, &w);
	return group != FLOW_ID_NONE && group_at(c, group)->known == id;
}

uint32_t clash_hidden(const struct clash *c)
{
	return c->n_hidden;
}

uint64_t clash_total(const struct clash *c)
{
	return c->total;
}

uint32_t clash_zoned(const struct clash *c)
{
	return c->n_zoned;
}

uint64_t clash_zoned_total(const struct clash *c)
{
	return c->zoned_total;
}

bool clash_any(const struct clash *c)
{
	return c->n_hidden > 0 || c->n_zoned > 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Version 1 behind the seam (proto/proto.h): which type and flags a message value is; frame.c has
 * the way back. The bytes themselves are written and read by the other files of this folder. */
#include "proto/proto.h"

#include "proto/v1/attr.h"

#define FLAGS(hello) ((uint8_t)((hello) << 5))

_Static_assert(FLAGS(MSG_HELLO) == WIRE_F_HELLO && FLAGS(MSG_HELLO_BACK) == WIRE_F_HELLO_BACK,
	       "HELLO bits are moved, not looked up");
_Static_assert(2 * WIRE_FLOW_MAX - WIRE_HDR_LEN <= PROTO_BODY_MAX,
	       "a message that fills its datagram is kept as well");
static int v1_put_flow(struct writer *w, const struct message *msg, const struct ct_flow *f,
		       const struct proto_rules *rules)
{
	return wire_put_flow(w, (enum wire_type)msg->change, FLAGS(msg->hello), msg->seq, f, rules);
}

static int v1_put_expect(struct writer *w, const struct message *msg, const struct ct_expect *e,
			 const struct proto_rules *rules)
{
	return wire_put_expect(w, msg->change == MSG_END ? WIRE_EXP_DEL : WIRE_EXP_NEW,
			       FLAGS(msg->hello), msg->seq, e, rules);
}

static int v1_put_control(struct writer *w, const struct message *msg)
{
	static const uint8_t flag[] = {
		[MSG_ALIVE] = WIRE_F_ALIVE, [MSG_NOT_WHOLE] = WIRE_F_ALIVE, [MSG_ACK] = WIRE_F_ACK,
		[MSG_NACK] = WIRE_F_NACK,   [MSG_RESYNC] = WIRE_F_RESYNC,
	};

	switch (msg->kind) {
	case MSG_COMPLETE:
		return wire_put_complete(w, msg->seq, msg->from, msg->to);
	case MSG_PARTIAL:
		return wire_put_complete(w, msg->seq, msg->from - WIRE_PARTIAL, msg->to);
	case MSG_ACTIVE:
		return wire_put_active(w, FLAGS(msg->hello), msg->seq);
	case MSG_IN_ALARM:
		return wire_put_complete(w, msg->seq, msg->from, WIRE_IN_ALARM);
	case MSG_NOT_WHOLE:
		/* This message has no room for a HELLO, which is more important; an ordinary ALIVE
		 * is sent then. */
		if (msg->hello == 0)
			return wire_put_complete(w, msg->seq, msg->from, WIRE_NOT_WHOLE);
	}
	return wire_put_control(w, flag[msg->kind] | FLAGS(msg->hello), msg->seq, msg->from,
				msg->to);
}

const struct proto_ops proto_v1 = {
	.version = WIRE_VERSION,
	.helper_max = WIRE_HELPER_MAX,
	.next = wire_next_message,
	.length = wire_length,
	.get_flow = wire_get_flow,
	.get_expect = wire_get_expect,
	.put_flow = v1_put_flow,
	.put_expect = v1_put_expect,
	.put_control = v1_put_control,
	.fill = wire_fill,
};

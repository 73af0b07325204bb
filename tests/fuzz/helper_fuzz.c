/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All helpers: a conversation. The first byte chooses helper, family, protocol, translation, and
 * whose addresses: those of the unit tests, or those of the laboratory in which
 * tests/netns/record.py has recorded real clients and servers. Then packets: a byte with the
 * direction in its highest bit and the length (0 to 127) of what follows; the length 127 takes all
 * that is left. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "unit/helper/talk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct helper *h = size > 0 ? helper_at(data[0] & 15) : NULL;
	size_t said[2] = { 0 };
	struct talk t;

	if (!h)
		return 0;
	talk_begin(&t, h->name, data[0] & 16 ? AF_INET6 : AF_INET,
		   h->tcp && (!h->udp || data[0] & 32) ? IPPROTO_TCP : IPPROTO_UDP, 21,
		   data[0] & 64);
	if (data[0] & 128)
		talk_between(&t, t.l3 == AF_INET ? "10.10.0.2" : "fd00:10::2",
			     t.l3 == AF_INET ? "10.20.0.2" : "fd00:20::2");
	for (size_t at = 1; at < size;) {
		bool reply = data[at] & 128;
		size_t n = data[at] & 127;

		at++;
		if (n == 127 || n > size - at)
			n = size - at;
		talk_say(&t, reply, data + at, n);
		at += n;
		said[reply] += n;
	}
	/* Without translation nothing is changed or held back. */
	if (!t.nat && (t.out[0].len != said[0] || t.out[1].len != said[1]))
		abort();
	talk_end(&t);
	return 0;
}

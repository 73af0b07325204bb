/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_QUEUE_CTHELPER_H
#define CONNTRACKD_QUEUE_CTHELPER_H

#include <stdbool.h>
#include <stdint.h>

/* Helpers in user space as the kernel knows them (nfnetlink_cthelper). They belong to the whole
 * kernel, not to a network namespace; the packet queue does. Needs libnetfilter_cthelper; built
 * without it every function gives -EOPNOTSUPP. */
struct cthelper {
	const char *name; /* also of its one policy */
	uint8_t l3, l4;	  /* AF_*, IPPROTO_* */
	uint16_t queue_num;
	uint8_t private_len;
	uint32_t expect_max, expect_timeout_s;
};

/* What the kernel has. */
struct cthelper_found {
	uint32_t queue_num;
	uint32_t private_len;
	bool enabled;
};

/* Was it built with the library, and does the kernel have the interface? 0; -EOPNOTSUPP: not built;
 * -EPERM: not allowed; -EPROTONOSUPPORT: the kernel has not. */
int cthelper_probe(void);
/* 0, -ENOENT: there is none of this name and these protocols; or another -errno. */
int cthelper_get(const struct cthelper *h, struct cthelper_found *found);
/* Makes it, or sets queue and policy of one that is there; from then on the packets of its flows go
 * to the queue. create false: must be there. 0 or the kernel's -errno: -EBUSY a helper of the
 * kernel has that name. */
int cthelper_enable(const struct cthelper *h, bool create);
/* Its flows pass without it from then on. */
int cthelper_disable(const struct cthelper *h);

#endif

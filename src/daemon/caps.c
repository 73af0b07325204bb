/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one capability the daemon cannot do without. capget(2) directly: a library for one bit would
 * be a dependency for nothing. */
#include "daemon/caps.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

int caps_check_net_admin(struct text *err)
{
	struct __user_cap_header_struct hdr = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &hdr, data) == -1)
		return 0; /* let the first request to the kernel tell */
	if (data[CAP_TO_INDEX(CAP_NET_ADMIN)].effective & CAP_TO_MASK(CAP_NET_ADMIN))
		return 0;
	text_str(err, "conntrackd needs the capability CAP_NET_ADMIN (run it as root)");
	return -EPERM;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the transports share. */
#include "channel/link.h"

#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

void link_set_buffer(int fd, int option_force, int option, uint32_t bytes)
{
	int v = bytes > INT32_MAX ? INT32_MAX : (int)bytes;

	if (setsockopt(fd, SOL_SOCKET, option_force, &v, sizeof(v)) == -1)
		setsockopt(fd, SOL_SOCKET, option, &v, sizeof(v));	/* best effort: a smaller buffer still works */
}

unsigned int link_read_mtu(const struct link *l)
{
	struct ifreq req = { 0 };
	unsigned int mtu = 1500;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd == -1)
		return mtu;
	if (!if_indextoname(l->ifindex, req.ifr_name))
		memcpy(req.ifr_name, l->conf->ifname, sizeof(req.ifr_name) - 1);
	if (ioctl(fd, SIOCGIFMTU, &req) == 0 && req.ifr_mtu > 0)
		mtu = (unsigned int)req.ifr_mtu;
	close(fd);
	return mtu;
}

void link_list_interfaces(struct text *t)
{
	struct if_nameindex *list = if_nameindex();

	if (!list)
		return;
	for (size_t i = 0; list[i].if_index != 0; i++)
		text_printf(t, " %s", list[i].if_name);
	if_freenameindex(list);
}

void link_close(struct link *l)
{
	if (l->tx != -1)
		close(l->tx);
	if (l->rx != -1)
		close(l->rx);
	l->tx = l->rx = -1;
}

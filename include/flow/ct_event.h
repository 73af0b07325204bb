/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_FLOW_CT_EVENT_H
#define CONNTRACKD_FLOW_CT_EVENT_H

/* What happened to a flow or an expectation, as an event of the kernel reports. */
enum ct_event {
	CT_EVENT_NEW,
	CT_EVENT_UPDATE,
	CT_EVENT_DESTROY,
	CT_EVENT_KIND = 3,
	/* in addition: caused by a request of some program, not by a packet or timer */
	CT_EVENT_WRITTEN = 4,
};

#endif

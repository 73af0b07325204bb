/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Is this node active, since when, and is a purge pending? */
#include "daemon/activity.h"

#include <stdlib.h>

struct activity {
	enum activity_role role;
	struct mono since;		/* set while active */
	struct mono purge_due;		/* not set: none is pending */
};

void activity_command(struct activity *a, enum activity_role role, struct mono now)
{
	if (role != ACTIVITY_COMMIT)
		a->since = (struct mono){ 0 };
	else if (!activity_active(a))
		a->since = now;
	a->role = role;
}

enum activity_role activity_role(const struct activity *a)
{
	return a->role;
}

bool activity_active(const struct activity *a)
{
	return a->role == ACTIVITY_COMMIT;
}

struct mono activity_since(const struct activity *a)
{
	return a->since;
}

void activity_purge_set(struct activity *a, struct mono due)
{
	a->purge_due = due;
}

bool activity_purge_cancel(struct activity *a)
{
	bool was = mono_is_set(a->purge_due);

	a->purge_due = (struct mono){ 0 };
	return was;
}

struct mono activity_purge_due(const struct activity *a)
{
	return a->purge_due;
}

struct activity *activity_new(void)
{
	return calloc(1, sizeof(struct activity));
}

void activity_free(struct activity *a)
{
	free(a);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers of the kernel that are read when somebody asks. */
#include "kernel/proc.h"

#include <inttypes.h>
#include <stdio.h>

int64_t proc_number(const char *path)
{
	FILE *f = fopen(path, "re");
	int64_t n;

	if (!f)
		return -1;
	if (fscanf(f, "%" SCNd64, &n) != 1 || n < 0)
		n = -1;
	fclose(f);
	return n;
}

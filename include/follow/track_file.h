/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_FOLLOW_TRACK_FILE_H
#define CONNTRACKD_FOLLOW_TRACK_FILE_H

#include <stdbool.h>

/* The file that tells keepalived (track_file) whether this node is ready: "0", else "1". Embedded,
 * zeroed; path is borrowed. */
struct track_file {
	const char *path;
	bool known, ready; /* what was written last */
	bool said;	   /* that it cannot be written */
};

/* Make the file say that. It is written under another name and moved into place, because keepalived
 * reads it at once when it changes; and anew if it says something else, or is missing. 0 or -errno,
 * which is in the log, once. */
int track_file_set(struct track_file *t, bool ready);

#endif

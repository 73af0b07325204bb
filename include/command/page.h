/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CONNTRACKD_COMMAND_PAGE_H
#define CONNTRACKD_COMMAND_PAGE_H

#include <stdint.h>

#include "base/text.h"

/* A page for people, which fits a terminal: labels at the left, what is said about each beside
 * them. */
#define PAGE_COLUMNS 80
#define PAGE_LABEL   10

struct page {
	struct text *out;  /* borrowed */
	unsigned int rows; /* so far */
};

/* One item: wrapped between words into at most `most` rows; what does not fit is cut, and "..."
 * says so. */
void page_put(struct page *p, const char *label, unsigned int most, const char *said);

/* A span of time in its two largest units: "12 s", "3 min 4 s", "2 h 5 min", "4 d 6 h". */
#define PAGE_SPAN 48
void page_span(int64_t seconds, char span[PAGE_SPAN]);

#endif

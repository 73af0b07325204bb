/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "Did you mean": how far two words are from each other. The measure counts single insertions,
 * deletions, changes and swaps of neighbours (optimal string alignment), without case.
 */
#include "conf/conf_ctx.h"

#include <ctype.h>
#include <string.h>

#define WORD_MAX 40 /* longer words are not compared */

static unsigned int min3(unsigned int a, unsigned int b, unsigned int c)
{
	unsigned int m = a < b ? a : b;

	return m < c ? m : c;
}

static bool same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

unsigned int conf_distance(const char *a, const char *b, unsigned int limit)
{
	unsigned int row[3][WORD_MAX + 1]; /* the last three rows of the table, by i % 3 */
	size_t la = strlen(a), lb = strlen(b);

	if (la > WORD_MAX || lb > WORD_MAX)
		return limit + 1;
	for (size_t j = 0; j <= lb; j++)
		row[0][j] = (unsigned int)j;
	for (size_t i = 1; i <= la; i++) {
		unsigned int *now = row[i % 3];
		const unsigned int *before = row[(i + 2) % 3], *earlier = row[(i + 1) % 3];

		now[0] = (unsigned int)i;
		for (size_t j = 1; j <= lb; j++) {
			now[j] = min3(before[j] + 1, now[j - 1] + 1,
				      before[j - 1] + !same(a[i - 1], b[j - 1]));
			if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) &&
			    same(a[i - 2], b[j - 1]) && earlier[j - 2] + 1 < now[j])
				now[j] = earlier[j - 2] + 1;
		}
	}
	return row[la % 3][lb] > limit ? limit + 1 : row[la % 3][lb];
}

unsigned int conf_slip_limit(const char *word)
{
	size_t len = strlen(word);

	return len < 3 ? 0 : len < 6 ? 1 : len < 12 ? 2 : 3;
}

const char *conf_nearest(const char *word, const char *const *names, size_t n)
{
	unsigned int best = conf_slip_limit(word) + 1;
	const char *found = NULL;

	for (size_t i = 0; i < n; i++) {
		unsigned int d = names[i] ? conf_distance(word, names[i], best) : best;

		if (d < best) {
			best = d;
			found = names[i];
		}
	}
	return found;
}

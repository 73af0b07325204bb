/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs a fuzz target over stored inputs, so that a plain `make check` replays what fuzzing once
 * found: every regular file of the directories given. Without libFuzzer; linked with one
 * LLVMFuzzerTestOneInput(). Inputs are exact-size heap copies, so that the address sanitizer sees a
 * read past the end.
 *
 * Arguments: directories. Without any, $FUZZ_CORPUS, or TESTS_SRCDIR/fuzz/corpus/<name of the
 * program up to "_fuzz">.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	struct stat st;
	uint8_t *data;
	size_t len;

	if (!f || fstat(fileno(f), &st) == -1 || !S_ISREG(st.st_mode)) {
		if (f)
			fclose(f);
		return 0;
	}
	data = malloc(st.st_size > 0 ? (size_t)st.st_size : 1);
	if (!data) {
		fclose(f);
		return -1;
	}
	len = fread(data, 1, (size_t)st.st_size, f);
	fclose(f);
	LLVMFuzzerTestOneInput(data, len);
	free(data);
	return 1;
}

/* How many files were run; -1 if the directory cannot be read. */
static int replay_dir(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	int n = 0;

	if (!d) {
		perror(dir);
		return -1;
	}
	while ((e = readdir(d))) {
		char path[4096];
		int ran;

		if (snprintf(path, sizeof(path), "%s/%s", dir, e->d_name) >= (int)sizeof(path))
			continue;
		ran = replay_file(path);
		if (ran == -1) {
			n = -1;
			break;
		}
		n += ran;
	}
	closedir(d);
	return n;
}

static void default_dir(const char *program, char *dir, size_t len)
{
	const char *name = strrchr(program, '/');
	const char *end;

	name = name ? name + 1 : program;
	if (!strncmp(name, "lt-", 3))
		name += 3;
	end = strstr(name, "_fuzz");
	snprintf(dir, len, "%s/fuzz/corpus/%.*s", TESTS_SRCDIR,
		 end ? (int)(end - name) : (int)strlen(name), name);
}

int main(int argc, char **argv)
{
	const char *env = getenv("FUZZ_CORPUS");
	char dir[4096];
	int bad = 0;

	default_dir(argv[0], dir, sizeof(dir));
	for (int i = argc > 1 ? 1 : 0; i < argc; i++) {
		const char *from = argc > 1 ? argv[i] : env ? env : dir;
		int n = replay_dir(from);

		printf("%s: %d inputs\n", from, n);
		if (n <= 0) /* an empty corpus tests nothing */
			bad = 1;
		if (argc == 1)
			break;
	}
	return bad;
}

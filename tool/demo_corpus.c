/* SPDX-License-Identifier: MIT */
/*
 * demo_corpus.c - which text is counted
 *
 * By default the licences and the C headers that every Debian machine with a compiler has, up
 * to 16 MiB, in the order of their names, so that two runs count the same.
 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "demo.h"
#include "tool.h"

#define DEFAULT_LIMIT_BYTES (UINT64_C(16) << 20)

enum { DEPTH_MAX = 32 };

static int add_file(struct demo_corpus *corpus, const char *path, uint64_t bytes)
{
	if (bytes == 0 || bytes > UINT32_MAX ||
	    (corpus->limit_bytes && corpus->total_bytes + bytes > corpus->limit_bytes))
		return 0;
	if (corpus->count == corpus->room) {
		unsigned room = corpus->room ? corpus->room * 2 : 256;
		char **paths = realloc(corpus->paths, room * sizeof *paths);
		if (paths)
			corpus->paths = paths;
		uint64_t *sizes = realloc(corpus->sizes, room * sizeof *sizes);
		if (sizes)
			corpus->sizes = sizes;
		if (!paths || !sizes)
			return complain("demo", "out of memory"), -1;
		corpus->room = room;
	}
	corpus->paths[corpus->count] = strdup(path);
	corpus->sizes[corpus->count] = bytes;
	if (!corpus->paths[corpus->count])
		return complain("demo", "out of memory"), -1;
	corpus->count++;
	corpus->total_bytes += bytes;
	return 0;
}

static int not_hidden(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* Regular files below path; links are not followed, so nothing is met twice. */
static int add_path(struct demo_corpus *corpus, const char *path, int depth)
{
	struct dirent **entries;
	char below[4096];
	struct stat st;
	int n, r = 0;

	if (lstat(path, &st) < 0)
		return depth ? 0 : (complain("demo", "%s cannot be read", path), -1);
	if (S_ISREG(st.st_mode))
		return add_file(corpus, path, (uint64_t)st.st_size);
	if (!S_ISDIR(st.st_mode) || depth > DEPTH_MAX)
		return 0;
	n = scandir(path, &entries, not_hidden, alphasort);
	for (int i = 0; i < n; i++) {
		int length = snprintf(below, sizeof below, "%s/%s", path, entries[i]->d_name);
		if (r == 0 && length > 0 && (size_t)length < sizeof below)
			r = add_path(corpus, below, depth + 1);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	return r;
}

int demo_corpus_gather(struct demo_corpus *corpus, char **names)
{
	static char licenses[] = "/usr/share/common-licenses", headers[] = "/usr/include";
	static char *defaults[] = { licenses, headers, NULL };

	*corpus = (struct demo_corpus){ 0 };
	if (!*names) {
		corpus->limit_bytes = DEFAULT_LIMIT_BYTES;
		names = defaults;
	}
	for (; *names; names++) {
		int r = add_path(corpus, *names, names == defaults || names == defaults + 1);
		if (r < 0)
			return r;
	}
	if (corpus->count == 0)
		return complain("demo", "there is no text to count"), -1;
	return 0;
}

void demo_corpus_free(struct demo_corpus *corpus)
{
	for (unsigned i = 0; i < corpus->count; i++)
		free(corpus->paths[i]);
	free(corpus->paths);
	free(corpus->sizes);
}

/* SPDX-License-Identifier: MIT */
/*
 * demo_expect.c - the same count by other means
 *
 * paste, tr, sort and uniq count the same files, without a line of the library. Every word
 * they find must be in the map with passes times the count, and the map must have no other.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "demo.h"
#include "tool.h"

/* paste -s ends every file with a newline, so that no word reaches from one into the next */
#define PIPELINE                                                                                  \
	"LC_ALL=C xargs -0 -a '%s' paste -s -d '\\n' -- | LC_ALL=C tr -cs A-Za-z '\\n' | "      \
	"LC_ALL=C tr A-Z a-z | LC_ALL=C sort | LC_ALL=C uniq -c"

static int write_list(const struct demo_corpus *corpus, char *path)
{
	int fd = mkstemp(path);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "w");

	if (!file)
		return -1;
	for (unsigned i = 0; i < corpus->count; i++)
		fwrite(corpus->paths[i], 1, strlen(corpus->paths[i]) + 1, file);
	return fclose(file) == 0 ? 0 : -1;
}

static void compare_word(struct demo *demo, uint64_t passes, const char *word, uint64_t count,
			 struct demo_verdict *verdict)
{
	uint64_t ours = 0;
	int r = dure_map_get(demo->words, word, strlen(word), &ours);

	verdict->words += count;
	verdict->distinct++;
	if (r == 0 && ours == count * passes)
		return;
	verdict->wrong++;
	snprintf(verdict->example, sizeof verdict->example, "\"%.40s\" is %" PRIu64 " here, %" PRIu64
		 " x %" PRIu64 " there", word, ours, count, passes);
}

static void compare_lines(struct demo *demo, uint64_t passes, FILE *from,
			  struct demo_verdict *verdict)
{
	char *line = NULL, *end;
	size_t room = 0;

	while (getline(&line, &room, from) > 0) {
		uint64_t count = strtoull(line, &end, 10);
		end += strspn(end, " ");
		end[strcspn(end, "\n")] = '\0';
		if (*end)		/* the text before the first word is none */
			compare_word(demo, passes, end, count, verdict);
	}
	free(line);
}

int demo_compare(struct demo *demo, uint64_t passes, struct demo_verdict *ret)
{
	char path[] = "/tmp/dure-demo-XXXXXX", command[600];
	int status = -1;
	FILE *from;

	*ret = (struct demo_verdict){ 0 };
	if (write_list(demo->corpus, path) < 0)
		return complain("demo", "%s: %s", path, strerror(errno)), -1;
	snprintf(command, sizeof command, PIPELINE, path);
	from = popen(command, "r");
	if (from) {
		compare_lines(demo, passes, from, ret);
		status = pclose(from);
	}
	unlink(path);
	if (status != 0)
		return complain("demo", "counting with coreutils failed"), -1;
	if (dure_map_count(demo->words) != ret->distinct && !ret->wrong) {
		ret->wrong++;
		snprintf(ret->example, sizeof ret->example, "%" PRIu64 " distinct words here, %" PRIu64
			 " there", dure_map_count(demo->words), ret->distinct);
	}
	return 0;
}

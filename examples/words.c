/* SPDX-License-Identifier: MIT */
/*
 * words - forked children count words in one map
 *
 * Each child takes every third line of a text. dure_map_add needs no lock of the program's, and
 * a word is added once or not at all, whoever is killed. `dure demo` is the big brother of this,
 * with children that are killed all the time.
 */
#include <ctype.h>
#include <dure.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILDREN = 3, WORD_MAX = 32, SHOWN_MAX = 100 };

static const char *const text[] = {
	"The farmer and the farmer's wife went to the field;",
	"the field was wide, and the day was short.",
	"The neighbours came, one after the other,",
	"and when one fell ill, the others did his field too.",
	"So the field was done before the day was over.",
};

static void must(int result)
{
	if (result >= 0)
		return;
	fprintf(stderr, "words: %s\n", dure_last_error());
	exit(1);
}

static void count_line(dure_map *map, const char *line)
{
	char word[WORD_MAX];

	while (*line) {
		size_t length = 0;
		while (isalpha((unsigned char)*line) && length < sizeof word)
			word[length++] = (char)tolower((unsigned char)*line++);
		if (length)
			must(dure_map_add(map, word, length, 1, NULL));
		else
			line++;
	}
}

static int count(dure_segment *seg, size_t first_line)
{
	dure_map *map;

	must(dure_segment_reattach(seg));
	must(dure_map_open(seg, "words", DURE_OPEN, NULL, &map));
	for (size_t i = first_line; i < sizeof text / sizeof *text; i += CHILDREN)
		count_line(map, text[i]);
	dure_map_close(map);
	return dure_segment_close(seg);
}

/* -- the result, sorted ------------------------------------------------------------------- */

struct row {
	char word[WORD_MAX + 1];
	int64_t count;
};

struct rows {
	struct row rows[SHOWN_MAX];
	size_t used;
};

static int keep(const void *key, size_t key_bytes, const void *value, void *context)
{
	struct rows *rows = context;
	struct row *row = &rows->rows[rows->used];

	if (rows->used == SHOWN_MAX)
		return 1;
	snprintf(row->word, sizeof row->word, "%.*s", (int)key_bytes, (const char *)key);
	memcpy(&row->count, value, sizeof row->count);
	rows->used++;
	return 0;
}

static int by_count(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	return strcmp(x->word, y->word);
}

int main(void)
{
	struct dure_segment_options options = { .sz = sizeof options,
						.backing = DURE_BACKING_MEMORY_FILE };
	struct rows rows = { .used = 0 };
	dure_segment *seg;
	dure_map *map;
	int status;

	must(dure_segment_open(NULL, DURE_CREATE, &options, &seg));
	must(dure_map_open(seg, "words", DURE_CREATE, NULL, &map));
	for (size_t i = 0; i < CHILDREN; i++)
		if (fork() == 0)
			return count(seg, i);
	while (wait(&status) > 0)
		if (status != 0)
			return 1;
	must(dure_map_each(map, keep, &rows));
	qsort(rows.rows, rows.used, sizeof *rows.rows, by_count);
	printf("%d different words\n", (int)dure_map_count(map));
	for (size_t i = 0; i < 5; i++)
		printf("%3d %s\n", (int)rows.rows[i].count, rows.rows[i].word);
	dure_map_close(map);
	must(dure_segment_close(seg));
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * index - forked children index the words of a text in one ordered map, and queries are ranges
 *
 * A key is a word and, behind a space, the number of a line. So the lines of a word lie side by
 * side: they are the keys from "word " on that begin so. A query needs no lock, and could be
 * answered while the index grows.
 */
#include <ctype.h>
#include <dure.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILDREN = 3, WORD_MAX = 32 };

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
	fprintf(stderr, "index: %s\n", dure_last_error());
	exit(1);
}

static void index_line(dure_ordered *index, int number)
{
	char key[WORD_MAX + 16];
	uint64_t column = 0;

	for (const char *at = text[number]; *at;) {
		size_t length = 0;
		while (isalpha((unsigned char)at[length]) && length < WORD_MAX) {
			key[length] = (char)tolower((unsigned char)at[length]);
			length++;
		}
		column = (uint64_t)(at - text[number]) + 1;
		at += length ? length : 1;
		if (!length)
			continue;
		length += (size_t)snprintf(key + length, 16, " %03d", number + 1);
		must(dure_ordered_put(index, key, length, &column));
	}
}

static int index_lines(dure_segment *seg, dure_ordered *index, int first)
{
	must(dure_segment_reattach(seg));
	for (int i = first; i < (int)(sizeof text / sizeof *text); i += CHILDREN)
		index_line(index, i);
	return 0;
}

static int print_line(const void *key, size_t key_bytes, const void *value, void *context)
{
	(void)value;
	(void)context;
	printf(" %.*s", 3, (const char *)key + key_bytes - 3);	/* keys end without a NUL */
	return 0;
}

static int print_word(const void *key, size_t key_bytes, const void *value, void *context)
{
	(void)value;
	(void)context;
	printf("the last one is %.*s\n",
	       (int)((const char *)memchr(key, ' ', key_bytes) - (const char *)key),
	       (const char *)key);
	return 1;		/* one is enough */
}

static void find(dure_ordered *index, const char *word)
{
	char low[WORD_MAX + 2], high[WORD_MAX + 2];
	struct dure_range range = { .sz = sizeof range, .low = low, .high = high };

	/* from "word " to "word!", which is the character behind the space */
	range.low_bytes = (size_t)snprintf(low, sizeof low, "%s ", word);
	range.high_bytes = (size_t)snprintf(high, sizeof high, "%s!", word);
	printf("%s:", word);
	must(dure_ordered_visit(index, &range, print_line, NULL));
	printf("\n");
}

int main(void)
{
	struct dure_segment_options options = { .sz = sizeof options,
						.backing = DURE_BACKING_MEMORY_FILE };
	struct dure_range backwards = { .sz = sizeof backwards, .flags = DURE_RANGE_DESCENDING };
	dure_ordered *index;
	dure_segment *seg;
	int status;

	must(dure_segment_open(NULL, DURE_CREATE, &options, &seg));
	must(dure_ordered_open(seg, "index", DURE_CREATE, NULL, &index));
	for (int i = 0; i < CHILDREN; i++)
		if (fork() == 0)
			return index_lines(seg, index, i);
	while (wait(&status) > 0)
		if (status != 0)
			return 1;
	printf("%d entries\n", (int)dure_ordered_count(index));
	find(index, "field");
	find(index, "one");
	find(index, "nobody");
	must(dure_ordered_visit(index, &backwards, print_word, NULL));
	dure_ordered_close(index);
	must(dure_segment_close(seg));
	return 0;
}

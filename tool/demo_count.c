/* SPDX-License-Identifier: MIT */
/*
 * demo_count.c - a worker of dure demo
 *
 * A unit is counted in private memory first; then one transaction claims the unit, adds every
 * word, and marks the unit done. Words are added in the map's own order, so that two workers
 * never wait for each other in a circle.
 */
#include <ctype.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "demo.h"
#include "tool.h"

enum {
	TABLE_SIZE = 1 << 15,
	WORDS_MAX = TABLE_SIZE / 2,	/* more than 64 KiB of text can have */
	WAIT_MIN_NS = 20000,		/* shorter is no wait */
	IDLE_NS = 200000,
};

struct word {
	const char *text;
	uint32_t bytes;
	uint32_t count;
	uint64_t order;
};

struct counter {
	char *text;			/* the unit, and the end of its last word */
	size_t text_bytes, text_room;
	struct word words[WORDS_MAX];
	unsigned word_count;
	uint32_t table[TABLE_SIZE];	/* index + 1 into words */
};

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static _Noreturn void give_up(const char *what)
{
	complain("demo", "worker: %s: %s", what, dure_last_error());
	_exit(1);
}

/* -- counting ---------------------------------------------------------------------------- */

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static void add_word(struct counter *c, const char *text, size_t bytes)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < bytes; i++)
		hash = (hash ^ (unsigned char)text[i]) * 16777619u;
	for (uint32_t at = hash % TABLE_SIZE;; at = (at + 1) % TABLE_SIZE) {
		struct word *word = c->table[at] ? &c->words[c->table[at] - 1] : NULL;
		if (!word) {
			c->words[c->word_count] = (struct word){ text, (uint32_t)bytes, 1, 0 };
			c->table[at] = ++c->word_count;
			return;
		}
		if (word->bytes == bytes && memcmp(word->text, text, bytes) == 0) {
			word->count++;
			return;
		}
	}
}

/* The words that begin in [skip, unit_bytes); the last may end behind. */
static void count_words(struct counter *c, size_t skip, size_t unit_bytes)
{
	size_t at = skip;

	/* a word that began before belongs to the unit before */
	if (skip && is_letter(c->text[skip - 1]))
		while (at < c->text_bytes && is_letter(c->text[at]))
			at++;
	while (at < unit_bytes) {
		size_t start = at;
		while (at < c->text_bytes && is_letter(c->text[at])) {
			c->text[at] = (char)tolower((unsigned char)c->text[at]);
			at++;
		}
		if (at > start)
			add_word(c, c->text + start, at - start);
		else
			at++;
	}
}

static bool read_more(struct counter *c, int fd, uint64_t offset, size_t bytes)
{
	ssize_t n;

	if (c->text_bytes + bytes > c->text_room) {
		c->text_room = (c->text_bytes + bytes) * 2;
		c->text = realloc(c->text, c->text_room);
		if (!c->text)
			give_up("out of memory");
	}
	n = pread(fd, c->text + c->text_bytes, bytes, (off_t)(offset + c->text_bytes));
	if (n > 0)
		c->text_bytes += (size_t)n;
	return n > 0;
}

/* Reads the unit, one byte before it, and the rest of its last word. */
static void count_unit(struct counter *c, const struct demo *demo, const struct demo_unit *unit)
{
	size_t skip = unit->offset > 0, unit_bytes = unit->bytes + skip;
	uint64_t offset = unit->offset - skip;
	int fd = open(demo->corpus->paths[unit->file], O_RDONLY | O_CLOEXEC);

	c->text_bytes = 0;
	c->word_count = 0;
	memset(c->table, 0, sizeof c->table);
	if (fd < 0)
		give_up(demo->corpus->paths[unit->file]);
	while (c->text_bytes < unit_bytes && read_more(c, fd, offset, unit_bytes - c->text_bytes))
		;
	while (c->text_bytes >= unit_bytes && is_letter(c->text[c->text_bytes - 1]) &&
	       read_more(c, fd, offset, 4096))
		;
	close(fd);
	count_words(c, skip, c->text_bytes < unit_bytes ? c->text_bytes : unit_bytes);
}

/* -- adding ------------------------------------------------------------------------------ */

static int by_order(const void *a, const void *b)
{
	const struct word *x = a, *y = b;

	return x->order < y->order ? -1 : x->order > y->order;
}

static void sort_words(struct counter *c, dure_map *map)
{
	for (unsigned i = 0; i < c->word_count; i++)
		c->words[i].order = dure_map_order(map, c->words[i].text, c->words[i].bytes);
	qsort(c->words, c->word_count, sizeof *c->words, by_order);
}

/* A wait during which somebody was killed counts from the kill. */
static void note_wait(struct demo_board *board, int64_t from, int64_t to)
{
	int64_t kill = (int64_t)__atomic_load_n(&board->last_kill_ns, __ATOMIC_RELAXED);

	if (to - from < WAIT_MIN_NS || kill < from || kill > to)
		return;
	uint64_t i = __atomic_fetch_add(&board->wait_count, 1, __ATOMIC_RELAXED);
	if (i < DEMO_WAITS_MAX)
		board->waits_ns[i] = (uint64_t)(to - kill);
}

static int add_words(struct demo *demo, struct counter *c)
{
	for (unsigned i = 0; i < c->word_count; i++) {
		int64_t before = now_ns();
		int r = dure_map_add(demo->words, c->words[i].text, c->words[i].bytes,
				     c->words[i].count, NULL);
		if (r < 0)
			return r;
		note_wait(demo->board, before, now_ns());
	}
	return 0;
}

/* 1: counted; 0: somebody else has it, or it is done; negative: an error */
static int claim_and_count(struct demo *demo, struct counter *c, struct demo_unit *unit)
{
	uint64_t passes;
	dure_tx *tx;
	int r = dure_tx_begin(demo->segment, &tx);

	if (r < 0)
		return r;
	r = dure_tx_lock(tx, &unit->lock, 0);
	if (r >= 0 && unit->passes >= __atomic_load_n(&demo->board->goal, __ATOMIC_RELAXED))
		r = -EAGAIN;
	if (r >= 0) {
		count_unit(c, demo, unit);
		sort_words(c, demo->words);
		r = add_words(demo, c);
	}
	if (r >= 0) {
		passes = unit->passes + 1;
		r = dure_tx_write(tx, &unit->passes, &passes, sizeof passes);
	}
	if (r < 0) {
		dure_tx_abort(tx);
		return r == -EAGAIN || r == -EDEADLK ? 0 : r;
	}
	r = dure_tx_commit(tx);
	return r < 0 ? r : 1;
}

/* Looks at each unit once, from the common hint on. Whether anything was counted. */
static bool look_for_work(struct demo *demo, struct counter *c)
{
	uint64_t goal = __atomic_load_n(&demo->board->goal, __ATOMIC_RELAXED);

	for (uint64_t looks = 0; looks < demo->unit_count; looks++) {
		uint64_t i = __atomic_fetch_add(&demo->board->hint, 1, __ATOMIC_RELAXED) %
			     demo->unit_count;
		if (demo->units[i].passes >= goal)
			continue;
		int r = claim_and_count(demo, c, &demo->units[i]);
		if (r < 0)
			give_up("counting");
		if (r > 0)
			return true;
	}
	return false;
}

void demo_work(struct demo *demo)
{
	struct counter *c = calloc(1, sizeof *c);
	const struct timespec idle = { .tv_nsec = IDLE_NS };

	if (!c)
		give_up("out of memory");
	if (dure_segment_reattach(demo->segment) < 0)
		give_up("attaching");
	for (;;)
		if (!look_for_work(demo, c)) {
			if (__atomic_load_n(&demo->board->stops, __ATOMIC_RELAXED))
				_exit(0);
			nanosleep(&idle, NULL);
		}
}

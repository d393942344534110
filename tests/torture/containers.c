/* SPDX-License-Identifier: MIT */
/*
 * containers.c - what the tortured do to vectors and strings
 *
 * Coins lie in vectors, and each coin is in one of them: they move in transactions, and are
 * counted in the end, each once. A string holds the coins' history, whole lines only. An ordered
 * map, the shelf, has numbered jars: what is taken out of one is put into another, and jars that
 * are empty go.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "torture.h"

/* Jars' names begin alike. */
static size_t jar_name(unsigned number, char name[32])
{
	return (size_t)snprintf(name, 32, "jar-number-%05u", number * 7919 % 100000);
}

static int put_jar(struct torture *t, unsigned number, uint64_t content)
{
	char name[32];

	return dure_ordered_put(t->shelf, name, jar_name(number, name), &content);
}

/* Nothing: there is no such jar. */
static int get_jar(struct torture *t, unsigned number, uint64_t *ret_content)
{
	char name[32];
	int r = dure_ordered_get(t->shelf, name, jar_name(number, name), ret_content);

	if (r == -ENOENT)
		*ret_content = 0;
	return r == -ENOENT ? 0 : r;
}

static int set_jar(struct torture *t, unsigned number, uint64_t content)
{
	char name[32];

	return content ? put_jar(t, number, content)
		       : dure_ordered_remove(t->shelf, name, jar_name(number, name));
}

static void make_shelf(struct torture *t)
{
	EXPECT(dure_ordered_open(t->seg, "shelf", DURE_CREATE, NULL, &t->shelf) >= 0);
	for (unsigned i = 0; i < JARS; i += 2)
		EXPECT(put_jar(t, i, JAR_START) >= 0);
}

void torture_containers_begin(struct torture *t)
{
	char name[16];

	for (int i = 0; i < PURSES; i++) {
		snprintf(name, sizeof name, "purse-%d", i);
		EXPECT(dure_vector_open(t->seg, name, DURE_TYPE(struct token), DURE_CREATE, NULL,
					&t->purses[i]) >= 0);
		EXPECT(dure_vector_reserve(t->purses[i], COINS) == 0);
	}
	for (uint64_t i = 0; i < COINS; i++) {
		struct token c = token(i);
		EXPECT(dure_vector_push(t->purses[i % PURSES], &c, NULL) == 0);
	}
	EXPECT(dure_string_open(t->seg, "history", DURE_CREATE, &t->history) >= 0);
	EXPECT(dure_string_set(t->history, "\n", 1) == 0);
	t->shelf_blocks = torture_live_blocks(t);
	make_shelf(t);
	t->shelf_blocks = torture_live_blocks(t) - t->shelf_blocks;
}

void torture_containers_end(struct torture *t)
{
	for (int i = 0; i < PURSES; i++)
		dure_vector_close(t->purses[i]);
	dure_string_close(t->history);
	dure_ordered_close(t->shelf);
}

/* A circle of lockers, or a full segment: then all of it is undone. */
static int is_fine(int r)
{
	return r >= 0 || r == -EDEADLK || r == -ENOSPC;
}

static int move_between(struct torture *t, unsigned from, unsigned to, uint64_t lot)
{
	struct token c, other;
	int r = dure_vector_pop(t->purses[from], &c);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	EXPECT(is_token(&c, COINS));
	r = dure_vector_push(t->purses[to], &c, NULL);
	/* and to the front, past another one */
	if (r == 0 && lot % 2 && dure_vector_count(t->purses[to]) > 1) {
		uint64_t last = dure_vector_count(t->purses[to]) - 1;
		r = dure_vector_get(t->purses[to], 0, &other);
		if (r == 0)
			r = dure_vector_set(t->purses[to], 0, &c);
		if (r == 0)
			r = dure_vector_set(t->purses[to], last, &other);
	}
	if (r == 0 && lot % 8 == 0)
		r = dure_string_append_format(t->history, "%08" PRIu64 " to %u\n", c.number, to);
	return r;
}

static void move_coin(struct torture *t, uint64_t lot)
{
	unsigned from = (unsigned)(lot % PURSES), to = (unsigned)(lot / PURSES % PURSES);
	dure_tx *tx;
	int r;

	lot /= PURSES * PURSES;
	EXPECT(dure_tx_begin(t->seg, &tx) == 0);
	r = move_between(t, from, to, lot);
	EXPECT(is_fine(r));
	if (r < 0 || lot % 16 == 3)
		EXPECT(dure_tx_abort(tx) == 0);
	else
		EXPECT(dure_tx_commit(tx) == 0);
}

static void look_at_coin(struct torture *t, uint64_t lot)
{
	dure_vector *purse = t->purses[lot % PURSES];
	uint64_t count = dure_vector_count(purse);
	struct token c;
	int r;

	if (!count)
		return;
	r = dure_vector_get(purse, lot / PURSES % count, &c);
	EXPECT(r == -EINVAL || (r == 0 && is_token(&c, COINS)));	/* it may be gone */
}

/* Without a transaction: whole lines all the same, and begun anew when it is long. */
static void write_history(struct torture *t, uint64_t lot)
{
	static char text[1 << 16];
	size_t bytes;
	int r = dure_string_get(t->history, text, sizeof text, &bytes);

	EXPECT(r == 0 || r == -EMSGSIZE);
	if (r == 0)
		EXPECT(text[0] == '\n' && text[bytes - 1] == '\n');
	if (r < 0 || lot % 64 == 0)
		r = dure_string_set(t->history, "\n", 1);
	else
		r = dure_string_append_format(t->history, "%08u of %d\n", (unsigned)(lot % COINS),
					      COINS);
	EXPECT(is_fine(r));
}

/* All of one jar, or some, goes to another. */
static int pour(struct torture *t, unsigned from, unsigned to, uint64_t lot)
{
	uint64_t a, b, amount;
	int r = put_jar(t, JARS, 1);	/* the first change locks the shelf: then what is read stays */

	if (r >= 0)
		r = get_jar(t, from, &a);
	if (r >= 0)
		r = get_jar(t, to, &b);
	if (r >= 0)
		r = set_jar(t, JARS, 0);
	if (r < 0 || !a || from == to)
		return r;
	amount = lot % 2 ? a : 1 + lot % a;
	r = set_jar(t, from, a - amount);
	return r < 0 ? r : put_jar(t, to, b + amount);
}

static void move_jar(struct torture *t, uint64_t lot)
{
	unsigned from = (unsigned)(lot % JARS), to = (unsigned)(lot / JARS % JARS);
	dure_tx *tx;
	int r;

	lot /= JARS * JARS;
	EXPECT(dure_tx_begin(t->seg, &tx) == 0);
	r = pour(t, from, to, lot);
	EXPECT(is_fine(r));
	if (r < 0 || lot % 16 == 3)
		EXPECT(dure_tx_abort(tx) == 0);
	else
		EXPECT(dure_tx_commit(tx) == 0);
}

struct walk {
	char last[32];
	uint64_t sum, jars;
	int is_wrong;
};

static int pass_jar(const void *key, size_t key_bytes, const void *value, void *context)
{
	struct walk *walk = context;
	char name[32] = { 0 };
	uint64_t content;

	if (key_bytes != 16)
		return walk->is_wrong = 1;
	memcpy(name, key, key_bytes);
	memcpy(&content, value, sizeof content);
	if (strcmp(name, walk->last) <= 0 || !content)
		return walk->is_wrong = 1;
	memcpy(walk->last, name, sizeof name);
	walk->sum += content;
	walk->jars++;
	return 0;
}

static void walk_along(struct torture *t)
{
	struct walk walk = { .sum = 0 };

	EXPECT(dure_ordered_visit(t->shelf, NULL, pass_jar, &walk) == 0);
}

void torture_containers_work(struct torture *t, uint64_t lot)
{
	switch (lot % 8) {
	case 0:
		look_at_coin(t, lot / 8);
		break;
	case 1:
		write_history(t, lot / 8);
		break;
	case 2:
		walk_along(t);
		break;
	case 3:
	case 4:
	case 5:
		move_jar(t, lot / 8);
		break;
	default:
		move_coin(t, lot / 8);
	}
}

/* Jars are blocks, nodes and separators, which come and go with them: destroyed, and made anew. */
static int judge_shelf(struct torture *t, uint64_t *count)
{
	struct walk walk = { .sum = 0 };
	uint64_t blocks;

	if (dure_ordered_visit(t->shelf, NULL, pass_jar, &walk) != 0 || walk.is_wrong)
		return torture_wrong("a jar", walk.jars, 0);
	if (walk.sum != JARS / 2 * JAR_START || walk.jars != dure_ordered_count(t->shelf))
		return torture_wrong("what is in the jars", walk.sum, JARS / 2 * JAR_START);
	blocks = torture_live_blocks(t);
	EXPECT(dure_ordered_destroy(t->seg, "shelf") == 0);
	*count += blocks - torture_live_blocks(t) - t->shelf_blocks;
	dure_ordered_close(t->shelf);
	make_shelf(t);
	return 0;
}

int torture_containers_judge(struct torture *t, uint64_t *count_blocks)
{
	static char text[1 << 20];
	uint8_t seen[COINS] = { 0 };
	uint64_t count = 0;
	size_t bytes;
	struct token c;

	for (int i = 0; i < PURSES; i++)
		for (uint64_t j = 0; j < dure_vector_count(t->purses[i]); j++, count++) {
			if (dure_vector_get(t->purses[i], j, &c) < 0 || !is_token(&c, COINS))
				return torture_wrong("a coin's number", c.number, j);
			if (seen[c.number]++)
				return torture_wrong("a coin's copies", 2, 1);
		}
	if (count != COINS)
		return torture_wrong("the coins", count, COINS);
	if (dure_string_get(t->history, text, sizeof text, &bytes) < 0)
		return torture_wrong("the history's length", dure_string_length(t->history), 0);
	for (const char *at = text + 1, *end; *at; at = end + 1) {
		end = strchr(at, '\n');
		if (!end || end - at < 12 || strspn(at, "0123456789") != 8)
			return torture_wrong("a line of the history", (uint64_t)(at - text), 0);
	}
	return judge_shelf(t, count_blocks);
}

/* SPDX-License-Identifier: MIT */
/*
 * tokens.c - containers of all kinds, changed by unlike builds: each token is in one of them
 *
 * An ordered map, a list, a deque, a priority queue, a vector, and a list that a map owns. Tokens move
 * between them in transactions; a bitmap has the bits of those that are in the deque.
 */
#include "hammer.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

enum { OWNED_KEY_BYTES = 5 };

static const char owned_key[] = "owned";

struct token {
	_Alignas(8) uint64_t number;
	uint64_t three;
};

static dure_segment *seg;
static dure_ordered *shelf;
static dure_list *row, *owned;
static dure_deque *pipe_of;
static dure_priority *heap;
static dure_vector *stack;
static dure_map *owners;
static dure_bitmap *in_pipe;

static int opened(int r, int *ret)
{
	if (r < 0 && *ret >= 0)
		*ret = r;
	return r;
}

/* All but the owners, and what they own. */
static int open_rows(uint32_t flags)
{
	struct dure_ordered_options integer = { .sz = sizeof integer, .flags = DURE_ORDERED_INTEGER,
						.value_bytes = sizeof(struct token) };
	struct dure_deque_options few = { .sz = sizeof few, .chunk_count = 4 };
	struct dure_type type = dure_type_make("token", sizeof(struct token), 8);
	int r = 0;

	opened(dure_ordered_open(seg, "shelf", flags, &integer, &shelf), &r);
	opened(dure_list_open(seg, "row", type, flags, NULL, &row), &r);
	opened(dure_deque_open(seg, "pipe", type, flags, &few, &pipe_of), &r);
	opened(dure_priority_open(seg, "heap", type, flags, NULL, &heap), &r);
	opened(dure_vector_open(seg, "stack", type, flags, NULL, &stack), &r);
	opened(dure_bitmap_open(seg, "in-pipe", flags, &in_pipe), &r);
	if (r >= 0 && flags & DURE_CREATE)
		r = dure_bitmap_resize(in_pipe, TOKENS);
	return r;
}

static int open_owned(void)
{
	struct dure_map_options owner = { .sz = sizeof owner, .flags = DURE_MAP_OWNER, .partitions = 1 };
	struct dure_type type = dure_type_make("token", sizeof(struct token), 8);
	dure_ref at = { 0 };
	int r = dure_map_open(seg, "owners", DURE_CREATE | DURE_OPEN, &owner, &owners);

	if (r >= 0 && dure_map_get(owners, owned_key, OWNED_KEY_BYTES, &at) < 0)
		at.offset = 0;
	if (r >= 0)
		r = dure_list_open_at(seg, &at, type, DURE_CREATE | DURE_OPEN, NULL, &owned);
	if (r == DURE_CREATED)
		r = dure_map_insert(owners, owned_key, OWNED_KEY_BYTES, &at);
	return r;
}

static int fill(void)
{
	int r = 0;

	for (uint64_t i = 0; r == 0 && i < TOKENS; i++) {
		struct token t = { i, i * 3 };
		r = dure_list_push_back(row, &t, NULL);
	}
	return r;
}

int tokens_open(dure_segment *segment, bool makes)
{
	int r;

	seg = segment;
	r = open_rows(makes ? DURE_CREATE : DURE_OPEN);
	if (r >= 0)
		r = open_owned();
	return r >= 0 && makes ? fill() : r;
}

static void close_rows(void)
{
	dure_ordered_close(shelf);
	dure_list_close(row);
	dure_deque_close(pipe_of);
	dure_priority_close(heap);
	dure_vector_close(stack);
	dure_bitmap_close(in_pipe);
}

void tokens_close(void)
{
	close_rows();
	dure_list_close(owned);
	dure_map_close(owners);
}

/* -- moving ------------------------------------------------------------------------------ */

static int take(uint64_t lot, struct token *t)
{
	uint64_t key = lot / 6 % TOKENS;
	int r;

	switch (lot % 6) {
	case 0:
		return dure_ordered_take(shelf, &key, sizeof key, t);
	case 1:
		return dure_list_pop_front(row, t);
	case 2:
		r = lot / 6 % 2 ? dure_deque_pop_front(pipe_of, t) : dure_deque_pop_back(pipe_of, t);
		if (r == 0)
			r = dure_bitmap_clear(in_pipe, t->number);
		return r < 0 ? r : 0;
	case 3:
		return dure_priority_pop(heap, NULL, t);
	case 4:
		return dure_vector_pop(stack, t);
	default:
		return dure_list_pop_back(owned, t);
	}
}

static int give(uint64_t lot, const struct token *t)
{
	int r;

	switch (lot % 6) {
	case 0:
		return dure_ordered_insert(shelf, &t->number, sizeof t->number, t);
	case 1:
		return dure_list_push_back(row, t, NULL);
	case 2:
		r = lot / 6 % 2 ? dure_deque_push_front(pipe_of, t) : dure_deque_push_back(pipe_of, t);
		if (r == 0)
			r = dure_bitmap_set(in_pipe, t->number);
		return r < 0 ? r : 0;
	case 3:
		return dure_priority_push(heap, &t->three, t, NULL);
	case 4:
		return dure_vector_push(stack, t, NULL);
	default:
		return dure_list_push_front(owned, t, NULL);
	}
}

static bool is_token(const struct token *t)
{
	return t->number < TOKENS && t->three == t->number * 3;
}

/* A circle of lockers, or nothing there: then all of it is undone. */
int tokens_move(uint64_t lot, bool commits)
{
	struct token t;
	dure_tx *tx;
	int r = dure_tx_begin(seg, &tx), end;

	if (r < 0)
		return r;
	r = take(lot, &t);
	if (r == 0)
		r = is_token(&t) ? give(lot / 1024, &t) : -EUCLEAN;
	end = r >= 0 && commits ? dure_tx_commit(tx) : dure_tx_abort(tx);
	return r >= 0 || r == -EDEADLK || r == -ENOENT ? end : r;
}

/* -- judging ------------------------------------------------------------------------------- */

struct count {
	bool is_there[TOKENS], is_wrong;
	uint64_t tokens;
};

static void count_one(struct count *c, const struct token *t)
{
	c->is_wrong |= !is_token(t) || c->is_there[t->number];
	if (!c->is_wrong)
		c->is_there[t->number] = true;
	c->tokens++;
}

static int count_element(void *at, const void *element, void *context)
{
	(void)at;
	count_one(context, element);
	return 0;
}

static int count_value(const void *key, size_t key_bytes, const void *value, void *context)
{
	(void)key;
	(void)key_bytes;
	count_one(context, value);
	return 0;
}

uint64_t tokens_count(void)
{
	struct count c = { .tokens = 0 };
	struct token t;
	uint64_t bits = 0;

	c.is_wrong = dure_ordered_visit(shelf, NULL, count_value, &c) < 0 ||
		     dure_list_visit(row, 0, count_element, &c) < 0 ||
		     dure_list_visit(owned, DURE_LIST_BACKWARDS, count_element, &c) < 0;
	for (uint64_t i = 0; i < dure_deque_count(pipe_of) && dure_deque_get(pipe_of, i, &t) == 0; i++) {
		count_one(&c, &t);
		c.is_wrong |= dure_bitmap_test(in_pipe, t.number) != 1;
	}
	for (uint64_t i = 0; i < dure_vector_count(stack) && dure_vector_get(stack, i, &t) == 0; i++)
		count_one(&c, &t);
	if (dure_bitmap_count(in_pipe, 0, TOKENS, &bits) < 0 || bits != dure_deque_count(pipe_of))
		c.is_wrong = true;
	while (dure_priority_pop(heap, NULL, &t) == 0) {
		count_one(&c, &t);
		c.is_wrong |= dure_list_push_back(row, &t, NULL) < 0;
	}
	return c.is_wrong ? UINT64_MAX : c.tokens;
}

int tokens_destroy(void)
{
	dure_ref at;
	int r = 0;

	close_rows();
	opened(dure_ordered_destroy(seg, "shelf"), &r);
	opened(dure_list_destroy(seg, "row"), &r);
	opened(dure_deque_destroy(seg, "pipe"), &r);
	opened(dure_priority_destroy(seg, "heap"), &r);
	opened(dure_vector_destroy(seg, "stack"), &r);
	opened(dure_bitmap_destroy(seg, "in-pipe"), &r);
	opened(dure_map_get(owners, owned_key, OWNED_KEY_BYTES, &at), &r);
	if (r >= 0)
		r = dure_container_clear(seg, at);
	return r;
}

int tokens_make_anew(void)
{
	int r = open_rows(DURE_CREATE);

	return r < 0 ? r : fill();
}

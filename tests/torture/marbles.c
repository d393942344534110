/* SPDX-License-Identifier: MIT */
/*
 * marbles.c - what the tortured do to lists, deques, bitmaps and priority queues
 *
 * Each marble is in one of two boxes, which are lists, or in the tube, a deque, whose bitmap says
 * which ones are in it, or in the funnel, a priority queue. They move in transactions, or by splicing, and are counted in the end, each
 * once. Then all is destroyed, and nothing may be left of it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "torture.h"

static const char *const box_names[BOXES] = { "box-0", "box-1" };

/* Few marbles in a chunk: chunks come and go. */
static void make_all(struct torture *t)
{
	struct dure_deque_options o = { .sz = sizeof o, .chunk_count = 4 };

	for (int i = 0; i < BOXES; i++)
		EXPECT(dure_list_open(t->seg, box_names[i], DURE_TYPE(struct token), DURE_CREATE, NULL,
				      &t->boxes[i]) >= 0);
	EXPECT(dure_deque_open(t->seg, "tube", DURE_TYPE(struct token), DURE_CREATE, &o,
			       &t->tube) >= 0);
	EXPECT(dure_priority_open(t->seg, "funnel", DURE_TYPE(struct token), DURE_CREATE, NULL,
				  &t->funnel) >= 0);
	EXPECT(dure_bitmap_open(t->seg, "in-tube", DURE_CREATE, &t->in_tube) >= 0);
	EXPECT(dure_bitmap_resize(t->in_tube, MARBLES) == 0);
}

static void fill(struct torture *t)
{
	for (uint64_t i = 0; i < MARBLES; i++) {
		struct token m = token(i);
		EXPECT(i % 3 == 2 ? dure_deque_push_back(t->tube, &m) == 0
				  : dure_list_push_back(t->boxes[i % 3], &m, NULL) == 0);
		if (i % 3 == 2)
			EXPECT(dure_bitmap_set(t->in_tube, i) == 1);
	}
}

static void destroy_all(struct torture *t)
{
	for (int i = 0; i < BOXES; i++) {
		EXPECT(dure_list_destroy(t->seg, box_names[i]) == 0);
		dure_list_close(t->boxes[i]);
	}
	EXPECT(dure_deque_destroy(t->seg, "tube") == 0);
	dure_deque_close(t->tube);
	EXPECT(dure_priority_destroy(t->seg, "funnel") == 0);
	dure_priority_close(t->funnel);
	EXPECT(dure_bitmap_destroy(t->seg, "in-tube") == 0);
	dure_bitmap_close(t->in_tube);
}

void torture_marbles_begin(struct torture *t)
{
	make_all(t);		/* and with them what their names need */
	destroy_all(t);
	t->marble_blocks = torture_live_blocks(t);
	make_all(t);
	fill(t);
	t->marble_blocks = torture_live_blocks(t) - t->marble_blocks;
}

void torture_marbles_end(struct torture *t)
{
	for (int i = 0; i < BOXES; i++)
		dure_list_close(t->boxes[i]);
	dure_deque_close(t->tube);
	dure_priority_close(t->funnel);
	dure_bitmap_close(t->in_tube);
}

/* A circle of lockers, a full segment, nothing there: then all of it is undone. */
static int is_fine(int r)
{
	return r >= 0 || r == -EDEADLK || r == -ENOSPC || r == -ENOENT;
}

static int take(struct torture *t, unsigned from, struct token *m)
{
	int r;

	if (from == 4)
		return dure_priority_pop(t->funnel, NULL, m);
	if (from < 2)
		return dure_list_pop_front(t->boxes[from], m);
	r = from == 2 ? dure_deque_pop_front(t->tube, m) : dure_deque_pop_back(t->tube, m);
	if (r == 0)
		r = dure_bitmap_clear(t->in_tube, m->number);
	EXPECT(r != 0);
	return r < 0 ? r : 0;
}

static int put(struct torture *t, unsigned to, const struct token *m)
{
	uint64_t key = m->number * 7919 % 64;
	int r;

	if (to == 4)
		return dure_priority_push(t->funnel, &key, m, NULL);
	if (to < 2)
		return to == 0 ? dure_list_push_back(t->boxes[0], m, NULL)
			       : dure_list_push_front(t->boxes[1], m, NULL);
	r = to == 2 ? dure_deque_push_back(t->tube, m) : dure_deque_push_front(t->tube, m);
	if (r == 0)
		r = dure_bitmap_set(t->in_tube, m->number);
	EXPECT(r != 0);
	return r < 0 ? r : 0;
}

static void move_some(struct torture *t, uint64_t lot)
{
	struct token m;
	dure_tx *tx;
	int r = 0;

	EXPECT(dure_tx_begin(t->seg, &tx) == 0);
	for (uint64_t n = lot % 3 + 1; r == 0 && n > 0; n--, lot /= 25) {
		r = take(t, (unsigned)(lot / 5 % 5), &m);
		if (r == 0) {
			EXPECT(is_token(&m, MARBLES));
			r = put(t, (unsigned)(lot % 5), &m);
		}
	}
	EXPECT(is_fine(r));
	if (r < 0 || lot % 16 == 3)
		EXPECT(dure_tx_abort(tx) == 0);
	else
		EXPECT(dure_tx_commit(tx) == 0);
}

/* The first few of one box, or those between two others. Somebody else may have had them. */
static void splice_some(struct torture *t, uint64_t lot)
{
	dure_list *from = t->boxes[lot % 2], *to = t->boxes[lot / 2 % 2];
	void *first, *last;
	int r = dure_list_first(from, &first);

	last = first;
	for (uint64_t n = lot / 4 % 5; r == 0 && n > 0; n--)
		if (dure_list_next(from, last, &last) < 0)
			break;
	if (r == 0)
		r = dure_list_splice(to, NULL, from, first, last);
	EXPECT(is_fine(r) || r == -EINVAL);
}

static int pass_marble(void *at, const void *element, void *context)
{
	(void)at;
	*(int *)context |= !is_token(element, MARBLES);
	return 0;
}

static void look(struct torture *t, uint64_t lot)
{
	struct token m[8];
	uint64_t count = 0;
	int is_wrong = 0;

	if (lot % 2) {
		EXPECT(dure_list_visit(t->boxes[lot / 2 % 2], lot / 4 % 2 ? DURE_LIST_BACKWARDS : 0,
				       pass_marble, &is_wrong) == 0);
		EXPECT(!is_wrong);
		return;
	}
	EXPECT(dure_deque_get_many(t->tube, lot % 40, 8, m, &count) == 0);
	for (uint64_t i = 0; i < count; i++)
		EXPECT(is_token(&m[i], MARBLES));
}

void torture_marbles_work(struct torture *t, uint64_t lot)
{
	switch (lot % 4) {
	case 0:
		splice_some(t, lot / 4);
		break;
	case 1:
		look(t, lot / 4);
		break;
	default:
		move_some(t, lot / 4);
	}
}

/* -- judging ----------------------------------------------------------------------------- */

struct count {
	uint8_t seen[MARBLES];
	uint64_t marbles;
	int is_wrong;
};

static int count_marble(void *at, const void *element, void *context)
{
	const struct token *m = element;
	struct count *c = context;

	(void)at;
	c->is_wrong |= !is_token(m, MARBLES);
	if (!c->is_wrong)
		c->is_wrong |= c->seen[m->number]++ != 0;
	c->marbles++;
	return c->is_wrong;
}

int torture_marbles_judge(struct torture *t, uint64_t *count_blocks)
{
	struct count c = { .marbles = 0 };
	struct token m;
	uint64_t blocks, bits;

	for (int i = 0; i < BOXES; i++)
		EXPECT(dure_list_visit(t->boxes[i], 0, count_marble, &c) >= 0);
	for (uint64_t i = 0; i < dure_deque_count(t->tube); i++) {
		EXPECT(dure_deque_get(t->tube, i, &m) == 0);
		c.is_wrong |= count_marble(NULL, &m, &c) || dure_bitmap_test(t->in_tube, m.number) != 1;
	}
	/* in their order */
	for (uint64_t key, last = 0; dure_priority_pop(t->funnel, &key, &m) == 0; last = key)
		c.is_wrong |= count_marble(NULL, &m, &c) || key < last;
	EXPECT(dure_bitmap_count(t->in_tube, 0, MARBLES, &bits) == 0);
	if (bits != dure_deque_count(t->tube))
		return torture_wrong("the bits of marbles in the tube", bits, dure_deque_count(t->tube));
	if (c.is_wrong || c.marbles != MARBLES)
		return torture_wrong("the marbles", c.marbles, MARBLES);
	blocks = torture_live_blocks(t);
	destroy_all(t);
	*count_blocks += blocks - torture_live_blocks(t) - t->marble_blocks;
	make_all(t);
	fill(t);
	return 0;
}

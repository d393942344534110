/* SPDX-License-Identifier: MIT */
/*
 * wagons.c - what the tortured do to containers that own containers
 *
 * Wagons are lists of loads. Each wagon has one owner: a map, an ordered map, a vector or a name; it
 * moves from one to another in a transaction, and loads move between wagons. A wagon that is empty
 * is destroyed, and a new one takes its place. In the end each load is in one wagon, and each wagon
 * has one owner. Then the owners are destroyed, and nothing may be left of what they owned.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "torture.h"

enum { WAGONS = 7, LOADS = 40, SPOTS = 9, PLATES = 3, OWNERS = 4 };

static const char *plate(uint64_t number, char name[16])
{
	snprintf(name, 16, "plate-%d", (int)(number % PLATES));
	return name;
}

/* One of the owners, one of its places. */
static int give(struct torture *t, uint64_t lot, const dure_ref *wagon)
{
	uint64_t spot = lot / OWNERS % SPOTS;
	char name[16];

	switch (lot % OWNERS) {
	case 0:
		return dure_map_insert(t->yard, &spot, sizeof spot, wagon);
	case 1:
		return dure_ordered_insert(t->rail, &spot, sizeof spot, wagon);
	case 2:
		return dure_vector_push(t->siding, wagon, NULL);
	default:
		return dure_container_give_name(t->seg, *wagon, plate(spot, name));
	}
}

static int take(struct torture *t, uint64_t lot, dure_ref *wagon)
{
	uint64_t spot = lot / OWNERS % SPOTS;
	char name[16];

	switch (lot % OWNERS) {
	case 0:
		return dure_map_take(t->yard, &spot, sizeof spot, wagon);
	case 1:
		return dure_ordered_take(t->rail, &spot, sizeof spot, wagon);
	case 2:
		return dure_vector_pop(t->siding, wagon);
	default:
		return dure_container_take_name(t->seg, plate(spot, name), wagon);
	}
}

static int new_wagon(struct torture *t, dure_ref *at)
{
	dure_list *list;
	int r;

	at->offset = 0;
	r = dure_list_open_at(t->seg, at, DURE_TYPE(struct token), DURE_CREATE, NULL, &list);
	if (r >= 0)
		dure_list_close(list);
	return r;
}

static void make(struct torture *t)
{
	struct dure_map_options yard = { .sz = sizeof yard, .flags = DURE_MAP_OWNER, .partitions = 2 };
	struct dure_ordered_options rail = { .sz = sizeof rail,
					     .flags = DURE_ORDERED_OWNER | DURE_ORDERED_INTEGER };

	EXPECT(dure_map_open(t->seg, "yard", DURE_CREATE, &yard, &t->yard) >= 0);
	EXPECT(dure_ordered_open(t->seg, "rail", DURE_CREATE, &rail, &t->rail) >= 0);
	EXPECT(dure_vector_open(t->seg, "siding", DURE_OWNER, DURE_CREATE, NULL, &t->siding) >= 0);
}

static void load(struct torture *t)
{
	dure_list *list;
	dure_ref at;

	for (uint64_t wagon = 0; wagon < WAGONS; wagon++) {
		at.offset = 0;
		EXPECT(dure_list_open_at(t->seg, &at, DURE_TYPE(struct token), DURE_CREATE, NULL,
					 &list) >= 0);
		for (uint64_t i = wagon; i < LOADS; i += WAGONS) {
			struct token l = token(i);
			EXPECT(dure_list_push_back(list, &l, NULL) == 0);
		}
		dure_list_close(list);
		EXPECT(give(t, wagon * OWNERS, &at) >= 0);
	}
}

/* Whatever is in them, and under the names, goes with them. */
static void destroy_all(struct torture *t)
{
	char name[16];

	torture_wagons_end(t);
	EXPECT(dure_map_destroy(t->seg, "yard") == 0);
	EXPECT(dure_ordered_destroy(t->seg, "rail") == 0);
	EXPECT(dure_vector_destroy(t->seg, "siding") == 0);
	for (uint64_t i = 0; i < PLATES; i++) {
		int r = dure_list_destroy(t->seg, plate(i, name));
		EXPECT(r == 0 || r == -ENOENT);
	}
}

void torture_wagons_begin(struct torture *t)
{
	uint64_t before = torture_live_blocks(t);

	make(t);
	load(t);
	t->wagons_blocks = torture_live_blocks(t) - before;
}

void torture_wagons_end(struct torture *t)
{
	dure_map_close(t->yard);
	dure_ordered_close(t->rail);
	dure_vector_close(t->siding);
}

/* -- work -------------------------------------------------------------------------------- */

/* A circle of lockers, a full segment, nothing or something there: then all of it is undone. */
static bool is_fine(int r)
{
	return r >= 0 || r == -EDEADLK || r == -ENOSPC || r == -ENOENT || r == -EEXIST || r == -EBUSY;
}

static int move_wagon(struct torture *t, uint64_t lot)
{
	dure_ref wagon;
	int r = take(t, lot, &wagon);

	return r < 0 ? r : give(t, lot / 64, &wagon);
}

static int pass(dure_list *from, dure_list *to)
{
	struct token l;
	int r = dure_list_pop_front(from, &l);

	if (r < 0)
		return r;
	EXPECT(is_token(&l, LOADS));
	return dure_list_push_back(to, &l, NULL);
}

/* Who has taken both is alone with them. */
static int move_load(struct torture *t, uint64_t lot)
{
	dure_list *from = NULL, *to = NULL;
	dure_ref a, b;
	int r = take(t, lot, &a);

	if (r == 0)
		r = take(t, lot / 64, &b);
	if (r == 0)
		r = dure_list_open_at(t->seg, &a, DURE_TYPE(struct token), DURE_OPEN, NULL, &from);
	if (r == 0)
		r = dure_list_open_at(t->seg, &b, DURE_TYPE(struct token), DURE_OPEN, NULL, &to);
	if (r == 0)
		r = pass(from, to);
	if (r == 0)
		r = give(t, lot / 64, &a);
	if (r >= 0)
		r = give(t, lot, &b);
	dure_list_close(from);
	dure_list_close(to);
	return r;
}

/* -EBUSY: there are loads in it */
static int renew_wagon(struct torture *t, uint64_t lot)
{
	dure_ref old, new;
	int r = take(t, lot, &old);

	if (r == 0)
		r = dure_container_destroy(t->seg, old);
	if (r == 0)
		r = new_wagon(t, &new);
	return r < 0 ? r : give(t, lot, &new);
}

static int see_wagon(const void *key, size_t key_bytes, const void *value, void *context)
{
	(void)key;
	(void)key_bytes;
	(void)value;
	return ++*(int *)context > WAGONS;
}

void torture_wagons_work(struct torture *t, uint64_t lot)
{
	int (*const works[])(struct torture *, uint64_t) = { move_wagon, move_load, renew_wagon };
	int r, count = 0;
	dure_tx *tx;

	if (lot % 16 == 0) {
		r = dure_map_snapshot(t->yard, see_wagon, &count);
		EXPECT(r == 0 || r == -EDEADLK);
		return;
	}
	EXPECT(dure_tx_begin(t->seg, &tx) == 0);
	r = works[lot / 16 % 3](t, lot / 64);
	EXPECT(is_fine(r));
	EXPECT((r < 0 ? dure_tx_abort(tx) : dure_tx_commit(tx)) == 0);
}

/* -- judging ------------------------------------------------------------------------------- */

struct count {
	struct torture *t;
	uint64_t wagons, loads;
	bool is_seen[LOADS], is_wrong;
};

static int count_load(void *at, const void *element, void *context)
{
	struct count *c = context;
	const struct token *l = element;

	(void)at;
	c->is_wrong |= !is_token(l, LOADS) || c->is_seen[l->number];
	if (!c->is_wrong)
		c->is_seen[l->number] = true;
	c->loads++;
	return c->is_wrong;
}

static void count_loads(struct count *c, dure_list *wagon)
{
	EXPECT(dure_list_visit(wagon, 0, count_load, c) >= 0);
	dure_list_close(wagon);
	c->wagons++;
}

static int count_wagon(const void *key, size_t key_bytes, const void *value, void *context)
{
	struct count *c = context;
	dure_list *wagon;
	dure_ref at;

	(void)key;
	(void)key_bytes;
	memcpy(&at, value, sizeof at);
	EXPECT(dure_list_open_at(c->t->seg, &at, DURE_TYPE(struct token), DURE_OPEN, NULL,
				 &wagon) == 0);
	count_loads(c, wagon);
	return c->is_wrong;
}

int torture_wagons_judge(struct torture *t, uint64_t *count_blocks)
{
	struct count c = { .t = t };
	uint64_t blocks;
	dure_list *wagon;
	dure_ref at;
	char name[16];

	EXPECT(dure_map_snapshot(t->yard, count_wagon, &c) >= 0);
	EXPECT(dure_ordered_visit(t->rail, NULL, count_wagon, &c) >= 0);
	for (uint64_t i = 0; !c.is_wrong && i < dure_vector_count(t->siding); i++) {
		EXPECT(dure_vector_get(t->siding, i, &at) == 0);
		count_wagon(NULL, 0, &at, &c);
	}
	for (uint64_t i = 0; i < PLATES; i++)
		if (dure_list_open(t->seg, plate(i, name), DURE_TYPE(struct token), DURE_OPEN, NULL,
				   &wagon) == 0)
			count_loads(&c, wagon);
	if (c.is_wrong || c.loads != LOADS)
		return torture_wrong("loads in wagons", c.loads, LOADS);
	if (c.wagons != WAGONS)
		return torture_wrong("wagons", c.wagons, WAGONS);
	blocks = torture_live_blocks(t);
	destroy_all(t);
	*count_blocks += blocks - torture_live_blocks(t) - t->wagons_blocks;
	make(t);
	load(t);
	return 0;
}

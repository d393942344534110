/* SPDX-License-Identifier: MIT */
/*
 * guests.c - what the tortured do to multimaps, sets, and maps that are built and cleared at once
 *
 * Guests have rooms, many in one: a multimap from rooms to guests. A set has each room with each of
 * its guests, and both change in one transaction. Whoever moves a guest takes the one who has been in
 * the room for longest. Beside them a list of numbers is built in one step, and cleared again.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "torture.h"

enum { GUESTS = 120, ROOMS = 7, LOBBY = ROOMS, NUMBERS = 400 };

struct stay {
	uint32_t room, guest;
};

/* one name, in two spellings */
static size_t room_name(uint64_t room, char name[16], int is_loud)
{
	return (size_t)snprintf(name, 16, is_loud ? "ROOM-%d" : "room-%d", (int)room);
}

static int put_guest(struct torture *t, uint64_t room, uint64_t guest)
{
	struct stay stay = { (uint32_t)room, (uint32_t)guest };
	char name[16];
	int r = dure_ordered_put(t->guests, name, room_name(room, name, guest % 2), &guest);

	return r < 0 ? r : dure_map_put(t->stays, &stay, sizeof stay, NULL);
}

static void make(struct torture *t)
{
	struct dure_ordered_options multi = { .sz = sizeof multi, .flags = DURE_ORDERED_MULTI,
					      .ordering = "nocase" };
	struct dure_ordered_options set = { .sz = sizeof set, .flags = DURE_ORDERED_INTEGER,
					    .value_bytes = DURE_ORDERED_NO_VALUE };
	struct dure_map_options stays = { .sz = sizeof stays, .value_bytes = DURE_MAP_NO_VALUE,
					  .partitions = 4 };

	EXPECT(dure_ordered_open(t->seg, "guests", DURE_CREATE, &multi, &t->guests) >= 0);
	EXPECT(dure_ordered_open(t->seg, "numbers", DURE_CREATE, &set, &t->numbers) >= 0);
	EXPECT(dure_map_open(t->seg, "stays", DURE_CREATE, &stays, &t->stays) >= 0);
	for (uint64_t guest = 0; guest < GUESTS; guest++)
		EXPECT(put_guest(t, guest % ROOMS, guest) == DURE_CREATED);
}

static void close_all(struct torture *t)
{
	dure_ordered_close(t->guests);
	dure_ordered_close(t->numbers);
	dure_map_close(t->stays);
}

void torture_guests_begin(struct torture *t)
{
	uint64_t before = torture_live_blocks(t);

	make(t);
	t->guests_blocks = torture_live_blocks(t) - before;
}

void torture_guests_end(struct torture *t)
{
	close_all(t);
}

/* -- working ------------------------------------------------------------------------------- */

static int is_fine(int r)
{
	return r >= 0 || r == -EDEADLK || r == -ENOSPC;
}

/* Who has been there for longest. -ENOENT: nobody is there */
static int move_guest(struct torture *t, uint64_t from, uint64_t to)
{
	struct stay stay = { .room = (uint32_t)from };
	uint64_t guest = GUESTS;
	char name[16];
	size_t bytes = room_name(LOBBY, name, 0);
	/* the first change locks the guests: then what is read stays */
	int r = dure_ordered_put(t->guests, name, bytes, &guest);

	if (r >= 0)
		r = dure_ordered_remove_all(t->guests, name, bytes, NULL);
	bytes = room_name(from, name, 1);
	if (r >= 0)
		r = dure_ordered_get(t->guests, name, bytes, &guest);
	if (r >= 0)
		r = dure_ordered_remove(t->guests, name, bytes);
	stay.guest = (uint32_t)guest;
	if (r >= 0)
		r = dure_map_remove(t->stays, &stay, sizeof stay);
	EXPECT(r != -ENOENT || guest == GUESTS);
	return r < 0 ? r : put_guest(t, to, guest);
}

static void move(struct torture *t, uint64_t lot)
{
	dure_tx *tx;
	int r;

	EXPECT(dure_tx_begin(t->seg, &tx) == 0);
	r = move_guest(t, lot % ROOMS, lot / ROOMS % ROOMS);
	EXPECT(r == -ENOENT || is_fine(r));
	EXPECT((r < 0 || lot / 64 % 16 == 3 ? dure_tx_abort(tx) : dure_tx_commit(tx)) == 0);
}

struct sight {
	uint64_t room;
	uint8_t seen[GUESTS];
	int is_wrong;
};

static int see_guest(const void *key, size_t key_bytes, const void *value, void *context)
{
	struct sight *s = context;
	char name[16];
	uint64_t guest;

	memcpy(&guest, value, sizeof guest);
	if (guest >= GUESTS || s->seen[guest]++ || key_bytes != room_name(s->room, name, guest % 2) ||
	    memcmp(key, name, key_bytes) != 0)
		return s->is_wrong = 1;
	return 0;
}

/* A guest may move meanwhile, and come back to be seen again: that is one who is seen twice. */
static int look_into(struct torture *t, uint64_t room, struct sight *sight)
{
	char name[16];
	size_t bytes = room_name(room, name, 0);
	struct dure_range range = { .sz = sizeof range, .low = name, .low_bytes = bytes,
				    .high = name, .high_bytes = bytes,
				    .flags = DURE_RANGE_WITH_HIGH };

	sight->room = room;
	return dure_ordered_visit(t->guests, &range, see_guest, sight);
}

static int next_number(const void **key, size_t *key_bytes, const void **value, void *context)
{
	uint64_t *number = context;

	*value = NULL;
	*key = number;
	*key_bytes = sizeof *number;
	return ++*number < NUMBERS;
}

static int see_number(const void *key, size_t key_bytes, const void *value, void *context)
{
	uint64_t *next = context, number;

	(void)value;
	if (key_bytes != sizeof number)
		return 1;
	memcpy(&number, key, sizeof number);
	if (*next && number != *next)
		return 1;
	*next = number + 1;
	return 0;
}

void torture_guests_work(struct torture *t, uint64_t lot)
{
	struct sight sight = { 0 };
	uint64_t number = 0;
	int r;

	switch (lot % 8) {
	case 0:
		r = dure_ordered_build(t->numbers, next_number, &number);
		EXPECT(r == -EEXIST || is_fine(r));
		break;
	case 1:
		EXPECT(is_fine(dure_ordered_clear(t->numbers)));
		break;
	case 2:
		EXPECT(look_into(t, lot / 8 % ROOMS, &sight) >= 0);
		break;
	default:
		move(t, lot / 8);
	}
}

/* -- judging ------------------------------------------------------------------------------- */

static int see_stay(const void *key, size_t key_bytes, const void *value, void *context)
{
	uint8_t *rooms = context;
	struct stay stay;

	(void)value;
	if (key_bytes != sizeof stay)
		return 1;
	memcpy(&stay, key, sizeof stay);
	if (stay.guest >= GUESTS || stay.room >= ROOMS || rooms[stay.guest])
		return 1;
	rooms[stay.guest] = (uint8_t)(stay.room + 1);
	return 0;
}

int torture_guests_judge(struct torture *t, uint64_t *count)
{
	struct sight sight = { 0 };
	uint8_t rooms[GUESTS] = { 0 };
	uint64_t next = 0, guests = 0, blocks;

	if (dure_map_each(t->stays, see_stay, rooms) != 0)
		return torture_wrong("stays", dure_map_count(t->stays), GUESTS);
	for (uint64_t room = 0; room < ROOMS; room++) {
		uint8_t before[GUESTS];
		memcpy(before, sight.seen, sizeof before);
		if (look_into(t, room, &sight) != 0 || sight.is_wrong)
			return torture_wrong("a guest in the wrong room", room, room);
		for (unsigned i = 0; i < GUESTS; i++)
			if (sight.seen[i] != before[i] && ++guests && rooms[i] != room + 1)
				return torture_wrong("a guest's room in the set", rooms[i], room + 1);
	}
	if (guests != GUESTS || dure_ordered_count(t->guests) != GUESTS ||
	    dure_map_count(t->stays) != GUESTS)
		return torture_wrong("guests", guests, GUESTS);
	if (dure_ordered_visit(t->numbers, NULL, see_number, &next) != 0 ||
	    (next != 0 && next != NUMBERS))
		return torture_wrong("the last number", next, NUMBERS);
	blocks = torture_live_blocks(t);
	close_all(t);
	EXPECT(dure_ordered_destroy(t->seg, "guests") == 0);
	EXPECT(dure_ordered_destroy(t->seg, "numbers") == 0);
	EXPECT(dure_map_destroy(t->seg, "stays") == 0);
	*count += blocks - torture_live_blocks(t) - t->guests_blocks;
	make(t);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * work.c - what a worker does until it is killed
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "torture.h"

struct worker {
	struct torture *t;
	uint64_t dice;
};

static uint64_t dice(struct worker *w, uint64_t sides)
{
	w->dice ^= w->dice << 13;
	w->dice ^= w->dice >> 7;
	w->dice ^= w->dice << 17;
	return w->dice % sides;
}

/* Full is fine: everything is bounded, but trimming and growing are at work too. */
static bool is_full(int r)
{
	return r == -ENOSPC;
}

/* -- money ------------------------------------------------------------------------------- */

static void move_money(struct worker *w)
{
	struct account *from = &w->t->root->accounts[dice(w, ACCOUNTS)];
	struct account *to = &w->t->root->accounts[dice(w, ACCOUNTS)];
	uint64_t amount = dice(w, 20), a, b;
	dure_tx *tx;
	int r;

	EXPECT(dure_tx_begin(w->t->seg, &tx) == 0);
	r = dure_tx_lock(tx, &from->lock, DURE_FOREVER);
	if (r == 0)
		r = dure_tx_lock(tx, &to->lock, DURE_FOREVER);
	EXPECT(r == 0 || r == -EDEADLK);
	if (r == 0 && from != to && from->balance >= amount) {
		a = from->balance - amount;
		b = to->balance + amount;
		EXPECT(dure_tx_write(tx, &from->balance, &a, sizeof a) == 0);
		EXPECT(dure_tx_write(tx, &to->balance, &b, sizeof b) == 0);
		if (dice(w, 8) == 0) {
			EXPECT(dure_tx_abort(tx) == 0);
			return;
		}
	}
	EXPECT((r == 0 ? dure_tx_commit(tx) : dure_tx_abort(tx)) == 0);
}

/* -- a map whose values always sum to nothing -------------------------------------------- */

static void shift_in_map(struct worker *w)
{
	uint64_t x = dice(w, MAP_KEYS), y = dice(w, MAP_KEYS);
	int64_t amount = (int64_t)dice(w, 100);
	dure_tx *tx;
	int r;

	EXPECT(dure_tx_begin(w->t->seg, &tx) == 0);
	r = dure_map_add(w->t->map, &x, sizeof x, amount, NULL);
	if (r >= 0)
		r = dure_map_add(w->t->map, &y, sizeof y, -amount, NULL);
	EXPECT(r >= 0 || r == -EDEADLK || is_full(r));
	EXPECT((r >= 0 ? dure_tx_commit(tx) : dure_tx_abort(tx)) == 0);
}

/* Merges a key into another: removing and putting in one transaction. */
static void merge_in_map(struct worker *w)
{
	uint64_t x = dice(w, MAP_KEYS), y = dice(w, MAP_KEYS);
	int64_t value;
	dure_tx *tx;
	int r;

	if (x == y)
		return;
	EXPECT(dure_tx_begin(w->t->seg, &tx) == 0);
	/* adding nothing locks the key's part, so that the value read stays */
	r = dure_map_add(w->t->map, &x, sizeof x, 0, &value);
	if (r >= 0)
		r = dure_map_remove(w->t->map, &x, sizeof x);
	if (r >= 0)
		r = dure_map_add(w->t->map, &y, sizeof y, value, NULL);
	EXPECT(r >= 0 || r == -EDEADLK || is_full(r));
	EXPECT((r >= 0 ? dure_tx_commit(tx) : dure_tx_abort(tx)) == 0);
}

static void read_map(struct worker *w)
{
	uint64_t key = dice(w, MAP_KEYS), value;
	int r = dure_map_get(w->t->map, &key, sizeof key, &value);

	EXPECT(r == 0 || r == -ENOENT);
}

/* -- lists of blocks --------------------------------------------------------------------- */

static size_t node_bytes(struct worker *w)
{
	switch (dice(w, 20)) {
	case 0:
		return 40000 + dice(w, 100000);
	case 1:
	case 2:
		return 3000 + dice(w, 5000);
	default:
		return 8 + dice(w, 600);
	}
}

static void fill(struct node *node, uint64_t bytes, uint64_t filling)
{
	node->bytes = bytes;
	node->filling = filling;
	memset(node + 1, (int)(filling & 0xff), bytes);
}

static void lock_list(struct worker *w, struct list *list)
{
	int r = dure_mutex_lock(w->t->seg, &list->lock, DURE_FOREVER);

	EXPECT(r == 0 || r == DURE_OWNER_DIED);
	if (r == 0)
		return;
	/* length and links may differ after a death outside a transaction: count anew */
	uint64_t length = 0;
	for (dure_ref at = list->first; at.offset; length++) {
		struct node *node = dure_ref_get(w->t->seg, at, sizeof *node);
		EXPECT(node != NULL);
		at = node->next;
	}
	list->length = length;
	EXPECT(dure_mutex_mark_consistent(w->t->seg, &list->lock) == 0);
}

static void unlock_list(struct worker *w, struct list *list)
{
	EXPECT(dure_mutex_unlock(w->t->seg, &list->lock) == 0);
}

/* Links a block at the front: its `next` is written while it is still private. */
static void push(struct worker *w)
{
	struct list *list = &w->t->root->lists[dice(w, LISTS)];
	uint64_t bytes = node_bytes(w);
	struct node *node;
	int r = dure_block_reserve(w->t->seg, sizeof *node + bytes, 0, (void **)&node);

	if (is_full(r))
		return;
	EXPECT(r == 0);
	fill(node, bytes, dice(w, 1u << 20));
	lock_list(w, list);
	node->next = list->first;
	if (list->length > 40) {
		EXPECT(dure_block_cancel(w->t->seg, node) == 0);
	} else {
		EXPECT(dure_block_publish(w->t->seg, node, &list->first) == 0);
		list->length++;
	}
	unlock_list(w, list);
}

/* In a transaction: the second leads the list, the first is freed. */
static void pop(struct worker *w)
{
	struct list *list = &w->t->root->lists[dice(w, LISTS)];
	struct node *node;
	dure_tx *tx;

	lock_list(w, list);
	node = dure_ref_get(w->t->seg, list->first, sizeof *node);
	if (node) {
		dure_ref next = node->next;
		uint64_t length = list->length - 1;
		int r = dure_tx_begin(w->t->seg, &tx);
		EXPECT(r == 0);
		EXPECT(dure_tx_write(tx, &list->first, &next, sizeof next) == 0);
		EXPECT(dure_tx_write(tx, &list->length, &length, sizeof length) == 0);
		EXPECT(dure_tx_free(tx, node) == 0);
		EXPECT((dice(w, 8) ? dure_tx_commit(tx) : dure_tx_abort(tx)) == 0);
	}
	unlock_list(w, list);
}

/* The first block is replaced by a copy. */
static void copy_first(struct worker *w)
{
	struct list *list = &w->t->root->lists[dice(w, LISTS)];
	struct node *node, *copy;

	lock_list(w, list);
	node = dure_ref_get(w->t->seg, list->first, sizeof *node);
	if (node) {
		int r = dure_block_reserve(w->t->seg, sizeof *node + node->bytes, 0, (void **)&copy);
		if (r == 0) {
			memcpy(copy, node, sizeof *node + node->bytes);
			EXPECT(dure_block_replace(w->t->seg, copy, &list->first) == 0);
		}
		EXPECT(r == 0 || is_full(r));
	}
	unlock_list(w, list);
}

static void resize_first(struct worker *w)
{
	struct list *list = &w->t->root->lists[dice(w, LISTS)];
	struct node *node;

	lock_list(w, list);
	node = dure_ref_get(w->t->seg, list->first, sizeof *node);
	if (node) {
		uint64_t bytes = sizeof *node + node->bytes + dice(w, 30000);
		int r = dure_block_resize(w->t->seg, node, bytes, NULL);
		EXPECT(r == 0 || is_full(r));
	}
	unlock_list(w, list);
}

/* -- objects ----------------------------------------------------------------------------- */

static int init_thing(dure_tx *tx, void *object, uint64_t count, void *context)
{
	uint64_t *numbers = object;
	void *part;
	int r = dure_tx_alloc(tx, 100, 0, &part);

	(void)context;
	if (r < 0)
		return r;
	numbers[0] = dure_ref_of(dure_tx_segment(tx), part).offset;
	for (uint64_t i = 1; i < count; i++)
		numbers[i] = count;
	return 0;
}

static int fini_thing(dure_tx *tx, void *object, uint64_t count, void *context)
{
	dure_ref part = { ((uint64_t *)object)[0] };

	(void)context;
	for (uint64_t i = 1; i < count; i++)
		if (((uint64_t *)object)[i] != count)
			return -EUCLEAN;
	return dure_tx_free(tx, dure_ref_get(dure_tx_segment(tx), part, 100));
}

static void make_or_destroy(struct worker *w)
{
	char name[16];
	void *object;
	int r;

	snprintf(name, sizeof name, "thing-%d", (int)dice(w, NAMES));
	if (dice(w, 2)) {
		r = dure_object_find_or_create(w->t->seg, name, DURE_TYPE(uint64_t), 1 + dice(w, 50),
					       init_thing, NULL, &object);
		EXPECT(r >= 0 || is_full(r));
	} else {
		r = dure_object_destroy(w->t->seg, name, DURE_TYPE(uint64_t), fini_thing, NULL);
		EXPECT(r == 0 || r == -ENOENT);
	}
}

static void make_pair(struct worker *w)
{
	uint64_t i = dice(w, NAMES / 2);
	char first[24], second[24];
	void *object;
	dure_tx *tx;
	int r;

	/* always both or none, in the same order */
	snprintf(first, sizeof first, "pair-%d-a", (int)i);
	snprintf(second, sizeof second, "pair-%d-b", (int)i);
	EXPECT(dure_tx_begin(w->t->seg, &tx) == 0);
	if (dice(w, 2)) {
		r = dure_object_construct(w->t->seg, first, DURE_TYPE(uint64_t), 3, init_thing, NULL,
					  &object);
		if (r >= 0)
			r = dure_object_construct(w->t->seg, second, DURE_TYPE(uint64_t), 3, init_thing,
						  NULL, &object);
	} else {
		r = dure_object_destroy(w->t->seg, first, DURE_TYPE(uint64_t), fini_thing, NULL);
		if (r >= 0)
			r = dure_object_destroy(w->t->seg, second, DURE_TYPE(uint64_t), fini_thing, NULL);
	}
	EXPECT(r >= 0 || r == -EEXIST || r == -ENOENT || r == -EDEADLK || is_full(r));
	EXPECT((r >= 0 ? dure_tx_commit(tx) : dure_tx_abort(tx)) == 0);
}

/* -- locks and the rest ------------------------------------------------------------------ */

static void count_up(struct worker *w)
{
	struct counter *c = &w->t->root->counters[dice(w, COUNTERS)];
	int r = dure_mutex_lock(w->t->seg, &c->lock, dice(w, 3) ? DURE_FOREVER : DURE_MS(1));

	if (r == -ETIMEDOUT)
		return;
	EXPECT(r == 0 || r == DURE_OWNER_DIED);
	if (r == DURE_OWNER_DIED) {
		EXPECT(c->a == c->b || c->a == c->b + 1);
		c->b = c->a;
		EXPECT(dure_mutex_mark_consistent(w->t->seg, &c->lock) == 0);
	}
	EXPECT(c->a == c->b);
	__atomic_store_n(&c->a, c->a + 1, __ATOMIC_RELEASE);
	__atomic_store_n(&c->b, c->b + 1, __ATOMIC_RELEASE);
	EXPECT(dure_mutex_unlock(w->t->seg, &c->lock) == 0);
}

/* -- many readers, one writer -------------------------------------------------------------- */

static int64_t some_time(struct worker *w)
{
	static const int64_t times[] = { DURE_FOREVER, DURE_FOREVER, DURE_FOREVER, DURE_MS(1), 50000, 0 };

	return times[dice(w, sizeof times / sizeof *times)];
}

static bool is_no_luck(int r)
{
	return r == -EAGAIN || r == -ETIMEDOUT;
}

static void close_book(struct worker *w, struct book *book)
{
	EXPECT(dure_rwlock_unlock(w->t->seg, &book->lock) == 0);
}

/* Had exclusively: what a dead writer left is mended, then one more. */
static void write_in(struct worker *w, struct book *book, int r)
{
	EXPECT(book->a == book->b || (r == DURE_OWNER_DIED && book->a == book->b + 1));
	if (r == DURE_OWNER_DIED) {
		book->b = book->a;
		EXPECT(dure_rwlock_mark_consistent(w->t->seg, &book->lock) == 0);
	}
	__atomic_store_n(&book->a, book->a + 1, __ATOMIC_RELEASE);
	__atomic_store_n(&book->b, book->b + 1, __ATOMIC_RELEASE);
}

/* As long as it is had in any mode nobody writes. */
static void read_in(struct worker *w, const struct book *book, int r)
{
	uint64_t a = __atomic_load_n(&book->a, __ATOMIC_ACQUIRE);
	uint64_t b = __atomic_load_n(&book->b, __ATOMIC_ACQUIRE);

	EXPECT(a == b || (r == DURE_OWNER_DIED && a == b + 1));
	for (uint64_t i = dice(w, 3); i; i--)
		read_map(w);
	EXPECT(a == __atomic_load_n(&book->a, __ATOMIC_ACQUIRE));
	EXPECT(b == __atomic_load_n(&book->b, __ATOMIC_ACQUIRE));
}

static void read_book(struct worker *w)
{
	struct book *book = &w->t->root->books[dice(w, BOOKS)];
	int r = dure_rwlock_lock(w->t->seg, &book->lock, DURE_SHARED, some_time(w)), again = -EAGAIN;

	EXPECT(r >= 0 || is_no_luck(r));
	if (r < 0)
		return;
	if (dice(w, 4) == 0) {
		again = dure_rwlock_lock(w->t->seg, &book->lock, DURE_SHARED, DURE_FOREVER);
		EXPECT(again >= 0);
	}
	read_in(w, book, r);
	if (again >= 0) {
		close_book(w, book);
	} else if (dice(w, 4) == 0) {
		again = dure_rwlock_change(w->t->seg, &book->lock, DURE_EXCLUSIVE, some_time(w));
		EXPECT(again >= 0 || is_no_luck(again));
		if (again >= 0)
			write_in(w, book, again);
	}
	close_book(w, book);
}

static void write_book(struct worker *w)
{
	struct book *book = &w->t->root->books[dice(w, BOOKS)];
	int r = dure_rwlock_lock(w->t->seg, &book->lock, DURE_EXCLUSIVE, some_time(w));

	EXPECT(r >= 0 || is_no_luck(r));
	if (r < 0)
		return;
	write_in(w, book, r);
	if (dice(w, 2)) {
		EXPECT(dure_rwlock_change(w->t->seg, &book->lock, dice(w, 2) ? DURE_SHARED
									    : DURE_UPGRADABLE, 0) == 0);
		read_in(w, book, 0);
	}
	close_book(w, book);
}

static void upgrade_book(struct worker *w)
{
	struct book *book = &w->t->root->books[dice(w, BOOKS)];
	int r = dure_rwlock_lock(w->t->seg, &book->lock, DURE_UPGRADABLE, some_time(w));

	EXPECT(r >= 0 || is_no_luck(r));
	if (r < 0)
		return;
	read_in(w, book, r);
	r = dure_rwlock_change(w->t->seg, &book->lock, DURE_EXCLUSIVE, some_time(w));
	EXPECT(r >= 0 || is_no_luck(r));
	if (r >= 0)
		write_in(w, book, r);
	close_book(w, book);
}

/* Only one unit is waited for without a bound: who wants few may overtake who wants many. */
static void use_pool(struct worker *w)
{
	dure_semaphore *pool = &w->t->root->pools[dice(w, POOLS)];
	uint32_t units = 1 + (uint32_t)dice(w, POOL_UNITS);
	int r = dure_semaphore_take(w->t->seg, pool, units, 0, units == 1 ? some_time(w) : DURE_MS(2));

	EXPECT(r == 0 || is_no_luck(r));
	if (r < 0)
		return;
	if (dice(w, 2))
		read_book(w);
	if (dice(w, 4) == 0 && dure_semaphore_take(w->t->seg, pool, 1, 0, 0) == 0)
		units++;
	if (units > 1 && dice(w, 2)) {
		EXPECT(dure_semaphore_post(w->t->seg, pool, 1) == 0);
		units--;
	}
	EXPECT(dure_semaphore_post(w->t->seg, pool, units) == 0);
}

static int use_trays(struct worker *w, uint32_t a, int32_t change_a, uint32_t b, int32_t change_b,
		     uint32_t flags, int64_t timeout_ns)
{
	const struct dure_semset_operation both[] = { { a, change_a, flags }, { b, change_b, flags } };

	return dure_semset_operate(w->t->seg, (dure_semset *)(void *)w->t->root->trays, both,
				   change_b ? 2 : 1, timeout_ns);
}

/* Tokens go from tray to tray for good, or are had for a while. */
static void move_tokens(struct worker *w)
{
	uint32_t from = (uint32_t)dice(w, TRAYS), to = (uint32_t)dice(w, TRAYS);
	int r = use_trays(w, from, -1, to, 1, 0, DURE_MS(2));

	EXPECT(r == 0 || is_no_luck(r));
	r = use_trays(w, from, -1, to, -1, DURE_SEMSET_UNDO, DURE_MS(2));
	EXPECT(r == 0 || is_no_luck(r));
	if (r == 0)
		EXPECT(use_trays(w, to, 1, from, 1, DURE_SEMSET_UNDO, 0) == 0);
}

/* There is one, which all want. */
static void have_the_one(struct worker *w)
{
	int r = use_trays(w, TRAYS, -1, 0, 0, DURE_SEMSET_UNDO, some_time(w));

	EXPECT(r == 0 || is_no_luck(r));
	if (r == 0)
		EXPECT(use_trays(w, TRAYS, 1, 0, 0, DURE_SEMSET_UNDO, 0) == 0);
}

/* Blocks that are never linked: they must vanish with us, or before. */
static void hoard(struct worker *w)
{
	void *blocks[32];
	unsigned n = 1 + (unsigned)dice(w, 32), got = 0;

	while (got < n && dure_block_reserve(w->t->seg, node_bytes(w), 0, &blocks[got]) == 0)
		got++;
	while (got-- > 0)
		EXPECT(dure_block_cancel(w->t->seg, blocks[got]) == 0);
}

static void *one_operation_of_a_thread(void *context)
{
	struct worker w = *(struct worker *)context;

	move_money(&w);
	push(&w);
	pop(&w);
	return NULL;
}

static void with_a_thread(struct worker *w)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, one_operation_of_a_thread, w) == 0)
		pthread_join(thread, NULL);
}

static void rare(struct worker *w)
{
	dure_segment *again;
	int r;

	switch (dice(w, 6)) {
	case 0:
		r = dure_segment_trim(w->t->seg, NULL);
		EXPECT(r == 0);
		break;
	case 1:
		EXPECT(dure_segment_grow(w->t->seg, (48 + dice(w, 16)) << 20) == 0);
		break;
	case 2:
		EXPECT(dure_segment_recover(w->t->seg) >= 0);
		break;
	case 3:
		EXPECT(dure_thread_detach(w->t->seg) == 0);
		break;
	case 4:
		r = dure_segment_open(TORTURE_SEGMENT, DURE_OPEN, NULL, &again);
		EXPECT(r == 0);
		EXPECT(dure_segment_close(again) == 0);
		break;
	default:
		with_a_thread(w);
	}
}

static void containers(struct worker *w)
{
	torture_containers_work(w->t, dice(w, UINT64_MAX));
}

static void marbles(struct worker *w)
{
	torture_marbles_work(w->t, dice(w, UINT64_MAX));
}

static void guests(struct worker *w)
{
	torture_guests_work(w->t, dice(w, UINT64_MAX));
}

static void wagons(struct worker *w)
{
	torture_wagons_work(w->t, dice(w, UINT64_MAX));
}

static void (*const common[])(struct worker *w) = {
	move_money, move_money, shift_in_map, shift_in_map, merge_in_map, read_map, push, push, pop,
	pop, copy_first, resize_first, make_or_destroy, make_pair, count_up, count_up, hoard,
	containers, containers, containers, containers, guests, guests, wagons, wagons,
	marbles, marbles, marbles, marbles,
	read_book, read_book, read_book, write_book, upgrade_book, use_pool, use_pool, use_pool,
	move_tokens, move_tokens, have_the_one,
};

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void torture_work(struct torture *t, unsigned place, uint64_t seed)
{
	struct worker w = { .t = t, .dice = seed | 1 };
	struct root *root = t->root;

	EXPECT(dure_segment_reattach(t->seg) == 0);
	for (;;) {
		int64_t start = now_ns();
		if (dice(&w, 200) == 0)
			rare(&w);
		else
			common[dice(&w, sizeof common / sizeof *common)](&w);
		uint64_t took = (uint64_t)(now_ns() - start);
		__atomic_fetch_add(&root->done[place], 1, __ATOMIC_RELAXED);
		if (took > root->longest_ns[place])
			__atomic_store_n(&root->longest_ns[place], took, __ATOMIC_RELAXED);
	}
}

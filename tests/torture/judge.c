/* SPDX-License-Identifier: MIT */
/*
 * judge.c - the segment before and after: made, and looked at when all are dead
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "torture.h"

static void must(int r, const char *what)
{
	if (r >= 0)
		return;
	fprintf(stderr, "torture: %s: %s\n", what, dure_last_error());
	exit(99);
}

uint64_t torture_live_blocks(const struct torture *t)
{
	struct dure_check sums = { .sz = sizeof sums };

	must(dure_segment_check(t->seg, &sums, NULL, NULL), "check");
	return sums.live_blocks;
}

/* Tables come with the first keys of their part, and stay: make them all now. */
static void warm_up(struct torture *t)
{
	char name[32];
	void *object;

	for (int i = 0; i < 2000; i++) {
		snprintf(name, sizeof name, "warm-%d", i);
		must(dure_object_construct(t->seg, name, DURE_TYPE(int), 1, NULL, NULL, &object), name);
	}
	for (int i = 0; i < 2000; i++) {
		snprintf(name, sizeof name, "warm-%d", i);
		must(dure_object_destroy(t->seg, name, DURE_TYPE(int), NULL, NULL), name);
		must(dure_map_add(t->map, &i, sizeof i, 0, NULL), "map");
		must(dure_map_remove(t->map, &i, sizeof i), "map");
	}
}

void torture_begin(struct torture *t)
{
	struct dure_segment_options o = { .sz = sizeof o, .size_bytes = 48 << 20,
					  .max_bytes = 256 << 20 };
	struct dure_map_options m = { .sz = sizeof m, .partitions = 8 };
	const uint32_t tokens[TRAYS + 1] = { TRAY_TOKENS, TRAY_TOKENS, TRAY_TOKENS, 1 };
	struct dure_semset_options trays = { .sz = sizeof trays, .semaphores = TRAYS + 1,
					     .processes = PLACES, .values = tokens };

	dure_segment_remove(TORTURE_SEGMENT, DURE_REMOVE_FORCE, NULL);
	must(dure_segment_open(TORTURE_SEGMENT, DURE_CREATE, &o, &t->seg), "creating the segment");
	must(dure_object_construct(t->seg, "root", DURE_TYPE(struct root), 1, NULL, NULL,
				   (void **)&t->root), "root");
	must(dure_map_open(t->seg, "map", DURE_CREATE, &m, &t->map), "map");
	for (int i = 0; i < ACCOUNTS; i++)
		t->root->accounts[i].balance = ACCOUNT_START;
	for (int i = 0; i < POOLS; i++)
		must(dure_semaphore_init(t->seg, &t->root->pools[i], POOL_UNITS), "pool");
	must(dure_semset_init(t->seg, (dure_semset *)(void *)t->root->trays, &trays), "trays");
	warm_up(t);
	torture_containers_begin(t);
	torture_marbles_begin(t);
	torture_guests_begin(t);
	torture_wagons_begin(t);
	must(dure_thread_detach(t->seg), "detach");
	t->empty_blocks = torture_live_blocks(t);
}

void torture_end(struct torture *t)
{
	dure_map_close(t->map);
	torture_containers_end(t);
	torture_marbles_end(t);
	torture_guests_end(t);
	torture_wagons_end(t);
	must(dure_segment_close(t->seg), "close");
	dure_segment_remove(TORTURE_SEGMENT, DURE_REMOVE_FORCE, NULL);
}

uint64_t torture_progress(const struct torture *t)
{
	uint64_t sum = 0;

	for (int i = 0; i < PLACES; i++)
		sum += __atomic_load_n(&t->root->done[i], __ATOMIC_RELAXED);
	return sum;
}

uint64_t torture_longest_ns(const struct torture *t)
{
	uint64_t longest = 0;

	for (int i = 0; i < PLACES; i++)
		if (t->root->longest_ns[i] > longest)
			longest = t->root->longest_ns[i];
	return longest;
}

int torture_wrong(const char *what, uint64_t is, uint64_t should_be)
{
	fprintf(stderr, "torture: %s: %" PRIu64 ", should be %" PRIu64 "\n", what, is, should_be);
	return -1;
}

static int judge_money(const struct torture *t)
{
	uint64_t sum = 0;

	for (int i = 0; i < ACCOUNTS; i++)
		sum += t->root->accounts[i].balance;
	return sum == ACCOUNTS * ACCOUNT_START
		       ? 0
		       : torture_wrong("the money", sum, (uint64_t)ACCOUNTS * ACCOUNT_START);
}

static int judge_node(const struct torture *t, const struct node *node)
{
	const unsigned char *bytes = (const unsigned char *)(node + 1);
	size_t size;

	if (dure_block_size(t->seg, node, &size) < 0 || size < sizeof *node + node->bytes)
		return torture_wrong("a block's size", size, sizeof *node + node->bytes);
	for (uint64_t i = 0; i < node->bytes; i++)
		if (bytes[i] != (node->filling & 0xff))
			return torture_wrong("a byte of a block", bytes[i], node->filling & 0xff);
	return 0;
}

/* Adds the blocks of all lists to *count. */
static int judge_lists(const struct torture *t, uint64_t *count)
{
	for (int i = 0; i < LISTS; i++) {
		uint64_t length = 0;
		for (dure_ref at = t->root->lists[i].first; at.offset;) {
			const struct node *node = dure_ref_get(t->seg, at, sizeof *node);
			if (!node || judge_node(t, node) < 0)
				return -1;
			if (++length > 1000)
				return torture_wrong("a list's length", length, 41);
			at = node->next;
		}
		*count += length;
	}
	return 0;
}

struct objects {
	uint64_t blocks;
	int pairs[NAMES / 2];
	int is_wrong;
};

static int add_object(const struct dure_object_info *info, void *context)
{
	struct objects *o = context;
	unsigned pair;
	char letter;

	if (sscanf(info->name, "pair-%u-%c", &pair, &letter) == 2 && pair < NAMES / 2)
		o->pairs[pair] += letter == 'a' ? 1 : 100;
	else if (strncmp(info->name, "thing-", 6) != 0)
		return 0;		/* one of the fixed ones */
	o->blocks += 2;			/* the object, and the part it owns */
	return 0;
}

static int judge_objects(const struct torture *t, uint64_t *count)
{
	struct objects o = { 0 };

	if (dure_object_list(t->seg, add_object, &o) != 0)
		return torture_wrong("the list of objects", 1, 0);
	for (int i = 0; i < NAMES / 2; i++)
		if (o.pairs[i] != 0 && o.pairs[i] != 101)
			return torture_wrong("a pair of objects", (uint64_t)o.pairs[i], 101);
	*count += o.blocks;
	return 0;
}

static int add_value(const void *key, size_t key_bytes, const void *value, void *context)
{
	int64_t v;

	(void)key;
	(void)key_bytes;
	memcpy(&v, value, sizeof v);
	*(int64_t *)context += v;
	return 0;
}

static int judge_map(const struct torture *t, uint64_t *count)
{
	int64_t sum = 0;

	must(dure_map_each(t->map, add_value, &sum), "map_each");
	*count += dure_map_count(t->map);
	return sum == 0 ? 0 : torture_wrong("the map's sum", (uint64_t)sum, 0);
}

/* Nobody reads, and who wrote last has changed both words or is told of. */
static int judge_book(const struct torture *t, struct book *book)
{
	int r = dure_rwlock_lock(t->seg, &book->lock, DURE_EXCLUSIVE, 0);

	if (r < 0)
		return torture_wrong("a lock of the dead", (uint64_t)-r, 0);
	if (book->a != book->b && (r != DURE_OWNER_DIED || book->a != book->b + 1))
		return torture_wrong("a book", book->a, book->b);
	book->b = book->a;
	if (r == DURE_OWNER_DIED)
		must(dure_rwlock_mark_consistent(t->seg, &book->lock), "mark_consistent");
	must(dure_rwlock_unlock(t->seg, &book->lock), "rwlock_unlock");
	return 0;
}

/* Tokens move from tray to tray; what somebody had is back. */
static int judge_trays(const struct torture *t)
{
	uint32_t values[TRAYS + 1], sum = 0;

	must(dure_semset_get_all(t->seg, (dure_semset *)(void *)t->root->trays, values, TRAYS + 1),
	     "semset_get_all");
	for (int i = 0; i < TRAYS; i++)
		sum += values[i];
	if (sum != TRAYS * TRAY_TOKENS)
		return torture_wrong("tokens in trays", sum, TRAYS * TRAY_TOKENS);
	return values[TRAYS] == 1 ? 0 : torture_wrong("the one", values[TRAYS], 1);
}

static int judge_shared_locks(const struct torture *t)
{
	struct dure_semaphore_info info = { .sz = sizeof info };

	for (int i = 0; i < BOOKS; i++)
		if (judge_book(t, &t->root->books[i]) < 0)
			return -1;
	for (int i = 0; i < POOLS; i++) {
		must(dure_semaphore_info(t->seg, &t->root->pools[i], &info), "semaphore_info");
		if (info.units != POOL_UNITS || info.taken)
			return torture_wrong("units of a pool",
					     info.units + (uint64_t)info.taken * 1000, POOL_UNITS);
	}
	if (judge_trays(t) < 0)
		return -1;
	must(dure_thread_detach(t->seg), "detach");
	return 0;
}

static void show_finding(const struct dure_finding *f, void *context)
{
	(void)context;
	fprintf(stderr, "torture: [%s] +%#" PRIx64 " %s\n", f->rule, f->offset, f->text);
}

int torture_judge(struct torture *t)
{
	struct dure_check sums = { .sz = sizeof sums };
	uint64_t expected = t->empty_blocks;

	must(dure_segment_recover(t->seg), "recover");
	must(dure_thread_detach(t->seg), "detach");
	if (dure_segment_check(t->seg, &sums, show_finding, NULL) != 0)
		return -1;
	if (judge_money(t) < 0 || judge_lists(t, &expected) < 0 || judge_objects(t, &expected) < 0 ||
	    judge_map(t, &expected) < 0 || judge_shared_locks(t) < 0 ||
	    torture_containers_judge(t, &expected) < 0 ||
	    torture_marbles_judge(t, &expected) < 0 || torture_guests_judge(t, &expected) < 0 ||
	    torture_wagons_judge(t, &expected) < 0)
		return -1;
	if (sums.live_blocks != expected)
		return torture_wrong("live blocks", sums.live_blocks, expected);
	if (sums.reserved_blocks)
		return torture_wrong("reserved blocks of the dead", sums.reserved_blocks, 0);
	return 0;
}

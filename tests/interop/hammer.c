/* SPDX-License-Identifier: MIT */
/*
 * hammer.c - one worker, or the judge, as one particular build
 *
 *	hammer make NAME		makes the segment
 *	hammer work NAME PLACE SEED	works until it is killed
 *	hammer judge NAME		looks at everything when all workers are dead
 *
 * Method   Everything the workers do keeps something constant: the sum of the accounts, the sum
 *          of the map, the tokens in containers, the two words of a pair, one block more for each list entry and two for
 *          each object. The judge counts all of it, and the library's own check must find nothing.
 *          It also does each kind of work itself: it can go on, not only look.
 *
 * Exit status: 0 all is well, 1 not so (a line on stderr says what).
 */
#include "hammer.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

static dure_segment *seg;
static struct ground *ground;
static dure_map *map;
static struct place *my_place;
static uint64_t dice_state;

/* The builds differ in this, and each says so when it fails. */
static const char build[] =
#if defined(__clang__)
	"clang"
#else
	"gcc"
#endif
#if defined(__GLIBC__)
	", glibc"
#else
	", another libc"
#endif
#if defined(__OPTIMIZE__)
	", optimised";
#else
	", not optimised";
#endif

#define EXPECT(condition)                                                                         \
	do {                                                                                      \
		if (!(condition))                                                                 \
			unexpected(#condition, __LINE__);                                         \
	} while (0)

static _Noreturn void unexpected(const char *condition, int line)
{
	fprintf(stderr, "hammer (%s, %d bit), pid %d, line %d: %s: %s\n", build,
		(int)(8 * sizeof(void *)), (int)getpid(), line, condition, dure_last_error());
	_exit(1);
}

static uint64_t dice(uint64_t sides)
{
	dice_state ^= dice_state << 13;
	dice_state ^= dice_state >> 7;
	dice_state ^= dice_state << 17;
	return dice_state % sides;
}

static void note_mended(void)
{
	if (my_place)
		__atomic_fetch_add(&my_place->mended, 1, __ATOMIC_RELAXED);
}

/* -- transactions: money between accounts, amounts between keys --------------------------- */

static void move_money(void)
{
	struct account *from = &ground->accounts[dice(ACCOUNTS)];
	struct account *to = &ground->accounts[dice(ACCOUNTS)];
	uint64_t amount = dice(20), a, b;
	dure_tx *tx;
	int r;

	EXPECT(dure_tx_begin(seg, &tx) == 0);
	r = dure_tx_lock(tx, &from->lock, DURE_FOREVER);
	if (r == 0)
		r = dure_tx_lock(tx, &to->lock, DURE_FOREVER);
	EXPECT(r == 0 || r == -EDEADLK);
	if (r == 0 && from != to && from->balance >= amount) {
		a = from->balance - amount;
		b = to->balance + amount;
		EXPECT(dure_tx_write(tx, &from->balance, &a, sizeof a) == 0);
		EXPECT(dure_tx_write(tx, &to->balance, &b, sizeof b) == 0);
	}
	EXPECT((r == 0 && dice(8) ? dure_tx_commit(tx) : dure_tx_abort(tx)) == 0);
}

static void shift_in_map(void)
{
	uint64_t x = dice(MAP_KEYS), y = dice(MAP_KEYS);
	int64_t amount = (int64_t)dice(100);
	dure_tx *tx;
	int r;

	EXPECT(dure_tx_begin(seg, &tx) == 0);
	r = dure_map_add(map, &x, sizeof x, amount, NULL);
	if (r >= 0)
		r = dure_map_add(map, &y, sizeof y, -amount, NULL);
	EXPECT(r >= 0 || r == -EDEADLK);
	EXPECT((r >= 0 ? dure_tx_commit(tx) : dure_tx_abort(tx)) == 0);
}

/* One key's amount goes to another, and the key goes away. */
static void merge_in_map(void)
{
	uint64_t x = dice(MAP_KEYS), y = dice(MAP_KEYS);
	int64_t amount;
	dure_tx *tx;
	int r;

	if (x == y)
		return;
	EXPECT(dure_tx_begin(seg, &tx) == 0);
	r = dure_map_add(map, &x, sizeof x, 0, &amount);	/* locks it, so the amount stays */
	if (r >= 0)
		r = dure_map_remove(map, &x, sizeof x);
	if (r >= 0)
		r = dure_map_add(map, &y, sizeof y, amount, NULL);
	EXPECT(r >= 0 || r == -EDEADLK);
	EXPECT((r >= 0 ? dure_tx_commit(tx) : dure_tx_abort(tx)) == 0);
}

/* -- allocation --------------------------------------------------------------------------- */

static unsigned list_length(const struct list *list)
{
	unsigned length = 0;

	for (dure_ref at = list->first; at.offset; length++) {
		const struct node *node = dure_ref_get(seg, at, sizeof *node);
		EXPECT(node && length <= LIST_LENGTH_MAX);
		at = node->next;
	}
	return length;
}

/* Each change of a list is one step: after a death there is nothing to mend. */
static void lock_list(struct list *list)
{
	int r = dure_mutex_lock(seg, &list->lock, DURE_FOREVER);

	EXPECT(r == 0 || r == DURE_OWNER_DIED);
	if (r == 0)
		return;
	note_mended();
	EXPECT(dure_mutex_mark_consistent(seg, &list->lock) == 0);
}

static void push(void)
{
	struct list *list = &ground->lists[dice(LISTS)];
	uint64_t bytes = dice(8) ? dice(600) : dice(60000);
	struct node *node;

	EXPECT(dure_block_reserve(seg, sizeof *node + bytes, 0, (void **)&node) == 0);
	node->bytes = bytes;
	node->filling = dice(256);
	memset(node + 1, (int)node->filling, bytes);
	lock_list(list);
	node->next = list->first;
	if (list_length(list) < LIST_LENGTH_MAX)
		EXPECT(dure_block_publish(seg, node, &list->first) == 0);
	else
		EXPECT(dure_block_cancel(seg, node) == 0);
	EXPECT(dure_mutex_unlock(seg, &list->lock) == 0);
}

/* The block may well be the other build's. */
static void pop(void)
{
	struct list *list = &ground->lists[dice(LISTS)];
	struct node *node;
	dure_tx *tx;

	lock_list(list);
	node = dure_ref_get(seg, list->first, sizeof *node);
	if (node) {
		dure_ref next = node->next;
		EXPECT(dure_tx_begin(seg, &tx) == 0);
		EXPECT(dure_tx_write(tx, &list->first, &next, sizeof next) == 0);
		EXPECT(dure_tx_free(tx, node) == 0);
		EXPECT((dice(8) ? dure_tx_commit(tx) : dure_tx_abort(tx)) == 0);
	}
	EXPECT(dure_mutex_unlock(seg, &list->lock) == 0);
}

/* -- objects ------------------------------------------------------------------------------ */

/* [0]: a block the object owns; the rest tells how many there are */
struct thing {
	_Alignas(8) uint64_t word;
};

static int init_thing(dure_tx *tx, void *object, uint64_t count, void *context)
{
	struct thing *things = object;
	void *part;
	int r = dure_tx_alloc(tx, 100, 0, &part);

	(void)context;
	if (r < 0)
		return r;
	things[0].word = dure_ref_of(dure_tx_segment(tx), part).offset;
	for (uint64_t i = 1; i < count; i++)
		things[i].word = count;
	return 0;
}

static int fini_thing(dure_tx *tx, void *object, uint64_t count, void *context)
{
	const struct thing *things = object;
	dure_ref part = { things[0].word };

	(void)context;
	for (uint64_t i = 1; i < count; i++)
		if (things[i].word != count)
			return -EUCLEAN;
	return dure_tx_free(tx, dure_ref_get(dure_tx_segment(tx), part, 100));
}

static void make_or_destroy(void)
{
	char name[24];
	void *object;
	int r;

	snprintf(name, sizeof name, "thing-%d", (int)dice(THINGS));
	if (dice(2)) {
		r = dure_object_find_or_create(seg, name, DURE_TYPE(struct thing), 1 + dice(50),
					       init_thing, NULL, &object);
		EXPECT(r == DURE_CREATED || r == 0);
	} else {
		r = dure_object_destroy(seg, name, DURE_TYPE(struct thing), fini_thing, NULL);
		EXPECT(r == 0 || r == -ENOENT);
	}
}

static void move_token(void)
{
	EXPECT(tokens_move(dice(UINT64_MAX), dice(8)) == 0);
}

/* -- a lock without a transaction: the next holder mends ---------------------------------- */

static void count_up(void)
{
	struct pair *p = &ground->pair;
	int r = dure_mutex_lock(seg, &p->lock, DURE_FOREVER);

	EXPECT(r == 0 || r == DURE_OWNER_DIED);
	if (r == DURE_OWNER_DIED) {
		EXPECT(p->a == p->b || p->a == p->b + 1);
		p->b = p->a;
		note_mended();
		EXPECT(dure_mutex_mark_consistent(seg, &p->lock) == 0);
	}
	EXPECT(p->a == p->b);
	__atomic_store_n(&p->a, p->a + 1, __ATOMIC_RELEASE);
	for (uint64_t i = dice(2000); i; i--)		/* so that some die here */
		__asm__ volatile("");
	__atomic_store_n(&p->b, p->b + 1, __ATOMIC_RELEASE);
	EXPECT(dure_mutex_unlock(seg, &p->lock) == 0);
}

static void (*const kinds[])(void) = {
	move_money, move_money, shift_in_map, merge_in_map, push, push, pop, make_or_destroy, count_up,
	move_token, move_token, move_token, move_token,
};

enum { KINDS = sizeof kinds / sizeof *kinds };

/* -- making ------------------------------------------------------------------------------- */

static uint64_t live_blocks(void)
{
	struct dure_check sums = { .sz = sizeof sums };

	EXPECT(dure_segment_check(seg, &sums, NULL, NULL) >= 0);
	return sums.live_blocks;
}

/* Tables come with the first keys of their part, grow, and stay: use all keys there will be. */
static void warm_up(void)
{
	char name[24];
	void *object;

	for (int i = 0; i < THINGS; i++) {
		snprintf(name, sizeof name, "thing-%d", i);
		EXPECT(dure_object_construct(seg, name, DURE_TYPE(struct thing), 1, NULL, NULL,
					     &object) == DURE_CREATED);
	}
	for (uint64_t key = 0; key < MAP_KEYS; key++)
		EXPECT(dure_map_add(map, &key, sizeof key, 0, NULL) == DURE_CREATED);
	for (uint64_t key = 0; key < MAP_KEYS; key++)
		EXPECT(dure_map_remove(map, &key, sizeof key) == 0);
	for (int i = 0; i < THINGS; i++) {
		snprintf(name, sizeof name, "thing-%d", i);
		EXPECT(dure_object_destroy(seg, name, DURE_TYPE(struct thing), NULL, NULL) == 0);
	}
}

static void make(const char *name)
{
	struct dure_segment_options o = { .sz = sizeof o, .size_bytes = 24 << 20 };
	struct dure_map_options m = { .sz = sizeof m, .partitions = 4 };

	EXPECT(dure_segment_open(name, DURE_CREATE, &o, &seg) == DURE_CREATED);
	EXPECT(dure_object_construct(seg, "ground", DURE_TYPE(struct ground), 1, NULL, NULL,
				     (void **)&ground) == DURE_CREATED);
	EXPECT(dure_map_open(seg, "map", DURE_CREATE, &m, &map) == DURE_CREATED);
	for (int i = 0; i < ACCOUNTS; i++)
		ground->accounts[i].balance = ACCOUNT_START;
	warm_up();
	EXPECT(tokens_open(seg, true) >= 0);	/* and with them what their names need */
	EXPECT(tokens_destroy() == 0);
	ground->token_blocks = live_blocks();
	EXPECT(tokens_make_anew() == 0);
	ground->token_blocks = live_blocks() - ground->token_blocks;
	EXPECT(dure_thread_detach(seg) == 0);
	ground->empty_blocks = live_blocks();
}

static void join(const char *name)
{
	EXPECT(dure_segment_open(name, DURE_OPEN, NULL, &seg) == 0);
	EXPECT(dure_object_find(seg, "ground", DURE_TYPE(struct ground), (void **)&ground, NULL) == 0);
	EXPECT(dure_map_open(seg, "map", DURE_OPEN, NULL, &map) == 0);
	EXPECT(tokens_open(seg, false) >= 0);
}

/* -- working ------------------------------------------------------------------------------ */

static _Noreturn void work(const char *name, unsigned place)
{
	/* a referee that was killed leaves nobody behind */
	time_t end = time(NULL) + 120;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	EXPECT(place < PLACES);
	join(name);
	my_place = &ground->places[place];
	while (time(NULL) < end) {
		kinds[dice(KINDS)]();
		__atomic_fetch_add(&my_place->operations, 1, __ATOMIC_RELAXED);
	}
	fprintf(stderr, "hammer: nobody has killed pid %d for 120 s\n", (int)getpid());
	_exit(1);
}

/* -- judging ------------------------------------------------------------------------------ */

static void equal(const char *what, uint64_t is, uint64_t should_be)
{
	if (is == should_be)
		return;
	fprintf(stderr, "hammer (%s, %d bit): %s: %" PRIu64 ", should be %" PRIu64 "\n", build,
		(int)(8 * sizeof(void *)), what, is, should_be);
	_exit(1);
}

static void judge_money(void)
{
	uint64_t sum = 0;

	for (int i = 0; i < ACCOUNTS; i++)
		sum += ground->accounts[i].balance;
	equal("the money", sum, ACCOUNTS * ACCOUNT_START);
}

static uint64_t judge_lists(void)
{
	uint64_t count = 0;

	for (int i = 0; i < LISTS; i++) {
		count += list_length(&ground->lists[i]);
		for (dure_ref at = ground->lists[i].first; at.offset;) {
			const struct node *node = dure_ref_get(seg, at, sizeof *node);
			const unsigned char *bytes = (const unsigned char *)(node + 1);
			EXPECT(node && dure_ref_get(seg, at, sizeof *node + (size_t)node->bytes));
			for (uint64_t b = 0; b < node->bytes; b++)
				equal("a byte of a block", bytes[b], node->filling);
			at = node->next;
		}
	}
	return count;
}

static int count_thing(const struct dure_object_info *info, void *context)
{
	if (strncmp(info->name, "thing-", 6) == 0)
		*(uint64_t *)context += 2;		/* the object, and the part it owns */
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

static void show_finding(const struct dure_finding *f, void *context)
{
	(void)context;
	fprintf(stderr, "hammer: [%s] +%#" PRIx64 " %s\n", f->rule, f->offset, f->text);
}

/* What they have beyond what they had when they were made. */
static uint64_t judge_tokens(void)
{
	uint64_t blocks = live_blocks();

	equal("tokens", tokens_count(), TOKENS);
	EXPECT(tokens_destroy() == 0);
	blocks -= live_blocks();
	EXPECT(tokens_make_anew() == 0);
	return blocks - ground->token_blocks;
}

static void judge_all(void)
{
	struct dure_check sums = { .sz = sizeof sums };
	uint64_t expected = ground->empty_blocks;
	int64_t map_sum = 0;

	equal("the check", (uint64_t)dure_segment_check(seg, &sums, show_finding, NULL), 0);
	judge_money();
	expected += judge_lists();
	EXPECT(dure_object_list(seg, count_thing, &expected) == 0);
	EXPECT(dure_map_each(map, add_value, &map_sum) == 0);
	equal("the map's sum", (uint64_t)map_sum, 0);
	expected += dure_map_count(map);
	expected += judge_tokens();
	EXPECT(ground->pair.a - ground->pair.b <= 1);
	equal("live blocks", sums.live_blocks, expected);
	equal("reserved blocks of the dead", sums.reserved_blocks, 0);
}

static void judge(const char *name)
{
	join(name);
	EXPECT(dure_segment_recover(seg) >= 0);
	judge_all();
	for (int i = 0; i < 200; i++)
		kinds[dice(KINDS)]();
	EXPECT(dure_thread_detach(seg) == 0);
	judge_all();
	equal("a pair of words", ground->pair.a, ground->pair.b);
}

int main(int argc, char **argv)
{
	dice_state = argc == 5 ? strtoull(argv[4], NULL, 10) * 2 + 1 : 12345;
	if (argc == 3 && strcmp(argv[1], "make") == 0) {
		make(argv[2]);
	} else if (argc == 5 && strcmp(argv[1], "work") == 0) {
		work(argv[2], (unsigned)strtoul(argv[3], NULL, 10));
	} else if (argc == 3 && strcmp(argv[1], "judge") == 0) {
		judge(argv[2]);
	} else {
		fputs("usage: hammer make|judge NAME | hammer work NAME PLACE SEED\n", stderr);
		return 1;
	}
	tokens_close();
	dure_map_close(map);
	EXPECT(dure_segment_close(seg) == 0);
	return 0;
}

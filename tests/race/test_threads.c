/* SPDX-License-Identifier: MIT */
/*
 * test_threads.c - races between the threads of one process
 *
 * Why      The crash tests kill one thread at a time and look at what is left. Here nobody dies:
 *          threads of one process meet in the library, and neither an operation is lost nor
 *          done twice, nor is anything read that was never written.
 * How      Each test gives WORKERS threads the same kind of work, a bounded number of times, on
 *          few accounts, names and keys, so that they meet often. What is conserved is checked at
 *          the end, with the segment's own check. The last test mixes all kinds.
 *          Under the thread sanitizer (tools/sanitize tsan) the same work also shows
 *          accesses that nothing orders. There it is done less often.
 * Rules    [RACE1] a worker never uses cmocka's assertions, which jump: EXPECT ends the process
 *          [RACE2] the segment loses its name at once, so that no end of the test leaves it
 *          [RACE3] the dice of a worker depend on its number alone
 */
#include <pthread.h>

#include "../t.h"
#include "slow.h"

enum {
#if defined(IS_SLOW)
	SLOWER = 20,
#else
	SLOWER = 1,
#endif
	WORKERS = 4,
	ACCOUNTS = 6,
	OPENING_BALANCE = 1000,
	TOKENS = 3 * WORKERS,
	SHELVES = TOKENS - WORKERS,	/* each worker has one token in its hand */
	NAMES = 6,
	KEYS = 48,
	WIDE_WORDS = 5,
	UNITS = 2,
};

struct account {
	dure_mutex lock;
	uint64_t balance;
};

struct root {
	dure_mutex lock, checked_lock;
	uint64_t count, checked_count;
	struct account accounts[ACCOUNTS];
	dure_ref places[TOKENS];
	dure_rwlock rwlock;
	uint64_t written, written_twice;	/* under rwlock */
	dure_semaphore semaphore;	/* UNITS of it */
	uint64_t stored;		/* changed with all units, read with one */
};

/* An object: both halves are written by its constructor only. */
struct thing {
	uint64_t filling, inverse;
};

/* Who holds a token, and nobody else, may use its place and the block reserved for it. */
struct token {
	dure_ref *place;
	uint64_t *reserved;
	uint64_t filling;
};

struct hall {
	dure_segment *seg;
	struct root *root;
	dure_map *sums, *wide;
	struct token tokens[TOKENS];
	struct token *shelves[SHELVES];
};

struct worker;
typedef void work(struct worker *w);

struct worker {
	struct hall *hall;
	work *work;
	struct token *token;
	unsigned number, times;
	uint64_t dice;
	uint64_t counted, checked_counted, written, stored;
	int64_t things;
};

#define EXPECT(condition)                                                                         \
	do {                                                                                      \
		if (!(condition))                                                                 \
			unexpected(w, #condition, __LINE__);                                      \
	} while (0)

static _Noreturn void unexpected(const struct worker *w, const char *condition, int line)
{
	fprintf(stderr, "worker %u, line %d: %s: %s\n", w->number, line, condition,
		dure_last_error());
	_exit(1);
}

static uint64_t dice(struct worker *w, uint64_t sides)
{
	w->dice ^= w->dice << 13;
	w->dice ^= w->dice >> 7;
	w->dice ^= w->dice << 17;
	return (w->dice >> 20) % sides;
}

/* -- a mutex with a counter -------------------------------------------------------------- */

static int lock_somehow(struct worker *w, dure_mutex *lock)
{
	static const int64_t timeouts[] = { DURE_FOREVER, DURE_FOREVER, 0, 20000 };

	return dure_mutex_lock(w->hall->seg, lock, timeouts[dice(w, 4)]);
}

static bool is_no_luck(int r)
{
	return r == -EAGAIN || r == -ETIMEDOUT;
}

static void count(struct worker *w)
{
	struct root *root = w->hall->root;
	int r = lock_somehow(w, &root->lock);

	EXPECT(r == 0 || is_no_luck(r));
	if (r < 0)
		return;
	root->count++;
	w->counted++;
	EXPECT(dure_mutex_unlock(w->hall->seg, &root->lock) == 0);
}

/* Two locks in no order: a circle is found, and whoever is told gives way. */
static void count_checked(struct worker *w)
{
	struct root *root = w->hall->root;
	dure_segment *seg = w->hall->seg;
	dure_mutex *first = &root->checked_lock, *second = &root->accounts[0].lock;
	int r;

	if (dice(w, 2)) {
		second = first;
		first = &root->accounts[0].lock;
	}
	EXPECT(dure_mutex_lock(seg, first, DURE_FOREVER) == 0);
	r = dure_mutex_lock(seg, second, 2000000);
	EXPECT(r == 0 || r == -EDEADLK || r == -ETIMEDOUT);
	if (r == 0) {
		root->checked_count++;
		w->checked_counted++;
		EXPECT(dure_mutex_unlock(seg, second) == 0);
	}
	EXPECT(dure_mutex_unlock(seg, first) == 0);
}

static void work_mutex(struct worker *w)
{
	if (dice(w, 16) == 0)
		count_checked(w);
	else
		count(w);
}

/* -- many readers, one writer ------------------------------------------------------------ */

static int64_t some_time(struct worker *w)
{
	static const int64_t timeouts[] = { DURE_FOREVER, DURE_FOREVER, 0, 20000 };

	return timeouts[dice(w, 4)];
}

static void write_twice(struct worker *w)
{
	struct root *root = w->hall->root;

	EXPECT(root->written == root->written_twice);
	root->written++;
	root->written_twice++;
	w->written++;
}

static void read_both(struct worker *w)
{
	const struct root *root = w->hall->root;

	EXPECT(root->written == root->written_twice);
}

/* From any mode to any other; what cannot be had is left. */
static void work_rwlock(struct worker *w)
{
	dure_rwlock *lock = &w->hall->root->rwlock;
	dure_segment *seg = w->hall->seg;
	enum dure_lock_mode mode = dice(w, 3) ? DURE_SHARED : (enum dure_lock_mode)(1 + dice(w, 3));
	int r = dure_rwlock_lock(seg, lock, mode, some_time(w));

	EXPECT(r == 0 || is_no_luck(r));
	if (r < 0)
		return;
	for (uint64_t changes = dice(w, 3); changes; changes--) {
		enum dure_lock_mode next = (enum dure_lock_mode)(1 + dice(w, 3));
		if (mode == DURE_EXCLUSIVE)
			write_twice(w);
		else
			read_both(w);
		r = dure_rwlock_change(seg, lock, next, some_time(w));
		EXPECT(r == 0 || is_no_luck(r));
		mode = r == 0 ? next : mode;
	}
	if (mode == DURE_EXCLUSIVE)
		write_twice(w);
	else
		read_both(w);
	EXPECT(dure_rwlock_unlock(seg, lock) == 0);
}

/* -- units --------------------------------------------------------------------------------- */

/* Who has all units is alone; who has one sees nobody change anything. */
static void work_semaphore(struct worker *w)
{
	struct root *root = w->hall->root;
	dure_segment *seg = w->hall->seg;
	bool all = dice(w, 4) == 0;
	uint32_t units = all ? UNITS : 1;
	int r = dure_semaphore_take(seg, &root->semaphore, units, 0, all ? 20000 : some_time(w));

	EXPECT(r == 0 || is_no_luck(r));
	if (r < 0)
		return;
	if (all) {
		root->stored++;
		w->stored++;
	} else {
		w->things += root->stored > UINT64_MAX / 2;	/* it is read */
	}
	if (dice(w, 8) == 0)		/* taken for good, and given anew */
		EXPECT(dure_semaphore_keep(seg, &root->semaphore, units) == 0);
	EXPECT(dure_semaphore_post(seg, &root->semaphore, units) == 0);
}

/* -- money ------------------------------------------------------------------------------- */

/* Locks in no order: a transaction in a circle is told so, and begins anew. */
static void move_money(struct worker *w)
{
	struct account *from = &w->hall->root->accounts[dice(w, ACCOUNTS)];
	struct account *to = &w->hall->root->accounts[dice(w, ACCOUNTS)];
	uint64_t amount = dice(w, 50), new_from, new_to;
	dure_tx *tx;
	int r;

	EXPECT(dure_tx_begin(w->hall->seg, &tx) == 0);
	r = dure_tx_lock(tx, &from->lock, DURE_FOREVER);
	if (r == 0)
		r = dure_tx_lock(tx, &to->lock, DURE_FOREVER);
	EXPECT(r == 0 || r == -EDEADLK);
	if (r == 0 && from != to && from->balance >= amount) {
		new_from = from->balance - amount;
		new_to = to->balance + amount;
		EXPECT(dure_tx_write(tx, &from->balance, &new_from, sizeof new_from) == 0);
		EXPECT(dure_tx_add(tx, &to->balance, sizeof to->balance) == 0);
		to->balance = new_to;
		r = dice(w, 8) ? 0 : -ECANCELED;
	}
	EXPECT((r == 0 ? dure_tx_commit(tx) : dure_tx_abort(tx)) == 0);
}

/* Under all locks, nobody's half is seen. */
static void audit(struct worker *w)
{
	uint64_t sum = 0;
	dure_tx *tx;
	int r = 0;

	EXPECT(dure_tx_begin(w->hall->seg, &tx) == 0);
	for (unsigned i = 0; r == 0 && i < ACCOUNTS; i++) {
		r = dure_tx_lock(tx, &w->hall->root->accounts[i].lock, DURE_FOREVER);
		if (r == 0)
			sum += w->hall->root->accounts[i].balance;
	}
	EXPECT(r == 0 || r == -EDEADLK);
	EXPECT(r < 0 || sum == ACCOUNTS * OPENING_BALANCE);
	EXPECT(dure_tx_abort(tx) == 0);
}

static void work_money(struct worker *w)
{
	if (dice(w, 8) == 0)
		audit(w);
	else
		move_money(w);
}

/* -- blocks ------------------------------------------------------------------------------ */

static size_t block_words(struct worker *w)
{
	switch (dice(w, 40)) {
	case 0:
		return 8000 + dice(w, 8000);
	case 1:
		return 400 + dice(w, 600);
	default:
		return 2 + dice(w, 60);
	}
}

/* The first word tells how many follow, the others are the token's filling. */
static void fill(struct token *token, uint64_t *block, size_t words, uint64_t filling)
{
	block[0] = words;
	for (size_t i = 1; i < words; i++)
		block[i] = filling;
	token->filling = filling;
}

static void look_through(struct worker *w, const uint64_t *block)
{
	EXPECT(block != NULL);
	for (uint64_t i = 1; i < block[0]; i++)
		EXPECT(block[i] == w->token->filling);
}

/* What the token's former holder, often another thread, has reserved is linked or given back. */
static void settle_reserved(struct worker *w)
{
	struct token *token = w->token;
	dure_segment *seg = w->hall->seg;

	look_through(w, token->reserved);
	if (dice(w, 4) == 0)
		EXPECT(dure_block_cancel(seg, token->reserved) == 0);
	else
		EXPECT(dure_block_publish(seg, token->reserved, token->place) == 0);
	token->reserved = NULL;
}

/* A block that another thread has linked is freed, exchanged, or changes its size. */
static void settle_linked(struct worker *w)
{
	struct token *token = w->token;
	dure_segment *seg = w->hall->seg;
	uint64_t *block = dure_ref_get(seg, *token->place, sizeof *block), *next;
	size_t words = block_words(w);
	int r;

	look_through(w, block);
	switch (dice(w, 4)) {
	case 0:
		EXPECT(dure_block_reserve(seg, words * sizeof *next, 0, (void **)&next) == 0);
		fill(token, next, words, dice(w, UINT64_MAX));
		EXPECT(dure_block_replace(seg, next, token->place) == 0);
		return;
	case 1:
		r = dure_block_resize(seg, block, words * sizeof *block, NULL);
		EXPECT(r == 0 || r == -ENOSPC);
		if (r == 0)
			fill(token, block, words, dice(w, UINT64_MAX));
		return;
	default:
		EXPECT(dure_block_free_from(seg, token->place) == 0);
	}
}

static void work_blocks(struct worker *w)
{
	struct token *token = w->token;
	size_t words = block_words(w);

	if (token->reserved) {
		settle_reserved(w);
	} else if (token->place->offset) {
		settle_linked(w);
	} else {
		EXPECT(dure_block_reserve(w->hall->seg, words * sizeof(uint64_t), 0,
					  (void **)&token->reserved) == 0);
		fill(token, token->reserved, words, dice(w, UINT64_MAX));
	}
	w->token = __atomic_exchange_n(&w->hall->shelves[dice(w, SHELVES)], token,
				       __ATOMIC_ACQ_REL);
}

/* -- named objects ----------------------------------------------------------------------- */

static int make_thing(dure_tx *tx, void *object, uint64_t number, void *context)
{
	struct thing *thing = object;
	struct worker *w = context;

	(void)tx;
	EXPECT(number == 1 && thing->filling == 0 && thing->inverse == 0);
	thing->filling = dice(w, UINT64_MAX);
	thing->inverse = ~thing->filling;
	return 0;
}

/* Who destroys it is alone with it. */
static int end_thing(dure_tx *tx, void *object, uint64_t number, void *context)
{
	const struct thing *thing = object;
	struct worker *w = context;

	(void)tx;
	EXPECT(number == 1 && thing->inverse == ~thing->filling);
	return 0;
}

static int see_thing(const struct dure_object_info *info, void *context)
{
	struct worker *w = context;

	EXPECT(info->kind == 1 && info->count == 1 && info->name[0]);
	return 0;
}

static void make(struct worker *w, const char *name)
{
	struct thing *thing;
	int r;

	if (dice(w, 2)) {
		r = dure_object_construct(w->hall->seg, name, DURE_TYPE(struct thing), 1, make_thing, w,
					  (void **)&thing);
		EXPECT(r == DURE_CREATED || r == -EEXIST);
	} else {
		r = dure_object_find_or_create(w->hall->seg, name, DURE_TYPE(struct thing), 1,
					       make_thing, w, (void **)&thing);
		EXPECT(r == DURE_CREATED || r == 0);
	}
	if (r == DURE_CREATED)
		w->things++;
}

/* Bytes where an object may have been just now: who has found it must not take them for one. */
static void scribble(struct worker *w)
{
	size_t bytes = 100 + dice(w, 200);
	void *block;

	EXPECT(dure_block_reserve(w->hall->seg, bytes, 0, &block) == 0);
	memset(block, 0xff, bytes);
	EXPECT(dure_block_cancel(w->hall->seg, block) == 0);
}

static void work_objects(struct worker *w)
{
	dure_segment *seg = w->hall->seg;
	struct thing *thing;
	char name[16];
	int r;

	snprintf(name, sizeof name, "thing %u", (unsigned)dice(w, NAMES));
	switch (dice(w, 8)) {
	case 0:
	case 1:
	case 2:
		make(w, name);
		return;
	case 3:
	case 4:
		r = dure_object_destroy(seg, name, DURE_TYPE(struct thing), end_thing, w);
		EXPECT(r == 0 || r == -ENOENT);
		w->things -= r == 0;
		scribble(w);
		return;
	case 5:
		if (dice(w, 8) == 0)
			EXPECT(dure_object_list(seg, see_thing, w) == 0);
		return;
	default:
		/* others may destroy it: only whether it is there */
		r = dure_object_find(seg, name, DURE_TYPE(struct thing), (void **)&thing, NULL);
		EXPECT(r == 0 || r == -ENOENT);
	}
}

/* -- maps -------------------------------------------------------------------------------- */

static void make_wide(struct worker *w, uint64_t key, uint64_t *ret)
{
	ret[0] = key;
	ret[1] = dice(w, UINT64_MAX);
	for (unsigned i = 2; i < WIDE_WORDS; i++)
		ret[i] = ret[i - 1] + key + i;
}

/* All of one value, and of this key's. */
static bool is_wide(uint64_t key, const uint64_t *value)
{
	bool is = value[0] == key;

	for (unsigned i = 2; i < WIDE_WORDS; i++)
		is = is && value[i] == value[i - 1] + key + i;
	return is;
}

/* The sum of all values stays nothing. */
static void shift(struct worker *w)
{
	uint64_t x = dice(w, KEYS), y = dice(w, KEYS);
	int64_t amount = (int64_t)dice(w, 100);
	dure_tx *tx;
	int r;

	EXPECT(dure_tx_begin(w->hall->seg, &tx) == 0);
	r = dure_map_add(w->hall->sums, &x, sizeof x, amount, NULL);
	if (r >= 0)
		r = dure_map_add(w->hall->sums, &y, sizeof y, -amount, NULL);
	EXPECT(r >= 0 || r == -EDEADLK);
	EXPECT((r >= 0 ? dure_tx_commit(tx) : dure_tx_abort(tx)) == 0);
}

/* The value of one key goes to another; adding nothing locks the first one's part. */
static void merge(struct worker *w)
{
	uint64_t x = dice(w, KEYS), y = (x + 1 + dice(w, KEYS - 1)) % KEYS;
	int64_t value;
	dure_tx *tx;
	int r;

	EXPECT(dure_tx_begin(w->hall->seg, &tx) == 0);
	r = dure_map_add(w->hall->sums, &x, sizeof x, 0, &value);
	if (r >= 0)
		r = dure_map_remove(w->hall->sums, &x, sizeof x);
	if (r >= 0)
		r = dure_map_add(w->hall->sums, &y, sizeof y, value, NULL);
	EXPECT(r >= 0 || r == -EDEADLK);
	EXPECT((r >= 0 ? dure_tx_commit(tx) : dure_tx_abort(tx)) == 0);
}

static void change_maps(struct worker *w)
{
	uint64_t key = dice(w, KEYS), value[WIDE_WORDS];
	int64_t amount = (int64_t)dice(w, 100);
	int r;

	switch (dice(w, 8)) {
	case 0:
		merge(w);
		return;
	case 1:
		shift(w);
		return;
	case 2:
		r = dure_map_add(w->hall->sums, &key, sizeof key, amount, NULL);
		EXPECT(r >= 0);
		key = dice(w, KEYS);
		r = dure_map_add(w->hall->sums, &key, sizeof key, -amount, NULL);
		EXPECT(r >= 0);
		return;
	case 3:
	case 4:
		r = dure_map_remove(w->hall->wide, &key, sizeof key);
		EXPECT(r == 0 || r == -ENOENT);
		return;
	case 5:
		make_wide(w, key, value);
		r = dure_map_insert(w->hall->wide, &key, sizeof key, value);
		EXPECT(r >= 0 || r == -EEXIST);
		return;
	default:
		make_wide(w, key, value);
		EXPECT(dure_map_put(w->hall->wide, &key, sizeof key, value) >= 0);
	}
}

static int see_wide(const void *key, size_t key_bytes, const void *value, void *context)
{
	struct worker *w = context;
	uint64_t number;

	EXPECT(key_bytes == sizeof number);
	memcpy(&number, key, sizeof number);
	EXPECT(is_wide(number, value));
	return 0;
}

static void read_maps(struct worker *w)
{
	uint64_t key = dice(w, KEYS), value[WIDE_WORDS];
	int64_t sum;
	int r;

	if (dice(w, 64) == 0) {
		EXPECT(dure_map_each(w->hall->wide, see_wide, w) == 0);
		return;
	}
	r = dure_map_get(w->hall->wide, &key, sizeof key, value);
	EXPECT(r == -ENOENT || (r == 0 && is_wide(key, value)));
	r = dure_map_get(w->hall->sums, &key, sizeof key, &sum);
	EXPECT(r == 0 || r == -ENOENT);
}

static void work_maps(struct worker *w)
{
	if (w->number % 2)
		read_maps(w);
	else
		change_maps(w);
}

/* -- all of it --------------------------------------------------------------------------- */

static void work_mixed(struct worker *w)
{
	static work *const all[] = { work_mutex, work_rwlock, work_semaphore, work_money,
				     work_blocks, work_objects, work_maps };

	all[dice(w, sizeof all / sizeof all[0])](w);
}

/* -- threads that end -------------------------------------------------------------------- */

/* A short life; half of them leave by themselves, the others just end. */
static void *live_shortly(void *context)
{
	struct worker *w = context;
	bool says_goodbye = dice(w, 2);

	for (uint64_t times = 1 + dice(w, 6); times; times--)
		work_mixed(w);
	if (says_goodbye) {
		EXPECT(dure_thread_detach(w->hall->seg) == 0);
		if (dice(w, 4) == 0)
			work_mixed(w);	/* attaches again */
	}
	return NULL;
}

static void work_threads(struct worker *w)
{
	pthread_t thread;

	EXPECT(pthread_create(&thread, NULL, live_shortly, w) == 0);
	EXPECT(pthread_join(thread, NULL) == 0);
	if (dice(w, 4) == 0)
		work_mixed(w);
	if (dice(w, 8) == 0)
		EXPECT(dure_thread_detach(w->hall->seg) == 0);
}

/* -- the hall: set up, run, and count ---------------------------------------------------- */

static int make_root(dure_tx *tx, void *object, uint64_t number, void *context)
{
	struct root *root = object;

	(void)number;
	(void)context;
	for (unsigned i = 0; i < ACCOUNTS; i++)
		root->accounts[i].balance = OPENING_BALANCE;
	return dure_mutex_init(dure_tx_segment(tx), &root->checked_lock, DURE_MUTEX_DEADLOCK_CHECK) |
	       dure_semaphore_init(dure_tx_segment(tx), &root->semaphore, UNITS);
}

/* [RACE2] */
static void open_hall(struct hall *hall)
{
	struct dure_map_options wide = { .sz = sizeof wide, .partitions = 4,
					 .value_bytes = WIDE_WORDS * sizeof(uint64_t) };
	struct dure_map_options sums = { .sz = sizeof sums, .partitions = 4 };

	memset(hall, 0, sizeof *hall);
	hall->seg = t_segment(16u << 20);
	T_OK(dure_segment_remove(t_name(), DURE_REMOVE_FORCE, NULL));
	T_IS(dure_object_construct(hall->seg, "root", DURE_TYPE(struct root), 1, make_root, NULL,
				   (void **)&hall->root), DURE_CREATED);
	T_IS(dure_map_open(hall->seg, "sums", DURE_CREATE, &sums, &hall->sums), DURE_CREATED);
	T_IS(dure_map_open(hall->seg, "wide", DURE_CREATE, &wide, &hall->wide), DURE_CREATED);
	for (unsigned i = 0; i < TOKENS; i++)
		hall->tokens[i].place = &hall->root->places[i];
	for (unsigned i = 0; i < SHELVES; i++)
		hall->shelves[i] = &hall->tokens[WORKERS + i];
}

static void *run_worker(void *context)
{
	struct worker *w = context;

	for (unsigned i = 0; i < w->times; i++)
		w->work(w);
	return NULL;
}

static void run(struct hall *hall, struct worker *workers, work *kind, unsigned times)
{
	pthread_t threads[WORKERS];

	for (unsigned i = 0; i < WORKERS; i++) {
		workers[i] = (struct worker){ .hall = hall, .work = kind, .token = &hall->tokens[i],
					      .number = i, .times = times / SLOWER,
					      .dice = (i + 1) * UINT64_C(0x9e3779b97f4a7c15) };
		assert_int_equal(pthread_create(&threads[i], NULL, run_worker, &workers[i]), 0);
	}
	for (unsigned i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static int add_value(const void *key, size_t key_bytes, const void *value, void *context)
{
	int64_t one;

	(void)key;
	(void)key_bytes;
	memcpy(&one, value, sizeof one);
	*(int64_t *)context += one;
	return 0;
}

static int count_wide(const void *key, size_t key_bytes, const void *value, void *context)
{
	(void)key;
	(void)key_bytes;
	(void)value;
	++*(uint64_t *)context;
	return 0;
}

/* Nothing written is lost, nobody is inside, and all units are there. */
static void check_shared_locks(const struct hall *hall, const struct worker *workers)
{
	struct dure_semaphore_info info = { .sz = sizeof info };
	uint64_t written = 0, stored = 0;

	for (unsigned i = 0; i < WORKERS; i++) {
		written += workers[i].written;
		stored += workers[i].stored;
	}
	T_IS(dure_rwlock_lock(hall->seg, &hall->root->rwlock, DURE_EXCLUSIVE, 0), 0);
	T_OK(dure_rwlock_unlock(hall->seg, &hall->root->rwlock));
	assert_int_equal(hall->root->written, written);
	assert_int_equal(hall->root->written_twice, written);
	assert_int_equal(hall->root->stored, stored);
	T_OK(dure_semaphore_info(hall->seg, &hall->root->semaphore, &info));
	assert_int_equal(info.units, UNITS);
	assert_int_equal(info.taken, 0);
}

/* Nothing counted or paid is lost. */
static void check_root(const struct hall *hall, const struct worker *workers)
{
	uint64_t counted = 0, checked = 0, money = 0;

	for (unsigned i = 0; i < WORKERS; i++) {
		counted += workers[i].counted;
		checked += workers[i].checked_counted;
	}
	for (unsigned i = 0; i < ACCOUNTS; i++) {
		money += hall->root->accounts[i].balance;
		assert_int_equal(dure_mutex_holder(hall->seg, &hall->root->accounts[i].lock, NULL), 0);
	}
	assert_int_equal(hall->root->count, counted);
	assert_int_equal(hall->root->checked_count, checked);
	assert_int_equal(money, ACCOUNTS * OPENING_BALANCE);
}

static void check_maps(const struct hall *hall)
{
	uint64_t entries = 0;
	int64_t sum = 0;

	T_OK(dure_map_each(hall->sums, add_value, &sum));
	assert_int_equal(sum, 0);
	T_OK(dure_map_each(hall->wide, count_wide, &entries));
	assert_int_equal(dure_map_count(hall->wide), entries);
}

/* The things made and not destroyed are there; then none is. */
static void check_things(const struct hall *hall, const struct worker *workers)
{
	int64_t things = 0, found = 0;
	char name[16];

	for (unsigned i = 0; i < WORKERS; i++)
		things += workers[i].things;
	for (unsigned i = 0; i < NAMES; i++) {
		snprintf(name, sizeof name, "thing %u", i);
		found += dure_object_destroy(hall->seg, name, DURE_TYPE(struct thing), NULL, NULL) == 0;
	}
	assert_int_equal(found, things);
}

/* Each token is somewhere, once; its blocks are given back. */
static void empty_tokens(struct hall *hall, const struct worker *workers)
{
	bool seen[TOKENS] = { false };

	for (unsigned i = 0; i < TOKENS; i++) {
		struct token *token = i < WORKERS ? workers[i].token : hall->shelves[i - WORKERS];
		assert_false(seen[token - hall->tokens]);
		seen[token - hall->tokens] = true;
		T_OK(dure_block_free(hall->seg, token->reserved));
		T_OK(dure_block_free_from(hall->seg, token->place));
	}
}

/* The whole heap, after everything that was made has been destroyed: nothing is left. */
static void close_hall(struct hall *hall)
{
	struct dure_check sums = { .sz = sizeof sums };

	dure_map_close(hall->sums);
	dure_map_close(hall->wide);
	T_OK(dure_map_destroy(hall->seg, "sums"));
	T_OK(dure_map_destroy(hall->seg, "wide"));
	T_OK(dure_object_destroy(hall->seg, "root", DURE_TYPE(struct root), NULL, NULL));
	T_IS(dure_segment_check(hall->seg, &sums, t_show_finding, NULL), 0);
	assert_int_equal(sums.objects, 0);
	assert_int_equal(sums.reserved_blocks, 0);
	assert_int_equal(sums.dead_threads, 0);
	T_OK(dure_segment_close(hall->seg));
}

static void try(work *kind, unsigned times)
{
	struct worker workers[WORKERS];
	struct hall hall;
	uint64_t live;

	open_hall(&hall);
	live = t_live_blocks(hall.seg);
	assert_true(live > 0);
	run(&hall, workers, kind, times);
	check_root(&hall, workers);
	check_shared_locks(&hall, workers);
	check_maps(&hall);
	check_things(&hall, workers);
	empty_tokens(&hall, workers);
	t_clean(hall.seg);
	close_hall(&hall);
}

static void mutex(void **state)
{
	(void)state;
	try(work_mutex, 400000);
}

static void rwlock(void **state)
{
	(void)state;
	try(work_rwlock, 400000);
}

static void semaphore(void **state)
{
	(void)state;
	try(work_semaphore, 400000);
}

static void money(void **state)
{
	(void)state;
	try(work_money, 200000);
}

static void blocks(void **state)
{
	(void)state;
	try(work_blocks, 500000);
}

static void objects(void **state)
{
	(void)state;
	try(work_objects, 600000);
}

static void maps(void **state)
{
	(void)state;
	try(work_maps, 400000);
}

static void threads(void **state)
{
	(void)state;
	try(work_threads, 4000);
}

static void mixed(void **state)
{
	(void)state;
	try(work_mixed, 400000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mutex),   cmocka_unit_test(rwlock),  cmocka_unit_test(semaphore),
		cmocka_unit_test(money),   cmocka_unit_test(blocks),  cmocka_unit_test(objects),
		cmocka_unit_test(maps),	   cmocka_unit_test(threads), cmocka_unit_test(mixed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

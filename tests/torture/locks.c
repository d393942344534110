/* SPDX-License-Identifier: MIT */
/*
 * locks.c - all kinds of locks at once, whose holders and waiters are killed and stopped
 *
 * Every worker uses all of them, in any order: mutexes plain, recursive and error-checking,
 * reader-writer locks up and down, sequence locks, semaphores, conditions, events, barriers, a
 * latch, once; mutexes and semaphores by name, which are made and unlinked meanwhile; locks on a
 * file; waiting for any of them, asleep and by a descriptor.
 *
 * What must hold: nobody else is inside where one is alone. Two words that are changed inside
 * are equal, or their last owner's death is told. No value is seen half. Nothing is
 * waited for longer than PATIENCE, though the longest stop is far shorter. When all are dead
 * every lock can be had and every unit is back.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "torture.h"

#define PATIENCE DURE_S(2)
#define NAMED_MUTEX TORTURE_SEGMENT "-mutex"
#define NAMED_SEMAPHORE TORTURE_SEGMENT "-semaphore"
#define FILE_PATH "/tmp/dure-" TORTURE_SEGMENT "-file"

enum { PAIRS_MAX = 3, LATCH_START = 1000000, BUFFER_MAX = 4 };

/* Changed by one at a time. */
struct pair {
	uint64_t inside, a, b;
};

struct value {
	uint64_t x, not_x;
};

struct locks {
	dure_mutex plain, recursive, checked[2];
	dure_rwlock rwlock;
	dure_seqlock seqlock;
	struct value copies[2];
	dure_semaphore one, pool;
	dure_mutex buffer_lock;
	dure_condition not_full, not_empty;
	uint64_t made, used;
	dure_event event, automatic;
	dure_barrier barrier;
	dure_latch latch;
	dure_once once;
	uint64_t once_words[2];
	dure_spinlock spinlock;
	_Alignas(8) unsigned char set[DURE_SEMSET_BYTES(2, PLACES)];
	struct pair of_plain, of_recursive, of_checked, of_spinlock, of_rwlock, of_one, of_set, of_named,
		of_named_one, of_file;
	uint64_t done[PLACES], longest_ns[PLACES];
};

static struct locks *all;
static dure_segment *seg;

struct worker {
	uint64_t dice, me;
	dure_file *file;
	dure_poll *poll;
};

static uint64_t dice(struct worker *w, uint64_t sides)
{
	w->dice ^= w->dice << 13;
	w->dice ^= w->dice >> 7;
	w->dice ^= w->dice << 17;
	return w->dice % sides;
}

/* -- alone inside ------------------------------------------------------------------------ */

static uint64_t load(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static void store(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELAXED);
}

/* told: of a death, or there is nobody who could tell */
static void alone(struct worker *w, struct pair *p, bool told)
{
	EXPECT(load(&p->a) == load(&p->b) || (told && load(&p->a) == load(&p->b) + 1));
	store(&p->b, load(&p->a));
	store(&p->inside, w->me);
	store(&p->a, load(&p->a) + 1);
	for (uint64_t i = dice(w, 300); i; i--)
		__asm__ volatile("");
	EXPECT(load(&p->inside) == w->me);
	store(&p->b, load(&p->b) + 1);
	EXPECT(load(&p->a) == load(&p->b));
}

static int64_t some_time(struct worker *w)
{
	switch (dice(w, 4)) {
	case 0:
		return 0;
	case 1:
		return (int64_t)dice(w, 300000);
	default:
		return PATIENCE;
	}
}

/* It was not to be had in the time given, which was short. */
static bool is_no_luck(int r, int64_t timeout_ns)
{
	return r == (timeout_ns ? -ETIMEDOUT : -EAGAIN) && timeout_ns < PATIENCE;
}

/* -- mutexes ----------------------------------------------------------------------------- */

static void unlock_told(dure_segment *of, dure_mutex *mutex, int r)
{
	if (r == DURE_OWNER_DIED)
		EXPECT(dure_mutex_mark_consistent(of, mutex) == 0);
	EXPECT(dure_mutex_unlock(of, mutex) == 0);
}

static void use_plain(struct worker *w)
{
	int64_t timeout = some_time(w);
	int r = dure_mutex_lock(seg, &all->plain, timeout);

	EXPECT(r >= 0 || is_no_luck(r, timeout));
	if (r < 0)
		return;
	alone(w, &all->of_plain, r == DURE_OWNER_DIED);
	unlock_told(seg, &all->plain, r);
}

static void use_spinlock(struct worker *w)
{
	int64_t timeout = some_time(w);
	int r = dure_spinlock_lock(seg, &all->spinlock, timeout);

	EXPECT(r >= 0 || is_no_luck(r, timeout));
	if (r < 0)
		return;
	alone(w, &all->of_spinlock, r == DURE_OWNER_DIED);
	if (r == DURE_OWNER_DIED)
		EXPECT(dure_spinlock_mark_consistent(seg, &all->spinlock) == 0);
	EXPECT(dure_spinlock_unlock(seg, &all->spinlock) == 0);
}

static void use_recursive(struct worker *w)
{
	int64_t timeout = some_time(w);
	int r = dure_mutex_lock(seg, &all->recursive, timeout);

	EXPECT(r >= 0 || is_no_luck(r, timeout));
	if (r < 0)
		return;
	EXPECT(dure_mutex_lock(seg, &all->recursive, 0) >= 0);
	alone(w, &all->of_recursive, r == DURE_OWNER_DIED);
	EXPECT(dure_mutex_unlock(seg, &all->recursive) == 0);
	unlock_told(seg, &all->recursive, r);
}

/* Two in any order: a circle is found. */
static void use_checked(struct worker *w)
{
	uint64_t first = dice(w, 2);
	dure_mutex *a = &all->checked[first], *b = &all->checked[1 - first];
	int r = dure_mutex_lock(seg, a, PATIENCE), s;

	EXPECT(r >= 0 || r == -EDEADLK);
	if (r < 0)
		return;
	s = dure_mutex_lock(seg, b, PATIENCE);
	EXPECT(s >= 0 || s == -EDEADLK);
	if (s >= 0) {
		alone(w, &all->of_checked, r == DURE_OWNER_DIED || s == DURE_OWNER_DIED);
		unlock_told(seg, b, s);
	}
	unlock_told(seg, a, r);
}

/* -- readers, writers, those between ------------------------------------------------------ */

static void look_inside(const struct pair *p, int told)
{
	EXPECT(load(&p->a) == load(&p->b) || told == DURE_OWNER_DIED);
}

static void write_told(struct worker *w, int r)
{
	alone(w, &all->of_rwlock, r == DURE_OWNER_DIED);
	if (r == DURE_OWNER_DIED)
		EXPECT(dure_rwlock_mark_consistent(seg, &all->rwlock) == 0);
}

static void use_rwlock(struct worker *w)
{
	static const enum dure_lock_mode modes[] = { DURE_SHARED, DURE_SHARED, DURE_UPGRADABLE,
						     DURE_EXCLUSIVE };
	enum dure_lock_mode mode = modes[dice(w, 4)];
	int64_t timeout = some_time(w);
	int r = dure_rwlock_lock(seg, &all->rwlock, mode, timeout);

	EXPECT(r >= 0 || is_no_luck(r, timeout));
	if (r < 0)
		return;
	if (mode != DURE_EXCLUSIVE) {
		look_inside(&all->of_rwlock, r);
		r = dure_rwlock_change(seg, &all->rwlock, DURE_EXCLUSIVE, DURE_MS(1));
		EXPECT(r >= 0 || r == -ETIMEDOUT || (r == -EAGAIN && mode == DURE_SHARED));
	}
	if (r >= 0) {
		write_told(w, r);
		if (dice(w, 2)) {
			EXPECT(dure_rwlock_change(seg, &all->rwlock,
						  dice(w, 2) ? DURE_SHARED : DURE_UPGRADABLE, 0) == 0);
			look_inside(&all->of_rwlock, 0);
		}
	}
	EXPECT(dure_rwlock_unlock(seg, &all->rwlock) == 0);
}

static void use_seqlock(struct worker *w)
{
	struct value v;
	int r;

	EXPECT(dure_seqlock_read(seg, &all->seqlock, &v, sizeof v) == 0);
	EXPECT(v.x == ~v.not_x);
	if (dice(w, 3))
		return;
	r = dure_seqlock_begin(seg, &all->seqlock, &v, sizeof v, PATIENCE);
	EXPECT(r == 0);
	EXPECT(v.x == ~v.not_x);
	v.x++;
	v.not_x = ~v.x;
	if (dice(w, 4) == 0)
		EXPECT(dure_seqlock_cancel(seg, &all->seqlock) == 0);
	else
		EXPECT(dure_seqlock_commit(seg, &all->seqlock, &v, sizeof v) == 0);
}

/* -- units ------------------------------------------------------------------------------- */

static void use_one(struct worker *w)
{
	int64_t timeout = some_time(w);
	int r = dure_semaphore_take(seg, &all->one, 1, 0, timeout);

	EXPECT(r == 0 || is_no_luck(r, timeout));
	if (r < 0)
		return;
	alone(w, &all->of_one, true);		/* nobody tells of deaths */
	EXPECT(dure_semaphore_post(seg, &all->one, 1) == 0);
}

static dure_semset *the_set(void)
{
	return (dure_semset *)(void *)all->set;
}

/* The first semaphore is there once, the second as often as there are places. */
static void use_set(struct worker *w)
{
	struct dure_semset_operation both[] = { { 0, -1, DURE_SEMSET_UNDO }, { 1, -1, DURE_SEMSET_UNDO } };
	int64_t timeout = some_time(w);
	int r = dure_semset_operate(seg, the_set(), both, 2, timeout);

	EXPECT(r == 0 || is_no_luck(r, timeout));
	if (r < 0)
		return;
	alone(w, &all->of_set, true);
	both[0].change = both[1].change = 1;
	EXPECT(dure_semset_operate(seg, the_set(), both, 2, 0) == 0);
}

static void use_pool(struct worker *w)
{
	uint32_t units = 1 + (uint32_t)dice(w, POOL_UNITS);
	int r = dure_semaphore_take(seg, &all->pool, units, 0, units == 1 ? PATIENCE : DURE_MS(2));

	EXPECT(r == 0 || (units > 1 && r == -ETIMEDOUT));
	if (r < 0)
		return;
	for (; units; units--)
		EXPECT(dure_semaphore_post(seg, &all->pool, 1) == 0);
}

/* -- signals ----------------------------------------------------------------------------- */

/* A buffer that is full, or empty, most of the time. */
static void use_buffer(struct worker *w)
{
	bool makes = dice(w, 2);
	dure_condition *wanted = makes ? &all->not_full : &all->not_empty;
	int r = dure_mutex_lock(seg, &all->buffer_lock, PATIENCE);
	bool died = r == DURE_OWNER_DIED;

	EXPECT(r >= 0);
	EXPECT(load(&all->made) - load(&all->used) <= BUFFER_MAX);
	for (int i = 0; i < 3 && load(&all->made) - load(&all->used) == (makes ? BUFFER_MAX : 0); i++) {
		r = dure_condition_wait(seg, wanted, &all->buffer_lock, DURE_MS(3));
		EXPECT(r >= 0 || r == -ETIMEDOUT);
		died = r == DURE_OWNER_DIED;	/* it was unlocked meanwhile */
	}
	if (makes && load(&all->made) - load(&all->used) < BUFFER_MAX) {
		store(&all->made, load(&all->made) + 1);
		EXPECT(dure_condition_signal(seg, &all->not_empty) == 0);
	} else if (!makes && load(&all->made) > load(&all->used)) {
		store(&all->used, load(&all->used) + 1);
		EXPECT(dure_condition_broadcast(seg, &all->not_full) == 0);
	}
	unlock_told(seg, &all->buffer_lock, died ? DURE_OWNER_DIED : 0);
}

static void use_events(struct worker *w)
{
	dure_event *event = dice(w, 2) ? &all->event : &all->automatic;
	uint32_t before = 0, after = 0;

	EXPECT(dure_event_set(seg, event) == 0);
	bool saw = dure_event_wait(seg, event, (int64_t)dice(w, 200000), &before) == 0;
	EXPECT(dure_event_set(seg, event) == 0);
	/* counts only grow */
	if (saw && dure_event_wait(seg, event, 0, &after) == 0)
		EXPECT(((after - before) & 0x3fffffff) < 0x20000000 && after != before);
	if (dice(w, 4) == 0)
		EXPECT(dure_event_reset(seg, event) >= 0);
}

static void use_latch(struct worker *w)
{
	int r = dure_latch_down(seg, &all->latch, 1 + (uint32_t)dice(w, 20));

	EXPECT(r >= 0 || r == -ERANGE);
	/* 0 is for ever */
	if (r == 0)
		EXPECT(dure_latch_wait(seg, &all->latch, 0) == 0);
	else if (r > 0)
		(void)dure_latch_wait(seg, &all->latch, (int64_t)dice(w, 50000));
}

static void use_once(struct worker *w)
{
	int r = dure_once_begin(seg, &all->once, PATIENCE);

	EXPECT(r >= 0);
	if (r == 0) {
		EXPECT(load(&all->once_words[0]) && load(&all->once_words[0]) == load(&all->once_words[1]));
		return;
	}
	store(&all->once_words[0], w->me);
	for (uint64_t i = dice(w, 300); i; i--)
		__asm__ volatile("");
	EXPECT(load(&all->once_words[0]) == w->me);
	store(&all->once_words[1], w->me);
	EXPECT((dice(w, 3) ? dure_once_cancel(seg, &all->once) : dure_once_end(seg, &all->once)) == 0);
}

static void use_barrier(struct worker *w)
{
	int r = dure_barrier_join(seg, &all->barrier);

	EXPECT(r == 0);
	for (uint64_t i = dice(w, 3); i; i--) {
		r = dure_barrier_wait(seg, &all->barrier, DURE_MS(2));
		EXPECT(r == 0 || r == DURE_OWNER_DIED || r == -ETIMEDOUT);
	}
	EXPECT(dure_barrier_leave(seg, &all->barrier) == 0);
}

/* -- by name ----------------------------------------------------------------------------- */

/* Whoever wants it away gets it away only when nobody has it: so there are never two. */
static void use_named(struct worker *w)
{
	dure_segment *own;
	void *lock;
	int r = dure_named_open(DURE_NAMED_MUTEX, NAMED_MUTEX, DURE_CREATE | DURE_OPEN, NULL, &own,
				&lock);

	EXPECT(r >= 0);
	r = dure_mutex_lock(own, lock, PATIENCE);
	EXPECT(r >= 0);
	/* who died with it may have been its last user, and the name have gone */
	alone(w, &all->of_named, true);
	unlock_told(own, lock, r);
	EXPECT(dure_segment_close(own) == 0);
	if (dice(w, 4) == 0) {
		r = dure_named_unlink(NAMED_MUTEX, 0, NULL);
		EXPECT(r == 0 || r == -EBUSY || r == -ENOENT);
	}
}

static void use_named_units(struct worker *w)
{
	struct dure_named_options o = { .sz = sizeof o, .value = 1 };
	dure_segment *own;
	void *lock;
	int r = dure_named_open(DURE_NAMED_SEMAPHORE, NAMED_SEMAPHORE, DURE_CREATE | DURE_OPEN, &o, &own,
				&lock);

	EXPECT(r >= 0);
	EXPECT(dure_semaphore_take(own, lock, 1, 0, PATIENCE) == 0);
	alone(w, &all->of_named_one, true);
	EXPECT(dure_semaphore_post(own, lock, 1) == 0);
	EXPECT(dure_segment_close(own) == 0);
}

/* -- on a file --------------------------------------------------------------------------- */

static void use_file(struct worker *w)
{
	bool is_whole = dice(w, 2), shares = dice(w, 3) == 0;
	int64_t timeout = some_time(w);
	int r = dure_file_lock(w->file, is_whole ? 0 : 100, is_whole ? 0 : 10,
			       shares ? DURE_SHARED : DURE_EXCLUSIVE, timeout);

	EXPECT(r == 0 || is_no_luck(r, timeout));
	if (r < 0)
		return;
	if (!shares)
		alone(w, &all->of_file, true);
	EXPECT(dure_file_unlock(w->file, 0, 0) == 0);
}

/* -- any of them ------------------------------------------------------------------------- */

static void wait_for_any(struct worker *w)
{
	struct dure_wait_item items[] = {
		{ .object = &all->plain, .kind = DURE_WAIT_MUTEX },
		{ .object = &all->rwlock, .kind = DURE_WAIT_SHARED },
		{ .object = &all->pool, .kind = DURE_WAIT_UNITS, .units = 2 },
		{ .object = &all->automatic, .kind = DURE_WAIT_EVENT },
		{ .object = &all->latch, .kind = DURE_WAIT_LATCH },
		{ .object = &all->not_full, .kind = DURE_WAIT_CONDITION },
	};
	uint32_t first = (uint32_t)dice(w, 6), count = 1 + (uint32_t)dice(w, 6 - first);
	int r;

	EXPECT(dure_condition_prepare(seg, &all->not_full, &items[5].units) == 0);
	r = dice(w, 2) ? dure_wait_any(seg, &items[first], count, DURE_MS(2))
		       : dure_poll_look(w->poll, &items[first], count);
	EXPECT(r >= 0 || r == -ETIMEDOUT);
}

static void (*const deeds[])(struct worker *w) = {
	use_plain, use_spinlock, use_set, use_recursive, use_checked, use_rwlock, use_rwlock, use_seqlock, use_one, use_pool,
	use_buffer, use_events, use_latch, use_once, use_barrier, use_named, use_named_units, use_file,
	wait_for_any,
};

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void torture_work(struct torture *t, unsigned place, uint64_t seed)
{
	struct worker w = { .dice = seed | 1, .me = seed | 1 };

	(void)t;
	EXPECT(dure_segment_reattach(seg) == 0);
	EXPECT(dure_file_open(FILE_PATH, DURE_CREATE | DURE_OPEN, NULL, &w.file) >= 0);
	EXPECT(dure_poll_open(seg, &w.poll) == 0);
	for (;;) {
		int64_t start = now_ns();
		deeds[dice(&w, sizeof deeds / sizeof *deeds)](&w);
		uint64_t took = (uint64_t)(now_ns() - start);
		__atomic_fetch_add(&all->done[place], 1, __ATOMIC_RELAXED);
		if (took > load(&all->longest_ns[place]))
			store(&all->longest_ns[place], took);
	}
}

/* -- before and after -------------------------------------------------------------------- */

static void must(int result, const char *what)
{
	if (result >= 0)
		return;
	fprintf(stderr, "torture: %s: %s\n", what, dure_last_error());
	exit(99);
}

/* Those that are not the same after use. */
static void make_new(void)
{
	must(dure_barrier_init(seg, &all->barrier, 1), "barrier_init");
	must(dure_latch_init(seg, &all->latch, LATCH_START), "latch_init");
	memset(&all->once, 0, sizeof all->once);
	memset(all->once_words, 0, sizeof all->once_words);
}

static const uint32_t set_values[] = { 1, PLACES };

void torture_begin(struct torture *t)
{
	struct dure_segment_options o = { .sz = sizeof o, .size_bytes = 4 << 20 };
	struct value v = { 0, ~UINT64_C(0) };
	struct dure_semset_options set = { .sz = sizeof set, .semaphores = 2, .processes = PLACES,
					   .values = set_values };

	memset(t, 0, sizeof *t);
	dure_segment_remove(TORTURE_SEGMENT, DURE_REMOVE_FORCE, NULL);
	dure_named_unlink(NAMED_MUTEX, DURE_REMOVE_FORCE, NULL);
	dure_named_unlink(NAMED_SEMAPHORE, DURE_REMOVE_FORCE, NULL);
	must(dure_segment_open(TORTURE_SEGMENT, DURE_CREATE, &o, &seg), "open");
	must(dure_object_construct(seg, "locks", dure_type_make("locks", sizeof *all, 8), 1, NULL, NULL,
				   (void **)&all), "construct");
	must(dure_mutex_init(seg, &all->recursive, DURE_MUTEX_RECURSIVE), "mutex_init");
	for (int i = 0; i < 2; i++)
		must(dure_mutex_init(seg, &all->checked[i], DURE_MUTEX_DEADLOCK_CHECK), "mutex_init");
	must(dure_rwlock_init(seg, &all->rwlock), "rwlock_init");
	must(dure_seqlock_init(seg, &all->seqlock, &v, sizeof v), "seqlock_init");
	must(dure_semaphore_init(seg, &all->one, 1), "semaphore_init");
	must(dure_semaphore_init(seg, &all->pool, POOL_UNITS), "semaphore_init");
	must(dure_semset_init(seg, the_set(), &set), "semset_init");
	must(dure_event_init(seg, &all->automatic, DURE_EVENT_AUTO_RESET), "event_init");
	make_new();
	t->seg = seg;
}

void torture_end(struct torture *t)
{
	must(dure_segment_close(t->seg), "close");
	must(dure_segment_remove(TORTURE_SEGMENT, 0, NULL), "remove");
	must(dure_named_unlink(NAMED_SEMAPHORE, 0, NULL), "unlink");
	dure_named_unlink(NAMED_MUTEX, 0, NULL);
	unlink(FILE_PATH);
}

static int wrong(const char *what, int result)
{
	fprintf(stderr, "torture: when all are dead, %s: %d: %s\n", what, result, dure_last_error());
	return -1;
}

static int judge_mutex(dure_segment *of, dure_mutex *mutex, const char *what)
{
	int r = dure_mutex_lock(of, mutex, 0);

	if (r == DURE_OWNER_DIED)
		r = dure_mutex_mark_consistent(of, mutex);
	return r < 0 || dure_mutex_unlock(of, mutex) < 0 ? wrong(what, r) : 0;
}

static int judge_units(const dure_semaphore *semaphore, uint32_t units, const char *what)
{
	struct dure_semaphore_info info = { .sz = sizeof info };
	int r = dure_semaphore_info(seg, semaphore, &info);

	return r < 0 || info.units != units || info.taken ? wrong(what, (int)info.units) : 0;
}

static int judge_spinlock(void)
{
	int r = dure_spinlock_lock(seg, &all->spinlock, 0);

	if (r == DURE_OWNER_DIED)
		r = dure_spinlock_mark_consistent(seg, &all->spinlock);
	return r < 0 || dure_spinlock_unlock(seg, &all->spinlock) < 0 ? wrong("the spinlock", r) : 0;
}

static int judge_set(void)
{
	uint32_t values[2] = { 0 };
	int r = dure_semset_get_all(seg, the_set(), values, 2);

	if (r < 0 || values[0] != set_values[0])
		return wrong("the set's first semaphore", r < 0 ? r : (int)values[0]);
	return values[1] != set_values[1] ? wrong("the set's second", (int)values[1]) : 0;
}

static int judge_rwlock(void)
{
	int r = dure_rwlock_lock(seg, &all->rwlock, DURE_EXCLUSIVE, 0);

	if (r == DURE_OWNER_DIED)
		r = dure_rwlock_mark_consistent(seg, &all->rwlock);
	return r < 0 || dure_rwlock_unlock(seg, &all->rwlock) < 0 ? wrong("the rwlock", r) : 0;
}

static int judge_file(void)
{
	dure_file *file;
	int r;

	must(dure_file_open(FILE_PATH, DURE_CREATE | DURE_OPEN, NULL, &file), "file_open");
	r = dure_file_lock(file, 0, 0, DURE_EXCLUSIVE, 0);
	must(dure_file_close(file), "file_close");
	return r < 0 ? wrong("the file lock", r) : 0;
}

static int judge_named(void)
{
	dure_segment *own;
	void *lock;
	int r = 0;

	must(dure_named_open(DURE_NAMED_MUTEX, NAMED_MUTEX, DURE_CREATE | DURE_OPEN, NULL, &own, &lock),
	     "named_open");
	must(dure_segment_recover(own), "recover");
	r = judge_mutex(own, lock, "the named mutex");
	if (r == 0 && dure_segment_check(own, NULL, NULL, NULL) != 0)
		r = wrong("the named mutex' segment", -EUCLEAN);
	must(dure_segment_close(own), "close");
	return r;
}

static void show_finding(const struct dure_finding *f, void *context)
{
	(void)context;
	fprintf(stderr, "torture: [%s] %s\n", f->rule, f->text);
}

int torture_judge(struct torture *t)
{
	struct { dure_mutex *mutex; const char *name; } mutexes[] = {
		{ &all->plain, "the plain mutex" }, { &all->recursive, "the recursive mutex" },
		{ &all->checked[0], "a checking mutex" }, { &all->checked[1], "a checking mutex" },
		{ &all->buffer_lock, "the buffer's mutex" },
	};
	struct dure_check sums = { .sz = sizeof sums };

	must(dure_segment_recover(t->seg), "recover");
	if (dure_segment_check(t->seg, &sums, show_finding, NULL) != 0)
		return -1;
	if (sums.reserved_blocks)
		return wrong("blocks of the dead", (int)sums.reserved_blocks);
	for (size_t i = 0; i < sizeof mutexes / sizeof *mutexes; i++)
		if (judge_mutex(seg, mutexes[i].mutex, mutexes[i].name) < 0)
			return -1;
	if (judge_units(&all->one, 1, "the one unit") < 0 ||
	    judge_units(&all->pool, POOL_UNITS, "units of the pool") < 0 || judge_spinlock() < 0 ||
	    judge_set() < 0 || judge_rwlock() < 0 ||
	    judge_file() < 0 || judge_named() < 0)
		return -1;
	make_new();
	must(dure_thread_detach(t->seg), "detach");
	return 0;
}

uint64_t torture_progress(const struct torture *t)
{
	uint64_t sum = 0;

	(void)t;
	for (int i = 0; i < PLACES; i++)
		sum += load(&all->done[i]);
	return sum;
}

uint64_t torture_longest_ns(const struct torture *t)
{
	uint64_t longest = 0;

	(void)t;
	for (int i = 0; i < PLACES; i++)
		longest = load(&all->longest_ns[i]) > longest ? load(&all->longest_ns[i]) : longest;
	return longest;
}

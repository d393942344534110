/* SPDX-License-Identifier: MIT */
/*
 * Description: a scope gives its locks back on every way out; the same text as C and as C++.
 *
 * No cmocka here: its header is C. Each way out is tried with each kind of lock; that the lock
 * is free, or held, is asked by a second thread or a second dure_file.
 */
#include <dure.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK(condition)                                                                          \
	do {                                                                                      \
		if (!(condition)) {                                                               \
			fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition,        \
				dure_last_error());                                               \
			exit(1);                                                                  \
		}                                                                                 \
	} while (0)

struct root {
	dure_mutex mutex;
	dure_rwlock rwlock;
	dure_semaphore semaphore;
	dure_spinlock spinlock;
};

static dure_segment *seg;
static struct root *root;
static dure_file *file, *judge;

enum kind { MUTEX, SPINLOCK, RWLOCK, SEMAPHORE, FILE_RANGE, KINDS };

static dure_guard take(enum kind kind, int64_t timeout_ns)
{
	switch (kind) {
	case MUTEX:
		return dure_guard_mutex(seg, &root->mutex, timeout_ns);
	case SPINLOCK:
		return dure_guard_spinlock(seg, &root->spinlock, timeout_ns);
	case RWLOCK:
		return dure_guard_rwlock(seg, &root->rwlock, DURE_EXCLUSIVE, timeout_ns);
	case SEMAPHORE:
		return dure_guard_semaphore(seg, &root->semaphore, 2, timeout_ns);
	default:
		return dure_guard_file(file, 3, 4, DURE_EXCLUSIVE, timeout_ns);
	}
}

/* -- is it free? ---------------------------------------------------------------------------- */

struct question {
	enum kind kind;
	int result;
};

static void *ask(void *context)
{
	struct question *q = (struct question *)context;

	if (q->kind == FILE_RANGE) {
		q->result = dure_file_lock(judge, 0, 0, DURE_EXCLUSIVE, 0);
		if (q->result >= 0)
			dure_file_unlock(judge, 0, 0);
		return NULL;
	}
	dure_guard guard = take(q->kind, 0);
	q->result = guard.result;
	if (guard.result >= 0 && dure_guard_unlock(&guard) < 0)
		q->result = -1;
	return NULL;
}

static int is_free(enum kind kind)
{
	struct question q;
	pthread_t thread;

	q.kind = kind;
	q.result = -1;
	CHECK(pthread_create(&thread, NULL, ask, &q) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK(q.result == 0 || q.result == -EAGAIN);
	return q.result == 0;
}

/* -- ways out ------------------------------------------------------------------------------- */

static int by_return(enum kind kind, int which)
{
	DURE_SCOPED(held, take(kind, 0));

	CHECK(held.result == 0);
	if (which == 0)
		return is_free(kind);		/* what is returned is computed before leaving */
	if (which == 1)
		return 10 + is_free(kind);
	return 20 + is_free(kind);
}

static void by_brace(enum kind kind)
{
	{
		DURE_SCOPED(held, take(kind, DURE_FOREVER));
		CHECK(held.result == 0 && !is_free(kind));
	}
	CHECK(is_free(kind));
}

static void by_break_and_continue(enum kind kind)
{
	for (int i = 0; i < 4; i++) {
		CHECK(is_free(kind));
		DURE_SCOPED(held, take(kind, DURE_S(1)));
		CHECK(held.result == 0 && !is_free(kind));
		if (i == 2)
			break;
		if (i == 1)
			continue;
	}
	CHECK(is_free(kind));
}

static void by_goto(enum kind kind)
{
	int rounds = 0;

again:
	CHECK(is_free(kind));
	{
		DURE_SCOPED(held, take(kind, 0));
		CHECK(held.result == 0);
		if (rounds++ < 3)
			goto again;
	}
	CHECK(is_free(kind) && rounds == 4);
}

static void early_release(enum kind kind)
{
	DURE_SCOPED(held, take(kind, 0));

	CHECK(dure_guard_unlock(&held) == 0);
	CHECK(is_free(kind));
	CHECK(dure_guard_unlock(&held) == -EPERM);
	CHECK(is_free(kind));
}

/* the lock outlives the function that took it */
static dure_guard hand_out(enum kind kind)
{
	DURE_SCOPED(held, take(kind, 0));

	CHECK(held.result == 0);
	return dure_guard_move(&held);
}

static void transfer(enum kind kind)
{
	{
		DURE_SCOPED(held, hand_out(kind));
		CHECK(held.result == 0 && !is_free(kind));
		{
			DURE_SCOPED(inner, dure_guard_move(&held));
			CHECK(!is_free(kind));
			CHECK(dure_guard_unlock(&held) == -EPERM);
			(void)inner;
		}
		CHECK(is_free(kind));		/* the inner one gave it back, not the outer */
	}
	CHECK(is_free(kind));
}

static void keep(enum kind kind)
{
	dure_guard by_hand;

	{
		DURE_SCOPED(held, take(kind, 0));
		by_hand = held;
		dure_guard_keep(&held);
	}
	CHECK(!is_free(kind));
	CHECK(dure_guard_unlock(&by_hand) == 0);
	CHECK(is_free(kind));
}

/* -- results -------------------------------------------------------------------------------- */

static void *hold(void *context)
{
	int *fds = (int *)context;
	char c;
	DURE_SCOPED(mutex, take(MUTEX, 0));
	DURE_SCOPED(spinlock, take(SPINLOCK, 0));
	DURE_SCOPED(rwlock, take(RWLOCK, 0));
	DURE_SCOPED(semaphore, take(SEMAPHORE, 0));

	CHECK(mutex.result == 0 && spinlock.result == 0 && rwlock.result == 0 && semaphore.result == 0);
	CHECK(write(fds[1], "x", 1) == 1);
	CHECK(read(fds[2], &c, 1) == 1);
	return NULL;
}

/* A failed lock has its result, holds nothing, and gives nothing back. */
static void failures_are_seen(void)
{
	int fds[4];
	pthread_t thread;
	char c;

	CHECK(pipe(fds) == 0 && pipe(fds + 2) == 0);
	CHECK(pthread_create(&thread, NULL, hold, fds) == 0);
	CHECK(read(fds[0], &c, 1) == 1);
	CHECK(dure_file_lock(judge, 0, 0, DURE_SHARED, 0) == 0);
	for (int kind = 0; kind < KINDS; kind++) {
		DURE_SCOPED(tried, take((enum kind)kind, 0));
		DURE_SCOPED(waited, take((enum kind)kind, DURE_MS(5)));
		CHECK(tried.result == -EAGAIN && waited.result == -ETIMEDOUT);
		CHECK(dure_guard_unlock(&tried) == -EPERM);
	}
	for (int kind = 0; kind < FILE_RANGE; kind++)
		CHECK(!is_free((enum kind)kind));
	CHECK(write(fds[3], "x", 1) == 1);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK(dure_file_unlock(judge, 0, 0) == 0);
	for (int kind = 0; kind < KINDS; kind++)
		CHECK(is_free((enum kind)kind));
	for (int i = 0; i < 4; i++)
		close(fds[i]);
}

static void *lock_and_end(void *context)
{
	(void)context;
	CHECK(dure_mutex_lock(seg, &root->mutex, 0) == 0);
	return NULL;
}

static void a_dead_owner_is_told(void)
{
	pthread_t thread;

	CHECK(pthread_create(&thread, NULL, lock_and_end, NULL) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
	{
		DURE_SCOPED_LOCK(held, seg, &root->mutex, DURE_S(10));
		CHECK(held.result == DURE_OWNER_DIED);
		CHECK(dure_mutex_mark_consistent(seg, &root->mutex) == 0);
	}
	CHECK(is_free(MUTEX));
}

/* What changes the mode meanwhile changes nothing for the guard. */
static void modes_may_change(void)
{
	{
		DURE_SCOPED(reading, dure_guard_rwlock(seg, &root->rwlock, DURE_UPGRADABLE, 0));
		CHECK(reading.result == 0);
		CHECK(dure_rwlock_change(seg, &root->rwlock, DURE_EXCLUSIVE, 0) == 0);
	}
	CHECK(is_free(RWLOCK));
	{
		DURE_SCOPED(reading, dure_guard_file(file, 0, 0, DURE_SHARED, 0));
		CHECK(reading.result == 0);
		CHECK(dure_file_lock(file, 10, 5, DURE_EXCLUSIVE, 0) == 0);
	}
	CHECK(is_free(FILE_RANGE));
}

#if defined(__cplusplus)

static dure::guard made(enum kind kind)
{
	return dure::guard(take(kind, 0));
}

static void throw_while_held(enum kind kind)
{
	DURE_SCOPED(held, take(kind, 0));

	CHECK(held.holds());
	throw 1;
}

static void in_cpp(enum kind kind)
{
	bool caught = false;

	try {
		throw_while_held(kind);
	} catch (int) {
		caught = true;
	}
	CHECK(caught && is_free(kind));
	{
		dure::guard first = made(kind);
		CHECK(first.holds() && !is_free(kind));
		dure::guard second(static_cast<dure::guard &&>(first));
		CHECK(second.holds() && !first.holds() && !is_free(kind));
		first = static_cast<dure::guard &&>(second);
		CHECK(first.holds() && !second.holds() && !is_free(kind));
		first = dure::guard(dure_guard{});	/* what it had is given back */
		CHECK(!first.holds() && is_free(kind));
	}
	CHECK(is_free(kind));
}

#else

static void in_cpp(enum kind kind)
{
	(void)kind;
}

#endif

int main(void)
{
	struct dure_segment_options options;
	char path[64];

	memset(&options, 0, sizeof options);
	options.sz = sizeof options;
	options.backing = DURE_BACKING_PRIVATE;
	options.size_bytes = 1 << 20;
	CHECK(dure_segment_open(NULL, DURE_CREATE, &options, &seg) == DURE_CREATED);
	CHECK(dure_object_construct(seg, "root", DURE_TYPE(struct root), 1, NULL, NULL,
				    (void **)&root) >= 0);
	CHECK(dure_semaphore_init(seg, &root->semaphore, 3) == 0);
	snprintf(path, sizeof path, "/dev/shm/test-%d.scoped", (int)getpid());
	CHECK(dure_file_open(path, DURE_CREATE, NULL, &file) == DURE_CREATED);
	CHECK(dure_file_open(path, DURE_OPEN, NULL, &judge) == 0);
	for (int i = 0; i < KINDS; i++) {
		enum kind kind = (enum kind)i;
		for (int which = 0; which < 3; which++) {
			CHECK(by_return(kind, which) == 10 * which);
			CHECK(is_free(kind));
		}
		by_brace(kind);
		by_break_and_continue(kind);
		by_goto(kind);
		early_release(kind);
		transfer(kind);
		keep(kind);
		in_cpp(kind);
	}
	failures_are_seen();
	a_dead_owner_is_told();
	modes_may_change();
	CHECK(unlink(path) == 0);
	CHECK(dure_file_close(file) == 0 && dure_file_close(judge) == 0);
	CHECK(dure_segment_close(seg) == 0);
	return 0;
}

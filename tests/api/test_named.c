/* SPDX-License-Identifier: MIT */
/* Description: locks by name: one creator, never half made, one holder, whoever dies. */
#include <sys/ptrace.h>

#include "../t.h"

static const char *name;	/* of this test run's own */

static int setup(void **state)
{
	(void)state;
	name = t_name();
	return 0;
}

static int remove_lock(void **state)
{
	(void)state;
	dure_named_unlink(name, DURE_REMOVE_FORCE, NULL);
	return 0;
}

/* each can be taken once */
static const uint32_t set_values[] = { 1, 1 };
static const struct dure_semset_options set_options = {
	.sz = sizeof set_options, .semaphores = 2, .processes = 4, .values = set_values,
};

static struct dure_named_options with_value(uint32_t value)
{
	return (struct dure_named_options){ .sz = sizeof(struct dure_named_options), .value = value };
}

static int open_lock(enum dure_named_kind kind, uint32_t flags, uint32_t value, dure_segment **ret,
		     void *ret_lock)
{
	struct dure_named_options o = with_value(value);
	void *lock = NULL;

	o.set = kind == DURE_NAMED_SEMSET ? &set_options : NULL;
	int r = dure_named_open(kind, name, flags, &o, ret, &lock);

	*(void **)ret_lock = lock;
	return r;
}

/* -- every kind -------------------------------------------------------------------------- */

static int use_mutex(dure_segment *seg, void *lock)
{
	int r = dure_mutex_lock(seg, lock, 0);

	return r < 0 ? r : dure_mutex_unlock(seg, lock);
}

static int use_rwlock(dure_segment *seg, void *lock)
{
	int r = dure_rwlock_lock(seg, lock, DURE_SHARED, 0);

	return r < 0 ? r : dure_rwlock_unlock(seg, lock);
}

/* two units from the beginning */
static int use_semaphore(dure_segment *seg, void *lock)
{
	int r = dure_semaphore_take(seg, lock, 2, 0, 0);

	return r < 0 ? r : dure_semaphore_post(seg, lock, 2);
}

static int use_condition(dure_segment *seg, void *lock)
{
	struct dure_named_condition *c = lock;
	int r = dure_mutex_lock(seg, &c->mutex, 0);

	if (r == 0)
		r = dure_condition_wait(seg, &c->condition, &c->mutex, 0);
	return r == -ETIMEDOUT ? dure_mutex_unlock(seg, &c->mutex) : -EIO;
}

static int use_event(dure_segment *seg, void *lock)
{
	int r = dure_event_set(seg, lock);

	return r < 0 ? r : dure_event_wait(seg, lock, 0, NULL);
}

/* two are to come */
static int use_latch(dure_segment *seg, void *lock)
{
	return dure_latch_wait(seg, lock, 0) == -EAGAIN && dure_latch_down(seg, lock, 1) >= 0 ? 0 : -EIO;
}

static int use_once(dure_segment *seg, void *lock)
{
	int r = dure_once_begin(seg, lock, 0);

	return r <= 0 ? r : dure_once_end(seg, lock);
}

/* for two members: the first of them waits */
static int use_barrier(dure_segment *seg, void *lock)
{
	int r = dure_barrier_join(seg, lock);

	if (r < 0)
		return r;
	r = dure_barrier_wait(seg, lock, 0);
	return dure_barrier_leave(seg, lock) < 0 ? -EIO : r == -EAGAIN || r == 0 ? 0 : r;
}

static int use_spinlock(dure_segment *seg, void *lock)
{
	int r = dure_spinlock_lock(seg, lock, 0);

	return r < 0 ? r : dure_spinlock_unlock(seg, lock);
}

/* two bytes */
static int use_seqlock(dure_segment *seg, void *lock)
{
	char value[2];

	return dure_seqlock_read(seg, lock, value, sizeof value);
}

static int use_semset(dure_segment *seg, void *lock)
{
	struct dure_semset_operation both[] = { { 0, -1, 0 }, { 1, -1, 0 } };
	int r = dure_semset_operate(seg, lock, both, 2, 0);

	both[0].change = both[1].change = 1;
	return r < 0 ? r : dure_semset_operate(seg, lock, both, 2, 0);
}

static const struct {
	enum dure_named_kind kind;
	uint32_t value;
	int (*use)(dure_segment *seg, void *lock);
} kinds[] = {
	{ DURE_NAMED_MUTEX, 0, use_mutex },	    { DURE_NAMED_RWLOCK, 0, use_rwlock },
	{ DURE_NAMED_SEMAPHORE, 2, use_semaphore }, { DURE_NAMED_CONDITION, 0, use_condition },
	{ DURE_NAMED_EVENT, 0, use_event },	    { DURE_NAMED_LATCH, 2, use_latch },
	{ DURE_NAMED_ONCE, 0, use_once },	    { DURE_NAMED_BARRIER, 2, use_barrier },
	{ DURE_NAMED_SPINLOCK, 0, use_spinlock },   { DURE_NAMED_SEQLOCK, 2, use_seqlock },
	{ DURE_NAMED_SEMSET, 0, use_semset },
};

enum { KINDS = sizeof kinds / sizeof *kinds };

static void every_kind_is_found_and_works(void **state)
{
	dure_segment *seg;
	void *lock;

	(void)state;
	for (int i = 0; i < KINDS; i++) {
		T_IS(open_lock(kinds[i].kind, DURE_OPEN, kinds[i].value, &seg, &lock), -ENOENT);
		T_IS(open_lock(kinds[i].kind, DURE_CREATE | DURE_OPEN, kinds[i].value, &seg, &lock),
		     DURE_CREATED);
		T_OK(kinds[i].use(seg, lock));
		pid_t pid = t_fork();
		if (pid == 0) {
			T_IN_CHILD(open_lock(kinds[i].kind, DURE_OPEN, kinds[i].value, &seg, &lock) == 0);
			T_IN_CHILD(kinds[i].use(seg, lock) == 0);
			_exit(0);
		}
		t_join(pid);
		T_OK(dure_segment_recover(seg));
		t_clean(seg);
		T_OK(dure_segment_close(seg));
		T_FAILS(open_lock(kinds[i].kind, DURE_CREATE, kinds[i].value, &seg, &lock), -EEXIST,
			"exists");
		T_FAILS(open_lock(kinds[(i + 1) % KINDS].kind, DURE_OPEN, 0, &seg, &lock), -EINVAL, "not a");
		T_OK(dure_named_unlink(name, 0, NULL));
	}
	T_IS(dure_named_unlink(name, 0, NULL), -ENOENT);
}

static void a_set_is_as_large_as_it_is_to_be(void **state)
{
	struct dure_semset_options large = { .sz = sizeof large, .semaphores = 1024, .processes = 64 };
	struct dure_named_options o = { .sz = sizeof o, .set = &large };
	struct dure_semset_operation last = { 1023, 1, 0 };
	dure_segment *seg;
	void *lock;

	(void)state;
	T_IS(dure_named_open(DURE_NAMED_SEMSET, name, DURE_CREATE, &o, &seg, &lock), DURE_CREATED);
	T_OK(dure_semset_operate(seg, lock, &last, 1, 0));
	T_OK(dure_segment_close(seg));
	o.set = &set_options;		/* is for who makes it */
	T_IS(dure_named_open(DURE_NAMED_SEMSET, name, DURE_CREATE | DURE_OPEN, &o, &seg, &lock), 0);
	last.change = -1;
	T_OK(dure_semset_operate(seg, lock, &last, 1, 0));
	T_OK(dure_segment_close(seg));
	T_OK(dure_named_unlink(name, 0, NULL));
}

/* -- creation ---------------------------------------------------------------------------- */

enum { RACERS = 6, ROUNDS = 40 };

/* Two units of two from the first moment, whoever made it. */
static void race_to_create(int result)
{
	dure_semaphore *semaphore;
	dure_segment *seg;
	int r = open_lock(DURE_NAMED_SEMAPHORE, DURE_CREATE | DURE_OPEN, RACERS, &seg, &semaphore);

	T_IN_CHILD(r >= 0);
	T_IN_CHILD(dure_semaphore_take(seg, semaphore, 1, DURE_TAKE_FOR_GOOD, 0) == 0);
	if (r == DURE_CREATED)
		T_IN_CHILD(write(result, "x", 1) == 1);
	_exit(0);
}

static void exactly_one_creates(void **state)
{
	char made[RACERS + 1];
	int result[2];

	(void)state;
	assert_int_equal(pipe(result), 0);
	for (int round = 0; round < ROUNDS; round++) {
		pid_t pids[RACERS];
		for (int i = 0; i < RACERS; i++) {
			pids[i] = t_fork();
			if (pids[i] == 0)
				race_to_create(result[1]);
		}
		for (int i = 0; i < RACERS; i++)
			t_join(pids[i]);
		assert_int_equal(read(result[0], made, sizeof made), 1);
		T_OK(dure_named_unlink(name, 0, NULL));
	}
	close(result[0]);
	close(result[1]);
}

static void modes_are_exact(void **state)
{
	struct dure_named_options o = { .sz = sizeof o, .mode = 0666 };
	char path[128];
	struct stat st;
	dure_segment *seg;
	void *lock;

	(void)state;
	mode_t before = umask(0077);
	T_IS(dure_named_open(DURE_NAMED_MUTEX, name, DURE_CREATE, &o, &seg, &lock), DURE_CREATED);
	umask(before);
	snprintf(path, sizeof path, "/dev/shm/dure.lock.%s", name);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0666);
	T_OK(dure_segment_close(seg));
}

static void lifetimes_are_kept(void **state)
{
	struct dure_named_options process = { .sz = sizeof process,
					      .lifetime = DURE_LIFETIME_PROCESS };
	struct dure_named_options file = { .sz = sizeof file, .lifetime = DURE_LIFETIME_FILESYSTEM };
	struct dure_segment_options plain = { .sz = sizeof plain, .backing = DURE_BACKING_FILE };
	char path[64];
	dure_segment *seg;
	void *lock;

	(void)state;
	T_IS(dure_named_open(DURE_NAMED_RWLOCK, name, DURE_CREATE, &process, &seg, &lock), DURE_CREATED);
	T_OK(use_rwlock(seg, lock));
	T_OK(dure_segment_close(seg));		/* the last user */
	T_IS(open_lock(DURE_NAMED_RWLOCK, DURE_OPEN, 0, &seg, &lock), -ENOENT);

	snprintf(path, sizeof path, "/tmp/%s", name);
	T_IS(dure_named_open(DURE_NAMED_MUTEX, path, DURE_CREATE, &file, &seg, &lock), DURE_CREATED);
	T_OK(use_mutex(seg, lock));
	T_FAILS(dure_named_unlink(path, 0, &file), -EBUSY, "open in");
	T_OK(dure_segment_close(seg));
	T_OK(dure_named_open(DURE_NAMED_MUTEX, path, DURE_OPEN, &file, &seg, &lock));
	T_OK(dure_segment_close(seg));
	T_OK(dure_named_unlink(path, 0, &file));
	assert_int_equal(access(path, F_OK), -1);

	/* a segment that is no lock is neither taken for one nor removed */
	T_IS(dure_segment_open(path, DURE_CREATE, &plain, &seg), DURE_CREATED);
	T_OK(dure_segment_close(seg));
	T_FAILS(dure_named_open(DURE_NAMED_MUTEX, path, DURE_OPEN, &file, &seg, &lock), -EPROTO,
		"no named lock");
	T_FAILS(dure_named_unlink(path, DURE_REMOVE_FORCE, &file), -EPROTO, "no named lock");
	T_OK(dure_segment_remove(path, 0, &plain));
}

static void misuse_is_refused(void **state)
{
	struct dure_named_options o = { .sz = sizeof o, .flags = 0x80 };
	dure_segment *seg = NULL;
	char longest[256];
	void *lock = NULL;

	(void)state;
	T_FAILS(dure_named_open(0, name, DURE_CREATE, NULL, &seg, &lock), -EINVAL, "none of");
	T_FAILS(dure_named_open(12, name, DURE_CREATE, NULL, &seg, &lock), -EINVAL, "none of");
	T_FAILS(dure_named_open(DURE_NAMED_MUTEX, NULL, DURE_CREATE, NULL, &seg, &lock), -EINVAL, "name");
	T_FAILS(dure_named_open(DURE_NAMED_MUTEX, "a/b", DURE_CREATE, NULL, &seg, &lock), -EINVAL,
		"characters");
	T_FAILS(dure_named_open(DURE_NAMED_MUTEX, name, 0, NULL, &seg, &lock), -EINVAL, "DURE_CREATE");
	T_FAILS(dure_named_open(DURE_NAMED_MUTEX, name, DURE_OPEN | DURE_COPY_ON_WRITE, NULL, &seg, &lock),
		-EINVAL, "private view");
	T_FAILS(dure_named_open(DURE_NAMED_RWLOCK, name, DURE_CREATE, &o, &seg, &lock), -EINVAL,
		"no flags");
	T_IS(dure_named_open(DURE_NAMED_MUTEX, name, DURE_CREATE, &o, &seg, &lock), -EINVAL);
	T_FAILS(open_lock(DURE_NAMED_ONCE, DURE_CREATE, 1, &seg, &lock), -EINVAL, "no value");
	T_IS(open_lock(DURE_NAMED_BARRIER, DURE_CREATE, 0, &seg, &lock), -EINVAL);
	T_IS(open_lock(DURE_NAMED_SEQLOCK, DURE_CREATE, 0, &seg, &lock), -EINVAL);
	T_IS(open_lock(DURE_NAMED_SEQLOCK, DURE_CREATE, UINT32_MAX, &seg, &lock), -EINVAL);
	o = (struct dure_named_options){ .sz = sizeof o };
	T_FAILS(dure_named_open(DURE_NAMED_SEMSET, name, DURE_CREATE, &o, &seg, &lock), -EINVAL, "1 to 1024");
	o.set = &set_options;
	T_FAILS(dure_named_open(DURE_NAMED_MUTEX, name, DURE_CREATE, &o, &seg, &lock), -EINVAL, "no set");
	T_IS(open_lock(DURE_NAMED_SEMAPHORE, DURE_CREATE, 0x40000000, &seg, &lock), -EINVAL);
	memset(longest, 'x', sizeof longest);
	longest[191] = '\0';
	T_FAILS(dure_named_open(DURE_NAMED_MUTEX, longest, DURE_CREATE, NULL, &seg, &lock), -EINVAL,
		"191 bytes");
	T_FAILS(dure_named_unlink(name, 8, NULL), -EINVAL, "flags");
	T_IS(dure_named_unlink(name, 0, NULL), -ENOENT);	/* nothing was left by all that */
	assert_null(lock);
}

/* -- deaths ------------------------------------------------------------------------------ */

/* A child that has it, and is there to be killed. */
static pid_t start_holder(enum dure_named_kind kind, uint32_t value)
{
	dure_segment *seg;
	int gate[2];
	void *lock;

	assert_int_equal(pipe(gate), 0);
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(open_lock(kind, DURE_CREATE | DURE_OPEN, value, &seg, &lock) >= 0);
		T_IN_CHILD((kind == DURE_NAMED_MUTEX ? dure_mutex_lock(seg, lock, 0)
						     : dure_semaphore_take(seg, lock, value, 0, 0)) == 0);
		t_signal(gate[1]);
		for (;;)
			pause();
	}
	t_await(gate[0]);
	close(gate[0]);
	close(gate[1]);
	return pid;
}

static void the_dead_are_survived(void **state)
{
	dure_segment *seg;
	void *lock;

	(void)state;
	pid_t pid = start_holder(DURE_NAMED_MUTEX, 0);
	T_IS(open_lock(DURE_NAMED_MUTEX, DURE_OPEN, 0, &seg, &lock), 0);
	T_IS(dure_mutex_lock(seg, lock, 0), -EAGAIN);
	kill(pid, SIGSTOP);
	T_IS(dure_mutex_lock(seg, lock, DURE_MS(50)), -ETIMEDOUT);
	t_kill(pid);
	T_IS(dure_mutex_lock(seg, lock, DURE_S(10)), DURE_OWNER_DIED);
	T_OK(dure_mutex_mark_consistent(seg, lock));
	T_OK(dure_mutex_unlock(seg, lock));
	T_OK(dure_segment_close(seg));
	T_OK(dure_named_unlink(name, 0, NULL));

	pid = start_holder(DURE_NAMED_SEMAPHORE, 2);
	T_IS(open_lock(DURE_NAMED_SEMAPHORE, DURE_OPEN, 0, &seg, &lock), 0);
	T_IS(dure_semaphore_take(seg, lock, 1, 0, 0), -EAGAIN);
	t_kill(pid);
	T_OK(dure_semaphore_take(seg, lock, 2, 0, DURE_S(10)));
	T_OK(dure_semaphore_post(seg, lock, 2));
	T_OK(dure_segment_close(seg));
}

static void what_is_open_is_not_unlinked(void **state)
{
	dure_segment *old, *seg;
	void *old_lock, *lock;
	char process[32];

	(void)state;
	pid_t pid = start_holder(DURE_NAMED_MUTEX, 0);
	snprintf(process, sizeof process, "process %d", (int)pid);
	T_FAILS(dure_named_unlink(name, 0, NULL), -EBUSY, process);
	kill(pid, SIGSTOP);
	T_FAILS(dure_named_unlink(name, 0, NULL), -EBUSY, "DURE_REMOVE_FORCE");
	t_kill(pid);
	T_OK(dure_named_unlink(name, 0, NULL));

	T_IS(open_lock(DURE_NAMED_MUTEX, DURE_CREATE, 0, &old, &old_lock), DURE_CREATED);
	T_OK(dure_mutex_lock(old, old_lock, 0));
	T_OK(dure_named_unlink(name, DURE_REMOVE_FORCE, NULL));
	T_OK(dure_mutex_unlock(old, old_lock));		/* the old one works on */
	T_IS(open_lock(DURE_NAMED_MUTEX, DURE_OPEN, 0, &seg, &lock), -ENOENT);
	T_IS(open_lock(DURE_NAMED_MUTEX, DURE_CREATE, 0, &seg, &lock), DURE_CREATED);
	T_OK(dure_segment_close(old));
	T_OK(dure_segment_close(seg));
}

/* -- unlinking while somebody opens ------------------------------------------------------ */

enum { OPENED = 10, MADE = 11, NOT_THERE = 12, STOPS_MAX = 5000 };

static pid_t start_opener(uint32_t flags)
{
	dure_segment *seg;
	void *lock;
	pid_t pid = t_fork();

	if (pid)
		return pid;
	T_IN_CHILD(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
	raise(SIGSTOP);
	int r = open_lock(DURE_NAMED_MUTEX, flags, 0, &seg, &lock);
	if (r >= 0)
		r = dure_mutex_lock(seg, lock, 0) < 0 ? -EIO : r;
	_exit(r == 0 ? OPENED : r == DURE_CREATED ? MADE : r == -ENOENT ? NOT_THERE : 1);
}

/* Lets it go on to its stop with that number. False: it has ended before. */
static bool goes_to(pid_t pid, int number, int *ret_status)
{
	assert_int_equal(waitpid(pid, ret_status, 0), pid);
	for (int i = 0; i < number && WIFSTOPPED(*ret_status); i++) {
		assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
		assert_int_equal(waitpid(pid, ret_status, 0), pid);
	}
	return WIFSTOPPED(*ret_status);
}

/* Unlinks at that stop of an opener: either it has the lock, or the name is gone. */
static bool unlink_at(uint32_t flags, int number)
{
	dure_segment *seg;
	int status, r;
	void *lock;

	T_IS(open_lock(DURE_NAMED_MUTEX, DURE_CREATE, 0, &seg, &lock), DURE_CREATED);
	T_OK(dure_segment_close(seg));
	pid_t pid = start_opener(flags);
	bool is_inside = goes_to(pid, number, &status);
	r = dure_named_unlink(name, 0, NULL);
	if (is_inside) {
		assert_int_equal(ptrace(PTRACE_DETACH, pid, NULL, NULL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
	}
	assert_true(WIFEXITED(status));
	if (is_inside && r == 0 && WEXITSTATUS(status) == OPENED)
		fail_msg("stop %d: unlinked, and opened all the same", number);
	if (r == -EBUSY)
		assert_int_equal(WEXITSTATUS(status), OPENED);
	else if (is_inside)
		assert_int_equal(WEXITSTATUS(status), flags & DURE_CREATE ? MADE : NOT_THERE);
	dure_named_unlink(name, DURE_REMOVE_FORCE, NULL);
	return is_inside;
}

static void who_opens_what_is_unlinked_is_told(void **state)
{
	const uint32_t ways[] = { DURE_OPEN, DURE_CREATE | DURE_OPEN };
	int stops = 0;

	(void)state;
	for (int i = 0; i < 2; i++)
		for (stops = 0; stops < STOPS_MAX && unlink_at(ways[i], stops); stops++)
			;
	print_message("unlinked at %d system calls\n", stops);
	assert_true(stops > 20 && stops < STOPS_MAX);
}

/* -- what it costs ----------------------------------------------------------------------- */

static void it_is_small(void **state)
{
	dure_segment *seg, *again;
	char path[128];
	struct stat st;
	void *lock;

	(void)state;
	T_IS(open_lock(DURE_NAMED_MUTEX, DURE_CREATE, 0, &seg, &lock), DURE_CREATED);
	T_OK(use_mutex(seg, lock));
	snprintf(path, sizeof path, "/dev/shm/dure.lock.%s", name);
	assert_int_equal(stat(path, &st), 0);
	int64_t start = t_now_ns(), opens = 500;
	for (int64_t i = 0; i < opens; i++) {
		T_OK(open_lock(DURE_NAMED_MUTEX, DURE_OPEN, 0, &again, &lock));
		T_OK(dure_segment_close(again));
	}
	print_message("%ld KiB of memory, open and close %.1f us\n", (long)st.st_blocks / 2,
		      (double)(t_now_ns() - start) / (double)opens / 1000);
	assert_true(st.st_blocks / 2 <= 64);
	T_OK(dure_segment_close(seg));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(every_kind_is_found_and_works, remove_lock),
		cmocka_unit_test_teardown(a_set_is_as_large_as_it_is_to_be, remove_lock),
		cmocka_unit_test_teardown(exactly_one_creates, remove_lock),
		cmocka_unit_test_teardown(modes_are_exact, remove_lock),
		cmocka_unit_test_teardown(lifetimes_are_kept, remove_lock),
		cmocka_unit_test_teardown(misuse_is_refused, remove_lock),
		cmocka_unit_test_teardown(the_dead_are_survived, remove_lock),
		cmocka_unit_test_teardown(what_is_open_is_not_unlinked, remove_lock),
		cmocka_unit_test_teardown(who_opens_what_is_unlinked_is_told, remove_lock),
		cmocka_unit_test_teardown(it_is_small, remove_lock),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}

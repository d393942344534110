/* SPDX-License-Identifier: MIT */
/*
 * Description: a descriptor tells when something is ready, wherever the segment lies, whoever dies
 * and at whichever instruction; and costs nothing while nothing happens.
 */

#include <sys/epoll.h>
#include <sys/resource.h>

#include "../t.h"

enum { EVENTS = 40, PATIENCE_MS = 10000 };

struct root {
	dure_mutex mutex;
	dure_rwlock rwlock;
	dure_semaphore semaphore;
	dure_latch latch;
	dure_condition condition;
	dure_event events[EVENTS];
	uint64_t made, used;
};

#include "root.h"

static void open_segment(struct dure_segment_options *o, const char *name)
{
	T_IS(dure_segment_open(name, DURE_CREATE, o, &seg), DURE_CREATED);
	make_root();
	T_OK(dure_latch_init(seg, &root->latch, 1));
	T_OK(dure_rwlock_init(seg, &root->rwlock));
	T_OK(dure_semaphore_init(seg, &root->semaphore, 0));
	T_OK(dure_condition_init(seg, &root->condition));
	for (int i = 0; i < EVENTS; i++)
		T_OK(dure_event_init(seg, &root->events[i], 0));
}

static int setup(void **state)
{
	struct dure_segment_options o = t_options(1 << 20);

	(void)state;
	dure_segment_remove(t_name(), DURE_REMOVE_FORCE, NULL);
	open_segment(&o, t_name());
	return 0;
}

static bool is_readable(const dure_poll *poll_for, int timeout_ms)
{
	struct pollfd p = { .fd = dure_poll_fd(poll_for), .events = POLLIN };

	return poll(&p, 1, timeout_ms) == 1;
}

/* Looks until there is nothing, and nothing more is reported of what was before. */
static void make_quiet(dure_poll *poll_for, struct dure_wait_item *items, uint32_t count)
{
	do
		T_IS(dure_poll_look(poll_for, items, count), 0);
	while (is_readable(poll_for, 8));
}

/* As a program would; how many are ready in the end. */
static int await(dure_poll *poll_for, struct dure_wait_item *items, uint32_t count)
{
	int r;

	while ((r = dure_poll_look(poll_for, items, count)) == 0)
		assert_true(is_readable(poll_for, PATIENCE_MS));
	T_OK(r);
	return r;
}

/* A child that does something, and goes or hangs. */
static pid_t child(void (*what)(void), bool hangs)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_segment_reattach(seg) == 0);
		what();
		t_signal(fds[1]);
		while (hangs)
			pause();
		_exit(0);
	}
	t_await(fds[0]);
	close(fds[0]);
	close(fds[1]);
	return pid;
}

/* -- every kind, every backing ----------------------------------------------------------- */

static void set_event(void)
{
	T_IN_CHILD(dure_event_set(seg, &root->events[0]) == 0);
}

static void post_two(void)
{
	T_IN_CHILD(dure_semaphore_post(seg, &root->semaphore, 2) == 0);
}

static void count_down(void)
{
	T_IN_CHILD(dure_latch_down(seg, &root->latch, 1) == 0);
}

static void signal_condition(void)
{
	T_IN_CHILD(dure_condition_signal(seg, &root->condition) == 0);
}

static void each_kind_is_told(void)
{
	struct dure_wait_item items[] = {
		{ .object = &root->events[0], .kind = DURE_WAIT_EVENT },
		{ .object = &root->semaphore, .kind = DURE_WAIT_UNITS, .units = 2 },
		{ .object = &root->latch, .kind = DURE_WAIT_LATCH },
		{ .object = &root->condition, .kind = DURE_WAIT_CONDITION },
	};
	void (*const ways[])(void) = { set_event, post_two, count_down, signal_condition };
	dure_poll *poll_for;

	T_OK(dure_poll_open(seg, &poll_for));
	assert_true(is_readable(poll_for, PATIENCE_MS));	/* at first */
	for (uint32_t i = 0; i < sizeof items / sizeof *items; i++) {
		if (items[i].kind == DURE_WAIT_CONDITION)
			T_OK(dure_condition_prepare(seg, &root->condition, &items[i].units));
		make_quiet(poll_for, &items[i], 1);
		pid_t pid = child(ways[i], true);
		assert_true(is_readable(poll_for, PATIENCE_MS));
		assert_int_equal(await(poll_for, &items[i], 1), 1);
		assert_true(items[i].is_ready);
		/* how things are, not that they have changed */
		assert_true(is_readable(poll_for, PATIENCE_MS));
		T_IS(dure_poll_look(poll_for, &items[i], 1), 1);
		assert_true(is_readable(poll_for, PATIENCE_MS));
		t_kill(pid);
	}
	dure_poll_close(poll_for);
}

static void in_shared_memory(void **state)
{
	(void)state;
	each_kind_is_told();
}

static void on_backing(uint32_t backing, uint32_t lifetime, const char *name)
{
	dure_segment *old_seg = seg;
	struct root *old_root = root;
	struct dure_segment_options o = t_options(1 << 20);

	o.backing = backing;
	o.lifetime = lifetime;
	open_segment(&o, name);
	each_kind_is_told();
	T_OK(dure_segment_close(seg));
	seg = old_seg;
	root = old_root;
}

static void in_a_file(void **state)
{
	char path[] = "/tmp/dure-test-poll-XXXXXX";
	char name[sizeof path + 8];

	(void)state;
	assert_non_null(mkdtemp(path));
	snprintf(name, sizeof name, "%s/file", path);
	on_backing(DURE_BACKING_FILE, DURE_LIFETIME_FILESYSTEM, name);
	assert_int_equal(unlink(name), 0);
	assert_int_equal(rmdir(path), 0);
}

static void in_a_memory_file(void **state)
{
	(void)state;
	on_backing(DURE_BACKING_MEMORY_FILE, 0, NULL);
}

static void in_system_v_memory(void **state)
{
	char name[80];

	(void)state;
	snprintf(name, sizeof name, "%s-sysv", t_name());
	on_backing(DURE_BACKING_DEFAULT, DURE_LIFETIME_PROCESS, name);
	dure_segment_remove(name, DURE_REMOVE_FORCE, NULL);
}

static void not_in_private_memory(void **state)
{
	struct dure_segment_options o = t_options(1 << 20);
	dure_segment *alone;
	dure_poll *poll_for = NULL;

	(void)state;
	o.backing = DURE_BACKING_PRIVATE;
	T_OK(dure_segment_open(NULL, DURE_CREATE, &o, &alone));
	T_FAILS(dure_poll_open(alone, &poll_for), -EOPNOTSUPP, "no file to watch");
	T_OK(dure_segment_close(alone));
	T_OK(dure_segment_open(t_name(), DURE_OPEN | DURE_READ_ONLY, NULL, &alone));
	T_IS(dure_poll_open(alone, &poll_for), -EROFS);
	T_OK(dure_segment_close(alone));
	assert_null(poll_for);
}

static void locks_are_told(void **state)
{
	struct dure_wait_item items[] = {
		{ .object = &root->mutex, .kind = DURE_WAIT_MUTEX },
		{ .object = &root->rwlock, .kind = DURE_WAIT_SHARED },
	};
	dure_poll *poll_for;

	(void)state;
	T_OK(dure_poll_open(seg, &poll_for));
	for (int i = 0; i < 2; i++) {
		T_OK(i ? dure_rwlock_lock(seg, &root->rwlock, DURE_EXCLUSIVE, 0)
		       : dure_mutex_lock(seg, &root->mutex, 0));
		make_quiet(poll_for, &items[i], 1);
		T_OK(i ? dure_rwlock_unlock(seg, &root->rwlock) : dure_mutex_unlock(seg, &root->mutex));
		assert_true(is_readable(poll_for, PATIENCE_MS));
		assert_int_equal(await(poll_for, &items[i], 1), 1);
	}
	dure_poll_close(poll_for);
}

/* -- the dead ---------------------------------------------------------------------------- */

static void have_everything(void)
{
	T_IN_CHILD(dure_mutex_lock(seg, &root->mutex, 0) == 0);
	T_IN_CHILD(dure_rwlock_lock(seg, &root->rwlock, DURE_EXCLUSIVE, 0) == 0);
	T_IN_CHILD(dure_semaphore_post(seg, &root->semaphore, 1) == 0);
	T_IN_CHILD(dure_semaphore_take(seg, &root->semaphore, 1, 0, 0) == 0);
}

static void what_the_dead_had_is_told(void **state)
{
	struct dure_wait_item items[] = {
		{ .object = &root->mutex, .kind = DURE_WAIT_MUTEX },
		{ .object = &root->rwlock, .kind = DURE_WAIT_SHARED },
		{ .object = &root->semaphore, .kind = DURE_WAIT_UNITS },
	};
	dure_poll *poll_for;

	(void)state;
	T_OK(dure_semaphore_init(seg, &root->semaphore, 0));
	T_OK(dure_poll_open(seg, &poll_for));
	pid_t pid = child(have_everything, true);
	make_quiet(poll_for, items, 3);
	t_kill(pid);
	while (await(poll_for, items, 3) < 3)
		assert_true(is_readable(poll_for, PATIENCE_MS));
	T_IS(dure_mutex_lock(seg, &root->mutex, 0), DURE_OWNER_DIED);
	T_OK(dure_mutex_mark_consistent(seg, &root->mutex));
	T_OK(dure_mutex_unlock(seg, &root->mutex));
	T_OK(dure_rwlock_init(seg, &root->rwlock));
	dure_poll_close(poll_for);
}

static void (*const by_steps[])(void) = { set_event, post_two, signal_condition };

static struct dure_wait_item item_of(unsigned way)
{
	struct dure_wait_item all[] = {
		{ .object = &root->events[0], .kind = DURE_WAIT_EVENT },
		{ .object = &root->semaphore, .kind = DURE_WAIT_UNITS, .units = 2 },
		{ .object = &root->condition, .kind = DURE_WAIT_CONDITION },
	};

	T_OK(dure_event_reset(seg, &root->events[0]));
	while (dure_semaphore_take(seg, &root->semaphore, 1, DURE_TAKE_FOR_GOOD, 0) == 0)
		;
	T_OK(dure_condition_prepare(seg, &root->condition, &all[2].units));
	return all[way];
}

/*
 * What was ready when it was killed is told, though the touch may be missing. What was not: then we
 * do it, and are told, whatever the dead one has left.
 */
static void kill_and_be_told(dure_poll *poll_for, unsigned way, pid_t pid, int steps, bool *ret_ended)
{
	struct dure_wait_item item = item_of(way);

	make_quiet(poll_for, &item, 1);
	*ret_ended = !t_step(pid, steps);
	t_kill(pid);
	if (dure_wait_any(seg, &item, 1, 0) == 0) {
		make_quiet(poll_for, &item, 1);
		by_steps[way]();
	}
	assert_true(is_readable(poll_for, PATIENCE_MS));
	assert_int_equal(await(poll_for, &item, 1), 1);
}

static void at_instructions(void (*treat)(dure_poll *, unsigned, pid_t, int, bool *))
{
	dure_poll *poll_for;

	T_OK(dure_poll_open(seg, &poll_for));
	for (unsigned way = 0; way < 3; way++) {
		struct dure_wait_item item = item_of(way);
		T_IS(dure_poll_look(poll_for, &item, 1), 0);
		int apart = t_stride(t_traced(seg, by_steps[way]), 40);
		bool ended = false;
		for (int steps = 1; !ended; steps += apart)
			treat(poll_for, way, t_traced(seg, by_steps[way]), steps, &ended);
	}
	dure_poll_close(poll_for);
}

static void killed_at_any_instruction(void **state)
{
	(void)state;
	at_instructions(kill_and_be_told);
}

/*
 * Stopped on its way, with us polling anew meanwhile; then it goes on, and lives. It tells late, but
 * it does, and what we asked to be told meanwhile is not forgotten over it.
 */
static void stop_and_be_told(dure_poll *poll_for, unsigned way, pid_t pid, int steps, bool *ret_ended)
{
	struct dure_wait_item item = item_of(way);

	make_quiet(poll_for, &item, 1);
	*ret_ended = !t_step(pid, steps);
	if (dure_poll_look(poll_for, &item, 1) == 1)
		assert_true(is_readable(poll_for, 1000));		/* how things are */
	item = item_of(way);
	make_quiet(poll_for, &item, 1);
	if (!*ret_ended)
		t_go_on(pid);
	by_steps[way]();		/* no look before: it would repair what was forgotten */
	assert_true(is_readable(poll_for, PATIENCE_MS));
	assert_int_equal(await(poll_for, &item, 1), 1);
	t_kill(pid);
}

static void stopped_at_any_instruction(void **state)
{
	at_instructions(stop_and_be_told);
	(void)state;
}

/* -- what it costs ----------------------------------------------------------------------- */

static int64_t changed_ns(void)
{
	struct stat s;

	assert_int_equal(fstat(dure_segment_fd(seg), &s), 0);
	return (int64_t)s.st_ctim.tv_sec * 1000000000 + s.st_ctim.tv_nsec;
}

/* The kernel's clock of files is coarse: some ticks pass. */
static bool touches(void (*what)(void))
{
	int64_t before = changed_ns();

	t_sleep_ms(20);
	what();
	return changed_ns() != before;
}

static void set_waited_event(void)
{
	T_OK(dure_event_reset(seg, &root->events[2]));
	T_IS(dure_event_wait(seg, &root->events[2], 1, NULL), -ETIMEDOUT);	/* leaves the flag */
	T_OK(dure_event_set(seg, &root->events[2]));
}

static void poll_and_hang(void)
{
	struct dure_wait_item item = { .object = &root->events[2], .kind = DURE_WAIT_EVENT };
	dure_poll *poll_for;

	T_IN_CHILD(dure_event_reset(seg, &root->events[2]) >= 0);
	T_IN_CHILD(dure_poll_open(seg, &poll_for) == 0);
	T_IN_CHILD(dure_poll_look(poll_for, &item, 1) == 0);
}

static void nobody_pays_for_nobody(void **state)
{
	(void)state;
	/* bits of earlier tests cost their one touch */
	t_kill(child(poll_and_hang, true));
	set_waited_event();
	assert_false(touches(set_waited_event));
	/* a dead one's bit costs one touch, once */
	t_kill(child(poll_and_hang, true));
	assert_true(touches(set_waited_event));
	assert_false(touches(set_waited_event));
}

static void idle_costs_nothing(void **state)
{
	struct dure_wait_item item = { .object = &root->events[3], .kind = DURE_WAIT_EVENT };
	struct rusage before, after;
	dure_poll *poll_for;

	(void)state;
	T_OK(dure_poll_open(seg, &poll_for));
	make_quiet(poll_for, &item, 1);
	getrusage(RUSAGE_SELF, &before);
	assert_false(is_readable(poll_for, 500));
	getrusage(RUSAGE_SELF, &after);
	/* it slept once, from beginning to end */
	assert_true(after.ru_nvcsw - before.ru_nvcsw <= 2);
	assert_true(after.ru_utime.tv_sec * 1000000 + after.ru_utime.tv_usec -
		    before.ru_utime.tv_sec * 1000000 - before.ru_utime.tv_usec < 20000);
	dure_poll_close(poll_for);
}

/* Programs that list or copy all of /dev/shm read and close this file, too. */
static void readers_wake_nobody(void **state)
{
	struct dure_wait_item item = { .object = &root->events[3], .kind = DURE_WAIT_EVENT };
	char path[40], byte;
	dure_poll *poll_for;

	(void)state;
	T_OK(dure_poll_open(seg, &poll_for));
	make_quiet(poll_for, &item, 1);
	snprintf(path, sizeof path, "/proc/self/fd/%d", dure_segment_fd(seg));
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, &byte, 1), 1);
	close(fd);
	assert_false(is_readable(poll_for, 30));
	dure_poll_close(poll_for);
}

static void set_as_nobody(void)
{
	T_IN_CHILD(setgid(65534) == 0 && setuid(65534) == 0);
	T_IN_CHILD(futimens(dure_segment_fd(seg), NULL) < 0);
	T_IN_CHILD(dure_event_set(seg, &root->events[3]) == 0);
}

/* The file is not his: he cannot set its times. */
static void who_has_but_a_descriptor_is_heard(void **state)
{
	struct dure_wait_item item = { .object = &root->events[3], .kind = DURE_WAIT_EVENT };
	dure_poll *poll_for;

	(void)state;
	if (geteuid() != 0) {
		print_message("needs root: becomes somebody else\n");
		skip();
	}
	T_OK(dure_event_reset(seg, &root->events[3]));
	T_OK(dure_poll_open(seg, &poll_for));
	make_quiet(poll_for, &item, 1);
	pid_t pid = child(set_as_nobody, true);
	assert_true(is_readable(poll_for, PATIENCE_MS));
	assert_int_equal(await(poll_for, &item, 1), 1);
	t_kill(pid);
	T_OK(dure_event_reset(seg, &root->events[3]));
	dure_poll_close(poll_for);
}

/* -- many -------------------------------------------------------------------------------- */

static void epoll_tells_many_apart(void **state)
{
	enum { POLLS = 30 };
	dure_poll *polls[POLLS];
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	(void)state;
	assert_true(epoll >= 0);
	for (uint32_t i = 0; i < POLLS; i++) {
		struct epoll_event e = { .events = EPOLLIN | EPOLLET, .data.u32 = i };
		int r = dure_poll_open(seg, &polls[i]);
		T_OK(r);
		T_OK(dure_event_reset(seg, &root->events[i]));
		assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, dure_poll_fd(polls[i]), &e), 0);
	}
	for (uint32_t i = 0; i < POLLS; i++) {
		uint32_t set = (i * 7 + 3) % POLLS;
		T_OK(dure_event_set(seg, &root->events[set]));
		for (bool found = false; !found; ) {
			struct epoll_event e;
			assert_int_equal(epoll_wait(epoll, &e, 1, PATIENCE_MS), 1);
			struct dure_wait_item item = { .object = &root->events[e.data.u32],
						       .kind = DURE_WAIT_EVENT };
			int r = dure_poll_look(polls[e.data.u32], &item, 1);
			T_OK(r);
			found = r == 1 && e.data.u32 == set;
			if (r == 1) {
				assert_int_equal(e.data.u32, set);
				T_OK(dure_event_reset(seg, &root->events[set]));
				T_IS(dure_poll_look(polls[set], &item, 1), 0);
			}
		}
	}
	for (int i = 0; i < POLLS; i++)
		dure_poll_close(polls[i]);
	close(epoll);
}

enum { ROUNDS = 4000 };

/* Somewhere about the look of the one who polls. */
static void breathe(int round)
{
	for (volatile int i = 0; i < round * 37 % 12000; i++)
		;
}

static uint64_t load(const uint64_t *number)
{
	return __atomic_load_n(number, __ATOMIC_SEQ_CST);
}

static void post_each(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		while (load(&root->used) < (uint64_t)i)
			sched_yield();
		breathe(i);
		T_IN_CHILD(dure_semaphore_post(seg, &root->semaphore, 1) == 0);
	}
}

static void make_each(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		while (load(&root->used) < (uint64_t)i)
			sched_yield();
		breathe(i);
		T_IN_CHILD(dure_mutex_lock(seg, &root->mutex, DURE_FOREVER) >= 0);
		root->made++;
		T_IN_CHILD((i % 3 ? dure_condition_signal(seg, &root->condition)
				  : dure_condition_broadcast(seg, &root->condition)) == 0);
		T_IN_CHILD(dure_mutex_unlock(seg, &root->mutex) == 0);
	}
}

/* Its death would tell, too: so it stays. */
static pid_t start(void (*what)(void))
{
	root->made = root->used = 0;
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_segment_reattach(seg) == 0);
		what();
		for (;;)
			pause();
	}
	return pid;
}

static void use_one(void)
{
	__atomic_fetch_add(&root->used, 1, __ATOMIC_SEQ_CST);
}

static void no_unit_is_missed(void **state)
{
	struct dure_wait_item item = { .object = &root->semaphore, .kind = DURE_WAIT_UNITS };
	dure_poll *poll_for;

	(void)state;
	T_OK(dure_semaphore_init(seg, &root->semaphore, 0));
	T_OK(dure_poll_open(seg, &poll_for));
	pid_t pid = start(post_each);
	for (int got = 0; got < ROUNDS; got++) {
		await(poll_for, &item, 1);
		T_OK(dure_semaphore_take(seg, &root->semaphore, 1, DURE_TAKE_FOR_GOOD, 0));
		use_one();
	}
	t_kill(pid);
	dure_poll_close(poll_for);
}

/* A condition as it is meant: what is looked at changes under the mutex. */
static void no_signal_is_missed(void **state)
{
	struct dure_wait_item item = { .object = &root->condition, .kind = DURE_WAIT_CONDITION };
	dure_poll *poll_for;

	(void)state;
	T_OK(dure_poll_open(seg, &poll_for));
	pid_t pid = start(make_each);
	for (int got = 0; got < ROUNDS; ) {
		T_IS(dure_mutex_lock(seg, &root->mutex, DURE_FOREVER), 0);
		bool is_there = root->made > root->used;
		if (!is_there)
			T_OK(dure_condition_prepare(seg, &root->condition, &item.units));
		T_OK(dure_mutex_unlock(seg, &root->mutex));
		if (is_there)
			got++, use_one();
		else
			await(poll_for, &item, 1);
	}
	t_kill(pid);
	dure_poll_close(poll_for);
}

/* Others sleep for the same: they and we get all there is. */
static void sleepers_and_pollers_share(void **state)
{
	struct dure_wait_item item = { .object = &root->semaphore, .kind = DURE_WAIT_UNITS };
	dure_poll *poll_for;
	pid_t pids[2];

	(void)state;
	T_OK(dure_semaphore_init(seg, &root->semaphore, 0));
	T_OK(dure_poll_open(seg, &poll_for));
	for (int i = 0; i < 2; i++) {
		pids[i] = t_fork();
		if (pids[i])
			continue;
		T_IN_CHILD(dure_segment_reattach(seg) == 0);
		for (int n = 0; n < ROUNDS; n++)
			T_IN_CHILD((i ? dure_semaphore_take(seg, &root->semaphore, 1,
							    DURE_TAKE_FOR_GOOD, DURE_S(20))
				      : dure_semaphore_post(seg, &root->semaphore, 2)) == 0);
		_exit(0);
	}
	for (int got = 0; got < ROUNDS; ) {
		await(poll_for, &item, 1);
		got += dure_semaphore_take(seg, &root->semaphore, 1, DURE_TAKE_FOR_GOOD, 0) == 0;
	}
	t_join(pids[0]);
	t_join(pids[1]);
	T_IS(dure_semaphore_take(seg, &root->semaphore, 1, 0, 0), -EAGAIN);
	dure_poll_close(poll_for);
}

/* -- misuse ------------------------------------------------------------------------------ */

static void bad_input_is_refused(void **state)
{
	struct dure_wait_item item = { .object = &root->mutex, .kind = 9 };
	dure_poll *poll_for;

	(void)state;
	T_IS(dure_poll_fd(NULL), -EINVAL);
	T_IS(dure_poll_look(NULL, &item, 1), -EINVAL);
	dure_poll_close(NULL);
	T_OK(dure_poll_open(seg, &poll_for));
	T_FAILS(dure_poll_look(poll_for, &item, 1), -EINVAL, "no kind");
	T_FAILS(dure_poll_look(poll_for, &item, 0), -EINVAL, "1 to 64");
	item = (struct dure_wait_item){ .object = &item, .kind = DURE_WAIT_CONDITION };
	T_FAILS(dure_poll_look(poll_for, &item, 1), -EINVAL, "no condition");
	dure_poll_close(poll_for);
}

static void a_childs_handle_is_stale(void **state)
{
	struct dure_wait_item item = { .object = &root->mutex, .kind = DURE_WAIT_MUTEX };
	dure_poll *poll_for, *own;

	(void)state;
	T_OK(dure_poll_open(seg, &poll_for));
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_poll_look(poll_for, &item, 1) == -ESTALE);
		T_IN_CHILD(dure_segment_reattach(seg) == 0);
		T_IN_CHILD(dure_poll_look(poll_for, &item, 1) == -ESTALE);
		T_IN_CHILD(dure_poll_open(seg, &own) == 0);
		T_IN_CHILD(dure_poll_look(own, &item, 1) == 1);
		dure_poll_close(own);
		_exit(0);
	}
	t_join(pid);
	T_IS(dure_poll_look(poll_for, &item, 1), 1);
	dure_poll_close(poll_for);
}

static void descriptors_run_out(void **state)
{
	struct rlimit old, few = { 3, 3 };
	dure_poll *poll_for = NULL;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	few.rlim_max = old.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	T_FAILS(dure_poll_open(seg, &poll_for), -EMFILE, "RLIMIT_NOFILE");
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_null(poll_for);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_input_is_refused),
		cmocka_unit_test(descriptors_run_out),
		cmocka_unit_test(in_shared_memory),
		cmocka_unit_test(in_a_file),
		cmocka_unit_test(in_a_memory_file),
		cmocka_unit_test(in_system_v_memory),
		cmocka_unit_test(not_in_private_memory),
		cmocka_unit_test(locks_are_told),
		cmocka_unit_test(what_the_dead_had_is_told),
		cmocka_unit_test(a_childs_handle_is_stale),
		cmocka_unit_test(nobody_pays_for_nobody),
		cmocka_unit_test(idle_costs_nothing),
		cmocka_unit_test(readers_wake_nobody),
		cmocka_unit_test(who_has_but_a_descriptor_is_heard),
		cmocka_unit_test(epoll_tells_many_apart),
		cmocka_unit_test(no_unit_is_missed),
		cmocka_unit_test(no_signal_is_missed),
		cmocka_unit_test(sleepers_and_pollers_share),
		cmocka_unit_test(killed_at_any_instruction),
		cmocka_unit_test(stopped_at_any_instruction),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

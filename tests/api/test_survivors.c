/* SPDX-License-Identifier: MIT */
/*
 * Description: every kind of holder is killed under every kind of waiter, and every kind of
 * waiter, too: who is left goes on at once, and nobody who is stopped is taken for dead.
 *
 * What     A pair is a kind of holder and a kind of waiter that it keeps waiting. With each:
 *
 *		holder killed		the waiter goes on
 *		waiter killed		another waiter goes on when the holder lets go
 *		waiter killed late	the same; it is killed when it has been woken
 *		both killed		another waiter goes on
 *		waiter stopped		another goes on when the holder is killed; only where who
 *					waits has nothing yet that others could want
 *		holder stopped		the waiter's time is up; when the holder goes on and lets
 *					go, another waiter goes on
 *
 * Method   Holder and waiters are processes. A waiter waits when the kernel says that it sleeps.
 *          When it has gone on it writes down by itself. A median of more than 1 ms, or a wait
 *          of more than 50 ms, is tried again, three times: others use the machine, too.
 *          Where two are killed at once the median is not judged: the kernel may have spent its
 *          one wake-up on the other dead one, and a slice must pass (segment/wait.c [WAIT2]).
 *
 * A new kind of lock is a row in holders[] or waiters[], and its pairs.
 */
#include "../t.h"

enum { ROUNDS = 25, FEWER_ROUNDS = 8, UNITS = 3, HANG_MS = 20000 };

static const int64_t MEDIAN_NS = 1000000, WORST_NS = 50000000;

struct root {
	dure_mutex mutex;
	dure_rwlock rwlock;
	dure_semaphore semaphore;
};

static dure_segment *seg;
static struct root *root;

/* -- kinds of holders and waiters --------------------------------------------------------- */

static int lock_mutex(int64_t timeout_ns)
{
	return dure_mutex_lock(seg, &root->mutex, timeout_ns);
}

static int unlock_mutex(int result)
{
	if (result == DURE_OWNER_DIED)
		T_IN_CHILD(dure_mutex_mark_consistent(seg, &root->mutex) == 0);
	return dure_mutex_unlock(seg, &root->mutex);
}

static int share(int64_t timeout_ns)
{
	return dure_rwlock_lock(seg, &root->rwlock, DURE_SHARED, timeout_ns);
}

static int upgradable(int64_t timeout_ns)
{
	return dure_rwlock_lock(seg, &root->rwlock, DURE_UPGRADABLE, timeout_ns);
}

static int exclude(int64_t timeout_ns)
{
	return dure_rwlock_lock(seg, &root->rwlock, DURE_EXCLUSIVE, timeout_ns);
}

static int go_up(int64_t timeout_ns)
{
	return dure_rwlock_change(seg, &root->rwlock, DURE_EXCLUSIVE, timeout_ns);
}

static int unlock_rwlock(int result)
{
	int r = dure_rwlock_unlock(seg, &root->rwlock);

	if (result == DURE_OWNER_DIED) {
		T_IN_CHILD(exclude(DURE_FOREVER) >= 0);
		T_IN_CHILD(dure_rwlock_mark_consistent(seg, &root->rwlock) == 0);
		T_IN_CHILD(dure_rwlock_unlock(seg, &root->rwlock) == 0);
	}
	return r;
}

static int take_one(int64_t timeout_ns)
{
	return dure_semaphore_take(seg, &root->semaphore, 1, 0, timeout_ns);
}

static int take_all(int64_t timeout_ns)
{
	return dure_semaphore_take(seg, &root->semaphore, UNITS, 0, timeout_ns);
}

static int take_for_good(int64_t timeout_ns)
{
	return dure_semaphore_take(seg, &root->semaphore, 1, DURE_TAKE_FOR_GOOD, timeout_ns);
}

static int post_one(int result)
{
	(void)result;
	return dure_semaphore_post(seg, &root->semaphore, 1);
}

static int post_all(int result)
{
	(void)result;
	return dure_semaphore_post(seg, &root->semaphore, UNITS);
}

struct holder_kind {
	const char *name;
	int (*hold)(int64_t timeout_ns);
	int (*release)(int result);
	int told;			/* to who goes on when it was killed */
};

static const struct holder_kind mutex = { "mutex", lock_mutex, unlock_mutex, DURE_OWNER_DIED },
	reader = { "shared", share, unlock_rwlock, 0 },
	upgrader = { "upgradable", upgradable, unlock_rwlock, 0 },
	writer = { "exclusive", exclude, unlock_rwlock, DURE_OWNER_DIED },
	units = { "units", take_all, post_all, 0 };

struct waiter_kind {
	const char *name;
	int (*before)(int64_t timeout_ns);	/* what it has before it waits; may be NULL */
	int (*wait)(int64_t timeout_ns);
	int (*leave)(int result);
};

static const struct waiter_kind locks = { "lock", NULL, lock_mutex, unlock_mutex },
	reads = { "lock shared", NULL, share, unlock_rwlock },
	upgrades = { "lock upgradable", NULL, upgradable, unlock_rwlock },
	writes = { "lock exclusive", NULL, exclude, unlock_rwlock },
	changes = { "upgradable to exclusive", upgradable, go_up, unlock_rwlock },
	changes_share = { "shared to exclusive", share, go_up, unlock_rwlock },
	takes = { "take 1", NULL, take_one, post_one },
	takes_all = { "take several", NULL, take_all, post_all },
	takes_away = { "take for good", NULL, take_for_good, post_one };

static const struct pair {
	const struct holder_kind *holder;
	const struct waiter_kind *waiter, *other;
	bool waits_empty_handed;	/* who waits has nothing that others could want */
} pairs[] = {
	{ &mutex, &locks, &locks, true },
	{ &reader, &writes, &writes, false },
	{ &reader, &changes, &writes, false },
	{ &reader, &changes_share, &writes, false },
	{ &upgrader, &upgrades, &upgrades, true },
	{ &upgrader, &upgrades, &writes, true },
	{ &upgrader, &writes, &upgrades, true },
	{ &upgrader, &writes, &writes, true },
	{ &writer, &reads, &reads, true },
	{ &writer, &reads, &upgrades, true },
	{ &writer, &upgrades, &upgrades, true },
	{ &writer, &writes, &writes, true },
	{ &units, &takes, &takes, true },
	{ &units, &takes, &takes_all, true },
	{ &units, &takes_all, &takes, true },
	{ &units, &takes_all, &takes_all, true },
	{ &units, &takes_away, &takes, true },
};

/* Everything is as at the beginning; what the dead had is with nobody. */
static void expect_all_free(void)
{
	struct dure_semaphore_info info = { .sz = sizeof info };

	T_OK(dure_segment_recover(seg));
	T_IS(lock_mutex(0), 0);
	T_OK(dure_mutex_unlock(seg, &root->mutex));
	T_IS(exclude(0), 0);
	T_OK(dure_rwlock_unlock(seg, &root->rwlock));
	T_OK(dure_semaphore_info(seg, &root->semaphore, &info));
	assert_int_equal(info.units, UNITS);
	assert_int_equal(info.taken, 0);
}

/* -- processes ---------------------------------------------------------------------------- */

/* in memory that all share */
struct note {
	int64_t at_ns;			/* when it went on */
	int result;
};

struct actor {
	pid_t pid;
	int ready[2], go[2];
	struct note *note;
};

static struct note *notes;

static struct actor start(unsigned number)
{
	struct actor a = { .note = &notes[number] };

	assert_int_equal(pipe(a.ready) | pipe(a.go), 0);
	memset(a.note, 0, sizeof *a.note);
	a.pid = t_fork();
	if (a.pid == 0)
		T_IN_CHILD(dure_segment_reattach(seg) == 0);
	return a;
}

static void forget(struct actor *a)
{
	for (int i = 0; i < 2; i++) {
		close(a->ready[i]);
		close(a->go[i]);
	}
}

static struct actor start_holder(const struct holder_kind *kind)
{
	struct actor a = start(0);

	if (a.pid == 0) {
		int r = kind->hold(DURE_FOREVER);
		T_IN_CHILD(r == 0);
		t_signal(a.ready[1]);
		t_await(a.go[0]);
		T_IN_CHILD(kind->release(r) == 0);
		_exit(0);
	}
	t_await(a.ready[0]);
	return a;
}

/* The kernel says that it sleeps. */
static void await_sleep(pid_t pid)
{
	char path[40], line[256];

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	for (int ms = 0; ms < HANG_MS; ms++) {
		FILE *f = fopen(path, "r");
		const char *at = f && fgets(line, sizeof line, f) ? strrchr(line, ')') : NULL;
		if (f)
			fclose(f);
		if (at && at[2] == 'S')
			return;
		t_sleep_ms(1);
	}
	fail_msg("process %d does not come to wait", (int)pid);
}

static struct actor start_waiter(const struct waiter_kind *kind, unsigned number,
				 int64_t timeout_ns)
{
	struct actor a = start(number);

	if (a.pid == 0) {
		if (kind->before)
			T_IN_CHILD(kind->before(DURE_FOREVER) == 0);
		t_signal(a.ready[1]);
		a.note->result = kind->wait(timeout_ns);
		a.note->at_ns = t_now_ns();
		if (a.note->result >= 0)
			T_IN_CHILD(kind->leave(a.note->result) == 0);
		else if (kind->before)
			T_IN_CHILD(kind->leave(0) == 0);
		_exit(0);
	}
	t_await(a.ready[0]);
	await_sleep(a.pid);
	return a;
}

static void end(struct actor *a, int signal)
{
	int status = 0, ms;
	pid_t pid = 0;

	if (signal)
		kill(a->pid, signal);
	for (ms = 0; ms < HANG_MS && pid == 0; ms++) {
		pid = waitpid(a->pid, &status, WNOHANG);
		if (pid == 0)
			t_sleep_ms(1);
	}
	if (pid == 0)
		fail_msg("process %d hangs", (int)a->pid);
	assert_true(signal ? WIFSIGNALED(status) : WIFEXITED(status) && WEXITSTATUS(status) == 0);
	forget(a);
}

/* From `since` until it went on; it was told what it had to be. */
static int64_t went_on(struct actor *a, int64_t since_ns, int told)
{
	int result;

	end(a, 0);
	result = a->note->result;
	if (result != told)
		fail_msg("result %d, not %d", result, told);
	return a->note->at_ns - since_ns;
}

/* -- what is done with a pair; each returns how long the last one waited --------------------- */

static int64_t holder_killed(const struct pair *p)
{
	struct actor holder = start_holder(p->holder);
	struct actor waiter = start_waiter(p->waiter, 1, DURE_FOREVER);
	int64_t since = t_now_ns();

	end(&holder, SIGKILL);
	return went_on(&waiter, since, p->holder->told);
}

static int64_t waiter_killed(const struct pair *p)
{
	struct actor holder = start_holder(p->holder);
	struct actor waiter = start_waiter(p->waiter, 1, DURE_FOREVER);
	struct actor other = start_waiter(p->other, 2, DURE_FOREVER);
	int64_t since;

	end(&waiter, SIGKILL);
	since = t_now_ns();
	t_signal(holder.go[1]);
	end(&holder, 0);
	return went_on(&other, since, 0);
}

/* It may have got what it waited for in the meantime: then the other is told. */
static int64_t waiter_killed_late(const struct pair *p)
{
	struct actor holder = start_holder(p->holder);
	struct actor waiter = start_waiter(p->waiter, 1, DURE_FOREVER);
	struct actor other = start_waiter(p->other, 2, DURE_FOREVER);
	int64_t since = t_now_ns();
	int status;

	t_signal(holder.go[1]);
	end(&holder, 0);
	kill(waiter.pid, SIGKILL);
	assert_int_equal(waitpid(waiter.pid, &status, 0), waiter.pid);
	forget(&waiter);
	end(&other, 0);
	assert_true(other.note->result == 0 || other.note->result == DURE_OWNER_DIED);
	return other.note->at_ns - since;
}

static int64_t both_killed(const struct pair *p)
{
	struct actor holder = start_holder(p->holder);
	struct actor waiter = start_waiter(p->waiter, 1, DURE_FOREVER);
	struct actor other = start_waiter(p->other, 2, DURE_FOREVER);
	int64_t since = t_now_ns();

	kill(waiter.pid, SIGKILL);
	end(&holder, SIGKILL);
	assert_int_equal(waitpid(waiter.pid, NULL, 0), waiter.pid);
	forget(&waiter);
	end(&other, 0);
	assert_true(other.note->result == p->holder->told || other.note->result == DURE_OWNER_DIED);
	return other.note->at_ns - since;
}

static int64_t waiter_stopped(const struct pair *p)
{
	struct actor holder = start_holder(p->holder);
	struct actor waiter = start_waiter(p->waiter, 1, DURE_FOREVER);
	struct actor other = start_waiter(p->other, 2, DURE_FOREVER);
	int64_t since, waited;
	int status;

	kill(waiter.pid, SIGSTOP);
	assert_int_equal(waitpid(waiter.pid, &status, WUNTRACED), waiter.pid);
	since = t_now_ns();
	end(&holder, SIGKILL);
	waited = went_on(&other, since, p->holder->told);
	kill(waiter.pid, SIGCONT);
	end(&waiter, 0);
	return waited;
}

static int64_t holder_stopped(const struct pair *p)
{
	struct actor holder = start_holder(p->holder);
	struct actor waiter, other;
	int64_t since;
	int status;

	kill(holder.pid, SIGSTOP);
	assert_int_equal(waitpid(holder.pid, &status, WUNTRACED), holder.pid);
	waiter = start_waiter(p->waiter, 1, DURE_MS(60));	/* three slices of waiting */
	(void)went_on(&waiter, 0, -ETIMEDOUT);
	other = start_waiter(p->other, 2, DURE_FOREVER);
	t_signal(holder.go[1]);
	since = t_now_ns();
	kill(holder.pid, SIGCONT);
	end(&holder, 0);
	return went_on(&other, since, 0);
}

/* -- the table ---------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

struct times {
	int64_t median_ns, worst_ns;
};

static struct times run(const struct pair *p, int64_t (*what)(const struct pair *p), int rounds)
{
	int64_t waited[ROUNDS];

	for (int i = 0; i < rounds; i++) {
		waited[i] = what(p);
		expect_all_free();
	}
	t_clean(seg);
	qsort(waited, (size_t)rounds, sizeof *waited, compare);
	return (struct times){ waited[rounds / 2], waited[rounds - 1] };
}

static bool is_late(struct times t, bool is_prompt)
{
	return (is_prompt && t.median_ns > MEDIAN_NS) || t.worst_ns > WORST_NS;
}

static void try_pair(const struct pair *p, int64_t (*what)(const struct pair *p), int rounds,
		     bool is_prompt)
{
	struct times t = run(p, what, rounds);

	for (int i = 0; i < 3 && is_late(t, is_prompt); i++) {
		print_message("    again: median %.3f ms, worst %.3f ms\n", (double)t.median_ns / 1e6,
			      (double)t.worst_ns / 1e6);
		t = run(p, what, rounds);
	}
	print_message("    %-11s %-24s %-24s %8.3f %8.3f\n", p->holder->name, p->waiter->name,
		      p->other->name, (double)t.median_ns / 1e6, (double)t.worst_ns / 1e6);
	assert_false(is_late(t, is_prompt));
}

static void try_all(int64_t (*what)(const struct pair *p), int rounds, bool is_prompt,
		    bool only_empty_handed)
{
	print_message("    holder      waiter                   other waiter              median    worst, "
		      "ms\n");
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
		if (!only_empty_handed || pairs[i].waits_empty_handed)
			try_pair(&pairs[i], what, rounds, is_prompt);
}

static void holders_are_killed(void **state)
{
	(void)state;
	try_all(holder_killed, ROUNDS, true, false);
}

static void waiters_are_killed(void **state)
{
	(void)state;
	try_all(waiter_killed, FEWER_ROUNDS, true, false);
}

static void waiters_are_killed_when_they_are_woken(void **state)
{
	(void)state;
	try_all(waiter_killed_late, FEWER_ROUNDS, false, false);
}

static void holders_and_waiters_are_killed(void **state)
{
	(void)state;
	try_all(both_killed, FEWER_ROUNDS, false, false);
}

static void waiters_are_stopped(void **state)
{
	(void)state;
	try_all(waiter_stopped, FEWER_ROUNDS, false, true);
}

static void holders_are_stopped(void **state)
{
	(void)state;
	try_all(holder_stopped, 3, true, false);
}

static int setup(void **state)
{
	(void)state;
	seg = t_segment(4 << 20);
	T_OK(dure_object_construct(seg, "root", DURE_TYPE(struct root), 1, NULL, NULL, (void **)&root));
	T_OK(dure_semaphore_init(seg, &root->semaphore, UNITS));
	notes = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(notes != MAP_FAILED);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	munmap(notes, 4096);
	t_clean(seg);
	t_close(seg);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holders_are_killed),
		cmocka_unit_test(waiters_are_killed),
		cmocka_unit_test(waiters_are_killed_when_they_are_woken),
		cmocka_unit_test(holders_and_waiters_are_killed),
		cmocka_unit_test(waiters_are_stopped),
		cmocka_unit_test(holders_are_stopped),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

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
 *          A holder is whoever is waited for: also one who is to set an event, to count a latch
 *          down, to arrive at a barrier, to give a signal. All of it once with the locks in one
 *          segment, once with locks by name; file locks apart from both.
 *
 * Method   Holder and waiters are processes. A waiter waits when the kernel says that it sleeps.
 *          When it has gone on it writes down by itself. A median of more than 1 ms, or a wait
 *          of more than 50 ms, is tried again, three times: others use the machine, too.
 *          Where a waiter is stopped the median is not judged: the kernel may have spent its one
 *          wake-up on it, and a slice must pass (segment/wait.c [WAIT2]).
 *
 * A new kind of lock is a row in holders[] or waiters[], and its pairs.
 */
#include "../t.h"

enum { ROUNDS = 15, FEWER_ROUNDS = 5, LEAST_ROUNDS = 3, UNITS = 3, HANG_MS = 20000 };

static const int64_t MEDIAN_NS = 1000000, WORST_NS = 50000000;

struct root {
	dure_mutex mutex;
	dure_rwlock rwlock;
	dure_semaphore semaphore;
	struct dure_named_condition condition;
	dure_event event;
	dure_latch latch;
	dure_once once;
	dure_barrier barrier;
	struct {
		dure_seqlock lock;
		uint64_t copies[2];
	} seqlock;
	dure_spinlock spinlock;
	_Alignas(8) unsigned char set[DURE_SEMSET_BYTES(2, 8)];
};

/* where each kind is tried: in one segment, or each in its own, by name */
enum { MUTEX, RWLOCK, SEMAPHORE, CONDITION, EVENT, LATCH, ONCE, BARRIER, NAMED_KINDS,
       SEQLOCK = NAMED_KINDS, KINDS };

static struct {
	dure_segment *seg;
	void *lock;
} at[KINDS];

static dure_segment *seg;
static struct root *root;
static char file_path[80];
static dure_file *file;			/* each process its own */

/* -- kinds of holders and waiters --------------------------------------------------------- */

static int lock_mutex(int64_t timeout_ns)
{
	return dure_mutex_lock(at[MUTEX].seg, at[MUTEX].lock, timeout_ns);
}

static int unlock_mutex(int result)
{
	if (result == DURE_OWNER_DIED)
		T_IN_CHILD(dure_mutex_mark_consistent(at[MUTEX].seg, at[MUTEX].lock) == 0);
	return dure_mutex_unlock(at[MUTEX].seg, at[MUTEX].lock);
}

static int lock_spinlock(int64_t timeout_ns)
{
	return dure_spinlock_lock(seg, &root->spinlock, timeout_ns);
}

static int unlock_spinlock(int result)
{
	if (result == DURE_OWNER_DIED)
		T_IN_CHILD(dure_spinlock_mark_consistent(seg, &root->spinlock) == 0);
	return dure_spinlock_unlock(seg, &root->spinlock);
}

static int share(int64_t timeout_ns)
{
	return dure_rwlock_lock(at[RWLOCK].seg, at[RWLOCK].lock, DURE_SHARED, timeout_ns);
}

static int upgradable(int64_t timeout_ns)
{
	return dure_rwlock_lock(at[RWLOCK].seg, at[RWLOCK].lock, DURE_UPGRADABLE, timeout_ns);
}

static int exclude(int64_t timeout_ns)
{
	return dure_rwlock_lock(at[RWLOCK].seg, at[RWLOCK].lock, DURE_EXCLUSIVE, timeout_ns);
}

static int go_up(int64_t timeout_ns)
{
	return dure_rwlock_change(at[RWLOCK].seg, at[RWLOCK].lock, DURE_EXCLUSIVE, timeout_ns);
}

static int unlock_rwlock(int result)
{
	int r = dure_rwlock_unlock(at[RWLOCK].seg, at[RWLOCK].lock);

	if (result == DURE_OWNER_DIED) {
		T_IN_CHILD(exclude(DURE_FOREVER) >= 0);
		T_IN_CHILD(dure_rwlock_mark_consistent(at[RWLOCK].seg, at[RWLOCK].lock) == 0);
		T_IN_CHILD(dure_rwlock_unlock(at[RWLOCK].seg, at[RWLOCK].lock) == 0);
	}
	return r;
}

static int take_one(int64_t timeout_ns)
{
	return dure_semaphore_take(at[SEMAPHORE].seg, at[SEMAPHORE].lock, 1, 0, timeout_ns);
}

static int take_all(int64_t timeout_ns)
{
	return dure_semaphore_take(at[SEMAPHORE].seg, at[SEMAPHORE].lock, UNITS, 0, timeout_ns);
}

static int take_for_good(int64_t timeout_ns)
{
	return dure_semaphore_take(at[SEMAPHORE].seg, at[SEMAPHORE].lock, 1, DURE_TAKE_FOR_GOOD, timeout_ns);
}

static int post_one(int result)
{
	(void)result;
	return dure_semaphore_post(at[SEMAPHORE].seg, at[SEMAPHORE].lock, 1);
}

static int post_all(int result)
{
	(void)result;
	return dure_semaphore_post(at[SEMAPHORE].seg, at[SEMAPHORE].lock, UNITS);
}

static int give_signal(int64_t timeout_ns)
{
	struct dure_named_condition *c = at[CONDITION].lock;

	T_IN_CHILD(dure_mutex_lock(at[CONDITION].seg, &c->mutex, timeout_ns) >= 0);
	return dure_condition_signal(at[CONDITION].seg, &c->condition);
}

static int give_all_signals(int64_t timeout_ns)
{
	struct dure_named_condition *c = at[CONDITION].lock;

	T_IN_CHILD(dure_mutex_lock(at[CONDITION].seg, &c->mutex, timeout_ns) >= 0);
	return dure_condition_broadcast(at[CONDITION].seg, &c->condition);
}

static int await_signal(int64_t timeout_ns)
{
	struct dure_named_condition *c = at[CONDITION].lock;
	int r = dure_mutex_lock(at[CONDITION].seg, &c->mutex, DURE_FOREVER);

	T_IN_CHILD(r == 0);
	r = dure_condition_wait(at[CONDITION].seg, &c->condition, &c->mutex, timeout_ns);
	if (r == -ETIMEDOUT)
		T_IN_CHILD(dure_mutex_unlock(at[CONDITION].seg, &c->mutex) == 0);
	return r;
}

static int unlock_condition(int result)
{
	struct dure_named_condition *c = at[CONDITION].lock;

	if (result == DURE_OWNER_DIED)
		T_IN_CHILD(dure_mutex_mark_consistent(at[CONDITION].seg, &c->mutex) == 0);
	return dure_mutex_unlock(at[CONDITION].seg, &c->mutex);
}

static int await_event(int64_t timeout_ns)
{
	return dure_event_wait(at[EVENT].seg, at[EVENT].lock, timeout_ns, NULL);
}

static int set_event(int result)
{
	(void)result;
	return dure_event_set(at[EVENT].seg, at[EVENT].lock);
}

static int await_latch(int64_t timeout_ns)
{
	return dure_latch_wait(at[LATCH].seg, at[LATCH].lock, timeout_ns);
}

static int count_down(int result)
{
	(void)result;
	return dure_latch_down(at[LATCH].seg, at[LATCH].lock, 1);
}

static int begin_once(int64_t timeout_ns)
{
	int r = dure_once_begin(at[ONCE].seg, at[ONCE].lock, timeout_ns);

	return r == DURE_CREATED ? 0 : r;
}

/* 0 may be that it was done already: then it is not ours to end */
static int end_once(int result)
{
	int r = dure_once_end(at[ONCE].seg, at[ONCE].lock);

	return result == 0 && r == -EPERM ? 0 : r;
}

static int join(int64_t timeout_ns)
{
	(void)timeout_ns;
	return dure_barrier_join(at[BARRIER].seg, at[BARRIER].lock);
}

static int arrive(int64_t timeout_ns)
{
	return dure_barrier_wait(at[BARRIER].seg, at[BARRIER].lock, timeout_ns);
}

static int leave_barrier(int result)
{
	(void)result;
	return dure_barrier_leave(at[BARRIER].seg, at[BARRIER].lock);
}

static int begin_write(int64_t timeout_ns)
{
	uint64_t value;

	return dure_seqlock_begin(at[SEQLOCK].seg, at[SEQLOCK].lock, &value, sizeof value, timeout_ns);
}

static int write_value(int64_t timeout_ns)
{
	uint64_t value = 2;

	return dure_seqlock_write(at[SEQLOCK].seg, at[SEQLOCK].lock, &value, sizeof value, timeout_ns);
}

static int commit_write(int result)
{
	uint64_t value = 1;

	(void)result;
	return dure_seqlock_commit(at[SEQLOCK].seg, at[SEQLOCK].lock, &value, sizeof value);
}

static int lock_file(int64_t timeout_ns)
{
	return dure_file_lock(file, 0, 0, DURE_EXCLUSIVE, timeout_ns);
}

static int share_file(int64_t timeout_ns)
{
	return dure_file_lock(file, 0, 0, DURE_SHARED, timeout_ns);
}

static int lock_bytes(int64_t timeout_ns)
{
	return dure_file_lock(file, 100, 10, DURE_EXCLUSIVE, timeout_ns);
}

static int unlock_file(int result)
{
	(void)result;
	return dure_file_unlock(file, 0, 0);
}

/* Nothing is had, and nothing is to be given back. */
static int have_nothing(int64_t timeout_ns)
{
	(void)timeout_ns;
	return 0;
}

static int nothing_left(int result)
{
	(void)result;
	return 0;
}

/* of a set: units with undo; and a count that others want to be zero */
static int operate(uint32_t index, int32_t change, int64_t timeout_ns)
{
	const struct dure_semset_operation o = { index, change, change ? DURE_SEMSET_UNDO : 0 };

	return dure_semset_operate(seg, (dure_semset *)(void *)root->set, &o, 1, timeout_ns);
}

static int set_take_one(int64_t timeout_ns)
{
	return operate(0, -1, timeout_ns);
}

static int set_take_all(int64_t timeout_ns)
{
	return operate(0, -UNITS, timeout_ns);
}

static int set_post_one(int result)
{
	return result < 0 ? result : operate(0, 1, 0);
}

static int set_post_all(int result)
{
	return result < 0 ? result : operate(0, UNITS, 0);
}

static int set_count(int64_t timeout_ns)
{
	return operate(1, 1, timeout_ns);
}

static int set_discount(int result)
{
	return result < 0 ? result : operate(1, -1, 0);
}

static int set_await_zero(int64_t timeout_ns)
{
	return operate(1, 0, timeout_ns);
}

struct holder_kind {
	const char *name;
	int (*hold)(int64_t timeout_ns);
	int (*release)(int result);
	int told;			/* to who goes on when it was killed */
	int (*provoke)(int64_t timeout_ns);	/* what it does when somebody waits; may be NULL */
	bool owes;			/* what it has not done when it is killed nobody does */
};

static const struct holder_kind
	mutex = { .name = "mutex", lock_mutex, unlock_mutex, DURE_OWNER_DIED },
	reader = { .name = "shared", share, unlock_rwlock },
	upgrader = { .name = "upgradable", upgradable, unlock_rwlock },
	writer = { .name = "exclusive", exclude, unlock_rwlock, DURE_OWNER_DIED },
	units = { .name = "units", take_all, post_all },
	signaller = { .name = "signal", have_nothing, unlock_condition, DURE_OWNER_DIED, give_signal },
	broadcaster = { .name = "broadcast", have_nothing, unlock_condition, DURE_OWNER_DIED,
			give_all_signals },
	setter = { .name = "event", have_nothing, set_event, .owes = true },
	counter = { .name = "latch", have_nothing, count_down, .owes = true },
	initialiser = { .name = "once", begin_once, end_once, DURE_OWNER_DIED },
	member = { .name = "barrier", join, leave_barrier, DURE_OWNER_DIED },
	value_writer = { .name = "sequence", begin_write, commit_write },
	file_locker = { .name = "file", lock_file, unlock_file },
	file_sharer = { .name = "file shared", share_file, unlock_file },
	byte_locker = { .name = "bytes", lock_bytes, unlock_file },
	spinlock = { .name = "spinlock", lock_spinlock, unlock_spinlock, DURE_OWNER_DIED },
	set_units = { .name = "set, units", set_take_all, set_post_all },
	set_counted = { .name = "set, count", set_count, set_discount };

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
	takes_away = { "take for good", NULL, take_for_good, post_one },
	gets_signal = { "wait", NULL, await_signal, unlock_condition },
	sees_event = { "wait", NULL, await_event, nothing_left },
	passes_latch = { "wait", NULL, await_latch, nothing_left },
	wants_once = { "begin", NULL, begin_once, end_once },
	arrives = { "arrive", join, arrive, leave_barrier },
	begins_write = { "begin", NULL, begin_write, commit_write },
	writes_value = { "write", NULL, write_value, nothing_left },
	locks_file = { "lock", NULL, lock_file, unlock_file },
	shares_file = { "lock shared", NULL, share_file, unlock_file },
	locks_bytes = { "lock bytes", NULL, lock_bytes, unlock_file },
	spins = { "lock", NULL, lock_spinlock, unlock_spinlock },
	set_takes = { "set, take 1", NULL, set_take_one, set_post_one },
	set_takes_all = { "set, take several", NULL, set_take_all, set_post_all },
	set_awaits = { "set, wait for zero", NULL, set_await_zero, nothing_left };

static const struct pair {
	const struct holder_kind *holder;
	const struct waiter_kind *waiter, *other;
	bool waits_empty_handed;	/* who waits has nothing that others could want */
	int told;			/* to the other when a waiter was killed */
	bool one_signal;		/* a waiter that is killed with it is found out by a slice */
} pairs[] = {
	{ .holder = &mutex, &locks, &locks, true },
	{ .holder = &reader, &writes, &writes, false },
	{ .holder = &reader, &changes, &writes, false },
	{ .holder = &reader, &changes_share, &writes, false },
	{ .holder = &upgrader, &upgrades, &upgrades, true },
	{ .holder = &upgrader, &upgrades, &writes, true },
	{ .holder = &upgrader, &writes, &upgrades, true },
	{ .holder = &upgrader, &writes, &writes, true },
	{ .holder = &writer, &reads, &reads, true },
	{ .holder = &writer, &reads, &upgrades, true },
	{ .holder = &writer, &upgrades, &upgrades, true },
	{ .holder = &writer, &writes, &writes, true },
	{ .holder = &units, &takes, &takes, true },
	{ .holder = &units, &takes, &takes_all, true },
	{ .holder = &units, &takes_all, &takes, true },
	{ .holder = &units, &takes_all, &takes_all, true },
	{ .holder = &units, &takes_away, &takes, true },
	{ .holder = &signaller, &gets_signal, &gets_signal, .one_signal = true },
	{ .holder = &broadcaster, &gets_signal, &gets_signal, false },
	{ .holder = &setter, &sees_event, &sees_event, true },
	{ .holder = &counter, &passes_latch, &passes_latch, true },
	{ .holder = &initialiser, &wants_once, &wants_once, true },
	{ .holder = &member, &arrives, &arrives, false, DURE_OWNER_DIED },
	{ .holder = &value_writer, &begins_write, &begins_write, true },
	{ .holder = &value_writer, &writes_value, &begins_write, true },
}, file_pairs[] = {
	{ .holder = &file_locker, &locks_file, &locks_file, true },
	{ .holder = &file_locker, &shares_file, &locks_bytes, true },
	{ .holder = &file_sharer, &locks_bytes, &locks_file, true },
	{ .holder = &byte_locker, &locks_bytes, &locks_bytes, true },
	{ .holder = &byte_locker, &locks_file, &shares_file, true },
}, segment_pairs[] = {
	{ .holder = &spinlock, &spins, &spins, true },
	{ .holder = &set_units, &set_takes, &set_takes, true },
	{ .holder = &set_units, &set_takes, &set_takes_all, true },
	{ .holder = &set_units, &set_takes_all, &set_takes, true },
	{ .holder = &set_units, &set_takes_all, &set_takes_all, true },
	{ .holder = &set_counted, &set_awaits, &set_awaits, true },
};

/* Everything is as at the beginning; what the dead had is with nobody. */
static void expect_all_free(void)
{
	struct dure_semaphore_info info = { .sz = sizeof info };

	for (int i = 0; i < KINDS; i++)
		T_OK(dure_segment_recover(at[i].seg));
	T_IS(lock_mutex(0), 0);
	T_OK(dure_mutex_unlock(at[MUTEX].seg, at[MUTEX].lock));
	T_IS(exclude(0), 0);
	T_OK(dure_rwlock_unlock(at[RWLOCK].seg, at[RWLOCK].lock));
	T_OK(dure_semaphore_info(at[SEMAPHORE].seg, at[SEMAPHORE].lock, &info));
	assert_int_equal(info.units, UNITS);
	assert_int_equal(info.taken, 0);
	T_IS(dure_mutex_lock(at[CONDITION].seg, at[CONDITION].lock, 0), 0);
	T_OK(dure_mutex_unlock(at[CONDITION].seg, at[CONDITION].lock));
	T_IS(begin_write(0), 0);
	T_OK(commit_write(0));
	T_IS(lock_spinlock(0), 0);
	T_OK(dure_spinlock_unlock(seg, &root->spinlock));
	uint32_t values[2];
	T_OK(dure_semset_get_all(seg, (dure_semset *)(void *)root->set, values, 2));
	assert_true(values[0] == UNITS && values[1] == 0);
	T_OK(lock_file(0));
	T_OK(unlock_file(0));
	/* these are not the same afterwards */
	T_OK(dure_event_reset(at[EVENT].seg, at[EVENT].lock));
	T_OK(dure_latch_init(at[LATCH].seg, at[LATCH].lock, 1));
	T_OK(dure_barrier_init(at[BARRIER].seg, at[BARRIER].lock, 1));
	memset(at[ONCE].lock, 0, sizeof(dure_once));
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
	if (a.pid)
		return a;
	for (int i = 0; i < KINDS; i++)
		if (i == 0 || at[i].seg != at[i - 1].seg)
			T_IN_CHILD(dure_segment_reattach(at[i].seg) == 0);
	T_IN_CHILD(dure_file_open(file_path, DURE_CREATE | DURE_OPEN, NULL, &file) >= 0);
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
		if (kind->provoke) {
			T_IN_CHILD(kind->provoke(DURE_FOREVER) == 0);
			t_signal(a.ready[1]);
			t_await(a.go[0]);
		}
		T_IN_CHILD(kind->release(r) == 0);
		_exit(0);
	}
	t_await(a.ready[0]);
	return a;
}

/* Somebody waits: it does what it does then. */
static void provoke(const struct actor *holder, const struct holder_kind *kind)
{
	if (!kind->provoke)
		return;
	t_signal(holder->go[1]);
	t_await(holder->ready[0]);
}

static void let_go(const struct actor *holder, const struct holder_kind *kind)
{
	t_signal(holder->go[1]);
	if (kind->provoke)
		t_signal(holder->go[1]);
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
	t_await_sleep(a.pid);
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
	int64_t since;

	provoke(&holder, p->holder);
	since = t_now_ns();
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
	let_go(&holder, p->holder);
	end(&holder, 0);
	return went_on(&other, since, p->told);
}

/* It may have got what it waited for in the meantime: then the other is told. */
static int64_t waiter_killed_late(const struct pair *p)
{
	struct actor holder = start_holder(p->holder);
	struct actor waiter = start_waiter(p->waiter, 1, DURE_FOREVER);
	struct actor other = start_waiter(p->other, 2, DURE_FOREVER);
	int64_t since = t_now_ns();
	int status;

	let_go(&holder, p->holder);
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
	int64_t since;

	provoke(&holder, p->holder);
	since = t_now_ns();
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
	let_go(&holder, p->holder);
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

	expect_all_free();
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

/* Does anybody go on when these are killed? Would who is stopped be in the way? */
static bool makes_sense(const struct pair *p, int64_t (*what)(const struct pair *p))
{
	if (p->holder->owes && (what == holder_killed || what == both_killed || what == waiter_stopped))
		return false;
	return what != waiter_stopped || p->waits_empty_handed;
}

static void try_all(const struct pair *list, size_t count, int64_t (*what)(const struct pair *p),
		    int rounds, bool is_prompt)
{
	print_message("    holder      waiter                   other waiter              median    worst, "
		      "ms\n");
	for (size_t i = 0; i < count; i++)
		if (makes_sense(&list[i], what) &&
		    (at[SEQLOCK].seg == at[MUTEX].seg || list[i].holder != &value_writer))
			try_pair(&list[i], what, rounds,
				 is_prompt && !(list[i].one_signal && what == both_killed));
}

static const struct {
	const char *title;
	int64_t (*what)(const struct pair *p);
	int rounds;
	bool is_prompt;
} deeds[] = {
	{ "holders are killed", holder_killed, ROUNDS, true },
	{ "waiters are killed", waiter_killed, FEWER_ROUNDS, true },
	{ "waiters are killed when they are woken", waiter_killed_late, FEWER_ROUNDS, false },
	{ "holders and waiters are killed", both_killed, FEWER_ROUNDS, true },
	{ "waiters are stopped", waiter_stopped, FEWER_ROUNDS, false },
	{ "holders are stopped", holder_stopped, LEAST_ROUNDS, true },
};

static void do_all(const struct pair *list, size_t count, int rounds_max)
{
	for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++) {
		print_message("  %s\n", deeds[i].title);
		try_all(list, count, deeds[i].what,
			deeds[i].rounds < rounds_max ? deeds[i].rounds : rounds_max,
			deeds[i].is_prompt);
	}
}

/* -- where the locks are ------------------------------------------------------------------ */

static void in_one_segment(void)
{
	void *const all[] = { &root->mutex, &root->rwlock, &root->semaphore, &root->condition,
				&root->event, &root->latch, &root->once, &root->barrier,
				&root->seqlock };

	for (int i = 0; i < KINDS; i++) {
		at[i].seg = seg;
		at[i].lock = all[i];
	}
}

static void lock_name(char *name, size_t bytes, int kind)
{
	snprintf(name, bytes, "%s.%d", t_name(), kind);
}

static void by_name(void)
{
	struct dure_named_options o = { .sz = sizeof o, .value = 1 };
	char name[80];

	for (int i = 0; i < NAMED_KINDS; i++) {
		o.value = i == SEMAPHORE ? UNITS : i == LATCH || i == BARRIER;
		lock_name(name, sizeof name, i);
		dure_named_unlink(name, DURE_REMOVE_FORCE, NULL);
		T_IS(dure_named_open((enum dure_named_kind)(DURE_NAMED_MUTEX + i), name, DURE_CREATE, &o,
				     &at[i].seg, &at[i].lock), DURE_CREATED);
	}
}

static void unlink_names(void)
{
	char name[80];

	for (int i = 0; i < NAMED_KINDS; i++) {
		t_clean(at[i].seg);
		T_OK(dure_segment_close(at[i].seg));
		lock_name(name, sizeof name, i);
		T_OK(dure_named_unlink(name, 0, NULL));
	}
	in_one_segment();
}

/* -- the tests ---------------------------------------------------------------------------- */

static void locks_in_a_segment(void **state)
{
	(void)state;
	do_all(pairs, sizeof pairs / sizeof *pairs, ROUNDS);
	do_all(segment_pairs, sizeof segment_pairs / sizeof *segment_pairs, ROUNDS);
}

static void locks_by_name(void **state)
{
	(void)state;
	by_name();
	do_all(pairs, sizeof pairs / sizeof *pairs, LEAST_ROUNDS);
	unlink_names();
}

static void locks_on_files(void **state)
{
	(void)state;
	do_all(file_pairs, sizeof file_pairs / sizeof *file_pairs, FEWER_ROUNDS);
}

static int setup(void **state)
{
	(void)state;
	uint64_t value = 1;

	seg = t_segment(4 << 20);
	T_OK(dure_object_construct(seg, "root", DURE_TYPE(struct root), 1, NULL, NULL, (void **)&root));
	T_OK(dure_semaphore_init(seg, &root->semaphore, UNITS));
	T_OK(dure_seqlock_init(seg, &root->seqlock.lock, &value, sizeof value));
	T_OK(dure_semset_init(seg, (dure_semset *)(void *)root->set,
			      &(struct dure_semset_options){ .sz = sizeof(struct dure_semset_options),
							     .semaphores = 2, .processes = 8,
							     .values = (const uint32_t[]){ UNITS, 0 } }));
	snprintf(file_path, sizeof file_path, "/tmp/dure-%s", t_name());
	T_OK(dure_file_open(file_path, DURE_CREATE | DURE_OPEN, NULL, &file));
	notes = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(notes != MAP_FAILED);
	in_one_segment();
	expect_all_free();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	munmap(notes, 4096);
	T_OK(dure_file_close(file));
	unlink(file_path);
	t_clean(seg);
	t_close(seg);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(locks_in_a_segment),
		cmocka_unit_test(locks_by_name),
		cmocka_unit_test(locks_on_files),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

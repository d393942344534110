/* SPDX-License-Identifier: MIT */
/*
 * Description: the same operations at random, by the same processes, on a set in a segment and on
 * one of the kernel's: results, values, pids, waiters and what deaths undo are the same.
 *
 * Method   Each agent is a process with two threads, one for each set. The driver has both do the
 *          same, and compares when each has returned or waits. At most one agent waits at a time:
 *          which of several goes on first is nobody's promise. Now and then an agent is killed,
 *          idle or waiting, and a new one takes its place. Of an array that waits the kernel says
 *          anew what stops it when any semaphore changes; ours only when the one changes that
 *          does. So then it is compared whether it waits, not where.
 */
#include <pthread.h>
#include <sys/ipc.h>
#include <sys/sem.h>

#include "../t.h"

enum { SEMAPHORES = 5, AGENTS = 3, OPERATIONS_MAX = 6, STEPS = 10000, HANG_MS = 10000 };

enum { KERNELS = 0, OURS = 1 };

struct order {
	struct dure_semset_operation operations[OPERATIONS_MAX];
	uint32_t count;
	uint32_t may_wait;
	struct {
		int result;
		uint32_t done;		/* how many orders have been carried out */
	} sides[2];
};

struct agent {
	pid_t pid;
	uint32_t given;			/* orders */
	int pipes[2][2];		/* an order for each side */
	struct order *order;
};

static dure_segment *seg;
static dure_semset *set;
static int id;
static struct agent agents[AGENTS];
static struct order *orders;		/* in memory that all share */

/* -- agents ------------------------------------------------------------------------------ */

static int code_of_kernel(int error)
{
	return error == ERANGE ? -EOVERFLOW : -error;
}

static int operate_kernels(const struct order *order)
{
	struct sembuf operations[OPERATIONS_MAX];

	for (uint32_t i = 0; i < order->count; i++) {
		const struct dure_semset_operation *o = &order->operations[i];
		bool no_wait = !order->may_wait || o->flags & DURE_SEMSET_NO_WAIT;
		operations[i] = (struct sembuf){
			.sem_num = (unsigned short)o->index, .sem_op = (short)o->change,
			.sem_flg = (short)((o->flags & DURE_SEMSET_UNDO ? SEM_UNDO : 0) |
					   (no_wait ? IPC_NOWAIT : 0)),
		};
	}
	return semop(id, operations, order->count) == 0 ? 0 : code_of_kernel(errno);
}

struct side {
	struct agent *agent;
	int number;
};

static void *carry_out(void *context)
{
	const struct side *side = context;
	struct order *order = side->agent->order;
	char c;

	while (read(side->agent->pipes[side->number][0], &c, 1) == 1) {
		int r = side->number == KERNELS
				? operate_kernels(order)
				: dure_semset_operate(seg, set, order->operations, order->count,
						      order->may_wait ? DURE_FOREVER : 0);
		order->sides[side->number].result = r;
		__atomic_add_fetch(&order->sides[side->number].done, 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

/* It has attached when this returns: whose place it took is dead for everybody. */
static void start(struct agent *a)
{
	int ready[2];

	assert_int_equal(pipe(ready), 0);
	a->given = 0;
	memset(a->order, 0, sizeof *a->order);
	assert_int_equal(pipe(a->pipes[KERNELS]) | pipe(a->pipes[OURS]), 0);
	a->pid = t_fork();
	if (a->pid == 0) {
		struct side kernels = { a, KERNELS }, ours = { a, OURS };
		pthread_t thread;
		T_IN_CHILD(dure_segment_reattach(seg) == 0);
		T_IN_CHILD(pthread_create(&thread, NULL, carry_out, &kernels) == 0);
		t_signal(ready[1]);
		carry_out(&ours);
		_exit(1);
	}
	t_await(ready[0]);
	close(ready[0]);
	close(ready[1]);
}

static void stop(struct agent *a)
{
	t_kill(a->pid);
	for (int i = 0; i < 4; i++)
		close(a->pipes[i / 2][i % 2]);
}

/* -- comparing --------------------------------------------------------------------------- */

static bool has_returned(const struct agent *a, int side)
{
	return __atomic_load_n(&a->order->sides[side].done, __ATOMIC_ACQUIRE) == a->given;
}

static uint32_t count_kernels(int command)
{
	int count = 0;

	for (int i = 0; i < SEMAPHORES; i++)
		count += semctl(id, i, command);
	return (uint32_t)count;
}

static uint32_t count_ours(void)
{
	struct dure_semset_info info = { .sz = sizeof info };
	uint32_t count = 0;

	for (uint32_t i = 0; i < SEMAPHORES; i++) {
		T_OK(dure_semset_info(seg, set, i, &info));
		count += info.waiting_for_more + info.waiting_for_zero;
	}
	return count;
}

/* Has each side of the agent come to an end, or to a wait? */
static bool is_at_rest(const struct agent *a)
{
	bool kernels = has_returned(a, KERNELS), ours = has_returned(a, OURS);

	if (kernels != ours)
		return false;
	return kernels || (a->order->may_wait && count_kernels(GETNCNT) + count_kernels(GETZCNT) == 1 && count_ours() == 1);
}

static void await_rest(const struct agent *a)
{
	for (int ms = 0; !is_at_rest(a); ms++) {
		if (ms == HANG_MS)
			fail_msg("the kernel's has %s, ours has %s",
				 has_returned(a, KERNELS) ? "returned" : "not",
				 has_returned(a, OURS) ? "returned" : "not");
		if (ms > 20)
			t_sleep_ms(1);
		else
			sched_yield();
	}
	if (has_returned(a, KERNELS))
		assert_int_equal(a->order->sides[OURS].result, a->order->sides[KERNELS].result);
}

static void compare_waiters(unsigned step, int index, const struct dure_semset_info *info)
{
	if ((int)info->waiting_for_more != semctl(id, index, GETNCNT) ||
	    (int)info->waiting_for_zero != semctl(id, index, GETZCNT))
		fail_msg("step %u, semaphore %d: %u and %u wait; the kernel's: %d and %d", step, index,
			 info->waiting_for_more, info->waiting_for_zero, semctl(id, index, GETNCNT),
			 semctl(id, index, GETZCNT));
}

static void compare(unsigned step, bool array_waits)
{
	uint32_t values[SEMAPHORES];
	struct dure_semset_info info = { .sz = sizeof info };

	T_OK(dure_semset_get_all(seg, set, values, SEMAPHORES));
	for (int i = 0; i < SEMAPHORES; i++) {
		T_OK(dure_semset_info(seg, set, (uint32_t)i, &info));
		if ((int)values[i] != semctl(id, i, GETVAL) || info.value != values[i])
			fail_msg("step %u, semaphore %d: %u, and the kernel's is %d", step, i, values[i],
				 semctl(id, i, GETVAL));
		if ((int)info.last_process != semctl(id, i, GETPID))
			fail_msg("step %u, semaphore %d: process %u, and the kernel's is %d", step, i,
				 info.last_process, semctl(id, i, GETPID));
		if (!array_waits)
			compare_waiters(step, i, &info);
	}
}

/* -- at random --------------------------------------------------------------------------- */

static uint64_t random_state;

static uint32_t up_to(uint32_t bound)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33) % bound;
}

static int32_t random_change(void)
{
	switch (up_to(20)) {
	case 0:
		return 32767;
	case 1:
		return 32760;
	case 2:
		return -32767;
	case 3: case 4: case 5:
		return 0;
	default:
		return (int32_t)up_to(7) - 3;
	}
}

static void give(struct agent *a, bool may_wait)
{
	struct order *order = a->order;

	order->count = 1 + up_to(OPERATIONS_MAX);
	if (up_to(2))
		order->count = 1;
	for (uint32_t i = 0; i < order->count; i++)
		order->operations[i] = (struct dure_semset_operation){
			.index = up_to(SEMAPHORES), .change = random_change(),
			.flags = (up_to(2) ? DURE_SEMSET_UNDO : 0) |
				 (up_to(6) ? 0 : DURE_SEMSET_NO_WAIT),
		};
	order->may_wait = may_wait;
	a->given++;
	t_signal(a->pipes[KERNELS][1]);
	t_signal(a->pipes[OURS][1]);
	await_rest(a);
}

static void set_something(void)
{
	unsigned short kernels[SEMAPHORES];
	uint32_t values[SEMAPHORES];

	if (up_to(2)) {
		uint32_t index = up_to(SEMAPHORES), value = up_to(5);
		assert_int_equal(semctl(id, (int)index, SETVAL, (int)value), 0);
		T_OK(dure_semset_set(seg, set, index, value));
		return;
	}
	for (int i = 0; i < SEMAPHORES; i++)
		values[i] = kernels[i] = (unsigned short)up_to(5);
	assert_int_equal(semctl(id, 0, SETALL, kernels), 0);
	T_OK(dure_semset_set_all(seg, set, values, SEMAPHORES));
}

/* One that does not wait; nobody waits: it may. */
static void step(struct agent **waiting)
{
	uint32_t what = up_to(60);
	struct agent *a = *waiting && up_to(20) == 0 ? *waiting : &agents[up_to(AGENTS)];

	if (what == 0) {
		set_something();
	} else if (what <= 2 || (a == *waiting && up_to(5) == 0)) {
		stop(a);
		if (a == *waiting)
			*waiting = NULL;
		start(a);
	} else if (a != *waiting) {
		give(a, !*waiting);
		if (!*waiting && !has_returned(a, OURS))
			*waiting = a;
	}
	if (*waiting) {
		await_rest(*waiting);
		if (has_returned(*waiting, OURS))
			*waiting = NULL;
	}
}

static void it_is_as_in_the_kernel(void **state)
{
	struct agent *waiting = NULL;
	unsigned waits = 0;

	(void)state;
	random_state = 20261121;
	for (unsigned i = 0; i < STEPS; i++) {
		bool had = waiting;
		step(&waiting);
		waits += !had && waiting;
		compare(i, waiting && waiting->order->count > 1);
	}
	print_message("    %u steps, %u waits\n", STEPS, waits);
	assert_true(waits > STEPS / 50);
}

static int construct(dure_tx *tx, void *object, uint64_t count, void *context)
{
	return count ? dure_semset_init(dure_tx_segment(tx), object, context) : -EINVAL;
}

static int setup(void **state)
{
	struct dure_semset_options o = { .sz = sizeof o, .semaphores = SEMAPHORES,
					 .processes = AGENTS };
	void *object;

	(void)state;
	seg = t_segment(4 << 20);
	T_OK(dure_object_construct(seg, "set", dure_type_make("set", DURE_SEMSET_BYTES(SEMAPHORES, AGENTS), 8),
				   1, construct, &o, &object));
	set = object;
	id = semget(IPC_PRIVATE, SEMAPHORES, 0600);
	if (id < 0)
		skip();
	orders = mmap(NULL, AGENTS * sizeof *orders, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(orders != MAP_FAILED);
	for (int i = 0; i < AGENTS; i++) {
		agents[i].order = &orders[i];
		start(&agents[i]);
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (int i = 0; i < AGENTS; i++)
		stop(&agents[i]);
	semctl(id, 0, IPC_RMID);
	munmap(orders, AGENTS * sizeof *orders);
	t_finish(seg);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_is_as_in_the_kernel, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

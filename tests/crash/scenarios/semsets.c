/* SPDX-License-Identifier: MIT */
/*
 * semsets.c - sets of semaphores, to be killed at every instruction
 *
 * What the victim has done with UNDO is taken back in any case: so what is seen of it is what it
 * did without.
 */
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "steps.h"

enum { UNDO = DURE_SEMSET_UNDO, COUNT = SEMSET_SEMAPHORES };

static dure_semset *set_of(struct world *w)
{
	return (dure_semset *)(void *)w->root->semset;
}

static void init(struct world *w)
{
	const uint32_t values[COUNT] = { 3, 1, 0 };
	struct dure_semset_options o = { .sz = sizeof o, .semaphores = COUNT,
					 .processes = SEMSET_PROCESSES, .values = values };

	must(dure_semset_init(w->seg, set_of(w), &o), "semset_init");
}

static int operate(struct world *w, const struct dure_semset_operation *operations, size_t count,
		   int64_t timeout_ns)
{
	return dure_semset_operate(w->seg, set_of(w), operations, count, timeout_ns);
}

static bool values_are(struct world *w, uint32_t a, uint32_t b, uint32_t c)
{
	uint32_t values[COUNT];

	return dure_semset_get_all(w->seg, set_of(w), values, COUNT) == 0 && values[0] == a &&
	       values[1] == b && values[2] == c;
}

static enum verdict judge_values(struct world *w, uint32_t a, uint32_t b, uint32_t c)
{
	return values_are(w, 3, 1, 0) ? BEFORE : values_are(w, a, b, c) ? AFTER : WRONG;
}

static enum verdict judge_untouched(struct world *w)
{
	return values_are(w, 3, 1, 0) ? EITHER : WRONG;
}

/* -- operating --------------------------------------------------------------------------- */

static void prepare_set(struct world *w)
{
	warm_up(w);
	init(w);
}

static void run_operate(struct world *w)
{
	const struct dure_semset_operation three[] = { { 2, 0, 0 }, { 0, -2, 0 }, { 2, 1, 0 },
						       { 2, 1, 0 } };

	must(operate(w, three, 4, DURE_FOREVER), "operate");
}

static enum verdict judge_operated(struct world *w)
{
	return judge_values(w, 1, 1, 2);
}

static void run_operate_one(struct world *w)
{
	must(operate(w, &(struct dure_semset_operation){ 1, 4, 0 }, 1, 0), "operate");
}

static enum verdict judge_one(struct world *w)
{
	return judge_values(w, 3, 5, 0);
}

static void run_with_undo(struct world *w)
{
	const struct dure_semset_operation mixed[] = { { 0, -3, UNDO }, { 1, 5, UNDO }, { 2, 2, 0 } };

	must(operate(w, mixed, 3, DURE_FOREVER), "operate");
}

static enum verdict judge_undone(struct world *w)
{
	return judge_values(w, 3, 1, 2);
}

static void run_stopped(struct world *w)
{
	const struct dure_semset_operation too_many[] = { { 0, -3, UNDO }, { 1, 5, UNDO },
							  { 2, -1, 0 } };

	if (operate(w, too_many, 3, 0) != -EAGAIN)
		must(-1, "an operation that has to wait");
}

static void run_waiting(struct world *w)
{
	if (operate(w, &(struct dure_semset_operation){ 2, -1, UNDO }, 1, DURE_MS(1)) != -ETIMEDOUT)
		must(-1, "an operation that waits");
}

/* Another process waits for more than comes. */
static void prepare_waiter(struct world *w)
{
	struct dure_semset_info info = { .sz = sizeof info };

	prepare_set(w);
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		must(dure_segment_reattach(w->seg), "reattach");
		must(operate(w, &(struct dure_semset_operation){ 1, -30, 0 }, 1, DURE_FOREVER), "wait");
	}
	do
		must(dure_semset_info(w->seg, set_of(w), 1, &info), "info");
	while (info.waiting_for_more == 0 && usleep(1000) == 0);
}

/* -- adjustments ------------------------------------------------------------------------- */

static void adjust(struct world *w)
{
	const struct dure_semset_operation both[] = { { 0, -2, UNDO }, { 1, 4, UNDO } };

	must(operate(w, both, 2, DURE_FOREVER), "operate");
}

static void prepare_adjusted(struct world *w)
{
	prepare_set(w);
	adjust(w);
}

/* The thread holds nothing else. */
static void prepare_to_leave(struct world *w)
{
	init(w);
	adjust(w);
}

static void run_undo_again(struct world *w)
{
	const struct dure_semset_operation back[] = { { 1, -4, UNDO }, { 0, 2, UNDO }, { 2, 2, 0 } };

	must(operate(w, back, 3, DURE_FOREVER), "operate");
}

static void run_set(struct world *w)
{
	must(dure_semset_set(w->seg, set_of(w), 0, 7), "set");
}

static enum verdict judge_set(struct world *w)
{
	return judge_values(w, 7, 1, 0);
}

static void run_set_all(struct world *w)
{
	must(dure_semset_set_all(w->seg, set_of(w), (const uint32_t[]){ 7, 8, 9 }, COUNT), "set_all");
}

static enum verdict judge_set_all(struct world *w)
{
	return judge_values(w, 7, 8, 9);
}

/* A process with adjustments has died, and nobody has missed it. */
static void prepare_dead(struct world *w)
{
	pid_t pid;

	prepare_set(w);
	pid = fork();
	if (pid == 0) {
		must(dure_segment_reattach(w->seg), "reattach");
		adjust(w);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

static void run_recover(struct world *w)
{
	must(dure_segment_recover(w->seg), "recover");
}

static void prepare_orphans(struct world *w)
{
	prepare_dead(w);
	run_recover(w);
}

static void run_look(struct world *w)
{
	struct dure_semset_info info = { .sz = sizeof info };

	must(dure_semset_info(w->seg, set_of(w), 0, &info), "info");
	if (!values_are(w, 3, 1, 0))
		must(-1, "what the dead have undone");
}

static void run_detach(struct world *w)
{
	must(dure_thread_detach(w->seg), "detach");
}

/* -- the end ----------------------------------------------------------------------------- */

static void run_remove(struct world *w)
{
	must(dure_semset_remove(w->seg, set_of(w)), "remove");
}

static enum verdict judge_removed(struct world *w)
{
	uint32_t values[COUNT];

	return dure_semset_get_all(w->seg, set_of(w), values, COUNT) == -ESTALE
		       ? AFTER : judge_values(w, 3, 1, 0);
}

#define OPERATE "dure_semset_operate"

static const struct scenario list[] = {
	{ "semset_init", "dure_semset_init", prepare_nothing, init, nothing_to_see, 0 },
	{ "semset_operate", OPERATE, prepare_set, run_operate, judge_operated, SEEN_AT_ONCE },
	{ "semset_operate_one", OPERATE, prepare_set, run_operate_one, judge_one, SEEN_AT_ONCE },
	{ "semset_undo", OPERATE, prepare_set, run_with_undo, judge_undone, 0 },
	{ "semset_undo_more", OPERATE, prepare_adjusted, run_undo_again, judge_undone, 0 },
	{ "semset_stopped", OPERATE, prepare_set, run_stopped, judge_untouched, 0 },
	{ "semset_waiting", OPERATE, prepare_set, run_waiting, judge_untouched, 0 },
	{ "semset_wake", OPERATE, prepare_waiter, run_operate_one, judge_one, 0 },
	{ "semset_set", "dure_semset_set", prepare_adjusted, run_set, judge_set, 0 },
	{ "semset_set_all", "dure_semset_set_all", prepare_adjusted, run_set_all, judge_set_all, 0 },
	{ "semset_recover", "dure_segment_recover", prepare_dead, run_recover, judge_untouched, 0 },
	{ "semset_look", "dure_semset_info dure_semset_get_all", prepare_orphans, run_look,
	  judge_untouched, 0 },
	{ "semset_detach", "dure_thread_detach", prepare_to_leave, run_detach, judge_untouched, 0 },
	{ "semset_remove", "dure_semset_remove", prepare_adjusted, run_remove, judge_removed, 0 },
};

const struct scenarios semset_scenarios = { list, sizeof list / sizeof *list };

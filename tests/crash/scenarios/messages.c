/* SPDX-License-Identifier: MIT */
/*
 * messages.c - queues, to be killed at every instruction
 *
 * What the dead have taken is back when the judge looks: so a judge sees messages only, each of
 * them once, at its place and whole.
 */
#include "steps.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { BIG = 5000 };

static dure_queue *queue_named(struct world *w, const char *name)
{
	dure_queue *queue;

	must(dure_queue_open(w->seg, name, DURE_CREATE | DURE_OPEN, NULL, &queue), "queue_open");
	return queue;
}

static void put(dure_queue *queue, char letter, size_t bytes, int64_t type, uint32_t priority)
{
	struct dure_queue_put how = { .sz = sizeof how, .type = type, .priority = priority };
	char data[BIG];

	memset(data, letter, sizeof data);
	must(dure_queue_send(queue, data, bytes, &how, 0), "send");
}

static void take_first(dure_queue *queue, struct dure_message *ret)
{
	*ret = (struct dure_message){ .sz = sizeof *ret };
	must(dure_queue_take(queue, NULL, NULL, 0, ret, 0), "take");
}

/* what is waiting, or dead: first letters, in the order of coming; "?" when one is not whole */
static void letters(dure_queue *queue, uint32_t flags, char *ret, size_t room)
{
	struct dure_queue_select which = { .sz = sizeof which, .flags = flags };
	size_t count = 0;
	char data[BIG];

	for (; count < room - 1; which.skip++) {
		struct dure_message m = { .sz = sizeof m };
		if (dure_queue_peek(queue, &which, data, sizeof data, &m) < 0)
			break;
		ret[count++] = m.bytes && data[0] == data[m.bytes - 1] ? data[0] : '?';
	}
	ret[count] = '\0';
}

/* The queue holds these letters, with these dead ones; and its figures say the same. */
static bool holds(struct world *w, const char *name, const char *waiting, const char *dead)
{
	struct dure_queue_info info = { .sz = sizeof info };
	dure_queue *queue = queue_named(w, name);
	char found[32], found_dead[32];

	letters(queue, 0, found, sizeof found);
	letters(queue, DURE_QUEUE_DEAD_LETTERS, found_dead, sizeof found_dead);
	must(dure_queue_info(queue, &info), "queue_info");
	dure_queue_close(queue);
	return strcmp(found, waiting) == 0 && strcmp(found_dead, dead) == 0 &&
	       info.messages == strlen(waiting) && info.taken == 0 &&
	       info.dead_letters == strlen(dead);
}

static enum verdict before_or_after(struct world *w, const char *before, const char *after)
{
	if (holds(w, "queue", before, ""))
		return BEFORE;
	return holds(w, "queue", after, "") ? AFTER : WRONG;
}

/* -- sending ----------------------------------------------------------------------------- */

/* blocks[0]: the queue. Four lines, one of them of two */
static void prepare_queue(struct world *w)
{
	dure_queue *queue = queue_named(w, "queue");

	w->blocks[0] = queue;
	put(queue, 'a', 8, 1, 5);
	put(queue, 'b', 8, 1, 5);
	put(queue, 'c', 8, 2, 4);
	put(queue, 'd', 8, 3, 9);
	put(queue, 'e', 8, 9, 0);
}

static void prepare_empty_queue(struct world *w)
{
	w->blocks[0] = queue_named(w, "queue");
	put(w->blocks[0], 'z', 8, 1, 0);	/* the heap has a page for it */
	must(dure_queue_receive(w->blocks[0], NULL, (char[8]){ 0 }, 8, NULL, 0), "receive");
}

static void run_send_first(struct world *w)
{
	put(w->blocks[0], 'f', 8, 1, 0);
}

static enum verdict judge_send_first(struct world *w)
{
	return before_or_after(w, "", "f");
}

static void run_send_into_line(struct world *w)
{
	put(w->blocks[0], 'f', 8, 1, 5);
}

static enum verdict judge_send_into_line(struct world *w)
{
	return before_or_after(w, "dabce", "dabfce");
}

/* two new lines, in the middle of the others */
static void run_send_new_line(struct world *w)
{
	put(w->blocks[0], 'f', 8, 2, 7);
}

static enum verdict judge_send_new_line(struct world *w)
{
	return before_or_after(w, "dabce", "dfabce");
}

/* -- receiving --------------------------------------------------------------------------- */

static void receive(struct world *w, uint32_t select, int64_t type, size_t bytes)
{
	struct dure_queue_select which = { .sz = sizeof which, .select = select, .type = type };
	char data[BIG];

	must(dure_queue_receive(w->blocks[0], &which, data, bytes, NULL, 0), "receive");
}

static void run_receive_line(struct world *w)
{
	receive(w, DURE_SELECT_ANY, 0, 8);
}

static enum verdict judge_receive_line(struct world *w)
{
	return before_or_after(w, "dabce", "abce");
}

static void run_receive_first_of_line(struct world *w)
{
	receive(w, DURE_SELECT_TYPE, 1, 8);
}

static enum verdict judge_receive_first_of_line(struct world *w)
{
	return before_or_after(w, "dabce", "dbce");
}

/* a message in the middle of both its lines */
static void prepare_long_line(struct world *w)
{
	prepare_queue(w);
	put(w->blocks[0], 'f', 8, 2, 5);
	put(w->blocks[0], 'g', 8, 1, 5);
}

static void run_receive_from_middle(struct world *w)
{
	receive(w, DURE_SELECT_EXCEPT, 3, 8);
	receive(w, DURE_SELECT_TYPE, 2, 8);
}

/* a, and then f */
static enum verdict judge_receive_from_middle(struct world *w)
{
	if (holds(w, "queue", "dabfgce", "") || holds(w, "queue", "dbfgce", ""))
		return BEFORE;
	return holds(w, "queue", "dbgce", "") ? AFTER : WRONG;
}

static void prepare_big(struct world *w)
{
	w->blocks[0] = queue_named(w, "queue");
	put(w->blocks[0], 'a', BIG, 1, 0);
	put(w->blocks[0], 'b', 8, 1, 0);
}

static void run_receive_big(struct world *w)
{
	receive(w, DURE_SELECT_ANY, 0, BIG);
}

static enum verdict judge_receive_big(struct world *w)
{
	return before_or_after(w, "ab", "b");
}

/* three at once, into a line, before it and behind all */
static void run_send_many(struct world *w)
{
	struct dure_queue_put how = { .sz = sizeof how, .type = 2, .priority = 5 };
	struct dure_queue_piece pieces[] = { { (char[8]){ "ffffffff" }, 8 },
					     { (char[8]){ "gggggggg" }, 8 },
					     { (char[8]){ "hhhhhhhh" }, 8 } };

	must(dure_queue_send_many(w->blocks[0], pieces, 3, &how, 0) == 3 ? 0 : -EINVAL, "send_many");
}

static enum verdict judge_send_many(struct world *w)
{
	return before_or_after(w, "dabce", "dabfghce");
}

static void run_receive_many(struct world *w)
{
	char bytes[3][8];
	struct dure_queue_piece pieces[] = { { bytes[0], 8 }, { bytes[1], 8 }, { bytes[2], 8 } };

	must(dure_queue_receive_many(w->blocks[0], NULL, pieces, NULL, 3, 0) == 3 ? 0 : -EINVAL,
	     "receive_many");
}

static enum verdict judge_receive_many(struct world *w)
{
	return before_or_after(w, "dabce", "ce");
}

/* -- taking and settling ----------------------------------------------------------------- */

static struct dure_message taken;

static void run_take(struct world *w)
{
	take_first(w->blocks[0], &taken);
}

/* It comes back; that it has been delivered shows. */
static enum verdict judge_take(struct world *w)
{
	struct dure_message m = { .sz = sizeof m };
	dure_queue *queue = queue_named(w, "queue");
	int r = dure_queue_peek(queue, NULL, NULL, 0, &m);

	dure_queue_close(queue);
	if (r < 0 || m.deliveries > 1 || !holds(w, "queue", "dabce", ""))
		return WRONG;
	return seen(m.deliveries == 1);
}

static void prepare_taken(struct world *w)
{
	prepare_queue(w);
	run_take(w);
}

static void run_acknowledge(struct world *w)
{
	must(dure_queue_acknowledge(w->blocks[0], &taken), "acknowledge");
}

static void prepare_three_taken(struct world *w)
{
	struct dure_message other;

	prepare_queue(w);
	take_first(w->blocks[0], &other);
	run_take(w);
	take_first(w->blocks[0], &other);
}

static void run_requeue(struct world *w)
{
	must(dure_queue_requeue(w->blocks[0], &taken), "requeue");
}

/* Before or after, all of them are back. */
static enum verdict judge_all_back(struct world *w)
{
	return holds(w, "queue", "dabce", "") ? EITHER : WRONG;
}

static void run_reject(struct world *w)
{
	must(dure_queue_reject(w->blocks[0], &taken), "reject");
}

static enum verdict judge_reject(struct world *w)
{
	if (holds(w, "queue", "dabce", ""))
		return BEFORE;
	return holds(w, "queue", "abce", "d") ? AFTER : WRONG;
}

/* A thread that is gone has taken two; who looks puts them back. */
static void *take_two(void *queue)
{
	struct dure_message m;

	take_first(queue, &m);
	take_first(queue, &m);
	return NULL;
}

static void prepare_left(struct world *w)
{
	pthread_t thread;

	prepare_queue(w);
	if (pthread_create(&thread, NULL, take_two, w->blocks[0]) || pthread_join(thread, NULL))
		must(-EAGAIN, "pthread_create");
}

static void run_peek(struct world *w)
{
	must(dure_queue_peek(w->blocks[0], NULL, NULL, 0, NULL), "peek");
}

/* -- in transactions --------------------------------------------------------------------- */

/* blocks[1]: another queue. Something moves from one to the other. */
static void prepare_two_queues(struct world *w)
{
	prepare_queue(w);
	w->blocks[1] = queue_named(w, "other");
}

static void run_move_in_tx(struct world *w)
{
	char letter;
	dure_tx *tx;

	must(dure_tx_begin(w->seg, &tx), "begin");
	must(dure_queue_receive(w->blocks[0], NULL, (char[8]){ 0 }, 8, NULL, 0), "receive");
	put(w->blocks[1], 'd', 8, 1, 0);
	put(w->blocks[0], 'x', 8, 9, 9);
	letter = 'x';
	must(dure_tx_write(tx, &w->root->words[0], &letter, 1), "write");
	must(dure_tx_commit(tx), "commit");
}

static enum verdict judge_move_in_tx(struct world *w)
{
	if (holds(w, "queue", "dabce", "") && holds(w, "other", "", "") && !w->root->words[0])
		return BEFORE;
	return holds(w, "queue", "xabce", "") && holds(w, "other", "d", "") && w->root->words[0]
		       ? AFTER : WRONG;
}

static void run_abort_tx(struct world *w)
{
	dure_tx *tx;

	must(dure_tx_begin(w->seg, &tx), "begin");
	run_receive_line(w);
	put(w->blocks[0], 'f', 8, 2, 7);
	run_take(w);
	must(dure_tx_abort(tx), "abort");
}

/* -- a queue's life ---------------------------------------------------------------------- */

static bool exists(struct world *w)
{
	dure_queue *queue;
	int r = dure_queue_open(w->seg, "queue", DURE_OPEN, NULL, &queue);

	if (r == 0)
		dure_queue_close(queue);
	return r != -ENOENT;
}

static void run_queue_open(struct world *w)
{
	queue_named(w, "queue");
}

static enum verdict judge_queue_open(struct world *w)
{
	return !exists(w) ? BEFORE : holds(w, "queue", "", "") ? AFTER : WRONG;
}

/* The dead do not count as users: whoever survives can destroy it. */
static enum verdict judge_can_be_destroyed(struct world *w)
{
	if (!holds(w, "queue", "dabce", ""))
		return WRONG;
	return dure_queue_destroy(w->seg, "queue") == 0 && !exists(w) ? EITHER : WRONG;
}

static void run_queue_again_and_close(struct world *w)
{
	dure_queue_close(queue_named(w, "queue"));
	dure_queue_close(w->blocks[0]);
}

static void run_shut(struct world *w)
{
	must(dure_queue_shut(w->blocks[0]), "shut");
}

static enum verdict judge_shut(struct world *w)
{
	struct dure_queue_info info = { .sz = sizeof info };
	dure_queue *queue = queue_named(w, "queue");

	must(dure_queue_info(queue, &info), "queue_info");
	dure_queue_close(queue);
	return holds(w, "queue", "dabce", "") ? seen(info.is_shut) : WRONG;
}

static void prepare_closed(struct world *w)
{
	prepare_three_taken(w);
	must(dure_queue_reject(w->blocks[0], &taken), "reject");
	dure_queue_close(w->blocks[0]);
}

static void run_destroy(struct world *w)
{
	must(dure_queue_destroy(w->seg, "queue"), "destroy");
}

/* There with all it had, or only to be destroyed again, or gone. */
static enum verdict judge_destroy(struct world *w)
{
	dure_queue *queue;
	int r = dure_queue_open(w->seg, "queue", DURE_OPEN, NULL, &queue);

	if (r == -ENOENT)
		return AFTER;
	if (r == 0)
		dure_queue_close(queue);
	if (r == 0 ? !holds(w, "queue", "dbce", "a") : r != -EBUSY)
		return WRONG;
	return dure_queue_destroy(w->seg, "queue") == 0 && !exists(w) ? BEFORE : WRONG;
}

static const struct scenario list[] = {
	{ "queue_open", "dure_queue_open", prepare_nothing, run_queue_open, judge_queue_open, 0 },
	{ "queue_close", "dure_queue_open dure_queue_close", prepare_queue, run_queue_again_and_close,
	  judge_can_be_destroyed, 0 },
	{ "queue_shut", "dure_queue_shut", prepare_queue, run_shut, judge_shut, 0 },
	{ "queue_destroy", "dure_queue_destroy", prepare_closed, run_destroy, judge_destroy,
	  UNCOUNTED },
	{ "queue_send_first", "dure_queue_send", prepare_empty_queue, run_send_first,
	  judge_send_first, 0 },
	{ "queue_send_into_line", "dure_queue_send", prepare_queue, run_send_into_line,
	  judge_send_into_line, 0 },
	{ "queue_send_new_line", "dure_queue_send", prepare_queue, run_send_new_line,
	  judge_send_new_line, 0 },
	{ "queue_receive_line", "dure_queue_receive", prepare_queue, run_receive_line,
	  judge_receive_line, 0 },
	{ "queue_receive_first_of_line", "dure_queue_receive", prepare_queue,
	  run_receive_first_of_line, judge_receive_first_of_line, 0 },
	{ "queue_receive_from_middle", "dure_queue_receive", prepare_long_line,
	  run_receive_from_middle, judge_receive_from_middle, UNCOUNTED },
	{ "queue_receive_big", "dure_queue_receive", prepare_big, run_receive_big, judge_receive_big,
	  0 },
	{ "queue_send_many", "dure_queue_send_many", prepare_queue, run_send_many, judge_send_many, 0 },
	{ "queue_receive_many", "dure_queue_receive_many", prepare_queue, run_receive_many,
	  judge_receive_many, 0 },
	{ "queue_take", "dure_queue_take", prepare_queue, run_take, judge_take, 0 },
	{ "queue_acknowledge", "dure_queue_acknowledge", prepare_taken, run_acknowledge,
	  judge_receive_line, 0 },
	{ "queue_requeue", "dure_queue_requeue", prepare_three_taken, run_requeue, judge_all_back, 0 },
	{ "queue_reject", "dure_queue_reject", prepare_taken, run_reject, judge_reject, 0 },
	{ "queue_return", "dure_queue_peek", prepare_left, run_peek, judge_all_back, 0 },
	{ "queue_move_in_tx", "dure_queue_receive dure_queue_send", prepare_two_queues,
	  run_move_in_tx, judge_move_in_tx, 0 },
	{ "queue_abort_tx", "dure_queue_receive dure_queue_take", prepare_queue, run_abort_tx,
	  judge_all_back, 0 },
};

const struct scenarios message_scenarios = { list, sizeof list / sizeof *list };

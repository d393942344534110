/* SPDX-License-Identifier: MIT */
/*
 * rings.c - rings, to be killed at every instruction
 *
 * The judge takes both ends over from the dead, and receives what is there: each record whole,
 * in its order; then it sends and receives once around the ring.
 */
#include "steps.h"

#include <string.h>

enum { RING_BYTES = 1024, RECORD = 200 };

static dure_ring *end_of(struct world *w, uint32_t end)
{
	struct dure_ring_options o = { .sz = sizeof o, .bytes = RING_BYTES };
	dure_ring *ring;

	must(dure_ring_open(w->seg, "ring", DURE_CREATE | DURE_OPEN, &o, end, 0, &ring), "ring_open");
	return ring;
}

static int try_letter(dure_ring *ring, char letter)
{
	char data[RECORD];

	memset(data, letter, sizeof data);
	return dure_ring_send(ring, data, sizeof data, 0);
}

static void send_letter(dure_ring *ring, char letter)
{
	must(try_letter(ring, letter), "ring_send");
}

static void receive_letters(dure_ring *ring, char *ret, size_t room)
{
	size_t count = 0, bytes;
	char data[RECORD];

	while (count < room - 1 && dure_ring_receive(ring, data, sizeof data, &bytes, 0) == 0)
		ret[count++] = bytes == RECORD && data[0] == data[RECORD - 1] ? data[0] : '?';
	ret[count] = '\0';
}

static bool goes_round(dure_ring *sender, dure_ring *receiver)
{
	char found[8];

	for (int i = 0; i < 8; i++) {
		if (try_letter(sender, 'y') < 0 || try_letter(sender, 'z') < 0)
			return false;
		receive_letters(receiver, found, sizeof found);
		if (strcmp(found, "yz") != 0)
			return false;
	}
	return true;
}

static enum verdict judge(struct world *w, const char *before, const char *after)
{
	dure_ring *sender = end_of(w, DURE_RING_SENDER), *receiver = end_of(w, DURE_RING_RECEIVER);
	char found[8];

	receive_letters(receiver, found, sizeof found);
	bool goes_on = goes_round(sender, receiver);
	dure_ring_close(sender);
	dure_ring_close(receiver);
	if (!goes_on)
		return WRONG;
	if (strcmp(before, after) == 0)
		return strcmp(found, before) == 0 ? EITHER : WRONG;
	return strcmp(found, before) == 0 ? BEFORE : strcmp(found, after) == 0 ? AFTER : WRONG;
}

/* blocks[0], blocks[1]: the ends. Three records; the next one does not fit behind them */
static void prepare_ring(struct world *w)
{
	char found[8];

	w->blocks[0] = end_of(w, DURE_RING_SENDER);
	w->blocks[1] = end_of(w, DURE_RING_RECEIVER);
	send_letter(w->blocks[0], 'x');
	send_letter(w->blocks[0], 'x');
	receive_letters(w->blocks[1], found, sizeof found);
	send_letter(w->blocks[0], 'a');
	send_letter(w->blocks[0], 'b');
}

static void run_send(struct world *w)
{
	send_letter(w->blocks[0], 'c');
}

/* two of them: the first one wraps */
static void run_send_and_wrap(struct world *w)
{
	char found[2];

	receive_letters(w->blocks[1], found, sizeof found);	/* a */
	send_letter(w->blocks[0], 'c');
	send_letter(w->blocks[0], 'd');
}

static enum verdict judge_send(struct world *w)
{
	return judge(w, "ab", "abc");
}

static enum verdict judge_send_and_wrap(struct world *w)
{
	dure_ring *sender = end_of(w, DURE_RING_SENDER), *receiver = end_of(w, DURE_RING_RECEIVER);
	char found[8];

	receive_letters(receiver, found, sizeof found);
	bool goes_on = goes_round(sender, receiver);
	dure_ring_close(sender);
	dure_ring_close(receiver);
	if (!goes_on)
		return WRONG;
	if (strcmp(found, "ab") == 0 || strcmp(found, "b") == 0 || strcmp(found, "bc") == 0)
		return BEFORE;
	return strcmp(found, "bcd") == 0 ? AFTER : WRONG;
}

static void run_reserve_and_publish(struct world *w)
{
	void *room;

	must(dure_ring_reserve(w->blocks[0], RECORD, &room, 0), "reserve");
	memset(room, 'c', RECORD);
	must(dure_ring_publish(w->blocks[0]), "publish");
}

static void run_receive(struct world *w)
{
	char data[RECORD];
	size_t bytes;

	must(dure_ring_receive(w->blocks[1], data, sizeof data, &bytes, 0), "receive");
}

static void run_look_and_done(struct world *w)
{
	const void *data;
	size_t bytes;

	must(dure_ring_look(w->blocks[1], &data, &bytes, 0), "look");
	must(dure_ring_done(w->blocks[1]), "done");
}

static enum verdict judge_receive(struct world *w)
{
	return judge(w, "ab", "b");
}

static void run_open(struct world *w)
{
	end_of(w, DURE_RING_SENDER);
}

static enum verdict judge_open(struct world *w)
{
	dure_ring *ring;
	int r = dure_ring_open(w->seg, "ring", DURE_OPEN, NULL, DURE_RING_SENDER, 0, &ring);

	if (r < 0)
		return r == -ENOENT ? BEFORE : WRONG;
	dure_ring_close(ring);
	return judge(w, "", "") == EITHER ? AFTER : WRONG;
}

static void run_close_and_take_over(struct world *w)
{
	dure_ring_close(w->blocks[0]);
	end_of(w, DURE_RING_SENDER);
}

static enum verdict judge_take_over(struct world *w)
{
	return judge(w, "ab", "ab");
}

static void prepare_closed(struct world *w)
{
	prepare_ring(w);
	dure_ring_close(w->blocks[0]);
	dure_ring_close(w->blocks[1]);
}

static void run_destroy(struct world *w)
{
	must(dure_ring_destroy(w->seg, "ring"), "destroy");
}

/* There with all it had, or only to be destroyed again, or gone. */
static enum verdict judge_destroy(struct world *w)
{
	dure_ring *ring;
	int r = dure_ring_open(w->seg, "ring", DURE_OPEN, NULL, DURE_RING_SENDER, 0, &ring);

	if (r == -ENOENT)
		return AFTER;
	if (r == 0)
		dure_ring_close(ring);
	if (r == 0 ? judge(w, "ab", "ab") != EITHER : r != -EBUSY)
		return WRONG;
	return dure_ring_destroy(w->seg, "ring") == 0 ? BEFORE : WRONG;
}

static const struct scenario list[] = {
	{ "ring_open", "dure_ring_open", prepare_nothing, run_open, judge_open, 0 },
	{ "ring_take_over", "dure_ring_close dure_ring_open", prepare_ring, run_close_and_take_over,
	  judge_take_over, 0 },
	{ "ring_destroy", "dure_ring_destroy", prepare_closed, run_destroy, judge_destroy, 0 },
	{ "ring_send", "dure_ring_send", prepare_ring, run_send, judge_send, 0 },
	{ "ring_send_and_wrap", "dure_ring_send dure_ring_receive", prepare_ring, run_send_and_wrap,
	  judge_send_and_wrap, 0 },
	{ "ring_publish", "dure_ring_reserve dure_ring_publish", prepare_ring,
	  run_reserve_and_publish, judge_send, 0 },
	{ "ring_receive", "dure_ring_receive", prepare_ring, run_receive, judge_receive, 0 },
	{ "ring_done", "dure_ring_look dure_ring_done", prepare_ring, run_look_and_done, judge_receive,
	  0 },
};

const struct scenarios ring_scenarios = { list, sizeof list / sizeof *list };

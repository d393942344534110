/* SPDX-License-Identifier: MIT */
/*
 * lanes.c - lanes, to be killed at every instruction
 *
 * The judge becomes the receiver and receives what is there: each record whole, each sender's in
 * their order. Then it takes both lanes over from the dead, and sends and receives once around
 * them; so a lane that is lost, or a record that is there twice, is seen.
 */
#include "steps.h"

#include <string.h>

enum { LANE_BYTES = 1024, LANES = 2, RECORD = 200, FOUND_MAX = 16 };

static int try_end(struct world *w, uint32_t end, dure_lanes **ret)
{
	struct dure_lanes_options o = { .sz = sizeof o, .bytes = LANE_BYTES, .senders_max = LANES };

	return dure_lanes_open(w->seg, "lanes", DURE_CREATE | DURE_OPEN, &o, end, 0, ret);
}

static dure_lanes *end_of(struct world *w, uint32_t end)
{
	dure_lanes *lanes;

	must(try_end(w, end, &lanes), "lanes_open");
	return lanes;
}

static void send_letter(dure_lanes *sender, char letter)
{
	char data[RECORD];

	memset(data, letter, sizeof data);
	must(dure_lanes_send(sender, data, sizeof data, 0), "lanes_send");
}

/* The letters of each lane, one behind the other, as in "ab" and "x". */
struct found {
	char letters[LANES][FOUND_MAX];
};

static struct found receive_letters(dure_lanes *receiver)
{
	unsigned counts[LANES] = { 0 };
	struct found found = { 0 };
	char data[RECORD];
	uint32_t lane;
	size_t bytes;

	while (dure_lanes_receive(receiver, data, sizeof data, &bytes, &lane, 0) == 0)
		if (lane < LANES && counts[lane] < FOUND_MAX - 1)
			found.letters[lane][counts[lane]++] =
				bytes == RECORD && data[0] == data[RECORD - 1] ? data[0] : '?';
	return found;
}

static bool are(const struct found *found, const char *first, const char *second)
{
	return strcmp(found->letters[0], first) == 0 && strcmp(found->letters[1], second) == 0;
}

/* Both lanes can be had, and not a third; and their records go round. */
static bool goes_round(struct world *w, dure_lanes *receiver)
{
	dure_lanes *senders[LANES], *none;
	bool goes = true;

	for (int i = 0; i < LANES; i++)
		if (try_end(w, DURE_LANES_SENDER, &senders[i]) < 0)
			return false;
	if (try_end(w, DURE_LANES_SENDER, &none) != -EAGAIN)
		return false;
	for (int i = 0; goes && i < 6; i++) {
		send_letter(senders[1], 'y');
		send_letter(senders[0], 'z');
		struct found found = receive_letters(receiver);
		goes = are(&found, "z", "y");
	}
	for (int i = 0; i < LANES; i++)
		dure_lanes_close(senders[i]);
	return goes;
}

/* What was found; false: it does not go on. */
static bool look(struct world *w, struct found *ret)
{
	dure_lanes *receiver = end_of(w, DURE_LANES_RECEIVER);

	*ret = receive_letters(receiver);
	bool goes_on = goes_round(w, receiver);
	dure_lanes_close(receiver);
	return goes_on;
}

/* The other lane has "x". */
static enum verdict judge(struct world *w, const char *before, const char *after)
{
	struct found found;

	if (!look(w, &found))
		return WRONG;
	if (strcmp(before, after) == 0)
		return are(&found, before, "x") ? EITHER : WRONG;
	return are(&found, before, "x") ? BEFORE : are(&found, after, "x") ? AFTER : WRONG;
}

/* blocks[0], blocks[1]: senders; blocks[2]: the receiver. The next record of the first does not
   fit behind what it has sent. */
static void prepare_lanes(struct world *w)
{
	w->blocks[0] = end_of(w, DURE_LANES_SENDER);
	w->blocks[1] = end_of(w, DURE_LANES_SENDER);
	w->blocks[2] = end_of(w, DURE_LANES_RECEIVER);
	send_letter(w->blocks[0], 'o');
	send_letter(w->blocks[0], 'o');
	(void)receive_letters(w->blocks[2]);
	send_letter(w->blocks[0], 'a');
	send_letter(w->blocks[0], 'b');
	send_letter(w->blocks[1], 'x');
}

static void run_send(struct world *w)
{
	send_letter(w->blocks[0], 'c');
}

static void run_publish(struct world *w)
{
	void *room;

	must(dure_lanes_reserve(w->blocks[0], RECORD, &room, 0), "reserve");
	memset(room, 'c', RECORD);
	must(dure_lanes_publish(w->blocks[0]), "publish");
}

static enum verdict judge_send(struct world *w)
{
	return judge(w, "ab", "abc");
}

/* of the first lane: the receiver stays with the one it received from last */
static void run_receive(struct world *w)
{
	char data[RECORD];
	uint32_t lane;
	size_t bytes;

	must(dure_lanes_receive(w->blocks[2], data, sizeof data, &bytes, &lane, 0), "receive");
}

static void run_look_and_done(struct world *w)
{
	const void *data;
	uint32_t lane;
	size_t bytes;

	must(dure_lanes_look(w->blocks[2], &data, &bytes, &lane, 0), "look");
	must(dure_lanes_done(w->blocks[2]), "done");
}

static enum verdict judge_receive(struct world *w)
{
	return judge(w, "ab", "b");
}

static void run_open(struct world *w)
{
	end_of(w, DURE_LANES_SENDER);
}

static enum verdict judge_open(struct world *w)
{
	struct found found;
	dure_lanes *lanes;
	int r = dure_lanes_open(w->seg, "lanes", DURE_OPEN, NULL, DURE_LANES_SENDER, 0, &lanes);

	if (r < 0)
		return r == -ENOENT ? BEFORE : WRONG;
	dure_lanes_close(lanes);
	return look(w, &found) && are(&found, "", "") ? AFTER : WRONG;
}

/* one sender leaves, and another takes its lane; then the receivers change */
static void run_take_over(struct world *w)
{
	dure_lanes_close(w->blocks[0]);
	end_of(w, DURE_LANES_SENDER);
	dure_lanes_close(w->blocks[2]);
	end_of(w, DURE_LANES_RECEIVER);
}

static enum verdict judge_take_over(struct world *w)
{
	return judge(w, "ab", "ab");
}

static void prepare_closed(struct world *w)
{
	prepare_lanes(w);
	for (int i = 0; i < 3; i++)
		dure_lanes_close(w->blocks[i]);
}

static void run_destroy(struct world *w)
{
	must(dure_lanes_destroy(w->seg, "lanes"), "destroy");
}

/* There with all they had, or only to be destroyed again, or gone. */
static enum verdict judge_destroy(struct world *w)
{
	dure_lanes *lanes;
	int r = dure_lanes_open(w->seg, "lanes", DURE_OPEN, NULL, DURE_LANES_SENDER, 0, &lanes);

	if (r == -ENOENT)
		return AFTER;
	if (r == 0)
		dure_lanes_close(lanes);
	if (r == 0 ? judge(w, "ab", "ab") != EITHER : r != -EBUSY)
		return WRONG;
	return dure_lanes_destroy(w->seg, "lanes") == 0 ? BEFORE : WRONG;
}

static const struct scenario list[] = {
	{ "lanes_open", "dure_lanes_open", prepare_nothing, run_open, judge_open, 0 },
	{ "lanes_take_over", "dure_lanes_close dure_lanes_open", prepare_lanes, run_take_over,
	  judge_take_over, 0 },
	{ "lanes_destroy", "dure_lanes_destroy", prepare_closed, run_destroy, judge_destroy, 0 },
	{ "lanes_send", "dure_lanes_send", prepare_lanes, run_send, judge_send, 0 },
	{ "lanes_publish", "dure_lanes_reserve dure_lanes_publish", prepare_lanes, run_publish,
	  judge_send, 0 },
	{ "lanes_receive", "dure_lanes_receive", prepare_lanes, run_receive, judge_receive, 0 },
	{ "lanes_done", "dure_lanes_look dure_lanes_done", prepare_lanes, run_look_and_done,
	  judge_receive, 0 },
};

const struct scenarios lanes_scenarios = { list, sizeof list / sizeof *list };

/* SPDX-License-Identifier: MIT */
/*
 * topics.c - topics, to be killed at every instruction
 *
 * The judge joins, and receives what is kept: each publication whole, in its order. Then it
 * publishes to one who blocks, once around the cells; and at last destroys the topic, after which
 * no block may be left: neither of a publication, nor of what the dead had on loan.
 */
#include "steps.h"

#include <pthread.h>
#include <string.h>

enum { LETTER = 8, KEPT_BYTES = 4 * LETTER, ROUND = 40 };

static dure_topic *topic_of(struct world *w)
{
	struct dure_topic_options o = { .sz = sizeof o, .messages_max = 8, .bytes_max = KEPT_BYTES,
					.subscribers_max = 3 };
	dure_topic *topic;

	must(dure_topic_open(w->seg, "topic", DURE_CREATE | DURE_OPEN, &o, &topic), "topic_open");
	return topic;
}

static int try_put(dure_topic *topic, char letter, size_t bytes)
{
	char data[KEPT_BYTES];

	memset(data, letter, sizeof data);
	return dure_topic_send(topic, data, bytes, 0);
}

static void put(dure_topic *topic, const char *letters)
{
	for (; *letters; letters++)
		must(try_put(topic, *letters, LETTER), "send");
}

static dure_subscriber *subscribe(dure_topic *topic, uint32_t policy)
{
	struct dure_subscribe_options o = { .sz = sizeof o, .policy = policy,
					    .history = DURE_TOPIC_ALL };
	dure_subscriber *s;

	must(dure_topic_subscribe(topic, &o, &s), "subscribe");
	return s;
}

static const void *take(dure_subscriber *s)
{
	const void *data;

	must(dure_subscriber_take(s, &data, NULL, 0), "take");
	return data;
}

/* -- judging ----------------------------------------------------------------------------- */

/* what is kept: first letters; "?" when one is not whole, "!" when there was a hole */
static void letters(dure_topic *topic, char *ret, size_t room)
{
	dure_subscriber *s = subscribe(topic, DURE_TOPIC_DROP);
	struct dure_publication p = { .sz = sizeof p };
	char data[KEPT_BYTES];
	size_t count = 0;

	while (count < room - 1 && dure_subscriber_receive(s, data, sizeof data, &p, 0) == 0)
		ret[count++] = p.lost ? '!' : p.bytes && data[0] == data[p.bytes - 1] ? data[0] : '?';
	ret[count] = '\0';
	dure_subscriber_close(s);
}

/* Nobody who is dead blocks; what is published comes; what is retired goes. */
static bool goes_round(dure_topic *topic)
{
	struct dure_topic_info info = { .sz = sizeof info };
	dure_subscriber *s = subscribe(topic, DURE_TOPIC_BLOCK);
	char data[KEPT_BYTES];
	bool good = true;

	while (dure_subscriber_receive(s, data, sizeof data, NULL, 0) == 0)
		;
	/* once without bytes, which are kept until the cells are full */
	for (int i = 0; good && i < 2 * ROUND; i++) {
		data[0] = (char)i;
		good = try_put(topic, (char)i, i < ROUND ? 0 : LETTER) == 0 &&
		       dure_subscriber_receive(s, data, sizeof data, NULL, 0) == 0 && data[0] == (char)i;
	}
	dure_subscriber_close(s);
	return good && dure_topic_info(topic, &info) == 0 && info.on_loan == 0 &&
	       info.on_loan_bytes == 0 && info.bytes <= KEPT_BYTES && info.subscribers == 0;
}

static uint64_t live_blocks(struct world *w)
{
	struct dure_heap_info heap = { .sz = sizeof heap };

	must(dure_heap_info(w->seg, &heap), "heap_info");
	return heap.live_blocks;
}

/* *ret: what was kept. False: something is wrong. The topic is gone then. */
static bool look(struct world *w, char *ret, size_t room)
{
	dure_topic *topic = topic_of(w);
	bool good;

	letters(topic, ret, room);
	good = goes_round(topic);
	dure_topic_close(topic);
	return good && dure_topic_destroy(w->seg, "topic") == 0 &&
	       live_blocks(w) == w->root->words[0];
}

static enum verdict before_or_after(struct world *w, const char *before, const char *between,
				    const char *after)
{
	char found[ROUND];

	if (!look(w, found, sizeof found))
		return WRONG;
	if (strcmp(before, after) == 0)
		return strcmp(found, before) == 0 ? EITHER : WRONG;
	if (strcmp(found, before) == 0 || strcmp(found, between) == 0)
		return BEFORE;
	return strcmp(found, after) == 0 ? AFTER : WRONG;
}

/* words[0]: live blocks when there is no topic, and the directory has room for its name */
static void prepare_no_topic(struct world *w)
{
	dure_topic_close(topic_of(w));
	must(dure_topic_destroy(w->seg, "topic"), "destroy");
	w->root->words[0] = live_blocks(w);
}

/* -- publishing -------------------------------------------------------------------------- */

/* blocks[0]: the topic */
static void prepare_topic(struct world *w)
{
	prepare_no_topic(w);
	w->blocks[0] = topic_of(w);
	put(w->blocks[0], "abc");
}

static void run_send(struct world *w)
{
	put(w->blocks[0], "d");
}

static enum verdict judge_send(struct world *w)
{
	return before_or_after(w, "abc", "abc", "abcd");
}

static void run_publish(struct world *w)
{
	void *loan;

	must(dure_topic_loan(w->blocks[0], 2 * LETTER, &loan), "loan");
	memset(loan, 'd', LETTER);
	must(dure_topic_publish(w->blocks[0], loan, LETTER, 0), "publish");
}

static void run_loan_and_cancel(struct world *w)
{
	void *loan;

	must(dure_topic_loan(w->blocks[0], LETTER, &loan), "loan");
	must(dure_topic_cancel(w->blocks[0], loan), "cancel");
}

static enum verdict judge_unchanged(struct world *w)
{
	return before_or_after(w, "abc", "abc", "abc");
}

/* blocks[1]: a subscriber with a on loan, blocks[2] */
static void prepare_loaned(struct world *w)
{
	prepare_topic(w);
	put(w->blocks[0], "d");
	w->blocks[1] = subscribe(w->blocks[0], DURE_TOPIC_DROP);
	w->blocks[2] = (void *)(uintptr_t)take(w->blocks[1]);
}

/* a becomes an orphan, b is freed */
static void run_send_and_retire(struct world *w)
{
	must(try_put(w->blocks[0], 'e', 2 * LETTER), "send");
}

static enum verdict judge_send_and_retire(struct world *w)
{
	return before_or_after(w, "abcd", "cd", "cde");
}

/* as many as wait to be retired together, and one whose bytes are the limit */
static void prepare_full(struct world *w)
{
	prepare_no_topic(w);
	w->blocks[0] = topic_of(w);
	for (char letter = 'a'; letter <= 'z'; letter++)
		must(try_put(w->blocks[0], letter, 1), "send");
}

static void run_send_all(struct world *w)
{
	must(try_put(w->blocks[0], 'A', KEPT_BYTES), "send");
}

static enum verdict judge_send_all(struct world *w)
{
	return before_or_after(w, "abcdefghijklmnopqrstuvwxyz", "", "A");
}

static void in_thread(void *(*body)(void *), struct world *w)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, body, w) || pthread_join(thread, NULL))
		must(-EAGAIN, "pthread_create");
}

static void *subscribe_and_end(void *world)
{
	struct world *w = world;

	take(subscribe(w->blocks[0], DURE_TOPIC_BLOCK));
	return NULL;
}

/* one who blocks is gone, and had something on loan */
static void prepare_left(struct world *w)
{
	prepare_topic(w);
	put(w->blocks[0], "d");
	in_thread(subscribe_and_end, w);
}

/* -- subscribing ------------------------------------------------------------------------- */

static void run_subscribe(struct world *w)
{
	subscribe(w->blocks[0], DURE_TOPIC_BLOCK);
}

static void prepare_subscribed(struct world *w)
{
	prepare_topic(w);
	w->blocks[1] = subscribe(w->blocks[0], DURE_TOPIC_BLOCK);
}

static void run_take(struct world *w)
{
	take(w->blocks[1]);
}

static void run_receive(struct world *w)
{
	char data[LETTER];

	must(dure_subscriber_receive(w->blocks[1], data, sizeof data, NULL, 0), "receive");
}

/* what it had is kept no more */
static void prepare_orphan(struct world *w)
{
	prepare_loaned(w);
	run_send_and_retire(w);
}

static void run_give_back(struct world *w)
{
	must(dure_subscriber_give_back(w->blocks[1], w->blocks[2]), "give_back");
}

static void run_subscriber_close(struct world *w)
{
	dure_subscriber_close(w->blocks[1]);
}

static enum verdict judge_retired(struct world *w)
{
	return before_or_after(w, "cde", "cde", "cde");
}

/* -- a topic's life ---------------------------------------------------------------------- */

static void run_open(struct world *w)
{
	topic_of(w);
}

static enum verdict judge_open(struct world *w)
{
	dure_topic *topic;
	int r = dure_topic_open(w->seg, "topic", DURE_OPEN, NULL, &topic);

	if (r < 0)
		return r == -ENOENT ? BEFORE : WRONG;
	dure_topic_close(topic);
	return before_or_after(w, "", "", "") == EITHER ? AFTER : WRONG;
}

static void run_open_again_and_close(struct world *w)
{
	dure_topic_close(topic_of(w));
	dure_topic_close(w->blocks[0]);
}

static void run_shut(struct world *w)
{
	must(dure_topic_shut(w->blocks[0]), "shut");
}

static enum verdict judge_shut(struct world *w)
{
	struct dure_topic_info info = { .sz = sizeof info };

	must(dure_topic_look(w->seg, "topic", &info, NULL, NULL), "look");
	if (!info.is_shut)
		return judge_unchanged(w) == EITHER ? BEFORE : WRONG;
	return info.messages == 3 && dure_topic_destroy(w->seg, "topic") == 0 ? AFTER : WRONG;
}

static void *orphan_and_end(void *world)
{
	prepare_orphan(world);
	return NULL;
}

/* what somebody has on loan who is gone is kept no more */
static void prepare_closed(struct world *w)
{
	in_thread(orphan_and_end, w);
	dure_subscriber_close(w->blocks[1]);
	dure_topic_close(w->blocks[0]);
}

static void run_destroy(struct world *w)
{
	must(dure_topic_destroy(w->seg, "topic"), "destroy");
}

/* There with all it had, or only to be destroyed again, or gone. */
static enum verdict judge_destroy(struct world *w)
{
	dure_topic *topic;
	int r = dure_topic_open(w->seg, "topic", DURE_OPEN, NULL, &topic);

	if (r == -ENOENT)
		return live_blocks(w) == w->root->words[0] ? AFTER : WRONG;
	if (r == 0) {
		dure_topic_close(topic);
		return judge_retired(w) == EITHER ? BEFORE : WRONG;
	}
	return r == -EBUSY && dure_topic_destroy(w->seg, "topic") == 0 &&
			       live_blocks(w) == w->root->words[0] ? BEFORE : WRONG;
}

static const struct scenario list[] = {
	{ "topic_open", "dure_topic_open", prepare_no_topic, run_open, judge_open, 0 },
	{ "topic_close", "dure_topic_open dure_topic_close", prepare_topic, run_open_again_and_close,
	  judge_unchanged, 0 },
	{ "topic_shut", "dure_topic_shut", prepare_topic, run_shut, judge_shut, 0 },
	{ "topic_destroy", "dure_topic_destroy", prepare_closed, run_destroy, judge_destroy,
	  UNCOUNTED },
	{ "topic_send", "dure_topic_send", prepare_topic, run_send, judge_send, 0 },
	{ "topic_publish", "dure_topic_loan dure_topic_publish", prepare_topic, run_publish, judge_send,
	  0 },
	{ "topic_cancel", "dure_topic_loan dure_topic_cancel", prepare_topic, run_loan_and_cancel,
	  judge_unchanged, 0 },
	{ "topic_retire", "dure_topic_send", prepare_loaned, run_send_and_retire,
	  judge_send_and_retire, UNCOUNTED },
	{ "topic_retire_many", "dure_topic_send", prepare_full, run_send_all, judge_send_all,
	  UNCOUNTED },
	{ "topic_retire_left", "dure_topic_send", prepare_left, run_send_and_retire,
	  judge_send_and_retire, UNCOUNTED },
	{ "topic_subscribe", "dure_topic_subscribe", prepare_topic, run_subscribe, judge_unchanged, 0 },
	{ "topic_take", "dure_subscriber_take", prepare_subscribed, run_take, judge_unchanged, 0 },
	{ "topic_receive", "dure_subscriber_receive", prepare_subscribed, run_receive, judge_unchanged,
	  0 },
	{ "topic_give_back", "dure_subscriber_give_back", prepare_orphan, run_give_back, judge_retired,
	  0 },
	{ "topic_leave", "dure_subscriber_close", prepare_orphan, run_subscriber_close, judge_retired,
	  0 },
};

const struct scenarios topic_scenarios = { list, sizeof list / sizeof *list };

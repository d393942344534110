/* SPDX-License-Identifier: MIT */
/*
 * topics.c - a topic whose publishers and subscribers really die
 *
 *	torture-topics [--seconds S] [--seed N] [--workers N] [--kill-every-us US]
 *
 * Half of the workers publish letters of all sizes, each with the worker's number, its life and a
 * count; the others subscribe, with every policy and some history, keep loans for a while, leave,
 * and join anew. All are killed and stopped at random. A subscriber knows what must come: the
 * next sequence, or the one that is so much further as it is told it has lost; of each
 * publisher's life the next count, when nothing was lost; and the bytes of what it has on loan
 * as they were, when it gives it back.
 *
 * Every round all are killed at once, and a survivor judges: the check is clean, nobody has
 * anything on loan or blocks, and when the topic is destroyed, no block is left.
 *
 * Exit status: 0 no failure, 1 a failure (the segment is kept, and named), 99 broken.
 */
#include "crew.h"

#include <time.h>

#define SEGMENT "torture-topics"

enum {
	SUBSCRIBERS_MAX = 12,
};

/* what the killer watches, and the judge sums up */
struct book {
	uint64_t published, received, lost, evicted;
};

struct letter {
	uint32_t worker, life;
	uint64_t count;
	uint64_t bytes;
	unsigned char filling[];
};

/* what a subscriber has had of a publisher */
struct seen {
	uint32_t life;
	uint64_t count;
	uint64_t losses;		/* the subscriber's, at that time */
};

static dure_segment *seg;
static dure_topic *topic;
static struct book *book;

/* -- publishing -------------------------------------------------------------------------- */

static bool is_whole(const struct letter *letter, uint64_t bytes)
{
	return bytes >= sizeof *letter && letter->bytes == bytes && letter->worker < CREW_MAX &&
	       is_filled(letter->filling, bytes - sizeof *letter, letter->count);
}

static bool is_blocked(int r)
{
	return r == -EAGAIN || r == -ETIMEDOUT;
}

static _Noreturn void publish_for_ever(uint32_t worker, uint32_t life)
{
	uint64_t count = 0;

	for (;;) {
		uint64_t bytes = sizeof(struct letter) + any_length();
		int64_t patience = dice(3) ? 1000000 : 0;
		struct letter *letter;
		int r;
		must(dure_topic_loan(topic, bytes + dice(2) * 100, (void **)&letter), "loan");
		*letter = (struct letter){ .worker = worker, .life = life, .count = count,
					   .bytes = bytes };
		fill(letter->filling, bytes - sizeof *letter, count);
		r = dice(30) ? dure_topic_publish(topic, letter, bytes, patience) : -EAGAIN;
		if (r < 0 && !is_blocked(r))
			stop_with(1, "publish");
		if (r < 0)
			must(dure_topic_cancel(topic, letter), "cancel");
		count += r == 0;
		add(&book->published, r == 0);
	}
}

/* -- subscribing ------------------------------------------------------------------------- */

struct reader {
	dure_subscriber *subscriber;
	uint32_t policy;
	uint64_t next;			/* sequence; UINT64_MAX: the first one tells */
	uint64_t losses;
	struct seen seen[CREW_MAX];
	struct { const struct letter *letter; uint64_t bytes, count; } loans[DURE_TOPIC_LOANS_MAX];
};

static void check_order(struct reader *reader, const struct letter *letter,
			const struct dure_publication *p)
{
	struct seen *seen = &reader->seen[letter->worker];

	if (reader->next != UINT64_MAX && p->sequence != reader->next + p->lost)
		stop_with(1, "a sequence has a hole, or a repetition");
	if (p->lost && reader->policy == DURE_TOPIC_BLOCK)
		stop_with(1, "one who blocks has lost something");
	reader->next = p->sequence + 1;
	reader->losses += p->lost;
	if (letter->life < seen->life || (letter->life == seen->life && letter->count <= seen->count))
		stop_with(1, "a publisher's letters are not in their order");
	if (letter->life == seen->life && reader->losses == seen->losses &&
	    letter->count != seen->count + 1)
		stop_with(1, "a letter is missing, and nobody has said so");
	*seen = (struct seen){ letter->life, letter->count, reader->losses };
}

static void give_back(struct reader *reader, unsigned i)
{
	const struct letter *letter = reader->loans[i].letter;

	if (!letter)
		return;
	if (!is_whole(letter, reader->loans[i].bytes) || letter->count != reader->loans[i].count)
		stop_with(1, "a loan has changed");
	must(dure_subscriber_give_back(reader->subscriber, letter), "give_back");
	reader->loans[i].letter = NULL;
}

/* False: evicted. */
static bool receive_one(struct reader *reader)
{
	struct dure_publication p = { .sz = sizeof p };
	unsigned i = (unsigned)dice(DURE_TOPIC_LOANS_MAX);
	const struct letter *letter;
	int r;

	give_back(reader, i);
	r = dure_subscriber_take(reader->subscriber, (const void **)&letter, &p,
				 dice(2) ? 3000000 : 0);
	if (r == -ECONNRESET && reader->policy == DURE_TOPIC_EVICT)
		return false;
	if (is_blocked(r))
		return true;
	must(r, "take");
	if (!is_whole(letter, p.bytes))
		stop_with(1, "a publication is not whole");
	check_order(reader, letter, &p);
	reader->loans[i].letter = letter;
	reader->loans[i].bytes = p.bytes;
	reader->loans[i].count = letter->count;
	if (dice(10))
		give_back(reader, i);
	add(&book->received, 1);
	add(&book->lost, p.lost);
	return true;
}

static _Noreturn void subscribe_for_ever(void)
{
	for (;;) {
		struct dure_subscribe_options o = { .sz = sizeof o, .policy = (uint32_t)dice(4),
						    .history = dice(2) ? 0 : dice(200) };
		struct reader reader = { .policy = o.policy, .next = UINT64_MAX };
		unsigned times = (unsigned)dice(2000);
		int r = dure_topic_subscribe(topic, &o, &reader.subscriber);
		if (r == -EUSERS)
			continue;
		must(r, "subscribe");
		for (unsigned i = 0; i < CREW_MAX; i++)
			reader.seen[i].life = 0;
		while (times-- && receive_one(&reader))
			if (dice(200) == 0)
				nanosleep(&(struct timespec){ .tv_nsec = 500000 }, NULL);
		add(&book->evicted, times != UINT32_MAX);
		for (unsigned i = 0; i < DURE_TOPIC_LOANS_MAX; i++)
			if (dice(2))
				give_back(&reader, i);
		dure_subscriber_close(reader.subscriber);
	}
}

static void work(unsigned worker, uint32_t life)
{
	must(dure_segment_open(SEGMENT, DURE_OPEN, NULL, &seg), "open");
	must(dure_object_find(seg, "book", DURE_TYPE(struct book), (void **)&book, NULL), "find");
	must(dure_topic_open(seg, "topic", DURE_OPEN, NULL, &topic), "topic_open");
	if (worker % 2)
		publish_for_ever(worker, life);
	subscribe_for_ever();
}

/* -- the judge --------------------------------------------------------------------------- */

static void open_topic(void)
{
	struct dure_topic_options o = { .sz = sizeof o, .messages_max = 50, .bytes_max = 1 << 20,
					.subscribers_max = SUBSCRIBERS_MAX };

	must(dure_topic_open(seg, "topic", DURE_CREATE, &o, &topic), "topic_open");
}

/* Nobody is left who blocks, or has anything. */
static void publish_around(void)
{
	static unsigned char bytes[LETTER_MAX];

	for (int i = 0; i < 400; i++)
		must(dure_topic_send(topic, bytes, i % 2 ? 10 : LETTER_MAX, 0), "send");
}

static void judge(uint64_t live_when_empty)
{
	struct dure_topic_info info = { .sz = sizeof info };

	must_be_clean(seg);
	publish_around();
	must(dure_topic_info(topic, &info), "topic_info");
	if (info.on_loan || info.on_loan_bytes || info.bytes > 1 << 20) {
		fprintf(stderr, "torture-topics: %llu publications of the dead are left; the segment %s "
			"is kept\n", (unsigned long long)info.on_loan, SEGMENT);
		exit(1);
	}
	must_be_clean(seg);
	dure_topic_close(topic);
	must(dure_topic_destroy(seg, "topic"), "destroy");
	if (live_blocks(seg) != live_when_empty)
		stop_with(1, "blocks were lost");
	open_topic();
}

static uint64_t progress(void)
{
	return __atomic_load_n(&book->published, __ATOMIC_RELAXED);
}

int main(int argc, char **argv)
{
	struct crew crew = { .program = SEGMENT, .seconds = 60, .workers = 8, .kill_every_us = 1500,
			     .seed = 1, .work = work, .progress = progress };
	uint64_t live;

	crew_read_arguments(&crew, argc, argv);
	seg = new_segment(SEGMENT);
	must(dure_object_construct(seg, "book", DURE_TYPE(struct book), 1, NULL, NULL,
				   (void **)&book), "construct");
	open_topic();
	dure_topic_close(topic);
	must(dure_topic_destroy(seg, "topic"), "destroy");
	live = live_blocks(seg);
	open_topic();
	while (crew_round(&crew))
		judge(live);
	printf(SEGMENT ": %lu rounds, %lu killed, %lu of them stopped, %llu published, %llu received, "
	       "%llu lost and told, %llu evicted, no failure\n", crew.rounds, crew.killed,
	       crew.killed_stopped, (unsigned long long)book->published,
	       (unsigned long long)book->received, (unsigned long long)book->lost,
	       (unsigned long long)book->evicted);
	dure_topic_close(topic);
	must(dure_topic_destroy(seg, "topic"), "destroy");
	remove_segment(seg, SEGMENT);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * wake.c - waking those who wait for a publication, or for room
 *
 * Why      No system call when nobody sleeps or polls, one when somebody does, however many they
 *          are: a publication is for all of them, and room may be for any of them.
 * How      A word for subscribers and one for publishers. Who finds nothing says so in the
 *          word's flags, looks again, and sleeps on the word. Who brings something looks at the
 *          flags; if there are any, he clears them, adds to the number above them, and wakes
 *          all. Who sleeps anew sets his flag anew. Neither needs the other's lock:
 * Rules    [WAKE1] the flag is set before the last look, what is brought is there before the
 *                  flags are read, and there is a full fence in between on both sides
 * Death    of one who was to wake: those who sleep look again after a slice. Of a sleeper: flags
 *          that cost one system call, once.
 */
#include "message/topic.h"

#include "layout/news.h"
#include "segment/wait.h"

uint32_t durei_topic_expect(struct cell32 *word)
{
	uint32_t seen = cell32_or(word, DL_NEWS_WAITED) | DL_NEWS_WAITED;

	fence_full();			/* [WAKE1] the flag, before what is looked for */
	return seen;
}

void durei_topic_arm(struct durei_topic *t, struct cell32 *word)
{
	if (!t->notice.has_fd)
		return;
	durei_notice_quiet(&t->notice);
	durei_poll_arm(t->seg, word);
	(void)durei_topic_expect(word);
}

void durei_topic_wake(dure_segment *seg, struct cell32 *word)
{
	uint32_t seen = cell32_load_rlx(word);	/* relaxed: the caller's fence, and the cas */

	do {
		if (__builtin_expect(!(seen & DL_NEWS_FLAGS), 1))
			return;
	} while (!cell32_cas(word, &seen, (seen & ~(uint32_t)DL_NEWS_FLAGS) + DL_NEWS_STEP));
	durei_wake(seg, word, UINT32_MAX >> 1);
}

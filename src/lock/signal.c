/* SPDX-License-Identifier: MIT */
/*
 * signal.c - sleeping on one word whose top bit says that somebody may sleep
 *
 * Why      Conditions, events and latches change one word and wake; they differ in what the
 *          word means.
 * Rules    [SIGNAL1] who changes the word takes the top bit away and wakes; who has slept and
 *                    takes what others may sleep for sets it again
 * Death    of a sleeper: a bit too many, which costs one wake-up call. Of a waker between its
 *          store and its call, or of one who was woken and did not act: sleepers look again
 *          (segment/wait.c [WAIT2]).
 */
#include "lock/signal.h"

#include <string.h>

int durei_signal_init(dure_segment *seg, void *signal, uint32_t word, uint32_t flags,
		      uint32_t kind)
{
	struct dl_signal *s = signal;
	int r = durei_place_check(seg, signal, sizeof *s);

	if (r < 0)
		return r;
	memset(s, 0, sizeof *s);
	s->flags = flags;
	cell32_store_rel(&s->word, word);
	s->kind = kind;
	return 0;
}

int durei_signal_begin(dure_segment *seg, const void *signal, uint32_t kind, const char *what,
		       struct durei_lane **ret_lane, struct dl_signal **ret)
{
	struct dl_signal *s = (struct dl_signal *)(uintptr_t)signal;
	int r = 0;

	*ret_lane = durei_lane_get(seg, &r);
	*ret = s;
	if (__builtin_expect(!*ret_lane, 0))
		return r;
	return durei_place_is(seg, s, sizeof *s, DUREI_KIND_OF(s), kind, what) ? 0 : -EINVAL;
}

int durei_signal_sleep(struct durei_lane *lane, struct cell32 *word, uint32_t seen,
		       int64_t deadline_ns)
{
	if (!(seen & DL_SIGNAL_WAITED) && !cell32_cas(word, &seen, seen | DL_SIGNAL_WAITED))
		return 0;
	return durei_wait_any(lane, word, seen | DL_SIGNAL_WAITED, NULL, 0, deadline_ns);
}

int durei_signal_expired(int64_t timeout_ns, int r)
{
	if (timeout_ns == 0)
		return durei_error_plain(EAGAIN);
	return r < 0 ? durei_error_plain(-r) : 0;
}

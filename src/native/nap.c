/* SPDX-License-Identifier: MIT */
/*
 * nap.c - looking again and again, where the kernel can neither wait until a time nor be polled
 *
 * Why      msgsnd and msgrcv know no timeout, and have no descriptor. The other ways out are a
 *          thread, a helper process, or an alarm signal: none of them is a library's to take.
 *          A message that a helper process has taken is lost when the caller is killed; one that
 *          is only looked for is not.
 * Limits   A first nap of 50 us costs little more than the call; each is twice the last, to 4 ms:
 *          250 looks a second, about 0.1 % of a processor.
 * Death    nothing shared.
 */
#include "native/nap.h"

#include "os/futex.h"

enum { FIRST_NS = 50000, LONGEST_NS = 4000000 };

bool durei_nap(struct durei_nap *nap, int64_t deadline_ns)
{
	int64_t now = durei_clock_now();

	if (now >= deadline_ns)
		return false;
	nap->ns = nap->ns == 0 ? FIRST_NS : nap->ns < LONGEST_NS / 2 ? nap->ns * 2 : LONGEST_NS;
	durei_sleep_until(deadline_ns - now < nap->ns ? deadline_ns : now + nap->ns);
	return true;
}

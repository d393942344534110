/* SPDX-License-Identifier: MIT */
/*
 * notify.c - a signal when a message may have come, and a function that the caller runs
 *
 * Why      A program that is built around signals, as those for mq_notify(3) are, must hear of a
 *          message without a thread that waits for it. Nobody who sends has to know of it: the
 *          kernel sends the signal for what makes the descriptor readable (os/notify.c). So it
 *          needs no process id, no right to send signals, and no trust in who sends.
 * Rules    [NOTIFY1] a signal means what the descriptor's readiness means: look. There may be
 *                    nothing; but after a look that found nothing none is missed
 *          [NOTIFY2] once: from the look that follows a signal on there are no more
 * Death    nothing is stored in the segment but what polling stores (segment/poll.c).
 */
#include "message/queue.h"

#include <string.h>

#include "base/options.h"

static int check_notice(const dure_queue *queue, const struct dure_queue_notice *notice)
{
	if (notice->flags & ~(uint32_t)DURE_QUEUE_NOTIFY_ALWAYS)
		return durei_error(EINVAL, "%s: flags %#x have unknown bits", queue->title,
				   notice->flags);
	if (notice->signal && !durei_notify_can_signal(notice->signal))
		return durei_error(EINVAL, "%s: there is no signal %d to be caught", queue->title,
				   notice->signal);
	if (!notice->signal && !notice->function)
		return durei_error(EINVAL, "%s: neither a signal nor a function is to tell", queue->title);
	return 0;
}

static void forget(dure_queue *queue)
{
	memset(&queue->asked, 0, sizeof queue->asked);
	if (queue->notice.has_fd)
		(void)durei_notify_signal(&queue->notice.notify, 0);
}

/* What was reported before counts no more: a look comes. */
static int begin_signals(dure_queue *queue, const struct dure_queue_notice *notice)
{
	struct durei_notify *notify = &queue->notice.notify;
	int r = durei_notice_fd(&queue->notice, queue->seg);

	if (r < 0)
		return r;
	queue->notice.signals_once = false;
	r = durei_notify_signal(notify, notice->signal);
	if (r < 0)
		return durei_error(-r, "%s: the kernel has no timer left for signal %d: raise "
				   "RLIMIT_SIGPENDING", queue->title, notice->signal);
	durei_poll_quiet(notify);
	notify->has_signalled = false;
	queue->notice.signals_once = !(notice->flags & DURE_QUEUE_NOTIFY_ALWAYS);
	return 0;
}

int dure_queue_notify(dure_queue *queue, const struct dure_queue_notice *notice)
{
	struct dure_queue_notice asked;
	int r = durei_handle_check_write(queue->seg);

	if (r == 0 && notice)
		r = durei_options_read(&asked, sizeof asked, sizeof asked, notice);
	if (r == 0 && notice)
		r = check_notice(queue, &asked);
	if (r < 0)
		return r;
	if (!notice || !asked.signal)
		forget(queue);
	else
		r = begin_signals(queue, &asked);
	if (r == 0 && notice)
		queue->asked = asked;
	return r;
}

int dure_queue_dispatch(dure_queue *queue, int64_t timeout_ns)
{
	struct dure_queue_notice asked = queue->asked;
	int r = durei_handle_check_write(queue->seg);

	if (r == 0 && !asked.function)
		r = durei_error(EINVAL, "%s: no function is to be run (any more): dure_queue_notify",
				queue->title);
	if (r == 0)
		r = durei_queue_await(queue, timeout_ns);
	if (r < 0)
		return r;
	if (!(asked.flags & DURE_QUEUE_NOTIFY_ALWAYS))
		queue->asked.function = NULL;
	asked.function(queue, asked.context);
	return 0;
}

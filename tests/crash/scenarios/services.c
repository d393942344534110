/* SPDX-License-Identifier: MIT */
/*
 * services.c - requests and replies, to be killed at every instruction
 *
 * The victim is client and server in one; so after its death nobody wants what it has asked. The
 * judge reads from the figures what has happened, then asks, serves and is answered itself: it
 * finds nothing of the dead, and nothing of the dead is left.
 */
#include "steps.h"

#include <string.h>

enum { BYTES = 100 };

static dure_service *service_of(struct world *w)
{
	dure_service *service;

	must(dure_service_open(w->seg, "service", DURE_CREATE | DURE_OPEN, NULL, &service),
	     "service_open");
	return service;
}

static struct dure_service_info figures_of(dure_service *service)
{
	struct dure_service_info info = { .sz = sizeof info };

	must(dure_service_info(service, &info), "service_info");
	return info;
}

static int ask(dure_service *service, char letter, struct dure_call *ret)
{
	char data[BYTES];

	*ret = (struct dure_call){ .sz = sizeof *ret };
	memset(data, letter, sizeof data);
	return dure_service_ask(service, data, sizeof data, NULL, 0, ret);
}

static bool is_all(const char *data, char letter)
{
	for (int i = 0; i < BYTES; i++)
		if (data[i] != letter)
			return false;
	return true;
}

/* A request and its reply, past all that is left. */
static bool goes_on(dure_service *service)
{
	struct dure_request request = { .sz = sizeof request };
	char data[BYTES], answer[BYTES];
	struct dure_call call;

	return ask(service, 'y', &call) == 0 &&
	       dure_service_take(service, NULL, data, sizeof data, &request, 0) == 0 &&
	       request.id == call.id && is_all(data, 'y') &&
	       dure_service_reply(service, &request, memset(answer, 'z', BYTES), BYTES, 0) == 0 &&
	       dure_service_await(service, &call, data, sizeof data, 0) == 0 && is_all(data, 'z') &&
	       dure_service_take(service, NULL, data, sizeof data, &request, 0) == -EAGAIN;
}

/* asked, replied and returned are these before, or those after. */
static enum verdict judge(struct world *w, const uint64_t before[3], const uint64_t after[3])
{
	dure_service *service = service_of(w);
	struct dure_service_info info = figures_of(service);
	uint64_t found[3] = { info.asked, info.replied, info.returned };
	bool good = goes_on(service);

	info = figures_of(service);
	dure_service_close(service);
	if (!good || info.requests || info.answered || info.bytes)
		return WRONG;
	if (memcmp(before, after, sizeof found) == 0)
		return memcmp(found, before, sizeof found) == 0 ? EITHER : WRONG;
	return memcmp(found, before, sizeof found) == 0
		       ? BEFORE : memcmp(found, after, sizeof found) == 0 ? AFTER : WRONG;
}

#define COUNTS(asked, replied, returned) ((const uint64_t[3]){ asked, replied, returned })

/* what the victim knows */
static struct dure_call calls[3];
static struct dure_request request;
static void *block;

static void take(struct world *w)
{
	request = (struct dure_request){ .sz = sizeof request };
	must(dure_service_take(w->blocks[0], NULL, NULL, 0, &request, 0), "take");
}

static void prepare_asked(struct world *w)
{
	w->blocks[0] = service_of(w);
	must(ask(w->blocks[0], 'a', &calls[0]), "ask");
	must(ask(w->blocks[0], 'b', &calls[1]), "ask");
}

static void prepare_taken(struct world *w)
{
	prepare_asked(w);
	take(w);
}

/* the first one is answered, the second one taken */
static void prepare_answered(struct world *w)
{
	prepare_taken(w);
	must(dure_service_reply(w->blocks[0], &request, "r", 1, 0), "reply");
	take(w);
}

static void run_ask(struct world *w)
{
	must(ask(w->blocks[0], 'c', &calls[2]), "ask");
}

static enum verdict judge_ask(struct world *w)
{
	return judge(w, COUNTS(2, 0, 0), COUNTS(3, 0, 0));
}

static void prepare_block(struct world *w)
{
	prepare_taken(w);
	must(dure_block_reserve(w->seg, BYTES, 0, &block), "block_reserve");
	memset(block, 'r', BYTES);
}

static void run_ask_with_block(struct world *w)
{
	struct dure_ask how = { .sz = sizeof how, .flags = DURE_CALL_BLOCK };

	calls[2] = (struct dure_call){ .sz = sizeof calls[2] };
	must(dure_service_ask(w->blocks[0], block, BYTES, &how, 0, &calls[2]), "ask");
}

/* the one it had taken came back, to be dropped */
static enum verdict judge_ask_with_block(struct world *w)
{
	return judge(w, COUNTS(2, 0, 0), COUNTS(3, 0, 0));
}

static void run_take(struct world *w)
{
	take(w);
}

static enum verdict judge_same(struct world *w)
{
	return judge(w, COUNTS(2, 0, 0), COUNTS(2, 0, 0));
}

static void run_reply(struct world *w)
{
	must(dure_service_reply(w->blocks[0], &request, "reply", 6, 0), "reply");
}

static void run_reply_with_block(struct world *w)
{
	must(dure_service_reply(w->blocks[0], &request, block, BYTES, DURE_CALL_BLOCK), "reply");
}

static void run_refuse(struct world *w)
{
	must(dure_service_refuse(w->blocks[0], &request), "refuse");
}

static enum verdict judge_reply(struct world *w)
{
	return judge(w, COUNTS(2, 0, 0), COUNTS(2, 1, 0));
}

static void run_requeue(struct world *w)
{
	must(dure_service_requeue(w->blocks[0], &request), "requeue");
}

static enum verdict judge_requeue(struct world *w)
{
	return judge(w, COUNTS(2, 0, 0), COUNTS(2, 0, 1));
}

/* In one transaction with a word of the root: both, or none. */
static void run_reply_in_tx(struct world *w)
{
	uint64_t one = 1;
	dure_tx *tx;

	must(dure_tx_begin(w->seg, &tx), "begin");
	must(dure_tx_write(tx, &w->root->words[0], &one, sizeof one), "write");
	must(dure_service_reply(w->blocks[0], &request, "reply", 6, 0), "reply");
	must(dure_tx_commit(tx), "commit");
}

static enum verdict judge_reply_in_tx(struct world *w)
{
	bool written = w->root->words[0] != 0;
	enum verdict replied = judge_reply(w);

	return replied == WRONG || written == (replied == AFTER) ? replied : WRONG;
}

static void run_await(struct world *w)
{
	char byte;

	must(dure_service_await(w->blocks[0], &calls[0], &byte, 1, 0), "await");
}

static void run_look_and_forget(struct world *w)
{
	must(dure_service_look(w->blocks[0], &calls[0], 0), "look");
	must(dure_service_forget(w->blocks[0], &calls[0]), "forget");
}

static void run_forget_taken(struct world *w)
{
	must(dure_service_forget(w->blocks[0], &calls[1]), "forget");
}

static enum verdict judge_answered(struct world *w)
{
	return judge(w, COUNTS(2, 1, 0), COUNTS(2, 1, 0));
}

/* Nobody serves it. */
static void run_call(struct world *w)
{
	char byte;
	int r = dure_service_call(w->blocks[0], "c", 1, NULL, &byte, 1, 1000, NULL);

	must(r == -ETIMEDOUT ? 0 : -EINVAL, "call");
}

static void run_open(struct world *w)
{
	service_of(w);
}

static bool exists(struct world *w)
{
	dure_service *service;
	int r = dure_service_open(w->seg, "service", DURE_OPEN, NULL, &service);

	if (r == 0)
		dure_service_close(service);
	return r != -ENOENT;
}

static enum verdict judge_open(struct world *w)
{
	if (!exists(w))
		return BEFORE;
	return judge(w, COUNTS(0, 0, 0), COUNTS(0, 0, 0)) == EITHER ? AFTER : WRONG;
}

static void run_close(struct world *w)
{
	dure_service_close(w->blocks[0]);
}

/* The dead do not count as users: whoever survives can destroy it, with all that is left. */
static enum verdict judge_can_be_destroyed(struct world *w)
{
	return dure_service_destroy(w->seg, "service") == 0 && !exists(w) ? EITHER : WRONG;
}

static void run_shut(struct world *w)
{
	must(dure_service_shut(w->blocks[0]), "shut");
}

static enum verdict judge_shut(struct world *w)
{
	dure_service *service = service_of(w);
	struct dure_service_info info = figures_of(service);

	dure_service_close(service);
	return info.asked == 2 ? seen(info.is_shut) : WRONG;
}

static void prepare_closed(struct world *w)
{
	prepare_answered(w);
	dure_service_close(w->blocks[0]);
}

static void run_destroy(struct world *w)
{
	must(dure_service_destroy(w->seg, "service"), "destroy");
}

static enum verdict judge_destroy(struct world *w)
{
	dure_service *service;
	int r = dure_service_open(w->seg, "service", DURE_OPEN, NULL, &service);

	if (r == -ENOENT)
		return AFTER;
	if (r == 0)
		dure_service_close(service);
	if (r != 0 && r != -EBUSY)
		return WRONG;
	return dure_service_destroy(w->seg, "service") == 0 && !exists(w) ? BEFORE : WRONG;
}

static const struct scenario list[] = {
	{ "service_open", "dure_service_open", prepare_nothing, run_open, judge_open, 0 },
	{ "service_close", "dure_service_close", prepare_answered, run_close,
	  judge_can_be_destroyed, 0 },
	{ "service_shut", "dure_service_shut", prepare_asked, run_shut, judge_shut, UNCOUNTED },
	{ "service_destroy", "dure_service_destroy", prepare_closed, run_destroy, judge_destroy,
	  UNCOUNTED },
	{ "service_ask", "dure_service_ask", prepare_asked, run_ask, judge_ask, 0 },
	{ "service_ask_with_block", "dure_service_ask", prepare_block, run_ask_with_block,
	  judge_ask_with_block, 0 },
	{ "service_take", "dure_service_take", prepare_asked, run_take, judge_same, 0 },
	{ "service_reply", "dure_service_reply", prepare_taken, run_reply, judge_reply, 0 },
	{ "service_reply_with_block", "dure_service_reply", prepare_block, run_reply_with_block,
	  judge_reply, 0 },
	{ "service_reply_in_tx", "dure_service_reply", prepare_taken, run_reply_in_tx,
	  judge_reply_in_tx, 0 },
	{ "service_refuse", "dure_service_refuse", prepare_taken, run_refuse, judge_reply, 0 },
	{ "service_requeue", "dure_service_requeue", prepare_taken, run_requeue, judge_requeue, 0 },
	{ "service_await", "dure_service_await", prepare_answered, run_await, judge_answered, 0 },
	{ "service_look", "dure_service_look dure_service_forget", prepare_answered,
	  run_look_and_forget, judge_answered, 0 },
	{ "service_forget_taken", "dure_service_forget", prepare_answered, run_forget_taken,
	  judge_answered, 0 },
	{ "service_call", "dure_service_call", prepare_asked, run_call, judge_ask, 0 },
};

const struct scenarios service_scenarios = { list, sizeof list / sizeof *list };

/* SPDX-License-Identifier: MIT */
/* Description: whatever is done to it, a queue agrees with a plain model; each message goes to
   exactly one receiver when many send and receive; and any bytes in it are an error at worst. */
#include "any_bytes.h"
#include "queue.h"

/* -- against a plain model --------------------------------------------------------------- */

enum { MODEL_MAX = 300, STEPS = 60000 };

struct entry {
	uint64_t id;
	int64_t type;
	uint32_t priority;
	bool is_taken;
	struct dure_message taken;
};

static struct entry model[MODEL_MAX];
static unsigned model_count;

static bool comes_before(const struct entry *a, const struct entry *b, uint32_t select)
{
	if (select == DURE_SELECT_UP_TO && a->type != b->type)
		return a->type < b->type;
	return a->priority != b->priority ? a->priority > b->priority : a->id < b->id;
}

static int model_select(const struct dure_queue_select *w)
{
	int best = -1;

	for (unsigned i = 0; i < model_count; i++) {
		const struct entry *e = &model[i];
		if (e->is_taken || (w->select == DURE_SELECT_TYPE && e->type != w->type) ||
		    (w->select == DURE_SELECT_UP_TO && e->type > w->type) ||
		    (w->select == DURE_SELECT_EXCEPT && e->type == w->type))
			continue;
		if (best < 0 || comes_before(e, &model[best], w->select))
			best = (int)i;
	}
	return best;
}

static void model_send(void)
{
	struct entry *e = &model[model_count];
	struct dure_queue_put how = { .sz = sizeof how, .type = 1 + dice(8),
				      .priority = dice(3) ? dice(3) : dice(32768) };

	if (model_count == MODEL_MAX)
		return;
	if (dice(10) == 0)
		how.type = 1 + (int64_t)dice(1000000) * 1000000007;
	*e = (struct entry){ .type = how.type, .priority = how.priority,
			     .id = facts().sent + 1 };
	T_OK(dure_queue_send(queue, &e->id, 8, &how, 0));
	model_count++;
}

static void model_receive(bool takes)
{
	struct dure_queue_select w = wish(dice(4), 1 + dice(9));
	struct dure_message m = { .sz = sizeof m };
	int expected = model_select(&w);
	uint64_t id = 0;
	int r = takes ? dure_queue_take(queue, &w, &id, 8, &m, 0)
		      : dure_queue_receive(queue, &w, &id, 8, &m, 0);

	T_IS(r, expected < 0 ? -EAGAIN : 0);
	if (r < 0)
		return;
	assert_int_equal(id, model[expected].id);
	assert_int_equal(m.id, id);
	assert_int_equal(m.type, model[expected].type);
	model[expected].is_taken = takes;
	model[expected].taken = m;
	if (!takes)
		model[expected] = model[--model_count];
}

static void model_settle(void)
{
	unsigned i = model_count ? dice(model_count) : 0;

	if (!model_count || !model[i].is_taken)
		return;
	model[i].is_taken = false;
	if (dice(2)) {
		T_OK(dure_queue_requeue(queue, &model[i].taken));
		return;
	}
	T_OK(dure_queue_acknowledge(queue, &model[i].taken));
	model[i] = model[--model_count];
}

static void agrees_with_a_model(void **state)
{
	(void)state;
	model_count = 0;
	for (int i = 0; i < STEPS; i++) {
		switch (dice(5)) {
		case 0:
		case 1:
			model_send();
			break;
		case 2:
			model_receive(true);
			break;
		case 3:
			model_receive(false);
			break;
		default:
			model_settle();
			break;
		}
		if (i % 1000 == 0)
			t_clean(seg);
	}
	assert_int_equal(facts().messages, model_count);
}

/* -- many -------------------------------------------------------------------------------- */

enum { WORKERS = 4, EACH = 20000 };

static uint64_t received_sum, received_count;
static void *send_many(void *context)
{
	for (uint64_t i = 1; i <= EACH; i++)
		T_OK(dure_queue_send(queue, &i, 8, NULL, DURE_FOREVER));
	return context;
}

static void *receive_many(void *context)
{
	uint64_t value;
	int r;

	while ((r = dure_queue_receive(queue, NULL, &value, 8, NULL, DURE_FOREVER)) == 0) {
		__atomic_add_fetch(&received_sum, value, __ATOMIC_RELAXED);
		__atomic_add_fetch(&received_count, 1, __ATOMIC_RELAXED);
	}
	assert_int_equal(r, -ESHUTDOWN);
	return context;
}

static void many_to_many(void **state)
{
	struct dure_queue_options o = { .sz = sizeof o, .messages_max = 10 };
	pthread_t senders[WORKERS], receivers[WORKERS];

	(void)state;
	reopen(&o);
	received_sum = received_count = 0;
	for (int i = 0; i < WORKERS; i++) {
		pthread_create(&senders[i], NULL, send_many, NULL);
		pthread_create(&receivers[i], NULL, receive_many, NULL);
	}
	for (int i = 0; i < WORKERS; i++)
		pthread_join(senders[i], NULL);
	T_OK(dure_queue_shut(queue));
	for (int i = 0; i < WORKERS; i++)
		pthread_join(receivers[i], NULL);
	assert_int_equal(received_count, WORKERS * EACH);
	assert_int_equal(received_sum, (uint64_t)WORKERS * EACH * (EACH + 1) / 2);
}

/* -- any bytes --------------------------------------------------------------------------- */

/* waiting, taken and dead ones, in several lines */
static void fill(dure_segment *image)
{
	struct dure_message m = { .sz = sizeof m };
	char bytes[10 + 40 * 7] = "filling";
	dure_queue *q;

	T_OK(dure_queue_open(image, "queue", DURE_CREATE, NULL, &q));
	for (unsigned i = 0; i < 40; i++) {
		struct dure_queue_put how = { .sz = sizeof how, .type = 1 + i % 5,
					      .priority = i % 3 };
		T_OK(dure_queue_send(q, bytes, 10 + i * 7, &how, 0));
		if (i % 4 == 3) {
			T_OK(dure_queue_take(q, NULL, NULL, 0, &m, 0));
			T_OK(i % 8 == 3 ? dure_queue_reject(q, &m) : 0);
		}
	}
	dure_queue_close(q);
}

static void do_all(dure_segment *image)
{
	struct dure_message m = { .sz = sizeof m };
	struct dure_queue_info info = { .sz = sizeof info };
	struct dure_queue_select which;
	char bytes[600];
	dure_queue *q;

	if (dure_queue_open(image, "queue", DURE_OPEN, NULL, &q) < 0)
		return;
	(void)dure_queue_info(q, &info);
	for (unsigned i = 0; i < 12; i++) {
		which = wish(i % 4, 1 + i % 6);
		which.flags = i % 3 ? DURE_QUEUE_TRUNCATE
				    : DURE_QUEUE_TRUNCATE | DURE_QUEUE_DEAD_LETTERS;
		which.skip = i;
		(void)dure_queue_peek(q, &which, bytes, sizeof bytes, &m);
		which.skip = 0;
		(void)dure_queue_receive(q, &which, bytes, sizeof bytes, &m, 0);
		(void)dure_queue_send(q, bytes, i * 20, NULL, 0);
		if (dure_queue_take(q, &which, NULL, 0, &m, 0) == 0)
			(void)(i % 3 == 0   ? dure_queue_acknowledge(q, &m)
			       : i % 3 == 1 ? dure_queue_requeue(q, &m)
					    : dure_queue_reject(q, &m));
	}
	dure_queue_close(q);
	(void)dure_queue_destroy(image, "queue");
}

static void any_bytes_are_an_error_at_worst(void **state)
{
	(void)state;
	any_bytes(fill, NULL, do_all, 4000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(agrees_with_a_model),
		TEST(many_to_many),
		TEST(any_bytes_are_an_error_at_worst),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

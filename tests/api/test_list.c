/* SPDX-License-Identifier: MIT */
/* Description: lists agree with arrays, elements move between them and are in one all the time. */
#include "wide.h"

static dure_segment *seg;
static dure_list *list, *other;

static int setup(void **state)
{
	(void)state;
	seg = t_segment(32 << 20);
	T_IS(dure_list_open(seg, "l", DURE_TYPE(struct wide), DURE_CREATE | DURE_OPEN, NULL, &list),
	     DURE_CREATED);
	T_IS(dure_list_open(seg, "m", DURE_TYPE(struct wide), DURE_CREATE, NULL, &other), DURE_CREATED);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	dure_list_close(list);
	dure_list_close(other);
	t_finish(seg);
	return 0;
}

static void *push(dure_list *l, uint64_t n)
{
	struct wide w = wide(n);
	void *at;

	T_OK(dure_list_push_back(l, &w, &at));
	return at;
}

/* -- what a list holds ------------------------------------------------------------------- */

struct sight {
	uint64_t numbers[256];
	unsigned count;
};

static int see(void *at, const void *element, void *context)
{
	const struct wide *w = element;
	struct sight *s = context;

	(void)at;
	assert_true(is_wide(w, w->words[0]));
	assert_true(s->count < 256);
	s->numbers[s->count++] = w->words[0];
	return 0;
}

/* The same by a visit in either direction, by single steps, and by the count. */
static struct sight look(dure_list *l)
{
	struct sight s = { .count = 0 }, back = { .count = 0 };
	struct wide w;
	void *at;
	int r;

	T_OK(dure_list_visit(l, 0, see, &s));
	T_OK(dure_list_visit(l, DURE_LIST_BACKWARDS, see, &back));
	assert_int_equal(s.count, back.count);
	assert_int_equal(s.count, dure_list_count(l));
	for (unsigned i = 0; i < s.count; i++)
		assert_int_equal(s.numbers[i], back.numbers[s.count - 1 - i]);
	r = dure_list_first(l, &at);
	for (unsigned i = 0; i < s.count; i++, r = dure_list_next(l, at, &at)) {
		T_OK(r);
		T_OK(dure_list_get(l, at, &w));
		assert_int_equal(w.words[0], s.numbers[i]);
	}
	T_IS(r, -ENOENT);
	return s;
}

static void holds(dure_list *l, const char *expected)
{
	struct sight s = look(l);
	char text[256] = "", *end = text;

	for (unsigned i = 0; i < s.count; i++)
		end += sprintf(end, i ? " %d" : "%d", (int)s.numbers[i]);
	assert_string_equal(text, expected);
}

static void basics(void **state)
{
	struct wide w = wide(2), got = wide(99);
	void *one, *two, *at = &w;

	(void)state;
	T_IS(dure_list_pop_front(list, &got), -ENOENT);
	T_IS(dure_list_pop_back(list, &got), -ENOENT);
	T_IS(dure_list_first(list, &at), -ENOENT);
	T_IS(dure_list_last(list, &at), -ENOENT);
	assert_ptr_equal(at, &w);
	assert_true(is_wide(&got, 99));
	one = push(list, 1);
	T_OK(dure_list_push_front(list, NULL, NULL));
	T_OK(dure_list_insert(list, one, &w, &two));
	holds(list, "0 2 1");
	T_OK(dure_list_prev(list, one, &at));
	assert_ptr_equal(at, two);
	w = wide(7);
	T_OK(dure_list_set(list, two, &w));
	holds(list, "0 7 1");
	T_OK(dure_list_erase(list, two));
	T_FAILS(dure_list_erase(list, two), -EINVAL, "no element");
	T_IS(dure_list_get(list, two, &got), -EINVAL);
	T_IS(dure_list_set(list, two, &w), -EINVAL);
	T_IS(dure_list_next(list, two, &at), -EINVAL);
	T_IS(dure_list_insert(list, two, &w, NULL), -EINVAL);
	assert_true(is_wide(&got, 99));
	T_OK(dure_list_pop_back(list, &got));
	assert_true(is_wide(&got, 1));
	T_OK(dure_list_pop_front(list, NULL));
	holds(list, "");
}

static void what_is_no_element(void **state)
{
	struct wide w = wide(1);
	void *mine = push(list, 1), *theirs = push(other, 2), *at = NULL, *block;

	(void)state;
	T_OK(dure_block_reserve(seg, 256, 0, &block));
	memset(block, 0, 256);
	void *const wrong[] = { NULL, &w, theirs, (char *)mine + 8, (char *)mine + 1, block,
				dure_segment_base(seg), (char *)dure_segment_base(seg) + (1 << 30),
				(void *)16 };
	for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		T_IS(dure_list_erase(list, wrong[i]), -EINVAL);
		T_IS(dure_list_get(list, wrong[i], &w), -EINVAL);
		T_IS(dure_list_set(list, wrong[i], &w), -EINVAL);
		T_IS(dure_list_next(list, wrong[i], &at), -EINVAL);
		T_IS(dure_list_prev(list, wrong[i], &at), -EINVAL);
		if (i)
			T_IS(dure_list_insert(list, wrong[i], &w, NULL), -EINVAL);
		T_IS(dure_list_splice(other, NULL, list, mine, wrong[i]), -EINVAL);
	}
	assert_null(at);
	T_IS(dure_list_visit(list, 2, see, NULL), -EINVAL);
	T_OK(dure_block_cancel(seg, block));
	holds(list, "1");
	holds(other, "2");
}

/* Its place says that it is in the list, and no neighbour knows of it. */
static void what_was_never_linked(void **state)
{
	struct wide w = wide(1);
	dure_tx *open;
	void *at;

	(void)state;
	T_OK(dure_tx_begin(seg, &open));
	T_OK(dure_list_push_back(list, &w, &at));
	T_OK(dure_tx_abort(open));
	T_IS(dure_list_erase(list, at), -EINVAL);
	T_IS(dure_list_get(list, at, &w), -EINVAL);
	T_IS(dure_list_splice(other, NULL, list, at, at), -EINVAL);
}

static void opening_checks(void **state)
{
	struct dure_list_options o = { .sz = sizeof o, .flags = DURE_LIST_INTRUSIVE };
	struct dure_type odd = { "odd", 12, 8 }, wide_type = DURE_TYPE(struct wide);
	dure_list *l;

	(void)state;
	T_IS(dure_list_open(seg, "nope", wide_type, DURE_OPEN, NULL, &l), -ENOENT);
	T_IS(dure_list_open(seg, "l", wide_type, DURE_CREATE, NULL, &l), -EEXIST);
	T_FAILS(dure_list_open(seg, "l", DURE_TYPE(uint64_t), DURE_OPEN, NULL, &l), -EINVAL, "wide");
	T_FAILS(dure_list_open(seg, "l", wide_type, DURE_OPEN, &o, &l), -EINVAL, "owns");
	T_IS(dure_list_open(seg, "odd", odd, DURE_CREATE, NULL, &l), -EINVAL);
	o.node_offset = 16;
	T_IS(dure_list_open(seg, "x", wide_type, DURE_CREATE, &o, &l), -EINVAL);
	o.node_offset = 4;
	T_FAILS(dure_list_open(seg, "x", wide_type, DURE_CREATE, &o, &l), -EINVAL, "node");
	o.node_offset = UINT64_MAX - 7;
	T_IS(dure_list_open(seg, "x", wide_type, DURE_CREATE, &o, &l), -EINVAL);
	o.flags = 0;
	o.node_offset = 8;
	T_FAILS(dure_list_open(seg, "x", wide_type, DURE_CREATE, &o, &l), -EINVAL, "INTRUSIVE");
	o.flags = 4;
	T_IS(dure_list_open(seg, "x", wide_type, DURE_CREATE, &o, &l), -EINVAL);
	T_IS(dure_vector_destroy(seg, "l"), -EINVAL);
	T_IS(dure_list_destroy(seg, "nope"), -ENOENT);
}

/* -- splicing ---------------------------------------------------------------------------- */

static void splicing(void **state)
{
	void *at[6], *there;

	(void)state;
	for (uint64_t i = 0; i < 6; i++)
		at[i] = push(list, i);
	there = push(other, 10);
	T_IS(dure_list_splice(other, there, list, at[1], at[3]), 3);
	holds(list, "0 4 5");
	holds(other, "1 2 3 10");
	T_IS(dure_list_erase(list, at[2]), -EINVAL);	/* it is in the other one now */
	T_IS(dure_list_splice(list, NULL, list, at[0], at[4]), 2);
	holds(list, "5 0 4");
	T_IS(dure_list_splice(list, at[5], list, at[5], at[5]), -EINVAL);
	T_IS(dure_list_splice(list, at[0], list, at[5], at[4]), -EINVAL);
	T_FAILS(dure_list_splice(other, NULL, list, at[4], at[5]), -EINVAL, "behind");
	T_IS(dure_list_splice(list, at[0], list, at[5], at[5]), 1);	/* where it is already */
	holds(list, "5 0 4");
	T_IS(dure_list_splice(list, at[5], other, NULL, NULL), 4);
	holds(list, "1 2 3 10 5 0 4");
	holds(other, "");
	T_IS(dure_list_splice(list, NULL, other, NULL, NULL), 0);
	T_IS(dure_list_splice(list, NULL, list, NULL, NULL), -EINVAL);
	T_IS(dure_list_splice(list, NULL, other, at[0], NULL), -EINVAL);
	T_IS(dure_list_splice(other, NULL, list, NULL, NULL), 7);
	holds(other, "1 2 3 10 5 0 4");
}

static void other_lists_are_refused(void **state)
{
	struct dure_segment_options o = { .sz = sizeof o, .backing = DURE_BACKING_MEMORY_FILE };
	dure_segment *elsewhere;
	dure_list *l;

	(void)state;
	T_OK(dure_list_open(seg, "numbers", DURE_TYPE(uint64_t), DURE_CREATE, NULL, &l));
	T_IS(dure_list_splice(list, NULL, l, NULL, NULL), -EINVAL);
	dure_list_close(l);
	T_OK(dure_list_destroy(seg, "numbers"));
	T_OK(dure_segment_open(NULL, DURE_CREATE, &o, &elsewhere));
	T_OK(dure_list_open(elsewhere, "l", DURE_TYPE(struct wide), DURE_CREATE, NULL, &l));
	T_FAILS(dure_list_splice(list, NULL, l, NULL, NULL), -EINVAL, "segments");
	dure_list_close(l);
	T_OK(dure_segment_close(elsewhere));
}

/* -- random operations against arrays, inside and outside transactions --------------------- */

enum { MOST = 120 };

struct array {
	uint64_t numbers[2 * MOST];
	void *at[2 * MOST];
	unsigned count;
};

static struct array model[2], before[2];
static dure_tx *tx;

static void model_insert(struct array *a, unsigned i, const uint64_t *numbers, void *const *at,
			 unsigned n)
{
	memmove(&a->numbers[i + n], &a->numbers[i], (a->count - i) * sizeof *a->numbers);
	memmove(&a->at[i + n], &a->at[i], (a->count - i) * sizeof *a->at);
	memcpy(&a->numbers[i], numbers, n * sizeof *numbers);
	memcpy(&a->at[i], at, n * sizeof *at);
	a->count += n;
}

static void model_remove(struct array *a, unsigned i, unsigned n)
{
	memmove(&a->numbers[i], &a->numbers[i + n], (a->count - i - n) * sizeof *a->numbers);
	memmove(&a->at[i], &a->at[i + n], (a->count - i - n) * sizeof *a->at);
	a->count -= n;
}

static void insert_one(dure_list *l, struct array *a)
{
	unsigned i = (unsigned)rand() % (a->count + 1);
	uint64_t number = (uint64_t)rand();
	struct wide w = wide(number);
	void *at;

	if (a->count >= MOST)
		return;
	if (i == 0 && rand() % 2)
		T_OK(dure_list_push_front(l, &w, &at));
	else
		T_OK(dure_list_insert(l, i < a->count ? a->at[i] : NULL, &w, &at));
	model_insert(a, i, &number, &at, 1);
}

static void erase_one(dure_list *l, struct array *a)
{
	unsigned i;
	struct wide w;

	if (!a->count) {
		T_IS(dure_list_pop_back(l, &w), -ENOENT);
		return;
	}
	i = (unsigned)rand() % a->count;
	if (i == 0)
		T_OK(dure_list_pop_front(l, &w));
	else if (i == a->count - 1)
		T_OK(dure_list_pop_back(l, &w));
	else
		T_OK(dure_list_erase(l, a->at[i]));
	if (i == 0 || i == a->count - 1)
		assert_true(is_wide(&w, a->numbers[i]));
	model_remove(a, i, 1);
}

static void set_one(dure_list *l, struct array *a)
{
	uint64_t number = (uint64_t)rand();
	struct wide w = wide(number);
	unsigned i;

	if (!a->count)
		return;
	i = (unsigned)rand() % a->count;
	T_OK(dure_list_set(l, a->at[i], &w));
	a->numbers[i] = number;
}

static void splice_some(dure_list *to, struct array *a, dure_list *from, struct array *b)
{
	static struct array moved;
	unsigned first, last, n, where;

	if (!b->count || a->count + b->count > MOST)
		return;
	first = (unsigned)rand() % b->count;
	last = first + (unsigned)rand() % (b->count - first);
	n = last - first + 1;
	moved = *b;
	where = (unsigned)rand() % (a->count + 1);
	if (a == b && where >= first && where <= last) {
		T_IS(dure_list_splice(to, a->at[where], from, b->at[first], b->at[last]), -EINVAL);
		return;
	}
	T_IS(dure_list_splice(to, where < a->count ? a->at[where] : NULL, from, b->at[first],
			      b->at[last]), (int)n);
	model_remove(b, first, n);
	if (a == b && where > last)
		where -= n;
	model_insert(a, where, &moved.numbers[first], &moved.at[first], n);
}

static void begin_or_end(void)
{
	bool commits = rand() % 2;

	if (!tx) {
		T_OK(dure_tx_begin(seg, &tx));
		memcpy(before, model, sizeof model);
	} else if (rand() % 8 == 0) {
		T_OK(commits ? dure_tx_commit(tx) : dure_tx_abort(tx));
		if (!commits)
			memcpy(model, before, sizeof model);
		tx = NULL;
	}
}

static void compare(dure_list *l, const struct array *a)
{
	struct sight s = look(l);

	assert_int_equal(s.count, a->count);
	for (unsigned i = 0; i < s.count; i++)
		assert_int_equal(s.numbers[i], a->numbers[i]);
}

static void change_at_random(void)
{
	unsigned which = (unsigned)rand() % 2, from = (unsigned)rand() % 2;
	dure_list *lists[] = { list, other };

	switch (rand() % 8) {
	case 0:
	case 1:
	case 2:
		insert_one(lists[which], &model[which]);
		break;
	case 3:
	case 4:
		erase_one(lists[which], &model[which]);
		break;
	case 5:
		set_one(lists[which], &model[which]);
		break;
	case 6:
		splice_some(lists[which], &model[which], lists[from], &model[from]);
		break;
	default:
		begin_or_end();
	}
}

static void agrees_with_a_model(void **state)
{
	(void)state;
	srand(1);
	for (int i = 0; i < 40000; i++) {
		change_at_random();
		if (i % 64 == 0) {
			compare(list, &model[0]);
			compare(other, &model[1]);
		}
		if (i % 4096 == 0)
			t_clean(seg);
	}
	if (tx)
		T_OK(dure_tx_commit(tx));
	tx = NULL;
	compare(list, &model[0]);
	compare(other, &model[1]);
}

/* -- walks beside changes ---------------------------------------------------------------- */

struct walk {
	dure_list *l;
	struct sight s;
};

/* Erases the one that is visited, and the one behind it; adds one in front and behind. */
static int change_beside(void *at, const void *element, void *context)
{
	struct walk *walk = context;
	void *next;

	see(at, element, &walk->s);
	if (dure_list_next(walk->l, at, &next) == 0)
		T_OK(dure_list_erase(walk->l, next));
	T_OK(dure_list_erase(walk->l, at));
	T_OK(dure_list_push_back(walk->l, &(struct wide){ { 0 } }, NULL));
	T_OK(dure_list_push_front(walk->l, &(struct wide){ { 0 } }, NULL));
	return 0;
}

static int stop_at_three(void *at, const void *element, void *context)
{
	(void)at;
	(void)context;
	return ((const struct wide *)element)->words[0] == 3 ? -ENOENT : 0;
}

static void visits_tolerate_change(void **state)
{
	struct walk walk = { .l = list };

	(void)state;
	for (uint64_t i = 1; i <= 10; i++)
		push(list, i);
	T_IS(dure_list_visit(list, 0, stop_at_three, NULL), -ENOENT);
	T_OK(dure_list_visit(list, 0, change_beside, &walk));
	assert_int_equal(walk.s.count, 5);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(walk.s.numbers[i], 1 + 2 * i);
	assert_int_equal(dure_list_count(list), 10);
}

/* -- a full segment, and the end --------------------------------------------------------- */

static void a_full_segment_fails_whole(void **state)
{
	uint64_t live = t_live_blocks(seg), count = 0;
	struct wide w;
	int r;

	(void)state;
	for (; (r = dure_list_push_back(list, NULL, NULL)) == 0; count++)
		;
	T_IS(r, -ENOSPC);
	assert_int_equal(dure_list_count(list), count);
	assert_int_equal(t_live_blocks(seg), live + count);
	/* another list cannot have them all: there is no room for so long a log */
	T_IS(dure_list_splice(other, NULL, list, NULL, NULL), -ENOSPC);
	assert_int_equal(dure_list_count(list), count);
	assert_int_equal(dure_list_count(other), 0);
	T_OK(dure_list_pop_front(list, &w));
	t_clean(seg);
	T_OK(dure_list_destroy(seg, "l"));
	assert_int_equal(t_live_blocks(seg), live - 1);
	dure_list_close(list);
	T_OK(dure_list_open(seg, "l", DURE_TYPE(struct wide), DURE_CREATE, NULL, &list));
}

/* -- several processes ------------------------------------------------------------------- */

/* Nobody sees what a transaction has done so far; who reads waits for its end. */
static void transactions_are_not_seen(void **state)
{
	int fds[2], back[2];
	dure_segment *reader;
	dure_list *mine;
	void *at, *one = push(list, 1);
	dure_tx *open;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(pipe(back), 0);
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_segment_reattach(seg) == 0);
		T_IN_CHILD(dure_tx_begin(seg, &open) == 0);
		T_IN_CHILD(dure_list_splice(other, NULL, list, one, one) == 1);
		T_IN_CHILD(dure_list_push_back(other, NULL, NULL) == 0);
		t_signal(fds[1]);
		t_await(back[0]);
		_exit(0);		/* dies in it */
	}
	t_await(fds[0]);
	/* who can only read has nothing to wait with */
	T_IS(dure_segment_open(t_name(), DURE_OPEN | DURE_READ_ONLY, NULL, &reader), 0);
	T_OK(dure_list_open(reader, "l", DURE_TYPE(struct wide), DURE_OPEN, NULL, &mine));
	T_FAILS(dure_list_first(mine, &at), -EAGAIN, "change");
	T_IS(dure_list_push_back(mine, NULL, NULL), -EROFS);
	dure_list_close(mine);
	T_OK(dure_segment_close(reader));
	t_signal(back[1]);
	holds(list, "1");		/* waits for the death, recovers */
	holds(other, "");
	t_join(pid);
	for (int i = 0; i < 2; i++) {
		close(fds[i]);
		close(back[i]);
	}
}

enum { TOKENS = 40 };

/* Moves tokens from list to list, in both directions, by one step or in a transaction. */
static _Noreturn void move_for_ever(unsigned seed)
{
	dure_list *lists[] = { list, other };
	struct wide w;
	dure_tx *mine;
	void *at;

	T_IN_CHILD(dure_segment_reattach(seg) == 0);
	for (;;) {
		unsigned lot = (unsigned)rand_r(&seed), from = lot % 2;
		int r = dure_list_first(lists[from], &at);
		if (r == 0 && lot / 2 % 2) {
			r = dure_list_splice(lists[!from], NULL, lists[from], at, at);
			/* somebody else had it first; or holds the one and wants the other */
			T_IN_CHILD(r == 1 || r == -EINVAL || r == -EDEADLK);
			continue;
		}
		T_IN_CHILD(r == 0 || r == -ENOENT);
		T_IN_CHILD(dure_tx_begin(seg, &mine) == 0);
		r = dure_list_pop_front(lists[from], &w);
		if (r == 0)
			r = dure_list_push_back(lists[!from], &w, NULL);
		T_IN_CHILD(r == 0 || r == -ENOENT || r == -EDEADLK);
		T_IN_CHILD((r == 0 ? dure_tx_commit(mine) : dure_tx_abort(mine)) == 0);
	}
}

static void killed_movers_lose_nothing(void **state)
{
	enum { MOVERS = 3 };
	pid_t pids[MOVERS] = { 0 };
	struct sight a, b;
	uint64_t seen = 0;

	(void)state;
	for (uint64_t i = 0; i < TOKENS; i++)
		push(list, i);
	for (int round = 0; round < 60; round++) {
		for (int i = 0; i < MOVERS; i++) {
			pids[i] = t_fork();
			if (pids[i] == 0)
				move_for_ever((unsigned)(round * MOVERS + i));
		}
		for (int64_t end = t_now_ns() + DURE_MS(15); t_now_ns() < end;) {
			a.count = 0;	/* readers beside them see whole elements */
			T_OK(dure_list_visit(list, round % 2 ? DURE_LIST_BACKWARDS : 0, see, &a));
		}
		for (int i = 0; i < MOVERS; i++)
			t_kill(pids[i]);
		T_OK(dure_segment_recover(seg));
		a = look(list);
		b = look(other);
		seen = 0;
		for (unsigned i = 0; i < a.count; i++)
			seen |= UINT64_C(1) << a.numbers[i];
		for (unsigned i = 0; i < b.count; i++)
			seen |= UINT64_C(1) << b.numbers[i];
		assert_int_equal(a.count + b.count, TOKENS);
		assert_true(seen == (UINT64_C(1) << TOKENS) - 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(basics),
		TEST(what_is_no_element),
		TEST(what_was_never_linked),
		TEST(opening_checks),
		TEST(splicing),
		TEST(other_lists_are_refused),
		TEST(agrees_with_a_model),
		TEST(visits_tolerate_change),
		TEST(a_full_segment_fails_whole),
		TEST(transactions_are_not_seen),
		TEST(killed_movers_lose_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

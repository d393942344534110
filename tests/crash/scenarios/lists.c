/* SPDX-License-Identifier: MIT */
/*
 * lists.c - lists, alone and in transactions, to be killed at every instruction
 */
#include "steps.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* three words that belong together, and fill no whole number of lines */
struct three {
	uint64_t words[3];
};

struct job {
	uint64_t number;
	struct dure_list_node node;
};

static struct three three(uint64_t n)
{
	return (struct three){ { n, n * 3, n * 5 } };
}

static dure_list *the_list(struct world *w, const char *name)
{
	dure_list *l;

	must(dure_list_open(w->seg, name, DURE_TYPE(struct three), DURE_CREATE | DURE_OPEN, NULL, &l),
	     "list_open");
	return l;
}

static dure_list *the_jobs(struct world *w, const char *name)
{
	struct dure_list_options o = { .sz = sizeof o, .flags = DURE_LIST_INTRUSIVE,
				       .node_offset = offsetof(struct job, node) };
	dure_list *l;

	must(dure_list_open(w->seg, name, DURE_TYPE(struct job), DURE_CREATE | DURE_OPEN, &o, &l),
	     "list_open");
	return l;
}

/* -- what there is to see ------------------------------------------------------------------ */

struct sight {
	char text[64];
	unsigned count;
	bool is_wrong;
};

static void add_digit(struct sight *s, uint64_t n)
{
	s->is_wrong |= n > 9 || s->count >= 30;
	if (!s->is_wrong)
		s->text[s->count++] = (char)('0' + n);
}

static int see(void *at, const void *element, void *context)
{
	struct three t;

	(void)at;
	memcpy(&t, element, sizeof t);
	((struct sight *)context)->is_wrong |= t.words[1] != t.words[0] * 3 ||
					       t.words[2] != t.words[0] * 5;
	add_digit(context, t.words[0]);
	return 0;
}

static int see_job(void *at, const void *element, void *context)
{
	(void)at;
	add_digit(context, ((const struct job *)element)->number);
	return 0;
}

/* The same in both directions, and as many as it counts. Appends them, and a stroke. */
static void look_at(dure_list *l, int (*visit)(void *, const void *, void *), struct sight *ret)
{
	struct sight there = { .count = 0 }, back = { .count = 0 };

	there.is_wrong = dure_list_visit(l, 0, visit, &there) != 0 ||
			 dure_list_visit(l, DURE_LIST_BACKWARDS, visit, &back) != 0;
	ret->is_wrong |= there.is_wrong || back.is_wrong || there.count != back.count ||
			 there.count != dure_list_count(l);
	for (unsigned i = 0; i < there.count && !ret->is_wrong; i++) {
		ret->is_wrong |= there.text[i] != back.text[there.count - 1 - i];
		add_digit(ret, (uint64_t)(there.text[i] - '0'));
	}
	if (!ret->is_wrong)
		ret->text[ret->count++] = '|';
	dure_list_close(l);
}

static enum verdict judge(const struct sight *s, const char *before, const char *after)
{
	if (s->is_wrong)
		return WRONG;
	return strcmp(s->text, before) == 0 ? BEFORE : strcmp(s->text, after) == 0 ? AFTER : WRONG;
}

static enum verdict judge_lists(struct world *w, const char *before, const char *after)
{
	struct sight s = { .count = 0 };

	look_at(the_list(w, "a"), see, &s);
	look_at(the_list(w, "b"), see, &s);
	return judge(&s, before, after);
}

static enum verdict judge_jobs(struct world *w, const char *before, const char *after)
{
	struct sight s = { .count = 0 };

	look_at(the_jobs(w, "a"), see_job, &s);
	look_at(the_jobs(w, "b"), see_job, &s);
	return judge(&s, before, after);
}

/* -- lists that own their elements --------------------------------------------------------- */

static void push(struct world *w, unsigned list, uint64_t n, unsigned place)
{
	struct three t = three(n);

	must(dure_list_push_back(w->blocks[list], &t, &w->blocks[place]), "push_back");
}

/* a: 1 2 3 4, at blocks[3] to [6]; b: 5 6, at blocks[7] and [8] */
static void prepare_lists(struct world *w)
{
	w->blocks[1] = the_list(w, "a");
	w->blocks[2] = the_list(w, "b");
	for (unsigned n = 1; n <= 6; n++)
		push(w, n <= 4 ? 1 : 2, n, n + 2);
}

#define LISTS "1234|56|"

static void run_push_back(struct world *w)
{
	push(w, 1, 9, 9);
}

static enum verdict judge_push_back(struct world *w)
{
	return judge_lists(w, LISTS, "12349|56|");
}

static void run_push_front(struct world *w)
{
	struct three t = three(9);

	must(dure_list_push_front(w->blocks[1], &t, NULL), "push_front");
}

static enum verdict judge_push_front(struct world *w)
{
	return judge_lists(w, LISTS, "91234|56|");
}

static void run_insert(struct world *w)
{
	struct three t = three(9);

	must(dure_list_insert(w->blocks[1], w->blocks[5], &t, NULL), "insert");
}

static enum verdict judge_insert(struct world *w)
{
	return judge_lists(w, LISTS, "12934|56|");
}

static void run_erase(struct world *w)
{
	must(dure_list_erase(w->blocks[1], w->blocks[5]), "erase");
}

static enum verdict judge_erase(struct world *w)
{
	return judge_lists(w, LISTS, "124|56|");
}

static void run_pop_front(struct world *w)
{
	must(dure_list_pop_front(w->blocks[1], NULL), "pop_front");
}

static enum verdict judge_pop_front(struct world *w)
{
	return judge_lists(w, LISTS, "234|56|");
}

static void run_pop_back(struct world *w)
{
	must(dure_list_pop_back(w->blocks[1], NULL), "pop_back");
}

static enum verdict judge_pop_back(struct world *w)
{
	return judge_lists(w, LISTS, "123|56|");
}

static void run_set(struct world *w)
{
	struct three t = three(9);

	must(dure_list_set(w->blocks[1], w->blocks[4], &t), "set");
}

static enum verdict judge_set(struct world *w)
{
	return judge_lists(w, LISTS, "1934|56|");
}

static void run_splice(struct world *w)
{
	must(dure_list_splice(w->blocks[2], w->blocks[8], w->blocks[1], w->blocks[4],
			      w->blocks[5]), "splice");
}

static enum verdict judge_splice(struct world *w)
{
	return judge_lists(w, LISTS, "14|5236|");
}

static void run_splice_all(struct world *w)
{
	must(dure_list_splice(w->blocks[1], NULL, w->blocks[2], NULL, NULL), "splice");
}

static enum verdict judge_splice_all(struct world *w)
{
	return judge_lists(w, LISTS, "123456||");
}

static void run_splice_within(struct world *w)
{
	must(dure_list_splice(w->blocks[1], w->blocks[3], w->blocks[1], w->blocks[5],
			      w->blocks[6]), "splice");
}

static enum verdict judge_splice_within(struct world *w)
{
	return judge_lists(w, LISTS, "3412|56|");
}

/* What is new goes again, what was moved is changed, and a place is used anew. */
static void change_lists(struct world *w)
{
	struct three t = three(9);

	must(dure_list_pop_front(w->blocks[1], NULL), "pop_front");
	push(w, 1, 8, 9);
	must(dure_list_splice(w->blocks[2], w->blocks[7], w->blocks[1], w->blocks[5],
			      w->blocks[9]), "splice");
	must(dure_list_set(w->blocks[2], w->blocks[5], &t), "set");
	must(dure_list_erase(w->blocks[2], w->blocks[9]), "erase");
}

static void run_in_tx(struct world *w)
{
	dure_tx *tx;

	must(dure_tx_begin(w->seg, &tx), "begin");
	change_lists(w);
	must(dure_tx_commit(tx), "commit");
}

static enum verdict judge_in_tx(struct world *w)
{
	return judge_lists(w, LISTS, "2|9456|");
}

static void run_abort(struct world *w)
{
	dure_tx *tx;

	must(dure_tx_begin(w->seg, &tx), "begin");
	change_lists(w);
	must(dure_tx_abort(tx), "abort");
}

static enum verdict judge_abort(struct world *w)
{
	return judge_lists(w, LISTS, LISTS) == BEFORE ? EITHER : WRONG;
}

static void run_open(struct world *w)
{
	the_list(w, "a");
}

static enum verdict judge_exists(struct world *w)
{
	dure_list *l;
	int r = dure_list_open(w->seg, "a", DURE_TYPE(struct three), DURE_OPEN, NULL, &l);

	if (r == 0)
		dure_list_close(l);
	return seen(r == 0);
}

/* more than are freed at once */
static void prepare_long_list(struct world *w)
{
	w->blocks[1] = the_list(w, "a");
	for (unsigned n = 0; n < 26; n++)
		push(w, 1, n % 10, 9);
}

static void run_destroy(struct world *w)
{
	must(dure_list_destroy(w->seg, "a"), "destroy");
}

/* All of them, those that are left when some have gone at once, none, or no list. */
static enum verdict judge_gone(struct world *w)
{
	struct sight s = { .count = 0 };

	if (judge_exists(w) == BEFORE)
		return AFTER;
	look_at(the_list(w, "a"), see, &s);
	if (s.is_wrong || (s.count != 27 && s.count != 3 && s.count != 1))
		return WRONG;
	return BEFORE;
}

/* -- intrusive lists ----------------------------------------------------------------------- */

static struct job *add_job(struct world *w, uint64_t number)
{
	struct job *j;
	dure_tx *tx;

	must(dure_tx_begin(w->seg, &tx), "begin");
	must(dure_tx_alloc(tx, sizeof *j, 0, (void **)&j), "alloc");
	*j = (struct job){ .number = number };
	must(dure_list_link(w->blocks[1], NULL, j), "link");
	must(dure_tx_commit(tx), "commit");
	return j;
}

/* a: 1 2 3, at blocks[3] to [5] */
static void prepare_jobs(struct world *w)
{
	w->blocks[1] = the_jobs(w, "a");
	w->blocks[2] = the_jobs(w, "b");
	for (unsigned n = 1; n <= 3; n++) {
		w->blocks[n + 2] = add_job(w, n);
		w->root->refs[n] = dure_ref_of(w->seg, w->blocks[n + 2]);
	}
}

#define JOBS "123||"

/* and another, in none */
static void prepare_free_job(struct world *w)
{
	prepare_jobs(w);
	w->blocks[6] = add_job(w, 9);
	must(dure_list_erase(w->blocks[1], w->blocks[6]), "erase");
}

static void run_link(struct world *w)
{
	must(dure_list_link(w->blocks[1], w->blocks[4], w->blocks[6]), "link");
}

static enum verdict judge_link(struct world *w)
{
	return judge_jobs(w, JOBS, "1923||");
}

/* A block appears with its place in the list. */
static void run_link_new(struct world *w)
{
	add_job(w, 9);
}

static enum verdict judge_link_new(struct world *w)
{
	return judge_jobs(w, JOBS, "1239||");
}

static void run_erase_job(struct world *w)
{
	must(dure_list_erase(w->blocks[1], w->blocks[4]), "erase");
}

/* What is in no list can be linked into another one. */
static enum verdict judge_erase_job(struct world *w)
{
	struct job *j = dure_ref_get(w->seg, w->root->refs[2], sizeof *j);
	enum verdict verdict = judge_jobs(w, JOBS, "13||");

	if (verdict == AFTER && (!j || j->node.links[2]))
		return WRONG;
	return verdict;
}

static void run_unlink_first(struct world *w)
{
	void *at;

	must(dure_list_unlink_first(w->blocks[1], &at), "unlink_first");
}

static enum verdict judge_unlink_first(struct world *w)
{
	return judge_jobs(w, JOBS, "23||");
}

static void run_splice_jobs(struct world *w)
{
	must(dure_list_splice(w->blocks[2], NULL, w->blocks[1], w->blocks[4], w->blocks[5]),
	     "splice");
}

static enum verdict judge_splice_jobs(struct world *w)
{
	return judge_jobs(w, JOBS, "1|23|");
}

static const struct scenario list[] = {
	{ "list_open", "dure_list_open", prepare_nothing, run_open, judge_exists, 0 },
	{ "list_push_back", "dure_list_push_back", prepare_lists, run_push_back, judge_push_back,
	  SEEN_AT_ONCE },
	{ "list_push_front", "dure_list_push_front", prepare_lists, run_push_front,
	  judge_push_front, SEEN_AT_ONCE },
	{ "list_insert", "dure_list_insert", prepare_lists, run_insert, judge_insert, SEEN_AT_ONCE },
	{ "list_erase", "dure_list_erase", prepare_lists, run_erase, judge_erase, SEEN_AT_ONCE },
	{ "list_pop_front", "dure_list_pop_front", prepare_lists, run_pop_front, judge_pop_front,
	  SEEN_AT_ONCE },
	{ "list_pop_back", "dure_list_pop_back", prepare_lists, run_pop_back, judge_pop_back,
	  SEEN_AT_ONCE },
	{ "list_set", "dure_list_set", prepare_lists, run_set, judge_set, SEEN_AT_ONCE },
	{ "list_splice", "dure_list_splice", prepare_lists, run_splice, judge_splice, SEEN_AT_ONCE },
	{ "list_splice_all", "dure_list_splice", prepare_lists, run_splice_all, judge_splice_all, SEEN_AT_ONCE },
	{ "list_splice_within", "dure_list_splice", prepare_lists, run_splice_within,
	  judge_splice_within, SEEN_AT_ONCE },
	{ "list_in_tx", "dure_list_pop_front dure_list_splice dure_list_erase", prepare_lists,
	  run_in_tx, judge_in_tx, SEEN_AT_ONCE },
	{ "list_abort", "dure_list_pop_front dure_list_splice dure_list_erase", prepare_lists,
	  run_abort, judge_abort, 0 },
	{ "list_link", "dure_list_link", prepare_free_job, run_link, judge_link, SEEN_AT_ONCE },
	{ "list_link_new", "dure_list_link", prepare_jobs, run_link_new, judge_link_new, 0 },
	{ "list_erase_linked", "dure_list_erase", prepare_jobs, run_erase_job, judge_erase_job,
	  SEEN_AT_ONCE },
	{ "list_unlink_first", "dure_list_unlink_first", prepare_jobs, run_unlink_first,
	  judge_unlink_first, SEEN_AT_ONCE },
	{ "list_splice_linked", "dure_list_splice", prepare_jobs, run_splice_jobs,
	  judge_splice_jobs, SEEN_AT_ONCE },
	{ "list_destroy", "dure_list_destroy", prepare_long_list, run_destroy, judge_gone,
	  UNCOUNTED },
};

const struct scenarios list_scenarios = { list, sizeof list / sizeof *list };

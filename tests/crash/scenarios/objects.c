/* SPDX-License-Identifier: MIT */
/*
 * objects.c - objects with names, with types, and without, to be killed at every instruction
 */
#include "steps.h"

#include <stdio.h>
#include <string.h>

struct thing {
	uint64_t value;
	dure_ref part;
};

static int init_thing(dure_tx *tx, void *object, uint64_t count, void *context)
{
	struct thing *thing = object;
	void *part;
	int r = dure_tx_alloc(tx, 48, 0, &part);

	(void)count;
	(void)context;
	if (r < 0)
		return r;
	memset(part, 0x33, 48);
	thing->value = 7;
	thing->part = dure_ref_of(dure_tx_segment(tx), part);
	return 0;
}

static int fini_thing(dure_tx *tx, void *object, uint64_t count, void *context)
{
	struct thing *thing = object;

	(void)count;
	(void)context;
	return dure_tx_free(tx, dure_ref_get(dure_tx_segment(tx), thing->part, 48));
}

static enum verdict judge_thing(struct world *w, const char *name)
{
	struct thing *thing;
	const unsigned char *part;

	if (dure_object_find(w->seg, name, DURE_TYPE(struct thing), (void **)&thing, NULL) < 0)
		return BEFORE;
	part = dure_ref_get(w->seg, thing->part, 48);
	return thing->value == 7 && part && part[0] == 0x33 && part[47] == 0x33 ? AFTER : WRONG;
}

static enum verdict judge_thing_made(struct world *w)
{
	return judge_thing(w, "thing");
}

static enum verdict judge_unique_made(struct world *w)
{
	return judge_thing(w, DURE_UNIQUE);
}

static enum verdict judge_thing_gone(struct world *w)
{
	enum verdict made = judge_thing(w, "thing");

	return made == WRONG ? WRONG : made == BEFORE ? AFTER : BEFORE;
}

static void run_construct(struct world *w)
{
	struct thing *thing;

	must(dure_object_construct(w->seg, "thing", DURE_TYPE(struct thing), 1, init_thing, NULL,
				   (void **)&thing),
	     "construct");
}

static void run_construct_plain(struct world *w)
{
	uint64_t *numbers;

	must(dure_object_construct(w->seg, "numbers", DURE_TYPE(uint64_t), 20, NULL, NULL,
				   (void **)&numbers),
	     "construct");
}

static enum verdict judge_numbers(struct world *w)
{
	uint64_t *numbers, count;

	if (dure_object_find(w->seg, "numbers", DURE_TYPE(uint64_t), (void **)&numbers, &count) < 0)
		return BEFORE;
	return count == 20 && numbers[0] == 0 && numbers[19] == 0 ? AFTER : WRONG;
}

static void run_find_or_create(struct world *w)
{
	struct thing *thing;

	must(dure_object_find_or_create(w->seg, "thing", DURE_TYPE(struct thing), 1, init_thing,
					NULL, (void **)&thing),
	     "find_or_create");
}

static void run_construct_unique(struct world *w)
{
	struct thing *thing;

	must(dure_object_construct(w->seg, DURE_UNIQUE, DURE_TYPE(struct thing), 1, init_thing,
				   NULL, (void **)&thing),
	     "construct unique");
}

static void run_construct_anonymous(struct world *w)
{
	struct thing *thing;

	must(dure_object_construct(w->seg, DURE_ANONYMOUS, DURE_TYPE(struct thing), 1, NULL, NULL,
				   (void **)&thing),
	     "construct anonymous");
}

static int count_anonymous(const struct dure_object_info *info, void *context)
{
	*(int *)context += info->kind == 3;
	return 0;
}

static enum verdict judge_anonymous(struct world *w)
{
	int count = 0;

	must(dure_object_list(w->seg, count_anonymous, &count), "object_list");
	return count > 1 ? WRONG : seen(count == 1);
}

static void prepare_thing(struct world *w)
{
	run_construct(w);
}

static void run_destroy(struct world *w)
{
	must(dure_object_destroy(w->seg, "thing", DURE_TYPE(struct thing), fini_thing, NULL),
	     "destroy");
}

static void prepare_destroy_at(struct world *w)
{
	must(dure_object_construct(w->seg, "thing", DURE_TYPE(struct thing), 1, init_thing, NULL,
				   &w->blocks[0]),
	     "construct");
}

static void run_destroy_at(struct world *w)
{
	must(dure_object_destroy_at(w->seg, w->blocks[0], fini_thing, NULL), "destroy_at");
}

/* as many names as make the next one double its partition's table, in every partition */
static void prepare_many_names(struct world *w)
{
	char name[32];
	void *object;

	for (int i = 0; i < 24; i++) {
		snprintf(name, sizeof name, "name-%d", i);
		must(dure_object_construct(w->seg, name, DURE_TYPE(uint64_t), 1, NULL, NULL, &object),
		     "construct");
	}
}

static void run_few_more_names(struct world *w)
{
	char name[32];
	void *object;

	for (int i = 0; i < 6; i++) {
		snprintf(name, sizeof name, "more-%d", i);
		must(dure_object_construct(w->seg, name, DURE_TYPE(uint64_t), 1, NULL, NULL, &object),
		     "construct");
	}
}

/* All the old names; of the new ones a beginning, without a gap. */
static enum verdict judge_names(struct world *w)
{
	char name[32];
	void *object;
	int made = 0;

	for (int i = 0; i < 24; i++) {
		snprintf(name, sizeof name, "name-%d", i);
		if (dure_object_find(w->seg, name, DURE_TYPE(uint64_t), &object, NULL) < 0)
			return WRONG;
	}
	for (int i = 0; i < 6; i++) {
		snprintf(name, sizeof name, "more-%d", i);
		if (dure_object_find(w->seg, name, DURE_TYPE(uint64_t), &object, NULL) < 0)
			continue;
		if (made++ != i)
			return WRONG;
	}
	return made == 6 ? AFTER : BEFORE;
}

/* Two objects appear and one vanishes, in one step. */
static void run_objects_in_tx(struct world *w)
{
	dure_tx *tx;
	void *object;

	must(dure_tx_begin(w->seg, &tx), "begin");
	must(dure_object_construct(w->seg, "one", DURE_TYPE(uint64_t), 1, NULL, NULL, &object),
	     "construct");
	must(dure_object_destroy(w->seg, "thing", DURE_TYPE(struct thing), fini_thing, NULL),
	     "destroy");
	must(dure_object_construct(w->seg, "two", DURE_TYPE(uint64_t), 1, NULL, NULL, &object),
	     "construct");
	must(dure_tx_commit(tx), "commit");
}

static enum verdict judge_objects_in_tx(struct world *w)
{
	void *object;
	bool one = dure_object_find(w->seg, "one", DURE_TYPE(uint64_t), &object, NULL) == 0;
	bool two = dure_object_find(w->seg, "two", DURE_TYPE(uint64_t), &object, NULL) == 0;
	enum verdict thing = judge_thing(w, "thing");

	if (thing == WRONG || one != two || one == (thing == AFTER))
		return WRONG;
	return seen(one);
}

#define OBJECTS "dure_object_construct dure_tx_alloc"

static const struct scenario list[] = {
	{ "construct", OBJECTS, prepare_nothing, run_construct, judge_thing_made,
	  SEEN_AT_ONCE },
	{ "construct_plain", "dure_object_construct", warm_up, run_construct_plain, judge_numbers,
	  SEEN_AT_ONCE },
	{ "construct_in_used_page", "dure_object_construct", prepare_used_pages, run_construct_plain,
	  judge_numbers, SEEN_AT_ONCE },
	{ "construct_unique", OBJECTS, prepare_nothing, run_construct_unique, judge_unique_made,
	  SEEN_AT_ONCE },
	{ "construct_anonymous", OBJECTS, prepare_nothing, run_construct_anonymous, judge_anonymous,
	  SEEN_AT_ONCE },
	{ "construct_growing", "dure_object_construct", prepare_many_names, run_few_more_names,
	  judge_names, UNCOUNTED | SEEN_AT_ONCE },
	{ "find_or_create", "dure_object_find_or_create", prepare_nothing, run_find_or_create,
	  judge_thing_made, SEEN_AT_ONCE },
	{ "destroy", "dure_object_destroy dure_tx_free", prepare_thing, run_destroy, judge_thing_gone,
	  SEEN_AT_ONCE },
	{ "destroy_at", "dure_object_destroy_at", prepare_destroy_at, run_destroy_at, judge_thing_gone,
	  SEEN_AT_ONCE },
	{ "objects_in_tx", "dure_object_construct dure_object_destroy dure_tx_commit", prepare_thing,
	  run_objects_in_tx, judge_objects_in_tx, SEEN_AT_ONCE },
};

const struct scenarios object_scenarios = { list, sizeof list / sizeof *list };

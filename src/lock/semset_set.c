/* SPDX-License-Identifier: MIT */
/*
 * semset_set.c - making a set of semaphores, setting its values, looking at it, its end
 *
 * The rules are semset.c's.
 */
#include <string.h>

#include "base/options.h"
#include "lock/place.h"
#include "lock/semset_call.h"
#include "segment/wait.h"

static_assert(sizeof(dure_semset) == sizeof(struct dl_semset), "dure_semset is dl_semset");
static_assert((int)DURE_SEMSET_SEMAPHORES_MAX == (int)DL_SEMSET_COUNTERS_MAX &&
		      (int)DURE_SEMSET_PROCESSES_MAX == (int)DL_SEMSET_ROWS_MAX,
	      "what the header says");
static_assert(DURE_SEMSET_BYTES(1, 1) == 64 + 40 + 24 && DURE_SEMSET_BYTES(2, 3) == 64 + 80 + 72,
	      "dl_semset_bytes says the same");

/* -- making ------------------------------------------------------------------------------ */

static int check_options(const struct dure_semset_options *o)
{
	if (o->semaphores < 1 || o->semaphores > DURE_SEMSET_SEMAPHORES_MAX ||
	    o->processes > DURE_SEMSET_PROCESSES_MAX || o->value_max > DL_SEMAPHORE_MAX)
		return durei_error(EINVAL, "a set has 1 to %d semaphores, not %u, up to %d processes that "
				   "undo, not %u, and values up to %llu, not %u",
				   DURE_SEMSET_SEMAPHORES_MAX, o->semaphores,
				   DURE_SEMSET_PROCESSES_MAX, o->processes,
				   (unsigned long long)DL_SEMAPHORE_MAX, o->value_max);
	for (uint32_t i = 0; o->values && i < o->semaphores; i++)
		if (o->values[i] > o->value_max)
			return durei_error(EOVERFLOW, "value %u of semaphore %u is more than %u",
					   o->values[i], i, o->value_max);
	return 0;
}

int dure_semset_init(dure_segment *segment, dure_semset *set,
		     const struct dure_semset_options *options)
{
	struct dl_semset *s = (struct dl_semset *)set;
	struct dure_semset_options o;
	int r = durei_handle_check_write(segment);

	if (r == 0)
		r = durei_options_read(&o, sizeof o, sizeof o, options);
	if (r < 0)
		return r;
	if (o.value_max == 0)
		o.value_max = DURE_SEMSET_VALUE_MAX;
	r = check_options(&o);
	if (r == 0)
		r = durei_place_check(segment, set, DURE_SEMSET_BYTES(o.semaphores, o.processes));
	if (r < 0)
		return r;
	memset(s, 0, DURE_SEMSET_BYTES(o.semaphores, o.processes));
	s->counters = o.semaphores;
	s->rows = o.processes;
	s->value_max = o.value_max;
	for (uint32_t i = 0; o.values && i < o.semaphores; i++)
		cell64_store_rel(&dl_semset_counters(s)[i].word, o.values[i]);
	cell32_store_rel(&s->kind, DL_LOCK_IS_SEMSET);
	return 0;
}

/* -- setting ----------------------------------------------------------------------------- */

static int set_values(struct durei_semset_call *c, uint32_t first, uint32_t count,
		      const uint32_t *values)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < count; i++)
		if (values[i] > c->set.value_max)
			r = durei_semset_too_large(c, first + i, "the value");
	if (r == 0)
		r = durei_semset_take_guard(c, DUREI_NEVER);
	if (r < 0)
		return r;
	durei_semset_store(&c->set, first, count, values, durei_semset_process(c->set.seg));
	durei_semset_free_guard(c);
	return 0;
}

int dure_semset_set(dure_segment *segment, dure_semset *set, uint32_t index, uint32_t value)
{
	struct durei_semset_call c;
	int r = durei_semset_call(&c, segment, set);

	if (r == 0 && index >= c.set.count)
		r = durei_semset_bad_index(&c, index);
	return r < 0 ? r : set_values(&c, index, 1, &value);
}

static int check_count(const struct durei_semset_call *c, size_t count)
{
	if (count == c->set.count)
		return 0;
	return durei_error(EINVAL, "segment %s: the semaphore set at +%#llx has %u semaphores, not %zu",
			   c->set.seg->super.name, (unsigned long long)c->offset, c->set.count, count);
}

int dure_semset_set_all(dure_segment *segment, dure_semset *set, const uint32_t *values,
			size_t count)
{
	struct durei_semset_call c;
	int r = durei_semset_call(&c, segment, set);

	if (r == 0)
		r = check_count(&c, count);
	return r < 0 ? r : set_values(&c, 0, c.set.count, values);
}

/* -- looking ----------------------------------------------------------------------------- */

/* Under guard, with what the dead had to undo; a dead waiter counts no more either. */
static int begin_looking(struct durei_semset_call *c, dure_segment *segment, const dure_semset *set)
{
	int r = durei_semset_call(c, segment, set);
	struct durei_sharers waiters;

	if (r < 0)
		return r;
	(void)durei_semset_ask_the_dead(c, UINT32_MAX);
	durei_share_find_all(c->lane, c->offset, DL_SHARE_SET, DUREI_SEMSET_WAITS, &waiters);
	(void)durei_share_recover(c->lane, &waiters);
	return 0;
}

int dure_semset_get_all(dure_segment *segment, dure_semset *set, uint32_t *ret_values,
			size_t count)
{
	struct durei_semset_call c;
	int r = begin_looking(&c, segment, set);

	if (r == 0)
		r = check_count(&c, count);
	if (r == 0)
		r = durei_semset_take_guard(&c, DUREI_NEVER);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < c.set.count; i++)
		ret_values[i] = dl_semset_value(cell64_load_rlx(&c.set.counters[i].word));
	durei_semset_free_guard(&c);
	return 0;
}

struct waiters {
	uint32_t index, for_more, for_zero;
};

static void count_waiter(struct dl_share *share, uint64_t what, void *context)
{
	uint64_t asks = cell64_load_acq(&share->units);
	struct waiters *w = context;

	(void)what;
	if (asks >> DL_SEMSET_ASKS_SHIFT != w->index)
		return;
	if (asks & DL_SEMSET_ASKS_ZERO)
		w->for_zero++;
	else
		w->for_more++;
}

static void look(const struct durei_semset_call *c, uint32_t index, struct dure_semset_info *ret)
{
	uint64_t word = cell64_load_rlx(&c->set.counters[index].word);
	uint64_t owner = durei_semset_owner_word(c->set.seg);
	struct waiters waiters = { .index = index };

	durei_share_each(c->set.seg, c->offset, DL_SHARE_SET, DUREI_SEMSET_WAITS, count_waiter, &waiters);
	*ret = (struct dure_semset_info){
		.sz = sizeof *ret,
		.semaphores = c->set.count,
		.value_max = c->set.value_max,
		.value = dl_semset_value(word),
		.last_process = (uint32_t)(word >> 32),
		.waiting_for_more = waiters.for_more,
		.waiting_for_zero = waiters.for_zero,
	};
	for (uint32_t i = 0; i < c->set.row_count; i++) {
		const struct dl_semset_row *row = durei_semset_row(&c->set, i);
		if (cell64_load_acq(&row->owner) == owner)
			ret->adjustment = (int32_t)cell32_load_acq(&row->adjustments[index]);
	}
}

int dure_semset_info(dure_segment *segment, dure_semset *set, uint32_t index,
		     struct dure_semset_info *ret)
{
	struct dure_semset_info info;
	struct durei_semset_call c;
	int r = begin_looking(&c, segment, set);

	if (r == 0 && index >= c.set.count)
		r = durei_semset_bad_index(&c, index);
	if (r == 0)
		r = durei_semset_take_guard(&c, DUREI_NEVER);
	if (r < 0)
		return r;
	look(&c, index, &info);
	durei_semset_free_guard(&c);
	return durei_options_write(ret, &info, sizeof info, sizeof info);
}

/* -- the end ----------------------------------------------------------------------------- */

int dure_semset_remove(dure_segment *segment, dure_semset *set)
{
	struct durei_semset_call c;
	int r = durei_semset_call(&c, segment, set);

	if (r == 0)
		r = durei_semset_take_guard(&c, DUREI_NEVER);
	if (r < 0)
		return r;
	cell32_store_rel(&c.set.shared->kind, DL_LOCK_WAS_SEMSET);
	for (uint32_t i = 0; i < c.set.count; i++) {
		cell32_add(&c.set.counters[i].signal, DL_SEMSET_STEP);
		durei_wake(segment, &c.set.counters[i].signal, UINT32_MAX >> 1);
	}
	durei_semset_free_guard(&c);
	return 0;
}

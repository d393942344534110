/* SPDX-License-Identifier: MIT */
/*
 * select.c - which message a receiver means
 *
 * Why      System V selects by type, POSIX by priority. Here both hold at once: among the
 *          messages whose type is wanted the highest priority comes first, and of one
 *          priority the oldest. "The lowest type up to T" is decided by type first.
 * Cost     any, one type, up to: a path down a treap. Any but one: the messages of that type
 *          that stand in front are passed over, but no more of them than a few; then each
 *          type's first message is looked at instead.
 * Death    nothing is changed.
 */
#include "message/queue.h"

#include "base/options.h"

enum { PASSED_OVER_MAX = 32 };

int durei_select_read(const struct dure_queue_select *which, struct dure_queue_select *ret)
{
	int r = durei_options_read(ret, sizeof *ret, sizeof *ret, which);

	if (r < 0)
		return r;
	if (ret->select > DURE_SELECT_EXCEPT)
		return durei_error(EINVAL, "select.select %u is none of DURE_SELECT_", ret->select);
	if (ret->flags & ~(uint32_t)(DURE_QUEUE_TRUNCATE | DURE_QUEUE_DEAD_LETTERS |
				     DURE_QUEUE_SPIN | DURE_QUEUE_SLEEP))
		return durei_error(EINVAL, "select.flags %#x have unknown bits", ret->flags);
	if (ret->select != DURE_SELECT_ANY && ret->type < 1)
		return durei_error(EINVAL, "select.type %lld: types are 1 and above",
				   (long long)ret->type);
	return 0;
}

static struct dl_shelf *shelf_of(const dure_queue *queue, const struct dure_queue_select *which)
{
	return which->flags & DURE_QUEUE_DEAD_LETTERS ? &queue->shared->dead
						      : &queue->shared->waiting;
}

/* The better of the first messages of each type but one. */
static struct dl_message *first_of_other_types(const struct durei_lines *kinds, int64_t type,
					       int *ret_error)
{
	struct durei_line_key from = { 0, 0 };
	struct dl_message *best = NULL, *m;

	while ((m = durei_lines_from(kinds, from, ret_error))) {
		if (m->type != type &&
		    (!best || m->priority > best->priority ||
		     (m->priority == best->priority && m->id < best->id)))
			best = m;
		if ((uint64_t)m->type < from.major)
			break;		/* damaged: it would never end */
		from.major = (uint64_t)m->type + 1;
	}
	return *ret_error ? NULL : best;
}

static struct dl_message *first_but(const struct durei_lines *orders,
				    const struct durei_lines *kinds, int64_t type, int *ret_error)
{
	struct dl_message *m = durei_lines_from(orders, (struct durei_line_key){ 0, 0 }, ret_error);

	for (int passed = 0; m && m->type == type; passed++) {
		if (passed == PASSED_OVER_MAX)
			return first_of_other_types(kinds, type, ret_error);
		m = durei_lines_next(orders, m, ret_error);
	}
	return m;
}

static bool is_wanted(const struct dl_message *m, const struct dure_queue_select *which)
{
	switch (which->select) {
	case DURE_SELECT_TYPE:
		return m->type == which->type;
	case DURE_SELECT_UP_TO:
		return m->type <= which->type;
	case DURE_SELECT_EXCEPT:
		return m->type != which->type;
	default:
		return true;
	}
}

/* In the order in which they would come, one after the other. */
static struct dl_message *pass_over(const struct durei_lines *lines, struct dl_message *m,
				    const struct dure_queue_select *which, uint64_t most,
				    int *ret_error)
{
	uint64_t skip = which->skip;

	while (m && most--) {
		if (is_wanted(m, which) && skip-- == 0)
			return m;
		m = durei_lines_next(lines, m, ret_error);
	}
	return NULL;
}

struct dl_message *durei_select(const dure_queue *queue, const struct dure_queue_select *which,
				int *ret_error)
{
	struct dl_shelf *shelf = shelf_of(queue, which);
	struct dl_queue_numbers *numbers = &queue->shared->numbers;
	struct durei_lines orders = durei_queue_lines(queue, &shelf->order, DUREI_BY_PRIORITY);
	struct durei_lines kinds = durei_queue_lines(queue, &shelf->kind, DUREI_BY_TYPE);
	bool by_type = which->select == DURE_SELECT_TYPE || which->select == DURE_SELECT_UP_TO;
	struct durei_line_key from = { 0, 0 };
	struct dl_message *m;

	*ret_error = 0;
	if (which->select == DURE_SELECT_TYPE)
		from.major = (uint64_t)which->type;
	if (which->select == DURE_SELECT_EXCEPT && !which->skip)
		return first_but(&orders, &kinds, which->type, ret_error);
	m = durei_lines_from(by_type ? &kinds : &orders, from, ret_error);
	if (!which->skip)
		return m && is_wanted(m, which) ? m : NULL;
	return pass_over(by_type ? &kinds : &orders, m, which,
			 durei_number_of_messages(queue, &numbers->count) +
				 durei_number_of_messages(queue, &numbers->dead_count),
			 ret_error);
}

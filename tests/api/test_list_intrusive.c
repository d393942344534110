/* SPDX-License-Identifier: MIT */
/* Description: blocks of the program's are in one list at a time, and stay the program's. */
#include "../t.h"

struct job {
	uint64_t number;
	struct dure_list_node node;
	uint64_t again;
};


static dure_segment *seg;
static dure_list *list;			/* one that owns its elements */

static int setup(void **state)
{
	(void)state;
	seg = t_segment(16 << 20);
	T_IS(dure_list_open(seg, "l", DURE_TYPE(struct job), DURE_CREATE, NULL, &list),
	     DURE_CREATED);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	t_clean(seg);
	dure_list_close(list);
	t_close(seg);
	return 0;
}

static dure_list *jobs(const char *name)
{
	struct dure_list_options o = { .sz = sizeof o, .flags = DURE_LIST_INTRUSIVE,
				       .node_offset = offsetof(struct job, node) };
	dure_list *l;

	T_OK(dure_list_open(seg, name, DURE_TYPE(struct job), DURE_CREATE | DURE_OPEN, &o, &l));
	return l;
}

static struct job *make_job(dure_list *l, uint64_t number)
{
	struct job *j;
	dure_tx *tx;

	T_OK(dure_tx_begin(seg, &tx));
	T_OK(dure_tx_alloc(tx, sizeof *j, 0, (void **)&j));
	*j = (struct job){ .number = number, .again = number };
	T_OK(dure_list_link(l, NULL, j));
	T_OK(dure_tx_commit(tx));
	return j;
}

static int sum_jobs(void *at, const void *element, void *context)
{
	const struct job *j = element;

	assert_ptr_equal(at, element);
	assert_int_equal(j->number, j->again);
	*(uint64_t *)context += j->number;
	return 0;
}

static void blocks_of_the_program(void **state)
{
	dure_list *waiting = jobs("waiting"), *running = jobs("running");
	uint64_t live = t_live_blocks(seg) - 2, sum = 0;
	struct job *j[4], local = { 0 };
	void *at;

	(void)state;
	for (uint64_t i = 0; i < 4; i++)
		j[i] = make_job(waiting, 1u << i);
	T_FAILS(dure_list_link(running, NULL, j[0]), -EINVAL, "already");
	T_IS(dure_list_link(waiting, NULL, &local), -EINVAL);
	T_IS(dure_list_push_back(waiting, &local, NULL), -EINVAL);
	T_IS(dure_list_set(waiting, j[0], &local), -EINVAL);
	T_IS(dure_list_get(waiting, j[0], &local), -EINVAL);
	T_IS(dure_list_pop_front(waiting, &local), -EINVAL);
	T_FAILS(dure_list_link(list, NULL, j[0]), -EINVAL, "owns");
	T_IS(dure_list_unlink_first(list, &at), -EINVAL);
	T_IS(dure_list_splice(running, NULL, waiting, j[1], j[2]), 2);
	T_OK(dure_list_visit(running, 0, sum_jobs, &sum));
	assert_int_equal(sum, 2 + 4);
	T_OK(dure_list_unlink_first(running, &at));
	assert_ptr_equal(at, j[1]);
	T_OK(dure_list_link(running, j[2], at));
	T_OK(dure_list_first(running, &at));
	assert_ptr_equal(at, j[1]);
	T_OK(dure_list_erase(running, j[1]));
	T_IS(dure_list_erase(running, j[1]), -EINVAL);
	t_clean(seg);
	dure_list_close(waiting);
	dure_list_close(running);
	T_OK(dure_list_destroy(seg, "waiting"));
	T_OK(dure_list_destroy(seg, "running"));
	for (int i = 0; i < 4; i++) {
		assert_int_equal(j[i]->node.links[2], 0);	/* in no list */
		T_OK(dure_block_free(seg, j[i]));
	}
	assert_int_equal(t_live_blocks(seg), live);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(blocks_of_the_program, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

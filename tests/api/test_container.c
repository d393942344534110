/* SPDX-License-Identifier: MIT */
/* Description: containers own containers, move between owners in one step, and go with them. */
#include "../t.h"

static dure_segment *seg;
static uint64_t blocks;		/* of the segment, when a test begins */

static int setup(void **state)
{
	dure_vector *v;

	(void)state;
	seg = t_segment(64 << 20);
	/* tables of the directory come with the first names of their part, and stay */
	for (int i = 0; i < 2000; i++) {
		char name[16];
		snprintf(name, sizeof name, "n%d", i);
		T_OK(dure_vector_open(seg, name, DURE_OWNER, DURE_CREATE, NULL, &v));
		dure_vector_close(v);
	}
	for (int i = 0; i < 2000; i++) {
		char name[16];
		snprintf(name, sizeof name, "n%d", i);
		T_OK(dure_vector_destroy(seg, name));
	}
	blocks = t_live_blocks(seg);
	return 0;
}

static int teardown(void **state)
{
	uint64_t left = t_live_blocks(seg), objects;

	(void)state;
	T_OK(dure_object_count(seg, &objects));
	if (left != blocks || objects)
		print_error("%d blocks and %d objects are left over\n", (int)(left - blocks), (int)objects);
	t_finish(seg);
	return left == blocks && !objects ? 0 : -1;
}

/* -- makers ------------------------------------------------------------------------------ */

static dure_map *owner_map(const char *name)
{
	struct dure_map_options o = { .sz = sizeof o, .flags = DURE_MAP_OWNER };
	dure_map *map;

	T_OK(dure_map_open(seg, name, DURE_CREATE | DURE_OPEN, &o, &map));
	return map;
}

static dure_ref new_list(uint64_t count)
{
	dure_ref at = { 0 };
	dure_list *list;

	T_IS(dure_list_open_at(seg, &at, DURE_TYPE(uint64_t), DURE_CREATE, NULL, &list), DURE_CREATED);
	assert_true(at.offset != 0);
	for (uint64_t i = 0; i < count; i++)
		T_OK(dure_list_push_back(list, &i, NULL));
	dure_list_close(list);
	return at;
}

static uint64_t length_of(dure_ref at)
{
	dure_list *list;
	uint64_t count;

	T_IS(dure_list_open_at(seg, &at, DURE_TYPE(uint64_t), DURE_OPEN, NULL, &list), 0);
	count = dure_list_count(list);
	dure_list_close(list);
	return count;
}

static dure_ref new_string(const char *text)
{
	dure_ref at = { 0 };
	dure_string *string;

	T_IS(dure_string_open_at(seg, &at, DURE_CREATE | DURE_OPEN, &string), DURE_CREATED);
	T_OK(dure_string_set(string, text, strlen(text)));
	dure_string_close(string);
	return at;
}

static void string_is(dure_ref at, const char *text)
{
	dure_string *string;
	char got[64];

	T_IS(dure_string_open_at(seg, &at, DURE_CREATE | DURE_OPEN, &string), 0);
	T_OK(dure_string_get(string, got, sizeof got, NULL));
	assert_string_equal(got, text);
	dure_string_close(string);
}

/* -- what there is ----------------------------------------------------------------------- */

static void map_of_lists(void **state)
{
	dure_map *map = owner_map("lists");
	dure_ref at;
	dure_tx *tx;

	(void)state;
	for (uint64_t i = 0; i < 300; i++) {
		T_OK(dure_tx_begin(seg, &tx));
		at = new_list(i % 7);
		T_IS(dure_map_insert(map, &i, sizeof i, &at), DURE_CREATED);
		T_OK(dure_tx_commit(tx));
	}
	for (uint64_t i = 0; i < 300; i++) {
		T_OK(dure_map_get(map, &i, sizeof i, &at));
		assert_int_equal(length_of(at), i % 7);
	}
	t_clean(seg);
	dure_map_close(map);
	T_OK(dure_map_destroy(seg, "lists"));
}

static void vector_of_strings(void **state)
{
	dure_vector *vector;
	dure_ref at;
	char text[32];

	(void)state;
	T_IS(dure_vector_open(seg, "v", DURE_OWNER, DURE_CREATE, NULL, &vector), DURE_CREATED);
	T_FAILS(dure_vector_open(seg, "v", DURE_TYPE(uint64_t), DURE_OPEN, NULL, &vector), -EINVAL,
		"dure_owner");
	for (int i = 0; i < 100; i++) {
		snprintf(text, sizeof text, "line %d", i);
		at = new_string(text);
		T_OK(dure_vector_push(vector, &at, NULL));
	}
	T_OK(dure_vector_get(vector, 77, &at));
	string_is(at, "line 77");
	dure_vector_close(vector);
	T_OK(dure_vector_destroy(seg, "v"));
}

/* Each kind in each kind that owns: all of it goes with the outermost. */
static void all_kinds(void **state)
{
	struct dure_map_options map_owner = { .sz = sizeof map_owner, .flags = DURE_MAP_OWNER };
	struct dure_ordered_options ordered_owner = { .sz = sizeof ordered_owner,
		.flags = DURE_ORDERED_OWNER | DURE_ORDERED_INTEGER | DURE_ORDERED_MULTI };
	dure_ref inner[8] = { { 0 } }, middle[6] = { { 0 } };
	dure_map *map;
	dure_ordered *ordered;
	dure_vector *vector, *outer;
	dure_deque *deque;
	dure_list *list;
	dure_priority *priority;
	dure_bitmap *bitmap;
	uint64_t one = 1;

	(void)state;
	T_OK(dure_vector_open(seg, "outer", DURE_OWNER, DURE_CREATE, NULL, &outer));
	T_OK(dure_map_open_at(seg, &middle[0], DURE_CREATE, &map_owner, &map));
	T_OK(dure_ordered_open_at(seg, &middle[1], DURE_CREATE, &ordered_owner, &ordered));
	T_OK(dure_vector_open_at(seg, &middle[2], DURE_OWNER, DURE_CREATE, NULL, &vector));
	T_OK(dure_deque_open_at(seg, &middle[3], DURE_OWNER, DURE_CREATE, NULL, &deque));
	T_OK(dure_list_open_at(seg, &middle[4], DURE_OWNER, DURE_CREATE, NULL, &list));
	T_OK(dure_priority_open_at(seg, &middle[5], DURE_OWNER, DURE_CREATE, NULL, &priority));
	for (int i = 0; i < 6; i++)
		T_OK(dure_vector_push(outer, &middle[i], NULL));
	T_OK(dure_bitmap_open_at(seg, &inner[0], DURE_CREATE, &bitmap));
	T_OK(dure_bitmap_resize(bitmap, 5000));
	dure_bitmap_close(bitmap);
	inner[1] = new_string("a text");
	inner[2] = new_list(50);
	for (int i = 3; i < 8; i++)
		inner[i] = new_list((uint64_t)i);
	T_OK(dure_map_put(map, "k", 1, &inner[0]));
	T_OK(dure_ordered_put(ordered, &one, sizeof one, &inner[1]));
	T_OK(dure_ordered_put(ordered, &one, sizeof one, &inner[2]));
	T_OK(dure_vector_push(vector, &inner[3], NULL));
	T_OK(dure_vector_push(vector, NULL, NULL));	/* owns nothing */
	T_OK(dure_deque_push_back(deque, &inner[4]));
	T_OK(dure_deque_push_front(deque, &inner[5]));
	T_OK(dure_list_push_back(list, &inner[6], NULL));
	T_OK(dure_priority_push(priority, &one, &inner[7], NULL));
	t_clean(seg);
	dure_map_close(map);
	dure_ordered_close(ordered);
	dure_vector_close(vector);
	dure_deque_close(deque);
	dure_list_close(list);
	dure_priority_close(priority);
	dure_vector_close(outer);
	T_OK(dure_vector_destroy(seg, "outer"));
}

/* -- from one owner to another ----------------------------------------------------------- */

static void moves(void **state)
{
	dure_map *map = owner_map("from");
	dure_vector *vector;
	dure_ref at = new_list(10), got;
	dure_tx *tx;

	(void)state;
	T_OK(dure_vector_open(seg, "to", DURE_OWNER, DURE_CREATE, NULL, &vector));
	T_OK(dure_map_put(map, "k", 1, &at));
	for (int commits = 0; commits < 2; commits++) {
		T_OK(dure_tx_begin(seg, &tx));
		T_OK(dure_map_take(map, "k", 1, &got));
		T_OK(dure_vector_push(vector, &got, NULL));
		T_OK(commits ? dure_tx_commit(tx) : dure_tx_abort(tx));
		assert_int_equal(dure_vector_count(vector), commits);
		assert_int_equal(dure_map_count(map), !commits);
	}
	assert_int_equal(got.offset, at.offset);
	assert_int_equal(length_of(at), 10);
	dure_map_close(map);
	T_OK(dure_map_destroy(seg, "from"));
	assert_int_equal(length_of(at), 10);
	dure_vector_close(vector);
	T_OK(dure_vector_destroy(seg, "to"));
}

static void names(void **state)
{
	dure_ref at = new_list(3), got = { 0 };
	dure_list *list;
	dure_map *map = owner_map("m");
	dure_tx *tx;

	(void)state;
	T_OK(dure_container_give_name(seg, at, "jobs"));
	T_IS(dure_container_give_name(seg, at, "jobs"), -EEXIST);
	T_IS(dure_list_open(seg, "jobs", DURE_TYPE(uint64_t), DURE_CREATE, NULL, &list), -EEXIST);
	T_IS(dure_list_open(seg, "jobs", DURE_TYPE(uint64_t), DURE_CREATE | DURE_OPEN, NULL, &list), 0);
	assert_int_equal(dure_list_count(list), 3);
	dure_list_close(list);
	T_FAILS(dure_list_open(seg, "jobs", DURE_TYPE(int), DURE_OPEN, NULL, &list), -EINVAL, "uint64_t");
	T_FAILS(dure_string_destroy(seg, "jobs"), -EINVAL, "dure_list");
	/* into a map, with its name */
	T_FAILS(dure_container_take_name(seg, "jobs", &got), -EPERM, "transaction");
	T_OK(dure_tx_begin(seg, &tx));
	T_OK(dure_container_take_name(seg, "jobs", &got));
	assert_int_equal(got.offset, at.offset);
	T_OK(dure_map_put(map, "jobs", 4, &got));
	T_OK(dure_tx_commit(tx));
	T_IS(dure_list_open(seg, "jobs", DURE_TYPE(uint64_t), DURE_OPEN, NULL, &list), -ENOENT);
	assert_int_equal(length_of(at), 3);
	/* and out of it, to another name */
	T_OK(dure_tx_begin(seg, &tx));
	T_OK(dure_map_take(map, "jobs", 4, &got));
	T_IS(dure_map_take(map, "jobs", 4, &at), -ENOENT);
	T_OK(dure_container_give_name(seg, got, "old jobs"));
	T_OK(dure_tx_commit(tx));
	T_OK(dure_list_open(seg, "old jobs", DURE_TYPE(uint64_t), DURE_OPEN, NULL, &list));
	dure_list_close(list);
	T_OK(dure_tx_begin(seg, &tx));
	T_FAILS(dure_container_take_name(seg, "m", &got), -EINVAL, "dure_map");
	T_OK(dure_tx_abort(tx));
	dure_map_close(map);
	T_OK(dure_map_destroy(seg, "m"));
	T_OK(dure_list_destroy(seg, "old jobs"));
	T_IS(dure_list_destroy(seg, "old jobs"), -ENOENT);
}

/* A transaction is the draft's owner: what it has made goes with it. */
static void drafts(void **state)
{
	dure_ref at = { 0 };
	dure_list *list;
	dure_tx *tx;
	pid_t pid;

	(void)state;
	T_OK(dure_tx_begin(seg, &tx));
	at = new_list(5);
	T_OK(dure_container_give_name(seg, at, "d"));
	T_OK(dure_tx_abort(tx));
	T_IS(dure_list_open_at(seg, &at, DURE_TYPE(uint64_t), DURE_OPEN, NULL, &list), -ENOENT);
	pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_segment_reattach(seg) >= 0);
		T_IN_CHILD(dure_tx_begin(seg, &tx) == 0);
		at = new_list(5);
		T_IN_CHILD(dure_container_give_name(seg, at, "d") == 0);
		raise(SIGKILL);
	}
	t_kill(pid);
	T_OK(dure_segment_recover(seg));
	T_IS(dure_list_open(seg, "d", DURE_TYPE(uint64_t), DURE_OPEN, NULL, &list), -ENOENT);
}

/* -- the end ----------------------------------------------------------------------------- */

static void one_element_goes(void **state)
{
	dure_map *map = owner_map("m");
	dure_ref at = new_list(1000), other = new_list(2);
	dure_tx *tx;

	(void)state;
	T_OK(dure_map_put(map, "a", 1, &at));
	T_OK(dure_map_put(map, "b", 1, &other));
	T_OK(dure_tx_begin(seg, &tx));
	T_FAILS(dure_container_destroy(seg, at), -EBUSY, "cleared");
	T_IS(dure_container_clear(seg, at), -EDEADLK);
	T_IS(dure_map_clear(map), -EDEADLK);
	T_OK(dure_tx_abort(tx));
	T_OK(dure_container_clear(seg, at));
	assert_int_equal(length_of(at), 0);
	T_OK(dure_tx_begin(seg, &tx));
	T_OK(dure_map_remove(map, "a", 1));
	T_OK(dure_container_destroy(seg, at));
	T_OK(dure_tx_commit(tx));
	T_IS(dure_container_destroy(seg, at), -ENOENT);
	T_OK(dure_map_clear(map));
	assert_int_equal(dure_map_count(map), 0);
	T_IS(dure_container_clear(seg, other), -ENOENT);
	dure_map_close(map);
	T_OK(dure_map_destroy(seg, "m"));
	at = new_list(100);
	T_OK(dure_container_destroy(seg, at));
}

/* Owners that lead to what has gone, to no container, and to each other: the end comes all the same. */
static void damaged_owners(void **state)
{
	dure_ref a = { 0 }, b = { 0 }, at = new_list(2);
	dure_vector *outer, *in_a, *in_b;
	dure_tx *tx;
	void *object;

	(void)state;
	T_OK(dure_vector_open(seg, "outer", DURE_OWNER, DURE_CREATE, NULL, &outer));
	T_OK(dure_vector_push(outer, &at, NULL));
	T_OK(dure_vector_push(outer, &at, NULL));	/* it will be gone */
	T_IS(dure_object_construct(seg, DURE_ANONYMOUS, DURE_TYPE(int), 1, NULL, NULL, &object),
	     DURE_CREATED);
	at = dure_ref_of(seg, object);
	T_OK(dure_vector_push(outer, &at, NULL));
	T_FAILS(dure_container_clear(seg, at), -EINVAL, "no container");
	at.offset = 12345;
	T_OK(dure_vector_push(outer, &at, NULL));
	T_IS(dure_container_clear(seg, at), -ENOENT);
	at.offset = UINT64_MAX - 3;
	T_OK(dure_vector_push(outer, &at, NULL));
	T_IS(dure_container_destroy(seg, at), -ENOENT);
	T_OK(dure_vector_destroy(seg, "outer"));
	T_OK(dure_object_destroy_at(seg, object, NULL, NULL));
	dure_vector_close(outer);
	/* a circle: it is refused, and its parts can be taken out of each other */
	T_OK(dure_vector_open_at(seg, &a, DURE_OWNER, DURE_CREATE, NULL, &in_a));
	T_OK(dure_vector_open_at(seg, &b, DURE_OWNER, DURE_CREATE, NULL, &in_b));
	T_OK(dure_vector_push(in_a, &b, NULL));
	T_OK(dure_vector_push(in_b, &a, NULL));
	T_FAILS(dure_container_destroy(seg, a), -EUCLEAN, "circle");
	T_OK(dure_tx_begin(seg, &tx));
	T_OK(dure_vector_pop(in_b, &at));
	T_OK(dure_tx_commit(tx));
	dure_vector_close(in_a);
	dure_vector_close(in_b);
	T_OK(dure_container_destroy(seg, a));
}

/* What is owned is not copied: it would have two owners. */
static void copies_are_refused(void **state)
{
	struct dure_ordered_options o = { .sz = sizeof o, .flags = DURE_ORDERED_OWNER };
	struct dure_ordered_options plain = { .sz = sizeof plain };
	dure_map *map = owner_map("m"), *other = owner_map("n");
	dure_ordered *from, *to, *numbers;
	dure_ref at = new_list(3);

	(void)state;
	T_OK(dure_map_put(map, "k", 1, &at));
	T_FAILS(dure_map_merge(other, map), -EINVAL, "two owners");
	T_OK(dure_ordered_open(seg, "from", DURE_CREATE, &o, &from));
	T_OK(dure_ordered_open(seg, "to", DURE_CREATE, &o, &to));
	T_OK(dure_ordered_open(seg, "numbers", DURE_CREATE, &plain, &numbers));
	T_FAILS(dure_ordered_copy(to, from), -EINVAL, "two owners");
	T_FAILS(dure_ordered_merge(to, from), -EINVAL, "two owners");
	T_FAILS(dure_ordered_merge(from, numbers), -EINVAL, "two owners");
	dure_map_close(map);
	dure_map_close(other);
	dure_ordered_close(from);
	dure_ordered_close(to);
	dure_ordered_close(numbers);
	T_OK(dure_map_destroy(seg, "m"));
	T_OK(dure_map_destroy(seg, "n"));
	T_OK(dure_ordered_destroy(seg, "from"));
	T_OK(dure_ordered_destroy(seg, "to"));
	T_OK(dure_ordered_destroy(seg, "numbers"));
}

static void misuse(void **state)
{
	struct dure_map_options wide = { .sz = sizeof wide, .flags = DURE_MAP_OWNER, .value_bytes = 16 };
	struct dure_map_options plain = { .sz = sizeof plain };
	struct dure_ordered_options ordered = { .sz = sizeof ordered, .flags = DURE_ORDERED_OWNER,
						.value_bytes = DURE_ORDERED_NO_VALUE };
	dure_map *map = owner_map("m"), *other;
	dure_ordered *o;
	dure_list *list;
	dure_ref at = { 0 };

	(void)state;
	T_FAILS(dure_map_open(seg, "w", DURE_CREATE, &wide, &other), -EINVAL, "OWNER");
	T_FAILS(dure_map_open(seg, "m", DURE_OPEN, &plain, &other), -EINVAL, "own");
	T_FAILS(dure_ordered_open(seg, "o", DURE_CREATE, &ordered, &o), -EINVAL, "OWNER");
	plain.flags = 6;
	T_FAILS(dure_map_open(seg, "w", DURE_CREATE, &plain, &other), -EINVAL, "DURE_MAP_");
	T_IS(dure_list_open_at(seg, &at, DURE_TYPE(uint64_t), DURE_OPEN, NULL, &list), -ENOENT);
	T_FAILS(dure_list_open_at(seg, NULL, DURE_TYPE(uint64_t), DURE_OPEN, NULL, &list), -EINVAL, "ref");
	T_FAILS(dure_list_open_at(seg, &at, DURE_TYPE(uint64_t), 0, NULL, &list), -EINVAL, "flags");
	at = new_list(1);
	T_FAILS(dure_list_open_at(seg, &at, DURE_TYPE(uint64_t), DURE_CREATE, NULL, &list), -EEXIST,
		"empty");
	T_FAILS(dure_map_open_at(seg, &at, DURE_OPEN, NULL, &other), -EINVAL, "dure_list");
	T_FAILS(dure_container_give_name(seg, at, NULL), -EINVAL, "text");
	T_IS(dure_container_give_name(seg, (dure_ref){ 0 }, "x"), -ENOENT);
	T_OK(dure_container_destroy(seg, at));
	dure_map_close(map);
	T_OK(dure_map_destroy(seg, "m"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(map_of_lists), TEST(vector_of_strings), TEST(all_kinds), TEST(moves), TEST(names),
		TEST(drafts), TEST(one_element_goes), TEST(damaged_owners),
		TEST(copies_are_refused), TEST(misuse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

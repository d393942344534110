/* SPDX-License-Identifier: MIT */
/* Description: objects are found by name and type, made by one, and never seen half made. */
#include <pthread.h>

#include "../t.h"

struct thing {
	uint64_t value;
	dure_ref part;
};

static dure_segment *seg;

static int setup(void **state)
{
	(void)state;
	seg = t_segment(16 << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	t_clean(seg);
	t_close(seg);
	return 0;
}

static int init_thing(dure_tx *tx, void *object, uint64_t count, void *context)
{
	struct thing *thing = object;
	void *part;
	int r = dure_tx_alloc(tx, 100, 0, &part);

	(void)count;
	if (r < 0)
		return r;
	thing->value = *(uint64_t *)context;
	thing->part = dure_ref_of(dure_tx_segment(tx), part);
	return 0;
}

static int fini_thing(dure_tx *tx, void *object, uint64_t count, void *context)
{
	struct thing *thing = object;

	(void)count;
	(void)context;
	return dure_tx_free(tx, dure_ref_get(dure_tx_segment(tx), thing->part, 100));
}

static int refuse(dure_tx *tx, void *object, uint64_t count, void *context)
{
	void *part;

	(void)object;
	(void)count;
	(void)context;
	(void)dure_tx_alloc(tx, 100, 0, &part);
	return -EIO;
}

static void a_name_is_made_once_and_found(void **state)
{
	uint64_t value = 5, live, count, *numbers, *again;
	struct thing *a, *b;

	(void)state;
	T_OK(dure_object_construct(seg, "warm", DURE_TYPE(struct thing), 1, NULL, NULL, (void **)&a));
	live = t_live_blocks(seg);
	T_FAILS(dure_object_find(seg, "thing", DURE_TYPE(struct thing), (void **)&a, NULL), -ENOENT,
		"thing");
	T_IS(dure_object_find_or_create(seg, "thing", DURE_TYPE(struct thing), 1, init_thing, &value,
					(void **)&a), DURE_CREATED);
	value = 6;
	T_IS(dure_object_find_or_create(seg, "thing", DURE_TYPE(struct thing), 1, init_thing, &value,
					(void **)&b), 0);
	assert_ptr_equal(a, b);
	assert_int_equal(a->value, 5);
	T_FAILS(dure_object_construct(seg, "thing", DURE_TYPE(struct thing), 1, init_thing, &value,
				      (void **)&b), -EEXIST, "thing");
	T_OK(dure_object_construct(seg, "numbers", DURE_TYPE(uint64_t), 1000, NULL, NULL,
				   (void **)&numbers));
	for (int i = 0; i < 1000; i++)
		assert_int_equal(numbers[i], 0);
	numbers[999] = 1;
	T_OK(dure_object_find(seg, "numbers", DURE_TYPE(uint64_t), (void **)&again, &count));
	assert_ptr_equal(numbers, again);
	assert_int_equal(count, 1000);
	T_OK(dure_object_destroy(seg, "numbers", DURE_TYPE(uint64_t), NULL, NULL));
	T_OK(dure_object_destroy(seg, "thing", DURE_TYPE(struct thing), fini_thing, NULL));
	T_IS(dure_object_destroy(seg, "thing", DURE_TYPE(struct thing), fini_thing, NULL), -ENOENT);
	T_OK(dure_object_destroy(seg, "warm", DURE_TYPE(struct thing), NULL, NULL));
	assert_true(t_live_blocks(seg) <= live + 2);	/* tables of the directory stay */
}

static void another_type_is_refused(void **state)
{
	struct { char bytes[sizeof(struct thing)]; } other_size;
	struct thing *thing = NULL;
	void *p = NULL;

	(void)state;
	(void)other_size;
	T_OK(dure_object_construct(seg, "thing", DURE_TYPE(struct thing), 1, NULL, NULL,
				   (void **)&thing));
	T_FAILS(dure_object_find(seg, "thing", DURE_TYPE(uint64_t), &p, NULL), -EINVAL,
		"struct thing");
	T_IS(dure_object_find(seg, "thing", dure_type_make("struct thing", 8, 8), &p, NULL), -EINVAL);
	T_IS(dure_object_find(seg, "thing", dure_type_make("struct thing", 16, 16), &p, NULL), -EINVAL);
	T_IS(dure_object_find_or_create(seg, "thing", DURE_TYPE(int), 1, NULL, NULL, &p), -EINVAL);
	T_IS(dure_object_destroy(seg, "thing", DURE_TYPE(int), NULL, NULL), -EINVAL);
	assert_null(p);
	T_OK(dure_object_destroy(seg, "thing", DURE_TYPE(struct thing), NULL, NULL));
}

static void bad_arguments_are_named(void **state)
{
	char longest[300];
	void *p = NULL;

	(void)state;
	memset(longest, 'n', sizeof longest);
	longest[256] = '\0';
	T_FAILS(dure_object_construct(seg, longest, DURE_TYPE(int), 1, NULL, NULL, &p), -EINVAL, "256");
	longest[255] = '\0';
	T_OK(dure_object_construct(seg, longest, DURE_TYPE(int), 1, NULL, NULL, &p));
	T_OK(dure_object_find(seg, longest, DURE_TYPE(int), &p, NULL));
	T_FAILS(dure_object_construct(seg, "", DURE_TYPE(int), 1, NULL, NULL, &p), -EINVAL, "name");
	T_IS(dure_object_construct(seg, "x", DURE_TYPE(int), 0, NULL, NULL, &p), -EINVAL);
	T_IS(dure_object_construct(seg, "x", DURE_TYPE(int), UINT64_MAX, NULL, NULL, &p), -EINVAL);
	T_IS(dure_object_construct(seg, "x", DURE_TYPE(int), 1 << 30, NULL, NULL, &p), -ENOSPC);
	T_IS(dure_object_construct(seg, "x", dure_type_make("", 4, 4), 1, NULL, NULL, &p), -EINVAL);
	T_IS(dure_object_construct(seg, "x", dure_type_make("x", 4, 3), 1, NULL, NULL, &p), -EINVAL);
	T_IS(dure_object_construct(seg, "x", dure_type_make("x", 0, 4), 1, NULL, NULL, &p), -EINVAL);
	T_IS(dure_object_find(seg, NULL, DURE_TYPE(int), &p, NULL), -EINVAL);
	T_IS(dure_object_destroy(seg, NULL, DURE_TYPE(int), NULL, NULL), -EINVAL);
	T_IS(dure_object_find_or_create(seg, NULL, DURE_TYPE(int), 1, NULL, NULL, &p), -EINVAL);
	T_OK(dure_object_construct(seg, "two words/\xed\x91\x90\n", DURE_TYPE(int), 1, NULL, NULL, &p));
	T_OK(dure_object_find(seg, "two words/\xed\x91\x90\n", DURE_TYPE(int), &p, NULL));
	T_FAILS(dure_object_destroy_at(seg, (char *)p + 4, NULL, NULL), -EINVAL, "no object");
	T_IS(dure_object_destroy_at(seg, &p, NULL, NULL), -EINVAL);
}

static void alignment_is_kept(void **state)
{
	(void)state;
	for (unsigned align = 1; align <= 4096; align *= 2) {
		char name[16];
		void *p;
		snprintf(name, sizeof name, "a%u", align);
		T_OK(dure_object_construct(seg, name, dure_type_make("aligned", align * 3, align), 2,
					   NULL, NULL, &p));
		assert_int_equal((uintptr_t)p % align, 0);
		T_OK(dure_object_destroy_at(seg, p, NULL, NULL));
	}
}

static void unique_and_anonymous(void **state)
{
	struct dure_object_info info = { .sz = sizeof info };
	struct thing *a, *b;
	uint64_t *n, value = 1;

	(void)state;
	T_OK(dure_object_construct(seg, DURE_UNIQUE, DURE_TYPE(struct thing), 1, init_thing, &value,
				   (void **)&a));
	T_OK(dure_object_construct(seg, DURE_UNIQUE, DURE_TYPE(uint64_t), 1, NULL, NULL, (void **)&n));
	T_IS(dure_object_construct(seg, DURE_UNIQUE, DURE_TYPE(uint64_t), 1, NULL, NULL, (void **)&n),
	     -EEXIST);
	T_OK(dure_object_find(seg, DURE_UNIQUE, DURE_TYPE(struct thing), (void **)&b, NULL));
	assert_ptr_equal(a, b);
	/* a named object of the type's name is another one */
	T_IS(dure_object_find(seg, "struct thing", DURE_TYPE(struct thing), (void **)&b, NULL), -ENOENT);
	T_OK(dure_object_info_of(seg, a, &info));
	assert_int_equal(info.kind, 2);
	assert_string_equal(info.name, "struct thing");
	T_OK(dure_object_destroy(seg, DURE_UNIQUE, DURE_TYPE(struct thing), fini_thing, NULL));
	T_OK(dure_object_destroy(seg, DURE_UNIQUE, DURE_TYPE(uint64_t), NULL, NULL));
	T_OK(dure_object_construct(seg, DURE_ANONYMOUS, DURE_TYPE(struct thing), 1, init_thing, &value,
				   (void **)&a));
	T_OK(dure_object_construct(seg, DURE_ANONYMOUS, DURE_TYPE(struct thing), 3, NULL, NULL,
				   (void **)&b));
	T_OK(dure_object_info_of(seg, b, &info));
	assert_int_equal(info.kind, 3);
	assert_int_equal(info.count, 3);
	T_OK(dure_object_destroy_at(seg, b, NULL, NULL));
	T_IS(dure_object_destroy_at(seg, b, NULL, NULL), -EINVAL);
	T_OK(dure_object_destroy_at(seg, a, fini_thing, NULL));
}

static void a_constructor_that_fails_leaves_nothing(void **state)
{
	uint64_t live = t_live_blocks(seg);
	void *p = (void *)1;

	(void)state;
	T_IS(dure_object_construct(seg, "x", DURE_TYPE(struct thing), 1, refuse, NULL, &p), -EIO);
	assert_ptr_equal(p, (void *)1);
	assert_int_equal(t_live_blocks(seg), live);
	T_IS(dure_object_find(seg, "x", DURE_TYPE(struct thing), &p, NULL), -ENOENT);
}

/* Several appear, and one vanishes, in one step; others see all of it or nothing. */
static void a_transaction_shows_all_or_nothing(void **state)
{
	uint64_t value = 1;
	dure_segment *other;
	struct thing *old, *p;
	dure_tx *tx;

	(void)state;
	T_OK(dure_segment_open(t_name(), DURE_OPEN | DURE_READ_ONLY, NULL, &other));
	T_OK(dure_object_construct(seg, "old", DURE_TYPE(struct thing), 1, init_thing, &value,
				   (void **)&old));
	for (int commits = 0; commits < 2; commits++) {
		T_OK(dure_tx_begin(seg, &tx));
		T_OK(dure_object_construct(seg, "one", DURE_TYPE(struct thing), 1, init_thing, &value,
					   (void **)&p));
		T_OK(dure_object_construct(seg, "two", DURE_TYPE(struct thing), 1, NULL, NULL,
					   (void **)&p));
		T_IS(dure_object_construct(seg, "two", DURE_TYPE(struct thing), 1, NULL, NULL,
					   (void **)&p), -EEXIST);
		T_OK(dure_object_destroy(seg, "old", DURE_TYPE(struct thing), fini_thing, NULL));
		T_IS(dure_object_find(seg, "old", DURE_TYPE(struct thing), (void **)&p, NULL), -ENOENT);
		T_OK(dure_object_find(seg, "one", DURE_TYPE(struct thing), (void **)&p, NULL));
		/* the others do not see it yet */
		T_IS(dure_object_find(other, "one", DURE_TYPE(struct thing), (void **)&p, NULL), -ENOENT);
		T_IS(dure_object_find(other, "two", DURE_TYPE(struct thing), (void **)&p, NULL), -ENOENT);
		T_OK(dure_object_find(other, "old", DURE_TYPE(struct thing), (void **)&p, NULL));
		T_OK(commits ? dure_tx_commit(tx) : dure_tx_abort(tx));
		T_IS(dure_object_find(other, "one", DURE_TYPE(struct thing), (void **)&p, NULL),
		     commits ? 0 : -ENOENT);
		T_IS(dure_object_find(other, "two", DURE_TYPE(struct thing), (void **)&p, NULL),
		     commits ? 0 : -ENOENT);
		T_IS(dure_object_find(other, "old", DURE_TYPE(struct thing), (void **)&p, NULL),
		     commits ? -ENOENT : 0);
		t_clean(seg);
	}
	/* made and taken back within one transaction */
	T_OK(dure_tx_begin(seg, &tx));
	T_OK(dure_object_construct(seg, "brief", DURE_TYPE(int), 1, NULL, NULL, (void **)&p));
	T_OK(dure_object_destroy(seg, "brief", DURE_TYPE(int), NULL, NULL));
	T_OK(dure_object_construct(seg, "brief", DURE_TYPE(long), 1, NULL, NULL, (void **)&p));
	T_OK(dure_tx_commit(tx));
	T_OK(dure_object_find(other, "brief", DURE_TYPE(long), (void **)&p, NULL));
	T_OK(dure_segment_close(other));
}

struct names {
	unsigned count;
	uint64_t sum;
};

static int add_name(const struct dure_object_info *info, void *context)
{
	struct names *names = context;

	names->count++;
	names->sum += strtoull(info->name + 1, NULL, 10);
	return 0;
}

static void many_names_are_listed_and_counted(void **state)
{
	struct names names = { 0 };
	char name[32];
	uint64_t count, *p;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(name, sizeof name, "n%u", i);
		T_OK(dure_object_construct(seg, name, DURE_TYPE(uint64_t), 1, NULL, NULL, (void **)&p));
		*p = i;
	}
	T_OK(dure_object_count(seg, &count));
	assert_int_equal(count, 20000);
	T_OK(dure_object_list(seg, add_name, &names));
	assert_int_equal(names.count, 20000);
	assert_int_equal(names.sum, 20000ull * 19999 / 2);
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(name, sizeof name, "n%u", i);
		T_OK(dure_object_find(seg, name, DURE_TYPE(uint64_t), (void **)&p, NULL));
		assert_int_equal(*p, i);
	}
	for (unsigned i = 0; i < 20000; i += 2) {
		snprintf(name, sizeof name, "n%u", i);
		T_OK(dure_object_destroy(seg, name, DURE_TYPE(uint64_t), NULL, NULL));
	}
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(name, sizeof name, "n%u", i);
		T_IS(dure_object_find(seg, name, DURE_TYPE(uint64_t), (void **)&p, NULL),
		     i % 2 ? 0 : -ENOENT);
	}
}

/* Sixteen processes want the same twenty objects: each is made once. */
static int init_counter(dure_tx *tx, void *object, uint64_t count, void *context)
{
	void *part;

	(void)count;
	(void)context;
	((uint64_t *)object)[0] = 1000;
	return dure_tx_alloc(tx, 64, 0, &part) == 0 ? 0 : -ENOSPC;
}

static void many_processes_make_each_once(void **state)
{
	pid_t pids[16];
	uint64_t *counter, live;

	(void)state;
	for (int i = 0; i < 16; i++) {
		pids[i] = t_fork();
		if (pids[i] == 0) {
			T_IN_CHILD(dure_segment_reattach(seg) == 0);
			for (int n = 0; n < 20; n++) {
				char name[8];
				snprintf(name, sizeof name, "%d", n);
				T_IN_CHILD(dure_object_find_or_create(seg, name, DURE_TYPE(uint64_t), 2,
								      init_counter, NULL,
								      (void **)&counter) >= 0);
				T_IN_CHILD(counter[0] >= 1000);
				__atomic_fetch_add(&counter[0], 1, __ATOMIC_RELAXED);
			}
			T_IN_CHILD(dure_segment_close(seg) == 0);
			_exit(0);
		}
	}
	for (int i = 0; i < 16; i++)
		t_join(pids[i]);
	for (int n = 0; n < 20; n++) {
		char name[8];
		snprintf(name, sizeof name, "%d", n);
		T_OK(dure_object_find(seg, name, DURE_TYPE(uint64_t), (void **)&counter, NULL));
		assert_int_equal(counter[0], 1016);
	}
	/* twenty objects, twenty parts, the directory and its tables: the losers left nothing */
	live = t_live_blocks(seg);
	assert_true(live >= 41 && live <= 41 + 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(a_name_is_made_once_and_found),
		TEST(another_type_is_refused),
		TEST(bad_arguments_are_named),
		TEST(alignment_is_kept),
		TEST(unique_and_anonymous),
		TEST(a_constructor_that_fails_leaves_nothing),
		TEST(a_transaction_shows_all_or_nothing),
		TEST(many_names_are_listed_and_counted),
		TEST(many_processes_make_each_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

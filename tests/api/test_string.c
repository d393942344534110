/* SPDX-License-Identifier: MIT */
/* Description: a string agrees with an array of bytes, and readers see it as of one moment. */
#include "../t.h"

static dure_segment *seg;
static dure_string *string;

static int setup(void **state)
{
	(void)state;
	seg = t_segment(64 << 20);
	T_IS(dure_string_open(seg, "s", DURE_CREATE | DURE_OPEN, &string), DURE_CREATED);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	dure_string_close(string);
	t_finish(seg);
	return 0;
}

static void is_text(const char *expected)
{
	char text[2000] = "?";
	size_t bytes;

	T_OK(dure_string_get(string, text, sizeof text, &bytes));
	assert_string_equal(text, expected);
	assert_int_equal(bytes, strlen(expected));
	assert_int_equal(dure_string_length(string), bytes);
}

static void basics(void **state)
{
	char text[8], longer[1001];
	size_t bytes = 99;

	(void)state;
	is_text("");
	T_OK(dure_string_append(string, NULL, 0));
	is_text("");
	T_OK(dure_string_set(string, "hello", 5));
	is_text("hello");
	T_OK(dure_string_append(string, ", world", 7));
	is_text("hello, world");
	T_FAILS(dure_string_get(string, text, sizeof text, &bytes), -EMSGSIZE, "12 bytes");
	assert_int_equal(bytes, 99);
	T_OK(dure_string_read(string, 7, text, sizeof text, &bytes));
	assert_int_equal(bytes, 5);
	assert_memory_equal(text, "world", 5);
	T_OK(dure_string_read(string, 0, text, 5, &bytes));
	assert_int_equal(bytes, 5);
	T_OK(dure_string_read(string, 12, text, 5, &bytes));
	assert_int_equal(bytes, 0);
	T_OK(dure_string_read(string, UINT64_MAX, text, 5, &bytes));
	assert_int_equal(bytes, 0);
	T_OK(dure_string_set(string, "n", 1));
	T_IS(dure_string_append_format(string, " = %d%s", 42, ";"), 6);
	is_text("n = 42;");
	T_OK(dure_string_set(string, NULL, 0));
	is_text("");
	memset(longer, 'x', 1000);
	longer[1000] = 0;
	T_IS(dure_string_append_format(string, "%s", longer), 1000);
	is_text(longer);
	T_OK(dure_string_set(string, "a\0b", 3));
	assert_int_equal(dure_string_length(string), 3);
	T_OK(dure_string_read(string, 0, text, sizeof text, &bytes));
	assert_int_equal(bytes, 3);
	assert_memory_equal(text, "a\0b", 3);
}

static void opening_checks(void **state)
{
	dure_string *other;
	uint64_t live = t_live_blocks(seg);
	dure_tx *tx;

	(void)state;
	T_IS(dure_string_open(seg, "nope", DURE_OPEN, &other), -ENOENT);
	T_IS(dure_string_open(seg, "s", DURE_CREATE, &other), -EEXIST);
	T_IS(dure_string_open(seg, "s", 0, &other), -EINVAL);
	T_IS(dure_string_open(seg, NULL, DURE_OPEN, &other), -EINVAL);
	T_IS(dure_string_open(seg, "s", DURE_OPEN, &other), 0);
	T_OK(dure_string_set(other, "x", 1));
	is_text("x");
	dure_string_close(other);
	T_OK(dure_tx_begin(seg, &tx));
	T_FAILS(dure_string_destroy(seg, "s"), -EDEADLK, "transaction");
	T_OK(dure_tx_abort(tx));
	T_OK(dure_string_destroy(seg, "s"));
	assert_int_equal(t_live_blocks(seg), live - 1);
	T_IS(dure_string_destroy(seg, "s"), -ENOENT);
	dure_string_close(string);
	T_OK(dure_string_open(seg, "s", DURE_CREATE, &string));
}

/* Random operations, inside and outside transactions, against an array. */
static void agrees_with_a_model(void **state)
{
	enum { MOST = 20000 };
	static char model[MOST + 400], before[MOST + 400], got[MOST + 400], more[300];
	size_t length = 0, length_before = 0, bytes;
	dure_tx *tx = NULL;

	(void)state;
	srand(2);
	for (int i = 0; i < 40000; i++) {
		size_t n = (size_t)rand() % sizeof more;
		memset(more, 'a' + rand() % 26, sizeof more);
		switch (rand() % 7) {
		case 0:
			if (rand() % 4)
				break;
			T_OK(dure_string_set(string, more, n));
			memcpy(model, more, n);
			length = n;
			break;
		case 1:
		case 2:
			if (length >= MOST)
				break;
			T_OK(dure_string_append(string, more, n));
			memcpy(model + length, more, n);
			length += n;
			break;
		case 3:
			if (length >= MOST)
				break;
			T_IS(dure_string_append_format(string, "<%.*s>", (int)n, more), (int)n + 2);
			length += (size_t)sprintf(model + length, "<%.*s>", (int)n, more);
			break;
		case 4:
			if (!tx) {
				T_OK(dure_tx_begin(seg, &tx));
				memcpy(before, model, length);
				length_before = length;
			} else if (rand() % 8 == 0) {
				bool commits = rand() % 2;
				T_OK(commits ? dure_tx_commit(tx) : dure_tx_abort(tx));
				if (!commits)
					memcpy(model, before, length = length_before);
				tx = NULL;
			}
			break;
		default:
			T_OK(dure_string_get(string, got, sizeof got, &bytes));
			assert_int_equal(bytes, length);
			assert_memory_equal(got, model, length);
		}
	}
	if (tx)
		T_OK(dure_tx_commit(tx));
	t_clean(seg);
}

static void a_full_segment_fails_whole(void **state)
{
	static char huge[48 << 20];
	uint64_t live;

	(void)state;
	T_OK(dure_string_set(string, "kept", 4));
	live = t_live_blocks(seg);
	T_OK(dure_string_append(string, huge, sizeof huge));
	T_IS(dure_string_append(string, huge, sizeof huge), -ENOSPC);
	T_IS(dure_string_set(string, huge, SIZE_MAX / 2), -ENOSPC);
	assert_int_equal(dure_string_length(string), sizeof huge + 4);
	assert_int_equal(t_live_blocks(seg), live);
	T_OK(dure_string_set(string, "kept", 4));
	is_text("kept");
}

/* Readers beside writers that are killed: never half of one text and half of the next. */
static void readers_see_one_text(void **state)
{
	uint64_t reads = 0;
	char text[2000];
	size_t bytes;
	pid_t pid = 0;

	(void)state;
	for (int64_t end = t_now_ns() + DURE_S(2); t_now_ns() < end;) {
		if (pid)
			t_kill(pid);
		pid = t_fork();
		if (pid == 0) {
			T_IN_CHILD(dure_segment_reattach(seg) == 0);
			for (unsigned n = 0;; n++) {
				memset(text, 'a' + (int)(n % 26), 1000);
				if (n % 3)
					T_IN_CHILD(dure_string_set(string, text, 1 + n % 1000) == 0);
				else
					T_IN_CHILD(dure_string_set(string, NULL, 0) == 0 &&
						   dure_string_append(string, text, 10) == 0 &&
						   dure_string_append(string, text, 500) == 0);
			}
		}
		for (int64_t next = t_now_ns() + DURE_MS(10); t_now_ns() < next; reads++) {
			T_OK(dure_string_get(string, text, sizeof text, &bytes));
			for (size_t i = 1; i < bytes; i++)
				assert_int_equal(text[i], text[0]);
		}
	}
	t_kill(pid);
	print_message("%llu reads\n", (unsigned long long)reads);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(basics),
		TEST(opening_checks),
		TEST(agrees_with_a_model),
		TEST(a_full_segment_fails_whole),
		TEST(readers_see_one_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

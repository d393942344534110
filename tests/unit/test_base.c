/* SPDX-License-Identifier: MIT */
/*
 * test_base.c - arithmetic, the hash, option structs that grow, sentences
 *
 * Why      Everything above trusts these: a wrong answer here is a wrong offset there.
 *          hash_bytes is part of the segment format, so its values stand here as numbers,
 *          computed by another program from the description in base/hash.h.
 */
#include "../t.h"

#include <pthread.h>

#include "base/arith.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/options.h"

static void sums_and_products_say_when_they_do_not_fit(void **state)
{
	uint64_t r;

	(void)state;
	assert_true(add_fits(UINT64_MAX - 1, 1, &r) && r == UINT64_MAX);
	assert_false(add_fits(UINT64_MAX, 1, &r));
	assert_false(add_fits(UINT64_MAX, UINT64_MAX, &r));
	assert_true(add_fits(0, 0, &r) && r == 0);
	assert_true(mul_fits(UINT32_MAX, UINT32_MAX, &r) && r == UINT64_C(0xfffffffe00000001));
	assert_false(mul_fits(UINT64_C(1) << 32, UINT64_C(1) << 32, &r));
	assert_true(mul_fits(UINT64_MAX, 1, &r) && r == UINT64_MAX);
	assert_true(mul_fits(UINT64_MAX, 0, &r) && r == 0);
}

static void rounding_is_exact(void **state)
{
	(void)state;
	for (unsigned shift = 0; shift < 62; shift++) {
		uint64_t unit = UINT64_C(1) << shift;
		for (uint64_t n = unit * 2 - 2; n < unit * 2 + 3; n++) {
			uint64_t up = align_up(n, unit), down = align_down(n, unit);
			assert_true(up % unit == 0 && up >= n && up - n < unit);
			assert_true(down % unit == 0 && down <= n && n - down < unit);
			assert_true(div_up(n, unit) == up / unit);
		}
	}
	assert_true(div_up(UINT64_MAX, 2) == UINT64_C(1) << 63);
	assert_true(div_up(0, 7) == 0);
}

static void logarithms_and_powers_agree(void **state)
{
	(void)state;
	assert_false(is_power_of_two(0));
	assert_int_equal(log2_ceil(0), 0);
	assert_int_equal(log2_ceil(1), 0);
	for (unsigned bit = 1; bit < 64; bit++) {
		uint64_t n = UINT64_C(1) << bit;
		assert_true(is_power_of_two(n));
		assert_int_equal(is_power_of_two(n - 1), bit == 1);
		assert_int_equal(log2_floor(n), bit);
		assert_int_equal(log2_floor(n + n / 2), bit);
		assert_int_equal(log2_ceil(n), bit);
		assert_int_equal(log2_ceil(n - 1), bit == 1 ? 0 : bit == 2 ? 2 : bit);
		if (bit < 63)
			assert_int_equal(log2_ceil(n + 1), bit + 1);
	}
	assert_true(clamp_u64(5, 7, 9) == 7 && clamp_u64(8, 7, 9) == 8 && clamp_u64(10, 7, 9) == 9);
	assert_true(min_u64(1, 2) == 1 && max_u64(1, 2) == 2);
}

static void hashes_are_those_of_the_format(void **state)
{
	static const struct {
		uint64_t seed;
		const char *bytes;
		size_t count;
		uint64_t hash;
	} known[] = {
		{ 0, "", 0, 0 },
		{ 0, "a", 1, UINT64_C(0x0e1f1b9e3221b56a) },
		{ 1, "a", 1, UINT64_C(0x2c4138214c7f31f7) },
		{ 0, "1234567", 7, UINT64_C(0xfd277cbec8af63f6) },
		{ 0, "12345678", 8, UINT64_C(0xab09bc281409c0c1) },
		{ 0, "123456789", 9, UINT64_C(0x0b5593795293733a) },
		{ UINT64_C(0x0123456789abcdef), "the quick brown fox jumps over the lazy dog", 43,
		  UINT64_C(0x2d6e63c083d89d92) },
		{ UINT64_MAX, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16, UINT64_C(0x7532174b24d43bbe) },
	};

	(void)state;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		assert_true(hash_bytes(known[i].seed, known[i].bytes, known[i].count) ==
			    known[i].hash);
	assert_true(hash_u64(0, 0) == UINT64_C(0x4b24d35cba4a63b0));
	assert_true(hash_u64(0, 1) == UINT64_C(0x087d8f3bc0ee17c9));
	assert_true(hash_u64(1, 0) == UINT64_C(0xf83c1ce8e4664a77));
	assert_true(hash_u64(UINT64_MAX, UINT64_MAX) == UINT64_C(0x097d39d3989290ac));
	assert_true(hash_u64(42, UINT64_C(1) << 63) == UINT64_C(0xdae9aa0aebade943));
	assert_true(hash_fold(UINT64_C(1) << 32, UINT64_C(1) << 32) == 1);
	assert_true(hash_fold(UINT32_MAX, UINT64_C(0xffffffff00000001)) == UINT64_C(0x100000001));
}

static void hashes_do_not_depend_on_alignment(void **state)
{
	char room[80];

	(void)state;
	for (size_t count = 0; count < 40; count++) {
		uint64_t first = 0;
		for (size_t shift = 0; shift < 16; shift++) {
			memset(room, 0x33, sizeof room);
			memset(room + shift, 'k', count);
			uint64_t h = hash_bytes(9, room + shift, count);
			if (shift == 0)
				first = h;
			assert_true(h == first);
		}
	}
}

/* each bit of the key turns about half of the bits of the hash */
static void every_bit_counts(void **state)
{
	unsigned char key[24] = { 1, 2, 3 };
	unsigned turned = 0;

	(void)state;
	uint64_t plain = hash_bytes(5, key, sizeof key);
	for (unsigned bit = 0; bit < sizeof key * 8; bit++) {
		key[bit / 8] ^= (unsigned char)(1u << bit % 8);
		unsigned now = (unsigned)__builtin_popcountll(plain ^ hash_bytes(5, key, sizeof key));
		assert_in_range(now, 8, 56);
		turned += now;
		key[bit / 8] ^= (unsigned char)(1u << bit % 8);
	}
	assert_in_range(turned / (sizeof key * 8), 28, 36);
}

struct version_1 { size_t sz; uint32_t a; };
struct version_2 { size_t sz; uint32_t a, b; uint64_t c; };

static void shorter_options_mean_defaults(void **state)
{
	struct version_1 theirs = { .sz = sizeof theirs, .a = 7 };
	struct version_2 ours = { .b = 9, .c = 9 };

	(void)state;
	T_IS(durei_options_read(&ours, sizeof ours, sizeof theirs, &theirs), 0);
	assert_true(ours.sz == sizeof theirs && ours.a == 7 && ours.c == 0);
	ours.c = 9;
	T_IS(durei_options_read(&ours, sizeof ours, sizeof theirs, NULL), 0);
	assert_true(ours.sz == 0 && ours.a == 0 && ours.c == 0);
	theirs.sz--;
	T_FAILS(durei_options_read(&ours, sizeof ours, sizeof theirs, &theirs), -EINVAL, "sz");
	theirs.sz = 0;
	T_FAILS(durei_options_read(&ours, sizeof ours, sizeof theirs, &theirs), -EINVAL, "sz");
}

static void longer_options_may_only_add_zeros(void **state)
{
	struct version_2 theirs = { .sz = sizeof theirs, .a = 7 };
	struct version_1 ours;
	unsigned char *bytes = (unsigned char *)&theirs;

	(void)state;
	T_IS(durei_options_read(&ours, sizeof ours, sizeof ours, &theirs), 0);
	assert_int_equal(ours.a, 7);
	for (size_t i = sizeof ours; i < sizeof theirs; i++) {
		bytes[i] = 1;
		T_FAILS(durei_options_read(&ours, sizeof ours, sizeof ours, &theirs), -E2BIG,
			"newer");
		bytes[i] = 0;
	}
}

static void what_we_fill_is_cut_to_what_they_know(void **state)
{
	struct version_2 ours = { .sz = sizeof ours, .a = 1, .b = 2, .c = 3 };
	struct { struct version_1 known; unsigned char behind[8]; } theirs;
	struct { struct version_2 known; uint64_t more; } longer;

	(void)state;
	memset(&theirs, 0x5a, sizeof theirs);
	theirs.known.sz = sizeof theirs.known;
	T_IS(durei_options_write(&theirs.known, &ours, sizeof ours, sizeof theirs.known), 0);
	assert_true(theirs.known.sz == sizeof theirs.known && theirs.known.a == 1);
	for (size_t i = 0; i < sizeof theirs.behind; i++)
		assert_int_equal(theirs.behind[i], 0x5a);
	memset(&longer, 0x5a, sizeof longer);
	longer.known.sz = sizeof longer;
	T_IS(durei_options_write(&longer.known, &ours, sizeof ours, sizeof theirs.known), 0);
	assert_true(longer.known.sz == sizeof longer && longer.known.c == 3 && longer.more == 0);
	longer.known.sz = 3;
	T_FAILS(durei_options_write(&longer.known, &ours, sizeof ours, sizeof theirs.known), -EINVAL,
		"sz");
	assert_true(longer.known.c == 3);
}

static void *fail_elsewhere(void *unused)
{
	(void)unused;
	return dure_last_error()[0] == '\0' && durei_error(EIO, "another thread") == -EIO
		       ? NULL
		       : (void *)(uintptr_t)1;
}

static void sentences_belong_to_their_thread(void **state)
{
	char longest[2000];
	pthread_t thread;
	void *failed;

	(void)state;
	assert_int_equal(durei_error(ENOENT, "no %s, %d", "sheep", 3), -ENOENT);
	assert_string_equal(dure_last_error(), "no sheep, 3");
	assert_int_equal(pthread_create(&thread, NULL, fail_elsewhere, NULL), 0);
	assert_int_equal(pthread_join(thread, &failed), 0);
	assert_null(failed);
	assert_string_equal(dure_last_error(), "no sheep, 3");
	assert_int_equal(durei_error_plain(EAGAIN), -EAGAIN);
	assert_string_equal(dure_last_error(), dure_strerror(-EAGAIN));
	memset(longest, 'x', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	assert_int_equal(durei_error(EIO, "%s", longest), -EIO);
	assert_true(strlen(dure_last_error()) >= 400 && strlen(dure_last_error()) < 600);
}

static void every_code_has_a_sentence_of_its_own(void **state)
{
#define CODE(name, text) { name, text },
	static const struct { int code; const char *text; } codes[] = { DURE_ERROR_MAP(CODE) };
#undef CODE
	const size_t count = sizeof codes / sizeof *codes;

	(void)state;
	for (size_t i = 0; i < count; i++) {
		assert_string_equal(dure_strerror(-codes[i].code), codes[i].text);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(codes[i].text, codes[k].text);
	}
	assert_string_equal(dure_strerror(-4000), "unknown result");
	assert_string_equal(dure_strerror(0), "success");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_and_products_say_when_they_do_not_fit),
		cmocka_unit_test(rounding_is_exact),
		cmocka_unit_test(logarithms_and_powers_agree),
		cmocka_unit_test(hashes_are_those_of_the_format),
		cmocka_unit_test(hashes_do_not_depend_on_alignment),
		cmocka_unit_test(every_bit_counts),
		cmocka_unit_test(shorter_options_mean_defaults),
		cmocka_unit_test(longer_options_may_only_add_zeros),
		cmocka_unit_test(what_we_fill_is_cut_to_what_they_know),
		cmocka_unit_test(sentences_belong_to_their_thread),
		cmocka_unit_test(every_code_has_a_sentence_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

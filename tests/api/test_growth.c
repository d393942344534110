/* SPDX-License-Identifier: MIT */
/* Description: segments grow online, give memory back, and keep the protection they were given. */
#include "segments.h"

static void growing_moves_nothing(void **state)
{
	struct dure_segment_options o = t_options(1 << 20);
	dure_segment *a, *b;
	void *p, *q;
	int r, n = 0;

	(void)state;
	o.max_bytes = 64 << 20;
	dure_segment_remove(t_name(), DURE_REMOVE_FORCE, NULL);
	T_IS(dure_segment_open(t_name(), DURE_CREATE, &o, &a), DURE_CREATED);
	T_OK(dure_segment_open(t_name(), DURE_OPEN, NULL, &b));
	while ((r = dure_block_reserve(a, 10000, 0, &p)) == 0) {
		T_OK(dure_block_keep(a, p));
		n++;
	}
	T_IS(r, -ENOSPC);
	T_FAILS(dure_segment_grow(a, 65 << 20), -EFBIG, "at most");
	T_OK(dure_segment_grow(b, 32 << 20));
	T_OK(dure_segment_grow(b, 1 << 20));
	T_OK(dure_block_reserve(a, 20 << 20, 0, &q));
	memset(q, 1, 20 << 20);
	T_OK(dure_block_keep(a, q));
	/* the other process' view has it at once */
	assert_int_equal(((char *)dure_ref_get(b, dure_ref_of(a, q), 20 << 20))[(20 << 20) - 1], 1);
	T_OK(dure_block_free(b, dure_ref_get(b, dure_ref_of(a, q), 1)));
	t_clean(a);
	T_OK(dure_segment_close(b));
	t_close(a);
}

static void growing_by_itself(void **state)
{
	struct dure_segment_options o = t_options(256 << 10);
	dure_segment *seg;
	void *p;

	(void)state;
	o.max_bytes = 32 << 20;
	o.flags = DURE_SEGMENT_GROW;
	dure_segment_remove(t_name(), DURE_REMOVE_FORCE, NULL);
	T_IS(dure_segment_open(t_name(), DURE_CREATE, &o, &seg), DURE_CREATED);
	for (int i = 0; i < 20000; i++) {
		T_OK(dure_block_reserve(seg, 1000, 0, &p));
		memset(p, 1, 1000);
		T_OK(dure_block_keep(seg, p));
	}
	t_clean(seg);
	t_close(seg);
}

static uint64_t storage_of(const char *name)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof path, "/dev/shm/dure.%s", name);
	assert_int_equal(stat(path, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static void memory_is_given_back_and_had_again(void **state)
{
	dure_segment *seg = t_segment(64 << 20);
	uint64_t given;
	void *p;

	(void)state;
	assert_true(storage_of(t_name()) < 2 << 20);
	T_OK(dure_block_reserve(seg, 32 << 20, 0, &p));
	memset(p, 1, 32 << 20);
	assert_true(storage_of(t_name()) > 32 << 20);
	T_OK(dure_block_cancel(seg, p));
	T_OK(dure_segment_trim(seg, &given));
	assert_true(given >= 32 << 20);
	assert_true(storage_of(t_name()) < 2 << 20);
	T_OK(dure_block_reserve(seg, 32 << 20, 0, &p));
	memset(p, 1, 32 << 20);
	T_OK(dure_block_cancel(seg, p));
	T_OK(dure_segment_prefault(seg, 8 << 20));
	T_OK(dure_segment_advise(seg, DURE_ADVISE_RANDOM));
	T_IS(dure_segment_advise(seg, 99), -EINVAL);
	T_OK(dure_segment_lock_memory(seg, 1));
	T_OK(dure_segment_lock_memory(seg, 0));
	t_clean(seg);
	t_close(seg);
}

static void protection_is_kept(void **state)
{
	dure_segment *seg = t_segment(1 << 20);
	struct root *root = root_of(seg);
	void *p;

	(void)state;
	T_FAILS(dure_segment_protect(seg, DURE_PROTECT_READ), -EBUSY, "attached");
	T_OK(dure_thread_detach(seg));
	T_OK(dure_segment_protect(seg, DURE_PROTECT_READ));
	T_IS(dure_block_reserve(seg, 64, 0, &p), -EROFS);
	assert_int_equal(root->value, 0);
	pid_t pid = t_fork();
	if (pid == 0) {
		signal(SIGSEGV, SIG_DFL);
		root->value = 1;	/* dies */
		_exit(0);
	}
	int status;
	waitpid(pid, &status, 0);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	T_OK(dure_segment_protect(seg, DURE_PROTECT_READ | DURE_PROTECT_WRITE));
	root->value = 2;
	T_OK(dure_block_reserve(seg, 64, 0, &p));
	t_close(seg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(growing_moves_nothing),
		cmocka_unit_test(growing_by_itself),
		cmocka_unit_test(memory_is_given_back_and_had_again),
		cmocka_unit_test(protection_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

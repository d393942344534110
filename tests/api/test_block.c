/* SPDX-License-Identifier: MIT */
/* Description: blocks of every size are reserved, published, freed, found, and never lost. */
#include "../t.h"

#include <pthread.h>

struct root {
	dure_mutex lock;
	dure_ref refs[64];
};

static dure_segment *seg;
static struct root *root;
static uint64_t live_at_start;

static int setup(void **state)
{
	(void)state;
	seg = t_segment(16 << 20);
	T_OK(dure_object_construct(seg, "root", DURE_TYPE(struct root), 1, NULL, NULL,
				   (void **)&root));
	live_at_start = t_live_blocks(seg);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	t_clean(seg);
	t_close(seg);
	return 0;
}

static void every_size_is_usable_to_its_last_byte(void **state)
{
	static const size_t sizes[] = { 1, 2, 15, 16, 17, 63, 64, 65, 127, 128, 129, 1000, 1024, 1025,
					4096, 8192, 16384, 32767, 32768, 32769, 65536, 100000, 1 << 20 };

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		unsigned char *p, *q;
		size_t size;
		T_OK(dure_block_reserve(seg, sizes[i], 0, (void **)&p));
		T_OK(dure_block_reserve(seg, sizes[i], 0, (void **)&q));
		memset(p, 0xaa, sizes[i]);
		memset(q, 0x55, sizes[i]);
		assert_true(p[0] == 0xaa && p[sizes[i] - 1] == 0xaa);
		T_OK(dure_block_size(seg, p, &size));
		assert_true(size >= sizes[i]);
		assert_true(size <= 16 || size < sizes[i] * 2 + 4096);
		T_OK(dure_block_keep(seg, p));
		T_OK(dure_block_free(seg, p));
		T_OK(dure_block_cancel(seg, q));
	}
	assert_int_equal(t_live_blocks(seg), live_at_start);
}

static void zero_bytes_are_one(void **state)
{
	void *p;

	(void)state;
	T_OK(dure_block_reserve(seg, 0, 0, &p));
	*(char *)p = 1;
	T_OK(dure_block_cancel(seg, p));
}

static void alignment_is_kept(void **state)
{
	(void)state;
	for (size_t align = 1; align <= 4096; align *= 2)
		for (size_t bytes = 1; bytes < 70000; bytes = bytes * 3 + 1) {
			void *p;
			T_OK(dure_block_reserve(seg, bytes, align, &p));
			assert_int_equal((uintptr_t)p % align, 0);
			memset(p, 1, bytes);
			T_OK(dure_block_cancel(seg, p));
		}
	void *p = (void *)1;
	T_FAILS(dure_block_reserve(seg, 8, 24, &p), -EINVAL, "24");
	T_FAILS(dure_block_reserve(seg, 8, 8192, &p), -EINVAL, "4096");
	assert_ptr_equal(p, (void *)1);
}

static void publish_links_and_free_from_unlinks(void **state)
{
	void *p, *q;

	(void)state;
	T_OK(dure_mutex_lock(seg, &root->lock, DURE_FOREVER));
	T_OK(dure_block_reserve(seg, 100, 0, &p));
	T_OK(dure_block_publish(seg, p, &root->refs[0]));
	assert_ptr_equal(dure_ref_get(seg, root->refs[0], 100), p);
	assert_int_equal(t_live_blocks(seg), live_at_start + 1);
	T_FAILS(dure_block_publish(seg, p, &root->refs[1]), -EINVAL, "published");
	T_OK(dure_block_reserve(seg, 5000, 0, &q));
	T_OK(dure_block_replace(seg, q, &root->refs[0]));
	assert_ptr_equal(dure_ref_get(seg, root->refs[0], 5000), q);
	assert_int_equal(t_live_blocks(seg), live_at_start + 1);
	T_OK(dure_block_free_from(seg, &root->refs[0]));
	assert_int_equal(root->refs[0].offset, 0);
	T_OK(dure_block_free_from(seg, &root->refs[0]));
	T_OK(dure_block_alloc(seg, 77, 0, &root->refs[2]));
	const char *zeros = dure_ref_get(seg, root->refs[2], 77);
	for (int i = 0; i < 77; i++)
		assert_int_equal(zeros[i], 0);
	T_OK(dure_block_free_from(seg, &root->refs[2]));
	T_OK(dure_mutex_unlock(seg, &root->lock));
	assert_int_equal(t_live_blocks(seg), live_at_start);
}

static void misuse_is_named(void **state)
{
	char local;
	void *p, *q;
	dure_ref wild = { 12345 };

	(void)state;
	T_OK(dure_block_reserve(seg, 64, 0, &p));
	T_OK(dure_block_keep(seg, p));
	T_FAILS(dure_block_keep(seg, p), -EINVAL, "published");
	T_FAILS(dure_block_cancel(seg, p), -EINVAL, "published");
	T_FAILS(dure_block_free(seg, (char *)p + 16), -EINVAL, "no block begins");
	T_FAILS(dure_block_free(seg, (char *)p + 1), -EINVAL, "no block begins");
	T_FAILS(dure_block_free(seg, &local), -EINVAL, "outside");
	T_OK(dure_block_free(seg, p));
	T_FAILS(dure_block_free(seg, p), -EINVAL, "freed twice");
	T_OK(dure_block_free(seg, NULL));
	T_OK(dure_block_reserve(seg, 200000, 0, &q));
	T_FAILS(dure_block_free(seg, (char *)q + 16384), -EINVAL, "no block begins");
	T_OK(dure_block_keep(seg, q));
	T_OK(dure_block_free(seg, q));
	T_FAILS(dure_block_free(seg, q), -EINVAL, "no block begins");
	assert_null(dure_ref_get(seg, wild, 8));
	assert_null(dure_ref_get(seg, (dure_ref){ UINT64_MAX }, 8));
	assert_null(dure_ref_get(seg, (dure_ref){ 0 }, 8));
	T_IS(dure_block_reserve(NULL, 8, 0, &p), -EINVAL);
	T_FAILS(dure_block_publish(seg, p, (dure_ref *)(void *)&local), -EINVAL, "no place");
}

static void the_whole_segment_can_be_had_and_given_back(void **state)
{
	struct dure_heap_info info = { .sz = sizeof info };
	static void *blocks[4096];
	void *whole;
	size_t n = 0;
	int r;

	(void)state;
	while ((r = dure_block_reserve(seg, 8000, 0, &blocks[n])) == 0)
		T_OK(dure_block_keep(seg, blocks[n++]));
	T_IS(r, -ENOSPC);
	assert_non_null(strstr(dure_last_error(), "grow"));
	assert_true(n * 8000 > 14 << 20);
	while (n-- > 0)
		T_OK(dure_block_free(seg, blocks[n]));
	T_OK(dure_thread_detach(seg));
	T_OK(dure_heap_info(seg, &info));
	T_OK(dure_block_reserve(seg, info.largest_bytes, 0, &whole));
	assert_true(info.largest_bytes > 15 << 20);
	memset(whole, 1, info.largest_bytes);
	T_OK(dure_block_cancel(seg, whole));
	T_FAILS(dure_block_reserve(seg, 1 << 30, 0, &whole), -ENOSPC, "in one piece");
	T_IS(dure_block_reserve(seg, SIZE_MAX, 0, &whole), -ENOSPC);
}

static void many_are_all_or_none(void **state)
{
	void *blocks[100], *all[3] = { 0 };

	(void)state;
	T_OK(dure_block_reserve_many(seg, 300, 0, 100, blocks));
	for (int i = 0; i < 100; i++)
		T_OK(dure_block_cancel(seg, blocks[i]));
	T_IS(dure_block_reserve_many(seg, 7 << 20, 0, 3, all), -ENOSPC);
	T_OK(dure_block_reserve(seg, 12 << 20, 0, &all[0]));
	T_OK(dure_block_cancel(seg, all[0]));
}

static void runs_resize_where_they_are(void **state)
{
	unsigned char *p;
	void *wall;
	size_t size;

	(void)state;
	T_OK(dure_block_reserve(seg, 100000, 0, (void **)&p));
	T_OK(dure_block_keep(seg, p));
	memset(p, 7, 100000);
	T_OK(dure_block_resize(seg, p, 1 << 20, &size));
	assert_true(size >= 1 << 20);
	memset(p + 100000, 8, (1 << 20) - 100000);
	assert_int_equal(p[99999], 7);
	T_OK(dure_block_reserve(seg, 100000, 0, &wall));
	T_FAILS(dure_block_resize(seg, p, 4 << 20, &size), -ENOSPC, "cannot grow");
	T_OK(dure_block_resize(seg, p, 50000, &size));
	assert_true(size >= 50000 && size < 100000);
	assert_int_equal(p[49999], 7);
	T_OK(dure_block_cancel(seg, wall));
	T_OK(dure_block_free(seg, p));
	T_OK(dure_block_reserve(seg, 64, 0, (void **)&p));
	T_OK(dure_block_resize(seg, p, 60, &size));
	assert_int_equal(size, 64);
	T_FAILS(dure_block_resize(seg, p, 65, &size), -ENOSPC, "do not grow");
	T_OK(dure_block_cancel(seg, p));
}

/* Blocks of all sizes have come and gone: their pages are at hand, and must not be in the way. */
static void what_is_at_hand_makes_room(void **state)
{
	void *block;

	(void)state;
	seg = t_segment(4 << 20);
	for (size_t bytes = 16; bytes < 60000; bytes += bytes / 16 + 16) {
		T_OK(dure_block_reserve(seg, bytes, 0, &block));
		T_OK(dure_block_cancel(seg, block));
	}
	T_OK(dure_block_reserve(seg, 3500000, 0, &block));
	T_OK(dure_block_cancel(seg, block));
	t_clean(seg);
	t_close(seg);
}

static void reserved_blocks_die_with_their_process(void **state)
{
	void *p;

	(void)state;
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_segment_reattach(seg) == 0);
		for (int i = 0; i < 1000; i++)
			T_IN_CHILD(dure_block_reserve(seg, (size_t)i * 10, 0, &p) == 0);
		T_IN_CHILD(dure_block_reserve(seg, 1 << 20, 0, &p) == 0);
		T_IN_CHILD(dure_block_reserve(seg, 64, 0, &p) == 0 && dure_block_keep(seg, p) == 0);
		kill(getpid(), SIGKILL);
	}
	int status;
	waitpid(pid, &status, 0);
	T_IS(dure_segment_recover(seg), 1);
	struct dure_heap_info info = { .sz = sizeof info };
	T_OK(dure_heap_info(seg, &info));
	assert_int_equal(info.live_blocks, live_at_start + 1);
	assert_int_equal(info.reserved_blocks, 0);
}

static void any_process_frees(void **state)
{
	void *p[500];

	(void)state;
	for (int i = 0; i < 500; i++) {
		T_OK(dure_block_reserve(seg, 48, 0, &p[i]));
		T_OK(dure_block_keep(seg, p[i]));
	}
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_block_free(seg, p[0]) == -ESTALE);
		T_IN_CHILD(dure_segment_reattach(seg) == 0);
		for (int i = 0; i < 500; i++)
			T_IN_CHILD(dure_block_free(seg, p[i]) == 0);
		T_IN_CHILD(dure_block_free(seg, p[7]) == -EINVAL);
		T_IN_CHILD(dure_segment_close(seg) == 0);
		_exit(0);
	}
	t_join(pid);
	assert_int_equal(t_live_blocks(seg), live_at_start);
	/* what the child freed is ours to hand out again, without a page more */
	struct dure_heap_info before = { .sz = sizeof before }, after = { .sz = sizeof after };
	T_OK(dure_heap_info(seg, &before));
	for (int i = 0; i < 500; i++)
		T_OK(dure_block_reserve(seg, 48, 0, &p[i]));
	T_OK(dure_heap_info(seg, &after));
	assert_int_equal(after.used_bytes, before.used_bytes);
	for (int i = 0; i < 500; i++)
		T_OK(dure_block_cancel(seg, p[i]));
}

static void idle_hoards_do_not_starve_others(void **state)
{
	static void *p[20000];
	int fds[2], n = 0;

	/* a child fills the heap, frees all of it and sits there */
	(void)state;
	assert_int_equal(pipe(fds), 0);
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_segment_reattach(seg) == 0);
		while (n < 20000 && dure_block_reserve(seg, 1000, 0, &p[n]) == 0)
			n++;
		while (n-- > 0)
			T_IN_CHILD(dure_block_cancel(seg, p[n]) == 0);
		t_signal(fds[1]);
		pause();
	}
	t_await(fds[0]);
	for (n = 0; dure_block_reserve(seg, 1024, 0, &p[n]) == 0; n++)
		;
	assert_true((uint64_t)n * 1024 > 12 << 20);
	while (n-- > 0)
		T_OK(dure_block_cancel(seg, p[n]));
	t_kill(pid);
	close(fds[0]);
	close(fds[1]);
	T_OK(dure_segment_recover(seg));
}

enum { WINDOW = 4096, WINDOW_BYTES = 200 };

static void *window[WINDOW];

/* The other thread of a pipeline: frees what was handed out first, half a window at a time. */
static void *free_oldest(void *fds)
{
	const int *fd = fds;

	for (unsigned at = 0, i; ; at = (at + WINDOW / 2) % WINDOW) {
		t_await(fd[0]);
		if (!window[at])
			return NULL;
		for (i = at; i < at + WINDOW / 2; i++)
			T_OK(dure_block_free(seg, window[i]));
		t_signal(fd[3]);
	}
}

/* Full pages are far from each other in age: those with freed blocks are found all the same. */
static void a_pipeline_needs_no_more_than_its_window(void **state)
{
	struct dure_heap_info info = { .sz = sizeof info };
	int fds[4];
	pthread_t thread;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(pipe(fds + 2), 0);
	for (unsigned i = 0; i < WINDOW; i++) {
		T_OK(dure_block_reserve(seg, WINDOW_BYTES, 0, &window[i]));
		T_OK(dure_block_keep(seg, window[i]));
	}
	assert_int_equal(pthread_create(&thread, NULL, free_oldest, fds), 0);
	for (unsigned round = 0; round < 200; round++) {
		unsigned at = round % 2 * (WINDOW / 2);
		t_signal(fds[1]);
		t_await(fds[2]);
		for (unsigned i = at; i < at + WINDOW / 2; i++) {
			T_OK(dure_block_reserve(seg, WINDOW_BYTES, 0, &window[i]));
			T_OK(dure_block_keep(seg, window[i]));
		}
	}
	T_OK(dure_heap_info(seg, &info));
	assert_true(info.used_bytes < 3 * WINDOW * WINDOW_BYTES);
	for (unsigned i = 0; i < WINDOW; i++)
		T_OK(dure_block_free(seg, window[i]));
	window[WINDOW / 2 * (200 % 2)] = NULL;
	t_signal(fds[1]);
	pthread_join(thread, NULL);
	for (int i = 0; i < 4; i++)
		close(fds[i]);
}

static void rel_pointers_point(void **state)
{
	struct node {
		dure_rel next, self;
		int value;
	} *nodes;

	T_OK(dure_block_reserve(seg, 3 * sizeof *nodes, 0, (void **)&nodes));
	memset(nodes, 0, 3 * sizeof *nodes);
	assert_null(dure_rel_get(&nodes[0].next));
	dure_rel_set(&nodes[0].next, &nodes[2]);
	dure_rel_set(&nodes[2].next, &nodes[0]);
	dure_rel_set(&nodes[1].next, &nodes[1]);
	assert_ptr_equal(dure_rel_get(&nodes[0].next), &nodes[2]);
	assert_ptr_equal(dure_rel_get(&nodes[2].next), &nodes[0]);
	assert_ptr_equal(dure_rel_get(&nodes[1].next), &nodes[1]);
	dure_rel_set(&nodes[0].next, NULL);
	assert_null(dure_rel_get(&nodes[0].next));
	assert_ptr_equal(dure_ref_get(seg, dure_ref_of(seg, nodes), 8), nodes);
	assert_int_equal(dure_ref_of(seg, state).offset, 0);
	T_OK(dure_block_cancel(seg, nodes));
}

struct pages {
	uint64_t first, end, live_blocks, live_bytes, reserved_blocks, free_bytes, holes_and_free;
	uint64_t wanted;		/* address of a block, as an offset */
	unsigned wanted_state, wanted_kind;
	int stop_after;
};

static int sum_page(const struct dure_page_info *info, void *context)
{
	struct pages *p = context;

	assert_true(info->bytes > 0);
	if (p->end)
		assert_int_equal(info->offset, p->end);
	else
		p->first = info->offset;
	p->end = info->offset + info->bytes;
	p->live_blocks += info->live;
	p->live_bytes += info->live * info->block_bytes;
	p->reserved_blocks += info->reserved;
	p->free_bytes += info->free * info->block_bytes;
	if (info->kind == DURE_PAGE_FREE || info->kind == DURE_PAGE_HOLE)
		p->holes_and_free += info->bytes;
	if (p->wanted >= info->offset && p->wanted < p->end) {
		p->wanted_kind = info->kind;
		p->wanted_state = info->blocks[(p->wanted - info->offset) / info->block_bytes];
	}
	return p->stop_after && --p->stop_after == 0 ? 7 : 0;
}

static struct pages sum_pages(const void *wanted)
{
	struct pages p = { .wanted = wanted ? dure_ref_of(seg, wanted).offset : 0 };

	T_OK(dure_page_list(seg, sum_page, &p));
	return p;
}

static void pages_are_listed_by_address_and_are_all_of_the_heap(void **state)
{
	struct dure_heap_info info = { .sz = sizeof info };
	struct pages p = { .stop_after = 2 };
	void *small[100], *large;

	(void)state;
	for (int i = 0; i < 100; i++) {
		T_OK(dure_block_reserve(seg, 48, 0, &small[i]));
		if (i % 2)
			T_OK(dure_block_keep(seg, small[i]));
	}
	T_OK(dure_block_reserve(seg, 1 << 20, 0, &large));
	T_OK(dure_block_keep(seg, large));
	T_IS(dure_page_list(seg, sum_page, &p), 7);	/* what visit returned, and no more visits */
	assert_int_equal(p.stop_after, 0);
	p = sum_pages(small[1]);
	assert_int_equal(p.wanted_state, DURE_PAGE_BLOCK_LIVE);
	assert_int_equal(p.wanted_kind, DURE_PAGE_BLOCKS);
	p = sum_pages(small[2]);
	assert_int_equal(p.wanted_state, DURE_PAGE_BLOCK_RESERVED);
	p = sum_pages(large);
	assert_int_equal(p.wanted_kind, DURE_PAGE_RUN);
	T_OK(dure_heap_info(seg, &info));
	assert_int_equal(p.end - p.first, info.capacity_bytes);
	assert_int_equal(p.live_blocks, info.live_blocks);
	assert_int_equal(p.live_bytes, info.live_bytes);
	assert_int_equal(p.reserved_blocks, info.reserved_blocks);
	/* a loose page that is empty counts as free there, and has its blocks here */
	assert_true(p.holes_and_free <= info.capacity_bytes - info.used_bytes);
	T_OK(dure_block_free(seg, large));
	p = sum_pages(NULL);
	assert_int_equal(p.live_bytes, info.live_bytes - (1 << 20));
	for (int i = 0; i < 100; i++)
		T_OK(i % 2 ? dure_block_free(seg, small[i]) : dure_block_cancel(seg, small[i]));
	T_IS(dure_page_list(NULL, sum_page, &p), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(every_size_is_usable_to_its_last_byte),
		TEST(zero_bytes_are_one),
		TEST(alignment_is_kept),
		TEST(publish_links_and_free_from_unlinks),
		TEST(misuse_is_named),
		TEST(the_whole_segment_can_be_had_and_given_back),
		TEST(many_are_all_or_none),
		TEST(runs_resize_where_they_are),
		cmocka_unit_test(what_is_at_hand_makes_room),
		TEST(reserved_blocks_die_with_their_process),
		TEST(any_process_frees),
		TEST(idle_hoards_do_not_starve_others),
		TEST(a_pipeline_needs_no_more_than_its_window),
		TEST(rel_pointers_point),
		TEST(pages_are_listed_by_address_and_are_all_of_the_heap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

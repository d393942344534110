/* SPDX-License-Identifier: MIT */
/* Description: file segments survive a reboot as their last checkpoint; live ones can be cloned. */
#include "../t.h"

struct root {
	dure_mutex lock;
	uint64_t a, b;
	dure_ref block;
};

static char path[128], image[160];

static int setup(void **state)
{
	(void)state;
	snprintf(path, sizeof path, "/tmp/%s.seg", t_name());
	snprintf(image, sizeof image, "%s.checkpoint", path);
	unlink(path);
	unlink(image);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	unlink(image);
	return 0;
}

static struct dure_segment_options file_options(void)
{
	struct dure_segment_options o = t_options(8 << 20);

	o.backing = DURE_BACKING_FILE;
	return o;
}

static struct root *root_of(dure_segment *seg)
{
	struct root *root;

	T_OK(dure_object_find_or_create(seg, "root", DURE_TYPE(struct root), 1, NULL, NULL,
					(void **)&root));
	return root;
}

static dure_segment *create(void)
{
	struct dure_segment_options o = file_options();
	dure_segment *seg;

	T_IS(dure_segment_open(path, DURE_CREATE, &o, &seg), DURE_CREATED);
	return seg;
}

/* what a machine that stops and starts again does: another boot id than the file's */
static void pretend_reboot(void)
{
	uint64_t boot[2] = { 1, 2 };
	int fd = open(path, O_RDWR);

	/* dl_state.boot_low and boot_high: 512 + 4 * 64 + 8 */
	assert_int_equal(pwrite(fd, boot, sizeof boot, 512 + 4 * 64 + 8), sizeof boot);
	close(fd);
}

/* ends without closing, so that the segment stays unclean */
static void use_and_die(uint64_t value)
{
	struct dure_segment_options o = file_options();
	dure_segment *seg;

	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_segment_open(path, DURE_OPEN, &o, &seg) >= 0);
		root_of(seg)->a = value;
		kill(getpid(), SIGKILL);
	}
	waitpid(pid, NULL, 0);
}

static void same_boot_needs_no_checkpoint(void **state)
{
	struct dure_segment_options o = file_options();
	dure_segment *seg = create();

	(void)state;
	root_of(seg)->a = 1;
	T_OK(dure_segment_close(seg));
	use_and_die(2);
	T_IS(dure_segment_open(path, DURE_OPEN, &o, &seg), 0);
	assert_int_equal(root_of(seg)->a, 2);
	T_OK(dure_segment_close(seg));
}

static void a_clean_file_is_believed_after_a_reboot(void **state)
{
	struct dure_segment_options o = file_options();
	dure_segment *seg = create();

	(void)state;
	root_of(seg)->a = 1;
	T_OK(dure_segment_close(seg));
	pretend_reboot();
	T_IS(dure_segment_open(path, DURE_OPEN, &o, &seg), 0);
	assert_int_equal(root_of(seg)->a, 1);
	t_clean(seg);
	T_OK(dure_segment_close(seg));
}

static void an_unclean_file_without_checkpoint_is_refused(void **state)
{
	struct dure_segment_options o = file_options();
	dure_segment *seg = create();

	(void)state;
	T_OK(dure_segment_close(seg));
	use_and_die(2);
	pretend_reboot();
	T_FAILS(dure_segment_open(path, DURE_OPEN, &o, &seg), -ENOTRECOVERABLE, "checkpoint");
	T_FAILS(dure_segment_open(path, DURE_OPEN | DURE_READ_ONLY, &o, &seg), -ENOTRECOVERABLE,
		"machine");
	T_OK(dure_segment_remove(path, 0, &o));
}

static void an_unclean_file_is_restored(void **state)
{
	struct dure_segment_options o = file_options();
	dure_segment *seg = create();
	struct root *root = root_of(seg);
	uint64_t live;

	(void)state;
	root->a = 1;
	T_OK(dure_mutex_lock(seg, &root->lock, 0));
	T_OK(dure_block_alloc(seg, 100000, 0, &root->block));
	memset(dure_ref_get(seg, root->block, 100000), 3, 100000);
	T_FAILS(dure_segment_checkpoint(seg, DURE_FOREVER), -EDEADLK, "lock");
	T_OK(dure_mutex_unlock(seg, &root->lock));
	T_OK(dure_segment_checkpoint(seg, DURE_FOREVER));
	live = t_live_blocks(seg);
	/* what comes after it is lost */
	root->a = 2;
	void *p;
	for (int i = 0; i < 100; i++) {
		T_OK(dure_block_reserve(seg, 5000, 0, &p));
		T_OK(dure_block_keep(seg, p));
	}
	T_OK(dure_segment_close(seg));
	use_and_die(3);
	pretend_reboot();
	T_IS(dure_segment_open(path, DURE_OPEN, &o, &seg), DURE_RESTORED);
	root = root_of(seg);
	assert_int_equal(root->a, 1);
	const char *bytes = dure_ref_get(seg, root->block, 100000);
	assert_true(bytes && bytes[0] == 3 && bytes[99999] == 3);
	assert_int_equal(t_live_blocks(seg), live);
	t_clean(seg);
	for (int i = 0; i < 100; i++) {
		T_OK(dure_block_reserve(seg, 5000, 0, &p));
		memset(p, 1, 5000);
		T_OK(dure_block_keep(seg, p));
	}
	t_clean(seg);
	T_OK(dure_segment_close(seg));
	T_OK(dure_segment_remove(path, 0, &o));
	assert_int_equal(access(image, F_OK), -1);
}

/* Two words changed together, without end, by others; every image has them equal. */
static void images_of_a_busy_segment_are_consistent(void **state)
{
	struct dure_segment_options o = file_options();
	dure_segment *seg = create(), *copy;
	struct root *root = root_of(seg);
	char clone[192];
	pid_t pids[3];

	(void)state;
	snprintf(clone, sizeof clone, "%s.clone", path);
	for (int i = 0; i < 3; i++) {
		pids[i] = t_fork();
		if (pids[i] == 0) {
			T_IN_CHILD(dure_segment_reattach(seg) == 0);
			for (uint64_t n = 1;; n++) {
				dure_tx *tx;
				void *p;
				T_IN_CHILD(dure_tx_begin(seg, &tx) == 0);
				T_IN_CHILD(dure_tx_lock(tx, &root->lock, DURE_FOREVER) >= 0);
				uint64_t value = root->a + 1;
				T_IN_CHILD(dure_tx_write(tx, &root->a, &value, 8) == 0);
				T_IN_CHILD(dure_tx_write(tx, &root->b, &value, 8) == 0);
				T_IN_CHILD(dure_tx_commit(tx) == 0);
				T_IN_CHILD(dure_block_reserve(seg, n % 4000, 0, &p) == 0);
				T_IN_CHILD(dure_block_keep(seg, p) == 0);
				T_IN_CHILD(dure_block_free(seg, p) == 0);
			}
		}
	}
	for (int i = 0; i < 10; i++) {
		t_sleep_ms(20);
		unlink(clone);
		T_OK(dure_segment_clone(seg, clone, DURE_S(10)));
		T_IS(dure_segment_clone(seg, clone, DURE_S(10)), -EEXIST);
		T_IS(dure_segment_open(clone, DURE_OPEN, &o, &copy), 0);
		struct root *r = root_of(copy);
		assert_int_equal(r->a, r->b);
		assert_true(r->a > 0);
		T_OK(dure_segment_recover(copy));
		t_clean(copy);
		T_OK(dure_segment_close(copy));
		T_OK(dure_segment_checkpoint(seg, DURE_S(10)));
	}
	/* the gate is opened when its shutter is killed */
	for (int i = 0; i < 20; i++) {
		pid_t pid = t_fork();
		if (pid == 0) {
			T_IN_CHILD(dure_segment_reattach(seg) == 0);
			for (;;)
				T_IN_CHILD(dure_segment_checkpoint(seg, DURE_FOREVER) == 0);
		}
		t_sleep_ms(3 + i);
		t_kill(pid);
		uint64_t before = __atomic_load_n(&root->a, __ATOMIC_RELAXED);
		for (int j = 0; j < 200 && __atomic_load_n(&root->a, __ATOMIC_RELAXED) == before; j++)
			t_sleep_ms(1);
		assert_true(__atomic_load_n(&root->a, __ATOMIC_RELAXED) > before);
	}
	for (int i = 0; i < 3; i++)
		t_kill(pids[i]);
	T_OK(dure_segment_recover(seg));
	t_clean(seg);
	T_OK(dure_segment_close(seg));
	unlink(clone);
}

static void a_stubborn_holder_times_it_out(void **state)
{
	dure_segment *seg = create();
	struct root *root = root_of(seg);
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_segment_reattach(seg) == 0);
		T_IN_CHILD(dure_mutex_lock(seg, &root->lock, 0) == 0);
		t_signal(fds[1]);
		for (;;)
			pause();
	}
	t_await(fds[0]);
	T_FAILS(dure_segment_checkpoint(seg, DURE_MS(100)), -ETIMEDOUT, "lane");
	/* and the gate is open again */
	void *p;
	T_OK(dure_block_reserve(seg, 100000, 0, &p));
	t_kill(pid);
	T_OK(dure_segment_checkpoint(seg, DURE_MS(1000)));
	T_OK(dure_segment_close(seg));
	close(fds[0]);
	close(fds[1]);
}

static void other_backings_say_no(void **state)
{
	dure_segment *seg = t_segment(1 << 20);

	(void)state;
	T_FAILS(dure_segment_checkpoint(seg, DURE_FOREVER), -EOPNOTSUPP, "clone");
	t_close(seg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(same_boot_needs_no_checkpoint),
		TEST(a_clean_file_is_believed_after_a_reboot),
		TEST(an_unclean_file_without_checkpoint_is_refused),
		TEST(an_unclean_file_is_restored),
		TEST(images_of_a_busy_segment_are_consistent),
		TEST(a_stubborn_holder_times_it_out),
		TEST(other_backings_say_no),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

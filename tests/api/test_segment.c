/* SPDX-License-Identifier: MIT */
/* Description: segments of every backing are made once, found again, left, and removed. */
#include <sys/mount.h>

#include "segments.h"

static void posix_is_created_once_and_found(void **state)
{
	struct dure_segment_options o = t_options(1 << 20);
	dure_segment *a, *b, *none = NULL;

	(void)state;
	dure_segment_remove(t_name(), DURE_REMOVE_FORCE, NULL);
	T_FAILS(dure_segment_open(t_name(), DURE_OPEN, &o, &none), -ENOENT, t_name());
	assert_null(none);
	T_IS(dure_segment_open(t_name(), DURE_CREATE | DURE_OPEN, &o, &a), DURE_CREATED);
	T_IS(dure_segment_open(t_name(), DURE_CREATE | DURE_OPEN, &o, &b), 0);
	T_FAILS(dure_segment_open(t_name(), DURE_CREATE, &o, &none), -EEXIST, "exists");
	T_IS(dure_segment_exists(t_name(), NULL), 1);
	share(a, b);
	T_FAILS(dure_segment_remove(t_name(), 0, NULL), -EBUSY, "in use");
	T_OK(dure_segment_close(a));
	T_FAILS(dure_segment_remove(t_name(), 0, NULL), -EBUSY, "in use");
	T_OK(dure_segment_close(b));
	T_OK(dure_segment_remove(t_name(), 0, NULL));
	T_IS(dure_segment_exists(t_name(), NULL), 0);
	T_FAILS(dure_segment_remove(t_name(), 0, NULL), -ENOENT, t_name());
}

static void contents_stay_when_all_have_left(void **state)
{
	dure_segment *seg = t_segment(1 << 20);

	(void)state;
	root_of(seg)->value = 7;
	T_OK(dure_segment_close(seg));
	T_IS(dure_segment_open(t_name(), DURE_OPEN, NULL, &seg), 0);
	assert_int_equal(root_of(seg)->value, 7);
	t_close(seg);
}

static void names_are_checked(void **state)
{
	static const char *const bad[] = { "", "a/b", "../x", "sp ace", "\xed\x91\x90", "tab\t" };
	char longest[300];
	dure_segment *seg;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		T_IS(dure_segment_open(bad[i], DURE_CREATE, NULL, &seg), -EINVAL);
	T_IS(dure_segment_open(NULL, DURE_CREATE, NULL, &seg), -EINVAL);
	memset(longest, 'x', sizeof longest);
	longest[201] = '\0';
	T_FAILS(dure_segment_open(longest, DURE_CREATE, NULL, &seg), -EINVAL, "201 bytes");
	longest[200] = '\0';
	T_IS(dure_segment_open(longest, DURE_CREATE, NULL, &seg), DURE_CREATED);
	T_OK(dure_segment_close(seg));
	T_OK(dure_segment_remove(longest, 0, NULL));
}

static void options_are_checked(void **state)
{
	struct dure_segment_options o = t_options(0);
	struct { struct dure_segment_options o; uint64_t more; } longer = { .o = t_options(0) };
	dure_segment *seg;

	(void)state;
	dure_segment_remove(t_name(), DURE_REMOVE_FORCE, NULL);
	T_IS(dure_segment_open(t_name(), 0, &o, &seg), -EINVAL);
	T_IS(dure_segment_open(t_name(), 1u << 20 | DURE_OPEN, &o, &seg), -EINVAL);
	T_IS(dure_segment_open(t_name(), DURE_CREATE | DURE_READ_ONLY, &o, &seg), -EINVAL);
	T_IS(dure_segment_open(t_name(), DURE_CREATE, &o, NULL), -EINVAL);
	o.sz = 4;
	T_FAILS(dure_segment_open(t_name(), DURE_CREATE, &o, &seg), -EINVAL, "sz");
	longer.o.sz = sizeof longer;
	longer.more = 1;
	T_IS(dure_segment_open(t_name(), DURE_CREATE, &longer.o, &seg), -E2BIG);
	o = t_options(0);
	o.mode = 01000;
	T_IS(dure_segment_open(t_name(), DURE_CREATE, &o, &seg), -EINVAL);
	o = t_options(0);
	o.flags = 1u << 30;
	T_IS(dure_segment_open(t_name(), DURE_CREATE, &o, &seg), -EINVAL);
	o = t_options(0);
	o.backing = 99;
	T_IS(dure_segment_open(t_name(), DURE_CREATE, &o, &seg), -EINVAL);
	o = t_options(0);
	o.lifetime = DURE_LIFETIME_FILESYSTEM;
	T_FAILS(dure_segment_open(t_name(), DURE_CREATE, &o, &seg), -EINVAL, "lifetime");
	longer.more = 0;
	T_IS(dure_segment_open(t_name(), DURE_CREATE, &longer.o, &seg), DURE_CREATED);
	t_close(seg);
}

static void sizes_are_checked(void **state)
{
	struct dure_segment_options o = t_options(UINT64_MAX);
	dure_segment *seg, *more;

	(void)state;
	dure_segment_remove(t_name(), DURE_REMOVE_FORCE, NULL);
	T_IS(dure_segment_open(t_name(), DURE_CREATE, &o, &seg), -EFBIG);
	o = t_options(1 << 20);
	o.max_bytes = 1 << 19;
	T_FAILS(dure_segment_open(t_name(), DURE_CREATE, &o, &seg), -EINVAL, "max_bytes");
	o = t_options(1);
	T_IS(dure_segment_open(t_name(), DURE_CREATE, &o, &seg), DURE_CREATED);
	t_close(seg);
	o = t_options(1 << 20);
	o.processes_max = 100000;
	T_IS(dure_segment_open(t_name(), DURE_CREATE, &o, &seg), -EINVAL);
	o = t_options(1 << 20);
	o.max_bytes = 2 << 20;
	T_IS(dure_segment_open(t_name(), DURE_CREATE, &o, &seg), DURE_CREATED);
	o.size_bytes = 4 << 20;
	o.max_bytes = 0;
	T_FAILS(dure_segment_open(t_name(), DURE_OPEN, &o, &more), -EFBIG, "at most");
	o.size_bytes = 2 << 20;
	T_IS(dure_segment_open(t_name(), DURE_OPEN, &o, &more), 0);
	struct dure_segment_info info = { .sz = sizeof info };
	T_OK(dure_segment_info(seg, &info));
	assert_true(info.size_bytes >= 2 << 20);
	T_OK(dure_segment_close(more));
	t_close(seg);
}

static void a_full_segment_of_places_says_so(void **state)
{
	struct dure_segment_options o = t_options(1 << 20);
	dure_segment *a, *b, *c;

	(void)state;
	o.processes_max = 2;
	o.threads_max = 1;
	dure_segment_remove(t_name(), DURE_REMOVE_FORCE, NULL);
	T_IS(dure_segment_open(t_name(), DURE_CREATE, &o, &a), DURE_CREATED);
	T_OK(dure_segment_open(t_name(), DURE_OPEN, NULL, &b));
	T_FAILS(dure_segment_open(t_name(), DURE_OPEN, NULL, &c), -EUSERS, "processes_max");
	T_FAILS(dure_segment_recover(b), -EUSERS, "threads_max");
	T_OK(dure_thread_detach(a));
	T_OK(dure_segment_recover(b));
	T_OK(dure_segment_close(b));
	t_close(a);
}

static void modes_are_exact_whatever_the_umask(void **state)
{
	static const uint32_t modes[] = { 0600, 0660, 0666, 0640, 0400 };
	char path[128];
	struct stat st;

	(void)state;
	mode_t old = umask(0077);
	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
		struct dure_segment_options o = t_options(1 << 20);
		dure_segment *seg;
		o.mode = modes[i];
		dure_segment_remove(t_name(), DURE_REMOVE_FORCE, NULL);
		T_IS(dure_segment_open(t_name(), DURE_CREATE, &o, &seg), DURE_CREATED);
		snprintf(path, sizeof path, "/dev/shm/dure.%s", t_name());
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 0777, modes[i]);
		t_close(seg);
	}
	umask(old);
}

static void others_without_permission_are_refused(void **state)
{
	dure_segment *seg, *other;
	const char *name = t_name();

	(void)state;
	if (geteuid() != 0)
		skip();
	seg = t_segment(1 << 20);
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(setgid(65534) == 0 && setuid(65534) == 0);
		T_IN_CHILD(dure_segment_open(name, DURE_OPEN, NULL, &other) == -EACCES);
		T_IN_CHILD(dure_segment_open(name, DURE_OPEN | DURE_READ_ONLY, NULL, &other) == -EACCES);
		T_IN_CHILD(dure_segment_remove(name, DURE_REMOVE_FORCE, NULL) == -EACCES);
		_exit(0);
	}
	t_join(pid);
	t_close(seg);
}

static void read_only_sees_and_cannot_change(void **state)
{
	dure_segment *seg = t_segment(1 << 20), *reader;
	struct root *root = root_of(seg), *seen;
	void *p;

	(void)state;
	root->value = 5;
	T_IS(dure_segment_open(t_name(), DURE_OPEN | DURE_READ_ONLY, NULL, &reader), 0);
	T_OK(dure_object_find(reader, "root", DURE_TYPE(struct root), (void **)&seen, NULL));
	assert_int_equal(seen->value, 5);
	T_FAILS(dure_block_reserve(reader, 64, 0, &p), -EROFS, "reading");
	T_IS(dure_mutex_lock(reader, &seen->lock, 0), -EROFS);
	T_IS(dure_object_destroy(reader, "root", DURE_TYPE(struct root), NULL, NULL), -EROFS);
	T_IS(dure_segment_grow(reader, 2 << 20), -EROFS);
	T_IS(dure_segment_check(reader, NULL, NULL, NULL), 0);
	T_OK(dure_segment_close(seg));
	T_FAILS(dure_segment_remove(t_name(), 0, NULL), -EBUSY, "in use");
	T_OK(dure_segment_close(reader));
	T_OK(dure_segment_remove(t_name(), 0, NULL));
}

static void a_view_is_a_scratch_pad(void **state)
{
	dure_segment *seg = t_segment(1 << 20), *view, *writer;
	struct root *root = root_of(seg);
	void *p;

	(void)state;
	root->value = 5;
	T_FAILS(dure_segment_open(t_name(), DURE_OPEN | DURE_COPY_ON_WRITE, NULL, &view), -EBUSY,
		"clone");
	T_OK(dure_segment_close(seg));
	T_IS(dure_segment_open(t_name(), DURE_OPEN | DURE_COPY_ON_WRITE, NULL, &view), 0);
	T_FAILS(dure_segment_open(t_name(), DURE_OPEN, NULL, &writer), -EBUSY, "view");
	root = root_of(view);
	root->value = 6;
	for (int i = 0; i < 100; i++) {
		T_OK(dure_block_reserve(view, 5000, 0, &p));
		memset(p, 1, 5000);
		T_OK(dure_block_keep(view, p));
	}
	t_clean(view);
	T_OK(dure_segment_close(view));
	T_IS(dure_segment_open(t_name(), DURE_OPEN, NULL, &seg), 0);
	assert_int_equal(root_of(seg)->value, 5);
	t_clean(seg);
	t_close(seg);
}

static void what_is_no_segment_is_refused(void **state)
{
	char path[128], bytes[8192];
	dure_segment *seg;

	(void)state;
	snprintf(path, sizeof path, "/dev/shm/dure.%s", t_name());
	unlink(path);
	for (int kind = 0; kind < 4; kind++) {
		int fd = open(path, O_CREAT | O_RDWR | O_TRUNC, 0600);
		memset(bytes, kind, sizeof bytes);
		if (kind == 2)
			memcpy(bytes, "\x89" "dure\r\n", 8);
		assert_int_equal(write(fd, bytes, kind == 3 ? 10 : sizeof bytes),
				 kind == 3 ? 10 : (ssize_t)sizeof bytes);
		close(fd);
		T_IS(dure_segment_open(t_name(), DURE_OPEN, NULL, &seg), -EPROTO);
		T_IS(dure_segment_open(t_name(), DURE_OPEN | DURE_READ_ONLY, NULL, &seg), -EPROTO);
		T_IS(dure_segment_exists(t_name(), NULL), 0);
		/* never removed: it is not ours */
		T_IS(dure_segment_remove(t_name(), DURE_REMOVE_FORCE, NULL), -EPROTO);
		assert_int_equal(access(path, F_OK), 0);
	}
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	T_IS(dure_segment_open(t_name(), DURE_OPEN, NULL, &seg), -EPROTO);
	rmdir(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	T_IS(dure_segment_open(t_name(), DURE_OPEN, NULL, &seg), -EPROTO);
	unlink(path);
}

/* P5: a full file system is an error with the mount in it, never SIGBUS */
static void a_full_file_system_is_an_error(void **state)
{
	struct dure_segment_options o = t_options(16 << 20);
	char directory[] = "/tmp/dure-full-XXXXXX";
	dure_segment *seg;
	void *p;
	int r;

	(void)state;
	assert_non_null(mkdtemp(directory));
	if (mount("none", directory, "tmpfs", 0, "size=2m") != 0)
		skip();
	o.directory = directory;
	T_IS(dure_segment_open("full", DURE_CREATE, &o, &seg), DURE_CREATED);
	struct root *root = root_of(seg);
	root->value = 1;
	while ((r = dure_block_reserve(seg, 5000, 0, &p)) == 0) {
		memset(p, 1, 5000);
		T_OK(dure_block_keep(seg, p));
	}
	T_IS(r, -ENOSPC);
	assert_non_null(strstr(dure_last_error(), directory));
	assert_non_null(strstr(dure_last_error(), "remount"));
	t_clean(seg);
	T_OK(dure_block_free(seg, p));
	T_OK(dure_segment_close(seg));
	/* creating in a full one: nothing is left behind */
	struct dure_segment_options big = o;
	big.flags = DURE_SEGMENT_RESERVE;
	T_IS(dure_segment_open("other", DURE_CREATE, &big, &seg), -ENOSPC);
	T_IS(dure_segment_exists("other", &o), 0);
	umount(directory);
	rmdir(directory);
}

/* A file cut short or damaged at rest: an error, never a crash. */
static void damage_at_rest_is_found(void **state)
{
	char path[128];
	dure_segment *seg;

	(void)state;
	snprintf(path, sizeof path, "/dev/shm/dure.%s", t_name());
	for (off_t cut = 0; cut < 200000; cut = cut * 3 + 1000) {
		seg = t_segment(1 << 20);
		root_of(seg);
		T_OK(dure_segment_close(seg));
		assert_int_equal(truncate(path, cut), 0);
		int r = dure_segment_open(t_name(), DURE_OPEN, NULL, &seg);
		assert_true(r == -EPROTO || r == -EUCLEAN || r == 0);
		if (r == 0) {
			T_OK(dure_segment_check(seg, NULL, NULL, NULL));
			T_OK(dure_segment_close(seg));
		}
		unlink(path);
	}
	for (off_t at = 0; at < 320; at += 4) {
		unsigned char byte;
		seg = t_segment(1 << 20);
		T_OK(dure_segment_close(seg));
		int fd = open(path, O_RDWR);
		assert_int_equal(pread(fd, &byte, 1, at), 1);
		byte ^= 0x10;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		close(fd);
		int r = dure_segment_open(t_name(), DURE_OPEN, NULL, &seg);
		if (r != -EPROTO && r != -EUCLEAN)
			fail_msg("a flipped bit at %ld: %d", (long)at, r);
		unlink(path);
	}
}

static void forked_children_must_reattach(void **state)
{
	dure_segment *seg = t_segment(1 << 20), *own;
	struct root *root = root_of(seg);
	const char *name = t_name();
	dure_tx *tx;
	void *p;

	(void)state;
	T_OK(dure_block_reserve(seg, 64, 0, &p));
	T_IS(dure_segment_reattach(seg), -EINVAL);
	T_OK(dure_tx_begin(seg, &tx));
	T_OK(dure_mutex_lock(seg, &root->lock, 0));
	pid_t pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(dure_mutex_unlock(seg, &root->lock) == -ESTALE);
		T_IN_CHILD(dure_tx_commit(tx) == -ESTALE);
		T_IN_CHILD(dure_block_reserve(seg, 64, 0, &p) == -ESTALE);
		T_IN_CHILD(dure_object_find(seg, "root", DURE_TYPE(struct root), &p, NULL) == -ESTALE);
		T_IN_CHILD(dure_segment_info(seg, &(struct dure_segment_info){
				   .sz = sizeof(struct dure_segment_info) }) == -ESTALE);
		T_IN_CHILD(dure_segment_open(name, DURE_OPEN, NULL, &own) == 0);
		T_IN_CHILD(dure_segment_close(own) == 0);
		T_IN_CHILD(dure_segment_reattach(seg) == 0);
		T_IN_CHILD(dure_segment_reattach(seg) == -EINVAL);
		T_IN_CHILD(dure_mutex_lock(seg, &root->lock, 0) == -EAGAIN);
		T_IN_CHILD(dure_block_reserve(seg, 64, 0, &p) == 0);
		/* a grandchild, too */
		pid_t grand = fork();
		if (grand == 0) {
			T_IN_CHILD(dure_block_reserve(seg, 64, 0, &p) == -ESTALE);
			T_IN_CHILD(dure_segment_close(seg) == 0);
			_exit(0);
		}
		int status;
		waitpid(grand, &status, 0);
		T_IN_CHILD(status == 0);
		T_IN_CHILD(dure_segment_close(seg) == 0);
		_exit(0);
	}
	t_join(pid);
	T_OK(dure_mutex_unlock(seg, &root->lock));
	T_OK(dure_tx_commit(tx));
	t_clean(seg);
	t_close(seg);
}

static void closing_inside_a_transaction_is_refused(void **state)
{
	dure_segment *seg = t_segment(1 << 20);
	struct root *root = root_of(seg);
	dure_tx *tx;

	(void)state;
	T_OK(dure_tx_begin(seg, &tx));
	T_FAILS(dure_segment_close(seg), -EBUSY, "transaction");
	T_OK(dure_tx_abort(tx));
	T_OK(dure_mutex_lock(seg, &root->lock, 0));
	T_FAILS(dure_segment_close(seg), -EBUSY, "locks");
	T_OK(dure_mutex_unlock(seg, &root->lock));
	T_OK(dure_segment_close(NULL));
	t_close(seg);
}

static int count_ours(const struct dure_segment_entry *entry, void *context)
{
	if (strcmp(entry->name, t_name()) == 0)
		*(int *)context += entry->is_stale ? 100 : 1;
	return 0;
}

static void the_list_has_it(void **state)
{
	dure_segment *seg = t_segment(1 << 20);
	int count = 0;

	(void)state;
	T_OK(dure_segment_list(NULL, count_ours, &count));
	assert_int_equal(count, 1);
	t_close(seg);
	count = 0;
	T_OK(dure_segment_list(NULL, count_ours, &count));
	assert_int_equal(count, 0);
	T_IS(dure_segment_list("/nonexistent", count_ours, &count), -ENOENT);
}

static void many_creators_one_creation(void **state)
{
	enum { RACERS = 16 };
	pid_t pids[RACERS];
	int created = 0, status;
	uint64_t total = 0;
	dure_segment *seg;

	(void)state;
	for (int round = 0; round < 20; round++) {
		dure_segment_remove(t_name(), DURE_REMOVE_FORCE, NULL);
		const char *name = t_name();
		for (int i = 0; i < RACERS; i++) {
			pids[i] = t_fork();
			if (pids[i] == 0) {
				struct dure_segment_options o = t_options(1 << 20);
				dure_segment *mine;
				if (round % 2)
					o.lifetime = DURE_LIFETIME_PROCESS;
				int r = dure_segment_open(name, DURE_CREATE | DURE_OPEN, &o, &mine);
				T_IN_CHILD(r >= 0);
				struct root *root = root_of(mine);
				T_IN_CHILD(dure_mutex_lock(mine, &root->lock, DURE_FOREVER) == 0);
				root->value++;
				T_IN_CHILD(dure_mutex_unlock(mine, &root->lock) == 0);
				/* a segment of process lifetime is gone with its last user: stay */
				t_sleep_ms(20);
				_exit(r == DURE_CREATED ? 7 : 0);
			}
		}
		created = 0;
		for (int i = 0; i < RACERS; i++) {
			waitpid(pids[i], &status, 0);
			assert_true(WIFEXITED(status));
			created += WEXITSTATUS(status) == 7;
			assert_true(WEXITSTATUS(status) == 7 || WEXITSTATUS(status) == 0);
		}
		if (round % 2 == 0) {
			assert_int_equal(created, 1);
			T_OK(dure_segment_open(name, DURE_OPEN, NULL, &seg));
			total = root_of(seg)->value;
			assert_int_equal(total, RACERS);
			T_OK(dure_segment_close(seg));
		}
	}
	dure_segment_remove(t_name(), DURE_REMOVE_FORCE, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(posix_is_created_once_and_found),
		cmocka_unit_test(contents_stay_when_all_have_left),
		cmocka_unit_test(names_are_checked),
		cmocka_unit_test(options_are_checked),
		cmocka_unit_test(sizes_are_checked),
		cmocka_unit_test(a_full_segment_of_places_says_so),
		cmocka_unit_test(modes_are_exact_whatever_the_umask),
		cmocka_unit_test(others_without_permission_are_refused),
		cmocka_unit_test(read_only_sees_and_cannot_change),
		cmocka_unit_test(a_view_is_a_scratch_pad),
		cmocka_unit_test(what_is_no_segment_is_refused),
		cmocka_unit_test(a_full_file_system_is_an_error),
		cmocka_unit_test(damage_at_rest_is_found),
		cmocka_unit_test(forked_children_must_reattach),
		cmocka_unit_test(closing_inside_a_transaction_is_refused),
		cmocka_unit_test(the_list_has_it),
		cmocka_unit_test(many_creators_one_creation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

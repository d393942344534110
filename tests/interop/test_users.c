/* SPDX-License-Identifier: MIT */
/* Description: a segment's mode is exact whatever the umask, and it alone says who may look and who
   may change; users who share a segment mend what the other left behind. */
#include <grp.h>
#include <sys/prctl.h>

#include "../t.h"

enum { NOBODY = 65534, SKIPPED = 77 };

struct root {
	dure_mutex lock;
	uint64_t counter;
	dure_ref block;
};

static char file_path[64], directory[64];

/* Every backing that has permissions, each with the name it goes by. */
static const struct kind {
	const char *what;
	uint32_t backing, lifetime;
} kinds[] = {
	{ "posix", DURE_BACKING_POSIX, 0 },
	{ "file", DURE_BACKING_FILE, 0 },
	{ "process lifetime", DURE_BACKING_DEFAULT, DURE_LIFETIME_PROCESS },
	{ "sysv", DURE_BACKING_SYSV, 0 },
};

enum { KINDS = sizeof kinds / sizeof *kinds };

static struct dure_segment_options options_of(const struct kind *kind, uint32_t mode)
{
	struct dure_segment_options o = t_options(1 << 20);

	o.backing = kind->backing;
	o.lifetime = kind->lifetime;
	o.mode = mode;
	if (kind->backing == DURE_BACKING_SYSV)
		o.key = 0x64750000 + (int32_t)(getpid() & 0xffff);
	return o;
}

static const char *name_of(const struct kind *kind)
{
	if (kind->backing == DURE_BACKING_SYSV)
		return NULL;
	return kind->backing == DURE_BACKING_FILE ? file_path : t_name();
}

/* What another user gets, who is in group gid: how he opens, and the result. */
static void as_nobody(const struct kind *kind, uint32_t mode, gid_t gid, uint32_t flags, int expected)
{
	/* asked before fork: t_name is the process' own */
	struct dure_segment_options o = options_of(kind, mode);
	const char *name = name_of(kind);
	dure_segment *seg;
	pid_t pid = t_fork();

	if (pid == 0) {
		T_IN_CHILD(setgroups(0, NULL) == 0 && setresgid(gid, gid, gid) == 0);
		T_IN_CHILD(setresuid(NOBODY, NOBODY, NOBODY) == 0);
		int r = dure_segment_open(name, DURE_OPEN | flags, &o, &seg);
		if (r != expected)
			fprintf(stderr, "%s, mode %04o, flags %u, group %u: %d, not %d: %s\n",
				kind->what, mode, flags, (unsigned)gid, r, expected, dure_last_error());
		T_IN_CHILD(r == expected);
		if (r == 0) {
			struct root *root;
			T_IN_CHILD(dure_object_find(seg, "root", DURE_TYPE(struct root),
						    (void **)&root, NULL) == 0);
			T_IN_CHILD(root->counter == 7);
			r = dure_block_alloc(seg, 100, 0, &root->block);
			T_IN_CHILD(r == (flags & DURE_READ_ONLY ? -EROFS : 0));
			T_IN_CHILD(dure_segment_close(seg) == 0);
		}
		_exit(0);
	}
	t_join(pid);
}

static dure_segment *make(const struct kind *kind, uint32_t mode)
{
	struct dure_segment_options o = options_of(kind, mode);
	struct root *root;
	dure_segment *seg;

	T_IS(dure_segment_open(name_of(kind), DURE_CREATE, &o, &seg), DURE_CREATED);
	T_IS(dure_object_construct(seg, "root", DURE_TYPE(struct root), 1, NULL, NULL,
				   (void **)&root), DURE_CREATED);
	root->counter = 7;
	return seg;
}

static void unmake(const struct kind *kind, dure_segment *seg)
{
	struct dure_segment_options o = options_of(kind, 0);
	int r;

	t_clean(seg);
	T_OK(dure_segment_close(seg));
	/* process lifetime: the name may have gone with the last user */
	r = dure_segment_remove(name_of(kind), 0, &o);
	assert_true(r == 0 || (kind->lifetime == DURE_LIFETIME_PROCESS && r == -ENOENT));
}

static void modes_are_exact(void **state)
{
	static const mode_t masks[] = { 0, 022, 077, 0777 };
	static const uint32_t modes[] = { 0600, 0640, 0644, 0660, 0666 };

	(void)state;
	for (unsigned k = 0; k < KINDS; k++)
		for (unsigned u = 0; u < sizeof masks / sizeof *masks; u++)
			for (unsigned m = 0; m < sizeof modes / sizeof *modes; m++) {
				struct dure_segment_info info = { .sz = sizeof info };
				struct stat st;
				mode_t before = umask(masks[u]);
				dure_segment *seg = make(&kinds[k], modes[m]);
				assert_int_equal(umask(before), masks[u]);
				T_OK(dure_segment_info(seg, &info));
				assert_int_equal(info.mode, modes[m]);
				if (dure_segment_fd(seg) >= 0) {
					assert_int_equal(fstat(dure_segment_fd(seg), &st), 0);
					assert_int_equal(st.st_mode & 07777, modes[m]);
				}
				unmake(&kinds[k], seg);
			}
}

static void the_mode_says_who_may(void **state)
{
	static const struct {
		uint32_t mode;
		int in_group, read_only, read_write;
	} rows[] = {
		{ 0600, 0, -EACCES, -EACCES },	{ 0600, 1, -EACCES, -EACCES },
		{ 0640, 0, -EACCES, -EACCES },	{ 0640, 1, 0, -EACCES },
		{ 0644, 0, 0, -EACCES },	{ 0660, 0, -EACCES, -EACCES },
		{ 0660, 1, 0, 0 },		{ 0666, 0, 0, 0 },
	};

	(void)state;
	for (unsigned k = 0; k < KINDS; k++)
		for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
			dure_segment *seg = make(&kinds[k], rows[i].mode);
			gid_t gid = rows[i].in_group ? getegid() : NOBODY;
			as_nobody(&kinds[k], rows[i].mode, gid, DURE_READ_ONLY, rows[i].read_only);
			as_nobody(&kinds[k], rows[i].mode, gid, 0, rows[i].read_write);
			unmake(&kinds[k], seg);
		}
}

/* A child of the user takes the lock, changes half, and sleeps until it is killed. */
static pid_t holder(const char *name, uid_t uid, const struct dure_segment_options *o, int ready[2])
{
	dure_segment *seg;
	struct root *root;
	dure_tx *tx;
	void *block;
	pid_t pid = t_fork();

	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	T_IN_CHILD(setresuid(uid, uid, uid) == 0);
	T_IN_CHILD(dure_segment_open(name, DURE_OPEN, o, &seg) == 0);
	T_IN_CHILD(dure_object_find(seg, "root", DURE_TYPE(struct root), (void **)&root, NULL) == 0);
	T_IN_CHILD(dure_block_reserve(seg, 5000, 0, &block) == 0);
	T_IN_CHILD(dure_mutex_lock(seg, &root->lock, DURE_FOREVER) == 0);
	T_IN_CHILD(dure_tx_begin(seg, &tx) == 0);
	T_IN_CHILD(dure_tx_add(tx, &root->counter, sizeof root->counter) == 0);
	root->counter = 99;
	T_IN_CHILD(write(ready[1], "x", 1) == 1);
	for (;;)
		pause();
}

/* Another user waits for the lock when the holder is killed: he gets it, and all is undone. */
static void heir(const char *name, uid_t uid, const struct dure_segment_options *o)
{
	dure_segment *seg;
	struct root *root;
	pid_t pid = t_fork();

	if (pid > 0) {
		t_join(pid);
		return;
	}
	T_IN_CHILD(setresuid(uid, uid, uid) == 0);
	T_IN_CHILD(dure_segment_open(name, DURE_OPEN, o, &seg) == 0);
	T_IN_CHILD(dure_object_find(seg, "root", DURE_TYPE(struct root), (void **)&root, NULL) == 0);
	T_IN_CHILD(dure_mutex_lock(seg, &root->lock, DURE_S(10)) == DURE_OWNER_DIED);
	T_IN_CHILD(root->counter == 7);
	T_IN_CHILD(dure_mutex_mark_consistent(seg, &root->lock) == 0);
	T_IN_CHILD(dure_mutex_unlock(seg, &root->lock) == 0);
	T_IN_CHILD(dure_segment_close(seg) == 0);
	_exit(0);
}

static void users_mend_for_each_other(void **state)
{
	static const uid_t pairs[][2] = { { 0, NOBODY }, { NOBODY, 0 }, { NOBODY, 12345 } };

	(void)state;
	for (unsigned k = 0; k < KINDS; k++)
		for (unsigned i = 0; i < sizeof pairs / sizeof *pairs; i++) {
			struct dure_segment_options o = options_of(&kinds[k], 0);
			dure_segment *seg = make(&kinds[k], 0666);
			struct dure_heap_info heap = { .sz = sizeof heap };
			const char *name = name_of(&kinds[k]);
			int ready[2];
			assert_int_equal(pipe(ready), 0);
			pid_t pid = holder(name, pairs[i][0], &o, ready);
			t_await(ready[0]);
			t_kill(pid);
			heir(name, pairs[i][1], &o);
			close(ready[0]);
			close(ready[1]);
			T_OK(dure_segment_recover(seg));
			T_OK(dure_heap_info(seg, &heap));
			assert_int_equal(heap.reserved_blocks, 0);
			unmake(&kinds[k], seg);
		}
}

static void removing_needs_permission(void **state)
{
	(void)state;
	dure_segment *seg = make(&kinds[0], 0666);
	const char *name = t_name();
	pid_t pid = t_fork();

	if (pid == 0) {
		T_IN_CHILD(setresgid(NOBODY, NOBODY, NOBODY) == 0);
		T_IN_CHILD(setresuid(NOBODY, NOBODY, NOBODY) == 0);
		/* /dev/shm is sticky: only the owner takes a name away */
		int r = dure_segment_remove(name, DURE_REMOVE_FORCE, NULL);
		T_IN_CHILD(r == -EACCES || r == -EPERM);
		_exit(0);
	}
	t_join(pid);
	assert_int_equal(dure_segment_exists(name, NULL), 1);
	unmake(&kinds[0], seg);
}

/* Who may write in the directory, but not look into the segment, must not take it for stale. */
static void what_one_may_not_see_is_not_stale(void **state)
{
	struct dure_segment_options o = options_of(&kinds[2], 0600);
	dure_segment *seg, *again;
	pid_t pid;

	(void)state;
	snprintf(directory, sizeof directory, "/tmp/dure-users-XXXXXX");
	assert_non_null(mkdtemp(directory));
	assert_int_equal(chmod(directory, 0777), 0);
	o.directory = directory;
	T_IS(dure_segment_open("mine", DURE_CREATE, &o, &seg), DURE_CREATED);
	pid = t_fork();
	if (pid == 0) {
		T_IN_CHILD(setresuid(NOBODY, NOBODY, NOBODY) == 0);
		T_IN_CHILD(dure_segment_open("mine", DURE_OPEN, &o, &again) == -EACCES);
		T_IN_CHILD(dure_segment_open("mine", DURE_CREATE | DURE_OPEN, &o, &again) == -EACCES);
		T_IN_CHILD(dure_segment_open("mine", DURE_CREATE, &o, &again) == -EEXIST);
		_exit(0);
	}
	t_join(pid);
	assert_int_equal(dure_segment_exists("mine", &o), 1);
	T_OK(dure_segment_close(seg));
	dure_segment_remove("mine", 0, &o);
	assert_int_equal(rmdir(directory), 0);
}

/* Also after a failure nothing is left. */
static int clean_up(void **state)
{
	struct dure_segment_options o;

	(void)state;
	for (unsigned k = 0; k < KINDS; k++) {
		o = options_of(&kinds[k], 0);
		dure_segment_remove(name_of(&kinds[k]), DURE_REMOVE_FORCE, &o);
	}
	if (*directory) {
		o = options_of(&kinds[2], 0);
		o.directory = directory;
		dure_segment_remove("mine", DURE_REMOVE_FORCE, &o);
		rmdir(directory);
	}
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(modes_are_exact, clean_up),
		cmocka_unit_test_teardown(the_mode_says_who_may, clean_up),
		cmocka_unit_test_teardown(users_mend_for_each_other, clean_up),
		cmocka_unit_test_teardown(removing_needs_permission, clean_up),
		cmocka_unit_test_teardown(what_one_may_not_see_is_not_stale, clean_up),
	};

	if (geteuid() != 0) {
		puts("skipped: only root can become another user");
		return SKIPPED;
	}
	snprintf(file_path, sizeof file_path, "/tmp/dure-users-%d", (int)getpid());
	return cmocka_run_group_tests(tests, NULL, NULL);
}

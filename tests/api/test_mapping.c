/* SPDX-License-Identifier: MIT */
/* Description: mappings without SIGBUS, and all that mmap, mremap, madvise and friends can do. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "../t.h"

enum { PAGE = 4096 };		/* the tests are for machines where that is so: see main */

static int fd;			/* 100000 bytes: byte i is i % 251 */

static unsigned char byte_at(size_t i)
{
	return (unsigned char)(i % 251);
}

static int before(void **state)
{
	static unsigned char bytes[100000];

	(void)state;
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = byte_at(i);
	fd = memfd_create("test", MFD_CLOEXEC);
	return fd >= 0 && write(fd, bytes, sizeof bytes) == sizeof bytes ? 0 : -1;
}

static int after(void **state)
{
	(void)state;
	return close(fd);
}

static struct dure_mapping_options with(uint32_t flags)
{
	return (struct dure_mapping_options){ .sz = sizeof(struct dure_mapping_options),
					      .flags = flags };
}

static dure_mapping *mapped(int descriptor, uint64_t offset, uint64_t bytes, uint32_t flags)
{
	struct dure_mapping_options o = with(flags);
	dure_mapping *m;

	T_OK(dure_mapping_open(descriptor, offset, bytes, &o, &m));
	return m;
}

static unsigned char *at(dure_mapping *m)
{
	return dure_mapping_address(m);
}

static off_t length(void)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_size;
}

static void offsets_need_no_alignment(void **state)
{
	dure_mapping *m = mapped(fd, 5001, 90000, 0), *rest;

	(void)state;
	assert_int_equal(dure_mapping_size(m), 90000);
	for (size_t i = 0; i < 90000; i++)
		assert_int_equal(at(m)[i], byte_at(5001 + i));
	at(m)[7] = 255;
	rest = mapped(fd, 5008, 0, DURE_MAPPING_READ_ONLY);
	assert_int_equal(at(rest)[0], 255);
	assert_int_equal(dure_mapping_size(rest), 100000 - 5008);
	dure_mapping_close(rest);
	dure_mapping_close(m);
	dure_mapping_close(NULL);
	assert_null(dure_mapping_address(NULL));
	assert_int_equal(dure_mapping_size(NULL), 0);
}

static void private_stores_stay_private(void **state)
{
	dure_mapping *m = mapped(fd, 0, 0, DURE_MAPPING_PRIVATE), *other = mapped(fd, 0, 0, 0);

	(void)state;
	at(m)[0] = 200;
	assert_int_equal(at(other)[0], 0);
	T_OK(dure_mapping_advise(m, 0, PAGE, DURE_ADVISE_DISCARD));
	assert_int_equal(at(m)[0], 0);		/* the file's again */
	dure_mapping_close(m);
	dure_mapping_close(other);
}

static void nothing_beyond_the_file_is_mapped(void **state)
{
	dure_mapping *m = NULL;
	struct dure_mapping_options o = with(DURE_MAPPING_EXTEND);

	(void)state;
	T_FAILS(dure_mapping_open(fd, 0, 100001, NULL, &m), -EINVAL, "100000 bytes");
	T_FAILS(dure_mapping_open(fd, 99999, 2, NULL, &m), -EINVAL, "SIGBUS");
	T_FAILS(dure_mapping_open(fd, 100000, 0, NULL, &m), -EINVAL, "nothing to map");
	T_FAILS(dure_mapping_open(fd, UINT64_MAX - 5, 10, NULL, &m), -EINVAL, "address space");
	assert_null(m);
	T_OK(dure_mapping_open(fd, 99999, 200000, &o, &m));
	assert_int_equal(length(), 299999);
	at(m)[199999] = 1;
	dure_mapping_close(m);
}

static void misuse_is_said(void **state)
{
	struct dure_mapping_options o = with(1u << 30);
	dure_mapping *m = NULL;
	int ends[2];

	(void)state;
	T_FAILS(dure_mapping_open(fd, 0, 0, &o, &m), -EINVAL, "flags");
	o = with(DURE_MAPPING_MOVE);
	T_FAILS(dure_mapping_open(fd, 0, 0, &o, &m), -EINVAL, "flags");
	T_FAILS(dure_mapping_open(-1, 0, 0, NULL, &m), -EINVAL, "needs a size");
	T_FAILS(dure_mapping_open(fd, 0, 0, NULL, NULL), -EINVAL, "NULL");
	T_FAILS(dure_mapping_open(9999, 0, 1, NULL, &m), -EINVAL, "no open descriptor");
	o = with(DURE_MAPPING_FIXED);
	T_FAILS(dure_mapping_open(fd, 0, 0, &o, &m), -EINVAL, "options.address");
	o.address = (void *)(uintptr_t)123;
	T_FAILS(dure_mapping_open(fd, 0, 0, &o, &m), -EINVAL, "multiple");
	o = with(DURE_MAPPING_REPLACE | DURE_MAPPING_LOCK);
	o.address = (void *)(uintptr_t)PAGE;
	T_FAILS(dure_mapping_open(fd, 0, 0, &o, &m), -EINVAL, "excludes");
	o = with(DURE_MAPPING_HUGE);
	T_FAILS(dure_mapping_open(fd, 0, 0, &o, &m), -EINVAL, "hugetlbfs");
	o = with(0);
	o.huge_page_bytes = 2 << 20;
	T_FAILS(dure_mapping_open(-1, 0, 1, &o, &m), -EINVAL, "DURE_MAPPING_HUGE");
	o = with(DURE_MAPPING_EXTEND | DURE_MAPPING_READ_ONLY);
	T_FAILS(dure_mapping_open(fd, 0, 0, &o, &m), -EINVAL, "for writing");
	o.sz = 1;
	T_FAILS(dure_mapping_open(fd, 0, 0, &o, &m), -EINVAL, "sz");
	assert_int_equal(pipe(ends), 0);
	T_FAILS(dure_mapping_open(ends[0], 0, PAGE, NULL, &m), -EACCES, "not open for");
	close(ends[0]);
	close(ends[1]);
	int reader = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	T_FAILS(dure_mapping_open(reader, 0, 10, NULL, &m), -EACCES, "reading and writing");
	m = mapped(reader, 1, 3, DURE_MAPPING_READ_ONLY);
	assert_memory_equal(at(m), "ELF", 3);
	T_FAILS(dure_mapping_protect(m, 0, 0, DURE_PROTECT_READ | DURE_PROTECT_WRITE), -EACCES,
		"not open for it");
	T_FAILS(dure_mapping_protect(m, 1, 2, DURE_PROTECT_READ), -EINVAL, "whole pages");
	T_FAILS(dure_mapping_protect(m, 0, 0, 64), -EINVAL, "protection");
	T_FAILS(dure_mapping_sync(m, 0, 4, 0), -EINVAL, "the mapping has 3");
	T_FAILS(dure_mapping_sync(m, 0, 0, 64), -EINVAL, "flags");
	T_FAILS(dure_mapping_sync(NULL, 0, 0, 0), -EINVAL, "has 0");
	T_FAILS(dure_mapping_advise(m, 0, 0, 999), -EINVAL, "999");
	T_FAILS(dure_mapping_advise(m, 0, 0, DURE_ADVISE_DISCARD), -EINVAL, "private");
	T_FAILS(dure_mapping_advise(m, 0, 1, DURE_ADVISE_PUNCH), -EINVAL, "whole pages");
	T_FAILS(dure_mapping_resident(m, 0, 0, NULL), -EINVAL, "NULL");
	T_FAILS(dure_mapping_resize(m, 0, 0), -EINVAL, "one byte");
	T_FAILS(dure_mapping_resize(m, 9, 1), -EINVAL, "flags");
	dure_mapping_close(m);
	close(reader);
}

static void fixed_replaces_nothing(void **state)
{
	struct dure_mapping_options o = with(DURE_MAPPING_FIXED);
	dure_mapping *room = mapped(-1, 0, 16 * PAGE, 0), *m, *over;

	(void)state;
	o.address = at(room) + 4 * PAGE;
	at(room)[4 * PAGE] = 77;
	T_FAILS(dure_mapping_open(fd, 0, PAGE, &o, &m), -EBUSY, "something is mapped there");
	assert_int_equal(at(room)[4 * PAGE], 77);
	o.flags = DURE_MAPPING_REPLACE;
	T_OK(dure_mapping_open(fd, PAGE, PAGE, &o, &over));
	assert_ptr_equal(at(over), o.address);
	assert_int_equal(at(room)[4 * PAGE], byte_at(PAGE));
	dure_mapping_close(over);
	o.flags = DURE_MAPPING_FIXED;		/* there is a hole now */
	T_OK(dure_mapping_open(-1, 0, PAGE, &o, &m));
	assert_ptr_equal(at(m), o.address);
	dure_mapping_close(m);
	dure_mapping_close(room);
}

static void mappings_grow_and_shrink(void **state)
{
	dure_mapping *m = mapped(fd, 10, 1000, 0), *wall;
	struct dure_mapping_options o = with(DURE_MAPPING_FIXED);

	(void)state;
	T_OK(dure_mapping_resize(m, 99990, DURE_MAPPING_MOVE));
	assert_int_equal(at(m)[99989], byte_at(99999));
	T_FAILS(dure_mapping_resize(m, 99991, DURE_MAPPING_MOVE), -EINVAL, "SIGBUS");
	assert_int_equal(dure_mapping_size(m), 99990);
	T_OK(dure_mapping_resize(m, 300000, DURE_MAPPING_MOVE | DURE_MAPPING_EXTEND));
	assert_int_equal(length(), 300010);
	at(m)[299999] = 9;
	T_OK(dure_mapping_resize(m, 1, 0));
	assert_int_equal(length(), 300010);	/* the file stays */
	assert_int_equal(at(m)[0], byte_at(10));
	/* no room where it lies */
	o.address = at(m) - 10 + PAGE;
	T_OK(dure_mapping_open(-1, 0, PAGE, &o, &wall));
	T_FAILS(dure_mapping_resize(m, 2 * PAGE, 0), -ENOMEM, "DURE_MAPPING_MOVE");
	assert_int_equal(dure_mapping_size(m), 1);
	dure_mapping_close(wall);
	dure_mapping_close(m);
	m = mapped(-1, 0, PAGE, DURE_MAPPING_PRIVATE);
	at(m)[0] = 3;
	T_OK(dure_mapping_resize(m, 100 * PAGE, DURE_MAPPING_MOVE));
	assert_int_equal(at(m)[0], 3);
	at(m)[100 * PAGE - 1] = 4;
	dure_mapping_close(m);
	m = mapped(-1, 0, PAGE, 0);
	T_FAILS(dure_mapping_resize(m, PAGE + 1, DURE_MAPPING_MOVE), -EOPNOTSUPP, "memfd");
	T_OK(dure_mapping_resize(m, 10, 0));
	dure_mapping_close(m);
}

/* A file system of 256 KiB: too much is an error with a sentence, and nothing has changed. */
static void no_storage_is_no_sigbus(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	pid_t pid = t_fork();
	if (pid == 0) {
		struct dure_mapping_options o = with(DURE_MAPPING_EXTEND);
		dure_mapping *m;
		struct stat st;
		T_IN_CHILD(t_small_shm(262144) == 0);
		int file = open("/dev/shm/f", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		T_IN_CHILD(dure_mapping_open(file, 0, 1 << 20, &o, &m) == -ENOSPC);
		T_IN_CHILD(strstr(dure_last_error(), "full"));
		T_IN_CHILD(dure_mapping_open(file, 0, 100000, &o, &m) == 0);
		T_IN_CHILD(dure_mapping_resize(m, 1 << 20,
			   DURE_MAPPING_EXTEND | DURE_MAPPING_MOVE) == -ENOSPC);
		T_IN_CHILD(dure_mapping_size(m) == 100000);
		((char *)dure_mapping_address(m))[99999] = 1;
		T_IN_CHILD(fstat(file, &st) == 0 && st.st_size == 100000);
		/* populated without storage: said as well */
		T_IN_CHILD(ftruncate(file, 1 << 20) == 0);
		o.flags = DURE_MAPPING_POPULATE;
		dure_mapping *all;
		int r = dure_mapping_open(file, 0, 1 << 20, &o, &all);
		T_IN_CHILD(r == -ENOSPC || r == -EINVAL);	/* EINVAL: before Linux 5.14 */
		_exit(0);
	}
	t_join(pid);
}

/* -- what others do to the file ----------------------------------------------------------- */

static void a_file_cut_short_is_an_error(void **state)
{
	dure_mapping *m = mapped(fd, 100, 99900, 0), *copy = mapped(fd, 0, 0, DURE_MAPPING_PRIVATE);
	static unsigned char got[100000];

	(void)state;
	T_IS(dure_mapping_read(m, 0, got, 99900), 99900);
	assert_int_equal(got[50000], byte_at(50100));
	at(copy)[90000] = 1;
	assert_int_equal(ftruncate(fd, 10100), 0);
	memset(got, 255, sizeof got);
	T_IS(dure_mapping_read(m, 0, got, 99900), 10000);
	for (size_t i = 0; i < 10000; i++)
		assert_int_equal(got[i], byte_at(100 + i));
	T_FAILS(dure_mapping_read(m, 10000, got, 1), -ESTALE, "cut short");
	T_FAILS(dure_mapping_read(m, 99000, got, 1), -ESTALE, "cut short");
	T_FAILS(dure_mapping_read(copy, 90000, got, 1), -ESTALE, "cut short");
	T_IS(dure_mapping_write(m, 9000, got, 5000), 1000);
	T_FAILS(dure_mapping_write(m, 20000, got, 5000), -ESTALE, "cut short");
	assert_int_equal(length(), 10100);
	T_FAILS(dure_mapping_read(m, 99900, got, 1), -EINVAL, "the mapping has 99900");
	T_FAILS(dure_mapping_read(m, 99899, got, 2), -EINVAL, "the mapping has 99900");
	T_FAILS(dure_mapping_read(m, 0, NULL, 2), -EINVAL, "the mapping has");
	assert_int_equal(ftruncate(fd, 0), 0);
	T_FAILS(dure_mapping_read(m, 0, got, 1), -ESTALE, "cut short");
	dure_mapping_close(m);
	dure_mapping_close(copy);
}

/* Somebody cuts the file and makes it long again, all the time; nobody gets a signal. */
static void a_file_that_flickers_kills_nobody(void **state)
{
	dure_mapping *m = mapped(fd, 0, 0, 0);
	static char got[100000];
	int all = 0, some = 0;

	(void)state;
	pid_t pid = t_fork();
	if (pid == 0)
		for (;;)
			T_IN_CHILD(ftruncate(fd, 0) == 0 && ftruncate(fd, 100000) == 0);
	for (int64_t end = t_now_ns() + DURE_MS(500); t_now_ns() < end;) {
		int r = dure_mapping_read(m, 0, got, sizeof got);
		assert_true(r == -ESTALE || r > 0 || r == -EACCES);
		all += r == sizeof got;
		some += r != sizeof got;
	}
	t_kill(pid);
	print_message("%d whole reads, %d others\n", all, some);
	assert_true(all + some > 0);
	dure_mapping_close(m);
}

static void forbid_process_vm_readv(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = 4, .filter = code };

	T_IN_CHILD(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	T_IN_CHILD(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

/* Containers that forbid process_vm_readv: through a pipe, with the same answers. */
static void guarded_copies_work_without_the_call(void **state)
{
	(void)state;
	pid_t pid = t_fork();
	if (pid == 0) {
		dure_mapping *m;
		static unsigned char got[100000];
		forbid_process_vm_readv();
		T_IN_CHILD(dure_mapping_open(fd, 100, 99900, NULL, &m) == 0);
		T_IN_CHILD(dure_mapping_read(m, 0, got, 99900) == 99900);
		T_IN_CHILD(got[77777] == byte_at(77877));
		T_IN_CHILD(ftruncate(fd, 10100) == 0);
		T_IN_CHILD(dure_mapping_read(m, 0, got, 99900) == 10000);
		T_IN_CHILD(dure_mapping_read(m, 20000, got, 1) == -ESTALE);
		T_IN_CHILD(dure_mapping_write(m, 9000, got, 5000) == 1000);
		_exit(0);
	}
	t_join(pid);
}

static void protection_is_an_error_too(void **state)
{
	dure_mapping *m = mapped(fd, 0, 0, DURE_MAPPING_READ_ONLY);
	char got[10] = "123456789";

	(void)state;
	T_FAILS(dure_mapping_write(m, 0, got, 10), -EACCES, "protection");
	T_OK(dure_mapping_protect(m, 0, 0, DURE_PROTECT_READ | DURE_PROTECT_WRITE));
	T_IS(dure_mapping_write(m, PAGE - 5, got, 10), 10);
	assert_memory_equal(at(m) + PAGE - 5, got, 10);
	T_OK(dure_mapping_protect(m, PAGE, PAGE, 0));
	T_FAILS(dure_mapping_read(m, PAGE, got, 10), -EACCES, "protection");
	T_IS(dure_mapping_read(m, PAGE - 5, got, 10), 5);
	T_OK(dure_mapping_protect(m, 0, 0, DURE_PROTECT_READ));
	dure_mapping_close(m);
}

/* -- memory ------------------------------------------------------------------------------- */

static uint64_t resident(dure_mapping *m)
{
	uint64_t bytes;

	T_OK(dure_mapping_resident(m, 0, 0, &bytes));
	return bytes;
}

/* Address sanitizer's mlock does nothing. */
static bool mlock_locks(void)
{
	char status[4096];
	void *page = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool did = page != MAP_FAILED && mlock(page, PAGE) == 0;
	int file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(file, status, sizeof status - 1);

	assert_true(did && n > 0);
	status[n] = '\0';
	close(file);
	munmap(page, PAGE);
	return !strstr(status, "VmLck:\t       0 kB");
}

static void pages_come_and_go(void **state)
{
	dure_mapping *m = mapped(-1, 0, 64 * PAGE, DURE_MAPPING_PRIVATE), *full;

	(void)state;
	assert_int_equal(resident(m), 0);
	at(m)[5 * PAGE] = 1;
	assert_int_equal(resident(m), PAGE);
	T_OK(dure_mapping_advise(m, 0, 0, DURE_ADVISE_DISCARD));
	assert_int_equal(resident(m), 0);
	assert_int_equal(at(m)[5 * PAGE], 0);
	int r = dure_mapping_advise(m, 0, 10 * PAGE, DURE_ADVISE_POPULATE_WRITE);
	if (r == 0)
		assert_true(resident(m) >= 10 * PAGE);
	else
		T_FAILS(r, -EINVAL, "does not know");
	dure_mapping_close(m);
	full = mapped(-1, 0, 64 * PAGE, DURE_MAPPING_POPULATE);
	assert_int_equal(resident(full), 64 * PAGE);
	T_OK(dure_mapping_lock(full, 0, 0, 1));
	T_OK(dure_mapping_lock(full, 0, 0, 0));
	dure_mapping_close(full);
	full = mapped(fd, 0, 0, DURE_MAPPING_LOCK | DURE_MAPPING_TRANSPARENT);
	if (mlock_locks())
		T_FAILS(dure_mapping_sync(full, 0, 0, DURE_MAPPING_INVALIDATE), -EBUSY, "locked");
	dure_mapping_close(full);
}

/* Every kind is taken by the kernel, or refused with a reason. */
static void all_advice_is_known(void **state)
{
	static const uint32_t kinds[] = {
		DURE_ADVISE_NORMAL, DURE_ADVISE_RANDOM, DURE_ADVISE_SEQUENTIAL,
		DURE_ADVISE_WILL_NEED, DURE_ADVISE_NO_DUMP, DURE_ADVISE_DUMP, DURE_ADVISE_FREE,
		DURE_ADVISE_DISCARD, DURE_ADVISE_NO_FORK, DURE_ADVISE_FORK,
		DURE_ADVISE_WIPE_ON_FORK, DURE_ADVISE_KEEP_ON_FORK, DURE_ADVISE_COLD,
		DURE_ADVISE_PAGE_OUT, DURE_ADVISE_POPULATE_READ, DURE_ADVISE_POPULATE_WRITE,
	};
	static const uint32_t perhaps[] = { DURE_ADVISE_HUGE, DURE_ADVISE_NO_HUGE,
					    DURE_ADVISE_MERGE,
					    DURE_ADVISE_NO_MERGE, DURE_ADVISE_COLLAPSE };
	dure_mapping *m = mapped(-1, 0, 1 << 22, DURE_MAPPING_PRIVATE), *file = mapped(fd, 0, 0, 0);

	(void)state;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		T_OK(dure_mapping_advise(m, 0, 0, kinds[i]));
	for (size_t i = 0; i < sizeof perhaps / sizeof *perhaps; i++) {
		int r = dure_mapping_advise(m, 0, 0, perhaps[i]);
		assert_true(r == 0 || r == -EINVAL || r == -EAGAIN || r == -ENOMEM || r == -EACCES);
	}
	T_OK(dure_mapping_advise(file, PAGE, 2 * PAGE, DURE_ADVISE_PUNCH));
	assert_int_equal(at(file)[PAGE], 0);
	assert_int_equal(at(file)[0], 0);
	assert_int_equal(at(file)[3 * PAGE], byte_at(3 * PAGE));
	for (uint32_t kind = DURE_ADVISE_NORMAL; kind <= DURE_ADVISE_WILL_NEED; kind++)
		T_OK(dure_file_advise(fd, 0, 0, kind));
	T_OK(dure_file_advise(fd, 0, 5000, DURE_ADVISE_DISCARD));
	T_OK(dure_file_advise(fd, 0, 0, DURE_ADVISE_NO_REUSE));
	T_FAILS(dure_file_advise(fd, 0, 0, DURE_ADVISE_HUGE), -EINVAL, "files");
	T_FAILS(dure_file_advise(-1, 0, 0, DURE_ADVISE_NORMAL), -EINVAL, "descriptor -1");
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	T_FAILS(dure_file_advise(ends[0], 0, 0, DURE_ADVISE_NORMAL), -EINVAL, "takes advice");
	close(ends[0]);
	close(ends[1]);
	dure_mapping_close(m);
	dure_mapping_close(file);
}

static void fork_may_be_left_out(void **state)
{
	dure_mapping *wiped = mapped(-1, 0, PAGE, DURE_MAPPING_PRIVATE);
	dure_mapping *shared = mapped(-1, 0, PAGE, 0), *none = mapped(-1, 0, PAGE, 0);

	(void)state;
	at(wiped)[0] = 1;
	T_OK(dure_mapping_advise(wiped, 0, 0, DURE_ADVISE_WIPE_ON_FORK));
	T_OK(dure_mapping_advise(none, 0, 0, DURE_ADVISE_NO_FORK));
	pid_t pid = t_fork();
	if (pid == 0) {
		char c;
		T_IN_CHILD(at(wiped)[0] == 0);
		T_IN_CHILD(dure_mapping_read(none, 0, &c, 1) == -EACCES);
		at(shared)[9] = 42;
		_exit(0);
	}
	t_join(pid);
	assert_int_equal(at(shared)[9], 42);
	assert_int_equal(at(wiped)[0], 1);
	dure_mapping_close(wiped);
	dure_mapping_close(shared);
	dure_mapping_close(none);
}

static void stores_reach_the_disk(void **state)
{
	char path[] = "/tmp/dure-mapping-XXXXXX";
	int file = mkstemp(path);
	struct dure_mapping_options o = with(DURE_MAPPING_EXTEND);
	dure_mapping *m;
	char got[5];

	(void)state;
	assert_true(file >= 0);
	T_OK(dure_mapping_open(file, 3, 20000, &o, &m));
	memcpy(at(m) + 9000, "hello", 5);
	T_OK(dure_mapping_sync(m, 9000, 5, DURE_MAPPING_LATER));
	T_OK(dure_mapping_sync(m, 9000, 5, 0));
	T_OK(dure_mapping_sync(m, 0, 0, DURE_MAPPING_INVALIDATE));
	assert_int_equal(pread(file, got, 5, 9003), 5);
	assert_memory_equal(got, "hello", 5);
	dure_mapping_close(m);
	close(file);
	unlink(path);
}

static void limits_are_named(void **state)
{
	(void)state;
	if (geteuid() != 0 || !mlock_locks())
		skip();
	pid_t pid = t_fork();
	if (pid == 0) {
		struct rlimit little = { 65536, 65536 }, none;
		struct dure_mapping_options o = with(DURE_MAPPING_LOCK);
		dure_mapping *m;
		T_IN_CHILD(setrlimit(RLIMIT_MEMLOCK, &little) == 0);
		T_IN_CHILD(setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534,
									    65534) == 0);
		T_IN_CHILD(dure_mapping_open(-1, 0, 1 << 20, &o, &m) == -ENOMEM);
		T_IN_CHILD(strstr(dure_last_error(), "RLIMIT_MEMLOCK allows 65536"));
		T_IN_CHILD(dure_mapping_open(-1, 0, 1 << 20, NULL, &m) == 0);
		T_IN_CHILD(dure_mapping_lock(m, 0, 0, 1) == -ENOMEM);
		T_IN_CHILD(dure_mapping_lock(m, 0, 4096, 1) == 0);
		T_IN_CHILD(getrlimit(RLIMIT_NOFILE, &none) == 0);
		none.rlim_cur = 0;
		T_IN_CHILD(setrlimit(RLIMIT_NOFILE, &none) == 0);
		T_IN_CHILD(dure_mapping_open(fd, 0, 0, NULL, &m) == -EMFILE);
		T_IN_CHILD(strstr(dure_last_error(), "RLIMIT_NOFILE is 0"));
		_exit(0);
	}
	t_join(pid);
}

/* Without huge pages the sentence says what to raise; with some, they are used. */
static void huge_pages_or_a_sentence(void **state)
{
	struct dure_mapping_options o = with(DURE_MAPPING_HUGE | DURE_MAPPING_PRIVATE);
	dure_mapping *m;
	int r = dure_mapping_open(-1, 0, 1, &o, &m);

	(void)state;
	if (r < 0) {
		T_FAILS(r, -ENOMEM, "vm.nr_hugepages");
		skip();
	}
	at(m)[(2 << 20) - 1] = 1;
	assert_int_equal((uintptr_t)at(m) % (2 << 20), 0);
	T_OK(dure_mapping_advise(m, 0, 0, DURE_ADVISE_NO_DUMP));
	T_FAILS(dure_mapping_protect(m, 0, PAGE, DURE_PROTECT_READ), -EINVAL, "whole pages");
	T_OK(dure_mapping_protect(m, 0, 0, DURE_PROTECT_READ));
	dure_mapping_close(m);
	int huge = memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB);
	assert_int_equal(ftruncate(huge, 2 << 20), 0);
	m = mapped(huge, 100, 1000, 0);
	at(m)[0] = 7;
	assert_int_equal(((uintptr_t)at(m) - 100) % (2 << 20), 0);
	dure_mapping_close(m);
	close(huge);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, before, after)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(offsets_need_no_alignment),
		TEST(private_stores_stay_private),
		TEST(nothing_beyond_the_file_is_mapped),
		TEST(misuse_is_said),
		TEST(fixed_replaces_nothing),
		TEST(mappings_grow_and_shrink),
		TEST(no_storage_is_no_sigbus),
		TEST(a_file_cut_short_is_an_error),
		TEST(a_file_that_flickers_kills_nobody),
		TEST(guarded_copies_work_without_the_call),
		TEST(protection_is_an_error_too),
		TEST(pages_come_and_go),
		TEST(all_advice_is_known),
		TEST(fork_may_be_left_out),
		TEST(stores_reach_the_disk),
		TEST(limits_are_named),
		TEST(huge_pages_or_a_sentence),
	};

	if (sysconf(_SC_PAGESIZE) != PAGE) {
		puts("SKIP: the numbers here are for pages of 4096 bytes");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Description: each backing: how it is made and found, what it promises, and what it refuses. */
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/socket.h>

#include "segments.h"

static void sysv_by_key_and_by_id(void **state)
{
	struct dure_segment_options o = t_options(1 << 20);
	struct dure_segment_info info = { .sz = sizeof info };
	dure_segment *a, *b;

	(void)state;
	o.backing = DURE_BACKING_SYSV;
	o.key = 0x44555200 + (getpid() & 0xff);
	dure_segment_remove(NULL, DURE_REMOVE_FORCE, &o);
	T_IS(dure_segment_open(NULL, DURE_CREATE | DURE_OPEN, &o, &a), DURE_CREATED);
	T_IS(dure_segment_open(NULL, DURE_CREATE | DURE_OPEN, &o, &b), 0);
	T_IS(dure_segment_open(NULL, DURE_CREATE, &o, &b), -EEXIST);
	share(a, b);
	T_FAILS(dure_segment_remove(NULL, 0, &o), -EBUSY, "in use");
	T_OK(dure_segment_close(b));
	T_OK(dure_segment_close(a));
	T_OK(dure_segment_remove(NULL, 0, &o));
	T_IS(dure_segment_open(NULL, DURE_OPEN, &o, &a), -ENOENT);
	o.key = 0;
	T_IS(dure_segment_open(NULL, DURE_CREATE, &o, &a), DURE_CREATED);
	T_OK(dure_segment_info(a, &info));
	assert_true(info.sysv_id >= 0);
	o.id = info.sysv_id;
	T_IS(dure_segment_open(NULL, DURE_OPEN, &o, &b), 0);
	share(a, b);
	T_IS(dure_segment_fd(a), -EOPNOTSUPP);
	T_OK(dure_segment_close(b));
	T_OK(dure_segment_close(a));
	T_OK(dure_segment_remove(NULL, 0, &o));
	T_IS(dure_segment_open("name", DURE_CREATE, &o, &a), -EINVAL);
}

/* [SYSV1]: a maker that dies leaves a segment without magic; the next one replaces it */
static void a_half_made_sysv_segment_is_replaced(void **state)
{
	struct dure_segment_options o = t_options(1 << 20);
	dure_segment *seg;

	(void)state;
	o.backing = DURE_BACKING_SYSV;
	o.key = 0x44555300 + (getpid() & 0xff);
	dure_segment_remove(NULL, DURE_REMOVE_FORCE, &o);
	int id = shmget(o.key, 1 << 20, IPC_CREAT | IPC_EXCL | 0600);
	assert_true(id >= 0);
	T_IS(dure_segment_open(NULL, DURE_OPEN, &o, &seg), -ENOENT);
	T_IS(dure_segment_open(NULL, DURE_CREATE | DURE_OPEN, &o, &seg), DURE_CREATED);
	share(seg, seg);
	T_OK(dure_segment_close(seg));
	T_OK(dure_segment_remove(NULL, 0, &o));
}

static bool is_there(int32_t key)
{
	return shmget(key, 0, 0) >= 0;
}

/* What a maker leaves that dies right after shmget: the note, and memory without a byte in it. */
static void leave_half_made(const char *directory, int32_t key, off_t note_bytes)
{
	const struct timespec soon[2] = { { .tv_sec = time(NULL) + 60 }, { .tv_sec = time(NULL) + 60 } };
	char path[96];

	snprintf(path, sizeof path, "%s/.dure-new-sysv-%08x", directory, (unsigned)key);
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, note_bytes), 0);
	assert_int_equal(futimens(fd, soon), 0);	/* the clocks of the two do not agree */
	close(fd);
	assert_true(shmget(key, 1 << 20, IPC_CREAT | IPC_EXCL | 0600) >= 0);
}

/* [LEFT2]: the next maker removes what a dead one noted, but not what was there before the note */
static void the_next_maker_sweeps_what_a_dead_one_noted(void **state)
{
	int32_t noted = 0x44555400 + (getpid() & 0xff), stranger = 0x44555500 + (getpid() & 0xff);
	struct dure_segment_options o = t_options(1 << 20);
	char directory[] = "/dev/shm/dure-sweep-XXXXXX";
	dure_segment *seg;

	(void)state;
	assert_non_null(mkdtemp(directory));
	leave_half_made(directory, noted, 1);
	leave_half_made(directory, stranger, 0);
	o.directory = directory;
	o.lifetime = DURE_LIFETIME_PROCESS;
	T_IS(dure_segment_open(t_name(), DURE_CREATE, &o, &seg), DURE_CREATED);
	T_OK(dure_segment_close(seg));
	dure_segment_remove(t_name(), 0, &o);
	bool is_swept = !is_there(noted), is_spared = is_there(stranger);
	shmctl(shmget(noted, 0, 0), IPC_RMID, NULL);
	shmctl(shmget(stranger, 0, 0), IPC_RMID, NULL);
	assert_int_equal(rmdir(directory), 0);
	assert_true(is_swept);
	assert_true(is_spared);
}

static void files_live_at_their_path(void **state)
{
	struct dure_segment_options o = t_options(1 << 20);
	char path[96];
	dure_segment *a, *b;

	(void)state;
	snprintf(path, sizeof path, "/tmp/%s.seg", t_name());
	unlink(path);
	o.backing = DURE_BACKING_FILE;
	T_IS(dure_segment_open(path, DURE_CREATE | DURE_OPEN, &o, &a), DURE_CREATED);
	T_IS(dure_segment_open(path, DURE_CREATE | DURE_OPEN, &o, &b), 0);
	share(a, b);
	T_OK(dure_segment_close(a));
	T_OK(dure_segment_close(b));
	T_IS(dure_segment_open(path, DURE_OPEN, &o, &a), 0);
	assert_int_equal(root_of(a)->value, 42);
	T_OK(dure_segment_close(a));
	T_OK(dure_segment_remove(path, 0, &o));
	T_IS(access(path, F_OK), -1);
	T_IS(dure_segment_open("/nonexistent/x", DURE_CREATE, &o, &a), -ENOENT);
}

static void memory_files_pass_over_a_socket(void **state)
{
	struct dure_segment_options o = t_options(1 << 20);
	dure_segment *a, *b;
	int pair[2], fd, received;

	(void)state;
	o.backing = DURE_BACKING_MEMORY_FILE;
	T_IS(dure_segment_open(NULL, DURE_CREATE, &o, &a), DURE_CREATED);
	fd = dure_segment_fd(a);
	T_OK(fd);
	/* the size cannot be cut */
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	pid_t pid = t_fork();
	if (pid == 0) {
		char byte, control[CMSG_SPACE(sizeof fd)];
		struct iovec iov = { &byte, 1 };
		struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
				    .msg_controllen = sizeof control };
		close(fd);
		T_IN_CHILD(recvmsg(pair[1], &m, 0) == 1);
		memcpy(&received, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof received);
		o = t_options(0);
		o.backing = DURE_BACKING_MEMORY_FILE;
		o.fd = received;
		T_IN_CHILD(dure_segment_open(NULL, DURE_OPEN, &o, &b) == 0);
		root_of(b)->value = 77;
		T_IN_CHILD(dure_segment_close(b) == 0);
		_exit(0);
	}
	union { char space[CMSG_SPACE(sizeof fd)]; struct cmsghdr align; } control = { { 0 } };
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.space,
			    .msg_controllen = sizeof control.space };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(c), &fd, sizeof fd);
	assert_int_equal(sendmsg(pair[0], &m, 0), 1);
	t_join(pid);
	assert_int_equal(root_of(a)->value, 77);
	t_clean(a);
	T_OK(dure_segment_close(a));
	close(pair[0]);
	close(pair[1]);
	o = t_options(0);
	o.backing = DURE_BACKING_MEMORY_FILE;
	o.fd = 0;
	T_FAILS(dure_segment_open(NULL, DURE_OPEN, &o, &a), dure_segment_open(NULL, DURE_OPEN, &o, &a),
		"");
}

static void buffers_and_private_heaps(void **state)
{
	static _Alignas(4096) char buffer[256 << 10], copy[256 << 10];
	struct dure_segment_options o = t_options(sizeof buffer);
	dure_segment *a, *b;

	(void)state;
	o.backing = DURE_BACKING_BUFFER;
	o.buffer = buffer;
	T_IS(dure_segment_open(NULL, DURE_CREATE, &o, &a), DURE_CREATED);
	root_of(a)->value = 3;
	T_OK(dure_mutex_lock(a, &root_of(a)->lock, 0));
	/* a copy is a clone, its locks held by somebody who is gone */
	memcpy(copy, buffer, sizeof buffer);
	o.buffer = copy;
	T_IS(dure_segment_open(NULL, DURE_OPEN, &o, &b), 0);
	assert_int_equal(root_of(b)->value, 3);
	T_IS(dure_mutex_lock(b, &root_of(b)->lock, 0), DURE_OWNER_DIED);
	T_OK(dure_mutex_mark_consistent(b, &root_of(b)->lock));
	T_OK(dure_mutex_unlock(b, &root_of(b)->lock));
	t_clean(b);
	T_OK(dure_segment_close(b));
	T_OK(dure_mutex_unlock(a, &root_of(a)->lock));
	T_OK(dure_segment_close(a));
	o.buffer = buffer + 1;
	T_IS(dure_segment_open(NULL, DURE_OPEN, &o, &a), -EINVAL);
	o.buffer = buffer;
	o.size_bytes = 100;
	T_IS(dure_segment_open(NULL, DURE_OPEN, &o, &a), -EPROTO);
	memset(buffer, 0, sizeof buffer);
	o.size_bytes = sizeof buffer;
	T_IS(dure_segment_open(NULL, DURE_OPEN, &o, &a), -EPROTO);
	o.size_bytes = 8192;
	T_FAILS(dure_segment_open(NULL, DURE_CREATE, &o, &a), -EINVAL, "too few");
	o = t_options(64 << 20);
	o.backing = DURE_BACKING_PRIVATE;
	T_IS(dure_segment_open(NULL, DURE_CREATE, &o, &a), DURE_CREATED);
	share(a, a);
	T_OK(dure_segment_close(a));
}

static void huge_pages_where_there_are_some(void **state)
{
	struct dure_segment_options o = t_options(8 << 20);
	FILE *pool = fopen("/proc/sys/vm/nr_hugepages", "r+");
	dure_segment *a, *b;
	long had = 0;

	(void)state;
	if (!pool || fscanf(pool, "%ld", &had) != 1)
		skip();
	rewind(pool);
	fprintf(pool, "%ld", had + 16);
	fflush(pool);
	o.backing = DURE_BACKING_MEMORY_FILE;
	o.flags = DURE_SEGMENT_HUGE;
	o.max_bytes = 8 << 20;
	int r = dure_segment_open(NULL, DURE_CREATE, &o, &a);
	if (r == DURE_CREATED) {
		o.fd = dure_segment_fd(a);
		T_IS(dure_segment_open(NULL, DURE_OPEN, &o, &b), 0);
		share(a, b);
		T_OK(dure_segment_close(b));
		T_OK(dure_segment_close(a));
	} else {
		T_IS(r, -ENOSPC);
		print_message("no huge pages could be had: %s\n", dure_last_error());
	}
	rewind(pool);
	fprintf(pool, "%ld", had);
	fclose(pool);
}

static void another_lifetime_is_refused(void **state)
{
	struct dure_segment_options o = t_options(1 << 20);
	dure_segment *seg = t_segment(1 << 20), *other;

	(void)state;
	o.lifetime = DURE_LIFETIME_PROCESS;
	T_FAILS(dure_segment_open(t_name(), DURE_OPEN, &o, &other), -EEXIST, "lifetime");
	t_close(seg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sysv_by_key_and_by_id),
		cmocka_unit_test(a_half_made_sysv_segment_is_replaced),
		cmocka_unit_test(the_next_maker_sweeps_what_a_dead_one_noted),
		cmocka_unit_test(files_live_at_their_path),
		cmocka_unit_test(memory_files_pass_over_a_socket),
		cmocka_unit_test(buffers_and_private_heaps),
		cmocka_unit_test(huge_pages_where_there_are_some),
		cmocka_unit_test(another_lifetime_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

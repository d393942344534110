/* SPDX-License-Identifier: MIT */
/* Description: a segment without a name goes to an unrelated process as a descriptor over a Unix
   socket; when that process is killed, what it held comes back; the memory goes with the last. */
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "../t.h"

struct root {
	dure_mutex lock;
	uint64_t counter;
	dure_ref block;
};

static const char *program;

/* An abstract address: a name that leaves no file behind. */
static struct sockaddr_un address_of(const char *name, socklen_t *ret_bytes)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "dure-handover-%s", name);
	*ret_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
				 strlen(address.sun_path + 1));
	return address;
}

static void send_descriptor(int socket, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec data = { .iov_base = (void *)(uintptr_t)"s", .iov_len = 1 };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1,
				  .msg_control = control.bytes,
				  .msg_controllen = sizeof control.bytes };
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(c), &fd, sizeof fd);
	assert_int_equal(sendmsg(socket, &message, 0), 1);
}

static int receive_descriptor(int socket)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	char byte;
	struct iovec data = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1,
				  .msg_control = control.bytes,
				  .msg_controllen = sizeof control.bytes };
	struct cmsghdr *c;
	int fd = -1;

	T_IN_CHILD(recvmsg(socket, &message, MSG_CMSG_CLOEXEC) == 1);
	c = CMSG_FIRSTHDR(&message);
	T_IN_CHILD(c && c->cmsg_type == SCM_RIGHTS);
	memcpy(&fd, CMSG_DATA(c), sizeof fd);
	return fd;
}

/* -- the unrelated process ---------------------------------------------------------------- */

/*
 * Joins by the descriptor, which it closes at once. Then "hold": has a block nobody knows, a lock,
 * and a transaction half way, and waits to be killed. "work": counts, links a block and leaves.
 */
static int stranger(const char *name, const char *what)
{
	struct dure_segment_options o = { .sz = sizeof o, .backing = DURE_BACKING_MEMORY_FILE };
	socklen_t bytes;
	struct sockaddr_un address = address_of(name, &bytes);
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct root *root;
	dure_segment *seg;
	dure_tx *tx;
	void *block;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	T_IN_CHILD(s >= 0 && connect(s, (struct sockaddr *)&address, bytes) == 0);
	o.fd = receive_descriptor(s);
	T_IN_CHILD(dure_segment_open(NULL, DURE_OPEN, &o, &seg) == 0);
	close(o.fd);
	T_IN_CHILD(dure_object_find(seg, "root", DURE_TYPE(struct root), (void **)&root, NULL) == 0);
	T_IN_CHILD(dure_mutex_lock(seg, &root->lock, DURE_FOREVER) == 0);
	if (strcmp(what, "work") == 0) {
		root->counter++;
		T_IN_CHILD(dure_block_alloc(seg, 3000, 0, &root->block) == 0);
		T_IN_CHILD(dure_mutex_unlock(seg, &root->lock) == 0);
		T_IN_CHILD(dure_segment_close(seg) == 0);
		return 0;
	}
	T_IN_CHILD(dure_block_reserve(seg, 70000, 0, &block) == 0);
	T_IN_CHILD(dure_tx_begin(seg, &tx) == 0);
	T_IN_CHILD(dure_tx_add(tx, &root->counter, sizeof root->counter) == 0);
	root->counter = 99;
	T_IN_CHILD(write(s, "h", 1) == 1);
	for (;;)
		pause();
}

static int listen_at(const char *name)
{
	socklen_t bytes;
	struct sockaddr_un address = address_of(name, &bytes);
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(s >= 0);
	assert_int_equal(bind(s, (struct sockaddr *)&address, bytes), 0);
	assert_int_equal(listen(s, 4), 0);
	return s;
}

/* A program of its own, that inherits nothing; gets the descriptor over the socket. */
static pid_t start_stranger(int listener, const char *name, const char *what, int fd, int *ret_socket)
{
	pid_t pid = t_fork();

	if (pid == 0) {
		close_range(3, ~0u, 0);
		execl(program, program, name, what, (char *)NULL);
		_exit(127);
	}
	*ret_socket = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(*ret_socket >= 0);
	send_descriptor(*ret_socket, fd);
	return pid;
}

/* -- tests -------------------------------------------------------------------------------- */

static dure_segment *make(struct root **ret)
{
	struct dure_segment_options o = t_options(1 << 20);
	dure_segment *seg;

	o.backing = DURE_BACKING_MEMORY_FILE;
	T_IS(dure_segment_open(NULL, DURE_CREATE, &o, &seg), DURE_CREATED);
	T_IS(dure_object_construct(seg, "root", DURE_TYPE(struct root), 1, NULL, NULL, (void **)ret),
	     DURE_CREATED);
	(*ret)->counter = 7;
	return seg;
}

static void a_stranger_works_and_leaves(void **state)
{
	int listener = listen_at(t_name()), s;
	struct root *root;
	dure_segment *seg = make(&root);

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		pid_t pid = start_stranger(listener, t_name(), "work", dure_segment_fd(seg), &s);
		t_join(pid);
		close(s);
		assert_int_equal(root->counter, 8 + i);
		assert_non_null(dure_ref_get(seg, root->block, 3000));
		T_OK(dure_block_free_from(seg, &root->block));
	}
	t_clean(seg);
	T_OK(dure_segment_close(seg));
	close(listener);
}

static void a_stranger_is_killed(void **state)
{
	struct dure_heap_info heap = { .sz = sizeof heap };
	int listener = listen_at(t_name()), s;
	struct root *root;
	dure_segment *seg = make(&root);

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		pid_t pid = start_stranger(listener, t_name(), "hold", dure_segment_fd(seg), &s);
		t_await(s);
		assert_int_equal(root->counter, 99);
		T_IS(dure_mutex_lock(seg, &root->lock, 0), -EAGAIN);
		t_kill(pid);
		close(s);
		T_IS(dure_mutex_lock(seg, &root->lock, DURE_S(10)), DURE_OWNER_DIED);
		assert_int_equal(root->counter, 7);
		T_OK(dure_mutex_mark_consistent(seg, &root->lock));
		T_OK(dure_mutex_unlock(seg, &root->lock));
	}
	T_OK(dure_segment_recover(seg));
	T_OK(dure_heap_info(seg, &heap));
	assert_int_equal(heap.reserved_blocks, 0);
	t_clean(seg);
	T_OK(dure_segment_close(seg));
	close(listener);
}

/* He who made it may go first. */
static void the_maker_leaves_first(void **state)
{
	int listener = listen_at(t_name()), s, fd;
	struct dure_segment_options o = { .sz = sizeof o, .backing = DURE_BACKING_MEMORY_FILE };
	struct root *root;
	dure_segment *seg = make(&root);
	pid_t pid = start_stranger(listener, t_name(), "hold", dure_segment_fd(seg), &s);

	(void)state;
	t_await(s);
	fd = dup(dure_segment_fd(seg));
	T_OK(dure_segment_close(seg));
	t_kill(pid);
	o.fd = fd;
	T_IS(dure_segment_open(NULL, DURE_OPEN, &o, &seg), 0);
	T_OK(dure_object_find(seg, "root", DURE_TYPE(struct root), (void **)&root, NULL));
	T_IS(dure_mutex_lock(seg, &root->lock, DURE_S(10)), DURE_OWNER_DIED);
	assert_int_equal(root->counter, 7);
	T_OK(dure_mutex_mark_consistent(seg, &root->lock));
	T_OK(dure_mutex_unlock(seg, &root->lock));
	t_clean(seg);
	T_OK(dure_segment_close(seg));
	close(fd);
	close(s);
	close(listener);
}

static void what_is_no_segment_is_refused(void **state)
{
	struct dure_segment_options o = { .sz = sizeof o, .backing = DURE_BACKING_MEMORY_FILE };
	dure_segment *seg;
	int ends[2];

	(void)state;
	o.fd = memfd_create("empty", MFD_CLOEXEC);
	T_IS(dure_segment_open(NULL, DURE_OPEN, &o, &seg), -EPROTO);
	assert_int_equal(ftruncate(o.fd, 1 << 20), 0);
	T_IS(dure_segment_open(NULL, DURE_OPEN, &o, &seg), -EPROTO);
	close(o.fd);
	assert_int_equal(pipe(ends), 0);
	o.fd = ends[0];
	T_IS(dure_segment_open(NULL, DURE_OPEN, &o, &seg), -EPROTO);
	close(ends[0]);
	close(ends[1]);
	o.fd = 12345;
	T_IS(dure_segment_open(NULL, DURE_OPEN, &o, &seg), -EINVAL);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stranger_works_and_leaves),
		cmocka_unit_test(a_stranger_is_killed),
		cmocka_unit_test(the_maker_leaves_first),
		cmocka_unit_test(what_is_no_segment_is_refused),
	};

	if (argc == 3)
		return stranger(argv[1], argv[2]);
	program = "/proc/self/exe";
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * test_host.c - the picture of a host: what the kernel's texts mean, what refusals hide, and
 * which verdict follows from which facts
 *
 * Why      A verdict that is better than the facts removes what somebody needs. So each fact
 *          is taken away by itself, and the grade must go down; and system calls are refused
 *          one after the other, and who uses an object must never become nobody.
 */
#include "../t.h"

#include <limits.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/shm.h>

#include "inspect/host.h"
#include "os/fault.h"

/* -- refusals ----------------------------------------------------------------------------- */

static long calls, refused_call;
static int refused_errno;

int durei_fault(const char *call)
{
	(void)call;
	return refused_call && ++calls == refused_call ? refused_errno : 0;
}

/* -- texts -------------------------------------------------------------------------------- */

static void map_lines(void **state)
{
	char line[] = "7f0c8000-7f0c9000 rw-s 00001000 00:1b 4711                 /dev/shm/a b (deleted)";
	char newline[] = "10-20 r--p 00000000 fe:00 12 /x\\012y";
	char anonymous[] = "7ffc1000-7ffc2000 rw-p 00000000 00:00 0 ";
	char *wrong[] = { (char[]){ "" }, (char[]){ "x" }, (char[]){ "20-10 rw-s 0 0:0 1 x" },
			  (char[]){ "10-20 rw 0 0:0 1 x" }, (char[]){ "10-20 rw-s 0 0:0" } };
	struct durei_map_line m;

	(void)state;
	assert_true(durei_map_line_read(line, &m));
	assert_true(m.start == 0x7f0c8000 && m.end == 0x7f0c9000 && m.offset == 0x1000);
	assert_true(m.inode == 4711 && m.device == 0x1b && m.is_shared && m.is_writable);
	assert_string_equal(m.path, "/dev/shm/a b (deleted)");
	assert_true(durei_map_line_read(newline, &m));
	assert_string_equal(m.path, "/x\ny");
	assert_false(m.is_shared || m.is_writable);
	assert_true(durei_map_line_read(anonymous, &m));
	assert_int_equal(m.inode, 0);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_false(durei_map_line_read(wrong[i], &m));
}

static void lock_lines(void **state)
{
	struct durei_lock_line l;

	(void)state;
	assert_true(durei_lock_line_read("1: POSIX  ADVISORY  WRITE 1234 00:1b:45 0 EOF\n", &l));
	assert_true(!l.is_waiting && l.is_exclusive && l.process == 1234 && l.inode == 45);
	assert_true(durei_lock_line_read("1:   -> FLOCK  ADVISORY  READ 77 fe:00:2 0 EOF", &l));
	assert_true(l.is_waiting && !l.is_exclusive && l.process == 77);
	assert_true(durei_lock_line_read("9: OFDLCK ADVISORY  WRITE -1 00:1b:1 4 4", &l));
	assert_int_equal(l.process, 0);
	assert_false(durei_lock_line_read("3: LEASE  ACTIVE    READ 5 fe:00:2 0 EOF", &l));
	assert_false(durei_lock_line_read("3: POSIX  ADVISORY  READ 5 <none>:0 0 EOF", &l));
	assert_false(durei_lock_line_read("", &l));
}

static void process_texts(void **state)
{
	char plain[] = "12 (a) b) (c)) S 1 12 12 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 13 0 777 43794432 1";
	char kernel[] = "2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 8 0 0";
	char cut[] = "12 (a) S 1 2";
	char without[] = "12 a S 1";
	struct durei_host_process p = { .is_kernel = false };

	(void)state;
	assert_true(durei_stat_read(plain, &p));
	assert_string_equal(plain, "a) b) (c)");
	assert_true(p.p.pid == 12 && p.p.parent == 1 && p.p.threads == 13 && p.start_ticks == 777);
	assert_false(p.is_kernel);
	assert_true(durei_stat_read(kernel, &p) && p.is_kernel);
	assert_false(durei_stat_read(cut, &p) || durei_stat_read(without, &p));
}

static void labels(void **state)
{
	static const char *const pairs[][2] = {
		{ "0::/\n", "" },
		{ "0::/system.slice/nginx.service\n", "nginx.service" },
		{ "0::/system.slice/docker-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
		  ".scope\n", "docker 0123456789ab" },
		{ "5:memory:/docker/fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210\n0::/\n",
		  "container fedcba987654" },
		{ "0::/kubepods/besteffort/pod1/aaaabbbbccccddddeeeeffff0000111122223333444455556666777788889999",
		  "pod aaaabbbbcccc" },
		{ "0::/lxc.payload.web/init.scope\n", "lxc web" },
		{ "0::/user.slice/user-0.slice/session-1.scope\n", "" },
		{ "", "" },
		{ "no slash", "" },
	};
	char label[80];

	(void)state;
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		durei_cgroup_label(pairs[i][0], label, sizeof label);
		assert_string_equal(label, pairs[i][1]);
	}
}

static void system_calls(void **state)
{
	struct durei_syscall_line l;

	(void)state;
	assert_true(durei_syscall_line_read("202 0x7f00 0x80 0x2 0x0 0x0 0xffffffff 0x7ffe 0x7f", &l));
	assert_true(l.number == 202 && l.arguments[0] == 0x7f00 && l.arguments[1] == 0x80);
	assert_false(durei_syscall_line_read("running\n", &l));
	assert_false(durei_syscall_line_read("-1 0x7ffe 0x7f", &l));
	assert_false(durei_syscall_line_read("202 0x7f00", &l));
}

/* Any bytes: read or refused, nothing else; the sanitizers watch. */
static void any_bytes(void **state)
{
	static const char *const seeds[] = {
		"7f0c8000-7f0c9000 rw-s 00001000 00:1b 4711   /dev/shm/a\\012b (deleted)",
		"1:   -> FLOCK  ADVISORY  READ 77 fe:00:2 0 EOF",
		"12 (a) b) (c)) S 1 12 12 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 13 0 777 43794432 1",
		"0::/kubepods/pod1/aaaabbbbccccddddeeeeffff0000111122223333444455556666777788889999\n5:a:/x",
		"202 0x7f00 0x80 0x2 0x0 0x0 0xffffffff 0x7ffe 0x7f",
	};
	struct durei_host_process process;
	struct durei_syscall_line call;
	struct durei_lock_line lock;
	struct durei_map_line map;
	char label[80];
	unsigned seed = 7;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		const char *from = seeds[i % 5];
		size_t bytes = strlen(from);
		char *text = malloc(bytes + 1);		/* exactly, so that one too many is seen */
		assert_non_null(text);
		memcpy(text, from, bytes + 1);
		for (int j = rand_r(&seed) % 4; j > 0; j--)
			text[(size_t)rand_r(&seed) % bytes] = (char)rand_r(&seed);
		if (rand_r(&seed) % 3 == 0)
			text[(size_t)rand_r(&seed) % bytes] = '\0';
		durei_cgroup_label(text, label, sizeof label);
		durei_syscall_line_read(text, &call);
		durei_lock_line_read(text, &lock);
		if (i % 2)
			durei_map_line_read(text, &map);
		else
			durei_stat_read(text, &process);
		free(text);
	}
}

/* -- verdicts ----------------------------------------------------------------------------- */

static pid_t run(int (*make)(void), int *ret_id)
{
	int result[2];

	assert_int_equal(pipe(result), 0);
	pid_t pid = fork();
	if (pid == 0) {
		int id = make();
		_exit(write(result[1], &id, sizeof id) == sizeof id ? 0 : 1);
	}
	assert_int_equal(read(result[0], ret_id, sizeof *ret_id), (ssize_t)sizeof *ret_id);
	waitpid(pid, NULL, 0);
	close(result[0]);
	close(result[1]);
	return pid;
}

static int make_shm(void)
{
	return shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
}

static int make_sem(void)
{
	int id = semget(IPC_PRIVATE, 2, IPC_CREAT | 0600);
	struct sembuf both[2] = { { .sem_num = 0, .sem_op = 1 }, { .sem_num = 1, .sem_op = 1 } };

	return semop(id, both, 2) == 0 ? id : -1;
}

/* a picture with one object in it, as complete as it can be, and nobody else on the host */
static dure_host *picture_of(uint32_t kind, int id)
{
	dure_host *host = calloc(1, sizeof *host);
	struct durei_identity identity = { kind, 1, (uint64_t)id };
	struct durei_host_object *object = durei_host_object(host, &identity);
	struct dure_host_object *o = &object->o;
	struct shmid_ds shm;
	struct semid_ds sem;

	host->flags = DURE_HOST_WAITS;
	host->proc = host->home = -1;
	o->kind = kind;
	o->id = id;
	o->ipc_namespace = 1;
	o->mode = 0600;
	o->owner = o->creator_user = geteuid();
	if (kind == DURE_HOST_SYSV_SHM) {
		assert_int_equal(shmctl(id, IPC_STAT, &shm), 0);
		o->size_bytes = shm.shm_segsz;
		o->changed_ns = (uint64_t)shm.shm_ctime * 1000000000u;
		o->creator = (uint32_t)shm.shm_cpid;
	} else {
		assert_int_equal(semctl(id, 0, IPC_STAT, &sem), 0);
		o->count = sem.sem_nsems;
		o->changed_ns = (uint64_t)sem.sem_ctime * 1000000000u;
		o->used_ns = (uint64_t)sem.sem_otime * 1000000000u;
	}
	return host;
}

static unsigned grade_of(const dure_host *host, uint64_t old_ns)
{
	struct dure_host_verdict v = { .sz = sizeof v };

	return dure_host_judge(host, 0, old_ns, &v) == 0 ? v.grade : 0;
}

static void add_process(dure_host *host, uint32_t pid, uint32_t user, uint64_t ipc_namespace,
			uint64_t started_ns)
{
	struct durei_host_process *p = durei_list_add(&host->processes, sizeof *p);

	assert_non_null(p);
	p->p = (struct dure_host_process){ .sz = sizeof p->p, .pid = pid, .inner_pid = pid, .user = user,
					   .ipc_namespace = ipc_namespace, .started_ns = started_ns,
					   .name = "other", .label = "" };
}

/* what is true of all System V objects whose users are all known to be gone */
static void each_missing_fact_lowers_it(uint32_t kind, int id)
{
	dure_host *host = picture_of(kind, id);
	struct dure_host_object *o = &OBJECT(host, 0)->o;

	assert_int_equal(grade_of(host, 0), DURE_HOST_GRADE_CERTAIN);
	assert_int_equal(grade_of(host, 3600 * UINT64_C(1000000000)), DURE_HOST_GRADE_UNUSED);
	o->key = 5;
	assert_int_equal(grade_of(host, 0), DURE_HOST_GRADE_LIKELY);
	o->key = 0;
	o->mode = 0660;
	assert_int_equal(grade_of(host, 0), DURE_HOST_GRADE_LIKELY);
	o->mode = 0600;
	host->flags = 0;
	assert_int_equal(grade_of(host, 0), DURE_HOST_GRADE_UNUSED);
	host->flags = DURE_HOST_WAITS;
	host->kinds = 1u << kind;
	assert_int_equal(grade_of(host, 0), DURE_HOST_GRADE_UNUSED);
	host->kinds = 0;
	/* somebody of the same user elsewhere does not matter; who may be here, does */
	add_process(host, 1, geteuid(), 2, 0);
	assert_int_equal(grade_of(host, 0), DURE_HOST_GRADE_CERTAIN);
	PROCESS(host, 0)->p.ipc_namespace = 0;
	assert_int_equal(grade_of(host, 0), DURE_HOST_GRADE_LIKELY);
	PROCESS(host, 0)->p.ipc_namespace = 1;
	assert_int_equal(grade_of(host, 0), DURE_HOST_GRADE_LIKELY);
	PROCESS(host, 0)->p.user = geteuid() + 1;
	assert_int_equal(grade_of(host, 0), DURE_HOST_GRADE_CERTAIN);
	o->owner = geteuid() + 1;
	assert_int_equal(grade_of(host, 0), DURE_HOST_GRADE_LIKELY);
	o->owner = geteuid();
	durei_host_note(host, "something could not be seen");
	assert_int_equal(grade_of(host, 0), DURE_HOST_GRADE_LIKELY);
	o->flags = DURE_HOST_ELSEWHERE;
	assert_int_equal(grade_of(host, 0), DURE_HOST_GRADE_UNKNOWN);
	o->flags = 0;
	/* made anew in between */
	o->changed_ns += 1000000000u;
	assert_int_equal(grade_of(host, 0), 0);
	dure_host_close(host);
}

static void memory_of_the_dead(void **state)
{
	dure_host *host;
	int id;

	(void)state;
	run(make_shm, &id);
	each_missing_fact_lowers_it(DURE_HOST_SYSV_SHM, id);
	host = picture_of(DURE_HOST_SYSV_SHM, id);
	struct dure_host_object *o = &OBJECT(host, 0)->o;
	uint32_t creator = o->creator;
	void *bytes = shmat(id, NULL, 0);
	assert_int_equal(grade_of(host, 0), DURE_HOST_GRADE_USED);
	shmdt(bytes);
	/* another pid in the picture than in the kernel: not the same object */
	o->creator = creator + 1;
	assert_int_equal(grade_of(host, 0), 0);
	o->creator = creator;
	o->last[0] = (uint32_t)getpid();
	assert_int_equal(grade_of(host, 0), DURE_HOST_GRADE_UNUSED);
	dure_host_close(host);
	shmctl(id, IPC_RMID, NULL);
}

static void memory_of_the_living(void **state)
{
	int id = make_shm();
	dure_host *host = picture_of(DURE_HOST_SYSV_SHM, id);

	(void)state;
	assert_int_equal(grade_of(host, 0), DURE_HOST_GRADE_UNUSED);
	/* a process of that pid which began later is another one: likely, and no more */
	add_process(host, (uint32_t)getpid(), geteuid() + 1, 1,
		    OBJECT(host, 0)->o.changed_ns + 3600 * UINT64_C(1000000000));
	assert_int_equal(grade_of(host, 0), DURE_HOST_GRADE_LIKELY);
	/* within two seconds clocks do not tell */
	PROCESS(host, 0)->p.started_ns = OBJECT(host, 0)->o.changed_ns + 1000000000u;
	assert_int_equal(grade_of(host, 0), DURE_HOST_GRADE_UNUSED);
	dure_host_close(host);
	shmctl(id, IPC_RMID, NULL);
}

static void semaphores(void **state)
{
	struct sembuf up = { .sem_op = 1 };
	dure_host *host;
	int id;

	(void)state;
	run(make_sem, &id);
	each_missing_fact_lowers_it(DURE_HOST_SYSV_SEM, id);
	host = picture_of(DURE_HOST_SYSV_SEM, id);
	assert_int_equal(grade_of(host, 0), DURE_HOST_GRADE_CERTAIN);
	OBJECT(host, 0)->o.sleepers = 1;
	assert_int_equal(grade_of(host, 0), DURE_HOST_GRADE_USED);
	dure_host_close(host);
	/* we use it, and live */
	assert_int_equal(semop(id, &up, 1), 0);
	host = picture_of(DURE_HOST_SYSV_SEM, id);
	assert_int_equal(grade_of(host, 0), DURE_HOST_GRADE_USED);
	dure_host_close(host);
	semctl(id, 0, IPC_RMID);
	/* nobody has used it: who made a set the kernel does not keep */
	id = semget(IPC_PRIVATE, 1, IPC_CREAT | 0600);
	host = picture_of(DURE_HOST_SYSV_SEM, id);
	assert_int_equal(grade_of(host, 0), DURE_HOST_GRADE_UNUSED);
	semctl(id, 0, IPC_RMID);
	assert_int_equal(grade_of(host, 0), 0);
	dure_host_close(host);
}

/* -- refused calls ------------------------------------------------------------------------ */

struct seeking {
	uint64_t inode, index;
	bool is_found;
};

static int seek(const struct dure_host_object *object, void *context)
{
	struct seeking *seeking = context;

	if (object->kind == DURE_HOST_POSIX_SHM && object->inode == seeking->inode) {
		seeking->index = object->index;
		seeking->is_found = true;
	}
	return 0;
}

/* Our file is mapped by us. Whatever the kernel refuses, nobody may be told that it is unused. */
static void look_and_judge(uint64_t inode)
{
	struct dure_host_options options = { .sz = sizeof options, .flags = DURE_HOST_WAITS };
	struct dure_host_verdict verdict = { .sz = sizeof verdict };
	struct seeking seeking = { .inode = inode };
	dure_host *host = NULL;
	int r = dure_host_look(&options, &host);

	if (r < 0) {
		assert_null(host);
		assert_true(r == -ENOMEM || r == -EMFILE || r == -ENOENT || r == -EIO);
		assert_true(*dure_last_error() != '\0');
		return;
	}
	dure_host_object_list(host, seek, &seeking);
	if (seeking.is_found && dure_host_judge(host, seeking.index, 0, &verdict) == 0)
		assert_true(verdict.grade == DURE_HOST_GRADE_USED ||
			    verdict.grade == DURE_HOST_GRADE_UNKNOWN);
	dure_host_close(host);
}

static void refusals_hide_no_user(void **state)
{
	static const int errors[] = { EACCES, EMFILE, ENOMEM, ESRCH };
	char path[64];
	struct stat st;

	(void)state;
	snprintf(path, sizeof path, "/dev/shm/unit-host-%d", (int)getpid());
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0 && ftruncate(fd, 4096) == 0 && fstat(fd, &st) == 0);
	void *bytes = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(bytes != MAP_FAILED);
	close(fd);
	refused_call = calls = 0;
	refused_call = LONG_MAX;
	look_and_judge((uint64_t)st.st_ino);
	long all = calls, step = all / 100 + 1;
	assert_true(all > 50);
	for (long n = 1; n <= all; n += n < 100 ? 1 : step) {
		calls = 0;
		refused_call = n;
		refused_errno = errors[n % 4];
		look_and_judge((uint64_t)st.st_ino);
	}
	refused_call = 0;
	munmap(bytes, 4096);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(map_lines),	       cmocka_unit_test(lock_lines),
		cmocka_unit_test(process_texts),       cmocka_unit_test(labels),
		cmocka_unit_test(system_calls),	       cmocka_unit_test(any_bytes),
		cmocka_unit_test(memory_of_the_dead),  cmocka_unit_test(memory_of_the_living),
		cmocka_unit_test(semaphores),	       cmocka_unit_test(refusals_hide_no_user),
	};

	return cmocka_run_group_tests_name("host", tests, NULL, NULL);
}

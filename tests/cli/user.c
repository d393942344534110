/* SPDX-License-Identifier: MIT */
/*
 * user.c - objects of the kernel's own for the tests of the command, and users of them
 *
 *	user shm|sem|msg left|used		System V, without a key. left: made, used once, and
 *						its maker gone. used: somebody has it attached,
 *						sleeps on it, sleeps for a message
 *	user sem idle				made by who stays; who used it last is gone
 *	user sem dead				one waits for the unit that a killed one had: "ready
 *						WAITER ID"; the set stays
 *	user sems COUNT				so many sets, left
 *	user posix|queue|named-sem NAME left|used
 *	user memfd|deleted|anonymous used
 *	user shm-huge used			System V memory of huge pages
 *	user huge PATH used			a file on a hugetlbfs, mapped
 *	user mutex NAME held|dead|circle	libc mutexes in /dev/shm/NAME: a process waits for one
 *						that another holds; that a dead one held; two wait
 *						for each other's
 *	user flock PATH				one process has the lock, another waits for it
 *	user churn NAME				uses one object of each kind without end: opens, maps,
 *						posts, sends, receives; ends with SIGTERM, and
 *						says "fine" if all went well
 *
 * Says "ready PID ID" (mutex, flock: "ready HOLDER WAITER") when that is so, and stays until
 * its input ends; left ones end at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BYTES = 65536, HUGE_BYTES = 2 << 20 };

struct message {
	long type;
	char text[6];
};

static pid_t waiter;

static void must(long r, const char *what)
{
	if (r != -1)
		return;
	perror(what);
	exit(1);
}

static pid_t child(void)
{
	pid_t pid = fork();

	must(pid, "fork");
	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

/* until the process sleeps in the kernel, and not just for a moment; at most some ten seconds */
static void until_asleep(pid_t pid)
{
	struct timespec moment = { .tv_nsec = 1000000 };
	char path[64], state = '?';
	int asleep = 0;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	for (int i = 0; i < 10000 && asleep < 20; i++) {
		FILE *file = fopen(path, "re");
		bool is_read = file && fscanf(file, "%*d (%*[^)]) %c", &state) == 1;
		if (file)
			fclose(file);
		asleep = is_read && state == 'S' ? asleep + 1 : 0;
		nanosleep(&moment, NULL);
	}
	if (asleep < 20) {
		fputs("user: nobody waits\n", stderr);
		exit(1);
	}
}

static void stay(long a, long b)
{
	printf("ready %ld %ld\n", a, b);
	fflush(stdout);
	while (getchar() != EOF)
		;
	if (waiter)
		kill(waiter, SIGKILL);
}

static void leave(long id)
{
	printf("ready %d %ld\n", (int)getpid(), id);
	fflush(stdout);
}

/* -- System V ----------------------------------------------------------------------------- */

static void use_shm(bool is_used, bool is_huge)
{
	int id = shmget(IPC_PRIVATE, is_huge ? HUGE_BYTES : BYTES,
			IPC_CREAT | (is_huge ? SHM_HUGETLB : 0) | 0600);
	char *bytes;

	must(id, "shmget");
	bytes = shmat(id, NULL, 0);
	must((long)bytes, "shmat");
	strcpy(bytes + 5000, "contents");
	if (is_used)
		stay(getpid(), id);
	shmdt(bytes);
	if (!is_used)
		leave(id);
	else
		shmctl(id, IPC_RMID, NULL);
}

static void change(int id, int by)
{
	struct sembuf operation = { .sem_op = (short)by };

	must(semop(id, &operation, 1), "semop");
}

static int new_sem(void)
{
	int id = semget(IPC_PRIVATE, 2, IPC_CREAT | 0600);

	must(id, "semget");
	change(id, 3);
	return id;
}

/* A semaphore as a lock: who took the unit was killed, and the next one waits. The set stays. */
static void use_dead_sem(int id)
{
	pid_t holder = child();

	if (holder == 0) {
		change(id, 1);
		change(id, -1);
		kill(getpid(), SIGKILL);
	}
	waitpid(holder, NULL, 0);
	waiter = child();
	if (waiter == 0) {
		change(id, -1);
		_exit(0);
	}
	until_asleep(waiter);
	stay(waiter, id);
}

static void use_sem(const char *how)
{
	int id = -1;

	if (strcmp(how, "left") == 0) {
		leave(new_sem());
		return;
	}
	id = semget(IPC_PRIVATE, 2, IPC_CREAT | 0600);
	must(id, "semget");
	if (strcmp(how, "dead") == 0) {
		use_dead_sem(id);
		return;
	}
	waiter = child();
	if (waiter == 0) {
		change(id, strcmp(how, "idle") == 0 ? 1 : -1);
		_exit(0);
	}
	if (strcmp(how, "idle") == 0) {
		waitpid(waiter, NULL, 0);
		waiter = 0;
	} else {
		until_asleep(waiter);
	}
	stay(getpid(), id);
	semctl(id, 0, IPC_RMID);
}

static void leave_sems(int count)
{
	for (int i = 0; i < count; i++)
		new_sem();
	leave(count);
}

static void use_msg(bool is_used)
{
	struct message message = { .type = 7, .text = "hello" };
	int id = msgget(IPC_PRIVATE, IPC_CREAT | 0600);

	must(id, "msgget");
	if (!is_used) {
		must(msgsnd(id, &message, sizeof message.text, 0), "msgsnd");
		message.type = 3;
		must(msgsnd(id, &message, 3, 0), "msgsnd");
		leave(id);
		return;
	}
	waiter = child();
	if (waiter == 0) {
		msgrcv(id, &message, sizeof message.text, 0, 0);
		_exit(0);
	}
	until_asleep(waiter);
	stay(getpid(), id);
	msgctl(id, IPC_RMID, NULL);
}

/* -- files and queues --------------------------------------------------------------------- */

static void use_posix(const char *name, bool is_used)
{
	int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
	char *bytes;

	must(fd, "shm_open");
	must(ftruncate(fd, BYTES), "ftruncate");
	bytes = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must((long)bytes, "mmap");
	close(fd);
	strcpy(bytes + 5000, "contents");
	if (is_used)
		stay(getpid(), 0);
	else
		leave(0);
}

static void use_queue(const char *name, bool is_used)
{
	struct mq_attr attr = { .mq_maxmsg = 5, .mq_msgsize = 64 };
	char path[300];

	snprintf(path, sizeof path, "/%s", name);
	mqd_t queue = mq_open(path, O_RDWR | O_CREAT | O_EXCL, 0640, &attr);
	must((long)queue, "mq_open");
	must(mq_send(queue, "low", 3, 1), "mq_send");
	must(mq_send(queue, "high", 4, 9), "mq_send");
	must(mq_send(queue, "low2", 4, 1), "mq_send");
	if (is_used)
		stay(getpid(), 0);
	else
		leave(0);
	mq_close(queue);
}

static void use_named_sem(const char *name, bool is_used)
{
	char path[300];

	snprintf(path, sizeof path, "/%s", name);
	sem_t *semaphore = sem_open(path, O_CREAT | O_EXCL, 0600, 5);
	if (semaphore == SEM_FAILED)
		must(-1, "sem_open");
	if (is_used)
		stay(getpid(), 0);
	else
		leave(0);
}

static void use_nameless(const char *kind)
{
	int fd = -1;
	void *bytes;

	if (strcmp(kind, "memfd") == 0)
		fd = memfd_create("one\ntwo", MFD_CLOEXEC);
	if (strcmp(kind, "deleted") == 0) {
		fd = shm_open("/cli-user-deleted", O_RDWR | O_CREAT | O_EXCL, 0600);
		shm_unlink("/cli-user-deleted");
	}
	if (fd >= 0)
		must(ftruncate(fd, BYTES), "ftruncate");
	bytes = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, fd < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED,
		     fd, 0);
	must((long)bytes, "mmap");
	memset(bytes, 1, BYTES);
	if (strcmp(kind, "deleted") == 0)	/* mapped alone: no descriptor tells of it */
		close(fd);
	stay(getpid(), 0);
}

static void use_huge(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	must(fd, "open");
	must(ftruncate(fd, HUGE_BYTES), "ftruncate");
	char *bytes = mmap(NULL, HUGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must((long)bytes, "mmap");
	close(fd);
	bytes[0] = 1;
	stay(getpid(), 0);
	unlink(path);
}

/* -- locks -------------------------------------------------------------------------------- */

static pthread_mutex_t *new_mutexes(const char *name)
{
	int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
	pthread_mutexattr_t attr;

	must(fd, "shm_open");
	must(ftruncate(fd, 4096), "ftruncate");
	pthread_mutex_t *mutexes =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must((long)mutexes, "mmap");
	close(fd);
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&mutexes[0], &attr);
	pthread_mutex_init(&mutexes[1], &attr);
	return mutexes;
}

static void use_mutex(const char *name, const char *how)
{
	pthread_mutex_t *mutexes = new_mutexes(name);
	int has[2];
	pid_t holder;
	char byte = 'x';

	must(pipe(has), "pipe");
	holder = child();
	if (holder == 0) {
		pthread_mutex_lock(&mutexes[0]);
		must(write(has[1], &byte, 1), "write");
		pause();
		_exit(0);
	}
	must(read(has[0], &byte, 1), "read");
	if (strcmp(how, "dead") == 0) {
		kill(holder, SIGKILL);
		waitpid(holder, NULL, 0);
	}
	waiter = child();
	if (waiter == 0) {
		pthread_mutex_lock(&mutexes[0]);
		_exit(0);
	}
	until_asleep(waiter);
	stay(holder, waiter);
	shm_unlink(name);
	kill(holder, SIGKILL);
}

/* Two processes, each with one mutex, waiting for the other's. */
static void use_circle(const char *name)
{
	pthread_mutex_t *mutexes = new_mutexes(name);
	int *both = (int *)(void *)&mutexes[2];		/* both have one: they may go on */
	int has[2];
	pid_t pids[2];
	char byte = 'x';

	must(pipe(has), "pipe");
	for (int i = 0; i < 2; i++) {
		pids[i] = child();
		if (pids[i] == 0) {
			pthread_mutex_lock(&mutexes[i]);
			must(write(has[1], &byte, 1), "write");
			while (!__atomic_load_n(both, __ATOMIC_ACQUIRE))
				sched_yield();
			pthread_mutex_lock(&mutexes[!i]);
			_exit(0);
		}
	}
	must(read(has[0], &byte, 1), "read");
	must(read(has[0], &byte, 1), "read");
	__atomic_store_n(both, 1, __ATOMIC_RELEASE);
	until_asleep(pids[0]);
	until_asleep(pids[1]);
	stay(pids[0], pids[1]);
	shm_unlink(name);
	kill(pids[0], SIGKILL);
	kill(pids[1], SIGKILL);
}

static void use_flock(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	must(fd, "open");
	must(flock(fd, LOCK_EX), "flock");
	waiter = child();
	if (waiter == 0) {
		fd = open(path, O_RDWR | O_CLOEXEC);
		flock(fd, LOCK_EX);
		_exit(0);
	}
	until_asleep(waiter);
	stay(getpid(), waiter);
}

/* -- churn -------------------------------------------------------------------------------- */

/* SIGTERM is blocked, so that it interrupts nothing */
static bool is_told_to_end(void)
{
	sigset_t pending;

	return sigpending(&pending) == 0 && sigismember(&pending, SIGTERM) == 1;
}

/* What a careful program does with names it keeps: each step must work, each time. */
static const char *churn_once(const char *name, int shm, int sem, int msg, mqd_t queue, sem_t *named)
{
	struct sembuf up = { .sem_op = 1 }, down = { .sem_op = -1 };
	struct message message = { .type = 1, .text = "ping" };
	char text[64];
	unsigned priority;

	int fd = shm_open(name, O_RDWR, 0);
	if (fd < 0)
		return "shm_open";
	char *bytes = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (bytes == MAP_FAILED)
		return "mmap";
	++*(unsigned *)(void *)bytes;
	munmap(bytes, BYTES);
	bytes = shmat(shm, NULL, 0);
	if (bytes == (void *)-1)
		return "shmat";
	++*(unsigned *)(void *)bytes;
	shmdt(bytes);
	if (semop(sem, &up, 1) < 0 || semop(sem, &down, 1) < 0)
		return "semop";
	if (msgsnd(msg, &message, sizeof message.text, 0) < 0 ||
	    msgrcv(msg, &message, sizeof message.text, 0, 0) < 0)
		return "msg";
	if (mq_send(queue, "ping", 4, 0) < 0 || mq_receive(queue, text, sizeof text, &priority) < 0)
		return "mq";
	if (sem_post(named) < 0 || sem_wait(named) < 0)
		return "sem_post";
	return NULL;
}

static void churn(const char *name)
{
	struct mq_attr attr = { .mq_maxmsg = 5, .mq_msgsize = 64 };
	int shm = shmget(IPC_PRIVATE, BYTES, IPC_CREAT | 0600);
	int sem = semget(IPC_PRIVATE, 1, IPC_CREAT | 0600), msg = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
	int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
	char path[300];
	const char *wrong = NULL;
	unsigned long rounds = 0;
	sigset_t term;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	snprintf(path, sizeof path, "/%s", name);
	mqd_t queue = mq_open(path, O_RDWR | O_CREAT | O_EXCL, 0600, &attr);
	sem_t *named = sem_open(path, O_CREAT | O_EXCL, 0600, 0);
	must(shm, "shmget");
	must(sem, "semget");
	must(msg, "msgget");
	must((long)queue, "mq_open");
	must(ftruncate(fd, BYTES), "ftruncate");
	/* somebody always has the memory: who keeps only a name may lose it, and is told so */
	void *kept = shmat(shm, NULL, 0);
	printf("ready %d %d\n", (int)getpid(), shm);
	fflush(stdout);
	while (!wrong && !is_told_to_end()) {
		wrong = churn_once(name, shm, sem, msg, queue, named);
		rounds++;
	}
	printf(wrong ? "failed: %s: %s\n" : "fine %s%s%lu\n", wrong ? wrong : "", wrong ? strerror(errno) : "",
	       rounds);
	shmdt(kept);
	shmctl(shm, IPC_RMID, NULL);
	semctl(sem, 0, IPC_RMID);
	msgctl(msg, IPC_RMID, NULL);
	mq_unlink(path);
	sem_unlink(path);
	shm_unlink(name);
}

int main(int argc, char **argv)
{
	const char *kind = argc > 1 ? argv[1] : "", *what = argc > 2 ? argv[2] : "";
	bool is_used = strcmp(argc > 3 ? argv[3] : what, "used") == 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (strcmp(kind, "shm") == 0)
		use_shm(is_used, false);
	else if (strcmp(kind, "shm-huge") == 0)
		use_shm(is_used, true);
	else if (strcmp(kind, "huge") == 0)
		use_huge(what);
	else if (strcmp(kind, "sem") == 0)
		use_sem(what);
	else if (strcmp(kind, "sems") == 0)
		leave_sems(atoi(what));
	else if (strcmp(kind, "msg") == 0)
		use_msg(is_used);
	else if (strcmp(kind, "posix") == 0)
		use_posix(what, is_used);
	else if (strcmp(kind, "queue") == 0)
		use_queue(what, is_used);
	else if (strcmp(kind, "named-sem") == 0)
		use_named_sem(what, is_used);
	else if (strcmp(kind, "mutex") == 0 && argc > 3 && strcmp(argv[3], "circle") == 0)
		use_circle(what);
	else if (strcmp(kind, "mutex") == 0)
		use_mutex(what, argv[3]);
	else if (strcmp(kind, "flock") == 0)
		use_flock(what);
	else if (strcmp(kind, "churn") == 0)
		churn(what);
	else
		use_nameless(kind);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * process.c - how long does it take to run a program from a big process
 *
 * A process with 256 MiB of touched memory runs /bin/true and waits for its end, or runs
 * /bin/echo and reads what it says. fork pays for the memory, page table by page table.
 */
#include <dure.h>

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "timing.h"

extern char **environ;

static const size_t touched_bytes = (size_t)256 << 20;
static void *touched;
static unsigned touched_users;

static char *const nothing[] = { (char *)(uintptr_t) "/bin/true", NULL };
static char *const greeting[] = { (char *)(uintptr_t) "/bin/echo", (char *)(uintptr_t) "hello", NULL };

/* One buffer for all contenders: they take turns. In small pages: a page table of some size. */
static void *open_touched(const void *argument)
{
	(void)argument;
	if (touched_users++ > 0)
		return touched;
	touched = mmap(NULL, touched_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (touched == MAP_FAILED)
		bench_die("no 256 MiB of memory");
	(void)madvise(touched, touched_bytes, MADV_NOHUGEPAGE);
	memset(touched, 1, touched_bytes);
	return touched;
}

static void close_touched(void *state)
{
	if (--touched_users == 0)
		munmap(state, touched_bytes);
}

static double per_program(double start, uint64_t ops)
{
	return (bench_now() - start) / (double)ops / 1000;
}

static double dure_start(void *state, uint64_t ops)
{
	double start = bench_now();

	(void)state;
	for (uint64_t i = 0; i < ops; i++) {
		dure_process *process;
		bench_must(dure_process_start((const char *const *)nothing, NULL, &process), "start");
		bench_must(dure_process_wait(process, DURE_FOREVER), "wait");
		bench_must(dure_process_close(process), "close");
	}
	return per_program(start, ops);
}

static double spawn_start(void *state, uint64_t ops)
{
	double start = bench_now();

	(void)state;
	for (uint64_t i = 0; i < ops; i++) {
		pid_t pid;
		if (posix_spawn(&pid, nothing[0], NULL, NULL, nothing, environ) != 0)
			bench_die("posix_spawn failed");
		waitpid(pid, NULL, 0);
	}
	return per_program(start, ops);
}

static double fork_start(void *state, uint64_t ops)
{
	double start = bench_now();

	(void)state;
	for (uint64_t i = 0; i < ops; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			execv(nothing[0], nothing);
			_exit(127);
		}
		waitpid(pid, NULL, 0);
	}
	return per_program(start, ops);
}

/* popen is made for output: what true does not say is waited for */
static double popen_start(void *state, uint64_t ops)
{
	double start = bench_now();

	(void)state;
	for (uint64_t i = 0; i < ops; i++) {
		FILE *f = popen("/bin/true", "r");
		if (!f || pclose(f) != 0)
			bench_die("popen failed");
	}
	return per_program(start, ops);
}

static double dure_run(void *state, uint64_t ops)
{
	double start = bench_now();

	(void)state;
	for (uint64_t i = 0; i < ops; i++) {
		struct dure_run_result result = { .sz = sizeof result };
		bench_must(dure_process_run((const char *const *)greeting, NULL, NULL, DURE_FOREVER,
					    &result), "run");
		if (result.output_bytes != 6)
			bench_die("echo said something else");
		dure_run_free(&result);
	}
	return per_program(start, ops);
}

static double popen_run(void *state, uint64_t ops)
{
	double start = bench_now();
	char line[64];

	(void)state;
	for (uint64_t i = 0; i < ops; i++) {
		FILE *f = popen("/bin/echo hello", "r");
		if (!f || !fgets(line, sizeof line, f))
			bench_die("popen failed");
		pclose(f);
	}
	return per_program(start, ops);
}

static double spawn_run(void *state, uint64_t ops)
{
	double start = bench_now();
	char line[64];

	(void)state;
	for (uint64_t i = 0; i < ops; i++) {
		posix_spawn_file_actions_t actions;
		int ends[2];
		pid_t pid;
		if (pipe2(ends, O_CLOEXEC) != 0)
			bench_die("pipe2 failed");
		posix_spawn_file_actions_init(&actions);
		posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
		if (posix_spawn(&pid, greeting[0], &actions, NULL, greeting, environ) != 0)
			bench_die("posix_spawn failed");
		posix_spawn_file_actions_destroy(&actions);
		close(ends[1]);
		while (read(ends[0], line, sizeof line) > 0)
			;
		close(ends[0]);
		waitpid(pid, NULL, 0);
	}
	return per_program(start, ops);
}

#define CONTENDER(name, function)                                                                 \
	{ .who = name, .open = open_touched, .round = function, .close = close_touched }

const struct bench_row bench_process_rows[] = {
	{
		.name = "start",
		.what = "run a program to its end, 256 MiB touched",
		.unit = "us",
		.ops = 100,
		.contenders = { CONTENDER("dure", dure_start), CONTENDER("posix_spawn", spawn_start),
				{ .who = "fork + exec", .open = open_touched, .round = fork_start,
				  .close = close_touched, .ops = 20 },
				CONTENDER("popen", popen_start) },
		.goals = { { .text = "posix_spawn + 10 %", .of = { { "posix_spawn", 1.1 } } } },
	},
	{
		.name = "run",
		.what = "run a program and read its output, 256 MiB touched",
		.unit = "us",
		.ops = 100,
		.contenders = { CONTENDER("dure", dure_run), CONTENDER("posix_spawn + pipe", spawn_run),
				CONTENDER("popen", popen_run) },
		.goals = { { .text = "posix_spawn + 10 %", .of = { { "posix_spawn + pipe", 1.1 } } } },
	},
	{ .name = NULL },
};

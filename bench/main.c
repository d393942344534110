/* SPDX-License-Identifier: MIT */
/*
 * main.c - how fast dure is, beside its peers and its goals
 *
 *	bench [--quick] [--markdown] [--csv FILE] [--rounds N] [--list] [ROW-PATTERN]
 *
 * tools/bench builds and runs it. The pattern is one of the shell's, for the names of rows.
 * Exit status: 0 all rows were run, whether or not they meet their goals; 1 something failed.
 */
#include <dure/error.h>

#include <fnmatch.h>
#include <getopt.h>
#include <glob.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "alloc.h"
#include "run.h"
#include "timing.h"

enum { ROUNDS = 11, ROUNDS_QUICK = 5 };

struct choice {
	int is_quick, is_list;
	enum bench_form form;
	unsigned rounds;
	const char *csv, *pattern;
};

static const struct bench_row *const subjects[] = {
	bench_alloc_rows,
	bench_lock_rows,
	bench_shared_lock_rows,
	bench_tx_rows,
	bench_object_rows,
	bench_map_rows,
	bench_vector_rows,
	bench_list_rows,
	bench_ordered_rows,
	bench_queue_rows,
	bench_ring_rows,
	bench_topic_rows,
	bench_way_rows,
	bench_segment_rows,
	bench_recovery_rows,
	bench_growth_rows,
	bench_process_rows,
	bench_stream_rows,
};

void bench_die(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	fputs("bench: ", stderr);
	vfprintf(stderr, format, list);
	fputc('\n', stderr);
	va_end(list);
	exit(1);
}

void bench_must(int result, const char *what)
{
	if (result < 0)
		bench_die("%s: %s: %s", what, dure_strerror(result), dure_last_error());
}

static void stop(int signal)
{
	(void)signal;
	bench_is_stopped = 1;
}

/* One line on a terminal, written over. */
static void show_progress(const char *row, const char *doing)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K%s %s%s", row, doing[0] ? "setting up " : "running", doing);
}

static void clear_progress(void)
{
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
}

static void print_processor(void)
{
	char line[256], *colon;
	FILE *f = fopen("/proc/cpuinfo", "r");

	while (f && fgets(line, sizeof line, f))
		if (strncmp(line, "model name", 10) == 0 && (colon = strchr(line, ':'))) {
			colon[strcspn(colon, "\n")] = '\0';
			printf("%s, ", colon + 2);
			break;
		}
	if (f)
		fclose(f);
}

static void print_machine(void)
{
	const char *commit = getenv("DURE_BENCH_COMMIT");
	struct utsname u;

	uname(&u);
	print_processor();
	printf("%ld cores, Linux %s, compiler %s%s%s\n", sysconf(_SC_NPROCESSORS_ONLN), u.release,
	       __VERSION__, commit ? ", commit " : "", commit ? commit : "");
}

static void remove_all(const char *in_them)
{
	char pattern[96];
	glob_t found;

	snprintf(pattern, sizeof pattern, "/dev/shm/*dure-bench*-%d*%s", (int)getpid(), in_them);
	if (glob(pattern, 0, NULL, &found) != 0)
		return;
	for (size_t i = 0; i < found.gl_pathc; i++)
		(void)remove(found.gl_pathv[i]);
	globfree(&found);
}

static pid_t main_process;

/* Whatever way the program ends: a row that was cut off may have left names behind. */
static void leave_nothing(void)
{
	if (getpid() != main_process)
		return;
	remove_all("/*");
	remove_all("");
}

static int read_choice(int argc, char **argv, struct choice *c)
{
	static const struct option options[] = {
		{ "quick", no_argument, NULL, 'q' },	 { "markdown", no_argument, NULL, 'm' },
		{ "csv", required_argument, NULL, 'c' }, { "rounds", required_argument, NULL, 'r' },
		{ "list", no_argument, NULL, 'l' },	 { NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'q': c->is_quick = 1; break;
		case 'm': c->form = BENCH_MARKDOWN; break;
		case 'c': c->csv = optarg; break;
		case 'r': c->rounds = (unsigned)strtoul(optarg, NULL, 10); break;
		case 'l': c->is_list = 1; break;
		default: return -1;
		}
	}
	c->pattern = optind < argc ? argv[optind] : "*";
	return optind + 1 < argc || c->rounds > 63 ? -1 : 0;
}

struct tally {
	unsigned rows, goals, met;
};

static void run_row(const struct bench_row *row, const struct choice *c,
		    const struct bench_plan *plan, FILE *csv, struct tally *tally)
{
	struct bench_outcome outcome;

	bench_run(row, plan, &outcome);
	clear_progress();
	if (bench_is_stopped)
		return;
	bench_print_row(stdout, c->form, &outcome);
	if (csv)
		bench_print_csv(csv, &outcome);
	tally->rows++;
	tally->goals += outcome.goal > 0;
	tally->met += bench_outcome_is_met(&outcome);
}

static void each_row(const struct choice *c, const struct bench_plan *plan, FILE *csv,
		     struct tally *tally)
{
	for (unsigned s = 0; s < sizeof subjects / sizeof *subjects; s++)
		for (const struct bench_row *row = subjects[s]; row->name && !bench_is_stopped; row++) {
			if (fnmatch(c->pattern, row->name, 0) != 0 ||
			    (c->is_quick && row->flags & BENCH_LONG))
				continue;
			if (c->is_list)
				printf("%-20s %s\n", row->name, row->what);
			else
				run_row(row, c, plan, csv, tally);
		}
}

int main(int argc, char **argv)
{
	struct choice c = { .form = BENCH_TEXT };
	struct bench_plan plan = { .progress = show_progress };
	struct tally tally = { 0, 0, 0 };
	FILE *csv = NULL;

	if (argc == 4 && strcmp(argv[1], "--space") == 0)	/* asked for by itself */
		return bench_malloc_space(argv[2], argv[3]);
	if (read_choice(argc, argv, &c) < 0) {
		fputs("usage: bench [--quick] [--markdown] [--csv FILE] [--rounds N] [--list] "
		      "[ROW-PATTERN]\n", stderr);
		return 1;
	}
	plan.rounds = c.rounds ? c.rounds : c.is_quick ? ROUNDS_QUICK : ROUNDS;
	plan.ops_share = c.is_quick ? 0.25 : 1;
	if (c.is_list) {
		each_row(&c, &plan, NULL, &tally);
		return 0;
	}
	if (c.csv && !(csv = fopen(c.csv, "w")))
		bench_die("%s cannot be written", c.csv);
	signal(SIGINT, stop);
	signal(SIGTERM, stop);
	signal(SIGPIPE, stop);
	main_process = getpid();
	atexit(leave_nothing);
	bench_cores_choose();
	bench_pin(0);
	bench_probe_start();
	print_machine();
	putchar('\n');
	bench_print_head(stdout, c.form);
	if (csv)
		bench_print_csv_head(csv);
	each_row(&c, &plan, csv, &tally);
	bench_probe_stop();
	if (csv)
		fclose(csv);
	if (bench_is_stopped)
		bench_die("stopped");
	if (tally.rows == 0)
		bench_die("no row is called %s (--list shows them)", c.pattern);
	printf("\n%u rows, %u goals, %u met, %u not\n", tally.rows, tally.goals, tally.met,
	       tally.goals - tally.met);
	return 0;
}

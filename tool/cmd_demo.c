/* SPDX-License-Identifier: MIT */
/*
 * cmd_demo.c - dure demo: workers that are killed, and a count that is exact
 *
 * The supervisor makes the segment, forks the workers, kills one every few milliseconds and
 * forks another, draws the progress bar, and judges at the end.
 */
#include <getopt.h>
#include <inttypes.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "demo.h"
#include "progress.h"
#include "tool.h"

static int run(int argc, char **argv);

const struct command cmd_demo = {
	.name = "demo",
	.run = run,
	.summary = "count words with workers that are killed all the time",
	.usage = "Usage: dure demo [OPTION...] [FILE|DIRECTORY...]\n"
		 "Worker processes count the words of text in one shared map, while one of them\n"
		 "after the other is killed with SIGKILL and replaced. The result is compared with\n"
		 "a count by coreutils.\n\n"
		 "  -w, --workers N       how many workers (4)\n"
		 "  -k, --kill-every MS   milliseconds between two kills, 0: none (5)\n"
		 "  -s, --seconds S       go over the text again until then (10)\n"
		 "  -q, --quiet           only the exit status\n"
		 "  -h, --help            this text\n\n"
		 "Without FILE: licences and C headers, up to 16 MiB.\n"
		 "Exit status: 0 every count is equal and nothing leaked, 1 not so, 2 trouble.\n",
};

enum {
	WORKERS_MAX = 200,
	DRAW_NS = 100000000,
	SEGMENT_BYTES = 256 << 20,
	TOP_WORDS = 10,
};

struct choice {
	unsigned workers, kill_every_ms, seconds;
	bool is_quiet;
};

struct crew {
	pid_t pids[WORKERS_MAX];
	unsigned count;
	uint64_t kills;
	unsigned seed;
};

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void sleep_until(int64_t ns)
{
	struct timespec t = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

/* -- the segment ------------------------------------------------------------------------- */

static uint64_t count_units(const struct demo_corpus *corpus)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < corpus->count; i++)
		count += (corpus->sizes[i] + DEMO_UNIT_BYTES - 1) / DEMO_UNIT_BYTES;
	return count;
}

static int init_units(dure_tx *tx, void *object, uint64_t count, void *context)
{
	const struct demo_corpus *corpus = context;
	struct demo_unit *unit = object;

	(void)tx;
	(void)count;
	for (unsigned i = 0; i < corpus->count; i++)
		for (uint64_t at = 0; at < corpus->sizes[i]; at += DEMO_UNIT_BYTES) {
			uint64_t rest = corpus->sizes[i] - at;
			unit->file = i;
			unit->offset = at;
			unit->bytes = (uint32_t)(rest < DEMO_UNIT_BYTES ? rest : DEMO_UNIT_BYTES);
			unit++;
		}
	return 0;
}

static int make_objects(struct demo *demo)
{
	dure_segment *s = demo->segment;
	int r = dure_map_open(s, "words", DURE_CREATE, NULL, &demo->words);

	if (r >= 0)
		r = dure_object_construct(s, "board", DURE_TYPE(struct demo_board), 1, NULL, NULL,
					  (void **)&demo->board);
	if (r >= 0)
		r = dure_object_construct(s, "units", DURE_TYPE(struct demo_unit), demo->unit_count,
					  init_units, (void *)(uintptr_t)demo->corpus,
					  (void **)&demo->units);
	return r;
}

static int destroy_objects(struct demo *demo)
{
	dure_segment *s = demo->segment;
	int r = dure_map_destroy(s, "words");

	dure_map_close(demo->words);
	demo->words = NULL;
	if (r == 0)
		r = dure_object_destroy(s, "board", DURE_TYPE(struct demo_board), NULL, NULL);
	if (r == 0)
		r = dure_object_destroy(s, "units", DURE_TYPE(struct demo_unit), NULL, NULL);
	return r;
}

static uint64_t live_bytes(struct demo *demo)
{
	struct dure_heap_info heap = { .sz = sizeof heap };

	return dure_heap_info(demo->segment, &heap) == 0 ? heap.live_bytes + heap.reserved_bytes
							  : UINT64_MAX;
}

/* The directory's own tables stay when names go; so they are made before the first look. */
static int set_up(struct demo *demo, char *name, size_t name_bytes, uint64_t *ret_empty_bytes)
{
	struct dure_segment_options o = { .sz = sizeof o, .size_bytes = SEGMENT_BYTES,
					  .lifetime = DURE_LIFETIME_PROCESS };
	int r;

	snprintf(name, name_bytes, "demo-%d", (int)getpid());
	r = dure_segment_open(name, DURE_CREATE, &o, &demo->segment);
	demo->unit_count = count_units(demo->corpus);
	if (r >= 0)
		r = make_objects(demo);
	if (r >= 0)
		r = destroy_objects(demo);
	if (r >= 0) {
		*ret_empty_bytes = live_bytes(demo);
		r = make_objects(demo);
	}
	return r;
}

/* -- workers and their killer ------------------------------------------------------------ */

static pid_t start_worker(struct demo *demo)
{
	pid_t parent = getpid(), pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		demo_work(demo);
	}
	return pid;
}

static int start_crew(struct demo *demo, struct crew *crew, unsigned count)
{
	for (crew->count = 0; crew->count < count; crew->count++) {
		crew->pids[crew->count] = start_worker(demo);
		if (crew->pids[crew->count] < 0)
			return complain("demo", "fork failed"), -1;
	}
	return 0;
}

/* A random worker is killed, and another takes its place. */
static int kill_one(struct demo *demo, struct crew *crew)
{
	unsigned i = (unsigned)rand_r(&crew->seed) % crew->count;
	int status;

	__atomic_store_n(&demo->board->last_kill_ns, (uint64_t)now_ns(), __ATOMIC_RELAXED);
	kill(crew->pids[i], SIGKILL);
	if (waitpid(crew->pids[i], &status, 0) < 0 || !WIFSIGNALED(status))
		return complain("demo", "a worker had ended by itself"), -1;
	crew->kills++;
	crew->pids[i] = start_worker(demo);
	return crew->pids[i] < 0 ? (complain("demo", "fork failed"), -1) : 0;
}

/* They end by themselves when told so. */
static int dismiss_crew(struct demo *demo, struct crew *crew)
{
	int status, r = 0;

	__atomic_store_n(&demo->board->stops, 1, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < crew->count; i++)
		if (waitpid(crew->pids[i], &status, 0) < 0 || status != 0)
			r = -1;
	return r;
}

static void kill_crew(struct crew *crew)
{
	for (unsigned i = 0; i < crew->count; i++)
		if (crew->pids[i] > 0)
			kill(crew->pids[i], SIGKILL);
	while (wait(NULL) > 0)
		;
}

/* -- progress ---------------------------------------------------------------------------- */

static uint64_t passes_done(const struct demo *demo)
{
	uint64_t done = 0;

	for (uint64_t i = 0; i < demo->unit_count; i++)
		done += __atomic_load_n(&demo->units[i].passes, __ATOMIC_RELAXED);
	return done;
}

static void draw(const struct demo *demo, const struct choice *choice, const struct crew *crew,
		 int64_t elapsed_ns)
{
	double time_part = choice->seconds ? (double)elapsed_ns / 1e9 / choice->seconds : 1;
	double work = (double)passes_done(demo) / (double)demo->unit_count;
	double part = demo->board->goal > 1 || choice->seconds > 1 ? time_part : work;

	draw_bar(stderr, part);
	fprintf(stderr, "  pass %.1f  %" PRIu64 " kills  %" PRIu64 " waits for the dead ", work,
		crew->kills, demo->board->wait_count);
	fflush(stderr);
}

/* -- the run ----------------------------------------------------------------------------- */

/* Kills and counts until the time is up and the pass under way is complete. */
static int supervise(struct demo *demo, const struct choice *choice, struct crew *crew)
{
	int64_t start = now_ns(), end = start + (int64_t)choice->seconds * 1000000000;
	int64_t kill_step = (int64_t)choice->kill_every_ms * 1000000;
	int64_t next_kill = start + (kill_step ? kill_step : DRAW_NS), next_draw = start;
	bool draws = !choice->is_quiet && isatty(STDERR_FILENO);

	for (;;) {
		int64_t now = now_ns();
		if (now >= next_draw) {
			if (passes_done(demo) == demo->board->goal * demo->unit_count) {
				if (now >= end)
					break;
				__atomic_fetch_add(&demo->board->goal, 1, __ATOMIC_RELAXED);
			}
			if (draws)
				draw(demo, choice, crew, now - start);
			next_draw = now + DRAW_NS / 10;
		}
		sleep_until(next_kill < next_draw ? next_kill : next_draw);
		if (kill_step && now_ns() >= next_kill) {
			if (kill_one(demo, crew) < 0)
				return -1;
			next_kill += kill_step;
			if (next_kill < now_ns())
				next_kill = now_ns() + kill_step;
		}
	}
	if (draws)
		fputs("\r\033[K", stderr);
	return 0;
}

/* -- the report -------------------------------------------------------------------------- */

struct top {
	struct {
		char word[40];
		uint64_t count;
	} words[TOP_WORDS];
};

static int keep_top(const void *key, size_t key_bytes, const void *value, void *context)
{
	struct top *top = context;
	uint64_t count;
	int i = TOP_WORDS;

	memcpy(&count, value, sizeof count);
	while (i > 0 && top->words[i - 1].count < count)
		i--;
	if (i == TOP_WORDS)
		return 0;
	memmove(&top->words[i + 1], &top->words[i], sizeof *top->words * (size_t)(TOP_WORDS - 1 - i));
	snprintf(top->words[i].word, sizeof top->words[i].word, "%.*s", (int)key_bytes,
		 (const char *)key);
	top->words[i].count = count;
	return 0;
}

static int by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void report_waits(struct demo_board *board)
{
	uint64_t n = board->wait_count < DEMO_WAITS_MAX ? board->wait_count : DEMO_WAITS_MAX;

	qsort(board->waits_ns, n, sizeof *board->waits_ns, by_size);
	if (n)
		printf("survivors waited  %" PRIu64 " times: median %.3f ms, worst %.3f ms\n", n,
		       (double)board->waits_ns[n / 2] / 1e6, (double)board->waits_ns[n - 1] / 1e6);
	else
		puts("survivors waited  never");
}

static void report_top(struct demo *demo)
{
	struct top top = { 0 };

	if (dure_map_each(demo->words, keep_top, &top) < 0)
		return;
	fputs("most frequent     ", stdout);
	for (int i = 0; i < TOP_WORDS && top.words[i].count; i++)
		printf("%s%s %" PRIu64, i ? ", " : "", top.words[i].word, top.words[i].count);
	putchar('\n');
}

static void report_verdict(const char *what, bool good, const char *detail)
{
	printf("%-17s %s%s%s\n", what, color_on(stdout, good ? COLOR_GOOD : COLOR_BAD), detail,
	       color_off(stdout));
}

static int judge(struct demo *demo, const struct choice *choice, const struct crew *crew,
		 uint64_t empty_bytes)
{
	uint64_t passes = demo->board->goal, leaked;
	struct demo_verdict verdict;
	char text[300];

	if (demo_compare(demo, passes, &verdict) < 0)
		return EXIT_TROUBLE;
	if (!choice->is_quiet) {
		printf("text              %u files, %.1f MB, counted %" PRIu64 " times\n",
		       demo->corpus->count, (double)demo->corpus->total_bytes / 1e6, passes);
		printf("words             %" PRIu64 ", %" PRIu64 " distinct\n", verdict.words * passes,
		       verdict.distinct);
		printf("workers killed    %" PRIu64 "\n", crew->kills);
		report_waits(demo->board);
		report_top(demo);
	}
	if (dure_segment_recover(demo->segment) < 0 || destroy_objects(demo) < 0)
		return complain("demo", "%s", dure_last_error());
	leaked = live_bytes(demo) - empty_bytes;
	if (!choice->is_quiet) {
		snprintf(text, sizeof text, "%" PRIu64, leaked);
		report_verdict("bytes leaked", leaked == 0, text);
		snprintf(text, sizeof text, "%" PRIu64 " of %" PRIu64 " counts differ%s%s",
			 verdict.wrong, verdict.distinct, verdict.wrong ? ": " : "", verdict.example);
		report_verdict("coreutils say", verdict.wrong == 0,
			       verdict.wrong ? text : "the same, word for word");
	}
	return verdict.wrong || leaked ? EXIT_FOUND : EXIT_FINE;
}

static int demonstrate(const struct choice *choice, struct demo_corpus *corpus)
{
	struct demo demo = { .corpus = corpus };
	struct crew crew = { .seed = (unsigned)getpid() };
	uint64_t empty_bytes = 0;
	char name[64];
	int status = EXIT_TROUBLE;

	if (set_up(&demo, name, sizeof name, &empty_bytes) < 0)
		return complain("demo", "%s", dure_last_error());
	demo.board->goal = 1;
	if (!choice->is_quiet)
		printf("%u workers, one killed every %u ms, for %u s: dure show %s looks at them\n",
		       choice->workers, choice->kill_every_ms, choice->seconds, name);
	fflush(stdout);
	if (start_crew(&demo, &crew, choice->workers) == 0 && supervise(&demo, choice, &crew) == 0) {
		if (dismiss_crew(&demo, &crew) == 0)
			status = judge(&demo, choice, &crew, empty_bytes);
		else
			complain("demo", "a worker failed");
		crew.count = 0;
	}
	kill_crew(&crew);
	dure_segment_remove(name, DURE_REMOVE_FORCE, NULL);
	dure_map_close(demo.words);
	dure_segment_close(demo.segment);
	return status;
}

static bool read_number(const char *text, unsigned min, unsigned max, unsigned *ret)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	*ret = (unsigned)n;
	return *text && !*end && n >= min && n <= max;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "workers", required_argument, NULL, 'w' },
		{ "kill-every", required_argument, NULL, 'k' },
		{ "seconds", required_argument, NULL, 's' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct choice choice = { .workers = 4, .kill_every_ms = 5, .seconds = 10 };
	struct demo_corpus corpus;
	bool ok = true;
	int c, status;

	while ((c = getopt_long(argc, argv, "w:k:s:qh", options, NULL)) != -1)
		switch (c) {
		case 'w':
			ok &= read_number(optarg, 1, WORKERS_MAX, &choice.workers);
			break;
		case 'k':
			ok &= read_number(optarg, 0, 60000, &choice.kill_every_ms);
			break;
		case 's':
			ok &= read_number(optarg, 0, 86400, &choice.seconds);
			break;
		case 'q':
			choice.is_quiet = true;
			break;
		case 'h':
			return print_usage(&cmd_demo, stdout);
		default:
			return print_usage(&cmd_demo, stderr);
		}
	if (!ok)
		return print_usage(&cmd_demo, stderr);
	if (demo_corpus_gather(&corpus, argv + optind) < 0)
		return EXIT_TROUBLE;
	status = demonstrate(&choice, &corpus);
	demo_corpus_free(&corpus);
	return status;
}

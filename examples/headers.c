/* SPDX-License-Identifier: MIT */
/*
 * headers - processes index the headers of this machine, and others ask while the index grows
 *
 *	headers [FOLDER [FILES]]	/usr/include, and 500 of its files
 *
 * The index is an ordered set; a key is a word and, behind a space, the number of a file. So the
 * files of a word are a range. A file counts from the moment at which its number is in another set:
 * who asks sees all its words or none. A worker who is killed in the middle is followed by another
 * one, who puts the words of the file at hand once more: in a set that is the same.
 */
#include <ctype.h>
#include <dure.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 3, WORD_MAX = 40, PATHS_MAX = 100000, FILES = 500 };

static char *paths[PATHS_MAX];
static unsigned path_count, path_max = FILES;
static dure_segment *seg;
static dure_ordered *words, *done;

static const char *const questions[] = { "define", "errno", "size_t", "struct", "typedef", "nosuchword" };

enum { QUESTIONS = sizeof questions / sizeof *questions };

static int must(int result)
{
	if (result >= 0)
		return result;
	fprintf(stderr, "headers: %s\n", dure_last_error());
	exit(1);
}

static int add_path(const char *path, const struct stat *is, int type, struct FTW *where)
{
	size_t length = strlen(path);

	(void)is;
	(void)where;
	if (type == FTW_F && length > 2 && strcmp(path + length - 2, ".h") == 0 &&
	    path_count < path_max)
		paths[path_count++] = strdup(path);
	return path_count == path_max;
}

/* The next word of a file; its length, 0 at the end. What is longer than a word can be is cut. */
static size_t next_word(FILE *file, char word[WORD_MAX])
{
	size_t length = 0;
	int c;

	while ((c = getc(file)) != EOF) {
		if (isalnum(c) || c == '_') {
			if (length < WORD_MAX)
				word[length++] = (char)c;
		} else if (length) {
			break;
		}
	}
	return length;
}

/* -- those who index --------------------------------------------------------------------- */

static void index_file(uint64_t number)
{
	FILE *file = fopen(paths[number], "r");
	char key[WORD_MAX + 16];
	size_t length;

	while (file && (length = next_word(file, key)) > 0) {
		length += (size_t)snprintf(key + length, 16, " %06u", (unsigned)number);
		must(dure_ordered_put(words, key, length, NULL));
	}
	if (file)
		fclose(file);
	must(dure_ordered_put(done, &number, sizeof number, NULL));
}

/* The child goes with its parent. */
static pid_t start(void)
{
	pid_t pid = fork();

	if (pid < 0) {
		perror("headers: fork");
		exit(1);
	}
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	must(dure_segment_reattach(seg));
	return 0;
}

static pid_t start_worker(unsigned worker)
{
	pid_t pid = start();

	if (pid != 0)
		return pid;
	for (uint64_t i = worker; i < path_count; i += WORKERS)
		if (dure_ordered_get(done, &i, sizeof i, NULL) == -ENOENT)
			index_file(i);
	exit(0);
}

/* -- those who ask ----------------------------------------------------------------------- */

struct answer {
	const char *word;
	unsigned files, wrong;
	int is_checked;
};

static int has_word(const char *path, const char *wanted)
{
	FILE *file = fopen(path, "r");
	char word[WORD_MAX];
	size_t length = 1;
	int found = 0;

	while (file && !found && (length = next_word(file, word)) > 0)
		found = length == strlen(wanted) && memcmp(word, wanted, length) == 0;
	if (file)
		fclose(file);
	return found;
}

static int take_file(const void *key, size_t key_bytes, const void *value, void *context)
{
	struct answer *answer = context;
	char digits[7] = { 0 };
	uint64_t number;

	(void)value;
	memcpy(digits, (const char *)key + key_bytes - 6, 6);	/* keys end without a NUL */
	number = strtoul(digits, NULL, 10);
	if (dure_ordered_get(done, &number, sizeof number, NULL) < 0)
		return 0;				/* its worker is not ready */
	answer->files++;
	if (answer->is_checked)
		answer->wrong += !has_word(paths[number], answer->word);
	return 0;
}

static struct answer ask(const char *word, int is_checked)
{
	struct answer answer = { .word = word, .is_checked = is_checked };
	char low[WORD_MAX + 2], high[WORD_MAX + 2];
	struct dure_range range = { .sz = sizeof range, .low = low, .high = high };

	/* from "word " to "word!", which is the character behind the space */
	range.low_bytes = (size_t)snprintf(low, sizeof low, "%s ", word);
	range.high_bytes = (size_t)snprintf(high, sizeof high, "%s!", word);
	must(dure_ordered_visit(words, &range, take_file, &answer));
	return answer;
}

/* Until all files are indexed: an answer never has fewer files than the one before. */
static pid_t start_asker(void)
{
	unsigned before[QUESTIONS] = { 0 };
	pid_t pid = start();

	if (pid != 0)
		return pid;
	while (dure_ordered_count(done) < path_count)
		for (unsigned i = 0; i < QUESTIONS; i++) {
			unsigned files = ask(questions[i], 0).files;
			if (files < before[i])
				exit(2);
			before[i] = files;
		}
	exit(0);
}

static void compare(void)
{
	for (unsigned i = 0; i < QUESTIONS; i++) {
		struct answer answer = ask(questions[i], 1);
		unsigned files = 0;
		for (unsigned j = 0; j < path_count; j++)
			files += has_word(paths[j], questions[i]) != 0;
		printf("%-10s %s\n", questions[i], answer.files == files && !answer.wrong
							    ? "in the files that have it" : "WRONG");
	}
}

int main(int argc, char **argv)
{
	struct dure_segment_options o = { .sz = sizeof o, .backing = DURE_BACKING_MEMORY_FILE,
					  .flags = DURE_SEGMENT_GROW, .size_bytes = 16 << 20,
					  .max_bytes = (uint64_t)1 << 30 };
	struct dure_ordered_options set = { .sz = sizeof set, .value_bytes = DURE_ORDERED_NO_VALUE };
	struct dure_ordered_options numbers = set;
	pid_t asker, workers[WORKERS];
	int status, wrong = 0;

	numbers.flags = DURE_ORDERED_INTEGER;
	if (argc > 2 && atoi(argv[2]) > 0 && atoi(argv[2]) <= PATHS_MAX)
		path_max = (unsigned)atoi(argv[2]);
	nftw(argc > 1 ? argv[1] : "/usr/include", add_path, 16, FTW_PHYS);
	must(dure_segment_open(NULL, DURE_CREATE, &o, &seg));
	must(dure_ordered_open(seg, "words", DURE_CREATE, &set, &words));
	must(dure_ordered_open(seg, "done", DURE_CREATE, &numbers, &done));
	asker = start_asker();
	for (unsigned i = 0; i < WORKERS; i++)
		workers[i] = start_worker(i);
	while (dure_ordered_count(done) < path_count / 4)	/* in the middle of its work */
		usleep(100);
	kill(workers[0], SIGKILL);
	waitpid(workers[0], &status, 0);
	workers[0] = start_worker(0);
	for (unsigned i = 0; i < WORKERS; i++)
		wrong |= waitpid(workers[i], &status, 0) < 0 || status != 0;
	wrong |= waitpid(asker, &status, 0) < 0 || status != 0;
	printf("%s\n", wrong ? "somebody has failed" : "answers grew with the index");
	compare();
	dure_ordered_close(words);
	dure_ordered_close(done);
	must(dure_segment_close(seg));
	return wrong;
}

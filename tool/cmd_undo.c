/* SPDX-License-Identifier: MIT */
/*
 * cmd_undo.c - dure undo: bring back what reap or rm removed
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "restore.h"
#include "tool.h"

static int run(int argc, char **argv);

const struct command cmd_undo = {
	.name = "undo",
	.run = run,
	.usage = "Usage: dure undo [OPTION...] [RUN [OBJECT...]]\n"
		 "Bring back what a run of dure reap or rm removed: contents, messages, values,\n"
		 "owner, mode, and the identifier where the kernel lets us choose it. Without\n"
		 "RUN, the last one that has something left to restore.\n\n"
		 "  -l, --list              list the runs\n"
		 "  -j, --journal DIR       where they are kept (root: /var/lib/dure; otherwise\n"
		 "                          ~/.local/state/dure)\n"
		 "  -n, --namespace NS      back into the IPC namespace of a pid\n"
		 "  -q, --quiet             only what went wrong\n"
		 "  -h, --help              this text\n\n"
		 "Names and keys that were taken since are left to whoever took them.\n"
		 "Exit status: 0 all is back, 1 something is not, or not as before, 2 trouble.\n",
};

static void list_run(const struct journal_run *journal, void *context)
{
	size_t i, removed = 0, restored = 0;
	json_t *record;

	json_array_foreach(journal->records, i, record) {
		const char *state = json_string_value(json_object_get(record, "state"));
		removed += strcmp(state, "removed") == 0 || strcmp(state, "removing") == 0;
		restored += strcmp(state, "restored") == 0;
	}
	printf("%-28s %6zu removed, %6zu restored\n", journal->name, removed, restored);
	++*(unsigned *)context;
}

static bool is_chosen(const json_t *record, char **names, int count)
{
	const char *name = json_string_value(json_object_get(record, "name"));

	for (int i = 0; i < count; i++)
		if (name && strcmp(name, names[i]) == 0)
			return true;
	return count == 0;
}

static int restore_one(struct journal_run *journal, const json_t *record, bool is_quiet)
{
	const char *name = json_string_value(json_object_get(record, "name"));
	char why[300], shown[4500];
	enum restoring result = restore_object(journal, record, why, sizeof why);

	harmless(name ? name : "?", shown, sizeof shown);
	if (result == NOT_RESTORED) {
		complain("undo", "%s is not back: %s", shown, why);
		return EXIT_FOUND;
	}
	if (!journal_append("undo", journal, json_integer_value(json_object_get(record, "object")),
			    "restored"))
		return EXIT_TROUBLE;
	if (result == RESTORED_OTHERWISE)
		printf("restored  %s; %s\n", shown, why);
	else if (!is_quiet)
		printf("restored  %s\n", shown);
	return result == RESTORED_OTHERWISE ? EXIT_FOUND : EXIT_FINE;
}

static int undo(const char *base, const char *name, char **objects, int object_count,
		bool is_quiet)
{
	struct journal_run journal;
	int worst = EXIT_FINE, done = 0;

	if (!journal_read("undo", base, name, &journal))
		return EXIT_TROUBLE;
	for (size_t i = json_array_size(journal.records); i-- > 0;) {
		const json_t *record = json_array_get(journal.records, i);
		const char *state = json_string_value(json_object_get(record, "state"));
		if ((strcmp(state, "removed") != 0 && strcmp(state, "removing") != 0) ||
		    !is_chosen(record, objects, object_count))
			continue;
		int status = restore_one(&journal, record, is_quiet);
		worst = status > worst ? status : worst;
		done++;
	}
	if (!done)
		worst = complain("undo", "%s: nothing there that could be restored", journal.name);
	journal_run_end(&journal);
	return worst;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "list", no_argument, NULL, 'l' },  { "journal", required_argument, NULL, 'j' },
		{ "namespace", required_argument, NULL, 'n' },
		{ "quiet", no_argument, NULL, 'q' }, { "help", no_argument, NULL, 'h' }, { 0 },
	};
	const char *base = NULL, *namespace = NULL;
	uint32_t kinds = 0;
	bool is_list = false, is_quiet = false;
	unsigned runs = 0;
	int c;

	while ((c = getopt_long(argc, argv, "lj:n:qh", options, NULL)) != -1)
		switch (c) {
		case 'l':
			is_list = true;
			break;
		case 'j':
			base = optarg;
			break;
		case 'n':
			namespace = optarg;
			break;
		case 'q':
			is_quiet = true;
			break;
		case 'h':
			return print_usage(&cmd_undo, stdout);
		default:
			return print_usage(&cmd_undo, stderr);
		}
	if (is_list && optind != argc)
		return print_usage(&cmd_undo, stderr);
	if (is_list) {
		journal_list("undo", base, list_run, &runs);
		return EXIT_FINE;
	}
	if (namespace && !namespace_enter("undo", namespace, &kinds))
		return EXIT_TROUBLE;
	return undo(base, optind < argc ? argv[optind] : NULL, argv + optind + (optind < argc),
		    optind < argc ? argc - optind - 1 : 0, is_quiet);
}

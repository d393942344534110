/* SPDX-License-Identifier: MIT */
/*
 * cmd_rm.c - dure rm: take one object's or one segment's name away
 */
#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <sys/stat.h>

#include "limits.h"
#include "remove.h"
#include "tool.h"

static int run(int argc, char **argv);

const struct command cmd_rm = {
	.name = "rm",
	.run = run,
	.usage = "Usage: dure rm [OPTION...] NAME...\n"
		 "Remove dure segments, or any other object. What is in use is refused; so are\n"
		 "System V semaphores and queues as long as who last used them lives.\n\n"
		 "  -f, --force          also while in use. Users keep memory, and nobody finds it\n"
		 "                       any more; users of semaphores and queues get an error\n"
		 "  -j, --journal DIR    keep what objects contain there, for dure undo\n"
		 "  -x, --no-undo        keep nothing\n"
		 "  -h, --help           this text\n\n"
		 "NAME is a segment's plain name, path (with a '/'), or sysv:ID; or an object as\n"
		 "dure ls shows it: sysv:sem:ID, sysv:shm:0xKEY, posix:shm:NAME, posix:mq:NAME ...\n"
		 "Exit status: 0 all removed, 1 one was in use, 2 trouble.\n",
};

struct choice {
	struct journal journal;
	uint32_t flags;
};

static int remove_segment(const char *name, uint32_t flags)
{
	struct dure_segment_options options;
	char shown[256], link[300];
	const char *plain = segment_by_name(name, &options);
	struct stat st;

	/* a name whose memory is gone goes by being looked for */
	snprintf(link, sizeof link, "/dev/shm/dure.%.250s", name);
	bool was_there = !strchr(name, '/') && lstat(link, &st) == 0;
	int r = dure_segment_remove(plain, flags, &options);
	if (r >= 0 || (r == -ENOENT && was_there && lstat(link, &st) < 0))
		return EXIT_FINE;
	harmless(name, shown, sizeof shown);
	if (r == -EBUSY) {
		complain("rm", "%s is in use (dure show %s tells by whom); --force removes its name all "
			 "the same", shown, shown);
		return EXIT_FOUND;
	}
	return complain_segment("rm", name);
}

static int refuse(const char *shown, const struct dure_host_verdict *verdict)
{
	complain("rm", "%s is %s: %s; dure who %s tells more, --force removes it all the same", shown,
		 verdict->grade == DURE_HOST_GRADE_USED ? "in use" : "maybe in use",
		 verdict->count ? verdict->evidence[verdict->count - 1] : "?", shown);
	return EXIT_FOUND;
}

static int remove_host_object(struct choice *choice, const struct host *host, const char *name)
{
	const struct dure_host_object *o = object_find(host, "rm", name);
	struct dure_host_verdict verdict = { .sz = sizeof verdict };
	struct removing removing = { .journal = &choice->journal };
	char shown[OBJECT_NAME_BYTES];

	if (!o)
		return EXIT_TROUBLE;
	harmless(name, shown, sizeof shown);
	if (o->flags & DURE_HOST_SEGMENT)
		return complain("rm", "%s belongs to a dure segment: dure rm its plain name (dure ls)", shown);
	if (dure_host_judge(host->picture, o->index, OLD_S * UINT64_C(1000000000), &verdict) < 0)
		return complain("rm", "%s: %s", shown, dure_last_error());
	if (choice->flags & DURE_REMOVE_FORCE)
		return remove_by_force(o) ? EXIT_FINE
					  : complain("rm", "%s cannot be removed: %s", shown,
						     strerror(errno));
	if (verdict.grade < DURE_HOST_GRADE_UNUSED)
		return refuse(shown, &verdict);
	switch (remove_object(&removing, o)) {
	case REMOVAL_DONE:
		return EXIT_FINE;
	case REMOVAL_USED:
		complain("rm", "%s is in use: %s", shown, removing.why);
		return EXIT_FOUND;
	default:
		return complain("rm", "%s: %s", shown, removing.why);
	}
}

static int remove_one(struct choice *choice, const char *name)
{
	struct host host;
	int status;

	if (!is_object_name(name))
		return remove_segment(name, choice->flags);
	if (!host_begin(&host, "rm", DURE_HOST_WAITS, 0))
		return EXIT_TROUBLE;
	status = remove_host_object(choice, &host, name);
	host_end(&host);
	return status;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "force", no_argument, NULL, 'f' },   { "journal", required_argument, NULL, 'j' },
		{ "no-undo", no_argument, NULL, 'x' }, { "help", no_argument, NULL, 'h' }, { 0 },
	};
	const char *base = NULL;
	struct choice choice = { .flags = 0 };
	bool keeps_nothing = false;
	int c, worst = EXIT_FINE;

	while ((c = getopt_long(argc, argv, "fj:xh", options, NULL)) != -1)
		switch (c) {
		case 'f':
			choice.flags = DURE_REMOVE_FORCE;
			break;
		case 'j':
			base = optarg;
			break;
		case 'x':
			keeps_nothing = true;
			break;
		case 'h':
			return print_usage(&cmd_rm, stdout);
		default:
			return print_usage(&cmd_rm, stderr);
		}
	if (optind == argc)
		return print_usage(&cmd_rm, stderr);
	journal_begin(&choice.journal, "rm", base, keeps_nothing);
	for (; optind < argc; optind++) {
		int status = remove_one(&choice, argv[optind]);
		worst = status > worst ? status : worst;
	}
	journal_end(&choice.journal);
	return worst;
}

/* SPDX-License-Identifier: MIT */
/*
 * cmd_reap.c - dure reap: show what is left over and why, and on demand remove it
 *
 * Rules    [REAP1] nothing is removed without --yes
 *          [REAP2] nothing is removed below the grade that was asked for, and semaphores and
 *                  message queues, whose removal hits users at once, never below "likely"
 *          [REAP3] each object is judged again right before it is removed, with a picture that
 *                  is at most a second old, and the parts in remove_*.c look once more
 */
#include <fnmatch.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "limits.h"
#include "list.h"
#include "profiles.h"
#include "remove.h"
#include "tool.h"

enum { C_OBJECT, C_USER, C_SIZE, C_AGE, C_VERDICT, C_EVIDENCE, C_KIND, C_NAME, C_KEY, C_RESIDENT,
       C_IDLE, C_TOTAL };

static const struct column columns[C_TOTAL] = {
	[C_OBJECT] = { "OBJECT", "what to call it in other commands", 0.2, COLUMN_TEXT, true },
	[C_USER] = { "USER", "whose it is", 8, COLUMN_TEXT, true },
	[C_SIZE] = { "SIZE", "apparent", 6, COLUMN_BYTES, true },
	[C_AGE] = { "AGE", "since it was made or changed", 5, COLUMN_SECONDS, true },
	[C_VERDICT] = { "VERDICT", "used, unknown, unused, likely or certain", 8, COLUMN_TEXT, true },
	[C_EVIDENCE] = { "EVIDENCE", "what the verdict rests on", 0.5, COLUMN_TEXT, true },
	[C_KIND] = { "KIND", "sysv-shm ...", 9, COLUMN_TEXT, false },
	[C_NAME] = { "NAME", "as its users call it", 0.2, COLUMN_TEXT, false },
	[C_KEY] = { "KEY", "System V key", 10, COLUMN_TEXT, false },
	[C_RESIDENT] = { "RESIDENT", "in memory", 6, COLUMN_BYTES, false },
	[C_IDLE] = { "IDLE", "since it was last used", 5, COLUMN_SECONDS, false },
};

static int run(int argc, char **argv);

const struct command cmd_reap = {
	.name = "reap",
	.run = run,
	.summary = "remove what is left over or unused; bring it back",
	.usage = "Usage: dure reap [OPTION...]\n"
		 "Show objects that are left over, and why that is so. --yes removes them.\n\n"
		 "  -k, --kind LIST       only these kinds, as in dure ls\n"
		 "  -u, --user USER       only this user's        -K, --key KEY     with this key\n"
		 "  -N, --name PATTERN    only such names         -f, --filter EXPR where it holds\n"
		 "  -a, --age AGE         untouched for so long (10m); less is not left over\n"
		 "  -p, --profile NAME    what apache, postgres, openmpi, nccl, vllm, fastdds or\n"
		 "                        python leaves, if it does not run\n"
		 "  -g, --grade GRADE     at least this: unused, likely, certain\n"
		 "  -n, --namespace NS    in the IPC namespace of a pid, or with a number\n"
		 "  -A, --all             show all verdicts, also of what is used\n"
		 "  -y, --yes             remove what is certain, or at least of --grade\n"
		 "  -j, --journal DIR     keep the contents there, for dure undo\n"
		 "  -x, --no-undo         keep nothing\n"
		 "  -b, --bytes           sizes in bytes          -q, --quiet       no tables\n"
		 "  -J, --json            JSON\n"
		 "  -h, --help            this text\n\n"
		 "Exit status: 0 nothing found, or all of it removed; 1 found, or some of it kept;\n"
		 "2 trouble.\n",
};

struct choice {
	uint32_t kinds, user, grade;
	bool has_user, has_key, has_grade, shows_all, removes, is_quiet, keeps_nothing;
	uint64_t key, old_s;
	const char *name, *filter, *journal, *namespace;
	const struct profile *profile;
	struct table_options table;
	char *const *words;		/* as they were typed */
};

/* An object that shall go, by what is the same in every picture. */
struct target {
	uint32_t kind;
	int64_t id;
	uint64_t device, inode;
	struct row *row;
};

/* -- judging ----------------------------------------------------------------------------- */

static bool fits(const struct choice *c, const struct dure_host_object *o)
{
	static const uint32_t removable =
		1u << DURE_HOST_SYSV_SHM | 1u << DURE_HOST_SYSV_SEM | 1u << DURE_HOST_SYSV_MSG |
		1u << DURE_HOST_POSIX_SHM | 1u << DURE_HOST_POSIX_SEM | 1u << DURE_HOST_POSIX_MQ |
		1u << DURE_HOST_HUGE;

	return removable >> o->kind & 1 && 
	       !(o->flags & (DURE_HOST_SEGMENT | DURE_HOST_DOOMED | DURE_HOST_ELSEWHERE)) &&
	       (!c->kinds || c->kinds >> o->kind & 1) && (!c->has_user || o->owner == c->user) &&
	       (!c->has_key || (o->id >= 0 && o->key == c->key)) &&
	       (!c->name || fnmatch(c->name, o->name + (*o->name == '/'), 0) == 0) &&
	       (!c->profile || profile_fits(c->profile, o));
}

static bool judge(const struct host *host, const struct choice *c,
		  const struct dure_host_process *producer, const struct dure_host_object *o,
		  struct dure_host_verdict *ret)
{
	*ret = (struct dure_host_verdict){ .sz = sizeof *ret };
	if (dure_host_judge(host->picture, o->index, c->old_s * UINT64_C(1000000000), ret) < 0)
		return false;
	if (producer && ret->grade > DURE_HOST_GRADE_UNUSED) {
		ret->grade = DURE_HOST_GRADE_UNUSED;
		if (ret->count < DURE_HOST_EVIDENCE_MAX)
			snprintf(ret->evidence[ret->count++], sizeof ret->evidence[0],
				 "%.20s runs (process %" PRIu32 "), which makes such objects",
				 producer->name, producer->pid);
	}
	return true;
}

/* [REAP2] */
static uint32_t least_grade(const struct choice *c, const struct dure_host_object *o)
{
	uint32_t grade = c->has_grade ? c->grade
			 : c->removes ? DURE_HOST_GRADE_CERTAIN
				      : DURE_HOST_GRADE_LIKELY;
	bool hits_at_once = o->kind == DURE_HOST_SYSV_SEM || o->kind == DURE_HOST_SYSV_MSG;

	return hits_at_once && grade < DURE_HOST_GRADE_LIKELY ? DURE_HOST_GRADE_LIKELY : grade;
}

static void describe(struct row *row, const struct dure_host_object *o,
		     const struct dure_host_verdict *v, uint64_t now_s)
{
	char text[DURE_HOST_EVIDENCE_MAX * 124], name[OBJECT_NAME_BYTES];
	size_t used = 0;

	text[0] = '\0';
	for (uint32_t i = 0; i < v->count; i++)
		used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", i ? "; " : "",
					 v->evidence[i]);
	row_text(row, C_OBJECT, object_name(o, name, sizeof name));
	row_text(row, C_USER, user_name(o->owner));
	row_number(row, C_SIZE, o->size_bytes);
	row_number(row, C_RESIDENT, o->resident_bytes);
	row_age_if(row, C_AGE, o->changed_ns, now_s);
	row_age_if(row, C_IDLE, o->used_ns, now_s);
	row_text(row, C_VERDICT, grade_name(v->grade));
	row_text(row, C_EVIDENCE, text);
	row_text(row, C_KIND, kind_name(o->kind));
	row_text(row, C_NAME, o->name);
	if (o->id >= 0) {
		snprintf(text, sizeof text, "0x%08" PRIx64, o->key);
		row_text(row, C_KEY, text);
	}
}

static void gather(struct list *list, const struct host *host, const struct choice *c)
{
	const struct dure_host_process *producer = c->profile ? profile_producer(c->profile, host) : NULL;
	uint64_t now_s = (uint64_t)time(NULL);

	for (size_t i = 0; i < host->object_count; i++) {
		const struct dure_host_object *o = host->objects[i];
		struct dure_host_verdict verdict;
		if (!fits(c, o) || !judge(host, c, producer, o, &verdict) ||
		    (!c->shows_all && verdict.grade < least_grade(c, o)))
			continue;
		struct row *row = list_add(list);
		describe(row, o, &verdict, now_s);
		row->subject = verdict.grade >= least_grade(c, o) ? o : NULL;
	}
}

/* -- removing ---------------------------------------------------------------------------- */

struct reaping {
	const struct choice *choice;
	struct host host;		/* not older than a second [REAP3] */
	struct timespec taken;
	const struct dure_host_object **sorted;
	const struct dure_host_process *producer;
	struct journal journal;
	uint64_t removed, removed_bytes, kept;
	bool has_failed;
};

static int by_identity(const void *a, const void *b)
{
	const struct dure_host_object *x = *(const struct dure_host_object *const *)a;
	const struct dure_host_object *y = *(const struct dure_host_object *const *)b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	if (x->device != y->device)
		return x->device < y->device ? -1 : 1;
	return x->inode < y->inode ? -1 : x->inode > y->inode;
}

static bool take_picture(struct reaping *r)
{
	if (r->host.picture)
		host_end(&r->host);
	free(r->sorted);
	r->sorted = NULL;
	if (!host_begin(&r->host, "reap", DURE_HOST_WAITS, 0))
		return false;
	clock_gettime(CLOCK_MONOTONIC, &r->taken);
	r->sorted = or_exit(malloc((r->host.object_count + 1) * sizeof *r->sorted));
	memcpy(r->sorted, r->host.objects, r->host.object_count * sizeof *r->sorted);
	qsort(r->sorted, r->host.object_count, sizeof *r->sorted, by_identity);
	r->producer = r->choice->profile ? profile_producer(r->choice->profile, &r->host) : NULL;
	return true;
}

/* a queue's sleepers are known from the picture alone: it must be fresh for each */
static bool is_stale(const struct reaping *r, const struct target *target)
{
	struct timespec now;
	int64_t age_ms;

	clock_gettime(CLOCK_MONOTONIC, &now);
	age_ms = (int64_t)(now.tv_sec - r->taken.tv_sec) * 1000 +
		 (now.tv_nsec - r->taken.tv_nsec) / 1000000;
	return age_ms >= (target->kind == DURE_HOST_SYSV_MSG ? 20 : 1000);
}

static const struct dure_host_object *find_target(const struct reaping *r, const struct target *t)
{
	struct dure_host_object key = { .kind = t->kind, .id = t->id, .device = t->device,
					.inode = t->inode };
	const struct dure_host_object *key_pointer = &key, **found;

	found = r->host.object_count ? bsearch(&key_pointer, r->sorted, r->host.object_count,
					       sizeof *r->sorted, by_identity)
				     : NULL;
	return found && !((*found)->flags & DURE_HOST_ELSEWHERE) ? *found : NULL;
}

static enum removal reap_one(struct reaping *r, const struct target *target,
			     struct removing *removing)
{
	struct dure_host_verdict verdict;
	const struct dure_host_object *o;

	if ((!r->host.picture || is_stale(r, target)) && !take_picture(r))
		return removal_because(removing, REMOVAL_FAILED, "the host cannot be looked at");
	o = find_target(r, target);
	if (!o || !fits(r->choice, o) || !judge(&r->host, r->choice, r->producer, o, &verdict))
		return removal_because(removing, REMOVAL_GONE, "it is gone, or changed");
	if (verdict.grade < least_grade(r->choice, o))
		return removal_because(removing, REMOVAL_USED, "looked at again, it is %s: %s",
				       grade_name(verdict.grade),
				       verdict.count ? verdict.evidence[verdict.count - 1] : "");
	enum removal result = remove_object(removing, o);
	if (result == REMOVAL_DONE)
		r->removed_bytes += o->resident_bytes;
	return result;
}

static void report(struct reaping *r, const struct target *target, enum removal result,
		   const struct removing *removing)
{
	static const char *const words[] = { "removed", "kept", "gone", "failed" };
	const char *name = row_cell(target->row, C_OBJECT)->text;
	char shown[OBJECT_NAME_BYTES + 300], why[600];

	r->removed += result == REMOVAL_DONE;
	r->kept += result == REMOVAL_USED || result == REMOVAL_FAILED;
	r->has_failed |= result == REMOVAL_FAILED;
	row_text(target->row, C_VERDICT, words[result]);
	if (*removing->why)
		row_text(target->row, C_EVIDENCE, removing->why);
	harmless(name, shown, sizeof shown);
	if (result == REMOVAL_FAILED)
		complain("reap", "%s: %s", shown, removing->why);
	else if (!r->choice->is_quiet && !r->choice->table.is_json)
		printf("%-8s %s%s%s\n", words[result], shown, *removing->why ? ": " : "",
		       harmless(removing->why, why, sizeof why));
}

static void print_undo(const struct reaping *r)
{
	fputs("  undo      dure undo", stdout);
	if (r->choice->namespace) {
		fputs(" --namespace", stdout);
		print_word(r->choice->namespace);
	}
	if (r->choice->journal) {
		fputs(" --journal", stdout);
		print_word(r->choice->journal);
	}
	print_word(strrchr(r->journal.path, '/') + 1);
	putchar('\n');
}

static struct target target_of(struct row *row)
{
	const struct dure_host_object *o = row->subject;

	return (struct target){ o->kind, o->id, o->device, o->inode, row };
}

static int remove_all(struct list *list, const struct choice *c)
{
	struct reaping r = { .choice = c };
	struct removing removing = { .journal = &r.journal };
	struct target *targets = or_exit(calloc(list->count + 1, sizeof *targets));
	size_t count = 0;
	char bytes[32];

	/* the picture they lie in goes before the first is removed */
	for (size_t i = 0; i < list->count; i++)
		if (list->rows[i]->subject)
			targets[count++] = target_of(list->rows[i]);
	journal_begin(&r.journal, "reap", c->journal, c->keeps_nothing);
	for (size_t i = 0; i < count; i++)
		report(&r, &targets[i], reap_one(&r, &targets[i], &removing), &removing);
	if (!c->is_quiet && !c->table.is_json && count)
		printf("%" PRIu64 " removed, %s of memory freed, %" PRIu64 " kept\n", r.removed,
		       human_bytes(r.removed_bytes, bytes, sizeof bytes), r.kept);
	if (!c->is_quiet && !c->table.is_json && r.journal.file && r.removed)
		print_undo(&r);
	journal_end(&r.journal);
	if (r.host.picture)
		host_end(&r.host);
	free(r.sorted);
	free(targets);
	return r.has_failed ? EXIT_TROUBLE : r.kept ? EXIT_FOUND : EXIT_FINE;
}

/* -- all of it --------------------------------------------------------------------------- */

static void print_json(struct list *list, const struct host *host)
{
	json_t *notes = notes_value(host);

	fputs("{\"version\": 1, \"objects\": ", stdout);
	list_print_json(list, NULL);
	printf(",\n\"complete\": %s, \"notes\": ", json_array_size(notes) ? "false" : "true");
	json_dumpf(notes, stdout, JSON_COMPACT);
	puts("}");
	json_decref(notes);
}

/* the same command, but to do it */
static void print_again(const char *lead, const struct choice *c, const char *grade, const char *why)
{
	printf("  %-9s dure reap", lead);
	for (char *const *word = c->words; *word; word++)
		print_word(*word);
	printf("%s%s --yes    # %s\n", grade ? " --grade " : "", grade ? grade : "", why);
}

static void print(struct list *list, const struct host *host, const struct choice *c)
{
	uint64_t bytes = 0, certain = 0;
	char text[32];

	if (c->is_quiet)
		return;
	list_print(list, "objects", &c->table);
	for (size_t i = 0; i < list->count; i++) {
		bytes += row_cell(list->rows[i], C_RESIDENT)->number;
		certain += strcmp(row_cell(list->rows[i], C_VERDICT)->text,
				  grade_name(DURE_HOST_GRADE_CERTAIN)) == 0;
	}
	if (list->count && !c->removes && !c->shows_all) {
		printf("\n%zu objects, %s in memory. Nothing was removed.\n", list->count,
		       human_bytes(bytes, text, sizeof text));
		print_again("remove", c, c->has_grade ? NULL : "likely", "dure undo brings them back");
		if (certain && !c->has_grade)
			print_again("certain", c, NULL, "these alone");
	}
	complain_notes(host, "reap");
}

static int reap(const struct choice *c)
{
	int status = EXIT_FINE;
	struct list list;
	struct host host;

	if (!host_begin(&host, "reap", DURE_HOST_WAITS, 0))
		return EXIT_TROUBLE;
	list_begin(&list, columns, C_TOTAL);
	gather(&list, &host, c);
	if ((c->filter && !list_filter(&list, "reap", c->filter)) ||
	    !list_sort(&list, "reap", "KIND,OBJECT"))
		status = EXIT_TROUBLE;
	else if (c->removes)
		status = remove_all(&list, c);
	else
		status = list.count && !c->shows_all ? EXIT_FOUND : EXIT_FINE;
	if (status != EXIT_TROUBLE || c->removes) {
		if (c->table.is_json)
			print_json(&list, &host);
		else if (!c->removes)
			print(&list, &host, c);
		else if (!c->is_quiet)
			complain_notes(&host, "reap");
	}
	list_end(&list);
	host_end(&host);
	return status;
}

static bool read_grade(const char *text, struct choice *c)
{
	for (uint32_t grade = DURE_HOST_GRADE_UNUSED; grade <= DURE_HOST_GRADE_CERTAIN; grade++)
		if (strcmp(text, grade_name(grade)) == 0) {
			c->grade = grade;
			c->has_grade = true;
			return true;
		}
	complain("reap", "--grade %s: unused, likely or certain is wanted", text);
	return false;
}

static bool read_key(const char *text, struct choice *c)
{
	char *end;

	c->key = (uint32_t)strtoul(text, &end, 0);
	c->has_key = true;
	if (end != text && !*end)
		return true;
	complain("reap", "--key %s: a number is wanted", text);
	return false;
}

static bool read_option(int option, struct choice *c)
{
	switch (option) {
	case 'k':
		return kinds_read("reap", optarg, &c->kinds, NULL);
	case 'u':
		c->has_user = true;
		return user_read("reap", optarg, &c->user);
	case 'K':
		return read_key(optarg, c);
	case 'N':
		c->name = optarg;
		return true;
	case 'f':
		c->filter = optarg;
		return true;
	case 'a':
		return read_quantity(optarg, true, &c->old_s) ||
		       (complain("reap", "--age %s: as 90s, 10m, 2h, 1d", optarg), false);
	case 'p':
		c->profile = profile_find("reap", optarg);
		return c->profile != NULL;
	case 'g':
		return read_grade(optarg, c);
	case 'n':
		c->namespace = optarg;
		return true;
	case 'A':
		c->shows_all = true;
		return true;
	case 'y':
		c->removes = true;
		return true;
	case 'j':
		c->journal = optarg;
		return true;
	case 'x':
		c->keeps_nothing = true;
		return true;
	case 'b':
		c->table.in_bytes = true;
		return true;
	case 'q':
		c->is_quiet = true;
		return true;
	case 'J':
		c->table.is_json = true;
		return true;
	default:
		print_usage(&cmd_reap, stderr);
		return false;
	}
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "kind", required_argument, NULL, 'k' },    { "user", required_argument, NULL, 'u' },
		{ "key", required_argument, NULL, 'K' },     { "name", required_argument, NULL, 'N' },
		{ "filter", required_argument, NULL, 'f' },  { "age", required_argument, NULL, 'a' },
		{ "profile", required_argument, NULL, 'p' }, { "grade", required_argument, NULL, 'g' },
		{ "namespace", required_argument, NULL, 'n' },
		{ "all", no_argument, NULL, 'A' },	     { "yes", no_argument, NULL, 'y' },
		{ "journal", required_argument, NULL, 'j' }, { "no-undo", no_argument, NULL, 'x' },
		{ "bytes", no_argument, NULL, 'b' },	     { "quiet", no_argument, NULL, 'q' },
		{ "json", no_argument, NULL, 'J' },	     { "help", no_argument, NULL, 'h' }, { 0 },
	};
	struct choice choice = { .old_s = OLD_S, .words = argv + 1 };
	int c;

	while ((c = getopt_long(argc, argv, "k:u:K:N:f:a:p:g:n:Ayj:xbqJh", options, NULL)) != -1)
		if (c == 'h')
			return print_usage(&cmd_reap, stdout);
		else if (!read_option(c, &choice))
			return EXIT_TROUBLE;
	if (optind != argc)
		return print_usage(&cmd_reap, stderr);
	if (choice.namespace && !namespace_enter("reap", choice.namespace, &choice.kinds))
		return EXIT_TROUBLE;
	return reap(&choice);
}

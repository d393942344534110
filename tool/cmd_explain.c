/* SPDX-License-Identifier: MIT */
/*
 * cmd_explain.c - dure explain: what an error is due to on this host, now
 */
#include <ctype.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "limits.h"
#include "symptoms.h"
#include "tool.h"

static int run(int argc, char **argv);

const struct command cmd_explain = {
	.name = "explain",
	.run = run,
	.usage = "Usage: dure explain [OPTION...] [ERROR | LOG LINE... | PID]\n"
		 "Say what an error of shared memory or IPC is due to on this host, now: which\n"
		 "limit is exhausted, who uses it up, whether that is left over, and the lines\n"
		 "that free or raise it. Without arguments, the same as dure doctor.\n\n"
		 "  -J, --json     as JSON\n"
		 "  -h, --help     this text\n\n"
		 "ERROR is a name (ENOSPC), its number, or a text. A number that is both a process\n"
		 "and an error is a process; write pid:28 or errno:28 to be clear.\n"
		 "  dure explain ENOSPC semget\n"
		 "  dure explain 'AH00023: Couldn'\\''t create the rewrite-map mutex'\n"
		 "  journalctl -u httpd -n1 -o cat | xargs -0 dure explain\n"
		 "Exit status: 0 explained, and nothing is exhausted; 1 something is; 2 trouble,\n"
		 "or nothing is known about it.\n",
};

/* Each limit is shown once, however many symptoms name it. */
struct explaining {
	const struct host *host;
	const struct limits *limits;
	uint32_t shown[32];
	unsigned shown_count, tight;
	json_t *json;			/* NULL: text */
};

static void explain_limit(struct explaining *e, uint32_t id)
{
	const struct limit *limit = limits_find(e->limits, id);
	bool is_tight;

	for (unsigned i = 0; i < e->shown_count; i++)
		if (e->shown[i] == id)
			return;
	if (!limit || e->shown_count == sizeof e->shown / sizeof *e->shown)
		return;
	e->shown[e->shown_count++] = id;
	is_tight = limit_is_tight(limit);
	e->tight += is_tight;
	if (e->json)
		json_array_append_new(e->json, limit_value(limit, e->host));
	else
		print_limit_heading(limit, is_tight);
	if (!e->json && is_tight)
		limit_print(limit, e->host);
}

static int finish(const struct explaining *e, json_t *causes, const char *what)
{
	if (e->json) {
		json_t *all = json_pack("{s:i, s:o, s:O, s:O, s:o}", "version", 1, "what",
					text_value(what), "causes", causes, "limits", e->json, "notes",
					notes_value(e->host));
		json_dumpf(all, stdout, JSON_INDENT(1));
		putchar('\n');
		json_decref(all);
	} else {
		if (!e->tight && e->shown_count)
			puts("None of these is exhausted now: it may have been when the error came, or in\n"
			     "another container. Raising them:");
		for (unsigned i = 0; !e->tight && i < e->shown_count; i++) {
			const struct limit *limit = limits_find(e->limits, e->shown[i]);
			struct remedy remedies[REMEDIES_MAX];
			if (limit_remedies(limit, remedies))
				printf("  %-20s %s\n", limit->l.name, remedies[0].line);
		}
		complain_notes(e->host, "explain");
	}
	return e->tight ? EXIT_FOUND : EXIT_FINE;
}

static int explain_line(struct explaining *e, const char *line)
{
	const struct symptom *found[4];
	int code = error_in_line(line);
	size_t count = symptoms_of(line, code, found, 4);
	json_t *causes = e->json ? or_exit(json_array()) : NULL;

	if (!count) {
		json_decref(causes);
		return complain("explain", "nothing is known of \"%s\": say the error's name, and the call "
				"(dure explain ENOSPC semget); dure doctor looks at everything", line);
	}
	if (!e->json && code)
		printf("%s%s%s: %s\n", color_on(stdout, COLOR_BOLD), error_name(code),
		       color_off(stdout), strerror(code));
	for (size_t i = 0; i < count; i++) {
		if (e->json)
			json_array_append_new(causes, text_value(found[i]->cause));
		else
			print_folded(found[i]->cause);
		for (size_t j = 0; j < 4 && found[i]->limits[j]; j++)
			explain_limit(e, found[i]->limits[j]);
	}
	int status = finish(e, causes, line);
	json_decref(causes);
	return status;
}

static int explain_process(struct explaining *e, const struct dure_host_process *p)
{
	char text[64], shown[300], label[300];
	json_t *causes = e->json ? or_exit(json_array()) : NULL;
	unsigned waits;

	snprintf(text, sizeof text, "process %" PRIu32, p->pid);
	if (!e->json)
		printf("%s%" PRIu32 " %s%s of %s: uses %" PRIu32 " objects, %" PRIu32 " threads%s%s\n",
		       color_on(stdout, COLOR_BOLD), p->pid, harmless(p->name, shown, sizeof shown),
		       color_off(stdout), user_name(p->user), p->objects, p->threads,
		       *p->label ? ", in " : "", harmless(p->label, label, sizeof label));
	waits = explain_waits(e->host, p->pid, causes);
	for (size_t i = 0; i < e->limits->count; i++)
		if (limit_is_tight(&e->limits->items[i]))
			explain_limit(e, e->limits->items[i].l.id);
	if (!e->json && !waits && !e->tight)
		puts("It waits for nobody in shared memory, and exhausts no limit.");
	e->shown_count = e->tight ? e->shown_count : 0;
	int status = finish(e, causes, text);
	json_decref(causes);
	return waits ? EXIT_FOUND : status;
}

/* a number is a process, if there is one, or an error */
static uint32_t pid_of_argument(const struct host *host, const char *argument)
{
	bool is_marked = strncmp(argument, "pid:", 4) == 0;
	const char *digits = is_marked ? argument + 4 : argument;
	char *end;
	unsigned long pid = strtoul(digits, &end, 10);

	if (end == digits || *end || pid > INT32_MAX)
		return 0;
	return is_marked || host_process(host, (uint32_t)pid) ? (uint32_t)pid : 0;
}

static int explain(const char *argument, bool is_json)
{
	struct explaining e = { .json = NULL };
	struct limits limits;
	struct host host;
	uint32_t pid;
	int status = EXIT_TROUBLE;

	if (!host_begin(&host, "explain", DURE_HOST_WAITS, 0))
		return EXIT_TROUBLE;
	pid = pid_of_argument(&host, argument);
	if (pid && !host_process(&host, pid))
		status = complain("explain", "there is no process %" PRIu32, pid);
	else if (limits_begin(&limits, &host, "explain", pid)) {
		e.host = &host;
		e.limits = &limits;
		e.json = is_json ? or_exit(json_array()) : NULL;
		status = pid ? explain_process(&e, host_process(&host, pid))
			     : explain_line(&e, strncmp(argument, "errno:", 6) == 0 ? argument + 6
										     : argument);
		json_decref(e.json);
		limits_end(&limits);
	}
	host_end(&host);
	return status;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'J' }, { "help", no_argument, NULL, 'h' }, { 0 },
	};
	char line[4096];
	bool is_json = false;
	size_t used = 0;
	int c;

	while ((c = getopt_long(argc, argv, "+Jh", options, NULL)) != -1)
		switch (c) {
		case 'J':
			is_json = true;
			break;
		case 'h':
			return print_usage(&cmd_explain, stdout);
		default:
			return print_usage(&cmd_explain, stderr);
		}
	if (optind == argc)
		return examine("explain", is_json);
	line[0] = '\0';
	for (int i = optind; i < argc && used < sizeof line - 1; i++) {
		int n = snprintf(line + used, sizeof line - used, "%s%s", i > optind ? " " : "", argv[i]);
		used += n > 0 ? (size_t)n : 0;
	}
	return explain(line, is_json);
}

/* SPDX-License-Identifier: MIT */
/*
 * cmd_top.c - dure top: the same as ls, live
 */
#include <getopt.h>
#include <ncursesw/curses.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tool.h"
#include "top.h"

static int run(int argc, char **argv);

const struct command cmd_top = {
	.name = "top",
	.run = run,
	.summary = "live: the biggest, what grows, who waits",
	.usage = "Usage: dure top [OPTION...]\n"
		 "Show objects, processes, and who waits for whom, again and again.\n\n"
		 "  -i, --interval AGE   between two looks (2s)\n"
		 "  -k, --kind LIST      only these kinds, as in dure ls\n"
		 "  -l, --local          not what other containers have: this namespace alone\n"
		 "  -s, --sort COLUMN    at first by this column; -COLUMN downwards (-resident)\n"
		 "  -h, --help           this text\n\n"
		 "Keys: h shows them, q ends.\n",
};

enum { FIND_MAX = 60 };

struct top {
	struct top_screen screen;
	struct top_choice choice;
	struct top_memory memory;
	struct top_look look;
	bool has_look, is_ended, is_typing;
	char find[FIND_MAX + 1];
	char sort[TOP_VIEWS][32];
	char subject[OBJECT_NAME_BYTES];
	struct timespec next;
};

static bool look(struct top *top)
{
	struct top_look new;

	if (!top_look(&new, top->screen.view, top->subject, &top->choice, &top->memory))
		return false;
	if (top->has_look)
		top_look_end(&top->look);
	top->look = new;
	top->has_look = true;
	clock_gettime(CLOCK_MONOTONIC, &top->next);
	top->next.tv_sec += (time_t)top->screen.interval_s;
	return true;
}

/* -- keys -------------------------------------------------------------------------------- */

/* by the column beside the one it is sorted by */
static void sort_beside(struct top *top, int step)
{
	char *sort = top->sort[top->screen.view];
	bool is_downwards = *sort == '-';
	const char *name = sort + is_downwards;
	const struct column *columns;
	unsigned count;
	int i;

	columns = top_columns(top->screen.view, &count);
	i = table_find_column(columns, count, name, strcspn(name, ","));
	i = (i + step + (int)count) % (int)count;
	/* numbers: the biggest first */
	snprintf(sort, sizeof top->sort[0], "%s%s", columns[i].kind == COLUMN_TEXT ? "" : "-",
		 columns[i].name);
	list_sort(&top->look.list, "top", sort);
}

static void turn_order(struct top *top)
{
	char *sort = top->sort[top->screen.view], name[sizeof top->sort[0]];

	snprintf(name, sizeof name, "%s", sort + (*sort == '-'));
	snprintf(sort, sizeof top->sort[0], "%s%.30s", *sort == '-' ? "" : "-", name);
	list_sort(&top->look.list, "top", sort);
}

static bool change_view(struct top *top, enum top_view view)
{
	top->screen.view = view;
	top->screen.first = top->screen.chosen = 0;
	return look(top);
}

static bool show_users(struct top *top)
{
	const struct list *list = &top->look.list;

	if (top->screen.view != TOP_OBJECTS || top->screen.chosen >= list->count)
		return true;
	snprintf(top->subject, sizeof top->subject, "%s", row_cell(list->rows[top->screen.chosen], 0)->text);
	return change_view(top, TOP_USERS);
}

static void move_by(struct top *top, long rows)
{
	size_t count = top->look.list.count, chosen = top->screen.chosen;

	if (rows < 0)
		top->screen.chosen = chosen > (size_t)-rows ? chosen - (size_t)-rows : 0;
	else
		top->screen.chosen = count && chosen + (size_t)rows >= count ? count - 1
									     : chosen + (size_t)rows;
}

/* What is typed after '/' takes effect at once. */
static bool type_key(struct top *top, int key)
{
	size_t bytes = strlen(top->find);

	if (key == '\n' || key == KEY_ENTER)
		top->is_typing = false;
	else if (key == 27) {
		top->is_typing = false;
		top->find[0] = '\0';
	} else if (key == KEY_BACKSPACE || key == 127 || key == 8)
		top->find[bytes ? bytes - 1 : 0] = '\0';
	else if (key >= ' ' && key < 127 && bytes < FIND_MAX) {
		top->find[bytes] = (char)key;
		top->find[bytes + 1] = '\0';
	}
	top->screen.typed = top->is_typing ? top->find : NULL;
	return look(top);
}

/* False: it cannot go on. */
static bool obey(struct top *top, int key)
{
	long page = (long)top_screen_rows();

	if (top->screen.is_help) {
		top->screen.is_help = false;
		erase();
		return true;
	}
	if (top->is_typing && key != KEY_RESIZE)
		return type_key(top, key);
	switch (key) {
	case 'q':
		top->is_ended = true;
		return true;
	case 'h':
	case '?':
		top->screen.is_help = true;
		return true;
	case KEY_UP:
		move_by(top, -1);
		return true;
	case KEY_DOWN:
		move_by(top, 1);
		return true;
	case KEY_PPAGE:
		move_by(top, -page);
		return true;
	case KEY_NPAGE:
		move_by(top, page);
		return true;
	case KEY_HOME:
		top->screen.chosen = 0;
		return true;
	case KEY_END:
		move_by(top, (long)top->look.list.count);
		return true;
	case '<':
		sort_beside(top, -1);
		return true;
	case '>':
		sort_beside(top, 1);
		return true;
	case 'r':
		turn_order(top);
		return true;
	case '\n':
	case KEY_ENTER:
		return show_users(top);
	case 27:
	case KEY_BACKSPACE:
	case 127:
		return top->screen.view == TOP_OBJECTS || change_view(top, TOP_OBJECTS);
	case 'p':
		return change_view(top, top->screen.view == TOP_PROCESSES ? TOP_OBJECTS : TOP_PROCESSES);
	case '/':
		top->is_typing = true;
		top->screen.typed = top->find;
		return true;
	case '+':
		top->screen.interval_s += top->screen.interval_s < 3600;
		return true;
	case '-':
		top->screen.interval_s -= top->screen.interval_s > 1;
		return true;
	case ' ':
		top->screen.is_stopped = !top->screen.is_stopped;
		return true;
	case KEY_RESIZE:
		erase();
		return true;
	default:
		return true;
	}
}

static int wait_ms(const struct top *top)
{
	struct timespec now;
	int64_t ms;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ms = (int64_t)(top->next.tv_sec - now.tv_sec) * 1000 + (top->next.tv_nsec - now.tv_nsec) / 1000000;
	/* stopped: only keys count, and the clock in the first line */
	return top->screen.is_stopped ? 1000 : ms < 0 ? 0 : ms > 3600000 ? 3600000 : (int)ms;
}

static bool loop(struct top *top)
{
	while (!top->is_ended) {
		top_screen_draw(&top->screen, &top->look, top->sort[top->screen.view]);
		int key = top_screen_key(wait_ms(top));
		if (key != ERR && !obey(top, key))
			return false;
		if (key == ERR && !isatty(STDIN_FILENO))
			return true;	/* the terminal is gone */
		if (key == ERR && !top->screen.is_stopped && !look(top))
			return false;
	}
	return true;
}

static int show(struct top *top)
{
	bool is_fine;

	for (unsigned i = 0; i < TOP_VIEWS; i++)
		top->choice.sort[i] = top->sort[i];
	top->choice.find = top->find;
	if (!look(top)) {
		top_forget(&top->memory);
		return EXIT_TROUBLE;
	}
	is_fine = top_screen_begin();
	if (is_fine) {
		is_fine = loop(top);
		top_screen_end();
		if (!is_fine)	/* what was said was said to the other screen */
			complain("top", "%s", dure_last_error());
	}
	top_look_end(&top->look);
	top_forget(&top->memory);
	return is_fine ? EXIT_FINE : EXIT_TROUBLE;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "interval", required_argument, NULL, 'i' }, { "kind", required_argument, NULL, 'k' },
		{ "local", no_argument, NULL, 'l' },	      { "sort", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },	      { 0 },
	};
	static struct top top = {
		.screen.interval_s = 2,
		.sort = { [TOP_OBJECTS] = "-RESIDENT", [TOP_PROCESSES] = "-MAPPED", [TOP_USERS] = "PID" },
	};
	int c;

	while ((c = getopt_long(argc, argv, "i:k:ls:h", options, NULL)) != -1)
		switch (c) {
		case 'i':
			if (!read_quantity(optarg, true, &top.screen.interval_s) ||
			    top.screen.interval_s == 0 || top.screen.interval_s > 3600)
				return complain("top", "--interval %s: from 1s to 1h", optarg);
			break;
		case 'k':
			if (!kinds_read("top", optarg, &top.choice.kinds, NULL))
				return EXIT_TROUBLE;
			break;
		case 'l':
			top.choice.is_local = true;
			break;
		case 's':
			snprintf(top.sort[TOP_OBJECTS], sizeof top.sort[0], "%s", optarg);
			break;
		case 'h':
			return print_usage(&cmd_top, stdout);
		default:
			return print_usage(&cmd_top, stderr);
		}
	if (argc != optind)
		return print_usage(&cmd_top, stderr);
	return show(&top);
}

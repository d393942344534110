/* SPDX-License-Identifier: MIT */
/*
 * top_screen.c - how dure top looks: ncurses
 *
 * Names come from anybody. They are made harmless first, and what the terminal's locale cannot
 * show is a question mark; no byte reaches the terminal but through ncurses.
 */
#define NCURSES_WIDECHAR 1
#include <ncursesw/curses.h>

#include <inttypes.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>
#include <wctype.h>

#include "tool.h"
#include "top.h"

enum { HEAD_ROWS = 4, TAIL_ROWS = 1 };	/* two lines of facts, a blank one, the headings; the keys */
enum { PAIR_GOOD = 1, PAIR_WARN, PAIR_BAD, PAIR_MARK };

static SCREEN *screen_of_ours;

bool top_screen_begin(void)
{
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		complain("top", "it needs a terminal; for scripts there are dure ls and dure watch");
		return false;
	}
	setlocale(LC_CTYPE, "");
	screen_of_ours = newterm(NULL, stdout, stdin);
	if (!screen_of_ours) {
		complain("top", "the terminal \"%s\" is not known", getenv("TERM") ? getenv("TERM") : "");
		return false;
	}
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	curs_set(0);
	set_escdelay(50);
	if (has_colors() && *color_on(stdout, COLOR_GOOD)) {
		start_color();
		use_default_colors();
		init_pair(PAIR_GOOD, COLOR_GREEN, -1);
		init_pair(PAIR_WARN, COLOR_YELLOW, -1);
		init_pair(PAIR_BAD, COLOR_RED, -1);
	}
	return true;
}

void top_screen_end(void)
{
	endwin();
	delscreen(screen_of_ours);
	setlocale(LC_CTYPE, "C");
}

int top_screen_key(int wait_ms)
{
	timeout(wait_ms);
	return getch();
}

size_t top_screen_rows(void)
{
	return LINES > HEAD_ROWS + TAIL_ROWS ? (size_t)(LINES - HEAD_ROWS - TAIL_ROWS) : 0;
}

/* -- text -------------------------------------------------------------------------------- */

/* At most width columns; the rest of them is blank. Numbers stand at the right. */
static void put(int y, int x, int width, bool is_right, const char *text)
{
	char shown[1024];
	wchar_t wide[256];
	const char *from = harmless(text, shown, sizeof shown);
	mbstate_t state = { 0 };
	int used = 0, count = 0;

	if (width > COLS - x)
		width = COLS - x;
	if (width <= 0 || y >= LINES)
		return;
	while (*from && count < 255) {
		wchar_t c;
		size_t n = mbrtowc(&c, from, strlen(from), &state);
		int columns;
		if (n == (size_t)-1 || n == (size_t)-2 || !iswprint((wint_t)c) || wcwidth(c) < 0) {
			c = L'?';
			memset(&state, 0, sizeof state);
			n = n > (size_t)-3 ? 1 : n;
		}
		columns = wcwidth(c);
		if (used + columns > width)
			break;
		wide[count++] = c;
		used += columns;
		from += n;
	}
	wide[count] = L'\0';
	mvhline(y, x, ' ', width);
	mvaddnwstr(y, x + (is_right && used < width ? width - used : 0), wide, count);
}

static void put_line(int y, int attributes, const char *text)
{
	attron(attributes);
	put(y, 0, COLS, false, text);
	attroff(attributes);
}

/* -- the parts --------------------------------------------------------------------------- */

static int color_of(double percent)
{
	return COLOR_PAIR(percent >= 90 ? PAIR_BAD : percent >= 70 ? PAIR_WARN : PAIR_GOOD);
}

static double percent_of(const struct limit *l)
{
	/* one big segment or set is no shortage */
	if (!l->l.has_used || !l->l.value || l->l.value == DURE_LIMIT_NONE ||
	    l->l.id == DURE_LIMIT_SHMMAX || l->l.id == DURE_LIMIT_SEMMSL)
		return 0;
	return 100 * (double)l->l.used / (double)l->l.value;
}

static void draw_limit(int y, int x, const struct limit *l)
{
	char text[160], used[24], value[24];
	double percent = percent_of(l);

	snprintf(text, sizeof text, "%s %s of %s, %.0f%%", l->l.name,
		 limit_amount(l, l->l.used, used, sizeof used),
		 limit_amount(l, l->l.value, value, sizeof value), percent);
	attron(color_of(percent));
	put(y, x, 38, false, text);
	attroff(color_of(percent));
}

static void draw_head(const struct top_screen *screen, const struct top_look *look)
{
	const struct limit *shm = limits_find(&look->limits, DURE_LIMIT_SHM_BYTES), *tight = NULL;
	char text[256], bytes[16], now[16] = "";
	time_t seconds = time(NULL);
	struct tm tm;

	if (localtime_r(&seconds, &tm))
		strftime(now, sizeof now, "%T", &tm);
	snprintf(text, sizeof text, "dure top  %s  %s  %zu objects, %zu processes, %zu waiting%s", now,
		 screen->is_stopped ? "stopped" : "", look->host.object_count, look->host.process_count,
		 look->host.wait_count, look->host.summary.is_complete ? "" : "  (view incomplete)");
	put_line(0, A_BOLD, text);
	snprintf(text, sizeof text, "%s resident",
		 human_bytes(look->shm_bytes, bytes, sizeof bytes));
	put(1, 0, 16, false, text);
	if (shm)
		draw_limit(1, 17, shm);
	for (size_t i = 0; i < look->limits.count; i++)
		if (&look->limits.items[i] != shm &&
		    (!tight || percent_of(&look->limits.items[i]) > percent_of(tight)))
			tight = &look->limits.items[i];
	if (tight)
		draw_limit(1, 57, tight);
	put_line(2, A_NORMAL, screen->view == TOP_USERS ? look->subject : "");
}

enum { FIRST_WIDTH_MIN = 28 };

/* The first column has what the others leave; where that is little, the last ones are left out. */
static int first_width(const struct column *columns, unsigned *count)
{
	int rest = COLS;

	for (unsigned i = 1; i < *count; i++) {
		int width = (int)columns[i].width_hint + 1;
		if (rest - width < FIRST_WIDTH_MIN)
			*count = i;
		else
			rest -= width;
	}
	return rest;
}

static bool is_sorted_by(const char *sort, const char *name)
{
	size_t bytes = strcspn(sort += *sort == '-', ",");

	return strlen(name) == bytes && strncasecmp(sort, name, bytes) == 0;
}

static void draw_headings(const struct column *columns, unsigned count, const char *sort)
{
	int x = 0, first = first_width(columns, &count);

	attron(A_REVERSE);
	mvhline(HEAD_ROWS - 1, 0, ' ', COLS);
	for (unsigned i = 0; i < count && x < COLS; i++) {
		int width = i ? (int)columns[i].width_hint : first;
		bool is_sorted = is_sorted_by(sort, columns[i].name);
		if (is_sorted)
			attron(A_UNDERLINE | A_BOLD);
		put(HEAD_ROWS - 1, x, width, columns[i].kind != COLUMN_TEXT, columns[i].name);
		if (is_sorted)
			attroff(A_UNDERLINE | A_BOLD);
		x += width + 1;
	}
	attroff(A_REVERSE);
}

static const char *cell_text(const struct column *c, const struct cell *cell, char *text,
			     size_t bytes)
{
	if (!cell->is_set)
		return "";
	if (cell->text)
		return cell->text;
	switch (c->kind) {
	case COLUMN_BYTES:
		return human_bytes(cell->number, text, bytes);
	case COLUMN_SECONDS:
		return human_seconds(cell->number, text, bytes);
	case COLUMN_NUMBER:
		snprintf(text, bytes, "%" PRIu64, cell->number);
		/* a number above 2^61 is one that only sorts */
		return cell->number >> 61 ? "" : text;
	case COLUMN_TEXT:
	default:
		return "";
	}
}

static void draw_rows(struct top_screen *screen, const struct top_look *look,
		      const struct column *columns, unsigned count)
{
	int first = first_width(columns, &count);
	size_t rows = top_screen_rows();
	char text[64];

	if (screen->chosen >= look->list.count)
		screen->chosen = look->list.count ? look->list.count - 1 : 0;
	if (screen->chosen < screen->first)
		screen->first = screen->chosen;
	if (rows && screen->chosen >= screen->first + rows)
		screen->first = screen->chosen - rows + 1;
	for (size_t i = 0; i < rows; i++) {
		int y = HEAD_ROWS + (int)i, x = 0;
		bool is_chosen = screen->first + i == screen->chosen;
		move(y, 0);
		clrtoeol();
		if (screen->first + i >= look->list.count)
			continue;
		const struct row *row = look->list.rows[screen->first + i];
		if (is_chosen)
			attron(A_STANDOUT);
		for (unsigned c = 0; c < count && x < COLS; c++) {
			int width = c ? (int)columns[c].width_hint : first;
			put(y, x, width + 1, false, "");
			put(y, x, width, columns[c].kind != COLUMN_TEXT,
			    cell_text(&columns[c], row_cell(row, c), text, sizeof text));
			x += width + 1;
		}
		attroff(A_STANDOUT);
	}
	if (!look->list.count && rows)
		put(HEAD_ROWS, 0, COLS, false,
		    look->has_subject ? "(nothing)" : "(it is there no longer)");
}

static void draw_help(void)
{
	static const char *const lines[] = {
		"up, down, PgUp, PgDn, Home, End   move",
		"<  >                              sort by the column to the left, to the right",
		"r                                 turn the order around",
		"Enter                             who uses, and waits for, the marked object",
		"Esc, Backspace                    back",
		"p                                 processes instead of objects, and back",
		"/                                 only names that contain what is typed",
		"+  -                              look more seldom, more often",
		"space                             stop looking, go on",
		"q                                 end",
		"",
		"Any key: back",
	};

	erase();
	put_line(0, A_BOLD, "dure top");
	for (unsigned i = 0; i < sizeof lines / sizeof *lines; i++)
		put(2 + (int)i, 2, COLS - 2, false, lines[i]);
	refresh();
}

static void draw_keys(const struct top_screen *screen)
{
	char text[256];

	if (screen->typed)
		snprintf(text, sizeof text, "/%s", screen->typed);
	else
		snprintf(text, sizeof text, "%s",
			 screen->message ? screen->message
			 : screen->view == TOP_USERS
				 ? "Esc back  < > sort  r turn  space stop  h help  q end"
				 : "Enter who  p processes/objects  < > sort  r turn  / find  space stop  "
				   "h help  q end");
	put_line(LINES - 1, A_REVERSE, text);
}

void top_screen_draw(struct top_screen *screen, const struct top_look *look, const char *sort)
{
	const struct column *columns;
	unsigned count;

	if (screen->is_help) {
		draw_help();
		return;
	}
	columns = top_columns(screen->view, &count);
	draw_rows(screen, look, columns, count);
	draw_head(screen, look);
	draw_headings(columns, count, sort);
	draw_keys(screen);
	refresh();
}

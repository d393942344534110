/* SPDX-License-Identifier: MIT */
/*
 * text.c - how the command says things: errors, colours, sizes, ages, names
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core.h"
#include "tool.h"

int complain(const char *command, const char *format, ...)
{
	char text[1024], shown[sizeof text + 256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	fprintf(stderr, "dure: %s: %s\n", command, harmless(text, shown, sizeof shown));
	return EXIT_TROUBLE;
}

int complain_segment(const char *command, const char *name)
{
	const char *sentence = dure_last_error();

	return strstr(sentence, name) && *name ? complain(command, "%s", sentence)
					       : complain(command, "%s: %s", name, sentence);
}

int print_usage(const struct command *command, FILE *stream)
{
	fputs(command->usage, stream);
	return stream == stdout ? EXIT_FINE : EXIT_TROUBLE;
}

int read_json_option(const struct command *command, int argc, char **argv, bool *ret_is_json)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'J' }, { "help", no_argument, NULL, 'h' }, { 0 },
	};
	int c;

	*ret_is_json = false;
	while ((c = getopt_long(argc, argv, "Jh", options, NULL)) != -1)
		switch (c) {
		case 'J':
			*ret_is_json = true;
			break;
		case 'h':
			return print_usage(command, stdout);
		default:
			return print_usage(command, stderr);
		}
	return -1;
}

static bool wants_color(FILE *stream)
{
	const char *term = getenv("TERM"), *no = getenv("NO_COLOR");

	return isatty(fileno(stream)) && term && strcmp(term, "dumb") != 0 && !(no && *no);
}

const char *color_on(FILE *stream, enum color color)
{
	static const char *const codes[] = {
		[COLOR_NONE] = "",	    [COLOR_GOOD] = "\033[32m", [COLOR_WARN] = "\033[33m",
		[COLOR_BAD] = "\033[31m", [COLOR_DIM] = "\033[2m",   [COLOR_BOLD] = "\033[1m",
		[COLOR_SKY] = "\033[34m", [COLOR_SEA] = "\033[36m", [COLOR_PLUM] = "\033[35m",
	};

	return wants_color(stream) ? codes[color] : "";
}

const char *color_off(FILE *stream)
{
	return wants_color(stream) ? "\033[0m" : "";
}

char *human_bytes(uint64_t bytes, char *text, size_t text_bytes)
{
	static const char units[] = "BKMGTP";
	double value = (double)bytes;
	unsigned unit = 0;

	while (value >= 1024 && unit < sizeof units - 2) {
		value /= 1024;
		unit++;
	}
	snprintf(text, text_bytes, unit && value < 10 ? "%.1f%c" : "%.0f%c", value, units[unit]);
	return text;
}

char *human_seconds(uint64_t s, char *text, size_t text_bytes)
{
	if (s >= 86400)
		snprintf(text, text_bytes, "%" PRIu64 "d", s / 86400);
	else if (s >= 3600)
		snprintf(text, text_bytes, "%" PRIu64 "h", s / 3600);
	else if (s >= 60)
		snprintf(text, text_bytes, "%" PRIu64 "m", s / 60);
	else
		snprintf(text, text_bytes, "%" PRIu64 "s", s);
	return text;
}

char *human_age(uint64_t wall_ns, char *text, size_t text_bytes)
{
	uint64_t now = (uint64_t)time(NULL), then = wall_ns / 1000000000u;

	return human_seconds(now > then ? now - then : 0, text, text_bytes);
}

json_t *text_value(const char *text)
{
	char shown[4 * 1100];
	json_t *value = json_string(text);

	return or_exit(value ? value : json_string(harmless(text, shown, sizeof shown)));
}

void *or_exit(void *allocated)
{
	if (allocated)
		return allocated;
	fputs("dure: out of memory\n", stderr);
	exit(EXIT_TROUBLE);
}

/* how many bytes the character at text has, and which it is; 0: it is no UTF-8 */
static unsigned read_character(const unsigned char *text, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned bytes = *text < 0x80 ? 1 : *text >> 5 == 6 ? 2 : *text >> 4 == 14 ? 3
			 : *text >> 3 == 30 ? 4 : 0;
	uint32_t character = bytes == 1 ? *text : *text & (0x7fu >> bytes);

	for (unsigned i = 1; i < bytes; i++) {
		if (text[i] >> 6 != 2)
			return 0;
		character = character << 6 | (text[i] & 0x3f);
	}
	*ret = character;
	return bytes && character >= least[bytes] && character < 0x110000 &&
			       (character < 0xd800 || character > 0xdfff)
		       ? bytes
		       : 0;
}

/* what a terminal would obey, or what would turn the text around */
static bool is_harmful(uint32_t c)
{
	return c < 32 || (c >= 127 && c < 160) || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff;
}

char *harmless(const char *from, char *text, size_t text_bytes)
{
	size_t used = 0;
	uint32_t character;

	while (*from && used + 20 < text_bytes) {
		const unsigned char *at = (const unsigned char *)from;
		unsigned bytes = read_character(at, &character), shown = bytes ? bytes : 1;
		for (unsigned i = 0; i < shown; i++)
			if (bytes && !is_harmful(character))
				text[used++] = from[i];
			else
				used += (size_t)snprintf(text + used, text_bytes - used, "\\x%02x", at[i]);
		from += shown;
	}
	text[used] = '\0';
	return text;
}

const char *backing_name(uint32_t backing)
{
	static const char *const names[] = {
		[DURE_BACKING_DEFAULT] = "?",	  [DURE_BACKING_POSIX] = "posix",
		[DURE_BACKING_SYSV] = "sysv",	  [DURE_BACKING_FILE] = "file",
		[DURE_BACKING_MEMORY_FILE] = "memfd", [DURE_BACKING_HUGE] = "huge",
		[DURE_BACKING_BUFFER] = "buffer", [DURE_BACKING_PRIVATE] = "private",
	};

	return backing < sizeof names / sizeof *names ? names[backing] : "?";
}

const char *lifetime_name(uint32_t lifetime)
{
	static const char *const names[] = {
		[DURE_LIFETIME_DEFAULT] = "?",	      [DURE_LIFETIME_PROCESS] = "process",
		[DURE_LIFETIME_KERNEL] = "kernel", [DURE_LIFETIME_FILESYSTEM] = "filesystem",
	};

	return lifetime < sizeof names / sizeof *names ? names[lifetime] : "?";
}

const char *segment_by_name(const char *name, struct dure_segment_options *options)
{
	char *end;

	*options = (struct dure_segment_options){ .sz = sizeof *options };
	if (strchr(name, '/')) {
		options->backing = DURE_BACKING_FILE;
		return name;
	}
	if (strncmp(name, "sysv:", 5) == 0) {
		options->backing = DURE_BACKING_SYSV;
		options->id = (int32_t)strtol(name + 5, &end, 10);
		if (*end == '\0' && end != name + 5)
			return NULL;
	}
	return name;
}

int open_segment(const char *command, const char *name, uint32_t flags, dure_segment **ret)
{
	struct dure_segment_options options;
	int r;

	if (is_core_name(name))
		return open_core_segment(command, name, flags, ret);
	r = dure_segment_open(segment_by_name(name, &options), flags, &options, ret);

	if (r < 0)
		complain_segment(command, name);
	return r;
}

void print_word(const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "-_.,/:=+@%";
	char shown[4200];

	if (*word && word[strspn(word, plain)] == '\0') {
		printf(" %s", word);
		return;
	}
	fputs(" '", stdout);
	for (const char *at = harmless(word, shown, sizeof shown); *at; at++)
		if (*at == '\'')
			fputs("'\\''", stdout);
		else
			putchar(*at);
	putchar('\'');
}

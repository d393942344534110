/* SPDX-License-Identifier: MIT */
/*
 * draw.c - text for people out of what was gathered as JSON
 */
#include "draw.h"

#include <stdio.h>

#include "tool.h"

uint64_t get(const json_t *value, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(value, key));
}

const char *get_text(const json_t *value, const char *key)
{
	const char *text = json_string_value(json_object_get(value, key));

	return text ? text : "";
}

void heading(const char *text)
{
	printf("\n%s%s%s\n", color_on(stdout, COLOR_BOLD), text, color_off(stdout));
}

void draw_texts(const char *title, const json_t *list, const char *key)
{
	char shown[1200];
	size_t i;
	json_t *item;

	if (!json_array_size(list))
		return;
	heading(title);
	json_array_foreach(list, i, item) {
		const char *text = key ? get_text(item, key) : json_string_value(item);
		printf("%s\n", harmless(text, shown, sizeof shown));
	}
}

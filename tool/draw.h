/* SPDX-License-Identifier: MIT */
/*
 * draw.h - text for people out of what was gathered as JSON: show and who
 */
#ifndef TOOL_DRAW_H
#define TOOL_DRAW_H

#include <jansson.h>
#include <stdint.h>

/* a member of an object; 0 and "" when there is none */
uint64_t get(const json_t *value, const char *key);
const char *get_text(const json_t *value, const char *key);

void heading(const char *text);
/* each of a list on a line: a member of it, or with no key the text itself; nothing when empty */
void draw_texts(const char *title, const json_t *list, const char *key);

#endif

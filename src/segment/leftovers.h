/* SPDX-License-Identifier: MIT */
/*
 * leftovers.h - what creators leave in a directory when they die
 */
#ifndef DUREI_SEGMENT_LEFTOVERS_H
#define DUREI_SEGMENT_LEFTOVERS_H

#include <stddef.h>
#include <stdint.h>

#define DUREI_NEW_PREFIX ".dure-new-"

/* the directory a path lies in */
void durei_directory_of(const char *path, char *directory, size_t bytes);

/*
 * A file in directory that is locked while its maker lives: [LEFT1]. Its name is
 * DUREI_NEW_PREFIX, infix, and a random number. Returns the descriptor.
 */
int durei_new_locked_file(const char *directory, const char *infix, char *path, size_t bytes,
			  uint32_t *ret_number);

/* A note that a System V segment with the key number is being made: [LEFT2]. */
int durei_note_begin(const char *directory, char *path, size_t bytes, int32_t *ret_key);

/* takes away what dead creators have left in directory */
void durei_leftovers_sweep(const char *directory);

#endif

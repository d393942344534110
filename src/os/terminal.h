/* SPDX-License-Identifier: MIT */
/*
 * terminal.h - pseudo-terminals
 */
#ifndef DUREI_OS_TERMINAL_H
#define DUREI_OS_TERMINAL_H

#include <stdint.h>

enum { DUREI_TERMINAL_EOF = 4 };	/* the character that ends the input, at a line's beginning */

/* A terminal that neither echoes nor changes what is written. 0, -errno */
int durei_terminal_open(uint16_t rows, uint16_t columns, int *ret_ours, int *ret_its);

#endif

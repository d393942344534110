/* SPDX-License-Identifier: MIT */
/*
 * news.h - a word that tells that there is something new, and whom to wake for it
 *
 * Rules    [NEWS1] who finds nothing sets a flag, then looks again or knows that nothing came, and
 *                  sleeps or polls; who brings something takes the flags out, adds a step and
 *                  wakes whom they speak of
 */
#ifndef DUREI_LAYOUT_NEWS_H
#define DUREI_LAYOUT_NEWS_H

enum {
	/* flags; above them a number that grows */
	DL_NEWS_WAITED = 1,		/* somebody may sleep on the word, or poll */
	DL_NEWS_PICKY = 2,		/* for some of what may come only: wake all */
	DL_NEWS_FLAGS = 3,
	DL_NEWS_STEP = 8,
};

#endif

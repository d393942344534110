/* SPDX-License-Identifier: MIT */
/*
 * slow.h - is this the thread sanitizer, under which there is less to do?
 */
#ifndef TESTS_RACE_SLOW_H
#define TESTS_RACE_SLOW_H

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define IS_SLOW 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define IS_SLOW 1
#endif

#endif

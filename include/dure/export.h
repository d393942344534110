/* SPDX-License-Identifier: MIT */
/*
 * dure/export.h - how a symbol leaves the library, and how a header looks to C++
 *
 * Everything exported stands in src/dure.map too; a test holds the two together.
 */
#ifndef DURE_EXPORT_H
#define DURE_EXPORT_H

#if defined(__GNUC__)
#define DURE_API __attribute__((visibility("default")))
#define DURE_FORMAT(string, first) __attribute__((format(printf, string, first)))
#else
#define DURE_API
#define DURE_FORMAT(string, first)
#endif

#ifdef __cplusplus
#define DURE_BEGIN extern "C" {
#define DURE_END }
#else
#define DURE_BEGIN
#define DURE_END
#endif

#endif

/* SPDX-License-Identifier: MIT */
/*
 * options.c - structs that callers fill, and that grow from version to version
 *
 * Death    nothing shared.
 */
#include "base/options.h"

#include <string.h>

#include "base/error.h"

static size_t size_field(const void *options)
{
	size_t bytes;

	memcpy(&bytes, options, sizeof bytes);
	return bytes;
}

int durei_options_read(void *ours, size_t our_bytes, size_t min_bytes, const void *theirs)
{
	memset(ours, 0, our_bytes);
	if (!theirs)
		return 0;
	size_t their_bytes = size_field(theirs);
	if (their_bytes < min_bytes)
		return durei_error(EINVAL, "options.sz is %zu: set it to sizeof the struct (%zu)",
				   their_bytes, our_bytes);
	for (size_t i = our_bytes; i < their_bytes; i++)
		if (((const unsigned char *)theirs)[i])
			return durei_error(E2BIG, "the options have a field at byte %zu that this "
					   "version of the library does not know: use a newer one", i);
	memcpy(ours, theirs, their_bytes < our_bytes ? their_bytes : our_bytes);
	return 0;
}

int durei_options_write(void *theirs, const void *ours, size_t our_bytes, size_t min_bytes)
{
	size_t their_bytes = size_field(theirs);

	if (their_bytes < min_bytes)
		return durei_error(EINVAL, "info->sz is %zu: set it to sizeof the struct (%zu)",
				   their_bytes, our_bytes);
	memset(theirs, 0, their_bytes);
	memcpy(theirs, ours, their_bytes < our_bytes ? their_bytes : our_bytes);
	memcpy(theirs, &their_bytes, sizeof their_bytes);
	return 0;
}

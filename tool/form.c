/* SPDX-License-Identifier: MIT */
/*
 * form.c - bytes as people write them: text, numbers, hexadecimal digits
 *
 * Rules    [FORM1] what is written in a form and read again in it gives the same bytes; what
 *                  cannot be written so is not, and the caller takes FORM_HEX, which always can
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "container.h"

bool form_named(const char *name, enum form *ret)
{
	static const struct {
		const char *name;
		enum form form;
	} forms[] = { { "text", FORM_TEXT }, { "integer", FORM_INTEGER }, { "hex", FORM_HEX } };

	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
		if (strcmp(forms[i].name, name) == 0) {
			*ret = forms[i].form;
			return true;
		}
	return false;
}

/* -- writing ----------------------------------------------------------------------------- */

static char *write_hex(struct bytes bytes, size_t *ret_count)
{
	char *text = or_exit(malloc(bytes.count * 2 + 1));

	for (size_t i = 0; i < bytes.count; i++)
		snprintf(text + 2 * i, 3, "%02x", ((const unsigned char *)bytes.data)[i]);
	text[bytes.count * 2] = '\0';
	*ret_count = bytes.count * 2;
	return text;
}

static bool is_integer_size(size_t count)
{
	return count == 1 || count == 2 || count == 4 || count == 8;
}

static uint64_t get_unsigned(struct bytes bytes)
{
	uint8_t u8;
	uint16_t u16;
	uint32_t u32;
	uint64_t u64;

	switch (bytes.count) {
	case 1:
		memcpy(&u8, bytes.data, 1);
		return u8;
	case 2:
		memcpy(&u16, bytes.data, 2);
		return u16;
	case 4:
		memcpy(&u32, bytes.data, 4);
		return u32;
	default:
		memcpy(&u64, bytes.data, 8);
		return u64;
	}
}

static int64_t get_signed(struct bytes bytes)
{
	unsigned unused = 64 - 8 * (unsigned)bytes.count;

	return (int64_t)(get_unsigned(bytes) << unused) >> unused;
}

static char *write_double(struct bytes bytes, size_t *ret_count)
{
	char text[40];
	double number, again;

	memcpy(&number, bytes.data, sizeof number);
	if (!isfinite(number))
		return NULL;
	for (int digits = 15; digits <= 17; digits++) {
		*ret_count = (size_t)snprintf(text, sizeof text, "%.*g", digits, number);
		again = strtod(text, NULL);
		if (memcmp(&again, &number, sizeof number) == 0)
			return or_exit(strdup(text));
	}
	return NULL;
}

char *form_write(enum form form, struct bytes bytes, size_t *ret_count)
{
	char text[32], *copy;

	switch (form) {
	case FORM_INTEGER:
	case FORM_UNSIGNED:
		if (!is_integer_size(bytes.count))
			return NULL;
		*ret_count = (size_t)(form == FORM_INTEGER
					      ? snprintf(text, sizeof text, "%" PRId64, get_signed(bytes))
					      : snprintf(text, sizeof text, "%" PRIu64, get_unsigned(bytes)));
		return or_exit(strdup(text));
	case FORM_DOUBLE:
		return bytes.count == sizeof(double) ? write_double(bytes, ret_count) : NULL;
	case FORM_HEX:
		return write_hex(bytes, ret_count);
	default:
		copy = or_exit(malloc(bytes.count + 1));
		memcpy(copy, bytes.data, bytes.count);
		copy[bytes.count] = '\0';
		*ret_count = bytes.count;
		return copy;
	}
}

/* -- reading ----------------------------------------------------------------------------- */

static unsigned char *read_hex(const char *text, size_t count, size_t *ret_count)
{
	unsigned char *bytes;
	unsigned digits;

	if (count % 2)
		return NULL;
	bytes = or_exit(malloc(count / 2 + 1));
	for (size_t i = 0; i < count; i += 2) {
		char pair[3] = { text[i], text[i + 1], '\0' };
		if (strspn(pair, "0123456789abcdefABCDEF") != 2 || sscanf(pair, "%x", &digits) != 1) {
			free(bytes);
			return NULL;
		}
		bytes[i / 2] = (unsigned char)digits;
	}
	*ret_count = count / 2;
	return bytes;
}

/* The low bytes of a number, as they lie in memory. */
static unsigned char *number_bytes(uint64_t number, size_t count)
{
	unsigned char *bytes = or_exit(malloc(8));
	uint8_t u8 = (uint8_t)number;
	uint16_t u16 = (uint16_t)number;
	uint32_t u32 = (uint32_t)number;

	memcpy(bytes, count == 1 ? (const void *)&u8 : count == 2 ? (const void *)&u16
		      : count == 4 ? (const void *)&u32 : (const void *)&number, count);
	return bytes;
}

static unsigned char *read_integer(enum form form, const char *text, size_t bytes)
{
	int64_t low = bytes == 8 ? INT64_MIN : -(INT64_C(1) << (8 * bytes - 1));
	uint64_t high = bytes == 8 ? UINT64_MAX : (UINT64_C(1) << 8 * bytes) - 1;
	uint64_t number;
	char *end;

	errno = 0;
	if (*text == '-') {
		int64_t negative = strtoll(text, &end, 10);
		if (form == FORM_UNSIGNED || negative < low)
			return NULL;
		number = (uint64_t)negative;
	} else {
		number = strtoull(text, &end, 10);
		if (number > (form == FORM_UNSIGNED ? high : high / 2))
			return NULL;
	}
	return errno || end == text || *end ? NULL : number_bytes(number, bytes);
}

static unsigned char *read_double(const char *text)
{
	unsigned char *bytes;
	char *end;
	double number = strtod(text, &end);

	if (end == text || *end)
		return NULL;
	bytes = or_exit(malloc(sizeof number));
	memcpy(bytes, &number, sizeof number);
	return bytes;
}

unsigned char *form_read(const struct column_form *column, enum form form, const char *text,
			 size_t count, size_t *ret_count)
{
	size_t bytes = column->bytes ? (size_t)column->bytes : 8;
	unsigned char *data;

	switch (form) {
	case FORM_INTEGER:
	case FORM_UNSIGNED:
		*ret_count = bytes;
		return is_integer_size(bytes) ? read_integer(form, text, bytes) : NULL;
	case FORM_DOUBLE:
		*ret_count = sizeof(double);
		return bytes == sizeof(double) ? read_double(text) : NULL;
	case FORM_HEX:
		data = read_hex(text, count, ret_count);
		break;
	default:	/* what is shorter is filled up */
		*ret_count = column->bytes > count ? (size_t)column->bytes : count;
		data = or_exit(calloc(1, *ret_count + 1));
		memcpy(data, text, count);
	}
	if (data && column->bytes && *ret_count != column->bytes) {
		free(data);
		return NULL;
	}
	return data;
}

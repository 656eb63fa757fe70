/*
 * UTF-8, one character at a time, by the table of RFC 3629, 4. Run by gate and monitor, on the
 * client's input. Pure.
 */

#include "proto/utf8.h"

#include <stdint.h>

/* The first octet determines the sequence's length and the range of the second octet. */
static const struct lead {
	uint8_t	first, last;
	uint8_t	length;
	uint8_t	second_min, second_max;
} leads[] = {
	{ 0x00, 0x7f, 1, 0, 0 },
	{ 0xc2, 0xdf, 2, 0x80, 0xbf },
	{ 0xe0, 0xe0, 3, 0xa0, 0xbf },
	{ 0xe1, 0xec, 3, 0x80, 0xbf },
	{ 0xed, 0xed, 3, 0x80, 0x9f },
	{ 0xee, 0xef, 3, 0x80, 0xbf },
	{ 0xf0, 0xf0, 4, 0x90, 0xbf },
	{ 0xf1, 0xf3, 4, 0x80, 0xbf },
	{ 0xf4, 0xf4, 4, 0x80, 0x8f },
};

static const struct lead *
find_lead(uint8_t octet)
{
	size_t i;

	for (i = 0; i < sizeof(leads) / sizeof(leads[0]); i++)
		if (octet >= leads[i].first && octet <= leads[i].last)
			return &leads[i];
	return NULL;
}

size_t
utf8_sequence(const char *text, size_t len)
{
	const uint8_t *octets = (const uint8_t *)text;
	const struct lead *lead;
	size_t i;

	if (len == 0)
		return 0;
	lead = find_lead(octets[0]);
	if (lead == NULL || lead->length > len)
		return 0;
	if (lead->length > 1 && (octets[1] < lead->second_min || octets[1] > lead->second_max))
		return 0;
	for (i = 2; i < lead->length; i++)
		if ((octets[i] & 0xc0) != 0x80)
			return 0;
	return lead->length;
}

bool
utf8_is_control(const char *text, size_t octets)
{
	const uint8_t *at = (const uint8_t *)text;

	if (octets == 1)
		return at[0] < ' ' || at[0] == 0x7f;
	return octets == 2 && at[0] == 0xc2 && at[1] < 0xa0;
}

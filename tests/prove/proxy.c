/*
 * proto/proxy.c: any octets up to 9, lines of version 1 with few, headers of
 * version 2 of several lengths with any contents; what may stand behind the
 * addresses (TLVs) up to 8 octets. All of it ends where its memory does.
 */

#include "prove.h"

#include "proto/proxy.h"

#define TEXT_MAX	9
#define HEADER_MAX	64

static void
prove(uint8_t *octets, size_t len)
{
	struct proxy proxy;
	size_t used;

	proxy_parse(&proxy, octets, len, &used);
}

static void
prove_any(void)
{
	uint8_t memory[TEXT_MAX];
	size_t len;

	//@ loop unroll 21;
	for (len = 0; len <= TEXT_MAX; len++) {
		any_octets(memory, sizeof(memory));
		prove(memory + TEXT_MAX - len, len);
		//@ slevel merge;
		;
	}
}

/* A line of version 1 with up to 4 octets that are any. */
static void
prove_line(size_t any)
{
	static const char start[] = "PROXY TCP4 ";
	uint8_t memory[sizeof(start) - 1 + 4 + 2], *octets = memory + 4 - any;
	size_t i;

	any_octets(memory, sizeof(memory));
	//@ loop unroll 11;
	for (i = 0; i < sizeof(start) - 1; i++)
		octets[i] = (uint8_t)start[i];
	memory[sizeof(memory) - 2] = '\r';
	memory[sizeof(memory) - 1] = '\n';
	prove(octets, sizeof(start) - 1 + any + 2);
}

/* A header of version 2 whose length is told and whole; kind is command, family and transport. */
static void
prove_binary(uint8_t kind, uint8_t family, size_t len)
{
	static const uint8_t start[] = { '\r', '\n', '\r', '\n', 0, '\r', '\n', 'Q', 'U', 'I', 'T', '\n' };
	uint8_t memory[4096], *octets = memory + sizeof(memory) - len;
	size_t i;

	any_octets(memory, sizeof(memory));
	for (i = 0; i < sizeof(start); i++)
		octets[i] = start[i];
	octets[12] = kind;
	octets[13] = family;
	octets[14] = (uint8_t)((len - 16) >> 8);
	octets[15] = (uint8_t)(len - 16);
	prove(octets, len);
}

int
main(void)
{
	size_t more;

	prove_any();
	prove_line(1);
	prove_line(4);
	prove_binary(0x20, 0x00, 16);
	prove_binary(0x21, 0x00, 40);
	//@ loop unroll 9;
	for (more = 0; more <= 8; more += 2) {
		prove_binary(0x21, 0x11, 16 + 12 + more);
		//@ slevel merge;
		;
	}
	prove_binary(0x21, 0x21, 16 + 36);
	prove_binary(0x21, 0x31, 16 + 216);
	prove_binary(0x21, 0x11, 16 + 11);
	prove_binary(0x21, 0x12, 40);
	prove_binary(0x21, 0x41, 40);
	return 0;
}

/*
 * proto/command.c: any octets in two slices of each length up to 2, at the
 * beginning of a command, within a literal, and where the text is nearly
 * full; slices end where their memory does.
 */

#include "prove.h"

#include "proto/command.h"

#define SLICE_MAX	2

static struct command	c;

/* A parser that has taken so many octets, of which the present line has so many. */
static void
any_state(size_t len, size_t line_len, size_t literal_left)
{
	any_octets(c.text, sizeof(c.text));
	c.strict = Frama_C_interval(0, 1);
	c.response = Frama_C_interval(0, 1);
	c.too_long = Frama_C_interval(0, 1);
	c.literal_left = literal_left;
	c.len = len;
	c.line = len - line_len;
	c.announcement.brace = (enum command_brace)Frama_C_interval(BRACE_NONE, BRACE_CR);
	c.announcement.synchronizing = Frama_C_interval(0, 1);
	c.announcement.octets = any_size(0, COMMAND_LITERAL_MAX * 10 + 9);
}

static void
feed(size_t len)
{
	char memory[SLICE_MAX];
	size_t used;

	any_octets(memory, sizeof(memory));
	command_feed(&c, memory + SLICE_MAX - len, len, &used);
	//@ assert used <= len;
	//@ assert c.len <= COMMAND_TEXT_MAX;
	;
}

static void
prove(size_t text_len, size_t literal_left)
{
	size_t len, line_len;

	//@ loop unroll 3;
	for (len = 0; len <= SLICE_MAX; len++) {
		//@ loop unroll 3;
		for (line_len = 0; line_len <= 2 && line_len <= text_len; line_len++) {
			any_state(text_len, line_len, literal_left);
			feed(len);
			command_response(&c);
			command_is_foreign(&c);
			//@ slevel merge;
			;
		}
	}
	command_reset(&c);
	command_reset_response(&c);
}

int
main(void)
{
	prove(0, 0);
	prove(0, 1);
	prove(1, 0);
	prove(2, 0);
	prove(2, 2);
	prove(2, COMMAND_LITERAL_MAX);
	prove(COMMAND_TEXT_MAX - 1, 0);
	prove(COMMAND_TEXT_MAX - 1, 2);
	prove(COMMAND_TEXT_MAX, 0);
	prove(COMMAND_TEXT_MAX, COMMAND_LITERAL_MAX);
	return 0;
}

/*
 * proto/arguments.c: any arguments behind a tag, of each length up to 3; any
 * of 4096 octets and of as many as there can be. Any text for the tag and the
 * word themselves. c->text has more memory behind a text than belongs to it:
 * that nothing is read there, a unit test shows (T18_text_that_is_cut_is_no_command).
 */

#include "prove.h"

#include "proto/command.h"

static struct command	c;

static void
prove_head(size_t len)
{
	char tag[COMMAND_TAG_MAX + 1], word[COMMAND_NAME_MAX + 1];

	any_octets(c.text, sizeof(c.text));
	c.len = len;
	command_tag(&c, tag);
	command_name(&c, word);
}

static void
prove_arguments(size_t len)
{
	char mechanism[COMMAND_NAME_MAX + 1];
	struct command_string user, password;
	struct command_span initial;

	c.strict = Frama_C_interval(0, 1);
	c.len = len;
	command_no_arguments(&c);
	command_login(&c, &user, &password);
	command_authenticate(&c, mechanism, &initial);
	command_id(&c);
}

static void
prove(size_t len)
{
	any_octets(c.text, sizeof(c.text));
	c.text[0] = 'a';
	c.text[1] = ' ';
	c.text[2] = 'X';
	prove_arguments(len);
}

int
main(void)
{
	char tag[8];
	size_t len;

	any_string(tag, sizeof(tag));
	command_is_tag(tag);
	//@ loop unroll 4;
	for (len = 0; len <= 3; len++) {
		prove_head(len);
		prove(3 + len);
		//@ slevel merge;
		;
	}
	/* Without a tag there are no arguments. */
	c.text[0] = '\n';
	prove_arguments(1);
	return 0;
}

/* Loops are followed as a whole here, with all places in the text at once. */
void
prove_long(void)
{
	prove_head(4096);
	prove_head(COMMAND_TEXT_MAX);
	prove(4096);
	prove(COMMAND_TEXT_MAX);
}

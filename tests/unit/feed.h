#ifndef TESTS_FEED_H
#define TESTS_FEED_H

/*
 * Feeds the command parser in every way that a network can: whole, one byte
 * at a time, and in two pieces at each place. What follows the command are
 * sentinel bytes, which the parser must leave alone.
 */

#include "proto/command.h"
#include "unit.h"

#define SENTINEL	"sentinel {9+}\r\n"

/* How it is to be fed, and what came of it. */
struct feeding {
	struct command		 c;
	struct bytes		 in;		/* with what follows it */
	size_t			 first, rest;	/* lengths of the slices */
	unsigned		 invite;	/* so many synchronizing literals are invited */
	enum command_event	 event;
	size_t			 used;
	unsigned		 invited;
};

/* Shows input in a message, cut. */
static inline const char *
shown(struct bytes in)
{
	static char text[4 * 100 + 4];
	char *at = text;
	size_t i;

	for (i = 0; i < in.len && i < 100; i++) {
		unsigned char ch = (unsigned char)in.text[i];

		if (ch == '\n')
			at = stpcpy(at, "\\n");
		else if (ch == '\r')
			at = stpcpy(at, "\\r");
		else if (ch < ' ' || ch > '~')
			at += sprintf(at, "\\x%02x", ch);
		else
			*at++ = (char)ch;
	}
	strcpy(at, i < in.len ? "..." : "");
	return text;
}

/* An assertion that says for which input it failed. */
#define expect(in, cond)	do {						\
	if (!(cond))								\
		fail_msg("not so: %s\n  input: %s", #cond, shown(in));		\
} while (0)

#define expect_fed(f, cond)	do {						\
	if (!(cond))								\
		fail_msg("not so: %s\n  input: %s\n  sliced %zu, %zu; event %d, used %zu", #cond,	\
		    shown((f)->in), (f)->first, (f)->rest, (f)->event, (f)->used);	\
} while (0)

/* Each slice is an allocation of its own, so that the sanitizer sees who looks behind its end; too many would be slow. */
static inline enum command_event
feed_slice(struct feeding *f, size_t len, size_t *used)
{
	enum command_event event;
	char *slice;

	if (f->in.len > 4096)
		return command_feed(&f->c, f->in.text + f->used, len, used);
	slice = malloc(len > 0 ? len : 1);
	assert_non_null(slice);
	memcpy(slice, f->in.text + f->used, len);
	event = command_feed(&f->c, slice, len, used);
	free(slice);
	return event;
}

static inline void
feed(struct feeding *f)
{
	size_t len, used, size = f->first;

	f->event = COMMAND_MORE;
	f->used = 0;
	f->invited = 0;
	while (f->used < f->in.len) {
		len = f->in.len - f->used < size ? f->in.len - f->used : size;
		used = len + 1;
		f->event = feed_slice(f, len, &used);
		expect_fed(f, used <= len);
		expect_fed(f, f->c.len <= COMMAND_TEXT_MAX);
		f->used += used;
		if (f->event == COMMAND_MORE)
			expect_fed(f, used == len);
		else if (f->event != COMMAND_LITERAL || f->invited == f->invite)
			return;
		else
			f->invited++;
		size = f->rest;
	}
}

static inline void
feed_once(struct feeding *f, struct bytes in, size_t first, size_t rest)
{
	f->in = in;
	f->first = first;
	f->rest = rest;
	command_reset(&f->c);
	feed(f);
}

/* Calls check after each way of feeding; invite and c.strict are set in f before. */
static inline void
feed_every_way(struct feeding *f, struct bytes in, void (*check)(const struct feeding *, const void *), const void *row)
{
	size_t i;

	feed_once(f, in, in.len, in.len);
	check(f, row);
	feed_once(f, in, 1, 1);
	check(f, row);
	for (i = 1; i < in.len; i++) {
		feed_once(f, in, i, in.len);
		check(f, row);
	}
}

/* The same with sentinel bytes behind the input. */
static inline void
feed_with_sentinel(struct feeding *f, struct bytes in, void (*check)(const struct feeding *, const void *), const void *row)
{
	size_t len = in.len + sizeof(SENTINEL) - 1;
	char *text = malloc(len);

	assert_non_null(text);
	memcpy(text, in.text, in.len);
	memcpy(text + in.len, SENTINEL, sizeof(SENTINEL) - 1);
	feed_every_way(f, (struct bytes){ text, len }, check, row);
	free(text);
}

#endif

/*
 * proto/reply.c: any text of up to 2 octets into room of each size up to 4;
 * any parts of 0 and of 3 octets into a reply that is empty or nearly full;
 * challenges of several lengths. Texts and room end where their memory does.
 */

#include "prove.h"

#include "proto/reply.h"

#define TEXT_MAX	2
#define ROOM_MAX	4
#define PART_MAX	3
#define CHALLENGE_MAX	200

static struct reply	r;

/* Makes a string of exactly this length, at the end of its memory. */
static char *
string_of(char *memory, size_t size, size_t len)
{
	size_t i;

	for (i = size - 1 - len; i < size - 1; i++)
		memory[i] = (char)Frama_C_interval(1, 127);
	memory[size - 1] = '\0';
	return memory + size - 1 - len;
}

static void
prove_clean(void)
{
	char memory[TEXT_MAX + 1], room[ROOM_MAX];
	size_t size, len;

	//@ loop unroll 8;
	for (size = 1; size <= ROOM_MAX; size++) {
		//@ loop unroll 6;
		for (len = 0; len <= TEXT_MAX; len++) {
			any_string(memory, sizeof(memory));
			reply_clean(room + ROOM_MAX - size, size, memory + TEXT_MAX - len);
			//@ slevel merge;
			;
		}
	}
}

static void
prove_lines(size_t before, size_t tag_len, size_t text_len)
{
	char tag_memory[PART_MAX + 1], text_memory[PART_MAX + 1];
	const char *tag = string_of(tag_memory, sizeof(tag_memory), tag_len);
	const char *text = string_of(text_memory, sizeof(text_memory), text_len);

	r.len = before;
	reply_data(&r, text);
	//@ assert r.len <= REPLY_MAX;
	r.len = before;
	reply_continue(&r, text);
	//@ assert r.len <= REPLY_MAX;
	r.len = before;
	reply_prefix(&r, tag);
	//@ assert r.len <= REPLY_MAX;
	r.len = before;
	reply_no_mailbox(&r, tag);
	//@ assert r.len <= REPLY_MAX;
	r.len = before;
	reply_line(&r, tag, "NO", "ALERT", "");
	//@ assert r.len <= REPLY_MAX;
	r.len = before;
	reply_line(&r, tag, "OK", NULL, "");
	//@ assert r.len <= REPLY_MAX;
	;
}

static void
prove_challenge(size_t before)
{
	char challenge[CHALLENGE_MAX];
	size_t len;

	any_octets(challenge, sizeof(challenge));
	//@ loop unroll 26;
	for (len = 0; len <= CHALLENGE_MAX; len += 8) {
		r.len = before;
		reply_challenge(&r, challenge + CHALLENGE_MAX - len, len);
		//@ assert r.len <= REPLY_MAX;
		;
		//@ slevel merge;
		;
	}
}

int
main(void)
{
	size_t before;

	reply_outcome((uint32_t)any_size(0, INT32_MAX));
	prove_clean();
	any_octets(r.text, sizeof(r.text));
	//@ loop unroll 14;
	for (before = 0; before <= REPLY_MAX; before = before == 0 ? REPLY_MAX - 12 : before + 1) {
		prove_lines(before, 0, 0);
		prove_lines(before, PART_MAX, PART_MAX);
		//@ slevel merge;
		;
	}
	prove_challenge(0);
	prove_challenge(REPLY_MAX - 100);
	return 0;
}

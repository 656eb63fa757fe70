/*
 * Responses from hostile text: the first octet says how much room there is,
 * the rest is what PAM or a mailbox program wants to say. What comes out is
 * clean, the same when it is cleaned again, and stays in its line.
 */

#include "fuzz.h"

#include <stdbool.h>
#include <string.h>

#include "proto/reply.h"
#include "proto/utf8.h"

static void
check_clean(const char *text, size_t size)
{
	char *clean = malloc(size), *again = malloc(size);
	size_t at, octets, len;

	MUST(clean != NULL && again != NULL);
	reply_clean(clean, size, text);
	len = strnlen(clean, size);
	MUST(len < size && utf8_sequence(clean, 0) == 0);
	for (at = 0; at < len; at += octets) {
		octets = utf8_sequence(clean + at, len - at);
		MUST(octets > 0 && (unsigned char)clean[at] >= ' ' && clean[at] != 0x7f);
	}
	MUST(len == 0 || (clean[0] != ' ' && clean[len - 1] != ' '));
	reply_clean(again, size, clean);
	MUST(strcmp(again, clean) == 0);
	free(clean);
	free(again);
}

/* Lines of every kind, until there is no more room. */
static void
check_lines(const char *text, size_t len)
{
	static struct reply r;
	size_t i, lines = 0;

	memset(&r, 0, sizeof(r));
	for (i = 0; i < 8; i++)
		reply_line(&r, i % 2 ? "*" : "a1", "NO", i % 3 ? NULL : "ALERT", text);
	reply_challenge(&r, text, len);
	MUST(r.len <= REPLY_MAX);
	for (i = 0; i < r.len; i++) {
		MUST(r.text[i] != '\0');
		MUST((r.text[i] == '\r') == (i + 1 < r.len && r.text[i + 1] == '\n'));
		lines += r.text[i] == '\n';
	}
	MUST(r.len == 0 || r.text[r.len - 1] == '\n');
	MUST(lines <= 9 && (lines == 9) == !r.cut);
}

/* What is never a client's words comes as it is: so many octets, and all of them or none. */
static void
check_room(size_t before, const char *tag)
{
	static struct reply r;
	size_t len = strlen(tag);

	memset(&r, 0, sizeof(r));
	for (r.len = before; r.len + 4 + len <= REPLY_MAX;)
		reply_data(&r, tag);
	MUST(!r.cut);
	before = r.len;
	reply_continue(&r, tag);
	MUST(r.len == before && r.cut);
	r.len = before = REPLY_MAX / 2;
	reply_prefix(&r, tag);
	MUST(r.len == before || (r.len == before + len + 4 && memcmp(r.text + r.len - 4, " OK ", 4) == 0));
	reply_no_mailbox(&r, tag);
	MUST(r.len <= REPLY_MAX);
}

static void
check_outcome(uint32_t outcome)
{
	const struct reply_words *words = reply_outcome(outcome);

	MUST((words != NULL) == (outcome > OUTCOME_OK && outcome <= OUTCOME_LIMIT));
	MUST(words == NULL || (words->code[0] != '\0' && words->text[0] != '\0'));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size == 0)
		return 0;
	text = malloc(size);
	MUST(text != NULL);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	check_clean(text, 1u + data[0]);
	check_lines(text, strlen(text));
	check_room(data[0] * 16u, text);
	check_outcome(data[0]);
	free(text);
	return 0;
}

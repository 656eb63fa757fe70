/*
 * proto/sasl.c: any message of each length up to 7, and up to 4 octets behind
 * what gets far into OAuth's, to each mechanism, from memory that ends where
 * the message does; any base64 of some lengths up to the limit.
 */

#include "prove.h"

#include "proto/sasl.h"

#define MESSAGE_MAX	SASL_MESSAGE_MAX
#define BASE64_MAX	(SASL_MESSAGE_MAX / 3 * 4 + 8)

static struct sasl	s;
static char		memory[MESSAGE_MAX];
static char		base64[BASE64_MAX], out[SASL_MESSAGE_MAX];

static void
prove_message(const struct sasl_mechanism *m, const char *identity, size_t len)
{
	sasl_begin(&s, m, identity);
	any_octets(memory, sizeof(memory));
	if (sasl_step(&s, memory + MESSAGE_MAX - len, len) == SASL_MORE)
		sasl_step(&s, memory + MESSAGE_MAX - len, len);
	sasl_forget(&s);
}

static void
prove_messages(const struct sasl_mechanism *m)
{
	size_t len;

	//@ loop unroll 8;
	for (len = 0; len <= 7; len++) {
		prove_message(m, "alice", len);
		//@ slevel merge;
		;
	}
}

/* A message that begins so, and ends in up to 4 octets that are any. */
static void
prove_prefix(const struct sasl_mechanism *m, const char *prefix, size_t prefix_len)
{
	size_t more, i;

	//@ loop unroll 5;
	for (more = 0; more <= 4; more++) {
		sasl_begin(&s, m, "");
		any_octets(memory, sizeof(memory));
		//@ loop unroll 40;
		for (i = 0; i < prefix_len; i++)
			memory[MESSAGE_MAX - more - prefix_len + i] = prefix[i];
		sasl_step(&s, memory + MESSAGE_MAX - more - prefix_len, prefix_len + more);
		//@ slevel merge;
		;
	}
}

static void
prove_decode(void)
{
	static const size_t lengths[] = { 0, 1, 2, 3, 4, 8, 60, 64, 68, 128, 132, BASE64_MAX - 8, BASE64_MAX - 4 };
	size_t i, out_len;

	//@ loop unroll 13;
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		any_octets(base64, sizeof(base64));
		if (sasl_decode(base64 + BASE64_MAX - lengths[i], lengths[i], out, &out_len)) {
			//@ assert out_len <= SASL_MESSAGE_MAX;
			;
		}
		//@ slevel merge;
		;
	}
}

int
main(void)
{
	static struct credentials cred;
	char identity[300], name[6];

	any_string(name, sizeof(name));
	sasl_find(name);
	sasl_is_text(name);
	sasl_is_name(name);
	prove_messages(&sasl_mechanisms[0]);
	prove_messages(&sasl_mechanisms[1]);
	prove_messages(&sasl_mechanisms[2]);
	prove_messages(&sasl_mechanisms[3]);
	prove_messages(&sasl_mechanisms[4]);
	prove_prefix(&sasl_mechanisms[3], "n,,\1auth=Bearer ", 16);
	prove_prefix(&sasl_mechanisms[3], "n,a=", 4);
	prove_prefix(&sasl_mechanisms[4], "user=u\1auth=Bearer ", 19);
	prove_prefix(&sasl_mechanisms[4], "host=", 5);
	prove_message(&sasl_mechanisms[1], "", SASL_NAME_MAX);
	prove_message(&sasl_mechanisms[1], "", SASL_NAME_MAX + 1);
	prove_message(&sasl_mechanisms[2], "alice", SASL_NAME_MAX);
	prove_message(&sasl_mechanisms[2], "alice", SASL_MESSAGE_MAX);
	any_string(identity, sizeof(identity));
	prove_message(&sasl_mechanisms[2], identity, 3);
	any_octets(memory, sizeof(memory));
	sasl_login(&cred, memory, 255, memory + MESSAGE_MAX - 511, 511);
	sasl_login(&cred, memory, 256, memory + MESSAGE_MAX - 512, 512);
	prove_decode();
	return 0;
}

/*
 * The PROXY header, see proxy.h. Run by the gate in its sandbox, on input from the network.
 * Pure. Section numbers are those of proxy-protocol.txt (HAProxy, 2020/03/05).
 */

#include "proto/proxy.h"

#include <string.h>

#include "proto/word.h"

/* Octets of the longest line of version 1: kind, two IPv6 addresses, two ports, CRLF (2.1). */
#define LINE_MAX_V1	107

/*
 * Octets of version 2's signature, and of its fixed part: signature, version and command, family
 * and transport, length (2.2).
 */
#define SIGNATURE_LEN	12
#define FIXED_LEN		16

static const uint8_t text_start[] = { 'P', 'R', 'O', 'X', 'Y', ' ' };
static const uint8_t signature[SIGNATURE_LEN] = { '\r', '\n', '\r', '\n', 0, '\r', '\n', 'Q', 'U', 'I', 'T', '\n' };

/* Commands, families and transports of version 2 (2.2). */
enum {
	LOCAL = 0x0,
	PROXY = 0x1,
	INET = 0x1,
	INET6 = 0x2,
	UNIX = 0x3,
	STREAM = 0x1,
	DGRAM = 0x2,
};

/* Types of the TLVs after the addresses (2.2). */
enum {
	TYPE_CRC32C = 0x03,
	TYPE_SSL = 0x20,
	SUBTYPE_SSL_VERSION = 0x21,
	SUBTYPE_SSL_CIPHER = 0x23,
};

/* Bit of the first octet of TYPE_SSL: the client connected over TLS (2.2.6). */
#define CLIENT_SSL	0x01

struct tlv {
	uint8_t		 type;
	const uint8_t	*value;
	size_t		 len;
};

static unsigned
read_16(const uint8_t *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

/* Returns whether the octets are a beginning of start, or begin with it. */
static bool
may_begin_with(const uint8_t *octets, size_t len, const uint8_t *start, size_t start_len)
{
	return memcmp(octets, start, len < start_len ? len : start_len) == 0;
}

/* Version 1. */

/* Parses a decimal number without leading zeros. */
static bool
read_port(uint16_t *port, const char *text)
{
	size_t len = strlen(text);
	unsigned n = 0;

	if (len == 0 || len > 5 || strspn(text, "0123456789") != len || (text[0] == '0' && len > 1))
		return false;
	for (; *text != '\0'; text++)
		n = n * 10 + (unsigned)(*text - '0');
	*port = (uint16_t)n;
	return n <= UINT16_MAX;
}

/* Parses the line after "PROXY ": kind, two addresses, two ports, separated by one space. */
static bool
read_words(struct proxy *p, char *line)
{
	bool (*read)(uint8_t[NETWORK_ADDRESS_LEN], const char *) = network_read_ipv4;
	const char *kind = strsep(&line, " "), *source, *destination, *source_port;

	if (strcmp(kind, "UNKNOWN") == 0) {
		p->client = PROXY_UNKNOWN;
		return true;
	}
	if (strcmp(kind, "TCP6") == 0)
		read = network_read_ipv6;
	else if (strcmp(kind, "TCP4") != 0)
		return false;
	source = strsep(&line, " ");
	destination = strsep(&line, " ");
	source_port = strsep(&line, " ");
	if (line == NULL)
		return false;
	p->client = PROXY_TCP;
	return read(p->source.address, source) && read(p->destination.address, destination) &&
	    read_port(&p->source.port, source_port) && read_port(&p->destination.port, line);
}

static enum proxy_outcome
parse_text(struct proxy *p, const uint8_t *octets, size_t len, size_t *used)
{
	const uint8_t *cr = memchr(octets, '\r', len < LINE_MAX_V1 ? len : LINE_MAX_V1);
	size_t line_len = cr != NULL ? (size_t)(cr - octets) : len;
	char line[LINE_MAX_V1 + 1];

	/* CR or LF alone must not end a line (2.1). */
	if (memchr(octets, '\n', line_len) != NULL || memchr(octets, '\0', line_len) != NULL || line_len + 2 > LINE_MAX_V1)
		return PROXY_BAD;
	if (cr == NULL || line_len + 1 == len)
		return PROXY_MORE;
	if (cr[1] != '\n')
		return PROXY_BAD;
	memcpy(line, octets, line_len);
	line[line_len] = '\0';
	*used = line_len + 2;
	return read_words(p, line + sizeof(text_start)) ? PROXY_READY : PROXY_BAD;
}

/* Version 2. */

/* Parses the TLV at *at, and moves at behind it. Returns false if the TLV is incomplete. */
static bool
next_tlv(struct tlv *t, const uint8_t **at, size_t *len)
{
	if (*len < 3)
		return false;
	t->type = (*at)[0];
	t->len = read_16(*at + 1);
	t->value = *at + 3;
	if (t->len > *len - 3)
		return false;
	*at += 3 + t->len;
	*len -= 3 + t->len;
	return true;
}

/*
 * Computes the CRC32c, bit by bit (RFC 9260, appendix A), of a header with zeros in place of its
 * checksum at own (2.2.3).
 */
static uint32_t
crc32c(const uint8_t *octets, size_t len, const uint8_t *own)
{
	uint32_t crc = UINT32_MAX;
	size_t i;
	int bit;

	for (i = 0; i < len; i++) {
		crc ^= octets + i >= own && octets + i < own + 4 ? 0 : octets[i];
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

static bool
is_checksum(const struct tlv *t, const uint8_t *header, size_t len)
{
	return t->len == 4 && crc32c(header, len, t->value) == ((uint32_t)read_16(t->value) << 16 | read_16(t->value + 2));
}

/* Parses TYPE_SSL: an octet of flags, 32 bits about the client's certificate, and TLVs (2.2.6). */
static bool
read_tls(struct proxy *p, const struct tlv *ssl)
{
	const uint8_t *at;
	struct tlv t;
	size_t len;

	if (ssl->len < 5)
		return false;
	at = ssl->value + 5;
	len = ssl->len - 5;
	p->tls = (ssl->value[0] & CLIENT_SSL) != 0;
	strcpy(p->tls_protocol, "TLS");
	strcpy(p->tls_cipher, "unknown");
	while (len > 0) {
		if (!next_tlv(&t, &at, &len))
			return false;
		if (t.type == SUBTYPE_SSL_VERSION)
			word_copy(p->tls_protocol, sizeof(p->tls_protocol), t.value, t.len);
		else if (t.type == SUBTYPE_SSL_CIPHER)
			word_copy(p->tls_cipher, sizeof(p->tls_cipher), t.value, t.len);
	}
	return true;
}

/* Parses the TLVs after the addresses. Refuses repeated TLVs, which are ambiguous. */
static bool
read_tlvs(struct proxy *p, const uint8_t *header, size_t header_len, size_t at_offset)
{
	const uint8_t *at = header + at_offset;
	size_t len = header_len - at_offset;
	bool summed = false, tls = false;
	struct tlv t;

	while (len > 0) {
		if (!next_tlv(&t, &at, &len))
			return false;
		if (t.type == TYPE_CRC32C && (summed || !is_checksum(&t, header, header_len)))
			return false;
		if (t.type == TYPE_SSL && (tls || !read_tls(p, &t)))
			return false;
		summed |= t.type == TYPE_CRC32C;
		tls |= t.type == TYPE_SSL;
	}
	return true;
}

/* Reads two addresses of size octets, then two ports. */
static void
read_endpoints(struct proxy *p, const uint8_t *at, size_t size)
{
	if (size == NETWORK_ADDRESS_LEN) {
		memcpy(p->source.address, at, size);
		memcpy(p->destination.address, at + size, size);
	} else {
		network_from_ipv4(p->source.address, at);
		network_from_ipv4(p->destination.address, at + size);
	}
	p->source.port = (uint16_t)read_16(at + 2 * size);
	p->destination.port = (uint16_t)read_16(at + 2 * size + 2);
}

/*
 * Parses a complete header. Skips the rest after an unknown family or transport, since the length
 * of the addresses is unknown too.
 */
static bool
read_binary(struct proxy *p, const uint8_t *header, size_t len)
{
	unsigned command = header[12] & 0xf, family = header[13] >> 4, transport = header[13] & 0xf;
	static const size_t sizes[] = { [INET] = 2 * 4 + 4, [INET6] = 2 * 16 + 4, [UNIX] = 2 * 108 };

	if (command == LOCAL) {
		p->client = PROXY_ITSELF;
		return true;
	}
	if (command != PROXY || family > UNIX || transport > DGRAM)
		return false;
	p->client = PROXY_UNKNOWN;
	if (family == 0 || transport != STREAM)
		return true;
	if (len - FIXED_LEN < sizes[family])
		return false;
	p->client = family == UNIX ? PROXY_UNIX : PROXY_TCP;
	if (family != UNIX)
		read_endpoints(p, header + FIXED_LEN, family == INET ? 4 : 16);
	return read_tlvs(p, header, len, FIXED_LEN + sizes[family]);
}

static enum proxy_outcome
parse_binary(struct proxy *p, const uint8_t *octets, size_t len, size_t *used)
{
	if (len > SIGNATURE_LEN && octets[SIGNATURE_LEN] >> 4 != 2)
		return PROXY_BAD;
	if (len < FIXED_LEN)
		return PROXY_MORE;
	*used = FIXED_LEN + read_16(octets + 14);
	if (*used > PROXY_MAX)
		return PROXY_BAD;
	if (len < *used)
		return PROXY_MORE;
	return read_binary(p, octets, *used) ? PROXY_READY : PROXY_BAD;
}

enum proxy_outcome
proxy_parse(struct proxy *p, const uint8_t *octets, size_t len, size_t *used)
{
	memset(p, 0, sizeof(*p));
	*used = 0;
	if (len == 0)
		return PROXY_MORE;
	if (may_begin_with(octets, len, text_start, sizeof(text_start)))
		return parse_text(p, octets, len, used);
	if (may_begin_with(octets, len, signature, sizeof(signature)))
		return parse_binary(p, octets, len, used);
	return PROXY_BAD;
}

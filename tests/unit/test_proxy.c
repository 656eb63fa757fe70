/*
 * The PROXY header: each form whole, one octet at a time and with the
 * client's bytes behind it, against proxy-protocol.txt of HAProxy; and
 * networks of addresses.
 */

#include <arpa/inet.h>

#include "proto/proxy.h"
#include "unit.h"

#define OCTETS(s)	(const uint8_t *)(s), sizeof(s) - 1
#define SIGNATURE	"\r\n\r\n\0\r\nQUIT\n"
#define V4		"\300\0\2\7" "\306\63\144\1" "\234\260" "\3\341"	/* 192.0.2.7 port 40112 to 198.51.100.1 port 993 */

static struct proxy proxy;

/*
 * Parses one octet more each time, as it would come: there is more until the
 * verdict, and the first verdict stays, whatever else of the header comes.
 */
static void
parse_octets(const uint8_t *header, size_t len, enum proxy_outcome verdict)
{
	enum proxy_outcome early, before = PROXY_MORE;
	size_t used, i;

	for (i = 0; i < len; i++) {
		uint8_t *exact = malloc(i + 1);

		memcpy(exact, header, i);
		early = proxy_parse(&proxy, exact, i, &used);
		free(exact);
		assert_true(early == PROXY_MORE || (early == PROXY_BAD && verdict == PROXY_BAD));
		assert_false(before == PROXY_BAD && early != PROXY_BAD);
		before = early;
	}
}

/* As long as it is not whole there must be more; what follows it must not matter. */
static enum proxy_outcome
parse(const uint8_t *header, size_t len)
{
	uint8_t followed[PROXY_MAX + 64];
	enum proxy_outcome verdict;
	size_t used, end;

	verdict = proxy_parse(&proxy, header, len, &end);
	parse_octets(header, len, verdict);
	if (verdict != PROXY_READY)
		return verdict;
	assert_int_equal(end, len);
	memcpy(followed, header, len);
	memset(followed + len, '\n', 64);
	assert_int_equal(proxy_parse(&proxy, followed, len + 64, &used), PROXY_READY);
	assert_int_equal(used, len);
	return verdict;
}

static void
is_end(const struct proxy_endpoint *end, const char *ip, unsigned port)
{
	char text[INET6_ADDRSTRLEN];

	assert_non_null(inet_ntop(AF_INET6, end->address, text, sizeof(text)));
	assert_string_equal(text, ip);
	assert_int_equal(end->port, port);
}

static void
a_line_has_addresses_and_ports(void **state)
{
	(void)state;
	assert_int_equal(parse(OCTETS("PROXY TCP4 192.0.2.7 198.51.100.1 40112 993\r\n")), PROXY_READY);
	assert_int_equal(proxy.client, PROXY_TCP);
	is_end(&proxy.source, "::ffff:192.0.2.7", 40112);
	is_end(&proxy.destination, "::ffff:198.51.100.1", 993);
	assert_false(proxy.tls);

	assert_int_equal(parse(OCTETS("PROXY TCP6 2001:db8::7 2001:DB8::1 0 65535\r\n")), PROXY_READY);
	assert_int_equal(proxy.client, PROXY_TCP);
	is_end(&proxy.source, "2001:db8::7", 0);
	is_end(&proxy.destination, "2001:db8::1", 65535);

	assert_int_equal(parse(OCTETS("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n")), PROXY_READY);
	assert_int_equal(parse(OCTETS("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
	    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n")), PROXY_READY);
}

static void
a_line_may_tell_nothing(void **state)
{
	(void)state;
	assert_int_equal(parse(OCTETS("PROXY UNKNOWN\r\n")), PROXY_READY);
	assert_int_equal(proxy.client, PROXY_UNKNOWN);
	assert_int_equal(parse(OCTETS("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
	    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n")), PROXY_READY);
	assert_int_equal(proxy.client, PROXY_UNKNOWN);
	assert_int_equal(parse(OCTETS("PROXY UNKNOWN what ever it is\r\n")), PROXY_READY);
}

static void
a_line_of_another_form_is_none(void **state)
{
	static const char *const lines[] = {
		"GET / HTTP/1.1\r\n", "a LOGIN joe sesame\r\n", "proxy TCP4 192.0.2.7 192.0.2.1 1 2\r\n", "PROXY\r\n", "PROXY \r\n",
		"PROXY  TCP4 192.0.2.7 192.0.2.1 1 2\r\n", "PROXY TCP4  192.0.2.7 192.0.2.1 1 2\r\n", "PROXY TCP4 192.0.2.7 192.0.2.1 1 2 \r\n",
		"PROXY TCP4 192.0.2.7 192.0.2.1 1 2 3\r\n", "PROXY TCP4 192.0.2.7 192.0.2.1 1\r\n", "PROXY TCP4\r\n", "PROXY TCP4 192.0.2.7\r\n",
		"PROXY TCP4 192.0.2.07 192.0.2.1 1 2\r\n", "PROXY TCP4 192.0.2 192.0.2.1 1 2\r\n", "PROXY TCP4 192.0.2.256 192.0.2.1 1 2\r\n",
		"PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n", "PROXY TCP6 192.0.2.7 192.0.2.1 1 2\r\n", "PROXY TCP6 2001:db8:::7 ::1 1 2\r\n",
		"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n", "PROXY TCP4 192.0.2.7 192.0.2.1 01 2\r\n", "PROXY TCP4 192.0.2.7 192.0.2.1 1 65536\r\n",
		"PROXY TCP4 192.0.2.7 192.0.2.1 +1 2\r\n", "PROXY TCP4 192.0.2.7 192.0.2.1 1 \r\n", "PROXY TCP5 192.0.2.7 192.0.2.1 1 2\r\n",
		"PROXY UDP4 192.0.2.7 192.0.2.1 1 2\r\n", "PROXY UNKNOWNS\r\n", "PROXY TCP4 192.0.2.7 192.0.2.1 1 2\n", "PROXY UNKNOWN\rx\n",
		"PROXY TCP4 localhost localhost 1 2\r\n",
	};
	size_t i, used;

	(void)state;
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (proxy_parse(&proxy, (const uint8_t *)lines[i], strlen(lines[i]), &used) != PROXY_BAD)
			fail_msg("taken for a header: %s", lines[i]);
	assert_int_equal(parse(OCTETS("PROXY TCP4 192.0.2.7\0 192.0.2.1 1 2\r\n")), PROXY_BAD);
}

/* 107 octets with CRLF, and not one more; it is known to be bad before a line end comes. */
static void
a_line_has_a_greatest_length(void **state)
{
	uint8_t line[200];
	size_t used;

	(void)state;
	memset(line, 'x', sizeof(line));
	memcpy(line, "PROXY UNKNOWN ", 14);
	assert_int_equal(proxy_parse(&proxy, line, 105, &used), PROXY_MORE);
	assert_int_equal(proxy_parse(&proxy, line, 106, &used), PROXY_BAD);
	memcpy(line + 105, "\r\n", 2);
	assert_int_equal(parse(line, 107), PROXY_READY);
	line[105] = 'x';
	memcpy(line + 106, "\r\n", 2);
	assert_int_equal(parse(line, 108), PROXY_BAD);
}

static void
a_binary_header_has_addresses_and_ports(void **state)
{
	(void)state;
	assert_int_equal(parse(OCTETS(SIGNATURE "\x21\x11\0\14" V4)), PROXY_READY);
	assert_int_equal(proxy.client, PROXY_TCP);
	is_end(&proxy.source, "::ffff:192.0.2.7", 40112);
	is_end(&proxy.destination, "::ffff:198.51.100.1", 993);

	assert_int_equal(parse(OCTETS(SIGNATURE "\x21\x21\0\44" "\x20\1\15\270\0\0\0\0\0\0\0\0\0\0\0\7" "\x20\1\15\270\0\0\0\0\0\0\0\0\0\0\0\1"
	    "\0\1\377\377")), PROXY_READY);
	assert_int_equal(proxy.client, PROXY_TCP);
	is_end(&proxy.source, "2001:db8::7", 1);
	is_end(&proxy.destination, "2001:db8::1", 65535);
	assert_false(proxy.tls);
}

static void
a_binary_header_may_tell_nothing(void **state)
{
	uint8_t of_unix[16 + 216] = SIGNATURE "\x21\x31\0\330";

	(void)state;
	assert_int_equal(parse(of_unix, sizeof(of_unix)), PROXY_READY);
	assert_int_equal(proxy.client, PROXY_UNIX);
	/* A health check: what else it says is not looked at, whatever it is. */
	assert_int_equal(parse(OCTETS(SIGNATURE "\x20\0\0\0")), PROXY_READY);
	assert_int_equal(proxy.client, PROXY_ITSELF);
	assert_int_equal(parse(OCTETS(SIGNATURE "\x20\x11\0\14" V4)), PROXY_READY);
	assert_int_equal(proxy.client, PROXY_ITSELF);
	assert_int_equal(parse(OCTETS(SIGNATURE "\x20\xff\0\1?")), PROXY_READY);
	assert_int_equal(proxy.client, PROXY_ITSELF);
	/* Families and transports that are none of ours. */
	assert_int_equal(parse(OCTETS(SIGNATURE "\x21\0\0\0")), PROXY_READY);
	assert_int_equal(proxy.client, PROXY_UNKNOWN);
	assert_int_equal(parse(OCTETS(SIGNATURE "\x21\x12\0\14" V4)), PROXY_READY);
	assert_int_equal(proxy.client, PROXY_UNKNOWN);
	assert_int_equal(parse(OCTETS(SIGNATURE "\x21\x10\0\3" "\40\0\0")), PROXY_READY);
	assert_int_equal(proxy.client, PROXY_UNKNOWN);
	assert_false(proxy.tls);
}

static void
a_binary_header_of_another_form_is_none(void **state)
{
	(void)state;
	assert_int_equal(parse(OCTETS("x")), PROXY_BAD);
	assert_int_equal(parse(OCTETS("\r\n\r\n\0\r\nQUIT\r")), PROXY_BAD);
	assert_int_equal(parse(OCTETS(SIGNATURE "\x11\x11\0\14" V4)), PROXY_BAD);
	assert_int_equal(parse(OCTETS(SIGNATURE "\x31")), PROXY_BAD);
	assert_int_equal(parse(OCTETS(SIGNATURE "\x22\x11\0\14" V4)), PROXY_BAD);
	assert_int_equal(parse(OCTETS(SIGNATURE "\x21\x41\0\14" V4)), PROXY_BAD);
	assert_int_equal(parse(OCTETS(SIGNATURE "\x21\x13\0\14" V4)), PROXY_BAD);
	assert_int_equal(parse(OCTETS(SIGNATURE "\x21\x11\0\13" V4)), PROXY_BAD);
	assert_int_equal(parse(OCTETS(SIGNATURE "\x21\x21\0\14" V4)), PROXY_BAD);
	assert_int_equal(parse(OCTETS(SIGNATURE "\x21\x31\0\14" V4)), PROXY_BAD);
	/* More than is ever read. */
	assert_int_equal(parse(OCTETS(SIGNATURE "\x21\x11\x0f\xf1" V4)), PROXY_BAD);
	assert_int_equal(parse(OCTETS(SIGNATURE "\x21\x11\x0f\xf0")), PROXY_MORE);
}

static void
what_stands_behind_the_addresses_must_be_whole(void **state)
{
	(void)state;
	assert_int_equal(parse(OCTETS(SIGNATURE "\x21\x11\0\17" V4 "\4\0\0")), PROXY_READY);
	assert_int_equal(parse(OCTETS(SIGNATURE "\x21\x11\0\25" V4 "\4\0\1x\352\0\2yz")), PROXY_READY);
	assert_int_equal(parse(OCTETS(SIGNATURE "\x21\x11\0\15" V4 "\4")), PROXY_BAD);
	assert_int_equal(parse(OCTETS(SIGNATURE "\x21\x11\0\16" V4 "\4\0")), PROXY_BAD);
	assert_int_equal(parse(OCTETS(SIGNATURE "\x21\x11\0\17" V4 "\4\0\1")), PROXY_BAD);
	assert_int_equal(parse(OCTETS(SIGNATURE "\x21\x11\0\20" V4 "\4\0\0x")), PROXY_BAD);
	assert_int_equal(parse(OCTETS(SIGNATURE "\x21\x11\0\20" V4 "\4\377\377x")), PROXY_BAD);
}

/* The sum was made by another implementation, which gives 0xe3069283 for "123456789" as it should. */
static void
a_checksum_is_checked(void **state)
{
	uint8_t summed[] = SIGNATURE "\x21\x11\0\23" V4 "\3\0\4\0\0\0\0", *sum = summed + 16 + 12 + 3;
	static const uint8_t right[] = { 0x4e, 0xc4, 0x5f, 0xaf };
	size_t i;

	(void)state;
	memcpy(sum, right, 4);
	assert_int_equal(parse(summed, sizeof(summed) - 1), PROXY_READY);
	for (i = 16; i < sizeof(summed) - 1; i++) {
		/* Of another type it is no checksum. */
		if (i == 16 + 12)
			continue;
		summed[i] ^= 1;
		assert_int_not_equal(parse(summed, sizeof(summed) - 1), PROXY_READY);
		summed[i] ^= 1;
	}
	assert_int_equal(parse(OCTETS(SIGNATURE "\x21\x11\0\17" V4 "\3\0\0")), PROXY_BAD);
	assert_int_equal(parse(OCTETS(SIGNATURE "\x21\x11\0\22" V4 "\3\0\3\0\0\0")), PROXY_BAD);
}

/* These sums too. Of two that are right, each counts with what the other one says. */
static void
a_checksum_stands_anywhere_but_once(void **state)
{
	(void)state;
	assert_int_equal(parse(OCTETS(SIGNATURE "\x21\x11\0\x18" V4 "\3\0\4\xab\xe5\x23\xee" "\4\0\2xy")), PROXY_READY);
	assert_int_equal(parse(OCTETS(SIGNATURE "\x21\x11\0\x18" V4 "\4\0\2xy" "\3\0\4\x3f\x4c\xe5\x70")), PROXY_READY);
	assert_int_equal(parse(OCTETS(SIGNATURE "\x21\x11\0\x17" V4 "\3\0\4\x0a\xa6\xd1\xa4" "\377\0\1\377")), PROXY_READY);
	assert_int_equal(parse(OCTETS(SIGNATURE "\x21\x11\0\x1a" V4 "\3\0\4\0\x75\x5f\x8f" "\3\0\4\xc5\x78\x9d\2")), PROXY_BAD);
	assert_int_equal(parse(OCTETS(SIGNATURE "\x21\x11\0\x1f" V4 "\3\0\4\x87\xdf\xd6\x37" "\4\0\2xy" "\3\0\4\xb3\x5b\xde\xc0")),
	    PROXY_BAD);
}

#define SSL_V4(len, tlv_len, value)	SIGNATURE "\x21\x11\0" len V4 "\x20\0" tlv_len value

static void
tls_by_the_proxy_is_told(void **state)
{
	(void)state;
	assert_int_equal(parse(OCTETS(SSL_V4("\x2d", "\x1e", "\1\0\0\0\0" "\x21\0\7TLSv1.3" "\x23\0\14AES_128-GCM."))), PROXY_READY);
	assert_true(proxy.tls);
	assert_string_equal(proxy.tls_protocol, "TLSv1.3");
	assert_string_equal(proxy.tls_cipher, "AES_128-GCM.");
	is_end(&proxy.source, "::ffff:192.0.2.7", 40112);

	assert_int_equal(parse(OCTETS(SSL_V4("\24", "\5", "\1\0\0\0\0"))), PROXY_READY);
	assert_true(proxy.tls);
	assert_string_equal(proxy.tls_protocol, "TLS");
	assert_string_equal(proxy.tls_cipher, "unknown");

	/* Without the bit the client came in the clear, certificate or not. */
	assert_int_equal(parse(OCTETS(SSL_V4("\x1e", "\17", "\6\0\0\0\0" "\x21\0\7TLSv1.3"))), PROXY_READY);
	assert_false(proxy.tls);
}

static void
names_that_could_forge_a_log_line_are_not_taken_over(void **state)
{
	(void)state;
	assert_int_equal(parse(OCTETS(SSL_V4("\x2d", "\x1e", "\1\0\0\0\0" "\x21\0\7TLS v.3" "\x23\0\14AES\n128-GCM."))), PROXY_READY);
	assert_true(proxy.tls);
	assert_string_equal(proxy.tls_protocol, "TLS");
	assert_string_equal(proxy.tls_cipher, "unknown");
	assert_int_equal(parse(OCTETS(SSL_V4("\x2d", "\x1e", "\1\0\0\0\0" "\x21\0\26ABCDEFGHIJKLMNOPQRSTUV"))), PROXY_READY);
	assert_string_equal(proxy.tls_protocol, "TLS");
}

static void
what_is_said_of_tls_must_be_whole(void **state)
{
	(void)state;
	assert_int_equal(parse(OCTETS(SSL_V4("\23", "\4", "\1\0\0\0"))), PROXY_BAD);
	assert_int_equal(parse(OCTETS(SSL_V4("\17", "\0", ""))), PROXY_BAD);
	assert_int_equal(parse(OCTETS(SSL_V4("\x1e", "\17", "\1\0\0\0\0" "\x21\0\10TLSv1.3"))), PROXY_BAD);
	assert_int_equal(parse(OCTETS(SSL_V4("\25", "\6", "\1\0\0\0\0" "\x21"))), PROXY_BAD);
	/* Said twice. */
	assert_int_equal(parse(OCTETS(SSL_V4("\x1c", "\5", "\1\0\0\0\0" "\x20\0\5\0\0\0\0\0"))), PROXY_BAD);
	assert_int_equal(parse(OCTETS(SSL_V4("\x1f", "\5", "\1\0\0\0\0" "\4\0\0" "\x20\0\5\0\0\0\0\0"))), PROXY_BAD);
}

static void
holds(const char *network, const char *address, bool wanted)
{
	uint8_t octets[NETWORK_ADDRESS_LEN];
	struct network n;

	assert_true(network_parse(&n, network));
	assert_true(network_read_ipv4(octets, address) || network_read_ipv6(octets, address));
	if (network_contains(&n, octets) != wanted)
		fail_msg("%s and %s", network, address);
}

static void
a_network_holds_its_addresses(void **state)
{
	(void)state;
	holds("192.0.2.7", "192.0.2.7", true);
	holds("192.0.2.7", "192.0.2.6", false);
	holds("192.0.2.7", "::ffff:192.0.2.7", true);
	holds("192.0.2.0/24", "192.0.2.255", true);
	holds("192.0.2.0/24", "192.0.3.0", false);
	holds("192.0.2.8/29", "192.0.2.15", true);
	holds("192.0.2.8/29", "192.0.2.16", false);
	holds("0.0.0.0/0", "203.0.113.9", true);
	holds("0.0.0.0/0", "2001:db8::1", false);
	holds("::/0", "203.0.113.9", false);
	holds("::/0", "2001:db8::1", true);
	holds("::ffff:0:0/95", "203.0.113.9", false);
	holds("::ffff:0:0/96", "203.0.113.9", true);
	holds("2001:db8::/33", "2001:db8:7fff::1", true);
	holds("2001:db8::/33", "2001:db8:8000::1", false);
	holds("2001:db8::1", "2001:db8::1", true);
	holds("2001:db8::1/128", "2001:db8::2", false);
	holds("2001:db8::/32", "32.1.13.184", false);
}

static void
loopback_is_this_machine(void **state)
{
	uint8_t address[NETWORK_ADDRESS_LEN];

	(void)state;
	assert_true(network_read_ipv4(address, "127.0.0.1") && network_is_loopback(address));
	assert_true(network_read_ipv4(address, "127.255.255.255") && network_is_loopback(address));
	assert_true(network_read_ipv6(address, "::1") && network_is_loopback(address));
	assert_true(network_read_ipv6(address, "::ffff:127.0.0.1") && network_is_loopback(address));
	assert_true(network_read_ipv4(address, "128.0.0.1") && !network_is_loopback(address));
	assert_true(network_read_ipv6(address, "::2") && !network_is_loopback(address));
	assert_true(network_read_ipv6(address, "::127.0.0.1") && !network_is_loopback(address));
}

static void
what_is_no_network_is_refused(void **state)
{
	static const char *const texts[] = { "", "/", "/8", "localhost", "192.0.2", "192.0.2.0/", "192.0.2.0/33", "192.0.2.0/-1", "192.0.2.0/+8",
		"192.0.2.0/8 ", "192.0.2.0/0024", "192.0.2.0/255.255.255.0", "2001:db8::/129", "2001:db8::/999", "2001:db8::/1000", "fe80::1%eth0",
		"192.0.2.0/24/24", " 192.0.2.1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" };
	struct network n;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (network_parse(&n, texts[i]))
			fail_msg("taken for a network: %s", texts[i]);
}

static void
any_of_several_networks_is_looked_at(void **state)
{
	static const char *const names[] = { "192.0.2.0/24", "2001:db8::/32", "198.51.100.7" };
	static const char *const members[] = { "::ffff:192.0.2.9", "2001:db8::9", "::ffff:198.51.100.7" };
	struct network list[ROWS(names)];
	uint8_t address[NETWORK_ADDRESS_LEN];
	size_t i, n;

	(void)state;
	for (i = 0; i < ROWS(names); i++)
		assert_true(network_parse(&list[i], names[i]));
	for (i = 0; i < ROWS(members); i++) {
		assert_true(network_read_ipv6(address, members[i]));
		for (n = 0; n <= ROWS(names); n++)
			assert_int_equal(network_list_contains(list, n, address), n > i);
	}
	assert_true(network_read_ipv6(address, "2001:db9::9"));
	assert_false(network_list_contains(list, ROWS(names), address));
}

/* Longer than any address: 45 octets and their NUL are the longest (INET6_ADDRSTRLEN). */
static void
a_long_text_is_no_network(void **state)
{
	char text[64];
	struct network n;
	size_t len;

	(void)state;
	for (len = 40; len < sizeof(text); len++) {
		memset(text, '0', len);
		text[len] = '\0';
		assert_false(network_parse(&n, text));
		text[len - 3] = '/';
		assert_false(network_parse(&n, text));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_has_addresses_and_ports),
		cmocka_unit_test(a_line_may_tell_nothing),
		cmocka_unit_test(a_line_of_another_form_is_none),
		cmocka_unit_test(a_line_has_a_greatest_length),
		cmocka_unit_test(a_binary_header_has_addresses_and_ports),
		cmocka_unit_test(a_binary_header_may_tell_nothing),
		cmocka_unit_test(a_binary_header_of_another_form_is_none),
		cmocka_unit_test(what_stands_behind_the_addresses_must_be_whole),
		cmocka_unit_test(a_checksum_is_checked),
		cmocka_unit_test(a_checksum_stands_anywhere_but_once),
		cmocka_unit_test(tls_by_the_proxy_is_told),
		cmocka_unit_test(names_that_could_forge_a_log_line_are_not_taken_over),
		cmocka_unit_test(what_is_said_of_tls_must_be_whole),
		cmocka_unit_test(a_network_holds_its_addresses),
		cmocka_unit_test(loopback_is_this_machine),
		cmocka_unit_test(what_is_no_network_is_refused),
		cmocka_unit_test(any_of_several_networks_is_looked_at),
		cmocka_unit_test(a_long_text_is_no_network),
	};

	return cmocka_run_group_tests_name("proxy", tests, NULL, NULL);
}

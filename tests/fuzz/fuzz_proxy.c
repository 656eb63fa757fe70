/*
 * The PROXY header: any input as what a connection begins with, and as a
 * network of addresses.
 */

#include "fuzz.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

#include "proto/proxy.h"
#include "proto/word.h"

/* From memory that ends where the input does, so that a sanitizer sees who reads on. */
static enum proxy_outcome
parse(struct proxy *p, const uint8_t *data, size_t size, size_t *used)
{
	uint8_t *exact = malloc(size > 0 ? size : 1);
	enum proxy_outcome verdict;

	MUST(exact != NULL);
	memcpy(exact, data, size);
	verdict = proxy_parse(p, exact, size, used);
	free(exact);
	return verdict;
}

static bool
is_word(const char *text, size_t size)
{
	size_t len = strnlen(text, size);

	return len > 0 && len < size &&
	    strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == len;
}

/* Written as a line, it must be read as the same. */
static void
check_line(const struct proxy *p)
{
	bool ipv4 = network_is_ipv4(p->source.address) && network_is_ipv4(p->destination.address);
	char source[INET6_ADDRSTRLEN], destination[INET6_ADDRSTRLEN], line[PROXY_MAX];
	size_t at = ipv4 ? 12 : 0, used;
	struct proxy again;

	inet_ntop(ipv4 ? AF_INET : AF_INET6, p->source.address + at, source, sizeof(source));
	inet_ntop(ipv4 ? AF_INET : AF_INET6, p->destination.address + at, destination, sizeof(destination));
	snprintf(line, sizeof(line), "PROXY %s %s %s %u %u\r\n", ipv4 ? "TCP4" : "TCP6", source, destination, p->source.port,
	    p->destination.port);
	MUST(proxy_parse(&again, (const uint8_t *)line, strlen(line), &used) == PROXY_READY);
	MUST(used == strlen(line) && again.client == PROXY_TCP);
	MUST(memcmp(&again.source, &p->source, sizeof(p->source)) == 0);
	MUST(memcmp(&again.destination, &p->destination, sizeof(p->destination)) == 0);
}

static void
check_header(const uint8_t *data, size_t size)
{
	struct proxy p, early;
	size_t used, early_used, i;
	enum proxy_outcome verdict = parse(&p, data, size, &used), before;

	MUST(verdict != PROXY_MORE || size < PROXY_MAX);
	/* However it comes in: first more, then for good the one or the other. */
	for (i = 0; i < size && i < 300; i++) {
		before = parse(&early, data, i, &early_used);
		MUST(before != PROXY_BAD || verdict == PROXY_BAD);
		MUST(before != PROXY_READY || (verdict == PROXY_READY && used == early_used && memcmp(&early, &p, sizeof(p)) == 0));
		MUST(verdict != PROXY_READY || (before == PROXY_MORE) == (i < used));
	}
	if (verdict != PROXY_READY)
		return;
	MUST(used > 0 && used <= size && used <= PROXY_MAX);
	MUST(!p.tls || (is_word(p.tls_protocol, sizeof(p.tls_protocol)) && is_word(p.tls_cipher, sizeof(p.tls_cipher))));
	MUST(!p.tls || p.client == PROXY_TCP || p.client == PROXY_UNIX);
	if (p.client == PROXY_TCP)
		check_line(&p);
}

static void
check_network(const char *text)
{
	struct network n;
	uint8_t other[NETWORK_ADDRESS_LEN];

	if (!network_parse(&n, text))
		return;
	MUST(n.bits <= 128 && strspn(text, "0123456789abcdefABCDEF.:/") == strlen(text));
	if (network_is_ipv4(n.address) && n.bits < 96) {
		MUST(!network_contains(&n, n.address));
		return;
	}
	MUST(network_contains(&n, n.address) && network_list_contains(&n, 1, n.address) && !network_list_contains(&n, 0, n.address));
	MUST(!network_is_loopback(n.address) || n.address[15] != 0 || n.address[12] == 127);
	memcpy(other, n.address, sizeof(other));
	if (n.bits > 0) {
		other[(n.bits - 1) / 8] ^= (uint8_t)(0x80 >> (n.bits - 1) % 8);
		MUST(!network_contains(&n, other));
		other[(n.bits - 1) / 8] ^= (uint8_t)(0x80 >> (n.bits - 1) % 8);
	}
	if (n.bits < 128) {
		other[n.bits / 8] ^= (uint8_t)(0x80 >> n.bits % 8);
		MUST(network_contains(&n, other) == (n.bits >= 96 || !network_is_ipv4(other)));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	MUST(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	check_header(data, size);
	check_network(text);
	MUST(word_is_plain(text) == (text[0] == '\0' || is_word(text, size + 1)));
	free(text);
	return 0;
}

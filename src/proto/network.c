/* Addresses in binary, see network.h. Run by every process that handles addresses. Pure. */

#include "proto/network.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Prefix of a mapped IPv4 address (RFC 4291, 2.5.5.2). */
static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

void
network_from_ipv4(uint8_t address[NETWORK_ADDRESS_LEN], const uint8_t ipv4[4])
{
	memcpy(address, mapped, sizeof(mapped));
	memcpy(address + sizeof(mapped), ipv4, 4);
}

bool
network_is_ipv4(const uint8_t address[NETWORK_ADDRESS_LEN])
{
	return memcmp(address, mapped, sizeof(mapped)) == 0;
}

bool
network_is_loopback(const uint8_t address[NETWORK_ADDRESS_LEN])
{
	static const uint8_t one[NETWORK_ADDRESS_LEN] = { [NETWORK_ADDRESS_LEN - 1] = 1 };

	return network_is_ipv4(address) ? address[sizeof(mapped)] == 127 : memcmp(address, one, sizeof(one)) == 0;
}

bool
network_read_ipv4(uint8_t address[NETWORK_ADDRESS_LEN], const char *text)
{
	uint8_t ipv4[4];

	if (inet_pton(AF_INET, text, ipv4) != 1)
		return false;
	network_from_ipv4(address, ipv4);
	return true;
}

bool
network_read_ipv6(uint8_t address[NETWORK_ADDRESS_LEN], const char *text)
{
	return inet_pton(AF_INET6, text, address) == 1;
}

/* Parses one to three decimal digits. */
static bool
read_bits(unsigned *bits, const char *text)
{
	size_t len = strlen(text);

	if (len == 0 || len > 3 || strspn(text, "0123456789") != len)
		return false;
	*bits = (unsigned)strtoul(text, NULL, 10);
	return true;
}

bool
network_parse(struct network *n, const char *text)
{
	char address[INET6_ADDRSTRLEN];
	size_t len = strcspn(text, "/");
	unsigned first;

	if (len >= sizeof(address))
		return false;
	memcpy(address, text, len);
	address[len] = '\0';
	if (network_read_ipv4(n->address, address))
		first = 8 * sizeof(mapped);
	else if (network_read_ipv6(n->address, address))
		first = 0;
	else
		return false;

	n->bits = 8 * NETWORK_ADDRESS_LEN;
	if (text[len] == '\0')
		return true;
	if (!read_bits(&n->bits, text + len + 1))
		return false;
	n->bits += first;
	return n->bits <= 8 * NETWORK_ADDRESS_LEN;
}

bool
network_contains(const struct network *n, const uint8_t address[NETWORK_ADDRESS_LEN])
{
	unsigned whole = n->bits / 8, rest = n->bits % 8;

	/* ::/0 means all of IPv6, without IPv4. */
	if (network_is_ipv4(address) && n->bits < 8 * sizeof(mapped))
		return false;
	if (memcmp(n->address, address, whole) != 0)
		return false;
	return rest == 0 || ((n->address[whole] ^ address[whole]) >> (8 - rest)) == 0;
}

bool
network_list_contains(const struct network *list, size_t n, const uint8_t address[NETWORK_ADDRESS_LEN])
{
	size_t i;

	for (i = 0; i < n; i++)
		if (network_contains(&list[i], address))
			return true;
	return false;
}

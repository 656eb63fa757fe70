#ifndef IMAPGATE_PROTO_NETWORK_H
#define IMAPGATE_PROTO_NETWORK_H

/*
 * Addresses and networks in binary, always as IPv6: an IPv4 address is in its mapped form (RFC
 * 4291, 2.5.5.2), so that each client has one address.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NETWORK_ADDRESS_LEN	16

struct network {
	uint8_t		address[NETWORK_ADDRESS_LEN];
	unsigned	bits;			/* length of the prefix, 0 to 128 */
};

/* Fills address with the mapped form of an IPv4 address of four octets. */
void	network_from_ipv4(uint8_t address[NETWORK_ADDRESS_LEN], const uint8_t ipv4[4]);

/* Returns whether the address is a mapped IPv4 address, with its four octets last. */
bool	network_is_ipv4(const uint8_t address[NETWORK_ADDRESS_LEN]);

/* Returns whether the address is in 127.0.0.0/8 or is ::1. */
bool	network_is_loopback(const uint8_t address[NETWORK_ADDRESS_LEN]);

/* Parse a numeric address of one family, as inet_pton(3). Return false for anything else. */
bool	network_read_ipv4(uint8_t address[NETWORK_ADDRESS_LEN], const char *);
bool	network_read_ipv6(uint8_t address[NETWORK_ADDRESS_LEN], const char *);

/*
 * Parses "192.0.2.0/24", "2001:db8::/32", or an address alone, which is a network of one.
 * Returns false for anything else.
 */
bool	network_parse(struct network *, const char *);

/*
 * Returns whether the network contains the address. A prefix shorter than the 96 bits of all IPv4
 * addresses contains none of them.
 */
bool	network_contains(const struct network *, const uint8_t address[NETWORK_ADDRESS_LEN]);

/* Returns whether any of n networks contains the address. */
bool	network_list_contains(const struct network *list, size_t n, const uint8_t address[NETWORK_ADDRESS_LEN]);

#endif

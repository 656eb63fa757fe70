#ifndef IMAPGATE_PROTO_NETWORK_H
#define IMAPGATE_PROTO_NETWORK_H

/*
 * Addresses and networks of them, as numbers: always IPv6, in which an IPv4
 * address is its mapped form (RFC 4291, 2.5.5.2), so that one client has one
 * address.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NETWORK_ADDRESS	16

struct network {
	uint8_t		address[NETWORK_ADDRESS];
	unsigned	bits;			/* so many, from the first, are the network's: 0 to 128 */
};

/* Puts an IPv4 address of four octets into its place. */
void	network_from_ipv4(uint8_t address[NETWORK_ADDRESS], const uint8_t ipv4[4]);

/* Is this such an address? Its four octets are the last ones. */
bool	network_is_ipv4(const uint8_t address[NETWORK_ADDRESS]);

/* Is it an address of the machine's own, 127.0.0.0/8 or ::1? */
bool	network_is_loopback(const uint8_t address[NETWORK_ADDRESS]);

/* Reads a numeric address of one kind, in no other than its usual form (inet_pton(3)); false for anything else. */
bool	network_read_ipv4(uint8_t address[NETWORK_ADDRESS], const char *);
bool	network_read_ipv6(uint8_t address[NETWORK_ADDRESS], const char *);

/* Reads "192.0.2.0/24", "2001:db8::/32", or an address alone, which is a network of one; false for anything else. */
bool	network_parse(struct network *, const char *);

/* Is the address one of the network? An IPv4 address is of no network that is larger than all of IPv4. */
bool	network_contains(const struct network *, const uint8_t address[NETWORK_ADDRESS]);

/* Is it one of any of them? */
bool	network_list_contains(const struct network *list, size_t n, const uint8_t address[NETWORK_ADDRESS]);

#endif

/* proto/network.c: any text of up to 127 octets, any addresses, networks of each size. */

#include "prove.h"

#include "proto/network.h"

#define TEXT_MAX	127

static void
prove_addresses(void)
{
	uint8_t address[NETWORK_ADDRESS_LEN], ipv4[4];

	any_octets(ipv4, sizeof(ipv4));
	network_from_ipv4(address, ipv4);
	any_octets(address, sizeof(address));
	network_is_ipv4(address);
	network_is_loopback(address);
}

static void
prove_parse(void)
{
	char text[TEXT_MAX + 1];
	struct network network;

	any_string(text, sizeof(text));
	network_parse(&network, text);
}

/* What network_parse() gives has no more than 128 bits: that is what it returns. */
static void
prove_holds(void)
{
	uint8_t address[NETWORK_ADDRESS_LEN];
	struct network network;

	any_octets(address, sizeof(address));
	any_octets(network.address, sizeof(network.address));
	//@ loop unroll 129;
	for (network.bits = 0; network.bits <= 128; network.bits++) {
		network_contains(&network, address);
		network_list_contains(&network, 1, address);
		//@ slevel merge;
		;
	}
}

int
main(void)
{
	prove_addresses();
	prove_parse();
	prove_holds();
	return 0;
}

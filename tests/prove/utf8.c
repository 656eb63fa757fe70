/* proto/utf8.c: any text of up to 6 octets, in memory that ends where the text does. */

#include "prove.h"

#include "proto/utf8.h"

#define TEXT_MAX	6

int
main(void)
{
	char memory[TEXT_MAX];
	size_t len, octets;

	for (len = 0; len <= TEXT_MAX; len++) {
		any_octets(memory, sizeof(memory));
		octets = utf8_sequence(memory + TEXT_MAX - len, len);
		//@ assert octets <= len && octets <= 4;
		utf8_is_control(memory + TEXT_MAX - len, octets);
	}
	return 0;
}

/* proto/word.c: any octets of up to 300, which end where their memory does, into room of several sizes. */

#include "prove.h"

#include "proto/word.h"

#define OCTETS_MAX	300
#define ROOM_MAX	64

int
main(void)
{
	char text[OCTETS_MAX + 1], octets[OCTETS_MAX], room[ROOM_MAX];
	size_t len, size;

	any_string(text, sizeof(text));
	word_is_plain(text);
	//@ loop unroll 301;
	for (len = 0; len <= OCTETS_MAX; len++) {
		any_octets(octets, sizeof(octets));
		//@ loop unroll 65;
		for (size = 0; size <= ROOM_MAX; size += 16) {
			word_copy(room + ROOM_MAX - size, size, octets + OCTETS_MAX - len, len);
			//@ slevel merge;
			;
		}
	}
	return 0;
}

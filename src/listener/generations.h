#ifndef IMAPGATE_LISTENER_GENERATIONS_H
#define IMAPGATE_LISTENER_GENERATIONS_H

/* Monitor zygotes: one for each generation of settings, for roles.c. An image of this program leaves them to the next. */

#include <stdint.h>

#include "listener/process.h"
#include "listener/roles.h"

struct generation {
	struct process	zygote;
	unsigned	waiting;	/* connections that may want a monitor */
};

extern struct generation	generations[ROLES_GENERATIONS];
extern unsigned			generations_current;	/* that of connections that begin now */

/*
 * Takes over what the image before this one has left (roles_keep_on_exec), NULL: none.
 * What zygote number i says is an event with the index first + i.
 */
void	generations_restore(const char *kept, uint32_t first);

#endif

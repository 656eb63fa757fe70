#ifndef IMAPGATE_LISTENER_GENERATIONS_H
#define IMAPGATE_LISTENER_GENERATIONS_H

/*
 * Monitor zygotes, one for each generation of settings, which survive a re-execution of the
 * listener. Only roles.c uses them.
 */

#include <stdint.h>

#include "listener/process.h"
#include "listener/roles.h"

struct generation {
	struct process	zygote;
	unsigned	waiting;	/* connections that may still need a monitor from it */
};

extern struct generation	generations[ROLES_GENERATIONS];
extern unsigned			generations_current;	/* generation of new connections */

/*
 * Restores the zygotes that the listener had before it re-executed itself. Takes the text of
 * roles_keep_on_exec() (number, descriptor, process id and connections of each), NULL: none.
 * Events of zygote i get the index first + i. Dies if a descriptor can't be watched.
 */
void	generations_restore(const char *kept, uint32_t first);

#endif

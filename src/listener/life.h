#ifndef IMAPGATE_LISTENER_LIFE_H
#define IMAPGATE_LISTENER_LIFE_H

/* What is done to a connection by all who serve it: serve.c, hear.c and spawn.c. */

#include <stdbool.h>

#include "listener/connections.h"
#include "config/options.h"

/* To be called once, before the others. Takes the options by whether TLS begins with the connection, and who hears what is lacking. */
void	life_begin(const struct options *opts[2], void (*trouble)(const char *what, const char *why));

/* The options that are this connection's; NULL: of none in particular. */
const struct options	*life_options(const struct connection *);

/* Lines of the log from here to life_leave_log are about this connection. */
void	life_enter_log(const struct connection *);
void	life_leave_log(void);

/* Closes one of its descriptors, if it is open. */
void	life_close(int *fd);

/* Is this process of it on its way, or running? */
bool	life_is_here(const struct connection_process *);

/* Kills it, if it runs. */
void	life_end(const struct connection_process *);

/* Something is lacking, such as descriptors or processes: others have to end before the next connection is accepted. */
void	life_trouble(const char *what, const char *why);

/* Nobody can be had who would decide. The gate hears that its pair is closed, and says so to its client. */
void	life_lack_monitor(struct connection *, const char *why);

/* A process of it does what none of ours does: it is killed, and nothing more is heard of it. The text is for the log: bug. */
void	life_expel(struct connection *, const struct connection_process *, const char *text);

/* When both of its processes have ended it is gone, and its place free. */
void	life_finish_if_over(struct connection *);

#endif

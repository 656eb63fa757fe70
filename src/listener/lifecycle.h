#ifndef IMAPGATE_LISTENER_LIFECYCLE_H
#define IMAPGATE_LISTENER_LIFECYCLE_H

/* What is done to a connection by all who serve it: serve.c, messages.c and spawn.c. */

#include <stdbool.h>

#include "listener/connections.h"
#include "config/options.h"

/* To be called once, before the others. Takes the options by whether TLS begins with the connection, and who hears what is lacking. */
void	lifecycle_init(const struct options *opts[2], void (*shortage)(const char *what, const char *reason));

/* The options that are this connection's; NULL: of none in particular. */
const struct options	*lifecycle_options(const struct connection *);

/* Lines of the log from here to lifecycle_end_log are about this connection. */
void	lifecycle_begin_log(const struct connection *);
void	lifecycle_end_log(void);

/* Closes one of its descriptors, if it is open. */
void	lifecycle_close(int *fd);

/* Is this process of it on its way, or running? */
bool	lifecycle_is_alive(const struct connection_process *);

/* Kills it, if it runs. */
void	lifecycle_kill(const struct connection_process *);

/* Something is lacking, such as descriptors or processes: others have to end before the next connection is accepted. */
void	lifecycle_report_shortage(const char *what, const char *reason);

/* Nobody can be had who would decide. The gate hears that its pair is closed, and says so to its client. */
void	lifecycle_fail_monitor(struct connection *, const char *reason);

/* A process of it does what none of ours does: it is killed, and nothing more is heard of it. The text is for the log: bug. */
void	lifecycle_kill_violator(struct connection *, const struct connection_process *, const char *text);

/* When both of its processes have ended it is gone, and its place free. */
void	lifecycle_release_if_over(struct connection *);

#endif

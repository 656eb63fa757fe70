#ifndef IMAPGATE_LISTENER_STATUS_H
#define IMAPGATE_LISTENER_STATUS_H

/* What the listener says of itself: lines about all connections, its title, and the service's status. */

#include <stdbool.h>
#include <stdint.h>

/* Logs an event with how many are connected and logged in. Key is NULL, or that of a text. */
void	status_log(const char *event, const char *key, const char *text);

/* Something has happened that the status will have to show. */
void	status_changed(void);

/* When it is to be told (clock_ms()), 0: nothing has changed. */
int64_t	status_due(void);

/* Tells it, if it is another one. */
void	status_notify(void);

#endif

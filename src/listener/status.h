#ifndef IMAPGATE_LISTENER_STATUS_H
#define IMAPGATE_LISTENER_STATUS_H

/*
 * The listener's own status: log lines with counts, its process title, and STATUS= for the
 * service manager.
 */

#include <stdbool.h>
#include <stdint.h>

/*
 * Logs an event with the number of connections and sessions. Takes the key of an additional text,
 * NULL: none.
 */
void	status_log(const char *event, const char *key, const char *text);

/* Notes that the counts may have changed. */
void	status_changed(void);

/* Returns when status_notify() must be called (clock_ms()), 0: not at all. */
int64_t	status_due(void);

/* Sets title and STATUS=, if the counts have changed. */
void	status_notify(void);

#endif

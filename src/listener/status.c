/*
 * The listener's own status, see status.h. Run by the listener, as root.
 */

#include "listener/status.h"

#include <string.h>

#include "activation.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/title.h"
#include "listener/connections.h"

/* Interval of status updates, in milliseconds. */
#define STATUS_MS	1000

static struct connections_count notified;
static bool was_notified;
static int64_t due;

void
status_log(const char *event, const char *key, const char *text)
{
	struct connections_count count = connections_count();
	struct log_line line;

	log_begin(&line, LOG_INFO, event);
	log_field(&line, "waiting", "%u", count.waiting);
	log_field(&line, "sessions", "%u", count.sessions);
	if (key != NULL)
		log_text(&line, key, text);
	log_write(&line);
}

void
status_notify(void)
{
	struct connections_count count = connections_count();

	/*
	 * Deadlines are checked at the same interval, as long as there is a connection
	 * (listener.c).
	 */
	due = connections_end() > 0 ? clock_ms() + STATUS_MS : 0;
	if (was_notified && memcmp(&count, &notified, sizeof(count)) == 0)
		return;
	notified = count;
	was_notified = true;
	title_set(NULL, NULL, "listener (%u waiting, %u sessions)", count.waiting, count.sessions);
	activation_notify("STATUS=%u connections before login, %u sessions logged in; "
	    "since the start %lu connections, %lu logins, %lu failures, %lu refused",
	    count.waiting, count.sessions, count.accepted, count.logins, count.failures, count.refusals);
}

void
status_changed(void)
{
	if (due == 0)
		due = clock_ms() + STATUS_MS;
}

int64_t
status_due(void)
{
	return due;
}

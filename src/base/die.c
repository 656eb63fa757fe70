/*
 * Ends a process after an error or a bug, see log.h. Run by all processes.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"

void (*die_hook)(void);
void (*bug_hook)(void);
void (*log_sink)(int priority, const char *text);
int die_status = EX_TEMPFAIL;

static void
log_failure(int priority, const char *event, const char *text)
{
	struct log_line l;

	if (log_sink != NULL) {
		log_sink(priority, text);
		return;
	}
	log_begin(&l, priority, event);
	log_text(&l, "text", text);
	log_write(&l);
}

void
die(const char *fmt, ...)
{
	char text[LOG_OWN_TEXT_MAX];
	int saved_errno = errno, n;
	va_list ap;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (saved_errno != 0 && n >= 0 && (size_t)n < sizeof(text))
		snprintf(text + n, sizeof(text) - (size_t)n, ": %s", strerror(saved_errno));
	log_failure(LOG_ERR, "error", text);
	if (die_hook != NULL)
		die_hook();
	_exit(die_status);
}

void
bug(const char *fmt, ...)
{
	char text[LOG_OWN_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_failure(LOG_CRIT, "bug", text);
	if (bug_hook != NULL)
		bug_hook();
	_exit(EX_SOFTWARE);
}

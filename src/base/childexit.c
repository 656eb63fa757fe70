/*
 * Logs the end of children, see childexit.h. Run by the listener and by keepers, as root or as
 * the user.
 */

#include "base/childexit.h"

#include <string.h>
#include <sys/wait.h>

#include "base/log.h"

void
childexit_field(struct log_line *line, int status)
{
	if (WIFEXITED(status))
		log_field(line, "status", "%d", WEXITSTATUS(status));
	else
		log_field(line, "signal", "%d", WTERMSIG(status));
}

void
childexit_report_session(pid_t pid, const char *user, int64_t ms, int status)
{
	struct log_line line;

	log_begin(&line, LOG_INFO, "session-end");
	if (pid != 0)
		log_field(&line, "pid", "%d", (int)pid);
	log_field(&line, "seconds", "%lld", (long long)ms / 1000);
	childexit_field(&line, status);
	log_quoted(&line, "user", user, strlen(user));
	log_write(&line);
}

void
childexit_report(pid_t pid, int status, const char *user)
{
	struct log_line line;

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return;
	log_begin(&line, LOG_NOTICE, "exit");
	log_field(&line, "pid", "%d", (int)pid);
	childexit_field(&line, status);
	if (user[0] != '\0')
		log_quoted(&line, "user", user, strlen(user));
	log_write(&line);
}

/*
 * Steps in the life of a connection, see lifecycle.h. Run by the listener, as root.
 */

#include "listener/lifecycle.h"

#include <signal.h>
#include <unistd.h>

#include "base/log.h"
#include "gatelog.h"
#include "listener/events.h"
#include "listener/roles.h"

static const struct options *const *opts;
static void (*report_shortage)(const char *what, const char *reason);

void
lifecycle_init(const struct options *both[2], void (*on_shortage)(const char *what, const char *reason))
{
	opts = both;
	report_shortage = on_shortage;
}

const struct options *
lifecycle_options(const struct connection *c)
{
	return opts[c != NULL && c->imaps];
}

void
lifecycle_begin_log(const struct connection *c)
{
	peer_set_log_context(&c->peer);
	if (c->tls[0] == '\0')
		return;
	log_context("tls", c->tls);
	log_context("cipher", c->cipher);
}

void
lifecycle_end_log(void)
{
	log_context_clear();
}

void
lifecycle_close(int *fd)
{
	if (*fd == -1)
		return;
	events_remove(*fd);
	close(*fd);
	*fd = -1;
}

bool
lifecycle_is_alive(const struct connection_process *child)
{
	return child->state == CHILD_STARTING || child->state == CHILD_RUNNING;
}

void
lifecycle_kill(const struct connection_process *child)
{
	if (child->state == CHILD_RUNNING)
		kill(child->pid, SIGKILL);
}

void
lifecycle_report_shortage(const char *what, const char *reason)
{
	report_shortage(what, reason);
}

void
lifecycle_fail_monitor(struct connection *c, const char *reason)
{
	report_shortage("monitor", reason);
	lifecycle_begin_log(c);
	gatelog_end("unavailable", 1);
	lifecycle_end_log();
	c->end_logged = true;
}

void
lifecycle_release_if_over(struct connection *c)
{
	if (lifecycle_is_alive(&c->gate) || lifecycle_is_alive(&c->monitor) || connections_at(c->slot) == NULL)
		return;
	lifecycle_close(&c->client);
	lifecycle_close(&c->login);
	lifecycle_close(&c->account);
	if (c->generation != ROLES_GENERATIONS)
		roles_release(c->generation);
	c->generation = ROLES_GENERATIONS;
	connections_release(c);
}

void
lifecycle_kill_compromised(struct connection *c, const struct connection_process *child, const char *text)
{
	lifecycle_begin_log(c);
	gatelog_bug(text);
	lifecycle_end_log();
	c->end_logged = c->compromised = true;
	lifecycle_kill(child);
	if (child == &c->monitor)
		lifecycle_close(&c->account);
	else if (c->login != -1)
		lifecycle_close(&c->login);
}

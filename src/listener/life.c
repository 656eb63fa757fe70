/*
 * What is done to a connection, see life.h. Run by the listener.
 */

#include "listener/life.h"

#include <signal.h>
#include <unistd.h>

#include "gatelog.h"
#include "listener/events.h"
#include "listener/roles.h"
#include "base/log.h"

static const struct options *const *opts;
static void (*trouble)(const char *what, const char *why);

void
life_begin(const struct options *both[2], void (*on_trouble)(const char *what, const char *why))
{
	opts = both;
	trouble = on_trouble;
}

const struct options *
life_options(const struct connection *c)
{
	return opts[c != NULL && c->imaps];
}

/* Lines of the log from here to life_leave_log are about this connection. */
void
life_enter_log(const struct connection *c)
{
	peer_log(&c->peer);
	if (c->tls[0] == '\0')
		return;
	log_context("tls", c->tls);
	log_context("cipher", c->cipher);
}

void
life_leave_log(void)
{
	log_context_clear();
}

void
life_close(int *fd)
{
	if (*fd == -1)
		return;
	events_remove(*fd);
	close(*fd);
	*fd = -1;
}

bool
life_is_here(const struct connection_process *child)
{
	return child->state == CHILD_STARTING || child->state == CHILD_RUNNING;
}

void
life_end(const struct connection_process *child)
{
	if (child->state == CHILD_RUNNING)
		kill(child->pid, SIGKILL);
}

void
life_trouble(const char *what, const char *why)
{
	trouble(what, why);
}

/* Nobody can be had who would decide. The gate hears that its pair is closed, and says so to its client. */
void
life_lack_monitor(struct connection *c, const char *why)
{
	trouble("monitor", why);
	life_enter_log(c);
	gatelog_end("unavailable", 1);
	life_leave_log();
	c->told = true;
}

/* The connection is over when its processes are. */
void
life_finish_if_over(struct connection *c)
{
	if (life_is_here(&c->gate) || life_is_here(&c->monitor) || connections_at(c->slot) == NULL)
		return;
	life_close(&c->client);
	life_close(&c->login);
	life_close(&c->account);
	if (c->generation != ROLES_GENERATIONS)
		roles_leave(c->generation);
	c->generation = ROLES_GENERATIONS;
	connections_leave(c);
}

/* A gate does what no gate of ours does, or a monitor. */
void
life_expel(struct connection *c, const struct connection_process *child, const char *text)
{
	life_enter_log(c);
	gatelog_bug(text);
	life_leave_log();
	c->told = c->expelled = true;
	life_end(child);
	if (child == &c->monitor)
		life_close(&c->account);
	else if (c->login != -1)
		life_close(&c->login);
}

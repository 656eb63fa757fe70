/*
 * The listener, see listener.h. Runs as root for as long as the service. A client can attack
 * little here: the listener reads no octet from a client, forks for none, waits for none, and
 * calls neither PAM nor OpenSSL. A fault with one connection ends that connection only. Signals
 * are blocked and read from a descriptor.
 */

#include "listener/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/again.h"
#include "base/childexit.h"
#include "base/clock.h"
#include "base/descriptors.h"
#include "base/log.h"
#include "base/openfiles.h"
#include "connection.h"
#include "listener/connections.h"
#include "listener/events.h"
#include "listener/lifecycle.h"
#include "listener/reject.h"
#include "listener/reload.h"
#include "listener/roles.h"
#include "listener/serve.h"
#include "listener/status.h"

/* Pause after a shortage of descriptors, memory or processes, in milliseconds. */
#define PAUSE_MS	100

/* Limit of further dry runs in a row, if SIGHUP arrives during each. */
#define DRY_RUNS_MAX	2

/* Children that are reaped in one turn of the loop. */
#define REAP_MAX	256

/* Longest time that new connections wait for a dry run, in milliseconds. */
#define HOLD_MS		2000

/* Interval between log lines about shortages, in milliseconds. */
#define SHORTAGE_MS	60000

/* Time for clients before login, PAM modules included, after SIGTERM; in milliseconds. */
#define STOP_MS		5000

static struct listener {
	const struct options		*opts[2];	/* index: TLS begins with the connection */
	const struct activation_socket	*sockets;
	size_t				 n;
	struct connection_setup		 setup;
	int				 signals;	/* signalfd(2) */
	int				 watchdog_ms;	/* interval of WATCHDOG=1; 0: no watchdog */
	bool				 accepting;	/* the sockets are watched */
	/* The dry run has succeeded: execute the program once all requests are answered. */
	bool				 reexec_due;
	bool				 reload_again;	/* SIGHUP has arrived during a dry run */
	unsigned			 dry_runs;	/* further dry runs in a row for that */
	bool				 reap_due;	/* children have exited */
	bool				 stopping;
	/* Points on clock_ms(), 0: never. */
	int64_t				 hold_at,	/* end of HOLD_MS */
					 watchdog_at, resume_at, stop_at, shortage_at;
	unsigned			 shortages;	/* since the last line about them */
	unsigned			 reads, accepts; /* failed calls in a row */
} listener;

static sigset_t
handled_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	return set;
}

static void
log_shortage(struct listener *l, const char *what, const char *reason)
{
	int64_t now = clock_ms();
	struct log_line line;

	l->shortages++;
	if (now < l->shortage_at)
		return;
	log_begin(&line, LOG_ERR, "resource-shortage");
	log_field(&line, "what", "%s", what);
	log_field(&line, "times", "%u", l->shortages);
	log_text(&line, "text", reason);
	log_write(&line);
	l->shortage_at = now + SHORTAGE_MS;
	l->shortages = 0;
}

/* Stops accepting for PAUSE_MS and logs the shortage, at most once in SHORTAGE_MS. */
static void
pause_accepting(const char *what, const char *reason)
{
	struct listener *l = &listener;

	l->resume_at = clock_ms() + PAUSE_MS;
	log_shortage(l, what, reason);
}

static void
accept_one(struct listener *l, const struct activation_socket *s)
{
	const struct options *o = l->opts[s->imaps];
	struct connection *connection;
	struct sockaddr_storage from;
	enum msg_limit limit;
	uint64_t network;
	int fd;

	/* First, so that new connections get changed certificates. */
	roles_check_certificates();
	if (!roles_are_ready())
		return;
	status_changed();
	fd = activation_accept(s, &from);
	if (fd == -1) {
		/* A client that disconnected (errno 0) is no fault, but costs a turn of the loop. */
		if (errno != 0 || ++l->accepts > AGAIN_MAX)
			pause_accepting("accept", strerror(errno));
		return;
	}
	l->accepts = 0;
	network = connections_network_of(o, &from);
	limit = connections_reserve(o, network, &connection);
	if (limit == LIMIT_NONE)
		serve_accepted(connection, s->imaps, fd, &from);
	else
		reject_connection(fd, o->tls_on_connect, limit, network, &from);
}

/* Watches the listening sockets, or none of them. On failure accepting pauses. */
static void
set_accepting(struct listener *l)
{
	bool accepting = !l->stopping && !l->reexec_due && l->hold_at == 0 && l->resume_at == 0 && roles_are_ready();
	size_t i;

	if (accepting == l->accepting)
		return;
	l->accepting = accepting;
	for (i = 0; i < l->n; i++)
		if (!accepting)
			events_remove(l->sockets[i].fd);
		else if (!events_add(l->sockets[i].fd, EVENT_SOCKET, (uint32_t)i))
			pause_accepting("epoll", strerror(errno));
}

static void
listener_stop(struct listener *l)
{
	size_t i;

	if (l->stopping)
		return;
	l->stopping = true;
	l->reexec_due = false;
	l->stop_at = clock_ms() + STOP_MS;
	set_accepting(l);
	for (i = 0; i < l->n; i++)
		close(l->sockets[i].fd);
	activation_notify("STOPPING=1");
	serve_shut_down_all();
	status_log("listener-stop", NULL, NULL);
}

static void
abandon_reload(const char *reason)
{
	status_log("reload-failed", "reason", reason);
	activation_notify("READY=1");
}

static void
begin_reload(struct listener *l)
{
	if (l->stopping)
		return;
	/* A dry run has read the files as they were before this signal. */
	l->reload_again = reload_has_dry_run() || l->reexec_due;
	if (l->reload_again)
		return;
	activation_notify("RELOADING=1\nMONOTONIC_USEC=%lld", (long long)clock_ms() * 1000);
	/* New connections wait for the new settings, for HOLD_MS at most. */
	l->hold_at = clock_ms() + HOLD_MS;
	if (!reload_start_dry_run()) {
		l->hold_at = 0;
		abandon_reload(strerror(errno));
	}
}

/*
 * Starts another dry run if SIGHUP came meanwhile, for a limited number of times. Returns whether
 * it did.
 */
static bool
repeat_dry_run(struct listener *l)
{
	bool again = l->reload_again && ++l->dry_runs <= DRY_RUNS_MAX;

	if (again)
		begin_reload(l);
	else
		l->dry_runs = 0;
	return again;
}

/*
 * Executes this program with the signal dispositions as they were found, but for SIGCHLD: if it is
 * ignored, children that exit during the re-execution are lost. Returns on failure.
 */
static void
reexec(struct listener *l)
{
	const sigset_t ours = handled_signals();
	struct signals found = l->setup.signals, again;
	bool ignores_child = found.child.sa_handler == SIG_IGN;
	char generations[512];

	/* A pending SIGTERM would kill the process before the new image reads it. */
	found.mask = ours;
	found.child.sa_handler = SIG_DFL;
	signals_restore(&found);
	roles_keep_on_exec(generations, sizeof(generations), true);
	connections_keep_on_exec(true);
	reload_exec(connections_fd(), ignores_child, generations);
	connections_keep_on_exec(false);
	roles_keep_on_exec(generations, sizeof(generations), false);
	signals_save(&again, &ours);
}

/*
 * Executes the program if a dry run has succeeded and all requests are answered: the new image
 * would not expect an answer.
 */
static void
reexec_if_quiet(struct listener *l)
{
	if (!l->reexec_due || roles_pending() > 0)
		return;
	l->reexec_due = false;
	status_log("listener-reload", NULL, NULL);
	reexec(l);
	abandon_reload("the program can't be executed");
}

/* Handles the end of a dry run. Takes the reason why it failed, NULL: it succeeded. */
static void
end_dry_run(struct listener *l, const char *reason)
{
	l->hold_at = 0;
	if (l->stopping)
		return;
	if (repeat_dry_run(l))
		return;
	if (reason != NULL)
		abandon_reload(reason);
	else if (!roles_has_room())
		abandon_reload("connections of too many earlier reloads still wait for their login");
	else
		l->reexec_due = true;
}

static void
reap_children(struct listener *l)
{
	int status, turns;
	char text[64];
	pid_t pid;

	/* SECURITY: a mailbox program can add children without end (clone(2), CLONE_PARENT). */
	for (turns = 0; turns < REAP_MAX && (pid = waitpid(-1, &status, WNOHANG)) > 0; turns++) {
		if (reload_ended(pid)) {
			snprintf(text, sizeof(text), "the dry run exited with status %d", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
			end_dry_run(l, status != 0 ? text : NULL);
			continue;
		}
		if (!l->stopping && roles_ended(pid, status))
			continue;
		if (!serve_ended(pid, status))
			childexit_report(pid, status, "");
	}
	l->reap_due = turns == REAP_MAX;
	status_changed();
}

static void
handle_signal(struct listener *l)
{
	struct signalfd_siginfo info;

	if (read(l->signals, &info, sizeof(info)) != sizeof(info)) {
		/* Dies, else this would be a busy loop: epoll(7) keeps reporting the signal. */
		if ((errno != EAGAIN && errno != EINTR) || !again(&l->reads))
			die("signalfd");
		return;
	}
	l->reads = 0;
	if (info.ssi_signo == SIGCHLD)
		l->reap_due = true;
	else if (info.ssi_signo == SIGHUP)
		begin_reload(l);
	else
		listener_stop(l);
}

static int
time_to_wait(const struct listener *l)
{
	int64_t at = 0;

	clock_earliest(&at, status_due());
	clock_earliest(&at, l->watchdog_at);
	clock_earliest(&at, l->resume_at);
	clock_earliest(&at, l->hold_at);
	clock_earliest(&at, l->stop_at);
	clock_earliest(&at, reload_due());
	clock_earliest(&at, roles_due());
	return at == 0 ? -1 : clock_left(at);
}

static void
run_timers(struct listener *l)
{
	int64_t now = clock_ms();

	if (status_due() != 0 && now >= status_due()) {
		serve_check_deadlines();
		roles_check_signer();
		status_notify();
	}
	roles_tick();
	if (reload_kill_if_late())
		end_dry_run(l, "the dry run takes too long");
	if (l->resume_at != 0 && now >= l->resume_at)
		l->resume_at = 0;
	if (l->hold_at != 0 && now >= l->hold_at)
		l->hold_at = 0;
	if (l->watchdog_at != 0 && now >= l->watchdog_at) {
		activation_notify("WATCHDOG=1");
		l->watchdog_at = now + l->watchdog_ms;
	}
}

static bool
is_over(const struct listener *l)
{
	return l->stopping && (connections_count().waiting == 0 || clock_left(l->stop_at) == 0);
}

static void
dispatch_event(struct listener *l, const struct event *e)
{
	switch (e->kind) {
	case EVENT_SIGNAL:
		handle_signal(l);
		return;
	case EVENT_SOCKET:
		if (l->accepting)
			accept_one(l, &l->sockets[e->index]);
		return;
	case EVENT_ROLE:
		roles_receive(e->index);
		return;
	case EVENT_LOGIN:
		serve_login(e->index);
		return;
	case EVENT_ACCOUNT:
		serve_account(e->index);
		return;
	}
}

static void
serve_events(struct listener *l)
{
	struct event events[EVENTS_MAX];
	int i, n;

	/* Children that exited during the re-execution: their SIGCHLD may be lost. */
	reap_children(l);
	while (!is_over(l)) {
		set_accepting(l);
		n = events_wait(events, l->reap_due ? 0 : time_to_wait(l));
		run_timers(l);
		/* Signals first: a connection after SIGTERM must not be accepted. */
		for (i = 0; i < n; i++)
			if (events[i].kind == EVENT_SIGNAL)
				dispatch_event(l, &events[i]);
		if (l->reap_due)
			reap_children(l);
		set_accepting(l);
		for (i = 0; i < n; i++)
			if (events[i].kind != EVENT_SIGNAL)
				dispatch_event(l, &events[i]);
		reexec_if_quiet(l);
	}
}

/* Makes accept(2) not block: the client may have disconnected (accept(2), ERROR HANDLING). */
static void
prepare_socket(int fd)
{
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == -1)
		die("socket %d", fd);
}

static void
prepare_sockets(struct listener *l)
{
	const struct options *o = l->opts[0];
	bool imaps = false;
	size_t i;

	for (i = 0; i < l->n; i++) {
		prepare_socket(l->sockets[i].fd);
		/* With --proxy the proxy may do the TLS. */
		if (l->sockets[i].misses_tls && !o->tls_on_connect && o->n_proxy == 0 && !reload_is_dry_run())
			connection_warn_of_port(l->sockets[i].port, l->sockets[i].standard == 0);
		imaps |= l->sockets[i].imaps;
	}
	die_status = EX_CONFIG;
	errno = 0;
	if (imaps && o->n_cert == 0)
		die("a socket for imaps needs a --cert");
	if (o->preauth == PREAUTH_CERT && !imaps && !o->tls_on_connect)
		die("--preauth cert needs --tls-on-connect or a socket for imaps");
	die_status = EX_TEMPFAIL;
}

static void
prepare_listener(struct listener *l)
{
	static const struct roles_callbacks callbacks = { serve_spawned, serve_zygote_ended, serve_log_message, pause_accepting };
	const sigset_t ours = handled_signals();
	bool restored;

	connection_prepare(&l->setup, l->opts[0], &ours);
	if (reload_is_resumed())
		for (int sig = 1; sig < NSIG; sig++)
			if (sigismember(&ours, sig))
				sigdelset(&l->setup.signals.mask, sig);
	if (reload_ignores_child())
		l->setup.signals.child.sa_handler = SIG_IGN;
	prepare_sockets(l);
	events_begin();
	lifecycle_init(l->opts, pause_accepting);
	restored = connections_open(reload_table());
	/* Closes connections of another version; the gates send a BYE at the end of file. */
	if (!restored && !descriptors_close_inherited_from(STDERR_FILENO + 1))
		die("closing descriptors");
	roles_begin(l->opts[0], &l->setup.signals, &callbacks, restored ? reload_generations() : NULL);
	if (reload_is_dry_run())
		_exit(0);
	serve_resume();
	l->signals = signalfd(-1, &ours, SFD_CLOEXEC);
	if (l->signals == -1 || !events_add(l->signals, EVENT_SIGNAL, 0))
		die("signalfd");
}

void
listener_run(const struct options *opts, const struct activation_socket *sockets, size_t n, char *argv[])
{
	static struct options on_connect;
	struct listener *l = &listener;

	on_connect = *opts;
	on_connect.tls_on_connect = true;
	l->opts[false] = opts;
	l->opts[true] = &on_connect;
	l->sockets = sockets;
	l->n = n;
	openfiles_raise();
	reload_begin(argv, sockets, n);
	prepare_listener(l);
	l->watchdog_ms = activation_watchdog();
	l->watchdog_at = l->watchdog_ms > 0 ? clock_ms() + l->watchdog_ms : 0;
	status_log("listener-ready", NULL, NULL);
	activation_notify("READY=1");
	status_notify();
	serve_events(l);
	_exit(0);
}

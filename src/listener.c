/*
 * The listener, see listener.h. Runs as root for as long as the service does,
 * so there is nothing in it that a client could make use of: it reads not one
 * byte of theirs, keeps nothing of them but a process id, and never waits for
 * any of them. Whatever goes wrong with one connection is that connection's end.
 *
 * Signals are blocked and come through a descriptor, so that the loop below
 * sees one thing after the other.
 */

#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "again.h"
#include "board.h"
#include "childexit.h"
#include "clock.h"
#include "connection.h"
#include "listenertls.h"
#include "log.h"
#include "ondemand.h"
#include "openssl.h"
#include "proto/network.h"
#include "refusal.h"
#include "reload.h"
#include "title.h"

/* The status line follows what happens, but not each connection. */
#define STATUS_MS	1000

/* Without descriptors, memory or processes it is of no use to try again at once: others must end first. */
#define PAUSE_MS	100

/* When clients come, files that were read are looked at so often. */
#define REFRESH_MS	1000

/* The same trouble is logged so often. */
#define TROUBLE_MS	60000

/* What those who are not logged in get for their farewells, PAM modules included. */
#define STOP_MS		5000

struct listener {
	const struct options		*opts[2];	/* by whether TLS begins with the connection */
	const struct activation_socket	*sockets;
	size_t				 n;
	struct connection_setup		 setup;
	struct board			*board;
	struct board_counts		 told;		/* by the status line */
	int				 signals;	/* signalfd(2) */
	int				 watchdog_ms;	/* 0: nobody watches */
	pid_t				 trial;		/* of a reload, 0 for none */
	bool				 stopping;
	/* Points on clock_ms(), 0 for never. */
	int64_t				 status_at, watchdog_at, resume_at, stop_at, trouble_at, refresh_at;
	unsigned			 troubles;	/* since the last line about them */
	unsigned			 polls, reads, accepts; /* that failed in a row */
};

static sigset_t
our_signals(void)
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
say(const struct listener *l, const char *event, const char *key, const char *text)
{
	struct board_counts count = board_count(l->board);
	struct log_line line;

	log_begin(&line, LOG_INFO, event);
	log_field(&line, "waiting", "%u", count.connections);
	log_field(&line, "sessions", "%u", count.sessions);
	if (key != NULL)
		log_text(&line, key, text);
	log_write(&line);
}

/* What the administrator sees in the service's status. */
static void
tell_status(struct listener *l)
{
	struct board_counts count = board_count(l->board);

	/* Who logs in does not tell us; as long as somebody may, there is something to look at. */
	l->status_at = count.connections > 0 ? clock_ms() + STATUS_MS : 0;
	if (memcmp(&count, &l->told, sizeof(count)) == 0)
		return;
	l->told = count;
	title_set(NULL, NULL, "listener (%u waiting, %u sessions)", count.connections, count.sessions);
	activation_notify("STATUS=%u connections before login, %u sessions logged in; "
	    "since the start %lu connections, %lu logins, %lu failures, %lu refused",
	    count.connections, count.sessions, count.accepted, count.logins, count.failures, count.refusals);
}

static void
status_changed(struct listener *l)
{
	if (l->status_at == 0)
		l->status_at = clock_ms() + STATUS_MS;
}

/* Something is missing that will be there again some time. What and errno say it, in a line now and then. */
static void
rest(struct listener *l, const char *what)
{
	int64_t now = clock_ms();
	struct log_line line;

	l->resume_at = now + PAUSE_MS;
	l->troubles++;
	if (now < l->trouble_at)
		return;
	log_begin(&line, LOG_ERR, "listener-trouble");
	log_field(&line, "what", "%s", what);
	log_field(&line, "times", "%u", l->troubles);
	log_text(&line, "text", strerror(errno));
	log_write(&line);
	l->trouble_at = now + TROUBLE_MS;
	l->troubles = 0;
}

/* The new process. SIGTERM stays blocked until the monitor can obey it without breaking off. */
static void __attribute__((noreturn))
become_connection(const struct listener *l, bool imaps, int fd, const struct sockaddr_storage *from, struct board_seat *seat)
{
	sigset_t mask;
	size_t i;

	if (dup2(fd, STDIN_FILENO) == -1 || dup2(fd, STDOUT_FILENO) == -1)
		die("dup2");
	/* All else that is open is close-on-exec; but a listening socket must not be held back for as long as that. */
	for (i = 0; i < l->n; i++)
		close(l->sockets[i].fd);
	close(fd);
	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	connection_serve(&l->setup, l->opts[imaps], seat, from);
}

static void
start_child(struct listener *l, bool imaps, int fd, const struct sockaddr_storage *from, struct board_seat *seat)
{
	pid_t pid = fork();

	if (pid == 0)
		become_connection(l, imaps, fd, from, seat);
	if (pid > 0)
		board_enter(seat, pid);
	else {
		board_cancel(seat);
		rest(l, "fork");
		refusal_say(fd, l->opts[imaps]->tls_on_connect);
	}
	close(fd);
}

/* Whom a client is counted as. */
static uint64_t
network_of(const struct options *o, const struct sockaddr *sa)
{
	uint8_t address[NETWORK_ADDRESS];

	if (sa->sa_family == AF_INET)
		network_map(address, (const uint8_t *)&((const struct sockaddr_in *)sa)->sin_addr);
	else if (sa->sa_family == AF_INET6)
		memcpy(address, &((const struct sockaddr_in6 *)sa)->sin6_addr, sizeof(address));
	else
		return o->proxy_unix ? 0 : BOARD_LOCAL;
	return board_network(o, address);
}

/* Files that were read before there was a client may be others now. */
static void
refresh(struct listener *l)
{
	if (clock_left(l->refresh_at) > 0)
		return;
	l->refresh_at = clock_ms() + REFRESH_MS;
	listenertls_refresh(&l->setup);
}

static void
accept_one(struct listener *l, const struct activation_socket *s)
{
	const struct options *o = l->opts[s->imaps];
	struct sockaddr_storage from;
	struct board_seat seat;
	enum board_limit limit;
	uint64_t network;
	int fd;

	status_changed(l);
	refresh(l);
	fd = activation_accept(s, &from);
	if (fd == -1) {
		/* A client that has gone is no trouble, but many in a row are: each costs a turn of the loop. */
		if (errno != 0 || ++l->accepts > AGAIN_MAX)
			rest(l, "accept");
		return;
	}
	l->accepts = 0;
	network = network_of(o, (struct sockaddr *)&from);
	limit = board_admit(l->board, o, network, &seat);
	if (limit == BOARD_UNLIMITED)
		start_child(l, s->imaps, fd, &from, &seat);
	else
		refusal(fd, o->tls_on_connect, limit, network, &from);
}

/* Stopping. */

static void
stop(struct listener *l)
{
	size_t i;

	if (l->stopping)
		return;
	l->stopping = true;
	l->stop_at = clock_ms() + STOP_MS;
	for (i = 0; i < l->n; i++)
		close(l->sockets[i].fd);
	activation_notify("STOPPING=1");
	board_dismiss(l->board);
	say(l, "listener-stop", NULL, NULL);
}

/* Reloading. */

static void
begin_reload(struct listener *l)
{
	if (l->trial != 0 || l->stopping)
		return;
	activation_notify("RELOADING=1\nMONOTONIC_USEC=%lld", (long long)clock_ms() * 1000);
	l->trial = reload_try();
	if (l->trial == -1) {
		l->trial = 0;
		rest(l, "fork");
		activation_notify("READY=1");
	}
}

/* The dispositions are passed on as they were found, and the signals blocked as they are. */
static void
renew(struct listener *l)
{
	const sigset_t ours = our_signals();
	struct launch_inherited found = l->setup.inherited, again;

	/* Not for a moment may they be let through: one that waits would end us. */
	found.mask = ours;
	launch_restore(&found);
	reload_exec(board_fd(l->board));
	launch_inherit(&again, &ours);
}

/* The trial has ended: either the new program takes over here, or everything stays as it was. */
static void
end_reload(struct listener *l, int status)
{
	char text[64];

	l->trial = 0;
	if (l->stopping)
		return;
	errno = 0;
	if (status == 0) {
		say(l, "listener-reload", NULL, NULL);
		renew(l);
	}
	snprintf(text, sizeof(text), status == 0 ? "it can't be executed" : "a trial ended with status %d", status);
	say(l, "listener-kept", "reason", text);
	activation_notify("READY=1");
}

/* The loop. */

static void
reap(struct listener *l)
{
	struct board_client client;
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == l->trial) {
			end_reload(l, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
			continue;
		}
		board_find(l->board, pid, &client);
		board_leave(l->board, pid);
		childexit_report(pid, status, &client);
		if (!l->stopping)
			listenertls_ended(&l->setup, pid);
	}
	status_changed(l);
}

static void
obey_signal(struct listener *l)
{
	struct signalfd_siginfo info;

	if (read(l->signals, &info, sizeof(info)) != sizeof(info)) {
		/* Else poll(2) would say for ever that there is a signal. */
		if ((errno != EAGAIN && errno != EINTR) || !again(&l->reads))
			die("signalfd");
		return;
	}
	l->reads = 0;
	if (info.ssi_signo == SIGCHLD)
		reap(l);
	else if (info.ssi_signo == SIGHUP)
		begin_reload(l);
	else
		stop(l);
}

static void
sooner(int64_t *at, int64_t other)
{
	if (other != 0 && (*at == 0 || other < *at))
		*at = other;
}

static int
time_to_wait(const struct listener *l)
{
	int64_t at = 0;

	sooner(&at, l->status_at);
	sooner(&at, l->watchdog_at);
	sooner(&at, l->resume_at);
	sooner(&at, l->stop_at);
	return at == 0 ? -1 : clock_left(at);
}

static void
keep_time(struct listener *l)
{
	int64_t now = clock_ms();

	if (l->status_at != 0 && now >= l->status_at)
		tell_status(l);
	if (l->resume_at != 0 && now >= l->resume_at)
		l->resume_at = 0;
	if (l->watchdog_at != 0 && now >= l->watchdog_at) {
		activation_notify("WATCHDOG=1");
		l->watchdog_at = now + l->watchdog_ms;
	}
}

static bool
is_over(const struct listener *l)
{
	return l->stopping && (board_count(l->board).connections == 0 || clock_left(l->stop_at) == 0);
}

static void
loop(struct listener *l)
{
	struct pollfd pfd[ACTIVATION_MAX + 1] = { { l->signals, POLLIN, 0 } };
	size_t i, accepting;

	for (i = 0; i < l->n; i++)
		pfd[i + 1] = (struct pollfd){ l->sockets[i].fd, POLLIN, 0 };
	/* Who has ended while we executed ourselves was told of before. */
	reap(l);
	while (!is_over(l)) {
		accepting = l->stopping || l->resume_at != 0 ? 0 : l->n;
		if (poll(pfd, 1 + accepting, time_to_wait(l)) != -1)
			l->polls = 0;
		else if (errno != EINTR || !again(&l->polls))
			die("poll");
		keep_time(l);
		if (pfd[0].revents != 0)
			obey_signal(l);
		for (i = 0; i < accepting && !l->stopping; i++)
			if (pfd[i + 1].revents != 0)
				accept_one(l, &l->sockets[i]);
	}
}

/* Nobody may make us wait in accept(2). */
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
		/* Behind a proxy the TLS may be the proxy's. */
		if (l->sockets[i].clear_993 && !o->tls_on_connect && o->proxies == 0 && !reload_is_trial())
			connection_warn_of_port();
		imaps |= l->sockets[i].imaps;
	}
	log_die_status = EX_CONFIG;
	errno = 0;
	if (imaps && o->certs == 0)
		die("a socket for imaps needs a --cert");
	if (o->preauth == PREAUTH_CERT && !imaps && !o->tls_on_connect)
		die("--preauth cert needs --tls-on-connect or a socket for imaps");
	log_die_status = EX_TEMPFAIL;
}

/*
 * Loads what each login needs: libraries, and that by which the C library finds
 * users (nsswitch.conf(5)). PAM is not started: its files are read at each attempt,
 * and a module's password for a database must not be where gates are forked from.
 */
static void
load_libraries(const struct listener *l)
{
	gid_t none[1];
	int n = 1;

	openssl_begin();
	ondemand_pam();
	getgrouplist(l->opts[0]->gate_user, l->setup.sandbox.gid, none, &n);
}

static void
prepare(struct listener *l)
{
	const sigset_t ours = our_signals();

	connection_prepare(&l->setup, l->opts[0], &ours);
	if (reload_is_resumed())
		for (int sig = 1; sig < NSIG; sig++)
			if (sigismember(&ours, sig))
				sigdelset(&l->setup.inherited.mask, sig);
	prepare_sockets(l);
	load_libraries(l);
	listenertls_start(&l->setup, l->opts[0], l->sockets[0].fd, l->sockets[l->n - 1].fd);
	if (reload_is_trial())
		_exit(0);
	l->board = board_open(reload_board());
	l->signals = signalfd(-1, &ours, SFD_CLOEXEC);
	if (l->signals == -1)
		die("signalfd");
}

void
listener_run(const struct options *opts, const struct activation_socket *sockets, size_t n, char *argv[])
{
	static struct listener l;
	static struct options on_connect;

	on_connect = *opts;
	on_connect.tls_on_connect = true;
	l.opts[false] = opts;
	l.opts[true] = &on_connect;
	l.sockets = sockets;
	l.n = n;
	reload_begin(argv, sockets, n);
	prepare(&l);
	l.watchdog_ms = activation_watchdog();
	l.watchdog_at = l.watchdog_ms > 0 ? clock_ms() + l.watchdog_ms : 0;
	say(&l, "listener-ready", NULL, NULL);
	activation_notify("READY=1");
	l.told.connections = UINT_MAX;
	tell_status(&l);
	loop(&l);
	_exit(0);
}

/*
 * One connection of a superserver, see connection.h. Run by main as root: checks all that must be
 * known before the client's first octet, then forks. The parent becomes the monitor, since the
 * superserver knows its pid; the child becomes the gate, which alone reads from the network.
 */

#include "connection.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <unistd.h>

#include "activation.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/openssl.h"
#include "base/peer.h"
#include "base/title.h"
#include "boundary/msg.h"
#include "gate/gate.h"
#include "gatelog.h"
#include "monitor/launch.h"
#include "monitor/monitor.h"
#include "tls/ktls_probe.h"
#include "tls/tls.h"

/* Time for the client to close its side after a BYE. */
#define CONNECTION_FAREWELL_MS	1000

/* Sends a BYE to a client without TLS, if this process dies before there is a gate. */
static void
send_bye(void)
{
	static const char bye[] = "* BYE [UNAVAILABLE] Server error; please try again later\r\n";
	struct pollfd pfd = { STDIN_FILENO, POLLRDHUP, 0 };

	if (send(STDOUT_FILENO, bye, sizeof(bye) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) == -1 && errno == ENOTSOCK)
		(void)!write(STDOUT_FILENO, bye, sizeof(bye) - 1);
	/*
	 * Waits for the client to close first, as close(2) with unread input is a reset, which
	 * can overtake the line.
	 */
	shutdown(STDOUT_FILENO, SHUT_WR);
	poll(&pfd, 1, CONNECTION_FAREWELL_MS);
}

static const struct passwd *
find_user(const char *option, const char *name)
{
	const struct passwd *pw;

	errno = 0;
	pw = getpwnam(name);
	if (pw == NULL)
		die("%s %s: no such user", option, name);
	errno = 0;
	return pw;
}

/*
 * Checks settings that every login needs: an error now is better than one after a password was
 * sent. A client with implicit TLS can get a reply about a missing program only after the
 * handshake, from the gate.
 */
static void
check_settings(const struct options *o, struct connection_setup *setup, bool listening)
{
	char path[PATH_MAX];

	die_status = EX_CONFIG;
	errno = 0;
	setup->no_program = !launch_find(o, path);
	if (setup->no_program && (listening || !o->tls_on_connect || o->n_cert == 0))
		die("%s: no such program", o->program[0]);
	sandbox_find(&setup->sandbox, o);
	if (o->run_as != NULL && find_user("--run-as", o->run_as)->pw_uid < o->min_uid)
		die("--run-as %s: its uid is below --min-uid", o->run_as);
	die_status = EX_TEMPFAIL;
}

static bool
is_one_socket(int in_fd, int out_fd)
{
	struct stat in, out;

	if (in_fd == out_fd)
		return true;
	return fstat(in_fd, &in) == 0 && fstat(out_fd, &out) == 0 && in.st_dev == out.st_dev && in.st_ino == out.st_ino;
}

enum ktls_obstacle
connection_ktls_obstacle(const struct options *o, const struct peer *p, int in, int out)
{
	if (o->ktls == KTLS_OFF || o->n_cert == 0)
		return OBSTACLE_OFF;
	return p->tcp_socket && is_one_socket(in, out) ? ktls_probe_socket(out) : OBSTACLE_SOCKET;
}

/*
 * Forks a child without an exit signal. The parent may become the mailbox program while the child
 * stays as a relay: that program must not get a SIGCHLD, or find the child by a plain waitpid(2)
 * (clone(2)).
 */
static pid_t
fork_without_signal(void)
{
	return (pid_t)syscall(SYS_clone, 0UL, NULL, NULL, NULL, NULL);
}

void
connection_clear_environment(void)
{
	static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	static char *clean[] = { path, NULL };

	environ = clean;
}

/*
 * Blocks SIGTERM until the monitor handles it (watchdog.h). By then the gate has greeted the
 * client and can send a BYE, and the monitor has a log line ready.
 */
static void
block_sigterm(void)
{
	sigset_t stop;

	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigprocmask(SIG_BLOCK, &stop, NULL);
}

/* Makes the login pair and forks the gate. */
static void
fork_gate(struct monitor_start *monitor, struct gate_start *gate)
{
	int pair[2];

	if (msg_pair(pair) == -1)
		die("socketpair");
	monitor->gate_fd = pair[0];
	gate->monitor = pair[1];
	block_sigterm();
	monitor->gate = fork_without_signal();
	if (monitor->gate == -1)
		die("fork");
	if (monitor->gate == 0) {
		close(pair[0]);
		gate_run(gate);
	}
	/* The gate may have begun TLS: no BYE in the clear from now on. */
	die_hook = NULL;
	close(pair[1]);
	/*
	 * SECURITY: the monitor signs, and the gate must not know the state of its random
	 * generator.
	 */
	if (gate->tls != NULL)
		openssl_reseed();
}

/* Logs an error of TLS before the gate's own messages, which come from the monitor. */
static void
log_tls_error(const char *file, const char *error)
{
	char text[sizeof(((struct msg_log *)NULL)->text)];

	snprintf(text, sizeof(text), "%s%s%s", file != NULL ? file : "", file != NULL ? ": " : "", error);
	gatelog_tls_failure(text, 1);
}

/*
 * Loads certificates for both processes. The monitor reads private keys after the fork, so the
 * gate has none.
 */
static struct tls *
load_tls(const struct options *o)
{
	static const struct tls_callbacks callbacks = { NULL, NULL, log_tls_error };
	static struct tls tls;

	openssl_begin();
	tls_load(&tls, o, &callbacks);
	/* With --tls-on-connect the gate ends with this error, and logs it. */
	if (tls.error != NULL && tls.certificates > 0 && !o->tls_on_connect)
		log_tls_error(NULL, tls.error);
	return &tls;
}

static void __attribute__((noreturn))
serve_connection(const struct connection_setup *setup, const struct options *o, struct peer *peer, int64_t deadline)
{
	struct monitor_start monitor = { .opts = o, .peer = peer, .signals = &setup->signals, .gate_fd = -1, .deadline = deadline };
	struct gate_start gate = { .opts = o, .peer = peer, .sandbox = setup->sandbox, .sign = -1, .deadline = deadline,
	    .no_program = setup->no_program };
	int on = 1;

	/*
	 * Nagle's algorithm would only delay: each reply is one write. The mailbox program
	 * inherits the setting.
	 */
	if (peer->tcp_socket)
		setsockopt(STDOUT_FILENO, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connection_is_peer_preauth(o, peer))
		monitor_preauth(&monitor);
	gate.no_ktls = connection_ktls_obstacle(o, peer, STDIN_FILENO, STDOUT_FILENO);
	if (o->n_cert > 0)
		gate.tls = load_tls(o);
	fork_gate(&monitor, &gate);
	monitor_run(&monitor);
}

void
connection_prepare(struct connection_setup *setup, const struct options *o, const sigset_t *blocked)
{
	signals_save(&setup->signals, blocked);
	check_settings(o, setup, blocked != NULL);
}

bool
connection_is_peer_preauth(const struct options *o, const struct peer *peer)
{
	/* SECURITY: a proxy's user is not its client's. */
	return o->preauth == PREAUTH_PEER && peer->has_uid && !o->tls_on_connect && !peer_is_proxy(peer, o);
}

void
connection_warn_of_port(unsigned port, bool named)
{
	struct log_line line;

	log_begin(&line, LOG_WARNING, "tls-missing");
	if (port != 0)
		log_field(&line, "lport", "%u", port);
	log_text(&line, "text", named ? "clients begin with TLS there, and it is served without; let the socket's name end in imaps "
	    "(FileDescriptorName=), or set --tls-on-connect" : "clients begin with TLS on such a port, and it is served without; "
	    "--tls-on-connect is missing");
	log_write(&line);
}

/*
 * Standard input may be an unsupported listening socket, a terminal, or the service manager's if
 * LISTEN_PID is another process.
 */
static void
require_connection(void)
{
	static const char text[] = "standard input is not a connection";

	if (peer_is_connection(STDIN_FILENO))
		return;
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "imapgate: %s\n", text);
	die_status = EX_CONFIG;
	errno = 0;
	die("%s", text);
}

void
connection_run(const struct options *o)
{
	static struct connection_setup setup;
	static struct peer peer;
	int64_t deadline = clock_ms() + o->timeout_ms;
	bool known;

	require_connection();
	known = peer_identify(&peer, STDIN_FILENO, NULL);
	if (!o->tls_on_connect)
		die_hook = send_bye;
	connection_clear_environment();
	peer_set_log_context(&peer);
	title_set(NULL, peer.ip, "monitor");
	/* The client has reset the connection, so its address is unknown. */
	if (!known) {
		gatelog_end("disconnected", 1);
		_exit(0);
	}
	if (peer.kind == PEER_TCP && peer.tcp_socket && !o->tls_on_connect && !peer_is_proxy(&peer, o) &&
	    activation_is_tls_port((unsigned)strtoul(peer.local_port, NULL, 10)))
		connection_warn_of_port(0, false);
	connection_prepare(&setup, o, NULL);
	serve_connection(&setup, o, &peer, deadline);
}

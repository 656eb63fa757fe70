/*
 * One connection, see connection.h: what has to be known before the client's
 * first byte is read, then the pair and the fork. The parent is the monitor,
 * since its pid is the one that the superserver knows; the child is the gate.
 */

#include "connection.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <unistd.h>

#include "clock.h"
#include "gate/session.h"
#include "kerneltls.h"
#include "log.h"
#include "monitor/launch.h"
#include "monitor/monitor.h"
#include "monitor/report.h"
#include "msg.h"
#include "openssl.h"
#include "peer.h"
#include "proxied.h"
#include "refusal.h"
#include "title.h"

#define FAREWELL_MS	1000

/* For the time before there is a gate: in the clear the client is told that it is not its fault. */
static void
say_bye(void)
{
	static const char bye[] = "* BYE [UNAVAILABLE] Server error; please try again later\r\n";
	struct pollfd pfd = { STDIN_FILENO, POLLRDHUP, 0 };

	if (send(STDOUT_FILENO, bye, sizeof(bye) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) == -1 && errno == ENOTSOCK)
		(void)!write(STDOUT_FILENO, bye, sizeof(bye) - 1);
	/* With unread input a close is a reset, which can overtake the line; the client is given a moment to hang up first. */
	shutdown(STDOUT_FILENO, SHUT_WR);
	poll(&pfd, 1, FAREWELL_MS);
}

static void
describe_peer(const struct peer *p)
{
	log_context("rip", p->ip);
	log_context("rport", p->port);
	log_context("lip", p->local_ip);
	log_context("lport", p->local_port);
	log_context("tls", p->kind == PEER_TLS ? p->tls_protocol : "none");
	log_context("cipher", p->kind == PEER_TLS ? p->tls_cipher : "none");
	if (p->proxy[0] != '\0')
		log_context("proxy", p->proxy);
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

static void
find_gate_user(const struct options *o, struct sandbox *sandbox)
{
	const struct passwd *pw;

	sandbox->root = o->gate_root;
	sandbox->privileged = geteuid() == 0;
	if (!sandbox->privileged)
		return;
	pw = find_user("--gate-user", o->gate_user);
	if (pw->pw_uid == 0 || pw->pw_gid == 0)
		die("--gate-user %s: must not be root", o->gate_user);
	sandbox->uid = pw->pw_uid;
	sandbox->gid = pw->pw_gid;
}

/*
 * Looks at what every login on this machine needs: better said now than after
 * somebody's password. Under a superserver a client that begins with TLS can
 * be told of a missing program only behind the handshake: the gate does it.
 */
static void
check_settings(const struct options *o, struct connection_setup *setup, bool listening)
{
	struct sandbox *sandbox = &setup->sandbox;
	char path[PATH_MAX];

	log_die_status = EX_CONFIG;
	errno = 0;
	setup->no_program = !launch_find(o, path);
	if (setup->no_program && (listening || !o->tls_on_connect || o->certs == 0))
		die("%s: no such program", o->program[0]);
	find_gate_user(o, sandbox);
	if (o->run_as != NULL && find_user("--run-as", o->run_as)->pw_uid < o->min_uid)
		die("--run-as %s: its uid is below --min-uid", o->run_as);
	log_die_status = EX_TEMPFAIL;
}

static bool
is_one_socket(void)
{
	struct stat in, out;

	return fstat(STDIN_FILENO, &in) == 0 && fstat(STDOUT_FILENO, &out) == 0 && in.st_dev == out.st_dev && in.st_ino == out.st_ino;
}

/*
 * May the kernel have the TLS session one day? It is asked now since now is
 * when it can: to load its module takes privilege, and a client that closes
 * its side early would be refused later.
 */
static enum msg_why
ask_kernel(const struct options *o, const struct peer *p)
{
	if (o->ktls == KTLS_OFF || o->certs == 0)
		return WHY_OFF;
	return p->socket && is_one_socket() ? kerneltls_ready(STDOUT_FILENO) : WHY_SOCKET;
}

/*
 * A child without an exit signal: if it stays as a relay its parent becomes
 * the mailbox program, which would not know what to make of a SIGCHLD or of a
 * child that it never had (clone(2); it is not seen by plain waitpid(2)).
 */
static pid_t
fork_quietly(void)
{
	return (pid_t)syscall(SYS_clone, 0UL, NULL, NULL, NULL, NULL);
}

/* What the superserver's environment had to say has been read; OpenSSL, PAM's modules and the C library shall not find more. */
void
connection_clear_environment(void)
{
	static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	static char *clean[] = { path, NULL };

	environ = clean;
}

/* Memory for the relay's one word to a PAM keeper, where there may be both. */
static void
share_word(struct monitor_start *monitor, struct session_start *session)
{
	_Atomic int *said;

	if (monitor->opts->pam_session != PAM_SESSION_WAIT || session->tls == NULL)
		return;
	said = mmap(NULL, sizeof(*said), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (said == MAP_FAILED)
		die("shared memory");
	monitor->said = session->said = said;
}

/* Makes what monitor and gate have between them, and the gate. */
static void
fork_gate(struct monitor_start *monitor, struct session_start *session)
{
	int pair[2], stream[2];

	if (msg_pair(pair) == -1 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stream) == -1)
		die("socketpair");
	share_word(monitor, session);
	monitor->gate_fd = pair[0];
	monitor->mailbox_fd = stream[0];
	session->monitor = pair[1];
	session->mailbox = stream[1];
	monitor->gate = fork_quietly();
	if (monitor->gate == -1)
		die("fork");
	if (monitor->gate == 0) {
		close(pair[0]);
		close(stream[0]);
		session_run(session);
	}
	/* From here on the gate speaks, perhaps TLS already. */
	log_last_word = NULL;
	close(pair[1]);
	close(stream[1]);
	/* SECURITY: this process will sign, and nothing that a signature is made of may be known to the gate. */
	if (session->tls != NULL && monitor->keyholder == -1)
		openssl_forked();
}

/* In front of the gate's own complaints, which come by the monitor. */
static void
complain(const char *file, const char *wrong)
{
	char text[sizeof(((struct msg_log *)NULL)->text)];

	snprintf(text, sizeof(text), "%s%s%s", file != NULL ? file : "", file != NULL ? ": " : "", wrong);
	report_tls_failure(text, 1);
}

/* Without a listener: made once for both processes. Private keys are read after the fork, by the monitor. */
static struct tls *
make_tls(const struct options *o)
{
	static const struct tls_maker maker = { NULL, NULL, complain };
	static struct tls tls;

	openssl_begin();
	tls_load(&tls, o, &maker);
	/* With TLS from the first byte on the gate ends with this error, and says so. */
	if (tls.wrong != NULL && tls.identities > 0 && !o->tls_on_connect)
		complain(NULL, tls.wrong);
	return &tls;
}

static void __attribute__((noreturn))
serve(const struct connection_setup *setup, const struct options *o, const struct peer *peer, struct board_seat *seat, int64_t deadline)
{
	struct monitor_start monitor = {
		.opts = o,
		.peer = peer,
		.inherited = &setup->inherited,
		.gate_fd = -1,
		.mailbox_fd = -1,
		.keyholder = setup->keyholder,
		.deadline = deadline,
		.seat = seat,
	};
	struct session_start session = { .opts = o, .peer = peer, .tls = setup->tls, .sandbox = setup->sandbox, .deadline = deadline,
	    .no_program = setup->no_program };
	int on = 1;

	/*
	 * Each answer is one write, so there is nothing that Nagle could join; and
	 * the mailbox program inherits it. To have it set on the listening socket
	 * is not enough: the first connection is older than its listener.
	 */
	if (peer->socket)
		setsockopt(STDOUT_FILENO, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	board_hide(seat);
	if (o->preauth == PREAUTH_PEER && peer->has_uid && !o->tls_on_connect)
		monitor_preauth(&monitor);
	session.no_ktls = ask_kernel(o, peer);
	if (session.tls == NULL && o->certs > 0)
		session.tls = make_tls(o);
	fork_gate(&monitor, &session);
	monitor_run(&monitor);
}

void
connection_prepare(struct connection_setup *setup, const struct options *o, const sigset_t *blocked)
{
	setup->tls = NULL;
	setup->keyholder = -1;
	launch_inherit(&setup->inherited, blocked);
	check_settings(o, setup, blocked != NULL);
}

void
connection_warn_of_port(void)
{
	struct log_line line;

	log_begin(&line, LOG_WARNING, "tls-missing");
	log_text(&line, "text", "clients begin with TLS on port 993, which is served without; --tls-on-connect is missing, or the socket's name "
	    "has to end in imaps");
	log_write(&line);
}

/* Behind a proxy it is only now known whose connection this is. The listener has counted it as the proxy's, which is unlimited. */
static void
count_as(const struct board_seat *seat, const struct options *o, const struct peer *peer)
{
	enum board_limit limit = board_move(seat, o, board_network(o, peer->address));
	struct log_line line;
	unsigned times;

	if (limit == BOARD_UNLIMITED)
		return;
	times = board_count_line(seat, BOARD_LINE_END, peer->address);
	log_begin(&line, LOG_NOTICE, "end");
	log_field(&line, "reason", "%s", board_limit_name(limit));
	if (times > 1)
		log_field(&line, "times", "%u", times);
	if (times > 0)
		log_write(&line);
	refusal_say(STDOUT_FILENO, o->tls_on_connect);
	_exit(0);
}

/* The client has reset the connection, and the kernel has forgotten it. */
static void __attribute__((noreturn))
end_unknown(void)
{
	struct log_line line;

	log_begin(&line, LOG_INFO, "end");
	log_field(&line, "reason", "disconnected");
	log_write(&line);
	_exit(0);
}

/* A superserver that waits, LISTEN_PID of another process, a terminal. */
static void
require_connection(void)
{
	static const char text[] = "standard input is not a connection";

	if (peer_is_connection(STDIN_FILENO))
		return;
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "imapgate: %s\n", text);
	log_die_status = EX_CONFIG;
	errno = 0;
	die("%s", text);
}

static void
meet(struct peer *peer, const struct options *o, const struct board_seat *seat, const struct sockaddr_storage *from, int64_t deadline)
{
	bool known = peer_look(peer, STDIN_FILENO, from);

	if (!o->tls_on_connect)
		log_last_word = say_bye;
	connection_clear_environment();
	describe_peer(peer);
	if (!known)
		end_unknown();
	title_set(NULL, peer->ip, "monitor");
	board_describe(seat, peer->ip);
	if (!proxied_is_listed(o, peer))
		return;
	proxied_read(peer, deadline);
	describe_peer(peer);
	title_set(NULL, peer->ip, "monitor");
	board_describe(seat, peer->ip);
	count_as(seat, o, peer);
}

void
connection_run(const struct options *o)
{
	static struct connection_setup setup;
	static struct peer peer;
	static struct board_seat nobody;
	int64_t deadline = clock_ms() + o->timeout_ms;

	require_connection();
	meet(&peer, o, &nobody, NULL, deadline);
	if (peer.kind == PEER_TCP && peer.socket && !o->tls_on_connect && peer.proxy[0] == '\0' && strcmp(peer.local_port, "993") == 0)
		connection_warn_of_port();
	connection_prepare(&setup, o, NULL);
	serve(&setup, o, &peer, &nobody, deadline);
}

void
connection_serve(const struct connection_setup *setup, const struct options *o, struct board_seat *seat, const struct sockaddr_storage *from)
{
	static struct peer peer;
	int64_t deadline = clock_ms() + o->timeout_ms;

	meet(&peer, o, seat, from, deadline);
	serve(setup, o, &peer, seat, deadline);
}
